//! SQLite: the size of the file.

use crate::{Result, Sql, Tx};

/// Pages given back at most at a time: 16 MiB at the usual page size.
const PAGES_MAX: &str = "PRAGMA incremental_vacuum(4096)";

/// Gives free pages back to the file system. Makes nothing, and says so.
pub(super) async fn give_pages_back(tx: &mut Tx) -> Result<u64> {
    tx.execute(Sql::new(PAGES_MAX)).await?;
    Ok(0)
}
