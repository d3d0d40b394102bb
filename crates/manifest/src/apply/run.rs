//! Doing a plan: each step is one call of an inner verb, in one transaction.

use std::collections::HashMap;
use std::sync::Arc;

use authz::access::{Registration, RegistrationText};
use authz::permissions::{self, GlobalPermissionId};
use authz::policies::links::{self, Link};
use authz::resources::{self, ResourceChange};
use authz::roles::{self, Holder, RoleChange};
use authz::{Cx, Place, Tx, groups, policies};
use base::id::{GroupId, PermissionId, PolicyId, PrincipalId, ResourceId, RoleId, TenantId, UserId};
use base::text::{name_key, parse_username};
use directory::users::AttributesChange;
use directory::{NewUser, StatusChange, Tenant, TenantChange, TenantConfig, UserChange, users};
use jose::Algorithm;
use oidc::clients::{self, ClientChange, ClientStatus, NewClient};
use web::Field;

use super::authority::Permits;
use super::refused;
use super::secrets::Hashes;
use crate::error::{Error, Result};
use crate::file::model::{ClientDecl, Manifest, UserDecl};
use crate::file::{At, action_key};
use crate::plan::{CLIENT_PREFIX, Change, HolderName, LinkName, Plan, Step, defaults_of, grant_types};
use crate::state::State;

/// The ids of names, those of objects that the run makes included.
#[derive(Default)]
struct Ids {
    roles: HashMap<String, RoleId>,
    policies: HashMap<String, PolicyId>,
    /// By code in lower case.
    permissions: HashMap<String, PermissionId>,
    /// By name in lower case.
    globals: HashMap<String, GlobalPermissionId>,
    /// By folded user name, or `client:` and the client_id.
    members: HashMap<String, PrincipalId>,
    groups: HashMap<String, GroupId>,
    resources: HashMap<String, ResourceId>,
}

pub(super) struct Run<'a> {
    /// Where the caller came from: on the platform, another look at the tenant enters it again.
    origin: &'a Cx,
    pub(super) cx: Cx,
    manifest: &'a Manifest,
    pub(super) permits: Permits,
    hashes: Hashes,
    ids: Ids,
}

fn member_key(name: &str) -> String {
    if name.starts_with(CLIENT_PREFIX) { name.to_owned() } else { name_key(name) }
}

fn client_member(client_id: &str) -> String {
    format!("{CLIENT_PREFIX}{client_id}")
}

pub(super) fn lost(what: &str, name: &str) -> Error {
    Error::refused(base::bug!("a plan names the {what} `{name}`, which its steps did not make"))
}

impl<'a> Run<'a> {
    pub(super) fn new(
        origin: &'a Cx,
        cx: Cx,
        manifest: &'a Manifest,
        state: &State,
        permits: Permits,
        hashes: Hashes,
    ) -> Self {
        let mut ids = Ids::default();
        ids.roles.extend(state.roles.values().map(|role| (role.code.clone(), role.id.clone())));
        ids.policies.extend(state.policies.iter().map(|(key, policy)| (key.clone(), policy.id.clone())));
        ids.permissions.extend(state.permissions.iter().map(|(key, one)| (key.clone(), one.id.clone())));
        ids.globals.extend(state.globals.iter().map(|(key, one)| (key.clone(), one.id.clone())));
        ids.members.extend(state.users.iter().map(|(key, now)| (key.clone(), now.user.id.cast())));
        for now in state.clients.values() {
            if let Some(principal) = &now.principal {
                ids.members.insert(client_member(&now.client.client_id), principal.clone());
            }
        }
        ids.groups.extend(state.groups.iter().map(|(key, now)| (key.clone(), now.group.id.clone())));
        ids.resources.extend(state.resources.values().map(|r| (r.name.clone(), r.id.clone())));
        Self { origin, cx, manifest, permits, hashes, ids }
    }

    /// Does all steps in order. Fails at the first that is refused, with its place in the file.
    pub(super) async fn all(&mut self, tx: &mut Tx, plan: &Plan) -> Result<()> {
        for change in &plan.changes {
            for step in &change.steps {
                let done = self.step(tx, change, step).await;
                done.map_err(|error| refused(self.manifest, change, error))?;
            }
        }
        Ok(())
    }

    fn tenant(&self) -> Result<TenantId> {
        Ok(self.cx.tenant()?.id.clone())
    }

