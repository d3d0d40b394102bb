//! Routes of billing information.

use authz::Cx;
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use web::openapi::{EditProblems, Problems};
use web::{Failure, IfMatch, MergePatch, Path};

use super::{Billing, Versioned};
use crate::Service;
use crate::tenants::http::{Tagged, TenantPath};

/// The routes inside a tenant, relative to it.
pub(crate) fn tenant_routes() -> OpenApiRouter<Service> {
    OpenApiRouter::new().routes(routes!(read_own))
}

/// The routes of the platform.
pub(crate) fn platform_routes() -> OpenApiRouter<Service> {
    OpenApiRouter::new().routes(routes!(read, update))
}

fn tagged((version, billing): Versioned) -> Tagged<Billing> {
    Tagged(version, billing)
}

/// Reads what a tenant pays for.
#[utoipa::path(get, path = "/api/v1/tenants/{tenant_id}/billing", tag = "tenants",
    operation_id = "read_tenant_billing", params(TenantPath),
    responses((status = 200, description = "The billing information", body = Billing), Problems))]
async fn read(cx: Cx, Path(path): Path<TenantPath>) -> Result<Tagged<Billing>, Failure> {
    Ok(tagged(super::load_billing(&cx, &path.tenant_id).await?))
}

/// Changes what a tenant pays for; null takes a value away, or gives its default back.
#[utoipa::path(patch, path = "/api/v1/tenants/{tenant_id}/billing", tag = "tenants",
    operation_id = "update_tenant_billing",
    params(TenantPath, ("If-Match" = String, Header, description = "The `ETag` of what was read")),
    request_body(content = Billing, content_type = "application/merge-patch+json"),
    responses((status = 200, description = "Changed", body = Billing), EditProblems))]
async fn update(
    cx: Cx,
    Path(path): Path<TenantPath>,
    if_match: IfMatch,
    MergePatch(patch): MergePatch<Value>,
) -> Result<Tagged<Billing>, Failure> {
    Ok(tagged(super::update_billing(&cx, &path.tenant_id, &if_match, patch).await?))
}

/// Reads what the tenant itself pays for. The platform writes it.
#[utoipa::path(get, path = "/api/v1/tenant/billing", tag = "tenant", operation_id = "read_own_tenant_billing",
    responses((status = 200, description = "The billing information", body = Billing), Problems))]
async fn read_own(cx: Cx) -> Result<Tagged<Billing>, Failure> {
    Ok(tagged(super::load_own_billing(&cx).await?))
}
