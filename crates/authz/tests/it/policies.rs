//! What a policy says beside its document: priority and expression.

use authz::policies::history::{self, VERSIONS_MAX};
use authz::policies::links::{self, Link};
use authz::policies::lint::{self, Draft};
use authz::policies::{self, NewPolicy, Policy, PolicyChange};
use authz::roles::{self, Window};
use authz::{Cx, Listing, permissions};
use base::Problem;
use base::id::UserId;
use policy::Effect;
use policy::lint::Finding;
use serde_json::{Value, json};

use crate::world::{World, any_version};

fn says(effect: &str, action: &str) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": effect, "Action": [action], "Resource": ["*"] }],
    })
}

fn code<T>(result: authz::Result<T>) -> String {
    match result {
        Ok(_) => "Ok".to_owned(),
        Err(error) => Problem::from(error).code().to_owned(),
    }
}

/// A reader who carries policies, a Super Admin, and one who may do all with policies but set priorities.
struct Scene {
    world: World,
    root: Cx,
    editor: Cx,
    reader: UserId,
}

impl Scene {
    async fn both() -> Vec<Self> {
        let mut scenes = Vec::new();
        for world in World::both().await {
            let root = world.user(&world.acme, "root", Some("SUPER_ADMIN")).await;
            let root = world.cx_of(&world.acme, &root, "root");
            let actions =
                ["policy:create", "policy:read", "policy:update", "policy:delete", "policy:grant_any"];
            let document = json!({
                "Version": "2012-10-17",
                "Statement": [{ "Effect": "Allow", "Action": actions, "Resource": "*" }],
            });
            let role = world.role_with("EDITOR", document).await;
            let editor = world.user(&world.acme, "editor", None).await;
            world.assign(&editor, &role, Window::ALWAYS).await;
            let editor = world.cx_of(&world.acme, &editor, "editor");
            let reader = world.user(&world.acme, "reader", None).await;
            scenes.push(Self { world, root, editor, reader });
        }
        scenes
    }

    /// Makes a policy as Super Admin and gives it to the reader.
    async fn give(&self, code: &str, new: NewPolicy) -> Policy {
        let made = policies::create_policy(&self.root, new).await.unwrap();
        let role = roles::create_role(&self.root, crate::world::new_role(code)).await.unwrap().id;
        roles::attach_policy(&self.root, &role, &made.id).await.unwrap();
        self.world.assign(&self.reader, &role, Window::ALWAYS).await;
        made
    }

    async fn reads(&self) -> bool {
        self.world.decides(&self.reader, "report:read", "reports/1").await
    }
}

async fn change(cx: &Cx, policy: &Policy, change: PolicyChange) -> authz::Result<Policy> {
    policies::update_policy(cx, &policy.id, &any_version().await, change).await
}

fn to(priority: i64) -> PolicyChange {
    PolicyChange { priority: Some(priority), ..PolicyChange::default() }
}

#[tokio::test]
async fn the_highest_priority_decides_from_the_write_on() {
    for scene in Scene::both().await {
        let allow = NewPolicy { document: Some(says("Allow", "report:read")), ..NewPolicy::named("allow") };
        let allow = scene.give("ONE", allow).await;
        let deny =
            NewPolicy { document: Some(says("Deny", "report:*")), priority: 10, ..NewPolicy::named("deny") };
        let deny = scene.give("TWO", deny).await;
        assert!(!scene.reads().await);

        let raised = change(&scene.root, &allow, to(11)).await.unwrap();
        assert_eq!((raised.priority, raised.version), (11, 2));
        assert!(scene.reads().await, "the allow outranks the deny");
        change(&scene.root, &deny, to(11)).await.unwrap();
        assert!(!scene.reads().await, "at one level a deny wins");
        change(&scene.root, &deny, to(0)).await.unwrap();
        assert!(scene.reads().await);

        let kept = policies::load_policy(&scene.root, &allow.id).await.unwrap();
        assert_eq!(kept, raised);
        for wrong in [-1, 1001, i64::MAX] {
            assert_eq!(code(change(&scene.root, &allow, to(wrong)).await), "invalid");
        }
    }
}

