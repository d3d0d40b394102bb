//! Questions and answers: "may they?", asked from outside by OpenID AuthZEN 1.0 ([`http`]).
//!
//! About oneself one may always ask, about another only with `access:Evaluate`; a client besides only about
//! actions and resources that it is registered for as an enforcement point ([`Registration`]), and with the
//! context keys that it is registered for. Callers have a rate each. A subject that is unknown,
//! inactive or of another tenant is denied with the same body. Reasons are for `access:Explain`; anybody
//! else gets the decision and an opaque id, and the person denied learns what kind of denial it is. Asked to explain
//! ([`explain`]), it also says what nearly applied; the person denied then learns which keys of their own question
//! were not as some statement wants them.
//!
//! Denied answers are recorded each, allowed ones counted, unless the tenant's configuration asks for each
//! (`{"audit": {"allowed_decisions": "each"}}`).

pub mod http;
mod rate;
mod registration;
mod sitting;
mod store;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use base::Timestamp;
use base::id::PrincipalId;
use base::text::name_key;
use policy::{Because, Decision, Denial, Explanation, Failed, Key, Known, Miss, Stored, Tagged};
use serde_json::json;

pub use http::{metadata, tenant_routes};
pub(crate) use rate::Buckets;
pub use rate::{BURST_MIN, QUESTIONS_PER_SECOND_MAX, QuestionRates, Rate};
pub use registration::{
    CONTEXT_KEY_BYTES_MAX, CONTEXT_KEYS_MAX, END_USER_ADDRESS, END_USER_SECURE_TRANSPORT, PATTERNS_MAX,
    Registration, RegistrationText, Uncovered,
};

use crate::cx::Verdict;
use crate::principals::PrincipalKind;
use crate::snapshot::Principal;
use crate::{Action, Actor, Circumstances, Cx, Error, Event, Permit, Result, Target, TenantRef};
use sitting::Sitting;

/// Questions of one call at most.
pub const QUESTIONS_MAX: usize = 1_000;
/// What an explanation counts as, in questions: it looks at every statement.
pub const EXPLANATION_QUESTIONS: usize = 10;
/// The longest text of a question that the audit log keeps, in characters.
const RECORDED_CHARS_MAX: usize = 256;
/// Context keys that only the decision point may set.
const RESERVED_PREFIXES: [&str; 2] = ["aws:", "signet:"];

/// Who is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// `user` or `client`; whatever else is nobody.
    pub kind: String,
    /// The principal's id or, where the tenant has no such id of the kind, its user name or `client_id`.
    pub id: String,
}

/// May this subject do this action on this resource?
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Who.
    pub subject: Subject,
    /// The action's name, as policies write it.
    pub action: String,
    /// The resource's name, as policies match it.
    pub resource: String,
    /// The context keys that the caller adds, as it wrote them.
    pub context_keys: Vec<String>,
    /// The same keys in lower case with their values, without those of the end user.
    pub context: Vec<(Box<str>, Stored)>,
    /// The address of the end user, where an enforcement point passes it: it is what conditions see as the source
    /// address, and it is recorded with the decision.
    pub end_user_address: Option<IpAddr>,
    /// Whether the end user's connection was encrypted, where an enforcement point passes it.
    pub end_user_secure_transport: Option<bool>,
}

impl Question {
    /// What conditions see of how the question came: of a question about oneself, the call itself.
    fn circumstances<'a>(&'a self, cx: &'a Cx, is_own: bool) -> Circumstances<'a> {
        let own = cx.request().client_address.filter(|_| is_own);
        Circumstances {
            source_ip: self.end_user_address.or(own),
            secure_transport: self.end_user_secure_transport,
            user_agent: cx.request().user_agent.as_deref().filter(|_| is_own),
            context: &self.context,
            scope: cx.actor().ceiling().filter(|_| is_own),
        }
    }
}

/// When to stop answering a list of questions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Semantic {
    /// Answer all.
    #[default]
    ExecuteAll,
    /// Stop after the first denial.
    DenyOnFirstDeny,
    /// Stop after the first permission.
    PermitOnFirstPermit,
}

/// An answer, with as much of its reasons as the caller may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Whether the subject may.
    pub decision: bool,
    /// Finds the decision: a denial's audit event, otherwise the request.
    pub id: String,
    /// The kind of a denial, where the caller asked about itself or may see reasons.
    pub denial: Option<Refused>,
    /// The reasons, where the caller may see them.
    pub reasons: Option<Reasons>,
    /// The keys of the caller's own question that are not as statements want them that apply but for that, where an
    /// explanation was asked for. By name, each once.
    pub failed_keys: Vec<String>,
    /// What the caller's registration does not cover; the question was then not looked at.
    pub uncovered: Option<Uncovered>,
    /// Since when the database does not answer, where it was decided by what was known until then.
    pub stale_since: Option<Timestamp>,
}

