//! All SQL about signing keys.

use base::Timestamp;
use base::id::TenantId;
use store::{FromRow, Result, Row, Rx, Sql, Tx};

/// A stored key.
pub(super) struct KeyRow {
    pub(super) kid: String,
    pub(super) algorithm: String,
    pub(super) status: String,
    pub(super) public_jwk: serde_json::Value,
    pub(super) sealed: Vec<u8>,
    pub(super) retire_at: Option<Timestamp>,
}

impl FromRow for KeyRow {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            kid: row.get("id")?,
            algorithm: row.get("algorithm")?,
            status: row.get("status")?,
            public_jwk: row.get("public_jwk")?,
            sealed: row.get("sealed_private")?,
            retire_at: row.find("retire_at")?,
        })
    }
}

/// A key to be stored as active.
pub(super) struct NewKey {
    pub(super) kid: String,
    pub(super) tenant: TenantId,
    pub(super) algorithm: String,
    pub(super) public_jwk: serde_json::Value,
    pub(super) sealed: Vec<u8>,
}

pub(super) async fn list(rx: &mut Rx, tenant: &TenantId) -> Result<Vec<KeyRow>> {
    rx.all(
        Sql::new(
            "SELECT id, algorithm, status, public_jwk, sealed_private, retire_at FROM signing_keys \
             WHERE tenant_id = $1 ORDER BY created_at DESC, id LIMIT 100",
        )
        .bind(tenant),
    )
    .await
}

/// Inserts the key unless the algorithm has an active one; says how many rows.
pub(super) async fn insert(tx: &mut Tx, key: &NewKey, now: Timestamp) -> Result<u64> {
    tx.execute(
        Sql::new(
            "INSERT INTO signing_keys (id, tenant_id, algorithm, status, public_jwk, sealed_private, created_at, \
             activated_at) VALUES ($1, $2, $3, 'active', $4, $5, $6, $7) ON CONFLICT DO NOTHING",
        )
        .bind(&key.kid)
        .bind(&key.tenant)
        .bind(&key.algorithm)
        .bind(&key.public_jwk)
        .bind(key.sealed.as_slice())
        .bind(now)
        .bind(now),
    )
    .await
}

pub(super) async fn retire(
    tx: &mut Tx,
    tenant: &TenantId,
    algorithm: &str,
    retire_at: Timestamp,
) -> Result<u64> {
    tx.execute(
        Sql::new(
            "UPDATE signing_keys SET status = 'retired', retire_at = $3 \
             WHERE tenant_id = $1 AND algorithm = $2 AND status = 'active'",
        )
        .bind(tenant)
        .bind(algorithm)
        .bind(retire_at),
    )
    .await
}
