//! Randomness as a parameter: the system's in production, a seeded one in tests.

use std::sync::Mutex;

/// Where random bytes come from. The system's source and a seeded one for tests ship.
pub trait Random: Send + Sync {
    /// Fills the buffer. Never fails: a machine without entropy aborts.
    fn fill(&self, buffer: &mut [u8]);
}

/// The operating system's generator, read through a user-space buffer by the cryptographic library
/// that the `server` wires in; see [`OsRandom::new`].
pub struct OsRandom(fn(&mut [u8]));

impl OsRandom {
    /// Wraps a function that fills a buffer from a cryptographically secure generator.
    pub const fn new(fill: fn(&mut [u8])) -> Self {
        Self(fill)
    }
}

impl Random for OsRandom {
    fn fill(&self, buffer: &mut [u8]) {
        (self.0)(buffer);
    }
}

/// A repeatable generator for tests (SplitMix64). Never for production.
pub struct SeededRandom(Mutex<u64>);

impl SeededRandom {
    /// Starts from a seed; the same seed gives the same bytes.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(seed))
    }
}

impl Random for SeededRandom {
    fn fill(&self, buffer: &mut [u8]) {
        let mut state = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for chunk in buffer.chunks_mut(8) {
            *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = *state;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^= z >> 31;
            for (byte, value) in chunk.iter_mut().zip(z.to_le_bytes()) {
                *byte = value;
            }
        }
    }
}

/// A fresh token of 256 random bits as 43 characters of base64url.
pub fn fresh_token(random: &dyn Random) -> String {
    use base64::Engine;
    let mut bytes = [0u8; 32];
    random.fill(&mut bytes);
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}
