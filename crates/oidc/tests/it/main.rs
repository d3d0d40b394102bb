//! The slice on both databases, through its routes.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod clients;
mod flow;
mod hostile;
mod service;
mod stops;
mod sweep;
mod world;
