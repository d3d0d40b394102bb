//! Two tenants, a few people, a clock that stands, and a browser.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use authn::{Attempt, Begun, Config, Service};
use authz::cx::RequestContext;
use authz::{Actor, Core, Cx, Event, Place, Purpose, TenantRef};
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{CONTENT_TYPE, COOKIE, HOST, LOCATION, ORIGIN, SET_COOKIE};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use base::id::{SessionId, UserId};
use base::{FixedClock, Secret, SeededRandom, Timestamp};
use directory::{NewTenant, NewUser, PasswordHash};
use http_body_util::BodyExt;
use store::testing::TestDb;
use store::{FromRow, Sql};
use tower::ServiceExt;
use web::request::Info;
use web::{Hosts, RequestLayer, TrustedProxies};

pub(crate) const PASSWORD: &str = "Correct-Horse-7";
pub(crate) const OTHER: &str = "Battery-Staple-8";
pub(crate) const HOME: &str = "192.0.2.1";

/// One database and everything on it.
pub(crate) struct World {
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) core: Core,
    pub(crate) service: Service,
    pub(crate) tenant: Arc<TenantRef>,
    pub(crate) other: Arc<TenantRef>,
    pub(crate) maria: UserId,
    pub(crate) admin: UserId,
    public_url: String,
    _db: TestDb,
}

impl World {
    /// One world for each database.
    pub(crate) async fn both() -> Vec<Self> {
        let mut worlds = Vec::new();
        for db in TestDb::both().await {
            worlds.push(Self::on(db, "http://localhost:8080").await);
        }
        worlds
    }

    /// A world on SQLite with another public address.
    pub(crate) async fn at(public_url: &str) -> Self {
        Self::on(TestDb::sqlite().await, public_url).await
    }

    async fn on(db: TestDb, public_url: &str) -> Self {
        let clock = Arc::new(FixedClock::at(Timestamp::parse("2026-11-21T08:00:00Z").unwrap()));
        let random = Arc::new(SeededRandom::new(7));
        let core = Core::new(db.store.clone(), clock.clone(), random).unwrap();
        let kms = kms::testing_kms();
        let directory = directory::Service::new(core.clone(), kms.clone(), public_url.to_owned());
        let config = Config { bcrypt_cost: 10, ..Config::new(public_url) };
        let service = Service::new(core.clone(), kms, directory.clone(), config).unwrap();

        let cx = core.system(Place::Platform);
        let permit = cx.purpose(Purpose::Bootstrap);
        let default = service.hash_password(secret("Admin@123")).await.unwrap();
        let mut tx = cx.write(&permit).await.unwrap();
        let tenant = directory::seed_default_tenant_in(&cx, &mut tx, &permit, public_url).await.unwrap();
        let admin = directory::seed_admin_in(&cx, &mut tx, &permit, default).await.unwrap();
        let new = NewTenant::new("acme", "Acme");
        let other = directory.create_tenant_in(&cx, &mut tx, &permit, new).await.unwrap();
        tx.commit().await.unwrap();

        let mut world = Self {
            clock,
            core,
            service,
            tenant: Arc::new(tenant.to_ref()),
            other: Arc::new(other.to_ref()),
            maria: admin.id.clone(),
            admin: admin.id,
            public_url: public_url.to_owned(),
            _db: db,
        };
        world.maria = world.add("maria", PASSWORD).await;
        world
    }

    /// Adds a person with a password and the default role.
    pub(crate) async fn add(&self, username: &str, password: &str) -> UserId {
        let hash = self.service.hash_password(secret(password)).await.unwrap();
        self.add_with(NewUser::new(base::text::parse_username(username).unwrap(), hash)).await
    }

    pub(crate) async fn add_with(&self, new: NewUser) -> UserId {
        let cx = self.system();
        let permit = cx.purpose(Purpose::Bootstrap);
        let mut tx = cx.write(&permit).await.unwrap();
        let user = directory::users::create_user_in(&cx, &mut tx, &permit, new).await.unwrap();
        tx.commit().await.unwrap();
        user.id
    }

