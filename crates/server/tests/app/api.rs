//! Every operation of the document: it exists, it asks who calls, it keeps tenants apart.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::{BOTH, Database, Server};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// Operations that anyone may call, with the reason. The list may only shrink.
const OPEN: &[(&str, &str)] = &[
    ("/.well-known/", "metadata of protocols is public"),
    ("/oauth/", "protocol endpoints authenticate clients and people in their own form"),
];

struct Operation {
    method: String,
    path: String,
}

fn operations(server: &Server) -> Vec<Operation> {
    let document: Value = serde_json::from_str(&server.place.ok(&["openapi"])).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{}", document["openapi"]);
    let mut list = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in METHODS {
            if let Some(operation) = item.get(method) {
                assert!(operation["operationId"].is_string(), "{method} {path} has no operationId");
                assert!(operation["tags"][0].is_string(), "{method} {path} has no tag");
                list.push(Operation { method: method.to_uppercase(), path: path.clone() });
            }
        }
    }
    assert!(list.len() > 20, "only {} operations", list.len());
    list
}

fn is_open(path: &str) -> bool {
    OPEN.iter().any(|(part, _)| path.contains(part))
}

fn filled(path: &str, tenant: &str, id: &str) -> String {
    let mut out = String::new();
    for part in path.split('/').skip(1) {
        out.push('/');
        out.push_str(match part {
            "{tenant}" => tenant,
            part if part.starts_with('{') => id,
            part => part,
        });
    }
    out
}

fn call(
    server: &Server,
    operation: &Operation,
    tenant: &str,
    id: &str,
    token: Option<&str>,
) -> crate::harness::Answer {
    let path = filled(&operation.path, tenant, id);
    let bearer = token.map(|t| format!("Bearer {t}")).unwrap_or_default();
    let mut headers = vec![("content-type", "application/json"), ("if-match", "*")];
    if operation.method == "PATCH" {
        headers[0] = ("content-type", "application/merge-patch+json");
    }
    if token.is_some() {
        headers.push(("authorization", &bearer));
    }
    let body = matches!(operation.method.as_str(), "POST" | "PUT" | "PATCH").then_some("{}");
    server.send(&operation.method, &path, &headers, body)
}

#[test]
fn h28_every_operation_asks_who_calls() {
    let server = Server::with_acme(Database::Sqlite);
    for operation in operations(&server).iter().filter(|o| !is_open(&o.path)) {
        let answer = call(&server, operation, "acme", "some-id", None);

        assert_eq!(answer.status, 401, "{} {}: {}", operation.method, operation.path, answer.text);
        assert_eq!(answer.json()["code"], "unauthenticated");
        assert!(answer.header("www-authenticate").is_some());
    }
}

#[test]
fn every_documented_operation_is_routed() {
    let server = Server::with_acme(Database::Sqlite);
    let mut token = server.admin_token();
    for operation in operations(&server) {
        let mut answer = call(&server, &operation, "default", "some-id", Some(&token));
        if answer.status == 401 && !is_open(&operation.path) {
            // An operation before this one ended the session.
            token = server.admin_token();
            answer = call(&server, &operation, "default", "some-id", Some(&token));
            assert_ne!(answer.status, 401, "{} {}", operation.method, operation.path);
        }

        assert_ne!(answer.status, 405, "{} {}", operation.method, operation.path);
        assert!(!answer.text.contains("no_such_route"), "{} {}", operation.method, operation.path);
    }
}

#[test]
fn a_person_without_rights_gets_no_further_than_a_refusal() {
    let server = Server::with_acme(Database::Sqlite);
    let token = server.user_token("acme", "carol", "Carol-canary-pass-3");
    let own = ["/users/me", "/access/v1/"];
    for operation in operations(&server).iter().filter(|o| !is_open(&o.path)) {
        if own.iter().any(|part| operation.path.contains(part)) {
            continue;
        }
        let answer = call(&server, operation, "acme", "some-id", Some(&token));

        // A body that is wrong may be refused before the right is judged; nothing may be done or shown.
        assert!(
            matches!(answer.status, 400 | 403 | 404 | 415 | 422),
            "{} {}: {} {}",
            operation.method,
            operation.path,
            answer.status,
            answer.text
        );
    }
}

#[test]
fn a_new_tenants_super_admin_is_refused_every_operation_of_the_platform() {
    for database in BOTH {
        let server = Server::with_acme(database);
        let token = server.user_token("acme", "alice", crate::harness::ALICE_PASSWORD);
        for operation in operations(&server).iter().filter(|o| o.path.starts_with("/api/v1/")) {
            let answer = call(&server, operation, "acme", "some-id", Some(&token));

            assert!(
                matches!(answer.status, 400 | 403 | 415 | 422),
                "{} {}: {} {}",
                operation.method,
                operation.path,
                answer.status,
                answer.text
            );
        }
        let bearer = format!("Bearer {token}");
        server.get("/api/v1/tenants", &[("authorization", &bearer)]).expect(403);
    }
}

