//! A map that is cheap to change a little: a changed copy shares all but the changed part with the original.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

/// How many entries a shard is meant to hold.
const SHARD_ENTRIES: usize = 64;
/// The most shards.
const SHARDS_MAX: usize = 4_096;

/// One part of the map.
type Shard<V> = HashMap<Arc<str>, V, RandomState>;

/// The map.
#[derive(Debug, Clone)]
pub(crate) struct Shards<V> {
    hasher: RandomState,
    shards: Box<[Arc<Shard<V>>]>,
    length: usize,
}

impl<V: Clone> Shards<V> {
    /// Builds the map; of several entries with one key the last counts.
    pub(crate) fn build(entries: Vec<(Arc<str>, V)>) -> Self {
        let count = (entries.len() / SHARD_ENTRIES + 1).next_power_of_two().min(SHARDS_MAX);
        let hasher = RandomState::new();
        let mut maps: Vec<Shard<V>> = (0..count).map(|_| HashMap::with_hasher(hasher.clone())).collect();
        for (key, value) in entries {
            let at = place(&hasher, &key, count);
            if let Some(map) = maps.get_mut(at) {
                map.insert(key, value);
            }
        }
        let length = maps.iter().map(HashMap::len).sum();
        Self { hasher, shards: maps.into_iter().map(Arc::new).collect(), length }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&V> {
        self.shards.get(place(&self.hasher, key, self.shards.len()))?.get(key)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.shards.iter().flat_map(|shard| shard.values())
    }

    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// Adds or replaces an entry. Where shards have grown to twice what they are meant to hold, it makes twice as
    /// many of them, so that each of many insertions costs little in the end.
    pub(crate) fn insert(&mut self, key: Arc<str>, value: V) {
        if self.shards.len() < SHARDS_MAX && self.length >= 2 * SHARD_ENTRIES * self.shards.len() {
            let entries = self.shards.iter().flat_map(|shard| shard.iter());
            *self = Self::build(entries.map(|(key, value)| (key.clone(), value.clone())).collect());
        }
        let at = place(&self.hasher, &key, self.shards.len());
        let Some(shard) = self.shards.get_mut(at) else { return };
        if Arc::make_mut(shard).insert(key, value).is_none() {
            self.length += 1;
        }
    }

    /// Removes an entry.
    pub(crate) fn remove(&mut self, key: &str) {
        let at = place(&self.hasher, key, self.shards.len());
        let Some(shard) = self.shards.get_mut(at) else { return };
        if shard.contains_key(key) && Arc::make_mut(shard).remove(key).is_some() {
            self.length -= 1;
        }
    }
}

fn place(hasher: &RandomState, key: &str, count: usize) -> usize {
    // The map uses the low bits of the same hash.
    usize::try_from(hasher.hash_one(key) >> 40).unwrap_or(0) & (count - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_that_grows_keeps_its_shards_small() {
        let mut map = Shards::build(Vec::new());
        for n in 0..10_000 {
            map.insert(n.to_string().into(), n);
        }
        assert_eq!((map.len(), map.get("7"), map.get("9999")), (10_000, Some(&7), Some(&9_999)));
        assert!(map.shards.iter().all(|shard| shard.len() <= 4 * SHARD_ENTRIES));
    }

    #[test]
    fn a_changed_copy_leaves_the_original_as_it_was() {
        let entries = (0..1_000).map(|n| (Arc::from(n.to_string()), n)).collect();
        let original = Shards::build(entries);
        let mut copy = original.clone();
        copy.insert("7".into(), 70);
        copy.insert("new".into(), 1);
        copy.remove("8");
        copy.remove("absent");
        assert_eq!(
            (original.get("7"), original.get("8"), original.get("new"), original.len()),
            (Some(&7), Some(&8), None, 1_000)
        );
        assert_eq!(
            (copy.get("7"), copy.get("8"), copy.get("new"), copy.len()),
            (Some(&70), None, Some(&1), 1_000)
        );
    }
}
