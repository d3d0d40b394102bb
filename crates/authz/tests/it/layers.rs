//! What binds a whole tenant and what limits one principal: how decisions change, and who may change it.

use std::sync::Arc;

use authz::cx::RequestContext;
use authz::direct::{self, NewDirectPolicy};
use authz::guardrails::platform::{self, NewPlatformGuardrail, PlatformGuardrailChange};
use authz::principals::{self, PrincipalKind};
use authz::roles::{self, Window};
use authz::{
    Action, Actor, Change, Cx, Error, Place, Target, TenantRef, boundaries, groups, guardrails, policies,
};
use base::Problem;
use base::id::{ClientId, PolicyId, RoleId, UserId};
use policy::Denial;
use serde_json::{Value, json};
use store::Sql;

use crate::world::{NOON, World, any_version};

fn code<T>(result: authz::Result<T>) -> String {
    match result {
        Ok(_) => "ok".to_owned(),
        Err(Error::Invalid { code, .. }) => code.to_owned(),
        Err(error) => Problem::from(error).code().to_owned(),
    }
}

fn document(statements: &[(&str, &str, &str)]) -> Value {
    let statements: Vec<Value> = statements
        .iter()
        .map(|(effect, action, resource)| json!({ "Effect": effect, "Action": action, "Resource": resource }))
        .collect();
    json!({ "Version": "2012-10-17", "Statement": statements })
}

const ALL: (&str, &str, &str) = ("Allow", "*", "*");
const NO_SECRETS: (&str, &str, &str) = ("Deny", "*", "document:secret/*");

/// A Super Admin, an admin below, and a reader whose role allows everything.
struct Scene {
    world: World,
    root: Cx,
    admin_id: UserId,
    admin: Cx,
    reader: UserId,
    wide: RoleId,
}

impl Scene {
    async fn both() -> Vec<Self> {
        let mut scenes = Vec::new();
        for world in World::both().await {
            let root = world.user(&world.acme, "root", Some("SUPER_ADMIN")).await;
            let root = world.cx_of(&world.acme, &root, "root");
            let admin_id = world.user(&world.acme, "admin", Some("ADMIN")).await;
            let admin = world.cx_of(&world.acme, &admin_id, "admin");
            let reader = world.user(&world.acme, "reader", None).await;
            let wide = world.role_with("WIDE", document(&[ALL])).await;
            world.assign(&reader, &wide, Window::ALWAYS).await;
            scenes.push(Self { world, root, admin_id, admin, reader, wide });
        }
        scenes
    }

    async fn policy(&self, name: &str, statements: &[(&str, &str, &str)]) -> PolicyId {
        let (cx, permit) = self.world.boot(&self.world.acme);
        let mut tx = cx.write(&permit).await.unwrap();
        let new =
            policies::NewPolicy { document: Some(document(statements)), ..policies::NewPolicy::named(name) };
        let made = policies::create_policy_in(&cx, &mut tx, &permit, new).await.unwrap();
        tx.commit().await.unwrap();
        made.id
    }

    /// Gives a policy a priority, whatever verbs would say.
    async fn raise(&self, policy: &PolicyId, priority: i64) {
        let (cx, permit) = self.world.boot(&self.world.acme);
        let mut tx = cx.write(&permit).await.unwrap();
        let sql = Sql::new("UPDATE policies SET priority = $1 WHERE id = $2");
        assert_eq!(tx.execute(sql.bind(priority).bind(policy)).await.unwrap(), 1);
        tx.decisions_change(&permit, Change::All);
        tx.commit_housekeeping().await.unwrap();
    }

    async fn rewrite(&self, cx: &Cx, policy: &PolicyId, statements: &[(&str, &str, &str)]) -> String {
        let permit = cx.authorize(Action::RoleAssign, &Target::all("role")).await.unwrap();
        let mut tx = cx.write(&permit).await.unwrap();
        let change = policies::PolicyChange {
            document: Some(document(statements)),
            ..policies::PolicyChange::default()
        };
        let done = policies::update_policy_in(cx, &mut tx, &permit, policy, change, None).await;
        if done.is_ok() {
            tx.commit().await.unwrap();
        }
        code(done)
    }

    async fn remove(&self, policy: &PolicyId) -> Problem {
        let permit = self.root.authorize(Action::PolicyDelete, &Target::member(policy)).await.unwrap();
        let mut tx = self.root.write(&permit).await.unwrap();
        policies::delete_policy_in(&self.root, &mut tx, &permit, policy).await.unwrap_err().into()
    }

    /// Why the reader may not read a document; none if they may.
    async fn refusal(&self, document: &str) -> Option<Denial> {
        self.refusal_of(&self.reader, "document:read", document).await
    }

