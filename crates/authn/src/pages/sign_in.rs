//! The sign-in page.

use askama::Template;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use web::{FormBody, RequestInfo, see_other};

use super::visit::{Frame, Refused, Visit};
use crate::{Attempt, secret};

const PURPOSE: &str = "sign-in";

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    page: Frame,
    action: String,
    csrf: String,
    username: String,
    remember: bool,
}

/// What stays in the form when it is shown again: never the password.
#[derive(Default)]
struct Kept {
    username: String,
    remember: bool,
}

pub(super) async fn form(visit: Visit) -> Response {
    let username = visit.query.get("login_hint").unwrap_or_default().to_owned();
    show(&visit, StatusCode::OK, None, Kept { username, remember: false })
}

pub(super) async fn submit(visit: Visit, body: Result<FormBody, web::Failure>) -> Response {
    let Ok(FormBody(pairs)) = body else {
        return visit.refuse(&Refused::new(StatusCode::BAD_REQUEST, visit.words().bad_request));
    };
    let return_to = match visit.return_to() {
        Ok(found) => found.map(str::to_owned),
        Err(refused) => return visit.refuse(&refused),
    };
    let get = |name| pairs.get(name).unwrap_or_default().to_owned();
    let kept = Kept { username: get("username"), remember: pairs.get("remember").is_some() };
    if !visit.service.is_guarded(&visit.tenant, &visit.headers, &visit.info, PURPOSE, pairs.get("csrf")) {
        let refused = Refused::new(StatusCode::FORBIDDEN, visit.words().stale_form);
        return show(&visit, refused.status, Some(refused), kept);
    }
    let present = visit.service.session_actor(&visit.tenant, &visit.headers).await;
    let attempt = Attempt {
        username: kept.username.clone(),
        password: secret(&get("password")),
        remember: kept.remember,
        local: is_local(&visit.info),
        replaces: present.ok().flatten().map(|found| found.session),
    };
    let begun = match visit.service.sign_in(&visit.cx, attempt).await {
        Ok(begun) => begun,
        Err(error) => {
            let refused = visit.explain(error);
            return show(&visit, refused.status, Some(refused), kept);
        }
    };
    let cookie = match visit.service.session_cookie(&visit.tenant, &begun.token, begun.max_age_seconds) {
        Ok(cookie) => cookie,
        Err(problem) => return visit.refuse(&visit.explain(crate::Error::Bug(problem))),
    };
    let next = if begun.session.must_change_password {
        format!("{}/change-password{}", visit.base(), visit.way_back())
    } else {
        return_to.unwrap_or_else(|| visit.base())
    };
    see_other(&next, vec![cookie])
}

fn show(visit: &Visit, status: StatusCode, refused: Option<Refused>, kept: Kept) -> Response {
    if let Err(refused) = visit.return_to() {
        return visit.refuse(&refused);
    }
    let guard = match visit.service.guard(&visit.tenant, &visit.headers) {
        Ok(guard) => guard,
        Err(problem) => return visit.refuse(&visit.explain(crate::Error::Bug(problem))),
    };
    let retry_after_seconds = refused.as_ref().and_then(|refused| refused.retry_after_seconds);
    let page = SignInPage {
        page: visit.frame("sign-in", refused.map(|refused| refused.message).into_iter().collect()),
        action: format!("{}/sign-in{}", visit.base(), visit.way_back()),
        csrf: guard.token(PURPOSE),
        username: kept.username,
        remember: kept.remember,
    };
    let mut response = visit.show(status, &page, guard.cookie);
    if let Some(seconds) = retry_after_seconds {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Whether the request comes from this machine, to a loopback name, with no trace of a proxy.
fn is_local(info: &RequestInfo) -> bool {
    info.peer_is_loopback && !info.forwarded && web::hosts::is_loopback(&info.host)
}
