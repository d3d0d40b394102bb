//! The composition root: every service made once, every route put in its place.

use std::sync::Arc;

use authz::{Core, Cx};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base::{Clock, OsRandom, Random, SystemClock};
use kms::{KeyDirectory, KeyFile, KeyStoreSource, Kms, RootKeySource};
use store::{Store, StoreError, StoreOptions};
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;
use utoipa_axum::router::OpenApiRouter;
use web::{Hosts, Path, RequestLayer, TrustedProxies};

use crate::access_log::{self, AccessLog};
use crate::config::{Config, RootKey, TenantKeys};
use crate::{context, docs, idempotency};

/// Everything that can stop the server from starting, in words for whoever starts it.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// What was asked for must not be: exit status 2.
    #[error("{0}")]
    Refused(String),
    /// It could not be done: exit status 1.
    #[error("{0}")]
    Failed(String),
}

/// Wraps any problem of a slice as a start-up error with its whole chain.
pub(crate) fn start_error(what: &str, problem: impl Into<base::Problem>) -> StartError {
    let problem = problem.into();
    let chain = problem.private_chain();
    let reason = if chain.is_empty() { problem.detail().to_owned() } else { chain };
    StartError::Failed(format!("{what}: {reason}"))
}

/// Every service. Cheap to clone.
#[derive(Clone)]
pub struct Services {
    /// Store, clock, randomness, decisions, audit queue.
    pub core: Core,
    /// Keys.
    pub kms: Kms,
    /// Tenants and people.
    pub directory: directory::Service,
    /// Passwords, sessions, pages.
    pub authn: authn::Service,
    /// The OAuth and OpenID provider.
    pub oidc: oidc::Service,
    /// `apply` and `export`.
    pub manifest: manifest::Service,
    /// The origin that browsers see.
    pub public_origin: Arc<str>,
}

/// Opens the database and wires every service, without listeners: what `serve` and the host commands
/// share. `migrate` brings the schema up; otherwise another version than this binary's is refused.
pub async fn open(config: &Config, migrate: bool) -> Result<Services, StartError> {
    let store = open_store(config).await?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    if migrate {
        store::migrate::up(&store, clock.now()).await.map_err(schema_error)?;
    } else {
        store::migrate::require(&store).await.map_err(schema_error)?;
    }
    let random: Arc<dyn Random> = Arc::new(OsRandom::new(fill_random));
    let core = Core::with_rates(store, clock, random, config.question_rates)
        .map_err(|e| start_error("decisions", e))?;
    wire(config, core).await
}

/// Opens the database alone.
pub async fn open_store(config: &Config) -> Result<Store, StartError> {
    if !config.is_postgres() {
        make_directory(&config.data_directory)?;
    }
    Store::open(&store_options(config)).await.map_err(|e| match e {
        StoreError::Configuration(text) => StartError::Refused(format!("database: {text}")),
        e => {
            let cause = std::error::Error::source(&e).map(|s| format!(" ({s})")).unwrap_or_default();
            StartError::Failed(format!("database: {e}{cause}"))
        }
    })
}

/// Where the database is.
pub(crate) fn store_options(config: &Config) -> StoreOptions {
    StoreOptions {
        url: config.database_url.clone(),
        connections_max: config.database_connections,
        allow_superuser: config.database_allow_superuser,
    }
}

/// A schema of another build stops the start for good, as wrong configuration does; what failed may be tried again.
fn schema_error(error: StoreError) -> StartError {
    match error {
        StoreError::OtherSchema(text) => StartError::Refused(format!("database: {text}")),
        error => StartError::Failed(error.to_string()),
    }
}

/// The data directory is this user's alone.
fn make_directory(path: &std::path::Path) -> Result<(), StartError> {
    use std::os::unix::fs::DirBuilderExt;
    if path.is_dir() {
        return Ok(());
    }
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|e| StartError::Failed(format!("data directory {}: {e}", path.display())))
}

/// The generator of the cryptographic library seeds itself from the operating system. Without
/// randomness nothing may go on.
fn fill_random(buffer: &mut [u8]) {
    if aws_lc_rs::rand::fill(buffer).is_err() {
        std::process::abort();
    }
}

