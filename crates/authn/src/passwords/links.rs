//! One-time links with which a person chooses a password without knowing the old one.

use authz::{Action, Cx, Event, Permit, Purpose, Target, Tx};
use base::id::{TenantId, UserId};
use base::text::Username;
use base::{Secret, Timestamp};
use directory::{NewTenant, NewUser, Tenant, User};

use super::{Change, replace_in, store};
use crate::sessions::own_id;
use crate::{Error, Result, Service};

/// How long a link is valid where nothing else is said, in seconds.
pub(super) const LINK_SECONDS: i64 = 3600;

/// The purpose of such links.
const INVITATION: &str = "invitation";
/// How long the link of somebody who never had a password is valid, in seconds: a day, since it travels by
/// other ways than ours.
const INVITATION_SECONDS: i64 = 86_400;

/// A link, shown once: the database holds its digest only.
#[derive(Debug)]
pub struct OneTimeLink {
    /// The whole address.
    pub url: Secret<String>,
    /// Until when it is valid.
    pub expires_at: Timestamp,
}

/// The first administrator of a new tenant.
#[derive(Debug)]
pub struct Invited {
    /// The person.
    pub user: User,
    /// With which they choose a password.
    pub link: OneTimeLink,
}

impl Service {
    /// Makes a link for the first administrator or whoever the host's operator names, valid for
    /// `ttl_seconds`; earlier links of the person become worthless. `cx` is in the person's tenant, and is
    /// the system's or the host's.
    ///
    /// Fails with [`Error::NotFound`].
    pub async fn one_time_link(&self, cx: &Cx, user_id: &UserId, ttl_seconds: i64) -> Result<OneTimeLink> {
        let permit = match cx.actor() {
            authz::Actor::System => cx.purpose(Purpose::PasswordChange),
            _ => cx.authorize(Action::UserResetPassword, &Target::member(user_id)).await?,
        };
        self.make_link(cx, &permit, user_id, ttl_seconds, "bootstrap").await
    }

    /// Makes a link with which another person chooses a new password, valid for an hour.
    ///
    /// Fails with [`Error::NotFound`] and [`Error::Outranked`].
    pub async fn reset_link(&self, cx: &Cx, user_id: &UserId) -> Result<OneTimeLink> {
        let (permit, account) = self.resettable(cx, user_id).await?;
        if own_id(cx).is_ok_and(|own| own == account.id) {
            // One's own password is changed with the present one, not around it.
            return Err(Error::Outranked);
        }
        self.make_link(cx, &permit, user_id, LINK_SECONDS, "reset").await
    }

    /// Makes a link with which the first administrator of a tenant, or anybody else there who never had a
    /// password, chooses one. The caller is on the platform, and provisions tenants (ADR 0012).
    ///
    /// Fails with [`Error::NotFound`] (tenant or user), and with [`Error::PasswordSet`]: whoever has a
    /// password is the tenant's own matter.
    pub async fn invite(&self, cx: &Cx, tenant: &TenantId, username: &Username) -> Result<OneTimeLink> {
        // Asked before anything is looked up: who may not provision learns not even whether it is there.
        cx.authorize(Action::PlatformTenantProvision, &Target::member(tenant)).await?;
        let found = self.directory().tenant_by_id(tenant).await.map_err(|error| Error::Bug(error.into()))?;
        let inside = cx.enter(found.ok_or(Error::NotFound("tenant"))?).await?;
        let permit = inside.authorize(Action::UserResetPassword, &Target::all("user")).await?;
        let mut rx = inside.read(&permit).await?;
        let account = store::find_by_username_key(&mut rx, tenant, username.key()).await?;
        drop(rx);
        let account = account.filter(|account| account.active).ok_or(Error::NotFound("user"))?;
        self.make_link(&inside, &permit, &account.id, INVITATION_SECONDS, INVITATION).await
    }

    /// Makes a tenant with its three roles and 26 permissions and, where one is given, its first
    /// administrator with a link to choose a password, valid for a day: all in one transaction.
    ///
    /// Fails with [`Error::Directory`]: the code or the name is taken, or something is wrong.
    pub async fn create_tenant(
        &self,
        cx: &Cx,
        new: NewTenant,
        admin: Option<NewUser>,
    ) -> Result<(Tenant, Option<Invited>)> {
        let permit = cx.authorize(Action::PlatformTenantCreate, &Target::all("tenant")).await?;
        let draft = self.directory().draft_tenant(cx, new, admin).await?;
        let inside = match draft.inside() {
            Some(inside) => {
                let permit = inside.authorize(Action::UserResetPassword, &Target::all("user")).await?;
                Some((inside.clone(), permit))
            }
            None => None,
        };

        let mut tx = cx.write(&permit).await?;
        let (tenant, user) = self.directory().create_drafted_in(cx, &mut tx, &permit, draft).await?;
        let invited = match (inside, user) {
            (Some((inside, permit)), Some(user)) => {
                let (ttl, purpose) = (INVITATION_SECONDS, INVITATION);
                let link = self.make_link_in(&inside, &mut tx, &permit, &user.id, ttl, purpose).await?;
                Some(Invited { user, link })
            }
            _ => None,
        };
        tx.commit().await?;
        Ok((tenant, invited))
    }

