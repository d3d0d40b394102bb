//! Conditions: an operator, a key and the values that it is compared with, read once and compared natively.
//!
//! All conditions of a statement must hold; of a condition's values one is enough. A value that is present but
//! that the operator cannot read is an error, never a `false`, and counts only where nothing else settles the answer:
//! otherwise taking a condition away from a deny could grant. What an error means for a statement is the combining
//! rule's matter ([`crate::table`]).

use crate::key::{Facts, Key};
use crate::template::{self, Piece};
use crate::value::{Network, Number, Value, is_base64, parse_bool, parse_time};
use crate::wildcard;

/// The longest text that a pattern with wildcards is matched with, in bytes. A longer one cannot be judged.
pub const MATCHED_BYTES_MAX: usize = 2048;
/// The parts of a name that `ArnEquals` and `ArnLike` compare.
const ARN_PARTS: usize = 6;

/// What an operator compares, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Text,
    TextIgnoreCase,
    TextLike,
    Number(Order),
    Date(Order),
    Bool,
    Binary,
    Ip,
    Arn,
    Null,
}

/// How two values must stand to each other: the request's on the left, the policy's on the right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Order {
    fn holds<T: Ord>(self, request: &T, policy: &T) -> bool {
        match self {
            Self::Equal => request == policy,
            Self::Less => request < policy,
            Self::LessOrEqual => request <= policy,
            Self::Greater => request > policy,
            Self::GreaterOrEqual => request >= policy,
        }
    }
}

/// How the values of a multi-valued key are taken together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Set {
    /// `ForAllValues:`.
    All,
    /// `ForAnyValue:`.
    Any,
}

/// An operator with its prefix and suffix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Operator {
    pub(crate) kind: Kind,
    pub(crate) negated: bool,
    pub(crate) set: Option<Set>,
    pub(crate) if_exists: bool,
}

/// An operator of the language, for the reference.
#[derive(Debug, Clone, Copy)]
pub struct OperatorInfo {
    /// The name without prefix and suffix.
    pub name: &'static str,
    kind: Kind,
    /// Whether it holds where its opposite does not.
    pub negated: bool,
    /// What it compares, in words.
    pub meaning: &'static str,
}

const fn info(name: &'static str, kind: Kind, negated: bool, meaning: &'static str) -> OperatorInfo {
    OperatorInfo { name, kind, negated, meaning }
}

/// All operators, in the order of the reference.
pub const OPERATORS: &[OperatorInfo] = &[
    info("StringEquals", Kind::Text, false, "the same text, letter by letter"),
    info("StringNotEquals", Kind::Text, true, "another text"),
    info("StringEqualsIgnoreCase", Kind::TextIgnoreCase, false, "the same text in any case of letters"),
    info("StringNotEqualsIgnoreCase", Kind::TextIgnoreCase, true, "another text, whatever the case"),
    info("StringLike", Kind::TextLike, false, "a text that the pattern matches (`*`, `?`)"),
    info("StringNotLike", Kind::TextLike, true, "a text that the pattern does not match"),
    info("NumericEquals", Kind::Number(Order::Equal), false, "the same number"),
    info("NumericNotEquals", Kind::Number(Order::Equal), true, "another number"),
    info("NumericLessThan", Kind::Number(Order::Less), false, "a smaller number"),
    info("NumericLessThanEquals", Kind::Number(Order::LessOrEqual), false, "a number at most that"),
    info("NumericGreaterThan", Kind::Number(Order::Greater), false, "a greater number"),
    info("NumericGreaterThanEquals", Kind::Number(Order::GreaterOrEqual), false, "a number at least that"),
    info("DateEquals", Kind::Date(Order::Equal), false, "the same instant"),
    info("DateNotEquals", Kind::Date(Order::Equal), true, "another instant"),
    info("DateLessThan", Kind::Date(Order::Less), false, "an earlier instant"),
    info("DateLessThanEquals", Kind::Date(Order::LessOrEqual), false, "that instant or an earlier one"),
    info("DateGreaterThan", Kind::Date(Order::Greater), false, "a later instant"),
    info("DateGreaterThanEquals", Kind::Date(Order::GreaterOrEqual), false, "that instant or a later one"),
    info("Bool", Kind::Bool, false, "`true` or `false`"),
    info("BinaryEquals", Kind::Binary, false, "the same bytes, in Base64"),
    info("IpAddress", Kind::Ip, false, "an address of the network"),
    info("NotIpAddress", Kind::Ip, true, "an address outside the network"),
    info("ArnEquals", Kind::Arn, false, "a name that the pattern of six parts matches"),
    info("ArnLike", Kind::Arn, false, "the same as `ArnEquals`"),
    info("ArnNotEquals", Kind::Arn, true, "a name that the pattern does not match"),
    info("ArnNotLike", Kind::Arn, true, "the same as `ArnNotEquals`"),
    info("Null", Kind::Null, false, "`true`: the key is absent; `false`: it is present"),
];

