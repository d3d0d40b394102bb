//! Routes, request and response types of groups and their members.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use base::Timestamp;
use base::id::{GroupId, PrincipalId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use web::list::{Attribute, Values};
use web::openapi::{EditProblems, Problems, WriteProblems};
use web::{
    Failure, Field, IfMatch, Json, List, ListParams, ListQuery, Listing, MergePatch, OptionalJson, Path,
};

use super::{Group, GroupChange, ListedMember, Membership, NewGroup, NewMember};
use crate::http::{
    Asked, ClientPath, NoSearch, Now, Search, StateWord, Tagged, UserPath, WindowBody, at, begins, created,
    optional,
};
use crate::principals::PrincipalKind;
use crate::{Cx, Service};

/// The routes, relative to a tenant.
pub(crate) fn routes() -> OpenApiRouter<Service> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(read, update, delete))
        .routes(routes!(members))
        .routes(routes!(add_member, remove_member))
        .routes(routes!(list_user_groups))
        .routes(routes!(list_client_groups))
}

/// A group.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Group)]
struct GroupBody {
    id: String,
    /// Unique in the tenant in any case.
    name: String,
    description: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<Group> for GroupBody {
    fn from(group: Group) -> Self {
        Self {
            id: group.id.to_string(),
            name: group.name,
            description: group.description,
            created_at: group.created_at,
            updated_at: group.updated_at,
        }
    }
}

fn tagged(group: Group) -> Tagged<GroupBody> {
    Tagged { version: group.version, body: group.into() }
}

/// A group to be made, without members.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewGroup)]
struct NewGroupBody {
    /// 1 to 128 characters, unique in the tenant in any case.
    name: String,
    description: Option<String>,
}

/// A merge patch (RFC 7396) over a group.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = GroupPatch)]
struct GroupPatch {
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    name: Field<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    description: Field<String>,
}

/// A member of a group.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GroupMember)]
struct MemberBody {
    /// `user` or `client`.
    principal_type: String,
    principal_id: String,
    #[schema(value_type = Option<String>, format = DateTime)]
    valid_from: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    state: StateWord,
    #[schema(value_type = String, format = DateTime)]
    added_at: Timestamp,
    /// Who added it, where that is known.
    added_by: Option<String>,
}

impl From<Now<ListedMember>> for MemberBody {
    fn from(Now(one, now): Now<ListedMember>) -> Self {
        let window = one.member.window;
        Self {
            principal_type: one.kind,
            principal_id: one.member.principal_id.to_string(),
            valid_from: window.valid_from,
            expires_at: window.expires_at,
            state: StateWord::of(window, now),
            added_at: one.added_at,
            added_by: one.added_by,
        }
    }
}

/// A group that somebody is a member of.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Membership)]
struct MembershipBody {
    group_id: String,
    name: String,
    #[schema(value_type = Option<String>, format = DateTime)]
    valid_from: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    state: StateWord,
}

impl From<Now<Membership>> for MembershipBody {
    fn from(Now(one, now): Now<Membership>) -> Self {
        Self {
            group_id: one.group_id.to_string(),
            name: one.name,
            valid_from: one.window.valid_from,
            expires_at: one.window.expires_at,
            state: StateWord::of(one.window, now),
        }
    }
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
struct MemberPath {
    /// The group's id.
    #[param(value_type = String)]
    group_id: GroupId,
    /// The id of a user or a client.
    #[param(value_type = String)]
    principal_id: PrincipalId,
}

/// What groups are listed by.
const LIST: List = List {
    name: "groups",
    attributes: &[
        Attribute::both("name", Values::Folded),
        Attribute::both("created_at", Values::Time),
        Attribute::filtered("id", Values::Text),
        Attribute::filtered("description", Values::Text),
        Attribute::filtered("updated_at", Values::Time),
    ],
    order: &super::ORDER,
};

/// What the members of a group are listed by.
const MEMBERS: List = List {
    name: "group members",
    attributes: &[
        Attribute::both("principal_id", Values::Text),
        Attribute::filtered("principal_type", Values::Word(&[("user", "user"), ("client", "client")])),
        Attribute::filtered("valid_from", Values::Time),
        Attribute::filtered("expires_at", Values::Time),
        Attribute::filtered("added_at", Values::Time),
        Attribute::filtered("added_by", Values::Text),
    ],
    order: &super::MEMBER_ORDER,
};

const MEMBERSHIP: &[Attribute] = &[
    Attribute::both("name", Values::Folded),
    Attribute::both("valid_from", Values::Time),
    Attribute::both("expires_at", Values::Time),
    Attribute::filtered("group_id", Values::Text),
];

/// What the groups of a person are listed by.
const USER_GROUPS: List = List { name: "user groups", attributes: MEMBERSHIP, order: &super::ORDER };

/// What the groups of a client are listed by.
const CLIENT_GROUPS: List = List { name: "client groups", attributes: MEMBERSHIP, order: &super::ORDER };

/// Lists groups, by name unless `sort` says otherwise; `q` matches the beginning of names in any case.
///
/// `sort` and `filter` take `name` and `created_at`; `filter` also `id`, `description` and `updated_at`.
#[utoipa::path(get, path = "/api/v1/groups", tag = "groups", operation_id = "list_groups",
    params(ListParams, Search),
    responses((status = 200, description = "A page of groups", body = inline(Listing<GroupBody>)), Problems))]
