//! A whole Signet without listeners, over one test database.

use std::collections::BTreeMap;
use std::sync::Arc;

use authz::cx::RequestContext;
use authz::{Actor, Core, Cx, Place, Purpose};
use base::id::{ClientId, UserId};
use base::text::parse_username;
use base::{FixedClock, Secret, SeededRandom, Timestamp};
use manifest::{ApplyAnswer, ApplyRequest, Service};
use store::testing::TestDb;
use store::{Backend, FromRow, Row, Sql};

pub(crate) const ACME: &str = include_str!("../../../../examples/acme.yaml");
/// Stands in every secret; must stand nowhere else.
pub(crate) const CANARY: &str = "Canary-7f2c91";

pub(crate) struct World {
    pub(crate) backend: Backend,
    pub(crate) core: Core,
    pub(crate) directory: directory::Service,
    pub(crate) service: Service,
    oidc: oidc::Service,
    _db: TestDb,
}

struct Text(String);

impl FromRow for Text {
    fn from_row(row: &Row) -> store::Result<Self> {
        Ok(Self(row.get("text")?))
    }
}

impl World {
    pub(crate) async fn on_both() -> Vec<Self> {
        let mut worlds = Vec::new();
        for db in TestDb::both().await {
            worlds.push(Self::new(db));
        }
        worlds
    }

    fn new(db: TestDb) -> Self {
        let clock = Arc::new(FixedClock::at(Timestamp::parse("2026-06-01T12:00:00Z").unwrap()));
        let core = Core::new(db.store.clone(), clock, Arc::new(SeededRandom::new(11))).unwrap();
        let kms = kms::testing_kms();
        let directory =
            directory::Service::new(core.clone(), kms.clone(), "http://localhost:8080".to_owned());
        let config = authn::Config { bcrypt_cost: 10, ..authn::Config::new("http://localhost:8080") };
        let authn = authn::Service::new(core.clone(), kms.clone(), directory.clone(), config).unwrap();
        let oidc_config = oidc::Config::new("http://localhost:8080");
        let oidc = oidc::Service::new(core.clone(), kms, directory.clone(), authn.clone(), oidc_config);
        let service = Service::new(core.clone(), directory.clone(), authn, oidc.clone());
        Self { backend: db.backend(), core, directory, service, oidc, _db: db }
    }

    fn request(&self) -> RequestContext {
        RequestContext::none(self.core.now())
    }

    /// Whoever runs the binary on the host, on the platform.
    pub(crate) fn host(&self) -> Cx {
        Cx::new(self.core.clone(), Place::Platform, Actor::Host { uid: 1000 }, self.request())
    }

    pub(crate) async fn tenant(&self, code: &str) -> Arc<authz::TenantRef> {
        self.directory.tenant_by_code(code).await.unwrap().unwrap()
    }

    /// The host inside a tenant.
    pub(crate) async fn host_in(&self, code: &str) -> Cx {
        let place = Place::Tenant(self.tenant(code).await);
        Cx::new(self.core.clone(), place, Actor::Host { uid: 1000 }, self.request())
    }

    pub(crate) async fn user_id(&self, code: &str, name: &str) -> Option<UserId> {
        let cx = self.host_in(code).await;
        let username = parse_username(name).unwrap();
        directory::users::find_user_by_username(&cx, &username).await.unwrap().map(|user| user.id)
    }

    pub(crate) async fn client_id(&self, code: &str, name: &str) -> ClientId {
        let cx = self.host_in(code).await;
        let mut rx = cx.read(&cx.purpose(Purpose::Resolve)).await.unwrap();
        let tenant = cx.tenant().unwrap().id.clone();
        oidc::find_client_by_client_id(&mut rx, &tenant, name).await.unwrap().unwrap().id
    }

    /// The first administrator of a new installation, on the platform.
    pub(crate) async fn platform_admin(&self) -> Cx {
        let cx = self.core.system(Place::Platform);
        let permit = cx.purpose(Purpose::Bootstrap);
        let mut tx = cx.write(&permit).await.unwrap();
        let url = "http://localhost:8080";
        let tenant = directory::seed_default_tenant_in(&cx, &mut tx, &permit, url).await.unwrap();
        let hash = directory::PasswordHash::unusable(self.core.random());
        let admin = directory::seed_admin_in(&cx, &mut tx, &permit, hash).await.unwrap();
        tx.commit().await.unwrap();
        let actor = Actor::User {
            id: admin.id,
            tenant: tenant.id,
            username: "admin".to_owned(),
            session: None,
            client: None,
            api: authz::Api::Open,
            must_change_password: false,
        };
        Cx::new(self.core.clone(), Place::Platform, actor, self.request())
    }

