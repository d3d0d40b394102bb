//! Keys ready for use: parsed once, bound to one algorithm, shared freely between threads.

use std::fmt;

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        self, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, ParsedPublicKey,
        RsaKeyPair, RsaPublicKeyComponents,
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::{Algorithm, Error, Jwk, PublicMaterial, Result, TOKEN_BYTES_MAX, jwk::is_kid};

/// Longest signature: an RSA modulus of 4096 bits.
const SIGNATURE_BYTES_MAX: usize = 512;

/// A private key with its identifier and its header segments, ready to sign.
///
/// The private bytes live inside aws-lc, which wipes them when the key is dropped; `Debug` shows the algorithm
/// and the identifier only.
pub struct SigningKey {
    pair: Pair,
    jwk: Jwk,
    kid: String,
    /// `BASE64URL(header) || '.'` for the two types that every token endpoint signs.
    access_token_prefix: String,
    jwt_prefix: String,
}

enum Pair {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

/// A public key ready to verify with the one algorithm that it is bound to.
pub struct VerifyingKey {
    key: ParsedPublicKey,
    algorithm: Algorithm,
    kid: String,
}

impl SigningKey {
    /// Makes a new key whose identifier is its RFC 7638 thumbprint. RSA keys have 2048 bits.
    ///
    /// Ed25519 and P-256 take microseconds; RSA takes some hundred milliseconds of CPU, so an async caller runs it
    /// on a blocking thread. Fails with [`Error::Generation`].
    pub fn generate(algorithm: Algorithm) -> Result<Self> {
        let pair = match algorithm {
            Algorithm::EdDsa => Ed25519KeyPair::generate().map(Pair::Ed25519),
            Algorithm::Es256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map(Pair::P256),
            Algorithm::Rs256 => RsaKeyPair::generate(KeySize::Rsa2048).map(Pair::Rsa),
        };
        Self::new(pair.map_err(|_| Error::Generation)?, None)
    }

    /// Reads an unencrypted PKCS#8 private key (RFC 5958) and gives it the stated identifier.
    ///
    /// Fails with [`Error::InvalidKey`] if the bytes are not a key for `algorithm`, if an RSA key is outside the
    /// limits of [`Jwk`], or if `kid` is not 1 to 256 visible ASCII characters.
    pub fn from_pkcs8(algorithm: Algorithm, kid: String, pkcs8: &[u8]) -> Result<Self> {
        let pair = match algorithm {
            Algorithm::EdDsa => Ed25519KeyPair::from_pkcs8(pkcs8).map(Pair::Ed25519),
            Algorithm::Es256 => {
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).map(Pair::P256)
            }
            Algorithm::Rs256 => RsaKeyPair::from_pkcs8(pkcs8).map(Pair::Rsa),
        };
        Self::new(pair.map_err(|_| Error::InvalidKey("pkcs8"))?, Some(kid))
    }

    fn new(pair: Pair, kid: Option<String>) -> Result<Self> {
        let material = pair.public_material()?;
        let kid = match kid {
            Some(kid) => kid,
            None => Jwk::new(material.clone(), None)?.thumbprint(),
        };
        let jwk = Jwk::new(material, Some(kid.clone()))?;
        let algorithm = jwk.algorithm();
        Ok(Self {
            access_token_prefix: header_prefix(algorithm, &kid, "at+jwt")?,
            jwt_prefix: header_prefix(algorithm, &kid, "JWT")?,
            pair,
            jwk,
            kid,
        })
    }

    /// Serialises the private key as unencrypted PKCS#8, version 1, in a buffer that is wiped when dropped.
    ///
    /// For sealing at rest only. Fails with [`Error::Signing`].
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>> {
        let copy = |der: &[u8]| Zeroizing::new(der.to_vec());
        match &self.pair {
            Pair::Ed25519(pair) => pair.to_pkcs8v1().map(|der| copy(der.as_ref())),
            Pair::P256(pair) => pair.to_pkcs8v1().map(|der| copy(der.as_ref())),
            Pair::Rsa(pair) => AsDer::<Pkcs8V1Der<'_>>::as_der(pair).map(|der| copy(der.as_ref())),
        }
        .map_err(|_| Error::Signing)
    }

    /// Returns the identifier: the RFC 7638 thumbprint for a generated key, the stated one for a read key.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Returns the algorithm that the key signs with.
    pub const fn algorithm(&self) -> Algorithm {
        self.jwk.algorithm()
    }

    /// Returns the public half, with `kid`, for a key set.
    pub fn public_jwk(&self) -> Jwk {
        self.jwk.clone()
    }

