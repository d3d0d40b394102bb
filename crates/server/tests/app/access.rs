//! Who may do what, from the routes that say it to the decisions that follow.

use serde_json::{Value, json};

use crate::harness::{ALICE_PASSWORD, Answer, BOTH, Database, Server};

/// A caller of one tenant's API.
struct Caller<'a> {
    server: &'a Server,
    bearer: String,
}

impl<'a> Caller<'a> {
    fn alice(server: &'a Server) -> Self {
        let token = server.user_token("acme", "alice", ALICE_PASSWORD);
        Self { server, bearer: format!("Bearer {token}") }
    }

    fn send(&self, method: &str, path: &str, if_match: Option<&str>, body: Option<&Value>) -> Answer {
        let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        let mut headers = vec![("authorization", self.bearer.as_str())];
        if body.is_some() {
            headers.push(("content-type", kind));
        }
        if let Some(tag) = if_match {
            headers.push(("if-match", tag));
        }
        let body = body.map(Value::to_string);
        self.server.send(method, &format!("/t/acme{path}"), &headers, body.as_deref())
    }

    fn get(&self, path: &str) -> Value {
        self.send("GET", &format!("/api/v1{path}"), None, None).expect(200).json()
    }

    /// Makes something and gives its id.
    fn make(&self, collection: &str, body: Value) -> String {
        let made = self.send("POST", &format!("/api/v1/{collection}"), None, Some(&body)).expect(201);
        let id = made.json()["id"].as_str().unwrap().to_owned();
        assert_eq!(made.header("location").unwrap(), format!("/t/acme/api/v1/{collection}/{id}"));
        assert_eq!(made.header("etag").unwrap(), "\"v1\"");
        id
    }

    fn put(&self, path: &str) {
        self.send("PUT", &format!("/api/v1{path}"), None, None).expect(204);
    }

    fn delete(&self, path: &str) {
        self.send("DELETE", &format!("/api/v1{path}"), Some("*"), None).expect(204);
    }

    fn patch(&self, path: &str, body: Value) -> Answer {
        self.send("PATCH", &format!("/api/v1{path}"), Some("*"), Some(&body))
    }

    /// The decision of the AuthZEN endpoint about the person with the Chinese name.
    fn may(&self, action: &str, document: &str) -> bool {
        let question = json!({
            "subject": { "type": "user", "id": "王芳" },
            "action": { "name": action },
            "resource": { "type": "document", "id": document },
        });
        let answer = self.send("POST", "/access/v1/evaluation", None, Some(&question)).expect(200);
        answer.json()["decision"].as_bool().unwrap()
    }
}

/// Looks in a list for what begins so.
fn search(list: &str, q: &str) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("q", q).finish();
    format!("/{list}?{query}")
}

fn names(page: &Value, field: &str) -> Vec<String> {
    let items = page["items"].as_array().unwrap();
    items.iter().map(|item| item[field].as_str().unwrap_or("-").to_owned()).collect()
}

#[test]
fn every_change_of_who_may_do_what_shows_in_the_next_decision() {
    for database in BOTH {
        let server = Server::with_acme(database);
        let alice = Caller::alice(&server);
        let person = alice.make("users", json!({ "username": "王芳", "display_name": "王芳" }));
        let root = alice.make("resources", json!({ "name": "document:文档", "kind": "folder" }));
        let plan = json!({ "name": "document:文档/计划", "parent_id": root, "tags": { "部门": "产品" } });
        let plan = alice.make("resources", plan);
        let read = alice.make("permissions", json!({ "code": "document:read", "name": "读取文档" }));
        let policy = alice.make("policies", json!({ "name": "阅读策略" }));
        let role = alice.make("roles", json!({ "code": "READER", "name": "文档阅读者" }));
        let group = alice.make("groups", json!({ "name": "产品部" }));
        let held = format!("/users/{person}/roles/{role}");
        alice.put(&format!("/policies/{policy}/permissions/{read}"));
        alice.put(&format!("/roles/{role}/policies/{policy}"));
        alice.put(&held);
        assert!(!alice.may("read", "文档/计划"), "no resource is linked yet");

        alice.put(&format!("/policies/{policy}/resources/{root}"));
        assert!(alice.may("read", "文档/计划") && alice.may("read", "文档"));
        assert!(!alice.may("write", "文档/计划") && !alice.may("read", "别的"));

        // Held directly, then not, then for a time that is over, then through a group.
        alice.delete(&held);
        assert!(!alice.may("read", "文档/计划"));
        let over = json!({ "expires_at": "2020-01-01T00:00:00Z" });
        alice.send("PUT", &format!("/api/v1{held}"), None, Some(&over)).expect(204);
        assert!(!alice.may("read", "文档/计划"));
        let listed = alice.get(&format!("/users/{person}/roles"));
        assert_eq!(names(&listed, "role_code"), ["READER", "USER"]);
        assert_eq!(names(&listed, "state"), ["expired", "active"]);
        alice.put(&format!("/groups/{group}/roles/{role}"));
        alice.put(&format!("/groups/{group}/members/{person}"));
        alice.put(&format!("/groups/{group}/members/{person}"));
        assert!(alice.may("read", "文档/计划"));
        assert_eq!(names(&alice.get(&format!("/users/{person}/groups")), "name"), ["产品部"]);
        assert_eq!(names(&alice.get(&search("groups", "产")), "name"), ["产品部"]);
        assert_eq!(names(&alice.get(&search("roles", "文档阅")), "code"), ["READER"]);
        assert_eq!(names(&alice.get(&search("resources", "document:文档/")), "id"), [plan.as_str()]);
        assert_eq!(names(&alice.get(&format!("/resources/{plan}/ancestors")), "id"), [root.as_str()]);
        assert_eq!(names(&alice.get(&format!("/resources/{root}/children")), "id"), [plan.as_str()]);
        let effective = alice.get(&format!("/roles/{role}/permissions"));
        assert_eq!(effective["policies"][0]["name"], "阅读策略");

        // What lies elsewhere is not covered, and what is denied is denied.
        alice.patch(&format!("/resources/{plan}"), json!({ "parent_id": null })).expect(200);
        assert!(!alice.may("read", "文档/计划"));
        let back = alice.patch(&format!("/resources/{plan}"), json!({ "parent_id": root })).expect(200);
        assert_eq!(back.json()["tags"]["部门"], "产品");
        assert!(alice.may("read", "文档/计划"));
        alice.patch(&format!("/policies/{policy}"), json!({ "effect": "deny" })).expect(200);
        assert!(!alice.may("read", "文档"));
        let allow = json!({ "effect": "allow" });
        let path = format!("/api/v1/policies/{policy}/permissions/{read}");
        alice.send("PUT", &path, None, Some(&allow)).expect(204);
        assert!(alice.may("read", "文档"));
        alice.delete(&format!("/groups/{group}/members/{person}"));
        assert!(!alice.may("read", "文档"));
    }
}

