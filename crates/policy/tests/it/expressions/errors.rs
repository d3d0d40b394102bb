//! Where mistakes and failures are said to be.

use policy::expression::{Expression, Failure};

use super::{Question, parse};

#[test]
fn a_mistake_is_told_with_its_place() {
    for (text, path, found, expected) in [
        ("", "1:1", "the end of the expression", "an expression"),
        ("1 +", "1:4", "the end of the expression", "an expression"),
        ("true true", "1:6", "`true`", "an operator or the end of the expression"),
        ("action = 'a'", "1:8", "`=`", "`==`"),
        ("'é' == ü", "1:8", "`ü`", "an operator, a name or a literal"),
        ("true &&\n  'a'", "2:3", "string for `&&`", "bool"),
        ("true &&\r\n\t1", "2:2", "int for `&&`", "bool"),
        ("// why\nprincipal.x == 1", "2:11", "the field `x` of `principal`", "one of `id`"),
        ("principal.roles == 'a'", "1:17", "list(string) == string", "the same type on both sides"),
        ("'a' + 1 == 'a'", "1:5", "string + int", "one of: int + int"),
        ("-'a' == 'a'", "1:1", "`-` before string", "int or double"),
        ("[1][true] == 1", "1:4", "bool as the index of a list", "int"),
        ("{1: 2}['a'] == 1", "1:7", "string as the key of a map", "int"),
        ("{1: 2, 1: 3} == {}", "1:8", "a key that the map has already", "each key once"),
        ("context['A'] == 1", "1:9", "the context key `A`", "`a`: context keys are in lower case"),
        ("foo('a')", "1:1", "`foo(…)` with 1 argument", "one of the functions `size`"),
        ("'a'.foo('a', 2)", "1:5", "`value.foo(…)` with 2 arguments", "one of the functions `size`"),
        ("'a'.matches('a(')", "1:13", "the pattern `a(`", "a regular expression of RE2"),
        ("'a'.matches(action)", "1:13", "a computed pattern", "a pattern written as a literal"),
        ("timestamp('x') == timestamp(0)", "1:11", "`x` as a timestamp", "an instant of RFC 3339"),
        ("timestamp(0).getHours('CET') == 1", "1:23", "the time zone `CET`", "`UTC` or a fixed offset"),
        ("size(1) == 1", "1:1", "size of int", "string, bytes, a list or a map"),
        ("Foo{a: 1} == 1", "1:1", "a message, `Name{…}`", "no protocol buffer type"),
        ("'abc", "1:1", "a literal that does not end", "a closing `'`"),
        (r"'a\q' == ''", "1:3", r"`\q`", "an escape sequence"),
        (r"'\ud800' == ''", "1:2", r"`\ud800`", "a Unicode code point that is no surrogate"),
        ("action", "1:1", "an expression of type string", "bool"),
        ("principal", "1:1", "`principal` as a whole", "one of its fields"),
        ("[1].all(x, y)", "1:12", "the unknown name `y`", "`principal`, `action`"),
    ] {
        let errors = Expression::parse(text).expect_err(text);
        let error = &errors[0];

        assert_eq!((error.path.as_str(), error.found.as_str()), (path, found), "{text}");
        assert!(error.expected.starts_with(expected), "{text}: {error}");
    }
}

#[test]
fn every_mistake_of_types_is_told_once() {
    let errors =
        Expression::parse("x == 1 && principal.y == 2 && 'a' + 1 == 'a' && size(1) > 'a'").unwrap_err();
    let places: Vec<&str> = errors.iter().map(|error| error.path.as_str()).collect();

    assert_eq!(places, ["1:1", "1:21", "1:35", "1:49"]);
}

#[test]
fn a_failure_is_told_with_its_place() {
    for (text, place, failure, said) in [
        ("true && 1 / 0 == 0", "1:11", Failure::DivisionByZero, "division by zero"),
        ("9223372036854775807 + 1 == 0", "1:21", Failure::OutOfRange, "the result is outside the range"),
        ("context['a:b'] == 1", "1:9", Failure::Absent, "the field or key is absent"),
        ("resource.tags.none == ''", "1:15", Failure::Absent, "the field or key is absent"),
        ("[1][2] == 1", "1:5", Failure::NoSuchItem, "the list has no item"),
        ("{'a' + '': 1, 'a': 2} == {}", "1:15", Failure::DuplicateKey, "a map has the same key twice"),
        ("context['app:amount'].startsWith('a')", "1:23", Failure::WrongType, "a value is of a type"),
        ("int('a' + '') == 1", "1:1", Failure::Unreadable, "the value cannot be converted"),
        ("true &&\n context['app:amount']", "2:10", Failure::WrongType, "a value is of a type"),
    ] {
        let error = parse(text).evaluate(&Question::full()).expect_err(text);

        assert_eq!(error.failure, failure, "{text}");
        assert_eq!(format!("{}:{}", error.line(), error.column()), place, "{text}");
        assert!(error.to_string().starts_with(&format!("{place}: {said}")), "{text}: {error}");
    }
}
