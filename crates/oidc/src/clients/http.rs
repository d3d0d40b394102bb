//! `/api/v1/clients`.

mod list;

use authz::Cx;
use authz::access::{Registration, RegistrationText};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use base::Timestamp;
use base::id::ClientId;
use http::StatusCode;
use http::header::{ETAG, LOCATION};
use jose::Algorithm;
use serde::{Deserialize, Serialize};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use web::{Failure, Field, IfMatch, Json, MergePatch, Path, etag};

use super::{Client, ClientChange, ClientStatus, NewClient, Shown};
use crate::Service;

pub(crate) fn routes(service: Service) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(create, list::list))
        .routes(routes!(read, update, delete))
        .routes(routes!(rotate_secret))
        .with_state(service)
}

/// What a client is an enforcement point for: the actions and resources that it may ask about, where it also
/// holds `access:Evaluate`.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EnforcementPoint {
    /// Patterns of actions, like `document:*`: 1 to 50.
    actions: Vec<String>,
    /// Patterns of resources, like `document:*`: 1 to 50.
    resources: Vec<String>,
    /// Context keys that its questions may carry, in any case of letters: at most 50. `aws:…` and `signet:…` come
    /// from the decision point.
    #[serde(default)]
    context_keys: Vec<String>,
    /// Whether its questions may carry the end user's address as the context key `end_user_address`.
    #[serde(default)]
    end_user_address: bool,
}

impl From<Registration> for EnforcementPoint {
    fn from(registration: Registration) -> Self {
        let RegistrationText { actions, resources, context_keys, end_user_address } =
            registration.text().clone();
        Self { actions, resources, context_keys, end_user_address }
    }
}

impl EnforcementPoint {
    fn parse(self) -> Result<Registration, authz::Error> {
        let Self { actions, resources, context_keys, end_user_address } = self;
        let text = RegistrationText { actions, resources, context_keys, end_user_address };
        Registration::parse(text).map_err(|error| error.below("/evaluation"))
    }
}

/// An OAuth client. Its secret stands in the answers to its creation and to a rotation, and nowhere else.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ClientBody {
    /// The id.
    #[schema(value_type = String)]
    id: ClientId,
    /// The public name, as OAuth requests have it.
    client_id: String,
    /// The name for people.
    name: String,
    /// What it is.
    description: Option<String>,
    /// `client_secret_basic`, `client_secret_post` or `none`.
    client_authentication_methods: Vec<String>,
    /// `authorization_code`, `refresh_token`, `client_credentials`.
    authorization_grant_types: Vec<String>,
    /// Where codes may be sent.
    redirect_uris: Vec<String>,
    /// Where a browser may be sent after signing out.
    post_logout_redirect_uris: Vec<String>,
    /// What it may ask for.
    scopes: Vec<String>,
    /// Always true: every authorization request needs S256.
    require_proof_key: bool,
    /// Whether the person is asked.
    require_authorization_consent: bool,
    /// Whether it may be used.
    status: ClientStatus,
    /// Life of access tokens, in seconds.
    access_token_ttl_seconds: i64,
    /// Life of refresh tokens, in seconds.
    refresh_token_ttl_seconds: i64,
    /// `RS256`, `ES256` or `EdDSA`.
    id_token_signed_response_alg: String,
    /// `RS256`, `ES256` or `EdDSA`.
    access_token_alg: String,
    /// Audiences of access tokens besides Signet itself.
    audience: Vec<String>,
    /// What it is an enforcement point for; null if it is none.
    evaluation: Option<EnforcementPoint>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    /// Counts changes; also in `ETag`.
    version: i64,
    /// The secret, this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
}

impl From<Client> for ClientBody {
    fn from(client: Client) -> Self {
        Self {
            id: client.id,
            client_id: client.client_id,
            name: client.name,
            description: client.description,
            client_authentication_methods: client.methods,
            authorization_grant_types: client.grants,
            redirect_uris: client.redirect_uris,
            post_logout_redirect_uris: client.post_logout_redirect_uris,
            scopes: client.scopes,
            require_proof_key: client.require_proof_key,
            require_authorization_consent: client.require_consent,
            status: client.status,
            access_token_ttl_seconds: client.access_token_ttl_seconds,
            refresh_token_ttl_seconds: client.refresh_token_ttl_seconds,
            id_token_signed_response_alg: client.id_token_alg.as_str().to_owned(),
            access_token_alg: client.access_token_alg.as_str().to_owned(),
            audience: client.audience,
            evaluation: client.evaluation.map(EnforcementPoint::from),
            created_at: client.created_at,
            updated_at: client.updated_at,
            version: client.version,
            client_secret: None,
        }
    }
}

