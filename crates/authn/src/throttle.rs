//! Slows guessing down without letting an attacker lock the owner out.
//!
//! Every attempt is charged before the password is looked at, in one statement, so that a hundred
//! attempts at once are counted like a hundred in a row; a success gives the charge back. What is counted
//! is the pair of account and source address (5 failures in 15
//! minutes, or what the tenant's lockout policy says) and the source address alone (100
//! failures in 15 minutes). At the limit the key is blocked for a minute, and each further failure
//! doubles that, up to 30 minutes or what the policy says. There is no count of the account alone: who fails from elsewhere
//! blocks only themselves.

mod store;

use std::net::IpAddr;

use authz::{Cx, Purpose, Tx};
use base::Timestamp;

use crate::{Error, Result, Service, config_of};

/// Failures from one source before it is blocked.
pub(crate) const SOURCE_FAILURES_MAX: i64 = 100;
/// How long failures are added up, in seconds.
pub(crate) const WINDOW_SECONDS: i64 = 15 * 60;
/// How long a key is blocked, in seconds, at the limit and at each failure after it.
pub(crate) const BLOCK_SECONDS: [i64; 6] = [60, 120, 240, 480, 960, 1800];

/// What an attempt was charged to.
#[derive(Debug, Clone)]
pub(crate) struct Charge {
    pair: String,
    source: String,
}

impl Service {
    /// Charges an attempt at an account. Fails with [`Error::TooManyAttempts`]; then nothing was charged
    /// and the password must not be looked at.
    pub(crate) async fn charge(&self, cx: &Cx, account: &str) -> Result<Charge> {
        let tenant = cx.tenant()?.id.clone();
        let source = source_of(cx.request().client_address);
        let key = |parts: &[&str]| format!("p:{}", self.kms().digest("throttle", &parts.join("\n")));
        let charge = Charge {
            pair: key(&["pair", tenant.as_str(), account, &source]),
            source: key(&["source", tenant.as_str(), &source]),
        };
        let policy = config_of(cx.tenant()?)?.lockout_policy;
        let blocks = BLOCK_SECONDS.map(|seconds| seconds.min(policy.duration_seconds));
        let limits = [(&charge.pair, i64::from(policy.failures_max)), (&charge.source, SOURCE_FAILURES_MAX)];
        let now = cx.now();
        let permit = cx.purpose(Purpose::SignIn);
        let mut tx = cx.write(&permit).await?;
        for (key, failures_max) in limits {
            let limit = store::Limit { failures_max, blocked_until: blocks.map(|s| now.plus_seconds(s)) };
            if !store::charge(&mut tx, key, &tenant, &limit, now).await? {
                let until = store::blocked_until(&mut tx, key).await?.unwrap_or(now);
                return Err(Error::TooManyAttempts { retry_after_seconds: seconds_between(now, until) });
            }
        }
        tx.commit_housekeeping().await?;
        Ok(charge)
    }

    /// Gives the charge of a success back in a transaction of its own.
    pub(crate) async fn give_back(&self, cx: &Cx, charge: &Charge) -> Result<()> {
        let mut tx = cx.write(&cx.purpose(Purpose::SignIn)).await?;
        give_back_in(&mut tx, charge).await?;
        tx.commit_housekeeping().await?;
        Ok(())
    }
}

/// Gives the charge of a success back, in its transaction: the account starts anew, the source as before.
pub(crate) async fn give_back_in(tx: &mut Tx, charge: &Charge) -> Result<()> {
    store::forget(tx, &charge.pair).await?;
    store::give_back(tx, &charge.source, SOURCE_FAILURES_MAX).await?;
    Ok(())
}

fn seconds_between(now: Timestamp, until: Timestamp) -> u32 {
    let seconds = until.micros_since(now).max(0).unsigned_abs().div_ceil(1_000_000);
    u32::try_from(seconds).unwrap_or(u32::MAX).max(1)
}

/// The source that shares a count: an IPv4 address, or the /64 of an IPv6 address, which is what one
/// customer of a provider has.
fn source_of(address: Option<IpAddr>) -> String {
    match address.map(|a| a.to_canonical()) {
        None => "none".to_owned(),
        Some(IpAddr::V4(v4)) => v4.to_string(),
        Some(IpAddr::V6(v6)) => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_network_of_version_6_share_a_source() {
        let source = |text: &str| source_of(Some(text.parse().unwrap()));

        assert_eq!(source("2001:db8:1:2::1"), source("2001:db8:1:2:ffff::9"));
        assert_ne!(source("2001:db8:1:2::1"), source("2001:db8:1:3::1"));
        assert_eq!(source("::ffff:192.0.2.1"), source("192.0.2.1"));
        assert_ne!(source("192.0.2.2"), source("192.0.2.1"));
    }
}
