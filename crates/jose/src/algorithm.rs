//! The allow-list of signature algorithms, and the OpenID Connect half hash that follows from each.

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// A signature algorithm by its JOSE name.
///
/// The enum is the allow-list: `none`, `HS256` and everything else cannot be expressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Algorithm {
    /// Ed25519 under the name `EdDSA` (RFC 8037, section 3.1). Ed448 shares the name but is not supported.
    #[serde(rename = "EdDSA")]
    EdDsa,
    /// ECDSA on P-256 with SHA-256, signature as `r || s` in 64 bytes (RFC 7518, section 3.4).
    #[serde(rename = "ES256")]
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256, keys of 2048 to 4096 bits (RFC 7518, section 3.3).
    #[serde(rename = "RS256")]
    Rs256,
}

impl Algorithm {
    /// All algorithms, in the order of preference.
    pub const ALL: &'static [Self] = &[Self::EdDsa, Self::Es256, Self::Rs256];

    /// Returns the name as it stands in `alg`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }

    /// Reads a name as it stands in `alg`; case matters (RFC 7515, section 4.1.1).
    ///
    /// Fails with [`Error::UnsupportedAlgorithm`] for any other name.
    pub fn parse(name: &str) -> Result<Self> {
        match name {
            "EdDSA" => Ok(Self::EdDsa),
            "ES256" => Ok(Self::Es256),
            "RS256" => Ok(Self::Rs256),
            _ => Err(Error::UnsupportedAlgorithm),
        }
    }
}

/// Computes `at_hash` or `c_hash`: base64url of the left half of a hash of `value`
/// (OpenID Connect Core 1.0, sections 3.1.3.6 and 3.3.2.11).
///
/// The hash is "the hash algorithm used in the `alg` Header Parameter of the ID Token's JOSE Header": SHA-256
/// for ES256 and RS256. `EdDSA` names no hash; Ed25519 uses SHA-512 inside, and so do relying parties (npm
/// `oauth4webapi` 3, below `openid-client`, maps `EdDSA` to SHA-512).
pub fn left_half_hash(algorithm: Algorithm, value: &str) -> String {
    let hash = match algorithm {
        Algorithm::EdDsa => &digest::SHA512,
        Algorithm::Es256 | Algorithm::Rs256 => &digest::SHA256,
    };
    let digest = digest::digest(hash, value.as_bytes());
    let (left, _) = digest.as_ref().split_at(hash.output_len() / 2);
    URL_SAFE_NO_PAD.encode(left)
}

#[cfg(test)]
mod tests {

    use super::*;

    #[test]
    fn only_the_three_exact_names_are_algorithms() {
        for &algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::parse(algorithm.as_str()), Ok(algorithm));
            assert_eq!(serde_json::to_value(algorithm).unwrap(), algorithm.as_str());
        }

        for name in
            ["none", "None", "NONE", "", "HS256", "RS512", "PS256", "ES384", "eddsa", "EdDSA ", "Ed25519"]
        {
            assert_eq!(Algorithm::parse(name), Err(Error::UnsupportedAlgorithm), "{name}");
            assert!(serde_json::from_value::<Algorithm>(name.into()).is_err(), "{name}");
        }
    }

    /// The SHA-256 value is that of OpenID Connect Core 1.0, appendix A.3 (`at_hash`) and A.4 (`c_hash`).
    #[test]
    fn half_hashes_match_the_openid_connect_examples() {
        let access_token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
        assert_eq!(left_half_hash(Algorithm::Rs256, access_token), "77QmUPtjPfzWtF2AnpK9RQ");
        assert_eq!(left_half_hash(Algorithm::Es256, access_token), "77QmUPtjPfzWtF2AnpK9RQ");

        let code = "Qcb0Orv1zh30vL1MPRsbm-diHiMwcLyZvn1arpZv-Jxf_11jnpEX3Tgfvk";
        assert_eq!(left_half_hash(Algorithm::Rs256, code), "LDktKdoQak3Pk0cnXxCltA");
    }

    #[test]
    fn the_eddsa_half_hash_is_32_bytes_of_sha_512() {
        // SHA-512 of "abc" begins ddaf35a193617aba cc417349ae204131 12e6fa4e89a97ea2 0a9eeee64b55d39a (FIPS 180-4).
        let left = [
            0xdd, 0xaf, 0x35, 0xa1, 0x93, 0x61, 0x7a, 0xba, 0xcc, 0x41, 0x73, 0x49, 0xae, 0x20, 0x41, 0x31,
            0x12, 0xe6, 0xfa, 0x4e, 0x89, 0xa9, 0x7e, 0xa2, 0x0a, 0x9e, 0xee, 0xe6, 0x4b, 0x55, 0xd3, 0x9a,
        ];

        assert_eq!(URL_SAFE_NO_PAD.decode(left_half_hash(Algorithm::EdDsa, "abc")).unwrap(), left);
    }
}
