//! All SQL that reads the audit log.

use ::store::{FromRow, ListColumn, Row, Rx, ScalarKind, Scan, Scanned, Sql};
use base::id::{EventId, TenantId};
use base::query::Position;
use web::list::Count;

use super::{Event, Filter, Query};
use crate::Result;

/// What a list of events is filtered and sorted by.
pub(super) const COLUMNS: &[ListColumn] = &[
    ListColumn::of("at", "created_at", ScalarKind::Time),
    ListColumn::of("action", "action", ScalarKind::Text),
    ListColumn::nullable("actor.type", "actor_type", ScalarKind::Text),
    ListColumn::nullable("actor.id", "actor_id", ScalarKind::Text),
    ListColumn::nullable("user.id", "user_id", ScalarKind::Text),
    ListColumn::nullable("user.name", "username", ScalarKind::Text),
    ListColumn::nullable("resource", "resource", ScalarKind::Text),
    ListColumn::of("result", "result", ScalarKind::Text),
    ListColumn::nullable("session_id", "session_id", ScalarKind::Text),
    ListColumn::nullable("request_id", "request_id", ScalarKind::Text),
    ListColumn::of("count", "count", ScalarKind::Int),
];

impl FromRow for Event {
    fn from_row(row: &Row) -> ::store::Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            tenant_id: row.find("tenant_id")?,
            at: row.get("created_at")?,
            action: row.get("action")?,
            actor_type: row.find("actor_type")?,
            actor_id: row.find("actor_id")?,
            user_id: row.find("user_id")?,
            username: row.find("username")?,
            resource: row.find("resource")?,
            result: row.get("result")?,
            ip_address: row.find("ip_address")?,
            user_agent: row.find("user_agent")?,
            request_id: row.find("request_id")?,
            session_id: row.find("session_id")?,
            duration_ms: row.find("duration_ms")?,
            count: row.get("count")?,
            summary: row.find("summary")?,
            details: row.get("details")?,
            event_version: row.get("event_version")?,
            event_bytes: row.find("event_bytes")?,
            leaf_hash: row.find("leaf_hash")?,
        })
    }
}

const SELECT: &str = "SELECT id, tenant_id, created_at, action, actor_type, actor_id, user_id, username, resource, \
                      result, ip_address, user_agent, request_id, session_id, duration_ms, count, summary, details, \
                      event_version, event_bytes, leaf_hash";

/// ` FROM … WHERE …` of one log.
fn from(tenant: Option<&TenantId>) -> Sql {
    let sql = Sql::new(" FROM audit_logs WHERE ");
    match tenant {
        Some(tenant) => sql.push("tenant_id = ").value(tenant),
        None => sql.push("tenant_id IS NULL"),
    }
}

pub(super) async fn find(rx: &mut Rx, tenant: Option<&TenantId>, id: &EventId) -> Result<Option<Event>> {
    Ok(rx.optional(Sql::new(SELECT).append(from(tenant)).push(" AND id = ").value(id)).await?)
}

pub(super) async fn list(
    rx: &mut Rx,
    tenant: Option<&TenantId>,
    query: &Query,
    after: Option<&Position>,
) -> Result<Scanned<Event>> {
    let select = Sql::new(SELECT).append(matching(tenant, query)?);
    let scan = Scan { columns: COLUMNS, order: &query.order, id: "id", after, limit: query.limit };
    Ok(::store::list::page(rx, &select, &scan).await?)
}

pub(super) async fn count(rx: &mut Rx, tenant: Option<&TenantId>, query: &Query, how: Count) -> Result<i64> {
    let from = matching(tenant, query)?;
    Ok(match how {
        Count::Exact => ::store::list::count(rx, &from).await?,
        Count::Estimate => ::store::list::estimate(rx, &from).await?,
    })
}

/// ` FROM … WHERE …` of the events that a list is about.
fn matching(tenant: Option<&TenantId>, query: &Query) -> Result<Sql> {
    let Filter { action, actor_id, user_id, resource, result, since, until } = &query.own;
    let mut sql = from(tenant);
    let equal = [
        (" AND action = ", action.as_deref()),
        (" AND actor_id = ", actor_id.as_deref()),
        (" AND user_id = ", user_id.as_deref()),
        (" AND resource = ", resource.as_deref()),
        (" AND result = ", *result),
    ];
    for (text, value) in equal {
        if let Some(value) = value {
            sql = sql.push(text).value(value);
        }
    }
    if let Some(since) = since {
        sql = sql.push(" AND created_at >= ").value(*since);
    }
    if let Some(until) = until {
        sql = sql.push(" AND created_at < ").value(*until);
    }
    match &query.filter {
        Some(filter) => Ok(sql.filtered(COLUMNS, filter)?),
        None => Ok(sql),
    }
}
