//! What a good client and a person do.

use http::{Method, StatusCode};
use jose::{ClaimRules, Jwk, Rules, VerifyingKey, left_half_hash, verify_compact};

use crate::world::{CALLBACK, ISSUER, World, authorize_url, parameter, payload, web_client};

#[tokio::test]
async fn a_person_signs_in_and_the_client_gets_what_was_allowed() {
    for world in World::both().await {
        let mut browser = world.browser();
        let url = authorize_url(&[("scope", "openid profile email offline_access")]);

        let away = browser.get(&url).await;
        assert_eq!(away.status, StatusCode::SEE_OTHER);
        assert!(away.location().starts_with("/t/default/sign-in?return_to="), "{}", away.location());
        let sign_in = browser.get(away.location()).await;
        assert!(
            sign_in.headers["content-security-policy"]
                .to_str()
                .unwrap()
                .ends_with("form-action 'self' https://app.example.com")
        );
        let csrf = sign_in.field("csrf");
        let back = browser
            .post(
                away.location(),
                &[("csrf", &csrf), ("username", "maria"), ("password", crate::world::PASSWORD)],
            )
            .await;
        assert_eq!(back.status, StatusCode::SEE_OTHER, "{}", back.body);
        let consent = browser.get(back.location()).await;
        assert_eq!(consent.page(), "consent", "{}", consent.body);
        assert!(consent.body.contains("See your e-mail address"));
        let answer = browser.decide(&consent, "allow").await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        assert!(answer.location().starts_with(&format!("{CALLBACK}?code=")), "{}", answer.location());
        assert_eq!(parameter(answer.location(), "state").as_deref(), Some("s t&a=te"));
        assert_eq!(parameter(answer.location(), "iss").as_deref(), Some(ISSUER));

        let code = parameter(answer.location(), "code").unwrap();
        let tokens = world.exchange(&code).await;
        assert_eq!(tokens.status, StatusCode::OK, "{}", tokens.body);
        assert_eq!(tokens.headers["cache-control"], "no-store");
        let tokens = tokens.json();
        assert_eq!(
            (tokens["token_type"].as_str(), tokens["expires_in"].as_i64()),
            (Some("Bearer"), Some(900))
        );
        assert_eq!(tokens["scope"], "openid profile email offline_access");

        let userinfo = world.userinfo(tokens["access_token"].as_str().unwrap()).await.json();
        assert_eq!(userinfo["sub"], world.maria.as_str());
        assert_eq!(
            (userinfo["preferred_username"].as_str(), userinfo["email"].as_str()),
            (Some("maria"), Some("maria@example.com"))
        );
        assert!(userinfo.get("phone_number").is_none());

        let next = world.refresh(tokens["refresh_token"].as_str().unwrap()).await.json();
        assert_ne!(next["refresh_token"], tokens["refresh_token"]);
        assert_ne!(next["access_token"], tokens["access_token"]);
        assert_eq!(payload(next["id_token"].as_str().unwrap())["sub"], world.maria.as_str());
        for event in ["consent.granted", "code.issued", "token.issued", "token.refreshed"] {
            assert_eq!(world.events(event).await, 1, "{event} on {:?}", world.db.backend());
        }
    }
}

#[tokio::test]
async fn an_id_token_verifies_by_the_published_keys_and_says_how_the_person_signed_in() {
    for world in World::both().await {
        let tokens = world.tokens("openid").await;
        let id_token = tokens["id_token"].as_str().unwrap();
        let jwks = world
            .send(Method::GET, "/t/default/oauth/jwks", http::HeaderMap::new(), axum::body::Body::empty())
            .await
            .json();
        let keys: Vec<VerifyingKey> = jwks["keys"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| VerifyingKey::from_jwk(&serde_json::from_value::<Jwk>(key.clone()).unwrap()).unwrap())
            .collect();
        assert!(jwks["keys"].as_array().unwrap().iter().all(|key| key.get("d").is_none()));

        let now = world.core.now().as_seconds();
        let rules = ClaimRules { issuer: ISSUER, audience: Some("web"), now, leeway_seconds: 0 };
        let find = |kid: &str| keys.iter().find(|key| key.kid() == kid);
        let claims = verify_compact(id_token, find, &Rules::new("JWT")).unwrap().validate(&rules).unwrap();

        assert_eq!(claims.str("nonce"), Some("n-0"));
        assert_eq!(claims.str("sub"), Some(world.maria.as_str()));
        assert_eq!(claims.time("auth_time"), Some(now));
        assert_eq!(claims.get("amr").unwrap()[0], "pwd");
        assert_eq!(claims.str("acr"), Some(authn::ACR_PASSWORD));
        let introspected = world.introspect(tokens["access_token"].as_str().unwrap()).await;
        assert_eq!(
            (introspected["acr"].as_str(), introspected["auth_time"].as_i64()),
            (Some(authn::ACR_PASSWORD), Some(now))
        );
        let hash = left_half_hash(jose::Algorithm::EdDsa, tokens["access_token"].as_str().unwrap());
        assert_eq!(claims.str("at_hash"), Some(hash.as_str()));
        let session: String =
            world.one(store::Sql::new("SELECT id FROM user_sessions WHERE status = 'ACTIVE'")).await;
        assert_eq!(claims.str("sid"), Some(session.as_str()));
        assert!(tokens.get("refresh_token").is_none(), "no refresh token without offline_access");
    }
}

