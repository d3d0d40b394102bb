//! What Signet is compared with: handlers of the same framework that do the least that can be done.
//!
//! A process of its own, with the allocator, the runtime and the database settings of Signet:
//! - `/ok` answers `{"ok":true}`.
//! - `/bcrypt` verifies one password of cost 12 on a blocking thread.
//! - `/write/{name}/{step}` inserts and commits the rows of a [`Template`], nothing else.

use std::cell::Cell;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use sqlx::postgres::{PgArguments, PgConnectOptions, PgPoolOptions};
use sqlx::query::Query;
use sqlx::sqlite::{
    SqliteArguments, SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, PgPool, Postgres, Sqlite, SqlitePool};
use time::OffsetDateTime;

use crate::Outcome;
use crate::capture::now_micros;
use crate::template::{Kind, Parameter, Shape, Statement, Step, Template, unhex};

/// The cost of Signet's passwords.
const BCRYPT_COST: u32 = 12;
/// Connections to PostgreSQL: Signet's default.
const CONNECTIONS_MAX: u32 = 10;

/// What the handlers need.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Where to listen.
    #[arg(long)]
    listen: SocketAddr,
    /// The database to write to: a copy of Signet's.
    #[arg(long)]
    write_to: String,
    /// A JSON file with the templates.
    #[arg(long)]
    templates: PathBuf,
}

/// A value that is ready to be bound.
#[derive(Debug, Clone)]
enum Value {
    Text(Option<String>),
    Int2(Option<i16>),
    Int4(Option<i32>),
    Int8(Option<i64>),
    Bool(Option<bool>),
    Real(Option<f64>),
    Time(Option<OffsetDateTime>),
    Json(Option<serde_json::Value>),
    Bytes(Option<Vec<u8>>),
}

/// A parameter as the handler uses it.
enum Binding {
    Constant(Value),
    Fresh(usize),
    Micros(i64),
    Instant(i64),
    RandomBytes(usize),
}

struct Prepared {
    sql: &'static str,
    bindings: Vec<Binding>,
}

struct PreparedStep {
    fresh: Vec<Shape>,
    statements: Vec<Prepared>,
}

enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// What all handlers share.
pub(crate) struct Shared {
    pool: Pool,
    templates: HashMap<String, Vec<PreparedStep>>,
    hash: String,
}

#[cfg(test)]
impl Shared {
    pub(crate) async fn close(&self) {
        match &self.pool {
            Pool::Sqlite(pool) => pool.close().await,
            Pool::Postgres(pool) => pool.close().await,
        }
    }
}

/// Serves until it is killed.
pub(crate) async fn serve(arguments: &Arguments) -> Outcome {
    let text = std::fs::read_to_string(&arguments.templates)
        .map_err(|e| format!("{}: {e}", arguments.templates.display()))?;
    let templates: Vec<Template> = serde_json::from_str(&text).map_err(|e| format!("templates: {e}"))?;
    let shared = Arc::new(shared(&arguments.write_to, templates).await?);
    let router = Router::new()
        .route("/ok", any(ok))
        .route("/bcrypt", post(verify))
        .route("/write/{name}/{step}", any(write))
        .with_state(shared);
    let listener = tokio::net::TcpListener::bind(arguments.listen)
        .await
        .map_err(|e| format!("{}: {e}", arguments.listen))?;
    axum::serve(listener, router).await.map_err(|e| e.to_string())
}

/// Opens the database and prepares the statements.
pub(crate) async fn shared(database: &str, templates: Vec<Template>) -> Outcome<Shared> {
    let templates = templates
        .into_iter()
        .map(|t| Ok((t.name, t.steps.into_iter().map(prepare).collect::<Outcome<Vec<_>>>()?)))
        .collect::<Outcome<HashMap<_, _>>>()?;
    let hash = bcrypt::hash(PASSWORD, BCRYPT_COST).map_err(|e| format!("bcrypt: {e}"))?;
    Ok(Shared { pool: open(database).await?, templates, hash })
}

/// The password of the bare verification.
const PASSWORD: &str = "Correct-Horse-7";

const OK: &str = r#"{"ok":true}"#;

async fn ok() -> Response {
    json(OK.to_owned())
}

