//! The two databases behave as one: round trips, order, paging, defaults, transactions, migrations.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

use std::collections::BTreeSet;

use base::Timestamp;
use serde_json::{Value, json};
use store::testing::TestDb;
use store::{
    Change, FromRow, Notice, Quiet, Row, Scope, Sql, Store, StoreError, StoreOptions, migrate, upkeep,
};

#[derive(Debug, Clone, PartialEq)]
struct Probe {
    id: String,
    at: Option<Timestamp>,
    data: Option<Value>,
    flag: Option<bool>,
    raw: Option<Vec<u8>>,
    kind: String,
    tags: Vec<String>,
    label: Option<String>,
}

impl FromRow for Probe {
    fn from_row(row: &Row) -> store::Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            at: row.find("at")?,
            data: row.find("data")?,
            flag: row.find("flag")?,
            raw: row.find("raw")?,
            kind: row.get("kind")?,
            tags: row.get("tags")?,
            label: row.find("label")?,
        })
    }
}

async fn with_probe(db: &TestDb) {
    let script = match db.backend() {
        store::Backend::Sqlite => include_str!("../../../migrations/testing/sqlite_probe.sql"),
        store::Backend::Postgres => include_str!("../../../migrations/testing/postgres_probe.sql"),
    };
    store::testing::run_script(&db.store, script).await;
}

fn probes() -> Vec<Probe> {
    let labels = ["b", "B", "a", "é", "Z", "_", "10", "9", "张"];
    labels
        .iter()
        .enumerate()
        .map(|(n, label)| Probe {
            id: format!("p-{n}"),
            at: Some(Timestamp::from_micros(1_763_712_000_000_001 + i64::try_from(n % 3).unwrap())),
            data: Some(json!({ "z": n, "a": ["x", null, true], "big": 9_007_199_254_740_993_i64 })),
            flag: Some(n % 2 == 0),
            raw: Some(vec![0, 255, u8::try_from(n).unwrap()]),
            kind: if n % 2 == 0 { "alpha" } else { "beta" }.to_owned(),
            tags: vec!["one".to_owned(), format!("{n}\"'\\")],
            label: Some((*label).to_owned()),
        })
        .collect()
}

