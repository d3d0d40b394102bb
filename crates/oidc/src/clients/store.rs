//! All SQL about clients.

use authz::access::Registration;
use base::id::{ClientId, TenantId};
use base::query::{Filter, Position, SortKey};
use jose::Algorithm;
use store::{FromRow, ListColumn, Result, Row, Rx, ScalarKind, Scan, Scanned, Sql, StoreError, Tx};
use web::list::Count;

use super::{Client, ClientStatus};
use crate::secrets::SecretHash;

const SELECT: &str = "SELECT id, client_id, client_name, description, client_authentication_methods, \
    authorization_grant_types, redirect_uris, post_logout_redirect_uris, scopes, require_proof_key, \
    require_authorization_consent, status, access_token_ttl_seconds, refresh_token_ttl_seconds, \
    id_token_signed_response_alg, access_token_alg, audience, evaluation, client_secret, created_at, \
    updated_at, version FROM oauth2_clients ";

/// What a list of clients is filtered and sorted by.
pub(super) const COLUMNS: &[ListColumn] = &[
    ListColumn::of("id", "id", ScalarKind::Text),
    ListColumn::of("client_id", "client_id", ScalarKind::Text),
    ListColumn::of("name", "client_name", ScalarKind::Text),
    ListColumn::nullable("description", "description", ScalarKind::Text),
    ListColumn::of("status", "status", ScalarKind::Text),
    ListColumn::of("require_authorization_consent", "require_authorization_consent", ScalarKind::Bool),
    ListColumn::of("access_token_ttl_seconds", "access_token_ttl_seconds", ScalarKind::Int),
    ListColumn::of("refresh_token_ttl_seconds", "refresh_token_ttl_seconds", ScalarKind::Int),
    ListColumn::of("created_at", "created_at", ScalarKind::Time),
    ListColumn::of("updated_at", "updated_at", ScalarKind::Time),
];

fn registration(row: &Row) -> Result<Option<Registration>> {
    let stored: Option<serde_json::Value> = row.find("evaluation")?;
    // INVARIANT: only registrations that parsed are stored.
    stored
        .map(Registration::from_value)
        .transpose()
        .map_err(|error| StoreError::Shape { column: "evaluation".to_owned(), found: error.to_string() })
}

impl FromRow for Client {
    fn from_row(row: &Row) -> Result<Self> {
        let algorithm = |column: &str| -> Result<Algorithm> {
            let name: String = row.get(column)?;
            Algorithm::parse(&name).map_err(|_| StoreError::Shape { column: column.to_owned(), found: name })
        };
        let status: String = row.get("status")?;
        let secret: Option<String> = row.find("client_secret")?;
        Ok(Self {
            id: row.get("id")?,
            client_id: row.get("client_id")?,
            name: row.get("client_name")?,
            description: row.find("description")?,
            methods: row.get("client_authentication_methods")?,
            grants: row.get("authorization_grant_types")?,
            redirect_uris: row.get("redirect_uris")?,
            post_logout_redirect_uris: row.get("post_logout_redirect_uris")?,
            scopes: row.get("scopes")?,
            require_proof_key: row.get("require_proof_key")?,
            require_consent: row.get("require_authorization_consent")?,
            status: if status == "ACTIVE" { ClientStatus::Active } else { ClientStatus::Disabled },
            access_token_ttl_seconds: row.get("access_token_ttl_seconds")?,
            refresh_token_ttl_seconds: row.get("refresh_token_ttl_seconds")?,
            id_token_alg: algorithm("id_token_signed_response_alg")?,
            access_token_alg: algorithm("access_token_alg")?,
            audience: row.get("audience")?,
            evaluation: registration(row)?,
            secret_hash: secret.filter(|hash| !hash.is_empty()).map(SecretHash::from_stored),
            created_at: row.get("created_at")?,
            updated_at: row.get("updated_at")?,
            version: row.get("version")?,
        })
    }
}

pub(super) async fn find(rx: &mut Rx, tenant: &TenantId, id: &ClientId) -> Result<Option<Client>> {
    rx.optional(Sql::new(SELECT).push("WHERE tenant_id = ").value(tenant).push(" AND id = ").value(id)).await
}

pub(super) async fn find_by_client_id(
    rx: &mut Rx,
    tenant: &TenantId,
    client_id: &str,
) -> Result<Option<Client>> {
    let sql =
        Sql::new(SELECT).push("WHERE tenant_id = ").value(tenant).push(" AND client_id = ").value(client_id);
    rx.optional(sql).await
}

