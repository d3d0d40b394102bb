//! `apply` and `export` on both databases.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod apply;
mod http;
mod layers;
mod permissions;
mod world;
