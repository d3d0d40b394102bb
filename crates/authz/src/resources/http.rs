//! Routes, request and response types of resources.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use base::Timestamp;
use base::id::ResourceId;
use base::query::{Comparison, Filter, Scalar};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use web::list::{Attribute, Values};
use web::openapi::{EditProblems, Problems, WriteProblems};
use web::{Failure, Field, IfMatch, Json, List, ListParams, ListQuery, Listing, MergePatch, Page, Path};

use super::{NewResource, Resource, ResourceEdit};
use crate::http::{Asked, Search, Tagged, begins, created, optional};
use crate::{Cx, Service};

/// The routes, relative to a tenant.
pub(crate) fn routes() -> OpenApiRouter<Service> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(read, update, delete))
        .routes(routes!(children))
        .routes(routes!(ancestors))
        .merge(super::own_policy::http::routes())
}

/// A registered resource.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Resource)]
struct ResourceBody {
    id: String,
    /// As decisions ask about it; unique in the tenant, never changes.
    name: String,
    kind: Option<String>,
    tags: BTreeMap<String, String>,
    /// The resource that it lies in.
    parent_id: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<Resource> for ResourceBody {
    fn from(resource: Resource) -> Self {
        Self {
            id: resource.id.to_string(),
            name: resource.name,
            kind: Some(resource.kind).filter(|kind| !kind.is_empty()),
            tags: resource.tags,
            parent_id: resource.parent_id.map(|id| id.to_string()),
            created_at: resource.created_at,
            updated_at: resource.updated_at,
        }
    }
}

fn tagged(resource: Resource) -> Tagged<ResourceBody> {
    Tagged { version: resource.version, body: resource.into() }
}

/// A resource to be registered.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewResource)]
struct NewResourceBody {
    /// 1 to 1,024 bytes, as decisions ask about it: `document:docs/plan`.
    name: String,
    /// 1 to 64 of `A-Z a-z 0-9 _ -`.
    kind: Option<String>,
    /// At most 50.
    #[serde(default)]
    tags: BTreeMap<String, String>,
    /// The resource that it lies in, at most 10 deep.
    #[schema(value_type = Option<String>)]
    parent_id: Option<ResourceId>,
}

/// A merge patch (RFC 7396) over a resource.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ResourcePatch)]
struct ResourcePatch {
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    kind: Field<String>,
    /// Merged into what is there: null removes a tag, and null for the whole removes all.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    tags: Field<BTreeMap<String, Option<String>>>,
    /// Moves the resource; null makes it a root.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    parent_id: Field<ResourceId>,
}

/// What to narrow a list of resources by.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ResourceSearch {
    /// What names begin with; they have case.
    q: Option<String>,
    /// Only of this kind.
    kind: Option<String>,
    /// Only the one of this name.
    name: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct ResourcePath {
    /// The resource's id.
    #[param(value_type = String)]
    resource_id: ResourceId,
}

const ATTRIBUTES: &[Attribute] = &[
    Attribute::both("name", Values::Text),
    Attribute::both("created_at", Values::Time),
    Attribute::filtered("id", Values::Text),
    Attribute::filtered("kind", Values::Text),
    Attribute::filtered("parent_id", Values::Text),
    Attribute::filtered("updated_at", Values::Time),
];

/// What resources are listed by.
const LIST: List = List { name: "resources", attributes: ATTRIBUTES, order: &super::ORDER };

/// What those that lie in one are listed by.
const CHILDREN: List = List { name: "resource children", attributes: ATTRIBUTES, order: &super::ORDER };

/// Lists resources, by name unless `sort` says otherwise; `q` matches the beginning of names, which have case.
///
/// `sort` and `filter` take `name` and `created_at`; `filter` also `id`, `kind`, `parent_id` and `updated_at`.
#[utoipa::path(get, path = "/api/v1/resources", tag = "resources", operation_id = "list_resources",
    params(ListParams, ResourceSearch),
    responses((status = 200, description = "A page of resources", body = inline(Listing<ResourceBody>)), Problems))]
async fn list(
    State(service): State<Service>,
    cx: Cx,
    query: ListQuery<ResourceSearch>,
) -> Result<Response, Failure> {
    let asked = Asked::new::<_, ResourceBody>(&service, &cx, &LIST, None, &query)?;
    let ResourceSearch { q, kind, name } = query.own;
    let mut listing = asked.listing()?;
    if let Some(q) = Search::of(q).exact()? {
        listing = listing.and(begins("name", q));
    }
    for (attribute, value) in [("kind", kind), ("name", name)] {
        if let Some(value) = value {
            listing = listing.and(Filter::Is(attribute, Comparison::Equal, Scalar::Text(value)));
        }
    }
    asked.answer::<_, ResourceBody>(super::page_resources(&cx, &listing).await?)
}

