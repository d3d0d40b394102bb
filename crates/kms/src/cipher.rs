//! Encryption under one data key: the keys of each algorithm, expanded once, and what is done with them.

mod cbc;
mod sm4;
#[cfg(test)]
mod tests;

use aws_lc_rs::aead::{AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::{hmac, rand};
use base::Secret;
use zeroize::Zeroize;

use crate::algorithm::Algorithm;
use crate::{Error, Result, expand, extract, join};

use cbc::CbcHmac;
use sm4::Sm4Gcm;

/// The salt that separates the keys of data keys from other uses of the same bytes.
const EXTRACT_SALT: &[u8] = b"signet data key 2";
/// The longest plaintext: 1 MiB, 2^16 blocks. With [`Algorithm::uses_max`] values at most, a key encrypts
/// at most 2^48 blocks, and blocks of 128 bits repeat with odds of about 2^-33.
pub const PLAINTEXT_BYTES_MAX: usize = 1 << 20;

/// What was decrypted. Wiped when dropped, never printed.
pub struct Plaintext(Vec<u8>);

impl Plaintext {
    /// Lends the bytes to the code that must use them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Plaintext {
    fn drop(&mut self) {
        // `Vec::zeroize` writes byte by byte, which takes longer than decrypting did. The barrier keeps the
        // compiler from leaving out what nobody reads again.
        self.0.fill(0);
        zeroize::optimization_barrier(self.0.as_slice());
    }
}

impl std::fmt::Debug for Plaintext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[secret]")
    }
}

/// The keys of one version of a ring, ready for use. Making it costs some microseconds, using it no more
/// than its algorithm does: keep it. The cryptographic libraries wipe their keys when it is dropped.
pub struct Cipher {
    algorithm: Algorithm,
    engine: Engine,
    mac: hmac::Key,
}

enum Engine {
    Aead(Box<LessSafeKey>),
    Sm4(Box<Sm4Gcm>),
    Cbc(Box<CbcHmac>),
}

impl Cipher {
    /// Expands the keys of an algorithm from a data key, by HKDF-SHA-256 (RFC 5869): no key serves two
    /// algorithms or two uses.
    ///
    /// Fails with [`Error::EncryptionFailed`] if the cryptographic library does.
    pub fn new(algorithm: Algorithm, data_key: &Secret<[u8; 32]>) -> Result<Self> {
        let extracted = extract(&hmac::Key::new(hmac::HMAC_SHA256, EXTRACT_SALT), data_key.expose());
        let key = |name: &str, usage: &str| expand(&extracted, &join(&[name, usage]));
        let encrypt = key(algorithm.name(), "encrypt");
        let engine = match algorithm {
            Algorithm::Aes256Gcm => {
                let key = UnboundKey::new(&AES_256_GCM, encrypt.expose()).map_err(failed)?;
                Engine::Aead(Box::new(LessSafeKey::new(key)))
            }
            Algorithm::ChaCha20Poly1305 => {
                let key = UnboundKey::new(&CHACHA20_POLY1305, encrypt.expose()).map_err(failed)?;
                Engine::Aead(Box::new(LessSafeKey::new(key)))
            }
            Algorithm::Sm4Gcm => Engine::Sm4(Box::new(Sm4Gcm::new(&first_half(&encrypt)))),
            Algorithm::Aes256CbcHmacSha256 => {
                let mac = key(algorithm.name(), "authenticate");
                Engine::Cbc(Box::new(CbcHmac::new(encrypt.expose(), mac.expose())?))
            }
        };
        let mac = hmac::Key::new(hmac::HMAC_SHA256, key("HMAC-SHA-256", "authenticate").expose());
        Ok(Self { algorithm, engine, mac })
    }

    /// The algorithm.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The authentication code of a message (HMAC-SHA-256), under a key apart from the one that encrypts.
    pub fn authenticate(&self, message: &[u8]) -> hmac::Tag {
        hmac::sign(&self.mac, message)
    }

    /// Says whether a code is that of a message, in constant time.
    pub fn is_authentic(&self, message: &[u8], code: &[u8]) -> bool {
        hmac::verify(&self.mac, message, code).is_ok()
    }

    /// Appends nonce, ciphertext and tag of a plaintext to `out`. The nonce is random: it comes from the
    /// cryptographic library's own generator, never from one that tests could seed.
    ///
    /// Fails with [`Error::TooLong`] above [`PLAINTEXT_BYTES_MAX`], and with [`Error::EncryptionFailed`] if
    /// the library does; `out` is then as it was.
    pub fn seal(&self, aad: &[u8], plaintext: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let start = out.len();
        out.resize(start + self.algorithm.sealed_bytes(plaintext.len()), 0);
        let sealed = match out.get_mut(start..) {
            Some(room) => self.seal_to(aad, plaintext, room),
            None => Err(Error::EncryptionFailed),
        };
        if sealed.is_err() {
            out.truncate(start);
        }
        sealed
    }

