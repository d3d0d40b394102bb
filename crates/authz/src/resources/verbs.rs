//! What callers ask of resources from outside: each verb asks whether they may, opens one transaction and
//! commits.

use std::collections::BTreeMap;

use base::id::ResourceId;
use base::query::{Comparison, Filter, Scalar};
use web::IfMatch;

use super::{NewResource, Resource, ResourceChange, store};
use crate::{Action, Cx, Error, Listed, Listing, Result, Target};

/// A change of a resource as a merge patch says it; what is none stays, an inner none removes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResourceEdit {
    /// Another kind.
    pub kind: Option<Option<String>>,
    /// Tags to set and to remove; none removes all.
    pub tags: Option<Option<BTreeMap<String, Option<String>>>>,
    /// Another parent.
    pub parent_id: Option<Option<ResourceId>>,
}

impl ResourceEdit {
    fn over(self, found: &Resource) -> ResourceChange {
        let tags = self.tags.map(|changes| {
            let Some(changes) = changes else { return BTreeMap::new() };
            let mut tags = found.tags.clone();
            for (key, value) in changes {
                match value {
                    Some(value) => tags.insert(key, value),
                    None => tags.remove(&key),
                };
            }
            tags
        });
        let parent_id = self.parent_id.filter(|parent| *parent != found.parent_id);
        ResourceChange { kind: self.kind.map(Option::unwrap_or_default), tags, parent_id }
    }
}

/// Registers a resource in the caller's tenant; in a parent only with permission to change that.
///
/// Fails as [`super::create_resource_in`] does.
pub async fn create_resource(cx: &Cx, new: NewResource) -> Result<Resource> {
    let permit = cx.authorize(Action::ResourceCreate, &Target::all("resource")).await?;
    if let Some(parent) = &new.parent_id {
        cx.authorize(Action::ResourceUpdate, &Target::member(parent)).await?;
    }

    let mut tx = cx.write(&permit).await?;
    let resource = super::create_resource_in(cx, &mut tx, &permit, new).await?;
    tx.commit().await?;
    Ok(resource)
}

/// Reads a resource. Fails with [`Error::NotFound`].
pub async fn load_resource(cx: &Cx, id: &ResourceId) -> Result<Resource> {
    let permit = cx.authorize(Action::ResourceRead, &Target::member(id)).await?;
    let mut rx = cx.read(&permit).await?;
    store::find(&mut rx, permit.own_tenant()?, id).await?.ok_or(Error::NotFound("resource"))
}

/// Reads a part of the tenant's resources.
pub async fn page_resources(cx: &Cx, listing: &Listing) -> Result<Listed<Resource>> {
    let permit = cx.authorize(Action::ResourceRead, &Target::all("resource")).await?;
    let mut rx = cx.read(&permit).await?;
    let scanned = store::page(&mut rx, permit.own_tenant()?, listing).await?;
    drop(rx);
    readable(cx, scanned).await
}

/// Reads a part of what lies in a resource directly. Fails with [`Error::NotFound`].
pub async fn list_children(cx: &Cx, id: &ResourceId, listing: &Listing) -> Result<Listed<Resource>> {
    let permit = cx.authorize(Action::ResourceRead, &Target::member(id)).await?;
    let mut rx = cx.read(&permit).await?;
    let tenant = permit.own_tenant()?;
    if store::find(&mut rx, tenant, id).await?.is_none() {
        return Err(Error::NotFound("resource"));
    }
    let own = Filter::Is("parent_id", Comparison::Equal, Scalar::Text(id.to_string()));
    let scanned = store::page(&mut rx, tenant, &listing.clone().and(own)).await?;
    drop(rx);
    readable(cx, scanned).await
}

/// What a resource lies in, the nearest first, as far as the caller may read it; at most nine.
///
/// Fails with [`Error::NotFound`].
pub async fn list_ancestors(cx: &Cx, id: &ResourceId) -> Result<Vec<Resource>> {
    let permit = cx.authorize(Action::ResourceRead, &Target::member(id)).await?;
    let mut rx = cx.read(&permit).await?;
    let tenant = permit.own_tenant()?;
    let resource = store::find(&mut rx, tenant, id).await?.ok_or(Error::NotFound("resource"))?;
    let items = store::ancestors(&mut rx, tenant, &resource).await?;
    drop(rx);
    Ok(readable(cx, Listed { items, next: None, count: None }).await?.items)
}

async fn readable(cx: &Cx, scanned: Listed<Resource>) -> Result<Listed<Resource>> {
    scanned.only(cx, Action::ResourceRead, |resource| Target::member(&resource.id)).await
}

/// Changes or moves a resource that the caller read. A move needs permission on the resource and on both
/// parents.
///
/// Fails as [`super::update_resource_in`] does, and with [`Error::Precondition`].
pub async fn update_resource(
    cx: &Cx,
    id: &ResourceId,
    if_match: &IfMatch,
    edit: ResourceEdit,
) -> Result<Resource> {
    let permit = cx.authorize(Action::ResourceUpdate, &Target::member(id)).await?;
    let mut rx = cx.read(&permit).await?;
    let tenant = permit.own_tenant()?.clone();
    let found = store::find(&mut rx, &tenant, id).await?.ok_or(Error::NotFound("resource"))?;
    drop(rx);
    if_match.check(found.version).map_err(Error::Precondition)?;
    let change = edit.over(&found);
    if let Some(to) = &change.parent_id {
        for parent in [found.parent_id.as_ref(), to.as_ref()].into_iter().flatten() {
            cx.authorize(Action::ResourceUpdate, &Target::member(parent)).await?;
        }
    }

    let mut tx = cx.write(&permit).await?;
    // The version is the one whose parent the caller was asked about.
    let resource = super::update_resource_in(cx, &mut tx, &permit, id, change, Some(found.version)).await?;
    tx.commit().await?;
    Ok(resource)
}

/// Removes a resource that the caller read.
///
/// Fails as [`super::delete_resource_in`] does, and with [`Error::Precondition`].
pub async fn delete_resource(cx: &Cx, id: &ResourceId, if_match: &IfMatch) -> Result<()> {
    let permit = cx.authorize(Action::ResourceDelete, &Target::member(id)).await?;

    let mut tx = cx.write(&permit).await?;
    let found = store::find(&mut tx, permit.own_tenant()?, id).await?.ok_or(Error::NotFound("resource"))?;
    if_match.check(found.version).map_err(Error::Precondition)?;
    super::delete_resource_in(cx, &mut tx, &permit, id).await?;
    tx.commit().await
}
