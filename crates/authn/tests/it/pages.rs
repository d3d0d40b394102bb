//! The pages, through the routes and the request layers, as a browser sees them.

use axum::http::StatusCode;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, RETRY_AFTER, SET_COOKIE,
};
use store::Sql;

use crate::world::{Answer, OTHER, PASSWORD, World};

const SIGN_IN: &str = "/t/default/sign-in";

fn header(answer: &Answer, name: impl axum::http::header::AsHeaderName) -> &str {
    answer.headers.get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_looks_changes_the_password_and_signs_out() {
    for world in World::both().await {
        let mut browser = world.browser();
        let home = browser.get("/t/default").await;
        assert_eq!(home.status, StatusCode::SEE_OTHER);
        assert_eq!(home.location(), "/t/default/sign-in?return_to=%2Ft%2Fdefault");

        let signed_in = browser.sign_in(home.location(), "maria", PASSWORD).await;
        assert_eq!((signed_in.status, signed_in.location()), (StatusCode::SEE_OTHER, "/t/default"));
        let home = browser.get("/t/default").await;
        assert_eq!((home.status, home.page()), (StatusCode::OK, "home"));
        assert!(home.body.contains("<strong>maria</strong>"));

        let form = browser.get("/t/default/change-password").await;
        assert_eq!(form.page(), "change-password");
        let csrf = form.csrf();
        let fields = |again| {
            [
                ("csrf", csrf.as_str()),
                ("current_password", PASSWORD),
                ("new_password", OTHER),
                ("new_password_again", again),
            ]
        };
        let typo = browser.post("/t/default/change-password", &fields("typo")).await;
        assert_eq!((typo.status, typo.page()), (StatusCode::UNPROCESSABLE_ENTITY, "change-password"));
        let changed = browser.post("/t/default/change-password", &fields(OTHER)).await;
        assert_eq!((changed.status, changed.location()), (StatusCode::SEE_OTHER, "/t/default?changed=1"));
        assert_eq!(browser.get("/t/default?changed=1").await.page(), "home");

        let form = browser.get("/t/default/sign-out").await;
        assert_eq!(form.page(), "sign-out");
        let out = browser.post("/t/default/sign-out", &[("csrf", &form.csrf())]).await;
        assert_eq!((out.status, out.location()), (StatusCode::SEE_OTHER, "/t/default/signed-out"));
        assert_eq!(browser.get("/t/default/signed-out").await.page(), "signed-out");
        assert_eq!(browser.get("/t/default").await.status, StatusCode::SEE_OTHER);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_default_administrator_is_led_to_a_new_password_and_then_back() {
    for world in World::both().await {
        let mut browser = world.browser();
        let path = "/t/default/sign-in?return_to=%2Ft%2Fdefault%2Foauth2%2Fauthorize%3Fclient_id%3Dx";

        let signed_in = browser.sign_in(path, "admin", "Admin@123").await;
        let change =
            "/t/default/change-password?return_to=%2Ft%2Fdefault%2Foauth2%2Fauthorize%3Fclient_id%3Dx";
        assert_eq!(signed_in.location(), change, "{}", signed_in.body);
        assert_eq!(browser.get("/t/default").await.location(), "/t/default/change-password");
        let other = browser.post("/t/default/account/sessions/end", &[("session", "x")]).await;
        assert_eq!(other.location(), "/t/default/change-password", "nothing else works");
        let sessions = browser.get("/t/default/api/v1/users/me/sessions").await;
        assert_eq!(sessions.status, StatusCode::FORBIDDEN);
        assert_eq!(sessions.json()["code"], "password_change_required");

        let form = browser.get(change).await;
        let csrf = form.csrf();
        let again = [
            ("csrf", csrf.as_str()),
            ("current_password", "Admin@123"),
            ("new_password", "Admin@123"),
            ("new_password_again", "Admin@123"),
        ];
        let refused = browser.post(change, &again).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(refused.body.contains("everybody knows"));
        let fields = [again[0], again[1], ("new_password", OTHER), ("new_password_again", OTHER)];
        let changed = browser.post(change, &fields).await;
        assert_eq!(changed.status, StatusCode::SEE_OTHER, "{}", changed.body);
        assert_eq!(changed.location(), "/t/default/oauth2/authorize?client_id=x");
        assert_eq!(browser.get("/t/default").await.page(), "home");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h18_the_default_password_needs_this_machine_a_loopback_name_and_no_proxy() {
    let world = World::at("http://localhost:8080").await;
    let reference = world.browser().sign_in(SIGN_IN, "admin", "wrong").await;
    type Row = (&'static str, Option<&'static str>, &'static [(&'static str, &'static str)]);
    let table: [Row; 6] = [
        ("192.0.2.9", None, &[]),
        ("127.0.0.1", None, &[("x-forwarded-for", "127.0.0.1")]),
        ("127.0.0.1", None, &[("forwarded", "for=127.0.0.1")]),
        ("127.0.0.1", None, &[("via", "1.1 proxy")]),
        ("127.0.0.1", None, &[("x-forwarded-host", "localhost")]),
        ("192.0.2.9", Some("127.0.0.1:8080"), &[]),
    ];
    for (peer, host, extra) in table {
        world.execute(Sql::new("DELETE FROM throttles")).await;
        let mut browser = world.browser();
        browser.peer = peer.to_owned();
        browser.host = host.map(str::to_owned);
        browser.extra = extra.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();

        let refused = browser.sign_in(SIGN_IN, "admin", "Admin@123").await;

        assert_eq!(refused.status, reference.status, "{peer} {host:?} {extra:?}");
        let strip = |answer: &Answer| answer.body.replace(&answer.csrf(), "");
        assert_eq!(strip(&refused), strip(&reference), "{peer} {host:?} {extra:?}");
    }
    for host in ["localhost:8080", "127.0.0.1:8080", "[::1]:8080"] {
        world.execute(Sql::new("DELETE FROM throttles")).await;
        let mut browser = world.browser();
        browser.host = Some(host.to_owned());
        let signed_in = browser.sign_in(SIGN_IN, "admin", "Admin@123").await;
        assert_eq!(signed_in.status, StatusCode::SEE_OTHER, "{host}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h11_after_credentials_comes_303_and_nothing_is_kept() {
    let world = World::at("http://localhost:8080").await;
    let mut browser = world.browser();

    let form = browser.get(SIGN_IN).await;
    assert_eq!(header(&form, CACHE_CONTROL), "no-store");
    assert_eq!(header(&form, REFERRER_POLICY), "no-referrer");
    let wrong = browser
        .post(SIGN_IN, &[("csrf", &form.csrf()), ("username", "maria"), ("password", "canary-pw")])
        .await;
    assert_eq!((wrong.status, wrong.page()), (StatusCode::UNAUTHORIZED, "sign-in"));
    assert!(!wrong.body.contains("canary-pw"));
    assert!(wrong.body.contains("value=\"maria\""));
    let right = browser.sign_in(SIGN_IN, "maria", PASSWORD).await;
    assert_eq!(right.status, StatusCode::SEE_OTHER);
    assert_eq!(header(&right, CACHE_CONTROL), "no-store");
    assert_eq!(header(&right, REFERRER_POLICY), "no-referrer");
    assert!(right.body.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn h15_forms_need_the_token_of_this_browser_and_this_form_and_this_origin() {
    for world in World::both().await {
        let mut browser = world.browser();
        let form = browser.get(SIGN_IN).await;
        let mut other = world.browser();
        let foreign = other.get(SIGN_IN).await.csrf();
        let fields = |csrf| [("csrf", csrf), ("username", "maria"), ("password", PASSWORD)];
        let before = world.service.verifications();

        let no_token = browser.post(SIGN_IN, &fields("")[1..]).await;
        assert_eq!((no_token.status, no_token.page()), (StatusCode::FORBIDDEN, "sign-in"));
        for token in [foreign.as_str(), "x", ""] {
            assert_eq!(browser.post(SIGN_IN, &fields(token)).await.status, StatusCode::FORBIDDEN, "{token}");
        }
        let csrf = form.csrf();
        for (name, value) in [
            ("origin", "https://evil.example"),
            ("origin", "http://localhost:8081"),
            ("origin", "http://localhost"),
            ("origin", ""),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            browser.extra =
                vec![(if name == "origin" { "origin" } else { "sec-fetch-site" }, value.to_owned())];
            let refused = browser.post(SIGN_IN, &fields(&csrf)).await;
            assert_eq!(refused.status, StatusCode::FORBIDDEN, "{name}: {value}");
        }
        browser.extra.clear();
        let kept = browser.cookies.clone();
        browser.cookies.clear();
        assert_eq!(browser.post(SIGN_IN, &fields(&csrf)).await.status, StatusCode::FORBIDDEN);
        browser.cookies = kept;
        let elsewhere = browser.post("/t/acme/sign-in", &fields(&csrf)).await;
        assert_eq!(elsewhere.status, StatusCode::FORBIDDEN);
        assert_eq!(world.service.verifications(), before, "no password was looked at");

        assert_eq!(browser.post(SIGN_IN, &fields(&csrf)).await.status, StatusCode::SEE_OTHER);
        for (path, page) in
            [("/t/default/sign-out", "sign-out"), ("/t/default/change-password", "change-password")]
        {
            let refused = browser.post(path, &[("csrf", &csrf), ("current_password", PASSWORD)]).await;
            assert_eq!((refused.status, refused.page()), (StatusCode::FORBIDDEN, page));
        }
        let ended =
            browser.post("/t/default/account/sessions/end", &[("csrf", &csrf), ("session", "x")]).await;
        assert_eq!(ended.status, StatusCode::FORBIDDEN);
        assert_eq!(browser.get("/t/default").await.page(), "home", "still signed in");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h15_the_way_back_is_a_path_of_the_tenant_or_nothing() {
    let world = World::at("http://localhost:8080").await;
    let mut browser = world.browser();
    let csrf = browser.get(SIGN_IN).await.csrf();
    for bad in [
        "https%3A%2F%2Fevil.example",
        "%2F%2Fevil.example",
        "%2F%5Cevil.example",
        "%2Ft%2Fdefault%2F%2Fevil.example",
        "%2Ft%2Fdefault%2F..%2Facme",
        "%2Ft%2Facme%2Fhome",
        "javascript%3Aalert(1)",
        "%2Ft%2Fdefault%0D%0ASet-Cookie%3Aa%3Db",
    ] {
        let path = format!("{SIGN_IN}?return_to={bad}");
        let form = browser.get(&path).await;
        assert_eq!((form.status, form.page()), (StatusCode::BAD_REQUEST, "error"), "{bad}");
        let sent =
            browser.post(&path, &[("csrf", &csrf), ("username", "maria"), ("password", PASSWORD)]).await;
        assert_eq!((sent.status, sent.page()), (StatusCode::BAD_REQUEST, "error"), "{bad}");
        let change = browser.get(&format!("/t/default/change-password?return_to={bad}")).await;
        assert_ne!(change.location(), bad);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h16_the_session_cookie_is_fresh_at_sign_in_whatever_was_planted() {
    let world = World::at("http://localhost:8080").await;
    let mut browser = world.browser();
    let name = world.service.session_cookie_name(&world.tenant);
    browser.cookies.insert(name.clone(), "planted".to_owned());

    let signed_in = browser.sign_in(SIGN_IN, "maria", PASSWORD).await;

    assert_ne!(browser.cookies[&name], "planted");
    let set = header(&signed_in, SET_COOKIE);
    assert!(set.contains("; Path=/; HttpOnly; SameSite=Lax") && !set.contains("Domain"), "{set}");
    let first = browser.cookies[&name].clone();
    browser.sign_in(SIGN_IN, "maria", PASSWORD).await;
    assert_ne!(browser.cookies[&name], first);
    let mut thief = world.browser();
    thief.cookies.insert(name, first);
    assert_eq!(thief.get("/t/default").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test(flavor = "multi_thread")]
async fn h17_nothing_that_was_typed_or_sent_becomes_markup() {
    let world = World::at("http://localhost:8080").await;
    for evil in
        ["\"><script>alert(1)</script>", "'><img src=x onerror=alert(1)>", "<svg/onload=alert(1)>", "{{7*7}}"]
    {
        world.execute(Sql::new("DELETE FROM throttles")).await;
        let mut browser = world.browser();
        browser.extra = vec![("user-agent", evil.to_owned())];
        let encoded: String = evil.bytes().map(|b| format!("%{b:02X}")).collect();
        let pages = [
            browser.get(&format!("{SIGN_IN}?login_hint={encoded}&target={encoded}&seal={encoded}")).await,
            browser.get(&format!("{SIGN_IN}?return_to={encoded}")).await,
            browser.get(&format!("{SIGN_IN}?lang={encoded}&{encoded}={encoded}")).await,
            browser.get(&format!("/t/default/recover?token={encoded}")).await,
            browser.sign_in(SIGN_IN, evil, "wrong").await,
        ];
        browser.sign_in(SIGN_IN, "maria", PASSWORD).await;
        let home = browser.get(&format!("/t/default?{encoded}={encoded}")).await;
        assert_eq!(home.page(), "home");
        for page in pages.iter().chain([&home]) {
            assert!(
                !page.body.contains("<script") && !page.body.contains("<img") && !page.body.contains("<svg")
            );
            assert!(!page.body.contains(evil) || evil == "{{7*7}}", "{}", page.body);
            assert!(!page.body.contains("49"), "{}", page.body);
            let policy = header(page, CONTENT_SECURITY_POLICY);
            assert!(
                policy.starts_with("default-src 'none'; style-src 'self'; script-src 'self'"),
                "{policy}"
            );
            assert!(policy.ends_with("form-action 'self'"), "{policy}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h17_only_a_sealed_form_target_widens_the_policy_of_a_page() {
    let world = World::at("http://localhost:8080").await;
    let mut browser = world.browser();
    let url =
        world.service.sign_in_url(&world.tenant, "/t/default/oauth2/authorize", Some("https://app.example"));

    let page = browser.get(&url).await;
    assert!(header(&page, CONTENT_SECURITY_POLICY).ends_with("form-action 'self' https://app.example"));
    for forged in [
        url.replace("app.example", "evil.example"),
        url.replace("authorize", "other"),
        url.replace("seal=", "seal=0"),
        url.replace("/t/default/sign-in", "/t/acme/sign-in").replace("%2Ft%2Fdefault", "%2Ft%2Facme"),
    ] {
        let page = browser.get(&forged).await;
        assert_eq!(page.page(), "sign-in", "{forged}");
        assert!(header(&page, CONTENT_SECURITY_POLICY).ends_with("form-action 'self'"), "{forged}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h19_the_page_looks_the_same_for_whoever_cannot_sign_in() {
    for world in World::both().await {
        world.add("locked", PASSWORD).await;
        world.execute(Sql::new("UPDATE users SET status = 'LOCKED' WHERE username = 'locked'")).await;
        let mut bodies = Vec::new();
        for (username, password) in [("nosuch", PASSWORD), ("maria", "wrong"), ("locked", PASSWORD)] {
            let mut browser = world.browser();
            let answer = browser.sign_in(SIGN_IN, username, password).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
            let mut names: Vec<String> = answer.headers.keys().map(|name| name.as_str().to_owned()).collect();
            names.sort();
            bodies.push((answer.body.replace(&answer.csrf(), "").replace(username, "NAME"), names));
        }
        assert!(bodies.iter().all(|body| *body == bodies[0]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h20_the_page_says_when_to_try_again() {
    for world in World::both().await {
        let mut browser = world.browser();
        for _ in 0..5 {
            assert_eq!(browser.sign_in(SIGN_IN, "maria", "wrong").await.status, StatusCode::UNAUTHORIZED);
        }

        let blocked = browser.sign_in(SIGN_IN, "maria", PASSWORD).await;

        assert_eq!((blocked.status, blocked.page()), (StatusCode::TOO_MANY_REQUESTS, "sign-in"));
        assert_eq!(header(&blocked, RETRY_AFTER), "60");
        assert!(blocked.body.contains("Too many attempts. Try again in 1 minute."));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_in_the_language_of_the_browser_or_of_choice() {
    let world = World::at("http://localhost:8080").await;
    let mut browser = world.browser();
    browser.extra = vec![("accept-language", "zh-CN,zh;q=0.9".to_owned())];

    let chinese = browser.get(SIGN_IN).await;
    assert!(chinese.body.contains("<html lang=\"zh-CN\">") && chinese.body.contains("用户名"));
    let english = browser.get(&format!("{SIGN_IN}?lang=en-US&return_to=%2Ft%2Fdefault")).await;
    assert!(english.body.contains("<html lang=\"en-US\">") && english.body.contains("User name"));
    assert!(english.body.contains("?lang=zh-CN&#38;return_to=%2Ft%2Fdefault"), "{}", english.body);
    assert!(browser.get(SIGN_IN).await.body.contains("<html lang=\"en-US\">"), "the choice is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_help_password_managers_and_screen_readers() {
    let world = World::at("http://localhost:8080").await;
    let mut browser = world.browser();

    let form = browser.get(SIGN_IN).await;
    assert!(form.body.contains("autocomplete=\"username webauthn\""));
    assert!(form.body.contains("autocomplete=\"current-password\""));
    assert!(form.body.contains("<label for=\"username\">") && form.body.contains("<label for=\"password\">"));
    let wrong = browser.sign_in(SIGN_IN, "maria", "wrong").await;
    assert!(wrong.body.contains("role=\"alert\"") && wrong.body.contains("aria-describedby=\"problem\""));
    browser.sign_in(SIGN_IN, "maria", PASSWORD).await;
    let change = browser.get("/t/default/change-password").await;
    assert_eq!(change.body.matches("autocomplete=\"new-password\"").count(), 2);
    assert!(change.body.contains("name=\"username\" value=\"maria\" autocomplete=\"username\""));

    let href = form.between("rel=\"stylesheet\" href=\"", "\"").to_owned();
    let css = browser.get(&href).await;
    assert_eq!(header(&css, CONTENT_TYPE), "text/css; charset=utf-8");
    assert!(header(&css, CACHE_CONTROL).contains("immutable"));
    assert!(css.body.len() < 8 * 1024 && form.body.len() < 4 * 1024, "a few KB");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_shows_a_form_without_being_used_up_and_then_sets_the_password() {
    for world in World::both().await {
        let link = world.service.one_time_link(&world.system(), &world.maria, 3600).await.unwrap();
        let path = link.url.expose().strip_prefix("http://localhost:8080").unwrap().to_owned();
        let mut browser = world.browser();

        assert_eq!(browser.get(&path).await.page(), "recover");
        let form = browser.get(&path).await;
        let csrf = form.csrf();
        let token = form.between("name=\"token\" value=\"", "\"").to_owned();
        let fields = |new: &'static str| {
            [("csrf", csrf.as_str()), ("token", &token), ("new_password", new), ("new_password_again", new)]
        };
        let weak = browser.post("/t/default/recover", &fields("weak")).await;
        assert_eq!((weak.status, weak.page()), (StatusCode::UNPROCESSABLE_ENTITY, "recover"));
        let set = browser.post("/t/default/recover", &fields(OTHER)).await;
        assert_eq!(
            (set.status, set.location()),
            (StatusCode::SEE_OTHER, "/t/default/sign-in"),
            "{}",
            set.body
        );
        let again = browser.post("/t/default/recover", &fields(PASSWORD)).await;
        assert_eq!((again.status, again.page()), (StatusCode::NOT_FOUND, "error"));
        assert_eq!(browser.get(&path).await.page(), "error");
        assert_eq!(browser.sign_in(SIGN_IN, "maria", OTHER).await.status, StatusCode::SEE_OTHER);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_ends_another_session_from_their_page_but_nobody_elses() {
    for world in World::both().await {
        world.add("zoe", PASSWORD).await;
        let hers = world.sign_in("zoe", PASSWORD).await;
        let mine = world.sign_in("maria", PASSWORD).await;
        let mut browser = world.browser();
        browser.sign_in(SIGN_IN, "maria", PASSWORD).await;
        let csrf = browser.get("/t/default").await.csrf();
        let path = "/t/default/account/sessions/end";

        let foreign = browser.post(path, &[("csrf", &csrf), ("session", hers.session.id.as_str())]).await;
        assert_eq!((foreign.status, foreign.page()), (StatusCode::NOT_FOUND, "error"));
        let own = browser.post(path, &[("csrf", &csrf), ("session", mine.session.id.as_str())]).await;
        assert_eq!((own.status, own.location()), (StatusCode::SEE_OTHER, "/t/default"));

        assert!(world.is_alive(&hers).await);
        assert!(!world.is_alive(&mine).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h25_a_form_with_a_megabyte_in_it_is_refused_before_anyone_hashes_it() {
    let world = World::at("http://localhost:8080").await;
    let mut browser = world.browser();
    let csrf = browser.get(SIGN_IN).await.csrf();
    let before = world.service.verifications();
    let huge = "x".repeat(1024 * 1024);

    let refused = browser.post(SIGN_IN, &[("csrf", &csrf), ("username", "maria"), ("password", &huge)]).await;

    assert_eq!((refused.status, refused.page()), (StatusCode::BAD_REQUEST, "error"));
    assert_eq!(world.service.verifications(), before);
}
