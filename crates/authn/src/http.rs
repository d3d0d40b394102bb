//! The API about passwords and sessions.

use authz::Cx;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{ETAG, LOCATION, SET_COOKIE};
use axum::response::{IntoResponse, Response};
use base::id::{SessionId, TenantId, UserId};
use base::text::parse_username;
use base::{Kind, Problem, Secret, Timestamp};
use directory::tenants::http::{NewTenantBody, TenantBody};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use web::openapi::{Problems, WriteProblems};
use web::{Failure, Json, Page, Path, etag};

use crate::passwords::Invited;
use crate::{ListedSession, Service, sessions};

/// The routes of the API.
pub(crate) fn routes() -> OpenApiRouter<Service> {
    OpenApiRouter::new()
        .routes(routes!(change_own_password))
        .routes(routes!(reset_password))
        .routes(routes!(list_own_sessions))
        .routes(routes!(end_own_session))
        .routes(routes!(list_sessions, end_sessions))
        .routes(routes!(end_session))
}

/// The routes of the platform.
pub(crate) fn platform_routes() -> OpenApiRouter<Service> {
    OpenApiRouter::new().routes(routes!(create_tenant)).routes(routes!(invite))
}

/// A tenant in the address.
#[derive(Debug, serde::Deserialize)]
struct OfTenant {
    tenant_id: TenantId,
}

/// Who is to choose a first password.
#[derive(serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Invitation {
    /// The user name of a person of the tenant who never had a password.
    username: String,
}

/// A one-time link.
#[derive(serde::Serialize, ToSchema)]
struct InvitationAnswer {
    /// The link, shown this once. Earlier ones of the person are worthless now.
    recovery_url: String,
    /// Until when it is valid: a day.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// A person in the address.
#[derive(Debug, serde::Deserialize)]
struct OfUser {
    id: UserId,
}

/// A session in the address.
#[derive(Debug, serde::Deserialize)]
struct OwnSession {
    session_id: SessionId,
}

/// A session of a person in the address.
#[derive(Debug, serde::Deserialize)]
struct OfSession {
    id: UserId,
    session_id: SessionId,
}

/// A change of the caller's own password.
#[derive(serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OwnPasswordChange {
    /// The present password.
    #[schema(value_type = String, format = "password")]
    current_password: Secret<String>,
    /// The new one: at most 72 bytes of UTF-8, and what the tenant's rules ask for.
    #[schema(value_type = String, format = "password")]
    new_password: Secret<String>,
}

/// A reset of another person's password.
#[derive(serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PasswordReset {
    /// A temporary password, which the person must change after signing in with it. Without it the answer
    /// has a one-time link with which the person chooses a password.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = "password")]
    temporary_password: Option<Secret<String>>,
}

