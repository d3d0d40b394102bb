//! What apply does, and that it does all or nothing.

use base::{Kind, Problem};
use manifest::ApplyRequest;

use crate::world::{ACME, CANARY, World, request};

const HEAD: &str = "version: 1\ntenant: { code: acme }\n";

fn with_head(rest: &str) -> String {
    format!("{HEAD}{rest}")
}

#[tokio::test]
async fn the_example_makes_a_tenant_that_decides_as_it_says() {
    for world in World::on_both().await {
        let answer = world.apply(&world.host(), ACME).await;

        assert!(answer.changed);
        assert!(answer.policy_version > 0);
        assert!(answer.diff.starts_with("+ tenant acme\n"), "{}", answer.diff);
        assert!(answer.diff.contains("+ role editor\n"), "{}", answer.diff);
        assert!(answer.diff.contains("password: set from env:ACME_ALICE_PASSWORD"), "{}", answer.diff);
        assert_eq!(world.tenant("acme").await.config["audit"]["allowed_decisions"], "each");
        for (user, action, resource, expected) in [
            ("alice", "document:write", "document:docs/plan-2026", true),
            ("alice", "document:read", "document:docs/finance/budget-2026", true),
            ("bob", "document:read", "document:docs/plan-2026", true),
            ("bob", "document:write", "document:docs/plan-2026", false),
            ("carol", "document:write", "document:docs/plan-2026", true),
            ("carol", "document:read", "document:docs/finance/budget-2026", false),
        ] {
            let found = world.allowed("acme", user, action, resource).await;
            assert_eq!(found, expected, "{:?} {user} {action} {resource}", world.backend);
        }
        let events = world.events().await;
        for event in ["tenant.created", "user.created", "role.created", "client.created", "tenant.applied"] {
            assert!(events.iter().any(|found| found == event), "{event} in {events:?}");
        }
    }
}

#[tokio::test]
async fn applying_twice_changes_nothing_and_says_so() {
    for world in World::on_both().await {
        let first = world.apply(&world.host(), ACME).await;
        let events = world.events().await.len();

        let again = world.apply(&world.host(), ACME).await;
        let inside = world.apply(&world.host_in("acme").await, ACME).await;

        for answer in [again, inside] {
            assert_eq!(answer.diff, "nothing to change\n", "{:?}", world.backend);
            assert!(!answer.changed);
            assert_eq!(answer.policy_version, first.policy_version);
        }
        assert_eq!(world.events().await.len(), events);
    }
}

/// Permissions, policies that are linked to them, and what they are about.
const LINKED: &str = "permissions:
- { code: 'report:read', name: Read reports, description: All of them }
- { code: 'report:write', global_permission: 'report:Write' }
policies:
- name: Reports
  permissions: ['report:read', { permission: 'REPORT:write', effect: deny }, 'user:read']
  global_permissions: ['REPORT:write']
  resources: ['report:root']
- name: Closed
  effect: deny
  permissions: [{ permission: 'report:read', effect: allow }]
roles: [{ code: reader, policies: [Reports] }]
users: [{ username: ann, roles: [reader] }]
resources:
- { name: 'report:root' }
- { name: 'report:q3', parent: 'report:root' }
";

