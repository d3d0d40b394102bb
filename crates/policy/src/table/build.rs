//! From policies to a table.

use std::collections::HashMap;
use std::sync::Arc;

use super::check::Check;
use super::hash::{NameKeys, WHOLE};
use super::index::{Builder, Draft, Item, NONE, STEM_BYTES_MAX, flag};
use super::{Entry, Grant, Table, to_u32};
use crate::condition::Condition;
use crate::name::ACTION_NAME_BYTES_MAX;
use crate::pattern::{ActionPattern, Form, ResourcePattern};
use crate::policy::{Policy, RoleRef};
use crate::statement::{Effect, Statement};

/// The most cells that one statement stands in for its actions and resources together. One with more stands in the
/// cells of its resources only, and looks at its actions itself.
const PAIRS_MAX: usize = 256;

/// The checks so far, each once.
#[derive(Default)]
struct Checks<'a> {
    list: Vec<Check>,
    uses: Vec<u32>,
    begins: HashMap<&'a str, u32>,
    matches: HashMap<&'a str, u32>,
    holds: HashMap<&'a [Condition], u32>,
}

impl Table {
    /// Merges the policies of a principal, each at its priority. Grants are given in the order of answers.
    pub(crate) fn build(grants: Vec<Grant>) -> Self {
        Self::merge(grants, |grant| grant.policy.priority() + 1)
    }

    /// Merges the policies of one ceiling or of one resource. There is no priority there: every deny is final.
    pub(crate) fn of_policies(policies: impl IntoIterator<Item = Arc<Policy>>) -> Self {
        let mut policies: Vec<_> = policies.into_iter().collect();
        policies.sort_by(|a, b| a.source().cmp(b.source()));
        let path: Arc<[RoleRef]> = [].into();
        let grants = policies.into_iter().map(|policy| Grant { policy, path: path.clone() });
        Self::merge(grants.collect(), |_| 1)
    }

    fn merge(grants: Vec<Grant>, level: impl Fn(&Grant) -> u16) -> Self {
        let mut entries = Vec::new();
        let mut builder = Builder::default();
        let mut checks = Checks::default();
        let mut top = 0;
        for (number, grant) in grants.iter().enumerate() {
            let level = level(grant);
            top = top.max(level);
            let rare = if grant.policy.expression().is_some() { flag::RARE } else { 0 };
            for (at, statement) in grant.policy.statements().enumerate() {
                let entry = to_u32(entries.len());
                entries.push(Entry { grant: to_u32(number), statement: to_u32(at) });
                let item = Item {
                    entry,
                    resource: NONE,
                    conditions: checks.holds(statement),
                    level,
                    flags: rare | flags_of(statement),
                };
                add(&mut builder, &mut checks, item, statement);
            }
        }
        let checks = checks.by_uses(builder.items());
        let index = builder.finish();
        Self { entries: entries.into(), index, checks, top, grants: grants.into() }
    }
}

fn flags_of(statement: &Statement) -> u8 {
    let deny = if statement.effect == Effect::Deny { flag::DENY } else { 0 };
    let rare = if statement.principals().is_some() { flag::RARE } else { 0 };
    deny | rare
}

/// Puts a statement into the cells of its actions and resources.
fn add<'a>(builder: &mut Builder<'a>, checks: &mut Checks<'a>, item: Item, statement: &'a Statement) {
    let places = places(checks, item, statement);
    let is_all = |pattern: &ActionPattern| matches!(pattern.form(), Form::Prefix(0));
    if statement.not_action || statement.actions.len() * places.len() > PAIRS_MAX {
        add_to(builder, "", false, flag::ACTION, &places);
    } else if statement.actions.iter().any(is_all) {
        add_to(builder, "", false, 0, &places);
    } else {
        for pattern in &statement.actions {
            let stem = pattern.stem();
            match pattern.form() {
                // No action is that long.
                Form::Literal if stem.len() > ACTION_NAME_BYTES_MAX => {}
                Form::Literal => add_to(builder, stem, true, 0, &places),
                Form::Prefix(_) if stem.len() <= STEM_BYTES_MAX => add_to(builder, stem, false, 0, &places),
                Form::Prefix(_) | Form::Wild(_) => {
                    let stem = stem.get(..STEM_BYTES_MAX).unwrap_or(stem);
                    add_to(builder, stem, false, flag::ACTION, &places);
                }
            }
        }
    }
}

/// Puts a statement into the cells of one group, or of the group of all actions if there is no room for another.
fn add_to<'a>(builder: &mut Builder<'a>, stem: &'a str, is_exact: bool, flags: u8, places: &[Place]) {
    let (group, flags) = match builder.group(stem, is_exact) {
        Some(group) => (group, flags),
        None => (builder.group("", false).unwrap_or(0), flag::ACTION),
    };
    for Place { level, hash, key, length, item } in places {
        let item = Item { flags: item.flags | flags, ..*item };
        let draft = Draft { group, level: *level, hash: *hash, key: key.clone(), length: *length, item };
        if let Err(draft) = builder.add(draft) {
            let item = Item { flags: (item.flags | flag::RESOURCES) & !flag::WITHIN, resource: NONE, ..item };
            let level = 0;
            let hash = NameKeys::of("").hash(level);
            // INVARIANT: the empty beginning always finds room.
            let _ = builder.add(Draft { level, hash, length: 0, item, ..draft });
        }
    }
}

