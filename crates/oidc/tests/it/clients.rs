//! Managing clients, by verbs and by REST.

use authz::{Actor, Purpose};
use axum::body::Body;
use http::header::{AUTHORIZATION, CONTENT_TYPE, IF_MATCH};
use http::{HeaderMap, Method, StatusCode};
use oidc::clients::DefaultClients;
use serde_json::{Value, json};
use store::Sql;

use crate::world::{Answer, World};

const CLIENTS: &str = "/t/default/api/v1/clients";

/// An access token of maria for the API.
async fn api_token(world: &World) -> String {
    world.tokens("openid signet").await["access_token"].as_str().unwrap().to_owned()
}

async fn call(
    world: &World,
    token: &str,
    method: Method,
    path: &str,
    etag: Option<&str>,
    body: Option<Value>,
) -> Answer {
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
    if let Some(etag) = etag {
        headers.insert(IF_MATCH, etag.parse().unwrap());
    }
    if body.is_some() {
        headers.insert(CONTENT_TYPE, "application/json".parse().unwrap());
    }
    world
        .send(method, path, headers, body.map_or_else(Body::empty, |body| Body::from(body.to_string())))
        .await
}

fn new_client() -> Value {
    json!({
        "client_id": "billing",
        "name": "Billing",
        "client_authentication_methods": ["client_secret_basic"],
        "authorization_grant_types": ["client_credentials"],
        "scopes": ["bills"],
    })
}

#[tokio::test]
async fn a_secret_is_shown_once_works_and_is_stored_as_bcrypt() {
    for world in World::both().await {
        world.give_role(&world.maria, "SUPER_ADMIN").await;
        let token = api_token(&world).await;

        let made = call(&world, &token, Method::POST, CLIENTS, None, Some(new_client())).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
        let body = made.json();
        let (id, secret) =
            (body["id"].as_str().unwrap().to_owned(), body["client_secret"].as_str().unwrap().to_owned());
        let path = format!("{CLIENTS}/{id}");
        let fields = [("grant_type", "client_credentials")];
        assert_eq!(
            world.post("/t/default/oauth/token", Some(("billing", &secret)), &fields).await.status,
            StatusCode::OK
        );

        let hash: String =
            world.one(Sql::new("SELECT client_secret FROM oauth2_clients WHERE client_id = 'billing'")).await;
        assert!(hash.starts_with("$2a$10$"), "{hash}");
        for answer in [
            call(&world, &token, Method::GET, &path, None, None).await,
            call(&world, &token, Method::GET, CLIENTS, None, None).await,
        ] {
            assert_eq!(answer.status, StatusCode::OK);
            assert!(!answer.body.contains("secret\":") && !answer.body.contains("$2a$"), "{}", answer.body);
        }

        let rotated = call(&world, &token, Method::POST, &format!("{path}/rotate-secret"), None, None).await;
        let new_secret = rotated.json()["client_secret"].as_str().unwrap().to_owned();
        assert_eq!(
            world.post("/t/default/oauth/token", Some(("billing", &secret)), &fields).await.error(),
            "invalid_client"
        );
        assert_eq!(
            world.post("/t/default/oauth/token", Some(("billing", &new_secret)), &fields).await.status,
            StatusCode::OK
        );
        assert_eq!(world.events("client.secret_rotated").await, 1);
    }
}

