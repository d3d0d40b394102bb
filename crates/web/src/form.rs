//! Form bodies and query strings as ordered pairs, decoded strictly, for protocol endpoints.
//!
//! OAuth says that parameters must not be repeated and that an empty one counts as absent; the caller
//! chooses the wire form of the refusal: take `Result<FormBody, Failure>` and map it.

use axum::extract::{FromRequest, Request};
use base::{Kind, Problem};

use crate::Failure;
use crate::body::{media_type_is, read};

/// The largest form, in bytes.
pub const FORM_BYTES_MAX: usize = 64 * 1024;

/// The most parameters in one form or query.
pub const PAIRS_MAX: usize = 200;

/// Why a form or a query string cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadForm {
    /// A `%` without two hexadecimal digits after it.
    #[error("a `%` must be followed by two hexadecimal digits")]
    Percent,
    /// The decoded bytes are no UTF-8.
    #[error("a name or a value is not UTF-8")]
    NotUtf8,
    /// More than [`PAIRS_MAX`] pairs.
    #[error("at most 200 parameters are taken")]
    TooMany,
}

/// A parameter was given more than once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the parameter `{name}` is given more than once")]
pub struct Repeated {
    /// The parameter's name as sent.
    pub name: String,
}

/// Parameters in the order they were sent.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Pairs(Vec<(String, String)>);

impl Pairs {
    /// Decodes `application/x-www-form-urlencoded` text. Fails with [`BadForm`].
    pub fn parse(bytes: &[u8]) -> Result<Self, BadForm> {
        form_pairs(bytes).map(Self)
    }

    /// Decodes the query of an address; no query is no parameters.
    pub fn of_query(uri: &http::Uri) -> Result<Self, BadForm> {
        Self::parse(uri.query().unwrap_or_default().as_bytes())
    }

    /// Refuses a parameter that is given twice, but for those named, like `resource` of RFC 8707.
    ///
    /// RFC 6749 section 3.1: "Request and response parameters MUST NOT be included more than once."
    pub fn unique(self, repeatable: &[&str]) -> Result<Self, Repeated> {
        let mut seen = std::collections::HashSet::with_capacity(self.0.len());
        for (name, _) in &self.0 {
            if !seen.insert(name.as_str()) && !repeatable.contains(&name.as_str()) {
                return Err(Repeated { name: name.chars().take(64).collect() });
            }
        }
        Ok(self)
    }

    /// The first value of a parameter. An empty one is absent: RFC 6749 section 3.1, "Parameters sent
    /// without a value MUST be treated as if they were omitted from the request."
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(key, value)| *key == name && !value.is_empty()).map(|(_, value)| value)
    }

    /// Every non-empty value of a parameter that may be repeated.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.iter().filter(move |(key, value)| *key == name && !value.is_empty()).map(|(_, value)| value)
    }

    /// Every pair in the order sent, also empty ones.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// How many pairs there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Says whether there is no pair at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::fmt::Debug for Pairs {
    /// Prints the names only: values may be passwords and codes.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// Decodes `application/x-www-form-urlencoded` bytes into pairs, in order (WHATWG URL section 5.1, but
/// strict: a stray `%` and bytes that are no UTF-8 are errors, not replaced).
pub fn form_pairs(bytes: &[u8]) -> Result<Vec<(String, String)>, BadForm> {
    let mut pairs = Vec::new();
    for piece in bytes.split(|b| *b == b'&').filter(|piece| !piece.is_empty()) {
        if pairs.len() == PAIRS_MAX {
            return Err(BadForm::TooMany);
        }
        let mut halves = piece.splitn(2, |b| *b == b'=');
        let name = decode(halves.next().unwrap_or_default())?;
        let value = decode(halves.next().unwrap_or_default())?;
        pairs.push((name, value));
    }
    Ok(pairs)
}

fn decode(text: &[u8]) -> Result<String, BadForm> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => hex(rest.next())? * 16 + hex(rest.next())?,
            other => *other,
        });
    }
    String::from_utf8(bytes).map_err(|_| BadForm::NotUtf8)
}

fn hex(digit: Option<&u8>) -> Result<u8, BadForm> {
    match digit {
        Some(d @ b'0'..=b'9') => Ok(d - b'0'),
        Some(d @ b'a'..=b'f') => Ok(d - b'a' + 10),
        Some(d @ b'A'..=b'F') => Ok(d - b'A' + 10),
        _ => Err(BadForm::Percent),
    }
}

/// A form body of at most [`FORM_BYTES_MAX`] bytes. Fails with 415, 413 or 400 `malformed_form`.
#[derive(Debug)]
pub struct FormBody(pub Pairs);

impl<S: Send + Sync> FromRequest<S> for FormBody {
    type Rejection = Failure;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Failure> {
        if !media_type_is(request.headers(), &["application/x-www-form-urlencoded"]) {
            return Err(Failure::new(
                Kind::UnsupportedMedia,
                "unsupported_media_type",
                "send the body as `application/x-www-form-urlencoded`",
            ));
        }
        let bytes = read(request, FORM_BYTES_MAX).await?;
        let pairs = Pairs::parse(&bytes)
            .map_err(|error| Problem::new(Kind::Malformed, "malformed_form", error.to_string()))?;
        Ok(Self(pairs))
    }
}
