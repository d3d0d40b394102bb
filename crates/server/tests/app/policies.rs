//! What a person does with policies: over REST and on files.

use serde_json::{Value, json};

use crate::harness::{ALICE_PASSWORD, Answer, BOTH, Database, Place, Server};

/// Sends a request about policies as alice, who is a Super Admin of acme.
fn send(
    server: &Server,
    token: &str,
    method: &str,
    path: &str,
    tag: Option<&str>,
    body: Option<&Value>,
) -> Answer {
    let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
    let bearer = format!("Bearer {token}");
    let mut headers = vec![("authorization", bearer.as_str())];
    if body.is_some() {
        headers.push(("content-type", kind));
    }
    if let Some(tag) = tag {
        headers.push(("if-match", tag));
    }
    let body = body.map(Value::to_string);
    server.send(method, &format!("/t/acme/api/v1/policies{path}"), &headers, body.as_deref())
}

fn document(effect: &str, action: &str) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{ "Sid": "Only", "Effect": effect, "Action": [action], "Resource": ["*"] }],
    })
}

#[test]
fn a_policy_is_written_compared_and_rolled_back_over_rest() {
    for database in BOTH {
        let server = Server::with_acme(database);
        let token = server.user_token("acme", "alice", ALICE_PASSWORD);
        let call = |method: &str, path: &str, tag: Option<&str>, body: Option<Value>| {
            send(&server, &token, method, path, tag, body.as_ref())
        };
        let new = json!({
            "name": "报告", "document": document("Allow", "report:read"), "priority": 7,
            "expression": "principal.name != 'eve'",
        });
        let made = call("POST", "", None, Some(new)).expect(201);
        let id = made.json()["id"].as_str().unwrap().to_owned();
        assert_eq!((&made.json()["priority"], made.header("etag").unwrap()), (&json!(7), "\"v1\""));
        let listed = call("GET", "?filter=priority%20ge%205&sort=-priority", None, None).expect(200).json();
        assert_eq!(listed["items"][0]["expression"], "principal.name != 'eve'");

        let patch = json!({ "document": document("Deny", "report:read"), "priority": 0, "expression": null });
        let changed = call("PATCH", &format!("/{id}"), Some("\"v1\""), Some(patch)).expect(200);
        assert_eq!((&changed.json()["priority"], &changed.json()["expression"]), (&json!(0), &Value::Null));
        let diff = call("GET", &format!("/{id}/diff?from=1&to=2"), None, None).expect(200).json();
        assert_eq!(diff["statements"][0]["change"], "changed");
        assert_eq!(diff["statements"][0]["elements"][0]["after"], "Deny");
        assert_eq!(diff["members"].as_array().unwrap().len(), 2);

        let back = format!("/{id}/versions/1/rollback");
        assert_eq!(call("POST", &back, None, None).expect(428).json()["code"], "if_match_required");
        assert_eq!(call("POST", &back, Some("\"v1\""), None).expect(412).json()["code"], "stale");
        let rolled = call("POST", &back, Some("\"v2\""), None).expect(200);
        assert_eq!((&rolled.json()["priority"], rolled.header("etag").unwrap()), (&json!(7), "\"v3\""));
        let versions = call("GET", &format!("/{id}/versions?fields=version,changed_by"), None, None);
        let versions = versions.expect(200).json();
        assert_eq!(versions["items"].as_array().unwrap().len(), 3);
        assert!(versions["items"][0]["changed_by"].is_string());
        let first = call("GET", &format!("/{id}/versions/1"), None, None).expect(200).json();
        assert_eq!(first["document"], document("Allow", "report:read"));
        assert_eq!(call("GET", &format!("/{id}/versions/x"), None, None).status, 404);
        assert_eq!(
            call("GET", &format!("/{id}/diff?from=x"), None, None).expect(400).json()["code"],
            "invalid_query"
        );

        let draft = json!({ "document": document("Deny", "report:read") });
        let findings = call("POST", "/lint", None, Some(draft)).expect(200).json();
        assert_eq!(findings["findings"][0]["code"], "deny_outranked");
        let findings = call("GET", &format!("/{id}/lint"), None, None).expect(200).json();
        assert_eq!(findings["findings"].as_array().unwrap().len(), 0, "{findings}");
    }
}

