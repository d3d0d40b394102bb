//! Holds a tree against the table: unknown keys, missing keys, wrong kinds, bad values.

use base::text;

use super::place::{At, Mistakes, Place, shown};
use super::table::{Key, SECRET, Shape, Table, Text};
use super::tree::{Node, Yaml};

/// The longest name of a tag, in characters.
const TAG_KEY_MAX: usize = 128;
/// The longest value of a tag, in characters.
const TAG_VALUE_MAX: usize = 256;
/// The most tags of a resource.
const TAGS_MAX: usize = 50;

/// Checks an object against its table. Does not stop at the first mistake.
pub(crate) fn object(node: &Node, table: &'static Table, mistakes: &mut Mistakes) {
    let Yaml::Map(pairs) = &node.value else {
        mistakes.add(
            node.at,
            "wrong_type",
            format!("found {}, expected a mapping for {}", node.value.kind(), table.noun),
        );
        return;
    };
    for (name, value) in pairs {
        match table.key(&name.value) {
            Some(key) => keyed(value, key, mistakes),
            None => unknown_key(name, table, mistakes),
        }
    }
    for key in table.keys.iter().filter(|key| key.required) {
        if !pairs.iter().any(|(name, _)| name.value == key.name) {
            mistakes.add(
                node.at,
                "missing_key",
                format!("expected the key `{}` in {}", key.name, table.noun),
            );
        }
    }
}

fn unknown_key(name: &At<String>, table: &Table, mistakes: &mut Mistakes) {
    let known: Vec<String> = table.keys.iter().map(|key| format!("`{}`", key.name)).collect();
    mistakes.add(
        name.at,
        "unknown_key",
        format!(
            "found the unknown key `{}` in {}, expected {}",
            shown(&name.value),
            table.noun,
            known.join(", ")
        ),
    );
}

fn keyed(node: &Node, key: &Key, mistakes: &mut Mistakes) {
    if matches!(node.value, Yaml::Null) {
        if key.nullable {
            return;
        }
        let rule = if matches!(key.shape, Shape::List(..)) { "`[]` for an empty list" } else { "a value" };
        mistakes.add(node.at, "wrong_type", format!("found nothing for `{}`, expected {rule}", key.name));
        return;
    }
    value(node, key.name, key.shape, mistakes);
}

fn value(node: &Node, name: &str, shape: Shape, mistakes: &mut Mistakes) {
    match (shape, &node.value) {
        (Shape::Text(rule) | Shape::TextOr(rule, _), Yaml::Text(found)) => {
            text_rule(node.at, name, rule, found, mistakes);
        }
        (Shape::TextOr(_, table) | Shape::Object(table), Yaml::Map(_)) => object(node, table, mistakes),
        (Shape::Bool, Yaml::Bool(_)) | (Shape::Json, Yaml::Map(_)) => {}
        (Shape::Int(min, max), Yaml::Int(found)) => {
            if !(min..=max).contains(found) {
                let expected =
                    if min == max { format!("{min}") } else { format!("a number from {min} to {max}") };
                bad_value(node.at, name, &found.to_string(), &expected, mistakes);
            }
        }
        (Shape::OneOf(words), Yaml::Text(found)) => {
            if !words.contains(&found.as_str()) {
                bad_value(node.at, name, found, &quoted(words), mistakes);
            }
        }
        (Shape::List(of, max), Yaml::List(items)) => {
            if items.len() > max {
                let message = format!("found {} entries in `{name}`, expected at most {max}", items.len());
                mistakes.add(node.at, "too_many", message);
                return;
            }
            for item in items {
                value(item, name, *of, mistakes);
            }
        }
        (Shape::Secret, _) => secret(node, name, mistakes),
        (Shape::Document(kind), Yaml::Map(_) | Yaml::Text(_)) => document(node, kind, mistakes),
        (Shape::Expression, Yaml::Text(found)) => expression(node.at, found, mistakes),
        (Shape::Tags, Yaml::Map(pairs)) => tags(node.at, pairs, mistakes),
        (shape, found) => {
            let hint = match (shape, found) {
                (
                    Shape::Text(_) | Shape::TextOr(..) | Shape::Expression,
                    Yaml::Int(_) | Yaml::Float(_) | Yaml::Bool(_),
                ) => ": put it in quotes",
                _ => "",
            };
            mistakes.add(
                node.at,
                "wrong_type",
                format!("found {} for `{name}`, expected {}{hint}", found.kind(), expected(shape)),
            );
        }
    }
}

/// What a shape expects, in words.
fn expected(shape: Shape) -> String {
    match shape {
        Shape::Text(_) => "text".to_owned(),
        Shape::Bool => "`true` or `false`".to_owned(),
        Shape::Int(min, max) => format!("a whole number from {min} to {max}"),
        Shape::OneOf(words) => quoted(words),
        Shape::List(..) => "a list".to_owned(),
        Shape::Object(table) => format!("a mapping for {}", table.noun),
        Shape::TextOr(_, table) => format!("text, or a mapping for {}", table.noun),
        Shape::Secret => "`{ env: NAME }` or `{ file: PATH }`".to_owned(),
        Shape::Json => "a mapping".to_owned(),
        Shape::Document(_) => "a policy document: a mapping, or text that holds JSON".to_owned(),
        Shape::Expression => "text: an expression in CEL".to_owned(),
        Shape::Tags => "a mapping of names to text".to_owned(),
    }
}

