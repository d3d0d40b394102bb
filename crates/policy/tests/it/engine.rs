//! The engine, asked in the oracle's words: the known answers, the laws, and the oracle's own answers on generated
//! worlds must all be the engine's.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use policy::snapshot::BECAUSE_MAX;
use policy::{
    Because, Document, Expression, Facts, Input, Key, Known, Policy, Principal, Request, RoleInput, Snapshot,
    Source, Statement, Stored, Tagged, Value,
};
use proptest::test_runner::TestCaseError;
use serde_json::json;

use crate::generate::Scenario;
use crate::known::{expression, wrong_answers};
use crate::laws::{check_laws, check_scenarios};
use crate::naive;
use crate::world::{Answer, Ask, Denial, Effect, Layer, Part, Place, WPolicy, World, is_foreign};

/// The engine's answer, and whether the lists of its reasons are whole.
struct Engine {
    answer: Answer,
    is_whole: bool,
}

fn document(value: &serde_json::Value, kind: policy::Kind) -> Arc<Document> {
    Arc::new(Document::from_value_as(kind, value).unwrap_or_else(|errors| panic!("{errors:?}: {value}")))
}

fn compile_policy(said: &WPolicy) -> Policy {
    let names: HashSet<Box<str>> = said.linked_resources.iter().map(|name| name.as_str().into()).collect();
    let names = Arc::new(names);
    let links = said.links.iter().enumerate().map(|(number, link)| {
        let effect = match link.effect.unwrap_or(said.effect) {
            Effect::Allow => policy::Effect::Allow,
            Effect::Deny => policy::Effect::Deny,
        };
        let actions: Vec<&str> = link.actions.iter().map(String::as_str).collect();
        let statement = if names.is_empty() && effect == policy::Effect::Deny {
            Statement::deny(&actions, &["*"]).unwrap()
        } else {
            Statement::within(effect, &actions, &names).unwrap()
        };
        statement.of_permission(&format!("link{number}"))
    });
    let mut policy = Policy::new(&said.id, &said.id).with_priority(said.priority).with_links(links.collect());
    if let Some(text) = &said.expression {
        policy = policy.with_expression(Expression::parse(text).unwrap());
    }
    if let Some(value) = &said.document {
        policy = policy.with_document(document(value, policy::Kind::Identity));
    }
    policy
}

fn ceiling(documents: &[serde_json::Value]) -> Vec<Policy> {
    let policy = |(number, value): (usize, &serde_json::Value)| {
        Policy::new(&number.to_string(), "").with_document(document(value, policy::Kind::Identity))
    };
    documents.iter().enumerate().map(policy).collect()
}

fn compile(world: &World) -> Snapshot {
    let roles = world.roles.iter().map(|role| {
        let permission = |(number, said): (usize, &serde_json::Value)| {
            let value = json!({ "Version": "2012-10-17", "Statement": [said] });
            let statement = document(&value, policy::Kind::Identity).statements()[0].clone();
            Policy::permission(&number.to_string(), vec![statement])
        };
        RoleInput {
            id: role.id.clone(),
            name: role.id.clone(),
            parent: role.parent.clone(),
            policies: role.policies.iter().map(|&at| world.policies[at].id.clone()).collect(),
            permissions: role.permissions.iter().enumerate().map(permission).collect(),
        }
    });
    let guardrail = |documents: &[serde_json::Value]| (!documents.is_empty()).then(|| ceiling(documents));
    let parents: HashMap<Arc<str>, Arc<str>> =
        world.parents.iter().map(|(name, parent)| (name.as_str().into(), parent.as_str().into())).collect();
    let input = Input {
        tenant: world.tenant.clone(),
        roles: roles.collect(),
        policies: world.policies.iter().map(compile_policy).collect(),
        platform_guardrail: guardrail(&world.platform_guardrails),
        tenant_guardrail: guardrail(&world.tenant_guardrails),
        resource_policies: world
            .resource_policies
            .iter()
            .map(|(name, value)| {
                (name.clone(), Policy::new("0", "").with_document(document(value, policy::Kind::Resource)))
            })
            .collect(),
        parents,
    };
    Snapshot::compile(1, input).unwrap()
}

