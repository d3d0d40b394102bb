//! Who had which name when it was last looked up, for callers that know people by their names.

use base::Timestamp;
use base::id::{PrincipalId, TenantId};
use quick_cache::sync::Cache;

use crate::principals::PrincipalKind;

/// Names that are remembered.
const NAMES_MAX: usize = 100_000;

/// Names as they are looked up, by tenant and kind. Whoever asks checks that the principal has the name still.
pub(crate) struct Names(Cache<(TenantId, PrincipalKind, Box<str>), (PrincipalId, Timestamp)>);

#[derive(Hash)]
struct Key<'a>(&'a TenantId, PrincipalKind, &'a str);

impl quick_cache::Equivalent<(TenantId, PrincipalKind, Box<str>)> for Key<'_> {
    fn equivalent(&self, key: &(TenantId, PrincipalKind, Box<str>)) -> bool {
        *self.0 == key.0 && self.1 == key.1 && *self.2 == *key.2
    }
}

impl Names {
    pub(super) fn new() -> Self {
        Self(Cache::new(NAMES_MAX))
    }

    /// Who had the name, and when that was seen.
    pub(crate) fn get(
        &self,
        tenant: &TenantId,
        kind: PrincipalKind,
        name: &str,
    ) -> Option<(PrincipalId, Timestamp)> {
        self.0.get(&Key(tenant, kind, name))
    }

    /// Remembers who has a name.
    pub(crate) fn note(
        &self,
        tenant: &TenantId,
        kind: PrincipalKind,
        name: &str,
        id: &PrincipalId,
        at: Timestamp,
    ) {
        self.0.insert((tenant.clone(), kind, name.into()), (id.clone(), at));
    }
}