#[tokio::test]
async fn an_id_token_is_signed_by_rs256_where_the_client_says_nothing_else() {
    let world = World::sqlite().await;
    let rsa = oidc::NewClient {
        client_id: Some("rsa".to_owned()),
        id_token_alg: oidc::NewClient::named("").id_token_alg,
        ..web_client()
    };
    let secret = world.add_client(rsa).await.unwrap();
    let mut browser = world.signed_in("maria").await;
    let answer = browser.allow(&authorize_url(&[("client_id", "rsa")])).await;
    let code = parameter(answer.location(), "code").unwrap();

    let answer = world
        .post("/t/default/oauth/token", Some(("rsa", &secret)), &crate::world::exchange_fields(&code))
        .await
        .json();

    let id_token = answer["id_token"].as_str().unwrap();
    let jwks = world
        .send(Method::GET, "/t/default/oauth/jwks", http::HeaderMap::new(), axum::body::Body::empty())
        .await
        .json();
    let rsa = jwks["keys"].as_array().unwrap().iter().find(|key| key["kty"] == "RSA").unwrap();
    let key = VerifyingKey::from_jwk(&serde_json::from_value::<Jwk>(rsa.clone()).unwrap()).unwrap();
    assert!(verify_compact(id_token, |kid| (kid == key.kid()).then_some(&key), &Rules::new("JWT")).is_ok());
}

#[tokio::test]
async fn consent_is_asked_once_and_again_for_more_or_on_request() {
    for world in World::both().await {
        let mut browser = world.signed_in("maria").await;
        let url = authorize_url(&[]);
        browser.allow(&url).await;

        assert!(browser.get(&url).await.location().starts_with(CALLBACK));
        assert_eq!(browser.get(&authorize_url(&[("prompt", "consent")])).await.page(), "consent");
        assert_eq!(browser.get(&authorize_url(&[("scope", "openid email")])).await.page(), "consent");
        let refused = browser.get(&authorize_url(&[("scope", "openid email"), ("prompt", "none")])).await;
        assert_eq!(parameter(refused.location(), "error").as_deref(), Some("consent_required"));
    }
}

#[tokio::test]
async fn a_refusal_goes_back_to_the_client_and_is_recorded() {
    for world in World::both().await {
        let mut browser = world.signed_in("maria").await;
        let page = browser.get(&authorize_url(&[])).await;

        let answer = browser.decide(&page, "deny").await;

        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        assert_eq!(parameter(answer.location(), "error").as_deref(), Some("access_denied"));
        assert_eq!(parameter(answer.location(), "iss").as_deref(), Some(ISSUER));
        assert!(parameter(answer.location(), "code").is_none());
        assert_eq!(world.events("consent.refused").await, 1);
    }
}

#[tokio::test]
async fn a_withdrawn_consent_stops_every_token_of_the_client() {
    for world in World::both().await {
        let tokens = world.tokens("openid offline_access").await;
        assert!(world.is_bearer(tokens["access_token"].as_str().unwrap()).await);
        let mut browser = world.signed_in("maria").await;
        let page = browser.get("/t/default/oauth/consents").await;
        let (csrf, client) = (page.field("csrf"), page.field("client"));

        let answer = browser.post("/t/default/oauth/consents", &[("csrf", &csrf), ("client", &client)]).await;

        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        assert!(!world.is_bearer(tokens["access_token"].as_str().unwrap()).await);
        assert_eq!(world.refresh(tokens["refresh_token"].as_str().unwrap()).await.error(), "invalid_grant");
        assert_eq!(browser.get(&authorize_url(&[])).await.page(), "consent");
    }
}

#[tokio::test]
async fn a_class_of_sign_in_is_given_where_one_can_be_and_never_asked_for_where_not() {
    for world in World::both().await {
        let mut browser = world.signed_in("maria").await;
        browser.allow(&authorize_url(&[])).await;
        let wanted = format!("urn:example:gold {}", authn::ACR_PASSWORD);
        let at_once = [("acr_values", wanted.as_str())];
        assert!(browser.get(&authorize_url(&at_once)).await.location().starts_with(CALLBACK));
        assert!(
            browser
                .get(&authorize_url(&[("acr_values", "urn:example:gold")]))
                .await
                .location()
                .starts_with(CALLBACK)
        );

        // A session that began before classes were noted.
        world.execute(store::Sql::new("UPDATE user_sessions SET acr = NULL")).await;

        assert!(browser.get(&authorize_url(&at_once)).await.location().starts_with("/t/default/sign-in?"));
        let silent = browser.get(&authorize_url(&[at_once[0], ("prompt", "none")])).await;
        assert_eq!(parameter(silent.location(), "error").as_deref(), Some("login_required"));
        let mut again = world.signed_in("maria").await;
        assert!(again.get(&authorize_url(&at_once)).await.location().starts_with(CALLBACK));
    }
}