    /// The default clients, the first two of which share their ids with the first people.
    pub(crate) async fn default_clients(&self) {
        let cx = self.core.system(Place::Tenant(self.tenant("default").await));
        let prepared = oidc::DefaultClients::prepare(self.oidc.secrets(), &cx).await.unwrap();
        let permit = cx.purpose(Purpose::Bootstrap);
        let mut tx = cx.write(&permit).await.unwrap();
        oidc::seed_default_clients_in(&cx, &mut tx, &permit, &prepared).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// A signed-in person at their own tenant's address.
    pub(crate) async fn user(&self, code: &str, name: &str) -> Cx {
        let tenant = self.tenant(code).await;
        let actor = Actor::User {
            id: self.user_id(code, name).await.unwrap(),
            tenant: tenant.id.clone(),
            username: name.to_owned(),
            session: None,
            client: None,
            api: authz::Api::Open,
            must_change_password: false,
        };
        Cx::new(self.core.clone(), Place::Tenant(tenant), actor, self.request())
    }

    pub(crate) async fn try_apply(&self, cx: &Cx, text: &str) -> Result<ApplyAnswer, base::Problem> {
        self.try_request(cx, request(text)).await
    }

    pub(crate) async fn try_request(
        &self,
        cx: &Cx,
        request: ApplyRequest,
    ) -> Result<ApplyAnswer, base::Problem> {
        self.service.apply(cx, request).await.map_err(base::Problem::from)
    }

    #[track_caller]
    pub(crate) fn apply<'a>(&'a self, cx: &'a Cx, text: &'a str) -> impl Future<Output = ApplyAnswer> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            match self.try_apply(cx, text).await {
                Ok(answer) => answer,
                Err(problem) => panic!("{caller}, {:?}: {problem:?}", self.backend),
            }
        }
    }

    /// Whether a person may, right now.
    pub(crate) async fn allowed(&self, code: &str, name: &str, action: &str, resource: &str) -> bool {
        let tenant = self.tenant(code).await;
        let id = self.user_id(code, name).await.unwrap();
        let decision =
            self.core.decide(&tenant.id, &id.cast(), action, resource, &Default::default()).await.unwrap();
        decision.is_some_and(|decision| decision.effect == policy::Effect::Allow)
    }

    /// One text column of a whole table.
    pub(crate) async fn texts(&self, sql: &'static str) -> Vec<String> {
        self.core.flush_audit().await;
        let cx = self.host();
        let mut rx = cx.read(&cx.purpose(Purpose::Resolve)).await.unwrap();
        let rows: Vec<Text> = rx.all(Sql::new(sql)).await.unwrap();
        rows.into_iter().map(|row| row.0).collect()
    }

    /// The events of the audit log, by name.
    pub(crate) async fn events(&self) -> Vec<String> {
        self.texts("SELECT action AS text FROM audit_logs ORDER BY created_at, id").await
    }
}

pub(crate) fn request(text: &str) -> ApplyRequest {
    ApplyRequest {
        file_name: "f.yaml".to_owned(),
        text: text.to_owned(),
        secrets: secrets(),
        dry_run: false,
        expected_policy_version: None,
    }
}

/// Every secret that the tests refer to.
pub(crate) fn secrets() -> BTreeMap<String, Secret<String>> {
    let names = ["ACME_ALICE_PASSWORD", "ACME_BOB_PASSWORD", "ACME_CAROL_PASSWORD", "PASSWORD"];
    let clients = ["ACME_WEB_NODE_SECRET", "ACME_WEB_PYTHON_SECRET", "ACME_REPORTING_SECRET", "SECRET"];
    let password = |name: &&str| (format!("env:{name}"), Secret::new(format!("{CANARY}-Pw!")));
    let secret = |name: &&str| (format!("env:{name}"), Secret::new(format!("{CANARY}-{}", "x".repeat(32))));
    let long = ("env:LONG".to_owned(), Secret::new(format!("{CANARY}-{}", "x".repeat(80))));
    names.iter().map(password).chain(clients.iter().map(secret)).chain([long]).collect()
}
