//! Two tenants, their people and clients, a clock that stands, and a browser.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use authn::Attempt;
use authz::cx::RequestContext;
use authz::{Actor, Core, Cx, Event, Place, Purpose, TenantRef};
use aws_lc_rs::digest::{SHA256, digest};
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use base::id::UserId;
use base::{FixedClock, Secret, SeededRandom, Timestamp};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use directory::{NewTenant, NewUser};
use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, LOCATION, ORIGIN, SET_COOKIE};
use http::{HeaderMap, Method, StatusCode};
use http_body_util::BodyExt;
use jose::Algorithm;
use oidc::{Config, NewClient, Service};
use serde_json::Value;
use store::testing::TestDb;
use store::{FromRow, Sql};
use tower::ServiceExt;
use web::request::Info;
use web::{Hosts, RequestLayer, TrustedProxies};

pub(crate) const PASSWORD: &str = "Correct-Horse-7";
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk-0123456789";
pub(crate) const CALLBACK: &str = "https://app.example.com/callback";
pub(crate) const ISSUER: &str = "http://localhost:8080/t/default";

/// One database and everything on it.
pub(crate) struct World {
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) core: Core,
    pub(crate) service: Service,
    pub(crate) authn: authn::Service,
    pub(crate) tenant: Arc<TenantRef>,
    pub(crate) other: Arc<TenantRef>,
    pub(crate) maria: UserId,
    pub(crate) web_secret: String,
    pub(crate) robot_secret: String,
    pub(crate) db: TestDb,
}

impl World {
    /// One world for each database.
    pub(crate) async fn both() -> Vec<Self> {
        let mut worlds = Vec::new();
        for db in TestDb::both().await {
            worlds.push(Self::on(db).await);
        }
        worlds
    }

    /// A world on SQLite alone, for what no database has a say in.
    pub(crate) async fn sqlite() -> Self {
        Self::on(TestDb::sqlite().await).await
    }

    async fn on(db: TestDb) -> Self {
        let public_url = "http://localhost:8080";
        let clock = Arc::new(FixedClock::at(Timestamp::parse("2026-11-21T08:00:00Z").unwrap()));
        let random = Arc::new(SeededRandom::new(7));
        let core = Core::new(db.store.clone(), clock.clone(), random).unwrap();
        let kms = kms::testing_kms();
        let directory = directory::Service::new(core.clone(), kms.clone(), public_url.to_owned());
        let config = authn::Config { bcrypt_cost: 10, ..authn::Config::new(public_url) };
        let authn = authn::Service::new(core.clone(), kms.clone(), directory.clone(), config).unwrap();
        let config = Config { secret_cost: 10, ..Config::new(public_url) };
        let service = Service::new(core.clone(), kms, directory.clone(), authn.clone(), config);

        let cx = core.system(Place::Platform);
        let permit = cx.purpose(Purpose::Bootstrap);
        let mut tx = cx.write(&permit).await.unwrap();
        let tenant = directory::seed_default_tenant_in(&cx, &mut tx, &permit, public_url).await.unwrap();
        let new = NewTenant::new("acme", "Acme");
        let other = directory.create_tenant_in(&cx, &mut tx, &permit, new).await.unwrap();
        tx.commit().await.unwrap();

        let mut world = Self {
            clock,
            core,
            service,
            authn,
            maria: UserId::parse("maria").unwrap(),
            tenant: Arc::new(tenant.to_ref()),
            other: Arc::new(other.to_ref()),
            web_secret: String::new(),
            robot_secret: String::new(),
            db,
        };
        let hash = world.authn.hash_password(Secret::new(PASSWORD.to_owned())).await.unwrap();
        world.maria = world.add_user("maria", hash.clone()).await;
        world.web_secret = world.add_client(web_client()).await.unwrap();
        world.robot_secret = world.add_client(robot_client()).await.unwrap();
        world.add_client(public_client()).await;
        world
    }

    pub(crate) async fn add_user(&self, username: &str, hash: directory::PasswordHash) -> UserId {
        let cx = self.system();
        let permit = cx.purpose(Purpose::Bootstrap);
        let new = NewUser::new(base::text::parse_username(username).unwrap(), hash);
        let new = NewUser { email: Some(format!("{username}@example.com")), ..new };
        let mut tx = cx.write(&permit).await.unwrap();
        let user = directory::users::create_user_in(&cx, &mut tx, &permit, new).await.unwrap();
        tx.commit().await.unwrap();
        user.id
    }

