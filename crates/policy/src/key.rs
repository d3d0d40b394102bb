//! Condition keys: what policies can ask about a request, and what is known of it.
//!
//! Names are compared without regard to ASCII case. The keys of the decision point stand under two prefixes that
//! mean the same, `aws:` for documents written elsewhere and `signet:`; a caller can set none of them. Tags are
//! `aws:PrincipalTag/{name}` and so on. Every other name is a key that a caller may add.

use crate::value::{Stored, Value};

/// The longest name of a condition key, in bytes.
pub const KEY_BYTES_MAX: usize = 256;
/// The prefixes of keys that only the decision point sets.
pub const RESERVED_PREFIXES: [&str; 2] = ["aws:", "signet:"];

/// What kind of value a key has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// One text.
    Text,
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Number,
    /// An instant.
    Time,
    /// An address.
    Address,
    /// Several texts.
    Texts,
}

/// A name in lower case, made at compile time.
struct LowerName([u8; 40], usize);

impl LowerName {
    fn as_str(&'static self) -> &'static str {
        self.0.get(..self.1).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

#[expect(clippy::indexing_slicing, reason = "runs at compile time, where a wrong index is a compile error")]
const fn lower(name: &str) -> LowerName {
    let (mut bytes, mut at) = ([0; 40], 0);
    while at < name.len() {
        bytes[at] = name.as_bytes()[at].to_ascii_lowercase();
        at += 1;
    }
    LowerName(bytes, at)
}

macro_rules! known {
    ($($(#[doc = $doc:literal])+ $variant:ident: $kind:ident = $name:literal $(| $alias:literal)*;)+) => {
        /// A key that the decision point sets.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Known {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Known {
            /// Every key, in the order of the reference.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name after the prefix, as the reference writes it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The name with the prefix `aws:`, in lower case: what expressions see.
            pub(crate) fn lower_name(self) -> &'static str {
                match self { $(Self::$variant => const { &lower(concat!("aws:", $name)) }.as_str(),)+ }
            }

            /// Other names after the prefix that mean the same.
            #[must_use]
            pub fn aliases(self) -> &'static [&'static str] {
                match self { $(Self::$variant => &[$($alias),*],)+ }
            }

            /// What kind of value it has.
            #[must_use]
            pub fn kind(self) -> KeyKind {
                match self { $(Self::$variant => KeyKind::$kind,)+ }
            }

            /// What it is, in words.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii(),)+ }
            }
        }
    };
}

known! {
    /// The server's clock.
    CurrentTime: Time = "CurrentTime";
    /// The server's clock in seconds since 1970.
    EpochTime: Number = "EpochTime";
    /// The address that the question is about: the caller's, or the end user's as an enforcement point passes it.
    SourceIp: Address = "SourceIp";
    /// Whether the connection was encrypted.
    SecureTransport: Bool = "SecureTransport";
    /// The program that the caller says it is.
    UserAgent: Text = "UserAgent";
    /// The page that the caller says it comes from.
    Referer: Text = "Referer";
    /// Whether the principal signed in with a second factor.
    MultiFactorAuthPresent: Bool = "MultiFactorAuthPresent";
    /// Seconds since the second factor was checked.
    MultiFactorAuthAge: Number = "MultiFactorAuthAge";
    /// How strongly the principal signed in: 0 not at all, 1 one factor, 2 two factors, 3 hardware-bound.
    MfaLevel: Number = "MfaLevel";
    /// When the token was issued.
    TokenIssueTime: Time = "TokenIssueTime";
    /// The principal's name, with its id: `arn:signet:iam::{tenant id}:user/{id}`.
    PrincipalArn: Text = "PrincipalArn";
    /// The id of the principal's tenant.
    PrincipalAccount: Text = "PrincipalAccount" | "tenant" | "PrincipalTenant";
    /// `User`, `Client` or `Anonymous`.
    PrincipalType: Text = "PrincipalType";
    /// A user's user name or a client's `client_id`.
    Username: Text = "username";
    /// The principal's id.
    UserId: Text = "userid";
    /// The ids of the groups that the principal is in.
    Groups: Texts = "groups";
    /// The ids of the roles that the principal holds, those inherited from included.
    Roles: Texts = "roles";
    /// The `client_id` of the client that asks for the principal.
    ClientId: Text = "ClientId";
    /// The scopes of the token.
    Scopes: Texts = "Scopes";
    /// The id of the resource's tenant.
    ResourceAccount: Text = "ResourceAccount" | "ResourceTenant";
    /// The id of the principal that owns the resource.
    ResourceOwner: Text = "ResourceOwner";
    /// The region that the question names.
    RequestedRegion: Text = "RequestedRegion";
    /// The resource on whose behalf the caller asks.
    SourceArn: Text = "SourceArn";
    /// Whether one of the platform's own services asks on the principal's behalf.
    ViaService: Bool = "ViaService" | "ViaAWSService";
    /// The names of the tags that the request sets.
    TagKeys: Texts = "TagKeys";
}

/// Whose tags a key reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tagged {
    /// The principal's.
    Principal,
    /// Those that the request sets.
    Request,
    /// Those stored with the resource.
    Resource,
    /// The tenant's.
    Tenant,
}

