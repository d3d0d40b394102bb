//! All SQL about permissions, except the links of policies and what decisions load.

use ::store::{FromRow, ListColumn, Row, Rx, ScalarKind, Sql};
use base::id::{PermissionId, TenantId};

use super::global::{self, GlobalPermission};
use super::{GlobalPermissionId, ORDER, PERMISSIONS_MAX, Permission};
use crate::listing::Source;
use crate::{Listed, Listing, Result, Tx};

impl FromRow for Permission {
    fn from_row(row: &Row) -> ::store::Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            code: row.get("code")?,
            name: row.get("name")?,
            description: row.find("description")?,
            global_permission_id: row.find("global_permission_id")?,
            version: row.get("version")?,
            created_at: row.get("created_at")?,
            updated_at: row.get("updated_at")?,
        })
    }
}

pub(super) async fn insert(tx: &mut Tx, tenant: &TenantId, permission: &Permission) -> Result<()> {
    let (resource, action) = permission.code.split_once(':').unwrap_or((&permission.code, ""));
    let sql = Sql::new(
        "INSERT INTO permissions (id, tenant_id, code, name, resource, action, description, \
         global_permission_id, version, created_at, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(&permission.id)
    .bind(tenant)
    .bind(&permission.code)
    .bind(&permission.name)
    .bind(resource)
    .bind(action)
    .bind(permission.description.as_deref())
    .bind(permission.global_permission_id.as_ref())
    .bind(permission.version)
    .bind(permission.created_at)
    .bind(permission.updated_at);
    tx.execute(sql).await?;
    Ok(())
}

/// Writes a permission if it still has this version.
pub(super) async fn update(
    tx: &mut Tx,
    tenant: &TenantId,
    permission: &Permission,
    version: i64,
) -> Result<u64> {
    let sql = Sql::new(
        "UPDATE permissions SET name = $1, description = $2, version = $3, updated_at = $4 \
         WHERE tenant_id = $5 AND id = $6 AND version = $7",
    )
    .bind(&permission.name)
    .bind(permission.description.as_deref())
    .bind(permission.version)
    .bind(permission.updated_at)
    .bind(tenant)
    .bind(&permission.id)
    .bind(version);
    Ok(tx.execute(sql).await?)
}

pub(super) async fn delete(tx: &mut Tx, tenant: &TenantId, id: &PermissionId) -> Result<u64> {
    let sql = Sql::new("DELETE FROM permissions WHERE tenant_id = $1 AND id = $2").bind(tenant).bind(id);
    Ok(tx.execute(sql).await?)
}

pub(super) async fn count(rx: &mut Rx, tenant: &TenantId) -> Result<i64> {
    Ok(rx.one(Sql::new("SELECT count(*) FROM permissions WHERE tenant_id = $1").bind(tenant)).await?)
}

/// How many policies are linked to a permission.
pub(super) async fn count_uses(rx: &mut Rx, tenant: &TenantId, id: &PermissionId) -> Result<i64> {
    let sql = Sql::new("SELECT count(*) FROM policy_permissions WHERE tenant_id = $1 AND permission_id = $2");
    Ok(rx.one(sql.bind(tenant).bind(id)).await?)
}

/// Whether the tenant has a permission for the same action: codes are ASCII, and actions have no case.
pub(super) async fn code_is_taken(rx: &mut Rx, tenant: &TenantId, code: &str) -> Result<bool> {
    let sql = Sql::new("SELECT count(*) FROM permissions WHERE tenant_id = $1 AND lower(code) = $2");
    let found: i64 = rx.one(sql.bind(tenant).bind(code.to_ascii_lowercase())).await?;
    Ok(found > 0)
}

const SELECT: &str =
    "SELECT id, code, name, description, global_permission_id, version, created_at, updated_at";

fn select() -> Sql {
    Sql::new(SELECT).push(" FROM permissions WHERE tenant_id = ")
}

pub(super) async fn find(rx: &mut Rx, tenant: &TenantId, id: &PermissionId) -> Result<Option<Permission>> {
    Ok(rx.optional(select().value(tenant).push(" AND id = ").value(id)).await?)
}

/// What lists of permissions are filtered and sorted by. Codes are ASCII, so that `q` finds them in any case.
pub(super) const COLUMNS: &[ListColumn] = &[
    ListColumn::of("id", "id", ScalarKind::Text),
    ListColumn::of("code", "code", ScalarKind::Text),
    ListColumn::of("q", "lower(code)", ScalarKind::Text),
    ListColumn::of("name", "name", ScalarKind::Text),
    ListColumn::nullable("description", "description", ScalarKind::Text),
    ListColumn::nullable("global_permission_id", "global_permission_id", ScalarKind::Text),
    ListColumn::of("created_at", "created_at", ScalarKind::Time),
    ListColumn::of("updated_at", "updated_at", ScalarKind::Time),
];

/// A part of the permissions.
pub(super) async fn page(rx: &mut Rx, tenant: &TenantId, listing: &Listing) -> Result<Listed<Permission>> {
    let from = Sql::new(" FROM permissions WHERE tenant_id = ").value(tenant);
    let source = Source { select: SELECT, from, columns: COLUMNS, order: &ORDER, id: "id" };
    source.read(rx, listing).await
}

/// All permissions, by code.
pub(super) async fn list(rx: &mut Rx, tenant: &TenantId) -> Result<Vec<Permission>> {
    Ok(rx.all(select().value(tenant).push(" ORDER BY code LIMIT ").value(PERMISSIONS_MAX)).await?)
}

/// The whole catalogue, by name.
pub(super) async fn list_global(rx: &mut Rx) -> Result<Vec<GlobalPermission>> {
    let sql = Sql::new(
        "SELECT id, name, description, version, created_at, updated_at FROM global_permissions \
         ORDER BY name LIMIT $1",
    );
    Ok(rx.all(sql.bind(global::GLOBAL_PERMISSIONS_MAX)).await?)
}

impl FromRow for GlobalPermission {
    fn from_row(row: &Row) -> ::store::Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            name: row.get("name")?,
            description: row.find("description")?,
            version: row.get("version")?,
            created_at: row.get("created_at")?,
            updated_at: row.get("updated_at")?,
        })
    }
}

