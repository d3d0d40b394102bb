//! Proof Key for Code Exchange (RFC 7636), by S256 and nothing else.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::OAuthError;

/// A `code_challenge` of method S256: base64url of 32 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge(String);

impl Challenge {
    /// Reads challenge and method of an authorization request.
    ///
    /// RFC 7636 section 4.3: without `code_challenge_method` the method is `plain`, which RFC 9700
    /// section 2.1.1 rules out. Fails with `invalid_request` (RFC 7636 section 4.4.1).
    pub fn parse(challenge: Option<&str>, method: Option<&str>) -> Result<Self, OAuthError> {
        let Some(challenge) = challenge else {
            return Err(OAuthError::invalid_request("`code_challenge` is required, by the method S256"));
        };
        if method != Some("S256") {
            return Err(OAuthError::invalid_request("`code_challenge_method` must be S256"));
        }
        match URL_SAFE_NO_PAD.decode(challenge) {
            Ok(bytes) if bytes.len() == 32 => Ok(Self(challenge.to_owned())),
            _ => Err(OAuthError::invalid_request(
                "`code_challenge` must be base64url of a SHA-256 digest, 43 characters",
            )),
        }
    }

    /// Takes a challenge that was checked before, from a row.
    pub fn from_stored(challenge: String) -> Self {
        Self(challenge)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the verifier is the one that the challenge was made from.
    pub fn is_met_by(&self, verifier: &str) -> bool {
        if !is_verifier(verifier) {
            return false;
        }
        let made = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
        verify_slices_are_equal(made.as_bytes(), self.0.as_bytes()).is_ok()
    }
}

/// RFC 7636 section 4.1: 43 to 128 characters of `[A-Za-z0-9-._~]`.
fn is_verifier(text: &str) -> bool {
    (43..=128).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
}
