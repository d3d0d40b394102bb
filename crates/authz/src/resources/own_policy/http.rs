//! Routes, request and response types of the policies of resources.

use axum::http::StatusCode;
use base::Timestamp;
use base::id::ResourceId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use web::openapi::{EditProblems, Problems};
use web::{Failure, IfMatch, Json, Path};

use super::ResourcePolicy;
use crate::http::Tagged;
use crate::{Cx, Service};

/// The routes, relative to a tenant.
pub(in crate::resources) fn routes() -> OpenApiRouter<Service> {
    OpenApiRouter::new().routes(routes!(read, set, remove))
}

/// The policy of a resource.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ResourcePolicy)]
struct PolicyBody {
    resource_id: String,
    /// As it is kept: every list written as a list.
    #[schema(value_type = Object)]
    document: Value,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

fn tagged(policy: ResourcePolicy) -> Tagged<PolicyBody> {
    let version = policy.version;
    let body = PolicyBody {
        resource_id: policy.resource_id.to_string(),
        document: policy.document,
        created_at: policy.created_at,
        updated_at: policy.updated_at,
    };
    Tagged { version, body }
}

/// A policy to be given to a resource.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewResourcePolicy)]
struct NewPolicyBody {
    /// Each statement says whom it is about: `Principal`, `*` or names by id such as
    /// `{"Signet": ["arn:signet:iam::{tenant id}:user/{id}"]}`.
    #[schema(value_type = Object)]
    document: Value,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct PolicyPath {
    /// The resource's id.
    #[param(value_type = String)]
    resource_id: ResourceId,
}

/// Reads the policy of a resource; 404 if it has none.
#[utoipa::path(get, path = "/api/v1/resources/{resource_id}/policy", tag = "resources",
    operation_id = "read_resource_policy", params(PolicyPath),
    responses((status = 200, description = "The policy", body = PolicyBody), Problems))]
async fn read(cx: Cx, Path(path): Path<PolicyPath>) -> Result<Tagged<PolicyBody>, Failure> {
    Ok(tagged(super::load_resource_policy(&cx, &path.resource_id).await?))
}

/// Gives a resource a policy, or another one: what it denies is denied whatever roles say, and what it allows is
/// allowed where they say nothing. It covers the resource itself, not what lies in it.
#[utoipa::path(put, path = "/api/v1/resources/{resource_id}/policy", tag = "resources",
    operation_id = "set_resource_policy",
    params(PolicyPath,
        ("If-Match" = Option<String>, Header, description = "The `ETag` of what was read, where it has a policy")),
    request_body = NewPolicyBody,
    responses((status = 200, description = "Set", body = PolicyBody), EditProblems))]
async fn set(
    cx: Cx,
    Path(path): Path<PolicyPath>,
    if_match: Option<IfMatch>,
    Json(body): Json<NewPolicyBody>,
) -> Result<Tagged<PolicyBody>, Failure> {
    let id = &path.resource_id;
    Ok(tagged(super::set_resource_policy(&cx, id, if_match.as_ref(), &body.document).await?))
}

/// Takes its policy from a resource.
#[utoipa::path(delete, path = "/api/v1/resources/{resource_id}/policy", tag = "resources",
    operation_id = "remove_resource_policy",
    params(PolicyPath, ("If-Match" = String, Header, description = "The `ETag` of what was read")),
    responses((status = 204, description = "Removed"), EditProblems))]
async fn remove(cx: Cx, Path(path): Path<PolicyPath>, if_match: IfMatch) -> Result<StatusCode, Failure> {
    super::remove_resource_policy(&cx, &path.resource_id, &if_match).await?;
    Ok(StatusCode::NO_CONTENT)
}
