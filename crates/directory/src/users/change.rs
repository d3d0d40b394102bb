//! Changes of a person's data, as merge patches give them.

use base::id::DepartmentId;
use base::text::Username;
use serde_json::Value;
use web::Field;

use super::{LOCALE_DEFAULT, TIMEZONE_DEFAULT, User};
use crate::fields::merge;

/// What an administrator may change. Absent leaves, null removes (language and time zone: gives the default
/// back).
#[derive(Debug, Clone, Default)]
pub struct UserChange {
    /// Another user name.
    pub username: Option<Username>,
    /// The e-mail address.
    pub email: Field<String>,
    /// Whether the address is the person's.
    pub email_verified: Option<bool>,
    /// The phone number.
    pub phone: Field<String>,
    /// Whether the number is the person's.
    pub phone_verified: Option<bool>,
    /// The name that others see.
    pub display_name: Field<String>,
    /// The given name.
    pub first_name: Field<String>,
    /// The family name.
    pub last_name: Field<String>,
    /// The address of a picture.
    pub avatar_url: Field<String>,
    /// A language tag.
    pub locale: Field<String>,
    /// A time zone.
    pub timezone: Field<String>,
    /// What the person does.
    pub position: Field<String>,
    /// The department.
    pub primary_department_id: Field<DepartmentId>,
    /// The attributes.
    pub attributes: Option<AttributesChange>,
    /// Whether the password must be changed before anything else.
    pub must_change_password: Option<bool>,
}

/// A change of a person's attributes.
#[derive(Debug, Clone)]
pub enum AttributesChange {
    /// A merge patch (RFC 7396) over what is there.
    Merge(Value),
    /// All of them anew.
    Replace(Value),
}

/// What everybody may change about themselves.
#[derive(Debug, Clone, Default)]
pub struct OwnChange {
    /// The name that others see.
    pub display_name: Field<String>,
    /// The given name.
    pub first_name: Field<String>,
    /// The family name.
    pub last_name: Field<String>,
    /// The address of a picture.
    pub avatar_url: Field<String>,
    /// A language tag.
    pub locale: Field<String>,
    /// A time zone.
    pub timezone: Field<String>,
}

impl From<OwnChange> for UserChange {
    fn from(change: OwnChange) -> Self {
        Self {
            display_name: change.display_name,
            first_name: change.first_name,
            last_name: change.last_name,
            avatar_url: change.avatar_url,
            locale: change.locale,
            timezone: change.timezone,
            ..Self::default()
        }
    }
}

impl UserChange {
    /// The person after the change.
    pub(super) fn applied_to(self, found: &User) -> User {
        let mut user = found.clone();
        user.username = self.username.unwrap_or(user.username);
        user.email = self.email.applied_to(user.email);
        user.phone = self.phone.applied_to(user.phone);
        // INVARIANT: what was verified was the old value.
        user.email_verified =
            self.email_verified.unwrap_or(found.email_verified && user.email_key() == found.email_key());
        user.phone_verified =
            self.phone_verified.unwrap_or(found.phone_verified && user.phone == found.phone);
        user.display_name = self.display_name.applied_to(user.display_name);
        user.first_name = self.first_name.applied_to(user.first_name);
        user.last_name = self.last_name.applied_to(user.last_name);
        user.avatar_url = self.avatar_url.applied_to(user.avatar_url);
        user.locale = self.locale.applied_to(Some(user.locale)).unwrap_or_else(|| LOCALE_DEFAULT.to_owned());
        user.timezone =
            self.timezone.applied_to(Some(user.timezone)).unwrap_or_else(|| TIMEZONE_DEFAULT.to_owned());
        user.position = self.position.applied_to(user.position);
        user.primary_department_id = self.primary_department_id.applied_to(user.primary_department_id);
        user.must_change_password = self.must_change_password.unwrap_or(user.must_change_password);
        match self.attributes {
            None => {}
            Some(AttributesChange::Merge(patch)) => merge(&mut user.attributes, patch),
            Some(AttributesChange::Replace(attributes)) => user.attributes = attributes,
        }
        user
    }
}

/// The names of the fields that differ: for the audit log, which keeps no personal data.
pub(super) fn changed_fields(before: &User, after: &User) -> Vec<&'static str> {
    [
        ("username", before.username != after.username),
        ("email", before.email != after.email),
        ("email_verified", before.email_verified != after.email_verified),
        ("phone", before.phone != after.phone),
        ("phone_verified", before.phone_verified != after.phone_verified),
        ("display_name", before.display_name != after.display_name),
        ("first_name", before.first_name != after.first_name),
        ("last_name", before.last_name != after.last_name),
        ("avatar_url", before.avatar_url != after.avatar_url),
        ("locale", before.locale != after.locale),
        ("timezone", before.timezone != after.timezone),
        ("position", before.position != after.position),
        ("primary_department_id", before.primary_department_id != after.primary_department_id),
        ("attributes", before.attributes != after.attributes),
        ("must_change_password", before.must_change_password != after.must_change_password),
    ]
    .into_iter()
    .filter_map(|(name, differs)| differs.then_some(name))
    .collect()
}