/// The facts of a question, kept so that they can be borrowed.
#[derive(Default)]
struct Kept {
    known: Vec<(Known, Stored)>,
    tags: BTreeMap<Tagged, Vec<(Box<str>, Stored)>>,
    others: Vec<(Box<str>, Stored)>,
    arn: String,
    id: String,
}

impl Kept {
    fn new(ask: &Ask, tenant: &str) -> Self {
        let mut kept = Self { arn: ask.principal_name(tenant), id: ask.principal.clone(), ..Self::default() };
        for (name, values) in &ask.context {
            let stored = match values.as_slice() {
                [single] => Stored::One(single.as_str().into()),
                several => Stored::Many(several.iter().map(|text| text.as_str().into()).collect()),
            };
            match Key::parse(name).unwrap() {
                Key::Known(known) => kept.known.push((known, stored)),
                Key::Tag(tagged, name) => kept.tags.entry(tagged).or_default().push((name, stored)),
                Key::Other(name) => kept.others.push((name, stored)),
            }
        }
        kept
    }

    fn facts<'a>(&'a self, ask: &'a Ask, tenant: &'a str) -> Facts<'a> {
        let mut facts = Facts::at(ask.now)
            .with(Known::UserId, Value::Text(&ask.principal))
            .with(Known::PrincipalArn, Value::Text(&self.arn))
            .with(Known::UserId, Value::Text(&self.id))
            .with(Known::PrincipalAccount, Value::Text(tenant))
            .with_context(&self.others);
        for (tagged, tags) in &self.tags {
            facts = facts.with_tags(*tagged, tags);
        }
        for (known, stored) in &self.known {
            facts.set(*known, stored.as_value());
        }
        facts
    }
}

/// Puts a question of a world to what `then` does with the engine.
pub(crate) fn put_to_engine<T>(
    world: &World,
    ask: &Ask,
    then: impl FnOnce(&Snapshot, &Principal<'_>, &Request<'_>) -> T,
) -> T {
    let snapshot = compile(world);
    let roles: Vec<&str> = ask.roles.iter().map(String::as_str).collect();
    let direct: Vec<&str> = ask.policies.iter().map(|&at| world.policies[at].id.as_str()).collect();
    let identity = snapshot.identity(&roles, &direct).unwrap();
    let table = |documents: &Option<Vec<serde_json::Value>>| {
        documents.as_ref().map(|documents| Snapshot::ceiling(ceiling(documents).into_iter().map(Arc::new)))
    };
    let (boundary, session, scope) = (table(&ask.boundary), table(&ask.session), table(&ask.scope));
    let principal = Principal {
        active: ask.active,
        identity: &identity,
        boundary: boundary.as_ref(),
        session: session.as_ref(),
        scope: scope.as_ref(),
    };
    let kept = Kept::new(ask, &world.tenant);
    let facts = kept.facts(ask, &world.tenant);
    then(&snapshot, &principal, &Request { action: &ask.action, resource: &ask.resource, facts: &facts })
}

fn ask_engine(world: &World, ask: &Ask) -> Engine {
    let decision = put_to_engine(world, ask, |snapshot, principal, request| {
        let decision = snapshot.decide(principal, request);
        assert_eq!(snapshot.judge(principal, request).err(), decision.denial, "with and without reasons");
        decision
    });
    let places = |list: &[Because]| list.iter().map(|because| place(because, ask)).collect::<BTreeSet<_>>();
    let answer = Answer {
        effect: if decision.is_allowed() { Effect::Allow } else { Effect::Deny },
        denial: decision.denial.map(denial),
        deciding: places(&decision.because),
        erring: places(&decision.errors),
    };
    let is_whole = decision.because.len() < BECAUSE_MAX && decision.errors.len() < BECAUSE_MAX;
    Engine { answer, is_whole }
}

