//! The one table of the format: every object, every key, what it holds and what it is for.
//!
//! The reader checks files by it and [`super::schema`] prints the JSON Schema from it, so that the two
//! cannot disagree.

use authz::access::{CONTEXT_KEY_BYTES_MAX, CONTEXT_KEYS_MAX, PATTERNS_MAX};
use authz::permissions::CODE_BYTES_MAX;
use authz::permissions::global::NAME_BYTES_MAX;
use authz::policies::acknowledge::CODES as ACKNOWLEDGED;
use authz::policies::links::LINKS_MAX;

/// What a value must be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    /// Text by a rule.
    Text(Text),
    /// `true` or `false`.
    Bool,
    /// A whole number, bounds included.
    Int(i64, i64),
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A list of at most so many.
    List(&'static Shape, usize),
    /// An object of the table.
    Object(&'static Table),
    /// Text, or an object that says more about it.
    TextOr(Text, &'static Table),
    /// A reference to a secret: never the secret itself.
    Secret,
    /// A mapping with a reader of its own.
    Json,
    /// A policy document for this place: a mapping, or text that holds JSON.
    Document(policy::Kind),
    /// A policy expression, in CEL.
    Expression,
    /// Names and values, both text.
    Tags,
}

/// A rule for text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Text {
    /// One line of at most so many characters.
    Line(usize),
    /// Lines of at most so many characters together, without other control characters.
    Prose(usize),
    /// A code of `[A-Za-z0-9_-]` of at most so many characters.
    Code(usize),
    /// A user's name.
    Username,
    /// An e-mail address.
    Email,
    /// A phone number in E.164 form.
    Phone,
    /// A resource name.
    Resource,
    /// A pattern of actions.
    ActionPattern,
    /// A pattern of resources.
    ResourcePattern,
    /// An instant, RFC 3339.
    Instant,
}

/// One key of an object.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    pub(crate) required: bool,
    /// Whether `null` may stand there, and then takes the value away.
    pub(crate) nullable: bool,
    pub(crate) about: &'static str,
}

/// One kind of object.
#[derive(Debug)]
pub(crate) struct Table {
    /// What messages call it, with its article.
    pub(crate) noun: &'static str,
    /// Its name in the schema's definitions.
    pub(crate) name: &'static str,
    pub(crate) keys: &'static [Key],
}

