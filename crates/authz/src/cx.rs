//! The context of one operation: who calls, where, when; and the only way to permits, time and ids.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use base::id::{ClientId, EventId, Id, Noun, PrincipalId, SessionId, TenantId, UserId};
use base::{Clock, Random, Timestamp};
use policy::{Decision, Denial, Table};
use store::{AuditRow, Rx, Scope, Store};

use crate::access::{Buckets, QuestionRates};
use crate::action::Plane;
use crate::event::{AuditQueue, Source, duration_ms};
use crate::facts::Circumstances;
use crate::freshness::Freshness;
use crate::idempotency::{Once, Turns};
use crate::roles::keep::Watch;
use crate::snapshot::{
    Asked, LazyRx, Principal, ResourceTags, Snapshots, TenantPolicies, load_platform_roles,
};
use crate::{Action, Api, Error, Event, Permit, Purpose, Result, Target, Tx};

/// What all operations share: the store, the clock, randomness, compiled policies and the audit queue.
/// Cheap to clone.
#[derive(Clone)]
pub struct Core(Arc<Shared>);

struct Shared {
    store: Store,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    snapshots: Snapshots,
    audit: AuditQueue,
    turns: Turns,
    questions: Buckets,
    freshness: Freshness,
}

impl Core {
    /// Wires a core. Must be called inside a Tokio runtime: it starts the audit queue's task.
    pub fn new(store: Store, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Result<Self> {
        Self::with_rates(store, clock, random, QuestionRates::default())
    }

    /// The same, with these rates of questions.
    pub fn with_rates(
        store: Store,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        rates: QuestionRates,
    ) -> Result<Self> {
        let audit = AuditQueue::start(store.clone());
        let (snapshots, questions) = (Snapshots::new()?, Buckets::new(rates));
        let turns = Turns::default();
        let freshness = Freshness::new();
        let shared = Shared { store, clock, random, snapshots, audit, turns, questions, freshness };
        Ok(Self(Arc::new(shared)))
    }

    /// The present instant.
    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// The clock, for those that keep it.
    pub fn clock(&self) -> Arc<dyn Clock> {
        self.0.clock.clone()
    }

    /// The source of randomness.
    pub fn random(&self) -> &dyn Random {
        self.0.random.as_ref()
    }

    /// The store, for migrations, health checks and closing; slices read and write through [`Cx`].
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// The newest known version of what changes a tenant's decisions, clients, keys and revocations.
    /// Whoever caches one of these keeps this number beside it and looks again when it moved.
    pub fn version(&self, tenant: &TenantId) -> i64 {
        self.0.snapshots.version(tenant.as_str())
    }

    /// The same of what belongs to the platform.
    pub fn platform_version(&self) -> i64 {
        self.0.snapshots.version("platform")
    }

    /// Who has a turn on this node, among requests with one `Idempotency-Key`.
    pub(crate) fn turns(&self) -> &Turns {
        &self.0.turns
    }

    pub(crate) fn freshness(&self) -> &Freshness {
        &self.0.freshness
    }

    pub(crate) fn snapshots(&self) -> &Snapshots {
        &self.0.snapshots
    }

    /// The buckets that questions are taken from.
    pub(crate) fn questions(&self) -> &Buckets {
        &self.0.questions
    }

    pub(crate) fn learn_versions(&self, bumps: std::collections::BTreeMap<String, i64>) {
        self.0.snapshots.learn(bumps);
    }

    /// Waits until every event recorded or counted so far is committed.
    pub async fn flush_audit(&self) {
        self.0.audit.flush().await;
    }

    /// A context for the system itself: jobs, bootstrap.
    pub fn system(&self, place: Place) -> Cx {
        Cx::new(self.clone(), place, Actor::System, RequestContext::none(self.now()))
    }
}

/// A tenant as operations need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantRef {
    /// Its id.
    pub id: TenantId,
    /// Its immutable code, as it stands in addresses.
    pub code: String,
    /// Its immutable issuer, without a trailing slash.
    pub issuer: String,
    /// Its name for people.
    pub name: String,
    /// Whether its status is ACTIVE.
    pub active: bool,
    /// Its configuration.
    pub config: serde_json::Value,
}

