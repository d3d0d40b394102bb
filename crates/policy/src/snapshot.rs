//! All that decisions of one tenant need, at one version, and the decision.
//!
//! A snapshot never changes. An edited copy ([`Snapshot::edit`]) shares with it all that stayed the same, so that a
//! changed policy costs its own size, not the tenant's. What a principal's roles say together is a [`Table`], made
//! by [`Snapshot::identity`] and kept by whoever asks; [`Snapshot::is_current`] says whether a kept one still
//! holds.

mod combine;
mod edit;
mod explain;

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::policy::{Policy, RoleRef};
use crate::reads::Reads;
use crate::shards::Shards;
use crate::statement::Effect;
use crate::table::{Grant, Table};

pub use combine::{Answer, BECAUSE_MAX, Because, Decision, Denial, Layer, Principal, Request};
pub use edit::Edit;
pub use explain::{EXPLAIN_STEPS_MAX, Explanation, Failed, MISSES_MAX, Miss, Unmet};

/// The most roles on the way from a role to its furthest ancestor, both counted.
pub const ROLE_DEPTH_MAX: usize = 10;
/// The most names on the way from a resource to its root, both counted.
pub const RESOURCE_DEPTH_MAX: usize = 10;

/// A role as it is stored.
#[derive(Debug, Clone)]
pub struct RoleInput {
    /// Its id, unique in the tenant.
    pub id: String,
    /// Its name, only for people to read.
    pub name: String,
    /// The id of the role that it inherits everything from.
    pub parent: Option<String>,
    /// The ids of the policies attached to it.
    pub policies: Vec<String>,
    /// Its simple permissions, each once: [`Policy::permission`].
    pub permissions: Vec<Policy>,
}

/// A tenant as it is stored.
#[derive(Debug, Clone, Default)]
pub struct Input {
    /// The tenant's id.
    pub tenant: String,
    /// Its roles.
    pub roles: Vec<RoleInput>,
    /// Its policies, each once.
    pub policies: Vec<Policy>,
    /// What the platform imposes on the tenant; none is no ceiling.
    pub platform_guardrail: Option<Vec<Policy>>,
    /// What the tenant imposes on its own principals.
    pub tenant_guardrail: Option<Vec<Policy>>,
    /// The policies of resources, by the resource's name.
    pub resource_policies: Vec<(String, Policy)>,
    /// What each resource lies in, by name. A name that is not registered lies in nothing.
    pub parents: HashMap<Arc<str>, Arc<str>>,
}

/// Why roles cannot be compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CompileError {
    /// Two roles have one id.
    DuplicateRole {
        /// The second of them.
        role: RoleRef,
    },
    /// A parent is not among the roles.
    UnknownParent {
        /// The child.
        role: RoleRef,
        /// The id that names no role.
        parent: String,
    },
    /// Roles inherit from each other in a ring.
    Cycle {
        /// The ring: each role followed by its parent, and the last role's parent is the first.
        roles: Vec<RoleRef>,
    },
    /// A role has too many ancestors.
    TooDeep {
        /// The role, its parent, and so on to the first that is past [`ROLE_DEPTH_MAX`].
        roles: Vec<RoleRef>,
    },
}

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chain = |roles: &[RoleRef]| roles.iter().map(RoleRef::to_string).collect::<Vec<_>>().join(" < ");
        match self {
            Self::DuplicateRole { role } => write!(f, "expected each role id once, found role {role} again"),
            Self::UnknownParent { role, parent } => {
                write!(f, "expected the parent of role {role} to be a role of the tenant, found `{parent}`")
            }
            Self::Cycle { roles } => {
                write!(f, "expected no role to inherit from itself, found the ring {}", chain(roles))
            }
            Self::TooDeep { roles } => {
                write!(f, "expected at most {ROLE_DEPTH_MAX} levels of roles, found {}", chain(roles))
            }
        }
    }
}

impl std::error::Error for CompileError {}

