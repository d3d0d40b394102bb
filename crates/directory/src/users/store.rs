//! All SQL of this slice about users. The password hash is written here and read nowhere in the slice.

use authz::{Rx, Tx};
use base::Timestamp;
use base::id::{TenantId, UserId};
use base::text::parse_username;
use store::{FromRow, Row, Sql, StoreError};

use super::{User, UserPosition, UserQuery, UserSort, UserStatus};
use crate::{Error, PasswordHash, Result};

const SELECT: &str = "SELECT id, tenant_id, username, email, email_verified, phone, phone_verified, display_name, \
                      first_name, last_name, avatar_url, locale, timezone, attributes, status, \
                      must_change_password, password_set, last_login_at, created_at, updated_at, deleted_at, \
                      version FROM users WHERE tenant_id = ";

impl FromRow for User {
    fn from_row(row: &Row) -> store::Result<Self> {
        let shape = |column: &str, found: String| StoreError::Shape { column: column.to_owned(), found };
        let username: String = row.get("username")?;
        let status: String = row.get("status")?;
        Ok(Self {
            id: row.get("id")?,
            tenant_id: row.get("tenant_id")?,
            username: parse_username(&username).map_err(|e| shape("username", e.to_string()))?,
            email: row.find("email")?,
            email_verified: row.get("email_verified")?,
            phone: row.find("phone")?,
            phone_verified: row.get("phone_verified")?,
            display_name: row.find("display_name")?,
            first_name: row.find("first_name")?,
            last_name: row.find("last_name")?,
            avatar_url: row.find("avatar_url")?,
            locale: row.get("locale")?,
            timezone: row.get("timezone")?,
            attributes: row.get("attributes")?,
            status: UserStatus::parse(&status).ok_or_else(|| shape("status", status))?,
            must_change_password: row.get("must_change_password")?,
            password_set: row.get("password_set")?,
            last_login_at: row.find("last_login_at")?,
            created_at: row.get("created_at")?,
            updated_at: row.get("updated_at")?,
            deleted_at: row.find("deleted_at")?,
            version: row.get("version")?,
        })
    }
}

pub(super) async fn insert(tx: &mut Tx, user: &User, password: &PasswordHash) -> Result<()> {
    let sql = Sql::new(
        "INSERT INTO users (id, tenant_id, username, username_key, email, email_key, email_verified, phone, \
         phone_verified, display_name, first_name, last_name, avatar_url, locale, timezone, attributes, status, \
         must_change_password, password_set, password, password_changed_at, created_at, updated_at, version, \
         search_text) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, \
         $19, $20, $21, $22, $23, $24, $25)",
    )
    .bind(&user.id)
    .bind(&user.tenant_id)
    .bind(user.username.as_str())
    .bind(user.username.key())
    .bind(user.email.as_deref())
    .bind(user.email_key())
    .bind(user.email_verified)
    .bind(user.phone.as_deref())
    .bind(user.phone_verified)
    .bind(user.display_name.as_deref())
    .bind(user.first_name.as_deref())
    .bind(user.last_name.as_deref())
    .bind(user.avatar_url.as_deref())
    .bind(&user.locale)
    .bind(&user.timezone)
    .bind(&user.attributes)
    .bind(user.status.stored())
    .bind(user.must_change_password)
    .bind(user.password_set)
    .bind(password.expose())
    .bind(user.password_set.then_some(user.created_at))
    .bind(user.created_at)
    .bind(user.updated_at)
    .bind(user.version)
    .bind(search_text(user));
    tx.execute(sql).await.map_err(Error::of_row)?;
    Ok(())
}

/// What the person is searched by.
fn search_text(user: &User) -> String {
    let fields = [&user.email, &user.phone, &user.display_name, &user.first_name, &user.last_name];
    let fields = fields.into_iter().map(Option::as_deref);
    store::search::user_text(std::iter::once(Some(user.username.as_str())).chain(fields))
}

