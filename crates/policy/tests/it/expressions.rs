//! Policy expressions: what they mean, what is refused, what they cost.

mod errors;
mod functions;
mod fuzz;
mod language;
mod limits;
mod reference;
mod variables;

use policy::expression::{Entries, Expression, ExpressionError, Failure, Root, Scope, Timestamp, Value};

/// 2026-11-22T09:30:00Z.
const NOW_MICROS: i64 = 1_795_339_800_000_000;

/// A question, with all that a scope can hold.
pub(crate) struct Question {
    roles: Vec<&'static str>,
    groups: Vec<&'static str>,
    principal_tags: Vec<(&'static str, &'static str)>,
    owner: Option<&'static str>,
    resource_tags: Vec<(&'static str, &'static str)>,
    ancestors: Vec<&'static str>,
    context: Context,
}

/// A value that a context may hold.
pub(crate) enum Held {
    Text(&'static str),
    Texts(Vec<&'static str>),
    Int(i64),
    Double(f64),
    Bool(bool),
    Now,
    Null,
}

pub(crate) struct Context(Vec<(&'static str, Held)>);

impl Entries for Context {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn key(&self, index: usize) -> Option<&str> {
        self.0.get(index).map(|(key, _)| *key)
    }

    fn value(&self, key: &str) -> Option<Value<'_>> {
        let (_, held) = self.0.iter().find(|(name, _)| *name == key)?;
        Some(match held {
            Held::Text(text) => (*text).into(),
            Held::Texts(texts) => Value::list(texts),
            Held::Int(value) => Value::Int(*value),
            Held::Double(value) => Value::Double(*value),
            Held::Bool(value) => Value::Bool(*value),
            Held::Now => Value::Timestamp(Timestamp::from_unix_micros(NOW_MICROS).unwrap()),
            Held::Null => Value::Null,
        })
    }
}

impl Question {
    /// The question that `docs/policy-expressions.md` describes.
    pub(crate) fn full() -> Self {
        Self {
            roles: vec!["editor", "auditor"],
            groups: vec!["night-shift"],
            principal_tags: vec![("team", "blue"), ("level", "3")],
            owner: Some("u-1"),
            resource_tags: vec![("team", "blue"), ("state", "draft")],
            ancestors: vec!["reports/2026", "reports"],
            context: Context(vec![
                ("aws:sourceip", Held::Text("10.1.2.3")),
                ("aws:currenttime", Held::Now),
                ("aws:securetransport", Held::Bool(true)),
                ("app:amount", Held::Int(250)),
                ("app:ratio", Held::Double(0.5)),
                ("app:regions", Held::Texts(vec!["eu", "us"])),
                ("app:none", Held::Null),
            ]),
        }
    }

    /// A question about an unregistered resource, without context.
    pub(crate) fn bare() -> Self {
        Self {
            roles: vec![],
            groups: vec![],
            principal_tags: vec![],
            owner: None,
            resource_tags: vec![],
            ancestors: vec![],
            context: Context(vec![]),
        }
    }
}

impl Scope for Question {
    fn variable(&self, root: Root) -> Value<'_> {
        match root {
            Root::Action => "report:read".into(),
            Root::Context => Value::map(&self.context),
            Root::Principal | Root::Resource => Value::Null,
        }
    }

    fn field(&self, root: Root, name: &str) -> Option<Value<'_>> {
        Some(match (root, name) {
            (Root::Principal, "id") => "u-1".into(),
            (Root::Principal, "name") => "ana".into(),
            (Root::Principal, "kind") => "user".into(),
            (Root::Principal, "tenant") => "t-1".into(),
            (Root::Principal, "roles") => Value::list(&self.roles),
            (Root::Principal, "groups") => Value::list(&self.groups),
            (Root::Principal, "tags") => Value::map(&self.principal_tags),
            (Root::Principal, "mfa") => Value::Bool(true),
            (Root::Resource, "name") => "reports/2026/q3".into(),
            (Root::Resource, "owner") => self.owner?.into(),
            (Root::Resource, "tags") => Value::map(&self.resource_tags),
            (Root::Resource, "ancestors") => Value::list(&self.ancestors),
            (Root::Context, key) => self.context.value(key)?,
            _ => return None,
        })
    }
}

pub(crate) fn parse(text: &str) -> Expression {
    match Expression::parse(text) {
        Ok(expression) => expression,
        Err(errors) => panic!("{text}: {errors:?}"),
    }
}

pub(crate) fn evaluate(text: &str) -> Result<bool, ExpressionError> {
    parse(text).evaluate(&Question::full())
}

/// Checks that each expression holds.
pub(crate) fn holds(cases: &[&str]) {
    for text in cases {
        assert_eq!(evaluate(text), Ok(true), "{text}");
    }
}

/// Checks that no expression holds.
pub(crate) fn holds_not(cases: &[&str]) {
    for text in cases {
        assert_eq!(evaluate(text), Ok(false), "{text}");
    }
}

/// Checks that each expression fails in this way.
pub(crate) fn fails(failure: Failure, cases: &[&str]) {
    for text in cases {
        assert_eq!(evaluate(text).map_err(|error| error.failure), Err(failure), "{text}");
    }
}

/// Checks that each expression is refused, with a message that has these words in it.
pub(crate) fn refused(words: &str, cases: &[&str]) {
    for text in cases {
        let Err(errors) = Expression::parse(text) else { panic!("accepted: {text}") };
        let said = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        assert!(said.contains(words), "{text}: {said}");
    }
}
