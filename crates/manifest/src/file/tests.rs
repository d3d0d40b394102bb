use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use serde_json::Value;

use super::table::{ROOT, SECRET, Shape, Table};
use super::*;
use crate::client;

const ACME: &str = include_str!("../../../../examples/acme.yaml");
const SCHEMA: &str = include_str!("../../../../docs/schema/apply.schema.json");
const HEAD: &str = "version: 1\ntenant: { code: acme }\n";

fn refusals(text: &str) -> Vec<String> {
    parse("f.yaml", text)
        .map_or_else(|errors| errors.iter().map(ToString::to_string).collect(), |_| Vec::new())
}

#[test]
fn the_example_says_what_it_means() {
    let acme = parse("acme.yaml", ACME).unwrap();

    assert_eq!(acme.tenant.code.value, "acme");
    assert_eq!(acme.policies.unwrap().len(), 4);
    let roles = acme.roles.unwrap();
    assert_eq!(roles[1].parent.as_ref().unwrap().as_ref().unwrap().value, "viewer");
    assert!(roles[0].parent.is_none());
    assert_eq!(acme.users.unwrap()[0].password.as_ref().unwrap().key, "env:ACME_ALICE_PASSWORD");
    assert_eq!(acme.clients.unwrap().len(), 3);
}

