//! The bare primitive: the same library, the same bytes, buffers that are there already, a nonce that counts.
//! For SM4-GCM it is RustCrypto's own composition of the same block cipher.

use crate::algorithm::Algorithm;
use aes_gcm::aead::AeadInOut;
use aes_gcm::aead::consts::U12;
use aes_gcm::{AesGcm, KeyInit};
use aws_lc_rs::aead::{AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{
    AES_256, DecryptingKey, DecryptionContext, EncryptingKey, EncryptionContext, UnboundCipherKey,
};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;
use sm4::Sm4;

use crate::ours::ASSOCIATED_BYTES;

const KEY: [u8; 32] = [7; 32];

pub(crate) struct Raw {
    primitive: Primitive,
    counter: u64,
    aad: Vec<u8>,
    plaintext: Vec<u8>,
    ciphertext: Vec<u8>,
    tag: Vec<u8>,
    out: Vec<u8>,
    out_tag: [u8; 16],
}

enum Primitive {
    Aead(Box<LessSafeKey>),
    Sm4(Box<AesGcm<Sm4, U12>>),
    Cbc(Box<(EncryptingKey, DecryptingKey, hmac::Key)>),
}

impl Raw {
    pub(crate) fn new(algorithm: Algorithm, bytes: usize) -> Self {
        let primitive = match algorithm {
            Algorithm::Aes256Gcm => aead(&AES_256_GCM),
            Algorithm::ChaCha20Poly1305 => aead(&CHACHA20_POLY1305),
            Algorithm::Sm4Gcm => Primitive::Sm4(Box::new(AesGcm::new(&[7; 16].into()))),
            Algorithm::Aes256CbcHmacSha256 => {
                let key = || UnboundCipherKey::new(&AES_256, &KEY).unwrap();
                Primitive::Cbc(Box::new((
                    EncryptingKey::cbc(key()).unwrap(),
                    DecryptingKey::cbc(key()).unwrap(),
                    hmac::Key::new(hmac::HMAC_SHA256, &KEY),
                )))
            }
        };
        let padding = if matches!(primitive, Primitive::Cbc(_)) { 16 } else { 0 };
        let mut raw = Self {
            primitive,
            counter: 0,
            aad: vec![0x62; ASSOCIATED_BYTES],
            plaintext: vec![0x61; bytes + padding],
            ciphertext: Vec::new(),
            tag: Vec::new(),
            out: vec![0; bytes + padding],
            out_tag: [0; 16],
        };
        raw.seal();
        raw.ciphertext = raw.out.clone();
        if raw.tag.is_empty() {
            raw.tag = raw.out_tag.to_vec();
        }
        raw.counter = 0;
        raw
    }

    pub(crate) fn seal(&mut self) {
        self.counter += 1;
        let nonce = nonce(self.counter);
        match &self.primitive {
            Primitive::Aead(key) => key
                .seal_out_of_place_scatter(
                    Nonce::assume_unique_for_key(nonce),
                    Aad::from(&self.aad),
                    &self.plaintext,
                    &mut self.out,
                    &[],
                    &mut self.out_tag,
                )
                .unwrap(),
            Primitive::Sm4(key) => {
                self.out.copy_from_slice(&self.plaintext);
                let tag =
                    key.encrypt_inout_detached(&nonce.into(), &self.aad, self.out.as_mut_slice().into());
                self.out_tag = tag.unwrap().into();
            }
            Primitive::Cbc(keys) => {
                self.out.copy_from_slice(&self.plaintext);
                let context = EncryptionContext::Iv128(FixedLength::from([9; 16]));
                keys.0.less_safe_encrypt(&mut self.out, context).unwrap();
                let tag = mac(&keys.2, &self.aad, &self.out);
                if self.tag.is_empty() {
                    self.tag = tag.as_ref().to_vec();
                }
                std::hint::black_box(tag);
            }
        }
        std::hint::black_box((&self.out, &self.out_tag));
    }

    pub(crate) fn open(&mut self) {
        let nonce = nonce(1);
        match &self.primitive {
            Primitive::Aead(key) => key
                .open_separate_gather(
                    Nonce::assume_unique_for_key(nonce),
                    Aad::from(&self.aad),
                    &self.ciphertext,
                    &self.tag,
                    &mut self.out,
                )
                .unwrap(),
            Primitive::Sm4(key) => {
                self.out.copy_from_slice(&self.ciphertext);
                let tag: [u8; 16] = self.tag.as_slice().try_into().unwrap();
                key.decrypt_inout_detached(
                    &nonce.into(),
                    &self.aad,
                    self.out.as_mut_slice().into(),
                    &tag.into(),
                )
                .unwrap();
            }
            Primitive::Cbc(keys) => {
                let tag = mac(&keys.2, &self.aad, &self.ciphertext);
                verify_slices_are_equal(tag.as_ref(), &self.tag).unwrap();
                self.out.copy_from_slice(&self.ciphertext);
                let context = DecryptionContext::Iv128(FixedLength::from([9; 16]));
                keys.1.decrypt(&mut self.out, context).unwrap();
            }
        }
        std::hint::black_box(&self.out);
    }
}

fn aead(algorithm: &'static aws_lc_rs::aead::Algorithm) -> Primitive {
    Primitive::Aead(Box::new(LessSafeKey::new(UnboundKey::new(algorithm, &KEY).unwrap())))
}

fn mac(key: &hmac::Key, aad: &[u8], body: &[u8]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    context.update(aad);
    context.update(body);
    context.sign()
}

fn nonce(counter: u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&counter.to_be_bytes());
    nonce
}
