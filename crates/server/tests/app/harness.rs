//! Starts the real binary on a database of its own and speaks to it like a client.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use store::testing::TestDb;

/// The password that tests give the admin after the forced change.
pub(crate) const ADMIN_PASSWORD: &str = "Correct-horse-7-battery";
/// Passwords of the users of `examples/acme.yaml`.
pub(crate) const ALICE_PASSWORD: &str = "Alice-canary-pass-1";

static NEXT: AtomicU64 = AtomicU64::new(0);

/// Which database a server runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Database {
    Sqlite,
    Postgres,
}

pub(crate) const BOTH: [Database; 2] = [Database::Sqlite, Database::Postgres];

/// The place of one installation: a directory, a database, an environment.
pub(crate) struct Place {
    pub(crate) directory: PathBuf,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) port: u16,
}

/// A running server; killed when dropped.
pub(crate) struct Server {
    pub(crate) place: Place,
    child: Child,
    pub(crate) url: String,
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().parent().unwrap()
}

impl Place {
    /// A fresh installation on this database.
    pub(crate) fn fresh(database: Database) -> Self {
        let name = format!("signet-app-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        let port = free_port();
        let mut env = BTreeMap::from([
            ("SIGNET_LISTEN".to_owned(), format!("127.0.0.1:{port}")),
            ("SIGNET_DATA_DIRECTORY".to_owned(), directory.join("data").display().to_string()),
            ("SIGNET_METRICS_LISTEN".to_owned(), format!("127.0.0.1:{}", free_port())),
            ("XDG_CONFIG_HOME".to_owned(), directory.join("config").display().to_string()),
        ]);
        if database == Database::Postgres {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            env.insert("SIGNET_DATABASE_URL".to_owned(), runtime.block_on(TestDb::empty_postgres_url()));
            env.insert(
                "SIGNET_ROOT_KEY".to_owned(),
                "00112233445566778899aabbccddeeff0f1e2d3c4b5a69788796a5b4c3d2e1f0".to_owned(),
            );
            env.insert("SIGNET_BOOTSTRAP_ADMIN_PASSWORD".to_owned(), "First-start-9-password".to_owned());
        }
        Self { directory, env, port }
    }

    /// The binary with this installation's environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_signet"));
        command.args(arguments).current_dir(&self.directory).env_clear();
        for name in ["PATH", "HOME"] {
            if let Ok(value) = std::env::var(name) {
                command.env(name, value);
            }
        }
        command.envs(&self.env).stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a command that must succeed and gives its standard output.
    #[track_caller]
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let shown = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {shown}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Sets the passwords and secrets that `examples/acme.yaml` refers to.
    pub(crate) fn with_acme_secrets(mut self) -> Self {
        for (name, value) in acme_secrets() {
            self.env.insert(name.to_owned(), value.to_owned());
        }
        self
    }

    /// Starts the server and waits until it is ready.
    pub(crate) fn start(self) -> Server {
        let log = |name: &str| {
            std::fs::OpenOptions::new().create(true).append(true).open(self.directory.join(name)).unwrap()
        };
        let child =
            self.command(&["serve"]).stdout(log("stdout.log")).stderr(log("stderr.log")).spawn().unwrap();
        let url = format!("http://localhost:{}", self.port);
        let mut server = Server { place: self, child, url };
        server.wait_until_ready();
        server
    }
}

/// The secrets of `examples/acme.yaml`, all of them canaries.
pub(crate) fn acme_secrets() -> Vec<(&'static str, &'static str)> {
    vec![
        ("ACME_ALICE_PASSWORD", ALICE_PASSWORD),
        ("ACME_BOB_PASSWORD", "Bobby-canary-pass-2"),
        ("ACME_CAROL_PASSWORD", "Carol-canary-pass-3"),
        ("ACME_WEB_NODE_SECRET", "canary-node-secret-0123456789abcdefghijklmnopq"),
        ("ACME_WEB_PYTHON_SECRET", "canary-python-secret-0123456789abcdefghijklmno"),
        ("ACME_REPORTING_SECRET", "canary-reporting-secret-0123456789abcdefghijkl"),
    ]
}

impl Server {
    /// A fresh installation, started.
    pub(crate) fn fresh(database: Database) -> Self {
        Place::fresh(database).with_acme_secrets().start()
    }

    /// A fresh installation with the admin's password changed and `examples/acme.yaml` applied.
    pub(crate) fn with_acme(database: Database) -> Self {
        let server = Self::fresh(database);
        server.set_admin_password();
        server.place.ok(&["apply", "--host", &acme_file()]);
        server
    }

    fn wait_until_ready(&mut self) {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("the server ended with {status}: {}", self.stderr());
            }
            if ureq_agent().get(format!("{}/readyz", self.url)).call().is_ok_and(|r| r.status() == 200) {
                return;
            }
            assert!(Instant::now() < until, "not ready: {}", self.stderr());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn stderr(&self) -> String {
        std::fs::read_to_string(self.place.directory.join("stderr.log")).unwrap_or_default()
    }

