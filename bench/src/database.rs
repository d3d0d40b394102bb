//! The harness's own connection to a database, for preparation only: every value is read as text.

use std::str::FromStr;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions as _, PgPool, Row as _, SqlitePool};

use crate::Outcome;

/// One row, each value as text or null.
pub(crate) type TextRow = Vec<Option<String>>;

/// A database of either kind.
pub(crate) enum Database {
    /// An SQLite file, opened for reading.
    Sqlite(SqlitePool),
    /// A PostgreSQL database.
    Postgres(PgPool),
}

impl Database {
    /// Opens `sqlite:PATH` or `postgres://…`.
    pub(crate) async fn open(url: &str) -> Outcome<Self> {
        if let Some(path) = url.strip_prefix("sqlite:") {
            let options = SqliteConnectOptions::new()
                .filename(path)
                .pragma("query_only", "ON")
                .disable_statement_logging();
            let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await;
            return pool.map(Self::Sqlite).map_err(|e| format!("{url}: {e}"));
        }
        let options = PgConnectOptions::from_str(url).map_err(|e| format!("PostgreSQL address: {e}"))?;
        let pool =
            PgPoolOptions::new().max_connections(1).connect_with(options.disable_statement_logging()).await;
        pool.map(Self::Postgres).map_err(|e| format!("PostgreSQL: {e}"))
    }

    /// Runs a statement.
    pub(crate) async fn run(&self, sql: &str) -> Outcome {
        let query = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Sqlite(pool) => sqlx::query(query).execute(pool).await.map(drop),
            Self::Postgres(pool) => sqlx::query(query).execute(pool).await.map(drop),
        }
        .map_err(|e| format!("{sql}: {e}"))
    }

    /// Reads rows whose columns are all text.
    pub(crate) async fn rows(&self, sql: &str) -> Outcome<Vec<TextRow>> {
        let query = AssertSqlSafe(sql.to_owned());
        let failed = |e: sqlx::Error| format!("{sql}: {e}");
        match self {
            Self::Sqlite(pool) => {
                let rows = sqlx::query(query).fetch_all(pool).await.map_err(failed)?;
                rows.iter()
                    .map(|row| (0..row.len()).map(|n| row.try_get(n)).collect())
                    .collect::<Result<_, _>>()
            }
            Self::Postgres(pool) => {
                let rows = sqlx::query(query).fetch_all(pool).await.map_err(failed)?;
                rows.iter()
                    .map(|row| (0..row.len()).map(|n| row.try_get(n)).collect())
                    .collect::<Result<_, _>>()
            }
        }
        .map_err(failed)
    }

    /// Reads one text.
    pub(crate) async fn one(&self, sql: &str) -> Outcome<String> {
        let row = self.rows(sql).await?.into_iter().next();
        row.and_then(|row| row.into_iter().next().flatten()).ok_or_else(|| format!("{sql}: no row"))
    }

    /// Closes the connection, so that the database may be copied.
    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }
}
