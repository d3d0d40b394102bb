//! Changes of a snapshot that cost what changed, not what is there.

use std::sync::{Arc, OnceLock};

use super::{CompileError, Role, RoleInput, Snapshot};
use crate::policy::Policy;
use crate::table::Table;

/// A snapshot being changed. Nothing is visible before [`Edit::finish`].
#[derive(Debug)]
pub struct Edit {
    next: Snapshot,
    changed_roles: Vec<Arc<str>>,
}

impl Snapshot {
    /// Begins a copy with changes.
    #[must_use]
    pub fn edit(&self) -> Edit {
        let next = Self { reads: OnceLock::new(), ..self.clone() };
        Edit { next, changed_roles: Vec::new() }
    }
}

impl Edit {
    /// Adds or replaces a policy.
    pub fn put_policy(&mut self, policy: Policy) {
        self.next.policies.insert(policy.id().clone(), Arc::new(policy));
    }

    /// Removes a policy. Roles that still name it lose what it said.
    pub fn remove_policy(&mut self, id: &str) {
        self.next.policies.remove(id);
    }

    /// Adds or replaces a role.
    pub fn put_role(&mut self, input: RoleInput) {
        let role = Role::new(input);
        self.changed_roles.push(role.reference.id.clone());
        self.next.roles.insert(role.reference.id.clone(), role);
    }

    /// Removes a role.
    pub fn remove_role(&mut self, id: &str) {
        self.next.roles.remove(id);
    }

    /// Says what a resource lies in; none is nothing.
    pub fn put_parent(&mut self, resource: &str, parent: Option<&str>) {
        match parent {
            Some(parent) => self.next.parents.insert(resource.into(), parent.into()),
            None => self.next.parents.remove(resource),
        }
    }

    /// Replaces what the tenant imposes on its own principals.
    pub fn put_tenant_guardrail(&mut self, policies: Option<Vec<Policy>>) {
        let table = |policies: Vec<Policy>| Arc::new(Table::of_policies(policies.into_iter().map(Arc::new)));
        self.next.tenant_guardrail = policies.map(table);
    }

    /// Ends the changes.
    ///
    /// Fails as [`Snapshot::compile`] does for the changed roles. A role that inherits from one of them is looked
    /// at when it is next used.
    pub fn finish(mut self, version: i64) -> Result<Snapshot, CompileError> {
        self.changed_roles.sort();
        for id in &self.changed_roles {
            self.next.ancestry(id)?;
        }
        self.next.version = version;
        Ok(self.next)
    }
}
