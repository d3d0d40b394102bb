//! Does a row still say what was recorded?

use serde_json::{Value, json};
use store::audit::leaf_hash;

use crate::Event;

/// What does not fit in a stored event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Tampered {
    /// The row has no bytes or no hash: nothing can be said of it.
    #[error("the event has no recorded bytes")]
    Unrecorded,
    /// The bytes are not those that were hashed.
    #[error("the recorded bytes do not have the recorded hash")]
    Hash,
    /// The bytes are no event.
    #[error("the recorded bytes are no event")]
    Unreadable,
    /// A column, or several, say something else than the bytes.
    #[error("the columns differ from the recorded bytes: {}", .0.join(", "))]
    Columns(Vec<String>),
}

/// Checks that the hash is that of the bytes, and that every column says what the bytes say.
///
/// Whether the hash itself is the recorded one, only a seal over the log can tell.
pub fn verify_leaf(event: &Event) -> Result<(), Tampered> {
    let (Some(bytes), Some(hash)) = (&event.event_bytes, &event.leaf_hash) else {
        return Err(Tampered::Unrecorded);
    };
    if leaf_hash(bytes) != *hash {
        return Err(Tampered::Hash);
    }
    let recorded: Value = serde_json::from_slice(bytes).map_err(|_| Tampered::Unreadable)?;
    let columns = columns(event);
    let (Some(recorded), Some(columns)) = (recorded.as_object(), columns.as_object()) else {
        return Err(Tampered::Unreadable);
    };
    let names = recorded.keys().chain(columns.keys().filter(|name| !recorded.contains_key(*name)));
    let differ: Vec<String> =
        names.filter(|name| recorded.get(*name) != columns.get(*name)).cloned().collect();
    if differ.is_empty() { Ok(()) } else { Err(Tampered::Columns(differ)) }
}

/// The columns in the layout of the bytes.
fn columns(event: &Event) -> Value {
    json!({
        "action": event.action,
        "actor_id": event.actor_id,
        "actor_type": event.actor_type,
        "count": event.count,
        "created_at": event.at.to_string(),
        "details": event.details,
        "duration_ms": event.duration_ms,
        "event_version": event.event_version,
        "id": event.id,
        "ip_address": event.ip_address,
        "request_id": event.request_id,
        "resource": event.resource,
        "result": event.result,
        "session_id": event.session_id,
        "summary": event.summary,
        "tenant_id": event.tenant_id,
        "user_agent": event.user_agent,
        "user_id": event.user_id,
        "username": event.username,
    })
}
