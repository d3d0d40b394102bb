//! The token endpoint's grants.
//!
//! **Refresh tokens rotate.** A refresh token serves once; its successor is derived from it under a key
//! of ours, so that the direct predecessor, presented again within [`GRACE_SECONDS`] by its client while
//! the successor is unused, gets the *same* successor: a lost answer or two tabs at once cost nothing,
//! and no second line of tokens begins. Any other use of a used token revokes the whole family (RFC 9700
//! section 4.14.2).

pub mod http;

use std::sync::Arc;

use authz::{Actor, Cx, Event, Purpose, Target};
use aws_lc_rs::hmac;
use base::Secret;
use base::id::GrantId;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::Service;
use crate::clients::{Client, ClientStatus};
use crate::error::{Error, Result};
use crate::grants::store;
use crate::grants::{Code, FoundToken, GRANT_SECONDS_MAX, Grant, NewToken, Person, REFRESH, revoke_in};
use crate::issue::{Minted, Subject};
use crate::protocol::{Challenge, ErrorCode, OAuthError, Presented, Scopes, TokenRequest, scope};

/// How long the direct predecessor of an unused refresh token is still answered, in seconds.
pub const GRACE_SECONDS: i64 = 10;

/// One text for every reason: whoever tries codes and tokens learns nothing.
const NO_SUCH_GRANT: &str = "the code or refresh token is unknown, expired, used or not yours";

/// What the client gets.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct TokenAnswer {
    /// The access token, a JWT of type `at+jwt`.
    pub access_token: String,
    /// Always `Bearer`.
    pub token_type: &'static str,
    /// Its life in seconds.
    pub expires_in: i64,
    /// What it is for.
    pub scope: String,
    /// The next refresh token, where `offline_access` was granted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// Where `openid` was granted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token: Option<String>,
}

impl Service {
    /// Finds the client that a request presents and checks that it is that client.
    ///
    /// Fails with `access_denied` for everybody where the tenant is switched off, with `invalid_client`, the same for every reason, or with 429 or 503 where the secret was not
    /// looked at. Refusals are counted: nobody has proved to be anybody, and whoever
    /// guesses must not fill the log.
    pub(crate) async fn authenticate(&self, cx: &Cx, presented: &Presented) -> Result<Arc<Client>> {
        let tenant = cx.tenant()?.clone();
        if cx.refuse_disabled().await.is_err() {
            return Err(OAuthError::tenant_disabled().into());
        }
        let Some(client) = self.find_by_name(cx, &presented.client_id).await? else {
            cx.count(Event::denied("client.refused", Target::all("client").name(Some(tenant.id.as_str()))))
                .await;
            return Err(OAuthError::invalid_client().into());
        };
        let method_fits = client.methods.iter().any(|method| method == presented.method);
        let proven = match (&client.secret_hash, &presented.secret) {
            _ if !method_fits || client.status != ClientStatus::Active => false,
            (Some(hash), Some(secret)) => self.secrets().verify(cx, &client.id, secret, hash).await?,
            (None, None) => true,
            _ => false,
        };
        if proven {
            return Ok(client);
        }
        let name = Target::member(&client.id).name(Some(tenant.id.as_str()));
        cx.count(Event::denied("client.refused", name)).await;
        Err(OAuthError::invalid_client().into())
    }

    /// Answers a request for tokens.
    pub async fn exchange(
        &self,
        cx: &Cx,
        presented: &Presented,
        request: TokenRequest,
    ) -> Result<TokenAnswer> {
        let client = self.authenticate(cx, presented).await?;
        let cx = &cx.with_actor(as_actor(cx, &client)?);
        match request {
            TokenRequest::Code { code, redirect_uri, verifier } => {
                must_be_allowed(&client, "authorization_code")?;
                self.exchange_code(cx, &client, &code, &redirect_uri, &verifier).await
            }
            TokenRequest::Refresh { token, scopes } => {
                must_be_allowed(&client, "refresh_token")?;
                self.refresh(cx, &client, &token, scopes).await
            }
            TokenRequest::ClientCredentials { scopes } => {
                must_be_allowed(&client, "client_credentials")?;
                self.client_credentials(cx, &client, scopes).await
            }
        }
    }

