//! The one error type of the crate.

/// A result whose error is [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Why a key or a token was refused.
///
/// Carries no bytes of the key or token, so that it is safe to log. Everything from [`Error::TooLong`] on means
/// "this token is not acceptable"; callers answer all of those alike (`invalid_token`, RFC 6750, section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The algorithm name is not one of the three of [`Algorithm`](crate::Algorithm).
    #[error("algorithm must be `EdDSA`, `ES256` or `RS256`")]
    UnsupportedAlgorithm,
    /// The cryptographic library could not make a key.
    #[error("key generation failed")]
    Generation,
    /// The cryptographic library could not sign, or could not serialise the key.
    #[error("private key operation failed")]
    Signing,
    /// The key is malformed or too weak; the text names the part.
    #[error("key is not valid: {0}")]
    InvalidKey(&'static str),
    /// The key is well formed, but of a type, curve, use or algorithm that this crate does not know.
    #[error("key type, curve, use or algorithm is not supported")]
    UnsupportedKey,
    /// A key that must be public is symmetric or holds a private member.
    #[error("key must be public, but is symmetric or holds a private member")]
    PrivateKey,
    /// The token exceeds [`TOKEN_BYTES_MAX`](crate::TOKEN_BYTES_MAX).
    #[error("token must not exceed 16384 bytes")]
    TooLong,
    /// The token does not have three segments separated by dots.
    #[error("token must have exactly three segments")]
    Segments,
    /// The named segment is not base64url, or has padding, white space or stray bits.
    #[error("token {0} must be base64url without padding")]
    Encoding(&'static str),
    /// The named segment is not JSON, not an object, or repeats a member name at some depth.
    #[error("token {0} must be a JSON object without repeated member names")]
    Json(&'static str),
    /// The header holds a member that could bring its own key or change the meaning of the token.
    #[error("token header member `{0}` is not accepted")]
    ForbiddenHeader(&'static str),
    /// The named header member is absent or not an acceptable string.
    #[error("token header member `{0}` is missing or malformed")]
    InvalidHeader(&'static str),
    /// The header's `typ` is not the one the caller expects.
    #[error("token has a different type than expected")]
    WrongType,
    /// The look-up knows no key by the header's `kid`.
    #[error("token is signed with an unknown key")]
    UnknownKey,
    /// The header's `alg` is not the algorithm that its key is bound to, or not in the caller's list.
    #[error("token algorithm does not match its key")]
    AlgorithmMismatch,
    /// The signature does not verify.
    #[error("token signature is not valid")]
    BadSignature,
    /// The named claim is absent though required, or has the wrong JSON type or range.
    #[error("claim `{0}` is missing or malformed")]
    InvalidClaim(&'static str),
    /// `iss` differs from the expected issuer.
    #[error("token has a different issuer than expected")]
    WrongIssuer,
    /// `aud` does not contain the expected audience.
    #[error("token is meant for a different audience")]
    WrongAudience,
    /// `exp` has passed.
    #[error("token has expired")]
    Expired,
    /// `nbf` has not come yet, or `iat` lies in the future.
    #[error("token is not valid yet")]
    NotYetValid,
}
