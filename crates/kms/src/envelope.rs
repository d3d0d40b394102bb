//! The ciphertext that says how it was made: format 2, written and read here and nowhere else.
//!
//! | bytes | meaning |
//! |---|---|
//! | 3 | the magic `sgt` |
//! | 1 | format, `2` |
//! | 1 | algorithm, see [`Algorithm::code`] |
//! | 4 | version of the ring's key, big-endian, from 1 |
//! | 1 | length of the ring's name, 1 to 64 |
//! | n | the ring's name, `[a-z0-9_-]` |
//! | 12 or 16 | nonce, random |
//! | rest | ciphertext, and a tag of 16 or 32 bytes |
//!
//! Associated data is all that stands before the nonce, then the tenant's id (empty for the platform) and each
//! part of the identity, each after its length in four bytes. `docs/kms.md` has vectors.

#[cfg(test)]
mod tests;

use base::Secret;

use crate::algorithm::Algorithm;
use crate::cipher::{Cipher, PLAINTEXT_BYTES_MAX, Plaintext};
use crate::{Error, Result};

/// The first bytes of every ciphertext.
const MAGIC: &[u8; 3] = b"sgt";
/// The layout.
const FORMAT: u8 = 2;
/// The longest name of a ring, in bytes.
pub const RING_BYTES_MAX: usize = 64;
/// The longest associated data, in bytes.
pub const ASSOCIATED_BYTES_MAX: usize = 16 * 1024;
/// The most bytes that a ciphertext has more than its plaintext: header, nonce, padding and tag.
pub const OVERHEAD_BYTES_MAX: usize = 3 + 1 + 1 + 4 + 1 + RING_BYTES_MAX + 16 + 16 + 32;

/// Whether a text may name a ring: 1 to 64 of `[a-z0-9_-]`.
pub fn is_ring_name(name: &str) -> bool {
    (1..=RING_BYTES_MAX).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
}

/// What a value belongs to. It opens for the same only.
#[derive(Debug, Clone, Copy)]
pub struct Binding<'a> {
    /// The tenant's id; none for the platform.
    pub tenant: Option<&'a str>,
    /// Table, column, row and whatever else must not be exchanged.
    pub identity: &'a [&'a str],
}

/// One version of a ring's key, ready to seal and to open.
#[derive(Debug)]
pub struct VersionKey {
    header: Vec<u8>,
    cipher: Cipher,
}

impl VersionKey {
    /// Expands a data key. Costs some microseconds: keep it.
    ///
    /// Fails with [`Error::BadRing`] and [`Error::InvalidKeyVersion`] for a name or version that no header
    /// can hold, and with [`Error::EncryptionFailed`] if the cryptographic library does.
    pub fn new(algorithm: Algorithm, ring: &str, version: u32, data_key: &Secret<[u8; 32]>) -> Result<Self> {
        Ok(Self { header: header(algorithm, ring, version)?, cipher: Cipher::new(algorithm, data_key)? })
    }

    /// The algorithm.
    pub const fn algorithm(&self) -> Algorithm {
        self.cipher.algorithm()
    }

    /// The keys behind it, for authentication codes.
    pub const fn cipher(&self) -> &Cipher {
        &self.cipher
    }

    /// Seals a plaintext for one place; `out` holds the ciphertext afterwards and nothing else. Giving the
    /// same `out` again saves allocating and clearing it.
    ///
    /// Fails with [`Error::TooLong`] above [`PLAINTEXT_BYTES_MAX`] or [`ASSOCIATED_BYTES_MAX`], and with
    /// [`Error::EncryptionFailed`] if the library does; `out` is then empty.
    pub fn seal(&self, binding: &Binding<'_>, plaintext: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let sealed = self.seal_over(binding, plaintext, out);
        if sealed.is_err() {
            out.clear();
        }
        sealed
    }

    fn seal_over(&self, binding: &Binding<'_>, plaintext: &[u8], out: &mut Vec<u8>) -> Result<()> {
        if plaintext.len() > PLAINTEXT_BYTES_MAX {
            return Err(Error::TooLong { what: "the plaintext", limit: PLAINTEXT_BYTES_MAX });
        }
        let associated = associated(&self.header, binding)?;
        out.resize(self.header.len() + self.algorithm().sealed_bytes(plaintext.len()), 0);
        let (header, sealed) = out.split_at_mut_checked(self.header.len()).ok_or(Error::EncryptionFailed)?;
        header.copy_from_slice(&self.header);
        self.cipher.seal_to(&associated, plaintext, sealed)
    }