impl Table {
    pub(crate) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

const fn key(name: &'static str, shape: Shape, about: &'static str) -> Key {
    Key { name, shape, required: false, nullable: false, about }
}

const fn must(name: &'static str, shape: Shape, about: &'static str) -> Key {
    Key { name, shape, required: true, nullable: false, about }
}

const fn or_null(name: &'static str, shape: Shape, about: &'static str) -> Key {
    Key { name, shape, required: false, nullable: true, about }
}

/// The most objects of one section, and of a whole file.
pub const OBJECTS_MAX: usize = 10_000;
/// The most entries of a list inside an object.
pub(crate) const ENTRIES_MAX: usize = 10_000;
/// The most links of one kind of one policy.
const LINKS_MAX_ENTRIES: usize = LINKS_MAX.unsigned_abs() as usize;
/// The highest priority of a policy.
const PRIORITY: i64 = policy::policy::PRIORITY_MAX as i64;
/// The most redirect addresses, scopes and the like of one client.
const CLIENT_LIST_MAX: usize = 64;

/// The sections that hold lists of objects, in the order in which they are applied.
pub const SECTIONS: &[&str] =
    &["permissions", "policies", "roles", "clients", "users", "groups", "resources"];

const NAME: Shape = Shape::Text(Text::Line(128));
const DESCRIPTION: Shape = Shape::Text(Text::Line(1000));
const ROLE_CODE: Text = Text::Code(32);
const URIS: Shape = Shape::List(&Shape::Text(Text::Line(2000)), CLIENT_LIST_MAX);
const GRANTS: Shape = Shape::List(&Shape::TextOr(ROLE_CODE, &GRANT), 500);

static GRANT: Table = Table {
    noun: "a role given for a time",
    name: "grant",
    keys: &[
        must("role", Shape::Text(ROLE_CODE), "The role's code."),
        or_null("valid_from", Shape::Text(Text::Instant), "From when it counts."),
        or_null("expires_at", Shape::Text(Text::Instant), "From when it counts no longer."),
    ],
};

static MEMBER: Table = Table {
    noun: "a member for a time",
    name: "member",
    keys: &[
        must("member", Shape::Text(Text::Line(200)), "A user name, or `client:` and a client_id."),
        or_null("valid_from", Shape::Text(Text::Instant), "From when it counts."),
        or_null("expires_at", Shape::Text(Text::Instant), "From when it counts no longer."),
    ],
};

/// A reference to a secret.
pub(crate) static SECRET: Table = Table {
    noun: "a reference to a secret",
    name: "secret",
    keys: &[
        key(
            "env",
            Shape::Text(Text::Line(200)),
            "The environment variable that holds it, on the machine of whoever applies the file.",
        ),
        key(
            "file",
            Shape::Text(Text::Line(1000)),
            "The file that holds it, on the machine of whoever applies the file; one final line break is left out.",
        ),
        key(
            "rotate",
            Shape::Bool,
            "Whether to set it again at every apply. Without it the secret is set when the object is created, and never compared afterwards.",
        ),
    ],
};

static TENANT: Table = Table {
    noun: "the tenant",
    name: "tenant",
    keys: &[
        must("code", Shape::Text(Text::Code(40)), "The tenant's code, as it stands in addresses. Immutable."),
        key("name", NAME, "Its name for people."),
        key("config", Shape::Json, "Its configuration, merged into what is there (RFC 7396)."),
    ],
};

static PERMISSION: Table = Table {
    noun: "a permission",
    name: "permission",
    keys: &[
        must(
            "code",
            Shape::Text(Text::Line(CODE_BYTES_MAX)),
            "The action that it is about, `service:Verb`, unique in the tenant in any case. Not of Signet's own nouns.",
        ),
        key("name", NAME, "Its name for people; the code if it is left out at creation."),
        or_null("description", DESCRIPTION, "What it lets one do."),
        key(
            "global_permission",
            Shape::Text(Text::Line(NAME_BYTES_MAX)),
            "The name of the platform's permission that it stands for. Set at creation only.",
        ),
    ],
};

const EFFECT: Shape = Shape::OneOf(&["allow", "deny"]);

static LINK: Table = Table {
    noun: "a permission with an effect of its own",
    name: "link",
    keys: &[
        must("permission", Shape::Text(Text::Line(CODE_BYTES_MAX)), "The permission's code."),
        key("effect", EFFECT, "What this link does; the policy's own effect if it is left out."),
    ],
};

static POLICY: Table = Table {
    noun: "a policy",
    name: "policy",
    keys: &[
        must("name", NAME, "Its name, unique in the tenant."),
        or_null("description", DESCRIPTION, "What it is for."),
        key(
            "document",
            Shape::Document(policy::Kind::Identity),
            "The policy document: a mapping, or text that holds it as JSON. Needed to create a policy that is linked to nothing.",
        ),
        key(
            "effect",
            EFFECT,
            "What its links do where they do not say it themselves; `allow` if it is left out at creation.",
        ),
        key(
            "priority",
            Shape::Int(0, PRIORITY),
            "Of all that applies, the highest level decides; 0 if it is left out at creation.",
        ),
        or_null(
            "expression",
            Shape::Expression,
            "A condition in CEL on all that the policy says: it says nothing unless this is true.",
        ),
        key(
            "acknowledge",
            Shape::List(&Shape::OneOf(&ACKNOWLEDGED), ACKNOWLEDGED.len()),
            "What the document says knowingly: an Allow with `NotAction` or `NotResource` permits what comes later too.",
        ),
        key(
            "guardrail",
            Shape::Bool,
            "Whether it binds everybody in the tenant: what it denies is denied, and what no guardrail allows too.",
        ),
        key(
            "permissions",
            Shape::List(&Shape::TextOr(Text::Line(CODE_BYTES_MAX), &LINK), LINKS_MAX_ENTRIES),
            "Codes of the permissions that it is linked to: exactly these.",
        ),
        key(
            "global_permissions",
            Shape::List(&Shape::Text(Text::Line(NAME_BYTES_MAX)), LINKS_MAX_ENTRIES),
            "Names of the platform's permissions that it is linked to: exactly these.",
        ),
        key(
            "resources",
            Shape::List(&Shape::Text(Text::Resource), LINKS_MAX_ENTRIES),
            "Names of the registered resources that its links are about, with all that lies in them: exactly these.",
        ),
    ],
};

static ROLE: Table = Table {
    noun: "a role",
    name: "role",
    keys: &[
        must("code", Shape::Text(ROLE_CODE), "Its code, unique in the tenant."),
        key("name", NAME, "Its name for people; the code if it is left out at creation."),
        or_null("description", DESCRIPTION, "What it is for."),
        or_null("parent", Shape::Text(ROLE_CODE), "The code of the role that it inherits everything from."),
        key(
            "permissions",
            Shape::List(&Shape::Text(Text::Line(100)), 100),
            "Permission codes such as `user:read`: exactly these.",
        ),
        key("policies", Shape::List(&NAME, 100), "Names of the policies attached to it: exactly these."),
    ],
};

static EVALUATION: Table = Table {
    noun: "what a client is an enforcement point for",
    name: "evaluation",
    keys: &[
        must(
            "actions",
            Shape::List(&Shape::Text(Text::ActionPattern), PATTERNS_MAX),
            "Patterns of the actions that it may ask about, like `document:*`.",
        ),
        must(
            "resources",
            Shape::List(&Shape::Text(Text::ResourcePattern), PATTERNS_MAX),
            "Patterns of the resources that it may ask about, like `document:*`.",
        ),
        key(
            "context_keys",
            Shape::List(&Shape::Text(Text::Line(CONTEXT_KEY_BYTES_MAX)), CONTEXT_KEYS_MAX),
            "Context keys that its questions may carry, in any case of letters.",
        ),
        key(
            "end_user_address",
            Shape::Bool,
            "Whether its questions may carry the end user's address as the context key `end_user_address`.",
        ),
    ],
};

static CLIENT: Table = Table {
    noun: "a client",
    name: "client",
    keys: &[
        must("client_id", Shape::Text(Text::Code(64)), "Its public id, unique in the tenant."),
        key(
            "name",
            Shape::Text(Text::Line(100)),
            "Its name for people; the client_id if it is left out at creation.",
        ),
        or_null("description", Shape::Text(Text::Prose(500)), "What it is for."),
        key(
            "type",
            Shape::OneOf(&["confidential", "public", "service"]),
            "`confidential` signs people in and keeps a secret; `public` signs people in and has none; `service` acts for itself with its secret. Needed to create the client.",
        ),
        key("enabled", Shape::Bool, "Whether it may be used."),
        key(
            "grant_types",
            Shape::List(&Shape::OneOf(&["authorization_code", "refresh_token", "client_credentials"]), 3),
            "What it may ask the token endpoint for, where its type does not say it: `authorization_code` and `refresh_token`, or `client_credentials` for a service.",
        ),
        key(
            "auth_methods",
            Shape::List(&Shape::OneOf(&["client_secret_basic", "client_secret_post", "none"]), 2),
            "How it authenticates, where its type does not say it: `client_secret_basic` and `client_secret_post`, or `none` for a public client. Set at creation only.",
        ),
        key("redirect_uris", URIS, "Where people may be sent back to: exactly these."),
        key("post_logout_redirect_uris", URIS, "Where people may be sent after signing out: exactly these."),
        key(
            "scopes",
            Shape::List(&Shape::Text(Text::Line(100)), CLIENT_LIST_MAX),
            "The scopes it may ask for: exactly these.",
        ),
        key("consent", Shape::Bool, "Whether people are asked for consent."),
        key(
            "id_token_alg",
            Shape::OneOf(&["RS256", "ES256", "EdDSA"]),
            "The algorithm that its ID tokens are signed with.",
        ),
        key(
            "access_token_alg",
            Shape::OneOf(&["EdDSA", "ES256", "RS256"]),
            "The algorithm that its access tokens are signed with.",
        ),
        key("access_token_ttl_seconds", Shape::Int(60, 86_400), "How long its access tokens live."),
        key("refresh_token_ttl_seconds", Shape::Int(60, 7_776_000), "How long its refresh tokens live."),
        key(
            "audience",
            Shape::List(&Shape::Text(Text::Line(200)), 20),
            "Audiences of its access tokens besides Signet: exactly these.",
        ),
        or_null(
            "evaluation",
            Shape::Object(&EVALUATION),
            "What it is an enforcement point for: what it may ask about others, where a role of its own allows `access:Evaluate`. Exactly this; null for nothing.",
        ),
        key("roles", GRANTS, "The roles it holds when it acts for itself: exactly these."),
        or_null(
            "boundary",
            NAME,
            "The name of the policy that limits it when it acts for itself, whatever its roles say; null for none.",
        ),
        key(
            "secret",
            Shape::Secret,
            "Its secret, by reference: 32 to 72 random characters. Needed to create a client that has one.",
        ),
    ],
};

static USER: Table = Table {
    noun: "a user",
    name: "user",
    keys: &[
        must("username", Shape::Text(Text::Username), "The name to sign in with, unique in the tenant."),
        or_null("email", Shape::Text(Text::Email), "Their e-mail address."),
        or_null("phone", Shape::Text(Text::Phone), "Their phone number, E.164."),
        key("email_verified", Shape::Bool, "Whether the address is known to be theirs."),
        key("phone_verified", Shape::Bool, "Whether the number is known to be theirs."),
        or_null("display_name", NAME, "Their name for people."),
        or_null("first_name", Shape::Text(Text::Line(64)), "Their given name."),
        or_null("last_name", Shape::Text(Text::Line(64)), "Their family name."),
        or_null("avatar_url", Shape::Text(Text::Line(2048)), "The http or https address of their picture."),
        key("locale", Shape::Text(Text::Line(16)), "Their language, like zh-CN."),
        key("timezone", Shape::Text(Text::Line(64)), "Their time zone, like Asia/Shanghai."),
        or_null("position", Shape::Text(Text::Line(128)), "What they do in the organisation."),
        key("attributes", Shape::Json, "What the tenant keeps about them besides: exactly this."),
        key("status", Shape::OneOf(&["active", "inactive", "locked"]), "Whether the account is in use."),
        key(
            "roles",
            GRANTS,
            "The roles given to them: exactly these, besides the tenant's default role, which stays as it is unless it is listed.",
        ),
        or_null(
            "boundary",
            NAME,
            "The name of the policy that limits them, whatever their roles say; null for none.",
        ),
        key(
            "password",
            Shape::Secret,
            "Their password, by reference. Without it nobody can sign in until a password is set.",
        ),
        key(
            "must_change_password",
            Shape::Bool,
            "Whether the password that this file sets must be changed at the next sign-in; it must unless this says no.",
        ),
    ],
};

static GROUP: Table = Table {
    noun: "a group",
    name: "group",
    keys: &[
        must("name", NAME, "Its name, unique in the tenant in any case."),
        or_null("description", DESCRIPTION, "What it is for."),
        key("roles", GRANTS, "The roles that its members have: exactly these."),
        key(
            "members",
            Shape::List(&Shape::TextOr(Text::Line(200), &MEMBER), ENTRIES_MAX),
            "User names, or `client:` and a client_id: exactly these.",
        ),
    ],
};

static RESOURCE: Table = Table {
    noun: "a resource",
    name: "resource",
    keys: &[
        must("name", Shape::Text(Text::Resource), "Its name, as policies and questions use it."),
        or_null(
            "kind",
            Shape::Text(Text::Line(64)),
            "What it is; the part before the first colon if it is left out.",
        ),
        or_null("parent", Shape::Text(Text::Resource), "The name of the resource above it."),
        key("tags", Shape::Tags, "Names and values that policies may use: exactly these."),
        or_null(
            "policy",
            Shape::Document(policy::Kind::Resource),
            "Its own policy document, which names principals; null for none.",
        ),
    ],
};

/// The whole file.
pub(crate) static ROOT: Table = Table {
    noun: "the file",
    name: "file",
    keys: &[
        must("version", Shape::Int(1, 1), "The version of this format: 1."),
        must("tenant", Shape::Object(&TENANT), "The tenant that the file is about."),
        key(
            "prune",
            Shape::List(&Shape::OneOf(SECTIONS), SECTIONS.len()),
            "Sections whose objects are deleted where the file does not name them. The section itself must stand in the file.",
        ),
        key(
            "permissions",
            Shape::List(&Shape::Object(&PERMISSION), usize::MAX),
            "Permissions of the tenant's own, for policies to be linked to.",
        ),
        key("policies", Shape::List(&Shape::Object(&POLICY), usize::MAX), "Policies."),
        key("roles", Shape::List(&Shape::Object(&ROLE), usize::MAX), "Roles."),
        key("groups", Shape::List(&Shape::Object(&GROUP), usize::MAX), "Groups."),
        key("users", Shape::List(&Shape::Object(&USER), usize::MAX), "Users."),
        key("resources", Shape::List(&Shape::Object(&RESOURCE), usize::MAX), "Resources."),
        key("clients", Shape::List(&Shape::Object(&CLIENT), usize::MAX), "OAuth clients."),
    ],
};
