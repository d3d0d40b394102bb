//! What can go wrong with keys.

use std::path::PathBuf;

use base::{Kind, Problem};

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
    #[error("the root key at `{path}` is refused: {found}; {remedy}")]
    FileRefused {
        /// The file or the directory.
        path: PathBuf,
        /// What was found.
        found: String,
        /// What to do.
        remedy: String,
    },
    /// The file cannot be read or made.
    #[error("the root key file `{path}` cannot be {verb}")]
    File {
        /// The file or the directory.
        path: PathBuf,
        /// What failed: `read` or `made`.
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
    /// The database.
    #[error("the key check value could not be read or stored")]
    Store(#[from] store::StoreError),
    /// The context.
    #[error("the key check value could not be read or stored")]
    Authz(#[from] authz::Error),
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
            Error::Store(error) => error.into(),
            Error::Authz(error) => error.into(),
            other => Self::internal("a key operation failed").because(other),
        }
    }
}