#[test]
fn wrong_changes_of_access_are_refused_with_their_own_codes() {
    let server = Server::with_acme(Database::Sqlite);
    let alice = Caller::alice(&server);
    let own = alice.get("/users/me")["id"].as_str().unwrap().to_owned();
    let top = alice.get("/roles/by-code/SUPER_ADMIN")["id"].as_str().unwrap().to_owned();
    let one = alice.make("roles", json!({ "code": "ONE", "name": "One" }));
    let two = alice.make("roles", json!({ "code": "TWO", "name": "Two", "parent_id": one }));
    let policy = json!({ "name": "bad", "document": { "Version": "2012-10-17", "Statement": [{ "Effect": "Maybe" }] } });
    let tag = Some("\"v7\"");
    let any = Some("*");

    for (method, path, if_match, body, status, code) in [
        ("PATCH", format!("/roles/{one}"), None, json!({ "name": "x" }), 428, "if_match_required"),
        ("PATCH", format!("/roles/{one}"), tag, json!({ "name": "x" }), 412, "stale"),
        ("PATCH", format!("/roles/{one}"), any, json!({ "parent_id": two }), 422, "role_cycle"),
        ("PATCH", format!("/roles/{one}"), any, json!({ "parent_id": "nobody" }), 422, "invalid"),
        ("PATCH", format!("/roles/{one}"), any, json!({ "code": "OTHER" }), 422, "invalid_body"),
        ("PATCH", format!("/roles/{top}"), any, json!({ "permissions": [] }), 409, "built_in"),
        ("DELETE", format!("/roles/{one}"), any, json!({}), 409, "in_use"),
        ("DELETE", format!("/roles/{two}"), None, json!({}), 428, "if_match_required"),
        ("DELETE", format!("/users/{own}/roles/{top}"), None, json!({}), 409, "last_super_admin"),
        ("PUT", format!("/users/{top}/roles/{one}"), None, json!({}), 404, "not_found"),
        ("PUT", format!("/users/{own}/roles/{one}"), None, json!({ "until": 1 }), 422, "invalid_body"),
        ("POST", "/roles".to_owned(), None, json!({ "code": "ONE", "name": "Three" }), 409, "name_taken"),
        ("POST", "/policies".to_owned(), None, policy, 422, "invalid_policy"),
        ("POST", "/policies".to_owned(), None, json!({ "name": "p", "priority": 5000 }), 422, "invalid"),
        ("POST", "/policies".to_owned(), None, json!({ "name": "p", "rank": 5 }), 422, "invalid_body"),
        (
            "POST",
            "/policies".to_owned(),
            None,
            json!({ "name": "p", "expression": "1" }),
            422,
            "invalid_expression",
        ),
        ("GET", "/roles?limit=0".to_owned(), None, json!({}), 400, "invalid_limit"),
        ("GET", "/roles?limit=1000000".to_owned(), None, json!({}), 400, "invalid_limit"),
        ("GET", "/roles?colour=red".to_owned(), None, json!({}), 400, "invalid_query"),
        ("GET", "/groups?cursor=forged".to_owned(), None, json!({}), 400, "invalid_cursor"),
    ] {
        let body = (method != "GET").then_some(&body);
        let answer = alice.send(method, &format!("/api/v1{path}"), if_match, body);
        assert_eq!((answer.status, answer.json()["code"].as_str()), (status, Some(code)), "{method} {path}");
    }
    assert_eq!(names(&alice.get(&format!("/roles/{top}/assignments")), "holder_id"), [own]);
}
