//! `/docs`: the API's document as a page that needs no network and no script, and as JSON.

use std::fmt::Write as _;

use authz::{Action, Cx, Place, Target};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::Value;
use utoipa::openapi::OpenApi as Document;

use crate::app::Services;

/// What the routes of this module share. The documents are kept as JSON text: as trees they would take ten times
/// the memory, and they are rarely read.
#[derive(Clone)]
struct Docs {
    services: Services,
    all: Bytes,
    tenant_only: Bytes,
    public: bool,
}

/// Who reads.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reader {
    Nobody,
    /// Somebody who must change their password before anything else.
    Newcomer,
    TenantUser,
    PlatformUser,
}

/// The routes; `public` lets anyone read the tenants' part.
pub(crate) fn routes(services: &Services, document: Document, public: bool) -> Router {
    let mut tenant_only = serde_json::to_value(document).unwrap_or_default();
    let all = Bytes::from(tenant_only.to_string());
    if let Some(paths) = tenant_only.get_mut("paths").and_then(Value::as_object_mut) {
        paths.retain(|path, _| !path.starts_with("/api/"));
    }
    let docs = Docs { services: services.clone(), all, tenant_only: tenant_only.to_string().into(), public };
    Router::new()
        .route("/docs", get(page))
        // Sign-in leads back only to addresses of its own tenant.
        .route("/t/{tenant}/docs", get(|| async { web::see_other("/docs", Vec::new()) }))
        .route("/docs/openapi.json", get(json))
        .route("/docs/errors", get(|| async { crate::errors::page() }))
        .route("/docs/docs.css", get(css))
        .with_state(docs)
}

async fn css() -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/css; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600")),
    ];
    (headers, include_str!("docs.css")).into_response()
}

async fn reader(docs: &Docs, headers: &HeaderMap) -> Result<Reader, Response> {
    let failure = |e: base::Problem| web::Failure(e).into_response();
    let home = docs.services.directory.tenant_by_code(directory::DEFAULT_TENANT_CODE).await;
    let Some(home) = home.map_err(|e| failure(e.into()))? else { return Ok(Reader::Nobody) };
    let session = docs.services.authn.session_actor(&home, headers).await;
    let Some(session) = session.map_err(|e| failure(e.into()))? else { return Ok(Reader::Nobody) };
    if session.session.must_change_password {
        return Ok(Reader::Newcomer);
    }
    let now = docs.services.core.now();
    let cx = Cx::new(
        docs.services.core.clone(),
        Place::Platform,
        session.actor,
        authz::cx::RequestContext::none(now),
    );
    let platform = cx.may(Action::PlatformTenantRead, &Target::all("tenant")).await;
    Ok(if platform.map_err(|e| failure(e.into()))? { Reader::PlatformUser } else { Reader::TenantUser })
}

/// The document that this reader may see, or where to sign in.
async fn visible(docs: &Docs, headers: &HeaderMap) -> Result<Bytes, Response> {
    match reader(docs, headers).await? {
        Reader::PlatformUser => Ok(docs.all.clone()),
        Reader::TenantUser => Ok(docs.tenant_only.clone()),
        Reader::Nobody | Reader::Newcomer if docs.public => Ok(docs.tenant_only.clone()),
        Reader::Newcomer => {
            Err(web::see_other("/t/default/change-password?return_to=/t/default/docs", Vec::new()))
        }
        Reader::Nobody => Err(web::see_other("/t/default/sign-in?return_to=/t/default/docs", Vec::new())),
    }
}

async fn json(State(docs): State<Docs>, headers: HeaderMap) -> Response {
    match visible(&docs, &headers).await {
        Ok(document) => {
            ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], document).into_response()
        }
        Err(response) => response,
    }
}

async fn page(State(docs): State<Docs>, headers: HeaderMap) -> Response {
    match visible(&docs, &headers).await {
        Ok(document) => {
            let document: Value = serde_json::from_slice(&document).unwrap_or_default();
            web::HtmlPage::new(render(&document)).into_response()
        }
        Err(response) => response,
    }
}

const METHODS: &[&str] = &["get", "post", "put", "patch", "delete"];

