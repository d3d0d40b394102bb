//! `Idempotency-Key`: a request that is sent again is answered again, not done again.
//!
//! A row of `idempotency_keys` is *claimed* by the first transaction of the request that changes
//! something, before that transaction does anything else, and committed with it; the answer is added
//! afterwards. So a change exists exactly where its claim does (ADR 0017 says what follows when a process
//! dies in between).
//!
//! INVARIANT: two requests with one key never both change something: on one node the second waits for
//! its turn ([`Turns`]), between nodes it waits at the claim's unique key.

mod store;
mod turns;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use ::store::StoreError;
use base::Timestamp;
use base::id::{PrincipalId, TenantId};

use crate::{Cx, Error, Permit, Purpose, Result, Tx};

pub use turns::{Turn, Turns};

/// Seconds for which an answer is kept.
pub const KEPT_SECONDS: i64 = 86_400;
/// Seconds after which a claim without an answer is taken for one whose process died: longer than a
/// request may take.
pub const IN_PROGRESS_SECONDS: i64 = 60;
/// How long a request waits for its turn on this node.
const TURN_WAIT_MAX: Duration = Duration::from_secs(10);
/// Characters of a key at most.
pub const KEY_CHARS_MAX: usize = 255;

/// A key as a caller sent it: 1 to 255 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// Takes a key; none if it is empty, too long, or has other characters.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let fits = (1..=KEY_CHARS_MAX).contains(&text.len()) && text.iter().all(u8::is_ascii_graphic);
        fits.then(|| Self(text.iter().copied().map(char::from).collect()))
    }
}

/// What a caller asked for under a key.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The tenant of the address; none for the platform.
    tenant: Option<TenantId>,
    principal: PrincipalId,
    route: String,
    key: Key,
    /// Lower-case hex of SHA-256 over what was sent.
    digest: String,
}

impl Asked {
    /// Names a request of whoever calls; none where nobody does. `route` is at most 255 characters,
    /// `digest` 64 of hex over what was sent.
    pub fn new(cx: &Cx, route: String, key: Key, digest: String) -> Option<Self> {
        let (principal, _) = cx.actor().principal()?;
        let tenant = cx.tenant().ok().map(|tenant| tenant.id.clone());
        Some(Self { tenant, principal, route, key, digest })
    }

    /// The scope of the row: the tenant's id, or `platform`.
    fn scope(&self) -> &str {
        self.tenant.as_ref().map_or("platform", |tenant| tenant.as_str())
    }

    /// What tells requests apart that must take turns.
    fn name(&self) -> String {
        let parts = [self.scope(), self.principal.as_str(), &self.route, &self.key.0];
        parts.join("\n")
    }

    /// Waits for this request's turn on this node; none after the longest wait.
    pub async fn take_turn(&self, cx: &Cx) -> Option<Turn> {
        cx.core().turns().take(self.name(), TURN_WAIT_MAX).await
    }
}

/// An answer as it is kept: without what was secret in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: i64,
    /// Headers that belong to the answer, by lower-case name.
    pub headers: serde_json::Value,
    /// The body.
    pub body: Option<String>,
    /// Whether something secret was left out of the body.
    pub secret_omitted: bool,
}

/// What is known under a key.
#[derive(Debug)]
pub enum Known {
    /// Nothing: the request is to be done.
    Nothing,
    /// Another request was made under this key.
    Another,
    /// The change was made or is being made, and its answer is not known.
    Pending {
        /// When it was claimed.
        since: Timestamp,
    },
    /// The answer.
    Answered(Answer),
}

const OPEN: u8 = 0;
const CLAIMED: u8 = 1;
const LOST: u8 = 2;

/// A request that may change something once. Carried by the [`Cx`] of the request.
#[derive(Debug)]
pub struct Once {
    asked: Asked,
    state: AtomicU8,
}

impl Once {
    /// Begins a request.
    pub fn new(asked: Asked) -> Arc<Self> {
        Arc::new(Self { asked, state: AtomicU8::new(OPEN) })
    }

