//! The standard functions: texts, conversions, instants and lengths of time.

use policy::expression::Failure;

use super::{fails, holds, holds_not, refused};

#[test]
fn texts_are_measured_and_searched() {
    holds(&[
        "size('') == 0 && 'hello'.size() == 5 && size('ÿ') == 1 && size(b'ÿ') == 2 && '😀'.size() == 1",
        "'hello world'.contains('world') && 'a'.contains('') && ''.contains('')",
        "'hello'.startsWith('he') && 'hello'.startsWith('') && 'hello'.endsWith('lo')",
        "'a' + '' + 'b' == 'ab' && b'a' + b'\\xff' == b'a\\xff'",
        "('foo' + 'bar').startsWith('foo')",
    ]);
    holds_not(&[
        "'foobar'.contains('baz')",
        "'a'.startsWith('ab')",
        "'hello'.endsWith('he')",
        "''.contains('a')",
    ]);
    refused("string", &["1.contains('a')", "'a'.startsWith(1)", "b'a'.endsWith('a')", "[1].contains(1)"]);
    refused("`text.contains(part)`", &["contains('a', 'b')", "'a'.contains()", "'a'.contains('b', 'c')"]);
    refused("size of int", &["size(1) == 1"]);
    refused("`value.size()` or `size(value)`", &["size() == 1", "size('a', 'b') == 1", "'a'.size(1) == 1"]);
    fails(Failure::WrongType, &["dyn(1).contains('a')", "'a'.endsWith(dyn(1))", "size(dyn(1)) == 1"]);
}

#[test]
fn patterns_are_those_of_re2() {
    holds(&[
        "'foobar'.matches('foo.*') && matches('foobar', 'o+b') && 'hubba'.matches('ubb')",
        "'abc'.matches('^abc$') && !'xabcx'.matches('^abc$') && ''.matches('')",
        r"'abc'.matches(r'^\w+$') && !'é'.matches(r'\w') && 'é'.matches(r'\W') && 'é'.matches('^.$')",
        r"'7'.matches(r'^\d$') && !'٣'.matches(r'\d') && '٣'.matches(r'\pN') && '٣'.matches(r'\p{Nd}')",
        r"' '.matches(r'\s') && !'\u00a0'.matches(r'\s') && !'\v'.matches(r'\s')",
        r"'a b'.matches(r'a\b') && 'ab'.matches(r'a\Bb') && 'éa'.matches(r'\ba')",
        r"'[a'.matches(r'^[[]a') && '&'.matches(r'^[a&&b]$') && '~'.matches(r'^[~~]$') && ']'.matches(r'^[]]$')",
        r"'é'.matches(r'^[^]a]$') && !']'.matches(r'^[^]a]$') && '-'.matches(r'^[a-]$') && '-'.matches(r'^[a\-z]$')",
        r"'x'.matches(r'^[[:alpha:]]$') && !'é'.matches(r'^[[:alpha:]]$') && '5'.matches(r'^[\d_]$') && '_'.matches(r'^[\D]$')",
        r"'ÀB'.matches('(?i)àb') && 'a\nb'.matches('(?s)a.b') && !'a\nb'.matches('a.b') && 'a\nb'.matches('(?m)^b$')",
        r"'ab'.matches('(?P<first>a)(?:b)') && 'ab'.matches('(?<first>a)') && '😀'.matches(r'^\x{1F600}$')",
        r"'a.b'.matches(r'^a\.b$') && !'axb'.matches(r'^a\.b$') && 'ab'.matches(r'\Aab\z')",
        r"'<'.matches(r'^\<$') && !'a'.matches(r'\<a') && '/'.matches(r'\/')",
        "resource.name.matches('^reports/[0-9]{4}/q[1-4]$')",
    ]);
    refused(
        "of RE2",
        &[
            "'a'.matches('(')",
            "'a'.matches('a**b)')",
            "'a'.matches('[z-a]')",
            "'a'.matches('(?=a)')",
            "'a'.matches('(?<=a)b')",
            r"'a'.matches(r'(a)\1')",
            r"'a'.matches(r'\Qa\E')",
            r"'a'.matches(r'\Z')",
            r"'a'.matches(r'\G')",
            "'a'.matches('(?x)a b')",
            "'a'.matches('[[:nothing:]]')",
            r"'a'.matches(r'\p{Nothing}')",
        ],
    );
    refused("for a `-` that is no range", &[r"'a'.matches(r'[+--]')", r"'a'.matches(r'[a-\d]')"]);
    refused("an escaped character", &[r"'a'.matches('a\\')"]);
    refused(
        "a pattern written as a literal",
        &["'a'.matches(action)", "'a'.matches('a' + 'b')", "[''].all(p, 'a'.matches(p))"],
    );
    refused("string", &["1.matches('a')"]);
    fails(Failure::WrongType, &["dyn(1).matches('a')"]);
}

