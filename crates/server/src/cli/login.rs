//! `signet login`: authorization code with PKCE and a loopback redirect (RFC 8252), tokens kept in a file
//! of this user alone.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;
use serde_json::{Map, Value, json};
use url::Url;

use super::http::{Answer, agent, server_url};
use super::{Failure, print, say};

const CLIENT_ID: &str = "signet-cli";
const SCOPE: &str = "openid offline_access signet";
/// How long the browser may take.
const BROWSER_WAIT: Duration = Duration::from_secs(600);
/// A request of a browser that is longer is not one of ours.
const REQUEST_BYTES_MAX: u64 = 16 * 1024;

/// What `signet login` takes.
#[derive(Debug, Args)]
pub(crate) struct LoginArguments {
    /// The server.
    #[arg(long)]
    url: Option<String>,
    /// The tenant whose user signs in; platform administrators are users of `default`.
    #[arg(long, default_value = directory::DEFAULT_TENANT_CODE)]
    tenant: String,
}

/// What `signet token` takes.
#[derive(Debug, Args)]
pub(crate) struct TokenArguments {
    /// The server.
    #[arg(long)]
    url: Option<String>,
    /// The tenant whose user signed in.
    #[arg(long = "as", value_name = "TENANT", default_value = directory::DEFAULT_TENANT_CODE)]
    tenant: String,
}

/// Prints an access token that is good for at least half a minute.
pub(crate) fn token(arguments: &TokenArguments, env: &BTreeMap<String, String>) -> Result<(), Failure> {
    let server = server_url(arguments.url.as_deref(), env)?;
    let token = access_token(None, &server, &arguments.tenant, env)?;
    print(&format!("{token}\n"));
    Ok(())
}

/// Signs in and keeps the tokens.
pub(crate) fn login(arguments: &LoginArguments, env: &BTreeMap<String, String>) -> Result<(), Failure> {
    let server = server_url(arguments.url.as_deref(), env)?;
    let issuer = issuer(&server, &arguments.tenant)?;
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|e| Failure::Failed(format!("loopback: {e}")))?;
    let port = listener.local_addr().map_err(|e| Failure::Failed(e.to_string()))?.port();
    let redirect = format!("http://127.0.0.1:{port}/callback");
    let verifier = random_text()?;
    let state = random_text()?;
    let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));

    let mut address = issuer.clone();
    address.set_path(&format!("{}/oauth/authorize", issuer.path().trim_end_matches('/')));
    address.query_pairs_mut().extend_pairs([
        ("response_type", "code"),
        ("client_id", CLIENT_ID),
        ("redirect_uri", &redirect),
        ("scope", SCOPE),
        ("state", &state),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ]);
    say(&format!("open this address in a browser on this machine:\n\n  {address}\n"));
    let code = wait_for_code(&listener, &state, issuer.as_str().trim_end_matches('/'))?;
    let tokens = token_request(
        &issuer,
        &[
            ("grant_type", "authorization_code"),
            ("client_id", CLIENT_ID),
            ("code", &code),
            ("redirect_uri", &redirect),
            ("code_verifier", &verifier),
        ],
    )?;
    keep(&credentials_file(env)?, &issuer, &tokens)?;
    print(&format!("signed in at {issuer}\n"));
    Ok(())
}

/// The access token for a server: `--token`, `SIGNET_TOKEN`, or what `signet login` kept, refreshed if
/// it has expired.
pub(super) fn access_token(
    given: Option<&str>,
    server: &Url,
    tenant: &str,
    env: &BTreeMap<String, String>,
) -> Result<String, Failure> {
    if let Some(token) = given.or_else(|| env.get("SIGNET_TOKEN").map(String::as_str)) {
        return Ok(token.to_owned());
    }
    let path = credentials_file(env)?;
    let issuer = issuer(server, tenant)?;
    let kept = read(&path);
    let Some(found) = kept.get(issuer.as_str()) else {
        return Err(Failure::Denied(format!(
            "no token for {issuer}: sign in with `signet login --url {server} --tenant {tenant}`, or give --token or SIGNET_TOKEN"
        )));
    };
    let text = |name: &str| found[name].as_str().unwrap_or_default().to_owned();
    if found["expires_at"].as_u64().unwrap_or(0) > now_seconds() + 30 {
        return Ok(text("access_token"));
    }
    let tokens = token_request(
        &issuer,
        &[
            ("grant_type", "refresh_token"),
            ("client_id", CLIENT_ID),
            ("refresh_token", &text("refresh_token")),
        ],
    )?;
    keep(&path, &issuer, &tokens)?;
    let token = tokens.get("access_token").and_then(Value::as_str);
    token.map(str::to_owned).ok_or_else(|| Failure::Failed("the answer holds no access token".to_owned()))
}

fn issuer(server: &Url, tenant: &str) -> Result<Url, Failure> {
    base::text::check_code(tenant, 64).map_err(|e| Failure::Usage(format!("--tenant: `{tenant}` {e}")))?;
    server.join(&format!("/t/{tenant}")).map_err(|e| Failure::Usage(e.to_string()))
}

