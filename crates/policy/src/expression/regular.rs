//! Regular expressions, in the syntax and with the meaning of RE2, matched in linear time.
//!
//! The library's own syntax is larger and some of it means something else: `\d` is every digit of Unicode, `[` and
//! `&&` inside a class are operators. So a pattern is first rewritten to one that means the same to the library,
//! and what RE2 does not have is refused.

use std::iter::Peekable;
use std::str::Chars;

use regex::{Regex, RegexBuilder};

use super::{REGEX_BYTES_MAX, REGEX_POSITIONS_MAX};
use crate::quote::shorten;

/// The compiled sizes that a pattern is tried with, in bytes, because the library does not tell the size.
const SIZES: [usize; 4] = [4 * 1024, 16 * 1024, 48 * 1024, REGEX_BYTES_MAX];
/// The largest cache of a matcher that is in use, in bytes.
const CACHE_BYTES_MAX: usize = 64 * 1024;
/// How deep groups nest.
const GROUPS_DEEP_MAX: u32 = 32;
/// How many pairs of a byte of text and a position of the pattern are looked at for one step of cost. In the worst
/// case each byte is held against each position.
const PAIRS_PER_STEP: usize = 32;

/// The classes of characters that have a name, such as `[[:alpha:]]`.
const CLASSES: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
    "upper", "word", "xdigit",
];

/// A compiled pattern.
pub(super) struct Matcher {
    regex: Regex,
    positions: usize,
}

impl Matcher {
    /// Compiles a pattern, and returns it with the bytes that it takes at most.
    ///
    /// Fails with what stands there and what would be right.
    pub(super) fn compile(pattern: &str) -> Result<(Self, usize), Refusal> {
        let Rewritten { text, positions } = Rewriter::new(pattern).rewrite()?;
        let found = format!("the pattern `{}`", shorten(pattern));
        if positions > REGEX_POSITIONS_MAX {
            let expected =
                format!("at most {REGEX_POSITIONS_MAX} characters and classes, repetitions counted out");
            return Err(Refusal::new(found, expected));
        }
        for size in SIZES {
            let built = RegexBuilder::new(&text)
                .size_limit(size)
                .dfa_size_limit(CACHE_BYTES_MAX)
                .nest_limit(GROUPS_DEEP_MAX)
                .build();
            match built {
                Ok(regex) => return Ok((Self { regex, positions }, size)),
                Err(regex::Error::CompiledTooBig(_)) => {}
                Err(regex::Error::Syntax(message)) => {
                    let reason = message.lines().last().unwrap_or_default().trim_start_matches("error: ");
                    return Err(Refusal::new(found, format!("a regular expression of RE2 ({reason})")));
                }
                Err(_) => return Err(Refusal::new(found, "a regular expression of RE2")),
            }
        }
        let expected = format!("a pattern that compiles to at most {REGEX_BYTES_MAX} bytes");
        Err(Refusal { found, expected, bytes: REGEX_BYTES_MAX })
    }

    /// Tells whether some part of `text` matches.
    pub(super) fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// Returns the cost of looking through `text`, in steps.
    pub(super) fn cost(&self, text: &str) -> usize {
        1 + text.len().saturating_mul(self.positions) / PAIRS_PER_STEP
    }
}

/// Why a pattern is refused.
pub(super) struct Refusal {
    pub(super) found: String,
    pub(super) expected: String,
    /// What trying it took, in bytes.
    pub(super) bytes: usize,
}

impl Refusal {
    fn new(found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { found: found.into(), expected: expected.into(), bytes: 0 }
    }
}

/// A pattern for the library.
struct Rewritten {
    text: String,
    /// The characters and classes of the pattern, those in repetitions as often as they are repeated.
    positions: usize,
}

/// Where in a pattern something stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Around {
    Pattern,
    /// First in a class, where a `-` before it makes no range.
    ClassStart,
    Class,
}

/// Rewrites a pattern of RE2 for the library. Leaves to the library what both refuse.
struct Rewriter<'p> {
    rest: Peekable<Chars<'p>>,
    written: String,
    /// The positions so far in this group and in the groups around it, this one last.
    positions: Vec<usize>,
    /// The positions of what a repetition would repeat.
    last: usize,
}

