//! What is probably not meant: documents that are right by the language, and still suspicious.
//!
//! A pure function over what was parsed. A finding refuses nothing; it says where, why, and what would be better.
//! INVARIANT: what is said of patterns is never more than can be told from their texts: "covered" is certain, "may
//! outrank" is possible.

mod overlap;

use std::sync::Arc;

use crate::condition::Set;
use crate::document::Document;
use crate::key::{Key, KeyKind};
use crate::policy::{Policy, Source};
use crate::statement::{Effect, Statement};

/// The most findings about one document, and about its place among other policies.
pub const FINDINGS_MAX: usize = 100;
/// The most patterns that are compared with each other; what is beyond is not looked at, and a finding says so.
pub const COMPARISONS_MAX: usize = 1_000_000;

/// Every code of a finding and what it means, for the reference.
pub const CODES: &[(&str, &str)] = &[
    ("allow_everything", "An Allow of every action on every resource without a condition."),
    (
        "allow_not_action",
        "An Allow with `NotAction` permits everything not listed, also actions that come later.",
    ),
    (
        "allow_not_resource",
        "An Allow with `NotResource` reaches everything not listed, also resources that come later.",
    ),
    (
        "covered_statement",
        "Another statement of the same effect, without conditions, says all that this one says.",
    ),
    (
        "denied_allow",
        "A Deny of the same document, without conditions, covers the whole Allow: it never permits.",
    ),
    ("deny_outranked", "An Allow of a higher priority may permit what a Deny denies."),
    ("duplicate_statement", "Another statement says the same."),
    (
        "forall_matches_absent",
        "`ForAllValues` in an Allow holds where the key is absent, and no `Null` condition asks for it.",
    ),
    (
        "multi_valued_key",
        "A key with several values without `ForAnyValue` or `ForAllValues`: one that matches is enough.",
    ),
    ("not_all_compared", "There are too many statements to compare each with each."),
    ("unknown_action", "An action in one of Signet's own names that is none of Signet's actions."),
    ("unknown_key", "A key under `aws:` or `signet:` that nothing sets: it is always absent."),
];

/// Something that is probably not meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The place in the document, as a JSON pointer (RFC 6901).
    pub path: String,
    /// One of [`CODES`].
    pub code: &'static str,
    /// What was found there.
    pub message: String,
    /// What would be better.
    pub suggestion: String,
}

/// The findings so far, bounded by [`FINDINGS_MAX`].
struct Findings(Vec<Finding>);

impl Findings {
    fn add(
        &mut self,
        path: String,
        code: &'static str,
        message: impl Into<String>,
        suggestion: impl Into<String>,
    ) {
        if self.0.len() < FINDINGS_MAX {
            self.0.push(Finding { path, code, message: message.into(), suggestion: suggestion.into() });
        }
    }

    fn add_not_all(&mut self) {
        self.add(
            String::new(),
            "not_all_compared",
            format!("more than {COMPARISONS_MAX} pairs of patterns"),
            "split what is said into fewer statements, or look at parts of it",
        );
    }

    fn finish(mut self) -> Vec<Finding> {
        self.0.sort();
        self.0
    }
}

/// What is left of the comparisons.
struct Budget(usize);

impl Budget {
    /// Takes what it costs to compare two statements; says whether it was there.
    fn take(&mut self, one: &Statement, other: &Statement) -> bool {
        let cost =
            one.actions().len() * other.actions().len() + one.resources().len() * other.resources().len();
        self.0 = self.0.saturating_sub(cost.max(1));
        self.0 > 0
    }
}

/// Finds what is suspicious in a document by itself. `own_actions` are the names of Signet's actions.
#[must_use]
pub fn lint_document(document: &Document, own_actions: &[&str]) -> Vec<Finding> {
    let mut findings = Findings(Vec::new());
    for (at, statement) in document.statements().iter().enumerate() {
        let place = format!("/Statement/{at}");
        lint_breadth(&mut findings, statement, &place);
        lint_actions(&mut findings, statement, &place, own_actions);
        lint_conditions(&mut findings, statement, &place);
    }
    lint_pairs(&mut findings, document.statements());
    findings.finish()
}

