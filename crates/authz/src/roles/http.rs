//! Routes, request and response types of roles and of the policies that they carry.

mod held;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use base::Timestamp;
use base::id::{PolicyId, RoleId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use web::list::{Attribute, Values};
use web::openapi::{EditProblems, Problems, WriteProblems};
use web::{
    Failure, Field, IfMatch, Json, List, ListParams, ListQuery, Listing, MergePatch, OptionalJson, Page, Path,
};

use super::{Attachment, Effective, NewRole, Role, RoleChange};
use crate::http::{Asked, RelationBody, Search, Tagged, created, optional};
use crate::{Cx, Service};

/// The routes, relative to a tenant.
pub(crate) fn routes() -> OpenApiRouter<Service> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(read_by_code))
        .routes(routes!(read, update, delete))
        .routes(routes!(permissions))
        .routes(routes!(policies))
        .routes(routes!(attach, detach))
        .merge(held::routes())
}

/// A role.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Role)]
pub(crate) struct RoleBody {
    id: String,
    /// Unique in the tenant; never changes.
    code: String,
    /// Unique in the tenant.
    name: String,
    description: Option<String>,
    /// The role that it inherits everything from.
    parent_id: Option<String>,
    /// Its own permission codes; `/roles/{role_id}/permissions` lists those that it inherits too.
    permissions: Vec<String>,
    /// Whether every tenant has it. Such a role cannot be deleted.
    built_in: bool,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<Role> for RoleBody {
    fn from(role: Role) -> Self {
        Self {
            id: role.id.to_string(),
            built_in: super::BUILT_IN.contains(&role.code.as_str()),
            code: role.code,
            name: role.name,
            description: role.description,
            parent_id: role.parent_id.map(|id| id.to_string()),
            permissions: role.permissions,
            created_at: role.created_at,
            updated_at: role.updated_at,
        }
    }
}

fn tagged(role: Role) -> Tagged<RoleBody> {
    Tagged { version: role.version, body: role.into() }
}

/// A role to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewRole)]
pub(crate) struct NewRoleBody {
    /// 1 to 32 of `A-Z a-z 0-9 _ -`, unique in the tenant; never changes.
    code: String,
    /// 1 to 128 characters, unique in the tenant.
    name: String,
    description: Option<String>,
    /// The role that it inherits everything from, over at most 10 levels.
    #[schema(value_type = Option<String>)]
    parent_id: Option<RoleId>,
    /// Permission codes, such as `user:read`.
    #[serde(default)]
    permissions: Vec<String>,
}

impl From<NewRoleBody> for NewRole {
    fn from(body: NewRoleBody) -> Self {
        Self {
            code: body.code,
            name: body.name,
            description: body.description,
            parent_id: body.parent_id,
            permissions: body.permissions,
        }
    }
}

/// A merge patch (RFC 7396) over a role.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RolePatch)]
pub(crate) struct RolePatch {
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    name: Field<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    description: Field<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    parent_id: Field<RoleId>,
    /// Replaces the whole list; null empties it.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    permissions: Field<Vec<String>>,
}

impl RolePatch {
    fn parse(self) -> Result<RoleChange, Failure> {
        Ok(RoleChange {
            name: self.name.required("/name")?,
            description: optional(self.description),
            parent_id: optional(self.parent_id),
            permissions: optional(self.permissions).map(Option::unwrap_or_default),
        })
    }
}

/// The variables of a role's address.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct RolePath {
    /// The role's id.
    #[param(value_type = String)]
    pub(crate) role_id: RoleId,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct CodePath {
    /// The role's code.
    code: String,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct AttachmentPath {
    /// The role's id.
    #[param(value_type = String)]
    role_id: RoleId,
    /// The policy's id.
    #[param(value_type = String)]
    policy_id: PolicyId,
}

/// What roles are listed by.
const LIST: List = List {
    name: "roles",
    attributes: &[
        Attribute::both("code", Values::Text),
        Attribute::both("name", Values::Text),
        Attribute::both("created_at", Values::Time),
        Attribute::both("updated_at", Values::Time),
        Attribute::filtered("id", Values::Text),
        Attribute::filtered("description", Values::Text),
        Attribute::filtered("parent_id", Values::Text),
    ],
    order: &super::ORDER,
};

/// Lists roles, by code unless `sort` says otherwise; `q` matches the beginning of codes and names in any
/// case.
///
/// `sort` and `filter` take `code`, `name`, `created_at` and `updated_at`; `filter` also `id`, `description`
/// and `parent_id`.
#[utoipa::path(get, path = "/api/v1/roles", tag = "roles", operation_id = "list_roles",
    params(ListParams, Search),
    responses((status = 200, description = "A page of roles", body = inline(Listing<RoleBody>)), Problems))]