    pub(crate) fn stdout(&self) -> String {
        std::fs::read_to_string(self.place.directory.join("stdout.log")).unwrap_or_default()
    }

    /// Sets the admin's password on the host, without a change being required.
    pub(crate) fn set_admin_password(&self) {
        let mut command = self.place.command(&["user", "set-password", "admin", "--permanent"]);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(ADMIN_PASSWORD.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let status =
            Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for the end.
    pub(crate) fn wait(&mut self) -> std::process::ExitStatus {
        self.child.wait().unwrap()
    }

    /// Ends the process at once and starts it again in the same place.
    pub(crate) fn kill_and_restart(&mut self) {
        let command = self.place.command(&["serve"]);
        self.kill_and_start(command);
    }

    /// The same, with files that can grow to so many bytes: writing more fails as on a full disk.
    pub(crate) fn kill_and_restart_on_a_full_disk(&mut self, file_bytes_max: u64) {
        let serve = self.place.command(&["serve"]);
        let mut command = Command::new("sh");
        // Without the trap, the signal that comes with the failed write would end the process.
        command.args(["-c", "trap '' XFSZ; ulimit -f $0; exec \"$1\" serve"]);
        command.arg((file_bytes_max / 512).to_string()).arg(serve.get_program());
        command.current_dir(&self.place.directory).env_clear().stdin(Stdio::null());
        command.envs(serve.get_envs().filter_map(|(name, value)| Some((name, value?))));
        self.kill_and_start(command);
    }

    fn kill_and_start(&mut self, mut command: Command) {
        self.signal("KILL");
        self.wait();
        let log = |name: &str| {
            std::fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(self.place.directory.join(name))
                .unwrap()
        };
        self.child = command.stdout(log("stdout.log")).stderr(log("stderr.log")).spawn().unwrap();
        self.wait_until_ready();
    }

    pub(crate) fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send("GET", path, headers, None)
    }

    pub(crate) fn post_json(&self, path: &str, token: Option<&str>, body: &Value) -> Answer {
        let bearer = token.map(|t| format!("Bearer {t}")).unwrap_or_default();
        let mut headers = vec![("content-type", "application/json")];
        if token.is_some() {
            headers.push(("authorization", bearer.as_str()));
        }
        self.send("POST", path, &headers, Some(&body.to_string()))
    }

    pub(crate) fn post_form(&self, path: &str, headers: &[(&str, &str)], form: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let mut all = vec![("content-type", "application/x-www-form-urlencoded")];
        all.extend_from_slice(headers);
        self.send("POST", path, &all, Some(&body))
    }

    /// Sends a request; a path beginning with `http` is taken as it is.
    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> Answer {
        let address = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.url) };
        let mut request = ureq::http::Request::builder().method(method).uri(&address);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let agent = ureq_agent();
        let response = match body {
            Some(body) => agent.run(request.body(body.to_owned()).unwrap()),
            None => agent.run(request.body(()).unwrap()),
        };
        let mut response = response.unwrap_or_else(|e| panic!("{method} {address}: {e}\n{}", self.stderr()));
        Answer {
            status: response.status().as_u16(),
            headers: response
                .headers()
                .iter()
                .map(|(n, v)| (n.to_string(), String::from_utf8_lossy(v.as_bytes()).into_owned()))
                .collect(),
            text: response.body_mut().read_to_string().unwrap(),
        }
    }

    /// A token of `acme-reporting` by client credentials.
    pub(crate) fn reporting_token(&self) -> String {
        let secret = acme_secrets().into_iter().find(|(n, _)| *n == "ACME_REPORTING_SECRET").unwrap().1;
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", "acme-reporting"),
            ("client_secret", secret),
            ("scope", "signet"),
        ];
        let basic = basic("acme-reporting", secret);
        let answer =
            self.post_form("/t/acme/oauth/token", &[("authorization", basic.as_str())], &[form[0], form[3]]);
        answer.expect(200).json()["access_token"].as_str().unwrap().to_owned()
    }

    /// The admin's access token with the scope `signet`, got as `signet login` gets it.
    pub(crate) fn admin_token(&self) -> String {
        self.user_token("default", "admin", ADMIN_PASSWORD)
    }

    /// A person's access token through the built-in client `signet-cli`.
    pub(crate) fn user_token(&self, tenant: &str, username: &str, password: &str) -> String {
        let mut browser = Browser::new(self);
        browser.sign_in(tenant, username, password).expect(303);
        let verifier = "v".repeat(64);
        let challenge = challenge(&verifier);
        let redirect = "http://127.0.0.1:49152/callback";
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([
                ("response_type", "code"),
                ("client_id", "signet-cli"),
                ("redirect_uri", redirect),
                ("scope", "openid offline_access signet"),
                ("state", "s"),
                ("code_challenge", challenge.as_str()),
                ("code_challenge_method", "S256"),
            ])
            .finish();
        let mut answer = browser.get(&format!("/t/{tenant}/oauth/authorize?{query}"));
        if answer.status == 200 && answer.text.contains("data-page=\"consent\"") {
            answer = browser.submit(&answer, &[("decision", "allow")]);
        }
        let location =
            answer.header("location").unwrap_or_else(|| panic!("{}: {}", answer.status, answer.text));
        let location = url::Url::parse(location).unwrap();
        let code = location.query_pairs().find(|(k, _)| k == "code").unwrap().1.into_owned();
        let answer = self.post_form(
            &format!("/t/{tenant}/oauth/token"),
            &[],
            &[
                ("grant_type", "authorization_code"),
                ("client_id", "signet-cli"),
                ("code", &code),
                ("redirect_uri", redirect),
                ("code_verifier", &verifier),
            ],
        );
        answer.expect(200).json()["access_token"].as_str().unwrap().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if !std::thread::panicking() {
            drop(std::fs::remove_dir_all(&self.place.directory));
        }
    }
}

