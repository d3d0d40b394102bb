//! Guardrails: policies of a tenant that bind everybody in it, whatever roles and resources say.
//!
//! All attached policies together are one ceiling: a deny in any of them is final, and what none of them allows
//! is denied. Without any there is no ceiling.

pub(crate) mod http;
pub mod platform;
mod store;
mod verbs;

use ::store::Rx;
use base::Timestamp;
use base::id::{PolicyId, TenantId};
use serde_json::json;

use crate::escalation::check_grant_any;
use crate::snapshot::layers::load_policies;
use crate::{Change, Cx, Error, Event, Permit, Result, Target, Tx, ceilings, policies};

pub use verbs::{attach_guardrail, detach_guardrail, list_guardrails};

/// Policies that bind one tenant at most.
pub const GUARDRAILS_MAX: usize = 20;

/// A policy that binds everybody in the tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guardrail {
    /// The policy.
    pub policy_id: PolicyId,
    /// Its name.
    pub name: String,
    /// Since when.
    pub attached_at: Timestamp,
    /// Who attached it, where that is known.
    pub attached_by: Option<String>,
}

/// Lets a policy bind everybody in the permit's tenant that does not do so yet.
///
/// What it denies is denied from the commit on. Its allows are added to those of the guardrails that are there,
/// so that this needs `policy:grant_any` unless it is the first or only denies. Fails with [`Error::NotFound`],
/// [`Error::LimitReached`], [`Error::Invalid`] on a policy with a priority, [`Error::Ceiling`] where nothing would be
/// allowed or the caller could not undo it, and [`Error::Escalation`].
pub async fn attach_guardrail_in(cx: &Cx, tx: &mut Tx, permit: &Permit, id: &PolicyId) -> Result<()> {
    let tenant = permit.own_tenant()?.clone();
    let policy = policies::find_policy(tx, &tenant, id).await?.ok_or(Error::NotFound("policy"))?;
    let there = store::list_ids(tx, &tenant).await?;
    if there.len() >= GUARDRAILS_MAX {
        return Err(Error::LimitReached(format!("a tenant has at most {GUARDRAILS_MAX} guardrails")));
    }
    let own = load_policies(tx, &tenant, std::slice::from_ref(id)).await?;
    if !there.is_empty() && ceilings::allows(&own) {
        check_grant_any(cx, permit, "attaching a further guardrail that allows something").await?;
    }
    let by = cx.actor().id();
    store::attach(tx, &tenant, id, (cx.now(), by.as_deref())).await?;
    ceilings::check_guardrail(cx, tx, permit, id).await?;
    record(tx, permit, "guardrail.attached", &policy, &tenant);
    Ok(())
}

/// Lets a policy bind nobody any longer.
///
/// Needs `policy:grant_any` unless others stay and it denies nothing. Fails with [`Error::NotFound`],
/// [`Error::Ceiling`] where those that stay would allow nothing or shut the caller out, and
/// [`Error::Escalation`].
pub async fn detach_guardrail_in(cx: &Cx, tx: &mut Tx, permit: &Permit, id: &PolicyId) -> Result<()> {
    let tenant = permit.own_tenant()?.clone();
    let there = store::list_ids(tx, &tenant).await?;
    if !there.contains(id) {
        return Err(Error::NotFound("guardrail"));
    }
    let policy = policies::find_policy(tx, &tenant, id).await?.ok_or(Error::NotFound("guardrail"))?;
    let own = load_policies(tx, &tenant, std::slice::from_ref(id)).await?;
    if there.len() == 1 || ceilings::denies(&own) {
        check_grant_any(cx, permit, "detaching a guardrail").await?;
    }
    store::detach(tx, &tenant, id).await?;
    if let Some(other) = there.iter().find(|other| *other != id) {
        ceilings::check_guardrail(cx, tx, permit, other).await?;
    }
    record(tx, permit, "guardrail.detached", &policy, &tenant);
    Ok(())
}

/// All guardrails of the tenant (at most [`GUARDRAILS_MAX`]), by name.
pub async fn list_guardrails_in(rx: &mut Rx, tenant: &TenantId) -> Result<Vec<Guardrail>> {
    store::list(rx, tenant).await
}

/// The policies that bind the tenant, by id.
pub(crate) async fn list_ids(rx: &mut Rx, tenant: &TenantId) -> Result<Vec<PolicyId>> {
    store::list_ids(rx, tenant).await
}

/// Whether a policy binds the tenant.
pub(crate) async fn is_attached(rx: &mut Rx, tenant: &TenantId, id: &PolicyId) -> Result<bool> {
    Ok(store::list_ids(rx, tenant).await?.contains(id))
}

fn record(tx: &mut Tx, permit: &Permit, action: &'static str, policy: &policies::Policy, tenant: &TenantId) {
    let name = Target::member(&policy.id).name(Some(tenant.as_str()));
    let details = json!({ "policy": policy.name, "document": policy.document });
    tx.record(permit, Event::done(action, name).details(details));
    tx.decisions_change(permit, Change::All);
}
