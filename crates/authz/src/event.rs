//! What happened, and the three paths by which it reaches the audit log.
//!
//! (a) With the state change: [`crate::Tx::record`]. (b) On its own: [`crate::Cx::record`], through a
//! bounded queue that commits in groups at most every 50 ms and pushes back when full. (c) Counted:
//! [`crate::Cx::count`], one row a source and minute with an exact count, so that nobody can write the
//! disk full.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base::Timestamp;
use base::id::{PrincipalId, TenantId};
use serde_json::{Value, json};
use store::{AuditRow, Outcome, Quiet, Scope, Store, StoreError};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::{Error, Result};

/// Events that may wait for the next group commit.
const QUEUE_MAX: usize = 8192;
/// Events of one group commit at most.
const GROUP_MAX: usize = 500;
/// How long an event waits for others.
const GROUP_WAIT: Duration = Duration::from_millis(50);
/// How long counted events are added up.
const COUNT_WINDOW: Duration = Duration::from_secs(60);
/// Sources counted apart in one window; beyond it all others share one row.
const SOURCES_MAX: usize = 10_000;
/// How long an event waits for room in the queue.
const FULL_WAIT: Duration = Duration::from_secs(5);
/// How long to wait after the database refused a group.
const RETRY_WAIT: Duration = Duration::from_secs(1);

/// What happened, before it is known who did it and where.
#[derive(Debug, Clone)]
pub struct Event {
    pub(crate) action: &'static str,
    pub(crate) resource: String,
    pub(crate) outcome: Outcome,
    pub(crate) details: Value,
    pub(crate) user: Option<(String, Option<String>)>,
    pub(crate) session_id: Option<String>,
    pub(crate) summary: Option<String>,
}

impl Event {
    /// Something that was done: `noun.verb` in the past tense, and the resource name.
    pub fn done(action: &'static str, resource: impl ToString) -> Self {
        Self {
            action,
            resource: resource.to_string(),
            outcome: Outcome::Success,
            details: json!({}),
            user: None,
            session_id: None,
            summary: None,
        }
    }

    /// Something that was refused.
    pub fn denied(action: &'static str, resource: impl ToString) -> Self {
        Self { outcome: Outcome::Denied, ..Self::done(action, resource) }
    }

    /// Something that failed.
    pub fn failed(action: &'static str, resource: impl ToString) -> Self {
        Self { outcome: Outcome::Failure, ..Self::done(action, resource) }
    }

    /// Adds what else there is to know: strings, integers, lists and objects; no float, no secret.
    #[must_use]
    pub fn details(mut self, details: Value) -> Self {
        self.details = details;
        self
    }

    /// Names the person concerned, where that is not the actor.
    #[must_use]
    pub fn about_user(mut self, id: impl ToString, username: Option<&str>) -> Self {
        self.user = Some((id.to_string(), username.map(str::to_owned)));
        self
    }

    /// Names the session concerned.
    #[must_use]
    pub fn in_session(mut self, id: impl ToString) -> Self {
        self.session_id = Some(id.to_string());
        self
    }

    /// Adds one line for people.
    #[must_use]
    pub fn summary(mut self, line: impl Into<String>) -> Self {
        self.summary = Some(line.into());
        self
    }
}

enum Message {
    Record(Box<AuditRow>),
    Flush(oneshot::Sender<()>),
}

/// What counted events are told apart by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Source {
    pub(crate) tenant: Option<TenantId>,
    pub(crate) action: &'static str,
    pub(crate) outcome: &'static str,
    pub(crate) address: Option<IpAddr>,
    pub(crate) actor: Option<PrincipalId>,
}

/// Counted events of the present window, each with its exact count.
type Counts = Arc<Mutex<HashMap<Source, AuditRow>>>;

/// The bounded queue in front of the audit log, and the counts beside it.
#[derive(Clone)]
pub(crate) struct AuditQueue {
    sender: mpsc::Sender<Message>,
    counts: Counts,
}

