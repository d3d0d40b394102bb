//! Condition operators.

use serde_json::Value;

use super::pattern::{Piece, context_values, glob_text, pieces, split, substitute};
use super::statement::{Truth, texts};
use super::value::{Address, Decimal, binary, boolean, instant};
use crate::world::{Ask, World};

/// An operator's name, taken apart.
pub(crate) struct Operator {
    pub(crate) over: Over,
    /// The name of what is compared, without `Not`: `StringEquals`, `IpAddress`.
    pub(crate) base: &'static str,
    pub(crate) negated: bool,
    pub(crate) if_exists: bool,
}

/// How several values of the request are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    /// No set operator: positive any, negated none.
    Single,
    All,
    Any,
}

/// Each operator, what it compares, and whether it is the negated form.
const OPERATORS: [(&str, &str, bool); 27] = [
    ("StringEquals", "StringEquals", false),
    ("StringNotEquals", "StringEquals", true),
    ("StringEqualsIgnoreCase", "StringEqualsIgnoreCase", false),
    ("StringNotEqualsIgnoreCase", "StringEqualsIgnoreCase", true),
    ("StringLike", "StringLike", false),
    ("StringNotLike", "StringLike", true),
    ("NumericEquals", "NumericEquals", false),
    ("NumericNotEquals", "NumericEquals", true),
    ("NumericLessThan", "NumericLessThan", false),
    ("NumericLessThanEquals", "NumericLessThanEquals", false),
    ("NumericGreaterThan", "NumericGreaterThan", false),
    ("NumericGreaterThanEquals", "NumericGreaterThanEquals", false),
    ("DateEquals", "DateEquals", false),
    ("DateNotEquals", "DateEquals", true),
    ("DateLessThan", "DateLessThan", false),
    ("DateLessThanEquals", "DateLessThanEquals", false),
    ("DateGreaterThan", "DateGreaterThan", false),
    ("DateGreaterThanEquals", "DateGreaterThanEquals", false),
    ("Bool", "Bool", false),
    ("BinaryEquals", "BinaryEquals", false),
    ("IpAddress", "IpAddress", false),
    ("NotIpAddress", "IpAddress", true),
    ("ArnEquals", "ArnLike", false),
    ("ArnLike", "ArnLike", false),
    ("ArnNotEquals", "ArnLike", true),
    ("ArnNotLike", "ArnLike", true),
    ("Null", "Null", false),
];

impl Operator {
    pub(crate) fn read(name: &str) -> Option<Self> {
        let (over, rest) = if let Some(rest) = name.strip_prefix("ForAllValues:") {
            (Over::All, rest)
        } else if let Some(rest) = name.strip_prefix("ForAnyValue:") {
            (Over::Any, rest)
        } else {
            (Over::Single, name)
        };
        let (rest, if_exists) = match rest.strip_suffix("IfExists") {
            Some(rest) => (rest, true),
            None => (rest, false),
        };
        // "`IfExists` on `Null` is an error; on a set operator an error on our API." A set operator says nothing of
        // whether a key is there either.
        if (if_exists && rest == "Null") || (over != Over::Single && (if_exists || rest == "Null")) {
            return None;
        }
        let &(_, base, negated) = OPERATORS.iter().find(|(known, _, _)| *known == rest)?;
        Some(Self { over, base, negated, if_exists })
    }
}

/// "Operators and keys are and-ed; values are or-ed."
pub(crate) fn condition_truth(world: &World, ask: &Ask, condition: &Value) -> Truth {
    let none = serde_json::Map::new();
    let operators = condition.as_object().unwrap_or(&none);
    Truth::all(operators.iter().flat_map(|(name, keys)| {
        let keys = keys.as_object().unwrap_or(&none);
        keys.iter().map(move |(key, values)| match Operator::read(name) {
            Some(operator) => key_truth(world, ask, &operator, key, &texts(values)),
            None => Truth::Error,
        })
    }))
}

