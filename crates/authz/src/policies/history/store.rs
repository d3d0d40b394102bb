//! All SQL about the versions of policies.

use ::store::{FromRow, ListColumn, Row, Rx, ScalarKind, Sql, StoreError};
use base::id::{PolicyId, TenantId};

use super::{ORDER, Version};
use crate::listing::Source;
use crate::policies::{Policy, effect_of, word};
use crate::{Listed, Listing, Result, Tx};

impl FromRow for Version {
    fn from_row(row: &Row) -> ::store::Result<Self> {
        let effect: String = row.get("effect")?;
        Ok(Self {
            version: row.get("version")?,
            name: row.get("name")?,
            description: row.find("description")?,
            document: row.find("document")?,
            effect: effect_of(&effect)
                .ok_or_else(|| StoreError::Shape { column: "effect".to_owned(), found: effect })?,
            priority: row.get("priority")?,
            expression: row.find("expression")?,
            changed_at: row.get("changed_at")?,
            changed_by: row.find("changed_by")?,
        })
    }
}

pub(super) async fn insert(tx: &mut Tx, tenant: &TenantId, policy: &Policy, by: Option<&str>) -> Result<()> {
    tx.execute(
        Sql::new(
            "INSERT INTO policy_history (tenant_id, policy_id, version, name, description, document, effect, \
             priority, expression, changed_at, changed_by) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        )
        .bind(tenant)
        .bind(&policy.id)
        .bind(policy.version)
        .bind(&policy.name)
        .bind(policy.description.as_deref())
        .bind(policy.document.as_ref())
        .bind(word(policy.effect))
        .bind(policy.priority)
        .bind(policy.expression.as_deref())
        .bind(policy.updated_at)
        .bind(by),
    )
    .await?;
    Ok(())
}

/// Removes the versions of a policy up to this one.
pub(super) async fn remove_to(tx: &mut Tx, tenant: &TenantId, id: &PolicyId, version: i64) -> Result<()> {
    let sql =
        Sql::new("DELETE FROM policy_history WHERE tenant_id = $1 AND policy_id = $2 AND version <= $3");
    tx.execute(sql.bind(tenant).bind(id).bind(version)).await?;
    Ok(())
}

const SELECT: &str = "SELECT id, version, name, description, document, effect, priority, expression, \
                      changed_at, changed_by";

pub(super) async fn find(
    rx: &mut Rx,
    tenant: &TenantId,
    id: &PolicyId,
    version: i64,
) -> Result<Option<Version>> {
    let sql = Sql::new(
        "SELECT version, name, description, document, effect, priority, expression, changed_at, changed_by \
         FROM policy_history WHERE tenant_id = $1 AND policy_id = $2 AND version = $3",
    );
    Ok(rx.optional(sql.bind(tenant).bind(id).bind(version)).await?)
}

/// What lists of versions are filtered and sorted by.
pub(super) const COLUMNS: &[ListColumn] = &[
    ListColumn::of("version", "version", ScalarKind::Int),
    ListColumn::of("changed_at", "changed_at", ScalarKind::Time),
    ListColumn::nullable("changed_by", "changed_by", ScalarKind::Text),
];

/// A part of the versions of a policy.
pub(super) async fn page(
    rx: &mut Rx,
    tenant: &TenantId,
    id: &PolicyId,
    listing: &Listing,
) -> Result<Listed<Version>> {
    // A version is one number; lists tell their members apart by a text.
    let from = Sql::new(
        " FROM (SELECT CAST(version AS text) AS id, version, name, description, document, effect, priority, \
         expression, changed_at, changed_by FROM policy_history WHERE tenant_id = $1 AND policy_id = $2) \
         AS kept WHERE TRUE",
    );
    let source = Source {
        select: SELECT,
        from: from.bind(tenant).bind(id),
        columns: COLUMNS,
        order: &ORDER,
        id: "id",
    };
    source.read(rx, listing).await
}
