//! The compiled policies of each tenant, and who holds which roles, kept in memory and following the database.
//!
//! A tenant's version moves with each change, and beside it stands what changed (`policy_changes`). A node that
//! learns of a newer version reads that and applies it to what it has ([`follow`]): one policy costs one policy, one
//! membership makes one principal be read again. Where it is not said what changed (too much, too long ago, or
//! simply all), the tenant is read as a whole.

mod follow;
mod held;
pub(crate) mod layers;
mod links;
mod names;
mod store;
mod tags;

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, RwLock};

use ::store::{Rx, Scope};
use base::Timestamp;
use base::id::{PrincipalId, TenantId};
use policy::{Decision, Denial, Explanation, Facts, Request, Snapshot};
use quick_cache::sync::Cache;

use crate::cx::Verdict;
use crate::facts::{Circumstances, facts};
use crate::name::is_foreign;
use crate::{Error, Result};
use follow::Named;
use held::Identities;
pub(crate) use held::{Assignment, GroupMembership, Held, Principal, Profile};
use layers::Boundaries;
use names::Names;
pub(crate) use tags::ResourceTags;
use tags::{MayHaveTags, Tags};

/// Tenants whose policies are kept compiled.
const TENANTS_MAX: usize = 2_000;
/// Principals whose roles are kept.
const PRINCIPALS_MAX: usize = 100_000;
/// Refreshes of tenants that may run at the same time; those of one tenant never do.
const TURNS: usize = 64;

/// One tenant's compiled policies at one version.
pub(crate) struct TenantPolicies {
    pub(crate) version: i64,
    /// The version at which roles or policies last changed.
    content: i64,
    pub(crate) policies: Snapshot,
    /// Whether it is known what resources lie in, which only linked resources ask for.
    has_tree: bool,
    may_have_tags: MayHaveTags,
    named: Named,
}

