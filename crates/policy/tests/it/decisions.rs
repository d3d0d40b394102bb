//! Snapshots: inheritance, the laws of combining, and the reasons in the answer.

use std::sync::Arc;

use policy::snapshot::{BECAUSE_MAX, ROLE_DEPTH_MAX};
use policy::{
    CompileError, Decision, Denial, Document, Effect, Facts, Input, Policy, Principal, Request, RoleInput,
    Snapshot, Source, Statement,
};
use serde_json::{Value, json};

/// A role with the policies that it has alone.
struct Draft {
    role: RoleInput,
    policies: Vec<Policy>,
}

impl Draft {
    fn attach(&mut self, policy: Policy) {
        self.role.policies.push(policy.id().to_string());
        self.policies.push(policy);
    }
}

fn role(id: &str, parent: Option<&str>) -> Draft {
    let role = RoleInput {
        id: id.into(),
        name: format!("Role {id}"),
        parent: parent.map(Into::into),
        policies: Vec::new(),
        permissions: Vec::new(),
    };
    Draft { role, policies: Vec::new() }
}

fn compile(version: i64, drafts: Vec<Draft>, parents: &[(&str, &str)]) -> Result<Snapshot, CompileError> {
    let mut input = Input { tenant: "t1".into(), ..Input::default() };
    for draft in drafts {
        input.roles.push(draft.role);
        input.policies.extend(draft.policies);
    }
    input.parents = parents.iter().map(|(name, parent)| ((*name).into(), (*parent).into())).collect();
    Snapshot::compile(version, input)
}

fn policy(id: &str, statements: Value) -> Policy {
    let document =
        Document::from_value(&json!({ "Version": "2012-10-17", "Statement": statements })).unwrap();
    Policy::new(id, &format!("Policy {id}")).with_document(Arc::new(document))
}

fn allow(actions: &str, resources: &str) -> Statement {
    Statement::allow(&[actions], &[resources]).unwrap()
}

/// Decides with and without reasons, which must agree.
fn decide(snapshot: &Snapshot, roles: &[&str], action: &str, resource: &str) -> Decision {
    let identity = snapshot.identity(roles, &[]).unwrap();
    let (principal, facts) = (Principal::new(&identity), Facts::at(0));
    let request = Request { action, resource, facts: &facts };
    let decision = snapshot.decide(&principal, &request);
    assert_eq!(snapshot.judge(&principal, &request).err(), decision.denial, "{action} {resource}");
    assert_eq!(decision.is_allowed(), decision.denial.is_none());
    decision
}

/// A reader, an editor that inherits from it, and a role that denies keys.
fn staff() -> Snapshot {
    let mut reader = role("reader", None);
    reader.role.permissions.push(Policy::permission("doc:read", vec![allow("doc:read", "docs/*")]));
    let mut editor = role("editor", Some("reader"));
    editor.attach(policy(
        "p1",
        json!([
            { "Effect": "Deny", "Action": "doc:delete", "Resource": "docs/keep/*" },
            { "Sid": "Edit", "Effect": "Allow", "Action": "doc:*", "Resource": "docs/*" }
        ]),
    ));
    let mut barred = role("barred", None);
    barred.attach(policy(
        "p2",
        json!({ "Sid": "NoKeys", "Effect": "Deny", "Action": "*", "Resource": "docs/keys/*" }),
    ));
    compile(7, vec![editor, barred, reader], &[]).unwrap()
}

/// Renders an answer in one line: effect, kind of denial, then path, source, number and sid of each reason.
fn show(decision: &Decision) -> String {
    let mut text = decision.effect.to_string();
    if let Some(denial) = decision.denial {
        text += &format!(" {denial:?}");
    }
    for because in &decision.because {
        let path: Vec<&str> = because.role_path.iter().map(|role| &*role.id).collect();
        let source = match &because.source {
            Source::Policy { id, .. } => id,
            Source::Permission { code } | Source::Link { code, .. } => code,
        };
        let sid = because.sid.as_deref().unwrap_or("-");
        text += &format!("; {} {source} {} {sid} {}", path.join("<"), because.statement, because.effect);
    }
    text
}

#[test]
fn nothing_is_allowed_by_default() {
    let snapshot = staff();

    for roles in [&[][..], &["nobody"], &["reader"]] {
        let decision = decide(&snapshot, roles, "doc:write", "docs/1");
        assert_eq!(show(&decision), "Deny NothingApplies");
        assert!(!decision.is_allowed());
        assert_eq!(decision.version, 7);
    }
}

