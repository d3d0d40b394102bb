//! All SQL about resources.

use std::collections::BTreeMap;

use ::store::{FromRow, Row, Rx, Sql, StoreError};
use base::id::{ResourceId, TenantId};
use serde_json::Value;

use super::{PAGE_MAX, Resource};
use crate::{Result, Tx};

impl FromRow for Resource {
    fn from_row(row: &Row) -> ::store::Result<Self> {
        let tags: Value = row.get("tags")?;
        let tags: BTreeMap<String, String> = serde_json::from_value(tags)
            .map_err(|e| StoreError::Shape { column: "tags".to_owned(), found: e.to_string() })?;
        Ok(Self {
            id: row.get("id")?,
            name: row.get("name")?,
            kind: row.get("kind")?,
            tags,
            parent_id: row.find("parent_id")?,
            version: row.get("version")?,
            created_at: row.get("created_at")?,
            updated_at: row.get("updated_at")?,
        })
    }
}

fn tags(resource: &Resource) -> Value {
    resource.tags.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str()))).collect()
}

pub(super) async fn insert(tx: &mut Tx, tenant: &TenantId, resource: &Resource) -> Result<()> {
    tx.execute(
        Sql::new(
            "INSERT INTO resources (id, tenant_id, parent_id, name, kind, tags, version, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(&resource.id)
        .bind(tenant)
        .bind(resource.parent_id.as_ref())
        .bind(&resource.name)
        .bind(&resource.kind)
        .bind(tags(resource))
        .bind(resource.version)
        .bind(resource.created_at)
        .bind(resource.updated_at),
    )
    .await?;
    Ok(())
}

/// Writes a resource if it still has this version.
pub(super) async fn update(tx: &mut Tx, tenant: &TenantId, resource: &Resource, version: i64) -> Result<u64> {
    let sql = Sql::new(
        "UPDATE resources SET parent_id = $1, kind = $2, tags = $3, version = $4, updated_at = $5 \
         WHERE tenant_id = $6 AND id = $7 AND version = $8",
    )
    .bind(resource.parent_id.as_ref())
    .bind(&resource.kind)
    .bind(tags(resource))
    .bind(resource.version)
    .bind(resource.updated_at)
    .bind(tenant)
    .bind(&resource.id)
    .bind(version);
    Ok(tx.execute(sql).await?)
}

pub(super) async fn delete(tx: &mut Tx, tenant: &TenantId, id: &ResourceId) -> Result<u64> {
    let sql = Sql::new("DELETE FROM resources WHERE tenant_id = $1 AND id = $2").bind(tenant).bind(id);
    Ok(tx.execute(sql).await?)
}

pub(super) async fn count_children(rx: &mut Rx, tenant: &TenantId, id: &ResourceId) -> Result<i64> {
    let sql = Sql::new("SELECT count(*) FROM resources WHERE tenant_id = $1 AND parent_id = $2");
    Ok(rx.one(sql.bind(tenant).bind(id)).await?)
}

fn select() -> Sql {
    Sql::new(
        "SELECT id, name, kind, tags, parent_id, version, created_at, updated_at FROM resources \
         WHERE tenant_id = ",
    )
}

pub(super) async fn find(rx: &mut Rx, tenant: &TenantId, id: &ResourceId) -> Result<Option<Resource>> {
    Ok(rx.optional(select().value(tenant).push(" AND id = ").value(id)).await?)
}

pub(super) async fn find_by_name(rx: &mut Rx, tenant: &TenantId, name: &str) -> Result<Option<Resource>> {
    Ok(rx.optional(select().value(tenant).push(" AND name = ").value(name)).await?)
}

pub(super) async fn list(rx: &mut Rx, tenant: &TenantId, after: &str) -> Result<Vec<Resource>> {
    let sql = select().value(tenant).push(" AND name > ").value(after);
    Ok(rx.all(sql.push(" ORDER BY name LIMIT ").value(PAGE_MAX)).await?)
}
