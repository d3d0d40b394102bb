//! What stands above roles, from the routes that set it to the answers that name it.

use serde_json::{Value, json};

use crate::harness::{ALICE_PASSWORD, Answer, BOTH, Server};

/// A caller of one tenant's API.
struct Caller<'a> {
    server: &'a Server,
    bearer: String,
}

impl<'a> Caller<'a> {
    fn of(server: &'a Server, username: &str, password: &str) -> Self {
        let token = server.user_token("acme", username, password);
        Self { server, bearer: format!("Bearer {token}") }
    }

    fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let mut headers = vec![("authorization", self.bearer.as_str()), ("if-match", "*")];
        if body.is_some() {
            let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
            headers.push(("content-type", kind));
        }
        let body = body.map(Value::to_string);
        self.server.send(method, &format!("/t/acme{path}"), &headers, body.as_deref())
    }

    fn make(&self, collection: &str, body: Value) -> String {
        let made = self.send("POST", &format!("/api/v1/{collection}"), Some(&body)).expect(201);
        made.json()["id"].as_str().unwrap().to_owned()
    }

    fn policy(&self, name: &str, statements: Value) -> String {
        let document = json!({ "Version": "2012-10-17", "Statement": statements });
        self.make("policies", json!({ "name": name, "document": document }))
    }

    fn put(&self, path: &str, body: Option<&Value>) {
        self.send("PUT", &format!("/api/v1{path}"), body).expect(204);
    }

    /// What a change is refused with.
    fn refused(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, String) {
        let answer = self.send(method, &format!("/api/v1{path}"), body);
        (answer.status, answer.json()["code"].as_str().unwrap_or_default().to_owned())
    }

    fn user(&self, username: &str) -> String {
        self.make("users", json!({ "username": username }))
    }

    /// Gives a person a role that allows everything; its id.
    fn may_all(&self, user: &str) -> String {
        let wide = self.policy("Wide", json!([{ "Effect": "Allow", "Action": "*", "Resource": "*" }]));
        let role = self.make("roles", json!({ "code": "WIDE", "name": "Wide" }));
        self.put(&format!("/roles/{role}/policies/{wide}"), None);
        self.put(&format!("/users/{user}/roles/{role}"), None);
        role
    }

    /// What the AuthZEN endpoint says: `allow`, or the layers of the statements that decided, or the words of the
    /// refusal where no statement did.
    fn asks(&self, subject: (&str, &str), action: &str, resource: &str) -> String {
        let question = json!({
            "subject": { "type": subject.0, "id": subject.1 },
            "action": { "name": action },
            "resource": { "type": "document", "id": resource },
        });
        let answer = self.send("POST", "/access/v1/evaluation", Some(&question)).expect(200).json();
        if answer["decision"] == true {
            return "allow".to_owned();
        }
        let because = answer["context"]["because"].as_array().unwrap();
        match because.first() {
            Some(first) => first["layer"].as_str().unwrap().to_owned(),
            None => answer["context"]["reason_admin"]["en"].as_str().unwrap().to_owned(),
        }
    }
}

#[test]
fn a_guardrail_denies_whatever_roles_say_and_the_answer_names_it() {
    for database in BOTH {
        let server = Server::with_acme(database);
        let alice = Caller::of(&server, "alice", ALICE_PASSWORD);
        let bob = alice.user("bobby");
        alice.may_all(&bob);
        let asks = |document| alice.asks(("user", "bobby"), "read", document);
        assert_eq!(asks("secret/plan"), "allow");
        let deny = json!({ "Sid": "Keep", "Effect": "Deny", "Action": "*", "Resource": "document:secret/*" });
        let only = alice.policy("Only denies", json!([deny]));
        let keep = json!([{ "Effect": "Allow", "Action": "*", "Resource": "*" }, deny]);
        let guard = alice.policy("Secrets stay", keep);

        let path = format!("/guardrails/{only}");
        assert_eq!(alice.refused("PUT", &path, None), (409, "ceiling_allows_nothing".to_owned()));
        alice.put(&format!("/guardrails/{guard}"), None);
        alice.put(&format!("/guardrails/{guard}"), Some(&json!({})));

        assert_eq!(asks("secret/plan"), "tenant_guardrail");
        assert_eq!(asks("open"), "allow");
        let listed = alice.send("GET", "/api/v1/guardrails", None).expect(200).json();
        assert_eq!(listed["items"].as_array().unwrap().len(), 1);
        assert_eq!(listed["items"][0]["name"], "Secrets stay");
        let used = alice.refused("DELETE", &format!("/policies/{guard}"), None);
        assert_eq!(used, (409, "in_use".to_owned()));
        let carol = Caller::of(&server, "carol", "Carol-canary-pass-3");
        assert_eq!(carol.refused("DELETE", &format!("/guardrails/{guard}"), None).0, 403);

        // What it no longer allows is denied without a statement to name.
        let change = json!({ "document": { "Version": "2012-10-17", "Statement": [
            { "Effect": "Allow", "Action": "*", "Resource": "document:open" },
            { "Effect": "Allow", "Action": ["policy:*", "access:*"], "Resource": "*" },
        ] } });
        alice.send("PATCH", &format!("/api/v1/policies/{guard}"), Some(&change)).expect(200);
        assert_eq!(asks("open"), "allow");
        assert_eq!(asks("closed"), "a guardrail does not allow it");
        alice.send("DELETE", &format!("/api/v1/guardrails/{guard}"), None).expect(204);
        assert_eq!(asks("secret/plan"), "allow");
    }
}

