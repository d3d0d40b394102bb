//! One statement: an effect on what it matches.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use crate::condition::Condition;
use crate::key::{Facts, Known};
use crate::name::NameError;
use crate::pattern::{ActionPattern, ResourcePattern};
use crate::value::Value;

impl Applies {
    /// Takes another part along: one that does not match rules the statement out, whatever the other.
    pub(crate) fn and(self, other: impl FnOnce() -> Self) -> Self {
        match self {
            Self::No => Self::No,
            Self::Yes => other(),
            Self::Error => match other() {
                Self::No => Self::No,
                Self::Yes | Self::Error => Self::Error,
            },
        }
    }
}

/// What the names of the platform's actions begin with.
const PLATFORM: &str = "platform:";

/// What a statement does where it applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// Permits, unless a deny applies too.
    Allow,
    /// Refuses, whatever else applies at its level and below.
    Deny,
}

impl Effect {
    /// Returns the effect as documents write it: `Allow` or `Deny`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "Allow",
            Self::Deny => "Deny",
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One statement: an effect on every request whose action, resource and principal it matches and whose
/// circumstances meet its conditions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    pub(crate) sid: Option<Arc<str>>,
    pub(crate) effect: Effect,
    pub(crate) not_action: bool,
    pub(crate) not_resource: bool,
    pub(crate) actions: Box<[ActionPattern]>,
    pub(crate) resources: Box<[ResourcePattern]>,
    /// What most statements have none of.
    pub(crate) extra: Option<Box<Extra>>,
}

/// The rarer parts of a statement.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Extra {
    pub(crate) conditions: Arc<[Condition]>,
    pub(crate) principals: Option<Principals>,
    /// Names that the statement covers together with all that lies in them.
    pub(crate) within: Option<Arc<HashSet<Box<str>>>>,
    /// The code of the permission that a link made the statement of.
    pub(crate) code: Option<Arc<str>>,
}

/// Whom a statement of a resource policy is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principals {
    /// Whether it is about everybody else: `NotPrincipal`.
    pub not: bool,
    /// Whether `*` is among them: the authenticated principals of the owner's tenant.
    pub everybody: bool,
    /// The others, by name. A tenant's name, `arn:signet:iam::{tenant id}:tenant/{tenant id}`, stands for all of its
    /// principals on a resource of another tenant.
    pub names: Box<[Box<str>]>,
}

impl Principals {
    /// Tells whether the statement is about the principal of a request, on a resource of `tenant`.
    #[must_use]
    pub fn matches(&self, facts: &Facts<'_>, tenant: &str) -> bool {
        let name = facts.known(Known::PrincipalArn).only_text().unwrap_or_default();
        let home = facts.known(Known::PrincipalAccount).only_text().unwrap_or_default();
        let anonymous = home.is_empty() || facts.known(Known::PrincipalType) == Value::Text("Anonymous");
        let names_home = |listed: &str| {
            let rest = listed.strip_prefix("arn:signet:iam::").and_then(|rest| rest.strip_prefix(home));
            home != tenant && rest.and_then(|rest| rest.strip_prefix(":tenant/")) == Some(home)
        };
        let listed = (self.everybody && !anonymous && home == tenant)
            || self.names.iter().any(|listed| **listed == *name || (!anonymous && names_home(listed)));
        listed != self.not
    }
}

/// What a statement says about one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Applies {
    No,
    Yes,
    /// Action, resource and principal match, and something could not be judged.
    Error,
}

/// Tells whether an action is one of the platform's.
fn is_platform(action: &str) -> bool {
    action.get(..PLATFORM.len()).is_some_and(|start| start.eq_ignore_ascii_case(PLATFORM))
}

impl Statement {
    /// Builds a statement in code about literal actions on resources of these names and on all that lies in
    /// them, by the tree that a snapshot holds.
    ///
    /// Fails with the first action that is no name.
    pub fn within(
        effect: Effect,
        actions: &[&str],
        resources: &Arc<HashSet<Box<str>>>,
    ) -> Result<Self, NameError> {
        let patterns: Result<Box<[_]>, _> =
            actions.iter().map(|action| ActionPattern::literal(action)).collect();
        let extra = Extra { within: Some(resources.clone()), ..Extra::default() };
        Ok(Self {
            sid: None,
            effect,
            not_action: false,
            not_resource: false,
            actions: patterns?,
            resources: [].into(),
            extra: Some(Box::new(extra)),
        })
    }

    /// Names the permission that a link made the statement of.
    #[must_use]
    pub fn of_permission(mut self, code: &str) -> Self {
        self.extra.get_or_insert_default().code = Some(code.into());
        self
    }