#[test]
fn every_mistake_names_its_line_and_what_was_expected() {
    // What follows the two lines of the head, then the whole message.
    let table = [
        ("roles: [", "f.yaml:3:8: this is not YAML as expected here: unclosed bracket '['"),
        (
            "rolls: []",
            "f.yaml:3:1: found the unknown key `rolls` in the file, expected `version`, `tenant`, `prune`, `permissions`, `policies`, `roles`, `groups`, `users`, `resources`, `clients`",
        ),
        ("roles: {}", "f.yaml:3:8: found a mapping for `roles`, expected a list"),
        ("roles:", "f.yaml:3:6: found nothing for `roles`, expected `[]` for an empty list"),
        ("roles: [viewer]", "f.yaml:3:9: found text for `roles`, expected a mapping for a role"),
        ("roles:\n- name: x", "f.yaml:4:3: expected the key `code` in a role"),
        ("roles:\n- code: 7", "f.yaml:4:9: found a whole number for `code`, expected text: put it in quotes"),
        ("roles:\n- code: a b", "f.yaml:4:9: found `a b` for `code`: it must not contain ' '"),
        ("roles:\n- code: a\n- code: a", "f.yaml:5:9: found the role `a` twice, first in line 4"),
        ("roles:\n- code: a\n  code: b", "f.yaml:5:3: found the key `code` twice, expected it once"),
        (
            "roles:\n- { code: a, parent: b }\n- { code: b, parent: c }\n- { code: c, parent: a }",
            "leads back to this role",
        ),
        (
            "roles:\n- { code: a, parent: a }",
            "f.yaml:4:22: found the parent `a`, which leads back to this role",
        ),
        (
            "roles:\n- { code: a, permissions: [x, x] }",
            "f.yaml:4:31: found the permission `x` twice, first in line 4",
        ),
        (
            "users:\n- username: Bob\n- username: bob",
            "f.yaml:5:13: found the user `bob` twice, first in line 4",
        ),
        (
            "users:\n- { username: a, email: nobody }",
            "f.yaml:4:25: found `nobody` for `email`: it must be an e-mail address, like alice@example.com",
        ),
        (
            "users:\n- { username: a, password: { env: A, file: b } }",
            "f.yaml:4:28: found both `env` and `file` for `password`, expected one of them",
        ),
        (
            "users:\n- { username: a, password: {} }",
            "f.yaml:4:28: found neither `env` nor `file` for `password`, expected one of them",
        ),
        (
            "users:\n- { username: a, roles: [{ role: b, expires_at: soon }] }",
            "f.yaml:4:49: found `soon` for `expires_at`: it must be an instant as RFC 3339 writes it, like 2027-01-31T12:00:00Z",
        ),
        (
            "groups:\n- { name: g, members: [a, { member: a }] }",
            "f.yaml:4:37: found the member `a` twice, first in line 4",
        ),
        (
            "policies:\n- name: p\n  document:\n    Version: \"2012-10-17\"\n    Statement:\n    - Effect: Permit\n      Action: a:b\n      Resource: x",
            "f.yaml:8:7: in the policy document, /Statement/0/Effect: found `Permit`, expected ",
        ),
        ("policies:\n- { name: p, document: '{' }", "f.yaml:4:24: in the policy document, "),
        (
            "policies:\n- { name: p, expression: 'principal.name == 7' }",
            "f.yaml:4:26: in the expression, 1:1",
        ),
        (
            "policies:\n- { name: p, expression: true }",
            "f.yaml:4:26: found true or false for `expression`, expected text: an expression in CEL: put it in quotes",
        ),
        (
            "policies:\n- { name: p, priority: 1001 }",
            "f.yaml:4:24: found `1001` for `priority`, expected a number from 0 to 1000",
        ),
        ("resources:\n- name: a//b", "f.yaml:4:9: found `a//b` for `name`: it "),
        (
            "resources:\n- { name: a, tags: { x: 1 } }",
            "f.yaml:4:25: found a whole number for `x`, expected text: put it in quotes",
        ),
        (
            "clients:\n- { client_id: c, type: secret }",
            "f.yaml:4:25: found `secret` for `type`, expected `confidential` or `public` or `service`",
        ),
        (
            "clients:\n- { client_id: c, type: public, secret: { env: X } }",
            "f.yaml:4:41: found a secret for a client of type `public`, which has none",
        ),
        (
            "clients:\n- { client_id: c, access_token_ttl_seconds: 1 }",
            "f.yaml:4:45: found `1` for `access_token_ttl_seconds`, expected a number from 60 to 86400",
        ),
        (
            "clients:\n- { client_id: c, evaluation: { actions: [user], resources: ['*'] } }",
            "f.yaml:4:43: found `user` for `actions`: it must have the form `noun:verb`",
        ),
        (
            "clients:\n- { client_id: c, evaluation: { actions: [], resources: ['*'] } }",
            "f.yaml:4:31: in `evaluation`, found 0 patterns, expected 1 to 50",
        ),
        (
            "clients:\n- { client_id: c, evaluation: { actions: ['*'] } }",
            "f.yaml:4:31: expected the key `resources` in what a client is an enforcement point for",
        ),
        (
            "prune: [roles]",
            "f.yaml:2:9: found `roles` in `prune` but no such section; write `roles: []` to delete them all",
        ),
        (
            "prune: [tenants]",
            "f.yaml:3:9: found `tenants` for `prune`, expected `permissions` or `policies` or ",
        ),
        (
            "roles: &all []\ngroups: *all",
            "found a YAML anchor or alias, expected the value itself: write it out",
        ),
        ("---\nversion: 1", "found a second YAML document, expected one document in the file"),
    ];
    for (rest, expected) in table {
        let found = refusals(&format!("{HEAD}{rest}\n"));
        assert!(
            found.iter().any(|message| message.contains(expected)),
            "{rest}\n  gave {found:#?}\n  not {expected}"
        );
    }
}

#[test]
fn the_head_of_a_file_must_be_right() {
    for (text, expected) in [
        ("", "expected"),
        ("- a\n", "f.yaml:1:1: found a list, expected a mapping for the file"),
        ("version: 2\ntenant: { code: acme }\n", "f.yaml:1:10: found `2` for `version`, expected 1"),
        ("version: 1\n", "f.yaml:1:1: expected the key `tenant` in the file"),
        (
            "version: 1\ntenant: acme\n",
            "f.yaml:2:9: found text for `tenant`, expected a mapping for the tenant",
        ),
        (
            "version: 1\ntenant: { code: acme, colour: red }\n",
            "f.yaml:2:23: found the unknown key `colour` in the tenant, expected `code`, `name`, `config`",
        ),
    ] {
        let found = refusals(text);
        assert!(found.iter().any(|message| message.contains(expected)), "{text:?} gave {found:#?}");
    }
}

#[test]
fn all_mistakes_are_told_at_once_and_in_order_but_never_without_end() {
    let two = refusals("version: 1\ntenant: { code: acme }\nroles:\n- { code: 1 }\n- { kode: a }\n");
    let lines: Vec<&str> = two.iter().map(|message| message.split(':').nth(1).unwrap()).collect();
    let many = refusals(&format!("{HEAD}roles:\n{}", "- { kode: a }\n".repeat(500)));

    assert_eq!(lines, ["4", "5", "5"]);
    assert_eq!(many.len(), place::ERRORS_MAX);
}

