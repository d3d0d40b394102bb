//! Verification of compact JSON Web Signatures (RFC 7515) whose payload is a set of claims.

use std::borrow::Borrow;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use crate::{Algorithm, ClaimRules, Claims, Error, Result, VerifyingKey, json::parse_object, jwk::is_kid};

/// Longest token, in bytes, that is signed or looked at.
pub const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// Header members that are refused outright: they bring a key of the sender's choice (`jku`, `jwk`, `x5u`,
/// `x5c`), or change how the token must be read (`crit`, and RFC 7797's `b64`).
const FORBIDDEN_HEADERS: [&str; 6] = ["jku", "jwk", "x5u", "x5c", "crit", "b64"];

/// What the caller expects of a token's header.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// The token type, required in `typ`: explicit typing keeps one kind of token from passing for another
    /// (RFC 8725, section 3.11). Compared without case and without an `application/` prefix on either side.
    pub typ: &'a str,
    /// The algorithms that are acceptable here.
    pub algorithms: &'a [Algorithm],
}

impl<'a> Rules<'a> {
    /// Expects the type `typ` and accepts every algorithm of the crate.
    pub const fn new(typ: &'a str) -> Self {
        Self { typ, algorithms: Algorithm::ALL }
    }
}

/// The header of a verified token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The algorithm, equal to that of the key.
    pub algorithm: Algorithm,
    /// The identifier of the key.
    pub kid: String,
    /// The type as it stands in the token.
    pub typ: String,
}

/// A token whose signature is good. Its claims still need [`Verified::validate`].
#[derive(Clone, Debug)]
#[must_use = "the claims of a verified token have not been validated yet"]
pub struct Verified {
    header: Header,
    claims: Map<String, Value>,
}

impl Verified {
    /// Returns the header.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Checks issuer, audience and times, and hands over the claims.
    ///
    /// Fails with the first of [`Error::InvalidClaim`], [`Error::WrongIssuer`], [`Error::WrongAudience`],
    /// [`Error::Expired`] and [`Error::NotYetValid`] that applies.
    pub fn validate(self, rules: &ClaimRules<'_>) -> Result<Claims> {
        rules.check(&self.claims)?;
        Ok(Claims::new(self.claims))
    }

    /// Hands over the claims without any check of issuer, audience or time.
    ///
    /// For the few places where an expired token is still a hint, such as `id_token_hint` at logout (OpenID
    /// Connect RP-Initiated Logout 1.0, section 2).
    pub fn into_unvalidated_claims(self) -> Claims {
        Claims::new(self.claims)
    }
}

/// Verifies a compact JWS and returns its header and claims.
///
/// `find_key` answers a `kid` with a key of the issuer that the caller trusts, borrowed or shared; the `kid` comes
/// from the sender (1 to 256 visible ASCII characters) and must be used for an exact match only.
///
/// Fails, in this order, with [`Error::TooLong`], [`Error::Segments`], [`Error::Encoding`] and [`Error::Json`] of
/// the header, [`Error::ForbiddenHeader`], [`Error::InvalidHeader`], [`Error::UnsupportedAlgorithm`],
/// [`Error::WrongType`], [`Error::UnknownKey`], [`Error::AlgorithmMismatch`], [`Error::BadSignature`]. The payload
/// is read only once its signature is good, and must be a JSON object without repeated names.
pub fn verify_compact<K: Borrow<VerifyingKey>>(
    token: &str,
    find_key: impl FnOnce(&str) -> Option<K>,
    rules: &Rules<'_>,
) -> Result<Verified> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(Error::TooLong);
    }
    let (signing_input, signature) = token.rsplit_once('.').ok_or(Error::Segments)?;
    let (header, payload) = signing_input.split_once('.').ok_or(Error::Segments)?;
    if payload.contains('.') {
        return Err(Error::Segments);
    }

    let header = read_header(header)?;
    if !same_type(&header.typ, rules.typ) {
        return Err(Error::WrongType);
    }
    let key = find_key(&header.kid).ok_or(Error::UnknownKey)?;
    let key: &VerifyingKey = key.borrow();
    // RFC 8725, section 3.1: "each key MUST be used with exactly one algorithm, and this MUST be checked when
    // the cryptographic operation is performed".
    if header.algorithm != key.algorithm() || !rules.algorithms.contains(&header.algorithm) {
        return Err(Error::AlgorithmMismatch);
    }
    let signature = decode(signature, "signature")?;
    key.verify(signing_input.as_bytes(), &signature)?;

    let claims = parse_object(&decode(payload, "payload")?).ok_or(Error::Json("payload"))?;
    Ok(Verified { header, claims })
}

fn read_header(segment: &str) -> Result<Header> {
    let members = parse_object(&decode(segment, "header")?).ok_or(Error::Json("header"))?;
    if let Some(name) = FORBIDDEN_HEADERS.into_iter().find(|&name| members.contains_key(name)) {
        return Err(Error::ForbiddenHeader(name));
    }
    let text = |name| members.get(name).and_then(Value::as_str).ok_or(Error::InvalidHeader(name));
    let algorithm = Algorithm::parse(text("alg")?)?;
    let kid = text("kid")?;
    if !is_kid(kid) {
        return Err(Error::InvalidHeader("kid"));
    }
    Ok(Header { algorithm, kid: kid.to_owned(), typ: text("typ")?.to_owned() })
}

/// Compares media types as RFC 7515, section 4.1.9 and RFC 8725, section 3.11 ask.
fn same_type(actual: &str, expected: &str) -> bool {
    let strip = |typ| -> &str {
        const PREFIX: &str = "application/";
        match str::split_at_checked(typ, PREFIX.len()) {
            Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) => rest,
            _ => typ,
        }
    };
    strip(actual).eq_ignore_ascii_case(strip(expected))
}

fn decode(segment: &str, name: &'static str) -> Result<Vec<u8>> {
    // This engine refuses padding, white space, the other alphabet and stray bits at the end.
    URL_SAFE_NO_PAD.decode(segment).map_err(|_| Error::Encoding(name))
}
