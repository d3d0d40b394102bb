//! What a database needs from time to time, which differs by database: one file for each, behind one
//! function; and the one node that sees to it.

mod postgres;
mod sqlite;

use sqlx::PgConnection;

use crate::{Backend, Result, Store, Tx};

/// The key of PostgreSQL's advisory lock: the bytes of `signetUP`.
const ADVISORY_LOCK: i64 = 0x7369_676e_6574_5550;

/// Held by the one node that sees to the upkeep; given back when dropped, also when the process dies.
pub struct Lead {
    /// INVARIANT: a connection of its own, outside the pool: closing it gives the lock back, whatever
    /// becomes of the future that held it.
    _connection: Option<PgConnection>,
}

/// Takes the lead, if no other node has it. On SQLite there is no other node.
pub async fn lead(store: &Store) -> Result<Option<Lead>> {
    let Some(mut connection) = store.postgres_login().await? else {
        return Ok(Some(Lead { _connection: None }));
    };
    let taken: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
        .bind(ADVISORY_LOCK)
        .fetch_one(&mut connection)
        .await?;
    Ok(taken.then_some(Lead { _connection: Some(connection) }))
}

/// Makes ahead of time what the database will need: on PostgreSQL the audit partitions of this month and
/// the next twelve. Returns how many were made; on SQLite there is nothing to make.
///
/// On SQLite, gives pages that are free back to the file system instead, a bounded number at a time.
pub async fn prepare_ahead(tx: &mut Tx) -> Result<u64> {
    match tx.backend() {
        Backend::Postgres => postgres::make_partitions(tx).await,
        Backend::Sqlite => sqlite::give_pages_back(tx).await,
    }
}