fn json(body: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

async fn verify(State(shared): State<Arc<Shared>>) -> Response {
    let verified = tokio::task::spawn_blocking(move || bcrypt::verify(PASSWORD, &shared.hash)).await;
    match verified {
        Ok(Ok(true)) => json(OK.to_owned()),
        other => failed(&format!("{other:?}")),
    }
}

fn failed(why: &str) -> Response {
    eprintln!("baseline: {why}");
    (StatusCode::INTERNAL_SERVER_ERROR, why.to_owned()).into_response()
}

/// Runs one step. The body holds the fresh values of the steps before, a space apart; so does the answer.
async fn write(
    State(shared): State<Arc<Shared>>,
    Path((name, step)): Path<(String, usize)>,
    body: String,
) -> Response {
    match repeat(&shared, &name, step, &body).await {
        Ok(fresh) => json(format!("{{\"ok\":true,\"fresh\":\"{fresh}\"}}")),
        Err(error) => failed(&error),
    }
}

/// Writes the rows of one step and returns all fresh values so far.
pub(crate) async fn repeat(shared: &Shared, name: &str, step: usize, before: &str) -> Outcome<String> {
    let step = shared.templates.get(name).and_then(|steps| steps.get(step)).ok_or("no such template")?;
    let now = now_micros();
    let mut fresh: Vec<String> = before.split_ascii_whitespace().map(str::to_owned).collect();
    fresh.extend(step.fresh.iter().map(|shape| make(*shape, now)));
    match &shared.pool {
        Pool::Sqlite(pool) => write_sqlite(pool, step, &fresh, now).await,
        Pool::Postgres(pool) => write_postgres(pool, step, &fresh, now).await,
    }
    .map_err(|e| e.to_string())?;
    Ok(fresh.join(" "))
}

async fn write_sqlite(
    pool: &SqlitePool,
    step: &PreparedStep,
    fresh: &[String],
    now: i64,
) -> sqlx::Result<()> {
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
    for statement in &step.statements {
        let mut query: Query<'_, Sqlite, SqliteArguments> = sqlx::query(statement.sql);
        for binding in &statement.bindings {
            query = match value(binding, fresh, now) {
                Value::Text(v) => query.bind(v),
                Value::Int2(v) => query.bind(v),
                Value::Int4(v) => query.bind(v),
                Value::Int8(v) => query.bind(v),
                Value::Bool(v) => query.bind(v),
                Value::Real(v) => query.bind(v),
                Value::Time(v) => query.bind(v),
                Value::Json(v) => query.bind(v),
                Value::Bytes(v) => query.bind(v),
            };
        }
        query.execute(&mut *tx).await?;
    }
    tx.commit().await
}

async fn write_postgres(pool: &PgPool, step: &PreparedStep, fresh: &[String], now: i64) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    for statement in &step.statements {
        let mut query: Query<'_, Postgres, PgArguments> = sqlx::query(statement.sql);
        for binding in &statement.bindings {
            query = match value(binding, fresh, now) {
                Value::Text(v) => query.bind(v),
                Value::Int2(v) => query.bind(v),
                Value::Int4(v) => query.bind(v),
                Value::Int8(v) => query.bind(v),
                Value::Bool(v) => query.bind(v),
                Value::Real(v) => query.bind(v),
                Value::Time(v) => query.bind(v),
                Value::Json(v) => query.bind(v),
                Value::Bytes(v) => query.bind(v),
            };
        }
        query.execute(&mut *tx).await?;
    }
    tx.commit().await
}

fn value(binding: &Binding, fresh: &[String], now: i64) -> Value {
    match binding {
        Binding::Constant(value) => value.clone(),
        Binding::Fresh(number) => Value::Text(fresh.get(*number).cloned()),
        Binding::Micros(offset) => Value::Int8(Some(now + offset)),
        Binding::Instant(offset) => {
            Value::Time(OffsetDateTime::from_unix_timestamp_nanos(i128::from(now + offset) * 1000).ok())
        }
        Binding::RandomBytes(count) => {
            Value::Bytes(Some((0..*count).map(|_| random().to_le_bytes()[0]).collect()))
        }
    }
}