/// A client to be made.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateClient {
    /// The public name; a random one where absent.
    client_id: Option<String>,
    /// The name for people.
    name: String,
    /// What it is.
    description: Option<String>,
    /// `client_secret_basic`, `client_secret_post`, or `none` alone.
    client_authentication_methods: Vec<String>,
    /// `authorization_code`, `refresh_token`, `client_credentials`.
    authorization_grant_types: Vec<String>,
    /// Where codes may be sent.
    #[serde(default)]
    redirect_uris: Vec<String>,
    /// Where a browser may be sent after signing out.
    #[serde(default)]
    post_logout_redirect_uris: Vec<String>,
    /// What it may ask for.
    #[serde(default)]
    scopes: Vec<String>,
    /// Whether the person is asked; true where absent.
    require_authorization_consent: Option<bool>,
    /// Life of access tokens, in seconds: 60 to 86,400; 900 where absent.
    access_token_ttl_seconds: Option<i64>,
    /// Life of refresh tokens, in seconds: 60 to 7,776,000; 604,800 where absent.
    refresh_token_ttl_seconds: Option<i64>,
    /// `RS256` where absent.
    #[schema(value_type = Option<String>)]
    id_token_signed_response_alg: Option<Algorithm>,
    /// `EdDSA` where absent.
    #[schema(value_type = Option<String>)]
    access_token_alg: Option<Algorithm>,
    /// Audiences of access tokens besides Signet itself.
    #[serde(default)]
    audience: Vec<String>,
    /// What it is an enforcement point for. Needs the grant type `client_credentials`.
    evaluation: Option<EnforcementPoint>,
}

impl CreateClient {
    fn into_new(self) -> Result<NewClient, Failure> {
        let usual = NewClient::named(&self.name);
        Ok(NewClient {
            client_id: self.client_id,
            description: self.description,
            methods: self.client_authentication_methods,
            grants: self.authorization_grant_types,
            redirect_uris: self.redirect_uris,
            post_logout_redirect_uris: self.post_logout_redirect_uris,
            scopes: self.scopes,
            require_consent: self.require_authorization_consent.unwrap_or(usual.require_consent),
            access_token_ttl_seconds: self.access_token_ttl_seconds.unwrap_or(usual.access_token_ttl_seconds),
            refresh_token_ttl_seconds: self
                .refresh_token_ttl_seconds
                .unwrap_or(usual.refresh_token_ttl_seconds),
            id_token_alg: self.id_token_signed_response_alg.unwrap_or(usual.id_token_alg),
            access_token_alg: self.access_token_alg.unwrap_or(usual.access_token_alg),
            audience: self.audience,
            evaluation: self.evaluation.map(EnforcementPoint::parse).transpose()?,
            ..usual
        })
    }
}

/// What to change. The public name, the methods and the secret have their own ways or none.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PatchClient {
    /// Another name.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    name: Field<String>,
    /// Another description; null removes it.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    description: Field<String>,
    /// Other grant types.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    authorization_grant_types: Field<Vec<String>>,
    /// Other redirect addresses.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    redirect_uris: Field<Vec<String>>,
    /// Other addresses after signing out.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    post_logout_redirect_uris: Field<Vec<String>>,
    /// Other scopes.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    scopes: Field<Vec<String>>,
    /// Whether the person is asked.
    #[serde(default)]
    #[schema(value_type = Option<bool>)]
    require_authorization_consent: Field<bool>,
    /// Whether it may be used.
    #[serde(default)]
    #[schema(value_type = Option<ClientStatus>)]
    status: Field<ClientStatus>,
    /// Life of access tokens, in seconds.
    #[serde(default)]
    #[schema(value_type = Option<i64>)]
    access_token_ttl_seconds: Field<i64>,
    /// Life of refresh tokens, in seconds.
    #[serde(default)]
    #[schema(value_type = Option<i64>)]
    refresh_token_ttl_seconds: Field<i64>,
    /// Algorithm of ID tokens.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    id_token_signed_response_alg: Field<Algorithm>,
    /// Algorithm of access tokens.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    access_token_alg: Field<Algorithm>,
    /// Audiences of access tokens besides Signet itself.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    audience: Field<Vec<String>>,
    /// What it is an enforcement point for: the whole of it; null if it is none.
    #[serde(default)]
    #[schema(value_type = Option<EnforcementPoint>)]
    evaluation: Field<EnforcementPoint>,
}

