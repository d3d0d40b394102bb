//! For how long decisions go on from memory while the database does not answer, and since when they do.
//!
//! A node looks at the versions twice a second ([`Core::refresh`]). The instant of the last look that was
//! answered is what it knows to be the present; past [`NOTICED_SECONDS`] its decisions are stale and say so, and past
//! the configured time there are none.

use std::sync::atomic::{AtomicI64, Ordering};

use base::Timestamp;

use crate::{Core, Error, Result};

/// Seconds without an answer after which the database counts as away. A look takes that long at times.
pub const NOTICED_SECONDS: i64 = 3;
/// The longest time that can be configured, in seconds: a day.
pub const STALE_SECONDS_MAX: u32 = 86_400;
/// The time where none is configured, in seconds.
pub const STALE_SECONDS_DEFAULT: u32 = 300;

/// Nobody looks: a command, a test.
const UNWATCHED: i64 = -1;
const MICROS: i64 = 1_000_000;

/// What a node knows of its own age.
pub(crate) struct Freshness {
    /// When the last look that was answered began, in microseconds since 1970.
    confirmed_at: AtomicI64,
    /// For how many seconds decisions go on, or [`UNWATCHED`].
    bound_seconds: AtomicI64,
}

impl Freshness {
    pub(crate) const fn new() -> Self {
        Self { confirmed_at: AtomicI64::new(0), bound_seconds: AtomicI64::new(UNWATCHED) }
    }

    /// Begins to hold the bound: from here on somebody looks.
    pub(crate) fn watch(&self, now: Timestamp, bound_seconds: u32) {
        self.confirm(now);
        self.bound_seconds.store(bound_seconds.into(), Ordering::Release);
    }

    /// The database answered a look that began then.
    pub(crate) fn confirm(&self, at: Timestamp) {
        self.confirmed_at.fetch_max(at.as_micros(), Ordering::Relaxed);
    }

    /// Since when decisions are stale; none while they are not.
    ///
    /// Fails with [`Error::Outdated`] where they would be older than they may be.
    pub(crate) fn check(&self, now: Timestamp) -> Result<Option<Timestamp>> {
        let Some((since, age)) = self.age(now) else { return Ok(None) };
        let bound = self.bound_seconds.load(Ordering::Relaxed);
        if age <= NOTICED_SECONDS * MICROS {
            return Ok(None);
        }
        if age > (NOTICED_SECONDS + bound) * MICROS {
            return Err(Error::Outdated { since });
        }
        Ok(Some(since))
    }

    /// For how many seconds decisions go on without the database; none where they do not.
    pub(crate) fn bound_seconds(&self) -> Option<i64> {
        Some(self.bound_seconds.load(Ordering::Relaxed)).filter(|bound| *bound > 0)
    }

    /// When the versions were last seen, and how long ago that is in microseconds; none where nobody looks.
    pub(crate) fn age(&self, now: Timestamp) -> Option<(Timestamp, i64)> {
        if self.bound_seconds.load(Ordering::Acquire) == UNWATCHED {
            return None;
        }
        let since = Timestamp::from_micros(self.confirmed_at.load(Ordering::Relaxed));
        Some((since, now.micros_since(since).max(0)))
    }
}

impl Core {
    /// From here on somebody calls [`Core::refresh`] twice a second: where the database does not answer, decisions
    /// go on from memory for so many seconds, and not at all with 0. Before, they go on for ever.
    pub fn watch_freshness(&self, stale_seconds: u32) {
        self.freshness().watch(self.now(), stale_seconds);
    }

    /// Since when decisions are made without the database; none while it answers.
    ///
    /// Fails with [`Error::Outdated`] where it has been away for longer than they may go on.
    pub fn stale_since(&self) -> Result<Option<Timestamp>> {
        self.freshness().check(self.now())
    }

    /// How many seconds ago the versions were last seen; none where nobody looks.
    pub fn confirmed_seconds_ago(&self) -> Option<i64> {
        self.freshness().age(self.now()).map(|(_, age)| age / 1_000_000)
    }

    /// Whether something that was last seen in the database then may still be gone by, although the database does
    /// not answer: as long as decisions go on. For what others keep and nothing is known to have changed of.
    pub fn goes_on_from(&self, seen_at: Timestamp) -> bool {
        let Some(bound) = self.freshness().bound_seconds() else { return false };
        let until = seen_at.plus_seconds(bound + NOTICED_SECONDS);
        self.stale_since().is_ok() && self.now() < until
    }

    /// Since when decisions are stale, and counts one that is. Fails as [`Core::stale_since`] does.
    pub(crate) fn note_stale(&self) -> Result<Option<Timestamp>> {
        let since = self.stale_since()?;
        if since.is_some() {
            metrics::counter!("decisions_stale_total").increment(1);
        }
        Ok(since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp::from_seconds(1_800_000_000);

    #[test]
    fn decisions_are_fresh_then_stale_then_none() {
        let freshness = Freshness::new();
        assert!(matches!(freshness.check(NOON.plus_seconds(9_999)), Ok(None)), "nobody looks");
        freshness.watch(NOON, 300);

        let at = |seconds| freshness.check(NOON.plus_seconds(seconds));
        assert!(matches!(at(3), Ok(None)));
        assert!(matches!(at(4), Ok(Some(since)) if since == NOON));
        assert!(matches!(at(303), Ok(Some(since)) if since == NOON));
        assert!(matches!(at(304), Err(Error::Outdated { since }) if since == NOON));
        freshness.confirm(NOON.plus_seconds(304));
        assert!(matches!(at(304), Ok(None)));
        freshness.confirm(NOON);
        assert!(matches!(at(304), Ok(None)), "an answer that comes late takes nothing back");
    }

    #[test]
    fn a_bound_of_nothing_ends_decisions_as_soon_as_the_database_is_seen_to_be_away() {
        let freshness = Freshness::new();
        freshness.watch(NOON, 0);

        assert!(matches!(freshness.check(NOON.plus_seconds(3)), Ok(None)));
        assert!(matches!(freshness.check(NOON.plus_seconds(4)), Err(Error::Outdated { .. })));
        assert_eq!(freshness.bound_seconds(), None);
    }
}
