//! What clients read first: OpenID Connect Discovery 1.0, RFC 8414, and the key set (RFC 7517).

use std::sync::Arc;

use authz::{Cx, Place, TenantRef};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use base::{Kind, Problem};
use http::HeaderValue;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE};
use serde::{Deserialize, Serialize};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use web::{Failure, Path};

use crate::Service;

/// How long both documents may be cached, in seconds. A client that meets an unknown `kid` asks again.
const CACHED: &str = "public, max-age=300";

pub(crate) fn routes(service: Service) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(openid_configuration))
        .routes(routes!(authorization_server))
        .routes(routes!(jwks))
        .with_state(service)
}

pub(crate) fn root_routes(service: Service) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(openid_configuration_at_root))
        .routes(routes!(authorization_server_at_root))
        .with_state(service)
}

/// The provider's metadata (RFC 8414 section 2, OpenID Connect Discovery section 3).
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Metadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    userinfo_endpoint: String,
    introspection_endpoint: String,
    revocation_endpoint: String,
    end_session_endpoint: String,
    scopes_supported: &'static [&'static str],
    response_types_supported: &'static [&'static str],
    response_modes_supported: &'static [&'static str],
    grant_types_supported: &'static [&'static str],
    acr_values_supported: &'static [&'static str],
    subject_types_supported: &'static [&'static str],
    id_token_signing_alg_values_supported: &'static [&'static str],
    token_endpoint_auth_methods_supported: &'static [&'static str],
    introspection_endpoint_auth_methods_supported: &'static [&'static str],
    revocation_endpoint_auth_methods_supported: &'static [&'static str],
    code_challenge_methods_supported: &'static [&'static str],
    prompt_values_supported: &'static [&'static str],
    claims_supported: &'static [&'static str],
    ui_locales_supported: &'static [&'static str],
    claims_parameter_supported: bool,
    request_parameter_supported: bool,
    request_uri_parameter_supported: bool,
    require_request_uri_registration: bool,
    authorization_response_iss_parameter_supported: bool,
}

fn metadata(tenant: &TenantRef) -> Metadata {
    const WITH_SECRET: &[&str] = &["client_secret_basic", "client_secret_post"];
    const ANY_METHOD: &[&str] = &["client_secret_basic", "client_secret_post", "none"];
    let at = |path: &str| format!("{}{path}", tenant.issuer);
    Metadata {
        issuer: tenant.issuer.clone(),
        authorization_endpoint: at("/oauth/authorize"),
        token_endpoint: at("/oauth/token"),
        jwks_uri: at("/oauth/jwks"),
        userinfo_endpoint: at("/oauth/userinfo"),
        introspection_endpoint: at("/oauth/introspect"),
        revocation_endpoint: at("/oauth/revoke"),
        end_session_endpoint: at("/oauth/logout"),
        scopes_supported: &["openid", "profile", "email", "phone", "offline_access", "signet"],
        response_types_supported: &["code"],
        response_modes_supported: &["query"],
        grant_types_supported: &["authorization_code", "refresh_token", "client_credentials"],
        acr_values_supported: &[authn::ACR_PASSWORD],
        subject_types_supported: &["public"],
        id_token_signing_alg_values_supported: &["RS256", "ES256", "EdDSA"],
        token_endpoint_auth_methods_supported: ANY_METHOD,
        introspection_endpoint_auth_methods_supported: WITH_SECRET,
        revocation_endpoint_auth_methods_supported: ANY_METHOD,
        code_challenge_methods_supported: &["S256"],
        prompt_values_supported: &["none", "login", "consent", "select_account"],
        claims_supported: &[
            "iss",
            "sub",
            "aud",
            "azp",
            "exp",
            "iat",
            "auth_time",
            "nonce",
            "at_hash",
            "acr",
            "amr",
            "sid",
            "name",
            "given_name",
            "family_name",
            "preferred_username",
            "picture",
            "locale",
            "zoneinfo",
            "updated_at",
            "email",
            "email_verified",
            "phone_number",
            "phone_number_verified",
        ],
        ui_locales_supported: &["en-US", "zh-CN"],
        claims_parameter_supported: false,
        request_parameter_supported: false,
        request_uri_parameter_supported: false,
        require_request_uri_registration: false,
        authorization_response_iss_parameter_supported: true,
    }
}

/// The provider's metadata for OpenID Connect.
#[utoipa::path(
    get, path = "/.well-known/openid-configuration", tag = "oauth", operation_id = "openid_configuration",
    responses((status = 200, body = Metadata), web::openapi::Problems)
)]
async fn openid_configuration(cx: Cx) -> Result<Response, Failure> {
    document(&metadata(cx.tenant()?))
}

/// The provider's metadata for OAuth.
#[utoipa::path(
    get, path = "/.well-known/oauth-authorization-server", tag = "oauth", operation_id = "oauth_metadata",
    responses((status = 200, body = Metadata), web::openapi::Problems)
)]
async fn authorization_server(cx: Cx) -> Result<Response, Failure> {
    document(&metadata(cx.tenant()?))
}

/// The public keys that tokens of this tenant are verified with.
#[utoipa::path(
    get, path = "/oauth/jwks", tag = "oauth", operation_id = "oauth_jwks",
    responses((status = 200, body = serde_json::Value, description = "A JWK set (RFC 7517 section 5)"), web::openapi::Problems)
)]
async fn jwks(State(service): State<Service>, cx: Cx) -> Result<Response, Failure> {
    let cx = service.core().system(Place::Tenant(cx.tenant()?.clone()));
    let set = service.keys().ensure(&cx).await?;
    document(&set.public(cx.now()))
}

#[derive(Deserialize, utoipa::IntoParams)]
struct TenantPath {
    /// The tenant's code.
    tenant: String,
}

/// The provider's metadata for OpenID Connect, at the address that RFC 8414 forms from an issuer.
#[utoipa::path(
    get, path = "/.well-known/openid-configuration/t/{tenant}", tag = "oauth",
    operation_id = "openid_configuration_at_root", params(TenantPath),
    responses((status = 200, body = Metadata), web::openapi::Problems)
)]
async fn openid_configuration_at_root(
    State(service): State<Service>,
    Path(path): Path<TenantPath>,
) -> Result<Response, Failure> {
    document(&metadata(&*service.tenant_at_root(&path.tenant).await?))
}

/// The provider's metadata for OAuth, at the address that RFC 8414 section 3.1 forms from an issuer.
#[utoipa::path(
    get, path = "/.well-known/oauth-authorization-server/t/{tenant}", tag = "oauth",
    operation_id = "oauth_metadata_at_root", params(TenantPath),
    responses((status = 200, body = Metadata), web::openapi::Problems)
)]
async fn authorization_server_at_root(
    State(service): State<Service>,
    Path(path): Path<TenantPath>,
) -> Result<Response, Failure> {
    document(&metadata(&*service.tenant_at_root(&path.tenant).await?))
}

impl Service {
    async fn tenant_at_root(&self, code: &str) -> Result<Arc<TenantRef>, Problem> {
        let found = self.0.directory.tenant_by_code(code).await.map_err(Problem::from)?;
        found.ok_or_else(|| Problem::new(Kind::NotFound, "not_found", "there is no such tenant here"))
    }
}

/// A public document: any page may read it.
fn document(body: &impl Serialize) -> Result<Response, Failure> {
    let bytes = serde_json::to_vec(body).map_err(|_| base::bug!("a document cannot be written as json"))?;
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (CACHE_CONTROL, HeaderValue::from_static(CACHED)),
        (ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
    ];
    Ok((headers, bytes).into_response())
}
