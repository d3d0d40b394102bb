//! The AuthZEN endpoints: who may ask, what is answered, what is left as evidence.

use std::sync::Arc;

use authz::cx::RequestContext;
use authz::roles::Window;
use authz::{Actor, Cx, Place, TenantRef};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::world::{NOON, World};

/// Alice reads documents but not secret ones; the enforcement point may ask about others.
struct Scene {
    world: World,
    alice: base::id::UserId,
    service: base::id::ClientId,
}

impl Scene {
    async fn both() -> Vec<Self> {
        let mut scenes = Vec::new();
        for world in World::both().await {
            let alice = world.user(&world.acme, "Alice", None).await;
            let service = world.client(&world.acme, "orders", None).await;
            let reader = json!({
                "Version": "2012-10-17",
                "Statement": [
                    { "Sid": "Read", "Effect": "Allow", "Action": "document:read", "Resource": "document:*" },
                    { "Sid": "Secret", "Effect": "Deny", "Action": "*", "Resource": "document:secret/*" },
                ],
            });
            let asker = json!({
                "Version": "2012-10-17",
                "Statement": [{ "Effect": "Allow", "Action": "access:Evaluate", "Resource": "*" }],
            });
            let reader = world.role_with("READER", reader).await;
            world.assign(&alice, &reader, Window::ALWAYS).await;
            let asker = world.role_with("ASKER", asker).await;
            world.assign(&service, &asker, Window::ALWAYS).await;
            world.register(&service, Some(json!({ "actions": ["*"], "resources": ["*"] }))).await;
            scenes.push(Self { world, alice, service });
        }
        scenes
    }

    fn as_service(&self) -> Cx {
        self.cx(Actor::Client {
            id: self.service.clone(),
            tenant: self.world.acme.id.clone(),
            client_id: "orders".to_owned(),
            api: authz::Api::Open,
        })
    }

    fn as_alice(&self) -> Cx {
        self.world.cx_of(&self.world.acme, &self.alice, "Alice")
    }

    fn cx(&self, actor: Actor) -> Cx {
        let request =
            RequestContext { request_id: Some("request-1".to_owned()), ..RequestContext::none(NOON) };
        Cx::new(self.world.core.clone(), Place::Tenant(self.world.acme.clone()), actor, request)
    }
}

async fn call(cx: &Cx, request: Request<Body>) -> (StatusCode, axum::http::HeaderMap, Value) {
    let (router, _) = authz::access::tenant_routes().split_for_parts();
    let router =
        router.layer(axum::middleware::from_fn(web::layers::problems)).layer(axum::Extension(cx.clone()));
    let response = router.oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    (parts.status, parts.headers, serde_json::from_slice(&bytes).unwrap())
}

pub(crate) async fn post(cx: &Cx, path: &str, body: &Value) -> (StatusCode, Value) {
    let request =
        Request::post(path).header("content-type", "application/json").body(body.to_string().into());
    let (status, _, body) = call(cx, request.unwrap()).await;
    (status, body)
}

async fn ask(cx: &Cx, body: &Value) -> (StatusCode, Value) {
    post(cx, "/access/v1/evaluation", body).await
}

fn question(subject: &str, action: &str, id: &str) -> Value {
    json!({
        "subject": { "type": "user", "id": subject },
        "action": { "name": action },
        "resource": { "type": "document", "id": id },
    })
}

#[tokio::test]
async fn a_service_gets_the_decision_about_another() {
    for scene in Scene::both().await {
        let cx = scene.as_service();
        let foreign = format!("arn:signet:iam::{}:user/x", scene.world.rival.id);
        for (subject, action, id, expected) in [
            (scene.alice.as_str(), "document:read", "docs/plan", true),
            (scene.alice.as_str(), "read", "docs/plan", true),
            ("Alice", "document:read", "docs/plan", true),
            ("ALICE", "document:read", "docs/plan", true),
            (scene.alice.as_str(), "document:write", "docs/plan", false),
            (scene.alice.as_str(), "document:read", "secret/plan", false),
            (scene.alice.as_str(), "document:read", "docs/../plan", false),
            (scene.alice.as_str(), "document:read", "", false),
            (scene.alice.as_str(), "document:read", foreign.as_str(), false),
            (scene.service.as_str(), "document:read", "docs/plan", false),
            ("nobody", "document:read", "docs/plan", false),
            ("", "document:read", "docs/plan", false),
        ] {
            let (status, body) = ask(&cx, &question(subject, action, id)).await;

            assert_eq!(status, StatusCode::OK);
            assert_eq!(body["decision"], json!(expected), "{subject} {action} {id}");
            let context = body["context"].as_object().unwrap();
            assert_eq!(context.keys().collect::<Vec<_>>(), ["id"], "no reason without access:Explain");
        }
    }
}

