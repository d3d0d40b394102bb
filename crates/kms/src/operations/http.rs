//! Routes, request and response types of what callers do with key rings.

mod bulk;

use std::collections::BTreeMap;

use authz::Cx;
use axum::extract::State;
use base::Secret;
use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use web::body::BodyLimit;
use web::openapi::WriteProblems;
use web::{Failure, Json, Path};
use zeroize::Zeroize;

use super::{Context, Item, Mac, Normalization, Sealed, only};
use crate::rings::KeyVersion;
use crate::{Error, Kms, Result};

/// The largest body of a call with one value: 1 MiB in base64, and a context.
const BODY_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Reads base64 with and without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The routes, relative to a tenant or to the platform.
pub(crate) fn routes() -> OpenApiRouter<Kms> {
    OpenApiRouter::new()
        .routes(routes!(encrypt))
        .routes(routes!(decrypt))
        .routes(routes!(reencrypt))
        .routes(routes!(generate_data_key))
        .routes(routes!(generate_wrapped_data_key))
        .routes(routes!(compute_mac))
        .routes(routes!(verify_mac))
        .routes(routes!(hash))
        .routes(routes!(random))
        .layer(axum::Extension(BodyLimit(BODY_BYTES_MAX)))
        .merge(bulk::routes())
}

/// The variables of a ring's address.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct RingPath {
    /// The ring's name.
    ring: String,
}

/// What a value is bound to: at most 16 names with a value each, such as table, column and row. It opens with the
/// same only.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(as = KeyContext)]
pub(crate) struct ContextBody(BTreeMap<String, String>);

impl ContextBody {
    /// `pointer` is the place of the object that holds it.
    fn parse(self, pointer: &str) -> Result<Context> {
        Context::new(&format!("{pointer}/context"), self.0)
    }
}

/// Secret text in an answer, wiped when it was written.
#[derive(Serialize)]
#[serde(transparent)]
pub(crate) struct Shown(String);

impl Shown {
    fn base64(bytes: &[u8]) -> Self {
        Self(STANDARD.encode(bytes))
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// Reads base64, or says where there is none.
fn bytes(pointer: &str, text: &str) -> Result<Vec<u8>> {
    let detail = "expected base64 (RFC 4648 section 4), such as `aGVsbG8=`";
    BASE64.decode(text).map_err(|_| Error::invalid(pointer, "not_base64", detail))
}

/// The same of a secret: wiped when it is no longer needed.
fn secret_bytes(pointer: &str, text: &Secret<String>) -> Result<SecretBytes> {
    bytes(pointer, text.expose()).map(|bytes| SecretBytes(Secret::new(bytes)))
}

/// Bytes of a secret, as verbs take them.
#[derive(Debug)]
struct SecretBytes(Secret<Vec<u8>>);

impl AsRef<[u8]> for SecretBytes {
    fn as_ref(&self) -> &[u8] {
        self.0.expose()
    }
}

/// A value to be encrypted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = EncryptRequest)]
pub(crate) struct EncryptBody {
    /// At most 1 MiB, in base64. May be empty.
    #[schema(value_type = String, format = Byte)]
    plaintext: Secret<String>,
    #[serde(default)]
    context: ContextBody,
}

/// A value to be opened.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DecryptRequest)]
pub(crate) struct DecryptBody {
    /// As it was given, in base64.
    #[schema(format = Byte)]
    ciphertext: String,
    #[serde(default)]
    context: ContextBody,
}

impl DecryptBody {
    fn parse(self, pointer: &str) -> Result<Item<Vec<u8>>> {
        Ok(Item {
            value: bytes(&format!("{pointer}/ciphertext"), &self.ciphertext)?,
            context: self.context.parse(pointer)?,
        })
    }
}

/// An encrypted value.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Ciphertext)]
pub(crate) struct SealedBody {
    /// In base64.
    #[schema(format = Byte)]
    ciphertext: String,
    /// The version of the ring's key that made it.
    #[schema(value_type = String, example = "v12")]
    key_version: KeyVersion,
}

impl From<Sealed> for SealedBody {
    fn from(sealed: Sealed) -> Self {
        Self { ciphertext: STANDARD.encode(sealed.ciphertext), key_version: sealed.version }
    }
}

/// An opened value.
#[derive(Serialize, ToSchema)]
#[schema(as = Plaintext)]
pub(crate) struct OpenedBody {
    /// In base64.
    #[schema(value_type = String, format = Byte)]
    plaintext: Shown,
}

/// Encrypts a value under the ring's active key.
#[utoipa::path(post, path = "/api/v1/kms/rings/{ring}/encrypt", tag = "keys", operation_id = "encrypt",
    params(RingPath), request_body = EncryptBody,
    responses((status = 200, description = "Encrypted", body = SealedBody), WriteProblems))]
async fn encrypt(
    State(kms): State<Kms>,
    cx: Cx,
    Path(path): Path<RingPath>,
    Json(body): Json<EncryptBody>,
) -> std::result::Result<Json<SealedBody>, Failure> {
    let value = secret_bytes("/plaintext", &body.plaintext)?;
    let items = [Item { value, context: body.context.parse("")? }];
    let sealed = only(kms.encrypt(&cx, &path.ring, &items).await?)?;
    Ok(Json(sealed.into()))
}

