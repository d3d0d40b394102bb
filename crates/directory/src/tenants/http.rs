//! Routes, request and response types of tenants. `POST /tenants` is with those who make one-time links.

use authz::Cx;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use base::Timestamp;
use base::id::{PlatformId, TenantId};
use base::query::{Direction, SortKey};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use web::list::{Attribute, Count, Values};
use web::openapi::{EditProblems, Problems, WriteProblems};
use web::{Failure, Field, IfMatch, Json, List, ListParams, ListQuery, Listing, MergePatch, Path, etag};

use super::{
    Deletion, NewTenant, Tenant, TenantChange, TenantQuery, TenantStatus, TenantStatusChange, billing,
    deletion,
};
use crate::config::TenantConfig;
use crate::users::NewUser;
use crate::users::http::{NewUserBody, search_key};
use crate::{Error, Service};

/// The routes inside a tenant, relative to it.
pub(crate) fn tenant_routes() -> OpenApiRouter<Service> {
    OpenApiRouter::new()
        .routes(routes!(read_own, update_own))
        .routes(routes!(read_own_config, update_own_config))
        .merge(billing::http::tenant_routes())
}

/// The routes of the platform.
pub(crate) fn platform_routes() -> OpenApiRouter<Service> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(read, update))
        .routes(routes!(read_config, update_config))
        .routes(routes!(suspend))
        .routes(routes!(deactivate))
        .routes(routes!(activate))
        .merge(billing::http::platform_routes())
        .merge(deletion::http::platform_routes())
}

/// A tenant.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Tenant)]
pub struct TenantBody {
    id: String,
    platform_id: String,
    /// As it stands in addresses; never changes.
    code: String,
    name: String,
    /// The domain of its organisation. A note: nothing is derived from it.
    domain: Option<String>,
    /// The OpenID issuer; never changes.
    issuer: String,
    /// Twelve digits; never changes.
    account_number: String,
    status: StatusWord,
    /// Every field, defaults included.
    config: TenantConfig,
    /// Its people, deleted ones excepted.
    user_count: i64,
    /// The bytes of its files; 0 until there is a file service.
    storage_used_bytes: i64,
    /// The calls of its API so far, up to about a minute ago.
    api_calls_count: i64,
    /// That it is deleted; only on the platform.
    #[serde(skip_serializing_if = "Option::is_none")]
    deletion: Option<DeletionBody>,
    /// That it is under a legal hold; only on the platform.
    #[serde(skip_serializing_if = "Option::is_none")]
    hold: Option<HoldBody>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// Whether a tenant is in use. Only the platform's people see what is not `active`.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = TenantStatus)]
pub(crate) enum StatusWord {
    Active,
    Inactive,
    Suspended,
    /// Answers nobody, and can be restored.
    Deleted,
    /// Goes for good just now.
    Purging,
}

impl StatusWord {
    fn of(tenant: &Tenant) -> Self {
        match (&tenant.deletion, tenant.status) {
            (Some(Deletion { purge_started_at: Some(_), .. }), _) => Self::Purging,
            (Some(_), _) => Self::Deleted,
            (None, TenantStatus::Active) => Self::Active,
            (None, TenantStatus::Inactive) => Self::Inactive,
            (None, TenantStatus::Suspended) => Self::Suspended,
        }
    }
}

/// That a tenant is deleted.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TenantDeletion)]
pub(crate) struct DeletionBody {
    #[schema(value_type = String, format = DateTime)]
    deleted_at: Timestamp,
    /// When it may go for good.
    #[schema(value_type = Option<String>, format = DateTime)]
    purge_at: Option<Timestamp>,
    /// Since when it is going; from then on nothing brings it back.
    #[schema(value_type = Option<String>, format = DateTime)]
    purge_started_at: Option<Timestamp>,
}

/// That nothing of a tenant may be purged.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TenantHold)]
pub(crate) struct HoldBody {
    reason: String,
    #[schema(value_type = String, format = DateTime)]
    held_at: Timestamp,
}

impl TryFrom<Tenant> for TenantBody {
    type Error = Error;

