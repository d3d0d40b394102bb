//! Reads the elements of a document from a JSON value. Each reader adds what is wrong to the errors and goes on
//! with the next element; it gives `None` only after it added an error.

mod conditions;
mod principals;

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::{
    DOCUMENT_BYTES_MAX, Document, Errors, Kind, LABEL_BYTES_MAX, MATCHING_STEPS_MAX, Place, STATEMENTS_MAX,
    VALUES_MAX, VERSION,
};
use crate::pattern::{ActionPattern, PatternError, ResourcePattern};
use crate::quote::shorten;
use crate::statement::{Effect, Extra, Statement};

/// The elements of a statement.
const STATEMENT_ELEMENTS: [&str; 7] =
    ["Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"];
/// The elements that only a resource policy has.
const PRINCIPAL_ELEMENTS: [&str; 2] = ["Principal", "NotPrincipal"];

/// How often longer a document may become, at the most, when it is written again: a text as a list, a character
/// escaped.
const GROWTH_MAX: usize = 8;

/// Reads a document from its value, and from how many bytes of text, if that is known.
pub(super) fn read_document(
    kind: Kind,
    value: &Value,
    text_bytes: Option<usize>,
    errors: &mut Errors,
) -> Option<Document> {
    let root = Place::Root;
    let Some(map) = value.as_object() else {
        errors.add(&root, describe(value), "a JSON object");
        return None;
    };
    refuse_others(map, &root, &["Version", "Id", "Statement"], errors);
    let version = required(map, &root, "Version", errors);
    if let Some(found) = version.filter(|found| found.as_str() != Some(VERSION)) {
        errors.add(&Place::Key(&root, "Version"), describe(found), format!("`{VERSION}`"));
    }
    let id = read_label(map, &root, "Id", errors);
    let statements = read_statements(kind, map, &root, errors)?;

    let document = Document { id: id.map(Into::into), statements: statements.into() };
    // What was read must also fit when it is written again, else a stored document could not be read back.
    if text_bytes.is_none_or(|bytes| bytes > DOCUMENT_BYTES_MAX / GROWTH_MAX) {
        let bytes = document.to_value().to_string().len();
        if bytes > DOCUMENT_BYTES_MAX {
            errors.add_too_long(bytes);
        }
    }
    let steps = document.statements.iter().map(Statement::steps_max).sum::<usize>();
    if steps > MATCHING_STEPS_MAX {
        let found = format!("wildcards that take up to {steps} steps to match with the longest names");
        let expected =
            format!("at most {MATCHING_STEPS_MAX}: fewer patterns with wildcards elsewhere than at the end");
        errors.add(&root, found, expected);
    }
    Some(document)
}

fn read_statements(
    kind: Kind,
    map: &Map<String, Value>,
    root: &Place<'_>,
    errors: &mut Errors,
) -> Option<Vec<Statement>> {
    let place = Place::Key(root, "Statement");
    let list = match required(map, root, "Statement", errors)? {
        single @ Value::Object(_) => return Some(vec![read_statement(kind, single, &place, errors)?]),
        Value::Array(list) => list,
        other => {
            errors.add(&place, describe(other), "a statement (an object) or a list of them");
            return None;
        }
    };
    check_count(list, STATEMENTS_MAX, "statement", &place, errors)?;

    let mut statements = Vec::with_capacity(list.len());
    let mut sids = HashSet::new();
    for (index, value) in list.iter().enumerate() {
        let place = Place::Index(&place, index);
        let Some(statement) = read_statement(kind, value, &place, errors) else {
            continue;
        };
        if statement.sid.as_ref().is_some_and(|sid| !sids.insert(sid.clone())) {
            let expected = "a `Sid` that no other statement of the document has";
            errors.add(&Place::Key(&place, "Sid"), quote(statement.sid().unwrap_or_default()), expected);
        }
        statements.push(statement);
    }
    Some(statements)
}

pub(super) fn read_statement(
    kind: Kind,
    value: &Value,
    place: &Place<'_>,
    errors: &mut Errors,
) -> Option<Statement> {
    let Some(map) = value.as_object() else {
        errors.add(place, describe(value), "a statement (an object)");
        return None;
    };
    refuse_elements(kind, map, place, errors);
    let sid = read_label(map, place, "Sid", errors);
    let effect = read_effect(map, place, errors);
    let actions = read_either(map, place, ["Action", "NotAction"], ActionPattern::parse, errors);
    let resources = read_either(map, place, ["Resource", "NotResource"], ResourcePattern::parse, errors);
    let conditions = match map.get("Condition") {
        Some(value) => conditions::read(value, &Place::Key(place, "Condition"), errors),
        None => Some(Vec::new()),
    };
    let principals = match kind {
        Kind::Identity => Some(None),
        Kind::Resource => principals::read(map, place, effect, errors).map(Some),
    };
    let (effect, (not_action, actions), (not_resource, resources)) = (effect?, actions?, resources?);
    if effect == Effect::Allow && not_action && not_resource {
        let expected =
            "`Action` or `Resource` beside the other's opposite: an Allow with both would be boundless";
        errors.add(place, "an Allow with `NotAction` and `NotResource`", expected);
    }
    let extra = Extra { conditions: conditions?.into(), principals: principals?, ..Extra::default() };
    let is_plain = extra == Extra::default();
    Some(Statement {
        sid: sid.map(Into::into),
        effect,
        not_action,
        not_resource,
        actions: actions.into(),
        resources: resources.into(),
        extra: if is_plain { None } else { Some(Box::new(extra)) },
    })
}

