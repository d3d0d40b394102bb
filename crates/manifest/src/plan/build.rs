//! The whole plan, in the order in which its steps can be done: what others refer to comes first, what
//! is deleted comes last and in the opposite order.

use std::collections::{BTreeMap, HashMap, HashSet};

use authz::roles::{BUILT_IN, Window};
use base::id::PrincipalId;
use base::text::name_key;
use serde_json::{Value, json};

use super::{Change, Detail, HolderName, Operation, Plan, Step};
use crate::file::model::{GrantDecl, Manifest};
use crate::file::place::{Mistakes, shown};
use crate::file::{At, FileError, Place, action_key};
use crate::state::State;

/// Role codes or member names, and when they count.
pub(crate) type Grants = BTreeMap<String, Window>;

/// Plans what makes `state` as `manifest` says. Fails with every reference that leads nowhere.
pub(crate) fn plan(manifest: &Manifest, state: &State) -> Result<Plan, Vec<FileError>> {
    let mut planner = Planner {
        manifest,
        state,
        roles: manifest.roles.iter().flatten().map(|role| role.code.value.as_str()).collect(),
        users: keys(manifest.users.iter().flatten().map(|user| &user.username), name_key),
        mistakes: Mistakes::new(&manifest.file),
        changes: Vec::new(),
    };
    planner.tenant();
    planner.permissions();
    planner.policies();
    planner.roles();
    planner.tenant_config();
    planner.clients();
    planner.users();
    planner.groups();
    planner.resources();
    planner.links();
    planner.layers();
    planner.prune();
    let changes = planner.changes;
    planner.mistakes.finish(Plan { changes })
}

pub(super) struct Planner<'a> {
    pub(super) manifest: &'a Manifest,
    pub(super) state: &'a State,
    /// The codes of the roles that the file declares.
    pub(super) roles: HashSet<&'a str>,
    users: HashSet<String>,
    pub(super) mistakes: Mistakes,
    pub(super) changes: Vec<Change>,
}

/// The change of one object while it is put together.
pub(super) struct Draft {
    operation: Operation,
    noun: &'static str,
    name: String,
    at: Place,
    details: Vec<Detail>,
    pub(super) steps: Vec<Step>,
}

impl Draft {
    pub(super) fn new(operation: Operation, noun: &'static str, name: &At<String>) -> Self {
        Self {
            operation,
            noun,
            name: name.value.clone(),
            at: name.at,
            details: Vec::new(),
            steps: Vec::new(),
        }
    }

    /// Notes that a field becomes different, if it does.
    pub(super) fn differs(&mut self, field: &'static str, before: Value, after: Value) -> bool {
        let nothing = |value: &Value| match value {
            Value::Null => true,
            Value::Array(items) => items.is_empty(),
            Value::Object(map) => map.is_empty(),
            _ => false,
        };
        let different = before != after && !(nothing(&before) && nothing(&after));
        if different {
            self.details.push(Detail { field, before, after });
        }
        different
    }

    /// Notes an optional field; gives the change for the inner verb.
    pub(super) fn field<T: Clone + PartialEq + serde::Serialize>(
        &mut self,
        field: &'static str,
        before: &T,
        after: Option<&T>,
    ) -> Option<T> {
        let after = after?;
        let changed = self.differs(field, json!(before), json!(after));
        changed.then(|| after.clone())
    }
}

