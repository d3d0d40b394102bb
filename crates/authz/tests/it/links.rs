//! What policies are linked to, and what that permits and denies.

use std::collections::BTreeMap;

use authz::permissions::{self, NewPermission, global};
use authz::policies::links::{self, Link, LinkKind};
use authz::policies::{self, NewPolicy};
use authz::resources::{self, NewResource, ResourceEdit};
use authz::roles::{self, ExpiringDeny, Holder, NewAssignment, Window};
use authz::{Actor, Cx, Listing, Place};
use base::Problem;
use base::id::{PermissionId, PolicyId, ResourceId, UserId};
use policy::Effect;
use serde_json::json;

use crate::world::{NOON, World, any_version, cx_of, new_role};

fn code<T>(result: authz::Result<T>) -> String {
    match result {
        Ok(_) => "ok".to_owned(),
        Err(authz::Error::Invalid { code, .. }) => code.to_owned(),
        Err(error) => Problem::from(error).code().to_owned(),
    }
}

/// A Super Admin, a reader with a role that carries one policy, and a tree `docs` > `docs/plan` > `…/draft`.
struct Scene {
    world: World,
    root: Cx,
    reader: UserId,
    policy: PolicyId,
    role: base::id::RoleId,
    read: PermissionId,
    docs: ResourceId,
    plan: ResourceId,
    other: ResourceId,
}

impl Scene {
    async fn both() -> Vec<Self> {
        let mut scenes = Vec::new();
        for world in World::both().await {
            scenes.push(Self::over(world).await);
        }
        scenes
    }

    async fn over(world: World) -> Self {
        let id = world.user(&world.acme, "root", Some("SUPER_ADMIN")).await;
        let root = world.cx_of(&world.acme, &id, "root");
        let reader = world.user(&world.acme, "reader", None).await;
        let role = roles::create_role(&root, new_role("READER")).await.unwrap().id;
        let new = NewPolicy::named("Reading");
        let policy = policies::create_policy(&root, new).await.unwrap().id;
        roles::attach_policy(&root, &role, &policy).await.unwrap();
        world.assign(&reader, &role, Window::ALWAYS).await;
        let read = permission(&root, "document:read").await.unwrap();
        let docs = resource(&root, "document:docs", None).await.unwrap();
        let plan = resource(&root, "document:docs/plan", Some(&docs)).await.unwrap();
        resource(&root, "document:docs/plan/draft", Some(&plan)).await.unwrap();
        let other = resource(&root, "document:other", None).await.unwrap();
        Self { world, root, reader, policy, role, read, docs, plan, other }
    }

    async fn reads(&self, name: &str) -> bool {
        self.world.decides(&self.reader, "document:read", name).await
    }

    /// Which of the tree's names the reader may read.
    async fn readable(&self) -> String {
        let mut seen = String::new();
        for (letter, name) in [
            ('d', "document:docs"),
            ('p', "document:docs/plan"),
            ('f', "document:docs/plan/draft"),
            ('o', "document:other"),
            ('u', "document:docs/unregistered"),
        ] {
            seen.push(if self.reads(name).await { letter } else { '-' });
        }
        seen
    }
}

async fn permission(cx: &Cx, code: &str) -> authz::Result<PermissionId> {
    let new = NewPermission {
        code: code.to_owned(),
        name: "读取文档".to_owned(),
        description: None,
        global_permission_id: None,
    };
    permissions::create_permission(cx, new).await.map(|made| made.id)
}

async fn resource(cx: &Cx, name: &str, parent: Option<&ResourceId>) -> authz::Result<ResourceId> {
    let new = NewResource {
        name: name.to_owned(),
        kind: "document".to_owned(),
        tags: BTreeMap::new(),
        parent_id: parent.cloned(),
    };
    resources::create_resource(cx, new).await.map(|made| made.id)
}

async fn move_to(cx: &Cx, id: &ResourceId, parent: Option<&ResourceId>) -> authz::Result<()> {
    let edit = ResourceEdit { parent_id: Some(parent.cloned()), ..ResourceEdit::default() };
    resources::update_resource(cx, id, &any_version().await, edit).await.map(drop)
}

#[tokio::test]
async fn a_linked_permission_covers_linked_resources_and_what_lies_in_them() {
    for scene in Scene::both().await {
        let Scene { root, policy, read, docs, plan, other, .. } = &scene;
        let allow = Link::Permission(read.clone(), None);

        links::link(root, policy, &allow).await.unwrap();
        assert_eq!(scene.readable().await, "-----", "without a resource nothing");
        links::link(root, policy, &Link::Resource(plan.clone())).await.unwrap();
        assert_eq!(scene.readable().await, "-pf--", "the resource and what lies in it");
        links::link(root, policy, &Link::Resource(docs.clone())).await.unwrap();
        assert_eq!(scene.readable().await, "dpf--");
        move_to(root, plan, Some(other)).await.unwrap();
        assert_eq!(scene.readable().await, "dpf--", "linked itself, wherever it lies");
        links::unlink(root, policy, &Link::Resource(plan.clone())).await.unwrap();
        assert_eq!(scene.readable().await, "d----", "what was moved away is not covered");
        move_to(root, plan, Some(docs)).await.unwrap();
        assert_eq!(scene.readable().await, "dpf--");

        links::unlink(root, policy, &allow).await.unwrap();
        assert_eq!(scene.readable().await, "-----");
        assert_eq!(code(links::unlink(root, policy, &allow).await), "not_found");
        assert_eq!(scene.world.events("policy.linked").await.len(), 3);
        assert_eq!(scene.world.events("policy.unlinked").await.len(), 2);
    }
}

