//! The slice over HTTP on both databases: one world for each database and test.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod billing;
mod deletion;
mod openapi;
mod platforms;
mod seeds;
mod tenants;
mod users;
mod values;
mod world;
