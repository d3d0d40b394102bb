//! People: verbs over HTTP.

use authz::cx::RequestContext;
use authz::{Actor, Cx, Place};
use http::Method;
use serde_json::{Value, json};
use store::Sql;

use crate::world::World;

const ADMIN: &str = "/api/v1/users/00000000-0000-0000-0000-000000000001";

#[tokio::test]
async fn a_person_is_added_with_the_default_role_and_found_in_any_case() {
    for world in World::both().await {
        let admin = world.admin();
        let body = json!({
            "username": "Alice", "email": "Alice@Example.com", "phone": "+4915112345678",
            "first_name": "Alice", "last_name": "Liddell", "attributes": {"team": "red"},
        });

        let added = world.post(&admin, "/api/v1/users", body).await;

        assert_eq!(added.status, 201, "{:?} {}", world.backend(), added.body);
        let location = added.headers["location"].to_str().unwrap();
        assert_eq!(location, format!("/t/default/api/v1/users/{}", added.id()));
        assert_eq!(added.body["status"], "active");
        assert_eq!(added.body["locale"], "zh-CN");
        assert_eq!(added.body["timezone"], "Asia/Shanghai");
        assert_eq!(added.body["password_set"], false);
        assert_eq!(added.body["attributes"], json!({"team": "red"}));
        let by_name = world.get(&admin, "/api/v1/users/by-username/aLICE").await.ok();
        assert_eq!(by_name.body, added.body);
        assert_eq!(world.get(&admin, &format!("/api/v1/users/{}", added.id())).await.ok().body, added.body);
        let role: String = world
            .one(
                Sql::new("SELECT r.code FROM user_roles ur JOIN roles r ON r.id = ur.role_id WHERE ur.user_id = $1")
                    .bind(added.id()),
            )
            .await;
        assert_eq!(role, "USER");
        let me = world.get(&world.person(&added.id()), "/api/v1/users/me").await.ok();
        assert_eq!(me.body["username"], "Alice");
    }
}

#[tokio::test]
async fn name_address_and_number_are_unique_in_any_case_within_the_tenant_only() {
    for world in World::both().await {
        let admin = world.admin();
        let body = json!({"username": "Bob", "email": "bob@example.com", "phone": "+4915112345679"});
        world.post(&admin, "/api/v1/users", body.clone()).await.ok();

        for (body, code, pointer) in [
            (json!({"username": "BOB"}), "username_taken", "/username"),
            (json!({"username": "ｂｏｂ"}), "username_taken", "/username"),
            (json!({"username": "b2", "email": "BOB@EXAMPLE.com"}), "email_taken", "/email"),
            (json!({"username": "b3", "phone": "+4915112345679"}), "phone_taken", "/phone"),
        ] {
            let answer = world.post(&admin, "/api/v1/users", body).await;
            answer.refused(409, code);
            assert_eq!(answer.pointers(), [pointer]);
        }
        world.post(&world.boss().await, "/api/v1/users", body).await.ok();
    }
}

#[tokio::test]
async fn wrong_values_are_all_named_at_once_and_never_reach_the_database() {
    for world in World::both().await {
        let admin = world.admin();
        let body = json!({
            "username": "carol", "email": "x", "phone": "1", "display_name": " x", "avatar_url": "javascript:1",
            "locale": "!", "timezone": "../x", "attributes": {"a": "\u{0}"},
        });
        let answer = world.post(&admin, "/api/v1/users", body).await;

        answer.refused(422, "invalid_body");
        let expected =
            ["/email", "/phone", "/display_name", "/avatar_url", "/locale", "/timezone", "/attributes"];
        assert_eq!(answer.pointers(), expected);
        let expanding = "\u{fdfa}".repeat(64);
        for username in ["", " a", "a b", "a/b", "a\u{0}", "a<b", &"x".repeat(65), &expanding] {
            let answer = world.post(&admin, "/api/v1/users", json!({"username": username})).await;
            answer.refused(422, "invalid_body");
            assert_eq!(answer.pointers(), ["/username"], "{username:?}");
        }
    }
}

