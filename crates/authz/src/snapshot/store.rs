//! All SQL that decisions need.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use base::Timestamp;
use base::id::{PrincipalId, RoleId, TenantId};
use policy::{Document, Expression, Input, Policy, RoleInput, Snapshot, Stored};
use store::{FromRow, Row, Rx, Sql};

use super::follow::Named;
use super::tags::MayHaveTags;
use super::{Assignment, GroupMembership, Principal, Profile, ResourceTags, TenantPolicies};
use super::{layers, links};
use crate::principals::PrincipalKind;
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

struct PolicyRow {
    id: String,
    name: String,
    priority: i64,
    expression: Option<String>,
    document: Option<serde_json::Value>,
}

impl FromRow for PolicyRow {
    fn from_row(row: &Row) -> store::Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            name: row.get("name")?,
            priority: row.get("priority")?,
            expression: row.find("expression")?,
            document: row.find("document")?,
        })
    }
}

struct Attachment {
    role_id: RoleId,
    policy_id: String,
}

impl FromRow for Attachment {
    fn from_row(row: &Row) -> store::Result<Self> {
        Ok(Self { role_id: row.get("role_id")?, policy_id: row.get("policy_id")? })
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

pub(super) async fn load_versions_of(rx: &mut Rx, scopes: &BTreeSet<&str>) -> Result<Vec<(String, i64)>> {
    let sql = Sql::new("SELECT tenant_id, version FROM policy_versions WHERE tenant_id IN ");
    let rows: Vec<VersionRow> = rx.all(sql.list(scopes.iter().copied())).await?;
    Ok(rows.into_iter().map(|row| (row.0, row.1)).collect())
}

/// The version of a tenant; 0 where nothing was ever changed.
pub(super) async fn load_version(rx: &mut Rx, tenant: &TenantId) -> Result<i64> {
    let sql = Sql::new("SELECT version FROM policy_versions WHERE tenant_id = $1").bind(tenant);
    Ok(rx.optional(sql).await?.unwrap_or(0))
}

/// Policies by id, and whether one of them is linked to resources.
pub(super) struct Policies {
    pub(super) policies: HashMap<String, Policy>,
    pub(super) has_resources: bool,
}

/// Loads and compiles some policies, as far as they are there.
pub(super) async fn load_policies(
    rx: &mut Rx,
    tenant: &TenantId,
    ids: &BTreeSet<String>,
) -> Result<Policies> {
    let sql = Sql::new("SELECT id, name, priority, expression, document FROM policies WHERE tenant_id = ");
    let sql = sql.value(tenant).push(" AND id IN ").list(ids.iter().map(String::as_str));
    let rows: Vec<PolicyRow> = rx.all(sql).await?;
    let mut links = links::load_some(rx, tenant, ids).await?;
    let mut policies = HashMap::new();
    for row in rows {
        let linked = links.by_policy.remove(&row.id).unwrap_or_default();
        policies.insert(row.id.clone(), compile_policy(row, linked)?);
    }
    Ok(Policies { policies, has_resources: links.has_resources })
}

/// Loads some roles with what they carry, as far as they are there.
pub(super) async fn load_roles(
    rx: &mut Rx,
    tenant: &TenantId,
    ids: &BTreeSet<String>,
) -> Result<HashMap<String, RoleInput>> {
    let sql = Sql::new("SELECT id, name, parent_id, permissions FROM roles WHERE tenant_id = ");
    let sql = sql.value(tenant).push(" AND id IN ").list(ids.iter().map(String::as_str));
    let roles: Vec<RoleRow> = rx.all(sql).await?;
    let sql = Sql::new("SELECT role_id, policy_id FROM role_policies WHERE tenant_id = ").value(tenant);
    let attached: Vec<Attachment> =
        rx.all(sql.push(" AND role_id IN ").list(ids.iter().map(String::as_str))).await?;
    let mut by_role: HashMap<RoleId, Vec<String>> = HashMap::new();
    for Attachment { role_id, policy_id } in attached {
        by_role.entry(role_id).or_default().push(policy_id);
    }
    let roles = roles.into_iter().map(|role| {
        let policies = by_role.remove(&role.id).unwrap_or_default();
        (role.id.to_string(), role_input(tenant, role, policies))
    });
    Ok(roles.collect())
}

fn role_input(tenant: &TenantId, role: RoleRow, policies: Vec<String>) -> RoleInput {
    let codes = role.permissions.iter().filter_map(|code| action::find_code(code));
    RoleInput {
        policies,
        permissions: codes
            .map(|code| Policy::permission(code.code, code.statements(tenant.as_str())))
            .collect(),
        id: role.id.to_string(),
        name: role.name,
        parent: role.parent_id.map(|id| id.to_string()),
    }
}

/// Loads and compiles a tenant's policies. The version is read first: what is loaded is at least that new.
pub(super) async fn load_tenant(rx: &mut Rx, tenant: &TenantId) -> Result<TenantPolicies> {
    let version = load_version(rx, tenant).await?;
    let roles: Vec<RoleRow> = rx
        .all(
            Sql::new("SELECT id, name, parent_id, permissions FROM roles WHERE tenant_id = $1 ORDER BY id")
                .bind(tenant),
        )
        .await?;
    let policies: Vec<PolicyRow> = rx
        .all(
            Sql::new(
                "SELECT id, name, priority, expression, document FROM policies WHERE tenant_id = $1 ORDER BY id",
            )
                .bind(tenant),
        )
        .await?;
    let attached: Vec<Attachment> = rx
        .all(Sql::new("SELECT role_id, policy_id FROM role_policies WHERE tenant_id = $1").bind(tenant))
        .await?;
    let mut links = links::load(rx, tenant).await?;
    let mut by_role: HashMap<RoleId, Vec<String>> = HashMap::new();
    for Attachment { role_id, policy_id } in attached {
        by_role.entry(role_id).or_default().push(policy_id);
    }
    let mut input = Input { tenant: tenant.to_string(), parents: links.parents, ..Input::default() };
    for row in policies {
        let linked = links.by_policy.remove(&row.id).unwrap_or_default();
        input.policies.push(compile_policy(row, linked)?);
    }
    input.platform_guardrail = layers::load_platform_guardrail(rx, tenant).await?;
    input.tenant_guardrail = layers::load_guardrail(rx, tenant, &input.policies).await?;
    input.resource_policies = layers::load_resource_policies(rx, tenant).await?;
    input.roles = roles
        .into_iter()
        .map(|role| {
            let policies = by_role.remove(&role.id).unwrap_or_default();
            role_input(tenant, role, policies)
        })
        .collect();
    let tagged = list_tagged(rx, tenant, None).await?;
    let policies =
        Snapshot::compile(version, input).map_err(|e| super::broken(&format!("tenant {tenant}"), &e))?;
    Ok(TenantPolicies {
        version,
        content: version,
        policies,
        has_tree: links.has_resources,
        may_have_tags: MayHaveTags::of(&tagged),
        named: Named::since(version),
    })
}

/// The names of resources that have tags; of some resources only, where they are given.
pub(super) async fn list_tagged(
    rx: &mut Rx,
    tenant: &TenantId,
    names: Option<&BTreeSet<String>>,
) -> Result<Vec<String>> {
    let sql = Sql::new("SELECT name FROM resources WHERE tags <> '{}' AND tenant_id = ").value(tenant);
    let sql = match names {
        Some(names) => sql.push(" AND name IN ").list(names.iter().map(String::as_str)),
        None => sql,
    };
    Ok(rx.all(sql).await?)
}

/// The tags of a resource; none where it is not registered.
pub(super) async fn load_tags(
    rx: &mut Rx,
    tenant: &TenantId,
    resource: &str,
    version: i64,
) -> Result<ResourceTags> {
    let sql = Sql::new("SELECT tags FROM resources WHERE tenant_id = $1 AND name = $2");
    let found: Option<TagsRow> = rx.optional(sql.bind(tenant).bind(resource)).await?;
    let tags = found.map(|TagsRow(tags)| read_tags(&tags)).unwrap_or_default();
    Ok(ResourceTags { version: AtomicI64::new(version), tags })
}

struct TagsRow(serde_json::Value);

impl FromRow for TagsRow {
    fn from_row(row: &Row) -> store::Result<Self> {
        Ok(Self(row.get("tags")?))
    }
}

/// INVARIANT: only documents and expressions that parsed are stored; one that does not parse denies all.
fn compile_policy(row: PolicyRow, links: Vec<policy::Statement>) -> Result<Policy> {
    let mut policy = Policy::new(&row.id, &row.name)
        .with_priority(u16::try_from(row.priority).unwrap_or(0))
        .with_links(links);
    if let Some(document) = &row.document {
        let parsed = Document::from_value(document)
            .map_err(|e| Error::Bug(base::bug!("stored policy {}: {e:?}", row.id)))?;
        policy = policy.with_document(Arc::new(parsed));
    }
    if let Some(text) = &row.expression {
        let parsed = Expression::parse(text)
            .map_err(|e| Error::Bug(base::bug!("the expression of stored policy {}: {e:?}", row.id)))?;
        policy = policy.with_expression(parsed);
    }
    Ok(policy)
}

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
    let groups: Vec<GroupMembership> = rx
        .all(
            Sql::new(
                "SELECT group_id, valid_from, expires_at FROM group_members \
                 WHERE tenant_id = $1 AND principal_id = $2 ORDER BY group_id",
            )
            .bind(tenant)
            .bind(id),
        )
        .await?;
    let principals::PrincipalRow { kind, active, registration, .. } = known;
    let profile = load_profile(rx, tenant, id, kind).await?;
    let boundary = layers::load_boundary(rx, tenant, id).await?;
    let direct = layers::load_direct(rx, tenant, id).await?;
    Ok(Some(Principal {
        version: AtomicI64::new(version),
        tenant: tenant.clone(),
        kind,
        active,
        profile,
        registration,
        assignments,
        groups,
        boundary,
        direct,
        last: arc_swap::ArcSwapOption::empty(),
    }))
}

/// What conditions may ask about a principal.
async fn load_profile(
    rx: &mut Rx,
    tenant: &TenantId,
    id: &PrincipalId,
    kind: PrincipalKind,
) -> Result<Profile> {
    let row = match kind {
        PrincipalKind::User => {
            let sql = Sql::new("SELECT username, attributes FROM users WHERE tenant_id = $1 AND id = $2");
            rx.optional(sql.bind(tenant).bind(id)).await?
        }
        PrincipalKind::Client => {
            let sql = Sql::new("SELECT client_id FROM oauth2_clients WHERE tenant_id = $1 AND id = $2");
            let name: Option<String> = rx.optional(sql.bind(tenant).bind(id)).await?;
            name.map(|name| ProfileRow { name, attributes: None })
        }
    };
    let Some(ProfileRow { name, attributes }) = row else { return Ok(Profile::default()) };
    let key = match kind {
        PrincipalKind::User => base::text::name_key(&name),
        PrincipalKind::Client => name.clone(),
    };
    Ok(Profile {
        name: name.into(),
        key: key.into(),
        arn: kind.arn(tenant, id).into(),
        id: id.as_str().into(),
        tags: attributes.as_ref().map(read_tags).unwrap_or_default(),
    })
}

struct ProfileRow {
    name: String,
    attributes: Option<serde_json::Value>,
}

impl FromRow for ProfileRow {
    fn from_row(row: &Row) -> store::Result<Self> {
        Ok(Self { name: row.get("username")?, attributes: row.find("attributes")? })
    }
}

/// Reads attributes as tags: texts, numbers and truth values, and lists of them. What else there is, is no tag.
fn read_tags(attributes: &serde_json::Value) -> Box<[(Box<str>, Stored)]> {
    let members = attributes.as_object().into_iter().flatten();
    members
        .filter_map(|(name, value)| Some((name.to_ascii_lowercase().into(), crate::facts::stored(value)?)))
        .collect()
}

impl FromRow for GroupMembership {
    fn from_row(row: &Row) -> store::Result<Self> {
        let group_id: String = row.get("group_id")?;
        Ok(Self {
            group_id: group_id.into(),
            valid_from: row.find("valid_from")?,
            expires_at: row.find("expires_at")?,
        })
    }
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
