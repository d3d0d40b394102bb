//! Verbs about key rings, on real databases.

mod lives;
mod secrets;
mod steps;
mod uses;
mod world;
