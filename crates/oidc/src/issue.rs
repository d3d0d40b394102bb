//! Making tokens: claims, signatures and the rows that stand behind them. Nothing here writes.

use authz::{Cx, api};
use base::Timestamp;
use base::id::{GrantId, TokenId, UserId};
use jose::left_half_hash;
use serde_json::{Map, Value, json};

use crate::Service;
use crate::clients::Client;
use crate::error::Result;
use crate::grants::{ACCESS, Grant, NewToken};
use crate::protocol::{Scopes, scope};

/// An access token with its row.
pub(crate) struct Minted {
    pub(crate) text: String,
    pub(crate) row: NewToken,
}

/// Whom an access token speaks for.
pub(crate) enum Subject<'a> {
    /// A person, by a family.
    Person(&'a Grant),
    /// The client itself.
    Client,
}

impl Service {
    /// Signs an access token (RFC 9068 section 2).
    pub(crate) async fn mint_access(
        &self,
        cx: &Cx,
        client: &Client,
        subject: Subject<'_>,
        scopes: &[String],
    ) -> Result<Minted> {
        let tenant = cx.tenant()?;
        let now = cx.now();
        let id: TokenId = cx.fresh_id();
        let jti = cx.fresh_token();
        let expires_at = match &subject {
            Subject::Person(grant) => now.plus_seconds(client.access_token_ttl_seconds).min(grant.expires_at),
            Subject::Client => now.plus_seconds(client.access_token_ttl_seconds),
        };
        let audience = audience(client, scopes, &tenant.issuer);
        let (sub, user_id, grant_id): (&str, Option<UserId>, Option<GrantId>) = match &subject {
            Subject::Person(grant) => {
                (grant.user_id.as_str(), Some(grant.user_id.clone()), Some(grant.id.clone()))
            }
            Subject::Client => (client.id.as_str(), None, None),
        };
        let mut claims = json!({
            "iss": tenant.issuer,
            "sub": sub,
            "aud": single_or_list(&audience),
            "exp": expires_at.as_seconds(),
            "iat": now.as_seconds(),
            "jti": jti,
            "client_id": client.client_id,
            "scope": Scopes::from_stored(scopes.to_vec()).to_string(),
        });
        if let (Subject::Person(grant), Some(claims)) = (&subject, claims.as_object_mut()) {
            authentication_claims(claims, grant);
        }
        let signer = self.keys().signer(cx, client.access_token_alg).await?;
        let text = signer.sign_compact("at+jwt", claims.to_string().as_bytes())?;
        let row = NewToken {
            id,
            digest: self.token_digest(&jti),
            kind: ACCESS,
            user_id,
            client_id: client.row_id().cloned(),
            grant_id,
            scopes: scopes.to_vec(),
            audience,
            expires_at,
        };
        Ok(Minted { text, row })
    }

    /// Signs an ID token (OpenID Connect Core section 2) for a family; `nonce` only for the first
    /// (section 12.2: "it SHOULD NOT have a nonce Claim").
    pub(crate) async fn mint_id_token(
        &self,
        cx: &Cx,
        client: &Client,
        grant: &Grant,
        sid: Option<&str>,
        nonce: Option<&str>,
        access_token: &str,
    ) -> Result<String> {
        let now = cx.now();
        let mut claims = json!({
            "iss": cx.tenant()?.issuer,
            "sub": grant.user_id.as_str(),
            "aud": client.client_id,
            "azp": client.client_id,
            "exp": now.plus_seconds(client.access_token_ttl_seconds).as_seconds(),
            "iat": now.as_seconds(),
            "at_hash": left_half_hash(client.id_token_alg, access_token),
        });
        if let Some(claims) = claims.as_object_mut() {
            authentication_claims(claims, grant);
            for (name, value) in [("sid", sid), ("nonce", nonce)] {
                if let Some(value) = value {
                    claims.insert(name.to_owned(), value.into());
                }
            }
        }
        let signer = self.keys().signer(cx, client.id_token_alg).await?;
        Ok(signer.sign_compact("JWT", claims.to_string().as_bytes())?)
    }

    /// The stored form of an opaque token or of a token's `jti`.
    pub(crate) fn token_digest(&self, text: &str) -> String {
        self.0.kms.digest("token", text)
    }
}

/// When and how the person signed in, as far as it is known.
fn authentication_claims(claims: &mut Map<String, Value>, grant: &Grant) {
    if let Some(at) = grant.auth_time {
        claims.insert("auth_time".to_owned(), Timestamp::as_seconds(at).into());
    }
    if let Some(acr) = &grant.acr {
        claims.insert("acr".to_owned(), acr.as_str().into());
    }
    if !grant.amr.is_empty() {
        claims.insert("amr".to_owned(), grant.amr.as_slice().into());
    }
}

/// Whom the token is for: the client's audiences; and Signet itself where a scope asks for it or nobody
/// else is named, because RFC 9068 section 2.2 requires `aud`.
fn audience(client: &Client, scopes: &[String], issuer: &str) -> Vec<String> {
    let mut audience = client.audience.clone();
    let for_us = scopes.iter().any(|name| name == scope::OPENID || api::is_scope_of_api(name));
    if (for_us || audience.is_empty()) && !audience.iter().any(|known| known == issuer) {
        audience.push(issuer.to_owned());
    }
    audience
}

fn single_or_list(audience: &[String]) -> Value {
    match audience {
        [one] => one.as_str().into(),
        many => many.into(),
    }
}