#[tokio::test]
async fn fields_that_are_not_the_callers_to_set_are_refused() {
    for world in World::both().await {
        let admin = world.admin();
        let id = world.add("dave", None).await;
        let own = world.person(&id);
        for field in [
            "id",
            "tenant_id",
            "status",
            "password",
            "password_set",
            "created_at",
            "version",
            "roles",
            "username_key",
        ] {
            let answer = world.post(&admin, "/api/v1/users", json!({"username": "eve", field: "x"})).await;
            answer.refused(422, "invalid_body");
            let answer = world.patch(&admin, &format!("/api/v1/users/{id}"), json!({field: "x"})).await;
            answer.refused(422, "invalid_body");
        }
        for field in ["username", "email", "email_verified", "phone", "attributes", "status", "roles"] {
            world.patch(&own, "/api/v1/users/me", json!({field: null})).await.refused(422, "invalid_body");
        }

        let mine = world.patch(&own, "/api/v1/users/me", json!({"display_name": "Dave"})).await.ok();
        assert_eq!(mine.body["display_name"], "Dave");
    }
}

#[tokio::test]
async fn a_change_needs_the_present_version_and_merges_what_it_names() {
    for world in World::both().await {
        let admin = world.admin();
        let body = json!({
            "username": "frank", "email": "f@example.com", "email_verified": true,
            "attributes": {"a": 1, "b": {"c": 2}},
        });
        let added = world.post(&admin, "/api/v1/users", body).await.ok();
        let path = format!("/api/v1/users/{}", added.id());
        world.clock.advance_seconds(1);

        let patch = json!({"display_name": "Frank", "attributes": {"b": {"c": null, "d": 3}}});
        let changed = world.send(&admin, Method::PATCH, &path, Some(&added.etag()), Some(patch)).await.ok();
        assert_eq!(changed.body["attributes"], json!({"a": 1, "b": {"d": 3}}));
        assert_eq!(changed.body["email_verified"], true);
        assert_ne!(changed.body["updated_at"], added.body["updated_at"]);
        assert_eq!(changed.body["created_at"], added.body["created_at"]);

        let again = world.send(&admin, Method::PATCH, &path, Some(&added.etag()), Some(json!({}))).await;
        again.refused(412, "stale");
        world
            .send(&admin, Method::PATCH, &path, None, Some(json!({})))
            .await
            .refused(428, "if_match_required");
        world.send(&admin, Method::DELETE, &path, None, None).await.refused(428, "if_match_required");
        let stale = world.send(&admin, Method::DELETE, &path, Some(&added.etag()), None).await;
        stale.refused(412, "stale");

        let moved = world.patch(&admin, &path, json!({"email": "g@example.com"})).await.ok();
        assert_eq!(moved.body["email_verified"], false, "another address is not verified");
        let removed = world.patch(&admin, &path, json!({"email": null, "locale": null})).await.ok();
        assert_eq!((&removed.body["email"], &removed.body["locale"]), (&Value::Null, &"zh-CN".into()));
        let renamed = world.patch(&admin, &path, json!({"username": "FRANK"})).await.ok();
        assert_eq!(renamed.body["username"], "FRANK");
        world.get(&admin, "/api/v1/users/by-username/frank").await.ok();
        world.patch(&admin, &path, json!({"username": null})).await.refused(422, "invalid_body");
        let worded =
            json!({"position": "Engineer", "phone": "+8613800000001", "avatar_url": "https://a.example/p"});
        let worded = world.patch(&admin, &path, worded).await.ok().body;
        assert_eq!((&worded["position"], &worded["phone"]), (&"Engineer".into(), &"+8613800000001".into()));
        world.patch(&admin, &path, json!({"username": "Admin"})).await.refused(409, "username_taken");
    }
}

