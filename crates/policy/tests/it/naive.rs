//! The policy oracle: the meaning of the language written down a second time, as plainly as it can be, from the page
//! that defines it and from nothing of the engine. It reads documents as JSON again for every question, looks at every
//! statement, and compiles nothing.
//!
//! Where the page leaves a choice, this is what was chosen:
//!
//! - A part of a statement is false, erring or true, in that order; an and is the least of its parts, an or the
//!   greatest, a not swaps the ends. Anything else breaks a law (see `statement::Truth`).
//! - A key is absent where it has no values. An empty text is a value.
//! - Truth values are read in any case; a number may begin with a plus; an IPv4 address written as one of IPv6
//!   (`::ffff:192.0.2.1`) is the IPv4 address.
//! - An absent key settles its comparison before the policy's values are looked at, so that a variable that cannot be
//!   resolved errs only beside a key that is there.
//! - A variable of a resource that cannot be resolved could be anything: the pattern errs where something in its place
//!   would match, and else is false.
//! - A variable of several values takes its default, as one that is absent does. A default may be any text.
//! - A value of a request that is no ARN of six parts cannot be read by `Arn*`; a value of a policy that its operator
//!   cannot read is refused with the document.
//! - All documents of a layer are one ceiling. The platform's guardrails and the tenant's are two layers.
//! - The kind of a denial is that of the first layer, in the order of the page's list, that denies; then that of the
//!   first ceiling that does not allow; then comes the identity.
//! - "Only by name" is said of `NotAction`: an `Action` that is a wildcard matches actions of the platform too.
//! - What a deny covers does not end at the tenant: a bare `*` there matches a name that states another one.
//! - A resource policy is that of the resource itself, not of its ancestors.
//! - The errors of an answer are those of every statement that concerns it, outranked ones too.
//!
//! Reading order: [`answer`], `statement`, `condition`, `pattern`, `value`. `check` tells which documents are refused.

mod check;
mod condition;
mod pattern;
mod statement;
mod value;

use std::collections::BTreeSet;

use serde_json::Value;

use crate::world::{Answer, Ask, Denial, Effect, Layer, Part, Place, WPolicy, World, is_foreign};
pub(crate) use check::{Kind, mistakes};
use statement::{Truth, link_truth, statement_truth};

/// Evaluates the text of an expression for a question.
pub(crate) type Expression<'e> = &'e dyn Fn(&str, &Ask) -> Result<bool, ()>;

/// Microseconds since 1970 of an instant as policies write it.
pub(crate) fn instant_micros(text: &str) -> i64 {
    value::instant(text).and_then(|micros| i64::try_from(micros).ok()).unwrap()
}

/// A statement whose truth is not plainly false.
struct Found {
    place: Place,
    priority: u16,
    effect: Effect,
    truth: Truth,
}

impl Found {
    /// "An erring allow does not apply, an erring deny does."
    fn applies(&self) -> bool {
        match self.effect {
            Effect::Allow => self.truth == Truth::True,
            Effect::Deny => self.truth >= Truth::Error,
        }
    }
}

pub(crate) fn answer(world: &World, ask: &Ask, expression: Expression<'_>) -> Answer {
    // 0. Inactive principal: deny.
    if !ask.active {
        return denied(Denial::Inactive, BTreeSet::new(), BTreeSet::new());
    }
    let found = find_all(world, ask, expression);
    let erring: BTreeSet<Place> =
        found.iter().filter(|f| f.truth == Truth::Error).map(|f| f.place.clone()).collect();
    let applied = |layers: &[Layer], effect: Effect, priority: Option<u16>| -> BTreeSet<Place> {
        found
            .iter()
            .filter(|f| f.applies() && f.effect == effect && layers.contains(&f.place.layer))
            .filter(|f| priority.is_none_or(|priority| f.priority == priority))
            .map(|f| f.place.clone())
            .collect()
    };

    // 1. A deny in a ceiling or in the resource policy is final.
    let finals = [
        (Layer::PlatformGuardrail, Denial::Guardrail, !world.platform_guardrails.is_empty()),
        (Layer::TenantGuardrail, Denial::Guardrail, !world.tenant_guardrails.is_empty()),
        (Layer::Boundary, Denial::Boundary, ask.boundary.is_some()),
        (Layer::Session, Denial::Session, ask.session.is_some()),
        (Layer::Scope, Denial::Scope, ask.scope.is_some()),
        // A resource policy is no ceiling.
        (Layer::Resource, Denial::ResourcePolicy, false),
    ];
    for (layer, denial, _) in finals {
        let denies = applied(&[layer], Effect::Deny, None);
        if !denies.is_empty() {
            return denied(denial, denies, erring);
        }
    }

    // 2. Each of these ceilings that is present must itself allow.
    for (layer, denial, is_ceiling) in finals {
        if is_ceiling && applied(&[layer], Effect::Allow, None).is_empty() {
            return denied(denial, BTreeSet::new(), erring);
        }
    }

    let identity = [Layer::Role, Layer::Direct];
    let resource_allows = applied(&[Layer::Resource], Effect::Allow, None);

    // 5. Another tenant's resource: an allow on both sides, and no deny at any priority.
    if is_foreign(&ask.resource, &world.tenant) {
        let denies = applied(&identity, Effect::Deny, None);
        let allows = applied(&identity, Effect::Allow, None);
        return if !denies.is_empty() {
            denied(Denial::ExplicitDeny, denies, erring)
        } else if allows.is_empty() || resource_allows.is_empty() {
            denied(Denial::NothingApplies, BTreeSet::new(), erring)
        } else {
            allowed(allows.union(&resource_allows).cloned().collect(), erring)
        };
    }

    // 3. Identity policies: at the highest level where any statement applies, deny beats allow.
    let levels =
        found.iter().filter(|f| f.applies() && identity.contains(&f.place.layer)).map(|f| f.priority);
    if let Some(highest) = levels.max() {
        let denies = applied(&identity, Effect::Deny, Some(highest));
        return if denies.is_empty() {
            allowed(applied(&identity, Effect::Allow, Some(highest)), erring)
        } else {
            denied(Denial::ExplicitDeny, denies, erring)
        };
    }

    // 4. If step 3 found nothing, an allow in the resource policy allows. Otherwise deny.
    if resource_allows.is_empty() {
        denied(Denial::NothingApplies, BTreeSet::new(), erring)
    } else {
        allowed(resource_allows, erring)
    }
}