#[test]
fn numbers_are_converted_within_their_range() {
    holds(&[
        "int(42u) == 42 && int(1.9) == 1 && int(-7.9) == -7 && int('987') == 987 && int('-5') == -5 && int(3) == 3",
        "uint(1729) == 1729u && uint(25.5) == 25u && uint(1e19) == 10000000000000000000u && uint('300') == 300u",
        "double(-1000000000000000) == -1e15 && double(123u) == 123.0 && double('-84.32e7') == -8.432e8",
        "double(9223372036854775807) == 9.223372036854775807e18 && double(1.5) == 1.5 && uint(7u) == 7u",
        "int(timestamp('2004-09-16T23:59:59Z')) == 1095379199 && int(timestamp('1969-12-31T23:59:59.5Z')) == -1",
    ]);
    fails(
        Failure::OutOfRange,
        &[
            "int(18446744073709551615u) == 0",
            "int(1e99) == 0",
            "int(9223372036854775807.0) == 0",
            "int(-9223372036854775808.0) == 0",
            "int(0.0 / 0.0) == 0",
            "uint(-1) == 0u",
            "uint(-0.5) == 0u",
            "uint(6.022e23) == 0u",
        ],
    );
    fails(
        Failure::Unreadable,
        &["int('') == 0", "int('1.5') == 0", "int('0x10') == 0", "uint('-1') == 0u", "double('one') == 0.0"],
    );
    refused("int(list(int))", &["int([1]) == 1"]);
    refused("int(duration)", &["int(duration('1s')) == 1"]);
    refused("a function of one value", &["int() == 0", "int(1, 2) == 0", "1.int() == 1"]);
    fails(Failure::WrongType, &["int(dyn([1])) == 1", "uint(dyn(null)) == 1u", "double(dyn(true)) == 1.0"]);
}

#[test]
fn everything_plain_becomes_a_string() {
    holds(&[
        "string(123) == '123' && string(-456) == '-456' && string(9876u) == '9876' && string('a') == 'a'",
        "string(123.456) == '123.456' && string(-4.5e-3) == '-0.0045' && string(1.0) == '1' && string(1e300) == '1e300'",
        "string(1.0 / 0.0) == 'Infinity' && string(-1.0 / 0.0) == '-Infinity' && string(0.0 / 0.0) == 'NaN'",
        "string(true) == 'true' && string(false) == 'false'",
        "string(b'abc') == 'abc' && string(b'\\303\\277') == 'ÿ' && bytes('ÿ') == b'\\303\\277' && bytes(b'a') == b'a'",
        "string(timestamp('2009-02-13T23:31:30Z')) == '2009-02-13T23:31:30Z'",
        "string(timestamp('9999-12-31T23:59:59.999999999Z')) == '9999-12-31T23:59:59.999999999Z'",
        "string(timestamp('2009-02-13T23:31:30.120+01:00')) == '2009-02-13T22:31:30.12Z'",
        "string(duration('1000000s')) == '1000000s' && string(duration('1m1ms')) == '60.001s'",
        "string(duration('-1500ms')) == '-1.5s' && string(duration('0')) == '0s' && string(duration('-1ns')) == '-0.000000001s'",
    ]);
    fails(Failure::Unreadable, &[r"string(b'\000\xff') == ''"]);
    refused("string(list(int))", &["string([1]) == ''"]);
    refused("string(null_type)", &["string(null) == ''"]);
}

#[test]
fn truth_values_are_read_from_strings() {
    holds(&["bool('true') && bool('TRUE') && bool('True') && bool('t') && bool('1') && bool(true)"]);
    holds_not(&["bool('false')", "bool('FALSE')", "bool('False')", "bool('f')", "bool('0')"]);
    fails(Failure::Unreadable, &["bool('TrUe')", "bool('yes')", "bool('')"]);
    refused("bool(int)", &["bool(1)"]);
}

