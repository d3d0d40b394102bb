//! All SQL of this slice about users. The password hash is written here and read nowhere in the slice.

use authz::{Rx, Tx};
use base::Timestamp;
use base::id::{DepartmentId, TenantId, UserId};
use base::query::{Filter, Scalar};
use base::text::parse_username;
use store::search::{Terms, UserSearch};
use store::{FromRow, ListColumn, Row, ScalarKind, Scan, Scanned, Sql, StoreError};
use web::list::Count;

use super::{User, UserQuery, UserStatus};
use crate::{Error, PasswordHash, Result};

const SELECT: &str = "SELECT id, tenant_id, username, username_key, email, email_key, email_verified, phone, \
                      phone_verified, display_name, first_name, last_name, avatar_url, locale, timezone, position, \
                      primary_department_id, attributes, status, must_change_password, password_set, last_login_at, \
                      created_at, updated_at, deleted_at, version";
const FROM: &str = " FROM users WHERE tenant_id = ";

/// What a list of people is filtered and sorted by.
pub(super) const COLUMNS: &[ListColumn] = &[
    ListColumn::of("id", "id", ScalarKind::Text),
    ListColumn::of("username", "username_key", ScalarKind::Text),
    ListColumn::nullable("email", "email_key", ScalarKind::Text),
    ListColumn::of("email_verified", "email_verified", ScalarKind::Bool),
    ListColumn::nullable("phone", "phone", ScalarKind::Text),
    ListColumn::of("phone_verified", "phone_verified", ScalarKind::Bool),
    ListColumn::nullable("display_name", "display_name", ScalarKind::Text),
    ListColumn::nullable("first_name", "first_name", ScalarKind::Text),
    ListColumn::nullable("last_name", "last_name", ScalarKind::Text),
    ListColumn::of("locale", "locale", ScalarKind::Text),
    ListColumn::of("timezone", "timezone", ScalarKind::Text),
    ListColumn::nullable("position", "position", ScalarKind::Text),
    ListColumn::nullable("primary_department_id", "primary_department_id", ScalarKind::Text),
    ListColumn::of("status", "status", ScalarKind::Text),
    ListColumn::of("must_change_password", "must_change_password", ScalarKind::Bool),
    ListColumn::of("password_set", "password_set", ScalarKind::Bool),
    ListColumn::nullable("last_login_at", "last_login_at", ScalarKind::Time),
    ListColumn::of("created_at", "created_at", ScalarKind::Time),
    ListColumn::of("updated_at", "updated_at", ScalarKind::Time),
    ListColumn::nullable("deleted_at", "deleted_at", ScalarKind::Time),
];

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
            position: row.find("position")?,
            primary_department_id: row.find("primary_department_id")?,
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
         search_text, position, primary_department_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, \
         $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27)",
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
    .bind(search_text(user))
    .bind(user.position.as_deref())
    .bind(user.primary_department_id.as_ref());
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
         position = $20, primary_department_id = $21, must_change_password = $22, version = version + 1 WHERE tenant_id = $1 AND id = $2 AND version = $3 AND deleted_at IS NULL",
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
    .bind(search_text(user))
    .bind(user.position.as_deref())
    .bind(user.primary_department_id.as_ref())
    .bind(user.must_change_password);
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
    rx.optional(Sql::new(SELECT).push(FROM).value(tenant).push(" AND id = ").value(id)).await
}

pub(super) async fn find_by_username_key(
    rx: &mut Rx,
    tenant: &TenantId,
    key: &str,
) -> store::Result<Option<User>> {
    let sql = Sql::new(SELECT).push(FROM).value(tenant);
    rx.optional(sql.push(" AND deleted_at IS NULL AND username_key = ").value(key)).await
}

/// Whether the tenant has a department of this id.
pub(super) async fn has_department(rx: &mut Rx, tenant: &TenantId, id: &DepartmentId) -> store::Result<bool> {
    let sql = Sql::new("SELECT id FROM departments WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL");
    let found: Option<String> = rx.optional(sql.bind(tenant).bind(id)).await?;
    Ok(found.is_some())
}

/// ` FROM … WHERE …` of those whom a list is about, apart from its search.
fn from(tenant: &TenantId, query: &UserQuery) -> store::Result<Sql> {
    let sql = Sql::new(FROM).value(tenant);
    let asks_for_deleted = |filter: &Filter| filter.names("status") || filter.names("deleted_at");
    let sql = match query.status {
        Some(UserStatus::Deleted) => sql.push(" AND deleted_at IS NOT NULL"),
        Some(status) => sql.push(" AND deleted_at IS NULL AND status = ").value(status.stored()),
        None if query.filter.as_ref().is_some_and(asks_for_deleted) => sql,
        None => sql.push(" AND deleted_at IS NULL"),
    };
    match &query.filter {
        Some(filter) => sql.filtered(COLUMNS, filter),
        None => Ok(sql),
    }
}

pub(super) async fn list(rx: &mut Rx, tenant: &TenantId, query: &UserQuery) -> store::Result<Scanned<User>> {
    let from = from(tenant, query)?;
    if let Some(terms) = &query.terms {
        return search(rx, tenant, query, terms, from).await;
    }
    let after = query.after.as_ref();
    let scan = Scan { columns: COLUMNS, order: &query.order, id: "id", after, limit: query.limit };
    store::list::page(rx, &Sql::new(SELECT).append(from), &scan).await
}

/// The people found, in the order of the search; of those, the filter's. A page goes on behind the last one
/// found.
async fn search(
    rx: &mut Rx,
    tenant: &TenantId,
    query: &UserQuery,
    terms: &Terms,
    from: Sql,
) -> store::Result<Scanned<User>> {
    let after = match query.after.as_deref() {
        Some([Some(Scalar::Text(key)), Some(Scalar::Text(id))]) => Some((key.as_str(), id.as_str())),
        _ => None,
    };
    // One more than asked for says whether anything follows.
    let limit = i64::from(query.limit) + 1;
    let status = query.status.map(UserStatus::stored);
    let search = UserSearch { tenant_id: tenant.as_str(), terms, status, after, limit };
    let mut hits = store::search::users(rx, &search).await?;
    let wanted = usize::try_from(query.limit).unwrap_or(usize::MAX);
    let more = hits.len() > wanted;
    hits.truncate(wanted);
    let next = hits
        .last()
        .filter(|_| more)
        .map(|last| vec![Some(Scalar::Text(last.username_key.clone())), Some(Scalar::Text(last.id.clone()))]);
    if hits.is_empty() {
        return Ok(Scanned { items: Vec::new(), next });
    }
    let sql = Sql::new(SELECT).append(from).push(" AND id IN ").list(hits.iter().map(|hit| hit.id.as_str()));
    let mut items: Vec<User> = rx.all(sql).await?;
    items.sort_by_key(|user| hits.iter().position(|hit| hit.id == user.id.as_str()));
    Ok(Scanned { items, next })
}

/// Counts those whom a list is about, apart from its search.
pub(super) async fn count(
    rx: &mut Rx,
    tenant: &TenantId,
    query: &UserQuery,
    how: Count,
) -> store::Result<i64> {
    let from = from(tenant, query)?;
    match how {
        Count::Exact => store::list::count(rx, &from).await,
        Count::Estimate => store::list::estimate(rx, &from).await,
    }
}
