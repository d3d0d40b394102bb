//! Signed-in sessions: begun, recognised, listed, ended.
//!
//! A session's token is 256 random bits in a cookie; the database holds its digest only. It is fresh at
//! every sign-in and after every change of password, so that a token planted before is worth nothing. A
//! session belongs to one tenant: its token means nothing at another.

pub(crate) mod store;

use std::sync::Arc;

use authz::cx::Place;
use authz::{Action, Actor, Change, Cx, Event, Permit, Purpose, Target, TenantRef, Tx};
use axum::http::{HeaderMap, HeaderValue};
use base::id::{SessionId, UserId};
use base::{Problem, Secret, Timestamp};
use web::cookies;

use crate::{Error, Result, Service, config_of};

/// Seconds between two notes of a session's activity.
const TOUCH_SECONDS: i64 = 60;
/// Sessions that are listed, or ended at once, at most.
pub(crate) const SESSIONS_MAX: i64 = 200;

/// The authentication context class of a sign-in with a password: the class of SAML 2.0 (Authentication
/// Context, section 3.4.4), "a password over a protected session". OpenID Connect Core section 2 asks for
/// an absolute URI or a registered name. Plain http is served on loopback only, where nothing is sent over
/// a network.
pub const ACR_PASSWORD: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport";

/// A session as other slices see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its id, the `sid` of ID tokens.
    pub id: SessionId,
    /// Whose it is.
    pub user_id: UserId,
    /// The person's name.
    pub username: String,
    /// When the person last proved who they are.
    pub auth_time: Timestamp,
    /// How (RFC 8176): `pwd`.
    pub amr: Vec<String>,
    /// The authentication context class: [`ACR_PASSWORD`]; none for sessions begun before it was noted.
    pub acr: Option<String>,
    /// Whether the password must be changed before anything else.
    pub must_change_password: bool,
}

/// A session as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedSession {
    /// Its id.
    pub id: SessionId,
    /// When the person signed in.
    pub created_at: Timestamp,
    /// The last request, to the minute.
    pub last_activity_at: Timestamp,
    /// When it ends at the latest.
    pub expires_at: Timestamp,
    /// From where.
    pub ip_address: Option<String>,
    /// With which agent.
    pub user_agent: Option<String>,
    /// Whether it outlives the browser.
    pub remember: bool,
    /// Whether the caller is in it.
    pub current: bool,
}

/// A session and its person as an actor.
#[derive(Debug, Clone)]
pub struct SessionActor {
    /// The person, allowed to use the API.
    pub actor: Actor,
    /// The session.
    pub session: Session,
}

/// A new session's token, for its cookie.
#[derive(Debug)]
pub struct Begun {
    /// The session.
    pub session: Session,
    /// The token.
    pub token: Secret<String>,
    /// Seconds that the cookie lives; none for as long as the browser runs.
    pub max_age_seconds: Option<i64>,
}

/// Who signed in and how, for [`Service::begin_in`].
pub(crate) struct Beginning<'a> {
    pub(crate) user_id: &'a UserId,
    pub(crate) username: &'a str,
    pub(crate) must_change_password: bool,
    pub(crate) remember: bool,
    /// A session of the same browser, which is continued if it is the same person's.
    pub(crate) replaces: Option<&'a Session>,
}

