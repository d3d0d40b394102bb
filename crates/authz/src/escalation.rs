//! Who may hand on what: nobody gives access that they do not have.
//!
//! The rule is conservative so that it can be decided. Whoever holds `policy:grant_any` may do all. Anybody
//! else may give and take only roles that are among their own, ancestors included, and may not change what
//! roles, policies and links say, since that could be any access. Whoever runs the binary on the host and
//! the first start are exempt.

use base::id::{PrincipalId, RoleId};
use serde_json::json;

use crate::snapshot::{LazyRx, load_platform_roles};
use crate::{Action, Actor, Cx, Error, Event, Permit, Place, Purpose, Result, Target};

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

/// Leaves the evidence of a refusal, whatever becomes of the transaction that it was met in.
async fn refuse(cx: &Cx, permit: &Permit, why: String) -> Result<()> {
    let action = permit.action().map(Action::name);
    let details = json!({ "action": action, "because": why });
    cx.record(Event::denied("access.escalation_refused", permit.name()).details(details)).await;
    Err(Error::Escalation(why))
}

/// Says whether a principal of the tenant stands above the caller: it has a role, now or at another time,
/// that is not among the caller's own, and the caller may not grant any access; or it has a platform role
/// that the caller has not, which no role of a tenant makes up for. Nobody outranks oneself, and nobody
/// outranks whoever runs the binary on the host. An outranked caller is recorded: all callers refuse them.
pub async fn outranks(cx: &Cx, principal: &PrincipalId) -> Result<bool> {
    let Place::Tenant(tenant) = cx.place() else { return Ok(false) };
    if cx.actor().principal().is_some_and(|(own, home)| own == *principal && *home == tenant.id) {
        return Ok(false);
    }
    if matches!(cx.actor(), Actor::Host { .. }) {
        return Ok(false);
    }
    let core = cx.core();
    let mut lazy = LazyRx::new(core.store());
    let Some(known) = core.snapshots().principal(&mut lazy, &tenant.id, principal).await? else {
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
    let above_platform = theirs.iter().any(|role| !ours.contains(role));
    let outranks = above_platform || (above && !may_grant_any(cx).await?);
    if outranks {
        let name = Target::member(principal).name(Some(tenant.id.as_str()));
        cx.record(Event::denied("access.outranked", name)).await;
    }
    Ok(outranks)
}

fn is_exempt(permit: &Permit) -> bool {
    permit.purpose == Some(Purpose::Bootstrap)
}

async fn may_grant_any(cx: &Cx) -> Result<bool> {
    cx.may(Action::PolicyGrantAny, &Target::all("policy")).await
}
