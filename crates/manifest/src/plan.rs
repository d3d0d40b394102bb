//! What has to change, as data and as lines for people. Pure: a manifest and a state give a plan.
//!
//! INVARIANT: no detail of a plan holds a secret or a hash; of a secret only the reference is shown.

mod build;
mod layers;
mod links;
mod nouns;
mod people;

use std::fmt::Write as _;

use authz::roles::Window;
use base::id::{ClientId, GroupId, PermissionId, PolicyId, PrincipalId, ResourceId, RoleId, UserId};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::file::Place;

pub(crate) use build::{Grants, plan};
pub(crate) use links::effect_word;
pub(crate) use people::{defaults_of, grant_types, kind_of};

/// What a change does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// Makes an object.
    Create,
    /// Changes an object.
    Update,
    /// Deletes an object.
    Delete,
}

impl Operation {
    const fn sign(self) -> char {
        match self {
            Self::Create => '+',
            Self::Update => '~',
            Self::Delete => '-',
        }
    }
}

/// One object that changes.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Change {
    /// What is done.
    pub operation: Operation,
    /// The kind of object: `tenant`, `permission`, `policy`, `role`, `client`, `user`, `group` or `resource`.
    pub noun: &'static str,
    /// Its name in the file.
    pub name: String,
    /// The line of the file that asks for it; 0 for what is pruned.
    pub line: u64,
    /// What becomes different.
    pub details: Vec<Detail>,
    #[serde(skip)]
    pub(crate) at: Place,
    #[serde(skip)]
    pub(crate) steps: Vec<Step>,
}

/// One field that becomes different.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Detail {
    /// The field, as the file names it.
    pub field: &'static str,
    /// What it is now; null for nothing.
    pub before: Value,
    /// What it becomes; null for nothing.
    pub after: Value,
}

/// What has to change, in the order in which it is done.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// One entry for each object.
    pub changes: Vec<Change>,
}

/// One call of an inner verb. Names, not ids, where the object may be made by an earlier step.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    CreateTenant,
    RenameTenant(String),
    ConfigureTenant(Value),
    CreatePermission {
        permission: authz::permissions::NewPermission,
        /// The name of the global permission that it stands for.
        global: Option<String>,
    },
    UpdatePermission(PermissionId, i64, authz::permissions::PermissionChange),
    DeletePermission(PermissionId),
    CreatePolicy(authz::policies::NewPolicy),
    UpdatePolicy(PolicyId, i64, authz::policies::PolicyChange),
    DeletePolicy(PolicyId),
    Link {
        id: Option<PolicyId>,
        policy: String,
        link: LinkName,
    },
    Unlink(PolicyId, authz::policies::links::Link),
    CreateRole {
        role: authz::roles::NewRole,
        parent: Option<String>,
    },
    UpdateRole {
        id: RoleId,
        version: i64,
        change: authz::roles::RoleChange,
        parent: Option<Option<String>>,
    },
    DeleteRole(RoleId),
    SetPolicies {
        role: String,
        policies: Vec<String>,
    },
    CreateUser(usize),
    UpdateUser {
        id: UserId,
        version: i64,
        index: usize,
    },
    SetPassword {
        id: UserId,
        index: usize,
    },
    /// Without an id, the user is made by an earlier step; so with groups and roles below.
    ChangeStatus {
        id: Option<UserId>,
        user: String,
        change: directory::StatusChange,
    },
    DeleteUser(UserId),
    CreateClient(usize),
    UpdateClient {
        id: ClientId,
        /// The principal that the client is, if it is one; so below.
        principal: Option<PrincipalId>,
        version: i64,
        index: usize,
    },
    SetClientSecret {
        id: ClientId,
        principal: Option<PrincipalId>,
        index: usize,
    },
    DeleteClient {
        id: ClientId,
        principal: Option<PrincipalId>,
    },
    CreateGroup(authz::groups::NewGroup),
    UpdateGroup(GroupId, i64, authz::groups::GroupChange),
    DeleteGroup(GroupId),
    AddMember {
        id: Option<GroupId>,
        group: String,
        member: String,
        window: Window,
    },
    RemoveMember {
        id: Option<GroupId>,
        group: String,
        member: String,
    },
    CreateResource {
        resource: authz::resources::NewResource,
        parent: Option<String>,
    },
    UpdateResource {
        id: ResourceId,
        version: i64,
        change: authz::resources::ResourceChange,
        parent: Option<Option<String>>,
        /// The parents before and after a move, as far as they are there before the run.
        from: Option<ResourceId>,
        to: Option<ResourceId>,
    },
    DeleteResource(ResourceId),
    AttachGuardrail {
        id: Option<PolicyId>,
        policy: String,
    },
    DetachGuardrail(PolicyId),
    /// Without a policy, the boundary is taken away.
    SetBoundary {
        kind: &'static str,
        id: Option<String>,
        /// As groups name it.
        member: String,
        policy: Option<String>,
    },
    /// Without a document, the resource's policy is taken away.
    SetResourcePolicy {
        id: Option<ResourceId>,
        resource: String,
        version: Option<i64>,
        document: Option<Value>,
    },
    Assign {
        id: Option<RoleId>,
        to: HolderName,
        role: String,
        window: Window,
    },
    Unassign {
        id: Option<RoleId>,
        from: HolderName,
        role: String,
    },
}

