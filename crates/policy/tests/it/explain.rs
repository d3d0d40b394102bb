//! Explanations: the allows that nearly applied, and what of them did not.

use std::sync::Arc;

use policy::snapshot::{EXPLAIN_STEPS_MAX, MISSES_MAX};
use policy::{
    Denial, Document, Explanation, Expression, Facts, Failed, Input, Known, Miss, Policy, Principal, Request,
    RoleInput, Snapshot, Source, Value as Fact,
};
use proptest::test_runner::TestCaseError;
use serde_json::{Value, json};

use crate::engine::{is_answered, place, put_to_engine};
use crate::generate::Scenario;
use crate::laws::check_scenarios;
use crate::world::{Layer, Part, World};

fn policy(id: &str, statements: Value) -> Policy {
    let document =
        Document::from_value(&json!({ "Version": "2012-10-17", "Statement": statements })).unwrap();
    Policy::new(id, id).with_document(Arc::new(document))
}

fn tenant(policies: Vec<Policy>) -> Input {
    let role = RoleInput {
        id: "role".to_owned(),
        name: "Role".to_owned(),
        parent: None,
        policies: policies.iter().map(|policy| policy.id().to_string()).collect(),
        permissions: Vec::new(),
    };
    Input { tenant: "t1".to_owned(), roles: vec![role], policies, ..Input::default() }
}

fn explain(input: Input, action: &str, resource: &str) -> Explanation {
    let snapshot = Snapshot::compile(1, input).unwrap();
    let identity = snapshot.identity(&["role"], &[]).unwrap();
    let facts = Facts::at(0)
        .with(Known::PrincipalArn, Fact::Text("arn:signet:iam::t1:user/u1"))
        .with(Known::PrincipalAccount, Fact::Text("t1"))
        .with(Known::Username, Fact::Text("u"));
    let (principal, request) = (Principal::new(&identity), Request { action, resource, facts: &facts });
    let explanation = snapshot.explain(&principal, &request);
    assert_eq!(explanation.decision, snapshot.decide(&principal, &request));
    explanation
}

/// A miss in one line: layer, source and place, then what failed.
fn show(miss: &Miss) -> String {
    let (Source::Policy { name, .. } | Source::Link { name, .. } | Source::Permission { code: name }) =
        &miss.statement.source;
    let failed: Vec<String> = miss
        .failed
        .iter()
        .map(|failed| match failed {
            Failed::Condition { operator, key, why } => {
                format!("{operator} {} {}", key.name(), why.as_str())
            }
            other => other.as_str().to_owned(),
        })
        .collect();
    format!("{} {name} {}: {}", miss.statement.layer.as_str(), miss.statement.statement, failed.join(", "))
}

fn shown(explanation: &Explanation) -> Vec<String> {
    explanation.misses.iter().map(show).collect()
}

#[test]
fn the_allows_that_nearly_applied_are_named_with_what_failed_the_nearest_first() {
    let policies = vec![
        policy(
            "a",
            json!([
                { "Effect": "Allow", "Action": "doc:write", "Resource": "docs/*" },
                { "Effect": "Allow", "Action": "doc:read", "Resource": "plans/*" },
                { "Effect": "Allow", "Action": "key:read", "Resource": "*" },
                { "Effect": "Allow", "Action": "doc:write", "Resource": "plans/*" },
            ]),
        ),
        policy(
            "b",
            json!([
                { "Effect": "Allow", "Action": "doc:*", "Resource": "*", "Condition": {
                    "IpAddress": { "aws:SourceIp": "10.0.0.0/8" }, "StringEquals": { "aws:username": "v" } } },
                { "Effect": "Allow", "Action": "doc:*", "Resource": "*",
                    "Condition": { "NumericLessThan": { "aws:username": "1" } } },
                { "Effect": "Deny", "Action": "doc:read", "Resource": "plans/*" },
                { "Effect": "Allow", "NotAction": "doc:read", "Resource": "docs/1" },
            ]),
        ),
        policy("c", json!({ "Effect": "Allow", "Action": "*", "Resource": "*" }))
            .with_expression(Expression::parse("principal.name == 'w'").unwrap()),
    ];

    let explanation = explain(tenant(policies), "doc:read", "docs/1");

    assert_eq!(explanation.decision.denial, Some(Denial::NothingApplies));
    assert!(explanation.complete);
    assert_eq!(
        shown(&explanation),
        [
            "identity b 1: NumericLessThan aws:username unreadable",
            "identity c 0: expression",
            "identity b 0: IpAddress aws:SourceIp absent, StringEquals aws:username other_value",
            "identity a 0: action",
            "identity a 1: resource",
            "identity b 3: action",
        ]
    );
}

#[test]
fn nothing_is_missing_where_it_is_permitted_or_a_deny_decides() {
    let near = json!({ "Effect": "Allow", "Action": "doc:write", "Resource": "*" });
    let allow = json!({ "Effect": "Allow", "Action": "doc:read", "Resource": "*" });
    let deny = json!({ "Effect": "Deny", "Action": "doc:read", "Resource": "*" });
    for statements in [json!([near, allow]), json!([near, deny]), json!([near, allow, deny])] {
        let explanation = explain(tenant(vec![policy("p", statements)]), "doc:read", "docs/1");
        assert_eq!((shown(&explanation), explanation.complete), (Vec::new(), true));
    }
    let near = policy("p", json!({ "Effect": "Allow", "Action": "doc:read", "Resource": "*" }));
    let input = tenant(vec![near]);
    assert_eq!(shown(&explain(input.clone(), "no name", "docs/1")), Vec::<String>::new());
    assert_eq!(shown(&explain(input, "doc:read", "")), Vec::<String>::new());
}

