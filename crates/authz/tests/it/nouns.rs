//! Roles, policies, groups and resources as they are written and read back.

use std::collections::BTreeMap;

use authz::groups::{self, GroupChange, NewGroup};
use authz::policies::{self, NewPolicy, PolicyChange};
use authz::resources::{self, NewResource, ResourceChange};
use authz::roles::{self, Holder, RoleChange, Window};
use authz::{Cx, Error, Listing, Permit, Tx};
use base::Problem;
use serde_json::{Value, json};
use store::Sql;

use crate::world::{World, new_role};

fn document(effect: &str) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": effect, "Action": ["document:read"], "Resource": ["document:*"] }],
    })
}

fn new_policy(name: &str, document: Value) -> NewPolicy {
    NewPolicy { document: Some(document), ..NewPolicy::named(name) }
}

/// The pointer and code of a refusal, or `Ok`.
fn refusal<T>(result: authz::Result<T>) -> String {
    match result {
        Ok(_) => "Ok".to_owned(),
        Err(Error::Invalid { pointer, code, .. }) => format!("{pointer} {code}"),
        Err(error) => Problem::from(error).code().to_owned(),
    }
}

async fn begin(world: &World) -> (Cx, Permit, Tx) {
    let (cx, permit) = world.boot(&world.acme);
    let tx = cx.write(&permit).await.unwrap();
    (cx, permit, tx)
}

#[tokio::test]
async fn a_new_tenant_has_three_roles_and_26_permissions() {
    for world in World::both().await {
        let (cx, permit) = world.boot(&world.acme);
        let mut rx = cx.read(&permit).await.unwrap();
        let mut roles = roles::list_roles(&mut rx, &world.acme.id).await.unwrap();
        roles.sort_by_key(|role| role.created_at);
        let counted = Sql::new("SELECT count(*) FROM permissions WHERE tenant_id = $1 AND resource = $2");
        let mut groups = Vec::new();
        for noun in ["user", "role", "tenant", "oauth2", "audit", "system"] {
            groups.push(rx.one::<i64>(counted.clone().bind(&world.acme.id).bind(noun)).await.unwrap());
        }

        let seen: Vec<(&str, &str, usize)> =
            roles.iter().map(|r| (r.id.as_str(), r.code.as_str(), r.permissions.len())).collect();
        let ids = roles::FIXED_IDS;
        assert_eq!(seen, [(ids[0], "SUPER_ADMIN", 23), (ids[1], "ADMIN", 11), (ids[2], "USER", 3)]);
        assert_eq!(roles[0].parent_id.as_ref(), Some(&roles[1].id));
        assert_eq!(roles[1].parent_id.as_ref(), Some(&roles[2].id));
        assert!(roles[0].created_at < roles[1].created_at && roles[1].created_at < roles[2].created_at);
        assert_eq!(groups, [8, 5, 5, 4, 2, 2]);
    }
}

#[tokio::test]
async fn a_role_reads_back_as_it_was_written_and_changes_by_version() {
    for world in World::both().await {
        let (cx, permit, mut tx) = begin(&world).await;
        let user = roles::find_role_by_code(&mut tx, &world.acme.id, "USER").await.unwrap().unwrap();
        let new = roles::NewRole {
            description: Some("Reads".to_owned()),
            parent_id: Some(user.id.clone()),
            permissions: vec!["user:read".to_owned(), "audit:read".to_owned(), "user:read".to_owned()],
            ..new_role("READER")
        };
        let made = roles::create_role_in(&cx, &mut tx, &permit, new).await.unwrap();
        let policy = policies::create_policy_in(&cx, &mut tx, &permit, new_policy("p", document("Allow")));
        let policy = policy.await.unwrap();
        roles::set_policies_in(&cx, &mut tx, &permit, &made.id, std::slice::from_ref(&policy.id))
            .await
            .unwrap();

        let read = roles::find_role(&mut tx, &world.acme.id, &made.id).await.unwrap().unwrap();
        assert_eq!(read.permissions, ["user:read", "audit:read"]);
        assert_eq!(read, roles::Role { policies: vec![policy.id.clone()], ..made.clone() });

        let change = RoleChange { description: Some(None), ..RoleChange::default() };
        let changed =
            roles::update_role_in(&cx, &mut tx, &permit, &made.id, change.clone(), Some(1)).await.unwrap();
        assert_eq!((changed.version, changed.description), (2, None));
        let stale = roles::update_role_in(&cx, &mut tx, &permit, &made.id, change, Some(1)).await;
        assert_eq!(refusal(stale), "stale");
        let used = policies::delete_policy_in(&cx, &mut tx, &permit, &policy.id).await;
        assert_eq!(refusal(used), "in_use");
        roles::set_policies_in(&cx, &mut tx, &permit, &made.id, &[]).await.unwrap();
        policies::delete_policy_in(&cx, &mut tx, &permit, &policy.id).await.unwrap();
        roles::delete_role_in(&cx, &mut tx, &permit, &made.id).await.unwrap();
        assert_eq!(roles::find_role(&mut tx, &world.acme.id, &made.id).await.unwrap(), None);
        let built_in = roles::delete_role_in(&cx, &mut tx, &permit, &user.id).await;
        assert_eq!(refusal(built_in), "built_in");
        tx.commit().await.unwrap();
    }
}

