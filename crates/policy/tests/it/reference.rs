//! Holds `docs/policies.md` to what the engine knows.

use std::collections::BTreeSet;

use policy::Known;
use policy::condition::OPERATORS;
use policy::key::KeyKind;

const PAGE: &str = include_str!("../../../../docs/policies.md");

/// The rows of the table under a heading.
fn rows(heading: &str) -> Vec<&'static str> {
    let section = PAGE.split("\n## ").find(|section| section.starts_with(heading)).unwrap();
    section.lines().filter(|line| line.starts_with("| `")).collect()
}

#[test]
fn the_page_lists_every_operator_as_it_is() {
    let expected: Vec<String> =
        OPERATORS.iter().map(|operator| format!("| `{}` | {} |", operator.name, operator.meaning)).collect();

    assert_eq!(rows("Conditions"), expected);
}

#[test]
fn the_page_lists_every_key_as_it_is() {
    let expected: BTreeSet<String> = Known::ALL
        .iter()
        .map(|known| {
            let kind = match known.kind() {
                KeyKind::Text => "text",
                KeyKind::Bool => "truth value",
                KeyKind::Number => "number",
                KeyKind::Time => "instant",
                KeyKind::Address => "address",
                KeyKind::Texts => "several texts",
            };
            let aliases: String = known.aliases().iter().map(|alias| format!(", `{alias}`")).collect();
            format!("| `{}`{aliases} | {kind} | {} |", known.name(), known.meaning())
        })
        .collect();
    let listed: BTreeSet<String> =
        rows("Keys").into_iter().filter(|row| !row.contains("/…")).map(str::to_owned).collect();

    assert_eq!(listed, expected);
}

#[test]
fn the_page_lists_every_finding_as_it_is() {
    let expected: Vec<String> =
        policy::lint::CODES.iter().map(|(code, meaning)| format!("| `{code}` | {meaning} |")).collect();

    assert_eq!(rows("Findings"), expected);
}
