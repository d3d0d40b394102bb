//! What can go wrong with keys.

use std::path::PathBuf;

use base::{Kind, Problem, Timestamp};

use crate::rings::{KeyVersion, Status};

/// The result of a verb of this slice.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a key could not be had or a secret not be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// PostgreSQL, and no root key was given.
    #[error(
        "no root key is given: on PostgreSQL set `SIGNET_ROOT_KEY` to 32 random bytes in base64 or hex \
         (`openssl rand -base64 32`), or `root_key_file` (`SIGNET_ROOT_KEY_FILE`) to a file that holds them; \
         the same for every node"
    )]
    NotGiven,
    /// The data was sealed under a key whose file is not there.
    #[error(
        "the root key file `{path}` is not there, but this database was sealed under a root key: put the \
         file back from its backup, or give its key as `SIGNET_ROOT_KEY`"
    )]
    FileMissing {
        /// Where the file was expected.
        path: PathBuf,
    },
    /// The file or its directory is not safe to use.
    #[error("the place of a key `{path}` is refused: {found}; {remedy}")]
    FileRefused {
        /// The file or the directory.
        path: PathBuf,
        /// What was found.
        found: String,
        /// What to do.
        remedy: String,
    },
    /// The file cannot be read, made or removed. `ErrStorageOperation` of document 002.
    #[error("the key file `{path}` cannot be {verb}")]
    File {
        /// The file or the directory.
        path: PathBuf,
        /// What failed: `read`, `made` or `removed`.
        verb: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The text is no key.
    #[error(
        "{origin} is no root key: found {found}, expected 32 random bytes in base64 (44 characters) or hex \
         (64 characters), as `openssl rand -base64 32` prints them"
    )]
    Malformed {
        /// Where the text came from.
        origin: String,
        /// What was found; never the text itself.
        found: String,
    },
    /// The check value belongs to another root.
    #[error(
        "this root key is not the one that the database was sealed under: give the right key as \
         `SIGNET_ROOT_KEY` or `root_key_file` (`SIGNET_ROOT_KEY_FILE`); nothing was changed"
    )]
    WrongRoot,
    /// The name of a ring has another form.
    #[error("the name of a key ring is 1 to 64 of `[a-z0-9_-]`")]
    BadRing,
    /// Wrong key, wrong identity or changed bytes: one error for all.
    #[error("the sealed value cannot be opened")]
    Unsealable,
    /// No value, or one that was not sealed by this key for this place: one error for all, so that nobody
    /// learns which. `ErrInvalidCiphertext` of document 002.
    #[error(
        "the ciphertext cannot be opened: expected one that this key ring made for this tenant and context, \
         unchanged"
    )]
    InvalidCiphertext,
    /// A key's version is a number from 1. `ErrInvalidKeyVersion` of document 002.
    #[error("a key's version is a number from 1 to 4294967295, such as `12` or `v12`")]
    InvalidKeyVersion,
    /// The cryptographic library failed. `ErrKeyEncryptionFail` of document 002.
    #[error("the value could not be encrypted")]
    EncryptionFailed,
    /// A value above its limit.
    #[error("{what} may have at most {limit} bytes")]
    TooLong {
        /// What is too long.
        what: &'static str,
        /// The limit, in bytes.
        limit: usize,
    },
    /// There is no key ring yet. `ErrKMSNotInitialized` of document 002.
    #[error(
        "no key ring has been made here: `POST …/kms/initialise` makes the first, or make one of your own"
    )]
    NotInitialised,
    /// There are key rings. `ErrKMSAlreadyInit` of document 002.
    #[error("there are key rings here already")]
    AlreadyInitialised,
    /// There is no such ring. `ErrKeyNotFound` of document 002.
    #[error("there is no key ring `{0}` here")]
    NoRing(String),
    /// The ring has no such key. `ErrKeyNotFound` of document 002.
    #[error("the key ring `{ring}` has no key {version}")]
    NoVersion {
        /// The ring.
        ring: String,
        /// The number asked for.
        version: KeyVersion,
    },
    /// The ring has no key that encrypts. `ErrNoActiveKey` of document 002.
    #[error("the key ring `{0}` has no active key; a rotation makes one")]
    NoActiveKey(String),
    /// The active key's time and grace are over, and no other could be made. `ErrKeyExpired` of document 002.
    #[error("the time of the key {version} of the ring `{ring}` is over, and it could not be replaced")]
    Expired {
        /// The ring.
        ring: String,
        /// The key.
        version: KeyVersion,
    },
    /// The key is revoked.
    #[error("the key {version} of the ring `{ring}` is revoked: what is under it cannot be read")]
    Revoked {
        /// The ring.
        ring: String,
        /// The key.
        version: KeyVersion,
    },
    /// The key came before the first that decrypts. `ErrInvalidKeyVersion` of document 002.
    #[error("values under the key {version} are not read any more: the ring's first is {minimum}")]
    BelowMinimum {
        /// The key.
        version: KeyVersion,
        /// The ring's minimum.
        minimum: KeyVersion,
    },
    /// A rollback goes to a key that came before the active one.
    #[error("the key {version} did not come before the active one, {active}: a rotation makes a new one")]
    NotEarlier {
        /// The key asked for.
        version: KeyVersion,
        /// The active one.
        active: KeyVersion,
    },
    /// The key has encrypted as many values as it may.
    #[error("the key {version} of the ring `{ring}` has encrypted as many values as it may")]
    Spent {
        /// The ring.
        ring: String,
        /// The key.
        version: KeyVersion,
    },
    /// The state of the key does not allow that.
    #[error("the key {version} of the ring `{ring}` is {} and cannot be {done}: {}", from.word(), from.steps())]
    IllegalStep {
        /// The ring.
        ring: String,
        /// The key.
        version: KeyVersion,
        /// The state it has.
        from: Status,
        /// What was asked for, as a participle.
        done: &'static str,
    },
    /// The ring is about to go.
    #[error(
        "the key ring `{ring}` goes at {at}, and nothing can be done with it until its deletion is cancelled"
    )]
    RingScheduled {
        /// The ring.
        ring: String,
        /// When it goes.
        at: Timestamp,
    },
    /// There is nothing to cancel.
    #[error("the {0} is not scheduled to go")]
    NotScheduled(&'static str),
    /// A ring of this name is there.
    #[error("there is a key ring `{0}`")]
    Taken(String),
    /// A value is wrong: pointer, code, what was found and expected.
    #[error("{detail}")]
    Invalid {
        /// JSON pointer to the value.
        pointer: String,
        /// Stable code.
        code: &'static str,
        /// What was found and expected.
        detail: String,
    },
    /// There is no such algorithm. `ErrInvalidAlgorithm` of document 002.
    #[error("found `{found}`, expected AES-256-GCM, ChaCha20-Poly1305, SM4-GCM or AES-256-CBC")]
    InvalidAlgorithm {
        /// What was found.
        found: String,
    },
    /// There are as many as there may be.
    #[error("{0}")]
    LimitReached(String),
    /// Values are still held under it.
    #[error("{0}")]
    InUse(String),
    /// What the caller's `If-Match` says does not hold.
    #[error("{}", .0.detail())]
    Precondition(Problem),
    /// A wrapped key is missing, changed, or wrapped by another. `ErrKeyDecryptionFail` of document 002.
    #[error("the key that wraps this tenant's keys is missing from the key store, or does not fit them")]
    KeyDecryption,
    /// No key could be made. `ErrKeyGenerationFail` of document 002.
    #[error("a key could not be made")]
    KeyGeneration,
    /// The database of the key store. `ErrStorageOperation` of document 002.
    #[error("the key store's database failed")]
    KeyDatabase(#[source] store::StoreError),
    /// Some of what was due could not be done. `ErrCleanupFailed` of document 002.
    #[error("{failed} of what is due to keys could not be done; the first because {first}")]
    CleanupFailed {
        /// How many.
        failed: usize,
        /// Why the first.
        first: String,
    },
    /// The process is about to end. `ErrSystemShutdown` of document 002.
    #[error("this node is stopping and opens no more keys")]
    ShutDown,
    /// What became of the only item of a call.
    #[error("{}", .0.detail())]
    Refused(Problem),
    /// A broken invariant.
    #[error("a broken invariant")]
    Bug(Problem),
    /// The database.
    #[error("the database failed")]
    Store(#[from] store::StoreError),
    /// The context.
    #[error(transparent)]
    Authz(#[from] authz::Error),
}

impl Error {
    /// A wrong value.
    pub(crate) fn invalid(pointer: &str, code: &'static str, detail: impl Into<String>) -> Self {
        Self::Invalid { pointer: pointer.to_owned(), code, detail: detail.into() }
    }

    /// A failure of the key store's own database; what is wrong with its configuration stays that.
    pub(crate) fn key_database(error: store::StoreError) -> Self {
        match error {
            error @ store::StoreError::Configuration(_) => Self::Store(error),
            error => Self::KeyDatabase(error),
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        match error {
            Error::InvalidCiphertext => Self::new(Kind::Invalid, "kms_invalid_ciphertext", text),
            Error::InvalidKeyVersion => Self::new(Kind::Invalid, "kms_invalid_key_version", text),
            Error::EncryptionFailed => {
                Self::new(Kind::Internal, "kms_key_encryption_failed", "the value could not be encrypted")
                    .because(error)
            }
            Error::TooLong { .. } => Self::new(Kind::Invalid, "kms_value_too_long", text),
            Error::NotInitialised => Self::new(Kind::Conflict, "kms_not_initialised", text),
            Error::AlreadyInitialised => Self::new(Kind::Conflict, "kms_already_initialised", text),
            Error::NoRing(_) | Error::NoVersion { .. } => Self::new(Kind::NotFound, "kms_key_not_found", text),
            Error::NoActiveKey(_) => Self::new(Kind::Conflict, "kms_no_active_key", text),
            Error::Expired { .. } => Self::new(Kind::Unavailable, "kms_key_expired", text).retry_after(60),
            Error::Revoked { .. } => Self::new(Kind::Conflict, "kms_key_revoked", text),
            Error::BelowMinimum { .. } => Self::new(Kind::Invalid, "kms_invalid_key_version", text),
            Error::NotEarlier { .. } => Self::new(Kind::Conflict, "kms_not_earlier", text),
            Error::Spent { .. } => Self::new(Kind::Conflict, "kms_key_spent", text),
            Error::IllegalStep { .. } => Self::new(Kind::Conflict, "illegal_status_change", text),
            Error::RingScheduled { .. } => Self::new(Kind::Conflict, "kms_ring_scheduled", text),
            Error::NotScheduled(_) => Self::new(Kind::Conflict, "kms_not_scheduled", text),
            Error::Taken(_) => Self::new(Kind::Conflict, "name_taken", text),
            Error::Invalid { pointer, code, detail } => {
                Self::new(Kind::Invalid, "invalid", detail.clone()).field(pointer, code, detail)
            }
            Error::InvalidAlgorithm { .. } => Self::new(Kind::Invalid, "kms_invalid_algorithm", text.clone())
                .field("/algorithm", "kms_invalid_algorithm", text),
            Error::LimitReached(_) => Self::new(Kind::Conflict, "limit_reached", text),
            Error::InUse(_) => Self::new(Kind::Conflict, "in_use", text),
            Error::Precondition(problem) | Error::Refused(problem) | Error::Bug(problem) => problem,
            Error::KeyDecryption => Self::new(Kind::Conflict, "kms_key_decryption_failed", text).because(error),
            Error::KeyGeneration => {
                Self::new(Kind::Internal, "kms_key_generation_failed", text).because(error)
            }
            Error::File { .. } | Error::KeyDatabase(_) => Self::new(
                Kind::Unavailable,
                "kms_storage_failed",
                "the store of tenant keys does not answer as it should; the trace id finds the reason in the log",
            )
            .retry_after(5)
            .because(error),
            Error::CleanupFailed { .. } => Self::new(
                Kind::Internal,
                "kms_cleanup_failed",
                "some of what is due to keys could not be done; the trace id finds the reasons in the log",
            )
            .because(error),
            Error::ShutDown => Self::new(Kind::Unavailable, "kms_shut_down", text).retry_after(1),
            Error::Store(error) => error.into(),
            Error::Authz(error) => error.into(),
            other => Self::internal("a key operation failed").because(other),
        }
    }
}
