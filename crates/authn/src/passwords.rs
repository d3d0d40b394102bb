//! Passwords: how they are hashed, what a new one must be, and the ways to a new one.
//!
//! Every way ends in one place, [`replace_in`]: the new hash, the old one into the history, the end of
//! all other sessions and grants, the end of open one-time links, and the event `password.changed`.

pub(crate) mod hasher;
pub(crate) mod imported;
mod links;
mod rules;
pub(crate) mod store;

pub use hasher::{BadCandidate, COST_MIN, Candidate, PASSWORD_BYTES_MAX};
pub use imported::{BadImport, ImportedHash, Scheme};
pub use links::{Invited, OneTimeLink};
pub(crate) use rules::is_known_hash;
pub use rules::{DEFAULT_ADMIN_PASSWORD, Weakness};

use authz::{Action, Actor, Cx, Event, Permit, Purpose, Target, TenantRef, Tx, escalation};
use axum::http::HeaderValue;
use base::id::{SessionId, UserId};
use base::{Problem, Secret};
use directory::PasswordHash;
use directory::seeds::{ADMIN_ID, DEFAULT_TENANT_ID};

use crate::sessions::{end_all_in, own_id, own_session};
use crate::{Error, Result, Service, config_of};

/// Hashes that the history keeps for each person at most, whatever the rules ask for.
const HISTORY_MAX: i64 = 24;

/// Hashes that the history keeps for each person of a tenant: as many as its rules look at.
pub(crate) fn history_kept(tenant: &TenantRef) -> Result<i64> {
    Ok(i64::from(config_of(tenant)?.password_policy.history_count).min(HISTORY_MAX))
}

/// A person's row as this slice needs it.
#[derive(Clone)]
pub(crate) struct Account {
    pub(crate) id: UserId,
    pub(crate) username: String,
    pub(crate) username_key: String,
    /// The hash, read as `$2a$`; none where the column holds no bcrypt.
    pub(crate) hash: Option<PasswordHash>,
    /// The column as it stands.
    pub(crate) stored: Secret<String>,
    pub(crate) active: bool,
    pub(crate) password_set: bool,
    pub(crate) must_change_password: bool,
    pub(crate) password_changed_at: Option<base::Timestamp>,
    pub(crate) created_at: base::Timestamp,
}

impl Account {
    /// Whether the password is the one that the account was made with.
    fn never_changed(&self) -> bool {
        self.password_changed_at.is_none_or(|changed_at| changed_at <= self.created_at)
    }

    /// The hash that may sign in: none where no password was set, or where everybody knows it.
    pub(crate) fn usable_hash(&self) -> Option<&PasswordHash> {
        self.hash.as_ref().filter(|hash| self.password_set && !is_known_hash(hash.expose()))
    }
}

/// One change of a password.
pub(crate) struct Change<'a> {
    pub(crate) user_id: &'a UserId,
    pub(crate) hash: &'a PasswordHash,
    pub(crate) must_change: bool,
    /// The hash that was looked at; if another stands there by now, the change fails.
    pub(crate) replaces: &'a Secret<String>,
    /// The session that goes on, and its grants.
    pub(crate) keep: Option<&'a SessionId>,
    /// How it came: a word for the event.
    pub(crate) how: &'static str,
}

/// What the caller of a change of their own password goes on with.
#[derive(Debug)]
pub struct OwnChange {
    /// The cookie with the new token of the session that the caller is in: the old one is worth nothing
    /// any more. None for a caller with an access token.
    pub cookie: Option<HeaderValue>,
}

impl Service {
    /// Hashes a password that was checked elsewhere or needs no check (a generated client secret). Fails
    /// with [`Error::Weak`] if it is empty, longer than 72 bytes or has a NUL, and with [`Error::Busy`].
    pub async fn hash_password(&self, password: Secret<String>) -> Result<PasswordHash> {
        let candidate = Candidate::parse(&password).map_err(|bad| Error::Weak(vec![bad.into()]))?;
        self.hasher().hash(&candidate).await
    }