/// All that decisions of one tenant need, at one version.
#[derive(Debug, Clone)]
pub struct Snapshot {
    version: i64,
    tenant: Arc<str>,
    roles: Shards<Arc<Role>>,
    policies: Shards<Arc<Policy>>,
    platform_guardrail: Option<Arc<Table>>,
    tenant_guardrail: Option<Arc<Table>>,
    resource_policies: Arc<HashMap<Box<str>, Arc<Table>>>,
    parents: Shards<Arc<str>>,
    /// Gathered when it is first asked for.
    reads: OnceLock<Arc<Reads>>,
}

#[derive(Debug)]
struct Role {
    reference: RoleRef,
    parent: Option<Arc<str>>,
    policies: Box<[Arc<str>]>,
    permissions: Box<[Arc<Policy>]>,
}

/// What the roles of a principal and the policies attached to it say together.
#[derive(Debug)]
pub struct Identity {
    pub(crate) table: Table,
    roles: Box<[Part<Role>]>,
    policies: Box<[Part<Policy>]>,
}

/// Something that an identity was made of. It may be gone since, or may not have been there.
#[derive(Debug)]
struct Part<T> {
    id: Arc<str>,
    found: Option<Arc<T>>,
}

impl<T> Part<T> {
    fn is_current(&self, now: Option<&Arc<T>>) -> bool {
        match (&self.found, now) {
            (Some(found), Some(now)) => Arc::ptr_eq(found, now),
            (None, None) => true,
            _ => false,
        }
    }
}

impl Identity {
    /// About how many bytes it takes now, the policies themselves left out.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.table.bytes() + (self.roles.len() + self.policies.len()) * size_of::<Part<Role>>()
    }

    /// How many statements apply to the principal somewhere.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Tells whether nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }
}

impl Snapshot {
    /// Compiles a tenant. `version` is only carried into the answers.
    ///
    /// Fails with the first role, by id, that is there twice, has an unknown parent, inherits from itself or is
    /// deeper than [`ROLE_DEPTH_MAX`].
    pub fn compile(version: i64, input: Input) -> Result<Self, CompileError> {
        let mut roles: Vec<(Arc<str>, Arc<Role>)> =
            input.roles.into_iter().map(Role::new).map(|role| (role.reference.id.clone(), role)).collect();
        roles.sort_by(|a, b| a.0.cmp(&b.0));
        if let Some([_, (_, role)]) = roles.array_windows().find(|[a, b]| a.0 == b.0) {
            return Err(CompileError::DuplicateRole { role: role.reference.clone() });
        }
        let ids: Vec<Arc<str>> = roles.iter().map(|(id, _)| id.clone()).collect();
        let policies = input.policies.into_iter().map(|policy| (policy.id().clone(), Arc::new(policy)));
        let table = |policies: Vec<Policy>| Arc::new(Table::of_policies(policies.into_iter().map(Arc::new)));
        let mut by_resource: HashMap<Box<str>, Vec<Policy>> = HashMap::new();
        for (resource, policy) in input.resource_policies {
            by_resource.entry(resource.into()).or_default().push(policy);
        }
        let snapshot = Self {
            version,
            tenant: input.tenant.into(),
            roles: Shards::build(roles),
            policies: Shards::build(policies.collect()),
            platform_guardrail: input.platform_guardrail.map(table),
            tenant_guardrail: input.tenant_guardrail.map(table),
            resource_policies: Arc::new(
                by_resource.into_iter().map(|(name, policies)| (name, table(policies))).collect(),
            ),
            parents: Shards::build(input.parents.into_iter().collect()),
            reads: OnceLock::new(),
        };
        for id in ids {
            snapshot.ancestry(&id)?;
        }
        Ok(snapshot)
    }

    /// Returns the version.
    #[must_use]
    pub fn version(&self) -> i64 {
        self.version
    }