/// Why an operator is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OperatorError {
    Unknown,
    /// `IfExists` with `Null` or with a set prefix.
    IfExists,
    /// A set prefix with `Null`.
    Set,
}

impl Operator {
    /// Reads an operator's name, exactly as it is written in the reference.
    pub(crate) fn parse(text: &str) -> Result<Self, OperatorError> {
        let (set, rest) = if let Some(rest) = text.strip_prefix("ForAllValues:") {
            (Some(Set::All), rest)
        } else if let Some(rest) = text.strip_prefix("ForAnyValue:") {
            (Some(Set::Any), rest)
        } else {
            (None, text)
        };
        let (name, if_exists) = match rest.strip_suffix("IfExists") {
            Some(name) => (name, true),
            None => (rest, false),
        };
        let info = OPERATORS.iter().find(|info| info.name == name).ok_or(OperatorError::Unknown)?;
        if if_exists && (set.is_some() || info.kind == Kind::Null) {
            return Err(OperatorError::IfExists);
        }
        if set.is_some() && info.kind == Kind::Null {
            return Err(OperatorError::Set);
        }
        Ok(Self { kind: info.kind, negated: info.negated, set, if_exists })
    }
}

/// A value of a policy: a text that is compared as it stands, or one with wildcards or variables.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Wanted {
    Plain(Box<str>),
    /// With wildcards and without variables.
    Wild(Box<str>),
    Pieces(Box<[Piece]>),
}

/// The values of a condition, read.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    /// Sorted, and none with variables.
    Texts(Box<[Box<str>]>),
    Patterns(Box<[Wanted]>),
    TextsIgnoreCase(Box<[Wanted]>),
    Numbers(Order, Box<[Number]>),
    Dates(Order, Box<[i64]>),
    Bools(Box<[bool]>),
    Binary(Box<[Box<str>]>),
    Networks(Box<[Network]>),
    Arns(Box<[Box<[Wanted]>]>),
    Null(Box<[bool]>),
}

/// One condition of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    // All that follows is read from the operator as it is written, the key as it is written, and the values.
    name: Box<str>,
    operator: Operator,
    written_key: Box<str>,
    key: Key,
    values: Box<[Box<str>]>,
    test: Test,
}

impl std::hash::Hash for Condition {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (&self.name, &self.written_key, &self.values).hash(state);
    }
}

/// A condition that cannot be judged: a value that the operator cannot read, or an unresolved variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConditionError;

/// Why a value of a policy is refused; said as what was expected.
pub(crate) type ValueError = String;

impl Condition {
    /// Reads a condition. Fails with the place of the first value that is refused, and why.
    pub(crate) fn parse(
        name: &str,
        operator: Operator,
        written_key: &str,
        key: Key,
        values: Vec<String>,
    ) -> Result<Self, (usize, ValueError)> {
        let test = Test::parse(operator.kind, &values)?;
        Ok(Self {
            name: name.into(),
            operator,
            written_key: written_key.into(),
            key,
            values: values.into_iter().map(Into::into).collect(),
            test,
        })
    }

