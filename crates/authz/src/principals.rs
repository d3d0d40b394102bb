//! The narrow row that the decision point knows of whoever may be granted something.
//!
//! The owner of the profile or of the client writes it in the transaction in which it writes its own row:
//! first its own, then this one. None of these verbs records an event: they are part of one that does.

mod store;

use base::id::{PrincipalId, TenantId};

use crate::access::Registration;
use crate::{Action, Change, Error, Permit, Result, Rx, Target, Tx, boundaries};

/// What kind of principal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PrincipalKind {
    /// A person's account.
    User,
    /// An OAuth client on its own behalf.
    Client,
}

impl PrincipalKind {
    /// The word that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Client => "client",
        }
    }

    /// What lets one read a principal of the kind.
    pub(crate) const fn read_action(self) -> Action {
        match self {
            Self::User => Action::UserRead,
            Self::Client => Action::ClientRead,
        }
    }

    /// The name by which policies know one principal of the kind.
    pub(crate) fn arn(self, tenant: &TenantId, id: &PrincipalId) -> String {
        format!("arn:signet:iam::{tenant}:{}/{id}", self.as_str())
    }

    /// The resource of one principal of the kind.
    pub(crate) fn target(self, id: &PrincipalId) -> Target {
        Target::Member(self.as_str(), id.as_str().to_owned())
    }

    pub(crate) fn parse(word: &str) -> Option<Self> {
        [Self::User, Self::Client].into_iter().find(|kind| kind.as_str() == word)
    }
}

/// A principal as the decision point knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrincipalRow {
    /// Its id, the same as the user's or the client's.
    pub id: PrincipalId,
    /// What kind it is.
    pub kind: PrincipalKind,
    /// Whether it may do anything at all.
    pub active: bool,
    /// What a client is an enforcement point for.
    pub registration: Option<Registration>,
}

/// Adds the principal of a user or client that was just inserted. If the caller has a boundary, it has the same.
///
/// Fails with [`Error::Store`] if the id is taken, in whatever tenant.
pub async fn insert_in(
    tx: &mut Tx,
    tenant: &TenantId,
    id: &PrincipalId,
    kind: PrincipalKind,
    active: bool,
) -> Result<()> {
    let now = tx.cx.now();
    store::insert(tx, tenant, id, kind, active, now).await?;
    boundaries::hand_down_in(tx, tenant, id).await
}

/// Switches a principal on or off: an inactive one is denied everything from the commit on.
///
/// Fails with [`Error::NotFound`] if the permit's tenant has no such principal; the commit with
/// [`Error::LastSuperAdmin`] where that was the last active one who is that for good.
pub async fn set_active_in(tx: &mut Tx, permit: &Permit, id: &PrincipalId, active: bool) -> Result<()> {
    let tenant = permit.own_tenant()?.clone();
    let now = tx.cx.now();
    if store::set_active(tx, &tenant, id, active, now).await? == 0 {
        return Err(Error::NotFound("principal"));
    }
    if !active {
        tx.watch.stopped(permit, id)?;
    }
    tx.decisions_change(permit, Change::Principal(id));
    Ok(())
}

/// Says what a client is an enforcement point for, or that it is none.
///
/// Fails with [`Error::NotFound`] if the permit's tenant has no such client.
pub async fn set_registration_in(
    tx: &mut Tx,
    permit: &Permit,
    id: &PrincipalId,
    registration: Option<&Registration>,
) -> Result<()> {
    let tenant = permit.own_tenant()?.clone();
    let now = tx.cx.now();
    if store::set_registration(tx, &tenant, id, registration, now).await? == 0 {
        return Err(Error::NotFound("client"));
    }
    tx.decisions_change(permit, Change::Principal(id));
    Ok(())
}

/// Removes a principal for good, with its memberships and platform roles.
///
/// Fails with [`Error::NotFound`] if the permit's tenant has no such principal.
pub async fn delete_in(tx: &mut Tx, permit: &Permit, id: &PrincipalId) -> Result<()> {
    let tenant = permit.own_tenant()?.clone();
    if store::delete(tx, &tenant, id).await? == 0 {
        return Err(Error::NotFound("principal"));
    }
    tx.decisions_change(permit, Change::Principal(id));
    Ok(())
}

/// Refuses an id that is no principal of this kind in the tenant. Fails with [`Error::NotFound`].
pub(crate) async fn check_kind(
    rx: &mut Rx,
    tenant: &TenantId,
    id: &PrincipalId,
    kind: PrincipalKind,
) -> Result<()> {
    match store::find(rx, tenant, id).await? {
        Some(found) if found.kind == kind => Ok(()),
        _ => Err(Error::NotFound(kind.as_str())),
    }
}

/// The principal of this id in the tenant.
pub async fn find(rx: &mut Rx, tenant: &TenantId, id: &PrincipalId) -> Result<Option<PrincipalRow>> {
    store::find(rx, tenant, id).await
}