async fn list(State(service): State<Service>, cx: Cx, query: ListQuery<Search>) -> Result<Response, Failure> {
    let asked = Asked::new::<_, RoleBody>(&service, &cx, &LIST, None, &query)?;
    let q = query.own.folded()?;
    asked.answer::<_, RoleBody>(super::page_roles(&cx, q.as_deref(), &asked.listing()?).await?)
}

/// Makes a role.
#[utoipa::path(post, path = "/api/v1/roles", tag = "roles", operation_id = "create_role",
    request_body = NewRoleBody,
    responses((status = 201, description = "Made", body = RoleBody), WriteProblems))]
async fn create(cx: Cx, Json(body): Json<NewRoleBody>) -> Result<Response, Failure> {
    let role = super::create_role(&cx, body.into()).await?;
    Ok(created(&cx, &format!("roles/{}", role.id), tagged(role)))
}

/// Reads a role.
#[utoipa::path(get, path = "/api/v1/roles/{role_id}", tag = "roles", operation_id = "read_role",
    params(RolePath), responses((status = 200, description = "The role", body = RoleBody), Problems))]
async fn read(cx: Cx, Path(path): Path<RolePath>) -> Result<Tagged<RoleBody>, Failure> {
    Ok(tagged(super::load_role(&cx, &path.role_id).await?))
}

/// Reads a role by its code.
#[utoipa::path(get, path = "/api/v1/roles/by-code/{code}", tag = "roles", operation_id = "read_role_by_code",
    params(CodePath), responses((status = 200, description = "The role", body = RoleBody), Problems))]
async fn read_by_code(cx: Cx, Path(path): Path<CodePath>) -> Result<Tagged<RoleBody>, Failure> {
    Ok(tagged(super::load_role_by_code(&cx, &path.code).await?))
}

/// Changes a role. What `SUPER_ADMIN` may do never changes.
#[utoipa::path(patch, path = "/api/v1/roles/{role_id}", tag = "roles", operation_id = "update_role",
    params(RolePath, ("If-Match" = String, Header, description = "The `ETag` of what was read")),
    request_body(content = RolePatch, content_type = "application/merge-patch+json"),
    responses((status = 200, description = "Changed", body = RoleBody), EditProblems))]
async fn update(
    cx: Cx,
    Path(path): Path<RolePath>,
    if_match: IfMatch,
    MergePatch(patch): MergePatch<RolePatch>,
) -> Result<Tagged<RoleBody>, Failure> {
    Ok(tagged(super::update_role(&cx, &path.role_id, &if_match, patch.parse()?).await?))
}

/// Removes a role that nobody holds and no role inherits from.
#[utoipa::path(delete, path = "/api/v1/roles/{role_id}", tag = "roles", operation_id = "delete_role",
    params(RolePath, ("If-Match" = String, Header, description = "The `ETag` of what was read")),
    responses((status = 204, description = "Removed"), EditProblems))]
async fn delete(cx: Cx, Path(path): Path<RolePath>, if_match: IfMatch) -> Result<StatusCode, Failure> {
    super::delete_role(&cx, &path.role_id, &if_match).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What a role permits, what it inherits included.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EffectivePermissions)]
struct EffectiveBody {
    /// Each permission code once.
    permissions: Vec<EffectivePermission>,
    /// Each attached policy, the role's own first.
    policies: Vec<EffectivePolicy>,
}