#[test]
fn a_boundary_limits_a_person_and_a_client_and_follows_what_they_make() {
    for database in BOTH {
        let server = Server::with_acme(database);
        let alice = Caller::of(&server, "alice", ALICE_PASSWORD);
        let bob = alice.user("bobby");
        let role = alice.may_all(&bob);
        let plans = alice.policy(
            "Plans",
            json!([{ "Effect": "Allow", "Action": "*", "Resource": ["document:plan*", "arn:signet:*"] },
                   { "Effect": "Deny", "Action": "policy:grant_any", "Resource": "*" }]),
        );
        let body = json!({ "policy_id": plans });
        let path = format!("/users/{bob}/boundary");
        assert_eq!(alice.refused("GET", &path, None), (404, "not_found".to_owned()));

        alice.put(&path, Some(&body));

        let asks = |document| alice.asks(("user", "bobby"), "read", document);
        assert_eq!(asks("plan/a"), "allow");
        assert_eq!(asks("other"), "the permissions boundary does not allow it");
        let read = alice.send("GET", &format!("/api/v1{path}"), None).expect(200).json();
        assert_eq!(
            (read["policy_id"].as_str(), read["name"].as_str()),
            (Some(plans.as_str()), Some("Plans"))
        );
        let used = alice.refused("DELETE", &format!("/policies/{plans}"), None);
        assert_eq!(used, (409, "in_use".to_owned()));

        // Nobody sets their own, and a bounded administrator makes bounded people only.
        let own = alice.send("GET", "/api/v1/users/me", None).expect(200).json()["id"].clone();
        let own = format!("/users/{}/boundary", own.as_str().unwrap());
        assert_eq!(alice.refused("PUT", &own, Some(&body)), (403, "escalation".to_owned()));
        let carol = alice.send("GET", "/api/v1/users/by-username/carol", None).expect(200).json();
        let carol = carol["id"].as_str().unwrap().to_owned();
        let top = alice.send("GET", "/api/v1/roles/by-code/SUPER_ADMIN", None).expect(200).json();
        alice.put(&format!("/users/{carol}/roles/{}", top["id"].as_str().unwrap()), None);
        alice.put(&format!("/users/{carol}/boundary"), Some(&body));
        let bounded = Caller::of(&server, "carol", "Carol-canary-pass-3");
        let dora = bounded.user("dora");
        let made = alice.send("GET", &format!("/api/v1/users/{dora}/boundary"), None).expect(200).json();
        assert_eq!(made["policy_id"], plans.as_str());
        let refused = bounded.refused("DELETE", &format!("/users/{carol}/boundary"), None);
        assert_eq!(refused, (403, "escalation".to_owned()));
        let widen = json!({ "document": { "Version": "2012-10-17", "Statement":
            [{ "Effect": "Allow", "Action": "*", "Resource": "*" }] } });
        let refused = bounded.refused("PATCH", &format!("/policies/{plans}"), Some(&widen));
        assert_eq!(refused, (403, "escalation".to_owned()));

        let client = json!({
            "name": "Robot",
            "client_authentication_methods": ["client_secret_basic"],
            "authorization_grant_types": ["client_credentials"],
            "scopes": ["signet"],
        });
        let client = alice.make("clients", client);
        alice.put(&format!("/clients/{client}/roles/{role}"), None);
        assert_eq!(alice.asks(("client", &client), "read", "other"), "allow");
        alice.put(&format!("/clients/{client}/boundary"), Some(&body));
        let refusal = alice.asks(("client", &client), "read", "other");
        assert_eq!(refusal, "the permissions boundary does not allow it");
        alice.send("DELETE", &format!("/api/v1/clients/{client}/boundary"), None).expect(204);
        assert_eq!(alice.asks(("client", &client), "read", "other"), "allow");
    }
}

