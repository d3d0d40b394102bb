//! Deleting a tenant, in steps that leave time to think: it is suspended or deactivated, then deleted, kept
//! for a time in which the deletion can be cancelled, and then purged ([`super::purge`]).
//!
//! A deleted tenant answers nobody: to the world there is no such tenant. Its code and issuer stay taken. A
//! legal hold may be placed on any tenant and keeps it from being purged, however long.

pub(crate) mod http;

use authz::{Action, Cx, Event, Permit, Target, Tx};
use base::Timestamp;
use base::id::TenantId;
use kms::Kms;
use serde_json::json;
use web::IfMatch;

use super::{PurgeReport, Tenant, TenantStatus, bump, find_any, illegal, load_again, purge, status, store};
use crate::fields::Fields;
use crate::{Error, Result, Service};

/// The longest reason of a legal hold, in characters.
pub const REASON_CHARS_MAX: usize = 512;
/// How long a deleted tenant is kept where nothing is configured, in seconds: 30 days.
pub const DELETION_HOLD_SECONDS_DEFAULT: i64 = 30 * 86_400;
/// How long a deleted tenant may be kept, in seconds: a day to ten years.
pub const DELETION_HOLD_SECONDS: std::ops::RangeInclusive<i64> = 86_400..=315_360_000;

/// That a tenant is deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletion {
    /// Since when.
    pub deleted_at: Timestamp,
    /// When it may go for good; none in a row that was typed by hand, which stays.
    pub purge_at: Option<Timestamp>,
    /// Since when it is going; from then on nothing brings it back.
    pub purge_started_at: Option<Timestamp>,
}

/// That nothing of a tenant may be purged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Why.
    pub reason: String,
    /// Since when.
    pub held_at: Timestamp,
}

impl Service {
    /// Deletes a suspended or inactive tenant: from now on it answers nobody, and after the hold period it
    /// is purged.
    ///
    /// Fails with [`Error::IllegalTenantStatusChange`], [`Error::Own`], [`Error::DefaultStays`], and with 412
    /// where `if_match` does not hold.
    pub async fn delete_tenant(&self, cx: &Cx, id: &TenantId, if_match: &IfMatch) -> Result<Tenant> {
        let permit = cx.authorize(Action::PlatformTenantDelete, &Target::member(id)).await?;
        status::refuse_home(cx, id)?;

        let mut tx = cx.write(&permit).await?;
        let found = find_any(&mut tx, id).await?.ok_or(Error::NotFound("tenant"))?;
        if_match.check(found.version)?;
        let tenant = delete_tenant_in(cx, &mut tx, &permit, &found, self.deletion_hold_seconds()).await?;
        tx.commit().await?;
        Ok(tenant)
    }
}

/// Deletes a tenant as it was just read; it may be purged `hold_seconds` from now.
///
/// Fails with [`Error::IllegalTenantStatusChange`] and [`Error::Stale`].
pub async fn delete_tenant_in(
    cx: &Cx,
    tx: &mut Tx,
    permit: &Permit,
    found: &Tenant,
    hold_seconds: i64,
) -> Result<Tenant> {
    if found.deletion.is_some() || found.status == TenantStatus::Active {
        return Err(illegal(found, "deleted"));
    }
    let now = cx.now();
    let purge_at = now.plus_seconds(hold_seconds);
    if store::set_deletion(tx, found, Some((now, purge_at)), now).await? == 0 {
        return Err(Error::Stale);
    }
    let details = json!({ "code": found.code, "purge_at": purge_at.to_string() });
    tx.record(permit, Event::done("tenant.deleted", permit.name()).details(details));
    bump(tx, &found.id);
    load_again(tx, &found.id).await
}