pub(super) async fn insert_global(tx: &mut Tx, permission: &GlobalPermission) -> Result<()> {
    let sql = Sql::new(
        "INSERT INTO global_permissions (id, name, description, version, created_at, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(&permission.id)
    .bind(&permission.name)
    .bind(permission.description.as_deref())
    .bind(permission.version)
    .bind(permission.created_at)
    .bind(permission.updated_at);
    tx.execute(sql).await?;
    Ok(())
}

/// Writes a global permission if it still has this version.
pub(super) async fn update_global(tx: &mut Tx, permission: &GlobalPermission, version: i64) -> Result<u64> {
    let sql = Sql::new(
        "UPDATE global_permissions SET description = $1, version = $2, updated_at = $3 \
         WHERE id = $4 AND version = $5",
    )
    .bind(permission.description.as_deref())
    .bind(permission.version)
    .bind(permission.updated_at)
    .bind(&permission.id)
    .bind(version);
    Ok(tx.execute(sql).await?)
}

pub(super) async fn delete_global(tx: &mut Tx, id: &GlobalPermissionId) -> Result<u64> {
    Ok(tx.execute(Sql::new("DELETE FROM global_permissions WHERE id = $1").bind(id)).await?)
}

pub(super) async fn count_global(rx: &mut Rx) -> Result<i64> {
    Ok(rx.one(Sql::new("SELECT count(*) FROM global_permissions")).await?)
}

/// In how many places of all tenants a global permission is used.
pub(super) async fn count_global_uses(rx: &mut Rx, id: &GlobalPermissionId) -> Result<i64> {
    let sql = Sql::new(
        "SELECT (SELECT count(*) FROM policy_global_permissions WHERE global_permission_id = $1) \
         + (SELECT count(*) FROM permissions WHERE global_permission_id = $1)",
    );
    Ok(rx.one(sql.bind(id)).await?)
}

pub(super) async fn find_global(rx: &mut Rx, id: &GlobalPermissionId) -> Result<Option<GlobalPermission>> {
    let sql = Sql::new(
        "SELECT id, name, description, version, created_at, updated_at FROM global_permissions WHERE id = $1",
    );
    Ok(rx.optional(sql.bind(id)).await?)
}

/// Whether there is a global permission for the same action.
pub(super) async fn name_is_taken(rx: &mut Rx, name: &str) -> Result<bool> {
    let sql = Sql::new("SELECT count(*) FROM global_permissions WHERE lower(name) = $1");
    let found: i64 = rx.one(sql.bind(name.to_ascii_lowercase())).await?;
    Ok(found > 0)
}

/// What lists of global permissions are filtered and sorted by. Names are ASCII, so that `q` finds them in any
/// case.
pub(super) const GLOBAL: &[ListColumn] = &[
    ListColumn::of("id", "id", ScalarKind::Text),
    ListColumn::of("name", "name", ScalarKind::Text),
    ListColumn::of("q", "lower(name)", ScalarKind::Text),
    ListColumn::nullable("description", "description", ScalarKind::Text),
    ListColumn::of("created_at", "created_at", ScalarKind::Time),
    ListColumn::of("updated_at", "updated_at", ScalarKind::Time),
];

/// A part of the global permissions.
pub(super) async fn page_global(rx: &mut Rx, listing: &Listing) -> Result<Listed<GlobalPermission>> {
    let source = Source {
        select: "SELECT id, name, description, version, created_at, updated_at",
        from: Sql::new(" FROM global_permissions WHERE TRUE"),
        columns: GLOBAL,
        order: &global::ORDER,
        id: "id",
    };
    source.read(rx, listing).await
}