#[test]
fn ten_thousand_and_one_objects_are_refused_and_ten_thousand_are_not() {
    let groups = |count: usize| {
        let lines: String = (0..count).map(|i| format!("- {{ name: g{i} }}\n")).collect();
        refusals(&format!("{HEAD}roles: [{{ code: a }}]\ngroups:\n{lines}"))
    };

    assert_eq!(groups(OBJECTS_MAX - 1), Vec::<String>::new());
    assert_eq!(
        groups(OBJECTS_MAX),
        ["f.yaml: found 10001 objects, expected at most 10000: split the file by sections"]
    );
}

#[test]
fn files_that_are_too_large_or_too_deep_are_refused() {
    let large = refusals(&format!("{HEAD}# {}\n", "x".repeat(FILE_BYTES_MAX)));
    let deep = refusals(&format!("{HEAD}roles: {}{}\n", "[".repeat(40), "]".repeat(40)));
    let very_deep = refusals(&format!("{HEAD}roles: {}", "[".repeat(500_000)));

    assert!(large[0].contains("bytes, expected at most 1048576"), "{large:?}");
    assert!(deep[0].contains("nested deeper than 24"), "{deep:?}");
    assert_eq!(very_deep.len(), 1);
}

#[test]
fn a_secret_in_clear_is_refused_and_never_repeated() {
    let canary = "CANARY-5f3e";
    for place in [
        format!("users:\n- {{ username: a, password: {canary} }}"),
        format!("users:\n- {{ username: a, password: '{canary}' }}"),
        format!("users:\n- {{ username: a, password: [{canary}] }}"),
        format!("users:\n- {{ username: a, password: {{ {canary}: x }} }}"),
        format!("users:\n- {{ username: a, password: {{ value: {canary} }} }}"),
        format!("users:\n- {{ username: a, password: {{ env: [{canary}] }} }}"),
        format!("users:\n- {{ username: a, password: {{ env: X, rotate: {canary} }} }}"),
        format!("users:\n- {{ username: a, password: \"{canary} }}"),
        format!("users:\n- {{ username: a, password: \"{canary}\\q\" }}"),
        format!("users:\n- {{ username: a, password: !secret {canary} }}"),
        format!("users:\n- username: a\n  password: {canary}: {canary}"),
        format!("users:\n- username: a\n  password: |\n{canary}"),
        format!("clients:\n- {{ client_id: a, secret: {canary} }}"),
    ] {
        let found = refusals(&format!("{HEAD}{place}\n"));
        assert!(!found.is_empty(), "{place}");
        assert!(!found.iter().any(|message| message.contains("CANARY")), "{place}\n  gave {found:#?}");
    }
    let clear = parse("f", &format!("{HEAD}users: [{{ username: a, password: x }}]\n")).unwrap_err();
    assert_eq!(clear[0].code, "secret_in_clear");
}

#[test]
fn the_caller_finds_each_secret_once_and_hears_of_each_that_is_missing() {
    let text = format!(
        "{HEAD}users:\n- {{ username: a, password: {{ env: A }} }}\n- {{ username: b, password: {{ env: A }} }}\n- {{ username: c, password: {{ file: c.txt }} }}\n"
    );
    let env = |name: &str| (name == "A").then(|| "from-env".to_owned());
    let read = |path: &Path| {
        if path == Path::new("c.txt") {
            Ok(b"from-file\r\n".to_vec())
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    };

    let found = client::resolve_secrets("f.yaml", &text, &env, &read).unwrap();
    let missing = client::resolve_secrets("f.yaml", &text, &|_| None, &|_| Ok(Vec::new())).unwrap_err();

    let found: Vec<(&str, &str)> = found.iter().map(|(key, s)| (key.as_str(), s.expose().as_str())).collect();
    assert_eq!(found, [("env:A", "from-env"), ("file:c.txt", "from-file")]);
    let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
    assert_eq!(
        missing,
        [
            "f.yaml:4:28: the environment variable `A` is not set; set it and apply again",
            "f.yaml:5:28: the environment variable `A` is not set; set it and apply again",
            "f.yaml:6:28: the file `c.txt` is empty, expected a secret",
        ]
    );
}

#[test]
fn the_published_schema_is_the_table() {
    if std::option_env!("SIGNET_WRITE_GOLDEN").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/schema/apply.schema.json");
        std::fs::write(path, schema::json_schema()).unwrap();
    }
    assert_eq!(schema::json_schema(), SCHEMA, "set SIGNET_WRITE_GOLDEN=1 and review the change");
}

