//! Platforms, tenants and the people in them.
//!
//! A tenant is one isolated organisation under `/t/{code}`; its code, issuer and account number never
//! change. A user belongs to one tenant and is a principal there: every change of a person's status
//! changes the principal in the same transaction.
//!
//! INVARIANT: whoever acts on a person, except that person, is not outranked by them (see
//! [`authz::roles`]). INVARIANT: no answer holds a password hash; [`User`] does not even carry it.
//!
//! Never: checking credentials (that is `authn`'s), OAuth.
//!
//! Reading order: [`platforms`], [`tenants`], [`config`], [`users`], [`users::StatusChange`], [`seeds`].

pub mod config;
mod error;
mod fields;
pub mod password;
pub mod platforms;
pub mod seeds;
mod sweep;
pub mod tenants;
pub mod users;

use std::sync::Arc;

use authz::{Core, TenantRef};
use base::id::TenantId;
use kms::Kms;
use utoipa_axum::router::OpenApiRouter;
use web::CursorKey;

pub use config::TenantConfig;
pub use error::{Error, Result};
pub use password::PasswordHash;
pub use platforms::{DEFAULT_PLATFORM_ID, Platform};
pub use seeds::{
    ADMIN_ID, ADMIN_USERNAME, DEFAULT_TENANT_CODE, DEFAULT_TENANT_ID, seed_admin_in, seed_default_tenant_in,
    seed_demo_user_in,
};
pub use tenants::{NewTenant, Tenant, TenantChange, TenantStatus};
pub use users::{NewUser, Profile, StatusChange, User, UserChange, UserStatus};

/// The slice: what its routes need, and the look-up of tenants. Cheap to clone.
#[derive(Clone)]
pub struct Service(Arc<Inner>);

struct Inner {
    core: Core,
    cursors: CursorKey,
    kms: Kms,
    public_url: String,
    deletion_hold_seconds: i64,
    tenants: tenants::Cache,
    calls: tenants::Calls,
}

impl Service {
    /// Wires the slice. The public URL has no slash at the end; the issuers of new tenants begin with it.
    pub fn new(core: Core, kms: Kms, public_url: String) -> Self {
        Self::with_deletion_hold(core, kms, public_url, tenants::deletion::DELETION_HOLD_SECONDS_DEFAULT)
    }

    /// Wires the slice where deleted tenants are kept for so many seconds before they are purged.
    pub fn with_deletion_hold(core: Core, kms: Kms, public_url: String, deletion_hold_seconds: i64) -> Self {
        let cursors = CursorKey::new(*kms.derive("directory cursors 1").expose());
        let public_url = public_url.trim_end_matches('/').to_owned();
        let tenants = tenants::Cache::new();
        let calls = tenants::Calls::default();
        Self(Arc::new(Inner { core, cursors, kms, public_url, deletion_hold_seconds, tenants, calls }))
    }

    /// The public URL, without a slash at the end.
    pub fn public_url(&self) -> &str {
        &self.0.public_url
    }

    /// How long a deleted tenant is kept before it is purged, in seconds.
    pub fn deletion_hold_seconds(&self) -> i64 {
        self.0.deletion_hold_seconds
    }

    /// The tenant whose code stands in an address; none if there is no such tenant or it is deleted.
    pub async fn tenant_by_code(&self, code: &str) -> Result<Option<Arc<TenantRef>>> {
        self.0.tenants.by_code(&self.0.core, code).await
    }

    /// The tenant of an issuer; none if there is no such tenant or it is deleted.
    pub async fn tenant_by_issuer(&self, issuer: &str) -> Result<Option<Arc<TenantRef>>> {
        self.0.tenants.by_issuer(&self.0.core, issuer).await
    }

    /// The tenant of an id; none if there is no such tenant or it is deleted.
    pub async fn tenant_by_id(&self, id: &TenantId) -> Result<Option<Arc<TenantRef>>> {
        self.0.tenants.by_id(&self.0.core, id).await
    }

    pub(crate) fn kms(&self) -> &Kms {
        &self.0.kms
    }

    pub(crate) fn cursors(&self) -> &CursorKey {
        &self.0.cursors
    }
}

/// The operations inside one tenant, to be nested under `/t/{tenant}`.
pub fn tenant_routes(service: Service) -> OpenApiRouter {
    tenants::http::tenant_routes().merge(users::http::routes()).with_state(service)
}

/// The operations of the platform.
pub fn platform_routes(service: Service) -> OpenApiRouter {
    platforms::http::platform_routes().merge(tenants::http::platform_routes()).with_state(service)
}