    fn role(&self, code: &str) -> Result<RoleId> {
        self.ids.roles.get(code).cloned().ok_or_else(|| lost("role", code))
    }

    pub(super) fn policy(&self, name: &str) -> Result<PolicyId> {
        self.ids.policies.get(&name_key(name)).cloned().ok_or_else(|| lost("policy", name))
    }

    pub(super) fn resource(&self, name: &str) -> Result<ResourceId> {
        self.ids.resources.get(name).cloned().ok_or_else(|| lost("resource", name))
    }

    fn group(&self, name: &str) -> Result<GroupId> {
        self.ids.groups.get(&name_key(name)).cloned().ok_or_else(|| lost("group", name))
    }

    pub(super) fn member(&self, name: &str) -> Result<PrincipalId> {
        self.ids.members.get(&member_key(name)).cloned().ok_or_else(|| lost("member", name))
    }

    fn holder(&self, name: &HolderName) -> Result<Holder> {
        Ok(match name {
            HolderName::Member(name) => Holder::Principal(self.member(name)?),
            HolderName::Group(name) => Holder::Group(self.group(name)?),
        })
    }

    async fn step(&mut self, tx: &mut Tx, change: &Change, step: &Step) -> Result<()> {
        match step {
            // Made before the run began, because all else is done inside it.
            Step::CreateTenant => Ok(()),
            Step::RenameTenant(_) | Step::ConfigureTenant(_) => self.tenant_step(tx, step).await,
            Step::CreatePermission { .. } | Step::UpdatePermission(..) | Step::DeletePermission(_) => {
                self.permission_step(tx, step).await
            }
            Step::CreatePolicy(_)
            | Step::UpdatePolicy(..)
            | Step::DeletePolicy(_)
            | Step::Link { .. }
            | Step::Unlink(..) => self.policy_step(tx, step).await,
            Step::CreateRole { .. }
            | Step::UpdateRole { .. }
            | Step::DeleteRole(_)
            | Step::SetPolicies { .. }
            | Step::Assign { .. }
            | Step::Unassign { .. } => self.role_step(tx, step).await,
            Step::CreateUser(_)
            | Step::UpdateUser { .. }
            | Step::SetPassword { .. }
            | Step::ChangeStatus { .. }
            | Step::DeleteUser(_) => self.user_step(tx, change, step).await,
            Step::CreateClient(_)
            | Step::UpdateClient { .. }
            | Step::SetClientSecret { .. }
            | Step::DeleteClient { .. } => self.client_step(tx, step).await,
            Step::CreateGroup(_)
            | Step::UpdateGroup(..)
            | Step::DeleteGroup(_)
            | Step::AddMember { .. }
            | Step::RemoveMember { .. } => self.group_step(tx, step).await,
            Step::CreateResource { .. } | Step::UpdateResource { .. } | Step::DeleteResource(_) => {
                self.resource_step(tx, step).await
            }
            Step::AttachGuardrail { .. }
            | Step::DetachGuardrail(_)
            | Step::SetBoundary { .. }
            | Step::SetResourcePolicy { .. } => self.layer_step(tx, step).await,
        }
    }

    async fn tenant_step(&mut self, tx: &mut Tx, step: &Step) -> Result<()> {
        use directory::tenants::{find, update_config_in, update_tenant_in};
        let found = find(tx, &self.tenant()?).await?.ok_or(authz::Error::NotFound("tenant"))?;
        let permit = self.permits.of(&self.cx, step)?;
        let after = match step {
            Step::RenameTenant(name) => {
                let change = TenantChange { name: Some(name.clone()), ..TenantChange::default() };
                update_tenant_in(&self.cx, tx, permit, &found, change).await?
            }
            Step::ConfigureTenant(patch) => {
                let config = TenantConfig::of(&found.to_ref())?.patched(patch.clone())?;
                update_config_in(&self.cx, tx, permit, &found, &config).await?
            }
            _ => return Ok(()),
        };
        self.relocate(&after).await
    }

    /// Goes on in the tenant as it has become: its configuration names the role of new users.
    async fn relocate(&mut self, tenant: &Tenant) -> Result<()> {
        let tenant = Arc::new(tenant.to_ref());
        self.cx = match self.origin.place() {
            Place::Platform => self.origin.enter(tenant).await?,
            Place::Tenant(_) => Cx::new(
                self.cx.core().clone(),
                Place::Tenant(tenant),
                self.cx.actor().clone(),
                self.cx.request().clone(),
            ),
        };
        Ok(())
    }

