//! The last Super Admin of a tenant stays.
//!
//! What a transaction does to those who have the role is noted while it is done and judged once, when the
//! transaction ends: one step may take away what a later one gives to somebody else.

use std::collections::{BTreeMap, BTreeSet};

use base::id::{PrincipalId, TenantId};

use super::SUPER_ADMIN;
use super::assign::store;
use crate::escalation::is_exempt;
use crate::{Error, Permit, Result, Tx};

/// What a transaction did so far to people who may be the last Super Admin of their tenant.
#[derive(Debug, Default)]
pub(crate) struct Watch(BTreeMap<TenantId, Touched>);

#[derive(Debug, Default)]
struct Touched {
    /// Whether the role itself, or a membership that gives it, was taken or bounded in time.
    taken: bool,
    /// Who was switched off.
    stopped: BTreeSet<PrincipalId>,
}

impl Watch {
    /// Notes that somebody has the role no longer, or no longer for good.
    pub(crate) fn taken(&mut self, permit: &Permit) -> Result<()> {
        if !is_exempt(permit) {
            self.0.entry(permit.own_tenant()?.clone()).or_default().taken = true;
        }
        Ok(())
    }

    /// Notes that somebody, who may have the role, was switched off.
    pub(crate) fn stopped(&mut self, permit: &Permit, id: &PrincipalId) -> Result<()> {
        if !is_exempt(permit) {
            self.0.entry(permit.own_tenant()?.clone()).or_default().stopped.insert(id.clone());
        }
        Ok(())
    }
}

/// Refuses to leave a tenant whose Super Admins are all inactive, not yet or not for good, where the
/// transaction had a part in it. Called last: two such transactions at once wait for each other.
///
/// Fails with [`Error::LastSuperAdmin`].
pub(crate) async fn settle(tx: &mut Tx) -> Result<()> {
    let now = tx.cx.now();
    for (tenant, touched) in std::mem::take(&mut tx.watch).0 {
        // INVARIANT: locked before anybody is looked at, also where it turns out that nobody had the role:
        // whoever is given it at the same time is then seen here, or sees what was done here.
        store::lock_decisions(tx, &tenant).await?;
        if store::find_lasting_holder(tx, &tenant, SUPER_ADMIN, now).await?.is_some() {
            continue;
        }
        if touched.taken {
            return Err(Error::LastSuperAdmin);
        }
        for id in &touched.stopped {
            if store::holds_lastingly(tx, &tenant, SUPER_ADMIN, now, id).await? {
                return Err(Error::LastSuperAdmin);
            }
        }
    }
    Ok(())
}