/// Who holds a role, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HolderName {
    /// A member as groups name it: a user name, or `client:` and a client_id.
    Member(String),
    Group(String),
}

/// What a policy is linked to, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LinkName {
    Permission(String, Option<policy::Effect>),
    Global(String),
    Resource(String),
}

/// What begins the name of a client among members.
pub(crate) const CLIENT_PREFIX: &str = "client:";

impl Plan {
    /// Whether nothing has to change.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The plan as lines for people: `+` is made, `~` changed, `-` deleted.
    pub fn to_diff(&self) -> String {
        if self.is_empty() {
            return "nothing to change\n".to_owned();
        }
        let mut text = String::new();
        for change in &self.changes {
            let _ = write!(text, "{} {} {}", change.operation.sign(), change.noun, change.name);
            match change.details.as_slice() {
                [only] if is_short(only) => {
                    let _ = writeln!(text, ": {}", short(only));
                }
                details => {
                    text.push('\n');
                    for detail in details {
                        line(&mut text, detail);
                    }
                }
            }
        }
        text
    }
}

fn is_short(detail: &Detail) -> bool {
    !detail.before.is_object() && !detail.after.is_object()
}

fn line(text: &mut String, detail: &Detail) {
    if is_short(detail) {
        let _ = writeln!(text, "    {}", short(detail));
        return;
    }
    let _ = writeln!(text, "    {}:", detail.field);
    let pretty = |value: &Value| match value {
        Value::Null => String::new(),
        value => serde_json::to_string_pretty(value).unwrap_or_default() + "\n",
    };
    let (before, after) = (pretty(&detail.before), pretty(&detail.after));
    let diff = similar::TextDiff::from_lines(&before, &after);
    for group in diff.grouped_ops(2) {
        for op in group {
            for change in diff.iter_changes(&op) {
                let sign = match change.tag() {
                    similar::ChangeTag::Insert => '+',
                    similar::ChangeTag::Delete => '-',
                    similar::ChangeTag::Equal => ' ',
                };
                let _ = writeln!(text, "      {sign} {}", change.value().trim_end_matches('\n'));
            }
        }
    }
}

/// One line: `name: "A" -> "B"`, or for lists `roles: +editor -viewer`.
fn short(detail: &Detail) -> String {
    let field = detail.field;
    match (&detail.before, &detail.after) {
        (Value::Array(_), _) | (_, Value::Array(_)) => {
            let items = |value: &Value| -> Vec<String> {
                value.as_array().into_iter().flatten().map(plain).collect()
            };
            let (before, after) = (items(&detail.before), items(&detail.after));
            let mut words: Vec<String> =
                after.iter().filter(|item| !before.contains(item)).map(|item| format!("+{item}")).collect();
            words.extend(before.iter().filter(|item| !after.contains(item)).map(|item| format!("-{item}")));
            if words.is_empty() {
                words.push("another order".to_owned());
            }
            format!("{field}: {}", words.join(" "))
        }
        (Value::Null, after) => format!("{field}: {}", plain(after)),
        (before, Value::Null) => format!("{field}: {} -> nothing", plain(before)),
        (before, after) => format!("{field}: {} -> {}", plain(before), plain(after)),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => crate::file::place::visible(text, 200),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_plan_reads_as_a_diff() {
        let change = |operation, noun, name: &str, details| Change {
            operation,
            noun,
            name: name.to_owned(),
            line: 1,
            details,
            at: Place::default(),
            steps: Vec::new(),
        };
        let detail = |field, before, after| Detail { field, before, after };
        let plan = Plan {
            changes: vec![
                change(Operation::Create, "user", "alice", Vec::new()),
                change(
                    Operation::Update,
                    "role",
                    "editor",
                    vec![detail("permissions", json!(["a", "b"]), json!(["b", "c"]))],
                ),
                change(
                    Operation::Update,
                    "policy",
                    "Read",
                    vec![
                        detail("description", json!("old"), Value::Null),
                        detail("document", json!({"A": 1, "B": 2}), json!({"A": 1, "B": 3})),
                    ],
                ),
                change(Operation::Delete, "group", "Old", Vec::new()),
            ],
        };

        let expected = "+ user alice\n~ role editor: permissions: +c -a\n~ policy Read\n    description: old -> nothing\n    document:\n        {\n          \"A\": 1,\n      -   \"B\": 2\n      +   \"B\": 3\n        }\n- group Old\n";
        assert_eq!(plan.to_diff(), expected);
        assert_eq!(Plan::default().to_diff(), "nothing to change\n");
    }
}
