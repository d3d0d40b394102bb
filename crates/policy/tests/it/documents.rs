//! From JSON to documents: what is read, and how each mistake is reported.

use policy::document::{DOCUMENT_BYTES_MAX, ERRORS_MAX, LABEL_BYTES_MAX, STATEMENTS_MAX, VALUES_MAX};
use policy::{Document, Effect, ParseError, Statement};
use serde_json::{Value, json};

fn with_statement(statement: &Value) -> Value {
    json!({ "Version": "2012-10-17", "Statement": [statement] })
}

fn good_statement() -> Value {
    json!({ "Effect": "Allow", "Action": "user:read", "Resource": "*" })
}

/// Checks that a document is refused with exactly these mistakes: place, part of what was found, part of what was
/// expected.
fn check_refused(json: &str, mistakes: &[(&str, &str, &str)]) {
    let errors = Document::parse(json).unwrap_err();

    let shown: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(errors.len(), mistakes.len(), "{json}: {shown:#?}");
    for (path, found, expected) in mistakes {
        let reported = |error: &ParseError| {
            error.path == *path && error.found.contains(found) && error.expected.contains(expected)
        };
        assert!(errors.iter().any(reported), "{json}: no error {path}, {found}, {expected} in {shown:#?}");
    }
}

fn check_statement_refused(statement: &Value, mistakes: &[(&str, &str, &str)]) {
    check_refused(&with_statement(statement).to_string(), mistakes);
}

#[test]
fn a_document_is_read_as_aws_users_write_it() {
    let document = Document::parse(
        r#"{
            "Version": "2012-10-17",
            "Id": "staff",
            "Statement": [
                { "Sid": "Read", "Effect": "Allow", "Action": ["user:read", "group:*"], "Resource": "*" },
                { "Sid": "", "Effect": "Deny", "Action": "*", "Resource": ["arn:signet:kms::t1:key/*"] }
            ]
        }"#,
    )
    .unwrap();

    assert_eq!(document.id(), Some("staff"));
    let [read, keys] = document.statements() else { panic!("two statements") };
    assert_eq!((read.sid(), read.effect()), (Some("Read"), Effect::Allow));
    assert_eq!(read.actions().iter().map(|p| p.as_str()).collect::<Vec<_>>(), ["user:read", "group:*"]);
    assert_eq!((keys.sid(), keys.effect()), (None, Effect::Deny));
    assert_eq!(keys.resources().iter().map(|p| p.as_str()).collect::<Vec<_>>(), ["arn:signet:kms::t1:key/*"]);
}

#[test]
fn the_canonical_form_writes_lists_and_reads_back_equal() {
    let single = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"a:b","Resource":"*"}}"#;

    let document = Document::parse(single).unwrap();

    let canonical =
        r#"{"Statement":[{"Action":["a:b"],"Effect":"Allow","Resource":["*"]}],"Version":"2012-10-17"}"#;
    assert_eq!(document.to_value().to_string(), canonical);
    assert_eq!(Document::parse(canonical).unwrap(), document);
    assert_eq!(Document::from_value(&document.to_value()).unwrap(), document);
}

#[test]
fn elements_of_the_later_language_are_refused_by_name() {
    for element in ["NotAction", "NotResource", "Condition", "Principal", "NotPrincipal"] {
        let mut statement = good_statement();
        statement[element] = json!("*");
        let path = format!("/Statement/0/{element}");
        check_statement_refused(
            &statement,
            &[(&path, element, "this version of the engine does not support it")],
        );
    }
    check_statement_refused(
        &json!({ "Effect": "Allow", "NotAction": "a:b", "NotResource": "*" }),
        &[
            ("/Statement/0/NotAction", "NotAction", "not support"),
            ("/Statement/0/NotResource", "", "not support"),
        ],
    );
    check_statement_refused(
        &json!({ "Effect": "Allow", "Action": "a:b", "Resource": ["a", "home/${aws:username}"] }),
        &[("/Statement/0/Resource/1", "`home/${aws:username}`", "does not support it")],
    );
}

#[test]
fn all_mistakes_are_reported_at_once() {
    check_refused(
        r#"{
            "Version": "2008-10-17",
            "version": 1,
            "Id": 7,
            "Statement": [
                { "Effect": "allow", "Action": [], "Resource": ["a//b", 3], "Sid": ["x"], "Comment": "" },
                "x",
                { "Action": {}, "Resource": "" }
            ]
        }"#,
        &[
            ("/Version", "`2008-10-17`", "`2012-10-17`"),
            ("/version", "the element `version`", "only the elements `Version`, `Id`, `Statement`"),
            ("/Id", "the number `7`", "a string"),
            ("/Statement/0/Effect", "`allow`", "`Allow` or `Deny`"),
            ("/Statement/0/Action", "an empty list", "a list of 1 to 256 strings"),
            ("/Statement/0/Resource/0", "`a//b`", "no empty path segment"),
            ("/Statement/0/Resource/1", "the number `3`", "a string"),
            ("/Statement/0/Sid", "a list of 1", "a string"),
            ("/Statement/0/Comment", "the element `Comment`", "only the elements `Sid`, `Effect`"),
            ("/Statement/1", "`x`", "a statement (an object)"),
            ("/Statement/2", "no `Effect`", "the element `Effect`"),
            ("/Statement/2/Action", "an object", "a string or a list of strings"),
            ("/Statement/2/Resource", "an empty string", "at least one character"),
        ],
    );
}

