//! The end of keys and rings: scheduled, waited for, cancelled; never while somebody refers to them.

use std::ops::RangeInclusive;

use authz::{Action, Cx, Event};
use base::Timestamp;
use base::text::check_line;
use serde_json::json;

use super::machine::{KeyVersion, Step};
use super::{
    DataKey, Reference, Ring, changed, judge, load, load_version, lock, lock_any, name, store, target,
    tenant_of, within,
};
use crate::{Error, Kms, Result};

/// How long is waited before something is destroyed, in seconds: a day to 30 days.
pub const WAITING_SECONDS: RangeInclusive<i64> = 86_400..=2_592_000;
/// How long is waited where nothing is said, in seconds: seven days.
pub const WAITING_SECONDS_DEFAULT: i64 = 7 * 86_400;
/// Holders of values under one key at most.
pub(super) const HOLDERS_MAX: i64 = 100;
/// The longest name of a holder, in characters.
const HOLDER_CHARS_MAX: usize = 64;
/// Holders that a refusal names at most.
const HOLDERS_NAMED_MAX: usize = 5;

impl Kms {
    /// Schedules that a revoked key goes for good after a waiting period.
    ///
    /// Fails with [`Error::IllegalStep`] for one that is not revoked, with [`Error::InUse`] while values are held under
    /// it, and with [`Error::Invalid`] for the period.
    pub async fn schedule_destruction(
        &self,
        cx: &Cx,
        ring: &str,
        version: KeyVersion,
        waiting_seconds: Option<i64>,
    ) -> Result<DataKey> {
        let permit = judge(cx, Action::KeyDestroy, Action::PlatformKeyWrite, &target(ring)).await?;
        let at = end_of(cx.now(), waiting_seconds)?;

        let mut tx = cx.write(&permit).await?;
        let found = lock(&mut tx, tenant_of(cx), ring).await?;
        let key = load_version(&mut tx, &found, version).await?;
        check_destroyable(&found, &key)?;
        refuse_held(&mut tx, &key).await?;
        store::set_destroy_at(&mut tx, &key.id, Some(at)).await?;
        let details = json!({ "version": version, "key_hash": key.key_hash, "destroy_at": at });
        tx.record(&permit, Event::done("kms_key.destruction_scheduled", name(&found)).details(details));
        let after = load_version(&mut tx, &found, version).await?;
        tx.commit().await?;
        Ok(after)
    }

    /// Cancels the destruction of a key.
    ///
    /// Fails with [`Error::NotScheduled`] where there is nothing to cancel.
    pub async fn cancel_destruction(&self, cx: &Cx, ring: &str, version: KeyVersion) -> Result<DataKey> {
        let permit = judge(cx, Action::KeyDestroy, Action::PlatformKeyWrite, &target(ring)).await?;

        let mut tx = cx.write(&permit).await?;
        let found = lock(&mut tx, tenant_of(cx), ring).await?;
        let key = load_version(&mut tx, &found, version).await?;
        if key.destroy_at.is_none() {
            return Err(Error::NotScheduled("key"));
        }
        store::set_destroy_at(&mut tx, &key.id, None).await?;
        let details = json!({ "version": version, "key_hash": key.key_hash });
        tx.record(&permit, Event::done("kms_key.destruction_cancelled", name(&found)).details(details));
        let after = load_version(&mut tx, &found, version).await?;
        tx.commit().await?;
        Ok(after)
    }

    /// Schedules that a ring goes with all its keys after a waiting period. Nothing can be done with it until then, but
    /// to cancel it: who still needs it notices in time.
    ///
    /// Fails with [`Error::InUse`] while values are held under a key of it, and with [`Error::Invalid`].
    pub async fn schedule_deletion(&self, cx: &Cx, ring: &str, waiting_seconds: Option<i64>) -> Result<Ring> {
        let permit = judge(cx, Action::KeyDestroy, Action::PlatformKeyWrite, &target(ring)).await?;
        let at = end_of(cx.now(), waiting_seconds)?;

        let mut tx = cx.write(&permit).await?;
        let found = lock_any(&mut tx, tenant_of(cx), ring).await?;
        let holders = store::count_references(&mut tx, &found).await?;
        if holders > 0 {
            let detail = format!("{holders} declare that they hold values under keys of the ring `{ring}`");
            return Err(Error::InUse(detail));
        }
        store::update_ring(&mut tx, &Ring { destroy_at: Some(at), ..found.clone() }).await?;
        let details = json!({ "destroy_at": at });
        tx.record(&permit, Event::done("kms_ring.deletion_scheduled", name(&found)).details(details));
        changed(&mut tx, tenant_of(cx));
        let after = load(&mut tx, tenant_of(cx), ring).await?;
        tx.commit().await?;
        Ok(after)
    }

