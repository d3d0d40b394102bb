//! What callers ask of direct policies from outside: each verb asks whether they may, opens one transaction and
//! commits.

use base::id::{PolicyId, UserId};

use super::{DirectPolicy, NewDirectPolicy, store};
use crate::principals::{self, PrincipalKind};
use crate::{Action, Cx, Result, Target};

/// The policies attached to a user itself, at whatever time, by name: at most [`super::DIRECT_MAX`].
///
/// The caller may read the user and policies. Fails with [`crate::Error::NotFound`].
pub async fn list_direct_policies(cx: &Cx, user: &UserId) -> Result<Vec<DirectPolicy>> {
    cx.authorize(Action::UserRead, &Target::member(user)).await?;
    let permit = cx.authorize(Action::PolicyRead, &Target::all("policy")).await?;
    let mut rx = cx.read(&permit).await?;
    let tenant = permit.own_tenant()?;
    principals::check_kind(&mut rx, tenant, &user.cast(), PrincipalKind::User).await?;
    store::list(&mut rx, tenant, user).await
}

/// Attaches a policy to a user itself; nothing happens if it is attached at the same times. The caller may change
/// the user and say where the policy is attached.
///
/// Fails as [`super::attach_direct_in`] does.
pub async fn attach_direct_policy(cx: &Cx, new: &NewDirectPolicy) -> Result<()> {
    cx.authorize(Action::UserUpdate, &Target::member(&new.user)).await?;
    let permit = cx.authorize(Action::PolicyUpdate, &Target::member(&new.policy)).await?;

    let mut tx = cx.write(&permit).await?;
    let there = store::list(&mut tx, permit.own_tenant()?, &new.user).await?;
    if there.iter().any(|one| one.policy_id == new.policy && one.window == new.window) {
        return Ok(());
    }
    super::attach_direct_in(cx, &mut tx, &permit, new).await?;
    tx.commit().await
}

/// Takes a policy from a user. Fails as [`super::detach_direct_in`] does.
pub async fn detach_direct_policy(cx: &Cx, user: &UserId, policy: &PolicyId) -> Result<()> {
    cx.authorize(Action::UserUpdate, &Target::member(user)).await?;
    let permit = cx.authorize(Action::PolicyUpdate, &Target::member(policy)).await?;

    let mut tx = cx.write(&permit).await?;
    super::detach_direct_in(cx, &mut tx, &permit, user, policy).await?;
    tx.commit().await
}
