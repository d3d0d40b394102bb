//! Clearing away in small batches, so that nobody waits for it; and what this slice itself clears away.
//!
//! Each slice names the statements for its own tables; here is the one loop that runs them.

mod store;

use ::store::{Sql, changes, outbox};

use crate::{Core, Place, Purpose, Result};

/// Rows of one transaction at most. Statements for [`Core::sweep`] carry it as their LIMIT.
pub const BATCH_ROWS: i64 = 500;
/// Transactions of one sweep of one kind at most; what is left waits for the next pass.
pub const BATCHES_MAX: u32 = 2000;
/// Seconds for which a job that is done is kept, for whoever asks what became of it.
pub const DONE_JOB_SECONDS: i64 = 7 * 86_400;
/// Seconds for which a job that was tried in vain until the last is kept, for a person to look at.
pub const DEAD_JOB_SECONDS: i64 = 30 * 86_400;

/// What a sweep did to one kind of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Swept {
    /// The kind: the table, and what was done where that is not removal.
    pub kind: &'static str,
    /// How many rows.
    pub rows: u64,
}

impl Swept {
    /// All rows of a list.
    pub fn total(list: &[Self]) -> u64 {
        list.iter().map(|swept| swept.rows).sum()
    }
}

impl Core {
    /// Runs a statement that touches at most [`BATCH_ROWS`] rows again and again, each time in a
    /// transaction of its own, until it finds fewer.
    ///
    /// INVARIANT: between two batches the writer is free, so that a request waits for one batch at most.
    pub async fn sweep(&self, job: &'static str, kind: &'static str, statement: Sql) -> Result<Swept> {
        let cx = self.system(Place::Platform);
        let full = u64::try_from(BATCH_ROWS).unwrap_or(u64::MAX);
        let mut rows = 0;
        for _ in 0..BATCHES_MAX {
            let mut tx = cx.write(&cx.purpose(Purpose::Job(job))).await?;
            let touched = tx.execute(statement.clone()).await?;
            tx.commit_housekeeping().await?;
            rows += touched;
            if touched < full {
                break;
            }
            tokio::task::yield_now().await;
        }
        Ok(Swept { kind, rows })
    }

    /// Removes jobs of the outbox that are done or dead, answers kept for `Idempotency-Key` that are over, and
    /// what nodes needed to follow changes of policies.
    pub async fn sweep_own(&self) -> Result<Vec<Swept>> {
        const JOB: &str = "authz.sweep";
        let now = self.now();
        let done = outbox::done_before(now.plus_seconds(-DONE_JOB_SECONDS), BATCH_ROWS);
        let dead = outbox::dead_before(now.plus_seconds(-DEAD_JOB_SECONDS), BATCH_ROWS);
        Ok(vec![
            self.sweep(JOB, "idempotency_keys", store::keys_over(now, BATCH_ROWS)).await?,
            self.sweep(JOB, "outbox", done).await?,
            self.sweep(JOB, "outbox_dead", dead).await?,
            self.sweep(JOB, "policy_changes", changes::before(now, BATCH_ROWS)).await?,
        ])
    }

    /// Makes what the database needs ahead of time: see [`::store::upkeep`].
    pub async fn prepare_ahead(&self) -> Result<Vec<Swept>> {
        let cx = self.system(Place::Platform);
        let mut tx = cx.write(&cx.purpose(Purpose::Job("store.ahead"))).await?;
        let rows = ::store::upkeep::prepare_ahead(&mut tx).await?;
        tx.commit_housekeeping().await?;
        Ok(vec![Swept { kind: "audit_partitions_made", rows }])
    }
}
