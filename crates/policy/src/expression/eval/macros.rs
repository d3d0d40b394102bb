//! The macros that go through a list or the keys of a map.

use super::super::program::{Comprehension, Node, Turn};
use super::super::value::{List, Map, Value};
use super::super::{Failure, Place, VALUE_ITEMS_MAX};
use super::{Around, Locals, Machine, Outcome, fail};

/// What a macro goes through.
enum Range<'a> {
    Items(List<'a>),
    Keys(Map<'a>),
}

impl<'a> Range<'a> {
    fn count(&self) -> usize {
        match self {
            Self::Items(list) => list.count(),
            Self::Keys(map) => map.count(),
        }
    }

    fn item(&self, index: usize) -> Option<Value<'a>> {
        match self {
            Self::Items(list) => list.item(index),
            Self::Keys(map) => map.key(index),
        }
    }
}

impl<'a> Machine<'a> {
    pub(super) fn comprehend(
        &self,
        place: Place,
        comprehension: &'a Comprehension,
        around: Around<'_, 'a>,
    ) -> Outcome<Value<'a>> {
        let range = match self.eval(&comprehension.range, around)? {
            Value::List(list) => Range::Items(list),
            Value::Map(map) => Range::Keys(map),
            _ => return fail(comprehension.range.place, Failure::WrongType),
        };
        match &comprehension.turn {
            Turn::All(test) => self.quantify(place, &range, test, false, around),
            Turn::Exists(test) => self.quantify(place, &range, test, true, around),
            Turn::ExistsOne(test) => {
                let mut found = 0_usize;
                for index in 0..range.count() {
                    let Some(locals) = self.turn(place, &range, index, around)? else { break };
                    found += usize::from(self.truth(test, Some(&locals))?);
                }
                Ok(Value::Bool(found == 1))
            }
            Turn::Filter(test) => {
                let mut kept = Vec::new();
                for index in 0..range.count() {
                    let Some(locals) = self.turn(place, &range, index, around)? else { break };
                    if self.truth(test, Some(&locals))? {
                        push(place, &mut kept, locals.value)?;
                    }
                }
                Ok(Value::made_list(kept))
            }
            Turn::Map { test, item } => {
                let mut made = Vec::new();
                for index in 0..range.count() {
                    let Some(locals) = self.turn(place, &range, index, around)? else { break };
                    let wanted = match test {
                        Some(test) => self.truth(test, Some(&locals))?,
                        None => true,
                    };
                    if wanted {
                        let value = self.eval(item, Some(&locals))?;
                        push(place, &mut made, value)?;
                    }
                }
                Ok(Value::made_list(made))
            }
        }
    }

    /// Pays for one turn, and binds its item.
    fn turn<'l>(
        &self,
        place: Place,
        range: &Range<'a>,
        index: usize,
        around: Around<'l, 'a>,
    ) -> Outcome<Option<Locals<'l, 'a>>> {
        self.charge(place, 1)?;
        Ok(range.item(index).map(|value| Locals { value, outer: around }))
    }

    /// Joins the tests of all items by `&&` (`decides` is false) or `||` (true), and absorbs errors as they do.
    fn quantify(
        &self,
        place: Place,
        range: &Range<'a>,
        test: &'a Node,
        decides: bool,
        around: Around<'_, 'a>,
    ) -> Outcome<Value<'a>> {
        let mut failed = None;
        for index in 0..range.count() {
            let Some(locals) = self.turn(place, range, index, around)? else { break };
            match self.truth(test, Some(&locals)) {
                Ok(value) if value == decides => return Ok(Value::Bool(decides)),
                Ok(_) => {}
                Err(error) if error.failure.is_limit() => return Err(error),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(Value::Bool(!decides)), Err)
    }
}

fn push<'a>(place: Place, list: &mut Vec<Value<'a>>, value: Value<'a>) -> Outcome<()> {
    if list.len() >= VALUE_ITEMS_MAX {
        return fail(place, Failure::TooLarge);
    }
    list.push(value);
    Ok(())
}
