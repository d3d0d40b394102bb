//! What is known about a request before anyone looks at its content.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use base::{Problem, Timestamp};
use http::header::{ACCEPT_LANGUAGE, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, HeaderName, Method};

use crate::{Failure, Language};

/// The longest user agent that is kept, in characters.
pub const USER_AGENT_CHARS_MAX: usize = 512;

/// Header of every answer: the id that we made for the request.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Header of an answer to a request that had a well-formed `X-Request-Id` of its own: that id.
pub const X_CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("x-client-request-id");

/// What is known about a request; the layers put an `Arc` of it into the extensions of the request and of
/// its response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestInfo {
    /// Of our own making (UUIDv7): the `trace_id` of problems and of the log.
    pub request_id: String,
    /// The caller's own id, if well formed. For the log only: never a key for audit, cache or replay.
    pub client_request_id: Option<String>,
    /// Where the caller is, behind trusted proxies.
    pub client_address: IpAddr,
    /// Whether the socket's other end is on this machine, whatever headers say.
    pub peer_is_loopback: bool,
    /// Whether any `Forwarded`, `Via`, `X-Real-IP` or `X-Forwarded-…` header was sent, by anyone.
    pub forwarded: bool,
    /// The host that was asked for, one of those served, in normal form (lower case; no port 80 or 443).
    pub host: String,
    /// The first 512 characters of the user agent, without control characters.
    pub user_agent: Option<String>,
    /// The method.
    pub method: Method,
    /// When the request arrived.
    pub started: Timestamp,
    /// The language that the browser asks for.
    pub language: Language,
}

/// Extracts the [`RequestInfo`] of the request; without the layers of [`crate::layers`] it fails as a bug.
#[derive(Debug, Clone)]
pub struct Info(pub Arc<RequestInfo>);

impl<S: Send + Sync> FromRequestParts<S> for Info {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Failure> {
        match parts.extensions.get::<Arc<RequestInfo>>() {
            Some(info) => Ok(Self(info.clone())),
            None => Err(Failure(Problem::internal("a route is served without `web::install`"))),
        }
    }
}

/// The caller's own request id, if it is 1 to 64 of `[A-Za-z0-9._-]` and given once.
pub(crate) fn client_request_id(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(X_REQUEST_ID).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let text = value.to_str().ok()?;
    let fits = (1..=64).contains(&text.len());
    (fits && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))).then_some(text)
}

/// Says whether a proxy of any kind left its mark.
pub(crate) fn is_forwarded(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| {
        let name = name.as_str();
        matches!(name, "forwarded" | "via" | "x-real-ip") || name.starts_with("x-forwarded-")
    })
}

/// The user agent, bounded, without what could forge a line of a log.
pub(crate) fn user_agent(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(USER_AGENT)?;
    let text = String::from_utf8_lossy(value.as_bytes());
    Some(text.chars().filter(|c| !c.is_control()).take(USER_AGENT_CHARS_MAX).collect())
}

/// The language that the browser asks for.
pub(crate) fn language(headers: &HeaderMap) -> Language {
    let header = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    header.map(Language::of_accept).unwrap_or_default()
}
