//! Keys in use: opened, kept in memory for a while, counted, and looked at again when something changed.
//!
//! INVARIANT: what is kept carries the version of its tenant at which it was read, and serves only while that is
//! the newest known: a key that was revoked anywhere is refused here as soon as this node learns of a change, which
//! takes milliseconds on PostgreSQL and half a second at most.
//!
//! INVARIANT: no key encrypts more values than its ring allows. Nodes take uses in blocks from the database before
//! they use them; what a node had left when it was killed counts as used.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use authz::{Core, Cx, Event, Permit, Place, Purpose};
use base::Timestamp;
use base::id::TenantId;
use quick_cache::Equivalent;
use quick_cache::sync::Cache;
use serde_json::json;

use crate::envelope::VersionKey;
use crate::rings::lifecycle::Because;
use crate::rings::machine::{KeyVersion, Status};
use crate::rings::store::{self, UsedKey, UsedRing};
use crate::rings::{Ring, context, target, tenant_of};
use crate::{Error, Kms, Result, wrap};

/// Rings whose active key is kept.
const ACTIVE_MAX: usize = 2_000;
/// Opened keys that are kept, active ones included.
const OPENED_MAX: usize = 10_000;
/// Uses that a node takes at once, the first time.
const BLOCK_MIN: i64 = 1_000;
/// Uses that a node takes at once, where it uses many.
const BLOCK_MAX: i64 = 65_536;
/// A block that lasts for less than this is followed by a larger one, in microseconds.
const BLOCK_MICROS: i64 = 10_000_000;
/// How often a key is looked for: more means that others always are faster.
const REFILLS_MAX: usize = 5;
/// Rings that take turns at the database together.
const TURNS: usize = 64;

/// A data key in use.
pub struct LiveKey {
    /// The tenant; none for the platform.
    pub tenant: Option<TenantId>,
    /// The ring's name.
    pub ring: Arc<str>,
    /// Its number.
    pub version: u32,
    /// What encrypts and decrypts.
    pub key: Arc<VersionKey>,
    /// Its state when it was last looked at.
    pub status: Status,
    /// The id of its row.
    id: String,
}

/// Where a ring is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct RingAddress {
    tenant: Option<TenantId>,
    ring: Arc<str>,
}

/// The same, borrowed. INVARIANT: both hash alike, member by member.
#[derive(Hash)]
struct RingAt<'a> {
    tenant: Option<&'a TenantId>,
    ring: &'a str,
}

impl Equivalent<RingAddress> for RingAt<'_> {
    fn equivalent(&self, key: &RingAddress) -> bool {
        self.tenant == key.tenant.as_ref() && *self.ring == *key.ring
    }
}

/// Where a key is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct KeyAddress {
    tenant: Option<TenantId>,
    ring: Arc<str>,
    version: u32,
}

/// The same, borrowed. INVARIANT: both hash alike, member by member.
#[derive(Hash)]
struct KeyAt<'a> {
    tenant: Option<&'a TenantId>,
    ring: &'a str,
    version: u32,
}

impl Equivalent<KeyAddress> for KeyAt<'_> {
    fn equivalent(&self, key: &KeyAddress) -> bool {
        self.version == key.version && self.tenant == key.tenant.as_ref() && *self.ring == *key.ring
    }
}

/// A key that may be decrypted with, as of a version of its tenant.
#[derive(Clone)]
struct Opened {
    seen: i64,
    key: Arc<LiveKey>,
}

/// The key that encrypts, as of a version of its tenant.
struct Active {
    seen: i64,
    key: Arc<LiveKey>,
    /// When its time is over.
    over_at: Option<Timestamp>,
    /// When it no longer encrypts.
    until: Option<Timestamp>,
    /// Uses that this node has taken and not used.
    left: AtomicI64,
    /// How many it took, and when.
    block: i64,
    taken_at: Timestamp,
    /// Whether it was said that its time is over.
    said: AtomicBool,
}

impl Active {
    fn serves(&self, version: i64, now: Timestamp) -> bool {
        self.seen >= version && self.until.is_none_or(|until| now < until)
    }

    /// Takes uses of this node's own. False if not so many are left.
    fn take(&self, uses: i64) -> bool {
        self.left
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| {
                left.checked_sub(uses).filter(|rest| *rest >= 0)
            })
            .is_ok()
    }
}

/// What a node keeps of keys.
pub(crate) struct Live {
    active: Cache<RingAddress, Arc<Active>>,
    opened: Cache<KeyAddress, Opened>,
    turns: Vec<tokio::sync::Mutex<()>>,
    hasher: RandomState,
    closed: AtomicBool,
}

