//! All SQL about the rows of tenants, except what a purge removes.

use authz::{Rx, Tx};
use base::Timestamp;
use base::id::TenantId;
use serde_json::Value;
use store::{FromRow, ListColumn, Row, ScalarKind, Scan, Scanned, Sql, StoreError, list};

use super::{Billing, Deletion, Hold, Tenant, TenantQuery, TenantStatus};
use crate::{Error, Result};

const COLUMNS: &str = "SELECT id, platform_id, code, name, domain, issuer, account_number, status, config, \
     user_count, storage_used, api_calls_count, created_at, updated_at, deleted_at, purge_at, purge_started_at, \
     hold_reason, held_at, version";
const FROM: &str = " FROM tenants WHERE ";

/// What lists are filtered and sorted by. The status is that of [`Tenant::status_word`].
static LIST: &[ListColumn] = &[
    ListColumn::of("code", "code", ScalarKind::Text),
    ListColumn::of("name", "name", ScalarKind::Text),
    ListColumn::nullable("domain", "domain", ScalarKind::Text),
    ListColumn::of("platform_id", "platform_id", ScalarKind::Text),
    ListColumn::of("account_number", "account_number", ScalarKind::Text),
    ListColumn::of(
        "status",
        "CASE WHEN purge_started_at IS NOT NULL THEN 'PURGING' WHEN deleted_at IS NOT NULL THEN 'DELETED' \
         ELSE status END",
        ScalarKind::Text,
    ),
    ListColumn::of("user_count", "user_count", ScalarKind::Int),
    ListColumn::of("created_at", "created_at", ScalarKind::Time),
    ListColumn::of("updated_at", "updated_at", ScalarKind::Time),
    ListColumn::nullable("deletion.purge_at", "purge_at", ScalarKind::Time),
    ListColumn::nullable("hold.held_at", "held_at", ScalarKind::Time),
];

fn select() -> Sql {
    Sql::new(COLUMNS).push(FROM)
}

impl FromRow for Tenant {
    fn from_row(row: &Row) -> store::Result<Self> {
        let status: String = row.get("status")?;
        let code: String = row.get("code")?;
        let deletion = match row.find("deleted_at")? {
            Some(deleted_at) => Some(Deletion {
                deleted_at,
                purge_at: row.find("purge_at")?,
                purge_started_at: row.find("purge_started_at")?,
            }),
            None => None,
        };
        let hold = match (row.find("hold_reason")?, row.find("held_at")?) {
            (Some(reason), Some(held_at)) => Some(Hold { reason, held_at }),
            _ => None,
        };
        Ok(Self {
            id: row.get("id")?,
            platform_id: row.get("platform_id")?,
            name: row.get("name")?,
            domain: row.find("domain")?,
            // A row typed by hand has no issuer yet: an address that cannot be anybody's stands for it.
            issuer: row.find("issuer")?.unwrap_or_else(|| format!("urn:signet:no-issuer:{code}")),
            code,
            account_number: row.get("account_number")?,
            status: TenantStatus::parse(&status)
                .ok_or(StoreError::Shape { column: "status".to_owned(), found: status })?,
            deletion,
            hold,
            config: row.get("config")?,
            user_count: row.get("user_count")?,
            storage_used_bytes: row.get("storage_used")?,
            api_calls_count: row.get("api_calls_count")?,
            created_at: row.get("created_at")?,
            updated_at: row.get("updated_at")?,
            version: row.get("version")?,
        })
    }
}

/// Billing information as it is stored.
struct StoredBilling {
    info: Value,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
}

impl FromRow for StoredBilling {
    fn from_row(row: &Row) -> store::Result<Self> {
        Ok(Self {
            info: row.get("billing_info")?,
            start: row.find("subscription_start_date")?,
            end: row.find("subscription_end_date")?,
        })
    }
}

