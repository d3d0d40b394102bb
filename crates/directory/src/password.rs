//! A stored password hash: checked in form, never shown. Hashing and verifying are `authn`'s.

use std::fmt;

use base::{Random, Secret};
use base64::Engine;
use base64::alphabet;
use base64::engine::{GeneralPurpose, general_purpose::NO_PAD};

/// The lowest cost of bcrypt that is stored.
pub const COST_MIN: u32 = 10;
/// The highest cost of bcrypt that is stored.
pub const COST_MAX: u32 = 31;
/// The cost of hashes that nothing verifies against, the same as that of new passwords.
const COST_UNUSABLE: &str = "12";
/// Characters of a bcrypt hash.
const HASH_CHARS: usize = 60;

/// bcrypt's own base64 (Provos and Mazières, "A Future-Adaptable Password Scheme").
const BCRYPT: GeneralPurpose = GeneralPurpose::new(&alphabet::BCRYPT, NO_PAD);

/// A bcrypt hash of the form `$2a$` and a cost from 10 to 31.
#[derive(Clone)]
pub struct PasswordHash(Secret<String>);

/// The text is no hash that may be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a password hash is bcrypt of the form `$2a$` with a cost from {COST_MIN} to {COST_MAX}")]
pub struct BadHash;

impl PasswordHash {
    /// Takes a hash. Fails with [`BadHash`] on any other form; the text is never shown.
    pub fn parse(text: impl Into<String>) -> Result<Self, BadHash> {
        let text = Secret::new(text.into());
        let rest = text.expose().strip_prefix("$2a$").filter(|_| text.expose().len() == HASH_CHARS);
        let (cost, tail) = rest.and_then(|rest| rest.split_once('$')).ok_or(BadHash)?;
        let cost_fits =
            cost.len() == 2 && cost.parse::<u32>().is_ok_and(|cost| (COST_MIN..=COST_MAX).contains(&cost));
        let tail_fits = tail.bytes().all(|b| b.is_ascii_alphanumeric() || b"./".contains(&b));
        if cost_fits && tail_fits { Ok(Self(text)) } else { Err(BadHash) }
    }

    /// A hash that no known password has: random salt and random digest. Checking a password against it
    /// costs as much as against any other.
    pub fn unusable(random: &dyn Random) -> Self {
        let (mut salt, mut digest) = ([0u8; 16], [0u8; 23]);
        random.fill(&mut salt);
        random.fill(&mut digest);
        let text = format!("$2a${COST_UNUSABLE}${}{}", BCRYPT.encode(salt), BCRYPT.encode(digest));
        Self(Secret::new(text))
    }

    /// Lends the text, for the one column that stores it and for the code that verifies.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash([secret])")
    }
}

#[cfg(test)]
mod tests {
    use base::SeededRandom;

    use super::*;

    #[test]
    fn only_bcrypt_2a_of_sufficient_cost_is_a_hash() {
        let good = "$2a$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW";
        assert!(PasswordHash::parse(good).is_ok());
        assert!(!format!("{:?}", PasswordHash::parse(good)).contains("R9h"));
        for bad in [
            "",
            "Admin@123",
            &good.replace("$2a$", "$2y$"),
            &good.replace("$12$", "$09$"),
            &good.replace("$12$", "$+9$"),
            &good.replace("$12$", "$32$"),
            &good[..59],
            &good.replace("R9", "R$"),
            &format!("{good}x"),
        ] {
            assert_eq!(PasswordHash::parse(bad).err(), Some(BadHash), "{bad}");
        }
    }

    #[test]
    fn an_unusable_hash_has_the_stored_form_and_is_never_the_same() {
        let random = SeededRandom::new(1);
        let (a, b) = (PasswordHash::unusable(&random), PasswordHash::unusable(&random));

        assert!(PasswordHash::parse(a.expose()).is_ok());
        assert_ne!(a.expose(), b.expose());
    }
}