#[test]
fn policies_on_files_are_linted_and_compared_with_an_exit_status_for_pipelines() {
    let place = Place::fresh(Database::Sqlite);
    let write = |name: &str, value: &Value| {
        std::fs::write(place.directory.join(name), value.to_string()).unwrap();
    };
    write("plain.json", &document("Allow", "report:read"));
    write("wide.json", &document("Allow", "*"));
    let deny = json!({ "name": "deny", "document": document("Deny", "report:*") });
    let allow = json!({ "name": "allow", "document": document("Allow", "report:read"), "priority": 5 });
    write("set.yaml", &json!({ "policies": [deny, allow] }));
    write("deny.json", &deny);
    write("allow.json", &allow);
    let run = |arguments: &[&str]| {
        let output = place.run(&[&["policy"][..], arguments].concat());
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };

    assert_eq!(run(&["lint", "plain.json"]), (0, "nothing found in 1 policies\n".to_owned()));
    let (status, text) = run(&["lint", "wide.json"]);
    assert!(
        status == 1 && text.starts_with("wide.json: /Statement/0: allow_everything: "),
        "{status} {text}"
    );
    let (status, text) = run(&["lint", "--json", "set.yaml"]);
    let found: Value = serde_json::from_str(&text).unwrap();
    let codes: Vec<&str> =
        found["findings"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect();
    assert_eq!((status, codes), (1, vec!["deny_outranked"; 2]), "{text}");
    assert_eq!(run(&["lint", "absent.json"]).0, 4);

    assert_eq!(run(&["diff", "deny.json", "deny.json"]), (0, "nothing differs\n".to_owned()));
    let (status, text) = run(&["diff", "deny.json", "allow.json"]);
    let expected = "name: \"deny\" -> \"allow\"\npriority: 0 -> 5\n~ statement `Only` at 0\n    \
                    Action: +\"report:read\" -\"report:*\"\n    Effect: \"Deny\" -> \"Allow\"\n";
    assert_eq!((status, text.as_str()), (1, expected));
    assert_eq!(run(&["diff", "set.yaml", "allow.json"]).0, 2);
}

#[test]
fn a_decision_is_explained_from_files() {
    let place = Place::fresh(Database::Sqlite);
    let write = |name: &str, value: &Value| {
        std::fs::write(place.directory.join(name), value.to_string()).unwrap();
    };
    let office = json!({
        "Version": "2012-10-17",
        "Statement": {
            "Sid": "Office", "Effect": "Allow", "Action": "report:*", "Resource": "reports/*",
            "Condition": { "IpAddress": { "aws:SourceIp": "203.0.113.0/24" } },
        },
    });
    write("office.json", &office);
    write("deny.json", &json!({ "name": "deny", "document": document("Deny", "report:delete") }));
    write("linked.yaml", &json!({ "policies": [{ "name": "linked", "resources": ["reports/1"] }] }));
    let case = json!({
        "case": "from home", "policies": ["office"], "action": "report:read", "resource": "reports/1",
        "context": { "aws:SourceIp": "198.51.100.1" }, "expect": "deny",
    });
    write("cases.yaml", &json!({ "documents": { "office": office }, "cases": [case] }));
    let run = |arguments: &[&str]| {
        let output = place.run(&[&["policy", "explain"][..], arguments].concat());
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    let read = ["--action", "report:read", "--resource", "reports/1", "office.json", "deny.json"];

    let (status, text) = run(&read);
    let expected = "denied: nothing_applies\nnearly applied:\n  identity, policy office.json, statement 0 (Office), \
                    allow at priority 0: `aws:SourceIp` is absent (IpAddress)\n";
    assert_eq!((status, text.as_str()), (0, expected));
    let (_, text) = run(&[&read[..], &["--context", "aws:SourceIp=203.0.113.9"]].concat());
    let expected =
        "allowed\nbecause of:\n  identity, policy office.json, statement 0 (Office), allow at priority 0\n";
    assert_eq!(text, expected);
    let (_, text) =
        run(&["--json", "--action", "report:delete", "--resource", "reports/1", "office.json", "deny.json"]);
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(answer["context"]["denial"], "explicit_deny");
    assert_eq!(answer["context"]["because"][0]["policy"], "deny.json `deny`");
    let (_, text) = run(&["--case", "from home", "cases.yaml"]);
    assert!(
        text.contains("identity, policy office, statement 0") && text.contains("has another value"),
        "{text}"
    );

    assert_eq!(run(&["--case", "from nowhere", "cases.yaml"]).0, 4);
    assert_eq!(run(&["--action", "a:b", "--resource", "c", "linked.yaml"]).0, 2);
    assert_eq!(run(&["--action", "a:b", "office.json"]).0, 2);
    assert_eq!(run(&["--action", "a:b", "--resource", "c:d"]).0, 2, "a server is asked about somebody");
    assert_eq!(run(&[&read[..], &["--context", "nothing"]].concat()).0, 2);
}

#[test]
fn a_server_explains_a_decision_to_whoever_may_see_reasons() {
    for database in BOTH {
        let server = Server::with_acme(database);
        let alice = server.user_token("acme", "alice", ALICE_PASSWORD);
        let carol = server.user_token("acme", "carol", "Carol-canary-pass-3");
        let run = |token: &str, subject: &str| {
            let question = ["--subject", subject, "--action", "report:read", "--resource", "report:1"];
            let remote = ["--as", "acme", "--url", &server.url, "--token", token];
            let output = server.place.run(&[&["policy", "explain"][..], &question, &remote].concat());
            (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
        };
        let new = json!({ "name": "near", "document": document("Allow", "report:write") });
        let policy = send(&server, &alice, "POST", "", None, Some(&new)).expect(201).json();
        let bearer = format!("Bearer {alice}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let role = json!({ "code": "NEAR", "name": "Near" }).to_string();
        let role = server.send("POST", "/t/acme/api/v1/roles", &headers, Some(&role)).expect(201).json();
        let path = |rest: String| format!("/t/acme/api/v1/{rest}");
        let (role, policy) = (role["id"].as_str().unwrap(), policy["id"].as_str().unwrap());
        let put = |rest: String| server.send("PUT", &path(rest), &headers[..1], None).expect(204);
        put(format!("roles/{role}/policies/{policy}"));
        let found = server.send("GET", &path("users/by-username/carol".to_owned()), &headers[..1], None);
        put(format!("users/{}/roles/{role}", found.expect(200).json()["id"].as_str().unwrap()));

        let (status, text) = run(&alice, "user:carol");
        let expected = "identity, role Near, policy near, statement 0 (Only), allow at priority 0: \
                        it is about another action";
        assert!(status == 0 && text.starts_with("denied: nothing_applies\n"), "{status} {text}");
        assert!(text.contains(expected), "{text}");
        assert_eq!(run(&carol, "user:carol"), (0, "denied: nothing_applies\n".to_owned()));
        assert_eq!(run(&carol, "user:alice").0, 3);
        assert_eq!(run(&alice, "carol").0, 2);
    }
}
