//! A part of a list: where it begins, how long it is, what its members' names begin with.

/// Which part of a list to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// What names begin with, folded as names are; none for all.
    pub q: Option<String>,
    /// The key of the last member that was read; none for the beginning.
    pub after: Option<String>,
    /// Members at most.
    pub limit: u32,
}

impl Listing {
    /// The first members of a list.
    pub const fn first(limit: u32) -> Self {
        Self { q: None, after: None, limit }
    }

    /// The key after which to read; empty, and so before all, at the beginning.
    pub(crate) fn after(&self) -> &str {
        self.after.as_deref().unwrap_or_default()
    }

    /// The range of keys to read: from this one on, and before the other one.
    pub(crate) fn range(&self) -> (String, String) {
        let begin = self.q.clone().unwrap_or_default();
        // No character is above U+10FFFF, and no key begins with it.
        let end = format!("{begin}\u{10FFFF}");
        (begin, end)
    }

    pub(crate) fn limit(&self) -> i64 {
        i64::from(self.limit)
    }
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed<T> {
    /// The members.
    pub items: Vec<T>,
    /// The key after which the next part begins; none at the end.
    pub next: Option<String>,
}

impl<T> Listed<T> {
    /// Takes what was read as far as the limit; `key` gives what the list is sorted by.
    pub(crate) fn of(items: Vec<T>, limit: u32, key: impl Fn(&T) -> String) -> Self {
        let full = items.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
        let next = items.last().filter(|_| full).map(key);
        Self { items, next }
    }
}
