//! What a client is an enforcement point for.
//!
//! The owner of the client's row keeps the registration and writes it to the client's principal in the same
//! transaction ([`crate::principals::set_registration_in`]); the decision point compiles it with the principal
//! and keeps it as long. It grants nothing: the client needs `access:Evaluate` besides.

use base::{Kind, Problem};
use policy::{ActionName, ActionPattern, ResourceName, ResourcePattern};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::RESERVED_PREFIXES;
use crate::{Error, Result};

/// The most action patterns, and the most resource patterns, of a registration.
pub const PATTERNS_MAX: usize = 50;
/// The most context keys of a registration.
pub const CONTEXT_KEYS_MAX: usize = 50;
/// The longest name of a context key, in bytes.
pub const CONTEXT_KEY_BYTES_MAX: usize = 128;
/// As much of a caller's text as an answer repeats, in characters.
const SHOWN_CHARS_MAX: usize = 200;
/// The context member that holds the address of the end user.
pub const END_USER_ADDRESS: &str = "end_user_address";
/// The context member that says whether the end user's connection was encrypted; for whoever may pass the address.
pub const END_USER_SECURE_TRANSPORT: &str = "end_user_secure_transport";

/// A registration as people write it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistrationText {
    /// Patterns of the actions that it may ask about: 1 to [`PATTERNS_MAX`].
    pub actions: Vec<String>,
    /// Patterns of the resources that it may ask about: 1 to [`PATTERNS_MAX`].
    pub resources: Vec<String>,
    /// Context keys that it may add, in any case of letters: at most [`CONTEXT_KEYS_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub context_keys: Vec<String>,
    /// Whether it may pass the address of the end user, as the context member [`END_USER_ADDRESS`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub end_user_address: bool,
}

/// A registration that was checked, ready to be asked. Equal if it is written the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    text: RegistrationText,
    actions: Box<[ActionPattern]>,
    resources: Box<[ResourcePattern]>,
}

/// What a registration does not cover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Uncovered {
    /// The action.
    Action(String),
    /// The resource.
    Resource(String),
    /// A context key.
    ContextKey(String),
}

impl Uncovered {
    /// The refusal, as the caller reads it.
    pub(crate) fn problem(&self) -> Problem {
        match self {
            Self::Action(action) => Problem::new(
                Kind::Forbidden,
                "action_not_registered",
                format!("the client is not registered for the action `{}`", shown(action)),
            ),
            Self::Resource(resource) => Problem::new(
                Kind::Forbidden,
                "resource_not_registered",
                format!("the client is not registered for the resource `{}`", shown(resource)),
            ),
            Self::ContextKey(key) => Problem::new(
                Kind::Forbidden,
                "context_key_not_registered",
                format!("the caller is not registered for the context key `{}`", shown(key)),
            ),
        }
    }

    /// The stable word for it in the evidence.
    pub(super) const fn as_str(&self) -> &'static str {
        match self {
            Self::Action(_) => "action_not_registered",
            Self::Resource(_) => "resource_not_registered",
            Self::ContextKey(_) => "context_key_not_registered",
        }
    }
}

/// As much of a caller's text as an answer repeats.
fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS_MAX).collect()
}

impl Registration {
    /// Checks and compiles.
    ///
    /// Fails with [`Error::Invalid`] at the first wrong value, its pointer relative to the registration: too
    /// few or too many entries, a pattern that is none (or longer than [`policy::pattern::PATTERN_BYTES_MAX`]),
    /// a context key that is reserved, twice there or not 1 to [`CONTEXT_KEY_BYTES_MAX`] visible ASCII characters.
    pub fn parse(text: RegistrationText) -> Result<Self> {
        count("/actions", text.actions.len())?;
        count("/resources", text.resources.len())?;
        let actions = text
            .actions
            .iter()
            .enumerate()
            .map(|(at, pattern)| ActionPattern::parse(pattern).map_err(|e| wrong("/actions", at, pattern, e)))
            .collect::<Result<_>>()?;
        let resources = text
            .resources
            .iter()
            .enumerate()
            .map(|(at, pattern)| {
                ResourcePattern::parse_plain(pattern).map_err(|e| wrong("/resources", at, pattern, e))
            })
            .collect::<Result<_>>()?;
        check_keys(&text.context_keys)?;
        Ok(Self { text, actions, resources })
    }

    /// Reads the stored form. Fails as [`Registration::parse`] does, and for any other shape.
    pub fn from_value(value: Value) -> Result<Self> {
        let text = serde_json::from_value(value)
            .map_err(|error| Error::invalid("", "invalid_registration", error.to_string()))?;
        Self::parse(text)
    }

    /// As it was written.
    pub const fn text(&self) -> &RegistrationText {
        &self.text
    }

    /// The stored form.
    pub fn to_value(&self) -> Value {
        // INVARIANT: texts and truth values always have a JSON form.
        serde_json::to_value(&self.text).unwrap_or_default()
    }

    /// What of a question is not covered. A text that is no name is nothing to cover: it is denied whoever asks.
    pub(super) fn uncovered(&self, action: &str, resource: &str) -> Option<Uncovered> {
        if !self.actions.iter().any(|pattern| pattern.matches(action)) && ActionName::check(action).is_ok() {
            return Some(Uncovered::Action(action.to_owned()));
        }
        if !self.resources.iter().any(|pattern| pattern.matches(resource))
            && ResourceName::check(resource).is_ok()
        {
            return Some(Uncovered::Resource(resource.to_owned()));
        }
        None
    }

