//! The policy engine: reads policy documents, compiles one tenant's roles and policies into a snapshot, and answers
//! "may they?" with the statements that decided.
//!
//! The crate is pure and total: no input makes it panic, and it knows no IO, no clock, no global. An answer
//! depends only on the snapshot, the principal, the action, the resource and the facts given; the order in which
//! roles and policies are listed changes nothing, not even the reasons. A decision without reasons allocates
//! nothing.
//!
//! It never decides **whose** a name is. A snapshot holds one tenant, and a bare `*` matches every name that is
//! put to it. The caller refuses foreign names first, with [`ResourceName::stated_tenant`] and its registry.
//!
//! Reading order: [`name`] (what a request may ask about), [`key`] and [`value`] (what is known of it),
//! [`pattern`] and [`condition`] (what a statement may say about both), [`statement`] and [`document`] (from JSON
//! to statements), [`policy`] (what is attached), [`table`] (statements merged), [`snapshot`] (from layers to a
//! decision).

pub mod cases;
pub mod condition;
pub mod diff;
pub mod document;
pub mod expression;
mod guard;
pub mod key;
pub mod lint;
pub mod name;
pub mod pattern;
pub mod policy;
mod quote;
pub mod reads;
mod shards;
pub mod snapshot;
pub mod statement;
pub mod table;
mod template;
pub mod value;
mod wildcard;
mod words;

pub use document::{Document, Kind, ParseError};
pub use expression::Expression;
pub use key::{Facts, Key, Known, Tagged};
pub use name::{ActionName, NameError, ResourceName};
pub use pattern::{ActionPattern, PatternError, ResourcePattern};
pub use policy::{Policy, RoleRef, Source};
pub use reads::Reads;
pub use snapshot::{
    Answer, Because, CompileError, Decision, Denial, Edit, Explanation, Failed, Identity, Input, Layer, Miss,
    Principal, Request, RoleInput, Snapshot, Unmet,
};
pub use statement::{Effect, Statement};
pub use table::Table;
pub use template::VariableError;
pub use value::{Stored, Value};