    fn try_from(tenant: Tenant) -> Result<Self, Error> {
        Ok(Self {
            config: TenantConfig::read(&tenant.config)?,
            status: StatusWord::of(&tenant),
            domain: tenant.domain,
            user_count: tenant.user_count,
            storage_used_bytes: tenant.storage_used_bytes,
            api_calls_count: tenant.api_calls_count,
            deletion: tenant.deletion.map(|deletion| DeletionBody {
                deleted_at: deletion.deleted_at,
                purge_at: deletion.purge_at,
                purge_started_at: deletion.purge_started_at,
            }),
            hold: tenant.hold.map(|hold| HoldBody { reason: hold.reason, held_at: hold.held_at }),
            id: tenant.id.to_string(),
            platform_id: tenant.platform_id.to_string(),
            code: tenant.code,
            name: tenant.name,
            issuer: tenant.issuer,
            account_number: tenant.account_number,
            created_at: tenant.created_at,
            updated_at: tenant.updated_at,
        })
    }
}

/// A body with the entity tag of the tenant's version.
pub(super) struct Tagged<T>(pub(super) i64, pub(super) T);

impl<T: Serialize> IntoResponse for Tagged<T> {
    fn into_response(self) -> Response {
        ([(header::ETAG, etag(self.0))], Json(self.1)).into_response()
    }
}

pub(super) type TaggedTenant = Result<Tagged<TenantBody>, Failure>;

/// A tenant as the platform's people see it.
pub(super) fn tagged(tenant: Tenant) -> TaggedTenant {
    Ok(Tagged(tenant.version, TenantBody::try_from(tenant)?))
}

/// A tenant as its own people see it: a hold is not theirs to know.
fn own(tenant: Tenant) -> TaggedTenant {
    tagged(Tenant { hold: None, ..tenant })
}

fn tagged_config(tenant: &Tenant) -> Result<Tagged<TenantConfig>, Failure> {
    Ok(Tagged(tenant.version, TenantConfig::read(&tenant.config)?))
}

/// A tenant to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewTenant)]
pub struct NewTenantBody {
    /// 2 to 40 characters of `a-z`, `0-9` and `-`; never changes.
    code: String,
    /// 1 to 128 characters, unique.
    name: String,
    /// What differs from the default configuration.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    config: Option<Value>,
    /// The platform that it belongs to; the default one where absent.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    platform_id: Option<PlatformId>,
    /// The domain of its organisation, in lower case.
    #[serde(default)]
    domain: Option<String>,
    /// The first administrator, with the role Super Admin and no password yet: the answer has a one-time link
    /// to choose one.
    #[serde(default)]
    admin: Option<NewUserBody>,
}

impl NewTenantBody {
    /// The tenant and the administrator that the body describes. Fails with [`Error::Invalid`].
    pub fn parse(self, cx: &Cx) -> Result<(NewTenant, Option<NewUser>), Error> {
        let admin = self.admin.map(|admin| admin.parse(cx)).transpose().map_err(|e| e.below("/admin"))?;
        let new = NewTenant {
            config: self.config.unwrap_or_else(|| json!({})),
            platform: self.platform_id,
            domain: self.domain,
            ..NewTenant::new(self.code, self.name)
        };
        Ok((new, admin))
    }
}

/// A merge patch (RFC 7396) over a tenant.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TenantPatch)]
pub(crate) struct TenantPatch {
    /// Another name.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    name: Field<String>,
    /// Another domain, or null for none.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    domain: Field<String>,
}

impl TenantPatch {
    fn parse(self) -> Result<TenantChange, Failure> {
        Ok(TenantChange { name: self.name.required("/name")?, domain: self.domain })
    }
}

/// The variables of a tenant's address on the platform.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct TenantPath {
    /// The tenant's id.
    #[param(value_type = String)]
    pub(super) tenant_id: TenantId,
}

/// What the list of tenants offers.
const LIST: List = List {
    name: "tenants",
    attributes: &[
        Attribute::both("code", Values::Text),
        Attribute::both("name", Values::Text),
        Attribute::filtered("domain", Values::Text),
        Attribute::filtered("platform_id", Values::Text),
        Attribute::filtered("account_number", Values::Text),
        Attribute::filtered(
            "status",
            Values::Word(&[
                ("active", "ACTIVE"),
                ("inactive", "INACTIVE"),
                ("suspended", "SUSPENDED"),
                ("deleted", "DELETED"),
                ("purging", "PURGING"),
            ]),
        ),
        Attribute::both("user_count", Values::Int),
        Attribute::both("created_at", Values::Time),
        Attribute::both("updated_at", Values::Time),
        Attribute::both("deletion.purge_at", Values::Time),
        Attribute::filtered("hold.held_at", Values::Time),
    ],
    order: &[SortKey { attribute: "code", direction: Direction::Ascending }],
};

