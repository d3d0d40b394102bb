//! The algorithms that a key ring may have.

/// How a key ring encrypts. Each is authenticated: no changed byte goes unnoticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// AES-256 in Galois/Counter Mode (NIST SP 800-38D). The default.
    Aes256Gcm,
    /// ChaCha20-Poly1305 (RFC 8439): as fast without the processor's help.
    ChaCha20Poly1305,
    /// SM4 in Galois/Counter Mode (RFC 8998).
    Sm4Gcm,
    /// AES-256 in CBC mode, then HMAC-SHA-256 over all of it. For those who must have CBC: see
    /// [`Algorithm::legacy`].
    Aes256CbcHmacSha256,
}

impl Algorithm {
    /// Every algorithm, in the order of their codes.
    pub const ALL: [Self; 4] =
        [Self::Aes256Gcm, Self::ChaCha20Poly1305, Self::Sm4Gcm, Self::Aes256CbcHmacSha256];

    /// The name, as in the database and in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aes256Gcm => "AES-256-GCM",
            Self::ChaCha20Poly1305 => "ChaCha20-Poly1305",
            Self::Sm4Gcm => "SM4-GCM",
            Self::Aes256CbcHmacSha256 => "AES-256-CBC",
        }
    }

    /// The algorithm of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }

    /// The number in a ciphertext's header. Never given to another algorithm.
    pub const fn code(self) -> u8 {
        match self {
            Self::Aes256Gcm => 1,
            Self::ChaCha20Poly1305 => 2,
            Self::Sm4Gcm => 3,
            Self::Aes256CbcHmacSha256 => 4,
        }
    }

    /// The algorithm of this number.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.code() == code)
    }

    /// Whether it is there for what must stay compatible only: slower and longer than the others for no
    /// more safety. What it encrypts is as well protected.
    pub const fn legacy(self) -> bool {
        matches!(self, Self::Aes256CbcHmacSha256)
    }

    /// How many values one key may encrypt: 2^32 (NIST SP 800-38D section 8.3, for random nonces of 96 bits,
    /// where the odds of a repeated one are then below 2^-32). The same for all, with one rule for operators.
    pub const fn uses_max(self) -> u64 {
        1 << 32
    }

    /// The bytes of the nonce, or of the initialisation vector.
    pub const fn nonce_bytes(self) -> usize {
        match self {
            Self::Aes256Gcm | Self::ChaCha20Poly1305 | Self::Sm4Gcm => 12,
            Self::Aes256CbcHmacSha256 => 16,
        }
    }

    /// The bytes of the tag.
    pub const fn tag_bytes(self) -> usize {
        match self {
            Self::Aes256Gcm | Self::ChaCha20Poly1305 | Self::Sm4Gcm => 16,
            Self::Aes256CbcHmacSha256 => 32,
        }
    }

    /// The bytes of nonce, ciphertext and tag for so many bytes of plaintext.
    pub const fn sealed_bytes(self, plaintext_bytes: usize) -> usize {
        let body = match self {
            Self::Aes256Gcm | Self::ChaCha20Poly1305 | Self::Sm4Gcm => plaintext_bytes,
            // PKCS #7 always pads, by one to sixteen bytes.
            Self::Aes256CbcHmacSha256 => (plaintext_bytes / 16 + 1) * 16,
        };
        self.nonce_bytes() + body + self.tag_bytes()
    }
}

impl std::fmt::Display for Algorithm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_codes_are_read_back() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::parse(algorithm.name()), Some(algorithm));
            assert_eq!(Algorithm::from_code(algorithm.code()), Some(algorithm));
        }
        assert_eq!(Algorithm::parse("aes-256-gcm"), None);
        assert_eq!(Algorithm::from_code(0), None);
        assert_eq!(Algorithm::from_code(5), None);
    }

    #[test]
    fn only_cbc_is_legacy() {
        let legacy: Vec<&str> =
            Algorithm::ALL.into_iter().filter(|algorithm| algorithm.legacy()).map(Algorithm::name).collect();

        assert_eq!(legacy, ["AES-256-CBC"]);
    }
}
