//! How a node learns what others committed, and applies it to what it has in memory ([`crate::snapshot`]).

use std::collections::BTreeSet;

use base::id::TenantId;
use store::Scope;

use crate::snapshot::{LazyRx, load_versions, load_versions_of};
use crate::{Core, Error, Result};

impl Core {
    /// Looks for changes that other nodes committed.
    pub async fn refresh_versions(&self) -> Result<()> {
        self.snapshots().learn(self.look_at_versions().await?);
        Ok(())
    }

    async fn look_at_versions(&self) -> Result<Vec<(String, i64)>> {
        let begun = self.now();
        let mut lazy = LazyRx::new(self.store(), Scope::Platform);
        let found = load_versions(lazy.get().await?).await?;
        self.freshness().confirm(begun);
        Ok(found)
    }

    /// Looks for changes that other nodes committed, and applies them to the tenants in memory, so that no
    /// request waits for it. The server calls it twice a second.
    pub async fn refresh(&self) -> Result<()> {
        let found = self.look_at_versions().await?;
        let scopes: Vec<String> = found.iter().map(|(scope, _)| scope.clone()).collect();
        self.snapshots().learn(found);
        self.follow(scopes.iter().map(String::as_str)).await
    }

    /// Looks at scopes that are said to have these versions, and applies what changed as [`Core::refresh`] does.
    ///
    /// INVARIANT: only what stands in the database is believed: whoever may sign in there may say anything.
    pub async fn learn(&self, told: &[(String, i64)]) -> Result<()> {
        let scopes: BTreeSet<&str> = told.iter().map(|(scope, _)| scope.as_str()).collect();
        let is_news = |(scope, version): &(String, i64)| self.snapshots().version(scope) < *version;
        if told.iter().any(is_news) {
            let mut lazy = LazyRx::new(self.store(), Scope::Platform);
            self.snapshots().learn(load_versions_of(lazy.get().await?, &scopes).await?);
        }
        self.follow(scopes).await
    }

    async fn follow<'a>(&self, scopes: impl IntoIterator<Item = &'a str>) -> Result<()> {
        let mut failed = None;
        for scope in scopes {
            let Ok(tenant) = TenantId::parse(scope) else { continue };
            if !self.snapshots().is_behind(&tenant) {
                continue;
            }
            let mut lazy = LazyRx::new(self.store(), Scope::Tenant(scope));
            match self.snapshots().tenant(&mut lazy, &tenant).await {
                Ok(_) => {}
                Err(error @ Error::Store(_)) => return Err(error),
                // What is wrong with one tenant must not keep the others from being followed.
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(()), Err)
    }
}
