//! Events, newest first, and one event by its id.

pub mod http;
mod store;

use authz::{Action, Cx, Permit, Target};
use base::Timestamp;
use base::id::{EventId, TenantId};
use base::query::{Position, SortKey};
use serde_json::Value;
use web::list::Count;

use crate::{Error, Result};

/// One event as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its id.
    pub id: String,
    /// The tenant whose log it is in; none for the platform's.
    pub tenant_id: Option<String>,
    /// When it happened; of a counted event, the first time.
    pub at: Timestamp,
    /// What happened: `noun.verb` in the past tense.
    pub action: String,
    /// `user`, `client`, `anonymous`, `host` or `system`; none in rows of an earlier system.
    pub actor_type: Option<String>,
    /// The actor's id, or `os:{uid}`.
    pub actor_id: Option<String>,
    /// The person concerned.
    pub user_id: Option<String>,
    /// The person's name at that time.
    pub username: Option<String>,
    /// The resource that it happened to.
    pub resource: Option<String>,
    /// `SUCCESS`, `DENIED` or `FAILURE`.
    pub result: String,
    /// The caller's address.
    pub ip_address: Option<String>,
    /// The caller's agent.
    pub user_agent: Option<String>,
    /// The request.
    pub request_id: Option<String>,
    /// The session.
    pub session_id: Option<String>,
    /// How long the request had taken, in milliseconds.
    pub duration_ms: Option<i64>,
    /// How often it happened.
    pub count: i64,
    /// One line for people.
    pub summary: Option<String>,
    /// What else there is to know.
    pub details: Value,
    /// The version of the layout of the bytes.
    pub event_version: i64,
    /// The bytes that were fixed when it was recorded; none in rows of an earlier system.
    pub event_bytes: Option<Vec<u8>>,
    /// `SHA-256(0x00 || bytes)`.
    pub leaf_hash: Option<Vec<u8>>,
}

/// Whose log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// The log of the tenant that the operation takes place in.
    Own,
    /// The platform's own log.
    Platform,
    /// One tenant's log, read from the platform.
    TenantOf(TenantId),
}

/// Which events. What is none restricts nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// This action exactly.
    pub action: Option<String>,
    /// By this actor.
    pub actor_id: Option<String>,
    /// About this person.
    pub user_id: Option<String>,
    /// On this resource exactly.
    pub resource: Option<String>,
    /// With this result, as it is stored.
    pub result: Option<&'static str>,
    /// At this instant or later.
    pub since: Option<Timestamp>,
    /// Before this instant.
    pub until: Option<Timestamp>,
}

/// Which page of which events.
#[derive(Debug, Clone)]
pub struct Query {
    /// Restrictions, each with an equal or a bound.
    pub own: Filter,
    /// A further condition over the attributes of events.
    pub filter: Option<base::query::Filter>,
    /// By `at`, one way or the other.
    pub order: Vec<SortKey>,
    /// Whether to count all of them, and how.
    pub count: Option<Count>,
    /// At most so many, 1 to [`web::page::LIMIT_MAX`].
    pub limit: u32,
}

/// Some events, and where to go on.
#[derive(Debug, Clone)]
pub struct EventList {
    /// The events.
    pub items: Vec<Event>,
    /// The position of the last of them; none on the last page.
    pub next: Option<Position>,
    /// How many there are on all pages; none if nobody asked.
    pub count: Option<i64>,
}

/// Lists events of one log.
pub async fn list_events(
    cx: &Cx,
    scope: &Scope,
    query: &Query,
    after: Option<&Position>,
) -> Result<EventList> {
    let (permit, tenant) = authorize(cx, scope).await?;
    let mut rx = cx.read(&permit).await?;
    let scanned = store::list(&mut rx, tenant.as_ref(), query, after).await?;
    let count = match query.count {
        Some(how) => Some(store::count(&mut rx, tenant.as_ref(), query, how).await?),
        None => None,
    };
    Ok(EventList { items: scanned.items, next: scanned.next, count })
}

/// The event of this id. Fails with [`Error::NotFound`] if it is not in this log.
pub async fn load_event(cx: &Cx, scope: &Scope, id: &EventId) -> Result<Event> {
    let (permit, tenant) = authorize(cx, scope).await?;
    let mut rx = cx.read(&permit).await?;
    store::find(&mut rx, tenant.as_ref(), id).await?.ok_or(Error::NotFound)
}

/// The permit to read a log, and whose it is; none is the platform's.
async fn authorize(cx: &Cx, scope: &Scope) -> Result<(Permit, Option<TenantId>)> {
    Ok(match scope {
        Scope::Own => {
            let tenant = cx.tenant()?.id.clone();
            (cx.authorize(Action::AuditRead, &Target::all("audit")).await?, Some(tenant))
        }
        Scope::Platform => (cx.authorize(Action::PlatformAuditRead, &Target::all("audit")).await?, None),
        Scope::TenantOf(tenant) => {
            let target = Target::Member("audit", tenant.to_string());
            (cx.authorize(Action::PlatformAuditRead, &target).await?, Some(tenant.clone()))
        }
    })
}
