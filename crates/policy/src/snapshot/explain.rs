//! What a refusal lacked: the allows that nearly applied, and what of each did not.
//!
//! A decision looks only at statements that may apply. An explanation looks at all of them, one by one, and so costs
//! what there is: it is for people who ask why, within a bound of its own.

use std::fmt;

use super::combine::{Layers, Said, describe};
use super::{Because, Decision, Denial, Layer, Principal, Request, Snapshot};
use crate::expression::COST_MAX;
use crate::guard;
use crate::key::Key;
use crate::statement::{Applies, Effect, Statement};
use crate::table::{Ask, Grant, Hit, Table};

/// The most statements that an explanation names.
pub const MISSES_MAX: usize = 8;
/// The most steps that looking for them takes. A step is about that of a decision
/// ([`MATCHING_STEPS_MAX`](crate::document::MATCHING_STEPS_MAX)).
pub const EXPLAIN_STEPS_MAX: usize = 5_000_000;
/// The steps that a statement takes beside those of its wildcards.
const STATEMENT_STEPS: usize = 32;

/// A decision, and what would have made it another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The decision.
    pub decision: Decision,
    /// The allows that nearly applied, the nearest first, at most [`MISSES_MAX`]: those of the ceiling that does not
    /// allow, or of the principal and the resource where nothing applies. None where it is permitted or a deny decides.
    pub misses: Vec<Miss>,
    /// Whether every statement was looked at; otherwise there were more than [`EXPLAIN_STEPS_MAX`] allows.
    pub complete: bool,
}

/// An allow that nearly applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Miss {
    /// The statement, and how the principal came to have it.
    pub statement: Because,
    /// What of it did not match or hold, at least one.
    pub failed: Vec<Failed>,
}

/// A part of a statement that did not match or hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failed {
    /// It is about other actions of the same service.
    Action,
    /// It is about other resources.
    Resource,
    /// It is about other principals.
    Principal,
    /// A condition does not hold.
    Condition {
        /// The operator as it was written.
        operator: Box<str>,
        /// The key.
        key: Key,
        /// Why.
        why: Unmet,
    },
    /// The expression of its policy is not true.
    Expression,
}

impl Failed {
    /// The stable word for the kind of part.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Action => "action",
            Self::Resource => "resource",
            Self::Principal => "principal",
            Self::Condition { .. } => "condition",
            Self::Expression => "expression",
        }
    }

    /// How far a statement is from applying by this part: one that is about something else is further away than one
    /// that is not met.
    fn distance(&self) -> usize {
        match self {
            Self::Condition { .. } | Self::Expression => 1,
            Self::Principal => 3,
            Self::Action | Self::Resource => 4,
        }
    }
}

/// What failed, in words that follow the statement's name.
impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Action => f.write_str("is about other actions"),
            Self::Resource => f.write_str("is about other resources"),
            Self::Principal => f.write_str("is about other principals"),
            Self::Expression => f.write_str("the expression of its policy is not true"),
            Self::Condition { operator, key, why } => {
                let why = match why {
                    Unmet::Absent => "is absent",
                    Unmet::Other => "has another value",
                    Unmet::Unreadable => "has a value that cannot be read",
                };
                write!(f, "`{}` {why} ({operator})", key.name())
            }
        }
    }
}

/// Why a condition does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unmet {
    /// The key is absent.
    Absent,
    /// The key has another value.
    Other,
    /// The operator cannot read the value.
    Unreadable,
}

impl Unmet {
    /// The stable word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Other => "other_value",
            Self::Unreadable => "unreadable",
        }
    }
}

impl Snapshot {
    /// Decides as [`Snapshot::decide`] does, and looks for what nearly applied.
    #[must_use]
    pub fn explain(&self, principal: &Principal<'_>, request: &Request<'_>) -> Explanation {
        let decision = self.decide(principal, request);
        let wants_misses = decision.denial.is_some_and(|denial| denial != Denial::Inactive);
        let found = wants_misses
            .then(|| self.put(principal, request, |ask, layers| search(principal, layers, ask)))
            .and_then(Result::ok);
        let (misses, complete) = found.unwrap_or((Vec::new(), true));
        Explanation { decision, misses, complete }
    }
}

