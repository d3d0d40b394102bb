//! What holds of every answer, whoever gives it: laws over a world, a question and a change, that know only a function
//! that answers. They are put to the oracle here; the same list can be put to the engine.

mod tests;

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use serde_json::{Value, json};

use crate::generate::{Change, Scenario, scenarios, values_of};
use crate::world::{Answer, Ask, Denial, Effect, Layer, WLink, WPolicy, World};

pub(crate) type AnswerFn<'f> = &'f dyn Fn(&World, &Ask) -> Answer;

/// Fails with what broke it.
pub(crate) type Law = fn(AnswerFn<'_>, &World, &Ask, &Change) -> Result<(), String>;

pub(crate) const LAWS: [(&str, Law); 11] = [
    ("without an allow nothing is allowed", without_an_allow_nothing_is_allowed),
    ("a deny wins in every layer", a_deny_wins_in_every_layer),
    ("a deny wins within a level", a_deny_wins_within_a_level),
    ("order changes nothing", order_changes_nothing),
    ("adding a deny never grants", adding_a_deny_never_grants),
    ("removing an allow never grants", removing_an_allow_never_grants),
    ("narrowing the condition of an allow never grants", narrowing_an_allow_never_grants),
    ("widening the condition of a deny never grants", widening_a_deny_never_grants),
    ("lowering an allow's priority, or raising a deny's, never grants", moving_a_priority_never_grants),
    ("a ceiling only takes", a_ceiling_only_takes),
    ("what is about something else changes nothing", what_is_about_something_else_changes_nothing),
];

/// What a statement becomes that is to say nothing any more, without a hole where it stood.
const NO_ACTION: &str = "nobody:Does";

fn without_an_allow_nothing_is_allowed(
    answer: AnswerFn<'_>,
    world: &World,
    ask: &Ask,
    _: &Change,
) -> Result<(), String> {
    let before = answer(world, ask);
    if before.effect == Effect::Allow && (before.denial.is_some() || before.deciding.is_empty()) {
        return Err(format!("allowed, but by nothing: {before:?}"));
    }
    if before.effect == Effect::Deny && before.denial.is_none() {
        return Err("denied without a kind".into());
    }
    let (mut world, mut ask) = (world.clone(), ask.clone());
    for said in statements_mut(&mut world, &mut ask) {
        if is_allow(said) {
            silence(said);
        }
    }
    for policy in &mut world.policies {
        let effect = policy.effect;
        let allows = policy.links.iter_mut().filter(|link| link.effect.unwrap_or(effect) == Effect::Allow);
        allows.for_each(|link| link.actions = vec![NO_ACTION.into()]);
    }
    let after = answer(&world, &ask);
    if after.effect == Effect::Deny { Ok(()) } else { Err(format!("allowed without an allow: {after:?}")) }
}

fn a_deny_wins_in_every_layer(
    answer: AnswerFn<'_>,
    world: &World,
    ask: &Ask,
    _: &Change,
) -> Result<(), String> {
    let deny = json!({ "Effect": "Deny", "Action": ["*"], "Resource": ["*"] });
    for (layer, kind) in LAYERS {
        let (mut world, mut ask) = (world.clone(), ask.clone());
        add(&mut world, &mut ask, layer, &deny, 1000);
        let after = answer(&world, &ask);
        // An earlier layer may have spoken first.
        if after.effect != Effect::Deny || after.denial.is_none_or(|found| found > kind) {
            return Err(format!("a deny in {layer:?}: {after:?}"));
        }
    }
    Ok(())
}

fn a_deny_wins_within_a_level(
    answer: AnswerFn<'_>,
    world: &World,
    ask: &Ask,
    _: &Change,
) -> Result<(), String> {
    let before = answer(world, ask);
    let identity = before.deciding.iter().filter(|place| [Layer::Role, Layer::Direct].contains(&place.layer));
    let priority_of = |id: &String| {
        world.policies.iter().find(|policy| policy.id == *id).map_or(0, |policy| policy.priority)
    };
    let Some(level) = identity.map(|place| priority_of(&place.policy)).max() else { return Ok(()) };

    let deny = json!({ "Effect": "Deny", "Action": ["*"], "Resource": ["*"] });
    let (mut world, mut ask) = (world.clone(), ask.clone());
    add(&mut world, &mut ask, Layer::Direct, &deny, level);
    let after = answer(&world, &ask);
    let same_kind = before.denial.is_none_or(|denial| after.denial == Some(denial));
    if after.denial.is_some() && same_kind {
        Ok(())
    } else {
        Err(format!("a deny at {level}: {before:?}, {after:?}"))
    }
}

fn order_changes_nothing(answer: AnswerFn<'_>, world: &World, ask: &Ask, _: &Change) -> Result<(), String> {
    let before = answer(world, ask);
    let (mut turned, mut asked) = (world.clone(), ask.clone());
    for said in statements_mut(&mut turned, &mut asked) {
        for element in ["Action", "NotAction", "Resource", "NotResource"] {
            turn(&mut said[element]);
        }
        if let Some(condition) = said["Condition"].as_object_mut() {
            condition
                .values_mut()
                .filter_map(Value::as_object_mut)
                .flat_map(|keys| keys.values_mut())
                .for_each(turn);
        }
        // Looking at an element that is absent made it null.
        said.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    }
    for document in documents_mut(&mut turned, &mut asked) {
        turn(&mut document["Statement"]);
    }
    let last = turned.policies.len() - 1;
    turned.policies.reverse();
    turned.policies.iter_mut().for_each(|policy| policy.links.reverse());
    turned.roles.reverse();
    for policies in turned.roles.iter_mut().map(|role| &mut role.policies).chain([&mut asked.policies]) {
        policies.reverse();
        policies.iter_mut().for_each(|place| *place = last - *place);
    }
    turned.platform_guardrails.reverse();
    turned.tenant_guardrails.reverse();
    [&mut asked.boundary, &mut asked.session, &mut asked.scope]
        .into_iter()
        .flatten()
        .for_each(|list| list.reverse());
    asked.roles.reverse();
    asked.context.values_mut().for_each(|values| values.reverse());

    let after = answer(&turned, &asked);
    if summary(&before) == summary(&after) {
        Ok(())
    } else {
        Err(format!("turned round: {before:?}, {after:?}"))
    }
}

/// What must stay as it was where statements only move: who answers may name no more than some of many reasons.
fn summary(answer: &Answer) -> (Effect, Option<Denial>, usize, usize) {
    (answer.effect, answer.denial, answer.deciding.len(), answer.erring.len())
}

fn turn(list: &mut Value) {
    if let Some(list) = list.as_array_mut() {
        list.reverse();
    }
}

fn adding_a_deny_never_grants(
    answer: AnswerFn<'_>,
    world: &World,
    ask: &Ask,
    change: &Change,
) -> Result<(), String> {
    let before = answer(world, ask);
    for (layer, _) in LAYERS {
        let (mut world, mut ask) = (world.clone(), ask.clone());
        add(&mut world, &mut ask, layer, &change.deny, change.priority);
        never_grants(&before, &answer(&world, &ask), &format!("a deny in {layer:?}"))?;
    }
    Ok(())
}

fn removing_an_allow_never_grants(
    answer: AnswerFn<'_>,
    world: &World,
    ask: &Ask,
    _: &Change,
) -> Result<(), String> {
    let before = answer(world, ask);
    for at in 0..statements_mut(&mut world.clone(), &mut ask.clone()).len() {
        let (mut world, mut ask) = (world.clone(), ask.clone());
        let mut all = statements_mut(&mut world, &mut ask);
        if !is_allow(all[at]) {
            continue;
        }
        silence(all[at]);
        never_grants(&before, &answer(&world, &ask), &format!("without statement {at}"))?;
    }
    for (number, policy) in world.policies.iter().enumerate() {
        for (at, link) in policy.links.iter().enumerate() {
            if link.effect.unwrap_or(policy.effect) == Effect::Allow {
                let mut world = world.clone();
                world.policies[number].links[at] = WLink { actions: vec![NO_ACTION.into()], ..link.clone() };
                never_grants(&before, &answer(&world, ask), &format!("without link {at} of {}", policy.id))?;
            }
        }
    }
    Ok(())
}

fn narrowing_an_allow_never_grants(
    answer: AnswerFn<'_>,
    world: &World,
    ask: &Ask,
    change: &Change,
) -> Result<(), String> {
    let before = answer(world, ask);
    change_conditions(
        world,
        ask,
        Effect::Allow,
        |said| narrower(said, change),
        |world, ask, what| never_grants(&before, &answer(world, ask), &what),
    )
}

fn widening_a_deny_never_grants(
    answer: AnswerFn<'_>,
    world: &World,
    ask: &Ask,
    change: &Change,
) -> Result<(), String> {
    let before = answer(world, ask);
    change_conditions(
        world,
        ask,
        Effect::Deny,
        |said| wider(said, change),
        |world, ask, what| never_grants(&before, &answer(world, ask), &what),
    )
}

fn moving_a_priority_never_grants(
    answer: AnswerFn<'_>,
    world: &World,
    ask: &Ask,
    change: &Change,
) -> Result<(), String> {
    let before = answer(world, ask);
    for (number, policy) in world.policies.iter().enumerate() {
        let (only_allows, only_denies) = (says_only(policy, Effect::Allow), says_only(policy, Effect::Deny));
        let lower =
            [0, policy.priority / 2, policy.priority.saturating_sub(1), policy.priority.min(change.priority)];
        let higher = [1000, policy.priority.max(change.priority), (policy.priority + 1).min(1000), 1000];
        let to = if only_allows { lower } else { higher };
        if !only_allows && !only_denies {
            continue;
        }
        for priority in to {
            let mut world = world.clone();
            world.policies[number].priority = priority;
            never_grants(&before, &answer(&world, ask), &format!("{} at {priority}", policy.id))?;
        }
    }
    Ok(())
}

fn a_ceiling_only_takes(answer: AnswerFn<'_>, world: &World, ask: &Ask, _: &Change) -> Result<(), String> {
    let before = answer(world, ask);
    let (mut world, mut ask) = (world.clone(), ask.clone());
    world.platform_guardrails.clear();
    world.tenant_guardrails.clear();
    (ask.boundary, ask.session, ask.scope) = (None, None, None);
    never_grants(&answer(&world, &ask), &before, "adding every ceiling")
}

/// An allow in a new guardrail is something, so only places that are there already, and policies, are added to.
fn what_is_about_something_else_changes_nothing(
    answer: AnswerFn<'_>,
    world: &World,
    ask: &Ask,
    change: &Change,
) -> Result<(), String> {
    let before = answer(world, ask);
    for effect in ["Allow", "Deny"] {
        let said = json!({ "Effect": effect, "Action": [NO_ACTION], "Resource": ["*"] });
        for (layer, _) in LAYERS {
            let is_there = match layer {
                Layer::PlatformGuardrail => !world.platform_guardrails.is_empty(),
                Layer::TenantGuardrail => !world.tenant_guardrails.is_empty(),
                Layer::Boundary => ask.boundary.is_some(),
                Layer::Session => ask.session.is_some(),
                Layer::Scope => ask.scope.is_some(),
                Layer::Resource | Layer::Role | Layer::Direct => true,
            };
            let (mut world, mut ask) = (world.clone(), ask.clone());
            add(&mut world, &mut ask, layer, &said, change.priority);
            let after = answer(&world, &ask);
            if is_there && summary(&after) != summary(&before) {
                return Err(format!("{effect} of another action in {layer:?}: {before:?}, then {after:?}"));
            }
        }
    }
    Ok(())
}

fn says_only(policy: &WPolicy, effect: Effect) -> bool {
    let document = policy.document.as_ref().and_then(|document| document["Statement"].as_array());
    let said = document.into_iter().flatten().all(|said| is_allow(said) == (effect == Effect::Allow));
    said && policy.links.iter().all(|link| link.effect.unwrap_or(policy.effect) == effect)
}

fn never_grants(before: &Answer, after: &Answer, what: &str) -> Result<(), String> {
    match (before.effect, after.effect) {
        (Effect::Deny, Effect::Allow) => Err(format!("{what} grants: {before:?}, then {after:?}")),
        _ => Ok(()),
    }
}

// ---- Conditions made narrower and wider.

/// Puts each variant of each statement of that effect in its place, one at a time. The simple lists of roles have no
/// conditions and stay.
fn change_conditions(
    world: &World,
    ask: &Ask,
    effect: Effect,
    variants: impl Fn(&Value) -> Vec<Value>,
    check: impl Fn(&World, &Ask, String) -> Result<(), String>,
) -> Result<(), String> {
    let (mut of_world, mut of_ask) = (world.clone(), ask.clone());
    let documents = documents_mut(&mut of_world, &mut of_ask).into_iter().map(|document| document.clone());
    for (number, document) in documents.enumerate() {
        for (at, said) in document["Statement"].as_array().unwrap().iter().enumerate() {
            if is_allow(said) != (effect == Effect::Allow) {
                continue;
            }
            for variant in variants(said) {
                let (mut world, mut ask) = (world.clone(), ask.clone());
                let what = format!("{said} as {variant}");
                documents_mut(&mut world, &mut ask)[number]["Statement"][at] = variant;
                check(&world, &ask, what)?;
            }
        }
    }
    Ok(())
}

fn narrower(said: &Value, change: &Change) -> Vec<Value> {
    let mut variants = vec![];
    let known = said.get("Condition").and_then(|condition| condition.get(&change.operator)?.get(&change.key));
    if known.is_none() {
        let mut variant = said.clone();
        variant["Condition"][&change.operator][&change.key] = json!(change.values);
        variants.push(variant);
    }
    for (operator, key, count) in comparisons(said) {
        if !is_negated(&operator) && count > 1 {
            variants.push(with_values(said, &operator, &key, |values| drop(values.pop())));
        }
        if is_negated(&operator) {
            let more = json!(values_of(&operator)[change.values.len() % values_of(&operator).len()]);
            variants.push(with_values(said, &operator, &key, |values| values.push(more.clone())));
        }
    }
    variants
}

fn wider(said: &Value, change: &Change) -> Vec<Value> {
    let mut variants = vec![];
    for (operator, key, count) in comparisons(said) {
        let mut without = said.clone();
        without["Condition"][&operator].as_object_mut().unwrap().remove(&key);
        if without["Condition"][&operator] == json!({}) {
            without["Condition"].as_object_mut().unwrap().remove(&operator);
        }
        if without["Condition"] == json!({}) {
            without.as_object_mut().unwrap().remove("Condition");
        }
        variants.push(without);
        if is_negated(&operator) && count > 1 {
            variants.push(with_values(said, &operator, &key, |values| drop(values.pop())));
        }
        if !is_negated(&operator) {
            let more = json!(values_of(&operator)[change.values.len() % values_of(&operator).len()]);
            variants.push(with_values(said, &operator, &key, |values| values.push(more.clone())));
        }
    }
    variants
}

/// Operator, key and number of values of each line of the condition.
fn comparisons(said: &Value) -> Vec<(String, String, usize)> {
    let Some(condition) = said.get("Condition").and_then(Value::as_object) else { return Vec::new() };
    let lines = condition.iter().flat_map(|(operator, keys)| {
        let keys = keys.as_object().unwrap();
        keys.iter().map(|(key, values)| (operator.clone(), key.clone(), values.as_array().unwrap().len()))
    });
    lines.collect()
}

fn with_values(said: &Value, operator: &str, key: &str, change: impl Fn(&mut Vec<Value>)) -> Value {
    let mut said = said.clone();
    change(said["Condition"][operator][key].as_array_mut().unwrap());
    said
}

fn is_negated(operator: &str) -> bool {
    operator.contains("Not")
}

// ---- Finding and changing statements.

const LAYERS: [(Layer, Denial); 8] = [
    (Layer::PlatformGuardrail, Denial::Guardrail),
    (Layer::TenantGuardrail, Denial::Guardrail),
    (Layer::Boundary, Denial::Boundary),
    (Layer::Session, Denial::Session),
    (Layer::Scope, Denial::Scope),
    (Layer::Resource, Denial::ResourcePolicy),
    (Layer::Role, Denial::ExplicitDeny),
    (Layer::Direct, Denial::ExplicitDeny),
];

fn is_allow(said: &Value) -> bool {
    said["Effect"] == "Allow"
}

fn silence(said: &mut Value) {
    let said = said.as_object_mut().unwrap();
    said.remove("NotAction");
    said.insert("Action".into(), json!([NO_ACTION]));
}

fn documents_mut<'w>(world: &'w mut World, ask: &'w mut Ask) -> Vec<&'w mut Value> {
    let ceilings = [&mut ask.boundary, &mut ask.session, &mut ask.scope].into_iter().flatten().flatten();
    let policies = world.policies.iter_mut().filter_map(|policy| policy.document.as_mut());
    let guardrails = world.platform_guardrails.iter_mut().chain(&mut world.tenant_guardrails);
    ceilings.chain(policies).chain(guardrails).chain(world.resource_policies.values_mut()).collect()
}

/// The statements of all documents and of the simple lists of roles.
fn statements_mut<'w>(world: &'w mut World, ask: &'w mut Ask) -> Vec<&'w mut Value> {
    let ceilings = [&mut ask.boundary, &mut ask.session, &mut ask.scope].into_iter().flatten().flatten();
    let policies = world.policies.iter_mut().filter_map(|policy| policy.document.as_mut());
    let guardrails = world.platform_guardrails.iter_mut().chain(&mut world.tenant_guardrails);
    let documents = ceilings.chain(policies).chain(guardrails).chain(world.resource_policies.values_mut());
    let statements = documents.flat_map(|document| document["Statement"].as_array_mut().unwrap());
    statements.chain(world.roles.iter_mut().flat_map(|role| &mut role.permissions)).collect()
}

/// Adds a statement, in a document or policy of its own.
fn add(world: &mut World, ask: &mut Ask, layer: Layer, said: &Value, priority: u16) {
    let document = json!({ "Version": "2012-10-17", "Statement": [said] });
    match layer {
        Layer::PlatformGuardrail => world.platform_guardrails.push(document),
        Layer::TenantGuardrail => world.tenant_guardrails.push(document),
        Layer::Boundary => ask.boundary.get_or_insert_default().push(document),
        Layer::Session => ask.session.get_or_insert_default().push(document),
        Layer::Scope => ask.scope.get_or_insert_default().push(document),
        Layer::Resource => {
            let mut said = said.clone();
            said["Principal"] = json!({ "AWS": ["*", ask.principal_name(&world.tenant)] });
            let empty = json!({ "Version": "2012-10-17", "Statement": [] });
            let document = world.resource_policies.entry(ask.resource.clone()).or_insert(empty);
            document["Statement"].as_array_mut().unwrap().push(said);
        }
        Layer::Role | Layer::Direct => {
            let place = world.policies.len();
            world.policies.push(WPolicy {
                id: "added".into(),
                priority,
                effect: Effect::Allow,
                document: Some(document),
                links: Vec::new(),
                linked_resources: Vec::new(),
                expression: None,
            });
            match world.roles.iter_mut().find(|role| layer == Layer::Role && ask.roles.contains(&role.id)) {
                Some(role) => role.policies.push(place),
                None => ask.policies.push(place),
            }
        }
    }
}

// ---- Running them.

/// Runs a check on generated scenarios, the same ones every time.
pub(crate) fn check_scenarios(cases: u32, check: impl Fn(Scenario) -> Result<(), TestCaseError>) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[11; 32]));
    if let Err(error) = runner.run(&scenarios(), check) {
        panic!("{error}");
    }
}

/// Puts every law to whoever answers.
pub(crate) fn check_laws(cases: u32, answer: AnswerFn<'_>) {
    check_scenarios(cases, |Scenario { world, asks, change }| {
        for ask in &asks {
            for (name, law) in LAWS {
                law(answer, &world, ask, &change)
                    .map_err(|why| TestCaseError::fail(format!("{name}: {why}")))?;
            }
        }
        Ok(())
    });
}
