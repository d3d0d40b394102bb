//! Literals, operators, lists, maps and macros. The facts are those of the specification and of its conformance
//! tests (google/cel-spec, `doc/langdef.md` and `tests/simple`).

use policy::expression::Failure;

use super::{fails, holds, holds_not, refused};

#[test]
fn numbers_are_written_in_every_form() {
    holds(&[
        "0 == 0x0",
        "255 == 0xFF",
        "0xffu == 255u",
        "5U == 5u",
        "-9223372036854775808 < -9223372036854775807",
        "9223372036854775807 > 9223372036854775806",
        "18446744073709551615u > 18446744073709551614u",
        "-0x8000000000000000 == -9223372036854775808",
        "1.5 == 15e-1",
        ".5 == 0.5",
        "1e3 == 1000.0",
        "6.02E+23 == 6.02e23",
        "-0.0 == 0.0",
        "1e-400 == 0.0",
        "- 5 == -5",
        "--5 == 5",
        "-(-5) == 5",
    ]);
    refused(
        "an int",
        &["9223372036854775808 == 0", "-9223372036854775809 == 0", "99999999999999999999 == 0"],
    );
    refused("a uint", &["18446744073709551616u == 0u"]);
    refused("a double", &["1e400 == 0.0"]);
    refused("hexadecimal", &["0x == 0", "0x10000000000000000 == 0"]);
    refused("an operator or the end", &["1abc == 1", "1u2 == 1u", "'a' 'b' == 'ab'"]);
    refused("the name of a field", &["7. == 7.0"]);
}

#[test]
fn strings_and_bytes_are_written_in_every_form() {
    holds(&[
        r#"'a' == "a""#,
        r#""" == ''"#,
        r#"'"' == "\"""#,
        "'''x''x''' == \"x''x\"",
        "'''two\nlines''' == 'two\\nlines'",
        "\"\"\"a\"b\"\"\" == 'a\"b'",
        r#"r'\n' == '\\n'"#,
        r#"R"\" == '\\'"#,
        r"'\a\b\f\n\r\t\v' == '\x07\x08\x0c\x0a\x0D\X09\x0b'",
        r#"'\?\"\'\`\\' == "?\"'`\\""#,
        r"'\u00e9' == 'é'",
        r"'\U0001F600' == '😀'",
        r"'\303\277' == 'Ã¿'",
        r"'\377' == 'ÿ' && '\xff' == 'ÿ'",
        r"b'abc' == b'\x61\142c'",
        r"b'ÿ' == b'\303\277'",
        r"b'\377' != b'ÿ'",
        r"br'\x' == b'\\x'",
        r"bytes('\377') != b'\377'",
        r"size(b'\000\xff') == 2",
        "size('fiance\u{301}') == 7",
    ]);
    refused("a closing", &["'abc", "'a\nb' == ''", "\"abc' == ''", "'''abc'' == ''", "r'abc"]);
    refused(
        "an escape sequence",
        &[r"'\s' == ''", r"'\8' == ''", r"'\400' == ''", r"'\x4' == ''", r"'\u12' == ''"],
    );
    refused("no surrogate", &[r"'\ud83d\ude00' == ''", r"'\U00110000' == ''"]);
    refused("bytes have no code points", &[r"b'\u00ff' == b''"]);
}

#[test]
fn blanks_and_comments_stand_between_tokens() {
    holds(&["\t1\r\n==\u{c}1 ", "1 // one\n == 1", "// first\ntrue // last", "true//"]);
    refused("found the end of the expression, expected an expression", &["", "  ", "// nothing", "1 =="]);
    refused("an operator, a name or a literal", &["#", "true @ false", "é", "\u{0}"]);
    refused("expected `&&`", &["true & false"]);
    refused("expected `||`", &["true | false"]);
    refused("expected `==`", &["action = 'a'"]);
}

