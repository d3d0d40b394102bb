//! A policy as it is attached: a document, what it is linked to, its priority.

use std::fmt;
use std::sync::Arc;

use crate::document::Document;
use crate::expression::Expression;
use crate::statement::Statement;

/// The highest priority; the default is 0.
pub const PRIORITY_MAX: u16 = 1000;

/// What a principal has a statement from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// A policy document.
    Policy {
        /// The policy's id.
        id: Arc<str>,
        /// The policy's name.
        name: Arc<str>,
    },
    /// A simple permission.
    Permission {
        /// The permission's code.
        code: Arc<str>,
    },
    /// A permission that a policy is linked to.
    Link {
        /// The policy's id.
        id: Arc<str>,
        /// The policy's name.
        name: Arc<str>,
        /// The permission's code.
        code: Arc<str>,
    },
}

/// A policy or a simple permission, ready to be attached. Shared: a policy of many roles is held once.
#[derive(Debug, Clone)]
pub struct Policy {
    source: Source,
    priority: u16,
    /// Guards all that the policy says.
    expression: Option<Expression>,
    document: Option<Arc<Document>>,
    /// What the policy is linked to, each statement with its permission's code.
    links: Box<[Statement]>,
}

impl Policy {
    /// A policy that says nothing yet. The name is only for people to read.
    #[must_use]
    pub fn new(id: &str, name: &str) -> Self {
        let source = Source::Policy { id: id.into(), name: name.into() };
        Self { source, priority: 0, expression: None, document: None, links: [].into() }
    }

    /// A simple permission of a role, at priority 0.
    #[must_use]
    pub fn permission(code: &str, statements: Vec<Statement>) -> Self {
        let source = Source::Permission { code: code.into() };
        Self { source, priority: 0, expression: None, document: None, links: statements.into() }
    }

    /// Gives the policy a document.
    #[must_use]
    pub fn with_document(self, document: Arc<Document>) -> Self {
        Self { document: Some(document), ..self }
    }

    /// Gives the policy an expression, without which being true it says nothing.
    #[must_use]
    pub fn with_expression(self, expression: Expression) -> Self {
        Self { expression: Some(expression), ..self }
    }

    /// Gives the policy a priority of at most [`PRIORITY_MAX`]; a higher one becomes that.
    #[must_use]
    pub fn with_priority(self, priority: u16) -> Self {
        Self { priority: priority.min(PRIORITY_MAX), ..self }
    }

    /// Gives the policy what it is linked to: statements made by [`Statement::of_permission`].
    #[must_use]
    pub fn with_links(self, links: Vec<Statement>) -> Self {
        Self { links: links.into(), ..self }
    }

    /// Returns what the policy is.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Returns the policy's id, or the permission's code.
    #[must_use]
    pub fn id(&self) -> &Arc<str> {
        match &self.source {
            Source::Policy { id, .. } | Source::Link { id, .. } => id,
            Source::Permission { code } => code,
        }
    }

    /// Returns the priority.
    #[must_use]
    pub fn priority(&self) -> u16 {
        self.priority
    }

    /// Returns the expression.
    #[must_use]
    pub fn expression(&self) -> Option<&Expression> {
        self.expression.as_ref()
    }

    /// Returns the document.
    #[must_use]
    pub fn document(&self) -> Option<&Arc<Document>> {
        self.document.as_ref()
    }

    /// Returns all statements: the document's, then those of links.
    pub fn statements(&self) -> impl Iterator<Item = &Statement> {
        self.document_statements().iter().chain(&self.links)
    }

    /// Returns a statement by its place among [`Policy::statements`].
    pub(crate) fn statement(&self, at: usize) -> Option<&Statement> {
        let own = self.document_statements();
        own.get(at).or_else(|| self.links.get(at.checked_sub(own.len())?))
    }

    /// Says what a statement is from, and its place there.
    pub(crate) fn place(&self, at: usize) -> (Source, usize) {
        let own = self.document_statements().len();
        let Some(link) = at.checked_sub(own) else { return (self.source.clone(), at) };
        let code = self.links.get(link).and_then(|statement| statement.code());
        match (&self.source, code) {
            (Source::Policy { id, name }, Some(code)) => {
                let before = self.links.iter().take(link).filter(|other| other.code() == Some(code)).count();
                (Source::Link { id: id.clone(), name: name.clone(), code: code.clone() }, before)
            }
            _ => (self.source.clone(), link),
        }
    }

    fn document_statements(&self) -> &[Statement] {
        self.document.as_ref().map(|document| document.statements()).unwrap_or_default()
    }
}

/// A role, named in an answer or an error.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoleRef {
    /// Its id.
    pub id: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
}

impl fmt::Display for RoleRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` ({})", self.name, self.id)
    }
}
