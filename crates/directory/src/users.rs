//! People: types and verbs.

mod change;
pub(crate) mod http;
mod list;
mod status;
mod store;

use authz::escalation::{check_changed_principal, check_new_principal};
use authz::{Action, Actor, Change, Cx, Event, Permit, Rx, Target, Tx, principals, roles};
use base::Timestamp;
use base::id::{DepartmentId, PrincipalId, TenantId, UserId};
use base::text::{Username, name_key};
use serde_json::{Value, json};
use web::IfMatch;

pub use change::{AttributesChange, OwnChange, UserChange};
pub use list::{UserList, UserQuery, list_in, list_users};
pub use status::{StatusChange, UserStatus};

use crate::config::TenantConfig;
use crate::fields::Fields;
use crate::{Error, PasswordHash, Result};

/// The language of a person who did not say.
pub const LOCALE_DEFAULT: &str = "zh-CN";
/// The time zone of a person who did not say.
pub const TIMEZONE_DEFAULT: &str = "Asia/Shanghai";
/// The longest folded user name, in characters.
const USERNAME_KEY_CHARS_MAX: usize = 255;
/// The longest name of what somebody does, in characters.
const POSITION_CHARS_MAX: usize = 128;

/// A person's account. Never carries the password hash.
#[derive(Debug, Clone, PartialEq)]
pub struct User {
    /// The id: the `sub` of tokens, the same as the principal's.
    pub id: UserId,
    /// The tenant.
    pub tenant_id: TenantId,
    /// The name to sign in with, as the person wrote it.
    pub username: Username,
    /// The e-mail address, unique in the tenant in any case.
    pub email: Option<String>,
    /// Whether the address is known to be the person's.
    pub email_verified: bool,
    /// The phone number in E.164 form, unique in the tenant.
    pub phone: Option<String>,
    /// Whether the number is known to be the person's.
    pub phone_verified: bool,
    /// The name that others see.
    pub display_name: Option<String>,
    /// The given name.
    pub first_name: Option<String>,
    /// The family name.
    pub last_name: Option<String>,
    /// The address of a picture.
    pub avatar_url: Option<String>,
    /// A language tag.
    pub locale: String,
    /// The name of a time zone.
    pub timezone: String,
    /// What the person does in the organisation.
    pub position: Option<String>,
    /// The department that the person mainly belongs to.
    pub primary_department_id: Option<DepartmentId>,
    /// What the tenant keeps about the person besides; an object.
    pub attributes: Value,
    /// Whether the account is in use.
    pub status: UserStatus,
    /// Whether the password must be changed before anything else.
    pub must_change_password: bool,
    /// Whether the person has a password at all.
    pub password_set: bool,
    /// When the person last signed in.
    pub last_login_at: Option<Timestamp>,
    /// When the account was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// When it was deleted.
    pub deleted_at: Option<Timestamp>,
    /// Counts its changes.
    pub version: i64,
}

/// A person to be added.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// An id that an earlier system gave; none for a fresh one.
    pub id: Option<UserId>,
    /// The name to sign in with.
    pub username: Username,
    /// The e-mail address.
    pub email: Option<String>,
    /// Whether the address is known to be the person's.
    pub email_verified: bool,
    /// The phone number in E.164 form.
    pub phone: Option<String>,
    /// Whether the number is known to be the person's.
    pub phone_verified: bool,
    /// The name that others see.
    pub display_name: Option<String>,
    /// The given name.
    pub first_name: Option<String>,
    /// The family name.
    pub last_name: Option<String>,
    /// The address of a picture.
    pub avatar_url: Option<String>,
    /// A language tag; [`LOCALE_DEFAULT`] where none.
    pub locale: Option<String>,
    /// A time zone; [`TIMEZONE_DEFAULT`] where none.
    pub timezone: Option<String>,
    /// What the person does in the organisation.
    pub position: Option<String>,
    /// The department that the person mainly belongs to.
    pub primary_department_id: Option<DepartmentId>,
    /// What the tenant keeps about the person besides; an object.
    pub attributes: Value,
    /// The hash of the password, or [`PasswordHash::unusable`].
    pub password: PasswordHash,
    /// Whether the hash is that of a password.
    pub password_set: bool,
    /// Whether the password must be changed before anything else.
    pub must_change_password: bool,
}

