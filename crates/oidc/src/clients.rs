//! OAuth clients: types, rules and verbs.
//!
//! A client is a row, a principal and, if it is confidential, a bcrypt of its secret. Clients that the
//! program brings along itself ([`built_in`]) have no row. INVARIANT: every registered redirect address
//! passed [`redirect::check_registered`].

mod checks;
pub mod http;
mod seed;
mod store;
mod verbs;

use authz::access::Registration;
use authz::principals::{PrincipalKind, PrincipalRow};
use authz::{Change, Cx, Event, Permit, Rx, Target, Tx};
use base::Timestamp;
use base::id::{ClientId, PrincipalId, TenantId};
use jose::Algorithm;

use crate::error::{Error, Result};
use crate::protocol::{redirect, scope};
use crate::secrets::SecretHash;

pub use seed::{DefaultClients, seed_default_clients_in};
pub use verbs::Shown;

/// The longest life of an access token, in seconds.
pub const ACCESS_TTL_SECONDS_MAX: i64 = 86_400;
/// The longest life of a refresh token, in seconds.
pub const REFRESH_TTL_SECONDS_MAX: i64 = 90 * 86_400;
/// The usual life of an access token, in seconds (requirement B2.9).
pub const ACCESS_TTL_SECONDS: i64 = 900;
/// The usual life of a refresh token, in seconds (requirement B2.9).
pub const REFRESH_TTL_SECONDS: i64 = 7 * 86_400;

/// The `client_id` of the command line, a public client that has no row.
pub const CLI_CLIENT_ID: &str = "signet-cli";

/// Whether a client may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClientStatus {
    /// It may.
    Active,
    /// It is refused everywhere, and its tokens with it.
    Disabled,
}

impl ClientStatus {
    const fn stored(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Disabled => "DISABLED",
        }
    }
}

/// A client.
#[derive(Debug, Clone)]
pub struct Client {
    /// The row's id; `builtin:…` for a client of the program.
    pub id: ClientId,
    /// The public name, unique in the tenant, immutable.
    pub client_id: String,
    /// The name for people.
    pub name: String,
    /// What it is.
    pub description: Option<String>,
    /// How it authenticates: `client_secret_basic`, `client_secret_post`, `none`.
    pub methods: Vec<String>,
    /// What it may ask the token endpoint for.
    pub grants: Vec<String>,
    /// Where codes may be sent.
    pub redirect_uris: Vec<String>,
    /// Where a browser may be sent after signing out.
    pub post_logout_redirect_uris: Vec<String>,
    /// What it may ask for.
    pub scopes: Vec<String>,
    /// Kept for imports; every authorization request needs S256, whatever it says.
    pub require_proof_key: bool,
    /// Whether the person is asked.
    pub require_consent: bool,
    /// Whether it may be used.
    pub status: ClientStatus,
    /// Life of access tokens, in seconds.
    pub access_token_ttl_seconds: i64,
    /// Life of refresh tokens, in seconds, each anew.
    pub refresh_token_ttl_seconds: i64,
    /// Algorithm of ID tokens.
    pub id_token_alg: Algorithm,
    /// Algorithm of access tokens.
    pub access_token_alg: Algorithm,
    /// Audiences of access tokens besides Signet itself.
    pub audience: Vec<String>,
    /// What the client is an enforcement point for; none if it is none.
    pub evaluation: Option<Registration>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Counts changes.
    pub version: i64,
    pub(crate) secret_hash: Option<SecretHash>,
}

impl Client {
    /// Whether the client keeps a secret.
    pub fn is_confidential(&self) -> bool {
        self.secret_hash.is_some()
    }

    /// Whether the program brings it along: it has no row, and consent is asked each time, because any
    /// program on the person's machine can pose as it (RFC 8252 section 8.6).
    pub fn is_built_in(&self) -> bool {
        self.id.as_str().starts_with("builtin:")
    }

    /// Whether it may use a grant type.
    pub fn may(&self, grant: &str) -> bool {
        self.grants.iter().any(|known| known == grant)
    }

    /// The registered redirect address that the presented one is.
    pub fn matches_redirect(&self, presented: &str) -> bool {
        let public = !self.is_confidential();
        self.redirect_uris.iter().any(|registered| redirect::matches(registered, presented, public))
    }

