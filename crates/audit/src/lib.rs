//! The audit log as people and programs read it, and the check that a row still says what was recorded.
//!
//! Writing is not here: events reach the log with the change they belong to, or through the queue of
//! `authz`. Never: another slice's tables, or any statement that changes or removes an event.
//!
//! INVARIANT: a tenant's operation reads that tenant's rows only. The platform's reads the platform's own,
//! or those of one tenant that it names.
//!
//! Reading order: [`events`], [`verify`].

mod error;
pub mod events;
pub mod verify;

use std::sync::Arc;

use utoipa_axum::router::OpenApiRouter;
use web::CursorKey;

pub use error::{Error, Result};
pub use events::{Event, EventList, Filter, Query, Scope, list_events, load_event};
pub use verify::{Tampered, verify_leaf};

/// What the operations of this slice share. Cheap to clone.
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

/// The routes of a tenant.
pub fn tenant_routes(service: Service) -> OpenApiRouter {
    events::http::tenant_routes(service)
}

/// The routes of the platform.
pub fn platform_routes(service: Service) -> OpenApiRouter {
    events::http::platform_routes(service)
}