/// Finds what a policy's place among others makes of it: its denies that an Allow of a higher priority may outrank,
/// and its allows that may outrank a Deny of a lower one. The paths are those of the policy's document; for a link,
/// empty.
#[must_use]
pub fn lint_among(policy: &Policy, others: &[Arc<Policy>]) -> Vec<Finding> {
    let mut findings = Findings(Vec::new());
    let mut budget = Budget(COMPARISONS_MAX);
    let in_document = policy.document().map_or(0, |document| document.statements().len());
    'own: for (at, own) in policy.statements().enumerate() {
        for other in others.iter().filter(|other| other.id() != policy.id()) {
            let outranks = match own.effect() {
                Effect::Deny => other.priority() > policy.priority(),
                Effect::Allow => other.priority() < policy.priority(),
            };
            if !outranks {
                continue;
            }
            for against in other.statements().filter(|one| one.effect() != own.effect()) {
                if !budget.take(own, against) {
                    findings.add_not_all();
                    break 'own;
                }
                if overlap::may_overlap(own, against) {
                    let path = if at < in_document { format!("/Statement/{at}") } else { String::new() };
                    outranked(&mut findings, path, own.effect(), policy, other);
                    continue 'own;
                }
            }
        }
    }
    findings.finish()
}

fn outranked(findings: &mut Findings, path: String, own: Effect, policy: &Policy, other: &Policy) {
    let name = match other.source() {
        Source::Policy { name, .. } | Source::Link { name, .. } => name,
        Source::Permission { code } => code,
    };
    let what = match own {
        Effect::Deny => "and may permit what this denies",
        Effect::Allow => "and denies what this may permit",
    };
    let message = format!(
        "the policy `{name}` has the priority {}, this one {}, {what}",
        other.priority(),
        policy.priority()
    );
    let suggestion =
        "the same priority for both; a deny that nobody in the tenant is to outrank belongs into a guardrail";
    findings.add(path, "deny_outranked", message, suggestion);
}

fn lint_breadth(findings: &mut Findings, statement: &Statement, place: &str) {
    if statement.effect() != Effect::Allow {
        return;
    }
    if statement.is_not_action() {
        let message =
            "an Allow with `NotAction` permits every action but the listed, also those that come later";
        findings.add(
            format!("{place}/NotAction"),
            "allow_not_action",
            message,
            "`Action` with what is meant",
        );
    }
    if statement.is_not_resource() {
        let message =
            "an Allow with `NotResource` reaches every resource but the listed, also those that come later";
        findings.add(
            format!("{place}/NotResource"),
            "allow_not_resource",
            message,
            "`Resource` with what is meant",
        );
    }
    let every = |text: &str| text.bytes().all(|byte| byte == b'*');
    let all_actions =
        statement.actions().iter().any(|pattern| every(pattern.as_str()) || pattern.as_str() == "*:*");
    let all_resources = statement.resources().iter().any(|pattern| every(pattern.as_str()));
    let plain =
        !statement.is_not_action() && !statement.is_not_resource() && statement.conditions().is_empty();
    if all_actions && all_resources && plain {
        let message = "an Allow of every action on every resource without a condition";
        findings.add(
            place.to_owned(),
            "allow_everything",
            message,
            "the actions and resources that are needed",
        );
    }
}

/// Names actions that stand under one of Signet's own nouns and are none of Signet's.
fn lint_actions(findings: &mut Findings, statement: &Statement, place: &str, own_actions: &[&str]) {
    let element = if statement.is_not_action() { "NotAction" } else { "Action" };
    for (at, pattern) in statement.actions().iter().enumerate() {
        let text = pattern.as_str();
        let Some((noun, _)) = text.split_once(':').filter(|(noun, _)| !noun.contains(['*', '?'])) else {
            continue;
        };
        let of_noun = |name: &&str| name.split(':').next().is_some_and(|own| own.eq_ignore_ascii_case(noun));
        let mut own = own_actions.iter().copied().filter(of_noun).peekable();
        if own.peek().is_none() {
            continue;
        }
        let names: Vec<&str> = own.collect();
        if !names.iter().any(|name| pattern.matches(name)) {
            let path = format!("{place}/{element}/{at}");
            let message = format!("`{text}` is none of Signet's actions on `{noun}`");
            findings.add(path, "unknown_action", message, format!("one of `{}`", names.join("`, `")));
        }
    }
}

