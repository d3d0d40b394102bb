//! Signing keys of each tenant: made when first needed, sealed at rest, published as a key set.
//!
//! One active key an algorithm. A rotated key stays published until every token that it signed has
//! expired. INVARIANT: a private key leaves the database sealed under its tenant and its `kid`.

mod store;

use std::collections::HashMap;
use std::sync::Arc;

use authz::{Action, Change, Core, Cx, Event, Purpose, Target};
use base::Timestamp;
use base::id::TenantId;
use jose::{Algorithm, Jwk, JwkSet, SigningKey, VerifyingKey};
use kms::Kms;
use quick_cache::sync::Cache;

use crate::error::{Error, Result};

/// The ring that private keys are sealed in.
const RING: &str = "signing";
/// Tenants whose key sets are kept.
const TENANTS_MAX: usize = 2_000;
/// Parsed private keys that are kept.
const SIGNERS_MAX: usize = 4_000;
/// How long a rotated key stays published, in seconds: the longest life of a token, and an hour.
pub const RETIRED_SECONDS: i64 = crate::clients::ACCESS_TTL_SECONDS_MAX + 3600;

/// The keys of all tenants. Cheap to clone.
#[derive(Clone)]
pub struct Keys(Arc<Inner>);

struct Inner {
    core: Core,
    kms: Kms,
    sets: Cache<TenantId, Arc<KeySet>>,
    signers: Cache<String, Arc<SigningKey>>,
}

/// One tenant's keys at one version.
pub struct KeySet {
    version: i64,
    keys: Vec<Known>,
}

/// One key of a set.
struct Known {
    kid: String,
    algorithm: Algorithm,
    active: bool,
    retire_at: Option<Timestamp>,
    jwk: Jwk,
    verifying: Arc<VerifyingKey>,
    sealed: Vec<u8>,
}

impl KeySet {
    /// The key of this `kid`, while it is published.
    pub fn verifying(&self, kid: &str, now: Timestamp) -> Option<Arc<VerifyingKey>> {
        self.published(now).find(|key| key.kid == kid).map(|key| key.verifying.clone())
    }

    /// What clients may read.
    pub fn public(&self, now: Timestamp) -> JwkSet {
        JwkSet { keys: self.published(now).map(|key| key.jwk.clone()).collect() }
    }

    fn published(&self, now: Timestamp) -> impl Iterator<Item = &Known> {
        self.keys.iter().filter(move |key| key.retire_at.is_none_or(|end| now < end))
    }

    fn active(&self, algorithm: Algorithm) -> Option<&Known> {
        self.keys.iter().find(|key| key.active && key.algorithm == algorithm)
    }
}

impl Keys {
    /// Wires the keys.
    pub fn new(core: Core, kms: Kms) -> Self {
        Self(Arc::new(Inner { core, kms, sets: Cache::new(TENANTS_MAX), signers: Cache::new(SIGNERS_MAX) }))
    }

    /// The tenant's keys, loaded again when the tenant's version moved.
    pub async fn set(&self, cx: &Cx) -> Result<Arc<KeySet>> {
        let tenant = &cx.tenant()?.id;
        let version = self.0.core.version(tenant);
        if let Some(found) = self.0.sets.get(tenant)
            && found.version >= version
        {
            return Ok(found);
        }
        self.load(cx, version).await
    }

    async fn load(&self, cx: &Cx, version: i64) -> Result<Arc<KeySet>> {
        let tenant = cx.tenant()?.id.clone();
        let mut rx = cx.read(&cx.purpose(Purpose::Resolve)).await?;
        let rows = store::list(&mut rx, &tenant).await?;
        drop(rx);
        let mut keys = Vec::with_capacity(rows.len());
        for row in rows {
            let jwk: Jwk = serde_json::from_value(row.public_jwk)
                .map_err(|error| base::bug!("the stored key {} cannot be read: {error}", row.kid))?;
            keys.push(Known {
                algorithm: Algorithm::parse(&row.algorithm)?,
                active: row.status == "active",
                retire_at: row.retire_at,
                verifying: Arc::new(VerifyingKey::from_jwk(&jwk)?),
                jwk,
                kid: row.kid,
                sealed: row.sealed,
            });
        }
        let set = Arc::new(KeySet { version, keys });
        self.0.sets.insert(tenant, set.clone());
        Ok(set)
    }

