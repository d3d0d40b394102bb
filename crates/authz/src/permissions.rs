//! Permissions: the 26 of every tenant, those of its own, and the platform's catalogue of global ones.
//!
//! A permission is a name for something that may be allowed. It permits nothing by itself: roles list the 26
//! by their codes, and policies are linked to any ([`crate::policies::links`]). A code never changes.

pub mod global;
pub(crate) mod http;
mod store;

use base::id::{Id, Noun, PermissionId, TenantId};
use base::query::{Direction, SortKey};
use base::{Timestamp, text};
use policy::ActionName;
use serde_json::json;
use web::IfMatch;

use crate::action::{find_code, is_reserved};
use crate::roles::check_texts;
use crate::{Action, Cx, Error, Event, Listed, Listing, Permit, Result, Rx, Target, Tx};

/// The order of permissions where nobody says another one.
const ORDER: [SortKey; 1] = [SortKey { attribute: "code", direction: Direction::Ascending }];
/// Permissions of one tenant at most.
pub const PERMISSIONS_MAX: i64 = 2_000;
/// The longest code of a permission, in bytes.
pub const CODE_BYTES_MAX: usize = 64;

/// The marker of global permissions.
#[derive(Debug)]
pub enum GlobalPermissionNoun {}

impl Noun for GlobalPermissionNoun {
    const NAME: &'static str = "permission";
}

/// A permission of the platform's catalogue.
pub type GlobalPermissionId = Id<GlobalPermissionNoun>;

/// A permission of a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    /// Its id.
    pub id: PermissionId,
    /// The action that it is about, `service:Verb`; unique in the tenant in any case, immutable.
    pub code: String,
    /// Its name for people.
    pub name: String,
    /// What it lets one do.
    pub description: Option<String>,
    /// The entry of the platform's catalogue that it stands for.
    pub global_permission_id: Option<GlobalPermissionId>,
    /// Counts its changes.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Permission {
    /// Whether it is one of the 26 that every tenant has.
    pub fn is_built_in(&self) -> bool {
        find_code(&self.code).is_some()
    }
}

/// A permission to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPermission {
    /// The action.
    pub code: String,
    /// Its name for people.
    pub name: String,
    /// What it lets one do.
    pub description: Option<String>,
    /// The entry of the platform's catalogue that it stands for.
    pub global_permission_id: Option<GlobalPermissionId>,
}

/// A change of a permission; what is none stays. In `description` the inner none removes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PermissionChange {
    /// Another name.
    pub name: Option<String>,
    /// Another description.
    pub description: Option<Option<String>>,
}