/// Where a statement stands for one of its resources.
struct Place {
    level: u8,
    hash: u64,
    key: Arc<str>,
    length: u16,
    item: Item,
}

impl Place {
    /// The cell of a whole name.
    fn whole(key: Arc<str>, item: Item) -> Self {
        let hash = NameKeys::of(&key).hash(WHOLE);
        Self { level: WHOLE, hash, length: to_length(key.len()), key, item }
    }

    /// The cell of the longest beginning of a text that ends at a separator, and where that is.
    fn beginning(key: &Arc<str>, stem: &str, item: Item) -> (Self, usize) {
        let keys = NameKeys::of(stem);
        let (level, end) = keys.deepest();
        (Self { level, hash: keys.hash(level), length: to_length(end), key: key.clone(), item }, end)
    }
}

fn places<'a>(checks: &mut Checks<'a>, item: Item, statement: &'a Statement) -> Vec<Place> {
    if let Some(names) = statement.within_names() {
        let item = Item { flags: item.flags | flag::WITHIN, ..item };
        return names.iter().map(|name| Place::whole(Arc::from(&**name), item)).collect();
    }
    let everywhere = |item: Item| vec![Place::beginning(&Arc::from(""), "", item).0];
    if statement.not_resource {
        return everywhere(Item { flags: item.flags | flag::RESOURCES, ..item });
    }
    if statement.resources.iter().any(|pattern| matches!(pattern.form(), Form::Prefix(0))) {
        return everywhere(item);
    }
    let place = |pattern: &'a ResourcePattern| {
        let stem = pattern.stem();
        let key = pattern.text();
        if pattern.form() == Form::Literal {
            return Place::whole(key.clone(), item);
        }
        let (mut place, end) = Place::beginning(key, stem, item);
        place.item.resource = match pattern.form() {
            Form::Prefix(_) if end == stem.len() => NONE,
            Form::Prefix(_) => checks.begins(key, stem),
            _ => checks.matches(pattern, end),
        };
        place
    };
    statement.resources.iter().map(place).collect()
}

impl<'a> Checks<'a> {
    fn begins(&mut self, text: &Arc<str>, stem: &'a str) -> u32 {
        let number = *self.begins.entry(stem).or_insert_with(|| {
            self.list.push(Check::Begins(text.clone(), to_length(stem.len())));
            to_u32(self.list.len() - 1)
        });
        self.count(number)
    }

    fn matches(&mut self, pattern: &'a ResourcePattern, known: usize) -> u32 {
        let number = *self.matches.entry(pattern.as_str()).or_insert_with(|| {
            self.list.push(Check::Matches(pattern.clone(), to_length(known)));
            to_u32(self.list.len() - 1)
        });
        self.count(number)
    }

    fn holds(&mut self, statement: &'a Statement) -> u32 {
        let Some(conditions) = statement.shared_conditions() else { return NONE };
        let number = *self.holds.entry(conditions).or_insert_with(|| {
            self.list.push(Check::Holds(conditions.clone()));
            to_u32(self.list.len() - 1)
        });
        self.count(number)
    }

    fn count(&mut self, number: u32) -> u32 {
        self.uses.resize(self.list.len(), 0);
        if let Some(uses) = self.uses.get_mut(number as usize) {
            *uses += 1;
        }
        number
    }

    /// Puts the checks that stand in most places first, where their answers are remembered.
    fn by_uses<'i>(self, items: impl Iterator<Item = &'i mut Item>) -> Box<[Check]> {
        let mut order: Vec<(u32, Check)> = self.uses.into_iter().zip(self.list).collect();
        let mut numbers: Vec<u32> = (0..to_u32(order.len())).collect();
        numbers.sort_by_key(|number| {
            std::cmp::Reverse(order.get(*number as usize).map_or(0, |(uses, _)| *uses))
        });
        let mut places = vec![NONE; order.len()];
        for (place, number) in (0..).zip(&numbers) {
            if let Some(slot) = places.get_mut(*number as usize) {
                *slot = place;
            }
        }
        let place = |number: u32| places.get(number as usize).copied().unwrap_or(NONE);
        for item in items {
            item.resource = place(item.resource);
            item.conditions = place(item.conditions);
        }
        order.sort_by_key(|(uses, _)| std::cmp::Reverse(*uses));
        order.into_iter().map(|(_, check)| check).collect()
    }
}

fn to_length(bytes: usize) -> u16 {
    u16::try_from(bytes).unwrap_or(u16::MAX)
}
