//! New versions as PostgreSQL tells of them, so that a node need not wait for its next look.
//!
//! A trigger on `policy_versions` sends each new version at the commit. Nothing depends on its coming: what is lost
//! with a connection is found by whoever looks at the versions, which is what [`Notice::Lost`] asks for. SQLite
//! has no such thing, and is looked at alone.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::sync::mpsc;

use crate::Store;
use crate::pool::Address;

/// Where the trigger sends.
const CHANNEL: &str = "signet_policy_versions";
/// Notices that wait for whoever reads them; the connection waits when there are more.
const WAITING_MAX: usize = 1_024;
/// The pause before the first new connection after one was lost; it doubles with each that fails.
const PAUSE_MIN: Duration = Duration::from_millis(250);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// How long a new connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A scope has this version now.
    Version(String, i64),
    /// Something may have been said that nobody heard: look at all versions.
    Lost,
}

impl Store {
    /// Begins to listen, in a task that ends when the receiver is dropped. With SQLite the receiver is closed at
    /// once.
    pub fn notices(&self) -> mpsc::Receiver<Notice> {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        if let Address::Postgres(options) = self.address() {
            tokio::spawn(async move {
                let gone = sender.clone();
                tokio::select! {
                    () = gone.closed() => {}
                    () = tell(*options, sender) => {}
                }
            });
        }
        receiver
    }
}

/// Passes on what is heard, over one connection after another.
async fn tell(options: PgConnectOptions, sender: mpsc::Sender<Notice>) {
    let mut pause = PAUSE_MIN;
    loop {
        match listen(&options).await {
            Ok(mut listener) => {
                pause = PAUSE_MIN;
                // What was said before this connection was there, nobody heard.
                if sender.send(Notice::Lost).await.is_err() {
                    return;
                }
                while let Ok(Some(heard)) = listener.try_recv().await {
                    let notice = read(heard.payload()).unwrap_or(Notice::Lost);
                    if sender.send(notice).await.is_err() {
                        return;
                    }
                }
                tracing::warn!(
                    "the connection that tells of other nodes' changes was lost: they are looked for"
                );
                if sender.send(Notice::Lost).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::debug!(%error, "nobody tells of other nodes' changes: they are looked for")
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

async fn listen(options: &PgConnectOptions) -> sqlx::Result<PgListener> {
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(CONNECT_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with(options.clone());
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    Ok(listener)
}

/// Reads `{version} {scope}`.
fn read(payload: &str) -> Option<Notice> {
    let (version, scope) = payload.split_once(' ')?;
    Some(Notice::Version(scope.to_owned(), version.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_says_the_version_and_then_the_scope() {
        assert_eq!(read("7 tenant one"), Some(Notice::Version("tenant one".to_owned(), 7)));
        assert_eq!(read("seven t"), None);
        assert_eq!(read("7"), None);
    }
}
