//! The operations that are measured, as a client performs them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::Outcome;
use crate::http::{Conn, Jar, encode, hidden_field, request};
use crate::template::Template;

/// The tenant that the harness declares.
pub(crate) const TENANT: &str = "bench";
/// The service client that asks for decisions and tokens.
pub(crate) const SERVICE: &str = "bench-service";
/// The secret of every client.
pub(crate) const SECRET: &str = "b3nch-secret-of-every-client-0123456789abcdef";
/// The password of every user.
pub(crate) const PASSWORD: &str = "Correct-Horse-7";
const CALLBACK: &str = "http://localhost:9/callback";
const FORM: &str = "content-type: application/x-www-form-urlencoded";
/// The example of RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
/// Redirects of one flow at most.
const REDIRECTS_MAX: usize = 6;

/// What one worker does over and over. The same for Signet and for what it is compared with.
pub(crate) enum Work {
    /// The same request, answered with this status and a body that holds this text.
    Same { request: Vec<u8>, status: u16, holds: &'static str },
    /// Several requests like that, one after another: an operation of several steps.
    Sequence(Vec<Vec<u8>>),
    /// Each request once, then nothing more.
    Once { requests: Vec<Vec<u8>>, next: AtomicUsize, holds: &'static str },
    /// Authorization by a session, and the exchange of its code.
    CodeFlow(CodeFlow),
    /// The rows of an operation, a request a step.
    Write { port: u16, name: String, steps: usize },
    /// The sign-in page and its form; each time the next user.
    SignIn { port: u16, users: Arc<Users> },
    /// Authorization without a session, the sign-in that it asks for, and the exchange of the code.
    WholeSignIn { flow: CodeFlow, users: Arc<Users> },
}

/// Users in turn: one with many sessions would make each sign-in end another session.
pub(crate) struct Users {
    pub(crate) count: usize,
    pub(crate) next: AtomicUsize,
}

impl Users {
    fn next(&self) -> String {
        username(self.next.fetch_add(1, Ordering::Relaxed) % self.count.max(1))
    }
}

/// The name of a user.
pub(crate) fn username(number: usize) -> String {
    format!("user-{number:04}")
}

impl Work {
    /// Does it once. Returns whether there was anything left to do; fails on any answer that is not as it must be.
    pub(crate) async fn once(&self, conn: &mut Conn) -> Outcome<bool> {
        match self {
            Self::Same { request, status, holds } => expect(conn, request, *status, holds).await?,
            Self::Sequence(requests) => {
                for request in requests {
                    expect(conn, request, 200, "ok").await?;
                }
            }
            Self::Once { requests, next, holds } => {
                let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) else {
                    return Ok(false);
                };
                expect(conn, request, 200, holds).await?;
            }
            Self::CodeFlow(flow) => {
                let code = flow.authorize(conn).await?;
                flow.exchange(conn, &code).await?;
            }
            Self::Write { port, name, steps } => write(conn, *port, name, *steps).await?,
            Self::SignIn { port, users } => {
                let page = format!("/t/{TENANT}/sign-in");
                sign_in(conn, *port, &page, &users.next(), &mut Jar::default()).await?;
            }
            Self::WholeSignIn { flow, users } => {
                let code = flow.sign_in_and_authorize(conn, &users.next()).await?;
                flow.exchange(conn, &code).await?;
            }
        }
        Ok(true)
    }
}

async fn expect(conn: &mut Conn, request: &[u8], status: u16, holds: &str) -> Outcome {
    let found = conn.send(request).await?;
    let body = conn.body();
    if found == status && (holds.is_empty() || body.windows(holds.len()).any(|w| w == holds.as_bytes())) {
        return Ok(());
    }
    Err(unexpected(conn, request, found, &format!("{status} with `{holds}`")))
}

fn unexpected(conn: &Conn, request: &[u8], status: u16, expected: &str) -> String {
    let line = String::from_utf8_lossy(request).lines().next().unwrap_or("").to_owned();
    let body: String = conn.text().chars().take(600).collect();
    let to = conn.header("location").map(|l| format!(" to {l}")).unwrap_or_default();
    format!("{line}: expected {expected}, got {status}{to}\n{body}")
}

async fn write(conn: &mut Conn, port: u16, name: &str, steps: usize) -> Outcome {
    let mut fresh = String::new();
    for step in 0..steps {
        let request =
            request("POST", &format!("/write/{name}/{step}"), port, &["content-type: text/plain"], &fresh);
        expect(conn, &request, 200, "\"ok\":true").await?;
        let text = conn.text();
        fresh = text
            .split("\"fresh\":\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next())
            .unwrap_or("")
            .to_owned();
    }
    Ok(())
}

/// Opens the sign-in page at `page` and sends its form. Returns where it leads.
pub(crate) async fn sign_in(
    conn: &mut Conn,
    port: u16,
    page: &str,
    user: &str,
    jar: &mut Jar,
) -> Outcome<String> {
    let open = request("GET", page, port, &[&jar.line(), "accept: text/html"], "");
    let status = conn.send(&open).await?;
    jar.take(conn);
    let csrf = hidden_field(&conn.text(), "csrf").filter(|_| status == 200);
    let csrf = csrf.ok_or_else(|| unexpected(conn, &open, status, "200 with a form"))?;
    let back = hidden_field(&conn.text(), "return_to")
        .map(|to| format!("&return_to={}", encode(&to)))
        .unwrap_or_default();
    let body =
        format!("username={}&password={}&csrf={}{back}", encode(user), encode(PASSWORD), encode(&csrf));
    let origin = format!("origin: http://localhost:{port}");
    let send = request("POST", page, port, &[&jar.line(), &origin, FORM], &body);
    let status = conn.send(&send).await?;
    jar.take(conn);
    match conn.header("location") {
        Some(to) if status == 303 => Ok(to.to_owned()),
        _ => Err(unexpected(conn, &send, status, "303")),
    }
}

/// A sign-in by authorization code with PKCE.
#[derive(Clone)]
pub(crate) struct CodeFlow {
    port: u16,
    client: &'static str,
    cookies: String,
}

impl CodeFlow {
    /// With the cookies of a session, or with none.
    pub(crate) fn new(port: u16, client: &'static str, cookies: String) -> Self {
        Self { port, client, cookies }
    }

    fn path(&self) -> String {
        format!(
            "/t/{TENANT}/oauth/authorize?response_type=code&client_id={}&redirect_uri={}&scope=openid%20profile\
             &state=bench-state&nonce=bench-nonce&code_challenge={CHALLENGE}&code_challenge_method=S256",
            self.client,
            encode(CALLBACK),
        )
    }

    /// Asks for a code. The session is there and no consent is needed: the answer is the redirect itself.
    pub(crate) async fn authorize(&self, conn: &mut Conn) -> Outcome<String> {
        let request = request("GET", &self.path(), self.port, &[&self.cookies], "");
        let status = conn.send(&request).await?;
        conn.header("location")
            .and_then(code_in)
            .ok_or_else(|| unexpected(conn, &request, status, "a redirect with a code"))
    }

    /// Follows the redirects from the application to its callback, through the sign-in page.
    async fn sign_in_and_authorize(&self, conn: &mut Conn, user: &str) -> Outcome<String> {
        let mut jar = Jar::default();
        let mut path = self.path();
        for _ in 0..REDIRECTS_MAX {
            if path.starts_with(&format!("/t/{TENANT}/sign-in")) {
                path = local(&sign_in(conn, self.port, &path, user, &mut jar).await?, self.port);
                continue;
            }
            let request = request("GET", &path, self.port, &[&jar.line()], "");
            let status = conn.send(&request).await?;
            jar.take(conn);
            let Some(to) = conn.header("location") else {
                return Err(unexpected(conn, &request, status, "a redirect"));
            };
            if let Some(code) = code_in(to) {
                return Ok(code);
            }
            path = local(to, self.port);
        }
        Err(format!("more than {REDIRECTS_MAX} redirects in one sign-in; the last was to {path}"))
    }

    /// Exchanges a code for tokens.
    pub(crate) async fn exchange(&self, conn: &mut Conn, code: &str) -> Outcome {
        let body = format!(
            "grant_type=authorization_code&code={}&redirect_uri={}&code_verifier={VERIFIER}&client_id={}&client_secret={SECRET}",
            encode(code),
            encode(CALLBACK),
            self.client,
        );
        let request = request("POST", &format!("/t/{TENANT}/oauth/token"), self.port, &[FORM], &body);
        expect(conn, &request, 200, "\"id_token\"").await
    }
}

/// The code in a redirect to the application.
fn code_in(location: &str) -> Option<String> {
    let query = location.strip_prefix(CALLBACK)?.split_once('?')?.1;
    query.split('&').find_map(|pair| pair.strip_prefix("code=")).map(str::to_owned)
}

/// A redirect's address as a path of this server.
fn local(location: &str, port: u16) -> String {
    location.strip_prefix(&format!("http://localhost:{port}")).unwrap_or(location).to_owned()
}

/// A request for a token by client credentials.
pub(crate) fn client_credentials(port: u16) -> Vec<u8> {
    let body =
        format!("grant_type=client_credentials&scope=signet&client_id={SERVICE}&client_secret={SECRET}");
    request("POST", &format!("/t/{TENANT}/oauth/token"), port, &[FORM], &body)
}

/// Takes a token by client credentials.
pub(crate) async fn take_token(conn: &mut Conn, port: u16) -> Outcome<String> {
    let request = client_credentials(port);
    expect(conn, &request, 200, "\"access_token\"").await?;
    let answer: serde_json::Value =
        serde_json::from_slice(conn.body()).map_err(|e| format!("token answer: {e}"))?;
    answer
        .get("access_token")
        .and_then(|t| t.as_str())
        .map(str::to_owned)
        .ok_or_else(|| "no access token".to_owned())
}

/// A question to the decision point: may this user read that document?
pub(crate) fn evaluation(port: u16, token: &str, user_id: &str) -> Vec<u8> {
    let body = format!(
        r#"{{"subject":{{"type":"user","id":"{user_id}"}},"action":{{"name":"document:read"}},"resource":{{"type":"document","id":"docs/plan-2026"}}}}"#
    );
    let authorization = format!("authorization: Bearer {token}");
    request(
        "POST",
        &format!("/t/{TENANT}/access/v1/evaluation"),
        port,
        &[&authorization, "content-type: application/json"],
        &body,
    )
}

/// Questions of one call of [`evaluations`].
pub(crate) const BATCH: usize = 100;

/// The same question about [`BATCH`] documents, in one call.
pub(crate) fn evaluations(port: u16, token: &str, user_id: &str) -> Vec<u8> {
    let questions: Vec<String> = (0..BATCH)
        .map(|number| format!(r#"{{"resource":{{"type":"document","id":"docs/plan-{number}"}}}}"#))
        .collect();
    let body = format!(
        r#"{{"subject":{{"type":"user","id":"{user_id}"}},"action":{{"name":"document:read"}},"evaluations":[{}]}}"#,
        questions.join(",")
    );
    let authorization = format!("authorization: Bearer {token}");
    request(
        "POST",
        &format!("/t/{TENANT}/access/v1/evaluations"),
        port,
        &[&authorization, "content-type: application/json"],
        &body,
    )
}

/// A question whether a token is good.
pub(crate) fn introspection(port: u16, token: &str) -> Vec<u8> {
    let body = format!("token={}&client_id={SERVICE}&client_secret={SECRET}", encode(token));
    request("POST", &format!("/t/{TENANT}/oauth/introspect"), port, &[FORM], &body)
}

/// The same bytes, asked of the bare handler: only the path and the port differ.
pub(crate) fn bare(like: &[u8], port: u16) -> Vec<u8> {
    let text = String::from_utf8_lossy(like);
    let (line, rest) = text.split_once("\r\n").unwrap_or((&text, ""));
    let method = line.split(' ').next().unwrap_or("GET");
    let rest = rest.split_once("\r\n").map_or("", |(_host, rest)| rest);
    format!("{method} /ok HTTP/1.1\r\nhost: localhost:{port}\r\n{rest}").into_bytes()
}

/// As many bare requests as the operation has, of the same methods.
pub(crate) fn bare_code_flow(port: u16, flow: &CodeFlow) -> Work {
    let authorize = request("GET", &flow.path(), port, &[&flow.cookies], "");
    let exchange = request("POST", "/", port, &[FORM], &"x".repeat(300));
    Work::Sequence(vec![bare(&authorize, port), bare(&exchange, port)])
}

/// The handler that writes the rows of a template.
pub(crate) fn writer(port: u16, template: &Template) -> Work {
    Work::Write { port, name: template.name.clone(), steps: template.steps.len() }
}

/// The file that `signet apply` takes before the measurement.
pub(crate) fn manifest(users: usize) -> String {
    let names: Vec<String> = (0..users).map(username).collect();
    let declared: String = names
        .iter()
        .map(|name| format!("  - {{ username: {name}, password: {{ env: BENCH_PASSWORD }}, must_change_password: false }}\n"))
        .collect();
    format!(
        r#"version: 1
tenant: {{ code: {TENANT}, name: Bench }}
policies:
  - name: Read documents
    document:
      Version: "2012-10-17"
      Statement:
        - {{ Effect: Allow, Action: ["document:read", "document:list"], Resource: "document:docs/*" }}
  - name: Keep finance closed
    document:
      Version: "2012-10-17"
      Statement:
        - {{ Effect: Deny, Action: "document:*", Resource: "document:docs/finance/*" }}
  - name: Ask for decisions
    document:
      Version: "2012-10-17"
      Statement:
        - {{ Effect: Allow, Action: ["access:Evaluate"], Resource: "arn:signet:iam::*:access/*" }}
roles:
  - {{ code: viewer, name: Viewer, policies: [Read documents, Keep finance closed] }}
  - {{ code: enforcement-point, name: Enforcement point, policies: [Ask for decisions] }}
users:
{declared}groups:
  - {{ name: Staff, roles: [viewer], members: [{members}] }}
clients:
  - client_id: {SERVICE}
    type: service
    scopes: [signet]
    roles: [enforcement-point]
    evaluation: {{ actions: ["document:*"], resources: ["document:*"] }}
    access_token_alg: EdDSA
    access_token_ttl_seconds: 86400
    secret: {{ env: BENCH_SECRET }}
  - client_id: bench-web-eddsa
    type: confidential
    redirect_uris: ["{CALLBACK}"]
    scopes: [openid, profile]
    consent: false
    id_token_alg: EdDSA
    secret: {{ env: BENCH_SECRET }}
  - client_id: bench-web-rs256
    type: confidential
    redirect_uris: ["{CALLBACK}"]
    scopes: [openid, profile]
    consent: false
    id_token_alg: RS256
    secret: {{ env: BENCH_SECRET }}
"#,
        members = names.join(", "),
    )
}

/// The clients that sign people in, by the algorithm of their ID tokens.
pub(crate) const WEB_CLIENTS: [(&str, &str); 2] =
    [("EdDSA", "bench-web-eddsa"), ("RS256", "bench-web-rs256")];
