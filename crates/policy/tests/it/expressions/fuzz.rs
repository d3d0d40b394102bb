//! Generated expressions: broken ones, which the parser must answer, and well-typed ones, which must not fail for
//! their types. Seeded, so that a failure repeats.

use policy::expression::{COST_MAX, Expression, Failure, NODES_MAX, Scope, TEXT_BYTES_MAX};

use super::Question;
use crate::random::Random;

const ROUNDS_PER_SEED: usize = 400;
const MUTATIONS_MAX: usize = 6;
const GENERATED: usize = 4000;
const DEPTH_MAX: usize = 4;

const CORPUS: [&str; 16] = [
    "principal.mfa && resource.tags.team == principal.tags['team']",
    "'editor' in principal.roles || resource.owner == principal.id",
    "context['aws:currenttime'].getHours('+01:00') >= 8 && context['app:amount'] * 2 < 1000",
    "action.matches(r'^report:(read|list)$') && !resource.name.endsWith('/secret')",
    "resource.ancestors.exists(a, a.startsWith('reports')) ? has(resource.owner) : size(context) > 3",
    "[1, 2u, 3.0, 'a', b'\\xff', null, true].map(x, type(x)).exists(t, t == int)",
    "{'a': {1: [true]}}.a[1][0] && {'a': 1, 'b': 2}.all(k, k in ['a', 'b'])",
    "timestamp('2026-11-22T09:30:00Z') - duration('1h30m') < context['aws:currenttime']",
    "[[1, 2], [3]].filter(l, l.size() > 1).map(l, l.exists_one(n, n == 2), l[0]) == [1]",
    "(((((1 + 2) * 3 - 4) / 5) % 6) == 1) || -9223372036854775808 < dyn(0x7fu)",
    "'''triple\n''' + r'\\raw' + \"\\u00e9\\U0001F600\\377\" != ''",
    "principal.tags.all(k, principal.tags[k] != '' && k.matches('[a-z]+')) // tags",
    "true ? false : true ? !false : 1e3 > .5",
    "string(int('42')) + string(double('1.5')) == '421.5' && bool('true') && uint('7') == 7u",
    "!!!true&&!false||null==null",
    "",
];

const TOKENS: [&str; 40] = [
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ".",
    ",",
    ":",
    "?",
    "&&",
    "||",
    "!",
    "-",
    "==",
    "<",
    "in",
    "'",
    "\"",
    "'''",
    "\\",
    "r'",
    "b\"",
    "//",
    "0x",
    "1e999",
    "18446744073709551615u",
    "-9223372036854775808",
    "/ 0",
    ".all(x, ",
    ".map(",
    "has(",
    ".matches('",
    "dyn(",
    "timestamp('",
    "é",
    "\u{0}",
    "\n",
    ".getHours('",
    "}{",
];