    /// The row's id where there is a row, for columns that refer to it.
    pub(crate) fn row_id(&self) -> Option<&ClientId> {
        (!self.is_built_in()).then_some(&self.id)
    }
}

/// A client to be made.
#[derive(Debug, Clone)]
pub struct NewClient {
    /// The public name: 1 to 64 of `[A-Za-z0-9_-]`; a random one where none is given.
    pub client_id: Option<String>,
    /// The name for people.
    pub name: String,
    /// What it is.
    pub description: Option<String>,
    /// How it authenticates.
    pub methods: Vec<String>,
    /// What it may ask the token endpoint for.
    pub grants: Vec<String>,
    /// Where codes may be sent.
    pub redirect_uris: Vec<String>,
    /// Where a browser may be sent after signing out.
    pub post_logout_redirect_uris: Vec<String>,
    /// What it may ask for.
    pub scopes: Vec<String>,
    /// Whether the person is asked.
    pub require_consent: bool,
    /// Life of access tokens, in seconds.
    pub access_token_ttl_seconds: i64,
    /// Life of refresh tokens, in seconds.
    pub refresh_token_ttl_seconds: i64,
    /// Algorithm of ID tokens.
    pub id_token_alg: Algorithm,
    /// Algorithm of access tokens.
    pub access_token_alg: Algorithm,
    /// Audiences of access tokens besides Signet itself.
    pub audience: Vec<String>,
    /// What the client is an enforcement point for; only for one that acts for itself.
    pub evaluation: Option<Registration>,
    /// The secret of a confidential client, hashed before the transaction began.
    pub secret: Option<SecretHash>,
}

impl NewClient {
    /// A client with the usual lifetimes and algorithms, asking for consent.
    pub fn named(name: &str) -> Self {
        Self {
            client_id: None,
            name: name.to_owned(),
            description: None,
            methods: Vec::new(),
            grants: Vec::new(),
            redirect_uris: Vec::new(),
            post_logout_redirect_uris: Vec::new(),
            scopes: Vec::new(),
            require_consent: true,
            access_token_ttl_seconds: ACCESS_TTL_SECONDS,
            refresh_token_ttl_seconds: REFRESH_TTL_SECONDS,
            id_token_alg: Algorithm::Rs256,
            access_token_alg: Algorithm::EdDsa,
            audience: Vec::new(),
            evaluation: None,
            secret: None,
        }
    }

    /// Whether the methods ask for a secret.
    pub fn needs_secret(&self) -> bool {
        checks::needs_secret(&self.methods)
    }
}

/// What to change; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct ClientChange {
    /// Another name.
    pub name: Option<String>,
    /// Another description, or none.
    pub description: Option<Option<String>>,
    /// Other grant types.
    pub grants: Option<Vec<String>>,
    /// Other redirect addresses.
    pub redirect_uris: Option<Vec<String>>,
    /// Other addresses after signing out.
    pub post_logout_redirect_uris: Option<Vec<String>>,
    /// Other scopes.
    pub scopes: Option<Vec<String>>,
    /// Whether the person is asked.
    pub require_consent: Option<bool>,
    /// Whether it may be used.
    pub status: Option<ClientStatus>,
    /// Life of access tokens, in seconds.
    pub access_token_ttl_seconds: Option<i64>,
    /// Life of refresh tokens, in seconds.
    pub refresh_token_ttl_seconds: Option<i64>,
    /// Algorithm of ID tokens.
    pub id_token_alg: Option<Algorithm>,
    /// Algorithm of access tokens.
    pub access_token_alg: Option<Algorithm>,
    /// Audiences of access tokens besides Signet itself.
    pub audience: Option<Vec<String>>,
    /// What the client is an enforcement point for, or that it is none.
    pub evaluation: Option<Option<Registration>>,
}

/// Which clients to list.
#[derive(Debug, Clone)]
pub struct ClientQuery {
    /// Only those whom the filter leaves.
    pub filter: Option<base::query::Filter>,
    /// The order.
    pub order: Vec<base::query::SortKey>,
    /// Whether to count all of them, and how.
    pub count: Option<web::list::Count>,
    /// Only those after this position.
    pub after: Option<base::query::Position>,
    /// At most so many.
    pub limit: u32,
}