    async fn refusal_of(&self, user: &UserId, action: &str, resource: &str) -> Option<Denial> {
        let tenant = &self.world.acme.id;
        let core = &self.world.core;
        let how = authz::Circumstances::default();
        let decision = core.decide(tenant, &user.cast(), action, resource, &how).await.unwrap().unwrap();
        let verdict = core.judge(tenant, &user.cast(), action, resource, &how).await.unwrap().unwrap();
        assert_eq!(verdict.err(), decision.denial, "with and without reasons");
        decision.denial
    }

    async fn bound(&self, user: &UserId, policy: &PolicyId) {
        boundaries::set_boundary(&self.root, PrincipalKind::User, &user.cast(), policy).await.unwrap();
    }
}

#[tokio::test]
async fn a_deny_of_a_guardrail_is_final_against_any_priority_and_ends_with_it() {
    for scene in Scene::both().await {
        let top = scene.policy("top", &[("Allow", "document:read", "document:secret/*")]).await;
        roles::attach_policy(&scene.root, &scene.wide, &top).await.unwrap();
        scene.raise(&top, 1000).await;
        let guard = scene.policy("guard", &[ALL, NO_SECRETS]).await;
        assert_eq!(scene.refusal("document:secret/plan").await, None);

        guardrails::attach_guardrail(&scene.root, &guard).await.unwrap();
        guardrails::attach_guardrail(&scene.root, &guard).await.unwrap();

        assert_eq!(scene.refusal("document:secret/plan").await, Some(Denial::Guardrail));
        assert_eq!(scene.refusal("document:plan").await, None);
        let listed = guardrails::list_guardrails(&scene.root).await.unwrap();
        assert_eq!(listed.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["guard"]);
        assert_eq!(scene.world.events("guardrail.attached").await.len(), 1);

        guardrails::detach_guardrail(&scene.root, &guard).await.unwrap();
        assert_eq!(scene.refusal("document:secret/plan").await, None);
        assert_eq!(scene.world.events("guardrail.detached").await.len(), 1);
        assert_eq!(code(guardrails::detach_guardrail(&scene.root, &guard).await), "not_found");
    }
}

#[tokio::test]
async fn what_no_guardrail_allows_is_denied_and_several_allow_together() {
    for scene in Scene::both().await {
        let keep = scene.policy("keep", &[("Allow", "policy:*", "*")]).await;
        let plans = scene.policy("plans", &[("Allow", "document:*", "document:plan")]).await;

        guardrails::attach_guardrail(&scene.root, &keep).await.unwrap();
        assert_eq!(scene.refusal("document:plan").await, Some(Denial::Guardrail));

        guardrails::attach_guardrail(&scene.root, &plans).await.unwrap();
        assert_eq!(scene.refusal("document:plan").await, None);
        assert_eq!(scene.refusal("document:other").await, Some(Denial::Guardrail));
    }
}

#[tokio::test]
async fn a_guardrail_that_would_allow_nothing_or_shut_its_maker_out_is_refused() {
    for scene in Scene::both().await {
        let denies = scene.policy("denies", &[NO_SECRETS]).await;
        let narrow = scene.policy("narrow", &[("Allow", "document:*", "*")]).await;
        let all = scene.policy("all", &[ALL]).await;
        let raised = scene.policy("raised", &[ALL]).await;
        scene.raise(&raised, 1).await;
        let nowhere = PolicyId::parse("nowhere").unwrap();
        let attach = async |policy| code(guardrails::attach_guardrail(&scene.root, policy).await);

        assert_eq!(attach(&denies).await, "ceiling_allows_nothing");
        assert_eq!(attach(&narrow).await, "guardrail_locks_out");
        assert_eq!(attach(&raised).await, "ceiling_priority");
        assert_eq!(attach(&nowhere).await, "not_found");
        assert!(guardrails::list_guardrails(&scene.root).await.unwrap().is_empty());

        assert_eq!(attach(&all).await, "ok");
        assert_eq!(attach(&denies).await, "ok");
        assert_eq!(scene.refusal("document:secret/a").await, Some(Denial::Guardrail));
        let detach = guardrails::detach_guardrail(&scene.root, &all).await;
        assert_eq!(code(detach), "ceiling_allows_nothing");
        assert_eq!(scene.rewrite(&scene.root, &all, &[NO_SECRETS]).await, "ceiling_allows_nothing");
        let narrowed = [("Allow", "document:*", "*")];
        assert_eq!(scene.rewrite(&scene.root, &all, &narrowed).await, "guardrail_locks_out");
        assert_eq!(scene.refusal("document:plan").await, None, "nothing was changed");
        let refused = scene.remove(&all).await;
        assert_eq!(refused.code(), "in_use");
        assert!(refused.detail().contains("guardrail"), "{}", refused.detail());
    }
}

