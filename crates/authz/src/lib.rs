//! The decision point and its evidence: who calls ([`Cx`]), may they ([`Cx::authorize`] gives a
//! [`Permit`]), and what they then read and write ([`Cx::read`], [`Cx::write`]).
//!
//! Owns roles, policies, permissions, resources, groups, memberships and the narrow `principals` row.
//! Never: profiles, credentials.
//!
//! INVARIANT: a write needs a [`Tx`], a `Tx` needs a [`Permit`], and only [`Cx::authorize`] and
//! [`Cx::purpose`] make one; so authorization cannot be forgotten, it would not compile. Slices never
//! open a connection themselves (`clippy.toml` bans it outside this crate).
//!
//! Reading order: [`action`], [`api`], [`cx`], [`permit`], [`change`], [`snapshot`], [`event`], [`idempotency`], then the nouns.

pub mod access;
pub mod action;
pub mod api;
pub mod boundaries;
mod ceilings;
mod change;
pub mod cx;
pub mod direct;
pub mod effective;
mod error;
pub mod escalation;
pub mod event;
mod facts;
pub mod freshness;
pub mod groups;
pub mod guardrails;
mod http;
pub mod idempotency;
pub mod listing;
pub mod name;
pub mod permissions;
pub mod permit;
pub mod platform;
pub mod policies;
pub mod principals;
mod refresh;
pub mod resources;
pub mod roles;
pub mod snapshot;
pub mod sweep;

use std::sync::Arc;

use utoipa_axum::router::OpenApiRouter;
use web::CursorKey;

pub use action::Action;
pub use api::Api;
pub use change::Change;
pub use cx::{Actor, Core, Cx, Place, TenantRef};
pub use error::{Error, Result};
pub use event::Event;
pub use facts::Circumstances;
pub use listing::{Listed, Listing};
pub use name::{Name, Target};
pub use permit::{Permit, Purpose, Tx};
pub use store::Rx;
pub use sweep::{BATCH_ROWS, Swept};

/// What the routes of the slice need besides the context of each request. Cheap to clone.
#[derive(Clone)]
pub struct Service(Arc<CursorKey>);

impl Service {
    /// Wires the slice with the key of its cursors, used for nothing else.
    pub fn new(cursors: CursorKey) -> Self {
        Self(Arc::new(cursors))
    }

    pub(crate) fn cursors(&self) -> &CursorKey {
        &self.0
    }
}

/// The operations inside one tenant, to be nested under `/t/{tenant}`.
pub fn tenant_routes(service: Service) -> OpenApiRouter {
    roles::http::routes()
        .merge(groups::http::routes())
        .merge(resources::http::routes())
        .merge(policies::http::routes())
        .merge(guardrails::http::routes())
        .merge(guardrails::platform::http::tenant_routes())
        .merge(boundaries::http::routes())
        .merge(direct::http::routes())
        .merge(effective::http::routes())
        .merge(permissions::http::tenant_routes())
        .with_state(service)
        .merge(access::tenant_routes())
}

/// The operations of the platform.
pub fn platform_routes(service: Service) -> OpenApiRouter {
    permissions::http::platform_routes()
        .merge(guardrails::platform::http::platform_routes())
        .with_state(service)
}
