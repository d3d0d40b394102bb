//! All SQL about the policies of resources, except what decisions load.

use ::store::{FromRow, Row, Rx, Sql};
use base::id::{ResourceId, TenantId};

use super::{RESOURCE_POLICIES_MAX, ResourcePolicy};
use crate::{Result, Tx};

impl FromRow for ResourcePolicy {
    fn from_row(row: &Row) -> ::store::Result<Self> {
        Ok(Self {
            resource_id: row.get("resource_id")?,
            document: row.get("document")?,
            version: row.get("version")?,
            created_at: row.get("created_at")?,
            updated_at: row.get("updated_at")?,
        })
    }
}

fn select() -> Sql {
    Sql::new(
        "SELECT resource_id, document, version, created_at, updated_at FROM resource_policies WHERE tenant_id = ",
    )
}

pub(super) async fn find(rx: &mut Rx, tenant: &TenantId, id: &ResourceId) -> Result<Option<ResourcePolicy>> {
    Ok(rx.optional(select().value(tenant).push(" AND resource_id = ").value(id)).await?)
}

pub(super) async fn list(rx: &mut Rx, tenant: &TenantId) -> Result<Vec<ResourcePolicy>> {
    let sql = select().value(tenant).push(" ORDER BY resource_id LIMIT ").value(RESOURCE_POLICIES_MAX);
    Ok(rx.all(sql).await?)
}

pub(super) async fn count(rx: &mut Rx, tenant: &TenantId) -> Result<i64> {
    Ok(rx.one(Sql::new("SELECT count(*) FROM resource_policies WHERE tenant_id = $1").bind(tenant)).await?)
}

/// Writes a policy if there is still this version of it; 0 is none.
pub(super) async fn put(tx: &mut Tx, tenant: &TenantId, policy: &ResourcePolicy, before: i64) -> Result<u64> {
    let sql = Sql::new(
        "INSERT INTO resource_policies (resource_id, tenant_id, document, version, created_at, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (resource_id) DO UPDATE SET document = excluded.document, \
         version = excluded.version, updated_at = excluded.updated_at WHERE resource_policies.version = $7",
    )
    .bind(&policy.resource_id)
    .bind(tenant)
    .bind(&policy.document)
    .bind(policy.version)
    .bind(policy.created_at)
    .bind(policy.updated_at)
    .bind(before);
    Ok(tx.execute(sql).await?)
}

pub(super) async fn delete(tx: &mut Tx, tenant: &TenantId, id: &ResourceId) -> Result<u64> {
    let sql = Sql::new("DELETE FROM resource_policies WHERE tenant_id = $1 AND resource_id = $2");
    Ok(tx.execute(sql.bind(tenant).bind(id)).await?)
}
