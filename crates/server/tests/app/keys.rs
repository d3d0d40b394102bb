//! Encryption over HTTP, from the making of a ring to the event in the log.

use serde_json::{Value, json};

use crate::harness::{Answer, BOTH, Server};

/// `+8613800138000` in base64.
const PHONE: &str = "Kzg2MTM4MDAxMzgwMDA=";

/// A caller of one place's API.
struct Caller<'a> {
    server: &'a Server,
    place: &'static str,
    token: String,
}

impl Caller<'_> {
    fn post(&self, path: &str, body: Value) -> Answer {
        let path = format!("{}/api/v1/kms/{path}", self.place);
        self.server.post_json(&path, Some(&self.token), &body)
    }

    fn code(&self, path: &str, body: Value) -> (u16, String) {
        let answer = self.post(path, body);
        (answer.status, answer.json()["code"].as_str().unwrap_or_default().to_owned())
    }
}

#[test]
fn a_value_is_encrypted_rotated_encrypted_again_and_opened() {
    for database in BOTH {
        let server = Server::with_acme(database);
        let caller = Caller { server: &server, place: "/t/default", token: server.admin_token() };
        for algorithm in ["AES-256-GCM", "ChaCha20-Poly1305", "SM4-GCM", "AES-256-CBC"] {
            let name = algorithm.to_ascii_lowercase();
            caller.post("rings", json!({ "name": name, "algorithm": algorithm })).expect(201);
            let context = json!({ "table": "users", "column": "phone", "row": "7" });

            let sealed = caller
                .post(&format!("rings/{name}/encrypt"), json!({ "plaintext": PHONE, "context": context }))
                .expect(200)
                .json();
            caller.post(&format!("rings/{name}/rotate"), json!({})).expect(200);
            let again = caller
                .post(
                    &format!("rings/{name}/reencrypt"),
                    json!({ "ciphertext": sealed["ciphertext"], "context": context }),
                )
                .expect(200)
                .json();

            assert_eq!((&sealed["key_version"], &again["key_version"]), (&json!("v1"), &json!("v2")));
            for ciphertext in [&sealed["ciphertext"], &again["ciphertext"]] {
                assert!(ciphertext.as_str().unwrap().starts_with("c2d0Ag"), "{ciphertext}");
                let body = json!({ "ciphertext": ciphertext, "context": context });
                let opened = caller.post(&format!("rings/{name}/decrypt"), body).expect(200).json();
                assert_eq!(opened, json!({ "plaintext": PHONE }), "{algorithm}");
                let elsewhere = json!({ "ciphertext": ciphertext, "context": { "table": "clients" } });
                assert_eq!(
                    caller.code(&format!("rings/{name}/decrypt"), elsewhere),
                    (422, "kms_invalid_ciphertext".to_owned())
                );
            }
        }
    }
}

