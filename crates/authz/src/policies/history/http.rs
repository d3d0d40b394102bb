//! Routes, request and response types of the versions of policies.

use axum::extract::State;
use axum::response::Response;
use base::Timestamp;
use base::id::PolicyId;
use policy::diff::{Element, StatementDiff};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use web::list::{Attribute, Values};
use web::openapi::{EditProblems, Problems};
use web::{Failure, IfMatch, Json, List, ListParams, ListQuery, Listing, Path, Query};

use super::{Difference, Version};
use crate::http::{Asked, NoSearch, Tagged};
use crate::policies::http::{EffectWord, PolicyBody, PolicyPath, tagged};
use crate::{Cx, Service};

/// The routes, relative to a tenant.
pub(in crate::policies) fn routes() -> OpenApiRouter<Service> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(read))
        .routes(routes!(roll_back))
        .routes(routes!(compare))
}

/// A policy as it was from one change to the next.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PolicyVersion)]
struct VersionBody {
    /// Its number, counted from 1.
    version: i64,
    /// The policy's name then.
    name: String,
    description: Option<String>,
    /// What it said, in canonical form.
    #[schema(value_type = Option<Object>)]
    document: Option<Value>,
    effect: EffectWord,
    priority: i64,
    expression: Option<String>,
    /// When it came to be.
    #[schema(value_type = String, format = DateTime)]
    changed_at: Timestamp,
    /// Who made it so: the id of a principal, or `os:{uid}` for the host.
    changed_by: Option<String>,
}

impl From<Version> for VersionBody {
    fn from(of: Version) -> Self {
        Self {
            version: of.version,
            name: of.name,
            description: of.description,
            document: of.document,
            effect: of.effect.into(),
            priority: of.priority,
            expression: of.expression,
            changed_at: of.changed_at,
            changed_by: of.changed_by,
        }
    }
}

/// What differs between two versions.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PolicyDiff)]
struct DiffBody {
    from: i64,
    to: i64,
    /// Members of the policy, and `document.Id`.
    members: Vec<ElementBody>,
    /// Statements, each followed by its `Sid`, by what it says, or by its place.
    statements: Vec<StatementDiffBody>,
}

/// A member, or an element of a statement, that differs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PolicyDiffElement)]
struct ElementBody {
    /// Its name; a condition is `Condition/{operator}/{key}`.
    name: String,
    /// What it was; null where it was not there.
    before: Option<Value>,
    /// What it is; null where it is not there.
    after: Option<Value>,
}

impl From<Element> for ElementBody {
    fn from(of: Element) -> Self {
        Self { name: of.name, before: of.before, after: of.after }
    }
}

/// A statement that differs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PolicyDiffStatement)]
struct StatementDiffBody {
    /// `added`, `removed` or `changed`.
    change: &'static str,
    sid: Option<String>,
    /// Its place in the earlier document, from 0.
    before: Option<usize>,
    /// Its place in the later one.
    after: Option<usize>,
    /// What differs in it; of an added or removed one, all that it says.
    elements: Vec<ElementBody>,
}

impl From<StatementDiff> for StatementDiffBody {
    fn from(of: StatementDiff) -> Self {
        Self {
            change: of.change.as_str(),
            sid: of.sid,
            before: of.before,
            after: of.after,
            elements: of.elements.into_iter().map(ElementBody::from).collect(),
        }
    }
}

impl From<Difference> for DiffBody {
    fn from(of: Difference) -> Self {
        Self {
            from: of.from,
            to: of.to,
            members: of.diff.members.into_iter().map(ElementBody::from).collect(),
            statements: of.diff.statements.into_iter().map(StatementDiffBody::from).collect(),
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct VersionPath {
    /// The policy's id.
    #[param(value_type = String)]
    policy_id: PolicyId,
    /// The number of the version.
    version: i64,
}

/// Which versions to compare.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Compared {
    /// The earlier version; the one before `to` where absent.
    from: Option<i64>,
    /// The later version; the present one where absent.
    to: Option<i64>,
}

/// What the versions of a policy are listed by.
const LIST: List = List {
    name: "policy versions",
    attributes: &[
        Attribute::both("version", Values::Int),
        Attribute::both("changed_at", Values::Time),
        Attribute::filtered("changed_by", Values::Text),
    ],
    order: &super::ORDER,
};

/// Lists the versions of a policy, the newest first: the last 20, the present one among them.
///
/// `sort` and `filter` take `version` and `changed_at`; `filter` also `changed_by`.
#[utoipa::path(get, path = "/api/v1/policies/{policy_id}/versions", tag = "policies",
    operation_id = "list_policy_versions", params(PolicyPath, ListParams),
    responses((status = 200, description = "A page of versions", body = inline(Listing<VersionBody>)), Problems))]
async fn list(
    State(service): State<Service>,
    cx: Cx,
    Path(path): Path<PolicyPath>,
    query: ListQuery<NoSearch>,
) -> Result<Response, Failure> {
    let asked = Asked::new::<_, VersionBody>(&service, &cx, &LIST, Some(path.policy_id.as_str()), &query)?;
    asked.answer::<_, VersionBody>(super::page_versions(&cx, &path.policy_id, &asked.listing()?).await?)
}

/// Reads one version of a policy.
#[utoipa::path(get, path = "/api/v1/policies/{policy_id}/versions/{version}", tag = "policies",
    operation_id = "read_policy_version", params(VersionPath),
    responses((status = 200, description = "The version", body = VersionBody), Problems))]
async fn read(cx: Cx, Path(path): Path<VersionPath>) -> Result<Json<VersionBody>, Failure> {
    Ok(Json(super::load_version(&cx, &path.policy_id, path.version).await?.into()))
}

/// Makes a policy say again what an earlier version said, as a new version. Its name and its links stay.
///
/// Asks for what a change of the same content asks for.
#[utoipa::path(post, path = "/api/v1/policies/{policy_id}/versions/{version}/rollback", tag = "policies",
    operation_id = "roll_back_policy",
    params(VersionPath, ("If-Match" = String, Header, description = "The `ETag` of what was read")),
    responses((status = 200, description = "The policy as it is now", body = PolicyBody), EditProblems))]
async fn roll_back(
    cx: Cx,
    Path(path): Path<VersionPath>,
    if_match: IfMatch,
) -> Result<Tagged<PolicyBody>, Failure> {
    Ok(tagged(super::roll_back(&cx, &path.policy_id, &if_match, path.version).await?))
}

/// Compares two versions of a policy, statement by statement.
///
/// The order of patterns and values in a list makes no difference.
#[utoipa::path(get, path = "/api/v1/policies/{policy_id}/diff", tag = "policies",
    operation_id = "compare_policy_versions", params(PolicyPath, Compared),
    responses((status = 200, description = "What differs", body = DiffBody), Problems))]
async fn compare(
    cx: Cx,
    Path(path): Path<PolicyPath>,
    Query(compared): Query<Compared>,
) -> Result<Json<DiffBody>, Failure> {
    let found = super::compare_versions(&cx, &path.policy_id, compared.from, compared.to).await?;
    Ok(Json(found.into()))
}

#[cfg(test)]
mod tests {
    use super::super::{ORDER, store};
    use super::*;
    use crate::listing::check_columns;

    #[test]
    fn every_attribute_that_the_list_offers_has_a_column_of_its_kind() {
        check_columns(&LIST, store::COLUMNS, &ORDER);
    }
}
