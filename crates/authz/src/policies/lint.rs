//! What is suspicious in a policy, alone and among the tenant's others. Nothing is changed and nothing refused.

pub(super) mod http;

use std::sync::Arc;

use base::id::PolicyId;
use policy::lint::{Finding, lint_among, lint_document};
use policy::{Document, Policy};
use serde_json::Value;
use store::Scope;

use super::priority::check_priority;
use super::{check_document, check_expression};
use crate::snapshot::LazyRx;
use crate::{Action, Cx, Error, Permit, Result, Target};

/// A policy that is not written yet.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Draft {
    /// The policy whose place it would take.
    pub policy_id: Option<PolicyId>,
    /// What it would say.
    pub document: Option<Value>,
    /// Its expression.
    pub expression: Option<String>,
    /// Its priority.
    pub priority: i64,
}

/// Looks at a policy that is not written yet, among those of the caller's tenant that the caller may read.
///
/// Fails with [`Error::Document`], [`Error::Expression`] and [`Error::Invalid`], as writing it would.
pub async fn lint_draft(cx: &Cx, draft: Draft) -> Result<Vec<Finding>> {
    let permit = cx.authorize(Action::PolicyRead, &Target::all("policy")).await?;
    check_priority(draft.priority)?;
    draft.expression.as_deref().map(check_expression).transpose()?;
    let document = match &draft.document {
        Some(document) => {
            check_document(document, permit.own_tenant()?)?;
            Some(Arc::new(Document::from_value(document).map_err(Error::Document)?))
        }
        None => None,
    };
    let id = draft.policy_id.map(|id| id.to_string()).unwrap_or_default();
    let mut policy = Policy::new(&id, "").with_priority(u16::try_from(draft.priority).unwrap_or(0));
    if let Some(document) = document {
        policy = policy.with_document(document);
    }
    lint(cx, &permit, &policy).await
}

/// Looks at a policy as it is, its links included. Fails with [`Error::NotFound`].
pub async fn lint_policy(cx: &Cx, id: &PolicyId) -> Result<Vec<Finding>> {
    let permit = cx.authorize(Action::PolicyRead, &Target::member(id)).await?;
    let core = cx.core();
    let tenant = permit.own_tenant()?;
    let mut lazy = LazyRx::new(core.store(), Scope::Tenant(tenant.as_str()));
    let policies = core.snapshots().tenant(&mut lazy, tenant).await?;
    drop(lazy);
    let policy = policies.policies.policy(id.as_str()).cloned().ok_or(Error::NotFound("policy"))?;
    lint(cx, &permit, &policy).await
}

async fn lint(cx: &Cx, permit: &Permit, policy: &Policy) -> Result<Vec<Finding>> {
    let own_actions: Vec<&str> = Action::ALL.iter().map(|action| action.name()).collect();
    let mut findings =
        policy.document().map(|document| lint_document(document, &own_actions)).unwrap_or_default();
    let core = cx.core();
    let tenant = permit.own_tenant()?;
    let mut lazy = LazyRx::new(core.store(), Scope::Tenant(tenant.as_str()));
    let policies = core.snapshots().tenant(&mut lazy, tenant).await?;
    drop(lazy);
    let mut others = Vec::new();
    for other in policies.policies.policies().filter(|other| other.priority() != policy.priority()) {
        let target = Target::Member("policy", other.id().to_string());
        if cx.may(Action::PolicyRead, &target).await? {
            others.push(other.clone());
        }
    }
    // One policy is named, and always the same.
    others.sort_by(|a, b| a.id().cmp(b.id()));
    findings.extend(lint_among(policy, &others));
    Ok(findings)
}
