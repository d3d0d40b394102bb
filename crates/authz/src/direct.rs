//! Direct policies: attached to a user itself, beside those of its roles.
//!
//! They exist for what knows no roles. A tenant that wants them switches them on (`direct_policies` in its
//! configuration); otherwise permissions come through roles only, and none is attached.

pub(crate) mod http;
mod store;
mod verbs;

use ::store::Rx;
use base::Timestamp;
use base::id::{PolicyId, PrincipalId, TenantId, UserId};
use serde_json::json;

use crate::escalation::{check_grant_any, check_not_above};
use crate::principals::{self, PrincipalKind};
use crate::roles::{ExpiringDeny, Window};
use crate::snapshot::layers::load_policies;
use crate::{Change, Cx, Error, Event, Permit, Result, Target, Tx, ceilings, policies};

pub use verbs::{attach_direct_policy, detach_direct_policy, list_direct_policies};

/// Policies attached to one user itself at most.
pub const DIRECT_MAX: usize = 20;

/// A policy that is attached to a user itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectPolicy {
    /// The policy.
    pub policy_id: PolicyId,
    /// Its name.
    pub name: String,
    /// When it counts.
    pub window: Window,
    /// When it was attached or last changed.
    pub attached_at: Timestamp,
    /// Who attached it, where that is known.
    pub attached_by: Option<String>,
}

/// A policy to be attached to a user itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDirectPolicy {
    /// To whom.
    pub user: UserId,
    /// Which policy.
    pub policy: PolicyId,
    /// When it counts.
    pub window: Window,
    /// Whether a deny may end with it.
    pub denies: ExpiringDeny,
}

/// Attaches a policy to a user of the permit's tenant, or changes when it counts.
///
/// Fails with [`Error::DirectPoliciesOff`] unless the tenant has switched them on, [`Error::NotFound`],
/// [`Error::Invalid`] on an empty window or an expiry of a policy that denies (`deny_would_expire`),
/// [`Error::LimitReached`], [`Error::Outranked`] and [`Error::Escalation`].
pub async fn attach_direct_in(cx: &Cx, tx: &mut Tx, permit: &Permit, new: &NewDirectPolicy) -> Result<()> {
    let tenant = permit.own_tenant()?.clone();
    let NewDirectPolicy { user, policy, window, denies } = new;
    window.check()?;
    let principal: PrincipalId = user.cast();
    principals::check_kind(tx, &tenant, &principal, PrincipalKind::User).await?;
    let found = policies::find_policy(tx, &tenant, policy).await?.ok_or(Error::NotFound("policy"))?;
    if cx.tenant()?.config.get("direct_policies") != Some(&json!(true)) {
        return Err(Error::DirectPoliciesOff);
    }
    check_grant_any(cx, permit, "attaching a policy to a person").await?;
    check_not_above(cx, permit, &principal).await?;
    if window.expires_at.is_some() && *denies == ExpiringDeny::Refuse {
        let loaded = load_policies(tx, &tenant, std::slice::from_ref(policy)).await?;
        if ceilings::denies(&loaded) {
            let detail =
                "the policy denies something, which would be permitted again when the attachment ends";
            return Err(Error::invalid("/expires_at", "deny_would_expire", detail));
        }
    }
    let there = store::list(tx, &tenant, user).await?;
    if there.len() >= DIRECT_MAX && !there.iter().any(|one| one.policy_id == *policy) {
        let detail = format!("one person has at most {DIRECT_MAX} policies attached directly");
        return Err(Error::LimitReached(detail));
    }
    let by = cx.actor().id();
    store::put(tx, &tenant, new, (cx.now(), by.as_deref())).await?;
    let details = json!({
        "policy_id": policy, "policy": found.name, "valid_from": window.valid_from,
        "expires_at": window.expires_at,
    });
    record(tx, permit, "user.policy_attached", user, &tenant, details);
    Ok(())
}

/// Takes a policy from a user of the permit's tenant. It works also while direct policies are switched off.
///
/// Fails with [`Error::NotFound`] if the user does not have it directly, [`Error::Outranked`] and
/// [`Error::Escalation`].
pub async fn detach_direct_in(
    cx: &Cx,
    tx: &mut Tx,
    permit: &Permit,
    user: &UserId,
    policy: &PolicyId,
) -> Result<()> {
    let tenant = permit.own_tenant()?.clone();
    check_grant_any(cx, permit, "detaching a policy from a person").await?;
    check_not_above(cx, permit, &user.cast()).await?;
    if store::delete(tx, &tenant, user, policy).await? == 0 {
        return Err(Error::NotFound("attachment"));
    }
    record(tx, permit, "user.policy_detached", user, &tenant, json!({ "policy_id": policy }));
    Ok(())
}

/// The policies attached to a user itself (at most [`DIRECT_MAX`]), at whatever time, by name.
pub async fn list_direct(rx: &mut Rx, tenant: &TenantId, user: &UserId) -> Result<Vec<DirectPolicy>> {
    store::list(rx, tenant, user).await
}

/// How many policies are attached to users themselves in a tenant, at whatever time.
pub async fn count_direct(rx: &mut Rx, tenant: &TenantId) -> Result<i64> {
    store::count(rx, tenant).await
}

/// To how many users a policy is attached.
pub(crate) async fn count_attached(rx: &mut Rx, tenant: &TenantId, policy: &PolicyId) -> Result<i64> {
    store::count_of(rx, tenant, policy).await
}

fn record(
    tx: &mut Tx,
    permit: &Permit,
    action: &'static str,
    user: &UserId,
    tenant: &TenantId,
    details: serde_json::Value,
) {
    let name = Target::member(user).name(Some(tenant.as_str()));
    tx.record(permit, Event::done(action, name).details(details).about_user(user, None));
    tx.decisions_change(permit, Change::Principal(&user.cast()));
}
