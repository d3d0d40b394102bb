//! Clients on their own behalf, and how they prove who they are.

use authz::{Actor, Api, Purpose};
use http::StatusCode;
use oidc::NewClient;
use serde_json::json;

use crate::world::{World, payload, texts};

const TOKEN: &str = "/t/default/oauth/token";
const CREDENTIALS: (&str, &str) = ("grant_type", "client_credentials");

#[tokio::test]
async fn a_service_gets_a_token_for_its_own_scopes() {
    for world in World::both().await {
        let robot = Some(("robot", world.robot_secret.as_str()));

        let all = world.post(TOKEN, robot, &[CREDENTIALS]).await;
        assert_eq!(all.status, StatusCode::OK, "{}", all.body);
        let all = all.json();
        assert_eq!(all["scope"], "service:access signet");
        assert!(all.get("refresh_token").is_none() && all.get("id_token").is_none());
        let claims = payload(all["access_token"].as_str().unwrap());
        assert_eq!(claims["client_id"], "robot");

        let (tenant, actor) =
            world.service.bearer_actor(None, all["access_token"].as_str().unwrap()).await.unwrap();
        assert_eq!(tenant.id, world.tenant.id);
        assert!(matches!(*actor, authz::Actor::Client { api: authz::Api::Open, .. }), "{actor:?}");

        let less = world.post(TOKEN, robot, &[CREDENTIALS, ("scope", "service:access")]).await.json();
        let (_, actor) =
            world.service.bearer_actor(None, less["access_token"].as_str().unwrap()).await.unwrap();
        assert!(
            matches!(*actor, authz::Actor::Client { api: authz::Api::Closed, .. }),
            "no API without the scope `signet`"
        );
        assert_eq!(
            world.userinfo(all["access_token"].as_str().unwrap()).await.status,
            StatusCode::UNAUTHORIZED
        );
        for scope in ["openid", "offline_access", "email", "service:access openid"] {
            assert_eq!(
                world.post(TOKEN, robot, &[CREDENTIALS, ("scope", scope)]).await.error(),
                "invalid_scope",
                "{scope}"
            );
        }
        assert_eq!(world.events("token.issued").await, 2);
    }
}

