//! The authorization endpoint: who is there, do they agree, and the code that follows.
//!
//! A new sign-in that a client asks for (`prompt=login`, `max_age`) must not loop: the way back from the
//! sign-in page carries the instant at which it was asked for, sealed; a session that began no earlier
//! satisfies it.

pub mod http;

use std::sync::Arc;

use authn::{ACR_PASSWORD, Session, SessionActor};
use authz::{Actor, Cx, Event, Purpose, Target};
use base::Timestamp;
use web::Pairs;

use crate::Service;
use crate::bearer::BearerError;
use crate::clients::{Client, ClientStatus};
use crate::endpoints::consents;
use crate::error::Result;
use crate::grants::{CODE_SECONDS, Code, store};
use crate::protocol::authorize::REAUTH;
use crate::protocol::{Addressed, AuthorizeRequest, ErrorCode, OAuthError, redirect};

/// How long the way back from the sign-in page stays good, in seconds.
const REAUTH_SECONDS: i64 = 1800;

/// A request whose client and address are good: everything else is told the client.
pub(crate) struct Known {
    pub(crate) client: Arc<Client>,
    pub(crate) redirect_uri: String,
    pub(crate) pairs: Pairs,
    /// The query as it stands, for ways back and for the consent form.
    pub(crate) query: String,
}

/// What happens next.
pub(crate) enum Next {
    /// The person signs in and comes back.
    SignIn {
        /// Also where somebody is signed in already.
        reauth: bool,
    },
    /// The person changes the password and comes back.
    ChangePassword,
    /// The person is asked.
    Consent(AuthorizeRequest, Box<SessionActor>),
    /// The client gets its code.
    Issue(AuthorizeRequest, Box<SessionActor>),
}

impl Service {
    /// Finds the client and matches the address. Fails with what only the person may be told.
    pub(crate) async fn known(&self, cx: &Cx, query: &str) -> Result<Known> {
        let pairs =
            Pairs::parse(query.as_bytes()).map_err(|error| OAuthError::invalid_request(error.to_string()))?;
        let addressed = Addressed::parse(&pairs)?;
        let client = self.find_by_name(cx, &addressed.client_id).await?;
        let refused = || OAuthError::new(ErrorCode::InvalidClient, "the application is unknown or disabled");
        let client = client.filter(|c| c.status == ClientStatus::Active).ok_or_else(refused)?;
        if !cx.tenant()?.active {
            return Err(OAuthError::tenant_disabled().into());
        }
        if !client.matches_redirect(&addressed.redirect_uri) {
            return Err(
                OAuthError::invalid_request("`redirect_uri` is not registered for this application").into()
            );
        }
        Ok(Known { client, redirect_uri: addressed.redirect_uri, pairs, query: query.to_owned() })
    }

    /// Decides what happens next. Fails with what the client is told by redirect.
    pub(crate) async fn next(&self, cx: &Cx, known: &Known, session: Option<SessionActor>) -> Result<Next> {
        let request = AuthorizeRequest::parse(&known.pairs)?;
        let client = &known.client;
        if !client.may("authorization_code") {
            return Err(OAuthError::new(
                ErrorCode::UnauthorizedClient,
                "the client may not use authorization_code",
            )
            .into());
        }
        if let Some(name) = request.scopes.beyond(&client.scopes) {
            return Err(OAuthError::new(
                ErrorCode::InvalidScope,
                format!("the client may not ask for `{name}`"),
            )
            .into());
        }
        let hinted = self.hinted_subject(cx, client, request.id_token_hint.as_deref()).await?;
        let none = request.prompt.none;
        let Some(found) = session else {
            return if none { Err(login_required()) } else { Ok(Next::SignIn { reauth: false }) };
        };
        let again = self.signed_in_again(cx, client, &request, &found.session);
        let stale = request.prompt.login
            || is_older(&found.session, request.max_age, cx.now())
            || would_raise(&found.session, &request.acr_values);
        let other = hinted.is_some_and(|subject| subject != found.session.user_id.as_str());
        if (stale || other) && !again {
            return if none { Err(login_required()) } else { Ok(Next::SignIn { reauth: true }) };
        }
        // Somebody else signed in than the client expects: it is told, instead of asking for ever.
        if other {
            return Err(login_required());
        }
        if found.session.must_change_password {
            let text = "the person must change the password first";
            return if none {
                Err(OAuthError::new(ErrorCode::InteractionRequired, text).into())
            } else {
                Ok(Next::ChangePassword)
            };
        }
        let asks = client.require_consent || client.is_built_in();
        let covered = !asks
            || (!client.is_built_in()
                && consents::covers(cx, &found.session.user_id, client, &request.scopes).await?);
        if covered && !request.prompt.consent {
            return Ok(Next::Issue(request, Box::new(found)));
        }
        if none {
            return Err(OAuthError::new(ErrorCode::ConsentRequired, "the person must be asked").into());
        }
        Ok(Next::Consent(request, Box::new(found)))
    }

    /// Whom an `id_token_hint` names. Fails with `invalid_request` for one that is not ours or is another
    /// client's; an expired one is still a hint.
    async fn hinted_subject(&self, cx: &Cx, client: &Client, hint: Option<&str>) -> Result<Option<String>> {
        let Some(hint) = hint else { return Ok(None) };
        let refused = || OAuthError::invalid_request("`id_token_hint` is no ID token of this client");
        match self.read_hint(cx.tenant()?, hint).await {
            Ok(read) if read.client_id == client.client_id => Ok(Some(read.subject)),
            Ok(_) | Err(BearerError::Invalid) => Err(refused().into()),
            Err(BearerError::Disabled) => Err(OAuthError::tenant_disabled().into()),
            Err(BearerError::Failed(problem)) => Err(problem.into()),
        }
    }

