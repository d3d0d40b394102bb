use axum::response::IntoResponse;
use http::{HeaderValue, StatusCode};
use web::html::is_form_target;
use web::{HtmlPage, cookies, see_other};

use crate::text;

#[tokio::test]
async fn h17_a_page_has_exactly_the_policy_of_pages_that_take_credentials() {
    let mut page = HtmlPage::new("<!doctype html>".to_owned());
    page.form_action = vec!["https://app.example.com".to_owned(), "https://x; script-src *".to_owned()];
    page.cookies = vec![cookies::set("a", "1", false, None).unwrap(), cookies::clear("b", false).unwrap()];

    let response = page.into_response();

    let headers = response.headers().clone();
    assert_eq!(
        headers["content-security-policy"],
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; base-uri 'none'; \
         frame-ancestors 'none'; require-trusted-types-for 'script'; form-action 'self' https://app.example.com"
    );
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("cache-control", "no-store"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("x-frame-options", "DENY"),
        ("vary", "Accept-Language, Cookie"),
    ] {
        assert_eq!(headers[name], value, "{name}");
    }
    assert_eq!(headers.get_all("set-cookie").iter().count(), 2);
    assert_eq!(text(response).await, "<!doctype html>");
}

#[test]
fn h17_a_form_target_is_one_origin_and_nothing_more() {
    for target in [
        "https://app.example.com",
        "https://app.example.com:8443",
        "http://127.0.0.1:3000",
        "http://[::1]:3000",
        "com.example.app:",
    ] {
        assert!(is_form_target(target), "{target}");
    }
    for target in [
        "",
        "*",
        "'unsafe-inline'",
        "https:",
        "https://",
        "https://*",
        "https://*.example.com",
        "https://app.example.com/",
        "https://app.example.com; script-src *",
        "https://app.example.com https://evil.example",
        "https://app.example.com,https://evil.example",
        "https://u@app.example.com",
        "javascript:",
        "data:",
        "blob:",
        "com.example.app://x",
        ".app:",
        "ftp://app.example.com",
    ] {
        assert!(!is_form_target(target), "{target}");
    }
}

#[test]
fn h11_a_redirect_after_credentials_is_303_and_never_stored() {
    let cookie = HeaderValue::from_static("a=1");

    let response = see_other("https://app.example.com/cb?code=x", vec![cookie]);

    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    assert_eq!(response.headers()["location"], "https://app.example.com/cb?code=x");
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert_eq!(response.headers()["referrer-policy"], "no-referrer");
    assert_eq!(response.headers()["set-cookie"], "a=1");
    let split = see_other("https://app.example.com/\r\nSet-Cookie: a=evil", Vec::new());
    assert_eq!(split.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(split.headers().get("location").is_none());
}
