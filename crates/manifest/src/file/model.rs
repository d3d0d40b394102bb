//! What a file declares, typed, with the place of each thing that a later check may refuse.
//!
//! A field that the file leaves out is `None` and leaves what is there as it is; `Some(None)` is a
//! `null` that takes the value away.

use std::collections::BTreeMap;

use authz::access::RegistrationText;
use base::Timestamp;
use policy::{Effect, Kind};
use serde_json::Value;

use super::place::{At, Place};
use super::tree::{Node, Yaml};

/// A whole file.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// The file's name, for messages.
    pub file: String,
    /// The tenant.
    pub tenant: TenantDecl,
    /// The sections to prune.
    pub prune: Vec<String>,
    /// Permissions of the tenant's own; none if the file leaves the section out.
    pub permissions: Option<Vec<PermissionDecl>>,
    /// Policies.
    pub policies: Option<Vec<PolicyDecl>>,
    /// Roles.
    pub roles: Option<Vec<RoleDecl>>,
    /// Clients.
    pub clients: Option<Vec<ClientDecl>>,
    /// Users.
    pub users: Option<Vec<UserDecl>>,
    /// Groups.
    pub groups: Option<Vec<GroupDecl>>,
    /// Resources.
    pub resources: Option<Vec<ResourceDecl>>,
}

/// The tenant.
#[derive(Debug, Clone)]
pub struct TenantDecl {
    /// Where it stands.
    pub at: Place,
    /// Its code.
    pub code: At<String>,
    /// Its name.
    pub name: Option<At<String>>,
    /// A merge patch to its configuration.
    pub config: Option<At<Value>>,
}

/// A permission of the tenant's own.
#[derive(Debug, Clone)]
pub struct PermissionDecl {
    /// Its code.
    pub code: At<String>,
    /// Its name.
    pub name: Option<String>,
    /// Its description.
    pub description: Option<Option<String>>,
    /// The name of the global permission that it stands for.
    pub global_permission: Option<At<String>>,
}

/// A link of a policy to a permission.
#[derive(Debug, Clone)]
pub struct LinkDecl {
    /// The permission's code.
    pub code: At<String>,
    /// An effect of its own.
    pub effect: Option<Effect>,
}

/// A policy.
#[derive(Debug, Clone)]
pub struct PolicyDecl {
    /// Its name.
    pub name: At<String>,
    /// Its description.
    pub description: Option<Option<String>>,
    /// Its document, in canonical form.
    pub document: Option<At<Value>>,
    /// What its links do where they do not say it themselves.
    pub effect: Option<Effect>,
    /// Its priority.
    pub priority: Option<i64>,
    /// What guards all that it says.
    pub expression: Option<Option<String>>,
    /// What its document says knowingly.
    pub acknowledge: Vec<String>,
    /// Whether it binds everybody in the tenant.
    pub guardrail: Option<bool>,
    /// The permissions that it is linked to.
    pub permissions: Option<Vec<LinkDecl>>,
    /// The names of the global permissions that it is linked to.
    pub global_permissions: Option<Vec<At<String>>>,
    /// The names of the resources that it is linked to.
    pub resources: Option<Vec<At<String>>>,
}

impl PolicyDecl {
    /// Whether the file says what the policy is linked to.
    pub fn has_links(&self) -> bool {
        self.permissions.is_some() || self.global_permissions.is_some() || self.resources.is_some()
    }
}

/// A role given, or a member taken, perhaps for a time.
#[derive(Debug, Clone)]
pub struct GrantDecl {
    /// The role's code, or the member's name.
    pub name: At<String>,
    /// From when it counts.
    pub valid_from: Option<Timestamp>,
    /// From when it counts no longer.
    pub expires_at: Option<Timestamp>,
}

/// A role.
#[derive(Debug, Clone)]
pub struct RoleDecl {
    /// Its code.
    pub code: At<String>,
    /// Its name.
    pub name: Option<String>,
    /// Its description.
    pub description: Option<Option<String>>,
    /// The code of its parent.
    pub parent: Option<Option<At<String>>>,
    /// Its permission codes.
    pub permissions: Option<Vec<At<String>>>,
    /// The names of its policies.
    pub policies: Option<Vec<At<String>>>,
}

/// A reference to a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretRef {
    /// Where it stands.
    pub at: Place,
    /// `env:NAME` or `file:PATH`.
    pub key: String,
    /// Whether to set it at every apply.
    pub rotate: bool,
}

