//! The first start: default data, the default admin, and the rules while its password still stands.

use std::sync::Arc;

use authz::{Cx, Event, Place, Purpose, TenantRef};
use base::Secret;
use directory::TenantConfig;
use oidc::clients::DefaultClients;

use crate::app::{Services, StartError, start_error};
use crate::config::Config;

/// The password that the acceptance document gives the default admin; see `docs/adr/`.
const DEFAULT_PASSWORD: &str = "Admin@123";

/// How long the link to the first password is valid, in seconds.
const LINK_SECONDS: i64 = 3600;

/// What whoever starts the server must be told once.
#[derive(Debug, Default)]
pub struct Notices {
    /// Lines for the console; some hold a secret that is shown only here.
    pub lines: Vec<String>,
}

/// Makes the default data if the database has none. Safe when two nodes start at once: the rows have
/// fixed ids, and the second writer finds them.
///
/// `acceptance` leaves the default password even on PostgreSQL: `signet migrate up --seed` uses it, as
/// the acceptance document asks, and `serve` then applies its own rules.
pub async fn seed(services: &Services, config: &Config, acceptance: bool) -> Result<Notices, StartError> {
    let mut notices = Notices::default();
    if exists(services).await? {
        notices.lines.extend(lost_link(services).await?);
        return Ok(notices);
    }
    check_first_password(config)?;
    // An operator's password replaces the default right after, in `guard_default_password`. Without one, an
    // installation that others may reach begins with no password at all.
    let by_link = (config.public_url_given || config.is_postgres())
        && config.bootstrap_password.is_none()
        && !acceptance;
    let platform = services.core.system(Place::Platform);
    let admin = async {
        if by_link {
            return services.authn.unusable_hash();
        }
        services.authn.hash_password(Secret::new(DEFAULT_PASSWORD.to_owned())).await
    };
    // Secrets are made and hashed before the transaction, side by side: inside it, only SQL is awaited.
    let (hash, clients) = tokio::join!(admin, DefaultClients::prepare(services.oidc.secrets(), &platform));
    let hash = hash.map_err(|e| start_error("default admin", e))?;
    let clients = clients.map_err(|e| start_error("default clients", e))?;
    match write(services, config, &platform, hash, &clients).await {
        Ok(()) => {}
        // Another node was faster: its data is the data.
        Err(_) if exists(services).await? => return Ok(notices),
        Err(error) => return Err(error),
    }
    for (client_id, secret) in clients.secrets() {
        notices.lines.push(format!("client {client_id} has the secret {} (shown only now)", secret.expose()));
    }
    if by_link {
        notices.lines.push(one_time_link(services).await?);
    }
    Ok(notices)
}

/// What helps where the one-time link of an earlier start was not opened.
async fn lost_link(services: &Services) -> Result<Option<String>, StartError> {
    let lacks = services.authn.default_admin_lacks_password().await;
    let lacks = lacks.map_err(|e| start_error("default admin", e))?;
    Ok(lacks.then(|| {
        "the admin has no password yet: open the link of the first start, or if it is lost or over, run \
         `signet user set-password admin` on this host"
            .to_owned()
    }))
}

/// A first password that breaks the rules stops the start before anything is written: otherwise the
/// default password would be left behind.
fn check_first_password(config: &Config) -> Result<(), StartError> {
    let Some(password) = &config.bootstrap_password else { return Ok(()) };
    let no_id = |_| StartError::Failed("the default tenant's id is no id".to_owned());
    let rules = TenantRef {
        id: directory::DEFAULT_TENANT_ID.parse().map_err(no_id)?,
        code: directory::DEFAULT_TENANT_CODE.to_owned(),
        issuer: String::new(),
        name: String::new(),
        active: true,
        config: TenantConfig::default().to_value(),
    };
    let checked = authn::check_new_password(&rules, directory::ADMIN_USERNAME, password);
    checked.map(drop).map_err(|problem| {
        let mut text = format!("SIGNET_BOOTSTRAP_ADMIN_PASSWORD: {}", problem.detail());
        for error in problem.errors() {
            text.push_str(&format!("\n- {}", error.detail));
        }
        StartError::Refused(text)
    })
}

