//! Statements merged into one frozen table: what a principal's roles say, or one ceiling, or a resource's policy.
//!
//! A question's action selects groups, and its resource selects cells of each: those whose literal beginning the name
//! has. What a cell says without conditions is merged when the table is built, so that most statements cost nothing
//! to judge; what is left is looked at one by one, and only if it could still change the answer. Statements share
//! their checks: a condition or pattern that stands in many of them is judged once for a question.

mod build;
mod check;
mod hash;
mod index;

use std::sync::Arc;

use crate::guard;
use crate::key::Facts;
use crate::name::ACTION_NAME_BYTES_MAX;
use crate::policy::{Policy, RoleRef};
use crate::statement::{Applies, Effect, Statement};
use crate::words;
use check::{Check, Memo};
pub(crate) use hash::NameKeys;
use index::{Index, Item, Reach, Wanted, flag};

/// Cells with checks on the way of one name that are kept for later; more are looked at at once.
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

    fn raise_one(&mut self, denies: bool, level: u16) {
        let of_effect = if denies { &mut self.deny } else { &mut self.allow };
        *of_effect = level.max(*of_effect);
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

    /// Whether an entry could still change [`Levels::effect`]. If it could not, none of a lower level could, and no
    /// allow of the same level.
    fn matters(self, denies: bool, level: u16) -> bool {
        if denies {
            level > self.deny && level >= self.allow
        } else {
            level > self.allow && level > self.deny
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
    /// The hashes of the resource's name.
    pub(crate) keys: &'a NameKeys,
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
        let lower = |word: u64| (word | (words::between(word, b'A', b'Z') >> 2)).to_le_bytes();
        let bytes = action.as_bytes();
        let (whole, _) = bytes.as_chunks::<8>();
        let (places, _) = self.0.as_chunks_mut::<8>();
        for (place, word) in places.iter_mut().zip(whole) {
            *place = lower(u64::from_le_bytes(*word));
        }
        if let Some(place) = places.get_mut(whole.len()) {
            *place = lower(words::last_word(bytes));
        }
        self.0.get(..bytes.len()).unwrap_or_default()
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

/// The statements, ready to judge. Never changes.
#[derive(Debug)]
pub struct Table {
    grants: Box<[Grant]>,
    entries: Box<[Entry]>,
    index: Index,
    /// What items still ask, each once, the most frequent first.
    checks: Box<[Check]>,
    /// The highest level of all entries.
    top: u16,
}

impl Table {
    /// The policies whose statements stand here.
    pub(crate) fn policies(&self) -> impl Iterator<Item = &Arc<Policy>> {
        self.grants.iter().map(|grant| &grant.policy)
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

    /// About how many bytes the table takes, policies left out.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of::<Self>()
            + size_of_val(&*self.grants)
            + size_of_val(&*self.entries)
            + size_of_val(&*self.checks)
            + self.index.bytes()
    }

    /// The grant of a hit, and the place of the statement in its policy.
    pub(crate) fn find(&self, hit: Hit) -> Option<(&Grant, usize)> {
        let entry = self.entries.get(hit.entry as usize)?;
        Some((self.grants.get(entry.grant as usize)?, entry.statement as usize))
    }

    /// Finds the highest levels at which something applies. What could no longer change
    /// [`Levels::effect`] is not looked at.
    pub(crate) fn judge(&self, ask: &Ask<'_>) -> Levels {
        let mut levels = Levels::default();
        let mut memo = Memo::default();
        let mut pending = [(0_u32, Reach::Itself, false); PENDING_MAX];
        let mut kept = 0;
        self.index.visit(ask.lower, ask.chain, ask.keys, |at, cell, reach| {
            if reach == Reach::Itself {
                levels.raise(cell.plain);
            }
            if cell.has_checked() {
                match pending.get_mut(kept) {
                    Some(place) => {
                        *place = (at, reach, cell.denies);
                        kept += 1;
                    }
                    None => self.judge_items(at, reach, ask, &mut memo, &mut levels),
                }
            }
            self.wanted(levels)
        });
        for (at, reach, denies) in pending.iter().take(kept) {
            match self.wanted(levels) {
                Wanted::Nothing => break,
                Wanted::Denies if !denies => {}
                _ => self.judge_items(*at, *reach, ask, &mut memo, &mut levels),
            }
        }
        levels
    }

    /// What could still change [`Levels::effect`].
    fn wanted(&self, levels: Levels) -> Wanted {
        if levels.deny >= self.top {
            Wanted::Nothing
        } else if levels.allow >= self.top {
            Wanted::Denies
        } else {
            Wanted::All
        }
    }

    fn judge_items(&self, at: u32, reach: Reach, ask: &Ask<'_>, memo: &mut Memo, levels: &mut Levels) {
        for item in self.index.checked(at) {
            let denies = item.has(flag::DENY);
            // INVARIANT: the highest level comes first, and in it denies.
            if !levels.matters(denies, item.level) {
                return;
            }
            let applies = match self.applies(item, reach, ask, memo) {
                Applies::No => false,
                Applies::Yes => true,
                // What cannot be judged denies and never permits.
                Applies::Error => denies,
            };
            if applies {
                levels.raise_one(denies, item.level);
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
        let mut hits: Vec<Hit> = Vec::new();
        let mut memo = Memo::default();
        self.index.visit(ask.lower, ask.chain, ask.keys, |at, _, reach| {
            let items = if only_errors { self.index.checked(at) } else { self.index.items(at) };
            for item in items {
                if hits.len() == max && hits.last().is_none_or(|last| last.entry <= item.entry) {
                    continue;
                }
                let effect = if item.has(flag::DENY) { Effect::Deny } else { Effect::Allow };
                if !wanted(effect, item.level, false) && !wanted(effect, item.level, true) {
                    continue;
                }
                let erred = match self.applies(item, reach, ask, &mut memo) {
                    Applies::No => continue,
                    Applies::Yes => false,
                    Applies::Error => self.applies_after_all(item, ask) == Applies::Error,
                };
                if !wanted(effect, item.level, erred) {
                    continue;
                }
                if let Err(place) = hits.binary_search_by_key(&item.entry, |hit| hit.entry) {
                    hits.insert(place, Hit { entry: item.entry, erred });
                    hits.truncate(max);
                }
            }
            Wanted::All
        });
        hits
    }

    /// Judges one item of a cell that a name on the way reached.
    fn applies(&self, item: &Item, reach: Reach, ask: &Ask<'_>, memo: &mut Memo) -> Applies {
        if reach == Reach::Around && !item.has(flag::WITHIN) {
            return Applies::No;
        }
        if item.has(flag::ACTION | flag::RESOURCES | flag::RARE) {
            return self.applies_rarely(item, ask, memo);
        }
        let resource = memo.judge(&self.checks, item.resource, ask);
        resource.and(|| memo.judge(&self.checks, item.conditions, ask))
    }

    /// Judges an item that asks more than its checks.
    fn applies_rarely(&self, item: &Item, ask: &Ask<'_>, memo: &mut Memo) -> Applies {
        let Some((grant, statement)) = self.statement(item) else { return Applies::No };
        if item.has(flag::ACTION) && !statement.matches_action(ask.action) {
            return Applies::No;
        }
        let principals = statement.principals();
        if principals.is_some_and(|principals| !principals.matches(ask.facts, ask.tenant)) {
            return Applies::No;
        }
        let resource = if item.has(flag::RESOURCES) {
            statement.matches_resource(ask.chain, ask.facts)
        } else {
            memo.judge(&self.checks, item.resource, ask)
        };
        let conditions = resource.and(|| memo.judge(&self.checks, item.conditions, ask));
        conditions.and(|| grant.lets_speak(ask))
    }

    /// Whether a statement that could not be judged by one of its patterns can be by all of them together.
    fn applies_after_all(&self, item: &Item, ask: &Ask<'_>) -> Applies {
        let Some((grant, statement)) = self.statement(item) else { return Applies::No };
        let resource = statement.matches_resource(ask.chain, ask.facts);
        resource.and(|| statement.meets_conditions(ask.facts)).and(|| grant.lets_speak(ask))
    }

    fn statement(&self, item: &Item) -> Option<(&Grant, &Statement)> {
        let entry = self.entries.get(item.entry as usize)?;
        let grant = self.grants.get(entry.grant as usize)?;
        Some((grant, grant.policy.statement(entry.statement as usize)?))
    }
}

fn to_u32(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::Document;

    fn table(statements: &[serde_json::Value]) -> Table {
        let value = json!({ "Version": "2012-10-17", "Statement": statements });
        let document = Document::from_value(&value).unwrap();
        Table::of_policies([Arc::new(Policy::new("p", "p").with_document(Arc::new(document)))])
    }

    /// How many cells and items a question looks at.
    fn looked_at(table: &Table, action: &str, resource: &str) -> (usize, usize) {
        let (mut cells, mut items) = (0, 0);
        let keys = NameKeys::of(resource);
        table.index.visit(action.as_bytes(), &[resource], &keys, |at, _, _| {
            cells += 1;
            items += table.index.items(at).len();
            Wanted::All
        });
        (cells, items)
    }

    #[test]
    fn a_question_looks_at_what_its_names_begin_with_and_at_nothing_else() {
        let others = (0..200).map(|n| {
            json!({ "Effect": "Allow", "Action": [format!("a:{n}"), format!("b{n}:*")],
                "Resource": [format!("x/{n}/*"), format!("y:{n}:*"), format!("z/{n}")] })
        });
        let wanted = json!({ "Effect": "Deny", "Action": "a:7*", "Resource": "x/7/?" });
        let table = table(&others.chain([wanted]).collect::<Vec<_>>());

        assert_eq!(looked_at(&table, "a:7", "x/7/y"), (2, 2));
        assert_eq!(looked_at(&table, "a:8", "x/7/y"), (0, 0));
        assert_eq!(looked_at(&table, "b9:c", "z/9"), (1, 1));
        assert_eq!(looked_at(&table, "b9:c", &"z/9".repeat(300)), (0, 0));
    }

    #[test]
    fn nested_beginnings_of_long_names_are_looked_at_once_each() {
        let statements: Vec<_> = (1..60)
            .map(|depth| {
                json!({ "Effect": "Deny", "Action": format!("{}*", "a:".repeat(depth)),
                    "Resource": [format!("{}*", "r/".repeat(depth)), format!("{}*", "r:".repeat(depth))] })
            })
            .collect();
        let table = table(&statements);
        let action = format!("{}a", "a:".repeat(60));

        let (cells, items) = looked_at(&table, &action, &format!("{}r", "r/".repeat(511)));

        // Each statement has one resource that the name begins with.
        assert_eq!((cells, items), (59, 59));
        let (cells, items) = looked_at(&table, &action, &format!("{}r", "q/".repeat(511)));
        assert_eq!((cells, items), (0, 0));
    }

    #[test]
    fn a_permission_linked_to_no_resource_reaches_none_of_anothers() {
        let within = |action: &str, names: &[&str]| {
            let names = Arc::new(names.iter().map(|name| Box::from(*name)).collect());
            Statement::within(Effect::Allow, &[action], &names).unwrap()
        };
        let policy = Policy::new("p", "p").with_links(vec![within("a:b", &[]), within("c:d", &["x"])]);
        let table = Table::of_policies([Arc::new(policy)]);
        let reached = |action: &str| {
            let mut cells = 0;
            table.index.visit(action.as_bytes(), &["x/y", "x"], &NameKeys::of("x/y"), |_, _, _| {
                cells += 1;
                Wanted::All
            });
            cells
        };

        assert_eq!((reached("a:b"), reached("c:d")), (0, 1));
    }

    #[test]
    fn a_statement_of_many_actions_and_resources_stands_in_few_cells() {
        let list = |prefix: &str, between: &str| -> Vec<String> {
            (0..256).map(|n| format!("{prefix}{between}{n}")).collect()
        };
        let statement = json!({ "Effect": "Allow", "Action": list("a", ":"), "Resource": list("r", "/") });
        let table = table(&[statement]);

        assert!(table.bytes() < 64 * 1024, "{}", table.bytes());
        assert_eq!(looked_at(&table, "a:7", "r/7"), (1, 1));
    }
}
