//! What a policy is linked to: permissions, with an effect each, and the resources that they are about.
//!
//! A linked permission covers the policy's linked resources and all that lies in them. With no linked resource
//! an allow covers nothing, and a deny the whole tenant. A global permission has the policy's effect. The same
//! action linked with both effects is denied.

pub(super) mod store;

use base::id::{PermissionId, PolicyId, ResourceId, TenantId};
use policy::Effect;
use serde_json::{Value, json};

use super::priority::check_may_set;
use super::word;
use crate::action::linked_actions;
use crate::escalation::check_grant_any;
use crate::permissions::GlobalPermissionId;
use crate::{Action, Change, Cx, Error, Event, Listed, Listing, Permit, Result, Rx, Target, Tx, ceilings};

/// Permissions, global permissions and resources that one policy is linked to at most, of each kind.
pub const LINKS_MAX: i64 = 200;

/// What a policy is linked to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// A permission of the tenant; without an effect it has the policy's.
    Permission(PermissionId, Option<Effect>),
    /// A global permission, with the policy's effect.
    Global(GlobalPermissionId),
    /// A resource.
    Resource(ResourceId),
}

/// Which links to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LinkKind {
    /// To permissions of the tenant.
    Permission,
    /// To global permissions.
    Global,
    /// To resources.
    Resource,
}

/// A link as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linked {
    /// The id of what is linked.
    pub id: String,
    /// Its code or name.
    pub name: String,
    /// The effect of its own, if it has one.
    pub effect: Option<Effect>,
}

impl Link {
    const fn kind(&self) -> LinkKind {
        match self {
            Self::Permission(..) => LinkKind::Permission,
            Self::Global(_) => LinkKind::Global,
            Self::Resource(_) => LinkKind::Resource,
        }
    }

    fn id(&self) -> &str {
        match self {
            Self::Permission(id, _) => id.as_str(),
            Self::Global(id) => id.as_str(),
            Self::Resource(id) => id.as_str(),
        }
    }

    const fn effect(&self) -> Option<Effect> {
        match self {
            Self::Permission(_, effect) => *effect,
            Self::Global(_) | Self::Resource(_) => None,
        }
    }
}

impl LinkKind {
    const fn noun(self) -> &'static str {
        match self {
            Self::Permission => "permission",
            Self::Global => "global permission",
            Self::Resource => "resource",
        }
    }
}

/// Links a policy, or changes the effect of a link that is there.
///
/// Fails with [`Error::NotFound`] on a policy or on what it would be linked to, [`Error::Invalid`] with
/// `no_effect` for a permission that does nothing in a tenant, [`Error::LimitReached`], [`Error::Escalation`],
/// and with [`Error::Denied`] for a policy at a priority that the caller may not set.
pub async fn link_in(cx: &Cx, tx: &mut Tx, permit: &Permit, id: &PolicyId, link: &Link) -> Result<()> {
    let tenant = permit.own_tenant()?.clone();
    check_grant_any(cx, permit, "linking a policy").await?;
    let policy = super::store::find(tx, &tenant, id).await?.ok_or(Error::NotFound("policy"))?;
    if policy.priority != 0 {
        check_may_set(cx, permit, &Target::member(id)).await?;
    }
    let kind = link.kind();
    let name = store::name_of(tx, &tenant, kind, link.id()).await?.ok_or(Error::NotFound(kind.noun()))?;
    if kind != LinkKind::Resource && linked_actions(&name).is_empty() {
        let detail = format!("`{name}` does nothing inside a tenant, so a link to it would have no effect");
        return Err(Error::invalid("", "no_effect", detail));
    }
    if store::count(tx, &tenant, kind, id).await? >= LINKS_MAX
        && store::find(tx, &tenant, id, link).await?.is_none()
    {
        let detail = format!("a policy is linked to at most {LINKS_MAX} of a kind");
        return Err(Error::LimitReached(detail));
    }
    store::put(tx, &tenant, id, link).await?;
    ceilings::check_edited(cx, tx, permit, id).await?;
    record(tx, permit, "policy.linked", id, &tenant, describe(link, &name));
    Ok(())
}

