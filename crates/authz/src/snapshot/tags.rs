//! The tags of registered resources, as conditions ask about them.
//!
//! A tenant's snapshot knows which resources may have tags, by hash; the tags themselves are read when they are first
//! asked for, and kept as long as there is room. So a name that nobody registered, which any caller may make up, costs
//! a look at a set.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use base::id::TenantId;
use policy::Stored;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

/// The memory that tags may take, in bytes.
const TAG_BYTES_MAX: u64 = 64 << 20;
/// About what the tags of one resource take.
const TAGS_BYTES: u64 = 512;
/// What an entry takes besides its texts.
const ENTRY_BYTES: usize = 160;

/// Which resources of a tenant may have tags.
#[derive(Debug, Clone, Default)]
pub(super) struct MayHaveTags {
    hasher: RandomState,
    names: Arc<HashSet<u64>>,
}

impl MayHaveTags {
    pub(super) fn of(names: &[String]) -> Self {
        Self::default().and(names)
    }

    /// The same and some more. None is ever taken out: one whose tags are gone costs a read, no wrong answer.
    pub(super) fn and(&self, more: &[String]) -> Self {
        if more.is_empty() {
            return self.clone();
        }
        let mut names = HashSet::clone(&self.names);
        names.extend(more.iter().map(|name| self.hasher.hash_one(name.as_str())));
        Self { hasher: self.hasher.clone(), names: Arc::new(names) }
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        !self.names.is_empty() && self.names.contains(&self.hasher.hash_one(name))
    }
}

/// The tags of one resource.
#[derive(Debug)]
pub(crate) struct ResourceTags {
    /// The version up to which they are known to hold.
    pub(super) version: AtomicI64,
    /// Their names in lower case.
    pub(crate) tags: Box<[(Box<str>, Stored)]>,
}

/// Tags by tenant and the resource's name.
pub(super) struct Tags(Cache<(TenantId, Box<str>), Arc<ResourceTags>, ByBytes>);

#[derive(Clone)]
struct ByBytes;

impl Weighter<(TenantId, Box<str>), Arc<ResourceTags>> for ByBytes {
    fn weight(&self, key: &(TenantId, Box<str>), found: &Arc<ResourceTags>) -> u64 {
        let values = found.tags.iter().map(|(name, value)| match value {
            Stored::One(text) | Stored::Decimal(text) => name.len() + text.len() + ENTRY_BYTES,
            Stored::Many(texts) => {
                name.len() + texts.iter().map(|text| text.len() + ENTRY_BYTES).sum::<usize>()
            }
            Stored::Bool(_) | Stored::Int(_) => name.len() + ENTRY_BYTES,
        });
        u64::try_from(key.1.len() + ENTRY_BYTES + values.sum::<usize>()).unwrap_or(u64::MAX)
    }
}

#[derive(Hash)]
struct Key<'a>(&'a TenantId, &'a str);

impl quick_cache::Equivalent<(TenantId, Box<str>)> for Key<'_> {
    fn equivalent(&self, key: &(TenantId, Box<str>)) -> bool {
        *self.0 == key.0 && *self.1 == *key.1
    }
}

impl Tags {
    pub(super) fn new() -> Self {
        let items = usize::try_from(TAG_BYTES_MAX / TAGS_BYTES).unwrap_or(usize::MAX);
        Self(Cache::with_weighter(items, TAG_BYTES_MAX, ByBytes))
    }

    pub(super) fn get(&self, tenant: &TenantId, name: &str) -> Option<Arc<ResourceTags>> {
        self.0.get(&Key(tenant, name))
    }

    pub(super) fn keep(&self, tenant: &TenantId, name: &str, tags: Arc<ResourceTags>) {
        self.0.insert((tenant.clone(), name.into()), tags);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_was_never_said_has_no_tags_and_one_that_was_may_have_them() {
        let first = MayHaveTags::of(&["a".to_owned()]);
        let second = first.and(&["b".to_owned()]);

        assert!(first.contains("a") && !first.contains("b"));
        assert!(second.contains("a") && second.contains("b") && !second.contains("c"));
        assert!(!MayHaveTags::default().contains("a"));
    }
}