#[test]
fn h27_what_belongs_to_one_tenant_is_nothing_to_another() {
    for database in BOTH {
        let server = Server::with_acme(database);
        let admin = server.admin_token();
        let bearer = format!("Bearer {admin}");
        let headers = [("authorization", bearer.as_str())];
        // The default admin is Super Admin of tenant `default`; every id below belongs to `acme`.
        let alice = server.user_token("acme", "alice", crate::harness::ALICE_PASSWORD);
        let alice_bearer = format!("Bearer {alice}");
        let nouns = ["users", "clients", "roles", "groups", "policies", "resources", "permissions"];
        let foreign: BTreeSet<String> = nouns
            .iter()
            .flat_map(|noun| {
                let page = server
                    .get(&format!("/t/acme/api/v1/{noun}?limit=3"), &[("authorization", &alice_bearer)])
                    .expect(200)
                    .json();
                page["items"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|i| i["id"].as_str().unwrap().to_owned())
                    .collect::<Vec<_>>()
            })
            .collect();
        assert!(foreign.len() >= 15, "{foreign:?}");
        for operation in operations(&server)
            .iter()
            .filter(|o| o.path.starts_with("/t/{tenant}/api/") && o.path.contains("id}"))
        {
            for id in &foreign {
                let answer = call(&server, operation, "default", id, Some(&admin));

                assert!(
                    matches!(answer.status, 400 | 403 | 404 | 415 | 422),
                    "{} {} with {id}: {} {}",
                    operation.method,
                    operation.path,
                    answer.status,
                    answer.text
                );
            }
        }
        let page = server.get("/t/default/api/v1/users?limit=200", &headers).expect(200).text;
        assert!(!page.contains("alice"), "{page}");
        let cursor_page = server
            .get("/t/acme/api/v1/users?limit=1", &[("authorization", &alice_bearer)])
            .expect(200)
            .json();
        let cursor = cursor_page["next"].as_str().unwrap();
        let forged = server.get(&format!("/t/default/api/v1/users?limit=1&cursor={cursor}"), &headers);
        assert_eq!(forged.status, 400, "{}", forged.text);
    }
}

#[test]
fn h30_odd_input_never_makes_a_5xx() {
    let server = Server::with_acme(Database::Sqlite);
    let token = server.admin_token();
    let odd = ["%00", "'%20OR%201=1--", "..%2f..", "%f0%9f%92%a9", "a%0d%0ab", "%2e%2e", "${7*7}"];
    let bodies = [
        "",
        "{",
        "[]",
        "null",
        "\"x\"",
        "{\"a\":1,\"a\":2}",
        "{\"username\":\"\\u0000\"}",
        "{\"username\":[[[[]]]]}",
    ];
    for operation in operations(&server) {
        for (id, body) in odd.iter().zip(bodies.iter().cycle()) {
            let path = format!("{}?limit={id}&q={id}&cursor={id}", filled(&operation.path, "default", id));
            let bearer = format!("Bearer {token}");
            let headers =
                [("content-type", "application/json"), ("authorization", bearer.as_str()), ("if-match", "*")];
            let answer =
                server.send(&operation.method, &path, &headers, (operation.method != "GET").then_some(*body));

            assert!(
                answer.status < 500,
                "{} {path} {body}: {} {}",
                operation.method,
                answer.status,
                answer.text
            );
        }
    }
}

#[test]
fn the_document_is_shown_to_whoever_may_see_it() {
    let server = Server::with_acme(Database::Sqlite);
    let answer = server.get("/docs", &[]);
    assert_eq!(answer.status, 303);

    let mut browser = crate::harness::Browser::new(&server);
    browser.sign_in("default", "admin", crate::harness::ADMIN_PASSWORD).expect(303);
    let page = browser.get("/docs").expect(200);
    assert!(page.text.contains("data-page=\"docs\"") && page.text.contains("/api/v1/tenants"));
    assert!(page.header("content-security-policy").unwrap().contains("default-src 'none'"));
    assert!(
        !page.text.contains("http://") && !page.text.contains("https://"),
        "the page loads from elsewhere"
    );
    browser.get("/docs/errors").expect(200);
}

