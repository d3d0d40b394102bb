//! What differs between two versions of a policy: member by member, statement by statement, element by element.
//!
//! Statements are the same by their `Sid`; those without one by what they say, and then by their place. The order of
//! patterns and values in a list means nothing and makes no difference.

use std::collections::BTreeMap;

use serde_json::Value;

/// A policy as it is written: what can differ.
#[derive(Debug, Clone, Copy)]
pub struct Content<'a> {
    /// Its members besides the document, each with its name.
    pub members: &'a [(&'static str, Value)],
    /// Its document, in canonical form.
    pub document: Option<&'a Value>,
}

/// What differs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Diff {
    /// Members, in the order given; `document.Id` among them.
    pub members: Vec<Element>,
    /// Statements: in the order of the later document, then those that are gone.
    pub statements: Vec<StatementDiff>,
}

impl Diff {
    /// Tells whether nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty() && self.statements.is_empty()
    }
}

/// What became of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It says something else.
    Changed,
}

impl Change {
    /// Returns the word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
        }
    }
}

/// A statement that differs.
#[derive(Debug, Clone, PartialEq)]
pub struct StatementDiff {
    /// What became of it.
    pub change: Change,
    /// Its `Sid`: the later one, if it has one.
    pub sid: Option<String>,
    /// Its place in the earlier document, from 0.
    pub before: Option<usize>,
    /// Its place in the later one.
    pub after: Option<usize>,
    /// What differs in it; of an added or removed one, all that it says.
    pub elements: Vec<Element>,
}

/// An element that differs.
#[derive(Debug, Clone, PartialEq)]
pub struct Element {
    /// Its name; a condition is `Condition/{operator}/{key}`.
    pub name: String,
    /// What it was; nothing where it was not there.
    pub before: Option<Value>,
    /// What it is.
    pub after: Option<Value>,
}

/// Compares two versions.
#[must_use]
pub fn diff(before: &Content<'_>, after: &Content<'_>) -> Diff {
    let mut members = Vec::new();
    for (name, now) in after.members {
        let was = before.members.iter().find(|(known, _)| known == name).map(|(_, value)| value);
        let present = |value: &Value| Some(Compared::new(value)).filter(|_| !value.is_null());
        push_if_different(&mut members, name, was.and_then(present).as_ref(), present(now).as_ref());
    }
    let id =
        |content: &Content<'_>| content.document.and_then(|document| document.get("Id").map(Compared::new));
    push_if_different(&mut members, "document.Id", id(before).as_ref(), id(after).as_ref());
    Diff { members, statements: statements(&read(before.document), &read(after.document)) }
}

/// A value as it is written, and what it is compared by: the items of a list in one order, one text as a list of it.
#[derive(Clone)]
struct Compared {
    written: Value,
    items: Vec<String>,
}

impl Compared {
    fn new(written: &Value) -> Self {
        let mut items: Vec<String> = match written {
            Value::Array(list) => list.iter().map(Value::to_string).collect(),
            single => vec![single.to_string()],
        };
        items.sort_unstable();
        items.dedup();
        Self { written: written.clone(), items }
    }
}

impl PartialEq for Compared {
    fn eq(&self, other: &Self) -> bool {
        self.items == other.items
    }
}

/// The elements of a statement by name, its conditions one by one.
type Elements = BTreeMap<String, Compared>;

/// The statements of a document.
fn read(document: Option<&Value>) -> Vec<Elements> {
    match document.and_then(|document| document.get("Statement")) {
        Some(Value::Array(list)) => list.iter().map(elements).collect(),
        Some(single) => vec![elements(single)],
        None => Vec::new(),
    }
}

fn elements(statement: &Value) -> Elements {
    let mut found = Elements::new();
    for (name, value) in statement.as_object().into_iter().flatten() {
        if name != "Condition" {
            found.insert(name.clone(), Compared::new(value));
            continue;
        }
        for (operator, keys) in value.as_object().into_iter().flatten() {
            for (key, values) in keys.as_object().into_iter().flatten() {
                found.insert(format!("Condition/{operator}/{key}"), Compared::new(values));
            }
        }
    }
    found
}

