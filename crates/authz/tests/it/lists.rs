//! Every list of the slice over HTTP, against a brute-force oracle: each order in pages of two, each filter.

use std::cmp::Ordering;

use authz::groups::{self, NewGroup};
use authz::permissions::{self, NewPermission, global};
use authz::policies::links::{self, Link};
use authz::policies::{self, NewPolicy};
use authz::resources::{self, NewResource};
use authz::roles::{self, Holder, NewRole, Window};
use authz::{Actor, Cx, Place, Service};
use axum::body::Body;
use axum::http::Request;
use axum::{Extension, Router};
use base::Timestamp;
use base::id::{GroupId, PolicyId, RoleId, UserId};
use base::text::name_key;
use http_body_util::BodyExt;
use policy::Effect;
use serde_json::Value;
use tower::ServiceExt;
use utoipa_axum::router::OpenApiRouter;
use web::CursorKey;

use crate::world::{NOON, World};

/// A tenant with some of everything.
struct Scene {
    world: World,
    router: Router,
    root: Cx,
    person: UserId,
    reader: UserId,
    role: RoleId,
    group: GroupId,
    policy: PolicyId,
    parent: String,
}

fn until(seconds: i64) -> Window {
    Window {
        valid_from: None,
        expires_at: Some(Timestamp::from_micros(NOON.as_micros() + seconds * 1_000_000)),
    }
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
        let person = world.user(&world.acme, "person", None).await;
        let names = ["beta", "Alpha", "ähre", "张伟", "alpine", "_x", "Zeta"];
        let (mut made_roles, mut made_groups, mut made_policies) = (Vec::new(), Vec::new(), Vec::new());
        let (mut made_permissions, mut made_resources, mut made_globals) =
            (Vec::new(), Vec::new(), Vec::new());
        let platform = world.core.system(Place::Platform).with_actor(Actor::Host { uid: 0 });
        for (place, name) in names.iter().enumerate() {
            // Two at a time have the same instant: equal times are told apart by id.
            if place % 2 == 0 {
                world.clock.advance_seconds(1);
            }
            let description = (place % 3 != 0).then(|| format!("{name} {}", place % 2));
            let code = format!("{}{place}", ["R", "r", "9"][place % 3]);
            let parent_id = made_roles.first().filter(|_| place > 3).cloned();
            let permissions = Vec::new();
            let new = NewRole {
                code,
                name: (*name).to_owned(),
                description: description.clone(),
                parent_id,
                permissions,
            };
            made_roles.push(roles::create_role(&root, new).await.unwrap().id);
            let new = NewGroup { name: (*name).to_owned(), description: description.clone() };
            made_groups.push(groups::create_group(&root, new).await.unwrap().id);
            let effect = if place % 2 == 0 { Effect::Allow } else { Effect::Deny };
            let new = NewPolicy { description: description.clone(), effect, ..NewPolicy::named(*name) };
            made_policies.push(policies::create_policy(&root, new).await.unwrap().id);
            let global = format!("{}:act{place}", ["app", "App", "other"][place % 3]);
            made_globals.push(global::create(&platform, global, description.clone()).await.unwrap().id);
            let new = NewPermission {
                code: format!("{}:do{place}", ["app", "App", "other"][place % 3]),
                name: (*name).to_owned(),
                description,
                global_permission_id: made_globals.last().filter(|_| place % 2 == 0).cloned(),
            };
            made_permissions.push(permissions::create_permission(&root, new).await.unwrap().id);
            let new = NewResource {
                name: format!("thing:{name}"),
                kind: ["", "folder", "Folder"][place % 3].to_owned(),
                parent_id: made_resources.first().cloned(),
                ..NewResource::default()
            };
            made_resources.push(resources::create_resource(&root, new).await.unwrap().id);
        }
        let (group, policy, role) = (made_groups[0].clone(), made_policies[0].clone(), made_roles[0].clone());
        let (cx, permit) = world.boot(&world.acme);
        let mut tx = cx.write(&permit).await.unwrap();
        for (place, id) in made_groups.iter().enumerate() {
            let window =
                if place % 2 == 0 { Window::ALWAYS } else { until(60 + i64::try_from(place).unwrap()) };
            groups::add_member_in(&cx, &mut tx, &permit, id, &person.cast(), window).await.unwrap();
            let given = &made_roles[place];
            roles::assign_in(&cx, &mut tx, &permit, &Holder::from(id), given, Window::ALWAYS).await.unwrap();
            roles::assign_in(&cx, &mut tx, &permit, &Holder::from(id), &role, until(90)).await.unwrap();
            roles::assign_in(&cx, &mut tx, &permit, &Holder::from(&group), given, window).await.unwrap();
        }
        roles::assign_in(&cx, &mut tx, &permit, &Holder::from(&person), &role, Window::ALWAYS).await.unwrap();
        for (id, place) in made_permissions.iter().zip(0..) {
            let effect = [None, Some(Effect::Allow), Some(Effect::Deny)][place % 3];
            let link = Link::Permission(id.clone(), effect);
            links::link_in(&cx, &mut tx, &permit, &policy, &link).await.unwrap();
        }
        for id in made_globals {
            links::link_in(&cx, &mut tx, &permit, &policy, &Link::Global(id)).await.unwrap();
        }
        for id in &made_resources {
            links::link_in(&cx, &mut tx, &permit, &policy, &Link::Resource(id.clone())).await.unwrap();
        }
        tx.commit().await.unwrap();
        for name in ["m1", "m2", "m3"] {
            let user = world.user(&world.acme, name, None).await;
            let client = world.client(&world.acme, &format!("c-{name}"), None).await;
            for id in [user.cast(), client.cast()] {
                let mut tx = cx.write(&permit).await.unwrap();
                groups::add_member_in(&cx, &mut tx, &permit, &group, &id, Window::ALWAYS).await.unwrap();
                roles::assign_in(&cx, &mut tx, &permit, &Holder::Principal(id), &role, Window::ALWAYS)
                    .await
                    .unwrap();
                tx.commit().await.unwrap();
            }
        }
        let reader = reader_of(&world, &root).await;
        let parent = made_resources[0].to_string();
        let service = Service::new(CursorKey::new([7; 32]));
        let routes = OpenApiRouter::new().nest("/t/{tenant}", authz::tenant_routes(service));
        let (router, _) = routes.split_for_parts();
        Self { world, router, root, person, reader, role, group, policy, parent }
    }

    async fn get(&self, cx: &Cx, path: &str) -> (u16, Value) {
        let request = Request::get(format!("/t/acme/api/v1{path}")).body(Body::empty()).unwrap();
        let response = self.router.clone().layer(Extension(cx.clone())).oneshot(request).await.unwrap();
        let (parts, body) = web::failure::render(response, None).into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        (parts.status.as_u16(), serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    async fn page(&self, path: &str) -> Value {
        let (status, body) = self.get(&self.root, path).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// Every member, two at a time.
    async fn all(&self, path: &str, query: &str) -> Vec<Value> {
        let mut found = Vec::new();
        let mut cursor = String::new();
        for _ in 0..60 {
            let page = self.page(&format!("{path}?limit=2&{query}{cursor}")).await;
            let items = page["items"].as_array().unwrap();
            assert!(items.len() <= 2, "{path}");
            found.extend(items.iter().cloned());
            let Some(next) = page["next"].as_str() else { return found };
            cursor = format!("&cursor={next}");
        }
        panic!("{path}?{query} has no end");
    }

    /// The lists: their addresses, what tells their members apart, and by what they are sorted.
    fn lists(&self) -> Vec<(String, Id, &'static [&'static str])> {
        let Self { person, reader, role, group, policy, parent, .. } = self;
        vec![
            ("/roles".to_owned(), plain("id"), &["code", "name", "created_at", "updated_at"]),
            ("/groups".to_owned(), plain("id"), &["name", "created_at"]),
            ("/policies".to_owned(), plain("id"), &["name", "created_at", "updated_at"]),
            ("/permissions".to_owned(), plain("id"), &["code", "name", "created_at", "updated_at"]),
            ("/global-permissions".to_owned(), plain("id"), &["name", "created_at", "updated_at"]),
            ("/resources".to_owned(), plain("id"), &["name", "created_at"]),
            (format!("/resources/{parent}/children"), plain("id"), &["name", "created_at"]),
            (format!("/roles/{role}/assignments"), plain("holder_id"), &["holder_type"]),
            (format!("/users/{person}/roles"), held, &["role_code", "valid_from", "expires_at"]),
            (format!("/users/{reader}/permissions"), way, &["action", "resource", "permission"]),
            (format!("/groups/{group}/roles"), plain("role_id"), &["role_code", "valid_from", "expires_at"]),
            (format!("/groups/{group}/members"), plain("principal_id"), &["principal_id"]),
            (format!("/users/{person}/groups"), plain("group_id"), &["name", "valid_from", "expires_at"]),
            (format!("/policies/{policy}/permissions"), plain("id"), &["name"]),
            (format!("/policies/{policy}/global-permissions"), plain("id"), &["name"]),
            (format!("/policies/{policy}/resources"), plain("id"), &["name"]),
        ]
    }
}

/// What tells the members of a list apart.
type Id = fn(&Value) -> String;

fn plain(member: &'static str) -> Id {
    match member {
        "holder_id" => |item| item["holder_id"].as_str().unwrap().to_owned(),
        "role_id" => |item| item["role_id"].as_str().unwrap().to_owned(),
        "principal_id" => |item| item["principal_id"].as_str().unwrap().to_owned(),
        "group_id" => |item| item["group_id"].as_str().unwrap().to_owned(),
        _ => |item| item["id"].as_str().unwrap().to_owned(),
    }
}

fn held(item: &Value) -> String {
    format!("{}/{}", item["role_id"].as_str().unwrap(), item["group_id"].as_str().unwrap_or_default())
}

fn way(item: &Value) -> String {
    let text = |member: &str| item[member].as_str().unwrap_or_default().to_owned();
    let members = ["group_id", "role_id", "granting_role_id", "policy_id", "resource_id", "effect"];
    let members = members.iter().chain(&["permission", "action", "resource"]);
    members.map(|member| text(member)).collect::<Vec<_>>().join("/")
}

/// Somebody who comes to some actions directly and through a group.
async fn reader_of(world: &World, root: &Cx) -> UserId {
    let reader = world.user(&world.acme, "reader", None).await;
    let permissions = ["role:update", "tenant:update"].map(str::to_owned).to_vec();
    let new = NewRole {
        code: "WAYS".to_owned(),
        name: "Ways".to_owned(),
        description: None,
        parent_id: None,
        permissions,
    };
    let role = roles::create_role(root, new).await.unwrap().id;
    let group = NewGroup { name: "ways".to_owned(), description: None };
    let group = groups::create_group(root, group).await.unwrap().id;
    let (cx, permit) = world.boot(&world.acme);
    let mut tx = cx.write(&permit).await.unwrap();
    groups::add_member_in(&cx, &mut tx, &permit, &group, &reader.cast(), until(60)).await.unwrap();
    for holder in [Holder::from(&group), Holder::from(&reader)] {
        roles::assign_in(&cx, &mut tx, &permit, &holder, &role, Window::ALWAYS).await.unwrap();
    }
    tx.commit().await.unwrap();
    reader
}

/// What a member is sorted by: nothing comes first, names of groups and policies have no case.
fn sorted_by(path: &str, attribute: &str, item: &Value) -> Option<String> {
    let folded = attribute == "name"
        && (path.starts_with("/groups") || path == "/policies" || path.ends_with("/groups"));
    let text = item[attribute].as_str()?;
    Some(if folded { name_key(text) } else { text.to_owned() })
}

fn encoded(text: &str) -> String {
    text.bytes().map(|b| format!("%{b:02X}")).collect()
}

#[tokio::test]
async fn every_list_is_sorted_paged_counted_and_narrowed_as_the_oracle_says() {
    for scene in Scene::both().await {
        for (path, id, sorts) in scene.lists() {
            let whole = scene.page(&format!("{path}?limit=200&count=exact")).await;
            let members = whole["items"].as_array().unwrap().clone();
            assert!(members.len() >= 6, "{path} has {}", members.len());
            assert_eq!(whole["count"], members.len(), "{path}");
            assert_eq!(whole["next"], Value::Null, "{path}");
            assert_eq!(scene.all(&path, "").await, members, "{path} in its own order");
            for attribute in sorts {
                let mut expected = members.clone();
                let order = |a: &Value, b: &Value| -> Ordering {
                    let key = |item| (sorted_by(&path, attribute, item), id(item));
                    key(a).cmp(&key(b))
                };
                expected.sort_by(order);
                let sort = format!("sort={attribute}");
                assert_eq!(
                    scene.all(&path, &sort).await,
                    expected,
                    "{path}?{sort} {:?}",
                    scene.world.db.backend()
                );
                expected.reverse();
                let sort = format!("sort=-{attribute}");
                assert_eq!(
                    scene.all(&path, &sort).await,
                    expected,
                    "{path}?{sort} {:?}",
                    scene.world.db.backend()
                );
            }
            let first = sorts[0];
            let narrow = scene.page(&format!("{path}?limit=1&fields={first}&count=estimate")).await;
            assert_eq!(narrow["items"][0].as_object().unwrap().len(), 1, "{path}");
            assert_eq!(narrow["items"][0][first], members[0][first], "{path}");
            assert_eq!(narrow["count"], members.len(), "{path}");
        }
    }
}

#[tokio::test]
async fn every_filter_finds_what_the_oracle_finds() {
    type Fits = fn(&Value) -> bool;
    fn text<'a>(item: &'a Value, member: &str) -> &'a str {
        item[member].as_str().unwrap_or_default()
    }
    for scene in Scene::both().await {
        let Scene { person, reader, role, group, policy, parent, .. } = &scene;
        let cases: Vec<(String, &str, Fits)> = vec![
            ("/roles".to_owned(), "name sw \"Al\" or code eq \"92\"", |i| {
                text(i, "name").starts_with("Al") || i["code"] == "92"
            }),
            ("/roles".to_owned(), "description pr and not (parent_id pr)", |i| {
                !i["description"].is_null() && i["parent_id"].is_null()
            }),
            ("/roles".to_owned(), "description ew \"1\"", |i| text(i, "description").ends_with('1')),
            ("/groups".to_owned(), "name eq \"ALPHA\"", |i| i["name"] == "Alpha"),
            ("/groups".to_owned(), "description co \"ä\"", |i| text(i, "description").contains('ä')),
            ("/policies".to_owned(), "effect eq \"deny\"", |i| i["effect"] == "deny"),
            ("/policies".to_owned(), "name lt \"b\"", |i| name_key(text(i, "name")).as_str() < "b"),
            ("/permissions".to_owned(), "code sw \"App\" and global_permission_id pr", |i| {
                text(i, "code").starts_with("App") && !i["global_permission_id"].is_null()
            }),
            ("/permissions".to_owned(), "name eq \"beta\"", |i| i["name"] == "beta"),
            ("/global-permissions".to_owned(), "name ne \"app:act0\"", |i| i["name"] != "app:act0"),
            ("/resources".to_owned(), "kind eq \"folder\"", |i| i["kind"] == "folder"),
            ("/resources".to_owned(), "not (kind pr)", |i| i["kind"].is_null()),
            (format!("/resources/{parent}/children"), "kind pr", |i| !i["kind"].is_null()),
            (format!("/roles/{role}/assignments"), "holder_type eq \"group\"", |i| {
                i["holder_type"] == "group"
            }),
            (format!("/roles/{role}/assignments"), "expires_at eq null", |i| i["expires_at"].is_null()),
            (format!("/users/{person}/roles"), "group_id pr and expires_at pr", |i| {
                !i["group_id"].is_null() && !i["expires_at"].is_null()
            }),
            (format!("/users/{reader}/permissions"), "action sw \"policy:\" and group_id pr", |i| {
                text(i, "action").starts_with("policy:") && !i["group_id"].is_null()
            }),
            (format!("/users/{reader}/permissions"), "resource eq \"*\"", |i| i["resource"] == "*"),
            (format!("/groups/{group}/roles"), "role_code sw \"R\"", |i| {
                text(i, "role_code").starts_with('R')
            }),
            (format!("/groups/{group}/members"), "principal_type eq \"client\"", |i| {
                i["principal_type"] == "client"
            }),
            (format!("/users/{person}/groups"), "name co \"A\"", |i| name_key(text(i, "name")).contains('a')),
            (format!("/policies/{policy}/permissions"), "effect eq \"deny\"", |i| i["effect"] == "deny"),
            (format!("/policies/{policy}/permissions"), "not (effect pr)", |i| i["effect"].is_null()),
            (format!("/policies/{policy}/resources"), "name ew \"伟\"", |i| text(i, "name").ends_with('伟')),
        ];
        for (path, filter, fits) in cases {
            let whole = scene.page(&format!("{path}?limit=200")).await;
            let members = whole["items"].as_array().unwrap();
            let expected: Vec<Value> = members.iter().filter(|item| fits(item)).cloned().collect();
            assert!(!expected.is_empty() && expected.len() < members.len(), "{path} {filter} tells nothing");
            let query = format!("filter={}", encoded(filter));
            assert_eq!(
                scene.all(&path, &query).await,
                expected,
                "{path} {filter} {:?}",
                scene.world.db.backend()
            );
            let counted = scene.page(&format!("{path}?limit=1&count=exact&{query}")).await;
            assert_eq!(counted["count"], expected.len(), "{path} {filter}");
        }
    }
}