/// What a reset gave.
#[derive(serde::Serialize, ToSchema)]
struct PasswordResetAnswer {
    /// The one-time link, shown this once; null where a temporary password was given.
    recovery_url: Option<String>,
    /// Until when the link is valid.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

/// A session.
#[derive(serde::Serialize, ToSchema)]
struct SessionView {
    /// Its id.
    #[schema(value_type = String)]
    id: SessionId,
    /// When the person signed in.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// The last request, to the minute.
    #[schema(value_type = String, format = DateTime)]
    last_activity_at: Timestamp,
    /// When it ends at the latest.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    /// From where the person signed in.
    ip_address: Option<String>,
    /// With which agent.
    user_agent: Option<String>,
    /// Whether the request comes from it.
    current: bool,
}

impl From<ListedSession> for SessionView {
    fn from(session: ListedSession) -> Self {
        Self {
            id: session.id,
            created_at: session.created_at,
            last_activity_at: session.last_activity_at,
            expires_at: session.expires_at,
            ip_address: session.ip_address,
            user_agent: session.user_agent,
            current: session.current,
        }
    }
}

fn page(sessions: Vec<ListedSession>) -> Json<Page<SessionView>> {
    Json(Page { items: sessions.into_iter().map(SessionView::from).collect(), next: None })
}

/// Changes the caller's own password; their other sessions and grants end.
#[utoipa::path(
    post,
    path = "/api/v1/users/me/password",
    operation_id = "change_own_password",
    tag = "passwords",
    request_body = OwnPasswordChange,
    responses((status = 204, description = "Changed; a session's cookie is set anew"), WriteProblems),
)]
async fn change_own_password(
    State(service): State<Service>,
    cx: Cx,
    Json(body): Json<OwnPasswordChange>,
) -> Result<Response, Failure> {
    let changed = service.change_own_password(&cx, body.current_password, body.new_password).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    if let Some(cookie) = changed.cookie {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Resets another person's password: to a temporary one, or by a one-time link.
#[utoipa::path(
    post,
    path = "/api/v1/users/{id}/reset-password",
    operation_id = "reset_user_password",
    tag = "passwords",
    params(("id" = String, Path, description = "The user's id")),
    request_body = PasswordReset,
    responses((status = 200, description = "Reset", body = PasswordResetAnswer), WriteProblems),
)]
async fn reset_password(
    State(service): State<Service>,
    cx: Cx,
    Path(path): Path<OfUser>,
    Json(body): Json<PasswordReset>,
) -> Result<Json<PasswordResetAnswer>, Failure> {
    match body.temporary_password {
        Some(temporary) => {
            service.reset_password(&cx, &path.id, temporary).await.map_err(at_temporary)?;
            Ok(Json(PasswordResetAnswer { recovery_url: None, expires_at: None }))
        }
        None => {
            let link = service.reset_link(&cx, &path.id).await?;
            Ok(Json(PasswordResetAnswer {
                recovery_url: Some(link.url.expose().clone()),
                expires_at: Some(link.expires_at),
            }))
        }
    }
}

/// Names the field by its name in this body.
fn at_temporary(error: crate::Error) -> Problem {
    let crate::Error::Weak(weaknesses) = error else { return error.into() };
    let detail = "the temporary password breaks the rules of this tenant";
    weaknesses.into_iter().fold(Problem::new(Kind::Invalid, "weak_password", detail), |problem, weakness| {
        problem.field("/temporary_password", weakness.code(), weakness.text(web::Language::En))
    })
}

/// Makes a one-time link with which a tenant's first administrator chooses a password.
#[utoipa::path(
    post,
    path = "/api/v1/tenants/{tenant_id}/recovery-links",
    operation_id = "create_tenant_recovery_link",
    tag = "tenants",
    params(("tenant_id" = String, Path, description = "The tenant's id")),
    request_body = Invitation,
    responses((status = 201, description = "Made", body = InvitationAnswer), WriteProblems),
)]
async fn invite(
    State(service): State<Service>,
    cx: Cx,
    Path(path): Path<OfTenant>,
    Json(body): Json<Invitation>,
) -> Result<(StatusCode, Json<InvitationAnswer>), Failure> {
    let username = parse_username(&body.username).map_err(|bad| {
        Problem::new(Kind::Invalid, "invalid_body", "the body does not fit").field(
            "/username",
            "invalid_username",
            bad.to_string(),
        )
    })?;
    let link = service.invite(&cx, &path.tenant_id, &username).await?;
    let answer = InvitationAnswer { recovery_url: link.url.expose().clone(), expires_at: link.expires_at };
    Ok((StatusCode::CREATED, Json(answer)))
}

/// A tenant that was just made.
#[derive(serde::Serialize, ToSchema)]
struct MadeTenant {
    #[serde(flatten)]
    tenant: TenantBody,
    /// Its first administrator; null where none was named.
    admin: Option<MadeAdmin>,
}

/// The first administrator of a new tenant, who chooses a password with the link.
#[derive(serde::Serialize, ToSchema)]
struct MadeAdmin {
    id: String,
    username: String,
    /// The link, shown this once.
    recovery_url: String,
    /// Until when it is valid: a day. `…/recovery-links` gives another.
    #[schema(value_type = String, format = DateTime)]
    recovery_expires_at: Timestamp,
}

