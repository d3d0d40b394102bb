//! The whole application: the real binary on both databases, driven through its public interface.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod access;
mod admin;
mod api;
mod apply;
mod catalogue;
mod crash;
mod database;
mod harness;
mod idempotency;
mod keys;
mod layers;
mod maintenance;
mod nodes;
mod policies;
mod relying_parties;
mod schema_fuzz;
mod tenants;
mod tokens;
mod upgrade;
mod users;
