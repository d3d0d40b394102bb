//! Gives each request its context: which tenant, and who calls. Puts the [`Cx`] that handlers extract.
//!
//! API routes take a bearer token, or the session cookie on same-origin requests; pages take the session
//! cookie and guard their own forms; protocol endpoints authenticate clients themselves.
//!
//! Whatever may ask the database is boxed: this future is made and moved for every request, and its size is
//! that of its largest branch.

use std::sync::Arc;

use authz::cx::RequestContext;
use authz::{Actor, Cx, Place, TenantRef};
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base::{Kind, Problem};
use web::{Failure, RequestInfo};

use crate::access_log::LoggedActor;
use crate::app::Services;
use crate::idempotency;

/// Where a request goes, by its path.
enum Surface<'a> {
    /// `/t/{code}/api/…` and `/t/{code}/access/…`: credentials are taken here.
    TenantApi(&'a str),
    /// Anything else below `/t/{code}`: pages, OAuth, metadata.
    TenantPages(&'a str),
    /// `/api/…`: the platform.
    PlatformApi,
    /// Health, documents, redirects.
    Open,
}

fn surface(path: &str) -> Surface<'_> {
    if let Some(rest) = path.strip_prefix("/t/") {
        let (code, rest) = rest.split_once('/').unwrap_or((rest, ""));
        if rest.starts_with("api/") || rest.starts_with("access/") {
            Surface::TenantApi(code)
        } else {
            Surface::TenantPages(code)
        }
    } else if path.starts_with("/api/") {
        Surface::PlatformApi
    } else {
        Surface::Open
    }
}

/// Whether a path is of our own API, rather than of a protocol with rules of its own.
fn is_api(path: &str) -> bool {
    match surface(path) {
        Surface::TenantApi(code) => path.get(3 + code.len()..).is_some_and(|rest| rest.starts_with("/api/")),
        Surface::PlatformApi => true,
        Surface::TenantPages(_) | Surface::Open => false,
    }
}

/// Gives the request its context and runs its route.
pub(crate) async fn enter(services: &Services, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let cx = match context(services, &parts).await {
        Ok(cx) => cx,
        Err(refusal) => return refusal,
    };
    let mut request = Request::from_parts(parts, body);
    let Some(cx) = cx else { return next.run(request).await };
    request.extensions_mut().insert(cx.clone());
    let keyed = is_api(request.uri().path()) && idempotency::applies(&request);
    let mut response = match keyed {
        true => Box::pin(idempotency::answer(cx.clone(), request, next)).await,
        false => next.run(request).await,
    };
    if response.extensions().get::<LoggedActor>().is_none() {
        response.extensions_mut().insert(LoggedActor(cx.shared_actor()));
    }
    response
}

async fn context(services: &Services, request: &Parts) -> Result<Option<Cx>, Response> {
    let Some(info) = request.extensions.get::<Arc<RequestInfo>>() else {
        return Err(Failure(base::bug!("the context layer stands outside the request layer")).into_response());
    };
    let surface = surface(request.uri.path());
    let api = matches!(surface, Surface::TenantApi(_) | Surface::PlatformApi);
    let context = RequestContext {
        request_id: Some(info.request_id.clone()),
        client_address: Some(info.client_address),
        user_agent: info.user_agent.clone(),
        started: info.started,
    };
    let (place, actor) = match surface {
        Surface::Open => return Ok(None),
        Surface::TenantPages(code) => {
            let tenant = tenant(services, code).await?;
            let actor = person(services, &tenant, &request.headers).await?;
            (Place::Tenant(tenant), Arc::new(actor))
        }
        Surface::TenantApi(code) => {
            let tenant = tenant(services, code).await?;
            if !tenant.active {
                return Err(disabled(services, tenant, context).await);
            }
            let actor = caller(services, Some(&tenant), request).await?;
            (Place::Tenant(tenant), actor)
        }
        Surface::PlatformApi => (Place::Platform, caller(services, None, request).await?),
    };
    let cx = Cx::new(services.core.clone(), place, actor, context);
    // INVARIANT: nothing of the API is open to nobody, and no body is read before it is known who calls.
    if api {
        cx.refuse_nobody().await.map_err(|e| Failure::from(e).into_response())?;
        if let Place::Tenant(tenant) = cx.place() {
            services.directory.count_call(&tenant.id);
        }
    }
    Ok(Some(cx))
}

