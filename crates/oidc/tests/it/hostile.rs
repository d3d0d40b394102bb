//! What nobody may get away with. The numbers are those of the project's list of hostile tests.

use axum::body::Body;
use base::id::TenantId;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, Method, StatusCode};
use jose::{Algorithm, SigningKey};
use serde_json::json;
use store::Sql;

use crate::world::{
    CALLBACK, ISSUER, World, authorize_url, exchange_fields, form, join_all, parameter, payload,
};

#[tokio::test]
async fn h01_a_replayed_code_revokes_the_tokens_that_came_of_it() {
    for world in World::both().await {
        let code = world.code("openid offline_access").await;
        let tokens = world.exchange(&code).await.json();
        let access = tokens["access_token"].as_str().unwrap();
        assert!(world.is_bearer(access).await);

        let replay = world.exchange(&code).await;

        assert_eq!((replay.status, replay.error().as_str()), (StatusCode::BAD_REQUEST, "invalid_grant"));
        assert!(!world.is_bearer(access).await);
        assert_eq!(world.introspect(access).await, json!({ "active": false }));
        assert_eq!(world.refresh(tokens["refresh_token"].as_str().unwrap()).await.error(), "invalid_grant");
        assert_eq!(world.events("token.reuse_detected").await, 1);
    }
}

#[tokio::test]
async fn h01_of_many_at_once_at_most_one_exchanges_a_code_and_its_tokens_die() {
    for world in World::both().await {
        let code = world.code("openid").await;

        let answers = join_all((0..8).map(|_| world.exchange(&code)).collect()).await;

        let won: Vec<_> = answers.iter().filter(|answer| answer.status == StatusCode::OK).collect();
        assert_eq!(won.len(), 1, "{:?}", world.db.backend());
        assert!(!world.is_bearer(won[0].json()["access_token"].as_str().unwrap()).await);
        let active: i64 =
            world.one(Sql::new("SELECT count(*) AS n FROM tokens WHERE status = 'ACTIVE'")).await;
        assert_eq!(active, 0);
    }
}

#[tokio::test]
async fn h01_a_code_dies_after_a_minute_and_with_its_session() {
    for world in World::both().await {
        let late = world.code("openid").await;
        world.clock.advance_seconds(60);
        assert_eq!(world.exchange(&late).await.error(), "invalid_grant");

        let orphan = world.code("openid").await;
        world.execute(Sql::new("UPDATE user_sessions SET status = 'REVOKED'")).await;
        assert_eq!(world.exchange(&orphan).await.error(), "invalid_grant");
    }
}

#[tokio::test]
async fn h01_no_token_outlives_a_session_that_ends_while_its_code_is_exchanged() {
    for world in World::both().await {
        for round in 0..8 {
            let code = world.code("openid").await;
            let session = world
                .one(store::Sql::new("SELECT id FROM user_sessions WHERE status = 'ACTIVE' LIMIT 1"))
                .await;
            let end = async {
                let cx = world.system();
                let permit = cx.purpose(authz::Purpose::SignOut);
                let mut tx = cx.write(&permit).await.unwrap();
                authn::end_session_in(&cx, &mut tx, &permit, &session, "test").await.unwrap();
                tx.commit().await.unwrap();
            };

            let (tokens, ()) = tokio::join!(world.exchange(&code), end);

            if tokens.status == StatusCode::OK {
                let access = tokens.json()["access_token"].as_str().unwrap().to_owned();
                assert!(!world.is_bearer(&access).await, "round {round} on {:?}", world.db.backend());
            }
        }
    }
}