    async fn make_link(
        &self,
        cx: &Cx,
        permit: &Permit,
        user_id: &UserId,
        ttl_seconds: i64,
        purpose: &'static str,
    ) -> Result<OneTimeLink> {
        let mut tx = cx.write(permit).await?;
        let link = self.make_link_in(cx, &mut tx, permit, user_id, ttl_seconds, purpose).await?;
        tx.commit().await?;
        Ok(link)
    }

    async fn make_link_in(
        &self,
        cx: &Cx,
        tx: &mut Tx,
        permit: &Permit,
        user_id: &UserId,
        ttl_seconds: i64,
        purpose: &'static str,
    ) -> Result<OneTimeLink> {
        let tenant = cx.tenant()?.clone();
        let now = cx.now();
        let expires_at = now.plus_seconds(ttl_seconds);
        let token = Secret::new(cx.fresh_token());
        let account = store::find(tx, &tenant.id, user_id).await?.ok_or(Error::NotFound("user"))?;
        if purpose == INVITATION && account.password_set {
            return Err(Error::PasswordSet);
        }
        store::void_links(tx, &tenant.id, user_id, now).await?;
        let link = store::NewLink {
            id: cx.fresh_id::<base::id::Token>().to_string(),
            digest: self.link_digest(token.expose()),
            expires_at,
            purpose,
        };
        store::insert_link(tx, &tenant.id, user_id, &link, now).await?;
        let name = Target::member(user_id).name(Some(tenant.id.as_str()));
        let details = serde_json::json!({ "purpose": purpose, "expires_at": expires_at.to_string() });
        let event = Event::done("recovery_link.created", name).details(details);
        tx.record(permit, event.about_user(user_id, Some(&account.username)));
        let url = Secret::new(format!("{}/recover?token={}", tenant.issuer, token.expose()));
        Ok(OneTimeLink { url, expires_at })
    }

    /// Says whose link it is, without using it up. Fails with [`Error::BadLink`], and where the tenant is
    /// switched off.
    pub(crate) async fn look_at_link(&self, cx: &Cx, token: &str) -> Result<super::Account> {
        cx.refuse_disabled().await?;
        let tenant = cx.tenant()?.clone();
        let permit = cx.purpose(Purpose::Resolve);
        let mut rx = cx.read(&permit).await?;
        let user = store::link_owner(&mut rx, &tenant.id, &self.link_digest(token), cx.now()).await?;
        let user = user.ok_or(Error::BadLink)?;
        let account = store::find(&mut rx, &tenant.id, &user).await?;
        account.filter(|account| account.active).ok_or(Error::BadLink)
    }

    /// Sets the password that a person chose with a link, and uses the link up: of any number of
    /// attempts at once, one wins. All sessions and grants of the person end.
    ///
    /// Fails with [`Error::BadLink`], [`Error::Weak`] and [`Error::TooManyAttempts`].
    pub async fn recover(&self, cx: &Cx, token: &str, new: Secret<String>) -> Result<()> {
        let charge = self.charge(cx, "recover").await?;
        let account = self.look_at_link(cx, token).await?;
        self.give_back(cx, &charge).await?;
        let candidate = self.check_candidate(cx, &account, &new).await?;
        let hash = self.hasher().hash(&candidate).await?;
        let tenant = cx.tenant()?.clone();
        let permit = cx.purpose(Purpose::PasswordChange);
        let mut tx = cx.write(&permit).await?;
        let user = store::use_link(&mut tx, &tenant.id, &self.link_digest(token), cx.now()).await?;
        if user.as_ref() != Some(&account.id) {
            return Err(Error::BadLink);
        }
        let change = Change {
            user_id: &account.id,
            hash: &hash,
            must_change: false,
            replaces: &account.stored,
            keep: None,
            how: "link",
        };
        replace_in(cx, &mut tx, &permit, change).await?;
        tx.commit().await?;
        Ok(())
    }

    fn link_digest(&self, token: &str) -> String {
        self.kms().digest("recovery", token)
    }
}