#[tokio::test]
async fn what_policies_are_linked_to_is_declared_changed_and_exported() {
    for world in World::on_both().await {
        let unknown = world.try_apply(&world.host(), &with_head(LINKED)).await.unwrap_err();
        assert!(unknown.detail().contains("the unknown global permission `report:Write`"), "{unknown:?}");
        let name = "report:Write".to_owned();
        authz::permissions::global::create(&world.host(), name, None).await.unwrap();

        let made = world.apply(&world.host(), &with_head(LINKED)).await;
        assert!(made.diff.contains("+ permission report:read"), "{}", made.diff);
        assert!(
            made.diff.contains("permissions: +report:read +REPORT:write (deny) +user:read"),
            "{}",
            made.diff
        );
        assert_eq!(world.apply(&world.host(), &with_head(LINKED)).await.diff, "nothing to change\n");
        for (action, resource, expected) in [
            ("report:read", "report:q3", true),
            ("report:read", "report:elsewhere", false),
            ("report:write", "report:q3", false),
        ] {
            assert_eq!(world.allowed("acme", "ann", action, resource).await, expected, "{action} {resource}");
        }

        let exported = world.service.export(&world.host(), "acme").await.unwrap();
        assert_eq!(world.apply(&world.host(), &exported).await.diff, "nothing to change\n", "{exported}");
        let elsewhere =
            exported.replacen("code: acme", "code: other", 1).replacen("name: acme", "name: other", 1);
        world.apply(&world.host(), &elsewhere).await;
        assert_eq!(world.apply(&world.host(), &elsewhere).await.diff, "nothing to change\n");
        assert!(world.allowed("other", "ann", "report:read", "report:q3").await, "links hold elsewhere too");

        let changed =
            "policies:\n- { name: reports, effect: deny, permissions: ['report:write'], resources: [] }\n";
        let changed = world.apply(&world.host(), &with_head(changed)).await;
        assert!(changed.diff.contains("effect: allow -> deny"), "{}", changed.diff);
        assert!(changed.diff.contains("resources: -report:root"), "{}", changed.diff);
        assert!(!world.allowed("acme", "ann", "report:read", "report:q3").await);
        let left = world.apply(&world.host(), &with_head("policies: [{ name: reports }]\n")).await;
        assert!(!left.changed, "what the file does not say stays");

        let pruned = "prune: [permissions, policies, roles, resources]\npermissions: []\npolicies: []\nroles: []\n\
                      users: [{ username: ann, roles: [] }]\nresources: []\n";
        let pruned = world.apply(&world.host(), &with_head(pruned)).await;
        assert!(pruned.diff.contains("- permission report:write"), "{}", pruned.diff);
        let exported = world.service.export(&world.host(), "acme").await.unwrap();
        assert!(exported.contains("permissions: []\npolicies: []"), "{exported}");
        assert_eq!(world.apply(&world.host(), &exported).await.diff, "nothing to change\n");
    }
}

#[tokio::test]
async fn links_that_lead_nowhere_are_refused_with_their_place() {
    for world in World::on_both().await {
        world.apply(&world.host(), &with_head("")).await;
        for (rest, says) in [
            ("policies: [{ name: P, permissions: ['report:read'] }]", "the unknown permission `report:read`"),
            (
                "policies: [{ name: P, permissions: [], resources: ['report:x'] }]",
                "the unknown resource `report:x`",
            ),
            ("policies: [{ name: P, global_permissions: ['a:b'] }]", "the unknown global permission `a:b`"),
            ("policies: [{ name: P, resources: [] }]", "expected the key `document`"),
            ("policies: [{ name: P, permissions: ['user:read', 'USER:read'] }]", "twice"),
            (
                "policies: [{ name: P, permissions: [{ permission: 'user:read', effect: maybe }] }]",
                "`allow` or `deny`",
            ),
            ("policies: [{ name: P, permissions: ['system:config'] }]", "does nothing inside a tenant"),
            ("permissions: [{ code: 'user:fly' }]", "Signet's own"),
            ("permissions: [{ code: 'a:b' }, { code: 'A:B' }]", "twice"),
        ] {
            let refused = world.try_apply(&world.host(), &with_head(&format!("{rest}\n"))).await.unwrap_err();
            let text = format!("{} {:?}", refused.detail(), refused.errors());
            assert!(text.contains("f.yaml:3:") && text.contains(says), "{rest}: {text}");
        }
    }
}

#[tokio::test]
async fn a_file_hands_the_last_super_admin_on_and_never_takes_it() {
    for world in World::on_both().await {
        let users = |one: &str, two: &str| {
            with_head(&format!(
                "users: [{{ username: one, roles: [{one}] }}, {{ username: two, roles: [{two}] }}]\n"
            ))
        };
        world.apply(&world.host(), &users("SUPER_ADMIN", "USER")).await;

        let taken = users("USER", "USER");
        for dry_run in [true, false] {
            let refused = world
                .try_request(&world.host(), ApplyRequest { dry_run, ..request(&taken) })
                .await
                .unwrap_err();
            assert_eq!(refused.code(), "last_super_admin", "dry run: {dry_run}");
            assert!(refused.detail().starts_with("f.yaml: "), "{}", refused.detail());
        }
        let locked = with_head("users: [{ username: one, status: locked }]\n");
        let refused = world.try_apply(&world.host(), &locked).await.unwrap_err();
        assert_eq!(refused.code(), "last_super_admin");

        // The first of the two loses the role before the second has it, and the other way round.
        let swapped = world.apply(&world.host(), &users("USER", "SUPER_ADMIN")).await;
        assert!(swapped.changed);
        world.apply(&world.host(), &locked).await;
        let back = users("SUPER_ADMIN", "USER");
        let refused = world.try_apply(&world.host(), &back).await.unwrap_err();
        assert_eq!(refused.code(), "last_super_admin", "who is locked does not count");
    }
}

