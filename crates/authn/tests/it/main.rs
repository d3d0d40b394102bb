//! The slice on both databases, by verbs and through its routes.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod imported;
mod pages;
mod passwords;
mod rest;
mod sessions;
mod sign_in;
mod world;
