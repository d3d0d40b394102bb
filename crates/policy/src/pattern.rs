//! What a statement says about names: patterns of `*` (any number of characters, also none) and `?` (exactly one
//! character), and in resources variables; read once when the document is.

use std::fmt;
use std::sync::Arc;

use crate::key::{Facts, Key};
use crate::name::{self, NameError};
use crate::template::{self, Piece, Unresolved, VariableError};
use crate::wildcard;

/// The longest pattern, in bytes.
pub const PATTERN_BYTES_MAX: usize = 512;
/// The most colon-separated parts of a resource pattern; further colons belong to the last part.
pub const RESOURCE_PARTS_MAX: usize = 6;

/// What a text with wildcards that cross everything in it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// No wildcard: the text itself.
    Literal,
    /// Only `*`s at the very end, after this many bytes.
    Prefix(u16),
    /// Wildcards elsewhere; the first stands after this many bytes.
    Wild(u16),
}

impl Form {
    fn of(text: &str) -> Self {
        let place = |at: usize| u16::try_from(at).unwrap_or(u16::MAX);
        match text.find(['*', '?']) {
            None => Self::Literal,
            Some(at) if text.bytes().skip(at).all(|byte| byte == b'*') => Self::Prefix(place(at)),
            Some(at) => Self::Wild(place(at)),
        }
    }

    /// What stands before the first wildcard.
    fn stem(self, text: &str) -> &str {
        match self {
            Self::Literal => text,
            Self::Prefix(length) | Self::Wild(length) => text.get(..length.into()).unwrap_or(text),
        }
    }
}

/// A pattern for actions. It ignores ASCII case, and its wildcards match colons too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionPattern {
    text: Box<str>,
    form: Form,
}

impl ActionPattern {
    /// Reads a pattern of the characters of an action name, `*` and `?`.
    ///
    /// Fails with [`PatternError::Name`] for a text longer than [`PATTERN_BYTES_MAX`] and for one that no action
    /// name can match, such as `user` without a colon or wildcard.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        name::check_action_text(text, PATTERN_BYTES_MAX, "*?")?;
        Ok(Self { text: text.into(), form: Form::of(text) })
    }

    /// Takes an action name as it is: it matches itself, in any case of letters.
    ///
    /// Fails with the first rule of action names that the text breaks.
    pub fn literal(name: &str) -> Result<Self, NameError> {
        name::ActionName::check(name)?;
        Ok(Self { text: name.into(), form: Form::Literal })
    }

    /// Tells whether the whole of `action` matches.
    #[must_use]
    pub fn matches(&self, action: &str) -> bool {
        let stem = self.stem();
        let starts = action.get(..stem.len()).is_some_and(|start| start.eq_ignore_ascii_case(stem));
        match self.form {
            Form::Literal => starts && action.len() == stem.len(),
            Form::Prefix(_) => starts,
            Form::Wild(_) => wildcard::matches(
                self.text.as_bytes(),
                action.as_bytes(),
                |byte| byte.to_ascii_lowercase(),
                || (),
            ),
        }
    }

    /// Returns the pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// How many steps it takes at the most to match an action, besides comparing its beginning.
    pub(crate) fn steps_max(&self) -> usize {
        match self.form {
            Form::Literal | Form::Prefix(_) => 0,
            Form::Wild(_) => wildcard::steps_max(self.text.as_bytes(), name::ACTION_NAME_BYTES_MAX),
        }
    }

    pub(crate) fn form(&self) -> Form {
        self.form
    }

    /// What stands before the first wildcard, as it was written.
    pub(crate) fn stem(&self) -> &str {
        self.form.stem(&self.text)
    }
}

/// A pattern for resources, case-sensitive.
///
/// A pattern of k colon-separated parts (at most [`RESOURCE_PARTS_MAX`]) splits the name into at most k parts,
/// the last keeping all further colons. A name with fewer parts does not match. Wildcards cross a colon only in
/// the last part; a bare `*` has one part and so matches every name.
///
/// A pattern is split before its variables are put in, and what is put in has neither `:` nor `/` and is neither
/// empty nor `.` nor `..`: a value can name one segment and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourcePattern {
    /// Shared with the tables that the pattern stands in.
    text: Arc<str>,
    form: Form,
    /// The pieces of each part, where there are variables.
    template: Option<Arc<[Box<[Piece]>]>>,
}

