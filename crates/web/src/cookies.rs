//! Cookies: read without ambiguity, set without options that could be forgotten.

use base::Problem;
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

/// Reads a cookie. A name that is sent twice reads as absent: which of two came from us cannot be told,
/// and a neighbouring host may have planted one.
pub fn read<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut found = None;
    let pairs = headers.get_all(COOKIE).iter().flat_map(|header| header.as_bytes().split(|b| *b == b';'));
    for pair in pairs {
        // A neighbour's cookie may hold any bytes; ours never do.
        let Ok(pair) = std::str::from_utf8(pair) else { continue };
        let Some((key, value)) = pair.split_once('=') else { continue };
        if key.trim() == name && found.replace(value.trim()).is_some() {
            return None;
        }
    }
    found
}

/// Writes a `Set-Cookie` value, always `Path=/; HttpOnly; SameSite=Lax` and never with a domain.
///
/// `max_age` is in seconds; without it the cookie ends with the browser's session. `secure` comes from
/// the configured public address, never from a header. Fails as a bug with a name or a value that a
/// cookie cannot hold (RFC 6265 section 4.1.1), and with a `__Host-` or `__Secure-` name that is not
/// secure (RFC 6265bis section 4.1.3): browsers drop those.
pub fn set(name: &str, value: &str, secure: bool, max_age: Option<i64>) -> Result<HeaderValue, Problem> {
    if !is_name(name) || !value.bytes().all(is_cookie_octet) {
        return Err(Problem::internal("a cookie with a bad name or value"));
    }
    if !secure && (name.starts_with("__Host-") || name.starts_with("__Secure-")) {
        return Err(Problem::internal(format!("the cookie `{name}` must be secure")));
    }
    let mut text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax");
    if secure {
        text.push_str("; Secure");
    }
    if let Some(seconds) = max_age {
        text.push_str(&format!("; Max-Age={seconds}"));
    }
    HeaderValue::from_str(&text).map_err(|error| Problem::internal("a cookie is no header").because(error))
}

/// Writes a `Set-Cookie` value that removes the cookie.
pub fn clear(name: &str, secure: bool) -> Result<HeaderValue, Problem> {
    set(name, "", secure, Some(0))
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

fn is_cookie_octet(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\",;\\".contains(&byte)
}