/// Opens a value that the ring encrypted, under whichever version.
#[utoipa::path(post, path = "/api/v1/kms/rings/{ring}/decrypt", tag = "keys", operation_id = "decrypt",
    params(RingPath), request_body = DecryptBody,
    responses((status = 200, description = "Opened", body = OpenedBody), WriteProblems))]
async fn decrypt(
    State(kms): State<Kms>,
    cx: Cx,
    Path(path): Path<RingPath>,
    Json(body): Json<DecryptBody>,
) -> std::result::Result<Json<OpenedBody>, Failure> {
    let items = [body.parse("")?];
    let opened = only(kms.decrypt(&cx, &path.ring, &items).await?)?;
    Ok(Json(OpenedBody { plaintext: Shown::base64(opened.expose()) }))
}

/// Opens a value and encrypts it under the ring's active key, without showing it.
#[utoipa::path(post, path = "/api/v1/kms/rings/{ring}/reencrypt", tag = "keys", operation_id = "reencrypt",
    params(RingPath), request_body = DecryptBody,
    responses((status = 200, description = "Encrypted again", body = SealedBody), WriteProblems))]
async fn reencrypt(
    State(kms): State<Kms>,
    cx: Cx,
    Path(path): Path<RingPath>,
    Json(body): Json<DecryptBody>,
) -> std::result::Result<Json<SealedBody>, Failure> {
    let items = [body.parse("")?];
    let sealed = only(kms.reencrypt(&cx, &path.ring, &items).await?)?;
    Ok(Json(sealed.into()))
}

/// A data key that is wanted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DataKeyRequest)]
pub(crate) struct DataKeyBody {
    /// 16, 24, 32 or 64.
    #[serde(default = "data_key_bytes")]
    bytes: usize,
    #[serde(default)]
    context: ContextBody,
}

fn data_key_bytes() -> usize {
    32
}

/// A data key, and the same encrypted.
#[derive(Serialize, ToSchema)]
#[schema(as = DataKey)]
pub(crate) struct MadeKeyBody {
    /// The key in base64: use it and forget it.
    #[schema(value_type = String, format = Byte)]
    plaintext: Shown,
    /// The key encrypted, in base64: keep it beside what the key encrypts; `decrypt` opens it.
    #[schema(format = Byte)]
    ciphertext: String,
    /// The version of the ring's key that encrypted it.
    #[schema(value_type = String, example = "v12")]
    key_version: KeyVersion,
}

/// Makes a key for a caller that encrypts by itself.
#[utoipa::path(post, path = "/api/v1/kms/rings/{ring}/data-keys", tag = "keys",
    operation_id = "generate_data_key", params(RingPath), request_body = DataKeyBody,
    responses((status = 200, description = "Made", body = MadeKeyBody), WriteProblems))]
async fn generate_data_key(
    State(kms): State<Kms>,
    cx: Cx,
    Path(path): Path<RingPath>,
    Json(body): Json<DataKeyBody>,
) -> std::result::Result<Json<MadeKeyBody>, Failure> {
    let context = body.context.parse("")?;
    let made = kms.generate_data_key(&cx, &path.ring, body.bytes, &context).await?;
    let SealedBody { ciphertext, key_version } = made.wrapped.into();
    Ok(Json(MadeKeyBody { plaintext: Shown::base64(made.plaintext.expose()), ciphertext, key_version }))
}

/// Makes a key for a caller that encrypts by itself, and shows it encrypted only.
#[utoipa::path(post, path = "/api/v1/kms/rings/{ring}/data-keys/wrapped", tag = "keys",
    operation_id = "generate_wrapped_data_key", params(RingPath), request_body = DataKeyBody,
    responses((status = 200, description = "Made", body = SealedBody), WriteProblems))]
async fn generate_wrapped_data_key(
    State(kms): State<Kms>,
    cx: Cx,
    Path(path): Path<RingPath>,
    Json(body): Json<DataKeyBody>,
) -> std::result::Result<Json<SealedBody>, Failure> {
    let context = body.context.parse("")?;
    let wrapped = kms.generate_wrapped_data_key(&cx, &path.ring, body.bytes, &context).await?;
    Ok(Json(wrapped.into()))
}

/// A message to be authenticated.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MacRequest)]
pub(crate) struct MacBody {
    /// At most 1 MiB, in base64.
    #[schema(value_type = String, format = Byte)]
    message: Secret<String>,
}

/// An authentication code.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Mac)]
pub(crate) struct MadeMacBody {
    /// HMAC-SHA-256, in base64.
    #[schema(format = Byte)]
    mac: String,
    /// The version of the ring's key that made it.
    #[schema(value_type = String, example = "v12")]
    key_version: KeyVersion,
}

/// Makes the authentication code of a message (HMAC-SHA-256) under the ring's active key.
#[utoipa::path(post, path = "/api/v1/kms/rings/{ring}/mac", tag = "keys", operation_id = "compute_mac",
    params(RingPath), request_body = MacBody,
    responses((status = 200, description = "Made", body = MadeMacBody), WriteProblems))]
