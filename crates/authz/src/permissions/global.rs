//! The platform's catalogue of permissions, for every tenant: `storage:GetObject`. The platform keeps it, and
//! tenants read it and link their policies to it.

use base::Timestamp;
use base::query::{Direction, SortKey};
use serde_json::json;
use web::IfMatch;

use super::{GlobalPermissionId, check_code, store};
use crate::roles::check_texts;
use crate::{Action, Cx, Error, Event, Listed, Listing, Permit, Place, Result, Rx, Target, Tx};

/// The order of the catalogue where nobody says another one.
pub(super) const ORDER: [SortKey; 1] = [SortKey { attribute: "name", direction: Direction::Ascending }];
/// Global permissions at most.
pub const GLOBAL_PERMISSIONS_MAX: i64 = 10_000;
/// The longest name of a global permission, in bytes.
pub const NAME_BYTES_MAX: usize = 128;

/// A permission of the platform's catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GlobalPermission {
    /// Its id.
    pub id: GlobalPermissionId,
    /// The action that it is about; unique in any case, immutable.
    pub name: String,
    /// What it lets one do.
    pub description: Option<String>,
    /// Counts its changes.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// Makes a global permission, on the platform.
///
/// Fails with [`Error::Taken`], [`Error::LimitReached`] and [`Error::Invalid`].
pub async fn create(cx: &Cx, name: String, description: Option<String>) -> Result<GlobalPermission> {
    let permit = cx.authorize(Action::PlatformPermissionCreate, &Target::all("permission")).await?;
    check_code(&name, "/name", NAME_BYTES_MAX)?;
    check_texts(None, description.as_deref())?;

    let mut tx = cx.write(&permit).await?;
    if store::name_is_taken(&mut tx, &name).await? {
        return Err(Error::Taken { noun: "global permission", name });
    }
    if store::count_global(&mut tx).await? >= GLOBAL_PERMISSIONS_MAX {
        let detail = format!("there are at most {GLOBAL_PERMISSIONS_MAX} global permissions");
        return Err(Error::LimitReached(detail));
    }
    let now = cx.now();
    let made = GlobalPermission {
        id: cx.fresh_id(),
        name,
        description,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    store::insert_global(&mut tx, &made).await.map_err(|error| match error {
        Error::Store(e) if e.is_unique("uq_global_permissions_name") => {
            Error::Taken { noun: "global permission", name: made.name.clone() }
        }
        other => other,
    })?;
    record(&mut tx, &permit, "global_permission.created", &made);
    tx.commit().await?;
    Ok(made)
}

/// Reads a global permission, on the platform or in a tenant. Fails with [`Error::NotFound`].
pub async fn load(cx: &Cx, id: &GlobalPermissionId) -> Result<GlobalPermission> {
    let permit = cx.authorize(read_action(cx), &Target::member(id)).await?;
    let mut rx = cx.read(&permit).await?;
    find(&mut rx, id).await?.ok_or(Error::NotFound("global permission"))
}

/// Reads a part of the catalogue, on the platform or in a tenant.
pub async fn page(cx: &Cx, listing: &Listing) -> Result<Listed<GlobalPermission>> {
    let permit = cx.authorize(read_action(cx), &Target::all("permission")).await?;
    let mut rx = cx.read(&permit).await?;
    store::page_global(&mut rx, listing).await
}

fn read_action(cx: &Cx) -> Action {
    match cx.place() {
        Place::Tenant(_) => Action::PermissionRead,
        Place::Platform => Action::PlatformPermissionRead,
    }
}

/// Changes the description of a global permission that the caller read, on the platform.
///
/// Fails with [`Error::NotFound`], [`Error::Precondition`], [`Error::Stale`] and [`Error::Invalid`].
pub async fn update(
    cx: &Cx,
    id: &GlobalPermissionId,
    if_match: &IfMatch,
    description: Option<Option<String>>,
) -> Result<GlobalPermission> {
    let permit = cx.authorize(Action::PlatformPermissionUpdate, &Target::member(id)).await?;
    check_texts(None, description.as_ref().and_then(Option::as_deref))?;

    let mut tx = cx.write(&permit).await?;
    let found = find(&mut tx, id).await?.ok_or(Error::NotFound("global permission"))?;
    if_match.check(found.version).map_err(Error::Precondition)?;
    let before = found.version;
    let changed = GlobalPermission {
        description: description.unwrap_or(found.description),
        version: before + 1,
        updated_at: cx.now(),
        ..found
    };
    if store::update_global(&mut tx, &changed, before).await? == 0 {
        return Err(Error::Stale);
    }
    record(&mut tx, &permit, "global_permission.updated", &changed);
    tx.commit().await?;
    Ok(changed)
}

/// Removes a global permission that no tenant uses and that the caller read, on the platform.
///
/// Fails with [`Error::NotFound`], [`Error::Precondition`] and [`Error::InUse`].
pub async fn delete(cx: &Cx, id: &GlobalPermissionId, if_match: &IfMatch) -> Result<()> {
    let permit = cx.authorize(Action::PlatformPermissionDelete, &Target::member(id)).await?;

    let mut tx = cx.write(&permit).await?;
    let found = find(&mut tx, id).await?.ok_or(Error::NotFound("global permission"))?;
    if_match.check(found.version).map_err(Error::Precondition)?;
    let uses = store::count_global_uses(&mut tx, id).await?;
    if uses > 0 {
        return Err(Error::InUse(format!("places where tenants use `{}`: {uses}", found.name)));
    }
    store::delete_global(&mut tx, id).await?;
    record(&mut tx, &permit, "global_permission.deleted", &found);
    tx.commit().await
}

/// The whole catalogue (at most [`GLOBAL_PERMISSIONS_MAX`]), by name, for verbs that already hold a permit.
pub async fn list(rx: &mut Rx) -> Result<Vec<GlobalPermission>> {
    store::list_global(rx).await
}

/// The global permission of this id.
pub async fn find(rx: &mut Rx, id: &GlobalPermissionId) -> Result<Option<GlobalPermission>> {
    store::find_global(rx, id).await
}

fn record(tx: &mut Tx, permit: &Permit, action: &'static str, permission: &GlobalPermission) {
    let name = Target::member(&permission.id).name(None);
    let details = json!({ "name": permission.name, "description": permission.description });
    tx.record(permit, Event::done(action, name).details(details));
}
