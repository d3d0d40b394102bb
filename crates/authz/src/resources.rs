//! Registered resources: a tree of names with kinds and tags.
//!
//! A decision needs no registration: policies match names. What is registered here can be listed, exported
//! and tagged, and a policy that is linked to a resource covers all that lies in it: so whoever puts
//! something where a link reaches, or takes it away from there, changes access and needs
//! `policy:grant_any`. Every verb that ends in `_in` records exactly one event and marks that decisions
//! change.

pub(crate) mod http;
mod own_policy;
mod store;
mod verbs;

use std::collections::BTreeMap;

use ::store::StoreError;
use base::id::{ResourceId, TenantId};
use base::query::{Direction, SortKey};
use base::{Timestamp, text};
use policy::ResourceName;
use serde_json::json;

use crate::escalation::{check_grant_any, check_place_unread, check_tags};
use crate::name::is_foreign;
use crate::{Change, Cx, Error, Event, Permit, Result, Rx, Target, Tx};

pub use own_policy::{
    RESOURCE_POLICIES_MAX, ResourcePolicy, check_document, find_resource_policy, list_resource_policies,
    load_resource_policy, remove_policy_in, remove_resource_policy, set_policy_in, set_resource_policy,
};
pub use verbs::{
    ResourceEdit, create_resource, delete_resource, list_ancestors, list_children, load_resource,
    page_resources, update_resource,
};

/// The order of resources where nobody says another one.
const ORDER: [SortKey; 1] = [SortKey { attribute: "name", direction: Direction::Ascending }];
/// Registered resources of one tenant at most: a node keeps their tree in memory.
pub const RESOURCES_MAX: i64 = 100_000;
/// Resources on the way from a root to the deepest, both counted.
pub const DEPTH_MAX: usize = 10;

/// Resources in one page of [`list_resources`] at most.
pub const PAGE_MAX: i64 = 1_000;
/// Tags of one resource at most.
pub const TAGS_MAX: usize = 50;
/// The longest key of a tag, in characters.
pub const TAG_KEY_CHARS_MAX: usize = 128;
/// The longest value of a tag, in characters.
pub const TAG_VALUE_CHARS_MAX: usize = 256;
/// The longest kind, in characters.
pub const KIND_CHARS_MAX: usize = 64;

/// A registered resource of a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// Its id.
    pub id: ResourceId,
    /// Its name, as decisions ask about it: unique in the tenant and immutable.
    pub name: String,
    /// What kind of thing it is; may be empty.
    pub kind: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// The resource that it lies in.
    pub parent_id: Option<ResourceId>,
    /// Counts its changes.
    pub version: i64,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A resource to be registered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewResource {
    /// Its name.
    pub name: String,
    /// What kind of thing it is.
    pub kind: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// The resource that it lies in.
    pub parent_id: Option<ResourceId>,
}

/// A change of a resource; what is none stays. In `parent_id` the inner none makes it a root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResourceChange {
    /// Another kind.
    pub kind: Option<String>,
    /// Other tags, as a whole.
    pub tags: Option<BTreeMap<String, String>>,
    /// Another parent. The caller must be permitted on the resource and on both parents.
    pub parent_id: Option<Option<ResourceId>>,
}