impl PatchClient {
    fn into_change(self) -> Result<ClientChange, Failure> {
        Ok(ClientChange {
            name: self.name.required("/name")?,
            description: match self.description {
                Field::Absent => None,
                Field::Null => Some(None),
                Field::Value(text) => Some(Some(text)),
            },
            grants: self.authorization_grant_types.required("/authorization_grant_types")?,
            redirect_uris: self.redirect_uris.required("/redirect_uris")?,
            post_logout_redirect_uris: self
                .post_logout_redirect_uris
                .required("/post_logout_redirect_uris")?,
            scopes: self.scopes.required("/scopes")?,
            require_consent: self.require_authorization_consent.required("/require_authorization_consent")?,
            status: self.status.required("/status")?,
            access_token_ttl_seconds: self.access_token_ttl_seconds.required("/access_token_ttl_seconds")?,
            refresh_token_ttl_seconds: self
                .refresh_token_ttl_seconds
                .required("/refresh_token_ttl_seconds")?,
            id_token_alg: self.id_token_signed_response_alg.required("/id_token_signed_response_alg")?,
            access_token_alg: self.access_token_alg.required("/access_token_alg")?,
            audience: self.audience.required("/audience")?,
            evaluation: match self.evaluation {
                Field::Absent => None,
                Field::Null => Some(None),
                Field::Value(point) => Some(Some(point.parse()?)),
            },
        })
    }
}

#[derive(Deserialize, utoipa::IntoParams)]
struct ClientPath {
    /// The id of the client.
    #[param(value_type = String)]
    id: ClientId,
}

/// Makes a client. A confidential one gets a random secret, answered this once.
#[utoipa::path(
    post, path = "/api/v1/clients", tag = "clients", operation_id = "create_client", request_body = CreateClient,
    responses((status = 201, body = ClientBody), web::openapi::WriteProblems)
)]
async fn create(
    State(service): State<Service>,
    cx: Cx,
    Json(body): Json<CreateClient>,
) -> Result<Response, Failure> {
    let shown = service.create_client(&cx, body.into_new()?).await?;
    let location = format!("/t/{}/api/v1/clients/{}", cx.tenant()?.code, shown.client.id);
    let tag = etag(shown.client.version);
    Ok((StatusCode::CREATED, [(ETAG, tag)], [(LOCATION, location)], Json(with_secret(shown))).into_response())
}

fn with_secret(shown: Shown) -> ClientBody {
    let client_secret = shown.secret.map(|secret| secret.expose().clone());
    ClientBody { client_secret, ..shown.client.into() }
}

/// Reads a client.
#[utoipa::path(
    get, path = "/api/v1/clients/{id}", tag = "clients", operation_id = "read_client", params(ClientPath),
    responses((status = 200, body = ClientBody), web::openapi::Problems)
)]
async fn read(
    State(service): State<Service>,
    cx: Cx,
    Path(path): Path<ClientPath>,
) -> Result<Response, Failure> {
    let client = service.read_client(&cx, &path.id).await?;
    Ok(([(ETAG, etag(client.version))], Json(ClientBody::from(client))).into_response())
}

/// Changes a client. Disabling it stops its tokens at once.
#[utoipa::path(
    patch, path = "/api/v1/clients/{id}", tag = "clients", operation_id = "update_client", params(ClientPath),
    request_body(content = PatchClient, content_type = "application/merge-patch+json"),
    responses((status = 200, body = ClientBody), web::openapi::EditProblems)
)]
async fn update(
    State(service): State<Service>,
    cx: Cx,
    Path(path): Path<ClientPath>,
    if_match: IfMatch,
    MergePatch(body): MergePatch<PatchClient>,
) -> Result<Response, Failure> {
    let present = service.read_client(&cx, &path.id).await?;
    if_match.check(present.version)?;
    let client = service.update_client(&cx, &path.id, body.into_change()?, Some(present.version)).await?;
    Ok(([(ETAG, etag(client.version))], Json(ClientBody::from(client))).into_response())
}

/// Removes a client with all its tokens.
#[utoipa::path(
    delete, path = "/api/v1/clients/{id}", tag = "clients", operation_id = "delete_client", params(ClientPath),
    responses((status = 204, description = "Removed"), web::openapi::EditProblems)
)]
async fn delete(
    State(service): State<Service>,
    cx: Cx,
    Path(path): Path<ClientPath>,
    if_match: IfMatch,
) -> Result<StatusCode, Failure> {
    let present = service.read_client(&cx, &path.id).await?;
    if_match.check(present.version)?;
    service.delete_client(&cx, &path.id, Some(present.version)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives a confidential client another secret, answered this once; the old one stops at once.
#[utoipa::path(
    post, path = "/api/v1/clients/{id}/rotate-secret", tag = "clients", operation_id = "rotate_client_secret",
    params(ClientPath), responses((status = 200, body = ClientBody), web::openapi::WriteProblems)
)]
async fn rotate_secret(
    State(service): State<Service>,
    cx: Cx,
    Path(path): Path<ClientPath>,
) -> Result<Response, Failure> {
    let shown = service.rotate_client_secret(&cx, &path.id).await?;
    let tag = etag(shown.client.version);
    Ok(([(ETAG, tag)], Json(with_secret(shown))).into_response())
}
