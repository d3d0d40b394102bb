//! The names that a request asks about: an action and a resource, checked once at the edge.
//!
//! Two spellings of one resource would let a request walk around a deny, so a name that another component could
//! read differently (an empty or dotted path segment, an encoded separator) is refused, never repaired.

use std::fmt;

use crate::words::{self, HIGH_BITS};

/// The longest action name, in bytes.
pub const ACTION_NAME_BYTES_MAX: usize = 128;
/// The longest resource name, in bytes.
pub const RESOURCE_NAME_BYTES_MAX: usize = 1024;

/// An action that a request asks for: `noun:verb`, such as `user:create` or `s3:GetObject`.
///
/// It keeps the spelling it was given. Actions match without regard to ASCII case, so it has no `==`.
#[derive(Debug, Clone)]
pub struct ActionName(Box<str>);

impl ActionName {
    /// Reads an action name: non-empty parts of `A-Z a-z 0-9 _ . -`, joined by one or more colons, at most
    /// [`ACTION_NAME_BYTES_MAX`] bytes.
    ///
    /// Fails with the first rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        Self::check(text)?;
        Ok(Self(text.into()))
    }

    /// Checks what [`ActionName::parse`] checks, without keeping the text.
    pub fn check(text: &str) -> Result<(), NameError> {
        check_action_text(text, ACTION_NAME_BYTES_MAX, "")
    }

    /// Returns the name as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ActionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A resource that a request asks about, such as `arn:signet:iam::{tenant id}:user/{id}` or `orders/17`.
///
/// Case-sensitive, compared byte by byte; no Unicode normalisation is applied.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ResourceName(Box<str>);

impl ResourceName {
    /// Reads a resource name of 1 to [`RESOURCE_NAME_BYTES_MAX`] bytes.
    ///
    /// Refuses control characters, backslashes, empty path segments (`//`, a `/` at either end or after a
    /// colon), segments that are `.` or `..`, and percent-encoded separators, dots and control characters,
    /// however often they are encoded. Empty parts between colons are part of the ARN form and stand.
    ///
    /// Fails with the first rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        Self::check(text)?;
        Ok(Self(text.into()))
    }

    /// Checks what [`ResourceName::parse`] checks, without keeping the text.
    pub fn check(text: &str) -> Result<(), NameError> {
        check_resource_text(text, RESOURCE_NAME_BYTES_MAX)
    }

    /// Returns the name as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the tenant part of a name of Signet's own form `arn:signet:{service}:{region}:{tenant}:…`, which
    /// is empty where the name states none (as platform names do); `None` for any other scheme.
    ///
    /// It is only good for refusing: a name that states another tenant is foreign, but no name is one's own
    /// because it says so.
    #[must_use]
    pub fn stated_tenant(&self) -> Option<&str> {
        stated_tenant(&self.0)
    }
}

/// [`ResourceName::stated_tenant`] of a text that [`ResourceName::check`] accepts.
#[must_use]
pub fn stated_tenant(name: &str) -> Option<&str> {
    let mut parts = name.strip_prefix("arn:signet:")?.splitn(4, ':').skip(2);
    let tenant = parts.next()?;
    parts.next().map(|_path| tenant)
}

impl fmt::Display for ResourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The rule that a name or pattern breaks. Displays as what was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameError {
    /// The text is empty.
    Empty,
    /// The text has more bytes than the limit given here.
    TooLong {
        /// The limit, in bytes.
        bytes_max: usize,
    },
    /// The text holds a character outside the alphabet of action names.
    Character(char),
    /// An action without a colon.
    MissingColon,
    /// An action with nothing before, after or between its colons.
    EmptyPart,
    /// The text holds a control character.
    Control,
    /// The text holds a backslash, which some systems read as a separator.
    Backslash,
    /// The path has an empty segment.
    EmptySegment,
    /// The path has a segment that is `.` or `..`.
    DotSegment,
    /// The text holds a percent-encoded separator, dot or control character.
    EncodedSeparator,
}