/// The kind of a denial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// There is no such active principal in the tenant.
    NoSubject,
    /// What policies say.
    By(Denial),
}

impl Refused {
    /// The stable word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoSubject => "no_subject",
            Self::By(denial) => denial.as_str(),
        }
    }
}

/// Why it was decided so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reasons {
    /// The statements that decided.
    pub because: Vec<Because>,
    /// The statements that could not be judged: an allow among them did not count, a deny did.
    pub errors: Vec<Because>,
    /// The version of the policies that answered; none where they were not asked.
    pub version: Option<i64>,
    /// What nearly applied; none where no explanation was asked for.
    pub nearest: Option<Nearest>,
}

/// The allows that nearly applied to a question that was denied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nearest {
    /// The nearest first.
    pub misses: Vec<Miss>,
    /// Whether every statement was looked at.
    pub complete: bool,
}

/// How much is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// The decision, and its reasons where the caller may see them.
    Decision,
    /// Also what nearly applied.
    Nearest,
}

/// Answers questions in their order; fewer answers than questions where the semantic stops early. A question
/// that the caller's registration does not cover is denied and says so ([`Answer::uncovered`]).
///
/// Fails with [`Error::Unauthenticated`], [`Error::TooManyQuestions`] (each question counts, asked or not),
/// [`Error::Denied`] if a question is about another and the caller lacks `access:Evaluate`,
/// [`Error::NoEnforcementPoint`] if the caller then is a client without a registration, and as
/// [`Cx::authorize`] does for callers that may not use the API.
pub async fn evaluate(cx: &Cx, questions: &[Question], semantic: Semantic) -> Result<Vec<Answer>> {
    let tenant = cx.tenant()?.clone();
    let mut sitting = Sitting::begin(cx, &tenant).await?;
    let asker = Asker::of(cx, &mut sitting).await?;
    asker.charge(cx, questions.len()).await?;
    let permit = permit_to_ask(cx, &tenant, &asker, questions).await?;
    let explains = cx.may(Action::AccessExplain, &Target::all("access")).await?;
    let mut answers = Vec::with_capacity(questions.len());
    for question in questions {
        let how = (explains, Depth::Decision);
        let answer = answer(cx, &mut sitting, &asker, permit.as_ref(), question, how).await?;
        let stop = match semantic {
            Semantic::ExecuteAll => false,
            Semantic::DenyOnFirstDeny => !answer.decision,
            Semantic::PermitOnFirstPermit => answer.decision,
        };
        answers.push(answer);
        if stop {
            break;
        }
    }
    Ok(answers)
}

/// Answers a question with what nearly applied: to those who hold `access:Explain` the statements, to the person
/// denied the keys of their own question that failed. It counts as [`EXPLANATION_QUESTIONS`] questions.
///
/// Fails as [`evaluate`] does, and with [`Error::Denied`] if the question is about another and the caller lacks
/// `access:Explain`.
pub async fn explain(cx: &Cx, question: &Question) -> Result<Answer> {
    let tenant = cx.tenant()?.clone();
    let mut sitting = Sitting::begin(cx, &tenant).await?;
    let asker = Asker::of(cx, &mut sitting).await?;
    asker.charge(cx, EXPLANATION_QUESTIONS).await?;
    let permit = permit_to_ask(cx, &tenant, &asker, std::slice::from_ref(question)).await?;
    let explains = match &permit {
        Some(_) => {
            cx.authorize(Action::AccessExplain, &Target::all("access")).await?;
            true
        }
        None => cx.may(Action::AccessExplain, &Target::all("access")).await?,
    };
    answer(cx, &mut sitting, &asker, permit.as_ref(), question, (explains, Depth::Nearest)).await
}

/// Who asks: what the decision point keeps in memory of a client of the tenant.
struct Asker {
    is_client: bool,
    known: Option<Arc<Principal>>,
}

impl Asker {
    async fn of(cx: &Cx, sitting: &mut Sitting<'_>) -> Result<Self> {
        let known = match cx.actor() {
            Actor::Client { id, tenant: home, .. } if *home == sitting.tenant.id => {
                sitting.principal(&id.cast()).await?
            }
            _ => None,
        };
        Ok(Self { is_client: matches!(cx.actor(), Actor::Client { .. }), known })
    }

