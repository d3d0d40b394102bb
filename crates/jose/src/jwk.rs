//! Public JSON Web Keys (RFC 7517, 7518 and 8037) and their thumbprints (RFC 7638).

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use crate::{Algorithm, Error, Result};

/// Longest accepted `kid`, in bytes.
pub(crate) const KID_BYTES_MAX: usize = 256;

/// Sizes of an RSA modulus, in bits.
const RSA_BITS_MIN: usize = 2048;
const RSA_BITS_MAX: usize = 4096;

/// A public key as JSON Web Key, checked when it is made.
///
/// On the wire: `kty`, `crv`, `x`, `y`, `n`, `e`, `kid`, `alg` and `use`; `alg` and `use` are always written.
/// Reading refuses symmetric keys and private members, leading zeros, other curves, RSA moduli outside 2048 to
/// 4096 bits and public exponents below 65537, an `alg` that does not belong to the key type and a `use` other
/// than `sig`; it ignores members it does not know (RFC 7517, section 4). Whether a P-256 point is on its curve
/// shows when [`VerifyingKey::from_jwk`](crate::VerifyingKey::from_jwk) parses it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
pub struct Jwk {
    kid: Option<String>,
    material: PublicMaterial,
}

/// The numbers of a public key, big endian.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicMaterial {
    /// An Ed25519 public key (`kty` `OKP`, RFC 8037, section 2).
    Ed25519 {
        /// The encoded point.
        x: [u8; 32],
    },
    /// A point on P-256 (`kty` `EC`, RFC 7518, section 6.2).
    P256 {
        /// The first coordinate.
        x: [u8; 32],
        /// The second coordinate.
        y: [u8; 32],
    },
    /// An RSA public key (`kty` `RSA`, RFC 7518, section 6.3), both numbers without leading zero bytes.
    Rsa {
        /// The modulus, 2048 to 4096 bits.
        n: Vec<u8>,
        /// The public exponent, odd, from 65537 to below 2^32.
        e: Vec<u8>,
    },
}

/// A set of public keys (RFC 7517, section 5).
///
/// Reading skips keys of a type, curve, use or algorithm that this crate does not know, as the section asks, but
/// refuses the whole set if a key is malformed, weak, symmetric or holds a private member.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct JwkSet {
    /// The keys in the order of the set.
    pub keys: Vec<Jwk>,
}

/// Computes the RFC 7638 thumbprint of a key: base64url of SHA-256 over its required members, 43 characters.
pub fn thumbprint(jwk: &Jwk) -> String {
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    // Section 3: only the required members, in lexicographic order, without white space.
    let canonical = match &jwk.material {
        PublicMaterial::Ed25519 { x } => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, encode(x)),
        PublicMaterial::P256 { x, y } => {
            format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, encode(x), encode(y))
        }
        PublicMaterial::Rsa { n, e } => format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, encode(e), encode(n)),
    };
    encode(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref())
}

impl Jwk {
    /// Makes a key from its numbers and an optional identifier.
    ///
    /// Fails with [`Error::InvalidKey`] if an RSA number is out of range or the identifier is not 1 to 256
    /// visible ASCII characters.
    pub fn new(material: PublicMaterial, kid: Option<String>) -> Result<Self> {
        if let PublicMaterial::Rsa { n, e } = &material {
            check_rsa(n, e)?;
        }
        if kid.as_deref().is_some_and(|kid| !is_kid(kid)) {
            return Err(Error::InvalidKey("kid"));
        }
        Ok(Self { kid, material })
    }

    /// Returns the algorithm that the key is for; the key type alone decides it.
    pub const fn algorithm(&self) -> Algorithm {
        match self.material {
            PublicMaterial::Ed25519 { .. } => Algorithm::EdDsa,
            PublicMaterial::P256 { .. } => Algorithm::Es256,
            PublicMaterial::Rsa { .. } => Algorithm::Rs256,
        }
    }

    /// Returns the identifier, if the key carries one.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Returns the numbers of the key.
    pub const fn material(&self) -> &PublicMaterial {
        &self.material
    }

