//! Search on SQLite: a walk along the order of names while hits are frequent, FTS5 trigrams otherwise.

use super::{UserHit, UserSearch};
use crate::{Result, Rx, Sql};

/// People looked at in the order of names before the index of trigrams is asked. Where a page is full
/// within them, no other way is faster; where it is not, hits are rare and the index finds few.
const WALK_MAX: i64 = 4_000;

pub(super) async fn users(rx: &mut Rx, search: &UserSearch<'_>) -> Result<Vec<UserHit>> {
    let hits: Vec<UserHit> = rx.all(walk(search)).await?;
    if i64::try_from(hits.len()).is_ok_and(|found| found >= search.limit) {
        return Ok(hits);
    }
    rx.all(index(search)).await
}

fn walk(search: &UserSearch<'_>) -> Sql {
    let mut sql = Sql::new(
        "SELECT username_key, id FROM (SELECT username_key, id, status, search_text FROM users WHERE tenant_id = ",
    )
    .value(search.tenant_id)
    .push(if search.status == Some("DELETED") {
        " AND deleted_at IS NOT NULL"
    } else {
        " AND deleted_at IS NULL"
    });
    sql = after(sql, search, "(username_key, id)");
    sql = sql.push(" ORDER BY username_key, id LIMIT ").value(WALK_MAX).push(") WHERE true");
    if let Some(status) = search.status.filter(|status| *status != "DELETED") {
        sql = sql.push(" AND status = ").value(status);
    }
    for part in search.terms.parts() {
        sql = sql.push(" AND instr(search_text, ").value(part).push(") > 0");
    }
    sql.push(" ORDER BY username_key, id LIMIT ").value(search.limit)
}

fn index(search: &UserSearch<'_>) -> Sql {
    // Every part is a string of FTS5: between quotes, with quotes doubled. AND binds them.
    let parts: Vec<String> =
        search.terms.parts().map(|part| format!("\"{}\"", part.replace('"', "\"\""))).collect();
    let mut sql = Sql::new(
        "SELECT u.username_key, u.id FROM user_search_index f CROSS JOIN user_search s ON s.number = f.rowid \
         CROSS JOIN users u ON u.id = s.user_id WHERE f.search_text MATCH ",
    )
    .value(parts.join(" AND "))
    .push(" AND u.tenant_id = ")
    .value(search.tenant_id);
    sql = match search.status {
        None => sql.push(" AND u.deleted_at IS NULL"),
        Some("DELETED") => sql.push(" AND u.deleted_at IS NOT NULL"),
        Some(status) => sql.push(" AND u.deleted_at IS NULL AND u.status = ").value(status),
    };
    sql = after(sql, search, "(u.username_key, u.id)");
    sql.push(" ORDER BY u.username_key, u.id LIMIT ").value(search.limit)
}

fn after(sql: Sql, search: &UserSearch<'_>, position: &'static str) -> Sql {
    match search.after {
        None => sql,
        Some((key, id)) => {
            sql.push(" AND ").push(position).push(" > (").value(key).push(", ").value(id).push(")")
        }
    }
}
