//! Signet's own actions and the 26 permission codes of a role's simple list, from one table.

use policy::Statement;

/// Declares the actions; a macro so that name, plane and description stand in one table.
macro_rules! actions {
    ($($variant:ident $name:literal $plane:ident $kind:literal $description:literal;)*) => {
        /// Something that may be allowed: `noun:verb`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Action {
            $(#[doc = $description] $variant,)*
        }

        impl Action {
            /// Every action, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name that policies use.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What the action does, in words.
            pub const fn description(self) -> &'static str {
                match self { $(Self::$variant => $description,)* }
            }

            /// Whether the action belongs to a tenant or to the platform.
            pub const fn plane(self) -> Plane {
                match self { $(Self::$variant => Plane::$plane,)* }
            }

            /// The kind of resource that the action is about; `*` is any kind.
            pub const fn kind(self) -> &'static str {
                match self { $(Self::$variant => $kind,)* }
            }
        }
    };
}

/// Where an action belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plane {
    /// Inside one tenant, granted by the tenant's roles.
    Tenant,
    /// The platform, granted by platform roles only.
    Platform,
}

actions! {
    UserCreate "user:create" Tenant "user" "creates users";
    UserRead "user:read" Tenant "user" "reads and lists users";
    UserUpdate "user:update" Tenant "user" "changes users";
    UserDelete "user:delete" Tenant "user" "deletes users, so that they can be restored";
    UserResetPassword "user:reset_password" Tenant "user" "sets another's password";
    UserReadSelf "user:read_self" Tenant "user" "reads the caller's own user";
    UserUpdateSelf "user:update_self" Tenant "user" "changes the caller's own profile";
    UserChangePassword "user:change_password" Tenant "user" "changes the caller's own password";
    RoleCreate "role:create" Tenant "role" "creates roles";
    RoleRead "role:read" Tenant "role" "reads and lists roles";
    RoleUpdate "role:update" Tenant "role" "changes roles";
    RoleDelete "role:delete" Tenant "role" "deletes roles";
    RoleAssign "role:assign" Tenant "role" "gives and takes roles";
    GroupCreate "group:create" Tenant "group" "creates groups";
    GroupRead "group:read" Tenant "group" "reads and lists groups";
    GroupUpdate "group:update" Tenant "group" "changes groups and their members";
    GroupDelete "group:delete" Tenant "group" "deletes groups";
    PolicyCreate "policy:create" Tenant "policy" "creates policies";
    PolicyRead "policy:read" Tenant "policy" "reads and lists policies";
    PolicyUpdate "policy:update" Tenant "policy" "changes policies and where they are attached";
    PolicyDelete "policy:delete" Tenant "policy" "deletes policies";
    PolicySetPriority "policy:set_priority" Tenant "policy" "changes what policies say at a priority other than 0";
    PolicyGrantAny "policy:grant_any" Tenant "*" "grants access that the caller does not have";
    PolicyAttachGuardrail "policy:attach_guardrail" Tenant "policy" "says which policies bind everybody in the tenant";
    PolicySetBoundary "policy:set_boundary" Tenant "*" "says which policy limits a user or client";
    PermissionCreate "permission:create" Tenant "permission" "creates permissions of the tenant's own";
    PermissionRead "permission:read" Tenant "permission" "reads and lists permissions";
    PermissionUpdate "permission:update" Tenant "permission" "changes what permissions are called";
    PermissionDelete "permission:delete" Tenant "permission" "deletes permissions of the tenant's own";
    ResourceCreate "resource:create" Tenant "resource" "registers resources";
    ResourceRead "resource:read" Tenant "resource" "reads and lists resources";
    ResourceUpdate "resource:update" Tenant "resource" "changes and moves resources";
    ResourceDelete "resource:delete" Tenant "resource" "removes resources";
    ResourceSetPolicy "resource:set_policy" Tenant "resource" "says what a resource's own policy permits and denies";
    ClientCreate "oauth2:create" Tenant "client" "creates OAuth clients";
    ClientRead "oauth2:read" Tenant "client" "reads and lists OAuth clients";
    ClientUpdate "oauth2:update" Tenant "client" "changes OAuth clients and their secrets";
    ClientDelete "oauth2:delete" Tenant "client" "deletes OAuth clients";
    TenantRead "tenant:read" Tenant "tenant" "reads the tenant";
    TenantUpdate "tenant:update" Tenant "tenant" "changes the tenant's name";
    TenantConfig "tenant:config" Tenant "tenant" "changes the tenant's configuration";
    AuditRead "audit:read" Tenant "audit" "reads the tenant's audit log";
    AuditExport "audit:export" Tenant "audit" "exports the tenant's audit log";
    AccessEvaluate "access:Evaluate" Tenant "access" "asks for decisions about other principals";
    AccessSearch "access:Search" Tenant "access" "asks who may do what";
    AccessExplain "access:Explain" Tenant "access" "sees the reasons of decisions";
    KeyRingCreate "kms:create_ring" Tenant "key_ring" "makes key rings";
    KeyRingRead "kms:read_ring" Tenant "key_ring" "reads and lists key rings, their keys and what state they are in";
    KeyRingUpdate "kms:update_ring" Tenant "key_ring" "changes how the keys of a ring are replaced";
    KeyRotate "kms:rotate" Tenant "key_ring" "replaces the active key of a ring";
    KeyRollback "kms:rollback" Tenant "key_ring" "makes an earlier key of a ring active again";
    KeyExpire "kms:expire" Tenant "key_ring" "ends the time of keys";
    KeyRevoke "kms:revoke" Tenant "key_ring" "revokes keys, so that nothing under them can be read";
    KeyDestroy "kms:destroy" Tenant "key_ring" "schedules that revoked keys and whole rings are destroyed";
    KeyDeclareReferences "kms:declare_references" Tenant "key_ring" "declares that values are held under a key";
    KeyMaintain "kms:maintain" Tenant "key_ring" "does at once what is due to keys";
    KeyEncrypt "kms:encrypt" Tenant "key_ring" "encrypts under a key ring";
    KeyDecrypt "kms:decrypt" Tenant "key_ring" "decrypts what a key ring encrypted";
    KeyReencrypt "kms:reencrypt" Tenant "key_ring" "encrypts values again under the active key, without seeing them";
    KeyGenerateDataKey "kms:generate_data_key" Tenant "key_ring" "makes data keys for one's own encryption";
    KeyGenerateWrappedDataKey "kms:generate_wrapped_key" Tenant "key_ring" "makes data keys without seeing them";
    KeyComputeMac "kms:compute_mac" Tenant "key_ring" "makes authentication codes under a key ring";
    KeyVerifyMac "kms:verify_mac" Tenant "key_ring" "checks authentication codes of a key ring";
    KeyHash "kms:hash" Tenant "key_ring" "hashes values for an index";
    KeyGenerateRandom "kms:generate_random" Tenant "key_ring" "draws random bytes";
    PlatformCreate "platform:create" Platform "platform" "creates platforms";
    PlatformRead "platform:read" Platform "platform" "reads and lists platforms";
    PlatformUpdate "platform:update" Platform "platform" "renames platforms";
    PlatformDelete "platform:delete" Platform "platform" "deletes platforms that have no tenant";
    PlatformTenantCreate "platform:tenant_create" Platform "tenant" "creates tenants";
    PlatformTenantRead "platform:tenant_read" Platform "tenant" "reads and lists tenants";
    PlatformTenantUpdate "platform:tenant_update" Platform "tenant" "changes tenants and their status";
    PlatformTenantDelete "platform:tenant_delete" Platform "tenant" "deletes tenants, so that they can be restored";
    PlatformTenantHold "platform:tenant_hold" Platform "tenant" "places and lifts legal holds on tenants";
    PlatformTenantPurge "platform:tenant_purge" Platform "tenant" "removes deleted tenants for good";
    PlatformTenantProvision "platform:tenant_provision" Platform "tenant" "applies a declaration inside a tenant";
    PlatformPermissionCreate "platform:permission_create" Platform "permission" "creates global permissions";
    PlatformPermissionRead "platform:permission_read" Platform "permission" "reads and lists global permissions";
    PlatformPermissionUpdate "platform:permission_update" Platform "permission" "changes what global permissions are called";
    PlatformPermissionDelete "platform:permission_delete" Platform "permission" "deletes global permissions";
    PlatformGuardrailRead "platform:guardrail_read" Platform "guardrail" "reads the platform's guardrails";
    PlatformGuardrailWrite "platform:guardrail_write" Platform "guardrail" "makes, changes and removes the platform's guardrails";
    PlatformKeyRead "platform:key_read" Platform "key_ring" "reads the platform's key rings and the state of keys";
    PlatformKeyWrite "platform:key_write" Platform "key_ring" "makes, changes and ends the platform's key rings and keys";
    PlatformKeyUse "platform:key_use" Platform "key_ring" "encrypts and decrypts under the platform's keys";
    PlatformAuditRead "platform:audit_read" Platform "audit" "reads the platform's audit log";
    PlatformSystemMonitor "platform:monitor" Platform "system" "reads the state of the system";
}

