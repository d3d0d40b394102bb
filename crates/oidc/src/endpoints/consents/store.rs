//! All SQL about consents.

use base::Timestamp;
use base::id::{ClientId, TenantId, UserId};
use store::{FromRow, Result, Row, Rx, Sql, Tx};

use super::Consent;

struct Allowed(Vec<String>);

impl FromRow for Allowed {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self(row.get("scopes")?))
    }
}

impl FromRow for Consent {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            client_id: row.get("client_id")?,
            client_name: row.get("client_name")?,
            scopes: row.get("scopes")?,
            granted_at: row.get("granted_at")?,
        })
    }
}

/// What the person allows the client now.
pub(super) async fn scopes(
    rx: &mut Rx,
    tenant: &TenantId,
    user: &UserId,
    client: &ClientId,
    now: Timestamp,
) -> Result<Option<Vec<String>>> {
    let found: Option<Allowed> = rx
        .optional(
            Sql::new(
                "SELECT scopes FROM oauth_consents WHERE tenant_id = $1 AND user_id = $2 AND client_id = $3 \
                 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $4)",
            )
            .bind(tenant)
            .bind(user)
            .bind(client)
            .bind(now),
        )
        .await?;
    Ok(found.map(|allowed| allowed.0))
}

pub(super) async fn upsert(
    tx: &mut Tx,
    tenant: &TenantId,
    id: &str,
    user: &UserId,
    client: &ClientId,
    scopes: &[String],
    now: Timestamp,
) -> Result<u64> {
    tx.execute(
        Sql::new(
            "INSERT INTO oauth_consents (id, tenant_id, user_id, client_id, scopes, granted_at) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (user_id, client_id) DO UPDATE \
             SET scopes = excluded.scopes, granted_at = excluded.granted_at, revoked_at = NULL",
        )
        .bind(id)
        .bind(tenant)
        .bind(user)
        .bind(client)
        .bind(scopes)
        .bind(now),
    )
    .await
}

pub(super) async fn revoke(
    tx: &mut Tx,
    tenant: &TenantId,
    user: &UserId,
    client: &ClientId,
    now: Timestamp,
) -> Result<u64> {
    tx.execute(
        Sql::new(
            "UPDATE oauth_consents SET revoked_at = $4 \
             WHERE tenant_id = $1 AND user_id = $2 AND client_id = $3 AND revoked_at IS NULL",
        )
        .bind(tenant)
        .bind(user)
        .bind(client)
        .bind(now),
    )
    .await
}

pub(super) async fn list(
    rx: &mut Rx,
    tenant: &TenantId,
    user: &UserId,
    now: Timestamp,
) -> Result<Vec<Consent>> {
    rx.all(
        Sql::new(
            "SELECT o.client_id, c.client_name, o.scopes, o.granted_at FROM oauth_consents o \
             JOIN oauth2_clients c ON c.id = o.client_id AND c.tenant_id = o.tenant_id \
             WHERE o.tenant_id = $1 AND o.user_id = $2 AND o.revoked_at IS NULL \
             AND (o.expires_at IS NULL OR o.expires_at > $3) ORDER BY o.granted_at DESC, o.id LIMIT 500",
        )
        .bind(tenant)
        .bind(user)
        .bind(now),
    )
    .await
}
