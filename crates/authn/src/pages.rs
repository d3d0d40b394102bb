//! The pages that take credentials: rendered on the server, complete without JavaScript.
//!
//! Each `<main>` says which page it is in `data-page`: `sign-in`, `change-password`, `home`, `sign-out`,
//! `signed-out`, `recover` or `error`. A form is answered with 303 when it did its work, and with the
//! same page and the reason when it did not.

mod account;
mod change;
mod recover;
mod sign_in;
mod visit;
mod words;

use authz::TenantRef;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use utoipa_axum::router::OpenApiRouter;

use crate::Service;

const STYLESHEET: &str = include_str!("../templates/signet.css");
const ICON: &str = include_str!("../templates/icon.svg");

/// The version of the stylesheet in its address: the file may be kept for ever.
const STYLESHEET_VERSION: &str = env!("CARGO_PKG_VERSION");

/// The address of the stylesheet of all pages, also for pages of other slices.
pub fn stylesheet_href(tenant: &TenantRef) -> String {
    format!("/t/{}/assets/signet.css?v={STYLESHEET_VERSION}-{:x}", tenant.code, fingerprint(STYLESHEET))
}

/// FNV-1a: tells versions of our own file apart, and guards nothing.
const fn fingerprint(text: &str) -> u64 {
    let bytes = text.as_bytes();
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut rest = bytes;
    while let [first, tail @ ..] = rest {
        hash = (hash ^ *first as u64).wrapping_mul(0x0100_0000_01b3);
        rest = tail;
    }
    hash
}

/// The routes of the pages; they are not part of the API's document.
pub(crate) fn routes() -> OpenApiRouter<Service> {
    OpenApiRouter::new()
        .route("/", get(account::home))
        .route("/account/sessions/end", post(account::end_session))
        .route("/sign-in", get(sign_in::form).post(sign_in::submit))
        .route("/change-password", get(change::form).post(change::submit))
        .route("/recover", get(recover::form).post(recover::submit))
        .route("/sign-out", get(account::sign_out_form).post(account::sign_out))
        .route("/signed-out", get(account::signed_out))
        .route("/assets/signet.css", get(stylesheet))
        .route("/assets/icon.svg", get(icon))
}

async fn stylesheet() -> Response {
    asset("text/css; charset=utf-8", STYLESHEET)
}

async fn icon() -> Response {
    asset("image/svg+xml", ICON)
}

fn asset(media_type: &'static str, body: &'static str) -> Response {
    ([(CONTENT_TYPE, media_type), (CACHE_CONTROL, "public, max-age=31536000, immutable")], body)
        .into_response()
}