/// Some clients, and where to go on.
#[derive(Debug, Clone)]
pub struct ClientList {
    /// Those that the caller may read.
    pub items: Vec<Client>,
    /// The last position scanned; none on the last page.
    pub next: Option<base::query::Position>,
    /// How many there are on all pages, also those that the caller may not read; none if nobody asked.
    pub count: Option<i64>,
}

/// The client of the program with this public name.
pub fn built_in(client_id: &str) -> Option<Client> {
    (client_id == CLI_CLIENT_ID).then(|| Client {
        // INVARIANT: the text is an id.
        id: ClientId::parse("builtin:signet-cli").unwrap_or_else(|_| unreachable_id()),
        client_id: CLI_CLIENT_ID.to_owned(),
        name: "Signet command line".to_owned(),
        description: None,
        methods: vec!["none".to_owned()],
        grants: vec!["authorization_code".to_owned(), "refresh_token".to_owned()],
        redirect_uris: vec!["http://127.0.0.1/callback".to_owned()],
        post_logout_redirect_uris: Vec::new(),
        scopes: [scope::OPENID, "profile", scope::OFFLINE_ACCESS, scope::SIGNET].map(str::to_owned).to_vec(),
        require_proof_key: true,
        require_consent: true,
        status: ClientStatus::Active,
        access_token_ttl_seconds: ACCESS_TTL_SECONDS,
        refresh_token_ttl_seconds: REFRESH_TTL_SECONDS,
        id_token_alg: Algorithm::EdDsa,
        access_token_alg: Algorithm::EdDsa,
        audience: Vec::new(),
        evaluation: None,
        created_at: Timestamp::from_seconds(0),
        updated_at: Timestamp::from_seconds(0),
        version: 1,
        secret_hash: None,
    })
}

fn unreachable_id() -> ClientId {
    ClientId::fresh(Timestamp::from_seconds(0), &base::SeededRandom::new(0))
}

/// Adds a client to the permit's tenant, with its principal.
///
/// Fails with [`authz::Error::Invalid`] for a value that is wrong and [`authz::Error::Taken`] for a
/// `client_id` that exists.
pub async fn create_client_in(cx: &Cx, tx: &mut Tx, permit: &Permit, new: NewClient) -> Result<Client> {
    let client_id = new.client_id.clone();
    let id = cx.fresh_id();
    insert_in(cx, tx, permit, id, client_id, new, ClientStatus::Active).await
}

/// Adds a client under a given id: for [`create_client_in`] and the default data.
async fn insert_in(
    cx: &Cx,
    tx: &mut Tx,
    permit: &Permit,
    id: ClientId,
    client_id: Option<String>,
    new: NewClient,
    status: ClientStatus,
) -> Result<Client> {
    let tenant = tenant_of(permit)?;
    let client_id = client_id.unwrap_or_else(|| id.to_string());
    let now = cx.now();
    let client = Client {
        id,
        client_id,
        name: new.name,
        description: new.description,
        methods: new.methods,
        grants: new.grants,
        redirect_uris: new.redirect_uris,
        post_logout_redirect_uris: new.post_logout_redirect_uris,
        scopes: new.scopes,
        require_proof_key: true,
        require_consent: new.require_consent,
        status,
        access_token_ttl_seconds: new.access_token_ttl_seconds,
        refresh_token_ttl_seconds: new.refresh_token_ttl_seconds,
        id_token_alg: new.id_token_alg,
        access_token_alg: new.access_token_alg,
        audience: new.audience,
        evaluation: new.evaluation,
        created_at: now,
        updated_at: now,
        version: 1,
        secret_hash: new.secret,
    };
    checks::check(&client)?;
    if built_in(&client.client_id).is_some() {
        return Err(taken(&client.client_id));
    }
    store::insert(tx, &tenant, &client).await.map_err(|error| {
        if error.is_unique("uq_oauth2_clients_tenant_id_client_id") {
            taken(&client.client_id)
        } else {
            error.into()
        }
    })?;
    sync_principal(tx, permit, &tenant, &client).await?;
    tx.record(permit, event("client.created", &tenant, &client));
    tx.decisions_change(permit, Change::Principal(&client.id.cast()));
    Ok(client)
}

