//! Routes, request and response types of tenants.

use authz::Cx;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base::Timestamp;
use base::id::{PlatformId, TenantId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use web::openapi::{EditProblems, Problems, WriteProblems};
use web::{Failure, IfMatch, Json, MergePatch, Page, PageQuery, Paged, Path, etag};

use super::{NewTenant, Tenant, TenantQuery, TenantStatus, TenantStatusChange};
use crate::config::TenantConfig;
use crate::users::http::{NewUserBody, search_key};
use crate::{Error, Service};

/// The routes inside a tenant, relative to it.
pub(crate) fn tenant_routes() -> OpenApiRouter<Service> {
    OpenApiRouter::new()
        .routes(routes!(read_own, update_own))
        .routes(routes!(read_own_config, update_own_config))
}

/// The routes of the platform.
pub(crate) fn platform_routes() -> OpenApiRouter<Service> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(read, update))
        .routes(routes!(update_config))
        .routes(routes!(suspend))
        .routes(routes!(deactivate))
        .routes(routes!(activate))
}

/// A tenant.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Tenant)]
pub(crate) struct TenantBody {
    id: String,
    platform_id: String,
    /// As it stands in addresses; never changes.
    code: String,
    name: String,
    /// The OpenID issuer; never changes.
    issuer: String,
    /// Twelve digits; never changes.
    account_number: String,
    status: StatusWord,
    /// Every field, defaults included.
    config: TenantConfig,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// Whether a tenant is in use.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = TenantStatus)]
pub(crate) enum StatusWord {
    Active,
    Inactive,
    Suspended,
}

impl From<TenantStatus> for StatusWord {
    fn from(status: TenantStatus) -> Self {
        match status {
            TenantStatus::Active => Self::Active,
            TenantStatus::Inactive => Self::Inactive,
            TenantStatus::Suspended => Self::Suspended,
        }
    }
}

impl TryFrom<Tenant> for TenantBody {
    type Error = Error;

    fn try_from(tenant: Tenant) -> Result<Self, Error> {
        Ok(Self {
            config: TenantConfig::read(&tenant.config)?,
            id: tenant.id.to_string(),
            platform_id: tenant.platform_id.to_string(),
            code: tenant.code,
            name: tenant.name,
            issuer: tenant.issuer,
            account_number: tenant.account_number,
            status: tenant.status.into(),
            created_at: tenant.created_at,
            updated_at: tenant.updated_at,
        })
    }
}

/// A body with the entity tag of the tenant's version.
struct Tagged<T>(i64, T);

impl<T: Serialize> IntoResponse for Tagged<T> {
    fn into_response(self) -> Response {
        ([(header::ETAG, etag(self.0))], Json(self.1)).into_response()
    }
}

type TaggedTenant = Result<Tagged<TenantBody>, Failure>;

fn tagged(tenant: Tenant) -> TaggedTenant {
    Ok(Tagged(tenant.version, TenantBody::try_from(tenant)?))
}

/// A tenant to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewTenant)]
pub(crate) struct NewTenantBody {
    /// 2 to 40 characters of `a-z`, `0-9` and `-`; never changes.
    code: String,
    /// 1 to 128 characters, unique.
    name: String,
    /// What differs from the default configuration.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    config: Option<Value>,
    /// The platform that it belongs to; the default one where absent.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    platform_id: Option<PlatformId>,
    /// The first administrator, with the role Super Admin and no password yet.
    #[serde(default)]
    admin: Option<NewUserBody>,
}

/// A merge patch (RFC 7396) over a tenant.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TenantPatch)]
pub(crate) struct TenantPatch {
    /// Another name.
    name: String,
}

/// The variables of a tenant's address on the platform.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct TenantPath {
    /// The tenant's id.
    #[param(value_type = String)]
    tenant_id: TenantId,
}

/// Which tenants.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct TenantFilter {
    /// Only those of this platform.
    #[param(value_type = Option<String>)]
    platform_id: Option<PlatformId>,
}

/// Lists tenants by code; `q` matches the beginning of codes.
#[utoipa::path(get, path = "/api/v1/tenants", tag = "tenants", operation_id = "list_tenants",
    params(PageQuery, TenantFilter),
    responses((status = 200, description = "A page of tenants", body = inline(Page<TenantBody>)), Problems))]
