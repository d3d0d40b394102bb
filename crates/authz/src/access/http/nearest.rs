//! Explanations: one question, answered with what nearly applied.

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use web::Json;
use web::openapi::Problems;

use super::super::explain;
use super::{BecauseBody, DecisionBody, EvaluationBody, answered, describe_because, read, read_question};
use crate::{Cx, Error};

/// An allow that nearly applied.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct MissBody {
    #[serde(flatten)]
    #[schema(inline)]
    statement: BecauseBody,
    /// What of it did not match or hold.
    failed: Vec<FailedBody>,
}

/// A part of a statement that did not match or hold.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct FailedBody {
    /// `action`, `resource`, `principal`, `condition` or `expression`.
    part: &'static str,
    /// The operator of a condition.
    #[serde(skip_serializing_if = "Option::is_none")]
    operator: Option<String>,
    /// The key of a condition.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// Why a condition does not hold: `absent`, `other_value` or `unreadable`.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'static str>,
}

/// Answers one question and says why.
///
/// Whoever holds `access:Explain` sees the statements that decided and, where nothing allows, those that nearly did,
/// each with what of it failed. Anybody else may ask about themselves, and sees the kind of the denial and the condition
/// keys that failed. It counts as ten questions.
#[utoipa::path(
    post, path = "/access/v1/explanation", tag = "access", operation_id = "explain_access",
    request_body = EvaluationBody,
    responses((status = 200, description = "The decision and why", body = DecisionBody), Problems)
)]
pub(super) async fn explain_one(cx: Cx, request: Request) -> Response {
    answered(request, async |request| {
        let body: EvaluationBody = read(&cx, request).await?;
        let question = read_question("", body, None)?;
        let mut answer = explain(&cx, &question).await?;
        match answer.uncovered.take() {
            Some(found) => Err(Error::Uncovered { found, decision: answer.id }.into()),
            None => Ok(Json(super::describe(answer, true)).into_response()),
        }
    })
    .await
}

pub(super) fn describe(miss: &policy::Miss) -> MissBody {
    let failed = |failed: &policy::Failed| {
        let (operator, key, why) = match failed {
            policy::Failed::Condition { operator, key, why } => {
                (Some(operator.to_string()), Some(key.name()), Some(why.as_str()))
            }
            _ => (None, None, None),
        };
        FailedBody { part: failed.as_str(), operator, key, why }
    };
    MissBody {
        statement: describe_because(&miss.statement),
        failed: miss.failed.iter().map(failed).collect(),
    }
}
