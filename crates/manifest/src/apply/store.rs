//! The version that a plan is bound to.

use authz::{Rx, Tx};
use base::id::TenantId;
use store::Sql;

use crate::error::Result;

/// The version of what changes the tenant's decisions.
pub(super) async fn policy_version(rx: &mut Rx, tenant: &TenantId) -> Result<i64> {
    let sql = Sql::new("SELECT version FROM policy_versions WHERE tenant_id = $1").bind(tenant);
    Ok(rx.optional(sql).await?.unwrap_or(0))
}

/// The same, and nobody else's change commits before this transaction ends.
pub(super) async fn lock_policy_version(tx: &mut Tx, tenant: &TenantId) -> Result<i64> {
    let sql = Sql::new("UPDATE policy_versions SET version = version WHERE tenant_id = $1 RETURNING version");
    Ok(tx.optional(sql.bind(tenant)).await?.unwrap_or(0))
}
