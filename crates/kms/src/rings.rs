//! Key rings: how the data keys of one name are made, replaced and ended.
//!
//! A ring belongs to a tenant, or to the platform, and has an active key at all times: the one that encrypts.
//! Its keys are numbered from 1 on, and no number comes twice. INVARIANT: whoever changes a ring or its keys holds
//! the ring's row locked, so that of many at once each sees what the one before it did.
//!
//! Reading order: [`machine`], this file, `lifecycle`, `destruction`, `maintenance`.

mod destruction;
pub(crate) mod http;
pub(crate) mod lifecycle;
pub mod machine;
mod maintenance;
pub(crate) mod store;
#[cfg(test)]
mod tests;

use authz::{Action, Change, Core, Cx, Event, Permit, Place, Purpose, Rx, Target, Tx};
use aws_lc_rs::digest::{SHA256, digest};
use base::id::{Id, Noun, TenantId};
use base::text::check_line;
use base::{Secret, Timestamp};
use serde_json::json;
use web::IfMatch;

use crate::sealed::RING_BYTES_MAX;
use crate::{Algorithm, Error, Kms, Result, hex, wrap};

pub use destruction::{WAITING_SECONDS, WAITING_SECONDS_DEFAULT};
pub use machine::{After, KeyVersion, Status, Step};
pub use maintenance::{Done, Maintained};

/// Rings of a tenant, or of the platform, at most.
pub const RINGS_MAX: i64 = 200;
/// Keys of a ring at most, whatever their state.
pub const KEYS_MAX: i64 = 100_000;
/// How often keys are replaced where nothing is said, in seconds: every 90 days.
pub const ROTATION_SECONDS_DEFAULT: i64 = 90 * 86_400;
/// How often keys may be replaced, in seconds: hourly to every ten years.
pub const ROTATION_SECONDS: std::ops::RangeInclusive<i64> = 3600..=315_360_000;
/// For how long an active key that is over still encrypts where nothing is said, in seconds: a day.
pub const GRACE_SECONDS_DEFAULT: i64 = 86_400;
/// For how long it may, in seconds: up to 30 days.
pub const GRACE_SECONDS: std::ops::RangeInclusive<i64> = 0..=2_592_000;
/// How many values one key must at least be good for: as many as one call may hold.
pub const USES_MIN: i64 = 1_000;
/// The longest purpose and the longest reason, in characters.
pub const TEXT_CHARS_MAX: usize = 255;
/// The ring that [`Kms::initialise`] makes.
pub const DEFAULT_RING: &str = "default";

/// The marker of key rings.
#[derive(Debug)]
pub enum KeyRingNoun {}

impl Noun for KeyRingNoun {
    const NAME: &'static str = "key_ring";
}

/// A key ring.
#[derive(Debug, Clone, PartialEq)]
pub struct Ring {
    /// Its id; addresses have its name.
    pub id: Id<KeyRingNoun>,
    /// The tenant; none for a ring of the platform.
    pub tenant_id: Option<TenantId>,
    /// The name, unique there: 1 to 64 of `[a-z0-9_-]`. Never changes.
    pub name: String,
    /// What it is for, for people.
    pub purpose: String,
    /// How its next key encrypts.
    pub algorithm: Algorithm,
    /// How often its key is replaced; none for never by itself.
    pub rotation_interval_seconds: Option<i64>,
    /// For how long an active key that is over still encrypts.
    pub grace_seconds: i64,
    /// How many values one key may encrypt.
    pub uses_max: i64,
    /// What is under an earlier key cannot be read.
    pub min_decryption_version: KeyVersion,
    /// The highest number that a key of the ring ever had.
    pub last_version: u32,
    /// The key that encrypts.
    pub active: Option<ActiveKey>,
    /// When the ring goes with all its keys; nothing can be done with it until then.
    pub destroy_at: Option<Timestamp>,
    /// Counts its changes, also those of its keys.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// What of the active key shows in its ring.
#[derive(Debug, Clone, PartialEq)]
pub struct ActiveKey {
    /// Its number.
    pub version: KeyVersion,
    /// Since when it is active.
    pub activated_at: Option<Timestamp>,
    /// When it is over.
    pub expires_at: Option<Timestamp>,
    /// Uses that nodes have taken.
    pub uses_reserved: i64,
}

/// A data key, without its bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct DataKey {
    /// Its id.
    pub id: String,
    /// Its number.
    pub version: KeyVersion,
    /// How it encrypts.
    pub algorithm: Algorithm,
    /// A digest that tells it from others, and does not tell what it is.
    pub key_hash: String,
    /// Its state.
    pub status: Status,
    /// Uses that nodes have taken: at least as many as there were.
    pub uses_reserved: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Since when it was last active.
    pub activated_at: Option<Timestamp>,
    /// When it is, or would have been, over.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// Why.
    pub revoke_reason: Option<String>,
    /// When it goes.
    pub destroy_at: Option<Timestamp>,
}

