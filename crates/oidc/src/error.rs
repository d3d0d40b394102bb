//! What can go wrong in this slice, and how the caller is told.

use base::{Kind, Problem};
use store::StoreError;

use crate::protocol::{ErrorCode, OAuthError};

/// The result of a verb of this slice.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a verb of this slice failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A refusal in OAuth's own form.
    #[error(transparent)]
    OAuth(#[from] OAuthError),
    /// The decision point refused or failed.
    #[error(transparent)]
    Authz(#[from] authz::Error),
    /// The database.
    #[error("the database failed")]
    Store(#[from] StoreError),
    /// A key could not be sealed or opened.
    #[error("a key could not be sealed or opened")]
    Kms(#[from] kms::Error),
    /// A token could not be signed or a stored key not read.
    #[error("a token could not be signed")]
    Jose(#[from] jose::Error),
    /// Another slice's problem, or one of ours that has no caller of its own.
    #[error("{0}")]
    Problem(Problem),
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl Error {
    /// A wrong value in a body.
    pub(crate) fn invalid(pointer: &str, code: &'static str, detail: impl Into<String>) -> Self {
        Self::Authz(authz::Error::invalid(pointer, code, detail))
    }

    /// The error as an OAuth endpoint tells it, with what only the log may know.
    pub(crate) fn into_oauth(self) -> (OAuthError, Option<Problem>) {
        match self {
            Self::OAuth(error) => (error, None),
            other => {
                let problem = Problem::from(other);
                let code = match problem.kind() {
                    Kind::Unavailable | Kind::TooMany => ErrorCode::TemporarilyUnavailable,
                    Kind::Malformed => ErrorCode::InvalidRequest,
                    _ => ErrorCode::ServerError,
                };
                (OAuthError::new(code, problem.detail()), Some(problem))
            }
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::OAuth(error) => {
                let kind = match error.code {
                    ErrorCode::InvalidToken | ErrorCode::InvalidClient => Kind::Unauthenticated,
                    ErrorCode::InsufficientScope | ErrorCode::AccessDenied => Kind::Forbidden,
                    _ => Kind::Malformed,
                };
                Self::new(kind, error.code.as_str(), error.description)
            }
            Error::Authz(error) => error.into(),
            Error::Store(error) => error.into(),
            Error::Kms(error) => error.into(),
            Error::Jose(error) => Self::internal("a token could not be signed").because(error),
            Error::Problem(problem) => problem,
        }
    }
}
