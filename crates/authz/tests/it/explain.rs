//! Explanations: what those see who may see reasons, and what the person denied sees.

use authz::access::{EXPLANATION_QUESTIONS, QuestionRates, Rate};
use authz::cx::RequestContext;
use authz::roles::Window;
use authz::{Actor, Core, Cx, Place};
use axum::http::StatusCode;
use base::SeededRandom;
use base::id::{ClientId, UserId};
use serde_json::{Value, json};

use crate::access::post;
use crate::world::{NOON, World};

/// Alice reads plans from the office, and drafts of her team. The client `helpdesk` may ask why.
struct Scene {
    world: World,
    alice: UserId,
    helpdesk: ClientId,
}

impl Scene {
    async fn both() -> Vec<Self> {
        let mut scenes = Vec::new();
        for world in World::both().await {
            let alice = world.user(&world.acme, "Alice", None).await;
            let helpdesk = world.client(&world.acme, "helpdesk", None).await;
            let reader = json!({
                "Version": "2012-10-17",
                "Statement": [
                    { "Sid": "Office", "Effect": "Allow", "Action": "document:read", "Resource": "document:plan",
                        "Condition": { "IpAddress": { "aws:SourceIp": "10.0.0.0/8" } } },
                    { "Sid": "Team", "Effect": "Allow", "Action": "document:read", "Resource": "document:draft",
                        "Condition": { "StringEquals": { "aws:ResourceTag/team": "blue" } } },
                    { "Sid": "Secret", "Effect": "Deny", "Action": "*", "Resource": "document:secret" },
                ],
            });
            let reader = world.role_with("READER", reader).await;
            world.assign(&alice, &reader, Window::ALWAYS).await;
            let asker = json!({
                "Version": "2012-10-17",
                "Statement": [{ "Effect": "Allow", "Action": "access:*", "Resource": "*" }],
            });
            let asker = world.role_with("ASKER", asker).await;
            world.assign(&helpdesk, &asker, Window::ALWAYS).await;
            world.register(&helpdesk, Some(json!({ "actions": ["*"], "resources": ["*"] }))).await;
            scenes.push(Self { world, alice, helpdesk });
        }
        scenes
    }

    fn as_client(&self, core: &Core, id: &ClientId, client_id: &str) -> Cx {
        let tenant = self.world.acme.id.clone();
        let actor =
            Actor::Client { id: id.clone(), tenant, client_id: client_id.to_owned(), api: authz::Api::Open };
        let place = Place::Tenant(self.world.acme.clone());
        Cx::new(core.clone(), place, actor, RequestContext::none(NOON))
    }

    fn as_helpdesk(&self) -> Cx {
        self.as_client(&self.world.core, &self.helpdesk, "helpdesk")
    }

    fn as_alice(&self) -> Cx {
        self.world.cx_of(&self.world.acme, &self.alice, "Alice")
    }
}

fn about(subject: &str, action: &str, id: &str) -> Value {
    json!({
        "subject": { "type": "user", "id": subject },
        "action": { "name": action },
        "resource": { "type": "document", "id": id },
    })
}

async fn explain(cx: &Cx, action: &str, id: &str) -> (StatusCode, Value) {
    post(cx, "/access/v1/explanation", &about("alice", action, id)).await
}

