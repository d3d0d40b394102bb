//! The list of people over HTTP.

use authz::Cx;
use axum::extract::State;
use axum::response::Response;
use base::{Kind, Problem};
use serde::Deserialize;
use store::search::Terms;
use utoipa::IntoParams;
use web::list::{Attribute, Values};
use web::openapi::Problems;
use web::{Failure, List, ListParams, ListQuery, Listing};

use super::{StatusWord, UserBody};
use crate::users::UserStatus;
use crate::users::list::{ORDER, UserList, UserQuery, list_users};
use crate::{Error, Service};

const STATUS: Values = Values::Word(&[
    ("active", UserStatus::Active.stored()),
    ("inactive", UserStatus::Inactive.stored()),
    ("locked", UserStatus::Locked.stored()),
    ("deleted", UserStatus::Deleted.stored()),
]);

/// What people are listed by.
pub(in crate::users) const LIST: List = List {
    name: "users",
    attributes: &[
        Attribute::both("username", Values::Folded),
        Attribute::both("email", Values::Folded),
        Attribute::both("display_name", Values::Text),
        Attribute::both("created_at", Values::Time),
        Attribute::both("updated_at", Values::Time),
        Attribute::both("last_login_at", Values::Time),
        Attribute::filtered("deleted_at", Values::Time),
        Attribute::filtered("id", Values::Text),
        Attribute::filtered("phone", Values::Text),
        Attribute::filtered("first_name", Values::Text),
        Attribute::filtered("last_name", Values::Text),
        Attribute::filtered("locale", Values::Text),
        Attribute::filtered("timezone", Values::Text),
        Attribute::filtered("position", Values::Text),
        Attribute::filtered("primary_department_id", Values::Text),
        Attribute::filtered("status", STATUS),
        Attribute::filtered("email_verified", Values::Bool),
        Attribute::filtered("phone_verified", Values::Bool),
        Attribute::filtered("must_change_password", Values::Bool),
        Attribute::filtered("password_set", Values::Bool),
    ],
    order: &ORDER,
};

/// What to look for among people.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct UserFilter {
    /// Up to five words, each of which must be in the user name, e-mail address, phone number or a name of
    /// the person, in any case. A word of one or two characters matches the beginning of a word, a longer one
    /// any part; in Chinese, Japanese and Korean names every character begins a word.
    q: Option<String>,
    /// Only people of this status. Everybody who is not deleted where absent, unless `filter` asks for
    /// `status` or `deleted_at`.
    status: Option<StatusWord>,
}

/// Lists people, by user name unless `sort` says otherwise. In a tenant of more than 100,000 people, `sort` begins
/// with `username` or `created_at`.
///
/// `sort` and `filter` take `username`, `email`, `display_name`, `created_at`, `updated_at` and
/// `last_login_at`; `filter` also `deleted_at`, `id`, `phone`, `first_name`, `last_name`, `locale`,
/// `timezone`, `position`, `primary_department_id`, `status`, `email_verified`, `phone_verified`,
/// `must_change_password` and `password_set`. What `q` finds has an order of its own: first those whose user
/// name begins as the first word, by user name, then all others, by id. It is not counted.
#[utoipa::path(get, path = "/api/v1/users", tag = "users", operation_id = "list_users",
    params(ListParams, UserFilter),
    responses((status = 200, description = "A page of people", body = inline(Listing<UserBody>)), Problems))]
pub(super) async fn list(
    State(service): State<Service>,
    cx: Cx,
    query: ListQuery<UserFilter>,
) -> Result<Response, Failure> {
    let ask = LIST.read(&query)?;
    ask.check_fields::<UserBody>()?;
    let terms = query.own.q.as_deref().filter(|q| !q.trim().is_empty()).map(terms).transpose()?;
    if terms.is_some() && ask.order != ORDER {
        let detail = "what `q` finds has an order of its own; leave `sort` out";
        return Err(Failure::new(Kind::Malformed, "invalid_sort", detail));
    }
    if terms.is_some() && ask.count.is_some() {
        let detail = "what `q` finds is not counted; leave `count` out";
        return Err(Failure::new(Kind::Malformed, "invalid_count", detail));
    }
    let caller = cx.actor().id().unwrap_or_default();
    let scope = [cx.tenant()?.id.as_str(), &caller];
    let query = UserQuery {
        terms,
        status: query.own.status.map(UserStatus::from),
        after: ask.after(service.cursors(), &scope)?,
        filter: ask.filter.clone(),
        order: ask.order.clone(),
        count: ask.count,
        limit: ask.limit,
    };
    let UserList { items, next, count } = list_users(&cx, &query).await?;
    let next = next.map(|position| ask.seal(service.cursors(), &scope, &position));
    ask.answer(Listing { items: items.into_iter().map(UserBody::from).collect(), next, count })
}

fn terms(q: &str) -> Result<Terms, Error> {
    Terms::parse(q).map_err(|bad| Problem::new(Kind::Malformed, "invalid_q", bad.to_string()).into())
}

#[cfg(test)]
mod tests {
    use store::ScalarKind;

    use super::*;

    #[test]
    fn every_attribute_that_the_list_offers_has_a_column_of_its_kind() {
        for attribute in LIST.attributes {
            let columns = crate::users::store::COLUMNS;
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
