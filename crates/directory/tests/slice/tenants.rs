//! Tenants on the platform and inside.

use http::Method;
use serde_json::json;
use store::Sql;

use crate::world::World;

#[tokio::test]
async fn a_new_tenant_has_three_roles_26_permissions_and_its_administrator() {
    for world in World::both().await {
        let body = json!({
            "code": "globex", "name": "Globex", "config": {"password_policy": {"min_length": 12}},
            "admin": {"username": "hank", "email": "hank@globex.example"},
        });
        let made = world.post(&world.platform(), "/api/v1/tenants", body).await;

        assert_eq!(made.status, 201, "{:?} {}", world.backend(), made.body);
        assert_eq!(made.body["issuer"], "https://id.test/t/globex");
        assert_eq!(made.body["config"]["password_policy"]["min_length"], 12);
        assert_eq!(made.body["config"]["password_policy"]["history_count"], 5);
        assert_eq!(made.body["account_number"].as_str().unwrap().len(), 12);
        assert_eq!(made.body["admin"]["username"], "hank");
        let link = made.body["admin"]["recovery_url"].as_str().unwrap();
        assert!(link.starts_with("https://id.test/t/globex/recover?token="), "{link}");
        assert!(made.etag().starts_with("\"v"));
        let stored: String = world.one(Sql::new("SELECT token FROM password_reset_tokens")).await;
        assert!(!link.contains(&stored), "the database holds a digest only");
        for (event, count) in [("tenant.created", 3), ("user.created", 4), ("recovery_link.created", 2)] {
            assert_eq!(world.events(event).await, count, "{event}");
        }
        for (sql, expected) in [
            ("SELECT COUNT(*) FROM roles WHERE tenant_id = $1", 3),
            ("SELECT COUNT(*) FROM permissions WHERE tenant_id = $1", 26),
            ("SELECT COUNT(*) FROM users WHERE tenant_id = $1 AND must_change_password", 1),
            (
                "SELECT COUNT(*) FROM user_roles ur JOIN roles r ON r.id = ur.role_id \
                 WHERE ur.tenant_id = $1 AND r.code = 'SUPER_ADMIN'",
                1,
            ),
            ("SELECT COUNT(*) FROM policy_versions WHERE tenant_id = $1", 1),
        ] {
            assert_eq!(world.one::<i64>(Sql::new(sql).bind(made.id())).await, expected, "{sql}");
        }
        let found = world.service.tenant_by_issuer("https://id.test/t/globex").await.unwrap().unwrap();
        assert_eq!(found.id.as_str(), made.id());
    }
}