/// What the list of tenants takes besides.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct TenantSearch {
    /// Only codes that begin with this, in any case of letters.
    q: Option<String>,
}

/// Lists tenants, by code where no order is asked for. Deleted ones are listed only where `filter` names
/// `status`.
///
/// `filter` knows `code`, `name`, `domain`, `platform_id`, `account_number`, `status`, `user_count`,
/// `created_at`, `updated_at`, `deletion.purge_at` and `hold.held_at`; `sort` knows `code`, `name`,
/// `user_count`, `created_at`, `updated_at` and `deletion.purge_at`.
#[utoipa::path(get, path = "/api/v1/tenants", tag = "tenants", operation_id = "list_tenants",
    params(ListParams, TenantSearch),
    responses((status = 200, description = "A page of tenants", body = inline(Listing<TenantBody>)), Problems))]
async fn list(
    State(service): State<Service>,
    cx: Cx,
    query: ListQuery<TenantSearch>,
) -> Result<Response, Failure> {
    let ask = LIST.read(&query)?;
    ask.check_fields::<TenantBody>()?;
    let q = query.own.q.as_deref().map(search_key).transpose()?.filter(|q| !q.is_empty());
    let caller = cx.actor().id().unwrap_or_default();
    let scope = [caller.as_str()];
    let query = TenantQuery {
        code_prefix: q,
        filter: ask.filter.clone(),
        order: ask.order.clone(),
        after: ask.after(service.cursors(), &scope)?,
        limit: ask.limit,
    };
    let found = super::list_tenants(&cx, &query).await?;
    let count = match ask.count {
        None => None,
        Some(how) => Some(super::count_tenants(&cx, &query, how == Count::Exact).await?),
    };
    let next = found.next.as_ref().map(|position| ask.seal(service.cursors(), &scope, position));
    let items = found.items.into_iter().map(TenantBody::try_from).collect::<Result<_, _>>()?;
    ask.answer(Listing { items, next, count })
}

/// Reads a tenant.
#[utoipa::path(get, path = "/api/v1/tenants/{tenant_id}", tag = "tenants", operation_id = "read_tenant",
    params(TenantPath),
    responses((status = 200, description = "The tenant", body = TenantBody), Problems))]
async fn read(cx: Cx, Path(path): Path<TenantPath>) -> TaggedTenant {
    tagged(super::load_tenant(&cx, &path.tenant_id).await?)
}

/// Changes a tenant's name or domain.
#[utoipa::path(patch, path = "/api/v1/tenants/{tenant_id}", tag = "tenants", operation_id = "update_tenant",
    params(TenantPath, ("If-Match" = String, Header, description = "The `ETag` of what was read")),
    request_body(content = TenantPatch, content_type = "application/merge-patch+json"),
    responses((status = 200, description = "Changed", body = TenantBody), EditProblems))]
async fn update(
    cx: Cx,
    Path(path): Path<TenantPath>,
    if_match: IfMatch,
    MergePatch(patch): MergePatch<TenantPatch>,
) -> TaggedTenant {
    tagged(super::update_tenant(&cx, &path.tenant_id, &if_match, patch.parse()?).await?)
}

/// Reads a tenant's configuration, defaults included.
#[utoipa::path(get, path = "/api/v1/tenants/{tenant_id}/config", tag = "tenants",
    operation_id = "read_tenant_config", params(TenantPath),
    responses((status = 200, description = "The configuration", body = TenantConfig), Problems))]
async fn read_config(cx: Cx, Path(path): Path<TenantPath>) -> Result<Tagged<TenantConfig>, Failure> {
    tagged_config(&super::load_tenant(&cx, &path.tenant_id).await?)
}

/// Changes a tenant's configuration; null gives a field its default back.
#[utoipa::path(patch, path = "/api/v1/tenants/{tenant_id}/config", tag = "tenants",
    operation_id = "update_tenant_config",
    params(TenantPath, ("If-Match" = String, Header, description = "The `ETag` of what was read")),
    request_body(content = TenantConfig, content_type = "application/merge-patch+json"),
    responses((status = 200, description = "Changed", body = TenantConfig), EditProblems))]
