//! Clearing away what is over, in small batches, so that nobody waits for it.

mod store;

use authz::{Place, Purpose};

use crate::{Result, Service};

/// Rows of one batch at most.
const BATCH_ROWS: i64 = 1000;
/// Seconds for which a throttle that was not touched is kept: longer than any block and window.
const THROTTLE_SECONDS: i64 = 2 * 86_400;
/// Seconds for which a link is kept after its end.
const LINK_SECONDS: i64 = 7 * 86_400;

impl Service {
    /// Marks sessions that are over as `EXPIRED`, and removes old throttles and links: at most a thousand
    /// of each. Returns how many rows it touched; the caller comes back while that is many.
    pub async fn sweep(&self) -> Result<u64> {
        let cx = self.core().system(Place::Platform);
        let now = cx.now();
        let mut tx = cx.write(&cx.purpose(Purpose::Job("authn.sweep"))).await?;
        let mut touched = store::expire_sessions(&mut tx, now, BATCH_ROWS).await?;
        touched += store::remove_throttles(&mut tx, now.plus_seconds(-THROTTLE_SECONDS), BATCH_ROWS).await?;
        touched += store::remove_links(&mut tx, now.plus_seconds(-LINK_SECONDS), BATCH_ROWS).await?;
        tx.commit_housekeeping().await?;
        Ok(touched)
    }
}
