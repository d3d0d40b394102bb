//! Users and clients: those that can be members, hold roles and have secrets.

use base::text::name_key;
use directory::{StatusChange, UserStatus};
use oidc::clients::Client;
use serde_json::{Value, json};

use super::build::{Draft, Grants, Planner};
use super::{CLIENT_PREFIX, HolderName, Operation, Step};
use crate::file::model::{ClientDecl, SecretRef, UserDecl};

/// The ways of a client's type: how it authenticates, and what it may ask for.
pub(crate) fn defaults_of(kind: &str) -> (&'static [&'static str], &'static [&'static str]) {
    const SECRET: &[&str] = &["client_secret_basic", "client_secret_post"];
    const CODE: &[&str] = &["authorization_code", "refresh_token"];
    match kind {
        "public" => (&["none"], CODE),
        "service" => (SECRET, &["client_credentials"]),
        _ => (SECRET, CODE),
    }
}

/// The type that a client has.
pub(crate) fn kind_of(client: &Client) -> &'static str {
    if !client.is_confidential() {
        "public"
    } else if client.grants == ["client_credentials"] {
        "service"
    } else {
        "confidential"
    }
}

/// The changes of status that lead from one to another; none if they are the same.
pub(crate) fn status_changes(from: UserStatus, to: &str) -> Vec<StatusChange> {
    use UserStatus::{Active, Deleted, Inactive, Locked};
    match (from, to) {
        (Active, "inactive") | (Locked, "inactive") => vec![StatusChange::Disable],
        (Active, "locked") => vec![StatusChange::Lock],
        (Inactive, "active") => vec![StatusChange::Enable],
        (Inactive, "locked") => vec![StatusChange::Enable, StatusChange::Lock],
        (Locked, "active") => vec![StatusChange::Unlock],
        (Active | Inactive | Locked | Deleted, _) => Vec::new(),
    }
}

