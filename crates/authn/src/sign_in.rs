//! Signing in with a password.
//!
//! Same words and same work for a name that nobody has, a wrong password, a person who is locked,
//! disabled or without a password, and text that cannot be a password: one look-up, one bcrypt, one
//! answer (requirements B2.13). In a tenant with imported hashes that were not used yet, each attempt also
//! verifies one of those: the person's, or another's of the tenant (ADR 0018).

use authz::{Cx, Event, Purpose, Target};
use base::Secret;
use directory::PasswordHash;

use crate::passwords::store::FoundImported;
use crate::passwords::{Account, Candidate, DEFAULT_ADMIN_PASSWORD, Scheme, count_failure, store};
use crate::sessions::{Beginning, Begun, Session};
use crate::throttle::{Charge, give_back_in};
use crate::{Error, Result, Service, config_of};

/// Seconds of a day.
const DAY_SECONDS: i64 = 86_400;

/// An attempt to sign in.
#[derive(Debug)]
pub struct Attempt {
    /// The name as typed.
    pub username: String,
    /// The password as typed.
    pub password: Secret<String>,
    /// Whether the session is to outlive the browser.
    pub remember: bool,
    /// Whether the request came from this machine, to a loopback name, through no proxy; only then does
    /// the default administrator's first password sign in.
    pub local: bool,
    /// The session that the browser already has.
    pub replaces: Option<Session>,
}

impl Service {
    /// Signs a person in and begins a session.
    ///
    /// Fails with [`Error::BadCredentials`], [`Error::TooManyAttempts`] and [`Error::Busy`]; where the tenant is
    /// switched off, before anything of the attempt is looked at.
    pub async fn sign_in(&self, cx: &Cx, attempt: Attempt) -> Result<Begun> {
        cx.refuse_disabled().await?;
        let tenant = cx.tenant()?.clone();
        let target = Target::all("session").name(Some(tenant.id.as_str()));
        // What can be nobody's name is looked for all the same, under a key that nobody has.
        let name = base::text::parse_username(attempt.username.trim());
        let key = name.map_or_else(|_| String::new(), |name| name.key().to_owned());
        let charge = match self.charge(cx, &key).await {
            Ok(charge) => charge,
            Err(error) => {
                if matches!(error, Error::TooManyAttempts { .. }) {
                    cx.count(Event::denied("session.throttled", target)).await;
                    count_failure("throttled");
                }
                return Err(error);
            }
        };
        let (account, imported) = {
            let permit = cx.purpose(Purpose::Resolve);
            let mut rx = cx.read(&permit).await?;
            let account = store::find_by_username_key(&mut rx, &tenant.id, &key).await?;
            let id = account.as_ref().map(|account| &account.id);
            let imported = store::find_imported(&mut rx, &tenant.id, id).await?;
            (account, imported)
        };
        let hash = account.as_ref().and_then(Account::usable_hash);
        let mut verified = self.verify(&attempt.password, hash).await?;
        let adopted = self.verify_adopted(&attempt.password, imported.as_ref()).await?;
        verified |= adopted.is_some();
        if verified && !attempt.local && attempt.password.expose() == DEFAULT_ADMIN_PASSWORD {
            tracing::warn!(
                tenant = %tenant.code,
                "the default password was refused: it signs in from this machine only, at localhost, \
                 127.0.0.1 or [::1], and through no proxy; or set another with `signet user set-password`"
            );
            verified = false;
        }
        let may = verified && account.as_ref().is_some_and(|a| a.active);
        let Some(account) = account.as_ref().filter(|_| may) else {
            self.refuse(cx, account.as_ref()).await;
            return Err(Error::BadCredentials);
        };
        match self.admit(cx, account, &attempt, &charge, adopted).await {
            Err(Error::BadCredentials) => {
                self.refuse(cx, Some(account)).await;
                Err(Error::BadCredentials)
            }
            other => other,
        }
    }

