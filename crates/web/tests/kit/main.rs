//! Everything that slices rely on, through the public face of the crate.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod bodies;
mod conditions;
mod cursors;
mod documents;
mod forms;
mod hosts;
mod lists;
mod pages;
mod proxies;
mod whole;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body_util::BodyExt;

/// Makes headers from pairs, keeping repeated names.
fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        map.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    map
}

/// Makes a request.
fn request(method: &str, uri: &str, pairs: &[(&str, &str)], body: &str) -> axum::extract::Request {
    let mut request =
        http::Request::builder().method(method).uri(uri).body(Body::from(body.to_owned())).unwrap();
    *request.headers_mut() = headers(pairs);
    request
}

/// Reads a whole answer as text.
async fn text(response: Response) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

/// Reads a whole answer as JSON.
async fn json(response: Response) -> serde_json::Value {
    serde_json::from_str(&text(response).await).unwrap()
}
