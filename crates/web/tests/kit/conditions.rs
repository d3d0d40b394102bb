use axum::extract::FromRequestParts;
use web::csrf::{CsrfKey, same_origin};
use web::{IfMatch, Language, cookies, etag};

use crate::{headers, request};

async fn if_match(lines: &[&str]) -> Result<IfMatch, &'static str> {
    let pairs: Vec<(&str, &str)> = lines.iter().map(|line| ("if-match", *line)).collect();
    let (mut parts, _) = request("PATCH", "/", &pairs, "").into_parts();
    IfMatch::from_request_parts(&mut parts, &()).await.map_err(|failure| failure.0.code())
}

#[tokio::test]
async fn a_change_needs_the_tag_of_what_was_read() {
    assert_eq!(etag(12), "\"v12\"");
    for fits in ["\"v12\"", "*", "\"v1\", \"v12\"", "W/\"v12\",\"v12\""] {
        assert!(if_match(&[fits]).await.unwrap().check(12).is_ok(), "{fits}");
    }
    for stale in ["\"v11\"", "\"v120\"", "W/\"v12\"", "\"12\"", "\"\""] {
        assert_eq!(if_match(&[stale]).await.unwrap().check(12).unwrap_err().code(), "stale", "{stale}");
    }
    assert_eq!(if_match(&[]).await, Err("if_match_required"));
    for bad in ["", "v12", "\"v12", "v12\"", "\"v12\",", "\"v\"12\"", "\"a b\"", "*, \"v12\""] {
        assert_eq!(if_match(&[bad]).await, Err("invalid_if_match"), "{bad}");
    }
    assert_eq!(if_match(&["\"v12\"", "\"v12\""]).await, Err("invalid_if_match"));
}

#[test]
fn h16_a_cookie_that_is_sent_twice_is_no_cookie() {
    for (lines, expected) in [
        (&[][..], None),
        (&["__Host-s=abc"][..], Some("abc")),
        (&["a=1; __Host-s=abc; b=2"], Some("abc")),
        (&["a=1", "__Host-s=abc"], Some("abc")),
        (&["__Host-s=abc; __Host-s=evil"], None),
        (&["__Host-s=abc; __Host-s=abc"], None),
        (&["__Host-s=abc", "__Host-s=evil"], None),
        (&["__Host-s=abc;  __Host-s =evil"], None),
        (&["__host-s=evil"], None),
        (&["x__Host-s=evil; __Host-s2=evil"], None),
        (&["__Host-s"], None),
        (&["__Host-s="], Some("")),
        (&["__Host-s=a=b"], Some("a=b")),
        (&["theirs=\u{5f20}; __Host-s=abc"], Some("abc")),
    ] {
        let pairs: Vec<(&str, &str)> = lines.iter().map(|line| ("cookie", *line)).collect();
        assert_eq!(cookies::read(&headers(&pairs), "__Host-s"), expected, "{lines:?}");
    }
}

#[test]
fn cookies_are_always_http_only_lax_and_without_a_domain() {
    assert_eq!(
        cookies::set("__Host-s-1", "abc", true, Some(60)).unwrap(),
        "__Host-s-1=abc; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=60"
    );
    assert_eq!(cookies::set("s", "abc", false, None).unwrap(), "s=abc; Path=/; HttpOnly; SameSite=Lax");
    assert_eq!(cookies::clear("s", false).unwrap(), "s=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0");
    for (name, value, secure) in [
        ("__Host-s", "abc", false),
        ("__Secure-s", "abc", false),
        ("s", "a;Domain=evil", true),
        ("s", "a\r\nX: y", true),
        ("s", "a b", true),
        ("s", "a,b", true),
        ("s=", "a", true),
        ("", "a", true),
    ] {
        assert!(cookies::set(name, value, secure, None).is_err(), "{name} {value}");
    }
}

#[test]
fn h15_a_form_token_serves_one_browser_and_one_purpose() {
    let key = CsrfKey::new([1; 32]);
    let token = key.token("session-1", "sign-in");

    assert!(key.verify("session-1", "sign-in", &token));
    assert_eq!(token, key.token("session-1", "sign-in"));
    for (binding, purpose) in [
        ("session-2", "sign-in"),
        ("session-1", "consent"),
        ("session-1s", "ign-in"),
        ("", "sign-in"),
        ("session-1", ""),
    ] {
        assert!(!key.verify(binding, purpose, &token), "{binding} {purpose}");
    }
    assert!(!CsrfKey::new([2; 32]).verify("session-1", "sign-in", &token));
    for forged in ["", "A", &token[1..], &format!("{token}A"), &"A".repeat(43)] {
        assert!(!key.verify("session-1", "sign-in", forged), "{forged}");
    }
    assert!(!key.verify("", "sign-in", &key.token("", "sign-in")));
}

#[test]
fn h15_a_form_comes_from_a_page_of_ours() {
    const US: &str = "https://id.example.com";
    let site = |value| ("sec-fetch-site", value);
    let origin = |value| ("origin", value);
    for (pairs, expected) in [
        (&[site("same-origin")][..], true),
        (&[site("same-origin"), origin(US)], true),
        // Our pages send no referrer, and browsers then write `null` even to ourselves.
        (&[site("same-origin"), origin("null")], true),
        (&[origin(US)], true),
        (&[], false),
        (&[origin("null")], false),
        (&[site("same-origin"), origin("https://evil.example")], false),
        (&[site("same-site")], false),
        (&[site("same-site"), origin(US)], false),
        (&[site("cross-site"), origin(US)], false),
        (&[site("none"), origin(US)], false),
        (&[site("")], false),
        (&[origin("http://id.example.com")], false),
        (&[origin("https://id.example.com.evil.example")], false),
        (&[origin("https://id.example.com:8443")], false),
        (&[origin("https://id.example.com/")], false),
        (&[origin(US), origin(US)], false),
        (&[site("same-origin"), site("cross-site")], false),
        (&[site("same-origin"), origin("\u{ff}")], false),
    ] {
        assert_eq!(same_origin(&headers(pairs), US), expected, "{pairs:?}");
    }
}

#[test]
fn the_language_is_the_heaviest_known_one() {
    use Language::{En, Zh};
    for (header, expected) in [
        ("", En),
        ("zh", Zh),
        ("zh-CN,zh;q=0.9,en;q=0.8", Zh),
        ("zh-Hans", Zh),
        ("ZH-hans-cn", Zh),
        ("en-US,en;q=0.9,zh;q=0.8", En),
        ("en;q=0.1, zh;q=0.2", Zh),
        ("en;q=0.5, zh;q=0.5", En),
        ("zh;q=0.5, en;q=0.5", Zh),
        ("de, fr;q=0.9, zh;q=0.1", Zh),
        ("de", En),
        ("*", En),
        ("zh;q=0", En),
        ("zh;q=2", En),
        ("zh;q=0.0001", En),
        ("zh;q=-1, en;q=0.1", En),
        ("zho", En),
        (";;;,,,q=1", En),
        ("en;q=0.999, zh;q=1.000", Zh),
    ] {
        assert_eq!(Language::of_accept(header), expected, "{header}");
    }
    assert_eq!(Language::choose(Some("fr zh-CN en"), Some("en"), En), Zh);
    assert_eq!(Language::choose(Some("fr"), Some("zh-CN"), En), Zh);
    assert_eq!(Language::choose(None, Some("xx"), Zh), Zh);
    assert_eq!((En.tag(), Zh.tag()), ("en-US", "zh-CN"));
}