async fn update_config(
    cx: Cx,
    Path(path): Path<TenantPath>,
    if_match: IfMatch,
    MergePatch(patch): MergePatch<Value>,
) -> Result<Tagged<TenantConfig>, Failure> {
    tagged_config(&super::update_config(&cx, &path.tenant_id, &if_match, patch).await?)
}

/// Suspends an active tenant: nobody of it signs in, refreshes a token or is allowed anything.
#[utoipa::path(post, path = "/api/v1/tenants/{tenant_id}/suspend", tag = "tenants",
    operation_id = "suspend_tenant", params(TenantPath),
    responses((status = 200, description = "Suspended", body = TenantBody), WriteProblems))]
async fn suspend(cx: Cx, Path(path): Path<TenantPath>) -> TaggedTenant {
    tagged(super::change_tenant_status(&cx, &path.tenant_id, TenantStatusChange::Suspend).await?)
}

/// Deactivates an active tenant, with the same effect as suspending it.
#[utoipa::path(post, path = "/api/v1/tenants/{tenant_id}/deactivate", tag = "tenants",
    operation_id = "deactivate_tenant", params(TenantPath),
    responses((status = 200, description = "Inactive", body = TenantBody), WriteProblems))]
async fn deactivate(cx: Cx, Path(path): Path<TenantPath>) -> TaggedTenant {
    tagged(super::change_tenant_status(&cx, &path.tenant_id, TenantStatusChange::Deactivate).await?)
}

/// Activates a suspended or inactive tenant.
#[utoipa::path(post, path = "/api/v1/tenants/{tenant_id}/activate", tag = "tenants",
    operation_id = "activate_tenant", params(TenantPath),
    responses((status = 200, description = "Active again", body = TenantBody), WriteProblems))]
async fn activate(cx: Cx, Path(path): Path<TenantPath>) -> TaggedTenant {
    tagged(super::change_tenant_status(&cx, &path.tenant_id, TenantStatusChange::Activate).await?)
}

/// Reads the tenant itself.
#[utoipa::path(get, path = "/api/v1/tenant", tag = "tenant", operation_id = "read_own_tenant",
    responses((status = 200, description = "The tenant", body = TenantBody), Problems))]
async fn read_own(cx: Cx) -> TaggedTenant {
    own(super::load_own_tenant(&cx).await?)
}

/// Changes the name or the domain of the tenant itself.
#[utoipa::path(patch, path = "/api/v1/tenant", tag = "tenant", operation_id = "update_own_tenant",
    params(("If-Match" = String, Header, description = "The `ETag` of what was read")),
    request_body(content = TenantPatch, content_type = "application/merge-patch+json"),
    responses((status = 200, description = "Changed", body = TenantBody), EditProblems))]
async fn update_own(cx: Cx, if_match: IfMatch, MergePatch(patch): MergePatch<TenantPatch>) -> TaggedTenant {
    let id = cx.tenant()?.id.clone();
    own(super::update_tenant(&cx, &id, &if_match, patch.parse()?).await?)
}

/// Reads the tenant's configuration, defaults included.
#[utoipa::path(get, path = "/api/v1/tenant/config", tag = "tenant", operation_id = "read_own_tenant_config",
    responses((status = 200, description = "The configuration", body = TenantConfig), Problems))]
async fn read_own_config(cx: Cx) -> Result<Tagged<TenantConfig>, Failure> {
    tagged_config(&super::load_own_tenant(&cx).await?)
}

/// Changes the tenant's configuration; null gives a field its default back.
#[utoipa::path(patch, path = "/api/v1/tenant/config", tag = "tenant", operation_id = "update_own_tenant_config",
    params(("If-Match" = String, Header, description = "The `ETag` of what was read")),
    request_body(content = TenantConfig, content_type = "application/merge-patch+json"),
    responses((status = 200, description = "Changed", body = TenantConfig), EditProblems))]
async fn update_own_config(
    cx: Cx,
    if_match: IfMatch,
    MergePatch(patch): MergePatch<Value>,
) -> Result<Tagged<TenantConfig>, Failure> {
    let id = cx.tenant()?.id.clone();
    tagged_config(&super::update_config(&cx, &id, &if_match, patch).await?)
}