/// Where an operation takes place.
#[derive(Debug, Clone)]
pub enum Place {
    /// Inside one tenant.
    Tenant(Arc<TenantRef>),
    /// On the platform.
    Platform,
}

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// Nobody who is known.
    Anonymous,
    /// A person, by a session or by a token.
    User {
        /// The person.
        id: UserId,
        /// The tenant the person belongs to.
        tenant: TenantId,
        /// The person's name, for the log.
        username: String,
        /// The session behind the cookie or the token.
        session: Option<SessionId>,
        /// The client that holds the token; none for a session.
        client: Option<ClientId>,
        /// How far the caller may use the API: a session all of it, a token by its scopes.
        api: Api,
        /// Whether the password must be changed before anything else.
        must_change_password: bool,
    },
    /// A client on its own behalf.
    Client {
        /// The client.
        id: ClientId,
        /// The tenant it belongs to.
        tenant: TenantId,
        /// Its public `client_id`, for the log.
        client_id: String,
        /// How far its token is for the API, by its scopes.
        api: Api,
    },
    /// Whoever runs the binary on the host itself, with access to the database.
    Host {
        /// The operating system's user id.
        uid: u32,
    },
    /// The system.
    System,
}

impl Actor {
    fn kind(&self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::User { .. } => "user",
            Self::Client { .. } => "client",
            Self::Host { .. } => "host",
            Self::System => "system",
        }
    }

    /// The actor's id as the evidence names it; none for nobody.
    pub fn id(&self) -> Option<String> {
        match self {
            Self::Anonymous => None,
            Self::User { id, .. } => Some(id.to_string()),
            Self::Client { id, .. } => Some(id.to_string()),
            Self::Host { uid } => Some(format!("os:{uid}")),
            Self::System => Some("signet".to_owned()),
        }
    }

    /// What events of this actor are counted under.
    fn counted_as(&self) -> Option<PrincipalId> {
        match self {
            Self::User { id, .. } => Some(id.cast()),
            Self::Client { id, .. } => Some(id.cast()),
            Self::Anonymous | Self::Host { .. } | Self::System => {
                self.id().and_then(|id| PrincipalId::parse(&id).ok())
            }
        }
    }

    /// What limits the actor beside what it may, by the credential that it came with.
    pub(crate) fn ceiling(&self) -> Option<&Table> {
        match self {
            Self::User { api, .. } | Self::Client { api, .. } => api.ceiling(),
            _ => None,
        }
    }

    /// The actor as a principal with its home tenant, if it is one.
    pub fn principal(&self) -> Option<(PrincipalId, &TenantId)> {
        match self {
            Self::User { id, tenant, .. } => Some((id.cast(), tenant)),
            Self::Client { id, tenant, .. } => Some((id.cast(), tenant)),
            _ => None,
        }
    }
}

/// What is known of the request, for the evidence.
#[derive(Debug, Clone)]
pub struct RequestContext {
    /// The request's id, of our own making.
    pub request_id: Option<String>,
    /// The caller's address.
    pub client_address: Option<IpAddr>,
    /// The caller's agent.
    pub user_agent: Option<String>,
    /// When the request began.
    pub started: Timestamp,
}

impl RequestContext {
    /// No request: a job or a command.
    pub const fn none(now: Timestamp) -> Self {
        Self { request_id: None, client_address: None, user_agent: None, started: now }
    }
}

/// The context of one operation. Cheap to clone.
#[derive(Clone)]
pub struct Cx {
    core: Core,
    place: Place,
    actor: Arc<Actor>,
    request: Arc<RequestContext>,
    /// Whether a platform role acts inside the tenant (`apply` on the platform).
    entered: bool,
    /// The request's `Idempotency-Key`, if it has one.
    pub(crate) once: Option<Arc<Once>>,
}

impl Cx {
    /// Makes a context. For the server's middleware, jobs, commands and tests.
    pub fn new(core: Core, place: Place, actor: impl Into<Arc<Actor>>, request: RequestContext) -> Self {
        Self { core, place, actor: actor.into(), request: Arc::new(request), entered: false, once: None }
    }

    /// The shared core.
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// The present instant.
    pub fn now(&self) -> Timestamp {
        self.core.now()
    }

