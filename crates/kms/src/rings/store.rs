//! All SQL about key rings and data keys.
//!
//! `''` stands for the platform, as in the unique indexes.

use authz::{Rx, Tx};
use base::Timestamp;
use base::id::TenantId;
use store::{FromRow, Row, Sql, StoreError};

use super::machine::{KeyVersion, Status};
use super::{ActiveKey, DataKey, Reference, Ring};
use crate::{Algorithm, Error, Result};

const RING: &str = "SELECT r.id, r.tenant_id, r.name, r.purpose, r.algorithm, r.rotation_interval_seconds, \
     r.grace_seconds, r.uses_max, r.min_decryption_version, r.last_version, r.destroy_at, r.version, r.created_at, \
     r.updated_at, k.id AS key_id, k.version AS key_version, k.algorithm AS key_algorithm, k.status AS key_status, \
     k.encrypted_key AS wrapped, k.expires_at AS expires_at, d.activated_at AS activated_at, \
     d.uses_reserved AS uses_reserved FROM kms_key_rings r LEFT JOIN kms_data_keys k \
     ON coalesce(k.tenant_id, '') = coalesce(r.tenant_id, '') AND k.key_name = r.name";
const RING_OF_KEY: &str =
    " LEFT JOIN kms_key_details d ON d.key_id = k.id WHERE coalesce(r.tenant_id, '') = ";
const KEY: &str = "SELECT k.id, k.version, k.algorithm, k.key_hash, k.status, k.created_at, k.updated_at, \
     k.expires_at, coalesce(d.uses_reserved, 0) AS uses_reserved, d.activated_at, d.revoked_at, d.revoke_reason, \
     d.destroy_at FROM kms_data_keys k LEFT JOIN kms_key_details d ON d.key_id = k.id \
     WHERE coalesce(k.tenant_id, '') = ";

/// How a tenant, or the platform, stands in a condition.
pub(crate) fn scope(tenant: Option<&TenantId>) -> &str {
    tenant.map_or("", TenantId::as_str)
}

fn shape(column: &str, found: impl ToString) -> StoreError {
    StoreError::Shape { column: column.to_owned(), found: found.to_string() }
}

fn algorithm(row: &Row, column: &str) -> store::Result<Algorithm> {
    let name: String = row.get(column)?;
    Algorithm::parse(&name).ok_or_else(|| shape(column, name))
}

fn status(row: &Row, column: &str) -> store::Result<Status> {
    let word: String = row.get(column)?;
    Status::parse(&word).ok_or_else(|| shape(column, word))
}

fn version(row: &Row, column: &str) -> store::Result<KeyVersion> {
    let number: i64 = row.get(column)?;
    KeyVersion::from_stored(number).ok_or_else(|| shape(column, number))
}

impl FromRow for Ring {
    fn from_row(row: &Row) -> store::Result<Self> {
        let last_version: i64 = row.get("last_version")?;
        let active = match row.find::<i64>("key_version")? {
            Some(_) if status(row, "key_status")? == Status::Active => Some(ActiveKey {
                version: version(row, "key_version")?,
                activated_at: row.find("activated_at")?,
                expires_at: row.find("expires_at")?,
                uses_reserved: row.find("uses_reserved")?.unwrap_or(0),
            }),
            _ => None,
        };
        Ok(Self {
            id: row.get("id")?,
            tenant_id: row.find("tenant_id")?,
            name: row.get("name")?,
            purpose: row.get("purpose")?,
            algorithm: algorithm(row, "algorithm")?,
            rotation_interval_seconds: row.find("rotation_interval_seconds")?,
            grace_seconds: row.get("grace_seconds")?,
            uses_max: row.get("uses_max")?,
            min_decryption_version: version(row, "min_decryption_version")?,
            last_version: u32::try_from(last_version).map_err(|_| shape("last_version", last_version))?,
            active,
            destroy_at: row.find("destroy_at")?,
            version: row.get("version")?,
            created_at: row.get("created_at")?,
            updated_at: row.get("updated_at")?,
        })
    }
}