    /// Makes the code and the address that carries it.
    pub(crate) async fn issue_code(
        &self,
        cx: &Cx,
        known: &Known,
        request: &AuthorizeRequest,
        session: &Session,
        actor: Actor,
        consented: bool,
    ) -> Result<String> {
        let cx = &cx.with_actor(actor);
        let tenant = cx.tenant()?.clone();
        let text = cx.fresh_token();
        let now = cx.now();
        let code = Code {
            digest: self.code_digest(&text),
            client_id: known.client.id.clone(),
            user_id: session.user_id.clone(),
            session_id: session.id.clone(),
            grant_id: None,
            redirect_uri: known.redirect_uri.clone(),
            scopes: request.scopes.as_slice().to_vec(),
            nonce: request.nonce.clone(),
            code_challenge: request.challenge.as_str().to_owned(),
            auth_time: session.auth_time,
            acr: session.acr.clone(),
            amr: session.amr.clone(),
            expires_at: now.plus_seconds(CODE_SECONDS),
            used_at: None,
        };
        let permit = cx.purpose(Purpose::Authorization);
        let mut tx = cx.write(&permit).await?;
        let name = Target::member(&known.client.id).name(Some(tenant.id.as_str()));
        let details = serde_json::json!({ "client_id": known.client.client_id, "scopes": code.scopes });
        if consented && !known.client.is_built_in() {
            consents::grant_in(cx, &mut tx, &session.user_id, &known.client, &code.scopes).await?;
        }
        if consented {
            tx.record(&permit, Event::done("consent.granted", &name).details(details.clone()));
        }
        store::insert_code(&mut tx, &tenant.id, &code, now).await?;
        tx.record(&permit, Event::done("code.issued", &name).details(details));
        tx.commit().await?;
        let mut parameters = vec![("code", text.as_str())];
        if let Some(state) = &request.state {
            parameters.push(("state", state));
        }
        // RFC 9207 section 2: against mix-up.
        parameters.push(("iss", &tenant.issuer));
        Ok(redirect::with_parameters(&known.redirect_uri, &parameters))
    }

    /// The address that tells the client an error.
    pub(crate) fn error_address(&self, cx: &Cx, known: &Known, error: &OAuthError) -> Result<String> {
        let state = AuthorizeRequest::state_of(&known.pairs);
        let mut parameters =
            vec![("error", error.code.as_str()), ("error_description", error.description.as_str())];
        if let Some(state) = &state {
            parameters.push(("state", state));
        }
        let issuer = &cx.tenant()?.issuer;
        parameters.push(("iss", issuer));
        Ok(redirect::with_parameters(&known.redirect_uri, &parameters))
    }

    /// The way back to this request from the sign-in page, with the instant at which that was asked for.
    pub(crate) fn way_back(&self, cx: &Cx, known: &Known) -> Result<String> {
        let tenant = cx.tenant()?;
        let mut query = web_query(known.pairs.iter().filter(|(name, _)| *name != REAUTH));
        let at = cx.now().as_micros().to_string();
        query.append_pair(REAUTH, &format!("{at}.{}", self.seal_reauth(cx, &known.client, &at)?));
        Ok(format!("/t/{}/oauth/authorize?{}", tenant.code, query.finish()))
    }

    fn seal_reauth(&self, cx: &Cx, client: &Client, at: &str) -> Result<String> {
        let tenant = cx.tenant()?;
        Ok(self.0.kms.digest("sign-in asked for", &format!("{}\n{}\n{at}", tenant.id, client.id)))
    }

    /// Whether the session began after we asked for it.
    fn signed_in_again(
        &self,
        cx: &Cx,
        client: &Client,
        request: &AuthorizeRequest,
        session: &Session,
    ) -> bool {
        let Some((at, seal)) = request.reauth.as_deref().and_then(|text| text.split_once('.')) else {
            return false;
        };
        let Ok(expected) = self.seal_reauth(cx, client, at) else { return false };
        if aws_lc_rs::constant_time::verify_slices_are_equal(expected.as_bytes(), seal.as_bytes()).is_err() {
            return false;
        }
        let Ok(asked) = at.parse::<i64>().map(Timestamp::from_micros) else { return false };
        session.auth_time >= asked && cx.now() <= asked.plus_seconds(REAUTH_SECONDS)
    }
}

fn login_required() -> crate::Error {
    OAuthError::new(ErrorCode::LoginRequired, "the person must sign in").into()
}

fn is_older(session: &Session, max_age: Option<i64>, now: Timestamp) -> bool {
    max_age.is_some_and(|seconds| session.auth_time.plus_seconds(seconds) < now)
}

/// Whether a new sign-in would give a class that the client prefers and that the session lacks.
///
/// OpenID Connect Core section 3.1.2.1: "The acr Claim is requested as a Voluntary Claim by this
/// parameter": a class that no sign-in gives is not asked for, and the ID token says what was reached.
fn would_raise(session: &Session, acr_values: &[String]) -> bool {
    acr_values.iter().any(|wanted| wanted == ACR_PASSWORD)
        && !acr_values.iter().any(|wanted| Some(wanted) == session.acr.as_ref())
}

pub(crate) fn web_query<'a>(
    pairs: impl Iterator<Item = (&'a str, &'a str)>,
) -> url::form_urlencoded::Serializer<'static, String> {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in pairs {
        query.append_pair(name, value);
    }
    query
}
