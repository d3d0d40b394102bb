use super::*;
use crate::key::Known;
use crate::name::NameError;
use crate::value::Value;

fn check_action(pattern: &str, matching: &[&str], others: &[&str]) {
    let compiled = ActionPattern::parse(pattern).unwrap();
    for name in matching {
        assert!(compiled.matches(name), "`{pattern}` should match `{name}`");
    }
    for name in others {
        assert!(!compiled.matches(name), "`{pattern}` should not match `{name}`");
    }
}

fn check_resource(pattern: &str, matching: &[&str], others: &[&str]) {
    let compiled = ResourcePattern::parse(pattern).unwrap();
    for name in matching {
        assert!(compiled.matches(name), "`{pattern}` should match `{name}`");
    }
    for name in others {
        assert!(!compiled.matches(name), "`{pattern}` should not match `{name}`");
    }
}

#[test]
fn actions_match_whole_and_without_regard_to_case() {
    check_action("user:create", &["user:create", "User:CREATE"], &["user:creates", "xuser:create", "user:"]);
    check_action("User:*", &["user:create", "USER:a:b", "user:"], &["users:create", "user"]);
    check_action("user:?ead", &["user:read", "user:LEAD"], &["user:ead", "user:tread"]);
    check_action("*:READ", &["user:read", "a:b:read"], &["user:reads", "read"]);
    check_action("*:read_*", &["user:read_self"], &["user:read", "user:xread_self"]);
}

#[test]
fn wildcards_of_actions_cross_the_colon() {
    check_action("*", &["user:create", "a:b:c"], &[]);
    check_action("u*", &["user:create", "u:v"], &["tuser:create"]);
    check_action("u*e", &["user:create"], &["user:read"]);
    check_action("user?create", &["user:create"], &["user::create"]);
}

#[test]
fn actions_fold_only_ascii_letters() {
    // `@` and a backtick, `[` and `{` differ by the bit that differs in letters; the Kelvin sign lowers to `k`.
    check_action("a:k", &["A:K"], &["a:\u{212A}"]);
    assert!(!ActionPattern::parse("a:_*").unwrap().matches("a:\u{7f}"));
}

#[test]
fn a_resource_without_wildcards_is_the_whole_name_in_its_case() {
    check_resource("a:b", &["a:b"], &["A:b", "a:b:c", "a", "a:", "xa:b"]);
    check_resource("a:b:c:d:e:f:g:h", &["a:b:c:d:e:f:g:h"], &["a:b:c:d:e:f:g", "a:b:c:d:e:f:g:h:i"]);
}

#[test]
fn a_bare_star_matches_every_resource() {
    for star in ["*", "**", "***"] {
        check_resource(star, &["a", "a:b", "a:b:c:d:e:f:g", "a/b:c", "é"], &[]);
    }
}

#[test]
fn only_the_last_part_of_a_resource_crosses_colons() {
    // One part is the last part.
    check_resource("a*", &["a", "ab", "a:b", "a:b:c", "a/b"], &["b", "ba", "A"]);
    check_resource("*a", &["a", "b:a", "b:c:a"], &["ab", "a:b"]);
    check_resource("?", &["a", "é"], &["ab", ""]);
    check_resource("a?c", &["abc", "a:c"], &["ac", "abbc"]);
    // Two parts: the first stops at the first colon, the second takes all the rest.
    check_resource("a*:c", &["a:c", "ab:c"], &["a:b:c", "ab:x:c"]);
    check_resource("a?:c", &["ab:c"], &["a::c", "a:c"]);
    check_resource("*:*", &["a:b", ":", "a:b:c", "a:"], &["a"]);
    check_resource("a:*c", &["a:c", "a:b:c", "a:/c"], &["b:a:c", "a:c:d"]);
    check_resource("a:?", &["a:b", "a::"], &["a:", "a:bc"]);
}

#[test]
fn a_name_with_fewer_parts_does_not_match() {
    check_resource("a:*", &["a:", "a:b", "a:b:c"], &["a", "ab"]);
    check_resource("*:*:*", &["a:b:c", "::", "a:b:c:d"], &["a:b", "a"]);
    check_resource("a:b:*", &["a:b:"], &["a:b"]);
}

#[test]
fn a_pattern_has_at_most_six_parts_and_the_sixth_keeps_its_colons() {
    check_resource(
        "arn:*:logs:*:*:group:*",
        &["arn:aws:logs:eu:t1:group:x", "arn:aws:logs::t1:group:x:y:z", "arn:a:logs:::group:"],
        &["arn:aws:logs:eu:t1:group", "arn:aws:logs:eu:t1:groups:x", "arn:x:aws:logs:eu:t1:group:x"],
    );
    // Past the fifth colon a wildcard may take colons, also where the pattern has more of them behind it.
    check_resource("1:2:3:4:5:*:z", &["1:2:3:4:5:a:b:z", "1:2:3:4:5::z"], &["1:2:3:4:5:z", "1:2:3:4:a:5:z"]);
    check_resource("1:2:3:4:*:z", &["1:2:3:4:5:z"], &["1:2:3:4:5:6:z"]);
}