#[tokio::test]
async fn a_role_that_cannot_be_is_refused_with_its_place() {
    for world in World::both().await {
        let rival = world.role(&world.rival, "USER").await;
        for (new, expected) in [
            (
                roles::NewRole { permissions: vec!["user:read".into(), "user:fly".into()], ..new_role("A") },
                "/permissions/1 unknown_permission",
            ),
            (roles::NewRole { parent_id: Some(rival), ..new_role("A") }, "/parent_id unknown_role"),
            (new_role("no spaces"), "/code invalid_code"),
            (roles::NewRole { name: String::new(), ..new_role("A") }, "/name invalid_name"),
            (new_role("ADMIN"), "name_taken"),
            (roles::NewRole { name: "Admin".into(), ..new_role("A") }, "name_taken"),
        ] {
            let (cx, permit, mut tx) = begin(&world).await;

            let result = roles::create_role_in(&cx, &mut tx, &permit, new).await;

            assert_eq!(refusal(result), expected);
        }
    }
}

#[tokio::test]
async fn roles_form_no_ring_and_inherit_at_most_ten_deep() {
    for world in World::both().await {
        let (cx, permit, mut tx) = begin(&world).await;
        let mut chain = Vec::new();
        for level in 0..10 {
            let parent_id = chain.last().map(|role: &roles::Role| role.id.clone());
            let new = roles::NewRole { parent_id, ..new_role(&format!("R{level}")) };
            chain.push(roles::create_role_in(&cx, &mut tx, &permit, new).await.unwrap());
        }
        tx.commit().await.unwrap();

        let (cx, permit, mut tx) = begin(&world).await;
        let new = roles::NewRole { parent_id: Some(chain[9].id.clone()), ..new_role("R10") };
        let deep = roles::create_role_in(&cx, &mut tx, &permit, new).await;
        assert_eq!(refusal(deep), "/parent_id role_too_deep");
        drop(tx);

        let (cx, permit, mut tx) = begin(&world).await;
        let change = RoleChange { parent_id: Some(Some(chain[9].id.clone())), ..RoleChange::default() };
        let ring = roles::update_role_in(&cx, &mut tx, &permit, &chain[0].id, change, None).await;
        assert_eq!(refusal(ring), "/parent_id role_cycle");
    }
}

#[tokio::test]
async fn a_policy_names_each_mistake_and_no_other_tenant() {
    for world in World::both().await {
        let own = world.acme.id.as_str();
        let with = |resource: String| {
            let mut document = document("Allow");
            document["Statement"][0]["Resource"] = json!(["document:*", resource]);
            document
        };
        let table = [
            (json!({ "Version": "2012-10-17" }), vec!["/document"]),
            (with("arn:signet:iam::tenant-rival:user/*".into()), vec!["/document/Statement/0/Resource/1"]),
            (with("arn:signet:platform::platform:*".into()), vec!["/document/Statement/0/Resource/1"]),
            (with("arn:signet:iam:::user/*".into()), vec!["/document/Statement/0/Resource/1"]),
            (with(format!("arn:signet:iam::{own}:user/*")), vec![]),
            (with("arn:signet:iam::*:user/*".into()), vec![]),
            (with("arn:aws:s3:::bucket/*".into()), vec![]),
        ];
        for (document, expected) in table {
            let (cx, permit, mut tx) = begin(&world).await;

            let result =
                policies::create_policy_in(&cx, &mut tx, &permit, new_policy("p", document.clone())).await;

            let pointers: Vec<String> = match result {
                Ok(_) => Vec::new(),
                Err(error) => Problem::from(error).errors().iter().map(|e| e.pointer.clone()).collect(),
            };
            assert_eq!(pointers, expected, "{document}");
        }
    }
}

