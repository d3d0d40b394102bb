//! What to run about a difference: a statement where one puts it right, advice where none does. Pure.

use super::entry::{Key, Kind};
use crate::Backend;

/// For what no single statement brings back.
const RESTORE: &str = "find out who changed it; a backup of this version has it right";
/// What makes and grants roles.
const INIT: &str = "deploy/db/init.sh, as an administrator of the server";

/// What to run. `expected` and `found` are definitions; none stands for what is not there.
pub(super) fn of(backend: Backend, key: &Key, expected: Option<&str>, found: Option<&str>) -> String {
    let statement = match backend {
        Backend::Sqlite => sqlite(key, expected, found),
        Backend::Postgres => return postgres(key, expected, found),
    };
    statement.unwrap_or_else(|| RESTORE.to_owned())
}

/// SQLite rebuilds a table to change it: only what stands beside tables has a statement.
fn sqlite(key: &Key, expected: Option<&str>, found: Option<&str>) -> Option<String> {
    let name = &key.name;
    let kind = match key.kind {
        Kind::Index => "INDEX",
        Kind::Trigger => "TRIGGER",
        Kind::View => "VIEW",
        Kind::Table if expected.is_none() => "TABLE",
        _ => return None,
    };
    Some(match (expected, found) {
        (Some(definition), None) => format!("{definition};"),
        (None, _) => format!("DROP {kind} {name}; if nobody needs it"),
        (Some(definition), Some(_)) => format!("DROP {kind} {name}; {definition};"),
    })
}

fn postgres(key: &Key, expected: Option<&str>, found: Option<&str>) -> String {
    let (name, table) = (&key.name, &key.part_of);
    match key.kind {
        Kind::Role => role(key, expected),
        Kind::Membership => format!("as an administrator: REVOKE {name} FROM {table};"),
        Kind::Database => database(key, expected),
        Kind::Right => right(key, expected),
        Kind::Tuning => format!("nothing, if it was meant; otherwise ALTER TABLE {table} as owner"),
        Kind::Owner => {
            let sort = if name.contains('(') { "FUNCTION" } else { "TABLE" };
            format!("as an administrator: ALTER {sort} {name} OWNER TO owner;")
        }
        Kind::Function if expected.is_some() => {
            format!(
                "as owner, the CREATE FUNCTION {name} of the newest file in migrations/postgres that has it"
            )
        }
        // What holds foreign keys is the server's own.
        Kind::Trigger if expected.is_none() && found.is_some_and(|text| text.starts_with("foreign key")) => {
            format!("as an administrator: ALTER TABLE {table} ENABLE TRIGGER ALL;")
        }
        _ => match statement(key, expected, found) {
            Some(text) => format!("SET ROLE owner; {text}"),
            None => RESTORE.to_owned(),
        },
    }
}

fn role(key: &Key, expected: Option<&str>) -> String {
    if expected.is_none() {
        return RESTORE.to_owned();
    }
    format!(
        "{INIT}, if it is absent; else: ALTER ROLE {} NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB \
         NOREPLICATION;",
        key.name
    )
}

fn database(key: &Key, expected: Option<&str>) -> String {
    match key.name.as_str() {
        "owner" => INIT.to_owned(),
        "time zone" => {
            "SET ROLE owner; ALTER DATABASE … SET timezone = 'UTC'; or deploy/db/init.sh".to_owned()
        }
        _ => format!("dump and restore into a database with {}", expected.unwrap_or("other settings")),
    }
}

/// What was given back and given, on whatever it is a right.
fn right(key: &Key, expected: Option<&str>) -> String {
    let (object, part_of) = match key.part_of.as_str() {
        "database" => {
            return format!("SET ROLE owner; REVOKE TEMPORARY, CREATE ON DATABASE … FROM {};", key.name);
        }
        "schema public" => ("SCHEMA ", "public"),
        function if function.contains('(') => ("FUNCTION ", function),
        table => ("", table),
    };
    if let Some((grantee, column)) = key.name.split_once(" (") {
        return format!("SET ROLE owner; REVOKE ALL ({column} ON {part_of} FROM {grantee};");
    }
    let revoke = format!("REVOKE ALL ON {object}{part_of} FROM {};", key.name);
    match expected {
        None => format!("SET ROLE owner; {revoke}"),
        Some(rights) => {
            format!("SET ROLE owner; {revoke} GRANT {rights} ON {object}{part_of} TO {};", key.name)
        }
    }
}

/// What the owner of all objects runs.
fn statement(key: &Key, expected: Option<&str>, found: Option<&str>) -> Option<String> {
    let (name, table) = (&key.name, &key.part_of);
    let is = |state: &str| expected.is_some() && found.is_some_and(|text| text.contains(state));
    let replaced = |drop: String, create: &dyn Fn(&str) -> String| -> String {
        let steps = [found.map(|_| drop), expected.map(create)];
        steps.into_iter().flatten().collect::<Vec<_>>().join(" ")
    };
    Some(match key.kind {
        Kind::Table if is(super::UNLOGGED) => format!("ALTER TABLE {name} SET LOGGED;"),
        Kind::Table if expected.is_none() => format!("DROP TABLE {name}; if nobody needs it"),
        Kind::View if expected.is_none() => format!("DROP VIEW {name}; if nobody needs it"),
        Kind::Sequence if expected.is_none() => format!("DROP SEQUENCE {name}; if nobody needs it"),
        Kind::Function => format!("DROP FUNCTION {name}; if nobody needs it"),
        Kind::Extension => format!("CREATE EXTENSION {name} SCHEMA public;"),
        Kind::Wall => {
            let enable = if expected == Some("on") { "ENABLE" } else { "DISABLE" };
            format!("ALTER TABLE {name} {enable} ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY;")
        }
        Kind::Column => match (expected, found) {
            (Some(definition), None) => format!("ALTER TABLE {table} ADD COLUMN {name} {definition};"),
            (None, _) => format!("ALTER TABLE {table} DROP COLUMN {name}; if nobody needs it"),
            _ => return None,
        },
        Kind::Constraint => replaced(format!("ALTER TABLE {table} DROP CONSTRAINT {name};"), &|definition| {
            format!("ALTER TABLE {table} ADD CONSTRAINT {name} {definition};")
        }),
        Kind::Index if is(super::INVALID) => format!("REINDEX INDEX {name};"),
        Kind::Index => replaced(format!("DROP INDEX {name};"), &|definition| format!("{definition};")),
        Kind::Trigger if is(super::NOT_FIRING) => format!("ALTER TABLE {table} ENABLE TRIGGER {name};"),
        Kind::Trigger => {
            replaced(format!("DROP TRIGGER {name} ON {table};"), &|definition| format!("{definition};"))
        }
        Kind::Rule => format!("DROP RULE {name} ON {table};"),
        Kind::Policy => replaced(format!("DROP POLICY {name} ON {table};"), &|definition| {
            format!("CREATE POLICY {name} ON {table} {definition};")
        }),
        _ => return None,
    })
}