    /// Computes the key's [`thumbprint`].
    pub fn thumbprint(&self) -> String {
        thumbprint(self)
    }
}

impl<'de> Deserialize<'de> for JwkSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct WireSet {
            keys: Vec<Wire>,
        }

        let mut keys = Vec::new();
        for wire in WireSet::deserialize(deserializer)?.keys {
            match Jwk::try_from(wire) {
                Ok(jwk) => keys.push(jwk),
                Err(Error::UnsupportedKey) => {}
                Err(error) => return Err(D::Error::custom(error)),
            }
        }
        Ok(Self { keys })
    }
}

/// Tells whether an identifier is 1 to 256 visible ASCII characters.
pub(crate) fn is_kid(kid: &str) -> bool {
    (1..=KID_BYTES_MAX).contains(&kid.len()) && kid.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Checks the public numbers of an RSA key.
fn check_rsa(n: &[u8], e: &[u8]) -> Result<()> {
    // RFC 7518, section 6.3.1.1: "The value MUST NOT include leading zero octets" follows from Base64urlUInt,
    // which uses "the minimum number of octets needed to represent the value" (section 2).
    let Some(&first) = n.first().filter(|&&first| first != 0) else {
        return Err(Error::InvalidKey("n"));
    };
    let bits = (n.len() * 8).saturating_sub(first.leading_zeros() as usize);
    if !(RSA_BITS_MIN..=RSA_BITS_MAX).contains(&bits) || n.last().is_none_or(|last| last % 2 == 0) {
        return Err(Error::InvalidKey("n"));
    }
    // At most four bytes without leading zeros, so the fold cannot overflow.
    if e.len() > 4 || e.first() == Some(&0) {
        return Err(Error::InvalidKey("e"));
    }
    let exponent = e.iter().fold(0_u64, |value, &byte| (value << 8) | u64::from(byte));
    // FIPS 186-5, section A.1.1 asks for an odd exponent above 2^16.
    if exponent < 65_537 || exponent % 2 == 0 {
        return Err(Error::InvalidKey("e"));
    }
    Ok(())
}

/// The members as they stand in JSON. Names that are listed here and repeat are refused by serde.
#[derive(Serialize, Deserialize)]
struct Wire {
    kty: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    crv: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    x: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    y: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    n: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    e: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    alg: Option<String>,
    #[serde(default, rename = "use", skip_serializing_if = "Option::is_none")]
    usage: Option<String>,
    /// Stands for every private or symmetric member of RFC 7518, section 6 and of `AKP` keys; its value is never
    /// read. It runs only where such a member is present, and then always fails.
    #[serde(
        default,
        skip_serializing,
        rename = "d",
        alias = "p",
        alias = "q",
        alias = "dp",
        alias = "dq",
        alias = "qi",
        alias = "oth",
        alias = "k",
        alias = "priv",
        deserialize_with = "refuse_private"
    )]
    _private: (),
}

fn refuse_private<'de, D: Deserializer<'de>>(_: D) -> std::result::Result<(), D::Error> {
    Err(D::Error::custom(Error::PrivateKey))
}

impl TryFrom<Wire> for Jwk {
    type Error = Error;

    fn try_from(wire: Wire) -> Result<Self> {
        let material = match (wire.kty.as_str(), wire.crv.as_deref()) {
            ("oct", _) => return Err(Error::PrivateKey),
            ("OKP", Some("Ed25519")) => PublicMaterial::Ed25519 { x: decode_coordinate(wire.x, "x")? },
            ("EC", Some("P-256")) => PublicMaterial::P256 {
                x: decode_coordinate(wire.x, "x")?,
                y: decode_coordinate(wire.y, "y")?,
            },
            ("RSA", _) => PublicMaterial::Rsa { n: decode(wire.n, "n")?, e: decode(wire.e, "e")? },
            _ => return Err(Error::UnsupportedKey),
        };
        // Before the range checks: what is for another use or algorithm is not ours to judge.
        let jwk = Self { kid: None, material };
        if wire.alg.is_some_and(|alg| alg != jwk.algorithm().as_str())
            || wire.usage.is_some_and(|usage| usage != "sig")
        {
            return Err(Error::UnsupportedKey);
        }
        Self::new(jwk.material, wire.kid)
    }
}

