//! Enforcement points: what a client is registered for, which context it may add, how many questions it may ask.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use authz::access::{Answer, Question, QuestionRates, Rate, Semantic, Subject, Uncovered, evaluate};
use authz::cx::RequestContext;
use authz::roles::Window;
use authz::{Action, Actor, Change, Core, Cx, Error, Place, Target};
use base::SeededRandom;
use base::id::{ClientId, UserId};
use serde_json::json;
use store::Sql;

use crate::world::{NOON, World};

/// Alice reads documents. The client `orders` holds `access:Evaluate`.
struct Scene {
    world: World,
    alice: UserId,
    orders: ClientId,
}

impl Scene {
    async fn both() -> Vec<Self> {
        let mut scenes = Vec::new();
        for world in World::both().await {
            let alice = world.user(&world.acme, "Alice", None).await;
            let orders = world.client(&world.acme, "orders", None).await;
            let statement = |action: &str, resource: &str| {
                let one = json!({ "Effect": "Allow", "Action": action, "Resource": resource });
                json!({ "Version": "2012-10-17", "Statement": [one] })
            };
            let reader = world.role_with("READER", statement("document:*", "document:*")).await;
            world.assign(&alice, &reader, Window::ALWAYS).await;
            let asker = world.role_with("ASKER", statement("access:Evaluate", "*")).await;
            world.assign(&orders, &asker, Window::ALWAYS).await;
            scenes.push(Self { world, alice, orders });
        }
        scenes
    }

    fn as_client(&self, core: &Core, id: &ClientId, client_id: &str) -> Cx {
        let tenant = self.world.acme.id.clone();
        let actor =
            Actor::Client { id: id.clone(), tenant, client_id: client_id.to_owned(), api: authz::Api::Open };
        let request = RequestContext {
            client_address: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))),
            ..RequestContext::none(NOON)
        };
        Cx::new(core.clone(), Place::Tenant(self.world.acme.clone()), actor, request)
    }

    async fn ask(&self, questions: &[Question]) -> authz::Result<Vec<Answer>> {
        let cx = self.as_client(&self.world.core, &self.orders, "orders");
        evaluate(&cx, questions, Semantic::ExecuteAll).await
    }
}

fn about(kind: &str, id: &str, action: &str, resource: &str) -> Question {
    Question {
        subject: Subject { kind: kind.to_owned(), id: id.to_owned() },
        action: action.to_owned(),
        resource: resource.to_owned(),
        context_keys: Vec::new(),
        context: Vec::new(),
        end_user_address: None,
        end_user_secure_transport: None,
    }
}

fn alice(action: &str, resource: &str) -> Question {
    about("user", "Alice", action, resource)
}

#[tokio::test]
async fn a_client_that_is_not_registered_may_ask_about_itself_only() {
    for scene in Scene::both().await {
        let own = about("client", "orders", "document:read", "document:plan");
        assert!(!scene.ask(std::slice::from_ref(&own)).await.unwrap()[0].decision);

        let refused = scene.ask(&[own, alice("document:read", "document:plan")]).await.unwrap_err();

        let Error::NoEnforcementPoint { decision } = refused else { panic!("{refused:?}") };
        let events = scene.world.events("access.denied").await;
        assert!(events.iter().any(|event| event.id == decision && event.result == "DENIED"));
    }
}

#[tokio::test]
async fn a_registration_alone_lets_nobody_ask() {
    for scene in Scene::both().await {
        let other = scene.world.client(&scene.world.acme, "other", None).await;
        scene.world.register(&other, Some(json!({ "actions": ["*"], "resources": ["*"] }))).await;
        let cx = scene.as_client(&scene.world.core, &other, "other");

        let refused = evaluate(&cx, &[alice("document:read", "document:plan")], Semantic::ExecuteAll).await;

        assert!(matches!(refused, Err(Error::Denied { .. })), "{refused:?}");
    }
}

