//! The same operations over up to 1,000 values, each with a name and an outcome of its own.

use std::collections::HashSet;

use authz::Cx;
use axum::extract::State;
use base::Secret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use web::body::BodyLimit;
use web::openapi::WriteProblems;
use web::{Failure, Json, Path};

use super::{ContextBody, DecryptBody, RingPath, SealedBody, SecretBytes, Shown, secret_bytes};
use crate::operations::{ITEMS_MAX, Item, Outcome, Refused, Sealed};
use crate::rings::KeyVersion;
use crate::{Error, Kms, Result};

/// The largest body of a call with many values.
const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The longest name of an item, in bytes.
const NAME_BYTES_MAX: usize = 128;

pub(super) fn routes() -> OpenApiRouter<Kms> {
    OpenApiRouter::new()
        .routes(routes!(encrypt))
        .routes(routes!(decrypt))
        .routes(routes!(reencrypt))
        .layer(axum::Extension(BodyLimit(BODY_BYTES_MAX)))
}

/// A value to be encrypted, among many.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EncryptItem {
    /// What the outcome is called by: 1 to 128 bytes, given once.
    name: String,
    /// At most 1 MiB, in base64. May be empty.
    #[schema(value_type = String, format = Byte)]
    plaintext: Secret<String>,
    #[serde(default)]
    context: ContextBody,
}

/// A value to be opened, among many.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DecryptItem {
    /// What the outcome is called by: 1 to 128 bytes, given once.
    name: String,
    /// As it was given, in base64.
    #[schema(format = Byte)]
    ciphertext: String,
    #[serde(default)]
    context: ContextBody,
}

/// Values to be encrypted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = EncryptManyRequest)]
pub(crate) struct EncryptManyBody {
    /// 1 to 1,000.
    items: Vec<EncryptItem>,
}

/// Values to be opened.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DecryptManyRequest)]
pub(crate) struct DecryptManyBody {
    /// 1 to 1,000.
    items: Vec<DecryptItem>,
}

/// Why one value was refused; the others are done all the same.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ItemError {
    /// The stable code, as of a problem.
    code: &'static str,
    /// What was found, what was expected, what to do.
    detail: String,
}

impl From<Refused> for ItemError {
    fn from(refused: Refused) -> Self {
        Self { code: refused.code, detail: refused.detail }
    }
}

/// What became of one value: `ciphertext` with `key_version`, or `error`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SealedItem {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = Byte)]
    ciphertext: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "v12")]
    key_version: Option<KeyVersion>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ItemError>,
}

/// What became of the values, in the order of the request.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CiphertextMany)]
pub(crate) struct SealedManyBody {
    items: Vec<SealedItem>,
}

impl SealedManyBody {
    fn new(names: Vec<String>, outcomes: Vec<Outcome<Sealed>>) -> Self {
        let item = |(name, outcome): (String, Outcome<Sealed>)| match outcome {
            Ok(sealed) => {
                let SealedBody { ciphertext, key_version } = sealed.into();
                SealedItem { name, ciphertext: Some(ciphertext), key_version: Some(key_version), error: None }
            }
            Err(refused) => {
                SealedItem { name, ciphertext: None, key_version: None, error: Some(refused.into()) }
            }
        };
        Self { items: names.into_iter().zip(outcomes).map(item).collect() }
    }
}

/// What became of one value: `plaintext` or `error`.
#[derive(Serialize, ToSchema)]
pub(crate) struct OpenedItem {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Byte)]
    plaintext: Option<Shown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ItemError>,
}

/// What became of the values, in the order of the request.
#[derive(Serialize, ToSchema)]
#[schema(as = PlaintextMany)]
pub(crate) struct OpenedManyBody {
    items: Vec<OpenedItem>,
}

/// Checks how many items there are and what they are called.
fn check_names<'a>(names: impl Iterator<Item = &'a str>) -> Result<()> {
    let mut seen = HashSet::new();
    let mut count = 0;
    for (at, name) in names.enumerate() {
        count = at + 1;
        let detail = if !(1..=NAME_BYTES_MAX).contains(&name.len()) {
            format!("a name has 1 to {NAME_BYTES_MAX} bytes")
        } else if !seen.insert(name) {
            format!("`{name}` is the name of another item too")
        } else {
            continue;
        };
        return Err(Error::invalid(&format!("/items/{at}/name"), "invalid_name", detail));
    }
    if count == 0 {
        return Err(Error::invalid("/items", "no_items", "expected 1 to 1,000 items, found none"));
    }
    if count > ITEMS_MAX {
        let detail = format!("expected 1 to {ITEMS_MAX} items, found {count}");
        return Err(Error::invalid("/items", "too_many_items", detail));
    }
    Ok(())
}