    fn registration(&self) -> Option<&Registration> {
        self.known.as_ref().and_then(|known| known.registration.as_ref())
    }

    /// Takes the questions from the caller's bucket, all or none.
    async fn charge(&self, cx: &Cx, questions: usize) -> Result<()> {
        let Some((caller, _)) = cx.actor().principal() else { return Ok(()) };
        let is_point = self.registration().is_some();
        let Err(limit) = cx.core().questions().take(&caller, is_point, questions, cx.now()) else {
            return Ok(());
        };
        let name = Target::all("access").name(cx.tenant().ok().map(|tenant| tenant.id.as_str()));
        cx.count(Event::denied("access.throttled", name)).await;
        Err(Error::TooManyQuestions(limit))
    }

    /// What the caller may not ask of this question.
    fn uncovered(&self, question: &Question, is_own: bool) -> Option<Uncovered> {
        let registration = self.registration();
        let key = question.context_keys.iter().find(|key| !registration.is_some_and(|r| r.allows_key(key)));
        if let Some(key) = key {
            return Some(Uncovered::ContextKey(key.clone()));
        }
        if is_own || !self.is_client {
            return None;
        }
        registration.and_then(|registration| registration.uncovered(&question.action, &question.resource))
    }
}

/// Refuses a caller that is nobody, before its body is read.
pub(crate) async fn refuse_nobody(cx: &Cx) -> Result<()> {
    if *cx.actor() == Actor::Anonymous {
        cx.authorize(Action::AccessEvaluate, &Target::all("access")).await?;
    }
    Ok(())
}

/// The permit to ask about others; none where all questions are the caller's own.
async fn permit_to_ask(
    cx: &Cx,
    tenant: &TenantRef,
    asker: &Asker,
    questions: &[Question],
) -> Result<Option<Permit>> {
    // A token that was not made for this API and a session that must change its password first may not ask
    // about themselves either: `authorize` says so.
    let able = match cx.actor() {
        Actor::User { api, must_change_password: false, .. } | Actor::Client { api, .. } => api.is_for_api(),
        _ => false,
    };
    if able && questions.iter().all(|question| own_principal(cx, tenant, &question.subject).is_some()) {
        return Ok(None);
    }
    let permit = cx.authorize(Action::AccessEvaluate, &Target::all("access")).await?;
    if asker.is_client && asker.registration().is_none() {
        let event = Event::denied("access.denied", permit.name()).details(json!({
            "action": Action::AccessEvaluate.name(),
            "because": "the client is not registered as an enforcement point",
        }));
        return Err(Error::NoEnforcementPoint { decision: cx.record_named(event).await });
    }
    Ok(Some(permit))
}

async fn answer<'a>(
    cx: &Cx,
    sitting: &mut Sitting<'a>,
    asker: &Asker,
    permit: Option<&Permit>,
    question: &'a Question,
    (explains, depth): (bool, Depth),
) -> Result<Answer> {
    let (tenant, stale_since) = (sitting.tenant, sitting.stale_since);
    let own = own_principal(cx, tenant, &question.subject);
    let is_own = own.is_some();
    if let Some(found) = asker.uncovered(question, is_own) {
        let id = record(cx, tenant, question, None, Some(found.as_str())).await;
        return Ok(Answer {
            decision: false,
            id,
            denial: None,
            reasons: None,
            failed_keys: Vec::new(),
            uncovered: Some(found),
            stale_since,
        });
    }
    let principal = match (own, permit) {
        (Some(own), _) => Some(own),
        (None, Some(permit)) => sitting.find(permit, &question.subject).await?,
        (None, None) => None,
    };
    let asked = principal.as_ref().filter(|_| tenant.active);
    let circumstances = question.circumstances(cx, is_own);
    let mut failed_keys = Vec::new();
    let (verdict, reasons) = match asked {
        Some(principal) if depth == Depth::Nearest => {
            let found = sitting.explain(principal, question, &circumstances).await?;
            if is_own && let Some(found) = &found {
                failed_keys = own_failed_keys(&found.misses);
            }
            told(found.map(|Explanation { decision, misses, complete }| {
                (decision, Some(Nearest { misses, complete }))
            }))
        }
        Some(principal) if explains => {
            told(sitting.decide(principal, question, &circumstances).await?.map(|decision| (decision, None)))
        }
        Some(principal) => (sitting.judge(principal, question, &circumstances).await?, None),
        None => (None, None),
    };
    let denial = match verdict {
        Some(Ok(())) => None,
        Some(Err(denial)) => Some(Refused::By(denial)),
        None => Some(Refused::NoSubject),
    };
    let other = principal.as_ref().filter(|_| !is_own);
    let id = record(cx, tenant, question, other, denial.map(Refused::as_str)).await;
    let nothing = || Reasons { version: None, because: Vec::new(), errors: Vec::new(), nearest: None };
    let reasons = explains.then(|| reasons.unwrap_or_else(nothing));
    let (decision, denial) = (denial.is_none(), denial.filter(|_| explains || is_own));
    Ok(Answer { decision, id, denial, reasons, failed_keys, uncovered: None, stale_since })
}

