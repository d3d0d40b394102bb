//! `signet migrate verify` and `status`: every difference is found and named, and nothing is changed.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

use std::path::Path;

use base::Timestamp;
use store::testing::{TestDb, as_owner, empty_sqlite_url, run_script, schema};
use store::verify::{Finding, Report, verify};
use store::{Backend, Look, Store, StoreError, StoreOptions, migrate};

/// The time of the tests: partitions of an empty database are made for the real one.
fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_seconds(i64::try_from(since.as_secs()).unwrap())
}

async fn report(url: &str) -> Report {
    let mut look = Look::open(&StoreOptions::new(url)).await.unwrap();
    let report = verify(&mut look, now()).await.unwrap();
    look.close().await.unwrap();
    report
}

/// Runs a script as the administrator of the server, or on the file.
async fn tamper(db: &TestDb, script: &str) {
    let options = StoreOptions { allow_superuser: true, ..StoreOptions::new(db.administrator_url()) };
    let store = Store::open(&options).await.unwrap();
    let reset = if db.backend() == Backend::Postgres { "RESET ROLE; " } else { "" };
    run_script(&store, &format!("{reset}{script}")).await;
    store.close().await;
}

fn titles(findings: &[Finding]) -> Vec<&str> {
    findings.iter().map(|finding| finding.object.as_str()).collect()
}

#[tokio::test]
async fn the_text_of_the_expected_schema_is_what_the_migrations_make() {
    let db = TestDb::postgres().await;
    let mut look = Look::open(&StoreOptions::new(&db.url)).await.unwrap();
    let found = store::verify::describe(&mut look).await.unwrap();

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/verify/postgres.txt");
    if std::env::var_os("SIGNET_WRITE_GOLDEN").is_some() {
        std::fs::write(&path, found.join("\n") + "\n").unwrap();
    }
    let text = std::fs::read_to_string(path).unwrap();
    let kept: Vec<&str> = text.lines().collect();
    let missing: Vec<&&str> = kept.iter().filter(|line| !found.iter().any(|f| f == **line)).collect();
    let new: Vec<&String> = found.iter().filter(|line| !kept.contains(&line.as_str())).collect();
    assert!(
        missing.is_empty() && new.is_empty(),
        "run with SIGNET_WRITE_GOLDEN=1 and review the change; gone: {missing:#?}; new: {new:#?}"
    );
}

#[tokio::test]
async fn a_database_that_was_just_made_does_not_differ_and_looking_changes_nothing() {
    for db in TestDb::both().await {
        let before = schema(&db.store).await;

        let report = report(&db.url).await;

        assert_eq!((report.differences, report.warnings), (Vec::new(), Vec::new()), "{:?}", db.backend());
        assert!(report.exact);
        assert_eq!(
            Some(report.version.as_str()),
            migrate::all(db.backend()).unwrap().last().map(|m| m.version)
        );
        assert_eq!(schema(&db.store).await, before);
    }
}

