//! Lists that are filtered, sorted, narrowed and counted: what an address asks for, checked against what
//! the list declares, and the answer.
//!
//! A slice declares a [`List`], takes a [`ListQuery`] and gives it to [`List::read`]; the [`Ask`] says what
//! to look for, opens and seals the cursor, and writes the answer.

mod filter;

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use base::query::{Direction, Filter, Position, Scalar, SortKey};
use base::{Kind, Problem};
use http::request::Parts;
use serde::de::DeserializeOwned;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use crate::form::Pairs;
use crate::page::parse_limit;
use crate::query::{from_pairs, query_pairs};
use crate::{CursorKey, Failure, Json};

pub use filter::{
    FILTER_BYTES_MAX, FILTER_COMPARISONS_MAX, FILTER_DEPTH_MAX, FILTER_VALUE_CHARS_MAX, parse_filter,
};

/// The most keys of one order.
pub const SORT_KEYS_MAX: usize = 4;

/// The most names in `fields`.
pub const FIELDS_MAX: usize = 64;

/// The parameters that this module reads; a list's own filters have other names.
const OURS: [&str; 6] = ["limit", "cursor", "sort", "filter", "fields", "count"];

/// The parameters of which a cursor does not depend: they change no order and leave nobody out.
const UNBOUND: [&str; 4] = ["limit", "cursor", "fields", "count"];

/// What kind of values an attribute has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// Text, compared exactly.
    Text,
    /// Text, compared in any case of letters ([`base::text::name_key`]).
    Folded,
    /// One of some words: as callers write it, and as it is stored.
    Word(&'static [(&'static str, &'static str)]),
    /// A whole number.
    Int,
    /// `true` or `false`.
    Bool,
    /// An instant.
    Time,
}

/// One attribute by which a list can be filtered or sorted.
#[derive(Debug, Clone, Copy)]
pub struct Attribute {
    /// The name, as in the members of the answer; a dot leads to a member of a member.
    pub name: &'static str,
    /// Its values.
    pub values: Values,
    /// Whether `filter` may name it.
    pub filtered: bool,
    /// Whether `sort` may name it.
    pub sorted: bool,
}

impl Attribute {
    /// An attribute for `filter` and `sort`.
    pub const fn both(name: &'static str, values: Values) -> Self {
        Self { name, values, filtered: true, sorted: true }
    }

    /// An attribute for `filter` only.
    pub const fn filtered(name: &'static str, values: Values) -> Self {
        Self { name, values, filtered: true, sorted: false }
    }
}

/// What a list offers.
#[derive(Debug, Clone, Copy)]
pub struct List {
    /// What cursors call it: one name for each list.
    pub name: &'static str,
    /// What it can be filtered and sorted by.
    pub attributes: &'static [Attribute],
    /// The order where the caller does not say; the id follows by itself.
    pub order: &'static [SortKey],
}

/// Which page of a list, in which order, and what of it.
#[derive(Debug, Clone, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "the shape of the parameters, for the API document")]
pub struct ListParams {
    /// Members in the page, 1 to 200; 50 where absent.
    #[param(minimum = 1, maximum = 200, default = 50, required = false)]
    limit: u32,
    /// The `next` of the page before, with the same filters and order.
    cursor: Option<String>,
    /// The order: attributes separated by commas, `-` before one for the other way. What has no value comes
    /// first.
    sort: Option<String>,
    /// A filter in SCIM syntax (RFC 7644 section 3.4.2.2), like `status eq "active" and created_at gt
    /// "2026-01-01T00:00:00Z"`.
    filter: Option<String>,
    /// Only these members of each item, separated by commas.
    fields: Option<String>,
    /// Adds `count`, the number of members that the filters find: `exact`, or an `estimate` that is exact up
    /// to 10,000.
    #[param(inline)]
    count: Option<Count>,
}

/// How exactly to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum Count {
    /// All of them.
    Exact,
    /// Exact up to a bound of the store's, from there as the database estimates.
    Estimate,
}