async fn tenant(services: &Services, code: &str) -> Result<Arc<TenantRef>, Response> {
    match services.directory.tenant_by_code(code).await {
        Ok(Some(tenant)) => Ok(tenant),
        Ok(None) => {
            let problem = Problem::new(Kind::NotFound, "unknown_tenant", "there is no such tenant here");
            Err(Failure(problem).into_response())
        }
        Err(error) => Err(Failure::from(error).into_response()),
    }
}

/// The same answer for everybody, with whatever credentials, in a tenant that is switched off.
async fn disabled(services: &Services, tenant: Arc<TenantRef>, context: RequestContext) -> Response {
    let cx = Cx::new(services.core.clone(), Place::Tenant(tenant), Actor::Anonymous, context);
    match cx.refuse_disabled().await {
        Err(error) => Failure::from(error).into_response(),
        Ok(()) => Failure(base::bug!("a tenant that is switched off lets somebody in")).into_response(),
    }
}

/// Who calls an API route. A credential that is sent and wrong is refused, never ignored.
async fn caller(
    services: &Services,
    tenant: Option<&Arc<TenantRef>>,
    request: &Parts,
) -> Result<Arc<Actor>, Response> {
    let headers = &request.headers;
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let token = bearer(headers, value)
            .ok_or_else(|| invalid_token("expected `Authorization: Bearer TOKEN` once"))?;
        return match services.oidc.bearer_actor(tenant, token).await {
            Ok((_, actor)) => Ok(actor),
            Err(error) => Err(refused(error)),
        };
    }
    let home = match tenant {
        Some(tenant) => Some(tenant.clone()),
        // The platform's people live in the default tenant.
        None => services
            .directory
            .tenant_by_code(directory::DEFAULT_TENANT_CODE)
            .await
            .map_err(|e| Failure::from(e).into_response())?,
    };
    let Some(home) = home else { return Ok(Arc::new(Actor::Anonymous)) };
    let session = Box::pin(services.authn.session_actor(&home, headers))
        .await
        .map_err(|e| Failure::from(e).into_response())?;
    match session {
        Some(_) if !safe(&request.method) && !web::csrf::same_origin(headers, &services.public_origin) => {
            let detail =
                "a request with a session cookie that changes something must come from this site's own pages";
            Err(Failure(Problem::new(Kind::Forbidden, "cross_origin", detail)).into_response())
        }
        Some(session) => Ok(Arc::new(session.actor)),
        None => Ok(Arc::new(Actor::Anonymous)),
    }
}

/// Whom a page is shown to. Pages guard what they change by their own forms.
async fn person(
    services: &Services,
    tenant: &Arc<TenantRef>,
    headers: &HeaderMap,
) -> Result<Actor, Response> {
    let session = Box::pin(services.authn.session_actor(tenant, headers)).await;
    let session = session.map_err(|e| Failure::from(e).into_response())?;
    Ok(session.map_or(Actor::Anonymous, |session| session.actor))
}

fn safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

fn bearer<'a>(headers: &HeaderMap, value: &'a HeaderValue) -> Option<&'a str> {
    if headers.get_all(header::AUTHORIZATION).iter().count() != 1 {
        return None;
    }
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && !token.contains(' ')).then_some(token)
}

fn refused(error: oidc::BearerError) -> Response {
    let problem = Problem::from(error);
    if problem.kind() == Kind::Unauthenticated {
        invalid_token(problem.detail())
    } else {
        Failure(problem).into_response()
    }
}

/// RFC 6750 section 3: a request with a token that is not good gets `error="invalid_token"`.
fn invalid_token(detail: &str) -> Response {
    let problem = Problem::new(Kind::Unauthenticated, "invalid_token", detail.to_owned());
    let mut response = Failure(problem).into_response();
    let value = HeaderValue::from_static("Bearer error=\"invalid_token\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
    response
}
