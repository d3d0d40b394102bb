//! What a slice calls: header, binding, nonce, encryption, and the buffer that it writes to.

use crate::algorithm::Algorithm;
use crate::envelope::{Binding, VersionKey};
use base::Secret;

const BINDING: Binding<'static> = Binding {
    tenant: Some("019a8b5c-7d10-7000-8000-000000000001"),
    identity: &["users", "phone", "019a8b5c-7d10-7000-8000-000000000007"],
};

/// The bytes of associated data that [`BINDING`] becomes, with a ring's name of eight bytes.
pub(crate) const ASSOCIATED_BYTES: usize = 18 + 4 * 4 + 36 + 5 + 5 + 36;

pub(crate) struct Ours {
    key: VersionKey,
    plaintext: Vec<u8>,
    ciphertext: Vec<u8>,
    out: Vec<u8>,
}

impl Ours {
    pub(crate) fn new(algorithm: Algorithm, bytes: usize) -> Self {
        let data_key = Secret::new(std::array::from_fn(|at| at as u8));
        let key = VersionKey::new(algorithm, "contacts", 3, &data_key).unwrap();
        let plaintext = vec![0x61; bytes];
        let mut ciphertext = Vec::new();
        key.seal(&BINDING, &plaintext, &mut ciphertext).unwrap();
        assert_eq!(key.open(&BINDING, &ciphertext).unwrap().expose(), plaintext);
        Self { key, plaintext, ciphertext, out: Vec::new() }
    }

    pub(crate) fn seal(&mut self) {
        self.key.seal(&BINDING, &self.plaintext, &mut self.out).unwrap();
        std::hint::black_box(&self.out);
    }

    pub(crate) fn open(&mut self) {
        let plaintext = self.key.open(&BINDING, &self.ciphertext).unwrap();
        std::hint::black_box(plaintext.expose());
    }
}
