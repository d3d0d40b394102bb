//! What callers ask of roles from outside: each verb asks whether they may, opens one transaction and commits.

use base::id::{GroupId, PolicyId, PrincipalId, RoleId, TenantId};
use base::text::name_key;
use web::IfMatch;

use super::{
    Assignment, Attachment, Holder, NewAssignment, NewRole, Role, RoleChange, Window, find_window,
    list_assignments, page_held, page_held_by_group, put_in, store, unassign_in,
};
use crate::principals::{self, PrincipalKind};
use crate::{Action, Cx, Error, Listed, Listing, Result, Rx, Target};

/// A role that a principal holds, as it is listed.
pub type HeldRole = super::Held;

/// What a role permits by itself and by those that it inherits from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// Each permission code once, with the nearest role that has it, in the order of the codes.
    pub permissions: Vec<(String, RoleId, String)>,
    /// Each attached policy with the role that carries it: nearest role first, then by name.
    pub policies: Vec<(Attachment, RoleId, String)>,
}

/// Makes a role in the caller's tenant. Fails as [`super::create_role_in`] does.
pub async fn create_role(cx: &Cx, new: NewRole) -> Result<Role> {
    let permit = cx.authorize(Action::RoleCreate, &Target::all("role")).await?;

    let mut tx = cx.write(&permit).await?;
    let role = super::create_role_in(cx, &mut tx, &permit, new).await?;
    tx.commit().await?;
    Ok(role)
}

/// Reads a role. Fails with [`Error::NotFound`].
pub async fn load_role(cx: &Cx, id: &RoleId) -> Result<Role> {
    let permit = cx.authorize(Action::RoleRead, &Target::member(id)).await?;
    let mut rx = cx.read(&permit).await?;
    super::find_role(&mut rx, permit.own_tenant()?, id).await?.ok_or(Error::NotFound("role"))
}

/// Reads a role by its code. Fails with [`Error::NotFound`], also if the caller may not read that role.
pub async fn load_role_by_code(cx: &Cx, code: &str) -> Result<Role> {
    let permit = cx.authorize(Action::RoleRead, &Target::all("role")).await?;
    let mut rx = cx.read(&permit).await?;
    let found = super::find_role_by_code(&mut rx, permit.own_tenant()?, code).await?;
    drop(rx);
    let role = found.ok_or(Error::NotFound("role"))?;
    if cx.may(Action::RoleRead, &Target::member(&role.id)).await? {
        return Ok(role);
    }
    Err(Error::NotFound("role"))
}

/// Reads a part of the tenant's roles; `q`, folded, is what their codes or names begin with.
pub async fn page_roles(cx: &Cx, q: Option<&str>, listing: &Listing) -> Result<Listed<Role>> {
    let permit = cx.authorize(Action::RoleRead, &Target::all("role")).await?;
    let mut rx = cx.read(&permit).await?;
    let tenant = permit.own_tenant()?;
    let among = match q {
        Some(q) => Some(search(&mut rx, tenant, q).await?),
        None => None,
    };
    let scanned = store::page(&mut rx, tenant, among.as_deref(), listing).await?;
    drop(rx);
    scanned.only(cx, Action::RoleRead, |role| Target::member(&role.id)).await
}

/// The roles that a search finds. Names are folded here: a tenant has at most [`super::ROLES_MAX`].
async fn search(rx: &mut Rx, tenant: &TenantId, q: &str) -> Result<Vec<RoleId>> {
    let begins = |text: &str| name_key(text).starts_with(q);
    let named = store::names(rx, tenant).await?.into_iter();
    let found = named.filter(|store::Named(_, code, name)| begins(code) || begins(name));
    Ok(found.map(|named| named.0).collect())
}

