//! A tenant from nothing to its end, through the real binary.

use serde_json::{Value, json};

use crate::harness::{Answer, BOTH, Browser, Database, Server};

const PASSWORD: &str = "Hank-canary-pass-7";

/// Calls the platform as its administrator.
fn call(server: &Server, token: &str, method: &str, path: &str, body: Option<&Value>) -> Answer {
    let bearer = format!("Bearer {token}");
    let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
    let headers = [("authorization", bearer.as_str()), ("content-type", kind), ("if-match", "*")];
    server.send(method, path, &headers, body.map(Value::to_string).as_deref())
}

/// Makes the tenant `globex` and lets its administrator choose a password by the link; gives its id.
fn globex(server: &Server, platform: &str) -> String {
    let body = json!({
        "code": "globex", "name": "Globex", "domain": "globex.example",
        "admin": {"username": "hank", "email": "hank@globex.example"},
    });
    let made = call(server, platform, "POST", "/api/v1/tenants", Some(&body)).expect(201).json();
    let id = made["id"].as_str().unwrap().to_owned();
    let links = format!("/api/v1/tenants/{id}/recovery-links");
    let hank = json!({"username": "HANK"});
    let old = made["admin"].clone();
    let link = call(server, platform, "POST", &links, Some(&hank)).expect(201).json();

    let mut browser = Browser::new(server);
    let path =
        |link: &Value| link["recovery_url"].as_str().unwrap().strip_prefix(&server.url).unwrap().to_owned();
    assert_ne!(browser.get(&path(&old)).status, 200, "an earlier link still works");
    let page = browser.get(&path(&link)).expect(200);
    browser.submit(&page, &[("new_password", PASSWORD), ("new_password_again", PASSWORD)]).expect(303);
    let again = call(server, platform, "POST", &links, Some(&hank)).expect(409);
    assert_eq!(again.json()["code"], "password_set");
    let nobody = call(server, platform, "POST", &links, Some(&json!({"username": "nobody"})));
    nobody.expect(404);
    id
}

#[test]
fn a_new_tenants_administrator_chooses_a_password_and_is_nobody_on_the_platform() {
    for database in BOTH {
        let server = Server::fresh(database);
        server.set_admin_password();
        let platform = server.admin_token();
        let id = globex(&server, &platform);

        let hank = server.user_token("globex", "hank", PASSWORD);
        let own = call(&server, &hank, "GET", "/t/globex/api/v1/tenant", None).expect(200).json();
        assert_eq!((&own["user_count"], &own["domain"]), (&json!(1), &json!("globex.example")));
        call(&server, &hank, "GET", "/t/globex/api/v1/tenant/billing", None).expect(200);
        for (method, path) in [
            ("GET", "/api/v1/platforms".to_owned()),
            ("GET", format!("/api/v1/tenants/{id}")),
            ("DELETE", format!("/api/v1/tenants/{id}")),
            ("GET", format!("/api/v1/tenants/{id}/billing")),
            ("POST", format!("/api/v1/tenants/{id}/cancel-deletion")),
            ("DELETE", format!("/api/v1/tenants/{id}/hold")),
        ] {
            let refused = call(&server, &hank, method, &path, None).expect(403);
            assert_eq!(refused.json()["code"], "denied", "{method} {path}");
        }
    }
}