#[test]
fn operators_bind_as_in_the_table_of_precedence() {
    holds(&[
        "1 + 2 * 3 == 7",
        "(1 + 2) * 3 == 9",
        "10 - 4 - 3 == 3",
        "100 / 10 / 5 == 2",
        "7 % 4 * 2 == 6",
        "-2 + 3 == 1",
        "!false && true",
        "!!true",
        "false && false || true",
        "true || false && false",
        "1 < 2 == true",
        "2 in [1, 2] == true",
        "true ? true : false ? false : false",
        "false ? 1 == 2 : true ? 3 == 3 : false",
        "1 + 1 == 2 ? 'a' == 'a' : false",
        "(true ? 1 : 2) + 1 == 2",
        "-[1][0] == -1",
        "[[1, 2], [3]][0][1] == 2",
        "[1, 2,] == [1, 2] && {'a': 1,} == {'a': 1}",
    ]);
    refused("`:`", &["true ? true"]);
    refused(
        "expected an expression",
        &["1 + ", "(", ")", "!", "true && ", "[1,,2] == [1]", "true ? : false", "size('a',) == 1"],
    );
    refused("`)`", &["(1 == 1", "size('a' == 1"]);
    refused("`,` or `]`", &["[1 2] == [1]"]);
    refused("`,` or `}`", &["{1: 2 3: 4} == {}"]);
}

#[test]
fn integers_are_checked() {
    holds(&[
        "42 / -5 == -8",
        "-42 % 5 == -2",
        "42 % -5 == 2",
        "-42 % -5 == -2",
        "42u / 5u == 8u && 42u % 5u == 2u",
        "9223372036854775806 + 1 == 9223372036854775807",
        "-9223372036854775807 - 1 == -9223372036854775808",
    ]);
    fails(Failure::DivisionByZero, &["15 / 0 == 0", "15u / 0u == 0u", "42 % 0 == 0", "42u % 0u == 0u"]);
    fails(
        Failure::OutOfRange,
        &[
            "9223372036854775807 + 1 > 0",
            "-9223372036854775808 - 1 < 0",
            "9223372036854775807 * 2 > 0",
            "-9223372036854775808 / -1 > 0",
            "-9223372036854775808 % -1 == 0",
            "-(-9223372036854775808) > 0",
            "0u - 1u == 0u",
            "18446744073709551615u + 1u == 0u",
            "5000000000u * 5000000000u == 0u",
        ],
    );
}

#[test]
fn doubles_follow_ieee_754() {
    holds(&[
        "4.25 + 15.25 == 19.5",
        "42.875 - -22.0 == 64.875",
        "-3.0 * -2.5 == 7.5",
        "0.0625 / 0.002 == 31.25",
        "15.75 / 0.0 == double('inf')",
        "-1.0 / 0.0 < -1.7e308",
        "0.0 / 0.0 != 0.0 / 0.0",
        "2.0 * 8.988466e307 > 1.7e308",
        "1e-324 / 2.0 == 0.0",
        "!(0.0 / 0.0 < 1.0) && !(0.0 / 0.0 >= 1.0)",
    ]);
    refused("one of: int % int, uint % uint", &["47.5 % 5.5 == 0.0"]);
}

#[test]
fn arithmetic_takes_one_type() {
    refused(
        "one of:",
        &["1 + 1u == 2", "1 + 1.0 == 2.0", "'a' + 1 == 'a1'", "'a' - 'b' == ''", "[1] - [1] == []"],
    );
    refused("`-` before uint", &["-(5u) == 5u"]);
    refused("`-` before string", &["-'a' == ''"]);
    fails(
        Failure::WrongType,
        &["dyn(1) + dyn(1u) == 2", "1 + dyn('a') == 1", "-dyn('a') == 1", "dyn(1.0) % 2 == 1"],
    );
    holds(&["dyn(1) + 1 == 2", "'a' + dyn('b') == 'ab'", "dyn([1]) + [2] == [1, 2]"]);
}

#[test]
fn equality_is_by_value() {
    holds(&[
        "null == null",
        "true != false",
        "'abc' == r'abc' && 'abc' != 'ABC'",
        "b'abc' != b'abcd'",
        "[] == []",
        "[1, 2] == [1, 2] && [1, 2] != [2, 1] && [1] != [1, 1]",
        "[[]] == [[]]",
        "{} == {}",
        "{'a': 1, 'b': 2} == {'b': 2, 'a': 1}",
        "{'a': 1} != {'a': 2} && {'a': 1} != {'b': 1} && {'a': 1} != {'a': 1, 'b': 2}",
        "{'a': [1, {'b': 2}]} == {'a': [1, {'b': 2}]}",
        "type(1) == int && type(1u) == uint && type(1.0) == double && type('') == string",
        "type(b'') == bytes && type([]) == list && type({}) == map && type(null) == null_type",
        "type(int) == type && type(type(1)) == type && type(true) == bool",
        "type(timestamp('2009-02-13T23:31:30Z')) == google.protobuf.Timestamp",
        "type(duration('1s')) == google.protobuf.Duration",
        "type([1]) == type(['a']) && type(7) != type(7u) && .int == int",
    ]);
    refused(
        "the same type on both sides",
        &["1 == 1u", "1 == 1.0", "'1' == 1", "[1] == ['a']", "null == 1", "true == 1"],
    );
}