    /// Opens a ciphertext for the place that it was sealed for.
    ///
    /// Fails with [`Error::InvalidCiphertext`], whatever is wrong with it, and with [`Error::TooLong`] above
    /// [`ASSOCIATED_BYTES_MAX`].
    pub fn open(&self, binding: &Binding<'_>, ciphertext: &[u8]) -> Result<Plaintext> {
        let sealed = ciphertext.strip_prefix(self.header.as_slice()).ok_or(Error::InvalidCiphertext)?;
        self.cipher.open(&associated(&self.header, binding)?, sealed)
    }
}

/// What a ciphertext says about itself, before anybody knows whether it is true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// How it is encrypted.
    pub algorithm: Algorithm,
    /// By which version of the ring's key.
    pub version: u32,
    /// By which ring.
    pub ring: &'a str,
}

impl<'a> Envelope<'a> {
    /// Reads the header of a ciphertext.
    ///
    /// Fails with [`Error::InvalidCiphertext`] for what cannot be one: another beginning, an unknown
    /// algorithm, version 0, a ring's name of another form, too few bytes or too many.
    pub fn parse(ciphertext: &'a [u8]) -> Result<Self> {
        Self::read(ciphertext).ok_or(Error::InvalidCiphertext)
    }

    fn read(ciphertext: &'a [u8]) -> Option<Self> {
        if ciphertext.len() > PLAINTEXT_BYTES_MAX + OVERHEAD_BYTES_MAX {
            return None;
        }
        let rest = ciphertext.strip_prefix(MAGIC)?.strip_prefix(&[FORMAT])?;
        let (&code, rest) = rest.split_first()?;
        let algorithm = Algorithm::from_code(code)?;
        let (version, rest) = rest.split_first_chunk::<4>()?;
        let version = u32::from_be_bytes(*version);
        let (&length, rest) = rest.split_first()?;
        let (ring, sealed) = rest.split_at_checked(usize::from(length))?;
        let ring = std::str::from_utf8(ring).ok()?;
        let fits = version >= 1 && is_ring_name(ring) && sealed.len() >= algorithm.sealed_bytes(0);
        fits.then_some(Self { algorithm, version, ring })
    }
}

/// All that stands before the nonce.
fn header(algorithm: Algorithm, ring: &str, version: u32) -> Result<Vec<u8>> {
    let length = u8::try_from(ring.len()).ok().filter(|_| is_ring_name(ring)).ok_or(Error::BadRing)?;
    if version == 0 {
        return Err(Error::InvalidKeyVersion);
    }
    let mut header = Vec::with_capacity(10 + ring.len());
    header.extend_from_slice(MAGIC);
    header.extend_from_slice(&[FORMAT, algorithm.code()]);
    header.extend_from_slice(&version.to_be_bytes());
    header.push(length);
    header.extend_from_slice(ring.as_bytes());
    Ok(header)
}

/// The associated data: the header, then the tenant and each part of the identity after its length, so that
/// no two bindings give the same bytes.
fn associated(header: &[u8], binding: &Binding<'_>) -> Result<Vec<u8>> {
    let parts = || std::iter::once(binding.tenant.unwrap_or("")).chain(binding.identity.iter().copied());
    let length = header.len() + parts().map(|part| part.len() + 4).sum::<usize>();
    if length > ASSOCIATED_BYTES_MAX {
        return Err(Error::TooLong { what: "what the value is bound to", limit: ASSOCIATED_BYTES_MAX });
    }
    let mut bytes = Vec::with_capacity(length);
    bytes.extend_from_slice(header);
    for part in parts() {
        bytes.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    Ok(bytes)
}

/// What the fuzzer calls: any bytes are read or refused, a header that is read is the one that would be
/// written, and nothing opens that was not sealed.
#[doc(hidden)]
pub fn fuzz(bytes: &[u8]) {
    let binding = Binding { tenant: Some("tenant"), identity: &["users", "phone", "7"] };
    let Ok(envelope) = Envelope::parse(bytes) else { return };
    let written = header(envelope.algorithm, envelope.ring, envelope.version);
    assert!(written.is_ok_and(|header| bytes.starts_with(&header)), "a header that is written otherwise");
    let key = VersionKey::new(envelope.algorithm, envelope.ring, envelope.version, &Secret::new([9; 32]));
    let opened = key.and_then(|key| key.open(&binding, bytes));
    assert!(matches!(opened, Err(Error::InvalidCiphertext)), "what nobody sealed was opened");
}