    /// Adds a client; gives the secret of a confidential one.
    pub(crate) async fn add_client(&self, mut new: NewClient) -> Option<String> {
        let cx = self.system();
        let mut secret = None;
        if new.needs_secret() {
            let fresh = self.service.secrets().fresh(&cx).await.unwrap();
            new.secret = Some(fresh.hash);
            secret = Some(fresh.secret.expose().clone());
        }
        let permit = cx.purpose(Purpose::Bootstrap);
        let mut tx = cx.write(&permit).await.unwrap();
        oidc::create_client_in(&cx, &mut tx, &permit, new).await.unwrap();
        tx.commit().await.unwrap();
        secret
    }

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

    /// Somebody in the tenant.
    pub(crate) fn cx(&self, actor: Actor) -> Cx {
        let mut request = RequestContext::none(self.core.now());
        request.client_address = Some("192.0.2.1".parse().unwrap());
        Cx::new(self.core.clone(), Place::Tenant(self.tenant.clone()), actor, request)
    }

    /// Writes to the database behind everybody's back, as another node's change of the tenant.
    pub(crate) async fn execute(&self, sql: Sql) {
        let cx = self.system();
        let permit = cx.purpose(Purpose::Bootstrap);
        let mut tx = cx.write(&permit).await.unwrap();
        tx.execute(sql).await.unwrap();
        tx.record(&permit, Event::done("test.arranged", "test"));
        tx.decisions_change(&permit, authz::Change::All);
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

    /// Whether an access token is worth something.
    pub(crate) async fn is_bearer(&self, token: &str) -> bool {
        self.service.bearer_actor(Some(&self.tenant), token).await.is_ok()
    }

    /// A browser without cookies.
    pub(crate) fn browser(&self) -> Browser<'_> {
        Browser { world: self, cookies: BTreeMap::new(), origin: Some("http://localhost:8080".to_owned()) }
    }

    /// A browser in which somebody is signed in.
    pub(crate) async fn signed_in(&self, username: &str) -> Browser<'_> {
        let attempt = Attempt {
            username: username.to_owned(),
            password: Secret::new(PASSWORD.to_owned()),
            remember: false,
            local: false,
            replaces: None,
        };
        let begun = self.authn.sign_in(&self.cx(Actor::Anonymous), attempt).await.unwrap();
        let mut browser = self.browser();
        let name = self.authn.session_cookie_name(&self.tenant);
        browser.cookies.insert(name, begun.token.expose().clone());
        browser
    }

    /// Posts a form as a client does, with or without a name and a secret in the header.
    pub(crate) async fn post(
        &self,
        path: &str,
        basic: Option<(&str, &str)>,
        fields: &[(&str, &str)],
    ) -> Answer {
        let mut headers = HeaderMap::new();
        if let Some((name, secret)) = basic {
            let text = format!("Basic {}", STANDARD.encode(format!("{name}:{secret}")));
            headers.insert(AUTHORIZATION, text.parse().unwrap());
        }
        headers.insert(CONTENT_TYPE, "application/x-www-form-urlencoded".parse().unwrap());
        self.send(Method::POST, path, headers, Body::from(form(fields))).await
    }

    pub(crate) async fn token(&self, fields: &[(&str, &str)]) -> Answer {
        self.post("/t/default/oauth/token", Some(("web", &self.web_secret)), fields).await
    }

    /// The whole way to tokens of the client `web`, consent included.
    pub(crate) async fn tokens(&self, scope: &str) -> Value {
        let code = self.code(scope).await;
        let answer = self.exchange(&code).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        answer.json()
    }

    pub(crate) async fn code(&self, scope: &str) -> String {
        let mut browser = self.signed_in("maria").await;
        let answer = browser.allow(&authorize_url(&[("scope", scope)])).await;
        parameter(answer.location(), "code").unwrap()
    }

    pub(crate) async fn exchange(&self, code: &str) -> Answer {
        self.token(&exchange_fields(code)).await
    }

    pub(crate) async fn refresh(&self, token: &str) -> Answer {
        self.token(&[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }

    pub(crate) async fn introspect(&self, token: &str) -> Value {
        let answer = self
            .post("/t/default/oauth/introspect", Some(("web", &self.web_secret)), &[("token", token)])
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        answer.json()
    }

    pub(crate) async fn userinfo(&self, token: &str) -> Answer {
        self.bearer(Method::GET, "/t/default/oauth/userinfo", token).await
    }

    pub(crate) async fn bearer(&self, method: Method, path: &str, token: &str) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
        self.send(method, path, headers, Body::empty()).await
    }

    pub(crate) async fn send(&self, method: Method, path: &str, headers: HeaderMap, body: Body) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header(HOST, "localhost:8080");
        for (name, value) in &headers {
            request = request.header(name, value);
        }
        let peer: SocketAddr = "192.0.2.1:50000".parse().unwrap();
        let request = request.extension(ConnectInfo(peer)).body(body).unwrap();
        let response = self.router().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let body = String::from_utf8(bytes.to_vec()).unwrap();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    fn router(&self) -> axum::Router {
        let routes = axum::Router::from(oidc::tenant_routes(self.service.clone()));
        let pages = axum::Router::from(authn::tenant_routes(self.authn.clone()));
        let parts = (
            self.core.clone(),
            self.authn.clone(),
            self.service.clone(),
            vec![self.tenant.clone(), self.other.clone()],
        );
        let inner = axum::Router::new()
            .nest("/t/{tenant}", routes.merge(pages))
            .layer(axum::middleware::from_fn_with_state(Arc::new(parts), context))
            .merge(axum::Router::from(oidc::root_routes(self.service.clone())));
        let hosts = Hosts::new(["localhost:8080"]).unwrap().with_loopback();
        let random = Arc::new(SeededRandom::new(9));
        let layer = RequestLayer::new(
            TrustedProxies::new(["127.0.0.1/32"]).unwrap(),
            hosts,
            self.clock.clone(),
            random,
        );
        web::install(inner, layer)
    }
}

