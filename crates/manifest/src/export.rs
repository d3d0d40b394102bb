//! The verb `export`: a tenant as a file that `apply` reads, and that changes nothing where it came from.
//!
//! Left out: secrets and hashes, what only the built-in code knows, deleted people, and the tenant's
//! default role of people (the directory gives it).

use std::collections::BTreeMap;

use authz::access::{Registration, RegistrationText};
use authz::policies::acknowledge;
use authz::policies::links::Linked;
use authz::roles::Window;
use authz::{Action, Cx, Place, Target};
use oidc::clients::ClientStatus;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::apply::Service;
use crate::error::{Error, Result};
use crate::file::OBJECTS_MAX;
use crate::plan::{Grants, defaults_of, effect_word, kind_of};
use crate::state::{Scope, State};

/// What stands above the exported text.
const HEAD: &str = "# Written by `signet export`. Passwords and client secrets are not in here: add\n\
                    # `password: { env: NAME }` or `secret: { env: NAME }` to make these objects elsewhere.\n";

impl Service {
    /// Writes the caller's tenant, or on the platform the tenant of this code, as YAML.
    ///
    /// Fails with [`Error::TooMany`] where a file could not hold it, and with [`authz::Error::NotFound`].
    pub async fn export(&self, cx: &Cx, code: &str) -> Result<String> {
        let inside = match cx.place() {
            Place::Tenant(tenant) if tenant.code == code => cx.clone(),
            Place::Tenant(_) => return Err(authz::Error::NotFound("tenant").into()),
            Place::Platform => {
                cx.authorize(Action::PlatformTenantProvision, &Target::all("tenant")).await?;
                let found = self.directory.tenant_by_code(code).await?;
                cx.enter(found.ok_or(authz::Error::NotFound("tenant"))?).await?
            }
        };
        let tenant = inside.tenant()?.id.clone();
        for (action, kind) in [
            (Action::PermissionRead, "permission"),
            (Action::PolicyRead, "policy"),
            (Action::RoleRead, "role"),
            (Action::ClientRead, "client"),
            (Action::UserRead, "user"),
            (Action::GroupRead, "group"),
            (Action::ResourceRead, "resource"),
        ] {
            inside.authorize(action, &Target::all(kind)).await?;
        }
        let permit = inside.authorize(Action::TenantRead, &Target::member(&tenant)).await?;
        let mut rx = inside.read(&permit).await?;
        let state = State::load(&mut rx, &tenant, &Scope::all()).await?;
        drop(rx);
        write(&state)
    }
}

fn write(state: &State) -> Result<String> {
    let permissions: Vec<PermissionOut<'_>> = permissions_out(state);
    let objects = permissions.len()
        + state.policies.len()
        + state.roles.len()
        + state.clients.len()
        + state.users.len()
        + state.groups.len()
        + state.resources.len();
    if objects > OBJECTS_MAX {
        return Err(Error::TooMany("objects"));
    }
    let Some(tenant) = &state.tenant else { return Err(authz::Error::NotFound("tenant").into()) };
    let config = state.config.clone().unwrap_or_default();
    let file = File {
        version: 1,
        tenant: TenantOut { code: &tenant.code, name: &tenant.name, config: config.to_value() },
        permissions,
        policies: state.policies.values().map(|policy| policy_out(state, policy)).collect(),
        roles: state.roles.values().map(|role| role_out(state, role)).collect(),
        users: state.users.values().map(user_out).collect(),
        groups: state
            .groups
            .values()
            .map(|now| GroupOut {
                name: &now.group.name,
                description: now.group.description.as_deref(),
                roles: grants(&now.roles, "role"),
                members: grants(&now.members, "member"),
            })
            .collect(),
        resources: state
            .resources
            .values()
            .map(|resource| ResourceOut {
                name: &resource.name,
                kind: (!resource.kind.is_empty()).then_some(resource.kind.as_str()),
                parent: resource.parent_id.as_ref().and_then(|id| state.resource_name(id)),
                tags: &resource.tags,
                policy: state.resource_policies.get(&resource.id).map(|policy| &policy.document),
            })
            .collect(),
        clients: state.clients.values().map(client_out).collect(),
    };
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
    let text = serde_saphyr::to_string_with_options(&file, options)
        .map_err(|error| Error::refused(base::bug!("an export cannot be written: {error}")))?;
    Ok(format!("{HEAD}{text}"))
}

