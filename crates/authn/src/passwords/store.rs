//! All SQL about passwords, their history and one-time links.

use authz::{Rx, Tx};
use base::id::{TenantId, UserId};
use base::{Secret, Timestamp};
use directory::PasswordHash;
use store::{FromRow, Row, Sql, StoreError};

use super::imported::{ImportedHash, Scheme};
use super::{Account, Change};
use crate::Result;

const ACCOUNT: &str = "SELECT id, username, username_key, password, status, password_set, must_change_password, \
     password_changed_at, created_at FROM users WHERE deleted_at IS NULL AND tenant_id = ";

impl FromRow for Account {
    fn from_row(row: &Row) -> store::Result<Self> {
        let password: String = row.get("password")?;
        Ok(Self {
            id: row.get("id")?,
            username: row.get("username")?,
            username_key: row.get("username_key")?,
            hash: read_hash(&password),
            stored: Secret::new(password),
            active: row.get::<String>("status")? == "ACTIVE",
            password_set: row.get("password_set")?,
            must_change_password: row.get("must_change_password")?,
            password_changed_at: row.find("password_changed_at")?,
            created_at: row.get("created_at")?,
        })
    }
}

/// Reads a stored hash. `$2b$` and `$2y$` name the same function as `$2a$` for text without NUL of at most
/// 72 bytes, which is all that is ever given to it.
fn read_hash(stored: &str) -> Option<PasswordHash> {
    let rest = stored.strip_prefix("$2a$").or_else(|| stored.strip_prefix("$2b$"));
    let rest = rest.or_else(|| stored.strip_prefix("$2y$"))?;
    PasswordHash::parse(format!("$2a${rest}")).ok()
}

/// Finds a person by id.
pub(crate) async fn find(rx: &mut Rx, tenant: &TenantId, id: &UserId) -> Result<Option<Account>> {
    Ok(rx.optional(Sql::new(ACCOUNT).value(tenant).push(" AND id = ").value(id)).await?)
}

/// Finds a person by the key of their name.
pub(crate) async fn find_by_username_key(
    rx: &mut Rx,
    tenant: &TenantId,
    key: &str,
) -> Result<Option<Account>> {
    Ok(rx.optional(Sql::new(ACCOUNT).value(tenant).push(" AND username_key = ").value(key)).await?)
}

/// Notes a sign-in of an active person whose hash is still the one that was verified; false otherwise.
pub(crate) async fn note_sign_in(
    tx: &mut Tx,
    tenant: &TenantId,
    account: &Account,
    must_change: bool,
    rehashed: Option<&PasswordHash>,
    now: Timestamp,
) -> Result<bool> {
    let sql = Sql::new(
        "UPDATE users SET last_login_at = $1, login_count = login_count + 1, must_change_password = $2, \
           password = $3 \
         WHERE id = $4 AND tenant_id = $5 AND status = 'ACTIVE' AND deleted_at IS NULL AND password = $6",
    )
    .bind(now)
    .bind(must_change)
    .bind(rehashed.map_or(account.stored.expose().as_str(), PasswordHash::expose))
    .bind(&account.id)
    .bind(tenant)
    .bind(account.stored.expose());
    Ok(tx.execute(sql).await? > 0)
}

/// An imported hash to verify at a sign-in.
pub(crate) struct FoundImported {
    /// Whether it is that of the person who is named.
    pub(crate) own: bool,
    pub(crate) hash: ImportedHash,
}

impl FromRow for FoundImported {
    fn from_row(row: &Row) -> store::Result<Self> {
        let shape = |found: super::BadImport| StoreError::Shape {
            column: "imported_passwords.hash".to_owned(),
            found: found.to_string(),
        };
        let scheme = Scheme::parse(&row.get::<String>("scheme")?).map_err(shape)?;
        let hash = ImportedHash::parse(scheme, Secret::new(row.get("hash")?)).map_err(shape)?;
        Ok(Self { own: row.get::<i64>("place")? == 0, hash })
    }
}

/// The imported hash of a person, or else any of the tenant, so that whoever is named the work is the same;
/// none where the tenant has none.
pub(crate) async fn find_imported(
    rx: &mut Rx,
    tenant: &TenantId,
    user: Option<&UserId>,
) -> Result<Option<FoundImported>> {
    let sql = Sql::new(
        "SELECT scheme, hash, place FROM (\
           SELECT scheme, hash, CAST(0 AS bigint) AS place FROM imported_passwords \
           WHERE tenant_id = $1 AND user_id = $2 \
           UNION ALL SELECT scheme, hash, place FROM (\
             SELECT scheme, hash, CAST(1 AS bigint) AS place FROM imported_passwords \
             WHERE tenant_id = $1 ORDER BY user_id LIMIT 1) anyone) found \
         ORDER BY place LIMIT 1",
    );
    Ok(rx.optional(sql.bind(tenant).bind(user.map_or("", |id| id.as_str()))).await?)
}

