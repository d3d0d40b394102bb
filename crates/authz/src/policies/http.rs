//! Routes, request and response types of policies and of what they are linked to.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use base::Timestamp;
use base::id::{PermissionId, PolicyId, ResourceId};
use policy::Effect;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use web::list::{Attribute, Values};
use web::openapi::{EditProblems, Problems, WriteProblems};
use web::{
    Failure, Field, IfMatch, Json, List, ListParams, ListQuery, Listing, MergePatch, OptionalJson, Path,
};

use super::links::{self, Link, LinkKind, Linked};
use super::{NewPolicy, Policy, PolicyChange};
use crate::http::{Asked, NoSearch, RelationBody, Search, Tagged, begins, created, optional};
use crate::permissions::GlobalPermissionId;
use crate::{Cx, Service};

/// The routes, relative to a tenant.
pub(crate) fn routes() -> OpenApiRouter<Service> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(read, update, delete))
        .routes(routes!(list_permissions))
        .routes(routes!(link_permission, unlink_permission))
        .routes(routes!(list_global_permissions))
        .routes(routes!(link_global_permission, unlink_global_permission))
        .routes(routes!(list_resources))
        .routes(routes!(link_resource, unlink_resource))
        .merge(super::history::http::routes())
        .merge(super::lint::http::routes())
}

/// `allow` or `deny`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Effect)]
pub(super) enum EffectWord {
    Allow,
    Deny,
}

impl From<Effect> for EffectWord {
    fn from(effect: Effect) -> Self {
        match effect {
            Effect::Allow => Self::Allow,
            Effect::Deny => Self::Deny,
        }
    }
}

impl From<EffectWord> for Effect {
    fn from(word: EffectWord) -> Self {
        match word {
            EffectWord::Allow => Self::Allow,
            EffectWord::Deny => Self::Deny,
        }
    }
}

/// A policy.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Policy)]
pub(super) struct PolicyBody {
    id: String,
    /// Unique in the tenant in any case.
    name: String,
    description: Option<String>,
    /// What it says, in canonical form; null where only its links say something.
    #[schema(value_type = Option<Object>)]
    document: Option<Value>,
    /// What its links do where they do not say it themselves.
    effect: EffectWord,
    /// 0 to 1000: of all that applies, the highest level decides, and there a deny wins.
    #[schema(minimum = 0, maximum = 1000)]
    priority: i64,
    /// What guards all that the policy says, in CEL: it says nothing unless this is true.
    expression: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<Policy> for PolicyBody {
    fn from(policy: Policy) -> Self {
        Self {
            id: policy.id.to_string(),
            name: policy.name,
            description: policy.description,
            document: policy.document,
            effect: policy.effect.into(),
            priority: policy.priority,
            expression: policy.expression,
            created_at: policy.created_at,
            updated_at: policy.updated_at,
        }
    }
}

pub(super) fn tagged(policy: Policy) -> Tagged<PolicyBody> {
    Tagged { version: policy.version, body: policy.into() }
}

/// A policy to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewPolicy)]
struct NewPolicyBody {
    /// 1 to 128 characters, unique in the tenant in any case.
    name: String,
    description: Option<String>,
    /// What it says: `Version`, `Statement` with `Effect`, `Action`, `Resource`; at most 64 KiB.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    document: Option<Value>,
    /// What its links do where they do not say it themselves; `allow` where absent.
    effect: Option<EffectWord>,
    /// 0 to 1000; 0 where absent. Any other needs `policy:set_priority`.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 1000)]
    priority: i64,
    /// A condition in CEL on all that the policy says; at most 4 KiB.
    expression: Option<String>,
    /// What the document says knowingly: `allow_not_action`, `allow_not_resource`.
    #[serde(default)]
    acknowledge: Vec<String>,
}

/// A merge patch (RFC 7396) over a policy, except that `document` is replaced as a whole.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PolicyPatch)]
struct PolicyPatch {
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    name: Field<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    description: Field<String>,
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    document: Field<Value>,
    #[serde(default)]
    #[schema(value_type = Option<EffectWord>)]
    effect: Field<EffectWord>,
    #[serde(default)]
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 1000)]
    priority: Field<i64>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    expression: Field<String>,
    /// What the document says knowingly that it did not say before: `allow_not_action`, `allow_not_resource`.
    #[serde(default)]
    acknowledge: Vec<String>,
}

/// What a policy is linked to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PolicyLink)]
struct LinkBody {
    id: String,
    /// The permission's code, or the resource's name.
    name: String,
    /// The effect of this link alone; null where it has the policy's, and for resources.
    effect: Option<EffectWord>,
}