impl NewUser {
    /// A person of whom nothing but name and hash is known, with a password.
    pub fn new(username: Username, password: PasswordHash) -> Self {
        Self {
            id: None,
            username,
            email: None,
            email_verified: false,
            phone: None,
            phone_verified: false,
            display_name: None,
            first_name: None,
            last_name: None,
            avatar_url: None,
            locale: None,
            timezone: None,
            position: None,
            primary_department_id: None,
            attributes: json!({}),
            password,
            password_set: true,
            must_change_password: false,
        }
    }

    /// A person who has no password yet.
    pub fn without_password(cx: &Cx, username: Username) -> Self {
        let unusable = PasswordHash::unusable(cx.core().random());
        Self { password_set: false, ..Self::new(username, unusable) }
    }
}

/// The claims about a person that userinfo and ID tokens may hold (OpenID Connect Core 1.0 section 5.1).
/// Which of them a client gets is the scopes' matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// `name`: the display name, else given and family name, else the user name.
    pub name: String,
    /// `given_name`.
    pub given_name: Option<String>,
    /// `family_name`.
    pub family_name: Option<String>,
    /// `preferred_username`.
    pub preferred_username: String,
    /// `email`.
    pub email: Option<String>,
    /// `email_verified`.
    pub email_verified: bool,
    /// `phone_number`.
    pub phone_number: Option<String>,
    /// `phone_number_verified`.
    pub phone_number_verified: bool,
    /// `locale`.
    pub locale: String,
    /// `zoneinfo`.
    pub zoneinfo: String,
    /// `picture`.
    pub picture: Option<String>,
    /// `updated_at`; the claim is in whole seconds.
    pub updated_at: Timestamp,
}

/// Adds a person to the caller's tenant, with the tenant's default role.
///
/// Fails like [`create_user_in`].
pub async fn create_user(cx: &Cx, new: NewUser) -> Result<User> {
    let permit = cx.authorize(Action::UserCreate, &Target::all("user")).await?;

    let mut tx = cx.write(&permit).await?;
    let user = create_user_in(cx, &mut tx, &permit, new).await?;
    tx.commit().await?;
    Ok(user)
}

/// Adds a person and the principal, and gives the tenant's default role.
///
/// Fails with [`Error::Taken`] (`username_taken`, `email_taken`, `phone_taken`, `id_taken`), with
/// [`Error::Invalid`], and with [`authz::Error::Escalation`] where the default role is above the caller's, or
/// policies ask about the attributes or mean somebody by the name.
pub async fn create_user_in(cx: &Cx, tx: &mut Tx, permit: &Permit, new: NewUser) -> Result<User> {
    let user = insert_in(cx, tx, permit, new).await?;
    let config = TenantConfig::of(cx.tenant()?)?;
    give_role_in(cx, tx, permit, &user.id, &config.default_role).await?;
    Ok(user)
}

/// Adds a person and the principal, without any role.
pub(crate) async fn insert_in(cx: &Cx, tx: &mut Tx, permit: &Permit, new: NewUser) -> Result<User> {
    let tenant_id = permit.own_tenant()?.clone();
    let now = cx.now();
    let user = User {
        id: new.id.unwrap_or_else(|| cx.fresh_id()),
        tenant_id,
        username: new.username,
        email: new.email,
        email_verified: new.email_verified,
        phone: new.phone,
        phone_verified: new.phone_verified,
        display_name: new.display_name,
        first_name: new.first_name,
        last_name: new.last_name,
        avatar_url: new.avatar_url,
        locale: new.locale.unwrap_or_else(|| LOCALE_DEFAULT.to_owned()),
        timezone: new.timezone.unwrap_or_else(|| TIMEZONE_DEFAULT.to_owned()),
        position: new.position,
        primary_department_id: new.primary_department_id,
        attributes: new.attributes,
        status: UserStatus::Active,
        must_change_password: new.must_change_password,
        password_set: new.password_set,
        last_login_at: None,
        created_at: now,
        updated_at: now,
        deleted_at: None,
        version: 1,
    };
    check(&user)?;
    check_department(tx, None, &user).await?;
    check_new_principal(cx, permit, user.username.as_str(), &user.attributes).await?;
    store::insert(tx, &user, &new.password).await?;
    principals::insert_in(tx, &user.tenant_id, &user.id.cast(), principals::PrincipalKind::User, true)
        .await?;
    tx.record(
        permit,
        Event::done("user.created", Target::member(&user.id).name(Some(user.tenant_id.as_str())))
            .about_user(&user.id, Some(user.username.as_str())),
    );
    Ok(user)
}

