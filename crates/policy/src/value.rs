//! The values that conditions compare: what a request brings, and how texts are read as numbers, instants and
//! addresses.

use std::net::IpAddr;

/// Decimal places of a number.
const NUMBER_PLACES: u32 = 9;
/// The most digits before a number's point.
const NUMBER_DIGITS_MAX: usize = 20;
/// Microseconds of a second.
const SECOND: i64 = 1_000_000;

/// What a request has for a condition key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Value<'a> {
    /// Nothing. An empty list counts as nothing too.
    #[default]
    Absent,
    /// One text; operators that compare something else read it.
    Text(&'a str),
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// An instant, in microseconds since 1970 (UTC).
    Time(i64),
    /// An address.
    Ip(IpAddr),
    /// Several texts: a multi-valued key.
    Texts(&'a [Box<str>]),
}

impl<'a> Value<'a> {
    /// Tells whether there is nothing: missing or an empty list.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent | Self::Texts([]))
    }

    /// Returns each single value, in order.
    pub(crate) fn items(self) -> impl Iterator<Item = Value<'a>> {
        let (one, many) = match self {
            Self::Absent => (None, [].as_slice()),
            Self::Texts(list) => (None, list),
            single => (Some(single), [].as_slice()),
        };
        one.into_iter().chain(many.iter().map(|text| Value::Text(text)))
    }

    /// Returns the only text, if there is exactly one value and it is a text.
    pub(crate) fn only_text(self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Texts([text]) => Some(text),
            _ => None,
        }
    }

    /// Reads a single value as a number.
    pub(crate) fn number(self) -> Option<Number> {
        match self {
            Self::Int(value) => Some(Number::from_int(value)),
            Self::Text(text) => Number::parse(text),
            _ => None,
        }
    }

    /// Reads a single value as an instant, in microseconds since 1970.
    pub(crate) fn time(self) -> Option<i64> {
        match self {
            Self::Time(micros) => Some(micros),
            Self::Int(seconds) => seconds.checked_mul(SECOND),
            Self::Text(text) => parse_time(text),
            _ => None,
        }
    }

    /// Reads a single value as `true` or `false`, in any case of letters.
    pub(crate) fn bool(self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(value),
            Self::Text(text) => parse_bool(text),
            _ => None,
        }
    }

    /// Reads a single value as an address; an IPv4 address written as IPv6 is the IPv4 address.
    pub(crate) fn ip(self) -> Option<IpAddr> {
        match self {
            Self::Ip(address) => Some(address.to_canonical()),
            Self::Text(text) => text.parse().ok().map(|address: IpAddr| address.to_canonical()),
            _ => None,
        }
    }
}

/// A value as it is kept: what is read from a request or stored with a principal or resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    /// One text.
    One(Box<str>),
    /// Several texts; none is as if the key were missing.
    Many(Box<[Box<str>]>),
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Another number, as it was written.
    Decimal(Box<str>),
}

impl Stored {
    /// Returns the value as conditions see it.
    #[must_use]
    pub fn as_value(&self) -> Value<'_> {
        match self {
            Self::One(text) | Self::Decimal(text) => Value::Text(text),
            Self::Many(texts) => Value::Texts(texts),
            Self::Bool(value) => Value::Bool(*value),
            Self::Int(value) => Value::Int(*value),
        }
    }

    /// Returns the text, if there is exactly one.
    pub(crate) fn only_text(&self) -> Option<&str> {
        self.as_value().only_text()
    }
}

/// A decimal number with nine places, exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Number(i128);

impl Number {
    const UNIT: i128 = 10_i128.pow(NUMBER_PLACES);

    fn from_int(value: i64) -> Self {
        Self(i128::from(value) * Self::UNIT)
    }

    /// Reads an optional sign, up to twenty digits and, after a point, up to nine more.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, places) = digits.split_once('.').unwrap_or((digits, "0"));
        let places = places.trim_end_matches('0');
        let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty()
            || digits.ends_with('.')
            || whole.len() > NUMBER_DIGITS_MAX
            || places.len() > NUMBER_PLACES as usize
            || !is_number(whole)
            || !is_number(places)
        {
            return None;
        }
        let read = |part: &str| part.bytes().fold(0_i128, |sum, byte| sum * 10 + i128::from(byte - b'0'));
        let missing = NUMBER_PLACES - u32::try_from(places.len()).ok()?;
        let value = read(whole) * Self::UNIT + read(places) * 10_i128.pow(missing);
        Some(Self(if negative { -value } else { value }))
    }
}