#[test]
fn every_key_that_the_reader_knows_is_in_the_schema() {
    fn tables(table: &'static Table, all: &mut Vec<&'static Table>) {
        if all.iter().any(|known| known.name == table.name) {
            return;
        }
        all.push(table);
        for key in table.keys {
            let mut shape = key.shape;
            while let Shape::List(of, _) = shape {
                shape = *of;
            }
            match shape {
                Shape::Object(of) | Shape::TextOr(_, of) => tables(of, all),
                Shape::Secret => tables(&SECRET, all),
                _ => {}
            }
        }
    }
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let mut all = Vec::new();
    tables(&ROOT, &mut all);

    assert_eq!(all.len(), 14);
    for table in all {
        let object = if table.name == "file" { &schema } else { &schema["$defs"][table.name] };
        let written: BTreeSet<&str> =
            object["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        let known: BTreeSet<&str> = table.keys.iter().map(|key| key.name).collect();
        assert_eq!(written, known, "{}", table.name);
        assert_eq!(object["additionalProperties"], false, "{}", table.name);
    }
}

#[test]
fn the_example_uses_keys_of_the_schema_only() {
    fn walk(value: &Value, schema: &Value, root: &Value, path: &str, seen: &mut usize) {
        let mut schema = schema;
        if let Some(name) = schema["$ref"].as_str() {
            schema = root.pointer(name.trim_start_matches('#')).unwrap();
        }
        if let Some(choices) = schema["anyOf"].as_array() {
            let wanted = if value.is_object() { "$ref" } else { "type" };
            schema = choices.iter().find(|choice| !choice[wanted].is_null()).unwrap();
            if schema["$ref"].is_string() {
                return walk(value, schema, root, path, seen);
            }
        }
        match value {
            Value::Object(map) if schema["properties"].is_object() => {
                for (key, inner) in map {
                    let property = &schema["properties"][key];
                    assert!(!property.is_null(), "{path}/{key} is not in the schema");
                    *seen += 1;
                    walk(inner, property, root, &format!("{path}/{key}"), seen);
                }
            }
            Value::Array(items) => {
                for item in items {
                    walk(item, &schema["items"], root, path, seen);
                }
            }
            _ => {}
        }
    }
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let acme: Value = serde_saphyr::from_str(ACME).unwrap();
    let mut seen = 0;

    walk(&acme, &schema, &schema, "", &mut seen);

    assert!(seen > 100, "{seen}");
}

#[test]
fn the_parser_survives_what_is_broken_at_any_byte() {
    let corpus = [
        "",
        "\0",
        "\u{feff}version: 1",
        "a: &a [*a]",
        "<<: {a: b}",
        "{{{{",
        "- - - -",
        "? a\n: b",
        "!!binary x",
        "a: 1e999",
        "version: 1\ntenant: {code: a}\nusers: [{username: 99999999999999999999}]",
        "%YAML 9.9\n---\na: b",
        "a: |\n\tb",
        "\u{2028}: x",
        "version: .nan",
        "[1, 2]: x",
        "{a: b}: c",
        "~: x",
        "a: \"\\x",
        "'",
    ];
    for text in corpus {
        fuzz(text.as_bytes());
        fuzz(format!("{HEAD}{text}").as_bytes());
    }
    // The example cut, and with one byte replaced, at every 101st place.
    let bytes = ACME.as_bytes();
    for at in (0..bytes.len()).step_by(101) {
        fuzz(&bytes[..at]);
        for other in *b"\0:-[{&*!|'\"#\n " {
            let mut changed = bytes.to_vec();
            changed[at] = other;
            fuzz(&changed);
        }
    }
}