    /// A hash that no password verifies, for people who have none.
    pub fn unusable_hash(&self) -> Result<PasswordHash> {
        self.hasher().unusable()
    }

    /// Verifies a client's secret; the same work where there is no hash. Fails with [`Error::Busy`].
    pub async fn verify_client_secret(
        &self,
        secret: &Secret<String>,
        hash: Option<&PasswordHash>,
    ) -> Result<bool> {
        self.verify(secret, hash).await
    }

    /// Exactly one bcrypt, whatever is given.
    pub(crate) async fn verify(&self, typed: &Secret<String>, hash: Option<&PasswordHash>) -> Result<bool> {
        match Candidate::parse(typed) {
            Ok(candidate) => self.hasher().verify(&candidate, hash).await,
            Err(_) => self.hasher().verify(&Candidate::placeholder(), None).await,
        }
    }

    /// Verifies a password against a hash of another system; the same work for text that cannot be one.
    pub(crate) async fn verify_imported(&self, typed: &Secret<String>, hash: &ImportedHash) -> Result<bool> {
        match Candidate::parse(typed) {
            Ok(candidate) => self.hasher().verify_imported(&candidate, hash).await,
            Err(_) => {
                self.hasher().verify_imported(&Candidate::placeholder(), hash).await?;
                Ok(false)
            }
        }
    }

    /// Whether the default administrator still has the password that everybody knows; then the server
    /// must listen on loopback only. Costs one bcrypt as long as the password was never changed.
    pub async fn default_admin_stands(&self) -> Result<bool> {
        Ok(self.default_admin().await?.is_some())
    }

    /// Whether the default administrator has no password yet, because nobody opened the one-time link.
    pub async fn default_admin_lacks_password(&self) -> Result<bool> {
        let (Ok(tenant), Ok(user)) = (DEFAULT_TENANT_ID.parse(), ADMIN_ID.parse()) else { return Ok(false) };
        let cx = self.core().system(authz::Place::Platform);
        let mut rx = cx.read(&cx.purpose(Purpose::Resolve)).await?;
        let account = store::find(&mut rx, &tenant, &user).await?;
        Ok(account.is_some_and(|account| account.active && !account.password_set))
    }

    /// The default administrator while the default password stands, and the system in their tenant.
    async fn default_admin(&self) -> Result<Option<(Cx, Account)>> {
        let (Ok(tenant), Ok(user)) = (DEFAULT_TENANT_ID.parse(), ADMIN_ID.parse()) else { return Ok(None) };
        let tenant =
            self.directory().tenant_by_id(&tenant).await.map_err(|error| Error::Bug(error.into()))?;
        let Some(tenant) = tenant else { return Ok(None) };
        let cx = self.core().system(authz::Place::Tenant(tenant.clone()));
        let account = {
            let mut rx = cx.read(&cx.purpose(Purpose::Resolve)).await?;
            store::find(&mut rx, &tenant.id, &user).await?
        };
        let Some(account) = account.filter(|a| a.password_set && a.never_changed()) else {
            return Ok(None);
        };
        let default = Secret::new(DEFAULT_ADMIN_PASSWORD.to_owned());
        let stands = self.verify(&default, account.hash.as_ref()).await?;
        Ok(stands.then_some((cx, account)))
    }

    /// Gives the default administrator another password at start, if the default still stands; the
    /// change of it stays required. False, and nothing is done, if it does not stand.
    ///
    /// Fails with [`Error::Weak`].
    pub async fn bootstrap_password(&self, password: Secret<String>) -> Result<bool> {
        let Some((cx, account)) = self.default_admin().await? else { return Ok(false) };
        let cx = &cx;
        let candidate = self.check_candidate(cx, &account, &password).await?;
        let hash = self.hasher().hash(&candidate).await?;
        let permit = cx.purpose(Purpose::Bootstrap);
        let mut tx = cx.write(&permit).await?;
        let change = Change {
            user_id: &account.id,
            hash: &hash,
            must_change: true,
            replaces: &account.stored,
            keep: None,
            how: "bootstrap",
        };
        match replace_in(cx, &mut tx, &permit, change).await {
            // Another node was first.
            Err(Error::Changed) => Ok(false),
            Err(error) => Err(error),
            Ok(()) => {
                tx.commit().await?;
                Ok(true)
            }
        }
    }

