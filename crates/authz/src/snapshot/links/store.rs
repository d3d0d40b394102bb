//! All SQL about links that decisions load.

use std::collections::HashMap;
use std::sync::Arc;

use ::store::{FromRow, Row, Rx, Sql};
use base::id::TenantId;

use crate::Result;

pub(super) struct PermissionRow {
    pub(super) policy_id: String,
    pub(super) code: String,
    pub(super) effect: String,
}

impl FromRow for PermissionRow {
    fn from_row(row: &Row) -> ::store::Result<Self> {
        Ok(Self { policy_id: row.get("policy_id")?, code: row.get("code")?, effect: row.get("effect")? })
    }
}

/// Two names: of a policy and a resource, or of a resource and what it lies in.
pub(super) struct Pair(pub(super) String, pub(super) String);

impl FromRow for Pair {
    fn from_row(row: &Row) -> ::store::Result<Self> {
        Ok(Self(row.get("one")?, row.get("other")?))
    }
}

/// The permissions that policies are linked to, the tenant's and the platform's.
pub(super) async fn list_permissions(rx: &mut Rx, tenant: &TenantId) -> Result<Vec<PermissionRow>> {
    Ok(rx
        .all(
            Sql::new(
                "SELECT l.policy_id, pe.code AS code, coalesce(l.effect, p.effect) AS effect \
                 FROM policy_permissions l JOIN policies p ON p.id = l.policy_id AND p.tenant_id = l.tenant_id \
                 JOIN permissions pe ON pe.id = l.permission_id AND pe.tenant_id = l.tenant_id \
                 WHERE l.tenant_id = $1 \
                 UNION ALL \
                 SELECT l.policy_id, g.name AS code, p.effect AS effect \
                 FROM policy_global_permissions l \
                 JOIN policies p ON p.id = l.policy_id AND p.tenant_id = l.tenant_id \
                 JOIN global_permissions g ON g.id = l.global_permission_id WHERE l.tenant_id = $1",
            )
            .bind(tenant),
        )
        .await?)
}

/// The resources that policies are linked to: policy and name.
pub(super) async fn list_resources(rx: &mut Rx, tenant: &TenantId) -> Result<Vec<Pair>> {
    Ok(rx
        .all(
            Sql::new(
                "SELECT l.policy_id AS one, r.name AS other FROM policy_resources l \
                 JOIN resources r ON r.id = l.resource_id AND r.tenant_id = l.tenant_id WHERE l.tenant_id = $1",
            )
            .bind(tenant),
        )
        .await?)
}

/// The tree of a tenant's resources; it has at most [`crate::resources::RESOURCES_MAX`] of them.
pub(super) async fn load_tree(rx: &mut Rx, tenant: &TenantId) -> Result<HashMap<Arc<str>, Arc<str>>> {
    let edges: Vec<Pair> = rx
        .all(
            Sql::new(
                "SELECT r.name AS one, p.name AS other FROM resources r \
                 JOIN resources p ON p.id = r.parent_id AND p.tenant_id = r.tenant_id WHERE r.tenant_id = $1",
            )
            .bind(tenant),
        )
        .await?;
    Ok(edges.into_iter().map(|Pair(name, parent)| (name.into(), parent.into())).collect())
}
