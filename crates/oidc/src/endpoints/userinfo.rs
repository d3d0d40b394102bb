//! Claims about the person of an access token (OpenID Connect Core section 5.3).

use authz::{Actor, Cx, Purpose};
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Service;
use crate::bearer::BearerError;
use crate::endpoints::answers::{ErrorBody, answer, refuse};
use crate::error::{Error, Result};
use crate::protocol::{ErrorCode, OAuthError, bearer_token, scope};

pub(crate) fn routes(service: Service) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(userinfo)).routes(routes!(userinfo_by_post)).with_state(service)
}

/// Claims about the person of the access token, by its scopes.
#[utoipa::path(
    get, path = "/oauth/userinfo", tag = "oauth", operation_id = "oauth_userinfo",
    responses(
        (status = 200, body = serde_json::Value, description = "`sub`, and the claims of the scopes"),
        (status = 401, body = ErrorBody, description = "No valid access token"),
        (status = 403, body = ErrorBody, description = "The token lacks the scope `openid`, or the tenant is switched off"),
    )
)]
async fn userinfo(State(service): State<Service>, cx: Cx, headers: HeaderMap) -> Response {
    match service.userinfo(&cx, &headers).await {
        Ok(claims) => answer(StatusCode::OK, &claims),
        Err(error) => refuse(error),
    }
}

/// The same by POST; the token stands in the header there too.
#[utoipa::path(
    post, path = "/oauth/userinfo", tag = "oauth", operation_id = "oauth_userinfo_by_post",
    responses(
        (status = 200, body = serde_json::Value, description = "`sub`, and the claims of the scopes"),
        (status = 401, body = ErrorBody, description = "No valid access token"),
        (status = 403, body = ErrorBody, description = "The token lacks the scope `openid`, or the tenant is switched off"),
    )
)]
async fn userinfo_by_post(State(service): State<Service>, cx: Cx, headers: HeaderMap) -> Response {
    match service.userinfo(&cx, &headers).await {
        Ok(claims) => answer(StatusCode::OK, &claims),
        Err(error) => refuse(error),
    }
}

impl Service {
    async fn userinfo(&self, cx: &Cx, headers: &HeaderMap) -> Result<Value> {
        let invalid = || {
            OAuthError::new(
                ErrorCode::InvalidToken,
                "the access token is missing, invalid, expired or revoked",
            )
        };
        let token = bearer_token(headers).map_err(|_| invalid())?.ok_or_else(invalid)?;
        let bearer = match self.bearer(Some(cx.tenant()?), token).await {
            Ok(bearer) => bearer,
            Err(BearerError::Invalid) => return Err(invalid().into()),
            Err(BearerError::Disabled) => return Err(OAuthError::tenant_disabled().into()),
            Err(BearerError::Failed(problem)) => return Err(Error::Problem(problem)),
        };
        let Actor::User { id, .. } = &*bearer.actor else { return Err(invalid().into()) };
        let has = |name: &str| bearer.scopes.iter().any(|known| known == name);
        if !has(scope::OPENID) {
            return Err(
                OAuthError::new(ErrorCode::InsufficientScope, "the token lacks the scope `openid`").into()
            );
        }
        let permit = cx.purpose(Purpose::Resolve);
        let profile = directory::users::profile(cx, &permit, id).await.map_err(base::Problem::from)?;
        let profile = profile.ok_or_else(invalid)?;
        let mut claims = Map::new();
        // A claim without a value is left out: section 5.3.2, "If a Claim is not returned, that Claim Name
        // SHOULD be omitted from the JSON object".
        let mut put = |name: &str, value: Value| {
            if !value.is_null() {
                claims.insert(name.to_owned(), value);
            }
        };
        put("sub", id.as_str().into());
        if has("profile") {
            put("name", profile.name.into());
            put("given_name", profile.given_name.into());
            put("family_name", profile.family_name.into());
            put("preferred_username", profile.preferred_username.into());
            put("picture", profile.picture.into());
            put("locale", profile.locale.into());
            put("zoneinfo", profile.zoneinfo.into());
            put("updated_at", profile.updated_at.as_seconds().into());
        }
        if has("email") && profile.email.is_some() {
            put("email", profile.email.into());
            put("email_verified", profile.email_verified.into());
        }
        if has("phone") && profile.phone_number.is_some() {
            put("phone_number", profile.phone_number.into());
            put("phone_number_verified", profile.phone_number_verified.into());
        }
        Ok(Value::Object(claims))
    }
}
