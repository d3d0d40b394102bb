//! Crate directory.
