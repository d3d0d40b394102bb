//! bcrypt on a bounded pool: as many at once as the machine has cores, a short queue, then 503.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use authz::Core;
use base::{Random, Secret};
use directory::PasswordHash;
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization;

use super::imported::ImportedHash;
use crate::{Error, Result};

/// The lowest cost that is ever written (requirements A02).
pub const COST_MIN: u32 = 10;
/// The longest password in bytes: bcrypt ignores what comes after (requirements B2.5).
pub const PASSWORD_BYTES_MAX: usize = 72;
/// Calls that may wait for a turn, for each core.
const WAITING_PER_CORE_MAX: usize = 32;

/// A password in the form in which it is hashed: NFC (RFC 8265 section 4.2.2, OpaqueString), 1 to 72
/// bytes of UTF-8, without NUL. The same form at setting and at checking.
#[derive(Clone)]
pub struct Candidate(Secret<String>);

/// Why text cannot be a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadCandidate {
    /// Nothing.
    #[error("a password must not be empty")]
    Empty,
    /// More than 72 bytes in UTF-8.
    #[error("a password has at most 72 bytes in UTF-8")]
    TooLong,
    /// A NUL, where bcrypt implementations stop reading.
    #[error("a password must not contain NUL")]
    Nul,
}

impl Candidate {
    /// Takes what a person typed. Fails with [`BadCandidate`].
    pub fn parse(typed: &Secret<String>) -> std::result::Result<Self, BadCandidate> {
        let typed = typed.expose();
        if typed.is_empty() {
            return Err(BadCandidate::Empty);
        }
        // Composition shortens text, but never to a ninth: no need to normalise a megabyte.
        if typed.len() > PASSWORD_BYTES_MAX * 9 {
            return Err(BadCandidate::TooLong);
        }
        let normal = Secret::new(typed.nfc().collect::<String>());
        if normal.expose().contains('\0') {
            return Err(BadCandidate::Nul);
        }
        if normal.expose().len() > PASSWORD_BYTES_MAX {
            return Err(BadCandidate::TooLong);
        }
        Ok(Self(normal))
    }

    /// Lends the normal form.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// What is verified in the place of text that cannot be a password, so that the work is the same.
    pub(crate) fn placeholder() -> Self {
        Self(Secret::new("placeholder".to_owned()))
    }
}

impl std::fmt::Debug for Candidate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[secret]")
    }
}

/// The pool. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Hasher(Arc<Pool>);

struct Pool {
    turns: Semaphore,
    waiting: AtomicUsize,
    waiting_max: usize,
    verified: AtomicU64,
    cost: u32,
    core: Core,
    /// What is verified where there is no hash to verify.
    dummy: PasswordHash,
}

/// Counts a call as waiting for as long as it lives.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Hasher {
    /// Makes a pool for this machine. `cost` is raised to [`COST_MIN`] where it is lower.
    pub(crate) fn new(cost: u32, core: Core) -> Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let cost = cost.clamp(COST_MIN, 31);
        let dummy = unverifiable(cost, core.random())?;
        Ok(Self(Arc::new(Pool {
            turns: Semaphore::new(cores),
            waiting: AtomicUsize::new(0),
            waiting_max: cores * WAITING_PER_CORE_MAX,
            verified: AtomicU64::new(0),
            cost,
            core,
            dummy,
        })))
    }

    /// The cost of new hashes.
    pub(crate) fn cost(&self) -> u32 {
        self.0.cost
    }

    /// How often bcrypt has verified since the start.
    pub(crate) fn verifications(&self) -> u64 {
        self.0.verified.load(Ordering::SeqCst)
    }

    /// Hashes a password with a fresh salt as `$2a$`. Fails with [`Error::Busy`].
    pub(crate) async fn hash(&self, candidate: &Candidate) -> Result<PasswordHash> {
        let candidate = candidate.clone();
        let cost = self.0.cost;
        let mut salt = [0u8; 16];
        self.0.core.random().fill(&mut salt);
        let hashed = self
            .run(move || bcrypt::hash_with_salt(candidate.expose(), cost, salt))
            .await?
            .map_err(|e| Error::Bug(base::bug!("bcrypt: {e}")))?;
        parse(&hashed.format_for_version(bcrypt::Version::TwoA))
    }

    /// Verifies a password against a stored hash, or against a dummy of the usual cost where there is
    /// none; then the answer is no after the same work. Fails with [`Error::Busy`].
    pub(crate) async fn verify(&self, candidate: &Candidate, hash: Option<&PasswordHash>) -> Result<bool> {
        let exists = hash.is_some();
        let hash = hash.unwrap_or(&self.0.dummy).clone();
        let candidate = candidate.clone();
        self.0.verified.fetch_add(1, Ordering::SeqCst);
        let same = self
            .run(move || bcrypt::verify(candidate.expose(), hash.expose()))
            .await?
            .map_err(|e| Error::Bug(base::bug!("bcrypt: {e}")))?;
        Ok(same && exists)
    }

    /// Verifies a password against a hash of another system, which takes as long as that was made to take.
    /// Fails with [`Error::Busy`].
    pub(crate) async fn verify_imported(&self, candidate: &Candidate, hash: &ImportedHash) -> Result<bool> {
        let (candidate, hash) = (candidate.clone(), hash.clone());
        self.run(move || hash.matches(candidate.expose())).await
    }

    /// A hash that no password verifies, of the usual cost.
    pub(crate) fn unusable(&self) -> Result<PasswordHash> {
        unverifiable(self.0.cost, self.0.core.random())
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let ahead = self.0.waiting.fetch_add(1, Ordering::SeqCst);
        let waiting = Waiting(&self.0.waiting);
        if ahead >= self.0.waiting_max {
            return Err(Error::Busy);
        }
        let turn = self.0.turns.acquire().await.map_err(|_| Error::Busy)?;
        let done = tokio::task::spawn_blocking(work).await;
        drop(turn);
        drop(waiting);
        done.map_err(|e| Error::Bug(base::bug!("a hashing thread failed: {e}")))
    }
}

/// A hash that no password verifies, of this cost.
fn unverifiable(cost: u32, random: &dyn Random) -> Result<PasswordHash> {
    let made = PasswordHash::unusable(random);
    let digest = made.expose().rsplit_once('$').map_or("", |(_, digest)| digest);
    parse(&format!("$2a${cost:02}${digest}"))
}

fn parse(text: &str) -> Result<PasswordHash> {
    PasswordHash::parse(text).map_err(|e| Error::Bug(base::bug!("our own hash was refused: {e}")))
}