/// The parameters of a list as sent, with the list's own filters in `F`, which carries
/// `#[serde(deny_unknown_fields)]`. Fails with 400 `invalid_limit` or `invalid_query`.
#[derive(Debug, Clone)]
pub struct ListQuery<F> {
    /// The list's own filters.
    pub own: F,
    limit: u32,
    pairs: Pairs,
}

impl<F: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for ListQuery<F> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Failure> {
        let pairs = query_pairs(parts)?;
        let limit = pairs.get("limit").map_or(Ok(crate::page::LIMIT_DEFAULT), parse_limit)?;
        let own = from_pairs(pairs.iter().filter(|(name, _)| !OURS.contains(name)))?;
        Ok(Self { own, limit, pairs })
    }
}

/// What a list is asked for.
#[derive(Debug, Clone)]
pub struct Ask {
    /// At most so many members.
    pub limit: u32,
    /// Which members.
    pub filter: Option<Filter>,
    /// The order; the id follows by itself.
    pub order: Vec<SortKey>,
    /// Whether to count, and how.
    pub count: Option<Count>,
    cursor: Option<String>,
    fields: Option<String>,
    bound: Vec<String>,
}

/// One page of a list, with the number of all its members if that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, ToSchema)]
pub struct Listing<T> {
    /// The members; fewer than the limit does not mean that this is the last page.
    pub items: Vec<T>,
    /// The cursor of the next page; null on the last.
    pub next: Option<String>,
    /// How many members the filters find, on request. Also counts what the caller may not see one by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<i64>,
}

impl List {
    /// Checks what an address asks for. Fails with 400 `invalid_filter`, `invalid_sort` or `invalid_count`.
    pub fn read<F>(&self, query: &ListQuery<F>) -> Result<Ask, Problem> {
        let get = |name: &str| query.pairs.get(name).map(str::to_owned);
        let filter = get("filter").map(|text| parse_filter(self.attributes, &text)).transpose()?;
        let order = match query.pairs.get("sort") {
            Some(text) => self.parse_sort(text)?,
            None => self.order.to_vec(),
        };
        let count = match query.pairs.get("count") {
            None => None,
            Some("exact") => Some(Count::Exact),
            Some("estimate") => Some(Count::Estimate),
            Some(other) => {
                let detail = format!("`count` is `{}`, expected `exact` or `estimate`", shown(other));
                return Err(Problem::new(Kind::Malformed, "invalid_count", detail));
            }
        };
        let bound = self.bound(&query.pairs, &order);
        Ok(Ask {
            limit: query.limit,
            filter,
            order,
            count,
            cursor: get("cursor"),
            fields: get("fields"),
            bound,
        })
    }

    fn parse_sort(&self, text: &str) -> Result<Vec<SortKey>, Problem> {
        let bad = |found: &str| {
            let names = self.attributes.iter().filter(|known| known.sorted).map(|known| known.name);
            let names = names.collect::<Vec<_>>().join("`, `");
            let detail = format!(
                "{found}; `sort` has 1 to {SORT_KEYS_MAX} of `{names}`, separated by commas, each once, \
                 with `-` before it for the other way"
            );
            Problem::new(Kind::Malformed, "invalid_sort", detail)
        };
        let mut order: Vec<SortKey> = Vec::new();
        for piece in text.split(',').map(str::trim) {
            let (name, direction) = match piece.strip_prefix('-') {
                Some(name) => (name, Direction::Descending),
                None => (piece, Direction::Ascending),
            };
            let known = self.attributes.iter().find(|known| known.sorted && known.name == name);
            let attribute = known.map(|known| known.name);
            let attribute = attribute.ok_or_else(|| bad(&format!("found `{}`", shown(name))))?;
            if order.len() == SORT_KEYS_MAX || order.iter().any(|key| key.attribute == attribute) {
                return Err(bad("found too many or one twice"));
            }
            order.push(SortKey { attribute, direction });
        }
        Ok(order)
    }

