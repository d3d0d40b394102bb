//! The list of clients over HTTP.

use authz::Cx;
use axum::extract::State;
use axum::response::Response;
use base::query::{Comparison, Direction, Filter, Scalar, SortKey};
use web::list::{Attribute, Values};
use web::{Failure, List, ListParams, ListQuery, Listing};

use super::ClientBody;
use crate::Service;
use crate::clients::{ClientList, ClientQuery, ClientStatus};

const STATUS: Values =
    Values::Word(&[("active", ClientStatus::Active.stored()), ("disabled", ClientStatus::Disabled.stored())]);

/// What clients are listed by.
const LIST: List = List {
    name: "clients",
    attributes: &[
        Attribute::both("client_id", Values::Text),
        Attribute::both("name", Values::Text),
        Attribute::both("created_at", Values::Time),
        Attribute::both("updated_at", Values::Time),
        Attribute::filtered("id", Values::Text),
        Attribute::filtered("description", Values::Text),
        Attribute::filtered("status", STATUS),
        Attribute::filtered("require_authorization_consent", Values::Bool),
        Attribute::filtered("access_token_ttl_seconds", Values::Int),
        Attribute::filtered("refresh_token_ttl_seconds", Values::Int),
    ],
    order: &[SortKey { attribute: "client_id", direction: Direction::Ascending }],
};

/// What to look for among clients.
#[derive(Debug, serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ClientSearch {
    /// Only clients whose public name begins with this.
    q: Option<String>,
}

/// Lists clients, by public name unless `sort` says otherwise.
///
/// `sort` and `filter` take `client_id`, `name`, `created_at` and `updated_at`; `filter` also `id`,
/// `description`, `status`, `require_authorization_consent`, `access_token_ttl_seconds` and
/// `refresh_token_ttl_seconds`.
#[utoipa::path(
    get, path = "/api/v1/clients", tag = "clients", operation_id = "list_clients",
    params(ListParams, ClientSearch),
    responses((status = 200, description = "A page of clients", body = inline(Listing<ClientBody>)),
        web::openapi::Problems)
)]
pub(super) async fn list(
    State(service): State<Service>,
    cx: Cx,
    query: ListQuery<ClientSearch>,
) -> Result<Response, Failure> {
    let ask = LIST.read(&query)?;
    ask.check_fields::<ClientBody>()?;
    let caller = cx.actor().id().unwrap_or_default();
    let scope = [cx.tenant()?.id.as_str(), &caller];
    let prefix = query.own.q.filter(|q| !q.is_empty());
    let prefix = prefix.map(|q| Filter::Is("client_id", Comparison::StartsWith, Scalar::Text(q)));
    let query = ClientQuery {
        filter: match (prefix, ask.filter.clone()) {
            (Some(prefix), Some(filter)) => Some(Filter::All(vec![prefix, filter])),
            (prefix, filter) => prefix.or(filter),
        },
        order: ask.order.clone(),
        count: ask.count,
        after: ask.after(&service.0.cursors, &scope)?,
        limit: ask.limit,
    };
    let ClientList { items, next, count } = service.list_clients(&cx, &query).await?;
    let next = next.map(|position| ask.seal(&service.0.cursors, &scope, &position));
    ask.answer(Listing { items: items.into_iter().map(ClientBody::from).collect(), next, count })
}

#[cfg(test)]
mod tests {
    use store::ScalarKind;

    use super::*;

    #[test]
    fn every_attribute_that_the_list_offers_has_a_column_of_its_kind() {
        for attribute in LIST.attributes {
            let columns = crate::clients::store::COLUMNS;
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
