//! All SQL about who holds which role, except what decisions load.

pub(in crate::roles) mod lists;

use ::store::{FromRow, Row, Rx, Sql};
use base::Timestamp;
use base::id::{GroupId, Id, Noun, PrincipalId, RoleId, TenantId};

use super::{Held, Holder, ROLES_HELD_MAX, Window};
use crate::{Result, Tx};

impl FromRow for Window {
    fn from_row(row: &Row) -> ::store::Result<Self> {
        Ok(Self { valid_from: row.find("valid_from")?, expires_at: row.find("expires_at")? })
    }
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

/// When a holder has a role directly.
pub(super) async fn find_window(
    rx: &mut Rx,
    tenant: &TenantId,
    holder: &Holder,
    role: &RoleId,
) -> Result<Option<Window>> {
    let sql = match holder {
        Holder::Group(id) => Sql::new(
            "SELECT valid_from, expires_at FROM group_roles WHERE tenant_id = $1 AND role_id = $2 AND group_id = $3",
        )
        .bind(tenant)
        .bind(role)
        .bind(id),
        Holder::Principal(id) => Sql::new(
            "SELECT valid_from, expires_at FROM user_roles WHERE tenant_id = $1 AND role_id = $2 AND user_id = $3 \
             UNION ALL \
             SELECT valid_from, expires_at FROM client_roles \
             WHERE tenant_id = $1 AND role_id = $2 AND client_id = $3",
        )
        .bind(tenant)
        .bind(role)
        .bind(id),
    };
    Ok(rx.optional(sql).await?)
}

/// How many roles a holder has directly.
pub(super) async fn count_held(rx: &mut Rx, tenant: &TenantId, holder: &Holder) -> Result<i64> {
    let sql = match holder {
        Holder::Group(id) => {
            Sql::new("SELECT count(*) FROM group_roles WHERE tenant_id = $1 AND group_id = $2")
                .bind(tenant)
                .bind(id)
        }
        Holder::Principal(id) => Sql::new(
            "SELECT (SELECT count(*) FROM user_roles WHERE tenant_id = $1 AND user_id = $2) \
             + (SELECT count(*) FROM client_roles WHERE tenant_id = $1 AND client_id = $2)",
        )
        .bind(tenant)
        .bind(id),
    };
    Ok(rx.one(sql).await?)
}

/// Makes other changes of the tenant's decisions wait until this transaction ends. It is what every commit of
/// such a change locks last, so that nobody waits in a ring.
pub(in crate::roles) async fn lock_decisions(tx: &mut Tx, tenant: &TenantId) -> Result<()> {
    let sql = Sql::new("UPDATE policy_versions SET version = version WHERE tenant_id = $1").bind(tenant);
    tx.execute(sql).await?;
    Ok(())
}

/// People who have the role of code `$2` in tenant `$1` now, at `$3`, and for good, directly or through a
/// group.
const LASTING: &str = "SELECT p.id FROM principals p JOIN (\
     SELECT ur.user_id AS id FROM user_roles ur JOIN roles r ON r.id = ur.role_id AND r.tenant_id = ur.tenant_id \
     WHERE ur.tenant_id = $1 AND r.code = $2 AND ur.expires_at IS NULL \
     AND (ur.valid_from IS NULL OR ur.valid_from <= $3) \
     UNION \
     SELECT gm.principal_id AS id FROM group_roles gr \
     JOIN roles r ON r.id = gr.role_id AND r.tenant_id = gr.tenant_id \
     JOIN group_members gm ON gm.group_id = gr.group_id AND gm.tenant_id = gr.tenant_id \
     WHERE gr.tenant_id = $1 AND r.code = $2 AND gr.expires_at IS NULL AND gm.expires_at IS NULL \
     AND (gr.valid_from IS NULL OR gr.valid_from <= $3) AND (gm.valid_from IS NULL OR gm.valid_from <= $3)\
     ) held ON held.id = p.id WHERE p.tenant_id = $1 AND p.kind = 'user'";

/// An active person who has the role of this code now and for good.
pub(in crate::roles) async fn find_lasting_holder(
    rx: &mut Rx,
    tenant: &TenantId,
    code: &str,
    now: Timestamp,
) -> Result<Option<PrincipalId>> {
    let sql = Sql::new(LASTING).bind(tenant).bind(code).bind(now);
    Ok(rx.optional(sql.push(" AND p.status = 'active' LIMIT 1")).await?)
}

/// Whether a person, active or not, has the role of this code now and for good.
pub(in crate::roles) async fn holds_lastingly(
    rx: &mut Rx,
    tenant: &TenantId,
    code: &str,
    now: Timestamp,
    id: &PrincipalId,
) -> Result<bool> {
    let sql = Sql::new(LASTING).bind(tenant).bind(code).bind(now).push(" AND p.id = ").value(id);
    Ok(rx.optional::<PrincipalId>(sql).await?.is_some())
}

/// The roles of a group, by code.
pub(super) async fn list_held_by_group(rx: &mut Rx, tenant: &TenantId, group: &GroupId) -> Result<Vec<Held>> {
    let sql = Sql::new(
        "SELECT gr.role_id, r.code, gr.valid_from, gr.expires_at, NULL AS member_from, NULL AS member_until, \
         gr.group_id FROM group_roles gr JOIN roles r ON r.id = gr.role_id AND r.tenant_id = gr.tenant_id \
         WHERE gr.tenant_id = $1 AND gr.group_id = $2 ORDER BY r.code LIMIT $3",
    );
    Ok(rx.all(sql.bind(tenant).bind(group).bind(ROLES_HELD_MAX)).await?)
}
