//! Permits and what they open: a read connection or a write transaction.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};

use base::id::TenantId;
use serde_json::Value;
use store::{Quiet, Scope, outbox};

use crate::roles::keep::{self, Watch};
use crate::{Action, Change, Cx, Event, Name, Result};

/// What no signed-in principal does: each with its scope and the tables it may write (checked in debug
/// builds, printed by a test).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Checking credentials and beginning a session, in a tenant.
    SignIn,
    /// A person changes their own password, in a tenant.
    PasswordChange,
    /// Ending sessions and what hangs on them, in a tenant.
    SignOut,
    /// A person's consent and the authorization code that follows, in a tenant.
    Authorization,
    /// A client exchanges a code, a refresh token or its credentials for tokens; revocation, in a tenant.
    TokenExchange,
    /// Looking up what a request names before its caller is known: tenants, clients, sessions, tokens.
    Resolve,
    /// Making, rotating and reading keys, in a tenant.
    KeyCare,
    /// Keeping the answer to a request with an `Idempotency-Key`, where the request took place.
    Idempotency,
    /// A background job of this kind.
    Job(&'static str),
    /// The first start: default data and the root key's check value, on the platform.
    Bootstrap,
}

impl Purpose {
    /// One of each, for the test that prints them.
    pub const ALL: &'static [Self] = &[
        Self::SignIn,
        Self::PasswordChange,
        Self::SignOut,
        Self::Authorization,
        Self::TokenExchange,
        Self::Resolve,
        Self::KeyCare,
        Self::Idempotency,
        Self::Job("any"),
        Self::Bootstrap,
    ];

    /// The tables that the purpose may write; none means any.
    pub const fn tables(self) -> Option<&'static [&'static str]> {
        match self {
            Self::SignIn => {
                Some(&["users", "imported_passwords", "user_sessions", "throttles", "audit_logs"])
            }
            Self::PasswordChange => Some(&[
                "users",
                "password_history",
                "imported_passwords",
                "password_reset_tokens",
                "user_sessions",
                "oauth_grants",
                "tokens",
                "audit_logs",
            ]),
            Self::SignOut => Some(&["user_sessions", "oauth_grants", "tokens", "audit_logs"]),
            Self::Authorization => Some(&["oauth_consents", "authorization_codes", "audit_logs"]),
            // The session only to hold it while its code is exchanged.
            Self::TokenExchange => Some(&[
                "authorization_codes",
                "user_sessions",
                "oauth_grants",
                "tokens",
                "throttles",
                "audit_logs",
            ]),
            Self::Resolve => Some(&[]),
            Self::KeyCare => Some(&["signing_keys", "key_checks", "kms_key_details", "audit_logs"]),
            Self::Idempotency => Some(&["idempotency_keys"]),
            Self::Job(_) | Self::Bootstrap => None,
        }
    }

    /// Whether a transaction of this purpose does what a caller asked for, rather than what comes along
    /// with any request: such a transaction claims the request's `Idempotency-Key`.
    pub(crate) const fn is_change(self) -> bool {
        matches!(self, Self::PasswordChange | Self::SignOut | Self::Authorization)
    }

    /// The scope in words.
    pub const fn scope(self) -> &'static str {
        match self {
            Self::Bootstrap | Self::Job(_) => "platform",
            _ => "tenant",
        }
    }
}

/// Proof that the caller may do one thing. Only [`Cx::authorize`] and [`Cx::purpose`] make one.
#[derive(Debug)]
pub struct Permit {
    pub(crate) action: Option<Action>,
    pub(crate) purpose: Option<Purpose>,
    pub(crate) name: Name,
    pub(crate) tenant: Option<TenantId>,
}

impl Permit {
    /// The resource name that was asked about.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// The action, where an action was asked for.
    pub fn action(&self) -> Option<Action> {
        self.action
    }

    /// The tenant it is valid in; none for the platform.
    pub fn tenant(&self) -> Option<&TenantId> {
        self.tenant.as_ref()
    }

    /// The tenant it is valid in. Fails with [`crate::Error::NotFound`] on the platform.
    pub fn own_tenant(&self) -> Result<&TenantId> {
        self.tenant.as_ref().ok_or(crate::Error::NotFound("tenant"))
    }

