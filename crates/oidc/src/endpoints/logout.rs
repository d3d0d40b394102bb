//! Signing out at a client's request (OpenID Connect RP-Initiated Logout 1.0).
//!
//! With an ID token of the running session the session ends at once; otherwise the person is asked, so
//! that no other site can sign anybody out. INVARIANT: a browser is only sent on to an address that the
//! client has registered, byte by byte.

use askama::Template;
use authn::{Session, SessionActor};
use authz::{Cx, Place, TenantRef};
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, StatusCode};
use jose::{Rules, verify_compact};
use std::sync::Arc;
use utoipa_axum::router::OpenApiRouter;
use web::{Failure, FormBody, Info, Pairs, RequestInfo, see_other};

use crate::Service;
use crate::authorize::web_query;
use crate::bearer::BearerError;
use crate::endpoints::answers::unique_form;
use crate::error::{Error, Result};
use crate::pages::{self, Frame, Message};
use crate::protocol::{OAuthError, redirect};

/// The longest `state`, in bytes.
const STATE_BYTES_MAX: usize = 2048;

/// What an ID token of ours says, perhaps after it has expired.
pub(crate) struct Hint {
    pub(crate) client_id: String,
    pub(crate) subject: String,
    pub(crate) sid: Option<String>,
}

pub(crate) fn routes(service: Service) -> OpenApiRouter {
    OpenApiRouter::new().route("/oauth/logout", get(by_query).post(by_form)).with_state(service)
}

#[derive(Template)]
#[template(path = "sign_out.html")]
struct SignOutPage {
    page: Frame,
    username: String,
    csrf: String,
    request: String,
}

struct Visit {
    service: Service,
    cx: Cx,
    headers: HeaderMap,
    info: Arc<RequestInfo>,
}

async fn by_query(
    State(service): State<Service>,
    cx: Cx,
    Info(info): Info,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let visit = Visit { service, cx, headers, info };
    visit.logout(&query.unwrap_or_default(), false).await.unwrap_or_else(|error| visit.fail(error))
}

/// The client's request by form, or the person's answer to our page.
async fn by_form(
    State(service): State<Service>,
    cx: Cx,
    Info(info): Info,
    headers: HeaderMap,
    form: std::result::Result<FormBody, Failure>,
) -> Response {
    let visit = Visit { service, cx, headers, info };
    visit.form(form).await.unwrap_or_else(|error| visit.fail(error))
}

fn purpose(query: &str) -> String {
    format!("sign out for a client\n{query}")
}

/// What a client asks for, checked.
struct Asked {
    hint: Option<Hint>,
    /// Where the browser goes afterwards.
    address: Option<String>,
}

impl Service {
    /// Reads an ID token of this tenant as a hint: its signature and issuer must be good, its time need
    /// not be (RP-Initiated Logout section 2: "The OP SHOULD accept ID Tokens when the RP identified by the
    /// ID Token's aud claim and/or sid claim has a current session or had a recent session at the OP, even
    /// when the exp time has passed").
    pub(crate) async fn read_hint(
        &self,
        tenant: &Arc<TenantRef>,
        token: &str,
    ) -> std::result::Result<Hint, BearerError> {
        let cx = self.core().system(Place::Tenant(tenant.clone()));
        let set = self.keys().set(&cx).await?;
        let verified = verify_compact(token, |kid| set.verifying(kid, cx.now()), &Rules::new("JWT"))
            .map_err(|_| BearerError::Invalid)?;
        let claims = verified.into_unvalidated_claims();
        if claims.str("iss") != Some(tenant.issuer.as_str()) {
            return Err(BearerError::Invalid);
        }
        let text = |name: &str| claims.str(name).map(str::to_owned).ok_or(BearerError::Invalid);
        Ok(Hint { client_id: text("aud")?, subject: text("sub")?, sid: claims.str("sid").map(str::to_owned) })
    }
}

impl Visit {
    async fn form(&self, form: std::result::Result<FormBody, Failure>) -> Result<Response> {
        let pairs = unique_form(form)?;
        let tenant = self.cx.tenant()?;
        if pairs.get("decision").is_none() {
            // The session's cookie does not come with a form from another site: the same again by query.
            let query = web_query(pairs.iter()).finish();
            return Ok(see_other(&format!("/t/{}/oauth/logout?{query}", tenant.code), Vec::new()));
        }
        let query = pairs.get("request").unwrap_or_default();
        let guarded = self.service.0.authn.is_guarded(
            tenant,
            &self.headers,
            &self.info,
            &purpose(query),
            pairs.get("csrf"),
        );
        if !guarded || pairs.get("decision") != Some("sign_out") {
            return Ok(pages::stale_page(tenant, pages::language(None, &self.headers, &self.info)));
        }
        self.logout(query, true).await
    }