    /// Signs a payload as compact JWS with the header `{"alg","kid","typ"}` (RFC 7515, section 3.1).
    ///
    /// `header_typ` is `at+jwt`, `JWT` or any other media type name; the first two cost nothing, others build
    /// their header on each call. The payload is signed as given: that it is a JSON object is the caller's part.
    /// Fails with [`Error::TooLong`] if the token would exceed [`TOKEN_BYTES_MAX`], which no verifier of this
    /// crate accepts, and with [`Error::Signing`].
    pub fn sign_compact(&self, header_typ: &str, payload_json: &[u8]) -> Result<String> {
        let built;
        let prefix = match header_typ {
            "at+jwt" => &self.access_token_prefix,
            "JWT" => &self.jwt_prefix,
            other => {
                built = header_prefix(self.algorithm(), &self.kid, other)?;
                &built
            }
        };
        let mut buffer = [0; SIGNATURE_BYTES_MAX];
        let capacity = prefix.len() + encoded_len(payload_json.len()) + 1 + encoded_len(self.signature_len());
        if capacity > TOKEN_BYTES_MAX {
            return Err(Error::TooLong);
        }

        let mut token = String::with_capacity(capacity);
        token.push_str(prefix);
        URL_SAFE_NO_PAD.encode_string(payload_json, &mut token);
        let signature = self.sign(token.as_bytes(), &mut buffer)?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    fn signature_len(&self) -> usize {
        match self.jwk.material() {
            PublicMaterial::Ed25519 { .. } | PublicMaterial::P256 { .. } => 64,
            PublicMaterial::Rsa { n, .. } => n.len(),
        }
    }

    /// Signs `input` into `buffer` and returns the part that holds the signature.
    fn sign<'b>(&self, input: &[u8], buffer: &'b mut [u8; SIGNATURE_BYTES_MAX]) -> Result<&'b [u8]> {
        // aws-lc takes its randomness itself; the argument exists for compatibility with ring.
        let random = SystemRandom::new();
        let short = match &self.pair {
            Pair::Ed25519(pair) => pair.try_sign(input),
            Pair::P256(pair) => pair.sign(&random, input),
            Pair::Rsa(pair) => {
                let out = buffer.get_mut(..self.signature_len()).ok_or(Error::Signing)?;
                pair.sign(&signature::RSA_PKCS1_SHA256, &random, input, out).map_err(|_| Error::Signing)?;
                return Ok(out);
            }
        }
        .map_err(|_| Error::Signing)?;
        let out = buffer.get_mut(..short.as_ref().len()).ok_or(Error::Signing)?;
        out.copy_from_slice(short.as_ref());
        Ok(out)
    }
}

impl Pair {
    fn public_material(&self) -> Result<PublicMaterial> {
        let invalid = |_| Error::InvalidKey("public key");
        Ok(match self {
            Self::Ed25519(pair) => {
                PublicMaterial::Ed25519 { x: pair.public_key().as_ref().try_into().map_err(invalid)? }
            }
            Self::P256(pair) => {
                // SEC 1, section 2.3.3: an uncompressed point is 0x04 || x || y.
                let point: &[u8; 65] = pair.public_key().as_ref().try_into().map_err(invalid)?;
                let (_, coordinates) = point.split_at(1);
                let (x, y) = coordinates.split_at(32);
                PublicMaterial::P256 { x: x.try_into().map_err(invalid)?, y: y.try_into().map_err(invalid)? }
            }
            Self::Rsa(pair) => {
                let public = pair.public_key();
                PublicMaterial::Rsa {
                    n: public.modulus().big_endian_without_leading_zero().to_vec(),
                    e: public.exponent().big_endian_without_leading_zero().to_vec(),
                }
            }
        })
    }
}

impl VerifyingKey {
    /// Parses a public key for repeated use.
    ///
    /// Its identifier is the key's `kid`, or else its thumbprint. Fails with [`Error::InvalidKey`] if aws-lc
    /// refuses the numbers, for one because a point is not on its curve.
    pub fn from_jwk(jwk: &Jwk) -> Result<Self> {
        let parsed = match jwk.material() {
            PublicMaterial::Ed25519 { x } => ParsedPublicKey::new(&signature::ED25519, x),
            PublicMaterial::P256 { x, y } => {
                ParsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, [&[4], x.as_slice(), y].concat())
            }
            PublicMaterial::Rsa { n, e } => {
                RsaPublicKeyComponents { n, e }.to_parsed_public_key(&signature::RSA_PKCS1_2048_8192_SHA256)
            }
        };
        Ok(Self {
            key: parsed.map_err(|_| Error::InvalidKey("public key"))?,
            algorithm: jwk.algorithm(),
            kid: jwk.kid().map_or_else(|| jwk.thumbprint(), str::to_owned),
        })
    }

    /// Returns the identifier to look the key up by.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Returns the one algorithm that the key verifies.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Verifies a signature over `input` (RFC 7515, section 5.2, step 8).
    ///
    /// Fails with [`Error::BadSignature`]. Tokens go through [`verify_compact`](crate::verify_compact), which
    /// checks the header as well.
    pub fn verify(&self, input: &[u8], signature: &[u8]) -> Result<()> {
        self.key.verify_sig(input, signature).map_err(|_| Error::BadSignature)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("algorithm", &self.algorithm())
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey")
            .field("algorithm", &self.algorithm)
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

/// Builds `BASE64URL(header) || '.'`.
fn header_prefix(algorithm: Algorithm, kid: &str, typ: &str) -> Result<String> {
    #[derive(Serialize)]
    struct Header<'a> {
        alg: Algorithm,
        kid: &'a str,
        typ: &'a str,
    }

    if !is_kid(kid) {
        return Err(Error::InvalidKey("kid"));
    }
    let json = serde_json::to_vec(&Header { alg: algorithm, kid, typ }).map_err(|_| Error::Signing)?;
    let mut prefix = URL_SAFE_NO_PAD.encode(json);
    prefix.push('.');
    Ok(prefix)
}

/// Length of base64url without padding.
const fn encoded_len(bytes: usize) -> usize {
    bytes.saturating_mul(4).div_ceil(3)
}

#[cfg(test)]
mod tests;