type Parts = (Core, authn::Service, Service, Vec<Arc<TenantRef>>);

/// What the server's middleware does: tenant by address, actor by token or cookie.
async fn context(
    State(parts): State<Arc<Parts>>,
    Info(info): Info,
    mut request: Request,
    next: Next,
) -> Response {
    let (core, authn, service, tenants) = &*parts;
    let code = request.uri().path().split('/').nth(2).unwrap_or_default().to_owned();
    let tenant = tenants.iter().find(|tenant| tenant.code == code).unwrap().clone();
    let bearer = request.headers().get(AUTHORIZATION).and_then(|v| v.to_str().ok()?.strip_prefix("Bearer "));
    let actor = match bearer {
        Some(token) => {
            service.bearer_actor(Some(&tenant), token).await.ok().map(|(_, actor)| (*actor).clone())
        }
        None => authn.session_actor(&tenant, request.headers()).await.unwrap().map(|found| found.actor),
    };
    let context = RequestContext {
        request_id: Some(info.request_id.clone()),
        client_address: Some(info.client_address),
        user_agent: info.user_agent.clone(),
        started: info.started,
    };
    let actor = actor.unwrap_or(Actor::Anonymous);
    request.extensions_mut().insert(Cx::new(core.clone(), Place::Tenant(tenant), actor, context));
    next.run(request).await
}

/// A browser: it keeps cookies and says where it comes from.
pub(crate) struct Browser<'a> {
    pub(crate) world: &'a World,
    pub(crate) cookies: BTreeMap<String, String>,
    pub(crate) origin: Option<String>,
}

