//! What callers ask of guardrails from outside: each verb asks whether they may, opens one transaction and
//! commits.

use base::id::PolicyId;

use super::{Guardrail, store};
use crate::{Action, Cx, Result, Target};

/// The guardrails of the caller's tenant, by name: at most [`super::GUARDRAILS_MAX`].
pub async fn list_guardrails(cx: &Cx) -> Result<Vec<Guardrail>> {
    let permit = cx.authorize(Action::PolicyRead, &Target::all("policy")).await?;
    let mut rx = cx.read(&permit).await?;
    store::list(&mut rx, permit.own_tenant()?).await
}

/// Lets a policy bind everybody in the caller's tenant; nothing happens if it does.
///
/// Fails as [`super::attach_guardrail_in`] does.
pub async fn attach_guardrail(cx: &Cx, policy: &PolicyId) -> Result<()> {
    let permit = cx.authorize(Action::PolicyAttachGuardrail, &Target::member(policy)).await?;

    let mut tx = cx.write(&permit).await?;
    if super::is_attached(&mut tx, permit.own_tenant()?, policy).await? {
        return Ok(());
    }
    super::attach_guardrail_in(cx, &mut tx, &permit, policy).await?;
    tx.commit().await
}

/// Lets a policy bind nobody any longer. Fails as [`super::detach_guardrail_in`] does.
pub async fn detach_guardrail(cx: &Cx, policy: &PolicyId) -> Result<()> {
    let permit = cx.authorize(Action::PolicyAttachGuardrail, &Target::member(policy)).await?;

    let mut tx = cx.write(&permit).await?;
    super::detach_guardrail_in(cx, &mut tx, &permit, policy).await?;
    tx.commit().await
}
