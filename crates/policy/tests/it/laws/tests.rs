//! The laws, put to the oracle, and the proof that they can be broken.

use std::cell::Cell;
use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{AnswerFn, LAWS, check_laws, check_scenarios, documents_mut, is_allow, silence, statements_mut};
use crate::generate::Scenario;
use crate::known::expression;
use crate::naive;
use crate::world::{Answer, Ask, Denial, Effect, Layer, World};

#[test]
fn the_oracle_keeps_the_laws() {
    check_laws(60, &|world, ask| naive::answer(world, ask, &expression));
}

#[test]
fn generated_questions_have_answers_of_every_kind() {
    // By the kind of denial; allowed by identity; allowed by a resource policy; erring.
    let seen: [Cell<u32>; 11] = Default::default();
    let count = |at: usize| seen[at].set(seen[at].get() + 1);

    check_scenarios(600, |Scenario { world, asks, .. }| {
        for ask in &asks {
            let answer = naive::answer(&world, ask, &expression);
            match answer.denial {
                Some(denial) => count(denial as usize),
                None if answer.deciding.iter().all(|place| place.layer == Layer::Resource) => count(9),
                None => count(8),
            }
            if !answer.erring.is_empty() {
                count(10);
            }
        }
        Ok(())
    });

    let seen = seen.map(Cell::into_inner);
    assert!(seen.iter().all(|&count| count >= 12), "{seen:?}");
}

#[test]
fn generated_documents_are_ones_that_are_accepted() {
    check_scenarios(200, |Scenario { mut world, mut asks, change }| {
        let of_resources: Vec<Value> = std::mem::take(&mut world.resource_policies).into_values().collect();
        for document in of_resources {
            let found = naive::mistakes(&document, naive::Kind::Resource);
            proptest::prop_assert_eq!(found, Vec::<String>::new(), "{}", document);
        }
        for document in documents_mut(&mut world, &mut asks[0]) {
            let found = naive::mistakes(document, naive::Kind::Identity);
            proptest::prop_assert_eq!(found, Vec::<String>::new(), "{}", document);
        }
        let changed = json!({ "Version": "2012-10-17", "Statement": [change.deny] });
        proptest::prop_assert_eq!(naive::mistakes(&changed, naive::Kind::Identity), Vec::<String>::new());
        Ok(())
    });
}

/// For each law an evaluator that forgets one rule and so breaks it, or the law says nothing.
#[test]
fn each_law_catches_an_evaluator_that_is_wrong() {
    let oracle = |world: &World, ask: &Ask| naive::answer(world, ask, &expression);
    let forgets_errors = |world: &World, ask: &Ask| {
        let mut answer = oracle(world, ask);
        if answer.denial == Some(Denial::ExplicitDeny) && answer.deciding.is_subset(&answer.erring) {
            (answer.effect, answer.denial) = (Effect::Allow, None);
        }
        answer
    };
    let forgets_the_boundary =
        |world: &World, ask: &Ask| oracle(world, &Ask { boundary: None, ..ask.clone() });
    let forgets_resource_policies = |world: &World, ask: &Ask| {
        oracle(&World { resource_policies: BTreeMap::new(), ..world.clone() }, ask)
    };
    let turns_priorities_round = |world: &World, ask: &Ask| {
        let mut world = world.clone();
        world.policies.iter_mut().for_each(|policy| policy.priority = 1000 - policy.priority);
        oracle(&world, ask)
    };
    let allows_by_default = |world: &World, ask: &Ask| {
        let mut answer = oracle(world, ask);
        if answer.denial == Some(Denial::NothingApplies) {
            (answer.effect, answer.denial) = (Effect::Allow, None);
        }
        answer
    };
    let takes_the_first_role = |world: &World, ask: &Ask| {
        let roles = ask.roles.iter().take(1).cloned().collect();
        oracle(world, &Ask { roles, ..ask.clone() })
    };
    let reads_one_operator = |world: &World, ask: &Ask| {
        let (mut world, mut ask) = (world.clone(), ask.clone());
        for said in statements_mut(&mut world, &mut ask) {
            let Some(condition) = said.get_mut("Condition").and_then(Value::as_object_mut) else { continue };
            let first = condition.keys().next().cloned();
            condition.retain(|operator, _| Some(operator) == first.as_ref());
        }
        oracle(&world, &ask)
    };
    let lets_allows_win = |world: &World, ask: &Ask| {
        let (mut silenced, mut asked) = (world.clone(), ask.clone());
        let denies = statements_mut(&mut silenced, &mut asked).into_iter().filter(|said| !is_allow(said));
        denies.for_each(silence);
        let answer = oracle(&silenced, &asked);
        if answer.effect == Effect::Allow { answer } else { oracle(world, ask) }
    };
    let takes_two_allows_for_none = |world: &World, ask: &Ask| {
        let mut answer = oracle(world, ask);
        if answer.effect == Effect::Allow && answer.deciding.len() == 2 {
            (answer.effect, answer.denial) = (Effect::Deny, Some(Denial::NothingApplies));
        }
        answer
    };
    let takes_a_boundary_for_a_grant = |world: &World, ask: &Ask| {
        let answer = oracle(world, ask);
        let is_bounded = answer.denial == Some(Denial::NothingApplies) && ask.boundary.is_some();
        if is_bounded { Answer { effect: Effect::Allow, denial: None, ..answer } } else { answer }
    };
    let takes_a_resource_policy_for_a_ceiling = |world: &World, ask: &Ask| {
        let answer = oracle(world, ask);
        let is_named = answer.deciding.iter().any(|place| place.layer == Layer::Resource);
        if answer.effect == Effect::Deny || is_named || !world.resource_policies.contains_key(&ask.resource) {
            return answer;
        }
        Answer { effect: Effect::Deny, denial: Some(Denial::ResourcePolicy), ..answer }
    };
    let wrong: [(&str, AnswerFn<'_>); 12] = [
        ("without an allow nothing is allowed", &allows_by_default),
        ("a deny wins in every layer", &forgets_the_boundary),
        ("a deny wins in every layer", &forgets_resource_policies),
        ("a deny wins within a level", &lets_allows_win),
        ("order changes nothing", &takes_the_first_role),
        ("adding a deny never grants", &forgets_errors),
        ("removing an allow never grants", &takes_two_allows_for_none),
        ("narrowing the condition of an allow never grants", &reads_one_operator),
        ("widening the condition of a deny never grants", &forgets_errors),
        ("lowering an allow's priority, or raising a deny's, never grants", &turns_priorities_round),
        ("a ceiling only takes", &takes_a_boundary_for_a_grant),
        ("what is about something else changes nothing", &takes_a_resource_policy_for_a_ceiling),
    ];

    for (name, law) in LAWS {
        let against: Vec<AnswerFn<'_>> =
            wrong.iter().filter(|(of, _)| *of == name).map(|(_, answer)| *answer).collect();
        assert!(!against.is_empty(), "no evaluator breaks the law: {name}");
        for answer in against {
            let is_broken = Cell::new(false);
            check_scenarios(60, |Scenario { world, asks, change }| {
                let broken = |ask: &Ask| law(answer, &world, ask, &change).is_err();
                is_broken.set(is_broken.get() || asks.iter().any(broken));
                Ok(())
            });
            assert!(is_broken.get(), "a wrong evaluator keeps the law: {name}");
        }
    }
}
