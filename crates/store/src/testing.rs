//! A database of its own for each test, on both back ends.
//!
//! PostgreSQL is reached through `SIGNET_TEST_POSTGRES_URL` (a superuser's address of a throw-away
//! server, which `cargo xtask test` starts); each test copies a template that was migrated once.

#![expect(
    clippy::disallowed_methods,
    reason = "tests read their environment and name their databases by the time"
)]

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::digest::{SHA256, digest};
use base::Timestamp;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

use crate::{Backend, Store, StoreOptions, migrate};

static NEXT: AtomicU64 = AtomicU64::new(0);

/// A migrated, empty database that belongs to one test.
pub struct TestDb {
    /// The open store.
    pub store: Store,
    /// Its address, for a second store or a child process.
    pub url: String,
    directory: Option<PathBuf>,
}

impl TestDb {
    /// One database of each kind: every test of a slice loops over them.
    pub async fn both() -> Vec<Self> {
        vec![Self::sqlite().await, Self::postgres().await]
    }

    /// A SQLite database in a directory of its own.
    #[expect(clippy::expect_used, reason = "tests")]
    pub async fn sqlite() -> Self {
        let directory = std::env::temp_dir().join(unique("signet-test"));
        std::fs::create_dir_all(&directory).expect("a temporary directory");
        let url = format!("sqlite:{}", directory.join("signet.db").display());
        let store = Store::open(&StoreOptions::new(&url)).await.expect("a SQLite file opens");
        migrate::up(&store, Timestamp::from_seconds(0)).await.expect("migrations run on SQLite");
        Self { store, url, directory: Some(directory) }
    }

    /// A PostgreSQL database copied from the migrated template.
    #[expect(clippy::expect_used, reason = "tests")]
    pub async fn postgres() -> Self {
        let server = postgres_server();
        let template = template(&server).await;
        let name = unique("signet_test").replace('-', "_");
        let mut admin =
            PgConnection::connect(&format!("{server}/postgres")).await.expect("the test server answers");
        let create = format!("CREATE DATABASE {name} TEMPLATE {template}");
        admin.execute(AssertSqlSafe(create)).await.expect("a test database is made");
        admin.close().await.expect("the connection closes");
        let url = format!("{server}/{name}");
        let options = StoreOptions { url: url.clone(), connections_max: 4 };
        let store = Store::open(&options).await.expect("the test database opens");
        Self { store, url, directory: None }
    }

    /// An empty PostgreSQL database without our schema.
    #[expect(clippy::expect_used, reason = "tests")]
    pub async fn empty_postgres_url() -> String {
        let server = postgres_server();
        let name = unique("signet_empty").replace('-', "_");
        let mut admin =
            PgConnection::connect(&format!("{server}/postgres")).await.expect("the test server answers");
        admin.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.expect("a database is made");
        format!("{server}/{name}")
    }

    /// Which database this is, for messages.
    pub fn backend(&self) -> Backend {
        self.store.backend()
    }
}

impl Drop for TestDb {
    fn drop(&mut self) {
        if let Some(directory) = &self.directory {
            drop(std::fs::remove_dir_all(directory));
        }
    }
}

/// The address of the test server without a database name.
#[expect(clippy::expect_used, reason = "tests")]
fn postgres_server() -> String {
    let url = std::env::var("SIGNET_TEST_POSTGRES_URL").expect(
        "SIGNET_TEST_POSTGRES_URL is not set: run the tests with `cargo xtask test`, which starts a server",
    );
    url.trim_end_matches('/').to_owned()
}

