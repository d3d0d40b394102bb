use std::net::IpAddr;

use web::TrustedProxies;

use crate::headers;

const PROXIES: [&str; 4] = ["10.0.0.0/8", "192.0.2.7", "2001:db8:1::/48", "127.0.0.1"];

fn client(peer: &str, lines: &[&str]) -> String {
    let trusted = TrustedProxies::new(PROXIES).unwrap();
    let pairs: Vec<(&str, &str)> = lines.iter().map(|line| ("x-forwarded-for", *line)).collect();
    trusted.client_address(peer.parse().unwrap(), &headers(&pairs)).to_string()
}

#[test]
fn h18_forwarded_addresses_count_only_from_trusted_proxies() {
    for (peer, lines, expected) in [
        // A caller who is no proxy says what he likes.
        ("203.0.113.9", &["1.2.3.4"][..], "203.0.113.9"),
        ("203.0.113.9", &["127.0.0.1"], "203.0.113.9"),
        ("192.0.2.8", &["1.2.3.4"], "192.0.2.8"),
        // One proxy: the right-most entry is its own; what the caller wrote stands further left.
        ("10.1.2.3", &["203.0.113.9"], "203.0.113.9"),
        ("10.1.2.3", &["127.0.0.1, 203.0.113.9"], "203.0.113.9"),
        ("10.1.2.3", &["10.9.9.9, 203.0.113.9"], "203.0.113.9"),
        // A chain of proxies, in one line and in several.
        ("10.1.2.3", &["1.1.1.1, 203.0.113.9, 192.0.2.7, 10.4.5.6"], "203.0.113.9"),
        ("10.1.2.3", &["1.1.1.1", "203.0.113.9", "192.0.2.7"], "203.0.113.9"),
        // Only proxies: the left-most is the caller.
        ("10.1.2.3", &["10.7.7.7, 10.8.8.8"], "10.7.7.7"),
        ("10.1.2.3", &[], "10.1.2.3"),
        // Garbage ends the search; nothing left of it is believed.
        ("10.1.2.3", &["203.0.113.9, unknown"], "10.1.2.3"),
        ("10.1.2.3", &["203.0.113.9, , 10.4.5.6"], "10.4.5.6"),
        ("10.1.2.3", &["1.2.3.4, 999.1.1.1, 10.4.5.6"], "10.4.5.6"),
        // Ports, brackets and mapped addresses.
        ("10.1.2.3", &["203.0.113.9:4711"], "203.0.113.9"),
        ("10.1.2.3", &["[2001:db8:2::5]:4711"], "2001:db8:2::5"),
        ("10.1.2.3", &["[2001:db8:2::5]"], "2001:db8:2::5"),
        ("::ffff:10.1.2.3", &["::ffff:203.0.113.9"], "203.0.113.9"),
        ("2001:db8:1::99", &["203.0.113.9"], "203.0.113.9"),
        ("2001:db8:2::99", &["203.0.113.9"], "2001:db8:2::99"),
    ] {
        assert_eq!(client(peer, lines), expected, "{peer} {lines:?}");
    }
}

#[test]
fn h18_nobody_is_trusted_by_default() {
    let trusted = TrustedProxies::default();
    let peer: IpAddr = "127.0.0.1".parse().unwrap();

    assert_eq!(trusted.client_address(peer, &headers(&[("x-forwarded-for", "1.2.3.4")])), peer);
}

#[test]
fn at_most_32_hops_are_looked_at() {
    let line = format!("203.0.113.9{}", ", 10.0.0.1".repeat(40));

    assert_eq!(client("10.1.2.3", &[&line]), "10.0.0.1");
}

#[test]
fn a_configured_network_that_is_none_is_named() {
    for network in ["", "10.0.0.0/33", "10.0.0.1/8", "10.0.0.0/", "10.0.0.0/+8", "::/129", "proxy", "10/8"] {
        assert_eq!(TrustedProxies::new([network]).unwrap_err().found, network);
    }
    let everyone = TrustedProxies::new(["0.0.0.0/0"]).unwrap();
    assert!(everyone.trusts("203.0.113.9".parse().unwrap()));
    assert!(!everyone.trusts("2001:db8::1".parse().unwrap()));
}