#[tokio::test]
async fn a_status_follows_its_machine_and_the_principal_follows_the_status() {
    for world in World::both().await {
        let admin = world.admin();
        let id = world.add("grace", None).await;
        let path = format!("/api/v1/users/{id}");
        let own = world.person(&id);
        world.get(&own, "/api/v1/users/me").await.ok();

        for (verb, status, may) in [
            ("lock", "locked", false),
            ("unlock", "active", true),
            ("disable", "inactive", false),
            ("enable", "active", true),
        ] {
            let answer = world.act(&admin, &format!("{path}/{verb}")).await.ok();
            assert_eq!(answer.body["status"], status);
            let answer = world.get(&own, "/api/v1/users/me").await;
            assert_eq!(answer.status.is_success(), may, "{verb} {:?}", world.backend());
        }
        for verb in ["unlock", "enable", "restore"] {
            world.act(&admin, &format!("{path}/{verb}")).await.refused(409, "illegal_status_change");
        }

        world.delete(&admin, &path).await.ok();
        let deleted = world.get(&admin, &path).await.ok().body;
        assert_eq!(deleted["status"], "deleted");
        assert!(deleted["deleted_at"].is_string());
        world.get(&own, "/api/v1/users/me").await.refused(403, "denied");
        world.delete(&admin, &path).await.refused(404, "not_found");
        world.patch(&admin, &path, json!({"display_name": "x"})).await.refused(404, "not_found");
        world.get(&admin, "/api/v1/users/by-username/grace").await.refused(404, "not_found");

        let restored = world.act(&admin, &format!("{path}/restore")).await.ok().body;
        assert_eq!((&restored["status"], &restored["deleted_at"]), (&"inactive".into(), &Value::Null));
        world.act(&admin, &format!("{path}/enable")).await.ok();
        world.get(&own, "/api/v1/users/me").await.ok();
        for event in ["user.locked", "user.unlocked", "user.disabled", "user.deleted", "user.restored"] {
            assert_eq!(world.events(event).await, 1, "{event}");
        }
        assert_eq!(world.events("user.enabled").await, 2);
    }
}

#[tokio::test]
async fn each_illegal_change_of_status_says_what_can_be_done_instead() {
    for world in World::both().await {
        let admin = world.admin();
        let id = world.add("grace", None).await;
        let path = format!("/api/v1/users/{id}");
        for (first, verb, says) in [
            (
                "lock",
                "lock",
                "whose status is `locked` cannot be locked, only unlocked or disabled or deleted",
            ),
            ("disable", "lock", "whose status is `inactive` cannot be locked, only enabled or deleted"),
            (
                "enable",
                "restore",
                "whose status is `active` cannot be restored, only locked or disabled or deleted",
            ),
        ] {
            world.act(&admin, &format!("{path}/{first}")).await.ok();
            let answer = world.act(&admin, &format!("{path}/{verb}")).await;
            answer.refused(409, "illegal_status_change");
            assert!(answer.body["detail"].as_str().unwrap().contains(says), "{}", answer.body);
        }
        world.delete(&admin, &path).await.ok();
        for verb in ["lock", "unlock", "disable", "enable"] {
            let answer = world.act(&admin, &format!("{path}/{verb}")).await;
            answer.refused(409, "illegal_status_change");
            assert!(answer.body["detail"].as_str().unwrap().ends_with(", only restored"), "{}", answer.body);
        }
    }
}

#[tokio::test]
async fn h29_who_must_change_a_password_is_for_those_to_say_who_may_reset_it() {
    for world in World::both().await {
        let admin = world.admin();
        world.role("HELPER", &["user:read", "user:update"]).await;
        let helper = world.add("helper", Some("HELPER")).await;
        let path = format!("/api/v1/users/{}", world.add("rupert", None).await);
        let demand = json!({"must_change_password": true});

        world.patch(&world.person(&helper), &path, demand.clone()).await.refused(403, "denied");
        world.patch(&world.person(&helper), &path, json!({"position": "x"})).await.ok();
        let demanded = world.patch(&admin, &path, demand).await.ok();
        assert_eq!(demanded.body["must_change_password"], true);
        world.patch(&admin, &path, json!({"must_change_password": null})).await.refused(422, "invalid_body");
        let lifted = world.patch(&admin, &path, json!({"must_change_password": false})).await.ok();
        assert_eq!(lifted.body["must_change_password"], false);
    }
}

