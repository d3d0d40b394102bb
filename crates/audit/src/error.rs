//! What can go wrong in this slice, and how the caller is told.

use base::{Kind, Problem};
use store::StoreError;

/// The result of a verb of this slice.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a verb of this slice failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such event, or it is in another log.
    #[error("no such event")]
    NotFound,
    /// The caller may not, or the decision failed.
    #[error(transparent)]
    Authz(#[from] authz::Error),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound => Self::new(Kind::NotFound, "not_found", "there is no such event here"),
            Error::Authz(error) => error.into(),
            Error::Store(error) => error.into(),
        }
    }
}
