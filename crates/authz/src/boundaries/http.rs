//! Routes, request and response types of the boundaries of users and clients.

use axum::http::StatusCode;
use base::Timestamp;
use base::id::PolicyId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use web::openapi::{Problems, WriteProblems};
use web::{Failure, Json, Path};

use super::Boundary;
use crate::http::{ClientPath, UserPath};
use crate::principals::PrincipalKind;
use crate::{Cx, Service};

/// The routes, relative to a tenant.
pub(crate) fn routes() -> OpenApiRouter<Service> {
    OpenApiRouter::new().routes(routes!(read_of_user, set_of_user, remove_of_user)).routes(routes!(
        read_of_client,
        set_of_client,
        remove_of_client
    ))
}

/// What limits somebody.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Boundary)]
struct BoundaryBody {
    policy_id: String,
    name: String,
    #[schema(value_type = String, format = DateTime)]
    set_at: Timestamp,
    /// Who set it, where that is known.
    set_by: Option<String>,
}

impl From<Boundary> for BoundaryBody {
    fn from(boundary: Boundary) -> Self {
        Self {
            policy_id: boundary.policy_id.to_string(),
            name: boundary.name,
            set_at: boundary.set_at,
            set_by: boundary.set_by,
        }
    }
}

/// A boundary to be set.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewBoundary)]
struct NewBoundaryBody {
    /// A policy of the tenant with priority 0 that allows something.
    #[schema(value_type = String)]
    policy_id: PolicyId,
}

/// Reads which policy limits a person; 404 if none does.
#[utoipa::path(get, path = "/api/v1/users/{user_id}/boundary", tag = "boundaries",
    operation_id = "read_user_boundary", params(UserPath),
    responses((status = 200, description = "The boundary", body = BoundaryBody), Problems))]
async fn read_of_user(cx: Cx, Path(path): Path<UserPath>) -> Result<Json<BoundaryBody>, Failure> {
    Ok(Json(super::load_boundary(&cx, PrincipalKind::User, &path.user_id.cast()).await?.into()))
}

/// Limits a person by a policy, instead of the one that did so before. What the policy does not allow is denied to
/// them. Nobody sets their own.
#[utoipa::path(put, path = "/api/v1/users/{user_id}/boundary", tag = "boundaries",
    operation_id = "set_user_boundary", params(UserPath), request_body = NewBoundaryBody,
    responses((status = 204, description = "Set"), WriteProblems))]
async fn set_of_user(
    cx: Cx,
    Path(path): Path<UserPath>,
    Json(body): Json<NewBoundaryBody>,
) -> Result<StatusCode, Failure> {
    super::set_boundary(&cx, PrincipalKind::User, &path.user_id.cast(), &body.policy_id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes the boundary from a person. Nobody removes their own.
#[utoipa::path(delete, path = "/api/v1/users/{user_id}/boundary", tag = "boundaries",
    operation_id = "remove_user_boundary", params(UserPath),
    responses((status = 204, description = "Removed"), WriteProblems))]
async fn remove_of_user(cx: Cx, Path(path): Path<UserPath>) -> Result<StatusCode, Failure> {
    super::remove_boundary(&cx, PrincipalKind::User, &path.user_id.cast()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Reads which policy limits a client on its own behalf; 404 if none does.
#[utoipa::path(get, path = "/api/v1/clients/{id}/boundary", tag = "boundaries",
    operation_id = "read_client_boundary", params(ClientPath),
    responses((status = 200, description = "The boundary", body = BoundaryBody), Problems))]
async fn read_of_client(cx: Cx, Path(path): Path<ClientPath>) -> Result<Json<BoundaryBody>, Failure> {
    Ok(Json(super::load_boundary(&cx, PrincipalKind::Client, &path.id.cast()).await?.into()))
}

/// Limits a client on its own behalf by a policy, instead of the one that did so before.
#[utoipa::path(put, path = "/api/v1/clients/{id}/boundary", tag = "boundaries",
    operation_id = "set_client_boundary", params(ClientPath), request_body = NewBoundaryBody,
    responses((status = 204, description = "Set"), WriteProblems))]
async fn set_of_client(
    cx: Cx,
    Path(path): Path<ClientPath>,
    Json(body): Json<NewBoundaryBody>,
) -> Result<StatusCode, Failure> {
    super::set_boundary(&cx, PrincipalKind::Client, &path.id.cast(), &body.policy_id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes the boundary from a client.
#[utoipa::path(delete, path = "/api/v1/clients/{id}/boundary", tag = "boundaries",
    operation_id = "remove_client_boundary", params(ClientPath),
    responses((status = 204, description = "Removed"), WriteProblems))]
async fn remove_of_client(cx: Cx, Path(path): Path<ClientPath>) -> Result<StatusCode, Failure> {
    super::remove_boundary(&cx, PrincipalKind::Client, &path.id.cast()).await?;
    Ok(StatusCode::NO_CONTENT)
}
