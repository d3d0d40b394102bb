//! All SQL about check values.

use authz::{Rx, Tx};
use base::Timestamp;
use store::Sql;

use crate::Result;

/// The check value of this name.
pub(super) async fn find(rx: &mut Rx, name: &str) -> Result<Option<Vec<u8>>> {
    Ok(rx.optional(Sql::new("SELECT value FROM key_checks WHERE name = $1").bind(name)).await?)
}

/// Stores a check value unless one of this name is there. True if it was stored.
pub(super) async fn insert_unless_there(
    tx: &mut Tx,
    name: &str,
    value: &[u8],
    now: Timestamp,
) -> Result<bool> {
    let sql = Sql::new(
        "INSERT INTO key_checks (name, value, created_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
    );
    Ok(tx.execute(sql.bind(name).bind(value).bind(now)).await? == 1)
}
