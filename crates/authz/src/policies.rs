//! Policies: named documents that roles carry, and what they are linked to.
//!
//! INVARIANT: only documents and expressions that parse are stored, documents in their canonical form. What a
//! policy may say beyond its document is said by links ([`links`]): nothing is stored that decisions do not read.
//! Every verb that ends in `_in` records exactly one event and marks that decisions change; all of them need
//! `policy:grant_any`, because a document can say anything, and where a priority other than 0 is or was in force
//! `policy:set_priority` too. Each change keeps the version that it makes ([`history`]).

pub mod acknowledge;
pub mod history;
pub(crate) mod http;
pub mod links;
pub mod lint;
mod priority;
mod store;
mod verbs;

use base::id::{PolicyId, TenantId};
use base::query::{Direction, SortKey};
use base::{Timestamp, text};
use policy::{Document, Effect, Expression, ParseError};
use serde_json::{Value, json};

use crate::escalation::check_grant_any;
use crate::roles::check_texts;
use crate::{Change, Cx, Error, Event, Permit, Result, Rx, Target, Tx, ceilings};
use priority::{check_may_set, check_priority};

pub use verbs::{create_policy, delete_policy, load_policy, page_policies, update_policy};

/// The order of policies and of their links where nobody says another one.
const ORDER: [SortKey; 1] = [SortKey { attribute: "name", direction: Direction::Ascending }];
/// Policies of one tenant at most.
pub const POLICIES_MAX: i64 = 2_000;

/// A policy of a tenant.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Its id.
    pub id: PolicyId,
    /// Its name, unique in the tenant whatever its case.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// What it says, in canonical form; none where only its links say something.
    pub document: Option<Value>,
    /// What its links do where they do not say it themselves.
    pub effect: Effect,
    /// 0 to [`policy::policy::PRIORITY_MAX`]: the highest level at which anything applies decides.
    pub priority: i64,
    /// What guards all that the policy says, in CEL.
    pub expression: Option<String>,
    /// Counts its changes.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A policy to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct NewPolicy {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// What it says; none where only its links will say something.
    pub document: Option<Value>,
    /// What its links do where they do not say it themselves.
    pub effect: Effect,
    /// 0 to [`policy::policy::PRIORITY_MAX`].
    pub priority: i64,
    /// What guards all that the policy says, in CEL.
    pub expression: Option<String>,
    /// What is said knowingly: of [`acknowledge::CODES`].
    pub acknowledge: Vec<String>,
}

impl NewPolicy {
    /// A policy of this name that says nothing yet, at priority 0.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            description: None,
            document: None,
            effect: Effect::Allow,
            priority: 0,
            expression: None,
            acknowledge: Vec::new(),
        }
    }
}

/// A change of a policy; what is none stays. In `description` and `expression` the inner none removes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PolicyChange {
    /// Another name.
    pub name: Option<String>,
    /// Another description.
    pub description: Option<Option<String>>,
    /// Another document, as a whole.
    pub document: Option<Value>,
    /// Another effect.
    pub effect: Option<Effect>,
    /// Another priority.
    pub priority: Option<i64>,
    /// Another expression.
    pub expression: Option<Option<String>>,
    /// What the other document says knowingly: of [`acknowledge::CODES`].
    pub acknowledge: Vec<String>,
}

