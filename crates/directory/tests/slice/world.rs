//! A seeded database, callers of every rank, and requests to the slice's routes.

use std::sync::Arc;

use authz::cx::RequestContext;
use authz::{Actor, Core, Cx, Place, Purpose, TenantRef, roles};
use axum::body::Body;
use axum::{Extension, Router};
use base::id::UserId;
use base::text::parse_username;
use base::{FixedClock, SeededRandom, Timestamp};
use directory::{NewTenant, NewUser, PasswordHash, Service, seeds};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use store::testing::TestDb;
use store::{Backend, Sql};
use tower::ServiceExt;

pub(crate) const HASH: &str = "$2a$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW";

/// One database with the default tenant (admin, testuser) and the tenant `acme`.
pub(crate) struct World {
    pub(crate) db: TestDb,
    pub(crate) core: Core,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) service: Service,
    pub(crate) authn: authn::Service,
    pub(crate) default: Arc<TenantRef>,
    pub(crate) acme: Arc<TenantRef>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn etag(&self) -> String {
        self.headers.get("etag").unwrap().to_str().unwrap().to_owned()
    }

    pub(crate) fn id(&self) -> String {
        self.body["id"].as_str().unwrap().to_owned()
    }

    /// Checks status and code of a problem.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str) {
        assert_eq!((self.status.as_u16(), self.body["code"].as_str()), (status, Some(code)), "{}", self.body);
    }

    /// Checks that it succeeded.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert!(self.status.is_success(), "{} {}", self.status, self.body);
        self
    }

    /// The pointers of the wrong fields.
    pub(crate) fn pointers(&self) -> Vec<&str> {
        self.body["errors"].as_array().unwrap().iter().map(|e| e["pointer"].as_str().unwrap()).collect()
    }
}

impl World {
    /// One world for each database.
    pub(crate) async fn both() -> Vec<Self> {
        let mut worlds = Vec::new();
        for db in TestDb::both().await {
            worlds.push(Self::on_one(db).await);
        }
        worlds
    }

    pub(crate) async fn on_one(db: TestDb) -> Self {
        let clock = Arc::new(FixedClock::at(Timestamp::from_seconds(1_790_000_000)));
        let core = Core::new(db.store.clone(), clock.clone(), Arc::new(SeededRandom::new(11))).unwrap();
        let service = Service::new(core.clone(), kms::testing_kms(), "https://id.test/".to_owned());
        let config = authn::Config { bcrypt_cost: 10, ..authn::Config::new("https://id.test") };
        let authn = authn::Service::new(core.clone(), kms::testing_kms(), service.clone(), config).unwrap();
        let cx = core.system(Place::Platform);
        let permit = cx.purpose(Purpose::Bootstrap);
        let hash = PasswordHash::parse(HASH).unwrap();
        let mut tx = cx.write(&permit).await.unwrap();
        seeds::seed_default_tenant_in(&cx, &mut tx, &permit, service.public_url()).await.unwrap();
        seeds::seed_admin_in(&cx, &mut tx, &permit, hash).await.unwrap();
        seeds::seed_demo_user_in(&cx, &mut tx, &permit).await.unwrap();
        tx.commit().await.unwrap();
        let default = service.tenant_by_code("default").await.unwrap().unwrap();
        let mut world = Self { db, core, clock, service, authn, acme: default.clone(), default };
        let new = NewTenant::new("acme", "Acme");
        let boss = NewUser::without_password(&cx, parse_username("boss").unwrap());
        world.authn.create_tenant(&world.platform(), new, Some(boss)).await.unwrap();
        world.acme = world.service.tenant_by_code("acme").await.unwrap().unwrap();
        world
    }

    pub(crate) fn backend(&self) -> Backend {
        self.db.backend()
    }

    /// A context of a person at a place.
    pub(crate) fn cx(&self, place: Place, home: &TenantRef, id: &str) -> Cx {
        let actor = Actor::User {
            id: UserId::parse(id).unwrap(),
            tenant: home.id.clone(),
            username: id.to_owned(),
            session: None,
            client: None,
            api: authz::Api::Open,
            must_change_password: false,
        };
        Cx::new(self.core.clone(), place, actor, RequestContext::none(self.core.now()))
    }

    /// The platform administrator, on the platform.
    pub(crate) fn platform(&self) -> Cx {
        self.cx(Place::Platform, &self.default, seeds::ADMIN_ID)
    }

    /// The Super Admin of the default tenant, in it.
    pub(crate) fn admin(&self) -> Cx {
        self.person(seeds::ADMIN_ID)
    }

    /// Anybody of the default tenant, in it.
    pub(crate) fn person(&self, id: &str) -> Cx {
        self.cx(Place::Tenant(self.default.clone()), &self.default, id)
    }

    /// The Super Admin of `acme`, in it.
    pub(crate) async fn boss(&self) -> Cx {
        let id = self.boss_id().await;
        self.cx(Place::Tenant(self.acme.clone()), &self.acme, &id)
    }

