//! Signed tokens: JSON Web Keys, compact JSON Web Signatures and JSON Web Tokens over aws-lc-rs.
//!
//! Job: sign and verify with three algorithms ([`Algorithm`]) and check the registered claims. Keys are parsed
//! once, when a [`SigningKey`] or [`VerifyingKey`] is made, and each is bound to exactly one algorithm, so a
//! token can never choose how its key is used (RFC 8725, section 3.1).
//!
//! Never: reads a clock (time is an argument), does IO, follows a URL or a key found inside a token, knows
//! symmetric algorithms (`HS256`) or `none`, encrypts, prints private bytes. It does not decide which issuer,
//! audience or token type is right: the caller states all three.
//!
//! Reading order: [`Algorithm`], [`Jwk`], [`SigningKey`] and [`VerifyingKey`], [`verify_compact`],
//! [`ClaimRules`].
//!
//! ```
//! use jose::{Algorithm, ClaimRules, Rules, SigningKey, VerifyingKey, verify_compact};
//!
//! # fn main() -> Result<(), jose::Error> {
//! let signer = SigningKey::generate(Algorithm::EdDsa)?;
//! let token = signer.sign_compact("at+jwt", br#"{"iss":"https://id.example","aud":"api","exp":200}"#)?;
//!
//! let key = VerifyingKey::from_jwk(&signer.public_jwk())?;
//! let claims = verify_compact(&token, |kid| (kid == key.kid()).then_some(&key), &Rules::new("at+jwt"))?
//!     .validate(&ClaimRules { issuer: "https://id.example", audience: Some("api"), now: 100, leeway_seconds: 5 })?;
//! assert_eq!(claims.str("aud"), Some("api"));
//! # Ok(())
//! # }
//! ```

mod algorithm;
mod claims;
mod error;
mod json;
mod jwk;
mod jws;
mod keys;

pub use algorithm::{Algorithm, left_half_hash};
pub use claims::{ClaimRules, Claims};
pub use error::{Error, Result};
pub use jwk::{Jwk, JwkSet, PublicMaterial, thumbprint};
pub use jws::{Header, Rules, TOKEN_BYTES_MAX, Verified, verify_compact};
pub use keys::{SigningKey, VerifyingKey};