    /// Returns the statement's own name, unique within its document; an empty `Sid` counts as none.
    #[must_use]
    pub fn sid(&self) -> Option<&str> {
        self.sid.as_deref()
    }

    /// Returns what the statement does where it applies.
    #[must_use]
    pub fn effect(&self) -> Effect {
        self.effect
    }

    /// Returns the action patterns, at least one.
    #[must_use]
    pub fn actions(&self) -> &[ActionPattern] {
        &self.actions
    }

    /// Tells whether the statement is about every action that no pattern matches: `NotAction`.
    #[must_use]
    pub fn is_not_action(&self) -> bool {
        self.not_action
    }

    /// Returns the resource patterns; at least one, except in a statement that covers names and what lies in
    /// them.
    #[must_use]
    pub fn resources(&self) -> &[ResourcePattern] {
        &self.resources
    }

    /// Tells whether the statement is about every resource that no pattern matches: `NotResource`.
    #[must_use]
    pub fn is_not_resource(&self) -> bool {
        self.not_resource
    }

    /// Returns the conditions.
    #[must_use]
    pub fn conditions(&self) -> &[Condition] {
        self.extra.as_ref().map(|extra| &*extra.conditions).unwrap_or_default()
    }

    /// Returns whom a statement of a resource policy is about.
    #[must_use]
    pub fn principals(&self) -> Option<&Principals> {
        self.extra.as_ref().and_then(|extra| extra.principals.as_ref())
    }

    /// Returns the names that the statement covers together with all that lies in them.
    pub(crate) fn within_names(&self) -> Option<&HashSet<Box<str>>> {
        self.extra.as_ref().and_then(|extra| extra.within.as_deref())
    }

    /// Returns the code of the permission that a link made the statement of.
    #[must_use]
    pub fn code(&self) -> Option<&Arc<str>> {
        self.extra.as_ref().and_then(|extra| extra.code.as_ref())
    }

    /// How many steps it takes at the most to match all patterns, with the longest names and values.
    pub(crate) fn steps_max(&self) -> usize {
        let actions: usize = self.actions.iter().map(ActionPattern::steps_max).sum();
        let resources: usize = self.resources.iter().map(ResourcePattern::steps_max).sum();
        actions + resources + self.conditions().iter().map(Condition::steps_max).sum::<usize>()
    }

    /// Tells whether the statement is about an action.
    #[must_use]
    pub fn matches_action(&self, action: &str) -> bool {
        let listed = self.actions.iter().any(|pattern| pattern.matches(action));
        if !self.not_action {
            return listed;
        }
        // What everything else is allowed by reaches no action of the platform: those are granted by name.
        let is_granted_by_name = self.effect == Effect::Allow && is_platform(action);
        !listed && !is_granted_by_name
    }

    /// Tells whether the statement is about the first name of `chain`; the others are what it lies in.
    pub(crate) fn matches_resource(&self, chain: &[&str], facts: &Facts<'_>) -> Applies {
        let Some(resource) = chain.first() else { return Applies::No };
        if let Some(names) = self.within_names() {
            let covered = chain.iter().any(|name| names.contains(*name));
            return if covered { Applies::Yes } else { Applies::No };
        }
        let (mut any, mut unresolved) = (false, false);
        for pattern in &self.resources {
            match pattern.matches_with(resource, facts) {
                Ok(matches) => any |= matches,
                Err(_) => unresolved = true,
            }
        }
        match (any, unresolved) {
            (false, true) => Applies::Error,
            (any, _) if any != self.not_resource => Applies::Yes,
            _ => Applies::No,
        }
    }

    /// Tells whether the conditions hold. One that does not rules the statement out, whatever the others.
    pub(crate) fn meets_conditions(&self, facts: &Facts<'_>) -> Applies {
        meet(self.conditions(), facts)
    }

    /// Returns the conditions to be shared; none is `None`.
    pub(crate) fn shared_conditions(&self) -> Option<&Arc<[Condition]>> {
        self.extra.as_ref().map(|extra| &extra.conditions).filter(|conditions| !conditions.is_empty())
    }
}

/// Tells whether all conditions hold.
pub(crate) fn meet(conditions: &[Condition], facts: &Facts<'_>) -> Applies {
    let mut applies = Applies::Yes;
    for condition in conditions {
        match condition.holds(facts) {
            Ok(true) => {}
            Ok(false) => return Applies::No,
            Err(_) => applies = Applies::Error,
        }
    }
    applies
}
