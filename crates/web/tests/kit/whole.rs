use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::middleware::from_fn;
use axum::response::Response;
use axum::routing::{get, post};
use base::{FixedClock, Kind, Problem, SeededRandom, Timestamp};
use http::StatusCode;
use tower::ServiceExt;
use web::{Failure, Hosts, Info, Json, Path, RequestLayer, TrustedProxies, Verbatim};

use crate::{json, request, text};

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: String,
}

/// An error as a slice has it.
struct Taken;

impl From<Taken> for Problem {
    fn from(_: Taken) -> Self {
        Self::new(Kind::Conflict, "username_taken", "the username `alice` is taken")
    }
}

async fn denied() -> Result<Json<u8>, Failure> {
    Err(Problem::new(Kind::Forbidden, "access_denied", "you may not read users").decided_by("decision-1"))?
}

async fn taken() -> Result<Json<u8>, Failure> {
    Err(Taken)?
}

async fn broken() -> Result<Json<u8>, Failure> {
    Err(Problem::internal("the password of the database is hunter2"))?
}

async fn info(Info(info): Info) -> String {
    format!(
        "{} {} {} {} {} {:?} {}",
        info.client_address,
        info.peer_is_loopback,
        info.forwarded,
        info.host,
        info.method,
        info.user_agent.as_deref().unwrap_or("-"),
        info.language.tag()
    )
}

fn app() -> Router {
    whole(routes())
}

fn routes() -> Router {
    Router::new()
        .route("/denied", get(denied))
        .route("/taken", get(taken))
        .route("/broken", get(broken))
        .route("/panic", get(|| async { Vec::<u8>::with_capacity(1)[0].to_string() }))
        .route("/slow", get(std::future::pending::<String>))
        .route("/info", get(info).post(info))
        .route("/item/{id}", get(|Path(id): Path<u32>| async move { id.to_string() }))
        .route("/named", post(|Json(named): Json<Named>| async move { named.name }))
        .route(
            "/anonymous",
            get(|| async { Failure::new(Kind::Unauthenticated, "unauthenticated", "sign in") }),
        )
        .route(
            "/busy",
            get(|| async { Failure(Problem::new(Kind::Unavailable, "busy", "busy").retry_after(7)) }),
        )
        .route("/oauth", get(|| async { (StatusCode::BAD_REQUEST, axum::Json("invalid_grant")) }))
        .route("/bare", get(|| async { (StatusCode::NOT_FOUND, axum::Extension(Verbatim)) }))
        .route("/cached", get(|| async { ([("cache-control", "max-age=60")], "x") }))
}

fn whole(router: Router) -> Router {
    let mut layer = RequestLayer::new(
        TrustedProxies::new(["10.0.0.0/8"]).unwrap(),
        Hosts::new(["id.example.com"]).unwrap().with_loopback(),
        Arc::new(FixedClock::at(Timestamp::from_seconds(1_763_712_000))),
        Arc::new(SeededRandom::new(1)),
    );
    layer.deadline = Duration::ZERO;
    web::install(router, layer.with_https())
}

async fn send_from(peer: &str, method: &str, uri: &str, pairs: &[(&str, &str)], body: &str) -> Response {
    let mut request = request(method, uri, pairs, body);
    let peer: SocketAddr = peer.parse().unwrap();
    request.extensions_mut().insert(ConnectInfo(peer));
    app().oneshot(request).await.unwrap()
}

async fn get_it(uri: &str) -> Response {
    send_from("127.0.0.1:9", "GET", uri, &[("host", "localhost:8080")], "").await
}

#[tokio::test]
async fn a_problem_is_rendered_with_its_trace_id() {
    let response = get_it("/denied").await;

    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    assert_eq!(
        json(response).await,
        serde_json::json!({
            "type": "/docs/errors#access_denied",
            "title": "You may not do this",
            "status": 403,
            "code": "access_denied",
            "detail": "you may not read users",
            "trace_id": id,
            "decision": "decision-1",
        })
    );
    // UUIDv7 (RFC 9562 section 5.7) of the layer's clock.
    assert!(id.starts_with("019aa56d-6000-7"), "{id}");
}

