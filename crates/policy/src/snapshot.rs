//! The roles of one tenant, compiled at one version, and the decision.
//!
//! A decision reads the statements of the held roles and of their ancestors. Deny by default; a deny that applies
//! wins over every allow.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use crate::document::{Document, Effect, Statement};
use crate::name::{ActionName, ResourceName};

/// The most roles on the way from a role to its furthest ancestor, both counted.
pub const ROLE_DEPTH_MAX: usize = 10;
/// The most names on the way from a resource to its root, both counted.
pub const RESOURCE_DEPTH_MAX: usize = 10;
/// The most statements that an answer names.
pub const BECAUSE_MAX: usize = 16;

/// A role as it is stored.
#[derive(Debug, Clone)]
pub struct RoleInput {
    /// Its id, unique in the tenant.
    pub id: String,
    /// Its name, only for people to read.
    pub name: String,
    /// The id of the role that it inherits everything from.
    pub parent: Option<String>,
    /// The policies attached to it, each once.
    pub policies: Vec<PolicyInput>,
    /// Its simple permissions, each once, already turned into statements.
    pub permissions: Vec<PermissionInput>,
    /// What its policies are linked to, already turned into statements.
    pub links: Vec<LinkInput>,
}

/// A policy attached to a role.
#[derive(Debug, Clone)]
pub struct PolicyInput {
    /// Its id.
    pub id: String,
    /// Its name, only for people to read.
    pub name: String,
    /// What it says; shared, so that a policy of many roles is held once.
    pub document: Arc<Document>,
}

/// A simple permission of a role.
#[derive(Debug, Clone)]
pub struct PermissionInput {
    /// Its code, such as `user:read`.
    pub code: String,
    /// What the code means in the role's tenant.
    pub statements: Vec<Statement>,
}

/// A permission that a policy of a role is linked to.
#[derive(Debug, Clone)]
pub struct LinkInput {
    /// The policy's id.
    pub policy_id: String,
    /// The policy's name, only for people to read.
    pub policy_name: String,
    /// The permission's code.
    pub code: String,
    /// What the link means in the tenant.
    pub statements: Vec<Statement>,
}

/// A role, named in an answer or an error.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoleRef {
    /// Its id.
    pub id: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
}

