//! Routes, request and response types of platforms.

use authz::Cx;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base::Timestamp;
use base::id::PlatformId;
use base::query::{Comparison, Filter, Scalar};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use web::list::{Attribute, Values};
use web::openapi::{EditProblems, Problems, WriteProblems};
use web::{Failure, IfMatch, Json, List, ListParams, ListQuery, Listing, MergePatch, Path, etag};

use super::{Platform, PlatformList, PlatformQuery};
use crate::Service;
use crate::users::http::search_key;

/// The routes of the platform.
pub(crate) fn platform_routes() -> OpenApiRouter<Service> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(read, update, delete))
}

/// A platform: what tenants belong to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Platform)]
pub(crate) struct PlatformBody {
    id: String,
    name: String,
    /// Its tenants, deleted ones that are not yet purged included.
    tenant_count: i64,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<Platform> for PlatformBody {
    fn from(platform: Platform) -> Self {
        Self {
            id: platform.id.to_string(),
            name: platform.name,
            tenant_count: platform.tenant_count,
            created_at: platform.created_at,
            updated_at: platform.updated_at,
        }
    }
}

/// A platform with the entity tag of the version.
struct Tagged(Platform);

impl IntoResponse for Tagged {
    fn into_response(self) -> Response {
        let tag = etag(self.0.version);
        ([(header::ETAG, tag)], Json(PlatformBody::from(self.0))).into_response()
    }
}

/// A platform to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewPlatform)]
pub(crate) struct NewPlatformBody {
    /// 1 to 128 characters, unique in any case of letters.
    name: String,
}

/// A merge patch (RFC 7396) over a platform.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PlatformPatch)]
pub(crate) struct PlatformPatch {
    /// Another name.
    name: String,
}

/// The variables of a platform's address.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct PlatformPath {
    /// The platform's id.
    #[param(value_type = String)]
    platform_id: PlatformId,
}

/// What platforms are listed by.
const LIST: List = List {
    name: "platforms",
    attributes: &[
        Attribute::both("name", Values::Folded),
        Attribute::both("created_at", Values::Time),
        Attribute::both("updated_at", Values::Time),
        Attribute::filtered("id", Values::Text),
    ],
    order: &super::ORDER,
};

/// What to look for among platforms.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct PlatformSearch {
    /// Only names that begin with this, in any case of letters.
    q: Option<String>,
}

/// Lists platforms, by name unless `sort` says otherwise.
///
/// `sort` and `filter` take `name`, `created_at` and `updated_at`; `filter` also `id`.
#[utoipa::path(get, path = "/api/v1/platforms", tag = "platforms", operation_id = "list_platforms",
    params(ListParams, PlatformSearch),
    responses((status = 200, description = "A page of platforms", body = inline(Listing<PlatformBody>)), Problems))]
async fn list(
    State(service): State<Service>,
    cx: Cx,
    query: ListQuery<PlatformSearch>,
) -> Result<Response, Failure> {
    let ask = LIST.read(&query)?;
    ask.check_fields::<PlatformBody>()?;
    let caller = cx.actor().id().unwrap_or_default();
    let scope = [caller.as_str()];
    let q = query.own.q.as_deref().map(search_key).transpose()?.filter(|q| !q.is_empty());
    let prefix = q.map(|q| Filter::Is("name", Comparison::StartsWith, Scalar::Text(q)));
    let query = PlatformQuery {
        filter: match (prefix, ask.filter.clone()) {
            (Some(prefix), Some(filter)) => Some(Filter::All(vec![prefix, filter])),
            (prefix, filter) => prefix.or(filter),
        },
        order: ask.order.clone(),
        count: ask.count,
        after: ask.after(service.cursors(), &scope)?,
        limit: ask.limit,
    };
    let PlatformList { items, next, count } = super::list_platforms(&cx, &query).await?;
    let next = next.map(|position| ask.seal(service.cursors(), &scope, &position));
    ask.answer(Listing { items: items.into_iter().map(PlatformBody::from).collect(), next, count })
}

/// Makes a platform.
#[utoipa::path(post, path = "/api/v1/platforms", tag = "platforms", operation_id = "create_platform",
    request_body = NewPlatformBody,
    responses((status = 201, description = "Made", body = PlatformBody), WriteProblems))]
async fn create(
    cx: Cx,
    Json(body): Json<NewPlatformBody>,
) -> Result<(StatusCode, HeaderMap, Tagged), Failure> {
    let platform = super::create_platform(&cx, &body.name).await?;
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(&format!("/api/v1/platforms/{}", platform.id)) {
        headers.insert(HeaderName::from_static("location"), value);
    }
    Ok((StatusCode::CREATED, headers, Tagged(platform)))
}

/// Reads a platform.
#[utoipa::path(get, path = "/api/v1/platforms/{platform_id}", tag = "platforms",
    operation_id = "read_platform", params(PlatformPath),
    responses((status = 200, description = "The platform", body = PlatformBody), Problems))]
async fn read(cx: Cx, Path(path): Path<PlatformPath>) -> Result<Tagged, Failure> {
    Ok(Tagged(super::load_platform(&cx, &path.platform_id).await?))
}

/// Renames a platform.
#[utoipa::path(patch, path = "/api/v1/platforms/{platform_id}", tag = "platforms",
    operation_id = "update_platform",
    params(PlatformPath, ("If-Match" = String, Header, description = "The `ETag` of what was read")),
    request_body(content = PlatformPatch, content_type = "application/merge-patch+json"),
    responses((status = 200, description = "Renamed", body = PlatformBody), EditProblems))]
async fn update(
    cx: Cx,
    Path(path): Path<PlatformPath>,
    if_match: IfMatch,
    MergePatch(patch): MergePatch<PlatformPatch>,
) -> Result<Tagged, Failure> {
    Ok(Tagged(super::rename_platform(&cx, &path.platform_id, &if_match, &patch.name).await?))
}

/// Deletes a platform that has no tenant.
#[utoipa::path(delete, path = "/api/v1/platforms/{platform_id}", tag = "platforms",
    operation_id = "delete_platform",
    params(PlatformPath, ("If-Match" = String, Header, description = "The `ETag` of what was read")),
    responses((status = 204, description = "Deleted"), EditProblems))]
async fn delete(cx: Cx, Path(path): Path<PlatformPath>, if_match: IfMatch) -> Result<StatusCode, Failure> {
    super::delete_platform(&cx, &path.platform_id, &if_match).await?;
    Ok(StatusCode::NO_CONTENT)
}
