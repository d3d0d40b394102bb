//! Every limit holds, and what is within it works.

use std::time::{Duration, Instant};

use policy::expression::{
    COST_MAX, ERRORS_MAX, Expression, Failure, HEIGHT_MAX, NESTING_MAX, NODES_MAX, TEXT_BYTES_MAX,
    VALUE_BYTES_MAX,
};

use super::{Question, evaluate, fails, holds, parse, refused};

fn joined(parts: usize, part: &str, joint: &str) -> String {
    vec![part; parts].join(joint)
}

#[test]
fn what_the_specification_asks_for_at_least_fits() {
    holds(&[
        &joined(32, "false", " || ").replacen("false", "true", 1),
        &joined(32, "true", " && "),
        &format!("size([{}]) == 32", joined(32, "1", ",")),
        &format!("{} == 24", joined(24, "1", " + ")),
        &format!("{} == 1", joined(24, "1", " * ")),
        &format!("{}true", "false ? false : ".repeat(24)),
        &format!("{} == true", joined(23, "true", " == ")),
        &format!("{}1{} == 1", "int(".repeat(12), ")".repeat(12)),
        &format!("{}1{}{} == 1", "[".repeat(12), "]".repeat(12), "[0]".repeat(12)),
        &format!("{}1{}{} == 1", "{'a': ".repeat(12), "}".repeat(12), ".a".repeat(12)),
        &format!("size({{{}}}) == 32", (0..32).map(|n| format!("{n}: {n}")).collect::<Vec<_>>().join(",")),
        &format!("{}true{}", "(".repeat(NESTING_MAX), ")".repeat(NESTING_MAX)),
        &format!("{}true", "!".repeat(24)),
    ]);
}

#[test]
fn a_text_is_limited_in_length_depth_and_parts() {
    let spaces = TEXT_BYTES_MAX - 4;
    holds(&[&format!("true{}", " ".repeat(spaces))]);
    refused("at most 4096 bytes", &[&format!("true{}", " ".repeat(spaces + 1))]);
    refused(
        "levels of nesting",
        &[
            &format!("{}true{}", "(".repeat(NESTING_MAX + 1), ")".repeat(NESTING_MAX + 1)),
            &"(".repeat(TEXT_BYTES_MAX),
            &"[".repeat(TEXT_BYTES_MAX),
            &"{".repeat(TEXT_BYTES_MAX),
            &"size(".repeat(500),
            &"true?true:".repeat(400),
            &"a[".repeat(2000),
        ],
    );
    refused(
        "operations that each need the one before",
        &[
            &joined(HEIGHT_MAX + 1, "1", "+"),
            &format!("{}true", "!".repeat(TEXT_BYTES_MAX - 4)),
            &format!("action{}", ".a".repeat(2000)),
            &format!("action{}", "[0]".repeat(1000)),
            &format!("-{}1", "-".repeat(4000)),
            &format!("action{}", ".size()".repeat(500)),
        ],
    );
    refused(
        "more than 1000 parts",
        &[&joined(NODES_MAX + 1, "x", "||"), &format!("[{}] == []", joined(NODES_MAX + 1, "1", ","))],
    );
    holds(&[&format!("size([{}]) > 0", joined(NODES_MAX - 4, "1", ","))]);
}

#[test]
fn many_mistakes_are_told_up_to_a_limit() {
    let errors = Expression::parse(&joined(50, "x", " || ")).unwrap_err();

    assert_eq!(errors.len(), ERRORS_MAX);
    assert_eq!(errors[1].path, "1:6");
}

#[test]
fn an_evaluation_is_limited_in_cost() {
    let list = format!("[{}]", joined(20, "1", ","));
    let nested = (0..6).fold("true".to_owned(), |body, depth| format!("{list}.all(x{depth}, {body})"));
    let expression = parse(&nested);

    assert_eq!(expression.evaluate(&Question::full()).unwrap_err().failure, Failure::TooCostly);
    assert_eq!(expression.cost(&Question::full()), COST_MAX);
    assert!(parse("action == 'report:read'").cost(&Question::full()) < 10);
    // No operator hides that a limit was passed.
    for text in [
        format!("{nested} || true"),
        format!("!({nested}) && false"),
        format!("{list}.exists(y, {nested} || true)"),
    ] {
        fails(Failure::TooCostly, &[&text]);
    }
    holds(&[&format!("true || {nested}")]);
}