    /// Gives a role by its code.
    pub(crate) async fn give_role(&self, user: &UserId, code: &str) {
        let cx = self.system();
        let permit = cx.purpose(Purpose::Bootstrap);
        let mut tx = cx.write(&permit).await.unwrap();
        let role = authz::roles::find_role_by_code(&mut tx, &self.tenant.id, code).await.unwrap().unwrap();
        let holder = authz::roles::Holder::Principal(user.cast());
        let always = authz::roles::Window::ALWAYS;
        authz::roles::assign_in(&cx, &mut tx, &permit, &holder, &role.id, always).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// The system in the tenant.
    pub(crate) fn system(&self) -> Cx {
        self.core.system(Place::Tenant(self.tenant.clone()))
    }

    /// Somebody in the tenant, from an address.
    pub(crate) fn cx(&self, actor: Actor, address: &str) -> Cx {
        self.cx_at(&self.tenant, actor, address)
    }

    pub(crate) fn cx_at(&self, tenant: &Arc<TenantRef>, actor: Actor, address: &str) -> Cx {
        let address: IpAddr = address.parse().unwrap();
        let mut request = RequestContext::none(self.core.now());
        request.client_address = Some(address);
        request.user_agent = Some("a browser".to_owned());
        Cx::new(self.core.clone(), Place::Tenant(tenant.clone()), actor, request)
    }

    /// Tries to sign in from an address, not on this machine.
    pub(crate) async fn try_from(
        &self,
        address: &str,
        username: &str,
        password: &str,
    ) -> authn::Result<Begun> {
        let attempt = Attempt {
            username: username.to_owned(),
            password: secret(password),
            remember: false,
            local: false,
            replaces: None,
        };
        self.service.sign_in(&self.cx(Actor::Anonymous, address), attempt).await
    }

    pub(crate) async fn sign_in(&self, username: &str, password: &str) -> Begun {
        self.try_from(HOME, username, password).await.unwrap()
    }

    /// The headers of a browser with this session.
    pub(crate) fn headers(&self, begun: &Begun) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let name = self.service.session_cookie_name(&self.tenant);
        headers.insert(COOKIE, format!("{name}={}", begun.token.expose()).parse().unwrap());
        headers
    }

    /// The context of a request with this session; anonymous if it is none any more.
    pub(crate) async fn within(&self, begun: &Begun) -> Cx {
        let found = self.service.session_actor(&self.tenant, &self.headers(begun)).await.unwrap();
        self.cx(found.map_or(Actor::Anonymous, |found| found.actor), HOME)
    }

    pub(crate) async fn is_alive(&self, begun: &Begun) -> bool {
        self.service.session_actor(&self.tenant, &self.headers(begun)).await.unwrap().is_some()
    }

    /// Writes to the database behind everybody's back.
    pub(crate) async fn execute(&self, sql: Sql) {
        let cx = self.system();
        let permit = cx.purpose(Purpose::Bootstrap);
        let mut tx = cx.write(&permit).await.unwrap();
        tx.execute(sql).await.unwrap();
        tx.record(&permit, Event::done("test.arranged", "test"));
        tx.commit().await.unwrap();
    }

    pub(crate) async fn one<T: FromRow>(&self, sql: Sql) -> T {
        let cx = self.system();
        let mut rx = cx.read(&cx.purpose(Purpose::Resolve)).await.unwrap();
        rx.one(sql).await.unwrap()
    }

    /// How often something was recorded or counted.
    pub(crate) async fn events(&self, action: &str) -> i64 {
        self.core.flush_audit().await;
        let cx = self.system();
        let mut rx = cx.read(&cx.purpose(Purpose::Resolve)).await.unwrap();
        let sql = Sql::new("SELECT count FROM audit_logs WHERE action = $1").bind(action);
        rx.all::<i64>(sql).await.unwrap().iter().sum()
    }

