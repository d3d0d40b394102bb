//! A database of PostgreSQL that keeps wrapped tenant keys and nothing else, apart from the main one: whose
//! backups are kept for a shorter time.

use std::time::Duration;

use sqlx::postgres::{PgPool, PgPoolOptions};

use crate::pool::Address;
use crate::{Result, StoreError};

/// Connections at most: keys are fetched rarely, and then kept.
const CONNECTIONS_MAX: u32 = 4;
/// How long a request waits for one of them.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

const MAKE: &str = "CREATE TABLE IF NOT EXISTS signet_tenant_keys ( \
     tenant_id varchar(64) COLLATE \"C\" NOT NULL, \
     wrapped bytea NOT NULL, \
     created_at timestamptz NOT NULL DEFAULT clock_timestamp(), \
     CONSTRAINT signet_tenant_keys_pkey PRIMARY KEY (tenant_id))";

/// The database of tenant keys. Cheap to clone.
#[derive(Clone)]
pub struct KeyDatabase(PgPool);

impl KeyDatabase {
    /// Opens the database at an address `postgres://…` and makes its table if it is missing.
    ///
    /// Fails with [`StoreError::Configuration`] on an address of another form and for a database that is the main
    /// one of some installation, and with [`StoreError::Away`] if the server does not answer.
    pub async fn open(url: &str) -> Result<Self> {
        let Address::Postgres(options) = Address::parse(url)? else {
            return Err(StoreError::Configuration(
                "the key store is a directory, or a database whose address begins with `postgres://`"
                    .to_owned(),
            ));
        };
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS_MAX)
            .min_connections(0)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_with(options.options([("statement_timeout", "10000")]))
            .await?;
        let is_main: bool = sqlx::query_scalar("SELECT to_regclass('public.kms_data_keys') IS NOT NULL")
            .fetch_one(&pool)
            .await?;
        if is_main {
            return Err(StoreError::Configuration(
                "`key_store` names a database of Signet's own: tenant keys there would be in its backups; make another \
                 database for them, or leave the setting out"
                    .to_owned(),
            ));
        }
        // Two nodes that make it at once: one of them may meet the other's row in the catalogue.
        if let Err(error) = sqlx::query(MAKE).execute(&pool).await
            && sqlx::query(MAKE).execute(&pool).await.is_err()
        {
            return Err(error.into());
        }
        Ok(Self(pool))
    }

    /// The wrapped key of this name.
    pub async fn get(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let sql = "SELECT wrapped FROM signet_tenant_keys WHERE tenant_id = $1";
        Ok(sqlx::query_scalar(sql).bind(name).fetch_optional(&self.0).await?)
    }

    /// Keeps a key unless one of this name is there. True if it was kept.
    pub async fn put_unless_there(&self, name: &str, wrapped: &[u8]) -> Result<bool> {
        let sql =
            "INSERT INTO signet_tenant_keys (tenant_id, wrapped) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        Ok(sqlx::query(sql).bind(name).bind(wrapped).execute(&self.0).await?.rows_affected() == 1)
    }

    /// Removes a key. True if there was one.
    pub async fn remove(&self, name: &str) -> Result<bool> {
        let sql = "DELETE FROM signet_tenant_keys WHERE tenant_id = $1";
        Ok(sqlx::query(sql).bind(name).execute(&self.0).await?.rows_affected() == 1)
    }
}