    /// RFC 6749 section 4.4. What belongs to persons cannot be asked for.
    async fn client_credentials(
        &self,
        cx: &Cx,
        client: &Client,
        asked: Option<Scopes>,
    ) -> Result<TokenAnswer> {
        let personal = |name: &str| name == scope::OPENID || name == scope::OFFLINE_ACCESS;
        let scopes = match asked {
            Some(asked) => {
                let beyond = asked.beyond(&client.scopes);
                if let Some(name) =
                    beyond.or_else(|| asked.as_slice().iter().map(String::as_str).find(|n| personal(n)))
                {
                    return Err(refused_scope(name));
                }
                asked.as_slice().to_vec()
            }
            None => client.scopes.iter().filter(|name| !personal(name)).cloned().collect(),
        };
        let minted = self.mint_access(cx, client, Subject::Client, &scopes).await?;
        let tenant = cx.tenant()?.id.clone();
        let permit = cx.purpose(Purpose::TokenExchange);
        let mut tx = cx.write(&permit).await?;
        store::insert_token(&mut tx, &tenant, &minted.row, cx.now()).await?;
        tx.record(&permit, issued(cx, "token.issued", "client_credentials", client, &minted.row, None)?);
        tx.commit().await?;
        Ok(answer(cx, minted, None, None))
    }

    /// RFC 6749 section 4.1.3 with RFC 7636.
    async fn exchange_code(
        &self,
        cx: &Cx,
        client: &Client,
        code: &Secret<String>,
        redirect_uri: &str,
        verifier: &Secret<String>,
    ) -> Result<TokenAnswer> {
        let tenant = cx.tenant()?.id.clone();
        let permit = cx.purpose(Purpose::TokenExchange);
        let digest = self.code_digest(code.expose());
        let found = {
            let mut rx = cx.read(&permit).await?;
            store::find_code(&mut rx, &tenant, &digest).await?
        };
        let Some(found) = found.filter(|found| found.code.client_id == client.id) else {
            return Err(self.refuse_grant(cx, client).await);
        };
        if found.code.used_at.is_some() {
            return Err(self.code_replayed(cx, client, &digest).await?);
        }
        let code = &found.code;
        let good = cx.now() < code.expires_at
            && code.redirect_uri == redirect_uri
            && Challenge::from_stored(code.code_challenge.clone()).is_met_by(verifier.expose())
            && found.person.active
            && found.session_active;
        if !good {
            return Err(self.refuse_grant(cx, client).await);
        }
        let grant = grant_of(cx, client, code);
        let sid = code.session_id.as_str();
        let minted = self.mint_access(cx, client, Subject::Person(&grant), &grant.scopes).await?;
        let id_token = match has(&grant.scopes, scope::OPENID) {
            true => {
                let nonce = code.nonce.as_deref();
                Some(self.mint_id_token(cx, client, &grant, Some(sid), nonce, &minted.text).await?)
            }
            false => None,
        };
        let offline = has(&grant.scopes, scope::OFFLINE_ACCESS) && client.may("refresh_token");
        let refresh_text = offline.then(|| cx.fresh_token());
        let refresh_row = refresh_text.as_deref().map(|text| self.refresh_row(cx, client, &grant, text));

        let mut tx = cx.write(&permit).await?;
        if !store::claim_code(&mut tx, &tenant, &digest, &grant.id, cx.now()).await? {
            drop(tx);
            return Err(self.code_replayed(cx, client, &digest).await?);
        }
        // The session may have ended since the look above: nothing may come of it then.
        if !store::hold_session(&mut tx, &tenant, &code.session_id).await? {
            drop(tx);
            return Err(self.refuse_grant(cx, client).await);
        }
        store::insert_grant(&mut tx, &tenant, &grant, cx.now()).await?;
        store::insert_token(&mut tx, &tenant, &minted.row, cx.now()).await?;
        if let Some(row) = &refresh_row {
            store::insert_token(&mut tx, &tenant, row, cx.now()).await?;
        }
        tx.record(
            &permit,
            issued(cx, "token.issued", "authorization_code", client, &minted.row, Some(&found.person))?,
        );
        tx.commit().await?;
        Ok(answer(cx, minted, refresh_text, id_token))
    }

    /// RFC 6749 section 4.1.2: "If an authorization code is used more than once, the authorization server
    /// MUST deny the request and SHOULD revoke (when possible) all tokens previously issued based on that
    /// authorization code."
    async fn code_replayed(&self, cx: &Cx, client: &Client, digest: &str) -> Result<Error> {
        let tenant = cx.tenant()?.id.clone();
        let permit = cx.purpose(Purpose::TokenExchange);
        let mut tx = cx.write(&permit).await?;
        let found = store::find_code(&mut tx, &tenant, digest).await?;
        match found.and_then(|found| found.code.grant_id) {
            Some(grant) => {
                revoke_in(cx, &mut tx, &permit, &grant, "token.reuse_detected", "code_replayed").await?;
                tx.commit().await?;
            }
            // The code expired between the look and the claim: nothing came of it.
            None => drop(tx),
        }
        Ok(self.refuse_grant(cx, client).await)
    }

