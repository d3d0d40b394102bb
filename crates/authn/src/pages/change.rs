//! The page that changes one's own password, by choice or because it is required.

use askama::Template;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use web::{FormBody, see_other};

use super::visit::{Frame, Person, Refused, Visit};
use super::words;
use crate::{Error, config_of, secret};

const PURPOSE: &str = "change-password";

#[derive(Template)]
#[template(path = "change_password.html")]
struct ChangePage {
    page: Frame,
    action: String,
    csrf: String,
    username: String,
    required: bool,
    rules: String,
}

pub(super) async fn form(visit: Visit) -> Response {
    match visit.person() {
        Some(person) => show(&visit, &person, StatusCode::OK, Vec::new(), None),
        None => visit.to_sign_in("/change-password"),
    }
}

pub(super) async fn submit(visit: Visit, body: Result<FormBody, web::Failure>) -> Response {
    let Some(person) = visit.person() else { return visit.to_sign_in("/change-password") };
    let Ok(FormBody(pairs)) = body else {
        return visit.refuse(&Refused::new(StatusCode::BAD_REQUEST, visit.words().bad_request));
    };
    let return_to = match visit.return_to() {
        Ok(found) => found.map(str::to_owned),
        Err(refused) => return visit.refuse(&refused),
    };
    let again = |status, messages| show(&visit, &person, status, messages, None);
    if !visit.service.is_guarded(&visit.tenant, &visit.headers, &visit.info, PURPOSE, pairs.get("csrf")) {
        return again(StatusCode::FORBIDDEN, vec![visit.words().stale_form.to_owned()]);
    }
    let get = |name| secret(pairs.get(name).unwrap_or_default());
    let new = get("new_password");
    if new.expose() != get("new_password_again").expose() {
        return again(StatusCode::UNPROCESSABLE_ENTITY, vec![visit.words().not_the_same.to_owned()]);
    }
    match visit.service.change_own_password(&visit.cx, get("current_password"), new).await {
        Ok(changed) => {
            let next = return_to.unwrap_or_else(|| format!("{}?changed=1", visit.base()));
            see_other(&next, changed.cookie.into_iter().collect())
        }
        Err(Error::Weak(found)) => {
            let texts = found.into_iter().map(|weakness| sentence(&visit, weakness)).collect();
            again(StatusCode::UNPROCESSABLE_ENTITY, texts)
        }
        Err(error) => {
            let refused = visit.explain(error);
            show(&visit, &person, refused.status, vec![refused.message], refused.retry_after_seconds)
        }
    }
}

/// A rule that was broken, with what it is about.
pub(super) fn sentence(visit: &Visit, weakness: crate::passwords::Weakness) -> String {
    let w = visit.words();
    format!("{}{}{}", w.new_password, w.colon, weakness.text(visit.language))
}

/// The line that says what a new password must be.
pub(super) fn rules(visit: &Visit) -> String {
    let length_min = config_of(&visit.tenant).map_or(0, |config| config.password_policy.min_length);
    words::rules(visit.language, length_min)
}

fn show(
    visit: &Visit,
    person: &Person,
    status: StatusCode,
    messages: Vec<String>,
    retry_after_seconds: Option<u32>,
) -> Response {
    if let Err(refused) = visit.return_to() {
        return visit.refuse(&refused);
    }
    let guard = match visit.service.guard(&visit.tenant, &visit.headers) {
        Ok(guard) => guard,
        Err(problem) => return visit.refuse(&visit.explain(Error::Bug(problem))),
    };
    let page = ChangePage {
        page: visit.frame("change-password", messages),
        action: format!("{}/change-password{}", visit.base(), visit.way_back()),
        csrf: guard.token(PURPOSE),
        username: person.username.clone(),
        required: person.must_change,
        rules: rules(visit),
    };
    let mut response = visit.show(status, &page, guard.cookie);
    if let Some(seconds) = retry_after_seconds {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
