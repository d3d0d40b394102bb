//! All SQL about policies, except what decisions load.

use ::store::{FromRow, ListColumn, Row, Rx, ScalarKind, Sql, StoreError};
use base::id::{PolicyId, TenantId};
use base::text::name_key;

use super::{ORDER, POLICIES_MAX, Policy, effect_of, word};
use crate::listing::Source;
use crate::{Listed, Listing, Result, Tx};

impl FromRow for Policy {
    fn from_row(row: &Row) -> ::store::Result<Self> {
        let effect: String = row.get("effect")?;
        Ok(Self {
            id: row.get("id")?,
            name: row.get("name")?,
            description: row.find("description")?,
            priority: row.get("priority")?,
            expression: row.find("expression")?,
            document: row.find("document")?,
            effect: effect_of(&effect)
                .ok_or_else(|| StoreError::Shape { column: "effect".to_owned(), found: effect })?,
            version: row.get("version")?,
            created_at: row.get("created_at")?,
            updated_at: row.get("updated_at")?,
        })
    }
}

pub(super) async fn insert(tx: &mut Tx, tenant: &TenantId, policy: &Policy) -> Result<()> {
    tx.execute(
        Sql::new(
            "INSERT INTO policies (id, tenant_id, name, name_key, description, document, version, created_at, \
             updated_at, effect, priority, expression) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        )
        .bind(&policy.id)
        .bind(tenant)
        .bind(&policy.name)
        .bind(name_key(&policy.name))
        .bind(policy.description.as_deref())
        .bind(policy.document.as_ref())
        .bind(policy.version)
        .bind(policy.created_at)
        .bind(policy.updated_at)
        .bind(word(policy.effect))
        .bind(policy.priority)
        .bind(policy.expression.as_deref()),
    )
    .await?;
    Ok(())
}

/// Writes a policy if it still has this version.
pub(super) async fn update(tx: &mut Tx, tenant: &TenantId, policy: &Policy, version: i64) -> Result<u64> {
    let sql = Sql::new(
        "UPDATE policies SET name = $1, name_key = $2, description = $3, document = $4, version = $5, \
         updated_at = $6, effect = $10, priority = $11, expression = $12 WHERE tenant_id = $7 AND id = $8 AND version = $9",
    )
    .bind(&policy.name)
    .bind(name_key(&policy.name))
    .bind(policy.description.as_deref())
    .bind(policy.document.as_ref())
    .bind(policy.version)
    .bind(policy.updated_at)
    .bind(tenant)
    .bind(&policy.id)
    .bind(version)
    .bind(word(policy.effect))
    .bind(policy.priority)
    .bind(policy.expression.as_deref());
    Ok(tx.execute(sql).await?)
}

pub(super) async fn delete(tx: &mut Tx, tenant: &TenantId, id: &PolicyId) -> Result<u64> {
    let sql = Sql::new("DELETE FROM policies WHERE tenant_id = $1 AND id = $2").bind(tenant).bind(id);
    Ok(tx.execute(sql).await?)
}

pub(super) async fn count(rx: &mut Rx, tenant: &TenantId) -> Result<i64> {
    Ok(rx.one(Sql::new("SELECT count(*) FROM policies WHERE tenant_id = $1").bind(tenant)).await?)
}

/// How many roles carry a policy.
pub(super) async fn count_uses(rx: &mut Rx, tenant: &TenantId, id: &PolicyId) -> Result<i64> {
    let sql = Sql::new("SELECT count(*) FROM role_policies WHERE tenant_id = $1 AND policy_id = $2");
    Ok(rx.one(sql.bind(tenant).bind(id)).await?)
}

const SELECT: &str = "SELECT id, name, name_key, description, document, effect, priority, expression, version, created_at, \
     updated_at";

fn select() -> Sql {
    Sql::new(SELECT).push(" FROM policies WHERE tenant_id = ")
}

pub(super) async fn find(rx: &mut Rx, tenant: &TenantId, id: &PolicyId) -> Result<Option<Policy>> {
    Ok(rx.optional(select().value(tenant).push(" AND id = ").value(id)).await?)
}

pub(super) async fn find_by_key(rx: &mut Rx, tenant: &TenantId, key: &str) -> Result<Option<Policy>> {
    Ok(rx.optional(select().value(tenant).push(" AND name_key = ").value(key)).await?)
}

pub(super) async fn list(rx: &mut Rx, tenant: &TenantId) -> Result<Vec<Policy>> {
    Ok(rx.all(select().value(tenant).push(" ORDER BY name_key LIMIT ").value(POLICIES_MAX)).await?)
}

/// What lists of policies are filtered and sorted by.
pub(super) const COLUMNS: &[ListColumn] = &[
    ListColumn::of("id", "id", ScalarKind::Text),
    ListColumn::of("name", "name_key", ScalarKind::Text),
    ListColumn::nullable("description", "description", ScalarKind::Text),
    ListColumn::of("effect", "effect", ScalarKind::Text),
    ListColumn::of("priority", "priority", ScalarKind::Int),
    ListColumn::of("created_at", "created_at", ScalarKind::Time),
    ListColumn::of("updated_at", "updated_at", ScalarKind::Time),
];

/// A part of the policies.
pub(super) async fn page(rx: &mut Rx, tenant: &TenantId, listing: &Listing) -> Result<Listed<Policy>> {
    let from = Sql::new(" FROM policies WHERE tenant_id = ").value(tenant);
    let source = Source { select: SELECT, from, columns: COLUMNS, order: &ORDER, id: "id" };
    source.read(rx, listing).await
}
