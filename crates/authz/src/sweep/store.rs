//! All SQL that clears away in this slice.

use base::Timestamp;
use store::Sql;

/// Removes answers kept for `Idempotency-Key` that are over.
pub(super) fn keys_over(now: Timestamp, limit: i64) -> Sql {
    Sql::new(
        "DELETE FROM idempotency_keys WHERE (tenant_id, principal_id, route, key) IN \
         (SELECT tenant_id, principal_id, route, key FROM idempotency_keys WHERE expires_at <= $1 \
          ORDER BY expires_at LIMIT $2)",
    )
    .bind(now)
    .bind(limit)
}
