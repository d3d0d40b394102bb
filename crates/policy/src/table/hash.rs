//! Keyed hashes of names: one for each beginning of a resource's name that ends at a separator, one for the whole.
//!
//! Whoever asks chooses the names, so the hashes depend on a number that nobody outside the process knows, and what
//! is found by a hash is compared byte by byte. Two names with one hash cost a comparison, never an answer.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

/// How many beginnings of a name are looked up, the empty one counted. A pattern that is literal for longer stands
/// at the last of them.
pub(super) const LEVELS_MAX: usize = 24;
/// The level of whole names.
pub(super) const WHOLE: u8 = 31;

/// Odd numbers without a pattern: the digits of pi, in hexadecimal.
const FACTORS: [u64; 3] = [0x243F_6A88_85A3_08D3, 0x1319_8A2E_0370_7345, 0xA409_3822_299F_31D1];
/// A byte in all eight places.
const LOW_BITS: u64 = 0x0101_0101_0101_0101;
const ALL_BUT_HIGH_BITS: u64 = 0x7F * LOW_BITS;

/// The key of this process' hashes. It changes which slot a name stands in and nothing that anybody sees.
fn seed() -> u64 {
    static SEED: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(FACTORS));
    *SEED
}

/// The hash of an action, or of a beginning of actions, in lower case.
pub(super) fn of_action(text: &[u8], exact: bool) -> u64 {
    absorb(seed() ^ if exact { FACTORS[1] } else { FACTORS[2] }, text)
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
        let (words, rest) = bytes.as_chunks::<8>();
        let (mut start, mut hash) = (0, seed);
        let mut end_segment = |at: usize| {
            let places = keys.hashes.get_mut(keys.count).zip(keys.ends.get_mut(keys.count));
            let Some((place, end)) = places else { return };
            hash = absorb(hash, bytes.get(start..=at).unwrap_or_default());
            start = at + 1;
            *place = hash;
            *end = u16::try_from(start).unwrap_or(u16::MAX);
            keys.count += 1;
        };
        for (number, word) in words.iter().enumerate() {
            let mut found = separators(u64::from_le_bytes(*word));
            while found != 0 {
                end_segment(number * 8 + found.trailing_zeros() as usize / 8);
                found &= found - 1;
            }
        }
        for (number, byte) in rest.iter().enumerate() {
            if matches!(byte, b':' | b'/') {
                end_segment(words.len() * 8 + number);
            }
        }
        keys.whole = absorb(hash ^ FACTORS[1], bytes.get(start..).unwrap_or_default());
        keys
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

/// The high bits of the bytes that are `:` or `/`.
fn separators(word: u64) -> u64 {
    let is_zero = |word: u64| {
        !(((word & ALL_BUT_HIGH_BITS) + ALL_BUT_HIGH_BITS) | word | ALL_BUT_HIGH_BITS)
    };
    is_zero(word ^ (LOW_BITS * u64::from(b':'))) | is_zero(word ^ (LOW_BITS * u64::from(b'/')))
}

/// Takes more bytes into a hash: eight at a time, and at the end what is left and how much that is.
fn absorb(mut hash: u64, bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        hash = mix(hash ^ u64::from_le_bytes(*word), FACTORS[0]);
    }
    let last = match (rest.first_chunk::<4>(), rest.last_chunk::<4>()) {
        (Some(first), Some(last)) => {
            u64::from(u32::from_le_bytes(*first)) | (u64::from(u32::from_le_bytes(*last)) << 32)
        }
        _ => rest.iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte)),
    };
    mix(hash ^ last, FACTORS[1].wrapping_add(rest.len() as u64))
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
        for name in ["", "a", "a:b", "arn:app:svc3:eu:t000:bucket-1/folder-2/object-3", ":::::::::", "12345678/x"] {
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
        assert_ne!(NameKeys::of("arn:app:svc3:eu:t000:bucket-1/folder-2/object-4").hash(WHOLE), keys.hash(WHOLE));
    }
}
