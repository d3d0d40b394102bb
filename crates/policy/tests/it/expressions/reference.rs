//! The examples in `docs/policy-expressions.md` are true.

use policy::expression::Expression;

use super::Question;

const REFERENCE: &str = include_str!("../../../../../docs/policy-expressions.md");
/// Fewer would mean that the examples are no longer found.
const EXAMPLES_MIN: usize = 60;

/// Returns the examples: each line of a block of `cel` that ends in `// true`, `// false`, `// error` or
/// `// refused`.
fn examples() -> Vec<(&'static str, &'static str)> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in REFERENCE.lines() {
        match line {
            "```cel" => inside = true,
            "```" => inside = false,
            _ if inside && !line.is_empty() => {
                let (text, outcome) = line.rsplit_once("// ").unwrap_or((line, "without an answer"));
                found.push((text.trim_end(), outcome));
            }
            _ => {}
        }
    }
    found
}

#[test]
fn the_examples_of_the_reference_are_true() {
    let examples = examples();

    for (text, outcome) in &examples {
        let answer = match Expression::parse(text) {
            Err(_) => "refused",
            Ok(expression) => match expression.evaluate(&Question::full()) {
                Ok(true) => "true",
                Ok(false) => "false",
                Err(_) => "error",
            },
        };
        assert_eq!(answer, *outcome, "{text}");
    }
    assert!(examples.len() >= EXAMPLES_MIN, "only {}", examples.len());
}