/// What is done to a database, and what is then said of it.
const POSTGRES: &[(&str, &str)] = &[
    ("DROP INDEX idx_users_email", "index idx_users_email on users"),
    (
        "DROP INDEX idx_tokens_ended; CREATE INDEX idx_tokens_ended ON tokens (expires_at)",
        "index idx_tokens_ended on tokens",
    ),
    (
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'idx_tokens_expired'::regclass",
        "index idx_tokens_expired on tokens",
    ),
    ("CREATE UNIQUE INDEX mine_only ON users (phone)", "index mine_only on users"),
    ("ALTER TABLE users ADD COLUMN nickname text", "column users.nickname"),
    ("ALTER TABLE users DROP COLUMN avatar_url", "column users.avatar_url"),
    ("ALTER TABLE roles ALTER COLUMN description SET NOT NULL", "column roles.description"),
    ("ALTER TABLE roles ALTER COLUMN permissions SET DEFAULT '{}'", "column roles.permissions"),
    ("ALTER TABLE groups DROP CONSTRAINT fk_groups_tenant_id", "constraint groups.fk_groups_tenant_id"),
    ("ALTER TABLE platforms ADD CONSTRAINT mine CHECK (length(name) > 1)", "constraint platforms.mine"),
    ("DROP TABLE platform_roles", "table platform_roles"),
    ("ALTER TABLE throttles SET UNLOGGED", "table throttles"),
    ("ALTER TABLE tenants DISABLE TRIGGER trg_tenants_updated_at", "trigger tenants.trg_tenants_updated_at"),
    ("DROP TRIGGER trg_users_soft_delete ON users", "trigger users.trg_users_soft_delete"),
    (
        "ALTER TABLE group_members DISABLE TRIGGER ALL",
        "trigger group_members.fk_group_members_tenant_id_group_id",
    ),
    ("CREATE RULE mine AS ON DELETE TO policies DO INSTEAD NOTHING", "rule policies.mine"),
    ("ALTER TABLE outbox DISABLE ROW LEVEL SECURITY", "row-level security of outbox"),
    ("ALTER TABLE signing_keys FORCE ROW LEVEL SECURITY", "row-level security of signing_keys"),
    ("DROP POLICY tenant ON oauth_grants", "policy oauth_grants.tenant"),
    ("CREATE POLICY mine ON tokens TO app_user USING (true)", "policy tokens.mine"),
    ("ALTER POLICY tenant ON resources USING (true)", "policy resources.tenant"),
    ("GRANT DELETE ON audit_logs TO app_user", "right of app_user on audit_logs"),
    ("REVOKE INSERT ON policies FROM app_user", "right of app_user on policies"),
    ("GRANT SELECT ON users TO PUBLIC", "right of PUBLIC on users"),
    ("GRANT SELECT (email) ON users TO audit_ro", "right of audit_ro (email) on users"),
    ("REVOKE USAGE ON SCHEMA public FROM audit_ro", "right of audit_ro on schema public"),
    ("GRANT CREATE ON SCHEMA public TO PUBLIC", "right of PUBLIC on schema public"),
    (
        "GRANT EXECUTE ON FUNCTION drop_old_partitions(integer) TO app_platform",
        "right of app_platform on function drop_old_partitions(integer)",
    ),
    (
        "CREATE OR REPLACE FUNCTION fill_user_keys() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "function fill_user_keys()",
    ),
    ("ALTER FUNCTION detach_partition(date) SECURITY INVOKER", "function detach_partition(date)"),
    ("ALTER FUNCTION attach_partition(date) RESET ALL", "function attach_partition(date)"),
    (
        "ALTER FUNCTION is_migration_applied(text) OWNER TO CURRENT_USER",
        "owner of is_migration_applied(text)",
    ),
    ("DROP VIEW kms_key_stats", "view kms_key_stats"),
    ("ALTER VIEW encryption_keys RESET (security_invoker)", "view encryption_keys"),
    ("ALTER TABLE departments OWNER TO CURRENT_USER", "owner of departments"),
    (
        "ALTER DEFAULT PRIVILEGES FOR ROLE owner IN SCHEMA public GRANT SELECT ON TABLES TO PUBLIC",
        "default rights of owner for public r",
    ),
    ("GRANT SELECT ON audit_logs_2026_02 TO app_user", "partition audit_logs_2026_02 of audit_logs"),
    (
        "ALTER TABLE audit_logs_2026_04 ADD CONSTRAINT mine CHECK (count < 5)",
        "partition audit_logs_2026_04 of audit_logs",
    ),
    (
        "ALTER TABLE audit_logs_2026_03 DISABLE TRIGGER trg_audit_logs_no_truncate",
        "partition audit_logs_2026_03 of audit_logs",
    ),
    (
        "DO $$ BEGIN EXECUTE format('DROP TABLE audit_logs_%s', to_char(now() AT TIME ZONE 'UTC', 'YYYY_MM')); END $$",
        "partition audit_logs_{this month} of audit_logs",
    ),
];

/// What is worth no more than a warning, or nothing at all.
const POSTGRES_WARNINGS: &[(&str, Option<&str>)] = &[
    ("CREATE TABLE notes (id int PRIMARY KEY, note text); GRANT ALL ON notes TO PUBLIC", Some("table notes")),
    ("CREATE INDEX mine ON users (phone)", Some("index mine on users")),
    ("CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'", Some("function mine()")),
    ("CREATE VIEW names AS SELECT username FROM users", Some("view names")),
    ("ALTER TABLE users SET (fillfactor = 70)", Some("tuning of users.(storage)")),
    ("ALTER TABLE users ALTER COLUMN email SET STATISTICS 500", Some("tuning of users.email")),
    ("GRANT SELECT ON roles TO signet_test", Some("right of signet_test on roles")),
    (
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET timezone', current_database()); END $$",
        Some("time zone of the database"),
    ),
    (
        "DO $$ BEGIN EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO PUBLIC', current_database()); END $$",
        Some("right of PUBLIC on database"),
    ),
    (
        "INSERT INTO audit_logs (id, action, created_at) VALUES ('e-1', 'x', '1999-03-04')",
        Some("partition audit_overflow of audit_logs"),
    ),
    (
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = others, public', current_database()); END $$",
        Some("setting search_path of database {database}"),
    ),
    ("CREATE SCHEMA others; CREATE TABLE others.users (id int)", None),
    ("CREATE EXTENSION IF NOT EXISTS pg_trgm", None),
    ("SELECT detach_partition(date '2026-01-15')", None),
];

