//! Learns which rows an operation of Signet writes: the database before and after, several times over.
//!
//! What differs between the repetitions and has the form of an id, a digest or a token becomes a fresh value;
//! instants become offsets from now; all else is repeated as it is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use crate::Outcome;
use crate::database::{Database, TextRow};
use crate::template::{Kind, Parameter, Shape, Statement, Step, Template};

/// Longer than the audit queue waits before it commits a group (50 ms).
pub(crate) const SETTLE: Duration = Duration::from_millis(250);
/// A table with more rows than this is none that was filled by the preparation.
const ROWS_MAX: usize = 20_000;
/// SQLite keeps instants as integers: microseconds, and no other number is near 2017.
const INSTANT_MIN: i64 = 1_500_000_000_000_000;

/// A table as the capture needs it.
#[derive(Debug)]
struct Table {
    name: String,
    columns: Vec<(String, Kind)>,
    key: Vec<usize>,
}

/// The tables of a database, parents before children.
#[derive(Debug)]
pub(crate) struct Schema(Vec<Table>);

/// All rows at one moment: table by table, by key.
pub(crate) struct Dump {
    rows: Vec<BTreeMap<Vec<Option<String>>, TextRow>>,
    micros: i64,
}

/// What one request changed.
pub(crate) struct Change {
    inserted: Vec<(usize, TextRow)>,
    /// The table, the row as it is now, and the columns that changed.
    updated: Vec<(usize, TextRow, Vec<usize>)>,
    micros: i64,
}

impl Schema {
    /// Reads the tables of a database.
    pub(crate) async fn read(database: &Database) -> Outcome<Self> {
        let (columns, references) = match database {
            Database::Sqlite(_) => (SQLITE_COLUMNS, SQLITE_REFERENCES),
            Database::Postgres(_) => (POSTGRES_COLUMNS, POSTGRES_REFERENCES),
        };
        let mut tables: BTreeMap<String, Table> = BTreeMap::new();
        for row in database.rows(columns).await? {
            let [Some(table), Some(column), Some(kind), Some(in_key)] = row.as_slice() else {
                return Err(format!("the schema's columns came as {row:?}"));
            };
            let kind = kind_of(kind)
                .ok_or_else(|| format!("{table}.{column} is of the type {kind}, which is not known"))?;
            let entry = tables.entry(table.clone()).or_insert_with(|| Table {
                name: table.clone(),
                columns: Vec::new(),
                key: Vec::new(),
            });
            if in_key == "1" {
                entry.key.push(entry.columns.len());
            }
            entry.columns.push((column.clone(), kind));
        }
        let mut parents: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for row in database.rows(references).await? {
            if let [Some(child), Some(parent)] = row.as_slice()
                && child != parent
            {
                parents.entry(child.clone()).or_default().insert(parent.clone());
            }
        }
        let mut ordered = Vec::new();
        while !tables.is_empty() {
            let waits =
                |name: &String| parents.get(name).is_some_and(|p| p.iter().any(|p| tables.contains_key(p)));
            let next = tables.keys().find(|name| !waits(name)).or_else(|| tables.keys().next()).cloned();
            let Some(mut table) = next.and_then(|name| tables.remove(&name)) else { break };
            if table.key.is_empty() {
                table.key = (0..table.columns.len()).collect();
            }
            ordered.push(table);
        }
        Ok(Self(ordered))
    }

    /// Reads all rows.
    pub(crate) async fn dump(&self, database: &Database) -> Outcome<Dump> {
        let mut rows = Vec::with_capacity(self.0.len());
        for table in &self.0 {
            let columns: Vec<String> =
                table.columns.iter().map(|(name, kind)| as_text(database, name, *kind)).collect();
            let found = database
                .rows(&format!("SELECT {} FROM {} LIMIT {}", columns.join(", "), table.name, ROWS_MAX + 1))
                .await?;
            if found.len() > ROWS_MAX {
                return Err(format!("{} has more than {ROWS_MAX} rows before the measurement", table.name));
            }
            let key = |row: &TextRow| table.key.iter().map(|n| row.get(*n).cloned().flatten()).collect();
            rows.push(found.into_iter().map(|row| (key(&row), row)).collect());
        }
        Ok(Dump { rows, micros: now_micros() })
    }

    /// What changed between two moments.
    pub(crate) fn change(&self, before: &Dump, after: &Dump) -> Change {
        let mut change = Change { inserted: Vec::new(), updated: Vec::new(), micros: after.micros };
        for (number, (old, new)) in before.rows.iter().zip(&after.rows).enumerate() {
            let mut inserted = Vec::new();
            for (key, row) in new {
                match old.get(key) {
                    None => inserted.push((number, row.clone())),
                    Some(known) if known != row => {
                        let columns = (0..row.len()).filter(|n| known.get(*n) != row.get(*n)).collect();
                        change.updated.push((number, row.clone(), columns));
                    }
                    Some(_) => {}
                }
            }
            // Rows of one table that were written in the same millisecond have ids in no order.
            inserted.sort_by_cached_key(|(_, row)| {
                row.iter().map(|v| v.as_deref().map(masked)).collect::<Vec<_>>()
            });
            change.inserted.extend(inserted);
        }
        change
    }