impl From<Jwk> for Wire {
    fn from(jwk: Jwk) -> Self {
        let encode = |bytes: &[u8]| Some(URL_SAFE_NO_PAD.encode(bytes));
        let algorithm = jwk.algorithm();
        let (kty, crv, x, y, n, e) = match &jwk.material {
            PublicMaterial::Ed25519 { x } => ("OKP", Some("Ed25519"), encode(x), None, None, None),
            PublicMaterial::P256 { x, y } => ("EC", Some("P-256"), encode(x), encode(y), None, None),
            PublicMaterial::Rsa { n, e } => ("RSA", None, None, None, encode(n), encode(e)),
        };
        Self {
            kty: kty.to_owned(),
            crv: crv.map(str::to_owned),
            x,
            y,
            n,
            e,
            kid: jwk.kid,
            alg: Some(algorithm.as_str().to_owned()),
            usage: Some("sig".to_owned()),
            _private: (),
        }
    }
}

fn decode(member: Option<String>, name: &'static str) -> Result<Vec<u8>> {
    let text = member.ok_or(Error::InvalidKey(name))?;
    URL_SAFE_NO_PAD.decode(text).map_err(|_| Error::InvalidKey(name))
}

/// Decodes a number of exactly 32 bytes: RFC 7518, section 6.2.1.2 asks for "the full size of a coordinate".
fn decode_coordinate(member: Option<String>, name: &'static str) -> Result<[u8; 32]> {
    decode(member, name)?.try_into().map_err(|_| Error::InvalidKey(name))
}

#[cfg(test)]
mod tests {

    use serde_json::{Value, json};

    use super::*;

    fn ed25519() -> Value {
        json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
    }

    fn p256() -> Value {
        json!({
            "kty": "EC", "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
        })
    }

    fn rsa() -> Value {
        json!({
            "kty": "RSA", "e": "AQAB", "alg": "RS256", "kid": "2011-04-29",
            "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXj\
                  BZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqz\
                  s8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ\
                  -G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
        })
    }

    fn with(mut jwk: Value, name: &str, value: impl Into<Value>) -> Value {
        jwk[name] = value.into();
        jwk
    }

    fn read(jwk: &Value) -> std::result::Result<Jwk, String> {
        serde_json::from_value::<Jwk>(jwk.clone()).map_err(|error| error.to_string())
    }

