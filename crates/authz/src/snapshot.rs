//! The compiled policies of each tenant, and who holds which roles, kept in memory and replaced by version.

mod held;
mod links;
mod store;

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use ::store::{Rx, Scope};
use base::Timestamp;
use base::id::{PrincipalId, TenantId};
use policy::{Decision, Facts, Request, Snapshot};
use quick_cache::sync::Cache;

use crate::cx::Verdict;
use crate::facts::{Circumstances, facts};
use crate::{Error, Result};
use held::Identities;
pub(crate) use held::{Assignment, GroupMembership, Held, Principal, Profile};

/// Tenants whose policies are kept compiled.
const TENANTS_MAX: usize = 2_000;
/// Principals whose roles are kept.
const PRINCIPALS_MAX: usize = 100_000;

/// One tenant's compiled policies at one version.
pub(crate) struct TenantPolicies {
    pub(crate) version: i64,
    pub(crate) policies: Snapshot,
}

/// All that decisions need, by tenant and by principal.
pub(crate) struct Snapshots {
    versions: RwLock<HashMap<String, i64>>,
    tenants: Cache<TenantId, Arc<TenantPolicies>>,
    principals: Cache<(TenantId, PrincipalId), Option<Arc<Principal>>>,
    identities: Identities,
    platform: Snapshot,
}

/// The key of a principal, borrowed.
#[derive(Hash)]
struct Key<'a>(&'a TenantId, &'a PrincipalId);

impl quick_cache::Equivalent<(TenantId, PrincipalId)> for Key<'_> {
    fn equivalent(&self, key: &(TenantId, PrincipalId)) -> bool {
        (self.0, self.1) == (&key.0, &key.1)
    }
}

impl Snapshots {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            versions: RwLock::new(HashMap::new()),
            tenants: Cache::new(TENANTS_MAX),
            principals: Cache::new(PRINCIPALS_MAX),
            identities: Identities::new(),
            platform: crate::platform::snapshot()?,
        })
    }

    /// The newest version known of a scope; 0 where nothing is known.
    pub(crate) fn version(&self, scope: &str) -> i64 {
        let versions = self.versions.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        versions.get(scope).copied().unwrap_or(0)
    }

    /// Learns newer versions; older ones are ignored.
    pub(crate) fn learn(&self, found: impl IntoIterator<Item = (String, i64)>) {
        let mut versions = self.versions.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        for (scope, version) in found {
            let known = versions.entry(scope).or_insert(0);
            *known = (*known).max(version);
        }
    }

    /// The tenant's policies, loaded again if a newer version is known.
    pub(crate) async fn tenant(&self, rx: &mut LazyRx<'_>, id: &TenantId) -> Result<Arc<TenantPolicies>> {
        let known = self.version(id.as_str());
        if let Some(found) = self.tenants.get(id)
            && found.version >= known
        {
            return Ok(found);
        }
        let loaded = Arc::new(Box::pin(load_tenant(rx, id)).await?);
        self.learn([(id.to_string(), loaded.version)]);
        self.tenants.insert(id.clone(), loaded.clone());
        Ok(loaded)
    }

    /// What is known of a principal of the tenant; none if there is no such principal there.
    pub(crate) async fn principal(
        &self,
        rx: &mut LazyRx<'_>,
        tenant: &TenantId,
        id: &PrincipalId,
    ) -> Result<Option<Arc<Principal>>> {
        let known = self.version(tenant.as_str());
        if let Some(Some(found)) = self.principals.get(&Key(tenant, id))
            && found.version >= known
        {
            return Ok(Some(found));
        }
        let loaded = Box::pin(load_principal(rx, tenant, id, known)).await?.map(Arc::new);
        // An absent principal is not kept: whoever asks about names that do not exist fills no memory.
        if loaded.is_some() {
            self.principals.insert((tenant.clone(), id.clone()), loaded.clone());
        }
        Ok(loaded)
    }

    /// Judges a question about a principal, without reasons.
    pub(crate) fn judge(
        &self,
        known: &Principal,
        policies: &TenantPolicies,
        ask: &Asked<'_>,
    ) -> Result<Verdict> {
        let held = self.held(known, policies, ask)?;
        let facts = facts(known, &held, ask.circumstances, ask.now);
        Ok(policies.policies.judge(&policy::Principal::new(&held.identity), &ask.request(&facts)))
    }

    /// Decides a question about a principal, with reasons.
    pub(crate) fn decide(
        &self,
        known: &Principal,
        policies: &TenantPolicies,
        ask: &Asked<'_>,
    ) -> Result<Decision> {
        let held = self.held(known, policies, ask)?;
        let facts = facts(known, &held, ask.circumstances, ask.now);
        Ok(policies.policies.decide(&policy::Principal::new(&held.identity), &ask.request(&facts)))
    }

    fn held(&self, known: &Principal, policies: &TenantPolicies, ask: &Asked<'_>) -> Result<Held> {
        known.held(&self.identities, policies, ask.now)
    }

    /// Decides by the platform's own roles.
    pub(crate) fn judge_platform(&self, roles: &[String], action: &str, resource: &str) -> Result<Verdict> {
        let roles: Vec<&str> = roles.iter().map(String::as_str).collect();
        let identity = self.platform.identity(&roles, &[]).map_err(|e| broken("the platform", &e))?;
        let facts = Facts::default();
        let request = Request { action, resource, facts: &facts };
        Ok(self.platform.judge(&policy::Principal::new(&identity), &request))
    }
}

