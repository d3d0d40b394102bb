//! Where the statements stand: by action, then by the literal beginning of their resources.
//!
//! All statements about one action pattern form a group. A group has a hash table of its own over the beginnings of
//! resources, up to the last separator before the first wildcard; all these tables lie one behind the other in two
//! flat lists. The groups of an action are the one of its whole name and those of its beginnings, which form a chain.

use std::collections::HashMap;
use std::sync::Arc;

use super::Levels;
use super::hash::{self, NameKeys, WHOLE};

/// No group, no check, and an empty slot.
pub(super) const NONE: u32 = u32::MAX;
/// How many bits of a slot say what stands there; the others are part of its hash.
const PLACE_BITS: u32 = 20;
/// The bit of a slot whose cell has a deny, so that the others need not be read where only a deny still counts.
const DENIES: u32 = 1 << PLACE_BITS;
const PRINT_SHIFT: u32 = PLACE_BITS + 1;
const PLACE_MASK: u32 = (1 << PLACE_BITS) - 1;
/// The most groups of a table and the most cells of a group. What finds no room there stands at the empty beginning, and
/// is looked at as a whole.
const PLACES_MAX: usize = PLACE_MASK as usize - 1;
/// Beginnings of actions longer than that are cut, and the statement looks at the action itself.
pub(super) const STEM_BYTES_MAX: usize = 127;

/// How a name reached a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// The resource begins with the cell's text, or is it.
    Itself,
    /// What the resource lies in is the cell's text.
    Around,
}

/// What of the cells that are left could still count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    All,
    /// Cells with a deny.
    Denies,
    Nothing,
}

/// What must still be looked at besides the item's checks, and what the item does.
pub(super) mod flag {
    /// The statement denies.
    pub(in crate::table) const DENY: u8 = 1;
    /// It is about the name and about all that lies in it.
    pub(in crate::table) const WITHIN: u8 = 2;
    /// Its actions.
    pub(in crate::table) const ACTION: u8 = 4;
    /// All of its resource patterns together.
    pub(in crate::table) const RESOURCES: u8 = 8;
    /// Its principals, or its policy's expression.
    pub(in crate::table) const RARE: u8 = 16;
}

/// One statement in one cell.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item {
    pub(super) entry: u32,
    /// The checks of resource and conditions, by number, or [`NONE`].
    pub(super) resource: u32,
    pub(super) conditions: u32,
    /// The priority plus one.
    pub(super) level: u16,
    pub(super) flags: u8,
}

impl Item {
    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Tells whether action and resource alone decide, and the item's place says all of them.
    pub(super) fn is_plain(&self) -> bool {
        self.flags & !flag::DENY == 0 && self.resource == NONE && self.conditions == NONE
    }
}

/// All that stands at one beginning.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    /// The text begins so; shared with the pattern that it is from.
    key: Arc<str>,
    /// What applies without more checks.
    pub(super) plain: Levels,
    /// Where the items begin, those with checks first, and where those end.
    start: u32,
    checked: u32,
    length: u16,
    level: u8,
    /// Whether one of the items denies.
    pub(super) denies: bool,
}

impl Cell {
    pub(super) fn has_checked(&self) -> bool {
        self.checked > self.start
    }

    fn text(&self) -> &[u8] {
        self.key.as_bytes().get(..self.length.into()).unwrap_or_default()
    }
}

/// The statements about one action pattern.
#[derive(Debug, Clone, Copy)]
struct Group {
    /// The group of the longest beginning of this one.
    parent: u32,
    stem: u32,
    /// Where its hash table begins, and where its cells do.
    slots: u32,
    cells: u32,
    /// The levels of its keys, a bit for each.
    levels: u32,
    stem_length: u8,
    slots_log2: u8,
    is_exact: bool,
}

