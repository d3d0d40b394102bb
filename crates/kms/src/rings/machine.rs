//! The states of a data key, and the only steps between them.
//!
//! | state | encrypts | decrypts | steps |
//! |---|---|---|---|
//! | inactive | no | yes | activate, expire, revoke |
//! | active | yes | yes | deactivate, expire, revoke |
//! | expired | no | yes; what is under it should be encrypted anew | revoke |
//! | revoked | no | no | destroy |
//!
//! A ring is never left without an active key: whoever takes the active one's place does so in the same
//! transaction. A key begins as inactive and is activated in the transaction that makes it.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The state of a data key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// Was active, or is about to be.
    Inactive,
    /// What encrypts now.
    Active,
    /// Its time is over for good.
    Expired,
    /// Must not be used for anything.
    Revoked,
}

impl Status {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Inactive, Self::Active, Self::Expired, Self::Revoked];

    /// The word in the database and in the API.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::Active => "active",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }

    /// The state of this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.word() == word)
    }

    /// Whether what is under such a key can be read.
    pub const fn decrypts(self) -> bool {
        !matches!(self, Self::Revoked)
    }

    /// What can be done with a key in this state, for people.
    pub const fn steps(self) -> &'static str {
        match self {
            Self::Inactive => "it can be activated by a rollback, expired or revoked",
            Self::Active => "it can be replaced by a rotation, expired or revoked",
            Self::Expired => "it can be revoked",
            Self::Revoked => "it can be destroyed",
        }
    }
}

/// A step between states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// It encrypts from now on.
    Activate,
    /// Another one takes its place.
    Deactivate,
    /// Its time is over.
    Expire,
    /// It is known to others, or might be.
    Revoke,
    /// It goes.
    Destroy,
}

/// Where a step leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// To this state.
    Status(Status),
    /// The key is gone.
    Gone,
}

impl Step {
    /// Every step.
    pub const ALL: [Self; 5] = [Self::Activate, Self::Deactivate, Self::Expire, Self::Revoke, Self::Destroy];

    /// Where the step leads from a state; none where it is not allowed.
    pub const fn from(self, status: Status) -> Option<After> {
        match (self, status) {
            (Self::Activate, Status::Inactive) => Some(After::Status(Status::Active)),
            (Self::Deactivate, Status::Active) => Some(After::Status(Status::Inactive)),
            (Self::Expire, Status::Inactive | Status::Active) => Some(After::Status(Status::Expired)),
            (Self::Revoke, Status::Inactive | Status::Active | Status::Expired) => {
                Some(After::Status(Status::Revoked))
            }
            (Self::Destroy, Status::Revoked) => Some(After::Gone),
            _ => None,
        }
    }

    /// The step as a participle, for messages.
    pub const fn done(self) -> &'static str {
        match self {
            Self::Activate => "activated",
            Self::Deactivate => "deactivated",
            Self::Expire => "expired",
            Self::Revoke => "revoked",
            Self::Destroy => "destroyed",
        }
    }
}

/// The number of a data key in its ring, from 1 on: shown as `v12`, read as `v12` or `12`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyVersion(u32);

impl KeyVersion {
    /// The first one.
    pub const FIRST: Self = Self(1);

    /// The number; none for 0.
    pub const fn new(number: u32) -> Option<Self> {
        if number == 0 { None } else { Some(Self(number)) }
    }

    /// The number as the database has it.
    pub fn from_stored(number: i64) -> Option<Self> {
        u32::try_from(number).ok().and_then(Self::new)
    }

    /// Reads `v12` or `12`.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('v').unwrap_or(text);
        let plain = (1..=10).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        if !plain || digits.starts_with('0') {
            return None;
        }
        digits.parse().ok().and_then(Self::new)
    }

    /// The number.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// The number as the database has it.
    pub(crate) fn stored(self) -> i64 {
        i64::from(self.0)
    }
}

impl fmt::Display for KeyVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

impl Serialize for KeyVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KeyVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = KeyVersion;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the version of a key, like \"v12\" or 12")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<KeyVersion, E> {
                KeyVersion::parse(text)
                    .ok_or_else(|| E::invalid_value(serde::de::Unexpected::Other("another text"), &self))
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<KeyVersion, E> {
                let known = u32::try_from(number).ok().and_then(KeyVersion::new);
                known.ok_or_else(|| E::invalid_value(serde::de::Unexpected::Unsigned(number), &self))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steps_are_these_and_every_other_is_refused() {
        use Status::{Active, Expired, Inactive, Revoked};
        use Step::{Activate, Deactivate, Destroy, Expire, Revoke};
        let allowed = [
            (Activate, Inactive, After::Status(Active)),
            (Deactivate, Active, After::Status(Inactive)),
            (Expire, Active, After::Status(Expired)),
            (Expire, Inactive, After::Status(Expired)),
            (Revoke, Active, After::Status(Revoked)),
            (Revoke, Inactive, After::Status(Revoked)),
            (Revoke, Expired, After::Status(Revoked)),
            (Destroy, Revoked, After::Gone),
        ];

        for step in Step::ALL {
            for status in Status::ALL {
                let expected = allowed.iter().find(|(s, from, _)| *s == step && *from == status);
                assert_eq!(step.from(status), expected.map(|(_, _, to)| *to), "{step:?} from {status:?}");
            }
        }
    }

    #[test]
    fn a_version_is_shown_with_its_letter_and_read_without_it_too() {
        for text in ["v12", "12"] {
            assert_eq!(KeyVersion::parse(text).unwrap().to_string(), "v12");
        }
        for text in ["", "v", "0", "v0", "012", "-1", "V1", "1.5", "v4294967296", "99999999999", "é"] {
            assert_eq!(KeyVersion::parse(text), None, "{text}");
        }
        assert_eq!(serde_json::from_str::<KeyVersion>("7").unwrap().number(), 7);
        assert_eq!(serde_json::from_str::<KeyVersion>("\"v7\"").unwrap().number(), 7);
        assert!(serde_json::from_str::<KeyVersion>("0").is_err());
        assert_eq!(serde_json::to_string(&KeyVersion(7)).unwrap(), "\"v7\"");
    }
}
