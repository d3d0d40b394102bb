//! What policies are linked to, as statements: all SQL that it needs, and what it means.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use base::id::TenantId;
use policy::{Effect, LinkInput, Statement};
use store::{FromRow, Row, Rx, Sql};

use crate::action::linked_actions;
use crate::policies::effect_of;
use crate::{Error, Result};

/// The links of a tenant's policies.
#[derive(Default)]
pub(super) struct Links {
    /// By the id of the policy.
    pub(super) by_policy: HashMap<String, Vec<LinkInput>>,
    /// What each resource lies in, by name; empty where no policy is linked to a resource.
    pub(super) parents: HashMap<Arc<str>, Arc<str>>,
}

struct PermissionRow {
    policy_id: String,
    policy_name: String,
    code: String,
    effect: String,
}

impl FromRow for PermissionRow {
    fn from_row(row: &Row) -> store::Result<Self> {
        Ok(Self {
            policy_id: row.get("policy_id")?,
            policy_name: row.get("policy_name")?,
            code: row.get("code")?,
            effect: row.get("effect")?,
        })
    }
}

/// Two names: of a policy and a resource, or of a resource and what it lies in.
struct Pair(String, String);

impl FromRow for Pair {
    fn from_row(row: &Row) -> store::Result<Self> {
        Ok(Self(row.get("one")?, row.get("other")?))
    }
}

/// Loads the links of a tenant. Most tenants have none, and are asked one question.
pub(super) async fn load(rx: &mut Rx, tenant: &TenantId) -> Result<Links> {
    let permissions: Vec<PermissionRow> = rx
        .all(
            Sql::new(
                "SELECT l.policy_id, p.name AS policy_name, pe.code AS code, coalesce(l.effect, p.effect) AS effect \
                 FROM policy_permissions l JOIN policies p ON p.id = l.policy_id AND p.tenant_id = l.tenant_id \
                 JOIN permissions pe ON pe.id = l.permission_id AND pe.tenant_id = l.tenant_id \
                 WHERE l.tenant_id = $1 \
                 UNION ALL \
                 SELECT l.policy_id, p.name AS policy_name, g.name AS code, p.effect AS effect \
                 FROM policy_global_permissions l \
                 JOIN policies p ON p.id = l.policy_id AND p.tenant_id = l.tenant_id \
                 JOIN global_permissions g ON g.id = l.global_permission_id WHERE l.tenant_id = $1",
            )
            .bind(tenant),
        )
        .await?;
    if permissions.is_empty() {
        return Ok(Links::default());
    }
    let linked: Vec<Pair> = rx
        .all(
            Sql::new(
                "SELECT l.policy_id AS one, r.name AS other FROM policy_resources l \
                 JOIN resources r ON r.id = l.resource_id AND r.tenant_id = l.tenant_id WHERE l.tenant_id = $1",
            )
            .bind(tenant),
        )
        .await?;
    let parents = if linked.is_empty() { HashMap::new() } else { load_tree(rx, tenant).await? };
    let mut resources: HashMap<String, HashSet<Box<str>>> = HashMap::new();
    for Pair(policy, resource) in linked {
        resources.entry(policy).or_default().insert(resource.into());
    }
    let resources: HashMap<String, Arc<HashSet<Box<str>>>> =
        resources.into_iter().map(|(policy, names)| (policy, Arc::new(names))).collect();
    let mut by_policy: HashMap<String, Vec<LinkInput>> = HashMap::new();
    for row in permissions {
        let statements = compile(&row, resources.get(&row.policy_id))?;
        by_policy.entry(row.policy_id.clone()).or_default().push(LinkInput {
            policy_id: row.policy_id,
            policy_name: row.policy_name,
            code: row.code,
            statements,
        });
    }
    Ok(Links { by_policy, parents })
}

/// The tree of a tenant's resources; it has at most [`crate::resources::RESOURCES_MAX`] of them.
async fn load_tree(rx: &mut Rx, tenant: &TenantId) -> Result<HashMap<Arc<str>, Arc<str>>> {
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

/// What a linked permission means: with resources, on them and all that lies in them; without, an allow
/// permits nothing and a deny holds in the whole tenant.
fn compile(row: &PermissionRow, resources: Option<&Arc<HashSet<Box<str>>>>) -> Result<Vec<Statement>> {
    // INVARIANT: only codes that are action names are stored; one that is none denies all.
    let broken = |what: String| Error::Bug(base::bug!("the link of policy {}: {what}", row.policy_id));
    let effect = effect_of(&row.effect).ok_or_else(|| broken(format!("effect `{}`", row.effect)))?;
    let actions = linked_actions(&row.code);
    if actions.is_empty() {
        return Ok(Vec::new());
    }
    let statement = match (resources, effect) {
        (Some(names), effect) => {
            Statement::within(effect, &actions, names).map_err(|e| broken(e.to_string()))?
        }
        (None, Effect::Allow) => return Ok(Vec::new()),
        (None, Effect::Deny) => Statement::deny(&actions, &["*"]).map_err(|e| broken(format!("{e:?}")))?,
    };
    Ok(vec![statement])
}