    /// A fresh id.
    pub fn fresh_id<N: Noun>(&self) -> Id<N> {
        Id::fresh(self.now(), self.core.random())
    }

    /// Fresh random text of 256 bits, 43 characters of base64url.
    pub fn fresh_token(&self) -> String {
        base::random::fresh_token(self.core.random())
    }

    /// Who calls.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// Where.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// What is known of the request.
    pub fn request(&self) -> &RequestContext {
        &self.request
    }

    /// The tenant of the operation. Fails with [`Error::NotFound`] on the platform.
    pub fn tenant(&self) -> Result<&Arc<TenantRef>> {
        match &self.place {
            Place::Tenant(tenant) => Ok(tenant),
            Place::Platform => Err(Error::NotFound("tenant")),
        }
    }

    /// The caller, for those that keep it longer than the request.
    pub fn shared_actor(&self) -> Arc<Actor> {
        self.actor.clone()
    }

    /// The same request with another actor: after signing in, or as the client that authenticated.
    #[must_use]
    pub fn with_actor(&self, actor: Actor) -> Self {
        Self { actor: Arc::new(actor), ..self.clone() }
    }

    /// The same caller inside a tenant, judged by platform roles. Every operation in it is authorised by
    /// itself and recorded in the tenant's own log.
    ///
    /// Fails with [`Error::Denied`] if the caller's platform roles do not allow to provision tenants.
    pub async fn enter(&self, tenant: Arc<TenantRef>) -> Result<Self> {
        self.authorize(Action::PlatformTenantProvision, &Target::member(&tenant.id)).await?;
        Ok(Self { place: Place::Tenant(tenant), entered: true, ..self.clone() })
    }

    /// A permit for what no signed-in principal does. The callers are few and listed by [`Purpose`].
    pub fn purpose(&self, purpose: Purpose) -> Permit {
        let tenant = self.tenant_id();
        let name = Target::all("system").name(tenant.as_ref().map(|t| t.as_str()));
        Permit { action: None, purpose: Some(purpose), name, tenant }
    }

    fn tenant_id(&self) -> Option<TenantId> {
        match &self.place {
            Place::Tenant(tenant) => Some(tenant.id.clone()),
            Place::Platform => None,
        }
    }

    /// Asks whether the caller may, and gives the permit for it. A refusal of a known principal is
    /// recorded, one of nobody is counted.
    pub async fn authorize(&self, action: Action, target: &Target) -> Result<Permit> {
        let tenant = self.tenant_id();
        let name = target.name(tenant.as_ref().map(|t| t.as_str()));
        match self.judge(action, name.as_str()).await {
            Ok(()) => Ok(Permit { action: Some(action), purpose: None, name, tenant }),
            Err(Refusal::Failed(error)) => Err(error),
            Err(Refusal::Anonymous) => {
                self.count(Event::denied("access.refused", &name)).await;
                Err(Error::Unauthenticated)
            }
            Err(Refusal::Denied { because, error }) => {
                let row = self.row(
                    tenant.as_ref(),
                    Event::denied("access.denied", &name)
                        .details(serde_json::json!({ "action": action.name(), "because": because })),
                );
                let decision = row.id.clone();
                self.core.0.audit.record(row).await;
                Err(error.unwrap_or(Error::Denied { action, decision }))
            }
        }
    }

    /// Refuses a caller whom nobody knows, and counts it. The server's middleware asks this on every API
    /// route, before a body is read.
    pub async fn refuse_nobody(&self) -> Result<()> {
        if *self.actor != Actor::Anonymous {
            return Ok(());
        }
        let tenant = self.tenant_id();
        let name = Target::all("api").name(tenant.as_ref().map(|t| t.as_str()));
        self.count(Event::denied("access.refused", name)).await;
        Err(Error::Unauthenticated)
    }

    /// Refuses everybody in a tenant that is switched off, whoever they are, and counts it.
    ///
    /// Fails with [`Error::TenantDisabled`].
    pub async fn refuse_disabled(&self) -> Result<()> {
        let Place::Tenant(tenant) = &self.place else { return Ok(()) };
        if tenant.active {
            return Ok(());
        }
        let name = Target::all("api").name(Some(tenant.id.as_str()));
        self.count(Event::denied("access.refused", name)).await;
        Err(Error::TenantDisabled)
    }