impl AuditQueue {
    /// Starts the queue and the task that empties it.
    pub(crate) fn start(store: Store) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE_MAX);
        let counts = Counts::default();
        tokio::spawn(drain(store, receiver, counts.clone()));
        Self { sender, counts }
    }

    /// Queues an event; waits while the queue is full, but not for ever: while the database is away, decisions go
    /// on, and what no longer fits goes to the log whole.
    pub(crate) async fn record(&self, row: AuditRow) {
        let room = tokio::time::timeout(FULL_WAIT, self.sender.reserve()).await;
        match room {
            Ok(Ok(room)) => room.send(Message::Record(Box::new(row))),
            Ok(Err(_)) => log_whole(&row, "the audit queue has stopped"),
            Err(_) => log_whole(&row, "the audit queue is full and the database does not take it"),
        }
    }

    /// Counts an event; the row is made only for the first of its source and window.
    pub(crate) fn count(&self, mut source: Source, row: impl FnOnce() -> AuditRow) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = counts.get_mut(&source) {
            known.count += 1;
            return;
        }
        let mut row = row();
        if counts.len() >= SOURCES_MAX {
            source.address = None;
            source.actor = None;
            row.ip_address = None;
            row.actor_id = None;
        }
        counts.entry(source).and_modify(|known| known.count += 1).or_insert(row);
    }

    /// Waits until all that was queued and counted so far is committed.
    pub(crate) async fn flush(&self) {
        let (sender, receiver) = oneshot::channel();
        if self.sender.send(Message::Flush(sender)).await.is_ok() {
            drop(receiver.await);
        }
    }
}

fn take(counts: &Counts) -> Vec<AuditRow> {
    let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
    std::mem::take(&mut *counts).into_values().collect()
}

async fn drain(store: Store, mut receiver: mpsc::Receiver<Message>, counts: Counts) {
    let mut window_ends = Instant::now() + COUNT_WINDOW;
    loop {
        let first = tokio::select! {
            message = receiver.recv() => match message {
                Some(message) => Some(message),
                None => break,
            },
            () = tokio::time::sleep_until(window_ends) => None,
        };
        let mut group = Vec::new();
        let mut flushes = Vec::new();
        let deadline = Instant::now() + GROUP_WAIT;
        let mut next = first;
        while let Some(message) = next {
            match message {
                Message::Record(row) => group.push(*row),
                Message::Flush(done) => {
                    flushes.push(done);
                    break;
                }
            }
            if group.is_empty() || group.len() >= GROUP_MAX {
                break;
            }
            next = tokio::time::timeout_at(deadline, receiver.recv()).await.ok().flatten();
        }
        if Instant::now() >= window_ends || !flushes.is_empty() {
            group.extend(take(&counts));
            window_ends = Instant::now() + COUNT_WINDOW;
        }
        write(&store, group).await;
        for done in flushes {
            let _ = done.send(());
        }
    }
    write(&store, take(&counts)).await;
}

/// Writes one group, again and again while the database is away; the bounded queue pushes back meanwhile.
/// A row that the database refuses for what it is does not hold up the others: it goes to the log whole.
async fn write(store: &Store, rows: Vec<AuditRow>) {
    if rows.is_empty() || persist(store, &rows).await {
        return;
    }
    for row in &rows {
        if !persist(store, std::slice::from_ref(row)).await {
            log_whole(row, "the database refused an audit event");
        }
    }
}

/// The last resort for an event that reaches the audit log no other way.
fn log_whole(row: &AuditRow, why: &'static str) {
    let event = String::from_utf8_lossy(&row.bytes()).into_owned();
    tracing::error!(event, "{why}: it stands only here");
}

/// Writes rows together; false if the database refuses them for what they are.
async fn persist(store: &Store, rows: &[AuditRow]) -> bool {
    loop {
        match try_write(store, rows).await {
            Ok(()) => return true,
            Err(Error::Store(
                StoreError::Unique { .. }
                | StoreError::Reference
                | StoreError::Check(_)
                | StoreError::Shape { .. },
            )) => return false,
            Err(error) => {
                tracing::error!(error = ?error, events = rows.len(), "the audit log could not be written; trying again");
                tokio::time::sleep(RETRY_WAIT).await;
            }
        }
    }
}

async fn try_write(store: &Store, rows: &[AuditRow]) -> Result<()> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the audit queue itself writes what was recorded elsewhere"
    )]
    let mut tx = store.begin_write(Scope::Platform, Some(&["audit_logs"])).await?;
    for row in rows {
        tx.append(row.clone());
    }
    tx.commit_quietly(Quiet::AuditQueue).await?;
    Ok(())
}

/// The age of a request in milliseconds, never negative.
pub(crate) fn duration_ms(started: Timestamp, now: Timestamp) -> i64 {
    (now.micros_since(started) / 1000).max(0)
}