#[tokio::test]
async fn a_denying_link_wins_and_without_resources_holds_everywhere() {
    for scene in Scene::both().await {
        let Scene { world, root, policy, role, read, docs, plan, .. } = &scene;
        let both = Link::Permission(read.clone(), None);
        links::link(root, policy, &both).await.unwrap();
        links::link(root, policy, &Link::Resource(docs.clone())).await.unwrap();
        let new = NewPolicy { effect: Effect::Deny, ..NewPolicy::named("Not this") };
        let deny = policies::create_policy(root, new).await.unwrap().id;
        roles::attach_policy(root, role, &deny).await.unwrap();
        assert_eq!(scene.readable().await, "dpf--");

        links::link(root, &deny, &Link::Resource(plan.clone())).await.unwrap();
        assert_eq!(scene.readable().await, "dpf--", "without a permission it denies nothing");
        links::link(root, &deny, &both).await.unwrap();
        assert_eq!(scene.readable().await, "d----", "the policy's effect");
        links::link(root, &deny, &Link::Permission(read.clone(), Some(Effect::Allow))).await.unwrap();
        assert_eq!(scene.readable().await, "dpf--", "the link's own effect overrides the policy's");
        links::link(root, &deny, &Link::Permission(read.clone(), Some(Effect::Deny))).await.unwrap();
        links::unlink(root, &deny, &Link::Resource(plan.clone())).await.unwrap();
        assert_eq!(scene.readable().await, "-----", "a deny without resources holds in the whole tenant");

        // What denies by a link is a deny to those rules that protect denies.
        let bob = world.user(&world.acme, "bob", None).await;
        let window =
            Window { valid_from: None, expires_at: Some(base::Timestamp::from_micros(NOON.as_micros() + 1)) };
        let denies = ExpiringDeny::Refuse;
        let new = NewAssignment { holder: Holder::from(&bob), role: role.clone(), window, denies };
        assert_eq!(code(roles::assign(root, None, &new).await), "deny_would_expire");
    }
}

#[tokio::test]
async fn a_global_permission_is_linked_with_the_policys_effect_and_stays_while_it_is_used() {
    for scene in Scene::both().await {
        let Scene { world, root, policy, docs, .. } = &scene;
        let host = Actor::Host { uid: 0 };
        let platform = world.core.system(Place::Platform).with_actor(host);
        let made = global::create(&platform, "document:read".to_owned(), None).await.unwrap();
        let again = global::create(&platform, "DOCUMENT:Read".to_owned(), None).await;
        assert_eq!(code(again), "name_taken");
        assert_eq!(code(global::create(root, "document:fly".to_owned(), None).await), "denied");
        let listed = global::page(root, &Listing::first(10)).await.unwrap();
        assert_eq!(listed.items, std::slice::from_ref(&made));

        links::link(root, policy, &Link::Global(made.id.clone())).await.unwrap();
        links::link(root, policy, &Link::Resource(docs.clone())).await.unwrap();

        assert_eq!(scene.readable().await, "dpf--");
        let found = links::list_links(root, policy, LinkKind::Global, &Listing::first(10)).await.unwrap();
        assert_eq!(found.items[0].name, "document:read");
        let used = global::delete(&platform, &made.id, &any_version().await).await;
        assert_eq!(code(used), "in_use");
        links::unlink(root, policy, &Link::Global(made.id.clone())).await.unwrap();
        global::delete(&platform, &made.id, &any_version().await).await.unwrap();
        assert_eq!(code(global::load(root, &made.id).await), "not_found");
    }
}

