//! `Idempotency-Key` on the POSTs of our own API: reads the key and the body, lets one request through,
//! keeps its answer without what is secret in it, and answers the same request again. The rules are
//! `authz::idempotency`'s; ADR 0017 says what happens when a process dies in between.

use std::sync::Arc;
use std::time::Duration;

use authz::Cx;
use authz::idempotency::{self, Answer, Asked, IN_PROGRESS_SECONDS, Key, Known, Once};
use aws_lc_rs::digest::{Context, SHA256};
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base::{Kind, Problem};
use serde_json::{Map, Value};
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn};
use utoipa::openapi::{ObjectBuilder, OpenApi, RefOr, Required, Type};
use web::Failure;
use web::failure::render;
use web::request::RequestInfo;

/// The header of the request.
const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The header of an answer that was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// The largest body that is read ahead; each route has a limit of its own, this or smaller.
const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The largest answer that is kept whole.
const ANSWER_BYTES_MAX: u64 = 1024 * 1024;
/// Characters of a path that stands in the database as it is.
const ROUTE_CHARS_MAX: usize = 255;
/// How often and with what pause another node's answer is looked for.
const LOOKS_MAX: u32 = 25;
const LOOK_PAUSE: Duration = Duration::from_millis(200);
/// Headers that belong to an answer.
const KEPT_HEADERS: [HeaderName; 3] = [header::CONTENT_TYPE, header::LOCATION, header::ETAG];
/// Members of answers that are never kept, wherever they stand. A test holds the document against it.
pub(crate) const SECRET_MEMBERS: &[&str] = &[
    "access_token",
    "backup_codes",
    "client_secret",
    "one_time_link",
    "password",
    "private_key",
    "recovery_url",
    "secret",
    "secret_access_key",
    "secret_key",
    "temporary_password",
    "token",
];

/// Whether the key of this request counts.
pub(crate) fn applies(request: &Request) -> bool {
    *request.method() == Method::POST && request.headers().contains_key(KEY)
}

/// Answers a request that has a key. In a task of its own: a caller who goes away does not stop what was
/// begun, and finds its answer when coming back.
pub(crate) async fn answer(cx: Cx, request: Request, next: Next) -> Response {
    // The body before the task: a caller who sends it without end is stopped by the request's deadline.
    let (asked, request) = match read(&cx, request).await {
        Ok(read) => read,
        Err(refusal) => return Failure(refusal).into_response(),
    };
    match tokio::spawn(once(cx, asked, request, next)).await {
        Ok(response) => response,
        Err(failed) => match failed.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Failure(Problem::internal("a request was stopped")).into_response(),
        },
    }
}

async fn once(cx: Cx, asked: Asked, request: Request, next: Next) -> Response {
    let Some(_turn) = asked.take_turn(&cx).await else { return in_progress() };
    let known = match idempotency::look_up(&cx, &asked).await {
        Ok(known) => known,
        Err(error) => return Failure::from(error).into_response(),
    };
    match known {
        Known::Nothing => through(cx, asked, request, next).await,
        known => wait(&cx, &asked, known).await,
    }
}

/// Reads key and body; the request goes on with the body as it was sent.
async fn read(cx: &Cx, request: Request) -> Result<(Asked, Request), Problem> {
    let mut keys = request.headers().get_all(KEY).iter();
    let key = match (keys.next(), keys.next()) {
        (Some(value), None) => Key::parse(value.as_bytes()),
        _ => None,
    };
    let Some(key) = key else {
        return Err(Problem::new(
            Kind::Malformed,
            "invalid_idempotency_key",
            "`Idempotency-Key` is given once and has 1 to 255 visible ASCII characters, such as a UUID",
        ));
    };
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, BODY_BYTES_MAX).await else {
        return Err(Problem::new(
            Kind::TooLarge,
            "body_too_large",
            format!("the body may have at most {BODY_BYTES_MAX} bytes, and must be complete"),
        ));
    };
    let route = route(parts.uri.path());
    let digest = digest(parts.uri.query(), &parts.headers, &body);
    let Some(asked) = Asked::new(cx, route, key, digest) else {
        // The layer before has refused nobody; whoever else is no principal has no keys of their own.
        return Err(base::bug!("a key of a caller who is no principal"));
    };
    Ok((asked, Request::from_parts(parts, Body::from(body))))
}

/// The path, or its digest where it is longer than a row holds.
fn route(path: &str) -> String {
    if path.len() <= ROUTE_CHARS_MAX {
        return path.to_owned();
    }
    let mut context = Context::new(&SHA256);
    context.update(path.as_bytes());
    format!("sha256:{}", hex(context.finish().as_ref()))
}

