//! The same rows in SQLite, through the schema's own triggers.

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};

use super::load::{Fields, tables};
use super::people::Sizes;
use crate::Outcome;

/// Rows of one transaction.
const ROWS_OF_A_TRANSACTION: u64 = 50_000;

/// Opens the file to load into and to ask.
pub(super) async fn open(file: &std::path::Path) -> Outcome<SqliteConnection> {
    SqliteConnectOptions::new()
        .filename(file)
        .pragma("journal_mode", "WAL")
        .pragma("synchronous", "NORMAL")
        .pragma("cache_size", "-262144")
        .disable_statement_logging()
        .connect()
        .await
        .map_err(|e| format!("{}: {e}", file.display()))
}

/// Loads everything. Returns how long it took, in words.
pub(super) async fn load(connection: &mut SqliteConnection, sizes: Sizes) -> Outcome<String> {
    let begun = std::time::Instant::now();
    let failed = |e: sqlx::Error| format!("loading: {e}");
    connection.execute("PRAGMA foreign_keys = OFF").await.map_err(failed)?;
    for table in tables(sizes) {
        eprintln!("bench: {} rows of {}", table.rows, table.name);
        let columns = table.columns.split(',').count();
        let places: Vec<String> = (1..=columns).map(|n| format!("${n}")).collect();
        let sql = format!("INSERT INTO {} ({}) VALUES ({})", table.name, table.columns, places.join(", "));
        let mut fields = Fields::new();
        let mut row = 0;
        while row < table.rows {
            let mut transaction = connection.begin().await.map_err(failed)?;
            let end = (row + ROWS_OF_A_TRANSACTION).min(table.rows);
            while row < end {
                fields.clear();
                (table.row)(sizes, row, &mut fields);
                let mut query = sqlx::query(AssertSqlSafe(sql.clone()));
                for field in &fields {
                    let text = field.as_deref().unwrap_or_default();
                    query = match (
                        text.strip_prefix('@').and_then(|n| n.parse::<i64>().ok()),
                        text.strip_prefix("\\x"),
                    ) {
                        (Some(micros), _) => query.bind(micros),
                        (None, Some(hex)) => query.bind(crate::template::unhex(hex).unwrap_or_default()),
                        (None, None) => query.bind(text.to_owned()),
                    };
                }
                query.execute(&mut *transaction).await.map_err(failed)?;
                row += 1;
            }
            transaction.commit().await.map_err(failed)?;
        }
    }
    for statement in ["INSERT INTO user_search_index (user_search_index) VALUES ('optimize')", "ANALYZE"] {
        connection.execute(statement).await.map_err(failed)?;
    }
    Ok(format!("{:.0} s, row by row through the schema's triggers", begun.elapsed().as_secs_f64()))
}
