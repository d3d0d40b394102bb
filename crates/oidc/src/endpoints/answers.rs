//! Answers in OAuth's own form.

use axum::response::{IntoResponse, Response};
use base::Kind;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use web::{Failure, FormBody, Pairs, Verbatim};

use crate::error::Error;
use crate::protocol::{ErrorCode, OAuthError};

/// The body of an error (RFC 6749 section 5.2).
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ErrorBody {
    /// The code.
    pub(crate) error: &'static str,
    /// For the client's developer.
    pub(crate) error_description: String,
}

/// A JSON answer that is never stored. RFC 6749 section 5.1: "The authorization server MUST include the
/// HTTP "Cache-Control" response header field with a value of "no-store" in any response containing tokens".
pub(crate) fn answer(status: StatusCode, body: &impl Serialize) -> Response {
    let Ok(bytes) = serde_json::to_vec(body) else {
        return Failure(base::bug!("an answer cannot be written as json")).into_response();
    };
    let mut response = (status, bytes).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    response.extensions_mut().insert(Verbatim);
    response
}

/// An error of an endpoint that clients call directly.
pub(crate) fn refuse(error: Error) -> Response {
    let (error, problem) = error.into_oauth();
    let mut status = match error.code {
        ErrorCode::InvalidClient | ErrorCode::InvalidToken => StatusCode::UNAUTHORIZED,
        ErrorCode::InsufficientScope | ErrorCode::AccessDenied => StatusCode::FORBIDDEN,
        ErrorCode::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorCode::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_REQUEST,
    };
    let mut retry_after = None;
    if let Some(problem) = problem {
        retry_after = problem.retry_after_seconds();
        if problem.kind() == Kind::TooMany {
            status = StatusCode::TOO_MANY_REQUESTS;
        } else {
            tracing::error!(code = problem.code(), cause = problem.private_chain(), "request failed");
        }
    }
    let challenge = challenge(&error);
    let body = ErrorBody { error: error.code.as_str(), error_description: error.description };
    let mut response = answer(status, &body);
    let headers = response.headers_mut();
    if let Some(seconds) = retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Some(challenge) = challenge {
        headers.insert(WWW_AUTHENTICATE, challenge);
    }
    response
}

/// RFC 6749 section 5.2 and RFC 6750 section 3: how to do it right.
fn challenge(error: &OAuthError) -> Option<HeaderValue> {
    match error.code {
        ErrorCode::InvalidClient => Some(HeaderValue::from_static("Basic realm=\"signet\"")),
        ErrorCode::InvalidToken | ErrorCode::InsufficientScope => {
            // INVARIANT: a description holds neither `"` nor `\`.
            let text = format!(
                "Bearer error=\"{}\", error_description=\"{}\"",
                error.code.as_str(),
                error.description
            );
            HeaderValue::from_str(&text).ok()
        }
        _ => None,
    }
}

/// The form of a direct request, no parameter twice.
pub(crate) fn unique_form(form: Result<FormBody, Failure>) -> Result<Pairs, OAuthError> {
    let FormBody(pairs) = form.map_err(|failure| OAuthError::invalid_request(failure.0.detail()))?;
    pairs.unique(&[]).map_err(|repeated| OAuthError::invalid_request(repeated.to_string()))
}