impl<'p> Rewriter<'p> {
    fn new(pattern: &'p str) -> Self {
        let written = String::with_capacity(pattern.len() + 16);
        Self { rest: pattern.chars().peekable(), written, positions: vec![0], last: 0 }
    }

    fn rewrite(mut self) -> Result<Rewritten, Refusal> {
        while let Some(c) = self.rest.next() {
            match c {
                '\\' => {
                    self.escaped(Around::Pattern)?;
                    self.count(1);
                }
                '[' => {
                    self.class()?;
                    self.count(1);
                }
                '(' => self.open()?,
                ')' => {
                    let group = if self.positions.len() > 1 { self.positions.pop().unwrap_or(0) } else { 0 };
                    self.count(group);
                    self.written.push(')');
                }
                '{' => self.repetition()?,
                '*' | '+' | '?' | '|' => self.written.push(c),
                _ => {
                    self.written.push(c);
                    self.count(1);
                }
            }
        }
        let positions = self.positions.iter().fold(0_usize, |sum, group| sum.saturating_add(*group));
        Ok(Rewritten { text: self.written, positions })
    }

    /// Counts positions as what a repetition would repeat.
    fn count(&mut self, positions: usize) {
        self.last = positions;
        if let Some(group) = self.positions.last_mut() {
            *group = group.saturating_add(positions);
        }
    }

    /// Rewrites the beginning of a group, behind its parenthesis. Groups get no numbers: nobody asks for them.
    fn open(&mut self) -> Result<(), Refusal> {
        if self.rest.next_if_eq(&'?').is_none() {
            self.written.push_str("(?:");
            self.positions.push(0);
            return Ok(());
        }
        self.written.push_str("(?");
        if self.rest.peek().is_some_and(|c| matches!(c, 'P' | '<')) {
            // A name, or what the library refuses.
            while let Some(c) = self.rest.next_if(|c| *c != '>') {
                self.written.push(c);
            }
            self.written.extend(self.rest.next());
            self.positions.push(0);
            return Ok(());
        }
        while let Some(c) = self.rest.next_if(|c| matches!(c, 'i' | 'm' | 's' | 'U' | '-')) {
            self.written.push(c);
        }
        match self.rest.next() {
            Some(':') => self.positions.push(0),
            Some(')') => {
                self.written.push(')');
                return Ok(());
            }
            _ => {
                let expected = "`(?:…)`, `(?P<name>…)` or the flags `i`, `m`, `s` and `U` of RE2";
                return Err(Refusal::new("a group of another kind, `(?…`", expected));
            }
        }
        self.written.push(':');
        Ok(())
    }

    /// Copies a counted repetition, behind its brace.
    fn repetition(&mut self) -> Result<(), Refusal> {
        let mut bounds = [0_usize; 2];
        let mut written = String::from("{");
        for (index, bound) in bounds.iter_mut().enumerate() {
            let mut digits = String::new();
            while let Some(c) = self.rest.next_if(char::is_ascii_digit) {
                digits.push(c);
            }
            let open = index == 1 && digits.is_empty();
            *bound = if open { 0 } else { digits.parse().unwrap_or(usize::MAX) };
            written.push_str(&digits);
            if index == 1 || self.rest.next_if_eq(&',').is_none() {
                break;
            }
            written.push(',');
        }
        let times = bounds[0].max(bounds[1]).max(1);
        if self.rest.next_if_eq(&'}').is_none() || times == usize::MAX {
            let expected = "a repetition of RE2, such as `{2}`, `{2,}` or `{2,5}`, or `\\{`";
            return Err(Refusal::new(format!("`{}`", shorten(&written)), expected));
        }
        written.push('}');
        self.written.push_str(&written);
        let repeated = self.last.saturating_mul(times);
        let more = repeated.saturating_sub(self.last);
        self.count(more);
        self.last = repeated;
        Ok(())
    }