impl FromRow for DataKey {
    fn from_row(row: &Row) -> store::Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            version: version(row, "version")?,
            algorithm: algorithm(row, "algorithm")?,
            key_hash: row.get("key_hash")?,
            status: status(row, "status")?,
            uses_reserved: row.get("uses_reserved")?,
            created_at: row.get("created_at")?,
            updated_at: row.get("updated_at")?,
            activated_at: row.find("activated_at")?,
            expires_at: row.find("expires_at")?,
            revoked_at: row.find("revoked_at")?,
            revoke_reason: row.find("revoke_reason")?,
            destroy_at: row.find("destroy_at")?,
        })
    }
}

/// A ring with one of its keys as whoever uses it needs them.
pub(crate) struct UsedRing {
    pub(crate) ring: Ring,
    pub(crate) key: Option<UsedKey>,
}

/// A data key with its wrapped bytes.
pub(crate) struct UsedKey {
    pub(crate) id: String,
    pub(crate) version: KeyVersion,
    pub(crate) algorithm: Algorithm,
    pub(crate) status: Status,
    pub(crate) wrapped: Vec<u8>,
}

impl FromRow for UsedRing {
    fn from_row(row: &Row) -> store::Result<Self> {
        let key = match row.find::<String>("key_id")? {
            None => None,
            Some(id) => Some(UsedKey {
                id,
                version: version(row, "key_version")?,
                algorithm: algorithm(row, "key_algorithm")?,
                status: status(row, "key_status")?,
                wrapped: row.get("wrapped")?,
            }),
        };
        Ok(Self { ring: Ring::from_row(row)?, key })
    }
}

/// The ring with its active key.
pub(crate) async fn find_active(
    rx: &mut Rx,
    tenant: Option<&TenantId>,
    name: &str,
) -> store::Result<Option<UsedRing>> {
    let sql = Sql::new(RING).push(" AND k.status = 'active'").push(RING_OF_KEY).value(scope(tenant));
    rx.optional(sql.push(" AND r.name = ").value(name)).await
}

/// The ring with its key of this version.
pub(crate) async fn find_version(
    rx: &mut Rx,
    tenant: Option<&TenantId>,
    name: &str,
    version: KeyVersion,
) -> store::Result<Option<UsedRing>> {
    let sql = Sql::new(RING).push(" AND k.version = ").value(version.stored());
    let sql = sql.push(RING_OF_KEY).value(scope(tenant)).push(" AND r.name = ").value(name);
    rx.optional(sql).await
}

pub(super) async fn find_ring(
    rx: &mut Rx,
    tenant: Option<&TenantId>,
    name: &str,
) -> store::Result<Option<Ring>> {
    let sql = Sql::new(RING).push(" AND k.status = 'active'").push(RING_OF_KEY).value(scope(tenant));
    rx.optional(sql.push(" AND r.name = ").value(name)).await
}

/// All rings of a tenant, or of the platform, by name.
pub(super) async fn list_rings(
    rx: &mut Rx,
    tenant: Option<&TenantId>,
    limit: i64,
) -> store::Result<Vec<Ring>> {
    let sql = Sql::new(RING).push(" AND k.status = 'active'").push(RING_OF_KEY).value(scope(tenant));
    rx.all(sql.push(" ORDER BY r.name LIMIT ").value(limit)).await
}

pub(crate) async fn count_rings(rx: &mut Rx, tenant: Option<&TenantId>) -> store::Result<i64> {
    let sql = Sql::new("SELECT count(*) AS n FROM kms_key_rings WHERE coalesce(tenant_id, '') = $1");
    rx.one(sql.bind(scope(tenant))).await
}

