//! Redirect addresses: which may be registered, and which presented one is a registered one.

use url::{Host, Url};

/// The longest address, in bytes.
pub const URI_BYTES_MAX: usize = 2000;

/// Parameters of our own answers: an address that already has one could be mistaken for an answer.
const OWN_PARAMETERS: [&str; 6] = ["code", "state", "iss", "error", "error_description", "error_uri"];

/// Why an address may not be registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadRedirect {
    /// No absolute address in normal form.
    #[error("must be an absolute address in its normal form, of visible ASCII characters, at most 2000")]
    NotNormal,
    /// It has a `#`.
    #[error("must not have a fragment")]
    Fragment,
    /// It has a user name or a password.
    #[error("must not have a user name or a password")]
    UserInfo,
    /// It has a `*`.
    #[error("must not have a wildcard: every address is registered in full")]
    Wildcard,
    /// An encoded slash, backslash or dot, which servers disagree about.
    #[error("must not have an encoded `/`, `\\` or `.`")]
    EncodedSeparator,
    /// Another scheme.
    #[error(
        "must be https, http on localhost, 127.0.0.1 or [::1], or a scheme with a dot of an app of its own"
    )]
    Scheme,
    /// The host ends with a dot.
    #[error("must not have a host that ends with a dot")]
    Host,
    /// A parameter of our answers.
    #[error("must not have the parameters of an answer, such as `code` or `state`")]
    Parameters,
}

/// Checks an address before it is registered.
///
/// RFC 6749 section 3.1.2: absolute, no fragment. RFC 9700 section 2.1: exact matching, so no pattern.
/// RFC 8252 section 7: https, http on loopback, or a private-use scheme with a dot. The address must be
/// in the normal form of the WHATWG URL standard already, so that what browsers make of it is what was
/// compared.
pub fn check_registered(uri: &str) -> Result<(), BadRedirect> {
    if uri.len() > URI_BYTES_MAX
        || !uri.bytes().all(|b| b.is_ascii_graphic())
        || uri.contains(['\\', '"', '<', '>'])
    {
        return Err(BadRedirect::NotNormal);
    }
    if uri.contains('#') {
        return Err(BadRedirect::Fragment);
    }
    if uri.contains('*') {
        return Err(BadRedirect::Wildcard);
    }
    let lower = uri.to_ascii_lowercase();
    if ["%2f", "%5c", "%2e", "%00", "%0a", "%0d"].iter().any(|bad| lower.contains(bad)) {
        return Err(BadRedirect::EncodedSeparator);
    }
    let url = Url::parse(uri).map_err(|_| BadRedirect::NotNormal)?;
    if !url.username().is_empty() || url.password().is_some() || authority(uri).contains('@') {
        return Err(BadRedirect::UserInfo);
    }
    check_scheme(&url, uri)?;
    let normal = url.as_str();
    if normal != uri && normal.strip_suffix('/') != Some(uri) {
        return Err(BadRedirect::NotNormal);
    }
    if uri.split(['/', '?', ':']).any(|part| part == "." || part == "..") {
        return Err(BadRedirect::NotNormal);
    }
    if url.query_pairs().any(|(name, _)| OWN_PARAMETERS.contains(&name.as_ref())) {
        return Err(BadRedirect::Parameters);
    }
    Ok(())
}

fn check_scheme(url: &Url, uri: &str) -> Result<(), BadRedirect> {
    match url.scheme() {
        "https" => match url.host() {
            Some(Host::Domain(name)) if name.ends_with('.') => Err(BadRedirect::Host),
            Some(_) => Ok(()),
            None => Err(BadRedirect::Scheme),
        },
        "http" => match url.host_str() {
            Some("localhost" | "127.0.0.1" | "[::1]") => Ok(()),
            _ => Err(BadRedirect::Scheme),
        },
        scheme => {
            // RFC 8252 section 7.1: "a private-use URI scheme [...] based on a domain name under their
            // control, expressed in reverse order". A dot tells it from `javascript:` and its kin.
            let named = scheme.contains('.') && !scheme.starts_with('.') && !scheme.ends_with('.');
            let rest = uri.get(scheme.len()..).unwrap_or_default();
            if named && rest.starts_with(":/") { Ok(()) } else { Err(BadRedirect::Scheme) }
        }
    }
}

fn authority(uri: &str) -> &str {
    let rest = uri.split_once("://").map_or("", |(_, rest)| rest);
    rest.split(['/', '?']).next().unwrap_or_default()
}

/// Says whether a presented address is the registered one: byte by byte, but for the port of a loopback
/// address where `any_loopback_port` (public clients).
///
/// RFC 8252 section 7.3: "The authorization server MUST allow any port to be specified at the time of
/// the request for loopback IP redirect URIs". That is about the two IP literals, not about `localhost`
/// (section 8.3).
pub fn matches(registered: &str, presented: &str, any_loopback_port: bool) -> bool {
    if registered == presented {
        return true;
    }
    if !any_loopback_port {
        return false;
    }
    match (split_loopback(registered), split_loopback(presented)) {
        (Some(left), Some(right)) => left == right,
        _ => false,
    }
}

/// The host literal and what follows the port of `http://127.0.0.1:1234/callback`.
fn split_loopback(uri: &str) -> Option<(&str, &str)> {
    let host = ["http://127.0.0.1", "http://[::1]"].into_iter().find(|host| uri.starts_with(host))?;
    let rest = uri.get(host.len()..)?;
    let rest = match rest.strip_prefix(':') {
        None => rest,
        Some(port_and_path) => {
            let end = port_and_path.find(|c: char| !c.is_ascii_digit()).unwrap_or(port_and_path.len());
            let (port, path) = port_and_path.split_at(end);
            port.parse::<u16>().ok().filter(|port| *port > 0)?;
            path
        }
    };
    (rest.is_empty() || rest.starts_with(['/', '?'])).then_some((host, rest))
}

/// Adds parameters to an address that was matched before.
pub fn with_parameters(uri: &str, parameters: &[(&str, &str)]) -> String {
    let mut answer = String::with_capacity(uri.len() + 128);
    answer.push_str(uri);
    answer.push(if uri.contains('?') { '&' } else { '?' });
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in parameters {
        query.append_pair(name, value);
    }
    answer.push_str(&query.finish());
    answer
}

/// What `form-action` must allow for a redirect to this address: its origin, or its private scheme.
pub fn form_target(uri: &str) -> Option<String> {
    let url = Url::parse(uri).ok()?;
    match url.scheme() {
        "http" | "https" => Some(url.origin().ascii_serialization()),
        scheme => Some(format!("{scheme}:")),
    }
}
