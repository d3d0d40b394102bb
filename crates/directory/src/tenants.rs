//! Tenants: types and verbs.

mod cache;
pub(crate) mod http;
mod store;

use std::sync::Arc;

use authz::{Action, Cx, Event, Permit, Place, Rx, Target, TenantRef, Tx, roles};
use base::Timestamp;
use base::id::{PlatformId, TenantId};
use serde_json::{Value, json};
use web::IfMatch;

pub(crate) use cache::Cache;

use crate::config::TenantConfig;
use crate::fields::Fields;
use crate::platforms;
use crate::users::{self, NewUser};
use crate::{Error, Result, Service};

/// The longest name of a tenant, in characters.
pub const NAME_CHARS_MAX: usize = 128;
/// The shortest and the longest code of a tenant, in characters.
pub const CODE_CHARS: std::ops::RangeInclusive<usize> = 2..=40;
/// Codes that no tenant may have: they are words of addresses, or look like ours.
pub const RESERVED_CODES: &[&str] = &[
    "admin",
    "api",
    "assets",
    "aws",
    "console",
    "docs",
    "health",
    "healthz",
    "metrics",
    "oauth",
    "oauth2",
    "openid",
    "platform",
    "readyz",
    "saml",
    "scim",
    "signet",
    "static",
    "system",
    "well-known",
    "www",
];
/// Attempts to draw an account number that is free.
const ACCOUNT_NUMBER_DRAWS: usize = 8;

/// Whether a tenant is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TenantStatus {
    /// Its people may sign in.
    Active,
    /// Switched off by agreement.
    Inactive,
    /// Switched off against its will.
    Suspended,
}

impl TenantStatus {
    const ALL: [Self; 3] = [Self::Active, Self::Inactive, Self::Suspended];

    /// The word that is stored.
    pub const fn stored(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Inactive => "INACTIVE",
            Self::Suspended => "SUSPENDED",
        }
    }

    /// The word that people read.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::Suspended => "suspended",
        }
    }

    fn parse(stored: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.stored() == stored)
    }
}

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// The platform that it belongs to.
    pub platform_id: PlatformId,
    /// Its code, as it stands in addresses; never changes.
    pub code: String,
    /// Its name for people, unique.
    pub name: String,
    /// Its issuer; never changes, no slash at the end.
    pub issuer: String,
    /// Twelve digits; never changes.
    pub account_number: String,
    /// Whether it is in use.
    pub status: TenantStatus,
    /// Its configuration as stored.
    pub config: Value,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Counts its changes.
    pub version: i64,
}

impl Tenant {
    /// The tenant as operations need it.
    pub fn to_ref(&self) -> TenantRef {
        TenantRef {
            id: self.id.clone(),
            code: self.code.clone(),
            issuer: self.issuer.clone(),
            name: self.name.clone(),
            active: self.status == TenantStatus::Active,
            config: self.config.clone(),
        }
    }
}

/// A tenant to be made.
#[derive(Debug, Clone)]
pub struct NewTenant {
    /// Its code.
    pub code: String,
    /// Its name.
    pub name: String,
    /// A merge patch over the default configuration; null or `{}` for none.
    pub config: Value,
    /// The platform that it will belong to; none for the default one.
    pub platform: Option<PlatformId>,
}

impl NewTenant {
    /// A tenant of the default platform with the default configuration.
    pub fn new(code: impl Into<String>, name: impl Into<String>) -> Self {
        Self { code: code.into(), name: name.into(), config: json!({}), platform: None }
    }
}

/// A change of a tenant's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TenantStatusChange {
    /// Active to suspended: nobody may sign in, refresh or decide.
    Suspend,
    /// Active to inactive.
    Deactivate,
    /// Suspended or inactive to active.
    Activate,
}

