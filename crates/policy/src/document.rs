//! Policy documents: from JSON to statements, with every mistake named by its place.
//!
//! Nothing is ever ignored. An element that this version does not know, or knows but does not support, refuses
//! the document; so does a key that stands twice, because two readers could keep different ones.

mod read;
mod unique;

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::name::NameError;
use crate::pattern::{ActionPattern, ResourcePattern};

/// The only accepted `Version`.
pub const VERSION: &str = "2012-10-17";
/// The longest document, in bytes of JSON text, as given and in canonical form.
pub const DOCUMENT_BYTES_MAX: usize = 64 * 1024;
/// The most statements in a document.
pub const STATEMENTS_MAX: usize = 256;
/// The most patterns in one `Action` or `Resource` list.
pub const VALUES_MAX: usize = 256;
/// The longest `Id` or `Sid`, in bytes.
pub const LABEL_BYTES_MAX: usize = 128;
/// The most mistakes reported for one document; one more entry says that there are others.
pub const ERRORS_MAX: usize = 100;

/// A policy document: statements that were read, checked and compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    id: Option<Box<str>>,
    statements: Vec<Statement>,
}

impl Document {
    /// Reads a document from JSON text.
    ///
    /// `Version` must be [`VERSION`]; `Statement` is a list of 1 to [`STATEMENTS_MAX`] objects, or one object;
    /// `Action` and `Resource` are a string or a list of 1 to [`VALUES_MAX`] strings.
    ///
    /// Fails with all mistakes (at most [`ERRORS_MAX`] and a last entry that says so), each with its place as a
    /// JSON pointer (RFC 6901).
    pub fn parse(json: &str) -> Result<Self, Vec<ParseError>> {
        let mut errors = Errors::default();
        let document = if json.len() > DOCUMENT_BYTES_MAX {
            errors.add_too_long(json.len());
            None
        } else {
            unique::read_json(json, &mut errors).and_then(|value| read::read_document(&value, &mut errors))
        };
        errors.finish(document)
    }

    /// Reads a document from a JSON value, by the rules of [`Document::parse`]. A value cannot show that a key
    /// stood twice in the text it came from, so text from outside belongs to `parse`.
    pub fn from_value(value: &Value) -> Result<Self, Vec<ParseError>> {
        let mut errors = Errors::default();
        let document = read::read_document(value, &mut errors);
        errors.finish(document)
    }

    /// Returns the canonical form: every list written as a list, empty labels left out. Reading it gives an
    /// equal document.
    #[must_use]
    pub fn to_value(&self) -> Value {
        // Keys are inserted in alphabetical order, so that both kinds of map of the JSON library write the same.
        let mut map = Map::new();
        if let Some(id) = &self.id {
            map.insert("Id".into(), json!(id));
        }
        map.insert("Statement".into(), self.statements.iter().map(Statement::to_value).collect());
        map.insert("Version".into(), json!(VERSION));
        Value::Object(map)
    }

    /// Returns the document's `Id`.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Returns the statements, at least one, in the order of the document.
    #[must_use]
    pub fn statements(&self) -> &[Statement] {
        &self.statements
    }
}

/// What a statement does where it applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// Permits, unless a deny applies too.
    Allow,
    /// Refuses, whatever else applies.
    Deny,
}

impl Effect {
    /// Returns the effect as documents write it: `Allow` or `Deny`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "Allow",
            Self::Deny => "Deny",
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One statement: an effect on every pair of a matching action and a matching resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    pub(crate) sid: Option<Arc<str>>,
    effect: Effect,
    actions: Vec<ActionPattern>,
    resources: Vec<ResourcePattern>,
    /// Names that the statement covers together with all that lies in them.
    within: Option<Arc<HashSet<Box<str>>>>,
}

impl Statement {
    /// Builds an allow in code, by the rules of a document.
    ///
    /// Fails with all mistakes, their paths relative to the statement (`/Action/0`).
    pub fn allow(actions: &[&str], resources: &[&str]) -> Result<Self, Vec<ParseError>> {
        Self::build(Effect::Allow, actions, resources)
    }

    /// Builds a deny in code. Fails as [`Statement::allow`] does.
    pub fn deny(actions: &[&str], resources: &[&str]) -> Result<Self, Vec<ParseError>> {
        Self::build(Effect::Deny, actions, resources)
    }

    /// Builds a statement in code about literal actions on resources of these names and on all that lies in
    /// them, by the tree that a snapshot holds.
    ///
    /// Fails with the first action that is no name.
    pub fn within(
        effect: Effect,
        actions: &[&str],
        resources: &Arc<HashSet<Box<str>>>,
    ) -> Result<Self, NameError> {
        let mut patterns = Vec::with_capacity(actions.len());
        for action in actions {
            patterns.push(ActionPattern::literal(action)?);
        }
        let within = Some(resources.clone());
        Ok(Self { sid: None, effect, actions: patterns, resources: Vec::new(), within })
    }

    fn build(effect: Effect, actions: &[&str], resources: &[&str]) -> Result<Self, Vec<ParseError>> {
        let value = json!({ "Action": actions, "Effect": effect.as_str(), "Resource": resources });
        let mut errors = Errors::default();
        let statement = read::read_statement(&value, &Place::Root, &mut errors);
        errors.finish(statement)
    }

