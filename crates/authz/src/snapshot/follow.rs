//! From one version of a tenant to a newer one by what changed between them.
//!
//! INVARIANT: what is not named is as it was. So every version between must say what it changed, and one that does
//! not, or says that it was all, makes the caller read the tenant as a whole.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use ::store::{Changed, Rx, changes};
use base::id::{PrincipalId, TenantId};

use super::{Principal, ResourceTags, TenantPolicies, store};
use crate::{Result, change};

/// Changes that are followed one by one; a node that is further behind reads the tenant as a whole.
const FOLLOWED_MAX: usize = 1_000;
/// Principals, groups and resources whose last change is remembered, for each tenant.
const NAMED_MAX: usize = 2_000;

/// When principals and resources changed, and groups, which change all their members.
#[derive(Debug, Clone, Default)]
pub(super) struct Named {
    /// Whatever was read before this version may have changed without being remembered.
    floor: i64,
    /// The version of the last change by id.
    at: Arc<HashMap<Arc<str>, i64>>,
}

impl Named {
    /// Nothing is remembered of changes up to a version.
    pub(super) fn since(version: i64) -> Self {
        Self { floor: version, at: Arc::default() }
    }

    fn changed_after(&self, id: &str, version: i64) -> bool {
        self.at.get(id).is_some_and(|at| *at > version)
    }

    fn with(&self, new: HashMap<Arc<str>, i64>) -> Self {
        if new.is_empty() {
            return self.clone();
        }
        let mut at = HashMap::clone(&self.at);
        let mut floor = self.floor;
        at.extend(new);
        if at.len() > NAMED_MAX {
            // The older half is forgotten, and with it whoever was read before.
            let mut versions: Vec<i64> = at.values().copied().collect();
            versions.sort_unstable();
            floor = versions.get(versions.len() / 2).copied().unwrap_or(i64::MAX).max(floor);
            at.retain(|_, version| *version > floor);
        }
        Self { floor, at: Arc::new(at) }
    }
}

impl TenantPolicies {
    /// Whether what was read of a principal still holds at this version.
    pub(super) fn has_not_changed(&self, id: &PrincipalId, known: &Principal) -> bool {
        let groups = known.groups.iter().map(|group| &*group.group_id);
        self.holds_still(&known.version, std::iter::once(id.as_str()).chain(groups))
    }

    /// Whether the tags that were read of a resource still hold at this version.
    pub(super) fn has_tags_still(&self, resource: &str, known: &ResourceTags) -> bool {
        self.holds_still(&known.version, [resource])
    }

    /// Whether what held at a version still does; then it is noted that it does.
    fn holds_still<'a>(&self, held: &AtomicI64, named: impl IntoIterator<Item = &'a str>) -> bool {
        let version = held.load(Ordering::Relaxed);
        if version >= self.version {
            return true;
        }
        let mut named = named.into_iter();
        if version < self.named.floor || named.any(|id| self.named.changed_after(id, version)) {
            return false;
        }
        held.fetch_max(self.version, Ordering::Relaxed);
        true
    }
}

/// What changed, by kind.
#[derive(Debug, Default, PartialEq, Eq)]
struct Changes {
    policies: BTreeSet<String>,
    roles: BTreeSet<String>,
    resources: BTreeSet<String>,
    named: HashMap<Arc<str>, i64>,
}

impl Changes {
    /// Reads what every version after `from` and up to `until` says; none if one of them says nothing or all.
    fn read(rows: Vec<Changed>, from: i64, until: i64) -> Option<Self> {
        let mut found = Self::default();
        let mut last = from;
        for Changed { version, kind, subject } in rows {
            if version != last && version != last + 1 {
                return None;
            }
            last = version;
            match kind.as_str() {
                change::POLICY => {
                    found.policies.insert(subject);
                }
                change::ROLE => {
                    found.roles.insert(subject);
                }
                change::RESOURCE => {
                    found.named.insert(subject.as_str().into(), version);
                    found.resources.insert(subject);
                }
                change::PRINCIPAL | change::GROUP => {
                    found.named.insert(subject.into(), version);
                }
                change::NOTHING => {}
                // `all`, and what a later release may say.
                _ => return None,
            }
        }
        (last == until).then_some(found)
    }
}

