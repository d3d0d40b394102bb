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
            "policies: [{ name: Read documents, priority: 5 }]",
            "policies: [{ name: Read documents, expression: 'true' }]",
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
            api: authz::Api::Open,
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

#[tokio::test]
async fn h29_a_default_client_is_never_taken_for_the_person_who_has_its_id() {
    for world in World::on_both().await {
        let admin = world.platform_admin().await;
        world.default_clients().await;
        let web = "openidaas-web-client";
        let admin_id = world.user_id("default", "admin").await.unwrap();
        assert_eq!(world.client_id("default", web).await.as_str(), admin_id.as_str());
        let head = "version: 1\ntenant: { code: default }\n";

        let exported = world.service.export(&admin, "default").await.unwrap();
        let clients = exported.split_once("\nclients:").unwrap().1;
        assert!(!clients.contains("SUPER_ADMIN") && !clients.contains("ADMIN"), "{clients}");
        assert_eq!(world.apply(&admin, &exported).await.diff, "nothing to change\n", "{:?}", world.backend);

        let before = world.texts("SELECT role_id AS text FROM user_roles ORDER BY role_id").await;
        let found = format!("found the client `{web}`, which never acts for itself");
        for (rest, place) in [
            (format!("clients: [{{ client_id: {web}, roles: [USER] }}]"), "f.yaml:3:"),
            (format!("groups:\n- {{ name: Robots, members: ['client:{web}'] }}"), "f.yaml:4:"),
        ] {
            let refused = world.try_apply(&admin, &format!("{head}{rest}\n")).await.unwrap_err();
            assert_eq!(refused.code(), "invalid_file", "{rest}: {refused:?}");
            let detail = refused.detail();
            assert!(detail.starts_with(place) && detail.contains(&found), "{rest}: {detail}");
        }
        let acting =
            format!("clients: [{{ client_id: {web}, grant_types: [client_credentials], roles: [USER] }}]");
        let refused = world.try_apply(&admin, &format!("{head}{acting}\n")).await.unwrap_err();
        assert_eq!(refused.kind(), Kind::Conflict, "{refused:?}");

        let none = format!("{head}clients: [{{ client_id: {web}, name: Shop, roles: [] }}]\n");
        world.apply(&admin, &none).await;
        assert_eq!(world.texts("SELECT role_id AS text FROM user_roles ORDER BY role_id").await, before);
        assert!(world.texts("SELECT role_id AS text FROM client_roles").await.is_empty());
    }
}

#[tokio::test]
async fn a_client_that_becomes_a_principal_may_hold_roles_from_then_on() {
    for world in World::on_both().await {
        world.apply(&world.host(), ACME).await;
        let app = |grants: &str, rest: &str| {
            format!(
                "{HEAD}clients: [{{ client_id: app, type: confidential, redirect_uris: ['http://127.0.0.1/cb'], secret: {{ env: SECRET }}, grant_types: [{grants}]{rest} }}]\n"
            )
        };
        let group = "groups: [{ name: Robots, members: ['client:app'] }]\n";
        let (code, both) = ("authorization_code", "authorization_code, client_credentials");

        world.apply(&world.host(), &app(code, "")).await;
        let refused = world.try_apply(&world.host(), &app(code, ", roles: [USER]")).await.unwrap_err();
        assert_eq!(refused.errors()[0].code, "no_principal");
        let text = format!("{}{group}", app(both, ", roles: [USER]"));
        let given = world.apply(&world.host(), &text).await;
        let again = world.apply(&world.host(), &text).await;
        world.apply(&world.host(), &app(code, "")).await;
        let exported = world.service.export(&world.host(), "acme").await.unwrap();

        assert!(given.diff.contains("+USER"), "{}", given.diff);
        assert_eq!(again.diff, "nothing to change\n");
        assert_eq!(world.apply(&world.host(), &exported).await.diff, "nothing to change\n", "{exported}");
    }
}

#[tokio::test]
async fn h29_a_client_that_rests_keeps_its_rank() {
    for world in staffed().await {
        let keeper = format!(
            "{HEAD}roles: [{{ code: keeper, permissions: [tenant:read, role:read, oauth2:read, oauth2:update] }}]\nusers: [{{ username: kim, roles: [keeper] }}]\n"
        );
        world.apply(&world.host(), &keeper).await;
        let resting = format!(
            "{HEAD}clients: [{{ client_id: robot, redirect_uris: ['http://127.0.0.1/cb'], grant_types: [authorization_code] }}]\n"
        );
        world.apply(&world.host(), &resting).await;
        let kim = world.user("acme", "kim").await;

        for rest in ["secret: { env: SECRET, rotate: true }", "grant_types: [client_credentials]"] {
            let text = format!("{HEAD}clients: [{{ client_id: robot, {rest} }}]\n");
            let refused = world.try_apply(&kim, &text).await.unwrap_err();
            assert_eq!(refused.code(), "escalation", "{rest}: {refused:?}");
        }
    }
}