    async fn policy_step(&mut self, tx: &mut Tx, step: &Step) -> Result<()> {
        let permit = self.permits.of(&self.cx, step)?;
        match step {
            Step::CreatePolicy(new) => {
                let policy = policies::create_policy_in(&self.cx, tx, permit, new.clone()).await?;
                self.ids.policies.insert(name_key(&policy.name), policy.id);
            }
            Step::UpdatePolicy(id, version, change) => {
                policies::update_policy_in(&self.cx, tx, permit, id, change.clone(), Some(*version)).await?;
            }
            Step::DeletePolicy(id) => policies::delete_policy_in(&self.cx, tx, permit, id).await?,
            Step::Link { policy, link, .. } => {
                let id = self.ids.policies.get(&name_key(policy)).ok_or_else(|| lost("policy", policy))?;
                links::link_in(&self.cx, tx, permit, id, &self.link(link)?).await?;
            }
            Step::Unlink(id, link) => links::unlink_in(&self.cx, tx, permit, id, link).await?,
            _ => {}
        }
        Ok(())
    }

    async fn permission_step(&mut self, tx: &mut Tx, step: &Step) -> Result<()> {
        let permit = self.permits.of(&self.cx, step)?;
        match step {
            Step::CreatePermission { permission, global } => {
                let global_permission_id = global.as_deref().map(|name| self.global(name)).transpose()?;
                let new = permissions::NewPermission { global_permission_id, ..permission.clone() };
                let made = permissions::create_permission_in(&self.cx, tx, permit, new).await?;
                self.ids.permissions.insert(action_key(&made.code), made.id);
            }
            Step::UpdatePermission(id, version, change) => {
                let found = permissions::find_permission(tx, &self.tenant()?, id).await?;
                let found = found.ok_or(authz::Error::NotFound("permission"))?;
                if found.version != *version {
                    return Err(authz::Error::Stale.into());
                }
                permissions::update_permission_in(&self.cx, tx, permit, found, change.clone()).await?;
            }
            Step::DeletePermission(id) => {
                let found = permissions::find_permission(tx, &self.tenant()?, id).await?;
                let found = found.ok_or(authz::Error::NotFound("permission"))?;
                permissions::delete_permission_in(tx, permit, &found).await?;
            }
            _ => {}
        }
        Ok(())
    }

    fn global(&self, name: &str) -> Result<GlobalPermissionId> {
        let found = self.ids.globals.get(&action_key(name)).cloned();
        found.ok_or_else(|| lost("global permission", name))
    }

    fn link(&self, name: &LinkName) -> Result<Link> {
        Ok(match name {
            LinkName::Permission(code, effect) => {
                let found = self.ids.permissions.get(&action_key(code)).cloned();
                Link::Permission(found.ok_or_else(|| lost("permission", code))?, *effect)
            }
            LinkName::Global(name) => Link::Global(self.global(name)?),
            LinkName::Resource(name) => Link::Resource(self.resource(name)?),
        })
    }

    async fn role_step(&mut self, tx: &mut Tx, step: &Step) -> Result<()> {
        let permit = self.permits.of(&self.cx, step)?;
        match step {
            Step::CreateRole { role, parent } => {
                let parent_id = parent.as_deref().map(|code| self.role(code)).transpose()?;
                let new = roles::NewRole { parent_id, ..role.clone() };
                let made = roles::create_role_in(&self.cx, tx, permit, new).await?;
                self.ids.roles.insert(made.code, made.id);
            }
            Step::UpdateRole { id, version, change, parent } => {
                let parent_id = match parent {
                    Some(Some(code)) => Some(Some(self.role(code)?)),
                    Some(None) => Some(None),
                    None => None,
                };
                let change = RoleChange { parent_id, ..change.clone() };
                roles::update_role_in(&self.cx, tx, permit, id, change, Some(*version)).await?;
            }
            Step::DeleteRole(id) => roles::delete_role_in(&self.cx, tx, permit, id).await?,
            Step::SetPolicies { role, policies } => {
                let find = |name: &String| {
                    let found = self.ids.policies.get(&name_key(name)).cloned();
                    found.ok_or_else(|| lost("policy", name))
                };
                let policies = policies.iter().map(find).collect::<Result<Vec<_>>>()?;
                roles::set_policies_in(&self.cx, tx, permit, &self.role(role)?, &policies).await?;
            }
            Step::Assign { to, role, window, .. } => {
                let (holder, role) = (self.holder(to)?, self.role(role)?);
                roles::assign_in(&self.cx, tx, permit, &holder, &role, *window).await?;
            }
            Step::Unassign { from, role, .. } => {
                let (holder, role) = (self.holder(from)?, self.role(role)?);
                roles::unassign_in(&self.cx, tx, permit, &holder, &role).await?;
            }
            _ => {}
        }
        Ok(())
    }