#[tokio::test]
async fn a_new_sign_in_is_asked_for_once_and_does_not_loop() {
    for world in World::both().await {
        let mut browser = world.signed_in("maria").await;
        browser.allow(&authorize_url(&[])).await;
        world.clock.advance_seconds(60);

        for changes in [("prompt", "login"), ("max_age", "30"), ("max_age", "0")] {
            let away = browser.get(&authorize_url(&[changes])).await;
            assert!(away.location().starts_with("/t/default/sign-in?"), "{changes:?}: {}", away.location());
            let back = parameter(away.location(), "return_to").unwrap();
            // Coming back without having signed in leads to the same page again.
            assert!(browser.get(&back).await.location().starts_with("/t/default/sign-in?"), "{changes:?}");

            world.clock.advance_seconds(1);
            let mut again = world.signed_in("maria").await;
            let answer = again.get(&back).await;
            assert!(
                answer.location().starts_with(CALLBACK),
                "{changes:?}: {} {}",
                answer.location(),
                answer.body
            );
            // The proof of one sign-in is not one for the next.
            world.clock.advance_seconds(1);
            let fresh = again.get(&authorize_url(&[changes, ("max_age", "0")])).await;
            assert!(fresh.location().starts_with("/t/default/sign-in?"), "{changes:?}");
        }
        let none = world.browser().get(&authorize_url(&[("prompt", "none")])).await;
        assert_eq!(parameter(none.location(), "error").as_deref(), Some("login_required"));
    }
}

#[tokio::test]
async fn the_command_line_signs_in_on_any_loopback_port_and_always_asks() {
    for world in World::both().await {
        let mut browser = world.signed_in("maria").await;
        let changes = [
            ("client_id", "signet-cli"),
            ("redirect_uri", "http://127.0.0.1:41234/callback"),
            ("scope", "openid offline_access signet"),
        ];
        let page = browser.get(&authorize_url(&changes)).await;
        assert_eq!(page.page(), "consent", "{}", page.body);
        let answer = browser.decide(&page, "allow").await;
        let code = parameter(answer.location(), "code").unwrap();

        let mut fields = crate::world::exchange_fields(&code).to_vec();
        fields[2].1 = "http://127.0.0.1:41234/callback";
        fields.push(("client_id", "signet-cli"));
        let tokens = world.post("/t/default/oauth/token", None, &fields).await;

        assert_eq!(tokens.status, StatusCode::OK, "{}", tokens.body);
        let tokens = tokens.json();
        let (_, actor) =
            world.service.bearer_actor(None, tokens["access_token"].as_str().unwrap()).await.unwrap();
        assert!(matches!(*actor, authz::Actor::User { api: authz::Api::Open, .. }), "{actor:?}");
        let refresh = tokens["refresh_token"].as_str().unwrap();
        let fields =
            [("grant_type", "refresh_token"), ("refresh_token", refresh), ("client_id", "signet-cli")];
        assert_eq!(world.post("/t/default/oauth/token", None, &fields).await.status, StatusCode::OK);
        assert_eq!(browser.get(&authorize_url(&changes)).await.page(), "consent");
    }
}

#[tokio::test]
async fn signing_out_with_an_id_token_ends_the_session_and_goes_back() {
    for world in World::both().await {
        let mut browser = world.signed_in("maria").await;
        let answer = browser.allow(&authorize_url(&[])).await;
        let tokens = world.exchange(&parameter(answer.location(), "code").unwrap()).await.json();
        let hint = tokens["id_token"].as_str().unwrap();
        // An ID token is a hint even after it has expired.
        world.clock.advance_seconds(1000);

        let url = format!(
            "/t/default/oauth/logout?{}",
            crate::world::form(&[
                ("id_token_hint", hint),
                ("post_logout_redirect_uri", "https://app.example.com/"),
                ("state", "x&y"),
            ])
        );
        let answer = browser.get(&url).await;

        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        assert_eq!(answer.location(), "https://app.example.com/?state=x%26y");
        assert!(browser.get(&authorize_url(&[])).await.location().starts_with("/t/default/sign-in"));
        assert_eq!(world.events("session.ended").await, 1);
    }
}

#[tokio::test]
async fn discovery_names_the_stored_issuer_and_where_everything_is() {
    let world = World::sqlite().await;
    for path in [
        "/t/default/.well-known/openid-configuration",
        "/t/default/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration/t/default",
        "/.well-known/oauth-authorization-server/t/default",
    ] {
        let document =
            world.send(Method::GET, path, http::HeaderMap::new(), axum::body::Body::empty()).await.json();
        assert_eq!(document["issuer"], ISSUER, "{path}");
        assert_eq!(document["token_endpoint"], format!("{ISSUER}/oauth/token"));
        assert_eq!(document["code_challenge_methods_supported"], serde_json::json!(["S256"]));
        assert_eq!(document["authorization_response_iss_parameter_supported"], true);
    }
    let unknown = world
        .send(
            Method::GET,
            "/.well-known/openid-configuration/t/nobody",
            http::HeaderMap::new(),
            axum::body::Body::empty(),
        )
        .await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
}