/// Renders the document: operations by tag, each with parameters, body and answers.
fn render(document: &Value) -> String {
    let mut body = String::new();
    let at = |place: &str| escape(document.pointer(place).and_then(Value::as_str).unwrap_or_default());
    let mut by_tag: std::collections::BTreeMap<String, Vec<(String, String, Value)>> = Default::default();
    for (path, item) in document.get("paths").and_then(Value::as_object).into_iter().flatten() {
        for method in METHODS {
            if let Some(operation) = item.get(*method) {
                let tag = operation.pointer("/tags/0").and_then(Value::as_str).unwrap_or("other").to_owned();
                by_tag.entry(tag).or_default().push(((*method).to_owned(), path.clone(), operation.clone()));
            }
        }
    }
    let _ = write!(
        body,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\"><title>Signet API</title>\
         <link rel=\"stylesheet\" href=\"/docs/docs.css\"></head><body><main data-page=\"docs\"><h1>Signet API {}</h1>\
         <p>{}</p><p><a href=\"/docs/openapi.json\">OpenAPI 3.1 document</a> · <a href=\"/docs/errors\">error codes</a></p><nav><ul>",
        at("/info/version"),
        at("/info/description"),
    );
    for tag in by_tag.keys() {
        let _ = write!(body, "<li><a href=\"#{0}\">{0}</a></li>", escape(tag));
    }
    body.push_str("</ul></nav>");
    for (tag, operations) in &by_tag {
        let _ = write!(body, "<section id=\"{0}\"><h2>{0}</h2>", escape(tag));
        for (method, path, operation) in operations {
            render_operation(&mut body, method, path, operation);
        }
        body.push_str("</section>");
    }
    let schemas = document.pointer("/components/schemas").and_then(Value::as_object);
    body.push_str("<section id=\"schemas\"><h2>schemas</h2>");
    for (name, schema) in schemas.into_iter().flatten() {
        let shown = serde_json::to_string_pretty(schema).unwrap_or_default();
        let _ = write!(
            body,
            "<details id=\"schema-{0}\"><summary>{0}</summary><pre>{1}</pre></details>",
            escape(name),
            escape(&shown)
        );
    }
    body.push_str("</section></main></body></html>");
    body
}

fn render_operation(body: &mut String, method: &str, path: &str, operation: &Value) {
    let text = |value: &Value| escape(value.as_str().unwrap_or_default());
    let summary = match operation["summary"].as_str() {
        Some(summary) => escape(summary),
        None => text(&operation["operationId"]),
    };
    let _ = write!(
        body,
        "<details><summary><code class=\"{method}\">{}</code> <code>{}</code> <span>{summary}</span></summary>",
        method.to_uppercase(),
        escape(path),
    );
    if let Some(description) = operation["description"].as_str() {
        let _ = write!(body, "<p>{}</p>", escape(description));
    }
    let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !parameters.is_empty() {
        body.push_str("<table><thead><tr><th>parameter</th><th>in</th><th>meaning</th></tr></thead><tbody>");
        for parameter in parameters {
            let _ = write!(
                body,
                "<tr><td><code>{}</code></td><td>{}</td><td>{}</td></tr>",
                text(&parameter["name"]),
                text(&parameter["in"]),
                text(&parameter["description"])
            );
        }
        body.push_str("</tbody></table>");
    }
    for (media, content) in
        operation.pointer("/requestBody/content").and_then(Value::as_object).into_iter().flatten()
    {
        let _ =
            write!(body, "<p>body: <code>{}</code> {}</p>", escape(media), schema_link(&content["schema"]));
    }
    body.push_str("<table><thead><tr><th>status</th><th>meaning</th><th>body</th></tr></thead><tbody>");
    for (status, answer) in operation["responses"].as_object().into_iter().flatten() {
        let schema =
            answer["content"].as_object().and_then(|c| c.values().next()).map(|c| schema_link(&c["schema"]));
        let _ = write!(
            body,
            "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
            escape(status),
            text(&answer["description"]),
            schema.unwrap_or_default()
        );
    }
    body.push_str("</tbody></table></details>");
}

fn schema_link(schema: &Value) -> String {
    match schema["$ref"].as_str().and_then(|r| r.rsplit('/').next()) {
        Some(name) => format!("<a href=\"#schema-{0}\">{0}</a>", escape(name)),
        None => escape(schema["type"].as_str().unwrap_or_default()),
    }
}

/// Text as it may stand in HTML.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn h17_what_the_document_says_is_escaped() {
        let document = json!({
            "info": { "version": "1", "description": "<script>alert(1)</script>" },
            "paths": { "/x\"><img>": { "get": { "tags": ["a&b"], "summary": "<b>", "responses": {} } } },
        });
        let page = render(&document);

        assert!(!page.contains("<script>") && !page.contains("<img>") && !page.contains("<b>"), "{page}");
    }
}
