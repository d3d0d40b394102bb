//! What can go wrong in this slice, and how the caller is told.

use base::{Kind, Problem};
use store::StoreError;

use crate::apply::SECRETS_MAX;
use crate::file::{FileError, OBJECTS_MAX};

/// The result of a verb of this slice.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a verb of this slice failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is wrong: at least one mistake, each with its place.
    #[error("the file is wrong")]
    File(Vec<FileError>),
    /// A noun has more objects than a file may hold.
    #[error("the tenant has more than {OBJECTS_MAX} {0}")]
    TooMany(&'static str),
    /// More secrets would be set than one request may take the time for.
    #[error("the file sets {0} secrets")]
    TooManySecrets(usize),
    /// The tenant changed since the plan was made.
    #[error("the tenant changed")]
    Moved {
        /// The version that the plan was made for.
        expected: i64,
        /// The version that it has.
        found: i64,
    },
    /// A change was refused, or a slice failed: the problem names file, line and object where there is one.
    #[error("{0}")]
    Refused(Box<Problem>),
    /// The database.
    #[error("the database failed")]
    Store(#[from] StoreError),
}

impl Error {
    /// A refusal that already has its form.
    pub(crate) fn refused(problem: Problem) -> Self {
        Self::Refused(Box::new(problem))
    }
}

impl From<authz::Error> for Error {
    fn from(error: authz::Error) -> Self {
        Self::refused(error.into())
    }
}

impl From<directory::Error> for Error {
    fn from(error: directory::Error) -> Self {
        Self::refused(error.into())
    }
}

impl From<authn::Error> for Error {
    fn from(error: authn::Error) -> Self {
        Self::refused(error.into())
    }
}

impl From<oidc::Error> for Error {
    fn from(error: oidc::Error) -> Self {
        Self::refused(error.into())
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::File(mistakes) => {
                let detail = match mistakes.as_slice() {
                    [only] => only.to_string(),
                    [first, rest @ ..] => format!("{first} (and {} more)", rest.len()),
                    [] => "the file is wrong".to_owned(),
                };
                mistakes
                    .into_iter()
                    .fold(Self::new(Kind::Invalid, "invalid_file", detail), |problem, mistake| {
                        problem.field("/text", mistake.code, mistake.to_string())
                    })
            }
            Error::TooMany(noun) => Self::new(
                Kind::Conflict,
                "too_many_objects",
                format!("the tenant has more {noun} than the {OBJECTS_MAX} that a file may hold"),
            ),
            Error::TooManySecrets(found) => Self::new(
                Kind::Invalid,
                "too_many_secrets",
                format!(
                    "the file sets {found} passwords and secrets, expected at most {SECRETS_MAX} at once: apply it in parts"
                ),
            ),
            Error::Moved { expected, found } => Self::new(
                Kind::Conflict,
                "policy_version_moved",
                format!(
                    "the tenant changed since the plan was made, from policy version {expected} to {found}: plan again"
                ),
            ),
            Error::Refused(problem) => *problem,
            Error::Store(error) => error.into(),
        }
    }
}

/// The same problem with the place and the object that it is about; our own failures stay as they are.
pub(crate) fn about(problem: Problem, place: &str) -> Problem {
    if problem.kind() == Kind::Internal {
        return problem;
    }
    let mut about = Problem::new(problem.kind(), problem.code(), format!("{place}: {}", problem.detail()));
    for error in problem.errors() {
        about = about.field("/text", &error.code, format!("{place}: {}: {}", error.pointer, error.detail));
    }
    if let Some(seconds) = problem.retry_after_seconds() {
        about = about.retry_after(seconds);
    }
    if let Some(decision) = problem.decision() {
        about = about.decided_by(decision.to_owned());
    }
    about.because(problem)
}
