//! Statements merged into one frozen table: what a principal's roles say, or one ceiling, or a resource's policy.
//!
//! A question's action selects an index, and its resource selects cells of that index: those whose literal
//! beginning the name has. What a cell says without conditions is merged when the index is built, so that most
//! statements cost nothing to judge; what is left is looked at one by one, and only if it could still change the
//! answer.
//!
//! Actions fall into classes: all actions that go equally far along the literal beginnings of the patterns are
//! matched by the same patterns. Each class has an index of its own, made when it is first asked about. Statements
//! about many actions stand in many of them, so there is a budget; classes past it share one index that looks at
//! each statement's actions.

mod index;
mod trie;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use crate::guard;
use crate::key::Facts;
use crate::name::ACTION_NAME_BYTES_MAX;
use crate::pattern::Form;
use crate::policy::{Policy, RoleRef};
use crate::statement::{Applies, Effect, Statement};
use index::{Index, Item, Reach};
use trie::Trie;

/// How many items the indexes of all classes may have for each entry of the table, and in any case.
const ITEMS_PER_ENTRY: usize = 16;
const ITEMS_FREE: usize = 4_096;
/// Cells with conditions on the way of one name that are kept for later; more are looked at at once.
const PENDING_MAX: usize = 16;

/// A policy in a table, and the way by which it came there.
#[derive(Debug, Clone)]
pub(crate) struct Grant {
    pub(crate) policy: Arc<Policy>,
    /// The role held directly, its parent, and so on to the role that has the policy. Empty where the policy is
    /// attached to the principal itself, or is a ceiling's.
    pub(crate) path: Arc<[RoleRef]>,
}

impl Grant {
    /// Tells whether the policy's expression lets it speak.
    fn lets_speak(&self, ask: &Ask<'_>) -> Applies {
        self.policy.expression().map_or(Applies::Yes, |expression| guard::judge(expression, ask))
    }
}

/// One statement of one grant.
#[derive(Debug, Clone, Copy)]
struct Entry {
    grant: u32,
    statement: u32,
    /// The priority plus one.
    level: u16,
    effect: Effect,
}

/// The highest levels at which something applies; 0 where nothing does, otherwise a priority plus one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Levels {
    pub(crate) allow: u16,
    pub(crate) deny: u16,
}

impl Levels {
    fn raise(&mut self, other: Self) {
        self.allow = self.allow.max(other.allow);
        self.deny = self.deny.max(other.deny);
    }

    fn raise_one(&mut self, effect: Effect, level: u16) {
        match effect {
            Effect::Allow => self.allow = self.allow.max(level),
            Effect::Deny => self.deny = self.deny.max(level),
        }
    }

    /// What the highest level at which any statement applies says; at that level a deny beats an allow.
    pub(crate) fn effect(self) -> Option<Effect> {
        if self.deny > 0 && self.deny >= self.allow {
            Some(Effect::Deny)
        } else if self.allow > 0 {
            Some(Effect::Allow)
        } else {
            None
        }
    }

    /// Whether an entry could still change [`Levels::effect`].
    fn matters(self, effect: Effect, level: u16) -> bool {
        match effect {
            Effect::Deny => level > self.deny,
            Effect::Allow => level > self.allow && level > self.deny,
        }
    }
}

/// One question, put to tables.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask<'a> {
    pub(crate) action: &'a str,
    /// The action in lower case.
    pub(crate) lower: &'a [u8],
    /// The resource, then what it lies in, nearest first. Never empty.
    pub(crate) chain: &'a [&'a str],
    pub(crate) facts: &'a Facts<'a>,
    /// The tenant that owns the resource.
    pub(crate) tenant: &'a str,
}

/// Room for an action in lower case.
pub(crate) struct Lower([u8; ACTION_NAME_BYTES_MAX]);

impl Lower {
    pub(crate) const EMPTY: Self = Self([0; ACTION_NAME_BYTES_MAX]);