impl From<Linked> for LinkBody {
    fn from(linked: Linked) -> Self {
        Self { id: linked.id, name: linked.name, effect: linked.effect.map(EffectWord::from) }
    }
}

/// What a link to a permission does.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewPolicyLink)]
struct NewLinkBody {
    /// `allow` or `deny`; the policy's own effect where absent.
    #[serde(default)]
    effect: Option<EffectWord>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct PolicyPath {
    /// The policy's id.
    #[param(value_type = String)]
    pub(super) policy_id: PolicyId,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct PermissionPath {
    /// The policy's id.
    #[param(value_type = String)]
    policy_id: PolicyId,
    /// The permission's id.
    #[param(value_type = String)]
    permission_id: PermissionId,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct GlobalPath {
    /// The policy's id.
    #[param(value_type = String)]
    policy_id: PolicyId,
    /// The global permission's id.
    #[param(value_type = String)]
    global_permission_id: GlobalPermissionId,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct ResourcePath {
    /// The policy's id.
    #[param(value_type = String)]
    policy_id: PolicyId,
    /// The resource's id.
    #[param(value_type = String)]
    resource_id: ResourceId,
}

const EFFECT: Values = Values::Word(&[("allow", "allow"), ("deny", "deny")]);

/// What policies are listed by.
const LIST: List = List {
    name: "policies",
    attributes: &[
        Attribute::both("name", Values::Folded),
        Attribute::both("created_at", Values::Time),
        Attribute::both("updated_at", Values::Time),
        Attribute::filtered("id", Values::Text),
        Attribute::filtered("description", Values::Text),
        Attribute::filtered("effect", EFFECT),
        Attribute::both("priority", Values::Int),
    ],
    order: &super::ORDER,
};

/// What the links of a policy to permissions are listed by.
const PERMISSION_LINKS: List = List {
    name: "policy permissions",
    attributes: &[
        Attribute::both("name", Values::Text),
        Attribute::filtered("id", Values::Text),
        Attribute::filtered("effect", EFFECT),
    ],
    order: &super::ORDER,
};

const LINKED: &[Attribute] =
    &[Attribute::both("name", Values::Text), Attribute::filtered("id", Values::Text)];

/// What the links of a policy to global permissions are listed by.
const GLOBAL_LINKS: List =
    List { name: "policy global permissions", attributes: LINKED, order: &super::ORDER };

/// What the links of a policy to resources are listed by.
const RESOURCE_LINKS: List = List { name: "policy resources", attributes: LINKED, order: &super::ORDER };

/// Lists policies, by name unless `sort` says otherwise; `q` matches the beginning of names in any case.
///
/// `sort` and `filter` take `name`, `priority`, `created_at` and `updated_at`; `filter` also `id`, `description` and
/// `effect`.
#[utoipa::path(get, path = "/api/v1/policies", tag = "policies", operation_id = "list_policies",
    params(ListParams, Search),
    responses((status = 200, description = "A page of policies", body = inline(Listing<PolicyBody>)), Problems))]
async fn list(State(service): State<Service>, cx: Cx, query: ListQuery<Search>) -> Result<Response, Failure> {
    let asked = Asked::new::<_, PolicyBody>(&service, &cx, &LIST, None, &query)?;
    let listing = match query.own.folded()? {
        Some(q) => asked.listing()?.and(begins("name", q)),
        None => asked.listing()?,
    };
    asked.answer::<_, PolicyBody>(super::page_policies(&cx, &listing).await?)
}

/// Makes a policy. It permits nothing until a role carries it.
///
/// A priority other than 0 needs `policy:set_priority` as well.
#[utoipa::path(post, path = "/api/v1/policies", tag = "policies", operation_id = "create_policy",
    request_body = NewPolicyBody,
    responses((status = 201, description = "Made", body = PolicyBody), WriteProblems))]
async fn create(cx: Cx, Json(body): Json<NewPolicyBody>) -> Result<Response, Failure> {
    let new = NewPolicy {
        name: body.name,
        description: body.description,
        document: body.document,
        effect: body.effect.map_or(Effect::Allow, Effect::from),
        priority: body.priority,
        expression: body.expression,
        acknowledge: body.acknowledge,
    };
    let policy = super::create_policy(&cx, new).await?;
    Ok(created(&cx, &format!("policies/{}", policy.id), tagged(policy)))
}

/// Reads a policy.
#[utoipa::path(get, path = "/api/v1/policies/{policy_id}", tag = "policies", operation_id = "read_policy",
    params(PolicyPath), responses((status = 200, description = "The policy", body = PolicyBody), Problems))]
