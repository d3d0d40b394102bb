//! The routes, as a client meets them.

use authz::Cx;
use axum::body::Body;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::world::{ACME, World, secrets};

async fn call(router: axum::Router, cx: Cx, request: Request<Body>) -> (StatusCode, String, String) {
    let (mut parts, body) = request.into_parts();
    parts.extensions.insert(cx);
    let response = router.oneshot(Request::from_parts(parts, body)).await.unwrap();
    let status = response.status();
    let media = response.headers().get("content-type").map(|value| value.to_str().unwrap().to_owned());
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, media.unwrap_or_default(), String::from_utf8(bytes.to_vec()).unwrap())
}

fn post(body: &Value) -> Request<Body> {
    Request::post("/api/v1/apply")
        .header("content-type", "application/json")
        .body(Body::from(body.to_string()))
        .unwrap()
}

#[tokio::test]
async fn a_file_is_posted_and_read_back() {
    for world in World::on_both().await {
        let platform: axum::Router = manifest::platform_routes(world.service.clone()).into();
        let secrets: Value =
            secrets().into_iter().map(|(key, secret)| (key, json!(secret.expose()))).collect();
        // Larger than the usual limit of a body, and still a file of 1 MiB at most.
        let padded = format!("{ACME}#{}\n", "\t".repeat(900_000));
        let body = json!({ "file_name": "acme.yaml", "text": padded, "secrets": secrets });

        let (status, _, answer) = call(platform.clone(), world.host(), post(&body)).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(
            (&answer["changed"], &answer["changes"][0]["operation"]),
            (&json!(true), &json!("create"))
        );

        let read = Request::get("/api/v1/export/acme").body(Body::empty()).unwrap();
        let (status, media, exported) = call(platform.clone(), world.host(), read).await;
        assert_eq!((status, media.as_str()), (StatusCode::OK, "application/yaml"));

        let tenant: axum::Router = manifest::tenant_routes(world.service.clone()).into();
        let inside = world.host_in("acme").await;
        let read = Request::get("/api/v1/export").body(Body::empty()).unwrap();
        let (_, _, own) = call(tenant.clone(), inside.clone(), read).await;
        assert_eq!(own, exported);
        let body = json!({ "file_name": "export.yaml", "text": own });
        let (status, _, answer) = call(tenant, inside, post(&body)).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        assert!(answer.contains("nothing to change"), "{answer}");

        let odd = json!({ "file_name": "f", "text": "", "actor": "root" });
        let (status, ..) = call(platform, world.host(), post(&odd)).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    }
}