    /// Writes an action in lower case; one that is too long is none and becomes empty.
    pub(crate) fn write(&mut self, action: &str) -> &[u8] {
        let Some(place) = self.0.get_mut(..action.len()) else { return &[] };
        place.copy_from_slice(action.as_bytes());
        place.make_ascii_lowercase();
        place
    }
}

/// A statement that applies, or that could not be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Hit {
    /// Entries stand in the order of answers.
    pub(crate) entry: u32,
    /// Whether it could not be judged.
    pub(crate) erred: bool,
}

/// The statements, ready to judge. Never changes but for indexes that are filled when they are first needed.
#[derive(Debug)]
pub struct Table {
    grants: Box<[Grant]>,
    entries: Box<[Entry]>,
    /// The literal beginnings of all action patterns, in lower case.
    actions: Trie,
    /// Two for each beginning (actions that are longer, and the one that is no longer), and one for actions that
    /// have none of them.
    classes: Box<[OnceLock<Option<Box<Index>>>]>,
    /// For classes past the budget.
    general: OnceLock<Box<Index>>,
    items: AtomicUsize,
}

/// The actions of a class.
#[derive(Debug, Clone, Copy)]
enum Class<'a> {
    /// All actions: nothing is known of them.
    Any,
    /// Actions with none of the beginnings.
    Strange,
    /// Actions with this beginning and no longer one of the table.
    Stem { stem: &'a [u8], whole: bool },
}

/// What an action pattern or a statement says of all actions of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Covers {
    No,
    Some,
    All,
}

impl Table {
    /// Merges policies. Grants are given in the order of answers.
    pub(crate) fn build(grants: Vec<Grant>) -> Self {
        let mut entries = Vec::new();
        let mut stems: Vec<Box<[u8]>> = Vec::new();
        for (number, grant) in grants.iter().enumerate() {
            for (at, statement) in grant.policy.statements().enumerate() {
                entries.push(Entry {
                    grant: to_u32(number),
                    statement: to_u32(at),
                    level: grant.policy.priority() + 1,
                    effect: statement.effect,
                });
                stems.extend(statement.actions.iter().map(|pattern| lower(pattern.stem())));
            }
        }
        stems.sort_unstable();
        stems.dedup();
        let keys: Vec<&[u8]> = stems.iter().map(|stem| &**stem).collect();
        let actions = Trie::build(&keys);
        let classes = (0..=actions.keys() as usize * 2).map(|_| OnceLock::new()).collect();
        Self {
            grants: grants.into(),
            entries: entries.into(),
            actions,
            classes,
            general: OnceLock::new(),
            items: AtomicUsize::new(0),
        }
    }

    /// Merges the policies of one ceiling or of one resource.
    pub(crate) fn of_policies(policies: impl IntoIterator<Item = Arc<Policy>>) -> Self {
        let mut policies: Vec<_> = policies.into_iter().collect();
        policies.sort_by(|a, b| a.source().cmp(b.source()));
        let path: Arc<[RoleRef]> = [].into();
        Self::build(policies.into_iter().map(|policy| Grant { policy, path: path.clone() }).collect())
    }

