//! What a token is worth (RFC 7662), and giving one back (RFC 7009).
//!
//! Who may ask: a confidential client of the tenant, about tokens that were issued to it or that name it
//! (its `client_id` or one of its own audiences) in their audience. Every other token is `active: false`
//! to it, as one that does not exist; nothing that is sent as a token is ever an error.

use std::sync::Arc;

use authz::{Change, Cx, Event, Purpose, Target};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use base::Timestamp;
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use web::{Failure, FormBody, Pairs};

use crate::Service;
use crate::bearer::BearerError;
use crate::clients::Client;
use crate::endpoints::answers::{ErrorBody, answer, refuse, unique_form};
use crate::error::{Error, Result};
use crate::grants::store;
use crate::grants::{ACCESS, FoundToken, REFRESH, revoke_in};
use crate::protocol::{OAuthError, Scopes, presented_client};

pub(crate) fn routes(service: Service) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(introspect)).routes(routes!(revoke)).with_state(service)
}

/// What the asking client may know (RFC 7662 section 2.2).
#[derive(Debug, Default, Serialize, utoipa::ToSchema)]
pub(crate) struct Introspection {
    /// Whether the token is worth anything now.
    active: bool,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    /// The public name of the client it was issued to.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    /// The person's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    /// `Bearer` for an access token.
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'static str>,
    /// When it ends, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
    /// When it was issued, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<i64>,
    /// Whom it speaks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<String>,
    /// Whom it is for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    aud: Vec<String>,
    /// Who issued it.
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<String>,
    /// Its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
    /// How the person signed in (RFC 9470 section 6.2).
    #[serde(skip_serializing_if = "Option::is_none")]
    acr: Option<String>,
    /// When the person signed in, in seconds since 1970 (RFC 9470 section 6.2).
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_time: Option<i64>,
}

/// Says what a token is worth.
#[utoipa::path(
    post, path = "/oauth/introspect", tag = "oauth", operation_id = "oauth_introspect",
    request_body(content_type = "application/x-www-form-urlencoded", content = String,
        description = "`token`, and the client's credentials where not in the header (RFC 7662)."),
    responses(
        (status = 200, body = Introspection),
        (status = 400, body = ErrorBody, description = "No `token`, or a parameter twice"),
        (status = 401, body = ErrorBody, description = "The client did not prove who it is"),
    )
)]
async fn introspect(
    State(service): State<Service>,
    cx: Cx,
    headers: HeaderMap,
    form: std::result::Result<FormBody, Failure>,
) -> Response {
    match service.introspection(&cx, &headers, form).await {
        Ok(found) => answer(StatusCode::OK, &found),
        Err(error) => refuse(error),
    }
}

/// Gives a token back: an access token by itself, a refresh token with its whole family.
#[utoipa::path(
    post, path = "/oauth/revoke", tag = "oauth", operation_id = "oauth_revoke",
    request_body(content_type = "application/x-www-form-urlencoded", content = String,
        description = "`token`, and the client's credentials where not in the header (RFC 7009)."),
    responses(
        (status = 200, description = "The token is worth nothing now, if it ever was"),
        (status = 400, body = ErrorBody, description = "No `token`, or a parameter twice"),
        (status = 401, body = ErrorBody, description = "The client did not prove who it is"),
    )
)]
async fn revoke(
    State(service): State<Service>,
    cx: Cx,
    headers: HeaderMap,
    form: std::result::Result<FormBody, Failure>,
) -> Response {
    match service.revocation(&cx, &headers, form).await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(error) => refuse(error),
    }
}

/// A token that was found, with what only the token itself says.
struct Known {
    found: FoundToken,
    client_name: Option<String>,
    jti: Option<String>,
}

