//! Policy documents: from JSON to statements, with every mistake named by its place.
//!
//! Nothing is ever ignored. An element that this version does not know, or knows but does not support, refuses
//! the document; so does a key that stands twice, because two readers could keep different ones.

mod read;
mod unique;
mod write;

use std::fmt;

use serde_json::{Value, json};

use crate::quote::shorten;
use crate::statement::{Effect, Statement};

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
/// The most pairs of operator and key in the conditions of one statement.
pub const CONDITIONS_MAX: usize = 64;
/// The longest value of a condition, in bytes.
pub const CONDITION_VALUE_BYTES_MAX: usize = 1024;
/// The most steps that matching all wildcards of a document with the longest names and values may take. It
/// bounds the time of a decision, whoever chooses patterns and names.
pub const MATCHING_STEPS_MAX: usize = 500_000;
/// The most mistakes reported for one document; one more entry says that there are others.
pub const ERRORS_MAX: usize = 100;

/// What a document is attached to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Roles, users and the ceilings above them: whom it is about is said by what it is attached to.
    #[default]
    Identity,
    /// A resource: each statement says whom it is about.
    Resource,
}

/// A policy document: statements that were read, checked and compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    id: Option<Box<str>>,
    statements: Box<[Statement]>,
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
        Self::parse_as(Kind::Identity, json)
    }

    /// Reads a document that is attached to what `kind` says, by the rules of [`Document::parse`].
    pub fn parse_as(kind: Kind, json: &str) -> Result<Self, Vec<ParseError>> {
        let mut errors = Errors::default();
        let document = if json.len() > DOCUMENT_BYTES_MAX {
            errors.add_too_long(json.len());
            None
        } else {
            unique::read_json(json, &mut errors)
                .and_then(|value| read::read_document(kind, &value, Some(json.len()), &mut errors))
        };
        errors.finish(document)
    }

    /// Reads a document from a JSON value, by the rules of [`Document::parse`]. A value cannot show that a key
    /// stood twice in the text it came from, so text from outside belongs to `parse`.
    pub fn from_value(value: &Value) -> Result<Self, Vec<ParseError>> {
        Self::from_value_as(Kind::Identity, value)
    }

    /// Reads a document from a JSON value that is attached to what `kind` says.
    pub fn from_value_as(kind: Kind, value: &Value) -> Result<Self, Vec<ParseError>> {
        let mut errors = Errors::default();
        let document = read::read_document(kind, value, None, &mut errors);
        errors.finish(document)
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

    fn build(effect: Effect, actions: &[&str], resources: &[&str]) -> Result<Self, Vec<ParseError>> {
        let value = json!({ "Action": actions, "Effect": effect.as_str(), "Resource": resources });
        let mut errors = Errors::default();
        let statement = read::read_statement(Kind::Identity, &value, &Place::Root, &mut errors);
        errors.finish(statement)
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