/// Refuses what a statement of this kind does not have.
fn refuse_elements(kind: Kind, map: &Map<String, Value>, place: &Place<'_>, errors: &mut Errors) {
    let mut known = STATEMENT_ELEMENTS.to_vec();
    if kind == Kind::Resource {
        known.extend(PRINCIPAL_ELEMENTS);
    }
    for element in map.keys().filter(|element| !known.contains(&element.as_str())) {
        let expected = if PRINCIPAL_ELEMENTS.contains(&element.as_str()) {
            format!("no `{element}`: only a resource's policy says whom it is about")
        } else {
            format!("only the elements `{}` (names are case-sensitive)", known.join("`, `"))
        };
        errors.add(&Place::Key(place, element), format!("the element `{}`", shorten(element)), expected);
    }
}

fn read_effect(map: &Map<String, Value>, place: &Place<'_>, errors: &mut Errors) -> Option<Effect> {
    let value = required(map, place, "Effect", errors)?;
    let effect =
        [Effect::Allow, Effect::Deny].into_iter().find(|effect| value.as_str() == Some(effect.as_str()));
    if effect.is_none() {
        errors.add(&Place::Key(place, "Effect"), describe(value), "`Allow` or `Deny`");
    }
    effect
}

/// Reads the patterns of an element or of its opposite, whichever is there, and says whether it is the opposite.
fn read_either<P>(
    map: &Map<String, Value>,
    statement: &Place<'_>,
    [element, opposite]: [&str; 2],
    parse: fn(&str) -> Result<P, PatternError>,
    errors: &mut Errors,
) -> Option<(bool, Vec<P>)> {
    let (name, value) = match (map.get(element), map.get(opposite)) {
        (Some(value), None) => (element, value),
        (None, Some(value)) => (opposite, value),
        (None, None) => {
            let expected = format!("the element `{element}` or `{opposite}`");
            errors.add(statement, format!("no `{element}`"), expected);
            return None;
        }
        (Some(_), Some(_)) => {
            let expected = format!("`{element}` or `{opposite}`, not both");
            errors.add(&Place::Key(statement, opposite), format!("`{element}` and `{opposite}`"), expected);
            return None;
        }
    };
    let place = Place::Key(statement, name);
    let Value::Array(list) = value else {
        let pattern = read_pattern(value, &place, "a string or a list of strings", parse, errors)?;
        return Some((name == opposite, vec![pattern]));
    };
    check_count(list, VALUES_MAX, "string", &place, errors)?;

    let mut patterns = Vec::with_capacity(list.len());
    for (index, value) in list.iter().enumerate() {
        patterns.extend(read_pattern(value, &Place::Index(&place, index), "a string", parse, errors));
    }
    // INVARIANT: a pattern is missing here only if its error was added, which refuses the document.
    Some((name == opposite, patterns))
}

fn read_pattern<P>(
    value: &Value,
    place: &Place<'_>,
    expected: &str,
    parse: fn(&str) -> Result<P, PatternError>,
    errors: &mut Errors,
) -> Option<P> {
    let Some(text) = value.as_str() else {
        errors.add(place, describe(value), expected);
        return None;
    };
    match parse(text) {
        Ok(pattern) => Some(pattern),
        Err(error) => {
            errors.add(place, quote(text), error.expectation());
            None
        }
    }
}

/// Reads an optional `Id` or `Sid`; an empty one, which some editors write, counts as none.
fn read_label(
    map: &Map<String, Value>,
    parent: &Place<'_>,
    element: &str,
    errors: &mut Errors,
) -> Option<String> {
    let value = map.get(element)?;
    let place = Place::Key(parent, element);
    let Some(text) = value.as_str() else {
        errors.add(&place, describe(value), "a string");
        return None;
    };
    if text.len() > LABEL_BYTES_MAX || text.chars().any(char::is_control) {
        let expected = format!("at most {LABEL_BYTES_MAX} bytes without control characters");
        errors.add(&place, quote(text), expected);
        return None;
    }
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

fn required<'v>(
    map: &'v Map<String, Value>,
    parent: &Place<'_>,
    element: &str,
    errors: &mut Errors,
) -> Option<&'v Value> {
    let value = map.get(element);
    if value.is_none() {
        errors.add(parent, format!("no `{element}`"), format!("the element `{element}`"));
    }
    value
}

/// Refuses every element but the `known` ones.
fn refuse_others(map: &Map<String, Value>, parent: &Place<'_>, known: &[&str], errors: &mut Errors) {
    for element in map.keys().filter(|element| !known.contains(&element.as_str())) {
        let expected = format!("only the elements `{}` (names are case-sensitive)", known.join("`, `"));
        errors.add(&Place::Key(parent, element), format!("the element `{}`", shorten(element)), expected);
    }
}

fn check_count(
    list: &[Value],
    count_max: usize,
    noun: &str,
    place: &Place<'_>,
    errors: &mut Errors,
) -> Option<()> {
    if (1..=count_max).contains(&list.len()) {
        return Some(());
    }
    let found = if list.is_empty() { "an empty list".into() } else { format!("a list of {}", list.len()) };
    errors.add(place, found, format!("a list of 1 to {count_max} {noun}s"));
    None
}

fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(value) => format!("the boolean `{value}`"),
        Value::Number(value) => format!("the number `{value}`"),
        Value::String(text) => quote(text),
        Value::Array(list) if list.is_empty() => "an empty list".into(),
        Value::Array(list) => format!("a list of {}", list.len()),
        Value::Object(_) => "an object".into(),
    }
}

fn quote(text: &str) -> String {
    if text.is_empty() { "an empty string".into() } else { format!("`{}`", shorten(text)) }
}
