//! Hashes that another system made: read with limits, verified, and replaced by our own at the first
//! sign-in (ADR 0018).
//!
//! Only schemes that are slow by design, with bounded work: bcrypt, and PBKDF2 with SHA-256 or SHA-512 in
//! the forms of Django and passlib. Everything else is refused when it is imported.

use std::num::NonZeroU32;

use aws_lc_rs::pbkdf2;
use base::Secret;
use base64::Engine;
use base64::alphabet::{Alphabet, STANDARD};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::rules::is_known_hash;

/// The lowest cost of an imported bcrypt: what the function itself takes.
const BCRYPT_COST_MIN: u32 = 4;
/// The highest cost of an imported bcrypt: about two seconds of a core for each attempt to sign in.
const BCRYPT_COST_MAX: u32 = 15;
/// The fewest rounds of an imported PBKDF2: with fewer it is a fast hash under another name.
const ITERATIONS_MIN: u32 = 1_000;
/// The most rounds of an imported PBKDF2: about a second of a core for each attempt to sign in.
const ITERATIONS_MAX: u32 = 2_000_000;
/// The least and the most bytes of a salt.
const SALT_BYTES: std::ops::RangeInclusive<usize> = 4..=64;
/// The longest text of a hash.
const TEXT_BYTES_MAX: usize = 512;
/// Characters of bcrypt's salt and digest.
const BCRYPT_TAIL_CHARS: usize = 53;

/// Why a hash cannot be imported. The hash itself is never shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadImport {
    /// No scheme that is taken.
    #[error(
        "the scheme is none of `bcrypt`, `pbkdf2-sha256` and `pbkdf2-sha512`; fast hashes such as MD5 and SHA-1 \
         are not taken, argon2 not yet: these people choose a new password by a one-time link"
    )]
    Scheme,
    /// Not the form of its scheme.
    #[error("the hash has not the form of its scheme: {0}")]
    Form(&'static str),
    /// Work beyond the bounds.
    #[error("the hash's {what} is {found}, expected {min} to {max}")]
    Work {
        /// What is counted.
        what: &'static str,
        /// What was found.
        found: u32,
        /// The least.
        min: u32,
        /// The most.
        max: u32,
    },
    /// A hash whose password everybody knows.
    #[error("the hash stands in tutorials, and its password is known to everybody")]
    Known,
}

/// How an imported hash was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// bcrypt with the prefix `$2a$`, `$2b$` or `$2y$`.
    Bcrypt,
    /// PBKDF2 with HMAC-SHA-256.
    Pbkdf2Sha256,
    /// PBKDF2 with HMAC-SHA-512.
    Pbkdf2Sha512,
}

impl Scheme {
    /// Reads the scheme's name. Fails with [`BadImport::Scheme`].
    pub fn parse(name: &str) -> Result<Self, BadImport> {
        [Self::Bcrypt, Self::Pbkdf2Sha256, Self::Pbkdf2Sha512]
            .into_iter()
            .find(|scheme| scheme.as_str() == name)
            .ok_or(BadImport::Scheme)
    }

    /// The name, as it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bcrypt => "bcrypt",
            Self::Pbkdf2Sha256 => "pbkdf2-sha256",
            Self::Pbkdf2Sha512 => "pbkdf2-sha512",
        }
    }

    /// The names of a PBKDF2 in Django's form and in passlib's, its function and its bytes.
    fn pbkdf2(self) -> Option<(&'static str, &'static str, pbkdf2::Algorithm, usize)> {
        match self {
            Self::Bcrypt => None,
            Self::Pbkdf2Sha256 => Some(("pbkdf2_sha256$", "$pbkdf2-sha256$", pbkdf2::PBKDF2_HMAC_SHA256, 32)),
            Self::Pbkdf2Sha512 => Some(("pbkdf2_sha512$", "$pbkdf2-sha512$", pbkdf2::PBKDF2_HMAC_SHA512, 64)),
        }
    }
}

/// A hash of another system, known to be well formed and of bounded work.
#[derive(Clone)]
pub struct ImportedHash {
    scheme: Scheme,
    text: Secret<String>,
    work: Work,
}

#[derive(Clone)]
enum Work {
    Bcrypt,
    Pbkdf2 { algorithm: pbkdf2::Algorithm, iterations: NonZeroU32, salt: Vec<u8>, digest: Vec<u8> },
}

impl std::fmt::Debug for ImportedHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ImportedHash").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

impl ImportedHash {
    /// Reads a hash. Fails with [`BadImport`], which says what was found and what would be right.
    pub fn parse(scheme: Scheme, text: Secret<String>) -> Result<Self, BadImport> {
        if text.expose().len() > TEXT_BYTES_MAX {
            return Err(BadImport::Form("at most 512 bytes"));
        }
        let work = match scheme.pbkdf2() {
            None => read_bcrypt(text.expose())?,
            Some((django, passlib, algorithm, bytes)) => match text.expose().strip_prefix(passlib) {
                Some(rest) => read_passlib(rest, algorithm, bytes)?,
                None => {
                    let rest = text.expose().strip_prefix(django);
                    let forms = "`$pbkdf2-…$ROUNDS$SALT$DIGEST` or `pbkdf2_…$ROUNDS$SALT$DIGEST`";
                    read_django(rest.ok_or(BadImport::Form(forms))?, algorithm, bytes)?
                }
            },
        };
        Ok(Self { scheme, text, work })
    }