async fn list(State(service): State<Service>, cx: Cx, query: ListQuery<Search>) -> Result<Response, Failure> {
    let asked = Asked::new::<_, GroupBody>(&service, &cx, &LIST, None, &query)?;
    let listing = match query.own.folded()? {
        Some(q) => asked.listing()?.and(begins("name", q)),
        None => asked.listing()?,
    };
    asked.answer::<_, GroupBody>(super::page_groups(&cx, &listing).await?)
}

/// Makes a group without members.
#[utoipa::path(post, path = "/api/v1/groups", tag = "groups", operation_id = "create_group",
    request_body = NewGroupBody,
    responses((status = 201, description = "Made", body = GroupBody), WriteProblems))]
async fn create(cx: Cx, Json(body): Json<NewGroupBody>) -> Result<Response, Failure> {
    let new = NewGroup { name: body.name, description: body.description };
    let group = super::create_group(&cx, new).await?;
    Ok(created(&cx, &format!("groups/{}", group.id), tagged(group)))
}

/// Reads a group.
#[utoipa::path(get, path = "/api/v1/groups/{group_id}", tag = "groups", operation_id = "read_group",
    params(GroupPath), responses((status = 200, description = "The group", body = GroupBody), Problems))]
async fn read(cx: Cx, Path(path): Path<GroupPath>) -> Result<Tagged<GroupBody>, Failure> {
    Ok(tagged(super::load_group(&cx, &path.group_id).await?))
}

/// Changes a group's name or description.
#[utoipa::path(patch, path = "/api/v1/groups/{group_id}", tag = "groups", operation_id = "update_group",
    params(GroupPath, ("If-Match" = String, Header, description = "The `ETag` of what was read")),
    request_body(content = GroupPatch, content_type = "application/merge-patch+json"),
    responses((status = 200, description = "Changed", body = GroupBody), EditProblems))]
async fn update(
    cx: Cx,
    Path(path): Path<GroupPath>,
    if_match: IfMatch,
    MergePatch(patch): MergePatch<GroupPatch>,
) -> Result<Tagged<GroupBody>, Failure> {
    let change =
        GroupChange { name: patch.name.required("/name")?, description: optional(patch.description) };
    Ok(tagged(super::update_group(&cx, &path.group_id, &if_match, change).await?))
}

/// Removes a group with its memberships; its members lose its roles.
#[utoipa::path(delete, path = "/api/v1/groups/{group_id}", tag = "groups", operation_id = "delete_group",
    params(GroupPath, ("If-Match" = String, Header, description = "The `ETag` of what was read")),
    responses((status = 204, description = "Removed"), EditProblems))]
async fn delete(cx: Cx, Path(path): Path<GroupPath>, if_match: IfMatch) -> Result<StatusCode, Failure> {
    super::delete_group(&cx, &path.group_id, &if_match).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the members of a group by id, also those whose membership is over or has not begun.
///
/// `sort` takes `principal_id`; `filter` also `principal_type`, `valid_from`, `expires_at`, `added_at` and
/// `added_by`.
#[utoipa::path(get, path = "/api/v1/groups/{group_id}/members", tag = "groups",
    operation_id = "list_group_members", params(GroupPath, ListParams),
    responses((status = 200, description = "A page of members", body = inline(Listing<MemberBody>)), Problems))]
