//! The names by which enforcement points know principals. The rows are the directory's and `oidc`'s: here
//! nothing but their ids is read, and nothing written.

use ::store::{Rx, Sql};
use base::id::{PrincipalId, TenantId};

use crate::Result;

pub(super) async fn find_user(rx: &mut Rx, tenant: &TenantId, key: &str) -> Result<Option<PrincipalId>> {
    let sql =
        Sql::new("SELECT id FROM users WHERE tenant_id = $1 AND username_key = $2 AND deleted_at IS NULL")
            .bind(tenant)
            .bind(key);
    Ok(rx.optional(sql).await?)
}

pub(super) async fn find_client(
    rx: &mut Rx,
    tenant: &TenantId,
    client_id: &str,
) -> Result<Option<PrincipalId>> {
    let sql = Sql::new("SELECT id FROM oauth2_clients WHERE tenant_id = $1 AND client_id = $2")
        .bind(tenant)
        .bind(client_id);
    Ok(rx.optional(sql).await?)
}
