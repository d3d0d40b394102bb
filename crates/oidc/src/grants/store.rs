//! All SQL about codes, grants and tokens.

use base::Timestamp;
use base::id::{GrantId, SessionId, TenantId, TokenId, UserId};
use store::{FromRow, Result, Row, Rx, Sql, Tx};

use super::{Code, FoundCode, FoundToken, Grant, NewToken, Person};

impl FromRow for FoundCode {
    fn from_row(row: &Row) -> Result<Self> {
        let user_id: UserId = row.get("user_id")?;
        Ok(Self {
            person: person(row, user_id.clone())?,
            session_active: row.find::<String>("session_status")?.as_deref() == Some("ACTIVE"),
            code: Code {
                digest: row.get("code_digest")?,
                client_id: row.get("client_id")?,
                user_id,
                session_id: row.get("session_id")?,
                grant_id: row.find("grant_id")?,
                redirect_uri: row.get("redirect_uri")?,
                scopes: row.get("scopes")?,
                nonce: row.find("nonce")?,
                code_challenge: row.get("code_challenge")?,
                auth_time: row.get("auth_time")?,
                acr: row.find("acr")?,
                amr: row.get("amr")?,
                expires_at: row.get("expires_at")?,
                used_at: row.find("used_at")?,
            },
        })
    }
}

fn person(row: &Row, id: UserId) -> Result<Person> {
    Ok(Person {
        id,
        username: row.get("username")?,
        active: row.get::<String>("user_status")? == "ACTIVE",
        must_change_password: row.get("must_change_password")?,
    })
}

impl FromRow for FoundToken {
    fn from_row(row: &Row) -> Result<Self> {
        let user_id: Option<UserId> = row.find("user_id")?;
        let grant_id: Option<GrantId> = row.find("grant_id")?;
        let grant = match (grant_id, &user_id) {
            (Some(id), Some(user_id)) => Some(Grant {
                id,
                client_id: row.get("grant_client_id")?,
                user_id: user_id.clone(),
                session_id: row.find("session_id")?,
                scopes: row.get("grant_scopes")?,
                auth_time: row.find("auth_time")?,
                acr: row.find("acr")?,
                amr: row.find("amr")?.unwrap_or_default(),
                expires_at: row.get("grant_expires_at")?,
                active: row.get::<String>("grant_status")? == "ACTIVE",
            }),
            _ => None,
        };
        Ok(Self {
            id: row.get("id")?,
            kind: row.get("token_type")?,
            active: row.get::<String>("status")? == "ACTIVE",
            issued_at: row.get("issued_at")?,
            expires_at: row.get("expires_at")?,
            rotated_at: row.find("rotated_at")?,
            successor_id: row.find("successor_id")?,
            scopes: row.get("scopes")?,
            audience: row.get("audience")?,
            client_id: row.find("client_id")?,
            client_active: row.find::<String>("client_status")?.as_deref() == Some("ACTIVE"),
            person: user_id.map(|id| person(row, id)).transpose()?,
            grant,
        })
    }
}

