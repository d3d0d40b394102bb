//! The person's own page: who is signed in, where, and out again.

use askama::Template;
use authz::Purpose;
use axum::http::StatusCode;
use axum::response::Response;
use base::Timestamp;
use base::id::SessionId;
use web::{FormBody, see_other};

use super::visit::{Frame, Person, Refused, Visit};
use crate::sessions::{self, ListedSession, Which};
use crate::{Error, sign_out as end_own};

const END: &str = "end-session";
const SIGN_OUT: &str = "sign-out";

#[derive(Template)]
#[template(path = "home.html")]
struct HomePage {
    page: Frame,
    csrf: String,
    username: String,
    changed: bool,
    sessions: Vec<Shown>,
}

/// A session as the page shows it.
struct Shown {
    id: String,
    address: String,
    agent: String,
    created: String,
    created_at: String,
    seen: String,
    seen_at: String,
    current: bool,
}

impl From<ListedSession> for Shown {
    fn from(session: ListedSession) -> Self {
        Self {
            id: session.id.to_string(),
            address: session.ip_address.unwrap_or_default(),
            agent: session.user_agent.unwrap_or_default(),
            created: minute(session.created_at),
            created_at: session.created_at.to_string(),
            seen: minute(session.last_activity_at),
            seen_at: session.last_activity_at.to_string(),
            current: session.current,
        }
    }
}

/// A time to the minute, in UTC.
fn minute(time: Timestamp) -> String {
    let text: String = time.to_string().chars().take(16).collect();
    format!("{} UTC", text.replace('T', " "))
}

#[derive(Template)]
#[template(path = "sign_out.html")]
struct SignOutPage {
    page: Frame,
    csrf: String,
    username: String,
}

#[derive(Template)]
#[template(path = "signed_out.html")]
struct SignedOutPage {
    page: Frame,
}

pub(super) async fn home(visit: Visit) -> Response {
    match visit.person() {
        None => visit.to_sign_in(""),
        Some(person) if person.must_change => {
            see_other(&format!("{}/change-password", visit.base()), Vec::new())
        }
        Some(person) => show_home(&visit, person, StatusCode::OK, Vec::new()).await,
    }
}

async fn show_home(visit: &Visit, person: Person, status: StatusCode, messages: Vec<String>) -> Response {
    let permit = visit.cx.purpose(Purpose::Resolve);
    let listed = match sessions::list_in(&visit.cx, &permit, &person.id).await {
        Ok(listed) => listed,
        Err(error) => return visit.refuse(&visit.explain(error)),
    };
    let guard = match visit.service.guard(&visit.tenant, &visit.headers) {
        Ok(guard) => guard,
        Err(problem) => return visit.refuse(&visit.explain(Error::Bug(problem))),
    };
    let page = HomePage {
        page: visit.frame("home", messages),
        csrf: guard.token(END),
        username: person.username,
        changed: visit.query.get("changed").is_some(),
        sessions: listed.into_iter().map(Shown::from).collect(),
    };
    visit.show(status, &page, guard.cookie)
}

pub(super) async fn end_session(visit: Visit, body: Result<FormBody, web::Failure>) -> Response {
    let Some(person) = visit.person() else { return visit.to_sign_in("") };
    if person.must_change {
        return see_other(&format!("{}/change-password", visit.base()), Vec::new());
    }
    let Ok(FormBody(pairs)) = body else {
        return visit.refuse(&Refused::new(StatusCode::BAD_REQUEST, visit.words().bad_request));
    };
    if !visit.service.is_guarded(&visit.tenant, &visit.headers, &visit.info, END, pairs.get("csrf")) {
        return show_home(&visit, person, StatusCode::FORBIDDEN, vec![visit.words().stale_form.to_owned()])
            .await;
    }
    let Ok(id) = pairs.get("session").unwrap_or_default().parse::<SessionId>() else {
        return visit.refuse(&visit.explain(Error::NotFound("session")));
    };
    // Whoever is signed in may end their own sessions, whatever their roles say.
    let permit = visit.cx.purpose(Purpose::SignOut);
    match sessions::end_of(&visit.cx, &permit, &person.id, Which::One(&id)).await {
        Ok(_) => see_other(&visit.base(), Vec::new()),
        Err(error) => visit.refuse(&visit.explain(error)),
    }
}

pub(super) async fn sign_out_form(visit: Visit) -> Response {
    match visit.person() {
        Some(person) => show_sign_out(&visit, person, StatusCode::OK, Vec::new()),
        None => signed_out(visit).await,
    }
}

fn show_sign_out(visit: &Visit, person: Person, status: StatusCode, messages: Vec<String>) -> Response {
    let guard = match visit.service.guard(&visit.tenant, &visit.headers) {
        Ok(guard) => guard,
        Err(problem) => return visit.refuse(&visit.explain(Error::Bug(problem))),
    };
    let page = SignOutPage {
        page: visit.frame("sign-out", messages),
        csrf: guard.token(SIGN_OUT),
        username: person.username,
    };
    visit.show(status, &page, guard.cookie)
}

pub(super) async fn sign_out(visit: Visit, body: Result<FormBody, web::Failure>) -> Response {
    let done = format!("{}/signed-out", visit.base());
    let Some(person) = visit.person() else { return see_other(&done, Vec::new()) };
    let Ok(FormBody(pairs)) = body else {
        return visit.refuse(&Refused::new(StatusCode::BAD_REQUEST, visit.words().bad_request));
    };
    if !visit.service.is_guarded(&visit.tenant, &visit.headers, &visit.info, SIGN_OUT, pairs.get("csrf")) {
        return show_sign_out(
            &visit,
            person,
            StatusCode::FORBIDDEN,
            vec![visit.words().stale_form.to_owned()],
        );
    }
    if let Err(error) = end_own(&visit.cx).await {
        return visit.refuse(&visit.explain(error));
    }
    match visit.service.clear_session_cookie(&visit.tenant) {
        Ok(cookie) => see_other(&done, vec![cookie]),
        Err(problem) => visit.refuse(&visit.explain(Error::Bug(problem))),
    }
}

pub(super) async fn signed_out(visit: Visit) -> Response {
    let page = SignedOutPage { page: visit.frame("signed-out", Vec::new()) };
    visit.show(StatusCode::OK, &page, None)
}