pub(crate) fn acme_file() -> String {
    root().join("examples/acme.yaml").display().to_string()
}

pub(crate) fn basic(client: &str, secret: &str) -> String {
    use base64::Engine;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{client}:{secret}")))
}

pub(crate) fn challenge(verifier: &str) -> String {
    use base64::Engine;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier.as_bytes());
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(digest)
}

pub(crate) fn ureq_agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(60)))
        .max_redirects(0)
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .build()
        .into()
}

/// A browser without scripts: keeps cookies, submits forms.
pub(crate) struct Browser<'a> {
    server: &'a Server,
    cookies: BTreeMap<String, String>,
    pub(crate) extra: Vec<(String, String)>,
}

impl<'a> Browser<'a> {
    pub(crate) fn new(server: &'a Server) -> Self {
        Self { server, cookies: BTreeMap::new(), extra: Vec::new() }
    }

    pub(crate) fn cookies(&self) -> &BTreeMap<String, String> {
        &self.cookies
    }

    fn send(&mut self, method: &str, path: &str, form: Option<&[(&str, &str)]>) -> Answer {
        let cookie = self.cookies.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join("; ");
        let mut headers: Vec<(&str, &str)> = vec![("accept-language", "en")];
        if !cookie.is_empty() {
            headers.push(("cookie", &cookie));
        }
        let origin = self.server.url.clone();
        if method == "POST" {
            headers.push(("origin", &origin));
            headers.push(("sec-fetch-site", "same-origin"));
        }
        let extra = self.extra.clone();
        headers.extend(extra.iter().map(|(k, v)| (k.as_str(), v.as_str())));
        let answer = match form {
            Some(form) => self.server.post_form(path, &headers, form),
            None => self.server.send(method, path, &headers, None),
        };
        for (_, value) in answer.headers.iter().filter(|(n, _)| n == "set-cookie") {
            let (pair, attributes) = value.split_once(';').unwrap_or((value, ""));
            let (name, value) = pair.split_once('=').unwrap();
            if attributes.to_ascii_lowercase().contains("max-age=0") || value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, None)
    }

    pub(crate) fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Answer {
        self.send("POST", path, Some(form))
    }

    /// Submits the page's form with its hidden fields and these.
    pub(crate) fn submit(&mut self, page: &Answer, fields: &[(&str, &str)]) -> Answer {
        let action = unescape(attribute(&page.text, "<form", "action").expect("a form with an action"));
        let hidden = hidden_fields(&page.text);
        let mut form: Vec<(&str, &str)> = hidden.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        form.extend_from_slice(fields);
        self.post(&action, &form)
    }

    /// Signs in; gives the answer to the form.
    pub(crate) fn sign_in(&mut self, tenant: &str, username: &str, password: &str) -> Answer {
        let page = self.get(&format!("/t/{tenant}/sign-in")).expect(200);
        self.submit(&page, &[("username", username), ("password", password)])
    }
}

/// The value of an attribute of the first element that begins so.
fn attribute<'a>(html: &'a str, element: &str, name: &str) -> Option<&'a str> {
    let element = &html[html.find(element)?..];
    let element = &element[..element.find('>')?];
    let value = &element[element.find(&format!("{name}=\""))? + name.len() + 2..];
    Some(&value[..value.find('"')?])
}

fn hidden_fields(html: &str) -> Vec<(String, String)> {
    let form = &html[html.find("<form").unwrap_or(0)..];
    let form = &form[..form.find("</form>").unwrap_or(form.len())];
    form.split("<input")
        .skip(1)
        .filter_map(|rest| {
            let element = format!("<input{}>", &rest[..rest.find('>')?]);
            (attribute(&element, "<input", "type")? == "hidden").then_some(())?;
            Some((
                unescape(attribute(&element, "<input", "name")?),
                unescape(attribute(&element, "<input", "value").unwrap_or("")),
            ))
        })
        .collect()
}

fn unescape(text: &str) -> String {
    text.replace("&#x2f;", "/")
        .replace("&#38;", "&")
        .replace("&#34;", "\"")
        .replace("&#60;", "<")
        .replace("&#62;", ">")
        .replace("&#39;", "'")
        .replace("&quot;", "\"")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}
