//! The pools, a connection to read with, and a transaction to write with.

mod address;
pub(crate) mod login;
mod postgres;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base::Timestamp;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgRow};
use sqlx::sqlite::{
    SqliteArguments, SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow,
    SqliteSynchronous,
};
use sqlx::types::Json;
use sqlx::{
    Arguments as _, AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, PgConnection,
};
use sqlx::{Sqlite, SqlitePool, Transaction};

pub(crate) use self::address::Address;
use self::postgres::{Connections, Lease};
use crate::audit::AuditRow;
use crate::changes::{self, CHANGES_MAX, Change};
use crate::value::RowOf;
use crate::{FromRow, Result, Row, Sql, StoreError, Value};

/// How long a request waits for a connection or for its turn at the writer.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// PostgreSQL connections that only load what decisions are made by, besides the others.
const DECISION_CONNECTIONS_MAX: u32 = 2;
/// Readers of one SQLite file.
const SQLITE_READERS_MAX: u32 = 8;

/// Which database a store speaks to. For start-up messages and for the few files of this crate that
/// differ by database; nothing else asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// An embedded file.
    Sqlite,
    /// A server.
    Postgres,
}

/// Where the database is and how many connections it may have.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// `sqlite:PATH` or `postgres://user:password@host:port/database?sslmode=…`.
    pub url: String,
    /// PostgreSQL connections at most.
    pub connections_max: u32,
    /// Whether a PostgreSQL login may be one that row-level security does not bind.
    pub allow_superuser: bool,
}

impl StoreOptions {
    /// Options with the default of ten connections.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), connections_max: 10, allow_superuser: false }
    }
}

/// Whose rows a connection may see. On PostgreSQL row-level security holds it, as a second wall behind the
/// statements' own conditions; on SQLite those stand alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope<'a> {
    /// One tenant's.
    Tenant(&'a str),
    /// All tenants' and the platform's.
    Platform,
}

/// A database: cheap to clone.
#[derive(Clone)]
pub struct Store(Arc<Pools>);

enum Pools {
    Sqlite { readers: SqlitePool, writer: SqlitePool, file: PathBuf },
    Postgres { connections: Connections, decisions: Connections, options: Box<PgConnectOptions> },
}

impl Store {
    /// Opens the database; SQLite's file is created if absent, in a directory that exists.
    ///
    /// Fails with [`StoreError::Configuration`] on an address of another form and with
    /// [`StoreError::Away`] if the server does not answer.
    pub async fn open(options: &StoreOptions) -> Result<Self> {
        match Address::parse(&options.url)? {
            Address::Sqlite(file) => Self::open_sqlite(file).await,
            Address::Postgres(connect) => Self::open_postgres(*connect, options).await,
        }
    }