async fn read(cx: Cx, Path(path): Path<PolicyPath>) -> Result<Tagged<PolicyBody>, Failure> {
    Ok(tagged(super::load_policy(&cx, &path.policy_id).await?))
}

/// Changes a policy for all roles that carry it.
///
/// A change of the priority, and of what a policy says at one other than 0, needs `policy:set_priority` as well.
#[utoipa::path(patch, path = "/api/v1/policies/{policy_id}", tag = "policies", operation_id = "update_policy",
    params(PolicyPath, ("If-Match" = String, Header, description = "The `ETag` of what was read")),
    request_body(content = PolicyPatch, content_type = "application/merge-patch+json"),
    responses((status = 200, description = "Changed", body = PolicyBody), EditProblems))]
async fn update(
    cx: Cx,
    Path(path): Path<PolicyPath>,
    if_match: IfMatch,
    MergePatch(patch): MergePatch<PolicyPatch>,
) -> Result<Tagged<PolicyBody>, Failure> {
    let change = PolicyChange {
        name: patch.name.required("/name")?,
        description: optional(patch.description),
        document: patch.document.required("/document")?,
        effect: patch.effect.required("/effect")?.map(Effect::from),
        priority: patch.priority.required("/priority")?,
        expression: optional(patch.expression),
        acknowledge: patch.acknowledge,
    };
    Ok(tagged(super::update_policy(&cx, &path.policy_id, &if_match, change).await?))
}

/// Removes a policy that no role carries, with its links.
#[utoipa::path(delete, path = "/api/v1/policies/{policy_id}", tag = "policies", operation_id = "delete_policy",
    params(PolicyPath, ("If-Match" = String, Header, description = "The `ETag` of what was read")),
    responses((status = 204, description = "Removed"), EditProblems))]
async fn delete(cx: Cx, Path(path): Path<PolicyPath>, if_match: IfMatch) -> Result<StatusCode, Failure> {
    super::delete_policy(&cx, &path.policy_id, &if_match).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn page_links(
    service: &Service,
    cx: &Cx,
    policy: &PolicyId,
    (kind, list): (LinkKind, &List),
    query: &ListQuery<NoSearch>,
) -> Result<Response, Failure> {
    let asked = Asked::new::<_, LinkBody>(service, cx, list, Some(policy.as_str()), query)?;
    asked.answer::<_, LinkBody>(links::list_links(cx, policy, kind, &asked.listing()?).await?)
}

async fn put(cx: &Cx, policy: &PolicyId, link: &Link) -> Result<StatusCode, Failure> {
    links::link(cx, policy, link).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn take(cx: &Cx, policy: &PolicyId, link: &Link) -> Result<StatusCode, Failure> {
    links::unlink(cx, policy, link).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the permissions that a policy is linked to, by code.
///
/// `sort` takes `name`, which is the code; `filter` also `id` and `effect`.
#[utoipa::path(get, path = "/api/v1/policies/{policy_id}/permissions", tag = "policies",
    operation_id = "list_policy_permissions", params(PolicyPath, ListParams),
    responses((status = 200, description = "A page of links", body = inline(Listing<LinkBody>)), Problems))]
async fn list_permissions(
    State(service): State<Service>,
    cx: Cx,
    Path(path): Path<PolicyPath>,
    query: ListQuery<NoSearch>,
) -> Result<Response, Failure> {
    page_links(&service, &cx, &path.policy_id, (LinkKind::Permission, &PERMISSION_LINKS), &query).await
}

/// Links a policy to a permission: an allow covers the policy's resources and all that lies in them, a deny
/// without resources the whole tenant.
#[utoipa::path(put, path = "/api/v1/policies/{policy_id}/permissions/{permission_id}", tag = "policies",
    operation_id = "link_policy_permission", params(PermissionPath), request_body = Option<NewLinkBody>,
    responses((status = 204, description = "Linked"), WriteProblems))]
async fn link_permission(
    cx: Cx,
    Path(path): Path<PermissionPath>,
    OptionalJson(body): OptionalJson<NewLinkBody>,
) -> Result<StatusCode, Failure> {
    let link = Link::Permission(path.permission_id, body.effect.map(Effect::from));
    put(&cx, &path.policy_id, &link).await
}

/// Takes a permission from a policy.
#[utoipa::path(delete, path = "/api/v1/policies/{policy_id}/permissions/{permission_id}", tag = "policies",
    operation_id = "unlink_policy_permission", params(PermissionPath),
    responses((status = 204, description = "Not linked"), WriteProblems))]