#[tokio::test]
async fn h27_a_person_belongs_to_departments_of_their_own_tenant_only() {
    for world in World::both().await {
        let admin = world.admin();
        for (id, tenant) in [("d-own", &world.default.id), ("d-other", &world.acme.id)] {
            let sql = Sql::new("INSERT INTO departments (id, tenant_id, name, code) VALUES ($1, $2, $1, $1)");
            world.execute(sql.bind(id).bind(tenant)).await;
        }
        let body = |department: &str| json!({"username": "sybil", "primary_department_id": department});

        for department in ["d-other", "d-none"] {
            let answer = world.post(&admin, "/api/v1/users", body(department)).await;
            answer.refused(422, "invalid_body");
            assert_eq!(answer.pointers(), ["/primary_department_id"]);
        }
        let added = world.post(&admin, "/api/v1/users", body("d-own")).await.ok();
        assert_eq!(added.body["primary_department_id"], "d-own");
        let path = format!("/api/v1/users/{}", added.id());
        let answer = world.patch(&admin, &path, json!({"primary_department_id": "d-other"})).await;
        answer.refused(422, "invalid_body");
        let left = world.patch(&admin, &path, json!({"primary_department_id": null})).await.ok();
        assert_eq!(left.body["primary_department_id"], Value::Null);
    }
}

#[tokio::test]
async fn a_name_that_was_freed_by_deletion_can_be_taken_and_then_not_be_restored() {
    for world in World::both().await {
        let admin = world.admin();
        let first = world.add("heidi", None).await;
        world.delete(&admin, &format!("/api/v1/users/{first}")).await.ok();
        let second = world.add("Heidi", None).await;

        let restored = world.act(&admin, &format!("/api/v1/users/{first}/restore")).await;

        restored.refused(409, "username_taken");
        let says = restored.body["detail"].as_str().unwrap();
        assert!(says.starts_with("another user has this one's username now"), "{says}");
        assert_ne!(first, second);
        let path = format!("/api/v1/users/{second}");
        world.patch(&world.admin(), &path, json!({"username": "heidi2"})).await.ok();
        world.act(&world.admin(), &format!("/api/v1/users/{first}/restore")).await.ok();
    }
}

#[tokio::test]
async fn nobody_acts_on_those_above_them_or_locks_themselves_out() {
    for world in World::both().await {
        let id = world.add("ivan", Some("ADMIN")).await;
        let ivan = world.person(&id);
        let peer = world.add("judy", Some("ADMIN")).await;
        // Admin has `user:delete` and `user:update` comes from no code of Admin's but `user:update` itself.
        world.patch(&ivan, ADMIN, json!({"email": "ivan@evil.example"})).await.refused(403, "outranked");
        world.act(&ivan, &format!("{ADMIN}/lock")).await.refused(403, "outranked");
        world.act(&ivan, &format!("{ADMIN}/disable")).await.refused(403, "outranked");
        world.delete(&ivan, ADMIN).await.refused(403, "outranked");
        assert_eq!(world.get(&ivan, ADMIN).await.ok().body["status"], "active");

        world.act(&ivan, &format!("/api/v1/users/{peer}/lock")).await.ok();
        world.act(&ivan, &format!("/api/v1/users/{id}/lock")).await.refused(409, "own_account");
        world.delete(&world.admin(), ADMIN).await.refused(409, "own_account");
        assert_eq!(world.events("access.outranked").await, 4);
    }
}

#[tokio::test]
async fn the_last_super_admin_keeps_their_account_whoever_asks() {
    for world in World::both().await {
        let place = Place::Tenant(world.default.clone());
        let host = Cx::new(
            world.core.clone(),
            place,
            Actor::Host { uid: 1000 },
            RequestContext::none(world.core.now()),
        );
        for verb in ["lock", "disable"] {
            world.act(&host, &format!("{ADMIN}/{verb}")).await.refused(409, "last_super_admin");
        }
        world.delete(&host, ADMIN).await.refused(409, "last_super_admin");
        assert_eq!(world.get(&host, ADMIN).await.ok().body["status"], "active");
        assert_eq!(world.events("user.disabled").await, 0, "what was not done is not recorded");

        let second = world.add("second", Some("SUPER_ADMIN")).await;
        world.delete(&host, ADMIN).await.ok();
        world.act(&host, &format!("/api/v1/users/{second}/lock")).await.refused(409, "last_super_admin");
        world.act(&host, &format!("{ADMIN}/restore")).await.ok();
        world.act(&host, &format!("/api/v1/users/{second}/lock")).await.refused(409, "last_super_admin");
        world.act(&host, &format!("{ADMIN}/enable")).await.ok();
        world.act(&host, &format!("/api/v1/users/{second}/lock")).await.ok();
    }
}

