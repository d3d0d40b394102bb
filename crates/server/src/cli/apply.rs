//! `signet apply` and `signet export`: over HTTP as whoever signed in, or on the host.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use authz::Place;
use base::Problem;
use clap::Args;
use serde_json::{Value, json};

use super::http::{Answer, agent, server_url};
use super::{Failure, host, login, print};
use crate::config::Config;

/// A file of more bytes than this is refused before it is read.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// No secret is longer; a larger file is cut here and then refused as a secret.
const SECRET_BYTES_MAX: u64 = 4096;

/// How to reach the server.
#[derive(Debug, Args)]
pub(crate) struct Remote {
    /// The server; default SIGNET_URL, then http://localhost:8080.
    #[arg(long)]
    pub(super) url: Option<String>,
    /// The tenant whose user you are; platform administrators are users of `default`.
    #[arg(long = "as", value_name = "TENANT", default_value = directory::DEFAULT_TENANT_CODE)]
    pub(super) tenant: String,
    /// An access token with the scope `signet`; default SIGNET_TOKEN, then what `signet login` kept.
    #[arg(long, hide_env_values = true)]
    pub(super) token: Option<String>,
}

/// What `signet apply` takes.
#[derive(Debug, Args)]
pub(crate) struct ApplyArguments {
    /// The YAML file, or `-` for standard input.
    file: PathBuf,
    /// Prints the plan and changes nothing.
    #[arg(long)]
    dry_run: bool,
    /// Opens the database on this host instead of asking a server; the actor is `os:{uid}`.
    #[arg(long)]
    pub(super) host: bool,
    /// Prints the whole answer as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

/// What `signet export` takes.
#[derive(Debug, Args)]
pub(crate) struct ExportArguments {
    /// The tenant's code.
    code: String,
    /// Opens the database on this host instead of asking a server; the actor is `os:{uid}`.
    #[arg(long)]
    pub(super) host: bool,
    #[command(flatten)]
    remote: Remote,
}

/// Reads the file and resolves its secret references on this machine.
fn request(
    arguments: &ApplyArguments,
    env: &BTreeMap<String, String>,
) -> Result<manifest::ApplyRequest, Failure> {
    use std::io::Read;
    let name = arguments.file.display().to_string();
    let unreadable = |e: std::io::Error| Failure::Usage(format!("{name}: cannot be read: {e}"));
    let mut text = String::new();
    if arguments.file == Path::new("-") {
        std::io::stdin().lock().take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(unreadable)?;
    } else {
        let file = std::fs::File::open(&arguments.file).map_err(unreadable)?;
        file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(unreadable)?;
    }
    let secrets = manifest::client::resolve_secrets(&name, &text, &|name| env.get(name).cloned(), &|path| {
        let mut bytes = Vec::new();
        std::fs::File::open(path)?.take(SECRET_BYTES_MAX).read_to_end(&mut bytes)?;
        Ok(bytes)
    })
    .map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        Failure::Failed(lines.join("\n"))
    })?;
    Ok(manifest::ApplyRequest {
        file_name: name,
        text,
        secrets,
        dry_run: arguments.dry_run,
        expected_policy_version: None,
    })
}

pub(crate) fn apply_remote(
    arguments: &ApplyArguments,
    env: &BTreeMap<String, String>,
) -> Result<(), Failure> {
    let server = server_url(arguments.remote.url.as_deref(), env)?;
    let request = request(arguments, env)?;
    let token =
        login::access_token(arguments.remote.token.as_deref(), &server, &arguments.remote.tenant, env)?;
    // A user of the default tenant asks the platform; anyone else asks their own tenant.
    let path = match arguments.remote.tenant.as_str() {
        directory::DEFAULT_TENANT_CODE => "/api/v1/apply".to_owned(),
        tenant => format!("/t/{tenant}/api/v1/apply"),
    };
    let address = server.join(&path).map_err(|e| Failure::Usage(e.to_string()))?;
    let secrets: BTreeMap<&String, &String> = request.secrets.iter().map(|(k, v)| (k, v.expose())).collect();
    let body = json!({
        "file_name": request.file_name,
        "text": request.text,
        "secrets": secrets,
        "dry_run": request.dry_run,
    });
    let response = agent()
        .post(address.as_str())
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .send(body.to_string());
    let answer = Answer::read(response, &address)?.json()?;
    show(&answer, arguments.json);
    Ok(())
}

pub(super) async fn apply_host(
    config: &Config,
    arguments: &ApplyArguments,
    env: &BTreeMap<String, String>,
) -> Result<(), Failure> {
    let request = request(arguments, env)?;
    let services = host::open(config).await?;
    let cx = host::host_cx(&services, Place::Platform);
    let outcome = services.manifest.apply(&cx, request).await;
    host::close(&services).await;
    let answer = outcome.map_err(Problem::from)?;
    let answer = serde_json::to_value(answer).map_err(|e| Failure::Failed(e.to_string()))?;
    show(&answer, arguments.json);
    Ok(())
}

fn show(answer: &Value, as_json: bool) {
    if as_json {
        print(&format!("{answer:#}\n"));
    } else {
        print(answer["diff"].as_str().unwrap_or_default());
    }
}

pub(crate) fn export_remote(
    arguments: &ExportArguments,
    env: &BTreeMap<String, String>,
) -> Result<(), Failure> {
    let server = server_url(arguments.remote.url.as_deref(), env)?;
    let token =
        login::access_token(arguments.remote.token.as_deref(), &server, &arguments.remote.tenant, env)?;
    let path = match arguments.remote.tenant.as_str() {
        directory::DEFAULT_TENANT_CODE => format!("/api/v1/export/{}", arguments.code),
        tenant => format!("/t/{tenant}/api/v1/export"),
    };
    let address = server.join(&path).map_err(|e| Failure::Usage(e.to_string()))?;
    let response = agent().get(address.as_str()).header("authorization", format!("Bearer {token}")).call();
    let answer = Answer::read(response, &address)?;
    if !(200..300).contains(&answer.status) {
        answer.json()?;
    }
    print(&answer.text);
    Ok(())
}

pub(super) async fn export_host(config: &Config, arguments: &ExportArguments) -> Result<(), Failure> {
    let services = host::open(config).await?;
    let cx = host::host_cx(&services, Place::Platform);
    let outcome = services.manifest.export(&cx, &arguments.code).await;
    host::close(&services).await;
    print(&outcome.map_err(Problem::from)?);
    Ok(())
}
