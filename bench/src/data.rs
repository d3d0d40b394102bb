//! Scale: look-ups, pages and searches over millions of rows (`cargo xtask bench data`).
//!
//! PostgreSQL is asked as `app_user` with row-level security on, one session, warm caches, keys drawn anew for
//! each call. Reading order: [`people`] (what is loaded), [`load`], [`questions`] (what is asked), [`timing`].

mod lite;
mod load;
mod people;
mod questions;
mod timing;

use std::path::Path;

use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Executor as _};

use self::people::{Sizes, TENANTS, tenant_id};
use self::questions::{FAR_PAGE, PAGE_ROWS, Question, Search, questions};
use self::timing::Measured;
use crate::database::Database;
use crate::machine::Cores;
use crate::process::Site;
use crate::{Databases, Outcome, postgres};

/// The database that is loaded.
const DATABASE: &str = "signet_bench_data";
/// Rows of a table that SQLite is loaded with, at most.
const SQLITE_ROWS_MAX: u64 = 1_000_000;

/// How much to load and how often to ask.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Arguments {
    /// People.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1_000..=100_000_000))]
    users: u64,
    /// Tokens; 10,000 of them belong to one person.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(20_000..=1_000_000_000))]
    tokens: u64,
    /// Audit events; half of them, a million at most, belong to one person.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1_000..=1_000_000_000))]
    audit: u64,
    /// Calls of each statement that are timed.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(10..=100_000))]
    calls: u64,
    /// PostgreSQL's `shared_buffers`, where the server is made for the run.
    #[arg(long, default_value = "2GB")]
    shared_buffers: String,
    /// Leaves the loaded database on the server of SIGNET_BENCH_POSTGRES_URL, and asks it again where it is
    /// still there with as many rows.
    #[arg(long)]
    keep: bool,
    /// How often each call is asked on PostgreSQL; its lowest time counts. More than once on a machine that others
    /// use too.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=20))]
    lowest_of: u64,
    /// Only statements whose name holds this.
    #[arg(long)]
    only: Option<String>,
}

/// Loads and asks. Returns the lines of the report.
pub(crate) async fn run(
    arguments: &Arguments,
    databases: Databases,
    postgres_url: Option<&str>,
    binary: &Path,
    directory: &Path,
    cores: &Cores,
) -> Outcome<Vec<String>> {
    let sizes = Sizes { users: arguments.users, tokens: arguments.tokens, audit: arguments.audit };
    let mut report = Vec::new();
    if databases != Databases::Sqlite {
        let settings = ["shared_buffers", &arguments.shared_buffers, "max_wal_size", "4GB"];
        let server = postgres::Server::with_settings(postgres_url, directory, cores, &settings).await?;
        report.push(format!("- {}", server.describe().await?));
        report.extend(on_postgres(&server, sizes, arguments, binary, directory).await?);
        if !arguments.keep {
            server.drop_database(DATABASE).await?;
        }
    }
    if databases != Databases::Postgres {
        let few = |rows: u64| rows.min(SQLITE_ROWS_MAX);
        let sizes = Sizes { users: few(sizes.users), tokens: few(sizes.tokens), audit: few(sizes.audit) };
        report.extend(on_sqlite(sizes, arguments, binary, directory).await?);
    }
    Ok(report)
}