impl Planner<'_> {
    /// Adds the change if it does anything.
    pub(super) fn push(&mut self, draft: Draft) {
        let Draft { operation, noun, name, at, details, steps } = draft;
        if !steps.is_empty() {
            self.changes.push(Change { operation, noun, name, line: at.line, details, at, steps });
        }
    }

    fn tenant(&mut self) {
        let decl = &self.manifest.tenant;
        let Some(tenant) = &self.state.tenant else {
            let mut draft = Draft::new(Operation::Create, "tenant", &decl.code);
            let name = decl.name.as_ref().unwrap_or(&decl.code);
            draft.differs("name", Value::Null, json!(name.value));
            if let Some(config) = &decl.config {
                draft.differs("config", Value::Null, config.value.clone());
            }
            draft.steps.push(Step::CreateTenant);
            self.push(draft);
            return;
        };
        if let Some(name) = &decl.name {
            let mut draft = Draft::new(Operation::Update, "tenant", &decl.code);
            if draft.differs("name", json!(tenant.name), json!(name.value)) {
                draft.steps.push(Step::RenameTenant(name.value.clone()));
            }
            self.push(draft);
        }
    }

    /// Comes after the roles, because it may name one of them.
    fn tenant_config(&mut self) {
        let decl = &self.manifest.tenant;
        let (Some(current), Some(patch)) = (&self.state.config, &decl.config) else { return };
        let patched = match current.patched(patch.value.clone()) {
            Ok(patched) => patched,
            Err(error) => {
                let problem = base::Problem::from(error);
                let mut why: Vec<String> =
                    problem.errors().iter().map(|e| format!("{}: {}", e.pointer, e.detail)).collect();
                if why.is_empty() {
                    why.push(problem.detail().to_owned());
                }
                self.mistakes.add(
                    patch.at,
                    "bad_config",
                    format!("in the tenant's config, {}", why.join("; ")),
                );
                return;
            }
        };
        if self.state.tenant.is_none() {
            return;
        }
        let mut draft = Draft::new(Operation::Update, "tenant", &decl.code);
        if draft.differs("config", current.to_value(), patched.to_value()) {
            draft.steps.push(Step::ConfigureTenant(patch.value.clone()));
        }
        self.push(draft);
    }

    /// Whether a role exists once the plan is done.
    pub(super) fn knows_role(&self, code: &str) -> bool {
        self.roles.contains(code) || self.state.roles.contains_key(code)
    }

    pub(super) fn check_role(&mut self, code: &At<String>) -> bool {
        let known = self.knows_role(&code.value);
        if !known {
            self.unknown("role", code);
        }
        known
    }

    /// Refuses roles and memberships of a client that is no principal once the plan is done: such a client
    /// never acts for itself, and its id may be a person's.
    pub(super) fn check_principal(&mut self, at: Place, client_id: &str) -> bool {
        let is_one = self.is_principal(client_id);
        if !is_one {
            let message = format!(
                "found the client `{}`, which never acts for itself, expected one with `client_credentials` \
                 among its `grant_types`: no other client holds roles or is a member",
                shown(client_id)
            );
            self.mistakes.add(at, "no_principal", message);
        }
        is_one
    }

    pub(super) fn unknown(&mut self, noun: &str, name: &At<String>) {
        let message = format!(
            "found the unknown {noun} `{}`, expected one of this file or of the tenant",
            shown(&name.value)
        );
        self.mistakes.add(name.at, "unknown_reference", message);
    }

    /// Plans the roles of a holder. `keep` is a role that stays as it is unless it is named.
    pub(super) fn grants(
        &mut self,
        draft: &mut Draft,
        holder: &HolderName,
        before: &Grants,
        after: Option<&[GrantDecl]>,
        keep: Option<&str>,
    ) {
        let Some(after) = after else { return };
        let mut wanted = Grants::new();
        for grant in after {
            if self.check_role(&grant.name) {
                wanted.insert(grant.name.value.clone(), window(grant));
            }
        }
        if let Some((code, window)) = keep.and_then(|code| before.get_key_value(code)) {
            wanted.entry(code.clone()).or_insert(*window);
        }
        draft.differs("roles", labels(before), labels(&wanted));
        let role_id = |code: &str| self.state.roles.get(code).map(|role| role.id.clone());
        for code in before.keys().filter(|code| !wanted.contains_key(*code)) {
            draft.steps.push(Step::Unassign { id: role_id(code), from: holder.clone(), role: code.clone() });
        }
        for (role, window) in wanted.into_iter().filter(|(role, window)| before.get(role) != Some(window)) {
            draft.steps.push(Step::Assign { id: role_id(&role), to: holder.clone(), role, window });
        }
    }

    /// Deletes what the sections under `prune` do not name: what refers to others before them.
    fn prune(&mut self) {
        let sections: Vec<String> = self.manifest.prune.clone();
        for section in ["groups", "users", "clients", "roles", "policies", "resources", "permissions"] {
            if sections.iter().any(|named| named == section) {
                let steps = self.pruned(section);
                for (noun, name, step) in steps {
                    let name = At { value: name, at: Place::default() };
                    let mut draft = Draft::new(Operation::Delete, noun, &name);
                    draft.steps.push(step);
                    self.push(draft);
                }
            }
        }
    }

    /// What a section holds and the file does not name. The sections to prune were loaded whole.
    fn pruned(&self, section: &str) -> Vec<(&'static str, String, Step)> {
        let (manifest, state) = (self.manifest, self.state);
        match section {
            "resources" => {
                let named = keys(manifest.resources.iter().flatten().map(|r| &r.name), str::to_owned);
                let all = &state.resources;
                let mut gone: Vec<_> = all.values().filter(|r| !named.contains(&r.name)).collect();
                let parents: HashMap<_, _> = all.values().map(|r| (&r.id, r.parent_id.as_ref())).collect();
                gone.sort_by_key(|r| std::cmp::Reverse(depth(&r.id, &parents)));
                gone.iter()
                    .map(|r| ("resource", r.name.clone(), Step::DeleteResource(r.id.clone())))
                    .collect()
            }
            "permissions" => {
                let named = keys(manifest.permissions.iter().flatten().map(|p| &p.code), action_key);
                let own = state.permissions.iter().filter(|(_, permission)| !permission.is_built_in());
                let gone = own.filter(|(key, _)| !named.contains(*key));
                gone.map(|(_, p)| ("permission", p.code.clone(), Step::DeletePermission(p.id.clone())))
                    .collect()
            }
            "groups" => {
                let named = keys(manifest.groups.iter().flatten().map(|g| &g.name), name_key);
                let gone =
                    state.groups.iter().filter(|(key, _)| !named.contains(*key)).map(|(_, now)| &now.group);
                gone.map(|g| ("group", g.name.clone(), Step::DeleteGroup(g.id.clone()))).collect()
            }
            "users" => {
                let named = keys(manifest.users.iter().flatten().map(|u| &u.username), name_key);
                let gone =
                    state.users.iter().filter(|(key, _)| !named.contains(*key)).map(|(_, now)| &now.user);
                let gone = gone.filter(|user| !state.is_caller(user.id.as_str()));
                gone.map(|u| ("user", u.username.as_str().to_owned(), Step::DeleteUser(u.id.clone())))
                    .collect()
            }
            "clients" => {
                let named = keys(manifest.clients.iter().flatten().map(|c| &c.client_id), str::to_owned);
                let own = |principal: &PrincipalId| state.is_caller(principal.as_str());
                let gone = state.clients.values().filter(|now| {
                    !named.contains(&now.client.client_id) && !now.principal.as_ref().is_some_and(own)
                });
                gone.map(|now| {
                    let (id, principal) = (now.client.id.clone(), now.principal.clone());
                    ("client", now.client.client_id.clone(), Step::DeleteClient { id, principal })
                })
                .collect()
            }
            "roles" => {
                let roles = &state.roles;
                let kept = |code: &str| self.roles.contains(code) || BUILT_IN.contains(&code);
                let mut gone: Vec<_> = roles.values().filter(|role| !kept(&role.code)).collect();
                let parents: HashMap<_, _> = roles.values().map(|r| (&r.id, r.parent_id.as_ref())).collect();
                gone.sort_by_key(|r| std::cmp::Reverse(depth(&r.id, &parents)));
                gone.iter().map(|r| ("role", r.code.clone(), Step::DeleteRole(r.id.clone()))).collect()
            }
            _ => {
                let named = keys(manifest.policies.iter().flatten().map(|p| &p.name), name_key);
                let gone = state.policies.iter().filter(|(key, _)| !named.contains(*key));
                gone.map(|(_, p)| ("policy", p.name.clone(), Step::DeletePolicy(p.id.clone()))).collect()
            }
        }
    }

    /// The folded names of the users that the file declares.
    pub(super) fn declared_users(&self) -> &HashSet<String> {
        &self.users
    }
}

