//! Tenants: types and verbs.

pub mod billing;
mod cache;
mod calls;
pub mod deletion;
pub mod http;
pub mod purge;
mod status;
mod store;

use std::sync::Arc;

use ::store::Scanned;
use authz::{Action, Change, Cx, Event, Permit, Place, Rx, Target, TenantRef, Tx, roles};
use base::Timestamp;
use base::id::{PlatformId, TenantId};
use base::query::{Filter, Position, SortKey};
use serde_json::{Value, json};
use web::{Field, IfMatch};

pub use billing::Billing;
pub(crate) use cache::Cache;
pub(crate) use calls::Calls;
pub use deletion::{Deletion, Hold};
pub use purge::{PurgeReport, purge_due};
pub use status::{TenantStatus, TenantStatusChange, change_tenant_status};

use crate::config::TenantConfig;
use crate::fields::Fields;
use crate::platforms;
use crate::users::{self, NewUser, User};
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
    /// The domain of its organisation. A note: nothing is derived from it, for nobody proved it.
    pub domain: Option<String>,
    /// Whether it is in use.
    pub status: TenantStatus,
    /// That it is deleted, and when it goes for good.
    pub deletion: Option<Deletion>,
    /// That nothing of it may be purged.
    pub hold: Option<Hold>,
    /// Its configuration as stored.
    pub config: Value,
    /// Its people, deleted ones excepted. The database keeps this number, whoever writes.
    pub user_count: i64,
    /// The bytes of its files. It keeps none before there is a file service: 0.
    pub storage_used_bytes: i64,
    /// The calls of its API, as far as the nodes have written them down.
    pub api_calls_count: i64,
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
            active: self.status == TenantStatus::Active && self.deletion.is_none(),
            config: self.config.clone(),
        }
    }

    /// The status as people read it: `active`, `inactive`, `suspended`, `deleted` or `purging`.
    pub fn status_word(&self) -> &'static str {
        match &self.deletion {
            Some(Deletion { purge_started_at: Some(_), .. }) => "purging",
            Some(_) => "deleted",
            None => self.status.word(),
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
    /// The domain of its organisation.
    pub domain: Option<String>,
}

impl NewTenant {
    /// A tenant of the default platform with the default configuration.
    pub fn new(code: impl Into<String>, name: impl Into<String>) -> Self {
        Self { code: code.into(), name: name.into(), config: json!({}), platform: None, domain: None }
    }
}

/// What of a tenant is to be changed.
#[derive(Debug, Clone, Default)]
pub struct TenantChange {
    /// Another name.
    pub name: Option<String>,
    /// Another domain, or none.
    pub domain: Field<String>,
}

/// Which tenants to list, and in which order.
#[derive(Debug, Clone)]
pub struct TenantQuery {
    /// Only codes that begin with this.
    pub code_prefix: Option<String>,
    /// Only those that fit; deleted ones only where it looks at the status.
    pub filter: Option<Filter>,
    /// The order; the id follows by itself.
    pub order: Vec<SortKey>,
    /// Only those after this place.
    pub after: Option<Position>,
    /// At most so many.
    pub limit: u32,
}

