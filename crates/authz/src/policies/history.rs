//! The versions of a policy: what it said before, what differs, and the way back.
//!
//! INVARIANT: each change of a policy writes the version that it makes, in the same transaction, and removes what is
//! older than the last [`VERSIONS_MAX`]. A version never changes; it goes with its policy. Links are no part of it.

pub(super) mod http;
pub(super) mod store;

use base::Timestamp;
use base::id::{PolicyId, TenantId};
use base::query::{Direction, SortKey};
use policy::diff::{Content, Diff};
use policy::{Effect, diff};
use serde_json::{Value, json};
use web::IfMatch;

use super::{Policy, check_document, check_expression, save, word};
use crate::escalation::check_grant_any;
use crate::{Action, Cx, Error, Listed, Listing, Permit, Result, Target, Tx};

/// The versions of one policy that are kept, the present one among them.
pub const VERSIONS_MAX: i64 = 20;

/// The order of versions where nobody says another one: the newest first.
const ORDER: [SortKey; 1] = [SortKey { attribute: "version", direction: Direction::Descending }];

/// A policy as it was from one change to the next.
#[derive(Debug, Clone, PartialEq)]
pub struct Version {
    /// Its number, counted from 1 without gaps.
    pub version: i64,
    /// The policy's name then.
    pub name: String,
    /// What it was for.
    pub description: Option<String>,
    /// What it said, in canonical form.
    pub document: Option<Value>,
    /// What its links did.
    pub effect: Effect,
    /// Its priority.
    pub priority: i64,
    /// Its expression.
    pub expression: Option<String>,
    /// When it came to be.
    pub changed_at: Timestamp,
    /// Who made it so: the id of a principal, or `os:{uid}` for the host.
    pub changed_by: Option<String>,
}

impl Version {
    fn members(&self) -> [(&'static str, Value); 5] {
        [
            ("name", json!(self.name)),
            ("description", json!(self.description)),
            ("effect", json!(word(self.effect))),
            ("priority", json!(self.priority)),
            ("expression", json!(self.expression)),
        ]
    }
}

/// What differs between two versions of a policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The one version.
    pub from: i64,
    /// The other.
    pub to: i64,
    /// What is different in it.
    pub diff: Diff,
}

/// Reads a part of the versions of a policy. Fails with [`Error::NotFound`].
pub async fn page_versions(cx: &Cx, id: &PolicyId, listing: &Listing) -> Result<Listed<Version>> {
    let permit = cx.authorize(Action::PolicyRead, &Target::member(id)).await?;
    let mut rx = cx.read(&permit).await?;
    let tenant = permit.own_tenant()?;
    if super::store::find(&mut rx, tenant, id).await?.is_none() {
        return Err(Error::NotFound("policy"));
    }
    store::page(&mut rx, tenant, id, listing).await
}

/// Reads one version of a policy. Fails with [`Error::NotFound`], also for one that is no longer kept.
pub async fn load_version(cx: &Cx, id: &PolicyId, version: i64) -> Result<Version> {
    let permit = cx.authorize(Action::PolicyRead, &Target::member(id)).await?;
    let mut rx = cx.read(&permit).await?;
    store::find(&mut rx, permit.own_tenant()?, id, version).await?.ok_or(Error::NotFound("version"))
}

/// Compares two versions of a policy: with the present one where `to` is none, and from the one before it where
/// `from` is none.
///
/// Fails with [`Error::NotFound`], also for a version that is no longer kept.
pub async fn compare_versions(
    cx: &Cx,
    id: &PolicyId,
    from: Option<i64>,
    to: Option<i64>,
) -> Result<Difference> {
    let permit = cx.authorize(Action::PolicyRead, &Target::member(id)).await?;
    let mut rx = cx.read(&permit).await?;
    let tenant = permit.own_tenant()?;
    let present = super::store::find(&mut rx, tenant, id).await?.ok_or(Error::NotFound("policy"))?;
    let to = to.unwrap_or(present.version);
    let from = from.unwrap_or_else(|| to.saturating_sub(1));
    let before = store::find(&mut rx, tenant, id, from).await?.ok_or(Error::NotFound("version"))?;
    let after = store::find(&mut rx, tenant, id, to).await?.ok_or(Error::NotFound("version"))?;
    drop(rx);
    let (was, now) = (before.members(), after.members());
    let diff = diff::diff(
        &Content { members: &was, document: before.document.as_ref() },
        &Content { members: &now, document: after.document.as_ref() },
    );
    Ok(Difference { from, to, diff })
}

/// Makes a policy say again what an earlier version said, as a new version: document, effect, priority, expression
/// and description. The name stays, because others refer to the policy by it. `read` is the version that the caller
/// read, where the policy must not have changed since.
///
/// Fails with [`Error::NotFound`], and as [`super::update_policy_in`] does.
pub async fn roll_back_in(
    cx: &Cx,
    tx: &mut Tx,
    permit: &Permit,
    id: &PolicyId,
    version: i64,
    read: Option<i64>,
) -> Result<Policy> {
    let tenant = permit.own_tenant()?.clone();
    check_grant_any(cx, permit, "rolling a policy back").await?;
    let before = super::store::find(tx, &tenant, id).await?.ok_or(Error::NotFound("policy"))?;
    if read.is_some_and(|read| read != before.version) {
        return Err(Error::Stale);
    }
    let old = store::find(tx, &tenant, id, version).await?.ok_or(Error::NotFound("version"))?;
    // What was right when it was written must be right now.
    old.expression.as_deref().map(check_expression).transpose()?;
    let after = Policy {
        description: old.description,
        document: old.document.map(|document| check_document(&document, &tenant)).transpose()?,
        effect: old.effect,
        priority: old.priority,
        expression: old.expression,
        ..before.clone()
    };
    save(cx, tx, permit, &before, after, Some(version)).await
}

/// Rolls a policy back that the caller read.
///
/// Fails as [`roll_back_in`] does, and with [`Error::Precondition`].
pub async fn roll_back(cx: &Cx, id: &PolicyId, if_match: &IfMatch, version: i64) -> Result<Policy> {
    let permit = cx.authorize(Action::PolicyUpdate, &Target::member(id)).await?;

    let mut tx = cx.write(&permit).await?;
    let tenant = permit.own_tenant()?;
    let found = super::store::find(&mut tx, tenant, id).await?.ok_or(Error::NotFound("policy"))?;
    if_match.check(found.version).map_err(Error::Precondition)?;
    let policy = roll_back_in(cx, &mut tx, &permit, id, version, Some(found.version)).await?;
    tx.commit().await?;
    Ok(policy)
}

/// Keeps a version that a policy has just come to, and as many of the earlier ones as are kept.
pub(super) async fn keep(cx: &Cx, tx: &mut Tx, tenant: &TenantId, policy: &Policy) -> Result<()> {
    store::insert(tx, tenant, policy, cx.actor().id().as_deref()).await?;
    store::remove_to(tx, tenant, &policy.id, policy.version - VERSIONS_MAX).await
}
