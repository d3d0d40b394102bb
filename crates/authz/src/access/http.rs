//! OpenID AuthZEN Authorization API 1.0 over HTTP (<https://openid.net/specs/authorization-api-1_0.html>).
//!
//! Names: a resource is `{type}:{id}` to policies (`{"type": "document", "id": "docs/plan"}` is
//! `document:docs/plan`), or its `id` alone where that is an `arn:` name; `type` then says nothing. An action
//! without a colon belongs to the type of the resource (`read` on a `document` is `document:read`).
//!
//! Section 10.1.1: members that are not known are ignored, a missing one is 400. What is known and decides
//! nothing (properties of resource and action) is ignored too; what would pass for the decision point's own
//! knowledge is refused, and so is a context key that the caller is not registered for. The values of
//! registered context keys are what conditions see.
//!
//! What the caller's registration does not cover is 403 for a single question. Among several questions it
//! stands in its own answer (section 7.2.1 calls it an error of an individual evaluation): denied, with
//! `context.error`.

mod nearest;

use std::net::IpAddr;

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use base::{Kind, Problem};
use policy::Denial;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use web::openapi::Problems;
use web::{Failure, Json};

use super::registration::is_reserved;
use super::{
    Answer, END_USER_ADDRESS, END_USER_SECURE_TRANSPORT, QUESTIONS_MAX, Question, Refused, Semantic, Subject,
    evaluate, refuse_nobody,
};
use crate::{Cx, Error, TenantRef};

/// The largest body, in bytes.
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// The longest `X-Request-ID` that is given back, in bytes.
const REQUEST_ID_BYTES_MAX: usize = 256;
/// The longest `type` of a resource, in bytes.
const TYPE_BYTES_MAX: usize = 64;

/// The routes of a tenant.
pub fn tenant_routes() -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(evaluate_one))
        .routes(routes!(evaluate_many))
        .routes(routes!(nearest::explain_one))
        .routes(routes!(configuration))
}

/// The metadata of a tenant's decision point (section 9.1). Its identifier is the tenant's issuer. The server
/// also serves it where section 9.2 puts it: `/.well-known/authzen-configuration` before the issuer's path.
pub fn metadata(tenant: &TenantRef) -> Value {
    json!({
        "policy_decision_point": tenant.issuer,
        "access_evaluation_endpoint": format!("{}/access/v1/evaluation", tenant.issuer),
        "access_evaluations_endpoint": format!("{}/access/v1/evaluations", tenant.issuer),
    })
}

/// One question.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
pub struct EvaluationBody {
    /// Who.
    subject: Option<SubjectBody>,
    /// Does what.
    action: Option<ActionBody>,
    /// To what.
    resource: Option<ResourceBody>,
    /// What else the enforcement point says: keys that it is registered for. Keys that begin with `aws:` or
    /// `signet:` are refused. `end_user_address` is the address of the person at the other end.
    #[schema(value_type = Option<Object>)]
    context: Option<Map<String, Value>>,
}

/// Several questions, with defaults for what they have in common.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct EvaluationsBody {
    #[serde(flatten)]
    #[schema(inline)]
    defaults: EvaluationBody,
    /// The questions, at most 1,000. Without them the body is one question.
    #[serde(default)]
    evaluations: Vec<EvaluationBody>,
    /// How to answer.
    #[serde(default)]
    options: OptionsBody,
}

/// How to answer several questions.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
pub struct OptionsBody {
    /// `execute_all` where absent.
    #[serde(default)]
    evaluations_semantic: SemanticBody,
}

/// When to stop answering.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SemanticBody {
    /// Answer all.
    #[default]
    ExecuteAll,
    /// Stop after the first denial.
    DenyOnFirstDeny,
    /// Stop after the first permission.
    PermitOnFirstPermit,
}

/// A principal.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct SubjectBody {
    /// `user` or `client`.
    r#type: String,
    /// Its id, user name or `client_id`.
    id: String,
    /// Refused unless empty: the decision point knows the properties itself.
    #[schema(value_type = Option<Object>)]
    properties: Option<Map<String, Value>>,
}

/// An action.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct ActionBody {
    /// Its name: `document:read`, or `read` on a resource of type `document`.
    name: String,
}