/// Registers a resource in the permit's tenant.
///
/// Fails with [`Error::Taken`], [`Error::LimitReached`], [`Error::Invalid`] and, where a link reaches the
/// parent, [`Error::Escalation`].
pub async fn create_resource_in(cx: &Cx, tx: &mut Tx, permit: &Permit, new: NewResource) -> Result<Resource> {
    let tenant = permit.own_tenant()?.clone();
    ResourceName::check(&new.name).map_err(|e| Error::invalid("/name", "invalid_name", e.to_string()))?;
    if is_foreign(&new.name, &tenant) {
        let detail = "the name states another tenant or none";
        return Err(Error::invalid("/name", "foreign_name", detail));
    }
    check(Some(&new.kind), Some(&new.tags))?;
    check_parent(tx, &tenant, new.parent_id.as_ref()).await?;
    check_links(cx, tx, permit, None, new.parent_id.as_ref()).await?;
    check_tags(cx, permit, &BTreeMap::new(), &new.tags).await?;
    if store::count(tx, &tenant).await? >= RESOURCES_MAX {
        return Err(Error::LimitReached(format!("a tenant has at most {RESOURCES_MAX} resources")));
    }
    let now = cx.now();
    let resource = Resource {
        id: cx.fresh_id(),
        name: new.name,
        kind: new.kind,
        tags: new.tags,
        parent_id: new.parent_id,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    store::insert(tx, &tenant, &resource).await.map_err(|e| refused(e, &resource.name))?;
    record(tx, permit, "resource.created", &resource);
    Ok(resource)
}

/// Changes or moves a resource. `version` is the one that the caller read, where it must not have changed
/// since.
///
/// Fails with [`Error::NotFound`], [`Error::Stale`], [`Error::Invalid`] and, where a move changes what links
/// reach it, [`Error::Escalation`].
pub async fn update_resource_in(
    cx: &Cx,
    tx: &mut Tx,
    permit: &Permit,
    id: &ResourceId,
    change: ResourceChange,
    version: Option<i64>,
) -> Result<Resource> {
    let tenant = permit.own_tenant()?.clone();
    check(change.kind.as_deref(), change.tags.as_ref())?;
    let mut resource = store::find(tx, &tenant, id).await?.ok_or(Error::NotFound("resource"))?;
    if version.is_some_and(|read| read != resource.version) {
        return Err(Error::Stale);
    }
    let before = resource.version;
    if let Some(kind) = change.kind {
        resource.kind = kind;
    }
    if let Some(tags) = change.tags {
        check_tags(cx, permit, &resource.tags, &tags).await?;
        resource.tags = tags;
    }
    if let Some(parent) = change.parent_id {
        check_parent(tx, &tenant, parent.as_ref()).await?;
        check_links(cx, tx, permit, resource.parent_id.as_ref(), parent.as_ref()).await?;
        resource.parent_id = parent;
    }
    resource.version = before + 1;
    resource.updated_at = cx.now();
    let touched = store::update(tx, &tenant, &resource, before).await;
    if touched.map_err(|e| refused(e, &resource.name))? == 0 {
        return Err(Error::Stale);
    }
    record(tx, permit, "resource.updated", &resource);
    Ok(resource)
}

/// Removes a resource that holds no others, has no policy of its own, and that no policy is linked to.
///
/// Fails with [`Error::NotFound`], [`Error::InUse`] and, where a link reaches it, [`Error::Escalation`].
pub async fn delete_resource_in(cx: &Cx, tx: &mut Tx, permit: &Permit, id: &ResourceId) -> Result<()> {
    let tenant = permit.own_tenant()?.clone();
    let resource = store::find(tx, &tenant, id).await?.ok_or(Error::NotFound("resource"))?;
    let children = store::count_children(tx, &tenant, id).await?;
    if children > 0 {
        return Err(Error::InUse(format!("resources that `{}` holds: {children}", resource.name)));
    }
    let links = store::count_links(tx, &tenant, id).await?;
    if links > 0 {
        return Err(Error::InUse(format!("{links} policies are linked to `{}`", resource.name)));
    }
    own_policy::check_none(tx, &tenant, &resource).await?;
    check_links(cx, tx, permit, resource.parent_id.as_ref(), None).await?;
    check_tags(cx, permit, &resource.tags, &BTreeMap::new()).await?;
    store::delete(tx, &tenant, id).await?;
    record(tx, permit, "resource.deleted", &resource);
    Ok(())
}

/// The resource of this id.
pub async fn find_resource(rx: &mut Rx, tenant: &TenantId, id: &ResourceId) -> Result<Option<Resource>> {
    store::find(rx, tenant, id).await
}

/// The resource of this name.
pub async fn find_resource_by_name(rx: &mut Rx, tenant: &TenantId, name: &str) -> Result<Option<Resource>> {
    store::find_by_name(rx, tenant, name).await
}

/// The next resources after the given name (from the first where none is given), by name; at most
/// [`PAGE_MAX`].
pub async fn list_resources(rx: &mut Rx, tenant: &TenantId, after: Option<&str>) -> Result<Vec<Resource>> {
    store::list(rx, tenant, after.unwrap_or_default()).await
}

fn check(kind: Option<&str>, tags: Option<&BTreeMap<String, String>>) -> Result<()> {
    if let Some(kind) = kind
        && !kind.is_empty()
    {
        text::check_code(kind, KIND_CHARS_MAX)
            .map_err(|e| Error::invalid("/kind", "invalid_kind", e.to_string()))?;
    }
    let Some(tags) = tags else { return Ok(()) };
    if tags.len() > TAGS_MAX {
        let detail = format!("{} tags, expected at most {TAGS_MAX}", tags.len());
        return Err(Error::invalid("/tags", "too_many", detail));
    }
    for (key, value) in tags {
        let pointer = || format!("/tags/{}", key.replace('~', "~0").replace('/', "~1"));
        text::check_line(key, TAG_KEY_CHARS_MAX)
            .map_err(|e| Error::invalid(pointer(), "invalid_tag", format!("the key {e}")))?;
        if !value.is_empty() {
            text::check_line(value, TAG_VALUE_CHARS_MAX)
                .map_err(|e| Error::invalid(pointer(), "invalid_tag", format!("the value {e}")))?;
        }
    }
    Ok(())
}

async fn check_parent(rx: &mut Rx, tenant: &TenantId, parent: Option<&ResourceId>) -> Result<()> {
    let Some(parent) = parent else { return Ok(()) };
    if store::find(rx, tenant, parent).await?.is_none() {
        let detail = format!("`{parent}` is no resource of this tenant");
        return Err(Error::invalid("/parent_id", "unknown_resource", detail));
    }
    Ok(())
}

/// Refuses whoever may not grant any access to put a resource where other links reach it than before, or anywhere
/// else while policies ask where resources lie: what they permit or deny would change.
async fn check_links(
    cx: &Cx,
    rx: &mut Rx,
    permit: &Permit,
    old_parent: Option<&ResourceId>,
    new_parent: Option<&ResourceId>,
) -> Result<()> {
    if old_parent != new_parent {
        check_place_unread(cx, permit).await?;
    }
    let tenant = permit.own_tenant()?;
    let before = store::linked_above(rx, tenant, old_parent).await?;
    let after = store::linked_above(rx, tenant, new_parent).await?;
    if before == after {
        return Ok(());
    }
    check_grant_any(cx, permit, "changing which linked resources a resource lies in").await
}

fn record(tx: &mut Tx, permit: &Permit, action: &'static str, resource: &Resource) {
    let name = Target::member(&resource.id).name(permit.tenant().map(|tenant| tenant.as_str()));
    let details = json!({
        "name": resource.name, "kind": resource.kind, "tags": resource.tags, "parent_id": resource.parent_id,
    });
    tx.record(permit, Event::done(action, name).details(details));
    tx.decisions_change(permit, Change::Resource(&resource.name));
}

fn refused(error: Error, name: &str) -> Error {
    match error {
        Error::Store(e) if e.is_unique("uq_resources_tenant_id_name") => {
            Error::Taken { noun: "resource", name: name.to_owned() }
        }
        Error::Store(StoreError::Check(text)) if text.contains("resource_cycle") => Error::invalid(
            "/parent_id",
            "resource_cycle",
            "a resource cannot lie in itself, also not over others",
        ),
        Error::Store(StoreError::Check(text)) if text.contains("resource_too_deep") => {
            Error::invalid("/parent_id", "resource_too_deep", "resources lie in each other at most 10 deep")
        }
        other => other,
    }
}
