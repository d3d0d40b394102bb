//! What is done to the keys of a ring: rotation, rollback, expiry, revocation.

use authz::{Action, Core, Cx, Event, Place, Purpose, Tx};
use base::id::TenantId;
use base::{Secret, Timestamp};
use serde_json::json;
use web::IfMatch;

use super::machine::{KeyVersion, Status, Step};
use super::{
    DataKey, Ring, TEXT_CHARS_MAX, activate_in, add_key_in, changed, judge, load, load_version, lock, name,
    step_in, store, target, tenant_of,
};
use crate::{Error, Kms, Result};

/// Why a key is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Because {
    /// Somebody asked for it.
    Asked,
    /// Its time is over.
    Over,
    /// Its uses are spent.
    Spent,
}

impl Because {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Over => "over",
            Self::Spent => "spent",
        }
    }
}

impl Kms {
    /// Makes a new key the active one; the old one still decrypts.
    ///
    /// Fails with [`Error::NoRing`], [`Error::RingScheduled`], [`Error::KeyDecryption`] where the tenant's key is
    /// lost, and with [`Error::Precondition`] where an `if_match` is given and does not hold.
    pub async fn rotate(&self, cx: &Cx, ring: &str, if_match: Option<&IfMatch>) -> Result<Ring> {
        let permit = judge(cx, Action::KeyRotate, Action::PlatformKeyWrite, &target(ring)).await?;
        self.check_open()?;
        let tenant = tenant_of(cx);
        load(&mut cx.read(&permit).await?, tenant, ring).await?;
        let tenant_key = self.load_tenant_key(cx.core(), tenant).await?;

        let mut tx = cx.write(&permit).await?;
        let found = lock(&mut tx, tenant, ring).await?;
        if let Some(if_match) = if_match {
            if_match.check(found.version - 1).map_err(Error::Precondition)?;
        }
        let (old, new) = replace_in(&mut tx, &found, &tenant_key, Step::Deactivate).await?;
        tx.record(&permit, rotated(&found, old.as_ref(), &new, Because::Asked));
        changed(&mut tx, tenant);
        let after = load(&mut tx, tenant, ring).await?;
        tx.commit().await?;
        Ok(after)
    }

    /// Replaces the active key if it is still this one and there is still a reason to: of many nodes that see the
    /// same reason, one does it. Says whether it was this one.
    ///
    /// Fails like [`Kms::rotate`].
    pub(crate) async fn rotate_due(
        &self,
        core: &Core,
        tenant: Option<&TenantId>,
        ring: &str,
        version: KeyVersion,
        because: Because,
    ) -> Result<bool> {
        let tenant_key = self.load_tenant_key(core, tenant).await?;
        let cx = core.system(Place::Platform);
        let permit = cx.purpose(Purpose::Job("kms.rotate"));
        let mut tx = cx.write(&permit).await?;
        let found = lock(&mut tx, tenant, ring).await?;
        if found.active.as_ref().is_some_and(|active| active.version != version) {
            return Ok(false);
        }
        let (old, new) = replace_in(&mut tx, &found, &tenant_key, Step::Deactivate).await?;
        tx.record_in(tenant, rotated(&found, old.as_ref(), &new, because));
        changed(&mut tx, tenant);
        tx.commit().await?;
        Ok(true)
    }

    /// Makes an earlier inactive key the active one again.
    ///
    /// Fails with [`Error::IllegalStep`] for a key that is expired or revoked, with [`Error::NotEarlier`] for one that
    /// did not come before the active one, with [`Error::BelowMinimum`], with [`Error::Spent`], and like
    /// [`Kms::rotate`].
    pub async fn rollback(&self, cx: &Cx, ring: &str, version: KeyVersion) -> Result<Ring> {
        let permit = judge(cx, Action::KeyRollback, Action::PlatformKeyWrite, &target(ring)).await?;
        self.check_open()?;
        let tenant = tenant_of(cx);

        let mut tx = cx.write(&permit).await?;
        let found = lock(&mut tx, tenant, ring).await?;
        let key = load_version(&mut tx, &found, version).await?;
        let active = store::find_active_key(&mut tx, &found).await?;
        check_rollback(&found, active.as_ref(), &key)?;
        if let Some(active) = &active {
            step_in(&mut tx, &found, active, Step::Deactivate).await?;
        }
        step_in(&mut tx, &found, &key, Step::Activate).await?;
        let until = until_after_rollback(&found, &key, cx.now());
        store::set_times(&mut tx, &key.id, key.activated_at.unwrap_or(key.created_at), until).await?;
        let details = json!({ "from": active.map(|key| key.version), "to": version });
        tx.record(&permit, Event::done("kms_ring.rolled_back", name(&found)).details(details));
        changed(&mut tx, tenant);
        let after = load(&mut tx, tenant, ring).await?;
        tx.commit().await?;
        Ok(after)
    }

    /// Ends the time of a key: it still decrypts, and never encrypts again. The active one is replaced in the same
    /// transaction.
    ///
    /// Fails with [`Error::IllegalStep`], [`Error::NoVersion`], and like [`Kms::rotate`].
    pub async fn expire(&self, cx: &Cx, ring: &str, version: KeyVersion) -> Result<DataKey> {
        let permit = judge(cx, Action::KeyExpire, Action::PlatformKeyWrite, &target(ring)).await?;
        let (mut tx, found, key) = self.end_key(cx, &permit, ring, version, Step::Expire).await?;
        let event = Event::done("kms_key.expired", name(&found)).details(ended(&key));
        tx.record(&permit, event);
        self.finish(tx, cx, &found, version).await
    }

