//! The one migration runner: up, down and status, with real checksums.
//!
//! Safe when two nodes start at once: PostgreSQL by an advisory lock, SQLite by `BEGIN IMMEDIATE`; either
//! way each version is checked again under the lock. Safe when killed midway: a migration and its record
//! commit together, and steps outside a transaction can be repeated.

use aws_lc_rs::digest::{SHA256, digest};
use base::Timestamp;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, Row as _, SqliteConnection};

use crate::{Backend, Look, Result, Store, StoreError, migrations};

/// The key of PostgreSQL's advisory lock: the bytes of `signetMG`.
const ADVISORY_LOCK: i64 = 0x7369_676e_6574_4d47;

/// The runner's own table on SQLite.
pub(crate) const SQLITE_TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (version TEXT PRIMARY KEY, \
     description TEXT NOT NULL, applied_at INTEGER NOT NULL, checksum TEXT NOT NULL) STRICT";

/// One migration of this binary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// Its version, for example `V1.0.0`.
    pub version: &'static str,
    /// One line on what it does.
    pub description: &'static str,
    /// Lower-case hex of SHA-256 of the up file.
    pub checksum: String,
    /// The file's name without its ending.
    pub name: &'static str,
    up: &'static str,
    down: &'static str,
    transactional: bool,
}

impl Migration {
    /// What is run at once: the whole file, or outside of a transaction each of its statements.
    pub(crate) fn steps(&self) -> impl Iterator<Item = &'static str> {
        self.up.split("\n-- statement\n")
    }
}

/// Where one migration stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The version.
    pub version: String,
    /// Its description.
    pub description: String,
    /// When it was applied, if it was.
    pub applied_at: Option<Timestamp>,
    /// Whether what was applied is what this binary holds. False also for a version that this binary
    /// does not know.
    pub matches: bool,
    /// Whether this binary knows the version at all.
    pub known: bool,
}

/// The migrations of a backend, oldest first.
pub fn all(backend: Backend) -> Result<Vec<Migration>> {
    migrations::of(backend).iter().map(parse).collect()
}

fn parse(files: &migrations::Files) -> Result<Migration> {
    let header = |key: &str| {
        files
            .up
            .lines()
            .take(4)
            .find_map(|line| line.strip_prefix(key))
            .map(str::trim)
            .ok_or_else(|| StoreError::Migration(format!("migration {}: no `{key}` line", files.name)))
    };
    let checksum = digest(&SHA256, files.up.as_bytes()).as_ref().iter().map(|b| format!("{b:02x}")).collect();
    Ok(Migration {
        version: header("-- version:")?,
        description: header("-- description:")?,
        checksum,
        name: files.name,
        up: files.up,
        down: files.down,
        transactional: !files.up.lines().take(4).any(|line| line.trim() == "-- no-transaction"),
    })
}

/// Applies what is missing, oldest first. Returns the versions applied.
///
/// Fails with [`StoreError::OtherSchema`], and changes nothing, if an applied file was edited since, or if the
/// database is newer than this binary.
pub async fn up(store: &Store, now: Timestamp) -> Result<Vec<String>> {
    let migrations = all(store.backend())?;
    let mut session = Session::open(store).await?;
    let outcome = up_in(&mut session, &migrations, now).await;
    session.close().await?;
    outcome
}

async fn up_in(session: &mut Session, migrations: &[Migration], now: Timestamp) -> Result<Vec<String>> {
    session.ensure_table().await?;
    check(&session.applied().await?, migrations)?;
    let mut done = Vec::new();
    for migration in migrations {
        if session.apply(migration, now).await? {
            tracing::info!(
                version = migration.version,
                description = migration.description,
                "migration applied"
            );
            done.push(migration.version.to_owned());
        }
    }
    Ok(done)
}

/// Takes back the newest `count` migrations. Returns the versions taken back.
///
/// Fails with [`StoreError::Migration`], and changes nothing, at one that is irreversible.
pub async fn down(store: &Store, count: usize) -> Result<Vec<String>> {
    let migrations = all(store.backend())?;
    let mut session = Session::open(store).await?;
    let outcome = down_in(&mut session, &migrations, count).await;
    session.close().await?;
    outcome
}

