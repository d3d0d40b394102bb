//! All SQL about direct policies, except what decisions load.

use ::store::{FromRow, Row, Rx, Sql};
use base::Timestamp;
use base::id::{PolicyId, TenantId, UserId};

use super::{DirectPolicy, NewDirectPolicy};
use crate::roles::Window;
use crate::{Result, Tx};

impl FromRow for DirectPolicy {
    fn from_row(row: &Row) -> ::store::Result<Self> {
        Ok(Self {
            policy_id: row.get("id")?,
            name: row.get("name")?,
            window: Window::from_row(row)?,
            attached_at: row.get("attached_at")?,
            attached_by: row.find("attached_by")?,
        })
    }
}

pub(super) async fn list(rx: &mut Rx, tenant: &TenantId, user: &UserId) -> Result<Vec<DirectPolicy>> {
    let sql = Sql::new(
        "SELECT p.id, p.name, u.valid_from, u.expires_at, u.attached_at, u.attached_by FROM user_policies u \
         JOIN policies p ON p.id = u.policy_id AND p.tenant_id = u.tenant_id \
         WHERE u.tenant_id = $1 AND u.user_id = $2 ORDER BY p.name_key",
    );
    Ok(rx.all(sql.bind(tenant).bind(user)).await?)
}

pub(super) async fn count(rx: &mut Rx, tenant: &TenantId) -> Result<i64> {
    Ok(rx.one(Sql::new("SELECT count(*) FROM user_policies WHERE tenant_id = $1").bind(tenant)).await?)
}

pub(super) async fn count_of(rx: &mut Rx, tenant: &TenantId, policy: &PolicyId) -> Result<i64> {
    let sql = Sql::new("SELECT count(*) FROM user_policies WHERE tenant_id = $1 AND policy_id = $2");
    Ok(rx.one(sql.bind(tenant).bind(policy)).await?)
}

pub(super) async fn put(
    tx: &mut Tx,
    tenant: &TenantId,
    new: &NewDirectPolicy,
    at: (Timestamp, Option<&str>),
) -> Result<u64> {
    let sql = Sql::new(
        "INSERT INTO user_policies (user_id, policy_id, tenant_id, valid_from, expires_at, attached_at, \
         attached_by) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (user_id, policy_id) DO UPDATE SET \
         valid_from = excluded.valid_from, expires_at = excluded.expires_at, \
         attached_at = excluded.attached_at, attached_by = excluded.attached_by",
    )
    .bind(&new.user)
    .bind(&new.policy)
    .bind(tenant)
    .bind(new.window.valid_from)
    .bind(new.window.expires_at)
    .bind(at.0)
    .bind(at.1);
    Ok(tx.execute(sql).await?)
}

pub(super) async fn delete(tx: &mut Tx, tenant: &TenantId, user: &UserId, policy: &PolicyId) -> Result<u64> {
    let sql = Sql::new("DELETE FROM user_policies WHERE tenant_id = $1 AND user_id = $2 AND policy_id = $3");
    Ok(tx.execute(sql.bind(tenant).bind(user).bind(policy)).await?)
}
