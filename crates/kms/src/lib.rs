//! Crate kms.