impl Live {
    pub(crate) fn new() -> Self {
        Self::with_room(ACTIVE_MAX, OPENED_MAX)
    }

    /// Keeps at most so many.
    pub(crate) fn with_room(active: usize, opened: usize) -> Self {
        Self {
            active: Cache::new(active),
            opened: Cache::new(opened),
            turns: (0..TURNS).map(|_| tokio::sync::Mutex::new(())).collect(),
            hasher: RandomState::new(),
            closed: AtomicBool::new(false),
        }
    }

    /// Of those who want a key of one ring, one goes to the database at a time.
    async fn turn(&self, at: &RingAt<'_>) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        let place = usize::try_from(self.hasher.hash_one(at) % TURNS as u64).unwrap_or(0);
        match self.turns.get(place) {
            Some(turn) => Some(turn.lock().await),
            None => None,
        }
    }
}

impl Kms {
    /// The key of a ring that encrypts, for so many values, which are counted as used.
    ///
    /// Never call it while a transaction is open: it may write itself, and on SQLite there is one writer.
    ///
    /// Fails with [`Error::NoRing`], [`Error::NotInitialised`], [`Error::RingScheduled`], [`Error::NoActiveKey`],
    /// with [`Error::Expired`] where the key's time and grace are over and it cannot be replaced, with
    /// [`Error::KeyDecryption`] where the tenant's key is lost, and with [`Error::ShutDown`].
    pub async fn sealing_key(
        &self,
        cx: &Cx,
        tenant: Option<&TenantId>,
        ring: &str,
        uses: u32,
    ) -> Result<Arc<LiveKey>> {
        self.check_open()?;
        let version = version_of(cx.core(), tenant);
        let found = self.0.live.active.get(&RingAt { tenant, ring });
        if let Some(active) = found
            && active.serves(version, cx.now())
            && active.take(uses.into())
        {
            if active.over_at.is_some_and(|over| over <= cx.now()) {
                self.say_overdue(cx.core(), &active).await;
            }
            return Ok(active.key.clone());
        }
        Box::pin(self.refill(cx, tenant, ring, uses.into())).await
    }

    /// A key of a ring that decrypts.
    ///
    /// Fails with [`Error::NoRing`] and [`Error::NoVersion`], with [`Error::Revoked`], [`Error::BelowMinimum`] and
    /// [`Error::RingScheduled`], with [`Error::KeyDecryption`] where the tenant's key is lost, and with
    /// [`Error::ShutDown`].
    pub async fn opening_key(
        &self,
        cx: &Cx,
        tenant: Option<&TenantId>,
        ring: &str,
        version: u32,
    ) -> Result<Arc<LiveKey>> {
        self.check_open()?;
        let seen = version_of(cx.core(), tenant);
        if let Some(found) = self.0.live.opened.get(&KeyAt { tenant, ring, version })
            && found.seen >= seen
        {
            return Ok(found.key);
        }
        Box::pin(self.look_up(cx, tenant, ring, version)).await
    }

    /// Reads a key, and keeps it if it decrypts.
    async fn look_up(
        &self,
        cx: &Cx,
        tenant: Option<&TenantId>,
        ring: &str,
        version: u32,
    ) -> Result<Arc<LiveKey>> {
        let seen = version_of(cx.core(), tenant);
        let missing = || Error::NoRing(ring.to_owned());
        let number = KeyVersion::new(version).ok_or_else(missing)?;
        let (care, permit) = care(cx, tenant);
        let mut rx = care.read(&permit).await?;
        let found = store::find_version(&mut rx, tenant, ring, number).await?;
        drop(rx);
        let usable = found.ok_or_else(missing).and_then(|used| check_opening(used, number));
        let (of, key) = match usable {
            Ok(usable) => usable,
            Err(error) => {
                self.0.live.opened.remove(&KeyAt { tenant, ring, version });
                return Err(error);
            }
        };
        let key = self.opened(cx.core(), &of, &key, seen).await?;
        Ok(key)
    }

    /// The key of a row, with what is kept of it ready for use, or a new one; kept from now on.
    async fn opened(&self, core: &Core, ring: &Ring, key: &UsedKey, seen: i64) -> Result<Arc<LiveKey>> {
        let tenant = ring.tenant_id.as_ref();
        let at = KeyAt { tenant, ring: &ring.name, version: key.version.number() };
        let known = self.0.live.opened.get(&at).filter(|known| known.key.id == key.id);
        let ready = match known {
            Some(known) => known.key.key.clone(),
            None => Arc::new(self.version_key(core, ring, key).await?),
        };
        let name: Arc<str> = ring.name.as_str().into();
        let live = Arc::new(LiveKey {
            tenant: ring.tenant_id.clone(),
            ring: name.clone(),
            version: key.version.number(),
            key: ready,
            status: key.status,
            id: key.id.clone(),
        });
        let address =
            KeyAddress { tenant: ring.tenant_id.clone(), ring: name, version: key.version.number() };
        self.0.live.opened.insert(address, Opened { seen, key: live.clone() });
        Ok(live)
    }

