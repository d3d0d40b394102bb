//! What people allowed which client: kept, shown to them, taken back.

mod store;

use askama::Template;
use authz::{Action, Actor, Change, Cx, Event, Permit, Purpose, Target, TenantRef, Tx};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base::Timestamp;
use base::id::{ClientId, UserId};
use http::{HeaderMap, StatusCode};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use web::{Failure, FormBody, Info, Json, Page, Path, RequestInfo, see_other};

use crate::Service;
use crate::clients::Client;
use crate::endpoints::answers::unique_form;
use crate::error::{Error, Result};
use crate::grants;
use crate::pages::{self, Frame, scope_in_words};
use crate::protocol::{OAuthError, Scopes};

const PURPOSE: &str = "take consent back";

/// A person's consent.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub(crate) struct Consent {
    /// The id of the client.
    #[schema(value_type = String)]
    client_id: ClientId,
    /// The client's name for people.
    client_name: String,
    /// What was allowed.
    scopes: Vec<String>,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    granted_at: Timestamp,
}

/// Whether the person has allowed the client all of these scopes.
pub(crate) async fn covers(cx: &Cx, user: &UserId, client: &Client, scopes: &Scopes) -> Result<bool> {
    let mut rx = cx.read(&cx.purpose(Purpose::Authorization)).await?;
    let allowed = store::scopes(&mut rx, &cx.tenant()?.id, user, &client.id, cx.now()).await?;
    Ok(allowed.is_some_and(|allowed| scopes.beyond(&allowed).is_none()))
}

/// Keeps a consent, together with what was allowed before. The caller records the event.
pub(crate) async fn grant_in(
    cx: &Cx,
    tx: &mut Tx,
    user: &UserId,
    client: &Client,
    scopes: &[String],
) -> Result<()> {
    let tenant = cx.tenant()?.id.clone();
    let mut all = store::scopes(tx, &tenant, user, &client.id, cx.now()).await?.unwrap_or_default();
    all.extend(scopes.iter().filter(|name| !all.contains(name)).cloned().collect::<Vec<_>>());
    let id = cx.fresh_id::<base::id::Grant>();
    store::upsert(tx, &tenant, id.as_str(), user, &client.id, &all, cx.now()).await?;
    Ok(())
}

/// Takes the caller's own consent back, with every token that came of it.
///
/// Fails with [`authz::Error::NotFound`] if the caller allowed this client nothing.
pub(crate) async fn withdraw(cx: &Cx, client: &ClientId) -> Result<()> {
    let permit = cx.authorize(Action::UserReadSelf, &Target::own_user()).await?;
    withdraw_with(cx, &permit, &own_id(cx)?, client).await
}

async fn withdraw_with(cx: &Cx, permit: &Permit, user: &UserId, client: &ClientId) -> Result<()> {
    let tenant = cx.tenant()?.id.clone();
    let mut tx = cx.write(permit).await?;
    if store::revoke(&mut tx, &tenant, user, client, cx.now()).await? == 0 {
        return Err(authz::Error::NotFound("consent").into());
    }
    let revoked = grants::store::revoke_grants_with_client(
        &mut tx,
        &tenant,
        user,
        client.as_str(),
        "consent_withdrawn",
        cx.now(),
    )
    .await?;
    let name = Target::member(client).name(Some(tenant.as_str()));
    tx.record(
        permit,
        Event::done("consent.withdrawn", name).details(serde_json::json!({ "grants_revoked": revoked })),
    );
    tx.decisions_change(permit, Change::Nothing);
    tx.commit().await?;
    Ok(())
}

fn own_id(cx: &Cx) -> Result<UserId> {
    match cx.actor() {
        Actor::User { id, .. } => Ok(id.clone()),
        _ => Err(authz::Error::Unauthenticated.into()),
    }
}

async fn list(cx: &Cx, permit: &Permit) -> Result<Vec<Consent>> {
    let mut rx = cx.read(permit).await?;
    Ok(store::list(&mut rx, &cx.tenant()?.id, &own_id(cx)?, cx.now()).await?)
}

pub(crate) fn routes(service: Service) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(list_consents))
        .routes(routes!(withdraw_consent))
        .route("/oauth/consents", get(page).post(take_back))
        .with_state(service)
}

/// Lists what the caller has allowed to which clients; one page holds all.
#[utoipa::path(
    get, path = "/api/v1/users/me/consents", tag = "consents", operation_id = "list_own_consents",
    responses((status = 200, body = Page<Consent>), web::openapi::Problems)
)]
async fn list_consents(cx: Cx) -> std::result::Result<Json<Page<Consent>>, Failure> {
    let permit = cx.authorize(Action::UserReadSelf, &Target::own_user()).await?;
    Ok(Json(Page { items: list(&cx, &permit).await?, next: None }))
}