pub(super) async fn insert(tx: &mut Tx, tenant: &Tenant) -> Result<()> {
    tx.execute(
        Sql::new(
            "INSERT INTO tenants (id, platform_id, code, name, domain, issuer, account_number, status, config, \
             billing_info, created_at, updated_at, version) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        )
        .bind(&tenant.id)
        .bind(&tenant.platform_id)
        .bind(&tenant.code)
        .bind(&tenant.name)
        .bind(tenant.domain.as_deref())
        .bind(&tenant.issuer)
        .bind(&tenant.account_number)
        .bind(tenant.status.stored())
        .bind(&tenant.config)
        .bind(Billing::default().stored())
        .bind(tenant.created_at)
        .bind(tenant.updated_at)
        .bind(tenant.version),
    )
    .await
    .map_err(Error::of_row)?;
    Ok(())
}

/// Writes name, domain and configuration if nobody else has written since the version that was read.
pub(super) async fn update(tx: &mut Tx, tenant: &Tenant, now: Timestamp) -> Result<u64> {
    tx.execute(
        Sql::new(
            "UPDATE tenants SET name = $3, domain = $4, config = $5, updated_at = $6, version = version + 1 \
             WHERE id = $1 AND version = $2 AND deleted_at IS NULL",
        )
        .bind(&tenant.id)
        .bind(tenant.version)
        .bind(&tenant.name)
        .bind(tenant.domain.as_deref())
        .bind(&tenant.config)
        .bind(now),
    )
    .await
    .map_err(Error::of_row)
}

/// Writes the status if nobody else has written since the version that was read.
pub(super) async fn set_status(
    tx: &mut Tx,
    found: &Tenant,
    status: TenantStatus,
    now: Timestamp,
) -> Result<u64> {
    let sql = Sql::new(
        "UPDATE tenants SET status = $3, updated_at = $4, version = version + 1 \
         WHERE id = $1 AND version = $2 AND deleted_at IS NULL",
    );
    Ok(tx.execute(sql.bind(&found.id).bind(found.version).bind(status.stored()).bind(now)).await?)
}

/// Writes or takes back that the tenant is deleted, and when it may be purged.
pub(super) async fn set_deletion(
    tx: &mut Tx,
    found: &Tenant,
    deletion: Option<(Timestamp, Timestamp)>,
    now: Timestamp,
) -> Result<u64> {
    let sql = Sql::new(
        "UPDATE tenants SET deleted_at = $3, purge_at = $4, updated_at = $5, version = version + 1 \
         WHERE id = $1 AND version = $2 AND purge_started_at IS NULL",
    )
    .bind(&found.id)
    .bind(found.version)
    .bind(deletion.map(|(deleted_at, _)| deleted_at))
    .bind(deletion.map(|(_, purge_at)| purge_at))
    .bind(now);
    tx.execute(sql).await.map_err(Error::of_row)
}

/// Places or lifts a legal hold.
pub(super) async fn set_hold(
    tx: &mut Tx,
    found: &Tenant,
    hold: Option<&Hold>,
    now: Timestamp,
) -> Result<u64> {
    let sql = Sql::new(
        "UPDATE tenants SET hold_reason = $3, held_at = $4, updated_at = $5, version = version + 1 \
         WHERE id = $1 AND version = $2",
    )
    .bind(&found.id)
    .bind(found.version)
    .bind(hold.map(|hold| hold.reason.as_str()))
    .bind(hold.map(|hold| hold.held_at))
    .bind(now);
    Ok(tx.execute(sql).await?)
}

/// Writes billing information if nobody else has written since the version that was read.
pub(super) async fn set_billing(
    tx: &mut Tx,
    found: &Tenant,
    billing: &Billing,
    now: Timestamp,
) -> Result<u64> {
    let sql = Sql::new(
        "UPDATE tenants SET billing_info = $3, subscription_start_date = $4, subscription_end_date = $5, \
         updated_at = $6, version = version + 1 WHERE id = $1 AND version = $2 AND deleted_at IS NULL",
    )
    .bind(&found.id)
    .bind(found.version)
    .bind(billing.stored())
    .bind(billing.subscription_start_date)
    .bind(billing.subscription_end_date)
    .bind(now);
    Ok(tx.execute(sql).await?)
}

/// The billing information of a tenant that is there.
pub(super) async fn billing(rx: &mut Rx, id: &TenantId) -> Result<Billing> {
    let sql = Sql::new(
        "SELECT billing_info, subscription_start_date, subscription_end_date FROM tenants WHERE id = $1",
    );
    let stored: StoredBilling = rx.optional(sql.bind(id)).await?.ok_or(Error::NotFound("tenant"))?;
    Billing::read(&stored.info, stored.start, stored.end)
}

pub(super) async fn find(rx: &mut Rx, id: &TenantId) -> store::Result<Option<Tenant>> {
    rx.optional(select().push("deleted_at IS NULL AND id = ").value(id)).await
}

/// The tenant of this id, deleted or not.
pub(super) async fn find_any(rx: &mut Rx, id: &TenantId) -> store::Result<Option<Tenant>> {
    rx.optional(select().push("id = ").value(id)).await
}

pub(super) async fn find_by_code(rx: &mut Rx, code: &str) -> store::Result<Option<Tenant>> {
    rx.optional(select().push("deleted_at IS NULL AND code = ").value(code)).await
}

pub(super) async fn find_by_issuer(rx: &mut Rx, issuer: &str) -> store::Result<Option<Tenant>> {
    rx.optional(select().push("deleted_at IS NULL AND issuer = ").value(issuer)).await
}

/// What a list finds on all its pages. Deleted tenants are found only by whoever asks for a status.
fn found_by(query: &TenantQuery) -> store::Result<Sql> {
    let sql = Sql::new(FROM).push(match &query.filter {
        Some(filter) if filter.names("status") => "TRUE",
        _ => "deleted_at IS NULL",
    });
    let sql = match &query.code_prefix {
        Some(prefix) => {
            // The end of the range of codes that begin with the prefix: no character is above U+10FFFF.
            let end = format!("{prefix}\u{10FFFF}");
            sql.push(" AND code >= ").value(prefix).push(" AND code < ").value(end)
        }
        None => sql,
    };
    match &query.filter {
        Some(filter) => sql.filtered(LIST, filter),
        None => Ok(sql),
    }
}

pub(super) async fn list(rx: &mut Rx, query: &TenantQuery) -> store::Result<Scanned<Tenant>> {
    let select = Sql::new(COLUMNS).append(found_by(query)?);
    let scan = Scan {
        columns: LIST,
        order: &query.order,
        id: "id",
        after: query.after.as_ref(),
        limit: query.limit,
    };
    list::page(rx, &select, &scan).await
}

pub(super) async fn count(rx: &mut Rx, query: &TenantQuery, exactly: bool) -> store::Result<i64> {
    let from = found_by(query)?;
    if exactly { list::count(rx, &from).await } else { list::estimate(rx, &from).await }
}

/// Whether a purged tenant had this code, issuer or account number.
pub(super) async fn is_tombstone(rx: &mut Rx, tenant: &Tenant) -> store::Result<bool> {
    let sql = Sql::new(
        "SELECT COUNT(*) FROM tenant_tombstones WHERE code = $1 OR issuer = $2 OR account_number = $3 \
         OR tenant_id = $4",
    )
    .bind(&tenant.code)
    .bind(&tenant.issuer)
    .bind(&tenant.account_number)
    .bind(&tenant.id);
    Ok(rx.one::<i64>(sql).await? > 0)
}

pub(super) async fn account_number_is_taken(rx: &mut Rx, number: &str) -> store::Result<bool> {
    let sql = Sql::new(
        "SELECT (SELECT COUNT(*) FROM tenants WHERE account_number = $1) \
         + (SELECT COUNT(*) FROM tenant_tombstones WHERE account_number = $1)",
    );
    Ok(rx.one::<i64>(sql.bind(number)).await? > 0)
}

/// Adds to the count of a tenant's calls; nothing happens if it is gone.
pub(super) async fn add_calls(tx: &mut Tx, id: &TenantId, calls: i64) -> Result<()> {
    let sql = Sql::new("UPDATE tenants SET api_calls_count = api_calls_count + $2 WHERE id = $1");
    tx.execute(sql.bind(id).bind(calls)).await?;
    Ok(())
}