    async fn open_sqlite(file: PathBuf) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(&file)
            .journal_mode(SqliteJournalMode::Wal)
            // FULL: a commit that was acknowledged survives a power cut, not only a crash (see the ADR).
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(ACQUIRE_TIMEOUT)
            .pragma("cache_size", "-8000")
            .pragma("trusted_schema", "OFF")
            .statement_cache_capacity(256)
            .disable_statement_logging();
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .min_connections(1)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            // Setting this takes a write lock: a reader that opens while someone writes would wait for it.
            .connect_with(options.clone().auto_vacuum(SqliteAutoVacuum::Incremental).create_if_missing(true))
            .await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(SQLITE_READERS_MAX)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .test_before_acquire(false)
            .connect_with(options.create_if_missing(false).pragma("query_only", "ON"))
            .await?;
        Ok(Self(Arc::new(Pools::Sqlite { readers, writer, file })))
    }

    async fn open_postgres(connect: PgConnectOptions, options: &StoreOptions) -> Result<Self> {
        let connect = connect
            .statement_cache_capacity(256)
            .options([("statement_timeout", "30000"), ("lock_timeout", "10000")]);
        login::check(&connect, options.allow_superuser).await?;
        let connections = Connections::new(connect.clone(), options.connections_max.max(2));
        let decisions = Connections::new(connect.clone(), DECISION_CONNECTIONS_MAX);
        Ok(Self(Arc::new(Pools::Postgres { connections, decisions, options: Box::new(connect) })))
    }

    /// Which database this is.
    pub fn backend(&self) -> Backend {
        match *self.0 {
            Pools::Sqlite { .. } => Backend::Sqlite,
            Pools::Postgres { .. } => Backend::Postgres,
        }
    }

    /// Where the database is, without credentials: for start-up messages.
    pub fn label(&self) -> String {
        self.address().label()
    }

    /// Takes a connection to read with. Use `authz`'s `Cx::read` instead: it asks for a permit.
    pub async fn begin_read(&self, scope: Scope<'_>) -> Result<Rx> {
        let conn = match &*self.0 {
            Pools::Sqlite { readers, .. } => Conn::Sqlite(readers.acquire().await?),
            Pools::Postgres { connections, .. } => Conn::Postgres(connections.take(scope).await?),
        };
        Ok(Rx { conn })
    }

    /// Takes a connection for what a decision must load, which may happen while a transaction of the same
    /// request is open.
    ///
    /// INVARIANT: whoever holds one of these waits for no other connection; so transactions that wait for
    /// one never wait for each other.
    pub async fn begin_decision_read(&self, scope: Scope<'_>) -> Result<Rx> {
        let conn = match &*self.0 {
            Pools::Sqlite { readers, .. } => Conn::Sqlite(readers.acquire().await?),
            Pools::Postgres { decisions, .. } => Conn::Postgres(decisions.take(scope).await?),
        };
        Ok(Rx { conn })
    }

    /// Takes a connection as [`Store::begin_decision_read`] does. All that is read with it is of one instant.
    pub async fn begin_decision_snapshot(&self, scope: Scope<'_>) -> Result<Rx> {
        let conn = match &*self.0 {
            Pools::Sqlite { readers, .. } => Conn::SqliteTx(readers.begin().await?),
            Pools::Postgres { decisions, .. } => {
                let mut lease = decisions.take(scope).await?;
                lease.begin_snapshot().await?;
                Conn::Postgres(lease)
            }
        };
        Ok(Rx { conn })
    }

    /// Begins a write transaction. Use `authz`'s `Cx::write` instead: it asks for a permit.
    ///
    /// On SQLite this is `BEGIN IMMEDIATE` on the one writer, waited for at most five seconds.
    /// Where `tables` is given, debug builds refuse to write any other table in it.
    pub async fn begin_write(&self, scope: Scope<'_>, tables: Option<&'static [&'static str]>) -> Result<Tx> {
        let conn = match &*self.0 {
            Pools::Sqlite { writer, .. } => Conn::SqliteTx(writer.begin_with("BEGIN IMMEDIATE").await?),
            Pools::Postgres { connections, .. } => {
                let mut lease = connections.take(scope).await?;
                lease.begin().await?;
                Conn::Postgres(lease)
            }
        };
        Ok(Tx { rx: Rx { conn }, tables, events: Vec::new(), bumps: BTreeMap::new() })
    }

    /// Closes the pools; what is in flight finishes first. SQLite's write-ahead log is folded in.
    pub async fn close(&self) {
        match &*self.0 {
            Pools::Sqlite { readers, writer, .. } => {
                readers.close().await;
                if let Err(error) = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(writer).await {
                    tracing::warn!(%error, "the write-ahead log was not folded into the database");
                }
                writer.close().await;
            }
            Pools::Postgres { connections, decisions, .. } => {
                decisions.close().await;
                connections.close().await;
            }
        }
    }

    /// The pool of SQLite's writer, for the migration runner.
    pub(crate) fn sqlite_writer(&self) -> Option<&SqlitePool> {
        match &*self.0 {
            Pools::Sqlite { writer, .. } => Some(writer),
            Pools::Postgres { .. } => None,
        }
    }

    /// A connection to PostgreSQL of its own, as the login and no role: for what belongs to no pool.
    pub(crate) async fn postgres_login(&self) -> Result<Option<PgConnection>> {
        match &*self.0 {
            Pools::Sqlite { .. } => Ok(None),
            Pools::Postgres { options, .. } => Ok(Some(PgConnection::connect_with(options).await?)),
        }
    }

    /// Where a second connection goes that only looks.
    pub(crate) fn address(&self) -> Address {
        match &*self.0 {
            Pools::Sqlite { file, .. } => Address::Sqlite(file.clone()),
            Pools::Postgres { options, .. } => Address::Postgres(options.clone()),
        }
    }

    /// A connection to PostgreSQL as the owner of all objects, for the migration runner.
    pub(crate) async fn postgres_owner(&self) -> Result<Option<PgConnection>> {
        match &*self.0 {
            Pools::Sqlite { .. } => Ok(None),
            Pools::Postgres { options, .. } => Ok(Some(login::owner_session(options).await?)),
        }
    }
}

/// A connection, inside a transaction or not.
enum Conn {
    Sqlite(PoolConnection<Sqlite>),
    SqliteTx(Transaction<'static, Sqlite>),
    Postgres(Lease),
}

/// A connection to read with.
pub struct Rx {
    conn: Conn,
}

impl Rx {
    /// Which database answers, for the few files of this crate that differ by it.
    pub(crate) fn backend(&self) -> Backend {
        match self.conn {
            Conn::Sqlite(_) | Conn::SqliteTx(_) => Backend::Sqlite,
            Conn::Postgres(_) => Backend::Postgres,
        }
    }