    /// Tells whether there is no statement.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many statements there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// About how many bytes the table takes now, policies left out.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of::<Self>()
            + size_of_val(&*self.grants)
            + size_of_val(&*self.entries)
            + size_of_val(&*self.classes)
            + self.actions.bytes()
            + self.items.load(Ordering::Relaxed) * (size_of::<Item>() + 48)
    }

    /// The grant of a hit, and the place of the statement in its policy.
    pub(crate) fn find(&self, hit: Hit) -> Option<(&Grant, usize)> {
        let entry = self.entries.get(hit.entry as usize)?;
        Some((self.grants.get(entry.grant as usize)?, entry.statement as usize))
    }

    fn statement(&self, entry: &Entry) -> Option<(&Grant, &Statement)> {
        let grant = self.grants.get(entry.grant as usize)?;
        Some((grant, grant.policy.statement(entry.statement as usize)?))
    }

    /// Finds the highest levels at which something applies. What could no longer change
    /// [`Levels::effect`] is not looked at.
    pub(crate) fn judge(&self, ask: &Ask<'_>) -> Levels {
        let Some(index) = self.index(ask) else { return Levels::default() };
        let mut levels = Levels::default();
        let mut pending = [(0_u32, Reach::Itself); PENDING_MAX];
        let mut kept = 0;
        index.visit(ask.chain, |at, cell, reach| {
            levels.raise(cell.plain(reach));
            if cell.has_conditions() {
                match pending.get_mut(kept) {
                    Some(place) => {
                        *place = (at, reach);
                        kept += 1;
                    }
                    None => self.judge_items(index.conditional(at), reach, ask, &mut levels),
                }
            }
        });
        for (at, reach) in pending.iter().take(kept) {
            self.judge_items(index.conditional(*at), *reach, ask, &mut levels);
        }
        levels
    }

    fn judge_items(&self, items: &[Item], reach: Reach, ask: &Ask<'_>, levels: &mut Levels) {
        for item in items {
            let Some(entry) = self.entries.get(item.entry as usize) else { continue };
            if !levels.matters(entry.effect, entry.level) {
                continue;
            }
            let applies = match (entry.effect, self.applies(item, entry, reach, ask)) {
                (_, applies @ (Applies::Yes | Applies::No)) => applies == Applies::Yes,
                // What cannot be judged denies and never permits.
                (effect, Applies::Error) => effect == Effect::Deny,
            };
            if applies {
                levels.raise_one(entry.effect, entry.level);
            }
        }
    }

    /// Collects what applies and what could not be judged, each entry once, in the order of answers: the first
    /// `max` entries that `wanted` takes.
    ///
    /// With `only_errors`, what action and resource alone decide is passed over: it cannot err.
    pub(crate) fn collect(
        &self,
        ask: &Ask<'_>,
        max: usize,
        only_errors: bool,
        wanted: impl Fn(Effect, u16, bool) -> bool,
    ) -> Vec<Hit> {
        let Some(index) = self.index(ask) else { return Vec::new() };
        let mut hits: Vec<Hit> = Vec::with_capacity(max.min(4));
        index.visit(ask.chain, |at, _, reach| {
            let items = if only_errors { index.conditional(at) } else { index.items(at) };
            for item in items {
                if hits.len() == max && hits.last().is_some_and(|last| last.entry <= item.entry) {
                    continue;
                }
                let Some(entry) = self.entries.get(item.entry as usize) else { continue };
                let could =
                    wanted(entry.effect, entry.level, false) || wanted(entry.effect, entry.level, true);
                if !could {
                    continue;
                }
                let erred = match self.applies(item, entry, reach, ask) {
                    Applies::No => continue,
                    Applies::Yes => false,
                    Applies::Error => self.applies_after_all(entry, ask) == Applies::Error,
                };
                if !wanted(entry.effect, entry.level, erred) {
                    continue;
                }
                if let Err(place) = hits.binary_search_by_key(&item.entry, |hit| hit.entry) {
                    hits.insert(place, Hit { entry: item.entry, erred });
                    hits.truncate(max);
                }
            }
        });
        hits
    }

    /// Judges one item of a cell that a name on the way reached.
    fn applies(&self, item: &Item, entry: &Entry, reach: Reach, ask: &Ask<'_>) -> Applies {
        if !item.is_reached(reach) {
            return Applies::No;
        }
        let Some((grant, statement)) = self.statement(entry) else { return Applies::No };
        if item.checks_action() && !statement.matches_action(ask.action) {
            return Applies::No;
        }
        let principals = statement.principals();
        if principals.is_some_and(|principals| !principals.matches(ask.facts, ask.tenant)) {
            return Applies::No;
        }
        let resource = match item.pattern() {
            None => Applies::Yes,
            Some(None) => statement.matches_resource(ask.chain, ask.facts),
            Some(Some(number)) => match (statement.resources.get(number), ask.chain.first()) {
                (Some(pattern), Some(name)) => match pattern.matches_with(name, ask.facts) {
                    Ok(true) => Applies::Yes,
                    Ok(false) => Applies::No,
                    Err(_) => Applies::Error,
                },
                _ => Applies::No,
            },
        };
        if resource == Applies::No {
            return Applies::No;
        }
        resource.and(|| statement.meets_conditions(ask.facts)).and(|| grant.lets_speak(ask))
    }

    /// Whether a statement that could not be judged by one of its patterns can be by all of them together.
    fn applies_after_all(&self, entry: &Entry, ask: &Ask<'_>) -> Applies {
        let Some((grant, statement)) = self.statement(entry) else { return Applies::No };
        let resource = statement.matches_resource(ask.chain, ask.facts);
        resource.and(|| statement.meets_conditions(ask.facts)).and(|| grant.lets_speak(ask))
    }

    /// The index for an action, made if it is not there yet.
    fn index(&self, ask: &Ask<'_>) -> Option<&Index> {
        let (number, class) = match self.actions.deepest(ask.lower) {
            None => (0, Class::Strange),
            Some(deepest) => {
                let number = deepest.key as usize * 2 + 1 + usize::from(deepest.whole);
                let stem = ask.lower.get(..deepest.length as usize).unwrap_or_default();
                (number, Class::Stem { stem, whole: deepest.whole })
            }
        };
        let slot = self.classes.get(number)?;
        match slot.get_or_init(|| self.build_class(class)) {
            Some(index) => Some(index),
            None => Some(self.general.get_or_init(|| Box::new(self.build_index(Class::Any)))),
        }
    }

    /// Builds the index of a class, unless that would go past the budget.
    fn build_class(&self, class: Class<'_>) -> Option<Box<Index>> {
        let budget = (self.entries.len() * ITEMS_PER_ENTRY).max(ITEMS_FREE);
        if self.items.load(Ordering::Relaxed) >= budget {
            return None;
        }
        let index = self.build_index(class);
        self.items.fetch_add(index.len(), Ordering::Relaxed);
        Some(Box::new(index))
    }

    fn build_index(&self, class: Class<'_>) -> Index {
        let mut builder = index::Builder::default();
        for (number, entry) in self.entries.iter().enumerate() {
            let Some((grant, statement)) = self.statement(entry) else { continue };
            let checks_action = match class.covered_by(statement) {
                Covers::No => continue,
                Covers::Some => true,
                Covers::All => false,
            };
            let is_plain = statement.is_plain() && !checks_action && grant.policy.expression().is_none();
            builder.add(to_u32(number), entry.effect, entry.level, statement, checks_action, is_plain);
        }
        builder.finish()
    }
}

