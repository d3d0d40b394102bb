//! The layers beside roles, as decisions need them: what binds everybody in a tenant, what limits one principal, and
//! what resources say themselves.
//!
//! INVARIANT: a layer that is configured but cannot be loaded denies. A policy that is named and not there makes a
//! ceiling that allows nothing.

mod store;

use std::collections::BTreeSet;
use std::sync::Arc;

use ::store::Rx;
use base::Timestamp;
use base::id::{PolicyId, PrincipalId, TenantId};
use policy::{Document, Kind, Policy, Snapshot, Table};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::TenantPolicies;
use crate::{Error, Result};

/// The memory that compiled boundaries may take, in bytes: one is kept once for all principals that have it.
const BOUNDARY_BYTES_MAX: u64 = 64 << 20;
/// About what one boundary takes, for a start.
const BOUNDARY_BYTES: u64 = 4 << 10;
/// What a statement of a boundary takes with its indexes, at the most.
const STATEMENT_BYTES: u64 = 1 << 10;

/// What the platform imposes on the tenant. None is no ceiling.
pub(super) async fn load_platform_guardrail(rx: &mut Rx, tenant: &TenantId) -> Result<Option<Vec<Policy>>> {
    let rows = store::platform_guardrails(rx, tenant).await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let policies = rows.into_iter().map(|row| compile(Kind::Identity, row).map(|(_, policy)| policy));
    Ok(Some(policies.collect::<Result<Vec<_>>>()?))
}

/// What the tenant imposes on everybody in it; `policies` are all that it has. None is no ceiling.
pub(super) async fn load_guardrail(
    rx: &mut Rx,
    tenant: &TenantId,
    policies: &[Policy],
) -> Result<Option<Vec<Policy>>> {
    let ids = store::guardrails(rx, tenant).await?;
    if ids.is_empty() {
        return Ok(None);
    }
    let find = |id: &PolicyId| policies.iter().find(|policy| **policy.id() == *id.as_str()).cloned();
    let found: Option<Vec<Policy>> = ids.iter().map(find).collect();
    Ok(Some(found.unwrap_or_default()))
}

/// The policies of resources, by the resource's name.
pub(super) async fn load_resource_policies(rx: &mut Rx, tenant: &TenantId) -> Result<Vec<(String, Policy)>> {
    let rows = store::resource_policies(rx, tenant).await?;
    rows.into_iter().map(|row| compile(Kind::Resource, row)).collect()
}

/// A document by the name of what it belongs to.
///
/// INVARIANT: only documents that parse are stored; one that does not denies all.
fn compile(kind: Kind, row: store::DocumentRow) -> Result<(String, Policy)> {
    let document = Document::from_value_as(kind, &row.document)
        .map_err(|e| Error::Bug(base::bug!("the stored document of {}: {e:?}", row.id)))?;
    let policy = Policy::new(&row.id, &row.name).with_document(Arc::new(document));
    Ok((row.name, policy))
}

/// A policy that is attached to a principal itself, for as long as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Direct {
    pub(crate) policy_id: PolicyId,
    pub(crate) valid_from: Option<Timestamp>,
    pub(crate) expires_at: Option<Timestamp>,
}

/// The policies that are attached to a principal itself, at whatever time.
pub(super) async fn load_direct(
    rx: &mut Rx,
    tenant: &TenantId,
    principal: &PrincipalId,
) -> Result<Vec<Direct>> {
    store::direct(rx, tenant, principal).await
}

/// The policy that limits a principal, if one does.
pub(super) async fn load_boundary(
    rx: &mut Rx,
    tenant: &TenantId,
    principal: &PrincipalId,
) -> Result<Option<PolicyId>> {
    store::boundary(rx, tenant, principal).await
}

/// These policies of a tenant as decisions read them, in no order; those that are not there are left out.
pub(crate) async fn load_policies(rx: &mut Rx, tenant: &TenantId, ids: &[PolicyId]) -> Result<Vec<Policy>> {
    let ids: BTreeSet<String> = ids.iter().map(PolicyId::to_string).collect();
    let found = super::store::load_policies(rx, tenant, &ids).await?;
    Ok(found.policies.into_values().collect())
}

/// A policy and the table that was made of it.
type Compiled = (Arc<Policy>, Arc<Table>);

/// Compiled boundaries, by tenant and policy. One is used for as long as its policy is the same.
pub(super) struct Boundaries {
    cache: Cache<(TenantId, PolicyId), Compiled, ByBytes>,
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<(TenantId, PolicyId), (Arc<Policy>, Arc<Table>)> for ByBytes {
    fn weight(&self, _: &(TenantId, PolicyId), (_, table): &(Arc<Policy>, Arc<Table>)) -> u64 {
        BOUNDARY_BYTES + table.len() as u64 * STATEMENT_BYTES
    }
}

impl Boundaries {
    pub(super) fn new() -> Self {
        let items = usize::try_from(BOUNDARY_BYTES_MAX / BOUNDARY_BYTES).unwrap_or(usize::MAX);
        Self { cache: Cache::with_weighter(items, BOUNDARY_BYTES_MAX, ByBytes) }
    }

    /// What a boundary allows.
    pub(super) fn get(&self, tenant: &TenantId, policies: &TenantPolicies, id: &PolicyId) -> Arc<Table> {
        let Some(policy) = policies.policies.policy(id.as_str()) else {
            return Arc::new(Snapshot::ceiling([]));
        };
        let key = (tenant.clone(), id.clone());
        if let Some((known, table)) = self.cache.get(&key)
            && Arc::ptr_eq(&known, policy)
        {
            return table;
        }
        let table = Arc::new(Snapshot::ceiling([policy.clone()]));
        self.cache.insert(key, (policy.clone(), table.clone()));
        table
    }
}