/// Takes a deletion back: the tenant is what it was before, suspended or inactive.
///
/// Fails with [`Error::IllegalTenantStatusChange`], also once the purge has begun, and with
/// [`Error::Taken`] where another tenant has taken the name meanwhile.
pub async fn cancel_deletion(cx: &Cx, id: &TenantId) -> Result<Tenant> {
    let permit = cx.authorize(Action::PlatformTenantDelete, &Target::member(id)).await?;

    let mut tx = cx.write(&permit).await?;
    let found = find_any(&mut tx, id).await?.ok_or(Error::NotFound("tenant"))?;
    if found.deletion.as_ref().is_none_or(|deletion| deletion.purge_started_at.is_some()) {
        return Err(illegal(&found, "restored"));
    }
    if store::set_deletion(&mut tx, &found, None, cx.now()).await? == 0 {
        return Err(Error::Stale);
    }
    tx.record(&permit, Event::done("tenant.deletion_cancelled", permit.name()));
    bump(&mut tx, id);
    let tenant = load_again(&mut tx, id).await?;
    tx.commit().await?;
    Ok(tenant)
}

/// Places a legal hold on a tenant, or changes its reason.
///
/// Fails with [`Error::Invalid`], and with [`Error::IllegalTenantStatusChange`] once the purge has begun.
pub async fn hold_tenant(cx: &Cx, id: &TenantId, reason: &str) -> Result<Tenant> {
    let permit = cx.authorize(Action::PlatformTenantHold, &Target::member(id)).await?;
    let mut fields = Fields::default();
    fields.line("/reason", Some(reason), REASON_CHARS_MAX);
    fields.finish()?;

    let mut tx = cx.write(&permit).await?;
    let found = find_any(&mut tx, id).await?.ok_or(Error::NotFound("tenant"))?;
    if found.deletion.as_ref().is_some_and(|deletion| deletion.purge_started_at.is_some()) {
        return Err(illegal(&found, "held"));
    }
    let since = found.hold.as_ref().map_or_else(|| cx.now(), |hold| hold.held_at);
    let hold = Hold { reason: reason.to_owned(), held_at: since };
    if store::set_hold(&mut tx, &found, Some(&hold), cx.now()).await? == 0 {
        return Err(Error::Stale);
    }
    let event = Event::done("tenant.held", permit.name()).details(json!({ "reason": reason }));
    tx.record(&permit, event);
    let tenant = load_again(&mut tx, id).await?;
    tx.commit().await?;
    Ok(tenant)
}

/// Lifts the legal hold of a tenant.
///
/// Fails with [`Error::NotFound`] where there is none, and with 412 where `if_match` does not hold.
pub async fn lift_hold(cx: &Cx, id: &TenantId, if_match: &IfMatch) -> Result<Tenant> {
    let permit = cx.authorize(Action::PlatformTenantHold, &Target::member(id)).await?;

    let mut tx = cx.write(&permit).await?;
    let found = find_any(&mut tx, id).await?.ok_or(Error::NotFound("tenant"))?;
    if_match.check(found.version)?;
    let Some(hold) = &found.hold else { return Err(Error::NotFound("hold")) };
    if store::set_hold(&mut tx, &found, None, cx.now()).await? == 0 {
        return Err(Error::Stale);
    }
    let details = json!({ "reason": hold.reason, "held_at": hold.held_at.to_string() });
    tx.record(&permit, Event::done("tenant.hold_lifted", permit.name()).details(details));
    let tenant = load_again(&mut tx, id).await?;
    tx.commit().await?;
    Ok(tenant)
}

/// Begins to purge a deleted tenant whose hold period is over, and removes what fits in one request; the
/// worker goes on with the rest. Whoever asks repeats the tenant's code.
///
/// Fails with [`Error::Invalid`] (code), [`Error::IllegalTenantStatusChange`] where it is not deleted,
/// [`Error::KeptUntil`] and [`Error::Held`].
pub async fn purge_tenant(cx: &Cx, keys: &Kms, id: &TenantId, code: &str) -> Result<PurgeReport> {
    let permit = cx.authorize(Action::PlatformTenantPurge, &Target::member(id)).await?;

    let mut tx = cx.write(&permit).await?;
    let found = find_any(&mut tx, id).await?.ok_or(Error::NotFound("tenant"))?;
    if found.code != code {
        let detail = "expected the code of this very tenant, to confirm what is about to be removed";
        return Err(Error::invalid("/code", "wrong_code", detail));
    }
    purge::begin_in(cx, &mut tx, &permit, &found).await?;
    tx.commit().await?;
    purge::go_on(cx, keys, &permit, id).await
}