/// Somebody who says that it holds values under a key.
#[derive(Debug, Clone, PartialEq)]
pub struct Reference {
    /// Who: 1 to 64 of `[A-Za-z0-9._:-]`.
    pub holder: String,
    /// How many values.
    pub items: i64,
    /// When it last said so.
    pub updated_at: Timestamp,
}

/// A ring to be made; what is none has its default.
#[derive(Debug, Clone, Default)]
pub struct NewRing {
    /// The name.
    pub name: String,
    /// What it is for.
    pub purpose: Option<String>,
    /// How it encrypts.
    pub algorithm: Option<Algorithm>,
    /// How often its key is replaced; the inner none for never by itself.
    pub rotation_interval_seconds: Option<Option<i64>>,
    /// For how long an active key that is over still encrypts.
    pub grace_seconds: Option<i64>,
    /// How many values one key may encrypt.
    pub uses_max: Option<i64>,
}

impl NewRing {
    /// A ring of this name with all defaults.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }
}

/// A change of a ring; what is none stays.
#[derive(Debug, Clone, Default)]
pub struct RingChange {
    /// Another purpose.
    pub purpose: Option<String>,
    /// How the next key encrypts.
    pub algorithm: Option<Algorithm>,
    /// Another interval, also for the present key; the inner none for never by itself.
    pub rotation_interval_seconds: Option<Option<i64>>,
    /// Another grace.
    pub grace_seconds: Option<i64>,
    /// Another number of uses.
    pub uses_max: Option<i64>,
    /// The first key under which values can be read.
    pub min_decryption_version: Option<KeyVersion>,
}

/// How many keys there are of a status and an algorithm: a row of document 002's `kms_key_stats`.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyFigures {
    /// The status.
    pub status: Status,
    /// The algorithm.
    pub algorithm: Algorithm,
    /// How many keys.
    pub keys: i64,
    /// How many of them are over.
    pub over: i64,
    /// When the first of them was made.
    pub earliest_created_at: Timestamp,
    /// When the last of them was made.
    pub latest_created_at: Timestamp,
}

/// The state of a tenant's keys, or the platform's.
#[derive(Debug, Clone, PartialEq)]
pub struct KeysState {
    /// Whether there is a key ring.
    pub initialised: bool,
    /// Where tenant keys are kept: `directory`, `database` or `same_database`.
    pub key_store: &'static str,
    /// Whether the tenant's key is there and this root key unwraps it.
    pub tenant_key_opens: bool,
    /// Rings with their active keys, by name.
    pub rings: Vec<Ring>,
    /// Keys counted.
    pub keys: Vec<KeyFigures>,
}

/// The tenant that a context is in; none on the platform.
pub(crate) fn tenant_of(cx: &Cx) -> Option<&TenantId> {
    match cx.place() {
        Place::Tenant(tenant) => Some(&tenant.id),
        Place::Platform => None,
    }
}

/// Asks for the action of the place: tenants and the platform have their own.
pub(crate) async fn judge(
    cx: &Cx,
    in_tenant: Action,
    on_platform: Action,
    target: &Target,
) -> Result<Permit> {
    let action = if tenant_of(cx).is_some() { in_tenant } else { on_platform };
    Ok(cx.authorize(action, target).await?)
}

/// A ring as policies and evidence name it.
pub(crate) fn target(name: &str) -> Target {
    Target::Member(KeyRingNoun::NAME, name.to_owned())
}

/// Checks the name of a ring. Fails with [`Error::Invalid`].
pub(crate) fn is_ring_name(name: &str) -> bool {
    (1..=RING_BYTES_MAX).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b))
}

