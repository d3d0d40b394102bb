//! Who holds which role, and for how long.

pub(super) mod store;

use base::Timestamp;
use base::id::{ClientId, GroupId, PrincipalId, RoleId, TenantId, UserId};
use base::query::{Direction, SortKey};
use policy::Known;
use serde_json::json;

use super::target;
use crate::escalation::{
    check_deny_stays, check_hand_on, check_hand_on_until, check_held_unread, check_not_above, check_unbounded,
};
use crate::principals::{self, PrincipalKind};
use crate::{Change, Cx, Error, Event, Listed, Listing, Permit, Result, Rx, Tx};

/// The order of held roles where nobody says another one.
pub(in crate::roles) const HELD_ORDER: [SortKey; 1] =
    [SortKey { attribute: "role_code", direction: Direction::Ascending }];
/// The order of those who hold a role.
pub(in crate::roles) const HOLDER_ORDER: [SortKey; 1] =
    [SortKey { attribute: "holder_type", direction: Direction::Ascending }];
/// Roles that one holder has directly at most.
pub const ROLES_HELD_MAX: i64 = 1_000;

/// Whoever holds a role.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Holder {
    /// A user or a client.
    Principal(PrincipalId),
    /// A group: all its members hold the role.
    Group(GroupId),
}

impl Holder {
    /// The id, of whatever kind.
    pub fn id(&self) -> &str {
        match self {
            Self::Principal(id) => id.as_str(),
            Self::Group(id) => id.as_str(),
        }
    }
}

impl From<&PrincipalId> for Holder {
    fn from(id: &PrincipalId) -> Self {
        Self::Principal(id.clone())
    }
}

impl From<&UserId> for Holder {
    fn from(id: &UserId) -> Self {
        Self::Principal(id.cast())
    }
}

impl From<&ClientId> for Holder {
    fn from(id: &ClientId) -> Self {
        Self::Principal(id.cast())
    }
}

impl From<&GroupId> for Holder {
    fn from(id: &GroupId) -> Self {
        Self::Group(id.clone())
    }
}

/// When an assignment or a membership counts: while `valid_from <= now < expires_at`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Window {
    /// The first instant; none is the beginning of time.
    pub valid_from: Option<Timestamp>,
    /// The first instant at which it no longer counts; none is never.
    pub expires_at: Option<Timestamp>,
}

impl Window {
    /// Counts at all times.
    pub const ALWAYS: Self = Self { valid_from: None, expires_at: None };

    /// Refuses a window that never opens.
    pub(crate) fn check(self) -> Result<()> {
        match (self.valid_from, self.expires_at) {
            (Some(from), Some(end)) if end <= from => {
                let detail = format!("ends at {end}, expected later than its beginning at {from}");
                Err(Error::invalid("/expires_at", "empty_window", detail))
            }
            _ => Ok(()),
        }
    }
}

/// Whether a deny may end with an assignment or a membership.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ExpiringDeny {
    /// Refuse it with `deny_would_expire`.
    #[default]
    Refuse,
    /// Whoever asks knows that what was denied is permitted again.
    Accept,
}

/// A role to be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAssignment {
    /// To whom.
    pub holder: Holder,
    /// Which role.
    pub role: RoleId,
    /// When it counts.
    pub window: Window,
    /// Whether a deny may end with it.
    pub denies: ExpiringDeny,
}

/// A role that a principal holds, directly or through a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The role.
    pub role_id: RoleId,
    /// Its code.
    pub role_code: String,
    /// When it counts; through a group, while both the membership and the group's role do.
    pub window: Window,
    /// The group that it comes from.
    pub through: Option<GroupId>,
}

/// Who holds a role directly, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// Who holds.
    pub holder: Holder,
    /// What kind of holder: `client`, `group` or `user`.
    pub kind: &'static str,
    /// When it counts.
    pub window: Window,
    /// When it was given or last changed.
    pub assigned_at: Timestamp,
    /// Who gave it, where that is known.
    pub assigned_by: Option<String>,
}