    async fn version_key(&self, core: &Core, ring: &Ring, key: &UsedKey) -> Result<VersionKey> {
        let tenant = ring.tenant_id.as_ref();
        let tenant_key = self.load_tenant_key(core, tenant).await?;
        let version = key.version.to_string();
        let bytes = wrap::unwrap(&tenant_key, &context(tenant, &ring.name, &version, &key.id), &key.wrapped)?;
        VersionKey::new(key.algorithm, &ring.name, key.version.number(), &bytes)
    }

    /// Reads the active key of a ring, replaces it if it is due, and takes uses of it.
    async fn refill(
        &self,
        cx: &Cx,
        tenant: Option<&TenantId>,
        ring: &str,
        uses: i64,
    ) -> Result<Arc<LiveKey>> {
        let core = cx.core();
        let at = RingAt { tenant, ring };
        let _turn = self.0.live.turn(&at).await;
        for _ in 0..REFILLS_MAX {
            let seen = version_of(core, tenant);
            let now = core.now();
            let before = self.0.live.active.get(&at);
            if let Some(active) = before.as_ref().filter(|active| active.serves(seen, now))
                && active.take(uses)
            {
                return Ok(active.key.clone());
            }
            let (of, key) = match self.read_active(cx, tenant, ring).await {
                Ok(found) => found,
                Err(error) => {
                    self.0.live.active.remove(&at);
                    return Err(error);
                }
            };
            if uses > of.uses_max {
                let detail = format!("one key of the ring is good for {} values", of.uses_max);
                return Err(Error::LimitReached(detail));
            }
            let active = of.active.as_ref().ok_or_else(|| Error::NoActiveKey(of.name.clone()))?;
            let until = active.expires_at.map(|over| over.plus_seconds(of.grace_seconds));
            // What this node has taken of the same key before something changed.
            let mut own = before.filter(|before| before.key.id == key.id);
            let left = own.as_ref().map_or(0, |own| own.left.swap(0, Ordering::AcqRel));
            let is_spent = left < uses && active.uses_reserved + uses > of.uses_max;
            if until.is_some_and(|until| until <= now) || is_spent {
                let because = if is_spent { Because::Spent } else { Because::Over };
                self.replace(core, &of, key.version, because).await?;
                continue;
            }
            let mut taken = 0;
            let mut block = own.as_ref().map_or(BLOCK_MIN, |own| own.block);
            if left < uses {
                block = next_block(own.as_deref(), now);
                taken = block.max(uses).min(of.uses_max - active.uses_reserved);
                if !self.reserve(cx, tenant, &key.id, taken, of.uses_max).await? {
                    continue;
                }
            }
            let live = self.opened(core, &of, &key, seen).await?;
            let fresh = Active {
                seen,
                key: live.clone(),
                over_at: active.expires_at,
                until,
                left: AtomicI64::new(left + taken - uses),
                block,
                taken_at: if taken > 0 { now } else { own.as_ref().map_or(now, |own| own.taken_at) },
                said: AtomicBool::new(own.take().is_some_and(|own| own.said.load(Ordering::Relaxed))),
            };
            let fresh = Arc::new(fresh);
            if fresh.over_at.is_some_and(|over| over <= now) {
                self.say_overdue(core, &fresh).await;
            }
            let address = RingAddress { tenant: tenant.cloned(), ring: live.ring.clone() };
            self.0.live.active.insert(address, fresh);
            return Ok(live);
        }
        Err(Error::NoActiveKey(ring.to_owned()))
    }

    /// The ring with its active key.
    async fn read_active(&self, cx: &Cx, tenant: Option<&TenantId>, ring: &str) -> Result<(Ring, UsedKey)> {
        let (care, permit) = care(cx, tenant);
        let mut rx = care.read(&permit).await?;
        let Some(found) = store::find_active(&mut rx, tenant, ring).await? else {
            let any = store::count_rings(&mut rx, tenant).await? > 0;
            return Err(if any { Error::NoRing(ring.to_owned()) } else { Error::NotInitialised });
        };
        let UsedRing { ring: of, key } = found;
        if let Some(at) = of.destroy_at {
            return Err(Error::RingScheduled { ring: of.name, at });
        }
        match key {
            Some(key) => Ok((of, key)),
            None => Err(Error::NoActiveKey(of.name)),
        }
    }

