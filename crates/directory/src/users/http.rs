//! Routes, request and response types of users.

mod list;

use authz::Cx;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base::id::{DepartmentId, UserId};
use base::text::{Username, name_key, parse_username};
use base::{Kind, Problem, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use web::openapi::{EditProblems, Problems, WriteProblems};
use web::{Failure, Field, IfMatch, Json, MergePatch, Path, etag};

use super::{AttributesChange, NewUser, OwnChange, StatusChange, User, UserChange, UserStatus};
use crate::{Error, Service};

/// The longest search text, in characters.
const Q_CHARS_MAX: usize = 128;

/// The routes, relative to a tenant.
pub(crate) fn routes() -> OpenApiRouter<Service> {
    OpenApiRouter::new()
        .routes(routes!(list::list, create))
        .routes(routes!(read_own, update_own))
        .routes(routes!(read_by_username))
        .routes(routes!(read, update, delete))
        .routes(routes!(lock))
        .routes(routes!(unlock))
        .routes(routes!(disable))
        .routes(routes!(enable))
        .routes(routes!(restore))
}

/// A person's account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub(crate) struct UserBody {
    /// The id; the `sub` of tokens.
    id: String,
    /// The name to sign in with.
    username: String,
    email: Option<String>,
    email_verified: bool,
    /// In E.164 form.
    phone: Option<String>,
    phone_verified: bool,
    display_name: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    avatar_url: Option<String>,
    /// A language tag.
    locale: String,
    /// The name of a time zone.
    timezone: String,
    /// What the person does in the organisation.
    position: Option<String>,
    /// The department that the person mainly belongs to.
    primary_department_id: Option<String>,
    /// What the tenant keeps about the person besides.
    #[schema(value_type = Object)]
    attributes: Value,
    status: StatusWord,
    /// Whether the password must be changed before anything else.
    must_change_password: bool,
    /// Whether the person has a password.
    password_set: bool,
    #[schema(value_type = Option<String>, format = DateTime)]
    last_login_at: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    deleted_at: Option<Timestamp>,
}

/// Whether an account is in use.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = UserStatus)]
pub(crate) enum StatusWord {
    Active,
    Inactive,
    Locked,
    Deleted,
}

impl From<UserStatus> for StatusWord {
    fn from(status: UserStatus) -> Self {
        match status {
            UserStatus::Active => Self::Active,
            UserStatus::Inactive => Self::Inactive,
            UserStatus::Locked => Self::Locked,
            UserStatus::Deleted => Self::Deleted,
        }
    }
}

impl From<StatusWord> for UserStatus {
    fn from(word: StatusWord) -> Self {
        match word {
            StatusWord::Active => Self::Active,
            StatusWord::Inactive => Self::Inactive,
            StatusWord::Locked => Self::Locked,
            StatusWord::Deleted => Self::Deleted,
        }
    }
}

impl From<User> for UserBody {
    fn from(user: User) -> Self {
        Self {
            id: user.id.to_string(),
            username: user.username.as_str().to_owned(),
            email: user.email,
            email_verified: user.email_verified,
            phone: user.phone,
            phone_verified: user.phone_verified,
            display_name: user.display_name,
            first_name: user.first_name,
            last_name: user.last_name,
            avatar_url: user.avatar_url,
            locale: user.locale,
            timezone: user.timezone,
            position: user.position,
            primary_department_id: user.primary_department_id.map(|id| id.to_string()),
            attributes: user.attributes,
            status: user.status.into(),
            must_change_password: user.must_change_password,
            password_set: user.password_set,
            last_login_at: user.last_login_at,
            created_at: user.created_at,
            updated_at: user.updated_at,
            deleted_at: user.deleted_at,
        }
    }
}

/// A person with the entity tag of the version.
struct Tagged(User);

impl IntoResponse for Tagged {
    fn into_response(self) -> Response {
        let tag = etag(self.0.version);
        ([(header::ETAG, tag)], Json(UserBody::from(self.0))).into_response()
    }
}

