//! The pure part: parameters, addresses, scopes and proofs, read strictly. No IO, no clock, no SQL.
//!
//! Reading order: [`error`], [`redirect`], [`scope`], [`pkce`], [`authorize`], [`token`].

pub mod authorize;
pub mod error;
pub mod pkce;
pub mod redirect;
pub mod scope;
pub mod token;

pub use authorize::{Addressed, AuthorizeRequest, Prompt};
pub use error::{ErrorCode, OAuthError};
pub use pkce::Challenge;
pub use scope::Scopes;
pub use token::{Presented, TokenRequest, bearer_token, presented_client};

#[cfg(test)]
mod tests;
