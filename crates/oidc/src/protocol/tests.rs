use web::Pairs;

use super::redirect::{check_registered, form_target, matches, with_parameters};
use super::{
    Addressed, AuthorizeRequest, Challenge, ErrorCode, Scopes, TokenRequest, bearer_token, presented_client,
};

const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

fn pairs(text: &str) -> Pairs {
    Pairs::parse(text.as_bytes()).unwrap()
}

fn request(text: &str) -> Result<AuthorizeRequest, ErrorCode> {
    let base =
        format!("response_type=code&scope=openid&code_challenge={CHALLENGE}&code_challenge_method=S256");
    AuthorizeRequest::parse(&pairs(&format!("{base}&{text}"))).map_err(|e| e.code)
}

#[test]
fn h03_addresses_that_may_be_registered_are_few() {
    for good in [
        "https://app.example.com/callback",
        "https://app.example.com",
        "https://app.example.com:8443/a/b?tenant=1",
        "http://localhost:3000/callback",
        "http://127.0.0.1/callback",
        "http://[::1]:9/callback",
        "com.example.app:/callback",
        "com.example.app://host/callback",
    ] {
        assert_eq!(check_registered(good), Ok(()), "{good}");
    }
    for bad in [
        "",
        "/callback",
        "callback",
        "https://",
        "https://app.example.com/callback#",
        "https://app.example.com/callback#x",
        "https://*.example.com/callback",
        "https://app.example.com/*",
        "https://user@app.example.com/callback",
        "https://user:pass@app.example.com/callback",
        "https://app.example.com@@evil.example/callback",
        "https://@evil.example/callback",
        "https://evil.example\\@app.example.com/",
        "https://app.example.com./callback",
        "https://APP.example.com/callback",
        "HTTPS://app.example.com/callback",
        "https://app.example.com:443/callback",
        "https://app.example.com/a/../callback",
        "https://app.example.com/a/./callback",
        "https://app.example.com/%2e%2e/callback",
        "https://app.example.com/a%2fb",
        "https://app.example.com/a%5Cb",
        "https://app.example.com/call back",
        "https://app.example.com/call\tback",
        "https://app.example.com/\r\nX: y",
        "https://app.example.com/é",
        "https:app.example.com/callback",
        "https:///app.example.com/callback",
        "http://app.example.com/callback",
        "http://localhost.evil.example/callback",
        "http://localhost./callback",
        "http://LOCALHOST/callback",
        "http://127.0.0.1.evil.example/",
        "http://127.1/callback",
        "http://2130706433/callback",
        "http://0.0.0.0/callback",
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "java.script:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "blob:https://app.example.com/x",
        "about:blank",
        "myapp:/callback",
        "myapp://callback",
        "https://app.example.com/callback?code=1",
        "https://app.example.com/callback?a=1&state=2",
    ] {
        assert!(check_registered(bad).is_err(), "{bad:?} was taken");
    }
    assert!(check_registered(&format!("https://app.example.com/{}", "a".repeat(2000))).is_err());
}

#[test]
fn h03_a_presented_address_matches_byte_by_byte() {
    let registered = "https://app.example.com/callback";
    assert!(matches(registered, registered, true));
    for other in [
        "https://app.example.com/callback/",
        "https://app.example.com/callback?x=1",
        "https://app.example.com/Callback",
        "https://app.example.com/callback/../x",
        "https://app.example.com:443/callback",
        "https://app.example.com/callback#",
        "https://app.example.com/%63allback",
        "http://app.example.com/callback",
        "https://app.example.com.evil.example/callback",
    ] {
        assert!(!matches(registered, other, true), "{other}");
    }
}

#[test]
fn h03_only_the_port_of_a_loopback_literal_is_free_and_only_for_public_clients() {
    let registered = "http://127.0.0.1/callback";
    for good in ["http://127.0.0.1:1/callback", "http://127.0.0.1:65535/callback"] {
        assert!(matches(registered, good, true), "{good}");
        assert!(!matches(registered, good, false), "{good}");
    }
    for bad in [
        "http://127.0.0.1:0/callback",
        "http://127.0.0.1:65536/callback",
        "http://127.0.0.1:/callback",
        "http://127.0.0.1:80@evil.example/callback",
        "http://127.0.0.1:80.evil.example/callback",
        "http://127.0.0.1.evil.example/callback",
        "http://127.0.0.1:8080/other",
        "http://[::1]:8080/callback",
        "http://localhost:8080/callback",
        "https://127.0.0.1:8080/callback",
    ] {
        assert!(!matches(registered, bad, true), "{bad}");
    }
    assert!(!matches("http://localhost:3000/callback", "http://localhost:3001/callback", true));
}