/// All that decisions need, by tenant and by principal.
pub(crate) struct Snapshots {
    versions: RwLock<HashMap<String, i64>>,
    tenants: Cache<TenantId, Arc<TenantPolicies>>,
    principals: Cache<(TenantId, PrincipalId), Arc<Principal>>,
    identities: Identities,
    names: Names,
    tags: Tags,
    boundaries: Boundaries,
    platform: Snapshot,
    turns: Vec<tokio::sync::Mutex<()>>,
    hasher: RandomState,
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
            names: Names::new(),
            tags: Tags::new(),
            boundaries: Boundaries::new(),
            platform: crate::platform::snapshot()?,
            turns: (0..TURNS).map(|_| tokio::sync::Mutex::default()).collect(),
            hasher: RandomState::new(),
        })
    }

    /// Who had which name lately.
    pub(crate) fn names(&self) -> &Names {
        &self.names
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

    /// The tenant's policies, as new as any version that is known.
    pub(crate) async fn tenant(&self, rx: &mut LazyRx<'_>, id: &TenantId) -> Result<Arc<TenantPolicies>> {
        match self.current(id) {
            Some(found) => Ok(found),
            None => Box::pin(self.refresh(rx, id)).await,
        }
    }

    fn current(&self, id: &TenantId) -> Option<Arc<TenantPolicies>> {
        let found = self.tenants.get(id)?;
        (found.version >= self.version(id.as_str())).then_some(found)
    }

    /// Makes a tenant's policies as new as the database has them; one request does it for all that wait.
    async fn refresh(&self, rx: &mut LazyRx<'_>, id: &TenantId) -> Result<Arc<TenantPolicies>> {
        // INVARIANT: nobody waits for a turn with a decision's connection in hand, which whoever has the turn may
        // be waiting for.
        rx.release();
        let turn = usize::try_from(self.hasher.hash_one(id)).unwrap_or(0) % TURNS;
        let turn = self.turns.get(turn).ok_or_else(|| Error::Bug(base::bug!("there is turn {turn}")))?;
        let _turn = turn.lock().await;
        if let Some(found) = self.current(id) {
            return Ok(found);
        }
        let mut rx = rx.at_one_instant(id).await?;
        let known = self.tenants.get(id);
        let followed = match &known {
            Some(known) => follow::follow(&mut rx, id, known).await?,
            None => None,
        };
        let loaded = match followed {
            Some(next) => next,
            None => store::load_tenant(&mut rx, id).await?,
        };
        rx.end().await?;
        let loaded = Arc::new(loaded);
        self.learn([(id.to_string(), loaded.version)]);
        self.tenants.insert(id.clone(), loaded.clone());
        Ok(loaded)
    }

    /// Whether the tenant is in memory, and older than is known.
    pub(crate) fn is_behind(&self, id: &TenantId) -> bool {
        self.tenants.peek(id).is_some_and(|found| found.version < self.version(id.as_str()))
    }

    /// What is known of a principal of the tenant, as new as these policies; none if there is no such principal
    /// there.
    pub(crate) async fn principal(
        &self,
        rx: &mut LazyRx<'_>,
        policies: &TenantPolicies,
        tenant: &TenantId,
        id: &PrincipalId,
    ) -> Result<Option<Arc<Principal>>> {
        if let Some(found) = self.principals.get(&Key(tenant, id))
            && policies.has_not_changed(id, &found)
        {
            return Ok(Some(found));
        }
        let loaded = Box::pin(load_principal(rx, tenant, id, policies.version)).await?.map(Arc::new);
        // An absent principal is not kept: whoever asks about names that do not exist fills no memory.
        match &loaded {
            Some(loaded) => self.principals.insert((tenant.clone(), id.clone()), loaded.clone()),
            None => drop(self.principals.remove(&Key(tenant, id))),
        }
        Ok(loaded)
    }

    /// The tags of a registered resource, as new as these policies; none where it has none.
    pub(crate) async fn tags(
        &self,
        rx: &mut LazyRx<'_>,
        policies: &TenantPolicies,
        tenant: &TenantId,
        resource: &str,
    ) -> Result<Option<Arc<ResourceTags>>> {
        if !policies.may_have_tags.contains(resource) {
            return Ok(None);
        }
        if let Some(found) = self.tags.get(tenant, resource)
            && policies.has_tags_still(resource, &found)
        {
            return Ok(Some(found));
        }
        let loaded = Arc::new(Box::pin(load_tags(rx, tenant, resource, policies.version)).await?);
        self.tags.keep(tenant, resource, loaded.clone());
        Ok(Some(loaded))
    }

    /// Judges a question about a principal, without reasons. A name that states another tenant is denied whatever
    /// policies say.
    pub(crate) fn judge(
        &self,
        known: &Principal,
        policies: &TenantPolicies,
        ask: &Asked<'_>,
    ) -> Result<Verdict> {
        if is_foreign(ask.resource, &known.tenant) {
            return Ok(Err(Denial::NothingApplies));
        }
        let held = self.held(known, policies, ask)?;
        let facts = facts(known, &held, ask.circumstances, ask.now, ask.tags());
        Ok(policies.policies.judge(&held.principal(ask.circumstances.scope), &ask.request(&facts)))
    }

    /// Decides a question about a principal, with reasons.
    pub(crate) fn decide(
        &self,
        known: &Principal,
        policies: &TenantPolicies,
        ask: &Asked<'_>,
    ) -> Result<Decision> {
        if is_foreign(ask.resource, &known.tenant) {
            return Ok(Decision::nothing_applies(policies.version));
        }
        let held = self.held(known, policies, ask)?;
        let facts = facts(known, &held, ask.circumstances, ask.now, ask.tags());
        Ok(policies.policies.decide(&held.principal(ask.circumstances.scope), &ask.request(&facts)))
    }

    /// Decides a question about a principal, with reasons and what nearly applied.
    pub(crate) fn explain(
        &self,
        known: &Principal,
        policies: &TenantPolicies,
        ask: &Asked<'_>,
    ) -> Result<Explanation> {
        if is_foreign(ask.resource, &known.tenant) {
            let decision = Decision::nothing_applies(policies.version);
            return Ok(Explanation { decision, misses: Vec::new(), complete: true });
        }
        let held = self.held(known, policies, ask)?;
        let facts = facts(known, &held, ask.circumstances, ask.now, ask.tags());
        Ok(policies.policies.explain(&held.principal(ask.circumstances.scope), &ask.request(&facts)))
    }

    /// Judges a question as if the tenant imposed these policies on everybody.
    pub(crate) fn judge_under(
        &self,
        known: &Principal,
        policies: &TenantPolicies,
        guardrail: Vec<policy::Policy>,
        ask: &Asked<'_>,
    ) -> Result<Verdict> {
        let mut edit = policies.policies.edit();
        edit.put_tenant_guardrail(Some(guardrail));
        let trial = edit.finish(policies.version).map_err(|e| broken("a trial", &e))?;
        let held = self.held(known, policies, ask)?;
        let facts = facts(known, &held, ask.circumstances, ask.now, ask.tags());
        Ok(trial.judge(&held.principal(ask.circumstances.scope), &ask.request(&facts)))
    }

    fn held(&self, known: &Principal, policies: &TenantPolicies, ask: &Asked<'_>) -> Result<Held> {
        known.held((&self.identities, &self.boundaries), policies, ask.now)
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
    /// The tags of the resource.
    pub(crate) tags: Option<&'a ResourceTags>,
}

impl<'a> Asked<'a> {
    fn tags(&self) -> &'a [(Box<str>, policy::Stored)] {
        match self.tags {
            Some(found) => &found.tags,
            None => &[],
        }
    }

    fn request(&self, facts: &'a Facts<'a>) -> Request<'a> {
        Request { action: self.action, resource: self.resource, facts }
    }
}

/// INVARIANT: the database refuses rings and deeper roles, so that what is loaded compiles.
fn broken(whose: &str, error: &policy::CompileError) -> Error {
    Error::Bug(base::bug!("the roles of {whose} do not compile: {error}"))
}

/// Boxed where it is called: a decision from memory does not carry the room for it.
async fn load_principal(
    rx: &mut LazyRx<'_>,
    tenant: &TenantId,
    id: &PrincipalId,
    known: i64,
) -> Result<Option<Principal>> {
    store::load_principal(rx.get().await?, tenant, id, known).await
}

async fn load_tags(
    rx: &mut LazyRx<'_>,
    tenant: &TenantId,
    resource: &str,
    known: i64,
) -> Result<ResourceTags> {
    store::load_tags(rx.get().await?, tenant, resource, known).await
}

/// Reads the versions of all scopes.
pub(crate) async fn load_versions(rx: &mut Rx) -> Result<Vec<(String, i64)>> {
    store::load_versions(rx).await
}

/// Reads the versions of some scopes.
pub(crate) async fn load_versions_of(rx: &mut Rx, scopes: &BTreeSet<&str>) -> Result<Vec<(String, i64)>> {
    store::load_versions_of(rx, scopes).await
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

    /// Gives the connection back, if one was taken.
    fn release(&mut self) {
        self.rx = None;
    }

    /// Another connection, inside a tenant, whose answers are all of one instant: what is compiled together was
    /// committed together.
    async fn at_one_instant(&self, tenant: &TenantId) -> Result<Rx> {
        #[expect(clippy::disallowed_methods, reason = "the decision point loads what it decides by")]
        let rx = self.store.begin_decision_snapshot(Scope::Tenant(tenant.as_str())).await?;
        Ok(rx)
    }
}