    /// The scheme of the person's imported hash, if the password is its password.
    async fn verify_adopted(
        &self,
        password: &Secret<String>,
        imported: Option<&FoundImported>,
    ) -> Result<Option<Scheme>> {
        let Some(imported) = imported else { return Ok(None) };
        let same = self.verify_imported(password, &imported.hash).await?;
        Ok((same && imported.own).then_some(imported.hash.scheme()))
    }

    /// Records the refusal of a known person, counts one of an unknown name.
    async fn refuse(&self, cx: &Cx, account: Option<&Account>) {
        let tenant = cx.tenant().map(|tenant| tenant.id.to_string()).ok();
        let name = Target::all("session").name(tenant.as_deref());
        let event = Event::denied("session.refused", name);
        match account {
            Some(account) => cx.record(event.about_user(&account.id, Some(&account.username))).await,
            None => cx.count(event).await,
        }
        count_failure("bad_credentials");
    }

    /// Begins the session of a person whose password was verified.
    async fn admit(
        &self,
        cx: &Cx,
        account: &Account,
        attempt: &Attempt,
        charge: &Charge,
        adopted: Option<Scheme>,
    ) -> Result<Begun> {
        let tenant = cx.tenant()?.clone();
        let expiry_days = i64::from(config_of(&tenant)?.password_policy.expire_days);
        let set_at = account.password_changed_at.unwrap_or(account.created_at);
        let expired = expiry_days > 0 && set_at.plus_seconds(expiry_days * DAY_SECONDS) <= cx.now();
        let must_change = account.must_change_password || expired;
        let rehashed = self.rehash(account, &attempt.password, adopted).await?;

        let permit = cx.purpose(Purpose::SignIn);
        let mut tx = cx.write(&permit).await?;
        let noted =
            store::note_sign_in(&mut tx, &tenant.id, account, must_change, rehashed.as_ref(), cx.now())
                .await?;
        if !noted {
            return Err(Error::BadCredentials);
        }
        if adopted.is_some() {
            store::forget_imported(&mut tx, &tenant.id, &account.id).await?;
        }
        let beginning = Beginning {
            user_id: &account.id,
            username: &account.username,
            must_change_password: must_change,
            remember: attempt.remember,
            replaces: attempt.replaces.as_ref(),
        };
        let begun = self.begin_in(cx, &mut tx, beginning).await?;
        give_back_in(&mut tx, charge).await?;
        let name = Target::member(&begun.session.id).name(Some(tenant.id.as_str()));
        let details = serde_json::json!({
            "amr": ["pwd"],
            "remember": attempt.remember,
            "must_change_password": must_change,
            "rehashed": rehashed.is_some(),
            "rehashed_from": adopted.map(Scheme::as_str),
        });
        let event = Event::done("session.started", name).details(details);
        tx.record(
            &permit,
            event.about_user(&account.id, Some(&account.username)).in_session(&begun.session.id),
        );
        tx.commit().await?;
        metrics::counter!("auth_total").increment(1);

        let someone_else = attempt.replaces.as_ref().filter(|old| old.user_id != account.id);
        if let Some(old) = someone_else {
            let permit = cx.purpose(Purpose::SignOut);
            let mut tx = cx.write(&permit).await?;
            if crate::end_session_in(cx, &mut tx, &permit, &old.id, "replaced").await? {
                tx.commit().await?;
            }
        }
        self.end_surplus(cx, &account.id).await?;
        Ok(begun)
    }

    /// The hash to store instead, where the stored one is another system's, or of another cost or prefix
    /// (requirements A02).
    async fn rehash(
        &self,
        account: &Account,
        password: &Secret<String>,
        adopted: Option<Scheme>,
    ) -> Result<Option<PasswordHash>> {
        let current = format!("$2a${:02}$", self.hasher().cost());
        if adopted.is_none() && account.stored.expose().starts_with(&current) {
            return Ok(None);
        }
        let candidate = Candidate::parse(password).map_err(|bad| Error::Weak(vec![bad.into()]))?;
        self.hasher().hash(&candidate).await.map(Some)
    }
}