    /// Whether the caller may, without recording a refusal: for filtering lists and for showing a page.
    pub async fn may(&self, action: Action, target: &Target) -> Result<bool> {
        let tenant = self.tenant_id();
        let name = target.name(tenant.as_ref().map(|t| t.as_str()));
        match self.judge(action, name.as_str()).await {
            Ok(()) => Ok(true),
            Err(Refusal::Failed(error)) => Err(error),
            Err(Refusal::Anonymous | Refusal::Denied { .. }) => Ok(false),
        }
    }

    async fn judge(&self, action: Action, resource: &str) -> std::result::Result<(), Refusal> {
        let denied = |because: &'static str| Refusal::Denied { because: because.to_owned(), error: None };
        let api = match &*self.actor {
            Actor::Host { .. } => return Ok(()),
            Actor::System => return Err(denied("the system acts by purposes, not by actions")),
            Actor::Anonymous => return Err(Refusal::Anonymous),
            Actor::User { must_change_password: true, .. } => {
                return Err(Refusal::Denied {
                    because: "the password must be changed first".to_owned(),
                    error: Some(Error::PasswordChangeRequired),
                });
            }
            Actor::User { api, .. } | Actor::Client { api, .. } => api,
        };
        if !api.is_for_api() {
            return Err(Refusal::Denied {
                because: "the token lacks the scope".to_owned(),
                error: Some(Error::InsufficientScope),
            });
        }
        let Some((principal, home)) = self.actor.principal() else { return Err(Refusal::Anonymous) };
        let verdict = match &self.place {
            Place::Tenant(tenant) if !self.entered => {
                if *home != tenant.id {
                    return Err(denied("a principal of another tenant"));
                }
                if action.plane() != Plane::Tenant {
                    return Err(denied("an action of the platform"));
                }
                if !tenant.active {
                    return Err(Refusal::Denied {
                        because: "the tenant is not active".to_owned(),
                        error: Some(Error::TenantDisabled),
                    });
                }
                self.core
                    .judge(&tenant.id, &principal, action.name(), resource, &self.circumstances())
                    .await
                    .map_err(Refusal::Failed)?
            }
            Place::Tenant(_) | Place::Platform if api.ceiling().is_some() => Some(Err(Denial::Scope)),
            Place::Tenant(_) | Place::Platform => {
                Box::pin(self.judge_on_platform(home, &principal, action, resource)).await?
            }
        };
        match verdict {
            Some(Ok(())) => Ok(()),
            Some(Err(Denial::Scope)) => Err(Refusal::Denied {
                because: words(Denial::Scope).to_owned(),
                error: Some(Error::InsufficientScope),
            }),
            Some(Err(denial)) => Err(denied(words(denial))),
            None => Err(denied("the principal is not active")),
        }
    }

