//! Optimistic concurrency: strong entity tags from a row's version, and `If-Match`.

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use base::{Kind, Problem};
use http::HeaderValue;
use http::header::IF_MATCH;
use http::request::Parts;

use crate::Failure;

/// The most tags in one `If-Match`.
const TAGS_MAX: usize = 20;

/// The strong entity tag of a version, `"v12"` (RFC 9110 section 8.8.3).
pub fn etag(version: i64) -> HeaderValue {
    // INVARIANT: letters, digits and quotes always make a header value.
    HeaderValue::from_str(&format!("\"v{version}\"")).unwrap_or_else(|_| HeaderValue::from_static("\"v0\""))
}

/// The condition that the caller put on a change; extracting it fails with 428 `if_match_required` where
/// there is none and with 400 `invalid_if_match` where it cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IfMatch(Condition);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Condition {
    /// `*`: any version, as long as it exists.
    Any,
    /// Strong tags, without their quotes. Weak ones are dropped: RFC 9110 section 13.1.1, "An origin
    /// server MUST use the strong comparison function".
    Tags(Vec<String>),
}

impl IfMatch {
    /// Says that the header is missing: 428 `if_match_required`.
    pub fn required() -> Problem {
        Problem::new(
            Kind::PreconditionRequired,
            "if_match_required",
            "send `If-Match` with the `ETag` of what you read",
        )
    }

    /// Compares with the present version. Fails with 412 `stale`.
    pub fn check(&self, version: i64) -> Result<(), Problem> {
        let present = format!("v{version}");
        match &self.0 {
            Condition::Any => Ok(()),
            Condition::Tags(tags) if tags.contains(&present) => Ok(()),
            Condition::Tags(_) => Err(Problem::new(
                Kind::Stale,
                "stale",
                format!("this has changed since you read it and is `\"{present}\"` now; read it again"),
            )),
        }
    }

    /// Parses the value of the header.
    fn parse(text: &str) -> Option<Self> {
        if text.trim() == "*" {
            return Some(Self(Condition::Any));
        }
        let mut strong = Vec::new();
        let mut count = 0usize;
        for piece in text.split(',').map(str::trim) {
            count += 1;
            let (weak, quoted) = match piece.strip_prefix("W/") {
                Some(rest) => (true, rest),
                None => (false, piece),
            };
            let opaque = quoted.strip_prefix('"')?.strip_suffix('"')?;
            if count > TAGS_MAX || !opaque.bytes().all(|b| b.is_ascii_graphic() && b != b'"') {
                return None;
            }
            if !weak {
                strong.push(opaque.to_owned());
            }
        }
        Some(Self(Condition::Tags(strong)))
    }
}

/// For what may not be there yet: none without the header.
impl<S: Send + Sync> OptionalFromRequestParts<S> for IfMatch {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Failure> {
        if !parts.headers.contains_key(IF_MATCH) {
            return Ok(None);
        }
        <Self as FromRequestParts<S>>::from_request_parts(parts, state).await.map(Some)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Failure> {
        let mut values = parts.headers.get_all(IF_MATCH).iter();
        let Some(first) = values.next() else {
            return Err(Self::required().into());
        };
        let parsed = first.to_str().ok().filter(|_| values.next().is_none()).and_then(Self::parse);
        parsed.ok_or_else(|| {
            let detail = "`If-Match` is an `ETag` in quotes, like `\"v12\"`, or `*`";
            Failure::new(Kind::Malformed, "invalid_if_match", detail)
        })
    }
}