    /// Rewrites a class, behind its bracket.
    fn class(&mut self) -> Result<(), Refusal> {
        self.written.push('[');
        self.written.extend(self.rest.next_if_eq(&'^'));
        let mut is_first = true;
        while let Some(c) = self.rest.next() {
            match c {
                ']' if !is_first => {
                    self.written.push(']');
                    return Ok(());
                }
                '\\' => self.escaped(if is_first { Around::ClassStart } else { Around::Class })?,
                '[' if self.rest.peek() == Some(&':') => self.named_class()?,
                '[' | '&' | '~' | ']' => self.written.extend(['\\', c]),
                '-' if self.rest.peek() == Some(&'-') => {
                    return Err(Refusal::new("`--` inside `[…]`", "`\\-` for a `-` that is no range"));
                }
                _ => self.written.push(c),
            }
            is_first = false;
        }
        // The library refuses a class that does not end.
        Ok(())
    }

    fn named_class(&mut self) -> Result<(), Refusal> {
        let mut name = String::new();
        while let Some(c) = self.rest.next_if(|c| *c != ']') {
            name.push(c);
        }
        self.rest.next();
        let inner = name.strip_prefix(':').and_then(|name| name.strip_suffix(':')).unwrap_or_default();
        if !CLASSES.contains(&inner.strip_prefix('^').unwrap_or(inner)) {
            let found = format!("the class `[{}]`", shorten(&name));
            return Err(Refusal::new(found, "a class of RE2, such as `[:alpha:]`"));
        }
        self.written.push('[');
        self.written.push_str(&name);
        self.written.push(']');
        Ok(())
    }

    /// Rewrites what stands behind a backslash.
    fn escaped(&mut self, around: Around) -> Result<(), Refusal> {
        let Some(c) = self.rest.next() else {
            return Err(Refusal::new("a pattern that ends in `\\`", "an escaped character"));
        };
        let open_range =
            around == Around::Class && self.written.ends_with('-') && !self.written.ends_with("\\-");
        if open_range && "dDsSwWpP".contains(c) {
            let found = format!("a range that ends in `\\{c}`");
            return Err(Refusal::new(found, "`\\-` for a `-` that is no range"));
        }
        escape(c, around != Around::Pattern, &mut self.written)?;
        if matches!(c, 'p' | 'P' | 'x')
            && let Some(c) = self.rest.next()
        {
            self.written.push(c);
            if c == '{' {
                while let Some(c) = self.rest.next_if(|c| *c != '}') {
                    self.written.push(c);
                }
                self.written.extend(self.rest.next());
            }
        }
        Ok(())
    }
}

/// Writes what an escaped character stands for.
fn escape(c: char, in_class: bool, written: &mut String) -> Result<(), Refusal> {
    // RE2: these are about ASCII only.
    let class = match c.to_ascii_lowercase() {
        'd' => Some("0-9"),
        'w' => Some("0-9A-Za-z_"),
        's' => Some("\\t\\n\\f\\r\\x20"),
        _ => None,
    };
    match (c, class) {
        (_, Some(class)) => {
            let opening = match (c.is_ascii_uppercase(), in_class) {
                (true, _) => "[^",
                (false, false) => "[",
                (false, true) => "",
            };
            written.push_str(opening);
            written.push_str(class);
            if !opening.is_empty() {
                written.push(']');
            }
        }
        ('b' | 'B', _) if !in_class => {
            written.push_str("(?-u:\\");
            written.push(c);
            written.push(')');
        }
        ('A' | 'z', _) if !in_class => written.extend(['\\', c]),
        ('p' | 'P' | 'a' | 'f' | 'n' | 'r' | 't' | 'v' | 'x', _) => written.extend(['\\', c]),
        // To the library these two are the bounds of words.
        ('<' | '>', _) => written.push(c),
        _ if c.is_ascii_punctuation() => written.extend(['\\', c]),
        _ => {
            let found = format!("`\\{}` in a pattern", c.escape_debug());
            return Err(Refusal::new(found, "an escape of RE2, such as `\\d`, `\\.` or `\\b`"));
        }
    }
    Ok(())
}
