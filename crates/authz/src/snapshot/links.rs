//! What policies are linked to, as statements.

mod store;

use std::collections::{HashMap, HashSet};
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
    /// What each resource lies in, by name; empty where no policy is linked to a resource.
    pub(super) parents: HashMap<Arc<str>, Arc<str>>,
}

/// Loads the links of a tenant. Most tenants have none, and are asked one question.
pub(super) async fn load(rx: &mut Rx, tenant: &TenantId) -> Result<Links> {
    let permissions = store::list_permissions(rx, tenant).await?;
    if permissions.is_empty() {
        return Ok(Links::default());
    }
    let linked = store::list_resources(rx, tenant).await?;
    let parents = if linked.is_empty() { HashMap::new() } else { store::load_tree(rx, tenant).await? };
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
    Ok(Links { by_policy, parents })
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
