//! Ordinary relying parties on standard libraries, driven in headless Chromium as a person would.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::harness::{ALICE_PASSWORD, BOTH, Server, acme_secrets, free_port, root};

/// The ports that `examples/acme.yaml` registers are fixed; runs that need them take turns.
static PORTS: std::sync::Mutex<()> = std::sync::Mutex::new(());

struct RelyingParty {
    child: Child,
    url: String,
}

impl Drop for RelyingParty {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn setting(name: &str) -> PathBuf {
    let hint = "run the tests with `cargo xtask test`, which installs what they need";
    PathBuf::from(std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: {hint}")))
}

fn secret(name: &str) -> &'static str {
    acme_secrets().into_iter().find(|(n, _)| *n == name).unwrap().1
}

fn start(server: &Server, mut command: Command, client: &str, secret: &str, port: u16) -> RelyingParty {
    let url = format!("http://localhost:{port}");
    let mut child = command
        .env("ISSUER", format!("{}/t/acme", server.url))
        .env("CLIENT_ID", client)
        .env("CLIENT_SECRET", secret)
        .env("PORT", port.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let ready = lines.any(|line| line.is_ok_and(|l| l.contains("ready on")));
    assert!(ready, "the relying party did not start");
    std::thread::spawn(move || for _ in lines {});
    RelyingParty { child, url }
}

fn drive(spec: &Value) -> Value {
    let output = Command::new(setting("SIGNET_TEST_NODE"))
        .arg(root().join("tests/browser/sign-in.mjs"))
        .env("SIGN_IN_SPEC", spec.to_string())
        .env("CHROMIUM", setting("SIGNET_TEST_CHROMIUM"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

fn node(server: &Server) -> RelyingParty {
    let mut command = Command::new(setting("SIGNET_TEST_NODE"));
    command.arg(root().join("examples/relying-party-node/server.mjs"));
    start(server, command, "acme-web-node", secret("ACME_WEB_NODE_SECRET"), 3000)
}

fn python(server: &Server) -> RelyingParty {
    let mut command = Command::new(setting("SIGNET_TEST_PYTHON"));
    command.arg(root().join("examples/relying-party-python/server.py"));
    start(server, command, "acme-web-python", secret("ACME_WEB_PYTHON_SECRET"), 3001)
}

#[test]
fn a_person_signs_in_at_a_web_application_built_on_a_standard_library() {
    let _turn = PORTS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    for database in BOTH {
        let server = Server::with_acme(database);
        for (name, party) in [("node", node(&server)), ("python", python(&server))] {
            for (javascript, language) in [(true, "en"), (false, "zh")] {
                let seen = drive(&json!({
                    "relyingParty": party.url,
                    "issuer": format!("{}/t/acme", server.url),
                    "username": "alice",
                    "password": ALICE_PASSWORD,
                    "newPassword": null,
                    // Consent is asked for once and remembered.
                    "expectConsent": javascript,
                    "language": language,
                    "javascript": javascript,
                }));

                assert_eq!(seen["ok"], true, "{name} on {database:?}: {seen:#}");
                check_headers(&seen);
            }
        }
        assert!(!server.stdout().contains("code="), "a code is in the request log");
    }
}

/// Every page that takes credentials carries the headers that hostile.md asks for.
fn check_headers(seen: &Value) {
    let pages = seen["pages"].as_array().unwrap();
    assert!(!pages.is_empty());
    for page in pages.iter().filter(|p| p["headers"].is_object()) {
        let header = |name: &str| page["headers"][name].as_str().unwrap_or_default().to_owned();
        let policy = header("content-security-policy");
        for part in [
            "default-src 'none'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "require-trusted-types-for 'script'",
        ] {
            assert!(policy.contains(part), "{part} is not in `{policy}` of {page}");
        }
        assert!(header("cache-control").contains("no-store"), "{page}");
        assert_eq!(header("referrer-policy"), "no-referrer", "{page}");
        assert_eq!(header("cross-origin-opener-policy"), "same-origin", "{page}");
    }
}

#[test]
fn a_wrong_password_and_a_refused_consent_end_where_they_should() {
    let _turn = PORTS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let server = Server::with_acme(crate::harness::Database::Sqlite);
    let party = node(&server);

    let seen = drive(&json!({
        "relyingParty": party.url,
        "issuer": format!("{}/t/acme", server.url),
        "username": "bob",
        "password": secret("ACME_BOB_PASSWORD"),
        "newPassword": null,
        "expectConsent": true,
        "language": "en",
        "steps": ["wrong-password", "deny-consent"],
    }));

    assert_eq!(seen["ok"], true, "{seen:#}");
    assert!(free_port() > 0);
}
