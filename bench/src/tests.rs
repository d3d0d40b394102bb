//! `cargo test --manifest-path bench/Cargo.toml`: that the harness learns and repeats what it says it does.

use std::path::{Path, PathBuf};

use sqlx::SqlitePool;
use sqlx::sqlite::SqliteConnectOptions;

use crate::baseline;
use crate::capture::Schema;
use crate::database::Database;
use crate::http::{encode, hidden_field};
use crate::measure::Spread;
use crate::template::{Parameter, Shape};

const SCHEMA: &str = "
    CREATE TABLE z_grants (id TEXT NOT NULL PRIMARY KEY, who TEXT NOT NULL, created_at INTEGER NOT NULL) STRICT;
    CREATE TABLE codes (digest TEXT NOT NULL PRIMARY KEY, used_at INTEGER,
        grant_id TEXT NOT NULL REFERENCES z_grants (id), details TEXT NOT NULL, hash BLOB) STRICT;
    CREATE TABLE counters (name TEXT NOT NULL PRIMARY KEY, n INTEGER NOT NULL) STRICT;
    INSERT INTO counters VALUES ('sweeps', 0);";

async fn writable(name: &str) -> (PathBuf, SqlitePool) {
    let file = std::env::temp_dir().join(format!("signet-bench-test-{}-{name}.db", std::process::id()));
    drop(std::fs::remove_file(&file));
    let options = SqliteConnectOptions::new().filename(&file).create_if_missing(true).foreign_keys(true);
    let pool = SqlitePool::connect_with(options).await.unwrap();
    sqlx::raw_sql(SCHEMA).execute(&pool).await.unwrap();
    (file, pool)
}

/// The last connection takes the write-ahead log with it.
async fn remove(file: &Path, pool: SqlitePool) {
    pool.close().await;
    std::fs::remove_file(file).unwrap();
}

/// One operation in two requests: the first inserts a grant and its code, the second uses the code.
async fn operate(pool: &SqlitePool, number: i64, step: usize) {
    let id = format!("0199aaaa-0000-7000-8000-{number:012}");
    let digest = format!("{:064x}", 0xABCD_EF00_i64 + number);
    let now = 1_790_000_000_000_000_i64 + number;
    if step == 0 {
        sqlx::query("INSERT INTO z_grants VALUES ($1, 'alice', $2)")
            .bind(&id)
            .bind(now)
            .execute(pool)
            .await
            .unwrap();
        let details = format!("{{\"grant\":\"{id}\"}}");
        sqlx::query("INSERT INTO codes VALUES ($1, NULL, $2, $3, $4)")
            .bind(&digest)
            .bind(&id)
            .bind(details)
            .bind(vec![u8::try_from(number).unwrap(); 32])
            .execute(pool)
            .await
            .unwrap();
    } else {
        sqlx::query("UPDATE codes SET used_at = $1 WHERE digest = $2")
            .bind(now)
            .bind(&digest)
            .execute(pool)
            .await
            .unwrap();
        if number == 1 {
            sqlx::query("UPDATE counters SET n = n + 1").execute(pool).await.unwrap();
        }
    }
}

#[tokio::test]
async fn an_operation_is_learnt_from_the_database_and_can_be_repeated() {
    let (file, pool) = writable("repeat").await;
    let url = format!("sqlite:{}", file.display());
    let database = Database::open(&url).await.unwrap();
    let schema = Schema::read(&database).await.unwrap();

    let mut repetitions = Vec::new();
    for number in 0..3 {
        let before = schema.dump(&database).await.unwrap();
        operate(&pool, number, 0).await;
        let between = schema.dump(&database).await.unwrap();
        operate(&pool, number, 1).await;
        let after = schema.dump(&database).await.unwrap();
        repetitions.push(vec![schema.change(&before, &between), schema.change(&between, &after)]);
    }
    let template = schema.template("test", &repetitions).unwrap();

    assert_eq!(template.describe(), "z_grants, codes; then update of codes");
    assert_eq!(template.steps[0].fresh, [Shape::OrderedId, Shape::Hex(64)]);
    let code = &template.steps[0].statements[1];
    assert_eq!(code.sql, "INSERT INTO codes (digest, grant_id, details, hash) VALUES ($1, $2, $3, $4)");
    assert!(matches!(code.parameters[0], Parameter::Fresh(1)));
    assert!(matches!(code.parameters[1], Parameter::Fresh(0)), "the code names the fresh grant");
    assert!(matches!(code.parameters[3], Parameter::RandomBytes(32)));
    let used = &template.steps[1].statements[0];
    assert_eq!(used.sql, "UPDATE codes SET used_at = $1 WHERE digest = $2");
    assert!(matches!(used.parameters[..], [Parameter::Time(..), Parameter::Fresh(1)]));

    let shared = baseline::shared(&url, vec![template]).await.unwrap();
    for _ in 0..2 {
        let fresh = baseline::repeat(&shared, "test", 0, "").await.unwrap();
        baseline::repeat(&shared, "test", 1, &fresh).await.unwrap();
    }
    let count =
        database.one("SELECT CAST(count(*) AS TEXT) FROM codes WHERE used_at IS NOT NULL").await.unwrap();
    assert_eq!(count, "5");
    shared.close().await;
    database.close().await;
    remove(&file, pool).await;
}

#[tokio::test]
async fn repetitions_that_wrote_other_tables_are_refused() {
    let (file, pool) = writable("refused").await;
    let database = Database::open(&format!("sqlite:{}", file.display())).await.unwrap();
    let schema = Schema::read(&database).await.unwrap();

    let empty = schema.dump(&database).await.unwrap();
    operate(&pool, 0, 0).await;
    let one = schema.dump(&database).await.unwrap();
    let repetitions = [vec![schema.change(&empty, &empty)], vec![schema.change(&empty, &one)]];

    let error = schema.template("test", &repetitions).unwrap_err();
    assert!(error.contains("one repetition wrote"), "{error}");
    database.close().await;
    remove(&file, pool).await;
}

#[test]
fn a_spread_of_an_even_number_has_its_median_between_two() {
    let spread = Spread::of(vec![4.0, 1.0, 2.0, 3.0]);

    assert_eq!((spread.min, spread.median, spread.max), (1.0, 2.5, 4.0));
    assert_eq!(Spread::of(vec![3.0, 1.0, 2.0]).median, 2.0);
}

#[test]
fn a_hidden_field_is_read_wherever_it_stands_in_its_tag() {
    let page = r#"<input name="username" value="no"><input type="hidden" value="a&#x2F;b" name="csrf">"#;

    assert_eq!(hidden_field(page, "csrf").as_deref(), Some("a/b"));
    assert_eq!(hidden_field(page, "password"), None);
    assert_eq!(encode("a b/ü~"), "a%20b%2F%C3%BC%7E");
}