    async fn logout(&self, query: &str, confirmed: bool) -> Result<Response> {
        let pairs =
            Pairs::parse(query.as_bytes()).map_err(|error| OAuthError::invalid_request(error.to_string()))?;
        let pairs = pairs.unique(&[]).map_err(|error| OAuthError::invalid_request(error.to_string()))?;
        let asked = self.check(&pairs).await?;
        let tenant = self.cx.tenant()?;
        let session =
            self.service.0.authn.session_actor(tenant, &self.headers).await.map_err(base::Problem::from)?;
        let Some(found) = session else {
            // Nobody is signed in. Without proof that the client was, nobody is sent on either.
            let address = if asked.hint.is_some() || confirmed { asked.address } else { None };
            return Ok(self.leave(&pairs, address.as_deref(), Vec::new()));
        };
        if confirmed || asked.hint.as_ref().is_some_and(|hint| is_of(hint, &found.session)) {
            let SessionActor { actor, .. } = found;
            authn::sign_out(&self.cx.with_actor(actor)).await.map_err(base::Problem::from)?;
            let cookie = self.service.0.authn.clear_session_cookie(tenant)?;
            return Ok(self.leave(&pairs, asked.address.as_deref(), vec![cookie]));
        }
        let guard = self.service.0.authn.guard(tenant, &self.headers)?;
        let language = pages::language(pairs.get("ui_locales"), &self.headers, &self.info);
        let page = SignOutPage {
            page: Frame::new("sign-out", tenant, language),
            username: found.session.username,
            csrf: guard.token(&purpose(query)),
            request: query.to_owned(),
        };
        let target = asked.address.as_deref().and_then(redirect::form_target);
        Ok(pages::show(
            StatusCode::OK,
            &page,
            target.into_iter().collect(),
            guard.cookie.into_iter().collect(),
        ))
    }

    /// Fails with what the person is told: an address that is not the client's is never gone to.
    async fn check(&self, pairs: &Pairs) -> Result<Asked> {
        let tenant = self.cx.tenant()?;
        let hint = match pairs.get("id_token_hint") {
            None => None,
            Some(token) => match self.service.read_hint(tenant, token).await {
                Ok(hint) => Some(hint),
                Err(BearerError::Invalid) => {
                    return Err(
                        OAuthError::invalid_request("`id_token_hint` is no ID token of this tenant").into()
                    );
                }
                Err(BearerError::Disabled) => return Err(OAuthError::tenant_disabled().into()),
                Err(BearerError::Failed(problem)) => return Err(Error::Problem(problem)),
            },
        };
        let named = pairs.get("client_id");
        if let (Some(hint), Some(named)) = (&hint, named)
            && hint.client_id != named
        {
            return Err(
                OAuthError::invalid_request("`client_id` is not the client of `id_token_hint`").into()
            );
        }
        if pairs.get("state").is_some_and(|state| state.len() > STATE_BYTES_MAX) {
            return Err(OAuthError::invalid_request("`state` is too long").into());
        }
        let Some(address) = pairs.get("post_logout_redirect_uri") else {
            return Ok(Asked { hint, address: None });
        };
        let refused =
            || OAuthError::invalid_request("`post_logout_redirect_uri` is not registered for this client");
        let client_id = hint.as_ref().map(|hint| hint.client_id.as_str()).or(named).ok_or_else(refused)?;
        let client = self.service.find_by_name(&self.cx, client_id).await?.ok_or_else(refused)?;
        if !client.post_logout_redirect_uris.iter().any(|known| known == address) {
            return Err(refused().into());
        }
        Ok(Asked { hint, address: Some(address.to_owned()) })
    }

    /// Goes on to the client, or says that it is done.
    fn leave(&self, pairs: &Pairs, address: Option<&str>, cookies: Vec<http::HeaderValue>) -> Response {
        if let Some(address) = address {
            let parameters: Vec<_> = pairs.get("state").map(|state| ("state", state)).into_iter().collect();
            let target = if parameters.is_empty() {
                address.to_owned()
            } else {
                redirect::with_parameters(address, &parameters)
            };
            return see_other(&target, cookies);
        }
        let tenant = match self.cx.tenant() {
            Ok(tenant) => tenant,
            Err(error) => return Failure::from(error).into_response(),
        };
        let language = pages::language(pairs.get("ui_locales"), &self.headers, &self.info);
        let page = Frame::new("signed-out", tenant, language);
        let message = Message {
            title: page.w.signed_out,
            text: page.w.signed_out_text,
            problem: false,
            code: "",
            detail: String::new(),
            page,
        };
        pages::show(StatusCode::OK, &message, Vec::new(), cookies)
    }

    fn fail(&self, error: Error) -> Response {
        let (error, problem) = error.into_oauth();
        let mut status = StatusCode::BAD_REQUEST;
        if let Some(problem) = problem {
            status = web::failure::status(problem.kind());
            tracing::error!(code = problem.code(), cause = problem.private_chain(), "signing out failed");
        }
        match self.cx.tenant() {
            Ok(tenant) => {
                pages::error_page(tenant, pages::language(None, &self.headers, &self.info), status, &error)
            }
            Err(failed) => Failure::from(failed).into_response(),
        }
    }
}

fn is_of(hint: &Hint, session: &Session) -> bool {
    hint.subject == session.user_id.as_str()
        && hint.sid.as_deref().is_none_or(|sid| sid == session.id.as_str())
}