async fn on_postgres(
    server: &postgres::Server,
    sizes: Sizes,
    arguments: &Arguments,
    binary: &Path,
    directory: &Path,
) -> Outcome<Vec<String>> {
    let failed = |e: sqlx::Error| format!("PostgreSQL: {e}");
    let url = server.url(DATABASE);
    let took = if arguments.keep && is_loaded(&url, sizes).await {
        "an earlier run".to_owned()
    } else {
        server.create(DATABASE, None).await?;
        Site::new(binary, &directory.join("data-postgres"), Some(url.clone()))?.migrate()?;
        load::postgres(&url, sizes).await?
    };
    let database = Database::open(&url).await?;
    let has_wall =
        database.one("SELECT count(*)::text FROM pg_policies WHERE tablename = 'users'").await? != "0";
    let far = far_key(&database).await?;
    let mut report = vec![
        format!("- loaded in: {took}"),
        if has_wall {
            "- asked as `app_user`, row-level security on".to_owned()
        } else {
            "- **asked as superuser: this schema has no row-level security**".to_owned()
        },
    ];
    let mut connection = PgConnection::connect(&url).await.map_err(failed)?;
    if has_wall {
        connection.execute("SET ROLE app_user").await.map_err(failed)?;
    }
    report.push(head("PostgreSQL", sizes, far.2));
    for question in chosen(questions(sizes, Search::Function, &(far.0, far.1)), arguments) {
        eprintln!("bench: PostgreSQL: {}", question.name);
        let found =
            timing::postgres(&mut connection, &question, (arguments.calls, arguments.lowest_of), has_wall)
                .await?;
        report.push(row(&question, &found));
    }
    connection.close().await.map_err(failed)?;
    report.extend(sizes_of(&database, sizes).await?);
    database.close().await;
    Ok(report)
}

/// Whether an earlier run left these rows.
async fn is_loaded(url: &str, sizes: Sizes) -> bool {
    let Ok(database) = Database::open(url).await else { return false };
    let mut same = true;
    for (table, rows) in [("users", sizes.users), ("tokens", sizes.tokens), ("audit_logs", sizes.audit)] {
        let count = database.one(&format!("SELECT count(*)::text FROM {table}")).await;
        same &= count.is_ok_and(|count| count == rows.to_string());
    }
    database.close().await;
    same
}

fn chosen(questions: Vec<Question>, arguments: &Arguments) -> impl Iterator<Item = Question> {
    let only = arguments.only.clone().unwrap_or_default();
    questions.into_iter().filter(move |question| question.name.contains(&only))
}

async fn on_sqlite(
    sizes: Sizes,
    arguments: &Arguments,
    binary: &Path,
    directory: &Path,
) -> Outcome<Vec<String>> {
    let site = Site::new(binary, &directory.join("data-sqlite"), None)?;
    site.migrate()?;
    let mut connection = lite::open(&site.sqlite_file()).await?;
    let took = lite::load(&mut connection, sizes).await?;
    let database = Database::open(&site.database()).await?;
    let far = far_key(&database).await?;
    let bytes = std::fs::metadata(site.sqlite_file()).map_err(|e| e.to_string())?.len();
    let mut report = vec![
        format!("\nSQLite loaded in: {took}; the file has {:.2} GB", gigabytes(bytes)),
        head("SQLite", sizes, far.2),
    ];
    for question in chosen(questions(sizes, Search::Fts, &(far.0, far.1)), arguments) {
        eprintln!("bench: SQLite: {}", question.name);
        let found = timing::sqlite(&mut connection, &question, arguments.calls).await?;
        report.push(row(&question, &found));
    }
    database.close().await;
    connection.close().await.map_err(|e| e.to_string())?;
    Ok(report)
}

/// The last row of the page before the far one in the list of the first tenant, and the far page's number:
/// the ten thousandth, or the last full one where the tenant is smaller.
async fn far_key(database: &Database) -> Outcome<(String, String, u64)> {
    let tenant = tenant_id(0);
    let people = format!("FROM users WHERE tenant_id = '{tenant}' AND deleted_at IS NULL");
    let count = database.one(&format!("SELECT CAST(count(*) AS text) {people}")).await?;
    let count: u64 = count.parse().map_err(|_| format!("a count: `{count}`"))?;
    let page = FAR_PAGE.min(count / PAGE_ROWS).max(2);
    let skipped = (page - 1) * PAGE_ROWS - 1;
    let sql = format!(
        "SELECT CAST(username_key AS text), CAST(id AS text) {people} ORDER BY username_key, id LIMIT 1 OFFSET {skipped}"
    );
    let row = database.rows(&sql).await?.into_iter().next().unwrap_or_default();
    match row.as_slice() {
        [Some(key), Some(id)] => Ok((key.clone(), id.clone(), page)),
        _ => Err("the list of the first tenant is too short".to_owned()),
    }
}

