//! Lists of people.

use ::store::search::Terms;
use authz::{Action, Cx, Rx, Target};
use base::id::TenantId;
use base::query::{Direction, Filter, Position, SortKey};
use base::{Kind, Problem};
use web::list::Count;

use super::{User, UserStatus, store};
use crate::{Error, Result};

/// The order where nobody says another one: by folded user name.
pub(super) const ORDER: [SortKey; 1] = [SortKey { attribute: "username", direction: Direction::Ascending }];

/// The first attributes of orders that an index serves, in a tenant of whatever size.
const INDEXED: [&str; 2] = ["username", "created_at"];

/// People of a tenant whom a list sorts by anything else. An index for each such order would cost every
/// sign-in and every change a write more, and each person some 100 bytes: docs/database.md.
const SORTED_MAX: i64 = 100_000;

/// Which people to list.
#[derive(Debug, Clone)]
pub struct UserQuery {
    /// Only those whom a search finds; the order is then the search's.
    pub terms: Option<Terms>,
    /// Only those of this status; none is everybody who is not deleted, unless the filter asks for status or
    /// time of deletion itself.
    pub status: Option<UserStatus>,
    /// Only those whom the filter leaves.
    pub filter: Option<Filter>,
    /// The order.
    pub order: Vec<SortKey>,
    /// Whether to count all of them, and how. With a search nobody is counted.
    pub count: Option<Count>,
    /// Only those after this position.
    pub after: Option<Position>,
    /// At most so many.
    pub limit: u32,
}

impl UserQuery {
    /// Everybody who is not deleted, by user name, so many at a time.
    pub fn all(limit: u32) -> Self {
        let order = ORDER.to_vec();
        Self { terms: None, status: None, filter: None, order, count: None, after: None, limit }
    }
}

/// Some people, and where to go on.
#[derive(Debug, Clone)]
pub struct UserList {
    /// Those whom the caller may read.
    pub items: Vec<User>,
    /// The last position scanned; none on the last page.
    pub next: Option<Position>,
    /// How many there are on all pages, also those whom the caller may not read; none if nobody asked.
    pub count: Option<i64>,
}

/// People of the caller's tenant, page by page. Whom the caller may not read is left out.
///
/// Fails with 400 `invalid_sort` for an order that no index serves in a tenant of more than 100,000.
pub async fn list_users(cx: &Cx, query: &UserQuery) -> Result<UserList> {
    let permit = cx.authorize(Action::UserRead, &Target::all("user")).await?;
    let mut rx = cx.read(&permit).await?;
    let tenant = permit.own_tenant()?;
    refuse_costly(&mut rx, tenant, query).await?;
    let scanned = store::list(&mut rx, tenant, query).await?;
    let count = match query.count.filter(|_| query.terms.is_none()) {
        Some(how) => Some(store::count(&mut rx, tenant, query, how).await?),
        None => None,
    };
    drop(rx);
    let mut items = Vec::with_capacity(scanned.items.len());
    for user in scanned.items {
        if cx.may(Action::UserRead, &Target::member(&user.id)).await? {
            items.push(user);
        }
    }
    Ok(UserList { items, next: scanned.next, count })
}

/// Refuses an order for which all people of a large tenant would be sorted for every page.
async fn refuse_costly(rx: &mut Rx, tenant: &TenantId, query: &UserQuery) -> Result<()> {
    let Some(first) = query.order.first().map(|key| key.attribute) else { return Ok(()) };
    if query.terms.is_some() || INDEXED.contains(&first) {
        return Ok(());
    }
    let people = crate::tenants::find(rx, tenant).await?.map_or(0, |tenant| tenant.user_count);
    if people <= SORTED_MAX {
        return Ok(());
    }
    let detail = format!(
        "found `{first}`, and this tenant has {people} people; `sort` begins with `{}` in a tenant of more than \
         {SORTED_MAX}",
        INDEXED.join("` or `")
    );
    Err(Error::Refused(Problem::new(Kind::Malformed, "invalid_sort", detail)))
}

/// People of a tenant, page by page, for verbs that already hold a permit for all of them.
pub async fn list_in(rx: &mut Rx, tenant: &TenantId, query: &UserQuery) -> Result<UserList> {
    let scanned = store::list(rx, tenant, query).await?;
    Ok(UserList { items: scanned.items, next: scanned.next, count: None })
}
