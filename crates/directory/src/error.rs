//! What can go wrong in this slice, and how the caller is told.

use base::{FieldError, Kind, Problem, Timestamp};
use store::StoreError;

use crate::UserStatus;

/// The result of a verb of this slice.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a verb of this slice failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such thing here.
    #[error("there is no such {0} here")]
    NotFound(&'static str),
    /// A value that must be unique is taken: its field and its stable code.
    #[error("the {field} is taken")]
    Taken {
        /// The field of the body.
        field: &'static str,
        /// The stable code.
        code: &'static str,
    },
    /// A value that a deleted person had now belongs to somebody else: its field and its stable code.
    #[error("another user has this one's {field} now; give that user another and restore again")]
    Retaken {
        /// The field.
        field: &'static str,
        /// The stable code.
        code: &'static str,
    },
    /// Values are wrong, each with its pointer.
    #[error("the body does not fit")]
    Invalid(Vec<FieldError>),
    /// The person's status does not allow that change.
    #[error("a user whose status is `{}` cannot be {done}, only {}", from.word(), from.steps())]
    IllegalStatusChange {
        /// The status it has.
        from: UserStatus,
        /// What was asked for, as a participle.
        done: &'static str,
    },
    /// The tenant's status does not allow that change.
    #[error("a tenant whose status is `{from}` cannot be {done}: {steps}")]
    IllegalTenantStatusChange {
        /// The status it has.
        from: &'static str,
        /// What was asked for, as a participle.
        done: &'static str,
        /// What can be done with it.
        steps: &'static str,
    },
    /// Nothing of the tenant may be removed while it is held.
    #[error("the tenant is under a legal hold since {since}; it must be lifted first")]
    Held {
        /// Since when.
        since: Timestamp,
    },
    /// A deleted tenant is kept for a time.
    #[error("the tenant is kept until {until}; only then can it be removed for good")]
    KeptUntil {
        /// Until when.
        until: Timestamp,
    },
    /// The caller would lock themselves out.
    #[error("you cannot do this to your own {0}")]
    Own(&'static str),
    /// The default platform or the default tenant, which stays.
    #[error("the default {0} stays: what is installed rests on it")]
    DefaultStays(&'static str),
    /// Something else still refers to it.
    #[error("{0}")]
    InUse(String),
    /// The person holds roles that the caller does not.
    #[error("this user holds roles above your own")]
    Outranked,
    /// Changed since it was read.
    #[error("it was changed at the same time; read it again and repeat the change")]
    Stale,
    /// A refusal that already has its form.
    #[error(transparent)]
    Refused(Problem),
    /// The decision point refused or failed.
    #[error(transparent)]
    Authz(#[from] authz::Error),
    /// A key could not be destroyed.
    #[error(transparent)]
    Kms(Box<kms::Error>),
    /// The database.
    #[error("the database failed")]
    Store(#[from] StoreError),
}

impl Error {
    /// A single wrong value.
    pub(crate) fn invalid(pointer: &str, code: &str, detail: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError {
            pointer: pointer.to_owned(),
            code: code.to_owned(),
            detail: detail.into(),
        }])
    }

    /// Puts the pointers of wrong fields below the member that they are in.
    pub(crate) fn below(self, member: &str) -> Self {
        match self {
            Self::Invalid(mut fields) => {
                for field in &mut fields {
                    field.pointer.insert_str(0, member);
                }
                Self::Invalid(fields)
            }
            other => other,
        }
    }

    /// Names the unique value that a refused row would have repeated.
    pub(crate) fn of_row(error: StoreError) -> Self {
        const TAKEN: &[(&str, &str, &str)] = &[
            ("uq_users_tenant_id_username_key", "username", "username_taken"),
            ("uq_users_tenant_id_email_key", "email", "email_taken"),
            ("uq_users_tenant_id_phone", "phone", "phone_taken"),
            ("uq_tenants_code", "code", "code_taken"),
            ("uq_tenants_code_ever", "code", "code_taken"),
            ("uq_tenants_name", "name", "name_taken"),
            ("uq_platforms_name_key", "name", "name_taken"),
            // An issuer and a code differ only by the public URL that both began with.
            ("uq_tenants_issuer", "code", "code_taken"),
        ];
        let primary = ["users_pkey", "uq_users_id", "uq_users_tenant_id_id", "tenants_pkey", "uq_tenants_id"];
        if primary.iter().any(|index| error.is_unique(index)) {
            return Self::Taken { field: "id", code: "id_taken" };
        }
        match TAKEN.iter().find(|(index, _, _)| error.is_unique(index)) {
            Some((_, field, code)) => Self::Taken { field, code },
            None => Self::Store(error),
        }
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem)
    }
}

impl From<kms::Error> for Error {
    fn from(error: kms::Error) -> Self {
        Self::Kms(Box::new(error))
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        match error {
            Error::NotFound(_) => Self::new(Kind::NotFound, "not_found", text),
            Error::Taken { field, code } => {
                let detail = format!("this {field} is taken; choose another");
                Self::new(Kind::Conflict, code, detail.clone()).field(format!("/{field}"), code, detail)
            }
            Error::Retaken { code, .. } => Self::new(Kind::Conflict, code, text),
            Error::Invalid(fields) => {
                fields.into_iter().fold(Self::new(Kind::Invalid, "invalid_body", text), |problem, field| {
                    problem.field(field.pointer, &field.code, field.detail)
                })
            }
            Error::IllegalStatusChange { .. } | Error::IllegalTenantStatusChange { .. } => {
                Self::new(Kind::Conflict, "illegal_status_change", text)
            }
            Error::Held { .. } => Self::new(Kind::Conflict, "legal_hold", text),
            Error::KeptUntil { .. } => Self::new(Kind::Conflict, "hold_period", text),
            Error::Own(_) => Self::new(Kind::Conflict, "own_account", text),
            Error::DefaultStays(_) => Self::new(Kind::Conflict, "default_stays", text),
            Error::InUse(_) => Self::new(Kind::Conflict, "in_use", text),
            Error::Outranked => Self::new(
                Kind::Forbidden,
                "outranked",
                "this user holds roles above your own; somebody who holds them too can do this",
            ),
            Error::Stale => Self::new(Kind::Stale, "stale", text),
            Error::Refused(problem) => problem,
            Error::Authz(error) => error.into(),
            Error::Kms(error) => (*error).into(),
            Error::Store(error) => error.into(),
        }
    }
}