fn lint_conditions(findings: &mut Findings, statement: &Statement, place: &str) {
    for condition in statement.conditions() {
        let path = || {
            format!("{place}/Condition/{}/{}", escape(condition.operator()), escape(condition.written_key()))
        };
        let key = condition.key();
        if key.is_unknown() {
            let message = format!("nothing ever sets `{}`", condition.written_key());
            findings.add(path(), "unknown_key", message, "one of the keys of the reference");
        }
        let is_multi_valued = matches!(key, Key::Known(known) if known.kind() == KeyKind::Texts);
        if is_multi_valued && condition.set().is_none() && condition.operator() != "Null" {
            let message = format!(
                "`{}` has several values, and no set operator says how they are taken together",
                condition.written_key()
            );
            let suggestion = format!("`ForAnyValue:{0}`, or `ForAllValues:{0}`", condition.operator());
            findings.add(path(), "multi_valued_key", message, suggestion);
        }
        let asks_presence = || {
            let mut others = statement.conditions().iter().filter(|other| other.operator() == "Null");
            others.any(|other| {
                other.key() == key && other.values().iter().all(|value| value.eq_ignore_ascii_case("false"))
            })
        };
        if statement.effect() == Effect::Allow && condition.set() == Some(Set::All) && !asks_presence() {
            let message =
                format!("`{}` holds where `{}` is absent", condition.operator(), condition.written_key());
            let suggestion = format!("also `\"Null\": {{ \"{}\": \"false\" }}`", condition.written_key());
            findings.add(path(), "forall_matches_absent", message, suggestion);
        }
    }
}

/// Writes a step of a JSON pointer: RFC 6901, section 3.
fn escape(step: &str) -> String {
    step.replace('~', "~0").replace('/', "~1")
}

/// Compares the statements of a document with each other.
fn lint_pairs(findings: &mut Findings, statements: &[Statement]) {
    let mut budget = Budget(COMPARISONS_MAX);
    for (at, statement) in statements.iter().enumerate() {
        for (other_at, other) in statements.iter().enumerate().filter(|(other_at, _)| *other_at != at) {
            if !budget.take(statement, other) {
                findings.add_not_all();
                return;
            }
            if let Some((code, message, suggestion)) = judge_pair((at, statement), (other_at, other)) {
                findings.add(format!("/Statement/{at}"), code, message, suggestion);
                break;
            }
        }
    }
}

/// What a statement is beside another of its document.
fn judge_pair(
    (at, statement): (usize, &Statement),
    (other_at, other): (usize, &Statement),
) -> Option<(&'static str, String, &'static str)> {
    let named = match other.sid() {
        Some(sid) => format!("`{sid}`"),
        None => format!("/Statement/{other_at}"),
    };
    if says_the_same(statement, other) {
        // Of two that are the same, the later one is too many.
        return (other_at < at)
            .then(|| ("duplicate_statement", format!("it says the same as {named}"), "remove one of them"));
    }
    let covers =
        other.conditions().is_empty() && other.principals().is_none() && overlap::covers(other, statement);
    if !covers {
        return None;
    }
    match (statement.effect(), other.effect()) {
        (Effect::Allow, Effect::Deny) => Some((
            "denied_allow",
            format!("{named} denies all of it"),
            "remove it, or let the Deny leave out what this permits",
        )),
        (Effect::Deny, Effect::Allow) => None,
        // Two that cover each other say the same in other words: the later one is too many.
        _ if overlap::covers(statement, other) && is_plain(statement) && at < other_at => None,
        _ => Some(("covered_statement", format!("{named} says all of it already"), "remove it")),
    }
}

/// Tells whether two statements differ at most in their names.
fn says_the_same(one: &Statement, other: &Statement) -> bool {
    one.effect == other.effect
        && (one.not_action, one.not_resource) == (other.not_action, other.not_resource)
        && one.actions == other.actions
        && one.resources == other.resources
        && one.extra == other.extra
}