pub(crate) async fn insert_code(tx: &mut Tx, tenant: &TenantId, code: &Code, now: Timestamp) -> Result<u64> {
    tx.execute(
        Sql::new(
            "INSERT INTO authorization_codes (code_digest, tenant_id, client_id, user_id, session_id, redirect_uri, \
             scopes, nonce, code_challenge, auth_time, acr, amr, created_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        )
        .bind(&code.digest)
        .bind(tenant)
        .bind(&code.client_id)
        .bind(&code.user_id)
        .bind(&code.session_id)
        .bind(&code.redirect_uri)
        .bind(&code.scopes)
        .bind(code.nonce.as_deref())
        .bind(&code.code_challenge)
        .bind(code.auth_time)
        .bind(code.acr.as_deref())
        .bind(&code.amr)
        .bind(now)
        .bind(code.expires_at),
    )
    .await
}

pub(crate) async fn find_code(rx: &mut Rx, tenant: &TenantId, digest: &str) -> Result<Option<FoundCode>> {
    rx.optional(
        Sql::new(
            "SELECT c.code_digest, c.client_id, c.user_id, c.session_id, c.grant_id, c.redirect_uri, c.scopes, \
             c.nonce, c.code_challenge, c.auth_time, c.acr, c.amr, c.expires_at, c.used_at, u.username, \
             u.status AS user_status, u.must_change_password, s.status AS session_status \
             FROM authorization_codes c \
             JOIN users u ON u.id = c.user_id AND u.tenant_id = c.tenant_id \
             LEFT JOIN user_sessions s ON s.id = c.session_id AND s.tenant_id = c.tenant_id \
             WHERE c.tenant_id = $1 AND c.code_digest = $2",
        )
        .bind(tenant)
        .bind(digest),
    )
    .await
}

/// Takes the code for one exchange. INVARIANT: of any number of concurrent calls, one gets true.
pub(crate) async fn claim_code(
    tx: &mut Tx,
    tenant: &TenantId,
    digest: &str,
    grant: &GrantId,
    now: Timestamp,
) -> Result<bool> {
    let claimed = tx
        .execute(
            Sql::new(
                "UPDATE authorization_codes SET used_at = $3, grant_id = $4 \
                 WHERE tenant_id = $1 AND code_digest = $2 AND used_at IS NULL AND expires_at > $3",
            )
            .bind(tenant)
            .bind(digest)
            .bind(now)
            .bind(grant),
        )
        .await?;
    Ok(claimed == 1)
}

/// Keeps a session from ending until this transaction is over; false if it is not active any more.
///
/// INVARIANT: whoever ends a session writes its row first and revokes its grants afterwards, so that a
/// grant made under this hold is seen and revoked with the others.
pub(crate) async fn hold_session(tx: &mut Tx, tenant: &TenantId, session: &SessionId) -> Result<bool> {
    let held = tx
        .execute(
            Sql::new(
                "UPDATE user_sessions SET last_activity_at = last_activity_at \
                 WHERE tenant_id = $1 AND id = $2 AND status = 'ACTIVE'",
            )
            .bind(tenant)
            .bind(session),
        )
        .await?;
    Ok(held == 1)
}

pub(crate) async fn insert_grant(
    tx: &mut Tx,
    tenant: &TenantId,
    grant: &Grant,
    now: Timestamp,
) -> Result<u64> {
    tx.execute(
        Sql::new(
            "INSERT INTO oauth_grants (id, tenant_id, client_id, user_id, session_id, scopes, auth_time, acr, amr, \
             status, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'ACTIVE', $10, $11)",
        )
        .bind(&grant.id)
        .bind(tenant)
        .bind(&grant.client_id)
        .bind(&grant.user_id)
        .bind(grant.session_id.as_ref())
        .bind(&grant.scopes)
        .bind(grant.auth_time)
        .bind(grant.acr.as_deref())
        .bind(&grant.amr)
        .bind(now)
        .bind(grant.expires_at),
    )
    .await
}

/// Revokes a family and its tokens; says whether it was active.
pub(crate) async fn revoke_grant(
    tx: &mut Tx,
    tenant: &TenantId,
    id: &GrantId,
    reason: &'static str,
    now: Timestamp,
) -> Result<bool> {
    let revoked = tx
        .execute(
            Sql::new(
                "UPDATE oauth_grants SET status = 'REVOKED', revoked_at = $3, revoke_reason = $4 \
                 WHERE tenant_id = $1 AND id = $2 AND status = 'ACTIVE'",
            )
            .bind(tenant)
            .bind(id)
            .bind(now)
            .bind(reason),
        )
        .await?;
    tx.execute(
        Sql::new("UPDATE tokens SET status = 'REVOKED' WHERE tenant_id = $1 AND grant_id = $2 AND status = 'ACTIVE'")
            .bind(tenant)
            .bind(id),
    )
    .await?;
    Ok(revoked == 1)
}

/// Revokes all families of a person with one client; says how many.
pub(crate) async fn revoke_grants_with_client(
    tx: &mut Tx,
    tenant: &TenantId,
    user: &UserId,
    client: &str,
    reason: &'static str,
    now: Timestamp,
) -> Result<u64> {
    tx.execute(
        Sql::new(
            "UPDATE tokens SET status = 'REVOKED' WHERE tenant_id = $1 AND status = 'ACTIVE' AND grant_id IN \
             (SELECT id FROM oauth_grants WHERE tenant_id = $1 AND user_id = $2 AND client_id = $3)",
        )
        .bind(tenant)
        .bind(user)
        .bind(client),
    )
    .await?;
    tx.execute(
        Sql::new(
            "UPDATE oauth_grants SET status = 'REVOKED', revoked_at = $4, revoke_reason = $5 \
             WHERE tenant_id = $1 AND user_id = $2 AND client_id = $3 AND status = 'ACTIVE'",
        )
        .bind(tenant)
        .bind(user)
        .bind(client)
        .bind(now)
        .bind(reason),
    )
    .await
}

pub(crate) async fn insert_token(
    tx: &mut Tx,
    tenant: &TenantId,
    token: &NewToken,
    now: Timestamp,
) -> Result<u64> {
    tx.execute(
        Sql::new(
            "INSERT INTO tokens (id, tenant_id, token_value, token_type, user_id, client_id, issued_at, expires_at, \
             status, grant_id, scopes, audience) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'ACTIVE', $9, $10, $11)",
        )
        .bind(&token.id)
        .bind(tenant)
        .bind(&token.digest)
        .bind(token.kind)
        .bind(token.user_id.as_ref())
        .bind(token.client_id.as_ref())
        .bind(now)
        .bind(token.expires_at)
        .bind(token.grant_id.as_ref())
        .bind(&token.scopes)
        .bind(&token.audience),
    )
    .await
}

const FIND_TOKEN: &str = "SELECT t.id, t.token_type, t.status, t.issued_at, t.expires_at, t.rotated_at, \
    t.successor_id, t.scopes, t.audience, t.user_id, t.client_id, t.grant_id, g.client_id AS grant_client_id, \
    g.session_id, g.scopes AS grant_scopes, g.auth_time, g.acr, g.amr, g.status AS grant_status, \
    g.expires_at AS grant_expires_at, u.username, u.status AS user_status, u.must_change_password, \
    c.status AS client_status \
    FROM tokens t \
    LEFT JOIN oauth_grants g ON g.id = t.grant_id AND g.tenant_id = t.tenant_id \
    LEFT JOIN users u ON u.id = t.user_id AND u.tenant_id = t.tenant_id \
    LEFT JOIN oauth2_clients c ON c.id = t.client_id AND c.tenant_id = t.tenant_id ";

/// The token of this digest and kind. INVARIANT: the kind is part of the question, so that the `jti` of an
/// access token never passes for a refresh token.
pub(crate) async fn find_token(
    rx: &mut Rx,
    tenant: &TenantId,
    digest: &str,
    kind: &'static str,
) -> Result<Option<FoundToken>> {
    let sql = Sql::new(FIND_TOKEN)
        .push("WHERE t.tenant_id = ")
        .value(tenant)
        .push(" AND t.token_value = ")
        .value(digest)
        .push(" AND t.token_type = ")
        .value(kind);
    rx.optional(sql).await
}

/// The token of this id.
pub(crate) async fn find_token_by_id(
    rx: &mut Rx,
    tenant: &TenantId,
    id: &TokenId,
) -> Result<Option<FoundToken>> {
    rx.optional(
        Sql::new(FIND_TOKEN).push("WHERE t.tenant_id = ").value(tenant).push(" AND t.id = ").value(id),
    )
    .await
}

/// Marks a refresh token as used. INVARIANT: of any number of concurrent calls, one gets true.
pub(crate) async fn rotate(
    tx: &mut Tx,
    tenant: &TenantId,
    id: &TokenId,
    successor: &TokenId,
    now: Timestamp,
) -> Result<bool> {
    let rotated = tx
        .execute(
            Sql::new(
                "UPDATE tokens SET status = 'REVOKED', rotated_at = $3, successor_id = $4 \
                 WHERE tenant_id = $1 AND id = $2 AND status = 'ACTIVE'",
            )
            .bind(tenant)
            .bind(id)
            .bind(now)
            .bind(successor),
        )
        .await?;
    Ok(rotated == 1)
}

/// Revokes one token; says whether it was active.
pub(crate) async fn revoke_token(tx: &mut Tx, tenant: &TenantId, id: &TokenId) -> Result<bool> {
    let sql = Sql::new(
        "UPDATE tokens SET status = 'REVOKED' WHERE tenant_id = $1 AND id = $2 AND status = 'ACTIVE'",
    )
    .bind(tenant)
    .bind(id);
    Ok(tx.execute(sql).await? == 1)
}