/// What a decision says: the verdict and the reasons. None where there is no such active principal.
fn told(found: Option<(Decision, Option<Nearest>)>) -> (Option<Verdict>, Option<Reasons>) {
    let Some((decision, nearest)) = found else { return (None, None) };
    let verdict = decision.denial.map_or(Ok(()), Err);
    let Decision { because, errors, version, .. } = decision;
    (Some(verdict), Some(Reasons { because, errors, version: Some(version), nearest }))
}

/// The keys that failed in statements of which nothing else did. What is stored with the resource is none of the
/// asker's own question.
fn own_failed_keys(misses: &[Miss]) -> Vec<String> {
    let is_own = |key: &Key| {
        let stored = [Known::ResourceOwner, Known::ResourceAccount].map(Key::Known);
        !stored.contains(key) && !matches!(key, Key::Tag(Tagged::Resource, _))
    };
    let key = |failed: &Failed| match failed {
        Failed::Condition { key, .. } => Some(key.clone()),
        _ => None,
    };
    let near = misses.iter().filter_map(|miss| miss.failed.iter().map(key).collect::<Option<Vec<Key>>>());
    let keys: BTreeSet<String> =
        near.filter(|keys| keys.iter().all(is_own)).flatten().map(|key| key.name()).collect();
    keys.into_iter().collect()
}

/// Leaves the evidence and gives the id of the answer.
async fn record(
    cx: &Cx,
    tenant: &TenantRef,
    question: &Question,
    other: Option<&PrincipalId>,
    denial: Option<&'static str>,
) -> String {
    let each = || {
        let audit = tenant.config.get("audit").and_then(|audit| audit.get("allowed_decisions"));
        audit.is_some_and(|value| value == "each")
    };
    let resource = clip(&question.resource, policy::name::RESOURCE_NAME_BYTES_MAX);
    let event = match denial {
        None if !each() => {
            cx.count(Event::done("access.evaluated", resource)).await;
            let known = cx.request().request_id.clone();
            return known.unwrap_or_else(|| cx.fresh_id::<base::id::Event>().to_string());
        }
        None => Event::done("access.evaluated", resource),
        Some(_) => Event::denied("access.evaluated", resource),
    };
    let mut details = json!({
        "action": clip(&question.action, RECORDED_CHARS_MAX),
        "subject": {
            "type": clip(&question.subject.kind, RECORDED_CHARS_MAX),
            "id": clip(&question.subject.id, RECORDED_CHARS_MAX),
        },
        "denial": denial,
    });
    if let (Some(address), Some(details)) = (question.end_user_address, details.as_object_mut()) {
        details.insert(END_USER_ADDRESS.to_owned(), json!(address));
    }
    let event = event.details(details);
    let event = match other {
        Some(id) if question.subject.kind == PrincipalKind::User.as_str() => event.about_user(id, None),
        _ => event,
    };
    cx.record_named(event).await
}

/// The caller's own principal, if the question is about the caller.
fn own_principal(cx: &Cx, tenant: &TenantRef, subject: &Subject) -> Option<PrincipalId> {
    let (own, home) = cx.actor().principal()?;
    if *home != tenant.id {
        return None;
    }
    let (kind, named) = match cx.actor() {
        Actor::User { username, .. } => {
            (PrincipalKind::User, own.as_str() == subject.id || name_key(username) == name_key(&subject.id))
        }
        Actor::Client { client_id, .. } => {
            (PrincipalKind::Client, own.as_str() == subject.id || *client_id == subject.id)
        }
        _ => return None,
    };
    (named && kind.as_str() == subject.kind).then_some(own)
}

fn clip(text: &str, chars_max: usize) -> Cow<'_, str> {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => Cow::Owned(text.get(..end).unwrap_or_default().to_owned()),
        None => Cow::Borrowed(text),
    }
}