impl TenantStatusChange {
    /// The status after the change; none where the change is not allowed.
    pub const fn applied_to(self, from: TenantStatus) -> Option<TenantStatus> {
        match (self, from) {
            (Self::Suspend, TenantStatus::Active) => Some(TenantStatus::Suspended),
            (Self::Deactivate, TenantStatus::Active) => Some(TenantStatus::Inactive),
            (Self::Activate, TenantStatus::Suspended | TenantStatus::Inactive) => Some(TenantStatus::Active),
            _ => None,
        }
    }

    const fn done(self) -> &'static str {
        match self {
            Self::Suspend => "suspended",
            Self::Deactivate => "deactivated",
            Self::Activate => "activated",
        }
    }

    const fn event(self) -> &'static str {
        match self {
            Self::Suspend => "tenant.suspended",
            Self::Deactivate => "tenant.deactivated",
            Self::Activate => "tenant.activated",
        }
    }
}

/// Which tenants to list, by code.
#[derive(Debug, Clone, Default)]
pub struct TenantQuery {
    /// Only codes that begin with this.
    pub code_prefix: Option<String>,
    /// Only those of this platform.
    pub platform: Option<PlatformId>,
    /// Only those after this code.
    pub after: Option<String>,
    /// At most so many.
    pub limit: u32,
}

impl Service {
    /// Makes a tenant with its three roles and 26 permissions and, where one is given, its first
    /// administrator (Super Admin, who must choose a password first), all in one transaction.
    ///
    /// Fails with [`Error::Taken`] (code or name) and [`Error::Invalid`].
    pub async fn create_tenant(&self, cx: &Cx, new: NewTenant, admin: Option<NewUser>) -> Result<Tenant> {
        let permit = cx.authorize(Action::PlatformTenantCreate, &Target::all("tenant")).await?;
        check_code(&new.code)?;
        let draft = Draft { id: cx.fresh_id(), new, public_url: self.public_url(), fixed: false };
        let inside = match admin {
            Some(admin) => {
                let inside = cx.enter(Arc::new(draft.to_ref())).await?;
                let permit = inside.authorize(Action::UserCreate, &Target::all("user")).await?;
                Some((inside, permit, NewUser { must_change_password: true, ..admin }))
            }
            None => None,
        };

        let mut tx = cx.write(&permit).await?;
        let tenant = insert_in(cx, &mut tx, &permit, draft).await?;
        if let Some((inside, permit, admin)) = inside {
            let added = users::insert_in(&inside, &mut tx, &permit, admin).await;
            let user = added.map_err(|e| e.below("/admin"))?;
            users::give_role_in(&inside, &mut tx, &permit, &user.id, roles::SUPER_ADMIN).await?;
        }
        tx.commit().await?;
        Ok(tenant)
    }

    /// Makes a tenant with its three roles and 26 permissions.
    ///
    /// Fails with [`Error::Taken`] (code or name) and [`Error::Invalid`].
    pub async fn create_tenant_in(
        &self,
        cx: &Cx,
        tx: &mut Tx,
        permit: &Permit,
        new: NewTenant,
    ) -> Result<Tenant> {
        check_code(&new.code)?;
        insert_in(
            cx,
            tx,
            permit,
            Draft { id: cx.fresh_id(), new, public_url: self.public_url(), fixed: false },
        )
        .await
    }
}

/// A tenant about to be inserted.
pub(crate) struct Draft<'a> {
    pub(crate) id: TenantId,
    pub(crate) new: NewTenant,
    pub(crate) public_url: &'a str,
    /// Whether its roles have the fixed ids of the default tenant.
    pub(crate) fixed: bool,
}

impl Draft<'_> {
    /// The tenant as it will be, for authorising what is done inside it before it exists.
    fn to_ref(&self) -> TenantRef {
        TenantRef {
            id: self.id.clone(),
            code: self.new.code.clone(),
            issuer: self.issuer(),
            name: self.new.name.clone(),
            active: true,
            config: json!({}),
        }
    }

    fn issuer(&self) -> String {
        format!("{}/t/{}", self.public_url, self.new.code)
    }
}

