//! The standard functions.

use super::super::compare::{TWO_TO_63, TWO_TO_64};
use super::super::program::{Conversion, Search};
use super::super::regular::Matcher;
use super::super::time::{Duration, Part, Timestamp, Zone};
use super::super::value::Value;
use super::super::{Failure, Place, VALUE_BYTES_MAX};
use super::operators::in_range;
use super::{Machine, Outcome, fail};

impl<'a> Machine<'a> {
    pub(super) fn size(&self, place: Place, value: &Value<'a>) -> Outcome<Value<'a>> {
        let size = match value {
            Value::String(text) => {
                self.charge_bytes(place, text.as_str().len())?;
                text.as_str().chars().count()
            }
            Value::Bytes(bytes) => bytes.as_slice().len(),
            Value::List(list) => list.count(),
            Value::Map(map) => map.count(),
            _ => return fail(place, Failure::WrongType),
        };
        in_range(place, i64::try_from(size).ok().map(Value::Int))
    }

    pub(super) fn search(
        &self,
        place: Place,
        how: Search,
        text: &Value<'a>,
        wanted: &Value<'a>,
    ) -> Outcome<Value<'a>> {
        let (Value::String(text), Value::String(wanted)) = (text, wanted) else {
            return fail(place, Failure::WrongType);
        };
        let (text, wanted) = (text.as_str(), wanted.as_str());
        let looked_at = if how == Search::Contains { text.len() } else { 0 };
        self.charge_bytes(place, looked_at + wanted.len())?;
        Ok(Value::Bool(match how {
            Search::Contains => text.contains(wanted),
            Search::StartsWith => text.starts_with(wanted),
            Search::EndsWith => text.ends_with(wanted),
        }))
    }

