//! Platforms: what tenants belong to. Types and verbs.
//!
//! A platform is a name under which tenants are gathered; nobody is a member of it, and platform roles
//! reach over all of them. The default platform is there from the first migration on and stays.

pub(crate) mod http;
mod store;

use authz::{Action, Cx, Event, Permit, Rx, Target, Tx};
use base::Timestamp;
use base::id::PlatformId;
use base::query::{Direction, Filter, Position, SortKey};
use base::text::name_key;
use serde_json::json;
use web::IfMatch;
use web::list::Count;

use crate::fields::Fields;
use crate::{Error, Result};

/// The id of the platform that a tenant belongs to where nothing else is said.
pub const DEFAULT_PLATFORM_ID: &str = "00000000-0000-0000-0000-000000000001";
/// The longest name of a platform, in characters.
pub const NAME_CHARS_MAX: usize = 128;
/// The longest folded name, in characters.
const NAME_KEY_CHARS_MAX: usize = 512;

/// A platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Platform {
    /// Its id.
    pub id: PlatformId,
    /// Its name, unique in any case of letters.
    pub name: String,
    /// Its tenants, deleted ones that are not yet purged included.
    pub tenant_count: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Counts its changes.
    pub version: i64,
}

/// The order where nobody says another one: by folded name.
const ORDER: [SortKey; 1] = [SortKey { attribute: "name", direction: Direction::Ascending }];

/// Which platforms to list.
#[derive(Debug, Clone)]
pub struct PlatformQuery {
    /// Only those that the filter leaves.
    pub filter: Option<Filter>,
    /// The order.
    pub order: Vec<SortKey>,
    /// Whether to count all of them, and how.
    pub count: Option<Count>,
    /// Only those after this position.
    pub after: Option<Position>,
    /// At most so many.
    pub limit: u32,
}

/// Some platforms, and where to go on.
#[derive(Debug, Clone)]
pub struct PlatformList {
    /// The platforms.
    pub items: Vec<Platform>,
    /// The last position scanned; none on the last page.
    pub next: Option<Position>,
    /// How many there are on all pages; none if nobody asked.
    pub count: Option<i64>,
}

/// Makes a platform without tenants.
///
/// Fails with [`Error::Taken`] (name) and [`Error::Invalid`].
pub async fn create_platform(cx: &Cx, name: &str) -> Result<Platform> {
    let permit = cx.authorize(Action::PlatformCreate, &Target::all("platform")).await?;

    let mut tx = cx.write(&permit).await?;
    let platform = create_platform_in(cx, &mut tx, &permit, name).await?;
    tx.commit().await?;
    Ok(platform)
}

/// Makes a platform without tenants.
///
/// Fails like [`create_platform`].
pub async fn create_platform_in(cx: &Cx, tx: &mut Tx, permit: &Permit, name: &str) -> Result<Platform> {
    check_name(name)?;
    let now = cx.now();
    let platform = Platform {
        id: cx.fresh_id(),
        name: name.to_owned(),
        tenant_count: 0,
        created_at: now,
        updated_at: now,
        version: 1,
    };
    store::insert(tx, &platform).await?;
    record(tx, permit, "platform.created", &platform.id, json!({ "name": platform.name }));
    Ok(platform)
}

/// The platform of this id.
pub async fn load_platform(cx: &Cx, id: &PlatformId) -> Result<Platform> {
    let permit = cx.authorize(Action::PlatformRead, &Target::member(id)).await?;
    let mut rx = cx.read(&permit).await?;
    load(&mut rx, id).await
}

/// The platforms, page by page.
pub async fn list_platforms(cx: &Cx, query: &PlatformQuery) -> Result<PlatformList> {
    let permit = cx.authorize(Action::PlatformRead, &Target::all("platform")).await?;
    let mut rx = cx.read(&permit).await?;
    let found = store::list(&mut rx, query).await?;
    let count = match query.count {
        Some(how) => Some(store::count(&mut rx, query, how).await?),
        None => None,
    };
    Ok(PlatformList { items: found.items, next: found.next, count })
}