async fn compute_mac(
    State(kms): State<Kms>,
    cx: Cx,
    Path(path): Path<RingPath>,
    Json(body): Json<MacBody>,
) -> std::result::Result<Json<MadeMacBody>, Failure> {
    let message = secret_bytes("/message", &body.message)?;
    let mac = kms.compute_mac(&cx, &path.ring, message.as_ref()).await?;
    Ok(Json(MadeMacBody { mac: STANDARD.encode(mac.code), key_version: mac.version }))
}

/// A message and the authentication code that it came with.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MacVerification)]
pub(crate) struct VerifyBody {
    /// At most 1 MiB, in base64.
    #[schema(value_type = String, format = Byte)]
    message: Secret<String>,
    /// In base64.
    #[schema(format = Byte)]
    mac: String,
    /// The version that made it, such as `v12` or `12`.
    #[schema(value_type = String, example = "v12")]
    key_version: KeyVersion,
}

/// Whether a code is right.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MacValidity)]
pub(crate) struct ValidBody {
    valid: bool,
}

/// Says whether an authentication code is that of a message.
#[utoipa::path(post, path = "/api/v1/kms/rings/{ring}/mac/verify", tag = "keys", operation_id = "verify_mac",
    params(RingPath), request_body = VerifyBody,
    responses((status = 200, description = "Whether it is", body = ValidBody), WriteProblems))]
async fn verify_mac(
    State(kms): State<Kms>,
    cx: Cx,
    Path(path): Path<RingPath>,
    Json(body): Json<VerifyBody>,
) -> std::result::Result<Json<ValidBody>, Failure> {
    let message = secret_bytes("/message", &body.message)?;
    let mac = Mac { code: bytes("/mac", &body.mac)?, version: body.key_version };
    let valid = kms.verify_mac(&cx, &path.ring, message.as_ref(), &mac).await?;
    Ok(Json(ValidBody { valid }))
}

/// How a value is made equal to others that mean the same.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = HashNormalization)]
pub(crate) enum NormalizationWord {
    /// Byte by byte.
    Exact,
    /// Case, width and extra white space do not count.
    Text,
    /// An e-mail address, in any case.
    Email,
    /// A phone number in international form, however it is punctuated.
    Phone,
}

impl From<NormalizationWord> for Normalization {
    fn from(word: NormalizationWord) -> Self {
        match word {
            NormalizationWord::Exact => Self::Exact,
            NormalizationWord::Text => Self::Text,
            NormalizationWord::Email => Self::Email,
            NormalizationWord::Phone => Self::Phone,
        }
    }
}

/// A value that is to be found again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = HashRequest)]
pub(crate) struct HashBody {
    /// What the value is, such as `users.phone`: 1 to 64 of `A-Z a-z 0-9 _ . -`. Hashes of other fields are unrelated.
    field: String,
    /// At most 16 KiB, as text.
    #[schema(value_type = String)]
    value: Secret<String>,
    normalization: NormalizationWord,
}

/// The hash of a value.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Hash)]
pub(crate) struct HashedBody {
    /// HMAC-SHA-256 in lower-case hex: 64 characters.
    hash: String,
}

/// Hashes a value for an index: equal values of a field have equal hashes, which no rotation changes and nobody
/// without the tenant's key can guess at.
#[utoipa::path(post, path = "/api/v1/kms/rings/{ring}/hash", tag = "keys", operation_id = "hash_value",
    params(RingPath), request_body = HashBody,
    responses((status = 200, description = "Hashed", body = HashedBody), WriteProblems))]
async fn hash(
    State(kms): State<Kms>,
    cx: Cx,
    Path(path): Path<RingPath>,
    Json(body): Json<HashBody>,
) -> std::result::Result<Json<HashedBody>, Failure> {
    let normalization = body.normalization.into();
    let value = body.value.expose();
    let hash = kms.hash_value(&cx, &path.ring, &body.field, normalization, value).await?;
    Ok(Json(HashedBody { hash }))
}

/// How much is wanted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RandomRequest)]
pub(crate) struct RandomBody {
    /// 1 to 1024.
    bytes: usize,
}

/// Random bytes.
#[derive(Serialize, ToSchema)]
#[schema(as = Random)]
pub(crate) struct DrawnBody {
    /// In base64.
    #[schema(value_type = String, format = Byte)]
    random: Shown,
}

/// Draws random bytes that are good enough for keys.
#[utoipa::path(post, path = "/api/v1/kms/random", tag = "keys", operation_id = "generate_random",
    request_body = RandomBody,
    responses((status = 200, description = "Drawn", body = DrawnBody), WriteProblems))]
async fn random(
    State(kms): State<Kms>,
    cx: Cx,
    Json(body): Json<RandomBody>,
) -> std::result::Result<Json<DrawnBody>, Failure> {
    let drawn = kms.generate_random(&cx, body.bytes).await?;
    Ok(Json(DrawnBody { random: Shown::base64(drawn.expose()) }))
}
