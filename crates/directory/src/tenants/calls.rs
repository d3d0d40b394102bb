//! How often each tenant's API is called: counted in memory, written down now and then.
//!
//! A call costs no write of its own. What a node has counted since it last wrote is lost if the node is killed.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use authz::{Place, Purpose};
use base::id::TenantId;

use super::store;
use crate::{Result, Service};

/// Tenants whose counts are written in one transaction.
const BATCH_TENANTS: usize = 200;

/// What was counted since it was last written down. Holds tenants that were called, at most all there are.
#[derive(Debug, Default)]
pub(crate) struct Calls(Mutex<HashMap<TenantId, i64>>);

impl Calls {
    fn counts(&self) -> MutexGuard<'_, HashMap<TenantId, i64>> {
        // A count that panicked half-way is still a map of counts.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, tenant: &TenantId, calls: i64) {
        let mut counts = self.counts();
        match counts.get_mut(tenant) {
            Some(count) => *count += calls,
            None => drop(counts.insert(tenant.clone(), calls)),
        }
    }

    /// Takes all counts, in the order in which every node writes them, so that none waits in a ring.
    fn take(&self) -> Vec<(TenantId, i64)> {
        let mut taken: Vec<_> = std::mem::take(&mut *self.counts()).into_iter().collect();
        taken.sort_unstable();
        taken
    }
}

impl Service {
    /// Counts a call of a tenant's API.
    pub fn count_call(&self, tenant: &TenantId) {
        self.0.calls.add(tenant, 1);
    }

    /// Writes down what this node has counted; how many calls. What cannot be written is kept for the next
    /// time.
    pub async fn write_calls(&self) -> Result<i64> {
        let counted = self.0.calls.take();
        let mut written = 0;
        for (done, batch) in counted.chunks(BATCH_TENANTS).enumerate() {
            if let Err(error) = self.write_batch(batch).await {
                for (tenant, calls) in counted.iter().skip(done * BATCH_TENANTS) {
                    self.0.calls.add(tenant, *calls);
                }
                return Err(error);
            }
            written += batch.iter().map(|(_, calls)| calls).sum::<i64>();
        }
        Ok(written)
    }

    async fn write_batch(&self, batch: &[(TenantId, i64)]) -> Result<()> {
        let cx = self.0.core.system(Place::Platform);
        let permit = cx.purpose(Purpose::Job("directory.calls"));
        let mut tx = cx.write(&permit).await?;
        for (tenant, calls) in batch {
            store::add_calls(&mut tx, tenant, *calls).await?;
        }
        tx.commit_housekeeping().await?;
        Ok(())
    }
}
