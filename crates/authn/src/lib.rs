//! Who is it: passwords, sign-in, sessions, and the pages that take credentials.
//!
//! A person proves who they are with a password (bcrypt, [`passwords`]); attempts are slowed down
//! without letting anybody lock the owner out (`throttle`); the proof becomes a session of one tenant
//! ([`sessions`]); the pages are rendered on the server and work without JavaScript ([`pages`]).
//!
//! INVARIANT: an attempt to sign in costs exactly one bcrypt of ours, and has one answer, whoever it names;
//! where a tenant has imported hashes that were not used yet, one of those besides.
//! INVARIANT: a session's token and a one-time link are stored as digests only.
//! INVARIANT: `Admin@123` signs in from this machine only, and is never a new password.
//!
//! Never: OAuth grants, except that they end with the session or the password they hang on.
//!
//! Reading order: [`sign_in`], [`throttle`], [`passwords`], [`sessions`], [`forms`], [`pages`], [`http`].

mod error;
mod forms;
mod http;
pub mod pages;
pub mod passwords;
pub mod sessions;
pub mod sign_in;
mod sweep;
mod throttle;

use std::sync::Arc;

use authz::{Core, TenantRef};
use base::Secret;
use directory::TenantConfig;
use kms::Kms;
use utoipa_axum::router::OpenApiRouter;
use web::csrf::CsrfKey;

pub use error::{Error, Result};
pub use forms::{FormGuard, is_return_path};
pub use passwords::{
    BadImport, DEFAULT_ADMIN_PASSWORD, ImportedHash, OneTimeLink, OwnChange, Scheme, check_new_password,
    import_password_in, set_password_in,
};
pub use sessions::{ACR_PASSWORD, Begun, ListedSession, Session, SessionActor, end_session_in, sign_out};
pub use sign_in::Attempt;

use passwords::hasher::Hasher;

/// The bcrypt cost of new passwords where nothing else is configured (requirements B2.4).
pub const BCRYPT_COST: u32 = 12;

/// How the slice is set up.
#[derive(Debug, Clone)]
pub struct Config {
    /// The public address, without a slash at the end.
    pub public_url: String,
    /// Whether the public address is https; cookies then are `__Host-…` and secure.
    pub secure: bool,
    /// The bcrypt cost of new passwords, at least 10.
    pub bcrypt_cost: u32,
}

impl Config {
    /// The usual set-up for a public address.
    pub fn new(public_url: impl Into<String>) -> Self {
        let public_url = public_url.into().trim_end_matches('/').to_owned();
        let secure = public_url.starts_with("https://");
        Self { public_url, secure, bcrypt_cost: BCRYPT_COST }
    }
}

/// The slice. Cheap to clone.
#[derive(Clone)]
pub struct Service(Arc<Inner>);

struct Inner {
    core: Core,
    kms: Kms,
    directory: directory::Service,
    config: Config,
    hasher: Hasher,
    csrf: CsrfKey,
}

impl Service {
    /// Wires the slice. Fails as a bug only.
    pub fn new(core: Core, kms: Kms, directory: directory::Service, config: Config) -> Result<Self> {
        let hasher = Hasher::new(config.bcrypt_cost, core.clone())?;
        let csrf = CsrfKey::new(*kms.derive("authn forms 1").expose());
        Ok(Self(Arc::new(Inner { core, kms, directory, config, hasher, csrf })))
    }

    /// How the slice is set up.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// How often bcrypt has verified since the start: for the tests of constant work, and for metrics.
    pub fn verifications(&self) -> u64 {
        self.0.hasher.verifications()
    }

    pub(crate) fn core(&self) -> &Core {
        &self.0.core
    }

    pub(crate) fn kms(&self) -> &Kms {
        &self.0.kms
    }

    pub(crate) fn directory(&self) -> &directory::Service {
        &self.0.directory
    }

    pub(crate) fn hasher(&self) -> &Hasher {
        &self.0.hasher
    }

    pub(crate) fn csrf(&self) -> &CsrfKey {
        &self.0.csrf
    }
}

/// The routes of a tenant, relative to `/t/{tenant}`: the pages, and the API about passwords and sessions.
pub fn tenant_routes(service: Service) -> OpenApiRouter {
    http::routes().merge(pages::routes()).with_state(service)
}

/// The operations of the platform about first passwords.
pub fn platform_routes(service: Service) -> OpenApiRouter {
    http::platform_routes().with_state(service)
}

/// A fresh copy of a secret that a page or a body gave.
pub(crate) fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

/// The configuration of a tenant.
pub(crate) fn config_of(tenant: &TenantRef) -> Result<TenantConfig> {
    TenantConfig::of(tenant).map_err(|error| Error::Bug(error.into()))
}