#[tokio::test]
async fn h02_no_code_without_s256_and_no_tokens_without_its_verifier() {
    for world in World::both().await {
        let mut browser = world.signed_in("maria").await;
        for changes in [
            [("code_challenge", ""), ("code_challenge_method", "")],
            [("code_challenge_method", ""), ("nonce", "")],
            [("code_challenge_method", "plain"), ("nonce", "")],
        ] {
            let answer = browser.get(&authorize_url(&changes)).await;
            assert_eq!(
                parameter(answer.location(), "error").as_deref(),
                Some("invalid_request"),
                "{changes:?}"
            );
        }

        let code = world.code("openid").await;
        for verifier in ["", "short", &"x".repeat(43), &"x".repeat(200)] {
            let mut fields = exchange_fields(&code).to_vec();
            fields[3].1 = verifier;
            let refused = world.token(&fields).await;
            assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{verifier}");
        }
        assert_eq!(world.exchange(&code).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn h03_h04_an_address_that_is_not_registered_is_never_gone_to() {
    for world in World::both().await {
        let mut browser = world.signed_in("maria").await;
        for address in [
            "https://app.example.com/callback/",
            "https://app.example.com/callback?x=1",
            "https://app.example.com@evil.example/callback",
            "https://app.example.com@@evil.example/callback",
            "https://evil.example/callback",
            "https://app.example.com/%2e%2e/callback",
            "https://app.example.com/callback#x",
            "http://app.example.com/callback",
            "HTTPS://APP.EXAMPLE.COM/callback",
            "https://app.example.com./callback",
            "JaVaScRiPt:alert(1)",
            "//evil.example",
            "/t/default/",
        ] {
            for extra in [("nonce", "n"), ("response_type", "token"), ("scope", "no\"scope")] {
                let answer = browser.get(&authorize_url(&[("redirect_uri", address), extra])).await;
                assert_eq!((answer.status, answer.page()), (StatusCode::BAD_REQUEST, "error"), "{address}");
                assert_eq!(answer.location(), "", "{address}");
                assert!(!answer.body.contains("evil.example"), "{address} is shown");
            }
        }
        for changes in [[("client_id", "nobody")], [("client_id", "")], [("redirect_uri", "")]] {
            let answer = browser.get(&authorize_url(&changes)).await;
            assert_eq!((answer.status, answer.page()), (StatusCode::BAD_REQUEST, "error"), "{changes:?}");
        }
        let twice = format!("{}&redirect_uri={CALLBACK}", authorize_url(&[]));
        assert_eq!(browser.get(&twice).await.page(), "error");
    }
}

#[tokio::test]
async fn h04_signing_out_leads_only_to_registered_addresses() {
    for world in World::both().await {
        let mut browser = world.signed_in("maria").await;
        let answer = browser.allow(&authorize_url(&[])).await;
        let tokens = world.exchange(&parameter(answer.location(), "code").unwrap()).await.json();
        let hint = tokens["id_token"].as_str().unwrap();
        for address in [
            "https://evil.example/",
            "https://app.example.com",
            "https://app.example.com//",
            "javascript:alert(1)",
            CALLBACK,
        ] {
            for named in
                [("id_token_hint", hint), ("client_id", "web"), ("client_id", "nobody"), ("state", "x")]
            {
                let query = form(&[named, ("post_logout_redirect_uri", address)]);
                let answer = browser.get(&format!("/t/default/oauth/logout?{query}")).await;
                assert_eq!(
                    (answer.status, answer.page()),
                    (StatusCode::BAD_REQUEST, "error"),
                    "{address} {named:?}"
                );
                assert_eq!(answer.location(), "");
            }
        }
        assert!(browser.get(&authorize_url(&[])).await.location().starts_with(CALLBACK), "still signed in");
    }
}

#[tokio::test]
async fn h05_every_answer_names_its_issuer() {
    let world = World::sqlite().await;
    let mut browser = world.signed_in("maria").await;
    for changes in [("response_type", "token"), ("scope", "unknown"), ("prompt", "none"), ("request", "x")] {
        let answer = browser.get(&authorize_url(&[changes])).await;
        assert!(parameter(answer.location(), "error").is_some(), "{changes:?}");
        assert_eq!(parameter(answer.location(), "iss").as_deref(), Some(ISSUER), "{changes:?}");
        assert_eq!(parameter(answer.location(), "state").as_deref(), Some("s t&a=te"), "{changes:?}");
    }
}

#[tokio::test]
async fn h06_a_code_serves_the_client_and_the_address_that_it_was_made_for() {
    for world in World::both().await {
        let code = world.code("openid").await;
        let mut fields = exchange_fields(&code).to_vec();
        fields.push(("client_id", "native"));
        assert_eq!(world.post("/t/default/oauth/token", None, &fields).await.error(), "invalid_grant");
        let mut fields = exchange_fields(&code).to_vec();
        fields[2].1 = "https://app.example.com/other";
        assert_eq!(world.token(&fields).await.error(), "invalid_grant");
        // Nothing of that used the code up or revoked anything.
        assert_eq!(world.exchange(&code).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn h07_refresh_token_reuse_kills_the_family() {
    for world in World::both().await {
        let first = world.tokens("openid offline_access").await;
        let first_refresh = first["refresh_token"].as_str().unwrap();
        let second = world.refresh(first_refresh).await.json();
        world.clock.advance_seconds(11);

        let reuse = world.refresh(first_refresh).await;

        assert_eq!((reuse.status, reuse.error().as_str()), (StatusCode::BAD_REQUEST, "invalid_grant"));
        assert_eq!(world.refresh(second["refresh_token"].as_str().unwrap()).await.error(), "invalid_grant");
        for tokens in [&first, &second] {
            assert!(!world.is_bearer(tokens["access_token"].as_str().unwrap()).await);
        }
        assert_eq!(world.events("token.reuse_detected").await, 1);
    }
}

#[tokio::test]
async fn h07_grace_is_for_the_direct_predecessor_alone_and_begins_no_second_line() {
    for world in World::both().await {
        let first = world.tokens("openid offline_access").await;
        let first_refresh = first["refresh_token"].as_str().unwrap();

        let answers = join_all((0..4).map(|_| world.refresh(first_refresh)).collect()).await;
        let second = answers[0].json()["refresh_token"].as_str().unwrap().to_owned();
        assert!(
            answers.iter().all(|a| a.json()["refresh_token"] == second.as_str()),
            "{:?}",
            world.db.backend()
        );
        let refresh_rows: i64 =
            world.one(Sql::new("SELECT count(*) AS n FROM tokens WHERE token_type = 'refresh_token'")).await;
        assert_eq!(refresh_rows, 2);

        let third = world.refresh(&second).await.json();
        // The successor was used: within the seconds of grace, the first is no direct predecessor any more.
        assert_eq!(world.refresh(first_refresh).await.error(), "invalid_grant");
        assert_eq!(world.refresh(third["refresh_token"].as_str().unwrap()).await.error(), "invalid_grant");
    }
}

#[tokio::test]
async fn h07_a_refresh_token_serves_its_client_only_and_not_a_disabled_person() {
    for world in World::both().await {
        let tokens = world.tokens("openid offline_access").await;
        let refresh = tokens["refresh_token"].as_str().unwrap();
        let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh), ("client_id", "native")];
        assert_eq!(world.post("/t/default/oauth/token", None, &fields).await.error(), "invalid_grant");

        world.execute(Sql::new("UPDATE users SET status = 'LOCKED' WHERE username = 'maria'")).await;
        assert_eq!(world.refresh(refresh).await.error(), "invalid_grant");
        world.execute(Sql::new("UPDATE users SET status = 'ACTIVE' WHERE username = 'maria'")).await;
        assert_eq!(world.refresh(refresh).await.status, StatusCode::OK);
    }
}

/// Tokens that must be worth nothing anywhere: made from a good one.
fn forgeries(good: &str, tenant: &TenantId) -> Vec<String> {
    let claims = payload(good);
    let parts: Vec<&str> = good.split('.').collect();
    let encode = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header: serde_json::Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[0]).unwrap()).unwrap();
    let with = |changes: serde_json::Value| {
        let mut header = header.clone();
        for (name, value) in changes.as_object().unwrap() {
            header[name] = value.clone();
        }
        encode(&header)
    };
    let typ = header["typ"].as_str().unwrap();
    let foreign = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let renamed = SigningKey::from_pkcs8(
        Algorithm::EdDsa,
        header["kid"].as_str().unwrap().to_owned(),
        &foreign.to_pkcs8().unwrap(),
    )
    .unwrap();
    let mut later = claims.clone();
    later["sub"] = json!(tenant.as_str());
    vec![
        format!("{}.{}.", with(json!({ "alg": "none" })), parts[1]),
        format!("{}.{}.{}", with(json!({ "alg": "none" })), parts[1], parts[2]),
        format!("{}.{}.{}", with(json!({ "alg": "HS256" })), parts[1], parts[2]),
        format!("{}.{}.{}", with(json!({ "alg": "RS256" })), parts[1], parts[2]),
        format!("{}.{}.{}", with(json!({ "kid": "' OR 1=1 --" })), parts[1], parts[2]),
        format!("{}.{}.{}", with(json!({ "kid": "../../../dev/null" })), parts[1], parts[2]),
        format!("{}.{}.{}", with(json!({ "jku": "https://evil.example/jwks" })), parts[1], parts[2]),
        format!("{}.{}.{}", with(json!({ "typ": "JOSE" })), parts[1], parts[2]),
        format!("{}.{}.{}", parts[0], encode(&later), parts[2]),
        format!("{}.{}.{}", parts[0], parts[1], URL_SAFE_NO_PAD.encode([0u8; 64])),
        format!("{}.{}", parts[0], parts[1]),
        format!("{good}."),
        foreign.sign_compact(typ, claims.to_string().as_bytes()).unwrap(),
        renamed.sign_compact(typ, claims.to_string().as_bytes()).unwrap(),
        "a.b.c".to_owned(),
    ]
}

#[tokio::test]
async fn h08_a_forged_token_is_worth_nothing_at_every_place_that_takes_one() {
    for world in World::both().await {
        let tokens = world.tokens("openid signet").await;
        let (access, id_token) =
            (tokens["access_token"].as_str().unwrap(), tokens["id_token"].as_str().unwrap());

        let mut wrong = forgeries(access, &world.tenant.id);
        wrong.push(id_token.to_owned());
        for token in &wrong {
            assert!(!world.is_bearer(token).await, "bearer took {token}");
            assert!(
                world.service.bearer_actor(None, token).await.is_err(),
                "bearer without tenant took {token}"
            );
            assert_eq!(world.userinfo(token).await.status, StatusCode::UNAUTHORIZED, "userinfo took {token}");
            assert_eq!(
                world.introspect(token).await,
                json!({ "active": false }),
                "introspection took {token}"
            );
        }
        assert!(world.is_bearer(access).await);

        let mut browser = world.signed_in("maria").await;
        let mut wrong = forgeries(id_token, &world.tenant.id);
        wrong.push(access.to_owned());
        for token in &wrong {
            let answer = browser.get(&authorize_url(&[("id_token_hint", token)])).await;
            assert_eq!(
                parameter(answer.location(), "error").as_deref(),
                Some("invalid_request"),
                "hint took {token}"
            );
            let query =
                form(&[("id_token_hint", token), ("post_logout_redirect_uri", "https://app.example.com/")]);
            let answer = browser.get(&format!("/t/default/oauth/logout?{query}")).await;
            assert_eq!((answer.page(), answer.location()), ("error", ""), "logout took {token}");
        }
        let good = browser.get(&authorize_url(&[("id_token_hint", id_token)])).await;
        assert!(good.location().starts_with(CALLBACK), "{}", good.location());
    }
}

#[tokio::test]
async fn h08_the_token_of_one_tenant_means_nothing_at_another() {
    for world in World::both().await {
        let tokens = world.tokens("openid signet").await;
        let access = tokens["access_token"].as_str().unwrap();
        assert!(world.is_bearer(access).await);

        assert!(world.service.bearer_actor(Some(&world.other), access).await.is_err());
        assert_eq!(
            world.bearer(Method::GET, "/t/acme/oauth/userinfo", access).await.status,
            StatusCode::UNAUTHORIZED
        );
        let asked = world
            .post("/t/acme/oauth/introspect", Some(("web", &world.web_secret)), &[("token", access)])
            .await;
        assert_eq!(asked.error(), "invalid_client");
        assert_eq!(
            world
                .post(
                    "/t/acme/oauth/token",
                    Some(("robot", &world.robot_secret)),
                    &[("grant_type", "client_credentials")]
                )
                .await
                .error(),
            "invalid_client"
        );
    }
}

#[tokio::test]
async fn h11_what_follows_a_form_is_303_and_nothing_secret_is_kept_or_sent_on() {
    let world = World::sqlite().await;
    let mut browser = world.signed_in("maria").await;
    let page = browser.get(&authorize_url(&[])).await;
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.ends_with("form-action 'self' https://app.example.com"), "{policy}");

    let answer = browser.decide(&page, "allow").await;

    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    for answer in [&page, &answer] {
        assert_eq!(answer.headers["referrer-policy"], "no-referrer");
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert_eq!(answer.headers["x-frame-options"], "DENY");
    }
    let by_form = browser.post("/t/default/oauth/authorize", &[("client_id", "web")]).await;
    assert_eq!(by_form.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn h12_scopes_never_widen() {
    for world in World::both().await {
        let tokens = world.tokens("openid offline_access").await;
        let refresh = tokens["refresh_token"].as_str().unwrap();
        for scope in ["openid email", "signet", "openid offline_access profile"] {
            let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh), ("scope", scope)];
            assert_eq!(world.token(&fields).await.error(), "invalid_scope", "{scope}");
        }
        let narrow = [("grant_type", "refresh_token"), ("refresh_token", refresh), ("scope", "openid")];
        let narrow = world.token(&narrow).await.json();
        assert_eq!(narrow["scope"], "openid");
        let access = payload(narrow["access_token"].as_str().unwrap());
        assert_eq!((access["scope"].as_str(), access["aud"].as_str()), (Some("openid"), Some(ISSUER)));
        assert_eq!(access["auth_time"], payload(tokens["access_token"].as_str().unwrap())["auth_time"]);

        let mut browser = world.signed_in("maria").await;
        let beyond = browser.get(&authorize_url(&[("scope", "openid service:access")])).await;
        assert_eq!(parameter(beyond.location(), "error").as_deref(), Some("invalid_scope"));
    }
}

#[tokio::test]
async fn h15_consent_and_signing_out_need_the_page_that_this_browser_was_shown() {
    for world in World::both().await {
        let mut browser = world.signed_in("maria").await;
        let page = browser.get(&authorize_url(&[])).await;
        let (csrf, request) = (page.field("csrf"), page.field("request"));
        let other_request = request.replace("openid", "openid+signet");
        assert_ne!(request, other_request);
        let path = "/t/default/oauth/consent";
        for fields in [
            vec![("request", request.as_str()), ("decision", "allow")],
            vec![("csrf", "x"), ("request", &request), ("decision", "allow")],
            vec![("csrf", &csrf), ("request", &other_request), ("decision", "allow")],
        ] {
            assert_eq!(browser.post(path, &fields).await.status, StatusCode::FORBIDDEN, "{fields:?}");
        }
        let fields = [("csrf", csrf.as_str()), ("request", request.as_str()), ("decision", "allow")];
        browser.origin = Some("https://evil.example".to_owned());
        assert_eq!(browser.post(path, &fields).await.status, StatusCode::FORBIDDEN);
        let mut stranger = world.signed_in("maria").await;
        assert_eq!(stranger.post(path, &fields).await.status, StatusCode::FORBIDDEN, "another browser");
        browser.origin = Some("http://localhost:8080".to_owned());

        let asked = browser.get("/t/default/oauth/logout").await;
        assert_eq!(asked.page(), "sign-out");
        let forged =
            browser.post("/t/default/oauth/logout", &[("decision", "sign_out"), ("csrf", &csrf)]).await;
        assert_eq!(forged.status, StatusCode::FORBIDDEN);
        assert_eq!(
            browser.get(&authorize_url(&[])).await.page(),
            "consent",
            "still signed in, nothing allowed"
        );

        let csrf = asked.field("csrf");
        let out = browser
            .post("/t/default/oauth/logout", &[("decision", "sign_out"), ("csrf", &csrf), ("request", "")])
            .await;
        assert_eq!((out.status, out.page()), (StatusCode::OK, "signed-out"), "{}", out.body);
    }
}

#[tokio::test]
async fn h17_names_and_parameters_are_shown_as_text() {
    let world = World::sqlite().await;
    let mut browser = world.signed_in("maria").await;

    let page = browser
        .get(&authorize_url(&[("state", "\"><script>alert(1)</script>"), ("ui_locales", "<script>")]))
        .await;

    assert_eq!(page.page(), "consent");
    assert!(!page.body.contains("<script"), "{}", page.body);
    assert!(!page.body.contains("Web <b>"), "{}", page.body);
    let error = browser
        .get("/t/default/oauth/authorize?client_id=%3Cscript%3Ealert(1)%3C/script%3E&redirect_uri=%22%3E%3Cimg")
        .await;
    assert_eq!(error.page(), "error");
    assert!(!error.body.contains("<script") && !error.body.contains("<img"), "{}", error.body);
}

#[tokio::test]
async fn h18_no_header_chooses_the_issuer() {
    let world = World::sqlite().await;
    let mut headers = HeaderMap::new();
    headers.insert("x-forwarded-host", "evil.example".parse().unwrap());
    headers.insert("x-forwarded-proto", "https".parse().unwrap());
    headers.insert("forwarded", "host=evil.example;proto=https".parse().unwrap());

    let document =
        world.send(Method::GET, "/t/default/.well-known/openid-configuration", headers, Body::empty()).await;

    assert!(!document.body.contains("evil.example"));
    assert_eq!(document.json()["issuer"], ISSUER);
}
