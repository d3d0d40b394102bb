//! Instants and lengths of time, with nanoseconds, in the proleptic Gregorian calendar.

use std::fmt;

const NANOS_PER_SECOND: i64 = 1_000_000_000;
const SECONDS_PER_DAY: i64 = 86_400;
/// 0001-01-01T00:00:00Z, in seconds since 1970-01-01T00:00:00Z.
const SECONDS_MIN: i64 = -62_135_596_800;
/// 9999-12-31T23:59:59Z.
const SECONDS_MAX: i64 = 253_402_300_799;
/// The longest fraction of a second in a text, in digits.
const FRACTION_DIGITS_MAX: usize = 9;

/// An instant from 0001-01-01T00:00:00Z to 9999-12-31T23:59:59.999999999Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp {
    seconds: i64,
    /// From 0 to 999,999,999.
    nanos: u32,
}

impl Timestamp {
    /// Makes an instant from microseconds since 1970-01-01T00:00:00Z. Returns nothing outside the years 1 to
    /// 9999.
    #[must_use]
    pub fn from_unix_micros(micros: i64) -> Option<Self> {
        let nanos = u32::try_from(micros.rem_euclid(1_000_000)).ok()? * 1000;
        Self::new(micros.div_euclid(1_000_000), nanos)
    }

    /// Makes an instant from seconds since 1970-01-01T00:00:00Z, if it is in range.
    pub(super) fn from_unix_seconds(seconds: i64) -> Option<Self> {
        Self::new(seconds, 0)
    }

    fn new(seconds: i64, nanos: u32) -> Option<Self> {
        (SECONDS_MIN..=SECONDS_MAX).contains(&seconds).then_some(Self { seconds, nanos })
    }

    /// Returns whole seconds since 1970-01-01T00:00:00Z, rounded towards the past.
    pub(super) fn unix_seconds(self) -> i64 {
        self.seconds
    }

    /// Reads RFC 3339, such as `2026-11-22T09:30:00+01:00`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (year, rest) = digits(text, 4)?;
        let (month, rest) = digits(rest.strip_prefix('-')?, 2)?;
        let (day, rest) = digits(rest.strip_prefix('-')?, 2)?;
        let (hour, rest) = digits(rest.strip_prefix(['T', 't'])?, 2)?;
        let (minute, rest) = digits(rest.strip_prefix(':')?, 2)?;
        let (second, rest) = digits(rest.strip_prefix(':')?, 2)?;
        let (nanos, rest) = match rest.strip_prefix('.') {
            Some(rest) => fraction(rest)?,
            None => (0, rest),
        };
        let offset_seconds = match rest {
            "Z" | "z" => 0,
            _ if rest.starts_with(['+', '-']) => i64::from(Zone::parse(rest)?.minutes) * 60,
            _ => return None,
        };
        if !(1..=12).contains(&month) || !(1..=days_in_month(year, month)).contains(&day) {
            return None;
        }
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let seconds =
            days_from_civil(year, month, day) * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second;
        Self::new(seconds - offset_seconds, nanos)
    }

    /// Returns the instant `span` later, if it is in range.
    pub(super) fn plus(self, span: Duration) -> Option<Self> {
        let nanos = i64::from(self.nanos) + span.nanos.rem_euclid(NANOS_PER_SECOND);
        let seconds = self.seconds.checked_add(span.nanos.div_euclid(NANOS_PER_SECOND))?;
        let carried = seconds.checked_add(nanos / NANOS_PER_SECOND)?;
        Self::new(carried, u32::try_from(nanos % NANOS_PER_SECOND).ok()?)
    }

    /// Returns how long after `earlier` the instant is, if that is in range.
    pub(super) fn since(self, earlier: Self) -> Option<Duration> {
        let seconds = (self.seconds - earlier.seconds).checked_mul(NANOS_PER_SECOND)?;
        let nanos = seconds.checked_add(i64::from(self.nanos) - i64::from(earlier.nanos))?;
        Some(Duration { nanos })
    }

    /// Returns one part of the date or the time of day, as it is in `zone`.
    pub(super) fn part(self, part: Part, zone: Zone) -> i64 {
        let local = self.seconds + i64::from(zone.minutes) * 60;
        let days = local.div_euclid(SECONDS_PER_DAY);
        let second_of_day = local.rem_euclid(SECONDS_PER_DAY);
        let (year, month, day) = civil_from_days(days);
        match part {
            Part::FullYear => year,
            Part::Month => month - 1,
            Part::Date => day,
            Part::DayOfMonth => day - 1,
            Part::DayOfYear => days - days_from_civil(year, 1, 1),
            // 1970-01-01 was a Thursday.
            Part::DayOfWeek => (days + 4).rem_euclid(7),
            Part::Hours => second_of_day / 3600,
            Part::Minutes => second_of_day / 60 % 60,
            Part::Seconds => second_of_day % 60,
            Part::Milliseconds => i64::from(self.nanos / 1_000_000),
        }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil_from_days(self.seconds.div_euclid(SECONDS_PER_DAY));
        let second = self.seconds.rem_euclid(SECONDS_PER_DAY);
        write!(f, "{year:04}-{month:02}-{day:02}T")?;
        write!(f, "{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)?;
        write_fraction(f, self.nanos)?;
        f.write_str("Z")
    }
}