#[tokio::test]
async fn a_tenant_that_fails_leaves_nothing_behind() {
    for world in World::both().await {
        let before: i64 = world.one(Sql::new("SELECT COUNT(*) FROM permissions")).await;
        let admin = json!({"username": "x", "email": "no address"});
        for (body, status, code) in [
            (json!({"code": "acme", "name": "Other"}), 409, "code_taken"),
            (json!({"code": "other", "name": "Acme"}), 409, "name_taken"),
            (json!({"code": "api", "name": "Other"}), 422, "invalid_body"),
            (json!({"code": "Other", "name": "Other"}), 422, "invalid_body"),
            (json!({"code": "other", "name": " "}), 422, "invalid_body"),
            (json!({"code": "other", "name": "a\u{0}b"}), 422, "invalid_body"),
            (json!({"code": "other", "name": "Other", "config": {"x": 1}}), 422, "invalid_body"),
            (json!({"code": "other", "name": "Other", "admin": admin}), 422, "invalid_body"),
            (json!({"code": "other", "name": "Other", "id": "mine"}), 422, "invalid_body"),
            (json!({"code": "other", "name": "Other", "issuer": "https://evil"}), 422, "invalid_body"),
            (json!({"code": "other"}), 422, "invalid_body"),
        ] {
            world.post(&world.platform(), "/api/v1/tenants", body).await.refused(status, code);
        }

        let admin =
            json!({"code": "other", "name": "Other", "admin": {"username": "x", "email": "no address"}});
        let answer = world.post(&world.platform(), "/api/v1/tenants", admin).await;
        assert_eq!(answer.pointers(), ["/admin/email"]);
        let after: i64 = world.one(Sql::new("SELECT COUNT(*) FROM permissions")).await;
        assert_eq!(before, after, "{:?}", world.backend());
        let plain = json!({"code": "plain", "name": "Plain"});
        let plain = world.post(&world.platform(), "/api/v1/tenants", plain).await.ok();
        assert_eq!(plain.body["admin"], serde_json::Value::Null);
        assert!(world.service.tenant_by_code("other").await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_tenants_super_admin_is_refused_every_platform_operation() {
    for world in World::both().await {
        let id = world.boss_id().await;
        let boss = world.cx(authz::Place::Platform, &world.acme, &id);
        let own = format!("/api/v1/tenants/{}", world.acme.id);
        for (method, path, body) in [
            (Method::GET, "/api/v1/tenants".to_owned(), None),
            (Method::POST, "/api/v1/tenants".to_owned(), Some(json!({"code": "evil", "name": "Evil"}))),
            (Method::GET, own.clone(), None),
            (Method::PATCH, own.clone(), Some(json!({"name": "Evil"}))),
            (Method::PATCH, format!("{own}/config"), Some(json!({}))),
            (Method::POST, format!("{own}/suspend"), None),
            (Method::POST, format!("{own}/deactivate"), None),
            (Method::POST, format!("{own}/activate"), None),
        ] {
            world.send(&boss, method, &path, Some("*"), body).await.refused(403, "denied");
        }

        assert!(world.events("access.denied").await >= 8);
    }
}

#[tokio::test]
async fn tenants_are_listed_in_pages_and_found_by_the_beginning_of_their_code() {
    for world in World::both().await {
        let platform = world.platform();
        for code in ["beta-1", "beta-2", "zeta"] {
            let body = json!({"code": code, "name": code});
            world.post(&platform, "/api/v1/tenants", body).await.ok();
        }
        let mut seen = Vec::new();
        let mut path = "/api/v1/tenants?limit=2".to_owned();
        loop {
            let page = world.get(&platform, &path).await.ok().body;
            let items = page["items"].as_array().unwrap();
            seen.extend(items.iter().map(|t| t["code"].as_str().unwrap().to_owned()));
            let Some(next) = page["next"].as_str() else { break };
            path = format!("/api/v1/tenants?limit=2&cursor={next}");
        }

        assert_eq!(seen, ["acme", "beta-1", "beta-2", "default", "zeta"]);
        let found = world.get(&platform, "/api/v1/tenants?q=BETA").await.ok().body;
        assert_eq!(found["items"].as_array().unwrap().len(), 2);
    }
}

#[tokio::test]
async fn a_tenant_is_renamed_and_configured_from_inside_and_from_the_platform() {
    for world in World::both().await {
        let boss = world.boss().await;
        let read = world.get(&boss, "/api/v1/tenant").await.ok();
        let path = format!("/api/v1/tenants/{}", world.acme.id);

        let renamed = world
            .send(
                &boss,
                Method::PATCH,
                "/api/v1/tenant",
                Some(&read.etag()),
                Some(json!({"name": "Acme Ltd"})),
            )
            .await
            .ok();
        assert_eq!(renamed.body["name"], "Acme Ltd");
        assert_ne!(renamed.etag(), read.etag());
        let stale = world
            .send(&boss, Method::PATCH, "/api/v1/tenant", Some(&read.etag()), Some(json!({"name": "B"})))
            .await;
        stale.refused(412, "stale");
        let none = world.send(&boss, Method::PATCH, "/api/v1/tenant", None, Some(json!({"name": "B"}))).await;
        none.refused(428, "if_match_required");
        let from_above = world.patch(&world.platform(), &path, json!({"name": "Acme GmbH"})).await.ok();
        assert_eq!(from_above.body["name"], "Acme GmbH");
        world
            .patch(&world.platform(), &path, json!({"name": "Default Tenant"}))
            .await
            .refused(409, "name_taken");

        let domain = world.patch(&boss, "/api/v1/tenant", json!({"domain": "acme.example"})).await.ok();
        assert_eq!(
            (&domain.body["domain"], &domain.body["name"]),
            (&json!("acme.example"), &json!("Acme GmbH"))
        );
        let none = world.patch(&boss, "/api/v1/tenant", json!({"domain": null})).await.ok();
        assert!(none.body["domain"].is_null());
        for (patch, pointer) in [
            (json!({"domain": "https://acme.example"}), "/domain"),
            (json!({"name": null}), "/name"),
            (json!({"code": "other"}), "/code"),
            (json!({"status": "active"}), "/status"),
            (json!({"user_count": 0}), "/user_count"),
            (json!({"platform_id": "x"}), "/platform_id"),
        ] {
            let refused = world.patch(&boss, "/api/v1/tenant", patch).await;
            refused.refused(422, "invalid_body");
            assert_eq!(refused.pointers(), [pointer]);
        }

        let config = json!({"password_policy": {"min_length": 14}});
        let configured = world.patch(&boss, "/api/v1/tenant/config", config).await.ok();
        assert_eq!(configured.body["password_policy"]["min_length"], 14);
        let fresh = world.service.tenant_by_code("acme").await.unwrap().unwrap();
        let policy = directory::TenantConfig::of(&fresh).unwrap().password_policy;
        assert_eq!((policy.min_length, fresh.name.as_str()), (14, "Acme GmbH"));
        let other = directory::TenantConfig::of(&world.default).unwrap();
        assert_eq!(other.password_policy.min_length, 8, "the other tenant keeps its own");
    }
}

#[tokio::test]
async fn a_wrong_configuration_is_refused_with_the_place_and_changes_nothing() {
    for world in World::both().await {
        let boss = world.boss().await;
        for (patch, pointer) in [
            (json!({"password_policy": {"min_length": 2}}), "/password_policy/min_length"),
            (json!({"password_policy": {"min_length": "9"}}), "/password_policy/min_length"),
            (json!({"nonsense": true}), "/nonsense"),
            (json!({"default_role": "NOBODY"}), "/default_role"),
            (json!({"default_role": "\u{0}"}), "/default_role"),
        ] {
            let answer = world.patch(&boss, "/api/v1/tenant/config", patch).await;
            answer.refused(422, "invalid_body");
            assert_eq!(answer.pointers(), [pointer]);
        }

        let config = world.get(&boss, "/api/v1/tenant/config").await.ok().body;
        assert_eq!(config["password_policy"]["min_length"], 8);
        assert_eq!(world.events("tenant.config_updated").await, 0);
    }
}

#[tokio::test]
async fn a_suspended_tenant_denies_its_own_super_admin_until_it_is_activated() {
    for world in World::both().await {
        let platform = world.platform();
        let path = format!("/api/v1/tenants/{}", world.acme.id);
        let id = world.boss_id().await;

        world.act(&platform, &format!("{path}/suspend")).await.ok();
        world.act(&platform, &format!("{path}/suspend")).await.refused(409, "illegal_status_change");
        let suspended = world.service.tenant_by_code("acme").await.unwrap().unwrap();
        assert!(!suspended.active);
        let boss = world.cx(authz::Place::Tenant(suspended), &world.acme, &id);
        world.get(&boss, "/api/v1/tenant").await.refused(403, "tenant_disabled");

        world.act(&platform, &format!("{path}/activate")).await.ok();
        let active = world.service.tenant_by_id(&world.acme.id).await.unwrap().unwrap();
        let boss = world.cx(authz::Place::Tenant(active), &world.acme, &id);
        world.get(&boss, "/api/v1/tenant").await.ok();
        let own = format!("/api/v1/tenants/{}/suspend", world.default.id);
        world.act(&platform, &own).await.refused(409, "own_account");
    }
}

#[tokio::test]
async fn calls_are_counted_in_memory_and_written_down_once_without_touching_the_tenant() {
    for world in World::both().await {
        let path = format!("/api/v1/tenants/{}", world.acme.id);
        let before = world.get(&world.platform(), &path).await.ok();
        let gone = base::id::TenantId::parse("gone").unwrap();
        for tenant in [&world.acme.id, &world.acme.id, &world.default.id, &gone] {
            world.service.count_call(tenant);
        }
        assert_eq!(world.get(&world.platform(), &path).await.ok().body["api_calls_count"], 0);

        assert_eq!(world.service.write_calls().await.unwrap(), 4);
        assert_eq!(world.service.write_calls().await.unwrap(), 0, "nothing is written twice");
        world.service.count_call(&world.acme.id);
        assert_eq!(world.service.write_calls().await.unwrap(), 1);

        let after = world.get(&world.platform(), &path).await.ok();
        assert_eq!(after.body["api_calls_count"], 3);
        assert_eq!(after.etag(), before.etag(), "a figure is no change of a tenant");
        assert_eq!(after.body["updated_at"], before.body["updated_at"]);
    }
}

#[tokio::test]
async fn a_tenants_status_has_no_other_steps_and_says_which_there_are() {
    for world in World::both().await {
        let platform = world.platform();
        let path = format!("/api/v1/tenants/{}", world.acme.id);
        for (step, status) in [
            ("activate", 409),
            ("cancel-deletion", 409),
            ("deactivate", 200),
            ("deactivate", 409),
            ("suspend", 409),
            ("activate", 200),
            ("suspend", 200),
            ("deactivate", 409),
        ] {
            let answer = world.act(&platform, &format!("{path}/{step}")).await;

            assert_eq!(answer.status, status, "{step}: {}", answer.body);
            if status == 409 {
                answer.refused(409, "illegal_status_change");
                assert!(answer.body["detail"].as_str().unwrap().contains(": "), "{}", answer.body);
            }
        }
        let host = authz::Actor::Host { uid: 0 };
        let host = platform.with_actor(host);
        let default = format!("/api/v1/tenants/{}", world.default.id);
        world.act(&host, &format!("{default}/suspend")).await.refused(409, "default_stays");
    }
}

#[tokio::test]
async fn the_number_of_people_is_true_whoever_writes_and_is_no_change_of_the_tenant() {
    for world in World::both().await {
        let platform = world.platform();
        let path = format!("/api/v1/tenants/{}", world.default.id);
        let before = world.get(&platform, &path).await.ok();
        assert_eq!(before.body["user_count"], 2);

        let dora = world.add("dora", None).await;
        let admin = world.admin();
        world.add("emil", None).await;
        assert_eq!(world.get(&platform, &path).await.ok().body["user_count"], 4);
        world.delete(&admin, &format!("/api/v1/users/{dora}")).await.ok();
        assert_eq!(world.get(&platform, &path).await.ok().body["user_count"], 3);
        world.act(&admin, &format!("/api/v1/users/{dora}/restore")).await.ok();
        world.act(&admin, &format!("/api/v1/users/{dora}/enable")).await.ok();
        world.patch(&admin, &format!("/api/v1/users/{dora}"), json!({"first_name": "D"})).await.ok();
        let after = world.get(&platform, &path).await.ok();
        assert_eq!(after.body["user_count"], 4);
        assert_eq!((after.etag(), &after.body["updated_at"]), (before.etag(), &before.body["updated_at"]));

        for (sql, count) in [
            ("UPDATE users SET status = 'DELETED' WHERE tenant_id = $1 AND username IN ('dora', 'emil')", 2),
            ("UPDATE users SET status = 'ACTIVE' WHERE tenant_id = $1 AND username = 'emil'", 3),
            ("DELETE FROM users WHERE tenant_id = $1 AND username IN ('dora', 'emil')", 2),
        ] {
            world.execute(Sql::new(sql).bind(&world.default.id)).await;
            let found = world.get(&platform, &path).await.ok();
            assert_eq!(found.body["user_count"], count, "{:?}: {sql}", world.backend());
        }
    }
}

#[tokio::test]
async fn tenants_are_filtered_sorted_narrowed_and_counted() {
    for world in World::both().await {
        let platform = world.platform();
        for (code, name) in [("beta", "Zulu"), ("gamma", "Alpha"), ("delta", "Mike")] {
            world.post(&platform, "/api/v1/tenants", json!({"code": code, "name": name})).await.ok();
        }
        let gamma = world.service.tenant_by_code("gamma").await.unwrap().unwrap();
        world.act(&platform, &format!("/api/v1/tenants/{}/suspend", gamma.id)).await.ok();
        for (query, expected) in [
            ("sort=name", &["acme", "gamma", "default", "delta", "beta"][..]),
            ("sort=-code", &["gamma", "delta", "default", "beta", "acme"]),
            ("filter=status%20eq%20%22suspended%22", &["gamma"]),
            ("filter=status%20eq%20%22deleted%22", &[]),
            ("filter=name%20sw%20%22Mi%22", &["delta"]),
            ("filter=user_count%20gt%200&count=exact", &["acme", "default"]),
            ("q=D&sort=code", &["default", "delta"]),
        ] {
            let page = world.get(&platform, &format!("/api/v1/tenants?{query}")).await.ok().body;
            let codes: Vec<&str> =
                page["items"].as_array().unwrap().iter().map(|t| t["code"].as_str().unwrap()).collect();
            assert_eq!(codes, expected, "{query} {:?}", world.backend());
        }
        let narrow = world.get(&platform, "/api/v1/tenants?fields=code&count=exact&limit=1").await.ok().body;
        assert_eq!(narrow["items"], json!([{"code": "acme"}]));
        assert_eq!(narrow["count"], 5);
        for (query, code) in [
            ("sort=domain", "invalid_sort"),
            ("filter=config%20pr", "invalid_filter"),
            ("filter=status%20eq%20%22gone%22", "invalid_filter"),
            ("fields=secret", "invalid_fields"),
            ("limit=0", "invalid_limit"),
            ("limit=1000000", "invalid_limit"),
            ("cursor=forged", "invalid_cursor"),
            ("platform=x", "invalid_query"),
        ] {
            world.get(&platform, &format!("/api/v1/tenants?{query}")).await.refused(400, code);
        }
    }
}

#[tokio::test]
async fn another_node_sees_a_changed_tenant_after_it_looked_at_the_versions() {
    for world in World::both().await {
        let store = store::Store::open(&store::StoreOptions::new(&world.db.url)).await.unwrap();
        let random = std::sync::Arc::new(base::SeededRandom::new(5));
        let core = authz::Core::new(store.clone(), world.clock.clone(), random).unwrap();
        let other = directory::Service::new(core.clone(), kms::testing_kms(), "https://id.test".to_owned());
        let before = other.tenant_by_code("acme").await.unwrap().unwrap();

        let path = format!("/api/v1/tenants/{}", world.acme.id);
        world.act(&world.platform(), &format!("{path}/suspend")).await.ok();
        core.refresh_versions().await.unwrap();

        assert!(before.active);
        assert!(!other.tenant_by_code("acme").await.unwrap().unwrap().active, "{:?}", world.backend());
        assert!(!other.tenant_by_issuer("https://id.test/t/acme").await.unwrap().unwrap().active);
        store.close().await;
    }
}

#[tokio::test]
async fn names_that_no_tenant_has_find_nothing() {
    for world in World::both().await {
        let long = "x".repeat(10_000);
        for code in ["", "nobody", "ACME", "acme'--", "acme\0", "acme%00", "%", &long] {
            assert!(world.service.tenant_by_code(code).await.unwrap().is_none(), "{code}");
            assert!(world.service.tenant_by_issuer(code).await.unwrap().is_none(), "{code}");
        }
    }
}