async fn insert(db: &TestDb, probe: &Probe) -> store::Result<()> {
    let mut tx = db.store.begin_write(Scope::Platform, None).await?;
    tx.execute(
        Sql::new(
            "INSERT INTO probe_values (id, at, data, flag, raw, kind, tags, label) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(&probe.id)
        .bind(probe.at)
        .bind(probe.data.as_ref())
        .bind(probe.flag)
        .bind(probe.raw.clone())
        .bind(&probe.kind)
        .bind(&probe.tags)
        .bind(probe.label.as_deref()),
    )
    .await?;
    tx.commit_quietly(Quiet::Housekeeping).await?;
    Ok(())
}

const ALL: &str = "SELECT id, at, data, flag, raw, kind, tags, label FROM probe_values ";

#[tokio::test]
async fn every_type_round_trips_sorts_and_pages_alike() {
    let mut answers: Vec<Vec<Vec<String>>> = Vec::new();
    for db in TestDb::both().await {
        with_probe(&db).await;
        for probe in probes() {
            insert(&db, &probe).await.unwrap();
        }
        let mut rx = db.store.begin_read(Scope::Platform).await.unwrap();

        let all: Vec<Probe> = rx.all(Sql::new(ALL).push("ORDER BY id")).await.unwrap();
        assert_eq!(all, probes());

        let ids = |probes: Vec<Probe>| probes.into_iter().map(|p| p.id).collect::<Vec<_>>();
        let mut lists = Vec::new();
        lists.push(ids(rx.all(Sql::new(ALL).push("ORDER BY label")).await.unwrap()));
        lists.push(ids(rx.all(Sql::new(ALL).push("ORDER BY at DESC, id DESC")).await.unwrap()));
        lists.push(ids(rx.all(Sql::new(ALL).push("WHERE flag ORDER BY raw")).await.unwrap()));
        lists.push(ids(rx
            .all(Sql::new(ALL).push("WHERE kind IN ").list(["beta", "gamma"]).push(" ORDER BY id"))
            .await
            .unwrap()));
        lists.push(ids(rx
            .all(
                Sql::new(ALL)
                    .push("WHERE label >= ")
                    .value("B")
                    .push(" AND label < ")
                    .value("b")
                    .push(" ORDER BY label LIMIT 3"),
            )
            .await
            .unwrap()));
        lists.push(ids(rx
            .all(
                Sql::new(ALL)
                    .push("WHERE at < ")
                    .value(Timestamp::from_micros(1_763_712_000_000_002))
                    .push(" ORDER BY id"),
            )
            .await
            .unwrap()));
        answers.push(lists);
    }

    assert_eq!(answers[0], answers[1]);
}

#[tokio::test]
async fn values_that_the_database_writes_itself_read_like_ours() {
    for db in TestDb::both().await {
        with_probe(&db).await;
        let mut tx = db.store.begin_write(Scope::Platform, None).await.unwrap();
        tx.execute(
            Sql::new("INSERT INTO probe_values (id, at, data, flag, raw, kind, label) VALUES ($1, $2, $3, $4, $5, $6, $7)")
                .bind("default")
                .bind(Timestamp::from_seconds(1))
                .bind(json!({}))
                .bind(true)
                .bind(vec![1_u8])
                .bind("alpha")
                .bind("x"),
        )
        .await
        .unwrap();
        tx.commit_quietly(Quiet::Housekeeping).await.unwrap();
        let mut rx = db.store.begin_read(Scope::Platform).await.unwrap();

        let created: Timestamp = rx
            .one(Sql::new("SELECT created_at FROM probe_values WHERE id = $1").bind("default"))
            .await
            .unwrap();

        let year_2026 = Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
        assert!(created > year_2026, "{created}");
        let count: i64 = rx
            .one(Sql::new("SELECT count(*) FROM probe_values WHERE created_at > $1").bind(year_2026))
            .await
            .unwrap();
        assert_eq!(count, 1);
        let written: Probe = rx.one(Sql::new(ALL)).await.unwrap();
        assert_eq!(written.tags, Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_unique_index_is_named_alike_and_a_reference_is_told_apart() {
    for db in TestDb::both().await {
        let mut tx = db.store.begin_write(Scope::Platform, None).await.unwrap();
        let tenant = "INSERT INTO tenants (id, name, code) VALUES ($1, $2, $3)";
        tx.execute(Sql::new(tenant).bind("t1").bind("T1").bind("t1")).await.unwrap();
        let role = "INSERT INTO roles (id, tenant_id, name, code, permissions) VALUES ($1, $2, $3, $4, $5)";
        let insert = |id: &'static str, tenant: &'static str, code: &'static str| {
            Sql::new(role).bind(id).bind(tenant).bind(id).bind(code).bind(json!([]))
        };
        tx.execute(insert("r1", "t1", "EDITOR")).await.unwrap();
        tx.commit_quietly(Quiet::Housekeeping).await.unwrap();

        let mut tx = db.store.begin_write(Scope::Platform, None).await.unwrap();
        let taken = tx.execute(insert("r2", "t1", "EDITOR")).await.unwrap_err();
        drop(tx);
        let mut tx = db.store.begin_write(Scope::Platform, None).await.unwrap();
        let dangling = tx.execute(insert("r3", "nobody", "EDITOR")).await.unwrap_err();

        assert!(taken.is_unique("uq_roles_tenant_id_code"), "{:?}: {taken:?}", db.backend());
        assert!(matches!(dangling, StoreError::Reference), "{:?}: {dangling:?}", db.backend());
    }
}

#[tokio::test]
async fn a_dropped_transaction_leaves_nothing_and_a_commit_without_an_event_is_refused() {
    for db in TestDb::both().await {
        let tenant = || {
            Sql::new("INSERT INTO tenants (id, name, code) VALUES ($1, $2, $3)").bind("t").bind("T").bind("t")
        };
        let mut tx = db.store.begin_write(Scope::Platform, None).await.unwrap();
        tx.execute(tenant()).await.unwrap();
        drop(tx);

        let mut tx = db.store.begin_write(Scope::Platform, None).await.unwrap();
        tx.execute(tenant()).await.unwrap();
        let outcome = tokio::spawn(tx.commit()).await;

        // Debug builds stop at the broken invariant, release builds answer an error; neither commits.
        assert!(!matches!(outcome, Ok(Ok(_))));
        let mut rx = db.store.begin_read(Scope::Platform).await.unwrap();
        let count: i64 =
            rx.one(Sql::new("SELECT count(*) FROM tenants WHERE id = $1").bind("t")).await.unwrap();
        assert_eq!(count, 0);
    }
}

#[tokio::test]
async fn a_purpose_cannot_write_a_table_that_is_not_its_own() {
    let db = TestDb::sqlite().await;
    let mut tx = db.store.begin_write(Scope::Platform, Some(&["users"])).await.unwrap();

    let outcome =
        tokio::spawn(
            async move { tx.execute(Sql::new("DELETE FROM tenants WHERE id = $1").bind("t")).await },
        )
        .await;

    assert!(outcome.unwrap_err().is_panic());
}

#[tokio::test]
async fn a_policy_version_counts_up_once_a_commit_whoever_commits() {
    for db in TestDb::both().await {
        let bump = async |store: Store| {
            let mut tx = store.begin_write(Scope::Platform, None).await.unwrap();
            tx.bump_policy_version("t", Change::ALL);
            tx.commit_quietly(Quiet::Housekeeping).await.unwrap().get("t").copied().unwrap()
        };

        let bumps = (0..8).map(|_| tokio::spawn(bump(db.store.clone())));
        let mut versions = Vec::new();
        for version in bumps {
            versions.push(version.await.unwrap());
        }

        versions.sort_unstable();
        assert_eq!(versions, (1..=8).collect::<Vec<i64>>());
    }
}

async fn bump(store: &Store, changes: impl IntoIterator<Item = Change>) -> i64 {
    let mut tx = store.begin_write(Scope::Platform, None).await.unwrap();
    for change in changes {
        tx.bump_policy_version("t", change);
    }
    tx.commit_quietly(Quiet::Housekeeping).await.unwrap().get("t").copied().unwrap()
}

fn policy(number: usize) -> Change {
    Change { kind: "policy", subject: format!("p{number}") }
}

#[tokio::test]
async fn what_a_version_changed_stands_beside_it_and_too_much_is_all() {
    for db in TestDb::both().await {
        bump(&db.store, [policy(1)]).await;
        bump(&db.store, [policy(3), policy(2), policy(3)]).await;
        bump(&db.store, (0..=store::changes::CHANGES_MAX).map(policy)).await;

        let mut rx = db.store.begin_read(Scope::Platform).await.unwrap();
        let found = store::changes::list(&mut rx, "t", 1, 3, 100).await.unwrap();
        let first = store::changes::list(&mut rx, "t", 0, 3, 1).await.unwrap();

        let found: Vec<(i64, &str, &str)> =
            found.iter().map(|c| (c.version, c.kind.as_str(), c.subject.as_str())).collect();
        assert_eq!(found, [(2, "policy", "p2"), (2, "policy", "p3"), (3, "all", "")]);
        assert_eq!(first.len(), 1);
    }
}

#[tokio::test]
async fn postgres_tells_of_each_new_version_and_sqlite_of_none() {
    for db in TestDb::both().await {
        let mut notices = db.store.notices();
        if db.backend() == store::Backend::Sqlite {
            assert_eq!(notices.recv().await, None);
            continue;
        }
        let mut next =
            async || tokio::time::timeout(std::time::Duration::from_secs(30), notices.recv()).await.unwrap();
        assert_eq!(next().await, Some(Notice::Lost), "what was said before nobody heard");

        for version in 1..=2 {
            assert_eq!(bump(&db.store, [Change::ALL]).await, version);
            assert_eq!(next().await, Some(Notice::Version("t".to_owned(), version)));
        }
    }
}

#[tokio::test]
async fn all_that_is_read_at_one_instant_is_of_that_instant() {
    for db in TestDb::both().await {
        bump(&db.store, [Change::ALL]).await;
        let version = async |rx: &mut store::Rx| -> i64 {
            rx.one(Sql::new("SELECT version FROM policy_versions WHERE tenant_id = 't'")).await.unwrap()
        };
        let mut rx = db.store.begin_decision_snapshot(Scope::Platform).await.unwrap();
        assert_eq!(version(&mut rx).await, 1);

        bump(&db.store, [Change::ALL]).await;

        assert_eq!(version(&mut rx).await, 1, "{:?}", db.backend());
        rx.end().await.unwrap();
        let mut rx = db.store.begin_decision_snapshot(Scope::Platform).await.unwrap();
        assert_eq!(version(&mut rx).await, 2);
    }
}

#[tokio::test]
async fn a_job_is_leased_by_one_worker_only_and_comes_back_after_a_failure() {
    for db in TestDb::both().await {
        let now = Timestamp::from_seconds(1_800_000_000);
        let job = store::outbox::Job {
            id: "j1".to_owned(),
            tenant_id: None,
            kind: "mail.send".to_owned(),
            payload: json!({ "to": "x" }),
            attempts: 0,
        };
        let mut tx = db.store.begin_write(Scope::Platform, None).await.unwrap();
        store::outbox::enqueue(&mut tx, &job, now).await.unwrap();
        tx.commit_quietly(Quiet::Housekeeping).await.unwrap();
        let lease = async |at: Timestamp| {
            let mut tx = db.store.begin_write(Scope::Platform, None).await.unwrap();
            let job = store::outbox::lease(&mut tx, at).await.unwrap();
            tx.commit_quietly(Quiet::Housekeeping).await.unwrap();
            job
        };

        let first = lease(now).await.unwrap();
        assert_eq!((first.id.as_str(), first.attempts), ("j1", 1));
        assert!(lease(now.plus_seconds(1)).await.is_none());
        let mut tx = db.store.begin_write(Scope::Platform, None).await.unwrap();
        store::outbox::fail(&mut tx, &first, "away", now).await.unwrap();
        tx.commit_quietly(Quiet::Housekeeping).await.unwrap();
        assert!(lease(now.plus_seconds(1)).await.is_none());
        assert_eq!(lease(now.plus_seconds(2)).await.unwrap().attempts, 2);
        assert_eq!(lease(now.plus_seconds(2 + store::outbox::LEASE_SECONDS + 1)).await.unwrap().attempts, 3);
    }
}

#[tokio::test]
async fn migrations_go_up_down_and_up_again_to_the_same_schema() {
    for db in TestDb::both().await {
        let count = migrate::all(db.backend()).unwrap().len();
        let top = store::testing::schema(&db.store).await;
        let now = Timestamp::from_seconds(0);

        for step in 1..=count {
            let down = migrate::down(&db.store, step).await.unwrap();
            assert_eq!(down.len(), step);
            let up = migrate::up(&db.store, now).await.unwrap();
            assert_eq!(up.len(), step);
            let now = store::testing::schema(&db.store).await;
            let differs = |a: &[String], b: &[String]| -> Vec<String> {
                a.iter().filter(|line| !b.contains(line)).cloned().collect()
            };
            let difference = (differs(&top, &now), differs(&now, &top));
            assert_eq!(difference, (Vec::new(), Vec::new()), "{:?} after {step} down", db.backend());
        }

        migrate::require(&db.store).await.unwrap();
    }
}

#[tokio::test]
async fn an_edited_or_unknown_migration_stops_the_run() {
    for db in TestDb::both().await {
        let edit = "UPDATE schema_migrations SET checksum = '0' WHERE version = 'V1.0.0'";
        store::testing::run_script(&db.store, edit).await;

        let error = migrate::up(&db.store, Timestamp::from_seconds(0)).await.unwrap_err().to_string();
        assert!(error.contains("another V1.0.0"), "{error}");
        let error = migrate::require(&db.store).await.unwrap_err().to_string();
        assert!(error.contains("another V1.0.0"), "{error}");
    }
}

#[tokio::test]
async fn h38_two_nodes_that_start_at_once_on_an_empty_database_make_one_clean_migration() {
    let postgres = TestDb::empty_postgres_url().await;
    let sqlite = store::testing::empty_sqlite_url();
    for url in [postgres, sqlite] {
        let one = Store::open(&StoreOptions::new(&url)).await.unwrap();
        let two = Store::open(&StoreOptions::new(&url)).await.unwrap();
        let now = Timestamp::from_seconds(0);

        let (left, right) = tokio::join!(migrate::up(&one, now), migrate::up(&two, now));

        let applied = left.unwrap().len() + right.unwrap().len();
        assert_eq!(applied, migrate::all(one.backend()).unwrap().len());
        migrate::require(&one).await.unwrap();
    }
}

#[tokio::test]
async fn a_decision_is_loaded_even_when_every_other_connection_is_in_a_transaction() {
    let db = TestDb::postgres().await;
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(db.store.begin_write(Scope::Platform, None).await.unwrap());
    }

    let mut rx = db.store.begin_decision_read(Scope::Platform).await.unwrap();

    let one: i64 = rx.one(Sql::new("SELECT count(*) FROM tenants")).await.unwrap();
    assert_eq!(one, 0);
}

#[tokio::test]
async fn the_character_nul_is_refused_alike_and_keeps_no_event_from_the_log() {
    for db in TestDb::both().await {
        with_probe(&db).await;
        let mut rx = db.store.begin_read(Scope::Platform).await.unwrap();
        for sql in [
            Sql::new("SELECT id FROM probe_values WHERE kind = $1").bind("a\0b"),
            Sql::new("SELECT id FROM probe_values WHERE data = $1").bind(json!([{ "a\0": 1 }])),
        ] {
            let found = rx.optional::<String>(sql).await;
            assert!(matches!(found, Err(StoreError::Nul)), "{:?}: {found:?}", db.backend());
        }
        drop(rx);

        let mut tx = db.store.begin_write(Scope::Platform, None).await.unwrap();
        tx.append(store::AuditRow {
            id: "e-1".to_owned(),
            tenant_id: None,
            actor_type: "anonymous",
            actor_id: None,
            user_id: None,
            username: Some("a\0b".to_owned()),
            session_id: None,
            action: "probe.done",
            resource: "x\0".to_owned(),
            outcome: store::Outcome::Success,
            ip_address: None,
            user_agent: None,
            request_id: None,
            details: json!({ "a\0": ["b\0"] }),
            summary: None,
            count: 1,
            created_at: Timestamp::from_seconds(1_800_000_000),
            duration_ms: 0,
        });
        tx.commit().await.unwrap();

        let mut rx = db.store.begin_read(Scope::Platform).await.unwrap();
        let read = |column| Sql::new("SELECT ").push(column).push(" FROM audit_logs WHERE id = 'e-1'");
        let resource: String = rx.one(read("resource")).await.unwrap();
        let details: Value = rx.one(read("details")).await.unwrap();
        assert_eq!(resource, "x\u{fffd}");
        assert_eq!(details, json!({ "a\u{fffd}": ["b\u{fffd}"] }));
    }
}

/// Tables that are made and dropped as parts of another: the months of the audit log.
fn is_month(table: &str) -> bool {
    table.strip_prefix("audit_logs_").is_some_and(|month| month.starts_with(|c: char| c.is_ascii_digit()))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_table_says_what_bounds_its_growth() {
    let page = include_str!("../../../docs/maintenance.md");
    let (_, table) = page.split_once("## What bounds each table").unwrap();
    let documented: BTreeSet<String> = table
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(name, _)| name.to_owned())
        .collect();

    let mut existing = BTreeSet::new();
    for db in TestDb::both().await {
        let text = match db.backend() {
            store::Backend::Sqlite => {
                "SELECT name FROM sqlite_schema WHERE type = 'table' \
                 AND name NOT LIKE 'sqlite_%'"
            }
            store::Backend::Postgres => {
                "SELECT CAST(tablename AS text) AS name FROM pg_tables WHERE schemaname = 'public'"
            }
        };
        let mut rx = db.store.begin_read(Scope::Platform).await.unwrap();
        existing.extend(rx.all::<String>(Sql::new(text)).await.unwrap().into_iter().filter(|t| !is_month(t)));
    }

    let missing: Vec<&String> = existing.difference(&documented).collect();
    let left_over: Vec<&String> = documented.difference(&existing).collect();
    assert!(missing.is_empty(), "docs/maintenance.md says nothing of {missing:?}");
    assert!(left_over.is_empty(), "docs/maintenance.md names {left_over:?}, which do not exist");
}

/// Words in backticks of a page that begin so.
fn quoted<'a>(page: &'a str, prefixes: &[&str]) -> BTreeSet<&'a str> {
    page.split('`').skip(1).step_by(2).filter(|word| prefixes.iter().any(|p| word.starts_with(p))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_on_the_database_names_every_table_and_index_and_nothing_that_does_not_exist() {
    let page = include_str!("../../../docs/database.md");
    let (_, tables) = page.split_once("\n## Tables\n").unwrap();
    let (tables, _) = tables.split_once("\n## ").unwrap();
    // Parts of a table of the search engine's own stand in the text below it.
    let parts: BTreeSet<&str> = quoted(tables, &["user_search_index_"]);
    let headed = tables.lines().filter(|line| line.starts_with("#### "));
    let documented: BTreeSet<&str> = headed.flat_map(|line| quoted(line, &[""])).chain(parts).collect();

    let (mut existing, mut indexes) = (BTreeSet::new(), BTreeSet::new());
    for db in TestDb::both().await {
        let (all, named) = match db.backend() {
            store::Backend::Sqlite => (
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
                "SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL",
            ),
            store::Backend::Postgres => (
                "SELECT CAST(tablename AS text) AS name FROM pg_tables WHERE schemaname = 'public'",
                "SELECT CAST(n.relname AS text) AS name FROM pg_index i JOIN pg_class n ON n.oid = i.indexrelid \
                 WHERE n.relnamespace = 'public'::regnamespace AND NOT i.indisprimary AND NOT n.relispartition",
            ),
        };
        let mut rx = db.store.begin_read(Scope::Platform).await.unwrap();
        existing.extend(rx.all::<String>(Sql::new(all)).await.unwrap().into_iter().filter(|t| !is_month(t)));
        indexes.extend(rx.all::<String>(Sql::new(named)).await.unwrap());
    }

    let existing: BTreeSet<&str> = existing.iter().map(String::as_str).collect();
    let indexes: BTreeSet<&str> = indexes.iter().map(String::as_str).collect();
    let described = quoted(tables, &["idx_", "uq_"]);
    // A name with braces is a rule for names; `idx_scan` is a column of PostgreSQL's statistics.
    let named: BTreeSet<&str> =
        quoted(page, &["idx_", "uq_"]).into_iter().filter(|n| !n.contains('{') && *n != "idx_scan").collect();
    let gone =
        |a: &BTreeSet<&str>, b: &BTreeSet<&str>| a.difference(b).map(|n| (*n).to_owned()).collect::<Vec<_>>();
    assert_eq!(gone(&existing, &documented), [""; 0], "docs/database.md says nothing of these tables");
    assert_eq!(gone(&documented, &existing), [""; 0], "docs/database.md describes tables that do not exist");
    assert_eq!(gone(&indexes, &described), [""; 0], "docs/database.md says nothing of these indexes");
    assert_eq!(gone(&named, &indexes), [""; 0], "docs/database.md names indexes that do not exist");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_node_at_a_time_has_the_lead_and_its_death_gives_it_back() {
    let db = TestDb::postgres().await;
    let other = Store::open(&StoreOptions::new(&db.url)).await.unwrap();

    let first = upkeep::lead(&db.store).await.unwrap();
    assert!(first.is_some());
    assert!(upkeep::lead(&other).await.unwrap().is_none());
    drop(first);
    // The server notices the closed connection by itself, soon after.
    let taken = tokio::time::timeout(std::time::Duration::from_secs(10), async {
        loop {
            if let Some(lead) = upkeep::lead(&other).await.unwrap() {
                return lead;
            }
            tokio::task::yield_now().await;
        }
    });
    taken.await.unwrap();

    let alone = TestDb::sqlite().await;
    assert!(upkeep::lead(&alone.store).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_are_made_ahead_once() {
    for db in TestDb::both().await {
        if db.backend() == store::Backend::Postgres {
            let month = "DO $$ BEGIN EXECUTE format('DROP TABLE audit_logs_%s', \
                 to_char(now() AT TIME ZONE 'UTC' + interval '3 months', 'YYYY_MM')); END $$";
            store::testing::run_script(&db.store, month).await;
        }
        let mut made = Vec::new();
        for _ in 0..2 {
            let mut tx = db.store.begin_write(Scope::Platform, None).await.unwrap();
            made.push(upkeep::prepare_ahead(&mut tx).await.unwrap());
            tx.commit_quietly(Quiet::Housekeeping).await.unwrap();
        }

        let first = u64::from(db.backend() == store::Backend::Postgres);
        assert_eq!(made, [first, 0]);
    }
}