#[test]
fn many_values_are_one_call_and_the_bad_ones_are_named() {
    for database in BOTH {
        let server = Server::with_acme(database);
        let caller = Caller { server: &server, place: "/t/default", token: server.admin_token() };
        caller.post("rings", json!({ "name": "people" })).expect(201);
        let items: Vec<Value> =
            (0..1000).map(|at| json!({ "name": at.to_string(), "plaintext": PHONE })).collect();

        let sealed = caller.post("rings/people/encrypt/bulk", json!({ "items": items })).expect(200).json();
        let mut to_open: Vec<Value> = sealed["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| json!({ "name": item["name"], "ciphertext": item["ciphertext"] }))
            .collect();
        to_open[999]["context"] = json!({ "row": "7" });
        let opened = caller.post("rings/people/decrypt/bulk", json!({ "items": to_open })).expect(200).json();

        let opened = opened["items"].as_array().unwrap();
        assert_eq!(opened.len(), 1000);
        assert_eq!(opened[0], json!({ "name": "0", "plaintext": PHONE }));
        assert_eq!(opened[999]["name"], "999");
        assert_eq!(opened[999]["error"]["code"], "kms_invalid_ciphertext");
        assert_eq!(opened[999].get("plaintext"), None);

        let more: Vec<Value> =
            (0..1001).map(|at| json!({ "name": at.to_string(), "plaintext": "" })).collect();
        let twice = json!([{ "name": "a", "plaintext": "" }, { "name": "a", "plaintext": "" }]);
        for (items, pointer) in [
            (json!(more), "/items"),
            (json!([]), "/items"),
            (twice, "/items/1/name"),
            (json!([{ "name": "", "plaintext": "" }]), "/items/0/name"),
            (json!([{ "name": "a", "plaintext": "!" }]), "/items/0/plaintext"),
        ] {
            let refused =
                caller.post("rings/people/encrypt/bulk", json!({ "items": items })).expect(422).json();
            assert_eq!(refused["errors"][0]["pointer"], pointer);
        }
    }
}

#[test]
fn keys_codes_hashes_and_random_bytes_are_given_and_no_secret_reaches_the_log() {
    for database in BOTH {
        let server = Server::with_acme(database);
        let caller = Caller { server: &server, place: "/t/default", token: server.admin_token() };
        caller.post("rings", json!({ "name": "people" })).expect(201);

        let made = caller.post("rings/people/data-keys", json!({ "bytes": 16 })).expect(200).json();
        let opened = caller
            .post("rings/people/decrypt", json!({ "ciphertext": made["ciphertext"] }))
            .expect(200)
            .json();
        assert_eq!(opened["plaintext"], made["plaintext"]);
        let wrapped = caller.post("rings/people/data-keys/wrapped", json!({})).expect(200).json();
        assert_eq!(wrapped.get("plaintext"), None);

        let mac = caller.post("rings/people/mac", json!({ "message": PHONE })).expect(200).json();
        for (message, valid) in [(PHONE, true), ("AAAA", false)] {
            let body = json!({ "message": message, "mac": mac["mac"], "key_version": mac["key_version"] });
            assert_eq!(
                caller.post("rings/people/mac/verify", body).expect(200).json(),
                json!({ "valid": valid })
            );
        }
        let hash = |value: &str| {
            let body = json!({ "field": "users.phone", "value": value, "normalization": "phone" });
            caller.post("rings/people/hash", body).expect(200).json()
        };
        assert_eq!(hash("+8613800138000"), hash("+86 138-0013-8000"));
        let drawn = caller.post("random", json!({ "bytes": 33 })).expect(200).json();
        assert_eq!(drawn["random"].as_str().unwrap().len(), 44);

        let log = server.stdout() + &server.stderr();
        for secret in [made["plaintext"].as_str().unwrap(), PHONE, "13800138000"] {
            assert!(!log.contains(secret), "{database:?}");
        }
    }
}

#[test]
fn whoever_may_not_use_a_ring_learns_nothing_of_it_and_the_platform_has_its_own() {
    for database in BOTH {
        let server = Server::with_acme(database);
        let admin = Caller { server: &server, place: "/t/default", token: server.admin_token() };
        let carol = server.user_token("acme", "carol", "Carol-canary-pass-3");
        let carol = Caller { server: &server, place: "/t/acme", token: carol };
        admin.post("rings", json!({ "name": "people" })).expect(201);

        let refused = carol.code("rings/people/encrypt", json!({ "plaintext": PHONE }));
        assert_eq!(refused, (403, "denied".to_owned()));
        let missing = admin.code("rings/nobody/encrypt", json!({ "plaintext": PHONE }));
        assert_eq!(missing, (404, "kms_key_not_found".to_owned()));

        let platform = Caller { server: &server, place: "", token: server.admin_token() };
        platform.post("rings", json!({ "name": "people" })).expect(201);
        let sealed = platform.post("rings/people/encrypt", json!({ "plaintext": PHONE })).expect(200).json();
        let body = json!({ "ciphertext": sealed["ciphertext"] });
        assert_eq!(
            platform.post("rings/people/decrypt", body.clone()).expect(200).json()["plaintext"],
            PHONE
        );
        assert_eq!(admin.code("rings/people/decrypt", body), (422, "kms_invalid_ciphertext".to_owned()));
    }
}