#[tokio::test]
async fn policies_read_back_in_canonical_form_and_by_name_in_any_case() {
    for world in World::both().await {
        let (cx, permit, mut tx) = begin(&world).await;
        let short = json!({
            "Version": "2012-10-17",
            "Statement": { "Effect": "Allow", "Action": "document:read", "Resource": "document:*" },
        });
        let made =
            policies::create_policy_in(&cx, &mut tx, &permit, new_policy("Readers", short)).await.unwrap();
        assert_eq!(made.document, Some(document("Allow")));
        let found = policies::find_policy_by_name(&mut tx, &world.acme.id, "READERS").await.unwrap();
        assert_eq!(found, Some(made.clone()));
        let change = PolicyChange { document: Some(document("Deny")), ..PolicyChange::default() };
        let changed =
            policies::update_policy_in(&cx, &mut tx, &permit, &made.id, change, Some(1)).await.unwrap();
        let listed = policies::list_policies(&mut tx, &world.acme.id).await.unwrap();
        assert_eq!(listed, [changed]);
        let taken =
            policies::create_policy_in(&cx, &mut tx, &permit, new_policy("readers", document("Allow")));
        assert_eq!(refusal(taken.await), "name_taken");
    }
}

#[tokio::test]
async fn what_denies_is_not_given_for_a_time() {
    for world in World::both().await {
        let alice = world.user(&world.acme, "alice", None).await;
        let denier = world.role_with("DENIER", document("Deny")).await;
        let (cx, permit, mut tx) = begin(&world).await;
        let new = roles::NewRole { parent_id: Some(denier), ..new_role("CHILD") };
        let child = roles::create_role_in(&cx, &mut tx, &permit, new).await.unwrap();
        let window = Window { valid_from: None, expires_at: Some(cx.now().plus_seconds(60)) };
        let holder = Holder::from(&alice);

        let timed = roles::assign_in(&cx, &mut tx, &permit, &holder, &child.id, window).await;
        assert_eq!(refusal(timed), "/expires_at deny_would_expire");
        let always = roles::assign_in(&cx, &mut tx, &permit, &holder, &child.id, Window::ALWAYS).await;
        assert_eq!(refusal(always), "Ok");
        let empty = Window { valid_from: window.expires_at, expires_at: window.expires_at };
        let never = roles::assign_in(&cx, &mut tx, &permit, &holder, &child.id, empty).await;
        assert_eq!(refusal(never), "/expires_at empty_window");
    }
}

#[tokio::test]
async fn a_role_of_one_tenant_cannot_be_given_in_another() {
    for world in World::both().await {
        let alice = world.user(&world.acme, "alice", None).await;
        let stranger = world.user(&world.rival, "eve", None).await;
        let theirs = world.role(&world.rival, "USER").await;
        let ours = world.role(&world.acme, "USER").await;
        let (cx, permit, mut tx) = begin(&world).await;

        for (holder, role) in [(&alice, &theirs), (&stranger, &ours)] {
            let result =
                roles::assign_in(&cx, &mut tx, &permit, &Holder::from(holder), role, Window::ALWAYS).await;
            assert_eq!(refusal(result), "not_found");
        }
    }
}

#[tokio::test]
async fn resources_form_a_tree_of_names_that_are_the_tenants_own() {
    for world in World::both().await {
        let (cx, permit, mut tx) = begin(&world).await;
        let tags = BTreeMap::from([("team/部门".to_owned(), "blue".to_owned())]);
        let new = NewResource { name: "document:docs".into(), kind: "folder".into(), tags, parent_id: None };
        let root = resources::create_resource_in(&cx, &mut tx, &permit, new).await.unwrap();
        let new = NewResource {
            name: "document:docs/plan".into(),
            parent_id: Some(root.id.clone()),
            ..NewResource::default()
        };
        let leaf = resources::create_resource_in(&cx, &mut tx, &permit, new).await.unwrap();

        let listed = resources::list_resources(&mut tx, &world.acme.id, None).await.unwrap();
        assert_eq!(listed, [root.clone(), leaf.clone()]);
        let rest = resources::list_resources(&mut tx, &world.acme.id, Some("document:docs")).await.unwrap();
        assert_eq!(rest, std::slice::from_ref(&leaf));
        let held = resources::delete_resource_in(&cx, &mut tx, &permit, &root.id).await;
        assert_eq!(refusal(held), "in_use");
        for (name, expected) in
            [("arn:signet:iam::tenant-rival:user/x", "/name foreign_name"), ("a//b", "/name invalid_name")]
        {
            let new = NewResource { name: name.into(), ..NewResource::default() };
            assert_eq!(refusal(resources::create_resource_in(&cx, &mut tx, &permit, new).await), expected);
        }
        let change = ResourceChange { parent_id: Some(Some(leaf.id.clone())), ..ResourceChange::default() };
        let ring = resources::update_resource_in(&cx, &mut tx, &permit, &root.id, change, None).await;
        assert_eq!(refusal(ring), "/parent_id resource_cycle");
    }
}