#[test]
fn a_resources_policy_permits_where_roles_say_nothing_and_ceilings_limit_it() {
    for database in BOTH {
        let server = Server::with_acme(database);
        let alice = Caller::of(&server, "alice", ALICE_PASSWORD);
        let bob = alice.user("bobby");
        let tenant = alice.send("GET", "/api/v1/tenant", None).expect(200).json()["id"].clone();
        let name = format!("arn:signet:iam::{}:user/{bob}", tenant.as_str().unwrap());
        let plan = alice.make("resources", json!({ "name": "document:plan" }));
        let path = format!("/resources/{plan}/policy");
        let of = |effect: &str, who: Value| {
            json!({ "document": { "Version": "2012-10-17", "Statement": [
                { "Effect": effect, "Action": "document:read", "Resource": "*", "Principal": who },
            ] } })
        };
        let asks = || alice.asks(("user", "bobby"), "read", "plan");
        assert_eq!(alice.refused("GET", &path, None), (404, "not_found".to_owned()));
        assert_eq!(asks(), "nothing allows it");

        let body = of("Allow", json!({ "Signet": [name] })).to_string();
        let headers = [("authorization", alice.bearer.as_str()), ("content-type", "application/json")];
        let address = format!("/t/acme/api/v1{path}");
        let made = server.send("PUT", &address, &headers, Some(&body)).expect(200);
        assert_eq!(made.header("etag").unwrap(), "\"v1\"");
        let again = server.send("PUT", &address, &headers, Some(&body));
        assert_eq!((again.status, again.json()["code"].as_str()), (428, Some("if_match_required")));

        assert_eq!(asks(), "allow");
        let read = alice.send("GET", &format!("/api/v1{path}"), None).expect(200).json();
        assert_eq!(read["document"]["Statement"][0]["Principal"]["Signet"][0], name.as_str());
        let only = alice
            .policy("Elsewhere", json!([{ "Effect": "Allow", "Action": "*", "Resource": "document:other" }]));
        alice.put(&format!("/users/{bob}/boundary"), Some(&json!({ "policy_id": only })));
        assert_eq!(asks(), "the permissions boundary does not allow it");
        alice.send("DELETE", &format!("/api/v1/users/{bob}/boundary"), None).expect(204);

        // Its deny is final, and removing the resource is no way around it.
        alice.may_all(&bob);
        alice.send("PUT", &format!("/api/v1{path}"), Some(&of("Deny", json!("*")))).expect(200);
        assert_eq!(asks(), "resource");
        let used = alice.refused("DELETE", &format!("/resources/{plan}"), None);
        assert_eq!(used, (409, "in_use".to_owned()));
        let elsewhere = of("Allow", json!({ "Signet": ["arn:signet:iam::another:user/u"] }));
        assert_eq!(alice.refused("PUT", &path, Some(&elsewhere)), (422, "invalid_policy".to_owned()));
        alice.send("DELETE", &format!("/api/v1{path}"), None).expect(204);
        assert_eq!(asks(), "allow");
    }
}

#[test]
fn a_tenant_that_switches_it_on_attaches_policies_to_people() {
    for database in BOTH {
        let server = Server::with_acme(database);
        let alice = Caller::of(&server, "alice", ALICE_PASSWORD);
        let bob = alice.user("bobby");
        let reads =
            alice.policy("Reads", json!([{ "Effect": "Allow", "Action": "document:read", "Resource": "*" }]));
        let path = format!("/users/{bob}/policies/{reads}");
        let asks = || alice.asks(("user", "bobby"), "read", "plan");
        assert_eq!(alice.refused("PUT", &path, None), (409, "direct_policies_off".to_owned()));
        let switch = |on: bool| {
            let body = json!({ "direct_policies": on });
            alice.send("PATCH", "/api/v1/tenant/config", Some(&body))
        };
        switch(true).expect(200);

        alice.put(&path, None);

        assert_eq!(asks(), "allow");
        let listed = alice.send("GET", &format!("/api/v1/users/{bob}/policies"), None).expect(200).json();
        assert_eq!(
            (listed["items"][0]["name"].as_str(), listed["items"][0]["state"].as_str()),
            (Some("Reads"), Some("active"))
        );
        let over = json!({ "expires_at": "2020-01-01T00:00:00Z" });
        alice.put(&path, Some(&over));
        assert_eq!(asks(), "nothing allows it");
        let refused = switch(false);
        assert_eq!((refused.status, refused.json()["code"].as_str()), (409, Some("in_use")));
        assert_eq!(alice.refused("DELETE", &format!("/policies/{reads}"), None), (409, "in_use".to_owned()));
        alice.send("DELETE", &format!("/api/v1{path}"), None).expect(204);
        switch(false).expect(200);
    }
}