#[test]
fn instants_have_parts_in_a_zone() {
    // 2009-02-13T23:31:30Z was a Friday.
    holds(&[
        "timestamp('2009-02-13T23:31:30Z').getFullYear() == 2009",
        "timestamp('2009-02-13T23:31:30Z').getMonth() == 1",
        "timestamp('2009-02-13T23:31:30Z').getDate() == 13",
        "timestamp('2009-02-13T23:31:30Z').getDayOfMonth() == 12",
        "timestamp('2009-02-13T23:31:30Z').getDayOfWeek() == 5",
        "timestamp('2009-02-13T23:31:30Z').getDayOfYear() == 43",
        "timestamp('2009-02-13T23:31:30Z').getHours() == 23",
        "timestamp('2009-02-13T23:31:30Z').getMinutes() == 31",
        "timestamp('2009-02-13T23:31:30Z').getSeconds() == 30",
        "timestamp('2009-02-13T23:31:20.123456789Z').getMilliseconds() == 123",
        "timestamp('2009-02-13T23:31:30Z').getDayOfMonth('+11:00') == 13",
        "timestamp('2009-02-13T02:00:00Z').getDayOfMonth('-02:30') == 11",
        "timestamp('2009-02-13T23:31:30Z').getHours('02:00') == 1",
        "timestamp('2009-02-13T23:31:30Z').getDayOfWeek('UTC') == 5",
        "timestamp('2009-02-13T23:31:30Z').getSeconds('-00:00') == 30",
        "timestamp('2009-02-13T23:31:30Z').getFullYear('-09:30') == 2009",
        "timestamp('2009-02-13T23:31:30Z').getMinutes('+05:' + '45') == 16",
        "timestamp('0001-01-01T00:00:00Z').getHours('-01:00') == 23",
        "timestamp('2024-12-31T00:00:00Z').getDayOfYear() == 365",
        "timestamp('2000-02-29T00:00:00Z').getDate() == 29",
        "timestamp('1969-12-31T23:59:59Z').getDayOfWeek() == 3",
        "timestamp('1600-03-01T00:00:00Z').getDayOfYear() == 60",
        "timestamp('9999-12-31T23:59:59Z').getMonth() == 11",
        "timestamp(1234567890) == timestamp('2009-02-13T23:31:30Z')",
        "timestamp('2009-02-13t23:31:30z') == timestamp(timestamp('2009-02-13T23:31:30Z'))",
    ]);
    refused(
        "the offset of a named zone",
        &[
            "timestamp('2009-02-13T23:31:30Z').getDate('Australia/Sydney') == 14",
            "timestamp('2009-02-13T23:31:30Z').getDate('CET') == 14",
            "timestamp('2009-02-13T23:31:30Z').getDate('+1:00') == 14",
            "timestamp('2009-02-13T23:31:30Z').getDate('+24:00') == 14",
        ],
    );
    refused("a time zone", &["timestamp('2009-02-13T23:31:30Z').getDate(1) == 14"]);
    fails(Failure::Unreadable, &["timestamp('2009-02-13T23:31:30Z').getDate('Asia/' + 'Tokyo') == 14"]);
    refused("getDate of string", &["'2009-02-13T23:31:30Z'.getDate() == 1"]);
    refused(
        "an instant of RFC 3339",
        &[
            "timestamp('2009-02-13') == timestamp(0)",
            "timestamp('2009-02-30T00:00:00Z') == timestamp(0)",
            "timestamp('2023-02-29T00:00:00Z') == timestamp(0)",
            "timestamp('2009-02-13T24:00:00Z') == timestamp(0)",
            "timestamp('2009-02-13T23:59:60Z') == timestamp(0)",
            "timestamp('2009-02-13T23:31:30') == timestamp(0)",
            "timestamp('2009-02-13T23:31:30.Z') == timestamp(0)",
            "timestamp('2009-02-13T23:31:30UTC') == timestamp(0)",
            "timestamp('0000-01-01T00:00:00Z') == timestamp(0)",
            "timestamp('10000-01-01T00:00:00Z') == timestamp(0)",
            "timestamp('0001-01-01T00:00:00+01:00') == timestamp(0)",
            "timestamp('é') == timestamp(0)",
        ],
    );
    fails(Failure::Unreadable, &["timestamp('2009-02-' + '31T00:00:00Z') == timestamp(0)"]);
    fails(
        Failure::OutOfRange,
        &["timestamp(253402300800) == timestamp(0)", "timestamp(-62135596801) == timestamp(0)"],
    );
}