#[tokio::test]
async fn every_kind_of_refusal_has_its_status_and_code() {
    for (uri, status, code) in [
        ("/taken", 409, "username_taken"),
        ("/anonymous", 401, "unauthenticated"),
        ("/busy", 503, "busy"),
        ("/panic", 500, "internal"),
        ("/slow", 503, "timed_out"),
        ("/nowhere", 404, "no_such_route"),
        ("/item/x", 404, "not_found"),
        ("/item/%ff", 404, "not_found"),
        ("/named", 405, "method_not_allowed"),
    ] {
        let response = get_it(uri).await;
        assert_eq!(response.status(), status, "{uri}");
        let allow = response.headers().get("allow").cloned();
        assert_eq!(status == 405, allow.is_some_and(|allow| allow == "POST"), "{uri}");
        let body = json(response).await;
        assert_eq!((&body["code"], &body["status"]), (&code.into(), &status.into()), "{uri}");
        assert!(body["trace_id"].is_string(), "{uri}");
    }
    assert_eq!(get_it("/anonymous").await.headers()["www-authenticate"], "Bearer");
    let busy = get_it("/busy").await;
    assert_eq!(busy.headers()["retry-after"], "7");
    assert_eq!(json(busy).await["retry_after_seconds"], 7);
    assert_eq!(text(get_it("/item/12").await).await, "12");
}

