//! The evaluation of a program, within its cost.
//!
//! Total: each step either gives a value or says why not, and the depth of the calls is bounded by the height of
//! the program. Allocates only for the strings, bytes, lists and maps that an expression makes.

mod functions;
mod macros;
mod operators;

use std::cell::Cell;

use super::compare::is_same_key;
use super::program::{Node, Step, ZoneStep};
use super::time::Zone;
use super::value::Value;
use super::{COST_MAX, ExpressionError, Failure, Place, Scope};

/// What an evaluation of a part gives.
type Outcome<T> = Result<T, ExpressionError>;

/// Runs a program, and returns its answer with the steps that it took.
pub(super) fn run(program: &Node, scope: &dyn Scope) -> (Result<bool, ExpressionError>, usize) {
    let machine = Machine { scope, left: Cell::new(COST_MAX) };
    let answer = machine.truth(program, None);
    (answer, COST_MAX - machine.left.get())
}

struct Machine<'a> {
    scope: &'a dyn Scope,
    /// The steps that are left.
    left: Cell<usize>,
}

/// The variables of the macros around, the innermost first.
struct Locals<'l, 'a> {
    value: Value<'a>,
    outer: Option<&'l Locals<'l, 'a>>,
}

/// The variables around a part, if it stands in a macro.
type Around<'l, 'a> = Option<&'l Locals<'l, 'a>>;

fn fail<T>(place: Place, failure: Failure) -> Outcome<T> {
    Err(ExpressionError { place, failure })
}