/// A person to be added. The password is set apart, by the person or by a reset.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewUser)]
pub(crate) struct NewUserBody {
    /// 1 to 64 characters, unique in the tenant in any case.
    username: String,
    email: Option<String>,
    #[serde(default)]
    email_verified: bool,
    /// In E.164 form, like `+8613800000000`.
    phone: Option<String>,
    #[serde(default)]
    phone_verified: bool,
    display_name: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    avatar_url: Option<String>,
    /// A language tag; `zh-CN` where absent.
    locale: Option<String>,
    /// A time zone; `Asia/Shanghai` where absent.
    timezone: Option<String>,
    /// What the person does in the organisation; at most 128 characters.
    position: Option<String>,
    /// A department of the tenant.
    #[schema(value_type = Option<String>)]
    primary_department_id: Option<DepartmentId>,
    /// What the tenant keeps about the person besides: at most 16 KB and 16 levels, names of 1 to 64 of
    /// `A-Z a-z 0-9 _ . : -`.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    attributes: Option<Value>,
}

impl NewUserBody {
    pub(crate) fn parse(self, cx: &Cx) -> Result<NewUser, Error> {
        Ok(NewUser {
            email: self.email,
            email_verified: self.email_verified,
            phone: self.phone,
            phone_verified: self.phone_verified,
            display_name: self.display_name,
            first_name: self.first_name,
            last_name: self.last_name,
            avatar_url: self.avatar_url,
            locale: self.locale,
            timezone: self.timezone,
            position: self.position,
            primary_department_id: self.primary_department_id,
            attributes: self.attributes.unwrap_or_else(|| serde_json::json!({})),
            ..NewUser::without_password(cx, username(&self.username)?)
        })
    }
}

fn username(text: &str) -> Result<Username, Error> {
    parse_username(text).map_err(|bad| Error::invalid("/username", "invalid_username", bad.to_string()))
}

/// A merge patch (RFC 7396) over a person.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = UserPatch)]
pub(crate) struct UserPatch {
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    username: Field<String>,
    /// Another address is no longer verified, unless `email_verified` says so.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    email: Field<String>,
    #[serde(default)]
    #[schema(value_type = Option<bool>)]
    email_verified: Field<bool>,
    /// Another number is no longer verified, unless `phone_verified` says so.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    phone: Field<String>,
    #[serde(default)]
    #[schema(value_type = Option<bool>)]
    phone_verified: Field<bool>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    display_name: Field<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    first_name: Field<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    last_name: Field<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    avatar_url: Field<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    locale: Field<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    timezone: Field<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    position: Field<String>,
    /// A department of the tenant.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    primary_department_id: Field<DepartmentId>,
    /// Merged into what is there; null empties it.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    attributes: Field<Value>,
    /// Whether the password must be changed before anything else; needs `user:reset_password` too.
    #[serde(default)]
    #[schema(value_type = Option<bool>)]
    must_change_password: Field<bool>,
}

impl UserPatch {
    fn parse(self) -> Result<UserChange, Error> {
        Ok(UserChange {
            username: self.username.required("/username")?.as_deref().map(username).transpose()?,
            email: self.email,
            email_verified: self.email_verified.required("/email_verified")?,
            phone: self.phone,
            phone_verified: self.phone_verified.required("/phone_verified")?,
            display_name: self.display_name,
            first_name: self.first_name,
            last_name: self.last_name,
            avatar_url: self.avatar_url,
            locale: self.locale,
            timezone: self.timezone,
            position: self.position,
            primary_department_id: self.primary_department_id,
            attributes: match self.attributes {
                Field::Absent => None,
                Field::Null => Some(AttributesChange::Replace(serde_json::json!({}))),
                Field::Value(patch) => Some(AttributesChange::Merge(patch)),
            },
            must_change_password: self.must_change_password.required("/must_change_password")?,
        })
    }
}

