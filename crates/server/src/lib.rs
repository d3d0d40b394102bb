//! The binary's parts: configuration, composition root, listeners, workers, commands.
//!
//! No domain rule lives here: whatever decides something belongs to a slice. A library so that the
//! whole-app tests and the benchmarks can use the same composition root.
//!
//! Reading order: [`config`], [`app`], `context`, [`bootstrap`], [`serve`], `maintenance`,
//! [`cli`].

mod access_log;
pub mod app;
pub mod bootstrap;
pub mod cli;
pub mod config;
mod context;
mod docs;
mod errors;
mod idempotency;
mod maintenance;
mod metrics;
pub mod serve;

/// Version, commit and build time, as `signet --version` prints them.
pub const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (commit ",
    env!("SIGNET_BUILD_COMMIT"),
    ", built ",
    env!("SIGNET_BUILD_TIME"),
    ")"
);