/// The cells.
#[derive(Debug, Default)]
pub(super) struct Index {
    groups: Box<[Group]>,
    /// The action patterns' literal beginnings, in lower case, one behind the other.
    stems: Box<[u8]>,
    /// The numbers of the groups, by the hash of the beginning.
    by_action: Box<[u32]>,
    /// The lengths of the beginnings, a bit for each.
    stem_lengths: u128,
    /// The hash tables of all groups: places among the cells of the group.
    slots: Box<[u32]>,
    cells: Box<[Cell]>,
    items: Box<[Item]>,
    has_within: bool,
}

impl Index {
    /// Visits the cells that action and resource reach, and those of what the resource lies in. `visit` says which of
    /// the others it wants.
    pub(super) fn visit(
        &self,
        action: &[u8],
        chain: &[&str],
        keys: &NameKeys,
        mut visit: impl FnMut(u32, &Cell, Reach) -> Wanted,
    ) {
        let Some((resource, around)) = chain.split_first() else { return };
        let first = self.find_group(action);
        let mut wanted = Wanted::All;
        let mut next = self.groups.get(first as usize);
        while let Some(group) = next {
            let mut levels = group.levels & keys.levels();
            while levels != 0 {
                let level = u8::try_from(levels.trailing_zeros()).unwrap_or(WHOLE);
                levels &= levels - 1;
                let text = match level {
                    WHOLE => resource.as_bytes(),
                    _ => resource.as_bytes().get(..keys.end(level)).unwrap_or_default(),
                };
                if let Some((at, cell)) = self.find_cell(group, level, keys.hash(level), text, wanted) {
                    wanted = visit(at, cell, Reach::Itself);
                    if wanted == Wanted::Nothing {
                        return;
                    }
                }
            }
            next = self.groups.get(group.parent as usize);
        }
        if self.has_within && !around.is_empty() {
            self.visit_around(first, around, wanted, visit);
        }
    }

    fn visit_around(
        &self,
        first: u32,
        around: &[&str],
        mut wanted: Wanted,
        mut visit: impl FnMut(u32, &Cell, Reach) -> Wanted,
    ) {
        for name in around {
            let hash = NameKeys::of(name).hash(WHOLE);
            let mut next = self.groups.get(first as usize);
            while let Some(group) = next {
                // INVARIANT: a group without keys has no slots of its own.
                if group.levels & (1 << WHOLE) != 0
                    && let Some((at, cell)) = self.find_cell(group, WHOLE, hash, name.as_bytes(), wanted)
                {
                    wanted = visit(at, cell, Reach::Around);
                    if wanted == Wanted::Nothing {
                        return;
                    }
                }
                next = self.groups.get(group.parent as usize);
            }
        }
    }

    /// The group of the longest beginning of an action, or of the action itself.
    fn find_group(&self, action: &[u8]) -> u32 {
        if let Some(found) = self.find_stem(action, true) {
            return found;
        }
        let mut lengths = self.stem_lengths;
        if action.len() < STEM_BYTES_MAX {
            lengths &= (1 << (action.len() + 1)) - 1;
        }
        while lengths != 0 {
            let length = 127 - lengths.leading_zeros();
            lengths &= !(1 << length);
            let stem = action.get(..length as usize).unwrap_or_default();
            if let Some(found) = self.find_stem(stem, false) {
                return found;
            }
        }
        NONE
    }

    fn find_stem(&self, stem: &[u8], exact: bool) -> Option<u32> {
        let hash = hash::of_action(stem, exact);
        let mask = self.by_action.len().checked_sub(1)?;
        let mut at = hash as usize & mask;
        // INVARIANT: a third of the slots is empty.
        loop {
            let slot = *self.by_action.get(at)?;
            if slot == NONE {
                return None;
            }
            if slot >> PRINT_SHIFT == print_of(hash) {
                let number = slot & PLACE_MASK;
                let group = self.groups.get(number as usize)?;
                if group.is_exact == exact && self.stem(group) == stem {
                    return Some(number);
                }
            }
            at = (at + 1) & mask;
        }
    }

    fn stem(&self, group: &Group) -> &[u8] {
        let start = group.stem as usize;
        self.stems.get(start..start + usize::from(group.stem_length)).unwrap_or_default()
    }

