//! The first start and the default admin (A03).

use crate::harness::{ADMIN_PASSWORD, BOTH, Browser, Database, Place, Server};

const DEFAULT: &str = "Admin@123";

#[test]
fn the_default_admin_signs_in_once_and_must_change_the_password_before_anything_else() {
    let server = Server::fresh(Database::Sqlite);
    let mut browser = Browser::new(&server);

    let answer = browser.sign_in("default", "admin", DEFAULT).expect(303);
    assert!(answer.header("location").unwrap().contains("/change-password"), "{answer:?}");
    let origin = server.url.clone();
    let cookie = browser.cookies().iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join("; ");
    let headers =
        [("cookie", cookie.as_str()), ("origin", origin.as_str()), ("sec-fetch-site", "same-origin")];
    let refused = server.get("/t/default/api/v1/users", &headers).expect(403);
    assert_eq!(refused.json()["code"], "password_change_required");
    let refused = server.get("/api/v1/tenants", &headers).expect(403);
    assert_eq!(refused.json()["code"], "password_change_required");
    for page in ["/t/default", "/t/default/oauth/consents", "/docs", "/docs/openapi.json"] {
        let away = browser.get(page).expect(303);
        assert!(away.header("location").unwrap().starts_with("/t/default/change-password"), "{page}");
    }

    let page = browser.get("/t/default/change-password").expect(200);
    let weak = browser.submit(
        &page,
        &[("current_password", DEFAULT), ("new_password", DEFAULT), ("new_password_again", DEFAULT)],
    );
    assert_ne!(weak.status, 303, "the default password was accepted again");
    let page = browser.get("/t/default/change-password").expect(200);
    browser
        .submit(
            &page,
            &[
                ("current_password", DEFAULT),
                ("new_password", ADMIN_PASSWORD),
                ("new_password_again", ADMIN_PASSWORD),
            ],
        )
        .expect(303);

    let cookie = browser.cookies().iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join("; ");
    server.get("/t/default/api/v1/users", &[("cookie", cookie.as_str())]).expect(200);
    server.get("/api/v1/tenants", &[("cookie", cookie.as_str())]).expect(200);
    let mut again = Browser::new(&server);
    assert_ne!(again.sign_in("default", "admin", DEFAULT).status, 303, "the old password still works");
}

#[test]
fn the_address_that_start_up_prints_leads_to_the_sign_in_page() {
    let server = Server::fresh(Database::Sqlite);
    let printed =
        server.stderr().lines().find_map(|line| line.trim().strip_prefix("sign in ")).map(str::to_owned);
    let printed = printed.map(|address| address.trim().to_owned()).unwrap();

    for address in [printed.as_str(), "/", "/t/default", "/t/default/"] {
        let mut page = server.get(address, &[]);
        for _ in 0..3 {
            let Some(next) = page.header("location").map(str::to_owned) else { break };
            page = server.get(&next, &[]);
        }

        assert!(page.text.contains("data-page=\"sign-in\""), "{address}: {} {}", page.status, page.text);
    }
    server.get("/t/nobody/", &[]).expect(404);
}

#[test]
fn h18_the_default_password_is_refused_to_whoever_comes_through_a_proxy_or_by_another_name() {
    let server = Server::fresh(Database::Sqlite);
    let wrong = Browser::new(&server).sign_in("default", "admin", "Wrong-password-1");
    for header in [("x-forwarded-for", "10.0.0.1"), ("forwarded", "for=10.0.0.1"), ("via", "1.1 proxy")] {
        let mut browser = Browser::new(&server);
        browser.extra.push((header.0.to_owned(), header.1.to_owned()));

        let answer = browser.sign_in("default", "admin", DEFAULT);

        assert_eq!(answer.status, wrong.status, "looks like a wrong password: {header:?}");
        assert!(browser.cookies().keys().all(|name| !name.starts_with("s-")), "a session began: {header:?}");
    }
    assert!(server.stderr().contains("default"), "the console says why: {}", server.stderr());
    let forged = server.get("/t/default/sign-in", &[("host", "evil.example")]);
    assert_eq!(forged.status, 421);
}