async fn down_in(session: &mut Session, migrations: &[Migration], count: usize) -> Result<Vec<String>> {
    session.ensure_table().await?;
    let applied = session.applied().await?;
    check(&applied, migrations)?;
    let mut done = Vec::new();
    for migration in
        migrations.iter().rev().filter(|m| applied.iter().any(|a| a.version == m.version)).take(count)
    {
        if let Some(reason) = migration.down.lines().find_map(|line| line.strip_prefix("-- irreversible:")) {
            return Err(StoreError::Migration(format!("{} is irreversible:{reason}", migration.version)));
        }
        session.revert(migration).await?;
        done.push(migration.version.to_owned());
    }
    Ok(done)
}

/// Says where each migration stands, those of this binary and those that only the database knows. Changes
/// nothing, also where the database is empty.
pub async fn status(look: &mut Look) -> Result<Vec<Status>> {
    let migrations = all(look.backend())?;
    let applied = look.applied().await?;
    let mut list: Vec<Status> = migrations
        .iter()
        .map(|m| {
            let found = applied.iter().find(|a| a.version == m.version);
            Status {
                version: m.version.to_owned(),
                description: m.description.to_owned(),
                applied_at: found.map(|a| a.applied_at),
                matches: found.is_none_or(|a| a.checksum == m.checksum),
                known: true,
            }
        })
        .collect();
    for unknown in applied.iter().filter(|a| !migrations.iter().any(|m| m.version == a.version)) {
        list.push(Status {
            version: unknown.version.clone(),
            description: unknown.description.clone(),
            applied_at: Some(unknown.applied_at),
            matches: false,
            known: false,
        });
    }
    Ok(list)
}

/// Checks, without changing anything, that the database is at exactly the migrations of this binary.
/// [`crate::verify`] looks further: at what they made.
///
/// Fails with [`StoreError::OtherSchema`] if another build made the schema, and with
/// [`StoreError::Migration`] if migrations are missing; both name the remedy.
pub async fn require(store: &Store) -> Result<()> {
    let mut look = Look::beside(store).await?;
    let applied = look.applied().await;
    look.close().await?;
    let applied = applied?;
    let migrations = all(store.backend())?;
    check(&applied, &migrations)?;
    match migrations.iter().find(|m| !applied.iter().any(|a| a.version == m.version)) {
        None => Ok(()),
        Some(missing) => Err(StoreError::Migration(format!(
            "the database lacks {} ({}): run `signet migrate up`, or start `signet serve`, which does",
            missing.version, missing.description
        ))),
    }
}

fn mismatch(version: &str) -> StoreError {
    StoreError::OtherSchema(format!(
        "the database has another {version} than this binary: an unreleased or another build made it; use that \
         build, or begin with a new database (until the first release, migrations may be rewritten). Nothing was \
         changed"
    ))
}

fn unknown(version: &str, newest: &str) -> StoreError {
    StoreError::OtherSchema(format!(
        "the database has {version}, which this binary does not know (its newest is {newest}): a newer build made \
         it; use that build, or restore a backup from before the upgrade. Nothing was changed"
    ))
}

/// A migration as the database has recorded it.
pub(crate) struct Applied {
    pub(crate) version: String,
    pub(crate) description: String,
    pub(crate) checksum: String,
    pub(crate) applied_at: Timestamp,
}

fn check(applied: &[Applied], migrations: &[Migration]) -> Result<()> {
    for row in applied {
        match migrations.iter().find(|m| m.version == row.version) {
            Some(known) if known.checksum == row.checksum => {}
            Some(_) => return Err(mismatch(&row.version)),
            None => return Err(unknown(&row.version, migrations.last().map_or("none", |m| m.version))),
        }
    }
    Ok(())
}

/// Oldest first.
const LIST: &str =
    "SELECT version, description, checksum, applied_at FROM schema_migrations ORDER BY version";

