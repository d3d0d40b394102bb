//! Typed identifiers: opaque text, so that identifiers of an earlier system survive an import.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::sync::Arc;

use crate::{Random, Timestamp};

/// The longest identifier, in bytes.
pub const ID_BYTES_MAX: usize = 64;

/// What an identifier names. Implemented by the marker types of this module only.
pub trait Noun: Send + Sync + 'static {
    /// The noun as it appears in messages, for example `user`.
    const NAME: &'static str;
}

/// Declares the marker types; a macro because each is the same four lines.
macro_rules! nouns {
    ($($(#[$doc:meta])* $marker:ident = $name:literal, $alias:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub enum $marker {}
        impl Noun for $marker {
            const NAME: &'static str = $name;
        }
        $(#[$doc])*
        pub type $alias = Id<$marker>;
    )*};
}

nouns! {
    /// A platform: what tenants belong to.
    Platform = "platform", PlatformId;
    /// A tenant: one isolated organisation.
    Tenant = "tenant", TenantId;
    /// Whoever may be granted something: a user or a client.
    Principal = "principal", PrincipalId;
    /// A person's account in one tenant.
    User = "user", UserId;
    /// A department of a tenant.
    Department = "department", DepartmentId;
    /// A role of a tenant.
    Role = "role", RoleId;
    /// A group of principals of a tenant.
    Group = "group", GroupId;
    /// A policy of a tenant.
    Policy = "policy", PolicyId;
    /// A permission of a tenant's catalogue.
    Permission = "permission", PermissionId;
    /// A resource in a tenant's tree.
    Resource = "resource", ResourceId;
    /// An OAuth client (its row, not its public `client_id`).
    Client = "client", ClientId;
    /// A signed-in session.
    Session = "session", SessionId;
    /// A family of tokens that one authorization began.
    Grant = "grant", GrantId;
    /// One stored token.
    Token = "token", TokenId;
    /// One audit event.
    Event = "event", EventId;
    /// One background job.
    Job = "job", JobId;
}

/// An identifier of one noun: 1 to 64 bytes of `[A-Za-z0-9._:-]`, opaque, compared byte by byte.
///
/// New ones are UUID version 7 (RFC 9562 section 5.7) in lower case.
pub struct Id<N: Noun> {
    text: Arc<str>,
    noun: PhantomData<fn() -> N>,
}

impl<N: Noun> Id<N> {
    /// Parses an identifier. Fails with [`BadId`] on any other form.
    pub fn parse(text: &str) -> Result<Self, BadId> {
        let fits = !text.is_empty() && text.len() <= ID_BYTES_MAX;
        if fits && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._:-".contains(&b)) {
            Ok(Self { text: text.into(), noun: PhantomData })
        } else {
            Err(BadId { noun: N::NAME })
        }
    }

    /// Makes a fresh identifier from the time and 74 random bits.
    pub fn fresh(now: Timestamp, random: &dyn Random) -> Self {
        let mut bytes = [0u8; 10];
        random.fill(&mut bytes);
        let millis = u64::try_from(now.as_micros() / 1000).unwrap_or(0);
        let uuid = uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid();
        let mut text = [0u8; uuid::fmt::Hyphenated::LENGTH];
        Self { text: (&*uuid.hyphenated().encode_lower(&mut text)).into(), noun: PhantomData }
    }

    /// Lends the text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Reads the same text as an identifier of another noun, for example a user as a principal.
    pub fn cast<M: Noun>(&self) -> Id<M> {
        Id { text: self.text.clone(), noun: PhantomData }
    }
}

/// The text is no identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a {noun} id is 1 to 64 characters of A-Z, a-z, 0-9, `.`, `_`, `:` and `-`")]
pub struct BadId {
    noun: &'static str,
}

impl<N: Noun> Clone for Id<N> {
    fn clone(&self) -> Self {
        Self { text: self.text.clone(), noun: PhantomData }
    }
}

impl<N: Noun> PartialEq for Id<N> {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl<N: Noun> Eq for Id<N> {}

impl<N: Noun> PartialOrd for Id<N> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<N: Noun> Ord for Id<N> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.text.cmp(&other.text)
    }
}

impl<N: Noun> Hash for Id<N> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl<N: Noun> Borrow<str> for Id<N> {
    fn borrow(&self) -> &str {
        &self.text
    }
}

impl<N: Noun> fmt::Debug for Id<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", N::NAME, self.text)
    }
}

impl<N: Noun> fmt::Display for Id<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<N: Noun> std::str::FromStr for Id<N> {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        Self::parse(text)
    }
}

impl<N: Noun> serde::Serialize for Id<N> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de, N: Noun> serde::Deserialize<'de> for Id<N> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SeededRandom;

    #[test]
    fn fresh_ids_sort_by_time_and_differ() {
        let random = SeededRandom::new(7);
        let early = UserId::fresh(Timestamp::from_micros(1_000_000_000_000), &random);
        let late = UserId::fresh(Timestamp::from_micros(1_000_000_001_000), &random);

        assert!(early < late);
        assert_eq!(UserId::parse(early.as_str()).unwrap(), early);
    }

    #[test]
    fn text_that_is_no_id_is_refused() {
        let long = "x".repeat(65);
        for text in ["", "a b", "a/b", "é", "a\n", long.as_str()] {
            assert!(UserId::parse(text).is_err(), "{text:?}");
        }
    }
}