#[test]
fn values_of_unknown_types_are_equal_by_what_they_mean() {
    holds(&[
        "dyn(1) == 1u",
        "dyn(1) == 1.0",
        "dyn(1u) == 1.0",
        "dyn(3.0) == 3",
        "dyn(1) != 1.1",
        "dyn('1') != 1",
        "dyn(null) != 1 && dyn(null) == null",
        "dyn([1, 2.0]) == [1u, 2]",
        "dyn({1: 'a'}) == {1u: 'a'}",
        "dyn(9007199254740993) != 9007199254740992.0",
        "dyn(-1) != 18446744073709551615u",
        "dyn(9223372036854775807) != 9223372036854775808.0",
        "dyn(18446744073709551615u) < 18446744073709551616.0",
        "dyn(1) != double('nan') && dyn(1u) != double('-inf')",
        "dyn(b'a') != 'a'",
    ]);
}

#[test]
fn order_is_that_of_the_type() {
    holds(&[
        "-1 < 0 && 0 <= 0 && 1 > 0 && 0 >= 0",
        "0u < 1u && 1.0 < 1.0000001 && !(-0.0 < 0.0)",
        "'a' < 'b' && 'Abc' < 'aBC' && 'abc' < 'abcd' && 'a' < 'á' && !('a' < 'AB')",
        "b'a' < b'b' && b'' < b'\\x00' && !(b'á' < b'b')",
        "false < true && !(true < true)",
        "timestamp('2026-01-01T00:00:00Z') < timestamp('2026-01-01T00:00:00.000000001Z')",
        "duration('1m') > duration('59s')",
        "dyn(1) < 1.5 && dyn(-1) < 1u && 1u > dyn(-1.5) && dyn(2.5) > 2",
        "1 <= dyn(18446744073709551615u) && dyn(-9223372036854775808) >= -9223372036854775808.0",
    ]);
    holds_not(&["2u < 2u", "'' > ''", "1 >= dyn(18446744073709551615u)", "dyn(0.0 / 0.0) <= 1"]);
    refused(
        "the same on both sides",
        &["1 < 1u", "[0] < [1]", "{} < {}", "null < null", "'a' < 1", "type(1) < int"],
    );
    fails(Failure::WrongType, &["dyn('a') < 1", "dyn([1]) < dyn([2])", "dyn(null) < 1"]);
}

#[test]
fn and_or_absorb_errors_that_do_not_matter() {
    holds_not(&[
        "false && 1 / 0 == 0",
        "1 / 0 == 0 && false",
        "true && 1 / 0 == 0 && false",
        "false || false",
        "dyn('horses') && false",
    ]);
    holds(&[
        "true || 1 / 0 == 0",
        "1 / 0 == 0 || true",
        "false || 1 / 0 == 0 || true",
        "dyn(32) || true",
        "true && true && true",
    ]);
    fails(Failure::DivisionByZero, &["true && 1 / 0 == 0", "1 / 0 == 0 && true", "false || 1 / 0 == 0"]);
    fails(Failure::WrongType, &["dyn('less') && dyn('more')", "!dyn(1)", "false || dyn(1)"]);
    refused("bool", &["1 && true", "true || 'a'", "!1", "!'a'"]);
}

#[test]
fn a_conditional_takes_one_branch() {
    holds(&["true ? 1 == 1 : 1 / 0 == 0", "false ? 1 / 0 == 0 : true", "(2 < 5 ? 'yes' : 'no') == 'yes'"]);
    fails(Failure::DivisionByZero, &["true ? 1 / 0 == 0 : true", "(2 / 0 > 4 ? 'a' : 'b') == 'a'"]);
    fails(Failure::WrongType, &["dyn('cows') ? true : false"]);
    refused("the same type on both", &["(true ? 'cows' : 17) == 17"]);
    refused("the test before `?`", &["'cows' ? true : false"]);
    holds(&["(true ? dyn('cows') : 17) == 'cows'"]);
}

