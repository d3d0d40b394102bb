//! The three clients of every new installation (requirement A1.7), under their exact ids.

use authz::{Cx, Permit, Tx};
use base::Secret;
use base::id::ClientId;

use super::{ClientStatus, NewClient, insert_in};
use crate::error::Result;
use crate::secrets::{FreshSecret, Secrets};

/// The secrets of the default clients, made before the transaction begins.
pub struct DefaultClients {
    web: FreshSecret,
    service: FreshSecret,
}

impl DefaultClients {
    /// Makes both secrets.
    pub async fn prepare(secrets: &Secrets, cx: &Cx) -> Result<Self> {
        let (web, service) = tokio::join!(secrets.fresh(cx), secrets.fresh(cx));
        Ok(Self { web: web?, service: service? })
    }

    /// `client_id` and secret of the two confidential clients, to be told the operator once.
    pub fn secrets(&self) -> [(&'static str, &Secret<String>); 2] {
        [("openidaas-web-client", &self.web.secret), ("openidaas-service-account", &self.service.secret)]
    }
}

/// Adds the default clients to the default tenant: a web application and a service account with a random
/// secret each, and a mobile app without. Their redirect addresses are on loopback until edited.
///
/// Records one event for each client.
pub async fn seed_default_clients_in(
    cx: &Cx,
    tx: &mut Tx,
    permit: &Permit,
    prepared: &DefaultClients,
) -> Result<()> {
    let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let web = NewClient {
        methods: texts(&["client_secret_basic"]),
        grants: texts(&["authorization_code", "refresh_token"]),
        redirect_uris: texts(&["http://localhost:3000/callback"]),
        post_logout_redirect_uris: texts(&["http://localhost:3000/"]),
        scopes: texts(&["openid", "profile", "email", "phone", "offline_access"]),
        secret: Some(prepared.web.hash.clone()),
        ..NewClient::named("OpenIDaaS Web Client")
    };
    let mobile = NewClient {
        methods: texts(&["none"]),
        grants: texts(&["authorization_code", "refresh_token"]),
        redirect_uris: texts(&["http://127.0.0.1/callback"]),
        scopes: texts(&["openid", "profile", "email", "offline_access"]),
        ..NewClient::named("OpenIDaaS Mobile Client")
    };
    let service = NewClient {
        methods: texts(&["client_secret_basic"]),
        grants: texts(&["client_credentials"]),
        scopes: texts(&["service:access"]),
        require_consent: false,
        secret: Some(prepared.service.hash.clone()),
        ..NewClient::named("OpenIDaaS Service Account")
    };
    for (id, client_id, new) in [
        ("00000000-0000-0000-0000-000000000001", "openidaas-web-client", web),
        ("00000000-0000-0000-0000-000000000002", "openidaas-mobile-client", mobile),
        ("00000000-0000-0000-0000-000000000003", "openidaas-service-account", service),
    ] {
        let id = ClientId::parse(id).map_err(|error| base::bug!("a default id: {error}"))?;
        insert_in(cx, tx, permit, id, Some(client_id.to_owned()), new, ClientStatus::Active).await?;
    }
    Ok(())
}
