//! Whether one statement, or one link of a policy, is true of a question.

use serde_json::Value;

use super::condition::condition_truth;
use super::pattern::{action_matches, resource_truth};
use crate::world::{Ask, Effect, World, is_foreign};

/// What a part of a statement comes to. And is the least of its parts, or the greatest, so that a part that is plainly
/// false (or plainly true) settles it whatever else errs: without this, taking a condition away from a deny, or adding
/// a value to an allow, could take access away or give it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Truth {
    False,
    Error,
    True,
}

impl Truth {
    pub(crate) fn of(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }

    pub(crate) fn not(self) -> Self {
        match self {
            Self::False => Self::True,
            Self::Error => Self::Error,
            Self::True => Self::False,
        }
    }

    pub(crate) fn all(parts: impl IntoIterator<Item = Self>) -> Self {
        parts.into_iter().min().unwrap_or(Self::True)
    }

    pub(crate) fn any(parts: impl IntoIterator<Item = Self>) -> Self {
        parts.into_iter().max().unwrap_or(Self::False)
    }
}

/// A string or a list of strings.
pub(crate) fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(list) => list.iter().flat_map(texts).collect(),
        Value::String(text) => vec![text.clone()],
        other => vec![other.to_string()],
    }
}

pub(crate) fn statement_truth(world: &World, ask: &Ask, said: &Value, has_principal: bool) -> Truth {
    let is_allow = said["Effect"] == "Allow";
    Truth::all([
        action_truth(ask, said, is_allow),
        resource_element_truth(world, ask, said, is_allow),
        if has_principal { principal_truth(world, ask, said) } else { Truth::True },
        condition_truth(world, ask, &said["Condition"]),
    ])
}

fn action_truth(ask: &Ask, said: &Value, is_allow: bool) -> Truth {
    if let Some(patterns) = said.get("Action") {
        return Truth::of(texts(patterns).iter().any(|pattern| action_matches(pattern, &ask.action)));
    }
    // "Matches if no pattern does, among the actions of the tenant plane only […] In a Deny both cover everything not
    // listed."
    let listed = texts(&said["NotAction"]).iter().any(|pattern| action_matches(pattern, &ask.action));
    let platform = ask.action.to_ascii_lowercase().starts_with("platform:");
    Truth::of(!(listed || is_allow && platform))
}

fn resource_element_truth(world: &World, ask: &Ask, said: &Value, is_allow: bool) -> Truth {
    let foreign = is_foreign(&ask.resource, &world.tenant);
    if let Some(patterns) = said.get("Resource") {
        // An allow reaches another tenant only by a pattern "that names the foreign tenant literally".
        let reaches = |pattern: &String| !(is_allow && foreign) || names_tenant_of(pattern, &ask.resource);
        let patterns = texts(patterns);
        return Truth::any(
            patterns.iter().filter(|p| reaches(p)).map(|p| resource_truth(world, ask, p, &ask.resource)),
        );
    }
    if is_allow && foreign {
        return Truth::False;
    }
    let patterns = texts(&said["NotResource"]);
    Truth::any(patterns.iter().map(|p| resource_truth(world, ask, p, &ask.resource))).not()
}

fn names_tenant_of(pattern: &str, resource: &str) -> bool {
    let part = |text: &str| text.split(':').nth(4).map(str::to_owned);
    pattern.splitn(6, ':').count() == 6 && part(pattern) == part(resource)
}

fn principal_truth(world: &World, ask: &Ask, said: &Value) -> Truth {
    if let Some(principal) = said.get("Principal") {
        return Truth::of(names_principal(world, ask, principal));
    }
    Truth::of(!names_principal(world, ask, &said["NotPrincipal"]))
}

/// "Principals match exactly by id-based name; the only wildcard is `*`, the authenticated principals of the owner's
/// tenant." The principal that asks is always of this tenant; the owner of a foreign name is another.
fn names_principal(world: &World, ask: &Ask, element: &Value) -> bool {
    let foreign = is_foreign(&ask.resource, &world.tenant);
    let names = match element {
        Value::Object(map) => map.values().flat_map(texts).collect(),
        other => texts(other),
    };
    names.iter().any(|name| match name.as_str() {
        "*" => !foreign,
        name => {
            let tenant = &world.tenant;
            name == ask.principal_name(tenant)
                || (foreign && *name == format!("arn:signet:iam::{tenant}:tenant/{tenant}"))
        }
    })
}

/// "A linked permission covers the policy's linked resources and their descendants; with no resource link it grants
/// nothing, but a deny covers the whole tenant."
pub(crate) fn link_truth(
    world: &World,
    ask: &Ask,
    actions: &[String],
    linked: &[String],
    effect: Effect,
) -> Truth {
    let named = actions.iter().any(|action| action.eq_ignore_ascii_case(&ask.action));
    let covered = if linked.is_empty() {
        effect == Effect::Deny
    } else {
        lineage(world, &ask.resource).iter().any(|name| linked.contains(name))
    };
    Truth::of(named && covered)
}

/// A resource and its ancestors.
fn lineage(world: &World, resource: &str) -> Vec<String> {
    let mut names = vec![resource.to_owned()];
    while let Some(parent) = names.last().and_then(|name| world.parents.get(name)) {
        if names.contains(parent) {
            break;
        }
        names.push(parent.clone());
    }
    names
}
