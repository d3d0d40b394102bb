//! Encrypting, decrypting and encrypting again: one look-up of a key for all items, an outcome for each.

use std::collections::HashMap;
use std::sync::Arc;

use authz::{Action, Cx, Permit};
use base::id::TenantId;

use super::{Context, ITEMS_MAX, Item, Outcome, Refused, may_use, record};
use crate::cipher::Plaintext;
use crate::envelope::{Binding, Envelope};
use crate::live::LiveKey;
use crate::rings::KeyVersion;
use crate::{Error, Kms, Result};

/// How many bytes are worked on before other tasks of the thread get their turn.
const BYTES_AT_ONCE: usize = 64 * 1024;

/// A ciphertext and the version of the key that made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The ciphertext.
    pub ciphertext: Vec<u8>,
    /// The version.
    pub version: KeyVersion,
}

impl Kms {
    /// Encrypts values under a ring's active key.
    ///
    /// Fails with [`Error::Invalid`] above [`ITEMS_MAX`], and like [`Kms::sealing_key`].
    pub async fn encrypt<T: AsRef<[u8]>>(
        &self,
        cx: &Cx,
        ring: &str,
        items: &[Item<T>],
    ) -> Result<Vec<Outcome<Sealed>>> {
        check_count(items)?;
        let permit = may_use(cx, Action::KeyEncrypt, ring).await?;
        let key = sealing_key(self, cx, &permit, ring, items.len()).await?;

        let mut work = Work::default();
        let mut outcomes = Vec::with_capacity(items.len());
        for item in items {
            work.done(item.value.as_ref().len()).await;
            outcomes.push(settle(seal(&key, &item.context, item.value.as_ref()))?);
        }
        record(cx, &permit, "kms.encrypted", items.len(), refused(&outcomes)).await;
        Ok(outcomes)
    }

    /// Decrypts values, each under the version that its ciphertext names.
    ///
    /// Fails with [`Error::Invalid`] above [`ITEMS_MAX`].
    pub async fn decrypt<T: AsRef<[u8]>>(
        &self,
        cx: &Cx,
        ring: &str,
        items: &[Item<T>],
    ) -> Result<Vec<Outcome<Plaintext>>> {
        check_count(items)?;
        let permit = may_use(cx, Action::KeyDecrypt, ring).await?;

        let mut keys = Keys::new(self, cx, permit.tenant(), ring);
        let mut work = Work::default();
        let mut outcomes = Vec::with_capacity(items.len());
        for item in items {
            work.done(item.value.as_ref().len()).await;
            outcomes.push(keys.open(item.value.as_ref(), &item.context).await?);
        }
        record(cx, &permit, "kms.decrypted", items.len(), refused(&outcomes)).await;
        Ok(outcomes)
    }

    /// Decrypts values and encrypts them under the ring's active key, bound to the same. The caller does not see them
    /// meanwhile.
    ///
    /// Fails with [`Error::Invalid`] above [`ITEMS_MAX`], and like [`Kms::sealing_key`].
    pub async fn reencrypt<T: AsRef<[u8]>>(
        &self,
        cx: &Cx,
        ring: &str,
        items: &[Item<T>],
    ) -> Result<Vec<Outcome<Sealed>>> {
        check_count(items)?;
        let permit = may_use(cx, Action::KeyReencrypt, ring).await?;
        let active = sealing_key(self, cx, &permit, ring, items.len()).await?;

        let mut keys = Keys::new(self, cx, permit.tenant(), ring);
        let mut work = Work::default();
        let mut outcomes = Vec::with_capacity(items.len());
        for item in items {
            work.done(2 * item.value.as_ref().len()).await;
            outcomes.push(match keys.open(item.value.as_ref(), &item.context).await? {
                Ok(plaintext) => settle(seal(&active, &item.context, plaintext.expose()))?,
                Err(refused) => Err(refused),
            });
        }
        record(cx, &permit, "kms.reencrypted", items.len(), refused(&outcomes)).await;
        Ok(outcomes)
    }
}

