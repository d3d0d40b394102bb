//! From a tree to a program: resolves every name, gives every part a type, and refuses what could only fail.
//!
//! A part that is wrong is reported once; what stands around it is checked as if its type were not known.

mod calls;
mod macros;

use super::compare::is_same_key;
use super::parse::{Kind as Tree, Node as Part, Operator};
use super::program::{Constant, Constants, Node, Step};
use super::types::{Type, denoted, fields};
use super::{ERRORS_MAX, Mistake, Place, Root};
use crate::quote::shorten;

/// Checks a whole expression.
///
/// Fails with every mistake, at most [`ERRORS_MAX`].
pub(super) fn check(tree: &Part<'_>) -> Result<Node, Vec<Mistake>> {
    let mut checker = Checker { mistakes: Vec::new(), locals: Vec::new(), regexes_bytes: 0 };
    let (node, found) = checker.part(tree);
    if !found.meets(&Type::Bool) {
        let expected = "bool: an expression says whether the policy applies";
        checker.refuse(tree.place, format!("an expression of type {found}"), expected);
    }
    if checker.mistakes.is_empty() { Ok(node) } else { Err(checker.mistakes) }
}

/// A part of a program and its type.
type Typed = (Node, Type);

struct Checker<'t> {
    mistakes: Vec<Mistake>,
    /// The variables of the macros around, the innermost last.
    locals: Vec<(&'t str, Type)>,
    /// What the patterns so far take at most, in bytes.
    regexes_bytes: usize,
}

impl<'t> Checker<'t> {
    fn refuse(&mut self, place: Place, found: impl Into<String>, expected: impl Into<String>) {
        if self.mistakes.len() < ERRORS_MAX {
            self.mistakes.push(Mistake::new(place, found, expected));
        }
    }

    /// Reports a mistake, and stands in for the part that has it.
    fn wrong(&mut self, place: Place, found: impl Into<String>, expected: impl Into<String>) -> Typed {
        self.refuse(place, found, expected);
        (Node { place, step: Step::Constant(Constant::Null) }, Type::Free)
    }

    fn part(&mut self, part: &Part<'t>) -> Typed {
        let place = part.place;
        match &part.kind {
            Tree::Null => constant(place, Constant::Null, Type::Null),
            Tree::Bool(value) => constant(place, Constant::Bool(*value), Type::Bool),
            Tree::Int(value) => constant(place, Constant::Int(*value), Type::Int),
            Tree::Uint(value) => constant(place, Constant::Uint(*value), Type::Uint),
            Tree::Double(value) => constant(place, Constant::Double(*value), Type::Double),
            Tree::String(value) => constant(place, Constant::String(value.as_str().into()), Type::String),
            Tree::Bytes(value) => constant(place, Constant::Bytes(value.as_slice().into()), Type::Bytes),
            Tree::Name { name, rooted } => self.name(place, name, *rooted),
            Tree::Select { of, field } => self.select(part, of, field),
            Tree::Index { of, index } => self.index(place, of, index),
            Tree::Call { function, receiver, arguments } => {
                self.call(place, function, receiver.as_deref(), arguments)
            }
            Tree::List(items) => self.list(place, items),
            Tree::Map(entries) => self.map(place, entries),
            Tree::Not(of) => {
                let of = self.boolean(of, "`!`");
                (Node { place, step: Step::Not(Box::new(of)) }, Type::Bool)
            }
            Tree::Negate(of) => self.negate(place, of),
            Tree::Binary { operator: Operator::In, left, right } => self.membership(place, left, right),
            Tree::Binary { operator, left, right } => self.binary(place, *operator, left, right),
            Tree::All(operands) => {
                let operands = operands.iter().map(|operand| self.boolean(operand, "`&&`")).collect();
                (Node { place, step: Step::All(operands) }, Type::Bool)
            }
            Tree::Any(operands) => {
                let operands = operands.iter().map(|operand| self.boolean(operand, "`||`")).collect();
                (Node { place, step: Step::Any(operands) }, Type::Bool)
            }
            Tree::Conditional { test, then, otherwise } => self.conditional(place, test, then, otherwise),
        }
    }

