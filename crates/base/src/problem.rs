//! What went wrong, as the caller is told: kind, stable code, detail. `web` turns it into RFC 9457.

use std::fmt;

/// The kind of a problem; `web` maps each to exactly one HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The request cannot be read (400).
    Malformed,
    /// The caller must say who they are (401).
    Unauthenticated,
    /// The caller may not (403).
    Forbidden,
    /// There is no such thing, or it is not the caller's to know (404).
    NotFound,
    /// The method does not exist at this address (405).
    MethodNotAllowed,
    /// The request conflicts with what is there (409).
    Conflict,
    /// What the caller read has changed since (412).
    Stale,
    /// The body is larger than the limit (413).
    TooLarge,
    /// The body is not of the expected media type (415).
    UnsupportedMedia,
    /// This host is not served here (421).
    Misdirected,
    /// Well formed, but wrong (422).
    Invalid,
    /// The change needs `If-Match` (428).
    PreconditionRequired,
    /// Too many requests (429).
    TooMany,
    /// A broken invariant or a failed disk: ours, never the caller's (500).
    Internal,
    /// Busy or a dependency is away; try again (503).
    Unavailable,
}

/// One field of the body that was wrong.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct FieldError {
    /// JSON pointer (RFC 6901) to the value in the body.
    pub pointer: String,
    /// Stable code.
    pub code: String,
    /// What was found and what was expected.
    pub detail: String,
}

/// What is left of a limit on requests, as the `RateLimit` header fields say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// The limit's name, of letters, digits, `_` and `-`.
    pub name: &'static str,
    /// How many units a full quota has.
    pub quota: u32,
    /// In how many seconds an empty quota is full again.
    pub window_seconds: u32,
    /// How many units are left.
    pub remaining: u32,
    /// After how many seconds the refused request would be taken.
    pub reset_seconds: u32,
}

/// A refusal or a failure with everything that the caller may know, and the cause that only the log may.
pub struct Problem {
    kind: Kind,
    code: &'static str,
    detail: Box<str>,
    errors: Vec<FieldError>,
    retry_after_seconds: Option<u32>,
    rate_limit: Option<Box<RateLimit>>,
    decision: Option<Box<str>>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Problem {
    /// Makes a problem. The detail is lower case without a final period: what was found, what was
    /// expected, what to do.
    pub fn new(kind: Kind, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind,
            code,
            detail: detail.into().into_boxed_str(),
            errors: Vec::new(),
            retry_after_seconds: None,
            rate_limit: None,
            decision: None,
            source: None,
        }
    }

    /// A broken invariant. The caller learns nothing but the trace id; the message goes to the log.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(
            Kind::Internal,
            "internal",
            "something failed on our side; the trace id finds it in the log",
        )
        .because(Message(message.into()))
    }

    /// Adds a wrong field.
    #[must_use]
    pub fn field(mut self, pointer: impl Into<String>, code: &str, detail: impl Into<String>) -> Self {
        self.errors.push(FieldError {
            pointer: pointer.into(),
            code: code.to_owned(),
            detail: detail.into(),
        });
        self
    }

    /// Says after how many seconds a retry makes sense.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }

    /// Says which limit refused, and when to try again.
    #[must_use]
    pub fn limited_by(mut self, limit: RateLimit) -> Self {
        self.retry_after_seconds = Some(limit.reset_seconds);
        self.rate_limit = Some(Box::new(limit));
        self
    }

    /// Names the decision that denied, by its opaque id.
    #[must_use]
    pub fn decided_by(mut self, decision: impl Into<String>) -> Self {
        self.decision = Some(decision.into().into_boxed_str());
        self
    }

    /// Attaches the private cause.
    #[must_use]
    pub fn because(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    /// The kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The stable code, `snake_case`.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// What the caller may read.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The wrong fields.
    pub fn errors(&self) -> &[FieldError] {
        &self.errors
    }

    /// Seconds after which to retry.
    pub fn retry_after_seconds(&self) -> Option<u32> {
        self.retry_after_seconds
    }

    /// The limit that refused.
    pub fn rate_limit(&self) -> Option<&RateLimit> {
        self.rate_limit.as_deref()
    }

    /// The opaque id of the decision that denied.
    pub fn decision(&self) -> Option<&str> {
        self.decision.as_deref()
    }

    /// The whole private chain for the log, outermost first.
    pub fn private_chain(&self) -> String {
        let mut chain = String::new();
        let mut next: Option<&dyn std::error::Error> = match &self.source {
            Some(source) => Some(source.as_ref()),
            None => None,
        };
        while let Some(error) = next {
            if !chain.is_empty() {
                chain.push_str(": ");
            }
            chain.push_str(&error.to_string());
            next = error.source();
        }
        chain
    }
}

/// A cause that is only a message.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Message(String);

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}: {} [{}]", self.kind, self.code, self.detail, self.private_chain())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Problem {}