/// Takes a link from a policy. Taking the last resource from one that denies lets it deny in the whole tenant.
///
/// Fails with [`Error::NotFound`] if it is not linked so, and as [`link_in`] does for whoever may not.
pub async fn unlink_in(cx: &Cx, tx: &mut Tx, permit: &Permit, id: &PolicyId, link: &Link) -> Result<()> {
    let tenant = permit.own_tenant()?.clone();
    check_grant_any(cx, permit, "unlinking a policy").await?;
    if super::store::find(tx, &tenant, id).await?.is_some_and(|policy| policy.priority != 0) {
        check_may_set(cx, permit, &Target::member(id)).await?;
    }
    let name = store::name_of(tx, &tenant, link.kind(), link.id()).await?.unwrap_or_default();
    if store::remove(tx, &tenant, id, link).await? == 0 {
        return Err(Error::NotFound("link"));
    }
    ceilings::check_edited(cx, tx, permit, id).await?;
    record(tx, permit, "policy.unlinked", id, &tenant, describe(link, &name));
    Ok(())
}

/// Links a policy; nothing happens if it is linked so. Fails as [`link_in`] does.
pub async fn link(cx: &Cx, id: &PolicyId, link: &Link) -> Result<()> {
    let permit = cx.authorize(Action::PolicyUpdate, &Target::member(id)).await?;

    let mut tx = cx.write(&permit).await?;
    let had = store::find(&mut tx, permit.own_tenant()?, id, link).await?;
    if had.is_some_and(|effect| effect == link.effect()) {
        return Ok(());
    }
    link_in(cx, &mut tx, &permit, id, link).await?;
    tx.commit().await
}

/// Takes a link from a policy. Fails as [`unlink_in`] does.
pub async fn unlink(cx: &Cx, id: &PolicyId, link: &Link) -> Result<()> {
    let permit = cx.authorize(Action::PolicyUpdate, &Target::member(id)).await?;

    let mut tx = cx.write(&permit).await?;
    unlink_in(cx, &mut tx, &permit, id, link).await?;
    tx.commit().await
}

/// A link and the policy that has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyLink {
    /// The policy.
    pub policy_id: PolicyId,
    /// What kind of thing is linked.
    pub kind: LinkKind,
    /// What is linked.
    pub linked: Linked,
}

/// The links of all policies of a tenant, for verbs that already hold a permit for them: at most `limit`.
pub async fn list_all_links(rx: &mut Rx, tenant: &TenantId, limit: i64) -> Result<Vec<PolicyLink>> {
    store::list_all(rx, tenant, limit).await
}

/// A part of the links of a policy of this kind. Fails with [`Error::NotFound`].
pub async fn list_links(cx: &Cx, id: &PolicyId, kind: LinkKind, listing: &Listing) -> Result<Listed<Linked>> {
    let permit = cx.authorize(Action::PolicyRead, &Target::member(id)).await?;
    let mut rx: Rx = cx.read(&permit).await?;
    let tenant = permit.own_tenant()?;
    if super::store::find(&mut rx, tenant, id).await?.is_none() {
        return Err(Error::NotFound("policy"));
    }
    store::page(&mut rx, tenant, id, kind, listing).await
}

fn describe(link: &Link, name: &str) -> Value {
    json!({
        "kind": link.kind().noun(), "id": link.id(), "name": name, "effect": link.effect().map(word),
    })
}

fn record(
    tx: &mut Tx,
    permit: &Permit,
    action: &'static str,
    id: &PolicyId,
    tenant: &TenantId,
    details: Value,
) {
    let name = Target::member(id).name(Some(tenant.as_str()));
    tx.record(permit, Event::done(action, name).details(details));
    tx.decisions_change(permit, Change::Policy(id));
}
