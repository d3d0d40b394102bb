//! Who holds this access token? Signature, claims and the row behind it, with a bounded cache.
//!
//! An entry of the cache is the work of one verified token. It is used while the tenant's policy version
//! stands still, at most [`RECHECK_SECONDS`] without a look at the row: revocation, disabled people and
//! clients all move the version, and the seconds bound what a node could miss otherwise. While the database is
//! away, an entry of whose tenant nothing is known to have changed serves as long as decisions go on without it.

use std::sync::Arc;

use authz::{Actor, Api, Place, Purpose, TenantRef};
use aws_lc_rs::digest::{SHA256, digest};
use base::{Kind, Problem, Timestamp};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jose::{ClaimRules, Claims, Rules, verify_compact};
use quick_cache::sync::Cache;

use crate::Service;
use crate::error::Error;
use crate::grants::store;
use crate::grants::{ACCESS, FoundToken};

/// Tokens whose verification is remembered.
const TOKENS_MAX: usize = 10_000;
/// How long an entry serves without a look at its row, in seconds.
pub const RECHECK_SECONDS: i64 = 5;
/// Clock skew between nodes, in seconds.
const LEEWAY_SECONDS: u32 = 5;

/// Why a bearer token was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum BearerError {
    /// The token is malformed, forged, expired, revoked, of another tenant, or of nobody who may act.
    #[error("the access token is invalid, expired or revoked")]
    Invalid,
    /// The tenant is switched off.
    #[error("the tenant is switched off")]
    Disabled,
    /// It could not be judged.
    #[error("{0}")]
    Failed(Problem),
}

impl From<BearerError> for Problem {
    fn from(error: BearerError) -> Self {
        match error {
            BearerError::Invalid => Self::new(
                Kind::Unauthenticated,
                "invalid_token",
                "the access token is invalid, expired or revoked; get another one",
            ),
            BearerError::Disabled => authz::Error::TenantDisabled.into(),
            BearerError::Failed(problem) => problem,
        }
    }
}