/// One of the 26 permission codes of document 001: group, code, and what it grants inside a tenant.
pub struct PermissionCode {
    /// The code, `noun:verb`.
    pub code: &'static str,
    /// Its name for people.
    pub name: &'static str,
    /// What it lets one do.
    pub description: &'static str,
    /// Actions granted and the kind of resource they are granted on. `self` is the caller's own user,
    /// `this` the tenant itself. Empty: the code does nothing in a tenant's role.
    grants: &'static [(&'static [Action], &'static str)],
}

const fn code(
    code: &'static str,
    name: &'static str,
    description: &'static str,
    grants: &'static [(&'static [Action], &'static str)],
) -> PermissionCode {
    PermissionCode { code, name, description, grants }
}

/// The 26 codes: user 8, role 5, tenant 5, oauth2 4, audit 2, system 2.
///
/// A code of document 001 also covers the nouns that came after it and that it was meant for: roles
/// stand for policies and groups, the tenant for its resources.
pub static PERMISSION_CODES: &[PermissionCode] = &[
    code("user:create", "Create users", "Create users", &[(&[Action::UserCreate], "user")]),
    code("user:read", "Read users", "Read and list users", &[(&[Action::UserRead], "user")]),
    code("user:update", "Update users", "Change users", &[(&[Action::UserUpdate], "user")]),
    code("user:delete", "Delete users", "Delete users", &[(&[Action::UserDelete], "user")]),
    code(
        "user:reset_password",
        "Reset passwords",
        "Set another's password",
        &[(&[Action::UserResetPassword], "user")],
    ),
    code("user:read_self", "Read own profile", "Read one's own user", &[(&[Action::UserReadSelf], "self")]),
    code(
        "user:update_self",
        "Update own profile",
        "Change one's own profile",
        &[(&[Action::UserUpdateSelf], "self")],
    ),
    code(
        "user:change_password",
        "Change own password",
        "Change one's own password",
        &[(&[Action::UserChangePassword], "self")],
    ),
    code(
        "role:create",
        "Create roles",
        "Create roles, policies, permissions and groups",
        &[
            (&[Action::RoleCreate], "role"),
            (&[Action::PolicyCreate], "policy"),
            (&[Action::PermissionCreate], "permission"),
            (&[Action::GroupCreate], "group"),
        ],
    ),
    code(
        "role:read",
        "Read roles",
        "Read roles, policies, permissions and groups",
        &[
            (&[Action::RoleRead], "role"),
            (&[Action::PolicyRead], "policy"),
            (&[Action::PermissionRead], "permission"),
            (&[Action::GroupRead], "group"),
        ],
    ),
    code(
        "role:update",
        "Update roles",
        "Change roles, policies (those of resources too), permissions, guardrails and boundaries, and grant any access \
         within the tenant",
        &[
            (&[Action::RoleUpdate], "role"),
            (&[Action::PolicyUpdate, Action::PolicySetPriority, Action::PolicyAttachGuardrail], "policy"),
            (&[Action::PermissionUpdate], "permission"),
            (&[Action::ResourceSetPolicy], "resource"),
            (&[Action::PolicyGrantAny, Action::PolicySetBoundary], "*"),
        ],
    ),
    code(
        "role:delete",
        "Delete roles",
        "Delete roles, policies, permissions and groups",
        &[
            (&[Action::RoleDelete], "role"),
            (&[Action::PolicyDelete], "policy"),
            (&[Action::PermissionDelete], "permission"),
            (&[Action::GroupDelete], "group"),
        ],
    ),
    code(
        "role:assign",
        "Assign roles",
        "Give and take roles, change group members, ask for decisions and their reasons",
        &[
            (&[Action::RoleAssign], "role"),
            (&[Action::GroupUpdate], "group"),
            (&[Action::AccessEvaluate, Action::AccessSearch, Action::AccessExplain], "access"),
        ],
    ),
    code(
        "tenant:create",
        "Create tenants",
        "Nothing in a tenant's role: tenants belong to the platform",
        &[],
    ),
    code(
        "tenant:read",
        "Read the tenant",
        "Read the tenant and its resources",
        &[(&[Action::TenantRead], "this"), (&[Action::ResourceRead], "resource")],
    ),
    code(
        "tenant:update",
        "Update the tenant",
        "Change the tenant and its resources",
        &[
            (&[Action::TenantUpdate], "this"),
            (&[Action::ResourceCreate, Action::ResourceUpdate, Action::ResourceDelete], "resource"),
        ],
    ),
    code(
        "tenant:delete",
        "Delete tenants",
        "Nothing in a tenant's role: tenants belong to the platform",
        &[],
    ),
    code(
        "tenant:config",
        "Configure the tenant",
        "Change the tenant's configuration and its key rings",
        &[
            (&[Action::TenantConfig], "this"),
            (
                &[
                    Action::KeyRingCreate,
                    Action::KeyRingRead,
                    Action::KeyRingUpdate,
                    Action::KeyRotate,
                    Action::KeyRollback,
                    Action::KeyExpire,
                    Action::KeyRevoke,
                    Action::KeyDestroy,
                    Action::KeyDeclareReferences,
                    Action::KeyMaintain,
                    Action::KeyEncrypt,
                    Action::KeyDecrypt,
                    Action::KeyReencrypt,
                    Action::KeyGenerateDataKey,
                    Action::KeyGenerateWrappedDataKey,
                    Action::KeyComputeMac,
                    Action::KeyVerifyMac,
                    Action::KeyHash,
                    Action::KeyGenerateRandom,
                ],
                "key_ring",
            ),
        ],
    ),
    code("oauth2:create", "Create clients", "Create OAuth clients", &[(&[Action::ClientCreate], "client")]),
    code("oauth2:read", "Read clients", "Read OAuth clients", &[(&[Action::ClientRead], "client")]),
    code("oauth2:update", "Update clients", "Change OAuth clients", &[(&[Action::ClientUpdate], "client")]),
    code("oauth2:delete", "Delete clients", "Delete OAuth clients", &[(&[Action::ClientDelete], "client")]),
    code("audit:read", "Read the audit log", "Read the audit log", &[(&[Action::AuditRead], "audit")]),
    code(
        "audit:export",
        "Export the audit log",
        "Export the audit log",
        &[(&[Action::AuditExport], "audit")],
    ),
    code(
        "system:config",
        "Configure the system",
        "Nothing in a tenant's role: the system is the platform's",
        &[],
    ),
    code(
        "system:monitor",
        "Monitor the system",
        "Nothing in a tenant's role: the system is the platform's",
        &[],
    ),
];