/// Reads `true` or `false`, in any case of letters.
pub(crate) fn parse_bool(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// Reads an instant: ISO 8601 in the forms of the W3C's note on dates and times, from a year and month to
/// fractions of a second with `Z` or an offset; or a number, which is seconds since 1970 (so a year by itself is none).
/// Without a time it is midnight, UTC. What is finer than a microsecond is cut off.
pub(crate) fn parse_time(text: &str) -> Option<i64> {
    if let Some(Number(seconds)) = Number::parse(text) {
        return i64::try_from(seconds / (Number::UNIT / i128::from(SECOND))).ok();
    }
    let (date, time) = match text.split_once(['T', 't']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let mut parts = date.splitn(3, '-');
    let year = digits(parts.next()?, 4)?;
    let month = digits(parts.next()?, 2)?;
    let day = match parts.next() {
        Some(day) => digits(day, 2)?,
        None if time.is_none() => 1,
        None => return None,
    };
    if !(1..=12).contains(&month) || !(1..=days_of_month(year, month)).contains(&day) {
        return None;
    }
    let midnight = days_from_civil(year, month, day) * 86_400 * SECOND;
    match time {
        None => Some(midnight),
        Some(time) => Some(midnight + parse_time_of_day(time)?),
    }
}

/// Reads `hh:mm`, `hh:mm:ss` or `hh:mm:ss.s…` and then `Z` or `+hh:mm`; microseconds since midnight, UTC.
fn parse_time_of_day(text: &str) -> Option<i64> {
    let at = text.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = (text.get(..at)?, text.get(at..)?);
    let offset = match zone {
        "Z" | "z" => 0,
        _ => {
            let (hours, minutes) = zone.get(1..)?.split_once(':')?;
            let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let seconds = (hours * 60 + minutes) * 60;
            if zone.starts_with('-') { -seconds } else { seconds }
        }
    };
    let mut parts = clock.splitn(3, ':');
    let hours = digits(parts.next()?, 2)?;
    let minutes = digits(parts.next()?, 2)?;
    let (seconds, micros) = match parts.next() {
        None => (0, 0),
        Some(seconds) => match seconds.split_once('.') {
            None => (digits(seconds, 2)?, 0),
            Some((seconds, fraction)) => (digits(seconds, 2)?, parse_fraction(fraction)?),
        },
    };
    if hours > 23 || minutes > 59 || seconds > 60 {
        return None;
    }
    Some(((hours * 60 + minutes) * 60 + seconds - offset) * SECOND + micros)
}

/// Reads the digits after a second's point as microseconds; finer digits are cut off.
fn parse_fraction(text: &str) -> Option<i64> {
    if text.is_empty() || text.len() > 18 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = text.bytes().chain(std::iter::repeat(b'0')).take(6);
    Some(digits.fold(0, |sum, byte| sum * 10 + i64::from(byte - b'0')))
}

fn digits(text: &str, count: usize) -> Option<i64> {
    let valid = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    if valid { text.parse().ok() } else { None }
}

fn days_of_month(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar, counted in years that begin in March, so that the
/// leap day is a year's last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leaps = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leaps + (month * 153 + 2) / 5 + day - 1 - 719_468
}

/// A block of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Network {
    /// The first address as an IPv6 one; IPv4 is kept apart by `is_v4`.
    bits: u128,
    /// How many of the bits count, from the left.
    mask: u128,
    is_v4: bool,
}

impl Network {
    /// Reads an address, or an address and the length of the network's prefix after a slash (RFC 4632, section
    /// 3.1; RFC 4291, section 2.3). Bits past the prefix are ignored.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let (is_v4, width) = (address.is_ipv4(), if address.is_ipv4() { 32 } else { 128 });
        let length: u32 = match length {
            None => width,
            Some(text) if text.len() <= 3 && text.bytes().all(|byte| byte.is_ascii_digit()) => {
                text.parse().ok().filter(|length| *length <= width)?
            }
            Some(_) => return None,
        };
        // An IPv4 address sits in the lowest 32 bits.
        let mask = match width - length {
            128 => 0,
            shift => u128::MAX << shift,
        };
        Some(Self { bits: bits_of(address) & mask, mask, is_v4 })
    }

    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.is_v4 && bits_of(address) & self.mask == self.bits
    }
}

