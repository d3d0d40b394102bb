//! `apply` and `export`: a tenant declared in one YAML file.
//!
//! Never: rules of its own about what may be done. Every change goes through the inner verbs of the
//! slices that own the nouns, each authorised as its own operation.
//!
//! Reading order: [`file`] (the format), [`client`] (secrets, on the caller's machine).

pub mod client;
pub mod file;
