//! Roles: what they permit, which one they inherit from, which policies they carry, and who holds them.
//!
//! Every verb that ends in `_in` works in the caller's transaction and permit, records exactly one event
//! and marks that decisions change. [`crate::escalation`] says who may hand on what.

mod assign;
mod attach;
pub(crate) mod http;
pub(crate) mod keep;
mod seed;
mod store;
mod verbs;

use std::collections::BTreeSet;

use base::id::{PolicyId, RoleId, TenantId};
use base::query::{Direction, SortKey};
use base::{Timestamp, text};
use policy::{Document, Effect};
use serde_json::json;

pub use crate::escalation::outranks;
pub use assign::{
    Assignment, ExpiringDeny, Held, Holder, NewAssignment, ROLES_HELD_MAX, Window, assign_in, find_window,
    list_assignments, list_held, list_held_by_group, put_in, refuse_expiring_deny, unassign_in,
};
pub(crate) use assign::{page_held, page_held_by_group};
pub use attach::{Attachment, attach_policy_in, detach_policy_in, set_policies_in};
pub use seed::{ADMIN, BUILT_IN, FIXED_IDS, SUPER_ADMIN, USER, seed_in};
pub use verbs::{
    Effective, HeldRole, assign, attach_policy, create_role, delete_role, detach_policy, list_attachments,
    list_holders, list_roles_of, list_roles_of_group, load_effective, load_role, load_role_by_code,
    page_roles, unassign, update_role,
};

use crate::escalation::check_grant_any;
use crate::{Change, Cx, Error, Event, Permit, Result, Rx, Target, Tx, action};
use ::store::StoreError;

/// The order of roles where nobody says another one.
pub(crate) const ORDER: [SortKey; 1] = [SortKey { attribute: "code", direction: Direction::Ascending }];
/// Roles of one tenant at most.
pub const ROLES_MAX: i64 = 2_000;
/// The longest code of a role, in characters.
pub const CODE_CHARS_MAX: usize = 32;
/// The longest name of a role, in characters.
pub const NAME_CHARS_MAX: usize = 128;
/// The longest description, in characters.
pub const DESCRIPTION_CHARS_MAX: usize = 1_000;
/// Policies attached to one role at most.
pub const POLICIES_MAX: usize = 100;

/// A role of a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Its id.
    pub id: RoleId,
    /// Its code: unique in the tenant, immutable, what declarations and programs name it by.
    pub code: String,
    /// Its name for people, unique in the tenant.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// The role that it inherits everything from.
    pub parent_id: Option<RoleId>,
    /// Its simple permissions, codes of [`action::PERMISSION_CODES`], in the order they were given.
    pub permissions: Vec<String>,
    /// The policies attached to it, by id in ascending order.
    pub policies: Vec<PolicyId>,
    /// Counts the changes of the row itself.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Role {
    /// Whether two versions of a role permit the same by themselves.
    fn says_the_same(&self, other: &Self) -> bool {
        let sorted = |role: &Self| role.permissions.iter().cloned().collect::<BTreeSet<String>>();
        self.parent_id == other.parent_id && sorted(self) == sorted(other)
    }
}

/// A role to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRole {
    /// Its code.
    pub code: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// The role that it inherits everything from.
    pub parent_id: Option<RoleId>,
    /// Its simple permissions.
    pub permissions: Vec<String>,
}

/// A change of a role; what is none stays. In `description` and `parent_id` the inner none removes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoleChange {
    /// Another name.
    pub name: Option<String>,
    /// Another description.
    pub description: Option<Option<String>>,
    /// Another parent.
    pub parent_id: Option<Option<RoleId>>,
    /// Another list of permissions, as a whole.
    pub permissions: Option<Vec<String>>,
}

impl RoleChange {
    fn changes_access(&self) -> bool {
        self.parent_id.is_some() || self.permissions.is_some()
    }
}

