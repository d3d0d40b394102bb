//! Hostile test 29: nobody hands on access that they do not have.

use authz::groups::{self, NewGroup};
use authz::policies::{self, NewPolicy, PolicyChange};
use authz::roles::{self, Holder, RoleChange, Window};
use authz::{Action, Cx, Error, Permit, Target, Tx};
use serde_json::json;
use store::Sql;

use crate::world::{World, new_role};

fn all() -> serde_json::Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Action": "*", "Resource": "*" }],
    })
}

/// Runs one verb as a person, in a transaction that is rolled back.
async fn attempt(
    world: &World,
    cx: &Cx,
    verb: impl AsyncFnOnce(&Cx, &mut Tx, &Permit) -> authz::Result<()>,
) -> authz::Result<()> {
    let permit = cx.authorize(Action::RoleAssign, &Target::Member("role", "any".to_owned())).await.unwrap();
    let mut tx = cx.write(&permit).await.unwrap();
    assert_eq!(permit.tenant(), Some(&world.acme.id));
    verb(cx, &mut tx, &permit).await
}

fn escalates(result: authz::Result<()>) -> bool {
    match result {
        Ok(()) => false,
        Err(Error::Escalation(_)) => true,
        Err(other) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn h29_an_admin_hands_on_only_roles_among_their_own() {
    for world in World::both().await {
        let admin = world.user(&world.acme, "admin", Some("ADMIN")).await;
        let root = world.user(&world.acme, "root", Some("SUPER_ADMIN")).await;
        let bob = world.user(&world.acme, "bob", None).await;
        let custom = world.role_with("CUSTOM", all()).await;

        for (person, name, code, refused) in [
            (&admin, "admin", "USER", false),
            (&admin, "admin", "ADMIN", false),
            (&admin, "admin", "SUPER_ADMIN", true),
            (&admin, "admin", "CUSTOM", true),
            (&root, "root", "SUPER_ADMIN", false),
            (&root, "root", "CUSTOM", false),
        ] {
            let cx = world.cx_of(&world.acme, person, name);
            let role = world.role(&world.acme, code).await;
            let done = attempt(&world, &cx, async |cx, tx, permit| {
                roles::assign_in(cx, tx, permit, &Holder::from(&bob), &role, Window::ALWAYS).await
            });
            assert_eq!(escalates(done.await), refused, "{name} gives {code}");
        }
        assert!(!custom.as_str().is_empty());
    }
}

#[tokio::test]
async fn h29_an_admin_cannot_take_a_role_from_those_above() {
    for world in World::both().await {
        let admin = world.user(&world.acme, "admin", Some("ADMIN")).await;
        let root = world.user(&world.acme, "root", Some("SUPER_ADMIN")).await;
        let cx = world.cx_of(&world.acme, &admin, "admin");
        let role = world.role(&world.acme, "SUPER_ADMIN").await;

        let done = attempt(&world, &cx, async |cx, tx, permit| {
            roles::unassign_in(cx, tx, permit, &Holder::from(&root), &role).await
        });

        assert!(escalates(done.await));
    }
}

#[tokio::test]
async fn h29_an_admin_can_make_or_change_nothing_that_says_what_is_permitted() {
    for world in World::both().await {
        let admin = world.user(&world.acme, "admin", Some("ADMIN")).await;
        let cx = world.cx_of(&world.acme, &admin, "admin");
        let custom = world.role_with("CUSTOM", all()).await;
        let own = world.role(&world.acme, "ADMIN").await;
        let policy = {
            let (cx, permit) = world.boot(&world.acme);
            let mut rx = cx.read(&permit).await.unwrap();
            policies::list_policies(&mut rx, &world.acme.id).await.unwrap().remove(0)
        };

        let refused = [
            escalates(
                attempt(&world, &cx, async |cx, tx, permit| {
                    roles::create_role_in(cx, tx, permit, new_role("MINE")).await.map(drop)
                })
                .await,
            ),
            escalates(
                attempt(&world, &cx, async |cx, tx, permit| {
                    let permissions = Some(vec!["tenant:config".to_owned()]);
                    let change = RoleChange { permissions, ..RoleChange::default() };
                    roles::update_role_in(cx, tx, permit, &own, change, None).await.map(drop)
                })
                .await,
            ),
            escalates(
                attempt(&world, &cx, async |cx, tx, permit| {
                    let change =
                        RoleChange { parent_id: Some(Some(custom.clone())), ..RoleChange::default() };
                    roles::update_role_in(cx, tx, permit, &own, change, None).await.map(drop)
                })
                .await,
            ),
            escalates(
                attempt(&world, &cx, async |cx, tx, permit| {
                    roles::set_policies_in(cx, tx, permit, &own, std::slice::from_ref(&policy.id)).await
                })
                .await,
            ),
            escalates(
                attempt(&world, &cx, async |cx, tx, permit| {
                    roles::delete_role_in(cx, tx, permit, &custom).await
                })
                .await,
            ),
            escalates(
                attempt(&world, &cx, async |cx, tx, permit| {
                    let new = NewPolicy { document: Some(all()), ..NewPolicy::named("mine") };
                    policies::create_policy_in(cx, tx, permit, new).await.map(drop)
                })
                .await,
            ),
            escalates(
                attempt(&world, &cx, async |cx, tx, permit| {
                    let change = PolicyChange { document: Some(all()), ..PolicyChange::default() };
                    policies::update_policy_in(cx, tx, permit, &policy.id, change, None).await.map(drop)
                })
                .await,
            ),
            escalates(
                attempt(&world, &cx, async |cx, tx, permit| {
                    policies::delete_policy_in(cx, tx, permit, &policy.id).await
                })
                .await,
            ),
        ];

        assert_eq!(refused, [true; 8]);
    }
}

#[tokio::test]
async fn h29_a_group_hands_on_its_roles_and_so_asks_for_them() {
    for world in World::both().await {
        let admin = world.user(&world.acme, "admin", Some("ADMIN")).await;
        let cx = world.cx_of(&world.acme, &admin, "admin");
        let (boot, permit) = world.boot(&world.acme);
        let mut tx = boot.write(&permit).await.unwrap();
        let mut made = Vec::new();
        for (name, code) in [("low", "USER"), ("high", "SUPER_ADMIN")] {
            let new = NewGroup { name: name.to_owned(), description: None };
            let group = groups::create_group_in(&boot, &mut tx, &permit, new).await.unwrap();
            let role = roles::find_role_by_code(&mut tx, &world.acme.id, code).await.unwrap().unwrap();
            roles::assign_in(&boot, &mut tx, &permit, &Holder::from(&group.id), &role.id, Window::ALWAYS)
                .await
                .unwrap();
            made.push(group.id);
        }
        tx.commit().await.unwrap();

        for (group, refused) in [(&made[0], false), (&made[1], true)] {
            let added = attempt(&world, &cx, async |cx, tx, permit| {
                groups::add_member_in(cx, tx, permit, group, &admin.cast(), Window::ALWAYS).await
            });
            assert_eq!(escalates(added.await), refused, "adding to {group}");
            let deleted = attempt(&world, &cx, async |cx, tx, permit| {
                groups::delete_group_in(cx, tx, permit, group).await
            });
            assert_eq!(escalates(deleted.await), refused, "deleting {group}");
        }
    }
}

#[tokio::test]
async fn h29_whoever_holds_a_role_above_ones_own_outranks() {
    for world in World::both().await {
        let admin = world.user(&world.acme, "admin", Some("ADMIN")).await;
        let root = world.user(&world.acme, "root", Some("SUPER_ADMIN")).await;
        let user = world.user(&world.acme, "user", Some("USER")).await;
        let nobody = world.user(&world.acme, "nobody", None).await;
        let people = [("admin", &admin), ("root", &root), ("user", &user), ("nobody", &nobody)];

        for (name, person, above) in [
            ("admin", &admin, vec!["root"]),
            ("root", &root, vec![]),
            ("user", &user, vec!["admin", "root"]),
            ("nobody", &nobody, vec!["admin", "root", "user"]),
        ] {
            let cx = world.cx_of(&world.acme, person, name);
            let mut found = Vec::new();
            for (other, id) in people {
                if roles::outranks(&cx, &id.cast()).await.unwrap() {
                    found.push(other);
                }
            }
            assert_eq!(found, above, "above {name}");
        }
    }
}

#[tokio::test]
async fn h29_whoever_a_resources_policy_names_stands_above_those_whom_it_does_not_name() {
    for world in World::both().await {
        let admin = world.user(&world.acme, "admin", Some("ADMIN")).await;
        let admin_cx = world.cx_of(&world.acme, &admin, "admin");
        let root = world.user(&world.acme, "root", Some("SUPER_ADMIN")).await;
        let root_cx = world.cx_of(&world.acme, &root, "root");
        let keeper = world.user(&world.acme, "keeper", None).await;
        let robot = world.client(&world.acme, "robot", None).await;
        let new = authz::resources::NewResource {
            name: "document:plan".to_owned(),
            ..authz::resources::NewResource::default()
        };
        let plan = authz::resources::create_resource(&root_cx, new).await.unwrap();
        let name = |kind: &str, id: &str| format!("arn:signet:iam::{}:{kind}/{id}", world.acme.id);
        let (of_admin, of_keeper) = (name("user", admin.as_str()), name("user", keeper.as_str()));
        let of_robot = name("client", robot.as_str());
        let any = crate::world::any_version().await;
        let mut above = Vec::new();
        for (place, (effect, element, named)) in [
            ("Allow", "Principal", json!({ "Signet": of_admin })),
            ("Allow", "Principal", json!({ "Signet": of_keeper })),
            ("Allow", "Principal", json!({ "Signet": [of_keeper, of_admin] })),
            ("Allow", "Principal", json!("*")),
            ("Deny", "Principal", json!({ "Signet": [of_keeper, of_robot] })),
            ("Deny", "NotPrincipal", json!({ "Signet": of_keeper })),
            ("Deny", "NotPrincipal", json!({ "Signet": [of_keeper, of_admin] })),
            ("Allow", "Principal", json!({ "Signet": of_robot })),
        ]
        .into_iter()
        .enumerate()
        {
            let statement =
                json!({ "Effect": effect, "Action": "document:read", "Resource": "*", element: named });
            let document = json!({ "Version": "2012-10-17", "Statement": [statement] });
            let if_match = (place > 0).then_some(&any);
            authz::resources::set_resource_policy(&root_cx, &plan.id, if_match, &document).await.unwrap();
            let keeper = roles::outranks(&admin_cx, &keeper.cast()).await.unwrap();
            above.push((keeper, roles::outranks(&admin_cx, &robot.cast()).await.unwrap()));
            assert!(!roles::outranks(&root_cx, &robot.cast()).await.unwrap(), "who may grant any access");
        }

        let (neither, keeper, robot) = ((false, false), (true, false), (false, true));
        assert_eq!(above, [neither, keeper, neither, neither, neither, keeper, neither, robot]);
    }
}

#[tokio::test]
async fn h29_no_role_of_a_tenant_reaches_up_to_those_who_run_the_platform() {
    for world in World::both().await {
        let owner = world.user(&world.acme, "owner", Some("USER")).await;
        let root = world.user(&world.acme, "root", Some("SUPER_ADMIN")).await;
        let platform = world.core.system(authz::Place::Platform);
        let mut tx = platform.write(&platform.purpose(authz::Purpose::Bootstrap)).await.unwrap();
        let sql = Sql::new("INSERT INTO platform_roles (principal_id, role) VALUES ($1, 'platform_admin')");
        tx.execute(sql.bind(&owner)).await.unwrap();
        tx.commit_housekeeping().await.unwrap();

        let root_cx = world.cx_of(&world.acme, &root, "root");
        let host = root_cx.with_actor(authz::Actor::Host { uid: 0 });
        let own = world.cx_of(&world.acme, &owner, "owner");

        assert!(roles::outranks(&root_cx, &owner.cast()).await.unwrap());
        assert!(!roles::outranks(&host, &owner.cast()).await.unwrap());
        assert!(!roles::outranks(&own, &owner.cast()).await.unwrap());
        assert_eq!(world.events("access.outranked").await.len(), 1);
    }
}

#[tokio::test]
async fn h29_a_refused_escalation_is_in_the_log_although_its_transaction_is_not() {
    for world in World::both().await {
        let admin = world.user(&world.acme, "admin", Some("ADMIN")).await;
        let cx = world.cx_of(&world.acme, &admin, "admin");
        let role = world.role(&world.acme, "SUPER_ADMIN").await;

        let done = attempt(&world, &cx, async |cx, tx, permit| {
            roles::assign_in(cx, tx, permit, &Holder::from(&admin), &role, Window::ALWAYS).await
        });

        assert!(escalates(done.await));
        let events = world.events("access.escalation_refused").await;
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].result, "DENIED");
        assert_eq!(events[0].details["action"], "role:assign");
    }
}

