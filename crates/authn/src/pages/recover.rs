//! The page behind a one-time link.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use web::{FormBody, see_other};

use super::change::{rules, sentence};
use super::visit::{Frame, Refused, Visit};
use crate::{Error, secret};

const PURPOSE: &str = "recover";

#[derive(Template)]
#[template(path = "recover.html")]
struct RecoverPage {
    page: Frame,
    csrf: String,
    token: String,
    username: String,
    rules: String,
}

/// Shows the form; looking at a link does not use it up.
pub(super) async fn form(visit: Visit) -> Response {
    let token = visit.query.get("token").unwrap_or_default().to_owned();
    show(&visit, &token, StatusCode::OK, Vec::new()).await
}

pub(super) async fn submit(visit: Visit, body: Result<FormBody, web::Failure>) -> Response {
    let Ok(FormBody(pairs)) = body else {
        return visit.refuse(&Refused::new(StatusCode::BAD_REQUEST, visit.words().bad_request));
    };
    let token = pairs.get("token").unwrap_or_default();
    if !visit.service.is_guarded(&visit.tenant, &visit.headers, &visit.info, PURPOSE, pairs.get("csrf")) {
        return show(&visit, token, StatusCode::FORBIDDEN, vec![visit.words().stale_form.to_owned()]).await;
    }
    let new = secret(pairs.get("new_password").unwrap_or_default());
    if new.expose() != pairs.get("new_password_again").unwrap_or_default() {
        let texts = vec![visit.words().not_the_same.to_owned()];
        return show(&visit, token, StatusCode::UNPROCESSABLE_ENTITY, texts).await;
    }
    match visit.service.recover(&visit.cx, token, new).await {
        Ok(()) => see_other(&format!("{}/sign-in", visit.base()), Vec::new()),
        Err(Error::Weak(found)) => {
            let texts = found.into_iter().map(|weakness| sentence(&visit, weakness)).collect();
            show(&visit, token, StatusCode::UNPROCESSABLE_ENTITY, texts).await
        }
        Err(error) => visit.refuse(&visit.explain(error)),
    }
}

async fn show(visit: &Visit, token: &str, status: StatusCode, messages: Vec<String>) -> Response {
    let account = match visit.service.look_at_link(&visit.cx, token).await {
        Ok(account) => account,
        Err(error) => return visit.refuse(&visit.explain(error)),
    };
    let guard = match visit.service.guard(&visit.tenant, &visit.headers) {
        Ok(guard) => guard,
        Err(problem) => return visit.refuse(&visit.explain(Error::Bug(problem))),
    };
    let mut frame = visit.frame("recover", messages);
    if visit.query.get("token").is_none() {
        // The answer to the form: its address alone would show nothing in another language.
        frame.other_href = String::new();
    }
    let page = RecoverPage {
        page: frame,
        csrf: guard.token(PURPOSE),
        token: token.to_owned(),
        username: account.username,
        rules: rules(visit),
    };
    visit.show(status, &page, guard.cookie)
}
