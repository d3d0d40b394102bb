//! Crate audit.
