//! What can go wrong between a statement and its rows.

use base::{Kind, Problem};

/// The result of a statement.
pub type Result<T> = std::result::Result<T, StoreError>;

/// Why a statement or a connection failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A unique index refused the row; `index` is its name, `uq_{table}_{columns}` on both databases.
    #[error("the unique index {index} refused the row")]
    Unique {
        /// The name of the index.
        index: String,
    },
    /// A reference to a row that is not there, or a row that others refer to.
    #[error("a foreign key refused the row")]
    Reference,
    /// A check constraint or a trigger refused the row; the text names it.
    #[error("a constraint refused the row: {0}")]
    Check(String),
    /// No connection or no turn at the writer within the deadline.
    #[error("the database is busy")]
    Busy,
    /// The database cannot be reached or stopped answering.
    #[error("the database is away")]
    Away(#[source] sqlx::Error),
    /// A row does not have the shape that the code expects.
    #[error("column `{column}`: {found}")]
    Shape {
        /// The column.
        column: String,
        /// What was found.
        found: String,
    },
    /// A migration was refused; the text says why and what to do.
    #[error("{0}")]
    Migration(String),
    /// The schema was made by another build than this one, mostly a newer: nothing was changed, and the text
    /// says what to do.
    #[error("{0}")]
    OtherSchema(String),
    /// The configuration of the database is wrong; the text says how.
    #[error("{0}")]
    Configuration(String),
    /// A value holds the character U+0000, which PostgreSQL stores nowhere: it is refused on both databases.
    #[error("a value holds the character U+0000")]
    Nul,
    /// A write was to be committed without an audit event.
    #[error("a write was committed without an audit event")]
    Unrecorded,
    /// Any other failure.
    #[error("the database failed")]
    Other(#[source] sqlx::Error),
}

impl StoreError {
    /// Whether this is the refusal of the named unique index.
    pub fn is_unique(&self, index: &str) -> bool {
        matches!(self, Self::Unique { index: found } if found == index)
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::PoolTimedOut => Self::Busy,
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Self::Away(error),
            sqlx::Error::Database(ref refusal) => classify(refusal.as_ref()).unwrap_or(Self::Other(error)),
            other => Self::Other(other),
        }
    }
}

/// Reads a refusal of either database. SQLite names the columns (`users.tenant_id, users.username_key`)
/// where PostgreSQL names the index; our naming rule makes both the same name.
fn classify(refusal: &dyn sqlx::error::DatabaseError) -> Option<StoreError> {
    use sqlx::error::ErrorKind;
    let code = refusal.code();
    match refusal.kind() {
        ErrorKind::UniqueViolation => {
            let index = refusal.constraint().map_or_else(|| index_of(refusal.message()), str::to_owned);
            Some(StoreError::Unique { index })
        }
        ErrorKind::ForeignKeyViolation => Some(StoreError::Reference),
        ErrorKind::CheckViolation => Some(StoreError::Check(refusal.message().to_owned())),
        // SQLITE_BUSY and its extended forms; PostgreSQL lock_not_available, too_many_connections, and
        // query_canceled, which is a statement that took longer than it may; serialization_failure and
        // deadlock_detected, where another transaction went on: whoever asks again comes through.
        _ => match code.as_deref() {
            Some("5" | "261" | "517" | "6" | "55P03" | "53300" | "57014" | "40001" | "40P01") => {
                Some(StoreError::Busy)
            }
            // RAISE(ABORT) in SQLite; RAISE EXCEPTION and integrity errors in PostgreSQL.
            Some("1811" | "P0001" | "23514" | "23000") => {
                Some(StoreError::Check(refusal.message().to_owned()))
            }
            // PostgreSQL: admin_shutdown, crash_shutdown, cannot_connect_now.
            Some("57P01" | "57P02" | "57P03") => Some(StoreError::Busy),
            _ => None,
        },
    }
}

/// `UNIQUE constraint failed: users.tenant_id, users.username_key` becomes
/// `uq_users_tenant_id_username_key`.
fn index_of(message: &str) -> String {
    let columns = message.rsplit_once("failed: ").map_or(message, |(_, columns)| columns);
    // An index over an expression is named itself.
    if let Some(name) = columns.strip_prefix("index '").and_then(|rest| rest.strip_suffix('\'')) {
        return name.to_owned();
    }
    let mut name = String::from("uq");
    for (position, column) in columns.split(", ").enumerate() {
        let (table, column) = column.split_once('.').unwrap_or(("", column));
        if position == 0 {
            name.push('_');
            name.push_str(table);
        }
        name.push('_');
        name.push_str(column);
    }
    name
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Busy | StoreError::Away(_) => Problem::new(
                Kind::Unavailable,
                "database_unavailable",
                "the database is busy or away; try again",
            )
            .retry_after(1)
            .because(error),
            StoreError::Unique { .. } => {
                Problem::new(Kind::Conflict, "already_exists", "something with these values exists already")
                    .because(error)
            }
            StoreError::Reference => Problem::new(
                Kind::Conflict,
                "reference_conflict",
                "something that is referred to does not exist, or is still in use",
            )
            .because(error),
            StoreError::Nul => Problem::new(
                Kind::Malformed,
                "nul_character",
                "a value holds the character U+0000, which nothing here may hold",
            )
            .because(error),
            other => Problem::internal("a statement failed").because(other),
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_columns_that_sqlite_names_give_the_name_of_the_index() {
        let message = "UNIQUE constraint failed: users.tenant_id, users.username_key";

        assert_eq!(super::index_of(message), "uq_users_tenant_id_username_key");
    }

    #[test]
    fn an_index_over_an_expression_is_named_by_sqlite_itself() {
        let message = "UNIQUE constraint failed: index 'uq_kms_key_rings_tenant_id_name'";

        assert_eq!(super::index_of(message), "uq_kms_key_rings_tenant_id_name");
    }
}
