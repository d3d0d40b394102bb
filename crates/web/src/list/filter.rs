//! The filter syntax of SCIM (RFC 7644 section 3.4.2.2), over the attributes that a list declares.
//!
//! Total: any text gives a filter or a problem that names the place, what was found and what was expected.
//! `and` binds closer than `or`; `not` takes parentheses; names and operators are read in any case. Value
//! paths (`emails[type eq "work"]`) are not offered.

use base::query::{Comparison, Filter, Scalar};
use base::text::name_key;
use base::{Kind, Problem, Timestamp};

use super::{Attribute, Values, shown};

/// The longest filter, in bytes.
pub const FILTER_BYTES_MAX: usize = 4096;

/// The deepest nesting of parentheses.
pub const FILTER_DEPTH_MAX: usize = 8;

/// The most comparisons in one filter.
pub const FILTER_COMPARISONS_MAX: usize = 32;

/// The longest text to compare with, in characters.
pub const FILTER_VALUE_CHARS_MAX: usize = 256;

/// Reads a filter. Fails with 400 `invalid_filter`.
pub fn parse_filter(attributes: &'static [Attribute], text: &str) -> Result<Filter, Problem> {
    let mut parser = Parser { attributes, text, at: 0, comparisons: 0 };
    if text.len() > FILTER_BYTES_MAX {
        let detail = format!("`filter` has {} bytes, expected at most {FILTER_BYTES_MAX}", text.len());
        return Err(Problem::new(Kind::Malformed, "invalid_filter", detail));
    }
    let filter = parser.any(0)?;
    parser.skip_space();
    if parser.rest().is_empty() {
        return Ok(filter);
    }
    Err(parser.wrong("`and`, `or` or the end"))
}

/// An operator: a comparison, whether it is negated, and for which values it stands.
#[derive(Clone, Copy, PartialEq)]
enum Operator {
    Present,
    Is(Comparison),
    Differs,
}

const OPERATORS: [(&str, Operator); 10] = [
    ("eq", Operator::Is(Comparison::Equal)),
    ("ne", Operator::Differs),
    ("co", Operator::Is(Comparison::Contains)),
    ("sw", Operator::Is(Comparison::StartsWith)),
    ("ew", Operator::Is(Comparison::EndsWith)),
    ("gt", Operator::Is(Comparison::Greater)),
    ("ge", Operator::Is(Comparison::GreaterOrEqual)),
    ("lt", Operator::Is(Comparison::Less)),
    ("le", Operator::Is(Comparison::LessOrEqual)),
    ("pr", Operator::Present),
];

struct Parser<'a> {
    attributes: &'static [Attribute],
    text: &'a str,
    /// The byte to read next; always at the beginning of a character.
    at: usize,
    comparisons: usize,
}

impl<'a> Parser<'a> {
    /// `FILTER or FILTER …`
    fn any(&mut self, depth: usize) -> Result<Filter, Problem> {
        let mut parts = vec![self.all(depth)?];
        while self.takes_word("or") {
            parts.push(self.all(depth)?);
        }
        Ok(joined(parts, Filter::Any))
    }

    /// `FILTER and FILTER …`
    fn all(&mut self, depth: usize) -> Result<Filter, Problem> {
        let mut parts = vec![self.one(depth)?];
        while self.takes_word("and") {
            parts.push(self.one(depth)?);
        }
        Ok(joined(parts, Filter::All))
    }

    /// `(FILTER)`, `not (FILTER)` or a comparison.
    fn one(&mut self, depth: usize) -> Result<Filter, Problem> {
        self.skip_space();
        if self.rest().starts_with('(') {
            return self.group(depth);
        }
        let start = self.at;
        if self.takes_word("not") {
            self.skip_space();
            if self.rest().starts_with('(') {
                return Ok(Filter::Not(Box::new(self.group(depth)?)));
            }
            self.at = start;
        }
        self.comparison()
    }

    fn group(&mut self, depth: usize) -> Result<Filter, Problem> {
        if depth == FILTER_DEPTH_MAX {
            return Err(self.wrong(&format!("at most {FILTER_DEPTH_MAX} parentheses inside each other")));
        }
        self.at += 1;
        let filter = self.any(depth + 1)?;
        self.skip_space();
        if !self.rest().starts_with(')') {
            return Err(self.wrong("`and`, `or` or `)`"));
        }
        self.at += 1;
        Ok(filter)
    }