#[test]
fn a_tenant_that_is_not_active_lets_nobody_in_and_says_which_it_is_to_the_platform_only() {
    for database in BOTH {
        let server = Server::fresh(database);
        server.set_admin_password();
        let platform = server.admin_token();
        let id = globex(&server, &platform);
        let path = format!("/api/v1/tenants/{id}");
        let step = |verb: &str| call(&server, &platform, "POST", &format!("{path}/{verb}"), None);
        let hank = server.user_token("globex", "hank", PASSWORD);
        let mut signed_in = Browser::new(&server);
        signed_in.sign_in("globex", "hank", PASSWORD).expect(303);

        for (away, word) in [("suspend", "suspended"), ("deactivate", "inactive")] {
            step(away).expect(200);
            let shown = call(&server, &platform, "GET", &path, None).expect(200).json();
            assert_eq!(shown["status"], word);
            for token in [hank.as_str(), "no-token"] {
                let api = call(&server, token, "GET", "/t/globex/api/v1/tenant", None).expect(403);
                assert_eq!(api.json()["code"], "tenant_disabled", "{}", api.text);
                assert!(!api.text.contains(word) && !api.text.contains("hank"), "{}", api.text);
            }
            let bearer = format!("Bearer {hank}");
            let headers = [("authorization", bearer.as_str())];
            let claims = server.send("GET", "/t/globex/oauth/userinfo", &headers, None).expect(403);
            assert_eq!(claims.json()["error"], "access_denied");
            let form = [("content-type", "application/x-www-form-urlencoded")];
            let refresh = "grant_type=refresh_token&refresh_token=x&client_id=nobody";
            let refresh = server.send("POST", "/t/globex/oauth/token", &form, Some(refresh)).expect(403);
            assert_eq!(refresh.json()["error"], "access_denied");
            let own = signed_in.get("/t/globex/account");
            assert_ne!(own.status, 200, "a session shows pages of a tenant that is {word}");
            let refused =
                |name, password| Browser::new(&server).sign_in("globex", name, password).expect(403);
            let right = refused("hank", PASSWORD);
            assert!(right.text.contains("Nobody can sign in to this organisation"), "{}", right.text);
            assert!(!right.text.to_lowercase().contains(word), "{}", right.text);
            refused("nobody", "Wrong-password-1");
            step("activate").expect(200);
            call(&server, &hank, "GET", "/t/globex/api/v1/tenant", None).expect(200);
        }

        step("suspend").expect(200);
        let deleted = call(&server, &platform, "DELETE", &path, None).expect(200).json();
        assert_eq!(deleted["status"], "deleted");
        for address in
            ["/t/globex/sign-in", "/t/globex/api/v1/tenant", "/t/globex/.well-known/openid-configuration"]
        {
            let gone = call(&server, &hank, "GET", address, None).expect(404);
            assert!(!gone.text.contains("deleted"), "{}", gone.text);
        }
        let early = json!({"code": "globex"});
        let early = call(&server, &platform, "POST", &format!("{path}/purge"), Some(&early)).expect(409);
        assert_eq!(early.json()["code"], "hold_period");
        step("cancel-deletion").expect(200);
        step("activate").expect(200);
        call(&server, &hank, "GET", "/t/globex/api/v1/tenant", None).expect(200);
    }
}

#[test]
fn tenants_are_managed_from_the_command_line_with_exit_codes_that_tell() {
    let server = Server::fresh(Database::Sqlite);
    server.set_admin_password();
    let token = server.admin_token();
    let run = |arguments: &[&str], token: &str| {
        let remote = ["--url", server.url.as_str(), "--token", token];
        let arguments: Vec<&str> = ["tenant"].iter().chain(arguments).chain(&remote).copied().collect();
        let output = server.place.run(&arguments);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    };

    let made = run(&["create", "globex", "--name", "Globex", "--admin", "hank"], &token);
    assert!(
        made.0 == 0 && made.1.contains("globex") && made.1.contains("/t/globex/recover?token="),
        "{made:?}"
    );
    let listed = run(&["list", "--output", "json"], &token);
    let listed: Value = serde_json::from_str(&listed.1).unwrap();
    let codes: Vec<&str> = listed.as_array().unwrap().iter().map(|t| t["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["default", "globex"]);
    let yaml = run(&["show", "globex", "--output", "yaml"], &token);
    assert!(yaml.1.contains("code: globex") && yaml.1.contains("status: active"), "{yaml:?}");

    for (arguments, status) in [
        (&["delete", "globex", "--yes"][..], 1),
        (&["suspend", "globex"], 0),
        (&["delete", "globex"], 2),
        (&["delete", "globex", "--yes"], 0),
        (&["cancel-deletion", "globex"], 0),
        (&["activate", "globex"], 0),
        (&["show", "nobody"], 4),
        (&["create", "globex"], 1),
        (&["list", "--filter", "status eq"], 1),
        (&["show", "globex\" or code pr or code eq \""], 1),
    ] {
        let outcome = run(arguments, &token);
        assert_eq!(outcome.0, status, "{arguments:?}: {outcome:?}");
        assert_eq!(outcome.0 == 0, outcome.2.is_empty(), "{arguments:?}: {outcome:?}");
    }
    assert_eq!(run(&["list"], "no-token").0, 3);
}
