//! Data keys for callers that encrypt by themselves, and random bytes.

use authz::{Action, Cx, Permit, Target};
use aws_lc_rs::rand;
use base::Secret;
use base::id::Noun;

use super::items::{seal, sealing_key};
use super::{Context, Sealed, may_use, record};
use crate::rings::{KeyRingNoun, judge};
use crate::{Error, Kms, Result};

/// The lengths that a data key may have, in bytes.
pub const DATA_KEY_BYTES: [usize; 4] = [16, 24, 32, 64];
/// The most random bytes of one call.
pub const RANDOM_BYTES_MAX: usize = 1024;

/// A fresh key for a caller, and the same encrypted.
#[derive(Debug)]
pub struct MadeKey {
    /// The key: to be used and forgotten.
    pub plaintext: Secret<Vec<u8>>,
    /// The key encrypted, to be kept beside what it encrypts. `decrypt` opens it.
    pub wrapped: Sealed,
}

impl Kms {
    /// Makes a data key, and gives it with its wrapped form.
    ///
    /// Fails with [`Error::Invalid`] for another length than [`DATA_KEY_BYTES`], and like
    /// [`Kms::sealing_key`].
    pub async fn generate_data_key(
        &self,
        cx: &Cx,
        ring: &str,
        bytes: usize,
        context: &Context,
    ) -> Result<MadeKey> {
        check_length(bytes)?;
        let permit = may_use(cx, Action::KeyGenerateDataKey, ring).await?;
        let key = make(self, cx, &permit, ring, bytes, context).await?;
        record(cx, &permit, "kms.data_key_generated", 1, 0).await;
        Ok(key)
    }

    /// Makes a data key and gives its wrapped form only: for whoever prepares keys that others use.
    ///
    /// Fails like [`generate_data_key`].
    pub async fn generate_wrapped_data_key(
        &self,
        cx: &Cx,
        ring: &str,
        bytes: usize,
        context: &Context,
    ) -> Result<Sealed> {
        check_length(bytes)?;
        let permit = may_use(cx, Action::KeyGenerateWrappedDataKey, ring).await?;
        let key = make(self, cx, &permit, ring, bytes, context).await?;
        record(cx, &permit, "kms.wrapped_data_key_generated", 1, 0).await;
        Ok(key.wrapped)
    }

    /// Random bytes of the cryptographic library's generator.
    ///
    /// Fails with [`Error::Invalid`] unless 1 to [`RANDOM_BYTES_MAX`] are asked for.
    pub async fn generate_random(&self, cx: &Cx, bytes: usize) -> Result<Secret<Vec<u8>>> {
        if !(1..=RANDOM_BYTES_MAX).contains(&bytes) {
            let detail = format!("expected 1 to {RANDOM_BYTES_MAX}, found {bytes}");
            return Err(Error::invalid("/bytes", "invalid_length", detail));
        }
        let target = Target::all(KeyRingNoun::NAME);
        let permit = judge(cx, Action::KeyGenerateRandom, Action::PlatformKeyUse, &target).await?;
        let drawn = draw(bytes)?;
        record(cx, &permit, "kms.random_generated", 1, 0).await;
        Ok(drawn)
    }
}

fn check_length(bytes: usize) -> Result<()> {
    if DATA_KEY_BYTES.contains(&bytes) {
        return Ok(());
    }
    let detail = format!("expected 16, 24, 32 or 64, found {bytes}");
    Err(Error::invalid("/bytes", "invalid_length", detail))
}

async fn make(
    kms: &Kms,
    cx: &Cx,
    permit: &Permit,
    ring: &str,
    bytes: usize,
    context: &Context,
) -> Result<MadeKey> {
    let active = sealing_key(kms, cx, permit, ring, 1).await?;
    let plaintext = draw(bytes)?;
    let wrapped = seal(&active, context, plaintext.expose())?;
    Ok(MadeKey { plaintext, wrapped })
}

fn draw(bytes: usize) -> Result<Secret<Vec<u8>>> {
    let mut drawn = vec![0; bytes];
    rand::fill(&mut drawn).map_err(|_| Error::EncryptionFailed)?;
    Ok(Secret::new(drawn))
}
