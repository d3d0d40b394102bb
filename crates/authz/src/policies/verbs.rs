//! What callers ask of policies from outside: each verb asks whether they may, opens one transaction and
//! commits.

use base::id::PolicyId;
use web::IfMatch;

use super::{NewPolicy, Policy, PolicyChange, store};
use crate::{Action, Cx, Error, Listed, Listing, Result, Target};

/// Makes a policy in the caller's tenant. Fails as [`super::create_policy_in`] does.
pub async fn create_policy(cx: &Cx, new: NewPolicy) -> Result<Policy> {
    let permit = cx.authorize(Action::PolicyCreate, &Target::all("policy")).await?;

    let mut tx = cx.write(&permit).await?;
    let policy = super::create_policy_in(cx, &mut tx, &permit, new).await?;
    tx.commit().await?;
    Ok(policy)
}

/// Reads a policy. Fails with [`Error::NotFound`].
pub async fn load_policy(cx: &Cx, id: &PolicyId) -> Result<Policy> {
    let permit = cx.authorize(Action::PolicyRead, &Target::member(id)).await?;
    let mut rx = cx.read(&permit).await?;
    store::find(&mut rx, permit.own_tenant()?, id).await?.ok_or(Error::NotFound("policy"))
}

/// Reads a part of the tenant's policies.
pub async fn page_policies(cx: &Cx, listing: &Listing) -> Result<Listed<Policy>> {
    let permit = cx.authorize(Action::PolicyRead, &Target::all("policy")).await?;
    let mut rx = cx.read(&permit).await?;
    let scanned = store::page(&mut rx, permit.own_tenant()?, listing).await?;
    drop(rx);
    scanned.only(cx, Action::PolicyRead, |policy| Target::member(&policy.id)).await
}

/// Changes a policy that the caller read.
///
/// Fails as [`super::update_policy_in`] does, and with [`Error::Precondition`].
pub async fn update_policy(
    cx: &Cx,
    id: &PolicyId,
    if_match: &IfMatch,
    change: PolicyChange,
) -> Result<Policy> {
    let permit = cx.authorize(Action::PolicyUpdate, &Target::member(id)).await?;

    let mut tx = cx.write(&permit).await?;
    let found = store::find(&mut tx, permit.own_tenant()?, id).await?.ok_or(Error::NotFound("policy"))?;
    if_match.check(found.version).map_err(Error::Precondition)?;
    let policy = super::update_policy_in(cx, &mut tx, &permit, id, change, Some(found.version)).await?;
    tx.commit().await?;
    Ok(policy)
}

/// Removes a policy that the caller read.
///
/// Fails as [`super::delete_policy_in`] does, and with [`Error::Precondition`].
pub async fn delete_policy(cx: &Cx, id: &PolicyId, if_match: &IfMatch) -> Result<()> {
    let permit = cx.authorize(Action::PolicyDelete, &Target::member(id)).await?;

    let mut tx = cx.write(&permit).await?;
    let found = store::find(&mut tx, permit.own_tenant()?, id).await?.ok_or(Error::NotFound("policy"))?;
    if_match.check(found.version).map_err(Error::Precondition)?;
    super::delete_policy_in(cx, &mut tx, &permit, id).await?;
    tx.commit().await
}
