//! Boundaries: a policy that limits one user or client. It grants nothing; what it does not allow is denied,
//! whatever the principal's roles and the resource say.
//!
//! Nobody sets, changes or removes their own. What a principal with a boundary makes has the same boundary, and
//! it acts only on those who have it too, unless it may grant any access ([`crate::escalation`]).

pub(crate) mod http;
mod store;
mod verbs;

use ::store::Rx;
use base::Timestamp;
use base::id::{PolicyId, PrincipalId, TenantId};
use serde_json::json;

use crate::escalation::{check_grant_any, check_not_above, check_not_self};
use crate::principals::{self, PrincipalKind};
use crate::{Change, Cx, Error, Event, Permit, Result, Tx, ceilings, policies};

pub use verbs::{load_boundary, remove_boundary, set_boundary};

/// What limits a principal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boundary {
    /// The policy.
    pub policy_id: PolicyId,
    /// Its name.
    pub name: String,
    /// Since when.
    pub set_at: Timestamp,
    /// Who set it, where that is known.
    pub set_by: Option<String>,
}

/// Limits a user or client of the permit's tenant by a policy, instead of the one that did so before, if any.
///
/// A first boundary only takes access away; another one needs `policy:grant_any`. Fails with [`Error::NotFound`],
/// [`Error::Invalid`] on a policy that is unknown or has a priority, [`Error::Ceiling`] on one that allows nothing,
/// [`Error::Outranked`] and [`Error::Escalation`], also on the caller's own.
pub async fn set_boundary_in(
    cx: &Cx,
    tx: &mut Tx,
    permit: &Permit,
    id: &PrincipalId,
    policy: &PolicyId,
) -> Result<()> {
    let tenant = permit.own_tenant()?.clone();
    let kind = prepare(cx, tx, permit, id).await?;
    let Some(found) = policies::find_policy(tx, &tenant, policy).await? else {
        let detail = format!("`{policy}` is no policy of this tenant");
        return Err(Error::invalid("/policy_id", "unknown_policy", detail));
    };
    ceilings::check_boundary(tx, &tenant, policy).await?;
    if store::find(tx, &tenant, id).await?.is_some() {
        check_grant_any(cx, permit, "changing a boundary").await?;
    }
    let by = cx.actor().id();
    store::put(tx, &tenant, id, policy, (cx.now(), by.as_deref())).await?;
    let details = json!({ "policy_id": policy, "policy": found.name });
    record(tx, permit, "boundary.set", (kind, id), details)
}

/// Takes the boundary from a user or client of the permit's tenant.
///
/// Fails with [`Error::NotFound`] if it has none, [`Error::Outranked`] and [`Error::Escalation`], also on the
/// caller's own.
pub async fn remove_boundary_in(cx: &Cx, tx: &mut Tx, permit: &Permit, id: &PrincipalId) -> Result<()> {
    let tenant = permit.own_tenant()?.clone();
    let kind = prepare(cx, tx, permit, id).await?;
    let found = store::find(tx, &tenant, id).await?.ok_or(Error::NotFound("boundary"))?;
    check_grant_any(cx, permit, "removing a boundary").await?;
    store::remove(tx, &tenant, id).await?;
    let details = json!({ "policy_id": found.policy_id, "policy": found.name });
    record(tx, permit, "boundary.removed", (kind, id), details)
}

/// Gives what a caller just made the caller's own boundary. Part of the verb that made it, and of its event.
pub(crate) async fn hand_down_in(tx: &mut Tx, tenant: &TenantId, id: &PrincipalId) -> Result<()> {
    let maker = tx.cx.actor().principal().filter(|(_, home)| *home == tenant).map(|(maker, _)| maker);
    let Some(maker) = maker else { return Ok(()) };
    if let Some(own) = store::find(tx, tenant, &maker).await? {
        let now = tx.cx.now();
        store::put(tx, tenant, id, &own.policy_id, (now, Some(maker.as_str()))).await?;
    }
    Ok(())
}

/// What limits a principal of the tenant, if anything does.
pub async fn find_boundary(rx: &mut Rx, tenant: &TenantId, id: &PrincipalId) -> Result<Option<Boundary>> {
    store::find(rx, tenant, id).await
}

/// How many principals a policy limits.
pub(crate) async fn count_bounded(rx: &mut Rx, tenant: &TenantId, policy: &PolicyId) -> Result<i64> {
    store::count(rx, tenant, policy).await
}

/// Refuses what may not be done to any boundary of this principal, and says what kind of principal it is.
async fn prepare(cx: &Cx, tx: &mut Tx, permit: &Permit, id: &PrincipalId) -> Result<PrincipalKind> {
    let found = principals::find(tx, permit.own_tenant()?, id).await?;
    let found = found.ok_or(Error::NotFound("principal"))?;
    check_not_self(cx, permit, id, "nobody sets, changes or removes their own boundary").await?;
    check_not_above(cx, permit, id).await?;
    Ok(found.kind)
}

fn record(
    tx: &mut Tx,
    permit: &Permit,
    action: &'static str,
    (kind, id): (PrincipalKind, &PrincipalId),
    details: serde_json::Value,
) -> Result<()> {
    let name = kind.target(id).name(Some(permit.own_tenant()?.as_str()));
    let event = Event::done(action, name).details(details);
    let event = match kind {
        PrincipalKind::User => event.about_user(id, None),
        PrincipalKind::Client => event,
    };
    tx.record(permit, event);
    tx.decisions_change(permit, Change::Principal(id));
    Ok(())
}