#[tokio::test]
async fn an_expression_guards_all_that_its_policy_says() {
    for scene in Scene::both().await {
        let new = NewPolicy {
            document: Some(says("Allow", "report:read")),
            expression: Some("principal.name == \"reader\" && resource.name.endsWith(\"/1\")".to_owned()),
            ..NewPolicy::named("guarded")
        };
        let made = scene.give("ONE", new.clone()).await;
        assert!(scene.reads().await);
        assert!(!scene.world.decides(&scene.reader, "report:read", "reports/2").await);

        let expression = |text: Option<&str>| PolicyChange {
            expression: Some(text.map(str::to_owned)),
            ..PolicyChange::default()
        };
        change(&scene.root, &made, expression(Some("action != \"report:read\""))).await.unwrap();
        assert!(!scene.reads().await);
        let open = change(&scene.root, &made, expression(None)).await.unwrap();
        assert_eq!(open.expression, None);
        assert!(scene.reads().await);
        assert!(scene.world.decides(&scene.reader, "report:read", "reports/2").await);

        // What cannot be judged is found at writing, with its place.
        let wrong = change(&scene.root, &made, expression(Some("principal.name == 7"))).await;
        let problem = Problem::from(wrong.unwrap_err());
        assert_eq!(problem.code(), "invalid_expression");
        assert_eq!(problem.errors()[0].pointer, "/expression");
        assert!(problem.errors()[0].detail.starts_with("at 1:"), "{}", problem.errors()[0].detail);
        let new = NewPolicy { expression: Some("1 +".to_owned()), ..NewPolicy::named("broken") };
        assert_eq!(code(policies::create_policy(&scene.root, new).await), "invalid_expression");

        // An expression is no access by itself, but it changes access.
        let admin = scene.world.user(&scene.world.acme, "admin", Some("ADMIN")).await;
        let admin = scene.world.cx_of(&scene.world.acme, &admin, "admin");
        assert_eq!(code(change(&admin, &made, expression(None)).await), "denied");
    }
}

#[tokio::test]
async fn what_is_said_at_a_priority_needs_the_right_to_set_it() {
    for scene in Scene::both().await {
        let Scene { world, root, editor, .. } = &scene;
        let document = || Some(says("Allow", "report:read"));
        let high = NewPolicy { document: document(), priority: 5, ..NewPolicy::named("high") };
        assert_eq!(code(policies::create_policy(editor, high.clone()).await), "denied");
        let plain = NewPolicy { document: document(), ..NewPolicy::named("plain") };
        let plain = policies::create_policy(editor, plain).await.unwrap();
        assert_eq!(code(change(editor, &plain, to(1)).await), "denied");
        assert_eq!(code(change(editor, &plain, to(0)).await), "Ok", "it is 0 already");

        let high = policies::create_policy(root, high).await.unwrap();
        let another = PolicyChange { document: Some(says("Allow", "*")), ..PolicyChange::default() };
        let open = PolicyChange { expression: Some(Some("true".to_owned())), ..PolicyChange::default() };
        let deny = PolicyChange { effect: Some(Effect::Deny), ..PolicyChange::default() };
        for refused in [to(0), to(6), another, open, deny] {
            assert_eq!(code(change(editor, &high, refused).await), "denied");
        }
        let called = PolicyChange { name: Some("still high".to_owned()), ..PolicyChange::default() };
        assert_eq!(code(change(editor, &high, called).await), "Ok", "a name decides nothing");
        let new = permissions::NewPermission {
            code: "report:read".to_owned(),
            name: "Read".to_owned(),
            description: None,
            global_permission_id: None,
        };
        let read = permissions::create_permission(root, new).await.unwrap().id;
        let link = Link::Permission(read, None);
        assert_eq!(code(links::link(editor, &high.id, &link).await), "denied");
        links::link(root, &high.id, &link).await.unwrap();
        assert_eq!(code(links::unlink(editor, &high.id, &link).await), "denied");
        assert_eq!(code(change(root, &high, to(0)).await), "Ok");

        let refused = world.events("access.denied").await;
        assert_eq!(refused.len(), 9);
        assert!(refused.iter().all(|event| event.details["action"] == "policy:set_priority"));
        let changed = world.events("policy.updated").await;
        assert_eq!(changed.last().unwrap().details["priority"], 0);
    }
}

async fn back(cx: &Cx, policy: &Policy, version: i64) -> authz::Result<Policy> {
    history::roll_back(cx, &policy.id, &any_version().await, version).await
}

