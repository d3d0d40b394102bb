//! Lists of people.

use ::store::search::Terms;
use authz::{Action, Cx, Rx, Target};
use base::id::TenantId;
use base::query::{Direction, Filter, Position, SortKey};
use web::list::Count;

use super::{User, UserStatus, store};
use crate::Result;

/// The order where nobody says another one: by folded user name.
pub(super) const ORDER: [SortKey; 1] = [SortKey { attribute: "username", direction: Direction::Ascending }];

/// Which people to list.
#[derive(Debug, Clone)]
pub struct UserQuery {
    /// Only those whom a search finds; the order is then [`UserQuery::all`]'s.
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
pub async fn list_users(cx: &Cx, query: &UserQuery) -> Result<UserList> {
    let permit = cx.authorize(Action::UserRead, &Target::all("user")).await?;
    let mut rx = cx.read(&permit).await?;
    let tenant = permit.own_tenant()?;
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

/// People of a tenant, page by page, for verbs that already hold a permit for all of them.
pub async fn list_in(rx: &mut Rx, tenant: &TenantId, query: &UserQuery) -> Result<UserList> {
    let scanned = store::list(rx, tenant, query).await?;
    Ok(UserList { items: scanned.items, next: scanned.next, count: None })
}