fn mutate(random: &mut Random, seed: &str) -> String {
    let mut bytes = seed.as_bytes().to_vec();
    for _ in 0..=random.below(MUTATIONS_MAX) {
        let at = random.below(bytes.len() + 1);
        let end = at + random.below((bytes.len() - at).min(40) + 1);
        match random.below(6) {
            0 => drop(bytes.drain(at..end)),
            1 => drop(bytes.splice(at..at, random.pick(&TOKENS).bytes())),
            2 => bytes.splice(at..at, bytes[at..end].to_vec()).for_each(drop),
            3 => drop(bytes.splice(at..end, random.pick(&CORPUS).bytes())),
            4 => drop(bytes.splice(at..at, random.pick(&TOKENS).repeat(random.below(200)).bytes())),
            _ => bytes[at..end].iter_mut().for_each(|byte| *byte ^= 1 << (at % 8)),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Checks one answer of the parser and, if it accepts, of the evaluation; tells whether it accepted.
pub(super) fn check(text: &str) -> bool {
    match Expression::parse(text) {
        Ok(expression) => {
            assert!(text.len() <= TEXT_BYTES_MAX, "{text}");
            assert_eq!(expression.as_str(), text);
            for question in [Question::full(), Question::bare()] {
                answer_twice(&expression, &question);
            }
            true
        }
        Err(errors) => {
            assert!(!errors.is_empty(), "refused without a reason: {text}");
            for error in errors {
                let (line, column) = error.path.split_once(':').unwrap_or(("1", "1"));
                let lines = text.split('\n').count();
                assert!((1..=lines).contains(&line.parse().unwrap()), "{error}: {text}");
                assert!((1..=TEXT_BYTES_MAX + 1).contains(&column.parse().unwrap()), "{error}: {text}");
                assert!(!error.found.is_empty() && !error.expected.is_empty(), "{error}: {text}");
            }
            false
        }
    }
}

/// Evaluates twice, because the same question has the same answer.
fn answer_twice(expression: &Expression, scope: &dyn Scope) {
    let answer = expression.evaluate(scope);

    assert_eq!(answer, expression.evaluate(scope), "{expression}");
    assert!(expression.cost(scope) <= COST_MAX, "{expression}");
    if let Err(error) = answer {
        let line = expression.as_str().split('\n').nth(usize::from(error.line()) - 1);
        assert!(line.is_some_and(|line| line.chars().count() >= usize::from(error.column()) - 1), "{error}");
    }
}

#[test]
fn the_parser_and_the_evaluation_answer_whatever_they_are_given() {
    let mut random = Random(0x5167_6E65_7400_0020);
    let mut accepted = 0;

    for seed in CORPUS {
        assert!(seed.is_empty() || check(seed), "{seed}");
        for _ in 0..ROUNDS_PER_SEED {
            accepted += usize::from(check(&mutate(&mut random, seed)));
        }
    }

    // Else the mutations would only ever test the first error.
    assert!(accepted > 100, "only {accepted} accepted");
}

/// The types of generated expressions.
#[derive(Clone, Copy, PartialEq)]
enum Wanted {
    Bool,
    Int,
    Uint,
    Double,
    Text,
    Instant,
    Span,
    Ints,
    Texts,
    Tags,
}

const SCALARS: [Wanted; 7] =
    [Wanted::Bool, Wanted::Int, Wanted::Uint, Wanted::Double, Wanted::Text, Wanted::Instant, Wanted::Span];

/// Writes well-typed expressions without `dyn` and without `context`.
struct Writer {
    random: Random,
    /// The variables of the macros around, with their types.
    locals: Vec<(String, Wanted)>,
}

impl Writer {
    fn write(&mut self, wanted: Wanted, depth: usize) -> String {
        let locals: Vec<String> =
            self.locals.iter().filter(|(_, found)| *found == wanted).map(|(name, _)| name.clone()).collect();
        if !locals.is_empty() && self.random.below(3) == 0 {
            return locals[self.random.below(locals.len())].clone();
        }
        if depth == 0 || self.random.below(6) == 0 {
            return self.leaf(wanted).to_owned();
        }
        if self.random.below(8) == 0 {
            let (test, then, other) = (
                self.write(Wanted::Bool, depth - 1),
                self.write(wanted, depth - 1),
                self.write(wanted, depth - 1),
            );
            return format!("({test} ? {then} : {other})");
        }
        let depth = depth - 1;
        match wanted {
            Wanted::Bool => self.truth(depth),
            Wanted::Int => self.int(depth),
            Wanted::Uint => self.arithmetic(wanted, &["+", "-", "*", "/", "%"], depth),
            Wanted::Double => match self.random.below(3) {
                0 => format!("double({})", self.write(Wanted::Int, depth)),
                1 => format!("-({})", self.write(wanted, depth)),
                _ => self.arithmetic(wanted, &["+", "-", "*", "/"], depth),
            },
            Wanted::Text => match self.random.below(4) {
                0 => {
                    let from = SCALARS[self.random.below(SCALARS.len())];
                    format!("string({})", self.write(from, depth))
                }
                1 => format!("{}[0]", self.write(Wanted::Texts, depth)),
                2 => format!("{}.team", self.write(Wanted::Tags, depth)),
                _ => self.arithmetic(wanted, &["+"], depth),
            },
            Wanted::Instant => {
                format!("({} - {})", self.write(Wanted::Instant, depth), self.write(Wanted::Span, depth))
            }
            Wanted::Span => match self.random.below(2) {
                0 => format!(
                    "({} - {})",
                    self.write(Wanted::Instant, depth),
                    self.write(Wanted::Instant, depth)
                ),
                _ => self.arithmetic(wanted, &["+", "-"], depth),
            },
            Wanted::Ints => self.list(wanted, Wanted::Int, depth),
            Wanted::Texts => self.list(wanted, Wanted::Text, depth),
            Wanted::Tags => {
                format!(
                    "{{'team': {}, 'b': {}}}",
                    self.write(Wanted::Text, depth),
                    self.write(Wanted::Text, depth)
                )
            }
        }
    }

    fn leaf(&mut self, wanted: Wanted) -> &'static str {
        self.random.pick(match wanted {
            Wanted::Bool => &["true", "false", "principal.mfa", "has(resource.owner)"],
            Wanted::Int => &["0", "1", "-7", "9223372036854775807", "0x10"],
            Wanted::Uint => &["0u", "3u", "18446744073709551615u"],
            Wanted::Double => &["0.0", "1.5", "-2e10", "1e308"],
            Wanted::Text => {
                &["''", "'a'", "action", "resource.name", "resource.owner", "principal.tags.team", "'7'"]
            }
            Wanted::Instant => &["timestamp('2026-11-22T09:30:00Z')", "timestamp(0)"],
            Wanted::Span => &["duration('90m')", "duration('-1ns')", "duration('2000000h')"],
            Wanted::Ints => &["[]", "[1, 2, 3]"],
            Wanted::Texts => &["['a', 'b']", "principal.roles", "resource.ancestors"],
            Wanted::Tags => &["principal.tags", "resource.tags", "{'a': 'b'}"],
        })
    }

    fn arithmetic(&mut self, wanted: Wanted, operators: &[&str], depth: usize) -> String {
        let operator = self.random.pick(operators);
        format!("({} {operator} {})", self.write(wanted, depth), self.write(wanted, depth))
    }

    fn int(&mut self, depth: usize) -> String {
        match self.random.below(6) {
            0 => format!("size({})", self.write(Wanted::Text, depth)),
            1 => format!("{}.size()", self.write(Wanted::Tags, depth)),
            2 => format!("{}[{}]", self.write(Wanted::Ints, depth), self.write(Wanted::Int, depth)),
            3 => {
                let part =
                    self.random.pick(&["getFullYear()", "getDayOfWeek('-03:30')", "getMilliseconds()"]);
                format!("{}.{part}", self.write(Wanted::Instant, depth))
            }
            4 => {
                let from =
                    [Wanted::Uint, Wanted::Double, Wanted::Text, Wanted::Instant][self.random.below(4)];
                format!("int({})", self.write(from, depth))
            }
            _ => self.arithmetic(Wanted::Int, &["+", "-", "*", "/", "%"], depth),
        }
    }

    fn list(&mut self, wanted: Wanted, item: Wanted, depth: usize) -> String {
        match self.random.below(4) {
            0 => format!("[{}, {}]", self.write(item, depth), self.write(item, depth)),
            1 => self.arithmetic(wanted, &["+"], depth),
            2 => {
                let from = [Wanted::Ints, Wanted::Texts, Wanted::Tags][self.random.below(3)];
                self.comprehension("map", from, item, depth)
            }
            _ => self.comprehension("filter", wanted, Wanted::Bool, depth),
        }
    }

    fn comprehension(&mut self, name: &str, from: Wanted, body: Wanted, depth: usize) -> String {
        let range = self.write(from, depth);
        let variable = format!("v{}", self.locals.len());
        self.locals.push((variable.clone(), if from == Wanted::Ints { Wanted::Int } else { Wanted::Text }));
        let body = self.write(body, depth);
        self.locals.pop();
        format!("{range}.{name}({variable}, {body})")
    }

    fn truth(&mut self, depth: usize) -> String {
        match self.random.below(8) {
            0 => {
                let of = SCALARS[self.random.below(SCALARS.len())];
                self.arithmetic(of, &["==", "!=", "<", "<=", ">", ">="], depth)
            }
            1 => self.arithmetic(Wanted::Texts, &["==", "!="], depth),
            2 => {
                let name = self.random.pick(&["all", "exists", "exists_one"]);
                let from = [Wanted::Ints, Wanted::Texts, Wanted::Tags][self.random.below(3)];
                self.comprehension(name, from, Wanted::Bool, depth)
            }
            3 => format!("({} in {})", self.write(Wanted::Text, depth), self.write(Wanted::Texts, depth)),
            4 => {
                let function = self.random.pick(&["contains", "startsWith", "endsWith"]);
                let (text, wanted) = (self.write(Wanted::Text, depth), self.write(Wanted::Text, depth));
                format!("{text}.{function}({wanted})")
            }
            5 => format!("{}.matches('^[a-z]+:')", self.write(Wanted::Text, depth)),
            6 => format!("!({})", self.write(Wanted::Bool, depth)),
            _ => self.arithmetic(Wanted::Bool, &["&&", "||"], depth),
        }
    }
}

/// How often each kind of answer was seen.
#[derive(Default)]
struct Seen {
    answers: usize,
    failures: usize,
}

#[test]
fn a_well_typed_expression_never_fails_for_its_types() {
    let mut writer = Writer { random: Random(0x5167_6E65_7400_0021), locals: Vec::new() };
    let mut seen = Seen::default();

    for _ in 0..GENERATED {
        let text = writer.write(Wanted::Bool, DEPTH_MAX);
        if text.len() > TEXT_BYTES_MAX {
            continue;
        }
        let expression = match Expression::parse(&text) {
            Ok(expression) => expression,
            Err(errors) => {
                let too_large = errors[0].found == format!("more than {NODES_MAX} parts");
                assert!(too_large, "{text}: {errors:?}");
                continue;
            }
        };
        for question in [Question::full(), Question::bare()] {
            answer_twice(&expression, &question);
            match expression.evaluate(&question) {
                Ok(_) => seen.answers += 1,
                Err(error) => {
                    assert_ne!(error.failure, Failure::WrongType, "{text}: {error}");
                    seen.failures += 1;
                }
            }
        }
    }

    assert!(seen.answers > GENERATED && seen.failures > 500, "{} {}", seen.answers, seen.failures);
}

/// Absorption is what the specification says: the order of operands never changes a decided answer.
#[test]
fn the_order_of_operands_never_changes_a_decided_answer() {
    let mut writer = Writer { random: Random(0x5167_6E65_7400_0022), locals: Vec::new() };
    let mut decided = 0;

    for _ in 0..GENERATED / 4 {
        let (a, b) = (writer.write(Wanted::Bool, 3), writer.write(Wanted::Bool, 3));
        for operator in ["&&", "||"] {
            let one = Expression::parse(&format!("{a} {operator} {b}")).unwrap().evaluate(&Question::full());
            let other =
                Expression::parse(&format!("{b} {operator} {a}")).unwrap().evaluate(&Question::full());
            let limited =
                [&one, &other].iter().any(|answer| matches!(answer, Err(error) if error.failure.is_limit()));
            if !limited {
                assert_eq!(one.ok(), other.ok(), "{a} {operator} {b}");
                decided += 1;
            }
        }
    }

    assert!(decided > GENERATED / 4, "{decided}");
}