/// Changes a client of the permit's tenant. Disabling it stops its tokens at once.
///
/// Fails with [`authz::Error::NotFound`], with [`authz::Error::Stale`] if `version` is given and another
/// one is stored, and with [`authz::Error::Invalid`].
pub async fn update_client_in(
    cx: &Cx,
    tx: &mut Tx,
    permit: &Permit,
    id: &ClientId,
    change: ClientChange,
    version: Option<i64>,
) -> Result<Client> {
    let tenant = tenant_of(permit)?;
    let old = find_client(tx, &tenant, id).await?.ok_or(authz::Error::NotFound("client"))?;
    if version.is_some_and(|expected| expected != old.version) {
        return Err(authz::Error::Stale.into());
    }
    let mut client = apply(old.clone(), change);
    checks::check(&client)?;
    client.updated_at = cx.now().max(Timestamp::from_micros(old.updated_at.as_micros() + 1));
    client.version = old.version + 1;
    if store::update(tx, &tenant, &client, old.version).await? == 0 {
        return Err(authz::Error::Stale.into());
    }
    sync_principal(tx, permit, &tenant, &client).await?;
    tx.record(permit, event("client.updated", &tenant, &client));
    tx.decisions_change(permit, Change::Principal(&client.id.cast()));
    Ok(client)
}

/// The principal that a client is, active or not; roles and memberships belong to principals only.
///
/// INVARIANT: a client that never could act for itself is no principal. Its id may then be a person's, as
/// with the default clients, and must never be taken for one. A client that no longer may act for itself
/// keeps its principal and its roles, for the day on which it may again.
pub async fn find_principal(rx: &mut Rx, tenant: &TenantId, client: &Client) -> Result<Option<PrincipalId>> {
    Ok(own_principal(rx, tenant, client).await?.map(|row| row.id))
}

async fn own_principal(rx: &mut Rx, tenant: &TenantId, client: &Client) -> Result<Option<PrincipalRow>> {
    let found = authz::principals::find(rx, tenant, &client.id.cast()).await?;
    Ok(found.filter(|row| row.kind == PrincipalKind::Client))
}

/// Makes the client a principal where it may act for itself, active exactly while it may, and tells the
/// decision point what it is an enforcement point for.
async fn sync_principal(tx: &mut Tx, permit: &Permit, tenant: &TenantId, client: &Client) -> Result<()> {
    let acts = client.may("client_credentials");
    let active = acts && client.status == ClientStatus::Active;
    let id = client.id.cast();
    let known = match own_principal(tx, tenant, client).await? {
        Some(row) => {
            if row.active != active {
                authz::principals::set_active_in(tx, permit, &id, active).await?;
            }
            row.registration
        }
        None if acts => {
            // One id is one principal: a default client's id is that of a person, who must stay it.
            if authz::principals::find(tx, tenant, &id).await?.is_some() {
                let why =
                    "the client shares its id with a person and cannot act for itself: make another one";
                return Err(authz::Error::InUse(why.to_owned()).into());
            }
            let (cx, nothing) = (tx.cx().clone(), serde_json::Value::Null);
            authz::escalation::check_new_principal(&cx, permit, &client.client_id, &nothing).await?;
            authz::principals::insert_in(tx, tenant, &id, PrincipalKind::Client, active).await?;
            None
        }
        None => return Ok(()),
    };
    if known != client.evaluation {
        authz::principals::set_registration_in(tx, permit, &id, client.evaluation.as_ref()).await?;
    }
    Ok(())
}

fn apply(mut client: Client, change: ClientChange) -> Client {
    fn set<T>(slot: &mut T, value: Option<T>) {
        if let Some(value) = value {
            *slot = value;
        }
    }
    set(&mut client.name, change.name);
    set(&mut client.description, change.description);
    set(&mut client.grants, change.grants);
    set(&mut client.redirect_uris, change.redirect_uris);
    set(&mut client.post_logout_redirect_uris, change.post_logout_redirect_uris);
    set(&mut client.scopes, change.scopes);
    set(&mut client.require_consent, change.require_consent);
    set(&mut client.status, change.status);
    set(&mut client.access_token_ttl_seconds, change.access_token_ttl_seconds);
    set(&mut client.refresh_token_ttl_seconds, change.refresh_token_ttl_seconds);
    set(&mut client.id_token_alg, change.id_token_alg);
    set(&mut client.access_token_alg, change.access_token_alg);
    set(&mut client.audience, change.audience);
    set(&mut client.evaluation, change.evaluation);
    client
}

