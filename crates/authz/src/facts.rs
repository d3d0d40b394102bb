//! What is known of a question besides action and resource: the facts that conditions are judged by.

use std::net::IpAddr;

use base::Timestamp;
use policy::{Facts, Known, Stored, Table, Tagged, Value};

use crate::principals::PrincipalKind;
use crate::snapshot::{Held, Principal};

/// What the decision point knows of how a question came to be asked.
#[derive(Debug, Clone, Copy, Default)]
pub struct Circumstances<'a> {
    /// The address that the question is about: the caller's, or the end user's as an enforcement point passes it.
    pub source_ip: Option<IpAddr>,
    /// Whether the connection of whoever is at that address was encrypted.
    pub secure_transport: Option<bool>,
    /// The agent that it says it is.
    pub user_agent: Option<&'a str>,
    /// The keys that the caller added, their names in lower case.
    pub context: &'a [(Box<str>, Stored)],
    /// What limits the principal beside its own boundary, where its credential is for part of the API only.
    pub scope: Option<&'a Table>,
}

/// Reads a JSON value as a condition's value: a text, a number or a truth value, or a list of them; `None` for
/// anything else.
pub(crate) fn stored(value: &serde_json::Value) -> Option<Stored> {
    let single = |value: &serde_json::Value| -> Option<Box<str>> {
        match value {
            serde_json::Value::String(text) => Some(text.as_str().into()),
            serde_json::Value::Bool(value) => Some(if *value { "true" } else { "false" }.into()),
            serde_json::Value::Number(number) => Some(number.to_string().into()),
            _ => None,
        }
    };
    match value {
        serde_json::Value::Array(list) => list.iter().map(single).collect::<Option<_>>().map(Stored::Many),
        serde_json::Value::Bool(value) => Some(Stored::Bool(*value)),
        serde_json::Value::Number(number) => Some(match number.as_i64() {
            Some(value) => Stored::Int(value),
            None => Stored::Decimal(number.to_string().into()),
        }),
        other => single(other).map(Stored::One),
    }
}

/// Gathers what is known.
pub(crate) fn facts<'a>(
    known: &'a Principal,
    held: &'a Held,
    circumstances: &Circumstances<'a>,
    now: Timestamp,
    resource_tags: &'a [(Box<str>, Stored)],
) -> Facts<'a> {
    let mut facts = Facts::at(now.as_micros())
        .with(Known::PrincipalArn, Value::Text(&known.profile.arn))
        .with(Known::PrincipalAccount, Value::Text(known.tenant.as_str()))
        .with(Known::UserId, Value::Text(&known.profile.id))
        .with(Known::Username, Value::Text(&known.profile.name))
        .with(Known::ResourceAccount, Value::Text(known.tenant.as_str()))
        .with(Known::Roles, Value::Texts(held.roles()))
        .with(Known::Groups, Value::Texts(held.groups()))
        .with_tags(Tagged::Principal, &known.profile.tags)
        .with_tags(Tagged::Resource, resource_tags)
        .with_context(circumstances.context);
    let kind = match known.kind {
        PrincipalKind::User => "User",
        PrincipalKind::Client => "Client",
    };
    facts.set(Known::PrincipalType, Value::Text(kind));
    if let Some(address) = circumstances.source_ip {
        facts.set(Known::SourceIp, Value::Ip(address));
    }
    if let Some(secure) = circumstances.secure_transport {
        facts.set(Known::SecureTransport, Value::Bool(secure));
    }
    if let Some(agent) = circumstances.user_agent {
        facts.set(Known::UserAgent, Value::Text(agent));
    }
    facts
}