    /// Ends a read of one instant; dropped, it ends too, a moment later.
    pub async fn end(self) -> Result<()> {
        match self.conn {
            Conn::SqliteTx(tx) => tx.rollback().await?,
            Conn::Postgres(mut lease) => lease.rollback().await?,
            Conn::Sqlite(_) => {}
        }
        Ok(())
    }

    /// Runs a statement and reads its first row, if it has one.
    pub async fn optional<T: FromRow>(&mut self, sql: Sql) -> Result<Option<T>> {
        self.first(sql).await?.map(|row| T::from_row(&row)).transpose()
    }

    /// Runs a statement and reads its one row. Fails with [`StoreError::Shape`] if there is none.
    pub async fn one<T: FromRow>(&mut self, sql: Sql) -> Result<T> {
        self.optional(sql).await?.ok_or_else(|| StoreError::Shape {
            column: "*".to_owned(),
            found: "no row where one must be".to_owned(),
        })
    }

    /// Runs a statement and reads all its rows. The statement carries its own LIMIT.
    pub async fn all<T: FromRow>(&mut self, sql: Sql) -> Result<Vec<T>> {
        self.rows(sql).await?.iter().map(T::from_row).collect()
    }

    /// The first row. Apart from [`Self::optional`] so that the drivers' code is compiled once, not once a type.
    async fn first(&mut self, sql: Sql) -> Result<Option<Row>> {
        let text = AssertSqlSafe(sql.text);
        let row = match &mut self.conn {
            Conn::Sqlite(conn) => {
                let query = sqlx::query_with(text, sqlite_arguments(sql.values)?);
                conn.fetch_optional(query).await?.map(RowOf::Sqlite)
            }
            Conn::SqliteTx(tx) => {
                let query = sqlx::query_with(text, sqlite_arguments(sql.values)?);
                tx.fetch_optional(query).await?.map(RowOf::Sqlite)
            }
            Conn::Postgres(lease) => {
                let query = sqlx::query_with(text, postgres_arguments(sql.values)?);
                lease.fetch_optional(query).await?.map(RowOf::Postgres)
            }
        };
        Ok(row.map(Row))
    }

    /// All rows, as [`Self::first`].
    pub(crate) async fn rows(&mut self, sql: Sql) -> Result<Vec<Row>> {
        let text = AssertSqlSafe(sql.text);
        let sqlite = |rows: Vec<SqliteRow>| rows.into_iter().map(|row| Row(RowOf::Sqlite(row))).collect();
        let postgres = |rows: Vec<PgRow>| rows.into_iter().map(|row| Row(RowOf::Postgres(row))).collect();
        Ok(match &mut self.conn {
            Conn::Sqlite(conn) => {
                let query = sqlx::query_with(text, sqlite_arguments(sql.values)?);
                sqlite(conn.fetch_all(query).await?)
            }
            Conn::SqliteTx(tx) => {
                let query = sqlx::query_with(text, sqlite_arguments(sql.values)?);
                sqlite(tx.fetch_all(query).await?)
            }
            Conn::Postgres(lease) => {
                // A statement without a name has no plan that outlives the call.
                let query =
                    sqlx::query_with(text, postgres_arguments(sql.values)?).persistent(!sql.is_planned_anew);
                postgres(lease.fetch_all(query).await?)
            }
        })
    }

