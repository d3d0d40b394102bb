//! Routes, request and response types of permissions, a tenant's and the platform's.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use base::Timestamp;
use base::id::PermissionId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use web::list::{Attribute, Values};
use web::openapi::{EditProblems, Problems, WriteProblems};
use web::{Failure, Field, IfMatch, Json, List, ListParams, ListQuery, Listing, MergePatch, Path};

use super::global::{self, GlobalPermission};
use super::{GlobalPermissionId, NewPermission, Permission, PermissionChange};
use crate::http::{Asked, Search, Tagged, begins, created, optional};
use crate::{Cx, Service};

/// The routes, relative to a tenant.
pub(crate) fn tenant_routes() -> OpenApiRouter<Service> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(read, update, delete))
        .routes(routes!(list_global_here))
        .routes(routes!(read_global_here))
}

/// The routes of the platform.
pub(crate) fn platform_routes() -> OpenApiRouter<Service> {
    OpenApiRouter::new().routes(routes!(list_global, create_global)).routes(routes!(
        read_global,
        update_global,
        delete_global
    ))
}

/// A permission of a tenant.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Permission)]
struct PermissionBody {
    id: String,
    /// The action that it is about; never changes.
    code: String,
    name: String,
    description: Option<String>,
    /// The entry of the platform's catalogue that it stands for.
    global_permission_id: Option<String>,
    /// Whether it is one of the 26 that every tenant has. Only those may stand in a role's list.
    built_in: bool,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<Permission> for PermissionBody {
    fn from(permission: Permission) -> Self {
        Self {
            id: permission.id.to_string(),
            built_in: permission.is_built_in(),
            code: permission.code,
            name: permission.name,
            description: permission.description,
            global_permission_id: permission.global_permission_id.map(|id| id.to_string()),
            created_at: permission.created_at,
            updated_at: permission.updated_at,
        }
    }
}

fn tagged(permission: Permission) -> Tagged<PermissionBody> {
    Tagged { version: permission.version, body: permission.into() }
}

/// A permission to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewPermission)]
struct NewPermissionBody {
    /// The action, `service:Verb`, at most 64 bytes; not with a noun of Signet's own actions.
    code: String,
    /// 1 to 128 characters.
    name: String,
    description: Option<String>,
    /// The entry of the platform's catalogue that it stands for.
    #[schema(value_type = Option<String>)]
    global_permission_id: Option<GlobalPermissionId>,
}

/// A merge patch (RFC 7396) over a permission.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PermissionPatch)]
struct PermissionPatch {
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    name: Field<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    description: Field<String>,
}

/// A permission of the platform's catalogue.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GlobalPermission)]
struct GlobalBody {
    id: String,
    /// The action that it is about; never changes.
    name: String,
    description: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<GlobalPermission> for GlobalBody {
    fn from(permission: GlobalPermission) -> Self {
        Self {
            id: permission.id.to_string(),
            name: permission.name,
            description: permission.description,
            created_at: permission.created_at,
            updated_at: permission.updated_at,
        }
    }
}

fn tagged_global(permission: GlobalPermission) -> Tagged<GlobalBody> {
    Tagged { version: permission.version, body: permission.into() }
}

/// A global permission to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewGlobalPermission)]
struct NewGlobalBody {
    /// The action, such as `storage:GetObject`, at most 128 bytes; unique in any case.
    name: String,
    description: Option<String>,
}

/// A merge patch (RFC 7396) over a global permission.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = GlobalPermissionPatch)]
struct GlobalPatch {
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    description: Field<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct PermissionPath {
    /// The permission's id.
    #[param(value_type = String)]
    permission_id: PermissionId,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct GlobalPath {
    /// The global permission's id.
    #[param(value_type = String)]
    global_permission_id: GlobalPermissionId,
}

/// What permissions are listed by.
const LIST: List = List {
    name: "permissions",
    attributes: &[
        Attribute::both("code", Values::Text),
        Attribute::both("name", Values::Text),
        Attribute::both("created_at", Values::Time),
        Attribute::both("updated_at", Values::Time),
        Attribute::filtered("id", Values::Text),
        Attribute::filtered("description", Values::Text),
        Attribute::filtered("global_permission_id", Values::Text),
    ],
    order: &super::ORDER,
};

/// What global permissions are listed by.
const GLOBAL: List = List {
    name: "global permissions",
    attributes: &[
        Attribute::both("name", Values::Text),
        Attribute::both("created_at", Values::Time),
        Attribute::both("updated_at", Values::Time),
        Attribute::filtered("id", Values::Text),
        Attribute::filtered("description", Values::Text),
    ],
    order: &global::ORDER,
};

/// Lists the tenant's permissions, by code unless `sort` says otherwise; `q` matches the beginning of codes in any
/// case.
///
/// `sort` and `filter` take `code`, `name`, `created_at` and `updated_at`; `filter` also `id`, `description`
/// and `global_permission_id`.
#[utoipa::path(get, path = "/api/v1/permissions", tag = "permissions", operation_id = "list_permissions",
    params(ListParams, Search),
    responses((status = 200, description = "A page of permissions", body = inline(Listing<PermissionBody>)),
        Problems))]
async fn list(State(service): State<Service>, cx: Cx, query: ListQuery<Search>) -> Result<Response, Failure> {
    let asked = Asked::new::<_, PermissionBody>(&service, &cx, &LIST, None, &query)?;
    let listing = match query.own.folded()? {
        Some(q) => asked.listing()?.and(begins("q", q)),
        None => asked.listing()?,
    };
    asked.answer::<_, PermissionBody>(super::page_permissions(&cx, &listing).await?)
}

/// Makes a permission of the tenant's own, for policies to be linked to.
#[utoipa::path(post, path = "/api/v1/permissions", tag = "permissions", operation_id = "create_permission",
    request_body = NewPermissionBody,
    responses((status = 201, description = "Made", body = PermissionBody), WriteProblems))]
