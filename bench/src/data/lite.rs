//! The same rows in SQLite, through the schema's own triggers.

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, Row as _};

use super::load::{Fields, tables};
use super::people::Sizes;
use crate::Outcome;

/// Hits of a page.
const WANTED: i64 = 51;
/// People whom the walks of a search look at, at most, and those who tell how frequent a term is: as in
/// `crates/store/src/search/sqlite.rs`.
const WALK_MAX: i64 = 20_000;
const WALK_FIRST: i64 = 1_000;
/// Rows of one transaction.
const ROWS_OF_A_TRANSACTION: u64 = 50_000;

/// The statement of one step of a walk: along the names that begin as the first term, and along all others by
/// their ids; from the beginning, and after a person. A macro because a statement is a literal.
macro_rules! step {
    ($hit:literal, $of:literal, $order:literal) => {
        concat!(
            "SELECT username_key, id, hit, number FROM (SELECT username_key, id, hit, row_number() OVER (ORDER BY ",
            $order,
            ") AS number FROM (SELECT username_key, id, (deleted_at IS NULL",
            $hit,
            " AND instr(search_text, $5) > 0 AND ($6 = '' OR instr(search_text, $6) > 0)) AS hit FROM users u \
             WHERE tenant_id = $1",
            $of,
            " ORDER BY ",
            $order,
            " LIMIT $4)) WHERE hit OR number = $4 ORDER BY number"
        )
    };
}
const FIRST: &str =
    step!("", " AND deleted_at IS NULL AND (username_key >= $2 AND username_key < $3)", "username_key");
const FIRST_AFTER: &str = step!(
    "",
    " AND deleted_at IS NULL AND (username_key >= $2 AND username_key < $3) AND username_key > $7",
    "username_key"
);
const OTHERS: &str = step!(" AND NOT (username_key >= $2 AND username_key < $3)", "", "id");
const OTHERS_AFTER: &str = step!(" AND NOT (username_key >= $2 AND username_key < $3)", " AND id > $7", "id");

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

/// One search as Signet does it on SQLite: along the names while hits are frequent, then `rest`, the statement
/// for the index of trigrams. The keys are the tenant, the terms for that index, from where to where names
/// begin as the first term, and the parts that must be in the search text. Returns the hits.
pub(super) async fn search(
    connection: &mut SqliteConnection,
    rest: &str,
    keys: &[String],
) -> Result<usize, sqlx::Error> {
    let [tenant, terms, from, to, parts @ ..] = keys else { return Ok(0) };
    let (mut hits, mut walked) = (0_i64, 0_i64);
    let mut is_rare = false;
    for (begin, go_on, column, first) in
        [(FIRST, FIRST_AFTER, "username_key", 2 * WANTED), (OTHERS, OTHERS_AFTER, "id", WALK_FIRST)]
    {
        let (mut at, mut step, mut seen, before) = (None, first, 0, hits);
        loop {
            let statement = if at.is_some() { go_on } else { begin };
            let mut query = sqlx::query(statement).bind(tenant).bind(from).bind(to).bind(step);
            for part in 0..2 {
                query = query.bind(parts.get(part).map_or("", String::as_str));
            }
            let mut goes_on = false;
            for row in query.bind(at.take()).fetch_all(&mut *connection).await? {
                hits += i64::from(row.try_get::<i64, _>("hit")? != 0);
                goes_on = row.try_get::<i64, _>("number")? >= step;
                at = Some(row.try_get::<String, _>(column)?);
            }
            if hits >= WANTED {
                return Ok(usize::try_from(hits).unwrap_or(usize::MAX));
            }
            if !goes_on {
                break;
            }
            seen += step;
            walked += step;
            let (found, left) = (hits - before, WALK_MAX - walked);
            if left <= 0 || found * left < (WANTED - hits) * seen {
                is_rare = true;
                break;
            }
            step = ((WANTED - hits) * seen * 6 / (5 * found.max(1))).max(WANTED).min(left);
        }
        if is_rare {
            break;
        }
    }
    let mut found = usize::try_from(hits).unwrap_or(0);
    if is_rare {
        let query = sqlx::query(AssertSqlSafe(rest.to_owned())).bind(tenant).bind(terms).bind(from).bind(to);
        found += query.fetch_all(&mut *connection).await?.len();
    }
    Ok(found)
}