fn token_request(issuer: &Url, form: &[(&str, &str)]) -> Result<Value, Failure> {
    let mut address = issuer.clone();
    address.set_path(&format!("{}/oauth/token", issuer.path().trim_end_matches('/')));
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let response =
        agent().post(address.as_str()).header("content-type", "application/x-www-form-urlencoded").send(body);
    Answer::read(response, &address)?.json()
}

fn random_text() -> Result<String, Failure> {
    let mut bytes = [0u8; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Failure::Failed("no randomness".to_owned()))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// Waits for the browser to come back with a code for our state.
fn wait_for_code(listener: &TcpListener, state: &str, issuer: &str) -> Result<String, Failure> {
    let failed = |e: std::io::Error| Failure::Failed(format!("loopback: {e}"));
    listener.set_nonblocking(true).map_err(failed)?;
    let until = std::time::Instant::now() + BROWSER_WAIT;
    while std::time::Instant::now() < until {
        match listener.accept() {
            Ok((stream, _)) => {
                if let Some(outcome) = answer_browser(stream, state, issuer) {
                    return outcome;
                }
            }
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {
                std::thread::sleep(Duration::from_millis(50))
            }
            Err(e) => return Err(failed(e)),
        }
    }
    Err(Failure::Failed("nobody signed in within ten minutes".to_owned()))
}

/// Answers one request; none if it was not the redirect (a favicon, say).
fn answer_browser(mut stream: TcpStream, state: &str, issuer: &str) -> Option<Result<String, Failure>> {
    stream.set_nonblocking(false).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let mut line = String::new();
    BufReader::new(stream.try_clone().ok()?.take(REQUEST_BYTES_MAX)).read_line(&mut line).ok()?;
    let target = line.split(' ').nth(1)?;
    let address = Url::parse("http://127.0.0.1/").ok()?.join(target).ok()?;
    if address.path() != "/callback" {
        respond(&mut stream, "404 Not Found", "There is nothing here.");
        return None;
    }
    let parameter = |name: &str| address.query_pairs().find(|(k, _)| k == name).map(|(_, v)| v.into_owned());
    // Whoever else on this machine guesses the port does not know the state: keep waiting.
    if parameter("state").as_deref() != Some(state) {
        respond(&mut stream, "400 Bad Request", "This is not the answer that was waited for.");
        return None;
    }
    // RFC 9207 section 2.4: the issuer in the answer must be the one that was asked.
    let outcome = match (parameter("iss").as_deref() == Some(issuer), parameter("code"), parameter("error")) {
        (false, _, _) => Err(Failure::Failed("the answer names another issuer".to_owned())),
        (true, Some(code), None) => Ok(code),
        (true, _, error) => {
            Err(Failure::Denied(format!("sign-in was refused: {}", error.unwrap_or_default())))
        }
    };
    let text = if outcome.is_ok() { "Signed in. You can close this page." } else { "Sign-in was refused." };
    respond(&mut stream, "200 OK", text);
    Some(outcome)
}

fn respond(stream: &mut TcpStream, status: &str, text: &str) {
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
         Connection: close\r\n\r\n{text}",
        text.len()
    );
    drop(stream.write_all(answer.as_bytes()));
}

fn credentials_file(env: &BTreeMap<String, String>) -> Result<PathBuf, Failure> {
    let base = match (env.get("XDG_CONFIG_HOME").filter(|v| !v.is_empty()), env.get("HOME")) {
        (Some(directory), _) => PathBuf::from(directory),
        (None, Some(home)) => Path::new(home).join(".config"),
        (None, None) => return Err(Failure::Usage("neither XDG_CONFIG_HOME nor HOME is set".to_owned())),
    };
    Ok(base.join("signet/credentials.json"))
}

/// What is kept, by issuer; nothing where the file is absent or no longer readable.
fn read(path: &Path) -> Map<String, Value> {
    std::fs::read_to_string(path).ok().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
}

/// Writes a new file and renames it, so that no reader sees half of it and no old mode survives.
fn keep(path: &Path, issuer: &Url, tokens: &Value) -> Result<(), Failure> {
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
    let failed = |e: std::io::Error| Failure::Failed(format!("{}: {e}", path.display()));
    let directory = path.parent().unwrap_or(Path::new("."));
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
    let mut all = read(path);
    all.insert(
        issuer.to_string(),
        json!({
            "access_token": tokens.get("access_token"),
            "refresh_token": tokens.get("refresh_token"),
            "expires_at": now_seconds() + tokens.get("expires_in").and_then(Value::as_u64).unwrap_or(0),
        }),
    );
    let fresh = path.with_extension(format!("new-{}", std::process::id()));
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh).map_err(failed)?;
    file.write_all(Value::Object(all).to_string().as_bytes()).map_err(failed)?;
    std::fs::rename(&fresh, path).map_err(failed)
}

fn now_seconds() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "a command has no request whose time it could use")]
    let now = SystemTime::now();
    now.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}