    /// The operator as it was written.
    #[must_use]
    pub fn operator(&self) -> &str {
        &self.name
    }

    /// The key as it was written.
    #[must_use]
    pub fn written_key(&self) -> &str {
        &self.written_key
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// The values as they were written.
    #[must_use]
    pub fn values(&self) -> &[Box<str>] {
        &self.values
    }

    /// How several values of a request are taken together, if the operator says so.
    #[must_use]
    pub fn set(&self) -> Option<Set> {
        self.operator.set
    }

    /// How many steps it takes at the most to match one text with every pattern.
    pub(crate) fn steps_max(&self) -> usize {
        match &self.test {
            Test::Patterns(list) | Test::TextsIgnoreCase(list) => list.iter().map(Wanted::steps_max).sum(),
            Test::Arns(list) => list.iter().flatten().map(Wanted::steps_max).sum(),
            _ => 0,
        }
    }

    /// Tells whether the values of a request are told apart by the condition from values that it does not mention:
    /// they are among its values, or that cannot be told.
    pub(crate) fn is_special(&self, facts: &Facts<'_>) -> bool {
        !matches!(self.test, Test::Null(_)) && self.holds(facts) != Ok(self.operator.negated)
    }

    /// Tells whether the condition holds.
    pub(crate) fn holds(&self, facts: &Facts<'_>) -> Result<bool, ConditionError> {
        let value = facts.get(&self.key);
        if let Test::Null(wanted) = &self.test {
            return Ok(wanted.contains(&value.is_absent()));
        }
        let Operator { negated, set, if_exists, .. } = self.operator;
        if value.is_absent() {
            return Ok(match set {
                Some(Set::Any) => false,
                Some(Set::All) => true,
                None => negated || if_exists,
            });
        }
        if let (Test::Texts(wanted), Value::Text(text), None) = (&self.test, value, set) {
            return Ok(is_among(wanted, text) != negated);
        }
        // One value settles it: a `true` where one is enough, a `false` where all must pass. What cannot be judged
        // counts only where nothing settles it, so that the order of values changes nothing.
        let settles = !(negated || set == Some(Set::All)) || set == Some(Set::Any);
        let mut unread = false;
        for item in value.items() {
            match self.test.matches(item, facts) {
                Ok(matches) if (matches != negated) == settles => return Ok(settles),
                Ok(_) => {}
                Err(ConditionError) => unread = true,
            }
        }
        if unread { Err(ConditionError) } else { Ok(!settles) }
    }
}

/// Tells whether a sorted list holds a text.
fn is_among(sorted: &[Box<str>], text: &str) -> bool {
    match sorted {
        [] => false,
        [only] => **only == *text,
        _ => sorted.binary_search_by(|wanted| (**wanted).cmp(text)).is_ok(),
    }
}

impl Test {
    fn parse(kind: Kind, values: &[String]) -> Result<Self, (usize, ValueError)> {
        Ok(match kind {
            Kind::Text if !values.iter().any(|value| template::has_variables(value)) => {
                let mut texts: Vec<Box<str>> = values.iter().map(|value| value.as_str().into()).collect();
                texts.sort_unstable();
                Self::Texts(texts.into())
            }
            Kind::Text => Self::Patterns(read(values, |text| wanted(text, false))?),
            Kind::TextIgnoreCase => Self::TextsIgnoreCase(read(values, |text| wanted(text, false))?),
            Kind::TextLike => Self::Patterns(read(values, |text| wanted(text, true))?),
            Kind::Number(order) => Self::Numbers(
                order,
                read(values, |text| {
                    let expected = "a number of at most 20 digits, and 9 after the point";
                    Number::parse(text).ok_or_else(|| expected.into())
                })?,
            ),
            Kind::Date(order) => Self::Dates(
                order,
                read(values, |text| {
                    let expected = "an instant such as `2026-01-31T12:00:00Z`, or seconds since 1970";
                    parse_time(text).ok_or_else(|| expected.into())
                })?,
            ),
            Kind::Bool => Self::Bools(read(values, read_bool)?),
            Kind::Null => Self::Null(read(values, read_bool)?),
            Kind::Binary => Self::Binary(read(values, |text| {
                let expected = "Base64 with padding (RFC 4648, section 4)";
                if is_base64(text) { Ok(text.into()) } else { Err(expected.into()) }
            })?),
            Kind::Ip => Self::Networks(read(values, |text| {
                let expected = "an address or a network such as `203.0.113.0/24` or `2001:db8::/32`";
                Network::parse(text).ok_or_else(|| expected.into())
            })?),
            Kind::Arn => Self::Arns(read(values, wanted_arn)?),
        })
    }