/// Writes the profile if nobody else has written since the version that was read.
pub(super) async fn update(tx: &mut Tx, user: &User, now: Timestamp) -> Result<u64> {
    let sql = Sql::new(
        "UPDATE users SET username = $4, username_key = $5, email = $6, email_key = $7, email_verified = $8, \
         phone = $9, phone_verified = $10, display_name = $11, first_name = $12, last_name = $13, \
         avatar_url = $14, locale = $15, timezone = $16, attributes = $17, updated_at = $18, search_text = $19, \
         version = version + 1 WHERE tenant_id = $1 AND id = $2 AND version = $3 AND deleted_at IS NULL",
    )
    .bind(&user.tenant_id)
    .bind(&user.id)
    .bind(user.version)
    .bind(user.username.as_str())
    .bind(user.username.key())
    .bind(user.email.as_deref())
    .bind(user.email_key())
    .bind(user.email_verified)
    .bind(user.phone.as_deref())
    .bind(user.phone_verified)
    .bind(user.display_name.as_deref())
    .bind(user.first_name.as_deref())
    .bind(user.last_name.as_deref())
    .bind(user.avatar_url.as_deref())
    .bind(&user.locale)
    .bind(&user.timezone)
    .bind(&user.attributes)
    .bind(now)
    .bind(search_text(user));
    tx.execute(sql).await.map_err(Error::of_row)
}

/// Writes status and time of deletion if nobody else has written since the version that was read.
pub(super) async fn update_status(tx: &mut Tx, user: &User, now: Timestamp) -> Result<u64> {
    let sql = Sql::new(
        "UPDATE users SET status = $4, deleted_at = $5, updated_at = $6, version = version + 1 \
         WHERE tenant_id = $1 AND id = $2 AND version = $3",
    )
    .bind(&user.tenant_id)
    .bind(&user.id)
    .bind(user.version)
    .bind(user.status.stored())
    .bind(user.deleted_at)
    .bind(now);
    tx.execute(sql).await.map_err(Error::of_row)
}

pub(super) async fn find(rx: &mut Rx, tenant: &TenantId, id: &UserId) -> store::Result<Option<User>> {
    rx.optional(Sql::new(SELECT).value(tenant).push(" AND id = ").value(id)).await
}

pub(super) async fn find_by_username_key(
    rx: &mut Rx,
    tenant: &TenantId,
    key: &str,
) -> store::Result<Option<User>> {
    rx.optional(Sql::new(SELECT).value(tenant).push(" AND deleted_at IS NULL AND username_key = ").value(key))
        .await
}

pub(super) async fn list(rx: &mut Rx, tenant: &TenantId, query: &UserQuery) -> store::Result<Vec<User>> {
    let mut sql = Sql::new(SELECT).value(tenant);
    sql = match query.status {
        None => sql.push(" AND deleted_at IS NULL"),
        Some(UserStatus::Deleted) => sql.push(" AND deleted_at IS NOT NULL"),
        Some(status) => sql.push(" AND deleted_at IS NULL AND status = ").value(status.stored()),
    };
    if let Some(prefix) = &query.q {
        // The end of the range of keys that begin with the prefix: no character is above U+10FFFF.
        let end = format!("{prefix}\u{10FFFF}");
        sql = sql.push(" AND ((username_key >= ").value(prefix).push(" AND username_key < ").value(&end);
        sql = sql.push(") OR (email_key >= ").value(prefix).push(" AND email_key < ").value(&end);
        sql = sql.push(") OR phone = ").value(prefix).push(")");
    }
    sql = match &query.after {
        None => sql,
        Some(UserPosition::Username(key, id)) => {
            let descending = matches!(query.sort, UserSort::Username { descending: true });
            sql.push(if descending { " AND (username_key, id) < (" } else { " AND (username_key, id) > (" })
                .value(key)
                .push(", ")
                .value(id)
                .push(")")
        }
        Some(UserPosition::CreatedAt(at, id)) => {
            let descending = matches!(query.sort, UserSort::CreatedAt { descending: true });
            sql.push(if descending { " AND (created_at, id) < (" } else { " AND (created_at, id) > (" })
                .value(*at)
                .push(", ")
                .value(id)
                .push(")")
        }
    };
    sql = sql.push(match query.sort {
        UserSort::Username { descending: false } => " ORDER BY username_key, id",
        UserSort::Username { descending: true } => " ORDER BY username_key DESC, id DESC",
        UserSort::CreatedAt { descending: false } => " ORDER BY created_at, id",
        UserSort::CreatedAt { descending: true } => " ORDER BY created_at DESC, id DESC",
    });
    rx.all(sql.push(" LIMIT ").value(i64::from(query.limit))).await
}