impl Kms {
    /// Begins to keep keys for a tenant, or for the platform: makes the tenant's key and the ring `default`.
    ///
    /// Fails with [`Error::AlreadyInitialised`], and like [`Kms::create_ring`].
    pub async fn initialise(&self, cx: &Cx) -> Result<Ring> {
        let permit =
            judge(cx, Action::KeyRingCreate, Action::PlatformKeyWrite, &Target::all(KeyRingNoun::NAME))
                .await?;
        let tenant = tenant_of(cx);
        if store::count_rings(&mut cx.read(&permit).await?, tenant).await? > 0 {
            return Err(Error::AlreadyInitialised);
        }
        let new = NewRing {
            purpose: Some("what has no ring of its own".to_owned()),
            ..NewRing::named(DEFAULT_RING)
        };
        self.create_for(cx, &permit, tenant, new).await.map_err(|error| match error {
            Error::Taken(_) => Error::AlreadyInitialised,
            other => other,
        })
    }

    /// Makes a ring with its first key, in the caller's tenant or on the platform.
    ///
    /// Fails with [`Error::Taken`], [`Error::Invalid`], [`Error::LimitReached`], with [`Error::KeyDecryption`]
    /// where the tenant's key is lost, and with [`Error::File`] or [`Error::KeyDatabase`] where it cannot be had.
    pub async fn create_ring(&self, cx: &Cx, new: NewRing) -> Result<Ring> {
        let permit =
            judge(cx, Action::KeyRingCreate, Action::PlatformKeyWrite, &Target::all(KeyRingNoun::NAME))
                .await?;
        self.create_for(cx, &permit, tenant_of(cx), new).await
    }

