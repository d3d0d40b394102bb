//! Routes, request and response types of the policies that are attached to users themselves.

use axum::http::StatusCode;
use base::Timestamp;
use base::id::{PolicyId, UserId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use web::openapi::{Problems, WriteProblems};
use web::{Failure, Json, OptionalJson, Page, Path};

use super::{DirectPolicy, NewDirectPolicy};
use crate::http::{Now, StateWord, UserPath, WindowBody};
use crate::{Cx, Service};

/// The routes, relative to a tenant.
pub(crate) fn routes() -> OpenApiRouter<Service> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(attach, detach))
}

/// A policy that is attached to a person directly.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UserPolicy)]
struct DirectBody {
    policy_id: String,
    name: String,
    #[schema(value_type = Option<String>, format = DateTime)]
    valid_from: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    state: StateWord,
    #[schema(value_type = String, format = DateTime)]
    attached_at: Timestamp,
    /// Who attached it, where that is known.
    attached_by: Option<String>,
}

impl From<Now<DirectPolicy>> for DirectBody {
    fn from(Now(one, now): Now<DirectPolicy>) -> Self {
        Self {
            policy_id: one.policy_id.to_string(),
            name: one.name,
            valid_from: one.window.valid_from,
            expires_at: one.window.expires_at,
            state: StateWord::of(one.window, now),
            attached_at: one.attached_at,
            attached_by: one.attached_by,
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct UserPolicyPath {
    /// The person's id.
    #[param(value_type = String)]
    user_id: UserId,
    /// The policy's id.
    #[param(value_type = String)]
    policy_id: PolicyId,
}

/// Lists the policies that are attached to a person directly, by name, also those that are over or have not begun:
/// at most 20, all on one page.
#[utoipa::path(get, path = "/api/v1/users/{user_id}/policies", tag = "policies",
    operation_id = "list_user_policies", params(UserPath),
    responses((status = 200, description = "The policies", body = inline(Page<DirectBody>)), Problems))]
async fn list(cx: Cx, Path(path): Path<UserPath>) -> Result<Json<Page<DirectBody>>, Failure> {
    let items = super::list_direct_policies(&cx, &path.user_id).await?;
    let items = items.into_iter().map(|one| DirectBody::from(Now(one, cx.now()))).collect();
    Ok(Json(Page { items, next: None }))
}

/// Attaches a policy to a person directly, or changes when it counts. The tenant must have switched on
/// `direct_policies`.
#[utoipa::path(put, path = "/api/v1/users/{user_id}/policies/{policy_id}", tag = "policies",
    operation_id = "attach_user_policy", params(UserPolicyPath), request_body = Option<WindowBody>,
    responses((status = 204, description = "Attached"), WriteProblems))]
async fn attach(
    cx: Cx,
    Path(path): Path<UserPolicyPath>,
    OptionalJson(body): OptionalJson<WindowBody>,
) -> Result<StatusCode, Failure> {
    let (window, denies) = body.parse();
    let new = NewDirectPolicy { user: path.user_id, policy: path.policy_id, window, denies };
    super::attach_direct_policy(&cx, &new).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes a directly attached policy from a person.
#[utoipa::path(delete, path = "/api/v1/users/{user_id}/policies/{policy_id}", tag = "policies",
    operation_id = "detach_user_policy", params(UserPolicyPath),
    responses((status = 204, description = "Detached"), WriteProblems))]
async fn detach(cx: Cx, Path(path): Path<UserPolicyPath>) -> Result<StatusCode, Failure> {
    super::detach_direct_policy(&cx, &path.user_id, &path.policy_id).await?;
    Ok(StatusCode::NO_CONTENT)
}
