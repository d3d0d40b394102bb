//! The token request (RFC 6749 sections 4.1.3, 4.4.2 and 6), and how clients and bearers present themselves.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use web::Pairs;

use super::{ErrorCode, OAuthError, Scopes};
use base::Secret;

/// The longest code, token or secret that is looked at, in bytes.
const CREDENTIAL_BYTES_MAX: usize = 1024;
/// The longest `client_id`, in bytes.
const CLIENT_ID_BYTES_MAX: usize = 128;

/// A request for tokens.
#[derive(Debug)]
pub enum TokenRequest {
    /// Exchanges an authorization code.
    Code {
        /// The code.
        code: Secret<String>,
        /// The address that the code was sent to.
        redirect_uri: String,
        /// The proof.
        verifier: Secret<String>,
    },
    /// Exchanges a refresh token.
    Refresh {
        /// The token.
        token: Secret<String>,
        /// Fewer scopes than granted, if given.
        scopes: Option<Scopes>,
    },
    /// A client for itself.
    ClientCredentials {
        /// Some of the client's scopes; all where absent.
        scopes: Option<Scopes>,
    },
}

impl TokenRequest {
    /// Reads the parameters, of which none is repeated. Fails with `invalid_request`,
    /// `unsupported_grant_type` or `invalid_scope`.
    pub fn parse(pairs: &Pairs) -> Result<Self, OAuthError> {
        let secret = |name: &str| match pairs.get(name) {
            Some(value) if value.len() <= CREDENTIAL_BYTES_MAX => Ok(Secret::new(value.to_owned())),
            Some(_) => Err(OAuthError::invalid_request(format!("`{name}` is too long"))),
            None => Err(OAuthError::invalid_request(format!("`{name}` is missing"))),
        };
        let scopes = pairs.get("scope").map(Scopes::parse).transpose()?;
        match pairs.get("grant_type") {
            Some("authorization_code") => Ok(Self::Code {
                code: secret("code")?,
                redirect_uri: pairs
                    .get("redirect_uri")
                    .ok_or_else(|| OAuthError::invalid_request("`redirect_uri` is missing"))?
                    .to_owned(),
                verifier: secret("code_verifier")?,
            }),
            Some("refresh_token") => Ok(Self::Refresh { token: secret("refresh_token")?, scopes }),
            Some("client_credentials") => Ok(Self::ClientCredentials { scopes }),
            Some(_) => Err(OAuthError::new(
                ErrorCode::UnsupportedGrantType,
                "`grant_type` is authorization_code, refresh_token or client_credentials",
            )),
            None => Err(OAuthError::invalid_request("`grant_type` is missing")),
        }
    }
}

/// How a client says who it is.
#[derive(Debug)]
pub struct Presented {
    /// The public `client_id`.
    pub client_id: String,
    /// The method, by its registered name.
    pub method: &'static str,
    /// The secret, but for the method `none`.
    pub secret: Option<Secret<String>>,
}

/// Reads the client's credentials from the `Authorization` header or from the form, never from both.
///
/// RFC 6749 section 2.3: "The client MUST NOT use more than one authentication method in each request."
/// Fails with `invalid_request` or `invalid_client`.
pub fn presented_client(headers: &http::HeaderMap, pairs: &Pairs) -> Result<Presented, OAuthError> {
    let in_form = pairs.get("client_id");
    let secret = pairs.get("client_secret");
    if pairs.get("client_assertion").is_some() || pairs.get("client_assertion_type").is_some() {
        return Err(OAuthError::invalid_client());
    }
    let presented = match authorization(headers)? {
        Some((scheme, credentials)) => {
            if !scheme.eq_ignore_ascii_case("basic") {
                return Err(OAuthError::invalid_client());
            }
            if secret.is_some() {
                return Err(OAuthError::invalid_request("the client authenticates twice"));
            }
            let (client_id, secret) = decode_basic(credentials).ok_or_else(OAuthError::invalid_client)?;
            if in_form.is_some_and(|named| named != client_id) {
                return Err(OAuthError::invalid_request("two different clients are named"));
            }
            Presented { client_id, method: "client_secret_basic", secret: Some(secret) }
        }
        None => {
            let client_id = in_form.ok_or_else(OAuthError::invalid_client)?.to_owned();
            match secret {
                Some(secret) => Presented {
                    client_id,
                    method: "client_secret_post",
                    secret: Some(Secret::new(secret.to_owned())),
                },
                None => Presented { client_id, method: "none", secret: None },
            }
        }
    };
    let too_long = presented.secret.as_ref().is_some_and(|s| s.expose().len() > CREDENTIAL_BYTES_MAX);
    if presented.client_id.len() > CLIENT_ID_BYTES_MAX || too_long {
        return Err(OAuthError::invalid_client());
    }
    Ok(presented)
}

/// The bearer token of a request, from the header only (RFC 6750 section 2.1; RFC 9700 section 4.3.2
/// rules out the query). Fails with `invalid_request` for a header that is no bearer token.
pub fn bearer_token(headers: &http::HeaderMap) -> Result<Option<&str>, OAuthError> {
    match authorization(headers)? {
        None => Ok(None),
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
            let fits = !token.is_empty()
                && token.len() <= jose::TOKEN_BYTES_MAX
                && token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b));
            if fits { Ok(Some(token)) } else { Err(OAuthError::invalid_request("this is no bearer token")) }
        }
        Some(_) => Err(OAuthError::invalid_request("`Authorization` must be `Bearer`")),
    }
}

/// Scheme and credentials of the one `Authorization` header.
fn authorization(headers: &http::HeaderMap) -> Result<Option<(&str, &str)>, OAuthError> {
    let mut values = headers.get_all(http::header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().ok().filter(|_| values.next().is_none());
    let text =
        text.ok_or_else(|| OAuthError::invalid_request("`Authorization` is given twice or is no text"))?;
    let (scheme, credentials) = text.split_once(' ').unwrap_or((text, ""));
    Ok(Some((scheme, credentials.trim())))
}

/// RFC 6749 section 2.3.1: name and secret, each form-encoded, joined by a colon, in base64.
fn decode_basic(credentials: &str) -> Option<(String, Secret<String>)> {
    let bytes = STANDARD.decode(credentials).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (client_id, secret) = text.split_once(':')?;
    Some((decode_form(client_id)?, Secret::new(decode_form(secret)?)))
}

fn decode_form(text: &str) -> Option<String> {
    if text.is_empty() || text.contains('&') {
        return None;
    }
    let pairs = Pairs::parse(format!("v={text}").as_bytes()).ok()?;
    pairs.get("v").map(str::to_owned)
}
