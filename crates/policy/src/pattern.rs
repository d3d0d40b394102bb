//! What a statement says about names: patterns of `*` (any number of characters, also none) and `?` (exactly one
//! character), compiled once when the document is read.

use std::fmt;

use crate::name::{self, NameError};

/// The longest pattern, in bytes.
pub const PATTERN_BYTES_MAX: usize = 512;
/// The most colon-separated parts of a resource pattern; further colons belong to the last part.
pub const RESOURCE_PARTS_MAX: usize = 6;

/// A pattern for actions. It ignores ASCII case, and its wildcards match colons too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionPattern {
    text: Box<str>,
    glob: Glob,
}

impl ActionPattern {
    /// Reads a pattern of the characters of an action name, `*` and `?`.
    ///
    /// Fails with [`PatternError::Name`] for a text longer than [`PATTERN_BYTES_MAX`] and for one that no action
    /// name can match, such as `user` without a colon or wildcard.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        name::check_action_text(text, PATTERN_BYTES_MAX, "*?")?;
        Ok(Self { text: text.into(), glob: Glob::compile(text) })
    }

    /// Takes an action name as it is: it matches itself, in any case of letters.
    ///
    /// Fails with the first rule of action names that the text breaks.
    pub fn literal(name: &str) -> Result<Self, NameError> {
        name::ActionName::check(name)?;
        Ok(Self { text: name.into(), glob: Glob::Literal(name.into()) })
    }

    /// Tells whether the whole of `action` matches.
    #[must_use]
    pub fn matches(&self, action: &str) -> bool {
        self.glob.matches(action.as_bytes(), |a, b| a.eq_ignore_ascii_case(&b))
    }

    /// Returns the pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// A pattern for resources, case-sensitive.
///
/// A pattern of k colon-separated parts (at most [`RESOURCE_PARTS_MAX`]) splits the name into at most k parts,
/// the last keeping all further colons. A name with fewer parts does not match. Wildcards cross a colon only in
/// the last part; a bare `*` has one part and so matches every name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourcePattern {
    text: Box<str>,
    shape: Shape,
}

impl ResourcePattern {
    /// Reads a resource pattern.
    ///
    /// Fails with [`PatternError::Variable`] if the text holds `${`, and with [`PatternError::Name`] if it is
    /// longer than [`PATTERN_BYTES_MAX`] or breaks a rule of resource names, because it would match none.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.contains("${") {
            return Err(PatternError::Variable);
        }
        name::check_resource_text(text, PATTERN_BYTES_MAX)?;
        Ok(Self { text: text.into(), shape: Shape::compile(text) })
    }

    /// Tells whether the whole of `resource` matches.
    #[must_use]
    pub fn matches(&self, resource: &str) -> bool {
        match &self.shape {
            Shape::Literal => *self.text == *resource,
            Shape::Prefix(prefix) => resource.starts_with(&**prefix),
            Shape::Parts(parts) => {
                // INVARIANT: `splitn` never yields more pieces than there are parts, so none is left unread.
                let mut pieces = resource.splitn(parts.len(), ':');
                parts.iter().all(|part| {
                    pieces.next().is_some_and(|piece| part.matches(piece.as_bytes(), |a, b| a == b))
                })
            }
        }
    }

    /// Returns the pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Why a pattern is refused. Displays as what was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatternError {
    /// The text breaks a rule of the names it would match.
    Name(NameError),
    /// The text holds a variable, which this version of the engine does not support.
    Variable,
}

impl From<NameError> for PatternError {
    fn from(error: NameError) -> Self {
        Self::Name(error)
    }
}

impl PatternError {
    /// Says what was expected, as a phrase that can follow "expected".
    #[must_use]
    pub fn expectation(self) -> String {
        match self {
            Self::Name(error) => error.expectation(),
            Self::Variable => "no variable: `${…}` belongs to the policy language, but this version of the \
                               engine does not support it"
                .into(),
        }
    }
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}", self.expectation())
    }
}