    async fn user_step(&mut self, tx: &mut Tx, change: &Change, step: &Step) -> Result<()> {
        let permit = self.permits.of(&self.cx, step)?;
        let decl = |index: &usize| {
            let found = self.manifest.users.as_ref().and_then(|users| users.get(*index));
            found.ok_or_else(|| lost("user", &change.name))
        };
        match step {
            Step::CreateUser(index) => {
                let decl = decl(index)?;
                let new = self.new_user(decl, *index)?;
                let user = users::create_user_in(&self.cx, tx, permit, new).await?;
                self.ids.members.insert(user.username.key().to_owned(), user.id.cast());
            }
            Step::UpdateUser { id, version, index } => {
                let found = self.find_user(tx, id).await?;
                if found.version != *version {
                    return Err(directory::Error::Stale.into());
                }
                let wanted = user_change(decl(index)?)?;
                users::update_user_in(&self.cx, tx, permit, &found, wanted).await?;
            }
            Step::SetPassword { id, index } => {
                let hash = self.hashes.passwords.get(index).ok_or_else(|| lost("password", &change.name))?;
                let must_change = decl(index)?.must_change_password.unwrap_or(true);
                authn::set_password_in(&self.cx, tx, permit, id, hash, must_change).await?;
            }
            Step::ChangeStatus { user, change, .. } => {
                let id = self.member(user)?.cast();
                let found = self.find_user(tx, &id).await?;
                users::change_status_in(&self.cx, tx, permit, &found, *change).await?;
            }
            Step::DeleteUser(id) => {
                let found = self.find_user(tx, id).await?;
                users::change_status_in(&self.cx, tx, permit, &found, StatusChange::Delete).await?;
            }
            _ => {}
        }
        Ok(())
    }

    async fn find_user(&self, tx: &mut Tx, id: &UserId) -> Result<users::User> {
        let found = users::find(tx, &self.tenant()?, id).await?;
        Ok(found.ok_or(directory::Error::NotFound("user"))?)
    }

    fn new_user(&self, decl: &UserDecl, index: usize) -> Result<NewUser> {
        let username = parse_username(&decl.username.value)
            .map_err(|error| Error::refused(base::bug!("a user name that was checked: {error}")))?;
        let base = match self.hashes.passwords.get(&index) {
            Some(hash) => NewUser {
                must_change_password: decl.must_change_password.unwrap_or(true),
                ..NewUser::new(username, hash.clone())
            },
            None => NewUser::without_password(&self.cx, username),
        };
        Ok(NewUser {
            email: decl.email.clone().flatten(),
            email_verified: decl.email_verified.unwrap_or(false),
            phone: decl.phone.clone().flatten(),
            phone_verified: decl.phone_verified.unwrap_or(false),
            display_name: decl.display_name.clone().flatten(),
            first_name: decl.first_name.clone().flatten(),
            last_name: decl.last_name.clone().flatten(),
            avatar_url: decl.avatar_url.clone().flatten(),
            locale: decl.locale.clone(),
            timezone: decl.timezone.clone(),
            position: decl.position.clone().flatten(),
            attributes: decl.attributes.clone().unwrap_or_else(|| serde_json::json!({})),
            ..base
        })
    }

