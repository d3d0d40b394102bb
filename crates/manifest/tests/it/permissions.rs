//! Each change is authorised as its own operation, with the caller's permissions.

use base::Kind;

use crate::world::{ACME, World};

const HEAD: &str = "version: 1\ntenant: { code: acme }\n";

/// acme, with boss (Super Admin), adam (Admin) and three whom adam must not touch.
async fn staffed() -> Vec<World> {
    let worlds = World::on_both().await;
    for world in &worlds {
        world.apply(&world.host(), ACME).await;
        let staff = format!(
            "{HEAD}users:\n- {{ username: boss, roles: [SUPER_ADMIN] }}\n- {{ username: adam, roles: [ADMIN] }}\n\
             groups: [{{ name: Top, roles: [SUPER_ADMIN] }}]\n\
             clients: [{{ client_id: robot, type: service, scopes: [signet], roles: [SUPER_ADMIN], secret: {{ env: SECRET }} }}]\n"
        );
        world.apply(&world.host(), &staff).await;
    }
    worlds
}

#[tokio::test]
async fn a_super_admin_applies_to_the_own_tenant_and_to_no_other() {
    for world in staffed().await {
        let boss = world.user("acme", "boss").await;

        let text = format!(
            "{HEAD}roles: [{{ code: writer, permissions: [user:read] }}]\nusers: [{{ username: dave, roles: [writer] }}]\n"
        );
        let answer = world.apply(&boss, &text).await;
        assert!(answer.changed);
        assert_eq!(world.apply(&boss, &text).await.diff, "nothing to change\n");

        let platform = authz::Cx::new(
            world.core.clone(),
            authz::Place::Platform,
            boss.actor().clone(),
            boss.request().clone(),
        );
        for code in ["acme", "elsewhere"] {
            let text = format!("version: 1\ntenant: {{ code: {code} }}\n");
            let refused = world.try_apply(&platform, &text).await.unwrap_err();
            assert_eq!(refused.kind(), Kind::Forbidden, "{code}: {refused:?}");
        }
        let refused = world.service.export(&platform, "acme").await.map_err(base::Problem::from).unwrap_err();
        assert_eq!(refused.kind(), Kind::Forbidden);
    }
}

#[tokio::test]
async fn a_limited_admin_is_stopped_at_the_first_change_that_is_not_theirs() {
    for world in staffed().await {
        let adam = world.user("acme", "adam").await;

        let own = format!("{HEAD}users: [{{ username: dave, password: {{ env: PASSWORD }} }}]\n");
        assert!(world.apply(&adam, &own).await.changed);

        let text = format!(
            "{HEAD}users: [{{ username: erin }}]\nclients:\n- {{ client_id: x, type: public, redirect_uris: ['http://127.0.0.1/cb'] }}\n"
        );
        let refused = world.try_apply(&adam, &text).await.unwrap_err();
        assert_eq!(refused.code(), "denied", "{refused:?}");
        assert!(
            refused.detail().starts_with("f.yaml:5:16: client `x`: you may not `oauth2:create`"),
            "{}",
            refused.detail()
        );
        assert!(refused.decision().is_some());
        assert!(world.user_id("acme", "erin").await.is_none());
        let events = world.events().await;
        assert!(events.iter().any(|event| event == "access.denied"), "{events:?}");
    }
}

