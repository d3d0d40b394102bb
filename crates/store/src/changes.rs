//! What each new version of a scope changed, for nodes that follow.
//!
//! The words are the decision point's (`authz`); here they are only kept and swept.

use std::collections::BTreeSet;

use base::Timestamp;

use crate::{FromRow, Result, Row, Rx, Sql};

/// What one transaction says of one scope at most; more is [`Change::ALL`].
pub const CHANGES_MAX: usize = 100;
/// Seconds for which it is kept what a version changed. Who comes later reads the whole.
pub const KEPT_SECONDS: i64 = 15 * 60;

/// One thing that changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// What kind of thing, at most 16 characters.
    pub kind: &'static str,
    /// Which one, at most 1024 characters; empty where the kind says all.
    pub subject: String,
}

impl Change {
    /// More than can be said.
    pub const ALL: Self = Self { kind: "all", subject: String::new() };
}

/// One thing that changed with a version, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The version that it changed with.
    pub version: i64,
    /// What kind of thing.
    pub kind: String,
    /// Which one.
    pub subject: String,
}

impl FromRow for Changed {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self { version: row.get("version")?, kind: row.get("kind")?, subject: row.get("subject")? })
    }
}

/// Moves a scope's version, writes beside it what changed, and gives the version.
pub(crate) async fn write(rx: &mut Rx, scope: &str, changes: &BTreeSet<Change>) -> Result<i64> {
    let version: i64 = rx
        .one(
            Sql::new(
                "INSERT INTO policy_versions (tenant_id, version) VALUES ($1, 1) \
                 ON CONFLICT (tenant_id) DO UPDATE SET version = policy_versions.version + 1 \
                 RETURNING version",
            )
            .bind(scope),
        )
        .await?;
    let mut sql = Sql::new("INSERT INTO policy_changes (tenant_id, version, place, kind, subject) VALUES ");
    for (place, change) in (0_i64..).zip(changes) {
        sql = sql.push(if place == 0 { "(" } else { ", (" }).value(scope).push(", ").value(version);
        sql = sql.push(", ").value(place).push(", ").value(change.kind);
        sql = sql.push(", ").value(change.subject.as_str()).push(")");
    }
    if !changes.is_empty() {
        rx.run(sql).await?;
    }
    Ok(version)
}

/// What changed in a scope after one version and up to another, by version: at most `limit` rows.
pub async fn list(rx: &mut Rx, scope: &str, after: i64, until: i64, limit: i64) -> Result<Vec<Changed>> {
    let sql = Sql::new(
        "SELECT version, kind, subject FROM policy_changes \
         WHERE tenant_id = $1 AND version > $2 AND version <= $3 ORDER BY version, place LIMIT $4",
    );
    rx.all(sql.bind(scope).bind(after).bind(until).bind(limit)).await
}

/// Removes what is older than [`KEPT_SECONDS`], at most `limit` rows.
pub fn before(now: Timestamp, limit: i64) -> Sql {
    Sql::new(
        "DELETE FROM policy_changes WHERE (tenant_id, version, place) IN \
         (SELECT tenant_id, version, place FROM policy_changes WHERE created_at <= $1 \
          ORDER BY created_at LIMIT $2)",
    )
    .bind(now.plus_seconds(-KEPT_SECONDS))
    .bind(limit)
}