impl<'a> Machine<'a> {
    /// Pays for work. Once the steps are used up, all else fails too.
    fn charge(&self, place: Place, steps: usize) -> Outcome<()> {
        match self.left.get().checked_sub(steps) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => {
                self.left.set(0);
                fail(place, Failure::TooCostly)
            }
        }
    }

    fn eval(&self, node: &'a Node, around: Around<'_, 'a>) -> Outcome<Value<'a>> {
        self.charge(node.place, 1)?;
        match &node.step {
            Step::Constant(constant) => Ok(constant.value()),
            Step::Constants(constants) => Ok(Value::list(constants)),
            Step::Local(outwards) => local(node.place, around, *outwards),
            Step::Root(root) => Ok(self.scope.variable(*root)),
            Step::Field { root, name } => match self.scope.field(*root, name) {
                Some(value) => Ok(value),
                None => fail(node.place, Failure::Absent),
            },
            Step::HasField { root, name } => Ok(Value::Bool(self.scope.field(*root, name).is_some())),
            Step::Select { of, field } => match self.find(of, field, around)? {
                Some(value) => Ok(value),
                None => fail(node.place, Failure::Absent),
            },
            Step::Has { of, field } => Ok(Value::Bool(self.find(of, field, around)?.is_some())),
            Step::Index { of, index } => self.index(node.place, of, index, around),
            Step::Not(of) => Ok(Value::Bool(!self.truth(of, around)?)),
            Step::Negate(of) => self.negate(node.place, of, around),
            Step::Binary { operator, left, right } => {
                let (left, right) = (self.eval(left, around)?, self.eval(right, around)?);
                self.operate(node.place, *operator, left, right)
            }
            Step::All(operands) => self.junction(operands, false, around),
            Step::Any(operands) => self.junction(operands, true, around),
            Step::Conditional { test, then, otherwise } => {
                let branch = if self.truth(test, around)? { then } else { otherwise };
                self.eval(branch, around)
            }
            Step::List(items) => self.list(items, around),
            Step::Map(entries) => self.map(node.place, entries, around),
            Step::Convert { to, of } => {
                let value = self.eval(of, around)?;
                self.convert(node.place, *to, value)
            }
            Step::Size(of) => {
                let value = self.eval(of, around)?;
                self.size(node.place, &value)
            }
            Step::Search { how, text, wanted } => {
                let (text, wanted) = (self.eval(text, around)?, self.eval(wanted, around)?);
                self.search(node.place, *how, &text, &wanted)
            }
            Step::Matches { text, matcher } => {
                let text = self.eval(text, around)?;
                self.matches(node.place, matcher, &text)
            }
            Step::Part { part, of, zone } => {
                let value = self.eval(of, around)?;
                let zone = self.zone(zone, around)?;
                self.time_part(node.place, *part, &value, zone)
            }
            Step::Comprehension(comprehension) => self.comprehend(node.place, comprehension, around),
        }
    }

    /// Evaluates a part that must be a truth value.
    fn truth(&self, node: &'a Node, around: Around<'_, 'a>) -> Outcome<bool> {
        match self.eval(node, around)? {
            Value::Bool(value) => Ok(value),
            _ => fail(node.place, Failure::WrongType),
        }
    }

    /// Joins truth values by `&&` (`decides` is false) or `||` (true).
    ///
    /// Specification, "Logical Operators": "if any of their operands uniquely determines the result (`false` for
    /// `&&` and `true` for `||`) the other operand may or may not be evaluated, and if that evaluation produces a
    /// runtime error, it will be ignored."
    fn junction(&self, operands: &'a [Node], decides: bool, around: Around<'_, 'a>) -> Outcome<Value<'a>> {
        let mut failed = None;
        for operand in operands {
            match self.truth(operand, around) {
                Ok(value) if value == decides => return Ok(Value::Bool(decides)),
                Ok(_) => {}
                Err(error) if error.failure.is_limit() => return Err(error),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(Value::Bool(!decides)), Err)
    }

    fn list(&self, items: &'a [Node], around: Around<'_, 'a>) -> Outcome<Value<'a>> {
        let mut values = Vec::with_capacity(items.len());
        for item in items {
            values.push(self.eval(item, around)?);
        }
        Ok(Value::made_list(values))
    }

    fn map(&self, place: Place, entries: &'a [(Node, Node)], around: Around<'_, 'a>) -> Outcome<Value<'a>> {
        let mut values: Vec<(Value<'a>, Value<'a>)> = Vec::with_capacity(entries.len());
        for (key_node, value_node) in entries {
            let key = self.eval(key_node, around)?;
            if !matches!(key, Value::Bool(_) | Value::Int(_) | Value::Uint(_) | Value::String(_)) {
                return fail(key_node.place, Failure::WrongType);
            }
            self.charge(place, values.len())?;
            if values.iter().any(|(other, _)| is_same_key(other, &key)) {
                return fail(key_node.place, Failure::DuplicateKey);
            }
            values.push((key, self.eval(value_node, around)?));
        }
        Ok(Value::made_map(values))
    }

    /// Looks a field up in a map; finds nothing if it is absent.
    fn find(&self, of: &'a Node, field: &'a str, around: Around<'_, 'a>) -> Outcome<Option<Value<'a>>> {
        match self.eval(of, around)? {
            Value::Map(map) => {
                self.charge(of.place, map.search_cost())?;
                let key = Value::from(field);
                Ok(map.find(Some(field), |other| is_same_key(other, &key)))
            }
            _ => fail(of.place, Failure::WrongType),
        }
    }

    fn zone(&self, zone: &'a ZoneStep, around: Around<'_, 'a>) -> Outcome<Option<Zone>> {
        match zone {
            ZoneStep::Utc => Ok(None),
            ZoneStep::Fixed(zone) => Ok(Some(*zone)),
            ZoneStep::Computed(node) => match self.eval(node, around)? {
                Value::String(text) => match Zone::parse(text.as_str()) {
                    Some(zone) => Ok(Some(zone)),
                    None => fail(node.place, Failure::Unreadable),
                },
                _ => fail(node.place, Failure::WrongType),
            },
        }
    }
}

fn local<'a>(place: Place, around: Around<'_, 'a>, outwards: usize) -> Outcome<Value<'a>> {
    let mut here = around;
    for _ in 0..outwards {
        here = here.and_then(|locals| locals.outer);
    }
    match here {
        Some(locals) => Ok(locals.value.clone()),
        // The checker resolved the name, so this is not reached; a wrong answer would be worse than an error.
        None => fail(place, Failure::Absent),
    }
}