    /// Checks a part that must be a truth value, for `what`.
    fn boolean(&mut self, part: &Part<'t>, what: &str) -> Node {
        let (node, found) = self.part(part);
        if !found.meets(&Type::Bool) {
            self.refuse(part.place, format!("{found} for {what}"), "bool");
        }
        node
    }

    fn conditional(&mut self, place: Place, test: &Part<'t>, then: &Part<'t>, other: &Part<'t>) -> Typed {
        let test = Box::new(self.boolean(test, "the test before `?`"));
        let (then, then_type) = self.part(then);
        let (otherwise, other_type) = self.part(other);
        if !then_type.meets(&other_type) {
            let found = format!("{then_type} and {other_type} on the two sides of `:`");
            self.refuse(place, found, "the same type on both, or `dyn(…)`");
        }
        let step = Step::Conditional { test, then: Box::new(then), otherwise: Box::new(otherwise) };
        (Node { place, step }, then_type.join(other_type))
    }

    fn name(&mut self, place: Place, name: &str, rooted: bool) -> Typed {
        if !rooted && let Some(found) = self.local(name) {
            return found_local(place, found);
        }
        match Root::of(name) {
            Some(root @ Root::Action) => (Node { place, step: Step::Root(root) }, Type::String),
            Some(root @ Root::Context) => {
                (Node { place, step: Step::Root(root) }, Type::map(Type::String, Type::Dyn))
            }
            Some(root) => {
                let known = field_names(root);
                self.wrong(place, format!("`{name}` as a whole"), format!("one of its fields: {known}"))
            }
            None => match denoted(name) {
                Some(kind) => constant(place, Constant::Type(kind), Type::Type),
                None => self.unknown(place, name),
            },
        }
    }

    fn unknown(&mut self, place: Place, name: &str) -> Typed {
        let expected = "`principal`, `action`, `resource`, `context`, the name of a type, or the variable of a \
            macro around it";
        self.wrong(place, format!("the unknown name `{}`", shorten(name)), expected)
    }

    /// Returns how far out a macro's variable stands, and its type.
    fn local(&self, name: &str) -> Option<(usize, Type)> {
        let found = self.locals.iter().rev().enumerate().find(|(_, (local, _))| *local == name);
        found.map(|(outwards, (_, local_type))| (outwards, local_type.clone()))
    }

    /// Returns the variable that a part names.
    fn root(&self, part: &Part<'t>) -> Option<Root> {
        match part.kind {
            Tree::Name { name, rooted } if rooted || self.local(name).is_none() => Root::of(name),
            _ => None,
        }
    }

    fn select(&mut self, part: &Part<'t>, of: &Part<'t>, field: &'t str) -> Typed {
        let place = part.place;
        if let Some(kind) = qualified(part).and_then(|name| denoted(&name)) {
            return constant(place, Constant::Type(kind), Type::Type);
        }
        if let Some(root) = self.root(of)
            && root != Root::Action
        {
            return self.field(place, root, field);
        }
        self.tag_name(place, of, field);
        let (of, found) = self.part(of);
        let field_type = match found {
            Type::Map(keys, values) if keys.meets(&Type::String) => *values,
            Type::Dyn | Type::Free => Type::Dyn,
            _ => {
                return self.wrong(
                    place,
                    format!("the field `{field}` of a value of type {found}"),
                    NO_FIELDS,
                );
            }
        };
        (Node { place, step: Step::Select { of: Box::new(of), field: field.into() } }, field_type)
    }

