//! Wildcards and variables.

use super::statement::Truth;
use crate::world::{Ask, World};

/// What a pattern is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    Char(char),
    /// `*`: any number of characters.
    Many,
    /// `?`: exactly one character.
    One,
    /// `${key}` or `${key, 'default'}`.
    Variable {
        key: String,
        default: Option<String>,
    },
}

/// Reads a pattern. Fails where a variable is malformed.
pub(crate) fn pieces(text: &str) -> Result<Vec<Piece>, ()> {
    let chars: Vec<char> = text.chars().collect();
    let mut pieces = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        if chars[at] == '$' && chars.get(at + 1) == Some(&'{') {
            let length = chars[at..].iter().position(|c| *c == '}').ok_or(())?;
            let inside: String = chars[at + 2..at + length].iter().collect();
            pieces.push(variable(&inside)?);
            at += length + 1;
            continue;
        }
        pieces.push(match chars[at] {
            '*' => Piece::Many,
            '?' => Piece::One,
            c => Piece::Char(c),
        });
        at += 1;
    }
    Ok(pieces)
}

fn variable(inside: &str) -> Result<Piece, ()> {
    if let "*" | "?" | "$" = inside {
        return Ok(Piece::Char(inside.chars().next().ok_or(())?));
    }
    let (key, default) = match inside.split_once(',') {
        None => (inside, None),
        Some((key, rest)) => {
            let quoted = rest.trim().strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')).ok_or(())?;
            (key.trim(), Some(quoted.to_owned()))
        }
    };
    let key_is_readable = !key.is_empty()
        && key
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, ':' | '/' | '-' | '_' | '.' | '@' | '+' | '='));
    if key_is_readable { Ok(Piece::Variable { key: key.to_owned(), default }) } else { Err(()) }
}

/// Puts the values in the place of the variables. "An inserted value is literal." Fails where a variable cannot be
/// resolved; `refused` says which values of the context may not stand there.
pub(crate) fn substitute(
    world: &World,
    ask: &Ask,
    pieces: &[Piece],
    refused: fn(&str) -> bool,
) -> Result<Vec<Piece>, ()> {
    let mut all = Vec::new();
    for piece in pieces {
        let Piece::Variable { key, default } = piece else {
            all.push(piece.clone());
            continue;
        };
        let value = match context_values(world, ask, key).as_slice() {
            [single] if refused(single) => return Err(()),
            [single] => single.clone(),
            // Absent or of several values.
            _ => default.clone().ok_or(())?,
        };
        all.extend(value.chars().map(Piece::Char));
    }
    Ok(all)
}

/// The values of a condition key; none where it is absent.
pub(crate) fn context_values(world: &World, ask: &Ask, key: &str) -> Vec<String> {
    match key.to_ascii_lowercase().as_str() {
        "aws:currenttime" | "signet:currenttime" => {
            vec![format!("{}.{:06}", ask.now.div_euclid(1_000_000), ask.now.rem_euclid(1_000_000))]
        }
        "aws:epochtime" | "signet:epochtime" => vec![ask.now.div_euclid(1_000_000).to_string()],
        "signet:tenant" => vec![world.tenant.clone()],
        key => ask.context.get(key).cloned().unwrap_or_default(),
    }
}

/// Whether the whole text is of the form.
pub(crate) fn glob(form: &[Piece], text: &[char]) -> bool {
    match form.split_first() {
        None => text.is_empty(),
        Some((Piece::Many, rest)) => (0..=text.len()).any(|taken| glob(rest, &text[taken..])),
        Some((Piece::One, rest)) => !text.is_empty() && glob(rest, &text[1..]),
        Some((Piece::Char(c), rest)) => text.first() == Some(c) && glob(rest, &text[1..]),
        Some((Piece::Variable { .. }, _)) => false,
    }
}

pub(crate) fn glob_text(form: &[Piece], text: &str) -> bool {
    glob(form, &text.chars().collect::<Vec<_>>())
}

/// "Actions: case-insensitive, `*` and `?`." No variables.
pub(crate) fn action_matches(pattern: &str, action: &str) -> bool {
    let form: Vec<Piece> = pattern
        .to_ascii_lowercase()
        .chars()
        .map(|c| match c {
            '*' => Piece::Many,
            '?' => Piece::One,
            c => Piece::Char(c),
        })
        .collect();
    glob_text(&form, &action.to_ascii_lowercase())
}

/// Splits at colons into at most `parts_max` parts, the last keeping all further colons. "Patterns are split and
/// compiled before substitution."
pub(crate) fn split(pieces: &[Piece], parts_max: usize) -> Vec<Vec<Piece>> {
    let mut parts = vec![Vec::new()];
    for piece in pieces {
        if *piece == Piece::Char(':') && parts.len() < parts_max {
            parts.push(Vec::new());
        } else if let Some(last) = parts.last_mut() {
            last.push(piece.clone());
        }
    }
    parts
}

/// "A pattern of k parts (at most 6) splits the name into at most k parts, the last keeping all further colons; fewer
/// parts in the name: no match. In all but the last part `*` and `?` do not cross a colon; in the last they match
/// anything. A bare `*` matches all of the tenant."
///
/// A pattern whose variable cannot be resolved errs where it could match whatever stood there, and is false where
/// no value could make it match: "an error counts only for a statement whose action, resource and principal match".
pub(crate) fn resource_truth(world: &World, ask: &Ask, pattern: &str, resource: &str) -> Truth {
    let Ok(pieces) = pieces(pattern) else { return Truth::Error };
    if pieces == [Piece::Many] {
        return Truth::True;
    }
    let parts = split(&pieces, 6);
    let names: Vec<&str> = resource.splitn(parts.len(), ':').collect();
    if names.len() < parts.len() {
        return Truth::False;
    }
    Truth::all(parts.iter().zip(names).map(|(part, name)| {
        match substitute(world, ask, part, is_refused_in_resources) {
            Ok(form) => Truth::of(glob_text(&form, name)),
            Err(()) => {
                // Only what cannot be resolved could be anything.
                let wild = part.iter().flat_map(|piece| {
                    let one = std::slice::from_ref(piece);
                    substitute(world, ask, one, is_refused_in_resources)
                        .unwrap_or_else(|()| vec![Piece::Many])
                });
                if glob_text(&wild.collect::<Vec<_>>(), name) { Truth::Error } else { Truth::False }
            }
        }
    }))
}

/// "In a resource, a value that is empty, `.` or `..`, or contains `:` or `/` is an error."
fn is_refused_in_resources(value: &str) -> bool {
    matches!(value, "" | "." | "..") || value.contains([':', '/'])
}
