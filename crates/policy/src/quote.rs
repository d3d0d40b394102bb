//! How messages quote what somebody wrote.

/// The most characters of it.
const CHARS_MAX: usize = 64;

/// Cuts a text of the author's to what fits an error message, its control characters escaped.
pub(crate) fn shorten(text: &str) -> String {
    let mut short = String::new();
    for c in text.chars().take(CHARS_MAX) {
        if c.is_control() {
            short.extend(c.escape_default());
        } else {
            short.push(c);
        }
    }
    if text.chars().nth(CHARS_MAX).is_some() {
        short.push('…');
    }
    short
}