#[test]
fn missing_elements_and_wrong_kinds_are_mistakes() {
    check_refused("{}", &[("", "no `Version`", ""), ("", "no `Statement`", "")]);
    check_refused("[]", &[("", "an empty list", "a JSON object")]);
    check_refused("null", &[("", "null", "a JSON object")]);
    check_refused("", &[("", "not JSON", "one JSON object")]);
    check_refused("{} {}", &[("", "not JSON", "one JSON object")]);
    check_refused(&"[".repeat(50_000), &[("", "not JSON", "one JSON object")]);
    for (statement, found) in [("[]", "an empty list"), ("null", "null"), ("true", "the boolean `true`")] {
        let json = format!(r#"{{"Version":"2012-10-17","Statement":{statement}}}"#);
        check_refused(&json, &[("/Statement", found, "statement")]);
    }
    check_statement_refused(
        &json!({ "Sid": "x" }),
        &[
            ("/Statement/0", "no `Effect`", ""),
            ("/Statement/0", "no `Action`", ""),
            ("/Statement/0", "no `Resource`", ""),
        ],
    );
}

#[test]
fn a_key_that_stands_twice_is_a_mistake() {
    check_refused(
        r#"{"Version":"2012-10-17","Version":"2012-10-17","Statement":[
            {"Effect":"Deny","Effect":"Allow","Action":"a:b","Resource":"*"}]}"#,
        &[("/Version", "twice", "each key once"), ("/Statement/0/Effect", "twice", "each key once")],
    );
    // Two spellings of one key are one key.
    check_refused(
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","\u0045ffect":"Deny","Action":"a:b","Resource":"*"}}"#,
        &[("/Statement/Effect", "twice", "each key once")],
    );
}

#[test]
fn a_sid_stands_once() {
    let mut named = good_statement();
    named["Sid"] = json!("A");
    let json = json!({ "Version": "2012-10-17", "Statement": [named, good_statement(), named] });

    check_refused(&json.to_string(), &[("/Statement/2/Sid", "`A`", "no other statement")]);
}

#[test]
fn places_are_json_pointers() {
    let mut statement = good_statement();
    statement["a/b~c"] = json!(1);

    check_statement_refused(&statement, &[("/Statement/0/a~1b~0c", "the element `a/b~c`", "")]);
}

#[test]
fn limits_hold_exactly() {
    let list = |count| Value::Array(vec![json!("a:b"); count]);
    let mut statement = good_statement();
    statement["Action"] = list(VALUES_MAX);
    statement["Sid"] = json!("s".repeat(LABEL_BYTES_MAX));
    assert!(Document::from_value(&with_statement(&statement)).is_ok());
    statement["Action"] = list(VALUES_MAX + 1);
    statement["Sid"] = json!("s".repeat(LABEL_BYTES_MAX + 1));
    check_statement_refused(
        &statement,
        &[
            ("/Statement/0/Action", "a list of 257", "1 to 256 strings"),
            ("/Statement/0/Sid", "`sss", "128 bytes"),
        ],
    );

    let statements = |count| json!({ "Version": "2012-10-17", "Statement": vec![good_statement(); count] });
    assert!(Document::from_value(&statements(STATEMENTS_MAX)).is_ok());
    check_refused(
        &statements(STATEMENTS_MAX + 1).to_string(),
        &[("/Statement", "a list of 257", "1 to 256 statements")],
    );
}

#[test]
fn the_size_is_limited_as_given_and_as_written_again() {
    let text = with_statement(&good_statement()).to_string();
    let padded = |bytes: usize| format!("{text}{}", " ".repeat(bytes - text.len()));
    assert!(Document::parse(&padded(DOCUMENT_BYTES_MAX)).is_ok());
    check_refused(&padded(DOCUMENT_BYTES_MAX + 1), &[("", "65537 bytes", "at most 65536 bytes")]);

    // Short enough as given, but each lone string becomes a list of one.
    let statement = json!({ "Effect": "Deny", "Action": "a:b", "Resource": "r".repeat(208) });
    let compact = json!({ "Version": "2012-10-17", "Statement": vec![statement; 256] }).to_string();
    assert!(compact.len() <= DOCUMENT_BYTES_MAX, "{}", compact.len());
    check_refused(&compact, &[("", "bytes", "at most 65536 bytes")]);
}

#[test]
fn reports_are_bounded() {
    let json = json!({ "Version": "2012-10-17", "Statement": vec![json!({}); 200] });
    let errors = Document::from_value(&json).unwrap_err();
    assert_eq!(errors.len(), ERRORS_MAX + 1);
    assert_eq!(errors.last().unwrap().found, "more than 100 mistakes");

    let long = "x\u{1b}".repeat(20_000);
    let errors = Document::parse(&json!({ &long: &long }).to_string()).unwrap_err();
    let shown = errors.iter().map(ToString::to_string).collect::<String>();
    assert!(shown.len() < 2000 && !shown.contains('\u{1b}'), "{shown}");
}

#[test]
fn statements_built_in_code_obey_the_same_rules() {
    let allow = Statement::allow(&["user:*"], &["a/*", "b"]).unwrap();
    assert_eq!(allow.effect(), Effect::Allow);
    assert!(allow.applies_to("USER:read", "b") && !allow.applies_to("user:read", "c"));
    assert_eq!(Statement::deny(&["user:*"], &["*"]).unwrap().effect(), Effect::Deny);

    let errors = Statement::allow(&[], &["a", "${x}"]).unwrap_err();
    assert_eq!(errors.iter().map(|error| &*error.path).collect::<Vec<_>>(), ["/Action", "/Resource/1"]);
}
