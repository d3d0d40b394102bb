//! Routes, request and response types of who holds which role.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use base::Timestamp;
use base::id::{ClientId, GroupId, RoleId, UserId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use web::list::{Attribute, Values};
use web::openapi::{Problems, WriteProblems};
use web::{Failure, List, ListParams, ListQuery, Listing, OptionalJson, Path};

use super::RolePath;
use crate::http::{Asked, ClientPath, NoSearch, Now, StateWord, UserPath, WindowBody, at};
use crate::principals::PrincipalKind;
use crate::roles::assign::{HELD_ORDER, HOLDER_ORDER};
use crate::roles::{self, Assignment, HeldRole, Holder, NewAssignment};
use crate::{Cx, Service};

pub(super) fn routes() -> OpenApiRouter<Service> {
    OpenApiRouter::new()
        .routes(routes!(holders))
        .routes(routes!(list_user_roles))
        .routes(routes!(assign_user_role, unassign_user_role))
        .routes(routes!(list_client_roles))
        .routes(routes!(assign_client_role, unassign_client_role))
        .routes(routes!(list_group_roles))
        .routes(routes!(assign_group_role, unassign_group_role))
}

/// Who holds a role directly.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RoleAssignment)]
struct AssignmentBody {
    /// `user`, `client` or `group`.
    holder_type: &'static str,
    holder_id: String,
    #[schema(value_type = Option<String>, format = DateTime)]
    valid_from: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    state: StateWord,
    #[schema(value_type = String, format = DateTime)]
    assigned_at: Timestamp,
    /// Who gave it, where that is known.
    assigned_by: Option<String>,
}

impl From<Now<Assignment>> for AssignmentBody {
    fn from(Now(one, now): Now<Assignment>) -> Self {
        Self {
            holder_type: one.kind,
            holder_id: one.holder.id().to_owned(),
            valid_from: one.window.valid_from,
            expires_at: one.window.expires_at,
            state: StateWord::of(one.window, now),
            assigned_at: one.assigned_at,
            assigned_by: one.assigned_by,
        }
    }
}

/// A role that somebody holds.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HeldRole)]
struct HeldBody {
    role_id: String,
    role_code: String,
    /// The group that it comes from; null where it is held directly.
    group_id: Option<String>,
    /// Through a group, both the membership and the group's role must count.
    #[schema(value_type = Option<String>, format = DateTime)]
    valid_from: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    state: StateWord,
}

impl From<Now<HeldRole>> for HeldBody {
    fn from(Now(held, now): Now<HeldRole>) -> Self {
        Self {
            role_id: held.role_id.to_string(),
            role_code: held.role_code,
            group_id: held.through.map(|id| id.to_string()),
            valid_from: held.window.valid_from,
            expires_at: held.window.expires_at,
            state: StateWord::of(held.window, now),
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct UserRolePath {
    /// The person's id.
    #[param(value_type = String)]
    user_id: UserId,
    /// The role's id.
    #[param(value_type = String)]
    role_id: RoleId,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct ClientRolePath {
    /// The client's id.
    #[param(value_type = String)]
    id: ClientId,
    /// The role's id.
    #[param(value_type = String)]
    role_id: RoleId,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct GroupPath {
    /// The group's id.
    #[param(value_type = String)]
    group_id: GroupId,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct GroupRolePath {
    /// The group's id.
    #[param(value_type = String)]
    group_id: GroupId,
    /// The role's id.
    #[param(value_type = String)]
    role_id: RoleId,
}

const HELD: &[Attribute] = &[
    Attribute::both("role_code", Values::Text),
    Attribute::both("valid_from", Values::Time),
    Attribute::both("expires_at", Values::Time),
    Attribute::filtered("role_id", Values::Text),
    Attribute::filtered("group_id", Values::Text),
];

/// What the roles of a person are listed by.
const USER_ROLES: List = List { name: "user roles", attributes: HELD, order: &HELD_ORDER };

/// What the roles of a client are listed by.
const CLIENT_ROLES: List = List { name: "client roles", attributes: HELD, order: &HELD_ORDER };

/// What the roles of a group are listed by.
const GROUP_ROLES: List = List { name: "group roles", attributes: HELD, order: &HELD_ORDER };

/// What the holders of a role are listed by.
const HOLDERS: List = List {
    name: "role assignments",
    attributes: &[
        Attribute::both(
            "holder_type",
            Values::Word(&[("user", "user"), ("client", "client"), ("group", "group")]),
        ),
        Attribute::filtered("holder_id", Values::Text),
        Attribute::filtered("valid_from", Values::Time),
        Attribute::filtered("expires_at", Values::Time),
        Attribute::filtered("assigned_at", Values::Time),
        Attribute::filtered("assigned_by", Values::Text),
    ],
    order: &HOLDER_ORDER,
};

/// Lists who holds a role directly, by kind and id, also those for whom it is over or has not begun.
///
/// `sort` takes `holder_type`; `filter` also `holder_id`, `valid_from`, `expires_at`, `assigned_at` and
/// `assigned_by`.
#[utoipa::path(get, path = "/api/v1/roles/{role_id}/assignments", tag = "roles",
    operation_id = "list_role_assignments", params(RolePath, ListParams),
    responses((status = 200, description = "A page of holders", body = inline(Listing<AssignmentBody>)), Problems))]
async fn holders(
    State(service): State<Service>,
    cx: Cx,
    Path(path): Path<RolePath>,
    query: ListQuery<NoSearch>,
) -> Result<Response, Failure> {
    let id = path.role_id;
    let asked = Asked::new::<_, AssignmentBody>(&service, &cx, &HOLDERS, Some(id.as_str()), &query)?;
    let listed = roles::list_holders(&cx, &id, &asked.listing()?).await?;
    asked.answer::<_, AssignmentBody>(at(listed, cx.now()))
}

/// Lists the roles of a person, held directly or through groups, also those that are over or have not begun.
///
/// `sort` and `filter` take `role_code`, `valid_from` and `expires_at`; `filter` also `role_id` and
/// `group_id`.
#[utoipa::path(get, path = "/api/v1/users/{user_id}/roles", tag = "roles", operation_id = "list_user_roles",
    params(UserPath, ListParams),
    responses((status = 200, description = "A page of roles", body = inline(Listing<HeldBody>)), Problems))]
async fn list_user_roles(
    State(service): State<Service>,
    cx: Cx,
    Path(path): Path<UserPath>,
    query: ListQuery<NoSearch>,
) -> Result<Response, Failure> {
    let id = path.user_id.cast();
    let asked = Asked::new::<_, HeldBody>(&service, &cx, &USER_ROLES, Some(path.user_id.as_str()), &query)?;
    let listed = roles::list_roles_of(&cx, PrincipalKind::User, &id, &asked.listing()?).await?;
    asked.answer::<_, HeldBody>(at(listed, cx.now()))
}

/// Lists the roles of a client, held directly or through groups, also those that are over or have not begun.
///
/// `sort` and `filter` take `role_code`, `valid_from` and `expires_at`; `filter` also `role_id` and
/// `group_id`.
#[utoipa::path(get, path = "/api/v1/clients/{id}/roles", tag = "roles", operation_id = "list_client_roles",
    params(ClientPath, ListParams),
    responses((status = 200, description = "A page of roles", body = inline(Listing<HeldBody>)), Problems))]
async fn list_client_roles(
    State(service): State<Service>,
    cx: Cx,
    Path(path): Path<ClientPath>,
    query: ListQuery<NoSearch>,
) -> Result<Response, Failure> {
    let id = path.id.cast();
    let asked = Asked::new::<_, HeldBody>(&service, &cx, &CLIENT_ROLES, Some(path.id.as_str()), &query)?;
    let listed = roles::list_roles_of(&cx, PrincipalKind::Client, &id, &asked.listing()?).await?;
    asked.answer::<_, HeldBody>(at(listed, cx.now()))
}

async fn put(
    cx: &Cx,
    kind: Option<PrincipalKind>,
    holder: Holder,
    role: RoleId,
    body: WindowBody,
) -> Result<StatusCode, Failure> {
    let (window, denies) = body.parse();
    roles::assign(cx, kind, &NewAssignment { holder, role, window, denies }).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn take(
    cx: &Cx,
    kind: Option<PrincipalKind>,
    holder: &Holder,
    role: &RoleId,
) -> Result<StatusCode, Failure> {
    roles::unassign(cx, kind, holder, role).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives a role to a person, or changes when it counts.
#[utoipa::path(put, path = "/api/v1/users/{user_id}/roles/{role_id}", tag = "roles",
    operation_id = "assign_user_role", params(UserRolePath), request_body = Option<WindowBody>,
    responses((status = 204, description = "The person has the role"), WriteProblems))]
async fn assign_user_role(
    cx: Cx,
    Path(path): Path<UserRolePath>,
    OptionalJson(body): OptionalJson<WindowBody>,
) -> Result<StatusCode, Failure> {
    put(&cx, Some(PrincipalKind::User), Holder::from(&path.user_id), path.role_id, body).await
}

/// Takes a role from a person who has it directly.
#[utoipa::path(delete, path = "/api/v1/users/{user_id}/roles/{role_id}", tag = "roles",
    operation_id = "unassign_user_role", params(UserRolePath),
    responses((status = 204, description = "The person does not have the role directly"), WriteProblems))]
