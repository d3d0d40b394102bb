//! The four variables.

use policy::expression::{Entries, Expression, Failure, Root, Scope, Value};

use super::{Question, fails, holds, holds_not, parse, refused};

#[test]
fn variables_hold_the_question() {
    holds(&[
        "action == 'report:read'",
        "principal.id == 'u-1' && principal.name == 'ana' && principal.kind == 'user' && principal.tenant == 't-1'",
        "principal.roles == ['editor', 'auditor'] && 'editor' in principal.roles && principal.groups.size() == 1",
        "principal.tags.team == 'blue' && principal.tags['level'] == '3' && size(principal.tags) == 2",
        "principal.mfa",
        "resource.name == 'reports/2026/q3' && resource.owner == principal.id",
        "resource.tags == {'state': 'draft', 'team': 'blue'}",
        "resource.ancestors.exists(a, a == 'reports') && 'team' in resource.tags",
        "resource.tags.all(k, resource.tags[k] != '')",
        ".action == action",
    ]);
    refused(
        "one of its fields",
        &["principal == principal", "[resource] == []", "dyn(principal) == 1", "size(resource) == 1"],
    );
    refused("one of `id`, `name`", &["principal.email == ''", "has(principal.email)"]);
    refused("one of `name`, `owner`", &["resource.id == ''"]);
    refused("a field, such as `principal.name`", &["principal['id'] == 'u-1'"]);
    refused("the field `id` of a value of type string", &["action.id == ''", "has(action.id)"]);
    refused(
        "the same type on both sides",
        &["principal.mfa == 'true'", "principal.roles == 'editor'", "resource.owner == null"],
    );
    refused("A in list(A)", &["1 in principal.roles"]);
}

#[test]
fn context_is_read_by_its_keys() {
    holds(&[
        "context['aws:sourceip'] == '10.1.2.3'",
        "'aws:sourceip' in context && !('aws:useragent' in context)",
        "context['aws:sourceip'].startsWith('10.')",
        "context['app:amount'] < 300 && context['app:amount'] + 1 == 251 && context['app:amount'] < 250.5",
        "context['app:ratio'] * 2.0 == 1.0",
        "context['app:regions'] == ['eu', 'us'] && 'eu' in context['app:regions']",
        "context['app:regions'].all(r, r.size() == 2)",
        "context['app:none'] == null",
        "context['aws:currenttime'] == timestamp('2026-11-22T09:30:00Z')",
        "context['aws:currenttime'].getHours('+01:00') == 10 && context['aws:currenttime'].getDayOfWeek() == 0",
        "context['aws:currenttime'] - timestamp('2026-11-22T00:00:00Z') == duration('9h30m')",
        "context.exists(k, k.startsWith('aws:')) && size(context) == 7",
        "context['app:' + 'amount'] == 250 && ('app:' + 'amount') in context",
        "!has(context.amount)",
        "context['app:amount'] != '250'",
    ]);
    holds_not(&["'app:none' in {} && context['app:nothing'] == 1"]);
    fails(
        Failure::Absent,
        &["context['aws:useragent'] == 'x'", "context.amount == 1", "context['app:' + 'x'] == 1"],
    );
    fails(
        Failure::WrongType,
        &["context['app:amount'].startsWith('2')", "context['app:amount'] + 'a' == 'a'"],
    );
    refused(
        "context keys are in lower case",
        &["context['aws:SourceIp'] == ''", "'aws:SourceIp' in context", "has(context.Ip)"],
    );
}

#[test]
fn what_is_absent_is_an_error_unless_tested_for() {
    let answer = |text: &str| parse(text).evaluate(&Question::bare());

    assert_eq!(answer("resource.owner == principal.id").unwrap_err().failure, Failure::Absent);
    assert_eq!(answer("resource.tags.team == 'blue'").unwrap_err().failure, Failure::Absent);
    for text in [
        "!has(resource.owner)",
        "has(resource.owner) && resource.owner == principal.id || true",
        "!(has(resource.owner) && resource.owner == principal.id)",
        "resource.owner == 'u-2' || true",
        "!has(resource.tags.team)",
        "has(resource.tags) && resource.tags == {} && resource.ancestors == []",
        "size(context) == 0 && !context.exists(k, true)",
    ] {
        assert_eq!(answer(text), Ok(true), "{text}");
    }
    holds(&["has(resource.owner)", "has(resource.tags.team)", "has(principal.mfa)"]);
}

#[test]
fn names_of_tags_are_in_lower_case() {
    refused(
        "`team`: names of tags are in lower case",
        &[
            "resource.tags.Team == 'blue'",
            "principal.tags['Team'] == 'blue'",
            "'Team' in resource.tags",
            "has(principal.tags.Team)",
        ],
    );
    holds(&["{'Team': 1}.Team == 1", "[{'tags': {'Team': 1}}].all(resource, resource.tags.Team == 1)"]);
}

/// A decision point that breaks its word.
struct Liar;

impl Entries for Liar {
    fn count(&self) -> usize {
        usize::MAX
    }

    fn key(&self, _: usize) -> Option<&str> {
        None
    }

    fn value(&self, _: &str) -> Option<Value<'_>> {
        None
    }
}

impl Scope for Liar {
    fn variable(&self, _: Root) -> Value<'_> {
        Value::map(self)
    }

    fn field(&self, _: Root, _: &str) -> Option<Value<'_>> {
        Some(Value::Double(f64::NAN))
    }
}

#[test]
fn a_scope_that_breaks_its_word_breaks_nothing_else() {
    for text in [
        "action == 'a'",
        "action.contains('a')",
        "principal.mfa",
        "'a' in principal.roles",
        "principal.roles[0] == ''",
        "resource.tags.team == ''",
        "context.all(k, k == '')",
        "context == {}",
        "context == context",
        "size(context) == 0",
        "context.map(k, k) == []",
    ] {
        let answer = Expression::parse(text).unwrap().evaluate(&Liar);

        assert!(
            answer.is_ok() || matches!(answer.unwrap_err().failure, Failure::WrongType | Failure::OutOfRange),
            "{text}"
        );
    }
}

#[test]
fn an_expression_is_known_by_its_text() {
    let expression = parse("action == 'a'");

    assert_eq!(expression.as_str(), "action == 'a'");
    assert_eq!(expression.to_string(), "action == 'a'");
    assert_eq!(format!("{expression:?}"), "Expression(\"action == 'a'\")");
    assert_eq!(expression, expression.clone());
    assert_ne!(expression, parse("action == 'b'"));
}