#[test]
fn lists_are_indexed_joined_and_searched() {
    holds(&[
        "[7, 8, 9][0] == 7",
        "[7, 8, 9][dyn(1.0)] == 8 && [7, 8, 9][dyn(2u)] == 9",
        "[0, 1] + [2] == [0, 1, 2]",
        "[] + [1] + [] == [1]",
        "2 in [1, 2] && !(3 in [1, 2]) && !('a' in [])",
        "dyn(1.0) in [1, 2] && !(dyn('1') in [1])",
        "dyn(1) in ['a', dyn(1u)]",
        "[1, 'a', 2.0][1] == 'a'",
        "size([1, 2]) == 2 && [].size() == 0",
    ]);
    fails(Failure::NoSuchItem, &["[1][1] == 1", "[1][-1] == 1", "[][0] == 1", "[1][dyn(0.5)] == 1"]);
    fails(Failure::WrongType, &["[1][dyn('a')] == 1", "dyn(1)[0] == 1", "1 in dyn(1)"]);
    refused("as the index of a list", &["[1]['a'] == 1", "[1][0u] == 1"]);
    refused("`[…]` after int", &["1[0] == 1"]);
    refused("A in list(A)", &["'a' in [1]", "1 in 1", "1 in 'a'"]);
}

#[test]
fn maps_are_indexed_selected_and_searched() {
    holds(&[
        "{'a': 1}['a'] == 1 && {'a': 1}.a == 1",
        "{1: 'x'}[1] == 'x' && {true: 5}[true] == 5 && {2u: 'y'}[2u] == 'y'",
        "{1: 'x'}[dyn(1.0)] == 'x' && {1: 'x'}[dyn(1u)] == 'x'",
        "{true: 1, 2: 2, 5u: 3}[true] == 1",
        "{'a': {'b': 7}}.a.b == 7",
        "{'as': 1, 'package': 2}.package == 2",
        "'a' in {'a': 1} && !('b' in {'a': 1}) && !(dyn(1.5) in {1: 2})",
        "has({'a': null}.a) && !has({'a': 1}.b)",
        "{'a': null}.a == null",
        "size({1: 2, 3: 4}) == 2",
        "{'a' + 'b': 1}.ab == 1",
    ]);
    fails(
        Failure::Absent,
        &["{'a': 1}['b'] == 1", "{'a': 1}.b == 1", "{1: 2}[dyn(1.5)] == 2", "{1: 2}[dyn('1')] == 2"],
    );
    fails(Failure::DuplicateKey, &["{'a' + 'b': 1, 'ab': 2} == {}", "{int('1'): 1, 1u: 2} == {}"]);
    fails(
        Failure::WrongType,
        &["{dyn(null): 1} == {}", "{dyn(1.0): 1} == {}", "dyn(1).a == 1", "has(dyn('a').b)"],
    );
    refused(
        "a key that the map has already",
        &["{1: 1, 1: 2} == {}", "{1: 1, dyn(1): 2, 'a': 1, 'a': 2} == {}"],
    );
    refused("int, uint, bool or string", &["{1.0: 1} == {}", "{null: 1} == {}", "{[1]: 1} == {}"]);
    refused("as the key of a map", &["{1: 2}['a'] == 2"]);
    refused("the field `a` of a value of type", &["{1: 2}.a == 2", "'x'.a == 2", "[1].a == 1", "has('x'.a)"]);
    refused("`has` of something that is no field", &["has(1)", "has({'a': 1}['a'])", "has(action)"]);
}

#[test]
fn all_and_exists_go_through_items_and_keys() {
    holds(&[
        "[1, 2, 3].all(e, e > 0) && ![1, 2, 3].all(e, e == 2) && [].all(e, e > 0)",
        "[1, 2, 3].exists(e, e == 2) && ![1, 2, 3].exists(e, e > 3) && ![].exists(e, e == 2)",
        "{'key1': 1, 'key2': 2}.exists(k, k == 'key2') && !{'key1': 1}.all(k, k == 'key2')",
        "[1, 2, 3].exists(e, 6 / (2 - e) == -6)",
        "![1, 2, 3].all(e, 6 / (2 - e) == 6)",
        "[1, 'foo', 3].exists(e, e != '1')",
        "![1, 'foo', 3].all(e, e == 1)",
        "{1: 2}.all(k, {1: 2}[k] == 2)",
    ]);
    holds_not(&["[1, 'foo', 3].exists(e, e == '10')"]);
    fails(Failure::DivisionByZero, &["[1, 2].exists(e, e / 0 == 17)", "[1, 2].all(e, e / 0 != 17)"]);
    fails(
        Failure::WrongType,
        &["[1, 'foo', 3].all(e, e % 2 == 1)", "dyn(1).all(e, e == 1)", "[1].all(e, dyn(e))"],
    );
}

