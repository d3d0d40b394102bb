//! Routes of key rings, alike in a tenant and on the platform.

mod bodies;

use authz::{Cx, Place};
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base::{Kind, Problem};
use serde::Serialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use web::openapi::{EditProblems, Problems, WriteProblems};
use web::page::{LIMIT_DEFAULT, LIMIT_MAX};
use web::{CursorKey, Failure, IfMatch, Json, MergePatch, OptionalJson, Page, Path, Query, etag};

use super::machine::KeyVersion;
use super::{DataKey, Ring, tenant_of};
use crate::{Error, Kms};
use bodies::{
    DestructionBody, KeyBody, KeyPath, KeysQuery, MaintainedBody, NewRingBody, ReferenceBody, ReferencePath,
    ReferencesBody, RevocationBody, RingBody, RingPatch, RingPath, RollbackBody, StateBody,
};

/// The routes, relative to a tenant or on the platform.
pub(crate) fn routes() -> OpenApiRouter<Kms> {
    OpenApiRouter::new()
        .routes(routes!(state))
        .routes(routes!(initialise))
        .routes(routes!(maintain))
        .routes(routes!(list, create))
        .routes(routes!(read, update))
        .routes(routes!(rotate))
        .routes(routes!(rollback))
        .routes(routes!(schedule_deletion))
        .routes(routes!(cancel_deletion))
        .routes(routes!(list_keys))
        .routes(routes!(read_key))
        .routes(routes!(expire))
        .routes(routes!(revoke))
        .routes(routes!(schedule_destruction))
        .routes(routes!(cancel_destruction))
        .routes(routes!(declare))
}

/// Renames the operations of a tenant for the platform's copy of them: every operation has a name of its own.
pub(crate) fn on_platform(mut routes: OpenApiRouter<Kms>) -> OpenApiRouter<Kms> {
    for item in routes.get_openapi_mut().paths.paths.values_mut() {
        let methods = [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
        for operation in methods.into_iter().flatten() {
            if let Some(name) = &mut operation.operation_id {
                name.push_str("_on_platform");
            }
            operation.tags = Some(vec!["platform keys".to_owned()]);
        }
    }
    routes
}

/// A ring or a key with the entity tag of the ring's version.
struct Tagged<B> {
    version: i64,
    body: B,
}

impl<B: Serialize> IntoResponse for Tagged<B> {
    fn into_response(self) -> Response {
        ([(header::ETAG, etag(self.version))], Json(self.body)).into_response()
    }
}

fn tagged(ring: Ring) -> Tagged<RingBody> {
    Tagged { version: ring.version, body: ring.into() }
}

fn created(cx: &Cx, ring: Ring) -> Response {
    let path = format!("/api/v1/kms/rings/{}", ring.name);
    let location = match cx.place() {
        Place::Tenant(tenant) => format!("/t/{}{path}", tenant.code),
        Place::Platform => path,
    };
    let mut response = (StatusCode::CREATED, tagged(ring)).into_response();
    if let Ok(value) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(HeaderName::from_static("location"), value);
    }
    response
}

/// Reads a version from an address. Fails with [`Error::InvalidKeyVersion`].
fn version(text: &str) -> Result<KeyVersion, Error> {
    KeyVersion::parse(text).ok_or(Error::InvalidKeyVersion)
}

/// Says what state the keys are in: where they are kept, the rings with their active keys, and how many keys there
/// are of each status and algorithm.
#[utoipa::path(get, path = "/api/v1/kms/status", tag = "keys", operation_id = "read_kms_status",
    responses((status = 200, description = "The state", body = StateBody), Problems))]
async fn state(State(kms): State<Kms>, cx: Cx) -> Result<Json<StateBody>, Failure> {
    Ok(Json(kms.keys_state(&cx).await?.into()))
}

/// Begins to keep keys: makes the ring `default`. Making a ring of one's own does as well.
#[utoipa::path(post, path = "/api/v1/kms/initialise", tag = "keys", operation_id = "initialise_kms",
    responses((status = 201, description = "The first ring", body = RingBody), WriteProblems))]
