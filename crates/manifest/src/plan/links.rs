//! Permissions of a tenant's own, and what policies are linked to.

use std::collections::{BTreeMap, HashSet};

use authz::permissions::{NewPermission, PermissionChange};
use authz::policies::links::{Link, Linked};
use base::id::{Id, Noun, PolicyId};
use base::text::name_key;
use policy::Effect;
use serde_json::{Value, json};

use super::build::{Draft, Planner};
use super::{LinkName, Operation, Step};
use crate::file::At;
use crate::file::action_key;
use crate::file::model::{LinkDecl, PermissionDecl, PolicyDecl};
use crate::state::LinksNow;

/// The word that the file has for an effect.
pub(crate) const fn effect_word(effect: Effect) -> &'static str {
    match effect {
        Effect::Allow => "allow",
        Effect::Deny => "deny",
    }
}

impl Planner<'_> {
    pub(super) fn permissions(&mut self) {
        for decl in self.manifest.permissions.iter().flatten() {
            match self.state.permissions.get(&action_key(&decl.code.value)) {
                None => self.new_permission(decl),
                Some(now) => {
                    let mut draft = Draft::new(Operation::Update, "permission", &decl.code);
                    let change = PermissionChange {
                        name: draft.field("name", &now.name, decl.name.as_ref()),
                        description: draft.field("description", &now.description, decl.description.as_ref()),
                    };
                    if change != PermissionChange::default() {
                        draft.steps.push(Step::UpdatePermission(now.id.clone(), now.version, change));
                    }
                    self.push(draft);
                }
            }
        }
    }

    fn new_permission(&mut self, decl: &PermissionDecl) {
        let mut draft = Draft::new(Operation::Create, "permission", &decl.code);
        if let Some(global) = &decl.global_permission {
            self.knows_global(global);
        }
        let name = decl.name.clone().unwrap_or_else(|| decl.code.value.clone());
        let description = decl.description.clone().flatten();
        let global = decl.global_permission.as_ref().map(|global| global.value.clone());
        draft.differs("name", Value::Null, json!(name));
        draft.differs("description", Value::Null, json!(description));
        draft.differs("global_permission", Value::Null, json!(global));
        let code = decl.code.value.clone();
        let permission = NewPermission { code, name, description, global_permission_id: None };
        draft.steps.push(Step::CreatePermission { permission, global });
        self.push(draft);
    }

    /// Notes that a policy's effect becomes different, if it does.
    pub(super) fn effect(&self, draft: &mut Draft, now: Effect, decl: &PolicyDecl) -> Option<Effect> {
        let wanted = decl.effect?;
        draft.differs("effect", json!(effect_word(now)), json!(effect_word(wanted))).then_some(wanted)
    }

    /// Comes after the resources: links name them.
    pub(super) fn links(&mut self) {
        let manifest = self.manifest;
        let none = LinksNow::default();
        for decl in manifest.policies.iter().flatten().filter(|decl| decl.has_links()) {
            let id = self.state.policies.get(&name_key(&decl.name.value)).map(|policy| policy.id.clone());
            let state = self.state;
            let now = id.as_ref().and_then(|id| state.links.get(id)).unwrap_or(&none);
            let mut draft = Draft::new(Operation::Update, "policy", &decl.name);
            let mut of = Links { id, policy: &decl.name.value, draft: &mut draft };
            if let Some(wanted) = &decl.permissions {
                let wanted = self.wanted_permissions(wanted);
                of.plan("permissions", &now.permissions, wanted, |id| {
                    Some(Link::Permission(parse(id)?, None))
                });
            }
            if let Some(wanted) = &decl.global_permissions {
                let known: Vec<&At<String>> = wanted.iter().filter(|name| self.knows_global(name)).collect();
                let name = |name: &&At<String>| name.value.clone();
                let wanted =
                    known.iter().map(|at| (action_key(&at.value), (LinkName::Global(name(at)), None)));
                of.plan("global_permissions", &now.globals, wanted.collect(), |id| {
                    Some(Link::Global(parse(id)?))
                });
            }
            if let Some(wanted) = &decl.resources {
                let known: Vec<&At<String>> =
                    wanted.iter().filter(|name| self.knows_resource(name)).collect();
                let name = |name: &&At<String>| name.value.clone();
                let wanted = known.iter().map(|at| (name(at), (LinkName::Resource(name(at)), None)));
                of.plan("resources", &now.resources, wanted.collect(), |id| Some(Link::Resource(parse(id)?)));
            }
            self.push(draft);
        }
    }

    fn wanted_permissions(&mut self, wanted: &[LinkDecl]) -> BTreeMap<String, (LinkName, Option<Effect>)> {
        let declared: HashSet<String> =
            self.manifest.permissions.iter().flatten().map(|decl| action_key(&decl.code.value)).collect();
        let mut links = BTreeMap::new();
        for link in wanted {
            let key = action_key(&link.code.value);
            // The 26 of every tenant are there also where the tenant is yet to be made.
            let built_in = authz::action::find_code(&link.code.value).is_some();
            if built_in || declared.contains(&key) || self.state.permissions.contains_key(&key) {
                let name = LinkName::Permission(link.code.value.clone(), link.effect);
                links.insert(key, (name, link.effect));
            } else {
                self.unknown("permission", &link.code);
            }
        }
        links
    }

    fn knows_global(&mut self, name: &At<String>) -> bool {
        let known = self.state.globals.contains_key(&action_key(&name.value));
        if !known {
            let found = crate::file::place::shown(&name.value);
            let message =
                format!("found the unknown global permission `{found}`, expected one of the platform's");
            self.mistakes.add(name.at, "unknown_reference", message);
        }
        known
    }

    fn knows_resource(&mut self, name: &At<String>) -> bool {
        let declared = self.manifest.resources.iter().flatten().any(|decl| decl.name.value == name.value);
        let known = declared || self.state.resources.contains_key(&name.value);
        if !known {
            self.unknown("resource", name);
        }
        known
    }
}