    async fn client_step(&mut self, tx: &mut Tx, step: &Step) -> Result<()> {
        let permit = self.permits.of(&self.cx, step)?;
        let decl = |index: &usize| {
            let found = self.manifest.clients.as_ref().and_then(|clients| clients.get(*index));
            found.ok_or_else(|| lost("client", "of the file"))
        };
        match step {
            Step::CreateClient(index) => {
                let decl = decl(index)?;
                let mut new = new_client(decl)?;
                new.secret = self.hashes.client_secrets.get(index).cloned();
                let client = clients::create_client_in(&self.cx, tx, permit, new).await?;
                if decl.enabled == Some(false) {
                    let off =
                        ClientChange { status: Some(ClientStatus::Disabled), ..ClientChange::default() };
                    clients::update_client_in(&self.cx, tx, permit, &client.id, off, None).await?;
                }
                self.learn_principal(tx, &client).await?;
            }
            Step::UpdateClient { id, version, index, .. } => {
                let wanted = client_change(decl(index)?)?;
                let client =
                    clients::update_client_in(&self.cx, tx, permit, id, wanted, Some(*version)).await?;
                self.learn_principal(tx, &client).await?;
            }
            Step::SetClientSecret { id, index, .. } => {
                let hash =
                    self.hashes.client_secrets.get(index).ok_or_else(|| lost("secret", id.as_str()))?;
                clients::set_secret_in(&self.cx, tx, permit, id, hash).await?;
            }
            Step::DeleteClient { id, .. } => clients::delete_client_in(tx, permit, id, None).await?,
            _ => {}
        }
        Ok(())
    }

    /// Notes the principal that a client is, now that it was written.
    async fn learn_principal(&mut self, tx: &mut Tx, client: &clients::Client) -> Result<()> {
        if let Some(principal) = clients::find_principal(tx, &self.tenant()?, client).await? {
            self.ids.members.insert(client_member(&client.client_id), principal);
        }
        Ok(())
    }

    async fn group_step(&mut self, tx: &mut Tx, step: &Step) -> Result<()> {
        let permit = self.permits.of(&self.cx, step)?;
        match step {
            Step::CreateGroup(new) => {
                let group = groups::create_group_in(&self.cx, tx, permit, new.clone()).await?;
                self.ids.groups.insert(name_key(&group.name), group.id);
            }
            Step::UpdateGroup(id, version, change) => {
                groups::update_group_in(&self.cx, tx, permit, id, change.clone(), Some(*version)).await?;
            }
            Step::DeleteGroup(id) => groups::delete_group_in(&self.cx, tx, permit, id).await?,
            Step::AddMember { group, member, window, .. } => {
                let (group, member) = (self.group(group)?, self.member(member)?);
                groups::add_member_in(&self.cx, tx, permit, &group, &member, *window).await?;
            }
            Step::RemoveMember { group, member, .. } => {
                let (group, member) = (self.group(group)?, self.former_member(tx, member).await?);
                groups::remove_member_in(&self.cx, tx, permit, &group, &member).await?;
            }
            _ => {}
        }
        Ok(())
    }

    /// A member that the file does not name, and that was therefore not loaded.
    async fn former_member(&self, tx: &mut Tx, name: &str) -> Result<PrincipalId> {
        if let Some(known) = self.ids.members.get(&member_key(name)) {
            return Ok(known.clone());
        }
        let tenant = self.tenant()?;
        if let Some(client_id) = name.strip_prefix(CLIENT_PREFIX) {
            let client = clients::find_client_by_client_id(tx, &tenant, client_id).await?;
            let principal = match &client {
                Some(client) => clients::find_principal(tx, &tenant, client).await?,
                None => None,
            };
            return principal.ok_or_else(|| lost("client", name));
        }
        let username = parse_username(name).map_err(|_| lost("user", name))?;
        let user = users::find_by_username(tx, &tenant, &username).await?;
        user.map(|user| user.id.cast()).ok_or_else(|| lost("user", name))
    }

    async fn resource_step(&mut self, tx: &mut Tx, step: &Step) -> Result<()> {
        let permit = self.permits.of(&self.cx, step)?;
        match step {
            Step::CreateResource { resource, parent } => {
                let parent_id = parent.as_deref().map(|name| self.resource(name)).transpose()?;
                let new = resources::NewResource { parent_id, ..resource.clone() };
                let made = resources::create_resource_in(&self.cx, tx, permit, new).await?;
                self.ids.resources.insert(made.name, made.id);
            }
            Step::UpdateResource { id, version, change, parent, .. } => {
                let parent_id = match parent {
                    Some(Some(name)) => Some(Some(self.resource(name)?)),
                    Some(None) => Some(None),
                    None => None,
                };
                let change = ResourceChange { parent_id, ..change.clone() };
                resources::update_resource_in(&self.cx, tx, permit, id, change, Some(*version)).await?;
            }
            Step::DeleteResource(id) => resources::delete_resource_in(&self.cx, tx, permit, id).await?,
            _ => {}
        }
        Ok(())
    }
}

