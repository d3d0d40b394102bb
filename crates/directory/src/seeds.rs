//! The default data of requirements A1.7, under its exact ids and names, and nothing besides.

mod store;

use std::sync::Arc;

use authz::{Cx, Event, Permit, Place, Purpose, Target, Tx, platform, roles};
use base::id::TenantId;
use base::text::parse_username;
use serde_json::json;

use crate::tenants::{self, Draft, NewTenant, Tenant};
use crate::users::{self, NewUser, User};
use crate::{Error, PasswordHash, Result};

/// The id of the default tenant.
pub const DEFAULT_TENANT_ID: &str = "00000000-0000-0000-0000-000000000001";
/// The code of the default tenant.
pub const DEFAULT_TENANT_CODE: &str = "default";
/// The id of the first administrator.
pub const ADMIN_ID: &str = "00000000-0000-0000-0000-000000000001";
/// The user name of the first administrator.
pub const ADMIN_USERNAME: &str = "admin";
/// The id of the demonstration user.
pub const DEMO_USER_ID: &str = "00000000-0000-0000-0000-000000000002";
/// The user name of the demonstration user.
pub const DEMO_USERNAME: &str = "testuser";

/// Makes the default tenant with its three roles, under fixed ids, and its 26 permissions. The permit is
/// [`Purpose::Bootstrap`]'s, on the platform.
pub async fn seed_default_tenant_in(
    cx: &Cx,
    tx: &mut Tx,
    permit: &Permit,
    public_url: &str,
) -> Result<Tenant> {
    let new = NewTenant::new(DEFAULT_TENANT_CODE, "Default Tenant");
    let public_url = public_url.trim_end_matches('/');
    let draft = Draft { id: fixed(DEFAULT_TENANT_ID)?, new, public_url, fixed: true };
    tenants::insert_in(cx, tx, permit, draft).await
}

/// Makes the first administrator of the default tenant: Super Admin there and platform administrator, who
/// must change the password before anything else.
pub async fn seed_admin_in(cx: &Cx, tx: &mut Tx, permit: &Permit, hash: PasswordHash) -> Result<User> {
    let (inside, own_permit) = enter(cx, tx).await?;
    let new = NewUser {
        id: Some(fixed(ADMIN_ID)?),
        email: Some("admin@openidaas.com".to_owned()),
        email_verified: true,
        phone: Some("+8613800000000".to_owned()),
        phone_verified: true,
        must_change_password: true,
        ..NewUser::new(username(ADMIN_USERNAME)?, hash)
    };
    let user = users::insert_in(&inside, tx, &own_permit, new).await?;
    users::give_role_in(&inside, tx, &own_permit, &user.id, roles::SUPER_ADMIN).await?;
    store::insert_platform_role(tx, &user.id.cast(), platform::PLATFORM_ADMIN, cx.now()).await?;
    tx.record(
        permit,
        Event::done("platform_role.assigned", Target::member(&user.id).name(None))
            .about_user(&user.id, Some(user.username.as_str()))
            .details(json!({ "role": platform::PLATFORM_ADMIN })),
    );
    Ok(user)
}

/// Makes the demonstration user of the default tenant: role User, and no password until one is set.
pub async fn seed_demo_user_in(cx: &Cx, tx: &mut Tx, _permit: &Permit) -> Result<User> {
    let (inside, own_permit) = enter(cx, tx).await?;
    let new = NewUser {
        id: Some(fixed(DEMO_USER_ID)?),
        email: Some("testuser@openidaas.com".to_owned()),
        must_change_password: true,
        ..NewUser::without_password(cx, username(DEMO_USERNAME)?)
    };
    let user = users::insert_in(&inside, tx, &own_permit, new).await?;
    users::give_role_in(&inside, tx, &own_permit, &user.id, roles::USER).await?;
    Ok(user)
}

/// The system inside the default tenant, as the transaction sees it.
async fn enter(cx: &Cx, tx: &mut Tx) -> Result<(Cx, Permit)> {
    let id: TenantId = fixed(DEFAULT_TENANT_ID)?;
    let tenant = tenants::find(tx, &id).await?.ok_or(Error::NotFound("tenant"))?;
    let inside = cx.core().system(Place::Tenant(Arc::new(tenant.to_ref())));
    let permit = inside.purpose(Purpose::Bootstrap);
    Ok((inside, permit))
}

fn fixed<T: std::str::FromStr>(text: &str) -> Result<T> {
    text.parse().map_err(|_| Error::Refused(base::bug!("`{text}` is no id")))
}

fn username(text: &str) -> Result<base::text::Username> {
    parse_username(text).map_err(|e| Error::Refused(base::bug!("`{text}`: {e}")))
}
