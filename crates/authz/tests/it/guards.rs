//! What keeps a tenant in order while people change who holds what.

use authz::groups::{self, NewGroup, NewMember};
use authz::principals;
use authz::roles::{self, ExpiringDeny, Holder, NewAssignment, RoleChange, Window};
use authz::{Action, Cx, Error, Target};
use base::Problem;
use base::Timestamp;
use base::id::{GroupId, RoleId, UserId};
use serde_json::{Value, json};

use crate::world::{NOON, World, new_role};

fn code<T>(result: authz::Result<T>) -> String {
    result.map_or_else(|error| Problem::from(error).code().to_owned(), |_| "ok".to_owned())
}

fn after(seconds: i64) -> Timestamp {
    Timestamp::from_micros(NOON.as_micros() + seconds * 1_000_000)
}

fn until(seconds: i64) -> Window {
    Window { valid_from: None, expires_at: Some(after(seconds)) }
}

fn given(holder: impl Into<Holder>, role: &RoleId, window: Window) -> NewAssignment {
    NewAssignment { holder: holder.into(), role: role.clone(), window, denies: ExpiringDeny::Refuse }
}

fn deny() -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Deny", "Action": ["tenant:config"], "Resource": ["*"] }],
    })
}

/// A group with this role and these members, made with the powers of the first start.
async fn group(world: &World, name: &str, role: &RoleId, members: &[&UserId]) -> GroupId {
    let (cx, permit) = world.boot(&world.acme);
    let mut tx = cx.write(&permit).await.unwrap();
    let new = NewGroup { name: name.to_owned(), description: None };
    let group = groups::create_group_in(&cx, &mut tx, &permit, new).await.unwrap();
    let holder = Holder::from(&group.id);
    roles::assign_in(&cx, &mut tx, &permit, &holder, role, Window::ALWAYS).await.unwrap();
    for member in members {
        let id = member.cast();
        groups::add_member_in(&cx, &mut tx, &permit, &group.id, &id, Window::ALWAYS).await.unwrap();
    }
    tx.commit().await.unwrap();
    group.id
}

