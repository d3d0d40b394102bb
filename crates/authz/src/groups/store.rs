//! All SQL about groups and their members, except what decisions load.

use ::store::{FromRow, ListColumn, Row, Rx, ScalarKind, Sql};
use base::Timestamp;
use base::id::{GroupId, PrincipalId, RoleId, TenantId};
use base::text::name_key;

use super::{Group, ListedMember, MEMBER_ORDER, Member, Membership, ORDER, PAGE_MAX};
use crate::listing::Source;
use crate::roles::Window;
use crate::{Listed, Listing, Result, Tx};

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

const SELECT: &str = "SELECT id, name, name_key, description, version, created_at, updated_at";

fn select() -> Sql {
    Sql::new(SELECT).push(" FROM groups WHERE tenant_id = ")
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
        Ok(Self { group_id: row.get("group_id")?, name: row.get("name")?, window: Window::from_row(row)? })
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

/// What lists of groups are filtered and sorted by.
pub(super) const COLUMNS: &[ListColumn] = &[
    ListColumn::of("id", "id", ScalarKind::Text),
    ListColumn::of("name", "name_key", ScalarKind::Text),
    ListColumn::nullable("description", "description", ScalarKind::Text),
    ListColumn::of("created_at", "created_at", ScalarKind::Time),
    ListColumn::of("updated_at", "updated_at", ScalarKind::Time),
];

/// A part of the groups.
pub(super) async fn page(rx: &mut Rx, tenant: &TenantId, listing: &Listing) -> Result<Listed<Group>> {
    let from = Sql::new(" FROM groups WHERE tenant_id = ").value(tenant);
    let source = Source { select: SELECT, from, columns: COLUMNS, order: &ORDER, id: "id" };
    source.read(rx, listing).await
}

/// What lists of members are filtered and sorted by.
pub(super) const MEMBERS: &[ListColumn] = &[
    ListColumn::of("principal_id", "principal_id", ScalarKind::Text),
    ListColumn::of("principal_type", "kind", ScalarKind::Text),
    ListColumn::nullable("valid_from", "valid_from", ScalarKind::Time),
    ListColumn::nullable("expires_at", "expires_at", ScalarKind::Time),
    ListColumn::of("added_at", "added_at", ScalarKind::Time),
    ListColumn::nullable("added_by", "added_by", ScalarKind::Text),
];

/// A part of the members.
pub(super) async fn page_members(
    rx: &mut Rx,
    tenant: &TenantId,
    group: &GroupId,
    listing: &Listing,
) -> Result<Listed<ListedMember>> {
    let from = Sql::new(
        " FROM group_members gm JOIN principals p ON p.id = gm.principal_id AND p.tenant_id = gm.tenant_id \
         WHERE gm.tenant_id = $1 AND gm.group_id = $2",
    );
    let source = Source {
        select: "SELECT principal_id, kind, valid_from, expires_at, added_at, added_by",
        from: from.bind(tenant).bind(group),
        columns: MEMBERS,
        order: &MEMBER_ORDER,
        id: "principal_id",
    };
    source.read(rx, listing).await
}

/// What lists of memberships are filtered and sorted by.
pub(super) const MEMBERSHIPS: &[ListColumn] = &[
    ListColumn::of("group_id", "group_id", ScalarKind::Text),
    ListColumn::of("name", "name_key", ScalarKind::Text),
    ListColumn::nullable("valid_from", "valid_from", ScalarKind::Time),
    ListColumn::nullable("expires_at", "expires_at", ScalarKind::Time),
];

/// A part of the groups of a principal.
pub(super) async fn page_memberships(
    rx: &mut Rx,
    tenant: &TenantId,
    principal: &PrincipalId,
    listing: &Listing,
) -> Result<Listed<Membership>> {
    let from = Sql::new(
        " FROM group_members gm JOIN groups g ON g.id = gm.group_id AND g.tenant_id = gm.tenant_id \
         WHERE gm.tenant_id = $1 AND gm.principal_id = $2",
    );
    let source = Source {
        select: "SELECT group_id, name, name_key, valid_from, expires_at",
        from: from.bind(tenant).bind(principal),
        columns: MEMBERSHIPS,
        order: &ORDER,
        id: "group_id",
    };
    source.read(rx, listing).await
}