impl std::error::Error for PatternError {}

/// The compiled form of a resource pattern. The first two forms are what most patterns are, and both mean exactly
/// what their parts would: the literal colons in them fix the number of parts.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Shape {
    /// No wildcard: the text itself.
    Literal,
    /// One `*`, at the very end, after this text; a bare `*` has an empty prefix.
    Prefix(Box<str>),
    /// One glob for each part.
    Parts(Box<[Glob]>),
}

impl Shape {
    fn compile(text: &str) -> Self {
        match Glob::compile(text) {
            Glob::Literal(_) => Self::Literal,
            Glob::Prefix(prefix) => Self::Prefix(prefix),
            Glob::Wild(_) => Self::Parts(text.splitn(RESOURCE_PARTS_MAX, ':').map(Glob::compile).collect()),
        }
    }
}

/// The compiled form of one text with wildcards that cross everything in it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Glob {
    Literal(Box<str>),
    Prefix(Box<str>),
    /// The text, with each run of `*` made one.
    Wild(Box<str>),
}

impl Glob {
    fn compile(text: &str) -> Self {
        let mut collapsed = String::with_capacity(text.len());
        for c in text.chars() {
            if c != '*' || !collapsed.ends_with('*') {
                collapsed.push(c);
            }
        }
        match collapsed.find(['*', '?']) {
            None => Self::Literal(collapsed.into()),
            Some(at) if at + 1 == collapsed.len() && collapsed.ends_with('*') => {
                collapsed.truncate(at);
                Self::Prefix(collapsed.into())
            }
            Some(_) => Self::Wild(collapsed.into()),
        }
    }

    fn matches(&self, text: &[u8], same: impl Fn(u8, u8) -> bool) -> bool {
        let starts =
            |prefix: &str| prefix.len() <= text.len() && prefix.bytes().zip(text).all(|(a, &b)| same(a, b));
        match self {
            Self::Literal(literal) => literal.len() == text.len() && starts(literal),
            Self::Prefix(prefix) => starts(prefix),
            Self::Wild(pattern) => wildcard(pattern.as_bytes(), text, &same, || ()),
        }
    }
}

/// Matches all of `text` against a pattern, taking each `*` as short as it can be and lengthening only the last.
///
/// That is enough: whatever an earlier `*` could take, the last one can take instead. So there is one place to
/// come back to, and the work is at most the product of the two lengths, never exponential. Calls `step` once
/// for each comparison. Both are UTF-8; `?` and a longer `*` take whole characters.
fn wildcard(pattern: &[u8], text: &[u8], same: impl Fn(u8, u8) -> bool, mut step: impl FnMut()) -> bool {
    let (mut pattern, mut text) = (pattern, text);
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        step();
        match (pattern.split_first(), text.split_first()) {
            (Some((b'*', [])), _) | (None, None) => return true,
            (Some((b'*', after)), _) => {
                retry = Some((after, text));
                pattern = after;
                continue;
            }
            (Some((b'?', after)), Some((_, rest))) => {
                (pattern, text) = (after, skip_continuation(rest));
                continue;
            }
            (Some((&a, after)), Some((&b, rest))) if same(a, b) => {
                (pattern, text) = (after, rest);
                continue;
            }
            // What is left of the pattern needs more text, and a longer `*` would leave less.
            (Some(_), None) => return false,
            (_, Some(_)) => {}
        }
        let Some((after, [_, rest @ ..])) = retry else {
            return false;
        };
        let from = skip_continuation(rest);
        retry = Some((after, from));
        (pattern, text) = (after, from);
    }
}

/// Drops the bytes that continue a character whose first byte was taken.
fn skip_continuation(text: &[u8]) -> &[u8] {
    let at = text.iter().position(|byte| byte & 0xC0 != 0x80).unwrap_or(text.len());
    text.get(at..).unwrap_or_default()
}

#[cfg(test)]
mod tests;