#[tokio::test]
async fn a_search_finds_beginnings_with_every_order_and_is_counted() {
    for scene in Scene::both().await {
        for (path, q, member, expected) in [
            ("/roles", "AL", "name", vec!["Alpha", "alpine"]),
            ("/roles", "r", "code", vec!["R0", "R3", "R6", "r1", "r4"]),
            ("/groups", "al", "name", vec!["Alpha", "alpine"]),
            ("/policies", "张", "name", vec!["张伟"]),
            ("/permissions", "APP:", "code", vec!["App:do1", "App:do4", "app:do0", "app:do3", "app:do6"]),
            ("/global-permissions", "OTHER", "name", vec!["other:act2", "other:act5"]),
            ("/resources", "thing:A", "name", vec!["thing:Alpha"]),
            ("/resources", "thing:_", "name", vec!["thing:_x"]),
        ] {
            let query = format!("q={}", encoded(q));
            let found = scene.all(path, &query).await;
            let names = |found: &[Value]| -> Vec<String> {
                found.iter().map(|item| item[member].as_str().unwrap().to_owned()).collect()
            };
            assert_eq!(names(&found), expected, "{path} {q}");
            let counted = scene.page(&format!("{path}?limit=1&count=exact&{query}")).await;
            assert_eq!(counted["count"], expected.len(), "{path} {q}");
            let mut by_time = scene.all(path, &format!("{query}&sort=-created_at")).await;
            by_time.sort_by_key(|item| item[member].as_str().unwrap().to_owned());
            let mut sorted = expected.clone();
            sorted.sort_unstable();
            assert_eq!(names(&by_time), sorted, "{path} {q}");
        }
    }
}

