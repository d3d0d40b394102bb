//! From [`Problem`] to RFC 9457: the one place that knows which kind has which HTTP status.
//!
//! A handler's [`Failure`] becomes a response that carries its problem as an extension; [`render`], run
//! once for every response by [`crate::layers`], writes the body, so that every problem has a trace id.

use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use base::{Kind, Problem, RateLimit};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::openapi::{FieldErrorBody, PROBLEM_JSON, ProblemBody};

const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// What a handler returns when it does not succeed; made from a [`Problem`] or from a slice's error.
#[derive(Debug)]
pub struct Failure(pub Problem);

impl<E: Into<Problem>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl Failure {
    /// Makes a failure from its parts; see [`Problem::new`].
    pub fn new(kind: Kind, code: &'static str, detail: impl Into<String>) -> Self {
        Self(Problem::new(kind, code, detail))
    }
}

/// Marks a response (as an extension) whose protocol prescribes its own form, even where it is an error
/// with an empty or plain body: [`render`] leaves it as it is.
#[derive(Debug, Clone, Copy)]
pub struct Verbatim;

impl IntoResponse for Failure {
    /// Gives the status and carries the problem; [`render`] writes the body.
    fn into_response(self) -> Response {
        let mut response = status(self.0.kind()).into_response();
        response.extensions_mut().insert(Arc::new(self.0));
        response
    }
}