#[tokio::test]
async fn every_change_keeps_the_version_that_it_makes_and_any_can_be_had_back() {
    for scene in Scene::both().await {
        let Scene { world, root, .. } = &scene;
        let new = NewPolicy { document: Some(says("Allow", "report:read")), ..NewPolicy::named("kept") };
        let made = scene.give("ONE", new).await;
        let edit = PolicyChange {
            name: Some("Kept".to_owned()),
            document: Some(says("Deny", "report:read")),
            priority: Some(3),
            expression: Some(Some("principal.mfa".to_owned())),
            ..PolicyChange::default()
        };
        change(root, &made, edit).await.unwrap();
        assert!(!scene.reads().await);

        let restored = back(root, &made, 1).await.unwrap();

        assert!(scene.reads().await);
        assert_eq!((restored.version, restored.priority, restored.expression.as_deref()), (3, 0, None));
        assert_eq!(restored.document, made.document);
        assert_eq!(restored.name, "Kept", "others refer to it by its name");
        let listed = history::page_versions(root, &made.id, &Listing::first(10)).await.unwrap();
        let numbers: Vec<i64> = listed.items.iter().map(|one| one.version).collect();
        assert_eq!(numbers, [3, 2, 1]);
        let first = history::load_version(root, &made.id, 1).await.unwrap();
        assert_eq!((&first.document, first.name.as_str()), (&made.document, "kept"));
        assert_eq!(first.changed_by, root.actor().id());
        assert_eq!(listed.items.last(), Some(&first));
        let events = world.events("policy.rolled_back").await;
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].details["restored_version"], 1);
        assert_eq!(code(back(root, &made, 9).await), "not_found");
        assert_eq!(code(history::load_version(root, &made.id, 0).await), "not_found");

        let found = history::compare_versions(root, &made.id, Some(1), Some(2)).await.unwrap();
        let members: Vec<&str> = found.diff.members.iter().map(|member| member.name.as_str()).collect();
        assert_eq!(members, ["name", "priority", "expression"]);
        assert_eq!(found.diff.statements.len(), 1);
        assert_eq!(found.diff.statements[0].elements[0].before, Some(json!("Allow")));
        let last = history::compare_versions(root, &made.id, None, None).await.unwrap();
        assert_eq!((last.from, last.to), (2, 3));
        assert_eq!(code(history::compare_versions(root, &made.id, Some(7), None).await), "not_found");

        let alone = policies::create_policy(root, NewPolicy::named("alone")).await.unwrap();
        policies::delete_policy(root, &alone.id, &any_version().await).await.unwrap();
        assert_eq!(code(history::load_version(root, &alone.id, 1).await), "not_found");
    }
}

#[tokio::test]
async fn the_oldest_version_goes_with_the_change_that_makes_one_too_many() {
    for scene in Scene::both().await {
        let made = policies::create_policy(&scene.root, NewPolicy::named("p0")).await.unwrap();
        for number in 1..=VERSIONS_MAX {
            let description = Some(Some(format!("change {number}")));
            let edit = PolicyChange { description, ..PolicyChange::default() };
            change(&scene.root, &made, edit).await.unwrap();
        }

        let listed = history::page_versions(&scene.root, &made.id, &Listing::first(200)).await.unwrap();

        let numbers: Vec<i64> = listed.items.iter().map(|one| one.version).collect();
        assert_eq!(numbers, (2..=VERSIONS_MAX + 1).rev().collect::<Vec<i64>>());
        assert_eq!(code(back(&scene.root, &made, 1).await), "not_found");
        assert_eq!(code(back(&scene.root, &made, 2).await), "Ok");
    }
}

#[tokio::test]
async fn rolling_back_asks_for_what_a_change_asks_for() {
    for scene in Scene::both().await {
        let Scene { world, root, editor, .. } = &scene;
        let new = NewPolicy { priority: 9, ..NewPolicy::named("was high") };
        let made = policies::create_policy(root, new).await.unwrap();
        change(root, &made, to(0)).await.unwrap();

        assert_eq!(code(back(editor, &made, 1).await), "denied", "it would be high again");
        assert_eq!(code(back(editor, &made, 2).await), "Ok");
        let admin = world.user(&world.acme, "admin", Some("ADMIN")).await;
        let admin = world.cx_of(&world.acme, &admin, "admin");
        assert_eq!(code(back(&admin, &made, 2).await), "denied");
        assert_eq!(code(history::load_version(&admin, &made.id, 1).await), "Ok", "whoever reads policies");
        let stranger = world.user(&world.rival, "eve", Some("SUPER_ADMIN")).await;
        let stranger = crate::world::cx_of(&world.core, &world.rival, &stranger, "eve");
        assert_eq!(code(history::load_version(&stranger, &made.id, 1).await), "not_found");
        assert_eq!(code(back(&stranger, &made, 1).await), "not_found");
        let nobody = history::page_versions(&stranger, &made.id, &Listing::first(9)).await;
        assert_eq!(code(nobody), "not_found");
    }
}

