//! Priorities: who may set them, and that what is said at one is theirs alone.

use policy::policy::PRIORITY_MAX;

use crate::escalation::is_exempt;
use crate::{Action, Cx, Error, Permit, Result, Target};

/// Holds a priority to its range. Fails with [`Error::Invalid`].
pub(super) fn check_priority(priority: i64) -> Result<()> {
    if (0..=i64::from(PRIORITY_MAX)).contains(&priority) {
        return Ok(());
    }
    let detail = format!("found {priority}, expected 0 to {PRIORITY_MAX}");
    Err(Error::invalid("/priority", "invalid_priority", detail))
}

/// Refuses whoever may not set a priority other than 0: it outranks what others deny.
///
/// Fails with [`Error::Denied`], which is recorded.
pub(super) async fn check_may_set(cx: &Cx, permit: &Permit, policy: &Target) -> Result<()> {
    if !is_exempt(permit) {
        cx.authorize(Action::PolicySetPriority, policy).await?;
    }
    Ok(())
}
