//! Who may hand on what: nobody gives access that they do not have.
//!
//! The rule is conservative so that it can be decided. Whoever holds `policy:grant_any` may do all. Anybody
//! else may give and take only roles that are among their own, ancestors included, for no longer than they
//! hold them themselves, and only for people who do not stand above them and whom the giver's own boundary, if
//! there is one, limits as well; may not end or suspend what denies something; and may not change what roles,
//! policies and links say, since that could be any access, nor names, attributes, tags and memberships that
//! policies ask about. Whoever runs the binary on the host and the first start are exempt.

mod values;

use std::sync::Arc;

use base::Timestamp;
use base::id::{PolicyId, PrincipalId, RoleId, TenantId};
use serde_json::json;
use store::Rx;

pub use values::{check_changed_principal, check_new_principal};
pub(crate) use values::{check_held_unread, check_place_unread, check_tags};

use crate::principals::PrincipalKind;
use crate::snapshot::{LazyRx, Principal, load_platform_roles};
use crate::{Action, Actor, Cx, Error, Event, Permit, Place, Purpose, Result, Target, roles};

/// The most roles that a refusal names.
const NAMED_MAX: usize = 5;

/// Refuses whoever may not grant any access: for changes whose gain cannot be decided.
///
/// Fails with [`Error::Escalation`].
pub async fn check_grant_any(cx: &Cx, permit: &Permit, change: &str) -> Result<()> {
    if is_exempt(permit) || may_grant_any(cx).await? {
        return Ok(());
    }
    refuse(cx, permit, format!("{change} needs `{}`", Action::PolicyGrantAny.name())).await
}

/// Refuses to give or take a role that is not among the caller's own.
///
/// Fails with [`Error::Escalation`], which names such roles by id.
pub async fn check_hand_on(cx: &Cx, permit: &Permit, roles: &[RoleId]) -> Result<()> {
    if roles.is_empty() || is_exempt(permit) {
        return Ok(());
    }
    let own = cx.own_roles().await?;
    let above: Vec<&str> =
        roles.iter().map(RoleId::as_str).filter(|role| !own.iter().any(|held| held == role)).collect();
    if above.is_empty() || may_grant_any(cx).await? {
        return Ok(());
    }
    let named: Vec<&str> = above.iter().take(NAMED_MAX).copied().collect();
    refuse(cx, permit, format!("you hold no role that includes {}", named.join(", "))).await
}

/// Refuses to give a role for longer than the caller holds it; each role with the first instant at which it
/// no longer counts for whoever gets it.
///
/// Fails with [`Error::Escalation`], which names such roles by id.
pub async fn check_hand_on_until(
    cx: &Cx,
    permit: &Permit,
    roles: &[(RoleId, Option<Timestamp>)],
) -> Result<()> {
    if roles.is_empty() || is_exempt(permit) {
        return Ok(());
    }
    let own = cx.own_role_ends().await?;
    let lasts = |role: &RoleId, end: Option<Timestamp>| match (own.get(role.as_str()), end) {
        (None, _) | (Some(Some(_)), None) => false,
        (Some(None), _) => true,
        (Some(Some(own_end)), Some(end)) => end <= *own_end,
    };
    let above: Vec<&str> =
        roles.iter().filter(|(role, end)| !lasts(role, *end)).map(|(role, _)| role.as_str()).collect();
    if above.is_empty() || may_grant_any(cx).await? {
        return Ok(());
    }
    let named: Vec<&str> = above.iter().take(NAMED_MAX).copied().collect();
    let why = format!("you hold no role that includes {} for as long", named.join(", "));
    refuse(cx, permit, why).await
}

/// Refuses whoever may not grant any access to end or suspend what a role denies somebody: what is denied no
/// longer may be permitted by something else.
///
/// Fails with [`Error::Escalation`].
pub async fn check_deny_stays(
    cx: &Cx,
    rx: &mut Rx,
    permit: &Permit,
    tenant: &TenantId,
    roles: &[RoleId],
) -> Result<()> {
    if is_exempt(permit) {
        return Ok(());
    }
    for role in roles {
        if roles::denies(rx, tenant, role).await? {
            return check_grant_any(cx, permit, "ending or suspending what a role denies").await;
        }
    }
    Ok(())
}

/// Refuses to act on a principal that stands above the caller: also a role of one's own may hold a deny.
///
/// Fails with [`Error::Outranked`].
pub async fn check_not_above(cx: &Cx, permit: &Permit, principal: &PrincipalId) -> Result<()> {
    if !is_exempt(permit) && outranks(cx, principal).await? {
        return Err(Error::Outranked);
    }
    Ok(())
}

/// Refuses whoever has a boundary and may not grant any access to change what others get whom it cannot be said
/// to limit as well.
///
/// Fails with [`Error::Escalation`].
pub(crate) async fn check_unbounded(cx: &Cx, permit: &Permit, change: &str) -> Result<()> {
    if is_exempt(permit) || cx_boundary(cx).await?.is_none() {
        return Ok(());
    }
    check_grant_any(cx, permit, &format!("{change}, since your boundary need not limit others,")).await
}

/// Refuses to change the policy that limits the caller, whatever else the caller may do.
///
/// Fails with [`Error::Escalation`].
pub(crate) async fn check_not_own_boundary(cx: &Cx, permit: &Permit, policy: &PolicyId) -> Result<()> {
    if is_exempt(permit) || cx_boundary(cx).await?.as_ref() != Some(policy) {
        return Ok(());
    }
    refuse(cx, permit, "the policy is your own boundary: somebody else has to change it".to_owned()).await
}

