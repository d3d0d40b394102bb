//! What a new password must be, and the words for what it is not.

use directory::config::PasswordPolicy;
use web::Language;

use super::hasher::{BadCandidate, Candidate, PASSWORD_BYTES_MAX};

/// The password of the default administrator: it serves once, on this machine, and never again.
pub const DEFAULT_ADMIN_PASSWORD: &str = "Admin@123";

/// Passwords that satisfy the usual rules and that everybody tries first.
const KNOWN_PASSWORDS: &[&str] = &[
    DEFAULT_ADMIN_PASSWORD,
    "abc123xyz",
    "Aa@123456",
    "Abc@1234",
    "Abcd@1234",
    "Admin123!",
    "Passw0rd!",
    "Password1!",
    "Password@1",
    "Password@123",
    "Password123!",
    "P@ssw0rd",
    "P@ssw0rd1",
    "P@ssw0rd123",
    "P@ssword1",
    "Pa$$w0rd",
    "Qwerty123!",
    "Qwerty@123",
    "Test@123",
    "Test@1234",
    "Welcome1!",
    "Welcome@1",
    "Welcome@123",
];

/// Hashes that stand in tutorials and test suites. A row that holds one signs nobody in (requirements
/// B2.2).
pub(crate) const KNOWN_HASHES: &[&str] = &[
    PUZZLE_HASH,
    // `abc123xyz`, which stands among the known passwords.
    "$2a$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW",
];

/// The known hash whose password is not known: a new password is held against it.
pub(crate) const PUZZLE_HASH: &str = "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy";

/// Says whether a stored hash is one of those that everybody knows, whatever its prefix says.
pub(crate) fn is_known_hash(hash: &str) -> bool {
    let tail = |text: &str| text.get(4..).map(str::to_owned);
    KNOWN_HASHES.iter().any(|known| tail(known) == tail(hash))
}

/// What is wrong with a new password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weakness {
    /// Nothing was given.
    Empty,
    /// Fewer characters than the tenant asks for.
    TooShort {
        /// The least number of characters.
        min: usize,
    },
    /// More than 72 bytes.
    TooLong,
    /// A NUL character.
    Nul,
    /// No upper-case letter.
    NoUpper,
    /// No lower-case letter.
    NoLower,
    /// No digit.
    NoNumber,
    /// No character besides letters and digits.
    NoSpecial,
    /// The user name with something around it.
    IsUserName,
    /// One of the passwords that everybody knows.
    Known,
    /// One of the last passwords.
    Reused {
        /// How many of the last are remembered.
        count: u32,
    },
}

impl Weakness {
    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Empty => "password_empty",
            Self::TooShort { .. } => "password_too_short",
            Self::TooLong => "password_too_long",
            Self::Nul => "password_has_nul",
            Self::NoUpper => "password_needs_upper",
            Self::NoLower => "password_needs_lower",
            Self::NoNumber => "password_needs_number",
            Self::NoSpecial => "password_needs_special",
            Self::IsUserName => "password_is_username",
            Self::Known => "password_known",
            Self::Reused { .. } => "password_reused",
        }
    }

    /// The words for people.
    pub fn text(self, language: Language) -> String {
        match (self, language) {
            (Self::Empty, Language::En) => "a new password is needed".to_owned(),
            (Self::Empty, Language::Zh) => "请输入新密码".to_owned(),
            (Self::TooShort { min }, Language::En) => format!("must have at least {min} characters"),
            (Self::TooShort { min }, Language::Zh) => format!("至少需要 {min} 个字符"),
            (Self::TooLong, Language::En) => {
                format!(
                    "must have at most {PASSWORD_BYTES_MAX} bytes: letters of other scripts take 2 to 4 each"
                )
            }
            (Self::TooLong, Language::Zh) => {
                format!("最多 {PASSWORD_BYTES_MAX} 个字节(一个汉字占 3 个字节)")
            }
            (Self::Nul, Language::En) => "must not contain the character NUL".to_owned(),
            (Self::Nul, Language::Zh) => "不能包含空字符".to_owned(),
            (Self::NoUpper, Language::En) => "must have an upper-case letter".to_owned(),
            (Self::NoUpper, Language::Zh) => "需要包含大写字母".to_owned(),
            (Self::NoLower, Language::En) => "must have a lower-case letter".to_owned(),
            (Self::NoLower, Language::Zh) => "需要包含小写字母".to_owned(),
            (Self::NoNumber, Language::En) => "must have a digit".to_owned(),
            (Self::NoNumber, Language::Zh) => "需要包含数字".to_owned(),
            (Self::NoSpecial, Language::En) => {
                "must have a character that is neither a letter nor a digit".to_owned()
            }
            (Self::NoSpecial, Language::Zh) => "需要包含字母和数字以外的字符".to_owned(),
            (Self::IsUserName, Language::En) => {
                "must not be the user name, also not with digits and signs around it".to_owned()
            }
            (Self::IsUserName, Language::Zh) => "不能是用户名(前后加数字或符号也不行)".to_owned(),
            (Self::Known, Language::En) => "is one that everybody knows; choose another".to_owned(),
            (Self::Known, Language::Zh) => "这是众所周知的密码,请换一个".to_owned(),
            (Self::Reused { count }, Language::En) => format!("must not be one of the last {count}"),
            (Self::Reused { count }, Language::Zh) => format!("不能与最近 {count} 次的密码相同"),
        }
    }
}

