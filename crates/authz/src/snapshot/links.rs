//! What policies are linked to, as statements.

mod store;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use ::store::Rx;
use base::id::TenantId;
use policy::{Effect, Statement};

use crate::action::linked_actions;
use crate::policies::effect_of;
use crate::{Error, Result};
use store::{Pair, PermissionRow};

/// The links of a tenant's policies.
#[derive(Default)]
pub(super) struct Links {
    /// By the id of the policy.
    pub(super) by_policy: HashMap<String, Vec<Statement>>,
    /// Whether a policy is linked to a resource.
    pub(super) has_resources: bool,
    /// What each resource lies in, by name; empty where no policy is linked to a resource.
    pub(super) parents: HashMap<Arc<str>, Arc<str>>,
}

/// Loads the links of a tenant. Most tenants have none, and are asked one question.
pub(super) async fn load(rx: &mut Rx, tenant: &TenantId) -> Result<Links> {
    let permissions = store::list_permissions(rx, tenant, None).await?;
    if permissions.is_empty() {
        return Ok(Links::default());
    }
    let linked = store::list_resources(rx, tenant, None).await?;
    let mut links = gather(permissions, linked)?;
    if links.has_resources {
        links.parents = store::load_tree(rx, tenant).await?;
    }
    Ok(links)
}

/// Loads the links of some policies, without what resources lie in.
pub(super) async fn load_some(rx: &mut Rx, tenant: &TenantId, policies: &BTreeSet<String>) -> Result<Links> {
    let permissions = store::list_permissions(rx, tenant, Some(policies)).await?;
    if permissions.is_empty() {
        return Ok(Links::default());
    }
    let linked = store::list_resources(rx, tenant, Some(policies)).await?;
    gather(permissions, linked)
}

/// Loads what some resources lie in, by name, as far as they lie in anything.
pub(super) async fn load_parents(
    rx: &mut Rx,
    tenant: &TenantId,
    names: &BTreeSet<String>,
) -> Result<HashMap<Arc<str>, Arc<str>>> {
    store::load_parents(rx, tenant, names).await
}

fn gather(mut permissions: Vec<PermissionRow>, linked: Vec<Pair>) -> Result<Links> {
    // The place of a statement is in the answers, so it must not hang on the order in which rows come.
    permissions.sort_unstable();
    let has_resources = !linked.is_empty();
    let mut resources: HashMap<String, HashSet<Box<str>>> = HashMap::new();
    for Pair(policy, resource) in linked {
        resources.entry(policy).or_default().insert(resource.into());
    }
    let resources: HashMap<String, Arc<HashSet<Box<str>>>> =
        resources.into_iter().map(|(policy, names)| (policy, Arc::new(names))).collect();
    let mut by_policy: HashMap<String, Vec<Statement>> = HashMap::new();
    for row in permissions {
        let statements = compile(&row, resources.get(&row.policy_id))?;
        let statements = statements.map(|statement| statement.of_permission(&row.code));
        by_policy.entry(row.policy_id).or_default().extend(statements);
    }
    Ok(Links { by_policy, has_resources, parents: HashMap::new() })
}

/// What a linked permission means: with resources, on them and all that lies in them; without, an allow
/// permits nothing and a deny holds in the whole tenant.
fn compile(row: &PermissionRow, resources: Option<&Arc<HashSet<Box<str>>>>) -> Result<Option<Statement>> {
    // INVARIANT: only codes that are action names are stored; one that is none denies all.
    let broken = |what: String| Error::Bug(base::bug!("the link of policy {}: {what}", row.policy_id));
    let effect = effect_of(&row.effect).ok_or_else(|| broken(format!("effect `{}`", row.effect)))?;
    let actions = linked_actions(&row.code);
    if actions.is_empty() {
        return Ok(None);
    }
    let statement = match (resources, effect) {
        (Some(names), effect) => {
            Statement::within(effect, &actions, names).map_err(|e| broken(e.to_string()))?
        }
        (None, Effect::Allow) => return Ok(None),
        (None, Effect::Deny) => Statement::deny(&actions, &["*"]).map_err(|e| broken(format!("{e:?}")))?,
    };
    Ok(Some(statement))
}
