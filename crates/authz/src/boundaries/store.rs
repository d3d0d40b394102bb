//! All SQL about boundaries, except what decisions load.

use ::store::{FromRow, Row, Rx, Sql};
use base::Timestamp;
use base::id::{PolicyId, PrincipalId, TenantId};

use super::Boundary;
use crate::{Result, Tx};

impl FromRow for Boundary {
    fn from_row(row: &Row) -> ::store::Result<Self> {
        Ok(Self {
            policy_id: row.get("id")?,
            name: row.get("name")?,
            set_at: row.get("set_at")?,
            set_by: row.find("set_by")?,
        })
    }
}

pub(super) async fn find(rx: &mut Rx, tenant: &TenantId, id: &PrincipalId) -> Result<Option<Boundary>> {
    let sql = Sql::new(
        "SELECT p.id, p.name, b.set_at, b.set_by FROM principal_boundaries b \
         JOIN policies p ON p.id = b.policy_id AND p.tenant_id = b.tenant_id \
         WHERE b.tenant_id = $1 AND b.principal_id = $2",
    );
    Ok(rx.optional(sql.bind(tenant).bind(id)).await?)
}

pub(super) async fn count(rx: &mut Rx, tenant: &TenantId, policy: &PolicyId) -> Result<i64> {
    let sql = Sql::new("SELECT count(*) FROM principal_boundaries WHERE tenant_id = $1 AND policy_id = $2");
    Ok(rx.one(sql.bind(tenant).bind(policy)).await?)
}

pub(super) async fn put(
    tx: &mut Tx,
    tenant: &TenantId,
    id: &PrincipalId,
    policy: &PolicyId,
    at: (Timestamp, Option<&str>),
) -> Result<u64> {
    let sql = Sql::new(
        "INSERT INTO principal_boundaries (principal_id, tenant_id, policy_id, set_at, set_by) \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (principal_id) DO UPDATE SET \
         policy_id = excluded.policy_id, set_at = excluded.set_at, set_by = excluded.set_by",
    );
    Ok(tx.execute(sql.bind(id).bind(tenant).bind(policy).bind(at.0).bind(at.1)).await?)
}

pub(super) async fn remove(tx: &mut Tx, tenant: &TenantId, id: &PrincipalId) -> Result<u64> {
    let sql = Sql::new("DELETE FROM principal_boundaries WHERE tenant_id = $1 AND principal_id = $2");
    Ok(tx.execute(sql.bind(tenant).bind(id)).await?)
}
