//! The audit log over REST.

use authz::Cx;
use axum::extract::State;
use axum::response::Response;
use base::Timestamp;
use base::id::{EventId, TenantId};
use base::query::{Direction, SortKey};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use web::list::{Attribute, Values};
use web::openapi::Problems;
use web::{Ask, Failure, Json, List, ListParams, ListQuery, Listing, Path};

use super::{Event, EventList, Filter, Query, Scope, list_events, load_event};
use crate::Service;

const RESULT: Values = Values::Word(&[("success", "SUCCESS"), ("denied", "DENIED"), ("failure", "FAILURE")]);

/// What events are listed by.
pub(super) const LIST: List = List {
    name: "audit.events",
    attributes: &[
        Attribute::both("at", Values::Time),
        Attribute::filtered("action", Values::Text),
        Attribute::filtered("actor.type", Values::Text),
        Attribute::filtered("actor.id", Values::Text),
        Attribute::filtered("user.id", Values::Text),
        Attribute::filtered("user.name", Values::Text),
        Attribute::filtered("resource", Values::Text),
        Attribute::filtered("result", RESULT),
        Attribute::filtered("session_id", Values::Text),
        Attribute::filtered("request_id", Values::Text),
        Attribute::filtered("count", Values::Int),
    ],
    order: &[SortKey { attribute: "at", direction: Direction::Descending }],
};

pub(crate) fn tenant_routes(service: Service) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(read)).with_state(service)
}

pub(crate) fn platform_routes(service: Service) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(list_platform)).routes(routes!(read_platform)).with_state(service)
}

/// Whoever did it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ActorBody {
    /// `user`, `client`, `anonymous`, `host` or `system`.
    r#type: String,
    /// The actor's id; null for nobody.
    id: Option<String>,
}

/// The person concerned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct UserRefBody {
    /// The person's id.
    id: Option<String>,
    /// The person's user name at that time.
    name: Option<String>,
}

/// One audit event.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct EventBody {
    /// Its id.
    id: String,
    /// When it happened; of a counted event, the first time.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// The tenant whose log it is in; null for the platform's.
    tenant_id: Option<String>,
    /// What happened: `noun.verb` in the past tense.
    action: String,
    /// Whoever did it; null in rows of an earlier system.
    actor: Option<ActorBody>,
    /// The person concerned.
    user: Option<UserRefBody>,
    /// The resource that it happened to.
    resource: Option<String>,
    /// `success`, `denied` or `failure`.
    result: String,
    /// The caller's address.
    ip_address: Option<String>,
    /// The caller's agent.
    user_agent: Option<String>,
    /// The `X-Request-Id` of the response.
    request_id: Option<String>,
    /// The session in which it happened.
    session_id: Option<String>,
    /// How long the request had taken when it was recorded, in milliseconds.
    duration_ms: Option<i64>,
    /// How often it happened: more than 1 for events that are counted.
    count: i64,
    /// One line for people.
    summary: Option<String>,
    /// What else there is to know.
    #[schema(value_type = Object)]
    details: Value,
    /// The version of the layout of the recorded bytes.
    event_version: i64,
    /// SHA-256 over a zero byte and the recorded bytes, in hexadecimal.
    leaf_hash: Option<String>,
}

impl From<Event> for EventBody {
    fn from(event: Event) -> Self {
        let user = match (event.user_id, event.username) {
            (None, None) => None,
            (id, name) => Some(UserRefBody { id, name }),
        };
        let actor_id = event.actor_id;
        Self {
            id: event.id,
            at: event.at,
            tenant_id: event.tenant_id,
            action: event.action,
            actor: event.actor_type.map(|kind| ActorBody { r#type: kind, id: actor_id }),
            user,
            resource: event.resource,
            result: event.result.to_lowercase(),
            ip_address: event.ip_address,
            user_agent: event.user_agent,
            request_id: event.request_id,
            session_id: event.session_id,
            duration_ms: event.duration_ms,
            count: event.count,
            summary: event.summary,
            details: event.details,
            event_version: event.event_version,
            leaf_hash: event.leaf_hash.map(|hash| hash.iter().map(|byte| format!("{byte:02x}")).collect()),
        }
    }
}

/// How an event ended.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResultQuery {
    /// It was done.
    Success,
    /// It was refused.
    Denied,
    /// It failed.
    Failure,
}

/// Which events.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EventQuery {
    /// This action exactly, such as `session.started`.
    action: Option<String>,
    /// By this actor.
    actor_id: Option<String>,
    /// About this person.
    user_id: Option<String>,
    /// On this resource exactly.
    resource: Option<String>,
    /// With this result.
    #[param(inline)]
    result: Option<ResultQuery>,
    /// At this instant or later.
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// Before this instant.
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
}

/// Which events, and whose log.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PlatformEventQuery {
    /// This tenant's log; the platform's own where absent.
    #[param(value_type = Option<String>)]
    tenant_id: Option<TenantId>,
    /// This action exactly, such as `tenant.created`.
    action: Option<String>,
    /// By this actor.
    actor_id: Option<String>,
    /// About this person.
    user_id: Option<String>,
    /// On this resource exactly.
    resource: Option<String>,
    /// With this result.
    #[param(inline)]
    result: Option<ResultQuery>,
    /// At this instant or later.
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// Before this instant.
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
}

impl PlatformEventQuery {
    fn split(self) -> (Scope, EventQuery) {
        let scope = self.tenant_id.map_or(Scope::Platform, Scope::TenantOf);
        let filter = EventQuery {
            action: self.action,
            actor_id: self.actor_id,
            user_id: self.user_id,
            resource: self.resource,
            result: self.result,
            since: self.since,
            until: self.until,
        };
        (scope, filter)
    }
}

