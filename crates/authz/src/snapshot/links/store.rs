//! All SQL about links that decisions load.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use ::store::{FromRow, Row, Rx, Sql};
use base::id::TenantId;

use crate::Result;

#[derive(PartialEq, Eq, PartialOrd, Ord)]
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

/// The permissions that policies are linked to, the tenant's and the platform's; of some policies only, where they
/// are given.
pub(super) async fn list_permissions(
    rx: &mut Rx,
    tenant: &TenantId,
    policies: Option<&BTreeSet<String>>,
) -> Result<Vec<PermissionRow>> {
    let sql = Sql::new(
        "SELECT l.policy_id, pe.code AS code, coalesce(l.effect, p.effect) AS effect \
         FROM policy_permissions l JOIN policies p ON p.id = l.policy_id AND p.tenant_id = l.tenant_id \
         JOIN permissions pe ON pe.id = l.permission_id AND pe.tenant_id = l.tenant_id WHERE l.tenant_id = ",
    );
    let sql = of_policies(sql.value(tenant), policies).push(
        " UNION ALL SELECT l.policy_id, g.name AS code, p.effect AS effect \
         FROM policy_global_permissions l JOIN policies p ON p.id = l.policy_id AND p.tenant_id = l.tenant_id \
         JOIN global_permissions g ON g.id = l.global_permission_id WHERE l.tenant_id = ",
    );
    Ok(rx.all(of_policies(sql.value(tenant), policies)).await?)
}

fn of_policies(sql: Sql, policies: Option<&BTreeSet<String>>) -> Sql {
    match policies {
        Some(ids) => sql.push(" AND l.policy_id IN ").list(ids.iter().map(String::as_str)),
        None => sql,
    }
}

/// The resources that policies are linked to: policy and name; of some policies only, where they are given.
pub(super) async fn list_resources(
    rx: &mut Rx,
    tenant: &TenantId,
    policies: Option<&BTreeSet<String>>,
) -> Result<Vec<Pair>> {
    let sql = Sql::new(
        "SELECT l.policy_id AS one, r.name AS other FROM policy_resources l \
         JOIN resources r ON r.id = l.resource_id AND r.tenant_id = l.tenant_id WHERE l.tenant_id = ",
    );
    Ok(rx.all(of_policies(sql.value(tenant), policies)).await?)
}

const TREE: &str = "SELECT r.name AS one, p.name AS other FROM resources r \
    JOIN resources p ON p.id = r.parent_id AND p.tenant_id = r.tenant_id WHERE r.tenant_id = ";

/// The tree of a tenant's resources; it has at most [`crate::resources::RESOURCES_MAX`] of them.
pub(super) async fn load_tree(rx: &mut Rx, tenant: &TenantId) -> Result<HashMap<Arc<str>, Arc<str>>> {
    let edges: Vec<Pair> = rx.all(Sql::new(TREE).value(tenant)).await?;
    Ok(by_name(edges))
}

/// What some resources lie in.
pub(super) async fn load_parents(
    rx: &mut Rx,
    tenant: &TenantId,
    names: &BTreeSet<String>,
) -> Result<HashMap<Arc<str>, Arc<str>>> {
    let sql = Sql::new(TREE).value(tenant).push(" AND r.name IN ").list(names.iter().map(String::as_str));
    Ok(by_name(rx.all(sql).await?))
}

fn by_name(edges: Vec<Pair>) -> HashMap<Arc<str>, Arc<str>> {
    edges.into_iter().map(|Pair(name, parent)| (name.into(), parent.into())).collect()
}
