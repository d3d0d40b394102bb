//! The verbs of the decision point on both databases.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod access;
mod effective;
mod escalation;
mod explain;
mod follow;
mod guards;
mod idempotency;
mod layers;
mod links;
mod lists;
mod matrix;
mod nouns;
mod points;
mod policies;
mod queue;
mod scopes;
mod snapshots;
mod sweep;
mod trees;
mod world;
