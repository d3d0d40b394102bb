//! Operators and functions: which types they take, and what they give.

use super::super::parse::{Kind as Tree, Node as Part, Operator};
use super::super::program::{Constant, Conversion, Node, Search, Step, ZoneStep};
use super::super::regular::Matcher;
use super::super::time::{self, Duration, Timestamp, Zone};
use super::super::types::Type;
use super::super::{Place, REGEXES_BYTES_MAX};
use super::{Checker, Typed};
use crate::quote::shorten;

/// Operand, operand, result.
type Form = (Type, Type, Type);

/// Returns the forms of an arithmetic or ordering operator, without those for lists.
fn forms(operator: Operator) -> Vec<Form> {
    use Type::{Bool, Bytes, Double, Duration, Int, String, Timestamp, Uint};

    let same = |types: &[Type]| types.iter().map(|t| (t.clone(), t.clone(), t.clone())).collect::<Vec<_>>();
    match operator {
        Operator::Add => {
            let mut forms = same(&[Int, Uint, Double, String, Bytes, Duration]);
            forms.extend([(Timestamp, Duration, Timestamp), (Duration, Timestamp, Timestamp)]);
            forms
        }
        Operator::Subtract => {
            let mut forms = same(&[Int, Uint, Double, Duration]);
            forms.extend([(Timestamp, Timestamp, Duration), (Timestamp, Duration, Timestamp)]);
            forms
        }
        Operator::Multiply | Operator::Divide => same(&[Int, Uint, Double]),
        Operator::Remainder => same(&[Int, Uint]),
        _ => {
            let ordered = [Bool, Int, Uint, Double, String, Bytes, Timestamp, Duration];
            ordered.into_iter().map(|t| (t.clone(), t, Bool)).collect()
        }
    }
}

/// Returns the type of an operation, if it has a form for these operands.
pub(super) fn operator_result(operator: Operator, left: &Type, right: &Type) -> Option<Type> {
    if operator == Operator::Add
        && let (Type::List(_), Type::List(_)) = (left, right)
    {
        return Some(left.clone().join(right.clone()));
    }
    let forms = forms(operator);
    let mut results =
        forms.into_iter().filter(|(l, r, _)| l.meets(left) && r.meets(right)).map(|form| form.2);
    let first = results.next();
    let lists = operator == Operator::Add && may_be_list(left) && may_be_list(right);
    match first {
        Some(first) if !lists && results.all(|other| other == first) => Some(first),
        Some(_) => Some(Type::Dyn),
        // One list, and something that may be another.
        None => lists.then_some(Type::list(Type::Dyn)),
    }
}

fn may_be_list(found: &Type) -> bool {
    found.is_open() || matches!(found, Type::List(_))
}

/// Returns the forms of an operator, for people.
pub(super) fn operator_forms(operator: Operator) -> String {
    let sign = operator.as_str();
    match operator {
        Operator::Equal | Operator::NotEqual => "the same type on both sides, or `dyn(…)` around one".to_owned(),
        Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual => {
            "bool, int, uint, double, string, bytes, timestamp or duration, the same on both sides, or `dyn(…)` \
             around one"
                .to_owned()
        }
        _ => {
            let mut shown: Vec<String> =
                forms(operator).iter().map(|(left, right, _)| format!("{left} {sign} {right}")).collect();
            if operator == Operator::Add {
                shown.push("list(A) + list(A)".to_owned());
            }
            format!("one of: {}", shown.join(", "))
        }
    }
}

