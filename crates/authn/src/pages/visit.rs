//! What every page knows about the request that asks for it, and how pages are made from it.

use std::sync::Arc;

use askama::Template;
use authz::{Actor, Cx, TenantRef};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use base::{Kind, Problem};
use web::request::Info;
use web::{Failure, HtmlPage, Language, Pairs, RequestInfo, cookies, see_other};

use super::words::{self, Words};
use crate::forms::{encode, is_return_path};
use crate::{Error, Service};

/// The cookie of the language that a person chose, and how long it is kept, in seconds.
const LANGUAGE_COOKIE: &str = "lang";
const LANGUAGE_SECONDS: i64 = 365 * 86_400;

/// A request for a page.
pub(super) struct Visit {
    pub(super) service: Service,
    pub(super) cx: Cx,
    pub(super) tenant: Arc<TenantRef>,
    pub(super) info: Arc<RequestInfo>,
    pub(super) headers: HeaderMap,
    pub(super) query: Pairs,
    pub(super) language: Language,
    path: String,
    /// The language, where the request chooses one.
    chosen: Option<Language>,
}

impl FromRequestParts<Service> for Visit {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, Failure> {
        let cx = Cx::from_request_parts(parts, service).await?;
        let Info(info) = Info::from_request_parts(parts, service).await?;
        let tenant = cx.tenant()?.clone();
        let query = Pairs::of_query(&parts.uri)
            .ok()
            .and_then(|pairs| pairs.unique(&[]).ok())
            .ok_or_else(|| Failure::new(Kind::Malformed, "invalid_query", "the query cannot be read"))?;
        let chosen = query.get("lang").and_then(Language::of_tag);
        let kept = cookies::read(&parts.headers, LANGUAGE_COOKIE);
        let language =
            chosen.unwrap_or_else(|| Language::choose(query.get("ui_locales"), kept, info.language));
        let original = parts.extensions.get::<axum::extract::OriginalUri>();
        let path = original.map_or_else(|| parts.uri.path(), |uri| uri.path()).to_owned();
        Ok(Self {
            service: service.clone(),
            cx,
            tenant,
            info,
            headers: parts.headers.clone(),
            query,
            language,
            path,
            chosen,
        })
    }
}

/// What the frame of a page needs.
pub(super) struct Frame {
    pub(super) name: &'static str,
    pub(super) w: &'static Words,
    pub(super) lang: &'static str,
    pub(super) tenant: String,
    pub(super) base: String,
    pub(super) stylesheet: String,
    pub(super) icon: String,
    pub(super) other_href: String,
    pub(super) messages: Vec<String>,
}

/// A person in a session, as the pages know them.
pub(super) struct Person {
    pub(super) id: base::id::UserId,
    pub(super) username: String,
    pub(super) must_change: bool,
}

