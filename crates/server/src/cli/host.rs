//! Commands on the host itself: they open the database, without listeners, as the actor `os:{uid}`.

use std::io::{IsTerminal, Read, Write};
use std::sync::Arc;
use std::time::Duration;

use authz::cx::RequestContext;
use authz::{Actor, Cx, Place, TenantRef};
use base::{Problem, Secret};
use store::StoreError;

use super::{Failure, print, say};
use crate::app::{self, Services};
use crate::config::Config;
use crate::maintenance;

/// A password of more bytes than this is no password (bcrypt reads 72).
const PASSWORD_BYTES_MAX: u64 = 4096;
/// How often and with what pause it is looked whether another node has finished its maintenance.
const LEAD_LOOKS_MAX: u32 = 50;
const LEAD_PAUSE: Duration = Duration::from_millis(200);

/// Opens the composition root; refuses a schema that is not this binary's.
pub(super) async fn open(config: &Config) -> Result<Services, Failure> {
    Ok(app::open(config, false).await?)
}

/// The context of whoever runs the command.
pub(super) fn host_cx(services: &Services, place: Place) -> Cx {
    let actor = Actor::Host { uid: rustix::process::getuid().as_raw() };
    Cx::new(services.core.clone(), place, actor, RequestContext::none(services.core.now()))
}

/// The tenant of this code. Fails with exit 4 if there is none.
pub(super) async fn tenant(services: &Services, code: &str) -> Result<Arc<TenantRef>, Failure> {
    services
        .directory
        .tenant_by_code(code)
        .await
        .map_err(Problem::from)?
        .ok_or_else(|| Failure::NotFound(format!("there is no tenant `{code}`")))
}

/// Waits for the audit queue and closes the database.
pub(super) async fn close(services: &Services) {
    services.core.flush_audit().await;
    services.core.store().close().await;
}

pub(super) fn failed(error: StoreError) -> Failure {
    let cause = std::error::Error::source(&error).map(|s| format!(": {s}")).unwrap_or_default();
    match error {
        StoreError::OtherSchema(text) | StoreError::Configuration(text) => Failure::Usage(text),
        error => Failure::Failed(format!("{error}{cause}")),
    }
}

pub(super) async fn set_password(
    config: &Config,
    tenant_code: &str,
    username: &str,
    permanent: bool,
) -> Result<(), Failure> {
    let password = read_password()?;
    let services = open(config).await?;
    let cx = host_cx(&services, Place::Tenant(tenant(&services, tenant_code).await?));
    let outcome = services.authn.set_password_by_host(&cx, username, password, !permanent).await;
    close(&services).await;
    outcome.map_err(Problem::from)?;
    print(&format!("the password of {username} is set; all sessions of {username} have ended\n"));
    Ok(())
}

/// Reads one line; without echo on a terminal, and then twice.
fn read_password() -> Result<Secret<String>, Failure> {
    let unreadable = |e: std::io::Error| Failure::Failed(format!("standard input: {e}"));
    if std::io::stdin().is_terminal() {
        let first = read_hidden("new password: ")?;
        let second = read_hidden("again: ")?;
        if first.expose() != second.expose() {
            return Err(Failure::Usage("the two passwords differ".to_owned()));
        }
        return Ok(first);
    }
    let mut text = String::new();
    std::io::stdin().lock().take(PASSWORD_BYTES_MAX).read_to_string(&mut text).map_err(unreadable)?;
    Ok(Secret::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}

fn read_hidden(prompt: &str) -> Result<Secret<String>, Failure> {
    use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
    let unreadable = |e: std::io::Error| Failure::Failed(format!("terminal: {e}"));
    let mut err = std::io::stderr();
    err.write_all(prompt.as_bytes()).and_then(|()| err.flush()).map_err(unreadable)?;
    let stdin = std::io::stdin();
    let before = tcgetattr(&stdin).map_err(|e| unreadable(e.into()))?;
    let mut hidden = before.clone();
    hidden.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&stdin, OptionalActions::Now, &hidden).map_err(|e| unreadable(e.into()))?;
    let mut line = String::new();
    let read = stdin.read_line(&mut line);
    tcsetattr(&stdin, OptionalActions::Now, &before).map_err(|e| unreadable(e.into()))?;
    say("");
    read.map_err(unreadable)?;
    Ok(Secret::new(line.trim_end_matches(['\r', '\n']).to_owned()))
}

pub(super) async fn maintain(config: &Config) -> Result<(), Failure> {
    let services = open(config).await?;
    let outcome = run_jobs(&services).await;
    close(&services).await;
    outcome
}

/// Runs every job, also after one that failed.
async fn run_jobs(services: &Services) -> Result<(), Failure> {
    let mut lead = None;
    for _ in 0..LEAD_LOOKS_MAX {
        lead = store::upkeep::lead(services.core.store()).await.map_err(failed)?;
        if lead.is_some() {
            break;
        }
        tokio::time::sleep(LEAD_PAUSE).await;
    }
    let Some(lead) = lead else {
        return Err(Failure::Failed("another node is at it; try again in a minute".to_owned()));
    };
    let mut failures = Vec::new();
    let mut total = 0;
    for job in maintenance::JOBS {
        match maintenance::run(services, job).await {
            Ok(swept) => {
                total += authz::Swept::total(&swept);
                for done in maintenance::rows(&swept) {
                    print(&format!("{:24} {}\n", done.kind, done.rows));
                }
            }
            Err(problem) => failures.push(format!("{}: {}", job.name, problem.private_chain())),
        }
    }
    drop(lead);
    if total == 0 {
        print("nothing to clear away\n");
    }
    if failures.is_empty() { Ok(()) } else { Err(Failure::Failed(failures.join("\n"))) }
}

pub(super) async fn openapi(config: &Config) -> Result<(), Failure> {
    let services = open(config).await?;
    let (_, document) = app::routes(&services);
    let text = document.to_pretty_json().map_err(|e| Failure::Failed(e.to_string()))?;
    print(&text);
    print("\n");
    close(&services).await;
    Ok(())
}
