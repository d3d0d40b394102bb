//! How patterns stand to each other, as far as their texts tell.

use crate::pattern::{ActionPattern, Form, ResourcePattern};
use crate::statement::Statement;

/// Tells whether a statement certainly is about all that another is about. `false` where it cannot be told.
pub(super) fn covers(wide: &Statement, narrow: &Statement) -> bool {
    if wide.within_names().is_some() || narrow.within_names().is_some() {
        return false;
    }
    let actions = if wide.is_not_action() || narrow.is_not_action() {
        wide.is_not_action() == narrow.is_not_action() && wide.actions() == narrow.actions()
    } else {
        narrow.actions().iter().all(|one| wide.actions().iter().any(|other| covers_action(other, one)))
    };
    let resources = if wide.is_not_resource() || narrow.is_not_resource() {
        wide.is_not_resource() == narrow.is_not_resource() && wide.resources() == narrow.resources()
    } else {
        narrow.resources().iter().all(|one| wide.resources().iter().any(|other| covers_resource(other, one)))
    };
    actions && resources
}

/// Tells whether two statements may be about one question. `true` where it cannot be told.
pub(super) fn may_overlap(one: &Statement, other: &Statement) -> bool {
    let actions = one.is_not_action()
        || other.is_not_action()
        || one.actions().iter().any(|a| other.actions().iter().any(|b| actions_meet(a, b)));
    let unknown = |of: &Statement| of.is_not_resource() || of.within_names().is_some();
    let resources = unknown(one)
        || unknown(other)
        || one.resources().iter().any(|a| other.resources().iter().any(|b| resources_meet(a, b)));
    actions && resources
}

fn covers_action(wide: &ActionPattern, narrow: &ActionPattern) -> bool {
    let same = wide.as_str().eq_ignore_ascii_case(narrow.as_str());
    let begins =
        |stem: &str| narrow.stem().get(..stem.len()).is_some_and(|start| start.eq_ignore_ascii_case(stem));
    same || match (wide.form(), narrow.form()) {
        (_, Form::Literal) => wide.matches(narrow.as_str()),
        (Form::Prefix(_), _) => begins(wide.stem()),
        _ => false,
    }
}

fn covers_resource(wide: &ResourcePattern, narrow: &ResourcePattern) -> bool {
    // Two with the same variables are the same.
    wide.as_str() == narrow.as_str()
        || match (wide.form(), narrow.form()) {
            (_, Form::Literal) => wide.matches(narrow.as_str()),
            (Form::Prefix(_), _) => narrow.stem().starts_with(wide.stem()),
            _ => false,
        }
}

fn actions_meet(one: &ActionPattern, other: &ActionPattern) -> bool {
    match (one.form(), other.form()) {
        (Form::Literal, _) => other.matches(one.as_str()),
        (_, Form::Literal) => one.matches(other.as_str()),
        _ => {
            let length = one.stem().len().min(other.stem().len());
            let start = |pattern: &ActionPattern| pattern.stem().get(..length).map(str::to_ascii_lowercase);
            start(one) == start(other)
        }
    }
}

fn resources_meet(one: &ResourcePattern, other: &ResourcePattern) -> bool {
    let stems_meet = one.stem().starts_with(other.stem()) || other.stem().starts_with(one.stem());
    match (one.form(), other.form()) {
        // What has variables matches nothing without a request: only its literal beginning tells.
        _ if one.variables().next().is_some() || other.variables().next().is_some() => stems_meet,
        (Form::Literal, _) => other.matches(one.as_str()),
        (_, Form::Literal) => one.matches(other.as_str()),
        _ => stems_meet,
    }
}
