//! A scan over the parsed statements of the principal's roles: what a careful programmer would write first.

use std::sync::Arc;

use policy::{Document, Effect};

use crate::workload::{NOW, Question, Workload};

/// Everything that applies to each principal, in a list.
pub struct Naive<'a> {
    /// By tenant and principal.
    lists: Vec<Vec<Vec<&'a Document>>>,
}

impl<'a> Naive<'a> {
    /// Lists the documents of every principal's roles.
    pub fn new(workload: &Workload, documents: &'a [Vec<Arc<Document>>]) -> Self {
        let lists = workload
            .tenants
            .iter()
            .zip(documents)
            .map(|(tenant, documents)| {
                tenant
                    .principals
                    .iter()
                    .map(|principal| {
                        let mut list = Vec::new();
                        for held in &principal.roles {
                            let mut next = Some(*held);
                            while let Some(at) = next {
                                list.extend(tenant.roles[at].policies.iter().map(|at| &*documents[*at]));
                                next = tenant.roles[at].parent;
                            }
                        }
                        list
                    })
                    .collect()
            })
            .collect();
        Self { lists }
    }

    /// The decision.
    pub fn judge(&self, question: &Question) -> bool {
        let mut allowed = false;
        for document in &self.lists[question.tenant][question.principal] {
            for statement in document.statements() {
                let applies = statement.matches_action(&question.action)
                    && statement.resources().iter().any(|pattern| pattern.matches(&question.resource))
                    && conditions(statement, question);
                if applies {
                    match statement.effect() {
                        Effect::Deny => return false,
                        Effect::Allow => allowed = true,
                    }
                }
            }
        }
        allowed
    }
}

fn conditions(statement: &policy::Statement, question: &Question) -> bool {
    statement.conditions().iter().all(|condition| {
        let wanted = &*condition.values()[0];
        match condition.operator() {
            "IpAddress" => {
                let prefix = wanted.trim_end_matches(".0.0/16");
                question.address.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('.'))
            }
            "StringEquals" => question.team == wanted,
            // Every date of the workload is the first of January.
            _ => NOW < (wanted[..4].parse::<i64>().unwrap_or(0) - 1970) * 31_556_952_000_000,
        }
    })
}