#[tokio::test]
async fn an_edited_guardrail_binds_at_once_on_another_node_too() {
    for scene in Scene::both().await {
        let guard = scene.policy("guard", &[ALL, NO_SECRETS]).await;
        guardrails::attach_guardrail(&scene.root, &guard).await.unwrap();
        let other = scene.world.second_node().await;
        let asks = async |document| {
            other.refresh_versions().await.unwrap();
            crate::world::decides(&other, &scene.world.acme, &scene.reader, "document:read", document).await
        };
        assert!(!asks("document:secret/a").await);
        assert!(asks("document:open").await);

        let stricter = [ALL, ("Deny", "*", "document:open")];
        assert_eq!(scene.rewrite(&scene.root, &guard, &stricter).await, "ok");

        assert_eq!(scene.refusal("document:open").await, Some(Denial::Guardrail));
        assert!(!asks("document:open").await);
        assert!(asks("document:secret/a").await);
    }
}

#[tokio::test]
async fn a_guardrail_binds_its_own_tenant_only() {
    for scene in Scene::both().await {
        let world = &scene.world;
        let other = world.user(&world.rival, "other", Some("SUPER_ADMIN")).await;
        let guard = scene.policy("guard", &[ALL, ("Deny", "policy:read", "*")]).await;

        guardrails::attach_guardrail(&scene.root, &guard).await.unwrap();

        let other = world.cx_of(&world.rival, &other, "other");
        assert!(guardrails::list_guardrails(&other).await.unwrap().is_empty());
        assert_eq!(code(guardrails::detach_guardrail(&other, &guard).await), "not_found");
        assert_eq!(code(guardrails::attach_guardrail(&other, &guard).await), "not_found");
        assert_eq!(code(guardrails::list_guardrails(&scene.root).await), "denied");
    }
}

#[tokio::test]
async fn a_boundary_limits_one_principal_and_grants_nothing() {
    for scene in Scene::both().await {
        let world = &scene.world;
        let plans = scene.policy("plans", &[("Allow", "document:*", "document:plan*")]).await;
        let nobody = world.user(&world.acme, "nobody", None).await;
        let client: ClientId = world.client(&world.acme, "robot", None).await;
        world.assign(&client, &scene.wide, Window::ALWAYS).await;

        scene.bound(&scene.reader, &plans).await;
        scene.bound(&scene.reader, &plans).await;
        scene.bound(&nobody, &plans).await;
        let kind = PrincipalKind::Client;
        boundaries::set_boundary(&scene.root, kind, &client.cast(), &plans).await.unwrap();

        assert_eq!(scene.refusal("document:plan").await, None);
        assert_eq!(scene.refusal("document:other").await, Some(Denial::Boundary));
        let refusal = scene.refusal_of(&nobody, "document:read", "document:plan").await;
        assert_eq!(refusal, Some(Denial::NothingApplies));
        let robot: UserId = client.cast();
        let refusal = scene.refusal_of(&robot, "document:read", "document:other").await;
        assert_eq!(refusal, Some(Denial::Boundary));
        let found =
            boundaries::load_boundary(&scene.root, PrincipalKind::User, &scene.reader.cast()).await.unwrap();
        assert_eq!((found.name.as_str(), found.set_by), ("plans", scene.root.actor().id()));
        assert_eq!(world.events("boundary.set").await.len(), 3);
        let refused = scene.remove(&plans).await;
        assert_eq!(refused.code(), "in_use");
        assert!(refused.detail().contains("3 users and clients"), "{}", refused.detail());

        let wider = [("Allow", "document:*", "*")];
        assert_eq!(scene.rewrite(&scene.root, &plans, &wider).await, "ok");
        assert_eq!(scene.refusal("document:other").await, None);
        boundaries::remove_boundary(&scene.root, PrincipalKind::User, &scene.reader.cast()).await.unwrap();
        assert_eq!(scene.refusal_of(&scene.reader, "a:b", "c").await, None);
        assert_eq!(world.events("boundary.removed").await.len(), 1);
    }
}

#[tokio::test]
async fn a_boundary_needs_a_policy_of_the_tenant_that_allows_something_at_priority_0() {
    for scene in Scene::both().await {
        let denies = scene.policy("denies", &[NO_SECRETS]).await;
        let raised = scene.policy("raised", &[ALL]).await;
        scene.raise(&raised, 3).await;
        let nowhere = PolicyId::parse("nowhere").unwrap();
        let all = scene.policy("all", &[ALL]).await;
        let set = async |kind, id: &UserId, policy| {
            code(boundaries::set_boundary(&scene.root, kind, &id.cast(), policy).await)
        };
        let user = PrincipalKind::User;

        assert_eq!(set(user, &scene.reader, &denies).await, "ceiling_allows_nothing");
        assert_eq!(set(user, &scene.reader, &raised).await, "ceiling_priority");
        assert_eq!(set(user, &scene.reader, &nowhere).await, "unknown_policy");
        assert_eq!(set(PrincipalKind::Client, &scene.reader, &all).await, "not_found");
        let stranger = scene.world.user(&scene.world.rival, "stranger", None).await;
        assert_eq!(set(user, &stranger, &all).await, "not_found");
        let kind = PrincipalKind::User;
        let gone = boundaries::remove_boundary(&scene.root, kind, &scene.reader.cast()).await;
        assert_eq!(code(gone), "not_found");
        scene.bound(&scene.reader, &all).await;
        assert_eq!(scene.rewrite(&scene.root, &all, &[NO_SECRETS]).await, "ceiling_allows_nothing");
    }
}