#[test]
fn a_role_inherits_and_the_answer_shows_the_path() {
    let snapshot = staff();
    let show = |roles: &[&str], action, resource| show(&decide(&snapshot, roles, action, resource));

    assert_eq!(show(&["reader"], "doc:read", "docs/1"), "Allow; reader doc:read 0 - Allow");
    assert_eq!(
        show(&["editor"], "DOC:read", "docs/1"),
        "Allow; editor p1 1 Edit Allow; editor<reader doc:read 0 - Allow"
    );
    // What is held directly needs no detour, in whatever order and however often it is held.
    for roles in [&["reader", "editor"][..], &["editor", "reader", "editor", "nobody"]] {
        assert_eq!(
            show(roles, "doc:read", "docs/1"),
            "Allow; editor p1 1 Edit Allow; reader doc:read 0 - Allow"
        );
    }
}

#[test]
fn the_answer_names_roles_and_policies() {
    let decision = decide(&staff(), &["editor"], "doc:read", "docs/1");

    assert!(decision.is_allowed());
    let [own, inherited] = decision.because.as_slice() else { panic!("two reasons: {decision:?}") };
    assert_eq!(own.source, Source::Policy { id: "p1".into(), name: "Policy p1".into() });
    let names: Vec<&str> = inherited.role_path.iter().map(|role| &*role.name).collect();
    assert_eq!(names, ["Role editor", "Role reader"]);
}

#[test]
fn deny_wins_and_only_denies_are_named() {
    let snapshot = staff();
    let show = |roles: &[&str], action, resource| show(&decide(&snapshot, roles, action, resource));

    assert_eq!(show(&["editor"], "doc:delete", "docs/keep/1"), "Deny ExplicitDeny; editor p1 0 - Deny");
    assert_eq!(show(&["editor"], "doc:delete", "docs/1"), "Allow; editor p1 1 Edit Allow");
    assert_eq!(
        show(&["editor", "barred"], "doc:read", "docs/keys/1"),
        "Deny ExplicitDeny; barred p2 0 NoKeys Deny"
    );
    assert_eq!(show(&["barred"], "any:thing", "docs/keys/1"), "Deny ExplicitDeny; barred p2 0 NoKeys Deny");
}

#[test]
fn texts_that_are_no_names_are_refused_even_to_whom_everything_is_allowed() {
    let mut root = role("root", None);
    root.role.permissions.push(Policy::permission("all", vec![allow("*", "*")]));
    let snapshot = compile(1, vec![root], &[]).unwrap();
    assert!(decide(&snapshot, &["root"], "a:b", "c").is_allowed());

    for (action, resource) in
        [("a:b", ""), ("a:b", "docs/../c"), ("a:b", "docs%2fc"), ("a:*", "c"), ("a", "c")]
    {
        assert_eq!(
            show(&decide(&snapshot, &["root"], action, resource)),
            "Deny NothingApplies",
            "{action} {resource}"
        );
    }
}

#[test]
fn an_answer_names_a_bounded_number_of_statements() {
    let mut many = role("many", None);
    let statement = json!({ "Effect": "Allow", "Action": "a:b", "Resource": "*" });
    many.attach(policy("p", json!(vec![statement; BECAUSE_MAX + 1])));
    let mut last = role("z", None);
    last.role.permissions.push(Policy::permission("x", vec![Statement::deny(&["a:*"], &["z"]).unwrap()]));
    let snapshot = compile(1, vec![many, last], &[]).unwrap();

    let allowed = decide(&snapshot, &["many", "z"], "a:b", "c");
    let denied = decide(&snapshot, &["many", "z"], "a:b", "z");

    assert_eq!((allowed.effect, allowed.because.len()), (Effect::Allow, BECAUSE_MAX));
    // A deny is found however many allows come before it.
    assert_eq!((denied.denial, denied.because.len()), (Some(Denial::ExplicitDeny), 1));
}

