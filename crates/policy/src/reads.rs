//! What policies ask about beside action and resource: the keys that conditions, variables and expressions read.
//!
//! Whoever changes such a value changes what is permitted, without touching a policy.
//!
//! INVARIANT: what is not in here, no decision by these policies depends on. What cannot be told, such as a tag whose
//! name is computed, counts as all that it could be.

use std::collections::BTreeSet;

use crate::condition::Condition;
use crate::key::{Facts, Key, Known, Tagged};
use crate::policy::Policy;
use crate::statement::Statement;
use crate::template::{self, Piece};
use crate::value::Value;

/// What some policies read.
#[derive(Debug, Clone, Default)]
pub struct Reads {
    known: BTreeSet<Known>,
    tags: BTreeSet<(Tagged, Box<str>)>,
    /// Tags of which any may be read.
    all_tags: BTreeSet<Tagged>,
    ancestors: bool,
    /// Conditions on the user name, each once.
    on_name: Vec<Condition>,
    /// Whether an expression reads the user name.
    name_computed: bool,
}

impl Reads {
    /// Adds what a policy reads.
    pub fn add(&mut self, policy: &Policy) {
        for statement in policy.statements() {
            self.add_statement(statement);
        }
        if let Some(expression) = policy.expression() {
            expression.reads(self);
        }
    }

    /// Tells whether a key of the decision point is read.
    #[must_use]
    pub fn known(&self, key: Known) -> bool {
        self.known.contains(&key)
    }

    /// Tells whether a tag may be read. Names of tags are compared in lower case.
    #[must_use]
    pub fn tag(&self, tagged: Tagged, name: &str) -> bool {
        self.all_tags.contains(&tagged) || self.tags.contains(&(tagged, name.to_ascii_lowercase().into()))
    }

    /// Tells whether it is read what resources lie in, other than through links.
    #[must_use]
    pub fn ancestors(&self) -> bool {
        self.ancestors
    }

    /// Tells whether policies may mean somebody by this user name in particular: a condition names it, by itself or
    /// by a pattern, or an expression looks at names.
    #[must_use]
    pub fn means_name(&self, name: &str) -> bool {
        let facts = Facts::default().with(Known::Username, Value::Text(name));
        self.name_computed || self.on_name.iter().any(|condition| condition.is_special(&facts))
    }

    pub(crate) fn add_known(&mut self, key: Known) {
        self.known.insert(key);
    }

    pub(crate) fn add_all_known(&mut self) {
        self.known.extend(Known::ALL);
        self.name_computed = true;
    }

    pub(crate) fn add_computed_name(&mut self) {
        self.add_known(Known::Username);
        self.name_computed = true;
    }

    pub(crate) fn add_tag(&mut self, tagged: Tagged, name: &str) {
        self.tags.insert((tagged, name.to_ascii_lowercase().into()));
    }

    pub(crate) fn add_all_tags(&mut self, tagged: Tagged) {
        self.all_tags.insert(tagged);
    }

    pub(crate) fn add_ancestors(&mut self) {
        self.ancestors = true;
    }

    fn add_statement(&mut self, statement: &Statement) {
        for key in statement.resources().iter().flat_map(|pattern| pattern.variables()) {
            self.add_key(key);
        }
        for condition in statement.conditions() {
            self.add_key(condition.key());
            if *condition.key() == Key::Known(Known::Username) && !self.on_name.contains(condition) {
                self.on_name.push(condition.clone());
            }
            for value in condition.values().iter().filter(|value| template::has_variables(value)) {
                // INVARIANT: values that could not be cut were refused when the document was read.
                for piece in &template::cut(value, true).unwrap_or_default() {
                    if let Piece::Variable { key, .. } = piece {
                        self.add_key(key);
                    }
                }
            }
        }
    }

