//! Billing information: written by the platform, read by the tenant.

use http::Method;
use serde_json::json;

use crate::world::World;

#[tokio::test]
async fn the_platform_writes_what_a_tenant_pays_for_and_its_administrator_reads_it() {
    for world in World::both().await {
        let platform = world.platform();
        let path = format!("/api/v1/tenants/{}/billing", world.acme.id);
        let first = world.get(&platform, &path).await.ok();
        assert_eq!(first.body["plan"], "free");
        assert_eq!(
            (&first.body["billing_cycle"], &first.body["currency"]),
            (&json!("monthly"), &json!("USD"))
        );

        let patch = json!({
            "plan": "pro-2026", "billing_cycle": "yearly", "currency": "EUR", "contact_email": "pay@acme.example",
            "subscription_start_date": "2026-01-01T00:00:00Z", "subscription_end_date": "2027-01-01T00:00:00Z",
        });
        let changed =
            world.send(&platform, Method::PATCH, &path, Some(&first.etag()), Some(patch)).await.ok();
        assert_eq!(changed.body["subscription_end_date"], "2027-01-01T00:00:00.000000Z");
        world
            .send(&platform, Method::PATCH, &path, Some(&first.etag()), Some(json!({"plan": "x"})))
            .await
            .refused(412, "stale");
        let cleared = world.patch(&platform, &path, json!({"plan": null, "contact_email": null})).await.ok();
        assert_eq!((&cleared.body["plan"], &cleared.body["currency"]), (&json!("free"), &json!("EUR")));

        let boss = world.boss().await;
        let own = world.get(&boss, "/api/v1/tenant/billing").await.ok();
        assert_eq!((own.body, own.headers["etag"].clone()), (cleared.body, cleared.headers["etag"].clone()));
        assert_eq!(world.events("tenant.billing_updated").await, 2, "{:?}", world.backend());
    }
}

#[tokio::test]
async fn wrong_billing_information_is_refused_with_its_place_and_changes_nothing() {
    for world in World::both().await {
        let platform = world.platform();
        let path = format!("/api/v1/tenants/{}/billing", world.acme.id);
        for (patch, pointer) in [
            (json!({"plan": ""}), "/plan"),
            (json!({"plan": "a b"}), "/plan"),
            (json!({"currency": "eur"}), "/currency"),
            (json!({"billing_cycle": "daily"}), "/billing_cycle"),
            (json!({"contact_email": "nobody"}), "/contact_email"),
            (json!({"address": "a\nb"}), "/address"),
            (json!({"reference": "x".repeat(256)}), "/reference"),
            (json!({"price": 1}), "/price"),
            (json!({"subscription_start_date": "soon"}), "/subscription_start_date"),
            (
                json!({"subscription_start_date": "2026-01-01T00:00:00Z", "subscription_end_date": "2025-01-01T00:00:00Z"}),
                "/subscription_end_date",
            ),
            (json!([]), ""),
        ] {
            let answer = world.patch(&platform, &path, patch.clone()).await;
            answer.refused(422, "invalid_body");
            assert_eq!(answer.pointers(), [pointer], "{patch}");
        }
        assert_eq!(world.events("tenant.billing_updated").await, 0);
        world.patch(&platform, "/api/v1/tenants/nobody/billing", json!({})).await.refused(404, "not_found");
    }
}