#[test]
fn the_closure_of_a_role_is_the_role_and_its_ancestors() {
    let snapshot =
        compile(1, vec![role("c", Some("b")), role("b", Some("a")), role("a", None)], &[]).unwrap();

    assert_eq!(snapshot.closure("c").into_iter().collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(snapshot.closure("a").into_iter().collect::<Vec<_>>(), ["a"]);
    assert!(snapshot.closure("x").is_empty());
}

#[test]
fn ten_levels_of_roles_compile_and_eleven_do_not() {
    let chain = |levels: usize| {
        let parent = |level: usize| (level > 1).then(|| format!("r{:02}", level - 1));
        (1..=levels).map(|level| role(&format!("r{level:02}"), parent(level).as_deref())).collect::<Vec<_>>()
    };

    let deepest = compile(1, chain(ROLE_DEPTH_MAX), &[]).unwrap();
    assert_eq!(deepest.closure("r10").len(), 10);

    let error = compile(1, chain(ROLE_DEPTH_MAX + 1), &[]).unwrap_err();
    let CompileError::TooDeep { roles } = &error else { panic!("{error}") };
    assert_eq!(roles.len(), 11);
    assert!(error.to_string().contains("`Role r11` (r11) < `Role r10` (r10)"), "{error}");
    // A long chain costs no more than its length.
    assert!(matches!(compile(1, chain(5000), &[]), Err(CompileError::TooDeep { .. })));
}

#[test]
fn rings_unknown_parents_and_double_ids_name_the_roles() {
    let compile = |roles| compile(1, roles, &[]).unwrap_err();

    let error = compile(vec![role("a", Some("b")), role("b", Some("c")), role("c", Some("b"))]);
    let CompileError::Cycle { roles } = &error else { panic!("{error}") };
    assert_eq!(roles.iter().map(|role| &*role.id).collect::<Vec<_>>(), ["b", "c"]);
    assert_eq!(
        compile(vec![role("a", Some("a"))]).to_string(),
        "expected no role to inherit from itself, found the ring `Role a` (a)"
    );

    let ring = (0..30).map(|n| role(&format!("{n}"), Some(&format!("{}", (n + 1) % 30)))).collect();
    assert!(matches!(compile(ring), CompileError::Cycle { roles } if roles.len() == 30));

    assert_eq!(
        compile(vec![role("a", Some("x"))]).to_string(),
        "expected the parent of role `Role a` (a) to be a role of the tenant, found `x`"
    );
    assert!(matches!(
        compile(vec![role("a", None), role("b", None), role("a", None)]),
        CompileError::DuplicateRole { role } if &*role.id == "a"
    ));
}

/// A statement about these resources and all that lies in them.
fn within(effect: Effect, action: &str, resources: &[&str]) -> Statement {
    let names = Arc::new(resources.iter().map(|name| (*name).into()).collect());
    Statement::within(effect, &[action], &names).unwrap().of_permission(action)
}

#[test]
fn a_link_covers_a_resource_and_all_that_lies_in_it_and_a_deny_wins_further_down() {
    let mut reader = role("reader", None);
    let links = vec![
        within(Effect::Allow, "doc:Read", &["docs"]),
        within(Effect::Deny, "doc:Read", &["docs/secret"]),
    ];
    reader.attach(Policy::new("p", "Policy p").with_links(links));
    let parents = [("docs/plan", "docs"), ("docs/secret", "docs"), ("docs/secret/key", "docs/secret")];
    let snapshot = compile(1, vec![reader], &parents).unwrap();

    for (action, resource, expected) in [
        ("doc:Read", "docs", true),
        ("DOC:read", "docs/plan", true),
        ("doc:Read", "docs/secret", false),
        ("doc:Read", "docs/secret/key", false),
        ("doc:Write", "docs/plan", false),
        // Only the tree says what lies in what: a name that looks so does not.
        ("doc:Read", "docs/unregistered", false),
        ("doc:Read", "doc", false),
    ] {
        let decision = decide(&snapshot, &["reader"], action, resource);
        assert_eq!(decision.is_allowed(), expected, "{action} {resource}");
    }
    let because = &decide(&snapshot, &["reader"], "doc:Read", "docs/plan").because;
    let source = Source::Link { id: "p".into(), name: "Policy p".into(), code: "doc:Read".into() };
    assert_eq!(because[0].source, source);
}

#[test]
fn a_ring_in_the_tree_ends_after_ten_names() {
    let mut reader = role("reader", None);
    let links = vec![within(Effect::Allow, "doc:Read", &["elsewhere"])];
    reader.attach(Policy::new("p", "Policy p").with_links(links));
    let parents = [("a", "b"), ("b", "a")];
    let snapshot = compile(1, vec![reader], &parents).unwrap();

    assert!(!decide(&snapshot, &["reader"], "doc:Read", "a").is_allowed());
}

#[test]
fn a_link_names_actions_literally() {
    let names = Arc::new(std::collections::HashSet::new());

    assert!(Statement::within(Effect::Allow, &["doc:*"], &names).is_err());
    assert!(Statement::within(Effect::Allow, &["doc"], &names).is_err());
}