/// Registers a resource.
#[utoipa::path(post, path = "/api/v1/resources", tag = "resources", operation_id = "create_resource",
    request_body = NewResourceBody,
    responses((status = 201, description = "Registered", body = ResourceBody), WriteProblems))]
async fn create(cx: Cx, Json(body): Json<NewResourceBody>) -> Result<Response, Failure> {
    let new = NewResource {
        name: body.name,
        kind: body.kind.unwrap_or_default(),
        tags: body.tags,
        parent_id: body.parent_id,
    };
    let resource = super::create_resource(&cx, new).await?;
    Ok(created(&cx, &format!("resources/{}", resource.id), tagged(resource)))
}

/// Reads a resource.
#[utoipa::path(get, path = "/api/v1/resources/{resource_id}", tag = "resources",
    operation_id = "read_resource", params(ResourcePath),
    responses((status = 200, description = "The resource", body = ResourceBody), Problems))]
async fn read(cx: Cx, Path(path): Path<ResourcePath>) -> Result<Tagged<ResourceBody>, Failure> {
    Ok(tagged(super::load_resource(&cx, &path.resource_id).await?))
}

/// Changes or moves a resource. A move needs permission on the resource and on both parents.
#[utoipa::path(patch, path = "/api/v1/resources/{resource_id}", tag = "resources",
    operation_id = "update_resource",
    params(ResourcePath, ("If-Match" = String, Header, description = "The `ETag` of what was read")),
    request_body(content = ResourcePatch, content_type = "application/merge-patch+json"),
    responses((status = 200, description = "Changed", body = ResourceBody), EditProblems))]
async fn update(
    cx: Cx,
    Path(path): Path<ResourcePath>,
    if_match: IfMatch,
    MergePatch(patch): MergePatch<ResourcePatch>,
) -> Result<Tagged<ResourceBody>, Failure> {
    let edit = ResourceEdit {
        kind: optional(patch.kind),
        tags: optional(patch.tags),
        parent_id: optional(patch.parent_id),
    };
    Ok(tagged(super::update_resource(&cx, &path.resource_id, &if_match, edit).await?))
}

/// Removes a resource that holds no others, has no policy of its own, and that no policy is linked to.
#[utoipa::path(delete, path = "/api/v1/resources/{resource_id}", tag = "resources",
    operation_id = "delete_resource",
    params(ResourcePath, ("If-Match" = String, Header, description = "The `ETag` of what was read")),
    responses((status = 204, description = "Removed"), EditProblems))]
async fn delete(cx: Cx, Path(path): Path<ResourcePath>, if_match: IfMatch) -> Result<StatusCode, Failure> {
    super::delete_resource(&cx, &path.resource_id, &if_match).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists what lies in a resource directly, by name unless `sort` says otherwise; `q` matches the beginning of
/// names.
///
/// `sort` and `filter` take `name` and `created_at`; `filter` also `id`, `kind`, `parent_id` and `updated_at`.
#[utoipa::path(get, path = "/api/v1/resources/{resource_id}/children", tag = "resources",
    operation_id = "list_resource_children", params(ResourcePath, ListParams, Search),
    responses((status = 200, description = "A page of resources", body = inline(Listing<ResourceBody>)), Problems))]
async fn children(
    State(service): State<Service>,
    cx: Cx,
    Path(path): Path<ResourcePath>,
    query: ListQuery<Search>,
) -> Result<Response, Failure> {
    let id = path.resource_id;
    let asked = Asked::new::<_, ResourceBody>(&service, &cx, &CHILDREN, Some(id.as_str()), &query)?;
    let listing = match query.own.exact()? {
        Some(q) => asked.listing()?.and(begins("name", q)),
        None => asked.listing()?,
    };
    asked.answer::<_, ResourceBody>(super::list_children(&cx, &id, &listing).await?)
}

/// Lists what a resource lies in, the nearest first: at most nine, all on one page.
#[utoipa::path(get, path = "/api/v1/resources/{resource_id}/ancestors", tag = "resources",
    operation_id = "list_resource_ancestors", params(ResourcePath),
    responses((status = 200, description = "The resources", body = inline(Page<ResourceBody>)), Problems))]
async fn ancestors(cx: Cx, Path(path): Path<ResourcePath>) -> Result<Json<Page<ResourceBody>>, Failure> {
    let items = super::list_ancestors(&cx, &path.resource_id).await?;
    Ok(Json(Page { items: items.into_iter().map(ResourceBody::from).collect(), next: None }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::check_columns;

    #[test]
    fn every_attribute_that_the_lists_offer_has_a_column_of_its_kind() {
        for list in [LIST, CHILDREN] {
            check_columns(&list, super::super::store::COLUMNS, &super::super::ORDER);
        }
    }
}