fn is_plain(statement: &Statement) -> bool {
    statement.conditions().is_empty() && statement.principals().is_none()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const OWN: &[&str] = &["user:read", "user:update", "policy:read"];

    fn document(statements: Value) -> Document {
        Document::from_value(&json!({ "Version": "2012-10-17", "Statement": statements })).unwrap()
    }

    /// The findings as `code path`.
    fn found(statements: Value) -> Vec<String> {
        let findings = lint_document(&document(statements), OWN);
        for finding in &findings {
            assert!(CODES.iter().any(|(code, _)| *code == finding.code), "{finding:?}");
            assert!(!finding.message.is_empty() && !finding.suggestion.is_empty(), "{finding:?}");
        }
        findings.iter().map(|finding| format!("{} {}", finding.code, finding.path)).collect()
    }

    #[test]
    fn a_plain_document_has_no_findings() {
        let statements = json!([
            { "Effect": "Allow", "Action": ["report:read", "user:read"], "Resource": "reports/*" },
            { "Effect": "Deny", "Action": "report:*", "Resource": "reports/secret/*" },
            { "Effect": "Deny", "Action": "*", "Resource": "*", "Condition": { "Bool": { "aws:SecureTransport": "false" } } },
        ]);
        assert_eq!(found(statements), [""; 0]);
    }

    #[test]
    fn what_is_wider_than_it_looks_is_named() {
        assert_eq!(
            found(json!({ "Effect": "Allow", "NotAction": "a:b", "Resource": "x" })),
            ["allow_not_action /Statement/0/NotAction"]
        );
        assert_eq!(
            found(json!({ "Effect": "Allow", "Action": "a:b", "NotResource": "x" })),
            ["allow_not_resource /Statement/0/NotResource"]
        );
        assert_eq!(found(json!({ "Effect": "Deny", "NotAction": "a:b", "NotResource": "x" })), [""; 0]);
        assert_eq!(
            found(json!({ "Effect": "Allow", "Action": "*", "Resource": "*" })),
            ["allow_everything /Statement/0"]
        );
        assert_eq!(found(json!({ "Effect": "Allow", "Action": "a:*", "Resource": "*" })), [""; 0]);
        let guarded = json!({ "Effect": "Allow", "Action": "*", "Resource": "*", "Condition": { "Bool": { "aws:SecureTransport": "true" } } });
        assert_eq!(found(guarded), [""; 0]);
    }

    #[test]
    fn conditions_that_hold_by_absence_or_on_several_values_are_named() {
        let with = |effect: &str, condition: Value| {
            found(json!({ "Effect": effect, "Action": "a:b", "Resource": "*", "Condition": condition }))
        };
        let all = json!({ "ForAllValues:StringEquals": { "app:tags": ["x"] } });
        assert_eq!(
            with("Allow", all.clone()),
            ["forall_matches_absent /Statement/0/Condition/ForAllValues:StringEquals/app:tags"]
        );
        assert_eq!(with("Deny", all), [""; 0]);
        let asked =
            json!({ "ForAllValues:StringEquals": { "app:tags": ["x"] }, "Null": { "APP:Tags": "false" } });
        assert_eq!(with("Allow", asked), [""; 0]);
        let groups = json!({ "StringEquals": { "aws:groups": "g" } });
        assert_eq!(with("Deny", groups), ["multi_valued_key /Statement/0/Condition/StringEquals/aws:groups"]);
        assert_eq!(with("Allow", json!({ "ForAnyValue:StringEquals": { "aws:groups": "g" } })), [""; 0]);
        assert_eq!(with("Allow", json!({ "Null": { "aws:groups": "true" } })), [""; 0]);
        assert_eq!(
            with("Allow", json!({ "StringEquals": { "aws:PrincipalTags/x": "g" } })),
            ["unknown_key /Statement/0/Condition/StringEquals/aws:PrincipalTags~1x"]
        );
    }

    #[test]
    fn an_action_of_ours_that_is_none_is_named_and_any_of_others_is_free() {
        let statement = json!({
            "Effect": "Allow", "Resource": "x",
            "Action": ["user:craete", "User:Read", "user:up*", "user:x*", "document:craete", "*:craete", "u*:craete"],
        });
        assert_eq!(
            found(statement),
            ["unknown_action /Statement/0/Action/0", "unknown_action /Statement/0/Action/3"]
        );
    }

    #[test]
    fn statements_that_say_nothing_new_are_named() {
        let one = json!({ "Effect": "Allow", "Action": ["a:b", "a:c"], "Resource": "docs/*" });
        let narrow = json!({ "Sid": "N", "Effect": "Allow", "Action": "A:B", "Resource": "docs/secret/*" });
        let guarded = json!({ "Effect": "Allow", "Action": "a:b", "Resource": "docs/x", "Condition": { "Bool": { "aws:SecureTransport": "true" } } });
        let deny = json!({ "Effect": "Deny", "Action": "a:*", "Resource": "docs/*" });
        let some_deny = json!({ "Effect": "Deny", "Action": "a:b", "Resource": "docs/x" });
        assert_eq!(found(json!([one, one])), ["duplicate_statement /Statement/1"]);
        assert_eq!(found(json!([narrow, one])), ["covered_statement /Statement/0"]);
        assert_eq!(found(json!([one, guarded])), ["covered_statement /Statement/1"]);
        assert_eq!(found(json!([guarded, narrow])), [""; 0]);
        assert_eq!(found(json!([one, deny])), ["denied_allow /Statement/0"]);
        assert_eq!(found(json!([one, some_deny])), [""; 0]);
        let same_in_other_words =
            json!({ "Effect": "Allow", "Action": ["a:c", "A:b"], "Resource": "docs/*" });
        assert_eq!(found(json!([one, same_in_other_words])), ["covered_statement /Statement/1"]);
    }

    #[test]
    fn a_deny_below_an_allow_that_may_permit_the_same_is_named() {
        let policy = |id: &str, priority: u16, statements: Value| {
            Arc::new(
                Policy::new(id, id).with_priority(priority).with_document(Arc::new(document(statements))),
            )
        };
        let deny = policy(
            "deny",
            5,
            json!([
                { "Effect": "Allow", "Action": "a:b", "Resource": "y" },
                { "Effect": "Deny", "Action": "a:*", "Resource": "docs/*" },
            ]),
        );
        let same = policy("same", 5, json!({ "Effect": "Allow", "Action": "*", "Resource": "*" }));
        let elsewhere =
            policy("elsewhere", 9, json!({ "Effect": "Allow", "Action": "a:b", "Resource": "other/*" }));
        let higher =
            policy("higher", 9, json!({ "Effect": "Allow", "Action": "*", "Resource": "docs/plan" }));
        let by_not = policy("by-not", 9, json!({ "Effect": "Allow", "NotAction": "x:y", "Resource": "*" }));

        assert!(lint_among(&deny, &[same.clone(), elsewhere.clone(), deny.clone()]).is_empty());
        let findings = lint_among(&deny, &[same, elsewhere, higher]);
        assert_eq!(findings.len(), 1);
        assert_eq!((findings[0].code, findings[0].path.as_str()), ("deny_outranked", "/Statement/1"));
        assert!(
            findings[0].message.contains("`higher` has the priority 9, this one 5"),
            "{}",
            findings[0].message
        );
        assert_eq!(lint_among(&deny, &[by_not]).len(), 1);
        let allow = policy("allow", 6, json!({ "Effect": "Allow", "Action": "a:b", "Resource": "docs/x" }));
        let findings = lint_among(&allow, &[deny]);
        assert_eq!((findings.len(), findings[0].path.as_str()), (1, "/Statement/0"));
        assert!(findings[0].message.contains("denies what this may permit"), "{}", findings[0].message);
    }

    #[test]
    fn the_work_and_the_findings_are_bounded() {
        let statement = |at: usize| {
            let actions: Vec<String> = (0..2).map(|n| format!("a{at}:b{n}")).collect();
            json!({ "Effect": "Allow", "Action": actions, "NotResource": "x" })
        };
        let statements: Value = (0..256).map(statement).collect();
        assert_eq!(lint_document(&document(statements), OWN).len(), FINDINGS_MAX);
    }
}