#[tokio::test]
async fn each_way_in_which_postgresql_differs_is_found_and_named() {
    let db = TestDb::postgres().await;
    let month = as_owner(&db.store, "SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY_MM')").await.remove(0);
    for (script, _) in POSTGRES {
        tamper(&db, script).await;
    }

    let report = report(&db.url).await;

    let mut expected: Vec<String> =
        POSTGRES.iter().map(|(_, object)| object.replace("{this month}", &month)).collect();
    // The second foreign key of the table whose triggers were all switched off.
    expected.push("trigger group_members.fk_group_members_tenant_id_principal_id".to_owned());
    let found = titles(&report.differences);
    let unseen: Vec<&String> = expected.iter().filter(|object| !found.contains(&object.as_str())).collect();
    let surplus: Vec<&&str> = found.iter().filter(|object| !expected.iter().any(|e| e == **object)).collect();
    assert!(unseen.is_empty() && surplus.is_empty(), "unseen {unseen:#?}, surplus {surplus:#?}");
    assert!(!report.exact && report.warnings.is_empty(), "{:#?}", report.warnings);
    for finding in &report.differences {
        assert!(finding.found != finding.expected && !finding.run.is_empty(), "{finding:#?}");
    }
}

#[tokio::test]
async fn what_an_operator_added_or_tuned_on_postgresql_is_a_warning_and_what_is_not_ours_is_nothing() {
    let db = TestDb::postgres().await;
    for (script, _) in POSTGRES_WARNINGS {
        tamper(&db, script).await;
    }

    let report = report(&db.url).await;

    let name = db.url.rsplit('/').next().unwrap();
    let mut expected: Vec<String> = POSTGRES_WARNINGS
        .iter()
        .filter_map(|(_, object)| Some((*object)?.replace("{database}", name)))
        .collect();
    let mut found = titles(&report.warnings);
    expected.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, expected);
    assert_eq!(report.differences, Vec::new());
}

#[tokio::test]
async fn the_statements_that_the_report_gives_put_postgresql_right() {
    let db = TestDb::postgres().await;
    for (script, _) in POSTGRES {
        tamper(&db, script).await;
    }
    let broken = report(&db.url).await;

    let statements: Vec<&str> = broken
        .differences
        .iter()
        .map(|f| f.run.as_str())
        .filter(|run| run.starts_with("SET ROLE owner; ") && run.ends_with(';'))
        .collect();
    assert!(statements.len() > 20, "{statements:#?}");
    for statement in &statements {
        tamper(&db, &format!("{statement} RESET ROLE")).await;
    }

    let mended = report(&db.url).await;
    let still: Vec<&Finding> =
        mended.differences.iter().filter(|finding| statements.contains(&finding.run.as_str())).collect();
    assert!(still.is_empty(), "{still:#?}");
}

const SQLITE: &[(&str, &str)] = &[
    ("DROP INDEX idx_users_email", "index idx_users_email on users"),
    ("CREATE UNIQUE INDEX mine_only ON users (phone)", "index mine_only on users"),
    (
        "DROP INDEX idx_tokens_ended; CREATE INDEX idx_tokens_ended ON tokens (expires_at)",
        "index idx_tokens_ended on tokens",
    ),
    ("ALTER TABLE users ADD COLUMN nickname TEXT", "column users.nickname"),
    ("DROP TRIGGER trg_tenants_updated_at", "trigger tenants.trg_tenants_updated_at"),
    ("DROP TABLE archive_tasks", "table archive_tasks"),
    ("DROP VIEW kms_key_stats", "view kms_key_stats"),
    (
        "PRAGMA writable_schema = ON; \
         UPDATE sqlite_schema SET sql = replace(sql, '''SUSPENDED''', '''PAUSED''') WHERE name = 'tenants'; \
         PRAGMA writable_schema = RESET",
        "constraint tenants.ck_tenants_status",
    ),
    (
        "PRAGMA foreign_keys = OFF; \
         INSERT INTO groups (id, tenant_id, name, name_key) VALUES ('g', 'nobody', 'g', 'g')",
        "rows of table groups",
    ),
];

const SQLITE_WARNINGS: &[(&str, Option<&str>)] = &[
    ("CREATE TABLE notes (id INTEGER PRIMARY KEY, note TEXT)", Some("table notes")),
    ("CREATE INDEX mine ON users (phone)", Some("index mine on users")),
    ("ANALYZE", None),
];

