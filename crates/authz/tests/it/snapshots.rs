//! What is kept in memory follows what is stored.

use authz::roles::{self, Holder, Window};
use authz::{groups, principals};
use serde_json::json;

use crate::world::{World, boot, decides};

const PLAN: &str = "document:plan";

fn reader() -> serde_json::Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Action": "document:read", "Resource": "document:*" }],
    })
}

#[tokio::test]
async fn a_grant_that_is_taken_away_denies_at_once() {
    for world in World::both().await {
        let alice = world.user(&world.acme, "alice", None).await;
        let role = world.role_with("READER", reader()).await;
        assert!(!world.decides(&alice, "document:read", PLAN).await);
        world.assign(&alice, &role, Window::ALWAYS).await;
        assert!(world.decides(&alice, "document:read", PLAN).await);

        let (cx, permit) = world.boot(&world.acme);
        let mut tx = cx.write(&permit).await.unwrap();
        roles::unassign_in(&cx, &mut tx, &permit, &Holder::from(&alice), &role).await.unwrap();
        tx.commit().await.unwrap();

        assert!(!world.decides(&alice, "document:read", PLAN).await);
    }
}

#[tokio::test]
async fn what_is_rolled_back_changes_no_decision() {
    for world in World::both().await {
        let alice = world.user(&world.acme, "alice", None).await;
        let role = world.role_with("READER", reader()).await;

        let (cx, permit) = world.boot(&world.acme);
        let mut tx = cx.write(&permit).await.unwrap();
        roles::assign_in(&cx, &mut tx, &permit, &Holder::from(&alice), &role, Window::ALWAYS).await.unwrap();
        drop(tx);

        assert!(!world.decides(&alice, "document:read", PLAN).await);
    }
}

#[tokio::test]
async fn an_assignment_begins_and_ends_by_the_clock_alone() {
    for world in World::both().await {
        let alice = world.user(&world.acme, "alice", None).await;
        let role = world.role_with("READER", reader()).await;
        let now = world.core.now();
        let window =
            Window { valid_from: Some(now.plus_seconds(10)), expires_at: Some(now.plus_seconds(20)) };
        world.assign(&alice, &role, window).await;

        let mut seen = Vec::new();
        for _ in 0..5 {
            seen.push(world.decides(&alice, "document:read", PLAN).await);
            world.clock.advance_seconds(5);
        }

        assert_eq!(seen, [false, false, true, true, false], "at 0, 5, 10, 15 and 20 seconds");
    }
}

#[tokio::test]
async fn a_role_through_a_group_counts_while_membership_and_assignment_both_do() {
    for world in World::both().await {
        let alice = world.user(&world.acme, "alice", None).await;
        let role = world.role_with("READER", reader()).await;
        let now = world.core.now();
        let at = |seconds| Some(now.plus_seconds(seconds));
        let (cx, permit) = world.boot(&world.acme);
        let mut tx = cx.write(&permit).await.unwrap();
        let new = groups::NewGroup { name: "Writers".to_owned(), description: None };
        let group = groups::create_group_in(&cx, &mut tx, &permit, new).await.unwrap();
        let member = Window { valid_from: at(5), expires_at: at(20) };
        groups::add_member_in(&cx, &mut tx, &permit, &group.id, &alice.cast(), member).await.unwrap();
        let window = Window { valid_from: at(10), expires_at: at(15) };
        roles::assign_in(&cx, &mut tx, &permit, &Holder::from(&group.id), &role, window).await.unwrap();
        let held = roles::list_held(&mut tx, &world.acme.id, &alice.cast()).await.unwrap();
        tx.commit().await.unwrap();

        let mut seen = Vec::new();
        for _ in 0..5 {
            seen.push(world.decides(&alice, "document:read", PLAN).await);
            world.clock.advance_seconds(5);
        }

        assert_eq!(seen, [false, false, true, false, false], "at 0, 5, 10, 15 and 20 seconds");
        assert_eq!(held.len(), 1);
        assert_eq!(held[0].window, window, "the narrower of both windows");
        assert_eq!(held[0].through.as_ref(), Some(&group.id));
    }
}

#[tokio::test]
async fn what_one_node_takes_away_the_other_denies_after_it_looked() {
    for world in World::both().await {
        let alice = world.user(&world.acme, "alice", None).await;
        let role = world.role_with("READER", reader()).await;
        world.assign(&alice, &role, Window::ALWAYS).await;
        let other = world.second_node().await;
        assert!(decides(&other, &world.acme, &alice, "document:read", PLAN).await);

        let (cx, permit) = world.boot(&world.acme);
        let mut tx = cx.write(&permit).await.unwrap();
        roles::unassign_in(&cx, &mut tx, &permit, &Holder::from(&alice), &role).await.unwrap();
        tx.commit().await.unwrap();
        other.refresh_versions().await.unwrap();

        assert!(!decides(&other, &world.acme, &alice, "document:read", PLAN).await);
        other.store().close().await;
    }
}

#[tokio::test]
async fn a_principal_that_is_switched_off_is_denied_everything() {
    for world in World::both().await {
        let alice = world.user(&world.acme, "alice", Some("SUPER_ADMIN")).await;
        let resource = format!("arn:signet:iam::{}:user/x", world.acme.id);
        assert!(world.decides(&alice, "user:read", &resource).await);

        let (cx, permit) = boot(&world.core, &world.acme);
        let mut tx = cx.write(&permit).await.unwrap();
        principals::set_active_in(&mut tx, &permit, &alice.cast(), false).await.unwrap();
        tx.commit_housekeeping().await.unwrap();

        assert!(!world.decides(&alice, "user:read", &resource).await);
    }
}

#[tokio::test]
async fn a_name_of_another_tenant_is_denied_even_to_whoever_may_do_all() {
    for world in World::both().await {
        let alice = world.user(&world.acme, "alice", None).await;
        let all = json!({
            "Version": "2012-10-17",
            "Statement": [{ "Effect": "Allow", "Action": "*", "Resource": "*" }],
        });
        let role = world.role_with("ALL", all).await;
        world.assign(&alice, &role, Window::ALWAYS).await;

        let table = [
            (format!("arn:signet:iam::{}:user/x", world.acme.id), true),
            ("orders/17".to_owned(), true),
            ("arn:aws:s3:::bucket/key".to_owned(), true),
            (format!("arn:signet:iam::{}:user/x", world.rival.id), false),
            ("arn:signet:platform::platform:tenant/x".to_owned(), false),
            ("arn:signet:iam:::user/x".to_owned(), false),
            ("arn:signet:iam".to_owned(), false),
            ("orders/../17".to_owned(), false),
        ];
        for (resource, expected) in table {
            assert_eq!(world.decides(&alice, "user:read", &resource).await, expected, "{resource}");
        }
    }
}