/// Makes a permission of the permit's tenant. It permits nothing until a policy is linked to it.
///
/// Fails with [`Error::Taken`], [`Error::LimitReached`] and [`Error::Invalid`]: the nouns of Signet's own
/// actions are not a tenant's to use (`reserved_code`).
pub async fn create_permission_in(
    cx: &Cx,
    tx: &mut Tx,
    permit: &Permit,
    new: NewPermission,
) -> Result<Permission> {
    let tenant = permit.own_tenant()?.clone();
    check_code(&new.code, "/code", CODE_BYTES_MAX)?;
    if is_reserved(&new.code) {
        let detail = "the part before the colon is one of Signet's own; use your application's name";
        return Err(Error::invalid("/code", "reserved_code", detail));
    }
    check_texts(Some(&new.name), new.description.as_deref())?;
    if let Some(id) = &new.global_permission_id
        && global::find(tx, id).await?.is_none()
    {
        let detail = format!("`{id}` is no global permission");
        return Err(Error::invalid("/global_permission_id", "unknown_global_permission", detail));
    }
    if store::code_is_taken(tx, &tenant, &new.code).await? {
        return Err(Error::Taken { noun: "permission", name: new.code });
    }
    if store::count(tx, &tenant).await? >= PERMISSIONS_MAX {
        let detail = format!("a tenant has at most {PERMISSIONS_MAX} permissions");
        return Err(Error::LimitReached(detail));
    }
    let now = cx.now();
    let permission = Permission {
        id: cx.fresh_id(),
        code: new.code,
        name: new.name,
        description: new.description,
        global_permission_id: new.global_permission_id,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    store::insert(tx, &tenant, &permission).await.map_err(|e| refused(e, &permission.code))?;
    record(tx, permit, "permission.created", &permission, &tenant);
    Ok(permission)
}

/// Changes what a permission is called.
///
/// Fails with [`Error::Stale`] and [`Error::Invalid`].
pub async fn update_permission_in(
    cx: &Cx,
    tx: &mut Tx,
    permit: &Permit,
    found: Permission,
    change: PermissionChange,
) -> Result<Permission> {
    let tenant = permit.own_tenant()?.clone();
    check_texts(change.name.as_deref(), change.description.as_ref().and_then(Option::as_deref))?;
    let before = found.version;
    let permission = Permission {
        name: change.name.unwrap_or(found.name),
        description: change.description.unwrap_or(found.description),
        version: before + 1,
        updated_at: cx.now(),
        ..found
    };
    if store::update(tx, &tenant, &permission, before).await? == 0 {
        return Err(Error::Stale);
    }
    record(tx, permit, "permission.updated", &permission, &tenant);
    Ok(permission)
}

/// Removes a permission of the tenant's own that no policy is linked to.
///
/// Fails with [`Error::BuiltIn`] and [`Error::InUse`].
pub async fn delete_permission_in(tx: &mut Tx, permit: &Permit, found: &Permission) -> Result<()> {
    let tenant = permit.own_tenant()?.clone();
    if found.is_built_in() {
        return Err(Error::BuiltIn(format!("the permission `{}` belongs to every tenant", found.code)));
    }
    let uses = store::count_uses(tx, &tenant, &found.id).await?;
    if uses > 0 {
        return Err(Error::InUse(format!("{uses} policies are linked to the permission `{}`", found.code)));
    }
    store::delete(tx, &tenant, &found.id).await?;
    record(tx, permit, "permission.deleted", found, &tenant);
    Ok(())
}

/// Makes a permission of the caller's tenant. Fails as [`create_permission_in`] does.
pub async fn create_permission(cx: &Cx, new: NewPermission) -> Result<Permission> {
    let permit = cx.authorize(Action::PermissionCreate, &Target::all("permission")).await?;

    let mut tx = cx.write(&permit).await?;
    let permission = create_permission_in(cx, &mut tx, &permit, new).await?;
    tx.commit().await?;
    Ok(permission)
}

/// Reads a permission. Fails with [`Error::NotFound`].
pub async fn load_permission(cx: &Cx, id: &PermissionId) -> Result<Permission> {
    let permit = cx.authorize(Action::PermissionRead, &Target::member(id)).await?;
    let mut rx = cx.read(&permit).await?;
    store::find(&mut rx, permit.own_tenant()?, id).await?.ok_or(Error::NotFound("permission"))
}

/// Reads a part of the tenant's permissions.
pub async fn page_permissions(cx: &Cx, listing: &Listing) -> Result<Listed<Permission>> {
    let permit = cx.authorize(Action::PermissionRead, &Target::all("permission")).await?;
    let mut rx = cx.read(&permit).await?;
    let scanned = store::page(&mut rx, permit.own_tenant()?, listing).await?;
    drop(rx);
    scanned.only(cx, Action::PermissionRead, |permission| Target::member(&permission.id)).await
}

/// The permission of this id, for verbs that already hold a permit.
pub async fn find_permission(
    rx: &mut Rx,
    tenant: &TenantId,
    id: &PermissionId,
) -> Result<Option<Permission>> {
    store::find(rx, tenant, id).await
}

/// All permissions of the tenant (at most [`PERMISSIONS_MAX`]), by code, for verbs that already hold a permit.
pub async fn list_permissions(rx: &mut Rx, tenant: &TenantId) -> Result<Vec<Permission>> {
    store::list(rx, tenant).await
}

/// Changes a permission that the caller read.
///
/// Fails as [`update_permission_in`] does, and with [`Error::Precondition`].
pub async fn update_permission(
    cx: &Cx,
    id: &PermissionId,
    if_match: &IfMatch,
    change: PermissionChange,
) -> Result<Permission> {
    let permit = cx.authorize(Action::PermissionUpdate, &Target::member(id)).await?;

    let mut tx = cx.write(&permit).await?;
    let found = store::find(&mut tx, permit.own_tenant()?, id).await?;
    let found = found.ok_or(Error::NotFound("permission"))?;
    if_match.check(found.version).map_err(Error::Precondition)?;
    let permission = update_permission_in(cx, &mut tx, &permit, found, change).await?;
    tx.commit().await?;
    Ok(permission)
}

/// Removes a permission that the caller read.
///
/// Fails as [`delete_permission_in`] does, and with [`Error::Precondition`].
pub async fn delete_permission(cx: &Cx, id: &PermissionId, if_match: &IfMatch) -> Result<()> {
    let permit = cx.authorize(Action::PermissionDelete, &Target::member(id)).await?;

    let mut tx = cx.write(&permit).await?;
    let found = store::find(&mut tx, permit.own_tenant()?, id).await?;
    let found = found.ok_or(Error::NotFound("permission"))?;
    if_match.check(found.version).map_err(Error::Precondition)?;
    delete_permission_in(&mut tx, &permit, &found).await?;
    tx.commit().await
}

/// Refuses a text that is no name of an action.
fn check_code(code: &str, pointer: &str, bytes_max: usize) -> Result<()> {
    ActionName::check(code).map_err(|e| Error::invalid(pointer, "invalid_code", e.to_string()))?;
    text::check_line(code, bytes_max).map_err(|e| Error::invalid(pointer, "invalid_code", e.to_string()))
}

fn record(tx: &mut Tx, permit: &Permit, action: &'static str, permission: &Permission, tenant: &TenantId) {
    let name = Target::member(&permission.id).name(Some(tenant.as_str()));
    let details = json!({
        "code": permission.code, "name": permission.name,
        "global_permission_id": permission.global_permission_id,
    });
    tx.record(permit, Event::done(action, name).details(details));
}

fn refused(error: Error, code: &str) -> Error {
    match error {
        Error::Store(e) if e.is_unique("uq_permissions_tenant_id_code") => {
            Error::Taken { noun: "permission", name: code.to_owned() }
        }
        other => other,
    }
}
