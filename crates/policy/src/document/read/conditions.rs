//! Reads the `Condition` element.

use serde_json::{Map, Value};

use super::{check_count, describe, quote};
use crate::condition::{Condition, Operator, OperatorError};
use crate::document::{CONDITION_VALUE_BYTES_MAX, CONDITIONS_MAX, Errors, Place, VALUES_MAX};
use crate::key::{KEY_BYTES_MAX, Key};

/// Reads operators, each with keys, each with values. `None` only after an error was added.
pub(super) fn read(value: &Value, place: &Place<'_>, errors: &mut Errors) -> Option<Vec<Condition>> {
    let operators = read_object(value, place, "operator", errors)?;
    let mut conditions = Vec::new();
    for (name, keys) in operators {
        let place = Place::Key(place, name);
        let operator = match Operator::parse(name) {
            Ok(operator) => Some(operator),
            Err(error) => {
                errors.add(&place, format!("the operator {}", quote(name)), explain(error));
                None
            }
        };
        let Some(keys) = read_object(keys, &place, "condition key", errors) else { continue };
        for (written, values) in keys {
            let place = Place::Key(&place, written);
            let Some(key) = Key::parse(written) else {
                let expected = format!(
                    "a condition key of 1 to {KEY_BYTES_MAX} bytes without spaces, quotes, commas, wildcards and \
                     variables"
                );
                errors.add(&place, quote(written), expected);
                continue;
            };
            let Some(values) = read_values(values, &place, errors) else { continue };
            if let Some(operator) = operator {
                conditions.extend(compile(name, operator, written, key, values, &place, errors));
            }
        }
    }
    if conditions.len() > CONDITIONS_MAX {
        let found = format!("{} pairs of operator and key", conditions.len());
        errors.add(place, found, format!("at most {CONDITIONS_MAX}"));
    }
    Some(conditions)
}

fn compile(
    name: &str,
    operator: Operator,
    written: &str,
    key: Key,
    values: Vec<String>,
    place: &Place<'_>,
    errors: &mut Errors,
) -> Option<Condition> {
    let single = values.len() == 1;
    let found: Vec<String> = values.iter().map(|value| quote(value)).collect();
    match Condition::parse(name, operator, written, key, values) {
        Ok(condition) => Some(condition),
        Err((at, expected)) => {
            let found = found.into_iter().nth(at).unwrap_or_default();
            let inner = Place::Index(place, at);
            errors.add(if single { place } else { &inner }, found, expected);
            None
        }
    }
}

fn read_object<'v>(
    value: &'v Value,
    place: &Place<'_>,
    noun: &str,
    errors: &mut Errors,
) -> Option<&'v Map<String, Value>> {
    match value.as_object() {
        Some(map) if !map.is_empty() => Some(map),
        Some(_) => {
            errors.add(place, "an empty object", format!("an object with at least one {noun}"));
            None
        }
        None => {
            errors.add(place, describe(value), format!("an object by {noun}"));
            None
        }
    }
}

/// Reads one value or a list; truth values and numbers become the texts that they are written as.
fn read_values(value: &Value, place: &Place<'_>, errors: &mut Errors) -> Option<Vec<String>> {
    let Value::Array(list) = value else {
        return Some(vec![read_value(value, place, "a string or a list of strings", errors)?]);
    };
    check_count(list, VALUES_MAX, "string", place, errors)?;
    let mut values = Vec::with_capacity(list.len());
    for (at, value) in list.iter().enumerate() {
        values.push(read_value(value, &Place::Index(place, at), "a string", errors)?);
    }
    Some(values)
}

fn read_value(value: &Value, place: &Place<'_>, expected: &str, errors: &mut Errors) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Bool(value) => value.to_string(),
        Value::Number(value) => value.to_string(),
        other => {
            errors.add(place, describe(other), expected);
            return None;
        }
    };
    if text.len() > CONDITION_VALUE_BYTES_MAX {
        errors.add(
            place,
            format!("a value of {} bytes", text.len()),
            format!("at most {CONDITION_VALUE_BYTES_MAX} bytes"),
        );
        return None;
    }
    Some(text)
}

fn explain(error: OperatorError) -> String {
    match error {
        OperatorError::Unknown => {
            "an operator such as `StringEquals`, `NumericLessThan`, `DateGreaterThan`, `Bool`, `IpAddress`, \
             `ArnLike` or `Null`, spelled exactly, perhaps with `ForAllValues:` or `ForAnyValue:` before it or \
             `IfExists` after it"
                .into()
        }
        OperatorError::IfExists => "no `IfExists` with `Null` or with a set prefix".into(),
        OperatorError::Set => "`Null` without a set prefix".into(),
    }
}