/// Whether a tenant, or the platform, has any data key.
pub(super) async fn has_keys(rx: &mut Rx, tenant: Option<&TenantId>) -> store::Result<bool> {
    let sql = Sql::new("SELECT id FROM kms_data_keys WHERE coalesce(tenant_id, '') = $1 LIMIT 1");
    Ok(rx.optional::<String>(sql.bind(scope(tenant))).await?.is_some())
}

pub(super) async fn insert_ring(tx: &mut Tx, ring: &Ring) -> Result<()> {
    let sql = Sql::new(
        "INSERT INTO kms_key_rings (id, tenant_id, name, purpose, algorithm, rotation_interval_seconds, \
         grace_seconds, uses_max, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)",
    )
    .bind(&ring.id)
    .bind(ring.tenant_id.as_ref())
    .bind(&ring.name)
    .bind(&ring.purpose)
    .bind(ring.algorithm.name())
    .bind(ring.rotation_interval_seconds)
    .bind(ring.grace_seconds)
    .bind(ring.uses_max)
    .bind(ring.created_at);
    tx.execute(sql).await.map_err(|error| match error {
        error if error.is_unique("uq_kms_key_rings_tenant_id_name") => Error::Taken(ring.name.clone()),
        error => error.into(),
    })?;
    Ok(())
}

/// Locks a ring until the end of the transaction and counts a change of it. None if there is no such ring.
pub(super) async fn lock_ring(
    tx: &mut Tx,
    tenant: Option<&TenantId>,
    name: &str,
    now: Timestamp,
) -> store::Result<Option<Ring>> {
    let sql = Sql::new(
        "UPDATE kms_key_rings SET version = version + 1, updated_at = $3 \
         WHERE coalesce(tenant_id, '') = $1 AND name = $2",
    );
    if tx.execute(sql.bind(scope(tenant)).bind(name).bind(now)).await? == 0 {
        return Ok(None);
    }
    find_ring(tx, tenant, name).await
}

/// Writes what of a locked ring can be changed.
pub(super) async fn update_ring(tx: &mut Tx, ring: &Ring) -> store::Result<()> {
    let sql = Sql::new(
        "UPDATE kms_key_rings SET purpose = $2, algorithm = $3, rotation_interval_seconds = $4, grace_seconds = $5, \
         uses_max = $6, min_decryption_version = $7, destroy_at = $8 WHERE id = $1",
    )
    .bind(&ring.id)
    .bind(&ring.purpose)
    .bind(ring.algorithm.name())
    .bind(ring.rotation_interval_seconds)
    .bind(ring.grace_seconds)
    .bind(ring.uses_max)
    .bind(ring.min_decryption_version.stored())
    .bind(ring.destroy_at);
    tx.execute(sql).await?;
    Ok(())
}

pub(super) async fn count_keys(rx: &mut Rx, ring: &Ring) -> store::Result<i64> {
    let sql = Sql::new(
        "SELECT count(*) AS n FROM kms_data_keys WHERE coalesce(tenant_id, '') = $1 AND key_name = $2",
    );
    rx.one(sql.bind(scope(ring.tenant_id.as_ref())).bind(&ring.name)).await
}

/// Adds an inactive key, whose number is the ring's highest from then on.
pub(super) async fn insert_key(tx: &mut Tx, ring: &Ring, key: &DataKey, wrapped: &[u8]) -> store::Result<()> {
    let row = Sql::new(
        "INSERT INTO kms_data_keys (id, tenant_id, key_name, version, algorithm, encrypted_key, key_hash, status, \
         created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, 'inactive', $8, $8)",
    )
    .bind(&key.id)
    .bind(ring.tenant_id.as_ref())
    .bind(&ring.name)
    .bind(key.version.stored())
    .bind(key.algorithm.name())
    .bind(wrapped)
    .bind(&key.key_hash)
    .bind(key.created_at);
    tx.execute(row).await?;
    let details = Sql::new("INSERT INTO kms_key_details (key_id, tenant_id) VALUES ($1, $2)");
    tx.execute(details.bind(&key.id).bind(ring.tenant_id.as_ref())).await?;
    let highest = Sql::new("UPDATE kms_key_rings SET last_version = $2 WHERE id = $1");
    tx.execute(highest.bind(&ring.id).bind(key.version.stored())).await?;
    Ok(())
}

