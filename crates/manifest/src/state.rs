//! What is there now: as much of a tenant as a file names, or all of it for an export.

use std::collections::{BTreeMap, BTreeSet};

use authz::groups::Group;
use authz::permissions::Permission;
use authz::permissions::global::GlobalPermission;
use authz::policies::Policy;
use authz::policies::links::{self, LinkKind, Linked, PolicyLink};
use authz::resources::{Resource, ResourcePolicy};
use authz::roles::{Held, Role, Window};
use authz::{Rx, boundaries, groups, guardrails, permissions, policies, resources, roles};
use base::id::{PolicyId, PrincipalId, ResourceId, RoleId, TenantId};
use base::text::{name_key, parse_username};
use directory::{Tenant, TenantConfig, User};
use oidc::clients::{self, Client};

use crate::error::{Error, Result};
use crate::file::OBJECTS_MAX;
use crate::file::action_key;
use crate::file::model::{Manifest, PolicyDecl};
use crate::plan::{CLIENT_PREFIX, Grants};

/// Links of all policies of a tenant that are read at once.
const LINKS_READ_MAX: i64 = 50_000;
/// Rows that one query reads where a noun is read whole.
const PAGE: u32 = 500;

/// What is there now.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) tenant: Option<Tenant>,
    /// The configuration; the default one where the tenant is yet to be made.
    pub(crate) config: Option<TenantConfig>,
    /// By code; all of them.
    pub(crate) roles: BTreeMap<String, Role>,
    /// By folded name; all of them.
    pub(crate) policies: BTreeMap<String, Policy>,
    /// What policies are linked to, where the file or the export says anything of links.
    pub(crate) links: BTreeMap<PolicyId, LinksNow>,
    /// By code in lower case; all of them.
    pub(crate) permissions: BTreeMap<String, Permission>,
    /// The platform's catalogue by name in lower case, where anything may refer to it.
    pub(crate) globals: BTreeMap<String, GlobalPermission>,
    /// By folded name.
    pub(crate) users: BTreeMap<String, UserNow>,
    /// By `client_id`.
    pub(crate) clients: BTreeMap<String, ClientNow>,
    /// By folded name.
    pub(crate) groups: BTreeMap<String, GroupNow>,
    /// By name.
    pub(crate) resources: BTreeMap<String, Resource>,
    resource_names: BTreeMap<ResourceId, String>,
    /// The policies that bind everybody, where the file or the export says anything of that.
    pub(crate) guardrails: BTreeSet<PolicyId>,
    /// By the resource, where the file or the export says anything of them.
    pub(crate) resource_policies: BTreeMap<ResourceId, ResourcePolicy>,
    /// The id of whoever calls, which pruning spares.
    pub(crate) caller: Option<PrincipalId>,
}

/// What one policy is linked to: by code or name in lower case, resources by name.
#[derive(Debug, Default)]
pub(crate) struct LinksNow {
    pub(crate) permissions: BTreeMap<String, Linked>,
    pub(crate) globals: BTreeMap<String, Linked>,
    pub(crate) resources: BTreeMap<String, Linked>,
}

#[derive(Debug)]
pub(crate) struct UserNow {
    pub(crate) user: User,
    pub(crate) roles: Grants,
    /// The name of the policy that limits them.
    pub(crate) boundary: Option<String>,
}

#[derive(Debug)]
pub(crate) struct ClientNow {
    pub(crate) client: Client,
    /// None for a client that never acted for itself: its id may be a person's.
    pub(crate) principal: Option<PrincipalId>,
    pub(crate) roles: Grants,
    /// The name of the policy that limits it.
    pub(crate) boundary: Option<String>,
}

#[derive(Debug)]
pub(crate) struct GroupNow {
    pub(crate) group: Group,
    pub(crate) roles: Grants,
    /// By user name, or `client:` and a client_id.
    pub(crate) members: Grants,
}

/// Which objects of a noun to read.
#[derive(Debug, Clone)]
pub(crate) enum Wanted {
    /// All of them, at most [`OBJECTS_MAX`].
    All,
    /// Those of these names.
    Named(BTreeSet<String>),
}

/// Which objects to read.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    pub(crate) users: Wanted,
    pub(crate) clients: Wanted,
    pub(crate) groups: Wanted,
    pub(crate) resources: Wanted,
    /// Whether links of policies, or what permissions stand for, are of interest.
    pub(crate) links: bool,
    /// Whether guardrails and policies of resources are.
    pub(crate) layers: bool,
}

impl Scope {
    /// The whole tenant.
    pub(crate) fn all() -> Self {
        let all = || Wanted::All;
        Self { users: all(), clients: all(), groups: all(), resources: all(), links: true, layers: true }
    }