async fn create(cx: Cx, Json(body): Json<NewPermissionBody>) -> Result<Response, Failure> {
    let new = NewPermission {
        code: body.code,
        name: body.name,
        description: body.description,
        global_permission_id: body.global_permission_id,
    };
    let permission = super::create_permission(&cx, new).await?;
    Ok(created(&cx, &format!("permissions/{}", permission.id), tagged(permission)))
}

/// Reads a permission.
#[utoipa::path(get, path = "/api/v1/permissions/{permission_id}", tag = "permissions",
    operation_id = "read_permission", params(PermissionPath),
    responses((status = 200, description = "The permission", body = PermissionBody), Problems))]
async fn read(cx: Cx, Path(path): Path<PermissionPath>) -> Result<Tagged<PermissionBody>, Failure> {
    Ok(tagged(super::load_permission(&cx, &path.permission_id).await?))
}

/// Changes a permission's name or description.
#[utoipa::path(patch, path = "/api/v1/permissions/{permission_id}", tag = "permissions",
    operation_id = "update_permission",
    params(PermissionPath, ("If-Match" = String, Header, description = "The `ETag` of what was read")),
    request_body(content = PermissionPatch, content_type = "application/merge-patch+json"),
    responses((status = 200, description = "Changed", body = PermissionBody), EditProblems))]
async fn update(
    cx: Cx,
    Path(path): Path<PermissionPath>,
    if_match: IfMatch,
    MergePatch(patch): MergePatch<PermissionPatch>,
) -> Result<Tagged<PermissionBody>, Failure> {
    let change =
        PermissionChange { name: patch.name.required("/name")?, description: optional(patch.description) };
    Ok(tagged(super::update_permission(&cx, &path.permission_id, &if_match, change).await?))
}

/// Removes a permission of the tenant's own that no policy is linked to.
#[utoipa::path(delete, path = "/api/v1/permissions/{permission_id}", tag = "permissions",
    operation_id = "delete_permission",
    params(PermissionPath, ("If-Match" = String, Header, description = "The `ETag` of what was read")),
    responses((status = 204, description = "Removed"), EditProblems))]
async fn delete(cx: Cx, Path(path): Path<PermissionPath>, if_match: IfMatch) -> Result<StatusCode, Failure> {
    super::delete_permission(&cx, &path.permission_id, &if_match).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn page_global(service: &Service, cx: &Cx, query: &ListQuery<Search>) -> Result<Response, Failure> {
    let asked = Asked::new::<_, GlobalBody>(service, cx, &GLOBAL, None, query)?;
    let listing = match query.own.folded()? {
        Some(q) => asked.listing()?.and(begins("q", q)),
        None => asked.listing()?,
    };
    asked.answer::<_, GlobalBody>(global::page(cx, &listing).await?)
}

/// Lists the platform's permissions, for policies of the tenant to be linked to: by name unless `sort` says
/// otherwise; `q` matches the beginning of names in any case.
///
/// `sort` and `filter` take `name`, `created_at` and `updated_at`; `filter` also `id` and `description`.
#[utoipa::path(get, path = "/api/v1/global-permissions", tag = "permissions",
    operation_id = "list_global_permissions_in_tenant", params(ListParams, Search),
    responses((status = 200, description = "A page of permissions", body = inline(Listing<GlobalBody>)), Problems))]
