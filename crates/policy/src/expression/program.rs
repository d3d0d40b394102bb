//! What an expression becomes: checked, every name resolved, every constant read.

use super::regular::Matcher;
use super::time::{Duration, Part, Timestamp, Zone};
use super::value::{Items, Kind, Value};
use super::{Place, Root};

pub(super) use super::parse::Operator;

/// A part of a program.
pub(super) struct Node {
    /// Where it stands in the text.
    pub(super) place: Place,
    pub(super) step: Step,
}

/// What a part of a program does.
pub(super) enum Step {
    Constant(Constant),
    /// A list of constants.
    Constants(Constants),
    /// The variable of a macro, counted outwards from the innermost.
    Local(usize),
    /// A whole variable.
    Root(Root),
    /// A field of `principal` or `resource`, or a key of `context`.
    Field {
        root: Root,
        name: Box<str>,
    },
    /// Whether the scope has that field or key.
    HasField {
        root: Root,
        name: Box<str>,
    },
    Select {
        of: Box<Node>,
        field: Box<str>,
    },
    Has {
        of: Box<Node>,
        field: Box<str>,
    },
    Index {
        of: Box<Node>,
        index: Box<Node>,
    },
    Not(Box<Node>),
    Negate(Box<Node>),
    Binary {
        operator: Operator,
        left: Box<Node>,
        right: Box<Node>,
    },
    All(Box<[Node]>),
    Any(Box<[Node]>),
    Conditional {
        test: Box<Node>,
        then: Box<Node>,
        otherwise: Box<Node>,
    },
    List(Box<[Node]>),
    Map(Box<[(Node, Node)]>),
    Convert {
        to: Conversion,
        of: Box<Node>,
    },
    Size(Box<Node>),
    Search {
        how: Search,
        text: Box<Node>,
        wanted: Box<Node>,
    },
    Matches {
        text: Box<Node>,
        matcher: Matcher,
    },
    Part {
        part: Part,
        of: Box<Node>,
        zone: ZoneStep,
    },
    Comprehension(Box<Comprehension>),
}

/// The zone that a part of a date is asked for.
pub(super) enum ZoneStep {
    Fixed(Zone),
    Computed(Box<Node>),
    /// None was written.
    Utc,
}

/// A conversion function, or `type`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Conversion {
    Int,
    Uint,
    Double,
    String,
    Bytes,
    Bool,
    Timestamp,
    Duration,
    Type,
}

/// How a text is searched for another.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Search {
    Contains,
    StartsWith,
    EndsWith,
}

/// A macro that goes through a list or the keys of a map.
pub(super) struct Comprehension {
    pub(super) range: Node,
    pub(super) turn: Turn,
}

/// What a macro does with each item.
pub(super) enum Turn {
    All(Node),
    Exists(Node),
    ExistsOne(Node),
    Filter(Node),
    Map { test: Option<Node>, item: Node },
}

/// A value that stands in the text.
pub(super) enum Constant {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    String(Box<str>),
    Bytes(Box<[u8]>),
    Timestamp(Timestamp),
    Duration(Duration),
    Type(Kind),
}

impl Constant {
    pub(super) fn value(&self) -> Value<'_> {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(*value),
            Self::Int(value) => Value::Int(*value),
            Self::Uint(value) => Value::Uint(*value),
            Self::Double(value) => Value::Double(*value),
            Self::String(value) => Value::String((&**value).into()),
            Self::Bytes(value) => Value::Bytes((&**value).into()),
            Self::Timestamp(value) => Value::Timestamp(*value),
            Self::Duration(value) => Value::Duration(*value),
            Self::Type(value) => Value::Type(*value),
        }
    }
}

/// A list of constants.
pub(super) struct Constants(pub(super) Box<[Constant]>);

impl Items for Constants {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn item(&self, index: usize) -> Option<Value<'_>> {
        self.0.get(index).map(Constant::value)
    }
}