#[derive(serde::Deserialize, utoipa::IntoParams)]
struct ConsentPath {
    /// The id of the client.
    #[param(value_type = String)]
    client_id: ClientId,
}

/// Takes back what the caller has allowed to a client, with every token that came of it.
#[utoipa::path(
    delete, path = "/api/v1/users/me/consents/{client_id}", tag = "consents", operation_id = "withdraw_own_consent",
    params(ConsentPath), responses((status = 204, description = "Taken back"), web::openapi::Problems)
)]
async fn withdraw_consent(cx: Cx, Path(path): Path<ConsentPath>) -> std::result::Result<StatusCode, Failure> {
    withdraw(&cx, &path.client_id).await?;
    Ok(StatusCode::NO_CONTENT)
}

struct Shown {
    name: String,
    client_id: String,
    scopes: String,
}

#[derive(Template)]
#[template(path = "consents.html")]
struct ConsentsPage {
    page: Frame,
    consents: Vec<Shown>,
    csrf: String,
}

async fn page(State(service): State<Service>, cx: Cx, Info(info): Info, headers: HeaderMap) -> Response {
    show_page(&service, &cx, &info, &headers)
        .await
        .unwrap_or_else(|error| Failure::from(error).into_response())
}

async fn show_page(service: &Service, cx: &Cx, info: &RequestInfo, headers: &HeaderMap) -> Result<Response> {
    let tenant = cx.tenant()?.clone();
    let language = pages::language(None, headers, info);
    let Some(found) = service.0.authn.session_actor(&tenant, headers).await.map_err(base::Problem::from)?
    else {
        let back = format!("/t/{}/oauth/consents", tenant.code);
        return Ok(see_other(&service.0.authn.sign_in_url(&tenant, &back, None), Vec::new()));
    };
    if found.session.must_change_password {
        return Ok(to_change_password(&tenant));
    }
    let cx = &cx.with_actor(found.actor);
    // Whoever is signed in may look at what they themselves allowed, whatever their roles say.
    let consents = list(cx, &cx.purpose(Purpose::Authorization)).await?;
    let guard = service.0.authn.guard(&tenant, headers)?;
    let in_words = |scopes: &[String]| {
        scopes.iter().map(|s| scope_in_words(language, s)).collect::<Vec<_>>().join(" · ")
    };
    let page = ConsentsPage {
        page: Frame::new("consents", &tenant, language),
        consents: consents
            .into_iter()
            .map(|c| Shown {
                name: c.client_name,
                client_id: c.client_id.to_string(),
                scopes: in_words(&c.scopes),
            })
            .collect(),
        csrf: guard.token(PURPOSE),
    };
    Ok(pages::show(StatusCode::OK, &page, Vec::new(), guard.cookie.into_iter().collect()))
}

/// Who must change their password does that before anything else, and comes back.
fn to_change_password(tenant: &TenantRef) -> Response {
    let page = format!("/t/{}", tenant.code);
    see_other(&format!("{page}/change-password?return_to={page}/oauth/consents"), Vec::new())
}

async fn take_back(
    State(service): State<Service>,
    cx: Cx,
    Info(info): Info,
    headers: HeaderMap,
    form: std::result::Result<FormBody, Failure>,
) -> Response {
    taken_back(&service, &cx, &info, &headers, form)
        .await
        .unwrap_or_else(|error| Failure::from(error).into_response())
}

async fn taken_back(
    service: &Service,
    cx: &Cx,
    info: &RequestInfo,
    headers: &HeaderMap,
    form: std::result::Result<FormBody, Failure>,
) -> Result<Response> {
    let tenant = cx.tenant()?.clone();
    let pairs = unique_form(form)?;
    let session = service.0.authn.session_actor(&tenant, headers).await.map_err(base::Problem::from)?;
    let guarded = service.0.authn.is_guarded(&tenant, headers, info, PURPOSE, pairs.get("csrf"));
    let (true, Some(found)) = (guarded, session) else {
        return Ok(pages::stale_page(&tenant, pages::language(None, headers, info)));
    };
    if found.session.must_change_password {
        return Ok(to_change_password(&tenant));
    }
    let client = pairs.get("client").and_then(|text| ClientId::parse(text).ok());
    let client = client.ok_or_else(|| Error::from(OAuthError::invalid_request("`client` is missing")))?;
    let cx = &cx.with_actor(found.actor);
    withdraw(cx, &client).await?;
    Ok(see_other(&format!("/t/{}/oauth/consents", tenant.code), Vec::new()))
}
