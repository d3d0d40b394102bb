//! SQLite: what `sqlite_schema` says, against a database that this binary makes in memory; and whether the
//! rows are whole.

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _, SqliteConnection};

use super::entry::{Entry, Kind};
use super::{Finding, Found};
use crate::{Backend, Result, migrate};

/// A file up to this size is read whole: some ten seconds.
const READ_BYTES_MAX: i64 = 1 << 30;
/// Defects of the file that SQLite lists at most.
const DEFECTS: &str = "PRAGMA integrity_check(20)";
/// Rows that refer to nothing, counted.
const ORPHANS: &str = "SELECT c.\"table\", c.parent, count(*) FROM pragma_foreign_key_check AS c \
     GROUP BY c.\"table\", c.parent ORDER BY 1, 2 LIMIT 20";

/// What this binary's migrations make.
pub(super) async fn expected() -> Result<Vec<Entry>> {
    let mut memory =
        SqliteConnectOptions::new().in_memory(true).disable_statement_logging().connect().await?;
    memory.execute("PRAGMA foreign_keys = OFF").await?;
    memory.execute(migrate::SQLITE_TABLE).await?;
    for migration in migrate::all(Backend::Sqlite)? {
        for step in migration.steps() {
            memory.execute(sqlx::raw_sql(AssertSqlSafe(step))).await?;
        }
    }
    describe(&mut memory).await
}

/// What the database has. Tables of SQLite's own, such as statistics, are left out.
pub(super) async fn describe(connection: &mut SqliteConnection) -> Result<Vec<Entry>> {
    const ALL: &str = "SELECT type, name, tbl_name, sql FROM sqlite_schema \
         WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND sql IS NOT NULL";
    let rows: Vec<(String, String, String, String)> = sqlx::query_as(ALL).fetch_all(connection).await?;
    let mut entries = Vec::new();
    for (kind, name, table, sql) in rows {
        match kind.as_str() {
            "table" => describe_table(&name, &sql, &mut entries),
            "index" => entries.push(Entry::new(Kind::Index, &table, &name, &sql)),
            "trigger" => entries.push(Entry::new(Kind::Trigger, &table, &name, &sql)),
            _ => entries.push(Entry::new(Kind::View, "", &name, &sql)),
        }
    }
    entries.sort();
    Ok(entries)
}

/// A table, its columns and its constraints apart, so that a difference names what differs.
fn describe_table(name: &str, sql: &str, into: &mut Vec<Entry>) {
    let Some((parts, tail)) = split(sql).filter(|_| sql.starts_with("CREATE TABLE")) else {
        into.push(Entry::new(Kind::Table, "", name, sql));
        return;
    };
    into.push(Entry::new(Kind::Table, "", name, if tail.is_empty() { "ordinary" } else { &tail }));
    for part in parts {
        let mut words = part.split(' ');
        let first = words.next().unwrap_or_default();
        let (kind, title) = match first {
            "CONSTRAINT" => (Kind::Constraint, words.next().unwrap_or_default()),
            "PRIMARY" | "UNIQUE" | "CHECK" | "FOREIGN" => (Kind::Constraint, part.as_str()),
            column => (Kind::Column, column),
        };
        let definition = part.strip_prefix(first).unwrap_or_default();
        into.push(Entry::new(kind, name, title, definition));
    }
}