#[tokio::test]
async fn a_type_cannot_shift_the_border_between_type_and_id() {
    for scene in Scene::both().await {
        for kind in ["document:x", "", "document/x", "do*"] {
            let mut body = question("Alice", "document:read", "plan");
            body["resource"]["type"] = json!(kind);

            let (status, body) = ask(&scene.as_service(), &body).await;

            assert_eq!((status, &body["decision"]), (StatusCode::OK, &json!(false)), "{kind}");
        }
    }
}

#[tokio::test]
async fn about_oneself_one_may_always_ask_and_about_others_only_with_permission() {
    for scene in Scene::both().await {
        let cx = scene.as_alice();
        for own in [scene.alice.as_str(), "Alice", "alice"] {
            let (status, body) = ask(&cx, &question(own, "read", "plan")).await;
            assert_eq!((status, &body["decision"]), (StatusCode::OK, &json!(true)), "{own}");
        }
        let (_, body) = ask(&cx, &question("alice", "read", "secret/plan")).await;
        assert_eq!(body["context"]["reason_user"]["en"], "a policy denies it");
        assert_eq!(body["context"]["because"], Value::Null);

        let (status, body) = ask(&cx, &question("orders", "read", "plan")).await;
        assert_eq!((status, &body["code"]), (StatusCode::FORBIDDEN, &json!("denied")));
        let mixed = json!({
            "action": { "name": "read" }, "resource": { "type": "document", "id": "plan" },
            "evaluations": [
                { "subject": { "type": "user", "id": "alice" } }, { "subject": { "type": "user", "id": "bob" } },
            ],
        });
        let (status, _) = post(&cx, "/access/v1/evaluations", &mixed).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
    }
}

#[tokio::test]
async fn whoever_may_not_use_the_api_may_not_ask_about_themselves_either() {
    for scene in Scene::both().await {
        let user = |api, must_change_password| Actor::User {
            id: scene.alice.clone(),
            tenant: scene.world.acme.id.clone(),
            username: "Alice".to_owned(),
            session: None,
            client: None,
            api,
            must_change_password,
        };
        for (actor, status, code) in [
            (Actor::Anonymous, StatusCode::UNAUTHORIZED, "unauthenticated"),
            (user(authz::Api::Closed, false), StatusCode::FORBIDDEN, "insufficient_scope"),
            (user(authz::Api::Open, true), StatusCode::FORBIDDEN, "password_change_required"),
        ] {
            let found = ask(&scene.cx(actor), &question("alice", "read", "plan")).await;
            assert_eq!((found.0, &found.1["code"]), (status, &json!(code)));
        }
        let broken = Request::post("/access/v1/evaluation").body("{".into()).unwrap();
        let (status, _, _) = call(&scene.cx(Actor::Anonymous), broken).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "nobody learns whether a body is well formed");
    }
}

#[tokio::test]
async fn a_principal_of_another_tenant_may_not_ask_here() {
    for scene in Scene::both().await {
        let eve = scene.world.user(&scene.world.rival, "alice", Some("SUPER_ADMIN")).await;
        let actor = Actor::User {
            id: eve,
            tenant: scene.world.rival.id.clone(),
            username: "alice".to_owned(),
            session: None,
            client: None,
            api: authz::Api::Open,
            must_change_password: false,
        };

        let (status, _) = ask(&scene.cx(actor), &question("alice", "read", "plan")).await;

        assert_eq!(status, StatusCode::FORBIDDEN);
    }
}

#[tokio::test]
async fn what_only_the_decision_point_knows_is_refused_and_the_rest_ignored() {
    for scene in Scene::both().await {
        let cx = scene.as_service();
        for (pointer, value, expected) in [
            ("/context", json!({ "aws:SourceIp": "10.0.0.1" }), "/context/aws:SourceIp"),
            ("/context", json!({ "SIGNET:tenant": "x" }), "/context/SIGNET:tenant"),
            ("/subject/properties", json!({ "role": "admin" }), "/subject/properties"),
        ] {
            let mut body = question("Alice", "read", "plan");
            set(&mut body, pointer, value);
            let (status, answer) = ask(&cx, &body).await;
            assert_eq!((status, &answer["code"]), (StatusCode::BAD_REQUEST, &json!("reserved_context_key")));
            assert_eq!(answer["errors"][0]["pointer"], expected);
        }
        for (pointer, value) in [
            ("/context", json!({})),
            ("/subject/properties", json!({})),
            ("/resource/properties", json!({ "owner": "alice" })),
            ("/action/properties", json!({ "method": "GET" })),
            ("/extension", json!([1])),
        ] {
            let mut body = question("Alice", "read", "plan");
            set(&mut body, pointer, value);
            let (status, answer) = ask(&cx, &body).await;
            assert_eq!((status, &answer["decision"]), (StatusCode::OK, &json!(true)), "{pointer}");
        }
    }
}