    /// RFC 6749 section 6, with rotation.
    async fn refresh(
        &self,
        cx: &Cx,
        client: &Client,
        token: &Secret<String>,
        asked: Option<Scopes>,
    ) -> Result<TokenAnswer> {
        let tenant = cx.tenant()?.id.clone();
        let permit = cx.purpose(Purpose::TokenExchange);
        let digest = self.token_digest(token.expose());
        // Twice at most: who loses the race for a rotation looks again and finds it rotated.
        for _ in 0..2 {
            let (found, successor) = {
                let mut rx = cx.read(&permit).await?;
                let found = store::find_token(&mut rx, &tenant, &digest, REFRESH).await?;
                let successor = match found.as_ref().and_then(|found| found.successor_id.as_ref()) {
                    Some(id) => store::find_token_by_id(&mut rx, &tenant, id).await?,
                    None => None,
                };
                (found, successor)
            };
            let Some(found) = found.filter(|found| found.belongs_to(&client.id)) else {
                return Err(self.refuse_grant(cx, client).await);
            };
            let (Some(grant), Some(person)) = (&found.grant, &found.person) else {
                return Err(self.refuse_grant(cx, client).await);
            };
            if !found.is_backed(cx.now()) {
                return Err(self.refuse_grant(cx, client).await);
            }
            let step = next_step(cx, &found, successor.as_ref());
            if step == Step::Reuse {
                return Err(self.reused(cx, client, &grant.id).await?);
            }
            if step == Step::Expired {
                return Err(self.refuse_grant(cx, client).await);
            }
            let scopes = narrowed(grant, asked.as_ref())?;
            let minted = self.mint_access(cx, client, Subject::Person(grant), &scopes).await?;
            let id_token = match has(&scopes, scope::OPENID) {
                true => {
                    let sid = grant.session_id.as_ref().map(|id| id.as_str());
                    Some(self.mint_id_token(cx, client, grant, sid, None, &minted.text).await?)
                }
                false => None,
            };
            let next_text = self.successor(token.expose());
            let next_row = self.refresh_row(cx, client, grant, &next_text);

            let mut tx = cx.write(&permit).await?;
            if step == Step::Rotate {
                if !store::rotate(&mut tx, &tenant, &found.id, &next_row.id, cx.now()).await? {
                    continue;
                }
                store::insert_token(&mut tx, &tenant, &next_row, cx.now()).await?;
            }
            store::insert_token(&mut tx, &tenant, &minted.row, cx.now()).await?;
            tx.record(
                &permit,
                issued(cx, "token.refreshed", "refresh_token", client, &minted.row, Some(person))?,
            );
            tx.commit().await?;
            return Ok(answer(cx, minted, Some(next_text), id_token));
        }
        Err(self.refuse_grant(cx, client).await)
    }

    async fn reused(&self, cx: &Cx, client: &Client, grant: &GrantId) -> Result<Error> {
        let permit = cx.purpose(Purpose::TokenExchange);
        let mut tx = cx.write(&permit).await?;
        revoke_in(cx, &mut tx, &permit, grant, "token.reuse_detected", "refresh_reused").await?;
        tx.commit().await?;
        tracing::warn!(
            grant = grant.as_str(),
            client = client.client_id,
            "a used refresh token came back: its family is revoked"
        );
        Ok(self.refuse_grant(cx, client).await)
    }

    async fn refuse_grant(&self, cx: &Cx, client: &Client) -> Error {
        if let Ok(tenant) = cx.tenant() {
            let name = Target::member(&client.id).name(Some(tenant.id.as_str()));
            cx.count(Event::denied("token.refused", name)).await;
        }
        OAuthError::invalid_grant(NO_SUCH_GRANT).into()
    }