#[test]
fn arn_patterns_hold_their_parts_apart() {
    check_resource(
        "arn:signet:kms:*:t1:key/*",
        &["arn:signet:kms::t1:key/1", "arn:signet:kms:eu:t1:key/a/b:c"],
        &["arn:signet:kms::t2:key/1", "arn:signet:kms:x:t1:t2:key/1", "arn:signet:kms::t1:keys/1"],
    );
    check_resource("arn:signet:*:t1:key/1", &["arn:signet:x:t1:key/1"], &["arn:signet:kms::t1:key/1"]);
}

#[test]
fn a_question_mark_takes_one_character_not_one_byte() {
    check_resource("a?b", &["aéb", "a漢b", "a😀b"], &["a漢字b", "ab"]);
    check_resource("*?b*é", &["xbé", "漢b漢é"], &["bé", "漢é"]);
}

#[test]
fn patterns_that_no_name_can_match_are_refused() {
    use NameError::{
        Character, Control, DotSegment, EmptyPart, EmptySegment, EncodedSeparator, MissingColon,
    };

    let action = |text: &str| ActionPattern::parse(text).unwrap_err();
    assert_eq!(action(""), NameError::Empty.into());
    assert_eq!(action("user"), MissingColon.into());
    assert_eq!(action("user:"), EmptyPart.into());
    assert_eq!(action("*::read"), EmptyPart.into());
    assert_eq!(action("user read:*"), Character(' ').into());
    assert_eq!(action("user:${aws:username}"), Character('$').into());

    let resource = |text: &str| ResourcePattern::parse(text).unwrap_err();
    assert_eq!(resource(""), NameError::Empty.into());
    assert_eq!(resource("a//*"), EmptySegment.into());
    assert_eq!(resource("*/"), EmptySegment.into());
    assert_eq!(resource("a/../*"), DotSegment.into());
    assert_eq!(resource("a%2F*"), EncodedSeparator.into());
    assert_eq!(resource("a\n*"), Control.into());
    assert_eq!(resource("home/${aws:username"), PatternError::Variable(VariableError::Open));
    assert_eq!(resource("home/${aws:username, '..'}/*"), PatternError::Default);
    assert_eq!(resource("home//${aws:username}/*"), EmptySegment.into());
    assert_eq!(resource("home/${a${b}}/*"), PatternError::Variable(VariableError::Key));
    assert!(ResourcePattern::parse("a$b{c}/.*/..?").is_ok());
}

#[test]
fn patterns_are_limited_in_bytes() {
    let at_limit = "é".repeat(PATTERN_BYTES_MAX / 2);

    assert!(ResourcePattern::parse(&at_limit).is_ok());

    let too_long = NameError::TooLong { bytes_max: PATTERN_BYTES_MAX }.into();
    assert_eq!(ResourcePattern::parse(&format!("{at_limit}*")), Err(too_long));
    assert_eq!(ActionPattern::parse(&"*".repeat(PATTERN_BYTES_MAX + 1)), Err(too_long));
}

#[test]
fn wildcards_at_the_limits_match_what_they_should() {
    let pattern = ResourcePattern::parse(&"*a".repeat(PATTERN_BYTES_MAX / 2)).unwrap();

    assert!(pattern.matches(&"a".repeat(PATTERN_BYTES_MAX / 2)));
    assert!(pattern.matches(&"ba".repeat(512)));
    assert!(!pattern.matches(&"a".repeat(PATTERN_BYTES_MAX / 2 - 1)));
}

#[test]
fn variables_fill_one_segment_with_what_is_literal() {
    let matches = |pattern: &str, resource: &str, name: Value<'_>| {
        let facts = Facts::at(0).with(Known::Username, name);
        ResourcePattern::parse(pattern).unwrap().matches_with(resource, &facts)
    };
    let ann = Value::Text("ann");
    assert_eq!(matches("home/${aws:username}/*", "home/ann/x", ann), Ok(true));
    assert_eq!(matches("home/${aws:username}/*", "home/bob/x", ann), Ok(false));
    assert_eq!(matches("a:${aws:username}:c*", "a:ann:cd:e", ann), Ok(true));
    assert_eq!(matches("a:${aws:username}:c*", "a:ann", ann), Ok(false));
    assert_eq!(matches("x/${*}/${?}/${$}", "x/*/?/$", ann), Ok(true));
    assert_eq!(matches("x/${*}", "x/y", ann), Ok(false));
    // What could reach further than its segment cannot be judged, where the rest of the pattern fits.
    for bad in ["", ".", "..", "a/b", "a:b"] {
        assert_eq!(matches("home/${aws:username}/*", "home/a/b", Value::Text(bad)), Err(Unresolved), "{bad}");
        assert_eq!(matches("home/${aws:username}/*", "work/a/b", Value::Text(bad)), Ok(false), "{bad}");
    }
    assert_eq!(matches("home/${aws:username}", "home/x", Value::Absent), Err(Unresolved));
    assert_eq!(matches("home/${aws:username, 'x'}", "home/x", Value::Absent), Ok(true));
    assert_eq!(
        matches("home/${aws:username, 'x'}", "home/x", Value::Texts(&["a".into(), "b".into()])),
        Ok(true)
    );
    assert_eq!(
        matches("home/${aws:username}", "home/a", Value::Texts(&["a".into(), "b".into()])),
        Err(Unresolved)
    );
}
