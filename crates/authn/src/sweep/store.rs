//! All SQL that clears away.

use authz::{Rx, Tx};
use base::Timestamp;
use base::id::{TenantId, UserId};
use store::Sql;

use crate::Result;

/// Marks sessions that are over.
pub(super) fn expire_sessions(now: Timestamp, limit: i64) -> Sql {
    Sql::new(
        "UPDATE user_sessions SET status = 'EXPIRED', ended_at = expires_at, end_reason = 'expired' \
         WHERE id IN (SELECT id FROM user_sessions WHERE status = 'ACTIVE' AND expires_at <= $1 \
           ORDER BY expires_at LIMIT $2)",
    )
    .bind(now)
    .bind(limit)
}

/// Removes sessions that ended, and would have been over by then in any case.
pub(super) fn old_sessions(before: Timestamp, limit: i64) -> Sql {
    Sql::new(
        "DELETE FROM user_sessions WHERE id IN \
         (SELECT id FROM user_sessions WHERE status <> 'ACTIVE' AND expires_at < $1 \
          ORDER BY expires_at LIMIT $2)",
    )
    .bind(before)
    .bind(limit)
}

/// Removes throttles that nobody touched since.
pub(super) fn old_throttles(before: Timestamp, limit: i64) -> Sql {
    Sql::new(
        "DELETE FROM throttles WHERE key IN \
         (SELECT key FROM throttles WHERE updated_at < $1 ORDER BY updated_at LIMIT $2)",
    )
    .bind(before)
    .bind(limit)
}

/// Removes links that were over by then.
pub(super) fn old_links(before: Timestamp, limit: i64) -> Sql {
    Sql::new(
        "DELETE FROM password_reset_tokens WHERE id IN \
         (SELECT id FROM password_reset_tokens WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)",
    )
    .bind(before)
    .bind(limit)
}

/// The tenant that follows another in the order of ids; an empty text stands before the first.
pub(super) async fn next_tenant(rx: &mut Rx, after: &str) -> Result<Option<TenantId>> {
    let sql = Sql::new("SELECT id FROM tenants WHERE id > $1 AND deleted_at IS NULL ORDER BY id LIMIT 1");
    Ok(rx.optional(sql.bind(after)).await?)
}

/// The next people of a tenant, in the order of ids.
pub(super) async fn people_with_history(
    rx: &mut Rx,
    tenant: &TenantId,
    after: Option<&UserId>,
    limit: i64,
) -> Result<Vec<UserId>> {
    let sql = Sql::new("SELECT id FROM users WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3")
        .bind(tenant)
        .bind(after.map_or("", |id| id.as_str()))
        .bind(limit);
    Ok(rx.all(sql).await?)
}

/// Removes all but the newest rows of each of these people, from the first to the last of them.
pub(super) async fn remove_history(
    tx: &mut Tx,
    (first, last): (&UserId, &UserId),
    tenant: &TenantId,
    keep: i64,
) -> Result<u64> {
    let sql = Sql::new(
        "DELETE FROM password_history WHERE id IN (SELECT id FROM \
         (SELECT h.id AS id, row_number() OVER (PARTITION BY h.user_id ORDER BY h.changed_at DESC, h.id DESC) \
            AS place FROM password_history h JOIN users u ON u.id = h.user_id \
          WHERE u.tenant_id = $1 AND h.user_id >= $2 AND h.user_id <= $3) ranked WHERE place > $4)",
    )
    .bind(tenant)
    .bind(first)
    .bind(last)
    .bind(keep);
    Ok(tx.execute(sql).await?)
}
