//! One fact of a schema, and the text that a schema's facts are kept as.

use crate::{Result, StoreError};

/// What a fact is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Extension,
    Role,
    Membership,
    Database,
    DefaultRight,
    Table,
    View,
    Sequence,
    Function,
    Owner,
    Right,
    Column,
    Constraint,
    Index,
    Trigger,
    Rule,
    Wall,
    Policy,
    Tuning,
}

/// Every kind with its name in the text.
const KINDS: [(Kind, &str); 19] = [
    (Kind::Extension, "extension"),
    (Kind::Role, "role"),
    (Kind::Membership, "membership"),
    (Kind::Database, "database"),
    (Kind::DefaultRight, "default right"),
    (Kind::Table, "table"),
    (Kind::View, "view"),
    (Kind::Sequence, "sequence"),
    (Kind::Function, "function"),
    (Kind::Owner, "owner"),
    (Kind::Right, "right"),
    (Kind::Column, "column"),
    (Kind::Constraint, "constraint"),
    (Kind::Index, "index"),
    (Kind::Trigger, "trigger"),
    (Kind::Rule, "rule"),
    (Kind::Wall, "wall"),
    (Kind::Policy, "policy"),
    (Kind::Tuning, "tuning"),
];

impl Kind {
    fn parse(text: &str) -> Option<Self> {
        KINDS.iter().find(|(_, name)| *name == text).map(|(kind, _)| *kind)
    }

    fn name(self) -> &'static str {
        KINDS.iter().find(|(kind, _)| *kind == self).map_or("object", |(_, name)| *name)
    }

    /// Whether other facts are about parts of it.
    pub(super) fn has_parts(self) -> bool {
        matches!(self, Self::Role | Self::Table | Self::View | Self::Sequence | Self::Function)
    }
}

/// Which fact it is: of one kind, of one table, role or function or of none, by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) kind: Kind,
    /// The table, role or function that it is part of; empty for what stands alone.
    pub(super) part_of: String,
    pub(super) name: String,
}

/// A fact: what it says stands in `definition`, in one line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) key: Key,
    pub(super) definition: String,
}

impl Entry {
    /// A fact whose definition may have line feeds and runs of blanks; they become one blank each.
    pub(super) fn new(kind: Kind, part_of: &str, name: &str, definition: &str) -> Self {
        let key = Key { kind, part_of: part_of.to_owned(), name: name.to_owned() };
        let definition = definition.split_whitespace().collect::<Vec<_>>().join(" ");
        Self { key, definition }
    }

    /// A fact as a statement about the catalogue gives it.
    pub(super) fn read(kind: &str, part_of: &str, name: &str, definition: &str) -> Result<Self> {
        let known = Kind::parse(kind).ok_or_else(|| StoreError::Shape {
            column: "kind".to_owned(),
            found: format!("`{kind}` is no kind of object"),
        })?;
        Ok(Self::new(known, part_of, name, definition))
    }

    /// Reads what `Self::line` wrote.
    pub(super) fn parse(line: &str) -> Result<Self> {
        let mut cells = line.splitn(4, '\t');
        let mut cell = || cells.next().unwrap_or_default();
        let (kind, part_of, name) = (cell(), cell(), cell());
        Self::read(kind, part_of, name, cell())
    }

    /// One line: kind, what it is part of, name and definition, with tabs between.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn line(&self) -> String {
        let Key { kind, part_of, name } = &self.key;
        format!("{}\t{part_of}\t{name}\t{}", kind.name(), self.definition)
    }
}

impl Key {
    /// What an operator calls it.
    pub(super) fn title(&self) -> String {
        let Self { kind, part_of, name } = self;
        match kind {
            Kind::Column | Kind::Constraint | Kind::Trigger | Kind::Rule | Kind::Policy => {
                format!("{} {part_of}.{name}", kind.name())
            }
            Kind::Index => format!("index {name} on {part_of}"),
            Kind::Right if part_of.contains('(') => format!("right of {name} on function {part_of}"),
            Kind::Right => format!("right of {name} on {part_of}"),
            Kind::Owner => format!("owner of {name}"),
            Kind::Wall => format!("row-level security of {name}"),
            Kind::Membership => format!("membership of role {part_of} in {name}"),
            Kind::Database => format!("{name} of the database"),
            Kind::DefaultRight => format!("default rights of owner for {name}"),
            Kind::Tuning => format!("tuning of {part_of}.{name}"),
            Kind::Extension | Kind::Role | Kind::Table | Kind::View | Kind::Sequence | Kind::Function => {
                format!("{} {name}", kind.name())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_reads_back_from_its_line() {
        for (kind, _) in KINDS {
            let entry = Entry::new(kind, "users", "a name", "one\n  two");

            assert_eq!(entry.definition, "one two");
            assert_eq!(Entry::parse(&entry.line()).unwrap(), entry);
        }
    }

    #[test]
    fn a_line_of_an_unknown_kind_is_refused() {
        assert!(Entry::parse("nonsense\t\tx\ty").is_err());
    }
}
