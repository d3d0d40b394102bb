//! Which names a request may ask about.

use policy::NameError::{
    Backslash, Character, Control, DotSegment, Empty, EmptyPart, EmptySegment, EncodedSeparator,
    MissingColon, TooLong,
};
use policy::name::{ACTION_NAME_BYTES_MAX, RESOURCE_NAME_BYTES_MAX};
use policy::{ActionName, NameError, ResourceName};

#[test]
fn actions_are_noun_and_verb() {
    let long = "a:".to_owned() + &"b".repeat(ACTION_NAME_BYTES_MAX - 2);
    for good in ["user:create", "s3:GetObject", "a:b:c", "user:read_self", "my-app.v2:Do", &long] {
        assert_eq!(ActionName::parse(good).unwrap().as_str(), good);
    }

    let bad: [(&str, NameError); 10] = [
        ("", Empty),
        ("user", MissingColon),
        (":create", EmptyPart),
        ("user:", EmptyPart),
        ("user::create", EmptyPart),
        ("user:*", Character('*')),
        ("user:rea?", Character('?')),
        ("user: read", Character(' ')),
        ("user:réad", Character('é')),
        (&format!("{long}b"), TooLong { bytes_max: ACTION_NAME_BYTES_MAX }),
    ];
    for (text, error) in bad {
        assert_eq!(ActionName::parse(text).unwrap_err(), error, "{text}");
    }
}

#[test]
fn resources_have_one_spelling() {
    let long = "a".repeat(RESOURCE_NAME_BYTES_MAX);
    let good = [
        "orders/17",
        "arn:signet:kms::t1:key/1",
        "arn:aws:s3:::bucket/a b.txt",
        "a/.hidden/..x/x../...",
        "file?*[1]",
        "文件/é",
        "100%",
        "a%2",
        "a%zz%41%25",
        &long,
    ];
    for text in good {
        assert_eq!(ResourceName::parse(text).unwrap().as_str(), text);
    }

    let bad: [(&str, NameError); 30] = [
        ("", Empty),
        (&format!("{long}a"), TooLong { bytes_max: RESOURCE_NAME_BYTES_MAX }),
        ("a//b", EmptySegment),
        ("/a", EmptySegment),
        ("a/", EmptySegment),
        ("/", EmptySegment),
        ("arn:signet:kms::t1:/key", EmptySegment),
        ("https://example.com", EmptySegment),
        (".", DotSegment),
        ("..", DotSegment),
        ("a/./b", DotSegment),
        ("a/..", DotSegment),
        ("../a", DotSegment),
        ("arn:signet:kms::t1:../key", DotSegment),
        ("a:.:b", DotSegment),
        ("a\0b", Control),
        ("a\u{85}b", Control),
        ("a\tb", Control),
        ("a\u{7f}", Control),
        ("a\\b", Backslash),
        ("a%2fb", EncodedSeparator),
        ("a%2Fb", EncodedSeparator),
        ("a%2e%2E", EncodedSeparator),
        ("a%5c", EncodedSeparator),
        ("a%5C", EncodedSeparator),
        ("a%3ab", EncodedSeparator),
        ("%3A", EncodedSeparator),
        ("a%252fb", EncodedSeparator),
        ("a%25252Fb", EncodedSeparator),
        ("a%00", EncodedSeparator),
    ];
    for (text, error) in bad {
        assert_eq!(ResourceName::parse(text).unwrap_err(), error, "{text}");
    }
}

#[test]
fn a_name_of_signets_own_form_states_its_tenant() {
    let stated = |text| ResourceName::parse(text).unwrap().stated_tenant().map(str::to_owned);

    assert_eq!(stated("arn:signet:kms::t1:key/1").as_deref(), Some("t1"));
    assert_eq!(stated("arn:signet:kms:eu:t1:key/1:t2").as_deref(), Some("t1"));
    assert_eq!(stated("arn:signet:platform:::tenant/t1").as_deref(), Some(""));
    assert_eq!(stated("arn:signet:kms::t1"), None);
    assert_eq!(stated("arn:aws:kms::t1:key/1"), None);
    assert_eq!(stated("orders/arn:signet:kms::t1:key/1"), None);
}