/// A permission code and where it comes from.
#[derive(Debug, Serialize, ToSchema)]
struct EffectivePermission {
    code: String,
    /// The nearest role that has it.
    role_id: String,
    role_code: String,
    /// Whether that is another role than the one asked about.
    inherited: bool,
}

/// A policy and the role that carries it.
#[derive(Debug, Serialize, ToSchema)]
struct EffectivePolicy {
    policy_id: String,
    name: String,
    role_id: String,
    role_code: String,
    inherited: bool,
}

impl EffectiveBody {
    fn of(effective: Effective, asked: &RoleId) -> Self {
        Self {
            permissions: effective
                .permissions
                .into_iter()
                .map(|(code, role, role_code)| EffectivePermission {
                    code,
                    inherited: role != *asked,
                    role_id: role.to_string(),
                    role_code,
                })
                .collect(),
            policies: effective
                .policies
                .into_iter()
                .map(|(attachment, role, role_code)| EffectivePolicy {
                    policy_id: attachment.policy_id.to_string(),
                    name: attachment.name,
                    inherited: role != *asked,
                    role_id: role.to_string(),
                    role_code,
                })
                .collect(),
        }
    }
}

/// Says what a role permits: its own permission codes and policies and those that it inherits.
#[utoipa::path(get, path = "/api/v1/roles/{role_id}/permissions", tag = "roles",
    operation_id = "read_role_permissions", params(RolePath),
    responses((status = 200, description = "What the role permits", body = EffectiveBody), Problems))]
async fn permissions(cx: Cx, Path(path): Path<RolePath>) -> Result<Json<EffectiveBody>, Failure> {
    Ok(Json(EffectiveBody::of(super::load_effective(&cx, &path.role_id).await?, &path.role_id)))
}

/// A policy that a role carries.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RolePolicy)]
struct AttachmentBody {
    policy_id: String,
    name: String,
    #[schema(value_type = String, format = DateTime)]
    attached_at: Timestamp,
    /// Who attached it, where that is known.
    attached_by: Option<String>,
}

impl From<Attachment> for AttachmentBody {
    fn from(attachment: Attachment) -> Self {
        Self {
            policy_id: attachment.policy_id.to_string(),
            name: attachment.name,
            attached_at: attachment.attached_at,
            attached_by: attachment.attached_by,
        }
    }
}

/// Lists the policies that a role itself carries, by name: at most 100, all on one page.
#[utoipa::path(get, path = "/api/v1/roles/{role_id}/policies", tag = "roles",
    operation_id = "list_role_policies", params(RolePath),
    responses((status = 200, description = "The policies", body = inline(Page<AttachmentBody>)), Problems))]
async fn policies(cx: Cx, Path(path): Path<RolePath>) -> Result<Json<Page<AttachmentBody>>, Failure> {
    let items = super::list_attachments(&cx, &path.role_id).await?;
    Ok(Json(Page { items: items.into_iter().map(AttachmentBody::from).collect(), next: None }))
}

/// Attaches a policy to a role; nothing changes if the role carries it.
#[utoipa::path(put, path = "/api/v1/roles/{role_id}/policies/{policy_id}", tag = "roles",
    operation_id = "attach_role_policy", params(AttachmentPath), request_body = Option<RelationBody>,
    responses((status = 204, description = "Attached"), WriteProblems))]
async fn attach(
    cx: Cx,
    Path(path): Path<AttachmentPath>,
    OptionalJson(RelationBody {}): OptionalJson<RelationBody>,
) -> Result<StatusCode, Failure> {
    super::attach_policy(&cx, &path.role_id, &path.policy_id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Detaches a policy from a role.
#[utoipa::path(delete, path = "/api/v1/roles/{role_id}/policies/{policy_id}", tag = "roles",
    operation_id = "detach_role_policy", params(AttachmentPath),
    responses((status = 204, description = "Detached"), WriteProblems))]
async fn detach(cx: Cx, Path(path): Path<AttachmentPath>) -> Result<StatusCode, Failure> {
    super::detach_policy(&cx, &path.role_id, &path.policy_id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_attribute_that_the_list_offers_has_a_column_of_its_kind() {
        crate::listing::check_columns(&LIST, super::super::store::COLUMNS, &super::super::ORDER);
    }
}
