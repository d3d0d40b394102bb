//! Policy expressions: boolean conditions in the Common Expression Language (CEL), read and checked when a policy
//! is written, and evaluated without IO, without a clock, and within a fixed cost.
//!
//! The language is that of the specification (<https://github.com/google/cel-spec>, `doc/langdef.md`) without
//! protocol buffers: no messages, no enumerations, no wrappers. `docs/policy-expressions.md` is its reference for
//! people. Four variables hold the question:
//!
//! | variable | type |
//! |---|---|
//! | `principal` | `id`, `name`, `kind`, `tenant`: string; `roles`, `groups`: list(string); `tags`: map(string, string); `mfa`: bool |
//! | `action` | string |
//! | `resource` | `name`, `owner`: string; `tags`: map(string, string); `ancestors`: list(string) |
//! | `context` | map(string, dyn), its keys the condition keys in lower case, such as `context["aws:sourceip"]` |
//!
//! Everything that can be known at writing is checked at writing: names, types, literal patterns, timestamps and
//! time zones. What remains are errors of evaluation ([`Failure`]): a field that is absent, a value of a dynamic
//! type that does not fit, arithmetic out of range, and the limits. `&&`, `||`, `all` and `exists` absorb an error
//! if another operand decides, as the specification says; a limit that was passed is never absorbed.
//!
//! Reading order: `lex` and `parse` (text to tree), `types` and `check` (tree to program), `value`, `eval`.

mod check;
mod compare;
mod eval;
mod lex;
mod parse;
mod program;
mod reads;
mod regular;
mod time;
mod types;
mod value;

use std::fmt;
use std::sync::Arc;

use crate::document::ParseError;

pub use time::{Duration, Timestamp};
pub use value::{Entries, Items, Kind, List, Map, Octets, Text, Value};

/// The longest expression, in bytes.
pub const TEXT_BYTES_MAX: usize = 4 * 1024;
/// How deep parentheses, brackets, arguments and the last branches of `?:` nest.
pub const NESTING_MAX: usize = 32;
/// The most operations of which each needs the result of the one before.
pub const HEIGHT_MAX: usize = 96;
/// The most parts (literals, names, operators, calls) of an expression.
pub const NODES_MAX: usize = 1000;
/// The most mistakes reported for one expression.
pub const ERRORS_MAX: usize = 20;
/// The most steps of one evaluation. Each part costs one each time it is evaluated, each turn of a macro one more,
/// and work that grows with the size of a value by that size.
pub const COST_MAX: usize = 10_000;
/// The longest string or bytes that an evaluation makes, in bytes.
pub const VALUE_BYTES_MAX: usize = 16 * 1024;
/// The longest list that an evaluation makes.
pub const VALUE_ITEMS_MAX: usize = 1000;
/// The largest compiled regular expression, in bytes.
pub const REGEX_BYTES_MAX: usize = 96 * 1024;
/// What the compiled regular expressions of one expression take together, in bytes.
pub const REGEXES_BYTES_MAX: usize = 192 * 1024;
/// The most characters and classes of a regular expression, those in repetitions as often as they are repeated.
pub const REGEX_POSITIONS_MAX: usize = 500;

/// An expression that was read, checked and compiled. Cheap to clone.
///
/// Two are equal if their texts are.
#[derive(Clone)]
pub struct Expression(Arc<Compiled>);

struct Compiled {
    text: Box<str>,
    program: program::Node,
}

impl Expression {
    /// Reads an expression of at most [`TEXT_BYTES_MAX`] bytes that gives a bool.
    ///
    /// Fails with the first mistake of grammar or all mistakes of types, at most [`ERRORS_MAX`]. The path of each
    /// is `line:column`, both from 1, the column in characters; it is empty for the expression as a whole.
    pub fn parse(text: &str) -> Result<Self, Vec<ParseError>> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(vec![ParseError {
                path: String::new(),
                found: format!("an expression of {} bytes", text.len()),
                expected: format!("at most {TEXT_BYTES_MAX} bytes"),
            }]);
        }
        let tree = parse::parse(text).map_err(|mistake| vec![mistake.into()])?;
        let program = check::check(&tree)
            .map_err(|mistakes| mistakes.into_iter().map(ParseError::from).collect::<Vec<_>>())?;
        Ok(Self(Arc::new(Compiled { text: text.into(), program })))
    }

    /// Returns the expression as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// Answers the expression for one question. The answer depends on nothing else.
    ///
    /// Fails with the error that the language gives, or with the limit that was passed.
    pub fn evaluate(&self, scope: &dyn Scope) -> Result<bool, ExpressionError> {
        eval::run(&self.0.program, scope).0
    }

    /// Adds what the expression reads of the question.
    pub(crate) fn reads(&self, reads: &mut crate::reads::Reads) {
        reads::add(&self.0.program, reads);
    }

    /// Returns the steps that [`Expression::evaluate`] takes, at most [`COST_MAX`].
    #[must_use]
    pub fn cost(&self, scope: &dyn Scope) -> usize {
        eval::run(&self.0.program, scope).1
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Expression {}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.as_str()).finish()
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the four variables hold: implemented by the decision point, which alone knows the question.
///
/// The types are those of the table in this module's documentation. A value of another type is an error where it
/// is used.
pub trait Scope {
    /// Returns a whole variable. Asked only for [`Root::Action`] and [`Root::Context`]: expressions name the
    /// others by their fields.
    fn variable(&self, root: Root) -> Value<'_>;

