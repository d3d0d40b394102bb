//! Request and response types of key rings.

use base::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use web::Field;

use crate::rings::machine::{KeyVersion, Status};
use crate::rings::{
    ActiveKey, DataKey, Done, KeyFigures, KeysState, Maintained, NewRing, Reference, Ring, RingChange,
};
use crate::{Algorithm, Error, Result};

/// A key ring.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = KeyRing)]
pub(super) struct RingBody {
    /// The name, unique here.
    name: String,
    /// What it is for.
    purpose: String,
    /// How its next key encrypts.
    #[schema(value_type = String, example = "AES-256-GCM")]
    algorithm: &'static str,
    /// Whether the algorithm is there for compatibility only.
    legacy: bool,
    /// `scheduled_for_deletion` until it goes, `active` before.
    state: RingState,
    /// The key that encrypts; null where there is none.
    active: Option<ActiveBody>,
    /// The highest version that a key of the ring ever had.
    #[schema(value_type = Option<String>, example = "v3")]
    last_version: Option<KeyVersion>,
    /// How often the key is replaced; null for never by itself.
    rotation_interval_seconds: Option<i64>,
    /// For how long a key that is over still encrypts, should it not be replaced.
    grace_seconds: i64,
    /// How many values one key may encrypt.
    uses_max: i64,
    /// Values under earlier keys are not read.
    #[schema(value_type = String, example = "v1")]
    min_decryption_version: KeyVersion,
    /// When the ring goes.
    #[schema(value_type = Option<String>, format = DateTime)]
    destroy_at: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// Whether a ring is in use.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = KeyRingState)]
enum RingState {
    Active,
    ScheduledForDeletion,
}

/// The key that encrypts.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ActiveKey)]
struct ActiveBody {
    #[schema(value_type = String, example = "v3")]
    version: KeyVersion,
    #[schema(value_type = Option<String>, format = DateTime)]
    activated_at: Option<Timestamp>,
    /// When it is replaced.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// Uses that nodes have taken: at least as many as there were.
    uses_reserved: i64,
}

impl From<ActiveKey> for ActiveBody {
    fn from(key: ActiveKey) -> Self {
        Self {
            version: key.version,
            activated_at: key.activated_at,
            expires_at: key.expires_at,
            uses_reserved: key.uses_reserved,
        }
    }
}

impl From<Ring> for RingBody {
    fn from(ring: Ring) -> Self {
        Self {
            name: ring.name,
            purpose: ring.purpose,
            algorithm: ring.algorithm.name(),
            legacy: ring.algorithm.legacy(),
            state: if ring.destroy_at.is_some() {
                RingState::ScheduledForDeletion
            } else {
                RingState::Active
            },
            active: ring.active.map(ActiveBody::from),
            last_version: KeyVersion::new(ring.last_version),
            rotation_interval_seconds: ring.rotation_interval_seconds,
            grace_seconds: ring.grace_seconds,
            uses_max: ring.uses_max,
            min_decryption_version: ring.min_decryption_version,
            destroy_at: ring.destroy_at,
            created_at: ring.created_at,
            updated_at: ring.updated_at,
        }
    }
}

/// A key ring to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewKeyRing)]
pub(super) struct NewRingBody {
    /// 1 to 64 of `[a-z0-9_-]`; never changes.
    name: String,
    /// At most 255 characters.
    purpose: Option<String>,
    /// `AES-256-GCM` where absent, `ChaCha20-Poly1305`, `SM4-GCM` or `AES-256-CBC`.
    algorithm: Option<String>,
    /// 3600 to 315360000; 90 days where absent, null for never by itself.
    #[serde(default)]
    #[schema(value_type = Option<i64>)]
    rotation_interval_seconds: Field<i64>,
    /// 0 to 2592000; a day where absent.
    grace_seconds: Option<i64>,
    /// 1000 to 4294967296, which it is where absent.
    uses_max: Option<i64>,
}

impl NewRingBody {
    pub(super) fn parse(self) -> Result<NewRing> {
        Ok(NewRing {
            name: self.name,
            purpose: self.purpose,
            algorithm: self.algorithm.as_deref().map(algorithm).transpose()?,
            rotation_interval_seconds: optional(self.rotation_interval_seconds),
            grace_seconds: self.grace_seconds,
            uses_max: self.uses_max,
        })
    }
}

/// A merge patch (RFC 7396) over a key ring.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = KeyRingPatch)]
pub(super) struct RingPatch {
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    purpose: Field<String>,
    /// How the next key encrypts.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    algorithm: Field<String>,
    /// Also for the present key.
    #[serde(default)]
    #[schema(value_type = Option<i64>)]
    rotation_interval_seconds: Field<i64>,
    #[serde(default)]
    #[schema(value_type = Option<i64>)]
    grace_seconds: Field<i64>,
    #[serde(default)]
    #[schema(value_type = Option<i64>)]
    uses_max: Field<i64>,
    /// At most the active key's version.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "v2")]
    min_decryption_version: Field<KeyVersion>,
}

impl RingPatch {
    pub(super) fn parse(self) -> std::result::Result<RingChange, base::Problem> {
        Ok(RingChange {
            // Removing the purpose leaves none.
            purpose: optional(self.purpose).map(Option::unwrap_or_default),
            algorithm: self.algorithm.required("/algorithm")?.as_deref().map(algorithm).transpose()?,
            rotation_interval_seconds: optional(self.rotation_interval_seconds),
            grace_seconds: self.grace_seconds.required("/grace_seconds")?,
            uses_max: self.uses_max.required("/uses_max")?,
            min_decryption_version: self.min_decryption_version.required("/min_decryption_version")?,
        })
    }
}

fn algorithm(name: &str) -> Result<Algorithm> {
    let found = || name.chars().take(32).filter(|c| !c.is_control()).collect();
    Algorithm::parse(name).ok_or_else(|| Error::InvalidAlgorithm { found: found() })
}

fn optional<T>(field: Field<T>) -> Option<Option<T>> {
    match field {
        Field::Absent => None,
        Field::Null => Some(None),
        Field::Value(value) => Some(Some(value)),
    }
}

/// A data key, without its bytes.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DataKey)]
pub(super) struct KeyBody {
    id: String,
    #[schema(value_type = String, example = "v3")]
    version: KeyVersion,
    #[schema(value_type = String, example = "AES-256-GCM")]
    algorithm: &'static str,
    status: StatusWord,
    /// A digest that tells keys apart, and does not tell what they are.
    key_hash: String,
    /// Uses that nodes have taken: at least as many as there were.
    uses_reserved: i64,
    #[schema(value_type = Option<String>, format = DateTime)]
    activated_at: Option<Timestamp>,
    /// When its time is, or would have been, over.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    revoked_at: Option<Timestamp>,
    revoke_reason: Option<String>,
    /// When it goes.
    #[schema(value_type = Option<String>, format = DateTime)]
    destroy_at: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    /// Who holds values under it; only where one key is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) references: Option<Vec<ReferenceBody>>,
}

/// The state of a data key.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = KeyStatus)]
enum StatusWord {
    Inactive,
    Active,
    Expired,
    Revoked,
}

impl From<Status> for StatusWord {
    fn from(status: Status) -> Self {
        match status {
            Status::Inactive => Self::Inactive,
            Status::Active => Self::Active,
            Status::Expired => Self::Expired,
            Status::Revoked => Self::Revoked,
        }
    }
}

impl From<DataKey> for KeyBody {
    fn from(key: DataKey) -> Self {
        Self {
            id: key.id,
            version: key.version,
            algorithm: key.algorithm.name(),
            status: key.status.into(),
            key_hash: key.key_hash,
            uses_reserved: key.uses_reserved,
            activated_at: key.activated_at,
            expires_at: key.expires_at,
            revoked_at: key.revoked_at,
            revoke_reason: key.revoke_reason,
            destroy_at: key.destroy_at,
            created_at: key.created_at,
            updated_at: key.updated_at,
            references: None,
        }
    }
}

/// Somebody who holds values under a key.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = KeyReference)]
pub(super) struct ReferenceBody {
    holder: String,
    items: i64,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<Reference> for ReferenceBody {
    fn from(reference: Reference) -> Self {
        Self { holder: reference.holder, items: reference.items, updated_at: reference.updated_at }
    }
}

/// How many values are held.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = KeyReferences)]
pub(super) struct ReferencesBody {
    /// 0 for none.
    pub(super) items: i64,
}

/// Which key becomes active again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = KeyRollback)]
pub(super) struct RollbackBody {
    #[schema(value_type = String, example = "v2")]
    pub(super) version: KeyVersion,
}

/// Why a key is revoked.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = KeyRevocation)]
pub(super) struct RevocationBody {
    /// 1 to 255 characters.
    pub(super) reason: String,
}

/// How long to wait.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = KeyDestruction)]
pub(super) struct DestructionBody {
    /// 86400 to 2592000; seven days where absent.
    #[serde(default)]
    pub(super) waiting_seconds: Option<i64>,
}

/// The state of keys.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = KmsStatus)]
pub(super) struct StateBody {
    /// Whether there is a key ring.
    initialised: bool,
    key_store: KeyStoreBody,
    rings: Vec<RingBody>,
    /// How many keys there are of each status and algorithm.
    keys: Vec<FiguresBody>,
}

/// Where the key is that wraps all others.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = KeyStore)]
struct KeyStoreBody {
    /// `directory`, `database` (one of its own) or `same_database`.
    kind: &'static str,
    /// Whether a purge of the tenant also reaches what of it is in backups of the database.
    purge_reaches_backups: bool,
    /// Whether the key is there and the root key opens it; false where none was needed yet.
    opens: bool,
}

/// Keys of one status and one algorithm.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = KeyFigures)]
struct FiguresBody {
    status: StatusWord,
    #[schema(value_type = String, example = "AES-256-GCM")]
    algorithm: &'static str,
    keys: i64,
    /// How many of them are over.
    over: i64,
    #[schema(value_type = String, format = DateTime)]
    earliest_created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    latest_created_at: Timestamp,
}

impl From<KeyFigures> for FiguresBody {
    fn from(of: KeyFigures) -> Self {
        Self {
            status: of.status.into(),
            algorithm: of.algorithm.name(),
            keys: of.keys,
            over: of.over,
            earliest_created_at: of.earliest_created_at,
            latest_created_at: of.latest_created_at,
        }
    }
}

impl From<KeysState> for StateBody {
    fn from(state: KeysState) -> Self {
        Self {
            initialised: state.initialised,
            key_store: KeyStoreBody {
                kind: state.key_store,
                purge_reaches_backups: state.key_store != "same_database",
                opens: state.tenant_key_opens,
            },
            rings: state.rings.into_iter().map(RingBody::from).collect(),
            keys: state.keys.into_iter().map(FiguresBody::from).collect(),
        }
    }
}

/// What was done to keys.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = KmsMaintenance)]
pub(super) struct MaintainedBody {
    /// Keys that were replaced.
    rotated: Vec<DoneBody>,
    /// Revoked keys that are gone.
    destroyed: Vec<DoneBody>,
    /// Rings that are gone.
    deleted: Vec<DoneBody>,
    /// What could not be done; the log says why.
    failed: Vec<DoneBody>,
}

/// A ring or a key to which something was done.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = KmsMaintenanceItem)]
struct DoneBody {
    ring: String,
    #[schema(value_type = Option<String>, example = "v3")]
    version: Option<KeyVersion>,
}

impl From<Done> for DoneBody {
    fn from(done: Done) -> Self {
        Self { ring: done.ring, version: done.version }
    }
}

impl From<Maintained> for MaintainedBody {
    fn from(done: Maintained) -> Self {
        let bodies = |of: Vec<Done>| of.into_iter().map(DoneBody::from).collect();
        Self {
            rotated: bodies(done.rotated),
            destroyed: bodies(done.destroyed),
            deleted: bodies(done.deleted),
            failed: done.failed.into_iter().map(|(one, _)| DoneBody::from(one)).collect(),
        }
    }
}

/// The variables of a ring's address.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct RingPath {
    /// The ring's name.
    pub(super) ring: String,
}

/// The variables of a key's address.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct KeyPath {
    /// The ring's name.
    pub(super) ring: String,
    /// The key's version, like `v3` or `3`.
    pub(super) version: String,
}

/// The variables of the address of a holder.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct ReferencePath {
    /// The ring's name.
    pub(super) ring: String,
    /// The key's version, like `v3` or `3`.
    pub(super) version: String,
    /// Who holds values: 1 to 64 of `[A-Za-z0-9._:-]`.
    pub(super) holder: String,
}

/// Which page of a list of keys.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct KeysQuery {
    /// Keys in the page, 1 to 200; 50 where absent.
    pub(super) limit: Option<u32>,
    /// The `next` of the page before.
    pub(super) cursor: Option<String>,
}