    pub(crate) async fn boss_id(&self) -> String {
        let sql =
            Sql::new("SELECT id FROM users WHERE tenant_id = $1 AND username = 'boss'").bind(&self.acme.id);
        self.one(sql).await
    }

    /// Adds a person to the default tenant, who holds a role besides USER if one is given.
    pub(crate) async fn add(&self, username: &str, role: Option<&str>) -> String {
        let added = self.post(&self.admin(), "/api/v1/users", json!({ "username": username })).await.ok();
        if let Some(code) = role {
            let cx = self.core.system(Place::Tenant(self.default.clone()));
            let permit = cx.purpose(Purpose::Bootstrap);
            let mut tx = cx.write(&permit).await.unwrap();
            let role = roles::find_role_by_code(&mut tx, &self.default.id, code).await.unwrap().unwrap();
            let holder = roles::Holder::Principal(UserId::parse(&added.id()).unwrap().cast());
            roles::assign_in(&cx, &mut tx, &permit, &holder, &role.id, roles::Window::ALWAYS).await.unwrap();
            tx.commit().await.unwrap();
        }
        added.id()
    }

    /// Reads one value.
    pub(crate) async fn one<T: store::FromRow>(&self, sql: Sql) -> T {
        let cx = self.core.system(Place::Platform);
        let mut rx = cx.read(&cx.purpose(Purpose::Resolve)).await.unwrap();
        rx.one(sql).await.unwrap()
    }

    /// Writes past the program, as somebody with a shell would.
    pub(crate) async fn execute(&self, sql: Sql) -> u64 {
        let cx = self.core.system(Place::Platform);
        let mut tx = cx.write(&cx.purpose(Purpose::Job("test"))).await.unwrap();
        let written = tx.execute(sql).await.unwrap();
        tx.commit_housekeeping().await.unwrap();
        written
    }

    /// Adds a role to the default tenant.
    pub(crate) async fn role(&self, code: &str, permissions: &[&str]) {
        let cx = self.core.system(Place::Tenant(self.default.clone()));
        let permit = cx.purpose(Purpose::Bootstrap);
        let mut tx = cx.write(&permit).await.unwrap();
        let permissions = permissions.iter().map(|code| (*code).to_owned()).collect();
        let (code, name) = (code.to_owned(), code.to_owned());
        let new = roles::NewRole { code, name, description: None, parent_id: None, permissions };
        roles::create_role_in(&cx, &mut tx, &permit, new).await.unwrap();
        tx.commit().await.unwrap();
    }

    fn router(&self, cx: &Cx) -> Router {
        let service = self.service.clone();
        let routes = match cx.place() {
            Place::Platform => {
                directory::platform_routes(service).merge(authn::platform_routes(self.authn.clone()))
            }
            Place::Tenant(_) => utoipa_axum::router::OpenApiRouter::new()
                .nest("/t/{tenant}", directory::tenant_routes(service)),
        };
        let (router, _) = routes.split_for_parts();
        router.layer(Extension(cx.clone()))
    }

    pub(crate) async fn send(
        &self,
        cx: &Cx,
        method: Method,
        path: &str,
        if_match: Option<&str>,
        body: Option<Value>,
    ) -> Answer {
        let prefix = match cx.place() {
            Place::Platform => String::new(),
            Place::Tenant(tenant) => format!("/t/{}", tenant.code),
        };
        let mut request = Request::builder().method(method).uri(format!("{prefix}{path}"));
        if let Some(tag) = if_match {
            request = request.header("if-match", tag);
        }
        let body = match body {
            Some(body) => {
                request = request.header("content-type", "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        let response = self.router(cx).oneshot(request.body(body).unwrap()).await.unwrap();
        let (parts, body) = web::failure::render(response, None).into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("$2a$"), "an answer holds a hash: {text}");
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Answer { status: parts.status, headers: parts.headers, body }
    }

    pub(crate) async fn get(&self, cx: &Cx, path: &str) -> Answer {
        self.send(cx, Method::GET, path, None, None).await
    }

    pub(crate) async fn post(&self, cx: &Cx, path: &str, body: Value) -> Answer {
        self.send(cx, Method::POST, path, None, Some(body)).await
    }

    /// A POST to a verb below a member.
    pub(crate) async fn act(&self, cx: &Cx, path: &str) -> Answer {
        self.send(cx, Method::POST, path, None, None).await
    }

    /// Changes with whatever version there is.
    pub(crate) async fn patch(&self, cx: &Cx, path: &str, body: Value) -> Answer {
        self.send(cx, Method::PATCH, path, Some("*"), Some(body)).await
    }

    pub(crate) async fn delete(&self, cx: &Cx, path: &str) -> Answer {
        self.send(cx, Method::DELETE, path, Some("*"), None).await
    }

    /// How many events of this name the log holds.
    pub(crate) async fn events(&self, action: &str) -> i64 {
        self.core.flush_audit().await;
        self.one(Sql::new("SELECT COUNT(*) FROM audit_logs WHERE action = $1").bind(action)).await
    }
}
