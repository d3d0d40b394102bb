//! From JSON to documents: what is read, and how each mistake is reported.

use policy::document::{
    DOCUMENT_BYTES_MAX, ERRORS_MAX, LABEL_BYTES_MAX, MATCHING_STEPS_MAX, STATEMENTS_MAX, VALUES_MAX,
};
use policy::{Document, Effect, Kind, ParseError, Statement};
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
fn every_element_is_read_and_written_again() {
    let document = json!({ "Version": "2012-10-17", "Statement": [{
        "Sid": "Home", "Effect": "Deny", "NotAction": ["a:b"], "NotResource": ["home/${aws:username, 'x'}/*"],
        "Condition": {
            "StringLike": { "aws:PrincipalTag/Team": ["a*"], "s3:prefix": ["${aws:username}/*"] },
            "ForAllValues:StringEqualsIgnoreCase": { "aws:TagKeys": ["x", "y"] },
            "NumericLessThanEqualsIfExists": { "aws:MultiFactorAuthAge": ["300"] },
            "DateLessThan": { "aws:CurrentTime": ["2027-01-01T00:00:00Z"] },
            "Bool": { "aws:SecureTransport": ["false"] },
            "BinaryEquals": { "key": ["QQ=="] },
            "IpAddress": { "aws:SourceIp": ["203.0.113.0/24", "2001:db8::/32"] },
            "ArnNotLike": { "aws:PrincipalArn": ["arn:signet:iam::*:user/*"] },
            "Null": { "aws:username": ["true"] },
        }
    }]});
    let read = Document::from_value(&document).unwrap();

    assert_eq!(Document::from_value(&read.to_value()).unwrap(), read);
    assert_eq!(read.to_value()["Statement"][0]["Condition"], document["Statement"][0]["Condition"]);
    let [statement] = read.statements() else { panic!("one statement") };
    assert!(statement.is_not_action() && statement.is_not_resource());
    assert_eq!(statement.conditions().len(), 10);
}

#[test]
fn mistakes_in_conditions_are_named_by_their_place() {
    let check = |condition: Value, path: &str, found: &str, expected: &str| {
        let mut statement = good_statement();
        statement["Condition"] = condition;
        check_statement_refused(&statement, &[(&format!("/Statement/0/Condition{path}"), found, expected)]);
    };
    check(json!({}), "", "an empty object", "at least one operator");
    check(json!([]), "", "an empty list", "an object by operator");
    check(json!({ "StringEqual": { "a": "b" } }), "/StringEqual", "`StringEqual`", "an operator such as");
    check(json!({ "stringequals": { "a": "b" } }), "/stringequals", "`stringequals`", "spelled exactly");
    check(json!({ "Bool": {} }), "/Bool", "an empty object", "at least one condition key");
    check(json!({ "Bool": { "a": [] } }), "/Bool/a", "an empty list", "1 to 256 strings");
    check(json!({ "Bool": { "a": "yes" } }), "/Bool/a", "`yes`", "`true` or `false`");
    check(json!({ "Bool": { "a": [true, "no"] } }), "/Bool/a/1", "`no`", "`true` or `false`");
    check(json!({ "NumericEquals": { "a": "1e3" } }), "/NumericEquals/a", "`1e3`", "a number");
    check(json!({ "DateEquals": { "a": "soon" } }), "/DateEquals/a", "`soon`", "an instant such as");
    check(json!({ "IpAddress": { "a": "10.0.0.0/40" } }), "/IpAddress/a", "10.0.0.0/40", "a network such as");
    check(json!({ "ArnLike": { "a": "*" } }), "/ArnLike/a", "`*`", "six parts");
    check(json!({ "BinaryEquals": { "a": "?" } }), "/BinaryEquals/a", "`?`", "Base64");
    check(json!({ "StringLike": { "a": "${x" } }), "/StringLike/a", "`${x`", "a `}` that ends");
    check(json!({ "StringLike": { "a b": "x" } }), "/StringLike/a b", "`a b`", "a condition key");
    check(json!({ "NullIfExists": { "a": "true" } }), "/NullIfExists", "`NullIfExists`", "no `IfExists`");
    check(
        json!({ "ForAnyValue:StringLikeIfExists": { "a": "x" } }),
        "/ForAnyValue:StringLikeIfExists",
        "IfExists",
        "no `IfExists`",
    );
    check(
        json!({ "ForAllValues:Null": { "a": "true" } }),
        "/ForAllValues:Null",
        "Null",
        "without a set prefix",
    );
    check(json!({ "StringLike": { "a": { "b": 1 } } }), "/StringLike/a", "an object", "a string or a list");
}

