//! The check value on real databases: first start, second node, wrong root, missing key.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;

use authz::{Core, Place, Purpose};
use base::{FixedClock, Secret, SeededRandom, Timestamp};
use kms::{Error, KeyFile, Kms, RootKeySource};
use store::testing::TestDb;
use store::{Backend, Sql, Store, StoreOptions};

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const OTHER: &str = "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

fn core(store: &Store, seed: u64) -> Core {
    let clock = Arc::new(FixedClock::at(Timestamp::from_seconds(1_790_000_000)));
    Core::new(store.clone(), clock, Arc::new(SeededRandom::new(seed))).unwrap()
}

fn text(key: &str) -> RootKeySource {
    RootKeySource::Text(Secret::new(key.to_owned()))
}

fn key_file(name: &str) -> KeyFile {
    let directory: PathBuf =
        std::env::temp_dir().join(format!("signet-first-start-{name}-{}", std::process::id()));
    drop(std::fs::remove_dir_all(&directory));
    std::fs::DirBuilder::new().mode(0o700).create(&directory).unwrap();
    KeyFile { path: directory.join("root.key"), data_directory: None }
}

async fn count(core: &Core, sql: &'static str) -> i64 {
    let cx = core.system(Place::Platform);
    let mut rx = cx.read(&cx.purpose(Purpose::Bootstrap)).await.unwrap();
    rx.one(Sql::new(sql)).await.unwrap()
}

#[tokio::test]
async fn the_root_that_came_first_is_the_only_one_from_then_on() {
    for db in TestDb::both().await {
        let core = core(&db.store, 1);

        let first = Kms::open(&core, text(KEY)).await.unwrap();
        let second = Kms::open(&core, text(KEY)).await.unwrap();
        let wrong = Kms::open(&core, text(OTHER)).await;

        let sealed = first.seal("ring", &["row"], b"secret").unwrap();
        assert_eq!(second.unseal("ring", &["row"], &sealed).unwrap().expose(), b"secret");
        assert!(matches!(wrong, Err(Error::WrongRoot)), "{:?}", db.backend());
        assert_eq!(count(&core, "SELECT COUNT(*) FROM key_checks").await, 1);
        let events = "SELECT COUNT(*) FROM audit_logs WHERE action = 'root_key.registered'";
        assert_eq!(count(&core, events).await, 1);
    }
}

#[tokio::test]
async fn of_two_nodes_that_start_at_once_with_different_roots_one_wins() {
    for db in TestDb::both().await {
        let other = Store::open(&StoreOptions::new(&db.url)).await.unwrap();
        let (left, right) = (core(&db.store, 1), core(&other, 2));

        let (a, b) = tokio::join!(Kms::open(&left, text(KEY)), Kms::open(&right, text(OTHER)));

        assert!(a.is_ok() != b.is_ok(), "{:?}", db.backend());
        assert!(matches!(a.err().or(b.err()), Some(Error::WrongRoot)));
        assert_eq!(count(&left, "SELECT COUNT(*) FROM key_checks").await, 1);
        other.close().await;
    }
}

#[tokio::test]
async fn without_a_key_sqlite_makes_one_and_postgresql_names_both_settings() {
    for db in TestDb::both().await {
        let core = core(&db.store, 1);
        let default = key_file("unset");

        let opened = Kms::open(&core, RootKeySource::Unset { default: default.clone() }).await;

        match db.backend() {
            Backend::Sqlite => {
                let kms = opened.unwrap();
                let again = Kms::open(&core, RootKeySource::File(default.clone())).await.unwrap();
                assert_eq!(kms.digest("x", "y"), again.digest("x", "y"));
                std::fs::remove_file(&default.path).unwrap();
                let lost = Kms::open(&core, RootKeySource::Unset { default: default.clone() }).await;
                assert!(matches!(lost, Err(Error::FileMissing { .. })));
                assert!(!default.path.exists());
            }
            Backend::Postgres => {
                let message = opened.unwrap_err().to_string();
                assert!(message.contains("SIGNET_ROOT_KEY`") && message.contains("SIGNET_ROOT_KEY_FILE"));
                assert!(message.contains("root_key_file"));
                assert!(!default.path.exists());
                let named = Kms::open(&core, RootKeySource::File(default.clone())).await;
                assert!(named.is_err(), "a named file is not made on PostgreSQL");
                assert!(!default.path.exists());
            }
        }
    }
}