async fn unlink_permission(cx: Cx, Path(path): Path<PermissionPath>) -> Result<StatusCode, Failure> {
    take(&cx, &path.policy_id, &Link::Permission(path.permission_id, None)).await
}

/// Lists the global permissions that a policy is linked to, by name.
///
/// `sort` takes `name`; `filter` also `id`.
#[utoipa::path(get, path = "/api/v1/policies/{policy_id}/global-permissions", tag = "policies",
    operation_id = "list_policy_global_permissions", params(PolicyPath, ListParams),
    responses((status = 200, description = "A page of links", body = inline(Listing<LinkBody>)), Problems))]
async fn list_global_permissions(
    State(service): State<Service>,
    cx: Cx,
    Path(path): Path<PolicyPath>,
    query: ListQuery<NoSearch>,
) -> Result<Response, Failure> {
    page_links(&service, &cx, &path.policy_id, (LinkKind::Global, &GLOBAL_LINKS), &query).await
}

/// Links a policy to a global permission, with the policy's effect.
#[utoipa::path(put, path = "/api/v1/policies/{policy_id}/global-permissions/{global_permission_id}",
    tag = "policies", operation_id = "link_policy_global_permission", params(GlobalPath),
    request_body = Option<RelationBody>,
    responses((status = 204, description = "Linked"), WriteProblems))]
async fn link_global_permission(
    cx: Cx,
    Path(path): Path<GlobalPath>,
    OptionalJson(RelationBody {}): OptionalJson<RelationBody>,
) -> Result<StatusCode, Failure> {
    put(&cx, &path.policy_id, &Link::Global(path.global_permission_id)).await
}

/// Takes a global permission from a policy.
#[utoipa::path(delete, path = "/api/v1/policies/{policy_id}/global-permissions/{global_permission_id}",
    tag = "policies", operation_id = "unlink_policy_global_permission", params(GlobalPath),
    responses((status = 204, description = "Not linked"), WriteProblems))]
async fn unlink_global_permission(cx: Cx, Path(path): Path<GlobalPath>) -> Result<StatusCode, Failure> {
    take(&cx, &path.policy_id, &Link::Global(path.global_permission_id)).await
}

/// Lists the resources that a policy is linked to, by name.
///
/// `sort` takes `name`; `filter` also `id`.
#[utoipa::path(get, path = "/api/v1/policies/{policy_id}/resources", tag = "policies",
    operation_id = "list_policy_resources", params(PolicyPath, ListParams),
    responses((status = 200, description = "A page of links", body = inline(Listing<LinkBody>)), Problems))]
async fn list_resources(
    State(service): State<Service>,
    cx: Cx,
    Path(path): Path<PolicyPath>,
    query: ListQuery<NoSearch>,
) -> Result<Response, Failure> {
    page_links(&service, &cx, &path.policy_id, (LinkKind::Resource, &RESOURCE_LINKS), &query).await
}

/// Links a policy to a resource: its linked permissions are about that and all that lies in it.
#[utoipa::path(put, path = "/api/v1/policies/{policy_id}/resources/{resource_id}", tag = "policies",
    operation_id = "link_policy_resource", params(ResourcePath), request_body = Option<RelationBody>,
    responses((status = 204, description = "Linked"), WriteProblems))]
async fn link_resource(
    cx: Cx,
    Path(path): Path<ResourcePath>,
    OptionalJson(RelationBody {}): OptionalJson<RelationBody>,
) -> Result<StatusCode, Failure> {
    put(&cx, &path.policy_id, &Link::Resource(path.resource_id)).await
}

/// Takes a resource from a policy. What the policy's links deny is denied in the whole tenant once it has no
/// resource left.
#[utoipa::path(delete, path = "/api/v1/policies/{policy_id}/resources/{resource_id}", tag = "policies",
    operation_id = "unlink_policy_resource", params(ResourcePath),
    responses((status = 204, description = "Not linked"), WriteProblems))]
async fn unlink_resource(cx: Cx, Path(path): Path<ResourcePath>) -> Result<StatusCode, Failure> {
    take(&cx, &path.policy_id, &Link::Resource(path.resource_id)).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::check_columns;

    #[test]
    fn every_attribute_that_the_lists_offer_has_a_column_of_its_kind() {
        check_columns(&LIST, super::super::store::COLUMNS, &super::super::ORDER);
        for list in [PERMISSION_LINKS, GLOBAL_LINKS, RESOURCE_LINKS] {
            check_columns(&list, links::store::COLUMNS, &super::super::ORDER);
        }
    }
}