    pub(super) fn matches(&self, place: Place, matcher: &'a Matcher, text: &Value<'a>) -> Outcome<Value<'a>> {
        let Value::String(text) = text else { return fail(place, Failure::WrongType) };
        self.charge(place, matcher.cost(text.as_str()))?;
        Ok(Value::Bool(matcher.is_match(text.as_str())))
    }

    pub(super) fn time_part(
        &self,
        place: Place,
        part: Part,
        value: &Value<'a>,
        zone: Option<Zone>,
    ) -> Outcome<Value<'a>> {
        match (value, zone) {
            (Value::Timestamp(instant), _) => Ok(Value::Int(instant.part(part, zone.unwrap_or(Zone::UTC)))),
            (Value::Duration(span), None) => match span.part(part) {
                Some(value) => Ok(Value::Int(value)),
                None => fail(place, Failure::WrongType),
            },
            _ => fail(place, Failure::WrongType),
        }
    }

    pub(super) fn convert(&self, place: Place, to: Conversion, value: Value<'a>) -> Outcome<Value<'a>> {
        match (&value, to) {
            (Value::Int(_), Conversion::Int)
            | (Value::Uint(_), Conversion::Uint)
            | (Value::Double(_), Conversion::Double)
            | (Value::String(_), Conversion::String)
            | (Value::Bytes(_), Conversion::Bytes)
            | (Value::Bool(_), Conversion::Bool)
            | (Value::Timestamp(_), Conversion::Timestamp)
            | (Value::Duration(_), Conversion::Duration) => return Ok(value),
            (_, Conversion::Type) => return Ok(Value::Type(value.kind())),
            (_, Conversion::String) => return self.to_string(place, &value),
            (Value::Timestamp(instant), Conversion::Int) => return Ok(Value::Int(instant.unix_seconds())),
            (Value::Int(seconds), Conversion::Timestamp) => {
                return in_range(place, Timestamp::from_unix_seconds(*seconds).map(Value::Timestamp));
            }
            _ => {}
        }
        match &value {
            Value::String(text) => self.read(place, to, text.as_str()),
            Value::Int(_) | Value::Uint(_) | Value::Double(_) => to_number(place, to, &value),
            _ => fail(place, Failure::WrongType),
        }
    }

    /// Converts a text.
    fn read(&self, place: Place, to: Conversion, text: &str) -> Outcome<Value<'a>> {
        self.charge_bytes(place, text.len())?;
        if to == Conversion::Bytes {
            if text.len() > VALUE_BYTES_MAX {
                return fail(place, Failure::TooLarge);
            }
            return Ok(Value::made_bytes(text.as_bytes()));
        }
        let read = match to {
            Conversion::Int => text.parse().ok().map(Value::Int),
            Conversion::Uint => text.parse().ok().map(Value::Uint),
            Conversion::Double => text.parse().ok().map(Value::Double),
            Conversion::Bool => match text {
                "true" | "TRUE" | "True" | "t" | "T" | "1" => Some(Value::Bool(true)),
                "false" | "FALSE" | "False" | "f" | "F" | "0" => Some(Value::Bool(false)),
                _ => None,
            },
            Conversion::Timestamp => Timestamp::parse(text).map(Value::Timestamp),
            Conversion::Duration => Duration::parse(text).map(Value::Duration),
            Conversion::Bytes | Conversion::String | Conversion::Type => None,
        };
        read.map_or_else(|| fail(place, Failure::Unreadable), Ok)
    }

    fn to_string(&self, place: Place, value: &Value<'a>) -> Outcome<Value<'a>> {
        let text = match value {
            Value::Bool(value) => return Ok(Value::from(if *value { "true" } else { "false" })),
            Value::Int(value) => value.to_string(),
            Value::Uint(value) => value.to_string(),
            Value::Double(value) => double_text(*value),
            Value::Timestamp(value) => value.to_string(),
            Value::Duration(value) => value.to_string(),
            Value::Bytes(bytes) => {
                let bytes = bytes.as_slice();
                if bytes.len() > VALUE_BYTES_MAX {
                    return fail(place, Failure::TooLarge);
                }
                self.charge_bytes(place, bytes.len())?;
                return match str::from_utf8(bytes) {
                    Ok(text) => Ok(Value::made_string(text)),
                    Err(_) => fail(place, Failure::Unreadable),
                };
            }
            _ => return fail(place, Failure::WrongType),
        };
        self.charge_bytes(place, text.len())?;
        Ok(Value::made_string(&text))
    }
}

/// Converts between the types of numbers. Doubles are rounded towards zero.
fn to_number<'a>(place: Place, to: Conversion, value: &Value<'a>) -> Outcome<Value<'a>> {
    let converted = match (value, to) {
        (Value::Uint(value), Conversion::Int) => i64::try_from(*value).ok().map(Value::Int),
        (Value::Int(value), Conversion::Uint) => u64::try_from(*value).ok().map(Value::Uint),
        // Specification, "Overflow": "Double to int conversions are limited to (minInt, maxInt) non-inclusive."
        (Value::Double(value), Conversion::Int) => {
            (*value > -TWO_TO_63 && *value < TWO_TO_63).then_some(Value::Int(*value as i64))
        }
        (Value::Double(value), Conversion::Uint) => {
            (*value >= 0.0 && *value < TWO_TO_64).then_some(Value::Uint(*value as u64))
        }
        (Value::Int(value), Conversion::Double) => Some(Value::Double(*value as f64)),
        (Value::Uint(value), Conversion::Double) => Some(Value::Double(*value as f64)),
        _ => return fail(place, Failure::WrongType),
    };
    in_range(place, converted)
}

/// Writes a double with as many digits as tell it from its neighbours, with an exponent where it is very large or
/// very small.
fn double_text(value: f64) -> String {
    let size = value.abs();
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "Infinity".to_owned() } else { "-Infinity".to_owned() }
    } else if size == 0.0 || (1e-6..1e21).contains(&size) {
        value.to_string()
    } else {
        format!("{value:e}")
    }
}
