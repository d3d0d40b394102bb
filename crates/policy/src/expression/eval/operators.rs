//! Equality, order, arithmetic, membership and indexes.

use std::cmp::Ordering;

use super::super::compare::{Number, is_same_key};
use super::super::program::{Node, Operator};
use super::super::value::{List, Map, Value};
use super::super::{Failure, HEIGHT_MAX, Place, VALUE_BYTES_MAX, VALUE_ITEMS_MAX};
use super::{Around, Machine, Outcome, fail};

/// How many bytes are compared or copied for one step of cost.
const BYTES_PER_STEP: usize = 32;

impl<'a> Machine<'a> {
    pub(super) fn charge_bytes(&self, place: Place, bytes: usize) -> Outcome<()> {
        self.charge(place, bytes / BYTES_PER_STEP)
    }

    pub(super) fn operate(
        &self,
        place: Place,
        operator: Operator,
        left: Value<'a>,
        right: Value<'a>,
    ) -> Outcome<Value<'a>> {
        Ok(Value::Bool(match operator {
            Operator::Equal => self.is_equal(place, &left, &right, 0)?,
            Operator::NotEqual => !self.is_equal(place, &left, &right, 0)?,
            Operator::In => self.is_in(place, &left, &right)?,
            Operator::Less => self.order(place, &left, &right)?.is_some_and(Ordering::is_lt),
            Operator::LessOrEqual => self.order(place, &left, &right)?.is_some_and(Ordering::is_le),
            Operator::Greater => self.order(place, &left, &right)?.is_some_and(Ordering::is_gt),
            Operator::GreaterOrEqual => self.order(place, &left, &right)?.is_some_and(Ordering::is_ge),
            Operator::Add => return self.add(place, &left, &right),
            Operator::Subtract => return subtract(place, &left, &right),
            Operator::Multiply | Operator::Divide | Operator::Remainder => {
                return scale(place, operator, &left, &right);
            }
        }))
    }

    /// Tells whether two values are equal. Values of different types are not, except numbers.
    fn is_equal(&self, place: Place, left: &Value<'a>, right: &Value<'a>, depth: usize) -> Outcome<bool> {
        Ok(match (left, right) {
            (Value::Null, Value::Null) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::String(a), Value::String(b)) => {
                let (a, b) = (a.as_str(), b.as_str());
                self.charge_bytes(place, if a.len() == b.len() { a.len() } else { 0 })?;
                a == b
            }
            (Value::Bytes(a), Value::Bytes(b)) => {
                self.charge_bytes(place, a.as_slice().len().min(b.as_slice().len()))?;
                a.as_slice() == b.as_slice()
            }
            (Value::Timestamp(a), Value::Timestamp(b)) => a == b,
            (Value::Duration(a), Value::Duration(b)) => a == b,
            (Value::Type(a), Value::Type(b)) => a == b,
            (Value::List(a), Value::List(b)) => self.are_lists_equal(place, a, b, depth)?,
            (Value::Map(a), Value::Map(b)) => self.are_maps_equal(place, a, b, depth)?,
            _ => match (Number::of(left), Number::of(right)) {
                (Some(a), Some(b)) => a.compare(b) == Some(Ordering::Equal),
                _ => false,
            },
        })
    }

    fn are_lists_equal(
        &self,
        place: Place,
        left: &List<'a>,
        right: &List<'a>,
        depth: usize,
    ) -> Outcome<bool> {
        if left.count() != right.count() {
            return Ok(false);
        }
        self.deeper(place, depth)?;
        for index in 0..left.count() {
            self.charge(place, 1)?;
            let (Some(a), Some(b)) = (left.item(index), right.item(index)) else { return Ok(false) };
            if !self.is_equal(place, &a, &b, depth + 1)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn are_maps_equal(&self, place: Place, left: &Map<'a>, right: &Map<'a>, depth: usize) -> Outcome<bool> {
        if left.count() != right.count() {
            return Ok(false);
        }
        self.deeper(place, depth)?;
        for index in 0..left.count() {
            let Some(key) = left.key(index) else { return Ok(false) };
            let (a, b) = (self.look_up(place, left, &key)?, self.look_up(place, right, &key)?);
            let (Some(a), Some(b)) = (a, b) else { return Ok(false) };
            if !self.is_equal(place, &a, &b, depth + 1)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Bounds the recursion into values. No expression makes a value that nests deeper than itself.
    fn deeper(&self, place: Place, depth: usize) -> Outcome<()> {
        if depth > HEIGHT_MAX { fail(place, Failure::TooLarge) } else { Ok(()) }
    }

    fn look_up(&self, place: Place, map: &Map<'a>, key: &Value<'a>) -> Outcome<Option<Value<'a>>> {
        self.charge(place, map.search_cost())?;
        let text = match key {
            Value::String(text) => Some(text.as_str()),
            _ => None,
        };
        Ok(map.find(text, |other| is_same_key(other, key)))
    }

    fn is_in(&self, place: Place, wanted: &Value<'a>, held: &Value<'a>) -> Outcome<bool> {
        match held {
            Value::List(list) => {
                for index in 0..list.count() {
                    self.charge(place, 1)?;
                    let Some(item) = list.item(index) else { return Ok(false) };
                    if self.is_equal(place, wanted, &item, 0)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Value::Map(map) => Ok(self.look_up(place, map, wanted)?.is_some()),
            _ => fail(place, Failure::WrongType),
        }
    }

    pub(super) fn index(
        &self,
        place: Place,
        of: &'a Node,
        index: &'a Node,
        around: Around<'_, 'a>,
    ) -> Outcome<Value<'a>> {
        let (held, wanted) = (self.eval(of, around)?, self.eval(index, around)?);
        match held {
            Value::List(list) => {
                let Some(number) = Number::of(&wanted) else { return fail(index.place, Failure::WrongType) };
                match number.index().and_then(|index| list.item(index)) {
                    Some(item) => Ok(item),
                    None => fail(index.place, Failure::NoSuchItem),
                }
            }
            Value::Map(map) => match self.look_up(index.place, &map, &wanted)? {
                Some(value) => Ok(value),
                None => fail(index.place, Failure::Absent),
            },
            _ => fail(place, Failure::WrongType),
        }
    }

    /// Compares two values by order; nothing if one is not a number.
    fn order(&self, place: Place, left: &Value<'a>, right: &Value<'a>) -> Outcome<Option<Ordering>> {
        Ok(match (left, right) {
            (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
            (Value::String(a), Value::String(b)) => {
                self.charge_bytes(place, a.as_str().len().min(b.as_str().len()))?;
                Some(a.as_str().cmp(b.as_str()))
            }
            (Value::Bytes(a), Value::Bytes(b)) => {
                self.charge_bytes(place, a.as_slice().len().min(b.as_slice().len()))?;
                Some(a.as_slice().cmp(b.as_slice()))
            }
            (Value::Timestamp(a), Value::Timestamp(b)) => Some(a.cmp(b)),
            (Value::Duration(a), Value::Duration(b)) => Some(a.cmp(b)),
            _ => match (Number::of(left), Number::of(right)) {
                (Some(a), Some(b)) => a.compare(b),
                _ => return fail(place, Failure::WrongType),
            },
        })
    }

    pub(super) fn negate(&self, place: Place, of: &'a Node, around: Around<'_, 'a>) -> Outcome<Value<'a>> {
        match self.eval(of, around)? {
            Value::Int(value) => in_range(place, value.checked_neg().map(Value::Int)),
            Value::Double(value) => Ok(Value::Double(-value)),
            _ => fail(place, Failure::WrongType),
        }
    }

    fn add(&self, place: Place, left: &Value<'a>, right: &Value<'a>) -> Outcome<Value<'a>> {
        match (left, right) {
            (Value::Int(a), Value::Int(b)) => in_range(place, a.checked_add(*b).map(Value::Int)),
            (Value::Uint(a), Value::Uint(b)) => in_range(place, a.checked_add(*b).map(Value::Uint)),
            (Value::Double(a), Value::Double(b)) => Ok(Value::Double(a + b)),
            (Value::String(a), Value::String(b)) => {
                let (a, b) = (a.as_str(), b.as_str());
                self.charge_made(place, a.len(), b.len())?;
                Ok(Value::made_string(&[a, b].concat()))
            }
            (Value::Bytes(a), Value::Bytes(b)) => {
                let (a, b) = (a.as_slice(), b.as_slice());
                self.charge_made(place, a.len(), b.len())?;
                Ok(Value::made_bytes(&[a, b].concat()))
            }
            (Value::List(a), Value::List(b)) => self.concatenate(place, a, b),
            (Value::Timestamp(instant), Value::Duration(span))
            | (Value::Duration(span), Value::Timestamp(instant)) => {
                in_range(place, instant.plus(*span).map(Value::Timestamp))
            }
            (Value::Duration(a), Value::Duration(b)) => in_range(place, a.plus(*b).map(Value::Duration)),
            _ => fail(place, Failure::WrongType),
        }
    }

    /// Pays for a string or bytes made of two, if it is not too long.
    fn charge_made(&self, place: Place, left: usize, right: usize) -> Outcome<()> {
        let length = left.saturating_add(right);
        if length > VALUE_BYTES_MAX {
            fail(place, Failure::TooLarge)
        } else {
            self.charge_bytes(place, length)
        }
    }

    fn concatenate(&self, place: Place, left: &List<'a>, right: &List<'a>) -> Outcome<Value<'a>> {
        let count = left.count().saturating_add(right.count());
        if count > VALUE_ITEMS_MAX {
            return fail(place, Failure::TooLarge);
        }
        self.charge(place, count)?;
        let items = (0..left.count()).filter_map(|index| left.item(index));
        Ok(Value::made_list(items.chain((0..right.count()).filter_map(|index| right.item(index))).collect()))
    }
}

pub(super) fn in_range<T>(place: Place, value: Option<T>) -> Outcome<T> {
    value.map_or_else(|| fail(place, Failure::OutOfRange), Ok)
}

fn subtract<'a>(place: Place, left: &Value<'a>, right: &Value<'a>) -> Outcome<Value<'a>> {
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => in_range(place, a.checked_sub(*b).map(Value::Int)),
        (Value::Uint(a), Value::Uint(b)) => in_range(place, a.checked_sub(*b).map(Value::Uint)),
        (Value::Double(a), Value::Double(b)) => Ok(Value::Double(a - b)),
        (Value::Timestamp(a), Value::Timestamp(b)) => in_range(place, a.since(*b).map(Value::Duration)),
        (Value::Timestamp(instant), Value::Duration(span)) => {
            in_range(place, span.reversed().and_then(|span| instant.plus(span)).map(Value::Timestamp))
        }
        (Value::Duration(a), Value::Duration(b)) => in_range(place, a.minus(*b).map(Value::Duration)),
        _ => fail(place, Failure::WrongType),
    }
}

/// Multiplies, divides or takes the remainder. Doubles follow IEEE 754 and have no remainder.
fn scale<'a>(place: Place, operator: Operator, left: &Value<'a>, right: &Value<'a>) -> Outcome<Value<'a>> {
    match (operator, left, right) {
        (Operator::Multiply, Value::Int(a), Value::Int(b)) => {
            in_range(place, a.checked_mul(*b).map(Value::Int))
        }
        (Operator::Multiply, Value::Uint(a), Value::Uint(b)) => {
            in_range(place, a.checked_mul(*b).map(Value::Uint))
        }
        (Operator::Multiply, Value::Double(a), Value::Double(b)) => Ok(Value::Double(a * b)),
        (Operator::Divide, Value::Double(a), Value::Double(b)) => Ok(Value::Double(a / b)),
        (Operator::Divide | Operator::Remainder, Value::Int(_), Value::Int(0))
        | (Operator::Divide | Operator::Remainder, Value::Uint(_), Value::Uint(0)) => {
            fail(place, Failure::DivisionByZero)
        }
        (Operator::Divide, Value::Int(a), Value::Int(b)) => {
            in_range(place, a.checked_div(*b).map(Value::Int))
        }
        (Operator::Divide, Value::Uint(a), Value::Uint(b)) => {
            in_range(place, a.checked_div(*b).map(Value::Uint))
        }
        (Operator::Remainder, Value::Int(a), Value::Int(b)) => {
            in_range(place, a.checked_rem(*b).map(Value::Int))
        }
        (Operator::Remainder, Value::Uint(a), Value::Uint(b)) => {
            in_range(place, a.checked_rem(*b).map(Value::Uint))
        }
        _ => fail(place, Failure::WrongType),
    }
}