    /// Sets a person's password as whoever runs the binary on the host (`signet user set-password`);
    /// authorised like a reset. Fails with [`Error::NotFound`] and [`Error::Weak`].
    pub async fn set_password_by_host(
        &self,
        cx: &Cx,
        username: &str,
        password: Secret<String>,
        must_change: bool,
    ) -> Result<UserId> {
        let tenant = cx.tenant()?.clone();
        let permit = cx.authorize(Action::UserResetPassword, &Target::all("user")).await?;
        let key = base::text::name_key(username);
        let account = {
            let mut rx = cx.read(&permit).await?;
            store::find_by_username_key(&mut rx, &tenant.id, &key).await?
        };
        let account = account.ok_or(Error::NotFound("user"))?;
        self.reset_to(cx, &permit, &account, password, must_change, "host").await?;
        Ok(account.id)
    }

    /// Gives another person a temporary password, which they must change when they sign in.
    ///
    /// Fails with [`Error::NotFound`], [`Error::Outranked`] and [`Error::Weak`].
    pub async fn reset_password(&self, cx: &Cx, user_id: &UserId, temporary: Secret<String>) -> Result<()> {
        let (permit, account) = self.resettable(cx, user_id).await?;
        self.reset_to(cx, &permit, &account, temporary, true, "reset").await
    }

    /// The permit to reset a person's password, and the person, whom the caller must outrank: who sets
    /// someone's password can be them.
    pub(crate) async fn resettable(&self, cx: &Cx, user_id: &UserId) -> Result<(Permit, Account)> {
        let tenant = cx.tenant()?.clone();
        let permit = cx.authorize(Action::UserResetPassword, &Target::member(user_id)).await?;
        let account = {
            let mut rx = cx.read(&permit).await?;
            store::find(&mut rx, &tenant.id, user_id).await?
        };
        let account = account.ok_or(Error::NotFound("user"))?;
        if escalation::outranks(cx, &user_id.cast()).await? {
            return Err(Error::Outranked);
        }
        Ok((permit, account))
    }