impl From<Invited> for MadeAdmin {
    fn from(invited: Invited) -> Self {
        Self {
            id: invited.user.id.to_string(),
            username: invited.user.username.as_str().to_owned(),
            recovery_url: invited.link.url.expose().clone(),
            recovery_expires_at: invited.link.expires_at,
        }
    }
}

/// Makes a tenant with its three roles, its 26 permissions and, where one is named, its first administrator,
/// who gets a one-time link to choose a password.
#[utoipa::path(
    post,
    path = "/api/v1/tenants",
    operation_id = "create_tenant",
    tag = "tenants",
    request_body = NewTenantBody,
    responses((status = 201, description = "Made", body = MadeTenant), WriteProblems),
)]
async fn create_tenant(
    State(service): State<Service>,
    cx: Cx,
    Json(body): Json<NewTenantBody>,
) -> Result<Response, Failure> {
    let (new, admin) = body.parse(&cx)?;
    let (tenant, invited) = service.create_tenant(&cx, new, admin).await?;
    let location = [(LOCATION, format!("/api/v1/tenants/{}", tenant.id))];
    let tag = [(ETAG, etag(tenant.version))];
    let made = MadeTenant { tenant: TenantBody::try_from(tenant)?, admin: invited.map(MadeAdmin::from) };
    Ok((StatusCode::CREATED, location, tag, Json(made)).into_response())
}

/// Lists the caller's own active sessions, the newest first.
#[utoipa::path(
    get,
    path = "/api/v1/users/me/sessions",
    operation_id = "list_own_sessions",
    tag = "sessions",
    responses((status = 200, description = "The sessions", body = Page<SessionView>), Problems),
)]
async fn list_own_sessions(cx: Cx) -> Result<Json<Page<SessionView>>, Failure> {
    Ok(page(sessions::list_own_sessions(&cx).await?))
}

/// Ends one of the caller's own sessions, with its grants.
#[utoipa::path(
    delete,
    path = "/api/v1/users/me/sessions/{session_id}",
    operation_id = "end_own_session",
    tag = "sessions",
    params(("session_id" = String, Path, description = "The session's id")),
    responses((status = 204, description = "Ended"), Problems),
)]
async fn end_own_session(cx: Cx, Path(path): Path<OwnSession>) -> Result<StatusCode, Failure> {
    sessions::end_own_session(&cx, &path.session_id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the active sessions of a person, the newest first.
#[utoipa::path(
    get,
    path = "/api/v1/users/{id}/sessions",
    operation_id = "list_user_sessions",
    tag = "sessions",
    params(("id" = String, Path, description = "The user's id")),
    responses((status = 200, description = "The sessions", body = Page<SessionView>), Problems),
)]
async fn list_sessions(cx: Cx, Path(path): Path<OfUser>) -> Result<Json<Page<SessionView>>, Failure> {
    Ok(page(sessions::list_sessions(&cx, &path.id).await?))
}

/// Ends all sessions of a person, with their grants.
#[utoipa::path(
    delete,
    path = "/api/v1/users/{id}/sessions",
    operation_id = "end_user_sessions",
    tag = "sessions",
    params(("id" = String, Path, description = "The user's id")),
    responses((status = 204, description = "Ended"), Problems),
)]
async fn end_sessions(cx: Cx, Path(path): Path<OfUser>) -> Result<StatusCode, Failure> {
    sessions::end_all_sessions(&cx, &path.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends one session of a person, with its grants.
#[utoipa::path(
    delete,
    path = "/api/v1/users/{id}/sessions/{session_id}",
    operation_id = "end_user_session",
    tag = "sessions",
    params(
        ("id" = String, Path, description = "The user's id"),
        ("session_id" = String, Path, description = "The session's id"),
    ),
    responses((status = 204, description = "Ended"), Problems),
)]
async fn end_session(cx: Cx, Path(path): Path<OfSession>) -> Result<StatusCode, Failure> {
    sessions::end_session(&cx, &path.id, &path.session_id).await?;
    Ok(StatusCode::NO_CONTENT)
}
