//! Routes, request and response types of guardrails.

use axum::http::StatusCode;
use base::Timestamp;
use base::id::PolicyId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use web::openapi::{Problems, WriteProblems};
use web::{Failure, Json, OptionalJson, Page, Path};

use super::Guardrail;
use crate::http::RelationBody;
use crate::{Cx, Service};

/// The routes, relative to a tenant.
pub(crate) fn routes() -> OpenApiRouter<Service> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(attach, detach))
}

/// A policy that binds everybody in the tenant.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Guardrail)]
struct GuardrailBody {
    policy_id: String,
    name: String,
    #[schema(value_type = String, format = DateTime)]
    attached_at: Timestamp,
    /// Who attached it, where that is known.
    attached_by: Option<String>,
}

impl From<Guardrail> for GuardrailBody {
    fn from(guardrail: Guardrail) -> Self {
        Self {
            policy_id: guardrail.policy_id.to_string(),
            name: guardrail.name,
            attached_at: guardrail.attached_at,
            attached_by: guardrail.attached_by,
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct GuardrailPath {
    /// The policy's id.
    #[param(value_type = String)]
    policy_id: PolicyId,
}

/// Lists the policies that bind everybody in the tenant, by name: at most 20, all on one page.
#[utoipa::path(get, path = "/api/v1/guardrails", tag = "guardrails", operation_id = "list_guardrails",
    responses((status = 200, description = "The guardrails", body = inline(Page<GuardrailBody>)), Problems))]
async fn list(cx: Cx) -> Result<Json<Page<GuardrailBody>>, Failure> {
    let items = super::list_guardrails(&cx).await?;
    Ok(Json(Page { items: items.into_iter().map(GuardrailBody::from).collect(), next: None }))
}

/// Lets a policy bind everybody in the tenant; nothing changes if it does. What it denies is denied whatever else
/// allows it, and what no guardrail allows is denied too.
#[utoipa::path(put, path = "/api/v1/guardrails/{policy_id}", tag = "guardrails",
    operation_id = "attach_guardrail", params(GuardrailPath), request_body = Option<RelationBody>,
    responses((status = 204, description = "Attached"), WriteProblems))]
async fn attach(
    cx: Cx,
    Path(path): Path<GuardrailPath>,
    OptionalJson(RelationBody {}): OptionalJson<RelationBody>,
) -> Result<StatusCode, Failure> {
    super::attach_guardrail(&cx, &path.policy_id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lets a policy bind nobody any longer; the policy itself stays.
#[utoipa::path(delete, path = "/api/v1/guardrails/{policy_id}", tag = "guardrails",
    operation_id = "detach_guardrail", params(GuardrailPath),
    responses((status = 204, description = "Detached"), WriteProblems))]
async fn detach(cx: Cx, Path(path): Path<GuardrailPath>) -> Result<StatusCode, Failure> {
    super::detach_guardrail(&cx, &path.policy_id).await?;
    Ok(StatusCode::NO_CONTENT)
}
