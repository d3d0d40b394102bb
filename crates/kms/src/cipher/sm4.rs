//! SM4 in Galois/Counter Mode (RFC 8998; NIST SP 800-38D with another block cipher), for nonces of 96 bits. The
//! universal hash is a library; the block cipher, in constant time, and the mode are ours.

mod block;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base::Secret;
use ghash::GHash;
use ghash::universal_hash::UniversalHash;

use self::block::{LANES, Sm4};
use crate::{Error, Result};

/// The counter of the block that masks the tag; the text begins at the next.
const TAG_COUNTER: u32 = 1;
/// How many groups of blocks are made at once where the text is long.
const GROUPS: usize = 4;
/// The bytes of one group.
const GROUP_BYTES: usize = 16 * LANES;

/// The expanded key and the hash's key. Both are wiped when dropped.
pub(super) struct Sm4Gcm {
    cipher: Sm4,
    hash: GHash,
}

impl Sm4Gcm {
    pub(super) fn new(key: &Secret<[u8; 16]>) -> Self {
        let cipher = Sm4::new(key.expose());
        let subkey = Secret::new(cipher.encrypt(&[0; 16]));
        let hash = GHash::new(&(*subkey.expose()).into());
        Self { cipher, hash }
    }

    /// Encrypts into `body`, as long as the plaintext, and gives the tag.
    pub(super) fn seal(&self, nonce: &[u8; 12], aad: &[u8], plaintext: &[u8], body: &mut [u8]) -> [u8; 16] {
        let first = self.first(nonce);
        self.apply(nonce, &first, plaintext, body);
        self.tag(&first, aad, body)
    }

    /// Decrypts into `plaintext`, as long as `body`, after the tag was found right.
    pub(super) fn open(
        &self,
        nonce: &[u8; 12],
        aad: &[u8],
        body: &[u8],
        tag: &[u8; 16],
        plaintext: &mut [u8],
    ) -> Result<()> {
        let first = self.first(nonce);
        verify_slices_are_equal(&self.tag(&first, aad, body), tag).map_err(|_| Error::InvalidCiphertext)?;
        self.apply(nonce, &first, body, plaintext);
        Ok(())
    }

    /// The first encrypted counter blocks: that of the tag, and those of the text's beginning.
    fn first(&self, nonce: &[u8; 12]) -> [[u8; 16]; LANES] {
        let [first] = self.cipher.counter_blocks::<1>(nonce, TAG_COUNTER);
        first
    }

    /// GCTR (SP 800-38D section 6.5): the same both ways. Texts are far below the 2^32 blocks at which the
    /// counter would come round.
    fn apply(&self, nonce: &[u8; 12], first: &[[u8; 16]; LANES], from: &[u8], to: &mut [u8]) {
        let beginning = from.len().min(GROUP_BYTES - 16);
        let (from_first, mut from) = from.split_at(beginning);
        let (to_first, mut to) = to.split_at_mut(beginning);
        add_stream(from_first, to_first, first.iter().skip(1));
        let mut counter = TAG_COUNTER + LANES as u32;
        while !from.is_empty() {
            // A few blocks are made one group at a time, many together.
            let bytes = if from.len() > GROUP_BYTES { GROUPS * GROUP_BYTES } else { GROUP_BYTES };
            let bytes_now = from.len().min(bytes);
            let (from_now, from_rest) = from.split_at(bytes_now);
            let (to_now, to_rest) = to.split_at_mut(bytes_now);
            if bytes > GROUP_BYTES {
                let stream = self.cipher.counter_blocks::<GROUPS>(nonce, counter);
                add_stream(from_now, to_now, stream.iter().flatten());
                counter = counter.wrapping_add((GROUPS * LANES) as u32);
            } else {
                let [stream] = self.cipher.counter_blocks::<1>(nonce, counter);
                add_stream(from_now, to_now, stream.iter());
                counter = counter.wrapping_add(LANES as u32);
            }
            (from, to) = (from_rest, to_rest);
        }
    }

    fn tag(&self, first: &[[u8; 16]; LANES], aad: &[u8], body: &[u8]) -> [u8; 16] {
        let bits = |bytes: &[u8]| u128::try_from(bytes.len()).unwrap_or_default() * 8;
        let mut hash = self.hash.clone();
        hash.update_padded(aad);
        hash.update_padded(body);
        hash.update(&[((bits(aad) << 64) | bits(body)).to_be_bytes().into()]);
        let [mask, ..] = first;
        (u128::from_be_bytes(hash.finalize().into()) ^ u128::from_be_bytes(*mask)).to_be_bytes()
    }
}

/// Adds the stream to a text of at most its length.
fn add_stream<'a>(from: &[u8], to: &mut [u8], stream: impl Iterator<Item = &'a [u8; 16]>) {
    for ((to, from), stream) in to.chunks_mut(16).zip(from.chunks(16)).zip(stream) {
        for ((to, from), key) in to.iter_mut().zip(from).zip(stream) {
            *to = from ^ key;
        }
    }
}
