//! Texts with wildcards and variables: `*`, `?` and `${key}`, `${key, 'default'}`, `${*}`, `${?}`, `${$}`.
//!
//! A text is cut into pieces before any value is put in, so that an inserted value is always literal: what an
//! attacker calls themselves can never act as a wildcard or as a separator.

use crate::key::{Facts, Key};
use crate::value::Value;

/// The most pieces of a text with variables, or of each part of a resource pattern with variables.
pub(crate) const PIECES_MAX: usize = 48;
/// Bytes that are compared in about the time of one step.
const COMPARED_BYTES: usize = 32;

/// One piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// These bytes.
    Text(Box<str>),
    /// Any number of characters.
    Any,
    /// One character.
    One,
    /// What the request has for a key.
    Variable { key: Key, default: Option<Box<str>> },
}

/// A variable that cannot be put in: absent or with several values and without a default, or with a value that
/// the place does not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unresolved;

/// What is wrong with a text's variables. Displays as what was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VariableError {
    /// `${` without `}`.
    Open,
    /// The name is no condition key.
    Key,
    /// What follows the comma is no text in single quotes.
    Default,
    /// More than [`PIECES_MAX`] pieces.
    TooMany,
}

impl VariableError {
    /// Says what was expected, as a phrase that can follow "expected".
    #[must_use]
    pub fn expectation(self) -> String {
        match self {
            Self::Open => "a `}` that ends the variable begun by `${` (a literal `$` is `${$}`)".into(),
            Self::Key => "the name of a condition key in `${…}`, or `${*}`, `${?}`, `${$}`".into(),
            Self::Default => "a default in single quotes: `${key, 'default'}`".into(),
            Self::TooMany => format!("at most {PIECES_MAX} wildcards, variables and texts between them"),
        }
    }
}

/// Tells whether a text holds a variable or an escape.
pub(crate) fn has_variables(text: &str) -> bool {
    text.contains("${")
}

/// Cuts a text into pieces. Without `wildcards`, `*` and `?` stand for themselves.
pub(crate) fn cut(text: &str, wildcards: bool) -> Result<Box<[Piece]>, VariableError> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut rest = text;
    let push_text = |pieces: &mut Vec<Piece>, text: &str| match pieces.last_mut() {
        Some(Piece::Text(last)) => *last = format!("{last}{text}").into(),
        _ => pieces.push(Piece::Text(text.into())),
    };
    while let Some(c) = rest.chars().next() {
        if let Some(inner) = rest.strip_prefix("${") {
            let (inside, after) = inner.split_once('}').ok_or(VariableError::Open)?;
            match inside {
                "*" | "?" | "$" => push_text(&mut pieces, inside),
                _ => pieces.push(read_variable(inside)?),
            }
            rest = after;
            continue;
        }
        let (head, after) = rest.split_at(c.len_utf8());
        match c {
            '*' if wildcards => {
                if pieces.last() != Some(&Piece::Any) {
                    pieces.push(Piece::Any);
                }
            }
            '?' if wildcards => pieces.push(Piece::One),
            _ => push_text(&mut pieces, head),
        }
        rest = after;
    }
    if pieces.len() > PIECES_MAX {
        return Err(VariableError::TooMany);
    }
    Ok(pieces.into())
}

fn read_variable(inside: &str) -> Result<Piece, VariableError> {
    let (name, default) = match inside.split_once(',') {
        None => (inside, None),
        Some((name, default)) => {
            let quoted = default.trim().strip_prefix('\'').and_then(|text| text.strip_suffix('\''));
            (name, Some(quoted.filter(|text| !text.contains('\'')).ok_or(VariableError::Default)?))
        }
    };
    let key = Key::parse(name.trim()).ok_or(VariableError::Key)?;
    Ok(Piece::Variable { key, default: default.map(Into::into) })
}

/// How many steps it takes at the most to match a text of so many bytes: for each, all that stands between two stars.
pub(crate) fn steps_max(pieces: &[Piece], text_bytes: usize) -> usize {
    let weight = |piece: &Piece| match piece {
        Piece::Text(text) => 1 + text.len() / COMPARED_BYTES,
        // Nobody knows what will be put in: as much as a name may have in one segment, most often.
        Piece::Variable { .. } => 4,
        Piece::Any | Piece::One => 1,
    };
    let mut runs = pieces.split(|piece| *piece == Piece::Any);
    // What stands before the first star is compared once; a last star takes whatever is left.
    runs.next();
    let longest = runs.map(|run| run.iter().map(weight).sum::<usize>()).max();
    text_bytes * longest.unwrap_or(0)
}

/// Pieces with all variables put in, on the stack.
pub(crate) struct Filled<'a> {
    slots: [Slot<'a>; PIECES_MAX],
    length: usize,
}

#[derive(Clone, Copy)]
enum Slot<'a> {
    Text(&'a str),
    Any,
    One,
}

/// Puts the values of a request in. `takes` refuses a value, defaults included.
pub(crate) fn fill<'a>(
    pieces: &'a [Piece],
    facts: &Facts<'a>,
    takes: impl Fn(&str) -> bool,
) -> Result<Filled<'a>, Unresolved> {
    let (filled, resolved) = fill_in(pieces, facts, takes);
    resolved.map(|()| filled)
}

