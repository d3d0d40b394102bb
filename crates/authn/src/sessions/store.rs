//! All SQL about sessions and what hangs on them.

use authz::{Rx, Tx};
use base::Timestamp;
use base::id::{SessionId, TenantId, UserId};
use store::{FromRow, Row, Sql};

use super::{ListedSession, SESSIONS_MAX, Session};
use crate::Result;

/// A session found by its token.
pub(super) struct Found {
    pub(super) session: Session,
    pub(super) last_activity_at: Timestamp,
    pub(super) remember: bool,
}

impl FromRow for Found {
    fn from_row(row: &Row) -> store::Result<Self> {
        Ok(Self {
            session: Session {
                id: row.get("id")?,
                user_id: row.get("user_id")?,
                username: row.get("username")?,
                auth_time: row.get("auth_time")?,
                amr: row.get("amr")?,
                acr: row.find("acr")?,
                must_change_password: row.get("must_change_password")?,
            },
            last_activity_at: row.get("last_activity_at")?,
            remember: row.get("remember")?,
        })
    }
}

impl FromRow for ListedSession {
    fn from_row(row: &Row) -> store::Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            created_at: row.get("created_at")?,
            last_activity_at: row.get("last_activity_at")?,
            expires_at: row.get("expires_at")?,
            ip_address: row.find("ip_address")?,
            user_agent: row.find("user_agent")?,
            remember: row.get("remember")?,
            current: false,
        })
    }
}

/// What a new session has besides what others see of it.
pub(super) struct NewRow {
    pub(super) digest: String,
    pub(super) expires_at: Timestamp,
    pub(super) remember: bool,
    pub(super) ip_address: Option<String>,
    pub(super) user_agent: Option<String>,
}

/// Finds an active session of an active person that is not over; idleness is for the caller to judge.
pub(super) async fn find_by_digest(
    rx: &mut Rx,
    tenant: &TenantId,
    digest: &str,
    now: Timestamp,
) -> Result<Option<Found>> {
    let sql = Sql::new(
        "SELECT s.id, s.user_id, u.username, s.auth_time, s.amr, s.acr, u.must_change_password, \
           s.last_activity_at, s.remember \
         FROM user_sessions s JOIN users u ON u.id = s.user_id AND u.tenant_id = s.tenant_id \
         WHERE s.session_token = $1 AND s.tenant_id = $2 AND s.status = 'ACTIVE' AND s.expires_at > $3 \
           AND u.status = 'ACTIVE' AND u.deleted_at IS NULL",
    );
    Ok(rx.optional(sql.bind(digest).bind(tenant).bind(now)).await?)
}

/// Notes activity.
pub(super) async fn touch(tx: &mut Tx, id: &SessionId, now: Timestamp) -> Result<()> {
    let sql =
        Sql::new("UPDATE user_sessions SET last_activity_at = $1 WHERE id = $2 AND last_activity_at < $1");
    tx.execute(sql.bind(now).bind(id)).await?;
    Ok(())
}

/// Inserts a session.
pub(super) async fn insert(tx: &mut Tx, tenant: &TenantId, session: &Session, row: &NewRow) -> Result<()> {
    let sql = Sql::new(
        "INSERT INTO user_sessions (id, user_id, tenant_id, session_token, ip_address, user_agent, created_at, \
           last_activity_at, expires_at, status, auth_time, amr, acr, remember) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8, 'ACTIVE', $7, $9, $10, $11)",
    )
    .bind(&session.id)
    .bind(&session.user_id)
    .bind(tenant)
    .bind(row.digest.as_str())
    .bind(row.ip_address.as_deref())
    .bind(row.user_agent.as_deref())
    .bind(session.auth_time)
    .bind(row.expires_at)
    .bind(&session.amr)
    .bind(session.acr.as_deref())
    .bind(row.remember);
    tx.execute(sql).await?;
    Ok(())
}

/// Continues an active session under a new token; false if it is not active any more.
pub(super) async fn renew(
    tx: &mut Tx,
    tenant: &TenantId,
    id: &SessionId,
    session: &Session,
    row: &NewRow,
) -> Result<bool> {
    let sql = Sql::new(
        "UPDATE user_sessions SET session_token = $1, ip_address = $2, user_agent = $3, last_activity_at = $4, \
           auth_time = $4, expires_at = $5, amr = $6, acr = $7, remember = $8 \
         WHERE id = $9 AND tenant_id = $10 AND user_id = $11 AND status = 'ACTIVE'",
    )
    .bind(row.digest.as_str())
    .bind(row.ip_address.as_deref())
    .bind(row.user_agent.as_deref())
    .bind(session.auth_time)
    .bind(row.expires_at)
    .bind(&session.amr)
    .bind(session.acr.as_deref())
    .bind(row.remember)
    .bind(id)
    .bind(tenant)
    .bind(&session.user_id);
    Ok(tx.execute(sql).await? > 0)
}

/// How long the cookie of a session lives.
pub(crate) struct Lifetime {
    pub(crate) remember: bool,
    pub(crate) expires_at: Timestamp,
}

impl FromRow for Lifetime {
    fn from_row(row: &Row) -> store::Result<Self> {
        Ok(Self { remember: row.get("remember")?, expires_at: row.get("expires_at")? })
    }
}

