//! Pools, transactions, migrations, the audit append and the job outbox, on SQLite and PostgreSQL
//! behind one code path.
//!
//! Each statement is written once, in SQL that both databases read, with `$1` placeholders; see
//! [`Sql`]. Nothing outside this crate asks which database it is on.
//!
//! Never: HTTP, domain words. INVARIANT: statement text is made of `&'static str` fragments only, so no
//! input can become SQL.
//!
//! Reading order: [`sql`], [`value`], [`pool`], [`changes`], [`list`], [`audit`], [`outbox`],
//! [`search`], [`migrate`], [`look`], [`verify`], [`upkeep`].

pub mod audit;
pub mod changes;
mod error;
mod keys;
pub mod list;
pub mod lock;
pub mod look;
pub mod migrate;
mod migrations;
mod notices;
pub mod outbox;
mod planner;
pub mod pool;
pub mod search;
pub mod sql;
#[cfg(feature = "testing")]
pub mod testing;
pub mod upkeep;
pub mod value;
pub mod verify;

pub use audit::{AuditRow, Outcome};
pub use changes::{Change, Changed};
pub use error::{Result, StoreError};
pub use keys::KeyDatabase;
pub use list::{ListColumn, ScalarKind, Scan, Scanned};
pub use look::Look;
pub use notices::Notice;
pub use pool::{Backend, Quiet, Rx, Scope, Store, StoreOptions, Tx};
pub use sql::Sql;
pub use value::{Bind, Column, FromRow, Row, Value};
