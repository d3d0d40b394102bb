//! Values that policies ask about: names, attributes, tags, groups. Whoever changes one changes what is permitted,
//! without touching a policy.
//!
//! What exactly such a change permits is not worked out: where a policy of the tenant may read the value, it needs
//! `policy:grant_any`. Which values are read is known of the compiled policies ([`policy::Reads`]).

use std::collections::{BTreeMap, BTreeSet};

use policy::{Known, Reads, Tagged};
use serde_json::Value;
use store::Scope;

use super::{check_grant_any, is_exempt};
use crate::snapshot::LazyRx;
use crate::{Cx, Permit, Result};

/// Refuses whoever may not grant any access to make a principal whose attributes policies read, or that has a name by
/// which a policy means somebody in particular. A name that policies only insert, whatever it is, is free.
///
/// Fails with [`crate::Error::Escalation`].
pub async fn check_new_principal(cx: &Cx, permit: &Permit, name: &str, attributes: &Value) -> Result<()> {
    let set = changed(&Value::Null, attributes);
    let is_read = |reads: &Reads| reads.means_name(name) || reads_one(reads, Tagged::Principal, &set);
    check_unread(cx, permit, "a name or an attribute that policies ask about", is_read).await
}

/// Refuses whoever may not grant any access to change attributes that policies read, or a name while they read names.
///
/// Fails with [`crate::Error::Escalation`].
pub async fn check_changed_principal(
    cx: &Cx,
    permit: &Permit,
    renamed: bool,
    before: &Value,
    after: &Value,
) -> Result<()> {
    let changed = changed(before, after);
    if !renamed && changed.is_empty() {
        return Ok(());
    }
    let is_read = |reads: &Reads| {
        (renamed && reads.known(Known::Username)) || reads_one(reads, Tagged::Principal, &changed)
    };
    check_unread(cx, permit, "changing a name or an attribute that policies ask about", is_read).await
}

/// Refuses whoever may not grant any access to change tags of a resource that policies read.
///
/// Fails with [`crate::Error::Escalation`].
pub(crate) async fn check_tags(
    cx: &Cx,
    permit: &Permit,
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
) -> Result<()> {
    let names = before.keys().chain(after.keys()).filter(|name| before.get(*name) != after.get(*name));
    let changed: BTreeSet<String> = names.map(|name| name.to_ascii_lowercase()).collect();
    if changed.is_empty() {
        return Ok(());
    }
    let is_read = |reads: &Reads| reads_one(reads, Tagged::Resource, &changed);
    check_unread(cx, permit, "changing a tag that policies ask about", is_read).await
}

/// Refuses whoever may not grant any access to change what roles or groups somebody has while policies read which.
///
/// Fails with [`crate::Error::Escalation`].
pub(crate) async fn check_held_unread(cx: &Cx, permit: &Permit, keys: &[Known]) -> Result<()> {
    let is_read = |reads: &Reads| keys.iter().any(|key| reads.known(*key));
    check_unread(cx, permit, "changing roles or groups that policies ask about", is_read).await
}

/// Refuses whoever may not grant any access to move a resource while policies read what resources lie in.
///
/// Fails with [`crate::Error::Escalation`].
pub(crate) async fn check_place_unread(cx: &Cx, permit: &Permit) -> Result<()> {
    check_unread(cx, permit, "changing what a resource lies in while policies ask about it", Reads::ancestors)
        .await
}

async fn check_unread(
    cx: &Cx,
    permit: &Permit,
    change: &str,
    is_read: impl FnOnce(&Reads) -> bool,
) -> Result<()> {
    if is_exempt(permit) {
        return Ok(());
    }
    let tenant = permit.own_tenant()?;
    let core = cx.core();
    let mut lazy = LazyRx::new(core.store(), Scope::Tenant(tenant.as_str()));
    let policies = core.snapshots().tenant(&mut lazy, tenant).await?;
    drop(lazy);
    let reads: &Reads = policies.policies.reads();
    if is_read(reads) { check_grant_any(cx, permit, change).await } else { Ok(()) }
}

fn reads_one(reads: &Reads, tagged: Tagged, names: &BTreeSet<String>) -> bool {
    names.iter().any(|name| reads.tag(tagged, name))
}

/// The names, in lower case, of members that differ. Of names that differ in case only, decisions see the first: all
/// of them count.
fn changed(before: &Value, after: &Value) -> BTreeSet<String> {
    let members = |value: &Value| -> BTreeMap<String, Vec<Value>> {
        let mut found: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for (name, value) in value.as_object().into_iter().flatten() {
            found.entry(name.to_ascii_lowercase()).or_default().push(value.clone());
        }
        found
    };
    let (before, after) = (members(before), members(after));
    let names = before.keys().chain(after.keys());
    names.filter(|name| before.get(*name) != after.get(*name)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn attributes_differ_by_value_and_by_name_without_case() {
        let before = json!({ "team": "a", "Level": 3, "same": [1], "both": 1, "BOTH": 2 });
        let after = json!({ "TEAM": "a", "level": 4, "same": [1], "new": null, "both": 2, "BOTH": 1 });
        let found: Vec<String> = changed(&before, &after).into_iter().collect();
        assert_eq!(found, ["both", "level", "new"]);
        assert!(changed(&Value::Null, &json!({})).is_empty());
    }
}