#[tokio::test]
async fn h29_nobody_makes_a_role_above_their_own_the_default_one() {
    for world in staffed().await {
        let keeper = format!(
            "{HEAD}roles: [{{ code: keeper, permissions: [tenant:read, tenant:config] }}]\nusers: [{{ username: kim, roles: [keeper] }}]\n"
        );
        world.apply(&world.host(), &keeper).await;
        let kim = world.user("acme", "kim").await;
        let config = |role: &str| {
            format!("version: 1\ntenant: {{ code: acme, config: {{ default_role: {role} }} }}\n")
        };

        let refused = world.try_apply(&kim, &config("SUPER_ADMIN")).await.unwrap_err();

        assert_eq!(refused.code(), "escalation", "{refused:?}");
        assert!(world.apply(&kim, &config("keeper")).await.changed);
    }
}

#[tokio::test]
async fn a_policys_priority_and_expression_are_applied_exported_and_taken_away() {
    for world in staffed().await {
        let boss = world.user("acme", "boss").await;
        let text = format!(
            "{HEAD}policies:\n- name: Read documents\n  priority: 20\n  expression: |\n    principal.name == 'dave'\n    && action.startsWith('document:')\n"
        );
        let answer = world.apply(&boss, &text).await;
        assert!(answer.diff.contains("priority: 0 -> 20"), "{}", answer.diff);
        assert_eq!(world.apply(&boss, &text).await.diff, "nothing to change\n");

        let exported = world.service.export(&world.host(), "acme").await.unwrap();
        assert!(exported.contains("priority: 20"), "{exported}");
        assert_eq!(world.apply(&world.host(), &exported).await.diff, "nothing to change\n");

        // What the file does not say stays; null takes the expression away.
        let quiet = format!("{HEAD}policies: [{{ name: Read documents, effect: allow }}]\n");
        assert_eq!(world.apply(&boss, &quiet).await.diff, "nothing to change\n");
        let back = format!("{HEAD}policies: [{{ name: Read documents, priority: 0, expression: null }}]\n");
        let answer = world.apply(&boss, &back).await;
        assert_eq!(answer.changes[0].details.len(), 2, "{}", answer.diff);
        let wide = format!(
            "{HEAD}policies: [{{ name: Wide, document: {{ Version: '2012-10-17', Statement: [{{ Effect: Allow, NotAction: 'x:y', Resource: 'z' }}] }} }}]\n"
        );
        let refused = world.try_apply(&boss, &wide).await.unwrap_err();
        assert_eq!(refused.code(), "needs_acknowledgement", "{refused:?}");
        let knowing = wide.replace("name: Wide,", "name: Wide, acknowledge: [allow_not_action],");
        assert!(world.apply(&boss, &knowing).await.changed);
        assert_eq!(world.apply(&boss, &wide).await.diff, "nothing to change\n");
        let exported = world.service.export(&world.host(), "acme").await.unwrap();
        assert!(exported.contains("allow_not_action"), "{exported}");
        let made = format!(
            "{HEAD}policies: [{{ name: New, document: {{ Version: '2012-10-17', Statement: [{{ Effect: Deny, Action: 'x:y', Resource: '*' }}] }}, priority: 7, expression: 'principal.mfa' }}]\n"
        );
        assert!(world.apply(&boss, &made).await.diff.contains("priority: 7"));
        assert_eq!(world.apply(&boss, &made).await.diff, "nothing to change\n");
    }
}

#[tokio::test]
async fn h29_nobody_gains_through_apply_by_values_that_policies_ask_about() {
    for world in staffed().await {
        let (boss, adam) = (world.user("acme", "boss").await, world.user("acme", "adam").await);
        let eve = format!("{HEAD}users: [{{ username: eve, attributes: {{ team: red }} }}]\n");
        assert!(world.apply(&adam, &eve).await.changed);
        let asks = format!(
            "{HEAD}policies: [{{ name: Team, document: {{ Version: '2012-10-17', Statement: [{{ Effect: Allow, Action: 'x:y', Resource: '*', Condition: {{ StringEquals: {{ 'aws:PrincipalTag/Team': blue }} }} }}] }} }}]\n"
        );
        world.apply(&boss, &asks).await;

        let blue = eve.replace("red", "blue");
        for text in [&blue, &blue.replace("eve", "puppet")] {
            let refused = world.try_apply(&adam, text).await.unwrap_err();
            assert_eq!(refused.code(), "escalation", "{refused:?}");
        }
        assert!(world.apply(&boss, &blue).await.changed);
    }
}
