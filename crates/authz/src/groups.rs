//! Groups: principals that hold roles together.
//!
//! A membership counts while its window and that of the group's role are both open. Every verb that ends in
//! `_in` records exactly one event and marks that decisions change. A group's roles are given and taken with
//! [`crate::roles::assign_in`] and [`crate::roles::unassign_in`].

mod store;

use base::id::{GroupId, PrincipalId, RoleId, TenantId};
use base::{Timestamp, text};
use serde_json::json;

use crate::escalation::check_hand_on;
use crate::roles::{Window, check_texts, refuse_expiring_deny};
use crate::{Cx, Error, Event, Permit, Result, Rx, Target, Tx, principals};

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

/// Makes an empty group in the permit's tenant.
///
/// Fails with [`Error::Taken`] and [`Error::Invalid`].
pub async fn create_group_in(cx: &Cx, tx: &mut Tx, permit: &Permit, new: NewGroup) -> Result<Group> {
    let tenant = permit.own_tenant()?.clone();
    check_texts(Some(&new.name), new.description.as_deref())?;
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
    record(tx, permit, "group.created", &group.id, json!({ "name": group.name }));
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
    record(tx, permit, "group.updated", id, json!({ "name": group.name }));
    Ok(group)
}

/// Removes a group with its memberships and roles.
///
/// Fails with [`Error::NotFound`] and, as all members lose its roles, [`Error::Escalation`].
pub async fn delete_group_in(cx: &Cx, tx: &mut Tx, permit: &Permit, id: &GroupId) -> Result<()> {
    let tenant = permit.own_tenant()?.clone();
    let group = store::find(tx, &tenant, id).await?.ok_or(Error::NotFound("group"))?;
    check_hand_on(cx, permit, &store::roles_of(tx, &tenant, id).await?).await?;
    store::delete(tx, &tenant, id).await?;
    record(tx, permit, "group.deleted", id, json!({ "name": group.name }));
    Ok(())
}

/// Adds a member, or changes when its membership counts.
///
/// Fails with [`Error::NotFound`] on a group or principal that the tenant does not have, [`Error::Invalid`]
/// on an empty window or an expiry where a role of the group denies (`deny_would_expire`), and
/// [`Error::Escalation`], because the member gets the group's roles.
pub async fn add_member_in(
    cx: &Cx,
    tx: &mut Tx,
    permit: &Permit,
    group: &GroupId,
    principal: &PrincipalId,
    window: Window,
) -> Result<()> {
    let tenant = permit.own_tenant()?.clone();
    window.check()?;
    if store::find(tx, &tenant, group).await?.is_none() {
        return Err(Error::NotFound("group"));
    }
    if principals::find(tx, &tenant, principal).await?.is_none() {
        return Err(Error::NotFound("principal"));
    }
    let roles = store::roles_of(tx, &tenant, group).await?;
    check_hand_on(cx, permit, &roles).await?;
    if window.expires_at.is_some() {
        for role in &roles {
            refuse_expiring_deny(tx, &tenant, role).await?;
        }
    }
    let by = cx.actor().id();
    let member = Member { principal_id: principal.clone(), window };
    store::put_member(tx, &tenant, group, &member, cx.now(), by.as_deref()).await?;
    let details = json!({
        "principal_id": principal, "valid_from": window.valid_from, "expires_at": window.expires_at,
    });
    record(tx, permit, "group.member_added", group, details);
    Ok(())
}

/// Removes a member.
///
/// Fails with [`Error::NotFound`] if it is none, and [`Error::Escalation`], because it loses the roles.
pub async fn remove_member_in(
    cx: &Cx,
    tx: &mut Tx,
    permit: &Permit,
    group: &GroupId,
    principal: &PrincipalId,
) -> Result<()> {
    let tenant = permit.own_tenant()?.clone();
    check_hand_on(cx, permit, &store::roles_of(tx, &tenant, group).await?).await?;
    if store::remove_member(tx, &tenant, group, principal).await? == 0 {
        return Err(Error::NotFound("member"));
    }
    record(tx, permit, "group.member_removed", group, json!({ "principal_id": principal }));
    Ok(())
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

fn record(tx: &mut Tx, permit: &Permit, action: &'static str, id: &GroupId, details: serde_json::Value) {
    let name = Target::member(id).name(permit.tenant().map(|tenant| tenant.as_str()));
    tx.record(permit, Event::done(action, name).details(details));
    tx.decisions_change(permit);
}

fn refused(error: Error, name: &str) -> Error {
    match error {
        Error::Store(e) if e.is_unique("uq_groups_tenant_id_name_key") => {
            Error::Taken { noun: "group", name: name.to_owned() }
        }
        other => other,
    }
}