/// A merge patch (RFC 7396) over the caller's own profile.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OwnUserPatch)]
pub(crate) struct OwnPatch {
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    display_name: Field<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    first_name: Field<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    last_name: Field<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    avatar_url: Field<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    locale: Field<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    timezone: Field<String>,
}

impl From<OwnPatch> for OwnChange {
    fn from(patch: OwnPatch) -> Self {
        Self {
            display_name: patch.display_name,
            first_name: patch.first_name,
            last_name: patch.last_name,
            avatar_url: patch.avatar_url,
            locale: patch.locale,
            timezone: patch.timezone,
        }
    }
}

/// The variables of a person's address.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct UserPath {
    /// The person's id.
    #[param(value_type = String)]
    user_id: UserId,
}

/// The variables of the address by user name.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct UsernamePath {
    /// The user name, in any case.
    username: String,
}

/// Folds a search text as names are folded. Fails with 400 `invalid_q`.
pub(crate) fn search_key(q: &str) -> Result<String, Problem> {
    if q.chars().count() > Q_CHARS_MAX || q.chars().any(char::is_control) {
        let detail = format!("`q` has at most {Q_CHARS_MAX} characters and no control characters");
        return Err(Problem::new(Kind::Malformed, "invalid_q", detail));
    }
    Ok(name_key(q.trim()))
}

/// Adds a person, with the tenant's default role and without a password.
#[utoipa::path(post, path = "/api/v1/users", tag = "users", operation_id = "create_user",
    request_body = NewUserBody,
    responses((status = 201, description = "Added", body = UserBody), WriteProblems))]
async fn create(cx: Cx, Json(body): Json<NewUserBody>) -> Result<(StatusCode, HeaderMap, Tagged), Failure> {
    let new = body.parse(&cx)?;
    let user = super::create_user(&cx, new).await?;
    let mut headers = HeaderMap::new();
    let location = format!("/t/{}/api/v1/users/{}", cx.tenant()?.code, user.id);
    if let Ok(value) = HeaderValue::from_str(&location) {
        headers.insert(HeaderName::from_static("location"), value);
    }
    Ok((StatusCode::CREATED, headers, Tagged(user)))
}

/// Reads a person, deleted or not.
#[utoipa::path(get, path = "/api/v1/users/{user_id}", tag = "users", operation_id = "read_user",
    params(UserPath),
    responses((status = 200, description = "The person", body = UserBody), Problems))]
async fn read(cx: Cx, Path(path): Path<UserPath>) -> Result<Tagged, Failure> {
    let user = super::find_user(&cx, &path.user_id).await?.ok_or(Error::NotFound("user"))?;
    Ok(Tagged(user))
}

/// Reads a person by user name, in any case; deleted ones are not found.
#[utoipa::path(get, path = "/api/v1/users/by-username/{username}", tag = "users",
    operation_id = "read_user_by_username", params(UsernamePath),
    responses((status = 200, description = "The person", body = UserBody), Problems))]
async fn read_by_username(cx: Cx, Path(path): Path<UsernamePath>) -> Result<Tagged, Failure> {
    let username = parse_username(&path.username).map_err(|_| Error::NotFound("user"))?;
    let user = super::find_user_by_username(&cx, &username).await?.ok_or(Error::NotFound("user"))?;
    Ok(Tagged(user))
}

/// Reads the caller's own account.
#[utoipa::path(get, path = "/api/v1/users/me", tag = "users", operation_id = "read_own_user",
    responses((status = 200, description = "The caller", body = UserBody), Problems))]
async fn read_own(cx: Cx) -> Result<Tagged, Failure> {
    Ok(Tagged(super::load_own_user(&cx).await?))
}

/// Changes the caller's own profile.
#[utoipa::path(patch, path = "/api/v1/users/me", tag = "users", operation_id = "update_own_user",
    params(("If-Match" = String, Header, description = "The `ETag` of what was read")),
    request_body(content = OwnPatch, content_type = "application/merge-patch+json"),
    responses((status = 200, description = "Changed", body = UserBody), EditProblems))]
