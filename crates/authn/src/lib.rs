//! Crate authn.