async fn initialise(State(kms): State<Kms>, cx: Cx) -> Result<Response, Failure> {
    let ring = kms.initialise(&cx).await?;
    Ok(created(&cx, ring))
}

/// Does at once what is due to keys, as the server does by itself each minute.
#[utoipa::path(post, path = "/api/v1/kms/maintenance", tag = "keys", operation_id = "perform_kms_maintenance",
    responses((status = 200, description = "What was done", body = MaintainedBody), WriteProblems))]
async fn maintain(State(kms): State<Kms>, cx: Cx) -> Result<Json<MaintainedBody>, Failure> {
    Ok(Json(kms.perform_maintenance(&cx).await?.into()))
}

/// Lists key rings by name: at most 200, all on one page.
#[utoipa::path(get, path = "/api/v1/kms/rings", tag = "keys", operation_id = "list_key_rings",
    responses((status = 200, description = "The rings", body = inline(Page<RingBody>)), Problems))]
async fn list(State(kms): State<Kms>, cx: Cx) -> Result<Json<Page<RingBody>>, Failure> {
    let rings = kms.list_rings(&cx).await?;
    Ok(Json(Page { items: rings.into_iter().map(RingBody::from).collect(), next: None }))
}

/// Makes a key ring with its first key, which is active at once.
#[utoipa::path(post, path = "/api/v1/kms/rings", tag = "keys", operation_id = "create_key_ring",
    request_body = NewRingBody,
    responses((status = 201, description = "Made", body = RingBody), WriteProblems))]
async fn create(State(kms): State<Kms>, cx: Cx, Json(body): Json<NewRingBody>) -> Result<Response, Failure> {
    let ring = kms.create_ring(&cx, body.parse()?).await?;
    Ok(created(&cx, ring))
}

/// Reads a key ring.
#[utoipa::path(get, path = "/api/v1/kms/rings/{ring}", tag = "keys", operation_id = "read_key_ring",
    params(RingPath),
    responses((status = 200, description = "The ring", body = RingBody), Problems))]
async fn read(
    State(kms): State<Kms>,
    cx: Cx,
    Path(path): Path<RingPath>,
) -> Result<Tagged<RingBody>, Failure> {
    Ok(tagged(kms.load_ring(&cx, &path.ring).await?))
}

/// Changes how the keys of a ring are replaced. Another algorithm is that of the next key.
#[utoipa::path(patch, path = "/api/v1/kms/rings/{ring}", tag = "keys", operation_id = "update_key_ring",
    params(RingPath, ("If-Match" = String, Header, description = "The `ETag` of what was read")),
    request_body(content = RingPatch, content_type = "application/merge-patch+json"),
    responses((status = 200, description = "Changed", body = RingBody), EditProblems))]
async fn update(
    State(kms): State<Kms>,
    cx: Cx,
    Path(path): Path<RingPath>,
    if_match: IfMatch,
    MergePatch(patch): MergePatch<RingPatch>,
) -> Result<Tagged<RingBody>, Failure> {
    Ok(tagged(kms.update_ring(&cx, &path.ring, &if_match, patch.parse()?).await?))
}

/// Makes a new key the active one. The one before still decrypts. With `If-Match`, of several who ask for the same at
/// once one is served.
#[utoipa::path(post, path = "/api/v1/kms/rings/{ring}/rotate", tag = "keys", operation_id = "rotate_key_ring",
    params(RingPath),
    responses((status = 200, description = "Rotated", body = RingBody), EditProblems))]
async fn rotate(
    State(kms): State<Kms>,
    cx: Cx,
    Path(path): Path<RingPath>,
    if_match: Option<IfMatch>,
) -> Result<Tagged<RingBody>, Failure> {
    Ok(tagged(kms.rotate(&cx, &path.ring, if_match.as_ref()).await?))
}

/// Makes an earlier inactive key the active one again.
#[utoipa::path(post, path = "/api/v1/kms/rings/{ring}/rollback", tag = "keys",
    operation_id = "roll_key_ring_back", params(RingPath), request_body = RollbackBody,
    responses((status = 200, description = "Rolled back", body = RingBody), WriteProblems))]
