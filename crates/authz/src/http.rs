//! What the routes of all nouns here have in common: pages with sealed cursors, entity tags, locations.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base::text::name_key;
use base::{Kind, Problem, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use web::{Failure, Field, Json, Page, PageQuery, etag};

use crate::listing::{Listed, Listing};
use crate::roles::Window;
use crate::{Cx, Place, Service};

/// The longest search text, in characters.
const Q_CHARS_MAX: usize = 128;

/// One list of one caller: what its cursors are bound to.
pub(crate) struct List<'a> {
    service: &'a Service,
    parts: Vec<String>,
    limit: u32,
    cursor: Option<String>,
    q: Option<String>,
}

impl<'a> List<'a> {
    /// A list by its name and whatever narrows it; `q` looks for what names begin with, in any case.
    pub(crate) fn new(
        service: &'a Service,
        cx: &Cx,
        name: &[&str],
        page: PageQuery,
    ) -> Result<Self, Failure> {
        let q = page.q.as_deref().map(check_q).transpose()?.map(name_key).filter(|q| !q.is_empty());
        Ok(Self::over(service, cx, name, page, q))
    }

    /// A list whose `q` keeps its case, as names of resources do.
    pub(crate) fn exact(
        service: &'a Service,
        cx: &Cx,
        name: &[&str],
        page: PageQuery,
    ) -> Result<Self, Failure> {
        let q = page.q.as_deref().map(check_q).transpose()?.map(str::to_owned).filter(|q| !q.is_empty());
        Ok(Self::over(service, cx, name, page, q))
    }

    /// A list that cannot be searched. Fails with 400 `invalid_query` where `q` is given.
    pub(crate) fn unsearched(
        service: &'a Service,
        cx: &Cx,
        name: &[&str],
        page: PageQuery,
    ) -> Result<Self, Failure> {
        if page.q.is_some() {
            return Err(Failure::new(Kind::Malformed, "invalid_query", "this list takes no `q`"));
        }
        Ok(Self::over(service, cx, name, page, None))
    }

    fn over(service: &'a Service, cx: &Cx, name: &[&str], page: PageQuery, q: Option<String>) -> Self {
        let place = match cx.place() {
            Place::Tenant(tenant) => tenant.id.to_string(),
            Place::Platform => "platform".to_owned(),
        };
        let caller = cx.actor().id().unwrap_or_default();
        let mut parts: Vec<String> = name.iter().map(|part| (*part).to_owned()).collect();
        parts.extend([place, caller, q.clone().unwrap_or_default()]);
        Self { service, parts, limit: page.limit, cursor: page.cursor, q }
    }

    fn parts(&self) -> Vec<&str> {
        self.parts.iter().map(String::as_str).collect()
    }

    /// The part that the caller asks for. Fails with 400 `invalid_cursor`.
    pub(crate) fn listing(&self) -> Result<Listing, Failure> {
        let after = match &self.cursor {
            Some(cursor) => {
                let position = self.service.cursors().decode(&self.parts(), cursor)?;
                let first = position.into_iter().next();
                Some(first.ok_or_else(|| base::bug!("a cursor that was sealed for a list holds nothing"))?)
            }
            None => None,
        };
        Ok(Listing { q: self.q.clone(), after, limit: self.limit })
    }

    /// The page that the caller gets.
    pub(crate) fn page<T, U: From<T>>(&self, listed: Listed<T>) -> Json<Page<U>> {
        let next = listed.next.map(|key| self.service.cursors().encode(&self.parts(), &[&key]));
        Json(Page { items: listed.items.into_iter().map(U::from).collect(), next })
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
    Listed { items: listed.items.into_iter().map(|one| Now(one, now)).collect(), next: listed.next }
}

/// What a merge patch says of a value that may be removed.
pub(crate) fn optional<T>(field: Field<T>) -> Option<Option<T>> {
    match field {
        Field::Absent => None,
        Field::Null => Some(None),
        Field::Value(value) => Some(Some(value)),
    }
}