/// Gives a role by its code.
pub(crate) async fn give_role_in(
    cx: &Cx,
    tx: &mut Tx,
    permit: &Permit,
    user: &UserId,
    code: &str,
) -> Result<()> {
    let tenant = permit.own_tenant()?.clone();
    let role = roles::find_role_by_code(tx, &tenant, code).await?.ok_or(Error::NotFound("role"))?;
    let holder = roles::Holder::Principal(user.cast());
    roles::assign_in(cx, tx, permit, &holder, &role.id, roles::Window::ALWAYS).await?;
    Ok(())
}

/// The person of this id in the caller's tenant, deleted or not.
pub async fn find_user(cx: &Cx, id: &UserId) -> Result<Option<User>> {
    let permit = cx.authorize(Action::UserRead, &Target::member(id)).await?;
    let mut rx = cx.read(&permit).await?;
    find(&mut rx, permit.own_tenant()?, id).await
}

/// The person of this user name, in any case, deleted ones excepted.
pub async fn find_user_by_username(cx: &Cx, username: &Username) -> Result<Option<User>> {
    let permit = cx.authorize(Action::UserRead, &Target::all("user")).await?;
    let mut rx = cx.read(&permit).await?;
    let found = find_by_username(&mut rx, permit.own_tenant()?, username).await?;
    match found {
        Some(user) if cx.may(Action::UserRead, &Target::member(&user.id)).await? => Ok(Some(user)),
        _ => Ok(None),
    }
}

/// The caller's own account.
pub async fn load_own_user(cx: &Cx) -> Result<User> {
    let permit = cx.authorize(Action::UserReadSelf, &Target::own_user()).await?;
    let id = own_id(cx)?;
    let mut rx = cx.read(&permit).await?;
    find(&mut rx, permit.own_tenant()?, &id).await?.ok_or(Error::NotFound("user"))
}

/// Changes a person of the caller's tenant.
///
/// Fails like [`update_user_in`], and with 412 where `if_match` does not hold. Whether the password must be
/// changed is for those to say who may reset it.
pub async fn update_user(cx: &Cx, id: &UserId, if_match: &IfMatch, change: UserChange) -> Result<User> {
    let permit = cx.authorize(Action::UserUpdate, &Target::member(id)).await?;
    if change.must_change_password.is_some() {
        cx.authorize(Action::UserResetPassword, &Target::member(id)).await?;
    }

    let mut tx = cx.write(&permit).await?;
    let found = load(&mut tx, &permit, id).await?;
    if_match.check(found.version)?;
    let user = update_user_in(cx, &mut tx, &permit, &found, change).await?;
    tx.commit().await?;
    Ok(user)
}

/// Changes a person as just read. Another e-mail address or phone number is no longer verified, unless the
/// change says that it is.
///
/// Fails with [`Error::Taken`], [`Error::Invalid`], [`Error::Outranked`], [`Error::Stale`], and with
/// [`Error::NotFound`] for a deleted person, and with [`authz::Error::Escalation`] for a name or attributes that
/// policies ask about.
pub async fn update_user_in(
    cx: &Cx,
    tx: &mut Tx,
    permit: &Permit,
    found: &User,
    change: UserChange,
) -> Result<User> {
    refuse_outranked(cx, &found.id).await?;
    save_in(cx, tx, permit, found, change.applied_to(found)).await
}

/// Changes the caller's own profile: names, picture, language and time zone.
///
/// Fails with [`Error::Invalid`], and with 412 where `if_match` does not hold.
pub async fn update_own_user(cx: &Cx, if_match: &IfMatch, change: OwnChange) -> Result<User> {
    let permit = cx.authorize(Action::UserUpdateSelf, &Target::own_user()).await?;
    let id = own_id(cx)?;

    let mut tx = cx.write(&permit).await?;
    let found = load(&mut tx, &permit, &id).await?;
    if_match.check(found.version)?;
    let user = save_in(cx, &mut tx, &permit, &found, UserChange::from(change).applied_to(&found)).await?;
    tx.commit().await?;
    Ok(user)
}

