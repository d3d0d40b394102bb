//! All SQL that clears away.

use authz::Tx;
use base::Timestamp;
use store::Sql;

use crate::Result;

/// Marks sessions that are over.
pub(super) async fn expire_sessions(tx: &mut Tx, now: Timestamp, limit: i64) -> Result<u64> {
    let sql = Sql::new(
        "UPDATE user_sessions SET status = 'EXPIRED', ended_at = expires_at, end_reason = 'expired' \
         WHERE id IN (SELECT id FROM user_sessions WHERE status = 'ACTIVE' AND expires_at <= $1 \
           ORDER BY expires_at LIMIT $2)",
    );
    Ok(tx.execute(sql.bind(now).bind(limit)).await?)
}

/// Removes throttles that nobody touched since.
pub(super) async fn remove_throttles(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    let sql = Sql::new(
        "DELETE FROM throttles WHERE key IN \
         (SELECT key FROM throttles WHERE updated_at < $1 ORDER BY updated_at LIMIT $2)",
    );
    Ok(tx.execute(sql.bind(before).bind(limit)).await?)
}

/// Removes links that were over by then.
pub(super) async fn remove_links(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    let sql = Sql::new(
        "DELETE FROM password_reset_tokens WHERE id IN \
         (SELECT id FROM password_reset_tokens WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)",
    );
    Ok(tx.execute(sql.bind(before).bind(limit)).await?)
}
