//! Bounded names, and the key under which a name is unique whatever its case.

use unicode_normalization::UnicodeNormalization;

/// The key under which a case-insensitive name is stored and compared: NFKC, then full case folding,
/// then NFKC again (Unicode 15 section 3.13, D146), compared byte by byte.
pub fn name_key(name: &str) -> String {
    let normal: String = name.nfkc().collect();
    caseless::default_case_fold_str(&normal).nfkc().collect()
}

/// Why a name was refused; prints what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadText {
    /// Nothing, or only white space.
    #[error("must not be empty")]
    Empty,
    /// Longer than the limit, in characters.
    #[error("must have at most {max} characters, has {found}")]
    TooLong {
        /// The limit in characters.
        max: usize,
        /// What was found, in characters.
        found: usize,
    },
    /// A character that is not allowed there.
    #[error("must not contain {0:?}")]
    Character(char),
    /// White space at the start or the end.
    #[error("must not begin or end with white space")]
    Untrimmed,
    /// Another rule of the noun; the text says which.
    #[error("{0}")]
    Rule(&'static str),
}

/// Checks one line of human text: 1 to `max` characters, trimmed, without control characters and
/// without the bidirectional overrides that make text look like other text (Unicode TR 36).
pub fn check_line(text: &str, max: usize) -> Result<(), BadText> {
    if text.trim().is_empty() {
        return Err(BadText::Empty);
    }
    if text.trim() != text {
        return Err(BadText::Untrimmed);
    }
    let found = text.chars().count();
    if found > max {
        return Err(BadText::TooLong { max, found });
    }
    let bad = |c: &char| c.is_control() || matches!(*c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    match text.chars().find(bad) {
        Some(c) => Err(BadText::Character(c)),
        None => Ok(()),
    }
}

/// Parses a user name: 1 to 64 characters, one line, no white space, none of `/ \ : < > " & ' %`.
pub fn parse_username(text: &str) -> Result<Username, BadText> {
    check_line(text, 64)?;
    if let Some(c) = text.chars().find(|c| c.is_whitespace() || "/\\:<>\"&'%".contains(*c)) {
        return Err(BadText::Character(c));
    }
    Ok(Username { key: name_key(text), text: text.to_owned() })
}

/// A user name that is known to be well formed, with the key it is unique by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Username {
    text: String,
    key: String,
}

impl Username {
    /// The name as the person wrote it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The key it is unique by within a tenant.
    pub fn key(&self) -> &str {
        &self.key
    }
}

/// Checks an e-mail address: at most 128 characters, one `@`, a local part and a domain with no white
/// space or control character. Whether mail arrives is for a confirmation mail to say.
pub fn check_email(text: &str) -> Result<(), BadText> {
    check_line(text, 128)?;
    if let Some(c) = text.chars().find(|c| c.is_whitespace() || "<>\"\\,;:()".contains(*c)) {
        return Err(BadText::Character(c));
    }
    match text.split_once('@') {
        Some((local, domain))
            if !local.is_empty()
                && !domain.is_empty()
                && !domain.contains('@')
                && !domain.starts_with('.')
                && !domain.ends_with('.') =>
        {
            Ok(())
        }
        _ => Err(BadText::Rule("must be an e-mail address, like alice@example.com")),
    }
}

/// Checks a phone number in E.164 form: `+` and 6 to 15 digits.
pub fn check_phone(text: &str) -> Result<(), BadText> {
    let digits = text.strip_prefix('+').unwrap_or("");
    if (6..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) {
        Ok(())
    } else {
        Err(BadText::Rule("must be a phone number in E.164 form, like +8613800000000"))
    }
}

/// Checks a code such as a tenant's or a role's: 1 to `max` characters of `[A-Za-z0-9_-]`, beginning
/// with a letter or a digit.
pub fn check_code(text: &str, max: usize) -> Result<(), BadText> {
    if text.is_empty() {
        return Err(BadText::Empty);
    }
    if text.len() > max {
        return Err(BadText::TooLong { max, found: text.chars().count() });
    }
    if let Some(c) = text.chars().find(|c| !(c.is_ascii_alphanumeric() || "_-".contains(*c))) {
        return Err(BadText::Character(c));
    }
    if text.starts_with(['_', '-']) {
        return Err(BadText::Rule("must begin with a letter or a digit"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_differ_only_in_case_or_width_share_a_key() {
        for (left, right) in [("Alice", "ALICE"), ("ｂｏｂ", "bob"), ("Straße", "STRASSE"), ("é", "e\u{301}")]
        {
            assert_eq!(name_key(left), name_key(right), "{left} {right}");
        }
        assert_ne!(name_key("alice"), name_key("al1ce"));
    }

    #[test]
    fn bad_names_say_what_was_expected() {
        assert_eq!(parse_username("").unwrap_err(), BadText::Empty);
        assert_eq!(parse_username("a b").unwrap_err(), BadText::Character(' '));
        assert_eq!(parse_username("a\0").unwrap_err(), BadText::Character('\0'));
        assert_eq!(parse_username(&"x".repeat(65)).unwrap_err(), BadText::TooLong { max: 64, found: 65 });
        assert_eq!(check_line("\u{202e}evil", 10).unwrap_err(), BadText::Character('\u{202e}'));
        assert!(check_email("a@b@c").is_err());
        assert!(check_phone("0049").is_err());
        assert!(check_code("-x", 10).is_err());
        parse_username("张伟").unwrap();
        check_email("admin@openidaas.com").unwrap();
        check_phone("+8613800000000").unwrap();
    }
}