    /// Cancels the deletion of a ring, which then is what it was.
    ///
    /// Fails with [`Error::NotScheduled`] where there is nothing to cancel.
    pub async fn cancel_deletion(&self, cx: &Cx, ring: &str) -> Result<Ring> {
        let permit = judge(cx, Action::KeyDestroy, Action::PlatformKeyWrite, &target(ring)).await?;

        let mut tx = cx.write(&permit).await?;
        let found = lock_any(&mut tx, tenant_of(cx), ring).await?;
        if found.destroy_at.is_none() {
            return Err(Error::NotScheduled("ring"));
        }
        store::update_ring(&mut tx, &Ring { destroy_at: None, ..found.clone() }).await?;
        tx.record(&permit, Event::done("kms_ring.deletion_cancelled", name(&found)));
        changed(&mut tx, tenant_of(cx));
        let after = load(&mut tx, tenant_of(cx), ring).await?;
        tx.commit().await?;
        Ok(after)
    }

    /// Notes how many values somebody holds under a key; none ends it. While anybody holds some, neither the key nor
    /// its ring is destroyed.
    ///
    /// Fails with [`Error::Invalid`], [`Error::LimitReached`] and [`Error::NoVersion`].
    pub async fn declare_references(
        &self,
        cx: &Cx,
        ring: &str,
        version: KeyVersion,
        holder: &str,
        items: i64,
    ) -> Result<Vec<Reference>> {
        let permit = judge(cx, Action::KeyDeclareReferences, Action::PlatformKeyWrite, &target(ring)).await?;
        check_holder(holder)?;
        within("/items", Some(items), 0..=i64::MAX)?;

        let mut tx = cx.write(&permit).await?;
        let found = lock(&mut tx, tenant_of(cx), ring).await?;
        let key = load_version(&mut tx, &found, version).await?;
        let known = store::references(&mut tx, &key.id, HOLDERS_MAX).await?;
        let is_new = !known.iter().any(|reference| reference.holder == holder);
        if items == 0 {
            store::remove_reference(&mut tx, &key.id, holder).await?;
        } else if is_new && i64::try_from(known.len()).is_ok_and(|n| n >= HOLDERS_MAX) {
            return Err(Error::LimitReached(format!("at most {HOLDERS_MAX} hold values under one key")));
        } else {
            let reference = Reference { holder: holder.to_owned(), items, updated_at: cx.now() };
            store::set_reference(&mut tx, tenant_of(cx), &key.id, &reference).await?;
        }
        let details = json!({ "version": version, "holder": holder, "items": items });
        tx.record(&permit, Event::done("kms_key.references_declared", name(&found)).details(details));
        let after = store::references(&mut tx, &key.id, HOLDERS_MAX).await?;
        tx.commit().await?;
        Ok(after)
    }
}

/// Fails with [`Error::IllegalStep`].
fn check_destroyable(ring: &Ring, key: &DataKey) -> Result<()> {
    match Step::Destroy.from(key.status) {
        Some(_) => Ok(()),
        None => Err(Error::IllegalStep {
            ring: ring.name.clone(),
            version: key.version,
            from: key.status,
            done: Step::Destroy.done(),
        }),
    }
}

/// Fails with [`Error::InUse`] while somebody holds values under a key.
async fn refuse_held(rx: &mut authz::Rx, key: &DataKey) -> Result<()> {
    let held = store::references(rx, &key.id, HOLDERS_MAX).await?;
    if held.is_empty() {
        return Ok(());
    }
    let named: Vec<String> =
        held.iter().take(HOLDERS_NAMED_MAX).map(|by| format!("`{}` {}", by.holder, by.items)).collect();
    let more = if held.len() > HOLDERS_NAMED_MAX { " and others" } else { "" };
    Err(Error::InUse(format!(
        "values are held under {}: {}{more}; encrypt them anew first, and declare that none is left",
        key.version,
        named.join(", ")
    )))
}

fn end_of(now: Timestamp, waiting_seconds: Option<i64>) -> Result<Timestamp> {
    let waiting = waiting_seconds.unwrap_or(WAITING_SECONDS_DEFAULT);
    within("/waiting_seconds", Some(waiting), WAITING_SECONDS)?;
    Ok(now.plus_seconds(waiting))
}

fn check_holder(holder: &str) -> Result<()> {
    let fits = check_line(holder, HOLDER_CHARS_MAX).is_ok()
        && holder.bytes().all(|b| b.is_ascii_alphanumeric() || b"._:-".contains(&b));
    if fits {
        return Ok(());
    }
    let detail = "a holder has 1 to 64 of `A-Z`, `a-z`, `0-9`, `.`, `_`, `:` and `-`";
    Err(Error::invalid("/holder", "invalid_holder", detail))
}