    fn find_cell(
        &self,
        group: &Group,
        level: u8,
        hash: u64,
        text: &[u8],
        wanted: Wanted,
    ) -> Option<(u32, &Cell)> {
        let mask = (1_usize << group.slots_log2) - 1;
        let print = print_of(hash);
        let mut at = hash as usize & mask;
        for _ in 0..=mask {
            let slot = *self.slots.get(group.slots as usize + at)?;
            if slot == NONE {
                return None;
            }
            if slot >> PRINT_SHIFT == print && (wanted == Wanted::All || slot & DENIES != 0) {
                let place = group.cells + (slot & PLACE_MASK);
                let cell = self.cells.get(place as usize)?;
                if cell.level == level && cell.text() == text {
                    return Some((place, cell));
                }
            }
            at = (at + 1) & mask;
        }
        None
    }

    /// The items of a cell that action and resource alone do not decide.
    pub(super) fn checked(&self, at: u32) -> &[Item] {
        let Some(cell) = self.cells.get(at as usize) else { return &[] };
        self.items.get(cell.start as usize..cell.checked as usize).unwrap_or_default()
    }

    /// All items of a cell.
    pub(super) fn items(&self, at: u32) -> &[Item] {
        let Some(cell) = self.cells.get(at as usize) else { return &[] };
        let end = self.cells.get(at as usize + 1).map_or(self.items.len(), |next| next.start as usize);
        self.items.get(cell.start as usize..end).unwrap_or_default()
    }

    /// How many bytes it takes, the shared texts left out.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.groups)
            + self.stems.len()
            + size_of_val(&*self.by_action)
            + size_of_val(&*self.slots)
            + size_of_val(&*self.cells)
            + size_of_val(&*self.items)
    }
}

/// What a slot keeps of a hash.
fn print_of(hash: u64) -> u32 {
    (hash >> (32 + PRINT_SHIFT)) as u32
}

/// Puts a place into a hash table, part of which is still empty.
fn put(slots: &mut [u32], hash: u64, place: u32) {
    let mask = slots.len() - 1;
    let mut at = hash as usize & mask;
    while slots.get(at).is_some_and(|slot| *slot != NONE) {
        at = (at + 1) & mask;
    }
    if let Some(slot) = slots.get_mut(at) {
        *slot = (print_of(hash) << PRINT_SHIFT) | place;
    }
}

/// One item on its way into the index.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) group: u32,
    pub(super) level: u8,
    pub(super) hash: u64,
    pub(super) key: Arc<str>,
    pub(super) length: u16,
    pub(super) item: Item,
}

impl Draft {
    fn text(&self) -> &[u8] {
        self.key.as_bytes().get(..self.length.into()).unwrap_or_default()
    }

    fn is_beside(&self, other: &Self) -> bool {
        (self.group, self.level, self.hash) == (other.group, other.level, other.hash)
            && self.text() == other.text()
    }
}

/// The beginning of an action pattern, in lower case, and whether it is the whole of it.
type Stem = (Box<[u8]>, bool);

/// Action patterns on their way into the index, then the items.
#[derive(Debug, Default)]
pub(super) struct Builder<'a> {
    /// The beginnings, each once, in lower case.
    stems: HashMap<Stem, u32>,
    /// The same, as patterns write them.
    written: HashMap<(&'a str, bool), u32>,
    /// How many items each group has.
    sizes: Vec<usize>,
    drafts: Vec<Draft>,
}

impl<'a> Builder<'a> {
    /// Returns the number of the group of an action pattern's beginning; `None` if there is no room for one more.
    pub(super) fn group(&mut self, stem: &'a str, is_exact: bool) -> Option<u32> {
        if let Some(known) = self.written.get(&(stem, is_exact)) {
            return Some(*known);
        }
        // The empty beginning always finds room.
        if self.stems.len() >= PLACES_MAX - 1 && !stem.is_empty() {
            return None;
        }
        let next = super::to_u32(self.stems.len());
        let lower = stem.to_ascii_lowercase().into_bytes().into();
        let number = *self.stems.entry((lower, is_exact)).or_insert(next);
        self.written.insert((stem, is_exact), number);
        self.sizes.resize(self.stems.len(), 0);
        Some(number)
    }

