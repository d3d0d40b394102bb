//! How long a call takes: two contenders take turns, so that a machine that slows down does so for both.

use rustix::time::{ClockId, clock_gettime};

/// How much to measure.
pub(crate) struct Plan {
    pub(crate) rounds: usize,
    pub(crate) seconds: f64,
    pub(crate) openssl_seconds: u32,
}

impl Plan {
    pub(crate) const FULL: Self = Self { rounds: 9, seconds: 0.15, openssl_seconds: 1 };
    pub(crate) const SMOKE: Self = Self { rounds: 1, seconds: 0.01, openssl_seconds: 1 };
}

/// Smallest, middle and largest of some values.
pub(crate) struct Spread {
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) max: f64,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
        Self { min: at(0), median: at(values.len() / 2), max: at(values.len().saturating_sub(1)) }
    }
}

/// Nanoseconds of a call of each, and which share of the primitive's rate ours has, in percent.
pub(crate) struct Figure {
    pub(crate) ours: f64,
    pub(crate) raw: f64,
    pub(crate) share: Spread,
}

/// Measures both in turns.
pub(crate) fn turns(plan: &Plan, mut ours: impl FnMut(), mut raw: impl FnMut()) -> Figure {
    let (mut own, mut bare, mut shares) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        let (one, other) = (turn(plan, &mut ours), turn(plan, &mut raw));
        own.push(one);
        bare.push(other);
        shares.push(other / one * 100.0);
    }
    Figure { ours: Spread::of(own).median, raw: Spread::of(bare).median, share: Spread::of(shares) }
}

/// Nanoseconds of processor time that a call takes, over one turn.
pub(crate) fn turn(plan: &Plan, call: &mut impl FnMut()) -> f64 {
    let mut calls = 1u64;
    // Doubling finds a number of calls that fills the turn, and warms the caches.
    loop {
        let took = timed(calls, call);
        if took >= plan.seconds {
            return took * 1e9 / calls as f64;
        }
        let factor = if took > plan.seconds / 50.0 { plan.seconds / took * 1.1 } else { 8.0 };
        calls = (calls as f64 * factor).ceil() as u64;
    }
}

fn timed(calls: u64, call: &mut impl FnMut()) -> f64 {
    let begun = seconds();
    for _ in 0..calls {
        call();
    }
    seconds() - begun
}

fn seconds() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}
