//! Row-level security on PostgreSQL: what a connection may see, whatever it served before.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

use std::time::Duration;

use store::testing::{TestDb, as_owner, run_script};
use store::{Scope, Sql, Store, StoreError, StoreOptions};

/// Tables without a tenant, each with the reason why it needs no policy.
const WITHOUT_TENANT: [(&str, &str); 6] = [
    ("archive_tasks", "names months of the audit log, not their rows"),
    ("global_permissions", "the program's catalogue of actions"),
    ("key_checks", "proves the root key; app_user has no right on it"),
    ("platform_roles", "the platform's; app_user has no right on it"),
    ("platforms", "the platform's; app_user has no right on it"),
    ("schema_migrations", "the runner's; the service has no right on it"),
];

const TWO_TENANTS: &str = "\
    INSERT INTO tenants (id, name, code) VALUES ('t-a', 'a', 'a'), ('t-b', 'b', 'b'); \
    INSERT INTO users (id, tenant_id, username, password) VALUES ('u-a', 't-a', 'anna', 'long enough'), \
    ('u-b', 't-b', 'bert', 'long enough');";

async fn visible(store: &Store, scope: Scope<'_>) -> Vec<String> {
    let mut rx = store.begin_read(scope).await.unwrap();
    rx.all(Sql::new("SELECT id FROM users ORDER BY id")).await.unwrap()
}

fn is_refused<T: std::fmt::Debug>(outcome: &store::Result<T>) -> bool {
    // insufficient_privilege: a right that is not there, or a row that a policy refuses.
    matches!(outcome, Err(StoreError::Other(error)) if format!("{error:?}").contains("42501"))
}

#[tokio::test]
async fn a_connection_that_served_one_tenant_shows_nothing_of_it_to_another() {
    let db = TestDb::postgres().await;
    run_script(&db.store, TWO_TENANTS).await;

    for round in 0..4 {
        assert_eq!(visible(&db.store, Scope::Tenant("t-a")).await, ["u-a"], "{round}");
        assert_eq!(visible(&db.store, Scope::Tenant("t-b")).await, ["u-b"], "after a read, {round}");

        let mut tx = db.store.begin_write(Scope::Tenant("t-a"), None).await.unwrap();
        tx.execute(Sql::new("SELECT 1 / 0")).await.unwrap_err();
        drop(tx);
        assert_eq!(visible(&db.store, Scope::Tenant("t-b")).await, ["u-b"], "after an error, {round}");

        let mut tx = db.store.begin_write(Scope::Tenant("t-a"), None).await.unwrap();
        tx.execute(Sql::new("UPDATE users SET first_name = 'x'")).await.unwrap();
        tx.rollback().await.unwrap();
        assert_eq!(visible(&db.store, Scope::Tenant("t-b")).await, ["u-b"], "after a rollback, {round}");

        let mut rx = db.store.begin_read(Scope::Tenant("t-a")).await.unwrap();
        let slow = rx.all::<String>(Sql::new("SELECT id FROM users, pg_sleep(0.3)"));
        tokio::time::timeout(Duration::from_millis(50), slow).await.unwrap_err();
        drop(rx);
        for _ in 0..6 {
            assert_eq!(visible(&db.store, Scope::Tenant("t-b")).await, ["u-b"], "after a cut, {round}");
        }

        assert_eq!(visible(&db.store, Scope::Platform).await, ["u-a", "u-b"], "{round}");
        assert!(visible(&db.store, Scope::Tenant("t-c")).await.is_empty(), "{round}");
    }
}

#[tokio::test]
async fn the_views_on_what_people_may_do_show_a_tenant_its_own_people_only() {
    const BOTH_READ: &str = "\
        INSERT INTO principals (id, tenant_id, kind) VALUES ('u-a', 't-a', 'user'), ('u-b', 't-b', 'user'); \
        INSERT INTO roles (id, tenant_id, name, code, permissions) VALUES \
        ('r-a', 't-a', 'r', 'r', '[\"user:read\"]'), ('r-b', 't-b', 'r', 'r', '[\"user:read\"]'); \
        INSERT INTO user_roles (id, tenant_id, user_id, role_id) VALUES \
        ('a-a', 't-a', 'u-a', 'r-a'), ('a-b', 't-b', 'u-b', 'r-b');";
    let db = TestDb::postgres().await;
    run_script(&db.store, TWO_TENANTS).await;
    run_script(&db.store, BOTH_READ).await;

    for statement in [
        "SELECT user_id FROM v_user_roles ORDER BY 1",
        "SELECT user_id FROM v_user_permission_grants ORDER BY 1",
        "SELECT user_id FROM v_user_permissions ORDER BY 1",
        "SELECT user_id FROM v_user_permission_outcomes ORDER BY 1",
        "SELECT 'u-a' AS user_id FROM user_permissions('t-a', 'u-a') \
         UNION ALL SELECT 'u-b' FROM user_permissions('t-b', 'u-b') ORDER BY 1",
    ] {
        for (scope, expected) in [
            (Scope::Tenant("t-a"), &["u-a"][..]),
            (Scope::Tenant("t-b"), &["u-b"][..]),
            (Scope::Platform, &["u-a", "u-b"][..]),
        ] {
            let mut rx = db.store.begin_read(scope).await.unwrap();
            let seen: Vec<String> = rx.all(Sql::new(statement)).await.unwrap();
            assert_eq!(seen, expected, "{statement}");
        }
    }
}

