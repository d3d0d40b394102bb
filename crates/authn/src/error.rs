//! What can go wrong in this slice, and how the caller is told.

use base::{Kind, Problem};
use store::StoreError;

use crate::passwords::Weakness;

/// The result of a verb of this slice.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a verb of this slice failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// User name and password do not belong together; also said of who may not sign in at all.
    #[error("wrong user name or password")]
    BadCredentials,
    /// The present password, asked for again before a change, is wrong.
    #[error("the current password is wrong")]
    WrongCurrentPassword,
    /// The new password breaks rules.
    #[error("the new password was refused")]
    Weak(Vec<Weakness>),
    /// Too many attempts from there.
    #[error("too many attempts")]
    TooManyAttempts {
        /// Seconds until the next attempt is looked at.
        retry_after_seconds: u32,
    },
    /// All turns at hashing and all places in the queue for them are taken.
    #[error("too many passwords are being checked")]
    Busy,
    /// A one-time link is unknown, used, over or replaced.
    #[error("the link is not valid any more")]
    BadLink,
    /// A hash of another system was refused.
    #[error(transparent)]
    BadImport(#[from] crate::passwords::BadImport),
    /// The person has access that the caller lacks.
    #[error("the person has roles that the caller lacks")]
    Outranked,
    /// The password was changed by someone else meanwhile.
    #[error("the password was changed meanwhile")]
    Changed,
    /// The operation is for a signed-in person.
    #[error("only a person has a password and sessions")]
    NoPerson,
    /// The person has a password already.
    #[error("the person has a password")]
    PasswordSet,
    /// There is no such thing in this tenant.
    #[error("no such {0}")]
    NotFound(&'static str),
    /// The directory refused or failed.
    #[error(transparent)]
    Directory(#[from] directory::Error),
    /// Authorization.
    #[error(transparent)]
    Authz(#[from] authz::Error),
    /// The database.
    #[error("the database failed")]
    Store(#[from] StoreError),
    /// A broken invariant.
    #[error("a broken invariant")]
    Bug(Problem),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::BadCredentials => {
                Self::new(Kind::Unauthenticated, "bad_credentials", "the user name or the password is wrong")
            }
            Error::WrongCurrentPassword => Self::new(
                Kind::Invalid,
                "wrong_current_password",
                "the current password is wrong",
            )
            .field("/current_password", "wrong_current_password", "is not the present password"),
            Error::Weak(weaknesses) => weaknesses.into_iter().fold(
                Self::new(Kind::Invalid, "weak_password", "the new password breaks the rules of this tenant"),
                |problem, weakness| {
                    problem.field("/new_password", weakness.code(), weakness.text(web::Language::En))
                },
            ),
            Error::TooManyAttempts { retry_after_seconds } => Self::new(
                Kind::TooMany,
                "too_many_attempts",
                format!("too many attempts; try again in {} minutes", minutes(retry_after_seconds)),
            )
            .retry_after(retry_after_seconds),
            Error::Busy => Self::new(
                Kind::Unavailable,
                "busy",
                "too many passwords are being checked at this moment; try again",
            )
            .retry_after(2),
            Error::BadLink => Self::new(
                Kind::NotFound,
                "bad_link",
                "this link was used, is over or was replaced by a newer one",
            ),
            Error::BadImport(bad) => Self::new(Kind::Invalid, "invalid_password_hash", bad.to_string()),
            Error::Outranked => Self::new(
                Kind::Forbidden,
                "outranked",
                "this person has access that you do not have; ask someone who has it",
            ),
            Error::Changed => Self::new(
                Kind::Conflict,
                "password_changed",
                "the password was changed meanwhile; sign in again",
            ),
            Error::NoPerson => Self::new(
                Kind::Forbidden,
                "no_person",
                "this is for a person who is signed in: a client has no password and no sessions",
            ),
            Error::PasswordSet => Self::new(
                Kind::Conflict,
                "password_set",
                "this person has a password; an administrator of the tenant can reset it",
            ),
            Error::NotFound(noun) => {
                Self::new(Kind::NotFound, "not_found", format!("there is no such {noun} here"))
            }
            Error::Directory(error) => error.into(),
            Error::Authz(error) => error.into(),
            Error::Store(error) => error.into(),
            Error::Bug(problem) => problem,
        }
    }
}

/// Whole minutes, rounded up, at least one.
pub(crate) fn minutes(seconds: u32) -> u32 {
    seconds.div_ceil(60).max(1)
}
