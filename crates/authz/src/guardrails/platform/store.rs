//! All SQL about the platform's guardrails, except what decisions load.

use ::store::{FromRow, Row, Rx, Sql};
use base::id::TenantId;

use super::{GuardrailId, PLATFORM_GUARDRAILS_MAX, PlatformGuardrail};
use crate::{Result, Tx};

impl FromRow for PlatformGuardrail {
    fn from_row(row: &Row) -> ::store::Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            name: row.get("name")?,
            description: row.find("description")?,
            document: row.get("document")?,
            only_tenant: row.find("only_tenant_id")?,
            version: row.get("version")?,
            created_at: row.get("created_at")?,
            updated_at: row.get("updated_at")?,
        })
    }
}

fn select() -> Sql {
    Sql::new(
        "SELECT id, name, description, document, only_tenant_id, version, created_at, updated_at \
         FROM platform_guardrails",
    )
}

pub(super) async fn find(rx: &mut Rx, id: &GuardrailId) -> Result<Option<PlatformGuardrail>> {
    Ok(rx.optional(select().push(" WHERE id = ").value(id)).await?)
}

pub(super) async fn list(rx: &mut Rx) -> Result<Vec<PlatformGuardrail>> {
    Ok(rx.all(select().push(" ORDER BY name, id LIMIT ").value(PLATFORM_GUARDRAILS_MAX)).await?)
}

pub(super) async fn list_for(rx: &mut Rx, tenant: &TenantId) -> Result<Vec<PlatformGuardrail>> {
    let sql = select().push(" WHERE (only_tenant_id IS NULL OR only_tenant_id = ").value(tenant);
    Ok(rx.all(sql.push(") ORDER BY name, id LIMIT ").value(PLATFORM_GUARDRAILS_MAX)).await?)
}

pub(super) async fn count(rx: &mut Rx) -> Result<i64> {
    Ok(rx.one(Sql::new("SELECT count(*) FROM platform_guardrails")).await?)
}

pub(super) async fn tenant_exists(rx: &mut Rx, tenant: &TenantId) -> Result<bool> {
    let found: i64 = rx.one(Sql::new("SELECT count(*) FROM tenants WHERE id = $1").bind(tenant)).await?;
    Ok(found > 0)
}

pub(super) async fn tenants(rx: &mut Rx) -> Result<Vec<TenantId>> {
    Ok(rx.all(Sql::new("SELECT id FROM tenants ORDER BY id")).await?)
}

pub(super) async fn insert(tx: &mut Tx, guardrail: &PlatformGuardrail) -> Result<()> {
    let sql = Sql::new(
        "INSERT INTO platform_guardrails (id, name, description, document, only_tenant_id, version, created_at, \
         updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(&guardrail.id)
    .bind(&guardrail.name)
    .bind(guardrail.description.as_deref())
    .bind(&guardrail.document)
    .bind(guardrail.only_tenant.as_ref())
    .bind(guardrail.version)
    .bind(guardrail.created_at)
    .bind(guardrail.updated_at);
    tx.execute(sql).await?;
    Ok(())
}

/// Writes a guardrail if it still has this version.
pub(super) async fn update(tx: &mut Tx, guardrail: &PlatformGuardrail, version: i64) -> Result<u64> {
    let sql = Sql::new(
        "UPDATE platform_guardrails SET name = $1, description = $2, document = $3, version = $4, updated_at = $5 \
         WHERE id = $6 AND version = $7",
    )
    .bind(&guardrail.name)
    .bind(guardrail.description.as_deref())
    .bind(&guardrail.document)
    .bind(guardrail.version)
    .bind(guardrail.updated_at)
    .bind(&guardrail.id)
    .bind(version);
    Ok(tx.execute(sql).await?)
}

pub(super) async fn delete(tx: &mut Tx, id: &GuardrailId) -> Result<u64> {
    Ok(tx.execute(Sql::new("DELETE FROM platform_guardrails WHERE id = $1").bind(id)).await?)
}
