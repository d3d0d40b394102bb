//! Groups: principals that hold roles together.
//!
//! A membership counts while its window and that of the group's role are both open. Every verb that ends in
//! `_in` records exactly one event and marks that decisions change. A group's roles are given and taken with
//! [`crate::roles::assign_in`] and [`crate::roles::unassign_in`].

pub(crate) mod http;
mod store;
mod verbs;

use base::id::{GroupId, PrincipalId, RoleId, TenantId};
use base::query::{Direction, SortKey};
use base::{Timestamp, text};
use policy::Known;
use serde_json::json;

use crate::escalation::{
    check_deny_stays, check_hand_on, check_hand_on_until, check_held_unread, check_not_above,
};
use crate::roles::{self, ExpiringDeny, Window, check_texts, refuse_expiring_deny};
use crate::{Change, Cx, Error, Event, Permit, Result, Rx, Target, Tx, principals};

pub use verbs::{
    add_member, create_group, delete_group, list_groups_of, load_group, page_groups, page_members,
    remove_member, update_group,
};

/// The order of groups where nobody says another one.
const ORDER: [SortKey; 1] = [SortKey { attribute: "name", direction: Direction::Ascending }];
/// The order of members where nobody says another one.
const MEMBER_ORDER: [SortKey; 1] = [SortKey { attribute: "principal_id", direction: Direction::Ascending }];
/// Groups of one tenant at most.
pub const GROUPS_MAX: i64 = 50_000;
/// Groups that one principal is a member of at most.
pub const MEMBERSHIPS_MAX: i64 = 1_000;
/// What members of a group have by it beside what its roles say.
const HELD_BY_MEMBERS: [Known; 2] = [Known::Groups, Known::Roles];
/// Groups in one page of [`list_groups`] at most, and members in one of [`list_members`].
pub const PAGE_MAX: i64 = 1_000;

/// A group of a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its id.
    pub id: GroupId,
    /// Its name, unique in the tenant whatever its case.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Counts the changes of the row itself.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A group to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewGroup {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
}

/// A change of a group; what is none stays. In `description` the inner none removes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupChange {
    /// Another name.
    pub name: Option<String>,
    /// Another description.
    pub description: Option<Option<String>>,
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The user or client.
    pub principal_id: PrincipalId,
    /// When the membership counts.
    pub window: Window,
}

/// A member with what else a list says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedMember {
    /// The member.
    pub member: Member,
    /// `user` or `client`.
    pub kind: String,
    /// When it was added or last changed.
    pub added_at: Timestamp,
    /// Who added it, where that is known.
    pub added_by: Option<String>,
}

/// A membership to be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMember {
    /// The user or client.
    pub principal_id: PrincipalId,
    /// When the membership counts.
    pub window: Window,
    /// Whether a deny may end with it.
    pub denies: ExpiringDeny,
}

/// A group that a principal is a member of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The group.
    pub group_id: GroupId,
    /// Its name.
    pub name: String,
    /// When the membership counts.
    pub window: Window,
}

