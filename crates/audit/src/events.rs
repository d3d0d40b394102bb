//! Events, newest first, and one event by its id.

pub mod http;
mod store;

use authz::{Action, Cx, Permit, Target};
use base::Timestamp;
use base::id::{EventId, TenantId};
use serde_json::Value;
use web::{CursorKey, Page};

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

impl Filter {
    /// What a cursor of the list depends on.
    fn parts(&self) -> [String; 7] {
        let time = |at: Option<Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
        let text = |value: &Option<String>| value.as_ref().map(|v| format!("={v}")).unwrap_or_default();
        [
            text(&self.action),
            text(&self.actor_id),
            text(&self.user_id),
            text(&self.resource),
            self.result.unwrap_or_default().to_owned(),
            time(self.since),
            time(self.until),
        ]
    }
}

/// Lists events, newest first. `limit` is 1 to [`web::page::LIMIT_MAX`].
///
/// Fails with [`Error::Authz`] and, for a cursor of another list or caller, [`Error::Cursor`].
pub async fn list_events(
    cx: &Cx,
    cursors: &CursorKey,
    scope: &Scope,
    filter: &Filter,
    limit: u32,
    cursor: Option<&str>,
) -> Result<Page<Event>> {
    let (permit, tenant) = authorize(cx, scope).await?;
    let parts = filter.parts();
    let caller = cx.actor().id().unwrap_or_default();
    let mut bound = vec!["audit.events", tenant.as_ref().map_or("", TenantId::as_str), caller.as_str()];
    bound.extend(parts.iter().map(String::as_str));
    let after = match cursor {
        None => None,
        Some(cursor) => Some(position(&cursors.decode(&bound, cursor).map_err(Error::Cursor)?)?),
    };
    let mut rx = cx.read(&permit).await?;
    // One more than asked for says whether there is a next page.
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut events = store::list(&mut rx, tenant.as_ref(), filter, after, i64::from(limit) + 1).await?;
    let more = events.len() > wanted;
    events.truncate(wanted);
    let next = events.last().filter(|_| more).map(|last| {
        let at = last.at.as_micros().to_string();
        cursors.encode(&bound, &[&at, &last.id])
    });
    Ok(Page { items: events, next })
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

/// The place after which a page begins.
pub(crate) type Position = (Timestamp, String);

fn position(parts: &[String]) -> Result<Position> {
    match parts {
        [at, id] => at.parse().ok().map(|at| (Timestamp::from_micros(at), id.clone())),
        _ => None,
    }
    .ok_or_else(|| Error::Cursor(base::bug!("a cursor of ours does not hold a position")))
}
