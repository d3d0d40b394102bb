//! A tenant's policies and a question about them, as plain data: what the naive evaluator answers, what the laws
//! change, and what the engine is asked in the same words. Nothing here knows the `policy` crate.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// All that one tenant knows.
#[derive(Debug, Clone, Default)]
pub(crate) struct World {
    pub(crate) tenant: String,
    pub(crate) roles: Vec<WRole>,
    pub(crate) policies: Vec<WPolicy>,
    /// Documents. An empty list is no ceiling.
    pub(crate) platform_guardrails: Vec<Value>,
    /// Documents. An empty list is no ceiling.
    pub(crate) tenant_guardrails: Vec<Value>,
    /// By resource name, at most one document each.
    pub(crate) resource_policies: BTreeMap<String, Value>,
    /// From a resource name to its parent's.
    pub(crate) parents: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct WRole {
    pub(crate) id: String,
    pub(crate) parent: Option<String>,
    /// Places in [`World::policies`].
    pub(crate) policies: Vec<usize>,
    /// Statements of the simple permission list: allows at priority 0.
    pub(crate) permissions: Vec<Value>,
}

#[derive(Debug, Clone)]
pub(crate) struct WPolicy {
    pub(crate) id: String,
    pub(crate) priority: u16,
    /// What a link says that states no effect of its own.
    pub(crate) effect: Effect,
    pub(crate) document: Option<Value>,
    pub(crate) links: Vec<WLink>,
    pub(crate) linked_resources: Vec<String>,
    /// Guards the document and the links together.
    pub(crate) expression: Option<String>,
}

/// A link to permissions, by the actions that they stand for.
#[derive(Debug, Clone)]
pub(crate) struct WLink {
    pub(crate) actions: Vec<String>,
    pub(crate) effect: Option<Effect>,
}

/// One question, with all that the decision point knows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ask {
    /// The id; the name that resource policies use is [`Ask::principal_name`].
    pub(crate) principal: String,
    pub(crate) kind: String,
    pub(crate) active: bool,
    /// Ids of the roles that are held, without those that they inherit from.
    pub(crate) roles: Vec<String>,
    /// Places in [`World::policies`]: what is attached to the principal directly.
    pub(crate) policies: Vec<usize>,
    /// Documents; present is a ceiling, even without a document.
    pub(crate) boundary: Option<Vec<Value>>,
    pub(crate) session: Option<Vec<Value>>,
    pub(crate) scope: Option<Vec<Value>>,
    pub(crate) action: String,
    pub(crate) resource: String,
    /// Microseconds since 1970.
    pub(crate) now: i64,
    /// Condition keys in lower case, with their values. The time is not among them: it is `now`.
    pub(crate) context: BTreeMap<String, Vec<String>>,
}

impl Ask {
    pub(crate) fn principal_name(&self, tenant: &str) -> String {
        format!("arn:signet:iam::{tenant}:{}/{}", self.kind, self.principal)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Effect {
    Allow,
    Deny,
}

/// The kind of a denial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Denial {
    Inactive,
    Guardrail,
    Boundary,
    Session,
    Scope,
    ResourcePolicy,
    ExplicitDeny,
    NothingApplies,
}

/// Where a statement stands. The layers that are final come first, in the order in which they are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Layer {
    PlatformGuardrail,
    TenantGuardrail,
    Boundary,
    Session,
    Scope,
    Resource,
    Role,
    Direct,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// A statement of a document, by its place.
    Statement(usize),
    /// A link of a policy, by its place.
    Link(usize),
    /// An entry of a role's simple permission list, by its place.
    Permission(usize),
}

/// One statement of the world or of the question.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) layer: Layer,
    /// The role that has the policy (not the one that inherits it), or the principal, or the resource; empty in the
    /// other layers.
    pub(crate) holder: String,
    /// The policy's id; the document's place in a layer of documents; empty for a role's permission list.
    pub(crate) policy: String,
    pub(crate) part: Part,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) effect: Effect,
    pub(crate) denial: Option<Denial>,
    /// The statements that decided: all that applied, with that effect, in the layer and at the level that decided.
    /// Empty where nothing applied, or where a ceiling did not allow.
    pub(crate) deciding: BTreeSet<Place>,
    /// Every statement of the principal, of its ceilings and of the resource that erred, whether or not it decided.
    pub(crate) erring: BTreeSet<Place>,
}

/// Whether a name states another tenant. A name of any other scheme belongs to the tenant that is asked.
pub(crate) fn is_foreign(resource: &str, tenant: &str) -> bool {
    let parts: Vec<&str> = resource.splitn(6, ':').collect();
    match parts.as_slice() {
        ["arn", "signet", _, _, stated, _] => *stated != tenant,
        ["arn", "signet", ..] => true,
        _ => false,
    }
}