#[tokio::test]
async fn what_a_client_is_an_enforcement_point_for_is_set_changed_and_taken_away() {
    for world in World::on_both().await {
        world.apply(&world.host(), ACME).await;
        let client = |evaluation: &str| {
            with_head(&format!("clients:\n- {{ client_id: acme-reporting, evaluation: {evaluation} }}\n"))
        };
        for (evaluation, diff) in [
            ("{ actions: ['document:*'], resources: ['document:*'] }", "nothing to change\n"),
            (
                "{ actions: ['document:read'], resources: ['*'], context_keys: [channel] }",
                "~ client acme-reporting\n    evaluation:\n",
            ),
            ("null", "~ client acme-reporting\n    evaluation:\n"),
        ] {
            let answer = world.apply(&world.host(), &client(evaluation)).await;
            assert!(answer.diff.starts_with(diff), "{}", answer.diff);
            let again = world.apply(&world.host(), &client(evaluation)).await;
            assert_eq!(again.diff, "nothing to change\n");
        }
    }
}

#[tokio::test]
async fn a_dry_run_tells_the_plan_and_changes_nothing() {
    for world in World::on_both().await {
        let dry = |text: &str| ApplyRequest { dry_run: true, ..request(text) };

        let unmade = world.try_request(&world.host(), dry(ACME)).await.unwrap();
        assert!(world.directory.tenant_by_code("acme").await.unwrap().is_none());
        assert!(world.events().await.is_empty());
        let made = world.apply(&world.host(), ACME).await;
        assert_eq!(unmade.diff, made.diff);
        assert!(!unmade.changed && unmade.dry_run);

        let events = world.events().await;
        let change =
            with_head("users: [{ username: dave }]\nroles: [{ code: viewer, permissions: [user:read] }]\n");
        let planned = world.try_request(&world.host(), dry(&change)).await.unwrap();
        assert_eq!(
            planned.diff,
            "~ role viewer: permissions: +user:read\n+ user dave: password: none; set one before they can sign in\n"
        );
        assert_eq!(planned.policy_version, made.policy_version);
        assert!(world.user_id("acme", "dave").await.is_none());
        assert_eq!(world.events().await, events);
        let taken = with_head("users: [{ username: dave, email: Alice@acme.example }]\n");
        let refused = world.try_request(&world.host(), dry(&taken)).await.unwrap_err();
        assert_eq!(refused.code(), "email_taken", "what only the doing refuses is told too");
    }
}

#[tokio::test]
async fn applying_an_export_changes_nothing() {
    for world in World::on_both().await {
        world.apply(&world.host(), ACME).await;
        let more = with_head(
            "roles: [{ code: timed, permissions: [audit:read] }]\n\
             users:\n- { username: eve, status: locked, phone: '+4930123456', first_name: \"y: [\", display_name: 'no', avatar_url: 'https://a.example/p.png', position: 'null', attributes: { team: 'yes', null_: null, n: [1, 1.5, -2, true], deep: { 'x.y': '1', empty: {}, none: [] } } }\n\
             - { username: frank, status: inactive, roles: [{ role: timed, expires_at: 2027-01-01T00:00:00Z }] }\n\
             groups:\n- { name: '123', members: [frank, 'client:acme-reporting', { member: eve, valid_from: 2026-01-01T00:00:00Z }], roles: [{ role: timed, valid_from: 2026-02-01T00:00:00Z }] }\n\
             clients:\n- { client_id: app, description: \"two\\nlines\", type: public, enabled: false, redirect_uris: ['http://127.0.0.1/callback'], scopes: [openid] }\n\
             resources: [{ name: 'document:x', tags: { 'null': 'true', '1': ' x', empty: '' } }]\n"
                .replace("' x'", "'x # y'")
                .as_str(),
        );
        world.apply(&world.host(), &more).await;

        let exported = world.service.export(&world.host(), "acme").await.unwrap();
        let again = world.apply(&world.host(), &exported).await;
        let inside = world.service.export(&world.host_in("acme").await, "acme").await.unwrap();

        assert_eq!(again.diff, "nothing to change\n", "{:?}\n{exported}", world.backend);
        assert_eq!(inside, exported);
        assert!(exported.contains("2027-01-01T00:00:00"), "a window is exported: {exported}");
        let fewer = "users: [{ username: eve, attributes: { team: red, deep: { a: null } } }]\n";
        let changed = world.apply(&world.host(), &with_head(fewer)).await;
        assert!(changed.diff.contains("attributes"), "{}", changed.diff);
        let exported = world.service.export(&world.host(), "acme").await.unwrap();
        assert!(exported.contains("team: red") && !exported.contains("null_"), "exactly these: {exported}");
        assert_eq!(world.apply(&world.host(), &exported).await.diff, "nothing to change\n", "{exported}");
        let lost = world.service.export(&world.host(), "nobody").await.map_err(Problem::from).unwrap_err();
        assert_eq!(lost.kind(), Kind::NotFound);
    }
}