async fn unassign_user_role(cx: Cx, Path(path): Path<UserRolePath>) -> Result<StatusCode, Failure> {
    take(&cx, Some(PrincipalKind::User), &Holder::from(&path.user_id), &path.role_id).await
}

/// Gives a role to a client, or changes when it counts.
#[utoipa::path(put, path = "/api/v1/clients/{id}/roles/{role_id}", tag = "roles",
    operation_id = "assign_client_role", params(ClientRolePath), request_body = Option<WindowBody>,
    responses((status = 204, description = "The client has the role"), WriteProblems))]
async fn assign_client_role(
    cx: Cx,
    Path(path): Path<ClientRolePath>,
    OptionalJson(body): OptionalJson<WindowBody>,
) -> Result<StatusCode, Failure> {
    put(&cx, Some(PrincipalKind::Client), Holder::from(&path.id), path.role_id, body).await
}

/// Takes a role from a client that has it directly.
#[utoipa::path(delete, path = "/api/v1/clients/{id}/roles/{role_id}", tag = "roles",
    operation_id = "unassign_client_role", params(ClientRolePath),
    responses((status = 204, description = "The client does not have the role directly"), WriteProblems))]
async fn unassign_client_role(cx: Cx, Path(path): Path<ClientRolePath>) -> Result<StatusCode, Failure> {
    take(&cx, Some(PrincipalKind::Client), &Holder::from(&path.id), &path.role_id).await
}