async fn wire(config: &Config, core: Core) -> Result<Services, StartError> {
    let data_directory = (!config.is_postgres()).then(|| config.data_directory.clone());
    let file =
        |path: &std::path::Path| KeyFile { path: path.to_path_buf(), data_directory: data_directory.clone() };
    let source = match &config.root_key {
        RootKey::Environment(key) => RootKeySource::Text(key.clone()),
        RootKey::NamedFile(path) => RootKeySource::File(file(path)),
        RootKey::DefaultFile(path) => RootKeySource::Unset { default: file(path) },
    };
    let keys = match &config.tenant_keys {
        TenantKeys::Directory(path) => KeyStoreSource::Directory(KeyDirectory {
            path: path.clone(),
            data_directory: data_directory.clone(),
        }),
        TenantKeys::Database(url) => KeyStoreSource::Database(url.clone()),
        TenantKeys::SameDatabase => KeyStoreSource::SameDatabase,
    };
    let kms = Kms::open_with(&core, source, keys).await.map_err(|e| start_error("keys", e))?;
    let origin = config.public_origin();
    let hold = config.deletion_hold_seconds;
    let directory = directory::Service::with_deletion_hold(core.clone(), kms.clone(), origin.clone(), hold);
    let authn_config = authn::Config::new(origin.clone());
    let authn = authn::Service::new(core.clone(), kms.clone(), directory.clone(), authn_config)
        .map_err(|e| start_error("passwords", e))?;
    let oidc_config = oidc::Config::new(origin.clone());
    let oidc = oidc::Service::new(core.clone(), kms.clone(), directory.clone(), authn.clone(), oidc_config);
    let manifest = manifest::Service::new(core.clone(), directory.clone(), authn.clone(), oidc.clone());
    Ok(Services { core, kms, directory, authn, oidc, manifest, public_origin: origin.into() })
}

/// What the document says of the whole API.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Signet",
        description = "Identity, access and keys. Every operation of a tenant stands below `/t/{tenant}`; those of the \
                       platform below `/api/v1`. Errors are RFC 9457 problems with stable codes."
    ),
    components(schemas(web::openapi::ProblemBody, web::openapi::FieldErrorBody)),
    modifiers(&Security)
)]
struct Base;

/// The two ways to say who calls.
struct Security;

impl utoipa::Modify for Security {
    fn modify(&self, document: &mut Document) {
        use utoipa::openapi::security::{
            ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme,
        };
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
        let cookie = ApiKeyValue::with_description(
            "__Host-s-{tenant id}",
            "the session of a browser, same origin only",
        );
        components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
        document.security = Some(vec![
            SecurityRequirement::new("bearer", Vec::<String>::new()),
            SecurityRequirement::new("session", Vec::<String>::new()),
        ]);
    }
}

/// All routes with their document, before the layers.
pub fn routes(services: &Services) -> (Router, Document) {
    let tenant = OpenApiRouter::new()
        .merge(directory::tenant_routes(services.directory.clone()))
        .merge(authz::tenant_routes(authz_service(services)))
        .merge(audit::tenant_routes(audit_service(services)))
        .merge(authn::tenant_routes(services.authn.clone()))
        .merge(oidc::tenant_routes(services.oidc.clone()))
        .merge(kms::tenant_routes(services.kms.clone()))
        .merge(manifest::tenant_routes(services.manifest.clone()));
    let platform = OpenApiRouter::new()
        .merge(directory::platform_routes(services.directory.clone()))
        .merge(authn::platform_routes(services.authn.clone()))
        .merge(authz::platform_routes(authz_service(services)))
        .merge(audit::platform_routes(audit_service(services)))
        .merge(kms::platform_routes(services.kms.clone()))
        .merge(manifest::platform_routes(services.manifest.clone()));
    let (router, mut document) = OpenApiRouter::with_openapi(Base::openapi())
        .nest("/t/{tenant}", tenant)
        .merge(platform)
        .merge(oidc::root_routes(services.oidc.clone()))
        .split_for_parts();
    document.info.version = env!("CARGO_PKG_VERSION").to_owned();
    idempotency::describe(&mut document);
    (router, document)
}

fn authz_service(services: &Services) -> authz::Service {
    authz::Service::new(web::CursorKey::new(*services.kms.derive("authz cursors 1").expose()))
}

fn audit_service(services: &Services) -> audit::Service {
    audit::Service::new(web::CursorKey::new(*services.kms.derive("audit cursors 1").expose()))
}

