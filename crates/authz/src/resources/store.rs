//! All SQL about resources.

use std::collections::BTreeMap;

use ::store::{FromRow, ListColumn, Row, Rx, ScalarKind, Sql, StoreError};
use base::id::{ResourceId, TenantId};
use serde_json::Value;

use super::{DEPTH_MAX, ORDER, PAGE_MAX, Resource};
use crate::listing::Source;
use crate::{Listed, Listing, Result, Tx};

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

const SELECT: &str = "SELECT id, name, kind, tags, parent_id, version, created_at, updated_at";

fn select() -> Sql {
    Sql::new(SELECT).push(" FROM resources WHERE tenant_id = ")
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

pub(super) async fn count(rx: &mut Rx, tenant: &TenantId) -> Result<i64> {
    Ok(rx.one(Sql::new("SELECT count(*) FROM resources WHERE tenant_id = $1").bind(tenant)).await?)
}

/// How many policies are linked to a resource itself.
pub(super) async fn count_links(rx: &mut Rx, tenant: &TenantId, id: &ResourceId) -> Result<i64> {
    let sql = Sql::new("SELECT count(*) FROM policy_resources WHERE tenant_id = $1 AND resource_id = $2");
    Ok(rx.one(sql.bind(tenant).bind(id)).await?)
}

/// The resource and all that it lies in, as far as policies are linked to them, by id.
pub(super) async fn linked_above(
    rx: &mut Rx,
    tenant: &TenantId,
    start: Option<&ResourceId>,
) -> Result<Vec<ResourceId>> {
    let Some(start) = start else { return Ok(Vec::new()) };
    let sql = Sql::new(
        "WITH RECURSIVE above (id, parent_id, depth) AS (\
         SELECT id, parent_id, 1 FROM resources WHERE tenant_id = $1 AND id = $2 \
         UNION ALL \
         SELECT r.id, r.parent_id, a.depth + 1 FROM resources r JOIN above a ON r.id = a.parent_id \
         WHERE r.tenant_id = $1 AND a.depth <= 10) \
         SELECT DISTINCT pr.resource_id FROM policy_resources pr JOIN above a ON a.id = pr.resource_id \
         WHERE pr.tenant_id = $1 ORDER BY pr.resource_id",
    );
    Ok(rx.all(sql.bind(tenant).bind(start)).await?)
}

/// What a resource lies in, the nearest first.
pub(super) async fn ancestors(rx: &mut Rx, tenant: &TenantId, resource: &Resource) -> Result<Vec<Resource>> {
    let mut found: Vec<Resource> = Vec::new();
    let mut next = resource.parent_id.clone();
    while let Some(id) = next
        && found.len() < DEPTH_MAX
    {
        let Some(parent) = find(rx, tenant, &id).await? else { break };
        next = parent.parent_id.clone();
        found.push(parent);
    }
    Ok(found)
}

/// What lists of resources are filtered and sorted by.
pub(super) const COLUMNS: &[ListColumn] = &[
    ListColumn::of("id", "id", ScalarKind::Text),
    ListColumn::of("name", "name", ScalarKind::Text),
    ListColumn::nullable("kind", "NULLIF(kind, '')", ScalarKind::Text),
    ListColumn::nullable("parent_id", "parent_id", ScalarKind::Text),
    ListColumn::of("created_at", "created_at", ScalarKind::Time),
    ListColumn::of("updated_at", "updated_at", ScalarKind::Time),
];

/// A part of the resources.
pub(super) async fn page(rx: &mut Rx, tenant: &TenantId, listing: &Listing) -> Result<Listed<Resource>> {
    let from = Sql::new(" FROM resources WHERE tenant_id = ").value(tenant);
    let source = Source { select: SELECT, from, columns: COLUMNS, order: &ORDER, id: "id" };
    source.read(rx, listing).await
}
