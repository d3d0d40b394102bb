//! Values that operators read: numbers, instants, truth values, bytes and addresses.

use std::cmp::Ordering;
use std::net::IpAddr;

/// A decimal number of any length, kept as digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decimal {
    negative: bool,
    /// Without zeros before the first other digit.
    whole: String,
    /// Without zeros after the last other digit.
    fraction: String,
}

impl Decimal {
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = match digits.split_once('.') {
            Some((_, "")) => return None,
            Some((whole, fraction)) => (whole, fraction),
            None => (digits, ""),
        };
        if whole.is_empty() || !(whole.to_owned() + fraction).chars().all(|c| c.is_ascii_digit()) {
            return None;
        }
        let whole = whole.trim_start_matches('0').to_owned();
        let fraction = fraction.trim_end_matches('0').to_owned();
        let negative = negative && !(whole.is_empty() && fraction.is_empty());
        Some(Self { negative, whole, fraction })
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let size = |one: &Self, two: &Self| {
            let whole = one.whole.len().cmp(&two.whole.len()).then_with(|| one.whole.cmp(&two.whole));
            whole.then_with(|| one.fraction.cmp(&two.fraction))
        };
        match (self.negative, other.negative) {
            (false, false) => size(self, other),
            (true, true) => size(other, self),
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Microseconds since 1970 of seconds since 1970, of a date (midnight UTC), or of a date with a time and an offset.
pub(crate) fn instant(text: &str) -> Option<i128> {
    if let Some(seconds) = Decimal::read(text) {
        let micros = format!("{:0<6}", seconds.fraction);
        let size: i128 = format!("{}{}", seconds.whole, micros.get(..6)?).parse().ok()?;
        return Some(if seconds.negative { -size } else { size });
    }
    let (date, time) = match text.split_once('T') {
        Some((date, time)) => (date, time),
        None => (text, "00:00Z"),
    };
    let days = days_of(date)?;
    let (clock, offset_minutes) = match time.strip_suffix('Z') {
        Some(clock) => (clock, 0),
        None => {
            let at = time.rfind(['+', '-'])?;
            let (hours, minutes) = time.get(at + 1..)?.split_once(':')?;
            let size = number(hours, 2, 0..=23)? * 60 + number(minutes, 2, 0..=59)?;
            (time.get(..at)?, if time.get(at..=at)? == "-" { -size } else { size })
        }
    };
    let parts: Vec<&str> = clock.split(':').collect();
    let (hours, minutes, seconds) = match parts.as_slice() {
        [hours, minutes] => (hours, minutes, "00"),
        [hours, minutes, seconds] => (hours, minutes, *seconds),
        _ => return None,
    };
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
    let micros: i128 = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
    let minutes = number(hours, 2, 0..=23)? * 60 + number(minutes, 2, 0..=59)? - offset_minutes;
    let seconds =
        (i128::from(days) * 1440 + i128::from(minutes)) * 60 + i128::from(number(whole, 2, 0..=59)?);
    Some(seconds * 1_000_000 + micros)
}

/// Days since 1970, counted one year and one month after another.
fn days_of(date: &str) -> Option<i64> {
    let parts: Vec<&str> = date.split('-').collect();
    let [year, month, day] = parts.as_slice() else { return None };
    let year = number(year, 4, 1..=9999)?;
    let month = number(month, 2, 1..=12)?;
    let is_leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let length = |year: i64, month: i64| match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let day = number(day, 2, 1..=length(year, month))?;
    let year_days = |year: i64| if is_leap(year) { 366 } else { 365 };
    let years: i64 = if year >= 1970 {
        (1970..year).map(year_days).sum()
    } else {
        -(year..1970).map(year_days).sum::<i64>()
    };
    Some(years + (1..month).map(|month| length(year, month)).sum::<i64>() + day - 1)
}

fn number(text: &str, digits: usize, range: std::ops::RangeInclusive<i64>) -> Option<i64> {
    let plain = text.len() == digits && text.chars().all(|c| c.is_ascii_digit());
    text.parse().ok().filter(|value| plain && range.contains(value))
}

pub(crate) fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// The bytes that base64 stands for, as a list of bits without the padding.
pub(crate) fn binary(text: &str) -> Option<Vec<bool>> {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let plain = text.trim_end_matches('=');
    let padding = text.len() - plain.len();
    if !text.len().is_multiple_of(4) || padding > 2 {
        return None;
    }
    let mut bits = Vec::new();
    for c in plain.chars() {
        let value = ALPHABET.chars().position(|known| known == c)?;
        bits.extend((0..6).rev().map(|bit| (value >> bit) & 1 == 1));
    }
    bits.truncate(bits.len() / 8 * 8);
    Some(bits)
}

/// An address as its bits: 32 or 128.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address(Vec<bool>);

impl Address {
    pub(crate) fn read(text: &str) -> Option<Self> {
        // An IPv4 address written as one of IPv6 is the IPv4 address, or a range could be walked around.
        let bytes = match text.parse::<IpAddr>().ok()?.to_canonical() {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        Some(Self(
            bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| (byte >> bit) & 1 == 1)).collect(),
        ))
    }

    /// A range and the number of bits that count; all of them where none is written.
    pub(crate) fn read_range(text: &str) -> Option<(Self, usize)> {
        let Some((address, bits)) = text.split_once('/') else {
            let address = Self::read(text)?;
            let bits = address.0.len();
            return Some((address, bits));
        };
        let (address, bits) = (Self::read(address)?, bits.parse().ok()?);
        (bits <= address.0.len()).then_some((address, bits))
    }

    pub(crate) fn is_within(&self, range: Self, bits: usize) -> bool {
        self.0.len() == range.0.len() && self.0[..bits] == range.0[..bits]
    }
}