/// The permission code of this name.
pub fn find_code(code: &str) -> Option<&'static PermissionCode> {
    PERMISSION_CODES.iter().find(|known| known.code == code)
}

/// The names of the actions that a permission of this code is about, wherever it is linked: those of one of
/// the 26, and otherwise the code itself. Empty for a code that does nothing in a tenant.
pub(crate) fn linked_actions(code: &str) -> Vec<&str> {
    match find_code(code) {
        Some(known) => known.grants.iter().flat_map(|(actions, _)| *actions).map(|a| a.name()).collect(),
        None => vec![code],
    }
}

/// Whether a code's noun is one of ours, in any case of letters: what a tenant adds is named otherwise.
pub(crate) fn is_reserved(code: &str) -> bool {
    let noun = |code: &str| code.split(':').next().unwrap_or_default().to_ascii_lowercase();
    let asked = noun(code);
    let ours = Action::ALL.iter().map(|action| action.name());
    ours.chain(PERMISSION_CODES.iter().map(|known| known.code)).any(|name| noun(name) == asked)
}

impl PermissionCode {
    /// Whether the code lets one do anything in a tenant.
    pub fn does_something(&self) -> bool {
        !self.grants.is_empty()
    }

    /// What the code grants in a tenant. `self_of` statements are about whoever asks: they are granted
    /// on the pseudo-resource `self`, which only [`crate::Target::own_user`] names.
    pub fn statements(&self, tenant_id: &str) -> Vec<Statement> {
        self.grants
            .iter()
            .filter_map(|(actions, kind)| {
                let names: Vec<&str> = actions.iter().map(|a| a.name()).collect();
                let resource = match *kind {
                    "*" => "*".to_owned(),
                    "self" => format!("arn:signet:iam::{tenant_id}:self/user"),
                    "this" => format!("arn:signet:iam::{tenant_id}:tenant/{tenant_id}"),
                    kind => format!("arn:signet:iam::{tenant_id}:{kind}/*"),
                };
                Statement::allow(&names, &[resource.as_str()]).ok()
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn there_are_26_codes_in_the_groups_of_the_acceptance_document() {
        let mut groups: BTreeMap<&str, usize> = BTreeMap::new();
        for code in PERMISSION_CODES {
            *groups.entry(code.code.split(':').next().unwrap_or("")).or_default() += 1;
        }

        let expected = [("audit", 2), ("oauth2", 4), ("role", 5), ("system", 2), ("tenant", 5), ("user", 8)];
        assert_eq!(groups, expected.into_iter().collect());
    }

    #[test]
    fn every_code_gives_statements_for_all_that_it_grants() {
        for code in PERMISSION_CODES {
            assert_eq!(code.statements("t").len(), code.grants.len(), "{}", code.code);
        }
    }

    #[test]
    fn both_databases_know_the_codes_by_the_same_table() {
        let mut rows = Vec::new();
        for known in PERMISSION_CODES {
            let code = known.code;
            if known.grants.is_empty() {
                rows.push(format!("    ('{code}', NULL, NULL)"));
            }
            for (actions, covers) in known.grants {
                let names = actions.iter().map(|action| action.name());
                rows.extend(names.map(|name| format!("    ('{code}', '{name}', '{covers}')")));
            }
        }
        let expected = format!("VALUES\n{}", rows.join(",\n"));

        for migration in [
            include_str!("../../../migrations/postgres/000012_signet_model.up.sql"),
            include_str!("../../../migrations/sqlite/000012_signet_model.up.sql"),
        ] {
            let (_, view) = migration.split_once("CREATE VIEW v_permission_actions").unwrap_or_default();
            assert!(view.contains(&expected), "{expected}");
        }
    }

    #[test]
    fn no_code_of_a_tenant_grants_an_action_of_the_platform() {
        for code in PERMISSION_CODES {
            for (actions, _) in code.grants {
                assert!(actions.iter().all(|a| a.plane() == Plane::Tenant), "{}", code.code);
            }
        }
    }
}