    /// What a cursor depends on: the list, its order, and every parameter that chooses members.
    fn bound(&self, pairs: &Pairs, order: &[SortKey]) -> Vec<String> {
        let mut bound = vec!["list".to_owned(), self.name.to_owned(), format!("{order:?}")];
        let mut chosen: Vec<_> =
            pairs.iter().filter(|(name, _)| *name != "sort" && !UNBOUND.contains(name)).collect();
        chosen.sort_unstable();
        bound.extend(chosen.into_iter().flat_map(|(name, value)| [name.to_owned(), value.to_owned()]));
        bound
    }
}

impl Ask {
    /// The place to go on from, if this is not the first page. `scope` says whose list it is: tenant and
    /// caller. Fails with 400 `invalid_cursor`.
    pub fn after(&self, key: &CursorKey, scope: &[&str]) -> Result<Option<Position>, Problem> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        let values = key.decode(&self.parts(scope), cursor)?;
        let position: Option<Position> = values
            .iter()
            .map(|text| if text.is_empty() { Some(None) } else { Scalar::decode(text).map(Some) })
            .collect();
        match position {
            Some(position) if position.len() == self.order.len() + 1 => Ok(Some(position)),
            _ => Err(base::bug!("a cursor that was sealed for `{:?}` holds something else", self.order)),
        }
    }

    /// Seals a place as the next page's cursor, for the same scope.
    pub fn seal(&self, key: &CursorKey, scope: &[&str], position: &Position) -> String {
        let values: Vec<String> =
            position.iter().map(|value| value.as_ref().map(Scalar::encode).unwrap_or_default()).collect();
        key.encode(&self.parts(scope), &values.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn parts<'a>(&'a self, scope: &[&'a str]) -> Vec<&'a str> {
        scope.iter().copied().chain(self.bound.iter().map(String::as_str)).collect()
    }

    /// Checks `fields` before anything is looked up. Fails with 400 `invalid_fields`.
    pub fn check_fields<T: PartialSchema>(&self) -> Result<(), Problem> {
        self.narrowed::<T>().map(|_| ())
    }

    /// Writes the answer, each item narrowed to the `fields` asked for. Fails with 400 `invalid_fields`.
    pub fn answer<T>(&self, listing: Listing<T>) -> Result<Response, Failure>
    where
        T: serde::Serialize + PartialSchema,
    {
        let Some(wanted) = self.narrowed::<T>()? else { return Ok(Json(listing).into_response()) };
        let mut items = Vec::with_capacity(listing.items.len());
        for item in &listing.items {
            let mut item = serde_json::to_value(item)
                .map_err(|error| Problem::internal("an item cannot be written as json").because(error))?;
            if let serde_json::Value::Object(members) = &mut item {
                members.retain(|name, _| wanted.contains(name));
            }
            items.push(item);
        }
        Ok(Json(Listing { items, next: listing.next, count: listing.count }).into_response())
    }

    fn narrowed<T: PartialSchema>(&self) -> Result<Option<Vec<String>>, Problem> {
        let Some(text) = &self.fields else { return Ok(None) };
        let known = members::<T>();
        let wanted: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
        let strange = wanted.iter().find(|name| !known.contains(name));
        if strange.is_none() && wanted.len() <= FIELDS_MAX {
            return Ok(Some(wanted));
        }
        let found = strange.map_or("too many names".to_owned(), |name| format!("`{}`", shown(name)));
        let detail =
            format!("found {found}; `fields` has some of `{}`, separated by commas", known.join("`, `"));
        Err(Problem::new(Kind::Malformed, "invalid_fields", detail))
    }
}

/// The members that the API document says a type has.
fn members<T: PartialSchema>() -> Vec<String> {
    match T::schema() {
        RefOr::T(Schema::Object(object)) => object.properties.keys().cloned().collect(),
        _ => Vec::new(),
    }
}

/// What is quoted of the caller's text in a problem.
fn shown(text: &str) -> String {
    text.chars().take(32).filter(|c| !c.is_control()).collect()
}
