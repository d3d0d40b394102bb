//! What the routes of all nouns here have in common: lists, entity tags, locations.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base::id::{ClientId, UserId};
use base::query::{Comparison, Filter, Scalar};
use base::text::name_key;
use base::{Kind, Problem, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, PartialSchema, ToSchema};
use web::{Ask, Failure, Field, Json, List, ListQuery, etag};

use crate::listing::{Listed, Listing};
use crate::roles::Window;
use crate::{Cx, Place, Service};

/// The longest search text, in characters.
const Q_CHARS_MAX: usize = 128;

/// The search text of a list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Search {
    /// What to look for; the list says where.
    q: Option<String>,
}

impl Search {
    /// A search for this text, where a list takes more parameters than that.
    pub(crate) const fn of(q: Option<String>) -> Self {
        Self { q }
    }

    /// The text, with its case; none where there is nothing to look for. Fails with 400 `invalid_q`.
    pub(crate) fn exact(&self) -> Result<Option<&str>, Problem> {
        Ok(self.q.as_deref().map(check_q).transpose()?.filter(|q| !q.is_empty()))
    }

    /// The text, folded as names are. Fails with 400 `invalid_q`.
    pub(crate) fn folded(&self) -> Result<Option<String>, Problem> {
        Ok(self.exact()?.map(name_key).filter(|q| !q.is_empty()))
    }
}

/// A person in a path.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct UserPath {
    /// The person's id.
    #[param(value_type = String)]
    pub(crate) user_id: UserId,
}

/// A client in a path.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ClientPath {
    /// The client's id.
    #[param(value_type = String)]
    pub(crate) id: ClientId,
}

/// A list that cannot be searched, only filtered.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoSearch {}

/// The condition that a text attribute begins so.
pub(crate) fn begins(attribute: &'static str, q: impl Into<String>) -> Filter {
    Filter::Is(attribute, Comparison::StartsWith, Scalar::Text(q.into()))
}

/// What a caller asks of one list.
pub(crate) struct Asked<'a> {
    service: &'a Service,
    ask: Ask,
    scope: Vec<String>,
}

impl<'a> Asked<'a> {
    /// Checks what the address asks for. `of` is the id of what the list hangs on, where it does.
    ///
    /// Fails with 400 `invalid_filter`, `invalid_sort`, `invalid_count` or `invalid_fields`.
    pub(crate) fn new<F, B: PartialSchema>(
        service: &'a Service,
        cx: &Cx,
        list: &List,
        of: Option<&str>,
        query: &ListQuery<F>,
    ) -> Result<Self, Problem> {
        let ask = list.read(query)?;
        ask.check_fields::<B>()?;
        let place = match cx.place() {
            Place::Tenant(tenant) => tenant.id.to_string(),
            Place::Platform => "platform".to_owned(),
        };
        let mut scope = vec![place, cx.actor().id().unwrap_or_default()];
        scope.extend(of.map(str::to_owned));
        Ok(Self { service, ask, scope })
    }

    fn scope(&self) -> Vec<&str> {
        self.scope.iter().map(String::as_str).collect()
    }

    /// The part that the caller asks for. Fails with 400 `invalid_cursor`.
    pub(crate) fn listing(&self) -> Result<Listing, Problem> {
        Ok(Listing {
            filter: self.ask.filter.clone(),
            order: self.ask.order.clone(),
            count: self.ask.count,
            after: self.ask.after(self.service.cursors(), &self.scope())?,
            limit: self.ask.limit,
        })
    }

    /// The page that the caller gets.
    pub(crate) fn answer<T, B>(&self, listed: Listed<T>) -> Result<Response, Failure>
    where
        B: From<T> + Serialize + PartialSchema,
    {
        let next =
            listed.next.map(|position| self.ask.seal(self.service.cursors(), &self.scope(), &position));
        let items: Vec<B> = listed.items.into_iter().map(B::from).collect();
        self.ask.answer(web::Listing { items, next, count: listed.count })
    }
}

fn check_q(q: &str) -> Result<&str, Problem> {
    if q.chars().count() > Q_CHARS_MAX || q.chars().any(char::is_control) {
        let detail = format!("`q` has at most {Q_CHARS_MAX} characters and no control characters");
        return Err(Problem::new(Kind::Malformed, "invalid_q", detail));
    }
    Ok(q.trim())
}

/// A member with the entity tag of its version.
pub(crate) struct Tagged<B> {
    pub(crate) version: i64,
    pub(crate) body: B,
}

impl<B: Serialize> IntoResponse for Tagged<B> {
    fn into_response(self) -> Response {
        ([(header::ETAG, etag(self.version))], Json(self.body)).into_response()
    }
}

/// The answer to a creation: 201, where the member is from now on, and the member. `path` follows the
/// tenant's prefix, or stands by itself on the platform.
pub(crate) fn created<B: Serialize>(cx: &Cx, path: &str, member: Tagged<B>) -> Response {
    let location = match cx.place() {
        Place::Tenant(tenant) => format!("/t/{}/api/v1/{path}", tenant.code),
        Place::Platform => format!("/api/v1/{path}"),
    };
    let mut response = (StatusCode::CREATED, member).into_response();
    if let Ok(value) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(HeaderName::from_static("location"), value);
    }
    response
}

/// Nothing is to be said of this relation.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Relation)]
pub(crate) struct RelationBody {}

/// When an assignment or a membership counts; at all times where nothing is said.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Window)]
pub(crate) struct WindowBody {
    /// The first instant; from now on where absent.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    valid_from: Option<Timestamp>,
    /// The first instant at which it no longer counts; never where absent.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// Accepts that what the role denies is permitted again when it ends.
    #[serde(default)]
    force: bool,
}

impl WindowBody {
    /// The window, and whether a deny may end with it.
    pub(crate) fn parse(self) -> (Window, crate::roles::ExpiringDeny) {
        let denies =
            if self.force { crate::roles::ExpiringDeny::Accept } else { crate::roles::ExpiringDeny::Refuse };
        (Window { valid_from: self.valid_from, expires_at: self.expires_at }, denies)
    }
}

/// Whether a window is open now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = WindowState)]
pub(crate) enum StateWord {
    /// Not yet.
    Pending,
    /// Now.
    Active,
    /// No longer.
    Expired,
}

impl StateWord {
    pub(crate) fn of(window: Window, now: Timestamp) -> Self {
        if window.expires_at.is_some_and(|end| end <= now) {
            Self::Expired
        } else if window.valid_from.is_some_and(|from| now < from) {
            Self::Pending
        } else {
            Self::Active
        }
    }
}

/// What has a window, and the instant at which it is looked at.
pub(crate) struct Now<T>(pub(crate) T, pub(crate) Timestamp);

/// A part of a list as it is at an instant.
pub(crate) fn at<T>(listed: Listed<T>, now: Timestamp) -> Listed<Now<T>> {
    listed.map(|one| Now(one, now))
}

/// What a merge patch says of a value that may be removed.
pub(crate) fn optional<T>(field: Field<T>) -> Option<Option<T>> {
    match field {
        Field::Absent => None,
        Field::Null => Some(None),
        Field::Value(value) => Some(Some(value)),
    }
}
