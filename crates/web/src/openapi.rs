//! What the OpenAPI document says about every operation: the problem body and the usual refusals.
//!
//! In an annotation: `responses((status = 200, body = User), web::openapi::Problems)`. They refer
//! to the schemas `ProblemBody` and `FieldErrorBody`, which the document's root must list in its components.

use std::collections::BTreeMap;

use base::FieldError;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

/// The media type of a problem (RFC 9457 section 3).
pub const PROBLEM_JSON: &str = "application/problem+json";

/// A problem as the caller reads it (RFC 9457 section 3.1, with our extension members).
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, ToSchema)]
pub struct ProblemBody {
    /// The page of our documentation about this code, relative to the server's origin.
    pub r#type: String,
    /// A few words, the same for every problem of this status.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// The stable code, `snake_case`: what a program should act on.
    pub code: String,
    /// What was found, what was expected, what to do.
    pub detail: String,
    /// The `X-Request-Id` of this response: finds it in the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// The fields that are wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldErrorBody>,
    /// Seconds after which a retry makes sense; also in `Retry-After`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u32>,
    /// The decision that denied, for those who may ask why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<String>,
}

/// One wrong field of a body.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, ToSchema)]
pub struct FieldErrorBody {
    /// JSON pointer (RFC 6901) to the value; empty for the whole body.
    pub pointer: String,
    /// The stable code.
    pub code: String,
    /// What was found and what was expected.
    pub detail: String,
}

impl From<&FieldError> for FieldErrorBody {
    fn from(error: &FieldError) -> Self {
        Self { pointer: error.pointer.clone(), code: error.code.clone(), detail: error.detail.clone() }
    }
}

/// The refusals that any operation may give: 400, 401, 403, 404, 429, 500, 503.
#[derive(Debug)]
pub struct Problems;

/// [`Problems`], and those of an operation that takes a body: 409, 413, 415, 422.
#[derive(Debug)]
pub struct WriteProblems;

/// [`WriteProblems`], and those of a change that needs `If-Match`: 412, 428.
#[derive(Debug)]
pub struct EditProblems;

const ANY: &[(&str, &str)] = &[
    ("400", "The request cannot be read"),
    ("401", "The caller must say who they are"),
    ("403", "The caller may not"),
    ("404", "No such thing, or not the caller's to know"),
    ("429", "Too many requests"),
    ("500", "Something failed on our side"),
    ("503", "Busy; try again after `Retry-After`"),
];
const WRITE: &[(&str, &str)] = &[
    ("409", "Conflicts with what is there"),
    ("413", "The body is too large"),
    ("415", "The body has another media type than expected"),
    ("422", "Well formed, but wrong: `errors` names the fields"),
];
const EDIT: &[(&str, &str)] =
    &[("412", "Changed since the caller read it"), ("428", "`If-Match` is required")];

type Responses = BTreeMap<String, RefOr<Response>>;

fn collect(tables: &[&[(&str, &str)]]) -> Responses {
    let answer = |description: &str| {
        let schema = Ref::from_schema_name("ProblemBody");
        let content = ContentBuilder::new().schema(Some(schema)).build();
        RefOr::T(ResponseBuilder::new().description(description).content(PROBLEM_JSON, content).build())
    };
    tables.iter().copied().flatten().map(|(status, text)| ((*status).to_owned(), answer(text))).collect()
}

impl IntoResponses for Problems {
    fn responses() -> Responses {
        collect(&[ANY])
    }
}

impl IntoResponses for WriteProblems {
    fn responses() -> Responses {
        collect(&[ANY, WRITE])
    }
}

impl IntoResponses for EditProblems {
    fn responses() -> Responses {
        collect(&[ANY, WRITE, EDIT])
    }
}
