//! All SQL about tenants.

use authz::{Rx, Tx};
use base::Timestamp;
use base::id::TenantId;
use store::{FromRow, Row, Sql, StoreError};

use super::{Tenant, TenantQuery, TenantStatus};
use crate::{Error, Result};

const SELECT: &str = "SELECT id, platform_id, code, name, issuer, account_number, status, config, created_at, \
                      updated_at, version FROM tenants WHERE deleted_at IS NULL";

impl FromRow for Tenant {
    fn from_row(row: &Row) -> store::Result<Self> {
        let status: String = row.get("status")?;
        let code: String = row.get("code")?;
        Ok(Self {
            id: row.get("id")?,
            platform_id: row.get("platform_id")?,
            name: row.get("name")?,
            // A row typed by hand has no issuer yet: an address that cannot be anybody's stands for it.
            issuer: row.find("issuer")?.unwrap_or_else(|| format!("urn:signet:no-issuer:{code}")),
            code,
            account_number: row.get("account_number")?,
            status: TenantStatus::parse(&status)
                .ok_or(StoreError::Shape { column: "status".to_owned(), found: status })?,
            config: row.get("config")?,
            created_at: row.get("created_at")?,
            updated_at: row.get("updated_at")?,
            version: row.get("version")?,
        })
    }
}

pub(super) async fn insert(tx: &mut Tx, tenant: &Tenant) -> Result<()> {
    tx.execute(
        Sql::new(
            "INSERT INTO tenants (id, platform_id, code, name, issuer, account_number, status, config, \
             created_at, updated_at, version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        )
        .bind(&tenant.id)
        .bind(&tenant.platform_id)
        .bind(&tenant.code)
        .bind(&tenant.name)
        .bind(&tenant.issuer)
        .bind(&tenant.account_number)
        .bind(tenant.status.stored())
        .bind(&tenant.config)
        .bind(tenant.created_at)
        .bind(tenant.updated_at)
        .bind(tenant.version),
    )
    .await
    .map_err(Error::of_row)?;
    Ok(())
}

/// Writes name, status and configuration if nobody else has written since the version that was read.
pub(super) async fn update(tx: &mut Tx, tenant: &Tenant, now: Timestamp) -> Result<u64> {
    tx.execute(
        Sql::new(
            "UPDATE tenants SET name = $3, status = $4, config = $5, updated_at = $6, version = version + 1 \
             WHERE id = $1 AND version = $2 AND deleted_at IS NULL",
        )
        .bind(&tenant.id)
        .bind(tenant.version)
        .bind(&tenant.name)
        .bind(tenant.status.stored())
        .bind(&tenant.config)
        .bind(now),
    )
    .await
    .map_err(Error::of_row)
}

pub(super) async fn find(rx: &mut Rx, id: &TenantId) -> store::Result<Option<Tenant>> {
    rx.optional(Sql::new(SELECT).push(" AND id = ").value(id)).await
}

pub(super) async fn find_by_code(rx: &mut Rx, code: &str) -> store::Result<Option<Tenant>> {
    rx.optional(Sql::new(SELECT).push(" AND code = ").value(code)).await
}

pub(super) async fn find_by_issuer(rx: &mut Rx, issuer: &str) -> store::Result<Option<Tenant>> {
    rx.optional(Sql::new(SELECT).push(" AND issuer = ").value(issuer)).await
}

pub(super) async fn list(rx: &mut Rx, query: &TenantQuery) -> store::Result<Vec<Tenant>> {
    let mut sql = Sql::new(SELECT);
    if let Some(prefix) = &query.code_prefix {
        sql = sql.push(" AND code >= ").value(prefix).push(" AND code < ").value(key_after(prefix));
    }
    if let Some(platform) = &query.platform {
        sql = sql.push(" AND platform_id = ").value(platform);
    }
    if let Some(after) = &query.after {
        sql = sql.push(" AND code > ").value(after);
    }
    rx.all(sql.push(" ORDER BY code LIMIT ").value(i64::from(query.limit))).await
}

pub(super) async fn account_number_is_taken(rx: &mut Rx, number: &str) -> store::Result<bool> {
    let found: Option<i64> =
        rx.optional(Sql::new("SELECT 1 FROM tenants WHERE account_number = $1").bind(number)).await?;
    Ok(found.is_some())
}

/// The end of the range of keys that begin with the prefix: no character is above U+10FFFF.
fn key_after(prefix: &str) -> String {
    format!("{prefix}\u{10FFFF}")
}
