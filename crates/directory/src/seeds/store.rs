//! The one row that the seeds write beside the slice's own nouns.

use authz::Tx;
use base::Timestamp;
use base::id::PrincipalId;
use store::Sql;

use crate::Result;

pub(super) async fn insert_platform_role(
    tx: &mut Tx,
    principal: &PrincipalId,
    role: &str,
    now: Timestamp,
) -> Result<()> {
    tx.execute(
        Sql::new("INSERT INTO platform_roles (principal_id, role, assigned_at) VALUES ($1, $2, $3)")
            .bind(principal)
            .bind(role)
            .bind(now),
    )
    .await?;
    Ok(())
}
