//! What of a tenant's decisions a transaction changes, so that nodes look at that again and at nothing else.
//!
//! INVARIANT: a verb that changes what decisions are made by names everything that it changed, or says
//! [`Change::All`]. What is forgotten here goes on being decided by as it was.

use base::id::{GroupId, PolicyId, PrincipalId, RoleId};

/// What changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change<'a> {
    /// A policy, with its document, expression, priority and links.
    Policy(&'a PolicyId),
    /// A role: its name, its parent, its permissions, the policies that it carries.
    Role(&'a RoleId),
    /// A principal: its status, its profile, its registration, its roles and its memberships.
    Principal(&'a PrincipalId),
    /// A group's roles, for all its members; also that it is gone.
    Group(&'a GroupId),
    /// A registered resource, by its name.
    Resource(&'a str),
    /// Anything of the tenant: nodes read it again as a whole.
    All,
    /// Nothing that decisions are made by, but clients, keys, tokens or the tenant's own row: other memories follow
    /// the version too.
    Nothing,
}

/// The kinds as they are stored.
pub(crate) const POLICY: &str = "policy";
pub(crate) const ROLE: &str = "role";
pub(crate) const PRINCIPAL: &str = "principal";
pub(crate) const GROUP: &str = "group";
pub(crate) const RESOURCE: &str = "resource";
pub(crate) const NOTHING: &str = "nothing";

impl From<Change<'_>> for store::Change {
    fn from(change: Change<'_>) -> Self {
        let (kind, subject) = match change {
            Change::Policy(id) => (POLICY, id.as_str()),
            Change::Role(id) => (ROLE, id.as_str()),
            Change::Principal(id) => (PRINCIPAL, id.as_str()),
            Change::Group(id) => (GROUP, id.as_str()),
            Change::Resource(name) => (RESOURCE, name),
            Change::All => return Self::ALL,
            Change::Nothing => (NOTHING, ""),
        };
        Self { kind, subject: subject.to_owned() }
    }
}
