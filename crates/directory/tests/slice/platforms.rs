//! Platforms over REST.

use http::Method;
use serde_json::json;

use crate::world::World;

const DEFAULT: &str = "/api/v1/platforms/00000000-0000-0000-0000-000000000001";

#[tokio::test]
async fn a_platform_is_made_renamed_and_deleted_with_one_event_each() {
    for world in World::both().await {
        let cx = world.platform();

        let made = world.post(&cx, "/api/v1/platforms", json!({"name": "Europe"})).await;
        assert_eq!(made.status, 201, "{}", made.body);
        let path = format!("/api/v1/platforms/{}", made.id());
        assert_eq!(made.headers["location"], path.as_str());
        assert_eq!(made.body["tenant_count"], 0);
        let renamed =
            world.send(&cx, Method::PATCH, &path, Some(&made.etag()), Some(json!({"name": "EU"}))).await.ok();
        assert_eq!(renamed.body["name"], "EU");
        world
            .send(&cx, Method::PATCH, &path, Some(&made.etag()), Some(json!({"name": "X"})))
            .await
            .refused(412, "stale");
        world.send(&cx, Method::DELETE, &path, None, None).await.refused(428, "if_match_required");
        world.delete(&cx, &path).await.ok();
        world.get(&cx, &path).await.refused(404, "not_found");

        for event in ["platform.created", "platform.updated", "platform.deleted"] {
            assert_eq!(world.events(event).await, 1, "{event} {:?}", world.backend());
        }
    }
}

#[tokio::test]
async fn a_platforms_name_is_unique_in_any_case_and_well_formed() {
    for world in World::both().await {
        let cx = world.platform();
        world.post(&cx, "/api/v1/platforms", json!({"name": "Straße"})).await.ok();

        for (body, status, code) in [
            (json!({"name": "STRASSE"}), 409, "name_taken"),
            (json!({"name": "default PLATFORM"}), 409, "name_taken"),
            (json!({"name": " "}), 422, "invalid_body"),
            (json!({"name": "a\u{0}b"}), 422, "invalid_body"),
            (json!({"name": "x".repeat(129)}), 422, "invalid_body"),
            (json!({"name": "x", "id": "mine"}), 422, "invalid_body"),
            (json!({}), 422, "invalid_body"),
        ] {
            world.post(&cx, "/api/v1/platforms", body).await.refused(status, code);
        }
        world.patch(&cx, DEFAULT, json!({"name": "strasse"})).await.refused(409, "name_taken");
    }
}

#[tokio::test]
async fn a_platform_with_a_tenant_and_the_default_platform_stay() {
    for world in World::both().await {
        let cx = world.platform();
        let id = world.post(&cx, "/api/v1/platforms", json!({"name": "Asia"})).await.ok().id();
        let path = format!("/api/v1/platforms/{id}");
        let body = json!({"code": "tokyo", "name": "Tokyo", "platform_id": id});

        let tenant = world.post(&cx, "/api/v1/tenants", body).await.ok();
        assert_eq!(tenant.body["platform_id"], id.as_str());
        assert_eq!(world.get(&cx, &path).await.ok().body["tenant_count"], 1);
        world.delete(&cx, &path).await.refused(409, "in_use");
        world.delete(&cx, DEFAULT).await.refused(409, "default_stays");

        let plain = world.post(&cx, "/api/v1/tenants", json!({"code": "plain", "name": "Plain"})).await.ok();
        assert_eq!(plain.body["platform_id"], directory::DEFAULT_PLATFORM_ID);
        let lost = json!({"code": "lost", "name": "Lost", "platform_id": "nowhere"});
        let refused = world.post(&cx, "/api/v1/tenants", lost).await;
        refused.refused(422, "invalid_body");
        assert_eq!(refused.pointers(), ["/platform_id"]);
        let found =
            world.get(&cx, &format!("/api/v1/tenants?filter=platform_id%20eq%20%22{id}%22")).await.ok().body;
        let codes: Vec<&str> =
            found["items"].as_array().unwrap().iter().map(|t| t["code"].as_str().unwrap()).collect();
        assert_eq!(codes, ["tokyo"]);
    }
}

#[tokio::test]
async fn platforms_are_listed_in_pages_by_name() {
    for world in World::both().await {
        let cx = world.platform();
        for name in ["beta", "Alpha", "gamma"] {
            world.post(&cx, "/api/v1/platforms", json!({ "name": name })).await.ok();
        }

        let mut seen = Vec::new();
        let mut path = "/api/v1/platforms?limit=1".to_owned();
        loop {
            let page = world.get(&cx, &path).await.ok().body;
            let items = page["items"].as_array().unwrap();
            seen.extend(items.iter().map(|p| p["name"].as_str().unwrap().to_owned()));
            let Some(next) = page["next"].as_str() else { break };
            path = format!("/api/v1/platforms?limit=1&cursor={next}");
        }

        assert_eq!(seen, ["Alpha", "beta", "Default Platform", "gamma"]);
        let found = world.get(&cx, "/api/v1/platforms?q=GAM").await.ok().body;
        assert_eq!(found["items"].as_array().unwrap().len(), 1);
        world.get(&cx, "/api/v1/platforms?cursor=forged").await.refused(400, "invalid_cursor");
        world.get(&cx, "/api/v1/platforms?sort=size").await.refused(400, "invalid_sort");
        let sorted =
            world.get(&cx, "/api/v1/platforms?sort=-name&count=exact&fields=name&limit=2").await.ok().body;
        assert_eq!(sorted["items"], json!([{"name": "gamma"}, {"name": "Default Platform"}]));
        assert_eq!(sorted["count"], 4);
        let next = sorted["next"].as_str().unwrap();
        let rest = world.get(&cx, &format!("/api/v1/platforms?sort=-name&cursor={next}")).await.ok().body;
        assert_eq!((&rest["items"][0]["name"], &rest["items"][1]["name"]), (&json!("beta"), &json!("Alpha")));
        let found = world.get(&cx, "/api/v1/platforms?filter=name%20co%20%22ET%22").await.ok().body;
        assert_eq!(found["items"][0]["name"], "beta");
    }
}