/// Gives an active session another token and nothing else new; none if it is not active any more.
pub(crate) async fn replace_token(
    tx: &mut Tx,
    tenant: &TenantId,
    id: &SessionId,
    digest: &str,
) -> Result<Option<Lifetime>> {
    let sql = Sql::new(
        "UPDATE user_sessions SET session_token = $1 WHERE id = $2 AND tenant_id = $3 AND status = 'ACTIVE' \
         RETURNING remember, expires_at",
    );
    Ok(tx.optional(sql.bind(digest).bind(id).bind(tenant)).await?)
}

/// The sessions of a person that are neither ended, nor over, nor idle; the newest first.
pub(super) async fn list(
    rx: &mut Rx,
    tenant: &TenantId,
    user: &UserId,
    now: Timestamp,
    idle_seconds: i64,
) -> Result<Vec<ListedSession>> {
    let sql = Sql::new(
        "SELECT id, created_at, last_activity_at, expires_at, ip_address, user_agent, remember \
         FROM user_sessions \
         WHERE tenant_id = $1 AND user_id = $2 AND status = 'ACTIVE' AND expires_at > $3 \
           AND (remember OR last_activity_at > $4) \
         ORDER BY created_at DESC, id DESC LIMIT $5",
    )
    .bind(tenant)
    .bind(user)
    .bind(now)
    .bind(now.plus_seconds(-idle_seconds))
    .bind(SESSIONS_MAX);
    Ok(rx.all(sql).await?)
}

/// Whose session it is.
pub(super) async fn owner(rx: &mut Rx, tenant: &TenantId, id: &SessionId) -> Result<Option<UserId>> {
    let sql = Sql::new("SELECT user_id FROM user_sessions WHERE id = $1 AND tenant_id = $2");
    Ok(rx.optional(sql.bind(id).bind(tenant)).await?)
}

/// Ends an active session and says whose it was.
pub(super) async fn end_one(
    tx: &mut Tx,
    tenant: &TenantId,
    id: &SessionId,
    reason: &str,
    now: Timestamp,
) -> Result<Option<UserId>> {
    let sql = Sql::new(
        "UPDATE user_sessions SET status = 'REVOKED', ended_at = $1, end_reason = $2 \
         WHERE id = $3 AND tenant_id = $4 AND status = 'ACTIVE' RETURNING user_id",
    );
    Ok(tx.optional(sql.bind(now).bind(reason).bind(id).bind(tenant)).await?)
}

/// Ends the active sessions of a person but one, and says how many.
pub(super) async fn end_all(
    tx: &mut Tx,
    tenant: &TenantId,
    user: &UserId,
    keep: Option<&SessionId>,
    reason: &str,
    now: Timestamp,
) -> Result<i64> {
    let sql = Sql::new(
        "UPDATE user_sessions SET status = 'REVOKED', ended_at = $1, end_reason = $2 \
         WHERE tenant_id = $3 AND user_id = $4 AND id <> $5 AND status = 'ACTIVE'",
    )
    .bind(now)
    .bind(reason)
    .bind(tenant)
    .bind(user)
    .bind(keep.map_or("", |id| id.as_str()));
    Ok(i64::try_from(tx.execute(sql).await?).unwrap_or(i64::MAX))
}

/// Revokes the grants of a session and their tokens, and says how many grants.
pub(super) async fn revoke_grants_of_session(
    tx: &mut Tx,
    tenant: &TenantId,
    id: &SessionId,
    reason: &str,
    now: Timestamp,
) -> Result<i64> {
    let tokens = Sql::new(
        "UPDATE tokens SET status = 'REVOKED' WHERE status = 'ACTIVE' AND grant_id IN \
         (SELECT id FROM oauth_grants WHERE tenant_id = $1 AND session_id = $2)",
    );
    tx.execute(tokens.bind(tenant).bind(id)).await?;
    let grants = Sql::new(
        "UPDATE oauth_grants SET status = 'REVOKED', revoked_at = $1, revoke_reason = $2 \
         WHERE tenant_id = $3 AND session_id = $4 AND status = 'ACTIVE'",
    );
    let touched = tx.execute(grants.bind(now).bind(reason).bind(tenant).bind(id)).await?;
    Ok(i64::try_from(touched).unwrap_or(i64::MAX))
}

/// Revokes the grants of a person and their tokens but those of one session, and says how many grants.
pub(super) async fn revoke_grants_of_user(
    tx: &mut Tx,
    tenant: &TenantId,
    user: &UserId,
    keep: Option<&SessionId>,
    reason: &str,
    now: Timestamp,
) -> Result<i64> {
    let keep = keep.map_or("", |id| id.as_str());
    let tokens = Sql::new(
        "UPDATE tokens SET status = 'REVOKED' WHERE status = 'ACTIVE' AND grant_id IN \
         (SELECT id FROM oauth_grants WHERE tenant_id = $1 AND user_id = $2 AND coalesce(session_id, '-') <> $3)",
    );
    tx.execute(tokens.bind(tenant).bind(user).bind(keep)).await?;
    let grants = Sql::new(
        "UPDATE oauth_grants SET status = 'REVOKED', revoked_at = $1, revoke_reason = $2 \
         WHERE tenant_id = $3 AND user_id = $4 AND coalesce(session_id, '-') <> $5 AND status = 'ACTIVE'",
    );
    let touched = tx.execute(grants.bind(now).bind(reason).bind(tenant).bind(user).bind(keep)).await?;
    Ok(i64::try_from(touched).unwrap_or(i64::MAX))
}
