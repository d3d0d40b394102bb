//! The policy engine: reads policy documents, compiles the roles of one tenant into a snapshot, and answers
//! "may they?" with the statements that decided.
//!
//! The language is the part of the AWS policy language that this version means exactly: `Effect`, `Action` and
//! `Resource` with the wildcards `*` and `?`. What belongs to the later language (`NotAction`, `NotResource`,
//! `Condition`, `Principal`, `NotPrincipal`, `${…}` variables) is refused when the document is read, because a
//! condition that is silently dropped turns a narrow allow into a wide one.
//!
//! The crate is pure and total: no input makes it panic, and it knows no IO, no clock, no global. An answer
//! depends only on the snapshot, the set of held roles, the action and the resource; the order in which roles and
//! policies are listed changes nothing, not even the reasons.
//!
//! A statement made in code ([`Statement::within`]) may also cover a resource with all that lies in it, by the tree
//! that the snapshot holds; documents name resources by patterns only.
//!
//! It never decides **whose** a name is. A snapshot holds one tenant, and a bare `*` matches every name that is
//! put to it. The caller refuses foreign names first, with [`ResourceName::stated_tenant`] and its registry.
//!
//! Reading order: [`name`] (what a request may ask about), [`pattern`] (what a statement may say about it),
//! [`document`] (from JSON to statements), [`snapshot`] (from roles to a decision).

pub mod document;
pub mod expression;
pub mod name;
pub mod pattern;
pub mod snapshot;

pub use document::{Document, Effect, ParseError, Statement};
pub use name::{ActionName, NameError, ResourceName};
pub use pattern::{ActionPattern, PatternError, ResourcePattern};
pub use snapshot::{
    Because, CompileError, Decision, Denial, LinkInput, PermissionInput, PolicyInput, RoleInput, RoleRef,
    Snapshot, Source,
};