    /// Replaces a key that must not encrypt any more.
    async fn replace(&self, core: &Core, ring: &Ring, version: KeyVersion, because: Because) -> Result<()> {
        let tenant = ring.tenant_id.as_ref();
        match self.rotate_due(core, tenant, &ring.name, version, because).await {
            Ok(_) => Ok(()),
            Err(error) if because == Because::Over => {
                tracing::error!(?error, ring = ring.name, "a key whose time is over cannot be replaced");
                Err(Error::Expired { ring: ring.name.clone(), version })
            }
            Err(error) => Err(error),
        }
    }

    async fn reserve(
        &self,
        cx: &Cx,
        tenant: Option<&TenantId>,
        id: &str,
        uses: i64,
        uses_max: i64,
    ) -> Result<bool> {
        let (care, permit) = care(cx, tenant);
        let mut tx = care.write(&permit).await?;
        let reserved = store::reserve(&mut tx, id, uses, uses_max).await?;
        tx.commit_housekeeping().await?;
        Ok(reserved)
    }

    /// Says once for each key and node that its time is over and that it encrypts all the same.
    async fn say_overdue(&self, core: &Core, active: &Active) {
        if active.said.swap(true, Ordering::Relaxed) {
            return;
        }
        let key = &active.key;
        metrics::counter!("kms_keys_overdue_total").increment(1);
        tracing::warn!(
            ring = %key.ring,
            version = key.version,
            until = active.until.map(|until| until.to_string()),
            "the time of a data key is over and it was not replaced: it encrypts until its grace is over"
        );
        let tenant = key.tenant.as_ref().map(TenantId::as_str);
        let details = json!({
            "tenant": tenant,
            "version": key.version,
            "over_at": active.over_at,
            "until": active.until,
        });
        let event = Event::failed("kms_key.overdue", target(&key.ring).name(tenant)).details(details);
        core.system(Place::Platform).record(event).await;
    }

    /// Forgets all that is kept of a tenant's keys, or the platform's.
    pub(crate) fn forget(&self, tenant: Option<&TenantId>) {
        self.0.live.active.retain(|address, _| address.tenant.as_ref() != tenant);
        self.0.live.opened.retain(|address, _| address.tenant.as_ref() != tenant);
    }

    /// Forgets all keys and refuses to open any from now on: at the end of the process.
    pub fn close(&self) {
        self.0.live.closed.store(true, Ordering::Release);
        self.0.live.active.clear();
        self.0.live.opened.clear();
    }

    /// Fails with [`Error::ShutDown`] once it is closed.
    pub(crate) fn check_open(&self) -> Result<()> {
        if self.0.live.closed.load(Ordering::Acquire) { Err(Error::ShutDown) } else { Ok(()) }
    }
}

/// The newest known version of a tenant, or of the platform.
fn version_of(core: &Core, tenant: Option<&TenantId>) -> i64 {
    match tenant {
        Some(tenant) => core.version(tenant),
        None => core.platform_version(),
    }
}

/// Looks after keys: in the caller's own place where they are of that place, as the system otherwise.
fn care(cx: &Cx, tenant: Option<&TenantId>) -> (Cx, Permit) {
    if tenant_of(cx) == tenant {
        return (cx.clone(), cx.purpose(Purpose::KeyCare));
    }
    let system = cx.core().system(Place::Platform);
    let permit = system.purpose(Purpose::Job("kms.use"));
    (system, permit)
}

/// How many uses to take next: more where the last ones were gone soon.
fn next_block(before: Option<&Active>, now: Timestamp) -> i64 {
    match before {
        Some(active) if now.micros_since(active.taken_at) < BLOCK_MICROS => {
            active.block.saturating_mul(2).min(BLOCK_MAX)
        }
        Some(_) | None => BLOCK_MIN,
    }
}

/// Says whether a key decrypts.
fn check_opening(used: UsedRing, version: KeyVersion) -> Result<(Ring, UsedKey)> {
    let UsedRing { ring, key } = used;
    let Some(key) = key else { return Err(Error::NoVersion { ring: ring.name, version }) };
    if let Some(at) = ring.destroy_at {
        return Err(Error::RingScheduled { ring: ring.name, at });
    }
    if !key.status.decrypts() {
        return Err(Error::Revoked { ring: ring.name, version });
    }
    if version < ring.min_decryption_version {
        return Err(Error::BelowMinimum { version, minimum: ring.min_decryption_version });
    }
    Ok((ring, key))
}
