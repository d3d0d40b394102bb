//! How many questions a caller may ask: a bucket of tokens for each, in this node's memory.
//!
//! A bucket is one number, the instant at which it will be full again (the generic cell rate algorithm), so that
//! taking from it is one compare-and-swap. Evicted buckets begin full: whoever fills the table with callers can
//! only have been let in as them.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use base::id::PrincipalId;
use base::{RateLimit, Timestamp};
use quick_cache::sync::Cache;

use super::QUESTIONS_MAX;

/// Callers whose buckets are kept.
const CALLERS_MAX: usize = 100_000;
/// The most questions a second, and the largest burst, that can be configured.
pub const QUESTIONS_PER_SECOND_MAX: u32 = 1_000_000;
/// The smallest burst that can be configured: one full batch.
#[expect(clippy::cast_possible_truncation, reason = "a constant of 1,000")]
pub const BURST_MIN: u32 = QUESTIONS_MAX as u32;
const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// How many questions a caller may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Questions a second in the long run: 1 to [`QUESTIONS_PER_SECOND_MAX`].
    pub per_second: u32,
    /// Questions at once: [`BURST_MIN`] to [`QUESTIONS_PER_SECOND_MAX`].
    pub burst: u32,
}

/// The rates of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuestionRates {
    /// Of each client that is registered as an enforcement point.
    pub points: Rate,
    /// Of each person, and of each client that is not registered.
    pub others: Rate,
}

impl Default for QuestionRates {
    /// 5,000 a second and 10,000 at once for enforcement points, 100 a second and 1,000 at once for all others.
    fn default() -> Self {
        Self {
            points: Rate { per_second: 5_000, burst: 10_000 },
            others: Rate { per_second: 100, burst: 1_000 },
        }
    }
}

/// The buckets of this node's callers.
pub(crate) struct Buckets {
    rates: QuestionRates,
    /// The instant, in nanoseconds since 1970, at which each bucket is full.
    full_at: Cache<PrincipalId, Arc<AtomicI64>>,
}

impl Buckets {
    pub(crate) fn new(rates: QuestionRates) -> Self {
        Self { rates, full_at: Cache::new(CALLERS_MAX) }
    }

    /// Takes `questions` tokens of a caller, all or none; says what is left where they are not there.
    pub(crate) fn take(
        &self,
        caller: &PrincipalId,
        is_point: bool,
        questions: usize,
        now: Timestamp,
    ) -> std::result::Result<(), RateLimit> {
        let (name, rate) = match is_point {
            true => ("points", self.rates.points),
            false => ("others", self.rates.others),
        };
        let step = NANOS_PER_SECOND / i64::from(rate.per_second.max(1));
        let depth = step.saturating_mul(i64::from(rate.burst));
        let cost = step.saturating_mul(i64::try_from(questions).unwrap_or(i64::MAX));
        let now = now.as_micros().saturating_mul(1_000);
        let bucket = match self.full_at.get(caller) {
            Some(bucket) => bucket,
            None => {
                let fresh = Arc::new(AtomicI64::new(now));
                // Two first questions at once: the later bucket stays, and the earlier question is forgiven.
                self.full_at.insert(caller.clone(), fresh.clone());
                fresh
            }
        };
        let mut full_at = bucket.load(Ordering::Relaxed);
        loop {
            let after = full_at.max(now).saturating_add(cost);
            if after.saturating_sub(now) > depth {
                return Err(limit(name, rate, step, depth, full_at.max(now) - now, cost));
            }
            match bucket.compare_exchange_weak(full_at, after, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(changed) => full_at = changed,
            }
        }
    }
}

/// What a refused caller is told; `debt` is what is missing to a full bucket, in nanoseconds of refilling.
fn limit(name: &'static str, rate: Rate, step: i64, depth: i64, debt: i64, cost: i64) -> RateLimit {
    let seconds = |nanos: i64| {
        let whole = nanos.max(0).saturating_add(NANOS_PER_SECOND - 1) / NANOS_PER_SECOND;
        u32::try_from(whole).unwrap_or(u32::MAX)
    };
    RateLimit {
        name,
        quota: rate.burst,
        window_seconds: seconds(depth).max(1),
        remaining: u32::try_from((depth - debt).max(0) / step.max(1)).unwrap_or(u32::MAX),
        reset_seconds: seconds(debt + cost - depth).max(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn id(text: &str) -> PrincipalId {
        PrincipalId::parse(text).unwrap()
    }

    fn after(micros: i64) -> Timestamp {
        Timestamp::from_micros(NOON.as_micros() + micros)
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let buckets = Buckets::new(QuestionRates {
            points: Rate { per_second: 10, burst: 100 },
            others: Rate { per_second: 1, burst: 100 },
        });
        let caller = id("caller");

        assert_eq!(buckets.take(&caller, true, 60, NOON), Ok(()));
        assert_eq!(buckets.take(&caller, true, 40, NOON), Ok(()));
        let refused = buckets.take(&caller, true, 5, NOON).unwrap_err();

        assert_eq!((refused.name, refused.quota, refused.remaining), ("points", 100, 0));
        assert_eq!((refused.window_seconds, refused.reset_seconds), (10, 1));
        assert!(buckets.take(&caller, true, 1, after(99_000)).is_err());
        assert_eq!(
            buckets.take(&caller, true, 1, after(100_000)),
            Ok(()),
            "one token after a tenth of a second"
        );
        assert!(buckets.take(&caller, true, 1, after(100_000)).is_err());
        assert_eq!(buckets.take(&id("another"), true, 100, NOON), Ok(()), "each caller has its own");
    }

    #[test]
    fn a_refusal_takes_nothing() {
        let rate = Rate { per_second: 1, burst: 100 };
        let buckets = Buckets::new(QuestionRates { points: rate, others: rate });
        let caller = id("caller");
        assert_eq!(buckets.take(&caller, false, 99, NOON), Ok(()));

        for _ in 0..10 {
            let refused = buckets.take(&caller, false, 50, NOON).unwrap_err();
            assert_eq!((refused.remaining, refused.reset_seconds), (1, 49));
        }

        assert_eq!(buckets.take(&caller, false, 1, NOON), Ok(()));
    }

    #[test]
    fn a_bucket_never_holds_more_than_its_burst() {
        let rate = Rate { per_second: QUESTIONS_PER_SECOND_MAX, burst: BURST_MIN };
        let buckets = Buckets::new(QuestionRates { points: rate, others: rate });
        let caller = id("caller");
        assert_eq!(buckets.take(&caller, false, QUESTIONS_MAX, NOON), Ok(()));

        let year_later = after(365 * 86_400 * 1_000_000);

        assert_eq!(buckets.take(&caller, false, QUESTIONS_MAX, year_later), Ok(()));
        assert!(buckets.take(&caller, false, 1, year_later).is_err());
    }
}
