//! What ends, ends everywhere: revoked tokens, disabled people and clients, rotated keys.

use axum::body::Body;
use http::{HeaderMap, Method, StatusCode};
use jose::Algorithm;
use serde_json::json;
use store::Sql;

use crate::world::{World, join_all};

#[tokio::test]
async fn a_revoked_token_a_disabled_person_and_a_disabled_client_stop_at_once() {
    for world in World::both().await {
        let tokens = world.tokens("openid offline_access").await;
        let access = tokens["access_token"].as_str().unwrap();
        for (off, on) in [
            ("UPDATE users SET status = 'INACTIVE'", "UPDATE users SET status = 'ACTIVE'"),
            ("UPDATE oauth2_clients SET status = 'DISABLED'", "UPDATE oauth2_clients SET status = 'ACTIVE'"),
        ] {
            assert!(world.is_bearer(access).await);
            world.execute(Sql::new(off)).await;
            assert!(!world.is_bearer(access).await, "{off}");
            world.execute(Sql::new(on)).await;
        }
        assert!(world.is_bearer(access).await);
        let revoked = world
            .post("/t/default/oauth/revoke", Some(("web", &world.web_secret)), &[("token", access)])
            .await;
        assert_eq!(revoked.status, StatusCode::OK);
        assert!(!world.is_bearer(access).await);
        // The family lives on until its refresh token is given back.
        let next = world.refresh(tokens["refresh_token"].as_str().unwrap()).await.json();
        let refresh = next["refresh_token"].as_str().unwrap();
        world.post("/t/default/oauth/revoke", Some(("web", &world.web_secret)), &[("token", refresh)]).await;
        assert!(!world.is_bearer(next["access_token"].as_str().unwrap()).await);
        assert_eq!(world.refresh(refresh).await.error(), "invalid_grant");
    }
}

#[tokio::test]
async fn a_change_that_nobody_announced_stops_a_token_within_seconds() {
    for world in World::both().await {
        let tokens = world.tokens("openid").await;
        let access = tokens["access_token"].as_str().unwrap();
        assert!(world.is_bearer(access).await);
        let cx = world.system();
        let permit = cx.purpose(authz::Purpose::Bootstrap);
        let mut tx = cx.write(&permit).await.unwrap();
        tx.execute(Sql::new("UPDATE tokens SET status = 'REVOKED'")).await.unwrap();
        tx.commit_housekeeping().await.unwrap();

        world.clock.advance_seconds(oidc::bearer::RECHECK_SECONDS);

        assert!(!world.is_bearer(access).await);
    }
}

#[tokio::test]
async fn no_token_code_or_secret_rests_in_the_database() {
    for world in World::both().await {
        let code = world.code("openid offline_access").await;
        let tokens = world.exchange(&code).await.json();
        let secrets = [
            code.as_str(),
            tokens["access_token"].as_str().unwrap(),
            tokens["refresh_token"].as_str().unwrap(),
            tokens["id_token"].as_str().unwrap(),
            &world.web_secret,
        ];
        for (table, column) in [
            ("tokens", "SELECT token_value AS v FROM tokens"),
            ("codes", "SELECT code_digest AS v FROM authorization_codes"),
            ("clients", "SELECT coalesce(client_secret, '') AS v FROM oauth2_clients"),
        ] {
            let cx = world.system();
            let mut rx = cx.read(&cx.purpose(authz::Purpose::Resolve)).await.unwrap();
            let values: Vec<String> = rx.all(Sql::new(column)).await.unwrap();
            assert!(!values.is_empty(), "{table}");
            assert!(
                values.iter().all(|value| secrets.iter().all(|secret| !value.contains(secret))),
                "{table}"
            );
        }
    }
}

#[tokio::test]
async fn a_rotated_key_verifies_until_its_tokens_have_expired() {
    for world in World::both().await {
        let tokens = world.tokens("openid").await;
        let access = tokens["access_token"].as_str().unwrap();
        let cx = world.cx(authz::Actor::Host { uid: 0 });

        world.service.keys().rotate(&cx, Algorithm::EdDsa).await.unwrap();

        assert!(world.is_bearer(access).await);
        let jwks =
            world.send(Method::GET, "/t/default/oauth/jwks", HeaderMap::new(), Body::empty()).await.json();
        assert_eq!(
            jwks["keys"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|key| key["alg"] == "EdDSA" || key["crv"] == "Ed25519")
                .count(),
            2
        );
        world.clock.advance_seconds(oidc::keys::RETIRED_SECONDS);
        let jwks =
            world.send(Method::GET, "/t/default/oauth/jwks", HeaderMap::new(), Body::empty()).await.json();
        assert_eq!(jwks["keys"].as_array().unwrap().iter().filter(|key| key["crv"] == "Ed25519").count(), 1);
    }
}

#[tokio::test]
async fn of_many_first_uses_at_once_one_makes_the_key() {
    for world in World::both().await {
        let keys: Vec<_> =
            (0..6).map(|_| oidc::keys::Keys::new(world.core.clone(), kms::testing_kms())).collect();
        let cx = world.system();

        let made = join_all(keys.iter().map(|keys| keys.signer(&cx, Algorithm::Es256)).collect()).await;

        let kids: std::collections::BTreeSet<String> = made
            .into_iter()
            .map(|key| key.map(|key| key.kid().to_owned()).map_err(|e| format!("{e:?}")).unwrap())
            .collect();
        assert_eq!(kids.len(), 1, "{:?}", world.db.backend());
    }
}

#[tokio::test]
async fn another_clients_token_cannot_be_revoked_or_looked_at() {
    for world in World::both().await {
        let tokens = world.tokens("openid").await;
        let access = tokens["access_token"].as_str().unwrap();
        let robot = Some(("robot", world.robot_secret.as_str()));

        let revoked = world.post("/t/default/oauth/revoke", robot, &[("token", access)]).await;
        let asked = world.post("/t/default/oauth/introspect", robot, &[("token", access)]).await;

        assert_eq!(revoked.status, StatusCode::OK);
        assert_eq!(asked.json(), json!({ "active": false }));
        assert!(world.is_bearer(access).await);
    }
}
