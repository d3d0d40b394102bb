//! Two tenants with the default roles, and whoever a test needs in them.

use std::sync::Arc;

use authz::cx::RequestContext;
use authz::principals::{self, PrincipalKind};
use authz::roles::{self, Holder, Window};
use authz::{Actor, Core, Cx, Permit, Place, Purpose, TenantRef, Tx};
use base::id::{ClientId, PrincipalId, RoleId, TenantId, UserId};
use base::{FixedClock, SeededRandom, Timestamp};
use store::testing::TestDb;
use store::{FromRow, Row, Sql, Store, StoreOptions};

pub(crate) const NOON: Timestamp = Timestamp::from_seconds(1_800_000_000);
pub(crate) const HASH: &str = "$2a$12$abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0";

pub(crate) struct World {
    pub(crate) db: TestDb,
    pub(crate) core: Core,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) acme: Arc<TenantRef>,
    pub(crate) rival: Arc<TenantRef>,
}

impl World {
    pub(crate) async fn both() -> Vec<Self> {
        let mut worlds = Vec::new();
        for db in TestDb::both().await {
            worlds.push(Self::over(db).await);
        }
        worlds
    }

    async fn over(db: TestDb) -> Self {
        let clock = Arc::new(FixedClock::at(NOON));
        let core = Core::new(db.store.clone(), clock.clone(), Arc::new(SeededRandom::new(7))).unwrap();
        let acme = seed_tenant(&core, "acme", true).await;
        let rival = seed_tenant(&core, "rival", false).await;
        Self { db, core, clock, acme, rival }
    }

    /// A second node over the same database.
    pub(crate) async fn second_node(&self) -> Core {
        let store = Store::open(&StoreOptions::new(&self.db.url)).await.unwrap();
        Core::new(store, self.clock.clone(), Arc::new(SeededRandom::new(8))).unwrap()
    }

    /// A context of the first start, which may do all.
    pub(crate) fn boot(&self, tenant: &Arc<TenantRef>) -> (Cx, Permit) {
        boot(&self.core, tenant)
    }

    pub(crate) async fn user(&self, tenant: &Arc<TenantRef>, username: &str, role: Option<&str>) -> UserId {
        let (cx, permit) = self.boot(tenant);
        let id: UserId = cx.fresh_id();
        let mut tx = cx.write(&permit).await.unwrap();
        tx.execute(
            Sql::new(
                "INSERT INTO users (id, tenant_id, username, username_key, password) VALUES ($1, $2, $3, $4, $5)",
            )
            .bind(&id)
            .bind(&tenant.id)
            .bind(username)
            .bind(base::text::name_key(username))
            .bind(HASH),
        )
        .await
        .unwrap();
        self.principal(&cx, tx, &permit, &id.cast(), PrincipalKind::User, role).await;
        id
    }

    pub(crate) async fn client(
        &self,
        tenant: &Arc<TenantRef>,
        client_id: &str,
        role: Option<&str>,
    ) -> ClientId {
        let (cx, permit) = self.boot(tenant);
        let id: ClientId = cx.fresh_id();
        let mut tx = cx.write(&permit).await.unwrap();
        tx.execute(
            Sql::new("INSERT INTO oauth2_clients (id, tenant_id, client_id) VALUES ($1, $2, $3)")
                .bind(&id)
                .bind(&tenant.id)
                .bind(client_id),
        )
        .await
        .unwrap();
        self.principal(&cx, tx, &permit, &id.cast(), PrincipalKind::Client, role).await;
        id
    }

    /// Registers a client of acme as an enforcement point, or as none.
    pub(crate) async fn register(&self, client: &ClientId, registration: Option<serde_json::Value>) {
        let (cx, permit) = self.boot(&self.acme);
        let registration = registration.map(|value| authz::access::Registration::from_value(value).unwrap());
        let mut tx = cx.write(&permit).await.unwrap();
        principals::set_registration_in(&mut tx, &permit, &client.cast(), registration.as_ref())
            .await
            .unwrap();
        tx.commit_housekeeping().await.unwrap();
    }

    async fn principal(
        &self,
        cx: &Cx,
        mut tx: Tx,
        permit: &Permit,
        id: &PrincipalId,
        kind: PrincipalKind,
        role: Option<&str>,
    ) {
        let tenant = permit.tenant().unwrap().clone();
        principals::insert_in(&mut tx, &tenant, id, kind, true).await.unwrap();
        match role {
            Some(code) => {
                let role = roles::find_role_by_code(&mut tx, &tenant, code).await.unwrap().unwrap();
                let holder = Holder::Principal(id.clone());
                roles::assign_in(cx, &mut tx, permit, &holder, &role.id, Window::ALWAYS).await.unwrap();
                tx.commit().await.unwrap();
            }
            None => tx.commit_housekeeping().await.unwrap(),
        }
    }

    /// The context of a signed-in person.
    pub(crate) fn cx_of(&self, tenant: &Arc<TenantRef>, user: &UserId, username: &str) -> Cx {
        cx_of(&self.core, tenant, user, username)
    }