    /// What a file names, refers to or prunes.
    pub(crate) fn of(manifest: &Manifest) -> Self {
        let mut users: BTreeSet<String> =
            manifest.users.iter().flatten().map(|user| user.username.value.clone()).collect();
        let mut clients: BTreeSet<String> =
            manifest.clients.iter().flatten().map(|client| client.client_id.value.clone()).collect();
        for member in manifest.groups.iter().flatten().flat_map(|group| group.members.iter().flatten()) {
            match member.name.value.strip_prefix(CLIENT_PREFIX) {
                Some(client_id) => clients.insert(client_id.to_owned()),
                None => users.insert(member.name.value.clone()),
            };
        }
        let groups = manifest.groups.iter().flatten().map(|group| group.name.value.clone()).collect();
        let mut resources = BTreeSet::new();
        for resource in manifest.resources.iter().flatten() {
            resources.insert(resource.name.value.clone());
            resources.extend(resource.parent.clone().flatten().map(|parent| parent.value));
        }
        for policy in manifest.policies.iter().flatten() {
            resources.extend(policy.resources.iter().flatten().map(|name| name.value.clone()));
        }
        let wanted = |section: &str, names| {
            if manifest.prune.iter().any(|pruned| pruned == section) {
                Wanted::All
            } else {
                Wanted::Named(names)
            }
        };
        Self {
            users: wanted("users", users),
            clients: wanted("clients", clients),
            groups: wanted("groups", groups),
            resources: wanted("resources", resources),
            links: has_links(manifest),
            layers: has_layers(manifest),
        }
    }
}

impl State {
    /// A tenant that is yet to be made, as far as a plan needs it: it will have the built-in roles.
    pub(crate) fn unmade(roles: impl IntoIterator<Item = Role>) -> Self {
        Self {
            config: Some(TenantConfig::default()),
            roles: roles.into_iter().map(|role| (role.code.clone(), role)).collect(),
            ..Self::default()
        }
    }

    /// Reads what is there. Fails with [`Error::TooMany`] where a noun is read whole and has too many.
    pub(crate) async fn load(rx: &mut Rx, tenant: &TenantId, scope: &Scope) -> Result<Self> {
        let found = directory::tenants::find(rx, tenant).await?;
        let mut state = Self::default();
        for role in roles::list_roles(rx, tenant).await? {
            state.roles.insert(role.code.clone(), role);
        }
        for policy in policies::list_policies(rx, tenant).await? {
            state.policies.insert(name_key(&policy.name), policy);
        }
        for permission in permissions::list_permissions(rx, tenant).await? {
            state.permissions.insert(action_key(&permission.code), permission);
        }
        if scope.links {
            state.load_globals(rx).await?;
            state.load_links(rx, tenant).await?;
        }
        if scope.layers {
            let guardrails = guardrails::list_guardrails_in(rx, tenant).await?;
            state.guardrails = guardrails.into_iter().map(|one| one.policy_id).collect();
            let policies = resources::list_resource_policies(rx, tenant).await?;
            state.resource_policies =
                policies.into_iter().map(|one| (one.resource_id.clone(), one)).collect();
        }
        state.load_users(rx, tenant, &scope.users).await?;
        state.load_clients(rx, tenant, &scope.clients).await?;
        state.load_groups(rx, tenant, &scope.groups).await?;
        state.load_resources(rx, tenant, &scope.resources).await?;
        if let Some(tenant) = &found {
            state.config = Some(TenantConfig::of(&tenant.to_ref())?);
        }
        state.tenant = found;
        Ok(state)
    }

    /// Reads the platform's catalogue.
    pub(crate) async fn load_globals(&mut self, rx: &mut Rx) -> Result<()> {
        for permission in permissions::global::list(rx).await? {
            self.globals.insert(action_key(&permission.name), permission);
        }
        Ok(())
    }

    async fn load_links(&mut self, rx: &mut Rx, tenant: &TenantId) -> Result<()> {
        let found = links::list_all_links(rx, tenant, LINKS_READ_MAX + 1).await?;
        if i64::try_from(found.len()).unwrap_or(i64::MAX) > LINKS_READ_MAX {
            return Err(Error::TooMany("links of policies"));
        }
        for PolicyLink { policy_id, kind, linked } in found {
            let of = self.links.entry(policy_id).or_default();
            match kind {
                LinkKind::Permission => of.permissions.insert(action_key(&linked.name), linked),
                LinkKind::Global => of.globals.insert(action_key(&linked.name), linked),
                LinkKind::Resource => of.resources.insert(linked.name.clone(), linked),
            };
        }
        Ok(())
    }