    /// `attribute pr` or `attribute operator value`.
    fn comparison(&mut self) -> Result<Filter, Problem> {
        if self.comparisons == FILTER_COMPARISONS_MAX {
            return Err(self.wrong(&format!("at most {FILTER_COMPARISONS_MAX} comparisons")));
        }
        self.comparisons += 1;
        let attribute = self.attribute()?;
        self.skip_space();
        let word = self.word();
        let operator = OPERATORS.iter().find(|(name, _)| word.eq_ignore_ascii_case(name));
        let Some((_, operator)) = operator.filter(|(_, operator)| fits(*operator, attribute.values)) else {
            return Err(self.wrong(&format!("an operator for `{}`: {}", attribute.name, offered(attribute))));
        };
        self.at += word.len();
        if *operator == Operator::Present {
            return Ok(Filter::Present(attribute.name));
        }
        self.skip_space();
        let start = self.at;
        let value = self.value(attribute)?;
        let name = attribute.name;
        match (*operator, value) {
            (Operator::Differs, None) => Ok(Filter::Present(name)),
            (Operator::Is(Comparison::Equal), None) => Ok(Filter::Not(Box::new(Filter::Present(name)))),
            (Operator::Differs, Some(value)) => {
                Ok(Filter::Not(Box::new(Filter::Is(name, Comparison::Equal, value))))
            }
            (Operator::Is(comparison), Some(value)) if !is_part_of_nothing(comparison, &value) => {
                Ok(Filter::Is(name, comparison, value))
            }
            _ => {
                self.at = start;
                Err(self
                    .wrong("a value that is neither null nor empty; for null there are `eq`, `ne` and `pr`"))
            }
        }
    }

    fn attribute(&mut self) -> Result<&'static Attribute, Problem> {
        let word = self.word();
        let known = self.attributes.iter().filter(|known| known.filtered);
        match known.clone().find(|known| known.name.eq_ignore_ascii_case(word)) {
            Some(attribute) => {
                self.at += word.len();
                Ok(attribute)
            }
            None => {
                let names = known.map(|known| known.name).collect::<Vec<_>>().join("`, `");
                Err(self.wrong(&format!("`(`, `not (` or one of `{names}`")))
            }
        }
    }

    /// A JSON value that fits the attribute; none for null.
    fn value(&mut self, attribute: &Attribute) -> Result<Option<Scalar>, Problem> {
        let expected = || match attribute.values {
            Values::Text | Values::Folded => {
                format!("text in quotes, at most {FILTER_VALUE_CHARS_MAX} characters")
            }
            Values::Word(words) => {
                let words: Vec<_> = words.iter().map(|(word, _)| format!("`\"{word}\"`")).collect();
                format!("one of {}", words.join(", "))
            }
            Values::Int => "a whole number".to_owned(),
            Values::Bool => "`true` or `false`".to_owned(),
            Values::Time => "a time in quotes, like `\"2026-11-21T08:00:00Z\"`".to_owned(),
        };
        let literal = self.literal();
        let Ok(json) = serde_json::from_str::<serde_json::Value>(literal) else {
            return Err(self.wrong(&expected()));
        };
        let value = match (attribute.values, &json) {
            (_, serde_json::Value::Null) => Some(None),
            (values, serde_json::Value::String(text)) => scalar_of_text(values, text).map(Some),
            (Values::Int, json) => json.as_i64().map(|number| Some(Scalar::Int(number))),
            (Values::Bool, json) => json.as_bool().map(|truth| Some(Scalar::Bool(truth))),
            _ => None,
        };
        let value = value.ok_or_else(|| self.wrong(&expected()))?;
        self.at += literal.len();
        Ok(value)
    }

    /// The text of a JSON string with its quotes, or of a number or word.
    fn literal(&self) -> &'a str {
        let rest = self.rest();
        let Some(inner) = rest.strip_prefix('"') else {
            return leading(rest, |c| c.is_ascii_alphanumeric() || "+-.".contains(c));
        };
        let mut escaped = false;
        for (at, c) in inner.char_indices() {
            match c {
                '"' if !escaped => return rest.get(..at + 2).unwrap_or(rest),
                '\\' => escaped = !escaped,
                _ => escaped = false,
            }
        }
        rest
    }

    /// The name, operator or keyword that begins here, without going on; may be empty.
    fn word(&self) -> &'a str {
        leading(self.rest(), |c| c.is_ascii_alphanumeric() || "_.:$-".contains(c))
    }

    fn takes_word(&mut self, keyword: &str) -> bool {
        let start = self.at;
        self.skip_space();
        let word = self.word();
        let found = word.eq_ignore_ascii_case(keyword);
        self.at = if found { self.at + word.len() } else { start };
        found
    }

    fn skip_space(&mut self) {
        self.at += leading(self.rest(), |c| c == ' ').len();
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The problem that something else than expected stands here.
    fn wrong(&self, expected: &str) -> Problem {
        let character = self.text.get(..self.at).unwrap_or_default().chars().count() + 1;
        let found = match (self.word(), self.rest().chars().next()) {
            ("", None) => "the end".to_owned(),
            ("", Some('"')) => format!("`{}`", shown(self.literal())),
            ("", Some(other)) => format!("`{}`", shown(&other.to_string())),
            (word, _) => format!("`{}`", shown(word)),
        };
        let detail = format!("`filter` at character {character}: found {found}, expected {expected}");
        Problem::new(Kind::Malformed, "invalid_filter", detail)
    }
}