/// Changes the status of a key that has this one. False if it has another.
pub(super) async fn set_status(
    tx: &mut Tx,
    id: &str,
    from: Status,
    to: Status,
    now: Timestamp,
) -> store::Result<bool> {
    let sql = Sql::new("UPDATE kms_data_keys SET status = $3, updated_at = $4 WHERE id = $1 AND status = $2");
    Ok(tx.execute(sql.bind(id).bind(from.word()).bind(to.word()).bind(now)).await? == 1)
}

/// Notes since when a key is active, and until when.
pub(super) async fn set_times(
    tx: &mut Tx,
    id: &str,
    activated_at: Timestamp,
    expires_at: Option<Timestamp>,
) -> store::Result<()> {
    let sql = Sql::new("UPDATE kms_data_keys SET expires_at = $2 WHERE id = $1");
    tx.execute(sql.bind(id).bind(expires_at)).await?;
    let sql = Sql::new("UPDATE kms_key_details SET activated_at = $2 WHERE key_id = $1");
    tx.execute(sql.bind(id).bind(activated_at)).await?;
    Ok(())
}

/// Notes when and why a key was revoked.
pub(super) async fn note_revoked(tx: &mut Tx, id: &str, at: Timestamp, reason: &str) -> store::Result<()> {
    let sql = Sql::new("UPDATE kms_key_details SET revoked_at = $2, revoke_reason = $3 WHERE key_id = $1");
    tx.execute(sql.bind(id).bind(at).bind(reason)).await?;
    Ok(())
}

/// Says when a key goes, or that it stays.
pub(super) async fn set_destroy_at(tx: &mut Tx, id: &str, at: Option<Timestamp>) -> store::Result<()> {
    let sql = Sql::new("UPDATE kms_key_details SET destroy_at = $2 WHERE key_id = $1");
    tx.execute(sql.bind(id).bind(at)).await?;
    Ok(())
}

/// Takes so many uses of a key, if that many are left. False if not.
pub(crate) async fn reserve(tx: &mut Tx, id: &str, uses: i64, uses_max: i64) -> store::Result<bool> {
    let sql = Sql::new(
        "UPDATE kms_key_details SET uses_reserved = uses_reserved + $2 \
         WHERE key_id = $1 AND uses_reserved + $2 <= $3",
    );
    Ok(tx.execute(sql.bind(id).bind(uses).bind(uses_max)).await? == 1)
}

pub(super) async fn find_key(
    rx: &mut Rx,
    ring: &Ring,
    version: KeyVersion,
) -> store::Result<Option<DataKey>> {
    let sql =
        Sql::new(KEY).value(scope(ring.tenant_id.as_ref())).push(" AND k.key_name = ").value(&ring.name);
    rx.optional(sql.push(" AND k.version = ").value(version.stored())).await
}

pub(super) async fn find_active_key(rx: &mut Rx, ring: &Ring) -> store::Result<Option<DataKey>> {
    let sql =
        Sql::new(KEY).value(scope(ring.tenant_id.as_ref())).push(" AND k.key_name = ").value(&ring.name);
    rx.optional(sql.push(" AND k.status = 'active'")).await
}

/// Keys of a ring below a version, newest first.
pub(super) async fn list_keys(
    rx: &mut Rx,
    tenant: Option<&TenantId>,
    name: &str,
    below: Option<i64>,
    limit: i64,
) -> store::Result<Vec<DataKey>> {
    let sql = Sql::new(KEY).value(scope(tenant)).push(" AND k.key_name = ").value(name);
    let sql = match below {
        Some(below) => sql.push(" AND k.version < ").value(below),
        None => sql,
    };
    rx.all(sql.push(" ORDER BY k.version DESC LIMIT ").value(limit)).await
}