/// Puts the values of a request in as [`fill`] does; a variable that cannot be resolved becomes a `*`: what the
/// text could match if there were a value.
pub(crate) fn fill_in<'a>(
    pieces: &'a [Piece],
    facts: &Facts<'a>,
    takes: impl Fn(&str) -> bool,
) -> (Filled<'a>, Result<(), Unresolved>) {
    let mut filled = Filled { slots: [Slot::Any; PIECES_MAX], length: pieces.len().min(PIECES_MAX) };
    let mut resolved = Ok(());
    for (slot, piece) in filled.slots.iter_mut().zip(pieces) {
        *slot = match piece {
            Piece::Text(text) => Slot::Text(text),
            Piece::Any => Slot::Any,
            Piece::One => Slot::One,
            Piece::Variable { key, default } => {
                let value = match facts.get(key) {
                    Value::Bool(true) => Some("true"),
                    Value::Bool(false) => Some("false"),
                    other => other.only_text(),
                };
                match value.or(default.as_deref()).filter(|value| takes(value)) {
                    Some(value) => Slot::Text(value),
                    None => {
                        resolved = Err(Unresolved);
                        Slot::Any
                    }
                }
            }
        };
    }
    (filled, resolved)
}

impl<'a> Filled<'a> {
    /// The texts of pieces without wildcards.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &'a str> {
        self.slots.iter().take(self.length).filter_map(|slot| match slot {
            Slot::Text(text) => Some(*text),
            Slot::Any | Slot::One => None,
        })
    }

    /// Matches the whole of a text. Takes each `*` as short as it can be and lengthens only the last, as
    /// [`crate::pattern`] does.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let slots = self.slots.get(..self.length).unwrap_or_default();
        let (mut at, mut rest) = (0, text);
        let mut retry: Option<(usize, &str)> = None;
        loop {
            let step = match slots.get(at) {
                None if rest.is_empty() => return true,
                None => None,
                Some(Slot::Any) if at + 1 == slots.len() => return true,
                Some(Slot::Any) => {
                    retry = Some((at + 1, rest));
                    Some(rest)
                }
                Some(Slot::One) => skip_char(rest),
                Some(Slot::Text(literal)) => rest.strip_prefix(literal),
            };
            if let Some(after) = step {
                (at, rest) = (at + 1, after);
                continue;
            }
            let Some((from, longer)) = retry.and_then(|(from, text)| Some((from, skip_char(text)?))) else {
                return false;
            };
            retry = Some((from, longer));
            (at, rest) = (from, longer);
        }
    }
}

fn skip_char(text: &str) -> Option<&str> {
    let mut chars = text.chars();
    chars.next().map(|_| chars.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Known;

    fn matches(pattern: &str, text: &str, name: &str) -> bool {
        let pieces = cut(pattern, true).unwrap();
        let facts = Facts::at(0).with(Known::Username, Value::Text(name));
        fill(&pieces, &facts, |_| true).is_ok_and(|filled| filled.matches(text))
    }

    #[test]
    fn an_inserted_value_is_literal() {
        assert!(matches("home/${aws:username}/*", "home/ann/x", "ann"));
        assert!(matches("home/${aws:username}/*", "home/*/x", "*"));
        assert!(!matches("home/${aws:username}/*", "home/bob/x", "*"));
        assert!(!matches("home/${aws:username}", "home/${aws:username}", "ann"));
    }

    #[test]
    fn escapes_stand_for_themselves_and_wildcards_for_others() {
        assert!(matches("a${*}b", "a*b", "") && !matches("a${*}b", "axb", ""));
        assert!(matches("a${?}b", "a?b", "") && !matches("a${?}b", "axb", ""));
        assert!(matches("${$}{x}", "${x}", "") && matches("*é?", "aéü", ""));
        assert!(matches("*a*b?", "xaabbbc", "") && !matches("*a*c?", "xaabbbc", ""));
    }

    #[test]
    fn an_absent_variable_takes_its_default_or_is_unresolved() {
        let filled = |text: &str| {
            let pieces = cut(text, true).unwrap();
            fill(&pieces, &Facts::at(0), |value| value != "no").map(|filled| filled.matches("x"))
        };
        assert_eq!(filled("${aws:PrincipalTag/team, 'x'}"), Ok(true));
        assert_eq!(filled("${aws:PrincipalTag/team}"), Err(Unresolved));
        assert_eq!(filled("${aws:PrincipalTag/team,'no'}"), Err(Unresolved));
    }

    #[test]
    fn a_malformed_variable_is_refused() {
        assert_eq!(cut("${aws:username", true), Err(VariableError::Open));
        assert_eq!(cut("${}", true), Err(VariableError::Key));
        assert_eq!(cut("${a b}", true), Err(VariableError::Key));
        assert_eq!(cut("${a, b}", true), Err(VariableError::Default));
        assert_eq!(cut("${a, 'b'c'}", true), Err(VariableError::Default));
        assert_eq!(cut(&"?".repeat(PIECES_MAX + 1), true), Err(VariableError::TooMany));
    }
}
