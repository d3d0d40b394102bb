//! The statements about one class of actions, by the literal beginnings of their resources.

use super::{Levels, Trie, to_u32};
use crate::pattern::{Form, ResourcePattern};
use crate::statement::{Effect, Statement};

/// How a name reached a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// The resource begins with the cell's text and goes on.
    Beginning,
    /// The resource is the cell's text.
    Itself,
    /// What the resource lies in is the cell's text.
    Around,
}

/// How a statement stands in a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It is about the name that is the cell's text.
    Exact,
    /// It is about every name that begins with the cell's text.
    Prefix,
    /// It is about the name that is the cell's text and about all that lies in it.
    Within,
    /// Its pattern of this number begins with the cell's text.
    Pattern(u16),
    /// All of its patterns must be looked at together.
    Whole,
}

/// One statement in one cell.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item {
    pub(super) entry: u32,
    place: Place,
    checks_action: bool,
}

impl Item {
    pub(super) fn checks_action(&self) -> bool {
        self.checks_action
    }

    /// Tells whether a name that reached the cell so may be the statement's matter.
    pub(super) fn is_reached(&self, reach: Reach) -> bool {
        match self.place {
            Place::Exact => reach == Reach::Itself,
            Place::Within => reach != Reach::Beginning,
            Place::Prefix | Place::Pattern(_) | Place::Whole => reach != Reach::Around,
        }
    }

    /// What is still to be matched: nothing, one pattern, or (inner `None`) all of them.
    pub(super) fn pattern(&self) -> Option<Option<usize>> {
        match self.place {
            Place::Exact | Place::Prefix | Place::Within => None,
            Place::Pattern(number) => Some(Some(number.into())),
            Place::Whole => Some(None),
        }
    }
}

/// All that stands at one beginning.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cell {
    prefix: Levels,
    exact: Levels,
    within: Levels,
    /// Where the items begin; those with conditions come first.
    start: u32,
    conditional: u32,
    end: u32,
}

impl Cell {
    /// What applies without conditions.
    pub(super) fn plain(&self, reach: Reach) -> Levels {
        match reach {
            Reach::Beginning => self.prefix,
            Reach::Around => self.within,
            Reach::Itself => {
                let mut levels = self.prefix;
                levels.raise(self.exact);
                levels.raise(self.within);
                levels
            }
        }
    }

    pub(super) fn has_conditions(&self) -> bool {
        self.conditional > self.start
    }
}

/// The cells by their text.
#[derive(Debug)]
pub(super) struct Index {
    trie: Trie,
    cells: Box<[Cell]>,
    items: Box<[Item]>,
    has_within: bool,
}

impl Index {
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// Visits every cell that the first name of the chain reaches, and those of what it lies in.
    pub(super) fn visit(&self, chain: &[&str], mut visit: impl FnMut(u32, &Cell, Reach)) {
        let Some((resource, around)) = chain.split_first() else { return };
        self.trie.walk(resource.as_bytes(), |at, whole| {
            if let Some(cell) = self.cells.get(at as usize) {
                visit(at, cell, if whole { Reach::Itself } else { Reach::Beginning });
            }
        });
        if !self.has_within {
            return;
        }
        for name in around {
            self.trie.walk(name.as_bytes(), |at, whole| {
                if let (true, Some(cell)) = (whole, self.cells.get(at as usize)) {
                    visit(at, cell, Reach::Around);
                }
            });
        }
    }

    /// The items of a cell that action and resource alone do not decide.
    pub(super) fn conditional(&self, at: u32) -> &[Item] {
        let Some(cell) = self.cells.get(at as usize) else { return &[] };
        self.items.get(cell.start as usize..cell.conditional as usize).unwrap_or_default()
    }

    /// All items of a cell.
    pub(super) fn items(&self, at: u32) -> &[Item] {
        let Some(cell) = self.cells.get(at as usize) else { return &[] };
        self.items.get(cell.start as usize..cell.end as usize).unwrap_or_default()
    }
}

/// A statement on its way into an index.
struct Draft<'a> {
    stem: &'a str,
    item: Item,
    effect: Effect,
    level: u16,
    plain: bool,
}

/// Collects statements, then builds the index.
#[derive(Default)]
pub(super) struct Builder<'a> {
    drafts: Vec<Draft<'a>>,
}

impl<'a> Builder<'a> {
    pub(super) fn add(
        &mut self,
        entry: u32,
        effect: Effect,
        level: u16,
        statement: &'a Statement,
        checks_action: bool,
        is_plain: bool,
    ) {
        let mut push = |stem: &'a str, place: Place| {
            let plain = is_plain && matches!(place, Place::Exact | Place::Prefix | Place::Within);
            let item = Item { entry, place, checks_action };
            self.drafts.push(Draft { stem, item, effect, level, plain });
        };
        if let Some(names) = statement.within_names() {
            for name in names {
                push(name, Place::Within);
            }
        } else if statement.not_resource {
            push("", Place::Whole);
        } else {
            for (number, pattern) in statement.resources.iter().enumerate() {
                push(pattern.stem(), place_of(number, pattern));
            }
        }
    }

    pub(super) fn finish(mut self) -> Index {
        let effect_first = |effect: Effect| effect == Effect::Allow;
        self.drafts.sort_by(|a, b| {
            let key = |draft: &Draft<'_>| (draft.plain, draft.item.entry);
            a.stem.cmp(b.stem).then_with(|| key(a).cmp(&key(b)))
        });
        let mut stems: Vec<&[u8]> = Vec::new();
        let mut cells: Vec<Cell> = Vec::new();
        let mut items: Vec<Item> = Vec::with_capacity(self.drafts.len());
        for group in self.drafts.chunk_by(|a, b| a.stem == b.stem) {
            let Some(first) = group.first() else { continue };
            stems.push(first.stem.as_bytes());
            let mut cell = Cell { start: to_u32(items.len()), ..Cell::default() };
            let mut conditional: Vec<&Draft<'_>> = group.iter().filter(|draft| !draft.plain).collect();
            // What is likeliest to settle the answer first: the highest level, and denies before allows.
            conditional.sort_by_key(|draft| (u16::MAX - draft.level, effect_first(draft.effect)));
            items.extend(conditional.iter().map(|draft| draft.item));
            cell.conditional = to_u32(items.len());
            for draft in group.iter().filter(|draft| draft.plain) {
                let levels = match draft.item.place {
                    Place::Prefix => &mut cell.prefix,
                    Place::Within => &mut cell.within,
                    _ => &mut cell.exact,
                };
                levels.raise_one(draft.effect, draft.level);
                items.push(draft.item);
            }
            cell.end = to_u32(items.len());
            cells.push(cell);
        }
        let has_within = self.drafts.iter().any(|draft| draft.item.place == Place::Within);
        Index { trie: Trie::build(&stems), cells: cells.into(), items: items.into(), has_within }
    }
}

fn place_of(number: usize, pattern: &ResourcePattern) -> Place {
    match pattern.form() {
        Form::Literal => Place::Exact,
        Form::Prefix(_) => Place::Prefix,
        // INVARIANT: a statement has fewer patterns than that; one past it would be looked at as a whole.
        Form::Wild(_) => u16::try_from(number).map_or(Place::Whole, Place::Pattern),
    }
}