/// Inserts a tenant whose code was checked, with its roles and permissions.
pub(crate) async fn insert_in(cx: &Cx, tx: &mut Tx, permit: &Permit, draft: Draft<'_>) -> Result<Tenant> {
    let issuer = draft.issuer();
    let Draft { id, new, fixed, .. } = draft;
    check_name(&new.name)?;
    let patch = if new.config.is_null() { json!({}) } else { new.config };
    let config = TenantConfig::default().patched(patch)?;
    let platform_id = platform_of(tx, new.platform).await?;
    let account_number = draw_account_number(cx, tx).await?;
    let now = cx.now();
    let tenant = Tenant {
        id,
        platform_id,
        issuer,
        code: new.code,
        name: new.name,
        account_number,
        status: TenantStatus::Active,
        config: config.to_value(),
        created_at: now,
        updated_at: now,
        version: 1,
    };
    store::insert(tx, &tenant).await?;
    tx.record(
        permit,
        Event::done("tenant.created", Target::member(&tenant.id).name(None))
            .details(json!({ "code": tenant.code, "name": tenant.name })),
    );
    roles::seed_in(cx, tx, permit, &tenant.id, fixed).await?;
    bump(tx, &tenant.id);
    Ok(tenant)
}

/// The platform that a new tenant names, which must be there; the default one where it names none.
async fn platform_of(rx: &mut Rx, named: Option<PlatformId>) -> Result<PlatformId> {
    let Some(id) = named else {
        let default = platforms::DEFAULT_PLATFORM_ID.parse();
        return default.map_err(|e| Error::Refused(base::bug!("the default platform: {e}")));
    };
    match platforms::find(rx, &id).await? {
        Some(_) => Ok(id),
        None => {
            let detail = format!("there is no platform `{id}`; leave it out for the default platform");
            Err(Error::invalid("/platform_id", "no_such_platform", detail))
        }
    }
}

/// The tenant of this id, on the platform.
pub async fn load_tenant(cx: &Cx, id: &TenantId) -> Result<Tenant> {
    let permit = cx.authorize(Action::PlatformTenantRead, &Target::member(id)).await?;
    let mut rx = cx.read(&permit).await?;
    find(&mut rx, id).await?.ok_or(Error::NotFound("tenant"))
}

/// The tenants of the platform, by code.
pub async fn list_tenants(cx: &Cx, query: &TenantQuery) -> Result<Vec<Tenant>> {
    let permit = cx.authorize(Action::PlatformTenantRead, &Target::all("tenant")).await?;
    let mut rx = cx.read(&permit).await?;
    Ok(store::list(&mut rx, query).await?)
}

/// The tenant of the operation itself.
pub async fn load_own_tenant(cx: &Cx) -> Result<Tenant> {
    let id = cx.tenant()?.id.clone();
    let permit = cx.authorize(Action::TenantRead, &Target::member(&id)).await?;
    let mut rx = cx.read(&permit).await?;
    find(&mut rx, &id).await?.ok_or(Error::NotFound("tenant"))
}

/// Renames a tenant: on the platform any, inside a tenant that tenant.
///
/// Fails with [`Error::Taken`], [`Error::Invalid`] and 412 where `if_match` does not hold.
pub async fn rename_tenant(cx: &Cx, id: &TenantId, if_match: &IfMatch, name: &str) -> Result<Tenant> {
    let permit = authorize_change(cx, id, Action::TenantUpdate).await?;
    check_name(name)?;

    let mut tx = cx.write(&permit).await?;
    let found = find(&mut tx, id).await?.ok_or(Error::NotFound("tenant"))?;
    if_match.check(found.version)?;
    let tenant = rename_in(cx, &mut tx, &permit, &found, name).await?;
    tx.commit().await?;
    Ok(tenant)
}

