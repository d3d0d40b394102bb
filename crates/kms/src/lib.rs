//! Root keys, sealing and keyed digests: what keeps secrets from resting in clear.
//!
//! One root key of 256 bits is given by the operator or, on SQLite only, made at the first start in a file
//! outside the data directory. Every other key follows from it by HKDF-SHA-256 (RFC 5869) under a label of
//! its own. A check value of the root is stored in `key_checks`: a node with another root does not start.
//!
//! Key rings ([`rings`]) hold data keys that do not follow from the root: random ones, each wrapped by the key of
//! its tenant, which the root wraps and which rests outside the database ([`keystore`]).
//!
//! # Sealed format
//!
//! | bytes | meaning |
//! |---|---|
//! | 3 | the magic `sgt` |
//! | 1 | format, `1` |
//! | 1 | algorithm, `1` for AES-256-GCM |
//! | 4 | version of the ring's key, big-endian, `1` today |
//! | 1 | length of the ring's name, 1 to 64 |
//! | n | the ring's name, `[a-z0-9_-]` |
//! | 12 | nonce, random |
//! | rest | ciphertext and a tag of 16 bytes |
//!
//! Associated data is all that stands before the nonce, followed by each part of the identity after its
//! length in four bytes: what was sealed for one row opens for no other, and no byte can change.
//!
//! Never: tokens, users; reading the environment.
//!
//! Reading order: [`Kms`], [`root`], [`sealed`]; [`algorithm`], [`cipher`], [`envelope`]; [`keystore`], [`rings`],
//! [`live`].

pub mod algorithm;
mod check;
pub mod cipher;
pub mod envelope;
mod error;
pub mod keystore;
pub mod live;
pub mod operations;
pub mod rings;
pub mod root;
pub mod sealed;
mod wrap;

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use authz::Core;
use aws_lc_rs::hmac;
use base::Secret;
use keystore::KeyStore;
use live::Live;
use utoipa_axum::router::OpenApiRouter;

pub use algorithm::Algorithm;
pub use error::{Error, Result};
pub use keystore::{KeyDirectory, KeyStoreSource};
pub use rings::{KeyVersion, NewRing, Ring, RingChange};
pub use root::{KeyFile, RootKeySource};

/// The salt that separates our keys from other uses of the same root.
const EXTRACT_SALT: &[u8] = b"signet root key 1";

/// Seals, unseals, digests and derives. Cheap to clone.
#[derive(Clone)]
pub struct Kms(Arc<Keys>);

struct Keys {
    /// The pseudo-random key of RFC 5869 section 2.2.
    extracted: hmac::Key,
    /// Keys of digests by purpose. Purposes are `&'static str`, so their number is bounded by the code.
    digests: RwLock<HashMap<&'static str, hmac::Key>>,
    key_store: KeyStore,
    live: Live,
}

impl Kms {
    /// Finds the root key and holds it against the stored check value, which the first start stores. Tenant keys are
    /// kept in the main database itself: see [`Kms::open_with`].
    ///
    /// Fails with [`Error::NotGiven`] on PostgreSQL without a key, with [`Error::FileRefused`] and
    /// [`Error::FileMissing`] for a file, with [`Error::Malformed`] for what is no key, and with
    /// [`Error::WrongRoot`] if the data was sealed under another root.
    pub async fn open(core: &Core, source: RootKeySource) -> Result<Self> {
        Self::open_with(core, source, KeyStoreSource::SameDatabase).await
    }

    /// Does as [`Kms::open`], with tenant keys kept there.
    ///
    /// Fails like [`Kms::open`], with [`Error::FileRefused`] for a directory that is not safe to use, and with
    /// [`Error::Store`] for a database.
    pub async fn open_with(core: &Core, source: RootKeySource, keys: KeyStoreSource) -> Result<Self> {
        check::open(core, source, keys).await
    }