#[test]
fn a_ceiling_that_does_not_allow_is_what_is_searched() {
    let mut input =
        tenant(vec![policy("wide", json!({ "Effect": "Allow", "Action": "*", "Resource": "*" }))]);
    input.tenant_guardrail =
        Some(vec![policy("guard", json!({ "Effect": "Allow", "Action": "doc:*", "Resource": "plans/*" }))]);

    let explanation = explain(input, "doc:read", "docs/1");

    assert_eq!(explanation.decision.denial, Some(Denial::Guardrail));
    assert_eq!(shown(&explanation), ["tenant_guardrail guard 0: resource"]);
}

#[test]
fn a_resources_policy_that_names_others_nearly_applies() {
    let statement = json!({ "Effect": "Allow", "Action": "doc:read", "Resource": "*",
        "Principal": { "Signet": "arn:signet:iam::t1:user/u2" } });
    let value = json!({ "Version": "2012-10-17", "Statement": statement });
    let document = Document::from_value_as(policy::Kind::Resource, &value).unwrap();
    let own = Policy::new("own", "own").with_document(Arc::new(document));
    let mut input = tenant(Vec::new());
    input.resource_policies.push(("docs/1".to_owned(), own));

    assert_eq!(shown(&explain(input, "doc:read", "docs/1")), ["resource own 0: principal"]);
}

#[test]
fn an_explanation_names_few_statements_and_says_when_there_were_too_many_to_look_at() {
    let near = |at: usize| json!({ "Effect": "Allow", "Action": "doc:read", "Resource": format!("d/{at}") });
    let many = policy("many", (0..100).map(near).collect());
    let explanation = explain(tenant(vec![many]), "doc:read", "docs/1");
    assert_eq!(explanation.misses.len(), MISSES_MAX);
    assert!(explanation.complete);
    assert_eq!(explanation.misses[0].statement.statement, 0);

    let slow = |at: usize| {
        let patterns: Vec<String> = (0..200).map(|n| format!("*{at}{n}x")).collect();
        policy(&format!("slow{at}"), json!({ "Effect": "Allow", "Action": "doc:read", "Resource": patterns }))
    };
    let slow: Vec<Policy> = (0..60).map(slow).collect();
    let steps: usize = 60 * 200 * 1024;
    assert!(steps > EXPLAIN_STEPS_MAX);
    let explanation = explain(tenant(slow), "doc:read", "docs/1");
    assert!(!explanation.complete);
    assert!(!explanation.misses.is_empty());
}

/// Takes what failed out of a statement; false where it is no statement of a document, or its policy says more then.
fn mend(world: &mut World, policy: &str, at: usize, failed: &[Failed]) -> bool {
    let Some(found) = world.policies.iter_mut().find(|known| known.id == policy) else { return false };
    let Some(statement) = found.document.as_mut().and_then(|document| match &mut document["Statement"] {
        Value::Array(list) => list.get_mut(at),
        single => Some(single),
    }) else {
        return false;
    };
    let Some(members) = statement.as_object_mut() else { return false };
    for part in failed {
        match part {
            Failed::Action => {
                members.remove("NotAction");
                members.insert("Action".to_owned(), json!("*"));
            }
            Failed::Resource => {
                members.remove("NotResource");
                members.insert("Resource".to_owned(), json!("*"));
            }
            Failed::Condition { .. } => drop(members.remove("Condition")),
            Failed::Principal | Failed::Expression => return false,
        }
    }
    true
}

#[test]
fn what_an_explanation_says_is_missing_is_all_that_is_missing() {
    let mended = std::cell::Cell::new(0);
    check_scenarios(300, |Scenario { world, asks, .. }| {
        for ask in asks.iter().filter(|ask| is_answered(&world, ask)) {
            let (explanation, decision) = put_to_engine(&world, ask, |snapshot, principal, request| {
                (snapshot.explain(principal, request), snapshot.decide(principal, request))
            });
            proptest::prop_assert_eq!(&explanation.decision, &decision);
            for miss in &explanation.misses {
                proptest::prop_assert!(!miss.failed.is_empty() && !decision.is_allowed());
                let place = place(&miss.statement, ask);
                let (Layer::Role | Layer::Direct, Part::Statement(at)) = (place.layer, place.part) else {
                    continue;
                };
                let mut world = world.clone();
                if !mend(&mut world, &place.policy, at, &miss.failed) {
                    continue;
                }
                let after = put_to_engine(&world, ask, |snapshot, principal, request| {
                    snapshot.decide(principal, request)
                });
                proptest::prop_assert!(after.is_allowed(), "{:?}\n{:?}", miss, after);
                mended.set(mended.get() + 1);
            }
        }
        Ok::<(), TestCaseError>(())
    });
    assert!(mended.get() > 100, "{}", mended.get());
}
