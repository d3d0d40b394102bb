//! All SQL about roles, their policies and their holders, except what decisions load.

use std::collections::HashMap;

use ::store::{FromRow, ListColumn, Row, Rx, ScalarKind, Sql};
use base::Timestamp;
use base::id::{PermissionId, PolicyId, RoleId, TenantId};

use super::{Attachment, ORDER, ROLES_MAX, Role};
use crate::action::PermissionCode;
use crate::listing::Source;
use crate::{Listed, Listing, Result, Tx};

impl FromRow for Role {
    fn from_row(row: &Row) -> ::store::Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            code: row.get("code")?,
            name: row.get("name")?,
            description: row.find("description")?,
            parent_id: row.find("parent_id")?,
            permissions: row.find("permissions")?.unwrap_or_default(),
            policies: Vec::new(),
            version: row.get("version")?,
            created_at: row.get("created_at")?,
            updated_at: row.get("updated_at")?,
        })
    }
}

struct Attached {
    role: RoleId,
    policy: PolicyId,
}

impl FromRow for Attached {
    fn from_row(row: &Row) -> ::store::Result<Self> {
        Ok(Self { role: row.get("role_id")?, policy: row.get("policy_id")? })
    }
}

pub(super) async fn insert(tx: &mut Tx, tenant: &TenantId, role: &Role) -> Result<()> {
    tx.execute(
        Sql::new(
            "INSERT INTO roles (id, tenant_id, name, code, description, permissions, parent_id, version, \
             created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .bind(&role.id)
        .bind(tenant)
        .bind(&role.name)
        .bind(&role.code)
        .bind(role.description.as_deref())
        .bind(&role.permissions)
        .bind(role.parent_id.as_ref())
        .bind(role.version)
        .bind(role.created_at)
        .bind(role.updated_at),
    )
    .await?;
    Ok(())
}

/// Writes a role if it still has this version.
pub(super) async fn update(tx: &mut Tx, tenant: &TenantId, role: &Role, version: i64) -> Result<u64> {
    let sql = Sql::new(
        "UPDATE roles SET name = $1, description = $2, permissions = $3, parent_id = $4, version = $5, \
         updated_at = $6 WHERE tenant_id = $7 AND id = $8 AND version = $9",
    )
    .bind(&role.name)
    .bind(role.description.as_deref())
    .bind(&role.permissions)
    .bind(role.parent_id.as_ref())
    .bind(role.version)
    .bind(role.updated_at)
    .bind(tenant)
    .bind(&role.id)
    .bind(version);
    Ok(tx.execute(sql).await?)
}

pub(super) async fn delete(tx: &mut Tx, tenant: &TenantId, id: &RoleId) -> Result<u64> {
    Ok(tx
        .execute(Sql::new("DELETE FROM roles WHERE tenant_id = $1 AND id = $2").bind(tenant).bind(id))
        .await?)
}

pub(super) async fn insert_permission(
    tx: &mut Tx,
    tenant: &TenantId,
    id: &PermissionId,
    code: &PermissionCode,
    now: Timestamp,
) -> Result<()> {
    let (resource, action) = code.code.split_once(':').unwrap_or((code.code, ""));
    tx.execute(
        Sql::new(
            "INSERT INTO permissions (id, tenant_id, code, name, resource, action, description, created_at, \
             updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)",
        )
        .bind(id)
        .bind(tenant)
        .bind(code.code)
        .bind(code.name)
        .bind(resource)
        .bind(action)
        .bind(code.description)
        .bind(now),
    )
    .await?;
    Ok(())
}

pub(super) async fn count(rx: &mut Rx, tenant: &TenantId) -> Result<i64> {
    Ok(rx.one(Sql::new("SELECT count(*) FROM roles WHERE tenant_id = $1").bind(tenant)).await?)
}

/// In how many places a role is held or inherited from.
pub(super) async fn count_uses(rx: &mut Rx, tenant: &TenantId, id: &RoleId) -> Result<i64> {
    let sql = Sql::new(
        "SELECT (SELECT count(*) FROM user_roles WHERE tenant_id = $1 AND role_id = $2) \
         + (SELECT count(*) FROM client_roles WHERE tenant_id = $1 AND role_id = $2) \
         + (SELECT count(*) FROM group_roles WHERE tenant_id = $1 AND role_id = $2) \
         + (SELECT count(*) FROM roles WHERE tenant_id = $1 AND parent_id = $2)",
    )
    .bind(tenant)
    .bind(id);
    Ok(rx.one(sql).await?)
}

const SELECT: &str =
    "SELECT id, code, name, description, parent_id, permissions, version, created_at, updated_at";

fn select() -> Sql {
    Sql::new(SELECT).push(" FROM roles WHERE tenant_id = ")
}

pub(super) async fn find(rx: &mut Rx, tenant: &TenantId, id: &RoleId) -> Result<Option<Role>> {
    Ok(rx.optional(select().value(tenant).push(" AND id = ").value(id)).await?)
}

pub(super) async fn find_by_code(rx: &mut Rx, tenant: &TenantId, code: &str) -> Result<Option<Role>> {
    Ok(rx.optional(select().value(tenant).push(" AND code = ").value(code)).await?)
}

pub(super) async fn list(rx: &mut Rx, tenant: &TenantId) -> Result<Vec<Role>> {
    Ok(rx.all(select().value(tenant).push(" ORDER BY code LIMIT ").value(ROLES_MAX)).await?)
}

pub(super) async fn policies_of(rx: &mut Rx, tenant: &TenantId, role: &RoleId) -> Result<Vec<PolicyId>> {
    let sql = Sql::new(
        "SELECT policy_id FROM role_policies WHERE tenant_id = $1 AND role_id = $2 ORDER BY policy_id",
    )
    .bind(tenant)
    .bind(role);
    Ok(rx.all(sql).await?)
}

pub(super) async fn all_policies(rx: &mut Rx, tenant: &TenantId) -> Result<HashMap<RoleId, Vec<PolicyId>>> {
    let sql = Sql::new(
        "SELECT role_id, policy_id FROM role_policies WHERE tenant_id = $1 ORDER BY role_id, policy_id",
    )
    .bind(tenant);
    let mut by_role: HashMap<RoleId, Vec<PolicyId>> = HashMap::new();
    for row in rx.all::<Attached>(sql).await? {
        by_role.entry(row.role).or_default().push(row.policy);
    }
    Ok(by_role)
}

/// Those of the policies that the tenant has.
pub(super) async fn find_policies(
    rx: &mut Rx,
    tenant: &TenantId,
    ids: &[&PolicyId],
) -> Result<Vec<PolicyId>> {
    let sql = Sql::new("SELECT id FROM policies WHERE tenant_id = ").value(tenant).push(" AND id IN ");
    Ok(rx.all(sql.list(ids.iter().copied())).await?)
}

pub(super) async fn replace_policies(
    tx: &mut Tx,
    tenant: &TenantId,
    role: &RoleId,
    policies: &[&PolicyId],
    now: Timestamp,
    by: Option<&str>,
) -> Result<()> {
    let gone = Sql::new("DELETE FROM role_policies WHERE tenant_id = ").value(tenant);
    let gone = gone.push(" AND role_id = ").value(role);
    // An empty list would be `NOT IN (NULL)`, which holds for nothing.
    let gone = match policies {
        [] => gone,
        kept => gone.push(" AND policy_id NOT IN ").list(kept.iter().copied()),
    };
    tx.execute(gone).await?;
    for policy in policies {
        tx.execute(
            Sql::new(
                "INSERT INTO role_policies (role_id, policy_id, tenant_id, attached_at, attached_by) \
                 VALUES ($1, $2, $3, $4, $5) ON CONFLICT (role_id, policy_id) DO NOTHING",
            )
            .bind(role)
            .bind(*policy)
            .bind(tenant)
            .bind(now)
            .bind(by),
        )
        .await?;
    }
    Ok(())
}

/// The documents of a role and of those that it inherits from.
pub(super) async fn documents_of(
    rx: &mut Rx,
    tenant: &TenantId,
    role: &RoleId,
) -> Result<Vec<serde_json::Value>> {
    let sql = Sql::new(
        "WITH RECURSIVE own (id) AS (SELECT id FROM roles WHERE tenant_id = $1 AND id = $2 \
         UNION SELECT r.parent_id FROM roles r JOIN own o ON r.id = o.id \
         WHERE r.tenant_id = $1 AND r.parent_id IS NOT NULL) \
         SELECT p.document FROM policies p JOIN role_policies rp ON rp.policy_id = p.id \
         AND rp.tenant_id = p.tenant_id JOIN own o ON o.id = rp.role_id \
         WHERE p.tenant_id = $1 AND p.document IS NOT NULL",
    )
    .bind(tenant)
    .bind(role);
    Ok(rx.all(sql).await?)
}

/// What lists of roles are filtered and sorted by.
pub(super) const COLUMNS: &[ListColumn] = &[
    ListColumn::of("id", "id", ScalarKind::Text),
    ListColumn::of("code", "code", ScalarKind::Text),
    ListColumn::of("name", "name", ScalarKind::Text),
    ListColumn::nullable("description", "description", ScalarKind::Text),
    ListColumn::nullable("parent_id", "parent_id", ScalarKind::Text),
    ListColumn::of("created_at", "created_at", ScalarKind::Time),
    ListColumn::of("updated_at", "updated_at", ScalarKind::Time),
];

/// A part of the roles, or of these among them.
pub(super) async fn page(
    rx: &mut Rx,
    tenant: &TenantId,
    among: Option<&[RoleId]>,
    listing: &Listing,
) -> Result<Listed<Role>> {
    let from = Sql::new(" FROM roles WHERE tenant_id = ").value(tenant);
    let from = match among {
        Some(ids) => from.push(" AND id IN ").list(ids),
        None => from,
    };
    let source = Source { select: SELECT, from, columns: COLUMNS, order: &ORDER, id: "id" };
    source.read(rx, listing).await
}

/// Id, code and name of a role.
pub(super) struct Named(pub(super) RoleId, pub(super) String, pub(super) String);

impl FromRow for Named {
    fn from_row(row: &Row) -> ::store::Result<Self> {
        Ok(Self(row.get("id")?, row.get("code")?, row.get("name")?))
    }
}

/// What all roles of the tenant are called.
pub(super) async fn names(rx: &mut Rx, tenant: &TenantId) -> Result<Vec<Named>> {
    let sql = Sql::new("SELECT id, code, name FROM roles WHERE tenant_id = ").value(tenant);
    Ok(rx.all(sql.push(" ORDER BY code LIMIT ").value(ROLES_MAX)).await?)
}

/// A role and those that it inherits from, nearest first.
pub(super) async fn with_ancestors(rx: &mut Rx, tenant: &TenantId, id: &RoleId) -> Result<Vec<Role>> {
    let mut found: Vec<Role> = Vec::new();
    let mut next = Some(id.clone());
    while let Some(id) = next
        && found.len() < policy::snapshot::ROLE_DEPTH_MAX
    {
        let Some(role) = find(rx, tenant, &id).await? else { break };
        next = role.parent_id.clone();
        found.push(role);
    }
    Ok(found)
}

impl FromRow for Attachment {
    fn from_row(row: &Row) -> ::store::Result<Self> {
        Ok(Self {
            policy_id: row.get("id")?,
            name: row.get("name")?,
            attached_at: row.get("attached_at")?,
            attached_by: row.find("attached_by")?,
        })
    }
}

/// The policies attached to a role, by name.
pub(super) async fn list_attachments(
    rx: &mut Rx,
    tenant: &TenantId,
    role: &RoleId,
) -> Result<Vec<Attachment>> {
    let sql = Sql::new(
        "SELECT p.id, p.name, rp.attached_at, rp.attached_by FROM role_policies rp \
         JOIN policies p ON p.id = rp.policy_id AND p.tenant_id = rp.tenant_id \
         WHERE rp.tenant_id = $1 AND rp.role_id = $2 ORDER BY p.name_key",
    );
    Ok(rx.all(sql.bind(tenant).bind(role)).await?)
}

pub(super) async fn attach(
    tx: &mut Tx,
    tenant: &TenantId,
    role: &RoleId,
    policy: &PolicyId,
    at: (Timestamp, Option<&str>),
) -> Result<u64> {
    let sql = Sql::new(
        "INSERT INTO role_policies (role_id, policy_id, tenant_id, attached_at, attached_by) \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (role_id, policy_id) DO NOTHING",
    );
    Ok(tx.execute(sql.bind(role).bind(policy).bind(tenant).bind(at.0).bind(at.1)).await?)
}

pub(super) async fn detach(tx: &mut Tx, tenant: &TenantId, role: &RoleId, policy: &PolicyId) -> Result<u64> {
    let sql = Sql::new("DELETE FROM role_policies WHERE tenant_id = $1 AND role_id = $2 AND policy_id = $3");
    Ok(tx.execute(sql.bind(tenant).bind(role).bind(policy)).await?)
}

/// Whether a policy of a role, or of one that it inherits from, is linked to something that it denies.
pub(super) async fn links_deny(rx: &mut Rx, tenant: &TenantId, role: &RoleId) -> Result<bool> {
    let sql = Sql::new(
        "WITH RECURSIVE own (id) AS (SELECT id FROM roles WHERE tenant_id = $1 AND id = $2 \
         UNION SELECT r.parent_id FROM roles r JOIN own o ON r.id = o.id \
         WHERE r.tenant_id = $1 AND r.parent_id IS NOT NULL) \
         SELECT count(*) FROM role_policies rp JOIN own o ON o.id = rp.role_id \
         JOIN policies p ON p.id = rp.policy_id AND p.tenant_id = rp.tenant_id WHERE rp.tenant_id = $1 AND (\
         EXISTS (SELECT 1 FROM policy_permissions pp WHERE pp.tenant_id = $1 AND pp.policy_id = p.id \
         AND coalesce(pp.effect, p.effect) = 'deny') \
         OR (p.effect = 'deny' AND EXISTS (SELECT 1 FROM policy_global_permissions pg \
         WHERE pg.tenant_id = $1 AND pg.policy_id = p.id)))",
    );
    let found: i64 = rx.one(sql.bind(tenant).bind(role)).await?;
    Ok(found > 0)
}

/// Makes other changes of parents in the tenant wait. The trigger takes the same lock, but only once it holds
/// the row, which another's check of its parent may be waiting for.
pub(super) async fn lock_tree(tx: &mut Tx, tenant: &TenantId) -> Result<()> {
    ::store::lock::hold(tx, &format!("roles.parent_id:{tenant}")).await?;
    Ok(())
}