/// The keys by which names are unique.
fn keys<'a>(names: impl Iterator<Item = &'a At<String>>, key: fn(&str) -> String) -> HashSet<String> {
    names.map(|name| key(&name.value)).collect()
}

/// How many ancestors an object has; bounded, so that a broken tree ends too.
fn depth<I: std::hash::Hash + Eq>(id: &I, parents: &HashMap<&I, Option<&I>>) -> usize {
    let mut depth = 0;
    let mut next = parents.get(id).copied().flatten();
    while let Some(parent) = next {
        depth += 1;
        if depth > 64 {
            break;
        }
        next = parents.get(parent).copied().flatten();
    }
    depth
}

/// The order in which objects with parents are made: parents first, else as in the file.
pub(super) fn top_down<T>(
    items: &[T],
    name: fn(&T) -> &str,
    parent: fn(&T) -> Option<&str>,
) -> Vec<(usize, &T)> {
    let places: HashMap<&str, usize> = items.iter().enumerate().map(|(i, item)| (name(item), i)).collect();
    let mut done = vec![false; items.len()];
    let mut order = Vec::with_capacity(items.len());
    for start in 0..items.len() {
        let mut chain = Vec::new();
        let mut next = Some(start);
        while let Some(index) = next {
            match done.get_mut(index) {
                Some(seen) if !*seen => *seen = true,
                _ => break,
            }
            chain.push(index);
            next = items.get(index).and_then(parent).and_then(|parent| places.get(parent).copied());
        }
        order.extend(chain.into_iter().rev().filter_map(|index| items.get(index).map(|item| (index, item))));
    }
    order
}

pub(super) fn window(grant: &GrantDecl) -> Window {
    Window { valid_from: grant.valid_from, expires_at: grant.expires_at }
}

/// Grants as a list for people, with their windows.
pub(super) fn labels(grants: &Grants) -> Value {
    let label = |(name, window): (&String, &Window)| {
        let from = window.valid_from.map(|from| format!(" from {from}")).unwrap_or_default();
        let until = window.expires_at.map(|until| format!(" until {until}")).unwrap_or_default();
        Value::String(format!("{name}{from}{until}"))
    };
    grants.iter().map(label).collect()
}