    /// Runs a statement and says how many rows it touched.
    pub(crate) async fn run(&mut self, sql: Sql) -> Result<u64> {
        let text = AssertSqlSafe(sql.text);
        Ok(match &mut self.conn {
            Conn::Sqlite(conn) => {
                let query = sqlx::query_with(text, sqlite_arguments(sql.values)?);
                conn.execute(query).await?.rows_affected()
            }
            Conn::SqliteTx(tx) => {
                let query = sqlx::query_with(text, sqlite_arguments(sql.values)?);
                tx.execute(query).await?.rows_affected()
            }
            Conn::Postgres(lease) => {
                let query = sqlx::query_with(text, postgres_arguments(sql.values)?);
                lease.execute(query).await?.rows_affected()
            }
        })
    }
}

fn sqlite_arguments(values: Vec<Value>) -> Result<SqliteArguments> {
    let mut arguments = SqliteArguments::default();
    for value in values {
        value.refuse_nul()?;
        match value {
            Value::Text(v) => arguments.add(v),
            Value::Int(v) => arguments.add(v),
            Value::Bool(v) => arguments.add(v),
            Value::Time(v) => arguments.add(v.map(Timestamp::as_micros)),
            Value::Json(v) => arguments.add(v.map(|v| v.to_string())),
            Value::Bytes(v) => arguments.add(v),
        }
        .map_err(|e| StoreError::Other(sqlx::Error::Encode(e)))?;
    }
    Ok(arguments)
}

fn postgres_arguments(values: Vec<Value>) -> Result<PgArguments> {
    let mut arguments = PgArguments::default();
    for value in values {
        value.refuse_nul()?;
        match value {
            Value::Text(v) => arguments.add(v),
            Value::Int(v) => arguments.add(v),
            Value::Bool(v) => arguments.add(v),
            Value::Time(v) => arguments.add(v.map(Timestamp::to_offset_date_time)),
            Value::Json(v) => arguments.add(v.map(Json)),
            Value::Bytes(v) => arguments.add(v),
        }
        .map_err(|e| StoreError::Other(sqlx::Error::Encode(e)))?;
    }
    Ok(arguments)
}

/// Why a transaction may commit without an audit event. The list may only shrink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quiet {
    /// The audit queue writes the events themselves.
    AuditQueue,
    /// Counters, last-used times and sweeps: nothing that a person decided.
    Housekeeping,
}

/// A write transaction: rolled back unless committed.
pub struct Tx {
    rx: Rx,
    tables: Option<&'static [&'static str]>,
    events: Vec<AuditRow>,
    bumps: BTreeMap<String, BTreeSet<Change>>,
}

impl Deref for Tx {
    type Target = Rx;

    fn deref(&self) -> &Rx {
        &self.rx
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut Rx {
        &mut self.rx
    }
}

impl Tx {
    /// Runs a statement that writes and says how many rows it touched.
    pub async fn execute(&mut self, sql: Sql) -> Result<u64> {
        if cfg!(debug_assertions)
            && let Some(tables) = self.tables
            && let Some(table) = written_table(&sql.text)
        {
            assert!(tables.contains(&table), "this purpose may write {tables:?}, not {table}");
        }
        self.rx.run(sql).await
    }

    /// Adds an audit event, written in the same transaction just before the commit.
    pub fn append(&mut self, event: AuditRow) {
        self.events.push(event);
    }

    /// How many events are waiting for the commit.
    pub fn events_recorded(&self) -> usize {
        self.events.len()
    }

    /// Marks that decisions, clients, keys or revocations of a scope (a tenant's id, or `platform`)
    /// change with this transaction, and what of them.
    pub fn bump_policy_version(&mut self, scope: &str, change: Change) {
        let changes = self.bumps.entry(scope.to_owned()).or_default();
        if changes.len() >= CHANGES_MAX {
            changes.clear();
            changes.insert(Change::ALL);
        }
        if !changes.contains(&Change::ALL) {
            changes.insert(change);
        }
    }

    /// Commits with its events. Returns the new policy version of each bumped scope.
    ///
    /// Fails with [`StoreError::Unrecorded`] if there is no event.
    pub async fn commit(self) -> Result<BTreeMap<String, i64>> {
        if self.events.is_empty() {
            debug_assert!(false, "a write without an audit event");
            return Err(StoreError::Unrecorded);
        }
        self.finish().await
    }

    /// Commits without an event, for the named reason.
    pub async fn commit_quietly(self, _reason: Quiet) -> Result<BTreeMap<String, i64>> {
        self.finish().await
    }

    async fn finish(mut self) -> Result<BTreeMap<String, i64>> {
        let events = std::mem::take(&mut self.events);
        crate::audit::insert(&mut self, events).await?;
        // INVARIANT: the version row is locked last, so that the order of versions is the order of commits.
        let mut versions = BTreeMap::new();
        for (scope, changes) in std::mem::take(&mut self.bumps) {
            let version = changes::write(&mut self.rx, &scope, &changes).await?;
            versions.insert(scope, version);
        }
        match self.rx.conn {
            Conn::SqliteTx(tx) => tx.commit().await?,
            Conn::Postgres(mut lease) => lease.commit().await?,
            Conn::Sqlite(_) => return Err(StoreError::Unrecorded),
        }
        Ok(versions)
    }

    /// Gives up the transaction at once instead of when it is dropped.
    pub async fn rollback(self) -> Result<()> {
        self.rx.end().await
    }
}

/// The table that a statement writes, if it writes one.
fn written_table(text: &str) -> Option<&str> {
    let mut words = text.split_ascii_whitespace();
    let table = match words.next()? {
        "INSERT" => words.nth(1),
        "UPDATE" => words.next(),
        "DELETE" => words.nth(1),
        _ => None,
    }?;
    Some(table.split('(').next().unwrap_or(table))
}