/// Changes a role that the caller read.
///
/// Fails as [`super::update_role_in`] does, and with [`Error::Precondition`].
pub async fn update_role(cx: &Cx, id: &RoleId, if_match: &IfMatch, change: RoleChange) -> Result<Role> {
    let permit = cx.authorize(Action::RoleUpdate, &Target::member(id)).await?;

    let mut tx = cx.write(&permit).await?;
    let found = store::find(&mut tx, permit.own_tenant()?, id).await?.ok_or(Error::NotFound("role"))?;
    if_match.check(found.version).map_err(Error::Precondition)?;
    let role = super::update_role_in(cx, &mut tx, &permit, id, change, Some(found.version)).await?;
    tx.commit().await?;
    Ok(role)
}

/// Removes a role that the caller read.
///
/// Fails as [`super::delete_role_in`] does, and with [`Error::Precondition`].
pub async fn delete_role(cx: &Cx, id: &RoleId, if_match: &IfMatch) -> Result<()> {
    let permit = cx.authorize(Action::RoleDelete, &Target::member(id)).await?;

    let mut tx = cx.write(&permit).await?;
    let found = store::find(&mut tx, permit.own_tenant()?, id).await?.ok_or(Error::NotFound("role"))?;
    if_match.check(found.version).map_err(Error::Precondition)?;
    super::delete_role_in(cx, &mut tx, &permit, id).await?;
    tx.commit().await
}

/// What a role permits, what it inherits included. Fails with [`Error::NotFound`].
pub async fn load_effective(cx: &Cx, id: &RoleId) -> Result<Effective> {
    let permit = cx.authorize(Action::RoleRead, &Target::member(id)).await?;
    let mut rx = cx.read(&permit).await?;
    let tenant = permit.own_tenant()?;
    let chain = store::with_ancestors(&mut rx, tenant, id).await?;
    if chain.is_empty() {
        return Err(Error::NotFound("role"));
    }
    let mut permissions: Vec<(String, RoleId, String)> = Vec::new();
    let mut policies = Vec::new();
    for role in chain {
        for code in &role.permissions {
            if !permissions.iter().any(|(known, ..)| known == code) {
                permissions.push((code.clone(), role.id.clone(), role.code.clone()));
            }
        }
        for attachment in store::list_attachments(&mut rx, tenant, &role.id).await? {
            policies.push((attachment, role.id.clone(), role.code.clone()));
        }
    }
    permissions.sort();
    Ok(Effective { permissions, policies })
}

/// The policies attached to a role itself, by name. Fails with [`Error::NotFound`].
pub async fn list_attachments(cx: &Cx, id: &RoleId) -> Result<Vec<Attachment>> {
    let permit = cx.authorize(Action::RoleRead, &Target::member(id)).await?;
    let mut rx = cx.read(&permit).await?;
    let tenant = permit.own_tenant()?;
    if store::find(&mut rx, tenant, id).await?.is_none() {
        return Err(Error::NotFound("role"));
    }
    store::list_attachments(&mut rx, tenant, id).await
}

/// Attaches a policy to a role; nothing happens if the role carries it. The caller may change the role and
/// say where the policy is attached.
///
/// Fails as [`super::attach_policy_in`] does.
pub async fn attach_policy(cx: &Cx, id: &RoleId, policy: &PolicyId) -> Result<()> {
    cx.authorize(Action::RoleUpdate, &Target::member(id)).await?;
    let permit = cx.authorize(Action::PolicyUpdate, &Target::member(policy)).await?;

    let mut tx = cx.write(&permit).await?;
    if store::policies_of(&mut tx, permit.own_tenant()?, id).await?.contains(policy) {
        return Ok(());
    }
    super::attach_policy_in(cx, &mut tx, &permit, id, policy).await?;
    tx.commit().await
}

/// Detaches a policy from a role. Fails as [`super::detach_policy_in`] does.
pub async fn detach_policy(cx: &Cx, id: &RoleId, policy: &PolicyId) -> Result<()> {
    cx.authorize(Action::RoleUpdate, &Target::member(id)).await?;
    let permit = cx.authorize(Action::PolicyUpdate, &Target::member(policy)).await?;

    let mut tx = cx.write(&permit).await?;
    super::detach_policy_in(cx, &mut tx, &permit, id, policy).await?;
    tx.commit().await
}

