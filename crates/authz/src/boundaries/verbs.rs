//! What callers ask of boundaries from outside: each verb asks whether they may, opens one transaction and
//! commits.

use base::id::{PolicyId, PrincipalId};

use super::{Boundary, store};
use crate::principals::{self, PrincipalKind};
use crate::{Action, Cx, Error, Result, Target};

/// What limits a principal of this kind. Fails with [`Error::NotFound`], also if nothing does.
pub async fn load_boundary(cx: &Cx, kind: PrincipalKind, id: &PrincipalId) -> Result<Boundary> {
    cx.authorize(Action::PolicyRead, &Target::all("policy")).await?;
    let permit = cx.authorize(kind.read_action(), &kind.target(id)).await?;
    let mut rx = cx.read(&permit).await?;
    let tenant = permit.own_tenant()?;
    principals::check_kind(&mut rx, tenant, id, kind).await?;
    store::find(&mut rx, tenant, id).await?.ok_or(Error::NotFound("boundary"))
}

/// Limits a principal of this kind; nothing happens if this policy does.
///
/// Fails as [`super::set_boundary_in`] does.
pub async fn set_boundary(cx: &Cx, kind: PrincipalKind, id: &PrincipalId, policy: &PolicyId) -> Result<()> {
    let permit = cx.authorize(Action::PolicySetBoundary, &kind.target(id)).await?;

    let mut tx = cx.write(&permit).await?;
    let tenant = permit.own_tenant()?.clone();
    principals::check_kind(&mut tx, &tenant, id, kind).await?;
    if store::find(&mut tx, &tenant, id).await?.is_some_and(|had| had.policy_id == *policy) {
        return Ok(());
    }
    super::set_boundary_in(cx, &mut tx, &permit, id, policy).await?;
    tx.commit().await
}

/// Takes the boundary from a principal of this kind. Fails as [`super::remove_boundary_in`] does.
pub async fn remove_boundary(cx: &Cx, kind: PrincipalKind, id: &PrincipalId) -> Result<()> {
    let permit = cx.authorize(Action::PolicySetBoundary, &kind.target(id)).await?;

    let mut tx = cx.write(&permit).await?;
    principals::check_kind(&mut tx, permit.own_tenant()?, id, kind).await?;
    super::remove_boundary_in(cx, &mut tx, &permit, id).await?;
    tx.commit().await
}