impl Tagged {
    /// All kinds of tags.
    pub const ALL: [Self; 4] = [Self::Principal, Self::Request, Self::Resource, Self::Tenant];

    /// The name after the prefix and before the slash.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Principal => "PrincipalTag",
            Self::Request => "RequestTag",
            Self::Resource => "ResourceTag",
            Self::Tenant => "TenantTag",
        }
    }
}

/// A condition key, read once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// A key of the decision point.
    Known(Known),
    /// A tag, its name in lower case.
    Tag(Tagged, Box<str>),
    /// A key that a caller may add, in lower case. Also a reserved name that nothing sets.
    Other(Box<str>),
}

impl Key {
    /// Reads a name of 1 to [`KEY_BYTES_MAX`] bytes without spaces, control characters, `$`, `{`, `}`, quotes and
    /// commas; `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let foreign = |c: char| {
            c.is_whitespace() || c.is_control() || matches!(c, '$' | '{' | '}' | '\'' | '"' | ',' | '*' | '?')
        };
        if text.is_empty() || text.len() > KEY_BYTES_MAX || text.contains(foreign) {
            return None;
        }
        let name = text.to_ascii_lowercase();
        let Some(bare) = RESERVED_PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix)) else {
            return Some(Self::Other(name.into()));
        };
        if let Some((kind, tag)) = bare.split_once('/') {
            let tagged = Tagged::ALL.into_iter().find(|tagged| tagged.name().eq_ignore_ascii_case(kind));
            return match tagged {
                Some(tagged) if !tag.is_empty() => Some(Self::Tag(tagged, tag.into())),
                _ => Some(Self::Other(name.into())),
            };
        }
        let known = Known::ALL.iter().find(|known| {
            let names = std::iter::once(known.name()).chain(known.aliases().iter().copied());
            names.into_iter().any(|known| known.eq_ignore_ascii_case(bare))
        });
        Some(known.map_or_else(|| Self::Other(name.into()), |known| Self::Known(*known)))
    }

    /// Tells whether nothing ever sets the key: a reserved name that is no key of the decision point.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Other(name) if RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix)))
    }

    /// Returns the name as answers write it.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Known(known) => format!("aws:{}", known.name()),
            Self::Tag(tagged, name) => format!("aws:{}/{name}", tagged.name()),
            Self::Other(name) => name.to_string(),
        }
    }
}

/// Named values, their names in lower case. Where a name stands twice, the first counts.
pub type Named<'a> = &'a [(Box<str>, Stored)];