/// The documents and expressions by which `world` asks about something besides action and resource.
async fn policy_that_asks(world: &World, document: serde_json::Value, expression: Option<&str>) {
    let (cx, permit) = world.boot(&world.acme);
    let mut tx = cx.write(&permit).await.unwrap();
    let new = NewPolicy {
        document: Some(document),
        expression: expression.map(str::to_owned),
        ..NewPolicy::named("asks")
    };
    policies::create_policy_in(&cx, &mut tx, &permit, new).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn h29_memberships_that_policies_ask_about_need_the_right_to_grant_any() {
    for (condition, expression, roles_too) in [
        (json!({ "ForAnyValue:StringEquals": { "aws:groups": "g" } }), None, false),
        (json!({ "Bool": { "aws:SecureTransport": "true" } }), Some("'r' in principal.roles"), true),
    ] {
        for world in World::both().await {
            let admin = world.user(&world.acme, "admin", Some("ADMIN")).await;
            let cx = world.cx_of(&world.acme, &admin, "admin");
            let bob = world.user(&world.acme, "bob", None).await;
            let user = world.role(&world.acme, "USER").await;
            let group = {
                let (cx, permit) = world.boot(&world.acme);
                let mut tx = cx.write(&permit).await.unwrap();
                let new = NewGroup { name: "Plain".to_owned(), description: None };
                let group = groups::create_group_in(&cx, &mut tx, &permit, new).await.unwrap();
                tx.commit().await.unwrap();
                group
            };
            let join = async |cx: &Cx, tx: &mut Tx, permit: &Permit| {
                groups::add_member_in(cx, tx, permit, &group.id, &bob.cast(), Window::ALWAYS).await
            };
            let give = async |cx: &Cx, tx: &mut Tx, permit: &Permit| {
                roles::assign_in(cx, tx, permit, &Holder::from(&bob), &user, Window::ALWAYS).await
            };
            assert!(!escalates(attempt(&world, &cx, &join).await), "nobody asks yet");
            assert!(!escalates(attempt(&world, &cx, &give).await), "nobody asks yet");

            let document = json!({
                "Version": "2012-10-17",
                "Statement": [{ "Effect": "Allow", "Action": "a:b", "Resource": "*", "Condition": condition }],
            });
            policy_that_asks(&world, document, expression).await;

            assert!(escalates(attempt(&world, &cx, &join).await));
            assert_eq!(escalates(attempt(&world, &cx, &give).await), roles_too);
            let root = world.user(&world.acme, "root", Some("SUPER_ADMIN")).await;
            let root = world.cx_of(&world.acme, &root, "root");
            assert!(!escalates(attempt(&world, &root, &join).await));
            assert!(!escalates(attempt(&world, &root, &give).await));
        }
    }
}