async fn list(
    State(service): State<Service>,
    cx: Cx,
    paged: Paged<TenantFilter>,
) -> Result<Json<Page<TenantBody>>, Failure> {
    let Paged { page, filter } = paged;
    let q = page.q.as_deref().map(search_key).transpose()?.filter(|q| !q.is_empty());
    let caller = cx.actor().id().unwrap_or_default();
    let platform = filter.platform_id.as_ref().map_or("", PlatformId::as_str);
    let parts = ["tenants", caller.as_str(), q.as_deref().unwrap_or(""), platform];
    let after = match &page.cursor {
        Some(cursor) => service.cursors().decode(&parts, cursor)?.into_iter().next(),
        None => None,
    };
    let query = TenantQuery {
        code_prefix: q.clone(),
        platform: filter.platform_id.clone(),
        after,
        limit: page.limit,
    };
    let tenants = super::list_tenants(&cx, &query).await?;
    let full = tenants.len() >= usize::try_from(page.limit).unwrap_or(usize::MAX);
    let next = tenants.last().filter(|_| full).map(|last| service.cursors().encode(&parts, &[&last.code]));
    let items = tenants.into_iter().map(TenantBody::try_from).collect::<Result<_, _>>()?;
    Ok(Json(Page { items, next }))
}

/// Makes a tenant with its three roles, its 26 permissions and, where one is named, its first administrator.
#[utoipa::path(post, path = "/api/v1/tenants", tag = "tenants", operation_id = "create_tenant",
    request_body = NewTenantBody,
    responses((status = 201, description = "Made", body = TenantBody), WriteProblems))]
async fn create(
    State(service): State<Service>,
    cx: Cx,
    Json(body): Json<NewTenantBody>,
) -> Result<(StatusCode, HeaderMap, Tagged<TenantBody>), Failure> {
    let admin = body.admin.map(|admin| admin.parse(&cx)).transpose().map_err(|e| e.below("/admin"))?;
    let new = NewTenant {
        config: body.config.unwrap_or_else(|| json!({})),
        platform: body.platform_id,
        ..NewTenant::new(body.code, body.name)
    };
    let tenant = service.create_tenant(&cx, new, admin).await?;
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(&format!("/api/v1/tenants/{}", tenant.id)) {
        headers.insert(HeaderName::from_static("location"), value);
    }
    Ok((StatusCode::CREATED, headers, tagged(tenant)?))
}

/// Reads a tenant.
#[utoipa::path(get, path = "/api/v1/tenants/{tenant_id}", tag = "tenants", operation_id = "read_tenant",
    params(TenantPath),
    responses((status = 200, description = "The tenant", body = TenantBody), Problems))]
async fn read(cx: Cx, Path(path): Path<TenantPath>) -> TaggedTenant {
    tagged(super::load_tenant(&cx, &path.tenant_id).await?)
}

/// Renames a tenant.
#[utoipa::path(patch, path = "/api/v1/tenants/{tenant_id}", tag = "tenants", operation_id = "update_tenant",
    params(TenantPath, ("If-Match" = String, Header, description = "The `ETag` of what was read")),
    request_body(content = TenantPatch, content_type = "application/merge-patch+json"),
    responses((status = 200, description = "Renamed", body = TenantBody), EditProblems))]
async fn update(
    cx: Cx,
    Path(path): Path<TenantPath>,
    if_match: IfMatch,
    MergePatch(patch): MergePatch<TenantPatch>,
) -> TaggedTenant {
    tagged(super::rename_tenant(&cx, &path.tenant_id, &if_match, &patch.name).await?)
}

/// Changes a tenant's configuration; null gives a field its default back.
#[utoipa::path(patch, path = "/api/v1/tenants/{tenant_id}/config", tag = "tenants",
    operation_id = "update_tenant_config",
    params(TenantPath, ("If-Match" = String, Header, description = "The `ETag` of what was read")),
    request_body(content = TenantConfig, content_type = "application/merge-patch+json"),
    responses((status = 200, description = "Changed", body = TenantBody), EditProblems))]