#[tokio::test]
async fn what_is_linked_stays_and_what_has_no_effect_is_not_linked() {
    for scene in Scene::both().await {
        let Scene { world, root, policy, read, other, .. } = &scene;
        links::link(root, policy, &Link::Permission(read.clone(), None)).await.unwrap();
        links::link(root, policy, &Link::Resource(other.clone())).await.unwrap();
        let any = any_version().await;

        assert_eq!(code(permissions::delete_permission(root, read, &any).await), "in_use");
        assert_eq!(code(resources::delete_resource(root, other, &any).await), "in_use");
        let all = permissions::page_permissions(root, &Listing::first(200)).await.unwrap();
        assert_eq!(all.items.len(), 27);
        let useless = all.items.iter().find(|one| one.code == "system:config").unwrap();
        let link = Link::Permission(useless.id.clone(), None);
        assert_eq!(code(links::link(root, policy, &link).await), "no_effect");
        assert_eq!(code(permissions::delete_permission(root, &useless.id, &any).await), "built_in");

        for (wrong, expected) in [
            ("user:fly", "reserved_code"),
            ("Platform:tenant_create", "reserved_code"),
            ("no colon", "invalid_code"),
            ("app:*", "invalid_code"),
            ("DOCUMENT:READ", "name_taken"),
        ] {
            assert_eq!(code(permission(root, wrong).await), expected, "{wrong}");
        }
        let eve = world.user(&world.rival, "eve", Some("SUPER_ADMIN")).await;
        let eve = cx_of(&world.core, &world.rival, &eve, "eve");
        let foreign = permission(&eve, "document:read").await.unwrap();
        let link = Link::Permission(foreign, None);
        assert_eq!(code(links::link(root, policy, &link).await), "not_found");
        assert_eq!(code(links::unlink(&eve, policy, &Link::Resource(other.clone())).await), "not_found");
    }
}

#[tokio::test]
async fn h29_links_and_moves_that_change_access_need_the_right_to_grant_any() {
    for scene in Scene::both().await {
        let Scene { world, root, policy, read, docs, plan, other, .. } = &scene;
        links::link(root, policy, &Link::Permission(read.clone(), None)).await.unwrap();
        links::link(root, policy, &Link::Resource(docs.clone())).await.unwrap();
        // May change resources and policies, but not grant what it has not.
        let editor = world
            .role_with(
                "EDITOR",
                json!({
                    "Version": "2012-10-17",
                    "Statement": [{
                        "Effect": "Allow",
                        "Action": ["resource:*", "policy:update", "policy:read"],
                        "Resource": ["*"],
                    }],
                }),
            )
            .await;
        let id = world.user(&world.acme, "editor", None).await;
        world.assign(&id, &editor, Window::ALWAYS).await;
        let cx = world.cx_of(&world.acme, &id, "editor");

        let refused = [
            code(links::link(&cx, policy, &Link::Resource(other.clone())).await),
            code(links::unlink(&cx, policy, &Link::Resource(docs.clone())).await),
            code(links::unlink(&cx, policy, &Link::Permission(read.clone(), None)).await),
            code(move_to(&cx, other, Some(docs)).await),
            code(move_to(&cx, plan, None).await),
            code(resource(&cx, "document:docs/new", Some(plan)).await),
        ];
        assert_eq!(refused, ["escalation"; 6]);
        // What no link reaches is theirs to order.
        let free = resource(&cx, "document:free", Some(other)).await.unwrap();
        move_to(&cx, &free, None).await.unwrap();
        resources::delete_resource(&cx, &free, &any_version().await).await.unwrap();
    }
}

#[tokio::test]
async fn h29_tags_and_places_that_policies_ask_about_need_the_right_to_grant_any() {
    for scene in Scene::both().await {
        let Scene { world, root, plan, other, docs, .. } = &scene;
        let keeper = json!({
            "Version": "2012-10-17",
            "Statement": [{ "Effect": "Allow", "Action": ["resource:*"], "Resource": ["*"] }],
        });
        let keeper = world.role_with("KEEPER", keeper).await;
        let id = world.user(&world.acme, "keeper", None).await;
        world.assign(&id, &keeper, Window::ALWAYS).await;
        let cx = world.cx_of(&world.acme, &id, "keeper");
        let any = any_version().await;
        // A tag set to this value, or all of them taken away.
        let tag = async |cx: &Cx, id: &ResourceId, name: Option<&str>| {
            let tags = Some(name.map(|name| [(name.to_owned(), Some("x".to_owned()))].into()));
            let edit = ResourceEdit { tags, ..ResourceEdit::default() };
            code(resources::update_resource(cx, id, &any, edit).await)
        };
        assert_eq!(tag(&cx, other, Some("Secret")).await, "ok");
        assert_eq!(code(move_to(&cx, other, Some(docs)).await), "ok");

        let document = json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Deny", "Action": "a:b", "Resource": "*",
                "Condition": { "StringEquals": { "aws:ResourceTag/secret": "x" } },
            }],
        });
        let new = NewPolicy {
            document: Some(document),
            expression: Some("resource.ancestors.exists(a, a == 'document:docs')".to_owned()),
            ..NewPolicy::named("asks")
        };
        policies::create_policy(root, new).await.unwrap();

        assert_eq!(tag(&cx, other, None).await, "escalation", "the tag that is asked about goes");
        assert_eq!(tag(&cx, plan, Some("SECRET")).await, "escalation");
        assert_eq!(tag(&cx, plan, Some("plain")).await, "ok");
        assert_eq!(code(resources::delete_resource(&cx, other, &any).await), "escalation");
        assert_eq!(code(move_to(&cx, other, None).await), "escalation");
        assert_eq!(tag(root, other, None).await, "ok");
        assert_eq!(code(move_to(root, other, None).await), "ok");
    }
}
