//! PostgreSQL: audit partitions.

use crate::{Result, Sql, Tx};

/// Months ahead of this one for which partitions are kept ready.
const MONTHS_AHEAD: i64 = 12;

/// Makes what is missing, through the database's own function, and says how many partitions came.
pub(super) async fn make_partitions(tx: &mut Tx) -> Result<u64> {
    let count = "SELECT count(*) AS n FROM pg_inherits WHERE inhparent = 'audit_logs'::regclass";
    let before: i64 = tx.one(Sql::new(count)).await?;
    let make = "SELECT CAST(create_future_partitions(CAST($1 AS integer)) AS bigint) AS n";
    let _covered: i64 = tx.one(Sql::new(make).bind(MONTHS_AHEAD)).await?;
    let after: i64 = tx.one(Sql::new(count)).await?;
    Ok(u64::try_from(after - before).unwrap_or(0))
}
