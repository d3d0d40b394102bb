//! Throws broken documents at the parser: whatever the text, it answers, and what it accepts means something.
//! Seeded, so that a failure repeats.

use policy::{ActionPattern, Document, ResourceName, ResourcePattern};

use crate::random::Random;

const ROUNDS_PER_SEED: usize = 2000;
const MUTATIONS_MAX: usize = 6;

const CORPUS: [&str; 12] = [
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"a:*","NotResource":["h/${aws:username}/*","x/${aws:PrincipalTag/t, 'd'}"],"Condition":{"ForAnyValue:StringLike":{"aws:TagKeys":["a*","${*}b"]},"NumericLessThanIfExists":{"n":[1,-2.5]},"DateGreaterThan":{"aws:CurrentTime":"2026-01-01T00:00:00Z"},"NotIpAddress":{"aws:SourceIp":["10.0.0.0/8","::1"]},"ArnLike":{"aws:PrincipalArn":"arn:signet:iam::t:user/*"},"Null":{"x":true},"BinaryEquals":{"b":"QQ=="}}}]}"#,
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","NotAction":["a:b"],"Resource":"*","Condition":{"StringNotEqualsIgnoreCase":{"k":"É"}}}]}"#,
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#,
    r#"{"Version":"2012-10-17","Id":"x","Statement":[{"Sid":"A","Effect":"Deny","Action":["user:read","k?y:*"],"Resource":["arn:signet:kms::t1:key/*","é/漢"]}]}"#,
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","NotAction":"a:b","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"true"}}}]}"#,
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Effect":"Deny","Action":"a:b","Resource":"home/${aws:username}"}]}"#,
    r#"{"Statement":[]}"#,
    r#"[[[[{"a":[1,2.5e300,-0,null,true,false,"\ud83d\ude00\u0000"]}]]]]"#,
    r#""2012-10-17""#,
    "{",
    "",
    "\u{feff}{}",
];

const TOKENS: [&str; 27] = [
    "IfExists",
    "ForAllValues:",
    ", '",
    "NotAction",
    "}",
    "\"",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "*",
    "?",
    "${",
    "/",
    "//",
    "..",
    "%2f",
    "\\u0000",
    "\\ud800",
    "null",
    "1e999",
    "\"Effect\"",
    "\"Condition\"",
    "\"Statement\"",
    "\u{1}",
];

fn mutate(random: &mut Random, seed: &str) -> String {
    let mut bytes = seed.as_bytes().to_vec();
    for _ in 0..=random.below(MUTATIONS_MAX) {
        let at = random.below(bytes.len() + 1);
        let end = at + random.below((bytes.len() - at).min(40) + 1);
        match random.below(5) {
            0 => drop(bytes.drain(at..end)),
            1 => drop(bytes.splice(at..at, TOKENS[random.below(TOKENS.len())].bytes())),
            2 => bytes.splice(at..at, bytes[at..end].to_vec()).for_each(drop),
            3 => drop(bytes.splice(at..end, CORPUS[random.below(CORPUS.len())].bytes())),
            _ => bytes[at..end].iter_mut().for_each(|byte| *byte ^= 1 << (at % 8)),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Checks one answer of the parser; tells whether it accepted.
fn check(json: &str) -> bool {
    match Document::parse(json) {
        Ok(document) => {
            let again = Document::parse(&document.to_value().to_string());
            assert_eq!(again.as_ref(), Ok(&document), "{json}");
            assert!(!document.statements().is_empty(), "{json}");
            for statement in document.statements() {
                assert!(!statement.actions().is_empty() && !statement.resources().is_empty(), "{json}");
            }
            true
        }
        Err(errors) => {
            assert!(!errors.is_empty(), "refused without a reason: {json}");
            for error in errors {
                assert!(error.path.is_empty() || error.path.starts_with('/'), "{error}: {json}");
                assert!(!error.found.is_empty() && !error.expected.is_empty(), "{error}: {json}");
            }
            false
        }
    }
}

#[test]
fn the_parser_answers_whatever_it_is_given() {
    let mut random = Random(0x5167_6E65_7400_0001);
    let mut accepted = 0;

    for seed in CORPUS {
        check(seed);
        for _ in 0..ROUNDS_PER_SEED {
            accepted += usize::from(check(&mutate(&mut random, seed)));
        }
    }

    // Else the mutations would only ever test the first error.
    assert!(accepted > 100, "only {accepted} accepted");
}

#[test]
fn patterns_answer_whatever_they_are_given() {
    let seeds = [
        "arn:signet:kms::t1:key/*",
        "h/${aws:username, 'x'}/?/é*",
        "a:b*:?c",
        "*a*?*b",
        "${*}${?}${$}",
        "x/${aws:PrincipalTag/t}:漢/*",
    ];
    let mut random = Random(0x5167_6E65_7400_0002);
    let (mut accepted, mut itself, mut matched) = (0, 0, 0);

    for seed in seeds {
        for _ in 0..ROUNDS_PER_SEED {
            let (text, name) = (mutate(&mut random, seed), mutate(&mut random, seed));
            if let Ok(pattern) = ActionPattern::parse(&text) {
                assert!(pattern.matches(&text) || !text.is_ascii(), "{text:?} matches itself");
            }
            let Ok(pattern) = ResourcePattern::parse(&text) else { continue };
            accepted += 1;
            matched += usize::from(pattern.matches(&name));
            if ResourceName::check(&text).is_ok() && !text.contains("${") {
                assert!(pattern.matches(&text), "{text:?} matches itself");
                itself += 1;
            }
        }
    }

    assert!(accepted > 100 && itself > 100 && matched > 100, "{accepted} {itself} {matched}");
}
