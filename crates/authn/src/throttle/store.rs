//! All SQL about throttles.

use authz::{Rx, Tx};
use base::Timestamp;
use base::id::TenantId;
use store::{FromRow, Row, Sql};

use super::WINDOW_SECONDS;
use crate::Result;

/// When a key is blocked, and until when at the limit and at each failure after it.
pub(super) struct Limit {
    pub(super) failures_max: i64,
    pub(super) blocked_until: [Timestamp; 6],
}

/// Adds a failure to a key; false, and nothing is changed, while the key is blocked. One statement, so
/// that attempts at once are counted one after the other.
pub(super) async fn charge(
    tx: &mut Tx,
    key: &str,
    tenant: &TenantId,
    limit: &Limit,
    now: Timestamp,
) -> Result<bool> {
    let [b0, b1, b2, b3, b4, b5] = limit.blocked_until;
    let window = now.plus_seconds(-WINDOW_SECONDS);
    // A key starts anew when its window is over, or when it has been free for a window after a block.
    let sql = Sql::new(
        "INSERT INTO throttles (key, tenant_id, failures, window_started_at, blocked_until, updated_at) \
         VALUES ($1, $2, 1, $3, NULL, $3) \
         ON CONFLICT (key) DO UPDATE SET \
           failures = CASE WHEN coalesce(throttles.blocked_until, throttles.window_started_at) <= $4 THEN 1 \
             ELSE throttles.failures + 1 END, \
           window_started_at = CASE \
             WHEN coalesce(throttles.blocked_until, throttles.window_started_at) <= $4 THEN $3 \
             ELSE throttles.window_started_at END, \
           blocked_until = CASE \
             WHEN coalesce(throttles.blocked_until, throttles.window_started_at) <= $4 THEN NULL \
             WHEN throttles.failures + 1 < $5 THEN NULL \
             WHEN throttles.failures + 1 = $5 THEN $6 \
             WHEN throttles.failures = $5 THEN $7 \
             WHEN throttles.failures = $5 + 1 THEN $8 \
             WHEN throttles.failures = $5 + 2 THEN $9 \
             WHEN throttles.failures = $5 + 3 THEN $10 \
             ELSE $11 END, \
           updated_at = $3 \
         WHERE throttles.blocked_until IS NULL OR throttles.blocked_until <= $3 \
         RETURNING failures",
    )
    .bind(key)
    .bind(tenant)
    .bind(now)
    .bind(window)
    .bind(limit.failures_max)
    .bind(b0)
    .bind(b1)
    .bind(b2)
    .bind(b3)
    .bind(b4)
    .bind(b5);
    Ok(tx.optional::<i64>(sql).await?.is_some())
}

struct Until(Option<Timestamp>);

impl FromRow for Until {
    fn from_row(row: &Row) -> store::Result<Self> {
        Ok(Self(row.find("blocked_until")?))
    }
}

/// Until when a key is blocked.
pub(super) async fn blocked_until(rx: &mut Rx, key: &str) -> Result<Option<Timestamp>> {
    let sql = Sql::new("SELECT blocked_until FROM throttles WHERE key = $1").bind(key);
    Ok(rx.optional::<Until>(sql).await?.and_then(|found| found.0))
}

/// Forgets a key.
pub(super) async fn forget(tx: &mut Tx, key: &str) -> Result<()> {
    tx.execute(Sql::new("DELETE FROM throttles WHERE key = $1").bind(key)).await?;
    Ok(())
}

/// Takes one failure back, and the block that it alone brought about.
pub(super) async fn give_back(tx: &mut Tx, key: &str, failures_max: i64) -> Result<()> {
    let sql = Sql::new(
        "UPDATE throttles SET failures = failures - 1, \
           blocked_until = CASE WHEN failures <= $2 THEN NULL ELSE blocked_until END \
         WHERE key = $1 AND failures > 0",
    );
    tx.execute(sql.bind(key).bind(failures_max)).await?;
    Ok(())
}