fn denial(kind: policy::Denial) -> Denial {
    match kind {
        policy::Denial::Inactive => Denial::Inactive,
        policy::Denial::Guardrail => Denial::Guardrail,
        policy::Denial::Boundary => Denial::Boundary,
        policy::Denial::Session => Denial::Session,
        policy::Denial::Scope => Denial::Scope,
        policy::Denial::ResourcePolicy => Denial::ResourcePolicy,
        policy::Denial::ExplicitDeny => Denial::ExplicitDeny,
        policy::Denial::NothingApplies => Denial::NothingApplies,
    }
}

pub(crate) fn place(because: &Because, ask: &Ask) -> Place {
    let (layer, holder) = match (because.layer, because.role_path.last()) {
        (policy::Layer::PlatformGuardrail, _) => (Layer::PlatformGuardrail, String::new()),
        (policy::Layer::TenantGuardrail, _) => (Layer::TenantGuardrail, String::new()),
        (policy::Layer::Boundary, _) => (Layer::Boundary, String::new()),
        (policy::Layer::Session, _) => (Layer::Session, String::new()),
        (policy::Layer::Scope, _) => (Layer::Scope, String::new()),
        (policy::Layer::Resource, _) => (Layer::Resource, ask.resource.clone()),
        (policy::Layer::Identity, Some(role)) => (Layer::Role, role.id.to_string()),
        (policy::Layer::Identity, None) => (Layer::Direct, ask.principal.clone()),
    };
    let (policy, part) = match &because.source {
        Source::Policy { id, .. } => (id.to_string(), Part::Statement(because.statement)),
        Source::Link { id, code, .. } => {
            (id.to_string(), Part::Link(code.trim_start_matches("link").parse().unwrap()))
        }
        Source::Permission { code } => (String::new(), Part::Permission(code.parse().unwrap())),
    };
    Place { layer, holder, policy, part }
}

/// Whether the question stays in the tenant: the engine does not reach further yet.
pub(crate) fn is_answered(world: &World, ask: &Ask) -> bool {
    !is_foreign(&ask.resource, &world.tenant)
}

/// The oracle answers in the engine's place where the engine does not reach.
fn answer(world: &World, ask: &Ask) -> Answer {
    if is_answered(world, ask) {
        ask_engine(world, ask).answer
    } else {
        naive::answer(world, ask, &expression)
    }
}

#[test]
fn the_engine_gives_the_known_answers() {
    let refuse = |value: &serde_json::Value| match Document::from_value(value) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.into_iter().map(|error| error.path).collect(),
    };
    let wrong = wrong_answers(&answer, &refuse);

    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_engine_answers_as_the_oracle_does() {
    check_scenarios(600, |Scenario { world, asks, .. }| {
        for ask in &asks {
            if !is_answered(&world, ask) {
                continue;
            }
            let expected = naive::answer(&world, ask, &expression);
            let Engine { answer, is_whole } = ask_engine(&world, ask);
            proptest::prop_assert_eq!(answer.effect, expected.effect, "{:#?}", expected);
            proptest::prop_assert_eq!(answer.denial, expected.denial, "{:#?}", expected);
            if is_whole {
                proptest::prop_assert_eq!(&answer.deciding, &expected.deciding);
                proptest::prop_assert_eq!(&answer.erring, &expected.erring);
            } else {
                proptest::prop_assert!(answer.deciding.is_subset(&expected.deciding));
                proptest::prop_assert!(answer.erring.is_subset(&expected.erring));
            }
        }
        Ok::<(), TestCaseError>(())
    });
}

#[test]
fn the_engine_keeps_the_laws() {
    check_laws(30, &answer);
}

#[test]
fn the_table_of_known_answers_passes_as_policy_tests() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/known");
    let mut passed = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let value: serde_json::Value =
            serde_saphyr::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let suite =
            policy::cases::Suite::from_value(&value).unwrap_or_else(|errors| panic!("{path:?}: {errors:#?}"));
        for case in suite.cases() {
            // The engine does not reach into another tenant yet.
            if case.name().contains("another tenant") || case.name().contains("foreign") {
                continue;
            }
            assert_eq!(case.run(), policy::cases::Outcome::Passed, "{path:?}: {}", case.name());
            passed += 1;
        }
    }
    assert!(passed > 800, "{passed}");
}
