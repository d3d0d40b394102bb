//! Reads `Principal` and `NotPrincipal` of a resource policy.

use serde_json::{Map, Value};

use super::{check_count, describe, quote};
use crate::document::{Errors, Place, VALUES_MAX};
use crate::name::ResourceName;
use crate::statement::{Effect, Principals};

/// The names under which principals are listed; they mean the same.
const TYPES: [&str; 2] = ["Signet", "AWS"];

/// Reads whom a statement is about. `None` only after an error was added.
pub(super) fn read(
    map: &Map<String, Value>,
    statement: &Place<'_>,
    effect: Option<Effect>,
    errors: &mut Errors,
) -> Option<Principals> {
    let (name, value) = match (map.get("Principal"), map.get("NotPrincipal")) {
        (Some(value), None) => ("Principal", value),
        (None, Some(value)) => ("NotPrincipal", value),
        (None, None) => {
            let expected =
                "the element `Principal` or `NotPrincipal`: a resource's policy says whom it is about";
            errors.add(statement, "no `Principal`", expected);
            return None;
        }
        (Some(_), Some(_)) => {
            let place = Place::Key(statement, "NotPrincipal");
            errors.add(&place, "`Principal` and `NotPrincipal`", "one of them");
            return None;
        }
    };
    let place = Place::Key(statement, name);
    let not = name == "NotPrincipal";
    if not && effect == Some(Effect::Allow) {
        errors.add(&place, "`NotPrincipal` in an Allow", "`NotPrincipal` only in a Deny");
    }
    let mut found = Principals { not, everybody: false, names: [].into() };
    let mut names = Vec::new();
    match value {
        Value::String(text) if text == "*" => found.everybody = true,
        Value::Object(types) if !types.is_empty() => {
            for (kind, value) in types {
                let place = Place::Key(&place, kind);
                if !TYPES.contains(&kind.as_str()) {
                    errors.add(&place, quote(kind), format!("one of `{}`", TYPES.join("`, `")));
                    continue;
                }
                read_names(value, &place, &mut found.everybody, &mut names, errors);
            }
        }
        other => {
            let expected =
                "`*`, or an object such as `{\"Signet\": [\"arn:signet:iam::{tenant}:user/{id}\"]}`";
            errors.add(&place, describe(other), expected);
            return None;
        }
    }
    found.names = names.into();
    Some(found)
}

fn read_names(
    value: &Value,
    place: &Place<'_>,
    everybody: &mut bool,
    names: &mut Vec<Box<str>>,
    errors: &mut Errors,
) {
    let list = match value {
        Value::Array(list) => list.as_slice(),
        single => std::slice::from_ref(single),
    };
    if check_count(list, VALUES_MAX, "name", place, errors).is_none() {
        return;
    }
    let is_list = value.is_array();
    for (at, value) in list.iter().enumerate() {
        let inner = Place::Index(place, at);
        let place = if is_list { &inner } else { place };
        match value.as_str() {
            Some("*") => *everybody = true,
            Some(name) if ResourceName::check(name).is_ok() && !name.contains(['*', '?', '$']) => {
                names.push(name.into());
            }
            _ => {
                let expected = "the name of a principal by its id, or `*` alone; no other wildcard";
                errors.add(place, describe(value), expected);
            }
        }
    }
}