/// The tenant at the version that the database has, made from an earlier one; none where it must be read as a whole.
pub(super) async fn follow(
    rx: &mut Rx,
    tenant: &TenantId,
    known: &TenantPolicies,
) -> Result<Option<TenantPolicies>> {
    let version = store::load_version(rx, tenant).await?;
    // One more than is followed, so that it is seen where the last version's changes were cut off.
    let limit = i64::try_from(FOLLOWED_MAX).unwrap_or(i64::MAX).saturating_add(1);
    let rows = changes::list(rx, tenant.as_str(), known.version, version, limit).await?;
    if rows.len() > FOLLOWED_MAX {
        return Ok(None);
    }
    let Some(changes) = Changes::read(rows, known.version, version) else { return Ok(None) };
    let mut edit = known.policies.edit();
    if !changes.policies.is_empty() {
        let mut found = store::load_policies(rx, tenant, &changes.policies).await?;
        if found.has_resources && !known.has_tree {
            return Ok(None);
        }
        for id in &changes.policies {
            match found.policies.remove(id) {
                Some(policy) => edit.put_policy(policy),
                None => edit.remove_policy(id),
            }
        }
    }
    if !changes.roles.is_empty() {
        let mut found = store::load_roles(rx, tenant, &changes.roles).await?;
        for id in &changes.roles {
            match found.remove(id) {
                Some(role) => edit.put_role(role),
                None => edit.remove_role(id),
            }
        }
    }
    let mut may_have_tags = known.may_have_tags.clone();
    if !changes.resources.is_empty() {
        may_have_tags = may_have_tags.and(&store::list_tagged(rx, tenant, Some(&changes.resources)).await?);
    }
    if !changes.resources.is_empty() && known.has_tree {
        let mut found = super::links::load_parents(rx, tenant, &changes.resources).await?;
        for name in &changes.resources {
            edit.put_parent(name, found.remove(name.as_str()).as_deref());
        }
    }
    let is_content = !changes.policies.is_empty() || !changes.roles.is_empty();
    // What was committed compiles; where it does not, reading the whole says so.
    let Ok(policies) = edit.finish(version) else { return Ok(None) };
    Ok(Some(TenantPolicies {
        version,
        content: if is_content { version } else { known.content },
        policies,
        has_tree: known.has_tree,
        may_have_tags,
        named: known.named.with(changes.named),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(version: i64, kind: &str, subject: &str) -> Changed {
        Changed { version, kind: kind.to_owned(), subject: subject.to_owned() }
    }

    #[test]
    fn changes_are_followed_only_where_every_version_says_what_it_changed() {
        let rows = || vec![changed(4, "policy", "p"), changed(4, "role", "r"), changed(5, "principal", "u")];

        let read = Changes::read(rows(), 3, 5).unwrap();

        assert_eq!(read.policies, BTreeSet::from(["p".to_owned()]));
        assert_eq!(read.roles, BTreeSet::from(["r".to_owned()]));
        assert_eq!(read.named, HashMap::from([("u".into(), 5)]));
        assert_eq!(Changes::read(rows(), 2, 5), None, "version 3 is missing");
        assert_eq!(Changes::read(rows(), 3, 6), None, "version 6 is missing");
        assert_eq!(Changes::read(vec![changed(4, "all", "")], 3, 4), None);
        assert_eq!(Changes::read(vec![changed(4, "boundary", "b")], 3, 4), None, "a kind of a later release");
        assert_eq!(Changes::read(vec![changed(4, "nothing", "")], 3, 4), Some(Changes::default()));
        assert_eq!(Changes::read(Vec::new(), 3, 3), Some(Changes::default()));
    }

    #[test]
    fn what_is_forgotten_of_changes_counts_as_changed() {
        let mut named = Named::since(10);
        for version in 11..=11 + i64::try_from(NAMED_MAX).unwrap() {
            named = named.with(HashMap::from([(format!("p{version}").into(), version)]));
        }

        assert!(named.at.len() <= NAMED_MAX);
        assert!(named.floor > 10, "whoever was read before is read again");
        for version in 11..=11 + i64::try_from(NAMED_MAX).unwrap() {
            let remembered = named.changed_after(&format!("p{version}"), version - 1);
            assert!(remembered || version <= named.floor, "{version}");
        }
    }
}