#[tokio::test]
async fn a_tenants_connection_reaches_no_row_of_another_and_no_table_of_the_platform() {
    let db = TestDb::postgres().await;
    run_script(&db.store, TWO_TENANTS).await;
    for statement in [
        "INSERT INTO groups (id, tenant_id, name, name_key) VALUES ('g', 't-b', 'g', 'g')",
        "INSERT INTO tenants (id, name, code) VALUES ('t-c', 'c', 'c')",
        "INSERT INTO platform_roles (principal_id, role) VALUES ('u-a', 'platform_admin')",
        "UPDATE users SET tenant_id = 't-b'",
        "DELETE FROM audit_logs",
        "CREATE TABLE mine (id text)",
        "SELECT drop_old_partitions(12)",
        "SELECT detach_partition(date '2026-01-01')",
        "SELECT attach_partition(date '2026-01-01')",
        "DROP TABLE audit_logs_2026_01",
        "ALTER TABLE audit_logs DETACH PARTITION audit_logs_2026_01",
        "SELECT count(*) FROM audit_logs_2026_01",
        "SET ROLE audit_retention",
    ] {
        let mut tx = db.store.begin_write(Scope::Tenant("t-a"), None).await.unwrap();
        let outcome = tx.execute(Sql::new(statement)).await;
        assert!(is_refused(&outcome), "{statement}: {outcome:?}");
    }
    let mut tx = db.store.begin_write(Scope::Tenant("t-a"), None).await.unwrap();
    assert_eq!(tx.execute(Sql::new("DELETE FROM users WHERE id = 'u-b'")).await.unwrap(), 0);

    for statement in [
        "DELETE FROM audit_logs",
        "UPDATE audit_logs SET action = 'x'",
        "TRUNCATE audit_logs",
        "SELECT drop_old_partitions(12)",
        "SELECT detach_partition(date '2026-01-01')",
        "ALTER TABLE audit_logs DETACH PARTITION audit_logs_2026_01",
    ] {
        let mut tx = db.store.begin_write(Scope::Platform, None).await.unwrap();
        let outcome = tx.execute(Sql::new(statement)).await;
        assert!(is_refused(&outcome), "{statement}: {outcome:?}");
    }
}

#[tokio::test]
async fn every_table_with_tenant_data_is_behind_the_wall() {
    let db = TestDb::postgres().await;
    let open = as_owner(
        &db.store,
        "SELECT c.relname::text FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace \
         AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND NOT (c.relrowsecurity \
         AND EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = c.oid AND p.polroles = ARRAY['app_user'::regrole::oid] \
             AND pg_get_expr(p.polqual, c.oid) LIKE '%current_setting(''signet.tenant''%')) ORDER BY 1",
    )
    .await;

    let expected: Vec<&str> = WITHOUT_TENANT.iter().map(|(table, _)| *table).collect();
    assert_eq!(
        open, expected,
        "call protect_tenant_table() in the migration that adds a table with tenant data"
    );
}

