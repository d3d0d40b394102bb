//! All SQL about layers that decisions need.

use ::store::{FromRow, Row, Rx, Sql};
use base::id::{PolicyId, PrincipalId, TenantId};

use super::Direct;
use crate::Result;

pub(super) async fn platform_guardrails(rx: &mut Rx, tenant: &TenantId) -> Result<Vec<DocumentRow>> {
    let sql = Sql::new(
        "SELECT id, name, document FROM platform_guardrails \
         WHERE only_tenant_id IS NULL OR only_tenant_id = $1 ORDER BY id",
    );
    Ok(rx.all(sql.bind(tenant)).await?)
}

pub(super) async fn guardrails(rx: &mut Rx, tenant: &TenantId) -> Result<Vec<PolicyId>> {
    let sql = Sql::new("SELECT policy_id FROM tenant_guardrails WHERE tenant_id = $1 ORDER BY policy_id");
    Ok(rx.all(sql.bind(tenant)).await?)
}

/// A document with the id and the name of what it belongs to.
pub(super) struct DocumentRow {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) document: serde_json::Value,
}

impl FromRow for DocumentRow {
    fn from_row(row: &Row) -> ::store::Result<Self> {
        Ok(Self { id: row.get("id")?, name: row.get("name")?, document: row.get("document")? })
    }
}

pub(super) async fn resource_policies(rx: &mut Rx, tenant: &TenantId) -> Result<Vec<DocumentRow>> {
    let sql = Sql::new(
        "SELECT r.id, r.name, p.document FROM resource_policies p \
         JOIN resources r ON r.id = p.resource_id AND r.tenant_id = p.tenant_id \
         WHERE p.tenant_id = $1 ORDER BY r.id",
    );
    Ok(rx.all(sql.bind(tenant)).await?)
}

impl FromRow for Direct {
    fn from_row(row: &Row) -> ::store::Result<Self> {
        Ok(Self {
            policy_id: row.get("policy_id")?,
            valid_from: row.find("valid_from")?,
            expires_at: row.find("expires_at")?,
        })
    }
}

pub(super) async fn direct(rx: &mut Rx, tenant: &TenantId, principal: &PrincipalId) -> Result<Vec<Direct>> {
    let sql = Sql::new(
        "SELECT policy_id, valid_from, expires_at FROM user_policies WHERE tenant_id = $1 AND user_id = $2 \
         ORDER BY policy_id",
    );
    Ok(rx.all(sql.bind(tenant).bind(principal)).await?)
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
