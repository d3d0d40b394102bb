//! All SQL about layers that decisions need.

use ::store::{Rx, Sql};
use base::id::{PolicyId, PrincipalId, TenantId};

use crate::Result;

pub(super) async fn guardrails(rx: &mut Rx, tenant: &TenantId) -> Result<Vec<PolicyId>> {
    let sql = Sql::new("SELECT policy_id FROM tenant_guardrails WHERE tenant_id = $1 ORDER BY policy_id");
    Ok(rx.all(sql.bind(tenant)).await?)
}

pub(super) async fn boundary(
    rx: &mut Rx,
    tenant: &TenantId,
    principal: &PrincipalId,
) -> Result<Option<PolicyId>> {
    let sql =
        Sql::new("SELECT policy_id FROM principal_boundaries WHERE tenant_id = $1 AND principal_id = $2");
    Ok(rx.optional(sql.bind(tenant).bind(principal)).await?)
}