    /// Returns the tenant's id.
    #[must_use]
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// How many policies there are.
    #[must_use]
    pub fn policy_count(&self) -> usize {
        self.policies.len()
    }

    /// Returns all policies, in no order.
    pub fn policies(&self) -> impl Iterator<Item = &Arc<Policy>> {
        self.policies.values()
    }

    /// Returns a policy.
    #[must_use]
    pub fn policy(&self, id: &str) -> Option<&Arc<Policy>> {
        self.policies.get(id)
    }

    /// Returns what the tenant's policies, guardrails and policies of resources read of a question.
    #[must_use]
    pub fn reads(&self) -> &Arc<Reads> {
        self.reads.get_or_init(|| {
            let guardrails = self.platform_guardrail.iter().chain(&self.tenant_guardrail);
            let tables = guardrails.chain(self.resource_policies.values());
            let mut reads = Reads::default();
            for policy in self.policies.values().chain(tables.flat_map(|table| table.policies())) {
                reads.add(policy);
            }
            Arc::new(reads)
        })
    }

    /// Tells whether the policy of some resource favours one principal over another, each named as
    /// the element `Principal` names them: an allow names the one, or a deny spares it by name, without doing the same
    /// for the other.
    #[must_use]
    pub fn resources_favour(&self, one: &str, other: Option<&str>) -> bool {
        let policies = self.resource_policies.values().flat_map(|table| table.policies());
        let mut statements = policies.flat_map(|policy| policy.statements());
        statements.any(|statement| {
            let Some(about) = statement.principals() else { return false };
            let names = |name: &str| about.names.iter().any(|listed| **listed == *name);
            // INVARIANT: only a deny is about everybody but some.
            let grants = about.not == (statement.effect() == Effect::Deny);
            let shared = about.everybody || other.is_some_and(names);
            grants && names(one) && !shared
        })
    }

    /// Returns the ids of a role and all its ancestors: the roles that whoever holds `role_id` has. Empty for an
    /// unknown id.
    #[must_use]
    pub fn closure(&self, role_id: &str) -> BTreeSet<&str> {
        let ancestry = self.ancestry(role_id).unwrap_or_default();
        ancestry.into_iter().map(|role| &*role.reference.id).collect()
    }

    /// Merges what these roles (ids, directly held) and policies (ids, attached to the principal itself) say.
    /// Unknown ids contribute nothing.
    ///
    /// Fails if a role's ancestors are not as [`Snapshot::compile`] demands.
    pub fn identity(&self, role_ids: &[&str], policy_ids: &[&str]) -> Result<Identity, CompileError> {
        let mut ways = BTreeSet::new();
        let mut roles: Vec<Part<Role>> = Vec::new();
        let held: BTreeSet<&str> = role_ids.iter().copied().collect();
        for held in held {
            let ancestry = self.ancestry(held)?;
            if ancestry.is_empty() {
                roles.push(Part { id: held.into(), found: None });
            }
            // The best way to a role is the shortest; of equals, the one from the smallest id.
            for steps in 0..ancestry.len() {
                let way: Vec<_> = ancestry.iter().take(steps + 1).map(|role| &role.reference).collect();
                let last = ancestry.get(steps).map(|role| &role.reference.id);
                ways.insert((last, steps, way));
            }
        }
        let mut grants = Vec::new();
        let mut policies: Vec<Part<Policy>> = Vec::new();
        let direct: Arc<[RoleRef]> = [].into();
        let attached: BTreeSet<&str> = policy_ids.iter().copied().collect();
        let mut attach = |id: &Arc<str>, path: &Arc<[RoleRef]>, grants: &mut Vec<Grant>| {
            let found = self.policies.get(id).cloned();
            if let Some(policy) = &found {
                grants.push(Grant { policy: policy.clone(), path: path.clone() });
            }
            policies.push(Part { id: id.clone(), found });
        };
        for id in attached {
            attach(&id.into(), &direct, &mut grants);
        }
        let mut last_seen: Option<&Arc<str>> = None;
        for (id, _, way) in &ways {
            if *id == last_seen {
                continue;
            }
            last_seen = *id;
            let Some(role) = id.and_then(|id| self.roles.get(id)) else { continue };
            let path: Arc<[RoleRef]> = way.iter().map(|role| (*role).clone()).collect();
            let first = grants.len();
            for id in &role.policies {
                attach(id, &path, &mut grants);
            }
            let permissions = role.permissions.iter().cloned();
            grants.extend(permissions.map(|policy| Grant { policy, path: path.clone() }));
            if let Some(own) = grants.get_mut(first..) {
                own.sort_by(|a, b| a.policy.source().cmp(b.policy.source()));
            }
            roles.push(Part { id: role.reference.id.clone(), found: Some(role.clone()) });
        }
        Ok(Identity { table: Table::build(grants), roles: roles.into(), policies: policies.into() })
    }

