//! All SQL that removes a tenant's rows.

use authz::{Rx, Tx};
use base::Timestamp;
use base::id::TenantId;
use store::Sql;

use super::Tenant;
use crate::Result;

/// Removes rows of one table, at most so many; the first placeholder is the tenant, the second the limit.
struct Step {
    table: &'static str,
    sql: &'static str,
}

/// Steps for tables, each with the columns of its key.
macro_rules! steps {
    ($($table:literal by $key:literal;)*) => {
        &[$(Step {
            table: $table,
            sql: concat!(
                "DELETE FROM ", $table, " WHERE (", $key, ") IN (SELECT ", $key, " FROM ", $table,
                " WHERE tenant_id = $1 LIMIT $2)"
            ),
        },)*]
    };
}

/// Links between rows of one table, which no order of removal could obey.
static UNLINKED: &[Step] = &[
    Step {
        table: "roles",
        sql: "UPDATE roles SET parent_id = NULL WHERE id IN \
              (SELECT id FROM roles WHERE tenant_id = $1 AND parent_id IS NOT NULL LIMIT $2)",
    },
    Step {
        table: "resources",
        sql: "UPDATE resources SET parent_id = NULL WHERE id IN \
              (SELECT id FROM resources WHERE tenant_id = $1 AND parent_id IS NOT NULL LIMIT $2)",
    },
    Step {
        table: "departments",
        sql: "UPDATE departments SET parent_id = NULL WHERE id IN \
              (SELECT id FROM departments WHERE tenant_id = $1 AND parent_id IS NOT NULL LIMIT $2)",
    },
];

/// What refers to something goes before it, so that no removal takes an unknown number of rows with it.
static STEPS: &[Step] = steps! {
    "tokens" by "id";
    "authorization_codes" by "code_digest";
    "oauth_grants" by "id";
    "oauth_consents" by "id";
    "user_sessions" by "id";
    "user_activities" by "id";
    "password_reset_tokens" by "id";
    "imported_passwords" by "user_id";
    "password_history" by "id";
    "backup_codes" by "id";
    "user_departments" by "id";
    "user_roles" by "id";
    "client_roles" by "id";
    "group_members" by "group_id, principal_id";
    "group_roles" by "group_id, role_id";
    "role_policies" by "role_id, policy_id";
    "tenant_guardrails" by "tenant_id, policy_id";
    "user_policies" by "user_id, policy_id";
    "principal_boundaries" by "principal_id";
    "policy_permissions" by "policy_id, permission_id";
    "policy_global_permissions" by "policy_id, global_permission_id";
    "policy_resources" by "policy_id, resource_id";
    "policy_history" by "tenant_id, policy_id, version";
    "resource_policies" by "resource_id";
    "users" by "id";
    "principals" by "id";
    "oauth2_clients" by "id";
    "departments" by "id";
    "groups" by "id";
    "policies" by "id";
    "permissions" by "id";
    "resources" by "id";
    "roles" by "id";
    "signing_keys" by "id";
    "kms_key_references" by "key_id, holder";
    "kms_key_details" by "key_id";
    "kms_data_keys" by "id";
    "kms_key_rings" by "id";
    "kms_tenant_keys" by "tenant_id";
    "throttles" by "key";
    "idempotency_keys" by "tenant_id, principal_id, route, key";
    "outbox" by "id";
};

/// Every table that a purge empties of a tenant. Those with a tenant that it leaves are `audit_logs`,
/// `policy_changes` (for minutes), `policy_versions` and `tenant_tombstones`.
pub static TABLES: std::sync::LazyLock<Vec<&'static str>> =
    std::sync::LazyLock::new(|| STEPS.iter().map(|step| step.table).collect());

/// Removes or unlinks at most so many rows of a tenant and says how many; fewer than the limit means that none
/// is left.
pub(super) async fn remove_batch(tx: &mut Tx, tenant: &TenantId, rows_max: u32) -> Result<u64> {
    let limit = u64::from(rows_max);
    let mut removed = 0;
    for step in UNLINKED.iter().chain(STEPS) {
        let left = limit.saturating_sub(removed);
        if left == 0 {
            break;
        }
        let left = i64::try_from(left).unwrap_or(i64::MAX);
        removed += tx.execute(Sql::new(step.sql).bind(tenant).bind(left)).await?;
    }
    Ok(removed)
}

/// Tenants that a purge was begun or interrupted at, and those whose time has come; the former first.
pub(super) async fn due(rx: &mut Rx, now: Timestamp, limit: u32) -> store::Result<Vec<TenantId>> {
    let sql = Sql::new(
        "SELECT id FROM tenants WHERE purge_at <= $1 AND (purge_started_at IS NOT NULL OR hold_reason IS NULL) \
         ORDER BY CASE WHEN purge_started_at IS NULL THEN 1 ELSE 0 END, purge_at, id LIMIT $2",
    );
    rx.all(sql.bind(now).bind(i64::from(limit))).await
}

/// Marks a tenant as going if nobody else has written since the version that was read.
pub(super) async fn begin(tx: &mut Tx, found: &Tenant, now: Timestamp) -> Result<u64> {
    let sql = Sql::new(
        "UPDATE tenants SET purge_started_at = $3, updated_at = $3, version = version + 1 \
         WHERE id = $1 AND version = $2 AND purge_started_at IS NULL",
    );
    Ok(tx.execute(sql.bind(&found.id).bind(found.version).bind(now)).await?)
}

/// Removes a marked tenant's own row, leaves the tombstone and says which code it had; none where it is gone
/// already.
pub(super) async fn bury(tx: &mut Tx, id: &TenantId, now: Timestamp) -> Result<Option<String>> {
    let sql = Sql::new(
        "INSERT INTO tenant_tombstones (tenant_id, code, issuer, account_number, purged_at) \
         SELECT id, code, issuer, account_number, $2 FROM tenants \
         WHERE id = $1 AND purge_started_at IS NOT NULL",
    );
    if tx.execute(sql.bind(id).bind(now)).await? == 0 {
        return Ok(None);
    }
    tx.execute(Sql::new("DELETE FROM tenants WHERE id = $1").bind(id)).await?;
    Ok(tx.optional(Sql::new("SELECT code FROM tenant_tombstones WHERE tenant_id = $1").bind(id)).await?)
}
