//! Grants: the family of all tokens that one authorization began, its code and its rows.

pub(crate) mod store;

use authz::{Change, Cx, Event, Permit, Target, Tx};
use base::Timestamp;
use base::id::{ClientId, GrantId, SessionId, TokenId, UserId};

use crate::error::Result;

/// The longest life of a family, however often it is refreshed, in seconds: 90 days.
pub const GRANT_SECONDS_MAX: i64 = 90 * 86_400;
/// How long an authorization code may be exchanged, in seconds. RFC 6749 section 4.1.2: "A maximum
/// authorization code lifetime of 10 minutes is RECOMMENDED."
pub const CODE_SECONDS: i64 = 60;

/// The word stored for access tokens.
pub(crate) const ACCESS: &str = "access_token";
/// The word stored for refresh tokens.
pub(crate) const REFRESH: &str = "refresh_token";

/// An authorization code with whom it is for.
#[derive(Debug, Clone)]
pub(crate) struct Code {
    pub(crate) digest: String,
    pub(crate) client_id: ClientId,
    pub(crate) user_id: UserId,
    pub(crate) session_id: SessionId,
    pub(crate) grant_id: Option<GrantId>,
    pub(crate) redirect_uri: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) nonce: Option<String>,
    pub(crate) code_challenge: String,
    pub(crate) auth_time: Timestamp,
    pub(crate) acr: Option<String>,
    pub(crate) amr: Vec<String>,
    pub(crate) expires_at: Timestamp,
    pub(crate) used_at: Option<Timestamp>,
}

/// A code with what is known of its person now.
pub(crate) struct FoundCode {
    pub(crate) code: Code,
    pub(crate) person: Person,
    /// Whether the session that it came from still runs.
    pub(crate) session_active: bool,
}

/// What tokens need to know of a person.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) id: UserId,
    pub(crate) username: String,
    pub(crate) active: bool,
    pub(crate) must_change_password: bool,
}

/// A family.
#[derive(Debug, Clone)]
pub(crate) struct Grant {
    pub(crate) id: GrantId,
    pub(crate) client_id: ClientId,
    pub(crate) user_id: UserId,
    /// The session that it ends with; none for `offline_access`, which outlives sessions.
    pub(crate) session_id: Option<SessionId>,
    pub(crate) scopes: Vec<String>,
    pub(crate) auth_time: Option<Timestamp>,
    pub(crate) acr: Option<String>,
    pub(crate) amr: Vec<String>,
    pub(crate) expires_at: Timestamp,
    pub(crate) active: bool,
}

/// A token to be stored.
#[derive(Debug, Clone)]
pub(crate) struct NewToken {
    pub(crate) id: TokenId,
    pub(crate) digest: String,
    pub(crate) kind: &'static str,
    pub(crate) user_id: Option<UserId>,
    /// The client's row; none for a client of the program.
    pub(crate) client_id: Option<ClientId>,
    pub(crate) grant_id: Option<GrantId>,
    pub(crate) scopes: Vec<String>,
    pub(crate) audience: Vec<String>,
    pub(crate) expires_at: Timestamp,
}

/// A stored token with everything that decides whether it is worth something now.
#[derive(Debug, Clone)]
pub(crate) struct FoundToken {
    pub(crate) id: TokenId,
    pub(crate) kind: String,
    pub(crate) active: bool,
    pub(crate) issued_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    pub(crate) rotated_at: Option<Timestamp>,
    pub(crate) successor_id: Option<TokenId>,
    pub(crate) scopes: Vec<String>,
    pub(crate) audience: Vec<String>,
    /// The client's row; none for a client of the program.
    pub(crate) client_id: Option<ClientId>,
    pub(crate) client_active: bool,
    pub(crate) grant: Option<Grant>,
    pub(crate) person: Option<Person>,
}

impl FoundToken {
    /// Whether token, family, person and client all still count.
    pub(crate) fn is_live(&self, now: Timestamp) -> bool {
        self.active && now < self.expires_at && self.is_backed(now)
    }

    /// Whether what stands behind the token still counts, whatever became of the token itself.
    pub(crate) fn is_backed(&self, now: Timestamp) -> bool {
        self.grant.as_ref().is_none_or(|grant| grant.active && now < grant.expires_at)
            && self.person.as_ref().is_none_or(|person| person.active)
            && (self.client_active || self.is_of_built_in())
    }

    fn is_of_built_in(&self) -> bool {
        self.client_id.is_none()
            && self.grant.as_ref().is_some_and(|grant| grant.client_id.as_str().starts_with("builtin:"))
    }

    /// Whether the token was issued to the client.
    pub(crate) fn belongs_to(&self, client: &ClientId) -> bool {
        match (&self.grant, &self.client_id) {
            (Some(grant), _) => grant.client_id == *client,
            (None, Some(id)) => id == client,
            (None, None) => false,
        }
    }
}

/// Revokes a family with all its tokens and records why. Says whether it was active.
pub(crate) async fn revoke_in(
    cx: &Cx,
    tx: &mut Tx,
    permit: &Permit,
    id: &GrantId,
    action: &'static str,
    reason: &'static str,
) -> Result<bool> {
    let tenant = cx.tenant()?.id.clone();
    let was_active = store::revoke_grant(tx, &tenant, id, reason, cx.now()).await?;
    let name = Target::member(id).name(Some(tenant.as_str()));
    let details = serde_json::json!({ "reason": reason });
    tx.record(permit, Event::done(action, name).details(details));
    tx.decisions_change(permit, Change::Nothing);
    Ok(was_active)
}