async fn exists(services: &Services) -> Result<bool, StartError> {
    let found = services.directory.tenant_by_code(directory::DEFAULT_TENANT_CODE).await;
    Ok(found.map_err(|e| start_error("default tenant", e))?.is_some())
}

/// Writes all default data in one transaction.
async fn write(
    services: &Services,
    config: &Config,
    cx: &Cx,
    hash: directory::PasswordHash,
    clients: &DefaultClients,
) -> Result<(), StartError> {
    let permit = cx.purpose(Purpose::Bootstrap);
    let mut tx = cx.write(&permit).await.map_err(|e| start_error("default data", e))?;
    let tenant = directory::seed_default_tenant_in(cx, &mut tx, &permit, &config.public_origin())
        .await
        .map_err(|e| start_error("default tenant", e))?;
    directory::seed_admin_in(cx, &mut tx, &permit, hash)
        .await
        .map_err(|e| start_error("default admin", e))?;
    if config.demo {
        directory::seed_demo_user_in(cx, &mut tx, &permit).await.map_err(|e| start_error("demo user", e))?;
    }
    let inside = services.core.system(Place::Tenant(Arc::new(tenant.to_ref())));
    let tenant_permit = inside.purpose(Purpose::Bootstrap);
    oidc::clients::seed_default_clients_in(&inside, &mut tx, &tenant_permit, clients)
        .await
        .map_err(|e| start_error("default clients", e))?;
    tx.record(&permit, Event::done("system.initialised", permit.name()).summary("SYSTEM_INIT"));
    tx.commit().await.map_err(|e| start_error("default data", e))
}

async fn one_time_link(services: &Services) -> Result<String, StartError> {
    let admin = directory::ADMIN_ID
        .parse()
        .map_err(|_| StartError::Failed("the default admin's id is no id".to_owned()))?;
    let cx = inside_default(services).await?;
    let link = services.authn.one_time_link(&cx, &admin, LINK_SECONDS).await;
    let link = link.map_err(|e| start_error("one-time link", e))?;
    Ok(format!("the admin has no password yet: open {} within an hour to choose one", link.url.expose()))
}

/// The system inside the default tenant.
async fn inside_default(services: &Services) -> Result<Cx, StartError> {
    let tenant = services.directory.tenant_by_code(directory::DEFAULT_TENANT_CODE).await;
    let tenant = tenant
        .map_err(|e| start_error("default tenant", e))?
        .ok_or_else(|| StartError::Failed("the default tenant does not exist".to_owned()))?;
    Ok(services.core.system(Place::Tenant(tenant)))
}

/// The rules while the default password still stands: applies the operator's password, refuses to be
/// reached from beyond this machine, and says what is open.
pub async fn guard_default_password(services: &Services, config: &Config) -> Result<Notices, StartError> {
    let mut notices = Notices::default();
    let stands = services.authn.default_admin_stands().await.map_err(|e| start_error("default admin", e))?;
    if !stands {
        return Ok(notices);
    }
    if let Some(password) = &config.bootstrap_password {
        services
            .authn
            .bootstrap_password(password.clone())
            .await
            .map_err(|e| start_error("SIGNET_BOOTSTRAP_ADMIN_PASSWORD", e))?;
        notices.lines.push(
            "the default admin's password is now the one you gave; it must be changed at sign-in".to_owned(),
        );
        return Ok(notices);
    }
    if !config.is_loopback_only() {
        return Err(StartError::Refused(format!(
            "the default admin still has the default password, so Signet does not listen on {} as {}.\n\
             Do one of these first:\n\
             - set SIGNET_BOOTSTRAP_ADMIN_PASSWORD or SIGNET_BOOTSTRAP_ADMIN_PASSWORD_FILE and start again\n\
             - run `signet user set-password admin` on this host\n\
             - start on loopback (listen 127.0.0.1, public_url http://localhost:PORT), sign in as admin and change it",
            config.listen,
            config.public_origin(),
        )));
    }
    notices.lines.push(format!(
        "sign in at {}/t/default/ as admin with Admin@123, from this machine only; you must then change the password",
        config.public_origin()
    ));
    Ok(notices)
}