#[tokio::test]
async fn each_role_may_do_to_each_table_what_the_list_says() {
    let db = TestDb::postgres().await;
    let rows = as_owner(
        &db.store,
        "SELECT format('%-26s %-13s %s', c.relname, r, coalesce((SELECT string_agg(lower(p), ' ' ORDER BY n) \
           FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) WITH ORDINALITY x (p, n) \
           WHERE has_table_privilege(r, c.oid, p)), '-')) \
         FROM pg_class c, unnest(ARRAY['app_user', 'app_platform', 'audit_ro']) WITH ORDINALITY y (r, m) \
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition \
         UNION ALL SELECT format('%-26s %-13s %s', c.relname, 'audit_retention', string_agg(lower(p), ' ' ORDER BY n)) \
         FROM pg_class c, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) WITH ORDINALITY x (p, n) \
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition \
         AND has_table_privilege('audit_retention', c.oid, p) GROUP BY c.relname \
         UNION ALL SELECT format('%-26s %-13s %s', 'any partition', r, string_agg(DISTINCT has_table_privilege(r, c.oid, p)::text, ' ')) \
         FROM pg_class c, unnest(ARRAY['app_user', 'app_platform', 'audit_ro', 'audit_retention']) r, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) p \
         WHERE c.relispartition AND c.relkind = 'r' GROUP BY r \
         UNION ALL SELECT format('%-26s %-13s execute', p.proname, r) FROM pg_proc p, \
         unnest(ARRAY['app_user', 'app_platform', 'audit_ro', 'audit_retention']) r \
         WHERE p.prosecdef AND p.pronamespace = 'public'::regnamespace AND has_function_privilege(r, p.oid, 'EXECUTE') ORDER BY 1",
    )
    .await;

    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/privileges.txt");
    if std::env::var_os("SIGNET_WRITE_GOLDEN").is_some() {
        std::fs::write(&path, rows.join("\n") + "\n").unwrap();
    }
    let text = std::fs::read_to_string(path).unwrap();
    let expected: Vec<&str> = text.lines().collect();
    let gone: Vec<&&str> = expected.iter().filter(|line| !rows.iter().any(|row| row == **line)).collect();
    let new: Vec<&String> = rows.iter().filter(|row| !expected.contains(&row.as_str())).collect();
    assert!(
        gone.is_empty() && new.is_empty(),
        "run with SIGNET_WRITE_GOLDEN=1 and review the change; gone: {gone:#?}; new: {new:#?}"
    );
}

#[tokio::test]
async fn a_login_that_the_wall_does_not_bind_is_refused_with_the_remedy() {
    let db = TestDb::postgres().await;
    let options = StoreOptions::new(db.administrator_url());

    let refused = Store::open(&options).await.err().unwrap();
    let allowed = Store::open(&StoreOptions { allow_superuser: true, ..options }).await.unwrap();

    assert!(matches!(refused, StoreError::Configuration(_)));
    let text = refused.to_string();
    assert!(
        text.contains("superuser")
            && text.contains("init.sh")
            && text.contains("SIGNET_DATABASE_ALLOW_SUPERUSER")
    );
    run_script(&allowed, TWO_TENANTS).await;
    // Even so, statements run as the roles.
    assert_eq!(visible(&allowed, Scope::Tenant("t-a")).await, ["u-a"]);
}

const MANY: &str = "\
    INSERT INTO tenants (id, name, code) VALUES ('t-a', 'a', 'a'), ('t-b', 'b', 'b'); \
    ALTER TABLE users DISABLE TRIGGER trg_users_password; \
    INSERT INTO users (id, tenant_id, username, password, email) SELECT 'u-' || n, CASE WHEN n % 2 = 0 THEN 't-a' ELSE 't-b' END, \
      'user' || n, '$2a$10$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234', md5(n::text) || '@example.com' \
      FROM generate_series(1, 20000) n; \
    INSERT INTO tokens (id, tenant_id, token_value, token_type, user_id, expires_at) SELECT 'k-' || n, \
      CASE WHEN n % 2 = 0 THEN 't-a' ELSE 't-b' END, md5(n::text) || md5('x' || n), 'access_token', 'u-' || n, \
      now() + interval '1 hour' FROM generate_series(1, 20000) n; \
    INSERT INTO audit_logs (id, tenant_id, user_id, action, created_at) SELECT 'e-' || n, \
      CASE WHEN n % 2 = 0 THEN 't-a' ELSE 't-b' END, CASE WHEN n % 4 = 0 THEN 'u-500' ELSE 'u-' || n END, 'x', timestamptz '2026-01-01 00:00Z' + n * interval '15 minutes' FROM generate_series(1, 20000) n;";

/// The plan of a statement in a tenant's connection.
async fn plan(db: &TestDb, statement: &'static str) -> String {
    let mut rx = db.store.begin_read(Scope::Tenant("t-a")).await.unwrap();
    rx.all::<String>(Sql::new(statement)).await.unwrap().join("\n")
}