fn quoted(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    words.join(" or ")
}

fn bad_value(at: Place, name: &str, found: &str, expected: &str, mistakes: &mut Mistakes) {
    mistakes.add(at, "bad_value", format!("found `{}` for `{name}`, expected {expected}", shown(found)));
}

fn text_rule(at: Place, name: &str, rule: Text, found: &str, mistakes: &mut Mistakes) {
    let refused = match rule {
        Text::Line(max) => text::check_line(found, max).err().map(|e| e.to_string()),
        Text::Prose(max) => prose(found, max),
        Text::Code(max) => text::check_code(found, max).err().map(|e| e.to_string()),
        Text::Username => text::parse_username(found).err().map(|e| e.to_string()),
        Text::Email => text::check_email(found).err().map(|e| e.to_string()),
        Text::Phone => text::check_phone(found).err().map(|e| e.to_string()),
        Text::Resource => policy::ResourceName::check(found).err().map(|e| e.to_string()),
        Text::ActionPattern => policy::ActionPattern::parse(found).err().map(must_have),
        Text::ResourcePattern => policy::ResourcePattern::parse_plain(found).err().map(must_have),
        Text::Instant => base::Timestamp::parse(found)
            .is_none()
            .then(|| "must be an instant as RFC 3339 writes it, like 2027-01-31T12:00:00Z".to_owned()),
    };
    if let Some(why) = refused {
        mistakes.add(at, "bad_value", format!("found `{}` for `{name}`: it {why}", shown(found)));
    }
}

fn must_have(error: policy::PatternError) -> String {
    format!("must have {}", error.expectation())
}

fn prose(found: &str, max: usize) -> Option<String> {
    let length = found.chars().count();
    if length > max {
        return Some(format!("must have at most {max} characters, has {length}"));
    }
    let bad = |c: &char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    found.chars().find(bad).map(|c| format!("must not contain {c:?}"))
}

/// A secret stands in no file. The message never repeats what stands there instead.
fn secret(node: &Node, name: &str, mistakes: &mut Mistakes) {
    let Yaml::Map(pairs) = &node.value else {
        mistakes.add(
            node.at,
            "secret_in_clear",
            format!(
                "found {} for `{name}`, expected `{{ env: NAME }}` or `{{ file: PATH }}`: a secret never stands in the file; change it now if it was real",
                node.value.kind()
            ),
        );
        return;
    };
    let mut known_keys = true;
    for (key, value) in pairs {
        let Some(known) = SECRET.key(&key.value) else {
            known_keys = false;
            // The key is not repeated: it could be the secret.
            let message = format!("found an unknown key in `{name}`, expected `env`, `file` or `rotate`");
            mistakes.add(key.at, "unknown_key", message);
            continue;
        };
        match (known.shape, &value.value) {
            (Shape::Bool, Yaml::Bool(_)) => {}
            (Shape::Text(Text::Line(max)), Yaml::Text(text)) if text::check_line(text, max).is_ok() => {}
            (shape, found) => mistakes.add(
                value.at,
                "wrong_type",
                format!("found {} for `{}`, expected {}", found.kind(), known.name, expected(shape)),
            ),
        }
    }
    let has = |wanted: &str| pairs.iter().any(|(key, _)| key.value == wanted);
    if known_keys && has("env") == has("file") {
        let found = if has("env") { "both `env` and `file`" } else { "neither `env` nor `file`" };
        mistakes.add(node.at, "bad_value", format!("found {found} for `{name}`, expected one of them"));
    }
}

fn tags(at: Place, pairs: &[(At<String>, Node)], mistakes: &mut Mistakes) {
    if pairs.len() > TAGS_MAX {
        mistakes.add(at, "too_many", format!("found {} tags, expected at most {TAGS_MAX}", pairs.len()));
        return;
    }
    for (name, node) in pairs {
        text_rule(name.at, "tags", Text::Line(TAG_KEY_MAX), &name.value, mistakes);
        // A tag may be there without a value.
        if !matches!(&node.value, Yaml::Text(text) if text.is_empty()) {
            value(node, &name.value, Shape::Text(Text::Line(TAG_VALUE_MAX)), mistakes);
        }
    }
}

/// An expression is checked by the policy engine too; its mistakes say line and column within its own text.
fn expression(at: Place, found: &str, mistakes: &mut Mistakes) {
    for error in policy::Expression::parse(found).err().unwrap_or_default() {
        mistakes.add(at, "bad_expression", format!("in the expression, {error}"));
    }
}

/// A policy document is checked by the policy engine itself; its mistakes are placed by their pointers.
fn document(node: &Node, kind: policy::Kind, mistakes: &mut Mistakes) {
    let errors = match &node.value {
        Yaml::Text(json) => policy::Document::parse_as(kind, json).err(),
        _ => policy::Document::from_value_as(kind, &node.to_json()).err(),
    };
    for error in errors.unwrap_or_default() {
        mistakes.add(node.locate(&error.path), "bad_document", format!("in the policy document, {error}"));
    }
}