/// Renames a tenant as it was just read.
pub async fn rename_in(cx: &Cx, tx: &mut Tx, permit: &Permit, found: &Tenant, name: &str) -> Result<Tenant> {
    check_name(name)?;
    let tenant = Tenant { name: name.to_owned(), ..found.clone() };
    save(cx, tx, &tenant).await?;
    tx.record(
        permit,
        Event::done("tenant.updated", permit.name())
            .details(json!({ "name": tenant.name, "before": found.name })),
    );
    bump(tx, &tenant.id);
    load_again(tx, &tenant.id).await
}

/// Changes a tenant's configuration by a merge patch (RFC 7396): on the platform any, inside a tenant that
/// tenant.
///
/// Fails like [`TenantConfig::patched`], and with 412 where `if_match` does not hold.
pub async fn update_config(cx: &Cx, id: &TenantId, if_match: &IfMatch, patch: Value) -> Result<Tenant> {
    let permit = authorize_change(cx, id, Action::TenantConfig).await?;

    let mut tx = cx.write(&permit).await?;
    let found = find(&mut tx, id).await?.ok_or(Error::NotFound("tenant"))?;
    if_match.check(found.version)?;
    let config = TenantConfig::read(&found.config)?.patched(patch)?;
    let tenant = update_config_in(cx, &mut tx, &permit, &found, &config).await?;
    tx.commit().await?;
    Ok(tenant)
}

/// Gives a tenant, as it was just read, another configuration.
pub async fn update_config_in(
    cx: &Cx,
    tx: &mut Tx,
    permit: &Permit,
    found: &Tenant,
    config: &TenantConfig,
) -> Result<Tenant> {
    config.check()?;
    let before = TenantConfig::read(&found.config)?;
    let Some(role) = roles::find_role_by_code(tx, &found.id, &config.default_role).await? else {
        let detail = format!("there is no role `{}` in this tenant", config.default_role);
        return Err(Error::invalid("/default_role", "no_such_role", detail));
    };
    if config.default_role != before.default_role {
        // Everybody who is added from now on gets it, whoever adds them.
        authz::escalation::check_hand_on(cx, permit, &[role.id]).await?;
    }
    let tenant = Tenant { config: config.to_value(), ..found.clone() };
    save(cx, tx, &tenant).await?;
    let before = before.to_value();
    let details = json!({ "before": changed_parts(&before, &tenant.config), "after": changed_parts(&tenant.config, &before) });
    tx.record(permit, Event::done("tenant.config_updated", permit.name()).details(details));
    bump(tx, &tenant.id);
    load_again(tx, &tenant.id).await
}

/// Suspends, deactivates or activates a tenant, on the platform.
///
/// Fails with [`Error::IllegalTenantStatusChange`], and with [`Error::Own`] for the caller's own tenant.
pub async fn change_tenant_status(cx: &Cx, id: &TenantId, change: TenantStatusChange) -> Result<Tenant> {
    let permit = cx.authorize(Action::PlatformTenantUpdate, &Target::member(id)).await?;
    if cx.actor().principal().is_some_and(|(_, home)| home == id) {
        return Err(Error::Own("tenant"));
    }

    let mut tx = cx.write(&permit).await?;
    let found = find(&mut tx, id).await?.ok_or(Error::NotFound("tenant"))?;
    let Some(status) = change.applied_to(found.status) else {
        return Err(Error::IllegalTenantStatusChange { from: found.status, done: change.done() });
    };
    save(cx, &mut tx, &Tenant { status, ..found.clone() }).await?;
    tx.record(&permit, Event::done(change.event(), permit.name()));
    bump(&mut tx, id);
    let tenant = load_again(&mut tx, id).await?;
    tx.commit().await?;
    Ok(tenant)
}

/// The tenant of this code, deleted ones excepted, for verbs that already hold a permit.
pub async fn find_by_code(rx: &mut Rx, code: &str) -> Result<Option<Tenant>> {
    Ok(store::find_by_code(rx, code).await?)
}

/// The tenant of this id, deleted ones excepted, for verbs that already hold a permit.
pub async fn find(rx: &mut Rx, id: &TenantId) -> Result<Option<Tenant>> {
    Ok(store::find(rx, id).await?)
}