#[tokio::test]
async fn a_change_needs_the_present_version_and_disabling_stops_the_client() {
    for world in World::both().await {
        world.give_role(&world.maria, "SUPER_ADMIN").await;
        let token = api_token(&world).await;
        let made = call(&world, &token, Method::POST, CLIENTS, None, Some(new_client())).await;
        let etag = made.headers["etag"].to_str().unwrap().to_owned();
        let secret = made.json()["client_secret"].as_str().unwrap().to_owned();
        let path = format!("{CLIENTS}/{}", made.json()["id"].as_str().unwrap());
        let fields = [("grant_type", "client_credentials")];
        let access = world.post("/t/default/oauth/token", Some(("billing", &secret)), &fields).await.json();
        let access = access["access_token"].as_str().unwrap();

        let patch = json!({ "status": "disabled" });
        let without = call(&world, &token, Method::PATCH, &path, None, Some(patch.clone())).await;
        assert_eq!(without.status, StatusCode::PRECONDITION_REQUIRED);
        let stale = call(&world, &token, Method::PATCH, &path, Some("\"v9\""), Some(patch.clone())).await;
        assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED);
        assert!(world.is_bearer(access).await);
        let good = call(&world, &token, Method::PATCH, &path, Some(&etag), Some(patch)).await;
        assert_eq!(good.status, StatusCode::OK, "{}", good.body);

        assert!(!world.is_bearer(access).await);
        assert_eq!(
            world.post("/t/default/oauth/token", Some(("billing", &secret)), &fields).await.error(),
            "invalid_client"
        );
        let etag = good.headers["etag"].to_str().unwrap().to_owned();
        assert_eq!(
            call(&world, &token, Method::DELETE, &path, Some(&etag), None).await.status,
            StatusCode::NO_CONTENT
        );
        assert_eq!(call(&world, &token, Method::GET, &path, None, None).await.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn h29_fields_that_are_not_the_callers_to_set_and_wrong_values_are_refused() {
    for world in World::both().await {
        world.give_role(&world.maria, "SUPER_ADMIN").await;
        let token = api_token(&world).await;
        for change in [
            json!({ "id": "x" }),
            json!({ "tenant_id": "x" }),
            json!({ "client_secret": "x" }),
            json!({ "version": 7 }),
            json!({ "client_id": "signet-cli/" }),
            json!({ "redirect_uris": ["javascript:alert(1)"] }),
            json!({ "redirect_uris": ["https://*.example.com/"] }),
            json!({ "client_authentication_methods": ["none"] }),
            json!({ "client_authentication_methods": ["private_key_jwt"] }),
            json!({ "authorization_grant_types": ["password"] }),
            json!({ "authorization_grant_types": ["authorization_code"] }),
            json!({ "scopes": ["a b"] }),
            json!({ "access_token_ttl_seconds": 0 }),
            json!({ "access_token_ttl_seconds": 86401 }),
            json!({ "access_token_alg": "HS256" }),
            json!({ "name": "" }),
            json!({ "evaluation": { "actions": [], "resources": ["*"] } }),
            json!({ "evaluation": { "actions": ["user"], "resources": ["*"] } }),
            json!({ "evaluation": { "actions": ["*"], "resources": ["a//b"] } }),
            json!({ "evaluation": { "actions": ["*"] } }),
            json!({ "evaluation": { "actions": ["*"], "resources": ["*"], "context_keys": ["aws:SourceIp"] } }),
            json!({ "evaluation": { "actions": ["*"], "resources": ["*"], "everything": true } }),
        ] {
            let mut body = new_client();
            for (name, value) in change.as_object().unwrap() {
                body[name] = value.clone();
            }
            let answer = call(&world, &token, Method::POST, CLIENTS, None, Some(body)).await;
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{change}: {}", answer.body);
        }
        for (name, taken) in [("web", true), ("signet-cli", true)] {
            let mut body = new_client();
            body["client_id"] = json!(name);
            let answer = call(&world, &token, Method::POST, CLIENTS, None, Some(body)).await;
            assert_eq!(answer.status == StatusCode::CONFLICT, taken, "{name}: {}", answer.body);
        }
    }
}

#[tokio::test]
async fn h27_h28_nobody_without_the_permission_sees_or_changes_a_client() {
    for world in World::both().await {
        let id: String = world.one(Sql::new("SELECT id FROM oauth2_clients WHERE client_id = 'web'")).await;
        let token = api_token(&world).await;
        let path = format!("{CLIENTS}/{id}");
        for (method, path) in [
            (Method::GET, CLIENTS.to_owned()),
            (Method::GET, path.clone()),
            (Method::DELETE, path.clone()),
            (Method::POST, format!("{path}/rotate-secret")),
        ] {
            let user = call(&world, &token, method.clone(), &path, Some("*"), None).await;
            assert_eq!(user.status, StatusCode::FORBIDDEN, "{method} {path}");
            let mut headers = HeaderMap::new();
            headers.insert(IF_MATCH, "*".parse().unwrap());
            let nobody = world.send(method.clone(), &path, headers, Body::empty()).await;
            assert_eq!(nobody.status, StatusCode::UNAUTHORIZED, "{method} {path}");
        }
        // At another tenant the id names nothing, even for one who may read all clients there.
        let cx =
            world.core.system(authz::Place::Tenant(world.other.clone())).with_actor(Actor::Host { uid: 0 });
        let id = base::id::ClientId::parse(&id).unwrap();
        assert!(world.service.read_client(&cx, &id).await.is_err());
        assert!(world.service.delete_client(&cx, &id, None).await.is_err());
        assert!(world.service.rotate_client_secret(&cx, &id).await.is_err());
    }
}

#[tokio::test]
async fn the_three_default_clients_stand_under_their_ids_and_each_completes_its_grant() {
    for world in World::both().await {
        let cx = world.system();
        let prepared = DefaultClients::prepare(world.service.secrets(), &cx).await.unwrap();
        let permit = cx.purpose(Purpose::Bootstrap);
        let mut tx = cx.write(&permit).await.unwrap();
        oidc::seed_default_clients_in(&cx, &mut tx, &permit, &prepared).await.unwrap();
        tx.commit().await.unwrap();

        for (id, name) in [
            ("1", "openidaas-web-client"),
            ("2", "openidaas-mobile-client"),
            ("3", "openidaas-service-account"),
        ] {
            let found: String =
                world.one(Sql::new("SELECT id FROM oauth2_clients WHERE client_id = $1").bind(name)).await;
            assert_eq!(found, format!("00000000-0000-0000-0000-00000000000{id}"));
        }
        let [(_, web), (_, service)] = prepared.secrets();
        let fields = [("grant_type", "client_credentials")];
        let answer = world
            .post("/t/default/oauth/token", Some(("openidaas-service-account", service.expose())), &fields)
            .await;
        assert_eq!(answer.json()["scope"], "service:access");

        let mut browser = world.signed_in("maria").await;
        let web_callback = "http://localhost:3000/callback";
        let mobile_callback = "http://127.0.0.1:5000/callback";
        for (name, callback, secret) in [
            ("openidaas-web-client", web_callback, Some(web.expose())),
            ("openidaas-mobile-client", mobile_callback, None),
        ] {
            let url = crate::world::authorize_url(&[("client_id", name), ("redirect_uri", callback)]);
            let answer = browser.allow(&url).await;
            let code = crate::world::parameter(answer.location(), "code").unwrap();
            let mut fields = crate::world::exchange_fields(&code).to_vec();
            fields[2].1 = callback;
            fields.push(("client_id", name));
            let basic = secret.map(|secret| (name, secret.as_str()));
            let answer = world.post("/t/default/oauth/token", basic, &fields).await;
            assert_eq!(answer.status, StatusCode::OK, "{name}: {}", answer.body);
        }
    }
}

#[tokio::test]
async fn a_list_goes_on_where_its_page_ended_and_its_cursor_serves_no_other_list() {
    for world in World::both().await {
        world.give_role(&world.maria, "SUPER_ADMIN").await;
        let token = api_token(&world).await;
        let mut seen = Vec::new();
        let mut path = format!("{CLIENTS}?limit=1");
        loop {
            let page = call(&world, &token, Method::GET, &path, None, None).await.json();
            seen.extend(
                page["items"].as_array().unwrap().iter().map(|c| c["client_id"].as_str().unwrap().to_owned()),
            );
            let Some(next) = page["next"].as_str() else { break };
            path = format!("{CLIENTS}?limit=1&cursor={next}");
            let other = call(&world, &token, Method::GET, &format!("{path}&q=w"), None, None).await;
            assert_eq!(other.status, StatusCode::BAD_REQUEST);
        }
        assert_eq!(seen, ["native", "robot", "web"]);
        let found = call(&world, &token, Method::GET, &format!("{CLIENTS}?q=ro"), None, None).await.json();
        assert_eq!(found["items"].as_array().unwrap().len(), 1);
        let injected =
            call(&world, &token, Method::GET, &format!("{CLIENTS}?q=%27%20OR%201%3D1"), None, None).await;
        assert_eq!(injected.json()["items"], json!([]));
    }
}

#[tokio::test]
async fn h29_whoever_may_change_clients_takes_over_none_that_holds_more() {
    for world in World::both().await {
        world
            .execute(
                Sql::new(
                    "INSERT INTO roles (id, tenant_id, name, code, permissions) \
                     VALUES ('keeper', $1, 'Keeper', 'KEEPER', $2)",
                )
                .bind(&world.tenant.id)
                .bind(json!(["oauth2:read", "oauth2:update"])),
            )
            .await;
        world.give_role(&world.maria, "KEEPER").await;
        let robot: String =
            world.one(Sql::new("SELECT id FROM oauth2_clients WHERE client_id = 'robot'")).await;
        let robot_id = base::id::UserId::parse(&robot).unwrap();
        let token = api_token(&world).await;
        let path = format!("{CLIENTS}/{robot}/rotate-secret");
        assert_eq!(call(&world, &token, Method::POST, &path, None, None).await.status, StatusCode::OK);

        world.give_role(&robot_id, "SUPER_ADMIN").await;

        let refused = call(&world, &token, Method::POST, &path, None, None).await;
        assert_eq!(
            (refused.status, refused.error()),
            (StatusCode::FORBIDDEN, String::new()),
            "{}",
            refused.body
        );
        assert_eq!(refused.json()["code"], "escalation");
    }
}

#[tokio::test]
async fn clients_are_filtered_sorted_narrowed_and_counted() {
    for world in World::both().await {
        world.give_role(&world.maria, "SUPER_ADMIN").await;
        let token = api_token(&world).await;
        for (client_id, name) in [("zz-a", "Ledger"), ("zz-b", "ledger"), ("zz-c", "Bills")] {
            let mut new = new_client();
            new["client_id"] = client_id.into();
            new["name"] = name.into();
            let made = call(&world, &token, Method::POST, CLIENTS, None, Some(new)).await;
            assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
        }
        for (query, expected) in [
            ("q=zz-", vec!["zz-a", "zz-b", "zz-c"]),
            ("q=zz-&sort=-client_id", vec!["zz-c", "zz-b", "zz-a"]),
            ("q=zz-&sort=name", vec!["zz-c", "zz-a", "zz-b"]),
            ("q=zz-&filter=name+co+%22edge%22+and+status+eq+%22active%22", vec!["zz-a", "zz-b"]),
            ("filter=client_id+eq+%22zz-b%22+or+description+eq+%22none%22", vec!["zz-b"]),
        ] {
            let mut seen = Vec::new();
            let mut path = format!("{CLIENTS}?limit=2&fields=client_id&count=estimate&{query}");
            loop {
                let page = call(&world, &token, Method::GET, &path, None, None).await;
                assert_eq!(page.status, StatusCode::OK, "{}", page.body);
                let page = page.json();
                assert_eq!(page["count"], expected.len());
                let items = page["items"].as_array().unwrap();
                assert!(items.iter().all(|item| item.as_object().unwrap().len() == 1));
                seen.extend(items.iter().map(|item| item["client_id"].as_str().unwrap().to_owned()));
                let Some(next) = page["next"].as_str() else { break };
                path = format!("{CLIENTS}?limit=2&fields=client_id&count=estimate&{query}&cursor={next}");
            }
            assert_eq!(seen, expected, "{query}");
        }
        for (query, code) in [
            ("filter=client_secret+pr", "invalid_filter"),
            ("sort=client_secret", "invalid_sort"),
            ("fields=secret_hash", "invalid_fields"),
            ("status=active", "invalid_query"),
        ] {
            let refused = call(&world, &token, Method::GET, &format!("{CLIENTS}?{query}"), None, None).await;
            assert_eq!(refused.json()["code"], code, "{query}");
        }
    }
}

#[tokio::test]
async fn a_client_is_registered_as_an_enforcement_point_and_only_one_that_acts_for_itself() {
    for world in World::both().await {
        world.give_role(&world.maria, "SUPER_ADMIN").await;
        let token = api_token(&world).await;
        let point = json!({
            "actions": ["bill:*"], "resources": ["bill:*"], "context_keys": ["channel"], "end_user_address": true,
        });
        let mut body = new_client();
        body["evaluation"] = point.clone();

        let made = call(&world, &token, Method::POST, CLIENTS, None, Some(body)).await;
        assert_eq!((made.status, &made.json()["evaluation"]), (StatusCode::CREATED, &point), "{}", made.body);
        let path = format!("{CLIENTS}/{}", made.json()["id"].as_str().unwrap());
        let id = base::id::ClientId::parse(made.json()["id"].as_str().unwrap()).unwrap();
        let known = async || {
            let (cx, tenant) = (world.system(), world.tenant.id.clone());
            let mut rx = cx.read(&cx.purpose(Purpose::Resolve)).await.unwrap();
            let row = authz::principals::find(&mut rx, &tenant, &id.cast()).await.unwrap().unwrap();
            row.registration.map(|registration| registration.to_value())
        };
        assert_eq!(known().await, Some(point.clone()), "the decision point knows it from the same commit");

        let mut etag = made.headers["etag"].to_str().unwrap().to_owned();
        for (patch, expected) in [
            (json!({ "name": "Bills" }), Some(point.clone())),
            (
                json!({ "evaluation": { "actions": ["bill:read"], "resources": ["*"] } }),
                Some(json!({ "actions": ["bill:read"], "resources": ["*"] })),
            ),
            (json!({ "evaluation": null }), None),
        ] {
            let answer = call(&world, &token, Method::PATCH, &path, Some(&etag), Some(patch)).await;
            assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
            assert_eq!(known().await, expected);
            etag = answer.headers["etag"].to_str().unwrap().to_owned();
        }

        let wrong = json!({ "evaluation": { "actions": ["bill:*"], "resources": ["*", "${aws:username}"] } });
        let refused = call(&world, &token, Method::PATCH, &path, Some(&etag), Some(wrong)).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(refused.json()["errors"][0]["pointer"], "/evaluation/resources/1");
        let mut public = new_client();
        public["client_id"] = json!("app");
        public["client_authentication_methods"] = json!(["none"]);
        public["authorization_grant_types"] = json!(["authorization_code"]);
        public["redirect_uris"] = json!(["https://app.example/cb"]);
        public["evaluation"] = point.clone();
        let refused = call(&world, &token, Method::POST, CLIENTS, None, Some(public)).await;
        assert_eq!(refused.json()["errors"][0]["code"], "evaluation_without_client_credentials");
    }
}

#[tokio::test]
async fn h29_nobody_widens_the_registration_of_a_client_that_holds_more_than_they_do() {
    for world in World::both().await {
        world
            .execute(
                Sql::new(
                    "INSERT INTO roles (id, tenant_id, name, code, permissions) \
                     VALUES ('keeper', $1, 'Keeper', 'KEEPER', $2)",
                )
                .bind(&world.tenant.id)
                .bind(json!(["oauth2:read", "oauth2:update"])),
            )
            .await;
        world.give_role(&world.maria, "KEEPER").await;
        let robot: String =
            world.one(Sql::new("SELECT id FROM oauth2_clients WHERE client_id = 'robot'")).await;
        world.give_role(&base::id::UserId::parse(&robot).unwrap(), "SUPER_ADMIN").await;
        let token = api_token(&world).await;
        let wide = json!({ "evaluation": { "actions": ["*"], "resources": ["*"] } });

        let path = format!("{CLIENTS}/{robot}");
        let refused = call(&world, &token, Method::PATCH, &path, Some("*"), Some(wide)).await;

        assert_eq!(
            (refused.status, &refused.json()["code"]),
            (StatusCode::FORBIDDEN, &json!("escalation")),
            "{}",
            refused.body
        );
    }
}
