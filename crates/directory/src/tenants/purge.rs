//! Removing a deleted tenant for good, in batches, so that nobody waits for it.
//!
//! First the tenant is marked, in a transaction with its event: from then on nothing brings it back. Then its
//! rows go, some hundreds a transaction. The last transaction removes the tenant itself, leaves a tombstone,
//! so that code, issuer and account number are never given again, and records the end on the platform. A
//! process that is killed in between leaves a marked tenant, which whoever looks next goes on with.
//!
//! Its audit events stay: they are evidence, and name what they are about themselves. The version of its
//! decisions stays, because nodes have seen it.
//!
//! This is the one place of the program that writes the tables of every slice: a purge is about the tenant as
//! a whole, and a slice that forgot its part would leave a person's data behind. [`TABLES`] is held against
//! the schema by a test.

mod store;

use authz::{Cx, Event, Permit, Purpose, Target, Tx};
use base::Timestamp;
use base::id::TenantId;
use kms::Kms;
use serde_json::json;

use super::{Deletion, Tenant, bump, find_any, illegal};
use crate::{Error, Result};

pub use store::TABLES;

/// Rows of one transaction at most.
pub const BATCH_ROWS: u32 = 500;
/// Transactions of one request at most.
const REQUEST_BATCHES_MAX: u32 = 20;
/// Transactions of one run of the worker at most.
const RUN_BATCHES_MAX: u32 = 200;
/// Tenants that one run looks at.
const RUN_TENANTS_MAX: u32 = 20;

/// What a purge did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PurgeReport {
    /// The tenants that are gone now.
    pub purged: Vec<TenantId>,
    /// Rows that were removed.
    pub rows: u64,
    /// Whether there is more to do at once.
    pub unfinished: bool,
}

/// Purges tenants whose hold period is over and that are under no legal hold, and goes on with those that a
/// purge was interrupted at. Does a bounded part of it; the caller comes back while it is unfinished.
///
/// `cx` is the system's, on the platform.
pub async fn purge_due(cx: &Cx, keys: &Kms) -> Result<PurgeReport> {
    purge_due_within(cx, keys, RUN_BATCHES_MAX).await
}

/// Like [`purge_due`], in at most so many transactions.
pub async fn purge_due_within(cx: &Cx, keys: &Kms, batches_max: u32) -> Result<PurgeReport> {
    let permit = cx.purpose(Purpose::Job("tenants.purge"));
    let mut rx = cx.read(&permit).await?;
    let due = store::due(&mut rx, cx.now(), RUN_TENANTS_MAX).await?;
    drop(rx);
    let mut report =
        PurgeReport { unfinished: due.len() >= RUN_TENANTS_MAX as usize, ..PurgeReport::default() };
    let mut left = batches_max;
    for id in due {
        let mut tx = cx.write(&permit).await?;
        // Looked at again: a hold or a restoration may have come in between.
        let Some(found) = find_any(&mut tx, &id).await? else { continue };
        if !may_go(&found, cx.now()) {
            continue;
        }
        if begin_in(cx, &mut tx, &permit, &found).await? {
            tx.commit().await?;
        } else {
            drop(tx);
        }
        if !remove(cx, keys, &permit, &id, &mut left, &mut report).await? {
            report.unfinished = true;
            break;
        }
    }
    Ok(report)
}

/// Goes on with one marked tenant, within one request.
pub(super) async fn go_on(cx: &Cx, keys: &Kms, permit: &Permit, id: &TenantId) -> Result<PurgeReport> {
    let mut report = PurgeReport::default();
    let mut left = REQUEST_BATCHES_MAX;
    report.unfinished = !remove(cx, keys, permit, id, &mut left, &mut report).await?;
    Ok(report)
}

fn may_go(found: &Tenant, now: Timestamp) -> bool {
    found.deletion.as_ref().is_some_and(|deletion| {
        deletion.purge_started_at.is_some()
            || (found.hold.is_none() && deletion.purge_at.is_some_and(|at| at <= now))
    })
}

/// Marks a tenant as going, unless it already is: says whether there is something to commit.
///
/// Fails with [`Error::IllegalTenantStatusChange`], [`Error::KeptUntil`] and [`Error::Held`].
pub(super) async fn begin_in(cx: &Cx, tx: &mut Tx, permit: &Permit, found: &Tenant) -> Result<bool> {
    let now = cx.now();
    match &found.deletion {
        Some(Deletion { purge_started_at: Some(_), .. }) => return Ok(false),
        Some(Deletion { purge_at: Some(until), .. }) if *until > now => {
            return Err(Error::KeptUntil { until: *until });
        }
        Some(Deletion { purge_at: Some(_), .. }) => {}
        Some(Deletion { purge_at: None, .. }) | None => return Err(illegal(found, "purged")),
    }
    if let Some(hold) = &found.hold {
        return Err(Error::Held { since: hold.held_at });
    }
    if store::begin(tx, found, now).await? == 0 {
        return Err(Error::Stale);
    }
    let details = json!({ "code": found.code, "name": found.name, "users": found.user_count });
    let name = Target::member(&found.id).name(None);
    tx.record(permit, Event::done("tenant.purge_started", name).details(details));
    bump(tx, &found.id);
    Ok(true)
}

/// Removes a marked tenant's rows while there are transactions left; says whether it is gone.
async fn remove(
    cx: &Cx,
    keys: &Kms,
    permit: &Permit,
    id: &TenantId,
    left: &mut u32,
    report: &mut PurgeReport,
) -> Result<bool> {
    while *left > 0 {
        *left -= 1;
        let mut tx = cx.write(permit).await?;
        let removed = store::remove_batch(&mut tx, id, BATCH_ROWS).await?;
        report.rows += removed;
        if removed >= u64::from(BATCH_ROWS) {
            tx.commit_housekeeping().await?;
            continue;
        }
        // What of the tenant is left in backups is opened by nobody any more. The key rests elsewhere, so this comes
        // before the last transaction: who is interrupted in between finds the tenant marked, and does it again.
        tx.commit_housekeeping().await?;
        keys.destroy_tenant_key(cx.core(), id).await?;
        let mut tx = cx.write(permit).await?;
        // INVARIANT: nothing but the tenant itself is left, and nobody adds to it: it has been deleted for
        // at least a day. Where another node was faster there is nothing to bury.
        let Some(code) = store::bury(&mut tx, id, cx.now()).await? else { return Ok(true) };
        let name = Target::member(id).name(None);
        let details = json!({ "code": code, "key_store": keys.key_store_kind() });
        tx.record(permit, Event::done("tenant.purged", name).details(details));
        bump(&mut tx, id);
        tx.commit().await?;
        report.purged.push(id.clone());
        return Ok(true);
    }
    Ok(false)
}
