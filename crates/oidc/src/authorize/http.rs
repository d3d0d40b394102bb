//! `/oauth/authorize` and the consent page.

use askama::Template;
use authn::SessionActor;
use authz::{Cx, Event, Target};
use axum::extract::{RawQuery, State};
use axum::response::Response;
use axum::routing::{get, post};
use http::{HeaderMap, StatusCode};
use utoipa_axum::router::OpenApiRouter;
use web::{Failure, FormBody, Info, Language, RequestInfo, see_other};

use super::{Known, Next};
use crate::Service;
use crate::endpoints::answers::unique_form;
use crate::error::Error;
use crate::pages::{self, Frame, lifetime_in_words, scope_in_words};
use crate::protocol::{AuthorizeRequest, ErrorCode, OAuthError, redirect, scope};

/// The longest way back that the sign-in page takes, in bytes.
const WAY_BACK_BYTES_MAX: usize = 4096;

pub(crate) fn routes(service: Service) -> OpenApiRouter {
    OpenApiRouter::new()
        .route("/oauth/authorize", get(by_query).post(by_form))
        .route("/oauth/consent", post(decide))
        .with_state(service)
}

#[derive(Template)]
#[template(path = "consent.html")]
struct ConsentPage {
    page: Frame,
    client: String,
    username: String,
    scopes: Vec<String>,
    target: String,
    lifetime: String,
    csrf: String,
    request: String,
}

/// A request at the door: everything that its answers need.
struct Visit {
    service: Service,
    cx: Cx,
    headers: HeaderMap,
    info: std::sync::Arc<RequestInfo>,
}

async fn by_query(
    State(service): State<Service>,
    cx: Cx,
    Info(info): Info,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let visit = Visit { service, cx, headers, info };
    visit.authorize(&query.unwrap_or_default()).await.unwrap_or_else(|error| visit.fail(error))
}

/// OpenID Connect Core section 3.1.2.1: "Authorization Servers MUST support the use of the HTTP GET and
/// POST methods". A form becomes the same request by query, because the session's cookie does not come
/// with a form from another site.
async fn by_form(
    State(service): State<Service>,
    cx: Cx,
    Info(info): Info,
    headers: HeaderMap,
    form: Result<FormBody, Failure>,
) -> Response {
    let visit = Visit { service, cx, headers, info };
    let turn = || -> Result<Response, Error> {
        let FormBody(pairs) = form.map_err(|failure| OAuthError::invalid_request(failure.0.detail()))?;
        let query = super::web_query(pairs.iter()).finish();
        Ok(see_other(&format!("/t/{}/oauth/authorize?{query}", visit.cx.tenant()?.code), Vec::new()))
    };
    turn().unwrap_or_else(|error| visit.fail(error))
}

/// The person's answer. The request stands in the form and is judged again from the start; the form's
/// token is bound to it, so that no answer serves another request.
async fn decide(
    State(service): State<Service>,
    cx: Cx,
    Info(info): Info,
    headers: HeaderMap,
    form: Result<FormBody, Failure>,
) -> Response {
    let visit = Visit { service, cx, headers, info };
    visit.decided(form).await.unwrap_or_else(|error| visit.fail(error))
}

fn purpose(query: &str) -> String {
    format!("consent\n{query}")
}

impl Visit {
    async fn session(&self) -> Result<Option<SessionActor>, Error> {
        let found = self.service.0.authn.session_actor(self.cx.tenant()?, &self.headers).await;
        found.map_err(|error| Error::Problem(error.into()))
    }

    async fn authorize(&self, query: &str) -> Result<Response, Error> {
        let known = self.service.known(&self.cx, query).await?;
        let session = self.session().await?;
        match self.service.next(&self.cx, &known, session).await {
            Ok(Next::SignIn { reauth }) => self.to_sign_in(&known, "sign-in", reauth),
            Ok(Next::ChangePassword) => self.to_sign_in(&known, "change-password", false),
            Ok(Next::Consent(request, session)) => self.ask(&known, &request, &session),
            Ok(Next::Issue(request, session)) => {
                let SessionActor { actor, session } = *session;
                self.answer(
                    self.service.issue_code(&self.cx, &known, &request, &session, actor, false).await,
                    &known,
                )
            }
            Err(error) => self.tell(error, &known),
        }
    }