#[tokio::test]
async fn no_secret_is_in_a_plan_an_error_an_export_or_the_log() {
    for world in World::on_both().await {
        let mut seen = Vec::new();
        let answer = world.apply(&world.host(), ACME).await;
        seen.push(serde_json::to_string(&answer).unwrap());
        let rotate = with_head(
            "users: [{ username: alice, password: { env: PASSWORD, rotate: true } }]\n\
             clients: [{ client_id: acme-web-node, secret: { env: SECRET, rotate: true } }]\n",
        );
        let rotated = world.apply(&world.host(), &rotate).await;
        assert!(rotated.changed && rotated.diff.contains("set from env:SECRET"), "{}", rotated.diff);
        seen.push(serde_json::to_string(&rotated).unwrap());
        for text in [
            with_head(&format!("users: [{{ username: x, password: {CANARY} }}]\n")),
            with_head(
                "users:\n- { username: x, password: { env: PASSWORD } }\n- { username: y, email: alice@acme.example }\n",
            ),
            with_head("users: [{ username: x, password: { env: LONG } }]\n"),
            with_head("clients: [{ client_id: x, type: service, secret: { env: PASSWORD } }]\n"),
        ] {
            seen.push(format!("{:?}", world.try_apply(&world.host(), &text).await.unwrap_err()));
        }
        seen.push(world.service.export(&world.host(), "acme").await.unwrap());
        seen.extend(world.texts("SELECT CAST(details AS TEXT) AS text FROM audit_logs").await);

        for text in seen {
            assert!(!text.contains(CANARY) && !text.contains("$2a$"), "{:?}: {text}", world.backend);
        }
    }
}

#[tokio::test]
async fn a_refused_last_object_undoes_all_before_it() {
    for world in World::on_both().await {
        world.apply(&world.host(), ACME).await;
        let (events, before) =
            (world.events().await, world.service.export(&world.host(), "acme").await.unwrap());
        let text = with_head(
            "policies: [{ name: New, document: { Version: '2012-10-17', Statement: [{ Effect: Allow, Action: a:b, Resource: x }] } }]\n\
             roles:\n- { code: first, policies: [New] }\n\
             users:\n- { username: dave, roles: [first] }\n- { username: late, email: alice@acme.example }\n",
        );

        let refused = world.try_apply(&world.host(), &text).await.unwrap_err();

        assert_eq!(refused.code(), "email_taken");
        assert!(refused.detail().starts_with("f.yaml:8:15: user `late`: "), "{}", refused.detail());
        assert_eq!(world.service.export(&world.host(), "acme").await.unwrap(), before);
        assert_eq!(world.events().await, events);
        let unmade =
            text.replace("code: acme", "code: other").replace("alice@acme.example", "dave@acme.example");
        let unmade = unmade.replace("username: dave,", "username: dave, email: dave@acme.example,");
        assert_eq!(world.try_apply(&world.host(), &unmade).await.unwrap_err().code(), "email_taken");
        assert!(world.directory.tenant_by_code("other").await.unwrap().is_none());
    }
}

