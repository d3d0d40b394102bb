//! Names and attributes that policies ask about: who may not grant any access does not change them.

use authz::policies::{self, NewPolicy};
use serde_json::{Value, json};

use crate::world::World;

/// A policy with this resource and condition.
async fn policy(
    world: &World,
    name: &str,
    resource: &str,
    condition: Option<Value>,
    expression: Option<&str>,
) {
    let mut statement = json!({ "Effect": "Allow", "Action": "report:read", "Resource": resource });
    if let Some(condition) = condition {
        statement["Condition"] = condition;
    }
    let document = json!({ "Version": "2012-10-17", "Statement": [statement] });
    let new = NewPolicy {
        document: Some(document),
        expression: expression.map(str::to_owned),
        ..NewPolicy::named(name)
    };
    policies::create_policy(&world.admin(), new).await.unwrap();
}

#[tokio::test]
async fn h29_nobody_gains_by_attributes_that_policies_ask_about() {
    for world in World::both().await {
        let oscar = world.add("oscar", Some("ADMIN")).await;
        let own = format!("/api/v1/users/{oscar}");
        let oscar = world.person(&oscar);
        let eve = world.add("eve", None).await;
        let eve = format!("/api/v1/users/{eve}");
        let give = |value: &str| json!({ "attributes": { "Team": value } });
        world.patch(&oscar, &eve, give("red")).await.ok();

        policy(
            &world,
            "tag",
            "*",
            Some(json!({ "StringEquals": { "aws:PrincipalTag/team": "blue" } })),
            None,
        )
        .await;

        world.patch(&oscar, &eve, give("blue")).await.refused(403, "escalation");
        world.patch(&oscar, &own, give("blue")).await.refused(403, "escalation");
        world
            .patch(&oscar, &eve, json!({ "attributes": { "TEAM": "blue" } }))
            .await
            .refused(403, "escalation");
        world.patch(&oscar, &eve, json!({ "attributes": { "Team": null } })).await.refused(403, "escalation");
        let new = json!({ "username": "puppet", "attributes": { "team": "blue" } });
        world.post(&oscar, "/api/v1/users", new).await.refused(403, "escalation");
        world.get(&world.admin(), "/api/v1/users/by-username/puppet").await.refused(404, "not_found");
        let found = world.get(&world.admin(), &eve).await.ok();
        assert_eq!(found.body["attributes"], json!({ "Team": "red" }));
        assert_eq!(world.events("access.escalation_refused").await, 5);

        // What nobody asks about is theirs to change, and so is all else of the person.
        let other = json!({ "display_name": "Eve", "attributes": { "floor": 3 } });
        world.patch(&oscar, &eve, other).await.ok();
        world.patch(&oscar, &eve, give("red")).await.ok();
        world.post(&oscar, "/api/v1/users", json!({ "username": "new" })).await.ok();
        world.patch(&world.admin(), &eve, give("blue")).await.ok();

        // An expression over all attributes asks about each.
        policy(&world, "all", "*", None, Some("principal.tags.exists(t, t == 'x')")).await;
        world.patch(&oscar, &eve, json!({ "attributes": { "floor": 4 } })).await.refused(403, "escalation");
    }
}

#[tokio::test]
async fn h29_nobody_gains_by_a_name_that_policies_mean() {
    for world in World::both().await {
        let oscar = world.add("oscar", Some("ADMIN")).await;
        let oscar = world.person(&oscar);
        let eve = world.add("eve", None).await;
        let eve = format!("/api/v1/users/{eve}");
        let name = |name: &str| json!({ "username": name });
        world.patch(&oscar, &eve, name("eva")).await.ok();

        // Everybody has a home by their name: new people too, but nobody becomes somebody else.
        policy(&world, "home", "home/${aws:username}/*", None, None).await;
        world.patch(&oscar, &eve, name("carol")).await.refused(403, "escalation");
        world.post(&oscar, "/api/v1/users", name("dave")).await.ok();

        policy(
            &world,
            "named",
            "*",
            Some(json!({ "StringLike": { "aws:username": ["carol", "svc-*"] } })),
            None,
        )
        .await;
        world.post(&oscar, "/api/v1/users", name("carol")).await.refused(403, "escalation");
        world.post(&oscar, "/api/v1/users", name("svc-7")).await.refused(403, "escalation");
        world.post(&oscar, "/api/v1/users", name("erin")).await.ok();
        world.post(&world.admin(), "/api/v1/users", name("carol")).await.ok();
        world.patch(&world.admin(), &eve, name("svc-8")).await.ok();
    }
}