#[derive(Serialize)]
struct File<'a> {
    version: u8,
    tenant: TenantOut<'a>,
    permissions: Vec<PermissionOut<'a>>,
    policies: Vec<PolicyOut<'a>>,
    roles: Vec<RoleOut<'a>>,
    users: Vec<UserOut<'a>>,
    groups: Vec<GroupOut<'a>>,
    resources: Vec<ResourceOut<'a>>,
    clients: Vec<ClientOut<'a>>,
}

#[derive(Serialize)]
struct TenantOut<'a> {
    code: &'a str,
    name: &'a str,
    config: Value,
}

#[derive(Serialize)]
struct PolicyOut<'a> {
    name: &'a str,
    description: Option<&'a str>,
    /// Absent where only the policy's links say something.
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<&'a Value>,
    effect: &'static str,
    priority: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    expression: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    acknowledge: Vec<&'static str>,
    #[serde(skip_serializing_if = "is_false")]
    guardrail: bool,
    permissions: Vec<LinkOut<'a>>,
    global_permissions: Vec<&'a str>,
    resources: Vec<&'a str>,
}

#[derive(Serialize)]
struct PermissionOut<'a> {
    code: &'a str,
    name: &'a str,
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    global_permission: Option<&'a str>,
}

/// A link to a permission: its code alone, or an object where it has an effect of its own.
#[derive(Serialize)]
#[serde(untagged)]
enum LinkOut<'a> {
    Plain(&'a str),
    Own { permission: &'a str, effect: &'static str },
}

#[derive(Serialize)]
struct RoleOut<'a> {
    code: &'a str,
    name: &'a str,
    description: Option<&'a str>,
    parent: Option<&'a str>,
    permissions: &'a [String],
    policies: Vec<String>,
}

#[derive(Serialize)]
struct UserOut<'a> {
    username: &'a str,
    email: Option<&'a str>,
    #[serde(skip_serializing_if = "is_false")]
    email_verified: bool,
    phone: Option<&'a str>,
    #[serde(skip_serializing_if = "is_false")]
    phone_verified: bool,
    display_name: Option<&'a str>,
    first_name: Option<&'a str>,
    last_name: Option<&'a str>,
    avatar_url: Option<&'a str>,
    locale: &'a str,
    timezone: &'a str,
    position: Option<&'a str>,
    attributes: &'a Value,
    status: &'static str,
    roles: Vec<GrantOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    boundary: Option<&'a str>,
}

#[derive(Serialize)]
struct GroupOut<'a> {
    name: &'a str,
    description: Option<&'a str>,
    roles: Vec<GrantOut<'a>>,
    members: Vec<GrantOut<'a>>,
}

#[derive(Serialize)]
struct ResourceOut<'a> {
    name: &'a str,
    kind: Option<&'a str>,
    parent: Option<&'a str>,
    tags: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<&'a Value>,
}

#[derive(Serialize)]
struct ClientOut<'a> {
    client_id: &'a str,
    name: &'a str,
    description: Option<&'a str>,
    r#type: &'static str,
    enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    grant_types: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_methods: Option<&'a [String]>,
    redirect_uris: &'a [String],
    post_logout_redirect_uris: &'a [String],
    scopes: &'a [String],
    consent: bool,
    id_token_alg: &'a str,
    access_token_alg: &'a str,
    access_token_ttl_seconds: i64,
    refresh_token_ttl_seconds: i64,
    audience: &'a [String],
    evaluation: Option<&'a RegistrationText>,
    roles: Vec<GrantOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    boundary: Option<&'a str>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_false(value: &bool) -> bool {
    !value
}

/// A grant: its name alone, or an object where it has a window.
struct GrantOut<'a> {
    key: &'static str,
    name: &'a str,
    window: Window,
}

impl Serialize for GrantOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        if self.window == Window::ALWAYS {
            return serializer.serialize_str(self.name);
        }
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry(self.key, self.name)?;
        if let Some(from) = self.window.valid_from {
            map.serialize_entry("valid_from", &from)?;
        }
        if let Some(end) = self.window.expires_at {
            map.serialize_entry("expires_at", &end)?;
        }
        map.end()
    }
}

