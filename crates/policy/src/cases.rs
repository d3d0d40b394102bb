//! Tests of policies: cases that say what a question is answered, read from a file's value and put to the engine.
//!
//! A file has `cases` and, optionally, `documents` by name. Each case is one question with the policies that it is
//! asked under, or a document that is to be refused. `docs/policy-tests.md` is the reference for people.

mod read;

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value as Json;

use crate::document::{Document, Kind, ParseError};
use crate::key::{Facts, Known, Tagged};
use crate::policy::{Policy, Source};
use crate::snapshot::{Because, Denial, Explanation, Failed, Input, Principal, Request, RoleInput, Snapshot};
use crate::statement::Effect;
use crate::value::{Stored, Value};

/// The most cases of one file.
pub const CASES_MAX: usize = 10_000;

/// The role that holds the policies of a case.
const ROLE: &str = "case";

/// The cases of one file.
#[derive(Debug)]
pub struct Suite {
    cases: Vec<Case>,
}

/// One case.
#[derive(Debug)]
pub struct Case {
    name: String,
    kind: CaseKind,
}

#[derive(Debug)]
enum CaseKind {
    Decision(Box<Asked>),
    Refused { document: Json, at: String },
}

/// A question with all that it is asked under.
#[derive(Debug)]
struct Asked {
    input: Input,
    ceilings: Ceilings,
    active: bool,
    action: String,
    resource: String,
    now: i64,
    given: Given,
    effect: Effect,
    denial: Option<Denial>,
    errors: Option<usize>,
}

#[derive(Debug, Default)]
struct Ceilings {
    boundary: Option<Vec<Policy>>,
    session: Option<Vec<Policy>>,
    scope: Option<Vec<Policy>>,
}

/// What the case says is known.
#[derive(Debug, Default)]
struct Given {
    known: Vec<(Known, Stored)>,
    tags: HashMap<Tagged, Vec<(Box<str>, Stored)>>,
    context: Vec<(Box<str>, Stored)>,
}

/// What became of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// As the case says.
    Passed,
    /// Otherwise, in words.
    Failed(String),
}

impl Suite {
    /// Reads a file's value. Fails with every mistake found, each with its place as a JSON pointer.
    pub fn from_value(value: &Json) -> Result<Self, Vec<ParseError>> {
        read::suite(value)
    }

    /// Returns the cases in their order.
    #[must_use]
    pub fn cases(&self) -> &[Case] {
        &self.cases
    }
}

impl Case {
    /// The sentence that the case proves.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Puts the case to the engine.
    #[must_use]
    pub fn run(&self) -> Outcome {
        match &self.kind {
            CaseKind::Refused { document, at } => match Document::from_value(document) {
                Ok(_) => Outcome::Failed(format!("expected a refusal at `{at}`, the document is accepted")),
                Err(errors) if errors.iter().any(|error| error.path == *at) => Outcome::Passed,
                Err(errors) => {
                    let found: Vec<String> = errors.iter().map(ToString::to_string).collect();
                    Outcome::Failed(format!("expected a refusal at `{at}`, found {}", found.join("; ")))
                }
            },
            CaseKind::Decision(asked) => match asked.explain() {
                Ok(explanation) => asked.compare(&explanation),
                Err(error) => Outcome::Failed(error),
            },
        }
    }

    /// Puts the case to the engine and returns the decision with its reasons; none where a document is to be refused.
    ///
    /// Fails with the sentence that says why its policies cannot be asked.
    pub fn explain(&self) -> Result<Option<Explanation>, String> {
        match &self.kind {
            CaseKind::Refused { .. } => Ok(None),
            CaseKind::Decision(asked) => asked.explain().map(Some),
        }
    }
}

impl Asked {
    fn explain(&self) -> Result<Explanation, String> {
        let snapshot = Snapshot::compile(0, self.input.clone()).map_err(|error| error.to_string())?;
        let identity = snapshot.identity(&[ROLE], &[]).map_err(|error| error.to_string())?;
        let table = |policies: &Option<Vec<Policy>>| {
            policies.as_ref().map(|list| Snapshot::ceiling(list.iter().cloned().map(Arc::new)))
        };
        let Ceilings { boundary, session, scope } = &self.ceilings;
        let (boundary, session, scope) = (table(boundary), table(session), table(scope));
        let principal = Principal {
            active: self.active,
            identity: &identity,
            boundary: boundary.as_ref(),
            session: session.as_ref(),
            scope: scope.as_ref(),
        };
        let mut facts = Facts::at(self.now)
            .with(Known::PrincipalAccount, Value::Text(&self.input.tenant))
            .with_context(&self.given.context);
        for (tagged, tags) in &self.given.tags {
            facts = facts.with_tags(*tagged, tags);
        }
        for (known, stored) in &self.given.known {
            facts.set(*known, stored.as_value());
        }
        let request = Request { action: &self.action, resource: &self.resource, facts: &facts };
        Ok(snapshot.explain(&principal, &request))
    }

    fn compare(&self, explanation: &Explanation) -> Outcome {
        let decision = &explanation.decision;
        let word = |effect: Effect| if effect == Effect::Allow { "allow" } else { "deny" };
        if decision.effect != self.effect {
            let why = decision.denial.map_or(String::new(), |denial| format!(" ({})", denial.as_str()));
            let (expected, found) = (word(self.effect), word(decision.effect));
            return Outcome::Failed(format!(
                "expected {expected}, found {found}{why}{}",
                reasons(explanation)
            ));
        }
        if self.denial.is_some_and(|expected| decision.denial != Some(expected)) {
            let expected = self.denial.map_or("", Denial::as_str);
            let found = decision.denial.map_or("none", Denial::as_str);
            return Outcome::Failed(format!(
                "expected the denial {expected}, found {found}{}",
                reasons(explanation)
            ));
        }
        if self.errors.is_some_and(|expected| decision.errors.len() != expected) {
            let expected = self.errors.unwrap_or_default();
            return Outcome::Failed(format!("expected {expected} errors, found {}", decision.errors.len()));
        }
        Outcome::Passed
    }
}

/// The statements that decided and those that nearly applied, in words.
fn reasons(explanation: &Explanation) -> String {
    let mut text = String::new();
    for because in &explanation.decision.because {
        text.push_str(&format!("\n    because of {}", statement(because)));
    }
    for miss in &explanation.misses {
        let failed: Vec<String> = miss.failed.iter().map(Failed::to_string).collect();
        text.push_str(&format!("\n    nearly {}: {}", statement(&miss.statement), failed.join(", ")));
    }
    text
}

fn statement(because: &Because) -> String {
    let (Source::Policy { name, .. } | Source::Link { name, .. } | Source::Permission { code: name }) =
        &because.source;
    let sid = because.sid.as_ref().map(|sid| format!(" ({sid})")).unwrap_or_default();
    format!("{} {name}, statement {}{sid}", because.layer.as_str(), because.statement)
}

/// The role of a case, which holds these policies.
fn role(policies: &[Policy]) -> RoleInput {
    RoleInput {
        id: ROLE.to_owned(),
        name: ROLE.to_owned(),
        parent: None,
        policies: policies.iter().map(|policy| policy.id().to_string()).collect(),
        permissions: Vec::new(),
    }
}

/// Reads a document that is attached to what `kind` says.
fn document(value: &Json, kind: Kind) -> Result<Arc<Document>, Vec<ParseError>> {
    Document::from_value_as(kind, value).map(Arc::new)
}