/// Makes a role in the permit's tenant.
///
/// Fails with [`Error::Taken`] if the tenant has its code or name, [`Error::Invalid`] on a bad name, an
/// unknown permission or parent, and [`Error::Escalation`].
pub async fn create_role_in(cx: &Cx, tx: &mut Tx, permit: &Permit, new: NewRole) -> Result<Role> {
    let tenant = permit.own_tenant()?.clone();
    check_grant_any(cx, permit, "making a role").await?;
    text::check_code(&new.code, CODE_CHARS_MAX)
        .map_err(|e| Error::invalid("/code", "invalid_code", e.to_string()))?;
    check_texts(Some(&new.name), new.description.as_deref())?;
    let permissions = check_permissions(new.permissions)?;
    check_parent(tx, &tenant, new.parent_id.as_ref()).await?;
    if store::count(tx, &tenant).await? >= ROLES_MAX {
        return Err(Error::LimitReached(format!("a tenant has at most {ROLES_MAX} roles")));
    }
    let now = cx.now();
    let role = Role {
        id: cx.fresh_id(),
        code: new.code,
        name: new.name,
        description: new.description,
        parent_id: new.parent_id,
        permissions,
        policies: Vec::new(),
        version: 1,
        created_at: now,
        updated_at: now,
    };
    store::insert(tx, &tenant, &role).await.map_err(|e| refused(e, &role.code, &role.name))?;
    let details = json!({
        "code": role.code, "name": role.name, "parent_id": role.parent_id, "permissions": role.permissions,
    });
    tx.record(permit, Event::done("role.created", target(&role.id, &tenant)).details(details));
    tx.decisions_change(permit, Change::Role(&role.id));
    Ok(role)
}

/// Changes a role. `version` is the one that the caller read, where it must not have changed since.
///
/// Fails with [`Error::NotFound`], [`Error::Stale`], [`Error::Taken`], [`Error::Invalid`] and, if the change
/// touches permissions or parent, [`Error::Escalation`]. What [`SUPER_ADMIN`] may do never changes
/// ([`Error::BuiltIn`]): somebody must be able to put everything else right.
pub async fn update_role_in(
    cx: &Cx,
    tx: &mut Tx,
    permit: &Permit,
    id: &RoleId,
    change: RoleChange,
    version: Option<i64>,
) -> Result<Role> {
    let tenant = permit.own_tenant()?.clone();
    if change.changes_access() {
        check_grant_any(cx, permit, "changing the permissions or the parent of a role").await?;
    }
    check_texts(change.name.as_deref(), change.description.as_ref().and_then(Option::as_deref))?;
    if change.parent_id.is_some() {
        store::lock_tree(tx, &tenant).await?;
    }
    let mut role = store::find(tx, &tenant, id).await?.ok_or(Error::NotFound("role"))?;
    if version.is_some_and(|read| read != role.version) {
        return Err(Error::Stale);
    }
    let before = role.clone();
    if let Some(name) = change.name {
        role.name = name;
    }
    if let Some(description) = change.description {
        role.description = description;
    }
    if let Some(parent) = change.parent_id {
        check_parent(tx, &tenant, parent.as_ref()).await?;
        role.parent_id = parent;
    }
    if let Some(permissions) = change.permissions {
        role.permissions = check_permissions(permissions)?;
    }
    if role.code == SUPER_ADMIN && !before.says_the_same(&role) {
        return Err(Error::BuiltIn("what the role `SUPER_ADMIN` may do stays as it is".to_owned()));
    }
    role.version = before.version + 1;
    role.updated_at = cx.now();
    let touched = store::update(tx, &tenant, &role, before.version).await;
    if touched.map_err(|e| refused(e, &role.code, &role.name))? == 0 {
        return Err(Error::Stale);
    }
    let details = json!({
        "code": role.code, "name": role.name, "parent_id": role.parent_id, "permissions": role.permissions,
    });
    tx.record(permit, Event::done("role.updated", target(id, &tenant)).details(details));
    tx.decisions_change(permit, Change::Role(id));
    Ok(role)
}

/// Removes a role that nobody holds and no role inherits from. The roles of the default data stay.
///
/// Fails with [`Error::NotFound`], [`Error::BuiltIn`], [`Error::InUse`] and [`Error::Escalation`].
pub async fn delete_role_in(cx: &Cx, tx: &mut Tx, permit: &Permit, id: &RoleId) -> Result<()> {
    let tenant = permit.own_tenant()?.clone();
    check_grant_any(cx, permit, "removing a role").await?;
    let role = store::find(tx, &tenant, id).await?.ok_or(Error::NotFound("role"))?;
    if BUILT_IN.contains(&role.code.as_str()) {
        return Err(Error::BuiltIn(format!("the role `{}` belongs to every tenant", role.code)));
    }
    let uses = store::count_uses(tx, &tenant, id).await?;
    if uses > 0 {
        return Err(Error::InUse(format!(
            "places where the role `{}` is held or inherited from: {uses}; take it away there first",
            role.code
        )));
    }
    store::delete(tx, &tenant, id).await?;
    let details = json!({ "code": role.code, "name": role.name });
    tx.record(permit, Event::done("role.deleted", target(id, &tenant)).details(details));
    tx.decisions_change(permit, Change::Role(id));
    Ok(())
}