fn push_if_different(
    into: &mut Vec<Element>,
    name: &str,
    before: Option<&Compared>,
    after: Option<&Compared>,
) {
    if before != after {
        let written = |side: Option<&Compared>| side.map(|side| side.written.clone());
        into.push(Element { name: name.to_owned(), before: written(before), after: written(after) });
    }
}

/// Tells whether two statements, at these places, are taken for one.
type IsSame<'a> = &'a dyn Fn((usize, &Elements), (usize, &Elements)) -> bool;

/// Which statement of the earlier document each one of the later is.
fn pair(before: &[Elements], after: &[Elements]) -> Vec<Option<usize>> {
    let mut pairs: Vec<Option<usize>> = vec![None; after.len()];
    let mut free: Vec<bool> = vec![true; before.len()];
    let sid = |elements: &Elements| elements.get("Sid").cloned();
    let by_sid: IsSame<'_> = &|(_, now), (_, was)| sid(now).is_some() && sid(now) == sid(was);
    let by_content: IsSame<'_> = &|(_, now), (_, was)| {
        let bare = |elements: &'_ Elements| elements.len() - usize::from(elements.contains_key("Sid"));
        let same = |name: &String, value: &Compared| name == "Sid" || was.get(name) == Some(value);
        bare(now) == bare(was) && now.iter().all(|(name, value)| same(name, value))
    };
    let by_place: IsSame<'_> =
        &|(at, now), (was_at, was)| at == was_at && (sid(now).is_none() || sid(was).is_none());
    for is_same in [by_sid, by_content, by_place] {
        for (at, now) in after.iter().enumerate() {
            let Some(found) = pairs.get_mut(at).filter(|found| found.is_none()) else { continue };
            let mut left = before.iter().enumerate().zip(&mut free).filter(|(_, free)| **free);
            if let Some(((was_at, _), free)) = left.find(|(was, _)| is_same((at, now), *was)) {
                *free = false;
                *found = Some(was_at);
            }
        }
    }
    pairs
}

fn statements(before: &[Elements], after: &[Elements]) -> Vec<StatementDiff> {
    let nothing = Elements::new();
    let pairs = pair(before, after);
    let mut found = Vec::new();
    let sid = |elements: &Elements| elements.get("Sid")?.written.as_str().map(str::to_owned);
    for (at, (now, was_at)) in after.iter().zip(&pairs).enumerate() {
        let was = was_at.and_then(|at| before.get(at)).unwrap_or(&nothing);
        let elements = different(was, now);
        if elements.is_empty() {
            continue;
        }
        let change = if was_at.is_some() { Change::Changed } else { Change::Added };
        let sid = sid(now).or_else(|| sid(was));
        found.push(StatementDiff { change, sid, before: *was_at, after: Some(at), elements });
    }
    for (at, was) in before.iter().enumerate().filter(|(at, _)| !pairs.contains(&Some(*at))) {
        let elements = different(was, &nothing);
        let change = Change::Removed;
        found.push(StatementDiff { change, sid: sid(was), before: Some(at), after: None, elements });
    }
    found
}