#[test]
fn h04_answers_stay_on_the_matched_address_whatever_their_values() {
    let answer = with_parameters(
        "https://app.example.com/cb?x=1",
        &[("state", "&code=evil#\r\n"), ("iss", "https://id/t/a")],
    );
    assert_eq!(
        answer,
        "https://app.example.com/cb?x=1&state=%26code%3Devil%23%0D%0A&iss=https%3A%2F%2Fid%2Ft%2Fa"
    );
    assert_eq!(form_target("http://localhost:3000/cb").unwrap(), "http://localhost:3000");
    assert_eq!(form_target("com.example.app:/cb").unwrap(), "com.example.app:");
}

#[test]
fn h02_only_a_challenge_by_s256_is_taken() {
    assert!(Challenge::parse(Some(CHALLENGE), Some("S256")).is_ok());
    for (challenge, method) in [
        (None, Some("S256")),
        (None, None),
        (Some(CHALLENGE), None),
        (Some(CHALLENGE), Some("plain")),
        (Some(CHALLENGE), Some("s256")),
        (Some("short"), Some("S256")),
        (Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM="), Some("S256")),
    ] {
        let refused = Challenge::parse(challenge, method).unwrap_err();
        assert_eq!(refused.code, ErrorCode::InvalidRequest, "{challenge:?} {method:?}");
    }
}

#[test]
fn h02_only_the_verifier_of_rfc_7636_appendix_b_meets_its_challenge() {
    let challenge = Challenge::parse(Some(CHALLENGE), Some("S256")).unwrap();

    assert!(challenge.is_met_by(VERIFIER));
    for wrong in ["", CHALLENGE, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXl", "x".repeat(129).as_str()] {
        assert!(!challenge.is_met_by(wrong), "{wrong}");
    }
}

#[test]
fn a_request_that_asks_for_something_else_gets_the_error_of_its_standard() {
    assert!(request("").is_ok());
    for (text, code) in [
        ("request=x", ErrorCode::RequestNotSupported),
        ("request_uri=https://x", ErrorCode::RequestUriNotSupported),
        ("registration=x", ErrorCode::RegistrationNotSupported),
        ("response_mode=fragment", ErrorCode::InvalidRequest),
        ("response_mode=form_post", ErrorCode::InvalidRequest),
        ("prompt=none%20login", ErrorCode::InvalidRequest),
        ("prompt=create", ErrorCode::InvalidRequest),
        ("max_age=-1", ErrorCode::InvalidRequest),
        ("max_age=%2B1", ErrorCode::InvalidRequest),
        ("max_age=1.5", ErrorCode::InvalidRequest),
        ("scope=openid", ErrorCode::InvalidRequest),
        ("state=a&state=b", ErrorCode::InvalidRequest),
        ("nonce=a&nonce=a", ErrorCode::InvalidRequest),
    ] {
        assert_eq!(request(text), Err(code), "{text}");
    }
    for (kind, code) in [("token", ErrorCode::UnsupportedResponseType), ("", ErrorCode::InvalidRequest)] {
        let text = format!("response_type={kind}&scope=openid");
        assert_eq!(AuthorizeRequest::parse(&pairs(&text)).unwrap_err().code, code, "{kind}");
    }
    assert_eq!(
        AuthorizeRequest::parse(&pairs("response_type=code")).unwrap_err().code,
        ErrorCode::InvalidScope
    );
}

#[test]
fn a_client_or_an_address_given_twice_is_nobodys() {
    for text in [
        "client_id=a&client_id=b&redirect_uri=x",
        "client_id=a&redirect_uri=x&redirect_uri=y",
        "client_id=a",
        "",
    ] {
        assert!(Addressed::parse(&pairs(text)).is_err(), "{text}");
    }
}

#[test]
fn scopes_are_names_with_single_spaces_between() {
    assert_eq!(Scopes::parse("openid email openid").unwrap().to_string(), "openid email");
    for bad in ["", " openid", "openid  email", "open\"id", "open\\id", "é", "a\tb", &"x".repeat(65)] {
        assert_eq!(Scopes::parse(bad).unwrap_err().code, ErrorCode::InvalidScope, "{bad:?}");
    }
}

#[test]
fn password_and_implicit_grants_do_not_exist() {
    for kind in ["password", "implicit", "urn:ietf:params:oauth:grant-type:device_code"] {
        let refused =
            TokenRequest::parse(&pairs(&format!("grant_type={kind}&username=a&password=b"))).unwrap_err();
        assert_eq!(refused.code, ErrorCode::UnsupportedGrantType, "{kind}");
    }
    assert_eq!(TokenRequest::parse(&pairs("")).unwrap_err().code, ErrorCode::InvalidRequest);
}

#[test]
fn a_client_presents_itself_once_by_one_method() {
    let mut headers = http::HeaderMap::new();
    assert_eq!(presented_client(&headers, &pairs("client_id=a")).unwrap().method, "none");
    assert_eq!(
        presented_client(&headers, &pairs("client_id=a&client_secret=s")).unwrap().method,
        "client_secret_post"
    );
    assert_eq!(presented_client(&headers, &pairs("")).unwrap_err().code, ErrorCode::InvalidClient);
    assert!(presented_client(&headers, &pairs("client_id=a&client_assertion=x")).is_err());

    // "a:s%2B" in base64: the secret is `s+`.
    headers.insert("authorization", "bAsIc YTpzJTJC".parse().unwrap());
    let basic = presented_client(&headers, &pairs("client_id=a")).unwrap();
    assert_eq!((basic.client_id.as_str(), basic.method), ("a", "client_secret_basic"));
    assert_eq!(basic.secret.unwrap().expose(), "s+");
    assert_eq!(
        presented_client(&headers, &pairs("client_id=b")).unwrap_err().code,
        ErrorCode::InvalidRequest
    );
    assert_eq!(
        presented_client(&headers, &pairs("client_id=a&client_secret=s")).unwrap_err().code,
        ErrorCode::InvalidRequest
    );

    headers.append("authorization", "Basic YTpi".parse().unwrap());
    assert_eq!(presented_client(&headers, &pairs("")).unwrap_err().code, ErrorCode::InvalidRequest);
}

#[test]
fn a_bearer_token_comes_from_the_header_alone() {
    let mut headers = http::HeaderMap::new();
    assert_eq!(bearer_token(&headers).unwrap(), None);
    headers.insert("authorization", "Bearer a.b.c".parse().unwrap());
    assert_eq!(bearer_token(&headers).unwrap(), Some("a.b.c"));
    for bad in ["Bearer", "Bearer a b", "Basic YTpi", "Bearer \u{7f}", "DPoP a"] {
        if let Ok(value) = bad.parse() {
            headers.insert("authorization", value);
            assert!(bearer_token(&headers).is_err(), "{bad:?}");
        }
    }
}

proptest::proptest! {
    /// What anybody can send reaches these readers: they must answer, whatever it is.
    #[test]
    fn no_parameters_make_a_reader_panic(text in ".{0,300}", uri in ".{0,80}", bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..80)) {
        if let Ok(pairs) = Pairs::parse(text.as_bytes()) {
            let _ = Addressed::parse(&pairs);
            let _ = AuthorizeRequest::parse(&pairs);
            let _ = TokenRequest::parse(&pairs);
        }
        let _ = Scopes::parse(&text);
        if check_registered(&uri).is_ok() {
            proptest::prop_assert!(uri.bytes().all(|b| b.is_ascii_graphic()));
            proptest::prop_assert!(matches(&uri, &uri, false));
        }
        let mut headers = http::HeaderMap::new();
        if let Ok(value) = http::HeaderValue::from_bytes(&bytes) {
            headers.insert("authorization", value);
            let _ = presented_client(&headers, &Pairs::default());
            let _ = bearer_token(&headers);
        }
    }

    /// Well-known names with wild values, repeated and in any order.
    #[test]
    fn parameters_by_name_are_read_or_refused(
        given in proptest::collection::vec((0usize..14, "[ -~]{0,50}"), 0..20),
    ) {
        const NAMES: [&str; 14] = [
            "client_id", "redirect_uri", "response_type", "scope", "state", "nonce", "prompt", "max_age",
            "code_challenge", "code_challenge_method", "grant_type", "code", "refresh_token", "client_secret",
        ];
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in &given {
            query.append_pair(NAMES[*name], value);
        }
        let pairs = pairs(&query.finish());
        if let Ok(read) = AuthorizeRequest::parse(&pairs) {
            // What passes is exactly what was sent, once.
            proptest::prop_assert_eq!(pairs.all("code_challenge").collect::<Vec<_>>(), vec![read.challenge.as_str()]);
            proptest::prop_assert_eq!(pairs.get("code_challenge_method"), Some("S256"));
        }
        let _ = TokenRequest::parse(&pairs);
        let _ = presented_client(&http::HeaderMap::new(), &pairs);
    }
}
