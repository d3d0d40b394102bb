//! `apply` and `export`: a tenant declared in one YAML file.
//!
//! Never: rules of its own about what may be done. Every change goes through the inner verbs of the
//! slices that own the nouns, each authorised as its own operation.
//!
//! INVARIANT: a file is applied as a whole or not at all. INVARIANT: no plan, error or export holds a
//! secret or a hash.
//!
//! Reading order: [`file`] (the format), [`client`] (secrets, on the caller's machine), `state` (what is
//! there), [`plan`] (what has to change), [`apply`] (doing it), [`export`], `http`.

pub mod apply;
pub mod client;
mod error;
pub mod export;
pub mod file;
mod http;
pub mod plan;
mod state;

pub use apply::{ApplyAnswer, ApplyRequest, Service};
pub use error::{Error, Result};
pub use http::{platform_routes, tenant_routes};