    /// The one token that follows a refresh token: as unpredictable as the key, the same on every node.
    fn successor(&self, token: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.kms.derive("refresh token successor 1").expose());
        URL_SAFE_NO_PAD.encode(hmac::sign(&key, token.as_bytes()))
    }

    fn refresh_row(&self, cx: &Cx, client: &Client, grant: &Grant, text: &str) -> NewToken {
        NewToken {
            id: cx.fresh_id(),
            digest: self.token_digest(text),
            kind: REFRESH,
            user_id: Some(grant.user_id.clone()),
            client_id: client.row_id().cloned(),
            grant_id: Some(grant.id.clone()),
            scopes: grant.scopes.clone(),
            audience: Vec::new(),
            expires_at: cx.now().plus_seconds(client.refresh_token_ttl_seconds).min(grant.expires_at),
        }
    }

    /// The stored form of an authorization code.
    pub(crate) fn code_digest(&self, code: &str) -> String {
        self.0.kms.digest("authorization code", code)
    }
}

/// What a presented refresh token leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// It is unused: it rotates.
    Rotate,
    /// It is the direct predecessor of an unused one, just rotated: the same successor again.
    Repeat,
    /// It was used: somebody has a copy.
    Reuse,
    /// It is too old.
    Expired,
}

fn next_step(cx: &Cx, found: &FoundToken, successor: Option<&FoundToken>) -> Step {
    let now = cx.now();
    if found.active {
        return if now < found.expires_at { Step::Rotate } else { Step::Expired };
    }
    let recent = found.rotated_at.is_some_and(|at| now <= at.plus_seconds(GRACE_SECONDS));
    let unused = successor.is_some_and(|next| next.active && next.rotated_at.is_none());
    if recent && unused { Step::Repeat } else { Step::Reuse }
}

/// The scopes of a refreshed access token: those asked for, none beyond the family's.
fn narrowed(grant: &Grant, asked: Option<&Scopes>) -> Result<Vec<String>> {
    match asked {
        None => Ok(grant.scopes.clone()),
        // RFC 6749 section 6: "The requested scope MUST NOT include any scope not originally granted".
        Some(asked) => match asked.beyond(&grant.scopes) {
            Some(name) => Err(refused_scope(name)),
            None => Ok(asked.as_slice().to_vec()),
        },
    }
}

fn refused_scope(name: &str) -> Error {
    OAuthError::new(ErrorCode::InvalidScope, format!("the scope `{name}` is not yours to ask for here"))
        .into()
}

fn must_be_allowed(client: &Client, grant: &str) -> Result<()> {
    if client.may(grant) {
        return Ok(());
    }
    Err(OAuthError::new(ErrorCode::UnauthorizedClient, format!("the client may not use {grant}")).into())
}

fn has(scopes: &[String], name: &str) -> bool {
    scopes.iter().any(|known| known == name)
}

fn grant_of(cx: &Cx, client: &Client, code: &Code) -> Grant {
    let offline = has(&code.scopes, scope::OFFLINE_ACCESS) && client.may("refresh_token");
    Grant {
        id: cx.fresh_id(),
        client_id: client.id.clone(),
        user_id: code.user_id.clone(),
        session_id: (!offline).then(|| code.session_id.clone()),
        scopes: code.scopes.clone(),
        auth_time: Some(code.auth_time),
        acr: code.acr.clone(),
        amr: code.amr.clone(),
        expires_at: cx.now().plus_seconds(GRANT_SECONDS_MAX),
        active: true,
    }
}

pub(crate) fn as_actor(cx: &Cx, client: &Client) -> Result<Actor> {
    let tenant = cx.tenant()?.id.clone();
    // It asks for tokens here and for nothing of the API.
    Ok(Actor::Client {
        id: client.id.clone(),
        tenant,
        client_id: client.client_id.clone(),
        api: authz::Api::Closed,
    })
}

fn issued(
    cx: &Cx,
    action: &'static str,
    grant_type: &'static str,
    client: &Client,
    row: &NewToken,
    person: Option<&Person>,
) -> Result<Event> {
    let name = Target::member(&row.id).name(Some(cx.tenant()?.id.as_str()));
    let event = Event::done(action, name).details(serde_json::json!({
        "grant_type": grant_type,
        "client_id": client.client_id,
        "scopes": row.scopes,
        "grant": row.grant_id.as_ref().map(|id| id.as_str()),
    }));
    Ok(match person {
        Some(person) => event.about_user(&person.id, Some(&person.username)),
        None => event,
    })
}

fn answer(cx: &Cx, minted: Minted, refresh_token: Option<String>, id_token: Option<String>) -> TokenAnswer {
    TokenAnswer {
        expires_in: minted.row.expires_at.as_seconds().saturating_sub(cx.now().as_seconds()),
        scope: Scopes::from_stored(minted.row.scopes).to_string(),
        access_token: minted.text,
        token_type: "Bearer",
        refresh_token,
        id_token,
    }
}
