//! Crate manifest.