async fn rollback(
    State(kms): State<Kms>,
    cx: Cx,
    Path(path): Path<RingPath>,
    Json(body): Json<RollbackBody>,
) -> Result<Tagged<RingBody>, Failure> {
    Ok(tagged(kms.rollback(&cx, &path.ring, body.version).await?))
}

/// Schedules that a ring goes with all its keys. Nothing can be done with it until then but to cancel this; refused
/// while anybody declares to hold values under it.
#[utoipa::path(post, path = "/api/v1/kms/rings/{ring}/schedule-deletion", tag = "keys",
    operation_id = "schedule_key_ring_deletion", params(RingPath), request_body = DestructionBody,
    responses((status = 200, description = "Scheduled", body = RingBody), WriteProblems))]
async fn schedule_deletion(
    State(kms): State<Kms>,
    cx: Cx,
    Path(path): Path<RingPath>,
    OptionalJson(body): OptionalJson<DestructionBody>,
) -> Result<Tagged<RingBody>, Failure> {
    Ok(tagged(kms.schedule_deletion(&cx, &path.ring, body.waiting_seconds).await?))
}

/// Cancels the deletion of a ring.
#[utoipa::path(post, path = "/api/v1/kms/rings/{ring}/cancel-deletion", tag = "keys",
    operation_id = "cancel_key_ring_deletion", params(RingPath),
    responses((status = 200, description = "Cancelled", body = RingBody), WriteProblems))]
async fn cancel_deletion(
    State(kms): State<Kms>,
    cx: Cx,
    Path(path): Path<RingPath>,
) -> Result<Tagged<RingBody>, Failure> {
    Ok(tagged(kms.cancel_deletion(&cx, &path.ring).await?))
}

/// Lists the keys of a ring, newest first.
#[utoipa::path(get, path = "/api/v1/kms/rings/{ring}/versions", tag = "keys", operation_id = "list_keys",
    params(RingPath, KeysQuery),
    responses((status = 200, description = "The keys", body = inline(Page<KeyBody>)), Problems))]
async fn list_keys(
    State(kms): State<Kms>,
    cx: Cx,
    Path(path): Path<RingPath>,
    Query(query): Query<KeysQuery>,
) -> Result<Json<Page<KeyBody>>, Failure> {
    let limit = query.limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        let detail = format!("`limit` is {limit}, expected a whole number from 1 to {LIMIT_MAX}");
        return Err(Problem::new(Kind::Malformed, "invalid_limit", detail).into());
    }
    let cursors = CursorKey::new(*kms.derive("kms cursors 1").expose());
    let actor = cx.actor().id().unwrap_or_default();
    let scope = tenant_of(&cx).map_or("", |tenant| tenant.as_str());
    let parts = ["kms keys", scope, actor.as_str(), path.ring.as_str()];
    let below = match &query.cursor {
        Some(cursor) => {
            let position = cursors.decode(&parts, cursor)?;
            position.first().and_then(|text| KeyVersion::parse(text))
        }
        None => None,
    };
    // One more than asked for says whether anything follows.
    let mut keys = kms.list_keys(&cx, &path.ring, below, limit + 1).await?;
    let more = keys.len() > limit as usize;
    keys.truncate(limit as usize);
    let last = keys.last().filter(|_| more).map(|key| key.version.to_string());
    let next = last.map(|last| cursors.encode(&parts, &[&last]));
    Ok(Json(Page { items: keys.into_iter().map(KeyBody::from).collect(), next }))
}

/// Reads a key of a ring, with those who hold values under it.
#[utoipa::path(get, path = "/api/v1/kms/rings/{ring}/versions/{version}", tag = "keys",
    operation_id = "read_key", params(KeyPath),
    responses((status = 200, description = "The key", body = KeyBody), Problems))]