/// The HTTP status of a kind.
pub fn status(kind: Kind) -> StatusCode {
    match kind {
        Kind::Malformed => StatusCode::BAD_REQUEST,
        Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
        Kind::Forbidden => StatusCode::FORBIDDEN,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::Stale => StatusCode::PRECONDITION_FAILED,
        Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Kind::UnsupportedMedia => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Kind::Misdirected => StatusCode::MISDIRECTED_REQUEST,
        Kind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        Kind::PreconditionRequired => StatusCode::PRECONDITION_REQUIRED,
        Kind::TooMany => StatusCode::TOO_MANY_REQUESTS,
        Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// The title of a kind, the same for every problem of it (RFC 9457 section 3.1.4).
fn title(kind: Kind) -> &'static str {
    match kind {
        Kind::Malformed => "Malformed request",
        Kind::Unauthenticated => "Who are you?",
        Kind::Forbidden => "You may not do this",
        Kind::NotFound => "Not found",
        Kind::MethodNotAllowed => "Method not allowed",
        Kind::Conflict => "Conflict",
        Kind::Stale => "Changed since you read it",
        Kind::TooLarge => "Body too large",
        Kind::UnsupportedMedia => "Unsupported media type",
        Kind::Misdirected => "Host not served here",
        Kind::Invalid => "Well formed, but wrong",
        Kind::PreconditionRequired => "If-Match required",
        Kind::TooMany => "Too many requests",
        Kind::Internal => "Internal error",
        Kind::Unavailable => "Unavailable",
    }
}

/// The problem's body as the caller reads it.
pub fn describe(problem: &Problem, trace_id: Option<&str>) -> ProblemBody {
    ProblemBody {
        r#type: format!("/docs/errors#{}", problem.code()),
        title: title(problem.kind()).to_owned(),
        status: status(problem.kind()).as_u16(),
        code: problem.code().to_owned(),
        detail: problem.detail().to_owned(),
        trace_id: trace_id.map(str::to_owned),
        errors: problem.errors().iter().map(FieldErrorBody::from).collect(),
        retry_after_seconds: problem.retry_after_seconds(),
        decision: problem.decision().map(str::to_owned),
    }
}

/// Writes the problem of a response as `application/problem+json`, and turns the framework's own plain
/// refusals (no such route, wrong method, path that is no UTF-8) into problems. Logs a 5xx once, with
/// the private causes that the caller never sees. Every other response passes unchanged, also one that
/// is already rendered.
pub fn render(response: Response, trace_id: Option<&str>) -> Response {
    if response.headers().get(CONTENT_TYPE).is_some_and(|media| media == PROBLEM_JSON) {
        return response;
    }
    let known = response.extensions().get::<Arc<Problem>>().cloned();
    let Some(problem) = known.or_else(|| plain(&response).map(Arc::new)) else {
        return response;
    };
    if matches!(problem.kind(), Kind::Internal | Kind::Unavailable) {
        tracing::error!(
            trace_id,
            code = problem.code(),
            status = status(problem.kind()).as_u16(),
            cause = problem.private_chain(),
            "request failed"
        );
    }
    let body = serde_json::to_vec(&describe(&problem, trace_id)).unwrap_or_default();
    let (mut parts, _) = response.into_parts();
    // A plain refusal may carry a status that has no kind of its own; the body then decides.
    parts.status = status(problem.kind());
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    if let Some(seconds) = problem.retry_after_seconds() {
        parts.headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Some(limit) = problem.rate_limit() {
        insert_limit(&mut parts.headers, limit);
    }
    // RFC 9110 section 15.5.2: a 401 "MUST send a WWW-Authenticate header field".
    if parts.status == StatusCode::UNAUTHORIZED && !parts.headers.contains_key(WWW_AUTHENTICATE) {
        parts.headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    parts.extensions.insert(problem);
    Response::from_parts(parts, Body::from(body))
}

/// Says what is left of a limit (draft-ietf-httpapi-ratelimit-headers-10, sections 3 and 4).
fn insert_limit(headers: &mut HeaderMap, limit: &RateLimit) {
    let policy = format!("\"{}\";q={};w={}", limit.name, limit.quota, limit.window_seconds);
    let left = format!("\"{}\";r={};t={}", limit.name, limit.remaining, limit.reset_seconds);
    for (name, value) in [(RATELIMIT_POLICY, policy), (RATELIMIT, left)] {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
}

/// The problem that stands for an error response nobody gave a form, if it is one.
fn plain(response: &Response) -> Option<Problem> {
    let status = response.status();
    let unformed = is_plain(response.headers()) && response.extensions().get::<Verbatim>().is_none();
    if !unformed || !(status.is_client_error() || status.is_server_error()) {
        return None;
    }
    Some(match status {
        StatusCode::UNAUTHORIZED => {
            Problem::new(Kind::Unauthenticated, "unauthenticated", "send a valid access token")
        }
        StatusCode::FORBIDDEN => Problem::new(Kind::Forbidden, "forbidden", "this is not allowed"),
        StatusCode::NOT_FOUND => {
            Problem::new(Kind::NotFound, "no_such_route", "nothing is served at this address")
        }
        StatusCode::METHOD_NOT_ALLOWED => Problem::new(
            Kind::MethodNotAllowed,
            "method_not_allowed",
            "this address does not take that method; the `Allow` header lists those it takes",
        ),
        StatusCode::CONFLICT => {
            Problem::new(Kind::Conflict, "conflict", "the request conflicts with what is there")
        }
        StatusCode::PAYLOAD_TOO_LARGE => {
            Problem::new(Kind::TooLarge, "body_too_large", "the body is larger than this address takes")
        }
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Problem::new(
            Kind::UnsupportedMedia,
            "unsupported_media_type",
            "the body has another media type than expected",
        ),
        StatusCode::UNPROCESSABLE_ENTITY => {
            Problem::new(Kind::Invalid, "invalid_body", "the body does not fit what is expected here")
        }
        StatusCode::TOO_MANY_REQUESTS => {
            Problem::new(Kind::TooMany, "too_many_requests", "too many requests; try again later")
        }
        StatusCode::SERVICE_UNAVAILABLE => {
            Problem::new(Kind::Unavailable, "unavailable", "busy; try again soon")
        }
        other if other.is_server_error() => {
            Problem::internal(format!("a handler answered {other} without a problem"))
        }
        _ => Problem::new(Kind::Malformed, "malformed_request", "the request cannot be read"),
    })
}

/// Says whether a body has no form of its own: no media type at all, or plain text.
fn is_plain(headers: &HeaderMap) -> bool {
    match headers.get(CONTENT_TYPE) {
        None => true,
        Some(media) => media.as_bytes().starts_with(b"text/plain"),
    }
}