/// SHA-256 over the query, the media type and the body, byte by byte as they were sent.
fn digest(query: Option<&str>, headers: &HeaderMap, body: &Bytes) -> String {
    let media = headers.get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let mut context = Context::new(&SHA256);
    for part in [query.unwrap_or_default().as_bytes(), media, body] {
        context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(part);
    }
    hex(context.finish().as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Does what was asked for, and keeps the answer.
async fn through(cx: Cx, asked: Asked, mut request: Request, next: Next) -> Response {
    let once = Once::new(asked.clone());
    let trace = request.extensions().get::<Arc<RequestInfo>>().map(|info| info.request_id.clone());
    request.extensions_mut().insert(cx.with_once(once.clone()));
    let response = next.run(request).await;
    if once.is_lost() {
        return wait(&cx, &asked, Known::Pending { since: cx.now() }).await;
    }
    let response = render(response, trace.as_deref());
    if !is_kept(response.status()) {
        return response;
    }
    let (answer, response) = match take(response).await {
        Ok(taken) => taken,
        Err(problem) => return Failure(problem).into_response(),
    };
    if let Err(error) = idempotency::keep(&cx, &once, &answer).await {
        // What was asked for is done: its answer goes out. Sent again, it is refused as unknown.
        tracing::error!(?error, "the answer to a request with an idempotency key could not be kept");
    }
    response
}

/// Whether an answer with this status is the answer from then on. A refusal that asks to come back, or
/// that the next attempt may not meet (who calls, what they may), is not.
fn is_kept(status: StatusCode) -> bool {
    let again = [
        StatusCode::UNAUTHORIZED,
        StatusCode::FORBIDDEN,
        StatusCode::METHOD_NOT_ALLOWED,
        StatusCode::TOO_MANY_REQUESTS,
    ];
    !status.is_server_error() && !again.contains(&status)
}

/// Takes a copy of an answer, without what is secret in it.
async fn take(response: Response) -> Result<(Answer, Response), Problem> {
    use axum::body::HttpBody;
    let (parts, body) = response.into_parts();
    let mut headers = Map::new();
    for name in KEPT_HEADERS {
        if let Some(value) = parts.headers.get(&name).and_then(|value| value.to_str().ok()) {
            headers.insert(name.as_str().to_owned(), value.into());
        }
    }
    let status = i64::from(parts.status.as_u16());
    let headers = Value::Object(headers);
    if body.size_hint().exact().is_none_or(|size| size > ANSWER_BYTES_MAX) {
        let answer = Answer { status, headers, body: None, secret_omitted: false };
        return Ok((answer, Response::from_parts(parts, body)));
    }
    let bytes = axum::body::to_bytes(body, usize::MAX)
        .await
        .map_err(|error| Problem::internal(format!("an answer could not be read: {error}")))?;
    let (text, secret_omitted) = without_secrets(&bytes);
    let answer = Answer { status, headers, body: Some(text), secret_omitted };
    Ok((answer, Response::from_parts(parts, Body::from(bytes))))
}

/// An answer's text without secrets, and whether there were any. What is no JSON object is kept as it is.
fn without_secrets(bytes: &[u8]) -> (String, bool) {
    let whole = || String::from_utf8_lossy(bytes).into_owned();
    let Ok(mut json) = serde_json::from_slice::<Value>(bytes) else { return (whole(), false) };
    if !remove_secrets(&mut json) {
        return (whole(), false);
    }
    if let Value::Object(members) = &mut json {
        members.insert("secret_omitted".to_owned(), true.into());
    }
    (json.to_string(), true)
}

/// Removes members with the names of secrets, at any depth; whether there were any. The depth is that of
/// our own answer.
fn remove_secrets(json: &mut Value) -> bool {
    match json {
        Value::Object(members) => {
            let before = members.len();
            members.retain(|name, value| value.is_null() || !SECRET_MEMBERS.contains(&name.as_str()));
            let mut removed = members.len() < before;
            for value in members.values_mut() {
                removed |= remove_secrets(value);
            }
            removed
        }
        Value::Array(items) => items.iter_mut().fold(false, |removed, item| remove_secrets(item) | removed),
        _ => false,
    }
}

/// Answers what is known already; waits a while for an answer that another node is about to give.
async fn wait(cx: &Cx, asked: &Asked, mut known: Known) -> Response {
    for _ in 0..LOOKS_MAX {
        match known {
            Known::Another => return another(),
            Known::Answered(answer) => return replay(&answer),
            // Whoever had it gave it up: the caller tries again.
            Known::Nothing => return in_progress(),
            Known::Pending { since } if since.plus_seconds(IN_PROGRESS_SECONDS) <= cx.now() => {
                return outcome_unknown();
            }
            Known::Pending { .. } => {}
        }
        tokio::time::sleep(LOOK_PAUSE).await;
        known = match idempotency::look_up(cx, asked).await {
            Ok(known) => known,
            Err(error) => return Failure::from(error).into_response(),
        };
    }
    in_progress()
}

/// Gives an answer again.
fn replay(answer: &Answer) -> Response {
    let status = u16::try_from(answer.status).ok().and_then(|status| StatusCode::from_u16(status).ok());
    let Some(status) = status else {
        return Failure(base::bug!("a kept answer has the status {}", answer.status)).into_response();
    };
    let body = answer.body.clone().unwrap_or_else(|| "{\"body_omitted\":true}".to_owned());
    let mut response = (status, body).into_response();
    response.headers_mut().remove(header::CONTENT_TYPE);
    for name in KEPT_HEADERS {
        let value = answer.headers.get(name.as_str()).and_then(Value::as_str);
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            response.headers_mut().insert(name, value);
        }
    }
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

fn another() -> Response {
    Failure::new(
        Kind::Invalid,
        "idempotency_key_reused",
        "this `Idempotency-Key` was used here for a request with another body; use a fresh one for each change",
    )
    .into_response()
}

fn in_progress() -> Response {
    Failure(Problem::from(authz::Error::InProgress)).into_response()
}

fn outcome_unknown() -> Response {
    Failure::new(
        Kind::Conflict,
        "idempotency_outcome_unknown",
        "the change of this request was committed, but its answer was lost; look at what is there, or at the \
         audit log, before you repeat it with a fresh key",
    )
    .into_response()
}

/// Describes the header at every POST of our own API in the document.
pub(crate) fn describe(document: &mut OpenApi) {
    for (path, item) in &mut document.paths.paths {
        if !path.contains("/api/v1/") {
            continue;
        }
        if let Some(operation) = &mut item.post {
            add_parameter(operation);
        }
    }
}

fn add_parameter(operation: &mut Operation) {
    let text = "1 to 255 visible ASCII characters of the caller's choice, fresh for each change. The same request \
                sent again within 24 hours gets the same answer, with `Idempotency-Replayed: true`, and changes \
                nothing. 422 `idempotency_key_reused` for another body; 409 `idempotency_in_progress` or \
                `idempotency_outcome_unknown`.";
    let schema = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(255));
    let parameter = ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(text))
        .schema(Some(schema.build()))
        .build();
    operation.parameters.get_or_insert_default().push(RefOr::T(parameter));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_left_out_at_any_depth_and_all_else_stays_byte_for_byte() {
        let plain = br#"{"b": 1,"a":[ {"x":"y"} ]}"#;
        assert_eq!(without_secrets(plain), (String::from_utf8(plain.to_vec()).unwrap(), false));
        let none = br#"{"client_secret":null}"#;
        assert_eq!(without_secrets(none), (String::from_utf8(none.to_vec()).unwrap(), false));

        let (text, omitted) = without_secrets(br#"{"id":1,"client_secret":"s3","in":[{"token":"t4"}]}"#);
        assert!(omitted && !text.contains("s3") && !text.contains("t4"), "{text}");
        let kept: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(kept, serde_json::json!({ "id": 1, "in": [{}], "secret_omitted": true }));
    }

    #[test]
    fn what_differs_in_query_media_type_or_body_is_another_request() {
        let headers = |media: &'static str| {
            HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(media))])
        };
        let json = headers("application/json");
        let body = |text: &'static str| Bytes::from_static(text.as_bytes());
        let one = digest(None, &json, &body("{}"));

        assert_eq!(one, digest(None, &json, &body("{}")));
        assert_ne!(one, digest(None, &json, &body("{} ")));
        assert_ne!(one, digest(Some("a=b"), &json, &body("{}")));
        assert_ne!(one, digest(None, &headers("application/yaml"), &body("{}")));
    }

    #[test]
    fn a_long_path_becomes_a_digest_that_fits_a_row() {
        assert_eq!(route("/t/acme/api/v1/users"), "/t/acme/api/v1/users");
        let long = format!("/t/{}", "x".repeat(300));
        assert_eq!(route(&long).len(), 71);
        assert_ne!(route(&long), route(&format!("{long}y")));
    }
}