async fn set_active(world: &World, user: &UserId, active: bool) {
    let (cx, permit) = world.boot(&world.acme);
    let mut tx = cx.write(&permit).await.unwrap();
    principals::set_active_in(&mut tx, &permit, &user.cast(), active).await.unwrap();
    tx.record(&permit, authz::Event::done("user.changed", permit.name()));
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn h29_nobody_hands_on_a_role_for_longer_than_they_hold_it() {
    for world in World::both().await {
        let admin = world.user(&world.acme, "admin", None).await;
        let bob = world.user(&world.acme, "bob", None).await;
        let role = world.role(&world.acme, "ADMIN").await;
        let user = world.role(&world.acme, "USER").await;
        world.assign(&admin, &role, until(3600)).await;
        let team = group(&world, "team", &role, &[]).await;
        let cx = world.cx_of(&world.acme, &admin, "admin");

        for (window, expected) in
            [(Window::ALWAYS, "escalation"), (until(3601), "escalation"), (until(3600), "ok")]
        {
            let to_bob = roles::assign(&cx, None, &given(&bob, &role, window)).await;
            assert_eq!(code(to_bob), expected, "a role for {window:?}");
            let inherited = roles::assign(&cx, None, &given(&bob, &user, window)).await;
            assert_eq!(code(inherited), expected, "an inherited role for {window:?}");
            let new = NewMember { principal_id: bob.cast(), window, denies: ExpiringDeny::Refuse };
            assert_eq!(code(groups::add_member(&cx, &team, &new).await), expected, "a member for {window:?}");
        }
        let own = roles::assign(&cx, None, &given(&admin, &role, until(7200))).await;
        assert_eq!(code(own), "escalation", "one's own for longer");
    }
}

#[tokio::test]
async fn h29_nobody_acts_on_those_above_not_even_with_roles_of_their_own() {
    for world in World::both().await {
        let admin = world.user(&world.acme, "admin", Some("ADMIN")).await;
        let root = world.user(&world.acme, "root", Some("SUPER_ADMIN")).await;
        let limited = world.role_with("LIMITED", deny()).await;
        world.assign(&admin, &limited, Window::ALWAYS).await;
        let team = group(&world, "limited", &limited, &[&root]).await;
        let cx = world.cx_of(&world.acme, &admin, "admin");

        let gives = roles::assign(&cx, None, &given(&root, &limited, Window::ALWAYS)).await;
        let new = NewMember { principal_id: root.cast(), window: until(9), denies: ExpiringDeny::Refuse };
        let adds = groups::add_member(&cx, &team, &new).await;

        assert_eq!(code(gives), "outranked");
        assert_eq!(code(adds), "outranked");
    }
}

#[tokio::test]
async fn h29_nobody_sheds_what_a_role_denies_them() {
    for world in World::both().await {
        let admin = world.user(&world.acme, "admin", Some("ADMIN")).await;
        let limited = world.role_with("LIMITED", deny()).await;
        world.assign(&admin, &limited, Window::ALWAYS).await;
        let team = group(&world, "limited", &limited, &[&admin]).await;
        let cx = world.cx_of(&world.acme, &admin, "admin");
        let later = Window { valid_from: Some(after(60)), expires_at: None };
        let forced = NewAssignment { denies: ExpiringDeny::Accept, ..given(&admin, &limited, until(60)) };
        let member = |window, denies| NewMember { principal_id: admin.cast(), window, denies };

        let refused = [
            code(roles::unassign(&cx, None, &Holder::from(&admin), &limited).await),
            code(roles::unassign(&cx, None, &Holder::from(&team), &limited).await),
            code(roles::assign(&cx, None, &given(&admin, &limited, later)).await),
            code(roles::assign(&cx, None, &forced).await),
            code(groups::remove_member(&cx, &team, &admin.cast()).await),
            code(groups::add_member(&cx, &team, &member(later, ExpiringDeny::Refuse)).await),
            code(groups::add_member(&cx, &team, &member(until(60), ExpiringDeny::Accept)).await),
        ];
        assert_eq!(refused, ["escalation"; 7]);
    }
}

#[tokio::test]
async fn a_deny_ends_with_an_assignment_only_where_that_is_said() {
    for world in World::both().await {
        let root = world.user(&world.acme, "root", Some("SUPER_ADMIN")).await;
        let bob = world.user(&world.acme, "bob", None).await;
        let limited = world.role_with("LIMITED", deny()).await;
        let team = group(&world, "limited", &limited, &[]).await;
        let cx = world.cx_of(&world.acme, &root, "root");
        let plain = given(&bob, &limited, until(60));
        let member = |denies| NewMember { principal_id: bob.cast(), window: until(60), denies };

        assert_eq!(code(roles::assign(&cx, None, &plain).await), "deny_would_expire");
        let forced = NewAssignment { denies: ExpiringDeny::Accept, ..plain };
        assert_eq!(code(roles::assign(&cx, None, &forced).await), "ok");
        let refused = groups::add_member(&cx, &team, &member(ExpiringDeny::Refuse)).await;
        assert_eq!(code(refused), "deny_would_expire");
        assert_eq!(code(groups::add_member(&cx, &team, &member(ExpiringDeny::Accept)).await), "ok");
    }
}

#[tokio::test]
async fn the_last_super_admin_stays_whichever_way_they_have_the_role() {
    for world in World::both().await {
        let root = world.user(&world.acme, "root", Some("SUPER_ADMIN")).await;
        let role = world.role(&world.acme, "SUPER_ADMIN").await;
        let cx = world.cx_of(&world.acme, &root, "root");
        let holder = Holder::from(&root);

        let unassigned = roles::unassign(&cx, None, &holder, &role).await;
        assert_eq!(code(unassigned), "last_super_admin");
        let timed = roles::assign(&cx, None, &given(&root, &role, until(60))).await;
        assert_eq!(code(timed), "last_super_admin");

        // Somebody inactive does not count, and neither does somebody for a while.
        let gone = world.user(&world.acme, "gone", Some("SUPER_ADMIN")).await;
        set_active(&world, &gone, false).await;
        let guest = world.user(&world.acme, "guest", None).await;
        world.assign(&guest, &role, until(60)).await;
        let unassigned = roles::unassign(&cx, None, &holder, &role).await;
        assert_eq!(code(unassigned), "last_super_admin");

        // Through a group one is a Super Admin too, and the group then has the last one.
        let team = group(&world, "roots", &role, &[&root]).await;
        assert_eq!(code(roles::unassign(&cx, None, &holder, &role).await), "ok");
        let member = NewMember { principal_id: root.cast(), window: until(60), denies: ExpiringDeny::Refuse };
        let refused = [
            code(groups::remove_member(&cx, &team, &root.cast()).await),
            code(groups::add_member(&cx, &team, &member).await),
            code(roles::unassign(&cx, None, &Holder::from(&team), &role).await),
            code(roles::assign(&cx, None, &given(&team, &role, until(60))).await),
            code(remove_group(&cx, &team).await),
        ];
        assert_eq!(refused, ["last_super_admin"; 5]);

        set_active(&world, &gone, true).await;
        assert_eq!(code(remove_group(&cx, &team).await), "ok");
    }
}

async fn remove_group(cx: &Cx, group: &GroupId) -> authz::Result<()> {
    let permit = cx.authorize(Action::GroupDelete, &Target::member(group)).await?;
    let mut tx = cx.write(&permit).await?;
    groups::delete_group_in(cx, &mut tx, &permit, group).await?;
    tx.commit().await
}

#[tokio::test]
async fn two_super_admins_who_remove_each_other_at_once_do_not_both_succeed() {
    for world in World::both().await {
        let one = world.user(&world.acme, "one", Some("SUPER_ADMIN")).await;
        let two = world.user(&world.acme, "two", Some("SUPER_ADMIN")).await;
        let role = world.role(&world.acme, "SUPER_ADMIN").await;
        let first = world.cx_of(&world.acme, &one, "one");
        let second = world.cx_of(&world.acme, &two, "two");
        let (left, right) = (Holder::from(&two), Holder::from(&one));

        let (a, b) = tokio::join!(
            roles::unassign(&first, None, &left, &role),
            roles::unassign(&second, None, &right, &role),
        );

        let done = [&a, &b].into_iter().filter(|result| result.is_ok()).count();
        assert_eq!(done, 1, "{a:?} {b:?}");
    }
}

/// Switches somebody off as a signed-in person does.
async fn switch_off(cx: &Cx, user: &UserId) -> authz::Result<()> {
    let permit = cx.authorize(Action::UserUpdate, &Target::member(user)).await?;
    let mut tx = cx.write(&permit).await?;
    principals::set_active_in(&mut tx, &permit, &user.cast(), false).await?;
    tx.record(&permit, authz::Event::done("user.disabled", permit.name()));
    tx.commit().await
}

async fn is_active(world: &World, user: &UserId) -> bool {
    let (cx, permit) = world.boot(&world.acme);
    let mut rx = cx.read(&permit).await.unwrap();
    principals::find(&mut rx, &world.acme.id, &user.cast()).await.unwrap().unwrap().active
}

#[tokio::test]
async fn the_last_super_admin_is_not_switched_off_whichever_way_they_have_the_role() {
    for world in World::both().await {
        let root = world.user(&world.acme, "root", Some("SUPER_ADMIN")).await;
        let role = world.role(&world.acme, "SUPER_ADMIN").await;
        let cx = world.cx_of(&world.acme, &root, "root");
        let bob = world.user(&world.acme, "bob", None).await;
        let guest = world.user(&world.acme, "guest", None).await;
        world.assign(&guest, &role, until(60)).await;

        assert_eq!(code(switch_off(&cx, &root).await), "last_super_admin");
        assert!(is_active(&world, &root).await, "nothing was changed");
        for other in [&bob, &guest] {
            assert_eq!(code(switch_off(&cx, other).await), "ok", "who is none for good");
        }

        group(&world, "roots", &role, &[&root]).await;
        assert_eq!(code(roles::unassign(&cx, None, &Holder::from(&root), &role).await), "ok");
        assert_eq!(code(switch_off(&cx, &root).await), "last_super_admin", "through a group");

        let second = world.user(&world.acme, "second", Some("SUPER_ADMIN")).await;
        assert_eq!(code(switch_off(&cx, &root).await), "ok");
        let cx = world.cx_of(&world.acme, &second, "second");
        assert_eq!(code(switch_off(&cx, &second).await), "last_super_admin");
    }
}

#[tokio::test]
async fn super_admins_who_switch_off_and_unseat_each_other_at_once_do_not_both_succeed() {
    for world in World::both().await {
        for round in 0..10 {
            let one = world.user(&world.acme, &format!("one{round}"), Some("SUPER_ADMIN")).await;
            let two = world.user(&world.acme, &format!("two{round}"), Some("SUPER_ADMIN")).await;
            let role = world.role(&world.acme, "SUPER_ADMIN").await;
            let first = world.cx_of(&world.acme, &one, "one");
            let second = world.cx_of(&world.acme, &two, "two");
            let holder = Holder::from(&one);

            let (a, b) = match round % 2 {
                0 => tokio::join!(switch_off(&first, &two), switch_off(&second, &one)),
                _ => tokio::join!(switch_off(&first, &two), roles::unassign(&second, None, &holder, &role)),
            };

            let done = [&a, &b].into_iter().filter(|result| result.is_ok()).count();
            assert_eq!(done, 1, "{a:?} {b:?}");
            for user in [&one, &two] {
                set_active(&world, user, false).await;
            }
        }
    }
}

#[tokio::test]
async fn one_transaction_may_hand_the_last_super_admin_on_in_any_order() {
    for world in World::both().await {
        let root = world.user(&world.acme, "root", Some("SUPER_ADMIN")).await;
        let bob = world.user(&world.acme, "bob", None).await;
        let role = world.role(&world.acme, "SUPER_ADMIN").await;
        let cx = world.cx_of(&world.acme, &root, "root");
        let permit = cx.authorize(Action::RoleAssign, &Target::member(&role)).await.unwrap();

        let mut tx = cx.write(&permit).await.unwrap();
        roles::unassign_in(&cx, &mut tx, &permit, &Holder::from(&root), &role).await.unwrap();
        let refused = tx.settle().await;
        assert_eq!(code(refused), "last_super_admin", "half of it is judged like all of it");
        drop(tx);

        let mut tx = cx.write(&permit).await.unwrap();
        roles::unassign_in(&cx, &mut tx, &permit, &Holder::from(&root), &role).await.unwrap();
        roles::assign_in(&cx, &mut tx, &permit, &Holder::from(&bob), &role, Window::ALWAYS).await.unwrap();
        assert_eq!(code(tx.commit().await), "ok");

        let cx = world.cx_of(&world.acme, &bob, "bob");
        assert_eq!(code(roles::unassign(&cx, None, &Holder::from(&bob), &role).await), "last_super_admin");
    }
}

#[tokio::test]
async fn what_super_admin_may_do_never_changes() {
    for world in World::both().await {
        let root = world.user(&world.acme, "root", Some("SUPER_ADMIN")).await;
        let cx = world.cx_of(&world.acme, &root, "root");
        let role = world.role(&world.acme, "SUPER_ADMIN").await;

        for change in [
            RoleChange { permissions: Some(Vec::new()), ..RoleChange::default() },
            RoleChange { parent_id: Some(None), ..RoleChange::default() },
        ] {
            assert_eq!(code(update(&cx, &role, change).await), "built_in");
        }
        let renamed = RoleChange { name: Some("超级管理员".to_owned()), ..RoleChange::default() };
        assert_eq!(code(update(&cx, &role, renamed).await), "ok");
    }
}

async fn update(cx: &Cx, role: &RoleId, change: RoleChange) -> authz::Result<()> {
    let permit = cx.authorize(Action::RoleUpdate, &Target::member(role)).await?;
    let mut tx = cx.write(&permit).await?;
    roles::update_role_in(cx, &mut tx, &permit, role, change, None).await?;
    tx.commit().await
}

#[tokio::test]
async fn two_parents_that_would_close_a_ring_do_not_both_succeed() {
    for world in World::both().await {
        let root = world.user(&world.acme, "root", Some("SUPER_ADMIN")).await;
        let cx = world.cx_of(&world.acme, &root, "root");
        for round in 0..20 {
            let one = roles::create_role(&cx, new_role(&format!("ONE{round}"))).await.unwrap();
            let two = roles::create_role(&cx, new_role(&format!("TWO{round}"))).await.unwrap();
            let under = |parent: &RoleId| RoleChange {
                parent_id: Some(Some(parent.clone())),
                ..RoleChange::default()
            };

            let (a, b) =
                tokio::join!(update(&cx, &one.id, under(&two.id)), update(&cx, &two.id, under(&one.id)));

            let refused = [a, b].into_iter().filter_map(Result::err).collect::<Vec<_>>();
            assert!(matches!(refused.as_slice(), [Error::Invalid { code: "role_cycle", .. }]), "{refused:?}");
        }
    }
}
