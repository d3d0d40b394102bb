//! Pages that take credentials, and the redirect after them.

use axum::response::{IntoResponse, Response};
use base::Problem;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY, SET_COOKIE, VARY,
    X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::Failure;

const PAGE_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
     base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; form-action 'self'";

const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// A page rendered on the server, under the strictest policy that lets its form work.
#[derive(Debug)]
pub struct HtmlPage {
    /// The HTTP status.
    pub status: StatusCode,
    /// The whole document.
    pub body: String,
    /// Where the form's answer may redirect to besides this origin: origins (`https://app.example.com`)
    /// or private-use schemes of native apps (`com.example.app:`). Chromium blocks a redirect after a
    /// form to anywhere else. What is no origin is left out, and logged.
    pub form_action: Vec<String>,
    /// Values of `Set-Cookie`, from [`crate::cookies`].
    pub cookies: Vec<HeaderValue>,
}

impl HtmlPage {
    /// A page with status 200, without foreign form targets and cookies.
    pub fn new(body: String) -> Self {
        Self { status: StatusCode::OK, body, form_action: Vec::new(), cookies: Vec::new() }
    }
}

impl IntoResponse for HtmlPage {
    fn into_response(self) -> Response {
        let mut policy = PAGE_POLICY.to_owned();
        for target in &self.form_action {
            if is_form_target(target) {
                policy.push(' ');
                policy.push_str(target);
            } else {
                tracing::warn!(%target, "a form target is no origin and was left out");
            }
        }
        let Ok(policy) = HeaderValue::from_str(&policy) else {
            return Failure(Problem::internal("a page's policy is no header")).into_response();
        };
        let mut response = (self.status, self.body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_SECURITY_POLICY, policy);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(VARY, HeaderValue::from_static("Accept-Language, Cookie"));
        guard(headers, self.cookies);
        response
    }
}

/// Redirects with 303 and nothing else: 307 would send the password on to the target (RFC 9700 section
/// 4.12). Fails with 500 where the location cannot stand in a header.
pub fn see_other(location: &str, cookies: Vec<HeaderValue>) -> Response {
    let Ok(location) = HeaderValue::from_str(location) else {
        return Failure(Problem::internal("a redirect's location is no header")).into_response();
    };
    let mut response = StatusCode::SEE_OTHER.into_response();
    let headers = response.headers_mut();
    headers.insert(LOCATION, location);
    guard(headers, cookies);
    response
}

/// What pages and redirects share: never stored, never framed, never a referrer.
fn guard(headers: &mut HeaderMap, cookies: Vec<HeaderValue>) {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(OPENER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    for cookie in cookies {
        headers.append(SET_COOKIE, cookie);
    }
}

/// Says whether text is one source of `form-action`: `http(s)://host[:port]`, or the private-use scheme
/// of a native app, which has a dot (RFC 8252 section 7.1), followed by a colon.
pub fn is_form_target(text: &str) -> bool {
    let authority = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    if let Some(authority) = authority {
        return crate::hosts::is_authority(authority);
    }
    let Some(scheme) = text.strip_suffix(':') else { return false };
    scheme.contains('.')
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
}
