//! `Idempotency-Key`: sent again, answered again, done once.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::{ALICE_PASSWORD, Answer, BOTH, Database, Server, ureq_agent};

/// Members of answers to POSTs whose names sound secret and are not.
const HARMLESS: &[&str] = &[
    "access_token_alg",
    "access_token_ttl_seconds",
    "avatar_url",
    "context_keys",
    "id_token_signed_response_alg",
    "must_change_password",
    "password_changed_at",
    "password_policy",
    "password_set",
    "refresh_token_ttl_seconds",
    "require_proof_key",
    "tokens",
];
/// What makes a name sound secret.
const SUSPICIOUS: &[&str] =
    &["secret", "password", "token", "link", "_url", "private", "_key", "code_value", "backup", "otp"];

fn post(server: &Server, token: &str, path: &str, key: &str, body: &Value) -> Answer {
    let bearer = format!("Bearer {token}");
    let headers =
        [("authorization", bearer.as_str()), ("content-type", "application/json"), ("idempotency-key", key)];
    server.send("POST", path, &headers, Some(&body.to_string()))
}

fn client() -> Value {
    json!({
        "name": "Probe",
        "client_authentication_methods": ["client_secret_basic"],
        "authorization_grant_types": ["client_credentials"],
        "scopes": ["signet"],
    })
}

/// How many clients of the name stand there.
fn probes(server: &Server, token: &str) -> usize {
    let bearer = format!("Bearer {token}");
    let page = server.get("/t/acme/api/v1/clients?limit=200", &[("authorization", &bearer)]).expect(200);
    page.json()["items"].as_array().unwrap().iter().filter(|c| c["name"] == "Probe").count()
}

#[test]
fn the_same_request_gets_the_same_answer_without_its_secret_and_another_body_is_refused() {
    for database in BOTH {
        let server = Server::with_acme(database);
        let alice = server.user_token("acme", "alice", ALICE_PASSWORD);
        let users = "/t/acme/api/v1/users";

        let first = post(&server, &alice, users, "u-1", &json!({ "username": "dora" })).expect(201);
        let again = post(&server, &alice, users, "u-1", &json!({ "username": "dora" })).expect(201);
        assert_eq!(first.text, again.text);
        for header in ["location", "etag", "content-type"] {
            assert_eq!(first.header(header), again.header(header), "{header}");
        }
        assert_eq!(first.header("idempotency-replayed"), None);
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
        let other = post(&server, &alice, users, "u-1", &json!({ "username": "dora2" })).expect(422);
        assert_eq!(other.json()["code"], "idempotency_key_reused");
        // Refusals of the request itself are answers too.
        let taken = post(&server, &alice, users, "u-2", &json!({ "username": "dora" })).expect(409);
        let taken_again = post(&server, &alice, users, "u-2", &json!({ "username": "dora" })).expect(409);
        assert_eq!(taken.text, taken_again.text);
        assert_eq!(taken_again.header("idempotency-replayed"), Some("true"));
        // Another person, another route and another tenant do not know the key.
        let root = server.admin_token();
        post(&server, &root, "/t/default/api/v1/users", "u-1", &json!({ "username": "dora" })).expect(201);
        let id = first.json()["id"].as_str().unwrap().to_owned();
        let lock = format!("{users}/{id}/lock");
        assert_eq!(post(&server, &alice, &lock, "u-1", &json!({})).expect(200).json()["status"], "locked");

        let clients = "/t/acme/api/v1/clients";
        let made = post(&server, &alice, clients, "c-1", &client()).expect(201).json();
        let secret = made["client_secret"].as_str().unwrap().to_owned();
        let replay = post(&server, &alice, clients, "c-1", &client()).expect(201);
        assert_eq!(replay.json()["secret_omitted"], true);
        assert_eq!(replay.json()["id"], made["id"]);
        assert!(!replay.text.contains(&secret), "{}", replay.text);
        assert_eq!(probes(&server, &alice), 1);

        let tenant = json!({ "code": "globex", "name": "Globex", "admin": { "username": "hank" } });
        let made = post(&server, &root, "/api/v1/tenants", "t-1", &tenant).expect(201).json();
        let link = made["admin"]["recovery_url"].as_str().unwrap();
        let (_, secret) = link.split_once("token=").unwrap();
        let replay = post(&server, &root, "/api/v1/tenants", "t-1", &tenant).expect(201);
        assert_eq!(replay.json()["secret_omitted"], true);
        assert_eq!(replay.json()["admin"]["username"], "hank");
        assert!(!replay.text.contains(secret), "{}", replay.text);
    }
}

#[test]
fn a_key_of_the_wrong_form_is_refused_and_protocol_endpoints_ignore_it() {
    let server = Server::with_acme(Database::Sqlite);
    let alice = server.user_token("acme", "alice", ALICE_PASSWORD);
    for bad in ["", "two words", &"x".repeat(256)] {
        let answer =
            post(&server, &alice, "/t/acme/api/v1/users", bad, &json!({ "username": "eve" })).expect(400);
        assert_eq!(answer.json()["code"], "invalid_idempotency_key", "{bad}");
    }
    let question = json!({
        "subject": { "type": "user", "id": "x" }, "action": { "name": "user:read" },
        "resource": { "type": "user", "id": "x" },
    });
    let answer = post(&server, &alice, "/t/acme/access/v1/evaluation", "two words", &question);
    assert_ne!(answer.status, 400, "{}", answer.text);
    let nobody = [("content-type", "application/json"), ("idempotency-key", "k")];
    server.send("POST", "/t/acme/api/v1/users", &nobody, Some("{}")).expect(401);
}