/// A resource.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct ResourceBody {
    /// The first part of its name.
    r#type: String,
    /// The rest of its name, or the whole of it where it begins with `arn:`.
    id: String,
}

/// A decision.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DecisionBody {
    /// Whether the subject may.
    decision: bool,
    /// What finds and explains the decision.
    context: ContextBody,
}

/// What finds and explains a decision.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ContextBody {
    /// Opaque; found in the audit log if the decision is a denial.
    id: String,
    /// What the person denied may know.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason_user: Option<Words>,
    /// For those who hold `access:Explain`.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason_admin: Option<Words>,
    /// The statements that decided, for those who hold `access:Explain`.
    #[serde(skip_serializing_if = "Option::is_none")]
    because: Option<Vec<BecauseBody>>,
    /// Statements that could not be judged: an allow among them did not count, a deny did.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<BecauseBody>,
    /// The version of the policies that answered, for those who hold `access:Explain`.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy_version: Option<i64>,
    /// The allows that nearly applied, the nearest first, where an explanation was asked for and a denial came of no
    /// statement that denies; for those who hold `access:Explain`.
    #[serde(skip_serializing_if = "Option::is_none")]
    nearest: Option<Vec<nearest::MissBody>>,
    /// Whether every statement was looked at for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    nearest_complete: Option<bool>,
    /// The kind of the denial, in an explanation: a stable word.
    #[serde(skip_serializing_if = "Option::is_none")]
    denial: Option<&'static str>,
    /// The condition keys of the caller's own question that are not as policies want them, in an explanation.
    #[serde(skip_serializing_if = "Option::is_none")]
    failed_keys: Option<Vec<String>>,
    /// Why this one of several questions was not looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorBody>,
    /// Since when the database does not answer, where it was decided by what was known until then (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    stale_since: Option<String>,
}

/// Why one of several questions was not looked at (section 7.2.1).
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ErrorBody {
    /// The HTTP status that the question by itself would have had.
    status: u16,
    /// The stable code of the error catalogue.
    code: &'static str,
    /// What is missing.
    message: String,
}

/// A reason by language (section 5.5.1).
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Words {
    en: String,
    zh: String,
}

/// A statement that decided and the way to it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct BecauseBody {
    /// `allow` or `deny`.
    effect: &'static str,
    /// Where it stands: `identity` (the subject's roles), `resource`, or the ceiling: `platform_guardrail`,
    /// `tenant_guardrail`, `boundary`, `session`, `scope`.
    layer: &'static str,
    /// The priority of its policy, 0 to 1000.
    priority: u16,
    /// The names of the roles on the way, the one that is held first.
    roles: Vec<String>,
    /// The policy's name, if it is a policy's.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
    /// The permission's code, if it is a permission's; with a policy's name, of the permission that the policy
    /// is linked to.
    #[serde(skip_serializing_if = "Option::is_none")]
    permission: Option<String>,
    /// The place of the statement, from 0.
    statement: usize,
    /// The statement's own name.
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<String>,
}

/// Several decisions, in the order of the questions.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DecisionsBody {
    evaluations: Vec<DecisionBody>,
}

/// Asks whether a subject may do an action on a resource.
#[utoipa::path(
    post, path = "/access/v1/evaluation", tag = "access", operation_id = "evaluate_access",
    request_body = EvaluationBody,
    responses((status = 200, description = "The decision; a denial is no error", body = DecisionBody), Problems)
)]
async fn evaluate_one(cx: Cx, request: Request) -> Response {
    answered(request, async |request| {
        let body: EvaluationBody = read(&cx, request).await?;
        let question = read_question("", body, None)?;
        single(&cx, question).await
    })
    .await
}

/// Answers one question by itself: what the caller is not registered for is then an error of the call.
async fn single(cx: &Cx, question: Question) -> Result<Response, Failure> {
    let answers = evaluate(cx, &[question], Semantic::ExecuteAll).await?;
    let mut answer = answers.into_iter().next().ok_or_else(|| base::bug!("a question without an answer"))?;
    match answer.uncovered.take() {
        Some(found) => Err(Error::Uncovered { found, decision: answer.id }.into()),
        None => Ok(Json(describe(answer, false)).into_response()),
    }
}