#[test]
fn health_metrics_and_request_lines_are_there_from_the_start() {
    let server = Server::with_acme(Database::Sqlite);
    server.get("/healthz", &[]).expect(200);
    server.get("/readyz", &[]).expect(200);
    server.get("/readyz", &[("host", "10.1.2.3:8080")]).expect(200);
    server.get("/t/acme/sign-in", &[("host", "10.1.2.3:8080")]).expect(421);
    server.get("/no/such/place?secret=canary-query", &[("x-request-id", "my-own-id")]).expect(404);
    let metrics = format!("http://{}/metrics", server.place.env["SIGNET_METRICS_LISTEN"]);
    let text = server.get(&metrics, &[]).expect(200).text;
    for name in ["microstack_requests_duration_ms_bucket", "microstack_requests_code_total"] {
        assert!(text.contains(name), "{name}: {text}");
    }
    assert!(
        !text.contains("acme") && !text.contains("no/such"),
        "a label carries a tenant or a raw path: {text}"
    );

    std::thread::sleep(std::time::Duration::from_millis(200));
    let lines: Vec<Value> = server.stdout().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert!(lines.iter().all(|l| l["tag"] == "[AUDIT]"));
    let line = lines.iter().find(|l| l["path"] == "/no/such/place").unwrap();
    for name in ["trace_id", "timestamp", "user_id", "method", "path", "status", "duration", "client_ip"] {
        assert!(!line[name].is_null(), "{name}: {line}");
    }
    assert_eq!(line["client_request_id"], "my-own-id");
    assert_eq!(line["status"], json!(404));
    assert!(!server.stdout().contains("canary-query"));
}

#[test]
fn every_change_leaves_exactly_one_event_and_every_refusal_leaves_one() {
    for database in BOTH {
        let server = Server::with_acme(database);
        let alice = format!("Bearer {}", server.user_token("acme", "alice", crate::harness::ALICE_PASSWORD));
        let carol = format!("Bearer {}", server.user_token("acme", "carol", "Carol-canary-pass-3"));
        let send = |who: &str, method: &str, path: &str, body: Value| {
            let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
            let headers = [("authorization", who), ("content-type", kind), ("if-match", "*")];
            server.send(method, &format!("/t/acme/api/v1{path}"), &headers, Some(&body.to_string()))
        };
        let user = send(&alice, "POST", "/users", json!({ "username": "dora" })).expect(201);
        let id = user.json()["id"].as_str().unwrap().to_owned();
        let client = json!({
            "name": "Probe",
            "client_authentication_methods": ["client_secret_basic"],
            "authorization_grant_types": ["authorization_code"],
            "redirect_uris": ["https://probe.example/cb"],
            "scopes": ["openid"],
        });
        let client = send(&alice, "POST", "/clients", client).expect(201);
        let client_id = client.json()["id"].as_str().unwrap().to_owned();
        let mut changes = vec![(user, "user.created"), (client, "client.created")];
        for (method, path, body, status, event) in [
            ("PATCH", format!("/users/{id}"), json!({ "display_name": "Dora" }), 200, "user.updated"),
            ("POST", format!("/users/{id}/lock"), json!({}), 200, "user.locked"),
            ("POST", format!("/users/{id}/unlock"), json!({}), 200, "user.unlocked"),
            ("DELETE", format!("/users/{id}"), json!({}), 204, "user.deleted"),
            ("PATCH", format!("/clients/{client_id}"), json!({ "name": "Other" }), 200, "client.updated"),
            ("DELETE", format!("/clients/{client_id}"), json!({}), 204, "client.deleted"),
            (
                "PATCH",
                "/tenant/config".to_owned(),
                json!({ "lockout_policy": { "failures_max": 6 } }),
                200,
                "tenant.config_updated",
            ),
        ] {
            let answer = send(&alice, method, &path, body);
            assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
            changes.push((answer, event));
        }
        let refused = send(&carol, "POST", "/users", json!({ "username": "eve" })).expect(403);
        changes.push((refused, "access.denied"));
        std::thread::sleep(std::time::Duration::from_millis(300));

        for (answer, event) in changes {
            let request = answer.header("x-request-id").unwrap();
            let path = format!("/t/acme/api/v1/audit/events?limit=200&action={event}");
            let page = server.get(&path, &[("authorization", &alice)]).expect(200).json();
            let found: Vec<&Value> =
                page["items"].as_array().unwrap().iter().filter(|e| e["request_id"] == request).collect();
            assert_eq!(found.len(), 1, "{event} of {request} on {database:?}: {page:#}");
            for field in
                ["at", "actor", "ip_address", "user_agent", "resource", "result", "duration_ms", "leaf_hash"]
            {
                assert!(!found[0][field].is_null(), "{field} is missing in {}", found[0]);
            }
        }
    }
}