/// The parts between the outer parentheses of a `CREATE TABLE`, and what follows them. Comments go, and blanks
/// outside of quotes become one each. None where the parentheses do not match.
fn split(sql: &str) -> Option<(Vec<String>, String)> {
    let (mut parts, mut part, mut depth) = (Vec::new(), String::new(), 0_usize);
    let mut tail = None;
    let mut rest = sql.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '-' if rest.peek() == Some(&'-') => {
                rest.by_ref().find(|c| *c == '\n');
                part.push(' ');
            }
            '\'' | '"' | '`' => {
                part.push(c);
                for quoted in rest.by_ref() {
                    part.push(quoted);
                    if quoted == c {
                        break;
                    }
                }
            }
            '(' => {
                depth += 1;
                if depth == 1 { part.clear() } else { part.push(c) }
            }
            ')' if depth == 1 => {
                parts.push(std::mem::take(&mut part));
                depth = 0;
                tail = Some(());
            }
            ')' => {
                depth = depth.checked_sub(1)?;
                part.push(c);
            }
            ',' if depth == 1 => parts.push(std::mem::take(&mut part)),
            c if c.is_whitespace() => part.push(' '),
            c => part.push(c),
        }
    }
    let fold = |text: &str| text.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    tail.map(|()| (parts.iter().map(|p| fold(p)).collect(), fold(&part)))
}

/// Whether each row refers to rows that are there and the file is whole, where it is small enough to be read.
pub(super) async fn check_rows(connection: &mut SqliteConnection, into: &mut Found) -> Result<()> {
    let size: i64 =
        sqlx::query_scalar("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
            .fetch_one(&mut *connection)
            .await?;
    if size > READ_BYTES_MAX {
        into.warns(Finding {
            object: "rows of the database".to_owned(),
            found: format!("{} MiB: not read whole here", size >> 20),
            expected: "whole rows that refer to rows".to_owned(),
            run: "sqlite3 signet.db 'PRAGMA integrity_check; PRAGMA foreign_key_check', when there is time"
                .to_owned(),
        });
        return Ok(());
    }
    let orphans: Vec<(String, String, i64)> = sqlx::query_as(ORPHANS).fetch_all(&mut *connection).await?;
    for (table, parent, rows) in orphans {
        into.differs(Finding {
            object: format!("rows of table {table}"),
            found: format!("{rows} that refer to nothing in {parent}"),
            expected: "none".to_owned(),
            run: "restore a backup; they were written with foreign keys switched off".to_owned(),
        });
    }
    let defects: Vec<String> = sqlx::query_scalar(DEFECTS).fetch_all(connection).await?;
    for defect in defects.iter().filter(|text| *text != "ok") {
        into.differs(Finding {
            object: "database file".to_owned(),
            found: defect.clone(),
            expected: "ok".to_owned(),
            run: "restore a backup; try `sqlite3 signet.db .recover` on a copy where there is none"
                .to_owned(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(sql: &str) -> Vec<String> {
        let mut entries = Vec::new();
        describe_table("t", sql, &mut entries);
        entries.iter().map(Entry::line).collect()
    }

    #[test]
    fn a_table_is_taken_apart_into_columns_and_constraints() {
        let sql = "CREATE TABLE \"t\" (\n  id TEXT NOT NULL, -- a comment, with (one\n  n INTEGER DEFAULT (1 + (2)),\n  \
                   s TEXT DEFAULT 'a, b) -- c',\n  CONSTRAINT ck CHECK (n > 0),\n  UNIQUE (id, n)\n) STRICT";

        assert_eq!(
            lines(sql),
            [
                "table\t\tt\tSTRICT",
                "column\tt\tid\tTEXT NOT NULL",
                "column\tt\tn\tINTEGER DEFAULT (1 + (2))",
                "column\tt\ts\tTEXT DEFAULT 'a, b) -- c'",
                "constraint\tt\tck\tck CHECK (n > 0)",
                "constraint\tt\tUNIQUE (id, n)\t(id, n)",
            ]
        );
    }

    #[test]
    fn a_virtual_table_stays_whole() {
        let sql = "CREATE VIRTUAL TABLE t USING fts5 (a, tokenize = 'trigram')";

        assert_eq!(lines(sql), [format!("table\t\tt\t{sql}")]);
    }

    #[test]
    fn parentheses_that_do_not_match_are_taken_as_they_are() {
        assert_eq!(lines("CREATE TABLE t )").len(), 1);
        assert_eq!(lines("CREATE TABLE t (a").len(), 1);
    }
}