    async fn decided(&self, form: Result<FormBody, Failure>) -> Result<Response, Error> {
        let pairs = unique_form(form)?;
        let query = pairs.get("request").unwrap_or_default();
        let tenant = self.cx.tenant()?;
        let guarded = self.service.0.authn.is_guarded(
            tenant,
            &self.headers,
            &self.info,
            &purpose(query),
            pairs.get("csrf"),
        );
        if !guarded {
            return Ok(pages::stale_page(tenant, self.language(None)));
        }
        let known = self.service.known(&self.cx, query).await?;
        let session = self.session().await?;
        match self.service.next(&self.cx, &known, session).await {
            // Consent may have been given in another window meanwhile: the answer here counts all the same.
            Ok(Next::Consent(request, session) | Next::Issue(request, session)) => {
                let SessionActor { actor, session } = *session;
                if pairs.get("decision") == Some("allow") {
                    let issued =
                        self.service.issue_code(&self.cx, &known, &request, &session, actor, true).await;
                    return self.answer(issued, &known);
                }
                let cx = self.cx.with_actor(actor);
                let name = Target::member(&known.client.id).name(Some(tenant.id.as_str()));
                let details = serde_json::json!({ "client_id": known.client.client_id });
                cx.record(Event::denied("consent.refused", name).details(details)).await;
                self.tell(
                    OAuthError::new(ErrorCode::AccessDenied, "the person does not allow it").into(),
                    &known,
                )
            }
            Ok(Next::SignIn { reauth }) => self.to_sign_in(&known, "sign-in", reauth),
            Ok(Next::ChangePassword) => self.to_sign_in(&known, "change-password", false),
            Err(error) => self.tell(error, &known),
        }
    }

    /// Shows the consent page.
    fn ask(
        &self,
        known: &Known,
        request: &AuthorizeRequest,
        session: &SessionActor,
    ) -> Result<Response, Error> {
        let tenant = self.cx.tenant()?;
        let guard = self.service.0.authn.guard(tenant, &self.headers)?;
        let language = self.language(request.ui_locales.as_deref());
        let offline = request.scopes.has(scope::OFFLINE_ACCESS) && known.client.may("refresh_token");
        let target = redirect::form_target(&known.redirect_uri).unwrap_or_default();
        let page = ConsentPage {
            page: Frame::new("consent", tenant, language),
            client: known.client.name.clone(),
            username: session.session.username.clone(),
            scopes: request.scopes.as_slice().iter().map(|name| scope_in_words(language, name)).collect(),
            lifetime: lifetime_in_words(
                language,
                offline,
                known.client.access_token_ttl_seconds / 60,
                known.client.refresh_token_ttl_seconds / 86_400,
            ),
            csrf: guard.token(&purpose(&known.query)),
            request: known.query.clone(),
            target: target.clone(),
        };
        Ok(pages::show(StatusCode::OK, &page, vec![target], guard.cookie.into_iter().collect()))
    }

    fn to_sign_in(&self, known: &Known, page: &str, reauth: bool) -> Result<Response, Error> {
        let tenant = self.cx.tenant()?;
        let back = self.service.way_back(&self.cx, known)?;
        if back.len() > WAY_BACK_BYTES_MAX {
            return self.tell(OAuthError::invalid_request("the request is too long").into(), known);
        }
        let target = redirect::form_target(&known.redirect_uri);
        let mut url = self.service.0.authn.sign_in_url(tenant, &back, target.as_deref());
        if page != "sign-in" {
            url = url.replacen("/sign-in?", &format!("/{page}?"), 1);
        }
        let mut extra = url::form_urlencoded::Serializer::new(String::new());
        for name in ["login_hint", "ui_locales"] {
            if let Some(value) = known.pairs.get(name) {
                extra.append_pair(name, value);
            }
        }
        let extra = extra.finish();
        if !extra.is_empty() {
            url.push('&');
            url.push_str(&extra);
        }
        tracing::debug!(reauth, "a person is sent to sign in");
        Ok(see_other(&url, Vec::new()))
    }

    /// Sends the browser on with the code, or with what went wrong.
    fn answer(&self, issued: Result<String, Error>, known: &Known) -> Result<Response, Error> {
        match issued {
            Ok(address) => Ok(see_other(&address, Vec::new())),
            Err(error) => self.tell(error, known),
        }
    }

    /// Tells the client.
    fn tell(&self, error: Error, known: &Known) -> Result<Response, Error> {
        let (error, problem) = error.into_oauth();
        if let Some(problem) = problem {
            tracing::error!(
                code = problem.code(),
                cause = problem.private_chain(),
                "an authorization failed"
            );
        }
        Ok(see_other(&self.service.error_address(&self.cx, known, &error)?, Vec::new()))
    }

    /// Tells the person, because nobody else may be told.
    fn fail(&self, error: Error) -> Response {
        let (error, problem) = error.into_oauth();
        let mut status = StatusCode::BAD_REQUEST;
        if let Some(problem) = problem {
            status = web::failure::status(problem.kind());
            tracing::error!(
                code = problem.code(),
                cause = problem.private_chain(),
                "an authorization failed"
            );
        }
        match self.cx.tenant() {
            Ok(tenant) => pages::error_page(tenant, self.language(None), status, &error),
            Err(failed) => axum::response::IntoResponse::into_response(Failure::from(failed)),
        }
    }

    fn language(&self, ui_locales: Option<&str>) -> Language {
        pages::language(ui_locales, &self.headers, &self.info)
    }
}