    fn add_key(&mut self, key: &Key) {
        match key {
            Key::Known(known) => self.add_known(*known),
            Key::Tag(tagged, name) => self.add_tag(*tagged, name),
            Key::Other(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value as Json, json};

    use super::*;
    use crate::{Document, Expression};

    fn of_statement(resource: &str, condition: Option<Json>) -> Reads {
        let mut statement = json!({ "Effect": "Allow", "Action": "a:b", "Resource": resource });
        if let Some(condition) = condition {
            statement["Condition"] = condition;
        }
        let document = json!({ "Version": "2012-10-17", "Statement": [statement] });
        let document = Document::from_value(&document).unwrap();
        let mut reads = Reads::default();
        reads.add(&Policy::new("p", "p").with_document(Arc::new(document)));
        reads
    }

    fn of_expression(text: &str) -> Reads {
        let mut reads = Reads::default();
        reads.add(&Policy::new("p", "p").with_expression(Expression::parse(text).unwrap()));
        reads
    }

    #[test]
    fn conditions_and_variables_name_the_keys_that_they_read() {
        let reads = of_statement(
            "home/${aws:username}/*",
            Some(json!({ "StringEquals": { "aws:PrincipalTag/Team": "x" } })),
        );
        assert!(reads.known(Known::Username) && !reads.known(Known::UserId));
        assert!(reads.tag(Tagged::Principal, "TEAM") && !reads.tag(Tagged::Principal, "other"));
        assert!(!reads.tag(Tagged::Resource, "team"));

        let reads = of_statement(
            "*",
            Some(json!({ "StringLike": { "app:x": ["a", "${aws:ResourceTag/level, 'none'}"] } })),
        );
        assert!(reads.tag(Tagged::Resource, "level") && !reads.tag(Tagged::Principal, "level"));
        assert!(!reads.ancestors());
    }

    #[test]
    fn expressions_name_the_tags_that_stand_in_them_and_otherwise_all() {
        for text in [
            "principal.tags.team == 'x'",
            "has(principal.tags.team)",
            "principal.tags['team'] == 'x'",
            "'team' in principal.tags",
            "resource.name == 'r' && [1].exists(n, n == 1 && principal.tags.team == 'y')",
            "(principal.mfa ? principal.tags.team : 'x').startsWith('x')",
        ] {
            let reads = of_expression(text);
            assert!(reads.tag(Tagged::Principal, "team"), "{text}");
            assert!(!reads.tag(Tagged::Principal, "other"), "{text}");
            assert!(!reads.tag(Tagged::Resource, "team"), "{text}");
        }
        for text in [
            "principal.tags == resource.tags",
            "principal.tags.exists(name, name == 'team')",
            "principal.tags[resource.name] == 'x'",
            "size(principal.tags) == 1",
            "resource.name in principal.tags",
        ] {
            assert!(of_expression(text).tag(Tagged::Principal, "anything"), "{text}");
        }
        assert!(of_expression("principal.tags == resource.tags").tag(Tagged::Resource, "anything"));
    }

    #[test]
    fn expressions_name_fields_and_keys() {
        assert!(of_expression("'g' in principal.groups").known(Known::Groups));
        assert!(of_expression("'r' in principal.roles").known(Known::Roles));
        assert!(of_expression("resource.owner == principal.id").known(Known::ResourceOwner));
        assert!(of_expression("resource.ancestors.exists(a, a == 'x')").ancestors());
        assert!(of_expression("context['aws:groups'] == ['g']").known(Known::Groups));
        assert!(of_expression("'x' in context && context['aws:username'] == 'x'").known(Known::Username));
        assert!(of_expression("size(context) == 0").known(Known::Groups));
        let plain = of_expression("action == 'a:b' && resource.name == 'x' && context['app:x'] == 1");
        assert!(Known::ALL.iter().all(|known| !plain.known(*known)));
    }

    #[test]
    fn a_name_is_meant_by_what_names_it_and_not_by_what_inserts_any() {
        let any = of_statement("home/${aws:username}/*", None);
        assert!(!any.means_name("carol"));
        let equals =
            of_statement("*", Some(json!({ "StringEquals": { "aws:username": ["carol", "dave"] } })));
        assert!(equals.means_name("carol") && !equals.means_name("erin"));
        let unlike = of_statement("*", Some(json!({ "StringNotLike": { "signet:username": "svc-*" } })));
        assert!(unlike.means_name("svc-1") && !unlike.means_name("erin"));
        let own = of_statement(
            "*",
            Some(json!({ "StringEquals": { "aws:username": "${aws:PrincipalTag/name}" } })),
        );
        assert!(own.means_name("erin"), "what cannot be told counts");
        assert!(of_expression("principal.name == 'carol'").means_name("erin"));
        assert!(of_expression("context.exists(k, k == 'x')").means_name("erin"));
    }
}
