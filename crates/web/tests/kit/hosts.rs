use http::Uri;
use web::Hosts;

use crate::headers;

fn served() -> Hosts {
    Hosts::new(["id.example.com", "Admin.Example.com:8443", "[2001:DB8::1]:9000"]).unwrap().with_loopback()
}

fn check(lines: &[&str], uri: &str) -> Result<String, (&'static str, base::Kind)> {
    let pairs: Vec<(&str, &str)> = lines.iter().map(|line| ("host", *line)).collect();
    let uri: Uri = uri.parse().unwrap();
    served().check(&uri, &headers(&pairs)).map_err(|problem| (problem.code(), problem.kind()))
}

#[test]
fn h18_hosts_that_are_served_come_out_in_normal_form() {
    for (sent, normal) in [
        ("id.example.com", "id.example.com"),
        ("ID.Example.COM", "id.example.com"),
        ("id.example.com:443", "id.example.com"),
        ("id.example.com:80", "id.example.com"),
        ("admin.example.com:8443", "admin.example.com:8443"),
        ("[2001:db8:0:0::1]:9000", "[2001:db8::1]:9000"),
        ("localhost:8080", "localhost:8080"),
        ("LOCALHOST", "localhost"),
        ("127.0.0.1:1", "127.0.0.1:1"),
        ("[::1]:65535", "[::1]:65535"),
        ("[0:0:0:0:0:0:0:1]", "[::1]"),
    ] {
        assert_eq!(check(&[sent], "/").as_deref(), Ok(normal), "{sent}");
    }
}

#[test]
fn h18_hosts_that_are_not_served_are_misdirected() {
    for sent in [
        "evil.example",
        "id.example.com.evil.example",
        "evil-id.example.com",
        "id.example.com:8443",
        "admin.example.com",
        "[2001:db8::1]",
        "localhost.evil.example",
        "localhosts",
        "127.0.0.1.evil.example",
        "127.0.0.2",
        "127.1",
        "0x7f.0.0.1",
        "2130706433",
        "0.0.0.0",
        "[::]",
        "[::ffff:127.0.0.1]",
    ] {
        assert_eq!(check(&[sent], "/"), Err(("unknown_host", base::Kind::Misdirected)), "{sent}");
    }
}

#[test]
fn h18_hosts_that_are_no_hosts_are_malformed() {
    for sent in [
        "",
        " ",
        ".",
        "id.example.com.",
        "localhost.",
        "localhost.:8080",
        ".id.example.com",
        "id..example.com",
        "evil@id.example.com",
        "id.example.com@evil.example",
        "localhost:8080@evil.example",
        "id.example.com:",
        "id.example.com:0",
        "id.example.com:65536",
        "id.example.com:+443",
        "id.example.com:44 3",
        "id.example.com:443:443",
        "id.example.com/",
        "id.example.com/../",
        "id.example.com\\evil.example",
        "id.example.com#x",
        "id.example.com?x",
        "id.example.com,evil.example",
        "id.example.com evil.example",
        "id.example.com\tevil",
        "http://id.example.com",
        "id%2eexample.com",
        "ⅰd.example.com",
        "::1",
        "[::1",
        "[::1]x",
        "[::1]:",
        "[fe80::1%25eth0]",
        "<script>",
    ] {
        assert_eq!(check(&[sent], "/"), Err(("invalid_host", base::Kind::Malformed)), "{sent:?}");
    }
}

#[test]
fn h18_a_request_names_exactly_one_host() {
    let malformed = Err(("invalid_host", base::Kind::Malformed));

    assert_eq!(check(&[], "/"), malformed);
    assert_eq!(check(&["id.example.com", "id.example.com"], "/"), malformed);
    assert_eq!(check(&["evil.example"], "http://id.example.com/"), malformed);
    assert_eq!(check(&["id.example.com"], "http://evil.example/"), malformed);
    assert_eq!(check(&["ID.example.com:80"], "http://id.example.com/").as_deref(), Ok("id.example.com"));
    assert_eq!(check(&[], "http://id.example.com/").as_deref(), Ok("id.example.com"));
    assert_eq!(check(&[], "http://user@id.example.com/"), malformed);
}

#[test]
fn loopback_is_served_only_when_configured() {
    let hosts = Hosts::new(["id.example.com"]).unwrap();

    let refused = hosts.check(&Uri::from_static("/"), &headers(&[("host", "localhost")])).unwrap_err();

    assert_eq!(refused.code(), "unknown_host");
}

#[test]
fn a_configured_host_that_is_none_is_named() {
    for host in ["", "https://id.example.com", "id.example.com/", "a b", "x.", "user@x"] {
        assert_eq!(Hosts::new([host]).unwrap_err().found, host);
    }
}