/// Adds an imported hash.
pub(super) async fn insert_imported(
    tx: &mut Tx,
    tenant: &TenantId,
    user: &UserId,
    hash: &ImportedHash,
    now: Timestamp,
) -> Result<()> {
    let sql = Sql::new(
        "INSERT INTO imported_passwords (user_id, tenant_id, scheme, hash, created_at) \
         VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(user)
    .bind(tenant)
    .bind(hash.scheme().as_str())
    .bind(hash.expose())
    .bind(now);
    tx.execute(sql).await?;
    Ok(())
}

/// Removes the imported hash of a person, if there is one.
pub(crate) async fn forget_imported(tx: &mut Tx, tenant: &TenantId, user: &UserId) -> Result<()> {
    let sql = Sql::new("DELETE FROM imported_passwords WHERE tenant_id = $1 AND user_id = $2");
    tx.execute(sql.bind(tenant).bind(user)).await?;
    Ok(())
}

/// What stood there before a password was replaced.
pub(super) struct Replaced {
    pub(super) username: String,
    /// Whether the old hash was a password's.
    pub(super) had_password: bool,
}

impl FromRow for Replaced {
    fn from_row(row: &Row) -> store::Result<Self> {
        Ok(Self { username: row.get("username")?, had_password: row.get("password_set")? })
    }
}

/// Replaces the hash that was looked at; none if another stands there by now.
pub(super) async fn replace(
    tx: &mut Tx,
    tenant: &TenantId,
    change: &Change<'_>,
    now: Timestamp,
) -> Result<Option<Replaced>> {
    let before = Sql::new("SELECT username, password_set FROM users WHERE tenant_id = $1 AND id = $2");
    let Some(before) = tx.optional::<Replaced>(before.bind(tenant).bind(change.user_id)).await? else {
        return Ok(None);
    };
    let sql = Sql::new(
        "UPDATE users SET password = $1, password_set = $2, must_change_password = $3, password_changed_at = $4, \
           version = version + 1 \
         WHERE tenant_id = $5 AND id = $6 AND password = $7 AND deleted_at IS NULL",
    )
    .bind(change.hash.expose())
    .bind(true)
    .bind(change.must_change)
    .bind(now)
    .bind(tenant)
    .bind(change.user_id)
    .bind(change.replaces.expose());
    Ok((tx.execute(sql).await? > 0).then_some(before))
}

/// The last replaced hashes of a person, the newest first.
pub(super) async fn history(rx: &mut Rx, user: &UserId, limit: i64) -> Result<Vec<PasswordHash>> {
    let sql = Sql::new(
        "SELECT password FROM password_history WHERE user_id = $1 \
         ORDER BY changed_at DESC, id DESC LIMIT $2",
    );
    let rows: Vec<String> = rx.all(sql.bind(user).bind(limit)).await?;
    Ok(rows.iter().filter_map(|text| read_hash(text)).collect())
}

/// Adds a replaced hash to the history.
pub(super) async fn remember(
    tx: &mut Tx,
    id: &str,
    tenant: &TenantId,
    user: &UserId,
    hash: &Secret<String>,
    now: Timestamp,
) -> Result<()> {
    let sql = Sql::new(
        "INSERT INTO password_history (id, tenant_id, user_id, password, changed_at) VALUES ($1, $2, $3, $4, $5)",
    );
    tx.execute(sql.bind(id).bind(tenant).bind(user).bind(hash.expose()).bind(now)).await?;
    Ok(())
}

/// Removes what the history need not hold any more.
pub(super) async fn forget_old(tx: &mut Tx, user: &UserId, keep: i64) -> Result<()> {
    let sql = Sql::new(
        "DELETE FROM password_history WHERE user_id = $1 AND id NOT IN \
         (SELECT id FROM password_history WHERE user_id = $1 ORDER BY changed_at DESC, id DESC LIMIT $2)",
    );
    tx.execute(sql.bind(user).bind(keep)).await?;
    Ok(())
}

/// A new link.
pub(super) struct NewLink {
    pub(super) id: String,
    pub(super) digest: String,
    pub(super) expires_at: Timestamp,
    pub(super) purpose: &'static str,
}

/// Adds a link.
pub(super) async fn insert_link(
    tx: &mut Tx,
    tenant: &TenantId,
    user: &UserId,
    link: &NewLink,
    now: Timestamp,
) -> Result<()> {
    let sql = Sql::new(
        "INSERT INTO password_reset_tokens (id, user_id, tenant_id, token, expires_at, created_at, purpose) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(link.id.as_str())
    .bind(user)
    .bind(tenant)
    .bind(link.digest.as_str())
    .bind(link.expires_at)
    .bind(now)
    .bind(link.purpose);
    tx.execute(sql).await?;
    Ok(())
}

/// Whose valid link it is.
pub(super) async fn link_owner(
    rx: &mut Rx,
    tenant: &TenantId,
    digest: &str,
    now: Timestamp,
) -> Result<Option<UserId>> {
    let sql = Sql::new(
        "SELECT user_id FROM password_reset_tokens \
         WHERE token = $1 AND tenant_id = $2 AND used_at IS NULL AND expires_at > $3",
    );
    Ok(rx.optional(sql.bind(digest).bind(tenant).bind(now)).await?)
}

/// Uses a valid link up; of any number at once, one gets the answer.
pub(super) async fn use_link(
    tx: &mut Tx,
    tenant: &TenantId,
    digest: &str,
    now: Timestamp,
) -> Result<Option<UserId>> {
    let sql = Sql::new(
        "UPDATE password_reset_tokens SET used_at = $1 \
         WHERE token = $2 AND tenant_id = $3 AND used_at IS NULL AND expires_at > $1 RETURNING user_id",
    );
    Ok(tx.optional(sql.bind(now).bind(digest).bind(tenant)).await?)
}

/// Makes all open links of a person worthless.
pub(super) async fn void_links(tx: &mut Tx, tenant: &TenantId, user: &UserId, now: Timestamp) -> Result<()> {
    let sql = Sql::new(
        "UPDATE password_reset_tokens SET used_at = $1 WHERE tenant_id = $2 AND user_id = $3 AND used_at IS NULL",
    );
    tx.execute(sql.bind(now).bind(tenant).bind(user)).await?;
    Ok(())
}
