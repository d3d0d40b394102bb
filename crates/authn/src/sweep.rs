//! Clearing away what is over, in small batches, so that nobody waits for it.

mod store;

use authz::{BATCH_ROWS, Place, Purpose, Swept};
use base::id::{TenantId, UserId};

use crate::{Result, Service};

/// Seconds for which a throttle that was not touched is kept: longer than any block and window.
const THROTTLE_SECONDS: i64 = 2 * 86_400;
/// Seconds for which a link is kept after its end.
const LINK_SECONDS: i64 = 7 * 86_400;
/// Seconds for which a session is kept after the latest instant at which it could have been used.
const SESSION_SECONDS: i64 = 90 * 86_400;
/// People whose password history is looked at in one transaction.
const PEOPLE_PER_BATCH: i64 = 500;

impl Service {
    /// Marks sessions that are over as `EXPIRED`, and removes old sessions, throttles and links.
    pub async fn sweep(&self) -> Result<Vec<Swept>> {
        const JOB: &str = "authn.sweep";
        let core = self.core();
        let now = core.now();
        let throttles = store::old_throttles(now.plus_seconds(-THROTTLE_SECONDS), BATCH_ROWS);
        let links = store::old_links(now.plus_seconds(-LINK_SECONDS), BATCH_ROWS);
        let sessions = store::old_sessions(now.plus_seconds(-SESSION_SECONDS), BATCH_ROWS);
        Ok(vec![
            core.sweep(JOB, "user_sessions_expired", store::expire_sessions(now, BATCH_ROWS)).await?,
            core.sweep(JOB, "user_sessions", sessions).await?,
            core.sweep(JOB, "throttles", throttles).await?,
            core.sweep(JOB, "password_reset_tokens", links).await?,
        ])
    }

    /// Removes what the password history holds beyond what each tenant's rules ask for: a change keeps as
    /// much as the rules ask for at that time, and here follow those whose rules ask for less since.
    pub async fn sweep_history(&self) -> Result<Vec<Swept>> {
        let cx = self.core().system(Place::Platform);
        let mut rows = 0;
        let mut last_tenant = String::new();
        while let Some(id) = {
            let mut rx = cx.read(&cx.purpose(Purpose::Resolve)).await?;
            store::next_tenant(&mut rx, &last_tenant).await?
        } {
            last_tenant = id.to_string();
            rows += self.sweep_history_of(&id).await?;
        }
        Ok(vec![Swept { kind: "password_history", rows }])
    }

    async fn sweep_history_of(&self, id: &TenantId) -> Result<u64> {
        let tenant = self.directory().tenant_by_id(id).await;
        let Some(tenant) = tenant.map_err(|error| crate::Error::Bug(error.into()))? else { return Ok(0) };
        let keep = crate::passwords::history_kept(&tenant)?;
        let cx = self.core().system(Place::Tenant(tenant));
        let (mut rows, mut after) = (0, None::<UserId>);
        loop {
            let mut tx = cx.write(&cx.purpose(Purpose::Job("authn.history"))).await?;
            let people = store::people_with_history(&mut tx, id, after.as_ref(), PEOPLE_PER_BATCH).await?;
            let (Some(first), Some(last)) = (people.first(), people.last()) else { return Ok(rows) };
            rows += store::remove_history(&mut tx, (first, last), id, keep).await?;
            tx.commit_housekeeping().await?;
            after = Some(last.clone());
            tokio::task::yield_now().await;
        }
    }
}
