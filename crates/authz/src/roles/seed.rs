//! The roles and permissions that every tenant begins with (requirements A1.7).

use base::Timestamp;
use base::id::{RoleId, TenantId};
use serde_json::json;

use super::{Role, store};
use crate::{Change, Cx, Error, Event, Permit, Result, Target, Tx, action};

/// The code of the role that may do everything in its tenant.
pub const SUPER_ADMIN: &str = "SUPER_ADMIN";
/// The code of the role that runs a tenant from day to day.
pub const ADMIN: &str = "ADMIN";
/// The code of the role that every person has.
pub const USER: &str = "USER";
/// The codes of the roles of the default data.
pub const BUILT_IN: [&str; 3] = [SUPER_ADMIN, ADMIN, USER];
/// Their ids in the default tenant, in the same order.
pub const FIXED_IDS: [&str; 3] = [
    "00000000-0000-0000-0000-000000000001",
    "00000000-0000-0000-0000-000000000002",
    "00000000-0000-0000-0000-000000000003",
];

/// What one does to one's own user: the three codes that Admin and Super Admin have from User.
const USER_CODES: [&str; 3] = ["user:read_self", "user:update_self", "user:change_password"];
const ADMIN_CODES: [&str; 11] = [
    "user:create",
    "user:read",
    "user:update",
    "user:delete",
    "user:reset_password",
    "role:read",
    "role:assign",
    "tenant:read",
    "oauth2:read",
    "audit:read",
    "audit:export",
];

/// Writes the three roles and the 26 permissions of a tenant that was just made, and records one event in
/// the permit's scope. With `fixed_ids` the roles have the ids of the default tenant.
///
/// Gives the roles as Super Admin, Admin, User. Fails with [`Error::Taken`] if they are there.
pub async fn seed_in(
    cx: &Cx,
    tx: &mut Tx,
    permit: &Permit,
    tenant: &TenantId,
    fixed_ids: bool,
) -> Result<[Role; 3]> {
    let mut ids = Vec::new();
    for fixed in FIXED_IDS {
        let id = if fixed_ids {
            RoleId::parse(fixed).map_err(|e| Error::Bug(base::bug!("{e}")))?
        } else {
            cx.fresh_id()
        };
        ids.push(id);
    }
    let [super_admin, admin, user] = <[RoleId; 3]>::try_from(ids)
        .map_err(|_| Error::Bug(base::bug!("three ids were made and others are there")))?;
    let all = action::PERMISSION_CODES.iter().map(|code| code.code);
    let others: Vec<&str> = all.filter(|code| !USER_CODES.contains(code)).collect();
    let roles = [
        built_in(cx, 0, super_admin, Some(&admin), &others),
        built_in(cx, 1, admin, Some(&user), &ADMIN_CODES),
        built_in(cx, 2, user, None, &USER_CODES),
    ];
    // A parent is written before its children.
    for role in roles.iter().rev() {
        store::insert(tx, tenant, role).await.map_err(|e| super::refused(e, &role.code, &role.name))?;
    }
    for code in action::PERMISSION_CODES {
        store::insert_permission(tx, tenant, &cx.fresh_id(), code, cx.now()).await?;
    }
    let name = Target::all("role").name(Some(tenant.as_str()));
    let details = json!({ "roles": BUILT_IN, "permissions": action::PERMISSION_CODES.len() });
    tx.record(permit, Event::done("role.seeded", name).details(details));
    // The permit may be the platform's: what changes is the tenant's.
    tx.decisions_of_change(tenant, Change::All);
    Ok(roles)
}

/// One of the three. INVARIANT: `created_at` ascends in their order, as document 001 lists them by it.
fn built_in(cx: &Cx, place: u8, id: RoleId, parent: Option<&RoleId>, codes: &[&str]) -> Role {
    let created_at = Timestamp::from_micros(cx.now().as_micros() + i64::from(place));
    let (code, name, description) = match place {
        0 => (SUPER_ADMIN, "Super Admin", "Everything in this tenant"),
        1 => (ADMIN, "Admin", "People, their roles, and the audit log"),
        _ => (USER, "User", "One's own profile and password"),
    };
    Role {
        id,
        code: code.to_owned(),
        name: name.to_owned(),
        description: Some(description.to_owned()),
        parent_id: parent.cloned(),
        permissions: codes.iter().map(|code| (*code).to_owned()).collect(),
        policies: Vec::new(),
        version: 1,
        created_at,
        updated_at: created_at,
    }
}