    /// Refuses the name of a tag that no scope can have, if `of` is where tags are.
    fn tag_name(&mut self, place: Place, of: &Part<'t>, name: &str) {
        let Tree::Select { of: owner, field: "tags" } = &of.kind else { return };
        let owned = matches!(self.root(owner), Some(Root::Principal | Root::Resource));
        if owned && name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            let expected =
                format!("`{}`: names of tags are in lower case", shorten(&name.to_ascii_lowercase()));
            self.refuse(place, format!("the tag `{}`", shorten(name)), expected);
        }
    }

    /// Checks a field of `principal` or `resource`, or a key of `context`.
    fn field(&mut self, place: Place, root: Root, field: &str) -> Typed {
        let Some(field_type) = self.field_type(place, root, field) else {
            return (Node { place, step: Step::Constant(Constant::Null) }, Type::Free);
        };
        (Node { place, step: Step::Field { root, name: field.into() } }, field_type)
    }

    /// Checks that a scope can have the field or key, and reports if not.
    fn field_type(&mut self, place: Place, root: Root, field: &str) -> Option<Type> {
        if root == Root::Context {
            if field.bytes().any(|byte| byte.is_ascii_uppercase()) {
                let found = format!("the context key `{}`", shorten(field));
                let expected =
                    format!("`{}`: context keys are in lower case", shorten(&field.to_ascii_lowercase()));
                self.refuse(place, found, expected);
                return None;
            }
            return Some(Type::Dyn);
        }
        let known = fields(root).iter().find(|(name, _)| *name == field);
        if known.is_none() {
            let found = format!("the field `{}` of `{}`", shorten(field), root.as_str());
            self.refuse(place, found, format!("one of {}", field_names(root)));
        }
        known.map(|(_, field_type)| (*field_type).into())
    }

    fn index(&mut self, place: Place, of: &Part<'t>, index: &Part<'t>) -> Typed {
        match (self.root(of), &index.kind) {
            (Some(Root::Context), Tree::String(key)) => return self.field(index.place, Root::Context, key),
            (Some(root @ (Root::Principal | Root::Resource)), _) => {
                let expected = format!("a field, such as `{}.name`", root.as_str());
                return self.wrong(place, format!("`{}[…]`", root.as_str()), expected);
            }
            (_, Tree::String(key)) => self.tag_name(index.place, of, key),
            _ => {}
        }
        let (of, of_type) = self.part(of);
        let (index, index_type) = self.part(index);
        let item_type = match of_type {
            Type::List(items) if index_type.meets(&Type::Int) => *items,
            Type::Map(keys, values) if keys.meets(&index_type) => *values,
            Type::Dyn | Type::Free => Type::Dyn,
            Type::List(_) => return self.wrong(place, format!("{index_type} as the index of a list"), "int"),
            Type::Map(keys, _) => {
                return self.wrong(place, format!("{index_type} as the key of a map"), keys.to_string());
            }
            other => return self.wrong(place, format!("`[…]` after {other}"), "a list or a map"),
        };
        (Node { place, step: Step::Index { of: Box::new(of), index: Box::new(index) } }, item_type)
    }

    fn list(&mut self, place: Place, items: &[Part<'t>]) -> Typed {
        let mut item_type = Type::Free;
        let mut nodes = Vec::with_capacity(items.len());
        for item in items {
            let (node, found) = self.part(item);
            item_type = item_type.join(found);
            nodes.push(node);
        }
        let step = if nodes.iter().all(|node| matches!(node.step, Step::Constant(_))) {
            let constants = nodes.into_iter().filter_map(|node| match node.step {
                Step::Constant(constant) => Some(constant),
                _ => None,
            });
            Step::Constants(Constants(constants.collect()))
        } else {
            Step::List(nodes.into())
        };
        (Node { place, step }, Type::list(item_type))
    }

    fn map(&mut self, place: Place, entries: &[(Part<'t>, Part<'t>)]) -> Typed {
        let (mut key_type, mut value_type) = (Type::Free, Type::Free);
        let mut nodes: Vec<(Node, Node)> = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let (key_node, found) = self.part(key);
            if !found.may_be_key() {
                self.refuse(key.place, format!("{found} as the key of a map"), "int, uint, bool or string");
            }
            let same = |(other, _): &(Node, Node)| match (&other.step, &key_node.step) {
                (Step::Constant(a), Step::Constant(b)) => is_same_key(&a.value(), &b.value()),
                _ => false,
            };
            if nodes.iter().any(same) {
                self.refuse(key.place, "a key that the map has already", "each key once");
            }
            key_type = key_type.join(found);
            let (value_node, found) = self.part(value);
            value_type = value_type.join(found);
            nodes.push((key_node, value_node));
        }
        (Node { place, step: Step::Map(nodes.into()) }, Type::map(key_type, value_type))
    }

    fn negate(&mut self, place: Place, of: &Part<'t>) -> Typed {
        let (node, found) = self.part(of);
        if !found.is_open() && !matches!(found, Type::Int | Type::Double) {
            return self.wrong(place, format!("`-` before {found}"), "int or double");
        }
        (Node { place, step: Step::Negate(Box::new(node)) }, found)
    }

    fn membership(&mut self, place: Place, left: &Part<'t>, right: &Part<'t>) -> Typed {
        if let (Some(Root::Context), Tree::String(key)) = (self.root(right), &left.kind) {
            if self.field_type(left.place, Root::Context, key).is_none() {
                return (Node { place, step: Step::Constant(Constant::Null) }, Type::Bool);
            }
            let step = Step::HasField { root: Root::Context, name: key.as_str().into() };
            return (Node { place, step }, Type::Bool);
        }
        if let Tree::String(key) = &left.kind {
            self.tag_name(left.place, right, key);
        }
        let (left, left_type) = self.part(left);
        let (right, right_type) = self.part(right);
        let fits = match &right_type {
            Type::List(items) => items.meets(&left_type),
            Type::Map(keys, _) => keys.meets(&left_type),
            other => other.is_open(),
        };
        if !fits {
            self.refuse(place, format!("{left_type} in {right_type}"), "A in list(A), or A in map(A, B)");
        }
        let operator = Operator::In;
        (
            Node { place, step: Step::Binary { operator, left: Box::new(left), right: Box::new(right) } },
            Type::Bool,
        )
    }

    fn binary(&mut self, place: Place, operator: Operator, left: &Part<'t>, right: &Part<'t>) -> Typed {
        let (left, left_type) = self.part(left);
        let (right, right_type) = self.part(right);
        let result = match operator {
            Operator::Equal | Operator::NotEqual => left_type.meets(&right_type).then_some(Type::Bool),
            _ => calls::operator_result(operator, &left_type, &right_type),
        };
        let Some(result) = result else {
            let found = format!("{left_type} {} {right_type}", operator.as_str());
            return self.wrong(place, found, calls::operator_forms(operator));
        };
        (
            Node { place, step: Step::Binary { operator, left: Box::new(left), right: Box::new(right) } },
            result,
        )
    }
}

const NO_FIELDS: &str = "a field of `principal` or `resource`, or of a map with keys of type string";

fn constant(place: Place, constant: Constant, constant_type: Type) -> Typed {
    (Node { place, step: Step::Constant(constant) }, constant_type)
}

fn found_local(place: Place, (outwards, local_type): (usize, Type)) -> Typed {
    (Node { place, step: Step::Local(outwards) }, local_type)
}

fn field_names(root: Root) -> String {
    let names: Vec<String> = fields(root).iter().map(|(name, _)| format!("`{name}`")).collect();
    names.join(", ")
}

/// Returns a part as one dotted name, if it is one.
fn qualified(part: &Part<'_>) -> Option<String> {
    match &part.kind {
        Tree::Name { name, .. } => Some((*name).to_owned()),
        Tree::Select { of, field } => Some(format!("{}.{field}", qualified(of)?)),
        _ => None,
    }
}