async fn save_in(cx: &Cx, tx: &mut Tx, permit: &Permit, found: &User, user: User) -> Result<User> {
    if found.status == UserStatus::Deleted {
        return Err(Error::NotFound("user"));
    }
    check(&user)?;
    check_department(tx, Some(found), &user).await?;
    let renamed = found.username != user.username;
    check_changed_principal(cx, permit, renamed, &found.attributes, &user.attributes).await?;
    if store::update(tx, &user, cx.now()).await? == 0 {
        return Err(Error::Stale);
    }
    tx.record(
        permit,
        Event::done("user.updated", Target::member(&user.id).name(Some(user.tenant_id.as_str())))
            .about_user(&user.id, Some(user.username.as_str()))
            .details(json!({ "fields": change::changed_fields(found, &user) })),
    );
    // Conditions see names and attributes: a decision must not be made by those of before.
    if found.attributes != user.attributes || found.username != user.username {
        tx.decisions_change(permit, Change::Principal(&user.id.cast()));
    }
    load(tx, permit, &user.id).await
}

/// Locks, unlocks, disables, enables or restores a person of the caller's tenant.
///
/// Fails like [`change_status_in`].
pub async fn change_status(cx: &Cx, id: &UserId, change: StatusChange) -> Result<User> {
    let permit = cx.authorize(change.action(), &Target::member(id)).await?;

    let mut tx = cx.write(&permit).await?;
    let found = load(&mut tx, &permit, id).await?;
    let user = change_status_in(cx, &mut tx, &permit, &found, change).await?;
    tx.commit().await?;
    Ok(user)
}

/// Deletes a person of the caller's tenant, so that they can be restored.
///
/// Fails like [`change_status_in`], and with 412 where `if_match` does not hold.
pub async fn delete_user(cx: &Cx, id: &UserId, if_match: &IfMatch) -> Result<()> {
    let permit = cx.authorize(Action::UserDelete, &Target::member(id)).await?;

    let mut tx = cx.write(&permit).await?;
    let found = load(&mut tx, &permit, id).await?;
    if found.status == UserStatus::Deleted {
        return Err(Error::NotFound("user"));
    }
    if_match.check(found.version)?;
    change_status_in(cx, &mut tx, &permit, &found, StatusChange::Delete).await?;
    tx.commit().await?;
    Ok(())
}

/// Changes the status of a person as just read, and the principal with it: from the commit on, only an
/// active person is allowed anything.
///
/// Fails with [`Error::IllegalStatusChange`], [`Error::Outranked`], [`Error::Own`] for the caller's own
/// account, and with [`Error::Retaken`] where a restored name has a new owner.
pub async fn change_status_in(
    cx: &Cx,
    tx: &mut Tx,
    permit: &Permit,
    found: &User,
    change: StatusChange,
) -> Result<User> {
    if own_id(cx).is_ok_and(|own| own == found.id) {
        return Err(Error::Own("account"));
    }
    refuse_outranked(cx, &found.id).await?;
    let Some(status) = change.applied_to(found.status) else {
        return Err(Error::IllegalStatusChange { from: found.status, done: change.done() });
    };
    let deleted_at = (status == UserStatus::Deleted).then(|| cx.now());
    let user = User { status, deleted_at, ..found.clone() };
    let written = store::update_status(tx, &user, cx.now()).await.map_err(|error| match error {
        Error::Taken { field, code } => Error::Retaken { field, code },
        other => other,
    })?;
    if written == 0 {
        return Err(Error::Stale);
    }
    principals::set_active_in(tx, permit, &user.id.cast(), status == UserStatus::Active).await?;
    tx.record(
        permit,
        Event::done(change.event(), Target::member(&user.id).name(Some(user.tenant_id.as_str())))
            .about_user(&user.id, Some(user.username.as_str()))
            .details(json!({ "before": found.status.word(), "after": status.word() })),
    );
    tx.decisions_change(permit, Change::Principal(&user.id.cast()));
    load(tx, permit, &user.id).await
}