    /// RFC 7638, section 3.1 and RFC 8037, appendix A.3. The P-256 value was computed apart from this code with
    /// Python's hashlib over the canonical form of the RFC 7515, appendix A.3 key.
    #[test]
    fn thumbprints_match_the_published_examples() {
        let thumbprint_of = |jwk: &Value| read(jwk).unwrap().thumbprint();

        assert_eq!(thumbprint_of(&rsa()), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
        assert_eq!(thumbprint_of(&ed25519()), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        assert_eq!(thumbprint_of(&p256()), "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U");
        assert_eq!(
            thumbprint_of(&with(ed25519(), "kid", "other")),
            thumbprint_of(&ed25519()),
            "only required members count"
        );
    }

    #[test]
    fn a_key_is_written_with_its_algorithm_and_use_and_reads_back() {
        for (key, alg) in [(ed25519(), "EdDSA"), (p256(), "ES256"), (rsa(), "RS256")] {
            let mut key = with(key, "kid", "a");
            let jwk = read(&key).unwrap();

            let written = serde_json::to_value(&jwk).unwrap();

            key = with(with(key, "alg", alg), "use", "sig");
            assert_eq!(written, key);
            assert_eq!(read(&written).unwrap(), jwk);
            assert_eq!(jwk.algorithm().as_str(), alg);
            assert_eq!(jwk.kid(), Some("a"));
        }
    }

    #[test]
    fn members_that_are_not_known_are_ignored() {
        let key = with(with(ed25519(), "x5t", "abc"), "key_ops", json!(["verify"]));

        assert_eq!(read(&key), read(&ed25519()));
    }

    #[test]
    fn private_members_and_symmetric_keys_are_refused_whatever_their_value() {
        for name in ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"] {
            for value in [json!("c2VjcmV0"), Value::Null, json!([]), json!(1)] {
                for key in [ed25519(), p256(), rsa()] {
                    let error = read(&with(key, name, value.clone())).unwrap_err();
                    assert!(error.contains("must be public"), "{name}: {error}");
                    assert!(!error.contains("c2VjcmV0"), "{error}");
                }
            }
        }

        assert!(read(&json!({"kty": "oct"})).unwrap_err().contains("must be public"));
        assert!(read(&json!({"kty": "oct", "k": "c2VjcmV0", "alg": "HS256"})).is_err());
    }

    #[test]
    fn malformed_weak_and_foreign_keys_are_refused() {
        let cases = [
            ("another curve", with(ed25519(), "crv", "Ed448")),
            ("another curve", with(p256(), "crv", "P-384")),
            ("a curve of the other type", with(ed25519(), "crv", "P-256")),
            ("another type", with(ed25519(), "kty", "AKP")),
            ("case matters", with(ed25519(), "kty", "okp")),
            ("an algorithm of another key type", with(ed25519(), "alg", "RS256")),
            ("another algorithm", with(rsa(), "alg", "PS256")),
            ("a symmetric algorithm", with(rsa(), "alg", "HS256")),
            ("no algorithm", with(rsa(), "alg", "none")),
            ("encryption", with(rsa(), "use", "enc")),
            ("a short point", with(ed25519(), "x", "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcH")),
            ("padding", with(ed25519(), "x", "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo=")),
            ("stray bits", with(ed25519(), "x", "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURp")),
            ("a coordinate that is no string", with(p256(), "x", 1)),
            ("no coordinate", json!({"kty": "EC", "crv": "P-256", "x": p256()["x"]})),
            ("no modulus", json!({"kty": "RSA", "e": "AQAB"})),
            ("a weak modulus", with(rsa(), "n", URL_SAFE_NO_PAD.encode([0xff; 128]))),
            ("2047 bits", with(rsa(), "n", URL_SAFE_NO_PAD.encode([0x7f; 256]))),
            ("a huge modulus", with(rsa(), "n", URL_SAFE_NO_PAD.encode([0xff; 513]))),
            ("an even modulus", with(rsa(), "n", URL_SAFE_NO_PAD.encode([0xfe; 256]))),
            (
                "a leading zero",
                with(rsa(), "n", URL_SAFE_NO_PAD.encode([[0].as_slice(), &[0xff; 256]].concat())),
            ),
            ("an empty modulus", with(rsa(), "n", "")),
            ("exponent 1", with(rsa(), "e", "AQ")),
            ("exponent 3", with(rsa(), "e", "Aw")),
            ("an even exponent", with(rsa(), "e", "AQAC")),
            ("an exponent with a leading zero", with(rsa(), "e", "AAEAAQ")),
            ("a huge exponent", with(rsa(), "e", "AQAAAAE")),
            ("no exponent", with(rsa(), "e", "")),
            ("an empty kid", with(rsa(), "kid", "")),
            ("a kid with a line break", with(rsa(), "kid", "a\nb")),
            ("a long kid", with(rsa(), "kid", "a".repeat(257))),
        ];

        for (name, key) in cases {
            assert!(read(&key).is_err(), "{name}");
        }
        let repeated =
            r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kty":"OKP"}"#;
        assert!(serde_json::from_str::<Jwk>(repeated).is_err());
    }

    #[test]
    fn a_set_skips_keys_it_does_not_know_and_refuses_private_ones() {
        let set = json!({"keys": [with(rsa(), "use", "enc"), with(p256(), "crv", "P-521"), ed25519()]});
        let read_set = serde_json::from_value::<JwkSet>(set).unwrap();
        assert_eq!(read_set.keys, [read(&ed25519()).unwrap()]);

        for bad in [with(ed25519(), "d", "AA"), json!({"kty": "oct", "k": "AA"}), with(rsa(), "e", "Aw")] {
            assert!(serde_json::from_value::<JwkSet>(json!({"keys": [ed25519(), bad]})).is_err());
        }
    }
}