impl ResourcePattern {
    /// Reads a resource pattern.
    ///
    /// Fails with [`PatternError::Variable`] for a malformed variable, and with [`PatternError::Name`] if the text
    /// is longer than [`PATTERN_BYTES_MAX`] or breaks a rule of resource names, because it would match none.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if template::has_variables(text) {
            return Self::parse_template(text);
        }
        name::check_resource_text(text, PATTERN_BYTES_MAX)?;
        Ok(Self { text: text.into(), form: Form::of(text), template: None })
    }

    /// Reads a resource pattern that stands where there is no request whose variables could be put in.
    ///
    /// Fails as [`ResourcePattern::parse`] does, and with [`PatternError::NoVariables`].
    pub fn parse_plain(text: &str) -> Result<Self, PatternError> {
        if template::has_variables(text) { Err(PatternError::NoVariables) } else { Self::parse(text) }
    }

    fn parse_template(text: &str) -> Result<Self, PatternError> {
        let mut parts = Vec::new();
        // What the rules of names are checked on: each value stands in as a letter.
        let mut plain = String::with_capacity(text.len());
        for (number, part) in split_parts(text)?.into_iter().enumerate() {
            let pieces = template::cut(part, true)?;
            if number > 0 {
                plain.push(':');
            }
            for piece in &pieces {
                match piece {
                    Piece::Text(text) => plain.push_str(text),
                    Piece::Any => plain.push('*'),
                    Piece::One => plain.push('?'),
                    Piece::Variable { default: Some(text), .. } if !fits_segment(text) => {
                        return Err(PatternError::Default);
                    }
                    Piece::Variable { .. } => plain.push('x'),
                }
            }
            parts.push(pieces);
        }
        name::check_resource_text(&plain, PATTERN_BYTES_MAX)?;
        if text.len() > PATTERN_BYTES_MAX {
            return Err(NameError::TooLong { bytes_max: PATTERN_BYTES_MAX }.into());
        }
        let at = text.find(['*', '?', '$']).unwrap_or(text.len());
        let form = Form::Wild(u16::try_from(at).unwrap_or(0));
        Ok(Self { text: text.into(), form, template: Some(parts.into()) })
    }

    /// Tells whether the whole of `resource` matches. A pattern with variables matches nothing here.
    #[must_use]
    pub fn matches(&self, resource: &str) -> bool {
        self.template.is_none() && self.matches_with(resource, &Facts::default()).unwrap_or(false)
    }

    /// Tells whether the whole of `resource` matches, with the variables of a request put in.
    ///
    /// Fails if a variable cannot be resolved and the pattern would match with a `*` in its place: what the rest
    /// of the pattern rules out is no error.
    pub(crate) fn matches_with(&self, resource: &str, facts: &Facts<'_>) -> Result<bool, Unresolved> {
        self.matches_after(resource, 0, facts)
    }

    /// Tells what [`ResourcePattern::matches_with`] tells, where the name is known to begin with the first bytes of the
    /// pattern, which are literal and end at a separator.
    pub(crate) fn matches_after(
        &self,
        resource: &str,
        known: usize,
        facts: &Facts<'_>,
    ) -> Result<bool, Unresolved> {
        let Some(parts) = &self.template else { return Ok(self.matches_plain(resource, known)) };
        let mut pieces = resource.splitn(parts.len(), ':');
        let mut all = Ok(());
        for part in parts.iter() {
            let (filled, resolved) = template::fill_in(part, facts, fits_segment);
            if !pieces.next().is_some_and(|piece| filled.matches(piece)) {
                return Ok(false);
            }
            all = all.and(resolved);
        }
        all.map(|()| true)
    }

    fn matches_plain(&self, resource: &str, known: usize) -> bool {
        match self.form {
            Form::Literal => *self.text == *resource,
            Form::Prefix(_) => resource.starts_with(self.stem()),
            Form::Wild(_) => {
                let (Some(begin), Some(mut pattern)) = (self.text.get(..known), self.text.get(known..))
                else {
                    return false;
                };
                let Some(mut name) = resource.as_bytes().get(known..) else { return false };
                let colons = |text: &str| text.bytes().filter(|byte| *byte == b':').count();
                // INVARIANT: what is known to be the same has the same colons in pattern and name.
                let mut last = RESOURCE_PARTS_MAX.saturating_sub(1 + colons(begin));
                while last > 0
                    && let Some((part, after)) = pattern.split_once(':')
                {
                    let Some(end) = name.iter().position(|byte| *byte == b':') else { return false };
                    let (piece, rest) = name.split_at(end);
                    if !wildcard::matches(part.as_bytes(), piece, |byte| byte, || ()) {
                        return false;
                    }
                    (pattern, name) = (after, rest.get(1..).unwrap_or_default());
                    last -= 1;
                }
                wildcard::matches(pattern.as_bytes(), name, |byte| byte, || ())
            }
        }
    }

    /// Returns the pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// How many steps it takes at the most to match a name, besides comparing its beginning.
    pub(crate) fn steps_max(&self) -> usize {
        match (self.form, &self.template) {
            (Form::Literal | Form::Prefix(_), _) => 0,
            (Form::Wild(_), None) => wildcard::steps_max(self.text.as_bytes(), name::RESOURCE_NAME_BYTES_MAX),
            (Form::Wild(_), Some(parts)) => {
                parts.iter().map(|part| template::steps_max(part, name::RESOURCE_NAME_BYTES_MAX)).sum()
            }
        }
    }

    /// Returns the text to be shared.
    pub(crate) fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// The keys whose values are put in.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &Key> {
        let pieces = self.template.iter().flat_map(|parts| parts.iter()).flat_map(|part| part.iter());
        pieces.filter_map(|piece| match piece {
            Piece::Variable { key, .. } => Some(key),
            _ => None,
        })
    }

    pub(crate) fn form(&self) -> Form {
        self.form
    }

    /// What stands before the first wildcard or variable.
    pub(crate) fn stem(&self) -> &str {
        self.form.stem(&self.text)
    }
}