#[tokio::test]
async fn behind_the_wall_the_named_queries_are_answered_by_their_indexes() {
    let db = TestDb::postgres().await;
    run_script(&db.store, MANY).await;
    for table in ["users", "tokens", "audit_logs"] {
        run_script(&db.store, &format!("VACUUM (ANALYZE) {table}")).await;
    }

    let login = plan(
        &db,
        "EXPLAIN (COSTS OFF) SELECT id, username, email, password, status FROM users WHERE tenant_id = 't-a' \
         AND username = 'user500' AND deleted_at IS NULL",
    )
    .await;
    let token = plan(
        &db,
        "EXPLAIN (COSTS OFF) SELECT user_id, client_id, expires_at, status FROM tokens \
         WHERE token_value = 'none' AND token_type = 'access_token' AND status = 'ACTIVE'",
    )
    .await;
    let audit = plan(
        &db,
        "EXPLAIN (COSTS OFF) SELECT * FROM audit_logs WHERE tenant_id = 't-a' AND created_at >= '2026-01-01' \
         AND created_at < '2026-02-01' ORDER BY created_at DESC, id DESC LIMIT 50",
    )
    .await;
    // The statements inside search_users(), as that runs them: as the owner, with this setting.
    let setting = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET random_page_cost = 1.1', current_database()); END $$";
    run_script(&db.store, setting).await;
    let walk = as_owner(
        &db.store,
        "EXPLAIN (COSTS OFF) SELECT count(*) FILTER (WHERE n.hit) FROM (SELECT u.username_key, \
         u.search_text LIKE '%example%' AS hit FROM users u WHERE u.tenant_id = 't-a' AND u.deleted_at IS NULL \
         AND u.username_key >= '' AND u.username_key > 'user500' ORDER BY u.username_key LIMIT 500) n",
    )
    .await
    .join("\n");
    let others = as_owner(
        &db.store,
        "EXPLAIN (COSTS OFF) SELECT count(*) FILTER (WHERE n.hit) FROM (SELECT u.id, u.deleted_at IS NULL \
         AND u.search_text LIKE '%example%' AS hit FROM users u WHERE u.tenant_id = 't-a' AND u.id > 'u-500' \
         ORDER BY u.id LIMIT 1000) n",
    )
    .await
    .join("\n");
    let search = as_owner(
        &db.store,
        "EXPLAIN (COSTS OFF) SELECT u.username_key, u.id FROM users u WHERE u.tenant_id || '' = 't-a' \
         AND (u.deleted_at IS NOT NULL) = false AND u.search_text LIKE '%c4ca4238a0b%' AND u.id > 'u-500' \
         ORDER BY u.username_key < 'c4', CASE WHEN u.username_key < 'c4' THEN u.username_key END, u.id LIMIT 50",
    )
    .await
    .join("\n");
    let history = plan(
        &db,
        "EXPLAIN (COSTS OFF) SELECT * FROM audit_logs WHERE tenant_id = 't-a' AND user_id = 'u-500' \
         ORDER BY created_at DESC, id DESC LIMIT 51",
    )
    .await;
    let log = plan(
        &db,
        "EXPLAIN (COSTS OFF) SELECT * FROM audit_logs WHERE tenant_id = 't-a' ORDER BY created_at DESC, id DESC LIMIT 51",
    )
    .await;
    let tokens = plan(
        &db,
        "EXPLAIN (COSTS OFF) SELECT * FROM tokens WHERE tenant_id = 't-a' AND user_id = 'u-500' \
         ORDER BY issued_at DESC LIMIT 51",
    )
    .await;
    let page = plan(
        &db,
        "EXPLAIN (COSTS OFF) SELECT * FROM users WHERE tenant_id = 't-a' AND deleted_at IS NULL \
         AND (username_key, id) > ('user500', 'u-500') ORDER BY username_key, id LIMIT 51",
    )
    .await;

    assert!(login.contains("Index Only Scan using idx_users_login_query"), "{login}");
    assert!(token.contains("Index Only Scan using idx_tokens_validation"), "{token}");
    assert!(audit.contains("audit_logs_2026_01") && !audit.contains("audit_logs_2026_02"), "{audit}");
    assert!(audit.contains("Index Scan") && !audit.contains("audit_overflow"), "{audit}");
    assert!(walk.contains("Index Scan using uq_users_tenant_id_username_key"), "{walk}");
    assert!(others.contains("Index Scan using uq_users_tenant_id_id"), "{others}");
    assert!(!walk.contains("Sort") && !others.contains("Sort"), "{walk}\n{others}");
    assert!(search.contains("Bitmap Index Scan on idx_users_fulltext"), "{search}");
    // Each month is read in the order of the page, so that the page ends the scan.
    assert!(history.contains("Index Scan using audit_logs_2026_01_user_id_created_at_id_idx"), "{history}");
    assert!(log.contains("Index Scan using audit_logs_2026_01_tenant_id_created_at_id_idx"), "{log}");
    for events in [&history, &log] {
        assert!(events.contains("Merge Append") && !events.contains("Seq Scan on audit_logs_"), "{events}");
    }
    assert!(tokens.contains("idx_tokens_user_id"), "{tokens}");
    assert!(page.contains("AND ((username_key)::text >= 'user500'::text)"), "{page}");
}