#[tokio::test]
async fn who_may_see_reasons_sees_what_nearly_applied_and_what_of_it_failed() {
    for scene in Scene::both().await {
        let cx = scene.as_helpdesk();

        let (status, body) = explain(&cx, "read", "plan").await;

        assert_eq!(status, StatusCode::OK);
        let context = &body["context"];
        assert_eq!((&body["decision"], &context["denial"]), (&json!(false), &json!("nothing_applies")));
        assert_eq!((&context["because"], &context["nearest_complete"]), (&json!([]), &json!(true)));
        let nearest = context["nearest"].as_array().unwrap();
        assert_eq!(
            nearest[0],
            json!({
                "effect": "allow", "layer": "identity", "priority": 0, "roles": ["Role READER"],
                "policy": "READER policy", "statement": 0, "sid": "Office",
                "failed": [
                    { "part": "condition", "operator": "IpAddress", "key": "aws:SourceIp", "why": "absent" },
                ],
            })
        );
        let parts = |miss: &Value| -> Vec<String> {
            let failed = miss["failed"].as_array().unwrap().iter();
            failed.map(|failed| failed["part"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(nearest[1]["sid"], json!("Team"));
        assert_eq!(parts(&nearest[1]), ["resource", "condition"]);
        assert_eq!(nearest.len(), 2);
        assert!(context.get("failed_keys").is_none());

        let (_, denied) = explain(&cx, "read", "secret").await;
        assert_eq!(denied["context"]["denial"], json!("explicit_deny"));
        assert_eq!(denied["context"]["because"][0]["sid"], json!("Secret"));
        assert_eq!(denied["context"]["nearest"], json!([]));
        // The plain answers stay as they were.
        let (_, plain) = post(&cx, "/access/v1/evaluation", &about("alice", "read", "plan")).await;
        assert!(plain["context"].get("nearest").is_none() && plain["context"].get("denial").is_none());
        assert_eq!(scene.world.events("access.evaluated").await.len(), 3);
    }
}

#[tokio::test]
async fn the_person_denied_sees_the_keys_of_their_own_question_and_no_policy() {
    for scene in Scene::both().await {
        let cx = scene.as_alice();
        let keys = async |id: &str| {
            let (status, body) = explain(&cx, "read", id).await;
            assert_eq!((status, &body["decision"]), (StatusCode::OK, &json!(false)), "{id}");
            let text = body.to_string();
            for secret in ["READER", "Office", "Team", "Secret", "10.0.0.0", "blue", "because", "nearest"] {
                assert!(!text.contains(secret), "{secret}: {text}");
            }
            (body["context"]["denial"].clone(), body["context"].get("failed_keys").cloned())
        };

        assert_eq!(keys("plan").await, (json!("nothing_applies"), Some(json!(["aws:SourceIp"]))));
        // What is stored with the resource is none of theirs.
        assert_eq!(keys("draft").await, (json!("nothing_applies"), None));
        assert_eq!(keys("other").await, (json!("nothing_applies"), None));
        assert_eq!(keys("secret").await, (json!("explicit_deny"), None));
    }
}

#[tokio::test]
async fn about_others_only_those_are_told_why_who_may_see_reasons() {
    for scene in Scene::both().await {
        let world = &scene.world;
        let asks_only = json!({
            "Version": "2012-10-17",
            "Statement": [{ "Effect": "Allow", "Action": "access:Evaluate", "Resource": "*" }],
        });
        let role = world.role_with("ASKS_ONLY", asks_only).await;
        let point = world.client(&world.acme, "point", None).await;
        world.assign(&point, &role, Window::ALWAYS).await;
        world.register(&point, Some(json!({ "actions": ["*"], "resources": ["*"] }))).await;
        let bob = world.user(&world.acme, "Bob", None).await;

        let (status, body) = explain(&scene.as_client(&world.core, &point, "point"), "read", "plan").await;
        assert_eq!((status, &body["code"]), (StatusCode::FORBIDDEN, &json!("denied")));
        let (status, _) = explain(&world.cx_of(&world.acme, &bob, "Bob"), "read", "plan").await;
        assert_eq!(status, StatusCode::FORBIDDEN);
        let (status, body) =
            post(&scene.as_helpdesk(), "/access/v1/explanation", &about("nobody", "read", "plan")).await;
        assert_eq!((status, &body["context"]["denial"]), (StatusCode::OK, &json!("no_subject")));
        assert!(body["context"].get("nearest").is_none());
    }
}

#[tokio::test]
async fn an_explanation_counts_as_ten_questions() {
    for scene in Scene::both().await {
        let questions = u32::try_from(EXPLANATION_QUESTIONS).unwrap();
        let two = Rate { per_second: 1, burst: 2 * questions };
        let rates = QuestionRates { points: two, ..QuestionRates::default() };
        let core = Core::with_rates(
            scene.world.db.store.clone(),
            scene.world.clock.clone(),
            std::sync::Arc::new(SeededRandom::new(3)),
            rates,
        )
        .unwrap();
        let cx = scene.as_client(&core, &scene.helpdesk, "helpdesk");

        let mut statuses = Vec::new();
        for _ in 0..3 {
            statuses.push(explain(&cx, "read", "plan").await.0);
        }

        assert_eq!(statuses, [StatusCode::OK, StatusCode::OK, StatusCode::TOO_MANY_REQUESTS]);
    }
}
