//! Routes, request and response types of what is suspicious in policies.

use base::id::PolicyId;
use policy::lint::Finding;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use web::openapi::{Problems, WriteProblems};
use web::{Failure, Json, Path};

use super::Draft;
use crate::policies::http::PolicyPath;
use crate::{Cx, Service};

/// The routes, relative to a tenant.
pub(in crate::policies) fn routes() -> OpenApiRouter<Service> {
    OpenApiRouter::new().routes(routes!(lint_draft)).routes(routes!(lint))
}

/// A policy to be looked at before it is written.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PolicyDraft)]
struct DraftBody {
    /// The policy whose place it would take, if there is one.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    policy_id: Option<PolicyId>,
    /// What it would say.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    document: Option<Value>,
    /// Its condition in CEL.
    expression: Option<String>,
    /// Its priority, 0 to 1000; 0 where absent.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 1000)]
    priority: i64,
}

/// What is suspicious in a policy.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PolicyFindings)]
struct FindingsBody {
    /// At most 100 about the policy alone and 100 about its place among others.
    findings: Vec<FindingBody>,
}

/// Something that is probably not meant.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PolicyFinding)]
struct FindingBody {
    /// Stable; the guide lists them.
    code: &'static str,
    /// The place in the document, as a JSON pointer; empty for a link.
    path: String,
    /// What was found there.
    message: String,
    /// What would be better.
    suggestion: String,
}

impl From<Vec<Finding>> for FindingsBody {
    fn from(findings: Vec<Finding>) -> Self {
        let body = |of: Finding| FindingBody {
            code: of.code,
            path: of.path,
            message: of.message,
            suggestion: of.suggestion,
        };
        Self { findings: findings.into_iter().map(body).collect() }
    }
}

/// Looks at a policy that is not written yet, by itself and among the tenant's others. Nothing is written.
#[utoipa::path(post, path = "/api/v1/policies/lint", tag = "policies", operation_id = "lint_policy_draft",
    request_body = DraftBody,
    responses((status = 200, description = "What is suspicious", body = FindingsBody), WriteProblems))]
async fn lint_draft(cx: Cx, Json(body): Json<DraftBody>) -> Result<Json<FindingsBody>, Failure> {
    let draft = Draft {
        policy_id: body.policy_id,
        document: body.document,
        expression: body.expression,
        priority: body.priority,
    };
    Ok(Json(super::lint_draft(&cx, draft).await?.into()))
}

/// Looks at a policy as it is, by itself and among the tenant's others.
#[utoipa::path(get, path = "/api/v1/policies/{policy_id}/lint", tag = "policies", operation_id = "lint_policy",
    params(PolicyPath),
    responses((status = 200, description = "What is suspicious", body = FindingsBody), Problems))]
async fn lint(cx: Cx, Path(path): Path<PolicyPath>) -> Result<Json<FindingsBody>, Failure> {
    Ok(Json(super::lint_policy(&cx, &path.policy_id).await?.into()))
}
