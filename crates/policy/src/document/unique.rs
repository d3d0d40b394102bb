//! Reads JSON text into a value and reports each key that stands twice in one object.
//!
//! RFC 8259, section 4: "When the names within an object are not unique, the behavior of software that receives
//! such an object is unpredictable." A policy must mean the same to all who read it.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::{Errors, Place};
use crate::quote::shorten;

/// Reads one JSON value that fills the whole text; `None` if it is not JSON, with the error added. The depth is
/// bounded by the JSON library (128).
pub(super) fn read_json(json: &str, errors: &mut Errors) -> Option<Value> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let read = Unique { place: Place::Root, errors: &mut *errors }
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value));
    match read {
        Ok(value) => Some(value),
        Err(error) => {
            errors.add(&Place::Root, format!("text that is not JSON ({error})"), "one JSON object");
            None
        }
    }
}

struct Unique<'a> {
    place: Place<'a>,
    errors: &'a mut Errors,
}

impl<'de> DeserializeSeed<'de> for Unique<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        loop {
            let place = Place::Index(&self.place, list.len());
            match access.next_element_seed(Unique { place, errors: &mut *self.errors })? {
                Some(value) => list.push(value),
                None => return Ok(Value::Array(list)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            let place = Place::Key(&self.place, &key);
            if map.contains_key(&key) {
                self.errors.add(&place, format!("the key `{}` twice", shorten(&key)), "each key once");
            }
            let value = access.next_value_seed(Unique { place, errors: &mut *self.errors })?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}