    async fn load_users(&mut self, rx: &mut Rx, tenant: &TenantId, wanted: &Wanted) -> Result<()> {
        use directory::users::{UserQuery, find_by_username, list_in};
        let mut users = Vec::new();
        match wanted {
            Wanted::Named(names) => {
                for name in names {
                    // A name that is none belongs to nobody; the plan refuses it as unknown.
                    let Ok(username) = parse_username(name) else { continue };
                    users.extend(find_by_username(rx, tenant, &username).await?);
                }
            }
            Wanted::All => {
                let mut query = UserQuery::all(PAGE);
                loop {
                    let page = list_in(rx, tenant, &query).await?;
                    users.extend(page.items);
                    check_count("users", users.len())?;
                    query.after = page.next;
                    if query.after.is_none() {
                        break;
                    }
                }
            }
        }
        for user in users {
            let roles = direct(roles::list_held(rx, tenant, &user.id.cast()).await?);
            let boundary = boundaries::find_boundary(rx, tenant, &user.id.cast()).await?;
            let boundary = boundary.map(|boundary| boundary.name);
            self.users.insert(user.username.key().to_owned(), UserNow { user, roles, boundary });
        }
        Ok(())
    }

    async fn load_clients(&mut self, rx: &mut Rx, tenant: &TenantId, wanted: &Wanted) -> Result<()> {
        let mut found = Vec::new();
        match wanted {
            Wanted::Named(names) => {
                for name in names {
                    found.extend(clients::find_client_by_client_id(rx, tenant, name).await?);
                }
            }
            Wanted::All => {
                let mut after: Option<String> = None;
                loop {
                    let page = clients::list_clients(rx, tenant, None, after.as_deref(), PAGE).await?;
                    after = page.last().map(|last| last.client_id.clone());
                    let last = page.len() < PAGE as usize;
                    found.extend(page);
                    check_count("clients", found.len())?;
                    if last {
                        break;
                    }
                }
            }
        }
        for client in found {
            let principal = clients::find_principal(rx, tenant, &client).await?;
            let roles = match &principal {
                Some(principal) => direct(roles::list_held(rx, tenant, principal).await?),
                None => Grants::new(),
            };
            let boundary = match &principal {
                Some(principal) => boundaries::find_boundary(rx, tenant, principal).await?,
                None => None,
            };
            let boundary = boundary.map(|boundary| boundary.name);
            let now = ClientNow { client, principal, roles, boundary };
            self.clients.insert(now.client.client_id.clone(), now);
        }
        Ok(())
    }

    async fn load_groups(&mut self, rx: &mut Rx, tenant: &TenantId, wanted: &Wanted) -> Result<()> {
        let mut found = Vec::new();
        match wanted {
            Wanted::Named(names) => {
                for name in names {
                    found.extend(groups::find_group_by_name(rx, tenant, name).await?);
                }
            }
            Wanted::All => {
                let mut after: Option<String> = None;
                loop {
                    let page = groups::list_groups(rx, tenant, after.as_deref()).await?;
                    after = page.last().map(|last| last.name.clone());
                    let last = i64::try_from(page.len()).unwrap_or(i64::MAX) < groups::PAGE_MAX;
                    found.extend(page);
                    check_count("groups", found.len())?;
                    if last {
                        break;
                    }
                }
            }
        }
        if found.is_empty() {
            return Ok(());
        }
        for group in found {
            let roles = load_group_roles(rx, tenant, &group).await?;
            let members = self.load_members(rx, tenant, &group).await?;
            self.groups.insert(name_key(&group.name), GroupNow { group, roles, members });
        }
        Ok(())
    }

    async fn load_members(&self, rx: &mut Rx, tenant: &TenantId, group: &Group) -> Result<Grants> {
        let mut members = Grants::new();
        let mut after: Option<PrincipalId> = None;
        loop {
            let page = groups::list_members(rx, tenant, &group.id, after.as_ref()).await?;
            after = page.last().map(|last| last.principal_id.clone());
            let last = i64::try_from(page.len()).unwrap_or(i64::MAX) < groups::PAGE_MAX;
            for member in page {
                if let Some(name) = self.member_name(rx, tenant, &member.principal_id).await? {
                    members.insert(name, member.window);
                }
            }
            check_count("members of a group", members.len())?;
            if last {
                return Ok(members);
            }
        }
    }