#[tokio::test]
async fn what_a_list_does_not_know_is_refused_and_a_cursor_serves_its_own_list_only() {
    for scene in Scene::both().await {
        let other = scene.world.user(&scene.world.acme, "other", Some("SUPER_ADMIN")).await;
        let other = scene.world.cx_of(&scene.world.acme, &other, "other");
        for (path, _, sorts) in scene.lists() {
            for (query, code) in [
                ("sort=tenant_id".to_owned(), "invalid_sort"),
                ("sort=,".to_owned(), "invalid_sort"),
                (format!("sort={0},{0}", sorts[0]), "invalid_sort"),
                ("filter=version+pr".to_owned(), "invalid_filter"),
                ("filter=tenant_id+eq+%22x%22".to_owned(), "invalid_filter"),
                ("filter=q+sw+%22x%22".to_owned(), "invalid_filter"),
                ("fields=version".to_owned(), "invalid_fields"),
                ("count=some".to_owned(), "invalid_count"),
                ("limit=0".to_owned(), "invalid_limit"),
                ("limit=1000000".to_owned(), "invalid_limit"),
                ("cursor=forged".to_owned(), "invalid_cursor"),
                ("colour=red".to_owned(), "invalid_query"),
            ] {
                let (status, body) = scene.get(&scene.root, &format!("{path}?{query}")).await;
                assert_eq!((status, body["code"].as_str()), (400, Some(code)), "{path}?{query}: {body}");
            }
            let first = scene.page(&format!("{path}?limit=1")).await;
            let cursor = first["next"].as_str().unwrap();
            let elsewhere = if path == "/roles" { "/groups" } else { "/roles" };
            for (cx, path, query) in [
                (&other, path.as_str(), String::new()),
                (&scene.root, elsewhere, String::new()),
                (&scene.root, path.as_str(), format!("&sort=-{}", sorts[0])),
                (&scene.root, path.as_str(), "&filter=not+(id+pr)".replace("id", id_of(&path))),
            ] {
                let (status, body) = scene.get(cx, &format!("{path}?cursor={cursor}{query}")).await;
                assert_eq!((status, body["code"].as_str()), (400, Some("invalid_cursor")), "{path}{query}");
            }
        }
    }
}

/// What the filter of a list calls its members' ids.
fn id_of(path: &str) -> &'static str {
    match path {
        _ if path.ends_with("/assignments") => "holder_id",
        _ if path.ends_with("/members") => "principal_id",
        _ if path.starts_with("/users/") && path.ends_with("/permissions") => "role_id",
        _ if path.ends_with("/roles") && path.len() > 6 => "role_id",
        _ if path.ends_with("/groups") && path.len() > 7 => "group_id",
        _ => "id",
    }
}

#[tokio::test]
async fn tenant_b_finds_none_of_tenant_a_in_any_list() {
    for scene in Scene::both().await {
        let eve = scene.world.user(&scene.world.rival, "eve", Some("SUPER_ADMIN")).await;
        let eve = scene.world.cx_of(&scene.world.rival, &eve, "eve");
        for (path, ..) in scene.lists() {
            let own = path.matches('/').count() == 1;
            let (status, body) = scene.get(&eve, &format!("{path}?limit=200&count=exact")).await;
            assert_eq!(status, if own { 200 } else { 404 }, "{path}: {body}");
            let text = body.to_string();
            assert!(
                path == "/global-permissions" || (!text.contains("Alpha") && !text.contains("张伟")),
                "{text}"
            );
        }
    }
}
