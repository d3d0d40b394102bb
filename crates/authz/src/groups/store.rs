//! All SQL about groups and their members, except what decisions load.

use ::store::{FromRow, Row, Rx, Sql};
use base::Timestamp;
use base::id::{GroupId, PrincipalId, RoleId, TenantId};
use base::text::name_key;

use super::{Group, ListedMember, Member, Membership, PAGE_MAX};
use crate::roles::Window;
use crate::{Listing, Result, Tx};

impl FromRow for Group {
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

impl FromRow for Member {
    fn from_row(row: &Row) -> ::store::Result<Self> {
        Ok(Self { principal_id: row.get("principal_id")?, window: Window::from_row(row)? })
    }
}

impl FromRow for ListedMember {
    fn from_row(row: &Row) -> ::store::Result<Self> {
        Ok(Self {
            member: Member::from_row(row)?,
            kind: row.get("kind")?,
            added_at: row.get("added_at")?,
            added_by: row.find("added_by")?,
        })
    }
}

pub(super) async fn insert(tx: &mut Tx, tenant: &TenantId, group: &Group) -> Result<()> {
    tx.execute(
        Sql::new(
            "INSERT INTO groups (id, tenant_id, name, name_key, description, version, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(&group.id)
        .bind(tenant)
        .bind(&group.name)
        .bind(name_key(&group.name))
        .bind(group.description.as_deref())
        .bind(group.version)
        .bind(group.created_at)
        .bind(group.updated_at),
    )
    .await?;
    Ok(())
}

/// Writes a group if it still has this version.
pub(super) async fn update(tx: &mut Tx, tenant: &TenantId, group: &Group, version: i64) -> Result<u64> {
    let sql = Sql::new(
        "UPDATE groups SET name = $1, name_key = $2, description = $3, version = $4, updated_at = $5 \
         WHERE tenant_id = $6 AND id = $7 AND version = $8",
    )
    .bind(&group.name)
    .bind(name_key(&group.name))
    .bind(group.description.as_deref())
    .bind(group.version)
    .bind(group.updated_at)
    .bind(tenant)
    .bind(&group.id)
    .bind(version);
    Ok(tx.execute(sql).await?)
}

pub(super) async fn delete(tx: &mut Tx, tenant: &TenantId, id: &GroupId) -> Result<u64> {
    let sql = Sql::new("DELETE FROM groups WHERE tenant_id = $1 AND id = $2").bind(tenant).bind(id);
    Ok(tx.execute(sql).await?)
}

fn select() -> Sql {
    Sql::new("SELECT id, name, description, version, created_at, updated_at FROM groups WHERE tenant_id = ")
}

pub(super) async fn find(rx: &mut Rx, tenant: &TenantId, id: &GroupId) -> Result<Option<Group>> {
    Ok(rx.optional(select().value(tenant).push(" AND id = ").value(id)).await?)
}

pub(super) async fn find_by_key(rx: &mut Rx, tenant: &TenantId, key: &str) -> Result<Option<Group>> {
    Ok(rx.optional(select().value(tenant).push(" AND name_key = ").value(key)).await?)
}

pub(super) async fn list(rx: &mut Rx, tenant: &TenantId, after: &str) -> Result<Vec<Group>> {
    let sql = select().value(tenant).push(" AND name_key > ").value(after);
    Ok(rx.all(sql.push(" ORDER BY name_key LIMIT ").value(PAGE_MAX)).await?)
}

pub(super) async fn put_member(
    tx: &mut Tx,
    tenant: &TenantId,
    group: &GroupId,
    member: &Member,
    now: Timestamp,
    by: Option<&str>,
) -> Result<()> {
    tx.execute(
        Sql::new(
            "INSERT INTO group_members (group_id, principal_id, tenant_id, valid_from, expires_at, added_at, \
             added_by) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (group_id, principal_id) DO UPDATE SET \
             valid_from = excluded.valid_from, expires_at = excluded.expires_at, \
             added_at = excluded.added_at, added_by = excluded.added_by",
        )
        .bind(group)
        .bind(&member.principal_id)
        .bind(tenant)
        .bind(member.window.valid_from)
        .bind(member.window.expires_at)
        .bind(now)
        .bind(by),
    )
    .await?;
    Ok(())
}

pub(super) async fn remove_member(
    tx: &mut Tx,
    tenant: &TenantId,
    group: &GroupId,
    principal: &PrincipalId,
) -> Result<u64> {
    let sql =
        Sql::new("DELETE FROM group_members WHERE tenant_id = $1 AND group_id = $2 AND principal_id = $3")
            .bind(tenant)
            .bind(group)
            .bind(principal);
    Ok(tx.execute(sql).await?)
}

pub(super) async fn list_members(
    rx: &mut Rx,
    tenant: &TenantId,
    group: &GroupId,
    after: &str,
) -> Result<Vec<Member>> {
    let sql = Sql::new(
        "SELECT principal_id, valid_from, expires_at FROM group_members \
         WHERE tenant_id = $1 AND group_id = $2 AND principal_id > $3 ORDER BY principal_id LIMIT $4",
    )
    .bind(tenant)
    .bind(group)
    .bind(after)
    .bind(PAGE_MAX);
    Ok(rx.all(sql).await?)
}

pub(super) async fn roles_of(rx: &mut Rx, tenant: &TenantId, group: &GroupId) -> Result<Vec<RoleId>> {
    let sql =
        Sql::new("SELECT role_id FROM group_roles WHERE tenant_id = $1 AND group_id = $2 ORDER BY role_id")
            .bind(tenant)
            .bind(group);
    Ok(rx.all(sql).await?)
}

/// The roles of a group, each with the first instant at which the group has it no longer.
pub(super) async fn role_ends(
    rx: &mut Rx,
    tenant: &TenantId,
    group: &GroupId,
) -> Result<Vec<(RoleId, Option<Timestamp>)>> {
    let sql = Sql::new(
        "SELECT role_id, expires_at FROM group_roles WHERE tenant_id = $1 AND group_id = $2 ORDER BY role_id",
    );
    let rows: Vec<RoleEnd> = rx.all(sql.bind(tenant).bind(group)).await?;
    Ok(rows.into_iter().map(|row| (row.0, row.1)).collect())
}

struct RoleEnd(RoleId, Option<Timestamp>);

impl FromRow for RoleEnd {
    fn from_row(row: &Row) -> ::store::Result<Self> {
        Ok(Self(row.get("role_id")?, row.find("expires_at")?))
    }
}

impl FromRow for Membership {
    fn from_row(row: &Row) -> ::store::Result<Self> {
        Ok(Self { group_id: row.get("id")?, name: row.get("name")?, window: Window::from_row(row)? })
    }
}

pub(super) async fn count(rx: &mut Rx, tenant: &TenantId) -> Result<i64> {
    Ok(rx.one(Sql::new("SELECT count(*) FROM groups WHERE tenant_id = $1").bind(tenant)).await?)
}

pub(super) async fn count_memberships(
    rx: &mut Rx,
    tenant: &TenantId,
    principal: &PrincipalId,
) -> Result<i64> {
    let sql = Sql::new("SELECT count(*) FROM group_members WHERE tenant_id = $1 AND principal_id = $2");
    Ok(rx.one(sql.bind(tenant).bind(principal)).await?)
}

pub(super) async fn find_member(
    rx: &mut Rx,
    tenant: &TenantId,
    group: &GroupId,
    principal: &PrincipalId,
) -> Result<Option<Member>> {
    let sql = Sql::new(
        "SELECT principal_id, valid_from, expires_at FROM group_members \
         WHERE tenant_id = $1 AND group_id = $2 AND principal_id = $3",
    );
    Ok(rx.optional(sql.bind(tenant).bind(group).bind(principal)).await?)
}

/// The next groups by the key of their name.
pub(super) async fn page(rx: &mut Rx, tenant: &TenantId, listing: &Listing) -> Result<Vec<Group>> {
    let (begin, end) = listing.range();
    let sql = select().value(tenant).push(" AND name_key >= ").value(begin);
    let sql = sql.push(" AND name_key < ").value(end).push(" AND name_key > ").value(listing.after());
    Ok(rx.all(sql.push(" ORDER BY name_key LIMIT ").value(listing.limit())).await?)
}

/// The next members by id.
pub(super) async fn page_members(
    rx: &mut Rx,
    tenant: &TenantId,
    group: &GroupId,
    listing: &Listing,
) -> Result<Vec<ListedMember>> {
    let sql = Sql::new(
        "SELECT gm.principal_id, p.kind, gm.valid_from, gm.expires_at, gm.added_at, gm.added_by \
         FROM group_members gm JOIN principals p ON p.id = gm.principal_id AND p.tenant_id = gm.tenant_id \
         WHERE gm.tenant_id = $1 AND gm.group_id = $2 AND gm.principal_id > $3 ORDER BY gm.principal_id LIMIT $4",
    );
    Ok(rx.all(sql.bind(tenant).bind(group).bind(listing.after()).bind(listing.limit())).await?)
}

/// The next groups of a principal by the key of their name.
pub(super) async fn page_memberships(
    rx: &mut Rx,
    tenant: &TenantId,
    principal: &PrincipalId,
    listing: &Listing,
) -> Result<Vec<Membership>> {
    let sql = Sql::new(
        "SELECT g.id, g.name, gm.valid_from, gm.expires_at FROM group_members gm \
         JOIN groups g ON g.id = gm.group_id AND g.tenant_id = gm.tenant_id \
         WHERE gm.tenant_id = $1 AND gm.principal_id = $2 AND g.name_key > $3 ORDER BY g.name_key LIMIT $4",
    );
    Ok(rx.all(sql.bind(tenant).bind(principal).bind(listing.after()).bind(listing.limit())).await?)
}