/// The whole application as the web listener serves it.
pub(crate) fn application(
    services: &Services,
    config: &Config,
    log: Option<AccessLog>,
) -> Result<Router, StartError> {
    let (api, document) = routes(services);
    let open = Router::new()
        .route("/.well-known/authzen-configuration/t/{tenant}", get(authzen_metadata))
        .route("/favicon.ico", get(|| async { StatusCode::NO_CONTENT }))
        .route("/", get(|| async { web::see_other("/t/default", Vec::new()) }))
        // A nested router answers at its prefix alone, not at the same with a slash, which people type.
        .route("/t/{tenant}/", get(tenant_home))
        .with_state(services.clone());
    let probes = Router::new()
        .route(HEALTHZ, get(|| async { "ok" }))
        .route(READYZ, get(ready))
        .with_state(services.clone());
    let edge = Edge { services: services.clone(), requests: request_layer(services, config)?, log };
    Ok(api
        .merge(open)
        .merge(docs::routes(services, document, config.docs_public))
        .merge(probes)
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state(Arc::new(edge), through)))
}

/// Probes name the host by its address: what refuses unknown hosts does not see them.
const HEALTHZ: &str = "/healthz";
const READYZ: &str = "/readyz";

/// What stands around every route.
struct Edge {
    services: Services,
    requests: RequestLayer,
    log: Option<AccessLog>,
}

/// The one middleware, outermost first: the request's line, its id, host and headers, its context. Each of them a
/// layer of the framework would cost every request an allocation and several copies.
async fn through(State(edge): State<Arc<Edge>>, request: Request, next: Next) -> Response {
    let inside = async |request: Request| {
        if matches!(request.uri().path(), HEALTHZ | READYZ) {
            return next.run(request).await;
        }
        let route = |request| context::enter(&edge.services, request, next);
        web::layers::around(&edge.requests, request, route).await
    };
    match &edge.log {
        Some(log) => access_log::logged(log, request, inside).await,
        None => inside(request).await,
    }
}

fn request_layer(services: &Services, config: &Config) -> Result<RequestLayer, StartError> {
    let trusted = TrustedProxies::new(config.trusted_proxies.iter().map(String::as_str))
        .map_err(|e| StartError::Refused(format!("trusted_proxies: {e}")))?;
    let public = config.public_host();
    let names = std::iter::once(public.as_str()).chain(config.hosts.iter().map(String::as_str));
    let mut hosts = Hosts::new(names).map_err(|e| StartError::Refused(format!("hosts: {e}")))?;
    if config.is_loopback_only() {
        hosts = hosts.with_loopback();
    }
    let random: Arc<dyn Random> = Arc::new(OsRandom::new(fill_random));
    let layer = RequestLayer::new(trusted, hosts, services.core.clock(), random);
    Ok(if config.is_https() { layer.with_https() } else { layer })
}

/// AuthZEN 1.0 section 9.1: the well-known address stands before the path of the decision point.
async fn authzen_metadata(
    State(services): State<Services>,
    Path(path): Path<TenantPath>,
) -> Result<web::Json<serde_json::Value>, web::Failure> {
    match services.directory.tenant_by_code(&path.tenant).await? {
        Some(tenant) => Ok(web::Json(authz::access::metadata(&tenant))),
        None => {
            Err(web::Failure::new(base::Kind::NotFound, "unknown_tenant", "there is no such tenant here"))
        }
    }
}

#[derive(serde::Deserialize)]
struct TenantPath {
    tenant: String,
}

/// The tenant's home page has one address.
async fn tenant_home(cx: Cx) -> Result<Response, web::Failure> {
    Ok(web::see_other(&format!("/t/{}", cx.tenant()?.code), Vec::new()))
}

async fn not_found() -> web::Failure {
    web::Failure::new(base::Kind::NotFound, "no_such_route", "nothing is served at this address")
}

async fn method_not_allowed() -> web::Failure {
    web::Failure::new(
        base::Kind::MethodNotAllowed,
        "method_not_allowed",
        "this address does not take this method",
    )
}

/// Ready means that the database answers.
async fn ready(State(services): State<Services>) -> Response {
    match services.core.refresh_versions().await {
        Ok(()) => "ready".into_response(),
        Err(_) => {
            let retry = [(header::RETRY_AFTER, HeaderValue::from_static("1"))];
            (StatusCode::SERVICE_UNAVAILABLE, retry, "the database does not answer").into_response()
        }
    }
}