/// Lists the roles of a group, also those that are over or have not begun.
///
/// `sort` and `filter` take `role_code`, `valid_from` and `expires_at`; `filter` also `role_id` and
/// `group_id`.
#[utoipa::path(get, path = "/api/v1/groups/{group_id}/roles", tag = "groups", operation_id = "list_group_roles",
    params(GroupPath, ListParams),
    responses((status = 200, description = "A page of roles", body = inline(Listing<HeldBody>)), Problems))]
async fn list_group_roles(
    State(service): State<Service>,
    cx: Cx,
    Path(path): Path<GroupPath>,
    query: ListQuery<NoSearch>,
) -> Result<Response, Failure> {
    let id = path.group_id;
    let asked = Asked::new::<_, HeldBody>(&service, &cx, &GROUP_ROLES, Some(id.as_str()), &query)?;
    let listed = roles::list_roles_of_group(&cx, &id, &asked.listing()?).await?;
    asked.answer::<_, HeldBody>(at(listed, cx.now()))
}

/// Gives a role to all members of a group, or changes when it counts.
#[utoipa::path(put, path = "/api/v1/groups/{group_id}/roles/{role_id}", tag = "groups",
    operation_id = "assign_group_role", params(GroupRolePath), request_body = Option<WindowBody>,
    responses((status = 204, description = "The group has the role"), WriteProblems))]
async fn assign_group_role(
    cx: Cx,
    Path(path): Path<GroupRolePath>,
    OptionalJson(body): OptionalJson<WindowBody>,
) -> Result<StatusCode, Failure> {
    put(&cx, None, Holder::from(&path.group_id), path.role_id, body).await
}

/// Takes a role from a group.
#[utoipa::path(delete, path = "/api/v1/groups/{group_id}/roles/{role_id}", tag = "groups",
    operation_id = "unassign_group_role", params(GroupRolePath),
    responses((status = 204, description = "The group does not have the role"), WriteProblems))]
async fn unassign_group_role(cx: Cx, Path(path): Path<GroupRolePath>) -> Result<StatusCode, Failure> {
    take(&cx, None, &Holder::from(&path.group_id), &path.role_id).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::check_columns;
    use crate::roles::assign::store::lists;

    #[test]
    fn every_attribute_that_the_lists_offer_has_a_column_of_its_kind() {
        for list in [USER_ROLES, CLIENT_ROLES, GROUP_ROLES] {
            check_columns(&list, lists::HELD, &HELD_ORDER);
        }
        check_columns(&HOLDERS, lists::HOLDERS, &HOLDER_ORDER);
    }
}