/// What a SQLite database has recorded; the table is there.
pub(crate) async fn applied_sqlite(conn: &mut SqliteConnection) -> Result<Vec<Applied>> {
    let rows = sqlx::query(LIST).fetch_all(conn).await?;
    rows.into_iter()
        .map(|row| {
            Ok(Applied {
                version: row.try_get("version")?,
                description: row.try_get("description")?,
                checksum: row.try_get("checksum")?,
                applied_at: Timestamp::from_micros(row.try_get("applied_at")?),
            })
        })
        .collect()
}

/// What a PostgreSQL database has recorded; the table is there.
pub(crate) async fn applied_postgres(conn: &mut PgConnection) -> Result<Vec<Applied>> {
    let rows = sqlx::query(LIST).fetch_all(conn).await?;
    rows.into_iter()
        .map(|row| {
            Ok(Applied {
                version: row.try_get("version")?,
                description: row.try_get("description")?,
                checksum: row.try_get("checksum")?,
                applied_at: Timestamp::from_offset_date_time(row.try_get("applied_at")?),
            })
        })
        .collect()
}

/// One connection that holds the migration lock.
enum Session {
    Sqlite(sqlx::pool::PoolConnection<sqlx::Sqlite>),
    Postgres(Box<PgConnection>),
}

impl Session {
    async fn open(store: &Store) -> Result<Self> {
        if let Some(pool) = store.sqlite_writer() {
            let mut conn = pool.acquire().await?;
            // A migration may rebuild a table that others refer to; each checks all references before it
            // commits. The setting has no effect inside a transaction, so it is made here.
            conn.execute("PRAGMA foreign_keys = OFF").await?;
            return Ok(Self::Sqlite(conn));
        }
        let Some(conn) = store.postgres_owner().await? else {
            return Err(StoreError::Configuration("no database is open".to_owned()));
        };
        let mut conn = Box::new(conn);
        // A second node waits here as long as the first one migrates.
        conn.execute("SET lock_timeout = 0; SET statement_timeout = 0").await?;
        sqlx::query("SELECT pg_advisory_lock($1)").bind(ADVISORY_LOCK).execute(&mut *conn).await?;
        Ok(Self::Postgres(conn))
    }

    async fn close(self) -> Result<()> {
        match self {
            Self::Sqlite(mut conn) => {
                conn.execute("PRAGMA foreign_keys = ON").await?;
            }
            // The lock goes with the connection.
            Self::Postgres(conn) => conn.close().await?,
        }
        Ok(())
    }

    async fn script(&mut self, text: &str) -> Result<()> {
        let text = AssertSqlSafe(text.to_owned());
        match self {
            Self::Sqlite(conn) => conn.execute(sqlx::raw_sql(text)).await.map(|_| ())?,
            Self::Postgres(conn) => conn.execute(sqlx::raw_sql(text)).await.map(|_| ())?,
        }
        Ok(())
    }

    async fn ensure_table(&mut self) -> Result<()> {
        let text = match self {
            Self::Sqlite(_) => SQLITE_TABLE,
            Self::Postgres(_) => {
                "CREATE TABLE IF NOT EXISTS schema_migrations (version varchar(32) PRIMARY KEY, \
                 description text NOT NULL, applied_at timestamptz NOT NULL DEFAULT clock_timestamp(), \
                 checksum varchar(64) NOT NULL)"
            }
        };
        self.script(text).await
    }

    async fn applied(&mut self) -> Result<Vec<Applied>> {
        match self {
            Self::Sqlite(conn) => applied_sqlite(conn).await,
            Self::Postgres(conn) => applied_postgres(conn).await,
        }
    }