fn grants<'a>(grants: &'a Grants, key: &'static str) -> Vec<GrantOut<'a>> {
    grants.iter().map(|(name, window)| GrantOut { key, name, window: *window }).collect()
}

/// The permissions of the tenant's own.
fn permissions_out(state: &State) -> Vec<PermissionOut<'_>> {
    let own = state.permissions.values().filter(|permission| !permission.is_built_in());
    own.map(|permission| {
        let global = permission.global_permission_id.as_ref();
        let global = global.and_then(|id| state.globals.values().find(|known| known.id == *id));
        PermissionOut {
            code: &permission.code,
            name: &permission.name,
            description: permission.description.as_deref(),
            global_permission: global.map(|known| known.name.as_str()),
        }
    })
    .collect()
}

fn policy_out<'a>(state: &'a State, policy: &'a authz::policies::Policy) -> PolicyOut<'a> {
    let links = state.links.get(&policy.id);
    let names = |of: &'a BTreeMap<String, Linked>| of.values().map(|linked| linked.name.as_str()).collect();
    let permissions = links.iter().flat_map(|links| links.permissions.values()).map(|linked| {
        let permission = linked.name.as_str();
        match linked.effect {
            None => LinkOut::Plain(permission),
            Some(effect) => LinkOut::Own { permission, effect: effect_word(effect) },
        }
    });
    PolicyOut {
        name: &policy.name,
        description: policy.description.as_deref(),
        document: policy.document.as_ref(),
        effect: effect_word(policy.effect),
        priority: policy.priority,
        expression: policy.expression.as_deref(),
        acknowledge: policy.document.as_ref().map(acknowledge::needed).unwrap_or_default(),
        guardrail: state.guardrails.contains(&policy.id),
        permissions: permissions.collect(),
        global_permissions: links.map(|links| names(&links.globals)).unwrap_or_default(),
        resources: links.map(|links| names(&links.resources)).unwrap_or_default(),
    }
}

fn role_out<'a>(state: &'a State, role: &'a authz::roles::Role) -> RoleOut<'a> {
    RoleOut {
        code: &role.code,
        name: &role.name,
        description: role.description.as_deref(),
        parent: role.parent_id.as_ref().and_then(|id| state.role_code(id)),
        permissions: &role.permissions,
        policies: state.policy_names(&role.policies),
    }
}

fn user_out(now: &crate::state::UserNow) -> UserOut<'_> {
    let user = &now.user;
    UserOut {
        username: user.username.as_str(),
        email: user.email.as_deref(),
        email_verified: user.email_verified,
        phone: user.phone.as_deref(),
        phone_verified: user.phone_verified,
        display_name: user.display_name.as_deref(),
        first_name: user.first_name.as_deref(),
        last_name: user.last_name.as_deref(),
        avatar_url: user.avatar_url.as_deref(),
        locale: &user.locale,
        timezone: &user.timezone,
        position: user.position.as_deref(),
        attributes: &user.attributes,
        status: user.status.word(),
        roles: grants(&now.roles, "role"),
        boundary: now.boundary.as_deref(),
    }
}

fn client_out(now: &crate::state::ClientNow) -> ClientOut<'_> {
    let client = &now.client;
    let kind = kind_of(client);
    let (methods, usual) = defaults_of(kind);
    ClientOut {
        client_id: &client.client_id,
        name: &client.name,
        description: client.description.as_deref(),
        r#type: kind,
        enabled: client.status == ClientStatus::Active,
        grant_types: (client.grants != usual).then_some(&client.grants),
        auth_methods: (client.methods != methods).then_some(&client.methods),
        redirect_uris: &client.redirect_uris,
        post_logout_redirect_uris: &client.post_logout_redirect_uris,
        scopes: &client.scopes,
        consent: client.require_consent,
        id_token_alg: client.id_token_alg.as_str(),
        access_token_alg: client.access_token_alg.as_str(),
        access_token_ttl_seconds: client.access_token_ttl_seconds,
        refresh_token_ttl_seconds: client.refresh_token_ttl_seconds,
        audience: &client.audience,
        evaluation: client.evaluation.as_ref().map(Registration::text),
        roles: grants(&now.roles, "role"),
        boundary: now.boundary.as_deref(),
    }
}
