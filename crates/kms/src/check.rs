//! The check value: which root key this database belongs to.

mod store;

use ::store::Backend;
use authz::{Core, Event, Place, Purpose};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use base::Secret;

use crate::keystore::{KeyStore, KeyStoreSource};
use crate::root::{self, Creation, RootKeySource};
use crate::{Error, Kms, Result};

/// The row of `key_checks` that belongs to the root key.
const ROOT_CHECK: &str = "root";

/// Finds the root key and compares it with the stored check value; see [`Kms::open`].
pub(crate) async fn open(core: &Core, source: RootKeySource, keys: KeyStoreSource) -> Result<Kms> {
    let cx = core.system(Place::Platform);
    let permit = cx.purpose(Purpose::Bootstrap);
    let stored = store::find(&mut cx.read(&permit).await?, ROOT_CHECK).await?;
    let on_sqlite = core.store().backend() == Backend::Sqlite;
    let creation = if on_sqlite && stored.is_none() { Creation::Allowed } else { Creation::Refused };
    let random = core.random();
    let root: Secret<[u8; 32]> = match source {
        RootKeySource::Text(text) => root::parse("`SIGNET_ROOT_KEY`", text.expose())?,
        RootKeySource::File(file) => root::load(&file, creation, random)?,
        RootKeySource::Unset { .. } if !on_sqlite => return Err(Error::NotGiven),
        RootKeySource::Unset { default } => root::load(&default, creation, random)?,
    };
    let kms = Kms::with_store(root.expose(), KeyStore::open(keys).await?);
    let own = kms.expand(&["check", ROOT_CHECK]);
    if let Some(stored) = stored {
        return if equal(own.expose(), &stored) { Ok(kms) } else { Err(Error::WrongRoot) };
    }

    // Two nodes that start at once: one check value is stored, and both compare with that one.
    let mut tx = cx.write(&permit).await?;
    let inserted = store::insert_unless_there(&mut tx, ROOT_CHECK, own.expose(), cx.now()).await?;
    let won = store::find(&mut tx, ROOT_CHECK).await?;
    if !won.is_some_and(|won| equal(own.expose(), &won)) {
        return Err(Error::WrongRoot);
    }
    if inserted {
        tx.record(&permit, Event::done("root_key.registered", permit.name()));
        tx.commit().await?;
    }
    Ok(kms)
}

fn equal(own: &[u8], stored: &[u8]) -> bool {
    verify_slices_are_equal(own, stored).is_ok()
}