    /// Tells whether one value of the request matches one of the policy's.
    fn matches(&self, item: Value<'_>, facts: &Facts<'_>) -> Result<bool, ConditionError> {
        match self {
            Self::Texts(wanted) => with_text(item, |text| Ok(is_among(wanted, text))),
            Self::Patterns(wanted) => with_text(item, |text| any(wanted, |one| one.matches(text, facts))),
            Self::TextsIgnoreCase(wanted) => {
                with_text(item, |text| any(wanted, |one| one.is_same_in_any_case(text, facts)))
            }
            Self::Numbers(order, wanted) => {
                let number = item.number().ok_or(ConditionError)?;
                Ok(wanted.iter().any(|one| order.holds(&number, one)))
            }
            Self::Dates(order, wanted) => {
                let time = item.time().ok_or(ConditionError)?;
                Ok(wanted.iter().any(|one| order.holds(&time, one)))
            }
            Self::Bools(wanted) => Ok(wanted.contains(&item.bool().ok_or(ConditionError)?)),
            Self::Binary(wanted) => match item {
                Value::Text(text) if is_base64(text) => Ok(wanted.iter().any(|one| **one == *text)),
                _ => Err(ConditionError),
            },
            Self::Networks(wanted) => {
                let address = item.ip().ok_or(ConditionError)?;
                Ok(wanted.iter().any(|one| one.contains(address)))
            }
            Self::Arns(wanted) => {
                let Value::Text(text) = item else { return Err(ConditionError) };
                if text.splitn(ARN_PARTS, ':').count() < ARN_PARTS {
                    return Err(ConditionError);
                }
                any(wanted, |parts| {
                    let mut matches = true;
                    for (part, piece) in parts.iter().zip(text.splitn(ARN_PARTS, ':')) {
                        matches &= part.matches(piece, facts)?;
                    }
                    Ok(matches)
                })
            }
            Self::Null(_) => Ok(false),
        }
    }
}

/// Tells whether one of a list matches; what cannot be judged counts only where no other matches.
fn any<T>(list: &[T], test: impl Fn(&T) -> Result<bool, ConditionError>) -> Result<bool, ConditionError> {
    let mut unresolved = false;
    for one in list {
        match test(one) {
            Ok(true) => return Ok(true),
            Ok(false) => {}
            Err(ConditionError) => unresolved = true,
        }
    }
    if unresolved { Err(ConditionError) } else { Ok(false) }
}

impl Wanted {
    fn steps_max(&self) -> usize {
        match self {
            Self::Plain(_) => 0,
            Self::Wild(pattern) => wildcard::steps_max(pattern.as_bytes(), MATCHED_BYTES_MAX),
            Self::Pieces(pieces) => template::steps_max(pieces, MATCHED_BYTES_MAX),
        }
    }