#[tokio::test]
async fn nobody_sets_widens_or_removes_their_own_boundary() {
    for scene in Scene::both().await {
        let world = &scene.world;
        let bound = scene.policy("bound", &[ALL, NO_SECRETS]).await;
        let all = scene.policy("all", &[ALL]).await;
        let boss_id = world.user(&world.acme, "boss", Some("SUPER_ADMIN")).await;
        let boss = world.cx_of(&world.acme, &boss_id, "boss");
        let own = boss_id.cast();
        let user = PrincipalKind::User;

        assert_eq!(code(boundaries::set_boundary(&boss, user, &own, &all).await), "escalation");
        scene.bound(&boss_id, &bound).await;
        assert_eq!(code(boundaries::set_boundary(&boss, user, &own, &all).await), "escalation");
        assert_eq!(code(boundaries::remove_boundary(&boss, user, &own).await), "escalation");
        // Also not by way of the policy that it names, though the caller may grant any access.
        assert_eq!(scene.rewrite(&boss, &bound, &[ALL]).await, "escalation");
        assert_eq!(scene.rewrite(&boss, &all, &[ALL]).await, "ok");
        assert_eq!(scene.rewrite(&scene.root, &bound, &[ALL]).await, "ok");
        assert!(!world.events("access.escalation_refused").await.is_empty());
    }
}

#[tokio::test]
async fn who_may_not_grant_any_access_neither_widens_boundaries_nor_guardrails() {
    for scene in Scene::both().await {
        let world = &scene.world;
        let guardian = world
            .role_with(
                "GUARDIAN",
                document(&[("Allow", "policy:attach_guardrail", "*"), ("Allow", "policy:set_boundary", "*")]),
            )
            .await;
        world.assign(&scene.admin_id, &guardian, Window::ALWAYS).await;
        let narrow =
            scene.policy("narrow", &[("Allow", "document:*", "*"), ("Allow", "policy:*", "*")]).await;
        let denies = scene.policy("denies", &[NO_SECRETS]).await;
        let all = scene.policy("all", &[ALL]).await;
        let carol = world.user(&world.acme, "carol", None).await;
        let attach = async |policy| code(guardrails::attach_guardrail(&scene.admin, policy).await);
        let detach = async |policy| code(guardrails::detach_guardrail(&scene.admin, policy).await);

        // The first ceiling only takes away, and so does one more deny.
        assert_eq!(attach(&narrow).await, "ok");
        assert_eq!(attach(&denies).await, "ok");
        assert_eq!(attach(&all).await, "escalation");
        assert_eq!(detach(&denies).await, "escalation");
        guardrails::attach_guardrail(&scene.root, &all).await.unwrap();
        assert_eq!(detach(&all).await, "ok");
        guardrails::detach_guardrail(&scene.root, &denies).await.unwrap();
        assert_eq!(detach(&narrow).await, "escalation", "the last one");

        let user = PrincipalKind::User;
        let set = async |id: &UserId, policy| {
            code(boundaries::set_boundary(&scene.admin, user, &id.cast(), policy).await)
        };
        assert_eq!(set(&carol, &narrow).await, "ok");
        assert_eq!(set(&carol, &all).await, "escalation");
        assert_eq!(code(boundaries::remove_boundary(&scene.admin, user, &carol.cast()).await), "escalation");
        let root: UserId = scene.root.actor().principal().unwrap().0.cast();
        assert_eq!(set(&root, &narrow).await, "outranked");
        let plain = world.user(&world.acme, "plain", None).await;
        let plain = world.cx_of(&world.acme, &plain, "plain");
        assert_eq!(code(guardrails::attach_guardrail(&plain, &denies).await), "denied");
        assert_eq!(code(boundaries::remove_boundary(&plain, user, &carol.cast()).await), "denied");
    }
}