    /// A grant with an active token, on a session or on none.
    pub(crate) async fn grant(&self, id: &str, user: &UserId, session: Option<&SessionId>) {
        let later = self.core.now().plus_seconds(3600);
        self.execute(
            Sql::new(
                "INSERT INTO oauth2_clients (id, tenant_id, client_id, client_name, client_secret) \
                 VALUES ('client', $1, 'client', 'Client', '') ON CONFLICT DO NOTHING",
            )
            .bind(&self.tenant.id),
        )
        .await;
        self.execute(
            Sql::new(
                "INSERT INTO oauth_grants (id, tenant_id, client_id, user_id, session_id, expires_at) \
                 VALUES ($1, $2, 'client', $3, $4, $5)",
            )
            .bind(id)
            .bind(&self.tenant.id)
            .bind(user)
            .bind(session)
            .bind(later),
        )
        .await;
        self.execute(
            Sql::new(
                "INSERT INTO tokens (id, tenant_id, token_value, token_type, user_id, client_id, expires_at, grant_id) \
                 VALUES ($1, $2, $1, 'refresh_token', $3, 'client', $4, $1)",
            )
            .bind(id)
            .bind(&self.tenant.id)
            .bind(user)
            .bind(later),
        )
        .await;
    }

    pub(crate) async fn grant_status(&self, id: &str) -> (String, String) {
        let grant = self.one(Sql::new("SELECT status FROM oauth_grants WHERE id = $1").bind(id)).await;
        let token = self.one(Sql::new("SELECT status FROM tokens WHERE id = $1").bind(id)).await;
        (grant, token)
    }

    /// A browser without cookies.
    pub(crate) fn browser(&self) -> Browser<'_> {
        Browser {
            world: self,
            cookies: BTreeMap::new(),
            peer: "127.0.0.1".to_owned(),
            extra: Vec::new(),
            host: None,
        }
    }

    fn router(&self) -> axum::Router {
        let routes = axum::Router::from(authn::tenant_routes(self.service.clone()));
        let inner = axum::Router::new()
            .nest("/t/{tenant}", routes)
            .layer(axum::middleware::from_fn_with_state(Arc::new(self.parts()), context));
        let url = self.public_url.split("//").nth(1).unwrap();
        let hosts = Hosts::new([url]).unwrap().with_loopback();
        let random = Arc::new(SeededRandom::new(9));
        let layer = RequestLayer::new(
            TrustedProxies::new(["127.0.0.1/32"]).unwrap(),
            hosts,
            self.clock.clone(),
            random,
        );
        web::install(inner, layer)
    }

    fn parts(&self) -> Parts {
        (self.core.clone(), self.service.clone(), vec![self.tenant.clone(), self.other.clone()])
    }
}

/// What the middleware needs.
type Parts = (Core, Service, Vec<Arc<TenantRef>>);

/// What the server's middleware does: tenant by address, actor by cookie, context into the request.
async fn context(
    State(parts): State<Arc<Parts>>,
    Info(info): Info,
    mut request: Request,
    next: Next,
) -> Response {
    let (core, service, tenants) = &*parts;
    let code = request.uri().path().split('/').nth(2).unwrap_or_default().to_owned();
    let tenant = tenants.iter().find(|tenant| tenant.code == code).unwrap().clone();
    let found = service.session_actor(&tenant, request.headers()).await.unwrap();
    let context = RequestContext {
        request_id: Some(info.request_id.clone()),
        client_address: Some(info.client_address),
        user_agent: info.user_agent.clone(),
        started: info.started,
    };
    let actor = found.map_or(Actor::Anonymous, |found| found.actor);
    request.extensions_mut().insert(Cx::new(core.clone(), Place::Tenant(tenant), actor, context));
    next.run(request).await
}

/// A browser: it keeps cookies and says where it comes from.
pub(crate) struct Browser<'a> {
    world: &'a World,
    pub(crate) cookies: BTreeMap<String, String>,
    pub(crate) peer: String,
    pub(crate) host: Option<String>,
    pub(crate) extra: Vec<(&'static str, String)>,
}

