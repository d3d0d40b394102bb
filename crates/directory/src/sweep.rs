//! Clearing away what is kept of people's activity.

mod store;

use authz::{BATCH_ROWS, Swept};

use crate::{Result, Service};

/// Seconds for which an activity is kept. What is evidence stands in the audit log.
const ACTIVITY_SECONDS: i64 = 180 * 86_400;

impl Service {
    /// Removes old activities.
    pub async fn sweep(&self) -> Result<Vec<Swept>> {
        let core = &self.0.core;
        let before = core.now().plus_seconds(-ACTIVITY_SECONDS);
        let activities = store::old_activities(before, BATCH_ROWS);
        Ok(vec![core.sweep("directory.sweep", "user_activities", activities).await?])
    }
}
