//! Which policies a role carries.

use base::Timestamp;
use base::id::{PolicyId, RoleId};
use serde_json::json;

use super::{POLICIES_MAX, store, target};
use crate::escalation::check_grant_any;
use crate::{Change, Cx, Error, Event, Permit, Result, Tx};

/// A policy that a role carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// The policy.
    pub policy_id: PolicyId,
    /// Its name.
    pub name: String,
    /// When it was attached.
    pub attached_at: Timestamp,
    /// Who attached it, where that is known.
    pub attached_by: Option<String>,
}

/// Attaches exactly these policies to a role; others are detached.
///
/// Fails with [`Error::NotFound`], [`Error::Invalid`] on a policy that the tenant does not have, and
/// [`Error::Escalation`].
pub async fn set_policies_in(
    cx: &Cx,
    tx: &mut Tx,
    permit: &Permit,
    id: &RoleId,
    policies: &[PolicyId],
) -> Result<()> {
    let tenant = permit.own_tenant()?.clone();
    check_grant_any(cx, permit, "attaching policies").await?;
    if policies.len() > POLICIES_MAX {
        let detail = format!("{} policies, expected at most {POLICIES_MAX}", policies.len());
        return Err(Error::invalid("/policies", "too_many", detail));
    }
    if store::find(tx, &tenant, id).await?.is_none() {
        return Err(Error::NotFound("role"));
    }
    let mut wanted: Vec<&PolicyId> = policies.iter().collect();
    wanted.sort();
    wanted.dedup();
    let known = store::find_policies(tx, &tenant, &wanted).await?;
    if let Some((place, policy)) = policies.iter().enumerate().find(|(_, policy)| !known.contains(policy)) {
        let detail = format!("`{policy}` is no policy of this tenant");
        return Err(Error::invalid(format!("/policies/{place}"), "unknown_policy", detail));
    }
    store::replace_policies(tx, &tenant, id, &wanted, cx.now(), cx.actor().id().as_deref()).await?;
    let event = Event::done("role.policies_set", target(id, &tenant)).details(json!({ "policies": wanted }));
    tx.record(permit, event);
    tx.decisions_change(permit, Change::Role(id));
    Ok(())
}

/// Attaches one policy to a role that does not carry it yet.
///
/// Fails with [`Error::NotFound`] on a role or policy that the tenant does not have, [`Error::LimitReached`]
/// and [`Error::Escalation`].
pub async fn attach_policy_in(
    cx: &Cx,
    tx: &mut Tx,
    permit: &Permit,
    id: &RoleId,
    policy: &PolicyId,
) -> Result<()> {
    let tenant = permit.own_tenant()?.clone();
    check_grant_any(cx, permit, "attaching policies").await?;
    if store::find(tx, &tenant, id).await?.is_none() {
        return Err(Error::NotFound("role"));
    }
    if store::find_policies(tx, &tenant, &[policy]).await?.is_empty() {
        return Err(Error::NotFound("policy"));
    }
    if store::policies_of(tx, &tenant, id).await?.len() >= POLICIES_MAX {
        return Err(Error::LimitReached(format!("a role carries at most {POLICIES_MAX} policies")));
    }
    let by = cx.actor().id();
    store::attach(tx, &tenant, id, policy, (cx.now(), by.as_deref())).await?;
    let details = json!({ "policy_id": policy });
    tx.record(permit, Event::done("role.policy_attached", target(id, &tenant)).details(details));
    tx.decisions_change(permit, Change::Role(id));
    Ok(())
}

/// Detaches one policy from a role.
///
/// Fails with [`Error::NotFound`] if the role does not carry it, and [`Error::Escalation`].
pub async fn detach_policy_in(
    cx: &Cx,
    tx: &mut Tx,
    permit: &Permit,
    id: &RoleId,
    policy: &PolicyId,
) -> Result<()> {
    let tenant = permit.own_tenant()?.clone();
    check_grant_any(cx, permit, "detaching policies").await?;
    if store::detach(tx, &tenant, id, policy).await? == 0 {
        return Err(Error::NotFound("attachment"));
    }
    let details = json!({ "policy_id": policy });
    tx.record(permit, Event::done("role.policy_detached", target(id, &tenant)).details(details));
    tx.decisions_change(permit, Change::Role(id));
    Ok(())
}