/// The ring's active key, for so many values.
pub(super) async fn sealing_key(
    kms: &Kms,
    cx: &Cx,
    permit: &Permit,
    ring: &str,
    uses: usize,
) -> Result<Arc<LiveKey>> {
    let uses = u32::try_from(uses).unwrap_or(u32::MAX);
    kms.sealing_key(cx, permit.tenant(), ring, uses).await
}

/// Encrypts one value, bound to what the caller says.
pub(super) fn seal(key: &LiveKey, context: &Context, plaintext: &[u8]) -> Result<Sealed> {
    let parts = context.parts();
    let binding = Binding { tenant: key.tenant.as_ref().map(TenantId::as_str), identity: &parts };
    let mut ciphertext = Vec::new();
    key.key.seal(&binding, plaintext, &mut ciphertext)?;
    Ok(Sealed { ciphertext, version: number(key)? })
}

/// The version of a key as callers see it.
pub(super) fn number(key: &LiveKey) -> Result<KeyVersion> {
    KeyVersion::new(key.version).ok_or(Error::InvalidKeyVersion)
}

fn check_count<T>(items: &[Item<T>]) -> Result<()> {
    if items.len() > ITEMS_MAX {
        let detail = format!("a call takes at most {ITEMS_MAX} items, this one has {}", items.len());
        return Err(Error::invalid("/items", "too_many_items", detail));
    }
    Ok(())
}

fn settle<T>(result: Result<T>) -> Result<Outcome<T>> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(error) => Refused::of(error).map(Err),
    }
}

fn refused<T>(outcomes: &[Outcome<T>]) -> usize {
    outcomes.iter().filter(|outcome| outcome.is_err()).count()
}

/// The keys of one ring that the items of a call need: each version is looked up once, also where that fails.
struct Keys<'a> {
    kms: &'a Kms,
    cx: &'a Cx,
    tenant: Option<&'a TenantId>,
    ring: &'a str,
    known: HashMap<u32, Outcome<Arc<LiveKey>>>,
}

impl<'a> Keys<'a> {
    fn new(kms: &'a Kms, cx: &'a Cx, tenant: Option<&'a TenantId>, ring: &'a str) -> Self {
        Self { kms, cx, tenant, ring, known: HashMap::new() }
    }

    async fn open(&mut self, ciphertext: &[u8], context: &Context) -> Result<Outcome<Plaintext>> {
        let envelope = match Envelope::parse(ciphertext).and_then(|envelope| self.check_ring(envelope)) {
            Ok(envelope) => envelope,
            Err(error) => return Refused::of(error).map(Err),
        };
        let key = match self.version(envelope.version).await? {
            Ok(key) => key,
            Err(refused) => return Ok(Err(refused)),
        };
        let parts = context.parts();
        let binding = Binding { tenant: self.tenant.map(TenantId::as_str), identity: &parts };
        settle(key.key.open(&binding, ciphertext))
    }

    /// A ciphertext of another ring is answered as one that is broken.
    fn check_ring<'e>(&self, envelope: Envelope<'e>) -> Result<Envelope<'e>> {
        if envelope.ring == self.ring { Ok(envelope) } else { Err(Error::InvalidCiphertext) }
    }

    async fn version(&mut self, version: u32) -> Result<Outcome<Arc<LiveKey>>> {
        if let Some(known) = self.known.get(&version) {
            return Ok(known.clone());
        }
        let found = settle(self.kms.opening_key(self.cx, self.tenant, self.ring, version).await)?;
        self.known.insert(version, found.clone());
        Ok(found)
    }
}

/// Lets other tasks run between items.
#[derive(Default)]
struct Work(usize);

impl Work {
    async fn done(&mut self, bytes: usize) {
        self.0 += bytes;
        if self.0 >= BYTES_AT_ONCE {
            self.0 = 0;
            tokio::task::yield_now().await;
        }
    }
}
