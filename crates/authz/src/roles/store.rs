//! All SQL about roles, their policies and their holders, except what decisions load.

use std::collections::HashMap;

use ::store::{FromRow, Row, Rx, Sql};
use base::Timestamp;
use base::id::{GroupId, Id, Noun, PermissionId, PolicyId, PrincipalId, RoleId, TenantId};

use super::assign::{AssignmentRow, Held, Holder, Window};
use super::{ROLES_MAX, Role};
use crate::action::PermissionCode;
use crate::{Result, Tx};

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

impl FromRow for Window {
    fn from_row(row: &Row) -> ::store::Result<Self> {
        Ok(Self { valid_from: row.find("valid_from")?, expires_at: row.find("expires_at")? })
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

fn select() -> Sql {
    Sql::new(
        "SELECT id, code, name, description, parent_id, permissions, version, created_at, updated_at \
         FROM roles WHERE tenant_id = ",
    )
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

/// What all assignments have in common.
pub(super) struct Grant<'a> {
    pub(super) tenant: &'a TenantId,
    pub(super) role: &'a RoleId,
    pub(super) window: Window,
    pub(super) at: Timestamp,
    pub(super) by: Option<&'a str>,
}

impl Grant<'_> {
    /// Binds tenant, role, window, instant and actor as `$1` to `$6`.
    fn begin(&self, text: &'static str) -> Sql {
        Sql::new(text)
            .bind(self.tenant)
            .bind(self.role)
            .bind(self.window.valid_from)
            .bind(self.window.expires_at)
            .bind(self.at)
            .bind(self.by)
    }
}

/// The marker of an assignment's row id, which nobody outside sees.
#[derive(Debug)]
pub(super) enum AssignmentNoun {}

impl Noun for AssignmentNoun {
    const NAME: &'static str = "assignment";
}

pub(super) async fn assign_user(
    tx: &mut Tx,
    grant: &Grant<'_>,
    row: &Id<AssignmentNoun>,
    user: &PrincipalId,
) -> Result<()> {
    let sql = grant.begin(
        "INSERT INTO user_roles (tenant_id, role_id, valid_from, expires_at, assigned_at, assigned_by, id, user_id) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (user_id, role_id) DO UPDATE SET \
         valid_from = excluded.valid_from, expires_at = excluded.expires_at, \
         assigned_at = excluded.assigned_at, assigned_by = excluded.assigned_by",
    );
    tx.execute(sql.bind(row).bind(user)).await?;
    Ok(())
}

pub(super) async fn assign_client(
    tx: &mut Tx,
    grant: &Grant<'_>,
    row: &Id<AssignmentNoun>,
    client: &PrincipalId,
) -> Result<()> {
    let sql = grant.begin(
        "INSERT INTO client_roles (tenant_id, role_id, valid_from, expires_at, assigned_at, assigned_by, id, \
         client_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (client_id, role_id) DO UPDATE SET \
         valid_from = excluded.valid_from, expires_at = excluded.expires_at, \
         assigned_at = excluded.assigned_at, assigned_by = excluded.assigned_by",
    );
    tx.execute(sql.bind(row).bind(client)).await?;
    Ok(())
}

pub(super) async fn assign_group(tx: &mut Tx, grant: &Grant<'_>, group: &GroupId) -> Result<()> {
    let sql = grant.begin(
        "INSERT INTO group_roles (tenant_id, role_id, valid_from, expires_at, assigned_at, assigned_by, group_id) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (group_id, role_id) DO UPDATE SET \
         valid_from = excluded.valid_from, expires_at = excluded.expires_at, \
         assigned_at = excluded.assigned_at, assigned_by = excluded.assigned_by",
    );
    tx.execute(sql.bind(group)).await?;
    Ok(())
}

pub(super) async fn group_exists(rx: &mut Rx, tenant: &TenantId, id: &GroupId) -> Result<bool> {
    let sql = Sql::new("SELECT id FROM groups WHERE tenant_id = $1 AND id = $2").bind(tenant).bind(id);
    Ok(rx.optional::<GroupId>(sql).await?.is_some())
}

pub(super) async fn unassign(tx: &mut Tx, tenant: &TenantId, holder: &Holder, role: &RoleId) -> Result<u64> {
    let group = |id: &GroupId| {
        Sql::new("DELETE FROM group_roles WHERE tenant_id = $1 AND role_id = $2 AND group_id = $3")
            .bind(tenant)
            .bind(role)
            .bind(id)
    };
    let id = match holder {
        Holder::Group(id) => return Ok(tx.execute(group(id)).await?),
        Holder::Principal(id) => id,
    };
    // Ids are unique over users and clients, so at most one of the two has a row.
    let user = Sql::new("DELETE FROM user_roles WHERE tenant_id = $1 AND role_id = $2 AND user_id = $3");
    let client =
        Sql::new("DELETE FROM client_roles WHERE tenant_id = $1 AND role_id = $2 AND client_id = $3");
    let users = tx.execute(user.bind(tenant).bind(role).bind(id)).await?;
    let clients = tx.execute(client.bind(tenant).bind(role).bind(id)).await?;
    Ok(users + clients)
}

impl FromRow for Held {
    fn from_row(row: &Row) -> ::store::Result<Self> {
        let own = Window::from_row(row)?;
        let member_from: Option<Timestamp> = row.find("member_from")?;
        let member_until: Option<Timestamp> = row.find("member_until")?;
        let expires_at = match (own.expires_at, member_until) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        Ok(Self {
            role_id: row.get("role_id")?,
            role_code: row.get("code")?,
            window: Window { valid_from: own.valid_from.max(member_from), expires_at },
            through: row.find("group_id")?,
        })
    }
}

pub(super) async fn list_held(rx: &mut Rx, tenant: &TenantId, principal: &PrincipalId) -> Result<Vec<Held>> {
    let direct = Sql::new(
        "SELECT ur.role_id, r.code, ur.valid_from, ur.expires_at, NULL AS member_from, NULL AS member_until, \
         NULL AS group_id FROM user_roles ur JOIN roles r ON r.id = ur.role_id AND r.tenant_id = ur.tenant_id \
         WHERE ur.tenant_id = $1 AND ur.user_id = $2 ORDER BY ur.role_id",
    );
    let client = Sql::new(
        "SELECT cr.role_id, r.code, cr.valid_from, cr.expires_at, NULL AS member_from, NULL AS member_until, \
         NULL AS group_id FROM client_roles cr JOIN roles r ON r.id = cr.role_id AND r.tenant_id = cr.tenant_id \
         WHERE cr.tenant_id = $1 AND cr.client_id = $2 ORDER BY cr.role_id",
    );
    let through = Sql::new(
        "SELECT gr.role_id, r.code, gr.valid_from, gr.expires_at, gm.valid_from AS member_from, \
         gm.expires_at AS member_until, gr.group_id FROM group_members gm \
         JOIN group_roles gr ON gr.group_id = gm.group_id AND gr.tenant_id = gm.tenant_id \
         JOIN roles r ON r.id = gr.role_id AND r.tenant_id = gr.tenant_id \
         WHERE gm.tenant_id = $1 AND gm.principal_id = $2 ORDER BY gr.role_id, gr.group_id",
    );
    let mut held = Vec::new();
    for sql in [direct, client, through] {
        held.extend(rx.all::<Held>(sql.bind(tenant).bind(principal)).await?);
    }
    Ok(held)
}

struct PrincipalAssignment(AssignmentRow);

impl FromRow for PrincipalAssignment {
    fn from_row(row: &Row) -> ::store::Result<Self> {
        let holder = Holder::Principal(row.get("holder_id")?);
        Ok(Self(AssignmentRow { holder, role_id: row.get("role_id")?, window: Window::from_row(row)? }))
    }
}

struct GroupAssignment(AssignmentRow);

impl FromRow for GroupAssignment {
    fn from_row(row: &Row) -> ::store::Result<Self> {
        let holder = Holder::Group(row.get("holder_id")?);
        Ok(Self(AssignmentRow { holder, role_id: row.get("role_id")?, window: Window::from_row(row)? }))
    }
}

pub(super) async fn list_assignments(rx: &mut Rx, tenant: &TenantId) -> Result<Vec<AssignmentRow>> {
    let principals = Sql::new(
        "SELECT user_id AS holder_id, role_id, valid_from, expires_at FROM user_roles WHERE tenant_id = $1 \
         UNION ALL \
         SELECT client_id AS holder_id, role_id, valid_from, expires_at FROM client_roles WHERE tenant_id = $1 \
         ORDER BY 1, 2",
    );
    let groups = Sql::new(
        "SELECT group_id AS holder_id, role_id, valid_from, expires_at FROM group_roles WHERE tenant_id = $1 \
         ORDER BY 1, 2",
    );
    let principals: Vec<PrincipalAssignment> = rx.all(principals.bind(tenant)).await?;
    let groups: Vec<GroupAssignment> = rx.all(groups.bind(tenant)).await?;
    Ok(principals.into_iter().map(|row| row.0).chain(groups.into_iter().map(|row| row.0)).collect())
}