#[tokio::test]
async fn what_only_the_tenant_can_know_is_refused_with_its_line() {
    for world in World::on_both().await {
        world.apply(&world.host(), ACME).await;
        for (rest, expected) in [
            ("roles: [{ code: a, parent: nobody }]", "f.yaml:3:28: found the unknown role `nobody`"),
            ("roles: [{ code: a, policies: [Nothing] }]", "f.yaml:3:31: found the unknown policy `Nothing`"),
            (
                "roles: [{ code: a, permissions: [user:fly] }]",
                "f.yaml:3:34: found the unknown permission `user:fly`, expected one of user:create, ",
            ),
            ("groups: [{ name: g, members: [nobody] }]", "f.yaml:3:31: found the unknown user `nobody`"),
            (
                "groups: [{ name: g, members: ['client:x'] }]",
                "f.yaml:3:31: found the unknown client `client:x`",
            ),
            ("groups: [{ name: g, roles: [x] }]", "f.yaml:3:29: found the unknown role `x`"),
            ("users: [{ username: alice, roles: [x] }]", "f.yaml:3:36: found the unknown role `x`"),
            ("resources: [{ name: a, parent: b }]", "f.yaml:3:32: found the unknown resource `b`"),
            (
                "policies: [{ name: p }]",
                "f.yaml:3:20: expected the key `document`: the policy is not there yet",
            ),
            (
                "clients: [{ client_id: c }]",
                "f.yaml:3:24: expected the key `type`: the client is not there yet",
            ),
            ("clients: [{ client_id: c, type: service }]", "f.yaml:3:24: expected the key `secret`"),
            (
                "clients: [{ client_id: acme-reporting, type: public }]",
                "f.yaml:3:46: found `public`, expected `service`",
            ),
            (
                "users: [{ username: z, password: { env: NOWHERE } }]",
                "f.yaml:3:34: found the secret `env:NOWHERE` unresolved",
            ),
            ("users: [{ username: z, password: { env: LONG } }]", ""),
        ] {
            let result = world.try_apply(&world.host(), &with_head(rest)).await;
            if expected.is_empty() {
                let detail = result.unwrap_err().detail().to_owned();
                assert!(detail.starts_with("f.yaml:3:21: user `z`: "), "{detail}");
                continue;
            }
            let problem = result.unwrap_err();
            assert_eq!(problem.kind(), Kind::Invalid, "{rest}: {problem:?}");
            assert!(problem.detail().starts_with(expected), "{rest}\n gave {}", problem.detail());
            assert_eq!(problem.errors()[0].pointer, "/text");
        }
        let config = "version: 1\ntenant: { code: acme, config: { sessions: {} } }\n";
        let bad = world.try_apply(&world.host(), config).await.unwrap_err();
        assert!(
            bad.detail().starts_with("f.yaml:2:31: in the tenant's config, /sessions"),
            "{}",
            bad.detail()
        );
        let other =
            world.try_apply(&world.host_in("acme").await, "version: 1\ntenant: { code: default }\n").await;
        assert!(
            other
                .unwrap_err()
                .detail()
                .starts_with("f.yaml:2:17: found the tenant `default`, expected `acme`")
        );
        let reserved =
            world.try_apply(&world.host(), "version: 1\ntenant: { code: api }\n").await.unwrap_err();
        assert!(reserved.detail().starts_with("f.yaml:2:17: tenant `api`: "), "{}", reserved.detail());
    }
}

#[tokio::test]
async fn a_plan_for_another_version_is_refused() {
    for world in World::on_both().await {
        let made = world.apply(&world.host(), ACME).await;
        let group = |name: &str, version| ApplyRequest {
            expected_policy_version: Some(version),
            ..request(&with_head(&format!("groups: [{{ name: {name} }}]\n")))
        };

        let right = world.try_request(&world.host(), group("One", made.policy_version)).await.unwrap();
        let moved = world.try_request(&world.host(), group("Two", made.policy_version)).await.unwrap_err();

        assert!(right.policy_version > made.policy_version);
        assert_eq!((moved.kind(), moved.code()), (Kind::Conflict, "policy_version_moved"));
        world.try_request(&world.host(), group("Two", right.policy_version)).await.unwrap();
    }
}

#[tokio::test]
async fn fields_that_are_left_out_stay_and_null_takes_away() {
    for world in World::on_both().await {
        world.apply(&world.host(), ACME).await;

        let answer = world
            .apply(
                &world.host(),
                &with_head(
                    "users: [{ username: ALICE, email: null }]\nroles: [{ code: editor, parent: null }]\n",
                ),
            )
            .await;

        assert_eq!(
            answer.diff,
            "~ role editor: parent: viewer -> nothing\n~ user ALICE\n    username: alice -> ALICE\n    email: alice@acme.example -> nothing\n"
        );
        let exported = world.service.export(&world.host(), "acme").await.unwrap();
        assert!(exported.contains("display_name: Alice Ahn"), "{exported}");
        let back = "roles:\n- { code: viewer, parent: editor }\n- { code: editor, description: x }\n";
        world.apply(&world.host(), &with_head(back)).await;
        let turned = "roles:\n- { code: editor, parent: viewer }\n- { code: viewer, parent: null }\n";
        let turned = world.apply(&world.host(), &with_head(turned)).await;
        assert!(turned.changed, "a parent and its child can change places: {}", turned.diff);
    }
}

