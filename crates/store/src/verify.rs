//! Every way in which a database differs from what this binary's migrations made. Changes nothing.
//!
//! First the versions with their checksums. If they are this binary's, then the objects: on PostgreSQL as the
//! catalogue tells them against a text that a test keeps (`verify/postgres.txt`), on SQLite against a database
//! that this binary makes in memory. A difference is what the program may fail by, or what opens a wall; a
//! warning is what an operator added, tuned or left undone.

mod compare;
mod entry;
mod months;
mod postgres;
mod remedy;
mod sqlite;

use base::Timestamp;
use serde::Serialize;

use crate::look::At;
use crate::{Look, Result, migrate};

/// Differences and warnings listed at most, of each; more are counted.
const FINDINGS_MAX: usize = 200;
/// Stands in the description of an index that answers no query.
const INVALID: &str = "(invalid";
/// Stands in the description of a table that is not in the server's log.
const UNLOGGED: &str = "unlogged";
/// Stands in the description of a trigger that was switched off.
const NOT_FIRING: &str = "(it does not fire)";

/// One thing that is not as this binary makes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is about, for example `index idx_users_email on users`.
    pub object: String,
    /// What is there.
    pub found: String,
    /// What should be.
    pub expected: String,
    /// A statement or a command that puts it right, or advice.
    pub run: String,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Where the database is, without credentials.
    pub database: String,
    /// The newest version of this binary.
    pub version: String,
    /// Whether there is no difference; warnings do not count.
    pub exact: bool,
    /// What the program may fail by, or what opens a wall.
    pub differences: Vec<Finding>,
    /// What is worth knowing.
    pub warnings: Vec<Finding>,
    /// Findings beyond the first 200 of each list.
    pub omitted: usize,
}

/// The findings of a report that is being made.
#[derive(Debug, Default)]
struct Found {
    differences: Vec<Finding>,
    warnings: Vec<Finding>,
    omitted: usize,
}

impl Found {
    fn differs(&mut self, finding: Finding) {
        if self.differences.len() < FINDINGS_MAX {
            self.differences.push(finding);
        } else {
            self.omitted += 1;
        }
    }

    fn warns(&mut self, finding: Finding) {
        if self.warnings.len() < FINDINGS_MAX {
            self.warnings.push(finding);
        } else {
            self.omitted += 1;
        }
    }
}

/// Compares the database with what this binary makes. `now` says which months of the audit log must be there.
///
/// Fails with [`crate::StoreError::Configuration`] if the login may not read what was applied.
pub async fn verify(look: &mut Look, now: Timestamp) -> Result<Report> {
    let mut found = Found::default();
    let versions = migrate::status(look).await?;
    for status in &versions {
        check_version(status, &mut found);
    }
    // Beside other migrations everything would differ, and say nothing.
    if found.differences.is_empty() {
        match &mut look.at {
            At::Nothing => {}
            At::Sqlite(connection) => {
                let there = sqlite::describe(connection).await?;
                compare::compare(crate::Backend::Sqlite, &sqlite::expected().await?, &there, &mut found);
                sqlite::check_rows(connection, &mut found).await?;
            }
            At::Postgres(connection) => {
                let there = postgres::describe(connection).await?;
                compare::compare(crate::Backend::Postgres, &postgres::expected()?, &there, &mut found);
                postgres::check_login(connection, look.allow_superuser, &mut found).await?;
                postgres::check_settings(connection, &mut found).await?;
                months::check(connection, now, &mut found).await?;
            }
        }
    }
    let newest = versions.iter().rfind(|status| status.known);
    Ok(Report {
        database: look.label().to_owned(),
        version: newest.map_or_else(String::new, |status| status.version.clone()),
        exact: found.differences.is_empty(),
        differences: found.differences,
        warnings: found.warnings,
        omitted: found.omitted,
    })
}

fn check_version(status: &migrate::Status, found: &mut Found) {
    let (is, expected, run) = match (status.applied_at, status.matches, status.known) {
        (Some(_), true, _) => return,
        (None, ..) => ("nothing", "applied", "signet migrate up"),
        (Some(_), false, true) => (
            "applied by another build: its checksum differs",
            "this binary's",
            "the build that made it; before the first release, begin with a new database",
        ),
        (Some(_), false, false) => (
            "applied by a newer build",
            "nothing: this binary does not know it",
            "the build that made it, or restore a backup from before the upgrade",
        ),
    };
    found.differs(Finding {
        object: format!("migration {} ({})", status.version, status.description),
        found: is.to_owned(),
        expected: expected.to_owned(),
        run: run.to_owned(),
    });
}

/// What is there, in the lines that `verify/postgres.txt` is made of: for the test that keeps it.
#[cfg(feature = "testing")]
pub async fn describe(look: &mut Look) -> Result<Vec<String>> {
    let entries = match &mut look.at {
        At::Nothing => Vec::new(),
        At::Sqlite(connection) => sqlite::describe(connection).await?,
        At::Postgres(connection) => postgres::describe(connection).await?,
    };
    Ok(entries.iter().map(entry::Entry::line).collect())
}