    async fn reset_to(
        &self,
        cx: &Cx,
        permit: &Permit,
        account: &Account,
        password: Secret<String>,
        must_change: bool,
        how: &'static str,
    ) -> Result<()> {
        let candidate = self.check_candidate(cx, account, &password).await?;
        let hash = self.hasher().hash(&candidate).await?;
        let mut tx = cx.write(permit).await?;
        let change = Change {
            user_id: &account.id,
            hash: &hash,
            must_change,
            replaces: &account.stored,
            keep: None,
            how,
        };
        replace_in(cx, &mut tx, permit, change).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Changes the caller's own password: the present one is asked for again, and attempts at it are
    /// throttled like attempts to sign in. Other sessions and their grants end.
    ///
    /// Who must change their password may do this and nothing else. Fails with [`Error::NoPerson`],
    /// [`Error::WrongCurrentPassword`], [`Error::Weak`], [`Error::TooManyAttempts`], [`Error::Changed`].
    pub async fn change_own_password(
        &self,
        cx: &Cx,
        current: Secret<String>,
        new: Secret<String>,
    ) -> Result<OwnChange> {
        let tenant = cx.tenant()?.clone();
        let permit = own_change_permit(cx).await?;
        let user_id = own_id(cx)?;
        let account = {
            let mut rx = cx.read(&permit).await?;
            store::find(&mut rx, &tenant.id, &user_id).await?
        };
        let account = account.filter(|a| a.active).ok_or(Error::NotFound("user"))?;
        let charge =
            self.charge(cx, &account.username_key).await.inspect_err(|_| count_failure("throttled"))?;
        if !self.verify(&current, account.usable_hash()).await? {
            let name = Target::own_user().name(Some(tenant.id.as_str()));
            cx.record(Event::failed("password.refused", name)).await;
            count_failure("bad_credentials");
            return Err(Error::WrongCurrentPassword);
        }
        // At once: who knows the password may take any number of tries to find a new one.
        self.give_back(cx, &charge).await?;
        let candidate = self.check_candidate(cx, &account, &new).await?;
        let hash = self.hasher().hash(&candidate).await?;

        let keep = own_session(cx);
        let mut tx = cx.write(&permit).await?;
        let change = Change {
            user_id: &user_id,
            hash: &hash,
            must_change: false,
            replaces: &account.stored,
            keep: keep.as_ref(),
            how: "own",
        };
        replace_in(cx, &mut tx, &permit, change).await?;
        let by_session = matches!(cx.actor(), Actor::User { client: None, .. });
        let cookie = match keep.filter(|_| by_session) {
            Some(session) => self.replace_session_token(cx, &mut tx, &tenant, &session).await?,
            None => None,
        };
        tx.commit().await?;
        Ok(OwnChange { cookie })
    }

    async fn replace_session_token(
        &self,
        cx: &Cx,
        tx: &mut Tx,
        tenant: &TenantRef,
        session: &SessionId,
    ) -> Result<Option<HeaderValue>> {
        let token = Secret::new(cx.fresh_token());
        let digest = self.session_digest(token.expose());
        let replaced = crate::sessions::store::replace_token(tx, &tenant.id, session, &digest).await?;
        let Some(lifetime) = replaced else { return Ok(None) };
        let left = lifetime.expires_at.as_seconds() - cx.now().as_seconds();
        let max_age_seconds = lifetime.remember.then_some(left);
        self.session_cookie(tenant, &token, max_age_seconds).map(Some).map_err(Error::Bug)
    }

    /// Checks a new password against the rules, the passwords that everybody knows, and the last ones.
    /// Fails with [`Error::Weak`], which names every rule that it breaks.
    pub(crate) async fn check_candidate(
        &self,
        cx: &Cx,
        account: &Account,
        typed: &Secret<String>,
    ) -> Result<Candidate> {
        let tenant = cx.tenant()?.clone();
        let candidate = Candidate::parse(typed).map_err(|bad| Error::Weak(vec![bad.into()]))?;
        let rules = config_of(&tenant)?.password_policy;
        let found = rules::weaknesses(&rules, &account.username, &candidate);
        if !found.is_empty() {
            return Err(Error::Weak(found));
        }
        let puzzle = PasswordHash::parse(rules::PUZZLE_HASH)
            .map_err(|e| Error::Bug(base::bug!("a well-known hash does not parse: {e}")))?;
        if self.hasher().verify(&candidate, Some(&puzzle)).await? {
            return Err(Error::Weak(vec![Weakness::Known]));
        }
        let mut last = Vec::new();
        if rules.history_count > 0 {
            last.extend(account.hash.clone().filter(|_| account.password_set));
            let older = i64::from(rules.history_count) - i64::from(!last.is_empty());
            let mut rx = cx.read(&cx.purpose(Purpose::Resolve)).await?;
            last.extend(store::history(&mut rx, &account.id, older).await?);
        }
        for old in &last {
            if self.hasher().verify(&candidate, Some(old)).await? {
                return Err(Error::Weak(vec![Weakness::Reused { count: rules.history_count }]));
            }
        }
        Ok(candidate)
    }
}

/// The permit for changing one's own password: by policy, or because the change is required.
async fn own_change_permit(cx: &Cx) -> Result<Permit> {
    match cx.actor() {
        Actor::User { must_change_password: true, api: authz::Api::Open, .. } => {
            Ok(cx.purpose(Purpose::PasswordChange))
        }
        Actor::User { .. } | Actor::Anonymous => {
            Ok(cx.authorize(Action::UserChangePassword, &Target::own_user()).await?)
        }
        _ => Err(Error::NoPerson),
    }
}

/// Checks a password for a person who is yet to be made: rules, and the list of those that everybody
/// knows. Fails with a problem that names every rule that it breaks.
pub fn check_new_password(
    tenant: &TenantRef,
    username: &str,
    typed: &Secret<String>,
) -> std::result::Result<Candidate, Problem> {
    let candidate = Candidate::parse(typed).map_err(|bad| Error::Weak(vec![bad.into()]))?;
    let found = rules::weaknesses(&config_of(tenant)?.password_policy, username, &candidate);
    if found.is_empty() { Ok(candidate) } else { Err(Error::Weak(found).into()) }
}

/// Sets a person's password in the caller's transaction, whatever it was before; all their sessions and
/// grants end. The caller has authorised it and checked the password. Records `password.changed`.
///
/// Fails with [`Error::NotFound`].
pub async fn set_password_in(
    cx: &Cx,
    tx: &mut Tx,
    permit: &Permit,
    user_id: &UserId,
    hash: &PasswordHash,
    must_change: bool,
) -> Result<()> {
    let tenant = cx.tenant()?.clone();
    let account = store::find(tx, &tenant.id, user_id).await?.ok_or(Error::NotFound("user"))?;
    let change =
        Change { user_id, hash, must_change, replaces: &account.stored, keep: None, how: "administration" };
    replace_in(cx, tx, permit, change).await
}

/// Gives a person the password that another system has the hash of, in the caller's transaction; all their
/// sessions and grants end, and what they had before is in the history. The caller has authorised it.
/// Until the first sign-in, `users.password` holds a hash that nothing verifies. Records
/// `password.changed`.
///
/// Fails with [`Error::NotFound`].
pub async fn import_password_in(
    cx: &Cx,
    tx: &mut Tx,
    permit: &Permit,
    user_id: &UserId,
    hash: &ImportedHash,
) -> Result<()> {
    let tenant = cx.tenant()?.clone();
    let account = store::find(tx, &tenant.id, user_id).await?.ok_or(Error::NotFound("user"))?;
    let nothing = PasswordHash::unusable(cx.core().random());
    let change = Change {
        user_id,
        hash: &nothing,
        must_change: account.must_change_password,
        replaces: &account.stored,
        keep: None,
        how: "import",
    };
    replace_in(cx, tx, permit, change).await?;
    store::insert_imported(tx, &tenant.id, user_id, hash, cx.now()).await
}

/// The one place where a password is replaced. Fails with [`Error::Changed`].
pub(crate) async fn replace_in(cx: &Cx, tx: &mut Tx, permit: &Permit, change: Change<'_>) -> Result<()> {
    let tenant = cx.tenant()?.clone();
    let now = cx.now();
    let replaced = store::replace(tx, &tenant.id, &change, now).await?;
    let Some(replaced) = replaced else { return Err(Error::Changed) };
    if replaced.had_password {
        let id = cx.fresh_id::<base::id::Event>();
        store::remember(tx, id.as_str(), &tenant.id, change.user_id, change.replaces, now).await?;
        store::forget_old(tx, change.user_id, history_kept(&tenant)?).await?;
    }
    store::forget_imported(tx, &tenant.id, change.user_id).await?;
    store::void_links(tx, &tenant.id, change.user_id, now).await?;
    let (sessions, grants) =
        end_all_in(cx, tx, permit, change.user_id, change.keep, "password_changed").await?;
    let name = Target::member(change.user_id).name(Some(tenant.id.as_str()));
    let details = serde_json::json!({
        "how": change.how,
        "must_change": change.must_change,
        "sessions_ended": sessions,
        "grants_revoked": grants,
    });
    let event = Event::done("password.changed", name).details(details);
    tx.record(permit, event.about_user(change.user_id, Some(&replaced.username)));
    Ok(())
}

/// Counts a refusal for the metrics.
pub(crate) fn count_failure(reason: &'static str) {
    metrics::counter!("auth_total").increment(1);
    metrics::counter!("auth_failure_total", "reason" => reason).increment(1);
}
