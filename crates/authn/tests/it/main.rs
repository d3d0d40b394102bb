//! The slice on both databases, by verbs and through its routes.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod pages;
mod passwords;
mod rest;
mod sessions;
mod sign_in;
mod world;