#[test]
fn values_that_grow_are_limited() {
    let doubling =
        (0..12).fold("['foo', 'bar']".to_owned(), |list, _| format!("{list}.map(x, [x + x, x + x])"));
    let longer =
        (0..12).fold("'0123456789abcdef'".to_owned(), |text, _| format!("[{text}].map(x, x + x)[0]"));
    let wider = (0..12).fold("[1]".to_owned(), |list, _| format!("[{list}].map(x, x + x)[0]"));
    let deeper = (0..14).fold("['a']".to_owned(), |list, _| format!("{list}.map(x, [x, x])"));

    holds(&[&format!("size({doubling}) == 2")]);
    fails(Failure::TooLarge, &[&format!("size({longer}) == 0"), &format!("size({wider}) == 0")]);
    assert_eq!(16 << 10, VALUE_BYTES_MAX);
    holds(&[&format!("size({deeper}) == 1")]);
    fails(Failure::TooCostly, &[&format!("{deeper} == {deeper}")]);
}

#[test]
fn a_pattern_costs_by_its_size_and_by_the_length_of_the_text() {
    let cost = |text: &str| parse(text).cost(&Question::full());
    let small = cost("'0123456789abcdef'.matches('^[a-z]+$')");

    assert!(small < 20, "{small}");
    assert!(cost(&format!("'{}'.matches('^[a-z]+$')", "a".repeat(2000))) > 150);
    assert!(cost("'0123456789abcdef'.matches('(a?){200}b')") > 100);
    assert!(cost("'0123456789abcdef'.matches('((a{5}){10}|b{3}c)d')") > 25);
    fails(Failure::TooCostly, &[&format!("'{}'.matches('[ab]*a[ab]{{400}}c')", "ab".repeat(700))]);
}

#[test]
fn patterns_are_limited_in_size_together() {
    let patterns = |count: usize| joined(count, "action.matches('^[a-z]+:[a-z]+$')", " || ");

    holds(&[&patterns(48), "'ab'.matches('^.{1,60}$') && 'ab'.matches(r'^\\pL+$')"]);
    refused("patterns that compile to at most 196608 bytes together", &[&patterns(49)]);
    refused("compiles to at most 98304 bytes", &[r"'ab'.matches(r'\pL{10}')"]);
    refused(
        "at most 500 characters and classes",
        &[
            "'a'.matches('a{501}')",
            "'a'.matches('(a{100}){10}')",
            "'a'.matches('((a{100}){100}){100}')",
            "'a'.matches('(a|b{1,300}){2}')",
        ],
    );
    refused(
        "a repetition of RE2",
        &[
            "'a'.matches('a{')",
            "'a'.matches('a{,5}')",
            "'a'.matches('a{1')",
            "'a'.matches('a{99999999999999999999}')",
        ],
    );
}

/// No input may keep a decision waiting. The bound is generous, because tests run unoptimised on busy machines:
/// what it excludes is work that grows faster than the cost that was paid for it.
#[test]
fn the_worst_expressions_end_soon() {
    let started = Instant::now();
    for text in [
        format!("[{}].all(x, '{}'.matches('(a?){{90}}(a*)*b'))", joined(50, "1", ","), "a".repeat(800)),
        format!("[{}].all(x, '{}'.matches('[ab]*a[ab]{{100}}c'))", joined(50, "1", ","), "abb".repeat(700)),
        format!("[{}].all(x, '{}'.matches('a{{400}}'))", joined(50, "1", ","), "a".repeat(700)),
        format!(
            "[{}].all(x, '{}'.contains('{}b'))",
            joined(100, "1", ","),
            "a".repeat(2000),
            "a".repeat(1000)
        ),
        format!("dyn([{0}].map(x, [{0}].map(y, [x, y]))) == [{0}]", joined(60, "1", ",")),
    ] {
        let _answer = evaluate(&text);
    }

    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

/// The stack of a small thread is enough for the highest tree that is accepted.
#[test]
fn the_deepest_expressions_need_little_stack() {
    const STACK_BYTES: usize = 1024 * 1024;

    let chain = format!("{} == 0", joined(HEIGHT_MAX - 1, "1", " - "));
    let members = format!("has(dyn({{}}){})", ".a".repeat(HEIGHT_MAX - 4));
    let nots = format!("{}true", "!".repeat(HEIGHT_MAX - 1));
    let macros = (0..NESTING_MAX - 1).fold("true".to_owned(), |body, _| format!("[1].all(x, {body})"));
    let mixed = (0..NESTING_MAX - 10).fold("1".to_owned(), |body, _| format!("-[{body} + 1][0]")) + " == 1";
    let worker = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || {
        for text in [chain, members, nots, macros, mixed] {
            let _answer = evaluate(&text);
        }
    });

    worker.unwrap().join().unwrap();
}