/// Replaces the secret of a confidential client. The old one stops at once; tokens stay.
pub async fn set_secret_in(
    cx: &Cx,
    tx: &mut Tx,
    permit: &Permit,
    id: &ClientId,
    hash: &SecretHash,
) -> Result<Client> {
    let tenant = tenant_of(permit)?;
    let mut client = find_client(tx, &tenant, id).await?.ok_or(authz::Error::NotFound("client"))?;
    if !checks::needs_secret(&client.methods) {
        return Err(authz::Error::InUse("a public client has no secret".to_owned()).into());
    }
    let old = client.version;
    client.secret_hash = Some(hash.clone());
    client.updated_at = cx.now().max(Timestamp::from_micros(client.updated_at.as_micros() + 1));
    client.version += 1;
    if store::update(tx, &tenant, &client, old).await? == 0 {
        return Err(authz::Error::Stale.into());
    }
    tx.record(permit, event("client.secret_rotated", &tenant, &client));
    tx.decisions_change(permit, Change::Principal(&client.id.cast()));
    Ok(client)
}

/// Removes a client with its principal, its roles, its consents and all its grants and tokens.
///
/// Fails with [`authz::Error::NotFound`] and [`authz::Error::Stale`].
pub async fn delete_client_in(
    tx: &mut Tx,
    permit: &Permit,
    id: &ClientId,
    version: Option<i64>,
) -> Result<()> {
    let tenant = tenant_of(permit)?;
    let client = find_client(tx, &tenant, id).await?.ok_or(authz::Error::NotFound("client"))?;
    if version.is_some_and(|expected| expected != client.version) {
        return Err(authz::Error::Stale.into());
    }
    if own_principal(tx, &tenant, &client).await?.is_some() {
        authz::principals::delete_in(tx, permit, &client.id.cast()).await?;
    }
    store::delete(tx, &tenant, id).await?;
    tx.record(permit, event("client.deleted", &tenant, &client));
    tx.decisions_change(permit, Change::Principal(&client.id.cast()));
    Ok(())
}

/// The client of this id in the tenant.
pub async fn find_client(rx: &mut Rx, tenant: &TenantId, id: &ClientId) -> Result<Option<Client>> {
    Ok(store::find(rx, tenant, id).await?)
}

/// The client of this public name in the tenant; the program's own ones are not among them.
pub async fn find_client_by_client_id(
    rx: &mut Rx,
    tenant: &TenantId,
    client_id: &str,
) -> Result<Option<Client>> {
    Ok(store::find_by_client_id(rx, tenant, client_id).await?)
}

/// Clients of the tenant by public name, after `after`, whose name begins with `prefix`; for lists and
/// exports. At most `limit`.
pub async fn list_clients(
    rx: &mut Rx,
    tenant: &TenantId,
    prefix: Option<&str>,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<Client>> {
    Ok(store::list(rx, tenant, prefix, after, limit).await?)
}

fn tenant_of(permit: &Permit) -> Result<TenantId> {
    permit.tenant().cloned().ok_or(Error::Authz(authz::Error::NotFound("tenant")))
}

fn taken(client_id: &str) -> Error {
    authz::Error::Taken { noun: "client", name: client_id.to_owned() }.into()
}

fn event(action: &'static str, tenant: &TenantId, client: &Client) -> Event {
    Event::done(action, Target::member(&client.id).name(Some(tenant.as_str()))).details(serde_json::json!({
        "client_id": client.client_id,
        "name": client.name,
        "status": client.status.stored(),
        "grants": client.grants,
        "scopes": client.scopes,
        "redirect_uris": client.redirect_uris,
        "evaluation": client.evaluation.as_ref().map(Registration::to_value),
    }))
}