async fn read_key(
    State(kms): State<Kms>,
    cx: Cx,
    Path(path): Path<KeyPath>,
) -> Result<Json<KeyBody>, Failure> {
    let (key, references) = kms.load_key(&cx, &path.ring, version(&path.version)?).await?;
    let mut body = KeyBody::from(key);
    body.references = Some(references.into_iter().map(ReferenceBody::from).collect());
    Ok(Json(body))
}

/// Ends the time of a key: it still decrypts and never encrypts again. The active one is replaced at once.
#[utoipa::path(post, path = "/api/v1/kms/rings/{ring}/versions/{version}/expire", tag = "keys",
    operation_id = "expire_key", params(KeyPath),
    responses((status = 200, description = "Expired", body = KeyBody), WriteProblems))]
async fn expire(State(kms): State<Kms>, cx: Cx, Path(path): Path<KeyPath>) -> Result<Json<KeyBody>, Failure> {
    answer(kms.expire(&cx, &path.ring, version(&path.version)?).await)
}

/// Revokes a key: nothing under it can be read any more, on any node within a second. The active one is replaced at
/// once.
#[utoipa::path(post, path = "/api/v1/kms/rings/{ring}/versions/{version}/revoke", tag = "keys",
    operation_id = "revoke_key", params(KeyPath), request_body = RevocationBody,
    responses((status = 200, description = "Revoked", body = KeyBody), WriteProblems))]
async fn revoke(
    State(kms): State<Kms>,
    cx: Cx,
    Path(path): Path<KeyPath>,
    Json(body): Json<RevocationBody>,
) -> Result<Json<KeyBody>, Failure> {
    answer(kms.revoke(&cx, &path.ring, version(&path.version)?, &body.reason).await)
}

/// Schedules that a revoked key goes for good; refused while anybody declares to hold values under it.
#[utoipa::path(post, path = "/api/v1/kms/rings/{ring}/versions/{version}/schedule-destruction", tag = "keys",
    operation_id = "schedule_key_destruction", params(KeyPath), request_body = DestructionBody,
    responses((status = 200, description = "Scheduled", body = KeyBody), WriteProblems))]
async fn schedule_destruction(
    State(kms): State<Kms>,
    cx: Cx,
    Path(path): Path<KeyPath>,
    OptionalJson(body): OptionalJson<DestructionBody>,
) -> Result<Json<KeyBody>, Failure> {
    let version = version(&path.version)?;
    answer(kms.schedule_destruction(&cx, &path.ring, version, body.waiting_seconds).await)
}

/// Cancels the destruction of a key.
#[utoipa::path(post, path = "/api/v1/kms/rings/{ring}/versions/{version}/cancel-destruction", tag = "keys",
    operation_id = "cancel_key_destruction", params(KeyPath),
    responses((status = 200, description = "Cancelled", body = KeyBody), WriteProblems))]
async fn cancel_destruction(
    State(kms): State<Kms>,
    cx: Cx,
    Path(path): Path<KeyPath>,
) -> Result<Json<KeyBody>, Failure> {
    answer(kms.cancel_destruction(&cx, &path.ring, version(&path.version)?).await)
}

/// Declares how many values somebody holds under a key, 0 for none: neither the key nor its ring is destroyed while
/// anybody holds some.
#[utoipa::path(put, path = "/api/v1/kms/rings/{ring}/versions/{version}/references/{holder}", tag = "keys",
    operation_id = "declare_key_references", params(ReferencePath), request_body = ReferencesBody,
    responses(
        (status = 200, description = "All that hold some", body = inline(Page<ReferenceBody>)), WriteProblems))]
async fn declare(
    State(kms): State<Kms>,
    cx: Cx,
    Path(path): Path<ReferencePath>,
    Json(body): Json<ReferencesBody>,
) -> Result<Json<Page<ReferenceBody>>, Failure> {
    let version = version(&path.version)?;
    let held = kms.declare_references(&cx, &path.ring, version, &path.holder, body.items).await?;
    Ok(Json(Page { items: held.into_iter().map(ReferenceBody::from).collect(), next: None }))
}

fn answer(key: crate::Result<DataKey>) -> Result<Json<KeyBody>, Failure> {
    Ok(Json(KeyBody::from(key?)))
}