#[tokio::test]
async fn an_unprivileged_person_sees_and_changes_only_themselves() {
    for world in World::both().await {
        let id = world.add("kate", None).await;
        let kate = world.person(&id);
        let path = format!("/api/v1/users/{id}");
        for (method, path, body) in [
            (Method::GET, "/api/v1/users".to_owned(), None),
            (Method::POST, "/api/v1/users".to_owned(), Some(json!({"username": "x"}))),
            (Method::GET, ADMIN.to_owned(), None),
            (Method::GET, path.clone(), None),
            (Method::GET, "/api/v1/users/by-username/admin".to_owned(), None),
            (Method::PATCH, path.clone(), Some(json!({"email_verified": true}))),
            (Method::DELETE, ADMIN.to_owned(), None),
            (Method::POST, format!("{ADMIN}/lock"), None),
            (Method::POST, format!("{path}/restore"), None),
            (Method::GET, "/api/v1/tenant".to_owned(), None),
            (Method::PATCH, "/api/v1/tenant".to_owned(), Some(json!({"name": "x"}))),
            (Method::PATCH, "/api/v1/tenant/config".to_owned(), Some(json!({}))),
        ] {
            let answer = world.send(&kate, method.clone(), &path, Some("*"), body).await;
            assert_eq!(answer.status, 403, "{method} {path} {}", answer.body);
        }

        world.get(&kate, "/api/v1/users/me").await.ok();
    }
}

#[tokio::test]
async fn tenant_b_finds_nobody_of_tenant_a() {
    for world in World::both().await {
        let id = world.add("liam", None).await;
        let boss = world.boss().await;
        let path = format!("/api/v1/users/{id}");
        let before = world.get(&world.admin(), &path).await.ok();
        for (method, path, body) in [
            (Method::GET, path.clone(), None),
            (Method::PATCH, path.clone(), Some(json!({"display_name": "x"}))),
            (Method::DELETE, path.clone(), None),
            (Method::POST, format!("{path}/lock"), None),
            (Method::POST, format!("{path}/unlock"), None),
            (Method::POST, format!("{path}/disable"), None),
            (Method::POST, format!("{path}/enable"), None),
            (Method::POST, format!("{path}/restore"), None),
            (Method::GET, "/api/v1/users/by-username/liam".to_owned(), None),
        ] {
            world.send(&boss, method, &path, Some("*"), body).await.refused(404, "not_found");
        }
        let list = world.get(&boss, "/api/v1/users?limit=200").await.ok().body.to_string();
        assert!(!list.contains("liam") && list.contains("boss"));
        // A person of acme who asks in the default tenant is nobody there.
        let stranger =
            world.cx(authz::Place::Tenant(world.default.clone()), &world.acme, &world.boss_id().await);
        world.get(&stranger, &path).await.refused(403, "denied");

        assert_eq!(world.get(&world.admin(), &path).await.ok().etag(), before.etag());
    }
}