/// Asks several questions at once, at most 1,000: all are answered by one version of the policies.
#[utoipa::path(
    post, path = "/access/v1/evaluations", tag = "access", operation_id = "evaluate_access_many",
    request_body = EvaluationsBody,
    responses((status = 200, description = "The decisions in the order of the questions", body = DecisionsBody), Problems)
)]
async fn evaluate_many(cx: Cx, request: Request) -> Response {
    answered(request, async |request| {
        let body: EvaluationsBody = read(&cx, request).await?;
        if body.evaluations.is_empty() {
            // Section 7.1: without `evaluations` it behaves like the single evaluation.
            return single(&cx, read_question("", body.defaults, None)?).await;
        }
        if body.evaluations.len() > QUESTIONS_MAX {
            let found = body.evaluations.len();
            let detail = format!("{found} evaluations, expected at most {QUESTIONS_MAX}");
            return Err(bad("/evaluations", "too_many", detail).into());
        }
        refuse_reserved("", &body.defaults)?;
        let questions: Vec<Question> = body
            .evaluations
            .into_iter()
            .enumerate()
            .map(|(place, one)| read_question(&format!("/evaluations/{place}"), one, Some(&body.defaults)))
            .collect::<Result<_, _>>()?;
        let semantic = match body.options.evaluations_semantic {
            SemanticBody::ExecuteAll => Semantic::ExecuteAll,
            SemanticBody::DenyOnFirstDeny => Semantic::DenyOnFirstDeny,
            SemanticBody::PermitOnFirstPermit => Semantic::PermitOnFirstPermit,
        };
        let answers = evaluate(&cx, &questions, semantic).await?;
        let body = DecisionsBody {
            evaluations: answers.into_iter().map(|answer| describe(answer, false)).collect(),
        };
        Ok(Json(body).into_response())
    })
    .await
}

/// Says where the decision point answers.
#[utoipa::path(
    get, path = "/.well-known/authzen-configuration", tag = "access", operation_id = "read_access_configuration",
    responses((status = 200, description = "AuthZEN metadata, section 9", body = Object), Problems)
)]
async fn configuration(cx: Cx) -> Result<Response, Failure> {
    let body = Json(metadata(cx.tenant()?));
    Ok(([(axum::http::header::CACHE_CONTROL, "public, max-age=300")], body).into_response())
}

/// Runs a handler and gives the caller's request id back, also with an error.
///
/// Section 10.1.3: "the PDP MUST include the same identifier in the response".
async fn answered(
    request: Request,
    handler: impl AsyncFnOnce(Request) -> Result<Response, Failure>,
) -> Response {
    let id = request.headers().get("x-request-id").filter(|id| id.len() <= REQUEST_ID_BYTES_MAX).cloned();
    let mut response = handler(request).await.into_response();
    if let Some(id) = id {
        response.headers_mut().insert("x-request-id", id);
    }
    response
}

/// Reads the body. Section 10.1.2 knows 400 for whatever is wrong with it.
async fn read<T: serde::de::DeserializeOwned>(cx: &Cx, request: Request) -> Result<T, Failure> {
    refuse_nobody(cx).await?;
    if !web::body::media_type_is(request.headers(), &["application/json"]) {
        return Err(Failure::new(
            Kind::UnsupportedMedia,
            "unsupported_media_type",
            "send the body as `application/json`",
        ));
    }
    let bytes = web::body::read(request, BODY_BYTES_MAX).await?;
    web::body::parse_json(&bytes).map_err(|problem| match problem.kind() {
        Kind::Invalid => problem
            .errors()
            .iter()
            .fold(Problem::new(Kind::Malformed, "invalid_body", problem.detail()), |bad, error| {
                bad.field(error.pointer.as_str(), &error.code, error.detail.as_str())
            })
            .into(),
        _ => problem.into(),
    })
}

fn bad(pointer: impl Into<String>, code: &'static str, detail: impl Into<String>) -> Problem {
    let detail = detail.into();
    Problem::new(Kind::Malformed, code, detail.clone()).field(pointer, code, detail)
}