#[test]
fn a_server_with_the_default_password_does_not_listen_beyond_this_machine() {
    let place = Place::fresh(Database::Sqlite);
    let server = place.start();
    drop_keeping(server, |mut place| {
        place.env.insert("SIGNET_PUBLIC_URL".to_owned(), "https://id.example.com".to_owned());
        let output = place.run(&["serve"]);

        assert_eq!(output.status.code(), Some(2));
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        for remedy in ["SIGNET_BOOTSTRAP_ADMIN_PASSWORD", "signet user set-password", "loopback"] {
            assert!(message.contains(remedy), "{message}");
        }
    });
}

/// Ends the server but goes on in its place.
fn drop_keeping(mut server: Server, then: impl FnOnce(Place)) {
    server.signal("TERM");
    assert!(server.wait().success());
    let place = Place {
        directory: server.place.directory.clone(),
        env: server.place.env.clone(),
        port: server.place.port,
    };
    then(place);
}

#[test]
fn on_postgresql_the_first_password_is_the_operators_and_must_still_be_changed() {
    let server = Server::fresh(Database::Postgres);
    let mut browser = Browser::new(&server);

    assert_ne!(browser.sign_in("default", "admin", DEFAULT).status, 303);
    let answer = browser.sign_in("default", "admin", "First-start-9-password").expect(303);

    assert!(answer.header("location").unwrap().contains("/change-password"), "{answer:?}");
}

#[test]
fn without_a_first_password_postgresql_prints_a_link_that_works_once() {
    let mut place = Place::fresh(Database::Postgres);
    place.env.remove("SIGNET_BOOTSTRAP_ADMIN_PASSWORD");
    let server = place.start();
    let console = server.stderr();
    let link =
        console.split_whitespace().find(|word| word.contains("/recover?token=")).expect(&console).to_owned();
    let path = link.strip_prefix(&server.url).expect(&link).to_owned();
    let mut browser = Browser::new(&server);

    let page = browser.get(&path).expect(200);
    browser
        .submit(&page, &[("new_password", ADMIN_PASSWORD), ("new_password_again", ADMIN_PASSWORD)])
        .expect(303);

    let mut later = Browser::new(&server);
    assert_ne!(later.get(&path).status, 303);
    let page = later.get(&path);
    assert!(!page.text.contains("name=\"new_password\""), "the link still offers the form: {}", page.text);
    later.sign_in("default", "admin", ADMIN_PASSWORD).expect(303);
}

#[test]
fn a_stop_signal_ends_the_server_in_order_and_it_starts_again() {
    for database in BOTH {
        let mut server = Server::fresh(database);
        server.set_admin_password();
        server.signal("TERM");
        assert!(server.wait().success(), "{}", server.stderr());

        let place = Place {
            directory: server.place.directory.clone(),
            env: server.place.env.clone(),
            port: server.place.port,
        };
        let again = place.start();
        let mut browser = Browser::new(&again);
        browser.sign_in("default", "admin", ADMIN_PASSWORD).expect(303);
    }
}

#[test]
fn version_names_version_commit_and_build_time() {
    let text = Place::fresh(Database::Sqlite).ok(&["--version"]);

    assert!(
        text.contains(env!("CARGO_PKG_VERSION")) && text.contains("commit") && text.contains("built 20"),
        "{text}"
    );
}

#[test]
fn config_check_prints_the_outcome_and_refuses_unknown_settings() {
    let mut place = Place::fresh(Database::Sqlite);
    assert!(place.ok(&["config", "check"]).contains("public_url"));

    place.env.insert("SIGNET_PUBLIK_URL".to_owned(), "x".to_owned());
    let output = place.run(&["config", "check"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("SIGNET_PUBLIK_URL"));
}

#[test]
fn a_first_password_that_breaks_the_rules_stops_the_start_and_leaves_nothing_behind() {
    let mut place = Place::fresh(Database::Postgres);
    place.env.insert("SIGNET_BOOTSTRAP_ADMIN_PASSWORD".to_owned(), "short".to_owned());

    let output = place.run(&["serve"]);

    assert_eq!(output.status.code(), Some(2));
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(message.contains("SIGNET_BOOTSTRAP_ADMIN_PASSWORD"), "{message}");
    assert_eq!(place.run(&["export", "default", "--host"]).status.code(), Some(4), "default data was made");
}
