//! The sealed format: written and read here and nowhere else. The crate's documentation shows its layout.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base::Secret;

use crate::{Error, Kms, Result, join};

/// The first bytes of every sealed value.
pub const MAGIC: &[u8; 3] = b"sgt";
/// The layout of the header.
pub const FORMAT: u8 = 1;
/// AES-256-GCM.
pub const ALGORITHM_AES_256_GCM: u8 = 1;
/// The version of a ring's key that seals today.
pub const KEY_VERSION: u32 = 1;
/// The longest name of a ring, in bytes.
pub const RING_BYTES_MAX: usize = 64;

/// Seals bytes; see [`Kms::seal`].
pub(crate) fn seal(kms: &Kms, ring: &str, identity: &[&str], plaintext: &[u8]) -> Result<Vec<u8>> {
    let header = header(ring)?;
    let mut body = plaintext.to_vec();
    // The nonce comes from the cryptographic library's own generator, never from `Cx`: with a seeded one
    // two values would share a nonce, which gives AES-GCM's key stream away.
    let nonce = key(kms, ring)?
        .seal_in_place_append_tag(associated(&header, identity), &mut body)
        .map_err(|_| Error::Unsealable)?;
    let mut sealed = header;
    sealed.extend_from_slice(nonce.as_ref());
    sealed.append(&mut body);
    Ok(sealed)
}

/// Opens bytes; see [`Kms::unseal`].
pub(crate) fn unseal(kms: &Kms, ring: &str, identity: &[&str], sealed: &[u8]) -> Result<Secret<Vec<u8>>> {
    let header = header(ring)?;
    let rest = sealed.strip_prefix(header.as_slice()).ok_or(Error::Unsealable)?;
    let (nonce, body) = rest.split_first_chunk::<NONCE_LEN>().ok_or(Error::Unsealable)?;
    let mut body = body.to_vec();
    let length = key(kms, ring)?
        .open_in_place(Nonce::from(nonce), associated(&header, identity), &mut body)
        .map_err(|_| Error::Unsealable)?
        .len();
    body.truncate(length);
    Ok(Secret::new(body))
}

fn key(kms: &Kms, ring: &str) -> Result<RandomizedNonceKey> {
    let version = KEY_VERSION.to_string();
    let key = kms.expand(&["ring", ring, &version]);
    RandomizedNonceKey::new(&AES_256_GCM, key.expose()).map_err(|_| Error::Unsealable)
}

fn associated(header: &[u8], identity: &[&str]) -> Aad<Vec<u8>> {
    let mut bytes = header.to_vec();
    bytes.extend(join(identity));
    Aad::from(bytes)
}

/// All that stands before the nonce. There is one format, algorithm and key version, so a reader compares
/// the header instead of parsing it.
fn header(ring: &str) -> Result<Vec<u8>> {
    let fits = (1..=RING_BYTES_MAX).contains(&ring.len())
        && ring.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b));
    let length = u8::try_from(ring.len()).ok().filter(|_| fits).ok_or(Error::BadRing)?;
    let mut header = Vec::with_capacity(10 + ring.len());
    header.extend_from_slice(MAGIC);
    header.extend_from_slice(&[FORMAT, ALGORITHM_AES_256_GCM]);
    header.extend_from_slice(&KEY_VERSION.to_be_bytes());
    header.push(length);
    header.extend_from_slice(ring.as_bytes());
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDENTITY: &[&str] = &["signing_keys", "key-1"];

    #[test]
    fn what_was_sealed_opens_for_the_same_ring_and_identity() {
        let kms = Kms::from_root(&[3; 32]);

        for plaintext in [&b""[..], b"x", &[9; 5000]] {
            let sealed = kms.seal("signing", IDENTITY, plaintext).unwrap();
            assert_eq!(kms.unseal("signing", IDENTITY, &sealed).unwrap().expose(), plaintext);
        }
    }

    #[test]
    fn the_header_stands_where_the_documentation_says() {
        let sealed = Kms::from_root(&[3; 32]).seal("signing", IDENTITY, b"secret").unwrap();

        assert_eq!(&sealed[..17], b"sgt\x01\x01\x00\x00\x00\x01\x07signing");
        assert_eq!(sealed.len(), 17 + 12 + 6 + 16);
        assert!(!sealed.windows(6).any(|w| w == b"secret"));
    }

    #[test]
    fn sealing_the_same_twice_gives_different_bytes() {
        let kms = Kms::from_root(&[3; 32]);

        assert_ne!(kms.seal("r", &[], b"x").unwrap(), kms.seal("r", &[], b"x").unwrap());
    }

    #[test]
    fn no_byte_can_be_changed_removed_or_added() {
        let kms = Kms::from_root(&[3; 32]);
        let sealed = kms.seal("signing", IDENTITY, b"secret").unwrap();

        for position in 0..sealed.len() {
            for bit in 0..8 {
                let mut changed = sealed.clone();
                changed[position] ^= 1 << bit;
                let opened = kms.unseal("signing", IDENTITY, &changed);
                assert!(matches!(opened, Err(Error::Unsealable)), "byte {position} bit {bit}");
            }
            let opened = kms.unseal("signing", IDENTITY, &sealed[..position]);
            assert!(matches!(opened, Err(Error::Unsealable)), "cut at {position}");
        }
        let longer = [sealed.as_slice(), b"\0"].concat();
        assert!(matches!(kms.unseal("signing", IDENTITY, &longer), Err(Error::Unsealable)));
    }

    #[test]
    fn another_identity_ring_or_root_gives_the_same_error() {
        let kms = Kms::from_root(&[3; 32]);
        let sealed = kms.seal("signing", IDENTITY, b"secret").unwrap();

        let attempts = [
            kms.unseal("signing", &["signing_keys", "key-2"], &sealed),
            kms.unseal("signing", &["signing_keysk", "ey-1"], &sealed),
            kms.unseal("signing", &["key-1", "signing_keys"], &sealed),
            kms.unseal("signing", &[], &sealed),
            kms.unseal("other", IDENTITY, &sealed),
            Kms::from_root(&[4; 32]).unseal("signing", IDENTITY, &sealed),
        ];
        for (number, attempt) in attempts.into_iter().enumerate() {
            assert!(matches!(attempt, Err(Error::Unsealable)), "attempt {number}");
        }
    }

    #[test]
    fn a_ring_of_another_form_is_refused() {
        let kms = Kms::from_root(&[3; 32]);
        for ring in ["", "UPPER", "a/b", &"x".repeat(65)] {
            assert!(matches!(kms.seal(ring, &[], b""), Err(Error::BadRing)), "{ring}");
        }
    }
}