pub(super) async fn list(
    rx: &mut Rx,
    tenant: &TenantId,
    prefix: Option<&str>,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<Client>> {
    let mut sql = Sql::new(SELECT).push("WHERE tenant_id = ").value(tenant);
    if let Some(prefix) = prefix {
        // A client_id is ASCII without control characters: what begins with the prefix lies before its
        // continuation by the greatest character.
        sql = sql
            .push(" AND client_id >= ")
            .value(prefix)
            .push(" AND client_id < ")
            .value(format!("{prefix}\u{7f}"));
    }
    if let Some(after) = after {
        sql = sql.push(" AND client_id > ").value(after);
    }
    rx.all(sql.push(" ORDER BY client_id LIMIT ").value(i64::from(limit))).await
}

/// One page of a list of clients.
pub(super) async fn page(
    rx: &mut Rx,
    tenant: &TenantId,
    filter: Option<&Filter>,
    order: &[SortKey],
    after: Option<&Position>,
    limit: u32,
) -> Result<Scanned<Client>> {
    let select = Sql::new(SELECT).push("WHERE tenant_id = ").value(tenant);
    let select = match filter {
        Some(filter) => select.filtered(COLUMNS, filter)?,
        None => select,
    };
    store::list::page(rx, &select, &Scan { columns: COLUMNS, order, id: "id", after, limit }).await
}

/// Counts the clients of a list.
pub(super) async fn count(
    rx: &mut Rx,
    tenant: &TenantId,
    filter: Option<&Filter>,
    how: Count,
) -> Result<i64> {
    let from = Sql::new(" FROM oauth2_clients WHERE tenant_id = ").value(tenant);
    let from = match filter {
        Some(filter) => from.filtered(COLUMNS, filter)?,
        None => from,
    };
    match how {
        Count::Exact => store::list::count(rx, &from).await,
        Count::Estimate => store::list::estimate(rx, &from).await,
    }
}

pub(super) async fn insert(tx: &mut Tx, tenant: &TenantId, client: &Client) -> Result<u64> {
    tx.execute(
        Sql::new(
            "INSERT INTO oauth2_clients (id, tenant_id, client_id, client_secret, client_name, description, \
             client_authentication_methods, authorization_grant_types, redirect_uris, post_logout_redirect_uris, \
             scopes, require_proof_key, require_authorization_consent, status, access_token_ttl_seconds, \
             refresh_token_ttl_seconds, id_token_signed_response_alg, access_token_alg, audience, evaluation, \
             created_at, updated_at, version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, \
             $14, $15, $16, $17, $18, $19, $20, $21, $22, $23)",
        )
        .bind(&client.id)
        .bind(tenant)
        .bind(&client.client_id)
        .bind(client.secret_hash.as_ref().map(SecretHash::expose))
        .bind(&client.name)
        .bind(client.description.as_deref())
        .bind(&client.methods)
        .bind(&client.grants)
        .bind(&client.redirect_uris)
        .bind(&client.post_logout_redirect_uris)
        .bind(&client.scopes)
        .bind(client.require_proof_key)
        .bind(client.require_consent)
        .bind(client.status.stored())
        .bind(client.access_token_ttl_seconds)
        .bind(client.refresh_token_ttl_seconds)
        .bind(client.id_token_alg.as_str())
        .bind(client.access_token_alg.as_str())
        .bind(&client.audience)
        .bind(client.evaluation.as_ref().map(Registration::to_value))
        .bind(client.created_at)
        .bind(client.updated_at)
        .bind(client.version),
    )
    .await
}

pub(super) async fn update(tx: &mut Tx, tenant: &TenantId, client: &Client, old_version: i64) -> Result<u64> {
    tx.execute(
        Sql::new(
            "UPDATE oauth2_clients SET client_secret = $4, client_name = $5, description = $6, \
             authorization_grant_types = $7, redirect_uris = $8, post_logout_redirect_uris = $9, scopes = $10, \
             require_authorization_consent = $11, status = $12, access_token_ttl_seconds = $13, \
             refresh_token_ttl_seconds = $14, id_token_signed_response_alg = $15, access_token_alg = $16, \
             audience = $17, updated_at = $18, version = $19, evaluation = $20 WHERE tenant_id = $1 AND id = $2 AND version = $3",
        )
        .bind(tenant)
        .bind(&client.id)
        .bind(old_version)
        .bind(client.secret_hash.as_ref().map(SecretHash::expose))
        .bind(&client.name)
        .bind(client.description.as_deref())
        .bind(&client.grants)
        .bind(&client.redirect_uris)
        .bind(&client.post_logout_redirect_uris)
        .bind(&client.scopes)
        .bind(client.require_consent)
        .bind(client.status.stored())
        .bind(client.access_token_ttl_seconds)
        .bind(client.refresh_token_ttl_seconds)
        .bind(client.id_token_alg.as_str())
        .bind(client.access_token_alg.as_str())
        .bind(&client.audience)
        .bind(client.updated_at)
        .bind(client.version)
        .bind(client.evaluation.as_ref().map(Registration::to_value)),
    )
    .await
}

/// Removes the client and what hangs on it without a foreign key.
pub(super) async fn delete(tx: &mut Tx, tenant: &TenantId, id: &ClientId) -> Result<u64> {
    for statement in [
        "DELETE FROM authorization_codes WHERE tenant_id = $1 AND client_id = $2",
        "DELETE FROM oauth_grants WHERE tenant_id = $1 AND client_id = $2",
    ] {
        tx.execute(Sql::new(statement).bind(tenant).bind(id)).await?;
    }
    tx.execute(Sql::new("DELETE FROM oauth2_clients WHERE tenant_id = $1 AND id = $2").bind(tenant).bind(id))
        .await
}
