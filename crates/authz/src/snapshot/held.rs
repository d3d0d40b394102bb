//! What is known of a principal, and what its roles say together at an instant.

use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Weak};

use arc_swap::ArcSwapOption;
use base::Timestamp;
use base::id::{PolicyId, RoleId, TenantId};
use policy::{Identity, Stored, Table};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::layers::{Boundaries, Direct};
use super::{TenantPolicies, broken};
use crate::Result;
use crate::access::Registration;
use crate::principals::PrincipalKind;

/// The memory that merged policies may take, in bytes: what a set of roles says together is kept once for all
/// principals that hold it.
const IDENTITY_BYTES_MAX: u64 = 256 << 20;
/// About what one set of roles takes, for a start.
const IDENTITY_BYTES: u64 = 16 << 10;
/// What a statement of a merged table takes with its indexes, at the most.
const STATEMENT_BYTES: u64 = 1 << 10;

/// One role that a principal holds, for as long as it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Assignment {
    pub(crate) role_id: RoleId,
    pub(crate) valid_from: Option<Timestamp>,
    pub(crate) expires_at: Option<Timestamp>,
}

/// One group that a principal is in, for as long as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GroupMembership {
    pub(crate) group_id: Box<str>,
    pub(crate) valid_from: Option<Timestamp>,
    pub(crate) expires_at: Option<Timestamp>,
}

/// INVARIANT: an assignment or membership counts while `valid_from <= now < expires_at`, judged at the decision.
fn counts_at(from: Option<Timestamp>, end: Option<Timestamp>, now: Timestamp) -> bool {
    from.is_none_or(|from| from <= now) && end.is_none_or(|end| now < end)
}

/// What conditions may ask about a principal.
#[derive(Debug, Default)]
pub(crate) struct Profile {
    /// A user's name or a client's `client_id`.
    pub(crate) name: Box<str>,
    /// The name as it is looked up: a user's in any case.
    pub(crate) key: Box<str>,
    /// `arn:signet:iam::{tenant}:{kind}/{id}`.
    pub(crate) arn: Box<str>,
    pub(crate) id: Box<str>,
    /// Attributes, their names in lower case.
    pub(crate) tags: Box<[(Box<str>, Stored)]>,
}

/// What is known of one principal.
pub(crate) struct Principal {
    /// The version up to which this is known to hold.
    pub(super) version: AtomicI64,
    pub(crate) tenant: TenantId,
    pub(crate) kind: PrincipalKind,
    pub(crate) active: bool,
    pub(crate) profile: Profile,
    /// What a client is an enforcement point for.
    pub(crate) registration: Option<Registration>,
    pub(crate) assignments: Vec<Assignment>,
    pub(crate) groups: Vec<GroupMembership>,
    /// The policy that limits it, whatever its roles say.
    pub(crate) boundary: Option<PolicyId>,
    /// The policies that are attached to it directly.
    pub(crate) direct: Vec<Direct>,
    /// The last answer of [`Principal::held`]. The identity belongs to the cache, which bounds memory.
    pub(super) last: ArcSwapOption<Last>,
}

/// What a principal holds during a while.
pub(crate) struct Held {
    pub(crate) identity: Arc<Identity>,
    last: Arc<Last>,
}

impl Held {
    /// The ids of the roles, inherited ones included.
    pub(crate) fn roles(&self) -> &[Box<str>] {
        &self.last.roles
    }

    /// The principal, with what limits it and its credential.
    pub(super) fn principal<'a>(&'a self, scope: Option<&'a Table>) -> policy::Principal<'a> {
        let boundary = self.last.boundary.as_deref();
        policy::Principal { boundary, scope, ..policy::Principal::new(&self.identity) }
    }

    /// The ids of the groups.
    pub(crate) fn groups(&self) -> &[Box<str>] {
        &self.last.groups
    }
}

pub(super) struct Last {
    /// [`TenantPolicies::content`] of the policies that it was made from.
    content: i64,
    from: Timestamp,
    until: Option<Timestamp>,
    identity: Weak<Identity>,
    boundary: Option<Arc<Table>>,
    roles: Box<[Box<str>]>,
    groups: Box<[Box<str>]>,
}

impl Principal {
    /// The roles held directly or through groups at this instant.
    pub(crate) fn held_at(&self, now: Timestamp) -> impl Iterator<Item = &Assignment> {
        self.assignments.iter().filter(move |a| counts_at(a.valid_from, a.expires_at, now))
    }

