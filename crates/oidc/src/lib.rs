//! OAuth 2.1 and OpenID Connect provider: clients, grants, tokens, consent, discovery.
//!
//! Everything of a tenant lives under its issuer, `/t/{code}`. Authorization codes with S256, refresh
//! tokens that rotate, and client credentials; nothing else. Access tokens are signed (RFC 9068), but a row
//! stands behind each, so that what is revoked stops within [`bearer::RECHECK_SECONDS`] everywhere.
//!
//! INVARIANTS: a code serves once and its second use revokes what came of the first; a refresh token
//! serves once (see [`token`] for the grace); scopes never widen; an error goes to a redirect address only
//! after that address was matched; no token, code or secret is stored, only digests.
//!
//! Never: password hashes of people.
//!
//! Reading order: [`protocol`], [`clients`], [`keys`], [`authorize`], [`token`], [`bearer`], then the rest.

pub mod authorize;
pub mod bearer;
pub mod clients;
mod endpoints;
mod error;
pub mod grants;
mod issue;
pub mod keys;
mod pages;
pub mod protocol;
pub mod secrets;
mod sweep;
pub mod token;

use std::sync::Arc;

use authz::Core;
use base::id::TenantId;
use kms::Kms;
use quick_cache::sync::Cache;
use utoipa_axum::router::OpenApiRouter;
use web::page::CursorKey;

pub use bearer::BearerError;
pub use clients::{
    Client, ClientChange, ClientStatus, DefaultClients, NewClient, create_client_in, delete_client_in,
    find_client, find_client_by_client_id, list_clients, seed_default_clients_in, set_secret_in,
    update_client_in,
};
pub use error::{Error, Result};
pub use secrets::{FreshSecret, SecretHash, Secrets};

/// Clients that are kept in memory.
const CLIENTS_MAX: usize = 10_000;

/// What differs between installations.
#[derive(Debug, Clone)]
pub struct Config {
    /// The public address, without a slash at the end.
    pub public_url: String,
    /// The bcrypt cost of new client secrets, at least 10.
    pub secret_cost: u32,
}

impl Config {
    /// The usual set-up for a public address.
    pub fn new(public_url: impl Into<String>) -> Self {
        let public_url = public_url.into().trim_end_matches('/').to_owned();
        Self { public_url, secret_cost: secrets::COST }
    }
}

/// The slice. Cheap to clone.
#[derive(Clone)]
pub struct Service(Arc<Inner>);

type ClientKey = (TenantId, String);

struct Inner {
    core: Core,
    kms: Kms,
    directory: directory::Service,
    authn: authn::Service,
    config: Config,
    keys: keys::Keys,
    secrets: Secrets,
    clients: Cache<ClientKey, (i64, Arc<Client>)>,
    bearers: bearer::Verified,
    cursors: CursorKey,
}

impl Service {
    /// Wires the slice.
    pub fn new(
        core: Core,
        kms: Kms,
        directory: directory::Service,
        authn: authn::Service,
        config: Config,
    ) -> Self {
        Self(Arc::new(Inner {
            keys: keys::Keys::new(core.clone(), kms.clone()),
            secrets: Secrets::new(&kms, config.secret_cost),
            clients: Cache::new(CLIENTS_MAX),
            bearers: bearer::Verified::new(),
            cursors: CursorKey::new(*kms.derive("oidc cursors 1").expose()),
            config,
            core,
            kms,
            directory,
            authn,
        }))
    }

    /// How the slice is set up.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// The tenants' signing keys.
    pub fn keys(&self) -> &keys::Keys {
        &self.0.keys
    }

    /// Client secrets.
    pub fn secrets(&self) -> &Secrets {
        &self.0.secrets
    }

    fn core(&self) -> &Core {
        &self.0.core
    }

    fn client_cache(&self) -> &Cache<ClientKey, (i64, Arc<Client>)> {
        &self.0.clients
    }
}

/// The routes of a tenant, relative to `/t/{tenant}`.
pub fn tenant_routes(service: Service) -> OpenApiRouter {
    OpenApiRouter::new()
        .merge(clients::http::routes(service.clone()))
        .merge(endpoints::consents::routes(service.clone()))
        .merge(protocol_routes(service))
}

/// The endpoints whose form a standard prescribes.
fn protocol_routes(service: Service) -> OpenApiRouter {
    OpenApiRouter::new()
        .merge(endpoints::discovery::routes(service.clone()))
        .merge(token::http::routes(service.clone()))
        .merge(endpoints::introspection::routes(service.clone()))
        .merge(endpoints::userinfo::routes(service.clone()))
        .merge(authorize::http::routes(service.clone()))
        .merge(endpoints::logout::routes(service))
}

/// Routes at the root: the well-known addresses of RFC 8414 section 3.1, which stand before the path of
/// an issuer.
pub fn root_routes(service: Service) -> OpenApiRouter {
    endpoints::discovery::root_routes(service)
}