impl<'t> Checker<'t> {
    pub(super) fn call(
        &mut self,
        place: Place,
        function: &'t str,
        receiver: Option<&Part<'t>>,
        arguments: &[Part<'t>],
    ) -> Typed {
        if let Some(typed) = self.macro_call(place, function, receiver, arguments) {
            return typed;
        }
        match (function, receiver, arguments) {
            ("size", None, [of]) | ("size", Some(of), []) => self.size(place, of),
            ("matches", None, [text, pattern]) | ("matches", Some(text), [pattern]) => {
                self.matches(place, text, pattern)
            }
            ("contains", Some(text), [wanted]) => self.search(place, Search::Contains, text, wanted),
            ("startsWith", Some(text), [wanted]) => self.search(place, Search::StartsWith, text, wanted),
            ("endsWith", Some(text), [wanted]) => self.search(place, Search::EndsWith, text, wanted),
            ("dyn", None, [of]) => (self.part(of).0, Type::Dyn),
            ("type", None, [of]) => {
                let of = Box::new(self.part(of).0);
                (Node { place, step: Step::Convert { to: Conversion::Type, of } }, Type::Type)
            }
            (_, None, [of]) if conversion(function).is_some() => self.convert(place, function, of),
            (_, Some(of), [] | [_]) if time::Part::of(function).is_some() => {
                self.time_part(place, function, of, arguments.first())
            }
            _ => self.no_function(place, function, receiver.is_some(), arguments.len()),
        }
    }

    fn no_function(&mut self, place: Place, function: &str, on_value: bool, arguments: usize) -> Typed {
        let dot = if on_value { "value." } else { "" };
        let plural = if arguments == 1 { "" } else { "s" };
        let found = format!("`{dot}{}(…)` with {arguments} argument{plural}", shorten(function));
        self.wrong(place, found, usage(function))
    }

    fn size(&mut self, place: Place, of: &Part<'t>) -> Typed {
        let (node, found) = self.part(of);
        let sized = matches!(found, Type::String | Type::Bytes | Type::List(_) | Type::Map(..));
        if !sized && !found.is_open() {
            return self.wrong(place, format!("size of {found}"), "string, bytes, a list or a map");
        }
        (Node { place, step: Step::Size(Box::new(node)) }, Type::Int)
    }

    /// Checks a part that must be a string, for `what`.
    fn string(&mut self, part: &Part<'t>, what: &str) -> Node {
        let (node, found) = self.part(part);
        if !found.meets(&Type::String) {
            self.refuse(part.place, format!("{found} for {what}"), "string");
        }
        node
    }

    fn search(&mut self, place: Place, how: Search, text: &Part<'t>, wanted: &Part<'t>) -> Typed {
        let text = Box::new(self.string(text, "the text to search"));
        let wanted = Box::new(self.string(wanted, "the text to find"));
        (Node { place, step: Step::Search { how, text, wanted } }, Type::Bool)
    }

    fn matches(&mut self, place: Place, text: &Part<'t>, pattern: &Part<'t>) -> Typed {
        let text = Box::new(self.string(text, "the text to match"));
        let Tree::String(pattern_text) = &pattern.kind else {
            let expected =
                "a pattern written as a literal, so that it is compiled when the policy is written";
            return self.wrong(pattern.place, "a computed pattern", expected);
        };
        // Once they are too many, no more are compiled.
        let compiled = (self.regexes_bytes <= REGEXES_BYTES_MAX).then(|| Matcher::compile(pattern_text));
        let matcher = match compiled {
            Some(Ok((matcher, bytes))) => {
                self.regexes_bytes = self.regexes_bytes.saturating_add(bytes);
                Some(matcher).filter(|_| self.regexes_bytes <= REGEXES_BYTES_MAX)
            }
            Some(Err(refusal)) => {
                self.regexes_bytes = self.regexes_bytes.saturating_add(refusal.bytes);
                return self.wrong(pattern.place, refusal.found, refusal.expected);
            }
            None => None,
        };
        let Some(matcher) = matcher else {
            let expected = format!("patterns that compile to at most {REGEXES_BYTES_MAX} bytes together");
            return self.wrong(pattern.place, "more patterns than one expression may have", expected);
        };
        (Node { place, step: Step::Matches { text, matcher } }, Type::Bool)
    }

    fn convert(&mut self, place: Place, function: &str, of: &Part<'t>) -> Typed {
        let Some((to, result, sources)) = conversion(function) else {
            return self.no_function(place, function, false, 1);
        };
        // A constant that cannot be read would fail each time.
        if let Tree::String(text) = &of.kind {
            let read = match to {
                Conversion::Timestamp => Some(Timestamp::parse(text).map(Constant::Timestamp)),
                Conversion::Duration => Some(Duration::parse(text).map(Constant::Duration)),
                _ => None,
            };
            match read {
                Some(Some(constant)) => return super::constant(place, constant, result),
                Some(None) => {
                    let found = format!("`{}` as a {function}", shorten(text));
                    return self.wrong(of.place, found, usage(function));
                }
                None => {}
            }
        }
        let (node, found) = self.part(of);
        if !found.is_open() && !sources.contains(&found) {
            let sources: Vec<String> = sources.iter().map(ToString::to_string).collect();
            return self.wrong(place, format!("{function}({found})"), sources.join(", "));
        }
        (Node { place, step: Step::Convert { to, of: Box::new(node) } }, result)
    }

    fn time_part(&mut self, place: Place, function: &str, of: &Part<'t>, zone: Option<&Part<'t>>) -> Typed {
        let Some(part) = time::Part::of(function) else {
            return self.no_function(place, function, true, usize::from(zone.is_some()));
        };
        let (of, found) = self.part(of);
        let fits = found.meets(&Type::Timestamp)
            || (found == Type::Duration && part.is_of_durations() && zone.is_none());
        if !fits {
            let or_duration = if part.is_of_durations() && zone.is_none() { " or duration" } else { "" };
            self.refuse(place, format!("{function} of {found}"), format!("timestamp{or_duration}"));
        }
        let zone = match zone {
            None => ZoneStep::Utc,
            Some(zone) => match &zone.kind {
                Tree::String(text) => match Zone::parse(text) {
                    Some(fixed) => ZoneStep::Fixed(fixed),
                    None => {
                        let found = format!("the time zone `{}`", shorten(text));
                        return self.wrong(zone.place, found, ZONES);
                    }
                },
                _ => ZoneStep::Computed(Box::new(self.string(zone, "a time zone"))),
            },
        };
        (Node { place, step: Step::Part { part, of: Box::new(of), zone } }, Type::Int)
    }
}

/// Which time zones there are.
const ZONES: &str = "`UTC` or a fixed offset such as `+01:00`: the offset of a named zone changes by law, and the \
    answer would change with it";

/// Returns what a conversion function gives, and what it takes.
fn conversion(function: &str) -> Option<(Conversion, Type, Vec<Type>)> {
    use Type::{Bool, Bytes, Double, Duration, Int, String, Timestamp, Uint};

    Some(match function {
        "int" => (Conversion::Int, Int, vec![Int, Uint, Double, String, Timestamp]),
        "uint" => (Conversion::Uint, Uint, vec![Uint, Int, Double, String]),
        "double" => (Conversion::Double, Double, vec![Double, Int, Uint, String]),
        "string" => {
            (Conversion::String, String, vec![String, Bool, Int, Uint, Double, Bytes, Timestamp, Duration])
        }
        "bytes" => (Conversion::Bytes, Bytes, vec![Bytes, String]),
        "bool" => (Conversion::Bool, Bool, vec![Bool, String]),
        "timestamp" => (Conversion::Timestamp, Timestamp, vec![Timestamp, String, Int]),
        "duration" => (Conversion::Duration, Duration, vec![Duration, String]),
        _ => return None,
    })
}

/// Says how a function is called.
fn usage(function: &str) -> String {
    let usage = match function {
        "size" => "`value.size()` or `size(value)`",
        "matches" => "`text.matches(pattern)` or `matches(text, pattern)`",
        "contains" => "`text.contains(part)`",
        "startsWith" => "`text.startsWith(beginning)`",
        "endsWith" => "`text.endsWith(end)`",
        "has" => "`has(value.field)`",
        "all" | "exists" | "exists_one" | "filter" => "`list.NAME(x, test)`, where NAME is the function",
        "map" => "`list.map(x, item)` or `list.map(x, test, item)`",
        "timestamp" => "an instant of RFC 3339, such as `2026-11-22T09:30:00Z`, from year 1 to 9999",
        "duration" => "a length of time such as `1h30m`, `-1.5s` or `250ms`, of at most 292 years",
        "int" | "uint" | "double" | "string" | "bytes" | "bool" | "dyn" | "type" => "a function of one value",
        _ if time::Part::of(function).is_some() => {
            "`time.NAME()` or `time.NAME(zone)`, where NAME is the function"
        }
        _ => {
            "one of the functions `size`, `contains`, `startsWith`, `endsWith`, `matches`, `int`, `uint`, \
             `double`, `string`, `bytes`, `bool`, `timestamp`, `duration`, `dyn`, `type`, those that begin with \
             `get`, or the macros `has`, `all`, `exists`, `exists_one`, `filter`, `map`"
        }
    };
    usage.replace("NAME", function)
}