fn set(body: &mut Value, pointer: &str, value: Value) {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    body.pointer_mut(parent).unwrap()[key] = value;
}

#[tokio::test]
async fn a_question_that_is_none_is_a_bad_request() {
    for scene in Scene::both().await {
        let cx = scene.as_service();
        let without = |member: &str| {
            let mut body = question("Alice", "read", "plan");
            body.as_object_mut().unwrap().remove(member);
            body
        };
        for body in [
            without("subject"),
            without("action"),
            without("resource"),
            json!({ "subject": { "type": "user" }, "action": { "name": "a" }, "resource": { "type": "a", "id": "b" } }),
            json!([]),
            json!({ "subject": 1 }),
        ] {
            let (status, _) = ask(&cx, &body).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        }
        let one = question("Alice", "read", "plan");
        let many = json!({ "evaluations": vec![one.clone(); 1_001] });
        let (status, body) = post(&cx, "/access/v1/evaluations", &many).await;
        assert_eq!((status, &body["code"]), (StatusCode::BAD_REQUEST, &json!("too_many")));
        let most = json!({ "evaluations": vec![one.clone(); 1_000] });
        let (status, body) = post(&cx, "/access/v1/evaluations", &most).await;
        assert_eq!((status, body["evaluations"].as_array().unwrap().len()), (StatusCode::OK, 1_000));
        let odd = json!({ "evaluations": [one], "options": { "evaluations_semantic": "maybe" } });
        assert_eq!(post(&cx, "/access/v1/evaluations", &odd).await.0, StatusCode::BAD_REQUEST);
        let request = Request::post("/access/v1/evaluation").body("{}".into()).unwrap();
        assert_eq!(call(&cx, request).await.0, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
}

#[tokio::test]
async fn several_questions_share_defaults_and_stop_where_asked_to() {
    for scene in Scene::both().await {
        let cx = scene.as_service();
        let document = |id: &str| json!({ "resource": { "type": "document", "id": id } });
        for (semantic, expected) in [
            (None, vec![true, false, true, false]),
            (Some("execute_all"), vec![true, false, true, false]),
            (Some("deny_on_first_deny"), vec![true, false]),
            (Some("permit_on_first_permit"), vec![true]),
        ] {
            let mut body = json!({
                "subject": { "type": "user", "id": "Alice" },
                "action": { "name": "document:read" },
                "evaluations": [document("a"), document("secret/b"), document("c"), document("d")],
            });
            body["evaluations"][3]["action"] = json!({ "name": "document:write" });
            if let Some(semantic) = semantic {
                body["options"] = json!({ "evaluations_semantic": semantic });
            }

            let (status, answer) = post(&cx, "/access/v1/evaluations", &body).await;

            assert_eq!(status, StatusCode::OK);
            let decisions: Vec<bool> = answer["evaluations"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| one["decision"].as_bool().unwrap())
                .collect();
            assert_eq!(decisions, expected, "{semantic:?}");
            assert_eq!(answer.get("decision"), None);
        }
        for empty in [question("Alice", "read", "plan"), {
            let mut body = question("Alice", "read", "plan");
            body["evaluations"] = json!([]);
            body
        }] {
            let (_, answer) = post(&cx, "/access/v1/evaluations", &empty).await;
            assert_eq!(answer["decision"], true, "one question, as the single endpoint answers it");
        }
    }
}

#[tokio::test]
async fn the_callers_request_id_comes_back_also_with_an_error() {
    for scene in Scene::both().await {
        for (body, status) in [
            (question("Alice", "read", "plan").to_string(), StatusCode::OK),
            ("{".to_owned(), StatusCode::BAD_REQUEST),
        ] {
            let request = Request::post("/access/v1/evaluation")
                .header("content-type", "application/json")
                .header("x-request-id", "any text / of theirs")
                .body(body.into());
            let (found, headers, _) = call(&scene.as_service(), request.unwrap()).await;
            assert_eq!((found, &headers["x-request-id"]), (status, &"any text / of theirs".parse().unwrap()));
        }
    }
}

#[tokio::test]
async fn the_reasons_are_for_those_who_may_see_them() {
    for scene in Scene::both().await {
        let root = scene.world.user(&scene.world.acme, "root", Some("SUPER_ADMIN")).await;
        let cx = scene.world.cx_of(&scene.world.acme, &root, "root");

        let (_, allowed) = ask(&cx, &question("Alice", "read", "plan")).await;
        let (_, denied) = ask(&cx, &question("Alice", "read", "secret/plan")).await;
        let (_, nobody) = ask(&cx, &question("nobody", "read", "plan")).await;

        let because = &allowed["context"]["because"][0];
        assert_eq!((&because["effect"], &because["sid"]), (&json!("allow"), &json!("Read")));
        assert_eq!(
            (&because["roles"], &because["policy"]),
            (&json!(["Role READER"]), &json!("READER policy"))
        );
        assert_eq!(denied["context"]["because"][0]["sid"], "Secret");
        assert_eq!(denied["context"]["reason_admin"]["en"], "a policy denies it");
        assert!(denied["context"]["policy_version"].as_i64().unwrap() > 0);
        assert_eq!(nobody["context"]["reason_admin"]["en"], "there is no such active principal");
    }
}

#[tokio::test]
async fn denials_are_recorded_each_and_permissions_counted_exactly() {
    for scene in Scene::both().await {
        let cx = scene.as_service();
        for _ in 0..7 {
            let (_, body) = ask(&cx, &question("Alice", "read", "plan")).await;
            assert_eq!(body["context"]["id"], "request-1", "a counted decision is found by its request");
        }
        let (_, denied) = ask(&cx, &question("Alice", "read", "secret/plan")).await;

        let events = scene.world.events("access.evaluated").await;

        let seen: Vec<(&str, i64)> = events.iter().map(|e| (e.result.as_str(), e.count)).collect();
        assert_eq!(seen.len(), 2, "{seen:?}");
        assert!(seen.contains(&("SUCCESS", 7)), "{seen:?}");
        let denial = events.iter().find(|e| e.result == "DENIED").unwrap();
        assert_eq!(denied["context"]["id"], denial.id.as_str());
        assert_eq!(denial.resource, "document:secret/plan");
        assert_eq!(denial.details["denial"], "explicit_deny");
        assert_eq!(denial.details["subject"], json!({ "type": "user", "id": "Alice" }));
    }
}

#[tokio::test]
async fn a_tenant_may_ask_for_each_permission_to_be_recorded() {
    for scene in Scene::both().await {
        let config = json!({ "audit": { "allowed_decisions": "each" } });
        let tenant = Arc::new(TenantRef { config, ..(*scene.world.acme).clone() });
        let actor = scene.as_service().actor().clone();
        let cx = Cx::new(scene.world.core.clone(), Place::Tenant(tenant), actor, RequestContext::none(NOON));
        let mut ids = Vec::new();
        for _ in 0..3 {
            let (_, body) = ask(&cx, &question("Alice", "read", "plan")).await;
            ids.push(body["context"]["id"].as_str().unwrap().to_owned());
        }

        let mut recorded: Vec<String> =
            scene.world.events("access.evaluated").await.into_iter().map(|event| event.id).collect();

        recorded.sort();
        ids.sort();
        assert_eq!(recorded, ids);
    }
}

#[tokio::test]
async fn a_tenant_that_is_switched_off_permits_nothing() {
    for scene in Scene::both().await {
        let tenant = Arc::new(TenantRef { active: false, ..(*scene.world.acme).clone() });
        let actor = scene.as_alice().actor().clone();
        let cx = Cx::new(scene.world.core.clone(), Place::Tenant(tenant), actor, RequestContext::none(NOON));

        let (status, body) = ask(&cx, &question("alice", "read", "plan")).await;

        assert_eq!((status, &body["decision"]), (StatusCode::OK, &json!(false)));
    }
}

#[tokio::test]
async fn the_metadata_names_the_endpoints_under_the_issuer() {
    for scene in Scene::both().await {
        let request = Request::get("/.well-known/authzen-configuration").body(Body::empty()).unwrap();

        let (status, _, body) = call(&scene.cx(Actor::Anonymous), request).await;

        assert_eq!(status, StatusCode::OK);
        assert_eq!(
            body,
            json!({
                "policy_decision_point": "http://localhost:8080/t/acme",
                "access_evaluation_endpoint": "http://localhost:8080/t/acme/access/v1/evaluation",
                "access_evaluations_endpoint": "http://localhost:8080/t/acme/access/v1/evaluations",
            })
        );
    }
}
