//! All SQL that decisions need.

use std::collections::HashMap;
use std::sync::Arc;

use base::Timestamp;
use base::id::{PrincipalId, RoleId, TenantId};
use policy::{Document, LinkInput, PermissionInput, PolicyInput, RoleInput, Snapshot};
use store::{FromRow, Row, Rx, Sql};

use super::links;
use super::{Assignment, Principal, TenantPolicies};
use crate::{Error, Result, action, principals};

struct RoleRow {
    id: RoleId,
    name: String,
    parent_id: Option<RoleId>,
    permissions: Vec<String>,
}

impl FromRow for RoleRow {
    fn from_row(row: &Row) -> store::Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            name: row.get("name")?,
            parent_id: row.find("parent_id")?,
            permissions: row.find("permissions")?.unwrap_or_default(),
        })
    }
}

struct AttachedPolicy {
    role_id: RoleId,
    policy_id: String,
    name: String,
    document: Option<serde_json::Value>,
}

impl FromRow for AttachedPolicy {
    fn from_row(row: &Row) -> store::Result<Self> {
        Ok(Self {
            role_id: row.get("role_id")?,
            policy_id: row.get("policy_id")?,
            name: row.get("name")?,
            document: row.find("document")?,
        })
    }
}

struct VersionRow(String, i64);

impl FromRow for VersionRow {
    fn from_row(row: &Row) -> store::Result<Self> {
        Ok(Self(row.get("tenant_id")?, row.get("version")?))
    }
}

impl FromRow for Assignment {
    fn from_row(row: &Row) -> store::Result<Self> {
        Ok(Self {
            role_id: row.get("role_id")?,
            valid_from: row.find("valid_from")?,
            expires_at: row.find("expires_at")?,
        })
    }
}

pub(super) async fn load_versions(rx: &mut Rx) -> Result<Vec<(String, i64)>> {
    let rows: Vec<VersionRow> = rx.all(Sql::new("SELECT tenant_id, version FROM policy_versions")).await?;
    Ok(rows.into_iter().map(|row| (row.0, row.1)).collect())
}

/// Loads and compiles a tenant's policies. The version is read first: what is loaded is at least that new.
pub(super) async fn load_tenant(rx: &mut Rx, tenant: &TenantId) -> Result<TenantPolicies> {
    let version: Option<i64> = rx
        .optional(Sql::new("SELECT version FROM policy_versions WHERE tenant_id = $1").bind(tenant))
        .await?;
    let version = version.unwrap_or(0);
    let roles: Vec<RoleRow> = rx
        .all(
            Sql::new("SELECT id, name, parent_id, permissions FROM roles WHERE tenant_id = $1 ORDER BY id")
                .bind(tenant),
        )
        .await?;
    let attached: Vec<AttachedPolicy> = rx
        .all(
            Sql::new(
                "SELECT rp.role_id, p.id AS policy_id, p.name, p.document FROM role_policies rp \
                 JOIN policies p ON p.id = rp.policy_id AND p.tenant_id = rp.tenant_id \
                 WHERE rp.tenant_id = $1 ORDER BY rp.role_id, p.id",
            )
            .bind(tenant),
        )
        .await?;
    let mut documents: HashMap<String, Arc<Document>> = HashMap::new();
    let mut by_role: HashMap<RoleId, Vec<PolicyInput>> = HashMap::new();
    let links = links::load(rx, tenant).await?;
    let mut links_by_role: HashMap<RoleId, Vec<LinkInput>> = HashMap::new();
    for row in attached {
        if let Some(linked) = links.by_policy.get(&row.policy_id) {
            links_by_role.entry(row.role_id.clone()).or_default().extend(linked.iter().cloned());
        }
        let Some(document) = row.document else { continue };
        let document = match documents.get(&row.policy_id) {
            Some(document) => document.clone(),
            None => {
                // INVARIANT: only documents that parsed are stored; one that does not parse denies all.
                let parsed = Document::from_value(&document)
                    .map_err(|e| Error::Bug(base::bug!("stored policy {}: {e:?}", row.policy_id)))?;
                let parsed = Arc::new(parsed);
                documents.insert(row.policy_id.clone(), parsed.clone());
                parsed
            }
        };
        by_role.entry(row.role_id).or_default().push(PolicyInput {
            id: row.policy_id,
            name: row.name,
            document,
        });
    }
    let inputs = roles
        .into_iter()
        .map(|role| RoleInput {
            policies: by_role.remove(&role.id).unwrap_or_default(),
            permissions: role
                .permissions
                .iter()
                .filter_map(|code| action::find_code(code))
                .map(|code| PermissionInput {
                    code: code.code.to_owned(),
                    statements: code.statements(tenant.as_str()),
                })
                .collect(),
            links: links_by_role.remove(&role.id).unwrap_or_default(),
            id: role.id.to_string(),
            name: role.name,
            parent: role.parent_id.map(|id| id.to_string()),
        })
        .collect();
    let policies = Snapshot::compile(version, inputs)
        .map_err(|e| Error::Bug(base::bug!("the roles of tenant {tenant} do not compile: {e}")))?;
    Ok(TenantPolicies { version, policies: policies.with_parents(links.parents) })
}