    /// Adds an item, unless there is no room for it.
    pub(super) fn add(&mut self, draft: Draft) -> Result<(), Draft> {
        let Some(size) = self.sizes.get_mut(draft.group as usize) else { return Err(draft) };
        if *size >= PLACES_MAX - 1 && draft.length > 0 {
            return Err(draft);
        }
        *size += 1;
        self.drafts.push(draft);
        Ok(())
    }

    pub(super) fn items(&mut self) -> impl Iterator<Item = &mut Item> {
        self.drafts.iter_mut().map(|draft| &mut draft.item)
    }

    /// Builds the index.
    pub(super) fn finish(mut self) -> Index {
        let has_within = self.drafts.iter().any(|draft| draft.item.has(flag::WITHIN));
        let mut index = Index { has_within, ..Index::default() };
        index.add_groups(self.stems);
        self.drafts.sort_by(|a, b| {
            let place = |draft: &Draft| (draft.group, draft.level, draft.hash);
            // What is likeliest to settle the answer first: the highest level, and denies before allows.
            let rank = |draft: &Draft| {
                let item = &draft.item;
                (item.is_plain(), u16::MAX - item.level, !item.has(flag::DENY), item.entry)
            };
            place(a).cmp(&place(b)).then_with(|| a.text().cmp(b.text())).then_with(|| rank(a).cmp(&rank(b)))
        });
        let mut items = Vec::with_capacity(self.drafts.len());
        let (mut cells, mut slots) = (Vec::new(), Vec::new());
        let mut hashes = Vec::new();
        for of_group in self.drafts.chunk_by(|a, b| a.group == b.group) {
            let Some(group) = of_group.first().and_then(|draft| index.groups.get_mut(draft.group as usize))
            else {
                continue;
            };
            group.cells = super::to_u32(cells.len());
            hashes.clear();
            for of_cell in of_group.chunk_by(Draft::is_beside) {
                let Some(first) = of_cell.first() else { continue };
                group.levels |= 1 << first.level;
                let cell = build_cell(first, of_cell, &mut items);
                hashes.push((first.hash, if cell.denies { DENIES } else { 0 }));
                cells.push(cell);
            }
            // INVARIANT: at least as many slots as cells, and more where there are many.
            let size = if hashes.len() < 3 { hashes.len() } else { hashes.len() + hashes.len() / 2 };
            let size = size.next_power_of_two();
            group.slots = super::to_u32(slots.len());
            group.slots_log2 = u8::try_from(size.trailing_zeros()).unwrap_or_default();
            slots.resize(slots.len() + size, NONE);
            let own = slots.get_mut(group.slots as usize..).unwrap_or_default();
            for (place, (hash, denies)) in (0..).zip(&hashes) {
                put(own, *hash, place | denies);
            }
        }
        index.cells = cells.into();
        index.items = items.into();
        index.slots = slots.into();
        index
    }
}

fn build_cell(first: &Draft, of_cell: &[Draft], items: &mut Vec<Item>) -> Cell {
    let start = super::to_u32(items.len());
    let mut cell = Cell {
        key: first.key.clone(),
        plain: Levels::default(),
        start,
        checked: start,
        length: first.length,
        level: first.level,
        denies: false,
    };
    for draft in of_cell {
        let item = draft.item;
        cell.denies |= item.has(flag::DENY);
        items.push(item);
        if item.is_plain() {
            cell.plain.raise_one(item.has(flag::DENY), item.level);
        } else {
            cell.checked += 1;
        }
    }
    cell
}