/// The longest beginning of which every character fits.
fn leading(text: &str, fits: impl Fn(char) -> bool) -> &str {
    let end = text.char_indices().find(|(_, c)| !fits(*c)).map_or(text.len(), |(at, _)| at);
    text.get(..end).unwrap_or_default()
}

fn joined(mut parts: Vec<Filter>, join: fn(Vec<Filter>) -> Filter) -> Filter {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        Some(last) => {
            parts.push(last);
            join(parts)
        }
        None => join(parts),
    }
}

/// Says whether values of this kind can be compared so.
fn fits(operator: Operator, values: Values) -> bool {
    use Comparison::{Contains, EndsWith, Equal, StartsWith};
    match operator {
        Operator::Present | Operator::Differs | Operator::Is(Equal) => true,
        Operator::Is(Contains | StartsWith | EndsWith) => matches!(values, Values::Text | Values::Folded),
        Operator::Is(_) => !matches!(values, Values::Word(_) | Values::Bool),
    }
}

fn offered(attribute: &Attribute) -> String {
    let names = OPERATORS.iter().filter(|(_, operator)| fits(*operator, attribute.values));
    names.map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Every text contains the empty one: whoever asks for that meant something else.
fn is_part_of_nothing(comparison: Comparison, value: &Scalar) -> bool {
    let part = matches!(comparison, Comparison::Contains | Comparison::StartsWith | Comparison::EndsWith);
    part && matches!(value, Scalar::Text(text) if text.is_empty())
}

fn scalar_of_text(values: Values, text: &str) -> Option<Scalar> {
    match values {
        Values::Text | Values::Folded if text.chars().count() > FILTER_VALUE_CHARS_MAX => None,
        Values::Text => Some(Scalar::Text(text.to_owned())),
        Values::Folded => Some(Scalar::Text(name_key(text))),
        Values::Word(words) => {
            let stored = words.iter().find(|(word, _)| *word == text).map(|(_, stored)| *stored);
            stored.map(|stored| Scalar::Text(stored.to_owned()))
        }
        Values::Time => Timestamp::parse(text).map(Scalar::Time),
        Values::Int | Values::Bool => None,
    }
}

#[cfg(test)]
mod tests {
    use base::{Random as _, SeededRandom};

    use super::*;

    const WORDS: &[(&str, &str)] = &[("active", "ACTIVE"), ("locked", "LOCKED")];
    const ATTRIBUTES: &[Attribute] = &[
        Attribute::both("name", Values::Folded),
        Attribute::both("code", Values::Text),
        Attribute::filtered("status", Values::Word(WORDS)),
        Attribute::filtered("size", Values::Int),
        Attribute::filtered("verified", Values::Bool),
        Attribute::filtered("created_at", Values::Time),
        Attribute::filtered("actor.id", Values::Text),
        Attribute { name: "hidden", values: Values::Text, filtered: false, sorted: true },
    ];

    /// A filter as text with every parenthesis, so that precedence shows.
    fn spelled(filter: &Filter) -> String {
        let join = |parts: &[Filter], word| {
            let parts: Vec<_> = parts.iter().map(spelled).collect();
            format!("({})", parts.join(word))
        };
        match filter {
            Filter::All(parts) => join(parts, " & "),
            Filter::Any(parts) => join(parts, " | "),
            Filter::Not(part) => format!("!{}", spelled(part)),
            Filter::Present(name) => format!("{name}?"),
            Filter::Is(name, comparison, value) => format!("{name} {comparison:?} {}", value.encode()),
        }
    }

    fn check(text: &str, expected: &str) {
        let found = match parse_filter(ATTRIBUTES, text) {
            Ok(filter) => spelled(&filter),
            Err(problem) => problem.detail().to_owned(),
        };
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn a_filter_reads_as_rfc_7644_says() {
        check("name eq \"Bjensen\"", "name Equal tbjensen");
        check("NAME EQ \"Straße\"", "name Equal tstrasse");
        check("code co \"O'Malley\"", "code Contains tO'Malley");
        check("code sw \"J\"", "code StartsWith tJ");
        check("actor.id ew \"\\u5f20\\\"\\\\\"", "actor.id EndsWith t张\"\\");
        check("name pr", "name?");
        check("created_at gt \"2011-05-13T04:42:34Z\"", "created_at Greater @1305261754000000");
        check("size ge -5", "size GreaterOrEqual i-5");
        check("size lt 5", "size Less i5");
        check("verified ne true", "!verified Equal btrue");
        check("status eq \"active\"", "status Equal tACTIVE");
        check("name eq null", "!name?");
        check("name ne null", "name?");
        check("code gt \"a\" and code le \"b\"", "(code Greater ta & code LessOrEqual tb)");
    }

    #[test]
    fn not_binds_closest_then_and_then_or() {
        check("name pr and code pr or size pr", "((name? & code?) | size?)");
        check("name pr or code pr and size pr", "(name? | (code? & size?))");
        check("(name pr or code pr) and not (size pr)", "((name? | code?) & !size?)");
        check("not(name pr) and not  ( code pr or size pr )", "(!name? & !(code? | size?))");
        check("name pr and code pr and size pr", "(name? & code? & size?)");
    }

    #[test]
    fn a_mistake_is_named_with_its_place() {
        let names =
            "`(`, `not (` or one of `name`, `code`, `status`, `size`, `verified`, `created_at`, `actor.id`";
        for (text, at, found, expected) in [
            ("", 1, "the end", names),
            ("hidden pr", 1, "`hidden`", names),
            ("not name pr", 1, "`not`", names),
            ("name pr and", 12, "the end", names),
            ("emails[type eq \"work\"]", 1, "`emails`", names),
            (
                "name",
                5,
                "the end",
                "an operator for `name`: `eq`, `ne`, `co`, `sw`, `ew`, `gt`, `ge`, `lt`, `le`, `pr`",
            ),
            ("status gt \"x\"", 8, "`gt`", "an operator for `status`: `eq`, `ne`, `pr`"),
            ("size co 5", 6, "`co`", "an operator for `size`: `eq`, `ne`, `gt`, `ge`, `lt`, `le`, `pr`"),
            ("status eq \"gone\"", 11, "`\"gone\"`", "one of `\"active\"`, `\"locked\"`"),
            ("size eq 1.5", 9, "`1.5`", "a whole number"),
            ("size eq 99999999999999999999", 9, "`99999999999999999999`", "a whole number"),
            ("verified eq \"true\"", 13, "`\"true\"`", "`true` or `false`"),
            (
                "created_at gt \"today\"",
                15,
                "`\"today\"`",
                "a time in quotes, like `\"2026-11-21T08:00:00Z\"`",
            ),
            ("name eq alice", 9, "`alice`", "text in quotes, at most 256 characters"),
            ("name eq \"alice", 9, "`\"alice`", "text in quotes, at most 256 characters"),
            ("张", 1, "`张`", names),
            ("name eq \"张\" xor code pr", 13, "`xor`", "`and`, `or` or the end"),
            ("(name pr", 9, "the end", "`and`, `or` or `)`"),
            ("name pr)", 8, "`)`", "`and`, `or` or the end"),
            (
                "name co \"\"",
                9,
                "`\"\"`",
                "a value that is neither null nor empty; for null there are `eq`, `ne` and `pr`",
            ),
            (
                "size gt null",
                9,
                "`null`",
                "a value that is neither null nor empty; for null there are `eq`, `ne` and `pr`",
            ),
        ] {
            check(text, &format!("`filter` at character {at}: found {found}, expected {expected}"));
        }
    }

    #[test]
    fn length_depth_and_number_of_comparisons_are_bounded() {
        let nested = |depth: usize| format!("{}name pr{}", "(".repeat(depth), ")".repeat(depth));
        let many = |count: usize| vec!["name pr"; count].join(" or ");
        let long = |chars: usize| format!("name eq \"{}\"", "张".repeat(chars));
        for (text, fits) in [
            (nested(FILTER_DEPTH_MAX), true),
            (nested(FILTER_DEPTH_MAX + 1), false),
            (many(FILTER_COMPARISONS_MAX), true),
            (many(FILTER_COMPARISONS_MAX + 1), false),
            (long(FILTER_VALUE_CHARS_MAX), true),
            (long(FILTER_VALUE_CHARS_MAX + 1), false),
            (format!("name pr{}", " ".repeat(FILTER_BYTES_MAX - 7)), true),
            (format!("name pr{}", " ".repeat(FILTER_BYTES_MAX - 6)), false),
            ("(".repeat(FILTER_BYTES_MAX), false),
            ("not(".repeat(FILTER_BYTES_MAX / 4), false),
        ] {
            assert_eq!(parse_filter(ATTRIBUTES, &text).is_ok(), fits, "{} bytes", text.len());
        }
    }

    #[test]
    fn h30_no_text_makes_the_parser_panic_and_what_it_reads_stays_within_its_bounds() {
        const PIECES: &[&str] = &[
            "name",
            "code",
            "status",
            "size",
            "verified",
            "created_at",
            "actor.id",
            "hidden",
            " ",
            "  ",
            "(",
            ")",
            "not",
            "not (",
            "and",
            "or",
            " eq ",
            " ne ",
            " co ",
            " pr",
            " gt ",
            "\"a\"",
            "\"",
            "\\",
            "\\\"",
            "\\u",
            "\\ud800",
            "1",
            "-1",
            "1e9",
            "true",
            "null",
            "张",
            "\u{10FFFF}",
            "\0",
            "\t",
            "[",
            "]",
            ":",
            "'",
            ";--",
            "\"active\"",
            "\"2026-11-21T08:00:00Z\"",
        ];
        const CORPUS: &[&str] = &[
            "name eq \"bjensen\" and (code co \"a\\\"b\" or not (size ge -5))",
            "status ne \"active\" or verified eq false and created_at lt \"2011-05-13T04:42:34.5+08:00\"",
            "not(actor.id ew \"张\\u5f20\") AND Name PR",
        ];
        let random = SeededRandom::new(7644);
        let next = move |below: usize| {
            let mut bytes = [0; 8];
            random.fill(&mut bytes);
            usize::try_from(u64::from_le_bytes(bytes) % u64::try_from(below).unwrap()).unwrap()
        };
        let piece = || PIECES[next(PIECES.len())];
        let mut read = 0;

        for round in 0..30_000 {
            let text = if round % 2 == 0 {
                let pieces = (0..=next(12)).map(|_| piece()).collect::<Vec<_>>();
                pieces.join(if next(2) == 0 { "" } else { " " })
            } else {
                // A good one, with one stretch of it taken out or replaced.
                let good: Vec<char> = CORPUS[next(CORPUS.len())].chars().collect();
                let from = next(good.len());
                let to = good.len().min(from + next(4));
                let (before, after) = (&good[..from], &good[to..]);
                let between = if next(2) == 0 { "" } else { piece() };
                before.iter().copied().chain(between.chars()).chain(after.iter().copied()).collect()
            };
            match parse_filter(ATTRIBUTES, &text) {
                Ok(filter) => {
                    read += 1;
                    assert!(!filter.names("hidden"), "{text}");
                }
                Err(problem) => {
                    assert_eq!(problem.code(), "invalid_filter");
                    assert!(problem.detail().contains("expected"), "{text}: {}", problem.detail());
                }
            }
        }
        assert!(read > 1_000, "only {read} of the random texts are filters: the corpus tests little");
    }
}