impl From<EventQuery> for Filter {
    fn from(query: EventQuery) -> Self {
        Self {
            action: query.action,
            actor_id: query.actor_id,
            user_id: query.user_id,
            resource: query.resource,
            result: query.result.map(|result| match result {
                ResultQuery::Success => "SUCCESS",
                ResultQuery::Denied => "DENIED",
                ResultQuery::Failure => "FAILURE",
            }),
            since: query.since,
            until: query.until,
        }
    }
}

/// Whose log one event is read from.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LogQuery {
    /// This tenant's log; the platform's own where absent.
    #[param(value_type = Option<String>)]
    tenant_id: Option<TenantId>,
}

/// The address of one event.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct EventPath {
    /// The event's id.
    #[param(value_type = String)]
    event_id: EventId,
}

/// Lists the tenant's audit events, newest first unless `sort` is `at`.
///
/// `filter` takes `at`, `action`, `actor.type`, `actor.id`, `user.id`, `user.name`, `resource`, `result`,
/// `session_id`, `request_id` and `count`. Give it a stretch of time where the log is long: an index serves
/// time, and `user_id`, first.
#[utoipa::path(
    get, path = "/api/v1/audit/events", tag = "audit", operation_id = "list_audit_events",
    params(ListParams, EventQuery),
    responses((status = 200, description = "A page of events", body = inline(Listing<EventBody>)), Problems)
)]
async fn list(
    State(service): State<Service>,
    cx: Cx,
    query: ListQuery<EventQuery>,
) -> Result<Response, Failure> {
    let ask = LIST.read(&query)?;
    answer(&service, &cx, &Scope::Own, &ask, query.own).await
}

/// Reads one of the tenant's audit events.
#[utoipa::path(
    get, path = "/api/v1/audit/events/{event_id}", tag = "audit", operation_id = "read_audit_event",
    params(EventPath),
    responses((status = 200, description = "The event", body = EventBody), Problems)
)]
async fn read(cx: Cx, Path(path): Path<EventPath>) -> Result<Json<EventBody>, Failure> {
    Ok(Json(load_event(&cx, &Scope::Own, &path.event_id).await?.into()))
}

/// Lists the platform's audit events, or those of one tenant, newest first unless `sort` is `at`.
///
/// `filter` takes what the tenant's list takes.
#[utoipa::path(
    get, path = "/api/v1/audit/events", tag = "platform audit", operation_id = "list_platform_audit_events",
    params(ListParams, PlatformEventQuery),
    responses((status = 200, description = "A page of events", body = inline(Listing<EventBody>)), Problems)
)]
async fn list_platform(
    State(service): State<Service>,
    cx: Cx,
    query: ListQuery<PlatformEventQuery>,
) -> Result<Response, Failure> {
    let ask = LIST.read(&query)?;
    let (scope, own) = query.own.split();
    answer(&service, &cx, &scope, &ask, own).await
}

/// Reads one of the platform's audit events, or of one tenant's.
#[utoipa::path(
    get, path = "/api/v1/audit/events/{event_id}", tag = "platform audit",
    operation_id = "read_platform_audit_event", params(EventPath, LogQuery),
    responses((status = 200, description = "The event", body = EventBody), Problems)
)]
async fn read_platform(
    cx: Cx,
    Path(path): Path<EventPath>,
    web::Query(log): web::Query<LogQuery>,
) -> Result<Json<EventBody>, Failure> {
    let scope = log.tenant_id.map_or(Scope::Platform, Scope::TenantOf);
    Ok(Json(load_event(&cx, &scope, &path.event_id).await?.into()))
}

async fn answer(
    service: &Service,
    cx: &Cx,
    scope: &Scope,
    ask: &Ask,
    own: EventQuery,
) -> Result<Response, Failure> {
    ask.check_fields::<EventBody>()?;
    // A cursor of one log opens no other: the tenant's parameter is among what it is bound to.
    let caller = cx.actor().id().unwrap_or_default();
    let tenant = match scope {
        Scope::Own => cx.tenant()?.id.as_str(),
        Scope::Platform => "",
        Scope::TenantOf(tenant) => tenant.as_str(),
    };
    let bound = [tenant, caller.as_str()];
    let after = ask.after(service.cursors(), &bound)?;
    let query = Query {
        own: own.into(),
        filter: ask.filter.clone(),
        order: ask.order.clone(),
        count: ask.count,
        limit: ask.limit,
    };
    let EventList { items, next, count } = list_events(cx, scope, &query, after.as_ref()).await?;
    let next = next.map(|position| ask.seal(service.cursors(), &bound, &position));
    ask.answer(Listing { items: items.into_iter().map(EventBody::from).collect(), next, count })
}

#[cfg(test)]
mod tests {
    use ::store::ScalarKind;

    use super::*;

    #[test]
    fn every_attribute_that_the_list_offers_has_a_column_of_its_kind() {
        for attribute in LIST.attributes {
            let columns = crate::events::store::COLUMNS;
            let column = columns.iter().find(|column| column.attribute == attribute.name);
            let kind = match attribute.values {
                Values::Text | Values::Folded | Values::Word(_) => ScalarKind::Text,
                Values::Int => ScalarKind::Int,
                Values::Bool => ScalarKind::Bool,
                Values::Time => ScalarKind::Time,
            };
            assert_eq!(column.map(|column| column.kind), Some(kind), "{}", attribute.name);
        }
    }
}