impl Visit {
    /// The words of the page's language.
    pub(super) fn words(&self) -> &'static Words {
        words::words(self.language)
    }

    /// The address of the tenant's home page, which all others begin with.
    pub(super) fn base(&self) -> String {
        format!("/t/{}", self.tenant.code)
    }

    /// The person, if the request has a session of the browser (and no access token).
    pub(super) fn person(&self) -> Option<Person> {
        match self.cx.actor() {
            Actor::User { id, username, session: Some(_), client: None, must_change_password, .. } => {
                Some(Person {
                    id: id.clone(),
                    username: username.clone(),
                    must_change: *must_change_password,
                })
            }
            _ => None,
        }
    }

    /// Where the person wants to go on to; an error where that is no path of the tenant.
    pub(super) fn return_to(&self) -> Result<Option<&str>, Refused> {
        match self.query.get("return_to") {
            Some(text) if is_return_path(&self.tenant.code, text) => Ok(Some(text)),
            Some(_) => Err(Refused::new(StatusCode::BAD_REQUEST, self.words().bad_return)),
            None => Ok(None),
        }
    }

    /// The query that carries the way back (and its sealed form target) to the next page.
    pub(super) fn way_back(&self) -> String {
        let mut query = String::new();
        for name in ["return_to", "target", "seal"] {
            if let Some(value) = self.query.get(name) {
                query.push(if query.is_empty() { '?' } else { '&' });
                query.push_str(&format!("{name}={}", encode(value)));
            }
        }
        query
    }

    /// The form target that was sealed for the way back.
    fn form_action(&self) -> Vec<String> {
        let get = |name| self.query.get(name).unwrap_or_default();
        let (target, seal) = (get("target"), get("seal"));
        let sealed = !seal.is_empty() && self.service.is_sealed(&self.tenant, get("return_to"), target, seal);
        if sealed { vec![target.to_owned()] } else { Vec::new() }
    }

    /// The frame of a page.
    pub(super) fn frame(&self, name: &'static str, messages: Vec<String>) -> Frame {
        let other = match self.language {
            Language::En => "zh-CN",
            Language::Zh => "en-US",
        };
        // What answers a form has no address of its own to show again in another language; a link with a
        // one-time token may.
        let mut other_href = format!("{}?lang={other}", self.path);
        for (name, value) in self.query.iter().filter(|(name, _)| *name != "lang") {
            other_href.push_str(&format!("&{}={}", encode(name), encode(value)));
        }
        Frame {
            name,
            w: self.words(),
            lang: self.language.tag(),
            tenant: self.tenant.name.clone(),
            base: self.base(),
            stylesheet: super::stylesheet_href(&self.tenant),
            icon: format!("{}/assets/icon.svg", self.base()),
            other_href,
            messages,
        }
    }

    /// Answers with a page.
    pub(super) fn show(
        &self,
        status: StatusCode,
        page: &impl Template,
        cookies: impl IntoIterator<Item = HeaderValue>,
    ) -> Response {
        let body = match page.render() {
            Ok(body) => body,
            Err(error) => {
                return Failure(Problem::internal("a page could not be rendered").because(error))
                    .into_response();
            }
        };
        let mut html = HtmlPage::new(body);
        html.status = status;
        html.form_action = self.form_action();
        html.cookies.extend(cookies);
        html.cookies.extend(self.language_cookie());
        html.into_response()
    }

    fn language_cookie(&self) -> Option<HeaderValue> {
        let tag = self.chosen?.tag();
        cookies::set(LANGUAGE_COOKIE, tag, self.service.config().secure, Some(LANGUAGE_SECONDS)).ok()
    }

    /// Leads to the sign-in page and back to one of our pages.
    pub(super) fn to_sign_in(&self, page: &str) -> Response {
        let back = format!("{}{page}", self.base());
        see_other(&self.service.sign_in_url(&self.tenant, &back, None), Vec::new())
    }

    /// The page that says what did not work.
    pub(super) fn refuse(&self, refused: &Refused) -> Response {
        let mut frame = self.frame("error", vec![refused.message.clone()]);
        // The address of what failed is not one to come back to.
        frame.other_href = String::new();
        let trace =
            if refused.status.is_server_error() { self.info.request_id.clone() } else { String::new() };
        self.show(refused.status, &ErrorPage { page: frame, trace }, None)
    }

    /// Says what an error means to a person at a page.
    pub(super) fn explain(&self, error: Error) -> Refused {
        let w = self.words();
        match error {
            Error::TooManyAttempts { retry_after_seconds } => Refused {
                status: StatusCode::TOO_MANY_REQUESTS,
                message: words::too_many(self.language, crate::error::minutes(retry_after_seconds)),
                retry_after_seconds: Some(retry_after_seconds),
            },
            Error::BadCredentials => Refused::new(StatusCode::UNAUTHORIZED, w.bad_credentials),
            Error::Authz(authz::Error::TenantDisabled) => {
                Refused::new(StatusCode::FORBIDDEN, w.tenant_disabled)
            }
            Error::WrongCurrentPassword => Refused::new(StatusCode::UNPROCESSABLE_ENTITY, w.wrong_current),
            Error::BadLink => Refused::new(StatusCode::NOT_FOUND, w.bad_link),
            Error::Changed => Refused::new(StatusCode::CONFLICT, w.changed_meanwhile),
            Error::NotFound(_) => Refused::new(StatusCode::NOT_FOUND, w.no_session),
            other => {
                let problem = Problem::from(other);
                let status = web::failure::status(problem.kind());
                if status.is_server_error() {
                    tracing::error!(
                        trace_id = self.info.request_id,
                        code = problem.code(),
                        cause = problem.private_chain(),
                        "a page failed"
                    );
                }
                let busy = problem.kind() == Kind::Unavailable;
                let message = if busy { w.busy } else { w.failed };
                let retry_after_seconds = problem.retry_after_seconds();
                Refused { status, message: message.to_owned(), retry_after_seconds }
            }
        }
    }
}

/// Why a page could not do what it was asked for.
pub(super) struct Refused {
    pub(super) status: StatusCode,
    pub(super) message: String,
    pub(super) retry_after_seconds: Option<u32>,
}

impl Refused {
    pub(super) fn new(status: StatusCode, message: &str) -> Self {
        Self { status, message: message.to_owned(), retry_after_seconds: None }
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    page: Frame,
    trace: String,
}
