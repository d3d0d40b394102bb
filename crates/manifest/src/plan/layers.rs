//! What stands beside roles: guardrails, boundaries, policies of resources. All of it comes last, when what it names
//! is there; what a guardrail allows comes before what only denies, and goes after it.

use std::collections::HashSet;

use base::text::name_key;
use policy::{Document, Effect};
use serde_json::{Value, json};

use super::build::{Draft, Planner};
use super::{CLIENT_PREFIX, Operation, Step};
use crate::file::At;

impl Planner<'_> {
    pub(super) fn layers(&mut self) {
        self.guardrails();
        self.boundaries();
        self.resource_policies();
    }

    fn guardrails(&mut self) {
        let manifest = self.manifest;
        let mut changes: Vec<(u8, Draft)> = Vec::new();
        for decl in manifest.policies.iter().flatten() {
            let Some(wanted) = decl.guardrail else { continue };
            let now = self.state.policies.get(&name_key(&decl.name.value));
            let is_one = now.is_some_and(|policy| self.state.guardrails.contains(&policy.id));
            let document = decl.document.as_ref().map(|document| &document.value);
            let denies_only = only_denies(document.or(now.and_then(|policy| policy.document.as_ref())));
            let mut draft = Draft::new(Operation::Update, "policy", &decl.name);
            draft.differs("guardrail", json!(is_one), json!(wanted));
            match (is_one, wanted, now) {
                (false, true, _) => {
                    let id = now.map(|policy| policy.id.clone());
                    draft.steps.push(Step::AttachGuardrail { id, policy: decl.name.value.clone() });
                    changes.push((if denies_only { 1 } else { 0 }, draft));
                }
                (true, false, Some(policy)) => {
                    draft.steps.push(Step::DetachGuardrail(policy.id.clone()));
                    changes.push((if denies_only { 2 } else { 3 }, draft));
                }
                _ => {}
            }
        }
        changes.sort_by_key(|(turn, _)| *turn);
        for (_, draft) in changes {
            self.push(draft);
        }
    }

    fn boundaries(&mut self) {
        let manifest = self.manifest;
        for decl in manifest.users.iter().flatten() {
            let Some(wanted) = &decl.boundary else { continue };
            let now = self.state.users.get(&name_key(&decl.username.value));
            let id = now.map(|now| now.user.id.as_str().to_owned());
            let had = now.and_then(|now| now.boundary.clone());
            let draft = Draft::new(Operation::Update, "user", &decl.username);
            self.boundary(draft, ("user", id, decl.username.value.clone()), had, wanted.as_ref());
        }
        for decl in manifest.clients.iter().flatten() {
            let Some(wanted) = &decl.boundary else { continue };
            let now = self.state.clients.get(&decl.client_id.value);
            let id = now.map(|now| now.client.id.as_str().to_owned());
            let had = now.and_then(|now| now.boundary.clone());
            if let Some(policy) = wanted
                && !self.check_principal(policy.at, &decl.client_id.value)
            {
                continue;
            }
            let draft = Draft::new(Operation::Update, "client", &decl.client_id);
            let member = format!("{CLIENT_PREFIX}{}", decl.client_id.value);
            self.boundary(draft, ("client", id, member), had, wanted.as_ref());
        }
    }

    fn boundary(
        &mut self,
        mut draft: Draft,
        (kind, id, member): (&'static str, Option<String>, String),
        had: Option<String>,
        wanted: Option<&At<String>>,
    ) {
        if wanted.is_some_and(|policy| !self.knows_policy(policy)) {
            return;
        }
        let key = |name: &str| name_key(name);
        if had.as_deref().map(key) == wanted.map(|policy| key(&policy.value)) {
            return;
        }
        draft.differs("boundary", json!(had), json!(wanted.map(|policy| &policy.value)));
        let policy = wanted.map(|policy| policy.value.clone());
        draft.steps.push(Step::SetBoundary { kind, id, member, policy });
        self.push(draft);
    }

    /// Whether a policy exists once the plan is done.
    fn knows_policy(&mut self, name: &At<String>) -> bool {
        let key = name_key(&name.value);
        let declared: HashSet<String> =
            self.manifest.policies.iter().flatten().map(|policy| name_key(&policy.name.value)).collect();
        let known = declared.contains(&key) || self.state.policies.contains_key(&key);
        if !known {
            self.unknown("policy", name);
        }
        known
    }

    fn resource_policies(&mut self) {
        let manifest = self.manifest;
        for decl in manifest.resources.iter().flatten() {
            let Some(wanted) = &decl.policy else { continue };
            let resource = self.state.resources.get(&decl.name.value);
            let now = resource.and_then(|resource| self.state.resource_policies.get(&resource.id));
            let mut draft = Draft::new(Operation::Update, "resource", &decl.name);
            let before = now.map_or(Value::Null, |now| now.document.clone());
            let after = wanted.as_ref().map_or(Value::Null, |document| document.value.clone());
            if draft.differs("policy", before, after) {
                let id = resource.map(|resource| resource.id.clone());
                let version = now.map(|now| now.version);
                let document = wanted.as_ref().map(|document| document.value.clone());
                let resource = decl.name.value.clone();
                draft.steps.push(Step::SetResourcePolicy { id, resource, version, document });
            }
            self.push(draft);
        }
    }
}

/// Whether a document has no statement that allows. Without a document, links may allow something.
fn only_denies(document: Option<&Value>) -> bool {
    let parsed = document.and_then(|document| Document::from_value(document).ok());
    parsed.is_some_and(|document| document.statements().iter().all(|one| one.effect() == Effect::Deny))
}
