//! Search on SQLite: a walk along the names while hits are frequent, FTS5 trigrams otherwise. The walk goes on
//! as long as it finds enough to fill the page within [`WALK_MAX`] names; what it does not finish, the index
//! of trigrams does, which gives all matches at once, to be sorted.

use super::{UserHit, UserSearch};
use crate::{FromRow, Result, Row, Rx, Sql};

/// Names that the walks of a search look at, at most.
const WALK_MAX: i64 = 10_000;
/// Names that tell how frequent the terms are.
const WALK_FIRST: i64 = 500;

/// The stretches of a tenant's names, in the order of what is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stretch {
    /// Those that begin as the first term.
    First,
    /// Those before them.
    Before,
    /// Those behind them.
    Behind,
}

/// How far a search has come.
struct Place<'a> {
    search: &'a UserSearch<'a>,
    /// [`Stretch::First`]: from the first text, and before the second if there is one.
    first: (String, Option<String>),
    stretch: Stretch,
    /// The last person in the stretch; none at its beginning.
    after: Option<UserHit>,
    /// Names walked along so far.
    walked: i64,
    hits: Vec<UserHit>,
}

/// One row of a walk: a hit, or the last name that was looked at.
struct Walked {
    name: UserHit,
    is_hit: i64,
    number: i64,
}

impl FromRow for Walked {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self { name: UserHit::from_row(row)?, is_hit: row.get("hit")?, number: row.get("number")? })
    }
}

pub(super) async fn users(rx: &mut Rx, search: &UserSearch<'_>) -> Result<Vec<UserHit>> {
    let mut place = Place::of(search);
    // Names of deleted people are in no order that could be walked along.
    if search.status == Some("DELETED") || !place.walk(rx).await? {
        let rest = rx.all(place.index()).await?;
        place.hits.extend(rest);
    }
    Ok(place.hits)
}

impl<'a> Place<'a> {
    fn of(search: &'a UserSearch<'a>) -> Self {
        let first = search.terms.first_names();
        let stretch = match search.after {
            Some((key, _)) if search.terms.is_first(key) => Stretch::First,
            Some((key, _)) if key < first.0.as_str() => Stretch::Before,
            Some(_) => Stretch::Behind,
            None => Stretch::First,
        };
        let after = search
            .after
            .map(|(username_key, id)| UserHit { username_key: username_key.to_owned(), id: id.to_owned() });
        Self { search, first, stretch, after, walked: 0, hits: Vec::new() }
    }

    /// How many hits the page can still take.
    fn wanted(&self) -> i64 {
        self.search.limit.saturating_sub(i64::try_from(self.hits.len()).unwrap_or(i64::MAX))
    }

    /// Walks from stretch to stretch. True if the page is full or nothing is left; false where hits are rare.
    async fn walk(&mut self, rx: &mut Rx) -> Result<bool> {
        loop {
            if !self.walk_stretch(rx).await? {
                return Ok(false);
            }
            self.stretch = match self.stretch {
                _ if self.wanted() <= 0 => return Ok(true),
                Stretch::First => Stretch::Before,
                Stretch::Before if self.first.1.is_some() => Stretch::Behind,
                Stretch::Before | Stretch::Behind => return Ok(true),
            };
            self.after = None;
        }
    }

    /// Walks along one stretch. True if the page is full or the stretch is at its end.
    async fn walk_stretch(&mut self, rx: &mut Rx) -> Result<bool> {
        let (mut seen, found_before) = (0, self.hits.len());
        let mut step = if self.stretch == Stretch::First { 2 * self.search.limit } else { WALK_FIRST };
        loop {
            let mut goes_on = false;
            for row in rx.all::<Walked>(self.step(step)).await? {
                goes_on = row.number >= step;
                if row.is_hit != 0 && self.wanted() > 0 {
                    self.hits.push(row.name.clone());
                }
                if goes_on {
                    self.after = Some(row.name);
                }
            }
            if !goes_on || self.wanted() <= 0 {
                return Ok(true);
            }
            seen += step;
            self.walked += step;
            let found = i64::try_from(self.hits.len() - found_before).unwrap_or(i64::MAX);
            let left = WALK_MAX - self.walked;
            if left <= 0 || found.saturating_mul(left) < self.wanted().saturating_mul(seen) {
                return Ok(false);
            }
            // A little more than is needed if hits are as frequent from here on.
            let needed = self.wanted() * seen * 6 / (5 * found.max(1));
            step = needed.max(self.search.limit).min(left);
        }
    }

