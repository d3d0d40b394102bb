//! Which tenant an address or a token names, from memory where possible.
//!
//! Codes and issuers never change, so they are kept as long as there is room; the tenant behind them is
//! read again when its version moved, which its every change sees to, on whatever node. What is not there
//! is not kept: whoever asks for names that do not exist fills no memory.
//!
//! Loading is boxed: what is found in memory, which is nearly always, then costs a small future.

use std::sync::Arc;

use authz::{Core, Place, Purpose, TenantRef};
use base::id::TenantId;

use super::{Tenant, store};
use crate::Result;

/// Tenants kept in memory.
const TENANTS_MAX: usize = 10_000;
/// Codes and issuers longer than this name no tenant of ours, in bytes.
const NAME_BYTES_MAX: usize = 512;

/// The tenants in memory.
pub(crate) struct Cache {
    by_id: quick_cache::sync::Cache<TenantId, Kept>,
    by_code: quick_cache::sync::Cache<String, TenantId>,
    by_issuer: quick_cache::sync::Cache<String, TenantId>,
}

/// A tenant, and the version that was known before it was read.
#[derive(Clone)]
struct Kept {
    version: i64,
    tenant: Arc<TenantRef>,
}

/// What a tenant is looked up by.
enum By<'a> {
    Code(&'a str),
    Issuer(&'a str),
    Id(&'a TenantId),
}

impl Cache {
    pub(crate) fn new() -> Self {
        Self {
            by_id: quick_cache::sync::Cache::new(TENANTS_MAX),
            by_code: quick_cache::sync::Cache::new(TENANTS_MAX),
            by_issuer: quick_cache::sync::Cache::new(TENANTS_MAX),
        }
    }

    pub(crate) async fn by_code(&self, core: &Core, code: &str) -> Result<Option<Arc<TenantRef>>> {
        if code.len() > NAME_BYTES_MAX || code.contains('\0') {
            return Ok(None);
        }
        match self.by_code.get(code).and_then(|id| self.fresh(core, &id)) {
            Some(tenant) => Ok(Some(tenant)),
            None => Box::pin(self.load(core, By::Code(code))).await,
        }
    }

    pub(crate) async fn by_issuer(&self, core: &Core, issuer: &str) -> Result<Option<Arc<TenantRef>>> {
        if issuer.len() > NAME_BYTES_MAX || issuer.contains('\0') {
            return Ok(None);
        }
        match self.by_issuer.get(issuer).and_then(|id| self.fresh(core, &id)) {
            Some(tenant) => Ok(Some(tenant)),
            None => Box::pin(self.load(core, By::Issuer(issuer))).await,
        }
    }

    pub(crate) async fn by_id(&self, core: &Core, id: &TenantId) -> Result<Option<Arc<TenantRef>>> {
        match self.fresh(core, id) {
            Some(tenant) => Ok(Some(tenant)),
            None => Box::pin(self.load(core, By::Id(id))).await,
        }
    }

    /// The tenant in memory, unless a newer version is known.
    fn fresh(&self, core: &Core, id: &TenantId) -> Option<Arc<TenantRef>> {
        let kept = self.by_id.get(id)?;
        (kept.version >= core.version(id)).then_some(kept.tenant)
    }

    async fn load(&self, core: &Core, by: By<'_>) -> Result<Option<Arc<TenantRef>>> {
        let cx = core.system(Place::Platform);
        let permit = cx.purpose(Purpose::Resolve);
        let mut rx = cx.read(&permit).await?;
        // INVARIANT: the version is read before the row, so what is kept is at least that new. It is known
        // by id only: a tenant that is looked up by a name is found first and then read.
        let id = match by {
            By::Id(id) => id.clone(),
            By::Code(_) | By::Issuer(_) => match find(&mut rx, &by).await? {
                Some(found) => found.id,
                None => return Ok(None),
            },
        };
        let version = core.version(&id);
        let Some(found) = store::find(&mut rx, &id).await? else { return Ok(None) };
        Ok(Some(self.keep(version, &found)))
    }

    fn keep(&self, version: i64, tenant: &Tenant) -> Arc<TenantRef> {
        let kept = Kept { version, tenant: Arc::new(tenant.to_ref()) };
        self.by_code.insert(tenant.code.clone(), tenant.id.clone());
        self.by_issuer.insert(tenant.issuer.clone(), tenant.id.clone());
        self.by_id.insert(tenant.id.clone(), kept.clone());
        kept.tenant
    }
}

async fn find(rx: &mut authz::Rx, by: &By<'_>) -> Result<Option<Tenant>> {
    Ok(match by {
        By::Code(code) => store::find_by_code(rx, code).await?,
        By::Issuer(issuer) => store::find_by_issuer(rx, issuer).await?,
        By::Id(id) => store::find(rx, id).await?,
    })
}
