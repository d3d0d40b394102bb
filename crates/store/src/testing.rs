//! A database of its own for each test, on both back ends.
//!
//! PostgreSQL is reached through `SIGNET_TEST_POSTGRES_URL` (a superuser's address of a throw-away
//! server, which `cargo xtask test` starts); each test copies a template that was migrated once. The store
//! itself signs in as `signet_test`, which is no superuser: every test runs under row-level security.

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

/// The login of the tests: a member of the three roles, and nothing by itself.
const LOGIN: &str = "signet_test";

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
        let create = format!("CREATE DATABASE {name} TEMPLATE {template} OWNER owner");
        admin.execute(AssertSqlSafe(create)).await.expect("a test database is made");
        // A copy has the tables of its template and not the settings of the database.
        let settings = format!(
            "ALTER DATABASE {name} SET timezone = 'UTC'; REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC"
        );
        admin.execute(AssertSqlSafe(settings)).await.expect("the test database has its settings");
        admin.close().await.expect("the connection closes");
        let url = format!("{}/{name}", service_url(&server));
        let options = StoreOptions { connections_max: 4, ..StoreOptions::new(&url) };
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
        admin.execute("SELECT pg_advisory_lock(7001)").await.expect("the lock is had");
        make_login(&mut admin).await;
        let create = format!("CREATE DATABASE {name} OWNER owner");
        admin.execute(AssertSqlSafe(create)).await.expect("a database is made");
        admin.close().await.expect("the connection closes");
        format!("{}/{name}", service_url(&server))
    }

    /// The address of the same database as an administrator of the server; the file itself on SQLite.
    pub fn administrator_url(&self) -> String {
        match self.backend() {
            Backend::Sqlite => self.url.clone(),
            Backend::Postgres => {
                let name = self.url.rsplit('/').next().unwrap_or_default();
                format!("{}/{name}", postgres_server())
            }
        }
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

/// The address of the test server as the service signs in.
#[expect(clippy::expect_used, reason = "tests")]
fn service_url(server: &str) -> String {
    let (scheme, rest) = server.split_once("://").expect("an address with a scheme");
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    format!("{scheme}://{LOGIN}:{LOGIN}@{host}")
}

/// Makes the roles and the login of the tests where they are absent. The caller holds the lock.
#[expect(clippy::expect_used, reason = "tests")]
async fn make_login(admin: &mut PgConnection) {
    crate::pool::login::make_roles(admin).await.expect("the roles are made");
    let make = format!(
        "DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = '{LOGIN}') THEN \
         CREATE ROLE {LOGIN} LOGIN NOINHERIT PASSWORD '{LOGIN}'; END IF; END $$"
    );
    admin.execute(AssertSqlSafe(make)).await.expect("the login of the tests is made");
    let grant = format!("GRANT owner, app_user, app_platform TO {LOGIN}");
    admin.execute(AssertSqlSafe(grant)).await.expect("the login is a member of the roles");
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
        make_login(&mut admin).await;
        let create = format!("CREATE DATABASE {making} OWNER owner");
        admin.execute(AssertSqlSafe(create)).await.expect("a template is made");
        let url = format!("{}/{making}", service_url(server));
        let options = StoreOptions { connections_max: 2, ..StoreOptions::new(url) };
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

/// Lets the service use the tables that a script of a test made: those without any grant.
const GRANT_NEW: &str = "DO $$ DECLARE v regclass; BEGIN \
     FOR v IN SELECT oid::regclass FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' \
         AND NOT relispartition AND relacl IS NULL AND relname <> 'schema_migrations' LOOP \
         EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO app_user, app_platform', v); \
     END LOOP; END $$";

/// Runs a script of several statements, on PostgreSQL as the owner of all objects.
#[expect(clippy::expect_used, reason = "tests")]
pub async fn run_script(store: &Store, script: &str) {
    let script = AssertSqlSafe(script.to_owned());
    if let Some(pool) = store.sqlite_writer() {
        pool.execute(sqlx::raw_sql(script)).await.expect("the script runs on SQLite");
    } else if let Some(mut owner) = store.postgres_owner().await.expect("the owner signs in") {
        owner.execute(sqlx::raw_sql(script)).await.expect("the script runs on PostgreSQL");
        owner.execute(GRANT_NEW).await.expect("the service may use what the script made");
        owner.close().await.expect("the connection closes");
    }
}

/// Everything that the schema consists of, as sorted text: for comparing before and after.
#[expect(clippy::expect_used, reason = "tests")]
pub async fn schema(store: &Store) -> Vec<String> {
    const SQLITE: &str =
        "SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_schema ORDER BY 1";
    const POSTGRES: &str = "SELECT 'column ' || attrelid::regclass || '.' || attname || ' ' || format_type(atttypid, atttypmod) \
           || ' ' || attnotnull || ' ' || coalesce(pg_get_expr(d.adbin, d.adrelid), '') || ' ' || coalesce(attstattarget, -1) \
           FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid LEFT JOIN pg_attrdef d ON adrelid = attrelid AND adnum = attnum \
           WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v') AND attnum > 0 AND NOT attisdropped \
         UNION ALL SELECT 'relation ' || relname || ' ' || relkind::text || ' ' || relowner::regrole || ' rls ' || relrowsecurity \
           || ' ' || coalesce((SELECT string_agg(x::text, ' ' ORDER BY x::text) FROM unnest(coalesce(relacl, acldefault('r', relowner))) x), '') \
           FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'S') \
         UNION ALL SELECT 'policy ' || tablename || ' ' || policyname || ' ' || array_to_string(roles, ',') || ' ' || cmd \
           || ' ' || coalesce(qual, '') || ' ' || coalesce(with_check, '') FROM pg_policies \
         UNION ALL SELECT 'index ' || indexdef FROM pg_indexes WHERE schemaname = 'public' \
         UNION ALL SELECT 'constraint ' || conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) \
           FROM pg_constraint WHERE connamespace = 'public'::regnamespace \
         UNION ALL SELECT 'trigger ' || pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal \
         UNION ALL SELECT 'function ' || pg_get_functiondef(p.oid) || ' ' || proowner::regrole || ' ' \
           || coalesce((SELECT string_agg(x::text, ' ' ORDER BY x::text) FROM unnest(coalesce(proacl, acldefault('f', proowner))) x), '') FROM pg_proc p \
           WHERE pronamespace = 'public'::regnamespace AND prokind = 'f' \
           AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e') \
         UNION ALL SELECT 'view ' || viewname || ' ' || definition FROM pg_views WHERE schemaname = 'public' \
         ORDER BY 1";
    if let Some(mut owner) = store.postgres_owner().await.expect("the owner signs in") {
        let rows = sqlx::query_scalar(POSTGRES).fetch_all(&mut owner).await.expect("the catalogue answers");
        owner.close().await.expect("the connection closes");
        return rows;
    }
    let writer = store.sqlite_writer().expect("one of the two databases");
    sqlx::query_scalar(SQLITE).fetch_all(writer).await.expect("the catalogue answers")
}

/// The first column of a statement about the catalogue as text, on PostgreSQL as the owner of all objects.
#[expect(clippy::expect_used, reason = "tests")]
pub async fn as_owner(store: &Store, text: &'static str) -> Vec<String> {
    let mut owner =
        store.postgres_owner().await.expect("the owner signs in").expect("a database of PostgreSQL");
    let rows = sqlx::query_scalar(text).fetch_all(&mut owner).await.expect("the statement runs");
    owner.close().await.expect("the connection closes");
    rows
}
