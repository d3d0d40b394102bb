//! A service takes a token, asks for decisions, and the evidence is there.

use serde_json::{Value, json};

use crate::harness::{ALICE_PASSWORD, BOTH, Browser, Server, basic};

fn evaluation(subject: &str, action: &str, document: &str) -> Value {
    json!({
        "subject": { "type": "user", "id": subject },
        "action": { "name": action },
        "resource": { "type": "document", "id": document },
    })
}

#[test]
fn a_service_asks_for_a_decision_and_the_audit_log_shows_who_did_what() {
    for database in BOTH {
        let server = Server::with_acme(database);
        let mut browser = Browser::new(&server);
        browser.sign_in("acme", "alice", ALICE_PASSWORD).expect(303);
        let token = server.reporting_token();

        let ask = |action: &str, document: &str| {
            server.post_json(
                "/t/acme/access/v1/evaluation",
                Some(&token),
                &evaluation("alice", action, document),
            )
        };
        let allowed = ask("document:Read", "docs/plan-2026").expect(200).json();
        assert_eq!(allowed["decision"], true, "{allowed}");
        let denied = ask("document:Erase", "docs/plan-2026").expect(200).json();
        assert_eq!(denied["decision"], false, "{denied}");
        let unknown = server
            .post_json(
                "/t/acme/access/v1/evaluation",
                Some(&token),
                &evaluation("nobody-of-this-name", "document:Read", "docs/plan-2026"),
            )
            .expect(200)
            .json();
        assert_eq!(unknown["decision"], false);

        let batch = server
            .post_json(
                "/t/acme/access/v1/evaluations",
                Some(&token),
                &json!({
                    "subject": { "type": "user", "id": "alice" },
                    "action": { "name": "document:Read" },
                    "evaluations": [
                        { "resource": { "type": "document", "id": "docs/plan-2026" } },
                        { "action": { "name": "document:Erase" }, "resource": { "type": "document", "id": "docs/plan-2026" } },
                    ],
                }),
            )
            .expect(200)
            .json();
        let decisions: Vec<&Value> =
            batch["evaluations"].as_array().unwrap().iter().map(|e| &e["decision"]).collect();
        assert_eq!(decisions, [&json!(true), &json!(false)]);

        let admin = server.admin_token();
        // The default admin is no one in acme: the platform's log and the tenant's log are apart.
        server
            .get("/t/acme/api/v1/audit/events", &[("authorization", &format!("Bearer {admin}"))])
            .expect(401);
        let actions = actions_of(&server, "acme");
        for wanted in [
            "session.started",
            "token.issued",
            "access.evaluated",
            "user.created",
            "role.created",
            "client.created",
        ] {
            assert!(actions.iter().any(|a| a == wanted), "{wanted} is not in {actions:?}");
        }
    }
}

/// The actions in the log of a tenant, read by the platform's auditor route; waits for the queue.
fn actions_of(server: &Server, tenant: &str) -> Vec<String> {
    let token = server.admin_token();
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str())];
    let tenants = server.get("/api/v1/tenants", &headers).expect(200).json();
    let id = tenants["items"].as_array().unwrap().iter().find(|t| t["code"] == tenant).unwrap()["id"].clone();
    std::thread::sleep(std::time::Duration::from_millis(200));
    let mut actions = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = server
            .get(
                &format!("/api/v1/audit/events?tenant_id={}&limit=200{cursor}", id.as_str().unwrap()),
                &headers,
            )
            .expect(200)
            .json();
        for event in page["items"].as_array().unwrap() {
            for field in ["at", "actor", "resource", "result", "duration_ms"] {
                assert!(!event[field].is_null(), "{field} is missing in {event}");
            }
            actions.push(event["action"].as_str().unwrap().to_owned());
        }
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return actions,
        }
    }
}

#[test]
fn a_revoked_token_is_refused_at_once_and_introspects_as_inactive() {
    for database in BOTH {
        let server = Server::with_acme(database);
        let token = server.reporting_token();
        let secret = "canary-reporting-secret-0123456789abcdefghijkl";
        let client = basic("acme-reporting", secret);
        let headers = [("authorization", client.as_str())];
        let ask = || {
            server.post_json(
                "/t/acme/access/v1/evaluation",
                Some(&token),
                &evaluation("alice", "document:Read", "docs/plan-2026"),
            )
        };
        ask().expect(200);
        let active =
            server.post_form("/t/acme/oauth/introspect", &headers, &[("token", &token)]).expect(200).json();
        assert_eq!(active["active"], true, "{active}");

        server.post_form("/t/acme/oauth/revoke", &headers, &[("token", &token)]).expect(200);

        ask().expect(401);
        let active =
            server.post_form("/t/acme/oauth/introspect", &headers, &[("token", &token)]).expect(200).json();
        assert_eq!(active, json!({ "active": false }));
        let unknown =
            server.post_form("/t/acme/oauth/introspect", &headers, &[("token", "x")]).expect(200).json();
        assert_eq!(unknown, json!({ "active": false }));
    }
}

