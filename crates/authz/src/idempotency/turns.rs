//! Requests with one key take turns on one node, without holding a connection while they wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;

type Lock = Arc<tokio::sync::Mutex<()>>;

/// Who has a turn and who waits for one, by the name of what is asked for. Holds only names of requests
/// in flight.
#[derive(Debug, Clone, Default)]
pub struct Turns(Arc<Mutex<HashMap<String, Lock>>>);

/// One request's turn; the next one's when dropped.
#[derive(Debug)]
pub struct Turn {
    guard: Option<OwnedMutexGuard<()>>,
    turns: Turns,
    name: String,
}

impl Turns {
    /// Waits for a turn; none after this long.
    pub(super) async fn take(&self, name: String, wait: Duration) -> Option<Turn> {
        let lock = {
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            known.entry(name.clone()).or_default().clone()
        };
        // Made first, so that a wait that is given up leaves nothing behind.
        let mut turn = Turn { guard: None, turns: self.clone(), name };
        turn.guard = Some(tokio::time::timeout(wait, lock.lock_owned()).await.ok()?);
        Some(turn)
    }

    /// How many names are known.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        drop(self.guard.take());
        let mut known = self.turns.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever waits has a share of the lock; with none but this one, nobody waits.
        if known.get(&self.name).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            known.remove(&self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_at_a_time_and_nothing_is_left_behind() {
        let (long, short) = (Duration::from_secs(60), Duration::from_millis(1));
        let turns = Turns::default();
        let first = turns.take("a".to_owned(), long).await.unwrap();
        let other = turns.take("b".to_owned(), long).await.unwrap();

        assert!(turns.take("a".to_owned(), short).await.is_none(), "the second waited and gave up");
        let waiter = |turns: Turns| async move { turns.take("a".to_owned(), long).await.is_some() };
        let waiting = tokio::spawn(waiter(turns.clone()));
        let ended = tokio::spawn(waiter(turns.clone()));
        tokio::task::yield_now().await;
        ended.abort();
        assert!(ended.await.is_err());
        drop(first);
        assert!(waiting.await.unwrap());
        drop(other);

        assert_eq!(turns.len(), 0);
    }
}