async fn authorize_change(cx: &Cx, id: &TenantId, inside: Action) -> Result<Permit> {
    let action = match cx.place() {
        Place::Platform => Action::PlatformTenantUpdate,
        Place::Tenant(tenant) if tenant.id == *id => inside,
        Place::Tenant(_) => return Err(Error::NotFound("tenant")),
    };
    Ok(cx.authorize(action, &Target::member(id)).await?)
}

async fn save(cx: &Cx, tx: &mut Tx, tenant: &Tenant) -> Result<()> {
    if store::update(tx, tenant, cx.now()).await? == 0 {
        return Err(Error::Stale);
    }
    Ok(())
}

async fn load_again(tx: &mut Tx, id: &TenantId) -> Result<Tenant> {
    find(tx, id).await?.ok_or_else(|| Error::Refused(base::bug!("a tenant that was just written is gone")))
}

/// Marks the tenant's own scope as changed: every node then looks at the tenant again.
fn bump(tx: &mut Tx, id: &TenantId) {
    tx.bump_policy_version(id.as_str());
}

/// The members of `this` that differ from those of `other`, one level deep.
fn changed_parts(this: &Value, other: &Value) -> Value {
    let parts = this.as_object().into_iter().flatten().filter(|(name, value)| other.get(name) != Some(value));
    parts.map(|(name, value)| (name.clone(), value.clone())).collect::<serde_json::Map<_, _>>().into()
}

/// Checks a code: 2 to 40 of `[a-z0-9-]`, a letter or digit at both ends, none of [`RESERVED_CODES`].
pub fn check_code(code: &str) -> Result<()> {
    let fits = CODE_CHARS.contains(&code.len())
        && code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !code.starts_with('-')
        && !code.ends_with('-');
    if !fits {
        let detail = "expected 2 to 40 characters of a-z, 0-9 and `-`, with a letter or a digit at both ends";
        return Err(Error::invalid("/code", "invalid_code", detail));
    }
    if RESERVED_CODES.contains(&code) {
        return Err(Error::invalid(
            "/code",
            "reserved_code",
            format!("`{code}` is reserved; choose another"),
        ));
    }
    Ok(())
}

fn check_name(name: &str) -> Result<()> {
    let mut fields = Fields::default();
    fields.line("/name", Some(name), NAME_CHARS_MAX);
    fields.finish()
}

async fn draw_account_number(cx: &Cx, rx: &mut Rx) -> Result<String> {
    for _ in 0..ACCOUNT_NUMBER_DRAWS {
        let mut bytes = [0u8; 8];
        cx.core().random().fill(&mut bytes);
        let number = format!("{:012}", u64::from_le_bytes(bytes) % 1_000_000_000_000);
        if !store::account_number_is_taken(rx, &number).await? {
            return Ok(number);
        }
    }
    Err(Error::Refused(base::bug!("no account number is free")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_short_lower_case_and_not_reserved() {
        for good in ["ab", "acme", "a-1", "7up", &"x".repeat(40)] {
            assert!(check_code(good).is_ok(), "{good}");
        }
        for bad in
            ["", "a", "Acme", "a_b", "a b", "-a", "a-", "api", "platform", "é1", "a/b", &"x".repeat(41)]
        {
            assert!(check_code(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_tenants_status_changes_only_in_these_ways() {
        use TenantStatus::{Active, Inactive, Suspended};
        use TenantStatusChange::{Activate, Deactivate, Suspend};
        for (change, from, to) in [
            (Suspend, Active, Some(Suspended)),
            (Suspend, Inactive, None),
            (Suspend, Suspended, None),
            (Deactivate, Active, Some(Inactive)),
            (Deactivate, Inactive, None),
            (Deactivate, Suspended, None),
            (Activate, Active, None),
            (Activate, Inactive, Some(Active)),
            (Activate, Suspended, Some(Active)),
        ] {
            assert_eq!(change.applied_to(from), to, "{change:?} {from:?}");
        }
    }
}