#[tokio::test]
async fn what_a_bounded_admin_makes_has_the_same_boundary_and_others_are_above_them() {
    for scene in Scene::both().await {
        let world = &scene.world;
        let bound = scene
            .policy("bound", &[ALL, ("Deny", "policy:grant_any", "*"), ("Deny", "document:*", "*")])
            .await;
        let plain = world.user(&world.acme, "plain", None).await;
        scene.bound(&scene.admin_id, &bound).await;

        let made = made_by(&scene.admin, &world.acme, "made").await;
        let by_root = made_by(&scene.root, &world.acme, "by-root").await;

        let user = PrincipalKind::User;
        let found = boundaries::load_boundary(&scene.root, user, &made.cast()).await.unwrap();
        assert_eq!(found.policy_id, bound);
        assert_eq!(code(boundaries::load_boundary(&scene.root, user, &by_root.cast()).await), "not_found");
        // The admin's own role goes to whom the boundary limits too, and to nobody else.
        let role = world.role(&world.acme, "ADMIN").await;
        let give = async |holder: roles::Holder| {
            let new = roles::NewAssignment {
                holder,
                role: role.clone(),
                window: Window::ALWAYS,
                denies: roles::ExpiringDeny::Refuse,
            };
            code(roles::assign(&scene.admin, None, &new).await)
        };
        assert_eq!(give((&made).into()).await, "ok");
        assert_eq!(give((&plain).into()).await, "outranked");
        assert!(roles::outranks(&scene.admin, &plain.cast()).await.unwrap());
        assert!(!roles::outranks(&scene.admin, &made.cast()).await.unwrap());
        let new = groups::NewGroup { name: "all".to_owned(), description: None };
        let group = groups::create_group(&scene.root, new).await.unwrap();
        roles::assign(
            &scene.root,
            None,
            &roles::NewAssignment {
                holder: (&group.id).into(),
                role: world.role(&world.acme, "USER").await,
                window: Window::ALWAYS,
                denies: roles::ExpiringDeny::Refuse,
            },
        )
        .await
        .unwrap();
        let permit = scene.admin.authorize(Action::GroupUpdate, &Target::member(&group.id)).await.unwrap();
        let mut tx = scene.admin.write(&permit).await.unwrap();
        let (holder, user_role) = ((&group.id).into(), world.role(&world.acme, "USER").await);
        let cx = &scene.admin;
        let to_group = roles::assign_in(cx, &mut tx, &permit, &holder, &user_role, Window::ALWAYS).await;
        assert_eq!(code(to_group), "escalation");
        let join = async |cx: &Cx, tx: &mut authz::Tx, who: &UserId| {
            code(groups::add_member_in(cx, tx, &permit, &group.id, &who.cast(), Window::ALWAYS).await)
        };
        assert_eq!(join(&scene.admin, &mut tx, &plain).await, "outranked");
        assert_eq!(join(&scene.admin, &mut tx, &made).await, "ok");
    }
}

/// Makes a principal as the directory does.
async fn made_by(cx: &Cx, tenant: &Arc<TenantRef>, username: &str) -> UserId {
    assert!(matches!(cx.place(), Place::Tenant(_)));
    let permit = cx.authorize(Action::UserCreate, &Target::all("user")).await.unwrap();
    let mut tx = cx.write(&permit).await.unwrap();
    let id: UserId = cx.fresh_id();
    let sql = Sql::new(
        "INSERT INTO users (id, tenant_id, username, username_key, password) VALUES ($1, $2, $3, $4, $5)",
    );
    tx.execute(sql.bind(&id).bind(&tenant.id).bind(username).bind(username).bind(crate::world::HASH))
        .await
        .unwrap();
    principals::insert_in(&mut tx, &tenant.id, &id.cast(), PrincipalKind::User, true).await.unwrap();
    tx.commit_housekeeping().await.unwrap();
    id
}

fn about(who: &[String], statements: &[(&str, &str)]) -> Value {
    let statements: Vec<Value> = statements
        .iter()
        .map(|(effect, action)| {
            let principal = if who.is_empty() { json!("*") } else { json!({ "Signet": who }) };
            json!({ "Effect": effect, "Action": action, "Resource": "*", "Principal": principal })
        })
        .collect();
    json!({ "Version": "2012-10-17", "Statement": statements })
}

