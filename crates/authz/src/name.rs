//! Names of Signet's own resources: `arn:signet:iam::{tenant id}:{kind}/{path}` inside a tenant and
//! `arn:signet:platform::platform:{kind}/{path}` on the platform.

use base::id::{Id, Noun, TenantId};
use policy::ResourceName;
use policy::name::stated_tenant;

/// What an action is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// One member: kind and id.
    Member(&'static str, String),
    /// A whole collection of a kind.
    All(&'static str),
    /// The caller's own user.
    OwnUser,
    /// A name as it stands, checked by [`policy::ResourceName`].
    Named(String),
}

impl Target {
    /// One member of a kind, by its id.
    pub fn member<N: Noun>(id: &Id<N>) -> Self {
        Self::Member(N::NAME, id.as_str().to_owned())
    }

    /// All members of a kind: what lists and creations are about.
    pub const fn all(kind: &'static str) -> Self {
        Self::All(kind)
    }

    /// The caller's own user.
    pub const fn own_user() -> Self {
        Self::OwnUser
    }

    /// The name in a tenant, or on the platform where `tenant_id` is none.
    pub fn name(&self, tenant_id: Option<&str>) -> Name {
        let (kind, path) = match self {
            Self::Member(kind, id) => (*kind, id.as_str()),
            Self::All(kind) => (*kind, "all"),
            Self::OwnUser => ("self", "user"),
            Self::Named(name) => return Name(name.clone()),
        };
        let (scheme, tenant) = match tenant_id {
            Some(tenant) => ("arn:signet:iam::", tenant),
            None => ("arn:signet:platform::", "platform"),
        };
        Name([scheme, tenant, ":", kind, "/", path].concat())
    }
}

/// Says whether a name is of Signet's own form and states another tenant, or none. What states no tenant
/// at all, in whatever other scheme, belongs to the tenant that is asked.
pub fn is_foreign(name: &str, tenant: &TenantId) -> bool {
    name.starts_with("arn:signet:")
        && (ResourceName::check(name).is_err()
            || stated_tenant(name).is_none_or(|stated| stated != tenant.as_str()))
}

/// A resource name, ready to be matched and recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