impl fmt::Display for RoleRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` ({})", self.name, self.id)
    }
}

/// What a role has a statement from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// A policy document.
    Policy {
        /// The policy's id.
        id: Arc<str>,
        /// The policy's name.
        name: Arc<str>,
    },
    /// A simple permission.
    Permission {
        /// The permission's code.
        code: Arc<str>,
    },
    /// A permission that a policy is linked to.
    Link {
        /// The policy's id.
        id: Arc<str>,
        /// The policy's name.
        name: Arc<str>,
        /// The permission's code.
        code: Arc<str>,
    },
}

/// The answer to one question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whether the request is permitted.
    pub effect: Effect,
    /// All statements that decided, at most [`BECAUSE_MAX`]: the denies that apply or, where none does, the
    /// allows. Sorted by the id of the role that holds the statement, then by its source and place.
    pub because: Vec<Because>,
    /// Why it is refused; `None` if it is permitted.
    pub denial: Option<Denial>,
    /// The version of the snapshot that answered.
    pub version: i64,
}

impl Decision {
    /// Tells whether the request is permitted.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.effect == Effect::Allow
    }
}

/// A statement that decided, and how the principal came to have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Because {
    /// The role held directly, its parent, and so on to the role that has the statement. Where several held
    /// roles lead there, the shortest way; of equals, the one from the smallest id.
    pub role_path: Vec<RoleRef>,
    /// The policy or permission that has the statement.
    pub source: Source,
    /// The place of the statement in its source, from 0.
    pub statement: usize,
    /// The statement's own name.
    pub sid: Option<Arc<str>>,
    /// What the statement does.
    pub effect: Effect,
}

/// The kind of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Denial {
    /// No statement applies. Also the answer for a text that is no valid action or resource name.
    NothingApplies,
    /// A deny applies.
    ExplicitDeny,
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

/// The roles of one tenant at one version, ready to decide. Never changes; a new version is a new snapshot.
#[derive(Debug)]
pub struct Snapshot {
    version: i64,
    /// INVARIANT: sorted by id, each id once; a role's place is its number in every closure.
    roles: Vec<Role>,
    /// What each resource lies in, for the statements that cover a name and all that lies in it. A name that
    /// is not registered lies in nothing.
    parents: HashMap<Arc<str>, Arc<str>>,
}

#[derive(Debug)]
struct Role {
    /// The role itself, then its ancestors, nearest first. Never empty.
    path: Vec<RoleRef>,
    /// The numbers of the roles in `path`.
    closure: Vec<usize>,
    /// Sorted by source.
    grants: Vec<Grant>,
}

#[derive(Debug)]
struct Grant {
    source: Source,
    statements: Statements,
}

#[derive(Debug)]
enum Statements {
    Shared(Arc<Document>),
    Own(Vec<Statement>),
}

/// A role that a principal has, and the way to it. The order of the fields makes the best way the smallest.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Reached {
    role: usize,
    steps: usize,
    held: usize,
}

/// A resource and what it lies in, without memory of its own: most decisions look at nothing else.
struct Chain<'a> {
    names: [&'a str; RESOURCE_DEPTH_MAX],
    length: usize,
}

impl<'a> Chain<'a> {
    fn as_slice(&self) -> &[&'a str] {
        self.names.get(..self.length).unwrap_or_default()
    }
}

/// A statement that applies.
struct Hit<'a> {
    reached: &'a Reached,
    grant: &'a Grant,
    index: usize,
    statement: &'a Statement,
}

impl Snapshot {
    /// Compiles all roles of one tenant. `version` is only carried into the answers.
    ///
    /// Fails with the first role, by id, that is there twice, has an unknown parent, inherits from itself or is
    /// deeper than [`ROLE_DEPTH_MAX`].
    pub fn compile(version: i64, mut roles: Vec<RoleInput>) -> Result<Self, CompileError> {
        roles.sort_by(|a, b| a.id.cmp(&b.id));
        let names: Vec<RoleRef> = roles
            .iter()
            .map(|role| RoleRef { id: role.id.as_str().into(), name: role.name.as_str().into() })
            .collect();
        if let Some([_, role]) = names.array_windows().find(|[a, b]| a.id == b.id) {
            return Err(CompileError::DuplicateRole { role: role.clone() });
        }
        let parents = find_parents(&roles, &names)?;

        let mut compiled = Vec::with_capacity(roles.len());
        for (number, role) in roles.into_iter().enumerate() {
            let closure = find_closure(number, &parents, &names)?;
            let path = name_all(&closure, &names);
            compiled.push(Role { path, closure, grants: compile_grants(role) });
        }
        Ok(Self { version, roles: compiled, parents: HashMap::new() })
    }

    /// Adds what each resource lies in, by name. Only the first [`RESOURCE_DEPTH_MAX`] names of a way up
    /// count, so that a ring would end too.
    #[must_use]
    pub fn with_parents(self, parents: HashMap<Arc<str>, Arc<str>>) -> Self {
        Self { parents, ..self }
    }

    /// Returns a resource and what it lies in, nearest first.
    fn chain<'a>(&'a self, resource: &'a str) -> Chain<'a> {
        let mut names = [resource; RESOURCE_DEPTH_MAX];
        let mut length = 1;
        let mut last = resource;
        if !self.parents.is_empty() {
            for place in names.iter_mut().skip(1) {
                let Some(parent) = self.parents.get(last) else { break };
                last = parent;
                *place = last;
                length += 1;
            }
        }
        Chain { names, length }
    }

    /// Returns the version given to [`Snapshot::compile`].
    #[must_use]
    pub fn version(&self) -> i64 {
        self.version
    }

    /// Judges as [`Snapshot::decide`] does, without the reasons and what they cost: permitted, or the kind of the
    /// refusal.
    pub fn judge(&self, roles: &[&str], action: &str, resource: &str) -> Result<(), Denial> {
        if ActionName::check(action).is_err() || ResourceName::check(resource).is_err() {
            return Err(Denial::NothingApplies);
        }
        let chain = self.chain(resource);
        let mut verdict = Err(Denial::NothingApplies);
        let held =
            roles.iter().filter_map(|id| self.find_role(id)).filter_map(|number| self.roles.get(number));
        let roles = held.flat_map(|role| &role.closure).filter_map(|&number| self.roles.get(number));
        let statements = roles.flat_map(|role| &role.grants).flat_map(|grant| grant.statements.as_slice());
        for statement in statements {
            // Another allow would change nothing; only a deny still can.
            if (verdict.is_err() || statement.effect() == Effect::Deny)
                && statement.applies_along(action, chain.as_slice())
            {
                match statement.effect() {
                    Effect::Deny => return Err(Denial::ExplicitDeny),
                    Effect::Allow => verdict = Ok(()),
                }
            }
        }
        verdict
    }

    /// Decides whether a principal that holds `roles` (ids, directly held) may do `action` on `resource`.
    ///
    /// Unknown role ids contribute nothing. A text that is no valid [`ActionName`] or [`ResourceName`] is
    /// refused, so that a caller's missed check does not become an allow.
    #[must_use]
    pub fn decide(&self, roles: &[&str], action: &str, resource: &str) -> Decision {
        let reached = self.reach(roles);
        let chain = self.chain(resource);
        let mut allows = Vec::new();
        let mut denies = Vec::new();
        if ActionName::check(action).is_ok() && ResourceName::check(resource).is_ok() {
            for hit in self.hits(&reached, action, chain.as_slice()) {
                let hits = if hit.statement.effect() == Effect::Deny { &mut denies } else { &mut allows };
                if hits.len() < BECAUSE_MAX {
                    hits.push(hit);
                }
            }
        }

        let (effect, denial, hits) = if !denies.is_empty() {
            (Effect::Deny, Some(Denial::ExplicitDeny), denies)
        } else if !allows.is_empty() {
            (Effect::Allow, None, allows)
        } else {
            (Effect::Deny, Some(Denial::NothingApplies), Vec::new())
        };
        let because = hits.iter().map(|hit| self.explain(hit)).collect();
        Decision { effect, because, denial, version: self.version }
    }

    /// Returns the ids of a role and all its ancestors: the roles that whoever holds `role_id` has. Empty for an
    /// unknown id.
    #[must_use]
    pub fn closure(&self, role_id: &str) -> BTreeSet<&str> {
        let role = self.find_role(role_id).and_then(|number| self.roles.get(number));
        role.into_iter().flat_map(|role| &role.path).map(|role| &*role.id).collect()
    }

    fn find_role(&self, id: &str) -> Option<usize> {
        self.roles.binary_search_by(|role| role.path.first().map(|own| &*own.id).cmp(&Some(id))).ok()
    }

    /// Returns every role that the held ones give, once each, sorted by id, with the best way to it.
    fn reach(&self, held_ids: &[&str]) -> Vec<Reached> {
        let mut reached = Vec::with_capacity(held_ids.len());
        for held in held_ids.iter().filter_map(|id| self.find_role(id)) {
            let closure = self.roles.get(held).map(|role| role.closure.as_slice()).unwrap_or_default();
            reached.extend(closure.iter().enumerate().map(|(steps, &role)| Reached { role, steps, held }));
        }
        reached.sort_unstable();
        reached.dedup_by_key(|reached| reached.role);
        reached
    }

    fn hits<'a>(
        &'a self,
        reached: &'a [Reached],
        action: &'a str,
        chain: &'a [&'a str],
    ) -> impl Iterator<Item = Hit<'a>> {
        let grants = reached.iter().flat_map(|reached| {
            let role = self.roles.get(reached.role);
            role.into_iter().flat_map(|role| &role.grants).map(move |grant| (reached, grant))
        });
        grants.flat_map(move |(reached, grant)| {
            let statements = grant.statements.as_slice().iter().enumerate();
            statements
                .filter(|(_, statement)| statement.applies_along(action, chain))
                .map(move |(index, statement)| Hit { reached, grant, index, statement })
        })
    }

    fn explain(&self, hit: &Hit<'_>) -> Because {
        let way = self.roles.get(hit.reached.held).map(|held| held.path.as_slice()).unwrap_or_default();
        Because {
            role_path: way.iter().take(hit.reached.steps + 1).cloned().collect(),
            source: hit.grant.source.clone(),
            statement: hit.index,
            sid: hit.statement.sid.clone(),
            effect: hit.statement.effect(),
        }
    }
}

impl Statements {
    fn as_slice(&self) -> &[Statement] {
        match self {
            Self::Shared(document) => document.statements(),
            Self::Own(statements) => statements,
        }
    }
}

/// Finds the number of each role's parent. `names` is sorted by id.
fn find_parents(roles: &[RoleInput], names: &[RoleRef]) -> Result<Vec<Option<usize>>, CompileError> {
    let find = |(role, name): (&RoleInput, &RoleRef)| {
        let Some(parent) = &role.parent else { return Ok(None) };
        match names.binary_search_by(|name| (*name.id).cmp(parent)) {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(CompileError::UnknownParent { role: name.clone(), parent: parent.clone() }),
        }
    };
    roles.iter().zip(names).map(find).collect()
}

/// Lists a role and its ancestors, nearest first.
fn find_closure(
    start: usize,
    parents: &[Option<usize>],
    names: &[RoleRef],
) -> Result<Vec<usize>, CompileError> {
    let mut seen = HashSet::new();
    let mut closure = Vec::new();
    let mut next = Some(start);
    while let Some(number) = next {
        if !seen.insert(number) {
            let ring: Vec<usize> = closure.iter().copied().skip_while(|&role| role != number).collect();
            return Err(CompileError::Cycle { roles: name_all(&ring, names) });
        }
        closure.push(number);
        next = parents.get(number).copied().flatten();
    }
    if closure.len() > ROLE_DEPTH_MAX {
        closure.truncate(ROLE_DEPTH_MAX + 1);
        return Err(CompileError::TooDeep { roles: name_all(&closure, names) });
    }
    Ok(closure)
}

fn name_all(numbers: &[usize], names: &[RoleRef]) -> Vec<RoleRef> {
    numbers.iter().filter_map(|&number| names.get(number)).cloned().collect()
}

fn compile_grants(role: RoleInput) -> Vec<Grant> {
    let policies = role.policies.into_iter().map(|policy| Grant {
        source: Source::Policy { id: policy.id.into(), name: policy.name.into() },
        statements: Statements::Shared(policy.document),
    });
    let permissions = role.permissions.into_iter().map(|permission| Grant {
        source: Source::Permission { code: permission.code.into() },
        statements: Statements::Own(permission.statements),
    });
    let links = role.links.into_iter().map(|link| Grant {
        source: Source::Link {
            id: link.policy_id.into(),
            name: link.policy_name.into(),
            code: link.code.into(),
        },
        statements: Statements::Own(link.statements),
    });
    let mut grants: Vec<Grant> = policies.chain(permissions).chain(links).collect();
    grants.sort_by(|a, b| a.source.cmp(&b.source));
    grants
}