impl Browser<'_> {
    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, Body::empty()).await
    }

    pub(crate) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.send(Method::POST, path, Body::from(form(fields))).await
    }

    /// Goes to an authorization request and allows what is asked, if anything is.
    pub(crate) async fn allow(&mut self, url: &str) -> Answer {
        let page = self.get(url).await;
        if page.page() == "consent" { self.decide(&page, "allow").await } else { page }
    }

    /// Answers the consent page.
    pub(crate) async fn decide(&mut self, page: &Answer, decision: &str) -> Answer {
        let (csrf, request) = (page.field("csrf"), page.field("request"));
        self.post(
            "/t/default/oauth/consent",
            &[("csrf", &csrf), ("request", &request), ("decision", decision)],
        )
        .await
    }

    async fn send(&mut self, method: Method, path: &str, body: Body) -> Answer {
        let mut headers = HeaderMap::new();
        if let Some(origin) = &self.origin {
            headers.insert(ORIGIN, origin.parse().unwrap());
        }
        if method == Method::POST {
            headers.insert(CONTENT_TYPE, "application/x-www-form-urlencoded".parse().unwrap());
        }
        if !self.cookies.is_empty() {
            let pairs: Vec<String> =
                self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            headers.insert(COOKIE, pairs.join("; ").parse().unwrap());
        }
        let answer = self.world.send(method, path, headers, body).await;
        for cookie in answer.headers.get_all(SET_COOKIE) {
            let text = cookie.to_str().unwrap();
            let (name, value) = text.split(';').next().unwrap().split_once('=').unwrap();
            if text.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }
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

    /// The value of a hidden field.
    pub(crate) fn field(&self, name: &str) -> String {
        let value = self.between(&format!("name=\"{name}\" value=\""), "\"");
        value.replace("&#38;", "&").replace("&amp;", "&").replace("&#34;", "\"").replace("&#60;", "<")
    }

    pub(crate) fn between(&self, start: &str, end: &str) -> &str {
        self.body.split_once(start).map_or("", |(_, rest)| rest.split(end).next().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The `error` of an OAuth answer.
    pub(crate) fn error(&self) -> String {
        self.json()["error"].as_str().unwrap_or_default().to_owned()
    }
}

pub(crate) fn web_client() -> NewClient {
    NewClient {
        client_id: Some("web".to_owned()),
        methods: vec!["client_secret_basic".to_owned()],
        grants: texts(&["authorization_code", "refresh_token"]),
        redirect_uris: texts(&[CALLBACK]),
        post_logout_redirect_uris: texts(&["https://app.example.com/"]),
        scopes: texts(&["openid", "profile", "email", "offline_access", "signet"]),
        id_token_alg: Algorithm::EdDsa,
        ..NewClient::named("Web <b>&\"App")
    }
}

fn robot_client() -> NewClient {
    NewClient {
        client_id: Some("robot".to_owned()),
        methods: vec!["client_secret_basic".to_owned(), "client_secret_post".to_owned()],
        grants: texts(&["client_credentials"]),
        scopes: texts(&["service:access", "signet"]),
        ..NewClient::named("Robot")
    }
}

fn public_client() -> NewClient {
    NewClient {
        client_id: Some("native".to_owned()),
        methods: vec!["none".to_owned()],
        grants: texts(&["authorization_code", "refresh_token"]),
        redirect_uris: texts(&["http://127.0.0.1/callback", "com.example.app:/callback"]),
        scopes: texts(&["openid", "offline_access"]),
        id_token_alg: Algorithm::Es256,
        require_consent: false,
        ..NewClient::named("Native")
    }
}

pub(crate) fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

/// The address of an authorization request of `web`, with some parameters replaced (or left out, where
/// empty) and others added.
pub(crate) fn authorize_url(changes: &[(&str, &str)]) -> String {
    let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, VERIFIER.as_bytes()));
    let mut all = vec![
        ("client_id", "web"),
        ("redirect_uri", CALLBACK),
        ("response_type", "code"),
        ("scope", "openid"),
        ("state", "s t&a=te"),
        ("nonce", "n-0"),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
    ];
    for (name, value) in changes {
        match all.iter_mut().find(|(known, _)| known == name) {
            Some(found) => found.1 = value,
            None => all.push((name, value)),
        }
    }
    all.retain(|(_, value)| !value.is_empty());
    format!("/t/default/oauth/authorize?{}", form(&all))
}

pub(crate) fn exchange_fields(code: &str) -> [(&str, &str); 4] {
    [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ]
}

pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// A parameter of an address.
pub(crate) fn parameter(address: &str, name: &str) -> Option<String> {
    let url = url::Url::options().base_url(Some(&"http://base".parse().unwrap())).parse(address).unwrap();
    url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}

/// The payload of a signed token, unverified.
pub(crate) fn payload(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
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
