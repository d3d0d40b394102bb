//! Which hosts are served: everything else is 421, so that no link or cookie is built from a forged Host.

use std::collections::BTreeSet;
use std::net::Ipv6Addr;

use base::{Kind, Problem};
use http::header::HOST;
use http::{HeaderMap, Uri};

/// The hosts that are served.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hosts {
    /// Normal form; see [`normal_authority`].
    names: BTreeSet<String>,
    /// Whether `localhost`, `127.0.0.1` and `[::1]` are served on any port.
    loopback: bool,
}

/// A configured host is no host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{found}` is no host; expected a name or an address with an optional port, like `id.example.com:8443`"
)]
pub struct BadHost {
    /// What was found.
    pub found: String,
}

impl Hosts {
    /// Takes the configured hosts (`id.example.com`, `[2001:db8::1]:8443`). Without a port, a host is
    /// served on 80 and 443. Fails with [`BadHost`].
    pub fn new<'a>(hosts: impl IntoIterator<Item = &'a str>) -> Result<Self, BadHost> {
        let parse = |host: &str| {
            let host = normal_authority(host.as_bytes());
            host.filter(|host| !host.is_empty())
        };
        let names = hosts
            .into_iter()
            .map(|host| parse(host).ok_or_else(|| BadHost { found: host.chars().take(200).collect() }))
            .collect::<Result<_, _>>()?;
        Ok(Self { names, loopback: false })
    }

    /// Serves `localhost`, `127.0.0.1` and `[::1]` too, on any port.
    #[must_use]
    pub fn with_loopback(mut self) -> Self {
        self.loopback = true;
        self
    }

    /// Finds the one host that a request names, in normal form. Fails with 400 `invalid_host` where there
    /// is none, more than one, or no host at all, and with 421 `unknown_host` for one not served.
    ///
    /// RFC 9112 section 3.2: "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1
    /// request message that lacks a Host header field and to any request message that contains more than
    /// one Host header field line or a Host header field with an invalid field value." HTTP/2 names the
    /// host in `:authority`; where both are sent they must agree.
    pub fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<String, Problem> {
        let mut values = headers.get_all(HOST).iter();
        let header = values.next().map(|value| value.as_bytes());
        let target = uri.authority().map(|authority| authority.as_str().as_bytes());
        let bad = |detail: &str| Problem::new(Kind::Malformed, "invalid_host", detail);
        if values.next().is_some() {
            return Err(bad("`Host` is given more than once"));
        }
        let Some(named) = target.or(header) else { return Err(bad("`Host` is missing")) };
        // INVARIANT: `names` are in normal form, so a text that is one of them is in normal form too.
        if target.is_none()
            && let Some(host) = std::str::from_utf8(named).ok().and_then(|text| self.names.get(text))
        {
            return Ok(host.clone());
        }
        let host = normal_authority(named).ok_or_else(|| bad("`Host` is no host"))?;
        if target.is_some() && header.is_some_and(|other| normal_authority(other).as_ref() != Some(&host)) {
            return Err(bad("`Host` is not the host of the address"));
        }
        if self.serves(&host) {
            Ok(host)
        } else {
            Err(Problem::new(Kind::Misdirected, "unknown_host", "this host is not served here"))
        }
    }

    fn serves(&self, host: &str) -> bool {
        self.names.contains(host) || (self.loopback && is_loopback(host))
    }
}

/// Says whether a host in normal form is `localhost`, `127.0.0.1` or `[::1]`, on any port.
pub fn is_loopback(host: &str) -> bool {
    ["localhost", "127.0.0.1", "[::1]"]
        .iter()
        .any(|name| host.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(':')))
}

/// Says whether text is `host[:port]` without user information or path.
pub(crate) fn is_authority(text: &str) -> bool {
    normal_authority(text.as_bytes()).is_some()
}

/// Brings `host[:port]` into normal form: lower case, IPv6 as RFC 5952, ports 80 and 443 left out.
/// User information, a trailing dot (another origin to the browser), an empty port and characters that no
/// host name has give nothing.
fn normal_authority(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| text.len() <= 300)?.to_ascii_lowercase();
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, after) = rest.split_once(']')?;
            let address: Ipv6Addr = address.parse().ok()?;
            let port = if after.is_empty() { None } else { Some(after.strip_prefix(':')?) };
            (format!("[{address}]"), port)
        }
        None => {
            let (name, port) = match text.split_once(':') {
                Some((name, port)) => (name, Some(port)),
                None => (text.as_str(), None),
            };
            is_host_name(name).then(|| (name.to_owned(), port))?
        }
    };
    match port {
        None => Some(host),
        Some(port) if port.bytes().all(|b| b.is_ascii_digit()) => match port.parse::<u16>().ok()? {
            0 => None,
            80 | 443 => Some(host),
            port => Some(format!("{host}:{port}")),
        },
        Some(_) => None,
    }
}

/// Labels of letters, digits, `-` and `_` with single dots between, at most 253 bytes.
fn is_host_name(name: &str) -> bool {
    name.len() <= 253
        && name.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        })
}