    /// Applies one migration unless it is applied already. Returns whether it did.
    async fn apply(&mut self, migration: &Migration, now: Timestamp) -> Result<bool> {
        if !migration.transactional {
            if self.is_applied(migration).await? {
                return Ok(false);
            }
            for step in migration.steps() {
                self.script(step).await.map_err(|e| failed(migration, &e))?;
            }
            // On SQLite another node may have done the same steps meanwhile: they can be repeated, and one
            // of the two has recorded them.
            return self.record(migration, now).await;
        }
        self.begin().await?;
        let outcome = async {
            if self.is_applied(migration).await? {
                return Ok(false);
            }
            self.script(migration.up).await.map_err(|e| failed(migration, &e))?;
            self.check_references(migration).await?;
            self.record(migration, now).await
        }
        .await;
        self.end(outcome.is_ok()).await?;
        outcome
    }

    async fn revert(&mut self, migration: &Migration) -> Result<()> {
        if !migration.transactional {
            self.script(migration.down).await.map_err(|e| failed(migration, &e))?;
            return self.forget(migration).await;
        }
        self.begin().await?;
        let outcome = async {
            self.script(migration.down).await.map_err(|e| failed(migration, &e))?;
            self.check_references(migration).await?;
            self.forget(migration).await
        }
        .await;
        self.end(outcome.is_ok()).await?;
        outcome
    }

    /// SQLite checks references only where asked while `foreign_keys` is off.
    async fn check_references(&mut self, migration: &Migration) -> Result<()> {
        if let Self::Sqlite(conn) = self
            && let Some(row) = conn.fetch_optional("PRAGMA foreign_key_check").await?
        {
            let table: String = row.try_get(0)?;
            return Err(StoreError::Migration(format!(
                "migration {} would leave rows of `{table}` that refer to nothing",
                migration.version
            )));
        }
        Ok(())
    }

    async fn begin(&mut self) -> Result<()> {
        match self {
            Self::Sqlite(_) => self.script("BEGIN IMMEDIATE").await,
            Self::Postgres(_) => self.script("BEGIN").await,
        }
    }

    async fn end(&mut self, good: bool) -> Result<()> {
        self.script(if good { "COMMIT" } else { "ROLLBACK" }).await
    }

    async fn is_applied(&mut self, migration: &Migration) -> Result<bool> {
        const FIND: &str = "SELECT version FROM schema_migrations WHERE version = $1";
        Ok(match self {
            Self::Sqlite(conn) => {
                conn.fetch_optional(sqlx::query(FIND).bind(migration.version)).await?.is_some()
            }
            Self::Postgres(conn) => {
                conn.fetch_optional(sqlx::query(FIND).bind(migration.version)).await?.is_some()
            }
        })
    }

    /// Records what was applied. Returns false if another node has recorded it already.
    async fn record(&mut self, migration: &Migration, now: Timestamp) -> Result<bool> {
        const RECORD: &str = "INSERT INTO schema_migrations (version, description, checksum, applied_at) \
                              VALUES ($1, $2, $3, $4) ON CONFLICT (version) DO NOTHING";
        let recorded = match self {
            Self::Sqlite(conn) => {
                let query = sqlx::query(RECORD)
                    .bind(migration.version)
                    .bind(migration.description)
                    .bind(&migration.checksum)
                    .bind(now.as_micros());
                conn.execute(query).await?.rows_affected()
            }
            Self::Postgres(conn) => {
                let query = sqlx::query(RECORD)
                    .bind(migration.version)
                    .bind(migration.description)
                    .bind(&migration.checksum)
                    .bind(now.to_offset_date_time());
                conn.execute(query).await?.rows_affected()
            }
        };
        Ok(recorded == 1)
    }

    async fn forget(&mut self, migration: &Migration) -> Result<()> {
        const FORGET: &str = "DELETE FROM schema_migrations WHERE version = $1";
        match self {
            Self::Sqlite(conn) => {
                conn.execute(sqlx::query(FORGET).bind(migration.version)).await.map(|_| ())?
            }
            Self::Postgres(conn) => {
                conn.execute(sqlx::query(FORGET).bind(migration.version)).await.map(|_| ())?
            }
        }
        Ok(())
    }
}

fn failed(migration: &Migration, error: &StoreError) -> StoreError {
    let cause = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
    StoreError::Migration(format!("migration {} ({}) failed: {cause}", migration.version, migration.name))
}