#[tokio::test]
async fn a_new_default_role_is_given_by_the_file_that_names_it() {
    for world in World::on_both().await {
        let text = "version: 1\ntenant: { code: fresh, config: { default_role: member } }\nroles: [{ code: member, parent: USER }]\nusers: [{ username: one, roles: [] }]\n";
        world.apply(&world.host(), text).await;
        let again = world.apply(&world.host(), text).await;
        assert_eq!(again.diff, "nothing to change\n");

        let changed = text.replace("member", "person").replace("username: one", "username: two");
        world.apply(&world.host(), &changed).await;
        let again = world.apply(&world.host(), &changed).await;
        assert_eq!(again.diff, "nothing to change\n");
        let exported = world.service.export(&world.host(), "fresh").await.unwrap();
        assert!(exported.contains("- person"), "{exported}");
    }
}

#[tokio::test]
async fn pruning_deletes_what_a_section_does_not_name_and_nothing_else() {
    for world in World::on_both().await {
        world.apply(&world.host(), ACME).await;
        let held = with_head("prune: [roles]\nroles: [{ code: viewer }]\n");
        let refused = world.try_apply(&world.host(), &held).await.unwrap_err();
        assert_eq!(refused.code(), "in_use", "{refused:?}");

        let text = with_head(
            "prune: [groups, resources, clients, roles, policies, users]\n\
             groups: []\nresources: [{ name: 'document:docs' }]\nclients: [{ client_id: acme-web-node }]\n\
             roles: [{ code: viewer }]\npolicies: [{ name: Read documents }]\n\
             users: [{ username: alice }, { username: bob, roles: [] }]\n",
        );
        let answer = world.apply(&world.host(), &text).await;

        assert!(answer.diff.contains("- group Engineering\n"), "{}", answer.diff);
        assert!(answer.diff.contains("- role editor\n") && !answer.diff.contains("ADMIN"), "{}", answer.diff);
        assert!(answer.diff.contains("- user carol\n"), "{}", answer.diff);
        assert!(world.user_id("acme", "carol").await.is_none());
        let exported = world.service.export(&world.host(), "acme").await.unwrap();
        for gone in ["carol", "editor", "Engineering", "budget-2026", "acme-reporting", "Write documents"] {
            assert!(!exported.contains(gone), "{gone} in {exported}");
        }
        for kept in ["SUPER_ADMIN", "USER", "viewer", "acme-web-node", "bob", "Read documents"] {
            assert!(exported.contains(kept), "{kept} in {exported}");
        }
        assert_eq!(world.apply(&world.host(), &text).await.diff, "nothing to change\n");
    }
}

#[tokio::test]
async fn more_secrets_than_one_request_has_time_for_are_refused() {
    for world in World::on_both().await {
        let users: String =
            (0..101).map(|i| format!("- {{ username: u{i}, password: {{ env: PASSWORD }} }}\n")).collect();

        let refused =
            world.try_apply(&world.host(), &with_head(&format!("users:\n{users}"))).await.unwrap_err();

        assert_eq!(refused.code(), "too_many_secrets");
    }
}

#[tokio::test]
async fn of_two_files_at_once_each_is_applied_whole_or_refused() {
    for world in World::on_both().await {
        world.apply(&world.host(), ACME).await;
        let file = |name: &str| {
            let groups: String = (0..20).map(|i| format!("- {{ name: {name}{i} }}\n")).collect();
            with_head(&format!("groups:\n{groups}"))
        };
        let (left, right, host) = (file("left"), file("right"), world.host());

        let (first, second) = tokio::join!(world.try_apply(&host, &left), world.try_apply(&host, &right));

        let exported = world.service.export(&world.host(), "acme").await.unwrap();
        assert!(first.is_ok() || second.is_ok(), "{first:?} {second:?}");
        for (result, name) in [(&first, "name: left"), (&second, "name: right")] {
            let there = exported.matches(name).count();
            match result {
                Ok(_) => assert_eq!(there, 20, "{:?} {name}", world.backend),
                Err(problem) => {
                    assert_eq!(
                        (there, problem.kind()),
                        (0, Kind::Conflict),
                        "{:?} {problem:?}",
                        world.backend
                    );
                }
            }
        }
    }
}