#[tokio::test]
async fn a_resources_policy_grants_where_roles_say_nothing_and_its_deny_is_final() {
    for scene in Scene::both().await {
        let world = &scene.world;
        let nobody = world.user(&world.acme, "nobody", None).await;
        let plan = scene.resource("document:plan", None).await;
        let part = scene.resource("document:plan/part", Some(&plan)).await;
        let name = format!("arn:signet:iam::{}:user/{nobody}", world.acme.id);
        let reads =
            async |user: &UserId, document: &str| scene.refusal_of(user, "document:read", document).await;
        assert_eq!(reads(&nobody, "document:plan").await, Some(Denial::NothingApplies));

        let made =
            scene.set_policy(&plan, None, about(&[name], &[("Allow", "document:read")])).await.unwrap();
        assert_eq!(made.version, 1);
        assert_eq!(reads(&nobody, "document:plan").await, None);
        let write = scene.refusal_of(&nobody, "document:write", "document:plan").await;
        assert_eq!(write, Some(Denial::NothingApplies));
        let robot: UserId = world.client(&world.acme, "robot", None).await.cast();
        assert_eq!(reads(&robot, "document:plan").await, Some(Denial::NothingApplies));
        assert_eq!(
            reads(&nobody, "document:plan/part").await,
            Some(Denial::NothingApplies),
            "what lies in it has its own"
        );

        scene
            .set_policy(&part, None, about(&[], &[("Allow", "*"), ("Deny", "document:read")]))
            .await
            .unwrap();
        assert_eq!(reads(&scene.reader, "document:plan/part").await, Some(Denial::ResourcePolicy));
        assert_eq!(scene.refusal_of(&nobody, "document:write", "document:plan/part").await, None);
        assert_eq!(world.events("resource.policy_set").await.len(), 2);

        // Ceilings limit what resources grant.
        let writes =
            scene.policy("writes", &[("Allow", "document:write", "*"), ("Allow", "policy:*", "*")]).await;
        scene.bound(&nobody, &writes).await;
        assert_eq!(reads(&nobody, "document:plan").await, Some(Denial::Boundary));
        boundaries::remove_boundary(&scene.root, PrincipalKind::User, &nobody.cast()).await.unwrap();
        guardrails::attach_guardrail(&scene.root, &writes).await.unwrap();
        assert_eq!(reads(&nobody, "document:plan").await, Some(Denial::Guardrail));
        guardrails::detach_guardrail(&scene.root, &writes).await.unwrap();
        // A deny of a role beats what a resource allows.
        let denying = world.role_with("DENYING", document(&[("Deny", "document:read", "*")])).await;
        world.assign(&nobody, &denying, Window::ALWAYS).await;
        assert_eq!(reads(&nobody, "document:plan").await, Some(Denial::ExplicitDeny));

        let any = any_version().await;
        authz::resources::remove_resource_policy(&scene.root, &part, &any).await.unwrap();
        assert_eq!(reads(&scene.reader, "document:plan/part").await, None);
        assert_eq!(world.events("resource.policy_removed").await.len(), 1);
    }
}

#[tokio::test]
async fn a_resources_policy_is_refused_where_it_could_not_mean_what_it_says() {
    for scene in Scene::both().await {
        let world = &scene.world;
        let plan = scene.resource("document:plan", None).await;
        let own = scene.resource(&format!("arn:signet:iam::{}:policy/all", world.acme.id), None).await;
        let foreign = about(&["arn:signet:iam::tenant-rival:user/u".to_owned()], &[("Allow", "*")]);
        let nobody = document(&[ALL]);
        let fine = about(&[], &[("Allow", "a:b")]);

        for (resource, document, refusal) in [
            (&plan, &foreign, "invalid_policy"),
            (&plan, &nobody, "invalid_policy"),
            (&plan, &json!("text"), "invalid_policy"),
            (&own, &fine, "own_resource"),
        ] {
            assert_eq!(code(scene.set_policy(resource, None, document.clone()).await), refusal, "{document}");
        }
        let gone = base::id::ResourceId::parse("gone").unwrap();
        assert_eq!(code(scene.set_policy(&gone, None, fine.clone()).await), "not_found");
        assert_eq!(code(authz::resources::load_resource_policy(&scene.root, &plan).await), "not_found");
        assert_eq!(code(scene.set_policy(&plan, Some(any_version().await), fine.clone()).await), "stale");
        scene.set_policy(&plan, None, fine.clone()).await.unwrap();
        assert_eq!(code(scene.set_policy(&plan, None, fine.clone()).await), "if_match_required");
        let again = scene.set_policy(&plan, Some(any_version().await), fine).await.unwrap();
        assert_eq!(again.version, 2);
        let read = authz::resources::load_resource_policy(&scene.root, &plan).await.unwrap();
        assert_eq!(read, again);
    }
}