/// The claims about an active person of the permit's tenant, for whoever holds a permit for the tenant.
pub async fn profile(cx: &Cx, permit: &Permit, id: &UserId) -> Result<Option<Profile>> {
    let mut rx = cx.read(permit).await?;
    let user = find(&mut rx, permit.own_tenant()?, id).await?;
    Ok(user.filter(|user| user.status == UserStatus::Active).map(Profile::from))
}

/// The person of this id in a tenant, deleted or not, for verbs that already hold a permit.
pub async fn find(rx: &mut Rx, tenant: &TenantId, id: &UserId) -> Result<Option<User>> {
    Ok(store::find(rx, tenant, id).await?)
}

/// The person of this user name in a tenant, deleted ones excepted, for verbs that already hold a permit.
pub async fn find_by_username(rx: &mut Rx, tenant: &TenantId, username: &Username) -> Result<Option<User>> {
    Ok(store::find_by_username_key(rx, tenant, username.key()).await?)
}

/// Refuses to act on a person who holds roles that the caller does not.
pub async fn refuse_outranked(cx: &Cx, id: &UserId) -> Result<()> {
    let principal: PrincipalId = id.cast();
    if authz::escalation::outranks(cx, &principal).await? { Err(Error::Outranked) } else { Ok(()) }
}

async fn load(rx: &mut Rx, permit: &Permit, id: &UserId) -> Result<User> {
    find(rx, permit.own_tenant()?, id).await?.ok_or(Error::NotFound("user"))
}

fn own_id(cx: &Cx) -> Result<UserId> {
    match cx.actor() {
        Actor::User { id, .. } => Ok(id.clone()),
        _ => Err(Error::NotFound("user")),
    }
}

/// Checks everything that a person's row may hold.
fn check(user: &User) -> Result<()> {
    let mut fields = Fields::default();
    fields.key("/username", user.username.key(), USERNAME_KEY_CHARS_MAX);
    fields.email("/email", user.email.as_deref());
    fields.phone("/phone", user.phone.as_deref());
    if user.email_verified && user.email.is_none() {
        fields.wrong("/email_verified", "nothing_to_verify", "there is no e-mail address");
    }
    if user.phone_verified && user.phone.is_none() {
        fields.wrong("/phone_verified", "nothing_to_verify", "there is no phone number");
    }
    fields.line("/display_name", user.display_name.as_deref(), 128);
    fields.line("/first_name", user.first_name.as_deref(), 64);
    fields.line("/last_name", user.last_name.as_deref(), 64);
    fields.url("/avatar_url", user.avatar_url.as_deref());
    fields.locale("/locale", &user.locale);
    fields.timezone("/timezone", &user.timezone);
    fields.line("/position", user.position.as_deref(), POSITION_CHARS_MAX);
    fields.attributes("/attributes", &user.attributes);
    fields.finish()
}

/// Checks that a department that the person newly belongs to is one of the tenant.
async fn check_department(rx: &mut Rx, before: Option<&User>, user: &User) -> Result<()> {
    let Some(id) = &user.primary_department_id else { return Ok(()) };
    let same = before.is_some_and(|before| before.primary_department_id.as_ref() == Some(id));
    if same || store::has_department(rx, &user.tenant_id, id).await? {
        return Ok(());
    }
    let detail = "there is no such department in this tenant";
    Err(Error::invalid("/primary_department_id", "unknown_department", detail))
}

impl User {
    fn email_key(&self) -> Option<String> {
        self.email.as_deref().map(name_key)
    }
}

impl From<User> for Profile {
    fn from(user: User) -> Self {
        let full = [user.first_name.as_deref(), user.last_name.as_deref()];
        let full = full.into_iter().flatten().collect::<Vec<_>>().join(" ");
        let username = user.username.as_str().to_owned();
        let full = if full.is_empty() { username.clone() } else { full };
        Self {
            name: user.display_name.unwrap_or(full),
            given_name: user.first_name,
            family_name: user.last_name,
            preferred_username: username,
            email: user.email,
            email_verified: user.email_verified,
            phone_number: user.phone,
            phone_number_verified: user.phone_verified,
            locale: user.locale,
            zoneinfo: user.timezone,
            picture: user.avatar_url,
            updated_at: user.updated_at,
        }
    }
}
