//! What only the whole file shows: names that stand twice, parents in a circle, too many objects,
//! sections to prune that are not there, secrets where none belongs.

use std::collections::HashMap;

use authz::access::Registration;
use base::text::name_key;

use super::model::{GrantDecl, Manifest};
use super::place::{At, Mistakes, Place, shown};
use super::table::OBJECTS_MAX;

/// Adds what is wrong with the file as a whole.
pub(crate) fn check(manifest: &Manifest, mistakes: &mut Mistakes) {
    let sections = [
        ("permissions", manifest.permissions.as_ref().map(Vec::len)),
        ("policies", manifest.policies.as_ref().map(Vec::len)),
        ("roles", manifest.roles.as_ref().map(Vec::len)),
        ("clients", manifest.clients.as_ref().map(Vec::len)),
        ("users", manifest.users.as_ref().map(Vec::len)),
        ("groups", manifest.groups.as_ref().map(Vec::len)),
        ("resources", manifest.resources.as_ref().map(Vec::len)),
    ];
    let objects: usize = sections.iter().filter_map(|(_, count)| *count).sum();
    if objects > OBJECTS_MAX {
        mistakes.add(
            Place::default(),
            "too_many_objects",
            format!("found {objects} objects, expected at most {OBJECTS_MAX}: split the file by sections"),
        );
        return;
    }
    for section in &manifest.prune {
        if sections.iter().any(|(name, count)| name == section && count.is_none()) {
            mistakes.add(
                manifest.tenant.at,
                "prune_without_section",
                format!("found `{section}` in `prune` but no such section; write `{section}: []` to delete them all"),
            );
        }
    }
    twice(manifest, mistakes);
    inner(manifest, mistakes);
    circles(manifest, mistakes);
}

/// Names that stand twice in their section, by the key that the tenant keeps them unique by.
fn twice(manifest: &Manifest, mistakes: &mut Mistakes) {
    let exact = str::to_owned as fn(&str) -> String;
    unique("permission", manifest.permissions.iter().flatten().map(|o| &o.code), action_key, mistakes);
    unique("policy", manifest.policies.iter().flatten().map(|o| &o.name), name_key, mistakes);
    unique("role", manifest.roles.iter().flatten().map(|o| &o.code), exact, mistakes);
    unique("client", manifest.clients.iter().flatten().map(|o| &o.client_id), exact, mistakes);
    unique("user", manifest.users.iter().flatten().map(|o| &o.username), name_key, mistakes);
    unique("group", manifest.groups.iter().flatten().map(|o| &o.name), name_key, mistakes);
    unique("resource", manifest.resources.iter().flatten().map(|o| &o.name), exact, mistakes);
}

/// What tells actions apart: they are ASCII and have no case.
pub(crate) fn action_key(name: &str) -> String {
    name.to_ascii_lowercase()
}

fn unique<'a>(
    noun: &str,
    names: impl Iterator<Item = &'a At<String>>,
    key: fn(&str) -> String,
    mistakes: &mut Mistakes,
) {
    let mut seen: HashMap<String, Place> = HashMap::new();
    for name in names {
        if let Some(first) = seen.insert(key(&name.value), name.at) {
            mistakes.add(
                name.at,
                "duplicate_name",
                format!("found the {noun} `{}` twice, first in line {}", shown(&name.value), first.line),
            );
        }
    }
}

/// What is wrong inside single objects: entries that stand twice, windows that never open, secrets of a
/// client that cannot keep one.
fn inner(manifest: &Manifest, mistakes: &mut Mistakes) {
    let exact = str::to_owned as fn(&str) -> String;
    for policy in manifest.policies.iter().flatten() {
        let codes = policy.permissions.iter().flatten().map(|link| &link.code);
        unique("permission", codes, action_key, mistakes);
        let names = policy.global_permissions.iter().flatten();
        unique("global permission", names, action_key, mistakes);
        unique("resource", policy.resources.iter().flatten(), exact, mistakes);
    }
    for role in manifest.roles.iter().flatten() {
        unique("permission", role.permissions.iter().flatten(), exact, mistakes);
        unique("policy", role.policies.iter().flatten(), name_key, mistakes);
    }
    for user in manifest.users.iter().flatten() {
        grants("role", user.roles.as_deref(), exact, mistakes);
    }
    for client in manifest.clients.iter().flatten() {
        grants("role", client.roles.as_deref(), exact, mistakes);
        if let Some(Some(point)) = &client.evaluation
            && let Err(error) = Registration::parse(point.value.clone())
        {
            mistakes.add(point.at, "bad_value", format!("in `evaluation`, {error}"));
        }
        if let (Some(kind), Some(secret)) = (&client.kind, &client.secret)
            && kind.value == "public"
        {
            let message = "found a secret for a client of type `public`, which has none";
            mistakes.add(secret.at, "bad_value", message);
        }
    }
    for group in manifest.groups.iter().flatten() {
        grants("role", group.roles.as_deref(), exact, mistakes);
        grants("member", group.members.as_deref(), name_key, mistakes);
    }
}

fn grants(noun: &str, grants: Option<&[GrantDecl]>, key: fn(&str) -> String, mistakes: &mut Mistakes) {
    let grants = grants.unwrap_or_default();
    unique(noun, grants.iter().map(|grant| &grant.name), key, mistakes);
    for grant in grants {
        if let (Some(from), Some(to)) = (grant.valid_from, grant.expires_at)
            && from >= to
        {
            let message = "found a `valid_from` that is not before `expires_at`: it would never count";
            mistakes.add(grant.name.at, "bad_value", message);
        }
    }
}

/// Parents that lead back to where they started, among the objects of the file.
fn circles(manifest: &Manifest, mistakes: &mut Mistakes) {
    let roles = manifest.roles.iter().flatten().filter_map(|role| match &role.parent {
        Some(Some(parent)) => Some((role.code.value.as_str(), parent)),
        _ => None,
    });
    circle("role", roles.collect(), mistakes);
    let resources = manifest.resources.iter().flatten().filter_map(|resource| match &resource.parent {
        Some(Some(parent)) => Some((resource.name.value.as_str(), parent)),
        _ => None,
    });
    circle("resource", resources.collect(), mistakes);
}

fn circle(noun: &str, parents: HashMap<&str, &At<String>>, mistakes: &mut Mistakes) {
    // Each member is walked once: 1 is on the present walk, 2 is known to end.
    let mut state: HashMap<&str, u8> = HashMap::new();
    for start in parents.keys().copied() {
        let mut walk = Vec::new();
        let mut next = Some(start);
        while let Some(name) = next {
            match state.get(name) {
                Some(1) => {
                    if let Some(parent) = walk.last().and_then(|last| parents.get(last)) {
                        mistakes.add(
                            parent.at,
                            "cycle",
                            format!(
                                "found the parent `{}`, which leads back to this {noun}",
                                shown(&parent.value)
                            ),
                        );
                    }
                    break;
                }
                Some(_) => break,
                None => {}
            }
            state.insert(name, 1);
            walk.push(name);
            next = parents.get(name).map(|parent| parent.value.as_str());
        }
        for name in walk {
            state.insert(name, 2);
        }
    }
}