    /// Begins with these 32 bytes.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn from_root(root: &[u8; 32]) -> Self {
        Self::with_store(root, KeyStore::SameDatabase)
    }

    /// Begins with these 32 bytes, and tenant keys kept there.
    pub(crate) fn with_store(root: &[u8; 32], key_store: KeyStore) -> Self {
        let salt = hmac::Key::new(hmac::HMAC_SHA256, EXTRACT_SALT);
        let extracted = extract(&salt, root);
        Self(Arc::new(Keys { extracted, digests: RwLock::new(HashMap::new()), key_store, live: Live::new() }))
    }

    /// Seals bytes for one place: the ring says what kind of secret it is, the identity names the row
    /// (table, id and whatever must not be exchanged).
    ///
    /// Fails with [`Error::BadRing`] if the ring is not 1 to 64 of `[a-z0-9_-]`.
    pub fn seal(&self, ring: &str, identity: &[&str], plaintext: &[u8]) -> Result<Vec<u8>> {
        sealed::seal(self, ring, identity, plaintext)
    }

    /// Opens what [`Kms::seal`] sealed for the same ring and identity.
    ///
    /// Fails with [`Error::Unsealable`], the same for every cause.
    pub fn unseal(&self, ring: &str, identity: &[&str], sealed: &[u8]) -> Result<Secret<Vec<u8>>> {
        sealed::unseal(self, ring, identity, sealed)
    }

    /// The digest of a token, a session or a code as it is stored: lower-case hex of HMAC-SHA-256 under a
    /// key of the purpose. Equal values under different purposes give unrelated digests.
    pub fn digest(&self, purpose: &'static str, value: &str) -> String {
        let known = {
            let digests = self.0.digests.read().unwrap_or_else(std::sync::PoisonError::into_inner);
            digests.get(purpose).map(|key| hmac::sign(key, value.as_bytes()))
        };
        let tag = known.unwrap_or_else(|| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, self.expand(&["digest", purpose]).expose());
            let tag = hmac::sign(&key, value.as_bytes());
            let mut digests = self.0.digests.write().unwrap_or_else(std::sync::PoisonError::into_inner);
            digests.insert(purpose, key);
            tag
        });
        hex(tag.as_ref())
    }

    /// A key of 256 bits for one use named by the label, the same on every node.
    pub fn derive(&self, label: &'static str) -> Secret<[u8; 32]> {
        self.expand(&["derive", label])
    }

    /// HKDF-Expand (RFC 5869 section 2.3) to one block, with the parts as `info`, each after its length.
    pub(crate) fn expand(&self, parts: &[&str]) -> Secret<[u8; 32]> {
        expand(&self.0.extracted, &join(parts))
    }
}

impl std::fmt::Debug for Kms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Kms([secret])")
    }
}

/// HKDF-Extract (RFC 5869 section 2.2): `PRK = HMAC-Hash(salt, IKM)`.
fn extract(salt: &hmac::Key, input: &[u8]) -> hmac::Key {
    let tag = hmac::sign(salt, input);
    hmac::Key::new(hmac::HMAC_SHA256, tag.as_ref())
}

/// HKDF-Expand to 32 bytes: `T(1) = HMAC-Hash(PRK, "" | info | 0x01)`, one block of SHA-256.
fn expand(extracted: &hmac::Key, info: &[u8]) -> Secret<[u8; 32]> {
    let mut context = hmac::Context::with_key(extracted);
    context.update(info);
    context.update(&[1]);
    let tag = context.sign();
    let mut key = [0u8; 32];
    // INVARIANT: a tag of HMAC-SHA-256 has 32 bytes.
    for (byte, value) in key.iter_mut().zip(tag.as_ref()) {
        *byte = *value;
    }
    Secret::new(key)
}

/// Joins texts so that no two lists give the same bytes: each after its length in four bytes.
pub(crate) fn join(parts: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(parts.iter().map(|part| part.len() + 4).sum());
    for part in parts {
        bytes.extend(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend(part.as_bytes());
    }
    bytes
}

/// The operations inside one tenant, to be nested under `/t/{tenant}`.
pub fn tenant_routes(kms: Kms) -> OpenApiRouter {
    rings::http::routes().merge(operations::http::routes()).with_state(kms)
}

/// The operations of the platform.
pub fn platform_routes(kms: Kms) -> OpenApiRouter {
    rings::http::on_platform(rings::http::routes().merge(operations::http::routes())).with_state(kms)
}

/// Checks that a text is a root key, without using it: for refusing a configuration before anything is
/// opened. Fails with [`Error::Malformed`], which never shows the text.
pub fn check_text(origin: &str, text: &Secret<String>) -> Result<()> {
    root::parse(origin, text.expose()).map(drop)
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// A [`Kms`] with a fixed root key and no database, for tests.
#[cfg(feature = "testing")]
pub fn testing_kms() -> Kms {
    Kms::from_root(&[7; 32])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_derivation_is_hkdf_of_rfc_5869_appendix_a_1() {
        let salt: Vec<u8> = (0u8..=0x0c).collect();
        let info: Vec<u8> = (0xf0u8..=0xf9).collect();

        let key = expand(&extract(&hmac::Key::new(hmac::HMAC_SHA256, &salt), &[0x0b; 22]), &info);

        // The first 32 of the 42 bytes of OKM.
        assert_eq!(hex(key.expose()), "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf");
    }

    #[test]
    fn digests_and_keys_of_different_purposes_are_unrelated() {
        let kms = Kms::from_root(&[1; 32]);
        let other = Kms::from_root(&[2; 32]);

        assert_eq!(kms.digest("token", "x"), kms.digest("token", "x"));
        assert_eq!(kms.digest("token", "x").len(), 64);
        assert_ne!(kms.digest("token", "x"), kms.digest("session", "x"));
        assert_ne!(kms.digest("token", "x"), other.digest("token", "x"));
        assert_ne!(kms.derive("a").expose(), kms.derive("b").expose());
        assert_ne!(kms.expand(&["a", "b"]).expose(), kms.expand(&["ab"]).expose());
    }

    #[test]
    fn a_kms_is_never_printed() {
        assert_eq!(format!("{:?}", testing_kms()), "Kms([secret])");
    }
}