/// The role of this id, with its policies.
pub async fn find_role(rx: &mut Rx, tenant: &TenantId, id: &RoleId) -> Result<Option<Role>> {
    let Some(mut role) = store::find(rx, tenant, id).await? else { return Ok(None) };
    role.policies = store::policies_of(rx, tenant, id).await?;
    Ok(Some(role))
}

/// The role of this code, with its policies.
pub async fn find_role_by_code(rx: &mut Rx, tenant: &TenantId, code: &str) -> Result<Option<Role>> {
    let Some(mut role) = store::find_by_code(rx, tenant, code).await? else { return Ok(None) };
    role.policies = store::policies_of(rx, tenant, &role.id).await?;
    Ok(Some(role))
}

/// All roles of the tenant (at most [`ROLES_MAX`]), by code.
pub async fn list_roles(rx: &mut Rx, tenant: &TenantId) -> Result<Vec<Role>> {
    let mut roles = store::list(rx, tenant).await?;
    let mut attached = store::all_policies(rx, tenant).await?;
    for role in &mut roles {
        role.policies = attached.remove(&role.id).unwrap_or_default();
    }
    Ok(roles)
}

/// Whether a role, or one that it inherits from, denies anything.
pub(crate) async fn denies(rx: &mut Rx, tenant: &TenantId, role: &RoleId) -> Result<bool> {
    for document in store::documents_of(rx, tenant, role).await? {
        let document = Document::from_value(&document)
            .map_err(|e| Error::Bug(base::bug!("a stored policy does not parse: {e:?}")))?;
        if document.statements().iter().any(|statement| statement.effect() == Effect::Deny) {
            return Ok(true);
        }
    }
    store::links_deny(rx, tenant, role).await
}

/// The resource name of a role.
pub(crate) fn target(id: &RoleId, tenant: &TenantId) -> crate::Name {
    Target::member(id).name(Some(tenant.as_str()))
}

/// Checks a name and a description, wherever a noun has both.
pub(crate) fn check_texts(name: Option<&str>, description: Option<&str>) -> Result<()> {
    if let Some(name) = name {
        text::check_line(name, NAME_CHARS_MAX)
            .map_err(|e| Error::invalid("/name", "invalid_name", e.to_string()))?;
    }
    if let Some(description) = description {
        text::check_line(description, DESCRIPTION_CHARS_MAX)
            .map_err(|e| Error::invalid("/description", "invalid_description", e.to_string()))?;
    }
    Ok(())
}

/// Refuses a code that is none of the 26, and drops repetitions.
fn check_permissions(codes: Vec<String>) -> Result<Vec<String>> {
    let mut kept: Vec<String> = Vec::new();
    for (place, code) in codes.into_iter().enumerate() {
        if action::find_code(&code).is_none() {
            let found: String = code.chars().take(64).collect();
            return Err(Error::invalid(
                format!("/permissions/{place}"),
                "unknown_permission",
                format!("`{found}` is no permission code; one is `user:read`"),
            ));
        }
        if !kept.contains(&code) {
            kept.push(code);
        }
    }
    Ok(kept)
}

async fn check_parent(rx: &mut Rx, tenant: &TenantId, parent: Option<&RoleId>) -> Result<()> {
    let Some(parent) = parent else { return Ok(()) };
    if store::find(rx, tenant, parent).await?.is_none() {
        let detail = format!("`{parent}` is no role of this tenant");
        return Err(Error::invalid("/parent_id", "unknown_role", detail));
    }
    Ok(())
}

/// What a refusal of the database means for whoever wrote the role.
fn refused(error: Error, code: &str, name: &str) -> Error {
    match error {
        Error::Store(e) if e.is_unique("uq_roles_tenant_id_code") => {
            Error::Taken { noun: "role", name: code.to_owned() }
        }
        Error::Store(e) if e.is_unique("uq_roles_tenant_id_name") => {
            Error::Taken { noun: "role", name: name.to_owned() }
        }
        Error::Store(StoreError::Check(text)) if text.contains("role_cycle") => Error::invalid(
            "/parent_id",
            "role_cycle",
            "a role cannot inherit from itself, also not over others",
        ),
        Error::Store(StoreError::Check(text)) if text.contains("role_too_deep") => {
            let detail = format!("roles inherit over at most {} levels", policy::snapshot::ROLE_DEPTH_MAX);
            Error::invalid("/parent_id", "role_too_deep", detail)
        }
        other => other,
    }
}
