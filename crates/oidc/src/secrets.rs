//! Client secrets: made here, shown once, kept as bcrypt, checked without handing attackers a CPU lever.
//!
//! A secret that was verified is remembered for five minutes as a keyed digest, so that a busy client
//! costs one bcrypt in five minutes. Who guesses pays first: beyond [`FAILURES_MAX`] wrong secrets in a
//! minute from one address for one client, nothing is computed any more; the owner's remembered secret
//! still passes, and so does the owner from elsewhere.

use std::net::IpAddr;
use std::sync::Arc;

use authz::Cx;
use aws_lc_rs::hmac;
use base::id::ClientId;
use base::{Kind, Problem, Secret, Timestamp};
use kms::Kms;
use quick_cache::sync::Cache;
use tokio::sync::Semaphore;

use crate::error::{Error, Result};

/// The usual cost of a stored secret.
pub(crate) const COST: u32 = 12;
/// How long a verified secret is remembered, in seconds.
const REMEMBERED_SECONDS: i64 = 300;
/// Clients whose secrets are remembered.
const CLIENTS_MAX: usize = 10_000;
/// Wrong secrets from one address for one client in one minute.
const FAILURES_MAX: u32 = 10;
/// Sources whose failures are counted.
const SOURCES_MAX: usize = 20_000;
/// Secrets that wait for bcrypt at the same time.
const WAITING_MAX: usize = 64;
/// Bytes of a secret that somebody brings along: 32 random characters hold at least 128 bits in base64.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 32..=72;

/// A bcrypt hash of a client's secret. Never printed.
#[derive(Clone)]
pub struct SecretHash(Secret<String>);

impl SecretHash {
    pub(crate) fn from_stored(hash: String) -> Self {
        Self(Secret::new(hash))
    }

    /// The text, for the row.
    pub(crate) fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl std::fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretHash([secret])")
    }
}

/// A fresh secret with its hash. Computed before a transaction begins: bcrypt takes its time.
pub struct FreshSecret {
    /// What the client's owner is shown once.
    pub secret: Secret<String>,
    /// What is stored.
    pub hash: SecretHash,
}

/// Checks secrets and remembers those that were right. Cheap to clone.
#[derive(Clone)]
pub struct Secrets(Arc<Inner>);

struct Inner {
    cost: u32,
    key: hmac::Key,
    remembered: Cache<ClientId, Remembered>,
    failures: Cache<(ClientId, Option<IpAddr>), (i64, u32)>,
    workers: Semaphore,
    waiting: Semaphore,
}

#[derive(Clone)]
struct Remembered {
    /// HMAC over hash and secret: a rotated secret is forgotten at once.
    tag: [u8; 32],
    until: Timestamp,
}

impl Secrets {
    /// Wires the checks; new secrets get this bcrypt cost, at least 10.
    pub fn new(kms: &Kms, cost: u32) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self(Arc::new(Inner {
            cost: cost.max(10),
            key: hmac::Key::new(hmac::HMAC_SHA256, kms.derive("client-secret-cache").expose()),
            remembered: Cache::new(CLIENTS_MAX),
            failures: Cache::new(SOURCES_MAX),
            workers: Semaphore::new(cores),
            waiting: Semaphore::new(WAITING_MAX),
        }))
    }

    /// Makes a secret of 256 random bits.
    pub async fn fresh(&self, cx: &Cx) -> Result<FreshSecret> {
        let secret = Secret::new(cx.fresh_token());
        let hash = self.hash(cx, secret.clone()).await?;
        Ok(FreshSecret { secret, hash })
    }

    /// Hashes a secret that somebody brings along. It must be random: at least 32 bytes, at most the 72
    /// that bcrypt looks at, without NUL. Fails with 422 `weak_client_secret`.
    pub async fn hash(&self, cx: &Cx, secret: Secret<String>) -> Result<SecretHash> {
        let bytes = secret.expose().as_bytes();
        if !SECRET_BYTES.contains(&bytes.len()) || !bytes.iter().all(u8::is_ascii_graphic) {
            return Err(Error::invalid(
                "/client_secret",
                "weak_client_secret",
                "a client secret is 32 to 72 random visible ASCII characters",
            ));
        }
        let mut salt = [0u8; 16];
        cx.core().random().fill(&mut salt);
        let _worker = self.worker().await?;
        let cost = self.0.cost;
        let hash = tokio::task::spawn_blocking(move || {
            bcrypt::non_truncating_hash_with_salt(secret.expose().as_bytes(), cost, salt)
        })
        .await
        .map_err(|error| base::bug!("hashing panicked: {error}"))?
        .map_err(|error| base::bug!("a secret could not be hashed: {error}"))?;
        Ok(SecretHash::from_stored(hash.format_for_version(bcrypt::Version::TwoA)))
    }

    /// Whether the secret is the client's. Fails with 429 or 503 where it is not even looked at.
    pub async fn verify(
        &self,
        cx: &Cx,
        client: &ClientId,
        secret: &Secret<String>,
        hash: &SecretHash,
    ) -> Result<bool> {
        let now = cx.now();
        let tag = self.tag(secret, hash);
        if let Some(known) = self.0.remembered.get(client)
            && now < known.until
            && aws_lc_rs::constant_time::verify_slices_are_equal(&known.tag, &tag).is_ok()
        {
            return Ok(true);
        }
        let source = (client.clone(), cx.request().client_address.map(network));
        let minute = now.as_seconds().div_euclid(60);
        let failures =
            self.0.failures.get(&source).filter(|(when, _)| *when == minute).map_or(0, |(_, count)| count);
        if failures >= FAILURES_MAX {
            return Err(Problem::new(
                Kind::TooMany,
                "too_many_attempts",
                "too many wrong client secrets; try again in a minute",
            )
            .retry_after(60)
            .into());
        }
        let worker = self.worker().await?;
        let (given, stored) = (secret.clone(), hash.clone());
        let right = tokio::task::spawn_blocking(move || {
            bcrypt::non_truncating_verify(given.expose().as_bytes(), stored.expose())
        })
        .await
        .map_err(|error| base::bug!("verifying panicked: {error}"))?
        .unwrap_or(false);
        drop(worker);
        if right {
            let until = now.plus_seconds(REMEMBERED_SECONDS);
            self.0.remembered.insert(client.clone(), Remembered { tag, until });
        } else {
            self.0.failures.insert(source, (minute, failures.saturating_add(1)));
        }
        Ok(right)
    }

    fn tag(&self, secret: &Secret<String>, hash: &SecretHash) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0.key);
        // INVARIANT: a hash has 60 characters, so the two parts cannot be confused.
        context.update(hash.expose().as_bytes());
        context.update(secret.expose().as_bytes());
        let mut tag = [0u8; 32];
        for (byte, value) in tag.iter_mut().zip(context.sign().as_ref()) {
            *byte = *value;
        }
        tag
    }

    /// A turn at bcrypt. Fails with 503 while too many wait.
    async fn worker(&self) -> Result<tokio::sync::SemaphorePermit<'_>> {
        let busy = || {
            Problem::new(Kind::Unavailable, "busy", "too many secrets are being checked; try again")
                .retry_after(1)
        };
        let _waiting = self.0.waiting.try_acquire().map_err(|_| busy())?;
        self.0.workers.acquire().await.map_err(|_| busy().into())
    }
}

/// The network that one customer of a provider has: the whole address of IPv4, the first 64 bits of IPv6.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => IpAddr::V6(std::net::Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses_from_one_customers_network_count_together() {
        let of = |text: &str| network(text.parse().unwrap());

        assert_eq!(of("2001:db8:1:2:3::4"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