impl From<Error> for BearerError {
    fn from(error: Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<authz::Error> for BearerError {
    fn from(error: authz::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// A token that was verified.
#[derive(Clone)]
pub(crate) struct Bearer {
    pub(crate) tenant: Arc<TenantRef>,
    pub(crate) actor: Arc<Actor>,
    pub(crate) scopes: Vec<String>,
    digest: String,
    client_name: String,
    expires_at: Timestamp,
    version: i64,
    checked_at: Timestamp,
}

/// The cache of verified tokens, by SHA-256 of the token.
pub(crate) struct Verified(Cache<[u8; 32], Arc<Bearer>>);

impl Verified {
    pub(crate) fn new() -> Self {
        Self(Cache::new(TOKENS_MAX))
    }
}

impl Service {
    /// The tenant and the actor that an access token stands for; the tenant is the one given, or that of
    /// the token's issuer.
    ///
    /// Fails with [`BearerError::Invalid`] for any token that is not worth anything here and now, and with
    /// [`BearerError::Disabled`] where the tenant is switched off.
    pub async fn bearer_actor(
        &self,
        tenant: Option<&Arc<TenantRef>>,
        token: &str,
    ) -> Result<(Arc<TenantRef>, Arc<Actor>), BearerError> {
        let bearer = self.bearer(tenant, token).await?;
        Ok((bearer.tenant.clone(), bearer.actor.clone()))
    }

    pub(crate) async fn bearer(
        &self,
        tenant: Option<&Arc<TenantRef>>,
        token: &str,
    ) -> Result<Arc<Bearer>, BearerError> {
        let mut key = [0u8; 32];
        for (byte, value) in key.iter_mut().zip(digest(&SHA256, token.as_bytes()).as_ref()) {
            *byte = *value;
        }
        let now = self.core().now();
        if let Some(known) = self.0.bearers.0.get(&key) {
            if tenant.is_some_and(|tenant| tenant.id != known.tenant.id) || known.expires_at <= now {
                return Err(BearerError::Invalid);
            }
            let fresh = known.version == self.core().version(&known.tenant.id)
                && now < known.checked_at.plus_seconds(RECHECK_SECONDS);
            if fresh || self.is_away(&known) {
                return Ok(known);
            }
            let again = Box::pin(self.recheck(&known)).await;
            if let Err(BearerError::Failed(problem)) = &again
                && problem.kind() == Kind::Unavailable
                && self.goes_on(&known)
            {
                return Ok(known);
            }
            match &again {
                Ok(bearer) => self.0.bearers.0.insert(key, bearer.clone()),
                Err(BearerError::Invalid | BearerError::Disabled) => drop(self.0.bearers.0.remove(&key)),
                Err(BearerError::Failed(_)) => {}
            }
            return again;
        }
        // Boxed, so that a request with a token that is known does not carry the room for all of this.
        let bearer = Box::pin(self.verify(tenant, token)).await?;
        self.0.bearers.0.insert(key, bearer.clone());
        Ok(bearer)
    }

    /// Whether an entry serves although its row cannot be read: nothing is known to have changed in the tenant,
    /// and the row was seen no longer ago than decisions go on without the database.
    fn goes_on(&self, known: &Bearer) -> bool {
        known.version == self.core().version(&known.tenant.id) && self.core().goes_on_from(known.checked_at)
    }

    /// The same where it is known already that the database does not answer, so that nobody waits for it.
    fn is_away(&self, known: &Bearer) -> bool {
        matches!(self.core().stale_since(), Ok(Some(_))) && self.goes_on(known)
    }

    /// Judges a token that this node has not seen.
    async fn verify(&self, tenant: Option<&Arc<TenantRef>>, token: &str) -> Result<Arc<Bearer>, BearerError> {
        let tenant = match tenant {
            Some(tenant) => tenant.clone(),
            None => self.tenant_of_token(token).await?,
        };
        let claims = self.verify_access_token(&tenant, token).await?;
        let (Some(jti), Some(client_name)) = (claims.str("jti"), claims.str("client_id")) else {
            return Err(BearerError::Invalid);
        };
        self.look_up(tenant, self.token_digest(jti), client_name.to_owned()).await
    }

    /// Verifies signature and claims of an access token of a tenant, for use at Signet itself.
    pub(crate) async fn verify_access_token(
        &self,
        tenant: &Arc<TenantRef>,
        token: &str,
    ) -> Result<Claims, BearerError> {
        let claims = self.verify_own_token(tenant, token, "at+jwt").await?;
        let issuer = &tenant.issuer;
        // RFC 9068 section 4: "The resource server MUST validate that the aud claim contains a resource
        // indicator value corresponding to an identifier the resource server expects for itself."
        if claims.has_audience(issuer) { Ok(claims) } else { Err(BearerError::Invalid) }
    }

    /// Verifies signature, type, issuer and times of a token of ours, whoever it is for.
    pub(crate) async fn verify_own_token(
        &self,
        tenant: &Arc<TenantRef>,
        token: &str,
        typ: &'static str,
    ) -> Result<Claims, BearerError> {
        let cx = self.core().system(Place::Tenant(tenant.clone()));
        let set = self.keys().set(&cx).await?;
        let now = cx.now();
        let verified = verify_compact(token, |kid| set.verifying(kid, now), &Rules::new(typ))
            .map_err(|_| BearerError::Invalid)?;
        let rules = ClaimRules {
            issuer: &tenant.issuer,
            audience: None,
            now: now.as_seconds(),
            leeway_seconds: LEEWAY_SECONDS,
        };
        verified.validate(&rules).map_err(|_| BearerError::Invalid)
    }

    /// Looks at the row of a token that was verified before.
    async fn recheck(&self, known: &Bearer) -> Result<Arc<Bearer>, BearerError> {
        let tenant = self.0.directory.tenant_by_id(&known.tenant.id).await.map_err(failed)?;
        let tenant = tenant.ok_or(BearerError::Invalid)?;
        self.look_up(tenant, known.digest.clone(), known.client_name.clone()).await
    }

    async fn look_up(
        &self,
        tenant: Arc<TenantRef>,
        digest: String,
        client_name: String,
    ) -> Result<Arc<Bearer>, BearerError> {
        if !tenant.active {
            return Err(BearerError::Disabled);
        }
        let cx = self.core().system(Place::Tenant(tenant.clone()));
        // INVARIANT: the version is read before the row: what changes in between is seen at the next use.
        let version = self.core().version(&tenant.id);
        let found = {
            let mut rx = cx.read(&cx.purpose(Purpose::Resolve)).await?;
            store::find_token(&mut rx, &tenant.id, &digest, ACCESS).await.map_err(Error::from)?
        };
        let now = cx.now();
        let found = found.filter(|found| found.is_live(now)).ok_or(BearerError::Invalid)?;
        let actor = actor_of(&tenant, &found, &client_name).map(Arc::new).ok_or(BearerError::Invalid)?;
        Ok(Arc::new(Bearer {
            tenant,
            actor,
            digest,
            client_name,
            expires_at: found.expires_at,
            scopes: found.scopes,
            version,
            checked_at: now,
        }))
    }

    /// The tenant that a token says it is from: only to know whose keys to ask.
    async fn tenant_of_token(&self, token: &str) -> Result<Arc<TenantRef>, BearerError> {
        #[derive(serde::Deserialize)]
        struct Issuer {
            iss: String,
        }
        if token.len() > jose::TOKEN_BYTES_MAX {
            return Err(BearerError::Invalid);
        }
        let payload = token.split('.').nth(1).ok_or(BearerError::Invalid)?;
        let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| BearerError::Invalid)?;
        let claimed: Issuer = serde_json::from_slice(&payload).map_err(|_| BearerError::Invalid)?;
        let found = self.0.directory.tenant_by_issuer(&claimed.iss).await.map_err(failed)?;
        found.ok_or(BearerError::Invalid)
    }
}

fn failed(error: impl Into<Problem>) -> BearerError {
    BearerError::Failed(error.into())
}

fn actor_of(tenant: &TenantRef, found: &FoundToken, client_name: &str) -> Option<Actor> {
    let api = Api::of_scopes(&tenant.id, &found.scopes);
    match (&found.person, &found.grant) {
        (Some(person), Some(grant)) => Some(Actor::User {
            id: person.id.clone(),
            tenant: tenant.id.clone(),
            username: person.username.clone(),
            session: grant.session_id.clone(),
            client: Some(grant.client_id.clone()),
            api,
            must_change_password: person.must_change_password,
        }),
        (None, None) => Some(Actor::Client {
            id: found.client_id.clone()?,
            tenant: tenant.id.clone(),
            client_id: client_name.to_owned(),
            api,
        }),
        _ => None,
    }
}