impl FromRow for Reference {
    fn from_row(row: &Row) -> store::Result<Self> {
        Ok(Self { holder: row.get("holder")?, items: row.get("items")?, updated_at: row.get("updated_at")? })
    }
}

/// Who holds values under a key, by name.
pub(super) async fn references(rx: &mut Rx, id: &str, limit: i64) -> store::Result<Vec<Reference>> {
    let sql = Sql::new(
        "SELECT holder, items, updated_at FROM kms_key_references WHERE key_id = $1 ORDER BY holder LIMIT $2",
    );
    rx.all(sql.bind(id).bind(limit)).await
}

/// How many values are held under the keys of a ring.
pub(super) async fn count_references(rx: &mut Rx, ring: &Ring) -> store::Result<i64> {
    let sql = Sql::new(
        "SELECT count(*) AS n FROM kms_key_references f JOIN kms_data_keys k ON k.id = f.key_id \
         WHERE coalesce(k.tenant_id, '') = $1 AND k.key_name = $2",
    );
    rx.one(sql.bind(scope(ring.tenant_id.as_ref())).bind(&ring.name)).await
}

pub(super) async fn set_reference(
    tx: &mut Tx,
    tenant: Option<&TenantId>,
    id: &str,
    reference: &Reference,
) -> store::Result<()> {
    let sql = Sql::new(
        "INSERT INTO kms_key_references (key_id, holder, tenant_id, items, updated_at) \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (key_id, holder) DO UPDATE \
         SET items = excluded.items, updated_at = excluded.updated_at",
    )
    .bind(id)
    .bind(&reference.holder)
    .bind(tenant)
    .bind(reference.items)
    .bind(reference.updated_at);
    tx.execute(sql).await?;
    Ok(())
}

pub(super) async fn remove_reference(tx: &mut Tx, id: &str, holder: &str) -> store::Result<u64> {
    let sql = Sql::new("DELETE FROM kms_key_references WHERE key_id = $1 AND holder = $2");
    tx.execute(sql.bind(id).bind(holder)).await
}

/// Removes a revoked key. False if it is not revoked.
pub(super) async fn remove_key(tx: &mut Tx, id: &str) -> store::Result<bool> {
    let sql = Sql::new("DELETE FROM kms_data_keys WHERE id = $1 AND status = 'revoked'");
    Ok(tx.execute(sql.bind(id)).await? == 1)
}

/// Removes a ring with its keys.
pub(super) async fn remove_ring(tx: &mut Tx, ring: &Ring) -> store::Result<u64> {
    let sql = Sql::new("DELETE FROM kms_data_keys WHERE coalesce(tenant_id, '') = $1 AND key_name = $2");
    let keys = tx.execute(sql.bind(scope(ring.tenant_id.as_ref())).bind(&ring.name)).await?;
    tx.execute(Sql::new("DELETE FROM kms_key_rings WHERE id = $1").bind(&ring.id)).await?;
    Ok(keys)
}

/// A ring that something is due of, and the version of the key that it is due of.
pub(super) struct Due {
    pub(super) tenant: Option<TenantId>,
    pub(super) ring: String,
    pub(super) version: Option<KeyVersion>,
}

impl FromRow for Due {
    fn from_row(row: &Row) -> store::Result<Self> {
        let version = match row.find::<i64>("version")? {
            None => None,
            Some(number) => Some(KeyVersion::from_stored(number).ok_or_else(|| shape("version", number))?),
        };
        Ok(Self { tenant: row.find("tenant_id")?, ring: row.get("name")?, version })
    }
}

/// Whose rings are looked at: those of one scope (`''` is the platform), or everybody's.
fn of(sql: Sql, only: Option<&str>, column: &'static str) -> Sql {
    match only {
        Some(scope) => sql.push(" AND coalesce(").push(column).push(", '') = ").value(scope),
        None => sql,
    }
}