    fn matches(&self, text: &str, facts: &Facts<'_>) -> Result<bool, ConditionError> {
        match self {
            Self::Plain(wanted) => Ok(**wanted == *text),
            // The work of matching is limited when a policy is written, so what is matched must be too.
            _ if text.len() > MATCHED_BYTES_MAX && self.steps_max() > 0 => Err(ConditionError),
            Self::Wild(pattern) => {
                Ok(wildcard::matches(pattern.as_bytes(), text.as_bytes(), |byte| byte, || ()))
            }
            Self::Pieces(pieces) => {
                let filled = template::fill(pieces, facts, |_| true).map_err(|_| ConditionError)?;
                Ok(filled.matches(text))
            }
        }
    }
}

impl Wanted {
    fn is_same_in_any_case(&self, text: &str, facts: &Facts<'_>) -> Result<bool, ConditionError> {
        match self {
            Self::Plain(wanted) | Self::Wild(wanted) => Ok(is_same_in_any_case([&**wanted], text)),
            Self::Pieces(pieces) => {
                let filled = template::fill(pieces, facts, |_| true).map_err(|_| ConditionError)?;
                Ok(is_same_in_any_case(filled.texts(), text))
            }
        }
    }
}

/// Compares letters by their lower case (Unicode), and nothing else: no normalisation.
fn is_same_in_any_case<'a>(parts: impl IntoIterator<Item = &'a str>, text: &str) -> bool {
    let lower = |text: &'a str| text.chars().flat_map(char::to_lowercase);
    parts.into_iter().flat_map(lower).eq(text.chars().flat_map(char::to_lowercase))
}

fn read<T>(
    values: &[String],
    read: impl Fn(&str) -> Result<T, ValueError>,
) -> Result<Box<[T]>, (usize, ValueError)> {
    values.iter().enumerate().map(|(at, value)| read(value).map_err(|error| (at, error))).collect()
}

fn read_bool(text: &str) -> Result<bool, ValueError> {
    parse_bool(text).ok_or_else(|| "`true` or `false`".into())
}

fn wanted(text: &str, wildcards: bool) -> Result<Wanted, ValueError> {
    if template::has_variables(text) {
        let pieces = template::cut(text, wildcards).map_err(|error| error.expectation())?;
        return Ok(Wanted::Pieces(pieces));
    }
    if wildcards && text.contains(['*', '?']) {
        return Ok(Wanted::Wild(text.into()));
    }
    Ok(Wanted::Plain(text.into()))
}

fn wanted_arn(text: &str) -> Result<Box<[Wanted]>, ValueError> {
    let parts = crate::pattern::split_parts(text).map_err(|error| error.expectation())?;
    if parts.len() < ARN_PARTS {
        return Err("a name of six parts between colons, such as `arn:aws:s3:::bucket/*`".into());
    }
    parts.into_iter().map(|part| wanted(part, true)).collect()
}

/// A text made of a value that is none, on the stack.
struct Buffer {
    bytes: [u8; 48],
    length: usize,
}

impl std::fmt::Write for Buffer {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let end = self.length + text.len();
        let place = self.bytes.get_mut(self.length..end).ok_or(std::fmt::Error)?;
        place.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

/// Compares a value as a text: a number in decimal digits, an address in its usual form. An instant is no text.
fn with_text(
    item: Value<'_>,
    test: impl FnOnce(&str) -> Result<bool, ConditionError>,
) -> Result<bool, ConditionError> {
    use std::fmt::Write as _;

    let mut buffer = Buffer { bytes: [0; 48], length: 0 };
    let written = match item {
        Value::Text(text) => return test(text),
        Value::Bool(true) => return test("true"),
        Value::Bool(false) => return test("false"),
        Value::Int(value) => write!(buffer, "{value}"),
        Value::Ip(address) => write!(buffer, "{}", address.to_canonical()),
        Value::Absent | Value::Time(_) | Value::Texts(_) => Err(std::fmt::Error),
    };
    written.map_err(|_| ConditionError)?;
    let bytes = buffer.bytes.get(..buffer.length).unwrap_or_default();
    test(std::str::from_utf8(bytes).map_err(|_| ConditionError)?)
}