impl Class<'_> {
    /// Says which actions of the class a statement is about.
    fn covered_by(self, statement: &Statement) -> Covers {
        let mut covers = Covers::No;
        for pattern in &statement.actions {
            let one = match (self, pattern.form()) {
                (Self::Any, _) => Covers::Some,
                (Self::Strange, _) => Covers::No,
                (Self::Stem { stem, whole }, Form::Literal) => {
                    if whole && pattern.stem().as_bytes().eq_ignore_ascii_case(stem) {
                        Covers::All
                    } else {
                        Covers::No
                    }
                }
                (Self::Stem { stem, .. }, form) => {
                    let own = pattern.stem().as_bytes();
                    match stem.get(..own.len()) {
                        Some(start) if start.eq_ignore_ascii_case(own) => match form {
                            Form::Prefix(_) => Covers::All,
                            _ => Covers::Some,
                        },
                        _ => Covers::No,
                    }
                }
            };
            match one {
                Covers::All => {
                    covers = Covers::All;
                    break;
                }
                Covers::Some => covers = Covers::Some,
                Covers::No => {}
            }
        }
        match (covers, statement.not_action) {
            (covers, false) => covers,
            (Covers::All, true) => Covers::No,
            (Covers::Some, true) => Covers::Some,
            // Not the platform's.
            (Covers::No, true) if statement.effect == Effect::Allow => Covers::Some,
            (Covers::No, true) => Covers::All,
        }
    }
}

fn lower(text: &str) -> Box<[u8]> {
    text.to_ascii_lowercase().into_bytes().into()
}

fn to_u32(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