/// The names of items, and beside each its ciphertext.
type Named = (Vec<String>, Vec<Item<Vec<u8>>>);

fn to_open(items: Vec<DecryptItem>) -> Result<Named> {
    check_names(items.iter().map(|item| item.name.as_str()))?;
    let (mut names, mut parsed) = (Vec::with_capacity(items.len()), Vec::with_capacity(items.len()));
    for (at, item) in items.into_iter().enumerate() {
        let body = DecryptBody { ciphertext: item.ciphertext, context: item.context };
        parsed.push(body.parse(&format!("/items/{at}"))?);
        names.push(item.name);
    }
    Ok((names, parsed))
}

/// Encrypts up to 1,000 values under the ring's active key.
#[utoipa::path(post, path = "/api/v1/kms/rings/{ring}/encrypt/bulk", tag = "keys",
    operation_id = "encrypt_many", params(RingPath), request_body = EncryptManyBody,
    responses((status = 200, description = "An outcome for each", body = SealedManyBody), WriteProblems))]
async fn encrypt(
    State(kms): State<Kms>,
    cx: Cx,
    Path(path): Path<RingPath>,
    Json(body): Json<EncryptManyBody>,
) -> std::result::Result<Json<SealedManyBody>, Failure> {
    check_names(body.items.iter().map(|item| item.name.as_str()))?;
    let (mut names, mut items) = (Vec::new(), Vec::<Item<SecretBytes>>::new());
    for (at, item) in body.items.into_iter().enumerate() {
        let pointer = format!("/items/{at}");
        let value = secret_bytes(&format!("{pointer}/plaintext"), &item.plaintext)?;
        items.push(Item { value, context: item.context.parse(&pointer)? });
        names.push(item.name);
    }
    let outcomes = kms.encrypt(&cx, &path.ring, &items).await?;
    Ok(Json(SealedManyBody::new(names, outcomes)))
}

/// Opens up to 1,000 values that the ring encrypted, under whichever versions.
#[utoipa::path(post, path = "/api/v1/kms/rings/{ring}/decrypt/bulk", tag = "keys",
    operation_id = "decrypt_many", params(RingPath), request_body = DecryptManyBody,
    responses((status = 200, description = "An outcome for each", body = OpenedManyBody), WriteProblems))]
async fn decrypt(
    State(kms): State<Kms>,
    cx: Cx,
    Path(path): Path<RingPath>,
    Json(body): Json<DecryptManyBody>,
) -> std::result::Result<Json<OpenedManyBody>, Failure> {
    let (names, items) = to_open(body.items)?;
    let outcomes = kms.decrypt(&cx, &path.ring, &items).await?;
    let item = |(name, outcome): (String, Outcome<_>)| match outcome {
        Ok(opened) => {
            let opened: crate::cipher::Plaintext = opened;
            OpenedItem { name, plaintext: Some(Shown::base64(opened.expose())), error: None }
        }
        Err(refused) => OpenedItem { name, plaintext: None, error: Some(refused.into()) },
    };
    Ok(Json(OpenedManyBody { items: names.into_iter().zip(outcomes).map(item).collect() }))
}

/// Opens up to 1,000 values and encrypts them under the ring's active key, without showing them.
#[utoipa::path(post, path = "/api/v1/kms/rings/{ring}/reencrypt/bulk", tag = "keys",
    operation_id = "reencrypt_many", params(RingPath), request_body = DecryptManyBody,
    responses((status = 200, description = "An outcome for each", body = SealedManyBody), WriteProblems))]
async fn reencrypt(
    State(kms): State<Kms>,
    cx: Cx,
    Path(path): Path<RingPath>,
    Json(body): Json<DecryptManyBody>,
) -> std::result::Result<Json<SealedManyBody>, Failure> {
    let (names, items) = to_open(body.items)?;
    let outcomes = kms.reencrypt(&cx, &path.ring, &items).await?;
    Ok(Json(SealedManyBody::new(names, outcomes)))
}