    /// Revokes a key: nothing under it can be read from the commit on, on any node within a second. The active one
    /// is replaced in the same transaction.
    ///
    /// Fails with [`Error::IllegalStep`], [`Error::NoVersion`], [`Error::Invalid`] for the reason, and like
    /// [`Kms::rotate`].
    pub async fn revoke(&self, cx: &Cx, ring: &str, version: KeyVersion, reason: &str) -> Result<DataKey> {
        let permit = judge(cx, Action::KeyRevoke, Action::PlatformKeyWrite, &target(ring)).await?;
        base::text::check_line(reason, TEXT_CHARS_MAX)
            .map_err(|bad| Error::invalid("/reason", "invalid_text", bad.to_string()))?;
        let (mut tx, found, key) = self.end_key(cx, &permit, ring, version, Step::Revoke).await?;
        store::note_revoked(&mut tx, &key.id, cx.now(), reason).await?;
        let mut details = ended(&key);
        if let Some(members) = details.as_object_mut() {
            members.insert("reason".to_owned(), reason.into());
        }
        tx.record(&permit, Event::done("kms_key.revoked", name(&found)).details(details));
        self.finish(tx, cx, &found, version).await
    }

    /// Takes a key out of use, and puts a new one in the active one's place.
    async fn end_key(
        &self,
        cx: &Cx,
        permit: &authz::Permit,
        ring: &str,
        version: KeyVersion,
        step: Step,
    ) -> Result<(Tx, Ring, DataKey)> {
        self.check_open()?;
        let tenant = tenant_of(cx);
        let mut rx = cx.read(permit).await?;
        let seen = load(&mut rx, tenant, ring).await?;
        load_version(&mut rx, &seen, version).await?;
        drop(rx);
        // A compromised key must go also where the tenant's key is lost, and no new one can be made: unless it is the
        // active one.
        let tenant_key = self.find_tenant_key(cx.core(), tenant).await;

        let mut tx = cx.write(permit).await?;
        let found = lock(&mut tx, tenant, ring).await?;
        let key = load_version(&mut tx, &found, version).await?;
        if key.status == Status::Active {
            let tenant_key = tenant_key?.ok_or(Error::KeyDecryption)?;
            replace_in(&mut tx, &found, &tenant_key, step).await?;
        } else {
            step_in(&mut tx, &found, &key, step).await?;
        }
        Ok((tx, found, key))
    }

    async fn finish(&self, mut tx: Tx, cx: &Cx, ring: &Ring, version: KeyVersion) -> Result<DataKey> {
        changed(&mut tx, tenant_of(cx));
        let after = load_version(&mut tx, ring, version).await?;
        tx.commit().await?;
        Ok(after)
    }
}

/// Takes the active key of a locked ring out of its place by this step, and puts a new one there.
async fn replace_in(
    tx: &mut Tx,
    ring: &Ring,
    tenant_key: &Secret<[u8; 32]>,
    step: Step,
) -> Result<(Option<DataKey>, DataKey)> {
    let new = add_key_in(tx, ring, tenant_key).await?;
    let old = store::find_active_key(tx, ring).await?;
    if let Some(old) = &old {
        step_in(tx, ring, old, step).await?;
    }
    activate_in(tx, ring, &new).await?;
    Ok((old, new))
}

fn check_rollback(ring: &Ring, active: Option<&DataKey>, key: &DataKey) -> Result<()> {
    if Step::Activate.from(key.status).is_none() {
        return Err(Error::IllegalStep {
            ring: ring.name.clone(),
            version: key.version,
            from: key.status,
            done: Step::Activate.done(),
        });
    }
    if let Some(active) = active.filter(|active| active.version < key.version) {
        return Err(Error::NotEarlier { version: key.version, active: active.version });
    }
    if key.version < ring.min_decryption_version {
        return Err(Error::BelowMinimum { version: key.version, minimum: ring.min_decryption_version });
    }
    if key.uses_reserved >= ring.uses_max {
        return Err(Error::Spent { ring: ring.name.clone(), version: key.version });
    }
    Ok(())
}

/// A key that comes back keeps its time; one whose time is over has the ring's grace.
fn until_after_rollback(ring: &Ring, key: &DataKey, now: Timestamp) -> Option<Timestamp> {
    ring.rotation_interval_seconds?;
    let least = now.plus_seconds(ring.grace_seconds.max(super::ROTATION_SECONDS.start().to_owned()));
    Some(key.expires_at.map_or(least, |until| until.max(least)))
}

fn rotated(ring: &Ring, old: Option<&DataKey>, new: &DataKey, because: Because) -> Event {
    let details = json!({
        "from": old.map(|key| key.version),
        "to": new.version,
        "algorithm": new.algorithm.name(),
        "key_hash": new.key_hash,
        "because": because.word(),
    });
    Event::done("kms_ring.rotated", name(ring)).details(details)
}

fn ended(key: &DataKey) -> serde_json::Value {
    json!({ "version": key.version, "was": key.status.word(), "key_hash": key.key_hash })
}