#[test]
fn an_element_and_its_opposite_exclude_each_other() {
    check_statement_refused(
        &json!({ "Effect": "Deny", "Action": "a:b", "NotAction": "a:c", "Resource": "*" }),
        &[("/Statement/0/NotAction", "`Action` and `NotAction`", "not both")],
    );
    check_statement_refused(
        &json!({ "Effect": "Allow", "NotAction": "a:b", "NotResource": "b" }),
        &[("/Statement/0", "an Allow with `NotAction` and `NotResource`", "boundless")],
    );
    assert!(Statement::deny(&["a:b"], &["home/${aws:username}"]).is_ok());
    check_statement_refused(
        &json!({ "Effect": "Allow", "Action": "a:b", "Resource": ["a", "home/${a,'b/c'}", "x/${y"] }),
        &[
            ("/Statement/0/Resource/1", "`home/${a,'b/c'}`", "a default that"),
            ("/Statement/0/Resource/2", "`x/${y`", "a `}` that ends"),
        ],
    );
}

#[test]
fn only_the_policy_of_a_resource_says_whom_it_is_about() {
    let with = |element: &str, value: Value, effect: &str| {
        let mut statement = good_statement();
        statement[element] = value;
        statement["Effect"] = json!(effect);
        with_statement(&statement).to_string()
    };
    let json = with("Principal", json!("*"), "Allow");
    check_refused(&json, &[("/Statement/0/Principal", "`Principal`", "only a resource's policy")]);
    assert!(Document::parse_as(Kind::Resource, &json).is_ok());

    let refused = |json: &str, path: &str, expected: &str| {
        let errors = Document::parse_as(Kind::Resource, json).unwrap_err();
        assert!(errors.iter().any(|e| e.path == path && e.expected.contains(expected)), "{errors:?}");
    };
    refused(&with_statement(&good_statement()).to_string(), "/Statement/0", "`Principal` or `NotPrincipal`");
    let allow = with("NotPrincipal", json!({ "AWS": "arn:signet:iam::t:user/u" }), "Allow");
    refused(&allow, "/Statement/0/NotPrincipal", "only in a Deny");
    let wild = with("Principal", json!({ "Signet": ["arn:signet:iam::t:user/*"] }), "Allow");
    refused(&wild, "/Statement/0/Principal/Signet/0", "no other wildcard");
    refused(&with("Principal", json!("u1"), "Allow"), "/Statement/0/Principal", "`*`, or an object");
    refused(
        &with("Principal", json!({ "Service": "x" }), "Allow"),
        "/Statement/0/Principal/Service",
        "one of",
    );

    let listed =
        with("NotPrincipal", json!({ "AWS": "t2", "Signet": ["arn:signet:iam::t:user/u", "*"] }), "Deny");
    let document = Document::parse_as(Kind::Resource, &listed).unwrap();
    assert_eq!(Document::from_value_as(Kind::Resource, &document.to_value()).unwrap(), document);
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
fn wildcards_that_would_take_too_long_to_match_are_refused() {
    let check = |patterns: &dyn Fn(usize) -> Vec<String>, fits: usize, too_many: usize| {
        let with = |count: usize| {
            let chunks = patterns(count);
            let statement = |list: &[String]| json!({ "Effect": "Deny", "Action": "a:b", "Resource": list });
            let statements: Vec<Value> = chunks.chunks(VALUES_MAX).map(statement).collect();
            json!({ "Version": "2012-10-17", "Statement": statements }).to_string()
        };
        assert!(Document::parse(&with(fits)).is_ok(), "{:?}", Document::parse(&with(fits)));
        let expected = format!("at most {MATCHING_STEPS_MAX}");
        check_refused(&with(too_many), &[("", "steps to match", &expected)]);
    };
    check(&|count| (0..count).map(|n| format!("*-logs-{n}/*")).collect(), 220, 250);
    check(&|count| (0..count).map(|n| format!("*{}{n}", "a".repeat(400))).collect(), 50, 80);
    check(&|count| (0..count).map(|n| format!("*/${{aws:username}}/{n}")).collect(), 50, 100);
    // One at the end costs nothing: it is no matching.
    let ends: Vec<String> = (0..2_000).map(|n| format!("logs-{n}/*")).collect();
    let statement = |list: &[String]| json!({ "Effect": "Deny", "Action": "a:b", "Resource": list });
    let statements: Vec<Value> = ends.chunks(VALUES_MAX).map(statement).collect();
    assert!(Document::from_value(&json!({ "Version": "2012-10-17", "Statement": statements })).is_ok());

    let mut statement = good_statement();
    let values: Vec<String> = (0..200).map(|n| format!("*{n}*")).collect();
    statement["Condition"] = json!({ "StringLike": { "app:text": values } });
    check_refused(&with_statement(&statement).to_string(), &[("", "steps to match", "at most")]);
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
    assert!(allow.matches_action("USER:read") && !allow.matches_action("users:read"));
    assert_eq!(Statement::deny(&["user:*"], &["*"]).unwrap().effect(), Effect::Deny);

    let errors = Statement::allow(&[], &["a", "${x"]).unwrap_err();
    assert_eq!(errors.iter().map(|error| &*error.path).collect::<Vec<_>>(), ["/Action", "/Resource/1"]);
}