/// Which sessions of a person end.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Which<'a> {
    One(&'a SessionId),
    AllBut(Option<&'a SessionId>),
}

impl Service {
    /// The name of the session cookie of a tenant. The mode comes from the configured public address: a
    /// cookie of the other mode is another name and is never read.
    pub fn session_cookie_name(&self, tenant: &TenantRef) -> String {
        self.cookie_name("s", tenant)
    }

    /// A cookie name of a tenant: `__Host-{kind}-{id}` where the public address is https, else
    /// `{kind}-{id}`. An id may hold `:`, which a cookie name may not.
    pub(crate) fn cookie_name(&self, kind: &str, tenant: &TenantRef) -> String {
        let prefix = if self.config().secure { "__Host-" } else { "" };
        format!("{prefix}{kind}-{}", tenant.id.as_str().replace(':', "~"))
    }

    /// The cookie that carries a session's token; without `max_age_seconds` it ends with the browser.
    pub fn session_cookie(
        &self,
        tenant: &TenantRef,
        token: &Secret<String>,
        max_age_seconds: Option<i64>,
    ) -> std::result::Result<HeaderValue, Problem> {
        cookies::set(&self.session_cookie_name(tenant), token.expose(), self.config().secure, max_age_seconds)
    }

    /// The cookie that removes a session's cookie.
    pub fn clear_session_cookie(&self, tenant: &TenantRef) -> std::result::Result<HeaderValue, Problem> {
        cookies::clear(&self.session_cookie_name(tenant), self.config().secure)
    }

    /// Recognises the session of a request, if it has a valid one in this active tenant, and notes its
    /// activity at most once a minute.
    pub async fn session_actor(
        &self,
        tenant: &Arc<TenantRef>,
        headers: &HeaderMap,
    ) -> Result<Option<SessionActor>> {
        let token = cookies::read(headers, &self.session_cookie_name(tenant));
        let Some(token) = token.filter(|_| tenant.active) else { return Ok(None) };
        let digest = self.session_digest(token);
        let cx = self.core().system(Place::Tenant(tenant.clone()));
        let now = cx.now();
        let found = {
            let mut rx = cx.read(&cx.purpose(Purpose::Resolve)).await?;
            store::find_by_digest(&mut rx, &tenant.id, &digest, now).await?
        };
        let Some(found) = found else { return Ok(None) };
        let rules = config_of(tenant)?.session_policy;
        if !found.remember && found.last_activity_at.plus_seconds(rules.idle_timeout_seconds) <= now {
            return Ok(None);
        }
        if found.last_activity_at.plus_seconds(TOUCH_SECONDS) <= now {
            let mut tx = cx.write(&cx.purpose(Purpose::SignIn)).await?;
            store::touch(&mut tx, &found.session.id, now).await?;
            tx.commit_housekeeping().await?;
        }
        let session = found.session;
        let actor = session_actor(tenant, &session);
        Ok(Some(SessionActor { actor, session }))
    }

    /// The stored form of a session's token.
    pub(crate) fn session_digest(&self, token: &str) -> String {
        self.kms().digest("session", token)
    }

    /// Begins a session, or continues the same person's in the same browser under a fresh token. The
    /// caller's transaction records the event.
    pub(crate) async fn begin_in(&self, cx: &Cx, tx: &mut Tx, beginning: Beginning<'_>) -> Result<Begun> {
        let tenant = cx.tenant()?.clone();
        let rules = config_of(&tenant)?.session_policy;
        let now = cx.now();
        let token = Secret::new(cx.fresh_token());
        let lifetime =
            if beginning.remember { rules.remember_seconds } else { rules.absolute_timeout_seconds };
        let mut session = Session {
            id: cx.fresh_id(),
            user_id: beginning.user_id.clone(),
            username: beginning.username.to_owned(),
            auth_time: now,
            amr: vec!["pwd".to_owned()],
            acr: Some(ACR_PASSWORD.to_owned()),
            must_change_password: beginning.must_change_password,
        };
        let row = store::NewRow {
            digest: self.session_digest(token.expose()),
            expires_at: now.plus_seconds(lifetime),
            remember: beginning.remember,
            ip_address: cx.request().client_address.map(|a| a.to_string()),
            user_agent: cx.request().user_agent.clone(),
        };
        let own = beginning.replaces.filter(|old| old.user_id == *beginning.user_id);
        let continued = match own {
            Some(old) => store::renew(tx, &tenant.id, &old.id, &session, &row).await?,
            None => false,
        };
        match own {
            Some(old) if continued => session.id = old.id.clone(),
            _ => store::insert(tx, &tenant.id, &session, &row).await?,
        }
        Ok(Begun { session, token, max_age_seconds: beginning.remember.then_some(lifetime) })
    }

    /// Ends the oldest sessions of a person beyond the tenant's limit.
    pub(crate) async fn end_surplus(&self, cx: &Cx, user_id: &UserId) -> Result<()> {
        let tenant = cx.tenant()?.clone();
        let rules = config_of(&tenant)?.session_policy;
        let permit = cx.purpose(Purpose::SignOut);
        let sessions = {
            let mut rx = cx.read(&permit).await?;
            store::list(&mut rx, &tenant.id, user_id, cx.now(), rules.idle_timeout_seconds).await?
        };
        let max = usize::try_from(rules.max_concurrent).unwrap_or(usize::MAX);
        for surplus in sessions.iter().skip(max) {
            let mut tx = cx.write(&permit).await?;
            if end_session_in(cx, &mut tx, &permit, &surplus.id, "too_many").await? {
                tx.commit().await?;
            }
        }
        Ok(())
    }
}

/// The person of a session as an actor.
pub(crate) fn session_actor(tenant: &TenantRef, session: &Session) -> Actor {
    Actor::User {
        id: session.user_id.clone(),
        tenant: tenant.id.clone(),
        username: session.username.clone(),
        session: Some(session.id.clone()),
        client: None,
        api: authz::Api::Open,
        must_change_password: session.must_change_password,
    }
}

/// Ends a session with its grants and tokens, and records `session.ended`; false, and nothing is done or
/// recorded, if there is no such active session.
pub async fn end_session_in(
    cx: &Cx,
    tx: &mut Tx,
    permit: &Permit,
    id: &SessionId,
    reason: &'static str,
) -> Result<bool> {
    let tenant = cx.tenant()?.clone();
    let Some(user) = store::end_one(tx, &tenant.id, id, reason, cx.now()).await? else { return Ok(false) };
    let grants = store::revoke_grants_of_session(tx, &tenant.id, id, reason, cx.now()).await?;
    if grants > 0 {
        tx.decisions_change(permit, Change::Nothing);
    }
    let name = Target::member(id).name(Some(tenant.id.as_str()));
    let details = serde_json::json!({ "reason": reason, "grants_revoked": grants });
    let event = Event::done("session.ended", name).details(details).about_user(&user, None).in_session(id);
    tx.record(permit, event);
    Ok(true)
}

/// Ends the sessions of a person and what hangs on them; without an event, for verbs that record their
/// own. Returns how many sessions and grants ended.
pub(crate) async fn end_all_in(
    cx: &Cx,
    tx: &mut Tx,
    permit: &Permit,
    user_id: &UserId,
    keep: Option<&SessionId>,
    reason: &'static str,
) -> Result<(i64, i64)> {
    let tenant = cx.tenant()?.clone();
    let sessions = store::end_all(tx, &tenant.id, user_id, keep, reason, cx.now()).await?;
    let grants = store::revoke_grants_of_user(tx, &tenant.id, user_id, keep, reason, cx.now()).await?;
    if grants > 0 {
        tx.decisions_change(permit, Change::Nothing);
    }
    Ok((sessions, grants))
}

/// Signs the caller out: ends their session with its grants. Does nothing for who has no session.
pub async fn sign_out(cx: &Cx) -> Result<()> {
    let Actor::User { session: Some(session), .. } = cx.actor() else { return Ok(()) };
    let session = session.clone();
    let permit = cx.purpose(Purpose::SignOut);
    let mut tx = cx.write(&permit).await?;
    if end_session_in(cx, &mut tx, &permit, &session, "sign_out").await? {
        tx.commit().await?;
    }
    Ok(())
}

/// The caller as a person with an id.
pub(crate) fn own_id(cx: &Cx) -> Result<UserId> {
    match cx.actor() {
        Actor::User { id, .. } => Ok(id.clone()),
        Actor::Anonymous => Err(authz::Error::Unauthenticated.into()),
        _ => Err(Error::NoPerson),
    }
}

/// The session that the caller is in.
pub(crate) fn own_session(cx: &Cx) -> Option<SessionId> {
    match cx.actor() {
        Actor::User { session, .. } => session.clone(),
        _ => None,
    }
}

/// Lists the caller's own active sessions, the newest first.
pub async fn list_own_sessions(cx: &Cx) -> Result<Vec<ListedSession>> {
    let permit = cx.authorize(Action::UserReadSelf, &Target::own_user()).await?;
    list_in(cx, &permit, &own_id(cx)?).await
}

/// Lists the active sessions of a person, the newest first. Fails with [`Error::NotFound`].
pub async fn list_sessions(cx: &Cx, user_id: &UserId) -> Result<Vec<ListedSession>> {
    let permit = cx.authorize(Action::UserRead, &Target::member(user_id)).await?;
    must_exist(cx, &permit, user_id).await?;
    list_in(cx, &permit, user_id).await
}

/// Lists the sessions that the page of the person themself shows: what signs in may look at its own
/// sessions whatever its roles say.
pub(crate) async fn list_in(cx: &Cx, permit: &Permit, user_id: &UserId) -> Result<Vec<ListedSession>> {
    let tenant = cx.tenant()?.clone();
    let idle = config_of(&tenant)?.session_policy.idle_timeout_seconds;
    let current = own_session(cx);
    let mut rx = cx.read(permit).await?;
    let mut sessions = store::list(&mut rx, &tenant.id, user_id, cx.now(), idle).await?;
    for session in &mut sessions {
        session.current = Some(&session.id) == current.as_ref();
    }
    Ok(sessions)
}

/// Ends one of the caller's own sessions. Fails with [`Error::NotFound`].
pub async fn end_own_session(cx: &Cx, id: &SessionId) -> Result<()> {
    let permit = cx.authorize(Action::UserReadSelf, &Target::own_user()).await?;
    end_of(cx, &permit, &own_id(cx)?, Which::One(id)).await.map(drop)
}

/// Ends one session of a person. Fails with [`Error::NotFound`].
pub async fn end_session(cx: &Cx, user_id: &UserId, id: &SessionId) -> Result<()> {
    let permit = cx.authorize(Action::UserUpdate, &Target::member(user_id)).await?;
    end_of(cx, &permit, user_id, Which::One(id)).await.map(drop)
}

/// Ends all sessions of a person. Fails with [`Error::NotFound`]. Returns how many ended.
pub async fn end_all_sessions(cx: &Cx, user_id: &UserId) -> Result<i64> {
    let permit = cx.authorize(Action::UserUpdate, &Target::member(user_id)).await?;
    must_exist(cx, &permit, user_id).await?;
    end_of(cx, &permit, user_id, Which::AllBut(None)).await
}

/// Ends sessions of a person in a transaction of its own.
pub(crate) async fn end_of(cx: &Cx, permit: &Permit, user_id: &UserId, which: Which<'_>) -> Result<i64> {
    let tenant = cx.tenant()?.clone();
    match which {
        Which::One(id) => {
            let mut tx = cx.write(permit).await?;
            let owner = store::owner(&mut tx, &tenant.id, id).await?;
            let ended =
                owner.as_ref() == Some(user_id) && end_session_in(cx, &mut tx, permit, id, "ended").await?;
            if !ended {
                return Err(Error::NotFound("session"));
            }
            tx.commit().await?;
            Ok(1)
        }
        Which::AllBut(keep) => {
            let mut tx = cx.write(permit).await?;
            let (sessions, grants) = end_all_in(cx, &mut tx, permit, user_id, keep, "ended").await?;
            let name = Target::member(user_id).name(Some(tenant.id.as_str()));
            let details = serde_json::json!({ "sessions": sessions, "grants_revoked": grants });
            tx.record(permit, Event::done("sessions.ended", name).details(details).about_user(user_id, None));
            tx.commit().await?;
            Ok(sessions)
        }
    }
}

async fn must_exist(cx: &Cx, permit: &Permit, user_id: &UserId) -> Result<()> {
    let tenant = cx.tenant()?.clone();
    let mut rx = cx.read(permit).await?;
    match crate::passwords::store::find(&mut rx, &tenant.id, user_id).await? {
        Some(_) => Ok(()),
        None => Err(Error::NotFound("user")),
    }
}
