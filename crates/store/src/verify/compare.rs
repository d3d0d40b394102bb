//! What differs between two descriptions of a schema. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::entry::{Entry, Key, Kind};
use super::{Finding, Found, remedy};
use crate::Backend;

/// Roles of ours, and everybody: a right of theirs that we did not give is a hole. Other roles are the operator's.
const OUR_GRANTEES: [&str; 6] =
    ["PUBLIC", "owner", "app_user", "app_platform", "audit_ro", "audit_retention"];

/// Compares what is there with what this binary makes.
///
/// Parts of what is missing or not ours are not listed beside it.
pub(super) fn compare(backend: Backend, expected: &[Entry], found: &[Entry], into: &mut Found) {
    let wanted = by_key(expected);
    let there = by_key(found);
    let wholes = |a: &BTreeMap<&Key, &str>, b: &BTreeMap<&Key, &str>| -> BTreeSet<String> {
        a.keys().filter(|k| k.kind.has_parts() && !b.contains_key(*k)).map(|k| k.name.clone()).collect()
    };
    let missing = wholes(&wanted, &there);
    let foreign = wholes(&there, &wanted);
    let mut add = |key: &Key, expected: Option<&str>, present: Option<&str>| {
        let finding = finding(backend, key, expected, present);
        if is_grave(key, expected, present) { into.differs(finding) } else { into.warns(finding) }
    };

    for (key, definition) in &wanted {
        let present = there.get(*key).copied();
        if present == Some(*definition) || missing.contains(whole_of(key)) {
            continue;
        }
        add(key, Some(definition), present);
    }
    for (key, present) in there.iter().filter(|(key, _)| !wanted.contains_key(*key)) {
        if foreign.contains(whole_of(key)) {
            continue;
        }
        add(key, None, Some(present));
    }
}

/// What a fact is a part of.
fn whole_of(key: &Key) -> &str {
    if matches!(key.kind, Kind::Owner | Kind::Wall) { &key.name } else { &key.part_of }
}

fn by_key(entries: &[Entry]) -> BTreeMap<&Key, &str> {
    entries.iter().map(|entry| (&entry.key, entry.definition.as_str())).collect()
}

fn finding(backend: Backend, key: &Key, expected: Option<&str>, found: Option<&str>) -> Finding {
    let shown = |definition: Option<&str>| match definition {
        None => "nothing".to_owned(),
        Some("") => "it".to_owned(),
        Some(text) => text.to_owned(),
    };
    Finding {
        object: key.title(),
        found: shown(found),
        expected: shown(expected),
        run: remedy::of(backend, key, expected, found),
    }
}

/// Whether the program may fail or the walls may be open because of it. What an operator adds or tunes, and
/// what only people at a shell meet, is no more than worth knowing.
fn is_grave(key: &Key, expected: Option<&str>, found: Option<&str>) -> bool {
    let extra = expected.is_none();
    match key.kind {
        Kind::Tuning => false,
        Kind::Database => key.name != "time zone",
        Kind::Table | Kind::View | Kind::Sequence | Kind::Function => !extra,
        // A unique index refuses rows, as a constraint does.
        Kind::Index => !extra || found.is_some_and(|text| text.starts_with("CREATE UNIQUE")),
        Kind::Right if key.part_of == "database" => false,
        Kind::Right => {
            let grantee = key.name.split(" (").next().unwrap_or_default();
            !extra || OUR_GRANTEES.contains(&grantee)
        }
        Kind::Extension
        | Kind::Role
        | Kind::Membership
        | Kind::DefaultRight
        | Kind::Owner
        | Kind::Column
        | Kind::Constraint
        | Kind::Trigger
        | Kind::Rule
        | Kind::Wall
        | Kind::Policy => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: Kind, part_of: &str, name: &str, definition: &str) -> Entry {
        Entry::new(kind, part_of, name, definition)
    }

    fn check(expected: &[Entry], found: &[Entry], differences: &[&str], warnings: &[&str]) {
        let mut into = Found::default();
        compare(Backend::Postgres, expected, found, &mut into);
        let titles = |list: &[Finding]| list.iter().map(|f| f.object.clone()).collect::<Vec<_>>();
        assert_eq!(titles(&into.differences), differences);
        assert_eq!(titles(&into.warnings), warnings);
    }

    #[test]
    fn the_same_schema_has_no_differences() {
        let schema =
            [entry(Kind::Table, "", "users", "ordinary"), entry(Kind::Column, "users", "id", "text")];

        check(&schema, &schema, &[], &[]);
    }

    #[test]
    fn a_missing_table_is_named_without_its_parts() {
        let schema = [
            entry(Kind::Table, "", "users", "ordinary"),
            entry(Kind::Owner, "", "users", "owner"),
            entry(Kind::Column, "users", "id", "text"),
        ];

        check(&schema, &[], &["table users"], &[]);
    }

    #[test]
    fn a_table_of_others_is_worth_knowing_and_its_parts_are_not() {
        let others = [
            entry(Kind::Table, "", "notes", "ordinary"),
            entry(Kind::Column, "notes", "id", "text"),
            entry(Kind::Right, "notes", "PUBLIC", "select"),
        ];

        check(&[], &others, &[], &["table notes"]);
    }

    #[test]
    fn what_refuses_rows_or_opens_walls_is_grave_and_what_helps_reading_is_not() {
        let table = entry(Kind::Table, "", "users", "ordinary");
        let with = |more: &[Entry]| [std::slice::from_ref(&table), more].concat();

        check(
            &with(&[]),
            &with(&[
                entry(Kind::Index, "users", "mine", "CREATE INDEX mine ON users (a)"),
                entry(Kind::Index, "users", "only", "CREATE UNIQUE INDEX only ON users (a)"),
                entry(Kind::Right, "users", "metabase", "select"),
                entry(Kind::Right, "users", "audit_ro (email)", "select"),
                entry(Kind::Tuning, "users", "(storage)", "fillfactor=70"),
                entry(Kind::Column, "users", "nickname", "text"),
            ]),
            &["right of audit_ro (email) on users", "column users.nickname", "index only on users"],
            &["right of metabase on users", "index mine on users", "tuning of users.(storage)"],
        );
    }

    #[test]
    fn a_changed_definition_says_what_was_found_what_was_expected_and_what_to_run() {
        let wanted = [entry(Kind::Wall, "", "users", "on")];
        let there = [entry(Kind::Wall, "", "users", "off")];
        let mut into = Found::default();

        compare(Backend::Postgres, &wanted, &there, &mut into);

        let finding = &into.differences[0];
        assert_eq!((finding.found.as_str(), finding.expected.as_str()), ("off", "on"));
        assert!(finding.run.contains("ALTER TABLE users ENABLE ROW LEVEL SECURITY"), "{}", finding.run);
    }
}
