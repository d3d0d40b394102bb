//! Routes, request and response types of the platform's guardrails.

use axum::http::StatusCode;
use axum::response::Response;
use base::Timestamp;
use base::id::TenantId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use web::openapi::{EditProblems, Problems, WriteProblems};
use web::{Failure, Field, IfMatch, Json, MergePatch, Page, Path};

use super::{GuardrailId, NewPlatformGuardrail, PlatformGuardrail, PlatformGuardrailChange};
use crate::http::{Tagged, created, optional};
use crate::{Cx, Service};

/// The routes inside a tenant: what binds it is there to be read.
pub(crate) fn tenant_routes() -> OpenApiRouter<Service> {
    OpenApiRouter::new().routes(routes!(list_here))
}

/// The routes of the platform.
pub(crate) fn platform_routes() -> OpenApiRouter<Service> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(read, update, delete))
}

/// A document that binds everybody in every tenant, or in one.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PlatformGuardrail)]
struct GuardrailBody {
    id: String,
    name: String,
    description: Option<String>,
    #[schema(value_type = Object)]
    document: Value,
    /// The tenant that it binds; null is every tenant. Never changes.
    tenant_id: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<PlatformGuardrail> for GuardrailBody {
    fn from(guardrail: PlatformGuardrail) -> Self {
        Self {
            id: guardrail.id.to_string(),
            name: guardrail.name,
            description: guardrail.description,
            document: guardrail.document,
            tenant_id: guardrail.only_tenant.map(|id| id.to_string()),
            created_at: guardrail.created_at,
            updated_at: guardrail.updated_at,
        }
    }
}

fn tagged(guardrail: PlatformGuardrail) -> Tagged<GuardrailBody> {
    Tagged { version: guardrail.version, body: guardrail.into() }
}

/// A guardrail to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewPlatformGuardrail)]
struct NewGuardrailBody {
    /// 1 to 128 characters.
    name: String,
    description: Option<String>,
    /// A policy document with at least one statement that allows.
    #[schema(value_type = Object)]
    document: Value,
    /// The tenant that it binds; every tenant where absent.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    tenant_id: Option<TenantId>,
}

/// A merge patch (RFC 7396) over a guardrail, except that `document` is replaced as a whole.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PlatformGuardrailPatch)]
struct GuardrailPatch {
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    name: Field<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    description: Field<String>,
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    document: Field<Value>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct GuardrailPath {
    /// The guardrail's id.
    #[param(value_type = String)]
    guardrail_id: GuardrailId,
}

fn page(items: Vec<PlatformGuardrail>) -> Json<Page<GuardrailBody>> {
    Json(Page { items: items.into_iter().map(GuardrailBody::from).collect(), next: None })
}

/// Lists the platform's guardrails that bind the tenant, by name: at most 100, all on one page.
#[utoipa::path(get, path = "/api/v1/platform-guardrails", tag = "guardrails",
    operation_id = "list_platform_guardrails_in_tenant",
    responses((status = 200, description = "The guardrails", body = inline(Page<GuardrailBody>)), Problems))]
async fn list_here(cx: Cx) -> Result<Json<Page<GuardrailBody>>, Failure> {
    Ok(page(super::list_here(&cx).await?))
}

/// Lists the platform's guardrails, by name: at most 100, all on one page.
#[utoipa::path(get, path = "/api/v1/guardrails", tag = "platform guardrails",
    operation_id = "list_platform_guardrails",
    responses((status = 200, description = "The guardrails", body = inline(Page<GuardrailBody>)), Problems))]
async fn list(cx: Cx) -> Result<Json<Page<GuardrailBody>>, Failure> {
    Ok(page(super::list(&cx).await?))
}

/// Makes a guardrail for every tenant, or for one. What it denies is denied there whatever else allows it.
#[utoipa::path(post, path = "/api/v1/guardrails", tag = "platform guardrails",
    operation_id = "create_platform_guardrail", request_body = NewGuardrailBody,
    responses((status = 201, description = "Made", body = GuardrailBody), WriteProblems))]
async fn create(cx: Cx, Json(body): Json<NewGuardrailBody>) -> Result<Response, Failure> {
    let new = NewPlatformGuardrail {
        name: body.name,
        description: body.description,
        document: body.document,
        only_tenant: body.tenant_id,
    };
    let made = super::create(&cx, new).await?;
    Ok(created(&cx, &format!("guardrails/{}", made.id), tagged(made)))
}

/// Reads a guardrail of the platform.
#[utoipa::path(get, path = "/api/v1/guardrails/{guardrail_id}", tag = "platform guardrails",
    operation_id = "read_platform_guardrail", params(GuardrailPath),
    responses((status = 200, description = "The guardrail", body = GuardrailBody), Problems))]
async fn read(cx: Cx, Path(path): Path<GuardrailPath>) -> Result<Tagged<GuardrailBody>, Failure> {
    Ok(tagged(super::load(&cx, &path.guardrail_id).await?))
}

/// Changes a guardrail of the platform, in all tenants that it binds at once.
#[utoipa::path(patch, path = "/api/v1/guardrails/{guardrail_id}", tag = "platform guardrails",
    operation_id = "update_platform_guardrail",
    params(GuardrailPath, ("If-Match" = String, Header, description = "The `ETag` of what was read")),
    request_body(content = GuardrailPatch, content_type = "application/merge-patch+json"),
    responses((status = 200, description = "Changed", body = GuardrailBody), EditProblems))]
async fn update(
    cx: Cx,
    Path(path): Path<GuardrailPath>,
    if_match: IfMatch,
    MergePatch(patch): MergePatch<GuardrailPatch>,
) -> Result<Tagged<GuardrailBody>, Failure> {
    let change = PlatformGuardrailChange {
        name: patch.name.required("/name")?,
        description: optional(patch.description),
        document: patch.document.required("/document")?,
    };
    Ok(tagged(super::update(&cx, &path.guardrail_id, &if_match, change).await?))
}

/// Removes a guardrail of the platform.
#[utoipa::path(delete, path = "/api/v1/guardrails/{guardrail_id}", tag = "platform guardrails",
    operation_id = "delete_platform_guardrail",
    params(GuardrailPath, ("If-Match" = String, Header, description = "The `ETag` of what was read")),
    responses((status = 204, description = "Removed"), EditProblems))]
async fn delete(cx: Cx, Path(path): Path<GuardrailPath>, if_match: IfMatch) -> Result<StatusCode, Failure> {
    super::delete(&cx, &path.guardrail_id, &if_match).await?;
    Ok(StatusCode::NO_CONTENT)
}