#[tokio::test]
async fn each_way_in_which_sqlite_differs_is_found_and_named() {
    let db = TestDb::sqlite().await;
    for (script, _) in SQLITE {
        run_script(&db.store, script).await;
    }
    for (script, _) in SQLITE_WARNINGS {
        run_script(&db.store, script).await;
    }

    let report = report(&db.url).await;

    let mut expected: Vec<&str> = SQLITE.iter().map(|(_, object)| *object).collect();
    let mut found = titles(&report.differences);
    expected.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, expected, "{:#?}", report.differences);
    let warnings: Vec<&str> = SQLITE_WARNINGS.iter().filter_map(|(_, object)| *object).collect();
    assert_eq!(titles(&report.warnings), warnings);
}

#[tokio::test]
async fn versions_that_are_missing_edited_or_of_a_newer_build_are_named_each_with_its_remedy() {
    for db in TestDb::both().await {
        migrate::down(&db.store, 1).await.unwrap();
        let script = "UPDATE schema_migrations SET checksum = '0' WHERE version = 'V1.0.0'; \
                      INSERT INTO schema_migrations (version, description, checksum, applied_at) \
                      SELECT 'V9.0.0', 'from later', '0', applied_at FROM schema_migrations WHERE version = 'V1.0.0'";
        run_script(&db.store, script).await;

        let report = report(&db.url).await;

        let found: Vec<(&str, &str)> =
            report.differences.iter().map(|f| (f.object.as_str(), f.run.as_str())).collect();
        let [edited, missing, later] = found.as_slice() else { panic!("{found:#?}") };
        assert!(edited.0.contains("V1.0.0") && edited.1.contains("build that made it"), "{edited:?}");
        assert!(missing.0.contains("V3.1.0") && missing.1 == "signet migrate up", "{missing:?}");
        assert!(later.0.contains("V9.0.0") && later.1.contains("backup"), "{later:?}");
    }
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_as_it_is() {
    for db in TestDb::both().await {
        let script = "INSERT INTO schema_migrations (version, description, checksum, applied_at) \
                      SELECT 'V9.0.0', 'from later', '0', applied_at FROM schema_migrations WHERE version = 'V1.0.0'";
        run_script(&db.store, script).await;
        let before = schema(&db.store).await;

        for outcome in [
            migrate::up(&db.store, now()).await.map(drop),
            migrate::down(&db.store, 1).await.map(drop),
            migrate::require(&db.store).await,
        ] {
            let error = outcome.unwrap_err();
            assert!(matches!(error, StoreError::OtherSchema(_)), "{error:?}");
            let text = error.to_string();
            assert!(
                text.contains("V9.0.0") && text.contains("newer build") && text.contains("backup"),
                "{text}"
            );
        }
        assert_eq!(schema(&db.store).await, before);
    }
}

#[tokio::test]
async fn status_of_an_empty_database_makes_nothing() {
    let sqlite = empty_sqlite_url();
    let postgres = TestDb::empty_postgres_url().await;
    for url in [&sqlite, &postgres] {
        let mut look = Look::open(&StoreOptions::new(url)).await.unwrap();
        let statuses = migrate::status(&mut look).await.unwrap();
        assert!(!statuses.is_empty() && statuses.iter().all(|s| s.applied_at.is_none()), "{url}");
        assert!(!verify(&mut look, now()).await.unwrap().exact);
        look.close().await.unwrap();
    }

    assert!(!Path::new(sqlite.strip_prefix("sqlite:").unwrap()).exists());
    let store = Store::open(&StoreOptions::new(&postgres)).await.unwrap();
    let tables = "SELECT count(*)::text FROM pg_class WHERE relnamespace = 'public'::regnamespace";
    assert_eq!(as_owner(&store, tables).await, ["0"]);
}

#[tokio::test]
async fn a_login_that_may_not_read_what_was_applied_is_told_what_it_needs() {
    let db = TestDb::postgres().await;
    let outsider = "DO $$ BEGIN CREATE ROLE signet_test_outsider LOGIN PASSWORD 'signet_test_outsider'; \
                    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$";
    tamper(&db, outsider).await;
    let url = db.url.replace("signet_test:signet_test@", "signet_test_outsider:signet_test_outsider@");

    let mut look = Look::open(&StoreOptions::new(&url)).await.unwrap();
    let refused = verify(&mut look, now()).await.unwrap_err();
    let text = refused.to_string();
    assert!(matches!(refused, StoreError::Configuration(_)), "{text}");
    assert!(
        text.contains("signet_test_outsider") && text.contains("GRANT SELECT ON schema_migrations"),
        "{text}"
    );

    // With that right it may look, and hears that it could not serve.
    run_script(&db.store, "GRANT SELECT ON schema_migrations TO signet_test_outsider").await;
    let found = report(&url).await;
    assert_eq!(titles(&found.differences), ["login signet_test_outsider"]);
    assert!(found.differences[0].run.contains("GRANT owner, app_user, app_platform"), "{found:#?}");
}