async fn members(
    State(service): State<Service>,
    cx: Cx,
    Path(path): Path<GroupPath>,
    query: ListQuery<NoSearch>,
) -> Result<Response, Failure> {
    let id = path.group_id;
    let asked = Asked::new::<_, MemberBody>(&service, &cx, &MEMBERS, Some(id.as_str()), &query)?;
    let listed = super::page_members(&cx, &id, &asked.listing()?).await?;
    asked.answer::<_, MemberBody>(at(listed, cx.now()))
}

/// Makes a person or a client a member of a group, or changes when the membership counts.
#[utoipa::path(put, path = "/api/v1/groups/{group_id}/members/{principal_id}", tag = "groups",
    operation_id = "add_group_member", params(MemberPath), request_body = Option<WindowBody>,
    responses((status = 204, description = "A member"), WriteProblems))]
async fn add_member(
    cx: Cx,
    Path(path): Path<MemberPath>,
    OptionalJson(body): OptionalJson<WindowBody>,
) -> Result<StatusCode, Failure> {
    let (window, denies) = body.parse();
    let new = NewMember { principal_id: path.principal_id, window, denies };
    super::add_member(&cx, &path.group_id, &new).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes a member from a group.
#[utoipa::path(delete, path = "/api/v1/groups/{group_id}/members/{principal_id}", tag = "groups",
    operation_id = "remove_group_member", params(MemberPath),
    responses((status = 204, description = "No member"), WriteProblems))]
async fn remove_member(cx: Cx, Path(path): Path<MemberPath>) -> Result<StatusCode, Failure> {
    super::remove_member(&cx, &path.group_id, &path.principal_id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the groups of a person, by name unless `sort` says otherwise, also where the membership is over or has
/// not begun.
///
/// `sort` and `filter` take `name`, `valid_from` and `expires_at`; `filter` also `group_id`.
#[utoipa::path(get, path = "/api/v1/users/{user_id}/groups", tag = "groups", operation_id = "list_user_groups",
    params(UserPath, ListParams),
    responses((status = 200, description = "A page of groups", body = inline(Listing<MembershipBody>)), Problems))]
async fn list_user_groups(
    State(service): State<Service>,
    cx: Cx,
    Path(path): Path<UserPath>,
    query: ListQuery<NoSearch>,
) -> Result<Response, Failure> {
    let id = path.user_id.cast();
    let of = Some(path.user_id.as_str());
    let asked = Asked::new::<_, MembershipBody>(&service, &cx, &USER_GROUPS, of, &query)?;
    let listed = super::list_groups_of(&cx, PrincipalKind::User, &id, &asked.listing()?).await?;
    asked.answer::<_, MembershipBody>(at(listed, cx.now()))
}

/// Lists the groups of a client, by name unless `sort` says otherwise, also where the membership is over or has
/// not begun.
///
/// `sort` and `filter` take `name`, `valid_from` and `expires_at`; `filter` also `group_id`.
#[utoipa::path(get, path = "/api/v1/clients/{id}/groups", tag = "groups", operation_id = "list_client_groups",
    params(ClientPath, ListParams),
    responses((status = 200, description = "A page of groups", body = inline(Listing<MembershipBody>)), Problems))]
async fn list_client_groups(
    State(service): State<Service>,
    cx: Cx,
    Path(path): Path<ClientPath>,
    query: ListQuery<NoSearch>,
) -> Result<Response, Failure> {
    let id = path.id.cast();
    let of = Some(path.id.as_str());
    let asked = Asked::new::<_, MembershipBody>(&service, &cx, &CLIENT_GROUPS, of, &query)?;
    let listed = super::list_groups_of(&cx, PrincipalKind::Client, &id, &asked.listing()?).await?;
    asked.answer::<_, MembershipBody>(at(listed, cx.now()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::check_columns;

    #[test]
    fn every_attribute_that_the_lists_offer_has_a_column_of_its_kind() {
        check_columns(&LIST, super::super::store::COLUMNS, &super::super::ORDER);
        check_columns(&MEMBERS, super::super::store::MEMBERS, &super::super::MEMBER_ORDER);
        for list in [USER_GROUPS, CLIENT_GROUPS] {
            check_columns(&list, super::super::store::MEMBERSHIPS, &super::super::ORDER);
        }
    }
}