impl Planner<'_> {
    /// Whether a member of a group exists once the plan is done.
    pub(super) fn knows_member(&self, name: &str) -> bool {
        if let Some(client_id) = name.strip_prefix(CLIENT_PREFIX) {
            return self.state.clients.contains_key(client_id)
                || self.manifest.clients.iter().flatten().any(|client| client.client_id.value == client_id);
        }
        let key = name_key(name);
        self.state.users.contains_key(&key) || self.declared_users().contains(&key)
    }

    /// Whether a client can hold roles once the plan is done.
    pub(super) fn is_principal(&self, client_id: &str) -> bool {
        let mut decls = self.manifest.clients.iter().flatten();
        let decl = decls.find(|client| client.client_id.value == client_id);
        let wanted = decl.and_then(grant_types);
        self.state.clients.get(client_id).is_some_and(|now| now.principal.is_some())
            || wanted.is_some_and(|grants| grants.iter().any(|grant| grant == "client_credentials"))
    }

    /// The name by which a member is compared: as the tenant or the file writes it.
    pub(super) fn member_label(&self, name: &str) -> String {
        let user = self.state.users.get(&name_key(name)).filter(|_| !name.starts_with(CLIENT_PREFIX));
        user.map_or_else(|| name.to_owned(), |user| user.user.username.as_str().to_owned())
    }

    pub(super) fn users(&mut self) {
        let default_role = self.state.default_role(self.manifest);
        for (index, decl) in self.manifest.users.iter().flatten().enumerate() {
            let holder = HolderName::Member(decl.username.value.clone());
            let (mut draft, before) = if self.state.users.contains_key(&name_key(&decl.username.value)) {
                self.old_user(index, decl)
            } else {
                // The directory gives the default role to whoever it adds.
                let given = [(default_role.clone(), authz::roles::Window::ALWAYS)];
                (new_user(index, decl), Grants::from(given))
            };
            self.grants(&mut draft, &holder, &before, decl.roles.as_deref(), Some(&default_role));
            self.push(draft);
        }
    }

    fn old_user(&self, index: usize, decl: &UserDecl) -> (Draft, Grants) {
        let mut draft = Draft::new(Operation::Update, "user", &decl.username);
        let Some(now) = self.state.users.get(&name_key(&decl.username.value)) else {
            return (draft, Grants::new());
        };
        let user = &now.user;
        let mut changed = false;
        let username = user.username.as_str().to_owned();
        changed |= draft.field("username", &username, Some(&decl.username.value)).is_some();
        changed |= draft.field("email", &user.email, decl.email.as_ref()).is_some();
        changed |=
            draft.field("email_verified", &user.email_verified, decl.email_verified.as_ref()).is_some();
        changed |= draft.field("phone", &user.phone, decl.phone.as_ref()).is_some();
        changed |=
            draft.field("phone_verified", &user.phone_verified, decl.phone_verified.as_ref()).is_some();
        changed |= draft.field("display_name", &user.display_name, decl.display_name.as_ref()).is_some();
        changed |= draft.field("first_name", &user.first_name, decl.first_name.as_ref()).is_some();
        changed |= draft.field("last_name", &user.last_name, decl.last_name.as_ref()).is_some();
        changed |= draft.field("avatar_url", &user.avatar_url, decl.avatar_url.as_ref()).is_some();
        changed |= draft.field("locale", &user.locale, decl.locale.as_ref()).is_some();
        changed |= draft.field("timezone", &user.timezone, decl.timezone.as_ref()).is_some();
        changed |= draft.field("position", &user.position, decl.position.as_ref()).is_some();
        changed |= draft.field("attributes", &user.attributes, decl.attributes.as_ref()).is_some();
        if changed {
            draft.steps.push(Step::UpdateUser { id: user.id.clone(), version: user.version, index });
        }
        if let Some(status) = &decl.status {
            let name = || decl.username.value.clone();
            draft.differs("status", json!(user.status.word()), json!(status));
            let id = || Some(user.id.clone());
            let changes = status_changes(user.status, status);
            let steps =
                changes.into_iter().map(|change| Step::ChangeStatus { id: id(), user: name(), change });
            draft.steps.extend(steps);
        }
        if let Some(password) = decl.password.as_ref().filter(|password| password.rotate) {
            draft.differs("password", Value::Null, set_from(password));
            draft.steps.push(Step::SetPassword { id: user.id.clone(), index });
        }
        (draft, now.roles.clone())
    }

    pub(super) fn clients(&mut self) {
        for (index, decl) in self.manifest.clients.iter().flatten().enumerate() {
            let holder = HolderName::Member(format!("{CLIENT_PREFIX}{}", decl.client_id.value));
            let (mut draft, before) = if self.state.clients.contains_key(&decl.client_id.value) {
                self.old_client(index, decl)
            } else {
                (self.new_client(index, decl), Grants::new())
            };
            let first = decl.roles.iter().flatten().next();
            if first.is_none_or(|role| self.check_principal(role.name.at, &decl.client_id.value)) {
                self.grants(&mut draft, &holder, &before, decl.roles.as_deref(), None);
            }
            self.push(draft);
        }
    }

    fn new_client(&mut self, index: usize, decl: &ClientDecl) -> Draft {
        let mut draft = Draft::new(Operation::Create, "client", &decl.client_id);
        let Some(kind) = &decl.kind else {
            let message = "expected the key `type`: the client is not there yet";
            self.mistakes.add(decl.client_id.at, "missing_key", message);
            return draft;
        };
        draft.differs("type", Value::Null, json!(kind.value));
        if kind.value != "public" && decl.secret.is_none() {
            let message = "expected the key `secret`: the client is not there yet, and its type has a secret";
            self.mistakes.add(decl.client_id.at, "missing_key", message);
        }
        draft.differs("redirect_uris", Value::Null, json!(decl.redirect_uris));
        draft.differs("scopes", Value::Null, json!(decl.scopes));
        if let Some(Some(point)) = &decl.evaluation {
            draft.differs("evaluation", Value::Null, json!(point.value));
        }
        if let Some(secret) = &decl.secret {
            draft.differs("secret", Value::Null, set_from(secret));
        }
        draft.steps.push(Step::CreateClient(index));
        draft
    }

    fn old_client(&mut self, index: usize, decl: &ClientDecl) -> (Draft, Grants) {
        let mut draft = Draft::new(Operation::Update, "client", &decl.client_id);
        let state = self.state;
        let Some(now) = state.clients.get(&decl.client_id.value) else { return (draft, Grants::new()) };
        let client = &now.client;
        if let Some(kind) = &decl.kind
            && (kind.value == "public") == client.is_confidential()
        {
            let message = format!(
                "found `{}`, expected `{}`: whether a client has a secret cannot change; delete it and make it anew",
                kind.value,
                kind_of(client)
            );
            self.mistakes.add(kind.at, "immutable", message);
        }
        let grant_types = grant_types(decl);
        let enabled = client.status == oidc::clients::ClientStatus::Active;
        let mut changed = false;
        changed |= draft.field("name", &client.name, decl.name.as_ref()).is_some();
        changed |= draft.field("description", &client.description, decl.description.as_ref()).is_some();
        changed |= draft.field("enabled", &enabled, decl.enabled.as_ref()).is_some();
        changed |= draft.field("grant_types", &client.grants, grant_types.as_ref()).is_some();
        changed |= draft.field("redirect_uris", &client.redirect_uris, decl.redirect_uris.as_ref()).is_some();
        let after_sign_out = decl.post_logout_redirect_uris.as_ref();
        changed |= draft
            .field("post_logout_redirect_uris", &client.post_logout_redirect_uris, after_sign_out)
            .is_some();
        changed |= draft.field("scopes", &client.scopes, decl.scopes.as_ref()).is_some();
        changed |= draft.field("consent", &client.require_consent, decl.consent.as_ref()).is_some();
        let (id_alg, access_alg) =
            (client.id_token_alg.as_str().to_owned(), client.access_token_alg.as_str().to_owned());
        changed |= draft.field("id_token_alg", &id_alg, decl.id_token_alg.as_ref()).is_some();
        changed |= draft.field("access_token_alg", &access_alg, decl.access_token_alg.as_ref()).is_some();
        let (access, refresh) = (&client.access_token_ttl_seconds, &client.refresh_token_ttl_seconds);
        changed |=
            draft.field("access_token_ttl_seconds", access, decl.access_token_ttl_seconds.as_ref()).is_some();
        changed |= draft
            .field("refresh_token_ttl_seconds", refresh, decl.refresh_token_ttl_seconds.as_ref())
            .is_some();
        changed |= draft.field("audience", &client.audience, decl.audience.as_ref()).is_some();
        let point = client.evaluation.as_ref().map(|registration| registration.text().clone());
        let wanted = decl.evaluation.as_ref().map(|point| point.as_ref().map(|point| point.value.clone()));
        changed |= draft.field("evaluation", &point, wanted.as_ref()).is_some();
        if changed {
            let (id, principal) = (client.id.clone(), now.principal.clone());
            draft.steps.push(Step::UpdateClient { id, principal, version: client.version, index });
        }
        if let Some(secret) = decl.secret.as_ref().filter(|secret| secret.rotate) {
            draft.differs("secret", Value::Null, set_from(secret));
            let (id, principal) = (client.id.clone(), now.principal.clone());
            draft.steps.push(Step::SetClientSecret { id, principal, index });
        }
        (draft, now.roles.clone())
    }
}

