//! What an expression reads of the question.

use super::Root;
use super::program::{Constant, Node, Operator, Step, Turn, ZoneStep};
use crate::key::{Known, Tagged};
use crate::reads::Reads;

/// Adds what a program reads. Runs no deeper than the program is high.
pub(super) fn add(node: &Node, reads: &mut Reads) {
    if let Some((tagged, name)) = single_tag(&node.step) {
        reads.add_tag(tagged, name);
        return;
    }
    match &node.step {
        Step::Constant(_) | Step::Constants(_) | Step::Local(_) => {}
        Step::Root(Root::Context) => reads.add_all_known(),
        Step::Root(_) => {}
        Step::Field { root, name } | Step::HasField { root, name } => add_field(*root, name, reads),
        Step::Select { of, .. }
        | Step::Has { of, .. }
        | Step::Not(of)
        | Step::Negate(of)
        | Step::Convert { of, .. }
        | Step::Size(of)
        | Step::Matches { text: of, .. } => add(of, reads),
        Step::Index { of, index } => both(of, index, reads),
        Step::Binary { left, right, .. } => both(left, right, reads),
        Step::Search { text, wanted, .. } => both(text, wanted, reads),
        Step::All(nodes) | Step::Any(nodes) | Step::List(nodes) => {
            nodes.iter().for_each(|node| add(node, reads));
        }
        Step::Map(entries) => entries.iter().for_each(|(key, value)| both(key, value, reads)),
        Step::Conditional { test, then, otherwise } => {
            add(test, reads);
            both(then, otherwise, reads);
        }
        Step::Part { of, zone, .. } => {
            add(of, reads);
            if let ZoneStep::Computed(zone) = zone {
                add(zone, reads);
            }
        }
        Step::Comprehension(comprehension) => {
            add(&comprehension.range, reads);
            match &comprehension.turn {
                Turn::All(node) | Turn::Exists(node) | Turn::ExistsOne(node) | Turn::Filter(node) => {
                    add(node, reads);
                }
                Turn::Map { test, item } => {
                    test.iter().for_each(|test| add(test, reads));
                    add(item, reads);
                }
            }
        }
    }
}

fn both(one: &Node, other: &Node, reads: &mut Reads) {
    add(one, reads);
    add(other, reads);
}

/// The one tag that a step asks for, if its name stands in the text.
fn single_tag(step: &Step) -> Option<(Tagged, &str)> {
    match step {
        Step::Select { of, field } | Step::Has { of, field } => Some((tags(of)?, &**field)),
        Step::Index { of, index } => Some((tags(of)?, text(index)?)),
        Step::Binary { operator: Operator::In, left, right } => Some((tags(right)?, text(left)?)),
        _ => None,
    }
}

fn text(node: &Node) -> Option<&str> {
    match &node.step {
        Step::Constant(Constant::String(text)) => Some(&**text),
        _ => None,
    }
}

/// Whose tags a part is, if it is all of somebody's.
fn tags(node: &Node) -> Option<Tagged> {
    match &node.step {
        Step::Field { root: Root::Principal, name } if &**name == "tags" => Some(Tagged::Principal),
        Step::Field { root: Root::Resource, name } if &**name == "tags" => Some(Tagged::Resource),
        _ => None,
    }
}

/// Adds what a field holds. One that is not known here is none of those that are stored.
fn add_field(root: Root, name: &str, reads: &mut Reads) {
    match (root, name) {
        (Root::Principal, "id") => reads.add_known(Known::UserId),
        (Root::Principal, "name") => reads.add_computed_name(),
        (Root::Principal, "kind") => reads.add_known(Known::PrincipalType),
        (Root::Principal, "tenant") => reads.add_known(Known::PrincipalAccount),
        (Root::Principal, "roles") => reads.add_known(Known::Roles),
        (Root::Principal, "groups") => reads.add_known(Known::Groups),
        (Root::Principal, "tags") => reads.add_all_tags(Tagged::Principal),
        (Root::Principal, "mfa") => reads.add_known(Known::MultiFactorAuthPresent),
        (Root::Resource, "owner") => reads.add_known(Known::ResourceOwner),
        (Root::Resource, "tags") => reads.add_all_tags(Tagged::Resource),
        (Root::Resource, "ancestors") => reads.add_ancestors(),
        (Root::Context, key) => match Known::ALL.iter().find(|known| known.lower_name() == key) {
            Some(Known::Username) => reads.add_computed_name(),
            Some(known) => reads.add_known(*known),
            None => {}
        },
        _ => {}
    }
}
