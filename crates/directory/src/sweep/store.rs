//! All SQL that clears away.

use base::Timestamp;
use store::Sql;

/// Removes activities from before an instant.
pub(super) fn old_activities(before: Timestamp, limit: i64) -> Sql {
    Sql::new(
        "DELETE FROM user_activities WHERE id IN \
         (SELECT id FROM user_activities WHERE created_at < $1 ORDER BY created_at LIMIT $2)",
    )
    .bind(before)
    .bind(limit)
}