    /// Returns a field of [`Root::Principal`] or [`Root::Resource`], or the value of a key of [`Root::Context`];
    /// nothing if it is absent. Must agree with the map that [`Scope::variable`] gives.
    fn field(&self, root: Root, name: &str) -> Option<Value<'_>>;
}

/// A variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Root {
    /// Who asks.
    Principal,
    /// What they want to do.
    Action,
    /// To what.
    Resource,
    /// In which circumstances: the condition keys.
    Context,
}

impl Root {
    /// Returns the variable as expressions write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Principal => "principal",
            Self::Action => "action",
            Self::Resource => "resource",
            Self::Context => "context",
        }
    }

    fn of(name: &str) -> Option<Self> {
        [Self::Principal, Self::Action, Self::Resource, Self::Context]
            .into_iter()
            .find(|r| r.as_str() == name)
    }
}

/// Why an evaluation gave no answer, and where. Displays as `line:column: why`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpressionError {
    place: Place,
    /// Why.
    pub failure: Failure,
}

impl ExpressionError {
    /// Returns the line of the part that failed, from 1.
    #[must_use]
    pub fn line(self) -> u16 {
        self.place.line
    }

    /// Returns the column of the part that failed, in characters from 1.
    #[must_use]
    pub fn column(self) -> u16 {
        self.place.column
    }
}

impl fmt::Display for ExpressionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.failure)
    }
}

impl std::error::Error for ExpressionError {}

/// Why an evaluation gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Failure {
    /// A field or a key of a map is absent.
    Absent,
    /// No operator or function of this name takes values of these types.
    WrongType,
    /// The index is not in the list.
    NoSuchItem,
    /// A map has the same key twice.
    DuplicateKey,
    /// An integer was divided by zero.
    DivisionByZero,
    /// The result is outside the range of its type.
    OutOfRange,
    /// A text or bytes cannot be read as what they are converted to.
    Unreadable,
    /// The evaluation takes more than [`COST_MAX`] steps.
    TooCostly,
    /// A value is larger than [`VALUE_BYTES_MAX`] or [`VALUE_ITEMS_MAX`], or nests too deep.
    TooLarge,
}

impl Failure {
    /// Tells whether a limit was passed. Such a failure is never absorbed.
    #[must_use]
    pub fn is_limit(self) -> bool {
        matches!(self, Self::TooCostly | Self::TooLarge)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "the field or key is absent; test for it with `has(…)` or `in`",
            Self::WrongType => "a value is of a type that does not fit here",
            Self::NoSuchItem => "the list has no item of that index",
            Self::DuplicateKey => "a map has the same key twice",
            Self::DivisionByZero => "division by zero",
            Self::OutOfRange => "the result is outside the range of its type",
            Self::Unreadable => "the value cannot be converted",
            Self::TooCostly => "the evaluation takes too many steps",
            Self::TooLarge => "a value is too large",
        })
    }
}

/// A place in the text of an expression, both from 1. The text is too short for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    line: u16,
    column: u16,
}

impl Place {
    const START: Self = Self { line: 1, column: 1 };

    /// Returns the place after a character that stands here.
    fn after(self, c: char) -> Self {
        if c == '\n' {
            Self { line: self.line.saturating_add(1), column: 1 }
        } else {
            Self { line: self.line, column: self.column.saturating_add(1) }
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// A mistake in an expression.
#[derive(Debug)]
struct Mistake {
    place: Place,
    found: String,
    expected: String,
}

impl Mistake {
    fn new(place: Place, found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { place, found: found.into(), expected: expected.into() }
    }
}

impl From<Mistake> for ParseError {
    fn from(mistake: Mistake) -> Self {
        Self { path: mistake.place.to_string(), found: mistake.found, expected: mistake.expected }
    }
}