/// The misses of a question, and whether that is all.
fn search(principal: &Principal<'_>, layers: Layers<'_>, ask: &Ask<'_>) -> (Vec<Miss>, bool) {
    let said = Said::hear(layers, principal.identity.table.judge(ask), ask);
    if said.answer().is_ok() || said.final_deny().is_some() {
        return (Vec::new(), true);
    }
    let of = |wanted: Layer| said.layers().find(|(layer, ..)| *layer == wanted).map(|(_, table, _)| table);
    let tables = match said.closed() {
        Some(layer) => vec![(layer, of(layer))],
        None if said.identity.effect().is_none() => {
            vec![(Layer::Identity, Some(&principal.identity.table)), (Layer::Resource, of(Layer::Resource))]
        }
        None => Vec::new(),
    };
    let mut search = Search { ask, steps: 0, misses: Vec::new() };
    for (layer, table) in tables {
        if let Some(table) = table
            && !search.look_through(layer, table)
        {
            return (search.finish(), false);
        }
    }
    (search.finish(), true)
}

struct Search<'a> {
    ask: &'a Ask<'a>,
    steps: usize,
    /// The nearest so far, with their distances.
    misses: Vec<(usize, Miss)>,
}

impl Search<'_> {
    /// Looks at all allows of a table; false if there were too many.
    fn look_through(&mut self, layer: Layer, table: &Table) -> bool {
        for entry in 0..u32::try_from(table.len()).unwrap_or(u32::MAX) {
            let hit = Hit { entry, erred: false };
            let Some((grant, at)) = table.find(hit) else { continue };
            let Some(statement) = grant.policy.statement(at) else { continue };
            if statement.effect() != Effect::Allow {
                continue;
            }
            let guarded = if grant.policy.expression().is_some() { COST_MAX } else { 0 };
            self.steps = self.steps.saturating_add(STATEMENT_STEPS + guarded + statement.steps_max());
            if self.steps > EXPLAIN_STEPS_MAX {
                return false;
            }
            let failed = failed(grant, statement, self.ask);
            let Some(failed) = failed.filter(|failed| !failed.is_empty()) else { continue };
            let distance: usize = failed.iter().map(Failed::distance).sum();
            // INVARIANT: of equals the earlier stays, so that the order of answers is that of all others.
            let place = self.misses.partition_point(|(known, _)| *known <= distance);
            if place < MISSES_MAX
                && let Some(statement) = describe(layer, table, hit)
            {
                self.misses.insert(place, (distance, Miss { statement, failed }));
                self.misses.truncate(MISSES_MAX);
            }
        }
        true
    }

    fn finish(self) -> Vec<Miss> {
        self.misses.into_iter().map(|(_, miss)| miss).collect()
    }
}

/// What of a statement does not match or hold; none where it is about something else altogether.
fn failed(grant: &Grant, statement: &Statement, ask: &Ask<'_>) -> Option<Vec<Failed>> {
    let mut failed = Vec::new();
    if !statement.matches_action(ask.action) {
        if !is_of_service(statement, ask.action) {
            return None;
        }
        failed.push(Failed::Action);
    }
    if statement.matches_resource(ask.chain, ask.facts) != Applies::Yes {
        if !failed.is_empty() {
            return None;
        }
        failed.push(Failed::Resource);
    }
    if statement.principals().is_some_and(|principals| !principals.matches(ask.facts, ask.tenant)) {
        failed.push(Failed::Principal);
    }
    for condition in statement.conditions() {
        let is_absent = ask.facts.get(condition.key()).is_absent();
        let why = match condition.holds(ask.facts) {
            Ok(true) => continue,
            Ok(false) if is_absent => Unmet::Absent,
            Ok(false) => Unmet::Other,
            Err(_) => Unmet::Unreadable,
        };
        let (operator, key) = (condition.operator().into(), condition.key().clone());
        failed.push(Failed::Condition { operator, key, why });
    }
    let is_silent = |expression| guard::judge(expression, ask) != Applies::Yes;
    if grant.policy.expression().is_some_and(is_silent) {
        failed.push(Failed::Expression);
    }
    Some(failed)
}

/// Whether a statement names an action of the same service, or excludes the action: only then is it nearly about it.
fn is_of_service(statement: &Statement, action: &str) -> bool {
    let service = |text: &str| text.split_once(':').map(|(service, _)| service.to_ascii_lowercase());
    let asked = service(action);
    statement.is_not_action() || statement.actions().iter().any(|pattern| service(pattern.as_str()) == asked)
}