    /// Turns repetitions of an operation (each a change per request) into a template.
    ///
    /// Fails if the repetitions wrote different tables: then it is no operation that can be repeated.
    pub(crate) fn template(&self, name: &str, repetitions: &[Vec<Change>]) -> Outcome<Template> {
        let Some((model, others)) = repetitions.split_last() else {
            return Err(format!("{name}: nothing was captured"));
        };
        let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
        let mut steps = Vec::new();
        for (position, change) in model.iter().enumerate() {
            let same: Vec<&Change> = others.iter().filter_map(|r| r.get(position)).collect();
            let tables = |c: &Change| c.inserted.iter().map(|(table, _)| *table).collect::<Vec<_>>();
            if let Some(other) = same.iter().find(|other| tables(other) != tables(change)) {
                let names = |c: &Change| {
                    tables(c)
                        .iter()
                        .filter_map(|n| self.0.get(*n))
                        .map(|t| t.name.clone())
                        .collect::<Vec<_>>()
                };
                return Err(format!(
                    "{name}: one repetition wrote {:?}, another {:?}",
                    names(change),
                    names(other)
                ));
            }
            let mut step = Step { fresh: Vec::new(), statements: Vec::new() };
            for (at, (table, row)) in change.inserted.iter().enumerate() {
                let Some(table) = self.0.get(*table) else { continue };
                let rows: Vec<&TextRow> =
                    same.iter().filter_map(|c| c.inserted.get(at)).map(|(_, row)| row).collect();
                for (column, value) in row.iter().enumerate() {
                    let is_text = table.columns.get(column).is_some_and(|(_, kind)| *kind == Kind::Text);
                    let Some(value) = value.as_ref().filter(|_| is_text) else { continue };
                    let varies =
                        rows.iter().any(|other| other.get(column).and_then(Option::as_ref) != Some(value));
                    if let Some(shape) = shape_of(value).filter(|_| varies && !numbers.contains_key(value)) {
                        numbers.insert(value.clone(), numbers.len());
                        step.fresh.push(shape);
                    }
                }
                step.statements.push(insert(table, row, &numbers, change.micros));
            }
            for (number, row, columns) in &change.updated {
                // What is not changed each time is housekeeping, not part of the operation.
                let each_time =
                    same.iter().all(|c| c.updated.iter().any(|(n, _, cs)| n == number && cs == columns));
                if let Some(table) = self.0.get(*number).filter(|_| each_time) {
                    step.statements.push(update(table, row, columns, &numbers, change.micros));
                }
            }
            steps.push(step);
        }
        if steps.iter().any(|step| step.statements.is_empty()) {
            return Err(format!(
                "{name}: a request of it writes nothing; it cannot be compared with a handler that writes"
            ));
        }
        Ok(Template { name: name.to_owned(), steps })
    }
}

impl Template {
    /// The rows in words: for the report.
    pub(crate) fn describe(&self) -> String {
        let step = |step: &Step| {
            let words = |statement: &Statement| {
                let mut words = statement.sql.split_ascii_whitespace();
                match words.next() {
                    Some("INSERT") => words.nth(1).unwrap_or("").to_owned(),
                    _ => format!("update of {}", words.next().unwrap_or("")),
                }
            };
            step.statements.iter().map(words).collect::<Vec<_>>().join(", ")
        };
        self.steps.iter().map(step).collect::<Vec<_>>().join("; then ")
    }
}

fn insert(table: &Table, row: &TextRow, numbers: &BTreeMap<String, usize>, micros: i64) -> Statement {
    let mut columns = Vec::new();
    let mut parameters = Vec::new();
    for ((column, kind), value) in table.columns.iter().zip(row) {
        // A column without a value need not be named.
        if value.is_some() {
            columns.push(column.as_str());
            parameters.push(parameter(*kind, value, numbers, micros));
        }
    }
    let places: Vec<String> = (1..=columns.len()).map(|n| format!("${n}")).collect();
    let sql = format!("INSERT INTO {} ({}) VALUES ({})", table.name, columns.join(", "), places.join(", "));
    Statement { sql, parameters }
}

fn update(
    table: &Table,
    row: &TextRow,
    changed: &[usize],
    numbers: &BTreeMap<String, usize>,
    micros: i64,
) -> Statement {
    let mut parameters = Vec::new();
    let mut assign = |columns: &[usize]| -> Vec<String> {
        let cells = columns.iter().filter_map(|n| Some((table.columns.get(*n)?, row.get(*n)?)));
        cells
            .map(|((column, kind), value)| {
                parameters.push(parameter(*kind, value, numbers, micros));
                format!("{column} = ${}", parameters.len())
            })
            .collect()
    };
    let set = assign(changed).join(", ");
    let key = assign(&table.key).join(" AND ");
    Statement { sql: format!("UPDATE {} SET {set} WHERE {key}", table.name), parameters }
}