/// A part of those who hold a role. Fails with [`Error::NotFound`].
pub async fn list_holders(cx: &Cx, id: &RoleId, listing: &Listing) -> Result<Listed<Assignment>> {
    let permit = cx.authorize(Action::RoleRead, &Target::member(id)).await?;
    let mut rx = cx.read(&permit).await?;
    let tenant = permit.own_tenant()?;
    if store::find(&mut rx, tenant, id).await?.is_none() {
        return Err(Error::NotFound("role"));
    }
    list_assignments(&mut rx, tenant, id, listing).await
}

/// A part of the roles of a principal of this kind, at whatever time, directly or through groups.
///
/// The caller may read the principal and roles. Fails with [`Error::NotFound`].
pub async fn list_roles_of(
    cx: &Cx,
    kind: PrincipalKind,
    id: &PrincipalId,
    listing: &Listing,
) -> Result<Listed<HeldRole>> {
    cx.authorize(kind.read_action(), &kind.target(id)).await?;
    let permit = cx.authorize(Action::RoleRead, &Target::all("role")).await?;
    let mut rx = cx.read(&permit).await?;
    let tenant = permit.own_tenant()?;
    principals::check_kind(&mut rx, tenant, id, kind).await?;
    page_held(&mut rx, tenant, id, listing).await
}

/// A part of the roles of a group, at whatever time. Fails with [`Error::NotFound`].
pub async fn list_roles_of_group(cx: &Cx, id: &GroupId, listing: &Listing) -> Result<Listed<HeldRole>> {
    cx.authorize(Action::RoleRead, &Target::all("role")).await?;
    let permit = cx.authorize(Action::GroupRead, &Target::member(id)).await?;
    let mut rx = cx.read(&permit).await?;
    let tenant = permit.own_tenant()?;
    if crate::groups::find_group(&mut rx, tenant, id).await?.is_none() {
        return Err(Error::NotFound("group"));
    }
    page_held_by_group(&mut rx, tenant, id, listing).await
}

/// Gives a role; nothing happens if the holder has it at the same times. `kind` is what the holder must be
/// where it is a principal.
///
/// Fails as [`super::put_in`] does.
pub async fn assign(cx: &Cx, kind: Option<PrincipalKind>, new: &NewAssignment) -> Result<()> {
    let permit = cx.authorize(Action::RoleAssign, &Target::member(&new.role)).await?;
    permit_for_group(cx, &new.holder).await?;

    let mut tx = cx.write(&permit).await?;
    let tenant = permit.own_tenant()?.clone();
    if let (Holder::Principal(id), Some(kind)) = (&new.holder, kind) {
        principals::check_kind(&mut tx, &tenant, id, kind).await?;
    }
    let had: Option<Window> = find_window(&mut tx, &tenant, &new.holder, &new.role).await?;
    if had == Some(new.window) {
        return Ok(());
    }
    put_in(cx, &mut tx, &permit, new).await?;
    tx.commit().await
}

/// Takes a role away. Fails as [`super::unassign_in`] does.
pub async fn unassign(cx: &Cx, kind: Option<PrincipalKind>, holder: &Holder, role: &RoleId) -> Result<()> {
    let permit = cx.authorize(Action::RoleAssign, &Target::member(role)).await?;
    permit_for_group(cx, holder).await?;

    let mut tx = cx.write(&permit).await?;
    if let (Holder::Principal(id), Some(kind)) = (holder, kind) {
        principals::check_kind(&mut tx, permit.own_tenant()?, id, kind).await?;
    }
    unassign_in(cx, &mut tx, &permit, holder, role).await?;
    tx.commit().await
}

/// What a group holds is the group's too: the caller must be permitted to change it.
async fn permit_for_group(cx: &Cx, holder: &Holder) -> Result<()> {
    if let Holder::Group(id) = holder {
        cx.authorize(Action::GroupUpdate, &Target::member(id)).await?;
    }
    Ok(())
}