/// A user.
#[derive(Debug, Clone)]
pub struct UserDecl {
    /// The name.
    pub username: At<String>,
    /// The e-mail address.
    pub email: Option<Option<String>>,
    /// The phone number.
    pub phone: Option<Option<String>>,
    /// Whether the address is known to be theirs.
    pub email_verified: Option<bool>,
    /// Whether the number is known to be theirs.
    pub phone_verified: Option<bool>,
    /// The name for people.
    pub display_name: Option<Option<String>>,
    /// The given name.
    pub first_name: Option<Option<String>>,
    /// The family name.
    pub last_name: Option<Option<String>>,
    /// The address of a picture.
    pub avatar_url: Option<Option<String>>,
    /// The language.
    pub locale: Option<String>,
    /// The time zone.
    pub timezone: Option<String>,
    /// What they do.
    pub position: Option<Option<String>>,
    /// The attributes, as a whole.
    pub attributes: Option<Value>,
    /// `active`, `inactive` or `locked`.
    pub status: Option<String>,
    /// The roles.
    pub roles: Option<Vec<GrantDecl>>,
    /// The name of the policy that limits them.
    pub boundary: Option<Option<At<String>>>,
    /// The password.
    pub password: Option<SecretRef>,
    /// Whether the password must be changed.
    pub must_change_password: Option<bool>,
}

/// A group.
#[derive(Debug, Clone)]
pub struct GroupDecl {
    /// Its name.
    pub name: At<String>,
    /// Its description.
    pub description: Option<Option<String>>,
    /// The roles of its members.
    pub roles: Option<Vec<GrantDecl>>,
    /// Its members.
    pub members: Option<Vec<GrantDecl>>,
}

/// A resource.
#[derive(Debug, Clone)]
pub struct ResourceDecl {
    /// Its name.
    pub name: At<String>,
    /// Its kind.
    pub kind: Option<Option<String>>,
    /// The name of its parent.
    pub parent: Option<Option<At<String>>>,
    /// Its tags.
    pub tags: Option<BTreeMap<String, String>>,
    /// Its own policy, in canonical form.
    pub policy: Option<Option<At<Value>>>,
}

/// A client.
#[derive(Debug, Clone)]
pub struct ClientDecl {
    /// Its public id.
    pub client_id: At<String>,
    /// Its name.
    pub name: Option<String>,
    /// Its description.
    pub description: Option<Option<String>>,
    /// `confidential`, `public` or `service`.
    pub kind: Option<At<String>>,
    /// Whether it may be used.
    pub enabled: Option<bool>,
    /// What it may ask the token endpoint for.
    pub grant_types: Option<Vec<String>>,
    /// How it authenticates.
    pub auth_methods: Option<Vec<String>>,
    /// Redirect addresses.
    pub redirect_uris: Option<Vec<String>>,
    /// Addresses after signing out.
    pub post_logout_redirect_uris: Option<Vec<String>>,
    /// Scopes.
    pub scopes: Option<Vec<String>>,
    /// Whether consent is asked for.
    pub consent: Option<bool>,
    /// The algorithm of ID tokens.
    pub id_token_alg: Option<String>,
    /// The algorithm of access tokens.
    pub access_token_alg: Option<String>,
    /// The life of access tokens in seconds.
    pub access_token_ttl_seconds: Option<i64>,
    /// The life of refresh tokens in seconds.
    pub refresh_token_ttl_seconds: Option<i64>,
    /// Audiences of its access tokens.
    pub audience: Option<Vec<String>>,
    /// What it is an enforcement point for.
    pub evaluation: Option<Option<At<RegistrationText>>>,
    /// The roles it holds.
    pub roles: Option<Vec<GrantDecl>>,
    /// The name of the policy that limits it.
    pub boundary: Option<Option<At<String>>>,
    /// Its secret.
    pub secret: Option<SecretRef>,
}

/// A mapping whose shape the table has already checked: what does not fit reads as absent.
struct Reader<'a> {
    at: Place,
    pairs: &'a [(At<String>, Node)],
}

impl<'a> Reader<'a> {
    fn new(node: &'a Node) -> Self {
        let pairs = match &node.value {
            Yaml::Map(pairs) => pairs.as_slice(),
            _ => &[],
        };
        Self { at: node.at, pairs }
    }

