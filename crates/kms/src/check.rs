//! The check value: which root key this database belongs to.

use authz::{Core, Event, Place, Purpose, Rx};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use base::Secret;
use store::{Backend, Sql};

use crate::root::{self, Creation, RootKeySource};
use crate::{Error, Kms, Result};

/// The row of `key_checks` that belongs to the root key.
const ROOT_CHECK: &str = "root";

/// Finds the root key and compares it with the stored check value; see [`Kms::open`].
pub(crate) async fn open(core: &Core, source: RootKeySource) -> Result<Kms> {
    let cx = core.system(Place::Platform);
    let permit = cx.purpose(Purpose::Bootstrap);
    let stored = find_check(&mut cx.read(&permit).await?).await?;
    let on_sqlite = core.store().backend() == Backend::Sqlite;
    let creation = if on_sqlite && stored.is_none() { Creation::Allowed } else { Creation::Refused };
    let random = core.random();
    let root: Secret<[u8; 32]> = match source {
        RootKeySource::Text(text) => root::parse("`SIGNET_ROOT_KEY`", text.expose())?,
        RootKeySource::File(file) => root::load(&file, creation, random)?,
        RootKeySource::Unset { .. } if !on_sqlite => return Err(Error::NotGiven),
        RootKeySource::Unset { default } => root::load(&default, creation, random)?,
    };
    let kms = Kms::from_root(root.expose());
    let own = kms.expand(&["check", ROOT_CHECK]);
    if let Some(stored) = stored {
        return if equal(own.expose(), &stored) { Ok(kms) } else { Err(Error::WrongRoot) };
    }

    // Two nodes that start at once: one check value is stored, and both compare with that one.
    let mut tx = cx.write(&permit).await?;
    let inserted = tx
        .execute(
            Sql::new(
                "INSERT INTO key_checks (name, value, created_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            )
            .bind(ROOT_CHECK)
            .bind(own.expose().as_slice())
            .bind(cx.now()),
        )
        .await?;
    let won = find_check(&mut tx).await?;
    if !won.is_some_and(|won| equal(own.expose(), &won)) {
        return Err(Error::WrongRoot);
    }
    if inserted == 1 {
        tx.record(&permit, Event::done("root_key.registered", permit.name()));
        tx.commit().await?;
    }
    Ok(kms)
}

async fn find_check(rx: &mut Rx) -> Result<Option<Vec<u8>>> {
    Ok(rx.optional(Sql::new("SELECT value FROM key_checks WHERE name = $1").bind(ROOT_CHECK)).await?)
}

fn equal(own: &[u8], stored: &[u8]) -> bool {
    verify_slices_are_equal(own, stored).is_ok()
}
