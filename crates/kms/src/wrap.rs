//! A key of 32 bytes under another one: how tenant keys and data keys rest.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base::Secret;
use zeroize::Zeroize;

use crate::{Error, Result, join};

/// Bytes of a wrapped key: nonce, key, tag.
pub(crate) const WRAPPED_BYTES: usize = 12 + 32 + 16;

/// Wraps a key by AES-256-GCM. It unwraps for the same context only.
///
/// Fails with [`Error::KeyGeneration`] if the cryptographic library does.
pub(crate) fn wrap(by: &Secret<[u8; 32]>, context: &[&str], key: &Secret<[u8; 32]>) -> Result<Vec<u8>> {
    let mut body = key.expose().to_vec();
    // The nonce comes from the library's own generator, as in `sealed`.
    let nonce = cipher(by)
        .ok_or(Error::KeyGeneration)?
        .seal_in_place_append_tag(Aad::from(join(context)), &mut body)
        .map_err(|_| Error::KeyGeneration)?;
    let mut wrapped = Vec::with_capacity(WRAPPED_BYTES);
    wrapped.extend_from_slice(nonce.as_ref());
    wrapped.append(&mut body);
    Ok(wrapped)
}

/// Unwraps a key.
///
/// Fails with [`Error::KeyDecryption`], the same for every cause.
pub(crate) fn unwrap(by: &Secret<[u8; 32]>, context: &[&str], wrapped: &[u8]) -> Result<Secret<[u8; 32]>> {
    let (nonce, body) = wrapped.split_first_chunk::<NONCE_LEN>().ok_or(Error::KeyDecryption)?;
    let mut body = body.to_vec();
    let opened = cipher(by)
        .ok_or(Error::KeyDecryption)?
        .open_in_place(Nonce::from(nonce), Aad::from(join(context)), &mut body)
        .map_err(|_| Error::KeyDecryption)
        .and_then(|key| <[u8; 32]>::try_from(&*key).map_err(|_| Error::KeyDecryption));
    body.zeroize();
    opened.map(Secret::new)
}

fn cipher(by: &Secret<[u8; 32]>) -> Option<RandomizedNonceKey> {
    RandomizedNonceKey::new(&AES_256_GCM, by.expose()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_unwraps_under_the_same_key_and_context_and_nothing_else() {
        let by = Secret::new([1; 32]);
        let key = Secret::new([2; 32]);
        let wrapped = wrap(&by, &["a", "b"], &key).unwrap();

        assert_eq!(wrapped.len(), WRAPPED_BYTES);
        assert_eq!(unwrap(&by, &["a", "b"], &wrapped).unwrap().expose(), key.expose());
        for (by, context) in [([3; 32], ["a", "b"]), ([1; 32], ["ab", ""]), ([1; 32], ["b", "a"])] {
            assert!(matches!(unwrap(&Secret::new(by), &context, &wrapped), Err(Error::KeyDecryption)));
        }
        for position in 0..wrapped.len() {
            let mut changed = wrapped.clone();
            changed[position] ^= 1;
            assert!(matches!(unwrap(&by, &["a", "b"], &changed), Err(Error::KeyDecryption)), "{position}");
            let cut = unwrap(&by, &["a", "b"], &wrapped[..position]);
            assert!(matches!(cut, Err(Error::KeyDecryption)), "cut at {position}");
        }
    }
}
