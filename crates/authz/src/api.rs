//! What a credential lets its holder do with the API: all that the holder may, part of it, or nothing.
//!
//! The scope `signet` is for all. A scope `signet:` with the code of a permission (`signet:user:read`) is for what that
//! code stands for in a role's list: such scopes of one token are a ceiling over what its holder may, compiled once when
//! the token is looked up. Neither gives anybody access that they do not have.

use std::sync::Arc;

use base::id::TenantId;
use policy::{Policy, Snapshot, Table};

use crate::action::{PermissionCode, find_code};

/// The scope that lets a token do all that its holder may.
pub const SCOPE: &str = "signet";
/// What scopes begin with that let a token do part of it; the code of a permission follows.
pub const SCOPE_PREFIX: &str = "signet:";

/// How far a credential reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Api {
    /// It is not for the API.
    Closed,
    /// As far as its holder may.
    Open,
    /// As far as its holder may, for some permissions only.
    Only(Arc<Narrowed>),
}

/// A ceiling of some permissions.
#[derive(Debug)]
pub struct Narrowed {
    tenant: TenantId,
    codes: Box<[&'static str]>,
    ceiling: Table,
}

impl PartialEq for Narrowed {
    fn eq(&self, other: &Self) -> bool {
        (&self.tenant, &self.codes) == (&other.tenant, &other.codes)
    }
}

impl Eq for Narrowed {}

impl Api {
    /// What a token of a tenant with these scopes is for.
    pub fn of_scopes(tenant: &TenantId, scopes: &[String]) -> Self {
        if scopes.iter().any(|scope| scope == SCOPE) {
            return Self::Open;
        }
        let mut codes: Vec<&PermissionCode> = scopes.iter().filter_map(|scope| scope_code(scope)).collect();
        codes.sort_unstable_by_key(|code| code.code);
        codes.dedup_by_key(|code| code.code);
        if codes.is_empty() {
            return Self::Closed;
        }
        let policies = codes
            .iter()
            .map(|code| Arc::new(Policy::permission(code.code, code.statements(tenant.as_str()))));
        let ceiling = Snapshot::ceiling(policies);
        let codes = codes.iter().map(|code| code.code).collect();
        Self::Only(Arc::new(Narrowed { tenant: tenant.clone(), codes, ceiling }))
    }

    /// Whether it is for the API at all.
    pub fn is_for_api(&self) -> bool {
        *self != Self::Closed
    }

    /// What limits the holder beside what the holder may.
    pub(crate) fn ceiling(&self) -> Option<&Table> {
        match self {
            Self::Only(narrowed) => Some(&narrowed.ceiling),
            Self::Closed | Self::Open => None,
        }
    }
}

/// The permission that a scope is for; none for a scope of another form, and for a code that does nothing in a tenant.
pub fn scope_code(scope: &str) -> Option<&'static PermissionCode> {
    find_code(scope.strip_prefix(SCOPE_PREFIX)?).filter(|code| code.does_something())
}

/// Whether a scope is for the API: [`SCOPE`] or one of the form of [`SCOPE_PREFIX`], known or not.
pub fn is_scope_of_api(scope: &str) -> bool {
    scope == SCOPE || scope.starts_with(SCOPE_PREFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_all_part_or_nothing_of_the_api() {
        let tenant = TenantId::parse("t").unwrap();
        let of = |scopes: &[&str]| {
            let scopes: Vec<String> = scopes.iter().map(|scope| (*scope).to_owned()).collect();
            Api::of_scopes(&tenant, &scopes)
        };
        let codes = |api: &Api| match api {
            Api::Only(narrowed) => narrowed.codes.to_vec(),
            other => panic!("{other:?}"),
        };

        assert_eq!(of(&["openid", "signet", "signet:user:read"]), Api::Open);
        for closed in
            [&["openid"][..], &[], &["user:read"], &["signet:nobody:knows"], &["signet:system:config"]]
        {
            assert_eq!(of(closed), Api::Closed, "{closed:?}");
        }
        let some = of(&["signet:user:read", "signet:audit:read", "signet:user:read", "openid"]);
        assert_eq!(codes(&some), ["audit:read", "user:read"]);
        assert_eq!(some, of(&["signet:audit:read", "signet:user:read"]));
        assert_ne!(some, of(&["signet:audit:read"]));
        assert!(some.is_for_api() && some.ceiling().is_some_and(|table| table.len() == 2));
    }
}
