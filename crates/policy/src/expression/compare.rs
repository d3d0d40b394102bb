//! Numbers on one line, whatever their types.
//!
//! Specification, "Equality", "Numbers": "The numeric types of `int`, `uint`, and `double` are compared as though
//! they exist on a continuous number line".

use std::cmp::Ordering;

use super::value::Value;

/// 2 to the power of 63 and 64. Doubles hold both exactly.
pub(super) const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;
pub(super) const TWO_TO_64: f64 = 18_446_744_073_709_551_616.0;

/// A number of any type.
#[derive(Clone, Copy)]
pub(super) enum Number {
    /// Every int and every uint.
    Whole(i128),
    Double(f64),
}

impl Number {
    pub(super) fn of(value: &Value<'_>) -> Option<Self> {
        match value {
            Value::Int(value) => Some(Self::Whole(i128::from(*value))),
            Value::Uint(value) => Some(Self::Whole(i128::from(*value))),
            Value::Double(value) => Some(Self::Double(*value)),
            _ => None,
        }
    }

    /// Compares by the number that is meant, exactly; nothing if one is not a number.
    pub(super) fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Whole(a), Self::Whole(b)) => Some(a.cmp(&b)),
            (Self::Double(a), Self::Double(b)) => a.partial_cmp(&b),
            (Self::Whole(a), Self::Double(b)) => compare_mixed(a, b),
            (Self::Double(a), Self::Whole(b)) => compare_mixed(b, a).map(Ordering::reverse),
        }
    }

    /// Returns the number as the index of an item, if it is whole and not negative.
    pub(super) fn index(self) -> Option<usize> {
        match self {
            Self::Whole(value) => usize::try_from(value).ok(),
            // A double below 2^53 that is whole is exactly that integer.
            Self::Double(value) if (0.0..9e15).contains(&value) && value.fract() == 0.0 => {
                usize::try_from(value as u64).ok()
            }
            Self::Double(_) => None,
        }
    }
}

/// Compares an integer of at most 65 bits with a double, without rounding the integer.
fn compare_mixed(whole: i128, double: f64) -> Option<Ordering> {
    if double.is_nan() {
        return None;
    }
    if double >= TWO_TO_64 {
        return Some(Ordering::Less);
    }
    if double < -TWO_TO_63 {
        return Some(Ordering::Greater);
    }
    // Exact: the integral part of a double in this range is an integer of at most 65 bits.
    let integral = double.trunc();
    let order = whole.cmp(&(integral as i128));
    Some(order.then_with(|| 0.0_f64.partial_cmp(&(double - integral)).unwrap_or(Ordering::Equal)))
}

/// Tells whether two keys of a map are the same. Numbers are by what they mean, whatever their types.
pub(super) fn is_same_key(left: &Value<'_>, right: &Value<'_>) -> bool {
    match (left, right) {
        (Value::String(a), Value::String(b)) => a.as_str() == b.as_str(),
        (Value::Bool(a), Value::Bool(b)) => a == b,
        _ => match (Number::of(left), Number::of(right)) {
            (Some(a), Some(b)) => a.compare(b) == Some(Ordering::Equal),
            _ => false,
        },
    }
}
