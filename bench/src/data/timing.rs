//! Times statements: on PostgreSQL as the server itself tells (`EXPLAIN ANALYZE`) and as a client waits for
//! the answer, on SQLite as the caller waits.

use std::fmt::Write as _;
use std::time::Instant;

use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Executor as _, Row as _};

use super::questions::Question;
use crate::Outcome;

/// Calls whose times are not counted: they fill caches and let the server settle on a plan.
const WARM_UP: u64 = 20;

/// Times of many calls, in milliseconds.
#[derive(Debug, Default)]
pub(super) struct Times(Vec<f64>);

impl Times {
    fn add(&mut self, ms: f64) {
        self.0.push(ms);
    }

    /// The time that this share of the calls stays below.
    pub(super) fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a few thousand calls"
        )]
        let at = ((sorted.len() as f64 * share).ceil() as usize).saturating_sub(1);
        sorted.get(at.min(sorted.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
    }
}

/// What was found about one statement.
pub(super) struct Measured {
    /// Planning and execution, as the server tells.
    pub(super) server: Option<Times>,
    /// From sending to the last row.
    pub(super) caller: Times,
    /// The indexes of the plan.
    pub(super) plan: String,
}

/// Times one statement on PostgreSQL, each call so many times, of which the lowest counts; `as_tenant` says whether the session carries the tenant of each call.
pub(super) async fn postgres(
    connection: &mut PgConnection,
    question: &Question,
    (calls, lowest_of): (u64, u64),
    as_tenant: bool,
) -> Outcome<Measured> {
    let failed = |e: sqlx::Error| format!("{}: {e}", question.name);
    let count = (question.keys)(0).len();
    let types = vec!["text"; count].join(", ");
    let prepare = format!("PREPARE asked ({types}) AS {}", question.sql);
    connection.execute(AssertSqlSafe(prepare)).await.map_err(failed)?;
    let mode = if question.anew { "force_custom_plan" } else { "auto" };
    connection.execute(AssertSqlSafe(format!("SET plan_cache_mode = {mode}"))).await.map_err(failed)?;
    let (mut server, mut caller, mut plan) = (Times::default(), Times::default(), String::new());
    for call in 0..calls + WARM_UP {
        let keys = (question.keys)(call);
        if as_tenant {
            let tenant = keys.first().cloned().unwrap_or_default();
            let set = sqlx::query("SELECT set_config('signet.tenant', $1, false)").bind(tenant);
            set.execute(&mut *connection).await.map_err(failed)?;
        }
        let (mut time, read) = explained(connection, &keys).await.map_err(failed)?;
        for _ in 1..lowest_of {
            time = time.min(explained(connection, &keys).await.map_err(failed)?.0);
        }
        let begun = Instant::now();
        let mut query = sqlx::query(AssertSqlSafe(question.sql.clone())).persistent(!question.anew);
        for key in &keys {
            query = query.bind(key.clone());
        }
        let rows = query.fetch_all(&mut *connection).await.map_err(failed)?;
        let waited = begun.elapsed().as_secs_f64() * 1e3;
        if question.finds && rows.is_empty() {
            return Err(format!("{}: nothing was found for {keys:?}", question.name));
        }
        if call >= WARM_UP {
            server.add(time);
            caller.add(waited);
            plan = read;
        }
    }
    connection.execute("DEALLOCATE asked").await.map_err(failed)?;
    Ok(Measured { server: Some(server), caller, plan })
}

/// Planning and execution time in milliseconds, and the indexes of the plan.
async fn explained(connection: &mut PgConnection, keys: &[String]) -> Result<(f64, String), sqlx::Error> {
    let mut sql = "EXPLAIN (ANALYZE, TIMING OFF) EXECUTE asked (".to_owned();
    for (position, key) in keys.iter().enumerate() {
        let comma = if position > 0 { ", " } else { "" };
        let _ = write!(sql, "{comma}'{}'", key.replace('\'', "''"));
    }
    sql.push(')');
    let rows = connection.fetch_all(AssertSqlSafe(sql)).await?;
    let (mut time, mut indexes) = (0.0, Vec::new());
    for row in rows {
        let line: String = row.try_get(0)?;
        let line = line.trim();
        for head in ["Planning Time: ", "Execution Time: "] {
            if let Some(rest) = line.strip_prefix(head) {
                time += rest.trim_end_matches(" ms").parse::<f64>().unwrap_or(f64::NAN);
            }
        }
        if line.contains("Scan") && !line.contains("never executed") {
            let node = line.trim_start_matches("->").split("  (").next().unwrap_or_default().trim();
            let node = node.split(" on audit_logs_2").next().unwrap_or(node).to_owned();
            if !indexes.contains(&node) && indexes.len() < 4 {
                indexes.push(node);
            }
        }
    }
    Ok((time, indexes.join("; ")))
}

/// Times one statement on SQLite.
pub(super) async fn sqlite(
    connection: &mut SqliteConnection,
    question: &Question,
    calls: u64,
) -> Outcome<Measured> {
    let failed = |e: sqlx::Error| format!("{}: {e}", question.name);
    let mut caller = Times::default();
    for call in 0..calls + WARM_UP {
        let keys = (question.keys)(call);
        let begun = Instant::now();
        let found = if question.walks {
            super::lite::search(connection, &question.sql, &keys).await.map_err(failed)?
        } else {
            let mut query = sqlx::query(AssertSqlSafe(question.sql.clone()));
            for key in &keys {
                query = query.bind(key.clone());
            }
            query.fetch_all(&mut *connection).await.map_err(failed)?.len()
        };
        let waited = begun.elapsed().as_secs_f64() * 1e3;
        if question.finds && found == 0 {
            return Err(format!("{}: nothing was found for {keys:?}", question.name));
        }
        if call >= WARM_UP {
            caller.add(waited);
        }
    }
    Ok(Measured { server: None, caller, plan: String::new() })
}
