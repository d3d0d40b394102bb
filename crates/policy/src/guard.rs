//! What a policy's expression sees of a question.

use std::cell::OnceCell;

use crate::expression::{Entries, Expression, Items, Root, Scope, Timestamp, Value as Cel};
use crate::key::{Facts, Known, Named, Tagged};
use crate::statement::Applies;
use crate::table::Ask;
use crate::value::{Stored, Value};

/// Tells whether an expression lets its policy speak.
pub(crate) fn judge(expression: &Expression, ask: &Ask<'_>) -> Applies {
    match expression.evaluate(&View::new(ask)) {
        Ok(true) => Applies::Yes,
        Ok(false) => Applies::No,
        Err(_) => Applies::Error,
    }
}

/// A question as the four variables.
struct View<'a> {
    action: &'a str,
    resource: &'a str,
    ancestors: &'a [&'a str],
    facts: &'a Facts<'a>,
    /// The lists among what the decision point knows, by key.
    lists: [&'a [Box<str>]; Known::ALL.len()],
    principal_tags: Tags<'a>,
    resource_tags: Tags<'a>,
    context: Context<'a>,
    /// The address as a text, once it is asked for.
    address: OnceCell<String>,
}

struct Tags<'a>(Named<'a>);
struct Context<'a>(&'a Facts<'a>);

impl<'a> View<'a> {
    fn new(ask: &Ask<'a>) -> Self {
        let facts = ask.facts;
        let mut lists: [&'a [Box<str>]; Known::ALL.len()] = [&[]; Known::ALL.len()];
        for (list, known) in lists.iter_mut().zip(Known::ALL) {
            if let Value::Texts(texts) = facts.known(*known) {
                *list = texts;
            }
        }
        let (resource, ancestors) =
            ask.chain.split_first().map_or(("", &[][..]), |(name, rest)| (*name, rest));
        Self {
            action: ask.action,
            resource,
            ancestors,
            facts,
            lists,
            principal_tags: Tags(facts.tags(Tagged::Principal)),
            resource_tags: Tags(facts.tags(Tagged::Resource)),
            context: Context(facts),
            address: OnceCell::new(),
        }
    }

    fn text(&self, key: Known) -> Option<Cel<'_>> {
        self.facts.known(key).only_text().map(Cel::from)
    }

    /// What the decision point knows for a key.
    fn known(&self, key: Known) -> Option<Cel<'_>> {
        match self.facts.known(key) {
            Value::Absent | Value::Texts([]) => None,
            Value::Text(text) => Some(text.into()),
            Value::Bool(value) => Some(Cel::Bool(value)),
            Value::Int(value) => Some(Cel::Int(value)),
            Value::Time(micros) => Timestamp::from_unix_micros(micros).map(Cel::Timestamp),
            Value::Ip(address) => {
                Some(self.address.get_or_init(|| address.to_canonical().to_string()).as_str().into())
            }
            Value::Texts(_) => self.lists.get(key as usize).map(|list| Cel::list(list)),
        }
    }

    /// The value of a condition key, which is in lower case.
    fn key(&self, name: &str) -> Option<Cel<'_>> {
        let known = Known::ALL.iter().find(|known| known.lower_name() == name);
        if let Some(known) = known {
            return self.known(*known);
        }
        self.context.value(name)
    }
}

impl Scope for View<'_> {
    fn variable(&self, root: Root) -> Cel<'_> {
        match root {
            Root::Action => self.action.into(),
            Root::Context => Cel::map(self),
            // Expressions name these by their fields.
            Root::Principal | Root::Resource => Cel::Null,
        }
    }

    fn field(&self, root: Root, name: &str) -> Option<Cel<'_>> {
        match (root, name) {
            (Root::Principal, "id") => self.text(Known::UserId),
            (Root::Principal, "name") => self.text(Known::Username),
            (Root::Principal, "kind") => match self.facts.known(Known::PrincipalType).only_text()? {
                "User" => Some("user".into()),
                "Client" => Some("client".into()),
                "Anonymous" => Some("anonymous".into()),
                other => Some(other.into()),
            },
            (Root::Principal, "tenant") => self.text(Known::PrincipalAccount),
            (Root::Principal, "roles") => self.lists.get(Known::Roles as usize).map(|list| Cel::list(list)),
            (Root::Principal, "groups") => self.lists.get(Known::Groups as usize).map(|list| Cel::list(list)),
            (Root::Principal, "tags") => Some(Cel::map(&self.principal_tags)),
            (Root::Principal, "mfa") => {
                Some(Cel::Bool(self.facts.known(Known::MultiFactorAuthPresent).bool() == Some(true)))
            }
            (Root::Resource, "name") => Some(self.resource.into()),
            (Root::Resource, "owner") => self.text(Known::ResourceOwner),
            (Root::Resource, "tags") => Some(Cel::map(&self.resource_tags)),
            (Root::Resource, "ancestors") => Some(Cel::list(&self.ancestors)),
            (Root::Context, key) => self.key(key),
            _ => None,
        }
    }
}

/// The context: what the decision point knows, then what the caller added.
impl Entries for View<'_> {
    fn count(&self) -> usize {
        Known::ALL.iter().filter(|known| !self.facts.known(**known).is_absent()).count()
            + self.context.count()
    }

    fn key(&self, index: usize) -> Option<&str> {
        let present = Known::ALL.iter().filter(|known| !self.facts.known(**known).is_absent());
        let own = present.clone().count();
        match index.checked_sub(own) {
            None => present.clone().nth(index).map(|known| known.lower_name()),
            Some(rest) => self.context.key(rest),
        }
    }

    fn value(&self, key: &str) -> Option<Cel<'_>> {
        View::key(self, key)
    }
}

impl Entries for Context<'_> {
    fn count(&self) -> usize {
        self.0.context().len()
    }

    fn key(&self, index: usize) -> Option<&str> {
        self.0.context().get(index).map(|(key, _)| &**key)
    }

    fn value(&self, key: &str) -> Option<Cel<'_>> {
        let (_, stored) = self.0.context().iter().find(|(known, _)| **known == *key)?;
        match stored {
            Stored::One(text) => Some((&**text).into()),
            Stored::Many(texts) => Some(Cel::list(texts)),
            Stored::Bool(value) => Some(Cel::Bool(*value)),
            Stored::Int(value) => Some(Cel::Int(*value)),
            Stored::Decimal(text) => text.parse().ok().map(Cel::Double),
        }
    }
}

/// Tags with one value; what has several is no string.
impl Entries for Tags<'_> {
    fn count(&self) -> usize {
        self.0.iter().filter(|(_, stored)| stored.only_text().is_some()).count()
    }

    fn key(&self, index: usize) -> Option<&str> {
        let single = self.0.iter().filter(|(_, stored)| stored.only_text().is_some());
        single.map(|(key, _)| &**key).nth(index)
    }

    fn value(&self, key: &str) -> Option<Cel<'_>> {
        let (_, stored) = self.0.iter().find(|(known, _)| **known == *key)?;
        stored.only_text().map(Cel::from)
    }
}

impl<S: AsRef<str>> Items for &[S] {
    fn count(&self) -> usize {
        self.len()
    }

    fn item(&self, index: usize) -> Option<Cel<'_>> {
        self.get(index).map(|text| text.as_ref().into())
    }
}

impl<S: AsRef<str>> Items for Box<[S]> {
    fn count(&self) -> usize {
        self.len()
    }

    fn item(&self, index: usize) -> Option<Cel<'_>> {
        self.get(index).map(|text| text.as_ref().into())
    }
}