impl Service {
    /// Prepares a tenant and, where one is given, its first administrator: asks for all that is then done
    /// inside the tenant, before there is a transaction.
    ///
    /// Fails with [`Error::Invalid`], and where the caller may not add people to tenants of others.
    pub async fn draft_tenant(
        &self,
        cx: &Cx,
        new: NewTenant,
        admin: Option<NewUser>,
    ) -> Result<TenantDraft<'_>> {
        check_code(&new.code)?;
        let draft = Draft { id: cx.fresh_id(), new, public_url: self.public_url(), fixed: false };
        let admin = match admin {
            Some(admin) => {
                let inside = cx.enter(Arc::new(draft.to_ref())).await?;
                let permit = inside.authorize(Action::UserCreate, &Target::all("user")).await?;
                let new = NewUser { must_change_password: true, ..admin };
                Some(FirstAdmin { inside, permit, new })
            }
            None => None,
        };
        Ok(TenantDraft { draft, admin })
    }

    /// Makes a tenant with its three roles and 26 permissions and, where the draft has one, its first
    /// administrator: Super Admin, who must choose a password first.
    ///
    /// Fails with [`Error::Taken`] (code or name) and [`Error::Invalid`].
    pub async fn create_drafted_in(
        &self,
        cx: &Cx,
        tx: &mut Tx,
        permit: &Permit,
        drafted: TenantDraft<'_>,
    ) -> Result<(Tenant, Option<User>)> {
        let TenantDraft { draft, admin } = drafted;
        let tenant = insert_in(cx, tx, permit, draft).await?;
        let Some(FirstAdmin { inside, permit, new }) = admin else { return Ok((tenant, None)) };
        let added = users::insert_in(&inside, tx, &permit, new).await;
        let user = added.map_err(|e| e.below("/admin"))?;
        users::give_role_in(&inside, tx, &permit, &user.id, roles::SUPER_ADMIN).await?;
        Ok((tenant, Some(user)))
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

/// A tenant about to be made, with what was asked for it.
pub struct TenantDraft<'a> {
    draft: Draft<'a>,
    admin: Option<FirstAdmin>,
}

/// The first administrator of a tenant about to be made.
struct FirstAdmin {
    /// A context inside the tenant as it will be.
    inside: Cx,
    permit: Permit,
    new: NewUser,
}

impl TenantDraft<'_> {
    /// A context inside the tenant as it will be, for what else is done there; none without an administrator.
    pub fn inside(&self) -> Option<&Cx> {
        self.admin.as_ref().map(|admin| &admin.inside)
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
    check_texts(&new.name, new.domain.as_deref())?;
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
        domain: new.domain,
        status: TenantStatus::Active,
        deletion: None,
        hold: None,
        config: config.to_value(),
        user_count: 0,
        storage_used_bytes: 0,
        api_calls_count: 0,
        created_at: now,
        updated_at: now,
        version: 1,
    };
    store::insert(tx, &tenant).await?;
    // Looked at after the insertion: a purge that waited for the same code has then committed.
    if store::is_tombstone(tx, &tenant).await? {
        return Err(Error::Taken { field: "code", code: "code_taken" });
    }
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

/// The tenant of this id, deleted or not, on the platform.
pub async fn load_tenant(cx: &Cx, id: &TenantId) -> Result<Tenant> {
    let permit = cx.authorize(Action::PlatformTenantRead, &Target::member(id)).await?;
    let mut rx = cx.read(&permit).await?;
    find_any(&mut rx, id).await?.ok_or(Error::NotFound("tenant"))
}

/// The tenants of the platform, page by page.
pub async fn list_tenants(cx: &Cx, query: &TenantQuery) -> Result<Scanned<Tenant>> {
    let permit = cx.authorize(Action::PlatformTenantRead, &Target::all("tenant")).await?;
    let mut rx = cx.read(&permit).await?;
    Ok(store::list(&mut rx, query).await?)
}

/// How many tenants a list finds on all its pages, exactly or as the database estimates.
pub async fn count_tenants(cx: &Cx, query: &TenantQuery, exactly: bool) -> Result<i64> {
    let permit = cx.authorize(Action::PlatformTenantRead, &Target::all("tenant")).await?;
    let mut rx = cx.read(&permit).await?;
    Ok(store::count(&mut rx, query, exactly).await?)
}

/// The tenant of the operation itself.
pub async fn load_own_tenant(cx: &Cx) -> Result<Tenant> {
    let id = cx.tenant()?.id.clone();
    let permit = cx.authorize(Action::TenantRead, &Target::member(&id)).await?;
    let mut rx = cx.read(&permit).await?;
    find(&mut rx, &id).await?.ok_or(Error::NotFound("tenant"))
}

/// Changes a tenant's name or domain: on the platform any, inside a tenant that tenant.
///
/// Fails with [`Error::Taken`], [`Error::Invalid`], [`Error::IllegalTenantStatusChange`] for a deleted one,
/// and with 412 where `if_match` does not hold.
pub async fn update_tenant(
    cx: &Cx,
    id: &TenantId,
    if_match: &IfMatch,
    change: TenantChange,
) -> Result<Tenant> {
    let permit = authorize_change(cx, id, Action::TenantUpdate).await?;

    let mut tx = cx.write(&permit).await?;
    let found = load_changeable(&mut tx, id, if_match).await?;
    let tenant = update_tenant_in(cx, &mut tx, &permit, &found, change).await?;
    tx.commit().await?;
    Ok(tenant)
}