#[test]
fn a_person_may_ask_about_themselves_but_not_about_another() {
    for database in BOTH {
        let server = Server::with_acme(database);
        let token = server.user_token("acme", "bob", "Bobby-canary-pass-2");
        let ask = |subject: &str| {
            server.post_json(
                "/t/acme/access/v1/evaluation",
                Some(&token),
                &evaluation(subject, "document:Read", "docs/plan-2026"),
            )
        };

        ask("bob").expect(200);
        ask("alice").expect(403);
    }
}

#[test]
fn a_token_of_one_tenant_is_nothing_in_another() {
    for database in BOTH {
        let server = Server::with_acme(database);
        let admin = server.admin_token();
        let bearer = format!("Bearer {admin}");

        let refused = server.get("/t/acme/api/v1/users", &[("authorization", &bearer)]).expect(401);

        assert_eq!(refused.json()["code"], "invalid_token");
    }
}

#[test]
fn a_service_asks_only_about_what_it_is_registered_for() {
    for database in BOTH {
        let server = Server::with_acme(database);
        let token = server.reporting_token();
        let ask = |body: &Value| server.post_json("/t/acme/access/v1/evaluation", Some(&token), body);

        let refused = ask(&evaluation("alice", "payroll:Read", "docs/plan-2026")).expect(403).json();
        assert_eq!(refused["code"], "action_not_registered", "{refused}");
        assert!(refused["decision"].is_string(), "{refused}");
        let mut foreign = evaluation("alice", "document:Read", "docs/plan-2026");
        foreign["resource"]["type"] = json!("payslip");
        assert_eq!(ask(&foreign).expect(403).json()["code"], "resource_not_registered");
        let mut context = evaluation("alice", "document:Read", "docs/plan-2026");
        context["context"] = json!({ "weather": "fine" });
        assert_eq!(ask(&context).expect(403).json()["code"], "context_key_not_registered");
        context["context"] = json!({ "aws:SourceIp": "10.0.0.1" });
        assert_eq!(ask(&context).expect(400).json()["code"], "reserved_context_key");

        // Of several questions each has its own answer.
        let batch = server
            .post_json(
                "/t/acme/access/v1/evaluations",
                Some(&token),
                &json!({
                    "subject": { "type": "user", "id": "alice" },
                    "resource": { "type": "document", "id": "docs/plan-2026" },
                    "evaluations": [
                        { "action": { "name": "document:Read" } },
                        { "action": { "name": "payroll:Read" } },
                    ],
                }),
            )
            .expect(200)
            .json();
        assert_eq!(batch["evaluations"][0]["decision"], true, "{batch}");
        let second = &batch["evaluations"][1];
        assert_eq!(
            (&second["decision"], &second["context"]["error"]["status"]),
            (&json!(false), &json!(403))
        );
        assert_eq!(second["context"]["error"]["code"], "action_not_registered");
        let about_itself = json!({
            "subject": { "type": "client", "id": "acme-reporting" },
            "action": { "name": "payroll:Read" },
            "resource": { "type": "payslip", "id": "7" },
        });
        assert_eq!(ask(&about_itself).expect(200).json()["decision"], false);
    }
}

#[test]
fn whoever_asks_too_much_is_told_when_to_come_back() {
    for database in BOTH {
        let server = Server::with_acme(database);
        let token = server.user_token("acme", "bob", "Bobby-canary-pass-2");
        let one = evaluation("bob", "document:Read", "docs/plan-2026");
        let batch = json!({ "evaluations": vec![one; 250] });
        let ask = || server.post_json("/t/acme/access/v1/evaluations", Some(&token), &batch);

        // 1,000 at once and 100 a second: a seventh batch within the first seconds is too much.
        let refused = (0..50).map(|_| ask()).find(|answer| answer.status != 200).expect("a refusal");

        assert_eq!(refused.status, 429, "{}", refused.text);
        assert_eq!(refused.json()["code"], "too_many_questions");
        let wait: u32 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=3).contains(&wait), "250 questions at 100 a second: {wait} s");
        assert_eq!(refused.header("ratelimit-policy"), Some("\"others\";q=1000;w=10"));
        assert!(refused.header("ratelimit").unwrap().starts_with("\"others\";r="), "the limit is named");
    }
}
