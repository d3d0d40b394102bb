//! The types that the checker knows, and what the four variables hold.

use std::fmt;

use super::Root;
use super::value::Kind;

/// The type of a part of an expression.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::enum_variant_names, reason = "`type` is the language's own name for the type of types")]
pub(super) enum Type {
    /// Known only when the expression is evaluated.
    Dyn,
    /// Nothing is known yet: the items of `[]`.
    Free,
    Null,
    Bool,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    Timestamp,
    Duration,
    Type,
    List(Box<Type>),
    Map(Box<Type>, Box<Type>),
}

impl Type {
    pub(super) fn list(items: Self) -> Self {
        Self::List(Box::new(items))
    }

    pub(super) fn map(keys: Self, values: Self) -> Self {
        Self::Map(Box::new(keys), Box::new(values))
    }

    /// Tells whether only an evaluation can show the type.
    pub(super) fn is_open(&self) -> bool {
        matches!(self, Self::Dyn | Self::Free)
    }

    /// Tells whether a value may be of both types.
    pub(super) fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::List(a), Self::List(b)) => a.meets(b),
            (Self::Map(a, c), Self::Map(b, d)) => a.meets(b) && c.meets(d),
            _ => self.is_open() || other.is_open() || self == other,
        }
    }

    /// Returns the narrowest type that covers both.
    pub(super) fn join(self, other: Self) -> Self {
        match (self, other) {
            (Self::Free, known) | (known, Self::Free) => known,
            (Self::List(a), Self::List(b)) => Self::list(a.join(*b)),
            (Self::Map(a, c), Self::Map(b, d)) => Self::map(a.join(*b), c.join(*d)),
            (a, b) if a == b => a,
            _ => Self::Dyn,
        }
    }

    /// Tells whether a map may have keys of this type.
    pub(super) fn may_be_key(&self) -> bool {
        self.is_open() || matches!(self, Self::Bool | Self::Int | Self::Uint | Self::String)
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Dyn | Self::Free => "dyn",
            Self::Null => "null_type",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Uint => "uint",
            Self::Double => "double",
            Self::String => "string",
            Self::Bytes => "bytes",
            Self::Timestamp => "timestamp",
            Self::Duration => "duration",
            Self::Type => "type",
            Self::List(items) => return write!(f, "list({items})"),
            Self::Map(keys, values) => return write!(f, "map({keys}, {values})"),
        };
        f.write_str(name)
    }
}

/// Returns the fields of a variable that is a structure, with their types; none for the others.
pub(super) fn fields(root: Root) -> &'static [(&'static str, FieldType)] {
    match root {
        Root::Principal => &[
            ("id", FieldType::String),
            ("name", FieldType::String),
            ("kind", FieldType::String),
            ("tenant", FieldType::String),
            ("roles", FieldType::Strings),
            ("groups", FieldType::Strings),
            ("tags", FieldType::Tags),
            ("mfa", FieldType::Bool),
        ],
        Root::Resource => &[
            ("name", FieldType::String),
            ("owner", FieldType::String),
            ("tags", FieldType::Tags),
            ("ancestors", FieldType::Strings),
        ],
        Root::Action | Root::Context => &[],
    }
}

/// The type of a field of `principal` or `resource`.
#[derive(Debug, Clone, Copy)]
pub(super) enum FieldType {
    String,
    Bool,
    Strings,
    Tags,
}

impl From<FieldType> for Type {
    fn from(field: FieldType) -> Self {
        match field {
            FieldType::String => Self::String,
            FieldType::Bool => Self::Bool,
            FieldType::Strings => Self::list(Self::String),
            FieldType::Tags => Self::map(Self::String, Self::String),
        }
    }
}

/// Returns the type that a name stands for.
pub(super) fn denoted(name: &str) -> Option<Kind> {
    Some(match name {
        "null_type" => Kind::Null,
        "bool" => Kind::Bool,
        "int" => Kind::Int,
        "uint" => Kind::Uint,
        "double" => Kind::Double,
        "string" => Kind::String,
        "bytes" => Kind::Bytes,
        "list" => Kind::List,
        "map" => Kind::Map,
        "type" => Kind::Type,
        "google.protobuf.Timestamp" => Kind::Timestamp,
        "google.protobuf.Duration" => Kind::Duration,
        _ => return None,
    })
}