#[tokio::test]
async fn a_wrong_field_is_named_in_the_answer() {
    let pairs = [("host", "localhost"), ("content-type", "application/json")];

    let response = send_from("127.0.0.1:9", "POST", "/named", &pairs, r#"{"name":[]}"#).await;

    assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(json(response).await["errors"][0]["pointer"], "/name");
}

#[tokio::test]
async fn a_protocol_keeps_its_own_form() {
    let oauth = get_it("/oauth").await;
    assert_eq!(oauth.headers()["content-type"], "application/json");
    assert_eq!(text(oauth).await, "\"invalid_grant\"");

    let bare = get_it("/bare").await;
    assert_eq!(bare.status(), StatusCode::NOT_FOUND);
    assert_eq!(text(bare).await, "");
}

#[tokio::test]
async fn every_answer_has_the_security_headers() {
    for uri in ["/info", "/nowhere", "/broken", "/panic"] {
        let response = get_it(uri).await;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("x-frame-options", "DENY"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
            ("cache-control", "no-store"),
            ("strict-transport-security", "max-age=31536000"),
        ] {
            assert_eq!(response.headers()[name], value, "{uri} {name}");
        }
    }
    assert_eq!(get_it("/cached").await.headers()["cache-control"], "max-age=60");
}

#[tokio::test]
async fn h18_an_unknown_host_reaches_no_route() {
    for (host, status, code) in [
        ("evil.example", 421, "unknown_host"),
        ("a b", 400, "invalid_host"),
        ("localhost.", 400, "invalid_host"),
    ] {
        let response = send_from("127.0.0.1:9", "GET", "/info", &[("host", host)], "").await;
        assert_eq!(response.status(), status);
        assert_eq!(response.headers()["x-frame-options"], "DENY");
        let body = json(response).await;
        assert_eq!(body["code"], code);
        assert!(!body.to_string().contains("evil"), "{body}");
    }
    let forwarded = [("host", "id.example.com"), ("x-forwarded-host", "evil.example")];
    let response = send_from("127.0.0.1:9", "GET", "/info", &forwarded, "").await;
    assert!(text(response).await.contains("id.example.com"));
}

#[tokio::test]
async fn what_is_known_about_a_request_comes_from_the_socket_and_trusted_proxies() {
    let host = ("host", "ID.example.com:443");
    for (peer, pairs, expected) in [
        ("127.0.0.1:9", &[host][..], r#"127.0.0.1 true false id.example.com GET "-" en-US"#),
        ("[::1]:9", &[host, ("accept-language", "zh-CN")], r#"::1 true false id.example.com GET "-" zh-CN"#),
        (
            "203.0.113.9:9",
            &[host, ("x-forwarded-for", "127.0.0.1"), ("user-agent", "a\tb\u{e9}")],
            r#"203.0.113.9 false true id.example.com GET "abé" en-US"#,
        ),
        (
            "10.0.0.1:9",
            &[host, ("x-forwarded-for", "127.0.0.1")],
            r#"127.0.0.1 false true id.example.com GET "-" en-US"#,
        ),
        ("127.0.0.1:9", &[host, ("via", "1.1 x")], r#"127.0.0.1 true true id.example.com GET "-" en-US"#),
        (
            "127.0.0.1:9",
            &[host, ("forwarded", "for=x")],
            r#"127.0.0.1 true true id.example.com GET "-" en-US"#,
        ),
        (
            "127.0.0.1:9",
            &[host, ("x-forwarded-proto", "https")],
            r#"127.0.0.1 true true id.example.com GET "-" en-US"#,
        ),
    ] {
        let response = send_from(peer, "GET", "/info", pairs, "").await;
        assert_eq!(text(response).await, expected, "{peer} {pairs:?}");
    }
}

#[tokio::test]
async fn a_long_user_agent_is_cut() {
    let agent = "x".repeat(3000);
    let pairs = [("host", "localhost"), ("user-agent", agent.as_str())];

    let said = text(send_from("127.0.0.1:9", "GET", "/info", &pairs, "").await).await;

    assert_eq!(said.matches('x').count(), 512);
}

#[tokio::test]
async fn a_callers_request_id_is_echoed_and_is_never_ours() {
    for (sent, echoed) in [
        (&["job-7.Z_9"][..], Some("job-7.Z_9")),
        (&["a b"], None),
        (&[""], None),
        (&["<script>"], None),
        (&["a", "a"], None),
        (&["aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"], None),
    ] {
        let mut pairs = vec![("host", "localhost")];
        pairs.extend(sent.iter().map(|id| ("x-request-id", *id)));
        let response = send_from("127.0.0.1:9", "GET", "/info", &pairs, "").await;
        let echo = response.headers().get("x-client-request-id").map(|id| id.to_str().unwrap());
        assert_eq!(echo, echoed, "{sent:?}");
        assert_ne!(response.headers()["x-request-id"], sent[0]);
    }
}

#[tokio::test]
async fn a_listener_without_addresses_serves_nothing() {
    let sent = request("GET", "/info", &[("host", "localhost")], "");

    let response = app().oneshot(sent).await.unwrap();

    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
}

/// A log that a test can read.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_failure_of_ours_is_logged_once_with_its_cause_and_answered_without() {
    // For the whole process: what other threads log meanwhile would otherwise decide whether this is logged at all.
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().json().with_writer(move || writer.clone()).finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();

    // A slice that renders its own problems inside the whole application logs no second time.
    let inner = Router::new().route("/broken", get(broken)).layer(from_fn(web::layers::problems));
    let mut sent = request("GET", "/broken", &[("host", "localhost")], "");
    sent.extensions_mut().insert(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 9))));
    let answer = whole(inner).oneshot(sent).await.unwrap();
    let id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
    let answer = text(answer).await;

    assert!(!answer.contains("hunter2") && answer.contains(&id), "{answer}");
    let all = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<&str> = all.lines().filter(|line| line.contains(&id)).collect();
    assert_eq!(lines.len(), 1, "{all}");
    assert!(lines[0].contains("hunter2") && lines[0].contains("ERROR"), "{all}");
}
