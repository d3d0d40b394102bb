//! What must hold of policies that limit: those that bind a tenant and those that limit one principal.
//!
//! Such a policy has no priority, since its denies are final anyway. Together they allow something, since a
//! ceiling that allows nothing denies everything; and nobody shuts themselves out of taking a guardrail away
//! again. Nobody edits what limits themselves.

use base::id::{PolicyId, TenantId};
use policy::{Effect, Policy};
use store::Rx;

use crate::escalation::{check_not_own_boundary, is_exempt};
use crate::snapshot::layers::load_policies;
use crate::snapshot::{Asked, LazyRx};
use crate::{
    Action, Change, Cx, Error, Permit, Place, Result, Target, Tx, boundaries, direct, guardrails, policies,
};

/// Where a policy is in use beside roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Uses {
    /// Whether it binds the tenant.
    pub(crate) guardrail: bool,
    /// How many principals it limits.
    pub(crate) boundaries: i64,
    /// To how many users it is attached, which is no limit.
    pub(crate) direct: i64,
}

async fn uses(rx: &mut Rx, tenant: &TenantId, policy: &PolicyId) -> Result<Uses> {
    Ok(Uses {
        guardrail: guardrails::is_attached(rx, tenant, policy).await?,
        boundaries: boundaries::count_bounded(rx, tenant, policy).await?,
        direct: direct::count_attached(rx, tenant, policy).await?,
    })
}

/// Refuses to remove a policy that limits somebody or is attached to somebody.
///
/// Fails with [`Error::InUse`], which says where it is in use.
pub(crate) async fn check_unused(rx: &mut Rx, tenant: &TenantId, policy: &policies::Policy) -> Result<()> {
    let uses = uses(rx, tenant, &policy.id).await?;
    let name = &policy.name;
    if uses.guardrail {
        return Err(Error::InUse(format!(
            "the policy `{name}` is a guardrail of the tenant: detach it first"
        )));
    }
    if uses.boundaries > 0 {
        return Err(Error::InUse(format!(
            "the policy `{name}` is the boundary of {} users and clients: give them another one first",
            uses.boundaries
        )));
    }
    if uses.direct > 0 {
        let detail = format!("the policy `{name}` is attached to {} users: detach it first", uses.direct);
        return Err(Error::InUse(detail));
    }
    Ok(())
}

/// Judges a policy that was just changed, by what it limits.
///
/// Fails with [`Error::Escalation`] where it is the caller's own boundary, [`Error::Ceiling`] where it no longer
/// can be what it is, and [`Error::Invalid`] on a priority.
pub(crate) async fn check_edited(cx: &Cx, tx: &mut Tx, permit: &Permit, id: &PolicyId) -> Result<()> {
    let tenant = permit.own_tenant()?.clone();
    check_not_own_boundary(cx, permit, id).await?;
    let uses = uses(tx, &tenant, id).await?;
    if uses.boundaries > 0 {
        check_boundary(tx, &tenant, id).await?;
    }
    if uses.guardrail {
        check_guardrail(cx, tx, permit, id).await?;
        // A node that follows single changes of policies reads no guardrail.
        tx.decisions_change(permit, Change::All);
    }
    Ok(())
}

/// Refuses a policy that cannot be a boundary.
pub(crate) async fn check_boundary(rx: &mut Rx, tenant: &TenantId, id: &PolicyId) -> Result<()> {
    let loaded = load_policies(rx, tenant, std::slice::from_ref(id)).await?;
    check_priority(&loaded)?;
    if allows(&loaded) {
        return Ok(());
    }
    Err(allows_nothing("the boundary", "add a statement that allows what its holders may have at most"))
}

/// Judges the guardrail as it now is, after something was done to the policy of this id.
pub(crate) async fn check_guardrail(cx: &Cx, tx: &mut Tx, permit: &Permit, id: &PolicyId) -> Result<()> {
    let tenant = permit.own_tenant()?.clone();
    let ids = guardrails::list_ids(tx, &tenant).await?;
    if ids.is_empty() {
        return Ok(());
    }
    let loaded = load_policies(tx, &tenant, &ids).await?;
    check_priority(&loaded)?;
    if !allows(&loaded) {
        return Err(allows_nothing(
            "the guardrail of the tenant",
            "add a statement that allows what may be permitted at most, such as `Allow` of `*` on `*` beside the \
             denies",
        ));
    }
    if !is_exempt(permit) && locks_out(cx, &tenant, loaded, id).await? {
        let detail = format!(
            "under this guardrail you could not take it away again: let it allow you `{}`",
            Action::PolicyAttachGuardrail.name()
        );
        return Err(Error::Ceiling { code: "guardrail_locks_out", detail });
    }
    Ok(())
}

fn check_priority(policies: &[Policy]) -> Result<()> {
    match policies.iter().find(|policy| policy.priority() != 0) {
        None => Ok(()),
        Some(policy) => {
            let detail = format!(
                "the policy has priority {}, expected 0: the denies of a guardrail or boundary are final anyway",
                policy.priority()
            );
            Err(Error::invalid("/priority", "ceiling_priority", detail))
        }
    }
}

/// Whether any of these may allow something.
pub(crate) fn allows(policies: &[Policy]) -> bool {
    says(policies, Effect::Allow)
}

/// Whether any of these may deny something.
pub(crate) fn denies(policies: &[Policy]) -> bool {
    says(policies, Effect::Deny)
}

fn says(policies: &[Policy], effect: Effect) -> bool {
    policies.iter().flat_map(Policy::statements).any(|statement| statement.effect() == effect)
}

fn allows_nothing(what: &str, advice: &str) -> Error {
    let detail = format!("{what} would allow nothing, so that everything is denied: {advice}");
    Error::Ceiling { code: "ceiling_allows_nothing", detail }
}

/// Whether the caller, who may take the policy from the guardrail now, could do so no longer.
async fn locks_out(cx: &Cx, tenant: &TenantId, guardrail: Vec<Policy>, id: &PolicyId) -> Result<bool> {
    let (Some((principal, home)), Place::Tenant(_)) = (cx.actor().principal(), cx.place()) else {
        return Ok(false);
    };
    if home != tenant {
        return Ok(false);
    }
    let mut lazy = LazyRx::new(cx.core().store(), store::Scope::Tenant(tenant.as_str()));
    let snapshots = cx.core().snapshots();
    let policies = snapshots.tenant(&mut lazy, tenant).await?;
    let known = snapshots.principal(&mut lazy, &policies, tenant, &principal).await?;
    let Some(known) = known else { return Ok(false) };
    let name = Target::member(id).name(Some(tenant.as_str()));
    let asked = Asked {
        action: Action::PolicyAttachGuardrail.name(),
        resource: name.as_str(),
        circumstances: &cx.circumstances(),
        now: cx.now(),
        tags: None,
    };
    if snapshots.judge(&known, &policies, &asked)?.is_err() {
        return Ok(false);
    }
    Ok(snapshots.judge_under(&known, &policies, guardrail, &asked)?.is_err())
}
