//! Crate oidc.
