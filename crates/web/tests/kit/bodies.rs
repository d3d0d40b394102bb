use axum::extract::{FromRequest, Request};
use base::{Kind, Problem};
use web::body::{BodyLimit, parse_json};
use web::{Field, Json, MergePatch};

use crate::request;

#[derive(serde::Deserialize, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
struct User {
    name: String,
    #[serde(default)]
    tags: Vec<Tag>,
    #[serde(default)]
    attributes: std::collections::BTreeMap<String, u32>,
}

#[derive(serde::Deserialize, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
struct Tag {
    key: String,
    level: u8,
}

#[derive(serde::Deserialize, Debug, PartialEq, Default)]
#[serde(deny_unknown_fields, default)]
struct Patch {
    name: Field<String>,
    phone: Field<String>,
}

fn refused(text: &str) -> (Kind, &'static str, String, String) {
    let problem: Problem = parse_json::<User>(text.as_bytes()).unwrap_err();
    let pointer = problem.errors().first().map(|error| error.pointer.clone()).unwrap_or_default();
    (problem.kind(), problem.code(), pointer, problem.detail().to_owned())
}

#[test]
fn json_that_does_not_fit_is_named_by_its_pointer() {
    for (text, pointer, detail) in [
        (
            r#"{"name":5}"#,
            "/name",
            "`/name`: invalid type: integer `5`, expected a string at line 1 column 9",
        ),
        (r#"{}"#, "", "the body: missing field `name` at line 1 column 2"),
        (r#"[]"#, "", "the body: invalid length 0, expected an object with 3 elements"),
        (r#"7"#, "", "the body: invalid type: integer `7`, expected an object at line 1 column 1"),
        (r#"{"name":"a","tags":[{"key":"k","level":1},{"key":"k","level":256}]}"#, "/tags/1/level", "256"),
        (r#"{"name":"a","tags":[1]}"#, "/tags/0", "expected an object"),
        (r#"{"name":"a","attributes":{"a/b~c":"x"}}"#, "/attributes/a~1b~0c", "string \"x\""),
        (r#"{"name":"a","nmae":1}"#, "/nmae", "unknown field `nmae`, expected one of `name`, `tags`"),
    ] {
        let (kind, code, found, said) = refused(text);
        assert_eq!((kind, code, found.as_str()), (Kind::Invalid, "invalid_body", pointer), "{text} {said}");
        assert!(said.contains(detail), "{text}: {said}");
        assert!(!said.contains("struct") && !said.contains("User"), "{said}");
    }
}

#[test]
fn what_is_no_json_is_malformed_with_line_and_column() {
    for (text, detail) in [
        ("", "the body is empty"),
        (" \n", "the body is empty"),
        ("{", "line 1 column 1"),
        ("{\n  name: 1}", "line 2 column 3"),
        (r#"{"name":"a"} x"#, "trailing characters at line 1 column 14"),
        (r#"{"name":"a",}"#, "trailing comma"),
        (r#"{"name":1e999}"#, "number out of range"),
        ("{\"name\":\"\u{1}\"}", "control character"),
        (r#"{"name":"\ud800"}"#, "line 1"),
        ("\u{feff}{}", "line 1 column 1"),
    ] {
        let (kind, code, _, said) = refused(text);
        assert_eq!((kind, code), (Kind::Malformed, "malformed_json"), "{text}");
        assert!(said.contains(detail), "{text}: {said}");
    }
    assert_eq!(parse_json::<User>(b"{\"name\":\"\xff\"}").unwrap_err().code(), "malformed_json");
}

#[test]
fn a_member_given_twice_is_refused_at_any_depth() {
    for (text, pointer) in [
        (r#"{"name":"a","name":"b"}"#, "/name"),
        (r#"{"name":"a","attributes":{"x":1,"y":2,"x":3}}"#, "/attributes/x"),
        (r#"{"name":"a","tags":[{},{"key":"k","key":"k"}]}"#, "/tags/1/key"),
        (r#"{"n\u0061me":"a","name":"b"}"#, "/name"),
        (r#"{"unknown":{"a/b":1,"a/b":2}}"#, "/unknown/a~1b"),
    ] {
        let (kind, code, found, _) = refused(text);
        assert_eq!((kind, code, found.as_str()), (Kind::Malformed, "duplicate_member", pointer), "{text}");
    }
    assert!(
        parse_json::<User>(br#"{"name":"a","tags":[{"key":"k","level":1},{"key":"k","level":1}]}"#).is_ok()
    );
}

#[test]
fn a_deep_body_is_refused_and_no_stack_overflows() {
    let text = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));

    assert_eq!(refused(&text).1, "malformed_json");
}

#[test]
fn an_answer_repeats_only_the_beginning_of_what_was_sent() {
    let (_, _, _, detail) = refused(&format!(r#"{{"name":"a","tags":"{}"}}"#, "é".repeat(5000)));

    assert!(detail.chars().count() <= 301, "{}", detail.len());
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        let _ = parse_json::<User>(&bytes);
        let _ = web::form::form_pairs(&bytes);
    }

    #[test]
    fn every_text_without_repeats_is_read_as_serde_json_reads_it(text in "[\\[\\]{}\",:a1 ]{0,24}") {
        let strict = parse_json::<serde_json::Value>(text.as_bytes());
        let plain = serde_json::from_str::<serde_json::Value>(&text);
        match strict {
            Ok(value) => assert_eq!(value, plain.unwrap()),
            Err(problem) => assert!(plain.is_err() || problem.code() == "duplicate_member", "{text}"),
        }
    }
}

async fn code(request: Request) -> (Kind, &'static str) {
    let failure = Json::<User>::from_request(request, &()).await.unwrap_err();
    (failure.0.kind(), failure.0.code())
}

#[tokio::test]
async fn only_the_json_media_type_is_read() {
    let body = r#"{"name":"a"}"#;
    for media in ["application/json", "Application/JSON; charset=UTF-8", "application/json;charset=\"utf-8\""]
    {
        let request = request("POST", "/", &[("content-type", media)], body);
        assert!(Json::<User>::from_request(request, &()).await.is_ok(), "{media}");
    }
    for media in [
        &[][..],
        &[("content-type", "text/plain")],
        &[("content-type", "application/json; charset=utf-16")],
        &[("content-type", "application/jsonx")],
        &[("content-type", "application/x-www-form-urlencoded")],
        &[("content-type", "application/json"), ("content-type", "text/plain")],
    ] {
        let refused = code(request("POST", "/", media, body)).await;
        assert_eq!(refused, (Kind::UnsupportedMedia, "unsupported_media_type"), "{media:?}");
    }
    let zipped = [("content-type", "application/json"), ("content-encoding", "gzip")];
    assert_eq!(code(request("POST", "/", &zipped, body)).await.1, "unsupported_content_encoding");
}

#[tokio::test]
async fn h33_a_body_over_the_limit_is_refused_announced_or_not() {
    let media = ("content-type", "application/json");
    let announced = request("POST", "/", &[media, ("content-length", "1048577")], "{}");
    let long = format!(r#"{{"name":"{}"}}"#, "a".repeat(1024 * 1024));
    let unannounced = request("POST", "/", &[media], &long);
    let mut narrow = request("POST", "/", &[media], r#"{"name":"abc"}"#);
    narrow.extensions_mut().insert(BodyLimit(13));

    for request in [announced, unannounced, narrow] {
        assert_eq!(code(request).await, (Kind::TooLarge, "body_too_large"));
    }
    let mut exact = request("POST", "/", &[media], r#"{"name":"abc"}"#);
    exact.extensions_mut().insert(BodyLimit(14));
    assert!(Json::<User>::from_request(exact, &()).await.is_ok());
}

#[tokio::test]
async fn a_merge_patch_tells_absent_from_null() {
    let media = [("content-type", "application/merge-patch+json")];
    let sent = request("PATCH", "/", &media, r#"{"phone":null}"#);

    let MergePatch(patch) = MergePatch::<Patch>::from_request(sent, &()).await.unwrap();

    assert_eq!(patch, Patch { name: Field::Absent, phone: Field::Null });
    assert_eq!(patch.name.applied_to(Some("old".to_owned())).as_deref(), Some("old"));
    assert_eq!(patch.phone.applied_to(Some("old".to_owned())), None);
    assert_eq!(Field::Value(1).applied_to(None), Some(1));
    let removed = Field::<u8>::Null.required("/name").unwrap_err();
    assert_eq!((removed.code(), removed.errors()[0].pointer.as_str()), ("invalid_body", "/name"));
    assert_eq!(Field::Value(1).required("/x").unwrap(), Some(1));
    assert_eq!(Field::Value("7").try_map(str::parse::<u8>).unwrap(), Field::Value(7));
}
