//! Tests of the policy engine through its public interface.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod decisions;
mod documents;
mod engine;
mod explain;
mod expressions;
mod generate;
mod known;
mod laws;
mod naive;
mod names;
mod parser_fuzz;
mod random;
mod reference;
mod world;
