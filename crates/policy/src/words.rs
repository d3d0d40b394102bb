//! Bytes of a text, eight at a time in a word: bit tricks that say which of them are what. An answer has the high bit
//! of each byte's place that is so.

const LOW_BITS: u64 = 0x0101_0101_0101_0101;
/// The high bit of each place.
pub(crate) const HIGH_BITS: u64 = 0x80 * LOW_BITS;

/// A byte in all eight places.
pub(crate) const fn every(byte: u8) -> u64 {
    LOW_BITS * byte as u64
}

/// The bytes that are this one.
pub(crate) const fn equal(word: u64, byte: u8) -> u64 {
    let other = word ^ every(byte);
    !(((other & !HIGH_BITS) + !HIGH_BITS) | other | !HIGH_BITS)
}

/// The bytes of this range of ASCII.
pub(crate) const fn between(word: u64, first: u8, last: u8) -> u64 {
    let low = word & !HIGH_BITS;
    (low + every(0x80 - first)) & !(low + every(0x7F - last)) & !word & HIGH_BITS
}

/// The bytes after the last whole word of a text, then zeros.
pub(crate) fn last_word(bytes: &[u8]) -> u64 {
    let rest = bytes.len() % 8;
    match bytes.last_chunk::<8>() {
        // What the word shares with the one before is shifted out.
        Some(word) if rest > 0 => u64::from_le_bytes(*word) >> (64 - 8 * rest),
        Some(_) => 0,
        None => bytes.iter().rev().fold(0, |sum, byte| (sum << 8) | u64::from(*byte)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_answers_for_itself() {
        for byte in 0..=255_u8 {
            for place in 0..8 {
                let word =
                    u64::from_le_bytes(std::array::from_fn(|at| if at == place { byte } else { b'x' }));
                let bit = 0x80 << (8 * place);
                let is = |answer: u64| answer & bit != 0;
                assert_eq!(is(equal(word, b':')), byte == b':', "{byte}");
                assert_eq!(is(between(word, b'0', b':')), (b'0'..=b':').contains(&byte), "{byte}");
                assert_eq!(is(between(word, b'A', b'Z')), byte.is_ascii_uppercase(), "{byte}");
                let others = equal(word, b'x') & !bit;
                assert_eq!(others, HIGH_BITS & !bit, "{byte}");
            }
        }
    }

    #[test]
    fn the_last_word_has_what_no_whole_word_has() {
        let text = b"abcdefghijklmnopqrstuvwxyz";
        for length in 0..text.len() {
            let mut expected = [0; 8];
            let rest = &text[length - length % 8..length];
            expected[..rest.len()].copy_from_slice(rest);
            assert_eq!(last_word(&text[..length]).to_le_bytes(), expected, "{length}");
        }
    }
}
