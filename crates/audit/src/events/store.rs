//! All SQL that reads the audit log.

use ::store::{FromRow, Row, Rx, Sql};
use base::id::{EventId, TenantId};

use super::{Event, Filter, Position};
use crate::Result;

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

/// Selects from one log.
fn select(tenant: Option<&TenantId>) -> Sql {
    let sql = Sql::new(
        "SELECT id, tenant_id, created_at, action, actor_type, actor_id, user_id, username, resource, result, \
         ip_address, user_agent, request_id, session_id, duration_ms, count, summary, details, event_version, \
         event_bytes, leaf_hash FROM audit_logs WHERE ",
    );
    match tenant {
        Some(tenant) => sql.push("tenant_id = ").value(tenant),
        None => sql.push("tenant_id IS NULL"),
    }
}

pub(super) async fn find(rx: &mut Rx, tenant: Option<&TenantId>, id: &EventId) -> Result<Option<Event>> {
    Ok(rx.optional(select(tenant).push(" AND id = ").value(id)).await?)
}

pub(super) async fn list(
    rx: &mut Rx,
    tenant: Option<&TenantId>,
    filter: &Filter,
    after: Option<Position>,
    limit: i64,
) -> Result<Vec<Event>> {
    let mut sql = select(tenant);
    let equal = [
        (" AND action = ", filter.action.as_deref()),
        (" AND actor_id = ", filter.actor_id.as_deref()),
        (" AND user_id = ", filter.user_id.as_deref()),
        (" AND resource = ", filter.resource.as_deref()),
        (" AND result = ", filter.result),
    ];
    for (text, value) in equal {
        if let Some(value) = value {
            sql = sql.push(text).value(value);
        }
    }
    if let Some(since) = filter.since {
        sql = sql.push(" AND created_at >= ").value(since);
    }
    if let Some(until) = filter.until {
        sql = sql.push(" AND created_at < ").value(until);
    }
    if let Some((at, id)) = after {
        sql = sql.push(" AND (created_at, id) < (").value(at).push(", ").value(id).push(")");
    }
    Ok(rx.all(sql.push(" ORDER BY created_at DESC, id DESC LIMIT ").value(limit)).await?)
}
