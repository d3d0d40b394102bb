//! The audit log over REST on both databases: pages, filters, scopes, and the check of a row.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::sync::Arc;

use audit::{Scope, Service, Tampered, load_event, verify_leaf};
use authz::cx::RequestContext;
use authz::principals::{self, PrincipalKind};
use authz::roles::{self, Holder, Window};
use authz::{Actor, Core, Cx, Event, Place, Purpose, TenantRef};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use base::id::{EventId, TenantId, UserId};
use base::{FixedClock, SeededRandom, Timestamp};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use store::Sql;
use store::testing::TestDb;
use tower::ServiceExt;

const NOON: Timestamp = Timestamp::from_seconds(1_800_000_000);
const HASH: &str = "$2a$12$abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0";

struct World {
    _db: TestDb,
    core: Core,
    clock: Arc<FixedClock>,
    acme: Arc<TenantRef>,
    rival: Arc<TenantRef>,
    service: Service,
}

impl World {
    async fn both() -> Vec<Self> {
        let mut worlds = Vec::new();
        for db in TestDb::both().await {
            let clock = Arc::new(FixedClock::at(NOON));
            let core = Core::new(db.store.clone(), clock.clone(), Arc::new(SeededRandom::new(3))).unwrap();
            let acme = tenant(&core, "acme").await;
            let rival = tenant(&core, "rival").await;
            let service = Service::new(web::CursorKey::new([7; 32]));
            worlds.push(Self { _db: db, core, clock, acme, rival, service });
        }
        worlds
    }

    /// A person with a role, and that person's context in the tenant or on the platform.
    async fn person(&self, tenant: &Arc<TenantRef>, username: &str, role: &str) -> (UserId, Cx) {
        let cx = self.core.system(Place::Tenant(tenant.clone()));
        let permit = cx.purpose(Purpose::Bootstrap);
        let mut tx = cx.write(&permit).await.unwrap();
        let id: UserId = cx.fresh_id();
        let sql = Sql::new(
            "INSERT INTO users (id, tenant_id, username, username_key, password) VALUES ($1, $2, $3, $3, $4)",
        );
        tx.execute(sql.bind(&id).bind(&tenant.id).bind(username).bind(HASH)).await.unwrap();
        principals::insert_in(&mut tx, &tenant.id, &id.cast(), PrincipalKind::User, true).await.unwrap();
        let role = roles::find_role_by_code(&mut tx, &tenant.id, role).await.unwrap().unwrap();
        let holder = Holder::from(&id);
        roles::assign_in(&cx, &mut tx, &permit, &holder, &role.id, Window::ALWAYS).await.unwrap();
        tx.commit().await.unwrap();
        let actor = Actor::User {
            id: id.clone(),
            tenant: tenant.id.clone(),
            username: username.to_owned(),
            session: None,
            client: None,
            api: authz::Api::Open,
            must_change_password: false,
        };
        let cx = Cx::new(self.core.clone(), Place::Tenant(tenant.clone()), actor, RequestContext::none(NOON));
        (id, cx)
    }

    async fn make_platform_admin(&self, id: &UserId) {
        let cx = self.core.system(Place::Platform);
        let permit = cx.purpose(Purpose::Bootstrap);
        let mut tx = cx.write(&permit).await.unwrap();
        let sql = Sql::new("INSERT INTO platform_roles (principal_id, role) VALUES ($1, 'platform_auditor')");
        tx.execute(sql.bind(id)).await.unwrap();
        tx.commit_housekeeping().await.unwrap();
    }

    async fn get(&self, cx: &Cx, path: &str) -> (StatusCode, Value) {
        let routes = match cx.place() {
            Place::Tenant(_) => audit::tenant_routes(self.service.clone()),
            Place::Platform => audit::platform_routes(self.service.clone()),
        };
        let (router, _) = routes.split_for_parts();
        let router =
            router.layer(axum::middleware::from_fn(web::layers::problems)).layer(axum::Extension(cx.clone()));
        let response = router.oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap())
    }
}

