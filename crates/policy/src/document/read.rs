//! Reads the elements of a document from a JSON value. Each reader adds what is wrong to the errors and goes on
//! with the next element; it gives `None` only after it added an error.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::{
    DOCUMENT_BYTES_MAX, Document, Effect, Errors, LABEL_BYTES_MAX, Place, STATEMENTS_MAX, Statement,
    VALUES_MAX, VERSION, shorten,
};
use crate::pattern::{ActionPattern, PatternError, ResourcePattern};

/// What this version reads in a statement.
const STATEMENT_ELEMENTS: [&str; 4] = ["Sid", "Effect", "Action", "Resource"];
/// What the policy language has, but this version of the engine does not support.
const LATER_ELEMENTS: [&str; 5] = ["NotAction", "NotResource", "Condition", "Principal", "NotPrincipal"];

pub(super) fn read_document(value: &Value, errors: &mut Errors) -> Option<Document> {
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
    let statements = read_statements(map, &root, errors)?;

    let document = Document { id: id.map(Into::into), statements };
    // What was read must also fit when it is written again, else a stored document could not be read back.
    let bytes = document.to_value().to_string().len();
    if bytes > DOCUMENT_BYTES_MAX {
        errors.add_too_long(bytes);
    }
    Some(document)
}

fn read_statements(
    map: &Map<String, Value>,
    root: &Place<'_>,
    errors: &mut Errors,
) -> Option<Vec<Statement>> {
    let place = Place::Key(root, "Statement");
    let list = match required(map, root, "Statement", errors)? {
        single @ Value::Object(_) => return Some(vec![read_statement(single, &place, errors)?]),
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
        let Some(statement) = read_statement(value, &place, errors) else {
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

pub(super) fn read_statement(value: &Value, place: &Place<'_>, errors: &mut Errors) -> Option<Statement> {
    let Some(map) = value.as_object() else {
        errors.add(place, describe(value), "a statement (an object)");
        return None;
    };
    refuse_others(map, place, &STATEMENT_ELEMENTS, errors);
    let sid = read_label(map, place, "Sid", errors);
    let effect = read_effect(map, place, errors);
    let actions = read_patterns(map, place, ["Action", "NotAction"], ActionPattern::parse, errors);
    let resources = read_patterns(map, place, ["Resource", "NotResource"], ResourcePattern::parse, errors);
    Some(Statement {
        sid: sid.map(Into::into),
        effect: effect?,
        actions: actions?,
        resources: resources?,
        within: None,
    })
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

/// Reads the patterns of `element`. A statement that has the unsupported `opposite` in its stead has been
/// refused for that already.
fn read_patterns<P>(
    map: &Map<String, Value>,
    statement: &Place<'_>,
    [element, opposite]: [&str; 2],
    parse: fn(&str) -> Result<P, PatternError>,
    errors: &mut Errors,
) -> Option<Vec<P>> {
    if map.contains_key(opposite) && !map.contains_key(element) {
        return None;
    }
    let place = Place::Key(statement, element);
    let Value::Array(list) = required(map, statement, element, errors)? else {
        let value = map.get(element)?;
        return Some(vec![read_pattern(value, &place, "a string or a list of strings", parse, errors)?]);
    };
    check_count(list, VALUES_MAX, "string", &place, errors)?;

    let mut patterns = Vec::with_capacity(list.len());
    for (index, value) in list.iter().enumerate() {
        patterns.extend(read_pattern(value, &Place::Index(&place, index), "a string", parse, errors));
    }
    // INVARIANT: a pattern is missing here only if its error was added, which refuses the document.
    Some(patterns)
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

/// Refuses every element but the `known` ones, and says of the language's own that they may come.
fn refuse_others(map: &Map<String, Value>, parent: &Place<'_>, known: &[&str], errors: &mut Errors) {
    for element in map.keys().filter(|element| !known.contains(&element.as_str())) {
        let expected = if LATER_ELEMENTS.contains(&element.as_str()) {
            format!(
                "no `{element}`: it belongs to the policy language, but this version of the engine does not \
                 support it"
            )
        } else {
            format!("only the elements `{}` (names are case-sensitive)", known.join("`, `"))
        };
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
