//! Where tenant keys rest: outside the database, so that a backup of the database does not hold them.
//!
//! A tenant key wraps the data keys of one tenant, or of the platform, and is itself wrapped by the root key.
//! Who purges a tenant destroys its key: what remains of the tenant in any backup of the database can then be
//! opened by nobody who does not also hold a backup of the key store of that age.
//!
//! # The wrapped form
//!
//! | bytes | meaning |
//! |---|---|
//! | 3 | the magic `sgk` |
//! | 1 | format, `1` |
//! | 8 | which root key wraps it: the beginning of a value derived from it |
//! | 12 | nonce, random |
//! | 32 | the key under AES-256-GCM, with the tenant's id as associated data |
//! | 16 | tag |

mod files;
mod store;

use ::store::KeyDatabase;
use authz::{Core, Event, Place, Target};
use base::Secret;
use base::id::TenantId;

pub use files::KeyDirectory;

use crate::{Error, Kms, Result, wrap};

/// The name under which the platform's key is kept.
pub(crate) const PLATFORM: &str = "platform";
const MAGIC: &[u8; 4] = b"sgk\x01";
const ROOT_ID_BYTES: usize = 8;
/// Bytes of a wrapped tenant key.
pub(crate) const TENANT_KEY_BYTES: usize = 4 + ROOT_ID_BYTES + wrap::WRAPPED_BYTES;

/// Where tenant keys are to be kept.
#[derive(Debug, Clone)]
pub enum KeyStoreSource {
    /// A directory of files.
    Directory(KeyDirectory),
    /// Another database of PostgreSQL, by its address.
    Database(Secret<String>),
    /// The main database itself: a purge then does not reach its backups.
    SameDatabase,
}

/// Where tenant keys are kept.
pub(crate) enum KeyStore {
    Directory(files::Files),
    Database(KeyDatabase),
    SameDatabase,
}

impl KeyStore {
    /// Opens a store. Fails with [`Error::FileRefused`] for a directory that is not safe to use and with
    /// [`Error::Store`] for a database.
    pub(crate) async fn open(source: KeyStoreSource) -> Result<Self> {
        Ok(match source {
            KeyStoreSource::Directory(directory) => Self::Directory(files::Files::open(directory)?),
            KeyStoreSource::Database(url) => Self::Database(KeyDatabase::open(url.expose()).await?),
            KeyStoreSource::SameDatabase => Self::SameDatabase,
        })
    }

    /// What kind of store it is, in a word.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Directory(_) => "directory",
            Self::Database(_) => "database",
            Self::SameDatabase => "same_database",
        }
    }

    async fn get(&self, core: &Core, name: &str) -> Result<Option<Vec<u8>>> {
        match self {
            Self::Directory(files) => files.get(name).await,
            Self::Database(database) => database.get(name).await.map_err(Error::key_database),
            Self::SameDatabase => store::get(core, name).await,
        }
    }

    /// Keeps a key unless one of that name is there. Says what is there then, and whether it is this one.
    async fn put_unless_there(&self, core: &Core, name: &str, wrapped: &[u8]) -> Result<(Vec<u8>, bool)> {
        let made = match self {
            Self::Directory(files) => files.put_unless_there(name, wrapped).await?,
            Self::Database(database) => {
                database.put_unless_there(name, wrapped).await.map_err(Error::key_database)?
            }
            Self::SameDatabase => store::put_unless_there(core, name, wrapped).await?,
        };
        if made {
            return Ok((wrapped.to_vec(), true));
        }
        // Gone again at once: the tenant is being purged.
        Ok((self.get(core, name).await?.ok_or(Error::KeyDecryption)?, false))
    }

    async fn destroy(&self, core: &Core, name: &str) -> Result<bool> {
        match self {
            Self::Directory(files) => files.destroy(name).await,
            Self::Database(database) => database.remove(name).await.map_err(Error::key_database),
            Self::SameDatabase => store::remove(core, name).await,
        }
    }
}

/// The name of a tenant's key, or the platform's.
fn name_of(tenant: Option<&TenantId>) -> &str {
    tenant.map_or(PLATFORM, TenantId::as_str)
}

