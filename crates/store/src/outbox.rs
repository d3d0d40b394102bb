//! The job outbox: jobs committed with the change that asks for them, run at least once afterwards.

use base::Timestamp;

use crate::{FromRow, Result, Row, Sql, Tx};

/// How often a job is tried before it is left for a person.
pub const ATTEMPTS_MAX: i64 = 20;
/// How long a worker holds a job, in seconds.
pub const LEASE_SECONDS: i64 = 60;

/// A job to be done.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its id.
    pub id: String,
    /// The tenant it belongs to.
    pub tenant_id: Option<String>,
    /// What kind of job, `noun.verb`.
    pub kind: String,
    /// Its parameters; no secret.
    pub payload: serde_json::Value,
    /// How often it was tried.
    pub attempts: i64,
}

impl FromRow for Job {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            tenant_id: row.find("tenant_id")?,
            kind: row.get("kind")?,
            payload: row.get("payload")?,
            attempts: row.get("attempts")?,
        })
    }
}

/// Adds a job to the transaction.
pub async fn enqueue(tx: &mut Tx, job: &Job, now: Timestamp) -> Result<()> {
    tx.execute(
        Sql::new(
            "INSERT INTO outbox (id, tenant_id, kind, payload, created_at, not_before) VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(&job.id)
        .bind(job.tenant_id.as_deref())
        .bind(&job.kind)
        .bind(&job.payload)
        .bind(now)
        .bind(now),
    )
    .await?;
    Ok(())
}

/// Leases the next job that is due, if there is one. Two workers never hold the same job at once while
/// its lease lasts.
pub async fn lease(tx: &mut Tx, now: Timestamp) -> Result<Option<Job>> {
    tx.optional(
        Sql::new(
            "UPDATE outbox SET leased_until = $1, attempts = attempts + 1 WHERE id = (\
               SELECT id FROM outbox WHERE done_at IS NULL AND not_before <= $2 AND attempts < $3 \
               AND (leased_until IS NULL OR leased_until < $2) ORDER BY not_before, id LIMIT 1) \
             AND done_at IS NULL AND (leased_until IS NULL OR leased_until < $2) \
             RETURNING id, tenant_id, kind, payload, attempts",
        )
        .bind(now.plus_seconds(LEASE_SECONDS))
        .bind(now)
        .bind(ATTEMPTS_MAX),
    )
    .await
}

/// Marks a job as done.
pub async fn complete(tx: &mut Tx, job_id: &str, now: Timestamp) -> Result<()> {
    tx.execute(
        Sql::new("UPDATE outbox SET done_at = $1, leased_until = NULL WHERE id = $2").bind(now).bind(job_id),
    )
    .await?;
    Ok(())
}

/// Puts a job back after a failure, to be tried after a growing pause (1 s, 2 s, 4 s … one hour).
pub async fn fail(tx: &mut Tx, job: &Job, error: &str, now: Timestamp) -> Result<()> {
    let pause = 1_i64.checked_shl(u32::try_from(job.attempts).unwrap_or(12)).unwrap_or(3600).min(3600);
    tx.execute(
        Sql::new("UPDATE outbox SET not_before = $1, leased_until = NULL, last_error = $2 WHERE id = $3")
            .bind(now.plus_seconds(pause))
            .bind(error)
            .bind(&job.id),
    )
    .await?;
    Ok(())
}

/// The statement that removes jobs that were done before an instant.
pub fn done_before(before: Timestamp, limit: i64) -> Sql {
    Sql::new(
        "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox \
         WHERE done_at IS NOT NULL AND done_at < $1 ORDER BY done_at LIMIT $2)",
    )
    .bind(before)
    .bind(limit)
}

/// The statement that removes jobs that were tried [`ATTEMPTS_MAX`] times, the last time before an instant.
pub fn dead_before(before: Timestamp, limit: i64) -> Sql {
    Sql::new(
        "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox \
         WHERE done_at IS NULL AND not_before < $1 AND attempts >= $2 ORDER BY not_before, id LIMIT $3)",
    )
    .bind(before)
    .bind(ATTEMPTS_MAX)
    .bind(limit)
}