/// Refuses what nobody does to themselves.
///
/// Fails with [`Error::Escalation`].
pub(crate) async fn check_not_self(cx: &Cx, permit: &Permit, id: &PrincipalId, why: &str) -> Result<()> {
    let own = cx.actor().principal();
    if is_exempt(permit) || own.is_none_or(|(own, home)| own != *id || Some(home) != permit.tenant()) {
        return Ok(());
    }
    refuse(cx, permit, why.to_owned()).await
}

/// Whether a principal has a policy directly that the caller has not, now or at another time.
async fn has_other_direct(cx: &Cx, known: &Principal) -> Result<bool> {
    if known.direct.is_empty() {
        return Ok(false);
    }
    let own = cx_principal(cx).await?;
    let own = own.as_ref().map_or(&[][..], |own| own.direct.as_slice());
    Ok(known.direct.iter().any(|one| !own.iter().any(|held| held.policy_id == one.policy_id)))
}

/// The policy that limits the caller in the tenant where it acts, if one does.
async fn cx_boundary(cx: &Cx) -> Result<Option<PolicyId>> {
    Ok(cx_principal(cx).await?.and_then(|known| known.boundary.clone()))
}

/// The caller as the decision point knows it, in its own tenant.
async fn cx_principal(cx: &Cx) -> Result<Option<Arc<Principal>>> {
    let Place::Tenant(tenant) = cx.place() else { return Ok(None) };
    let Some((own, home)) = cx.actor().principal() else { return Ok(None) };
    if *home != tenant.id {
        return Ok(None);
    }
    let core = cx.core();
    let mut lazy = LazyRx::new(core.store(), store::Scope::Tenant(tenant.id.as_str()));
    let policies = core.snapshots().tenant(&mut lazy, &tenant.id).await?;
    core.snapshots().principal(&mut lazy, &policies, &tenant.id, &own).await
}

/// Leaves the evidence of a refusal, whatever becomes of the transaction that it was met in.
async fn refuse(cx: &Cx, permit: &Permit, why: String) -> Result<()> {
    let action = permit.action().map(Action::name);
    let details = json!({ "action": action, "because": why });
    cx.record(Event::denied("access.escalation_refused", permit.name()).details(details)).await;
    Err(Error::Escalation(why))
}

/// Says whether a principal of the tenant stands above the caller: it has a role, now or at another time,
/// that is not among the caller's own, or a policy directly that the caller has not, or lacks the boundary that the
/// caller has, or a resource's policy names it and not the caller, and the caller may not grant any access; or it has
/// a platform role that the caller has not, which no role of a tenant makes up for. Nobody outranks oneself, and
/// nobody outranks whoever runs the binary on the host. An outranked caller is recorded: all callers refuse them.
pub async fn outranks(cx: &Cx, principal: &PrincipalId) -> Result<bool> {
    let Place::Tenant(tenant) = cx.place() else { return Ok(false) };
    if cx.actor().principal().is_some_and(|(own, home)| own == *principal && *home == tenant.id) {
        return Ok(false);
    }
    if matches!(cx.actor(), Actor::Host { .. }) {
        return Ok(false);
    }
    let core = cx.core();
    let mut lazy = LazyRx::new(core.store(), store::Scope::Platform);
    let policies = core.snapshots().tenant(&mut lazy, &tenant.id).await?;
    let Some(known) = core.snapshots().principal(&mut lazy, &policies, &tenant.id, principal).await? else {
        return Ok(false);
    };
    let theirs = load_platform_roles(lazy.get().await?, principal, cx.now()).await?;
    let ours = match cx.actor().principal() {
        Some((own, _)) if !theirs.is_empty() => {
            load_platform_roles(lazy.get().await?, &own, cx.now()).await?
        }
        _ => Vec::new(),
    };
    drop(lazy);
    let own = cx.own_roles().await?;
    let above = known.assignments.iter().any(|a| !own.iter().any(|held| held == a.role_id.as_str()));
    // What limits the caller would not limit whoever acts as them.
    let unlimited = match cx_boundary(cx).await? {
        Some(own) => known.boundary.as_ref() != Some(&own),
        None => false,
    };
    let own_name = own_arn(cx, &tenant.id);
    let favoured = policies.policies.resources_favour(&known.profile.arn, own_name.as_deref());
    let above = above || unlimited || favoured || has_other_direct(cx, &known).await?;
    let above_platform = theirs.iter().any(|role| !ours.contains(role));
    let outranks = above_platform || (above && !may_grant_any(cx).await?);
    if outranks {
        let name = Target::member(principal).name(Some(tenant.id.as_str()));
        cx.record(Event::denied("access.outranked", name)).await;
    }
    Ok(outranks)
}

/// The name by which policies of resources know the caller, if it belongs to the tenant.
fn own_arn(cx: &Cx, tenant: &TenantId) -> Option<String> {
    let (own, home) = cx.actor().principal().filter(|(_, home)| *home == tenant)?;
    let kind = match cx.actor() {
        Actor::Client { .. } => PrincipalKind::Client,
        _ => PrincipalKind::User,
    };
    Some(kind.arn(home, &own))
}

pub(crate) fn is_exempt(permit: &Permit) -> bool {
    permit.purpose == Some(Purpose::Bootstrap)
}

async fn may_grant_any(cx: &Cx) -> Result<bool> {
    cx.may(Action::PolicyGrantAny, &Target::all("policy")).await
}
