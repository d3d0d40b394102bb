//! Routes of the end of a tenant.

use authz::Cx;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use web::openapi::{EditProblems, WriteProblems};
use web::{Failure, IfMatch, Json, Path};

use crate::Service;
use crate::tenants::http::{TaggedTenant, TenantBody, TenantPath, tagged};

/// The routes of the platform.
pub(crate) fn platform_routes() -> OpenApiRouter<Service> {
    OpenApiRouter::new()
        .routes(routes!(delete))
        .routes(routes!(cancel))
        .routes(routes!(hold, lift))
        .routes(routes!(purge))
}

/// A legal hold to be placed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewTenantHold)]
struct NewHold {
    /// Why, on one line of 1 to 512 characters.
    reason: String,
}

/// A purge to be begun.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TenantPurge)]
struct NewPurge {
    /// The tenant's code once more, so that nobody removes another by mistake.
    code: String,
}

/// What a purge did.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TenantPurgeAnswer)]
struct PurgeAnswer {
    /// Whether the tenant is gone. If not, the rest goes in the background.
    finished: bool,
    /// Rows that this request removed.
    rows: u64,
}

/// Deletes a suspended or inactive tenant: it answers nobody from now on, and is purged after the hold period.
#[utoipa::path(delete, path = "/api/v1/tenants/{tenant_id}", tag = "tenants", operation_id = "delete_tenant",
    params(TenantPath, ("If-Match" = String, Header, description = "The `ETag` of what was read")),
    responses((status = 200, description = "Deleted; `deletion` says until when that can be cancelled",
        body = TenantBody), EditProblems))]
async fn delete(
    State(service): State<Service>,
    cx: Cx,
    Path(path): Path<TenantPath>,
    if_match: IfMatch,
) -> TaggedTenant {
    tagged(service.delete_tenant(&cx, &path.tenant_id, &if_match).await?)
}

/// Takes a deletion back: the tenant is suspended or inactive, as it was before.
#[utoipa::path(post, path = "/api/v1/tenants/{tenant_id}/cancel-deletion", tag = "tenants",
    operation_id = "cancel_tenant_deletion", params(TenantPath),
    responses((status = 200, description = "Restored", body = TenantBody), WriteProblems))]
async fn cancel(cx: Cx, Path(path): Path<TenantPath>) -> TaggedTenant {
    tagged(super::cancel_deletion(&cx, &path.tenant_id).await?)
}

/// Places a legal hold on a tenant, or changes its reason: it is not purged until the hold is lifted.
#[utoipa::path(put, path = "/api/v1/tenants/{tenant_id}/hold", tag = "tenants", operation_id = "hold_tenant",
    params(TenantPath), request_body = NewHold,
    responses((status = 200, description = "Held", body = TenantBody), WriteProblems))]
async fn hold(cx: Cx, Path(path): Path<TenantPath>, Json(body): Json<NewHold>) -> TaggedTenant {
    tagged(super::hold_tenant(&cx, &path.tenant_id, &body.reason).await?)
}

/// Lifts the legal hold of a tenant.
#[utoipa::path(delete, path = "/api/v1/tenants/{tenant_id}/hold", tag = "tenants",
    operation_id = "lift_tenant_hold",
    params(TenantPath, ("If-Match" = String, Header, description = "The `ETag` of what was read")),
    responses((status = 200, description = "Lifted", body = TenantBody), EditProblems))]
async fn lift(cx: Cx, Path(path): Path<TenantPath>, if_match: IfMatch) -> TaggedTenant {
    tagged(super::lift_hold(&cx, &path.tenant_id, &if_match).await?)
}

/// Removes a deleted tenant for good, once its hold period is over, without waiting for the worker.
#[utoipa::path(post, path = "/api/v1/tenants/{tenant_id}/purge", tag = "tenants", operation_id = "purge_tenant",
    params(TenantPath), request_body = NewPurge,
    responses((status = 200, description = "Gone, or going", body = PurgeAnswer), WriteProblems))]
async fn purge(
    State(service): State<Service>,
    cx: Cx,
    Path(path): Path<TenantPath>,
    Json(body): Json<NewPurge>,
) -> Result<Json<PurgeAnswer>, Failure> {
    let report = super::purge_tenant(&cx, service.kms(), &path.tenant_id, &body.code).await?;
    Ok(Json(PurgeAnswer { finished: !report.unfinished, rows: report.rows }))
}