/// Changes name or domain of a tenant as it was just read.
///
/// Fails with [`Error::Taken`], [`Error::Invalid`] and [`Error::Stale`].
pub async fn update_tenant_in(
    cx: &Cx,
    tx: &mut Tx,
    permit: &Permit,
    found: &Tenant,
    change: TenantChange,
) -> Result<Tenant> {
    let tenant = Tenant {
        name: change.name.unwrap_or_else(|| found.name.clone()),
        domain: change.domain.applied_to(found.domain.clone()),
        ..found.clone()
    };
    check_texts(&tenant.name, tenant.domain.as_deref())?;
    save(cx, tx, &tenant).await?;
    let details = json!({
        "before": { "name": found.name, "domain": found.domain },
        "after": { "name": tenant.name, "domain": tenant.domain },
    });
    tx.record(permit, Event::done("tenant.updated", permit.name()).details(details));
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
    let found = load_changeable(&mut tx, id, if_match).await?;
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
    if before.direct_policies && !config.direct_policies {
        let attached = authz::direct::count_direct(tx, &found.id).await?;
        if attached > 0 {
            let detail = format!("{attached} policies are attached to users directly: detach them first");
            return Err(Error::InUse(detail));
        }
    }
    let tenant = Tenant { config: config.to_value(), ..found.clone() };
    save(cx, tx, &tenant).await?;
    let before = before.to_value();
    let details = json!({ "before": changed_parts(&before, &tenant.config), "after": changed_parts(&tenant.config, &before) });
    tx.record(permit, Event::done("tenant.config_updated", permit.name()).details(details));
    bump(tx, &tenant.id);
    load_again(tx, &tenant.id).await
}

/// The tenant of this code, deleted ones excepted, for verbs that already hold a permit.
pub async fn find_by_code(rx: &mut Rx, code: &str) -> Result<Option<Tenant>> {
    Ok(store::find_by_code(rx, code).await?)
}

/// The tenant of this id, deleted ones excepted, for verbs that already hold a permit.
pub async fn find(rx: &mut Rx, id: &TenantId) -> Result<Option<Tenant>> {
    Ok(store::find(rx, id).await?)
}

/// The tenant of this id, deleted or not, for verbs of the platform that already hold a permit.
pub(crate) async fn find_any(rx: &mut Rx, id: &TenantId) -> Result<Option<Tenant>> {
    Ok(store::find_any(rx, id).await?)
}

/// A tenant that is about to be changed. Fails with 412 and, for a deleted one,
/// [`Error::IllegalTenantStatusChange`].
async fn load_changeable(rx: &mut Rx, id: &TenantId, if_match: &IfMatch) -> Result<Tenant> {
    let found = find_any(rx, id).await?.ok_or(Error::NotFound("tenant"))?;
    if_match.check(found.version)?;
    if found.deletion.is_some() {
        return Err(illegal(&found, "changed"));
    }
    Ok(found)
}

/// The refusal of a step that the status machine does not have.
fn illegal(found: &Tenant, done: &'static str) -> Error {
    let steps = match &found.deletion {
        Some(Deletion { purge_started_at: Some(_), .. }) => "nothing stops its removal now",
        Some(_) => "its deletion can be cancelled",
        None => found.status.steps(),
    };
    Error::IllegalTenantStatusChange { from: found.status_word(), done, steps }
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
    find_any(tx, id)
        .await?
        .ok_or_else(|| Error::Refused(base::bug!("a tenant that was just written is gone")))
}

/// Marks the tenant's own scope as changed: every node then looks at the tenant again.
fn bump(tx: &mut Tx, id: &TenantId) {
    tx.decisions_of_change(id, Change::All);
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

fn check_texts(name: &str, domain: Option<&str>) -> Result<()> {
    let mut fields = Fields::default();
    fields.line("/name", Some(name), NAME_CHARS_MAX);
    fields.domain("/domain", domain);
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
}
