//! Clearing away what is kept of people's activity, and tenants whose time has come.

mod store;

use authz::{BATCH_ROWS, Place, Swept};

use crate::{Result, Service, tenants};

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

    /// Removes deleted tenants whose time has come, or goes on with it: a bounded part at a time.
    pub async fn purge_tenants(&self) -> Result<Vec<Swept>> {
        let report = tenants::purge_due(&self.0.core.system(Place::Platform), &self.0.kms).await?;
        Ok(vec![Swept { kind: "tenants_purged", rows: report.rows }])
    }
}