    pub(crate) async fn role(&self, tenant: &Arc<TenantRef>, code: &str) -> RoleId {
        let (cx, permit) = self.boot(tenant);
        let mut rx = cx.read(&permit).await.unwrap();
        roles::find_role_by_code(&mut rx, &tenant.id, code).await.unwrap().unwrap().id
    }

    /// Gives a role with the powers of the first start.
    pub(crate) async fn assign(&self, holder: impl Into<Holder>, role: &RoleId, window: Window) {
        let (cx, permit) = self.boot(&self.acme);
        let mut tx = cx.write(&permit).await.unwrap();
        roles::assign_in(&cx, &mut tx, &permit, &holder.into(), role, window).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// A role that carries one policy.
    pub(crate) async fn role_with(&self, code: &str, document: serde_json::Value) -> RoleId {
        let (cx, permit) = self.boot(&self.acme);
        let mut tx = cx.write(&permit).await.unwrap();
        let new = new_role(code);
        let role = roles::create_role_in(&cx, &mut tx, &permit, new).await.unwrap();
        let new = authz::policies::NewPolicy {
            document: Some(document),
            ..authz::policies::NewPolicy::named(format!("{code} policy"))
        };
        let policy = authz::policies::create_policy_in(&cx, &mut tx, &permit, new).await.unwrap();
        roles::set_policies_in(&cx, &mut tx, &permit, &role.id, &[policy.id]).await.unwrap();
        tx.commit().await.unwrap();
        role.id
    }

    pub(crate) async fn decides(&self, user: &UserId, action: &str, resource: &str) -> bool {
        decides(&self.core, &self.acme, user, action, resource).await
    }

    /// The events of this action: resource, result, count, details.
    pub(crate) async fn events(&self, action: &str) -> Vec<Recorded> {
        self.core.flush_audit().await;
        let (cx, permit) = self.boot(&self.acme);
        let sql = Sql::new(
            "SELECT id, resource, result, count, details FROM audit_logs WHERE action = $1 \
             ORDER BY created_at, id",
        );
        cx.read(&permit).await.unwrap().all(sql.bind(action)).await.unwrap()
    }
}

pub(crate) struct Recorded {
    pub(crate) id: String,
    pub(crate) resource: String,
    pub(crate) result: String,
    pub(crate) count: i64,
    pub(crate) details: serde_json::Value,
}

impl FromRow for Recorded {
    fn from_row(row: &Row) -> store::Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            resource: row.get("resource")?,
            result: row.get("result")?,
            count: row.get("count")?,
            details: row.get("details")?,
        })
    }
}

pub(crate) fn new_role(code: &str) -> roles::NewRole {
    roles::NewRole {
        code: code.to_owned(),
        name: format!("Role {code}"),
        description: None,
        parent_id: None,
        permissions: Vec::new(),
    }
}

pub(crate) fn boot(core: &Core, tenant: &Arc<TenantRef>) -> (Cx, Permit) {
    let cx = core.system(Place::Tenant(tenant.clone()));
    let permit = cx.purpose(Purpose::Bootstrap);
    (cx, permit)
}

pub(crate) fn cx_of(core: &Core, tenant: &Arc<TenantRef>, user: &UserId, username: &str) -> Cx {
    let actor = Actor::User {
        id: user.clone(),
        tenant: tenant.id.clone(),
        username: username.to_owned(),
        session: None,
        client: None,
        api: authz::Api::Open,
        must_change_password: false,
    };
    Cx::new(core.clone(), Place::Tenant(tenant.clone()), actor, RequestContext::none(NOON))
}

pub(crate) async fn decides(
    core: &Core,
    tenant: &TenantRef,
    user: &UserId,
    action: &str,
    resource: &str,
) -> bool {
    let decision =
        core.decide(&tenant.id, &user.cast(), action, resource, &Default::default()).await.unwrap();
    decision.is_some_and(|decision| decision.is_allowed())
}

pub(crate) async fn seed_tenant(core: &Core, code: &str, fixed_ids: bool) -> Arc<TenantRef> {
    let tenant = Arc::new(TenantRef {
        id: TenantId::parse(&format!("tenant-{code}")).unwrap(),
        code: code.to_owned(),
        issuer: format!("http://localhost:8080/t/{code}"),
        name: code.to_owned(),
        active: true,
        config: serde_json::json!({}),
    });
    let cx = core.system(Place::Platform);
    let permit = cx.purpose(Purpose::Bootstrap);
    let mut tx = cx.write(&permit).await.unwrap();
    tx.execute(
        Sql::new("INSERT INTO tenants (id, name, code, issuer) VALUES ($1, $2, $3, $4)")
            .bind(&tenant.id)
            .bind(&tenant.name)
            .bind(&tenant.code)
            .bind(&tenant.issuer),
    )
    .await
    .unwrap();
    roles::seed_in(&cx, &mut tx, &permit, &tenant.id, fixed_ids).await.unwrap();
    tx.commit().await.unwrap();
    tenant
}

/// An `If-Match` that every version meets.
pub(crate) async fn any_version() -> web::IfMatch {
    use axum::extract::FromRequestParts;
    let request = axum::http::Request::builder().header("if-match", "*").body(()).unwrap();
    web::IfMatch::from_request_parts(&mut request.into_parts().0, &()).await.unwrap()
}
