//! Search on PostgreSQL: the function `search_users`, which walks along the people while hits are frequent, and
//! asks `idx_users_fulltext`, a GIN index of trigrams, otherwise.

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
    let patterns: Vec<String> = search.terms.parts().map(|part| pattern(&part)).collect();
    let (from, to) = search.terms.first_names();
    let (key, id) = search.after.unzip();
    // The function takes the tenant from the connection, which a permit gave it.
    let sql = Sql::new("SELECT username_key, id FROM search_users($1, $2, $3, $4, $5, $6, $7)")
        .bind(serde_json::Value::from(patterns))
        .bind(search.status)
        .bind(from)
        .bind(to)
        .bind(key)
        .bind(id)
        .bind(search.limit);
    rx.all(sql).await
}
