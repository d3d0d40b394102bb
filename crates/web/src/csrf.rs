//! Two independent guards of forms: a token bound to the browser's cookie, and where the request is from.
//!
//! After the OWASP Cross-Site Request Forgery Prevention sheet: signed double-submit tokens (HMAC, bound
//! to the session) as the first defence, standard headers as the second. A form needs both.

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::ORIGIN;
use http::{HeaderMap, HeaderName};

use crate::page::join;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The key of form tokens.
pub struct CsrfKey(hmac::Key);

impl CsrfKey {
    /// Takes 32 secret bytes, used for nothing else, the same on every node.
    pub fn new(key: [u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, &key))
    }

    /// The token of a form: bound to the value of the session's or the pre-session's cookie, and to what
    /// the form does, so that a token of one form is worth nothing in another.
    pub fn token(&self, binding: &str, purpose: &str) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.0, &message(binding, purpose)))
    }

    /// Checks a token, in constant time. An empty binding never verifies: no cookie, no form.
    pub fn verify(&self, binding: &str, purpose: &str, token: &str) -> bool {
        let Ok(tag) = URL_SAFE_NO_PAD.decode(token) else { return false };
        !binding.is_empty() && hmac::verify(&self.0, &message(binding, purpose), &tag).is_ok()
    }
}

impl fmt::Debug for CsrfKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CsrfKey([secret])")
    }
}

fn message(binding: &str, purpose: &str) -> Vec<u8> {
    join(&["signet form token 1", binding, purpose])
}

/// Says whether a request that changes something came from a page of `expected_origin`, like
/// `https://id.example.com`: no default port, no slash at the end, lower case.
///
/// - `Sec-Fetch-Site` (W3C Fetch Metadata), where sent, must be exactly `same-origin`; `Origin` must then
///   be absent, `null` or the expected one. `null` is what browsers send from pages under
///   `Referrer-Policy: no-referrer`, as ours are (WHATWG Fetch, "append a request Origin header").
/// - Without it, `Origin` must be there and be the expected one.
/// - With neither, the answer is no: OWASP recommends to block. A client that is no browser sends `Origin`.
/// - A header that is sent twice is refused.
pub fn same_origin(headers: &HeaderMap, expected_origin: &str) -> bool {
    let (Ok(site), Ok(origin)) = (single(headers, &SEC_FETCH_SITE), single(headers, &ORIGIN)) else {
        return false;
    };
    match (site, origin) {
        (Some(site), origin) => {
            site == "same-origin" && origin.is_none_or(|origin| origin == "null" || origin == expected_origin)
        }
        (None, Some(origin)) => origin == expected_origin,
        (None, None) => false,
    }
}

/// The one value of a header, if any; an error where it is repeated or no text.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ()> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| ()),
        (Some(_), Some(_)) => Err(()),
    }
}
