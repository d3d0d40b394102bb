//! Where keys rest and where they do not.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use base::Secret;
use store::testing::{TestDb, as_owner};
use store::{Backend, Sql};

use super::world::{ROOT, World, kms_at};
use crate::keystore::{KeyDirectory, KeyStore, KeyStoreSource};
use crate::rings::{KeyVersion, NewRing, context, store as ring_store};
use crate::{Error, Kms, hex, wrap};

/// The bytes of a data key and of its tenant's key.
async fn plain(world: &World, ring: &str) -> ([u8; 32], [u8; 32]) {
    let tenant = Some(&world.acme.id);
    let tenant_key = world.kms.load_tenant_key(&world.core, tenant).await.unwrap();
    let cx = world.core.system(authz::Place::Platform);
    let mut rx = cx.read(&cx.purpose(authz::Purpose::Resolve)).await.unwrap();
    let found = ring_store::find_version(&mut rx, tenant, ring, KeyVersion::FIRST).await.unwrap().unwrap();
    let key = found.key.unwrap();
    let opened = wrap::unwrap(&tenant_key, &context(tenant, ring, "v1", &key.id), &key.wrapped).unwrap();
    (*opened.expose(), *tenant_key.expose())
}

/// Everything that the database holds of keys and evidence, as bytes or as hex.
async fn dump(world: &World) -> Vec<u8> {
    match world.db.backend() {
        Backend::Sqlite => {
            let file = world.db.url.strip_prefix("sqlite:").unwrap();
            let mut all = std::fs::read(file).unwrap();
            all.extend(std::fs::read(format!("{file}-wal")).unwrap_or_default());
            all
        }
        Backend::Postgres => {
            let mut all = String::new();
            for table in [
                "SELECT row_to_json(t)::text FROM kms_data_keys t",
                "SELECT row_to_json(t)::text FROM kms_key_rings t",
                "SELECT row_to_json(t)::text FROM kms_key_details t",
                "SELECT row_to_json(t)::text FROM kms_tenant_keys t",
                "SELECT row_to_json(t)::text FROM key_checks t",
                "SELECT row_to_json(t)::text || encode(event_bytes, 'escape') FROM audit_logs t",
            ] {
                all.push_str(&as_owner(&world.db.store, table).await.join("\n"));
            }
            all.into_bytes()
        }
    }
}

fn holds(all: &[u8], part: &[u8]) -> bool {
    all.windows(part.len()).any(|window| window == part)
}

#[tokio::test]
async fn no_key_stands_in_clear_in_the_database_or_in_the_key_store() {
    for world in World::both().await {
        world.ring("mail").await;
        world.seal(&world.kms, "mail", "x").await.unwrap();
        world.core.flush_audit().await;
        let (data, tenant) = plain(&world, "mail").await;
        let mut all = dump(&world).await;
        let wrapped: Vec<u8> =
            world.one(Sql::new("SELECT encrypted_key FROM kms_data_keys WHERE key_name = 'mail'")).await;
        let shown = holds(&all, &wrapped) || holds(&all, hex(&wrapped).as_bytes());
        assert!(shown, "the dump shows what there is");
        for entry in std::fs::read_dir(&world.keys).unwrap() {
            all.extend(std::fs::read(entry.unwrap().path()).unwrap());
        }

        for key in [data, tenant, ROOT] {
            assert!(!holds(&all, &key) && !holds(&all, hex(&key).as_bytes()), "{:?}", world.db.backend());
        }
        assert_ne!(data, tenant);
    }
}

#[tokio::test]
async fn tenant_keys_are_files_of_ones_own_and_one_for_each_tenant() {
    for world in World::both().await {
        world.ring("mail").await;
        world.ring("other").await;
        world.kms.create_ring(&world.platform(), NewRing::named("own")).await.unwrap();

        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        let mut names: Vec<String> = std::fs::read_dir(&world.keys)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["platform.key", "tenant-acme.key"]);
        assert_eq!(mode(&world.keys), 0o700);
        assert_eq!(mode(&world.keys.join("tenant-acme.key")), 0o600);
        assert_eq!(world.events("kms.tenant_key_made").await, 2);
        let kept: i64 = world.one(Sql::new("SELECT COUNT(*) FROM kms_tenant_keys")).await;
        assert_eq!(kept, 0, "nothing of them is in the database");
    }
}

#[tokio::test]
async fn a_backup_from_before_a_purge_opens_only_beside_a_key_store_of_its_age() {
    for world in World::both().await {
        world.ring("mail").await;
        let sealed = world.seal(&world.kms, "mail", "x").await.unwrap();
        let old = world.keys.with_extension("old");
        drop(std::fs::remove_dir_all(&old));
        std::fs::create_dir(&old).unwrap();
        std::fs::set_permissions(&old, std::fs::Permissions::from_mode(0o700)).unwrap();
        std::fs::copy(world.keys.join("tenant-acme.key"), old.join("tenant-acme.key")).unwrap();

        assert!(world.kms.destroy_tenant_key(&world.core, &world.acme.id).await.unwrap());
        assert!(!world.kms.destroy_tenant_key(&world.core, &world.acme.id).await.unwrap(), "can be repeated");

        // The rows are there, as in a database that was restored; the root key is today's.
        for kms in [world.kms.clone(), world.restarted().await] {
            let lost = world.open(&kms, "mail", &sealed).await;
            assert!(matches!(lost, Err(Error::KeyDecryption)), "{lost:?}");
            assert!(matches!(world.seal(&kms, "mail", "y").await, Err(Error::KeyDecryption)));
            assert!(matches!(kms.rotate(&world.cx(), "mail", None).await, Err(Error::KeyDecryption)));
            let another = kms.create_ring(&world.cx(), NewRing::named("new")).await;
            assert!(matches!(another, Err(Error::KeyDecryption)), "no new key hides the loss");
        }
        assert!(!world.kms.keys_state(&world.cx()).await.unwrap().tenant_key_opens);
        let with_old_keys = kms_at(&old).await;
        assert_eq!(world.open(&with_old_keys, "mail", &sealed).await.unwrap(), "x");
        std::fs::remove_dir_all(&old).unwrap();
    }
}