async fn tenant(core: &Core, code: &str) -> Arc<TenantRef> {
    let id = TenantId::parse(&format!("tenant-{code}")).unwrap();
    let cx = core.system(Place::Platform);
    let permit = cx.purpose(Purpose::Bootstrap);
    let mut tx = cx.write(&permit).await.unwrap();
    let sql = Sql::new("INSERT INTO tenants (id, name, code, issuer) VALUES ($1, $2, $2, $2)");
    tx.execute(sql.bind(&id).bind(code)).await.unwrap();
    roles::seed_in(&cx, &mut tx, &permit, &id, false).await.unwrap();
    tx.commit().await.unwrap();
    Arc::new(TenantRef {
        id,
        code: code.to_owned(),
        issuer: code.to_owned(),
        name: code.to_owned(),
        active: true,
        config: json!({}),
    })
}

fn platform(world: &World, cx: &Cx) -> Cx {
    Cx::new(world.core.clone(), Place::Platform, cx.actor().clone(), RequestContext::none(NOON))
}

fn ids(page: &Value) -> Vec<String> {
    page["items"].as_array().unwrap().iter().map(|e| e["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn pages_show_each_event_once_newest_first_while_others_arrive() {
    for world in World::both().await {
        let (_, cx) = world.person(&world.acme, "admin", "ADMIN").await;
        for number in 0..23 {
            // Three events an instant, so that the id must break ties.
            if number % 3 == 0 {
                world.clock.advance_seconds(1);
            }
            cx.record(Event::done("probe.made", format!("probe:{number}"))).await;
        }
        world.core.flush_audit().await;

        let mut seen = Vec::new();
        let mut path = "/api/v1/audit/events?action=probe.made&limit=5".to_owned();
        loop {
            let (status, page) = world.get(&cx, &path).await;
            assert_eq!(status, StatusCode::OK, "{page}");
            for item in page["items"].as_array().unwrap() {
                seen.push((item["at"].as_str().unwrap().to_owned(), item["id"].as_str().unwrap().to_owned()));
            }
            let Some(next) = page["next"].as_str() else { break };
            path = format!("/api/v1/audit/events?action=probe.made&limit=5&cursor={next}");
            cx.record(Event::done("probe.made", "probe:late")).await;
            world.core.flush_audit().await;
            world.clock.advance_seconds(1);
        }

        assert_eq!(seen.len(), 23);
        assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 23);
        assert!(seen.is_sorted_by(|a, b| a > b));
    }
}

#[tokio::test]
async fn a_cursor_serves_its_own_list_and_caller_only() {
    for world in World::both().await {
        let (_, cx) = world.person(&world.acme, "admin", "ADMIN").await;
        let (_, other) = world.person(&world.acme, "other", "ADMIN").await;
        let (_, page) = world.get(&cx, "/api/v1/audit/events?limit=1").await;
        let cursor = page["next"].as_str().unwrap();

        for (cx, path, expected) in [
            (&cx, format!("/api/v1/audit/events?limit=1&cursor={cursor}"), StatusCode::OK),
            (&other, format!("/api/v1/audit/events?limit=1&cursor={cursor}"), StatusCode::BAD_REQUEST),
            (&cx, format!("/api/v1/audit/events?result=denied&cursor={cursor}"), StatusCode::BAD_REQUEST),
            (&cx, "/api/v1/audit/events?cursor=AAAA".to_owned(), StatusCode::BAD_REQUEST),
        ] {
            assert_eq!(world.get(cx, &path).await.0, expected, "{path}");
        }
    }
}

#[tokio::test]
async fn filters_find_exactly_what_they_name() {
    for world in World::both().await {
        let (admin, cx) = world.person(&world.acme, "admin", "ADMIN").await;
        cx.record(Event::done("probe.made", "probe:1").about_user("bob", Some("Bob"))).await;
        world.clock.advance_seconds(10);
        cx.record(Event::denied("probe.made", "probe:2")).await;
        cx.record(
            Event::failed("probe.other", "probe:2").summary("One line").details(json!({ "a": [1, "b"] })),
        )
        .await;
        world.core.flush_audit().await;
        let cut = NOON.plus_seconds(5);

        for (query, expected) in [
            ("action=probe.made", 2),
            ("action=probe", 0),
            ("user_id=bob", 1),
            (&format!("actor_id={admin}&action=probe.made"), 2),
            ("actor_id=bob", 0),
            ("resource=probe:2", 2),
            ("result=denied&action=probe.made", 1),
            ("result=failure", 1),
            (&format!("action=probe.made&since={cut}"), 1),
            (&format!("action=probe.made&until={cut}"), 1),
        ] {
            let (status, page) = world.get(&cx, &format!("/api/v1/audit/events?{query}")).await;
            assert_eq!(status, StatusCode::OK, "{page}");
            assert_eq!(page["items"].as_array().unwrap().len(), expected, "{query}");
        }
        for query in ["result=maybe", "since=noon", "tenant_id=tenant-rival", "q=x", "limit=0"] {
            let (status, _) = world.get(&cx, &format!("/api/v1/audit/events?{query}")).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{query}");
        }
    }
}

#[tokio::test]
async fn a_filter_an_order_and_fields_look_at_one_log_only() {
    let encode = |text: &str| text.bytes().map(|b| format!("%{b:02X}")).collect::<String>();
    for world in World::both().await {
        let (admin, cx) = world.person(&world.acme, "admin", "ADMIN").await;
        let (_, eve) = world.person(&world.rival, "eve", "ADMIN").await;
        cx.record(Event::done("probe.made", "probe:1").about_user("bob", Some("Bob"))).await;
        world.clock.advance_seconds(10);
        cx.record(Event::denied("probe.made", "probe:2")).await;
        cx.record(Event::failed("probe.other", "Probe:3")).await;
        eve.record(Event::done("probe.made", "probe:4")).await;
        world.core.flush_audit().await;
        let since = format!("action sw \"probe.\" and at gt \"{}\"", NOON.plus_seconds(5));

        for (text, expected) in [
            ("action sw \"probe.\"".to_owned(), vec!["probe:1", "probe:2", "Probe:3"]),
            (since, vec!["probe:2", "Probe:3"]),
            ("resource co \"robe:\" and result ne \"failure\"".to_owned(), vec!["probe:1", "probe:2"]),
            ("resource sw \"probe:\"".to_owned(), vec!["probe:1", "probe:2"]),
            ("user.id eq \"bob\" or user.name eq \"eve\"".to_owned(), vec!["probe:1"]),
            (format!("actor.id eq \"{admin}\" and action ew \"made\""), vec!["probe:1", "probe:2"]),
        ] {
            let path = format!(
                "/api/v1/audit/events?sort=at&count=exact&fields=resource,at&filter={}",
                encode(&text)
            );
            let (status, page) = world.get(&cx, &path).await;

            assert_eq!(status, StatusCode::OK, "{page}");
            let items = page["items"].as_array().unwrap();
            let mut seen: Vec<&str> = items.iter().map(|e| e["resource"].as_str().unwrap()).collect();
            // The last two happened at the same instant: the id orders them.
            seen.sort_by_key(|name| name.to_lowercase());
            assert_eq!(seen, expected, "{text}");
            assert_eq!(page["count"], expected.len());
            assert!(items.iter().all(|item| item.as_object().unwrap().len() == 2));
            assert!(items.is_sorted_by_key(|item| item["at"].as_str().unwrap().to_owned()));
        }
        for (query, code) in [
            ("filter=details+pr", "invalid_filter"),
            ("filter=event_bytes+pr", "invalid_filter"),
            ("sort=action", "invalid_sort"),
            ("fields=event_bytes", "invalid_fields"),
        ] {
            let (_, problem) = world.get(&cx, &format!("/api/v1/audit/events?{query}")).await;
            assert_eq!(problem["code"], code, "{query}");
        }
    }
}

#[tokio::test]
async fn an_event_has_the_documented_form() {
    for world in World::both().await {
        let (admin, cx) = world.person(&world.acme, "admin", "ADMIN").await;
        cx.record(
            Event::failed("probe.made", "probe:2").summary("One line").details(json!({ "a": [1, "b"] })),
        )
        .await;
        world.core.flush_audit().await;
        let (_, page) = world.get(&cx, "/api/v1/audit/events?action=probe.made").await;

        let mut item = page["items"][0].clone();
        let id = item["id"].as_str().unwrap().to_owned();
        let (_, alone) = world.get(&cx, &format!("/api/v1/audit/events/{id}")).await;
        assert_eq!(alone, item);
        let hash = item["leaf_hash"].take();
        item["id"].take();

        assert_eq!(hash.as_str().unwrap().len(), 64);
        assert_eq!(
            item,
            json!({
                "id": null, "at": "2027-01-15T08:00:00.000000Z", "tenant_id": "tenant-acme",
                "action": "probe.made", "actor": { "type": "user", "id": admin.as_str() },
                "user": { "id": admin.as_str(), "name": "admin" }, "resource": "probe:2", "result": "failure",
                "ip_address": null, "user_agent": null, "request_id": null, "session_id": null,
                "duration_ms": 0, "count": 1, "summary": "One line", "details": { "a": [1, "b"] },
                "event_version": 1, "leaf_hash": null,
            })
        );
    }
}

#[tokio::test]
async fn h27_a_tenant_sees_nothing_of_another_and_nothing_of_the_platform() {
    for world in World::both().await {
        let (_, cx) = world.person(&world.acme, "admin", "SUPER_ADMIN").await;
        let (_, eve) = world.person(&world.rival, "eve", "SUPER_ADMIN").await;
        cx.record(Event::done("probe.made", "probe:acme")).await;
        world.core.flush_audit().await;
        let (_, own) = world.get(&cx, "/api/v1/audit/events?action=probe.made").await;
        let id = ids(&own).remove(0);

        let (_, theirs) = world.get(&eve, "/api/v1/audit/events?action=probe.made").await;
        assert_eq!(ids(&theirs).len(), 0);
        assert_eq!(world.get(&eve, &format!("/api/v1/audit/events/{id}")).await.0, StatusCode::NOT_FOUND);
        let outside = Cx::new(
            world.core.clone(),
            Place::Tenant(world.acme.clone()),
            eve.actor().clone(),
            RequestContext::none(NOON),
        );
        assert_eq!(world.get(&outside, "/api/v1/audit/events").await.0, StatusCode::FORBIDDEN);
        let above = platform(&world, &cx);
        assert_eq!(world.get(&above, "/api/v1/audit/events").await.0, StatusCode::FORBIDDEN);
        assert_eq!(
            world.get(&above, "/api/v1/audit/events?tenant_id=tenant-acme").await.0,
            StatusCode::FORBIDDEN
        );
    }
}

#[tokio::test]
async fn a_person_without_the_permission_and_nobody_at_all_read_no_log() {
    for world in World::both().await {
        let (_, user) = world.person(&world.acme, "user", "USER").await;
        assert_eq!(world.get(&user, "/api/v1/audit/events").await.0, StatusCode::FORBIDDEN);
        let nobody = user.with_actor(Actor::Anonymous);
        assert_eq!(world.get(&nobody, "/api/v1/audit/events").await.0, StatusCode::UNAUTHORIZED);
        world.core.flush_audit().await;

        let (_, admin) = world.person(&world.acme, "admin", "ADMIN").await;
        let (_, page) = world.get(&admin, "/api/v1/audit/events?action=access.denied").await;
        assert_eq!(page["items"][0]["details"]["action"], "audit:read", "the refusal itself is in the log");
    }
}

#[tokio::test]
async fn the_platform_reads_its_own_log_and_that_of_a_tenant_it_names() {
    for world in World::both().await {
        let (id, cx) = world.person(&world.acme, "root", "USER").await;
        world.make_platform_admin(&id).await;
        let above = platform(&world, &cx);
        cx.record(Event::done("probe.made", "probe:acme")).await;
        above.record(Event::done("probe.made", "probe:platform")).await;
        world.core.flush_audit().await;

        for (query, expected) in [
            ("", vec!["probe:platform"]),
            ("&tenant_id=tenant-acme", vec!["probe:acme"]),
            ("&tenant_id=tenant-rival", vec![]),
        ] {
            let path = format!("/api/v1/audit/events?action=probe.made{query}");
            let (status, page) = world.get(&above, &path).await;
            assert_eq!(status, StatusCode::OK, "{page}");
            let items = page["items"].as_array().unwrap();
            let seen: Vec<&str> = items.iter().map(|e| e["resource"].as_str().unwrap()).collect();
            assert_eq!(seen, expected, "{query}");
        }
    }
}

#[tokio::test]
async fn counted_refusals_are_one_row_with_the_exact_number() {
    for world in World::both().await {
        let (_, admin) = world.person(&world.acme, "admin", "ADMIN").await;
        let nobody = admin.with_actor(Actor::Anonymous);
        for _ in 0..41 {
            world.get(&nobody, "/api/v1/audit/events").await;
        }
        world.core.flush_audit().await;

        let (_, page) = world.get(&admin, "/api/v1/audit/events?action=access.refused").await;

        let items = page["items"].as_array().unwrap();
        assert_eq!(items.len(), 1);
        assert_eq!((&items[0]["count"], &items[0]["actor"]["type"]), (&json!(41), &json!("anonymous")));
    }
}

#[tokio::test]
async fn h39_a_row_that_was_changed_is_told_from_one_that_was_not() {
    for world in World::both().await {
        let (_, cx) = world.person(&world.acme, "admin", "ADMIN").await;
        let details = json!({ "z": { "b": 1, "a": [true, null] }, "text": "ü \u{1F600} \"quoted\"" });
        cx.record(Event::done("probe.made", "probe:1").details(details)).await;
        world.core.flush_audit().await;
        let (_, page) = world.get(&cx, "/api/v1/audit/events?limit=200").await;
        for id in ids(&page) {
            let event = load_event(&cx, &Scope::Own, &EventId::parse(&id).unwrap()).await.unwrap();
            assert_eq!(verify_leaf(&event), Ok(()), "{}", event.action);
        }
        let (_, page) = world.get(&cx, "/api/v1/audit/events?action=probe.made").await;
        let id = EventId::parse(&ids(&page)[0]).unwrap();
        let good = load_event(&cx, &Scope::Own, &id).await.unwrap();

        let columns = |names: &[&str]| Tampered::Columns(names.iter().map(|n| (*n).to_owned()).collect());
        let mut bad = good.clone();
        bad.result = "DENIED".to_owned();
        bad.user_id = None;
        assert_eq!(verify_leaf(&bad), Err(columns(&["result", "user_id"])));
        let mut bad = good.clone();
        bad.details["z"]["b"] = json!(2);
        assert_eq!(verify_leaf(&bad), Err(columns(&["details"])));
        let mut bad = good.clone();
        bad.event_bytes.as_mut().unwrap()[10] ^= 1;
        assert_eq!(verify_leaf(&bad), Err(Tampered::Hash));
        let mut bad = good.clone();
        bad.event_bytes = None;
        assert_eq!(verify_leaf(&bad), Err(Tampered::Unrecorded));
        let mut bad = good;
        bad.event_bytes = Some(b"[]".to_vec());
        bad.leaf_hash = Some(store::audit::leaf_hash(b"[]"));
        assert_eq!(verify_leaf(&bad), Err(Tampered::Unreadable));
    }
}