fn key_truth(world: &World, ask: &Ask, operator: &Operator, key: &str, wanted: &[String]) -> Truth {
    let present = context_values(world, ask, key);
    // "Absent means missing or empty."
    let absent = present.is_empty();
    if operator.base == "Null" {
        return Truth::any(wanted.iter().map(|wanted| Truth::of((wanted == "true") == absent)));
    }
    if absent {
        return Truth::of(match operator.over {
            Over::Any => false,
            Over::All => true,
            Over::Single => operator.negated || operator.if_exists,
        });
    }
    // Whether one value of the request matches some value of the policy.
    let matches = |value: &String| {
        Truth::any(wanted.iter().map(|wanted| compare(world, ask, operator.base, wanted, value)))
    };
    // "With a negated operator a request value passes if it matches none of the policy's values."
    let passes = |value: &String| if operator.negated { matches(value).not() } else { matches(value) };
    match (operator.over, operator.negated) {
        (Over::Any, _) | (Over::Single, false) => Truth::any(present.iter().map(passes)),
        (Over::All, _) | (Over::Single, true) => Truth::all(present.iter().map(passes)),
    }
}

/// Compares one value of the policy with one of the request.
fn compare(world: &World, ask: &Ask, base: &str, wanted: &str, value: &str) -> Truth {
    let held = match base {
        "StringEquals" => literal(world, ask, wanted).map(|wanted| wanted == value),
        "StringEqualsIgnoreCase" => {
            literal(world, ask, wanted).map(|wanted| wanted.to_lowercase() == value.to_lowercase())
        }
        "StringLike" => like(world, ask, wanted, value),
        "ArnLike" => arn_like(world, ask, wanted, value),
        "Bool" => both(boolean, wanted, value).map(|(wanted, value)| wanted == value),
        "BinaryEquals" => both(binary, wanted, value).map(|(wanted, value)| wanted == value),
        "IpAddress" => Address::read(value)
            .and_then(|address| Some((Address::read_range(wanted)?, address)))
            .map(|((range, bits), address)| address.is_within(range, bits))
            .ok_or(()),
        base => match (base.strip_prefix("Numeric"), base.strip_prefix("Date")) {
            (Some(relation), _) => {
                both(Decimal::read, wanted, value).and_then(|(w, v)| ordered(relation, &v, &w))
            }
            (_, Some(relation)) => both(instant, wanted, value).and_then(|(w, v)| ordered(relation, &v, &w)),
            _ => Err(()),
        },
    };
    held.map_or(Truth::Error, Truth::of)
}

fn both<T>(read: fn(&str) -> Option<T>, wanted: &str, value: &str) -> Result<(T, T), ()> {
    read(wanted).zip(read(value)).ok_or(())
}

fn ordered<T: Ord>(relation: &str, value: &T, wanted: &T) -> Result<bool, ()> {
    match relation {
        "Equals" => Ok(value == wanted),
        "LessThan" => Ok(value < wanted),
        "LessThanEquals" => Ok(value <= wanted),
        "GreaterThan" => Ok(value > wanted),
        "GreaterThanEquals" => Ok(value >= wanted),
        _ => Err(()),
    }
}

/// "`*` and `?` are wildcards only in `StringLike`, `StringNotLike` and `Arn*`."
fn literal(world: &World, ask: &Ask, wanted: &str) -> Result<String, ()> {
    let pieces = substitute(world, ask, &pieces(wanted)?, |_| false)?;
    let char_of = |piece: &Piece| match piece {
        Piece::Char(c) => Ok(*c),
        Piece::Many => Ok('*'),
        Piece::One => Ok('?'),
        Piece::Variable { .. } => Err(()),
    };
    pieces.iter().map(char_of).collect()
}

fn like(world: &World, ask: &Ask, wanted: &str, value: &str) -> Result<bool, ()> {
    Ok(glob_text(&substitute(world, ask, &pieces(wanted)?, |_| false)?, value))
}

/// "Six parts on both sides; Equals = Like." The value of a request that has fewer cannot be read.
fn arn_like(world: &World, ask: &Ask, wanted: &str, value: &str) -> Result<bool, ()> {
    let (forms, parts) = (split(&pieces(wanted)?, 6), value.splitn(6, ':').collect::<Vec<_>>());
    if forms.len() != 6 || parts.len() != 6 {
        return Err(());
    }
    let mut all = true;
    for (form, part) in forms.iter().zip(parts) {
        all &= glob_text(&substitute(world, ask, form, |_| false)?, part);
    }
    Ok(all)
}