async fn list_global_here(
    State(service): State<Service>,
    cx: Cx,
    query: ListQuery<Search>,
) -> Result<Response, Failure> {
    page_global(&service, &cx, &query).await
}

/// Reads one of the platform's permissions.
#[utoipa::path(get, path = "/api/v1/global-permissions/{global_permission_id}", tag = "permissions",
    operation_id = "read_global_permission_in_tenant", params(GlobalPath),
    responses((status = 200, description = "The permission", body = GlobalBody), Problems))]
async fn read_global_here(cx: Cx, Path(path): Path<GlobalPath>) -> Result<Json<GlobalBody>, Failure> {
    Ok(Json(global::load(&cx, &path.global_permission_id).await?.into()))
}

/// Lists the platform's permissions, by name unless `sort` says otherwise; `q` matches the beginning of names in
/// any case.
///
/// `sort` and `filter` take `name`, `created_at` and `updated_at`; `filter` also `id` and `description`.
#[utoipa::path(get, path = "/api/v1/global-permissions", tag = "global permissions",
    operation_id = "list_global_permissions", params(ListParams, Search),
    responses((status = 200, description = "A page of permissions", body = inline(Listing<GlobalBody>)), Problems))]
async fn list_global(
    State(service): State<Service>,
    cx: Cx,
    query: ListQuery<Search>,
) -> Result<Response, Failure> {
    page_global(&service, &cx, &query).await
}

/// Makes a permission for every tenant.
#[utoipa::path(post, path = "/api/v1/global-permissions", tag = "global permissions",
    operation_id = "create_global_permission", request_body = NewGlobalBody,
    responses((status = 201, description = "Made", body = GlobalBody), WriteProblems))]
async fn create_global(cx: Cx, Json(body): Json<NewGlobalBody>) -> Result<Response, Failure> {
    let permission = global::create(&cx, body.name, body.description).await?;
    Ok(created(&cx, &format!("global-permissions/{}", permission.id), tagged_global(permission)))
}

/// Reads one of the platform's permissions.
#[utoipa::path(get, path = "/api/v1/global-permissions/{global_permission_id}", tag = "global permissions",
    operation_id = "read_global_permission", params(GlobalPath),
    responses((status = 200, description = "The permission", body = GlobalBody), Problems))]
async fn read_global(cx: Cx, Path(path): Path<GlobalPath>) -> Result<Tagged<GlobalBody>, Failure> {
    Ok(tagged_global(global::load(&cx, &path.global_permission_id).await?))
}

/// Changes the description of one of the platform's permissions.
#[utoipa::path(patch, path = "/api/v1/global-permissions/{global_permission_id}", tag = "global permissions",
    operation_id = "update_global_permission",
    params(GlobalPath, ("If-Match" = String, Header, description = "The `ETag` of what was read")),
    request_body(content = GlobalPatch, content_type = "application/merge-patch+json"),
    responses((status = 200, description = "Changed", body = GlobalBody), EditProblems))]
async fn update_global(
    cx: Cx,
    Path(path): Path<GlobalPath>,
    if_match: IfMatch,
    MergePatch(patch): MergePatch<GlobalPatch>,
) -> Result<Tagged<GlobalBody>, Failure> {
    let description = optional(patch.description);
    Ok(tagged_global(global::update(&cx, &path.global_permission_id, &if_match, description).await?))
}

/// Removes one of the platform's permissions that no tenant uses.
#[utoipa::path(delete, path = "/api/v1/global-permissions/{global_permission_id}", tag = "global permissions",
    operation_id = "delete_global_permission",
    params(GlobalPath, ("If-Match" = String, Header, description = "The `ETag` of what was read")),
    responses((status = 204, description = "Removed"), EditProblems))]
async fn delete_global(
    cx: Cx,
    Path(path): Path<GlobalPath>,
    if_match: IfMatch,
) -> Result<StatusCode, Failure> {
    global::delete(&cx, &path.global_permission_id, &if_match).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::check_columns;

    #[test]
    fn every_attribute_that_the_lists_offer_has_a_column_of_its_kind() {
        check_columns(&LIST, super::super::store::COLUMNS, &super::super::ORDER);
        check_columns(&GLOBAL, super::super::store::GLOBAL, &global::ORDER);
    }
}