    /// What the principal holds at this instant, by these policies.
    pub(super) fn held(
        &self,
        (identities, boundaries): (&Identities, &Boundaries),
        policies: &TenantPolicies,
        now: Timestamp,
    ) -> Result<Held> {
        if let Some(last) = self.last.load_full()
            && last.content == policies.content
            && counts_at(Some(last.from), last.until, now)
            && let Some(identity) = last.identity.upgrade()
        {
            return Ok(Held { identity, last });
        }
        let mut ids: Vec<Box<str>> = self.held_at(now).map(|a| a.role_id.as_str().into()).collect();
        ids.sort_unstable();
        ids.dedup();
        let groups = self.groups.iter().filter(|g| counts_at(g.valid_from, g.expires_at, now));
        let direct = self.direct.iter().filter(|one| counts_at(one.valid_from, one.expires_at, now));
        let direct: Vec<Box<str>> = direct.map(|one| one.policy_id.as_str().into()).collect();
        let identity = identities.get(&self.tenant, policies, (&ids, &direct))?;
        let mut roles: Vec<Box<str>> =
            ids.iter().flat_map(|id| policies.policies.closure(id)).map(Into::into).collect();
        roles.sort_unstable();
        roles.dedup();
        let instants = self.assignments.iter().flat_map(|a| [a.valid_from, a.expires_at]);
        let instants = instants.chain(self.groups.iter().flat_map(|g| [g.valid_from, g.expires_at]));
        let instants = instants.chain(self.direct.iter().flat_map(|one| [one.valid_from, one.expires_at]));
        let last = Arc::new(Last {
            content: policies.content,
            from: now,
            until: instants.flatten().filter(|instant| *instant > now).min(),
            identity: Arc::downgrade(&identity),
            boundary: self.boundary.as_ref().map(|id| boundaries.get(&self.tenant, policies, id)),
            roles: roles.into(),
            groups: groups.map(|group| group.group_id.clone()).collect(),
        });
        self.last.store(Some(last.clone()));
        Ok(Held { identity, last })
    }
}

/// What sets of roles and policies say together, by tenant, roles and direct policies. An entry of an earlier version is used on where nothing
/// that it was made of has changed.
pub(super) struct Identities {
    cache: Cache<RoleSet, Arc<Identity>, ByBytes>,
}

/// Roles of a tenant and policies beside them, both sorted.
type RoleSet = (TenantId, Box<[Box<str>]>, Box<[Box<str>]>);

#[derive(Clone)]
struct ByBytes;

impl Weighter<RoleSet, Arc<Identity>> for ByBytes {
    fn weight(&self, _: &RoleSet, identity: &Arc<Identity>) -> u64 {
        IDENTITY_BYTES / 16 + identity.len() as u64 * STATEMENT_BYTES / 4
    }
}

#[derive(Hash)]
struct Key<'a>(&'a TenantId, &'a [Box<str>], &'a [Box<str>]);

impl quick_cache::Equivalent<RoleSet> for Key<'_> {
    fn equivalent(&self, key: &RoleSet) -> bool {
        *self.0 == key.0 && *self.1 == *key.1 && *self.2 == *key.2
    }
}

impl Identities {
    pub(super) fn new() -> Self {
        let items = usize::try_from(IDENTITY_BYTES_MAX / IDENTITY_BYTES).unwrap_or(usize::MAX);
        Self { cache: Cache::with_weighter(items, IDENTITY_BYTES_MAX, ByBytes) }
    }

    fn get(
        &self,
        tenant: &TenantId,
        policies: &TenantPolicies,
        (roles, direct): (&[Box<str>], &[Box<str>]),
    ) -> Result<Arc<Identity>> {
        if let Some(found) = self.cache.get(&Key(tenant, roles, direct))
            && policies.policies.is_current(&found)
        {
            return Ok(found);
        }
        let role_ids: Vec<&str> = roles.iter().map(|id| &**id).collect();
        let policy_ids: Vec<&str> = direct.iter().map(|id| &**id).collect();
        let made = policies.policies.identity(&role_ids, &policy_ids);
        let made = Arc::new(made.map_err(|error| broken(&format!("tenant {tenant}"), &error))?);
        self.cache.insert((tenant.clone(), roles.into(), direct.into()), made.clone());
        Ok(made)
    }
}