/// Gives a role, or changes when it counts if the holder has it already, as [`put_in`] does, and lets no deny
/// end with it.
pub async fn assign_in(
    cx: &Cx,
    tx: &mut Tx,
    permit: &Permit,
    holder: &Holder,
    role: &RoleId,
    window: Window,
) -> Result<()> {
    let denies = ExpiringDeny::Refuse;
    let new = NewAssignment { holder: holder.clone(), role: role.clone(), window, denies };
    put_in(cx, tx, permit, &new).await
}

/// Gives a role, or changes when it counts if the holder has it already.
///
/// A user's own row and principal, or the client's, must be there before. Fails with [`Error::NotFound`] on
/// a role or holder that the tenant does not have, [`Error::Invalid`] on an empty window or an expiry of a
/// role that denies (`deny_would_expire`), [`Error::LimitReached`], [`Error::Outranked`] and
/// [`Error::Escalation`]. The commit fails with [`Error::LastSuperAdmin`] where nobody would be one for good.
pub async fn put_in(cx: &Cx, tx: &mut Tx, permit: &Permit, new: &NewAssignment) -> Result<()> {
    let tenant = permit.own_tenant()?.clone();
    let NewAssignment { holder, role, window, denies } = new;
    window.check()?;
    let found = super::store::find(tx, &tenant, role).await?.ok_or(Error::NotFound("role"))?;
    let kind = check_holder(tx, &tenant, holder).await?;
    check_hand_on_until(cx, permit, &[(role.clone(), window.expires_at)]).await?;
    check_held_unread(cx, permit, &[Known::Roles]).await?;
    if let Holder::Principal(id) = holder {
        check_not_above(cx, permit, id).await?;
    }
    if let Holder::Group(_) = holder {
        check_unbounded(cx, permit, "giving a role to a group").await?;
    }
    if window.expires_at.is_some() && *denies == ExpiringDeny::Refuse {
        refuse_expiring_deny(tx, &tenant, role).await?;
    }
    if *window != Window::ALWAYS {
        check_deny_stays(cx, tx, permit, &tenant, std::slice::from_ref(role)).await?;
    }
    let had = store::find_window(tx, &tenant, holder, role).await?;
    if had.is_none() && store::count_held(tx, &tenant, holder).await? >= ROLES_HELD_MAX {
        return Err(Error::LimitReached(format!("one holder has at most {ROLES_HELD_MAX} roles")));
    }
    let by = cx.actor().id();
    let grant = store::Grant { tenant: &tenant, role, window: *window, at: cx.now(), by: by.as_deref() };
    match (holder, kind) {
        (Holder::Principal(id), Some(PrincipalKind::Client)) => {
            store::assign_client(tx, &grant, &cx.fresh_id(), id).await?;
        }
        (Holder::Principal(id), _) => store::assign_user(tx, &grant, &cx.fresh_id(), id).await?,
        (Holder::Group(id), _) => store::assign_group(tx, &grant, id).await?,
    }
    if had.is_some() && found.code == super::SUPER_ADMIN {
        tx.watch.taken(permit)?;
    }
    let mut details = describe(holder);
    if let Some(map) = details.as_object_mut() {
        map.insert("role".to_owned(), json!(found.code));
        map.insert("valid_from".to_owned(), json!(window.valid_from));
        map.insert("expires_at".to_owned(), json!(window.expires_at));
    }
    tx.record(permit, Event::done("role.assigned", target(role, &tenant)).details(details));
    tx.decisions_change(permit, change_of(holder));
    Ok(())
}