    /// How this call came.
    pub(crate) fn circumstances(&self) -> Circumstances<'_> {
        Circumstances {
            source_ip: self.request.client_address,
            secure_transport: None,
            user_agent: self.request.user_agent.as_deref(),
            context: &[],
            scope: self.actor.ceiling(),
        }
    }

    async fn judge_on_platform(
        &self,
        home: &TenantId,
        principal: &PrincipalId,
        action: Action,
        resource: &str,
    ) -> std::result::Result<Option<Verdict>, Refusal> {
        let mut lazy = LazyRx::new(&self.core.0.store, Scope::Platform);
        let known = self.core.0.snapshots.tenant(&mut lazy, home).await.map_err(Refusal::Failed)?;
        let known = self.core.0.snapshots.principal(&mut lazy, &known, home, principal).await;
        if known.map_err(Refusal::Failed)?.is_none_or(|p| !p.active) {
            return Ok(None);
        }
        let rx = lazy.get().await.map_err(Refusal::Failed)?;
        let roles = load_platform_roles(rx, principal, self.now()).await.map_err(Refusal::Failed)?;
        self.core
            .0
            .snapshots
            .judge_platform(&roles, action.name(), resource)
            .map(Some)
            .map_err(Refusal::Failed)
    }

    /// Takes a connection to read with.
    pub async fn read(&self, permit: &Permit) -> Result<Rx> {
        #[expect(clippy::disallowed_methods, reason = "this is the gate that a permit opens")]
        let rx = self.core.0.store.begin_read(permit.scope()).await?;
        Ok(rx)
    }

    /// Begins a write transaction. The first one of a request with an `Idempotency-Key` claims the key.
    ///
    /// Fails with [`Error::InProgress`] if another request under that key was first.
    pub async fn write(&self, permit: &Permit) -> Result<Tx> {
        self.claim_ahead(permit).await?;
        let mut inner = self.begin(permit).await?;
        let claims = self.claim_in(&mut inner, permit).await?;
        Ok(Tx { inner, cx: self.clone(), claims, watch: Watch::default() })
    }

    pub(crate) async fn begin(&self, permit: &Permit) -> Result<store::Tx> {
        #[expect(clippy::disallowed_methods, reason = "this is the gate that a permit opens")]
        let inner = self.core.0.store.begin_write(permit.scope(), permit.tables()).await?;
        Ok(inner)
    }

    /// Records what happened apart from any state change (path b).
    pub async fn record(&self, event: Event) {
        let row = self.row(self.tenant_id().as_ref(), event);
        self.core.0.audit.record(row).await;
    }

    /// Records as [`Cx::record`] does and gives the event's id, for an answer that names its evidence.
    pub async fn record_named(&self, event: Event) -> String {
        let row = self.row(self.tenant_id().as_ref(), event);
        let id = row.id.clone();
        self.core.0.audit.record(row).await;
        id
    }

    /// Counts what happened (path c): one row a source and minute.
    pub async fn count(&self, event: Event) {
        let tenant = self.tenant_id();
        let source = Source {
            tenant: tenant.clone(),
            action: event.action,
            outcome: event.outcome.as_str(),
            address: self.request.client_address,
            actor: self.actor.counted_as(),
        };
        self.core.0.audit.count(source, || self.row(tenant.as_ref(), event));
    }

    /// The row of an event that this caller caused now.
    pub(crate) fn row(&self, tenant: Option<&TenantId>, event: Event) -> AuditRow {
        let now = self.now();
        let (own_id, own_name, session) = match &*self.actor {
            Actor::User { id, username, session, .. } => {
                (Some(id.to_string()), Some(username.clone()), session.as_ref().map(ToString::to_string))
            }
            _ => (None, None, None),
        };
        let (user_id, username) = match event.user {
            Some((id, name)) => (Some(id), name),
            None => (own_id, own_name),
        };
        AuditRow {
            id: EventId::fresh(now, self.core.random()).to_string(),
            tenant_id: tenant.map(ToString::to_string),
            actor_type: self.actor.kind(),
            actor_id: self.actor.id(),
            user_id,
            username,
            session_id: event.session_id.or(session),
            action: event.action,
            resource: event.resource,
            outcome: event.outcome,
            ip_address: self.request.client_address.map(|a| a.to_string()),
            user_agent: self.request.user_agent.clone(),
            request_id: self.request.request_id.clone(),
            details: event.details,
            summary: event.summary,
            count: 1,
            created_at: now,
            duration_ms: duration_ms(self.request.started, now),
        }
    }

    /// The roles that the caller holds now, ancestors included; for judging what it may hand on.
    pub async fn own_roles(&self) -> Result<Vec<String>> {
        Ok(self.own_role_ends().await?.into_keys().collect())
    }

    /// The roles that the caller holds now, ancestors included, each with the first instant at which it will
    /// hold it no longer; none is never.
    pub async fn own_role_ends(&self) -> Result<HashMap<String, Option<Timestamp>>> {
        let mut ends: HashMap<String, Option<Timestamp>> = HashMap::new();
        let Place::Tenant(tenant) = &self.place else { return Ok(ends) };
        let Some((principal, _)) = self.actor.principal() else { return Ok(ends) };
        let mut lazy = LazyRx::new(&self.core.0.store, Scope::Tenant(tenant.id.as_str()));
        let policies = self.core.0.snapshots.tenant(&mut lazy, &tenant.id).await?;
        let known = self.core.0.snapshots.principal(&mut lazy, &policies, &tenant.id, &principal).await?;
        let Some(known) = known else { return Ok(ends) };
        for held in known.held_at(self.now()) {
            for role in policies.policies.closure(held.role_id.as_str()) {
                let latest = ends.entry(role.to_owned()).or_insert(held.expires_at);
                *latest = latest.zip(held.expires_at).map(|(one, other)| one.max(other));
            }
        }
        Ok(ends)
    }
}