#[tokio::test]
async fn who_may_not_grant_any_access_neither_grants_nor_frees_by_a_resources_policy() {
    for scene in Scene::both().await {
        let world = &scene.world;
        let statements = [("Allow", "resource:*", "*"), ("Allow", "policy:read", "*")];
        let keeper = world.role_with("KEEPER", document(&statements)).await;
        world.assign(&scene.admin_id, &keeper, Window::ALWAYS).await;
        let plan = scene.resource("document:plan", None).await;
        let set = async |document: Value| {
            let had = authz::resources::load_resource_policy(&scene.admin, &plan).await.is_ok();
            let if_match = if had { Some(any_version().await) } else { None };
            code(
                authz::resources::set_resource_policy(&scene.admin, &plan, if_match.as_ref(), &document)
                    .await,
            )
        };

        assert_eq!(set(about(&[], &[("Allow", "document:read")])).await, "escalation");
        assert_eq!(set(about(&[], &[("Deny", "document:read")])).await, "ok");
        assert_eq!(set(about(&[], &[("Deny", "document:read"), ("Deny", "document:write")])).await, "ok");
        assert_eq!(set(about(&[], &[("Deny", "document:read")])).await, "escalation");
        let any = any_version().await;
        let removed = authz::resources::remove_resource_policy(&scene.admin, &plan, &any).await;
        assert_eq!(code(removed), "escalation");
        // Nor by registering the resource again.
        let deleted = authz::resources::delete_resource(&scene.admin, &plan, &any).await;
        assert_eq!(code(deleted), "in_use");
        let plain = world.cx_of(&world.acme, &world.user(&world.acme, "plain", None).await, "plain");
        let read = authz::resources::load_resource_policy(&plain, &plan).await;
        assert_eq!(code(read), "denied");

        // What only allows may be taken away.
        let allows = about(&[], &[("Allow", "document:read")]);
        scene.set_policy(&plan, Some(any_version().await), allows).await.unwrap();
        authz::resources::remove_resource_policy(&scene.admin, &plan, &any).await.unwrap();
        authz::resources::delete_resource(&scene.admin, &plan, &any).await.unwrap();
    }
}

impl Scene {
    async fn resource(&self, name: &str, parent: Option<&base::id::ResourceId>) -> base::id::ResourceId {
        let new = authz::resources::NewResource {
            name: name.to_owned(),
            parent_id: parent.cloned(),
            ..authz::resources::NewResource::default()
        };
        authz::resources::create_resource(&self.root, new).await.unwrap().id
    }

    async fn set_policy(
        &self,
        resource: &base::id::ResourceId,
        if_match: Option<web::IfMatch>,
        document: Value,
    ) -> authz::Result<authz::resources::ResourcePolicy> {
        authz::resources::set_resource_policy(&self.root, resource, if_match.as_ref(), &document).await
    }
}

#[tokio::test]
async fn a_policy_attached_to_a_person_counts_while_it_does_and_only_where_that_is_switched_on() {
    for scene in Scene::both().await {
        let world = &scene.world;
        let carol = world.user(&world.acme, "carol", None).await;
        let reads = scene.policy("reads", &[("Allow", "document:read", "*")]).await;
        let denies = scene.policy("denies", &[ALL, NO_SECRETS]).await;
        let attach = async |cx: &Cx, policy: &PolicyId, window, denies| {
            let new = NewDirectPolicy { user: carol.clone(), policy: policy.clone(), window, denies };
            code(direct::attach_direct_policy(cx, &new).await)
        };
        let (refuse, accept) = (roles::ExpiringDeny::Refuse, roles::ExpiringDeny::Accept);
        let asks = async |document| scene.refusal_of(&carol, "document:read", document).await;
        assert_eq!(attach(&scene.root, &reads, Window::ALWAYS, refuse).await, "direct_policies_off");

        let root = scene.switched_on("root", &scene.root);
        let soon = NOON.plus_seconds(60);
        let until = Window { valid_from: None, expires_at: Some(soon) };
        assert_eq!(attach(&root, &reads, until, refuse).await, "ok");
        assert_eq!(attach(&root, &reads, until, refuse).await, "ok");
        assert_eq!(asks("document:plan").await, None);
        world.clock.advance_seconds(60);
        assert_eq!(asks("document:plan").await, Some(Denial::NothingApplies));
        assert_eq!(attach(&root, &reads, Window::ALWAYS, refuse).await, "ok");
        assert_eq!(asks("document:secret/a").await, None);
        assert_eq!(world.events("user.policy_attached").await.len(), 2);

        let later = NOON.plus_seconds(3600);
        let until = Window { valid_from: None, expires_at: Some(later) };
        assert_eq!(attach(&root, &denies, until, refuse).await, "deny_would_expire");
        assert_eq!(attach(&root, &denies, until, accept).await, "ok");
        assert_eq!(asks("document:secret/a").await, Some(Denial::ExplicitDeny));
        let listed = direct::list_direct_policies(&root, &carol).await.unwrap();
        assert_eq!(listed.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["denies", "reads"]);
        assert_eq!(scene.remove(&reads).await.code(), "in_use");

        // Detaching works while it is switched off.
        direct::detach_direct_policy(&scene.root, &carol, &denies).await.unwrap();
        assert_eq!(asks("document:secret/a").await, None);
        let again = direct::detach_direct_policy(&scene.root, &carol, &denies).await;
        assert_eq!(code(again), "not_found");
        assert_eq!(world.events("user.policy_detached").await.len(), 1);
    }
}