    /// Whether another request under this key was first; nothing was changed then.
    pub fn is_lost(&self) -> bool {
        self.state.load(Ordering::SeqCst) == LOST
    }

    /// Whether the transaction that is about to begin must claim the key: it changes something, and none
    /// before it did.
    fn is_due(&self, permit: &Permit) -> bool {
        let changes = permit.purpose.is_none_or(Purpose::is_change);
        changes && self.state.load(Ordering::SeqCst) != CLAIMED
    }

    pub(crate) fn committed(&self) {
        self.state.store(CLAIMED, Ordering::SeqCst);
    }

    /// Claims the key in a transaction that has done nothing yet.
    ///
    /// Fails with [`Error::InProgress`] if another request was first.
    async fn claim_in(&self, tx: &mut ::store::Tx, now: Timestamp) -> Result<()> {
        let claimed = match store::claim(tx, &self.asked, now).await {
            // Another node holds the claim and has not committed within the time to wait for a lock.
            Err(StoreError::Busy) => false,
            other => other?,
        };
        if !claimed {
            self.state.store(LOST, Ordering::SeqCst);
            return Err(Error::InProgress);
        }
        Ok(())
    }
}

impl Cx {
    /// The same request, which may change something once.
    #[must_use]
    pub fn with_once(&self, once: Arc<Once>) -> Self {
        let mut cx = self.clone();
        cx.once = Some(once);
        cx
    }

    /// Claims the request's key ahead of a transaction of another scope than the request's (the platform
    /// acts inside a tenant): the claim belongs to the scope in which it is looked for.
    pub(crate) async fn claim_ahead(&self, permit: &Permit) -> Result<()> {
        let Some(once) = self.once.as_ref().filter(|once| once.is_due(permit)) else { return Ok(()) };
        if once.asked.tenant == permit.tenant {
            return Ok(());
        }
        let own = Permit { tenant: once.asked.tenant.clone(), ..self.purpose(Purpose::Idempotency) };
        let mut inner = self.begin(&own).await?;
        once.claim_in(&mut inner, self.now()).await?;
        inner.commit_quietly(::store::Quiet::Housekeeping).await?;
        once.committed();
        Ok(())
    }

    /// Claims the request's key in a transaction that has done nothing yet; true if it did.
    pub(crate) async fn claim_in(&self, inner: &mut ::store::Tx, permit: &Permit) -> Result<bool> {
        let Some(once) = self.once.as_ref().filter(|once| once.is_due(permit)) else { return Ok(false) };
        once.claim_in(inner, self.now()).await?;
        Ok(true)
    }
}

/// Looks what is known under a key.
pub async fn look_up(cx: &Cx, asked: &Asked) -> Result<Known> {
    let mut rx = cx.read(&cx.purpose(Purpose::Idempotency)).await?;
    let Some(found) = store::find(&mut rx, asked, cx.now()).await? else { return Ok(Known::Nothing) };
    Ok(match found {
        found if found.digest != asked.digest => Known::Another,
        found => found.answer.map_or(Known::Pending { since: found.created_at }, Known::Answered),
    })
}

/// Keeps the answer to a request, for the same request sent again.
pub async fn keep(cx: &Cx, once: &Once, answer: &Answer) -> Result<()> {
    let mut tx: Tx = cx.write(&cx.purpose(Purpose::Idempotency)).await?;
    let now = cx.now();
    match once.state.load(Ordering::SeqCst) {
        CLAIMED => store::complete(&mut tx, &once.asked, answer).await?,
        _ => store::insert(&mut tx, &once.asked, answer, now).await?,
    }
    tx.commit_housekeeping().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_1_to_255_visible_ascii_characters() {
        for good in ["k", "8e03978e-40d5-43dd-bc93-6894a57f9324", "\"quoted\"", &"x".repeat(255)] {
            assert!(Key::parse(good.as_bytes()).is_some(), "{good}");
        }
        for bad in ["", "a b", "a\tb", "é", "\u{7f}", &"x".repeat(256)] {
            assert!(Key::parse(bad.as_bytes()).is_none(), "{bad}");
        }
    }
}
