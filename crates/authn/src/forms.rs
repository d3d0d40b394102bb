//! What guards the forms, and where they may lead.

use authz::TenantRef;
use axum::http::{HeaderMap, HeaderValue};
use base::Problem;
use web::{RequestInfo, cookies, csrf};

use crate::Service;

/// The longest `return_to`, in bytes.
const RETURN_BYTES_MAX: usize = 4096;

/// What the forms of one page are bound to: a cookie of the browser, and its session if it has one.
pub struct FormGuard {
    service: Service,
    binding: String,
    /// The browser's cookie, where it had none: to be set with the page.
    pub cookie: Option<HeaderValue>,
}

impl FormGuard {
    /// The hidden `csrf` field of a form that does this.
    pub fn token(&self, purpose: &str) -> String {
        self.service.csrf().token(&self.binding, purpose)
    }
}

impl Service {
    /// Guards the forms of a page that is about to be shown.
    pub fn guard(&self, tenant: &TenantRef, headers: &HeaderMap) -> Result<FormGuard, Problem> {
        let name = self.cookie_name("f", tenant);
        let (value, cookie) = match cookies::read(headers, &name).filter(|value| !value.is_empty()) {
            Some(value) => (value.to_owned(), None),
            None => {
                let fresh = base::random::fresh_token(self.core().random());
                let cookie = cookies::set(&name, &fresh, self.config().secure, None)?;
                (fresh, Some(cookie))
            }
        };
        let binding = self.binding(tenant, headers, &value);
        Ok(FormGuard { service: self.clone(), binding, cookie })
    }

    /// Says whether a form was sent from a page of ours that this browser was shown: both guards of
    /// [`web::csrf`] hold.
    pub fn is_guarded(
        &self,
        tenant: &TenantRef,
        headers: &HeaderMap,
        info: &RequestInfo,
        purpose: &str,
        token: Option<&str>,
    ) -> bool {
        // The host is one of those that are served: another origin cannot choose it.
        let scheme = if self.config().secure { "https" } else { "http" };
        let origin = format!("{scheme}://{}", info.host);
        let Some(value) = cookies::read(headers, &self.cookie_name("f", tenant)) else { return false };
        let binding = self.binding(tenant, headers, value);
        csrf::same_origin(headers, &origin)
            && !value.is_empty()
            && self.csrf().verify(&binding, purpose, token.unwrap_or_default())
    }

    fn binding(&self, tenant: &TenantRef, headers: &HeaderMap, value: &str) -> String {
        let session = cookies::read(headers, &self.session_cookie_name(tenant)).unwrap_or_default();
        format!("{}\n{value}\n{session}", tenant.id)
    }

    /// The address of the sign-in page that leads back to `return_to`, a path of this tenant.
    ///
    /// `form_target` is the origin (or the private-use scheme) that the browser may be redirected to after
    /// the form, where that is certain already: Chromium holds the whole chain of redirects against the
    /// page's `form-action`. It is sealed, so that nobody else can widen the policy of the page.
    pub fn sign_in_url(&self, tenant: &TenantRef, return_to: &str, form_target: Option<&str>) -> String {
        let mut url = format!("/t/{}/sign-in?return_to={}", tenant.code, encode(return_to));
        if let Some(target) = form_target {
            url.push_str(&format!(
                "&target={}&seal={}",
                encode(target),
                self.seal(tenant, return_to, target)
            ));
        }
        url
    }

    fn seal(&self, tenant: &TenantRef, return_to: &str, target: &str) -> String {
        self.kms().digest("form target", &format!("{}\n{target}\n{return_to}", tenant.id))
    }

    /// Says whether a form target was sealed by us for this way back.
    pub(crate) fn is_sealed(&self, tenant: &TenantRef, return_to: &str, target: &str, seal: &str) -> bool {
        // Both are HMACs of public text under a secret key: comparing their digests under the key again
        // tells nothing by its time.
        let expected = self.kms().digest("form target", &self.seal(tenant, return_to, target));
        self.kms().digest("form target", seal) == expected
    }
}

/// Says whether text is a path of the tenant, and nothing that a browser could take for another place:
/// printable ASCII that begins with `/t/{code}`, without backslash, fragment, empty or dot segments, and
/// without percent signs before the query.
pub fn is_return_path(code: &str, text: &str) -> bool {
    let prefix = format!("/t/{code}");
    let path = text.split('?').next().unwrap_or_default();
    let rest = path.strip_prefix(prefix.as_str());
    text.len() <= RETURN_BYTES_MAX
        && text.bytes().all(|b| b.is_ascii_graphic() && !b"\\#<>\"".contains(&b))
        && !path.contains('%')
        && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        && path.split('/').skip(1).all(|segment| !segment.is_empty() && segment != "." && segment != "..")
}

/// Percent-encodes everything but the unreserved characters of RFC 3986 section 2.3.
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h15_only_paths_of_the_same_tenant_are_ways_back() {
        for good in [
            "/t/acme",
            "/t/acme/oauth2/authorize?client_id=x&redirect_uri=https%3A%2F%2Fapp.example%2F",
            "/t/acme/change-password",
        ] {
            assert!(is_return_path("acme", good), "{good}");
        }
        for bad in [
            "",
            "/",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/t/acme\\@evil.example",
            "https://evil.example",
            "https:evil.example",
            "http://localhost:8080/t/acme",
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            "data:text/html,x",
            "/t/other/x",
            "/t/acmex",
            "/t/acme@evil.example",
            "/t/acme/../other",
            "/t/acme/%2e%2e/other",
            "/t/acme/..%2fother",
            "/t/acme//evil.example",
            "/t/acme/.",
            "/t/acme/\r\nLocation: https://evil.example",
            "/t/acme/\t/evil.example",
            " /t/acme",
            "/t/acme/é",
            "/t/acme#x",
            "t/acme",
        ] {
            assert!(!is_return_path("acme", bad), "{bad:?}");
        }
        assert!(!is_return_path("acme", &format!("/t/acme/{}", "x".repeat(5000))));
    }
}