/// The links of one policy while their change is put together.
struct Links<'a> {
    id: Option<PolicyId>,
    policy: &'a str,
    draft: &'a mut Draft,
}

impl Links<'_> {
    fn plan(
        &mut self,
        field: &'static str,
        now: &BTreeMap<String, Linked>,
        wanted: BTreeMap<String, (LinkName, Option<Effect>)>,
        link: impl Fn(&str) -> Option<Link>,
    ) {
        let before = now.values().map(|linked| label(&linked.name, linked.effect));
        let after = wanted.iter().map(|(key, (name, effect))| {
            // As the tenant writes it, where it is there.
            let written = now.get(key).map(|linked| linked.name.as_str());
            label(written.unwrap_or_else(|| name.text()), *effect)
        });
        self.draft.differs(field, before.collect(), after.collect());
        if let Some(id) = &self.id {
            let gone = now.iter().filter(|(key, _)| !wanted.contains_key(*key));
            let links = gone.filter_map(|(_, linked)| link(&linked.id));
            self.draft.steps.extend(links.map(|link| Step::Unlink(id.clone(), link)));
        }
        for (key, (link, effect)) in wanted {
            if now.get(&key).is_none_or(|linked| linked.effect != effect) {
                let (id, policy) = (self.id.clone(), self.policy.to_owned());
                self.draft.steps.push(Step::Link { id, policy, link });
            }
        }
    }
}

impl LinkName {
    fn text(&self) -> &str {
        match self {
            Self::Permission(name, _) | Self::Global(name) | Self::Resource(name) => name,
        }
    }
}

fn label(name: &str, effect: Option<Effect>) -> Value {
    match effect {
        None => json!(name),
        Some(effect) => json!(format!("{name} ({})", effect_word(effect))),
    }
}

/// An id as it was read from a row.
fn parse<N: Noun>(id: &str) -> Option<Id<N>> {
    Id::parse(id).ok()
}
