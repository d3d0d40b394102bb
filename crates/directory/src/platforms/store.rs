//! All SQL about platforms.

use ::store::{FromRow, ListColumn, Row, ScalarKind, Scan, Scanned, Sql};
use authz::{Rx, Tx};
use base::Timestamp;
use base::id::PlatformId;
use base::text::name_key;
use web::list::Count;

use super::{Platform, PlatformQuery};
use crate::{Error, Result};

const SELECT: &str = "SELECT id, name, name_key, created_at, updated_at, version, \
     (SELECT COUNT(*) FROM tenants t WHERE t.platform_id = platforms.id) AS tenant_count";
const FROM: &str = " FROM platforms WHERE ";

impl FromRow for Platform {
    fn from_row(row: &Row) -> ::store::Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            name: row.get("name")?,
            tenant_count: row.get("tenant_count")?,
            created_at: row.get("created_at")?,
            updated_at: row.get("updated_at")?,
            version: row.get("version")?,
        })
    }
}

pub(super) async fn insert(tx: &mut Tx, platform: &Platform) -> Result<()> {
    let sql = Sql::new(
        "INSERT INTO platforms (id, name, name_key, created_at, updated_at, version) \
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(&platform.id)
    .bind(&platform.name)
    .bind(name_key(&platform.name))
    .bind(platform.created_at)
    .bind(platform.updated_at)
    .bind(platform.version);
    tx.execute(sql).await.map_err(Error::of_row)?;
    Ok(())
}

/// Writes the name if nobody else has written since the version that was read.
pub(super) async fn rename(tx: &mut Tx, found: &Platform, name: &str, now: Timestamp) -> Result<u64> {
    let sql = Sql::new(
        "UPDATE platforms SET name = $3, name_key = $4, updated_at = $5, version = version + 1 \
         WHERE id = $1 AND version = $2",
    )
    .bind(&found.id)
    .bind(found.version)
    .bind(name)
    .bind(name_key(name))
    .bind(now);
    tx.execute(sql).await.map_err(Error::of_row)
}

pub(super) async fn delete(tx: &mut Tx, found: &Platform) -> ::store::Result<u64> {
    let sql = Sql::new("DELETE FROM platforms WHERE id = $1 AND version = $2");
    tx.execute(sql.bind(&found.id).bind(found.version)).await
}

pub(super) async fn find(rx: &mut Rx, id: &PlatformId) -> ::store::Result<Option<Platform>> {
    rx.optional(Sql::new(SELECT).push(FROM).push("id = ").value(id)).await
}

pub(super) async fn find_by_name_key(rx: &mut Rx, key: &str) -> ::store::Result<Option<Platform>> {
    rx.optional(Sql::new(SELECT).push(FROM).push("name_key = ").value(key)).await
}

/// What lists of platforms are filtered and sorted by.
pub(super) const COLUMNS: &[ListColumn] = &[
    ListColumn::of("id", "id", ScalarKind::Text),
    ListColumn::of("name", "name_key", ScalarKind::Text),
    ListColumn::of("created_at", "created_at", ScalarKind::Time),
    ListColumn::of("updated_at", "updated_at", ScalarKind::Time),
];

/// ` FROM … WHERE …` of the platforms that a list is about.
fn matching(query: &PlatformQuery) -> ::store::Result<Sql> {
    let sql = Sql::new(" FROM platforms WHERE TRUE");
    match &query.filter {
        Some(filter) => sql.filtered(COLUMNS, filter),
        None => Ok(sql),
    }
}

pub(super) async fn list(rx: &mut Rx, query: &PlatformQuery) -> ::store::Result<Scanned<Platform>> {
    let select = Sql::new(SELECT).append(matching(query)?);
    let (order, after) = (&query.order, query.after.as_ref());
    let scan = Scan { columns: COLUMNS, order, id: "id", after, limit: query.limit };
    ::store::list::page(rx, &select, &scan).await
}

pub(super) async fn count(rx: &mut Rx, query: &PlatformQuery, how: Count) -> ::store::Result<i64> {
    let from = matching(query)?;
    match how {
        Count::Exact => ::store::list::count(rx, &from).await,
        Count::Estimate => ::store::list::estimate(rx, &from).await,
    }
}