fn bits_of(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

/// Tells whether a text is canonical Base64 with padding (RFC 4648, section 4; the unused bits are zero), so that
/// equal bytes have equal texts.
pub(crate) fn is_base64(text: &str) -> bool {
    let code = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let data = text.trim_end_matches('=');
    let unused = match (text.len() % 4, text.len() - data.len()) {
        (0, 0) => 0,
        (0, 1) => 0b11,
        (0, 2) => 0b1111,
        _ => return false,
    };
    let last = data.bytes().last().and_then(code).unwrap_or(0);
    data.bytes().all(|byte| code(byte).is_some()) && last & unused == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_exact_decimals() {
        let order = ["-10.5", "-10", "0", "0.000000001", "9.9", "10", "10.000000001", "99999999999999999999"];
        let read: Vec<_> = order.iter().map(|text| Number::parse(text).unwrap()).collect();
        assert!(read.is_sorted_by(|a, b| a < b));
        assert_eq!(Number::parse("+1.50"), Number::parse("1.5"));
        assert_eq!(Number::parse("9007199254740993"), Some(Number::from_int(9_007_199_254_740_993)));
        for wrong in
            ["", "-", ".5", "5.", "1e3", "0x1", "1,5", " 1", "1.0000000001", "١", "100000000000000000000"]
        {
            assert_eq!(Number::parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn instants_are_read_in_every_form_of_the_note() {
        let second = |seconds: i64| Some(seconds * SECOND);
        assert_eq!(parse_time("1970-01-01T00:00:00Z"), second(0));
        assert_eq!(parse_time("2000-02-29"), second(951_782_400));
        assert_eq!(parse_time("2026-11"), second(1_793_491_200));
        assert_eq!(parse_time("1997"), second(1_997));
        assert_eq!(parse_time("1.5"), Some(SECOND + SECOND / 2));
        assert_eq!(parse_time("1997-07-16T19:20+01:00"), second(869_077_200));
        assert_eq!(parse_time("1997-07-16T18:20:30.45z"), Some(869_077_230 * SECOND + 450_000));
        assert_eq!(parse_time("869077230"), second(869_077_230));
        assert_eq!(parse_time("-86400"), second(-86_400));
        assert_eq!(parse_time("1969-12-31"), second(-86_400));
        for wrong in [
            "",
            "today",
            "2026-13-01",
            "2026-02-29",
            "2026-1-1",
            "2026-01-01T00:00",
            "2026-01-01T24:00Z",
            "2026-01-01 00:00Z",
            "2026-01-01T00:00:00.Z",
            "2026-01T00:00Z",
            "2026-01-01T00:00:00+0100",
            "--5",
        ] {
            assert_eq!(parse_time(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_network_holds_the_addresses_of_its_prefix_and_family() {
        let holds = |network: &str, address: &str| {
            Network::parse(network).unwrap().contains(address.parse::<IpAddr>().unwrap().to_canonical())
        };
        assert!(holds("203.0.113.0/24", "203.0.113.255") && !holds("203.0.113.0/24", "203.0.114.0"));
        assert!(holds("203.0.113.7/24", "203.0.113.1") && holds("203.0.113.7", "203.0.113.7"));
        assert!(holds("0.0.0.0/0", "8.8.8.8") && !holds("0.0.0.0/0", "::1") && holds("::/0", "2001:db8::1"));
        assert!(holds("2001:db8::/32", "2001:db8:ffff::") && !holds("2001:db8::/32", "2001:db9::"));
        assert!(holds("203.0.113.0/24", "::ffff:203.0.113.9"));
        for wrong in ["", "203.0.113", "203.0.113.0/33", "203.0.113.0/", "203.0.113.0/+8", "::/129", "host/8"]
        {
            assert_eq!(Network::parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn base64_is_canonical() {
        for right in ["", "QQ==", "QUI=", "QUJD", "+/+/"] {
            assert!(is_base64(right), "{right:?}");
        }
        for wrong in ["Q", "QQ", "QQ=", "QR==", "QUJ=", "Q===", "====", "QU D", "QUJD\n", "-_-_"] {
            assert!(!is_base64(wrong), "{wrong:?}");
        }
    }
}