/// Makes a policy in the permit's tenant. It grants nothing until a role carries it.
///
/// Fails with [`Error::Document`], [`Error::Unacknowledged`], [`Error::Expression`], [`Error::Taken`],
/// [`Error::LimitReached`], [`Error::Invalid`], [`Error::Escalation`], and with [`Error::Denied`] for a priority that the caller may not set.
pub async fn create_policy_in(cx: &Cx, tx: &mut Tx, permit: &Permit, new: NewPolicy) -> Result<Policy> {
    let tenant = permit.own_tenant()?.clone();
    check_grant_any(cx, permit, "making a policy").await?;
    check_texts(Some(&new.name), new.description.as_deref())?;
    check_priority(new.priority)?;
    let document = new.document.map(|document| check_document(&document, &tenant)).transpose()?;
    if let Some(document) = &document {
        acknowledge::check(None, document, &new.acknowledge)?;
    }
    new.expression.as_deref().map(check_expression).transpose()?;
    if new.priority != 0 {
        check_may_set(cx, permit, &Target::all("policy")).await?;
    }
    if store::count(tx, &tenant).await? >= POLICIES_MAX {
        return Err(Error::LimitReached(format!("a tenant has at most {POLICIES_MAX} policies")));
    }
    let now = cx.now();
    let policy = Policy {
        id: cx.fresh_id(),
        name: new.name,
        description: new.description,
        document,
        effect: new.effect,
        priority: new.priority,
        expression: new.expression,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    store::insert(tx, &tenant, &policy).await.map_err(|e| refused(e, &policy.name))?;
    history::keep(cx, tx, &tenant, &policy).await?;
    record(tx, permit, "policy.created", &policy, None);
    Ok(policy)
}

/// Changes a policy, for all roles that carry it. `version` is the one that the caller read, where it must
/// not have changed since.
///
/// Fails with [`Error::NotFound`], [`Error::Stale`], and as [`create_policy_in`] does.
pub async fn update_policy_in(
    cx: &Cx,
    tx: &mut Tx,
    permit: &Permit,
    id: &PolicyId,
    change: PolicyChange,
    version: Option<i64>,
) -> Result<Policy> {
    let tenant = permit.own_tenant()?.clone();
    check_grant_any(cx, permit, "changing a policy").await?;
    check_texts(change.name.as_deref(), change.description.as_ref().and_then(Option::as_deref))?;
    let before = store::find(tx, &tenant, id).await?.ok_or(Error::NotFound("policy"))?;
    if version.is_some_and(|read| read != before.version) {
        return Err(Error::Stale);
    }
    let mut after = before.clone();
    apply(&mut after, change, &tenant)?;
    save(cx, tx, permit, &before, after, None).await
}

/// Writes what a policy has become, by a change or by rolling it back to a version.
async fn save(
    cx: &Cx,
    tx: &mut Tx,
    permit: &Permit,
    before: &Policy,
    after: Policy,
    restored: Option<i64>,
) -> Result<Policy> {
    let tenant = permit.own_tenant()?.clone();
    if outranks_differently(before, &after) {
        check_may_set(cx, permit, &Target::member(&after.id)).await?;
    }
    let policy = Policy { version: before.version + 1, updated_at: cx.now(), ..after };
    let touched = store::update(tx, &tenant, &policy, before.version).await;
    if touched.map_err(|e| refused(e, &policy.name))? == 0 {
        return Err(Error::Stale);
    }
    history::keep(cx, tx, &tenant, &policy).await?;
    ceilings::check_edited(cx, tx, permit, &policy.id).await?;
    let action = if restored.is_some() { "policy.rolled_back" } else { "policy.updated" };
    record(tx, permit, action, &policy, restored);
    Ok(policy)
}

/// Makes a policy what the change says.
fn apply(policy: &mut Policy, change: PolicyChange, tenant: &TenantId) -> Result<()> {
    if let Some(name) = change.name {
        policy.name = name;
    }
    if let Some(description) = change.description {
        policy.description = description;
    }
    if let Some(document) = change.document {
        let document = check_document(&document, tenant)?;
        acknowledge::check(policy.document.as_ref(), &document, &change.acknowledge)?;
        policy.document = Some(document);
    }
    if let Some(effect) = change.effect {
        policy.effect = effect;
    }
    if let Some(priority) = change.priority {
        check_priority(priority)?;
        policy.priority = priority;
    }
    if let Some(expression) = change.expression {
        expression.as_deref().map(check_expression).transpose()?;
        policy.expression = expression;
    }
    Ok(())
}

/// Whether a change is one of what is said at a priority other than 0: of the priority, or of all else that
/// decisions read while there is one.
fn outranks_differently(before: &Policy, after: &Policy) -> bool {
    let says = |policy: &Policy| (policy.document.clone(), policy.effect, policy.expression.clone());
    before.priority != after.priority || (after.priority != 0 && says(before) != says(after))
}

/// Removes a policy that no role carries.
///
/// Fails with [`Error::NotFound`], [`Error::InUse`] and [`Error::Escalation`].
pub async fn delete_policy_in(cx: &Cx, tx: &mut Tx, permit: &Permit, id: &PolicyId) -> Result<()> {
    let tenant = permit.own_tenant()?.clone();
    check_grant_any(cx, permit, "removing a policy").await?;
    let policy = store::find(tx, &tenant, id).await?.ok_or(Error::NotFound("policy"))?;
    let uses = store::count_uses(tx, &tenant, id).await?;
    if uses > 0 {
        return Err(Error::InUse(format!(
            "{uses} roles carry the policy `{}`: detach it first",
            policy.name
        )));
    }
    ceilings::check_unused(tx, &tenant, &policy).await?;
    store::delete(tx, &tenant, id).await?;
    record(tx, permit, "policy.deleted", &policy, None);
    Ok(())
}

/// The policy of this id.
pub async fn find_policy(rx: &mut Rx, tenant: &TenantId, id: &PolicyId) -> Result<Option<Policy>> {
    store::find(rx, tenant, id).await
}

/// The policy of this name, whatever its case.
pub async fn find_policy_by_name(rx: &mut Rx, tenant: &TenantId, name: &str) -> Result<Option<Policy>> {
    store::find_by_key(rx, tenant, &text::name_key(name)).await
}

/// All policies of the tenant (at most [`POLICIES_MAX`]), by name.
pub async fn list_policies(rx: &mut Rx, tenant: &TenantId) -> Result<Vec<Policy>> {
    store::list(rx, tenant).await
}

/// Reads a document as it would be stored in the tenant: parsed, and naming no other tenant.
///
/// Fails with [`Error::Document`], which names every mistake.
pub fn check_document(document: &Value, tenant: &TenantId) -> Result<Value> {
    let parsed = Document::from_value(document).map_err(Error::Document)?;
    let mut errors = Vec::new();
    for (s, statement) in parsed.statements().iter().enumerate() {
        for (r, pattern) in statement.resources().iter().enumerate() {
            if states_foreign_tenant(pattern.as_str(), tenant) {
                errors.push(ParseError {
                    path: format!("/Statement/{s}/Resource/{r}"),
                    found: "the name of another tenant or of the platform".to_owned(),
                    expected: format!("`{tenant}` or `*` as the tenant: no policy reaches another"),
                });
            }
        }
    }
    if errors.is_empty() { Ok(parsed.to_value()) } else { Err(Error::Document(errors)) }
}

/// Holds an expression to its grammar and types. Fails with [`Error::Expression`], which names every mistake.
pub fn check_expression(text: &str) -> Result<()> {
    Expression::parse(text).map(drop).map_err(Error::Expression)
}

/// Says whether a pattern of Signet's own form names a tenant literally that is not this one.
fn states_foreign_tenant(pattern: &str, tenant: &TenantId) -> bool {
    let Some(rest) = pattern.strip_prefix("arn:signet:") else { return false };
    // `{service}:{region}:{tenant}:…`; what is shorter ends in a part that matches all that follows.
    rest.split(':').nth(2).is_some_and(|stated| !stated.contains(['*', '?']) && stated != tenant.as_str())
}

fn record(tx: &mut Tx, permit: &Permit, action: &'static str, policy: &Policy, restored: Option<i64>) {
    let name = Target::member(&policy.id).name(permit.tenant().map(|tenant| tenant.as_str()));
    let mut details = json!({
        "name": policy.name, "version": policy.version, "document": policy.document,
        "effect": word(policy.effect), "priority": policy.priority, "expression": policy.expression,
    });
    if let (Some(version), Some(map)) = (restored, details.as_object_mut()) {
        map.insert("restored_version".to_owned(), json!(version));
    }
    tx.record(permit, Event::done(action, name).details(details));
    tx.decisions_change(permit, Change::Policy(&policy.id));
}

/// The word that is stored of an effect.
pub(crate) const fn word(effect: Effect) -> &'static str {
    match effect {
        Effect::Allow => "allow",
        Effect::Deny => "deny",
    }
}

/// The effect of a stored word.
pub(crate) fn effect_of(word: &str) -> Option<Effect> {
    [Effect::Allow, Effect::Deny].into_iter().find(|effect| self::word(*effect) == word)
}

fn refused(error: Error, name: &str) -> Error {
    match error {
        Error::Store(e) if e.is_unique("uq_policies_tenant_id_name_key") => {
            Error::Taken { noun: "policy", name: name.to_owned() }
        }
        other => other,
    }
}