    fn get(&self, name: &str) -> Option<&'a Node> {
        self.pairs.iter().find(|(key, _)| key.value == name).map(|(_, node)| node)
    }

    fn text_at(&self, name: &str) -> Option<At<String>> {
        self.get(name).and_then(text_at)
    }

    /// Text that must be there; the place of the whole object if it is not.
    fn must(&self, name: &str) -> At<String> {
        self.text_at(name).unwrap_or(At { value: String::new(), at: self.at })
    }

    fn text(&self, name: &str) -> Option<String> {
        self.text_at(name).map(|found| found.value)
    }

    fn or_null(&self, name: &str) -> Option<Option<String>> {
        self.or_null_at(name).map(|found| found.map(|at| at.value))
    }

    fn or_null_at(&self, name: &str) -> Option<Option<At<String>>> {
        self.get(name).map(text_at)
    }

    fn bool(&self, name: &str) -> Option<bool> {
        match self.get(name)?.value {
            Yaml::Bool(value) => Some(value),
            _ => None,
        }
    }

    fn int(&self, name: &str) -> Option<i64> {
        match self.get(name)?.value {
            Yaml::Int(value) => Some(value),
            _ => None,
        }
    }

    fn list(&self, name: &str) -> Option<&'a [Node]> {
        match &self.get(name)?.value {
            Yaml::List(items) => Some(items),
            _ => None,
        }
    }

    fn texts_at(&self, name: &str) -> Option<Vec<At<String>>> {
        self.list(name).map(|items| items.iter().filter_map(text_at).collect())
    }

    fn texts(&self, name: &str) -> Option<Vec<String>> {
        self.texts_at(name).map(|items| items.into_iter().map(|item| item.value).collect())
    }

    fn objects<T>(&self, name: &str, read: fn(&Reader<'_>) -> T) -> Option<Vec<T>> {
        self.list(name).map(|items| items.iter().map(|node| read(&Reader::new(node))).collect())
    }

    fn json(&self, name: &str) -> Option<At<Value>> {
        self.get(name).map(|node| At { value: node.to_json(), at: node.at })
    }

    fn instant(&self, name: &str) -> Option<Timestamp> {
        self.text(name).and_then(|text| Timestamp::parse(&text))
    }

    fn grants(&self, name: &str, noun: &str) -> Option<Vec<GrantDecl>> {
        let items = self.list(name)?;
        Some(
            items
                .iter()
                .map(|node| match text_at(node) {
                    Some(name) => GrantDecl { name, valid_from: None, expires_at: None },
                    None => {
                        let more = Reader::new(node);
                        GrantDecl {
                            name: more.must(noun),
                            valid_from: more.instant("valid_from"),
                            expires_at: more.instant("expires_at"),
                        }
                    }
                })
                .collect(),
        )
    }

    fn effect(&self, name: &str) -> Option<Effect> {
        match self.text(name)?.as_str() {
            "deny" => Some(Effect::Deny),
            _ => Some(Effect::Allow),
        }
    }

    fn links(&self, name: &str) -> Option<Vec<LinkDecl>> {
        let read = |node: &Node| match text_at(node) {
            Some(code) => LinkDecl { code, effect: None },
            None => {
                let more = Reader::new(node);
                LinkDecl { code: more.must("permission"), effect: more.effect("effect") }
            }
        };
        Some(self.list(name)?.iter().map(read).collect())
    }

    fn secret(&self, name: &str) -> Option<SecretRef> {
        let node = self.get(name)?;
        let reference = Reader::new(node);
        let key = match (reference.text("env"), reference.text("file")) {
            (Some(env), _) => format!("env:{env}"),
            (None, Some(file)) => format!("file:{file}"),
            (None, None) => return None,
        };
        Some(SecretRef { at: node.at, key, rotate: reference.bool("rotate").unwrap_or(false) })
    }

    fn evaluation(&self, name: &str) -> Option<Option<At<RegistrationText>>> {
        let node = self.get(name)?;
        let Yaml::Map(_) = &node.value else { return Some(None) };
        let more = Reader::new(node);
        let text = RegistrationText {
            actions: more.texts("actions").unwrap_or_default(),
            resources: more.texts("resources").unwrap_or_default(),
            context_keys: more.texts("context_keys").unwrap_or_default(),
            end_user_address: more.bool("end_user_address").unwrap_or(false),
        };
        Some(Some(At { value: text, at: node.at }))
    }

    /// A policy document in canonical form.
    fn document(&self, name: &str, kind: Kind) -> Option<At<Value>> {
        let node = self.get(name)?;
        let parsed = match &node.value {
            Yaml::Text(json) => policy::Document::parse_as(kind, json),
            _ => policy::Document::from_value_as(kind, &node.to_json()),
        };
        parsed.ok().map(|document| At { value: document.to_value(), at: node.at })
    }

    fn tags(&self, name: &str) -> Option<BTreeMap<String, String>> {
        let Yaml::Map(pairs) = &self.get(name)?.value else { return None };
        Some(
            pairs
                .iter()
                .filter_map(|(key, node)| text_at(node).map(|text| (key.value.clone(), text.value)))
                .collect(),
        )
    }
}

