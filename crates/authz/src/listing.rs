//! A part of a list: which members, in which order, and from where on.

use ::store::{FromRow, ListColumn, Rx, Scan, Sql, list};
use base::query::{Filter, Position, SortKey};
use web::list::Count;

use crate::{Action, Cx, Result, Target};

/// Which part of a list to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Only the members that the filter leaves.
    pub filter: Option<Filter>,
    /// The order; the list's own where empty. A key that tells all members apart follows by itself.
    pub order: Vec<SortKey>,
    /// Whether to count all members that the filter leaves, and how.
    pub count: Option<Count>,
    /// Only those after this position of the same order.
    pub after: Option<Position>,
    /// Members at most.
    pub limit: u32,
}

impl Listing {
    /// The first members of a list, in its own order.
    pub const fn first(limit: u32) -> Self {
        Self { filter: None, order: Vec::new(), count: None, after: None, limit }
    }

    /// The same, only with members that fit this too.
    #[must_use]
    pub(crate) fn and(mut self, filter: Filter) -> Self {
        self.filter = Some(match self.filter {
            Some(other) => Filter::All(vec![filter, other]),
            None => filter,
        });
        self
    }
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed<T> {
    /// Those of the members that the caller may see.
    pub items: Vec<T>,
    /// The position of the last one scanned; none at the end.
    pub next: Option<Position>,
    /// How many members there are on all pages, also those that the caller may not see; none if nobody asked.
    pub count: Option<i64>,
}

impl<T> Listed<T> {
    /// Changes each member.
    pub(crate) fn map<U>(self, change: impl FnMut(T) -> U) -> Listed<U> {
        Listed { items: self.items.into_iter().map(change).collect(), next: self.next, count: self.count }
    }

    /// Leaves out what the caller may not do this with.
    pub(crate) async fn only(
        mut self,
        cx: &Cx,
        action: Action,
        target: impl Fn(&T) -> Target,
    ) -> Result<Self> {
        let mut items = Vec::with_capacity(self.items.len());
        for item in self.items {
            if cx.may(action, &target(&item)).await? {
                items.push(item);
            }
        }
        self.items = items;
        Ok(self)
    }
}

/// Where a list comes from: its store's statement and columns.
pub(crate) struct Source {
    /// `SELECT …`, with the columns of every order and the id under their own names.
    pub(crate) select: &'static str,
    /// ` FROM … WHERE …` of all members.
    pub(crate) from: Sql,
    /// What filters and orders may name.
    pub(crate) columns: &'static [ListColumn],
    /// The order where nobody asks for another.
    pub(crate) order: &'static [SortKey],
    /// The unique text column that never is NULL.
    pub(crate) id: &'static str,
}

impl Source {
    /// Reads a part of the list and counts it, as far as that was asked for.
    pub(crate) async fn read<T: FromRow>(&self, rx: &mut Rx, listing: &Listing) -> Result<Listed<T>> {
        let from = self.filtered(listing)?;
        let count = self.count(rx, listing).await?;
        let order = if listing.order.is_empty() { self.order } else { &listing.order };
        let scan = Scan {
            columns: self.columns,
            order,
            id: self.id,
            after: listing.after.as_ref(),
            limit: listing.limit,
        };
        let found = list::page(rx, &Sql::new(self.select).append(from), &scan).await?;
        Ok(Listed { items: found.items, next: found.next, count })
    }

    /// Counts the members that the filter leaves, if that was asked for.
    pub(crate) async fn count(&self, rx: &mut Rx, listing: &Listing) -> Result<Option<i64>> {
        let from = self.filtered(listing)?;
        Ok(match listing.count {
            None => None,
            Some(Count::Exact) => Some(list::count(rx, &from).await?),
            Some(Count::Estimate) => Some(list::estimate(rx, &from).await?),
        })
    }

    fn filtered(&self, listing: &Listing) -> Result<Sql> {
        Ok(match &listing.filter {
            Some(filter) => self.from.clone().filtered(self.columns, filter)?,
            None => self.from.clone(),
        })
    }
}

/// Checks that each attribute that a list offers has a column of its kind.
#[cfg(test)]
pub(crate) fn check_columns(list: &web::List, columns: &'static [ListColumn], order: &[SortKey]) {
    use ::store::ScalarKind;
    use web::list::Values;
    for attribute in list.attributes {
        let column = columns.iter().find(|column| column.attribute == attribute.name);
        let kind = match attribute.values {
            Values::Text | Values::Folded | Values::Word(_) => ScalarKind::Text,
            Values::Int => ScalarKind::Int,
            Values::Bool => ScalarKind::Bool,
            Values::Time => ScalarKind::Time,
        };
        assert_eq!(column.map(|column| column.kind), Some(kind), "{} {}", list.name, attribute.name);
    }
    assert_eq!(list.order, order, "{} has one order of its own", list.name);
    for key in order {
        let offered = list.attributes.iter().any(|known| known.sorted && known.name == key.attribute);
        assert!(offered, "{} {}", list.name, key.attribute);
    }
}
