//! Older and newer databases under this binary (hostile 38), and what `signet migrate` says of them.

use std::process::Command;

use store::testing::run_script;
use store::{Store, StoreOptions};

use crate::harness::{ADMIN_PASSWORD, ALICE_PASSWORD, BOTH, Browser, Database, Place, Server};

impl Place {
    /// The address of its database.
    fn url(&self) -> String {
        let file = self.directory.join("data/signet.db");
        self.env.get("SIGNET_DATABASE_URL").cloned().unwrap_or_else(|| format!("sqlite:{}", file.display()))
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Runs a script on a database, on PostgreSQL as the owner of all objects.
fn script(url: &str, text: &str) {
    block_on(async {
        let store = Store::open(&StoreOptions::new(url)).await.unwrap();
        run_script(&store, text).await;
        store.close().await;
    });
}

/// Backs a database up as `docs/database.md` says, and restores it where nothing is.
fn restored(place: &Place) -> Place {
    let mut to = Place::fresh(database(place)).with_acme_secrets();
    // Issuers hold the address.
    to.port = place.port;
    to.env.insert("SIGNET_LISTEN".to_owned(), place.env["SIGNET_LISTEN"].clone());
    match database(place) {
        Database::Sqlite => {
            for name in ["data", "data.keys"] {
                copy(&place.directory.join(name), &to.directory.join(name));
            }
        }
        Database::Postgres => {
            let file = place.directory.join("backup.dump");
            let (source, target) = (administrator(&place.url()), administrator(&to.url()));
            let dump = Command::new("pg_dump").args(["-Fc", "-f"]).arg(&file).arg(source).output().unwrap();
            assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
            let mut restore = Command::new("pg_restore");
            let restore = restore.args(["--exit-on-error", "-d", &target]).arg(&file).output().unwrap();
            assert!(restore.status.success(), "{}", String::from_utf8_lossy(&restore.stderr));
        }
    }
    to
}

fn database(place: &Place) -> Database {
    if place.env.contains_key("SIGNET_DATABASE_URL") { Database::Postgres } else { Database::Sqlite }
}

/// A file, or a directory of files, if it is there.
fn copy(from: &std::path::Path, to: &std::path::Path) {
    if from.is_file() {
        std::fs::copy(from, to).unwrap();
    } else if from.is_dir() {
        std::fs::create_dir_all(to).unwrap();
        // The key's directory is its owner's alone, or the key is refused.
        std::fs::set_permissions(to, std::fs::metadata(from).unwrap().permissions()).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    }
}

/// The same database for the administrator of the server.
fn administrator(url: &str) -> String {
    let name = url.rsplit('/').next().unwrap();
    format!("{}/{name}", std::env::var("SIGNET_TEST_POSTGRES_URL").unwrap().trim_end_matches('/'))
}

#[test]
fn h38_a_backup_of_an_older_version_is_restored_brought_up_and_served_with_all_its_data() {
    for database in BOTH {
        let mut server = Server::with_acme(database);
        server.signal("TERM");
        assert!(server.wait().success());
        let same = restored(&server.place);
        assert!(same.ok(&["migrate", "verify"]).contains("the schema is this binary's"));
        server.place.ok(&["migrate", "down", "1", "--yes"]);
        let place = restored(&server.place);
        let older = place.run(&["export", "default", "--host"]);
        assert_eq!(older.status.code(), Some(1), "{}", String::from_utf8_lossy(&older.stderr));

        let server = place.start();

        server.place.ok(&["migrate", "verify"]);
        let bearer = format!("Bearer {}", server.user_token("default", "admin", ADMIN_PASSWORD));
        Browser::new(&server).sign_in("acme", "alice", ALICE_PASSWORD).expect(303);
        let people = server.get("/t/default/api/v1/users", &[("authorization", &bearer)]).expect(200).json();
        assert_eq!(people["items"][0]["username"], "admin");
    }
}

/// Rows as a database of V2.0.0 has them. The hash is bcrypt of `ADMIN_PASSWORD`.
const V2_ROWS: &str = "\
    INSERT INTO tenants (id, name, code) VALUES ('t-old', 'Old & Sons', 'old'); \
    INSERT INTO users (id, tenant_id, username, email, password) VALUES ('u-old', 't-old', 'Otto', 'Otto@Example.com', \
      '$2a$10$abcdefghijklmnopqrstuuijAiEUUR4q9qb/x1BuWbW6LPemGiDQG'); \
    INSERT INTO users (id, tenant_id, username, password, status) VALUES ('u-off', 't-old', 'olga', \
      '$2a$10$abcdefghijklmnopqrstuuijAiEUUR4q9qb/x1BuWbW6LPemGiDQG', 'INACTIVE'); \
    INSERT INTO roles (id, tenant_id, name, code) VALUES ('r-old', 't-old', 'Clerk', 'CLERK'); \
    INSERT INTO user_roles (id, user_id, role_id) VALUES ('ur-old', 'u-old', 'r-old'); \
    INSERT INTO audit_logs (id, tenant_id, action) VALUES ('e-old', 't-old', 'LOGIN');";

/// Refuses if a row of the upgrade is not as it should be: a division by zero, on both databases.
const V3_CHECK: &str = "\
    CREATE TABLE upgraded (good bigint NOT NULL CHECK (good = 1)); \
    INSERT INTO upgraded SELECT count(*) FROM users WHERE id = 'u-old' AND username = 'Otto' AND username_key = 'otto' \
      AND email_key = 'otto@example.com' AND search_text LIKE '%otto%'; \
    INSERT INTO upgraded SELECT count(*) FROM principals WHERE id = 'u-old' AND tenant_id = 't-old' AND status = 'active'; \
    INSERT INTO upgraded SELECT count(*) FROM principals WHERE id = 'u-off' AND status = 'inactive'; \
    INSERT INTO upgraded SELECT count(*) FROM user_roles WHERE user_id = 'u-old' AND tenant_id = 't-old'; \
    INSERT INTO upgraded SELECT count(*) FROM tenants WHERE id = 't-old' AND user_count = 2; \
    INSERT INTO upgraded SELECT count(*) FROM audit_logs WHERE id = 'e-old'; \
    DROP TABLE upgraded;";

#[test]
fn h38_people_of_the_oldest_schema_are_found_and_sign_in_after_the_upgrade() {
    for database in BOTH {
        let place = Place::fresh(database);
        place.ok(&["migrate", "up"]);
        place.ok(&["migrate", "down", "2", "--yes"]);
        script(&place.url(), V2_ROWS);

        let place = restored(&place);
        assert_eq!(place.ok(&["migrate", "up"]), "applied V3.0.0, V3.1.0\n");

        script(&place.url(), V3_CHECK);
        place.ok(&["migrate", "verify"]);
        let server = place.start();
        Browser::new(&server).sign_in("old", "otto", ADMIN_PASSWORD).expect(303);
    }
}

#[test]
fn h38_a_newer_schema_is_refused_by_every_command_and_not_touched() {
    for database in BOTH {
        let place = Place::fresh(database);
        place.ok(&["migrate", "up"]);
        let later = "INSERT INTO schema_migrations (version, description, checksum, applied_at) \
                     SELECT 'V9.0.0', 'from later', '0', applied_at FROM schema_migrations WHERE version = 'V1.0.0'";
        script(&place.url(), later);

        for arguments in [
            &["serve"][..],
            &["migrate", "up"],
            &["migrate", "up", "--seed"],
            &["migrate", "down", "1", "--yes"],
            &["export", "default", "--host"],
            &["maintenance", "run"],
        ] {
            let refused = place.run(arguments);
            let said = String::from_utf8_lossy(&refused.stderr).into_owned();
            assert_eq!(refused.status.code(), Some(2), "{arguments:?} on {database:?}: {said}");
            assert!(said.contains("V9.0.0") && said.contains("newer build"), "{arguments:?}: {said}");
        }

        // Looking is allowed, and says the same.
        assert!(place.ok(&["migrate", "status"]).contains("UNKNOWN to this binary"));
        let verify = place.run(&["migrate", "verify"]);
        assert_eq!(verify.status.code(), Some(1));
        let said = String::from_utf8_lossy(&verify.stdout).into_owned();
        assert!(said.contains("V9.0.0") && !said.contains("V3.1.0"), "{said}");
        script(&place.url(), "DELETE FROM schema_migrations WHERE version = 'V9.0.0'");
        place.ok(&["migrate", "verify"]);
    }
}

#[test]
fn status_and_verify_of_nothing_make_nothing() {
    for database in BOTH {
        let place = Place::fresh(database);

        let status = place.ok(&["migrate", "status"]);
        let verify = place.run(&["migrate", "verify"]);

        assert!(
            status.lines().count() > 12 && status.lines().all(|line| line.ends_with("missing")),
            "{status}"
        );
        assert_eq!(verify.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&verify.stdout).contains("run: signet migrate up"));
        assert_eq!(std::fs::read_dir(&place.directory).unwrap().count(), 0, "nothing was made");
        assert!(place.ok(&["migrate", "up"]).starts_with("applied V1.0.0"), "nor in the database");
    }
}

#[test]
fn verify_prints_what_it_finds_as_lines_and_as_json_and_says_by_its_status_how_it_ended() {
    for database in BOTH {
        let place = Place::fresh(database);
        place.ok(&["migrate", "up"]);
        let exact: serde_json::Value =
            serde_json::from_str(&place.ok(&["migrate", "verify", "--json"])).unwrap();
        assert_eq!(exact["exact"], true);
        assert_eq!(exact["differences"], serde_json::json!([]));
        assert!(!exact["database"].as_str().unwrap().contains("signet_test:"), "{exact}");

        script(&place.url(), "DROP INDEX idx_users_email; CREATE INDEX mine ON users (phone)");
        let lines = place.run(&["migrate", "verify"]);
        let json = place.run(&["migrate", "verify", "--json"]);

        assert_eq!((lines.status.code(), json.status.code()), (Some(1), Some(1)));
        let text = String::from_utf8_lossy(&lines.stdout).into_owned();
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(
            text.starts_with("DIFFERS  index idx_users_email on users: found nothing; expected CREATE INDEX"),
            "{text}"
        );
        assert!(text.contains("\nwarning  index mine on users: found CREATE INDEX"), "{text}");
        let report: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
        assert_eq!(report["differences"][0]["object"], "index idx_users_email on users");
        assert_eq!(report["warnings"][0]["object"], "index mine on users");
    }
}

#[test]
fn verify_of_what_cannot_be_reached_is_no_difference() {
    let mut place = Place::fresh(Database::Sqlite);
    let nobody = format!("postgres://nobody:x@127.0.0.1:{}/none", crate::harness::free_port());
    place.env.insert("SIGNET_DATABASE_URL".to_owned(), nobody);

    let verify = place.run(&["migrate", "verify"]);

    let said = String::from_utf8_lossy(&verify.stderr).into_owned();
    assert_eq!(verify.status.code(), Some(2), "{said}");
    assert!(said.contains("cannot be looked at"), "{said}");
}

#[test]
fn evidence_leaves_only_as_a_whole_archived_month_and_only_by_the_role_for_it() {
    let place = Place::fresh(Database::Postgres);
    place.ok(&["migrate", "up"]);
    let url = place.url();
    let old = "DO $$ BEGIN PERFORM create_audit_partition(date '2019-05-01'); END $$; \
               INSERT INTO audit_logs (id, action, created_at) VALUES ('e-1', 'x', '2019-05-05Z')";
    script(&url, old);
    let ask = |role: &str, statement: &str| {
        let all = format!("SET ROLE {role}; {statement}");
        Command::new("psql")
            .args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-d", &url, "-c", &all])
            .output()
            .unwrap()
    };
    // The service's own login may not even become it.
    assert!(!ask("audit_retention", "SELECT 1").status.success());
    for role in ["app_user", "app_platform"] {
        for call in [
            "drop_old_partitions(12)",
            "detach_partition(date '2019-05-01')",
            "attach_partition(date '2019-05-01')",
        ] {
            let refused = ask(role, &format!("SELECT {call}"));
            let said = String::from_utf8_lossy(&refused.stderr).into_owned();
            assert!(!refused.status.success() && said.contains("permission denied"), "{role} {call}: {said}");
        }
        for statement in
            ["DROP TABLE audit_logs_2019_05", "ALTER TABLE audit_logs DETACH PARTITION audit_logs_2019_05"]
        {
            let said = String::from_utf8_lossy(&ask(role, statement).stderr).into_owned();
            assert!(said.contains("must be owner"), "{role} {statement}: {said}");
        }
    }

    let server = administrator(&url);
    let keep = |statement: &str| {
        let all = format!("SET ROLE audit_retention; {statement}");
        let output = Command::new("psql")
            .args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-d", &server, "-c", &all])
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    };
    assert!(keep("DELETE FROM audit_logs").unwrap_err().contains("permission denied"));
    assert!(keep("SELECT count(*) FROM users").unwrap_err().contains("permission denied"));
    assert!(keep("SELECT drop_old_partitions(12)").unwrap_err().contains("audit_partition_not_archived"));
    assert!(keep("SELECT drop_old_partitions(5)").unwrap_err().contains("audit_retention_too_short"));
    assert_eq!(keep("SELECT count(*) FROM audit_logs WHERE created_at < '2019-06-01Z'").unwrap(), "1");
    let note = "INSERT INTO archive_tasks (task_name, task_type, source_table, status, checksum) \
                VALUES ('2019-05', 'audit', 'audit_logs_2019_05', 'COMPLETED', repeat('0', 64))";
    keep(note).unwrap();
    assert_eq!(keep("SELECT detach_partition(date '2019-05-01')").unwrap(), "audit_logs_archive_2019_05");
    place.ok(&["migrate", "verify"]);
    assert_eq!(keep("SELECT attach_partition(date '2019-05-01')").unwrap(), "audit_logs_2019_05");
    place.ok(&["migrate", "verify"]);
    assert_eq!(keep("SELECT drop_old_partitions(12)").unwrap(), "audit_logs_2019_05");
    let events = "SELECT string_agg(action, ' ' ORDER BY created_at) FROM audit_logs WHERE action LIKE 'AUDIT_PARTITION%'";
    assert_eq!(
        keep(events).unwrap(),
        "AUDIT_PARTITION_DETACHED AUDIT_PARTITION_ATTACHED AUDIT_PARTITIONS_DROPPED"
    );
}