#[test]
fn exists_one_filter_and_map_absorb_nothing() {
    holds(&[
        "[6, 7, 8].exists_one(x, x % 5 == 2) && ![0, 1, 2, 3].exists_one(n, n % 2 == 1)",
        "!['foal', 'foo', 'four'].exists_one(n, n.startsWith('fo')) && ![].exists_one(a, a == 7)",
        "{6: 'six', 7: 'seven'}.exists_one(k, k % 5 == 2)",
        "[0, 1, 2, 3, 4].filter(x, x % 2 == 1) == [1, 3] && [].filter(n, n % 2 == 0) == []",
        "{0: 10, 1: 11}.filter(x, x == 1) == [1]",
        "[2, 4, 6].map(n, n / 2) == [1, 2, 3] && [].map(n, n / 2) == []",
        "[1, 2, 3, 4].map(n, n % 2 == 0, n * 2) == [4, 8]",
        "{1: 1, 2: 4}.map(x, x * x) == [1, 4]",
        "[[1, 2], [3]].map(x, x.map(y, y + size(x))) == [[3, 4], [4]]",
        "[1, 2].map(x, [x, x + 1]).exists(p, p[0] + 1 == p[1] && p[0] == 2)",
    ]);
    fails(
        Failure::DivisionByZero,
        &[
            "[3, 0].exists_one(n, 12 / n > 1)",
            "[3, 0].filter(n, 12 / n > 4) == []",
            "[2, 0].map(n, 4 / n) == []",
        ],
    );
    refused("a macro on int", &["1.all(x, x)", "(1).map(x, x) == []"]);
    refused("a name, such as `x`", &["[1].all(1, true)", "[1].all(x.y, true)", "[1].all(.x, true)"]);
    refused("the test of a macro", &["[1].all(x, x)", "[1].filter(x, 'a') == []", "[1].map(x, x, x) == [1]"]);
    refused("list.all(x, test)", &["[1].all(x)", "[1].all(x, true, true)", "all([1], true)"]);
}

#[test]
fn a_macro_names_its_own_variable() {
    holds(&[
        "[1].all(action, action == 1)",
        "[1].all(x, .action == 'report:read')",
        "['b'].all(x, ['a'].all(x, x == 'a') && x == 'b')",
        "['b'].all(x, ['a'].all(y, x + y == 'ba'))",
        "[{'id': 'z'}].all(principal, principal.id == 'z' && .principal.id == 'u-1')",
        "[{'id': 'z'}].all(context, has(context.id))",
        "[1].all(int, int == 1)",
    ]);
    refused("the unknown name `x`", &["[1].all(x, true) && x == 1", "x", "x.y == 1", "[x].all(x, true)"]);
}

#[test]
fn protocol_buffers_are_refused_with_a_word_why() {
    refused(
        "no protocol buffer type",
        &["Foo{} == Foo{}", "a.b.Foo{x: 1} == 1", "google.protobuf.Int32Value{value: 1} == 1"],
    );
    refused("the unknown name", &["google.protobuf.NullValue.NULL_VALUE == 0", "dyn == 1"]);
    refused("one of the functions", &["foo(1) == 1", "'a'.upper() == 'A'", "google.protobuf.foo(1) == 1"]);
    refused("the reserved word", &["package == 1", "if(true)", "[1].all(for, true)"]);
}

#[test]
fn an_expression_is_a_bool() {
    refused("bool: an expression says whether", &["1", "'a'", "action", "[true]", "null", "resource.tags"]);
    holds(&["dyn(true)", "context['aws:securetransport']"]);
    fails(Failure::WrongType, &["dyn(1)", "context['app:amount']", "dyn(null)"]);
}
