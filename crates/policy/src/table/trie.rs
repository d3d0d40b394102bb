//! A frozen radix tree over byte strings: finds every key that a text begins with, in one pass over the text.
//!
//! There is nothing to hash, so nobody can choose names that collide.

use std::collections::VecDeque;

/// No value.
const NONE: u32 = u32::MAX;

/// The tree. Each key has a number, its place in the order of the keys.
#[derive(Debug, Default)]
pub(super) struct Trie {
    nodes: Box<[Node]>,
    /// The first byte of each node's label, so that children are found without touching their nodes.
    firsts: Box<[u8]>,
    labels: Box<[u8]>,
    keys: u32,
}

#[derive(Debug, Clone, Copy)]
struct Node {
    label: u32,
    /// Keys have at most 1,024 bytes.
    label_length: u16,
    children: u16,
    first_child: u32,
    value: u32,
}

/// The last key on the way of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Deepest {
    /// Its number.
    pub(super) key: u32,
    /// Its length, in bytes.
    pub(super) length: u32,
    /// Whether it is the whole text.
    pub(super) whole: bool,
}

impl Trie {
    /// Builds the tree of keys that are sorted and different.
    pub(super) fn build(keys: &[&[u8]]) -> Self {
        let mut nodes = vec![Node { label: 0, label_length: 0, children: 0, first_child: 0, value: NONE }];
        let mut labels: Vec<u8> = Vec::new();
        let mut firsts = vec![0];
        if keys.is_empty() {
            return Self::default();
        }
        // A node, the keys below it, and how many of their bytes lie above it.
        let mut queue = VecDeque::from([(0_usize, 0..keys.len(), 0_usize)]);
        while let Some((number, range, depth)) = queue.pop_front() {
            let below = keys.get(range.clone()).unwrap_or_default();
            let (Some(first), Some(last)) = (below.first(), below.last()) else { continue };
            let shared = first.iter().zip(last.iter()).take_while(|(a, b)| a == b).count().max(depth);
            let label = first.get(depth..shared).unwrap_or_default();
            let label_at = labels.len();
            labels.extend_from_slice(label);
            if let Some(byte) = label.first()
                && let Some(place) = firsts.get_mut(number)
            {
                *place = *byte;
            }
            let mut from = range.start;
            let mut value = NONE;
            if first.len() == shared {
                value = to_u32(from);
                from += 1;
            }
            let first_child = nodes.len();
            while let Some(byte) = keys.get(from).filter(|_| from < range.end).and_then(|key| key.get(shared))
            {
                let rest = keys.get(from..range.end).unwrap_or_default();
                let same = rest.iter().take_while(|key| key.get(shared) == Some(byte)).count();
                queue.push_back((nodes.len(), from..from + same, shared));
                nodes.push(Node { label: 0, label_length: 0, children: 0, first_child: 0, value: NONE });
                firsts.push(*byte);
                from += same;
            }
            let children = nodes.len() - first_child;
            if let Some(node) = nodes.get_mut(number) {
                *node = Node {
                    label: to_u32(label_at),
                    label_length: u16::try_from(label.len()).unwrap_or(u16::MAX),
                    children: u16::try_from(children).unwrap_or(u16::MAX),
                    first_child: to_u32(first_child),
                    value,
                };
            }
        }
        Self { nodes: nodes.into(), firsts: firsts.into(), labels: labels.into(), keys: to_u32(keys.len()) }
    }

    /// How many keys there are.
    pub(super) fn keys(&self) -> u32 {
        self.keys
    }

    /// How many bytes the tree takes.
    pub(super) fn bytes(&self) -> usize {
        self.nodes.len() * (size_of::<Node>() + 1) + self.labels.len()
    }

    /// Visits every key that the text begins with, the shortest first, and says whether it is the whole text.
    pub(super) fn walk(&self, text: &[u8], mut visit: impl FnMut(u32, bool)) {
        self.walk_lengths(text, |key, left| visit(key, left == 0));
    }

    /// Visits as [`Trie::walk`] does, and says how many bytes of the text are left.
    fn walk_lengths(&self, text: &[u8], mut visit: impl FnMut(u32, usize)) {
        let mut rest = text;
        let mut next = self.nodes.first();
        while let Some(node) = next {
            let start = node.label as usize;
            let label = self.labels.get(start..start + usize::from(node.label_length)).unwrap_or_default();
            let Some(after) = rest.strip_prefix(label) else { return };
            rest = after;
            if node.value != NONE {
                visit(node.value, rest.len());
            }
            let Some(byte) = rest.first() else { return };
            next = self.child(node, *byte);
        }
    }

    /// Finds the longest key that the text begins with.
    pub(super) fn deepest(&self, text: &[u8]) -> Option<Deepest> {
        let mut deepest = None;
        self.walk_lengths(text, |key, left| {
            let length = to_u32(text.len() - left);
            deepest = Some(Deepest { key, length, whole: left == 0 });
        });
        deepest
    }

    fn child(&self, node: &Node, byte: u8) -> Option<&Node> {
        let start = node.first_child as usize;
        let firsts = self.firsts.get(start..start + usize::from(node.children))?;
        let at = if firsts.len() <= 8 {
            firsts.iter().position(|first| *first == byte)?
        } else {
            firsts.binary_search(&byte).ok()?
        };
        self.nodes.get(start + at)
    }
}

fn to_u32(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(NONE - 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert_eq, proptest};

    use super::*;

    proptest! {
        #[test]
        fn every_key_that_a_text_begins_with_is_visited_shortest_first(
            keys in proptest::collection::btree_set("[ab/]{0,5}", 0..40),
            text in "[ab/]{0,6}",
        ) {
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            let bytes: Vec<&[u8]> = keys.iter().map(|key| key.as_bytes()).collect();
            let trie = Trie::build(&bytes);
            let mut visited = Vec::new();
            trie.walk(text.as_bytes(), |key, whole| visited.push((keys[key as usize], whole)));
            let mut expected: Vec<_> =
                keys.iter().filter(|key| text.starts_with(**key)).map(|key| (*key, *key == text)).collect();
            expected.sort_by_key(|(key, _)| key.len());
            prop_assert_eq!(trie.deepest(text.as_bytes()).map(|d| (keys[d.key as usize], d.whole)), expected.last().copied());
            prop_assert_eq!(visited, expected);
        }
    }
}
