//! Search on PostgreSQL: `LIKE` over `idx_users_fulltext`, a GIN index of trigrams.

use super::{UserHit, UserSearch};
use crate::{Result, Rx, Sql};

/// `%part%` with the signs that `LIKE` reads taken as themselves.
fn pattern(part: &str) -> String {
    let mut pattern = String::with_capacity(part.len() + 2);
    pattern.push('%');
    for character in part.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

pub(super) async fn users(rx: &mut Rx, search: &UserSearch<'_>) -> Result<Vec<UserHit>> {
    let mut sql = Sql::new("SELECT username_key, id FROM users WHERE tenant_id = ").value(search.tenant_id);
    sql = match search.status {
        None => sql.push(" AND deleted_at IS NULL"),
        Some("DELETED") => sql.push(" AND deleted_at IS NOT NULL"),
        Some(status) => sql.push(" AND deleted_at IS NULL AND status = ").value(status),
    };
    for part in search.terms.parts() {
        sql = sql.push(" AND search_text LIKE ").value(pattern(&part));
    }
    if let Some((key, id)) = search.after {
        sql = sql.push(" AND (username_key, id) > (").value(key).push(", ").value(id).push(")");
    }
    rx.all(sql.push(" ORDER BY username_key, id LIMIT ").value(search.limit)).await
}