fn different(was: &Elements, now: &Elements) -> Vec<Element> {
    let mut names: Vec<&String> = was.keys().chain(now.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let mut found = Vec::new();
    for name in names {
        push_if_different(&mut found, name, was.get(name), now.get(name));
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(before: &Value, after: &Value) -> Diff {
        let content = |document| Content { members: &[], document: Some(document) };
        diff(&content(before), &content(after))
    }

    /// Each statement as `change sid before>after: elements`.
    fn lines(diff: &Diff) -> Vec<String> {
        let line = |one: &StatementDiff| {
            let names: Vec<&str> = one.elements.iter().map(|element| element.name.as_str()).collect();
            format!(
                "{} {} {:?}>{:?}: {}",
                one.change.as_str(),
                one.sid.as_deref().unwrap_or("-"),
                one.before,
                one.after,
                names.join(" ")
            )
        };
        diff.statements.iter().map(line).collect()
    }

    fn document(statements: Value) -> Value {
        json!({ "Version": "2012-10-17", "Statement": statements })
    }

    #[test]
    fn members_differ_by_value_and_null_is_nothing() {
        let before = [("name", json!("a")), ("priority", json!(0)), ("expression", Value::Null)];
        let after = [("name", json!("a")), ("priority", json!(5)), ("expression", json!("true"))];
        let document = document(json!([]));
        let with_id = json!({ "Id": "x", "Version": "2012-10-17", "Statement": [] });
        let found = diff(
            &Content { members: &before, document: Some(&document) },
            &Content { members: &after, document: Some(&with_id) },
        );
        let expected = [
            Element { name: "priority".into(), before: Some(json!(0)), after: Some(json!(5)) },
            Element { name: "expression".into(), before: None, after: Some(json!("true")) },
            Element { name: "document.Id".into(), before: None, after: Some(json!("x")) },
        ];
        assert_eq!(found.members, expected);
        assert!(found.statements.is_empty());
    }

    #[test]
    fn statements_are_followed_by_sid_wherever_they_stand() {
        let before = document(json!([
            { "Sid": "A", "Effect": "Allow", "Action": ["a:b"], "Resource": ["*"] },
            { "Sid": "B", "Effect": "Deny", "Action": ["a:b"], "Resource": ["x"] },
        ]));
        let after = document(json!([
            { "Sid": "B", "Effect": "Deny", "Action": ["a:b", "a:c"], "Resource": ["x"] },
            { "Sid": "C", "Effect": "Allow", "Action": ["a:d"], "Resource": ["*"] },
        ]));
        let found = of(&before, &after);
        let expected = [
            "changed B Some(1)>Some(0): Action",
            "added C None>Some(1): Action Effect Resource Sid",
            "removed A Some(0)>None: Action Effect Resource Sid",
        ];
        assert_eq!(lines(&found), expected);
        let element = &found.statements[0].elements[0];
        assert_eq!((&element.before, &element.after), (&Some(json!(["a:b"])), &Some(json!(["a:b", "a:c"]))));
    }

    #[test]
    fn statements_without_a_sid_are_followed_by_what_they_say_and_then_by_place() {
        let one = json!({ "Effect": "Allow", "Action": ["a:b", "a:c"], "Resource": ["*"] });
        let reordered = json!({ "Effect": "Allow", "Action": ["a:c", "a:b"], "Resource": "*" });
        let two = json!({ "Effect": "Allow", "Action": ["a:d"], "Resource": ["*"] });
        let guarded = json!({
            "Effect": "Allow", "Action": ["a:d"], "Resource": ["*"],
            "Condition": { "Bool": { "aws:SecureTransport": ["true"] } },
        });
        assert!(of(&document(json!([one, two])), &document(json!([two, reordered]))).is_empty());
        let found = of(&document(json!([one, two])), &document(json!([one, guarded])));
        assert_eq!(lines(&found), ["changed - Some(1)>Some(1): Condition/Bool/aws:SecureTransport"]);
        let named = json!({ "Sid": "N", "Effect": "Allow", "Action": ["a:d"], "Resource": ["*"] });
        let found = of(&document(json!([two])), &document(json!(named)));
        assert_eq!(lines(&found), ["changed N Some(0)>Some(0): Sid"]);
        assert_eq!(
            lines(&of(&document(json!([two])), &json!({}))),
            ["removed - Some(0)>None: Action Effect Resource"]
        );
    }

    #[test]
    fn a_condition_differs_key_by_key() {
        let with = |condition: Value| {
            document(
                json!([{ "Effect": "Allow", "Action": ["a:b"], "Resource": ["*"], "Condition": condition }]),
            )
        };
        let before = with(json!({ "StringEquals": { "a": ["1", "2"], "b": ["1"] } }));
        let after =
            with(json!({ "StringEquals": { "a": ["2", "1"], "b": ["2"] }, "Null": { "c": ["true"] } }));
        let found = of(&before, &after);
        assert_eq!(lines(&found), ["changed - Some(0)>Some(0): Condition/Null/c Condition/StringEquals/b"]);
    }
}
