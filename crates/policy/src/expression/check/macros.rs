//! The macros: `has`, and those that go through a list or the keys of a map.

use super::super::Place;
use super::super::parse::{Kind as Tree, Node as Part};
use super::super::program::{Comprehension, Node, Step, Turn};
use super::super::types::Type;
use super::{Checker, NO_FIELDS, Typed};

impl<'t> Checker<'t> {
    /// Checks a call of a macro; returns nothing if it is none.
    pub(super) fn macro_call(
        &mut self,
        place: Place,
        function: &str,
        receiver: Option<&Part<'t>>,
        arguments: &[Part<'t>],
    ) -> Option<Typed> {
        let typed = match (function, receiver, arguments) {
            ("has", None, [field]) => self.has(place, field),
            ("all" | "exists" | "exists_one" | "filter", Some(range), [variable, test]) => {
                self.tests(place, function, range, variable, test)
            }
            ("map", Some(range), [variable, item]) => self.transform(place, range, variable, None, item),
            ("map", Some(range), [variable, test, item]) => {
                self.transform(place, range, variable, Some(test), item)
            }
            _ => return None,
        };
        Some(typed)
    }

    fn has(&mut self, place: Place, part: &Part<'t>) -> Typed {
        let Tree::Select { of, field } = &part.kind else {
            let expected = "`has(value.field)`; for the keys of a map also `\"key\" in map`";
            return self.wrong(part.place, "`has` of something that is no field", expected);
        };
        if let Some(root) = self.root(of)
            && fields_or_keys(root)
        {
            if self.field_type(part.place, root, field).is_none() {
                return super::constant(place, super::Constant::Null, Type::Bool);
            }
            return (Node { place, step: Step::HasField { root, name: (*field).into() } }, Type::Bool);
        }
        self.tag_name(part.place, of, field);
        let (of, found) = self.part(of);
        let fits = match &found {
            Type::Map(keys, _) => keys.meets(&Type::String),
            other => other.is_open(),
        };
        if !fits {
            return self.wrong(
                part.place,
                format!("the field `{field}` of a value of type {found}"),
                NO_FIELDS,
            );
        }
        (Node { place, step: Step::Has { of: Box::new(of), field: (*field).into() } }, Type::Bool)
    }

    fn tests(
        &mut self,
        place: Place,
        function: &str,
        range: &Part<'t>,
        variable: &Part<'t>,
        test: &Part<'t>,
    ) -> Typed {
        let (range, item_type) = self.range(range);
        let Some(name) = self.variable(variable) else { return (range, Type::Free) };
        self.locals.push((name, item_type.clone()));
        let test = self.boolean(test, "the test of a macro");
        self.locals.pop();
        let (turn, result) = match function {
            "all" => (Turn::All(test), Type::Bool),
            "exists" => (Turn::Exists(test), Type::Bool),
            "exists_one" => (Turn::ExistsOne(test), Type::Bool),
            _ => (Turn::Filter(test), Type::list(item_type)),
        };
        (Node { place, step: Step::Comprehension(Box::new(Comprehension { range, turn })) }, result)
    }

    fn transform(
        &mut self,
        place: Place,
        range: &Part<'t>,
        variable: &Part<'t>,
        test: Option<&Part<'t>>,
        item: &Part<'t>,
    ) -> Typed {
        let (range, range_type) = self.range(range);
        let Some(name) = self.variable(variable) else { return (range, Type::Free) };
        self.locals.push((name, range_type));
        let test = test.map(|test| self.boolean(test, "the test of a macro"));
        let (item, item_type) = self.part(item);
        self.locals.pop();
        let turn = Turn::Map { test, item };
        let step = Step::Comprehension(Box::new(Comprehension { range, turn }));
        (Node { place, step }, Type::list(item_type))
    }

    /// Checks what a macro goes through, and returns the type of its items.
    fn range(&mut self, part: &Part<'t>) -> Typed {
        let (node, found) = self.part(part);
        let items = match found {
            Type::List(items) => *items,
            Type::Map(keys, _) => *keys,
            Type::Dyn | Type::Free => Type::Dyn,
            other => {
                self.refuse(part.place, format!("a macro on {other}"), "a list, or a map for its keys");
                Type::Free
            }
        };
        (node, items)
    }

    fn variable(&mut self, part: &Part<'t>) -> Option<&'t str> {
        if let Tree::Name { name, rooted: false } = part.kind {
            return Some(name);
        }
        self.refuse(part.place, "something else than a name as a macro's variable", "a name, such as `x`");
        None
    }
}

/// Tells whether a variable has fields or keys that the scope answers one by one.
fn fields_or_keys(root: super::Root) -> bool {
    root != super::Root::Action
}