/// Tells whether a value may be put into a resource.
fn fits_segment(value: &str) -> bool {
    !value.is_empty() && value != "." && value != ".." && !value.contains([':', '/'])
}

/// Splits a pattern at colons that stand outside variables, into at most [`RESOURCE_PARTS_MAX`] parts.
pub(crate) fn split_parts(text: &str) -> Result<Vec<&str>, VariableError> {
    let mut parts = Vec::new();
    let (mut start, mut at) = (0, 0);
    while parts.len() + 1 < RESOURCE_PARTS_MAX {
        let Some(found) = text.get(at..).and_then(|rest| rest.find([':', '$'])) else { break };
        at += found;
        let rest = text.get(at..).unwrap_or_default();
        if rest.starts_with(':') {
            parts.push(text.get(start..at).unwrap_or_default());
            start = at + 1;
        } else if rest.starts_with("${") {
            at += rest.find('}').ok_or(VariableError::Open)?;
        }
        at += 1;
    }
    parts.push(text.get(start..).unwrap_or_default());
    Ok(parts)
}

/// Why a pattern is refused. Displays as what was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatternError {
    /// The text breaks a rule of the names it would match.
    Name(NameError),
    /// The text holds a malformed variable.
    Variable(VariableError),
    /// The default of a variable could not stand in a resource.
    Default,
    /// The text holds a variable where none is put in.
    NoVariables,
}

impl From<NameError> for PatternError {
    fn from(error: NameError) -> Self {
        Self::Name(error)
    }
}

impl From<VariableError> for PatternError {
    fn from(error: VariableError) -> Self {
        Self::Variable(error)
    }
}

impl PatternError {
    /// Says what was expected, as a phrase that can follow "expected".
    #[must_use]
    pub fn expectation(self) -> String {
        match self {
            Self::Name(error) => error.expectation(),
            Self::Variable(error) => error.expectation(),
            Self::NoVariables => "no variable `${…}`: nothing is put in here".into(),
            Self::Default => "a default that is not empty, `.` or `..` and has neither `:` nor `/`".into(),
        }
    }
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}", self.expectation())
    }
}

impl std::error::Error for PatternError {}

#[cfg(test)]
mod tests;