/// Renames a platform.
///
/// Fails with [`Error::Taken`], [`Error::Invalid`], and with 412 where `if_match` does not hold.
pub async fn rename_platform(cx: &Cx, id: &PlatformId, if_match: &IfMatch, name: &str) -> Result<Platform> {
    let permit = cx.authorize(Action::PlatformUpdate, &Target::member(id)).await?;

    let mut tx = cx.write(&permit).await?;
    let found = load(&mut tx, id).await?;
    if_match.check(found.version)?;
    let platform = rename_platform_in(cx, &mut tx, &permit, &found, name).await?;
    tx.commit().await?;
    Ok(platform)
}

/// Renames a platform as it was just read.
///
/// Fails like [`rename_platform`].
pub async fn rename_platform_in(
    cx: &Cx,
    tx: &mut Tx,
    permit: &Permit,
    found: &Platform,
    name: &str,
) -> Result<Platform> {
    check_name(name)?;
    if store::rename(tx, found, name, cx.now()).await? == 0 {
        return Err(Error::Stale);
    }
    let details = json!({ "name": name, "before": found.name });
    record(tx, permit, "platform.updated", &found.id, details);
    load(tx, &found.id).await
}

/// Removes a platform that has no tenant.
///
/// Fails with [`Error::DefaultStays`], with [`Error::InUse`] while tenants belong to it, and with 412 where
/// `if_match` does not hold.
pub async fn delete_platform(cx: &Cx, id: &PlatformId, if_match: &IfMatch) -> Result<()> {
    let permit = cx.authorize(Action::PlatformDelete, &Target::member(id)).await?;

    let mut tx = cx.write(&permit).await?;
    let found = load(&mut tx, id).await?;
    if_match.check(found.version)?;
    delete_platform_in(&mut tx, &permit, &found).await?;
    tx.commit().await?;
    Ok(())
}

/// Removes a platform as it was just read.
///
/// Fails like [`delete_platform`].
pub async fn delete_platform_in(tx: &mut Tx, permit: &Permit, found: &Platform) -> Result<()> {
    if found.id.as_str() == DEFAULT_PLATFORM_ID {
        return Err(Error::DefaultStays("platform"));
    }
    if found.tenant_count > 0 {
        return Err(in_use(found.tenant_count));
    }
    match store::delete(tx, found).await {
        // A tenant that was made since: the foreign key saw it.
        Err(::store::StoreError::Reference) => return Err(in_use(1)),
        Err(error) => return Err(error.into()),
        Ok(0) => return Err(Error::Stale),
        Ok(_) => {}
    }
    record(tx, permit, "platform.deleted", &found.id, json!({ "name": found.name }));
    Ok(())
}

/// The platform of this id, for verbs that already hold a permit.
pub async fn find(rx: &mut Rx, id: &PlatformId) -> Result<Option<Platform>> {
    Ok(store::find(rx, id).await?)
}

/// The platform of this name, in any case of letters, for verbs that already hold a permit.
pub async fn find_by_name(rx: &mut Rx, name: &str) -> Result<Option<Platform>> {
    Ok(store::find_by_name_key(rx, &name_key(name)).await?)
}

async fn load(rx: &mut Rx, id: &PlatformId) -> Result<Platform> {
    find(rx, id).await?.ok_or(Error::NotFound("platform"))
}

fn in_use(tenants: i64) -> Error {
    Error::InUse(format!(
        "tenants that belong to this platform, with deleted ones that are not yet purged: {tenants}"
    ))
}

fn record(tx: &mut Tx, permit: &Permit, event: &'static str, id: &PlatformId, details: serde_json::Value) {
    tx.record(permit, Event::done(event, Target::member(id).name(None)).details(details));
}

fn check_name(name: &str) -> Result<()> {
    let mut fields = Fields::default();
    fields.line("/name", Some(name), NAME_CHARS_MAX);
    fields.key("/name", &name_key(name), NAME_KEY_CHARS_MAX);
    fields.finish()
}
