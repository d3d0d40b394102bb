//! Scopes: what a token is for.

use std::fmt;

use super::{ErrorCode, OAuthError};

/// The most scopes of one request.
pub const SCOPES_MAX: usize = 50;
/// The longest scope, in bytes.
pub const SCOPE_BYTES_MAX: usize = 64;

/// Asks for an ID token.
pub const OPENID: &str = "openid";
/// Asks for a refresh token.
pub const OFFLINE_ACCESS: &str = "offline_access";
/// Lets the token call Signet's own API, as far as its holder may.
pub const SIGNET: &str = authz::api::SCOPE;

/// Scopes in the order given, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scopes(Vec<String>);

impl Scopes {
    /// Reads a `scope` parameter: names of visible ASCII without `"` and `\`, with single spaces between
    /// (RFC 6749 section 3.3). Fails with `invalid_scope`.
    pub fn parse(text: &str) -> Result<Self, OAuthError> {
        let mut scopes = Vec::new();
        for name in text.split(' ') {
            if !is_scope(name) {
                return Err(OAuthError::new(
                    ErrorCode::InvalidScope,
                    "`scope` is names of visible ASCII with single spaces between",
                ));
            }
            if !scopes.iter().any(|known| known == name) {
                scopes.push(name.to_owned());
            }
            if scopes.len() > SCOPES_MAX {
                return Err(OAuthError::new(ErrorCode::InvalidScope, "at most 50 scopes are taken"));
            }
        }
        Ok(Self(scopes))
    }

    /// Takes scopes that were checked before, from a row.
    pub fn from_stored(scopes: Vec<String>) -> Self {
        Self(scopes)
    }

    /// Whether a scope is among them.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|known| known == name)
    }

    /// The first scope that `allowed` lacks.
    pub fn beyond<'a>(&'a self, allowed: &[String]) -> Option<&'a str> {
        self.0.iter().find(|name| !allowed.contains(name)).map(String::as_str)
    }

    /// The scopes.
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Whether text is one scope.
pub fn is_scope(name: &str) -> bool {
    (1..=SCOPE_BYTES_MAX).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, name) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str(" ")?;
            }
            f.write_str(name)?;
        }
        Ok(())
    }
}
