//! Keyed hashes of names: one for each beginning of a resource's name that ends at a separator, one for the whole.
//!
//! Whoever asks chooses the names, so the hashes depend on a number that nobody outside the process knows, and what
//! is found by a hash is compared byte by byte. Two names with one hash cost a comparison, never an answer.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

use crate::words;

/// How many beginnings of a name are looked up, the empty one counted. A pattern that is literal for longer stands
/// at the last of them.
pub(super) const LEVELS_MAX: usize = 24;
/// The level of whole names.
pub(super) const WHOLE: u8 = 31;

/// Odd numbers without a pattern: the digits of pi, in hexadecimal.
const FACTORS: [u64; 3] = [0x243F_6A88_85A3_08D3, 0x1319_8A2E_0370_7345, 0xA409_3822_299F_31D1];

/// The key of this process' hashes. It changes which slot a name stands in and nothing that anybody sees.
fn seed() -> u64 {
    static SEED: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(FACTORS));
    *SEED
}

/// The hash of an action, or of a beginning of actions, in lower case.
pub(super) fn of_action(text: &[u8], exact: bool) -> u64 {
    absorb(seed() ^ if exact { FACTORS[1] } else { FACTORS[0] }, text)
}

/// The hashes of one resource's name.
#[derive(Debug)]
pub(crate) struct NameKeys {
    hashes: [u64; LEVELS_MAX],
    ends: [u16; LEVELS_MAX],
    count: usize,
    whole: u64,
}

impl NameKeys {
    /// Hashes a name, or the beginning of a pattern.
    pub(crate) fn of(name: &str) -> Self {
        let seed = seed();
        let mut keys = Self { hashes: [seed; LEVELS_MAX], ends: [0; LEVELS_MAX], count: 1, whole: 0 };
        let bytes = name.as_bytes();
        let (mut hash, mut at) = (seed, 0);
        for word in bytes.as_chunks::<8>().0 {
            let word = u64::from_le_bytes(*word);
            keys.add_levels(hash, word, at);
            hash = mix(hash ^ word, FACTORS[0]);
            at += 8;
        }
        let word = words::last_word(bytes);
        keys.add_levels(hash, word, at);
        keys.whole = mix(hash ^ word, FACTORS[2]);
        keys
    }

    /// Adds a level for each separator of a word: the hash of all before the word and of the word up to there.
    fn add_levels(&mut self, before: u64, word: u64, at: usize) {
        let mut found = separators(word);
        while found != 0 {
            let bit = found.trailing_zeros();
            found &= found - 1;
            let places = self.hashes.get_mut(self.count).zip(self.ends.get_mut(self.count));
            let Some((place, end)) = places else { return };
            *place = mix(before ^ (word & (u64::MAX >> (63 - bit))), FACTORS[1]);
            *end = (at + bit as usize / 8 + 1) as u16;
            self.count += 1;
        }
    }

    /// The levels that the name has, a bit for each.
    pub(super) fn levels(&self) -> u32 {
        (1 << WHOLE) | ((1 << self.count) - 1)
    }

    /// The hash of a level.
    pub(super) fn hash(&self, level: u8) -> u64 {
        if level == WHOLE {
            return self.whole;
        }
        self.hashes.get(usize::from(level)).copied().unwrap_or_default()
    }

    /// Where a level's text ends; [`WHOLE`] has none.
    pub(super) fn end(&self, level: u8) -> usize {
        self.ends.get(usize::from(level)).copied().unwrap_or_default().into()
    }

    /// The deepest level that is no whole name, and where it ends.
    pub(super) fn deepest(&self) -> (u8, usize) {
        let level = u8::try_from(self.count - 1).unwrap_or_default();
        (level, self.end(level))
    }
}

/// The bytes that end a level.
fn separators(word: u64) -> u64 {
    words::equal(word, b':') | words::equal(word, b'/')
}

/// Takes bytes into a hash, eight at a time.
fn absorb(mut hash: u64, bytes: &[u8]) -> u64 {
    for word in bytes.as_chunks::<8>().0 {
        hash = mix(hash ^ u64::from_le_bytes(*word), FACTORS[0]);
    }
    mix(hash ^ words::last_word(bytes), FACTORS[2])
}

/// Both halves of a product, together.
fn mix(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ ((product >> 64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_separator_ends_a_level_wherever_it_stands() {
        for name in
            ["", "a", "a:b", "arn:app:svc3:eu:t000:bucket-1/folder-2/object-3", ":::::::::", "12345678/x"]
        {
            let keys = NameKeys::of(name);
            let ends: Vec<usize> = (0..keys.count as u8).map(|level| keys.end(level)).collect();
            let separators = name.bytes().enumerate().filter(|(_, byte)| matches!(byte, b':' | b'/'));
            let expected: Vec<usize> = std::iter::once(0).chain(separators.map(|(at, _)| at + 1)).collect();
            assert_eq!(ends, expected, "{name:?}");
        }
        assert_eq!(NameKeys::of(&":".repeat(1024)).deepest(), (23, 23));
    }

    #[test]
    fn a_level_of_a_name_has_the_hash_of_its_text() {
        let name = "arn:app:svc3:eu:t000:bucket-1/folder-2/object-3";
        let keys = NameKeys::of(name);
        for level in 1..keys.count as u8 {
            let beginning = NameKeys::of(&name[..keys.end(level)]);
            assert_eq!(beginning.deepest(), (level, keys.end(level)));
            assert_eq!(beginning.hash(level), keys.hash(level));
            assert_ne!(beginning.hash(WHOLE), keys.hash(level));
        }
        assert_eq!(NameKeys::of(name).hash(WHOLE), keys.hash(WHOLE));
        assert_ne!(
            NameKeys::of("arn:app:svc3:eu:t000:bucket-1/folder-2/object-4").hash(WHOLE),
            keys.hash(WHOLE)
        );
    }
}