    /// How it was made.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Lends the text, for the one column that stores it.
    pub(crate) fn expose(&self) -> &str {
        self.text.expose()
    }

    /// Whether it is the hash of this password. Takes as long as the hash was made to take.
    pub(crate) fn matches(&self, password: &str) -> bool {
        match &self.work {
            // Form and cost were checked: what remains is no.
            Work::Bcrypt => bcrypt::verify(password, self.text.expose()).unwrap_or(false),
            Work::Pbkdf2 { algorithm, iterations, salt, digest } => {
                pbkdf2::verify(*algorithm, *iterations, salt, password.as_bytes(), digest).is_ok()
            }
        }
    }
}

/// `$2b$12$` and 53 characters. `$2x$` names an implementation with a defect and is not taken.
fn read_bcrypt(text: &str) -> Result<Work, BadImport> {
    let form = BadImport::Form("`$2a$`, `$2b$` or `$2y$`, a cost of two digits, `$` and 53 characters");
    let rest = ["$2a$", "$2b$", "$2y$"].iter().find_map(|prefix| text.strip_prefix(prefix)).ok_or(form)?;
    let (cost, tail) = rest.split_once('$').ok_or(form)?;
    let tail_fits = tail.len() == BCRYPT_TAIL_CHARS
        && tail.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'/');
    if cost.len() != 2 || !tail_fits {
        return Err(form);
    }
    number("cost", cost, form, BCRYPT_COST_MIN, BCRYPT_COST_MAX)?;
    if is_known_hash(text) {
        return Err(BadImport::Known);
    }
    Ok(Work::Bcrypt)
}

/// Django: rounds, the salt as text, the digest in base64 with padding.
fn read_django(rest: &str, algorithm: pbkdf2::Algorithm, bytes: usize) -> Result<Work, BadImport> {
    let (rounds, salt, digest) = three(rest)?;
    let digest = engine(&STANDARD, DecodePaddingMode::RequireCanonical).decode(digest).ok();
    pbkdf2(rounds, salt.as_bytes().to_vec(), digest, algorithm, bytes)
}

/// passlib: rounds, salt and digest in its own base64, with `.` for `+` and without padding.
fn read_passlib(rest: &str, algorithm: pbkdf2::Algorithm, bytes: usize) -> Result<Work, BadImport> {
    let (rounds, salt, digest) = three(rest)?;
    let decode = |text: &str| {
        let plain = !text.contains('+');
        engine(&STANDARD, DecodePaddingMode::RequireNone)
            .decode(text.replace('.', "+"))
            .ok()
            .filter(|_| plain)
    };
    let salt = decode(salt).ok_or(BadImport::Form("the salt is not passlib's base64"))?;
    pbkdf2(rounds, salt, decode(digest), algorithm, bytes)
}

fn pbkdf2(
    rounds: &str,
    salt: Vec<u8>,
    digest: Option<Vec<u8>>,
    algorithm: pbkdf2::Algorithm,
    bytes: usize,
) -> Result<Work, BadImport> {
    let rounds = number(
        "number of rounds",
        rounds,
        BadImport::Form("the rounds are a number"),
        ITERATIONS_MIN,
        ITERATIONS_MAX,
    )?;
    if !SALT_BYTES.contains(&salt.len()) {
        return Err(BadImport::Form("the salt has 4 to 64 bytes"));
    }
    let digest = digest.filter(|digest| digest.len() == bytes);
    let digest =
        digest.ok_or(BadImport::Form("the digest is base64 of 32 bytes (SHA-256) or 64 (SHA-512)"))?;
    let iterations = NonZeroU32::new(rounds).ok_or(BadImport::Form("the rounds are a number"))?;
    Ok(Work::Pbkdf2 { algorithm, iterations, salt, digest })
}

fn three(rest: &str) -> Result<(&str, &str, &str), BadImport> {
    let mut parts = rest.split('$');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(rounds), Some(salt), Some(digest), None) => Ok((rounds, salt, digest)),
        _ => Err(BadImport::Form("rounds, salt and digest, apart by `$`")),
    }
}

fn number(what: &'static str, text: &str, form: BadImport, min: u32, max: u32) -> Result<u32, BadImport> {
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(form);
    }
    let found = text.parse().map_err(|_| form)?;
    if (min..=max).contains(&found) { Ok(found) } else { Err(BadImport::Work { what, found, min, max }) }
}

fn engine(alphabet: &Alphabet, padding: DecodePaddingMode) -> GeneralPurpose {
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(padding).with_decode_allow_trailing_bits(false);
    GeneralPurpose::new(alphabet, config)
}

#[cfg(test)]
mod tests;
