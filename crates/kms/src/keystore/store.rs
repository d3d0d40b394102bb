//! All SQL about tenant keys that the main database keeps itself.

use authz::{Core, Cx, Permit, Place, Purpose};
use store::Sql;

use crate::Result;

/// Only the platform reaches the table: see the migrations.
fn system(core: &Core) -> (Cx, Permit) {
    let cx = core.system(Place::Platform);
    let permit = cx.purpose(Purpose::Job("kms.tenant_keys"));
    (cx, permit)
}

pub(super) async fn get(core: &Core, name: &str) -> Result<Option<Vec<u8>>> {
    let (cx, permit) = system(core);
    let mut rx = cx.read(&permit).await?;
    Ok(rx.optional(Sql::new("SELECT wrapped FROM kms_tenant_keys WHERE tenant_id = $1").bind(name)).await?)
}

/// Stores a key unless one of this name is there. True if it was stored.
pub(super) async fn put_unless_there(core: &Core, name: &str, wrapped: &[u8]) -> Result<bool> {
    let (cx, permit) = system(core);
    let mut tx = cx.write(&permit).await?;
    let sql = Sql::new(
        "INSERT INTO kms_tenant_keys (tenant_id, wrapped, created_at, updated_at) VALUES ($1, $2, $3, $3) \
         ON CONFLICT DO NOTHING",
    );
    let stored = tx.execute(sql.bind(name).bind(wrapped).bind(cx.now())).await? == 1;
    // The event stands in the queue: whoever made the key says so.
    tx.commit_housekeeping().await?;
    Ok(stored)
}

/// Removes a key. True if there was one.
pub(super) async fn remove(core: &Core, name: &str) -> Result<bool> {
    let (cx, permit) = system(core);
    let mut tx = cx.write(&permit).await?;
    let removed = tx.execute(Sql::new("DELETE FROM kms_tenant_keys WHERE tenant_id = $1").bind(name)).await?;
    tx.commit_housekeeping().await?;
    Ok(removed == 1)
}
