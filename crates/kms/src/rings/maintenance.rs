//! What is due to keys: the step of the maintenance worker, and the same as a verb.

use authz::{Action, Core, Cx, Event, Place, Purpose, Swept, Target};
use base::id::{Noun, TenantId};
use serde_json::json;

use super::lifecycle::Because;
use super::machine::{KeyVersion, Step};
use super::store::Due;
use super::{KeyRingNoun, changed, judge, load_version, lock, lock_any, name, step_in, store, tenant_of};
use crate::{Error, Kms, Result};

/// Rings or keys of one kind that a pass looks at, at most; what is left waits for the next.
const DUE_MAX: i64 = 200;

/// Something that maintenance did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The tenant; none for the platform.
    pub tenant_id: Option<TenantId>,
    /// The ring.
    pub ring: String,
    /// The key; none where the ring as a whole is meant.
    pub version: Option<KeyVersion>,
}

/// What one pass of maintenance did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Maintained {
    /// Keys that were replaced.
    pub rotated: Vec<Done>,
    /// Revoked keys that are gone.
    pub destroyed: Vec<Done>,
    /// Rings that are gone.
    pub deleted: Vec<Done>,
    /// What could not be done, with the reason for the log.
    pub failed: Vec<(Done, String)>,
}

/// What is due.
#[derive(Debug, Clone, Copy)]
enum Task {
    Rotate,
    Destroy,
    Delete,
}

impl Kms {
    /// Does what is due to all keys: the worker's step.
    ///
    /// Fails with [`Error::CleanupFailed`] where some of it could not be done; the rest was.
    pub async fn maintain(&self, core: &Core) -> Result<Vec<Swept>> {
        let done = self.maintain_within(core, None).await?;
        let count = |kind: &'static str, of: &[Done]| Swept { kind, rows: of.len() as u64 };
        if let Some((_, first)) = done.failed.first() {
            return Err(Error::CleanupFailed { failed: done.failed.len(), first: first.clone() });
        }
        Ok(vec![
            count("kms_keys_rotated", &done.rotated),
            count("kms_keys_destroyed", &done.destroyed),
            count("kms_rings_deleted", &done.deleted),
        ])
    }

    /// Does what is due to the keys of the caller's tenant, or of the platform.
    pub async fn perform_maintenance(&self, cx: &Cx) -> Result<Maintained> {
        let target = Target::all(KeyRingNoun::NAME);
        judge(cx, Action::KeyMaintain, Action::PlatformKeyWrite, &target).await?;
        self.maintain_within(cx.core(), Some(store::scope(tenant_of(cx)))).await
    }

    /// Looks at the rings of one scope, or at all.
    async fn maintain_within(&self, core: &Core, only: Option<&str>) -> Result<Maintained> {
        self.check_open()?;
        let cx = core.system(Place::Platform);
        let permit = cx.purpose(Purpose::Job("kms.maintenance"));
        let mut done = Maintained::default();
        for task in [Task::Rotate, Task::Destroy, Task::Delete] {
            let mut rx = cx.read(&permit).await?;
            let now = cx.now();
            let due = match task {
                Task::Rotate => store::due_rotations(&mut rx, only, now, DUE_MAX).await?,
                Task::Destroy => store::due_destructions(&mut rx, only, now, DUE_MAX).await?,
                Task::Delete => store::due_deletions(&mut rx, only, now, DUE_MAX).await?,
            };
            drop(rx);
            for one in due {
                self.attempt(core, task, one, &mut done).await;
            }
        }
        Ok(done)
    }

    /// One ring's trouble must not keep the others from what is due to them.
    async fn attempt(&self, core: &Core, task: Task, due: Due, report: &mut Maintained) {
        let outcome = match task {
            Task::Rotate => self.rotate_overdue(core, &due).await,
            Task::Destroy => destroy(core, &due).await,
            Task::Delete => delete(core, &due).await,
        };
        let one = Done { tenant_id: due.tenant, ring: due.ring, version: due.version };
        match outcome {
            Ok(false) => {}
            Ok(true) => match task {
                Task::Rotate => report.rotated.push(one),
                Task::Destroy => report.destroyed.push(one),
                Task::Delete => report.deleted.push(one),
            },
            Err(error) => {
                let text = error.to_string();
                let chain = base::Problem::from(error).private_chain();
                let reason = if chain.is_empty() { text } else { chain };
                tracing::error!(ring = one.ring, reason, "what is due to a key ring could not be done");
                report.failed.push((one, reason));
            }
        }
    }

    async fn rotate_overdue(&self, core: &Core, due: &Due) -> Result<bool> {
        let Some(version) = due.version else { return Ok(false) };
        self.rotate_due(core, due.tenant.as_ref(), &due.ring, version, Because::Over).await
    }
}

/// Removes a revoked key whose waiting period is over, unless that changed meanwhile.
async fn destroy(core: &Core, due: &Due) -> Result<bool> {
    let Some(version) = due.version else { return Ok(false) };
    let cx = core.system(Place::Platform);
    let permit = cx.purpose(Purpose::Job("kms.maintenance"));
    let mut tx = cx.write(&permit).await?;
    let ring = match lock(&mut tx, due.tenant.as_ref(), &due.ring).await {
        // It goes with its ring.
        Err(Error::RingScheduled { .. }) => return Ok(false),
        locked => locked?,
    };
    let key = load_version(&mut tx, &ring, version).await?;
    let held = store::references(&mut tx, &key.id, 1).await?;
    if key.destroy_at.is_none_or(|at| at > cx.now()) || !held.is_empty() {
        return Ok(false);
    }
    step_in(&mut tx, &ring, &key, Step::Destroy).await?;
    let details = json!({ "version": version, "key_hash": key.key_hash });
    tx.record_in(due.tenant.as_ref(), Event::done("kms_key.destroyed", name(&ring)).details(details));
    changed(&mut tx, due.tenant.as_ref());
    tx.commit().await?;
    Ok(true)
}

/// Removes a ring whose waiting period is over with all its keys, unless that changed meanwhile.
async fn delete(core: &Core, due: &Due) -> Result<bool> {
    let cx = core.system(Place::Platform);
    let permit = cx.purpose(Purpose::Job("kms.maintenance"));
    let mut tx = cx.write(&permit).await?;
    let ring = lock_any(&mut tx, due.tenant.as_ref(), &due.ring).await?;
    let held = store::count_references(&mut tx, &ring).await?;
    if ring.destroy_at.is_none_or(|at| at > cx.now()) || held > 0 {
        return Ok(false);
    }
    let keys = store::remove_ring(&mut tx, &ring).await?;
    let details = json!({ "keys": keys });
    tx.record_in(due.tenant.as_ref(), Event::done("kms_ring.deleted", name(&ring)).details(details));
    changed(&mut tx, due.tenant.as_ref());
    tx.commit().await?;
    Ok(true)
}
