//! What callers ask of groups from outside: each verb asks whether they may, opens one transaction and commits.

use base::id::{GroupId, PrincipalId};
use web::IfMatch;

use super::{Group, GroupChange, ListedMember, Membership, NewGroup, NewMember, store};
use crate::principals::{self, PrincipalKind};
use crate::{Action, Cx, Error, Listed, Listing, Result, Target};

/// Makes an empty group in the caller's tenant. Fails as [`super::create_group_in`] does.
pub async fn create_group(cx: &Cx, new: NewGroup) -> Result<Group> {
    let permit = cx.authorize(Action::GroupCreate, &Target::all("group")).await?;

    let mut tx = cx.write(&permit).await?;
    let group = super::create_group_in(cx, &mut tx, &permit, new).await?;
    tx.commit().await?;
    Ok(group)
}

/// Reads a group. Fails with [`Error::NotFound`].
pub async fn load_group(cx: &Cx, id: &GroupId) -> Result<Group> {
    let permit = cx.authorize(Action::GroupRead, &Target::member(id)).await?;
    let mut rx = cx.read(&permit).await?;
    store::find(&mut rx, permit.own_tenant()?, id).await?.ok_or(Error::NotFound("group"))
}

/// Reads a part of the tenant's groups.
pub async fn page_groups(cx: &Cx, listing: &Listing) -> Result<Listed<Group>> {
    let permit = cx.authorize(Action::GroupRead, &Target::all("group")).await?;
    let mut rx = cx.read(&permit).await?;
    let scanned = store::page(&mut rx, permit.own_tenant()?, listing).await?;
    drop(rx);
    scanned.only(cx, Action::GroupRead, |group| Target::member(&group.id)).await
}

/// Changes a group that the caller read.
///
/// Fails as [`super::update_group_in`] does, and with [`Error::Precondition`].
pub async fn update_group(cx: &Cx, id: &GroupId, if_match: &IfMatch, change: GroupChange) -> Result<Group> {
    let permit = cx.authorize(Action::GroupUpdate, &Target::member(id)).await?;

    let mut tx = cx.write(&permit).await?;
    let found = store::find(&mut tx, permit.own_tenant()?, id).await?.ok_or(Error::NotFound("group"))?;
    if_match.check(found.version).map_err(Error::Precondition)?;
    let group = super::update_group_in(cx, &mut tx, &permit, id, change, Some(found.version)).await?;
    tx.commit().await?;
    Ok(group)
}

/// Removes a group that the caller read, with its memberships and roles.
///
/// Fails as [`super::delete_group_in`] does, and with [`Error::Precondition`].
pub async fn delete_group(cx: &Cx, id: &GroupId, if_match: &IfMatch) -> Result<()> {
    let permit = cx.authorize(Action::GroupDelete, &Target::member(id)).await?;

    let mut tx = cx.write(&permit).await?;
    let found = store::find(&mut tx, permit.own_tenant()?, id).await?.ok_or(Error::NotFound("group"))?;
    if_match.check(found.version).map_err(Error::Precondition)?;
    super::delete_group_in(cx, &mut tx, &permit, id).await?;
    tx.commit().await
}

/// A part of the members of a group, at whatever time. Fails with [`Error::NotFound`].
pub async fn page_members(cx: &Cx, id: &GroupId, listing: &Listing) -> Result<Listed<ListedMember>> {
    let permit = cx.authorize(Action::GroupRead, &Target::member(id)).await?;
    let mut rx = cx.read(&permit).await?;
    let tenant = permit.own_tenant()?;
    if store::find(&mut rx, tenant, id).await?.is_none() {
        return Err(Error::NotFound("group"));
    }
    store::page_members(&mut rx, tenant, id, listing).await
}

/// Adds a member; nothing happens if it is one at the same times. Fails as [`super::put_member_in`] does.
pub async fn add_member(cx: &Cx, id: &GroupId, new: &NewMember) -> Result<()> {
    let permit = cx.authorize(Action::GroupUpdate, &Target::member(id)).await?;

    let mut tx = cx.write(&permit).await?;
    let had = store::find_member(&mut tx, permit.own_tenant()?, id, &new.principal_id).await?;
    if had.is_some_and(|had| had.window == new.window) {
        return Ok(());
    }
    super::put_member_in(cx, &mut tx, &permit, id, new).await?;
    tx.commit().await
}

/// Removes a member. Fails as [`super::remove_member_in`] does.
pub async fn remove_member(cx: &Cx, id: &GroupId, principal: &PrincipalId) -> Result<()> {
    let permit = cx.authorize(Action::GroupUpdate, &Target::member(id)).await?;

    let mut tx = cx.write(&permit).await?;
    super::remove_member_in(cx, &mut tx, &permit, id, principal).await?;
    tx.commit().await
}

/// A part of the groups of a principal of this kind, at whatever time.
///
/// The caller may read the principal and groups. Fails with [`Error::NotFound`].
pub async fn list_groups_of(
    cx: &Cx,
    kind: PrincipalKind,
    id: &PrincipalId,
    listing: &Listing,
) -> Result<Listed<Membership>> {
    cx.authorize(kind.read_action(), &kind.target(id)).await?;
    let permit = cx.authorize(Action::GroupRead, &Target::all("group")).await?;
    let mut rx = cx.read(&permit).await?;
    let tenant = permit.own_tenant()?;
    principals::check_kind(&mut rx, tenant, id, kind).await?;
    store::page_memberships(&mut rx, tenant, id, listing).await
}