fn head(kind: &str, sizes: Sizes, page: u64) -> String {
    format!(
        "\n{kind}: {} people of {TENANTS} tenants (60 % in the first), {} tokens, {} events; the far page is page {page}. \
         Milliseconds.\n\n\
         | statement | server p50 | server p99 | caller p50 | caller p99 | aim p99 | | plan |\n\
         |---|---|---|---|---|---|---|---|",
        thousands(sizes.users),
        thousands(sizes.tokens),
        thousands(sizes.audit)
    )
}

fn row(question: &Question, found: &Measured) -> String {
    let shown = |ms: f64| format!("{ms:.3}");
    let (p50, p99) = match &found.server {
        Some(times) => (shown(times.quantile(0.5)), shown(times.quantile(0.99))),
        None => (String::new(), String::new()),
    };
    let judged = found.server.as_ref().unwrap_or(&found.caller).quantile(0.99);
    format!(
        "| {} | {p50} | {p99} | {} | {} | {} | {} | {} |",
        question.name,
        shown(found.caller.quantile(0.5)),
        shown(found.caller.quantile(0.99)),
        question.aim_ms,
        if judged < question.aim_ms { "met" } else { "missed" },
        found.plan
    )
}

/// Bytes of the tables and of each of their indexes, a row.
async fn sizes_of(database: &Database, sizes: Sizes) -> Outcome<Vec<String>> {
    let mut lines = vec!["\n| table or index | MB | bytes a row |\n|---|---|---|".to_owned()];
    let mut sums = Vec::new();
    for (table, rows) in [
        ("users", sizes.users),
        ("principals", sizes.users),
        ("tokens", sizes.tokens),
        ("oauth_grants", sizes.grants()),
        ("audit_logs", sizes.audit),
    ] {
        let parts = format!(
            "WITH part AS (SELECT '{table}'::regclass AS r UNION SELECT relid FROM pg_partition_tree('{table}')) \
             SELECT 'rows', sum(pg_table_size(r))::bigint::text FROM part \
             UNION ALL SELECT i.indexrelid::regclass::text, \
             sum(pg_relation_size(p.r))::bigint::text FROM pg_index i, LATERAL (SELECT i.indexrelid AS r \
             UNION SELECT relid FROM pg_partition_tree(i.indexrelid)) p \
             WHERE i.indrelid = '{table}'::regclass GROUP BY 1"
        );
        let (mut heap, mut indexes) = (0, 0);
        for found in database.rows(&parts).await? {
            let [Some(name), Some(bytes)] = found.as_slice() else { continue };
            let bytes: u64 = bytes.parse().unwrap_or(0);
            *(if name == "rows" { &mut heap } else { &mut indexes }) += bytes;
            let name = if name == "rows" { format!("**{table}**, rows") } else { format!("{table}: {name}") };
            lines.push(format!("| {name} | {} | {} |", bytes / 1_000_000, bytes / rows.max(1)));
        }
        sums.push((table, rows, heap, indexes));
    }
    if let Some((_, rows, heap, indexes)) = sums.first() {
        let at = |bytes: u64| gigabytes(bytes / rows.max(&1) * 10_000_000);
        lines.push(format!(
            "\nAt 10 million people, extrapolated from bytes a row where fewer were loaded: {:.1} GB of rows (the document: 5 GB) \
             and {:.1} GB of indexes (the document: 2 GB). Indexes are as freshly built; grown row by row they are larger.",
            at(*heap),
            at(*indexes)
        ));
    }
    Ok(lines)
}

#[expect(clippy::cast_precision_loss, reason = "for people to read")]
fn gigabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e9
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