/// What is known of one question besides action and resource. The decision point fills it; nothing is looked up
/// later, and a decision allocates nothing for it.
#[derive(Debug, Clone, Default)]
pub struct Facts<'a> {
    known: [Value<'a>; Known::ALL.len()],
    tags: [Named<'a>; Tagged::ALL.len()],
    context: Named<'a>,
}

impl<'a> Facts<'a> {
    /// Facts of this instant, in microseconds since 1970 by the server's clock, and nothing else.
    #[inline]
    #[must_use]
    pub fn at(now: i64) -> Self {
        let nothing =
            Self { known: [Value::Absent; Known::ALL.len()], tags: [&[]; Tagged::ALL.len()], context: &[] };
        nothing
            .with(Known::CurrentTime, Value::Time(now))
            .with(Known::EpochTime, Value::Int(now.div_euclid(1_000_000)))
    }

    /// Sets what the decision point knows.
    #[inline]
    #[must_use]
    pub fn with(mut self, key: Known, value: Value<'a>) -> Self {
        self.set(key, value);
        self
    }

    /// Sets what the decision point knows.
    #[inline]
    pub fn set(&mut self, key: Known, value: Value<'a>) {
        if let Some(slot) = self.known.get_mut(key as usize) {
            *slot = value;
        }
    }

    /// Sets tags, their names in lower case.
    #[inline]
    #[must_use]
    pub fn with_tags(mut self, tagged: Tagged, tags: Named<'a>) -> Self {
        self.set_tags(tagged, tags);
        self
    }

    /// Sets tags, their names in lower case.
    #[inline]
    pub fn set_tags(&mut self, tagged: Tagged, tags: Named<'a>) {
        if let Some(slot) = self.tags.get_mut(tagged as usize) {
            *slot = tags;
        }
    }

    /// Sets the keys that a caller added, their names in lower case. Reserved names among them are never read.
    #[inline]
    #[must_use]
    pub fn with_context(mut self, context: Named<'a>) -> Self {
        self.context = context;
        self
    }

    /// Returns what is known for a key of the decision point.
    #[inline]
    #[must_use]
    pub fn known(&self, key: Known) -> Value<'a> {
        self.known.get(key as usize).copied().unwrap_or_default()
    }

    /// Returns all tags of a kind.
    #[must_use]
    pub fn tags(&self, tagged: Tagged) -> Named<'a> {
        self.tags.get(tagged as usize).copied().unwrap_or_default()
    }

    /// Returns what a caller added.
    #[must_use]
    pub fn context(&self) -> Named<'a> {
        self.context
    }

    /// Returns what a key has.
    #[inline]
    #[must_use]
    pub fn get(&self, key: &Key) -> Value<'a> {
        match key {
            Key::Known(known) => self.known(*known),
            Key::Tag(tagged, name) => find(self.tags(*tagged), name),
            Key::Other(_) if key.is_unknown() => Value::Absent,
            Key::Other(name) => find(self.context, name),
        }
    }
}

fn find<'a>(named: Named<'a>, name: &str) -> Value<'a> {
    named.iter().find(|(known, _)| **known == *name).map_or(Value::Absent, |(_, value)| value.as_value())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_without_regard_to_case_under_both_prefixes() {
        for name in ["aws:SourceIp", "signet:sourceip", "AWS:SOURCEIP"] {
            assert_eq!(Key::parse(name), Some(Key::Known(Known::SourceIp)), "{name}");
        }
        assert_eq!(Key::parse("signet:tenant"), Some(Key::Known(Known::PrincipalAccount)));
        assert_eq!(Key::parse("aws:ResourceTag/Team"), Some(Key::Tag(Tagged::Resource, "team".into())));
        assert_eq!(Key::parse("s3:Prefix"), Some(Key::Other("s3:prefix".into())));
        assert!(Key::parse("aws:NoSuchKey").unwrap().is_unknown());
        assert!(Key::parse("aws:PrincipalTag/").unwrap().is_unknown());
        for wrong in ["", "a b", "a,b", "${x}", "a*"] {
            assert_eq!(Key::parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_reserved_name_is_never_read_from_what_a_caller_added() {
        let named = |name: &str| (name.into(), Stored::One("x".into()));
        let context = [named("aws:nosuchkey"), named("aws:sourceip")];
        let facts = Facts::at(0).with_context(&context);
        assert!(facts.get(&Key::parse("aws:NoSuchKey").unwrap()).is_absent());
        assert!(facts.get(&Key::parse("aws:SourceIp").unwrap()).is_absent());
    }

    #[test]
    fn each_known_key_has_its_own_place_and_name() {
        for (at, known) in Known::ALL.iter().enumerate() {
            assert_eq!(*known as usize, at);
            assert_eq!(Key::parse(&format!("signet:{}", known.name())), Some(Key::Known(*known)));
            assert!(known.meaning().ends_with('.'), "{known:?}");
            assert_eq!(known.lower_name(), format!("aws:{}", known.name()).to_ascii_lowercase());
        }
    }
}
