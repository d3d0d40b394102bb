//! Routes of `apply` and `export`, in a tenant and on the platform.

use std::collections::BTreeMap;

use authz::Cx;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use base::Secret;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use web::body::BodyLimit;
use web::openapi::{Problems, WriteProblems};
use web::{Failure, Json, Path};

use crate::apply::{ApplyAnswer, ApplyRequest, Service};
use crate::file::FILE_BYTES_MAX;

/// The largest body: a file, whose text may grow in JSON, and its secrets.
const BODY_BYTES_MAX: usize = 3 * FILE_BYTES_MAX;

/// The operations inside one tenant, to be nested under `/t/{tenant}`.
pub fn tenant_routes(service: Service) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(apply_in_tenant))
        .routes(routes!(export_tenant))
        .layer(axum::Extension(BodyLimit(BODY_BYTES_MAX)))
        .with_state(service)
}

/// The operations of the platform.
pub fn platform_routes(service: Service) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(apply_on_platform))
        .routes(routes!(export_from_platform))
        .layer(axum::Extension(BodyLimit(BODY_BYTES_MAX)))
        .with_state(service)
}

/// A file to apply.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ApplyRequest)]
struct ApplyBody {
    /// The file's name, for messages.
    file_name: String,
    /// The file: YAML of at most 1 MiB, by the schema `apply.schema.json`.
    text: String,
    /// The secrets that the file refers to, by `env:NAME` or `file:PATH`, found on the caller's machine.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, String>, write_only)]
    secrets: BTreeMap<String, Secret<String>>,
    /// Whether to say what would change and change nothing.
    #[serde(default)]
    dry_run: bool,
    /// The policy version of the plan that was agreed to: 409 if it has moved.
    #[serde(default)]
    expected_policy_version: Option<i64>,
}

impl From<ApplyBody> for ApplyRequest {
    fn from(body: ApplyBody) -> Self {
        Self {
            file_name: body.file_name,
            text: body.text,
            secrets: body.secrets,
            dry_run: body.dry_run,
            expected_policy_version: body.expected_policy_version,
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct TenantPath {
    /// The tenant's code.
    tenant: String,
}

/// Applies a file to this tenant.
#[utoipa::path(
    post, path = "/api/v1/apply", tag = "apply", operation_id = "apply_in_tenant",
    request_body = ApplyBody,
    responses((status = 200, description = "What was changed, or would be", body = ApplyAnswer), WriteProblems)
)]
async fn apply_in_tenant(
    State(service): State<Service>,
    cx: Cx,
    Json(body): Json<ApplyBody>,
) -> Result<Json<ApplyAnswer>, Failure> {
    Ok(Json(service.apply(&cx, body.into()).await?))
}

/// Applies a file to the tenant that it names, and makes the tenant if it is not there.
#[utoipa::path(
    post, path = "/api/v1/apply", tag = "apply", operation_id = "apply_on_platform",
    request_body = ApplyBody,
    responses((status = 200, description = "What was changed, or would be", body = ApplyAnswer), WriteProblems)
)]
async fn apply_on_platform(
    State(service): State<Service>,
    cx: Cx,
    Json(body): Json<ApplyBody>,
) -> Result<Json<ApplyAnswer>, Failure> {
    Ok(Json(service.apply(&cx, body.into()).await?))
}

/// Exports this tenant as a file that `apply` reads.
#[utoipa::path(
    get, path = "/api/v1/export", tag = "apply", operation_id = "export_tenant",
    responses((status = 200, description = "The tenant as YAML", body = String, content_type = "application/yaml"), Problems)
)]
async fn export_tenant(State(service): State<Service>, cx: Cx) -> Result<Response, Failure> {
    let code = cx.tenant()?.code.clone();
    Ok(yaml(service.export(&cx, &code).await?))
}

/// Exports a tenant as a file that `apply` reads.
#[utoipa::path(
    get, path = "/api/v1/export/{tenant}", tag = "apply", operation_id = "export_from_platform",
    params(TenantPath),
    responses((status = 200, description = "The tenant as YAML", body = String, content_type = "application/yaml"), Problems)
)]
async fn export_from_platform(
    State(service): State<Service>,
    cx: Cx,
    Path(path): Path<TenantPath>,
) -> Result<Response, Failure> {
    Ok(yaml(service.export(&cx, &path.tenant).await?))
}

/// RFC 9512.
fn yaml(text: String) -> Response {
    ([(CONTENT_TYPE, "application/yaml")], text).into_response()
}