impl NameError {
    /// Says what was expected, as a phrase that can follow "expected".
    #[must_use]
    pub fn expectation(self) -> String {
        let expectation = match self {
            Self::Empty => "at least one character",
            Self::TooLong { bytes_max } => return format!("at most {bytes_max} bytes"),
            Self::Character(found) => {
                return format!(
                    "only ASCII letters, digits, `_`, `-`, `.` and `:`, without `{}`",
                    found.escape_debug()
                );
            }
            Self::MissingColon => "the form `noun:verb`",
            Self::EmptyPart => "something on both sides of each colon",
            Self::Control => "no control characters",
            Self::Backslash => "no backslash",
            Self::EmptySegment => "no empty path segment (`//`, or `/` at either end or after `:`)",
            Self::DotSegment => "no path segment `.` or `..`",
            Self::EncodedSeparator => "no percent-encoded separator, dot or control character",
        };
        expectation.into()
    }
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}", self.expectation())
    }
}

impl std::error::Error for NameError {}

/// Checks an action name or, where `wildcards` is not empty, a pattern for one.
///
/// A pattern is refused only for what no valid name could match: a statement that can never apply is a mistake
/// of its author, and in a deny a dangerous one.
pub(crate) fn check_action_text(text: &str, bytes_max: usize, wildcards: &str) -> Result<(), NameError> {
    check_length(text, bytes_max)?;
    if is_plain_action(text) { Ok(()) } else { check_action_rules(text, wildcards) }
}

fn check_action_rules(text: &str, wildcards: &str) -> Result<(), NameError> {
    let foreign = |c: &char| {
        !c.is_ascii_alphanumeric() && !matches!(c, '_' | '-' | '.' | ':') && !wildcards.contains(*c)
    };
    if let Some(found) = text.chars().find(foreign) {
        return Err(NameError::Character(found));
    }
    if text.split(':').any(str::is_empty) {
        return Err(NameError::EmptyPart);
    }
    let wild = text.contains(|c| wildcards.contains(c));
    if !wild && !text.contains(':') {
        return Err(NameError::MissingColon);
    }
    Ok(())
}

/// Checks a resource name, or a pattern for one: each rule forbids a literal text, so that a pattern which
/// breaks it could match no valid name.
pub(crate) fn check_resource_text(text: &str, bytes_max: usize) -> Result<(), NameError> {
    check_length(text, bytes_max)?;
    if is_plain_resource(text) { Ok(()) } else { check_resource_rules(text) }
}

fn check_resource_rules(text: &str) -> Result<(), NameError> {
    if text.chars().any(char::is_control) {
        return Err(NameError::Control);
    }
    if text.contains('\\') {
        return Err(NameError::Backslash);
    }
    if text.contains(":/") || text.split('/').any(str::is_empty) {
        return Err(NameError::EmptySegment);
    }
    if text.split(['/', ':']).any(|segment| segment == "." || segment == "..") {
        return Err(NameError::DotSegment);
    }
    if text.split('%').skip(1).any(decodes_to_separator) {
        return Err(NameError::EncodedSeparator);
    }
    Ok(())
}

/// Tells in one pass whether a text is an action name without wildcards: what nearly every text is. `false` says
/// nothing: the rules one by one then say what is wrong, if anything is.
fn is_plain_action(text: &str) -> bool {
    let bytes = text.as_bytes();
    // The beginning counts as a colon before the first byte, so that a second one there is seen.
    let (mut valid, mut colons, mut after, mut empty_part) = (HIGH_BITS, 0, 0x80, 0);
    let mut look_at = |word: u64| {
        let colon = words::equal(word, b':');
        valid &= words::between(word | words::every(0x20), b'a', b'z')
            | words::between(word, b'0', b':')
            | words::between(word, b'-', b'.')
            | words::equal(word, b'_');
        empty_part |= colon & ((colon << 8) | after);
        after = colon >> 56;
        colons |= colon;
    };
    for word in bytes.as_chunks::<8>().0 {
        look_at(u64::from_le_bytes(*word));
    }
    // Filled up with letters, which break no rule.
    look_at(words::last_word(bytes) | (words::every(b'a') << (8 * (bytes.len() % 8))));
    valid == HIGH_BITS && empty_part == 0 && colons != 0 && !text.ends_with(':')
}