/// A length of time of up to 292 years, forwards or backwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration {
    nanos: i64,
}

impl Duration {
    /// Makes a length of time from microseconds. Returns nothing for more than 292 years.
    #[must_use]
    pub fn from_micros(micros: i64) -> Option<Self> {
        Some(Self { nanos: micros.checked_mul(1000)? })
    }

    /// Reads a sum of decimal numbers with units (`1h30m`, `-1.5s`, `10us`), or `0`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (negative, unsigned) = match text.strip_prefix(['+', '-']) {
            Some(rest) => (text.starts_with('-'), rest),
            None => (false, text),
        };
        if unsigned == "0" {
            return Some(Self { nanos: 0 });
        }
        let mut rest = unsigned;
        let mut total: i128 = 0;
        while !rest.is_empty() {
            let (amount, after) = amount(rest)?;
            let (unit_nanos, after) = unit(after)?;
            let nanos = amount.whole.checked_mul(unit_nanos)? + amount.fraction * unit_nanos / amount.scale;
            total = total.checked_add(nanos)?;
            rest = after;
        }
        if unsigned.is_empty() {
            return None;
        }
        let nanos = i64::try_from(if negative { -total } else { total }).ok()?;
        Some(Self { nanos })
    }

    pub(super) fn plus(self, other: Self) -> Option<Self> {
        Some(Self { nanos: self.nanos.checked_add(other.nanos)? })
    }

    pub(super) fn minus(self, other: Self) -> Option<Self> {
        Some(Self { nanos: self.nanos.checked_sub(other.nanos)? })
    }

    /// Returns the same length in the other direction, if that is in range.
    pub(super) fn reversed(self) -> Option<Self> {
        Some(Self { nanos: self.nanos.checked_neg()? })
    }

    /// Returns the whole length in one unit, or its milliseconds within the second; nothing for parts that only
    /// an instant has.
    pub(super) fn part(self, part: Part) -> Option<i64> {
        let seconds = self.nanos / NANOS_PER_SECOND;
        Some(match part {
            Part::Hours => seconds / 3600,
            Part::Minutes => seconds / 60,
            Part::Seconds => seconds,
            Part::Milliseconds => self.nanos % NANOS_PER_SECOND / 1_000_000,
            _ => return None,
        })
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.nanos.unsigned_abs();
        let sign = if self.nanos < 0 { "-" } else { "" };
        write!(f, "{sign}{}", nanos / NANOS_PER_SECOND.unsigned_abs())?;
        write_fraction(f, u32::try_from(nanos % NANOS_PER_SECOND.unsigned_abs()).unwrap_or(0))?;
        f.write_str("s")
    }
}

/// A part of a date or of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    FullYear,
    Month,
    Date,
    DayOfMonth,
    DayOfYear,
    DayOfWeek,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
}

impl Part {
    /// Returns the part that a function of this name asks for.
    pub(super) fn of(function: &str) -> Option<Self> {
        Some(match function {
            "getFullYear" => Self::FullYear,
            "getMonth" => Self::Month,
            "getDate" => Self::Date,
            "getDayOfMonth" => Self::DayOfMonth,
            "getDayOfYear" => Self::DayOfYear,
            "getDayOfWeek" => Self::DayOfWeek,
            "getHours" => Self::Hours,
            "getMinutes" => Self::Minutes,
            "getSeconds" => Self::Seconds,
            "getMilliseconds" => Self::Milliseconds,
            _ => return None,
        })
    }

