//! JSON bodies, read strictly: media type, size, syntax, repeated members, then the type.
//!
//! 415 for another media type, 413 for too many bytes, 400 `malformed_json` (with line and column) for
//! what is no JSON, 400 `duplicate_member`, and 422 `invalid_body` with a JSON pointer for JSON that does
//! not fit. Request types carry `#[serde(deny_unknown_fields)]`, so that a typing error is an error.
//!
//! Known quirk: serde's derived types also read an array of their fields in order.

mod strict;

use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use base::{Kind, Problem};
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

pub use strict::parse_json;

use crate::Failure;

/// The largest body where no [`BodyLimit`] says otherwise, in bytes.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;

/// Another limit for one route, in bytes: put it in the request's extensions
/// (`.layer(axum::Extension(BodyLimit(n)))`).
#[derive(Debug, Clone, Copy)]
pub struct BodyLimit(pub usize);

/// A JSON body of `application/json`; as a response, a JSON answer.
#[derive(Debug, Clone)]
pub struct Json<T>(pub T);

/// A JSON body of `application/json`, or none at all for all its defaults: what a PUT of a relation takes.
#[derive(Debug, Clone)]
pub struct OptionalJson<T>(pub T);

/// A JSON merge patch (RFC 7396) of `application/merge-patch+json` or `application/json`; its fields are
/// [`Field`]s.
#[derive(Debug, Clone)]
pub struct MergePatch<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Failure> {
        read_json(request, &["application/json"]).await.map(Self)
    }
}

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for OptionalJson<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Failure> {
        let typed = media_type_is(request.headers(), &["application/json"]);
        let limit = request.extensions().get::<BodyLimit>().map_or(BODY_BYTES_MAX, |limit| limit.0);
        let bytes = read(request, limit).await?;
        match (bytes.is_empty(), typed) {
            (true, _) => Ok(Self(T::default())),
            (false, true) => Ok(Self(parse_json(&bytes)?)),
            (false, false) => Err(Failure::new(
                Kind::UnsupportedMedia,
                "unsupported_media_type",
                "send the body as `application/json`, or none",
            )),
        }
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for MergePatch<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Failure> {
        read_json(request, &["application/merge-patch+json", "application/json"]).await.map(Self)
    }
}

impl<T: serde::Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(bytes) => {
                ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], bytes).into_response()
            }
            Err(error) => Failure(Problem::internal("an answer cannot be written as json").because(error))
                .into_response(),
        }
    }
}

/// Reads a JSON body of one of the given media types, for surfaces with a type of their own.
pub async fn read_json<T: DeserializeOwned>(request: Request, media_types: &[&str]) -> Result<T, Failure> {
    if !media_type_is(request.headers(), media_types) {
        return Err(Failure::new(
            Kind::UnsupportedMedia,
            "unsupported_media_type",
            format!("send the body as `{}`", media_types.join("` or `")),
        ));
    }
    let limit = request.extensions().get::<BodyLimit>().map_or(BODY_BYTES_MAX, |limit| limit.0);
    let bytes = read(request, limit).await?;
    Ok(parse_json(&bytes)?)
}

/// Says whether the request has exactly one `Content-Type`, of one of these media types (lower case), in
/// UTF-8 if it names a character set.
pub fn media_type_is(headers: &HeaderMap, expected: &[&str]) -> bool {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let Ok(text) = value.to_str() else { return false };
    let mut parts = text.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    let utf8 = parts.filter_map(|part| part.split_once('=')).all(|(name, value)| {
        !name.trim().eq_ignore_ascii_case("charset")
            || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
    });
    utf8 && expected.iter().any(|media| essence.eq_ignore_ascii_case(media))
}

/// Reads a body of at most `limit` bytes. Fails with 413 `body_too_large`, 415 for a compressed body, or
/// 400 `body_interrupted`.
pub async fn read(request: Request, limit: usize) -> Result<Bytes, Failure> {
    let too_large =
        || Failure::new(Kind::TooLarge, "body_too_large", format!("the body may have at most {limit} bytes"));
    let headers = request.headers();
    let coding = headers.get(CONTENT_ENCODING);
    if coding.is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(Failure::new(
            Kind::UnsupportedMedia,
            "unsupported_content_encoding",
            "send the body without `Content-Encoding`",
        ));
    }
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| usize::try_from(length).map_or(true, |length| length > limit)) {
        return Err(too_large());
    }
    match Limited::new(request.into_body(), limit).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.downcast_ref::<LengthLimitError>().is_some() => Err(too_large()),
        Err(_) => {
            Err(Failure::new(Kind::Malformed, "body_interrupted", "the body ended before it was complete"))
        }
    }
}

/// A member of a merge patch (RFC 7396): absent leaves the value, null removes it, a value replaces it.
///
/// In a struct: `#[serde(default)]`, and `#[schema(value_type = Option<…>)]` for OpenAPI.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Field<T> {
    /// Not in the patch.
    #[default]
    Absent,
    /// `null`.
    Null,
    /// A new value.
    Value(T),
}

impl<T> Field<T> {
    /// Says whether the patch leaves the value alone.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// Lends the new value, if there is one.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Null => None,
        }
    }

    /// Gives what an optional value is after the patch.
    pub fn applied_to(self, old: Option<T>) -> Option<T> {
        match self {
            Self::Absent => old,
            Self::Null => None,
            Self::Value(value) => Some(value),
        }
    }

    /// Changes the value's type, for example by parsing it; the first failure wins.
    pub fn try_map<U, E>(self, change: impl FnOnce(T) -> Result<U, E>) -> Result<Field<U>, E> {
        Ok(match self {
            Self::Absent => Field::Absent,
            Self::Null => Field::Null,
            Self::Value(value) => Field::Value(change(value)?),
        })
    }

    /// Refuses null for a value that cannot be removed: 422 `invalid_body` at the pointer.
    pub fn required(self, pointer: &str) -> Result<Option<T>, Problem> {
        match self {
            Self::Absent => Ok(None),
            Self::Value(value) => Ok(Some(value)),
            Self::Null => Err(Problem::new(Kind::Invalid, "invalid_body", "the body does not fit").field(
                pointer,
                "not_null",
                "found null, expected a value: this cannot be removed",
            )),
        }
    }
}

impl<'de, T: serde::Deserialize<'de>> serde::Deserialize<'de> for Field<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Option::<T>::deserialize(deserializer)? {
            None => Self::Null,
            Some(value) => Self::Value(value),
        })
    }
}