async fn update_own(
    cx: Cx,
    if_match: IfMatch,
    MergePatch(patch): MergePatch<OwnPatch>,
) -> Result<Tagged, Failure> {
    Ok(Tagged(super::update_own_user(&cx, &if_match, patch.into()).await?))
}

/// Changes a person.
#[utoipa::path(patch, path = "/api/v1/users/{user_id}", tag = "users", operation_id = "update_user",
    params(UserPath, ("If-Match" = String, Header, description = "The `ETag` of what was read")),
    request_body(content = UserPatch, content_type = "application/merge-patch+json"),
    responses((status = 200, description = "Changed", body = UserBody), EditProblems))]
async fn update(
    cx: Cx,
    Path(path): Path<UserPath>,
    if_match: IfMatch,
    MergePatch(patch): MergePatch<UserPatch>,
) -> Result<Tagged, Failure> {
    Ok(Tagged(super::update_user(&cx, &path.user_id, &if_match, patch.parse()?).await?))
}

/// Deletes a person, so that they can be restored.
#[utoipa::path(delete, path = "/api/v1/users/{user_id}", tag = "users", operation_id = "delete_user",
    params(UserPath, ("If-Match" = String, Header, description = "The `ETag` of what was read")),
    responses((status = 204, description = "Deleted"), EditProblems))]
async fn delete(cx: Cx, Path(path): Path<UserPath>, if_match: IfMatch) -> Result<StatusCode, Failure> {
    super::delete_user(&cx, &path.user_id, &if_match).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Locks an active person.
#[utoipa::path(post, path = "/api/v1/users/{user_id}/lock", tag = "users", operation_id = "lock_user",
    params(UserPath),
    responses((status = 200, description = "Locked", body = UserBody), WriteProblems))]
async fn lock(cx: Cx, Path(path): Path<UserPath>) -> Result<Tagged, Failure> {
    Ok(Tagged(super::change_status(&cx, &path.user_id, StatusChange::Lock).await?))
}

/// Unlocks a locked person.
#[utoipa::path(post, path = "/api/v1/users/{user_id}/unlock", tag = "users", operation_id = "unlock_user",
    params(UserPath),
    responses((status = 200, description = "Active again", body = UserBody), WriteProblems))]
async fn unlock(cx: Cx, Path(path): Path<UserPath>) -> Result<Tagged, Failure> {
    Ok(Tagged(super::change_status(&cx, &path.user_id, StatusChange::Unlock).await?))
}

/// Disables an active or locked person.
#[utoipa::path(post, path = "/api/v1/users/{user_id}/disable", tag = "users", operation_id = "disable_user",
    params(UserPath),
    responses((status = 200, description = "Inactive", body = UserBody), WriteProblems))]
async fn disable(cx: Cx, Path(path): Path<UserPath>) -> Result<Tagged, Failure> {
    Ok(Tagged(super::change_status(&cx, &path.user_id, StatusChange::Disable).await?))
}

/// Enables an inactive person.
#[utoipa::path(post, path = "/api/v1/users/{user_id}/enable", tag = "users", operation_id = "enable_user",
    params(UserPath),
    responses((status = 200, description = "Active again", body = UserBody), WriteProblems))]
async fn enable(cx: Cx, Path(path): Path<UserPath>) -> Result<Tagged, Failure> {
    Ok(Tagged(super::change_status(&cx, &path.user_id, StatusChange::Enable).await?))
}

/// Restores a deleted person, who is then inactive.
#[utoipa::path(post, path = "/api/v1/users/{user_id}/restore", tag = "users", operation_id = "restore_user",
    params(UserPath),
    responses((status = 200, description = "Restored, inactive", body = UserBody), WriteProblems))]
async fn restore(cx: Cx, Path(path): Path<UserPath>) -> Result<Tagged, Failure> {
    Ok(Tagged(super::change_status(&cx, &path.user_id, StatusChange::Restore).await?))
}