impl Core {
    /// Decides for any principal of a tenant; none if there is no such active principal there. A name that
    /// states another tenant is denied whatever policies say, and so is a text that is no name.
    pub async fn decide(
        &self,
        tenant: &TenantId,
        principal: &PrincipalId,
        action: &str,
        resource: &str,
        circumstances: &Circumstances<'_>,
    ) -> Result<Option<Decision>> {
        let Some((known, policies)) = self.load(tenant, principal).await? else { return Ok(None) };
        let tags = self.tags(&policies, tenant, resource).await?;
        let asked = Asked { action, resource, circumstances, now: self.now(), tags: tags.as_deref() };
        self.0.snapshots.decide(&known, &policies, &asked).map(Some)
    }

    /// Decides as [`Core::decide`] does, without the reasons and what they cost.
    pub async fn judge(
        &self,
        tenant: &TenantId,
        principal: &PrincipalId,
        action: &str,
        resource: &str,
        circumstances: &Circumstances<'_>,
    ) -> Result<Option<Verdict>> {
        let Some((known, policies)) = self.load(tenant, principal).await? else { return Ok(None) };
        let tags = self.tags(&policies, tenant, resource).await?;
        let asked = Asked { action, resource, circumstances, now: self.now(), tags: tags.as_deref() };
        self.0.snapshots.judge(&known, &policies, &asked).map(Some)
    }

    /// The tags of a resource of the tenant, where it has some.
    async fn tags(
        &self,
        policies: &TenantPolicies,
        tenant: &TenantId,
        resource: &str,
    ) -> Result<Option<Arc<ResourceTags>>> {
        let mut lazy = LazyRx::new(&self.0.store, Scope::Tenant(tenant.as_str()));
        self.0.snapshots.tags(&mut lazy, policies, tenant, resource).await
    }

    /// What an active principal is judged by.
    async fn load(
        &self,
        tenant: &TenantId,
        principal: &PrincipalId,
    ) -> Result<Option<(Arc<Principal>, Arc<TenantPolicies>)>> {
        self.note_stale()?;
        let mut lazy = LazyRx::new(&self.0.store, Scope::Tenant(tenant.as_str()));
        let policies = self.0.snapshots.tenant(&mut lazy, tenant).await?;
        let known = self.0.snapshots.principal(&mut lazy, &policies, tenant, principal).await?;
        Ok(known.filter(|known| known.active).map(|known| (known, policies)))
    }
}

/// Permitted, or the kind of the refusal.
pub type Verdict = policy::Answer;

/// Says in the audit log why something was refused.
fn words(denial: policy::Denial) -> &'static str {
    match denial {
        policy::Denial::Inactive => "the principal is not active",
        policy::Denial::Guardrail => "a guardrail denies it or does not allow it",
        policy::Denial::Boundary => "the principal's boundary does not allow it",
        policy::Denial::Session => "the session does not allow it",
        policy::Denial::Scope => "the token's scope does not allow it",
        policy::Denial::ResourcePolicy => "the resource's policy denies it",
        policy::Denial::ExplicitDeny => "a statement denies it",
        policy::Denial::NothingApplies => "nothing allows it",
    }
}

enum Refusal {
    Anonymous,
    Denied { because: String, error: Option<Error> },
    Failed(Error),
}

impl<S: Send + Sync> axum::extract::FromRequestParts<S> for Cx {
    type Rejection = web::Failure;

    /// Takes the context that the server's middleware made for the request.
    async fn from_request_parts(
        parts: &mut axum::http::request::Parts,
        _state: &S,
    ) -> std::result::Result<Self, web::Failure> {
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or_else(|| base::bug!("a route outside the context layer").into())
    }
}