impl Service {
    async fn introspection(
        &self,
        cx: &Cx,
        headers: &HeaderMap,
        form: std::result::Result<FormBody, Failure>,
    ) -> Result<Introspection> {
        let (client, token) = self.asking(cx, headers, form).await?;
        // RFC 7662 section 2.1: "the authorization server MUST require authorization": a public client
        // proves nothing.
        if !client.is_confidential() {
            return Err(OAuthError::invalid_client().into());
        }
        let Some(known) = self.known_token(cx, &token).await? else { return Ok(Introspection::default()) };
        let found = &known.found;
        let named = found.audience.iter().any(|a| *a == client.client_id || client.audience.contains(a));
        if !found.is_live(cx.now()) || !(found.belongs_to(&client.id) || named) || !cx.tenant()?.active {
            return Ok(Introspection::default());
        }
        let sub = found
            .person
            .as_ref()
            .map(|p| p.id.to_string())
            .or_else(|| found.client_id.as_ref().map(ToString::to_string));
        Ok(Introspection {
            active: true,
            scope: Some(Scopes::from_stored(found.scopes.clone()).to_string()),
            client_id: known
                .client_name
                .or_else(|| found.belongs_to(&client.id).then(|| client.client_id.clone())),
            username: found.person.as_ref().map(|person| person.username.clone()),
            token_type: (found.kind == ACCESS).then_some("Bearer"),
            exp: Some(found.expires_at.as_seconds()),
            iat: Some(found.issued_at.as_seconds()),
            sub,
            aud: found.audience.clone(),
            iss: Some(cx.tenant()?.issuer.clone()),
            jti: known.jti,
            acr: found.grant.as_ref().and_then(|grant| grant.acr.clone()),
            auth_time: found.grant.as_ref().and_then(|grant| grant.auth_time).map(Timestamp::as_seconds),
        })
    }

    async fn revocation(
        &self,
        cx: &Cx,
        headers: &HeaderMap,
        form: std::result::Result<FormBody, Failure>,
    ) -> Result<()> {
        let (client, token) = self.asking(cx, headers, form).await?;
        let cx = &cx.with_actor(crate::token::as_actor(cx, &client)?);
        // RFC 7009 section 2.2: "invalid tokens do not cause an error response"; another client's token is
        // as good as none.
        let Some(known) =
            self.known_token(cx, &token).await?.filter(|known| known.found.belongs_to(&client.id))
        else {
            return Ok(());
        };
        let permit = cx.purpose(Purpose::TokenExchange);
        let mut tx = cx.write(&permit).await?;
        let tenant = cx.tenant()?.id.clone();
        match &known.found.grant {
            Some(grant) if known.found.kind == REFRESH => {
                if grant.active {
                    revoke_in(cx, &mut tx, &permit, &grant.id, "token.revoked", "client").await?;
                    tx.commit().await?;
                }
            }
            _ => {
                if store::revoke_token(&mut tx, &tenant, &known.found.id).await? {
                    let name = Target::member(&known.found.id).name(Some(tenant.as_str()));
                    tx.record(&permit, Event::done("token.revoked", name));
                    tx.decisions_change(&permit, Change::Nothing);
                    tx.commit().await?;
                }
            }
        }
        Ok(())
    }

    /// The client that asks and the token that it asks about.
    async fn asking(
        &self,
        cx: &Cx,
        headers: &HeaderMap,
        form: std::result::Result<FormBody, Failure>,
    ) -> Result<(Arc<Client>, String)> {
        let pairs: Pairs = unique_form(form)?;
        let presented = presented_client(headers, &pairs)?;
        let client = self.authenticate(cx, &presented).await?;
        let token = pairs.get("token").ok_or_else(|| OAuthError::invalid_request("`token` is missing"))?;
        Ok((client, token.to_owned()))
    }

    /// Finds the row of whatever was sent: a signed access token, or an opaque refresh token.
    async fn known_token(&self, cx: &Cx, token: &str) -> Result<Option<Known>> {
        let tenant = cx.tenant()?.clone();
        let permit = cx.purpose(Purpose::Resolve);
        if token.contains('.') {
            let claims = match self.verify_own_token(&tenant, token, "at+jwt").await {
                Ok(claims) => claims,
                Err(BearerError::Invalid | BearerError::Disabled) => return Ok(None),
                Err(BearerError::Failed(problem)) => return Err(Error::Problem(problem)),
            };
            let Some(jti) = claims.str("jti") else { return Ok(None) };
            let mut rx = cx.read(&permit).await?;
            let found = store::find_token(&mut rx, &tenant.id, &self.token_digest(jti), ACCESS).await?;
            let client_name = claims.str("client_id").map(str::to_owned);
            return Ok(found.map(|found| Known { found, client_name, jti: Some(jti.to_owned()) }));
        }
        let mut rx = cx.read(&permit).await?;
        let found = store::find_token(&mut rx, &tenant.id, &self.token_digest(token), REFRESH).await?;
        Ok(found.map(|found| Known { found, client_name: None, jti: None }))
    }
}