/// A question about a principal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) action: &'a str,
    pub(crate) resource: &'a str,
    pub(crate) circumstances: &'a Circumstances<'a>,
    pub(crate) now: Timestamp,
}

impl<'a> Asked<'a> {
    fn request(&self, facts: &'a Facts<'a>) -> Request<'a> {
        Request { action: self.action, resource: self.resource, facts }
    }
}

/// INVARIANT: the database refuses rings and deeper roles, so that what is loaded compiles.
fn broken(whose: &str, error: &policy::CompileError) -> Error {
    Error::Bug(base::bug!("the roles of {whose} do not compile: {error}"))
}

/// Reads and compiles a tenant's policies. Boxed where it is called, as is [`load_principal`]: a decision from
/// memory does not carry the room for it.
async fn load_tenant(rx: &mut LazyRx<'_>, id: &TenantId) -> Result<TenantPolicies> {
    store::load_tenant(rx.get().await?, id).await
}

async fn load_principal(
    rx: &mut LazyRx<'_>,
    tenant: &TenantId,
    id: &PrincipalId,
    known: i64,
) -> Result<Option<Principal>> {
    store::load_principal(rx.get().await?, tenant, id, known).await
}

/// Reads the versions of all scopes.
pub(crate) async fn load_versions(rx: &mut Rx) -> Result<Vec<(String, i64)>> {
    store::load_versions(rx).await
}

/// Reads the platform roles that a principal holds at this instant.
pub(crate) async fn load_platform_roles(
    rx: &mut Rx,
    id: &PrincipalId,
    now: Timestamp,
) -> Result<Vec<String>> {
    store::load_platform_roles(rx, id, now).await
}

/// A read connection that is taken only if something must be loaded.
pub(crate) struct LazyRx<'a> {
    store: &'a ::store::Store,
    scope: Scope<'a>,
    rx: Option<Rx>,
}

impl<'a> LazyRx<'a> {
    pub(crate) fn new(store: &'a ::store::Store, scope: Scope<'a>) -> Self {
        Self { store, scope, rx: None }
    }

    pub(crate) async fn get(&mut self) -> Result<&mut Rx> {
        if self.rx.is_none() {
            #[expect(clippy::disallowed_methods, reason = "the decision point loads what it decides by")]
            let rx = self.store.begin_decision_read(self.scope).await?;
            self.rx = Some(rx);
        }
        self.rx.as_mut().ok_or_else(|| Error::Bug(base::bug!("a connection that was just taken")))
    }
}