impl Index {
    /// Lays the groups out, and links each to the longest beginning of its own.
    fn add_groups(&mut self, stems: HashMap<Stem, u32>) {
        let mut stems: Vec<(Stem, u32)> = stems.into_iter().collect();
        stems.sort_unstable_by_key(|(_, number)| *number);
        let size = (stems.len() + stems.len() / 2 + 1).next_power_of_two();
        let mut by_action = vec![NONE; size];
        let mut texts = Vec::new();
        let mut groups = Vec::with_capacity(stems.len());
        for ((stem, is_exact), number) in &stems {
            let hash = hash::of_action(stem, *is_exact);
            put(&mut by_action, hash, *number);
            if !is_exact {
                self.stem_lengths |= 1 << stem.len().min(STEM_BYTES_MAX);
            }
            groups.push(Group {
                parent: NONE,
                stem: super::to_u32(texts.len()),
                slots: 0,
                cells: 0,
                levels: 0,
                stem_length: u8::try_from(stem.len()).unwrap_or(u8::MAX),
                slots_log2: 0,
                is_exact: *is_exact,
            });
            texts.extend_from_slice(stem);
        }
        self.groups = groups.into();
        self.stems = texts.into();
        self.by_action = by_action.into();
        let parents: Vec<u32> =
            stems.iter().map(|((stem, is_exact), _)| self.parent(stem, *is_exact)).collect();
        for (group, parent) in self.groups.iter_mut().zip(parents) {
            group.parent = parent;
        }
    }

    fn parent(&self, stem: &[u8], is_exact: bool) -> u32 {
        let longest = if is_exact { stem.len() + 1 } else { stem.len() };
        let shorter = (0..longest).rev().filter(|length| *length <= STEM_BYTES_MAX);
        shorter
            .filter(|length| self.stem_lengths & (1 << length) != 0)
            .find_map(|length| self.find_stem(stem.get(..length)?, false))
            .unwrap_or(NONE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_one_hash_are_told_apart_by_their_bytes() {
        let mut builder = Builder::default();
        let group = builder.group("a:b", true).unwrap();
        for (entry, key) in (0..).zip(["x", "y", "z"]) {
            let flags = if key == "y" { flag::DENY } else { 0 };
            let item = Item { entry, resource: NONE, conditions: NONE, level: 1, flags };
            builder.add(Draft { group, level: WHOLE, hash: 7, key: key.into(), length: 1, item }).unwrap();
        }
        let index = builder.finish();
        let group = &index.groups[0];

        for (entry, key) in (0..).zip(["x", "y", "z"]) {
            let (at, _) = index.find_cell(group, WHOLE, 7, key.as_bytes(), Wanted::All).unwrap();
            let items: Vec<u32> = index.items(at).iter().map(|item| item.entry).collect();
            assert_eq!(items, [entry], "{key}");
        }
        let is_found = |level: u8, hash: u64, text: &[u8], wanted: Wanted| {
            index.find_cell(group, level, hash, text, wanted).is_some()
        };
        assert!(!is_found(WHOLE, 7, b"w", Wanted::All));
        assert!(!is_found(1, 7, b"x", Wanted::All), "another level");
        assert!(!is_found(WHOLE, 8, b"x", Wanted::All), "another hash");
        assert!(!is_found(WHOLE, 7, b"x", Wanted::Denies), "an allow");
        assert!(is_found(WHOLE, 7, b"y", Wanted::Denies), "a deny after it");
    }

    #[test]
    fn the_longest_beginning_of_an_action_leads_to_the_others() {
        let mut builder = Builder::default();
        for (stem, is_exact) in [("", false), ("A:", false), ("a:get", false), ("a:get", true), ("b:", false)]
        {
            builder.group(stem, is_exact).unwrap();
        }
        assert_eq!(builder.group("a:GET", false), Some(2), "without regard to case");
        let index = builder.finish();
        let chain = |action: &str| {
            let mut found = Vec::new();
            let mut next = index.find_group(action.as_bytes());
            while let Some(group) = index.groups.get(next as usize) {
                found.push(next);
                next = group.parent;
            }
            found
        };

        assert_eq!(chain("a:get"), [3, 2, 1, 0]);
        assert_eq!(chain("a:getall"), [2, 1, 0]);
        assert_eq!(chain("a:put"), [1, 0]);
        assert_eq!(chain("c:put"), [0]);
        assert_eq!(Index::default().find_group(b"a:b"), NONE);
    }
}