fn allowed(deciding: BTreeSet<Place>, erring: BTreeSet<Place>) -> Answer {
    Answer { effect: Effect::Allow, denial: None, deciding, erring }
}

fn denied(denial: Denial, deciding: BTreeSet<Place>, erring: BTreeSet<Place>) -> Answer {
    Answer { effect: Effect::Deny, denial: Some(denial), deciding, erring }
}

/// Every statement that concerns the question and is not plainly false.
fn find_all(world: &World, ask: &Ask, expression: Expression<'_>) -> Vec<Found> {
    let mut found = Vec::new();

    let none = Vec::new();
    let layers = [
        (Layer::PlatformGuardrail, &world.platform_guardrails),
        (Layer::TenantGuardrail, &world.tenant_guardrails),
        (Layer::Boundary, ask.boundary.as_ref().unwrap_or(&none)),
        (Layer::Session, ask.session.as_ref().unwrap_or(&none)),
        (Layer::Scope, ask.scope.as_ref().unwrap_or(&none)),
    ];
    for (layer, documents) in layers {
        for (number, document) in documents.iter().enumerate() {
            find_in_document(world, ask, document, Truth::True, &mut found, |part| {
                (Place { layer, holder: String::new(), policy: number.to_string(), part }, 0)
            });
        }
    }
    if let Some(document) = world.resource_policies.get(&ask.resource) {
        find_in_document(world, ask, document, Truth::True, &mut found, |part| {
            let holder = ask.resource.clone();
            (Place { layer: Layer::Resource, holder, policy: "0".into(), part }, 0)
        });
    }

    for role_id in effective_roles(world, ask) {
        for role in world.roles.iter().filter(|role| role.id == role_id) {
            for &policy in &role.policies {
                find_in_policy(
                    world,
                    ask,
                    &world.policies[policy],
                    (Layer::Role, &role.id),
                    expression,
                    &mut found,
                );
            }
            for (index, said) in role.permissions.iter().enumerate() {
                let truth = statement_truth(world, ask, said, false);
                let part = Part::Permission(index);
                let place =
                    Place { layer: Layer::Role, holder: role.id.clone(), policy: String::new(), part };
                push(&mut found, Found { place, priority: 0, effect: Effect::Allow, truth });
            }
        }
    }
    for &policy in &ask.policies {
        let holder = (Layer::Direct, ask.principal.as_str());
        find_in_policy(world, ask, &world.policies[policy], holder, expression, &mut found);
    }
    found
}

/// "A role has one parent and inherits everything from it, transitively."
fn effective_roles(world: &World, ask: &Ask) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for held in &ask.roles {
        let mut next = Some(held.clone());
        while let Some(id) = next {
            next = world.roles.iter().find(|role| role.id == id).and_then(|role| role.parent.clone());
            if !all.insert(id) {
                break;
            }
        }
    }
    all
}

fn find_in_policy(
    world: &World,
    ask: &Ask,
    policy: &WPolicy,
    (layer, holder): (Layer, &str),
    expression: Expression<'_>,
    found: &mut Vec<Found>,
) {
    // The expression "guards the policy's documents and links together".
    let guard = match policy.expression.as_ref().map(|text| expression(text, ask)) {
        None | Some(Ok(true)) => Truth::True,
        Some(Ok(false)) => Truth::False,
        Some(Err(())) => Truth::Error,
    };
    let place = |part| Place { layer, holder: holder.to_owned(), policy: policy.id.clone(), part };
    if let Some(document) = &policy.document {
        find_in_document(world, ask, document, guard, found, |part| (place(part), policy.priority));
    }
    for (index, link) in policy.links.iter().enumerate() {
        let effect = link.effect.unwrap_or(policy.effect);
        let truth = link_truth(world, ask, &link.actions, &policy.linked_resources, effect).min(guard);
        push(found, Found { place: place(Part::Link(index)), priority: policy.priority, effect, truth });
    }
}

fn find_in_document(
    world: &World,
    ask: &Ask,
    document: &Value,
    guard: Truth,
    found: &mut Vec<Found>,
    place: impl Fn(Part) -> (Place, u16),
) {
    let statements = match &document["Statement"] {
        Value::Array(list) => list.clone(),
        single => vec![single.clone()],
    };
    for (index, said) in statements.iter().enumerate() {
        let (place, priority) = place(Part::Statement(index));
        let effect = if said["Effect"] == "Allow" { Effect::Allow } else { Effect::Deny };
        let truth = statement_truth(world, ask, said, place.layer == Layer::Resource).min(guard);
        push(found, Found { place, priority, effect, truth });
    }
}

fn push(found: &mut Vec<Found>, one: Found) {
    if one.truth != Truth::False {
        found.push(one);
    }
}
