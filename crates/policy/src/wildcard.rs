//! Texts with `*` (any number of characters, also none) and `?` (exactly one character).
//!
//! Who writes patterns and who is asked about chooses both texts, so the work must be bounded: at most a few steps for
//! each byte of the text and each 64 bytes of the pattern. [`steps_max`] says how many, before any text is there.

/// Places of a pattern that are followed together.
const WORD: usize = 64;
/// How many steps the plain way may take, besides one for each byte of both texts, before the thorough one begins.
const PLAIN_STEPS: usize = 64;
/// The longest pattern that is matched thoroughly, in bytes: the longest value of a condition.
pub(crate) const PATTERN_BYTES_MAX: usize = 1024;

/// How many steps [`matches`] takes at the most for a text of so many bytes.
pub(crate) fn steps_max(pattern: &[u8], text_bytes: usize) -> usize {
    let places = places(pattern);
    if places > text_bytes {
        return 1;
    }
    PLAIN_STEPS + pattern.len() + text_bytes + 1 + text_bytes * (places / WORD + 1)
}

/// Matches all of a text. `fold` makes the bytes equal that are to be the same. Calls `step` once for each comparison, or
/// for each word of places. Both texts are UTF-8; `?` takes a whole character.
///
/// Takes each `*` as short as it can be and lengthens only the last: whatever an earlier `*` could take, the last one can
/// take instead. What takes many steps so is begun again thoroughly.
pub(crate) fn matches(
    pattern: &[u8],
    text: &[u8],
    fold: impl Fn(u8) -> u8 + Copy,
    mut step: impl FnMut(),
) -> bool {
    let mut left = PLAIN_STEPS + pattern.len() + text.len();
    let (mut rest_pattern, mut rest) = (pattern, text);
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        step();
        if left == 0 && pattern.len() <= PATTERN_BYTES_MAX {
            return matches_thoroughly(pattern, text, fold, step);
        }
        left = left.saturating_sub(1);
        match (rest_pattern.split_first(), rest.split_first()) {
            (Some((b'*', [])), _) | (None, None) => return true,
            (Some((b'*', after)), _) => {
                retry = Some((after, rest));
                rest_pattern = after;
                continue;
            }
            (Some((b'?', after)), Some((_, longer))) => {
                (rest_pattern, rest) = (after, skip_continuation(longer));
                continue;
            }
            (Some((&a, after)), Some((&b, longer))) if fold(a) == fold(b) => {
                (rest_pattern, rest) = (after, longer);
                continue;
            }
            // What is left of the pattern needs more text, and a longer `*` would leave less.
            (Some(_), None) => return false,
            (_, Some(_)) => {}
        }
        let Some((after, [_, longer @ ..])) = retry else {
            return false;
        };
        let from = skip_continuation(longer);
        retry = Some((after, from));
        (rest_pattern, rest) = (after, from);
    }
}

/// How many bytes a text needs at least, and so how many places a pattern has between its stars.
fn places(pattern: &[u8]) -> usize {
    pattern.iter().filter(|byte| **byte != b'*').count()
}

fn is_continuation(byte: u8) -> bool {
    byte & 0xC0 == 0x80
}

/// Drops the bytes that continue a character whose first byte was taken.
fn skip_continuation(text: &[u8]) -> &[u8] {
    let at = text.iter().position(|byte| !is_continuation(*byte)).unwrap_or(text.len());
    text.get(at..).unwrap_or_default()
}

/// Kept apart: its tables would make the frame of every caller many pages, each of which is touched on the way in.
#[cold]
#[inline(never)]
fn matches_thoroughly(
    pattern: &[u8],
    text: &[u8],
    fold: impl Fn(u8) -> u8 + Copy,
    step: impl FnMut(),
) -> bool {
    let places = places(pattern);
    if places > text.len() {
        return false;
    }
    match places / WORD + 1 {
        1 => Automaton::<1>::new(pattern, fold).matches(text, fold, step),
        2..=4 => Automaton::<4>::new(pattern, fold).matches(text, fold, step),
        5..=9 => Automaton::<9>::new(pattern, fold).matches(text, fold, step),
        _ => Automaton::<17>::new(pattern, fold).matches(text, fold, step),
    }
}

/// A pattern as an automaton that is in several places at once, a bit for each: bit n says that the text so far can be
/// what the first n places stand for (Baeza-Yates, Gonnet: "A new approach to text searching", 1992).
struct Automaton<const WORDS: usize> {
    /// The places that each byte leads on from.
    moves: [[u64; WORDS]; 256],
    /// The places that are a `?`.
    any: [u64; WORDS],
    /// The places that are after a `?`: the rest of its character changes nothing.
    after_any: [u64; WORDS],
    /// The places that have a `*` before them.
    stars: [u64; WORDS],
    end: usize,
    words: usize,
}

