//! All SQL about kept answers. A row that is over counts for nothing, whether it was swept or not.

use ::store::{FromRow, Result, Row, Rx, Sql, Tx};
use base::Timestamp;

use super::{Answer, Asked, KEPT_SECONDS};

/// A row of a key.
pub(super) struct Found {
    pub(super) digest: String,
    pub(super) created_at: Timestamp,
    /// None while it is only claimed.
    pub(super) answer: Option<Answer>,
}

impl FromRow for Found {
    fn from_row(row: &Row) -> Result<Self> {
        let answer = match row.find("status")? {
            None => None,
            Some(status) => Some(Answer {
                status,
                headers: row.get("headers")?,
                body: row.find("body")?,
                secret_omitted: row.get("secret_omitted")?,
            }),
        };
        Ok(Self { digest: row.get("request_digest")?, created_at: row.get("created_at")?, answer })
    }
}

/// Finds the row of a key.
pub(super) async fn find(rx: &mut Rx, asked: &Asked, now: Timestamp) -> Result<Option<Found>> {
    let sql = Sql::new(
        "SELECT request_digest, status, headers, body, secret_omitted, created_at FROM idempotency_keys \
         WHERE tenant_id = $1 AND principal_id = $2 AND route = $3 AND key = $4 AND expires_at > $5",
    )
    .bind(asked.scope())
    .bind(&asked.principal)
    .bind(&asked.route)
    .bind(&asked.key.0)
    .bind(now);
    rx.optional(sql).await
}

/// Claims a key; false if another request has it. Waits for one that is about to have it.
pub(super) async fn claim(tx: &mut Tx, asked: &Asked, now: Timestamp) -> Result<bool> {
    let sql = Sql::new(
        "INSERT INTO idempotency_keys (tenant_id, principal_id, route, key, request_digest, created_at, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) \
         ON CONFLICT (tenant_id, principal_id, route, key) DO UPDATE SET \
           request_digest = excluded.request_digest, status = NULL, headers = excluded.headers, body = NULL, \
           secret_omitted = excluded.secret_omitted, created_at = excluded.created_at, \
           expires_at = excluded.expires_at \
         WHERE idempotency_keys.expires_at <= $6 RETURNING key",
    )
    .bind(asked.scope())
    .bind(&asked.principal)
    .bind(&asked.route)
    .bind(&asked.key.0)
    .bind(&asked.digest)
    .bind(now)
    .bind(now.plus_seconds(KEPT_SECONDS));
    // Not `execute`: this row is written by whatever purpose the request's first change has.
    Ok(tx.optional::<String>(sql).await?.is_some())
}

/// Adds the answer to the claim of the same request.
pub(super) async fn complete(tx: &mut Tx, asked: &Asked, answer: &Answer) -> Result<()> {
    let sql = Sql::new(
        "UPDATE idempotency_keys SET status = $1, headers = $2, body = $3, secret_omitted = $4 \
         WHERE tenant_id = $5 AND principal_id = $6 AND route = $7 AND key = $8 AND request_digest = $9 \
           AND status IS NULL",
    )
    .bind(answer.status)
    .bind(&answer.headers)
    .bind(answer.body.as_deref())
    .bind(answer.secret_omitted)
    .bind(asked.scope())
    .bind(&asked.principal)
    .bind(&asked.route)
    .bind(&asked.key.0)
    .bind(&asked.digest);
    tx.execute(sql).await?;
    Ok(())
}

/// Keeps the answer of a request that changed nothing; what is there already stays.
pub(super) async fn insert(tx: &mut Tx, asked: &Asked, answer: &Answer, now: Timestamp) -> Result<()> {
    let sql = Sql::new(
        "INSERT INTO idempotency_keys (tenant_id, principal_id, route, key, request_digest, status, headers, \
           body, secret_omitted, created_at, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
         ON CONFLICT (tenant_id, principal_id, route, key) DO UPDATE SET \
           request_digest = excluded.request_digest, status = excluded.status, headers = excluded.headers, \
           body = excluded.body, secret_omitted = excluded.secret_omitted, created_at = excluded.created_at, \
           expires_at = excluded.expires_at \
         WHERE idempotency_keys.expires_at <= $10",
    )
    .bind(asked.scope())
    .bind(&asked.principal)
    .bind(&asked.route)
    .bind(&asked.key.0)
    .bind(&asked.digest)
    .bind(answer.status)
    .bind(&answer.headers)
    .bind(answer.body.as_deref())
    .bind(answer.secret_omitted)
    .bind(now)
    .bind(now.plus_seconds(KEPT_SECONDS));
    tx.execute(sql).await?;
    Ok(())
}