/// Takes a role away.
///
/// Fails with [`Error::NotFound`] if the holder does not have it directly, [`Error::Outranked`] and
/// [`Error::Escalation`]: a role may hold denies, and nobody strips those above them. The commit fails with
/// [`Error::LastSuperAdmin`] where nobody would be one for good.
pub async fn unassign_in(
    cx: &Cx,
    tx: &mut Tx,
    permit: &Permit,
    holder: &Holder,
    role: &RoleId,
) -> Result<()> {
    let tenant = permit.own_tenant()?.clone();
    let found = super::store::find(tx, &tenant, role).await?.ok_or(Error::NotFound("role"))?;
    check_hand_on(cx, permit, std::slice::from_ref(role)).await?;
    check_deny_stays(cx, tx, permit, &tenant, std::slice::from_ref(role)).await?;
    check_held_unread(cx, permit, &[Known::Roles]).await?;
    if let Holder::Principal(id) = holder {
        check_not_above(cx, permit, id).await?;
    }
    if store::unassign(tx, &tenant, holder, role).await? == 0 {
        return Err(Error::NotFound("assignment"));
    }
    if found.code == super::SUPER_ADMIN {
        tx.watch.taken(permit)?;
    }
    let mut details = describe(holder);
    if let Some(map) = details.as_object_mut() {
        map.insert("role".to_owned(), json!(found.code));
    }
    tx.record(permit, Event::done("role.unassigned", target(role, &tenant)).details(details));
    tx.decisions_change(permit, change_of(holder));
    Ok(())
}

/// The roles that a principal holds, at whatever time: direct ones first, then by role and group.
pub async fn list_held(rx: &mut Rx, tenant: &TenantId, principal: &PrincipalId) -> Result<Vec<Held>> {
    store::list_held(rx, tenant, principal).await
}

/// The roles of a group (at most [`ROLES_HELD_MAX`]), at whatever time, by code.
pub async fn list_held_by_group(rx: &mut Rx, tenant: &TenantId, group: &GroupId) -> Result<Vec<Held>> {
    store::list_held_by_group(rx, tenant, group).await
}

/// A part of the roles that a principal holds, at whatever time.
pub(crate) async fn page_held(
    rx: &mut Rx,
    tenant: &TenantId,
    principal: &PrincipalId,
    listing: &Listing,
) -> Result<Listed<Held>> {
    store::lists::held(rx, tenant, principal, listing).await
}

/// A part of the roles of a group, at whatever time.
pub(crate) async fn page_held_by_group(
    rx: &mut Rx,
    tenant: &TenantId,
    group: &GroupId,
    listing: &Listing,
) -> Result<Listed<Held>> {
    store::lists::held_by_group(rx, tenant, group, listing).await
}

/// A part of those who hold a role, whatever they are.
pub async fn list_assignments(
    rx: &mut Rx,
    tenant: &TenantId,
    role: &RoleId,
    listing: &Listing,
) -> Result<Listed<Assignment>> {
    store::lists::assignments(rx, tenant, role, listing).await
}

/// When a holder has a role directly; none if it has it not.
pub async fn find_window(
    rx: &mut Rx,
    tenant: &TenantId,
    holder: &Holder,
    role: &RoleId,
) -> Result<Option<Window>> {
    store::find_window(rx, tenant, holder, role).await
}

/// Refuses to let a role end for somebody by itself if it, or one that it inherits from, denies something.
///
/// Fails with [`Error::Invalid`], code `deny_would_expire`.
pub async fn refuse_expiring_deny(rx: &mut Rx, tenant: &TenantId, role: &RoleId) -> Result<()> {
    if super::denies(rx, tenant, role).await? {
        return Err(Error::invalid(
            "/expires_at",
            "deny_would_expire",
            "the role denies something, which would be permitted again when the assignment ends",
        ));
    }
    Ok(())
}

/// The kind of a principal that holds; none for a group. Fails with [`Error::NotFound`].
async fn check_holder(rx: &mut Rx, tenant: &TenantId, holder: &Holder) -> Result<Option<PrincipalKind>> {
    match holder {
        Holder::Principal(id) => {
            let found = principals::find(rx, tenant, id).await?.ok_or(Error::NotFound("principal"))?;
            Ok(Some(found.kind))
        }
        Holder::Group(id) if store::group_exists(rx, tenant, id).await? => Ok(None),
        Holder::Group(_) => Err(Error::NotFound("group")),
    }
}

/// What a role that is given or taken changes.
fn change_of(holder: &Holder) -> Change<'_> {
    match holder {
        Holder::Principal(id) => Change::Principal(id),
        Holder::Group(id) => Change::Group(id),
    }
}

fn describe(holder: &Holder) -> serde_json::Value {
    match holder {
        Holder::Principal(id) => json!({ "principal_id": id }),
        Holder::Group(id) => json!({ "group_id": id }),
    }
}