    /// Whether the client may add this context key.
    pub(super) fn allows_key(&self, key: &str) -> bool {
        if self.text.end_user_address && [END_USER_ADDRESS, END_USER_SECURE_TRANSPORT].contains(&key) {
            return true;
        }
        self.text.context_keys.iter().any(|known| known.eq_ignore_ascii_case(key))
    }
}

fn count(pointer: &str, found: usize) -> Result<()> {
    if (1..=PATTERNS_MAX).contains(&found) {
        return Ok(());
    }
    let detail = format!("found {found} patterns, expected 1 to {PATTERNS_MAX}");
    Err(Error::invalid(pointer, "invalid_registration", detail))
}

fn wrong(list: &str, at: usize, pattern: &str, error: policy::PatternError) -> Error {
    let detail = format!("found `{}`, expected {}", shown(pattern), error.expectation());
    Error::invalid(format!("{list}/{at}"), "invalid_pattern", detail)
}

fn check_keys(keys: &[String]) -> Result<()> {
    let refuse = |at: usize, detail: String| {
        Err(Error::invalid(format!("/context_keys/{at}"), "invalid_context_key", detail))
    };
    if keys.len() > CONTEXT_KEYS_MAX {
        let detail = format!("found {} context keys, expected at most {CONTEXT_KEYS_MAX}", keys.len());
        return Err(Error::invalid("/context_keys", "invalid_registration", detail));
    }
    for (at, key) in keys.iter().enumerate() {
        let fits =
            (1..=CONTEXT_KEY_BYTES_MAX).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
        if !fits {
            let rule = format!("expected 1 to {CONTEXT_KEY_BYTES_MAX} visible ASCII characters");
            return refuse(at, rule);
        }
        if is_reserved(key) {
            let rule = "comes from the decision point and cannot be registered";
            return refuse(at, format!("found `{key}`, which {rule}"));
        }
        if [END_USER_ADDRESS, END_USER_SECURE_TRANSPORT].iter().any(|ours| key.eq_ignore_ascii_case(ours)) {
            let rule = format!("found `{key}`, expected `\"{END_USER_ADDRESS}\": true` beside the keys");
            return refuse(at, rule);
        }
        if keys.iter().take(at).any(|earlier| earlier.eq_ignore_ascii_case(key)) {
            return refuse(at, format!("found `{key}` twice; letters of either case are one key"));
        }
    }
    Ok(())
}

/// Whether only the decision point may set this context key.
pub(super) fn is_reserved(key: &str) -> bool {
    RESERVED_PREFIXES.iter().any(|prefix| {
        key.as_bytes().get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix.as_bytes()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(actions: &[&str], resources: &[&str], keys: &[&str]) -> RegistrationText {
        let list = |of: &[&str]| of.iter().map(|item| (*item).to_owned()).collect();
        RegistrationText {
            actions: list(actions),
            resources: list(resources),
            context_keys: list(keys),
            end_user_address: false,
        }
    }

    #[test]
    fn what_is_covered_follows_the_patterns_of_the_policy_language() {
        let point = Registration::parse(text(&["document:*"], &["document:docs/*"], &["channel"])).unwrap();

        for (action, resource, expected) in [
            ("document:read", "document:docs/plan", None),
            ("DOCUMENT:Read", "document:docs/plan", None),
            ("payroll:read", "document:docs/plan", Some(Uncovered::Action("payroll:read".to_owned()))),
            ("document:read", "Document:docs/a", Some(Uncovered::Resource("Document:docs/a".to_owned()))),
            ("document:read", "document:docs", Some(Uncovered::Resource("document:docs".to_owned()))),
            ("document:read", "", None),
            ("no action", "document:docs/plan", None),
        ] {
            assert_eq!(point.uncovered(action, resource), expected, "{action} {resource}");
        }
        assert!(point.allows_key("Channel") && !point.allows_key("channel2"));
        assert!(!point.allows_key(END_USER_ADDRESS));
    }

    #[test]
    fn a_wrong_registration_is_refused_with_its_place() {
        let long = "a".repeat(CONTEXT_KEY_BYTES_MAX + 1);
        let many = vec!["a:b"; PATTERNS_MAX + 1];
        for (wrong, place) in [
            (text(&[], &["*"], &[]), "/actions"),
            (text(&many, &["*"], &[]), "/actions"),
            (text(&["*"], &[], &[]), "/resources"),
            (text(&["a:b", "user"], &["*"], &[]), "/actions/1"),
            (text(&["*"], &["a//b"], &[]), "/resources/0"),
            (text(&["*"], &["${aws:username}"], &[]), "/resources/0"),
            (text(&["*"], &["*"], &["ok", "AWS:SourceIp"]), "/context_keys/1"),
            (text(&["*"], &["*"], &["signet:tenant"]), "/context_keys/0"),
            (text(&["*"], &["*"], &["a", "A"]), "/context_keys/1"),
            (text(&["*"], &["*"], &[""]), "/context_keys/0"),
            (text(&["*"], &["*"], &[&long]), "/context_keys/0"),
            (text(&["*"], &["*"], &["end_user_address"]), "/context_keys/0"),
        ] {
            match Registration::parse(wrong) {
                Err(Error::Invalid { pointer, .. }) => assert_eq!(pointer, place),
                other => panic!("{place}: {other:?}"),
            }
        }
    }

    #[test]
    fn the_stored_form_gives_the_same_registration_again() {
        let mut written = text(&["document:*"], &["document:*"], &["channel"]);
        written.end_user_address = true;
        let point = Registration::parse(written).unwrap();

        let again = Registration::from_value(point.to_value()).unwrap();

        assert_eq!(again, point);
        assert!(again.allows_key(END_USER_ADDRESS));
    }
}