    /// Tells whether a length of time has the part too.
    pub(super) fn is_of_durations(self) -> bool {
        matches!(self, Self::Hours | Self::Minutes | Self::Seconds | Self::Milliseconds)
    }
}

/// A fixed offset from UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Zone {
    minutes: i32,
}

impl Zone {
    pub(super) const UTC: Self = Self { minutes: 0 };

    /// Reads `UTC`, `Z`, `+01:00`, `-09:30` or `01:00`. Names such as `Europe/Paris` are not known: their offsets
    /// change by law, and an answer must depend on the question alone.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if matches!(text, "UTC" | "Z") {
            return Some(Self::UTC);
        }
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let (hours, rest) = digits(unsigned, 2)?;
        let (minutes, rest) = digits(rest.strip_prefix(':')?, 2)?;
        if hours > 23 || minutes > 59 || !rest.is_empty() {
            return None;
        }
        let minutes = i32::try_from(hours * 60 + minutes).ok()?;
        Some(Self { minutes: if text.starts_with('-') { -minutes } else { minutes } })
    }
}

/// Takes exactly `count` digits.
fn digits(text: &str, count: usize) -> Option<(i64, &str)> {
    let (digits, rest) = text.split_at_checked(count)?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some((digits.parse().ok()?, rest))
}

/// Takes the digits of a fraction of a second, and returns nanoseconds.
fn fraction(text: &str) -> Option<(u32, &str)> {
    let length = text.bytes().take_while(u8::is_ascii_digit).count();
    if length == 0 || length > FRACTION_DIGITS_MAX {
        return None;
    }
    let (digits, rest) = text.split_at_checked(length)?;
    let nanos = digits.parse::<u32>().ok()? * 10_u32.pow(u32::try_from(FRACTION_DIGITS_MAX - length).ok()?);
    Some((nanos, rest))
}

fn write_fraction(f: &mut fmt::Formatter<'_>, nanos: u32) -> fmt::Result {
    if nanos == 0 {
        return Ok(());
    }
    let digits = format!("{nanos:09}");
    write!(f, ".{}", digits.trim_end_matches('0'))
}

/// A decimal number: `whole + fraction / scale`.
struct Amount {
    whole: i128,
    fraction: i128,
    scale: i128,
}

/// Takes a decimal number with digits on at least one side of its point.
fn amount(text: &str) -> Option<(Amount, &str)> {
    /// More digits than any length of time in range has.
    const WHOLE_DIGITS_MAX: usize = 19;
    /// Below this, digits are smaller than a nanosecond of an hour.
    const FRACTION_DIGITS_KEPT: usize = 15;

    let length = text.bytes().take_while(u8::is_ascii_digit).count();
    let (whole, rest) = text.split_at_checked(length)?;
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at_checked(rest.bytes().take_while(u8::is_ascii_digit).count())?,
        None => ("", rest),
    };
    if (whole.is_empty() && fraction.is_empty()) || whole.len() > WHOLE_DIGITS_MAX {
        return None;
    }
    let kept = fraction.get(..fraction.len().min(FRACTION_DIGITS_KEPT))?;
    let number = |digits: &str| if digits.is_empty() { Some(0) } else { digits.parse::<i128>().ok() };
    let scale = 10_i128.checked_pow(u32::try_from(kept.len()).ok()?)?;
    Some((Amount { whole: number(whole)?, fraction: number(kept)?, scale }, rest))
}

/// Takes a unit, and returns its nanoseconds.
fn unit(text: &str) -> Option<(i128, &str)> {
    // The longer before their own beginnings.
    const UNITS: [(&str, i128); 8] = [
        ("ns", 1),
        ("us", 1_000),
        ("\u{b5}s", 1_000),
        ("\u{3bc}s", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
    ];

    UNITS.iter().find_map(|(name, nanos)| Some((*nanos, text.strip_prefix(name)?)))
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Counts the days from 1970-01-01 to a date. Years are counted from March, so that the leap day is the last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468
}

/// Returns the year, the month from 1 and the day from 1 of a count of days since 1970-01-01.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    const DAYS_PER_400_YEARS: i64 = 146_097;

    let from_march = days + 719_468;
    let era = from_march.div_euclid(DAYS_PER_400_YEARS);
    let day_of_era = from_march.rem_euclid(DAYS_PER_400_YEARS);
    // The last day of 4, 100 and 400 years is one more than their years have on average.
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}
