//! All SQL that clears away. Two statements for tokens, because two partial indexes serve them.

use base::Timestamp;
use store::Sql;

/// Removes codes that were over by then.
pub(super) fn old_codes(before: Timestamp, limit: i64) -> Sql {
    Sql::new(
        "DELETE FROM authorization_codes WHERE code_digest IN \
         (SELECT code_digest FROM authorization_codes WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)",
    )
    .bind(before)
    .bind(limit)
}

/// Removes tokens that nobody revoked and that were over by then.
pub(super) fn old_tokens(before: Timestamp, limit: i64) -> Sql {
    Sql::new(
        "DELETE FROM tokens WHERE id IN \
         (SELECT id FROM tokens WHERE status = 'ACTIVE' AND expires_at < $1 ORDER BY expires_at LIMIT $2)",
    )
    .bind(before)
    .bind(limit)
}

/// Removes tokens that were revoked, and would have been over by then.
pub(super) fn old_revoked_tokens(before: Timestamp, limit: i64) -> Sql {
    Sql::new(
        "DELETE FROM tokens WHERE id IN \
         (SELECT id FROM tokens WHERE status <> 'ACTIVE' AND expires_at < $1 ORDER BY expires_at LIMIT $2)",
    )
    .bind(before)
    .bind(limit)
}

/// Removes grants that were over by then and have no token left, so that one row goes for one row.
pub(super) fn old_grants(before: Timestamp, limit: i64) -> Sql {
    Sql::new(
        "DELETE FROM oauth_grants WHERE id IN (SELECT g.id FROM oauth_grants g WHERE g.expires_at < $1 \
         AND NOT EXISTS (SELECT 1 FROM tokens t WHERE t.grant_id = g.id) ORDER BY g.expires_at LIMIT $2)",
    )
    .bind(before)
    .bind(limit)
}