/// Tells in one pass whether a text is a resource name of printable ASCII without `\\`, `%` and segments that begin with
/// a dot that breaks no rule. `false` says nothing, as with [`is_plain_action`].
fn is_plain_resource(text: &str) -> bool {
    let bytes = text.as_bytes();
    // The beginning counts as a separator before the first byte.
    let (mut wrong, mut after) = (0, 0x80);
    let mut look_at = |word: u64| {
        let slash = words::equal(word, b'/');
        let separator = slash | words::equal(word, b':');
        let begins = (separator << 8) | after;
        let printable = words::between(word, b' ', b'~');
        wrong |= (printable ^ HIGH_BITS) | words::equal(word, b'%') | words::equal(word, b'\\');
        wrong |= begins & (slash | words::equal(word, b'.'));
        after = separator >> 56;
    };
    for word in bytes.as_chunks::<8>().0 {
        look_at(u64::from_le_bytes(*word));
    }
    // Filled up with letters, which break no rule.
    look_at(words::last_word(bytes) | (words::every(b'a') << (8 * (bytes.len() % 8))));
    wrong == 0 && !bytes.is_empty() && !text.ends_with('/')
}

fn check_length(text: &str, bytes_max: usize) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text.len() > bytes_max {
        return Err(NameError::TooLong { bytes_max });
    }
    Ok(())
}

/// Tells whether a percent sign followed by `rest` encodes a separator, a dot or a control character. A `%25` is
/// itself an encoded percent sign, so that `%252f` becomes a slash for whoever decodes twice.
fn decodes_to_separator(rest: &str) -> bool {
    let mut code = rest;
    while let Some(inner) = code.strip_prefix("25") {
        code = inner;
    }
    let mut digits = code.chars().map(|c| c.to_digit(16));
    let (Some(Some(high)), Some(Some(low))) = (digits.next(), digits.next()) else {
        return false;
    };
    let byte = high * 16 + low;
    byte < 0x20 || [0x2e, 0x2f, 0x3a, 0x5c, 0x7f].contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_cuts_say_the_same_wherever_a_character_stands() {
        for filler in ["svc3", "arn:app:svc3:eu:t000:bucket-1/folder-2/object-3"] {
            for at in 0..=filler.len() {
                for part in [
                    "x", ":", "/", "::", ":/", "//", ".", "%2f", "\\", "\u{7}", "\u{7f}", "é", "_", "-", "@",
                    "[", "`", "{",
                ] {
                    let text = format!("{}{part}{}", &filler[..at], &filler[at..]);
                    if is_plain_resource(&text) {
                        assert_eq!(check_resource_rules(&text), Ok(()), "{text:?}");
                    }
                    if is_plain_action(&text) {
                        assert_eq!(check_action_rules(&text, ""), Ok(()), "{text:?}");
                    }
                    if check_action_rules(&text, "").is_ok() {
                        assert!(is_plain_action(&text), "{text:?}");
                    }
                }
            }
        }
        assert!(
            is_plain_resource("arn:app:svc3:eu:t000:bucket-1/folder-2/object-3") && is_plain_resource("a/b")
        );
    }

    /// Every text of up to six characters of an alphabet with one of each kind that a rule looks at.
    fn texts() -> Vec<String> {
        let alphabet = ['/', ':', '.', '%', '\\', 'a', '*', 'é', '\u{7}'];
        let mut all = vec![String::new()];
        let mut longest = all.clone();
        for _ in 0..5 {
            longest = longest.iter().flat_map(|text| alphabet.map(|c| format!("{text}{c}"))).collect();
            all.extend(longest.iter().cloned());
        }
        all
    }

    #[test]
    fn the_short_cuts_accept_only_what_the_rules_accept() {
        let mut accepted = 0;
        for text in texts() {
            if is_plain_resource(&text) {
                accepted += 1;
                assert_eq!(check_resource_rules(&text), Ok(()), "{text:?}");
            }
            if is_plain_action(&text) {
                accepted += 1;
                assert_eq!(check_action_rules(&text, ""), Ok(()), "{text:?}");
            }
        }
        assert!(accepted > 100, "the short cuts accept what is plain");
    }
}
