//! A lock by name that a transaction holds until it ends, for what rows alone cannot order.

use crate::{Backend, Result, Rx, Sql, Tx};

/// Makes other transactions that ask for the same name wait until this one ends. To be asked for before any
/// row is written, so that nobody waits in a ring. On SQLite there is one writer, who waits for nobody.
///
/// A trigger of PostgreSQL takes the same lock with `pg_advisory_xact_lock(hashtextextended(name, 0))`.
pub async fn hold(tx: &mut Tx, name: &str) -> Result<()> {
    let rx: &mut Rx = tx;
    if rx.backend() == Backend::Postgres {
        let sql = "SELECT CAST(1 AS bigint) AS n \
                   FROM (SELECT pg_advisory_xact_lock(hashtextextended($1, 0))) AS held";
        let _held: i64 = rx.one(Sql::new(sql).bind(name)).await?;
    }
    Ok(())
}
