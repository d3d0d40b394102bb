//! Appends audit events. Reading, sealing and exporting them is the `audit` slice's.
//!
//! An event's bytes are fixed when it is written: canonical JSON (RFC 8785 for the subset we use:
//! objects with sorted keys, strings, integers, no floats), and `leaf_hash = SHA-256(0x00 || bytes)`.

use aws_lc_rs::digest::{Context, SHA256};
use base::Timestamp;
use serde_json::{Value, json};

use crate::value::holds_nul;
use crate::{Result, Sql, Tx};

/// The version of the layout of an event's bytes.
pub const EVENT_VERSION: i64 = 1;
/// Rows of one INSERT at most; 22 columns each, far below both databases' limit on parameters.
const ROWS_PER_INSERT_MAX: usize = 100;

/// How what is recorded ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Success,
    /// It was refused.
    Denied,
    /// It failed.
    Failure,
}

impl Outcome {
    /// The word that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "SUCCESS",
            Self::Denied => "DENIED",
            Self::Failure => "FAILURE",
        }
    }
}

/// One event as it is stored.
#[derive(Debug, Clone)]
pub struct AuditRow {
    /// UUIDv7.
    pub id: String,
    /// The tenant whose log it is in; none for the platform's.
    pub tenant_id: Option<String>,
    /// `user`, `client`, `anonymous`, `host` or `system`.
    pub actor_type: &'static str,
    /// The actor's id, or `os:{uid}`.
    pub actor_id: Option<String>,
    /// The person concerned, if there is one.
    pub user_id: Option<String>,
    /// The person's name at that time.
    pub username: Option<String>,
    /// The session in which it happened.
    pub session_id: Option<String>,
    /// What happened: `noun.verb` in the past tense.
    pub action: &'static str,
    /// The resource name it happened to.
    pub resource: String,
    /// How it ended.
    pub outcome: Outcome,
    /// The caller's address.
    pub ip_address: Option<String>,
    /// The caller's agent.
    pub user_agent: Option<String>,
    /// The request.
    pub request_id: Option<String>,
    /// What else there is to know; no secret, ever.
    pub details: serde_json::Value,
    /// One line for people.
    pub summary: Option<String>,
    /// How often it happened (counted events).
    pub count: i64,
    /// When.
    pub created_at: Timestamp,
    /// How long the request had taken when it was recorded, in milliseconds.
    pub duration_ms: i64,
}

impl AuditRow {
    /// Replaces U+0000, which PostgreSQL stores nowhere, by U+FFFD.
    ///
    /// INVARIANT: whatever a request holds, its event can be written. One that the database refuses again
    /// and again would keep all later events from the log.
    fn writable(mut self) -> Self {
        let texts = [
            &mut self.actor_id,
            &mut self.user_id,
            &mut self.username,
            &mut self.session_id,
            &mut self.ip_address,
            &mut self.user_agent,
            &mut self.request_id,
            &mut self.summary,
        ];
        for text in texts.into_iter().flatten().chain([&mut self.resource]) {
            if text.contains('\0') {
                *text = text.replace('\0', "\u{fffd}");
            }
        }
        if holds_nul(&self.details) {
            self.details = without_nul(self.details);
        }
        self
    }

    /// The canonical bytes of the event.
    pub fn bytes(&self) -> Vec<u8> {
        // serde_json's map keeps keys sorted by bytes and integers exact, which is what RFC 8785 asks
        // of the subset that events use.
        json!({
            "action": self.action,
            "actor_id": self.actor_id,
            "actor_type": self.actor_type,
            "count": self.count,
            "created_at": self.created_at.to_string(),
            "details": self.details,
            "duration_ms": self.duration_ms,
            "event_version": EVENT_VERSION,
            "id": self.id,
            "ip_address": self.ip_address,
            "request_id": self.request_id,
            "resource": self.resource,
            "result": self.outcome.as_str(),
            "session_id": self.session_id,
            "summary": self.summary,
            "tenant_id": self.tenant_id,
            "user_agent": self.user_agent,
            "user_id": self.user_id,
            "username": self.username,
        })
        .to_string()
        .into_bytes()
    }
}

/// `SHA-256(0x00 || bytes)`: the leaf of the tree that seals the log (RFC 6962 section 2.1).
pub fn leaf_hash(bytes: &[u8]) -> Vec<u8> {
    let mut context = Context::new(&SHA256);
    context.update(&[0]);
    context.update(bytes);
    context.finish().as_ref().to_vec()
}

fn without_nul(json: Value) -> Value {
    let clean = |text: String| text.replace('\0', "\u{fffd}");
    match json {
        Value::String(text) => Value::String(clean(text)),
        Value::Array(items) => items.into_iter().map(without_nul).collect(),
        Value::Object(map) => map.into_iter().map(|(name, json)| (clean(name), without_nul(json))).collect(),
        other => other,
    }
}

/// Writes the events of a transaction.
pub(crate) async fn insert(tx: &mut Tx, events: Vec<AuditRow>) -> Result<()> {
    let events: Vec<AuditRow> = events.into_iter().map(AuditRow::writable).collect();
    for chunk in events.chunks(ROWS_PER_INSERT_MAX) {
        let mut sql = Sql::new(
            "INSERT INTO audit_logs (id, tenant_id, actor_type, actor_id, user_id, username, session_id, action, \
             resource, result, ip_address, user_agent, request_id, details, summary, count, created_at, \
             duration_ms, event_version, event_bytes, leaf_hash) VALUES ",
        );
        for (position, event) in chunk.iter().enumerate() {
            let bytes = event.bytes();
            let hash = leaf_hash(&bytes);
            sql = sql.push(if position == 0 { "(" } else { ", (" });
            sql = sql.value(event.id.as_str()).push(", ").value(event.tenant_id.as_deref());
            sql = sql.push(", ").value(event.actor_type).push(", ").value(event.actor_id.as_deref());
            sql = sql.push(", ").value(event.user_id.as_deref()).push(", ").value(event.username.as_deref());
            sql = sql.push(", ").value(event.session_id.as_deref()).push(", ").value(event.action);
            sql = sql.push(", ").value(event.resource.as_str()).push(", ").value(event.outcome.as_str());
            sql = sql.push(", ").value(event.ip_address.as_deref());
            sql = sql.push(", ").value(event.user_agent.as_deref());
            sql = sql.push(", ").value(event.request_id.as_deref()).push(", ").value(&event.details);
            sql = sql.push(", ").value(event.summary.as_deref()).push(", ").value(event.count);
            sql = sql.push(", ").value(event.created_at).push(", ").value(event.duration_ms);
            sql = sql.push(", ").value(EVENT_VERSION).push(", ").value(bytes).push(", ").value(hash);
            sql = sql.push(")");
        }
        tx.execute(sql).await?;
    }
    Ok(())
}