async fn pages(world: &World, query: &str) -> Vec<String> {
    let mut seen = Vec::new();
    let mut path = format!("/api/v1/users?limit=3&{query}");
    for _ in 0..20 {
        let page = world.get(&world.admin(), &path).await.ok().body;
        let items = page["items"].as_array().unwrap();
        seen.extend(items.iter().map(|u| u["username"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/v1/users?limit=3&{query}&cursor={next}");
    }
    seen
}

#[tokio::test]
async fn lists_page_in_every_order_without_gap_or_repetition() {
    for world in World::both().await {
        for name in ["u5", "U3", "u1", "u4", "u2", "张伟"] {
            // Two each second: equal times are told apart by id.
            world.add(name, None).await;
            if name.ends_with('3') {
                world.clock.advance_seconds(1);
            }
        }

        let up = pages(&world, "").await;
        assert_eq!(up, ["admin", "testuser", "u1", "u2", "U3", "u4", "u5", "张伟"], "{:?}", world.backend());
        let mut down = pages(&world, "sort=-username").await;
        down.reverse();
        assert_eq!(down, up);
        let oldest = pages(&world, "sort=created_at").await;
        let mut newest = pages(&world, "sort=-created_at").await;
        newest.reverse();
        assert_eq!(oldest, newest);
        assert_eq!(oldest.len(), 8);
        assert_eq!(pages(&world, "q=U").await, ["u1", "u2", "U3", "u4", "u5"]);
        assert_eq!(pages(&world, "q=mIn@op").await, ["admin"], "part of a word");
        assert_eq!(pages(&world, "q=%E4%BC%9F").await, ["张伟"], "one character of a Chinese name");
        assert_eq!(pages(&world, "q=admin@open").await, ["admin"]);
        assert_eq!(pages(&world, "q=%2B8613800000000").await, ["admin"]);
        let id = world.add("gone", None).await;
        world.delete(&world.admin(), &format!("/api/v1/users/{id}")).await.ok();
        assert_eq!(pages(&world, "status=deleted").await, ["gone"]);
        assert!(!pages(&world, "").await.contains(&"gone".to_owned()));
    }
}

#[tokio::test]
async fn search_text_is_data_and_never_a_statement_or_a_pattern() {
    for world in World::both().await {
        world.add("mallory", None).await;
        let encode = |q: &str| q.bytes().map(|b| format!("%{b:02X}")).collect::<String>();
        for q in ["'OR '1'='1'", "m%", "m_llory", "a'); DROP TABLE users;", "m\\", "m*", "mallory'--"] {
            let answer = world.get(&world.admin(), &format!("/api/v1/users?q={}", encode(q))).await.ok();
            assert_eq!(answer.body["items"], json!([]), "{q}");
        }
        for q in ["a\0", "%", "_", "\\ --", &"x".repeat(201), "a b c d e f"] {
            let answer = world.get(&world.admin(), &format!("/api/v1/users?q={}", encode(q))).await;
            answer.refused(400, "invalid_q");
        }

        for name in ["%27%20OR%201=1", "a%00b", "mallory%27--"] {
            let answer = world.get(&world.admin(), &format!("/api/v1/users/by-username/{name}")).await;
            answer.refused(404, "not_found");
        }
        for id in ["a%00b", "%27", "x".repeat(65).as_str()] {
            world.get(&world.admin(), &format!("/api/v1/users/{id}")).await.refused(404, "not_found");
        }
        assert_eq!(pages(&world, "q=mallory").await, ["mallory"]);
    }
}

#[tokio::test]
async fn a_cursor_serves_only_the_list_and_the_caller_it_was_made_for() {
    for world in World::both().await {
        let other = world.add("nina", Some("ADMIN")).await;
        let first = world.get(&world.admin(), "/api/v1/users?limit=1").await.ok().body;
        let cursor = first["next"].as_str().unwrap().to_owned();
        let mut forged = cursor.clone();
        let last = if forged.pop() == Some('A') { 'B' } else { 'A' };
        forged.push(last);

        for (cx, query) in [
            (world.admin(), format!("limit=1&cursor={forged}")),
            (world.admin(), "cursor=eyJpZCI6MX0".to_owned()),
            (world.admin(), format!("cursor={cursor}&sort=-username")),
            (world.admin(), format!("cursor={cursor}&q=a")),
            (world.admin(), format!("cursor={cursor}&status=active")),
            (world.person(&other), format!("cursor={cursor}")),
            (world.boss().await, format!("cursor={cursor}")),
        ] {
            world.get(&cx, &format!("/api/v1/users?{query}")).await.refused(400, "invalid_cursor");
        }
        for (query, code) in [
            ("limit=0", "invalid_limit"),
            ("limit=201", "invalid_limit"),
            ("sort=password", "invalid_sort"),
            ("status=gone", "invalid_query"),
            ("filter=x", "invalid_filter"),
            ("filter=password+pr", "invalid_filter"),
            ("filter=tenant_id+eq+%22x%22", "invalid_filter"),
            ("filter=attributes.team+eq+%22x%22", "invalid_filter"),
            ("fields=password", "invalid_fields"),
            ("count=1", "invalid_count"),
            ("q=a&sort=-username", "invalid_sort"),
            ("q=a&count=exact", "invalid_count"),
            ("strange=1", "invalid_query"),
        ] {
            world.get(&world.admin(), &format!("/api/v1/users?{query}")).await.refused(400, code);
        }
        world.get(&world.admin(), &format!("/api/v1/users?limit=5&cursor={cursor}")).await.ok();
    }
}

#[tokio::test]
async fn a_default_role_above_the_creator_is_not_handed_out() {
    for world in World::both().await {
        let id = world.add("oscar", Some("ADMIN")).await;
        world
            .patch(&world.admin(), "/api/v1/tenant/config", json!({"default_role": "SUPER_ADMIN"}))
            .await
            .ok();
        let tenant = world.service.tenant_by_code("default").await.unwrap().unwrap();
        let oscar = world.cx(authz::Place::Tenant(tenant), &world.default, &id);

        let answer = world.post(&oscar, "/api/v1/users", json!({"username": "puppet"})).await;

        answer.refused(403, "escalation");
        world.get(&world.admin(), "/api/v1/users/by-username/puppet").await.refused(404, "not_found");
    }
}

#[tokio::test]
async fn the_profile_is_that_of_an_active_person_of_the_tenant() {
    for world in World::both().await {
        let id = world.add("peggy", None).await;
        let cx = world.core.system(authz::Place::Tenant(world.default.clone()));
        let permit = cx.purpose(authz::Purpose::TokenExchange);
        let user = base::id::UserId::parse(&id).unwrap();
        let patch =
            json!({"first_name": "Peggy", "last_name": "Sue", "avatar_url": "https://a.example/p.png"});
        world.patch(&world.admin(), &format!("/api/v1/users/{id}"), patch).await.ok();

        let profile = directory::users::profile(&cx, &permit, &user).await.unwrap().unwrap();
        assert_eq!((profile.name.as_str(), profile.preferred_username.as_str()), ("Peggy Sue", "peggy"));
        assert_eq!(profile.picture.as_deref(), Some("https://a.example/p.png"));

        let elsewhere = world.core.system(authz::Place::Tenant(world.acme.clone()));
        let foreign = elsewhere.purpose(authz::Purpose::TokenExchange);
        assert!(directory::users::profile(&elsewhere, &foreign, &user).await.unwrap().is_none());
        world.act(&world.admin(), &format!("/api/v1/users/{id}/lock")).await.ok();
        assert!(directory::users::profile(&cx, &permit, &user).await.unwrap().is_none());
    }
}

/// The parameter of a filter.
fn filter(text: &str) -> String {
    format!("filter={}", text.bytes().map(|b| format!("%{b:02X}")).collect::<String>())
}

#[tokio::test]
async fn a_filter_finds_people_by_their_fields_and_deleted_ones_when_it_asks_for_them() {
    for world in World::both().await {
        let admin = world.admin();
        for (username, email, display_name) in [
            ("Anna", Some("anna@example.com"), Some("Anna O\"Neill")),
            ("Bert", Some("BERT@example.com"), Some("Bert")),
            ("cleo", Some("cleo@example.org"), None),
            ("dora", None, Some("Dora")),
        ] {
            world.clock.advance_seconds(60);
            let body = json!({"username": username, "email": email, "display_name": display_name});
            world.post(&admin, "/api/v1/users", body).await.ok();
        }
        let id = world.get(&admin, "/api/v1/users/by-username/dora").await.ok().id();
        world.delete(&admin, &format!("/api/v1/users/{id}")).await.ok();
        let id = world.get(&admin, "/api/v1/users/by-username/bert").await.ok().id();
        world.act(&admin, &format!("/api/v1/users/{id}/lock")).await.ok();

        for (text, expected) in [
            ("username sw \"AN\" or username eq \"bert\"", vec!["Anna", "Bert"]),
            ("email ew \"@EXAMPLE.com\"", vec!["Anna", "Bert"]),
            ("email co \"example\" and not (email ew \".com\")", vec!["cleo"]),
            ("display_name co \"O\\\"N\"", vec!["Anna"]),
            ("display_name co \"o\\\"n\"", vec![]),
            ("email pr and not (display_name pr) and not (username eq \"admin\")", vec!["cleo", "testuser"]),
            ("status eq \"locked\"", vec!["Bert"]),
            ("status eq \"deleted\"", vec!["dora"]),
            ("deleted_at pr", vec!["dora"]),
            ("(username eq \"dora\" or username eq \"cleo\")", vec!["cleo"]),
            ("(username eq \"dora\" or username eq \"cleo\") and status pr", vec!["cleo", "dora"]),
            ("username gt \"b\" and username lt \"d\"", vec!["Bert", "cleo"]),
            ("password_set eq false and created_at gt \"2026-09-21T14:15:00Z\"", vec!["Bert", "cleo"]),
            ("username eq \"' OR 1=1 --\"", vec![]),
        ] {
            let found = pages(&world, &filter(text)).await;
            assert_eq!(found, expected, "{text} {:?}", world.backend());
        }
        let both = format!("q=e&{}", filter("email ew \".org\""));
        assert_eq!(pages(&world, &both).await, Vec::<String>::new());
        let both = format!("q=example&{}", filter("email ew \".org\""));
        assert_eq!(pages(&world, &both).await, ["cleo"]);
    }
}

#[tokio::test]
async fn a_large_tenant_is_sorted_by_what_an_index_serves_only() {
    for world in World::both().await {
        let admin = world.admin();
        let size = |people: i64| {
            let sql = Sql::new("UPDATE tenants SET user_count = $1 WHERE id = $2");
            world.execute(sql.bind(people).bind(&world.default.id))
        };
        for (people, costly) in [(100_000, 200), (100_001, 400)] {
            size(people).await;
            for (sort, status) in [
                ("email", costly),
                ("-display_name,username", costly),
                ("updated_at", costly),
                ("last_login_at", costly),
                ("username,email", 200),
                ("-created_at,last_login_at", 200),
            ] {
                let answer = world.get(&admin, &format!("/api/v1/users?sort={sort}")).await;
                assert_eq!(answer.status, status, "{sort} among {people}: {}", answer.body);
                if status == 400 {
                    answer.refused(400, "invalid_sort");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_list_is_sorted_by_several_fields_narrowed_and_counted() {
    for world in World::both().await {
        let admin = world.admin();
        for (username, display_name) in [("a", None), ("b", Some("x")), ("c", Some("x")), ("d", Some("W"))] {
            let body = json!({"username": username, "display_name": display_name});
            world.post(&admin, "/api/v1/users", body).await.ok();
        }
        let ours = filter("username le \"d\" and not (username co \"admin\")");

        assert_eq!(
            pages(&world, &format!("{ours}&sort=-display_name,-username")).await,
            ["c", "b", "d", "a"]
        );
        assert_eq!(pages(&world, &format!("{ours}&sort=display_name,-username")).await, ["a", "d", "c", "b"]);
        assert_eq!(pages(&world, &format!("{ours}&sort=last_login_at,-created_at,username")).await.len(), 4);
        for count in ["exact", "estimate"] {
            let path = format!("/api/v1/users?{ours}&count={count}&limit=1&fields=username,display_name");
            let page = world.get(&admin, &path).await.ok().body;
            assert_eq!(page["items"], json!([{"username": "a", "display_name": null}]));
            assert_eq!(page["count"], 4);
            let next = page["next"].as_str().unwrap();
            let page =
                world.get(&admin, &format!("/api/v1/users?{ours}&limit=2&cursor={next}")).await.ok().body;
            assert_eq!(page["items"][0]["username"], "b");
            assert!(page.get("count").is_none());
        }
        let other = world.get(&world.boss().await, "/api/v1/users?count=exact").await.ok().body;
        assert_eq!(other["count"], 1, "tenant B counts its own people only");
    }
}