fn prepare(step: Step) -> Outcome<PreparedStep> {
    let statements = step.statements.into_iter().map(prepare_statement).collect::<Outcome<Vec<_>>>()?;
    Ok(PreparedStep { fresh: step.fresh, statements })
}

fn prepare_statement(statement: Statement) -> Outcome<Prepared> {
    let bindings = statement.parameters.into_iter().map(binding).collect::<Outcome<Vec<_>>>()?;
    Ok(Prepared { sql: statement.sql.leak(), bindings })
}

fn binding(parameter: Parameter) -> Outcome<Binding> {
    Ok(match parameter {
        Parameter::Constant(kind, text) => Binding::Constant(constant(kind, text)?),
        Parameter::Fresh(number) => Binding::Fresh(number),
        Parameter::Time(Kind::Time, offset) => Binding::Instant(offset),
        Parameter::Time(_, offset) => Binding::Micros(offset),
        Parameter::RandomBytes(count) => Binding::RandomBytes(count),
    })
}

fn constant(kind: Kind, text: Option<String>) -> Outcome<Value> {
    fn parsed<T: FromStr>(text: Option<String>) -> Outcome<Option<T>> {
        text.map(|t| t.parse().map_err(|_| format!("the value `{t}` is not of its column's type")))
            .transpose()
    }
    Ok(match kind {
        Kind::Text => Value::Text(text),
        Kind::Int2 => Value::Int2(parsed(text)?),
        Kind::Int4 => Value::Int4(parsed(text)?),
        Kind::Int8 => Value::Int8(parsed(text)?),
        Kind::Bool => Value::Bool(parsed(text)?),
        Kind::Real => Value::Real(parsed(text)?),
        Kind::Time => Value::Time(None),
        Kind::Json => Value::Json(parsed(text)?),
        Kind::Bytes => Value::Bytes(text.as_deref().and_then(unhex)),
    })
}

/// Opens the database as Signet's store does: the same journal, the same durability, one writer on SQLite.
async fn open(url: &str) -> Outcome<Pool> {
    if let Some(path) = url.strip_prefix("sqlite:") {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(5))
            .auto_vacuum(SqliteAutoVacuum::Incremental)
            .pragma("cache_size", "-8000")
            .pragma("trusted_schema", "OFF")
            .statement_cache_capacity(256)
            .disable_statement_logging();
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .min_connections(1)
            .acquire_timeout(Duration::from_secs(30))
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .connect_with(options)
            .await;
        return pool.map(Pool::Sqlite).map_err(|e| format!("{url}: {e}"));
    }
    let options = PgConnectOptions::from_str(url)
        .map_err(|e| e.to_string())?
        .statement_cache_capacity(256)
        .options([("timezone", "UTC"), ("statement_timeout", "30000"), ("lock_timeout", "10000")])
        .disable_statement_logging();
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS_MAX)
        .acquire_timeout(Duration::from_secs(30))
        .test_before_acquire(false)
        .connect_with(options)
        .await;
    pool.map(Pool::Postgres).map_err(|e| e.to_string())
}

thread_local! {
    static STATE: Cell<u64> = Cell::new(RandomState::new().hash_one(now_micros()));
}

/// The next number of SplitMix64: unlike each other is all that the values must be.
fn random() -> u64 {
    STATE.with(|state| {
        let next = state.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
        state.set(next);
        let mixed = (next ^ (next >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    })
}

fn make(shape: Shape, now: i64) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    match shape {
        Shape::OrderedId => {
            let millis = u64::try_from(now / 1000).unwrap_or(0);
            let (a, b) = (random(), random());
            format!(
                "{:08x}-{:04x}-7{:03x}-{:04x}-{:012x}",
                millis >> 16,
                millis & 0xFFFF,
                a & 0xFFF,
                0x8000 | (a >> 12) & 0x3FFF,
                b & 0xFFFF_FFFF_FFFF
            )
        }
        Shape::Hex(length) => {
            let mut text = String::with_capacity(length + 16);
            while text.len() < length {
                text.push_str(&format!("{:016x}", random()));
            }
            text.truncate(length);
            text
        }
        Shape::Token(length) => {
            let letter = || ALPHABET.get((random() & 63) as usize).copied().unwrap_or(b'A');
            (0..length).map(|_| char::from(letter())).collect()
        }
    }
}