    /// Tells whether some action pattern matches `action` and some resource pattern matches `resource`.
    #[must_use]
    pub fn applies_to(&self, action: &str, resource: &str) -> bool {
        self.actions.iter().any(|pattern| pattern.matches(action))
            && self.resources.iter().any(|pattern| pattern.matches(resource))
    }

    /// Tells whether the statement applies to `action` on the first name of `chain`; the others are what that
    /// resource lies in.
    #[must_use]
    pub fn applies_along(&self, action: &str, chain: &[&str]) -> bool {
        let Some(resource) = chain.first() else { return false };
        let names = |name: &&str| self.within.as_ref().is_some_and(|within| within.contains(*name));
        self.actions.iter().any(|pattern| pattern.matches(action))
            && (self.resources.iter().any(|pattern| pattern.matches(resource)) || chain.iter().any(names))
    }

    /// Returns the statement's own name, unique within its document; an empty `Sid` counts as none.
    #[must_use]
    pub fn sid(&self) -> Option<&str> {
        self.sid.as_deref()
    }

    /// Returns what the statement does where it applies.
    #[must_use]
    pub fn effect(&self) -> Effect {
        self.effect
    }

    /// Returns the action patterns, at least one.
    #[must_use]
    pub fn actions(&self) -> &[ActionPattern] {
        &self.actions
    }

    /// Returns the resource patterns; at least one, except in a statement that covers names and what lies in
    /// them.
    #[must_use]
    pub fn resources(&self) -> &[ResourcePattern] {
        &self.resources
    }

    fn to_value(&self) -> Value {
        let mut map = Map::new();
        map.insert("Action".into(), self.actions.iter().map(ActionPattern::as_str).collect());
        map.insert("Effect".into(), json!(self.effect.as_str()));
        map.insert("Resource".into(), self.resources.iter().map(ResourcePattern::as_str).collect());
        if let Some(sid) = self.sid() {
            map.insert("Sid".into(), json!(sid));
        }
        Value::Object(map)
    }
}

/// One mistake in a document. Displays as one sentence without a period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// The place, as a JSON pointer (RFC 6901); empty for the document itself. Long keys are cut short.
    pub path: String,
    /// What stands there; input in backticks, cut short, control characters escaped.
    pub found: String,
    /// What should stand there.
    pub expected: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.path.is_empty() { "the document" } else { &self.path };
        write!(f, "{place}: found {}, expected {}", self.found, self.expected)
    }
}

impl std::error::Error for ParseError {}

/// The mistakes found so far, bounded by [`ERRORS_MAX`].
#[derive(Default)]
struct Errors {
    list: Vec<ParseError>,
}

impl Errors {
    fn add(&mut self, place: &Place<'_>, found: impl Into<String>, expected: impl Into<String>) {
        if self.list.len() < ERRORS_MAX {
            self.list.push(ParseError {
                path: place.pointer(),
                found: found.into(),
                expected: expected.into(),
            });
        } else if self.list.len() == ERRORS_MAX {
            self.list.push(ParseError {
                path: String::new(),
                found: format!("more than {ERRORS_MAX} mistakes"),
                expected: "a document with fewer; the others are not listed".into(),
            });
        }
    }

    fn add_too_long(&mut self, bytes: usize) {
        let expected = format!("at most {DOCUMENT_BYTES_MAX} bytes");
        self.add(&Place::Root, format!("a document of {bytes} bytes"), expected);
    }

    /// Gives the value only if nothing was wrong. A reader that gives none has said why.
    fn finish<T>(self, value: Option<T>) -> Result<T, Vec<ParseError>> {
        match value {
            Some(value) if self.list.is_empty() => Ok(value),
            _ => Err(self.list),
        }
    }
}

/// A place in a document, as a chain of borrowed steps that becomes text only when there is a mistake to report.
#[derive(Clone, Copy)]
enum Place<'a> {
    Root,
    Key(&'a Place<'a>, &'a str),
    Index(&'a Place<'a>, usize),
}

impl Place<'_> {
    /// Writes the place as a JSON pointer: RFC 6901, section 3, `~` becomes `~0` and `/` becomes `~1`.
    fn pointer(&self) -> String {
        let mut steps = Vec::new();
        let mut place = self;
        loop {
            place = match place {
                Place::Root => break,
                Place::Key(parent, key) => {
                    steps.push(shorten(key).replace('~', "~0").replace('/', "~1"));
                    parent
                }
                Place::Index(parent, index) => {
                    steps.push(index.to_string());
                    parent
                }
            };
        }
        steps.iter().rev().flat_map(|step| ["/", step]).collect()
    }
}

/// Cuts a text of the author's to what fits an error message, its control characters escaped.
fn shorten(text: &str) -> String {
    const CHARS_MAX: usize = 64;

    let mut short = String::new();
    for c in text.chars().take(CHARS_MAX) {
        if c.is_control() {
            short.extend(c.escape_default());
        } else {
            short.push(c);
        }
    }
    if text.chars().nth(CHARS_MAX).is_some() {
        short.push('…');
    }
    short
}
