//! `POST /oauth/token` (RFC 6749 section 3.2).

use authz::Cx;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use web::{Failure, FormBody};

use super::TokenAnswer;
use crate::Service;
use crate::endpoints::answers::{ErrorBody, answer, refuse, unique_form};
use crate::error::Error;
use crate::protocol::{TokenRequest, presented_client};

pub(crate) fn routes(service: Service) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(token)).with_state(service)
}

/// Exchanges an authorization code, a refresh token or a client's credentials for tokens.
#[utoipa::path(
    post, path = "/oauth/token", tag = "oauth", operation_id = "oauth_token",
    request_body(content_type = "application/x-www-form-urlencoded", content = String,
        description = "`grant_type` and its parameters, by RFC 6749; each at most once."),
    responses(
        (status = 200, body = TokenAnswer),
        (status = 400, body = ErrorBody, description = "RFC 6749 section 5.2"),
        (status = 401, body = ErrorBody, description = "The client did not prove who it is"),
        (status = 429, body = ErrorBody, description = "Too many wrong secrets"),
        (status = 503, body = ErrorBody, description = "Busy; try again"),
    )
)]
async fn token(
    State(service): State<Service>,
    cx: Cx,
    headers: HeaderMap,
    form: Result<FormBody, Failure>,
) -> Response {
    match run(&service, &cx, &headers, form).await {
        Ok(tokens) => answer(StatusCode::OK, &tokens),
        Err(error) => refuse(error),
    }
}

async fn run(
    service: &Service,
    cx: &Cx,
    headers: &HeaderMap,
    form: Result<FormBody, Failure>,
) -> Result<TokenAnswer, Error> {
    let pairs = unique_form(form)?;
    let presented = presented_client(headers, &pairs)?;
    let request = TokenRequest::parse(&pairs)?;
    service.exchange(cx, &presented, request).await
}
