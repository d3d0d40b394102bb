//! Who holds which role, and for how long.

use base::Timestamp;
use base::id::{ClientId, GroupId, PrincipalId, RoleId, TenantId, UserId};
use policy::{Document, Effect};
use serde_json::json;

use super::{store, target};
use crate::escalation::check_hand_on;
use crate::principals::{self, PrincipalKind};
use crate::{Cx, Error, Event, Permit, Result, Rx, Tx};

/// Whoever holds a role.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Holder {
    /// A user or a client.
    Principal(PrincipalId),
    /// A group: all its members hold the role.
    Group(GroupId),
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

/// One assignment of a tenant, for export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssignmentRow {
    /// Who holds.
    pub holder: Holder,
    /// Which role.
    pub role_id: RoleId,
    /// When.
    pub window: Window,
}

/// Gives a role, or changes when it counts if the holder has it already.
///
/// A user's own row and principal, or the client's, must be there before. Fails with [`Error::NotFound`] on
/// a role or holder that the tenant does not have, [`Error::Invalid`] on an empty window or an expiry of a
/// role that denies (`deny_would_expire`), and [`Error::Escalation`].
pub async fn assign_in(
    cx: &Cx,
    tx: &mut Tx,
    permit: &Permit,
    holder: &Holder,
    role: &RoleId,
    window: Window,
) -> Result<()> {
    let tenant = permit.own_tenant()?.clone();
    window.check()?;
    let found = store::find(tx, &tenant, role).await?.ok_or(Error::NotFound("role"))?;
    check_hand_on(cx, permit, std::slice::from_ref(role)).await?;
    if window.expires_at.is_some() {
        refuse_expiring_deny(tx, &tenant, role).await?;
    }
    let by = cx.actor().id();
    let grant = store::Grant { tenant: &tenant, role, window, at: cx.now(), by: by.as_deref() };
    match holder {
        Holder::Principal(id) => {
            let principal = principals::find(tx, &tenant, id).await?.ok_or(Error::NotFound("principal"))?;
            match principal.kind {
                PrincipalKind::User => store::assign_user(tx, &grant, &cx.fresh_id(), id).await?,
                PrincipalKind::Client => store::assign_client(tx, &grant, &cx.fresh_id(), id).await?,
            }
        }
        Holder::Group(id) => {
            if !store::group_exists(tx, &tenant, id).await? {
                return Err(Error::NotFound("group"));
            }
            store::assign_group(tx, &grant, id).await?;
        }
    }
    let mut details = describe(holder);
    if let Some(map) = details.as_object_mut() {
        map.insert("role".to_owned(), json!(found.code));
        map.insert("valid_from".to_owned(), json!(window.valid_from));
        map.insert("expires_at".to_owned(), json!(window.expires_at));
    }
    tx.record(permit, Event::done("role.assigned", target(role, &tenant)).details(details));
    tx.decisions_change(permit);
    Ok(())
}

/// Takes a role away.
///
/// Fails with [`Error::NotFound`] if the holder does not have it directly, and [`Error::Escalation`]: a role
/// may hold denies, and nobody strips those above them.
pub async fn unassign_in(
    cx: &Cx,
    tx: &mut Tx,
    permit: &Permit,
    holder: &Holder,
    role: &RoleId,
) -> Result<()> {
    let tenant = permit.own_tenant()?.clone();
    let found = store::find(tx, &tenant, role).await?.ok_or(Error::NotFound("role"))?;
    check_hand_on(cx, permit, std::slice::from_ref(role)).await?;
    if store::unassign(tx, &tenant, holder, role).await? == 0 {
        return Err(Error::NotFound("assignment"));
    }
    let mut details = describe(holder);
    if let Some(map) = details.as_object_mut() {
        map.insert("role".to_owned(), json!(found.code));
    }
    tx.record(permit, Event::done("role.unassigned", target(role, &tenant)).details(details));
    tx.decisions_change(permit);
    Ok(())
}

/// The roles that a principal holds, at whatever time: direct ones first, then by role and group.
pub async fn list_held(rx: &mut Rx, tenant: &TenantId, principal: &PrincipalId) -> Result<Vec<Held>> {
    store::list_held(rx, tenant, principal).await
}

/// All direct assignments of the tenant, by holder and role.
pub async fn list_assignments(rx: &mut Rx, tenant: &TenantId) -> Result<Vec<AssignmentRow>> {
    store::list_assignments(rx, tenant).await
}

/// Refuses to let a role end for somebody by itself if it, or one that it inherits from, denies something.
///
/// Fails with [`Error::Invalid`], code `deny_would_expire`.
pub async fn refuse_expiring_deny(rx: &mut Rx, tenant: &TenantId, role: &RoleId) -> Result<()> {
    for document in store::documents_of(rx, tenant, role).await? {
        let document = Document::from_value(&document)
            .map_err(|e| Error::Bug(base::bug!("a stored policy does not parse: {e:?}")))?;
        if document.statements().iter().any(|statement| statement.effect() == Effect::Deny) {
            return Err(Error::invalid(
                "/expires_at",
                "deny_would_expire",
                "the role denies something, which would be permitted again when the assignment ends",
            ));
        }
    }
    Ok(())
}

fn describe(holder: &Holder) -> serde_json::Value {
    match holder {
        Holder::Principal(id) => json!({ "principal_id": id }),
        Holder::Group(id) => json!({ "group_id": id }),
    }
}