#[tokio::test]
async fn another_root_key_or_a_changed_file_opens_nothing_and_replaces_nothing() {
    for world in World::both().await {
        world.ring("mail").await;
        let sealed = world.seal(&world.kms, "mail", "x").await.unwrap();
        let file = world.keys.join("tenant-acme.key");
        let right = std::fs::read(&file).unwrap();
        let directory = KeyDirectory { path: world.keys.clone(), data_directory: None };
        let store = KeyStore::open(KeyStoreSource::Directory(directory)).await.unwrap();
        let other = Kms::with_store(&[8; 32], store);
        assert!(matches!(world.open(&other, "mail", &sealed).await, Err(Error::KeyDecryption)));

        for (position, cut) in [(0, 0), (5, 0), (20, 0), (71, 0), (0, 1), (0, 72)] {
            let mut wrong = right.clone();
            wrong[position] ^= 1;
            wrong.truncate(right.len() - cut);
            std::fs::write(&file, &wrong).unwrap();
            let refused = world.open(&world.restarted().await, "mail", &sealed).await;
            assert!(matches!(refused, Err(Error::KeyDecryption)), "byte {position}, cut {cut}: {refused:?}");
            assert_eq!(std::fs::read(&file).unwrap(), wrong);
        }
        std::fs::write(&file, &right).unwrap();
        assert_eq!(world.open(&world.restarted().await, "mail", &sealed).await.unwrap(), "x");
    }
}

#[tokio::test]
async fn a_key_store_inside_the_data_or_open_to_others_is_refused() {
    let base = std::env::temp_dir().join(format!("signet-keys-refused-{}", std::process::id()));
    drop(std::fs::remove_dir_all(&base));
    let data = base.join("data");
    std::fs::create_dir_all(data.join("keys")).unwrap();
    let open = async |path: &Path| {
        let directory = KeyDirectory { path: path.to_path_buf(), data_directory: Some(data.clone()) };
        KeyStore::open(KeyStoreSource::Directory(directory)).await.map(drop)
    };

    assert!(matches!(open(&data.join("keys")).await, Err(Error::FileRefused { .. })));
    let wide = base.join("wide");
    std::fs::create_dir(&wide).unwrap();
    std::fs::set_permissions(&wide, std::fs::Permissions::from_mode(0o755)).unwrap();
    assert!(matches!(open(&wide).await, Err(Error::FileRefused { .. })));
    assert!(open(&base.join("later")).await.is_ok(), "made when it is needed");
    assert!(!base.join("later").exists());
    std::fs::remove_dir_all(&base).unwrap();
}

#[tokio::test]
async fn a_database_of_its_own_keeps_tenant_keys_and_the_main_one_is_refused_as_such() {
    let world = World::both().await.pop().unwrap();
    let url = TestDb::empty_postgres_url().await;
    // Databases of their own need a role that may make a table there.
    let administrator =
        format!("{}/{}", server(&world.db.administrator_url()), url.rsplit('/').next().unwrap());
    let at = |url: &str| KeyStoreSource::Database(Secret::new(url.to_owned()));
    let kms = Kms::with_store(&ROOT, KeyStore::open(at(&administrator)).await.unwrap());
    kms.create_ring(&world.cx(), NewRing::named("mail")).await.unwrap();
    let sealed = world.seal(&kms, "mail", "x").await.unwrap();

    let again = Kms::with_store(&ROOT, KeyStore::open(at(&administrator)).await.unwrap());
    assert_eq!(world.open(&again, "mail", &sealed).await.unwrap(), "x");
    assert_eq!(again.key_store_kind(), "database");
    assert!(again.destroy_tenant_key(&world.core, &world.acme.id).await.unwrap());
    assert!(matches!(world.open(&again, "mail", &sealed).await, Err(Error::KeyDecryption)));

    let main = KeyStore::open(at(&world.db.administrator_url())).await;
    let told = main.err().unwrap();
    let Error::Store(store::StoreError::Configuration(text)) = &told else { panic!("{told:?}") };
    assert!(text.contains("Signet's own"), "{text}");
}

fn server(url: &str) -> &str {
    url.rsplit_once('/').unwrap().0
}

#[tokio::test]
async fn where_nothing_else_is_configured_the_main_database_keeps_them_wrapped() {
    for world in World::both().await {
        let kms = Kms::with_store(&ROOT, KeyStore::SameDatabase);
        kms.create_ring(&world.cx(), NewRing::named("mail")).await.unwrap();
        let sealed = world.seal(&kms, "mail", "x").await.unwrap();

        let again = Kms::with_store(&ROOT, KeyStore::SameDatabase);
        assert_eq!(world.open(&again, "mail", &sealed).await.unwrap(), "x");
        assert_eq!(again.key_store_kind(), "same_database");
        assert!(again.destroy_tenant_key(&world.core, &world.acme.id).await.unwrap());
        assert!(matches!(world.open(&again, "mail", &sealed).await, Err(Error::KeyDecryption)));
    }
}