    /// Tells whether an identity made from an earlier version says what one made now would say.
    #[must_use]
    pub fn is_current(&self, identity: &Identity) -> bool {
        identity.roles.iter().all(|part| part.is_current(self.roles.get(&part.id)))
            && identity.policies.iter().all(|part| part.is_current(self.policies.get(&part.id)))
    }

    /// Compiles a ceiling or a session's policies.
    #[must_use]
    pub fn ceiling(policies: impl IntoIterator<Item = Arc<Policy>>) -> Table {
        Table::of_policies(policies)
    }

    /// A role and its ancestors, nearest first; empty for an unknown id.
    fn ancestry(&self, role_id: &str) -> Result<Vec<&Arc<Role>>, CompileError> {
        let mut found: Vec<&Arc<Role>> = Vec::new();
        let mut next = self.roles.get(role_id);
        while let Some(role) = next {
            let names = |roles: &[&Arc<Role>]| roles.iter().map(|role| role.reference.clone()).collect();
            if let Some(at) = found.iter().position(|seen| Arc::ptr_eq(seen, role)) {
                return Err(CompileError::Cycle { roles: names(found.get(at..).unwrap_or_default()) });
            }
            found.push(role);
            if found.len() > ROLE_DEPTH_MAX {
                // Only a way that ends is too deep; a ring says so.
                if let Some(ring) = self.find_ring(role) {
                    return Err(CompileError::Cycle { roles: names(&ring) });
                }
                return Err(CompileError::TooDeep { roles: names(&found) });
            }
            next = match &role.parent {
                None => None,
                Some(parent) => match self.roles.get(parent) {
                    Some(parent) => Some(parent),
                    None => {
                        let (role, parent) = (role.reference.clone(), parent.to_string());
                        return Err(CompileError::UnknownParent { role, parent });
                    }
                },
            };
        }
        Ok(found)
    }

    /// The ring that the ancestors of a role run into, if they do.
    fn find_ring(&self, start: &Arc<Role>) -> Option<Vec<&Arc<Role>>> {
        let mut seen: HashMap<&str, usize> = HashMap::new();
        let mut order: Vec<&Arc<Role>> = Vec::new();
        let mut next = self.roles.get(&start.reference.id);
        while let Some(role) = next {
            if let Some(at) = seen.insert(&role.reference.id, order.len()) {
                return Some(order.split_off(at));
            }
            order.push(role);
            next = role.parent.as_deref().and_then(|parent| self.roles.get(parent));
        }
        None
    }
}

impl Role {
    fn new(input: RoleInput) -> Arc<Self> {
        let mut policies: Vec<Arc<str>> = input.policies.into_iter().map(Into::into).collect();
        policies.sort_unstable();
        policies.dedup();
        Arc::new(Self {
            reference: RoleRef { id: input.id.into(), name: input.name.into() },
            parent: input.parent.map(Into::into),
            policies: policies.into(),
            permissions: input.permissions.into_iter().map(Arc::new).collect(),
        })
    }
}
