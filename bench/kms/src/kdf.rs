//! What the files of the product use of their crate's root. Keys are expanded before the clock runs.

use aws_lc_rs::hmac;
use base::Secret;

pub type Result<T> = std::result::Result<T, Error>;

#[derive(Debug, thiserror::Error)]
#[error("{self:?}")]
pub enum Error {
    BadRing,
    InvalidCiphertext,
    InvalidKeyVersion,
    EncryptionFailed,
    TooLong { what: &'static str, limit: usize },
}

/// HKDF-Extract (RFC 5869).
pub(crate) fn extract(salt: &hmac::Key, input: &[u8]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(salt, input).as_ref())
}

/// HKDF-Expand to 32 bytes.
pub(crate) fn expand(extracted: &hmac::Key, info: &[u8]) -> Secret<[u8; 32]> {
    let tag = hmac::sign(extracted, &[info, &[1]].concat());
    Secret::new(tag.as_ref().try_into().unwrap_or_default())
}

/// Each text after its length.
pub(crate) fn join(parts: &[&str]) -> Vec<u8> {
    parts.iter().flat_map(|part| (part.len() as u32).to_be_bytes().into_iter().chain(part.bytes())).collect()
}
