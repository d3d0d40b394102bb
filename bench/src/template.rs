//! What a writing operation leaves in the database, as statements that a plain handler can repeat.
//!
//! Learnt from Signet itself by [`crate::capture`], so that the handler it is compared with writes the same
//! rows with the same columns whatever the product's code becomes.

use serde::{Deserialize, Serialize};

/// One operation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Template {
    /// Its name, as it stands in the handler's path.
    pub(crate) name: String,
    /// One transaction for each request of the operation.
    pub(crate) steps: Vec<Step>,
}

/// One request, one transaction.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Step {
    /// Values made fresh each time. Steps count on: a later step is given those of the earlier ones.
    pub(crate) fresh: Vec<Shape>,
    /// The statements, parents before children.
    pub(crate) statements: Vec<Statement>,
}

/// The form of a fresh value. The form matters: an index takes ordered ids more cheaply than random ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Shape {
    /// An id that begins with the time (RFC 9562 section 5.7).
    OrderedId,
    /// Random hexadecimal digits.
    Hex(usize),
    /// Random characters of base64url.
    Token(usize),
}

/// One statement.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Statement {
    pub(crate) sql: String,
    pub(crate) parameters: Vec<Parameter>,
}

/// One value of a statement.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Parameter {
    /// The same each time.
    Constant(Kind, Option<String>),
    /// The fresh value of this number.
    Fresh(usize),
    /// So many microseconds from now.
    Time(Kind, i64),
    /// Random bytes.
    RandomBytes(usize),
}

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// Text, varchar.
    Text,
    /// A 16-bit integer.
    Int2,
    /// A 32-bit integer.
    Int4,
    /// A 64-bit integer.
    Int8,
    /// A boolean.
    Bool,
    /// A floating-point number.
    Real,
    /// `timestamptz`; its text is microseconds since 1970.
    Time,
    /// `jsonb`.
    Json,
    /// Bytes; their text is hexadecimal.
    Bytes,
}

/// Bytes from their hexadecimal form.
pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok().filter(|_| pair.len() == 2))
        .collect()
}