/// Loads who a principal is and which roles it holds, directly and through groups.
pub(super) async fn load_principal(
    rx: &mut Rx,
    tenant: &TenantId,
    id: &PrincipalId,
    version: i64,
) -> Result<Option<Principal>> {
    let Some(known) = principals::find(rx, tenant, id).await? else { return Ok(None) };
    let assignments: Vec<Assignment> = rx
        .all(
            Sql::new(
                "SELECT role_id, valid_from, expires_at FROM user_roles WHERE tenant_id = $1 AND user_id = $2 \
                 UNION ALL \
                 SELECT role_id, valid_from, expires_at FROM client_roles WHERE tenant_id = $1 AND client_id = $2",
            )
            .bind(tenant)
            .bind(id),
        )
        .await?;
    let through_groups: Vec<GroupAssignment> = rx
        .all(
            Sql::new(
                "SELECT gr.role_id, gr.valid_from, gr.expires_at, gm.valid_from AS member_from, \
                 gm.expires_at AS member_until FROM group_members gm \
                 JOIN group_roles gr ON gr.group_id = gm.group_id AND gr.tenant_id = gm.tenant_id \
                 WHERE gm.tenant_id = $1 AND gm.principal_id = $2",
            )
            .bind(tenant)
            .bind(id),
        )
        .await?;
    let assignments = assignments.into_iter().chain(through_groups.into_iter().map(|g| g.0)).collect();
    let principals::PrincipalRow { kind, active, registration, .. } = known;
    Ok(Some(Principal { version, kind, active, registration, assignments }))
}

/// An assignment through a group: it counts only while both the membership and the group's role do.
struct GroupAssignment(Assignment);

impl FromRow for GroupAssignment {
    fn from_row(row: &Row) -> store::Result<Self> {
        let role = Assignment::from_row(row)?;
        let member_from: Option<Timestamp> = row.find("member_from")?;
        let member_until: Option<Timestamp> = row.find("member_until")?;
        let expires_at = match (role.expires_at, member_until) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        Ok(Self(Assignment {
            role_id: role.role_id,
            valid_from: role.valid_from.max(member_from),
            expires_at,
        }))
    }
}

pub(super) async fn load_platform_roles(
    rx: &mut Rx,
    id: &PrincipalId,
    now: Timestamp,
) -> Result<Vec<String>> {
    let roles = rx
        .all(
            Sql::new(
                "SELECT role FROM platform_roles WHERE principal_id = $1 AND (expires_at IS NULL OR expires_at > $2)",
            )
            .bind(id)
            .bind(now),
        )
        .await?;
    Ok(roles)
}