#[test]
fn twenty_at_once_make_one() {
    for database in BOTH {
        let server = Server::with_acme(database);
        let alice = server.user_token("acme", "alice", ALICE_PASSWORD);
        let answers: Vec<(u16, String)> = std::thread::scope(|scope| {
            let send = || {
                let answer = post(&server, &alice, "/t/acme/api/v1/clients", "race", &client());
                (answer.status, answer.text)
            };
            let racers: Vec<_> = (0..20).map(|_| scope.spawn(send)).collect();
            racers.into_iter().map(|racer| racer.join().unwrap()).collect()
        });

        assert!(answers.iter().all(|(status, _)| *status == 201), "{answers:?}");
        let ids: BTreeSet<String> = answers
            .iter()
            .map(|(_, text)| serde_json::from_str::<Value>(text).unwrap()["id"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(ids.len(), 1, "{answers:?}");
        let first = answers.iter().filter(|(_, text)| !text.contains("secret_omitted")).count();
        assert_eq!(first, 1, "one answer holds the secret");
        assert_eq!(probes(&server, &alice), 1);
    }
}

#[test]
fn kill_9_in_a_burst_of_requests_with_keys_doubles_nothing() {
    for database in BOTH {
        let mut server = Server::with_acme(database);
        let alice = server.user_token("acme", "alice", ALICE_PASSWORD);
        let (url, token) = (server.url.clone(), alice.clone());
        let burst = std::thread::spawn(move || {
            let mut sent = 0;
            loop {
                sent += 1;
                let answer = ureq_agent()
                    .post(format!("{url}/t/acme/api/v1/clients"))
                    .header("authorization", format!("Bearer {token}"))
                    .header("content-type", "application/json")
                    .header("idempotency-key", format!("burst-{sent}"))
                    .send(client().to_string());
                if answer.is_err() {
                    return sent;
                }
            }
        });
        while probes(&server, &alice) < 8 {
            std::thread::yield_now();
        }
        server.kill_and_restart();
        let sent = burst.join().unwrap();

        let (mut done, mut unknown) = (0, 0);
        for number in 1..=sent {
            let key = format!("burst-{number}");
            let answer = post(&server, &alice, "/t/acme/api/v1/clients", &key, &client());
            match answer.status {
                201 => done += 1,
                409 => unknown += 1,
                other => panic!("{key}: {other} {}", answer.text),
            }
        }
        // Each key made one client; at most the one in flight does not say which.
        assert_eq!(probes(&server, &alice), sent, "done {done}, unknown {unknown}");
        assert!(unknown <= 1, "done {done}, unknown {unknown}");
    }
}

#[test]
fn every_post_of_our_api_documents_the_key_and_no_answer_has_a_secret_that_is_kept() {
    let server = Server::with_acme(Database::Sqlite);
    let document: Value = serde_json::from_str(&server.place.ok(&["openapi"])).unwrap();
    let kept_out = include_str!("../../src/idempotency.rs");
    let kept_out = kept_out.split_once("SECRET_MEMBERS: &[&str] = &[").unwrap().1.split_once("];").unwrap().0;
    let mut posts = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        let Some(operation) = item.get("post") else { continue };
        let ours = path.contains("/api/v1/");
        let documented = operation["parameters"]
            .as_array()
            .is_some_and(|list| list.iter().any(|p| p["name"] == "Idempotency-Key" && p["in"] == "header"));
        assert_eq!(documented, ours, "{path}");
        if !ours {
            continue;
        }
        posts += 1;
        let mut names = BTreeSet::new();
        for (status, answer) in operation["responses"].as_object().unwrap() {
            if status.starts_with('2') {
                members(&document, answer, &mut names, 0);
            }
        }
        for name in names {
            let sounds = SUSPICIOUS.iter().any(|part| name.contains(part));
            let known = kept_out.contains(&format!("\"{name}\"")) || HARMLESS.contains(&name.as_str());
            assert!(!sounds || known, "{path} answers `{name}`: is it a secret, or harmless?");
        }
    }
    assert!(posts > 10, "{posts}");
}

/// The names of all members of a schema.
fn members(document: &Value, schema: &Value, names: &mut BTreeSet<String>, depth: usize) {
    if depth > 12 {
        return;
    }
    match schema {
        Value::Object(map) => {
            if let Some(target) = map.get("$ref").and_then(Value::as_str) {
                let target = document.pointer(target.trim_start_matches('#')).unwrap();
                members(document, target, names, depth + 1);
            }
            if let Some(Value::Object(properties)) = map.get("properties") {
                names.extend(properties.keys().cloned());
            }
            for (name, inner) in map {
                if name != "example" {
                    members(document, inner, names, depth + 1);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| members(document, item, names, depth + 1)),
        _ => {}
    }
}
