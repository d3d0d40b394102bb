//! Vectors with their sources, and texts that are refused.

use super::*;

fn read(scheme: Scheme, text: &str) -> Result<ImportedHash, BadImport> {
    ImportedHash::parse(scheme, Secret::new(text.to_owned()))
}

#[test]
fn published_vectors_verify_and_a_wrong_password_does_not() {
    use Scheme::{Bcrypt, Pbkdf2Sha256, Pbkdf2Sha512};
    let table = [
        // Openwall crypt_blowfish, wrapper.c, which gives them for all three prefixes.
        (Bcrypt, "U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
        (Bcrypt, "U*U", "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
        (Bcrypt, "U*U", "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
        // RFC 7914 section 11: the first 32 of its 64 bytes are the first block, which is our digest.
        (Pbkdf2Sha256, "Password", "pbkdf2_sha256$80000$NaCl$TdzY9guYviGDDO5e8icB+WQaRBjQTAQUrv8Ih2s0q1Y="),
        // Django, tests/auth_tests/test_hashers.py, of version 1.5.
        (Pbkdf2Sha256, "lètmein", "pbkdf2_sha256$10000$seasalt$CWWFdHOWwPnki7HvkcqN9iA2T3KLW1cf2uZ5kvArtVY="),
        // passlib, tests/test_handlers.py.
        (
            Pbkdf2Sha256,
            "password",
            "$pbkdf2-sha256$1212$4vjV83LKPjQzk31VI4E0Vw$hsYF68OiOUPdDZ1Fg.fJPeq1h/gXXY7acBp9/6c.tmQ",
        ),
        (
            Pbkdf2Sha512,
            "password",
            "$pbkdf2-sha512$1212$RHY0Fr3IDMSVO/RSZyb5ow$eNLfBK.eVozomMr.1gYa17k9B7KIK25NOEshvhrSX.esqY3s.FvWZViXz4KoLlQI.BzY/YTNJOiKc5gBYFYGww",
        ),
    ];
    for (scheme, password, text) in table {
        let hash = read(scheme, text).unwrap();
        assert!(hash.matches(password), "{text}");
        assert!(!hash.matches("Password2"), "{text}");
        assert!(!format!("{hash:?}").contains(&text[30..]), "a hash was shown");
    }
}

#[test]
fn only_slow_schemes_with_bounded_work_are_taken() {
    for name in ["md5", "sha1", "ssha", "pbkdf2-sha1", "argon2id", "plain", "BCRYPT", ""] {
        assert_eq!(Scheme::parse(name).err(), Some(BadImport::Scheme), "{name}");
    }
    let bcrypt = |cost: &str| format!("$2b${cost}$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW");
    assert!(read(Scheme::Bcrypt, &bcrypt("15")).is_ok());
    for cost in ["03", "16", "31"] {
        assert!(matches!(read(Scheme::Bcrypt, &bcrypt(cost)), Err(BadImport::Work { .. })), "{cost}");
    }
    let rounds = |rounds: &str| {
        let text = format!("pbkdf2_sha256${rounds}$seasalt$CWWFdHOWwPnki7HvkcqN9iA2T3KLW1cf2uZ5kvArtVY=");
        read(Scheme::Pbkdf2Sha256, &text)
    };
    assert!(rounds("1000").is_ok() && rounds("2000000").is_ok());
    for wrong in ["999", "2000001", "0"] {
        assert!(matches!(rounds(wrong), Err(BadImport::Work { .. })), "{wrong}");
    }
    for wrong in ["", "-1", "+5000", "1e6", "99999999999"] {
        assert!(matches!(rounds(wrong), Err(BadImport::Form(_))), "{wrong}");
    }
}

#[test]
fn texts_of_another_form_are_refused_and_never_shown() {
    use Scheme::{Bcrypt, Pbkdf2Sha256, Pbkdf2Sha512};
    let digest = "CWWFdHOWwPnki7HvkcqN9iA2T3KLW1cf2uZ5kvArtVY=";
    let table = [
        (Bcrypt, "5f4dcc3b5aa765d61d8327deb882cf99".to_owned()),
        (Bcrypt, "$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW".to_owned()),
        (Bcrypt, "$2b$5$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW".to_owned()),
        (Bcrypt, "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOe".to_owned()),
        (Bcrypt, "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW\n".to_owned()),
        (Pbkdf2Sha512, format!("pbkdf2_sha512$10000$seasalt${digest}")),
        (Pbkdf2Sha256, format!("pbkdf2_sha1$10000$seasalt${digest}")),
        (Pbkdf2Sha256, format!("pbkdf2_sha256$10000$sea${digest}")),
        (Pbkdf2Sha256, format!("pbkdf2_sha256$10000${}${digest}", "x".repeat(65))),
        (Pbkdf2Sha256, format!("pbkdf2_sha256$10000$seasalt${}", digest.trim_end_matches('='))),
        (Pbkdf2Sha256, format!("pbkdf2_sha256$10000$seasalt${digest}$more")),
        (Pbkdf2Sha256, "pbkdf2_sha256$10000$seasalt".to_owned()),
        (Pbkdf2Sha256, format!("$pbkdf2-sha256$10000$c2Vhc2FsdA==${digest}")),
        (Pbkdf2Sha256, "x".repeat(513)),
    ];
    for (scheme, text) in table {
        let refused = read(scheme, &text).unwrap_err();
        assert!(matches!(refused, BadImport::Form(_)), "{text}: {refused:?}");
        assert!(!refused.to_string().contains("CWWF"), "{refused}");
    }
    let known = "$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy";
    assert_eq!(read(Bcrypt, known).err(), Some(BadImport::Known));
}
