//! What can go wrong in this slice, and how the caller is told.

use base::{Kind, Problem, RateLimit, Timestamp};
use store::StoreError;

use crate::Action;
use crate::access::Uncovered;

/// The result of a verb of this slice.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a verb of this slice failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody is signed in.
    #[error("the request names nobody")]
    Unauthenticated,
    /// The caller must change their password before anything else.
    #[error("the password must be changed first")]
    PasswordChangeRequired,
    /// The caller may not.
    #[error("`{}` was denied", action.name())]
    Denied {
        /// What was asked for.
        action: Action,
        /// The opaque id of the decision, found in the audit log.
        decision: String,
    },
    /// The tenant is switched off: suspended or inactive.
    #[error("the tenant is switched off")]
    TenantDisabled,
    /// The access token was not made for this API, or not for this part of it.
    #[error("the token lacks the scope `signet`, or one for this part of the API")]
    InsufficientScope,
    /// The client is no enforcement point at all.
    #[error("the client is not registered as an enforcement point")]
    NoEnforcementPoint {
        /// The id of the refusal in the audit log.
        decision: String,
    },
    /// The client is an enforcement point, but not for this.
    #[error("the client's registration does not cover {found:?}")]
    Uncovered {
        /// What is not covered.
        found: Uncovered,
        /// The id of the refusal in the audit log.
        decision: String,
    },
    /// The caller asks too many questions.
    #[error("more questions than the rate allows")]
    TooManyQuestions(RateLimit),
    /// There is no such thing in this tenant.
    #[error("no such {0}")]
    NotFound(&'static str),
    /// A name or a code is taken.
    #[error("{noun} `{name}` exists already")]
    Taken {
        /// What kind of thing.
        noun: &'static str,
        /// The name that is taken.
        name: String,
    },
    /// A value is wrong: pointer, code, what was found and expected.
    #[error("{detail}")]
    Invalid {
        /// JSON pointer to the value.
        pointer: String,
        /// Stable code.
        code: &'static str,
        /// What was found and expected.
        detail: String,
    },
    /// A policy document is wrong: every mistake with its place.
    #[error("the policy document has {} mistakes", .0.len())]
    Document(Vec<policy::ParseError>),
    /// Statements reach further than they look, and nobody said that this is meant: each with its place.
    #[error("{} statements of the policy reach further than they look", .0.len())]
    Unacknowledged(Vec<policy::ParseError>),
    /// A policy's expression is wrong: every mistake with its line and column.
    #[error("the expression has {} mistakes", .0.len())]
    Expression(Vec<policy::ParseError>),
    /// The thing was changed since it was read.
    #[error("changed since it was read")]
    Stale,
    /// The change would give access that the caller does not have.
    #[error("the change grants access that you do not have: {0}")]
    Escalation(String),
    /// Another request with the same `Idempotency-Key` is being done.
    #[error("a request with this key is being done")]
    InProgress,
    /// The thing is still in use.
    #[error("{0}")]
    InUse(String),
    /// The tenant has not switched on policies that are attached to users themselves.
    #[error("policies are attached to roles here: `direct_policies` is off in the tenant's configuration")]
    DirectPoliciesOff,
    /// A policy cannot limit what it is to limit.
    #[error("{detail}")]
    Ceiling {
        /// Stable code.
        code: &'static str,
        /// What was found and what would be right.
        detail: String,
    },
    /// A tenant has as many of these as it may have, or one of them holds as much as it may.
    #[error("{0}")]
    LimitReached(String),
    /// The thing belongs to every tenant and stays as it is.
    #[error("{0}")]
    BuiltIn(String),
    /// Nobody would be left who can give access in the tenant.
    #[error("nobody active would hold `SUPER_ADMIN` for good: give it to somebody else first")]
    LastSuperAdmin,
    /// The principal holds roles that the caller does not.
    #[error("this person has access that you do not have; ask someone who has it")]
    Outranked,
    /// What the caller's `If-Match` says does not hold.
    #[error("{}", .0.detail())]
    Precondition(Problem),
    /// The database has been away for longer than decisions go on without it.
    #[error("decisions are older than they may be")]
    Outdated {
        /// When it was last heard of.
        since: Timestamp,
    },
    /// The database.
    #[error("the database failed")]
    Store(#[from] StoreError),
    /// A broken invariant.
    #[error("a broken invariant")]
    Bug(Problem),
}

impl Error {
    /// A wrong value.
    pub fn invalid(pointer: impl Into<String>, code: &'static str, detail: impl Into<String>) -> Self {
        Self::Invalid { pointer: pointer.into(), code, detail: detail.into() }
    }

    /// The same with the place of a wrong value below another place of the body.
    #[must_use]
    pub fn below(self, place: &str) -> Self {
        match self {
            Self::Invalid { pointer, code, detail } => {
                Self::Invalid { pointer: format!("{place}{pointer}"), code, detail }
            }
            other => other,
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        match error {
            Error::Unauthenticated => Self::new(
                Kind::Unauthenticated,
                "unauthenticated",
                "sign in, or send an access token as `Authorization: Bearer`",
            ),
            Error::PasswordChangeRequired => Self::new(
                Kind::Forbidden,
                "password_change_required",
                "the password must be changed before anything else: sign in with a browser and choose a new one",
            ),
            Error::Denied { action, decision } => Self::new(
                Kind::Forbidden,
                "denied",
                format!(
                    "you may not `{}` here; an administrator can grant it to one of your roles",
                    action.name()
                ),
            )
            .decided_by(decision),
            Error::TenantDisabled => Self::new(
                Kind::Forbidden,
                "tenant_disabled",
                "this tenant is switched off: nobody signs in or calls here until those who run the platform \
                 activate it",
            ),
            Error::InsufficientScope => Self::new(
                Kind::Forbidden,
                "insufficient_scope",
                "the access token is not for this: it lacks the scope `signet`, and a scope such as `signet:user:read` for it",
            ),
            Error::NoEnforcementPoint { decision } => Self::new(
                Kind::Forbidden,
                "no_enforcement_point",
                "the client is not registered as an enforcement point, so it may ask about itself only; an \
                 administrator registers action and resource patterns in the client's `evaluation`",
            )
            .decided_by(decision),
            Error::Uncovered { found, decision } => found.problem().decided_by(decision),
            Error::TooManyQuestions(limit) => Self::new(
                Kind::TooMany,
                "too_many_questions",
                "you ask more questions than this node answers to one caller; try again later, or ask in batches \
                 no larger than what is left",
            )
            .limited_by(limit),
            Error::NotFound(noun) => {
                Self::new(Kind::NotFound, "not_found", format!("there is no such {noun} here"))
            }
            Error::Taken { .. } => Self::new(Kind::Conflict, "name_taken", text),
            Error::Invalid { pointer, code, detail } => {
                let problem = match code {
                    "role_cycle" => Self::new(Kind::Invalid, "role_cycle", detail.clone()),
                    "role_too_deep" => Self::new(Kind::Invalid, "role_too_deep", detail.clone()),
                    "resource_cycle" => Self::new(Kind::Invalid, "resource_cycle", detail.clone()),
                    "resource_too_deep" => Self::new(Kind::Invalid, "resource_too_deep", detail.clone()),
                    "deny_would_expire" => Self::new(Kind::Invalid, "deny_would_expire", detail.clone()),
                    _ => Self::new(Kind::Invalid, "invalid", detail.clone()),
                };
                problem.field(pointer, code, detail)
            }
            Error::Document(errors) => in_document(Self::new(Kind::Invalid, "invalid_policy", text), &errors),
            Error::Unacknowledged(errors) => in_document(Self::new(Kind::Invalid, "needs_acknowledgement", text), &errors),
            Error::Expression(errors) => {
                errors.iter().fold(Self::new(Kind::Invalid, "invalid_expression", text), |problem, error| {
                    let place = match error.path.as_str() {
                        "" => String::new(),
                        path => format!("at {path}: "),
                    };
                    let detail = format!("{place}found {}, expected {}", error.found, error.expected);
                    problem.field("/expression", "invalid_expression", detail)
                })
            }
            Error::Stale => Self::new(
                Kind::Stale,
                "stale",
                "it was changed since you read it; read it again and repeat the change",
            ),
            Error::Escalation(_) => Self::new(Kind::Forbidden, "escalation", text),
            Error::InProgress => Self::new(
                Kind::Conflict,
                "idempotency_in_progress",
                "a request with this `Idempotency-Key` is being done; send it again in a moment for its answer",
            )
            .retry_after(2),
            Error::InUse(detail) => Self::new(Kind::Conflict, "in_use", detail),
            Error::DirectPoliciesOff => Self::new(Kind::Conflict, "direct_policies_off", text),
            Error::Ceiling { code, detail } => match code {
                "guardrail_locks_out" => Self::new(Kind::Conflict, "guardrail_locks_out", detail),
                _ => Self::new(Kind::Conflict, "ceiling_allows_nothing", detail),
            },
            Error::LimitReached(detail) => Self::new(Kind::Conflict, "limit_reached", detail),
            Error::BuiltIn(detail) => Self::new(Kind::Conflict, "built_in", detail),
            Error::LastSuperAdmin => Self::new(Kind::Conflict, "last_super_admin", text),
            Error::Outranked => Self::new(Kind::Forbidden, "outranked", text),
            Error::Precondition(problem) => problem,
            Error::Outdated { since } => Self::new(
                Kind::Unavailable,
                "database_unavailable",
                format!("the database has not answered since {since}, longer than decisions go on without it; try again"),
            )
            .retry_after(1),
            Error::Store(error) => error.into(),
            Error::Bug(problem) => problem,
        }
    }
}

/// A refusal of a policy document, with each place in it.
fn in_document(refusal: Problem, errors: &[policy::ParseError]) -> Problem {
    let code = refusal.code();
    errors.iter().fold(refusal, |problem, error| {
        let detail = format!("found {}, expected {}", error.found, error.expected);
        problem.field(format!("/document{}", error.path), code, detail)
    })
}