fn field(value: &Option<Option<String>>) -> Field<String> {
    match value {
        None => Field::Absent,
        Some(None) => Field::Null,
        Some(Some(value)) => Field::Value(value.clone()),
    }
}

fn user_change(decl: &UserDecl) -> Result<UserChange> {
    let username = parse_username(&decl.username.value)
        .map_err(|error| Error::refused(base::bug!("a user name that was checked: {error}")))?;
    let set = |value: &Option<String>| value.clone().map_or(Field::Absent, Field::Value);
    Ok(UserChange {
        username: Some(username),
        email: field(&decl.email),
        email_verified: decl.email_verified,
        phone: field(&decl.phone),
        phone_verified: decl.phone_verified,
        display_name: field(&decl.display_name),
        first_name: field(&decl.first_name),
        last_name: field(&decl.last_name),
        avatar_url: field(&decl.avatar_url),
        locale: set(&decl.locale),
        timezone: set(&decl.timezone),
        position: field(&decl.position),
        attributes: decl.attributes.clone().map(AttributesChange::Replace),
        ..UserChange::default()
    })
}

fn algorithm(name: &Option<String>) -> Result<Option<Algorithm>> {
    let parsed = name.as_deref().map(Algorithm::parse).transpose();
    parsed.map_err(|error| Error::refused(base::bug!("an algorithm that was checked: {error}")))
}

fn registration(decl: &ClientDecl) -> Result<Option<Option<Registration>>> {
    let parse = |point: &At<RegistrationText>| Registration::parse(point.value.clone());
    let Some(wanted) = &decl.evaluation else { return Ok(None) };
    Ok(Some(wanted.as_ref().map(parse).transpose()?))
}

fn new_client(decl: &ClientDecl) -> Result<NewClient> {
    let kind = decl.kind.as_ref().map_or("confidential", |kind| kind.value.as_str());
    let (methods, _) = defaults_of(kind);
    let texts = |list: &Option<Vec<String>>| list.clone().unwrap_or_default();
    let usual = NewClient::named(decl.name.as_deref().unwrap_or(&decl.client_id.value));
    let (id_token_alg, access_token_alg) =
        (algorithm(&decl.id_token_alg)?, algorithm(&decl.access_token_alg)?);
    Ok(NewClient {
        client_id: Some(decl.client_id.value.clone()),
        description: decl.description.clone().flatten(),
        methods: decl
            .auth_methods
            .clone()
            .unwrap_or_else(|| methods.iter().map(|method| (*method).to_owned()).collect()),
        grants: grant_types(decl).unwrap_or_default(),
        redirect_uris: texts(&decl.redirect_uris),
        post_logout_redirect_uris: texts(&decl.post_logout_redirect_uris),
        scopes: texts(&decl.scopes),
        require_consent: decl.consent.unwrap_or(kind != "service"),
        access_token_ttl_seconds: decl.access_token_ttl_seconds.unwrap_or(usual.access_token_ttl_seconds),
        refresh_token_ttl_seconds: decl.refresh_token_ttl_seconds.unwrap_or(usual.refresh_token_ttl_seconds),
        id_token_alg: id_token_alg.unwrap_or(usual.id_token_alg),
        access_token_alg: access_token_alg.unwrap_or(usual.access_token_alg),
        audience: texts(&decl.audience),
        evaluation: registration(decl)?.flatten(),
        ..usual
    })
}

fn client_change(decl: &ClientDecl) -> Result<ClientChange> {
    let status = |enabled: bool| if enabled { ClientStatus::Active } else { ClientStatus::Disabled };
    Ok(ClientChange {
        name: decl.name.clone(),
        description: decl.description.clone(),
        grants: grant_types(decl),
        redirect_uris: decl.redirect_uris.clone(),
        post_logout_redirect_uris: decl.post_logout_redirect_uris.clone(),
        scopes: decl.scopes.clone(),
        require_consent: decl.consent,
        status: decl.enabled.map(status),
        access_token_ttl_seconds: decl.access_token_ttl_seconds,
        refresh_token_ttl_seconds: decl.refresh_token_ttl_seconds,
        id_token_alg: algorithm(&decl.id_token_alg)?,
        access_token_alg: algorithm(&decl.access_token_alg)?,
        audience: decl.audience.clone(),
        evaluation: registration(decl)?,
    })
}
