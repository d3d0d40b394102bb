//! What happens to every request, in one middleware (one allocation a request, not five).
//!
//! In order: give it an id, check its host, learn where it is from; run the route with a deadline and a
//! net for panics; render a problem; add the headers that every answer has.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use base::id::EventId;
use base::{Clock, Kind, Problem, Random};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::failure::render;
use crate::request::{
    RequestInfo, X_CLIENT_REQUEST_ID, X_REQUEST_ID, client_request_id, is_forwarded, language, user_agent,
};
use crate::{Failure, Hosts, TrustedProxies};

/// How long a route may take to begin its answer.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// What the middleware needs to know.
#[derive(Clone)]
pub struct RequestLayer {
    /// Whose `X-Forwarded-For` counts.
    pub trusted: TrustedProxies,
    /// The hosts that are served.
    pub hosts: Hosts,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness for request ids.
    pub random: Arc<dyn Random>,
    /// Whether the configured public address is https: answers then carry `Strict-Transport-Security`.
    pub https: bool,
    /// How long a route may take to begin its answer; [`DEADLINE`] unless a test says otherwise.
    pub deadline: Duration,
}

impl RequestLayer {
    /// Makes a layer for plain http with the usual deadline.
    pub fn new(
        trusted: TrustedProxies,
        hosts: Hosts,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        Self { trusted, hosts, clock, random, https: false, deadline: DEADLINE }
    }

    /// Says that the public address is https.
    #[must_use]
    pub fn with_https(mut self) -> Self {
        self.https = true;
        self
    }
}

/// Puts the middleware around every route and fallback of a router. The listener must give
/// `ConnectInfo<SocketAddr>` (`into_make_service_with_connect_info`).
pub fn install(router: Router, layer: RequestLayer) -> Router {
    router.layer(from_fn_with_state(Arc::new(layer), standard))
}

/// The middleware that [`install`] puts around a router.
pub async fn standard(State(layer): State<Arc<RequestLayer>>, request: Request, next: Next) -> Response {
    around(&layer, request, |request| next.run(request)).await
}

/// What happens around a route, for a server that has more to do in the same middleware.
pub async fn around<F: Future<Output = Response> + Send>(
    layer: &RequestLayer,
    request: Request,
    route: impl FnOnce(Request) -> F + Send,
) -> Response {
    let now = layer.clock.now();
    let request_id = EventId::fresh(now, layer.random.as_ref()).as_str().to_owned();
    let client_id = client_request_id(request.headers()).and_then(|id| HeaderValue::from_str(id).ok());

    let mut response = match learn(layer, &request, now, &request_id) {
        Err(problem) => Failure(problem).into_response(),
        Ok(info) => run(info, request, route, layer.deadline).await,
    };

    response = render(response, Some(&request_id));
    let headers = response.headers_mut();
    harden(headers, layer.https);
    if let Ok(id) = HeaderValue::from_str(&request_id) {
        // AuthZEN 1.0 asks that the caller's own id comes back in this header: such a handler has set it.
        headers.entry(X_REQUEST_ID).or_insert(id);
    }
    if let Some(id) = client_id {
        headers.insert(X_CLIENT_REQUEST_ID, id);
    }
    response
}

/// Renders problems and nothing else, for the tests of a slice that serve its routes alone:
/// `router.layer(axum::middleware::from_fn(web::layers::problems))`.
pub async fn problems(request: Request, next: Next) -> Response {
    let info = request.extensions().get::<Arc<RequestInfo>>().cloned();
    let response = next.run(request).await;
    render(response, info.as_ref().map(|info| info.request_id.as_str()))
}

/// Learns what is known about a request. Fails with 400 or 421 for its host.
fn learn(
    layer: &RequestLayer,
    request: &Request,
    started: base::Timestamp,
    request_id: &str,
) -> Result<RequestInfo, Problem> {
    let headers = request.headers();
    let host = layer.hosts.check(request.uri(), headers)?;
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let Some(ConnectInfo(peer)) = peer else {
        return Err(Problem::internal("the listener gives no `ConnectInfo<SocketAddr>`"));
    };
    let peer = peer.ip().to_canonical();
    Ok(RequestInfo {
        request_id: request_id.to_owned(),
        client_request_id: client_request_id(headers).map(str::to_owned),
        client_address: layer.trusted.client_address(peer, headers),
        peer_is_loopback: peer.is_loopback(),
        forwarded: is_forwarded(headers),
        host,
        user_agent: user_agent(headers),
        method: request.method().clone(),
        started,
        language: language(headers),
    })
}

/// Runs the route with a deadline and a net for panics.
async fn run<F: Future<Output = Response> + Send>(
    info: RequestInfo,
    mut request: Request,
    route: impl FnOnce(Request) -> F + Send,
    deadline: Duration,
) -> Response {
    let info = Arc::new(info);
    request.extensions_mut().insert(info.clone());
    let guarded = tokio::time::timeout(deadline, caught(route(request)));
    let mut response = match guarded.await {
        Ok(Ok(response)) => response,
        Ok(Err(panic)) => Failure(panic).into_response(),
        Err(_) => Failure(
            Problem::new(Kind::Unavailable, "timed_out", "this took too long and was stopped; try again")
                .retry_after(1),
        )
        .into_response(),
    };
    response.extensions_mut().insert(info);
    response
}

/// Runs a future; a panic in it becomes an internal problem with the panic's message for the log.
async fn caught<F: Future>(future: F) -> Result<F::Output, Problem> {
    let mut future = pin!(future);
    std::future::poll_fn(move |context| {
        // The future is dropped after a panic and never polled again, so nothing sees it half changed.
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(poll) => poll.map(Ok),
            Err(payload) => {
                let message = payload
                    .downcast_ref::<&str>()
                    .map(|text| (*text).to_owned())
                    .or_else(|| payload.downcast_ref::<String>().cloned())
                    .unwrap_or_else(|| "no message".to_owned());
                std::task::Poll::Ready(Err(Problem::internal(format!("a handler panicked: {message}"))))
            }
        }
    })
    .await
}

/// The headers of every answer, where the route did not choose its own (OWASP Secure Headers).
const DEFAULTS: [(HeaderName, &str); 7] = [
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (CACHE_CONTROL, "no-store"),
];

/// [`DEFAULTS`] as a map, with room for what a route and the listener add: copying it costs less than finding
/// a place for each.
static DEFAULT_MAP: LazyLock<HeaderMap> = LazyLock::new(|| {
    let mut map = HeaderMap::with_capacity(DEFAULTS.len() + 6);
    map.extend(DEFAULTS.map(|(name, value)| (name, HeaderValue::from_static(value))));
    map
});

/// Adds the security headers that a route did not set itself: a page has a policy of its own, a file of
/// ours may be cached.
pub fn harden(headers: &mut HeaderMap, https: bool) {
    let own = std::mem::replace(headers, DEFAULT_MAP.clone());
    // A header of the route replaces the default; where it has several values, it keeps them all.
    headers.extend(own);
    if https {
        let year = HeaderValue::from_static("max-age=31536000");
        headers.entry(STRICT_TRANSPORT_SECURITY).or_insert(year);
    }
}