#[tokio::test]
async fn what_reaches_further_than_it_looks_is_written_only_knowingly() {
    for scene in Scene::both().await {
        let wide = |element: &str| {
            let (action, resource) = match element {
                "NotAction" => ("NotAction", "Resource"),
                _ => ("Action", "NotResource"),
            };
            json!({
                "Version": "2012-10-17",
                "Statement": [{ "Effect": "Allow", action: ["a:b"], resource: ["x"] }],
            })
        };
        let new = NewPolicy { document: Some(wide("NotAction")), ..NewPolicy::named("wide") };
        let refused = policies::create_policy(&scene.root, new.clone()).await.unwrap_err();
        let problem = Problem::from(refused);
        assert_eq!(problem.code(), "needs_acknowledgement");
        assert_eq!(problem.errors()[0].pointer, "/document/Statement/0/NotAction");
        let said = |word: &str| NewPolicy { acknowledge: vec![word.to_owned()], ..new.clone() };
        assert_eq!(
            code(policies::create_policy(&scene.root, said("allow_not_resource")).await),
            "needs_acknowledgement"
        );
        assert_eq!(code(policies::create_policy(&scene.root, said("yes")).await), "invalid");
        let made = policies::create_policy(&scene.root, said("allow_not_action")).await.unwrap();

        let to = |document: Value| PolicyChange { document: Some(document), ..PolicyChange::default() };
        assert_eq!(code(change(&scene.root, &made, to(wide("NotAction"))).await), "Ok", "it was said before");
        let other = to(wide("NotResource"));
        assert_eq!(code(change(&scene.root, &made, other.clone()).await), "needs_acknowledgement");
        let knowing = PolicyChange { acknowledge: vec!["allow_not_resource".to_owned()], ..other };
        assert_eq!(code(change(&scene.root, &made, knowing).await), "Ok");
        assert_eq!(code(back(&scene.root, &made, 1).await), "Ok", "it was said then");
        let deny = json!({
            "Version": "2012-10-17",
            "Statement": [{ "Effect": "Deny", "NotAction": ["a:b"], "NotResource": ["x"] }],
        });
        assert_eq!(code(change(&scene.root, &made, to(deny)).await), "Ok", "a deny takes away");
    }
}

#[tokio::test]
async fn findings_tell_what_a_policy_is_among_the_others() {
    for scene in Scene::both().await {
        let Scene { world, root, .. } = &scene;
        let deny = NewPolicy { document: Some(says("Deny", "report:*")), ..NewPolicy::named("keep out") };
        let deny = policies::create_policy(root, deny).await.unwrap();
        assert!(lint::lint_policy(root, &deny.id).await.unwrap().is_empty());

        let draft = Draft { document: Some(says("Allow", "report:read")), priority: 1, ..Draft::default() };
        let codes = |findings: Vec<Finding>| -> Vec<String> {
            findings.iter().map(|one| format!("{} {}", one.code, one.path)).collect()
        };
        let found = lint::lint_draft(root, draft.clone()).await.unwrap();
        assert!(found[0].message.contains("`keep out`"), "{found:?}");
        assert_eq!(codes(found), ["deny_outranked /Statement/0"]);
        let in_its_place = Draft { policy_id: Some(deny.id.clone()), ..draft.clone() };
        assert!(lint::lint_draft(root, in_its_place).await.unwrap().is_empty());
        let high = NewPolicy { document: draft.document.clone(), priority: 1, ..NewPolicy::named("high") };
        policies::create_policy(root, high).await.unwrap();
        let found = lint::lint_policy(root, &deny.id).await.unwrap();
        assert!(found[0].message.contains("`high` has the priority 1"), "{found:?}");

        let everything = Draft { document: Some(says("Allow", "*")), ..Draft::default() };
        let found = lint::lint_draft(root, everything).await.unwrap();
        assert_eq!(codes(found)[0], "allow_everything /Statement/0");
        let misspelt = Draft { document: Some(says("Allow", "user:craete")), ..Draft::default() };
        assert_eq!(
            codes(lint::lint_draft(root, misspelt).await.unwrap()),
            ["unknown_action /Statement/0/Action/0"]
        );
        let wrong = Draft { document: Some(says("Maybe", "a:b")), ..Draft::default() };
        assert_eq!(code(lint::lint_draft(root, wrong).await), "invalid_policy");
        let wrong = Draft { expression: Some("1".to_owned()), ..Draft::default() };
        assert_eq!(code(lint::lint_draft(root, wrong).await), "invalid_expression");

        let stranger = world.user(&world.rival, "eve", Some("SUPER_ADMIN")).await;
        let stranger = crate::world::cx_of(&world.core, &world.rival, &stranger, "eve");
        assert_eq!(code(lint::lint_policy(&stranger, &deny.id).await), "not_found");
        assert!(lint::lint_draft(&stranger, draft).await.unwrap().is_empty());
    }
}
