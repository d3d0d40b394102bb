//! The status of a tenant, and the only ways in which it changes. Deletion is in [`super::deletion`].

use authz::{Action, Cx, Event, Target};
use base::id::TenantId;

use super::{Tenant, bump, find_any, illegal, load_again, store};
use crate::seeds::DEFAULT_TENANT_ID;
use crate::{Error, Result};

/// Whether a tenant is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TenantStatus {
    /// Its people may sign in.
    Active,
    /// Switched off by agreement.
    Inactive,
    /// Switched off against its will.
    Suspended,
}

impl TenantStatus {
    /// Every status.
    pub const ALL: [Self; 3] = [Self::Active, Self::Inactive, Self::Suspended];

    /// The word that is stored.
    pub const fn stored(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Inactive => "INACTIVE",
            Self::Suspended => "SUSPENDED",
        }
    }

    /// The word that people read.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::Suspended => "suspended",
        }
    }

    /// What can be done from here, in words.
    pub(super) const fn steps(self) -> &'static str {
        match self {
            Self::Active => "it can be suspended or deactivated",
            Self::Inactive | Self::Suspended => "it can be activated or deleted",
        }
    }

    pub(super) fn parse(stored: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.stored() == stored)
    }
}

/// A change of a tenant's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TenantStatusChange {
    /// Active to suspended: nobody may sign in, refresh or decide.
    Suspend,
    /// Active to inactive, with the same effect.
    Deactivate,
    /// Suspended or inactive to active.
    Activate,
}

impl TenantStatusChange {
    /// Every change.
    pub const ALL: [Self; 3] = [Self::Suspend, Self::Deactivate, Self::Activate];

    /// The status after the change; none where the change is not allowed.
    pub const fn applied_to(self, from: TenantStatus) -> Option<TenantStatus> {
        match (self, from) {
            (Self::Suspend, TenantStatus::Active) => Some(TenantStatus::Suspended),
            (Self::Deactivate, TenantStatus::Active) => Some(TenantStatus::Inactive),
            (Self::Activate, TenantStatus::Suspended | TenantStatus::Inactive) => Some(TenantStatus::Active),
            _ => None,
        }
    }

    const fn done(self) -> &'static str {
        match self {
            Self::Suspend => "suspended",
            Self::Deactivate => "deactivated",
            Self::Activate => "activated",
        }
    }

    const fn event(self) -> &'static str {
        match self {
            Self::Suspend => "tenant.suspended",
            Self::Deactivate => "tenant.deactivated",
            Self::Activate => "tenant.activated",
        }
    }
}

/// Suspends, deactivates or activates a tenant, on the platform.
///
/// Fails with [`Error::IllegalTenantStatusChange`], with [`Error::Own`] for the caller's own tenant, and with
/// [`Error::DefaultStays`].
pub async fn change_tenant_status(cx: &Cx, id: &TenantId, change: TenantStatusChange) -> Result<Tenant> {
    let permit = cx.authorize(Action::PlatformTenantUpdate, &Target::member(id)).await?;
    refuse_home(cx, id)?;

    let mut tx = cx.write(&permit).await?;
    let found = find_any(&mut tx, id).await?.ok_or(Error::NotFound("tenant"))?;
    let status = change.applied_to(found.status).filter(|_| found.deletion.is_none());
    let Some(status) = status else { return Err(illegal(&found, change.done())) };
    if store::set_status(&mut tx, &found, status, cx.now()).await? == 0 {
        return Err(Error::Stale);
    }
    tx.record(&permit, Event::done(change.event(), permit.name()));
    bump(&mut tx, id);
    let tenant = load_again(&mut tx, id).await?;
    tx.commit().await?;
    Ok(tenant)
}

/// Refuses to switch off the tenant in which the platform's people live. Fails with [`Error::Own`] and
/// [`Error::DefaultStays`].
pub(super) fn refuse_home(cx: &Cx, id: &TenantId) -> Result<()> {
    if cx.actor().principal().is_some_and(|(_, home)| home == id) {
        return Err(Error::Own("tenant"));
    }
    if id.as_str() == DEFAULT_TENANT_ID {
        return Err(Error::DefaultStays("tenant"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenants_status_changes_only_in_these_ways() {
        let mut table = String::new();
        for from in TenantStatus::ALL {
            for change in TenantStatusChange::ALL {
                if let Some(to) = change.applied_to(from) {
                    table.push_str(&format!("{} --{change:?}--> {}\n", from.word(), to.word()));
                }
            }
        }

        assert_eq!(
            table,
            "active --Suspend--> suspended\nactive --Deactivate--> inactive\n\
             inactive --Activate--> active\nsuspended --Activate--> active\n"
        );
    }
}
