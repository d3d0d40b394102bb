//! The status of a person, and the only ways in which it changes.

use authz::Action;

/// Whether an account is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserStatus {
    /// In use.
    Active,
    /// Switched off.
    Inactive,
    /// Locked by an administrator.
    Locked,
    /// Deleted, and restorable.
    Deleted,
}

impl UserStatus {
    /// Every status.
    pub const ALL: [Self; 4] = [Self::Active, Self::Inactive, Self::Locked, Self::Deleted];

    /// The word that is stored.
    pub const fn stored(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Inactive => "INACTIVE",
            Self::Locked => "LOCKED",
            Self::Deleted => "DELETED",
        }
    }

    /// The word that people read.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::Locked => "locked",
            Self::Deleted => "deleted",
        }
    }

    /// What can be done to a person of this status, in words.
    pub(crate) fn steps(self) -> String {
        let steps = StatusChange::ALL.into_iter().filter(|change| change.applied_to(self).is_some());
        steps.map(StatusChange::done).collect::<Vec<_>>().join(" or ")
    }

    pub(super) fn parse(stored: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.stored() == stored)
    }
}

/// A change of a person's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusChange {
    /// Active to locked.
    Lock,
    /// Locked to active.
    Unlock,
    /// Active or locked to inactive.
    Disable,
    /// Inactive to active.
    Enable,
    /// Any to deleted.
    Delete,
    /// Deleted to inactive: whoever restores a person then enables them, so that no lock is lifted unseen.
    Restore,
}

impl StatusChange {
    /// Every change.
    pub const ALL: [Self; 6] =
        [Self::Lock, Self::Unlock, Self::Disable, Self::Enable, Self::Delete, Self::Restore];

    /// The status after the change; none where the change is not allowed.
    pub const fn applied_to(self, from: UserStatus) -> Option<UserStatus> {
        match (self, from) {
            (Self::Lock, UserStatus::Active) => Some(UserStatus::Locked),
            (Self::Unlock, UserStatus::Locked) | (Self::Enable, UserStatus::Inactive) => {
                Some(UserStatus::Active)
            }
            (Self::Disable, UserStatus::Active | UserStatus::Locked)
            | (Self::Restore, UserStatus::Deleted) => Some(UserStatus::Inactive),
            (Self::Delete, UserStatus::Active | UserStatus::Inactive | UserStatus::Locked) => {
                Some(UserStatus::Deleted)
            }
            _ => None,
        }
    }

    /// What the caller must be allowed.
    pub const fn action(self) -> Action {
        match self {
            Self::Lock | Self::Unlock | Self::Disable | Self::Enable => Action::UserUpdate,
            Self::Delete | Self::Restore => Action::UserDelete,
        }
    }

    /// The participle for messages.
    pub(super) const fn done(self) -> &'static str {
        match self {
            Self::Lock => "locked",
            Self::Unlock => "unlocked",
            Self::Disable => "disabled",
            Self::Enable => "enabled",
            Self::Delete => "deleted",
            Self::Restore => "restored",
        }
    }

    /// The name of the event.
    pub(super) const fn event(self) -> &'static str {
        match self {
            Self::Lock => "user.locked",
            Self::Unlock => "user.unlocked",
            Self::Disable => "user.disabled",
            Self::Enable => "user.enabled",
            Self::Delete => "user.deleted",
            Self::Restore => "user.restored",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_changes_only_in_these_ways() {
        let mut table = String::new();
        for from in UserStatus::ALL {
            for change in StatusChange::ALL {
                if let Some(to) = change.applied_to(from) {
                    table.push_str(&format!("{} --{change:?}--> {}\n", from.word(), to.word()));
                }
            }
        }

        assert_eq!(
            table,
            "active --Lock--> locked\nactive --Disable--> inactive\nactive --Delete--> deleted\n\
             inactive --Enable--> active\ninactive --Delete--> deleted\n\
             locked --Unlock--> active\nlocked --Disable--> inactive\nlocked --Delete--> deleted\n\
             deleted --Restore--> inactive\n"
        );
    }
}