#[tokio::test]
async fn a_client_that_does_not_prove_itself_gets_one_answer() {
    for world in World::both().await {
        let mut bodies = std::collections::BTreeSet::new();
        for basic in [Some(("robot", "wrong")), Some(("nobody", "wrong")), Some(("native", "wrong")), None] {
            let answer =
                world.post(TOKEN, basic, &[CREDENTIALS, ("client_id", basic.map_or("robot", |b| b.0))]).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{basic:?}");
            assert!(answer.headers["www-authenticate"].to_str().unwrap().starts_with("Basic "));
            bodies.insert(answer.body);
        }
        assert_eq!(bodies.len(), 1, "{bodies:?}");
        // A method that the client has not registered is no proof either.
        let fields = [CREDENTIALS, ("client_id", "web"), ("client_secret", world.web_secret.as_str())];
        assert_eq!(world.post(TOKEN, None, &fields).await.error(), "invalid_client");
        let fields = [CREDENTIALS, ("client_id", "robot"), ("client_secret", world.robot_secret.as_str())];
        assert_eq!(world.post(TOKEN, None, &fields).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn guessing_a_secret_is_cut_short_while_the_owner_passes() {
    for world in World::both().await {
        let robot = Some(("robot", world.robot_secret.as_str()));
        assert_eq!(world.post(TOKEN, robot, &[CREDENTIALS]).await.status, StatusCode::OK);
        let mut last = StatusCode::OK;
        for _ in 0..11 {
            last = world.post(TOKEN, Some(("robot", "wrong")), &[CREDENTIALS]).await.status;
        }

        assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(
            world.post(TOKEN, robot, &[CREDENTIALS]).await.status,
            StatusCode::OK,
            "from the same address"
        );
        world.clock.advance_seconds(60);
        assert_eq!(
            world.post(TOKEN, Some(("robot", "wrong")), &[CREDENTIALS]).await.status,
            StatusCode::UNAUTHORIZED
        );
    }
}

#[tokio::test]
async fn a_client_uses_the_grants_that_it_has() {
    for world in World::both().await {
        let web = Some(("web", world.web_secret.as_str()));
        assert_eq!(world.post(TOKEN, web, &[CREDENTIALS]).await.error(), "unauthorized_client");
        let public = [CREDENTIALS, ("client_id", "native")];
        assert_eq!(world.post(TOKEN, None, &public).await.error(), "unauthorized_client");
        for kind in ["password", "implicit"] {
            let answer = world
                .post(TOKEN, web, &[("grant_type", kind), ("username", "maria"), ("password", "x")])
                .await;
            assert_eq!(
                (answer.status, answer.error().as_str()),
                (StatusCode::BAD_REQUEST, "unsupported_grant_type")
            );
        }
        let twice = [CREDENTIALS, CREDENTIALS];
        assert_eq!(world.post(TOKEN, web, &twice).await.error(), "invalid_request");
    }
}

#[tokio::test]
async fn whatever_is_introspected_or_revoked_is_never_an_error() {
    for world in World::both().await {
        for token in ["x", "a.b.c", "..", "' OR 1=1 --", &"x".repeat(5000), "é\u{0}"] {
            assert_eq!(world.introspect(token).await, json!({ "active": false }), "{token}");
            let revoked = world
                .post("/t/default/oauth/revoke", Some(("web", &world.web_secret)), &[("token", token)])
                .await;
            assert_eq!(revoked.status, StatusCode::OK, "{token}");
        }
        let tokens = world.tokens("openid offline_access").await;
        let access = world.introspect(tokens["access_token"].as_str().unwrap()).await;
        assert_eq!((access["active"].as_bool(), access["username"].as_str()), (Some(true), Some("maria")));
        assert_eq!(
            (access["client_id"].as_str(), access["token_type"].as_str()),
            (Some("web"), Some("Bearer"))
        );
        let refresh = world.introspect(tokens["refresh_token"].as_str().unwrap()).await;
        assert_eq!((refresh["active"].as_bool(), refresh.get("token_type")), (Some(true), None));
        // The `jti` of an access token is no refresh token.
        let jti = access["jti"].as_str().unwrap();
        assert_eq!(world.introspect(jti).await, json!({ "active": false }));
        assert_eq!(world.refresh(jti).await.error(), "invalid_grant");
        let public =
            world.post("/t/default/oauth/introspect", None, &[("token", jti), ("client_id", "native")]).await;
        assert_eq!(public.error(), "invalid_client", "a public client proves nothing");
        world.clock.advance_seconds(900);
        assert_eq!(
            world.introspect(tokens["access_token"].as_str().unwrap()).await,
            json!({ "active": false })
        );
    }
}

#[tokio::test]
async fn a_service_may_ask_for_part_of_the_api() {
    for world in World::both().await {
        let reporter = |scopes: &[&str]| NewClient {
            client_id: Some("reporter".to_owned()),
            methods: texts(&["client_secret_basic"]),
            grants: texts(&["client_credentials"]),
            scopes: texts(scopes),
            ..NewClient::named("Reporter")
        };
        let cx = world.system();
        let secret = world.service.secrets().fresh(&cx).await.unwrap().hash;
        let unknown = NewClient { secret: Some(secret), ..reporter(&["signet:nobody:knows"]) };
        let permit = cx.purpose(Purpose::Bootstrap);
        let mut tx = cx.write(&permit).await.unwrap();
        let refused = oidc::create_client_in(&cx, &mut tx, &permit, unknown).await.unwrap_err();
        assert_eq!(base::Problem::from(refused).errors()[0].code, "invalid_scope");
        drop(tx);
        let secret = world.add_client(reporter(&["signet:audit:read", "signet:user:read"])).await.unwrap();
        let secret = Some(("reporter", secret.as_str()));

        let found = world.post(TOKEN, secret, &[CREDENTIALS, ("scope", "signet:audit:read")]).await.json();

        let token = found["access_token"].as_str().unwrap();
        let (tenant, actor) = world.service.bearer_actor(None, token).await.unwrap();
        let expected = Api::of_scopes(&tenant.id, &texts(&["signet:audit:read"]));
        assert!(matches!(&*actor, Actor::Client { api, .. } if *api == expected), "{actor:?}");
        let more = world.post(TOKEN, secret, &[CREDENTIALS, ("scope", "signet")]).await;
        assert_eq!((more.status, &more.json()["error"]), (StatusCode::BAD_REQUEST, &json!("invalid_scope")));
    }
}
