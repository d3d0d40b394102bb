//! What callers may do with clients: each verb authorises, writes, records and commits.

use std::sync::Arc;

use authz::{Action, Cx, Permit, Purpose, Target};
use base::Secret;
use base::id::ClientId;

use super::{
    Client, ClientChange, ClientList, ClientQuery, NewClient, built_in, create_client_in, delete_client_in,
    find_client, find_client_by_client_id, find_principal, set_secret_in, store, update_client_in,
};
use crate::Service;
use crate::error::{Error, Result};

/// A client with the secret that is shown once.
pub struct Shown {
    /// The client.
    pub client: Client,
    /// The secret of a confidential client.
    pub secret: Option<Secret<String>>,
}

impl Service {
    /// Makes a client; a confidential one gets a random secret, answered this once.
    pub async fn create_client(&self, cx: &Cx, mut new: NewClient) -> Result<Shown> {
        let permit = cx.authorize(Action::ClientCreate, &Target::all("client")).await?;
        let mut secret = None;
        if new.needs_secret() {
            let fresh = self.secrets().fresh(cx).await?;
            new.secret = Some(fresh.hash);
            secret = Some(fresh.secret);
        }
        let mut tx = cx.write(&permit).await?;
        let client = create_client_in(cx, &mut tx, &permit, new).await?;
        tx.commit().await?;
        Ok(Shown { client, secret })
    }

    /// Lists clients of the caller's tenant, page by page. What the caller may not read is left out.
    pub async fn list_clients(&self, cx: &Cx, query: &ClientQuery) -> Result<ClientList> {
        let permit = cx.authorize(Action::ClientRead, &Target::all("client")).await?;
        let tenant = &cx.tenant()?.id;
        let filter = query.filter.as_ref();
        let mut rx = cx.read(&permit).await?;
        let after = query.after.as_ref();
        let scanned = store::page(&mut rx, tenant, filter, &query.order, after, query.limit).await?;
        let count = match query.count {
            Some(how) => Some(store::count(&mut rx, tenant, filter, how).await?),
            None => None,
        };
        drop(rx);
        let mut items = Vec::with_capacity(scanned.items.len());
        for client in scanned.items {
            if cx.may(Action::ClientRead, &Target::member(&client.id)).await? {
                items.push(client);
            }
        }
        Ok(ClientList { items, next: scanned.next, count })
    }

    /// Reads a client.
    pub async fn read_client(&self, cx: &Cx, id: &ClientId) -> Result<Client> {
        let permit = cx.authorize(Action::ClientRead, &Target::member(id)).await?;
        let mut rx = cx.read(&permit).await?;
        let found = find_client(&mut rx, &cx.tenant()?.id, id).await?;
        found.ok_or(Error::Authz(authz::Error::NotFound("client")))
    }

    /// Changes a client.
    pub async fn update_client(
        &self,
        cx: &Cx,
        id: &ClientId,
        change: ClientChange,
        version: Option<i64>,
    ) -> Result<Client> {
        let permit = cx.authorize(Action::ClientUpdate, &Target::member(id)).await?;
        self.refuse_higher(cx, &permit, id).await?;
        let mut tx = cx.write(&permit).await?;
        let client = update_client_in(cx, &mut tx, &permit, id, change, version).await?;
        tx.commit().await?;
        Ok(client)
    }

    /// Gives a confidential client another secret, answered this once.
    pub async fn rotate_client_secret(&self, cx: &Cx, id: &ClientId) -> Result<Shown> {
        let permit = cx.authorize(Action::ClientUpdate, &Target::member(id)).await?;
        self.refuse_higher(cx, &permit, id).await?;
        let fresh = self.secrets().fresh(cx).await?;
        let mut tx = cx.write(&permit).await?;
        let client = set_secret_in(cx, &mut tx, &permit, id, &fresh.hash).await?;
        tx.commit().await?;
        Ok(Shown { client, secret: Some(fresh.secret) })
    }

    /// Removes a client.
    pub async fn delete_client(&self, cx: &Cx, id: &ClientId, version: Option<i64>) -> Result<()> {
        let permit = cx.authorize(Action::ClientDelete, &Target::member(id)).await?;
        self.refuse_higher(cx, &permit, id).await?;
        let mut tx = cx.write(&permit).await?;
        delete_client_in(&mut tx, &permit, id, version).await?;
        tx.commit().await?;
        Ok(())
    }

    /// The client of a public name, from memory while nothing changed in the tenant.
    pub async fn find_by_name(&self, cx: &Cx, client_id: &str) -> Result<Option<Arc<Client>>> {
        if let Some(client) = built_in(client_id) {
            return Ok(Some(Arc::new(client)));
        }
        let tenant = &cx.tenant()?.id;
        let version = self.core().version(tenant);
        let key = (tenant.clone(), client_id.to_owned());
        if let Some((known, client)) = self.client_cache().get(&key)
            && known >= version
        {
            return Ok(Some(client));
        }
        let mut rx = cx.read(&cx.purpose(Purpose::Resolve)).await?;
        // An absent client is not kept: whoever asks for names that do not exist fills no memory.
        let Some(client) = find_client_by_client_id(&mut rx, tenant, client_id).await? else {
            return Ok(None);
        };
        let client = Arc::new(client);
        self.client_cache().insert(key, (version, client.clone()));
        Ok(Some(client))
    }

    /// Whoever may change clients may not take over one that holds roles above their own.
    async fn refuse_higher(&self, cx: &Cx, permit: &Permit, id: &ClientId) -> Result<()> {
        let tenant = &cx.tenant()?.id;
        let mut rx = cx.read(permit).await?;
        let Some(client) = find_client(&mut rx, tenant, id).await? else { return Ok(()) };
        let principal = find_principal(&mut rx, tenant, &client).await?;
        drop(rx);
        let Some(principal) = principal else { return Ok(()) };
        if authz::roles::outranks(cx, &principal).await? {
            return Err(authz::Error::Escalation("the client holds roles that you do not".to_owned()).into());
        }
        Ok(())
    }
}