#[tokio::test]
async fn each_question_must_be_covered_and_an_uncovered_one_is_denied_and_recorded() {
    for scene in Scene::both().await {
        let point = json!({ "actions": ["document:read"], "resources": ["document:docs/*"] });
        scene.world.register(&scene.orders, Some(point)).await;
        let uncovered = |found: &Answer| found.uncovered.clone();

        let answers = scene
            .ask(&[
                alice("document:read", "document:docs/plan"),
                alice("document:write", "document:docs/plan"),
                alice("document:read", "document:payroll"),
                // What is about the caller itself needs no registration.
                about("client", "orders", "document:write", "document:payroll"),
            ])
            .await
            .unwrap();

        let decisions: Vec<bool> = answers.iter().map(|answer| answer.decision).collect();
        assert_eq!(decisions, [true, false, false, false]);
        assert_eq!(uncovered(&answers[0]), None);
        assert_eq!(uncovered(&answers[1]), Some(Uncovered::Action("document:write".to_owned())));
        assert_eq!(uncovered(&answers[2]), Some(Uncovered::Resource("document:payroll".to_owned())));
        assert_eq!(uncovered(&answers[3]), None);
        let events = scene.world.events("access.evaluated").await;
        let event = events.iter().find(|event| event.id == answers[1].id).unwrap();
        assert_eq!(event.details["denial"], "action_not_registered");
    }
}

#[tokio::test]
async fn a_changed_registration_counts_at_once() {
    for scene in Scene::both().await {
        let question = [alice("document:read", "document:docs/plan")];
        for (point, covered) in [
            (json!({ "actions": ["document:*"], "resources": ["*"] }), true),
            (json!({ "actions": ["payroll:*"], "resources": ["*"] }), false),
            (json!({ "actions": ["*"], "resources": ["document:docs/*"] }), true),
        ] {
            scene.world.register(&scene.orders, Some(point.clone())).await;
            let answers = scene.ask(&question).await.unwrap();
            assert_eq!((answers[0].decision, answers[0].uncovered.is_none()), (covered, covered), "{point}");
        }
        scene.world.register(&scene.orders, None).await;
        assert!(matches!(scene.ask(&question).await, Err(Error::NoEnforcementPoint { .. })));
    }
}

#[tokio::test]
async fn context_keys_and_the_end_users_address_need_a_registration() {
    for scene in Scene::both().await {
        let point = json!({
            "actions": ["*"], "resources": ["*"], "context_keys": ["channel"], "end_user_address": true,
        });
        scene.world.register(&scene.orders, Some(point)).await;
        let with = |key: &str| Question {
            context_keys: vec![key.to_owned()],
            ..alice("document:read", "document:plan")
        };
        let denied = Question {
            context_keys: vec!["end_user_address".to_owned()],
            end_user_address: Some(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7))),
            ..alice("payroll:read", "document:plan")
        };

        let answers = scene.ask(&[with("Channel"), with("weather"), denied]).await.unwrap();

        assert!(answers[0].decision);
        assert_eq!(answers[1].uncovered, Some(Uncovered::ContextKey("weather".to_owned())));
        assert_eq!(answers[2].uncovered, None);
        let events = scene.world.events("access.evaluated").await;
        let event = events.iter().find(|event| event.id == answers[2].id).unwrap();
        assert_eq!(event.details["end_user_address"], "203.0.113.7");

        let cx = scene.world.cx_of(&scene.world.acme, &scene.alice, "Alice");
        let own = evaluate(&cx, &[with("channel")], Semantic::ExecuteAll).await.unwrap();
        assert_eq!(
            own[0].uncovered,
            Some(Uncovered::ContextKey("channel".to_owned())),
            "a person is registered for no context"
        );
    }
}

#[tokio::test]
async fn whoever_asks_too_much_waits_and_each_refusal_is_counted() {
    for scene in Scene::both().await {
        scene.world.register(&scene.orders, Some(json!({ "actions": ["*"], "resources": ["*"] }))).await;
        let rates = QuestionRates {
            points: Rate { per_second: 10, burst: 200 },
            others: Rate { per_second: 1, burst: 100 },
        };
        let store = scene.world.db.store.clone();
        let random = Arc::new(SeededRandom::new(9));
        let core = Core::with_rates(store, scene.world.clock.clone(), random, rates).unwrap();
        let orders = scene.as_client(&core, &scene.orders, "orders");
        let batch = vec![alice("document:read", "document:plan"); 100];
        let ask = async |cx: &Cx, questions: &[Question]| evaluate(cx, questions, Semantic::ExecuteAll).await;

        for _ in 0..2 {
            assert_eq!(ask(&orders, &batch).await.unwrap().len(), 100);
        }
        let mut refusals = Vec::new();
        for _ in 0..3 {
            refusals.push(ask(&orders, &batch[..20]).await.unwrap_err());
        }

        for refusal in refusals {
            let Error::TooManyQuestions(limit) = refusal else { panic!("{refusal:?}") };
            assert_eq!((limit.name, limit.quota, limit.remaining), ("points", 200, 0));
            assert_eq!(limit.reset_seconds, 2);
        }
        // Another caller has a bucket of its own, and a person's is smaller.
        let person = crate::world::cx_of(&core, &scene.world.acme, &scene.alice, "Alice");
        assert_eq!(ask(&person, &batch).await.unwrap().len(), 100);
        let refused = ask(&person, &batch[..1]).await.unwrap_err();
        assert!(matches!(refused, Error::TooManyQuestions(limit) if limit.name == "others"));
        core.flush_audit().await;
        let events = scene.world.events("access.throttled").await;
        let mut counts: Vec<i64> = events.iter().map(|event| event.count).collect();
        counts.sort_unstable();
        assert_eq!(counts, [1, 3]);
    }
}