/// What a client may ask for: as the file says, or as its type does.
pub(crate) fn grant_types(decl: &ClientDecl) -> Option<Vec<String>> {
    decl.grant_types.clone().or_else(|| {
        let (_, grants) = defaults_of(&decl.kind.as_ref()?.value);
        Some(grants.iter().map(|grant| (*grant).to_owned()).collect())
    })
}

fn new_user(index: usize, decl: &UserDecl) -> Draft {
    let mut draft = Draft::new(Operation::Create, "user", &decl.username);
    draft.differs("email", Value::Null, json!(decl.email.clone().flatten()));
    draft.differs("phone", Value::Null, json!(decl.phone.clone().flatten()));
    draft.differs("display_name", Value::Null, json!(decl.display_name.clone().flatten()));
    draft.differs("attributes", Value::Null, json!(decl.attributes));
    match &decl.password {
        Some(password) => draft.differs("password", Value::Null, set_from(password)),
        None => draft.differs("password", Value::Null, json!("none; set one before they can sign in")),
    };
    draft.steps.push(Step::CreateUser(index));
    if let Some(status) = decl.status.as_deref().filter(|status| *status != "active") {
        draft.differs("status", Value::Null, json!(status));
        let changes = status_changes(UserStatus::Active, status);
        let name = || decl.username.value.clone();
        let steps = changes.into_iter().map(|change| Step::ChangeStatus { id: None, user: name(), change });
        draft.steps.extend(steps);
    }
    draft
}

/// What a plan shows of a secret: where it comes from.
fn set_from(secret: &SecretRef) -> Value {
    json!(format!("set from {}", secret.key))
}