    /// Whose rows it opens: those of its tenant, or on the platform all.
    pub(crate) fn scope(&self) -> Scope<'_> {
        self.tenant.as_ref().map_or(Scope::Platform, |tenant| Scope::Tenant(tenant.as_str()))
    }

    pub(crate) fn tables(&self) -> Option<&'static [&'static str]> {
        self.purpose.and_then(Purpose::tables)
    }
}

/// A write transaction with the context that its events need. Rolled back unless committed.
pub struct Tx {
    pub(crate) inner: store::Tx,
    pub(crate) cx: Cx,
    /// Whether it claims the request's `Idempotency-Key`.
    pub(crate) claims: bool,
    /// What it did to Super Admins, judged when it ends.
    pub(crate) watch: Watch,
}

impl Deref for Tx {
    type Target = store::Tx;

    fn deref(&self) -> &store::Tx {
        &self.inner
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut store::Tx {
        &mut self.inner
    }
}

impl Tx {
    /// Records what was done, to be committed with it.
    pub fn record(&mut self, permit: &Permit, event: Event) {
        let row = self.cx.row(permit.tenant(), event);
        self.inner.append(row);
    }

    /// Records what was done in a tenant's log, or the platform's, which need not be the permit's: for jobs that
    /// work on behalf of tenants.
    pub fn record_in(&mut self, tenant: Option<&TenantId>, event: Event) {
        let row = self.cx.row(tenant, event);
        self.inner.append(row);
    }

    /// Adds a job, to be run after the commit.
    pub async fn enqueue(&mut self, permit: &Permit, kind: &str, payload: Value) -> Result<()> {
        let now = self.cx.now();
        let job = outbox::Job {
            id: self.cx.fresh_id::<base::id::Job>().to_string(),
            tenant_id: permit.tenant().map(ToString::to_string),
            kind: kind.to_owned(),
            payload,
            attempts: 0,
        };
        outbox::enqueue(&mut self.inner, &job, now).await?;
        Ok(())
    }

    /// The context that the transaction was begun in.
    pub fn cx(&self) -> &Cx {
        &self.cx
    }

    /// Marks that the transaction changes decisions, clients, keys or revocations of the permit's scope, and
    /// what of them. Token issue and sign-in never do.
    pub fn decisions_change(&mut self, permit: &Permit, change: Change<'_>) {
        let scope = permit.tenant().map_or("platform", |tenant| tenant.as_str()).to_owned();
        self.inner.bump_policy_version(&scope, change.into());
    }

    /// The same for a tenant that need not be the permit's.
    pub fn decisions_of_change(&mut self, tenant: &TenantId, change: Change<'_>) {
        self.inner.bump_policy_version(tenant.as_str(), change.into());
    }

    /// The same for the platform, whatever the permit is for.
    pub fn decisions_of_platform_change(&mut self, change: Change<'_>) {
        self.inner.bump_policy_version("platform", change.into());
    }

    /// Judges what must hold of the transaction as a whole. Every commit does so; whoever rolls back on
    /// purpose asks here what the commit would have said.
    ///
    /// Fails with [`crate::Error::LastSuperAdmin`].
    pub async fn settle(&mut self) -> Result<()> {
        keep::settle(self).await
    }

    /// Commits, and applies changed decisions on this node before it returns.
    ///
    /// Fails like [`Tx::settle`], and then nothing is changed.
    pub async fn commit(mut self) -> Result<()> {
        self.settle().await?;
        let bumps = self.inner.commit().await?;
        after_commit(&self.cx, self.claims, bumps);
        Ok(())
    }

    /// Commits counters, last-used times and sweeps, which leave no event.
    pub async fn commit_housekeeping(mut self) -> Result<()> {
        self.settle().await?;
        let bumps = self.inner.commit_quietly(Quiet::Housekeeping).await?;
        after_commit(&self.cx, self.claims, bumps);
        Ok(())
    }
}

fn after_commit(cx: &Cx, claimed: bool, bumps: BTreeMap<String, i64>) {
    if let Some(once) = cx.once.as_ref().filter(|_| claimed) {
        once.committed();
    }
    cx.core().learn_versions(bumps);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_purposes_and_their_tables_are_these() {
        let printed: Vec<String> = Purpose::ALL
            .iter()
            .map(|p| {
                format!("{p:?} [{}]: {}", p.scope(), p.tables().map_or("any".to_owned(), |t| t.join(" ")))
            })
            .collect();

        assert_eq!(printed.join("\n"), include_str!("../tests/purposes.txt").trim_end());
    }
}