#[tokio::test]
async fn h29_nobody_escalates_through_apply() {
    for world in staffed().await {
        let adam = world.user("acme", "adam").await;
        let before = world.service.export(&world.host(), "acme").await.unwrap();
        for rest in [
            "users: [{ username: adam, roles: [ADMIN, SUPER_ADMIN] }]",
            "users: [{ username: mallory, roles: [SUPER_ADMIN] }]",
            "users: [{ username: adam, roles: [ADMIN, enforcement-point] }]",
            "users: [{ username: boss, password: { env: PASSWORD, rotate: true } }]",
            "users: [{ username: boss, email: adam@acme.example }]",
            "users: [{ username: boss, status: locked }]",
            "users: [{ username: boss, roles: [] }]",
            "groups: [{ name: Top, members: [adam] }]",
            "groups: [{ name: Top, roles: [] }]",
            "groups: [{ name: Mine, roles: [SUPER_ADMIN], members: [adam] }]",
            "roles: [{ code: ADMIN, permissions: [role:update] }]",
            "roles: [{ code: USER, parent: SUPER_ADMIN }]",
            "roles: [{ code: mine, parent: SUPER_ADMIN }]",
            "roles: [{ code: USER, policies: [Write documents] }]",
            "policies: [{ name: Read documents, document: { Version: '2012-10-17', Statement: [{ Effect: Allow, Action: '*', Resource: '*' }] } }]",
            "clients: [{ client_id: robot, secret: { env: SECRET, rotate: true } }]",
            "clients: [{ client_id: robot, enabled: false }]",
            "prune: [users]\nusers: [{ username: adam }]",
            "prune: [groups]\ngroups: []",
        ] {
            let refused = world.try_apply(&adam, &format!("{HEAD}{rest}\n")).await;
            let Err(refused) = refused else { panic!("{:?}: {rest}", world.backend) };
            assert_eq!(refused.kind(), Kind::Forbidden, "{rest}: {refused:?}");
            assert!(refused.detail().starts_with("f.yaml"), "{rest}: {}", refused.detail());
        }
        assert_eq!(world.service.export(&world.host(), "acme").await.unwrap(), before, "{:?}", world.backend);
    }
}

#[tokio::test]
async fn those_who_may_nothing_learn_nothing() {
    for world in staffed().await {
        let dave = format!("{HEAD}users: [{{ username: dave }}]\n");
        world.apply(&world.host(), &dave).await;
        let dave = world.user("acme", "dave").await;
        let nobody = dave.with_actor(authz::Actor::Anonymous);

        for text in [HEAD.to_owned(), "not: [yaml".to_owned(), ACME.to_owned()] {
            assert_eq!(world.try_apply(&dave, &text).await.unwrap_err().kind(), Kind::Forbidden, "{text}");
            assert_eq!(world.try_apply(&nobody, &text).await.unwrap_err().kind(), Kind::Unauthenticated);
        }
        let export = world.service.export(&dave, "acme").await.map_err(base::Problem::from).unwrap_err();
        assert_eq!(export.kind(), Kind::Forbidden);
    }
}

#[tokio::test]
async fn pruning_spares_the_caller() {
    for world in staffed().await {
        let boss = world.user("acme", "boss").await;

        let answer =
            world.apply(&boss, &format!("{HEAD}prune: [users]\nusers: [{{ username: alice }}]\n")).await;

        assert!(answer.diff.contains("- user adam\n") && !answer.diff.contains("boss"), "{}", answer.diff);
        assert!(world.user_id("acme", "boss").await.is_some());
        let robot = world.client_id("acme", "robot").await;
        let tenant = world.tenant("acme").await;
        let actor = authz::Actor::Client {
            id: robot,
            tenant: tenant.id.clone(),
            client_id: "robot".to_owned(),
            api: true,
        };
        let robot = boss.with_actor(actor);
        let answer = world.apply(&robot, &format!("{HEAD}prune: [clients]\nclients: []\n")).await;
        assert!(
            answer.diff.contains("- client acme-reporting\n") && !answer.diff.contains("robot"),
            "{}",
            answer.diff
        );
    }
}

#[tokio::test]
async fn a_platform_admin_makes_and_changes_any_tenant() {
    for world in World::on_both().await {
        let admin = world.platform_admin().await;

        let made = world.apply(&admin, ACME).await;
        let again = world.apply(&admin, ACME).await;
        let more = format!(
            "{HEAD}users:\n- {{ username: boss, roles: [SUPER_ADMIN] }}\n- {{ username: alice, status: locked, password: {{ env: PASSWORD, rotate: true }} }}\n\
             roles: [{{ code: viewer, policies: [Write documents] }}]\ngroups: [{{ name: Staff, members: [carol] }}]\n"
        );
        let changed = world.apply(&admin, &more).await;

        assert!(made.changed && changed.changed);
        assert_eq!(again.diff, "nothing to change\n");
        assert!(world.allowed("acme", "boss", "policy:grant_any", "x").await);
        let exported = world.service.export(&admin, "acme").await.unwrap();
        assert_eq!(world.apply(&admin, &exported).await.diff, "nothing to change\n");
        let actors = world
            .texts("SELECT DISTINCT actor_type AS text FROM audit_logs WHERE action = 'tenant.applied'")
            .await;
        assert_eq!(actors, ["user"]);
    }
}