#[tokio::test]
async fn every_inner_verb_records_exactly_one_event() {
    for world in World::both().await {
        let alice = world.user(&world.acme, "alice", None).await;
        let (cx, permit, mut tx) = begin(&world).await;
        let mut seen = vec![tx.events_recorded()];
        let mut note = |tx: &Tx| seen.push(tx.events_recorded());

        let role = roles::create_role_in(&cx, &mut tx, &permit, new_role("R")).await.unwrap();
        note(&tx);
        roles::update_role_in(&cx, &mut tx, &permit, &role.id, RoleChange::default(), None).await.unwrap();
        note(&tx);
        let policy = policies::create_policy_in(&cx, &mut tx, &permit, new_policy("p", document("Allow")));
        let policy = policy.await.unwrap();
        note(&tx);
        policies::update_policy_in(&cx, &mut tx, &permit, &policy.id, PolicyChange::default(), None)
            .await
            .unwrap();
        note(&tx);
        policies::history::roll_back_in(&cx, &mut tx, &permit, &policy.id, 1, None).await.unwrap();
        note(&tx);
        roles::set_policies_in(&cx, &mut tx, &permit, &role.id, std::slice::from_ref(&policy.id))
            .await
            .unwrap();
        note(&tx);
        roles::set_policies_in(&cx, &mut tx, &permit, &role.id, &[]).await.unwrap();
        note(&tx);
        let holder = Holder::from(&alice);
        roles::assign_in(&cx, &mut tx, &permit, &holder, &role.id, Window::ALWAYS).await.unwrap();
        note(&tx);
        roles::unassign_in(&cx, &mut tx, &permit, &holder, &role.id).await.unwrap();
        note(&tx);
        let new = NewGroup { name: "G".into(), description: None };
        let group = groups::create_group_in(&cx, &mut tx, &permit, new).await.unwrap();
        note(&tx);
        groups::update_group_in(&cx, &mut tx, &permit, &group.id, GroupChange::default(), None)
            .await
            .unwrap();
        note(&tx);
        groups::add_member_in(&cx, &mut tx, &permit, &group.id, &alice.cast(), Window::ALWAYS).await.unwrap();
        note(&tx);
        groups::remove_member_in(&cx, &mut tx, &permit, &group.id, &alice.cast()).await.unwrap();
        note(&tx);
        groups::delete_group_in(&cx, &mut tx, &permit, &group.id).await.unwrap();
        note(&tx);
        let new = NewResource { name: "a".into(), ..NewResource::default() };
        let resource = resources::create_resource_in(&cx, &mut tx, &permit, new).await.unwrap();
        note(&tx);
        let change = ResourceChange::default();
        resources::update_resource_in(&cx, &mut tx, &permit, &resource.id, change, None).await.unwrap();
        note(&tx);
        resources::delete_resource_in(&cx, &mut tx, &permit, &resource.id).await.unwrap();
        note(&tx);
        policies::delete_policy_in(&cx, &mut tx, &permit, &policy.id).await.unwrap();
        note(&tx);
        roles::delete_role_in(&cx, &mut tx, &permit, &role.id).await.unwrap();
        note(&tx);
        tx.commit().await.unwrap();

        let expected: Vec<usize> = (0..seen.len()).collect();
        assert_eq!(seen, expected);
    }
}

#[tokio::test]
async fn the_holders_of_a_role_are_listed_by_kind_and_id_page_by_page() {
    for world in World::both().await {
        let alice = world.user(&world.acme, "alice", Some("USER")).await;
        let bob = world.user(&world.acme, "bob", Some("USER")).await;
        let service = world.client(&world.acme, "service", Some("USER")).await;
        world.user(&world.rival, "eve", Some("USER")).await;
        let (cx, permit, mut tx) = begin(&world).await;
        let new = NewGroup { name: "G".into(), description: None };
        let group = groups::create_group_in(&cx, &mut tx, &permit, new).await.unwrap();
        let user = world.role(&world.acme, "USER").await;
        roles::assign_in(&cx, &mut tx, &permit, &Holder::from(&group.id), &user, Window::ALWAYS)
            .await
            .unwrap();
        let mut people = [Holder::from(&alice), Holder::from(&bob)];
        people.sort_by(|a, b| a.id().cmp(b.id()));
        let [first, second] = people;
        let expected = [Holder::from(&service), Holder::from(&group.id), first, second];

        for limit in [1, 2, 3, 200] {
            let mut listing = Listing::first(limit);
            let mut found = Vec::new();
            loop {
                let page = roles::list_assignments(&mut tx, &world.acme.id, &user, &listing).await.unwrap();
                assert!(page.items.len() <= limit as usize);
                found.extend(page.items.into_iter().map(|one| one.holder));
                listing.after = page.next;
                if listing.after.is_none() {
                    break;
                }
            }
            assert_eq!(found, expected, "{limit} at a time");
        }
    }
}