impl Kms {
    /// Where tenant keys are kept: `directory`, `database` or `same_database`.
    pub fn key_store_kind(&self) -> &'static str {
        self.0.key_store.kind()
    }

    /// The tenant's key, or the platform's; none where none was made, or where it was destroyed.
    ///
    /// Fails with [`Error::KeyDecryption`] for one that this root key did not wrap.
    pub(crate) async fn find_tenant_key(
        &self,
        core: &Core,
        tenant: Option<&TenantId>,
    ) -> Result<Option<Secret<[u8; 32]>>> {
        let name = name_of(tenant);
        match self.0.key_store.get(core, name).await? {
            Some(wrapped) => self.unwrap_tenant_key(name, &wrapped).map(Some),
            None => Ok(None),
        }
    }

    /// The tenant's key. Fails with [`Error::KeyDecryption`] where there is none: what it wrapped is lost.
    pub(crate) async fn load_tenant_key(
        &self,
        core: &Core,
        tenant: Option<&TenantId>,
    ) -> Result<Secret<[u8; 32]>> {
        self.find_tenant_key(core, tenant).await?.ok_or(Error::KeyDecryption)
    }

    /// The tenant's key, made now if there is none. Of two nodes that make one at once, one wins.
    ///
    /// INVARIANT: whoever calls has seen that no data key of the tenant is there: a lost key is not replaced by
    /// another, which would hide the loss.
    pub(crate) async fn make_tenant_key(
        &self,
        core: &Core,
        tenant: Option<&TenantId>,
    ) -> Result<Secret<[u8; 32]>> {
        if let Some(found) = self.find_tenant_key(core, tenant).await? {
            return Ok(found);
        }
        let name = name_of(tenant);
        let mut key = [0u8; 32];
        core.random().fill(&mut key);
        let wrapped = self.wrap_tenant_key(name, &Secret::new(key))?;
        let (there, made) = self.0.key_store.put_unless_there(core, name, &wrapped).await?;
        if made {
            let target = Target::Member("tenant_key", name.to_owned()).name(None);
            core.system(Place::Platform).record(Event::done("kms.tenant_key_made", target)).await;
        }
        self.unwrap_tenant_key(name, &there)
    }

    /// Destroys the key of a tenant that is gone: nobody opens what was sealed under it any more, in a backup of
    /// the database either. Says whether there was one; can be repeated.
    pub async fn destroy_tenant_key(&self, core: &Core, tenant: &TenantId) -> Result<bool> {
        self.forget(Some(tenant));
        self.0.key_store.destroy(core, tenant.as_str()).await
    }

    /// The key that wraps tenant keys.
    fn wrapping_key(&self) -> Secret<[u8; 32]> {
        self.expand(&["tenant keys", "1"])
    }

    fn root_id(&self) -> [u8; ROOT_ID_BYTES] {
        let value = self.expand(&["root id", "1"]);
        let mut id = [0u8; ROOT_ID_BYTES];
        for (byte, of) in id.iter_mut().zip(value.expose()) {
            *byte = *of;
        }
        id
    }

    fn wrap_tenant_key(&self, name: &str, key: &Secret<[u8; 32]>) -> Result<Vec<u8>> {
        let mut wrapped = Vec::with_capacity(TENANT_KEY_BYTES);
        wrapped.extend_from_slice(MAGIC);
        wrapped.extend_from_slice(&self.root_id());
        wrapped.append(&mut wrap::wrap(&self.wrapping_key(), &["tenant key", name], key)?);
        Ok(wrapped)
    }

    fn unwrap_tenant_key(&self, name: &str, wrapped: &[u8]) -> Result<Secret<[u8; 32]>> {
        let rest = wrapped.strip_prefix(MAGIC).ok_or(Error::KeyDecryption)?;
        let rest = rest.strip_prefix(&self.root_id()).ok_or(Error::KeyDecryption)?;
        wrap::unwrap(&self.wrapping_key(), &["tenant key", name], rest)
    }
}