impl<const WORDS: usize> Automaton<WORDS> {
    fn new(pattern: &[u8], fold: impl Fn(u8) -> u8) -> Self {
        let none = [0; WORDS];
        let mut made = Self { moves: [none; 256], any: none, after_any: none, stars: none, end: 0, words: 0 };
        for byte in pattern {
            match byte {
                b'*' => set(&mut made.stars, made.end),
                b'?' => {
                    set(&mut made.any, made.end);
                    made.end += 1;
                    set(&mut made.after_any, made.end);
                }
                byte => {
                    if let Some(moves) = made.moves.get_mut(usize::from(fold(*byte))) {
                        set(moves, made.end);
                    }
                    made.end += 1;
                }
            }
        }
        made.words = (made.end / WORD + 1).min(WORDS);
        made
    }

    fn matches(&self, text: &[u8], fold: impl Fn(u8) -> u8, mut step: impl FnMut()) -> bool {
        let mut places = [0_u64; WORDS];
        set(&mut places, 0);
        let none = [0; WORDS];
        for byte in text {
            let moves = self.moves.get(usize::from(fold(*byte))).unwrap_or(&none);
            let (any, after_any) =
                if is_continuation(*byte) { (&none, &self.after_any) } else { (&self.any, &none) };
            let (mut carry, mut all) = (0, 0);
            let masks = moves.iter().zip(any).zip(after_any).zip(&self.stars);
            for (place, (((moves, any), after_any), stars)) in places.iter_mut().zip(masks).take(self.words) {
                step();
                let on = *place & (moves | any);
                let stay = *place & (stars | after_any);
                *place = (on << 1) | carry | stay;
                carry = on >> (WORD - 1);
                all |= *place;
            }
            if all == 0 {
                return false;
            }
        }
        places.get(self.end / WORD).is_some_and(|word| word & (1 << (self.end % WORD)) != 0)
    }
}

fn set(words: &mut [u64], place: usize) {
    if let Some(word) = words.get_mut(place / WORD) {
        *word |= 1 << (place % WORD);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    use super::*;

    /// The meaning, without regard to work.
    fn means(pattern: &str, text: &str) -> bool {
        let mut rest = text.chars();
        match pattern.chars().next() {
            None => text.is_empty(),
            Some('*') => {
                let after = &pattern[1..];
                means(after, text) || rest.next().is_some_and(|_| means(pattern, rest.as_str()))
            }
            Some(first) => {
                let after = &pattern[first.len_utf8()..];
                rest.next().is_some_and(|c| (first == '?' || first == c) && means(after, rest.as_str()))
            }
        }
    }

    proptest! {
        #[test]
        fn both_ways_say_what_a_pattern_means(pattern in "[ab?*é]{0,7}", text in "[abéü]{0,8}") {
            let expected = means(&pattern, &text);
            let (pattern, text) = (pattern.as_bytes(), text.as_bytes());

            prop_assert_eq!(matches(pattern, text, |byte| byte, || ()), expected);
            prop_assert_eq!(matches_thoroughly(pattern, text, |byte| byte, || ()), expected);
        }

        #[test]
        fn both_ways_agree_on_long_texts_and_stay_within_their_steps(
            pattern in "([ab?é]{0,3}\\*?){0,90}",
            text in "[abé]{0,300}",
        ) {
            let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
            let mut steps = 0;

            let answer = matches(pattern, text, |byte| byte, || steps += 1);

            prop_assert_eq!(matches_thoroughly(pattern, text, |byte| byte, || ()), answer);
            prop_assert!(places(pattern) > text.len() || steps <= steps_max(pattern, text.len()), "{} steps", steps);
        }
    }

    #[test]
    fn the_worst_patterns_stay_within_their_steps() {
        let text = "a".repeat(4096);
        let texts = [
            "a*".repeat(512),
            "*?".repeat(512),
            "a?".repeat(511) + "*b",
            format!("*{}b*", "a".repeat(500)),
            format!("*{}b", "a?".repeat(250)),
            format!("{}b", "*a".repeat(300)),
            format!("*{}", "a".repeat(1022)),
        ];
        for pattern in texts {
            let mut steps = 0;

            let answer = matches(pattern.as_bytes(), text.as_bytes(), |byte| byte, || steps += 1);

            assert_eq!(answer, !pattern.contains('b'), "{pattern}");
            let bound = steps_max(pattern.as_bytes(), text.len());
            assert!(steps <= bound, "{steps} steps, more than {bound}: {pattern}");
            assert!(bound < 100_000, "{bound}: far below the product of the lengths");
        }
    }
}
