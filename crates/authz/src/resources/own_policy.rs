//! The policy of a resource: a document that says who may do what with it, beside what roles say.
//!
//! Its denies are final. Its allows count where roles and policies of the caller say nothing, and only as far as
//! guardrails and the caller's boundary allow as well. It covers the resource itself, not what lies in it.

pub(super) mod http;
mod store;

use ::store::Rx;
use base::Timestamp;
use base::id::{ResourceId, TenantId};
use policy::{Document, Effect, Kind, ParseError};
use serde_json::{Value, json};
use web::IfMatch;

use super::Resource;
use crate::escalation::check_grant_any;
use crate::name::is_foreign;
use crate::{Action, Change, Cx, Error, Event, Permit, Result, Target, Tx};

/// Resources of one tenant that have a policy of their own at most.
pub const RESOURCE_POLICIES_MAX: i64 = 2_000;
/// What the names of Signet's own resources inside a tenant begin with.
const OWN_NAMES: &str = "arn:signet:iam:";

/// The policy of a resource.
#[derive(Debug, Clone, PartialEq)]
pub struct ResourcePolicy {
    /// The resource.
    pub resource_id: ResourceId,
    /// What it says, in canonical form.
    pub document: Value,
    /// Counts its changes.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// Gives a resource of the permit's tenant a policy, or another one. `version` is the one that the caller read,
/// where it must not have changed since.
///
/// Needs `policy:grant_any` unless every statement of the new policy that allows was there before, and every one of
/// the old policy that denies still is. Fails with [`Error::NotFound`], [`Error::Document`], [`Error::Invalid`] on a resource of
/// Signet's own, [`Error::Stale`], [`Error::LimitReached`] and [`Error::Escalation`].
pub async fn set_policy_in(
    cx: &Cx,
    tx: &mut Tx,
    permit: &Permit,
    id: &ResourceId,
    document: &Value,
    version: Option<i64>,
) -> Result<ResourcePolicy> {
    let tenant = permit.own_tenant()?.clone();
    let resource = super::store::find(tx, &tenant, id).await?.ok_or(Error::NotFound("resource"))?;
    check_resource(&resource)?;
    let document = check_document(document, &tenant)?;
    let had = store::find(tx, &tenant, id).await?;
    if version.is_some_and(|read| had.as_ref().is_none_or(|had| had.version != read)) {
        return Err(Error::Stale);
    }
    let before = had.as_ref().map(|had| read(&had.document)).transpose()?;
    if gains(before.as_ref(), Some(&document)) {
        check_grant_any(cx, permit, "a resource's policy that allows more").await?;
    }
    if had.is_none() && store::count(tx, &tenant).await? >= RESOURCE_POLICIES_MAX {
        let detail = format!("a tenant has at most {RESOURCE_POLICIES_MAX} resources with a policy");
        return Err(Error::LimitReached(detail));
    }
    let now = cx.now();
    let policy = ResourcePolicy {
        resource_id: id.clone(),
        document: document.to_value(),
        version: had.as_ref().map_or(1, |had| had.version + 1),
        created_at: had.as_ref().map_or(now, |had| had.created_at),
        updated_at: now,
    };
    if store::put(tx, &tenant, &policy, had.map_or(0, |had| had.version)).await? == 0 {
        return Err(Error::Stale);
    }
    record(tx, permit, "resource.policy_set", &resource, &policy);
    Ok(policy)
}

/// Takes its policy from a resource of the permit's tenant.
///
/// Needs `policy:grant_any` if it denies something. Fails with [`Error::NotFound`] if it has none, and
/// [`Error::Escalation`].
pub async fn remove_policy_in(cx: &Cx, tx: &mut Tx, permit: &Permit, id: &ResourceId) -> Result<()> {
    let tenant = permit.own_tenant()?.clone();
    let resource = super::store::find(tx, &tenant, id).await?.ok_or(Error::NotFound("resource"))?;
    let had = store::find(tx, &tenant, id).await?.ok_or(Error::NotFound("policy of this resource"))?;
    if gains(Some(&read(&had.document)?), None) {
        check_grant_any(cx, permit, "removing a resource's policy that denies something").await?;
    }
    store::delete(tx, &tenant, id).await?;
    record(tx, permit, "resource.policy_removed", &resource, &had);
    Ok(())
}

/// Reads the policy of a resource. Fails with [`Error::NotFound`], also if it has none.
pub async fn load_resource_policy(cx: &Cx, id: &ResourceId) -> Result<ResourcePolicy> {
    cx.authorize(Action::PolicyRead, &Target::all("policy")).await?;
    let permit = cx.authorize(Action::ResourceRead, &Target::member(id)).await?;
    let mut rx = cx.read(&permit).await?;
    let found = store::find(&mut rx, permit.own_tenant()?, id).await?;
    found.ok_or(Error::NotFound("policy of this resource"))
}

/// Gives a resource a policy. One that has a policy asks for the `If-Match` of what was read.
///
/// Fails as [`set_policy_in`] does, and with [`Error::Precondition`].
pub async fn set_resource_policy(
    cx: &Cx,
    id: &ResourceId,
    if_match: Option<&IfMatch>,
    document: &Value,
) -> Result<ResourcePolicy> {
    let permit = cx.authorize(Action::ResourceSetPolicy, &Target::member(id)).await?;

    let mut tx = cx.write(&permit).await?;
    let had = store::find(&mut tx, permit.own_tenant()?, id).await?;
    let version = had.map(|had| had.version);
    match (if_match, version) {
        (Some(if_match), Some(version)) => if_match.check(version).map_err(Error::Precondition)?,
        (Some(_), None) => return Err(Error::Stale),
        (None, Some(_)) => return Err(Error::Precondition(IfMatch::required())),
        (None, None) => {}
    }
    let policy = set_policy_in(cx, &mut tx, &permit, id, document, version).await?;
    tx.commit().await?;
    Ok(policy)
}

/// Takes its policy from a resource. Fails as [`remove_policy_in`] does, and with [`Error::Precondition`].
pub async fn remove_resource_policy(cx: &Cx, id: &ResourceId, if_match: &IfMatch) -> Result<()> {
    let permit = cx.authorize(Action::ResourceSetPolicy, &Target::member(id)).await?;

    let mut tx = cx.write(&permit).await?;
    let had = store::find(&mut tx, permit.own_tenant()?, id).await?;
    let had = had.ok_or(Error::NotFound("policy of this resource"))?;
    if_match.check(had.version).map_err(Error::Precondition)?;
    remove_policy_in(cx, &mut tx, &permit, id).await?;
    tx.commit().await
}

/// The policy of a resource.
pub async fn find_resource_policy(
    rx: &mut Rx,
    tenant: &TenantId,
    id: &ResourceId,
) -> Result<Option<ResourcePolicy>> {
    store::find(rx, tenant, id).await
}

/// The policies of all resources of the tenant (at most [`RESOURCE_POLICIES_MAX`]), by id.
pub async fn list_resource_policies(rx: &mut Rx, tenant: &TenantId) -> Result<Vec<ResourcePolicy>> {
    store::list(rx, tenant).await
}

/// Refuses to remove a resource that has a policy of its own.
///
/// Fails with [`Error::InUse`].
pub(super) async fn check_none(rx: &mut Rx, tenant: &TenantId, resource: &Resource) -> Result<()> {
    if store::find(rx, tenant, &resource.id).await?.is_none() {
        return Ok(());
    }
    Err(Error::InUse(format!("`{}` has a policy of its own: remove that first", resource.name)))
}

/// Reads a document as it would be stored for a resource of the tenant: each principal is one of the tenant, by
/// its id.
///
/// Fails with [`Error::Document`], which names every mistake.
pub fn check_document(document: &Value, tenant: &TenantId) -> Result<Document> {
    let parsed = Document::from_value_as(Kind::Resource, document).map_err(Error::Document)?;
    let users = format!("arn:signet:iam::{tenant}:user/");
    let clients = format!("arn:signet:iam::{tenant}:client/");
    let mut errors = Vec::new();
    for (place, statement) in parsed.statements().iter().enumerate() {
        for name in statement.principals().iter().flat_map(|principals| &principals.names) {
            if ![&users, &clients].iter().any(|own| name.starts_with(own.as_str())) {
                errors.push(ParseError {
                    path: format!("/Statement/{place}/Principal"),
                    found: format!("`{}`", name.chars().take(128).collect::<String>()),
                    expected: format!(
                        "`*`, `{users}{{id}}` or `{clients}{{id}}`: no policy reaches another tenant"
                    ),
                });
            }
        }
        for (at, pattern) in statement.resources().iter().enumerate() {
            let text = pattern.as_str();
            if text.starts_with("arn:signet:") && !text.contains(['*', '?', '$']) && is_foreign(text, tenant)
            {
                errors.push(ParseError {
                    path: format!("/Statement/{place}/Resource/{at}"),
                    found: "the name of another tenant or of the platform".to_owned(),
                    expected: format!("`{tenant}` or `*` as the tenant: no policy reaches another"),
                });
            }
        }
    }
    if errors.is_empty() { Ok(parsed) } else { Err(Error::Document(errors)) }
}

/// INVARIANT: only documents that parse are stored.
fn read(document: &Value) -> Result<Document> {
    Document::from_value_as(Kind::Resource, document)
        .map_err(|e| Error::Bug(base::bug!("a stored policy of a resource does not parse: {e:?}")))
}

/// Whether a change may permit anything that was not permitted: an allow that was not there, or a deny that is no
/// longer.
fn gains(before: Option<&Document>, after: Option<&Document>) -> bool {
    adds(before, after, Effect::Allow) || adds(after, before, Effect::Deny)
}

/// Whether one document has a statement of this effect that another has not.
fn adds(other: Option<&Document>, document: Option<&Document>, effect: Effect) -> bool {
    let others = other.map(Document::statements).unwrap_or_default();
    let own = document.map(Document::statements).unwrap_or_default();
    own.iter().any(|statement| statement.effect() == effect && !others.contains(statement))
}

/// Refuses a policy on what administers the tenant: one deny there would shut everybody out of it.
fn check_resource(resource: &Resource) -> Result<()> {
    if !resource.name.starts_with(OWN_NAMES) {
        return Ok(());
    }
    let detail = format!(
        "`{}` is one of Signet's own names, expected a resource of yours: guardrails and boundaries limit who \
         administers the tenant",
        resource.name
    );
    Err(Error::invalid("", "own_resource", detail))
}

fn record(tx: &mut Tx, permit: &Permit, action: &'static str, resource: &Resource, policy: &ResourcePolicy) {
    let name = Target::member(&resource.id).name(permit.tenant().map(|tenant| tenant.as_str()));
    let details = json!({ "name": resource.name, "version": policy.version, "document": policy.document });
    tx.record(permit, Event::done(action, name).details(details));
    tx.decisions_change(permit, Change::All);
}
