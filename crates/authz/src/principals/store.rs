//! All SQL that writes principals, and the look-up of one.

use ::store::{FromRow, Row, Rx, Sql, StoreError};
use base::Timestamp;
use base::id::{PrincipalId, TenantId};

use super::{PrincipalKind, PrincipalRow};
use crate::access::Registration;
use crate::{Result, Tx};

impl FromRow for PrincipalRow {
    fn from_row(row: &Row) -> ::store::Result<Self> {
        let kind: String = row.get("kind")?;
        let status: String = row.get("status")?;
        let evaluation: Option<serde_json::Value> = row.find("evaluation")?;
        // INVARIANT: only registrations that parsed are stored.
        let registration = evaluation.map(Registration::from_value).transpose().map_err(|error| {
            StoreError::Shape { column: "evaluation".to_owned(), found: error.to_string() }
        })?;
        Ok(Self {
            id: row.get("id")?,
            kind: PrincipalKind::parse(&kind)
                .ok_or_else(|| StoreError::Shape { column: "kind".to_owned(), found: kind })?,
            active: status == "active",
            registration,
        })
    }
}

fn status(active: bool) -> &'static str {
    if active { "active" } else { "inactive" }
}

pub(super) async fn insert(
    tx: &mut Tx,
    tenant: &TenantId,
    id: &PrincipalId,
    kind: PrincipalKind,
    active: bool,
    now: Timestamp,
) -> Result<()> {
    tx.execute(
        Sql::new(
            "INSERT INTO principals (id, tenant_id, kind, status, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(id)
        .bind(tenant)
        .bind(kind.as_str())
        .bind(status(active))
        .bind(now)
        .bind(now),
    )
    .await?;
    Ok(())
}

pub(super) async fn set_active(
    tx: &mut Tx,
    tenant: &TenantId,
    id: &PrincipalId,
    active: bool,
    now: Timestamp,
) -> Result<u64> {
    let sql = Sql::new("UPDATE principals SET status = $1, updated_at = $2 WHERE tenant_id = $3 AND id = $4")
        .bind(status(active))
        .bind(now)
        .bind(tenant)
        .bind(id);
    Ok(tx.execute(sql).await?)
}

pub(super) async fn set_registration(
    tx: &mut Tx,
    tenant: &TenantId,
    id: &PrincipalId,
    registration: Option<&Registration>,
    now: Timestamp,
) -> Result<u64> {
    let sql = Sql::new(
        "UPDATE principals SET evaluation = $1, updated_at = $2 \
         WHERE tenant_id = $3 AND id = $4 AND kind = 'client'",
    )
    .bind(registration.map(Registration::to_value))
    .bind(now)
    .bind(tenant)
    .bind(id);
    Ok(tx.execute(sql).await?)
}

pub(super) async fn delete(tx: &mut Tx, tenant: &TenantId, id: &PrincipalId) -> Result<u64> {
    let sql = Sql::new("DELETE FROM principals WHERE tenant_id = $1 AND id = $2").bind(tenant).bind(id);
    Ok(tx.execute(sql).await?)
}

pub(super) async fn find(rx: &mut Rx, tenant: &TenantId, id: &PrincipalId) -> Result<Option<PrincipalRow>> {
    let sql =
        Sql::new("SELECT id, kind, status, evaluation FROM principals WHERE tenant_id = $1 AND id = $2")
            .bind(tenant)
            .bind(id);
    Ok(rx.optional(sql).await?)
}