    /// The tenant's key for an algorithm, made now if there is none.
    pub async fn signer(&self, cx: &Cx, algorithm: Algorithm) -> Result<Arc<SigningKey>> {
        let mut set = self.set(cx).await?;
        if set.active(algorithm).is_none() {
            self.create(cx, algorithm).await?;
            let version = self.0.core.version(&cx.tenant()?.id);
            set = self.load(cx, version).await?;
        }
        let Some(known) = set.active(algorithm) else {
            return Err(base::bug!("no active key after one was made").into());
        };
        if let Some(signer) = self.0.signers.get(known.kid.as_str()) {
            return Ok(signer);
        }
        let tenant = &cx.tenant()?.id;
        let opened = self.0.kms.unseal(RING, &[tenant.as_str(), &known.kid], &known.sealed)?;
        let signer = Arc::new(SigningKey::from_pkcs8(algorithm, known.kid.clone(), opened.expose())?);
        self.0.signers.insert(known.kid.clone(), signer.clone());
        Ok(signer)
    }

    /// Makes the keys that every tenant has: EdDSA and ES256.
    pub async fn ensure(&self, cx: &Cx) -> Result<Arc<KeySet>> {
        let set = self.set(cx).await?;
        if set.active(Algorithm::EdDsa).is_some() && set.active(Algorithm::Es256).is_some() {
            return Ok(set);
        }
        self.signer(cx, Algorithm::EdDsa).await?;
        self.signer(cx, Algorithm::Es256).await?;
        self.set(cx).await
    }

    /// Adds a key unless another node or request was faster: the unique index chooses one winner.
    async fn create(&self, cx: &Cx, algorithm: Algorithm) -> Result<()> {
        let made = self.make(cx, algorithm).await?;
        let permit = cx.purpose(Purpose::KeyCare);
        let mut tx = cx.write(&permit).await?;
        if store::insert(&mut tx, &made, cx.now()).await? == 0 {
            // Dropped without a commit: the winner's key is read instead.
            return Ok(());
        }
        tx.record(&permit, event("signing_key.created", cx, algorithm, &made.kid)?);
        tx.decisions_change(&permit, Change::Nothing);
        tx.commit().await?;
        Ok(())
    }

    /// Replaces the tenant's active key of an algorithm. The old one stays published for
    /// [`RETIRED_SECONDS`], so that what it signed verifies until it expires.
    ///
    /// Fails with [`authz::Error::Denied`] unless the caller may configure the tenant.
    pub async fn rotate(&self, cx: &Cx, algorithm: Algorithm) -> Result<String> {
        let permit = cx.authorize(Action::TenantConfig, &Target::member(&cx.tenant()?.id)).await?;
        let made = self.make(cx, algorithm).await?;
        let now = cx.now();
        let mut tx = cx.write(&permit).await?;
        store::retire(&mut tx, &made.tenant, &made.algorithm, now.plus_seconds(RETIRED_SECONDS)).await?;
        if store::insert(&mut tx, &made, now).await? == 0 {
            return Err(Error::Authz(authz::Error::Stale));
        }
        tx.record(&permit, event("signing_key.rotated", cx, algorithm, &made.kid)?);
        tx.decisions_change(&permit, Change::Nothing);
        tx.commit().await?;
        Ok(made.kid)
    }

    /// Makes and seals a key off the async threads: an RSA key takes some hundred milliseconds.
    async fn make(&self, cx: &Cx, algorithm: Algorithm) -> Result<store::NewKey> {
        let tenant = cx.tenant()?.id.clone();
        let key = tokio::task::spawn_blocking(move || SigningKey::generate(algorithm))
            .await
            .map_err(|error| base::bug!("making a key panicked: {error}"))??;
        let kid = key.kid().to_owned();
        let sealed = self.0.kms.seal(RING, &[tenant.as_str(), &kid], &key.to_pkcs8()?)?;
        let public_jwk = serde_json::to_value(key.public_jwk())
            .map_err(|error| base::bug!("a key cannot be written: {error}"))?;
        Ok(store::NewKey { kid, tenant, algorithm: algorithm.as_str().to_owned(), public_jwk, sealed })
    }
}

fn event(action: &'static str, cx: &Cx, algorithm: Algorithm, kid: &str) -> Result<Event> {
    let name = Target::Member("signing_key", kid.to_owned()).name(Some(cx.tenant()?.id.as_str()));
    let details: HashMap<&str, &str> = [("algorithm", algorithm.as_str())].into();
    Ok(Event::done(action, name).details(serde_json::json!(details)))
}
