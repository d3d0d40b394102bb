//! How many rows the database thinks that a query has: PostgreSQL's planner knows, SQLite has none.

use crate::{Backend, Result, Rx, Sql};

/// The planner's estimate for ` FROM … WHERE …`; none where the database has no planner to ask.
pub(crate) async fn estimate(rx: &mut Rx, from: &Sql) -> Result<Option<i64>> {
    if rx.backend() != Backend::Postgres {
        return Ok(None);
    }
    let explain = Sql::new("EXPLAIN (FORMAT JSON) SELECT 1").append(from.clone());
    let plan: serde_json::Value = rx.one(explain).await?;
    let rows = plan.pointer("/0/Plan/Plan Rows").and_then(serde_json::Value::as_f64);
    #[expect(clippy::cast_possible_truncation, reason = "an estimate; `as` saturates")]
    Ok(rows.map(|rows| rows as i64))
}
