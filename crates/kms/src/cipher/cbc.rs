//! AES-256 in CBC mode with PKCS #7 padding, then HMAC-SHA-256: the construction of RFC 7518 section 5.2.2.1
//! with another pair of algorithms and the whole tag.

use aws_lc_rs::cipher::{
    AES_256, DecryptingKey, DecryptionContext, EncryptingKey, EncryptionContext, UnboundCipherKey,
};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;

use super::failed;
use crate::{Error, Result};

const BLOCK_BYTES: usize = 16;

/// Two keys: one encrypts, one authenticates.
pub(super) struct CbcHmac {
    encrypt: EncryptingKey,
    decrypt: DecryptingKey,
    mac: hmac::Key,
}

impl CbcHmac {
    pub(super) fn new(encrypt: &[u8; 32], mac: &[u8; 32]) -> Result<Self> {
        let unbound = || UnboundCipherKey::new(&AES_256, encrypt).map_err(failed);
        Ok(Self {
            encrypt: EncryptingKey::cbc(unbound()?).map_err(failed)?,
            decrypt: DecryptingKey::cbc(unbound()?).map_err(failed)?,
            mac: hmac::Key::new(hmac::HMAC_SHA256, mac),
        })
    }

    /// Encrypts into `body`, whose length is that of the padded plaintext, and gives the tag.
    pub(super) fn seal(
        &self,
        iv: &[u8; 16],
        aad: &[u8],
        plaintext: &[u8],
        body: &mut [u8],
    ) -> Result<[u8; 32]> {
        let (text, padding) = body.split_at_mut_checked(plaintext.len()).ok_or(Error::EncryptionFailed)?;
        text.copy_from_slice(plaintext);
        let length = u8::try_from(padding.len()).map_err(|_| Error::EncryptionFailed)?;
        padding.fill(length);
        let context = EncryptionContext::Iv128(FixedLength::from(iv));
        self.encrypt.less_safe_encrypt(body, context).map_err(failed)?;
        Ok(self.tag(iv, aad, body))
    }

    /// Decrypts into `plaintext`, as long as `body`, and gives how many bytes of it are not padding. Nothing
    /// is decrypted before the tag is found right, so that padding tells nobody anything.
    pub(super) fn open(
        &self,
        iv: &[u8; 16],
        aad: &[u8],
        body: &[u8],
        tag: &[u8; 32],
        plaintext: &mut [u8],
    ) -> Result<usize> {
        verify_slices_are_equal(&self.tag(iv, aad, body), tag).map_err(|_| Error::InvalidCiphertext)?;
        if body.is_empty() || !body.len().is_multiple_of(BLOCK_BYTES) || body.len() != plaintext.len() {
            return Err(Error::InvalidCiphertext);
        }
        plaintext.copy_from_slice(body);
        let context = DecryptionContext::Iv128(FixedLength::from(iv));
        self.decrypt.decrypt(plaintext, context).map_err(|_| Error::InvalidCiphertext)?;
        let padding = plaintext.last().map_or(0, |last| usize::from(*last));
        // Whoever has the key and pads wrongly is no oracle, but is wrong.
        if !(1..=BLOCK_BYTES).contains(&padding) {
            return Err(Error::InvalidCiphertext);
        }
        let length = plaintext.len().saturating_sub(padding);
        let right = plaintext.iter().skip(length).all(|byte| usize::from(*byte) == padding);
        if right { Ok(length) } else { Err(Error::InvalidCiphertext) }
    }

    /// The tag over associated data, initialisation vector, ciphertext and the length of the associated data
    /// in bits, in eight bytes: no byte can move from one part to another.
    fn tag(&self, iv: &[u8; 16], aad: &[u8], body: &[u8]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.mac);
        context.update(aad);
        context.update(iv);
        context.update(body);
        context.update(&(u64::try_from(aad.len()).unwrap_or(u64::MAX) * 8).to_be_bytes());
        let mut tag = [0u8; 32];
        for (to, from) in tag.iter_mut().zip(context.sign().as_ref()) {
            *to = *from;
        }
        tag
    }
}