#[test]
fn lengths_of_time_are_read_and_measured() {
    holds(&[
        "duration('1h30m') == duration('90m') && duration('-1.5h') == duration('-90m') && duration('0') == duration('0s')",
        "duration('1h34us') > duration('1h') && duration('250ms') == duration('.25s') && duration('+1s') == duration('1000000us')",
        "duration('1µs') == duration('1000ns') && duration('1μs') == duration('1us')",
        "duration('10000s').getHours() == 2 && duration('3730s').getMinutes() == 62 && duration('3730s').getSeconds() == 3730",
        "duration('123.321456789s').getMilliseconds() == 321 && duration('-1.5s').getMilliseconds() == -500",
        "duration(duration('1s')) == duration('1' + 's')",
    ]);
    refused(
        "a length of time",
        &[
            "duration('') == duration('0')",
            "duration('1') == duration('0')",
            "duration('s') == duration('0')",
            "duration('-') == duration('0')",
            "duration('1d') == duration('0')",
            "duration('1h-1m') == duration('0')",
            "duration('320000000000s') == duration('0')",
            "duration('-320000000000s') == duration('0')",
            "duration('99999999999999999999999999999999999999999h') == duration('0')",
        ],
    );
    fails(Failure::Unreadable, &["duration('1' + 'd') == duration('0')"]);
    refused("getDate of duration", &["duration('1s').getDate() == 1"]);
    refused("getHours of duration", &["duration('1s').getHours('UTC') == 1"]);
    fails(
        Failure::WrongType,
        &["dyn(duration('1s')).getDate() == 1", "dyn(duration('1s')).getHours('UTC') == 1"],
    );
}

#[test]
fn instants_and_lengths_of_time_add_up() {
    holds(&[
        "timestamp('2009-02-13T23:00:00Z') + duration('240s') == timestamp('2009-02-13T23:04:00Z')",
        "duration('120s') + timestamp('2009-02-13T23:01:00Z') == timestamp('2009-02-13T23:03:00Z')",
        "duration('600s') + duration('50s') == duration('650s')",
        "timestamp('0001-01-01T00:00:01.000000001Z') + duration('-999999999ns') == timestamp('0001-01-01T00:00:00.000000002Z')",
        "timestamp('0001-01-01T00:00:01.999999999Z') + duration('999999999ns') == timestamp('0001-01-01T00:00:02.999999998Z')",
        "timestamp('2009-02-13T23:10:00Z') - duration('600s') == timestamp('2009-02-13T23:00:00Z')",
        "timestamp('2009-02-13T23:31:00Z') - timestamp('2009-02-13T23:29:00Z') == duration('120s')",
        "duration('900s') - duration('42s') == duration('858s')",
        "timestamp('2024-02-28T12:00:00Z') + duration('24h') == timestamp('2024-02-29T12:00:00Z')",
        "timestamp('2000-01-01T00:00:00Z') - timestamp('2000-01-01T00:00:00.5Z') == duration('-500ms')",
    ]);
    fails(
        Failure::OutOfRange,
        &[
            "timestamp('0001-01-01T00:00:00Z') + duration('-1s') == timestamp(0)",
            "timestamp('9999-12-31T23:59:59Z') + duration('1s') == timestamp(0)",
            "timestamp('9999-12-31T23:59:59.999999999Z') + duration('1ns') == timestamp(0)",
            "timestamp('0001-01-01T00:00:00Z') - duration('1ns') == timestamp(0)",
            "timestamp('9999-12-31T23:59:59Z') - timestamp('0001-01-01T00:00:00Z') == duration('0')",
            "timestamp('0001-01-01T00:00:00Z') - timestamp('9999-12-31T23:59:59Z') == duration('0')",
            "duration('-9000000000s') + duration('-9000000000s') == duration('0')",
            "duration('9000000000s') - duration('-9000000000s') == duration('0')",
        ],
    );
    refused(
        "one of:",
        &[
            "timestamp(0) + timestamp(0) == timestamp(0)",
            "duration('1s') - timestamp(0) == timestamp(0)",
            "duration('1s') * 2 == duration('2s')",
            "timestamp(0) + 1 == timestamp(1)",
        ],
    );
}
