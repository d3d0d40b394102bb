//! Policies, roles, groups and resources.

use std::collections::HashSet;

use authz::groups::{GroupChange, NewGroup};
use authz::policies::{NewPolicy, PolicyChange};
use authz::resources::{NewResource, ResourceChange};
use authz::roles::{NewRole, RoleChange};
use base::text::name_key;
use serde_json::{Value, json};

use super::build::{Draft, Grants, Planner, labels, top_down, window};
use super::{CLIENT_PREFIX, HolderName, Operation, Step};
use crate::file::model::{GroupDecl, PolicyDecl, ResourceDecl, RoleDecl};

impl Planner<'_> {
    pub(super) fn policies(&mut self) {
        for decl in self.manifest.policies.iter().flatten() {
            match self.state.policies.get(&name_key(&decl.name.value)) {
                None => self.new_policy(decl),
                Some(policy) => {
                    let mut draft = Draft::new(Operation::Update, "policy", &decl.name);
                    let mut change = PolicyChange {
                        name: draft.field("name", &policy.name, Some(&decl.name.value)),
                        description: draft.field(
                            "description",
                            &policy.description,
                            decl.description.as_ref(),
                        ),
                        document: draft.field(
                            "document",
                            policy.document.as_ref().unwrap_or(&Value::Null),
                            decl.document.as_ref().map(|document| &document.value),
                        ),
                        effect: self.effect(&mut draft, policy.effect, decl),
                        priority: draft.field("priority", &policy.priority, decl.priority.as_ref()),
                        expression: draft.field("expression", &policy.expression, decl.expression.as_ref()),
                        acknowledge: Vec::new(),
                    };
                    if change.document.is_some() {
                        change.acknowledge.clone_from(&decl.acknowledge);
                    }
                    if change != PolicyChange::default() {
                        draft.steps.push(Step::UpdatePolicy(policy.id.clone(), policy.version, change));
                    }
                    self.push(draft);
                }
            }
        }
    }

    fn new_policy(&mut self, decl: &PolicyDecl) {
        if decl.document.is_none() && decl.permissions.is_none() && decl.global_permissions.is_none() {
            let message =
                "expected the key `document`: the policy is not there yet, and is linked to no permission";
            self.mistakes.add(decl.name.at, "missing_key", message);
            return;
        }
        let document = decl.document.as_ref().map(|document| document.value.clone());
        let mut draft = Draft::new(Operation::Create, "policy", &decl.name);
        let description = decl.description.clone().flatten();
        draft.differs("description", Value::Null, json!(description));
        draft.differs("document", Value::Null, json!(document));
        if decl.effect == Some(policy::Effect::Deny) {
            draft.differs("effect", Value::Null, json!("deny"));
        }
        let priority = decl.priority.unwrap_or(0);
        let expression = decl.expression.clone().flatten();
        if priority != 0 {
            draft.differs("priority", Value::Null, json!(priority));
        }
        draft.differs("expression", Value::Null, json!(expression));
        draft.steps.push(Step::CreatePolicy(NewPolicy {
            name: decl.name.value.clone(),
            description,
            document,
            effect: decl.effect.unwrap_or(policy::Effect::Allow),
            priority,
            expression,
            acknowledge: decl.acknowledge.clone(),
        }));
        self.push(draft);
    }

    pub(super) fn roles(&mut self) {
        let manifest = self.manifest;
        let roles = manifest.roles.as_deref().unwrap_or_default();
        for (_, decl) in top_down(roles, |role| &role.code.value, role_parent) {
            if let Some(Some(parent)) = &decl.parent {
                self.check_role(parent);
            }
            self.check_permissions(decl);
            if self.state.roles.contains_key(&decl.code.value) {
                self.old_role(decl);
            } else {
                self.new_role(decl);
            }
        }
    }

    fn check_permissions(&mut self, decl: &RoleDecl) {
        for code in decl.permissions.iter().flatten() {
            if authz::action::find_code(&code.value).is_none() {
                let known: Vec<&str> =
                    authz::action::PERMISSION_CODES.iter().map(|known| known.code).collect();
                let found = crate::file::place::shown(&code.value);
                let message =
                    format!("found the unknown permission `{found}`, expected one of {}", known.join(", "));
                self.mistakes.add(code.at, "unknown_permission", message);
            }
        }
    }

    /// The policies that the role is to carry, by key; none if the file does not say.
    fn role_policies(&mut self, decl: &RoleDecl) -> Option<Vec<String>> {
        let names = decl.policies.as_ref()?;
        let declared: HashSet<String> =
            self.manifest.policies.iter().flatten().map(|policy| name_key(&policy.name.value)).collect();
        for name in names {
            let key = name_key(&name.value);
            if !declared.contains(&key) && !self.state.policies.contains_key(&key) {
                self.unknown("policy", name);
            }
        }
        let mut names: Vec<String> = names.iter().map(|name| name.value.clone()).collect();
        names.sort_by_key(|name| name_key(name));
        Some(names)
    }

    fn new_role(&mut self, decl: &RoleDecl) {
        let mut draft = Draft::new(Operation::Create, "role", &decl.code);
        let description = decl.description.clone().flatten();
        let name = decl.name.clone().unwrap_or_else(|| decl.code.value.clone());
        let parent = decl.parent.clone().flatten().map(|parent| parent.value);
        let permissions: Vec<String> = decl.permissions.iter().flatten().map(|p| p.value.clone()).collect();
        draft.differs("name", Value::Null, json!(name));
        draft.differs("description", Value::Null, json!(description));
        draft.differs("parent", Value::Null, json!(parent));
        draft.differs("permissions", Value::Null, json!(permissions));
        let role = NewRole { code: decl.code.value.clone(), name, description, parent_id: None, permissions };
        draft.steps.push(Step::CreateRole { role, parent });
        if let Some(policies) = self.role_policies(decl).filter(|names| !names.is_empty()) {
            draft.differs("policies", Value::Null, json!(policies));
            draft.steps.push(Step::SetPolicies { role: decl.code.value.clone(), policies });
        }
        self.push(draft);
    }

    fn old_role(&mut self, decl: &RoleDecl) {
        let policies = self.role_policies(decl);
        let Some(role) = self.state.roles.get(&decl.code.value) else { return };
        let mut draft = Draft::new(Operation::Update, "role", &decl.code);
        let before_parent =
            role.parent_id.as_ref().and_then(|id| self.state.role_code(id)).map(str::to_owned);
        let parent = decl.parent.as_ref().map(|parent| parent.as_ref().map(|parent| parent.value.clone()));
        let mut permissions_before = role.permissions.clone();
        permissions_before.sort();
        let permissions = decl.permissions.as_ref().map(|codes| {
            let mut codes: Vec<String> = codes.iter().map(|code| code.value.clone()).collect();
            codes.sort();
            codes
        });
        let parent = draft.field("parent", &before_parent, parent.as_ref());
        let change = RoleChange {
            name: draft.field("name", &role.name, decl.name.as_ref()),
            description: draft.field("description", &role.description, decl.description.as_ref()),
            parent_id: None,
            permissions: draft.field("permissions", &permissions_before, permissions.as_ref()),
        };
        if parent.is_some() || change != RoleChange::default() {
            let version = role.version;
            draft.steps.push(Step::UpdateRole { id: role.id.clone(), version, change, parent });
        }
        if let Some(policies) = policies {
            let mut before: Vec<String> = self.state.policy_names(&role.policies);
            before.sort_by_key(|name| name_key(name));
            let keys = |names: &[String]| names.iter().map(|name| name_key(name)).collect::<Vec<_>>();
            if keys(&before) != keys(&policies) {
                draft.differs("policies", json!(before), json!(policies));
                draft.steps.push(Step::SetPolicies { role: decl.code.value.clone(), policies });
            }
        }
        self.push(draft);
    }

    pub(super) fn groups(&mut self) {
        for decl in self.manifest.groups.iter().flatten() {
            let name = decl.name.value.clone();
            let holder = HolderName::Group(name.clone());
            let (mut draft, roles, members) = match self.state.groups.get(&name_key(&name)) {
                None => {
                    let mut draft = Draft::new(Operation::Create, "group", &decl.name);
                    let description = decl.description.clone().flatten();
                    draft.differs("description", Value::Null, json!(description));
                    draft.steps.push(Step::CreateGroup(NewGroup { name, description }));
                    (draft, Grants::new(), Grants::new())
                }
                Some(now) => {
                    let mut draft = Draft::new(Operation::Update, "group", &decl.name);
                    let change = GroupChange {
                        name: draft.field("name", &now.group.name, Some(&decl.name.value)),
                        description: draft.field(
                            "description",
                            &now.group.description,
                            decl.description.as_ref(),
                        ),
                    };
                    if change != GroupChange::default() {
                        draft.steps.push(Step::UpdateGroup(now.group.id.clone(), now.group.version, change));
                    }
                    (draft, now.roles.clone(), now.members.clone())
                }
            };
            self.grants(&mut draft, &holder, &roles, decl.roles.as_deref(), None);
            self.members(&mut draft, decl, &members);
            self.push(draft);
        }
    }

    fn members(&mut self, draft: &mut Draft, decl: &GroupDecl, before: &Grants) {
        let Some(after) = &decl.members else { return };
        let mut wanted = Grants::new();
        for member in after {
            if self.knows_member(&member.name.value) {
                if let Some(client_id) = member.name.value.strip_prefix(CLIENT_PREFIX)
                    && !self.check_principal(member.name.at, client_id)
                {
                    continue;
                }
                wanted.insert(self.member_label(&member.name.value), window(member));
            } else {
                let noun = if member.name.value.starts_with(CLIENT_PREFIX) { "client" } else { "user" };
                self.unknown(noun, &member.name);
            }
        }
        draft.differs("members", labels(before), labels(&wanted));
        let group = || decl.name.value.clone();
        let id = || self.state.groups.get(&name_key(&decl.name.value)).map(|now| now.group.id.clone());
        for member in before.keys().filter(|member| !wanted.contains_key(*member)) {
            draft.steps.push(Step::RemoveMember { id: id(), group: group(), member: member.clone() });
        }
        for (member, window) in
            wanted.into_iter().filter(|(member, window)| before.get(member) != Some(window))
        {
            draft.steps.push(Step::AddMember { id: id(), group: group(), member, window });
        }
    }

    pub(super) fn resources(&mut self) {
        let manifest = self.manifest;
        let resources = manifest.resources.as_deref().unwrap_or_default();
        let declared: HashSet<&str> = resources.iter().map(|resource| resource.name.value.as_str()).collect();
        for (_, decl) in top_down(resources, |resource| &resource.name.value, resource_parent) {
            if let Some(Some(parent)) = &decl.parent
                && !declared.contains(parent.value.as_str())
                && !self.state.resources.contains_key(&parent.value)
            {
                self.unknown("resource", parent);
            }
            self.resource(decl);
        }
    }

    fn resource(&mut self, decl: &ResourceDecl) {
        let parent = decl.parent.as_ref().map(|parent| parent.as_ref().map(|parent| parent.value.clone()));
        let kind = decl.kind.as_ref().map(|kind| kind.clone().unwrap_or_default());
        let Some(now) = self.state.resources.get(&decl.name.value) else {
            let mut draft = Draft::new(Operation::Create, "resource", &decl.name);
            let by_name = || decl.name.value.split_once(':').map_or("", |(kind, _)| kind).to_owned();
            let kind = kind.unwrap_or_else(by_name);
            let tags = decl.tags.clone().unwrap_or_default();
            let parent = parent.flatten();
            draft.differs("kind", Value::Null, json!(kind));
            draft.differs("parent", Value::Null, json!(parent));
            draft.differs("tags", Value::Null, json!(tags));
            let resource = NewResource { name: decl.name.value.clone(), kind, tags, parent_id: None };
            draft.steps.push(Step::CreateResource { resource, parent });
            self.push(draft);
            return;
        };
        let mut draft = Draft::new(Operation::Update, "resource", &decl.name);
        let before_parent =
            now.parent_id.as_ref().and_then(|id| self.state.resource_name(id)).map(str::to_owned);
        let parent = draft.field("parent", &before_parent, parent.as_ref());
        let change = ResourceChange {
            kind: draft.field("kind", &now.kind, kind.as_ref()),
            tags: draft.field("tags", &now.tags, decl.tags.as_ref()),
            parent_id: None,
        };
        if parent.is_some() || change != ResourceChange::default() {
            let (id, version) = (now.id.clone(), now.version);
            let moved = parent.as_ref();
            let from = moved.and(now.parent_id.clone());
            let to = moved.and_then(Option::as_ref).and_then(|name| self.state.resources.get(name));
            let to = to.map(|parent| parent.id.clone());
            draft.steps.push(Step::UpdateResource { id, version, change, parent, from, to });
        }
        self.push(draft);
    }
}

fn role_parent(role: &RoleDecl) -> Option<&str> {
    role.parent.as_ref()?.as_ref().map(|parent| parent.value.as_str())
}

fn resource_parent(resource: &ResourceDecl) -> Option<&str> {
    resource.parent.as_ref()?.as_ref().map(|parent| parent.value.as_str())
}