fn unique(prefix: &str) -> String {
    let nanos =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_nanos());
    format!("{prefix}-{}-{nanos:x}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Makes the template once for each set of migrations; concurrent test processes wait for each other.
#[expect(clippy::expect_used, reason = "tests")]
async fn template(server: &str) -> String {
    let migrations = migrate::all(Backend::Postgres).expect("the migrations parse");
    let all: String = migrations.iter().map(|m| m.checksum.as_str()).collect();
    let fingerprint: String =
        digest(&SHA256, all.as_bytes()).as_ref().iter().take(8).map(|b| format!("{b:02x}")).collect();
    let name = format!("signet_template_{fingerprint}");
    let mut admin =
        PgConnection::connect(&format!("{server}/postgres")).await.expect("the test server answers");
    admin.execute("SELECT pg_advisory_lock(7001)").await.expect("the lock is had");
    let exists = sqlx::query("SELECT 1 FROM pg_database WHERE datname = $1")
        .bind(&name)
        .fetch_optional(&mut admin)
        .await
        .expect("the catalogue answers")
        .is_some();
    if !exists {
        let making = format!("{name}_making");
        admin
            .execute(AssertSqlSafe(format!("DROP DATABASE IF EXISTS {making}")))
            .await
            .expect("a clean start");
        admin.execute(AssertSqlSafe(format!("CREATE DATABASE {making}"))).await.expect("a template is made");
        let options = StoreOptions { url: format!("{server}/{making}"), connections_max: 2 };
        let store = Store::open(&options).await.expect("the template opens");
        migrate::up(&store, Timestamp::from_seconds(0)).await.expect("migrations run on PostgreSQL");
        store.close().await;
        admin
            .execute(AssertSqlSafe(format!("ALTER DATABASE {making} RENAME TO {name}")))
            .await
            .expect("the template is named");
    }
    admin.execute("SELECT pg_advisory_unlock(7001)").await.expect("the lock is given back");
    admin.close().await.expect("the connection closes");
    name
}

/// The address of a SQLite file that does not exist yet, in a temporary directory.
#[expect(clippy::expect_used, reason = "tests")]
pub fn empty_sqlite_url() -> String {
    let directory = std::env::temp_dir().join(unique("signet-empty"));
    std::fs::create_dir_all(&directory).expect("a temporary directory");
    format!("sqlite:{}", directory.join("signet.db").display())
}

/// Runs a script of several statements.
#[expect(clippy::expect_used, reason = "tests")]
pub async fn run_script(store: &Store, script: &str) {
    let script = AssertSqlSafe(script.to_owned());
    if let Some(pool) = store.sqlite_writer() {
        pool.execute(sqlx::raw_sql(script)).await.expect("the script runs on SQLite");
    } else if let Some(pool) = store.postgres_pool() {
        pool.execute(sqlx::raw_sql(script)).await.expect("the script runs on PostgreSQL");
    }
}

/// Everything that the schema consists of, as sorted text: for comparing before and after.
#[expect(clippy::expect_used, reason = "tests")]
pub async fn schema(store: &Store) -> Vec<String> {
    let text = match store.backend() {
        Backend::Sqlite => {
            "SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_schema ORDER BY 1"
        }
        Backend::Postgres => {
            "SELECT 'column ' || table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable || ' ' \
               || coalesce(column_default, '') FROM information_schema.columns WHERE table_schema = 'public' \
             UNION ALL SELECT 'index ' || indexdef FROM pg_indexes WHERE schemaname = 'public' \
             UNION ALL SELECT 'constraint ' || conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) \
               FROM pg_constraint WHERE connamespace = 'public'::regnamespace \
             UNION ALL SELECT 'trigger ' || pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal \
             UNION ALL SELECT 'function ' || pg_get_functiondef(p.oid) FROM pg_proc p \
               WHERE pronamespace = 'public'::regnamespace AND prokind = 'f' \
               AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e') \
             UNION ALL SELECT 'view ' || viewname || ' ' || definition FROM pg_views WHERE schemaname = 'public' \
             ORDER BY 1"
        }
    };
    let mut rx = store.begin_read().await.expect("a connection");
    rx.all::<String>(crate::Sql::new(text)).await.expect("the catalogue answers")
}
