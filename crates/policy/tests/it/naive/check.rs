//! Which documents are refused, and where.

use serde_json::{Map, Value};

use super::condition::Operator;
use super::pattern::{Piece, pieces, split};
use super::value::{Address, Decimal, binary, boolean, instant};

/// Where a document stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An identity policy or a ceiling: without `Principal`.
    Identity,
    /// A resource or trust policy: with `Principal`.
    Resource,
}

/// The places of all mistakes, as JSON pointers; none for a document that is accepted.
pub(crate) fn mistakes(document: &Value, kind: Kind) -> Vec<String> {
    let mut found = Vec::new();
    let Some(map) = document.as_object() else { return vec![String::new()] };
    only(map, "", &["Version", "Id", "Statement"], &mut found);
    match map.get("Version") {
        None => found.push(String::new()),
        Some(version) if version == "2012-10-17" => {}
        Some(_) => found.push("/Version".into()),
    }
    if map.get("Id").is_some_and(|id| !id.is_string()) {
        found.push("/Id".into());
    }
    match map.get("Statement") {
        None => found.push(String::new()),
        Some(Value::Array(list)) if list.is_empty() => found.push("/Statement".into()),
        Some(Value::Array(list)) => {
            for (index, one) in list.iter().enumerate() {
                check_statement(one, &format!("/Statement/{index}"), kind, &mut found);
            }
        }
        Some(one) => check_statement(one, "/Statement", kind, &mut found),
    }
    found
}

fn check_statement(said: &Value, place: &str, kind: Kind, found: &mut Vec<String>) {
    let Some(map) = said.as_object() else { return found.push(place.into()) };
    let known = [
        "Sid",
        "Effect",
        "Principal",
        "NotPrincipal",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Condition",
    ];
    only(map, place, &known, found);
    if map.get("Sid").is_some_and(|sid| !sid.is_string()) {
        found.push(format!("{place}/Sid"));
    }
    match map.get("Effect") {
        None => found.push(place.into()),
        Some(effect) if effect == "Allow" || effect == "Deny" => {}
        Some(_) => found.push(format!("{place}/Effect")),
    }
    for (element, opposite) in [("Action", "NotAction"), ("Resource", "NotResource")] {
        either(map, place, [element, opposite], found);
        for element in [element, opposite] {
            each_text(map, element, place, found, |text| is_pattern(element, text));
        }
    }
    // "An Allow with both is refused."
    if said["Effect"] == "Allow" && map.contains_key("NotAction") && map.contains_key("NotResource") {
        found.push(place.into());
    }
    let principals = ["Principal", "NotPrincipal"];
    if kind == Kind::Resource {
        either(map, place, principals, found);
    } else {
        let stray = principals.iter().filter(|element| map.contains_key(**element));
        found.extend(stray.map(|element| format!("{place}/{element}")));
    }
    // "`NotPrincipal` only with Deny."
    if map.contains_key("NotPrincipal") && said["Effect"] != "Deny" {
        found.push(format!("{place}/NotPrincipal"));
    }
    if let Some(condition) = map.get("Condition") {
        check_condition(condition, &format!("{place}/Condition"), found);
    }
}

fn check_condition(condition: &Value, place: &str, found: &mut Vec<String>) {
    let Some(operators) = condition.as_object() else { return found.push(place.into()) };
    for (name, keys) in operators {
        let place = child(place, name);
        let (Some(operator), Some(keys)) = (Operator::read(name), keys.as_object()) else {
            found.push(place);
            continue;
        };
        for key in keys.keys() {
            each_text(keys, key, &place, found, |text| is_value(operator.base, text));
        }
    }
}

/// Whether a value of a policy can be read by its operator. "Variables stand only in […] values of `String*` and
/// `Arn*`."
fn is_value(base: &str, text: &str) -> bool {
    match base {
        "ArnLike" => pieces(text).is_ok_and(|pieces| split(&pieces, 6).len() == 6),
        "Bool" | "Null" => boolean(text).is_some(),
        "BinaryEquals" => binary(text).is_some(),
        "IpAddress" => Address::read_range(text).is_some(),
        base if base.starts_with("String") => pieces(text).is_ok(),
        base if base.starts_with("Numeric") => Decimal::read(text).is_some(),
        _ => instant(text).is_some(),
    }
}

fn is_pattern(element: &str, text: &str) -> bool {
    let is_resource = element.ends_with("Resource");
    let is_readable = |pieces: Vec<Piece>| {
        is_resource
            || pieces
                .iter()
                .all(|piece| !matches!(piece, Piece::Variable { .. } | Piece::Char('$' | '{' | '}')))
    };
    !text.is_empty() && pieces(text).is_ok_and(is_readable)
}

/// Exactly one of two elements.
fn either(map: &Map<String, Value>, place: &str, [element, opposite]: [&str; 2], found: &mut Vec<String>) {
    match (map.contains_key(element), map.contains_key(opposite)) {
        (true, true) => found.push(format!("{place}/{opposite}")),
        (false, false) => found.push(place.into()),
        _ => {}
    }
}

/// A string or a list of at least one.
fn each_text(
    map: &Map<String, Value>,
    element: &str,
    place: &str,
    found: &mut Vec<String>,
    is_good: impl Fn(&str) -> bool,
) {
    let place = child(place, element);
    match map.get(element) {
        None => {}
        Some(Value::String(text)) if is_good(text) => {}
        Some(Value::Array(list)) if !list.is_empty() => {
            let bad = list.iter().enumerate().filter(|(_, value)| !value.as_str().is_some_and(&is_good));
            found.extend(bad.map(|(index, _)| format!("{place}/{index}")));
        }
        Some(_) => found.push(place),
    }
}

fn only(map: &Map<String, Value>, place: &str, known: &[&str], found: &mut Vec<String>) {
    found.extend(map.keys().filter(|key| !known.contains(&key.as_str())).map(|key| child(place, key)));
}

/// The pointer to a member, escaped as RFC 6901, section 3, says.
fn child(place: &str, key: &str) -> String {
    format!("{place}/{}", key.replace('~', "~0").replace('/', "~1"))
}