#[tokio::test]
async fn a_name_finds_whoever_has_it_now() {
    for scene in Scene::both().await {
        scene.world.register(&scene.orders, Some(json!({ "actions": ["*"], "resources": ["*"] }))).await;
        let question = [alice("document:read", "document:plan")];
        assert!(scene.ask(&question).await.unwrap()[0].decision);
        assert!(scene.ask(&question).await.unwrap()[0].decision, "from memory");
        let (cx, permit) = scene.world.boot(&scene.world.acme);
        let mut tx = cx.write(&permit).await.unwrap();
        let rename = Sql::new("UPDATE users SET username = 'Alicia', username_key = 'alicia' WHERE id = $1");
        tx.execute(rename.bind(&scene.alice)).await.unwrap();
        tx.decisions_change(&permit, Change::Principal(&scene.alice.cast()));
        tx.commit_housekeeping().await.unwrap();

        assert!(!scene.ask(&question).await.unwrap()[0].decision, "nobody has the name");
        let other = scene.world.user(&scene.world.acme, "alice", None).await;
        let reader = scene.world.role(&scene.world.acme, "READER").await;
        scene.world.assign(&other, &reader, Window::ALWAYS).await;
        assert!(scene.ask(&question).await.unwrap()[0].decision, "another person has it");
        let renamed = about("user", "ALICIA", "document:read", "document:plan");
        assert!(scene.ask(&[renamed]).await.unwrap()[0].decision);
    }
}

#[tokio::test]
async fn answers_say_since_when_the_database_is_away_and_end_when_that_is_too_long() {
    for scene in Scene::both().await {
        scene.world.register(&scene.orders, Some(json!({ "actions": ["*"], "resources": ["*"] }))).await;
        let question = [alice("document:read", "document:plan"), alice("payroll:read", "document:plan")];
        let core = &scene.world.core;
        core.watch_freshness(60);
        assert_eq!(scene.ask(&question).await.unwrap()[0].stale_since, None);

        // Nobody looks, as if the database did not answer.
        scene.world.clock.advance_seconds(60);
        let stale = scene.ask(&question).await.unwrap();
        scene.world.clock.advance_seconds(10);
        let refused = scene.ask(&question).await.unwrap_err();
        let cx = scene.world.cx_of(&scene.world.acme, &scene.alice, "Alice");
        let own = cx.may(Action::UserReadSelf, &Target::own_user()).await.unwrap_err();
        core.refresh().await.unwrap();

        assert_eq!((stale[0].decision, stale[0].stale_since), (true, Some(NOON)));
        assert_eq!((stale[1].decision, stale[1].stale_since), (false, Some(NOON)));
        assert!(matches!(refused, Error::Outdated { since } if since == NOON), "{refused:?}");
        assert!(matches!(own, Error::Outdated { .. }), "{own:?}");
        assert_eq!(scene.ask(&question).await.unwrap()[0].stale_since, None);
    }
}

#[tokio::test]
async fn a_thousand_questions_are_answered_by_one_version() {
    for scene in Scene::both().await {
        scene.world.register(&scene.orders, Some(json!({ "actions": ["*"], "resources": ["*"] }))).await;
        let questions: Vec<Question> = (0..1_000)
            .map(|n| match n % 3 {
                0 => alice("document:read", "document:plan"),
                1 => about("user", scene.alice.as_str(), "payroll:read", "document:plan"),
                _ => about("user", &format!("nobody{n}"), "document:read", "document:plan"),
            })
            .collect();

        let answers = scene.ask(&questions).await.unwrap();

        assert_eq!(answers.len(), 1_000);
        for (n, answer) in answers.iter().enumerate() {
            assert_eq!(answer.decision, n % 3 == 0, "{n}");
        }
    }
}