    /// Does as [`Cipher::seal`] into exactly [`Algorithm::sealed_bytes`] bytes.
    pub(crate) fn seal_to(&self, aad: &[u8], plaintext: &[u8], out: &mut [u8]) -> Result<()> {
        let nonce = out.get_mut(..self.algorithm.nonce_bytes()).ok_or(Error::EncryptionFailed)?;
        rand::fill(nonce).map_err(failed)?;
        self.seal_under(aad, plaintext, out)
    }

    /// Encrypts under the nonce that `out` begins with.
    fn seal_under(&self, aad: &[u8], plaintext: &[u8], out: &mut [u8]) -> Result<()> {
        if plaintext.len() > PLAINTEXT_BYTES_MAX {
            return Err(Error::TooLong { what: "the plaintext", limit: PLAINTEXT_BYTES_MAX });
        }
        if out.len() != self.algorithm.sealed_bytes(plaintext.len()) {
            return Err(Error::EncryptionFailed);
        }
        match &self.engine {
            Engine::Aead(key) => {
                let (nonce, rest) = out.split_first_chunk_mut::<12>().ok_or(Error::EncryptionFailed)?;
                let (body, tag) =
                    rest.split_at_mut_checked(plaintext.len()).ok_or(Error::EncryptionFailed)?;
                let nonce = Nonce::assume_unique_for_key(*nonce);
                key.seal_out_of_place_scatter(nonce, Aad::from(aad), plaintext, body, &[], tag)
                    .map_err(failed)
            }
            Engine::Sm4(key) => {
                let (nonce, rest) = out.split_first_chunk_mut::<12>().ok_or(Error::EncryptionFailed)?;
                let (body, tag) = rest.split_last_chunk_mut::<16>().ok_or(Error::EncryptionFailed)?;
                *tag = key.seal(nonce, aad, plaintext, body);
                Ok(())
            }
            Engine::Cbc(key) => {
                let (iv, rest) = out.split_first_chunk_mut::<16>().ok_or(Error::EncryptionFailed)?;
                let (body, tag) = rest.split_last_chunk_mut::<32>().ok_or(Error::EncryptionFailed)?;
                *tag = key.seal(iv, aad, plaintext, body)?;
                Ok(())
            }
        }
    }

    /// Opens nonce, ciphertext and tag.
    ///
    /// Fails with [`Error::InvalidCiphertext`], whatever is wrong: too short, another key, other associated
    /// data, a changed byte. The tag is compared in constant time and before anything is decrypted, or by
    /// the library in one go with it.
    pub fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Plaintext> {
        match &self.engine {
            Engine::Aead(key) => {
                let (nonce, rest) = sealed.split_first_chunk::<12>().ok_or(Error::InvalidCiphertext)?;
                let (body, tag) = rest.split_last_chunk::<16>().ok_or(Error::InvalidCiphertext)?;
                let mut plaintext = room(body)?;
                let nonce = Nonce::assume_unique_for_key(*nonce);
                key.open_separate_gather(nonce, Aad::from(aad), body, tag, &mut plaintext.0)
                    .map_err(|_| Error::InvalidCiphertext)?;
                Ok(plaintext)
            }
            Engine::Sm4(key) => {
                let (nonce, rest) = sealed.split_first_chunk::<12>().ok_or(Error::InvalidCiphertext)?;
                let (body, tag) = rest.split_last_chunk::<16>().ok_or(Error::InvalidCiphertext)?;
                let mut plaintext = room(body)?;
                key.open(nonce, aad, body, tag, &mut plaintext.0)?;
                Ok(plaintext)
            }
            Engine::Cbc(key) => {
                let (iv, rest) = sealed.split_first_chunk::<16>().ok_or(Error::InvalidCiphertext)?;
                let (body, tag) = rest.split_last_chunk::<32>().ok_or(Error::InvalidCiphertext)?;
                let mut plaintext = room(body)?;
                let length = key.open(iv, aad, body, tag, &mut plaintext.0)?;
                plaintext.0.truncate(length);
                Ok(plaintext)
            }
        }
    }
}

impl std::fmt::Debug for Cipher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cipher({}, [secret])", self.algorithm)
    }
}

/// As many bytes of plaintext as the ciphertext has, and not more than there may be (and a block of padding).
fn room(ciphertext: &[u8]) -> Result<Plaintext> {
    if ciphertext.len() > PLAINTEXT_BYTES_MAX + 16 {
        return Err(Error::InvalidCiphertext);
    }
    Ok(Plaintext(vec![0; ciphertext.len()]))
}

/// HKDF-Expand to 16 bytes gives the first half of what it gives to 32.
fn first_half(key: &Secret<[u8; 32]>) -> Secret<[u8; 16]> {
    let mut half = [0u8; 16];
    for (byte, value) in half.iter_mut().zip(key.expose()) {
        *byte = *value;
    }
    let secret = Secret::new(half);
    half.zeroize();
    secret
}

fn failed(_: aws_lc_rs::error::Unspecified) -> Error {
    Error::EncryptionFailed
}