/// Makes an empty group in the permit's tenant.
///
/// Fails with [`Error::Taken`], [`Error::LimitReached`] and [`Error::Invalid`].
pub async fn create_group_in(cx: &Cx, tx: &mut Tx, permit: &Permit, new: NewGroup) -> Result<Group> {
    let tenant = permit.own_tenant()?.clone();
    check_texts(Some(&new.name), new.description.as_deref())?;
    if store::count(tx, &tenant).await? >= GROUPS_MAX {
        return Err(Error::LimitReached(format!("a tenant has at most {GROUPS_MAX} groups")));
    }
    let now = cx.now();
    let group = Group {
        id: cx.fresh_id(),
        name: new.name,
        description: new.description,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    store::insert(tx, &tenant, &group).await.map_err(|e| refused(e, &group.name))?;
    record(tx, permit, "group.created", &group.id, json!({ "name": group.name }), Change::Nothing);
    Ok(group)
}

/// Changes a group's name or description. `version` is the one that the caller read, where it must not have
/// changed since.
///
/// Fails with [`Error::NotFound`], [`Error::Stale`], [`Error::Taken`] and [`Error::Invalid`].
pub async fn update_group_in(
    cx: &Cx,
    tx: &mut Tx,
    permit: &Permit,
    id: &GroupId,
    change: GroupChange,
    version: Option<i64>,
) -> Result<Group> {
    let tenant = permit.own_tenant()?.clone();
    check_texts(change.name.as_deref(), change.description.as_ref().and_then(Option::as_deref))?;
    let mut group = store::find(tx, &tenant, id).await?.ok_or(Error::NotFound("group"))?;
    if version.is_some_and(|read| read != group.version) {
        return Err(Error::Stale);
    }
    let before = group.version;
    if let Some(name) = change.name {
        group.name = name;
    }
    if let Some(description) = change.description {
        group.description = description;
    }
    group.version = before + 1;
    group.updated_at = cx.now();
    let touched = store::update(tx, &tenant, &group, before).await;
    if touched.map_err(|e| refused(e, &group.name))? == 0 {
        return Err(Error::Stale);
    }
    record(tx, permit, "group.updated", id, json!({ "name": group.name }), Change::Nothing);
    Ok(group)
}

/// Removes a group with its memberships and roles.
///
/// Fails with [`Error::NotFound`] and, as all members lose its roles, [`Error::Escalation`]; the commit with
/// [`Error::LastSuperAdmin`] where nobody would be one for good.
pub async fn delete_group_in(cx: &Cx, tx: &mut Tx, permit: &Permit, id: &GroupId) -> Result<()> {
    let tenant = permit.own_tenant()?.clone();
    let group = store::find(tx, &tenant, id).await?.ok_or(Error::NotFound("group"))?;
    let held = store::roles_of(tx, &tenant, id).await?;
    check_hand_on(cx, permit, &held).await?;
    check_deny_stays(cx, tx, permit, &tenant, &held).await?;
    check_held_unread(cx, permit, &HELD_BY_MEMBERS).await?;
    store::delete(tx, &tenant, id).await?;
    keep_super_admin(tx, permit, &held).await?;
    record(tx, permit, "group.deleted", id, json!({ "name": group.name }), Change::Group(id));
    Ok(())
}

/// Adds a member, or changes when its membership counts, as [`put_member_in`] does, and lets no deny end
/// with it.
pub async fn add_member_in(
    cx: &Cx,
    tx: &mut Tx,
    permit: &Permit,
    group: &GroupId,
    principal: &PrincipalId,
    window: Window,
) -> Result<()> {
    let new = NewMember { principal_id: principal.clone(), window, denies: ExpiringDeny::Refuse };
    put_member_in(cx, tx, permit, group, &new).await
}

/// Adds a member, or changes when its membership counts.
///
/// Fails with [`Error::NotFound`] on a group or principal that the tenant does not have, [`Error::Invalid`]
/// on an empty window or an expiry where a role of the group denies (`deny_would_expire`),
/// [`Error::LimitReached`], [`Error::Outranked`] and [`Error::Escalation`], because the member gets the
/// group's roles; the commit with [`Error::LastSuperAdmin`] where nobody would be one for good.
pub async fn put_member_in(
    cx: &Cx,
    tx: &mut Tx,
    permit: &Permit,
    group: &GroupId,
    new: &NewMember,
) -> Result<()> {
    let tenant = permit.own_tenant()?.clone();
    let NewMember { principal_id: principal, window, denies } = new;
    window.check()?;
    if store::find(tx, &tenant, group).await?.is_none() {
        return Err(Error::NotFound("group"));
    }
    if principals::find(tx, &tenant, principal).await?.is_none() {
        return Err(Error::NotFound("principal"));
    }
    let ends = store::role_ends(tx, &tenant, group).await?;
    let held: Vec<RoleId> = ends.iter().map(|(role, _)| role.clone()).collect();
    let gained: Vec<(RoleId, Option<Timestamp>)> =
        ends.into_iter().map(|(role, end)| (role, earlier(end, window.expires_at))).collect();
    check_hand_on_until(cx, permit, &gained).await?;
    check_held_unread(cx, permit, &HELD_BY_MEMBERS).await?;
    check_not_above(cx, permit, principal).await?;
    if window.expires_at.is_some() && *denies == ExpiringDeny::Refuse {
        for role in &held {
            refuse_expiring_deny(tx, &tenant, role).await?;
        }
    }
    if *window != Window::ALWAYS {
        check_deny_stays(cx, tx, permit, &tenant, &held).await?;
    }
    let had = store::find_member(tx, &tenant, group, principal).await?;
    if had.is_none() && store::count_memberships(tx, &tenant, principal).await? >= MEMBERSHIPS_MAX {
        let detail = format!("one principal is a member of at most {MEMBERSHIPS_MAX} groups");
        return Err(Error::LimitReached(detail));
    }
    let by = cx.actor().id();
    let member = Member { principal_id: principal.clone(), window: *window };
    store::put_member(tx, &tenant, group, &member, cx.now(), by.as_deref()).await?;
    if had.is_some() {
        keep_super_admin(tx, permit, &held).await?;
    }
    let details = json!({
        "principal_id": principal, "valid_from": window.valid_from, "expires_at": window.expires_at,
    });
    record(tx, permit, "group.member_added", group, details, Change::Principal(principal));
    Ok(())
}

/// Removes a member.
///
/// Fails with [`Error::NotFound`] if it is none, [`Error::Outranked`] and [`Error::Escalation`], because it
/// loses the roles; the commit with [`Error::LastSuperAdmin`] where nobody would be one for good.
pub async fn remove_member_in(
    cx: &Cx,
    tx: &mut Tx,
    permit: &Permit,
    group: &GroupId,
    principal: &PrincipalId,
) -> Result<()> {
    let tenant = permit.own_tenant()?.clone();
    let held = store::roles_of(tx, &tenant, group).await?;
    check_hand_on(cx, permit, &held).await?;
    check_deny_stays(cx, tx, permit, &tenant, &held).await?;
    check_held_unread(cx, permit, &HELD_BY_MEMBERS).await?;
    check_not_above(cx, permit, principal).await?;
    if store::remove_member(tx, &tenant, group, principal).await? == 0 {
        return Err(Error::NotFound("member"));
    }
    keep_super_admin(tx, permit, &held).await?;
    let details = json!({ "principal_id": principal });
    record(tx, permit, "group.member_removed", group, details, Change::Principal(principal));
    Ok(())
}

/// Notes that somebody may be a Super Admin no longer, where the group makes its members that.
async fn keep_super_admin(tx: &mut Tx, permit: &Permit, held: &[RoleId]) -> Result<()> {
    let tenant = permit.own_tenant()?.clone();
    let top = roles::find_role_by_code(tx, &tenant, roles::SUPER_ADMIN).await?;
    if top.is_some_and(|top| held.contains(&top.id)) {
        tx.watch.taken(permit)?;
    }
    Ok(())
}

/// The earlier of two ends; none is never.
fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// The group of this id.
pub async fn find_group(rx: &mut Rx, tenant: &TenantId, id: &GroupId) -> Result<Option<Group>> {
    store::find(rx, tenant, id).await
}

/// The group of this name, whatever its case.
pub async fn find_group_by_name(rx: &mut Rx, tenant: &TenantId, name: &str) -> Result<Option<Group>> {
    store::find_by_key(rx, tenant, &text::name_key(name)).await
}

/// The next groups after the one of the given name (from the first where none is given), in the order of
/// their [`text::name_key`]; at most [`PAGE_MAX`].
pub async fn list_groups(rx: &mut Rx, tenant: &TenantId, after: Option<&str>) -> Result<Vec<Group>> {
    let after = after.map(text::name_key).unwrap_or_default();
    store::list(rx, tenant, &after).await
}

/// The next members after the given one, by id; at most [`PAGE_MAX`].
pub async fn list_members(
    rx: &mut Rx,
    tenant: &TenantId,
    group: &GroupId,
    after: Option<&PrincipalId>,
) -> Result<Vec<Member>> {
    store::list_members(rx, tenant, group, after.map_or("", PrincipalId::as_str)).await
}

/// The roles of a group, at whatever time, by id.
pub async fn roles_of(rx: &mut Rx, tenant: &TenantId, group: &GroupId) -> Result<Vec<RoleId>> {
    store::roles_of(rx, tenant, group).await
}

fn record(
    tx: &mut Tx,
    permit: &Permit,
    action: &'static str,
    id: &GroupId,
    details: serde_json::Value,
    change: Change<'_>,
) {
    let name = Target::member(id).name(permit.tenant().map(|tenant| tenant.as_str()));
    tx.record(permit, Event::done(action, name).details(details));
    tx.decisions_change(permit, change);
}

fn refused(error: Error, name: &str) -> Error {
    match error {
        Error::Store(e) if e.is_unique("uq_groups_tenant_id_name_key") => {
            Error::Taken { noun: "group", name: name.to_owned() }
        }
        other => other,
    }
}