#[tokio::test]
async fn who_may_not_grant_any_access_attaches_nothing_to_people_and_does_not_act_on_those_who_have_more() {
    for scene in Scene::both().await {
        let world = &scene.world;
        let statements = [("Allow", "policy:update", "*"), ("Allow", "user:update", "*")];
        let editor = world.role_with("EDITOR", document(&statements)).await;
        world.assign(&scene.admin_id, &editor, Window::ALWAYS).await;
        let all = scene.policy("all", &[ALL]).await;
        let carol = world.user(&world.acme, "carol", None).await;
        let (root, admin) =
            (scene.switched_on("root", &scene.root), scene.switched_on("admin", &scene.admin));
        let attach = async |cx: &Cx, user: &UserId| {
            let denies = roles::ExpiringDeny::Refuse;
            let new =
                NewDirectPolicy { user: user.clone(), policy: all.clone(), window: Window::ALWAYS, denies };
            code(direct::attach_direct_policy(cx, &new).await)
        };

        assert_eq!(attach(&admin, &scene.admin_id).await, "escalation");
        assert_eq!(attach(&admin, &carol).await, "escalation");
        assert!(!roles::outranks(&admin, &carol.cast()).await.unwrap());
        assert_eq!(attach(&root, &carol).await, "ok");
        assert!(roles::outranks(&admin, &carol.cast()).await.unwrap());
        assert_eq!(code(direct::detach_direct_policy(&admin, &carol, &all).await), "escalation");
        let robot: UserId = world.client(&world.acme, "robot", None).await.cast();
        assert_eq!(attach(&root, &robot).await, "not_found");
    }
}

impl Scene {
    /// The same caller in the tenant with direct policies switched on.
    fn switched_on(&self, username: &str, cx: &Cx) -> Cx {
        let config = json!({ "direct_policies": true });
        let tenant = Arc::new(TenantRef { config, ..TenantRef::clone(&self.world.acme) });
        self.world.cx_of(&tenant, &cx.actor().principal().unwrap().0.cast(), username)
    }
}

#[tokio::test]
async fn the_platforms_guardrails_bind_all_tenants_or_one_and_those_may_read_them() {
    for scene in Scene::both().await {
        let world = &scene.world;
        let host =
            Cx::new(world.core.clone(), Place::Platform, Actor::Host { uid: 0 }, RequestContext::none(NOON));
        let other = world.user(&world.rival, "other", Some("SUPER_ADMIN")).await;
        let other_cx = world.cx_of(&world.rival, &other, "other");
        let reads = async |tenant: &Arc<TenantRef>, user: &UserId| {
            crate::world::decides(&world.core, tenant, user, "user:read", &user_name(tenant)).await
        };
        let new = |name: &str, only: Option<&Arc<TenantRef>>, statements: &[(&str, &str, &str)]| {
            NewPlatformGuardrail {
                name: name.to_owned(),
                description: None,
                document: document(statements),
                only_tenant: only.map(|tenant| tenant.id.clone()),
            }
        };
        assert!(reads(&world.acme, &scene.reader).await && reads(&world.rival, &other).await);

        let refused = platform::create(&host, new("none", None, &[("Deny", "user:read", "*")])).await;
        assert_eq!(code(refused), "ceiling_allows_nothing");
        let no_reading = [ALL, ("Deny", "user:read", "*")];
        let one = platform::create(&host, new("one", Some(&world.rival), &no_reading)).await.unwrap();
        assert!(reads(&world.acme, &scene.reader).await && !reads(&world.rival, &other).await);
        let every = platform::create(&host, new("every", None, &no_reading)).await.unwrap();
        assert!(!reads(&world.acme, &scene.reader).await);
        let reader = scene.refusal_of(&scene.reader, "user:read", &user_name(&world.acme)).await;
        assert_eq!(reader, Some(Denial::Guardrail));

        let names = |list: Vec<platform::PlatformGuardrail>| {
            list.into_iter().map(|one| one.name).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names(platform::list_here(&scene.root).await.unwrap()), "every");
        assert_eq!(names(platform::list_here(&other_cx).await.unwrap()), "every one");
        assert_eq!(names(platform::list(&host).await.unwrap()), "every one");
        let theirs = platform::delete(&scene.root, &every.id, &any_version().await).await;
        assert_eq!(code(theirs), "denied");

        let document = Some(document(&[ALL]));
        let change = PlatformGuardrailChange { document, ..PlatformGuardrailChange::default() };
        let changed = platform::update(&host, &every.id, &any_version().await, change).await.unwrap();
        assert_eq!(changed.version, 2);
        assert!(reads(&world.acme, &scene.reader).await && !reads(&world.rival, &other).await);
        platform::delete(&host, &one.id, &any_version().await).await.unwrap();
        assert!(reads(&world.rival, &other).await);
        assert_eq!(code(platform::load(&host, &one.id).await), "not_found");
    }
}

fn user_name(tenant: &TenantRef) -> String {
    Target::all("user").name(Some(tenant.id.as_str())).to_string()
}
