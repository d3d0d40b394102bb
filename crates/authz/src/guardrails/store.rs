//! All SQL about guardrails, except what decisions load.

use ::store::{FromRow, Row, Rx, Sql};
use base::Timestamp;
use base::id::{PolicyId, TenantId};

use super::Guardrail;
use crate::{Result, Tx};

impl FromRow for Guardrail {
    fn from_row(row: &Row) -> ::store::Result<Self> {
        Ok(Self {
            policy_id: row.get("id")?,
            name: row.get("name")?,
            attached_at: row.get("attached_at")?,
            attached_by: row.find("attached_by")?,
        })
    }
}

pub(super) async fn list(rx: &mut Rx, tenant: &TenantId) -> Result<Vec<Guardrail>> {
    let sql = Sql::new(
        "SELECT p.id, p.name, g.attached_at, g.attached_by FROM tenant_guardrails g \
         JOIN policies p ON p.id = g.policy_id AND p.tenant_id = g.tenant_id \
         WHERE g.tenant_id = $1 ORDER BY p.name_key",
    );
    Ok(rx.all(sql.bind(tenant)).await?)
}

pub(super) async fn list_ids(rx: &mut Rx, tenant: &TenantId) -> Result<Vec<PolicyId>> {
    let sql = Sql::new("SELECT policy_id FROM tenant_guardrails WHERE tenant_id = $1 ORDER BY policy_id");
    Ok(rx.all(sql.bind(tenant)).await?)
}

pub(super) async fn attach(
    tx: &mut Tx,
    tenant: &TenantId,
    policy: &PolicyId,
    at: (Timestamp, Option<&str>),
) -> Result<u64> {
    let sql = Sql::new(
        "INSERT INTO tenant_guardrails (tenant_id, policy_id, attached_at, attached_by) \
         VALUES ($1, $2, $3, $4) ON CONFLICT (tenant_id, policy_id) DO NOTHING",
    );
    Ok(tx.execute(sql.bind(tenant).bind(policy).bind(at.0).bind(at.1)).await?)
}

pub(super) async fn detach(tx: &mut Tx, tenant: &TenantId, policy: &PolicyId) -> Result<u64> {
    let sql = Sql::new("DELETE FROM tenant_guardrails WHERE tenant_id = $1 AND policy_id = $2");
    Ok(tx.execute(sql.bind(tenant).bind(policy)).await?)
}
