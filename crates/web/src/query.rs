//! Query strings and path segments into types, strictly.

use axum::extract::FromRequestParts;
use base::{Kind, Problem};
use http::request::Parts;
use serde::de::value::MapDeserializer;
use serde::de::{self, DeserializeOwned, IntoDeserializer, Visitor};

use crate::Failure;
use crate::form::{Pairs, Repeated};

/// The query string as a type with `#[serde(deny_unknown_fields)]`. Fails with 400 `invalid_query`,
/// naming the parameter; a parameter given twice is an error.
#[derive(Debug, Clone)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Failure> {
        let pairs = query_pairs(parts)?;
        Ok(Self(from_pairs(pairs.iter())?))
    }
}

/// The variables of the route. An address whose parts do not parse names nothing: 404 `not_found`.
#[derive(Debug, Clone)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        use axum::extract::rejection::PathRejection;
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(path) => Ok(Self(path.0)),
            Err(PathRejection::FailedToDeserializePathParams(error)) if error.status().is_client_error() => {
                Err(Failure::new(
                    Kind::NotFound,
                    "not_found",
                    "there is no such thing, or it is not yours to see",
                ))
            }
            Err(error) => Err(Failure(Problem::internal(error.body_text()))),
        }
    }
}

/// The parameters of a request's query, none repeated. Fails with 400 `invalid_query`.
pub(crate) fn query_pairs(parts: &Parts) -> Result<Pairs, Problem> {
    let pairs = Pairs::of_query(&parts.uri)
        .map_err(|error| Problem::new(Kind::Malformed, "invalid_query", error.to_string()))?;
    pairs.unique(&[]).map_err(|Repeated { name }| {
        Problem::new(Kind::Malformed, "invalid_query", format!("`{name}` is given more than once"))
    })
}

/// Reads a type from pairs. Fails with 400 `invalid_query`.
pub(crate) fn from_pairs<'a, T: DeserializeOwned>(
    pairs: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<T, Problem> {
    let source = MapDeserializer::<_, de::value::Error>::new(pairs.map(|(name, value)| (name, Text(value))));
    serde_path_to_error::deserialize(source).map_err(|error| {
        let name = error.path().to_string();
        let detail = match name.as_str() {
            "." | "?" => error.inner().to_string(),
            name => format!("`{name}`: {}", error.inner()),
        };
        Problem::new(Kind::Malformed, "invalid_query", detail.chars().take(300).collect::<String>())
    })
}

/// One value of a query: text, read as a number or a truth value where the type asks for one.
struct Text<'a>(&'a str);

impl<'a> IntoDeserializer<'a, de::value::Error> for Text<'a> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// Forwards the numbers; a macro because each is the same few lines.
macro_rules! numbers {
    ($($method:ident $visit:ident $number:ty, $words:literal;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
            match self.0.parse::<$number>() {
                Ok(number) => visitor.$visit(number),
                Err(_) => Err(de::Error::custom(format_args!("found `{}`, expected {}", self.0, $words))),
            }
        }
    )*};
}

impl<'de> de::Deserializer<'de> for Text<'de> {
    type Error = de::value::Error;

    numbers! {
        deserialize_u8 visit_u8 u8, "a whole number from 0 to 255";
        deserialize_u16 visit_u16 u16, "a whole number from 0 to 65535";
        deserialize_u32 visit_u32 u32, "a whole number";
        deserialize_u64 visit_u64 u64, "a whole number";
        deserialize_i32 visit_i32 i32, "a whole number";
        deserialize_i64 visit_i64 i64, "a whole number";
        deserialize_bool visit_bool bool, "`true` or `false`";
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_borrowed_str(self.0)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        IntoDeserializer::<Self::Error>::into_deserializer(self.0).deserialize_enum(name, variants, visitor)
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i128 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct
        map struct identifier ignored_any
    }
}