    /// A member as groups name it; none for a deleted user, who is none of the file's matter.
    async fn member_name(&self, rx: &mut Rx, tenant: &TenantId, id: &PrincipalId) -> Result<Option<String>> {
        if let Some(user) = directory::users::find(rx, tenant, &id.cast()).await? {
            let name = user.username.as_str().to_owned();
            return Ok((user.status != directory::UserStatus::Deleted).then_some(name));
        }
        let client = clients::find_client(rx, tenant, &id.cast()).await?;
        Ok(client.map(|client| format!("{CLIENT_PREFIX}{}", client.client_id)))
    }

    async fn load_resources(&mut self, rx: &mut Rx, tenant: &TenantId, wanted: &Wanted) -> Result<()> {
        let mut found = Vec::new();
        match wanted {
            Wanted::Named(names) => {
                for name in names {
                    found.extend(resources::find_resource_by_name(rx, tenant, name).await?);
                }
                // Their parents have to be named too.
                let known: BTreeSet<&str> =
                    found.iter().map(|resource: &Resource| resource.id.as_str()).collect();
                let parents: BTreeSet<ResourceId> = found
                    .iter()
                    .filter_map(|resource| resource.parent_id.clone())
                    .filter(|parent| !known.contains(parent.as_str()))
                    .collect();
                for parent in parents {
                    found.extend(resources::find_resource(rx, tenant, &parent).await?);
                }
            }
            Wanted::All => {
                let mut after: Option<String> = None;
                loop {
                    let page = resources::list_resources(rx, tenant, after.as_deref()).await?;
                    after = page.last().map(|last| last.name.clone());
                    let last = i64::try_from(page.len()).unwrap_or(i64::MAX) < resources::PAGE_MAX;
                    found.extend(page);
                    check_count("resources", found.len())?;
                    if last {
                        break;
                    }
                }
            }
        }
        self.resource_names = found.iter().map(|r| (r.id.clone(), r.name.clone())).collect();
        self.resources = found.into_iter().map(|resource| (resource.name.clone(), resource)).collect();
        Ok(())
    }

    /// The code of a role.
    pub(crate) fn role_code(&self, id: &RoleId) -> Option<&str> {
        self.roles.values().find(|role| role.id == *id).map(|role| role.code.as_str())
    }

    /// The name of a resource.
    pub(crate) fn resource_name(&self, id: &ResourceId) -> Option<&str> {
        self.resource_names.get(id).map(String::as_str)
    }

    /// The names of policies, in the order of their ids.
    pub(crate) fn policy_names(&self, ids: &[PolicyId]) -> Vec<String> {
        let all = self.policies.values();
        all.filter(|policy| ids.contains(&policy.id)).map(|policy| policy.name.clone()).collect()
    }

    /// The configuration that the file leads to; the present one where its patch is refused.
    pub(crate) fn patched_config(&self, manifest: &Manifest) -> TenantConfig {
        let config = self.config.clone().unwrap_or_default();
        match &manifest.tenant.config {
            Some(patch) => config.patched(patch.value.clone()).unwrap_or(config),
            None => config,
        }
    }

    /// The role that the directory gives to a new user, once the file's configuration holds.
    pub(crate) fn default_role(&self, manifest: &Manifest) -> String {
        self.patched_config(manifest).default_role
    }

    /// Whether this is the id of whoever calls.
    pub(crate) fn is_caller(&self, id: &str) -> bool {
        self.caller.as_ref().is_some_and(|caller| caller.as_str() == id)
    }
}

/// Whether a file says anything for which links of policies or the platform's permissions are looked at.
pub(crate) fn has_links(manifest: &Manifest) -> bool {
    manifest.permissions.is_some() || manifest.policies.iter().flatten().any(PolicyDecl::has_links)
}

/// Whether a file says anything for which guardrails or policies of resources are looked at.
fn has_layers(manifest: &Manifest) -> bool {
    manifest.policies.iter().flatten().any(|policy| policy.guardrail.is_some())
        || manifest.resources.iter().flatten().any(|resource| resource.policy.is_some())
}

async fn load_group_roles(rx: &mut Rx, tenant: &TenantId, group: &Group) -> Result<Grants> {
    let held = roles::list_held_by_group(rx, tenant, &group.id).await?;
    Ok(held.into_iter().map(|held| (held.role_code, held.window)).collect())
}

fn direct(held: Vec<Held>) -> Grants {
    let direct = held.into_iter().filter(|held| held.through.is_none());
    direct.map(|held| (held.role_code, held.window)).collect::<BTreeMap<String, Window>>()
}

fn check_count(noun: &'static str, found: usize) -> Result<()> {
    if found > OBJECTS_MAX { Err(Error::TooMany(noun)) } else { Ok(()) }
}