/// Refuses what only the decision point knows.
fn refuse_reserved(place: &str, body: &EvaluationBody) -> Result<(), Problem> {
    if body
        .subject
        .as_ref()
        .and_then(|subject| subject.properties.as_ref())
        .is_some_and(|map| !map.is_empty())
    {
        let detail = "properties of the subject come from the decision point, never from the caller";
        return Err(bad(format!("{place}/subject/properties"), "reserved_context_key", detail));
    }
    if let Some(key) = body.context.iter().flat_map(Map::keys).find(|key| is_reserved(key)) {
        let pointer = format!("{place}/context/{}", key.replace('~', "~0").replace('/', "~1"));
        let detail = "keys that begin with `aws:` or `signet:` come from the decision point";
        return Err(bad(pointer, "reserved_context_key", detail));
    }
    read_address(place, body.context.as_ref())?;
    read_secure_transport(place, body.context.as_ref())?;
    read_context(place, body.context.as_ref())?;
    Ok(())
}

/// Reads whether the end user's connection was encrypted.
fn read_secure_transport(place: &str, context: Option<&Map<String, Value>>) -> Result<Option<bool>, Problem> {
    let Some(value) = context.and_then(|context| context.get(END_USER_SECURE_TRANSPORT)) else {
        return Ok(None);
    };
    value.as_bool().map(Some).ok_or_else(|| {
        let pointer = format!("{place}/context/{END_USER_SECURE_TRANSPORT}");
        bad(pointer, "invalid_context_value", "expected `true` or `false`")
    })
}

/// Reads the values of the keys that the caller adds: a text, a number or a truth value, or a list of them.
fn read_context(
    place: &str,
    context: Option<&Map<String, Value>>,
) -> Result<Vec<(Box<str>, policy::Stored)>, Problem> {
    let own = [END_USER_ADDRESS, END_USER_SECURE_TRANSPORT];
    let members = context.into_iter().flatten().filter(|(key, _)| !own.contains(&key.as_str()));
    let mut read: Vec<(Box<str>, policy::Stored)> = Vec::new();
    for (key, value) in members {
        let pointer = || format!("{place}/context/{}", key.replace('~', "~0").replace('/', "~1"));
        let name: Box<str> = key.to_ascii_lowercase().into();
        if read.iter().any(|(known, _)| *known == name) {
            let detail = "the key stands twice: keys are compared without regard to case";
            return Err(bad(pointer(), "invalid_context_value", detail));
        }
        let value = crate::facts::stored(value).ok_or_else(|| {
            let detail = "expected a text, a number, `true` or `false`, or a list of them";
            bad(pointer(), "invalid_context_value", detail)
        })?;
        read.push((name, value));
    }
    Ok(read)
}

/// Reads the end user's address from a context.
fn read_address(place: &str, context: Option<&Map<String, Value>>) -> Result<Option<IpAddr>, Problem> {
    let Some(value) = context.and_then(|context| context.get(END_USER_ADDRESS)) else { return Ok(None) };
    let address = value.as_str().and_then(|text| text.parse().ok());
    let refused = || {
        let detail = "expected an address of IP version 4 or 6 as text, like `203.0.113.7`";
        bad(format!("{place}/context/{END_USER_ADDRESS}"), "invalid_address", detail)
    };
    address.map(Some).ok_or_else(refused)
}

