//! The catalogue of error codes holds every code of the sources, and nothing else.

use std::collections::BTreeSet;

use crate::harness::root;

#[test]
fn every_error_code_is_in_the_catalogue_and_every_entry_is_used() {
    let mut used = BTreeSet::new();
    let mut pending = vec![root().join("crates")];
    while let Some(directory) = pending.pop() {
        for entry in std::fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if !path.ends_with("tests") {
                    pending.push(path);
                }
            } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("tests.rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]").next().unwrap();
                collect(code, &mut used);
                collect_taken(code, &mut used);
            }
        }
    }
    let catalogue: BTreeSet<String> = std::fs::read_to_string(root().join("docs/errors.md"))
        .unwrap()
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next().map(str::to_owned))
        .collect();

    let missing: Vec<&String> = used.difference(&catalogue).collect();
    let unused: Vec<&String> = catalogue.difference(&used).collect();
    assert!(missing.is_empty() && unused.is_empty(), "missing: {missing:?}; unused: {unused:?}");
}

/// Codes of taken names stand in a table of indexes.
fn collect_taken(code: &str, used: &mut BTreeSet<String>) {
    for text in code.split('"').filter(|t| t.ends_with("_taken") && !t.contains(' ')) {
        used.insert(text.to_owned());
    }
}

/// The kinds of problems. Other enums have kinds too.
const KINDS: [&str; 15] = [
    "Malformed",
    "Unauthenticated",
    "Forbidden",
    "NotFound",
    "MethodNotAllowed",
    "Conflict",
    "Stale",
    "TooLarge",
    "UnsupportedMedia",
    "Misdirected",
    "Invalid",
    "PreconditionRequired",
    "TooMany",
    "Internal",
    "Unavailable",
];

/// A code is the first snake_case string after the kind of a problem.
fn collect(code: &str, used: &mut BTreeSet<String>) {
    for (at, kind) in code.match_indices("Kind::") {
        let rest = &code[at..];
        let word: String = rest[kind.len()..].chars().take_while(char::is_ascii_alphanumeric).collect();
        if !KINDS.contains(&word.as_str()) {
            continue;
        }
        let Some(comma) = rest.find(',') else { continue };
        if rest[..comma].contains(['(', ')', '{', '}', '=', ';', '|']) {
            continue;
        }
        let after = rest[comma + 1..].trim_start();
        let Some(text) = after.strip_prefix('"').and_then(|t| t.split('"').next()) else { continue };
        if !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        {
            used.insert(text.to_owned());
        }
    }
}