fn parameter(
    kind: Kind,
    value: &Option<String>,
    numbers: &BTreeMap<String, usize>,
    micros: i64,
) -> Parameter {
    let Some(text) = value else { return Parameter::Constant(kind, None) };
    if let Some(number) = numbers.get(text) {
        return Parameter::Fresh(*number);
    }
    match (kind, text.parse::<i64>()) {
        (Kind::Time, Ok(at)) => Parameter::Time(kind, at - micros),
        (Kind::Int8, Ok(at)) if at > INSTANT_MIN => Parameter::Time(kind, at - micros),
        // A digest of 32 bytes: of other content each time.
        (Kind::Bytes, _) if text.len() == 64 => Parameter::RandomBytes(32),
        _ => Parameter::Constant(kind, Some(text.clone())),
    }
}

/// The form of a value that looks made at random; none for any other text.
fn shape_of(text: &str) -> Option<Shape> {
    let bytes = text.as_bytes();
    let hyphens = bytes.len() == 36 && [8, 13, 18, 23].iter().all(|n| bytes.get(*n) == Some(&b'-'));
    if hyphens && bytes.iter().all(|b| b.is_ascii_hexdigit() || *b == b'-') {
        return Some(Shape::OrderedId);
    }
    if bytes.len() < 16 || bytes.iter().all(u8::is_ascii_digit) {
        return None;
    }
    if bytes.iter().all(u8::is_ascii_hexdigit) {
        return Some(Shape::Hex(bytes.len()));
    }
    let token = bytes.len() <= 128 && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(b));
    token.then_some(Shape::Token(bytes.len()))
}

/// A value without what differs each time: to find the same row in another repetition.
fn masked(text: &str) -> String {
    match shape_of(text) {
        Some(Shape::OrderedId) => "id".to_owned(),
        Some(Shape::Hex(_)) => "hex".to_owned(),
        Some(Shape::Token(_)) => "token".to_owned(),
        None if text.parse::<i64>().is_ok_and(|n| n > INSTANT_MIN) => "instant".to_owned(),
        // JSON with ids in it; the first letters tell rows apart well enough.
        None => text.chars().take(12).collect(),
    }
}

pub(crate) fn now_micros() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

fn kind_of(name: &str) -> Option<Kind> {
    Some(match name.to_ascii_lowercase().as_str() {
        "text" | "varchar" | "bpchar" | "name" => Kind::Text,
        "int2" => Kind::Int2,
        "int4" => Kind::Int4,
        "int8" | "integer" | "int" => Kind::Int8,
        "bool" => Kind::Bool,
        "real" | "float8" => Kind::Real,
        "timestamptz" => Kind::Time,
        "jsonb" => Kind::Json,
        "blob" | "bytea" => Kind::Bytes,
        _ => return None,
    })
}

/// An expression that reads a column as text.
fn as_text(database: &Database, column: &str, kind: Kind) -> String {
    match (database, kind) {
        (Database::Sqlite(_), Kind::Bytes) => format!("hex({column})"),
        (Database::Sqlite(_), Kind::Text) => column.to_owned(),
        (Database::Sqlite(_), _) => format!("CAST({column} AS TEXT)"),
        (Database::Postgres(_), Kind::Bytes) => format!("encode({column}, 'hex')"),
        (Database::Postgres(_), Kind::Time) => {
            format!("(extract(epoch FROM {column}) * 1000000)::bigint::text")
        }
        (Database::Postgres(_), _) => format!("{column}::text"),
    }
}

/// Table, column, type, whether it is part of the primary key. No virtual and shadow tables, no computed columns.
const SQLITE_COLUMNS: &str = "\
    SELECT t.name, c.name, c.type, CAST(c.pk > 0 AS TEXT) \
    FROM pragma_table_list AS t, pragma_table_xinfo(t.name) AS c \
    WHERE t.type = 'table' AND t.schema = 'main' AND t.name NOT LIKE 'sqlite_%' AND c.hidden = 0 \
    ORDER BY t.name, c.cid";
const SQLITE_REFERENCES: &str = "\
    SELECT t.name, f.\"table\" FROM pragma_table_list AS t, pragma_foreign_key_list(t.name) AS f \
    WHERE t.type = 'table' AND t.schema = 'main'";
/// The same of PostgreSQL; a partition is reached through its parent.
const POSTGRES_COLUMNS: &str = "\
    SELECT c.relname::text, a.attname::text, t.typname::text, \
           CASE WHEN a.attnum = ANY (i.indkey) THEN '1' ELSE '0' END \
    FROM pg_class c \
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' \
    JOIN pg_type t ON t.oid = a.atttypid \
    LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary \
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition \
    ORDER BY c.relname, a.attnum";
const POSTGRES_REFERENCES: &str = "\
    SELECT child.relname::text, parent.relname::text FROM pg_constraint k \
    JOIN pg_class child ON child.oid = k.conrelid JOIN pg_class parent ON parent.oid = k.confrelid \
    WHERE k.contype = 'f'";
