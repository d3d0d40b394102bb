//! Two tenants, their keys, and whoever runs the host, who may do all.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use authz::cx::RequestContext;
use authz::{Actor, Core, Cx, Place, Purpose, TenantRef};
use base::id::TenantId;
use base::{FixedClock, SeededRandom, Timestamp};
use store::testing::TestDb;
use store::{Sql, Store, StoreOptions};

use crate::keystore::{KeyDirectory, KeyStore, KeyStoreSource};
use crate::rings::{NewRing, Ring};
use crate::{Error, Kms, Result};

pub(super) const NOON: Timestamp = Timestamp::from_seconds(1_800_000_000);
pub(super) const DAY: i64 = 86_400;
pub(super) const ROOT: [u8; 32] = [9; 32];

static NEXT: AtomicU64 = AtomicU64::new(0);

pub(super) struct World {
    pub(super) db: TestDb,
    pub(super) core: Core,
    pub(super) clock: Arc<FixedClock>,
    pub(super) kms: Kms,
    pub(super) keys: PathBuf,
    pub(super) acme: Arc<TenantRef>,
    pub(super) rival: Arc<TenantRef>,
}

impl World {
    pub(super) async fn both() -> Vec<Self> {
        let mut worlds = Vec::new();
        for db in TestDb::both().await {
            worlds.push(Self::over(db).await);
        }
        worlds
    }

    async fn over(db: TestDb) -> Self {
        let clock = Arc::new(FixedClock::at(NOON));
        let core = Core::new(db.store.clone(), clock.clone(), Arc::new(SeededRandom::new(7))).unwrap();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let keys = std::env::temp_dir().join(format!("signet-rings-{}-{number}", std::process::id()));
        drop(std::fs::remove_dir_all(&keys));
        let acme = tenant(&core, "acme").await;
        let rival = tenant(&core, "rival").await;
        let kms = kms_at(&keys).await;
        Self { db, core, clock, kms, keys, acme, rival }
    }

    /// The same process started again: nothing in memory.
    pub(super) async fn restarted(&self) -> Kms {
        kms_at(&self.keys).await
    }

    /// A second node over the same database and keys.
    pub(super) async fn second_node(&self) -> (Core, Kms) {
        let store = Store::open(&StoreOptions::new(&self.db.url)).await.unwrap();
        let random = Arc::new(SeededRandom::new(8 + NEXT.fetch_add(1, Ordering::Relaxed)));
        (Core::new(store, self.clock.clone(), random).unwrap(), self.restarted().await)
    }

    /// Whoever runs the host, in `acme`.
    pub(super) fn cx(&self) -> Cx {
        cx_of(&self.core, &self.acme)
    }

    /// The same on the platform.
    pub(super) fn platform(&self) -> Cx {
        let actor = Actor::Host { uid: 0 };
        Cx::new(self.core.clone(), Place::Platform, actor, RequestContext::none(self.core.now()))
    }

    pub(super) async fn ring(&self, name: &str) -> Ring {
        self.kms.create_ring(&self.cx(), NewRing::named(name)).await.unwrap()
    }

    pub(super) async fn one<T: store::FromRow>(&self, sql: Sql) -> T {
        let cx = self.core.system(Place::Platform);
        let mut rx = cx.read(&cx.purpose(Purpose::Resolve)).await.unwrap();
        rx.one(sql).await.unwrap()
    }

    /// How many events of this name the log holds.
    pub(super) async fn events(&self, action: &str) -> i64 {
        self.core.flush_audit().await;
        self.one(Sql::new("SELECT COUNT(*) FROM audit_logs WHERE action = $1").bind(action)).await
    }

    pub(super) async fn active_keys(&self, ring: &str) -> i64 {
        let sql = "SELECT COUNT(*) FROM kms_data_keys WHERE key_name = $1 AND status = 'active'";
        self.one(Sql::new(sql).bind(ring)).await
    }

    /// Encrypts a value and says under which version.
    pub(super) async fn seal(&self, kms: &Kms, ring: &str, text: &str) -> Result<(u32, Vec<u8>)> {
        seal(kms, &self.cx(), Some(&self.acme.id), ring, text).await
    }

    pub(super) async fn open(&self, kms: &Kms, ring: &str, sealed: &(u32, Vec<u8>)) -> Result<String> {
        open(kms, &self.cx(), Some(&self.acme.id), ring, sealed).await
    }
}

impl Drop for World {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.keys));
    }
}

pub(super) async fn kms_at(keys: &std::path::Path) -> Kms {
    let directory = KeyDirectory { path: keys.to_path_buf(), data_directory: None };
    Kms::with_store(&ROOT, KeyStore::open(KeyStoreSource::Directory(directory)).await.unwrap())
}

pub(super) fn cx_of(core: &Core, tenant: &Arc<TenantRef>) -> Cx {
    let actor = Actor::Host { uid: 0 };
    Cx::new(core.clone(), Place::Tenant(tenant.clone()), actor, RequestContext::none(core.now()))
}

pub(super) async fn seal(
    kms: &Kms,
    cx: &Cx,
    tenant: Option<&TenantId>,
    ring: &str,
    text: &str,
) -> Result<(u32, Vec<u8>)> {
    let key = kms.sealing_key(cx, tenant, ring, 1).await?;
    let mut sealed = Vec::new();
    key.key.cipher().seal(b"place", text.as_bytes(), &mut sealed)?;
    Ok((key.version, sealed))
}

pub(super) async fn open(
    kms: &Kms,
    cx: &Cx,
    tenant: Option<&TenantId>,
    ring: &str,
    sealed: &(u32, Vec<u8>),
) -> Result<String> {
    let key = kms.opening_key(cx, tenant, ring, sealed.0).await?;
    let plaintext = key.key.cipher().open(b"place", &sealed.1)?;
    String::from_utf8(plaintext.expose().to_vec()).map_err(|_| Error::KeyDecryption)
}

async fn tenant(core: &Core, code: &str) -> Arc<TenantRef> {
    let tenant = Arc::new(TenantRef {
        id: TenantId::parse(&format!("tenant-{code}")).unwrap(),
        code: code.to_owned(),
        issuer: format!("http://localhost:8080/t/{code}"),
        name: code.to_owned(),
        active: true,
        config: serde_json::json!({}),
    });
    let cx = core.system(Place::Platform);
    let mut tx = cx.write(&cx.purpose(Purpose::Bootstrap)).await.unwrap();
    let sql = Sql::new("INSERT INTO tenants (id, name, code, issuer) VALUES ($1, $2, $3, $4)");
    let sql = sql.bind(&tenant.id).bind(&tenant.name).bind(&tenant.code).bind(&tenant.issuer);
    tx.execute(sql).await.unwrap();
    tx.commit_housekeeping().await.unwrap();
    tenant
}

/// An `If-Match` of a version, or one that every version meets.
pub(super) async fn if_match(version: Option<i64>) -> web::IfMatch {
    use axum::extract::FromRequestParts;
    let value = version.map_or_else(|| "*".to_owned(), |version| format!("\"v{version}\""));
    let request = axum::http::Request::builder().header("if-match", value).body(()).unwrap();
    <web::IfMatch as FromRequestParts<()>>::from_request_parts(&mut request.into_parts().0, &())
        .await
        .unwrap()
}