fn text_at(node: &Node) -> Option<At<String>> {
    match &node.value {
        Yaml::Text(text) => Some(At { value: text.clone(), at: node.at }),
        _ => None,
    }
}

/// Reads a tree that [`super::check`] found right.
pub(crate) fn manifest(file: &str, root: &Node) -> Manifest {
    let root = Reader::new(root);
    let tenant = root.get("tenant").map(Reader::new).unwrap_or(Reader { at: root.at, pairs: &[] });
    Manifest {
        file: file.to_owned(),
        tenant: TenantDecl {
            at: tenant.at,
            code: tenant.must("code"),
            name: tenant.text_at("name"),
            config: tenant.json("config"),
        },
        prune: root.texts("prune").unwrap_or_default(),
        permissions: root.objects("permissions", permission),
        policies: root.objects("policies", policy),
        roles: root.objects("roles", role),
        clients: root.objects("clients", client),
        users: root.objects("users", user),
        groups: root.objects("groups", group),
        resources: root.objects("resources", resource),
    }
}

fn policy(of: &Reader<'_>) -> PolicyDecl {
    PolicyDecl {
        name: of.must("name"),
        description: of.or_null("description"),
        document: of.document("document", Kind::Identity),
        effect: of.effect("effect"),
        priority: of.int("priority"),
        expression: of.or_null("expression"),
        acknowledge: of.texts("acknowledge").unwrap_or_default(),
        guardrail: of.bool("guardrail"),
        permissions: of.links("permissions"),
        global_permissions: of.texts_at("global_permissions"),
        resources: of.texts_at("resources"),
    }
}

fn permission(of: &Reader<'_>) -> PermissionDecl {
    PermissionDecl {
        code: of.must("code"),
        name: of.text("name"),
        description: of.or_null("description"),
        global_permission: of.text_at("global_permission"),
    }
}

fn role(of: &Reader<'_>) -> RoleDecl {
    RoleDecl {
        code: of.must("code"),
        name: of.text("name"),
        description: of.or_null("description"),
        parent: of.or_null_at("parent"),
        permissions: of.texts_at("permissions"),
        policies: of.texts_at("policies"),
    }
}

fn user(of: &Reader<'_>) -> UserDecl {
    UserDecl {
        username: of.must("username"),
        email: of.or_null("email"),
        phone: of.or_null("phone"),
        email_verified: of.bool("email_verified"),
        phone_verified: of.bool("phone_verified"),
        display_name: of.or_null("display_name"),
        first_name: of.or_null("first_name"),
        last_name: of.or_null("last_name"),
        avatar_url: of.or_null("avatar_url"),
        locale: of.text("locale"),
        timezone: of.text("timezone"),
        position: of.or_null("position"),
        attributes: of.json("attributes").map(|found| found.value),
        status: of.text("status"),
        roles: of.grants("roles", "role"),
        boundary: of.or_null_at("boundary"),
        password: of.secret("password"),
        must_change_password: of.bool("must_change_password"),
    }
}

fn group(of: &Reader<'_>) -> GroupDecl {
    GroupDecl {
        name: of.must("name"),
        description: of.or_null("description"),
        roles: of.grants("roles", "role"),
        members: of.grants("members", "member"),
    }
}

fn resource(of: &Reader<'_>) -> ResourceDecl {
    ResourceDecl {
        name: of.must("name"),
        kind: of.or_null("kind"),
        parent: of.or_null_at("parent"),
        tags: of.tags("tags"),
        policy: of.get("policy").map(|_| of.document("policy", Kind::Resource)),
    }
}

fn client(of: &Reader<'_>) -> ClientDecl {
    ClientDecl {
        client_id: of.must("client_id"),
        name: of.text("name"),
        description: of.or_null("description"),
        kind: of.text_at("type"),
        enabled: of.bool("enabled"),
        grant_types: of.texts("grant_types"),
        auth_methods: of.texts("auth_methods"),
        redirect_uris: of.texts("redirect_uris"),
        post_logout_redirect_uris: of.texts("post_logout_redirect_uris"),
        scopes: of.texts("scopes"),
        consent: of.bool("consent"),
        id_token_alg: of.text("id_token_alg"),
        access_token_alg: of.text("access_token_alg"),
        access_token_ttl_seconds: of.int("access_token_ttl_seconds"),
        refresh_token_ttl_seconds: of.int("refresh_token_ttl_seconds"),
        audience: of.texts("audience"),
        evaluation: of.evaluation("evaluation"),
        roles: of.grants("roles", "role"),
        boundary: of.or_null_at("boundary"),
        secret: of.secret("secret"),
    }
}
