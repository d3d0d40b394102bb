//! Crate authz.
