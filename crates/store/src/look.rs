//! A connection that only looks at the schema, for `signet migrate status` and `verify`.
//!
//! INVARIANT: it changes nothing and keeps nobody waiting: it makes no file, directory, role or table, takes no
//! lock of the migration runner, and the database itself refuses it a write.

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, PgConnection, SqliteConnection};

use crate::migrate::{self, Applied};
use crate::pool::{Address, login};
use crate::{Backend, Result, Store, StoreError, StoreOptions};

/// How long reading waits for a writer that has locked the whole SQLite file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// An open look at a database.
pub struct Look {
    pub(crate) at: At,
    /// Whether a login that row-level security does not bind is meant.
    pub(crate) allow_superuser: bool,
    label: String,
}

/// What there is to look at.
pub(crate) enum At {
    /// SQLite, and no file: a database that nobody has begun.
    Nothing,
    /// A file.
    Sqlite(SqliteConnection),
    /// A server.
    Postgres(Box<PgConnection>),
}

impl Look {
    /// Opens a look at the database of this address.
    ///
    /// Fails with [`StoreError::Configuration`] on an address of another form and with
    /// [`StoreError::Away`] if the server does not answer.
    pub async fn open(options: &StoreOptions) -> Result<Self> {
        Self::at(Address::parse(&options.url)?, options.allow_superuser).await
    }

    /// Opens a look at the same database beside the store's own connections.
    pub(crate) async fn beside(store: &Store) -> Result<Self> {
        Self::at(store.address(), true).await
    }

    async fn at(address: Address, allow_superuser: bool) -> Result<Self> {
        let label = address.label();
        let at = match address {
            Address::Sqlite(file) if !file.exists() => At::Nothing,
            Address::Sqlite(file) => {
                // Not opened as read-only: such a connection cannot read what a killed process left in the
                // write-ahead log. SQLite itself falls back to reading where the file may not be written.
                let connection = SqliteConnectOptions::new()
                    .filename(&file)
                    .create_if_missing(false)
                    .busy_timeout(BUSY_TIMEOUT)
                    .pragma("query_only", "ON")
                    .pragma("trusted_schema", "OFF")
                    .disable_statement_logging()
                    .connect()
                    .await?;
                At::Sqlite(connection)
            }
            Address::Postgres(options) => At::Postgres(Box::new(connect(*options).await?)),
        };
        Ok(Self { at, allow_superuser, label })
    }

    /// Which database this is.
    pub fn backend(&self) -> Backend {
        match self.at {
            At::Nothing | At::Sqlite(_) => Backend::Sqlite,
            At::Postgres(_) => Backend::Postgres,
        }
    }

    /// Where the database is, without credentials.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The migrations that the database says were applied; none where it knows of no migration.
    ///
    /// Fails with [`StoreError::Configuration`] if the login may not read them.
    pub(crate) async fn applied(&mut self) -> Result<Vec<Applied>> {
        const SQLITE: &str = "SELECT count(*) FROM sqlite_schema WHERE name = 'schema_migrations'";
        match &mut self.at {
            At::Nothing => Ok(Vec::new()),
            At::Sqlite(connection) => {
                let tables: i64 = sqlx::query_scalar(SQLITE).fetch_one(&mut *connection).await?;
                if tables == 0 { Ok(Vec::new()) } else { migrate::applied_sqlite(connection).await }
            }
            At::Postgres(connection) => match may_read_migrations(connection).await? {
                true => migrate::applied_postgres(connection).await,
                false => Ok(Vec::new()),
            },
        }
    }

    /// Closes the connection.
    pub async fn close(self) -> Result<()> {
        match self.at {
            At::Nothing => {}
            At::Sqlite(connection) => connection.close().await?,
            At::Postgres(connection) => connection.close().await?,
        }
        Ok(())
    }
}

/// A connection that may not write, as the owner of all objects where the login may act as such.
async fn connect(options: PgConnectOptions) -> Result<PgConnection> {
    // What the catalogue says of ranges and names depends on these.
    let options = options.options([
        ("default_transaction_read_only", "on"),
        ("statement_timeout", "60000"),
        ("datestyle", "ISO"),
        ("search_path", "public"),
    ]);
    let mut connection = PgConnection::connect_with(&options).await?;
    let login = login::look(&mut connection).await?;
    if login.is_owner() {
        connection.execute("SET ROLE owner").await?;
    }
    Ok(connection)
}

/// Whether there is a table of migrations. Fails if there is one that the login may not read.
async fn may_read_migrations(connection: &mut PgConnection) -> Result<bool> {
    const ASK: &str = "SELECT current_user::text, \
         CASE WHEN c.oid IS NULL THEN NULL ELSE has_schema_privilege(c.relnamespace, 'USAGE') \
             AND has_table_privilege(c.oid, 'SELECT') END \
         FROM (SELECT 1) one LEFT JOIN pg_catalog.pg_class c \
             ON c.relname = 'schema_migrations' AND c.relnamespace = (SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname = 'public')";
    let (login, may_read): (String, Option<bool>) = sqlx::query_as(ASK).fetch_one(connection).await?;
    match may_read {
        None => Ok(false),
        Some(true) => Ok(true),
        Some(false) => Err(StoreError::Configuration(format!(
            "the database login `{login}` may not read schema_migrations: use a login that is a member of \
             `owner`, as `deploy/db/init.sh` makes it, or let the owner run `GRANT SELECT ON schema_migrations \
             TO {login}`"
        ))),
    }
}