/// Rings whose active key is over, or spent.
pub(super) async fn due_rotations(
    rx: &mut Rx,
    only: Option<&str>,
    now: Timestamp,
    limit: i64,
) -> store::Result<Vec<Due>> {
    let sql = Sql::new(
        "SELECT r.tenant_id, r.name, k.version FROM kms_data_keys k JOIN kms_key_rings r \
         ON coalesce(r.tenant_id, '') = coalesce(k.tenant_id, '') AND r.name = k.key_name \
         LEFT JOIN kms_key_details d ON d.key_id = k.id \
         WHERE k.status = 'active' AND r.destroy_at IS NULL AND (k.expires_at <= ",
    )
    .value(now)
    .push(" OR d.uses_reserved >= r.uses_max)");
    rx.all(of(sql, only, "k.tenant_id").push(" ORDER BY k.expires_at, k.id LIMIT ").value(limit)).await
}

/// Keys whose waiting period is over.
pub(super) async fn due_destructions(
    rx: &mut Rx,
    only: Option<&str>,
    now: Timestamp,
    limit: i64,
) -> store::Result<Vec<Due>> {
    let sql = Sql::new(
        "SELECT k.tenant_id, k.key_name AS name, k.version FROM kms_key_details d \
         JOIN kms_data_keys k ON k.id = d.key_id WHERE d.destroy_at <= ",
    )
    .value(now)
    .push(" AND NOT EXISTS (SELECT 1 FROM kms_key_references f WHERE f.key_id = k.id)");
    rx.all(of(sql, only, "k.tenant_id").push(" ORDER BY d.destroy_at, k.id LIMIT ").value(limit)).await
}

/// Rings whose waiting period is over.
pub(super) async fn due_deletions(
    rx: &mut Rx,
    only: Option<&str>,
    now: Timestamp,
    limit: i64,
) -> store::Result<Vec<Due>> {
    let sql = Sql::new(
        "SELECT r.tenant_id, r.name, CAST(NULL AS bigint) AS version FROM kms_key_rings r WHERE r.destroy_at <= ",
    )
    .value(now)
    .push(
        " AND NOT EXISTS (SELECT 1 FROM kms_key_references f JOIN kms_data_keys k ON k.id = f.key_id \
         WHERE coalesce(k.tenant_id, '') = coalesce(r.tenant_id, '') AND k.key_name = r.name)",
    );
    rx.all(of(sql, only, "r.tenant_id").push(" ORDER BY r.destroy_at, r.id LIMIT ").value(limit)).await
}

/// How many keys there are of a status and an algorithm.
pub(super) struct Counted {
    pub(super) status: Status,
    pub(super) algorithm: Algorithm,
    pub(super) keys: i64,
    pub(super) over: i64,
    pub(super) earliest: Timestamp,
    pub(super) latest: Timestamp,
}

impl FromRow for Counted {
    fn from_row(row: &Row) -> store::Result<Self> {
        Ok(Self {
            status: status(row, "status")?,
            algorithm: algorithm(row, "algorithm")?,
            keys: row.get("keys")?,
            over: row.get("over_keys")?,
            earliest: row.get("earliest")?,
            latest: row.get("latest")?,
        })
    }
}

/// The figures of the view `kms_key_stats`, of one tenant or of the platform.
pub(super) async fn statistics(
    rx: &mut Rx,
    tenant: Option<&TenantId>,
    now: Timestamp,
) -> store::Result<Vec<Counted>> {
    let sql = Sql::new(
        "SELECT status, algorithm, count(*) AS keys, min(created_at) AS earliest, max(created_at) AS latest, \
         count(CASE WHEN expires_at < $2 THEN 1 END) AS over_keys FROM kms_data_keys \
         WHERE coalesce(tenant_id, '') = $1 GROUP BY status, algorithm ORDER BY status, algorithm",
    );
    rx.all(sql.bind(scope(tenant)).bind(now)).await
}
