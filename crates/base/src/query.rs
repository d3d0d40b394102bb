//! What a list is asked for, apart from HTTP and SQL: a filter, an order, a place to go on from.
//!
//! `web` reads these from an address and `store` turns them into a statement; neither knows the other.

use crate::Timestamp;

/// A single value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scalar {
    /// Text, compared byte by byte.
    Text(String),
    /// A whole number.
    Int(i64),
    /// A truth value; false is before true.
    Bool(bool),
    /// An instant.
    Time(Timestamp),
}

impl Scalar {
    /// Writes the value as text from which [`Self::decode`] reads it back: a letter for the kind, then the
    /// value.
    pub fn encode(&self) -> String {
        match self {
            Self::Text(text) => format!("t{text}"),
            Self::Int(number) => format!("i{number}"),
            Self::Bool(truth) => format!("b{truth}"),
            Self::Time(at) => format!("@{}", at.as_micros()),
        }
    }

    /// Reads what [`Self::encode`] wrote; none for anything else.
    pub fn decode(text: &str) -> Option<Self> {
        let mut rest = text.chars();
        let kind = rest.next()?;
        let rest = rest.as_str();
        Some(match kind {
            't' => Self::Text(rest.to_owned()),
            'i' => Self::Int(rest.parse().ok()?),
            'b' => Self::Bool(rest.parse().ok()?),
            '@' => Self::Time(Timestamp::from_micros(rest.parse().ok()?)),
            _ => return None,
        })
    }
}

/// How an attribute is compared with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// The same.
    Equal,
    /// Text that contains the value.
    Contains,
    /// Text that begins with the value.
    StartsWith,
    /// Text that ends with the value.
    EndsWith,
    /// After it.
    Greater,
    /// After it, or the same.
    GreaterOrEqual,
    /// Before it.
    Less,
    /// Before it, or the same.
    LessOrEqual,
}

/// A condition on the members of a list.
///
/// There are two truth values: a comparison with an attribute that has no value is false, and its negation
/// true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// All of them; at least one.
    All(Vec<Filter>),
    /// One of them; at least one.
    Any(Vec<Filter>),
    /// Not this.
    Not(Box<Filter>),
    /// The attribute has a value.
    Present(&'static str),
    /// The attribute has a value that compares so.
    Is(&'static str, Comparison, Scalar),
}

impl Filter {
    /// Says whether the filter looks at this attribute anywhere.
    pub fn names(&self, attribute: &str) -> bool {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().any(|part| part.names(attribute)),
            Self::Not(part) => part.names(attribute),
            Self::Present(name) | Self::Is(name, ..) => *name == attribute,
        }
    }
}

/// Which way an order runs. An absent value is before every other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the least to the greatest.
    Ascending,
    /// From the greatest to the least.
    Descending,
}

/// One attribute of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SortKey {
    /// The attribute.
    pub attribute: &'static str,
    /// Which way.
    pub direction: Direction,
}

/// Where a page ended: the values of the last member's sort keys, and last its id.
pub type Position = Vec<Option<Scalar>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_read_back_as_it_was_written() {
        for value in [
            Scalar::Text(String::new()),
            Scalar::Text("t张@\u{10FFFF}".to_owned()),
            Scalar::Int(i64::MIN),
            Scalar::Bool(true),
            Scalar::Time(Timestamp::from_micros(-1)),
        ] {
            assert_eq!(Scalar::decode(&value.encode()), Some(value));
        }
        for text in ["", "x1", "i", "i1.5", "bmaybe", "@now"] {
            assert_eq!(Scalar::decode(text), None, "{text}");
        }
    }
}