/// An answer with its body.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn location(&self) -> &str {
        self.headers.get(LOCATION).map_or("", |value| value.to_str().unwrap())
    }

    /// Which page it is.
    pub(crate) fn page(&self) -> &str {
        self.between("<main data-page=\"", "\"")
    }

    /// The token of the page's form.
    pub(crate) fn csrf(&self) -> String {
        self.between("name=\"csrf\" value=\"", "\"").to_owned()
    }

    pub(crate) fn between(&self, start: &str, end: &str) -> &str {
        self.body.split_once(start).map_or("", |(_, rest)| rest.split(end).next().unwrap())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

impl Browser<'_> {
    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, None, Body::empty()).await
    }

    /// Sends a form as a page of ours does.
    pub(crate) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let form: Vec<String> =
            fields.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
        self.send(Method::POST, path, Some("application/x-www-form-urlencoded"), Body::from(form.join("&")))
            .await
    }

    pub(crate) async fn json(&mut self, method: Method, path: &str, body: &serde_json::Value) -> Answer {
        self.send(method, path, Some("application/json"), Body::from(body.to_string())).await
    }

    pub(crate) async fn delete(&mut self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None, Body::empty()).await
    }

    /// Loads the sign-in page and sends its form.
    pub(crate) async fn sign_in(&mut self, path: &str, username: &str, password: &str) -> Answer {
        let page = self.get(path).await;
        assert_eq!(page.page(), "sign-in", "{}", page.body);
        let csrf = page.csrf();
        self.post(path, &[("csrf", &csrf), ("username", username), ("password", password)]).await
    }

    async fn send(&mut self, method: Method, path: &str, media: Option<&str>, body: Body) -> Answer {
        let default = self.world.public_url.split("//").nth(1).unwrap().to_owned();
        let host = self.host.clone().unwrap_or(default);
        let scheme = self.world.public_url.split(':').next().unwrap();
        let mut request = Request::builder().method(method).uri(path).header(HOST, &host);
        if !self.extra.iter().any(|(name, _)| *name == "origin") {
            request = request.header(ORIGIN, format!("{scheme}://{host}"));
        }
        for (name, value) in self.extra.iter().filter(|(_, value)| !value.is_empty()) {
            request = request.header(*name, value);
        }
        if let Some(media) = media {
            request = request.header(CONTENT_TYPE, media);
        }
        if !self.cookies.is_empty() {
            let pairs: Vec<String> =
                self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header(COOKIE, pairs.join("; "));
        }
        let peer = SocketAddr::new(self.peer.parse().unwrap(), 50_000);
        let request = request.extension(ConnectInfo(peer)).body(body).unwrap();
        let response = self.world.router().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        for cookie in parts.headers.get_all(SET_COOKIE) {
            let text = cookie.to_str().unwrap();
            let (name, value) = text.split(';').next().unwrap().split_once('=').unwrap();
            if text.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let bytes = body.collect().await.unwrap().to_bytes();
        let body = String::from_utf8(bytes.to_vec()).unwrap();
        Answer { status: parts.status, headers: parts.headers, body }
    }
}

pub(crate) fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

/// A hash that came from elsewhere.
pub(crate) fn hash(text: &str) -> PasswordHash {
    PasswordHash::parse(text).unwrap()
}

fn encode(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

/// Polls all futures together.
pub(crate) async fn join_all<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut pinned: Vec<_> = futures.into_iter().map(|f| (Box::pin(f), None)).collect();
    std::future::poll_fn(move |context| {
        let mut ready = true;
        for (future, output) in &mut pinned {
            if output.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(value) => *output = Some(value),
                    std::task::Poll::Pending => ready = false,
                }
            }
        }
        if ready {
            std::task::Poll::Ready(pinned.iter_mut().filter_map(|(_, output)| output.take()).collect())
        } else {
            std::task::Poll::Pending
        }
    })
    .await
}