    /// Makes a ring for the program's own use in a tenant, or on the platform, unless it is there.
    ///
    /// Fails like [`Kms::create_ring`].
    pub async fn ensure_ring(&self, core: &Core, tenant: Option<&TenantId>, new: NewRing) -> Result<()> {
        let cx = core.system(Place::Platform);
        let permit = cx.purpose(Purpose::Job("kms.ensure_ring"));
        if store::find_ring(&mut cx.read(&permit).await?, tenant, &new.name).await?.is_some() {
            return Ok(());
        }
        match self.create_for(&cx, &permit, tenant, new).await {
            Ok(_) | Err(Error::Taken(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn create_for(
        &self,
        cx: &Cx,
        permit: &Permit,
        tenant: Option<&TenantId>,
        new: NewRing,
    ) -> Result<Ring> {
        self.check_open()?;
        let ring = new.checked(cx, tenant)?;
        // Before the transaction: inside it, only SQL is awaited.
        let has_keys = store::has_keys(&mut cx.read(permit).await?, tenant).await?;
        let tenant_key = match has_keys {
            true => self.load_tenant_key(cx.core(), tenant).await?,
            false => self.make_tenant_key(cx.core(), tenant).await?,
        };

        let mut tx = cx.write(permit).await?;
        if store::count_rings(&mut tx, tenant).await? >= RINGS_MAX {
            return Err(Error::LimitReached(format!("there are at most {RINGS_MAX} key rings here")));
        }
        store::insert_ring(&mut tx, &ring).await?;
        let key = add_key_in(&mut tx, &ring, &tenant_key).await?;
        activate_in(&mut tx, &ring, &key).await?;
        let details = json!({ "algorithm": ring.algorithm.name(), "key_hash": key.key_hash });
        tx.record_in(tenant, Event::done("kms_ring.created", name(&ring)).details(details));
        changed(&mut tx, tenant);
        let made = load(&mut tx, tenant, &ring.name).await?;
        tx.commit().await?;
        Ok(made)
    }

    /// All rings of the caller's tenant, or of the platform (at most [`RINGS_MAX`]), by name.
    pub async fn list_rings(&self, cx: &Cx) -> Result<Vec<Ring>> {
        let permit =
            judge(cx, Action::KeyRingRead, Action::PlatformKeyRead, &Target::all(KeyRingNoun::NAME)).await?;
        let mut rx = cx.read(&permit).await?;
        Ok(store::list_rings(&mut rx, tenant_of(cx), RINGS_MAX).await?)
    }

    /// A ring. Fails with [`Error::NoRing`].
    pub async fn load_ring(&self, cx: &Cx, ring: &str) -> Result<Ring> {
        let permit = judge(cx, Action::KeyRingRead, Action::PlatformKeyRead, &target(ring)).await?;
        let mut rx = cx.read(&permit).await?;
        load(&mut rx, tenant_of(cx), ring).await
    }

    /// Changes how the keys of a ring are replaced.
    ///
    /// Fails with [`Error::Invalid`], [`Error::RingScheduled`], [`Error::NoRing`], and with [`Error::Precondition`]
    /// where `if_match` does not hold.
    pub async fn update_ring(
        &self,
        cx: &Cx,
        ring: &str,
        if_match: &IfMatch,
        change: RingChange,
    ) -> Result<Ring> {
        let permit = judge(cx, Action::KeyRingUpdate, Action::PlatformKeyWrite, &target(ring)).await?;

        let mut tx = cx.write(&permit).await?;
        let found = lock(&mut tx, tenant_of(cx), ring).await?;
        if_match.check(found.version - 1).map_err(Error::Precondition)?;
        let after = change.applied_to(&found)?;
        store::update_ring(&mut tx, &after).await?;
        if found.rotation_interval_seconds != after.rotation_interval_seconds
            && let Some(key) = store::find_active_key(&mut tx, &after).await?
        {
            let since = key.activated_at.unwrap_or(key.created_at);
            let until = after.rotation_interval_seconds.map(|seconds| since.plus_seconds(seconds));
            store::set_times(&mut tx, &key.id, since, until).await?;
        }
        let details = json!({ "fields": changed_fields(&found, &after) });
        tx.record(&permit, Event::done("kms_ring.updated", name(&after)).details(details));
        changed(&mut tx, tenant_of(cx));
        let updated = load(&mut tx, tenant_of(cx), ring).await?;
        tx.commit().await?;
        Ok(updated)
    }

    /// Keys of a ring, newest first: at most so many below a version.
    pub async fn list_keys(
        &self,
        cx: &Cx,
        ring: &str,
        below: Option<KeyVersion>,
        limit: u32,
    ) -> Result<Vec<DataKey>> {
        let permit = judge(cx, Action::KeyRingRead, Action::PlatformKeyRead, &target(ring)).await?;
        let mut rx = cx.read(&permit).await?;
        load(&mut rx, tenant_of(cx), ring).await?;
        let below = below.map(KeyVersion::stored);
        Ok(store::list_keys(&mut rx, tenant_of(cx), ring, below, limit.into()).await?)
    }

    /// A key of a ring, with those who hold values under it. Fails with [`Error::NoVersion`].
    pub async fn load_key(
        &self,
        cx: &Cx,
        ring: &str,
        version: KeyVersion,
    ) -> Result<(DataKey, Vec<Reference>)> {
        let permit = judge(cx, Action::KeyRingRead, Action::PlatformKeyRead, &target(ring)).await?;
        let mut rx = cx.read(&permit).await?;
        let ring = load(&mut rx, tenant_of(cx), ring).await?;
        let key = load_version(&mut rx, &ring, version).await?;
        let references = store::references(&mut rx, &key.id, destruction::HOLDERS_MAX).await?;
        Ok((key, references))
    }

    /// The state of the keys of the caller's tenant, or of the platform.
    pub async fn keys_state(&self, cx: &Cx) -> Result<KeysState> {
        let permit =
            judge(cx, Action::KeyRingRead, Action::PlatformKeyRead, &Target::all(KeyRingNoun::NAME)).await?;
        let tenant = tenant_of(cx);
        let mut rx = cx.read(&permit).await?;
        let rings = store::list_rings(&mut rx, tenant, RINGS_MAX).await?;
        let counted = store::statistics(&mut rx, tenant, cx.now()).await?;
        drop(rx);
        let keys = counted.into_iter().map(|of| KeyFigures {
            status: of.status,
            algorithm: of.algorithm,
            keys: of.keys,
            over: of.over,
            earliest_created_at: of.earliest,
            latest_created_at: of.latest,
        });
        Ok(KeysState {
            initialised: !rings.is_empty(),
            key_store: self.key_store_kind(),
            tenant_key_opens: matches!(self.find_tenant_key(cx.core(), tenant).await, Ok(Some(_))),
            rings,
            keys: keys.collect(),
        })
    }
}

impl NewRing {
    fn checked(self, cx: &Cx, tenant: Option<&TenantId>) -> Result<Ring> {
        if !is_ring_name(&self.name) {
            let detail = "a name has 1 to 64 of `a-z`, `0-9`, `_` and `-`";
            return Err(Error::invalid("/name", "invalid_name", detail));
        }
        let algorithm = self.algorithm.unwrap_or(Algorithm::Aes256Gcm);
        let now = cx.now();
        let ring = Ring {
            id: cx.fresh_id(),
            tenant_id: tenant.cloned(),
            name: self.name,
            purpose: self.purpose.unwrap_or_default(),
            algorithm,
            rotation_interval_seconds: self
                .rotation_interval_seconds
                .unwrap_or(Some(ROTATION_SECONDS_DEFAULT)),
            grace_seconds: self.grace_seconds.unwrap_or(GRACE_SECONDS_DEFAULT),
            uses_max: self.uses_max.unwrap_or_else(|| uses_max(algorithm)),
            min_decryption_version: KeyVersion::FIRST,
            last_version: 0,
            active: None,
            destroy_at: None,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        check(&ring)?;
        Ok(ring)
    }
}

impl RingChange {
    fn applied_to(self, found: &Ring) -> Result<Ring> {
        let algorithm = self.algorithm.unwrap_or(found.algorithm);
        let ring = Ring {
            purpose: self.purpose.unwrap_or_else(|| found.purpose.clone()),
            algorithm,
            rotation_interval_seconds: self
                .rotation_interval_seconds
                .unwrap_or(found.rotation_interval_seconds),
            grace_seconds: self.grace_seconds.unwrap_or(found.grace_seconds),
            uses_max: self.uses_max.unwrap_or(found.uses_max),
            min_decryption_version: self.min_decryption_version.unwrap_or(found.min_decryption_version),
            ..found.clone()
        };
        check(&ring)?;
        let active = ring.active.as_ref().map(|key| key.version);
        if active.is_some_and(|active| ring.min_decryption_version > active) {
            let detail = format!(
                "found {}, expected at most the active key's, {}",
                ring.min_decryption_version,
                active.map(|version| version.to_string()).unwrap_or_default()
            );
            return Err(Error::invalid("/min_decryption_version", "above_active", detail));
        }
        Ok(ring)
    }
}

/// How many values a key of an algorithm may encrypt.
fn uses_max(algorithm: Algorithm) -> i64 {
    i64::try_from(algorithm.uses_max()).unwrap_or(i64::MAX)
}

/// Checks everything that a ring's row may hold.
fn check(ring: &Ring) -> Result<()> {
    if !ring.purpose.is_empty() {
        check_line(&ring.purpose, TEXT_CHARS_MAX)
            .map_err(|bad| Error::invalid("/purpose", "invalid_text", bad.to_string()))?;
    }
    within("/rotation_interval_seconds", ring.rotation_interval_seconds, ROTATION_SECONDS)?;
    within("/grace_seconds", Some(ring.grace_seconds), GRACE_SECONDS)?;
    within("/uses_max", Some(ring.uses_max), USES_MIN..=uses_max(ring.algorithm))
}

/// Checks that a number is within its bounds.
fn within(pointer: &str, found: Option<i64>, bounds: std::ops::RangeInclusive<i64>) -> Result<()> {
    match found {
        Some(found) if !bounds.contains(&found) => {
            let detail = format!("found {found}, expected {} to {}", bounds.start(), bounds.end());
            Err(Error::invalid(pointer, "out_of_bounds", detail))
        }
        _ => Ok(()),
    }
}

fn changed_fields(before: &Ring, after: &Ring) -> Vec<&'static str> {
    [
        ("purpose", before.purpose != after.purpose),
        ("algorithm", before.algorithm != after.algorithm),
        ("rotation_interval_seconds", before.rotation_interval_seconds != after.rotation_interval_seconds),
        ("grace_seconds", before.grace_seconds != after.grace_seconds),
        ("uses_max", before.uses_max != after.uses_max),
        ("min_decryption_version", before.min_decryption_version != after.min_decryption_version),
    ]
    .into_iter()
    .filter_map(|(field, differs)| differs.then_some(field))
    .collect()
}

/// The ring's resource name, where it is.
fn name(ring: &Ring) -> authz::Name {
    target(&ring.name).name(ring.tenant_id.as_ref().map(TenantId::as_str))
}

/// Has every node look at the keys again.
fn changed(tx: &mut Tx, tenant: Option<&TenantId>) {
    match tenant {
        Some(tenant) => tx.decisions_of_change(tenant, Change::Nothing),
        None => tx.decisions_of_platform_change(Change::Nothing),
    }
}

async fn load(rx: &mut Rx, tenant: Option<&TenantId>, ring: &str) -> Result<Ring> {
    store::find_ring(rx, tenant, ring).await?.ok_or_else(|| Error::NoRing(shown(ring)))
}

async fn load_version(rx: &mut Rx, ring: &Ring, version: KeyVersion) -> Result<DataKey> {
    let missing = || Error::NoVersion { ring: ring.name.clone(), version };
    store::find_key(rx, ring, version).await?.ok_or_else(missing)
}

/// Locks a ring in order to change it or its keys. Its `version` is one more than what the caller may have read.
///
/// Fails with [`Error::NoRing`], and with [`Error::RingScheduled`] for one that is about to go.
async fn lock(tx: &mut Tx, tenant: Option<&TenantId>, ring: &str) -> Result<Ring> {
    let found = lock_any(tx, tenant, ring).await?;
    match found.destroy_at {
        Some(at) => Err(Error::RingScheduled { ring: found.name, at }),
        None => Ok(found),
    }
}

/// Does as [`lock`], also for a ring that is about to go.
async fn lock_any(tx: &mut Tx, tenant: Option<&TenantId>, ring: &str) -> Result<Ring> {
    let now = tx.cx().now();
    store::lock_ring(tx, tenant, ring, now).await?.ok_or_else(|| Error::NoRing(shown(ring)))
}

/// What is quoted of a name that a caller gave.
fn shown(name: &str) -> String {
    name.chars().take(RING_BYTES_MAX).filter(|c| !c.is_control()).collect()
}

/// What a data key is wrapped for.
pub(crate) fn context<'a>(
    tenant: Option<&'a TenantId>,
    ring: &'a str,
    version: &'a str,
    id: &'a str,
) -> [&'a str; 5] {
    ["data key", store::scope(tenant), ring, version, id]
}

/// Adds an inactive key to a locked ring.
///
/// Fails with [`Error::LimitReached`] and [`Error::KeyGeneration`].
async fn add_key_in(tx: &mut Tx, ring: &Ring, tenant_key: &Secret<[u8; 32]>) -> Result<DataKey> {
    if store::count_keys(tx, ring).await? >= KEYS_MAX {
        let detail = format!("the ring has {KEYS_MAX} keys: destroy those that nothing is under any more");
        return Err(Error::LimitReached(detail));
    }
    let version = ring.last_version.checked_add(1).and_then(KeyVersion::new);
    let version =
        version.ok_or_else(|| Error::LimitReached("the ring has had all its versions".to_owned()))?;
    let mut bytes = [0u8; 32];
    tx.cx().core().random().fill(&mut bytes);
    let bytes = Secret::new(bytes);
    let now = tx.cx().now();
    let id = tx.cx().fresh_id::<KeyRingNoun>().to_string();
    let number = version.to_string();
    let context = context(ring.tenant_id.as_ref(), &ring.name, &number, &id);
    let wrapped = wrap::wrap(tenant_key, &context, &bytes)?;
    let key = DataKey {
        id,
        version,
        algorithm: ring.algorithm,
        key_hash: key_hash(&bytes),
        status: Status::Inactive,
        uses_reserved: 0,
        created_at: now,
        updated_at: now,
        activated_at: None,
        expires_at: None,
        revoked_at: None,
        revoke_reason: None,
        destroy_at: None,
    };
    store::insert_key(tx, ring, &key, &wrapped).await?;
    Ok(key)
}

/// Makes an inactive key the active one, for as long as the ring's interval says.
async fn activate_in(tx: &mut Tx, ring: &Ring, key: &DataKey) -> Result<()> {
    let now = tx.cx().now();
    let until = ring.rotation_interval_seconds.map(|seconds| now.plus_seconds(seconds));
    step_in(tx, ring, key, Step::Activate).await?;
    Ok(store::set_times(tx, &key.id, now, until).await?)
}

/// Takes a step of the state machine. Fails with [`Error::IllegalStep`].
async fn step_in(tx: &mut Tx, ring: &Ring, key: &DataKey, step: Step) -> Result<()> {
    let illegal = || Error::IllegalStep {
        ring: ring.name.clone(),
        version: key.version,
        from: key.status,
        done: step.done(),
    };
    let now = tx.cx().now();
    let taken = match step.from(key.status) {
        Some(After::Status(to)) => store::set_status(tx, &key.id, key.status, to, now).await?,
        Some(After::Gone) => store::remove_key(tx, &key.id).await?,
        None => return Err(illegal()),
    };
    if taken { Ok(()) } else { Err(illegal()) }
}

/// A digest that tells keys apart: of 256 random bits, so that nothing of them can be guessed from it.
fn key_hash(key: &Secret<[u8; 32]>) -> String {
    let mut bytes = Vec::with_capacity(48);
    bytes.extend_from_slice(b"signet key hash\x01");
    bytes.extend_from_slice(key.expose());
    let bytes = Secret::new(bytes);
    hex(digest(&SHA256, bytes.expose()).as_ref())
}