    /// The next names of the stretch: those that are hits, and the last one.
    fn step(&self, step: i64) -> Sql {
        let (from, to) = (&self.first.0, &self.first.1);
        let mut sql = Sql::new(
            "SELECT username_key, id, hit, number FROM (SELECT username_key, id, hit, \
             row_number() OVER (ORDER BY username_key) AS number FROM (SELECT username_key, id, (true",
        );
        if let Some(status) = self.search.status {
            sql = sql.push(" AND status = ").value(status);
        }
        for part in self.search.terms.parts() {
            sql = sql.push(" AND instr(search_text, ").value(part).push(") > 0");
        }
        sql = sql.push(") AS hit FROM users WHERE deleted_at IS NULL AND tenant_id = ");
        sql = sql.value(self.search.tenant_id);
        let (low, high) = match self.stretch {
            Stretch::First => (Some(from), to.as_ref()),
            Stretch::Before => (None, Some(from)),
            Stretch::Behind => (to.as_ref(), None),
        };
        // A name is unique among the people of a tenant who are not deleted.
        if let Some(after) = &self.after {
            sql = sql.push(" AND username_key > ").value(&after.username_key);
        } else if let Some(low) = low {
            sql = sql.push(" AND username_key >= ").value(low);
        }
        if let Some(high) = high {
            sql = sql.push(" AND username_key < ").value(high);
        }
        sql = sql.push(" ORDER BY username_key LIMIT ").value(step);
        sql.push(")) WHERE hit OR number = ").value(step).push(" ORDER BY username_key")
    }

    /// Everybody from this place on, by the index of trigrams.
    fn index(&self) -> Sql {
        let search = self.search;
        // Every part is a string of FTS5: between quotes, with quotes doubled. AND binds them.
        let parts: Vec<String> =
            search.terms.parts().map(|part| format!("\"{}\"", part.replace('"', "\"\""))).collect();
        let mut sql = Sql::new(
            "SELECT u.username_key, u.id FROM user_search_index f CROSS JOIN user_search s ON s.number = f.rowid \
             CROSS JOIN users u ON u.id = s.user_id WHERE f.search_text MATCH ",
        )
        .value(parts.join(" AND "))
        .push(" AND u.tenant_id = ")
        .value(search.tenant_id);
        sql = match search.status {
            None => sql.push(" AND u.deleted_at IS NULL"),
            Some("DELETED") => sql.push(" AND u.deleted_at IS NOT NULL"),
            Some(status) => sql.push(" AND u.deleted_at IS NULL AND u.status = ").value(status),
        };
        if self.stretch != Stretch::First {
            sql = self.first_names(sql.push(" AND NOT "));
        }
        if let Some(after) = &self.after {
            sql = sql.push(" AND (");
            if self.stretch == Stretch::First {
                sql = self.first_names(sql.push("NOT ")).push(" OR ");
            }
            sql = sql.push("(u.username_key, u.id) > (").value(&after.username_key);
            sql = sql.push(", ").value(&after.id).push("))");
        }
        sql = self.first_names(sql.push(" ORDER BY ")).push(" DESC, u.username_key, u.id LIMIT ");
        sql.value(self.wanted())
    }

    /// Appends whether a user name begins as the first term.
    fn first_names(&self, sql: Sql) -> Sql {
        let sql = sql.push("(u.username_key >= ").value(&self.first.0);
        match &self.first.1 {
            Some(to) => sql.push(" AND u.username_key < ").value(to).push(")"),
            None => sql.push(")"),
        }
    }
}