/// Reads one question, with defaults for what it leaves out.
fn read_question(
    place: &str,
    body: EvaluationBody,
    defaults: Option<&EvaluationBody>,
) -> Result<Question, Problem> {
    refuse_reserved(place, &body)?;
    let missing =
        |member: &str| bad(format!("{place}/{member}"), "missing", format!("`{member}` is missing"));
    let subject = body.subject.or_else(|| defaults?.subject.clone()).ok_or_else(|| missing("subject"))?;
    let action = body.action.or_else(|| defaults?.action.clone()).ok_or_else(|| missing("action"))?;
    let resource = body.resource.or_else(|| defaults?.resource.clone()).ok_or_else(|| missing("resource"))?;
    let context = body.context.as_ref().or_else(|| defaults?.context.as_ref());
    Ok(Question {
        context_keys: context.map(|context| context.keys().cloned().collect()).unwrap_or_default(),
        context: read_context(place, context)?,
        end_user_address: read_address(place, context)?,
        end_user_secure_transport: read_secure_transport(place, context)?,
        action: action_name(action.name, &resource.r#type),
        resource: resource_name(&resource),
        subject: Subject { kind: subject.r#type, id: subject.id },
    })
}

/// The action's name to policies.
fn action_name(name: String, resource_type: &str) -> String {
    if name.contains(':') { name } else { format!("{resource_type}:{name}") }
}

/// The resource's name to policies. A type that could shift the border between type and id gives a text that
/// is no name, which is denied.
fn resource_name(resource: &ResourceBody) -> String {
    if resource.id.starts_with("arn:") {
        return resource.id.clone();
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
    let fits = (1..=TYPE_BYTES_MAX).contains(&resource.r#type.len()) && resource.r#type.bytes().all(plain);
    if fits && !resource.id.is_empty() {
        format!("{}:{}", resource.r#type, resource.id)
    } else {
        String::new()
    }
}

fn describe(answer: Answer, explains: bool) -> DecisionBody {
    let sees_reasons = answer.reasons.is_some();
    let words = answer.denial.map(words);
    let describe_all = |list: &[policy::Because]| list.iter().map(describe_because).collect::<Vec<_>>();
    let (because, errors, policy_version, nearest) = match answer.reasons {
        Some(reasons) => (
            Some(describe_all(&reasons.because)),
            describe_all(&reasons.errors),
            reasons.version,
            reasons.nearest,
        ),
        None => (None, Vec::new(), None, None),
    };
    let (reason_admin, reason_user) = if sees_reasons { (words, None) } else { (None, words) };
    let error = answer.uncovered.map(|found| {
        let problem = found.problem();
        let status = web::failure::status(problem.kind()).as_u16();
        ErrorBody { status, code: problem.code(), message: problem.detail().to_owned() }
    });
    let stale_since = answer.stale_since.map(|since| since.to_string());
    let context = ContextBody {
        id: answer.id,
        reason_user,
        reason_admin,
        because,
        errors,
        policy_version,
        nearest_complete: nearest.as_ref().map(|nearest| nearest.complete),
        nearest: nearest.map(|nearest| nearest.misses.iter().map(nearest::describe).collect()),
        denial: answer.denial.map(Refused::as_str).filter(|_| explains),
        failed_keys: Some(answer.failed_keys).filter(|keys| explains && !keys.is_empty()),
        error,
        stale_since,
    };
    DecisionBody { decision: answer.decision, context }
}

fn words(denial: Refused) -> Words {
    let (en, zh) = match denial {
        Refused::NoSubject => ("there is no such active principal", "没有这个有效的主体"),
        Refused::By(Denial::Inactive) => ("the principal is not active", "该主体未启用"),
        Refused::By(Denial::Guardrail) => ("a guardrail does not allow it", "护栏策略不允许"),
        Refused::By(Denial::Boundary) => ("the permissions boundary does not allow it", "权限边界不允许"),
        Refused::By(Denial::Session) => ("the session does not allow it", "会话策略不允许"),
        Refused::By(Denial::Scope) => ("the token does not reach that far", "令牌的范围不允许"),
        Refused::By(Denial::ResourcePolicy) => ("the resource's policy denies it", "资源策略明确拒绝"),
        Refused::By(Denial::ExplicitDeny) => ("a policy denies it", "有策略明确拒绝"),
        Refused::By(Denial::NothingApplies) => ("nothing allows it", "没有任何策略允许"),
    };
    Words { en: en.to_owned(), zh: zh.to_owned() }
}

fn describe_because(because: &policy::Because) -> BecauseBody {
    let (policy, permission) = match &because.source {
        policy::Source::Policy { name, .. } => (Some(name.to_string()), None),
        policy::Source::Permission { code } => (None, Some(code.to_string())),
        policy::Source::Link { name, code, .. } => (Some(name.to_string()), Some(code.to_string())),
    };
    BecauseBody {
        effect: if because.effect == policy::Effect::Allow { "allow" } else { "deny" },
        layer: because.layer.as_str(),
        priority: because.priority,
        roles: because.role_path.iter().map(|role| role.name.to_string()).collect(),
        policy,
        permission,
        statement: because.statement,
        sid: because.sid.as_deref().map(str::to_owned),
    }
}