async fn update_config(
    cx: Cx,
    Path(path): Path<TenantPath>,
    if_match: IfMatch,
    MergePatch(patch): MergePatch<Value>,
) -> TaggedTenant {
    tagged(super::update_config(&cx, &path.tenant_id, &if_match, patch).await?)
}

/// Suspends an active tenant: nobody of it signs in, refreshes a token or is allowed anything.
#[utoipa::path(post, path = "/api/v1/tenants/{tenant_id}/suspend", tag = "tenants",
    operation_id = "suspend_tenant", params(TenantPath),
    responses((status = 200, description = "Suspended", body = TenantBody), WriteProblems))]
async fn suspend(cx: Cx, Path(path): Path<TenantPath>) -> TaggedTenant {
    tagged(super::change_tenant_status(&cx, &path.tenant_id, TenantStatusChange::Suspend).await?)
}

/// Deactivates an active tenant.
#[utoipa::path(post, path = "/api/v1/tenants/{tenant_id}/deactivate", tag = "tenants",
    operation_id = "deactivate_tenant", params(TenantPath),
    responses((status = 200, description = "Inactive", body = TenantBody), WriteProblems))]
async fn deactivate(cx: Cx, Path(path): Path<TenantPath>) -> TaggedTenant {
    tagged(super::change_tenant_status(&cx, &path.tenant_id, TenantStatusChange::Deactivate).await?)
}

/// Activates a suspended or inactive tenant.
#[utoipa::path(post, path = "/api/v1/tenants/{tenant_id}/activate", tag = "tenants",
    operation_id = "activate_tenant", params(TenantPath),
    responses((status = 200, description = "Active again", body = TenantBody), WriteProblems))]
async fn activate(cx: Cx, Path(path): Path<TenantPath>) -> TaggedTenant {
    tagged(super::change_tenant_status(&cx, &path.tenant_id, TenantStatusChange::Activate).await?)
}

/// Reads the tenant itself.
#[utoipa::path(get, path = "/api/v1/tenant", tag = "tenant", operation_id = "read_own_tenant",
    responses((status = 200, description = "The tenant", body = TenantBody), Problems))]
async fn read_own(cx: Cx) -> TaggedTenant {
    tagged(super::load_own_tenant(&cx).await?)
}

/// Renames the tenant itself.
#[utoipa::path(patch, path = "/api/v1/tenant", tag = "tenant", operation_id = "update_own_tenant",
    params(("If-Match" = String, Header, description = "The `ETag` of what was read")),
    request_body(content = TenantPatch, content_type = "application/merge-patch+json"),
    responses((status = 200, description = "Renamed", body = TenantBody), EditProblems))]
async fn update_own(cx: Cx, if_match: IfMatch, MergePatch(patch): MergePatch<TenantPatch>) -> TaggedTenant {
    let id = cx.tenant()?.id.clone();
    tagged(super::rename_tenant(&cx, &id, &if_match, &patch.name).await?)
}

/// Reads the tenant's configuration, defaults included.
#[utoipa::path(get, path = "/api/v1/tenant/config", tag = "tenant", operation_id = "read_own_tenant_config",
    responses((status = 200, description = "The configuration", body = TenantConfig), Problems))]
async fn read_own_config(cx: Cx) -> Result<Tagged<TenantConfig>, Failure> {
    let tenant = super::load_own_tenant(&cx).await?;
    Ok(Tagged(tenant.version, TenantConfig::read(&tenant.config)?))
}

/// Changes the tenant's configuration; null gives a field its default back.
#[utoipa::path(patch, path = "/api/v1/tenant/config", tag = "tenant", operation_id = "update_own_tenant_config",
    params(("If-Match" = String, Header, description = "The `ETag` of what was read")),
    request_body(content = TenantConfig, content_type = "application/merge-patch+json"),
    responses((status = 200, description = "Changed", body = TenantConfig), EditProblems))]
async fn update_own_config(
    cx: Cx,
    if_match: IfMatch,
    MergePatch(patch): MergePatch<Value>,
) -> Result<Tagged<TenantConfig>, Failure> {
    let id = cx.tenant()?.id.clone();
    let tenant = super::update_config(&cx, &id, &if_match, patch).await?;
    Ok(Tagged(tenant.version, TenantConfig::read(&tenant.config)?))
}