impl From<BadCandidate> for Weakness {
    fn from(bad: BadCandidate) -> Self {
        match bad {
            BadCandidate::Empty => Self::Empty,
            BadCandidate::TooLong => Self::TooLong,
            BadCandidate::Nul => Self::Nul,
        }
    }
}

/// Checks everything that needs no look at other passwords.
pub(crate) fn weaknesses(rules: &PasswordPolicy, username: &str, candidate: &Candidate) -> Vec<Weakness> {
    let text = candidate.expose();
    let mut found = Vec::new();
    let length_min = usize::try_from(rules.min_length).unwrap_or(usize::MAX);
    if text.chars().count() < length_min {
        found.push(Weakness::TooShort { min: length_min });
    }
    if rules.require_uppercase && !text.chars().any(char::is_uppercase) {
        found.push(Weakness::NoUpper);
    }
    if rules.require_lowercase && !text.chars().any(char::is_lowercase) {
        found.push(Weakness::NoLower);
    }
    if rules.require_number && !text.chars().any(char::is_numeric) {
        found.push(Weakness::NoNumber);
    }
    if rules.require_special && text.chars().all(char::is_alphanumeric) {
        found.push(Weakness::NoSpecial);
    }
    let key = base::text::name_key(text);
    if KNOWN_PASSWORDS.iter().any(|known| base::text::name_key(known) == key) {
        found.push(Weakness::Known);
    } else if is_derived(&key, &base::text::name_key(username)) {
        found.push(Weakness::IsUserName);
    }
    found
}

/// NIST SP 800-63B-4 section 3.1.1.2 names the user name and its derivatives among the words to block.
fn is_derived(password_key: &str, username_key: &str) -> bool {
    let core = |text: &str| text.trim_matches(|c: char| !c.is_alphabetic()).to_owned();
    let name = core(username_key);
    password_key == username_key || (!name.is_empty() && core(password_key) == name)
}

#[cfg(test)]
mod tests {
    use base::Secret;

    use super::*;

    fn check(text: &str) -> Vec<Weakness> {
        let candidate = Candidate::parse(&Secret::new(text.to_owned())).unwrap();
        weaknesses(&PasswordPolicy::default(), "maria", &candidate)
    }

    #[test]
    fn each_rule_has_a_password_that_breaks_it_alone() {
        let table = [
            ("Ab1!xyz", vec![Weakness::TooShort { min: 8 }]),
            ("ab1!xyzw", vec![Weakness::NoUpper]),
            ("AB1!XYZW", vec![Weakness::NoLower]),
            ("Abc!xyzw", vec![Weakness::NoNumber]),
            ("Abc1xyzw", vec![Weakness::NoSpecial]),
            ("Admin@123", vec![Weakness::Known]),
            ("aDMIN@123", vec![Weakness::Known]),
            ("Maria-2026", vec![Weakness::IsUserName]),
            ("Ab1!xyzw", vec![]),
            ("Ünter-Wegs7", vec![]),
        ];
        for (text, expected) in table {
            assert_eq!(check(text), expected, "{text}");
        }
    }

    #[test]
    fn a_rule_that_is_off_refuses_nothing() {
        let off = PasswordPolicy {
            require_uppercase: false,
            require_lowercase: false,
            require_number: false,
            require_special: false,
            ..PasswordPolicy::default()
        };
        let candidate = Candidate::parse(&Secret::new("correct horse".to_owned())).unwrap();

        assert_eq!(weaknesses(&off, "maria", &candidate), vec![]);
    }

    #[test]
    fn h25_text_that_bcrypt_would_cut_or_stop_at_is_no_password() {
        let parse = |text: String| Candidate::parse(&Secret::new(text)).map(|c| c.expose().to_owned());

        assert_eq!(parse("x".repeat(72)), Ok("x".repeat(72)));
        assert_eq!(parse("x".repeat(73)), Err(BadCandidate::TooLong));
        assert_eq!(parse("é".repeat(37)), Err(BadCandidate::TooLong));
        assert_eq!(parse("x".repeat(1024 * 1024)), Err(BadCandidate::TooLong));
        assert_eq!(parse("a\0b".to_owned()), Err(BadCandidate::Nul));
        assert_eq!(parse(String::new()), Err(BadCandidate::Empty));
    }

    #[test]
    fn h25_the_same_password_typed_composed_and_decomposed_is_one() {
        let composed = Candidate::parse(&Secret::new("Café-1234".to_owned())).unwrap();
        let decomposed = Candidate::parse(&Secret::new("Cafe\u{301}-1234".to_owned())).unwrap();

        assert_eq!(composed.expose(), decomposed.expose());
    }

    #[test]
    fn the_other_known_hash_is_that_of_a_known_password() {
        let hash = KNOWN_HASHES.iter().find(|hash| **hash != PUZZLE_HASH).unwrap();

        assert!(KNOWN_PASSWORDS.iter().any(|known| bcrypt::verify(known, hash).unwrap()));
    }

    #[test]
    fn hashes_of_tutorials_are_known_under_any_prefix() {
        assert!(is_known_hash("$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"));
        assert!(is_known_hash("$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"));
        assert!(!is_known_hash("$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWz"));
    }
}
