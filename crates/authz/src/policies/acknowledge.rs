//! Statements that reach further than they look: written only by whoever says that they know.
//!
//! An Allow with `NotAction` or `NotResource` permits what comes later too. What a policy says already was said
//! knowingly, and so was what it is rolled back to.

use policy::{Document, Effect, ParseError, Statement};
use serde_json::Value;

use crate::{Error, Result};

/// What can be acknowledged.
pub const CODES: [&str; 2] = ["allow_not_action", "allow_not_resource"];

/// What a statement needs to have acknowledged, with the element that needs it.
fn needs(statement: &Statement) -> Option<(&'static str, &'static str)> {
    let [not_action, not_resource] = CODES;
    match (statement.effect(), statement.is_not_action(), statement.is_not_resource()) {
        (Effect::Allow, true, _) => Some((not_action, "NotAction")),
        (Effect::Allow, _, true) => Some((not_resource, "NotResource")),
        _ => None,
    }
}

/// What a document as a whole needs to have acknowledged where nothing was said before.
pub fn needed(document: &Value) -> Vec<&'static str> {
    let Ok(document) = Document::from_value(document) else { return Vec::new() };
    let mut codes: Vec<&'static str> =
        document.statements().iter().filter_map(needs).map(|(code, _)| code).collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

/// Refuses statements that need an acknowledgement, are not in the document of before, and have none.
///
/// Fails with [`Error::Unacknowledged`], which names each statement, and with [`Error::Invalid`] for a word that
/// acknowledges nothing.
pub(super) fn check(before: Option<&Value>, after: &Value, said: &[String]) -> Result<()> {
    if let Some(at) = said.iter().position(|word| !CODES.contains(&word.as_str())) {
        let detail = format!("expected `{}`", CODES.join("` or `"));
        return Err(Error::invalid(format!("/acknowledge/{at}"), "unknown_acknowledgement", detail));
    }
    let before = before.and_then(|document| Document::from_value(document).ok());
    let known = before.as_ref().map(Document::statements).unwrap_or_default();
    let after = Document::from_value(after).map_err(Error::Document)?;
    let mut missing = Vec::new();
    for (at, statement) in after.statements().iter().enumerate() {
        let Some((code, element)) = needs(statement) else { continue };
        if known.contains(statement) || said.iter().any(|word| word == code) {
            continue;
        }
        missing.push(ParseError {
            path: format!("/Statement/{at}/{element}"),
            found: format!("an Allow with `{element}`, which also permits what comes later"),
            expected: format!("what is meant by name, or `{code}` in `acknowledge`"),
        });
    }
    if missing.is_empty() { Ok(()) } else { Err(Error::Unacknowledged(missing)) }
}
