//! `deploy/db/init.sh` on an empty server, and what the acceptance document then finds in the database.

use std::process::{Command, Output};

use crate::harness::{free_port, root};

/// A database that does not exist yet, on the server of the tests.
struct Site {
    host: String,
    port: String,
    name: String,
}

impl Site {
    fn fresh() -> Self {
        let url = std::env::var("SIGNET_TEST_POSTGRES_URL").unwrap();
        let address =
            url.rsplit_once('@').map_or_else(|| url.rsplit('/').next().unwrap(), |(_, address)| address);
        let (host, port) = address.trim_end_matches('/').split_once(':').unwrap();
        // A free port is a number that nobody else has now.
        let name = format!("signet_init_{}_{}", std::process::id(), free_port());
        Self { host: host.to_owned(), port: port.to_owned(), name }
    }

    fn init(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(root().join("deploy/db/init.sh"));
        command.env_clear();
        for name in ["PATH", "HOME"] {
            command.env(name, std::env::var(name).unwrap_or_default());
        }
        command
            .args(["--host", &self.host, "--port", &self.port, "--database", &self.name])
            .args(arguments)
            .env("SIGNET_BIN", env!("CARGO_BIN_EXE_signet"))
            .env("SIGNET_ROOT_KEY", "00112233445566778899aabbccddeeff0f1e2d3c4b5a69788796a5b4c3d2e1f0")
            .env("SERVICE_USER", "signet_init_test")
            .output()
            .unwrap()
    }

    /// One value, asked as an administrator.
    fn ask(&self, database: &str, statement: &str) -> String {
        let mut psql = Command::new("psql");
        psql.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-h", &self.host, "-p", &self.port]);
        let output = psql.args(["-d", database, "-c", statement]).output().unwrap();
        assert!(output.status.success(), "{statement}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn there(&self) -> String {
        self.ask("postgres", &format!("SELECT count(*) FROM pg_database WHERE datname = '{}'", self.name))
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        self.ask("postgres", &drop);
    }
}

/// What must be true of the database: a name, a statement and its answer.
const FACTS: [(&str, &str, &str); 12] = [
    (
        "the eleven versions of the acceptance document",
        "SELECT count(*) FROM schema_migrations WHERE version ~ '^(V1\\.[0-9]|V2\\.0)\\.0$' AND checksum ~ '^[0-9a-f]{64}$'",
        "11",
    ),
    (
        "owner owns every table",
        "SELECT string_agg(DISTINCT tableowner, ',') FROM pg_tables WHERE schemaname = 'public'",
        "owner",
    ),
    (
        "the months of 2026 are partitions",
        "SELECT count(*) FROM pg_inherits WHERE inhparent = 'audit_logs'::regclass AND inhrelid::regclass::text ~ '^audit_logs_2026_'",
        "12",
    ),
    (
        "the next month's partition is made once",
        "SELECT create_next_month_partition() = create_next_month_partition()",
        "t",
    ),
    ("partitions have statistics", "SELECT count(*) >= 13 FROM get_partition_stats()", "t"),
    (
        "the named indexes stand and are valid",
        "SELECT count(*) FROM pg_index WHERE indisvalid AND indexrelid::regclass::text IN ('idx_users_login_query', \
         'idx_users_email', 'idx_users_fulltext', 'idx_tokens_validation', 'idx_tokens_expired', \
         'idx_audit_logs_created_at_brin', 'idx_audit_logs_tenant_created', 'idx_audit_logs_details')",
        "8",
    ),
    (
        "a clear password becomes a hash that verifies",
        "BEGIN; INSERT INTO tenants (id, name, code) VALUES ('x-1', 'X', 'x'); INSERT INTO users (id, tenant_id, username, password) \
         VALUES ('x-2', 'x-1', 'someone', 'a clear word'); SELECT password = crypt('a clear word', password) FROM users WHERE id = 'x-2'; ROLLBACK",
        "t",
    ),
    (
        "a deleted tenant takes its users along",
        "BEGIN; INSERT INTO tenants (id, name, code) VALUES ('x-1', 'X', 'x'); INSERT INTO users (id, tenant_id, username, password) \
         VALUES ('x-2', 'x-1', 'someone', 'a clear word'); DELETE FROM tenants WHERE id = 'x-1'; SELECT count(*) FROM users WHERE id = 'x-2'; ROLLBACK",
        "0",
    ),
    (
        "deleting marks the time of it",
        "BEGIN; UPDATE users SET status = 'DELETED' WHERE username = 'testuser'; \
         SELECT bool_and(deleted_at IS NOT NULL) FROM users WHERE username = 'testuser'; ROLLBACK",
        "t",
    ),
    (
        "no role of the service may take evidence away",
        "SELECT bool_or(has_table_privilege(r, 'audit_logs', p)) FROM unnest(ARRAY['app_user', 'app_platform', 'audit_ro', 'audit_retention']) r, \
         unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE']) p",
        "f",
    ),
    (
        "the service's login has no right of its own",
        "SELECT rolsuper OR rolbypassrls OR rolinherit OR rolcreatedb OR rolcreaterole FROM pg_roles WHERE rolname = 'signet_init_test'",
        "f",
    ),
    ("the time zone is UTC", "SHOW timezone", "UTC"),
];

#[test]
fn init_makes_a_database_as_the_acceptance_document_asks_and_changes_nothing_when_run_again() {
    let site = Site::fresh();

    let dry = site.init(&["--dry-run"]);
    assert!(dry.status.success(), "{}", String::from_utf8_lossy(&dry.stderr));
    assert_eq!(site.there(), "0", "a dry run changes nothing");

    let first = site.init(&["--with-demo"]);
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    for (name, statement, answer) in FACTS {
        assert_eq!(site.ask(&site.name, statement).trim(), answer, "{name}");
    }

    let everything = "SELECT md5(string_agg(x, '|' ORDER BY x)) FROM (SELECT c.oid || ' ' || c.relname || ' ' || c.relacl::text FROM pg_class c \
                      UNION ALL SELECT id || ' ' || password || ' ' || updated_at FROM users \
                      UNION ALL SELECT version || ' ' || applied_at FROM schema_migrations) y (x)";
    let before = site.ask(&site.name, everything);
    let second = site.init(&["--with-demo"]);
    assert!(second.status.success(), "{}", String::from_utf8_lossy(&second.stderr));
    assert_eq!(site.ask(&site.name, everything), before, "a second run changes nothing");
    assert!(!String::from_utf8_lossy(&second.stdout).contains("password"), "a password is shown once");
}

#[test]
fn init_refuses_what_cannot_be_had_and_says_why() {
    let site = Site::fresh();

    for (arguments, reason) in [
        (&["--skip-index"][..], "come from the same migrations"),
        (&["--nonsense"][..], "unknown argument"),
        (&["--port"][..], "needs a value"),
        (&["--service-user", "owner"][..], "a login of its own"),
    ] {
        let refused = site.init(arguments);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(reason), "{arguments:?}: {said}");
    }
    assert_eq!(site.there(), "0");
}
