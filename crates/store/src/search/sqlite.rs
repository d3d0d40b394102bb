//! Search on SQLite: a walk along the people while hits are frequent, FTS5 trigrams otherwise. The walk goes
//! on as long as it finds enough to fill the page within [`WALK_MAX`] people; what it does not finish, the
//! index of trigrams does, which gives all matches at once, to be sorted.

use super::{UserHit, UserSearch};
use crate::{FromRow, Result, Row, Rx, Sql};

/// People whom the walks of a search look at, at most.
const WALK_MAX: i64 = 20_000;
/// People who tell how frequent the terms are.
const WALK_FIRST: i64 = 1_000;

/// How far a search has come.
struct Place<'a> {
    search: &'a UserSearch<'a>,
    /// The names that begin as the first term: from the first text, and before the second if there is one.
    names: (String, Option<String>),
    /// Whether the page is still among those names, and not among all others.
    is_first: bool,
    /// The last person there; none at the beginning.
    after: Option<UserHit>,
    /// People walked along so far.
    walked: i64,
    hits: Vec<UserHit>,
}

/// One row of a walk: a hit, or the last person who was looked at.
struct Walked {
    person: UserHit,
    is_hit: i64,
    number: i64,
}

impl FromRow for Walked {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self { person: UserHit::from_row(row)?, is_hit: row.get("hit")?, number: row.get("number")? })
    }
}

pub(super) async fn users(rx: &mut Rx, search: &UserSearch<'_>) -> Result<Vec<UserHit>> {
    let mut place = Place::of(search);
    // There is no index that a walk along deleted people could follow.
    if search.status == Some("DELETED") || !place.walk(rx).await? {
        let rest = rx.all(place.index()).await?;
        place.hits.extend(rest);
    }
    Ok(place.hits)
}

impl<'a> Place<'a> {
    fn of(search: &'a UserSearch<'a>) -> Self {
        let is_first = search.after.is_none_or(|(key, _)| search.terms.is_first(key));
        let after = search
            .after
            .map(|(username_key, id)| UserHit { username_key: username_key.to_owned(), id: id.to_owned() });
        Self { search, names: search.terms.first_names(), is_first, after, walked: 0, hits: Vec::new() }
    }

    /// How many hits the page can still take.
    fn wanted(&self) -> i64 {
        self.search.limit.saturating_sub(i64::try_from(self.hits.len()).unwrap_or(i64::MAX))
    }

    /// Walks along the first ones and then all others. True if the page is full or nothing is left; false
    /// where hits are rare.
    async fn walk(&mut self, rx: &mut Rx) -> Result<bool> {
        loop {
            if !self.walk_part(rx).await? {
                return Ok(false);
            }
            if !self.is_first || self.wanted() <= 0 {
                return Ok(true);
            }
            self.is_first = false;
            self.after = None;
        }
    }

    /// Walks along the first ones or all others. True if the page is full or they are at their end.
    async fn walk_part(&mut self, rx: &mut Rx) -> Result<bool> {
        let (mut seen, found_before) = (0, self.hits.len());
        let mut step = if self.is_first { 2 * self.search.limit } else { WALK_FIRST };
        loop {
            let mut goes_on = false;
            for row in rx.all::<Walked>(self.step(step)).await? {
                goes_on = row.number >= step;
                if row.is_hit != 0 && self.wanted() > 0 {
                    self.hits.push(row.person.clone());
                }
                if goes_on {
                    self.after = Some(row.person);
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

    /// The next people: those who are hits, and the last one.
    fn step(&self, step: i64) -> Sql {
        // A name is unique among the people of a tenant who are not deleted.
        let order = if self.is_first { "username_key" } else { "id" };
        let mut sql = Sql::new("SELECT username_key, id, hit, number FROM (SELECT username_key, id, hit, ")
            .push("row_number() OVER (ORDER BY ")
            .push(order)
            .push(") AS number FROM (SELECT username_key, id, (deleted_at IS NULL");
        if !self.is_first {
            sql = self.is_first_name(sql.push(" AND NOT "));
        }
        if let Some(status) = self.search.status {
            sql = sql.push(" AND status = ").value(status);
        }
        for part in self.search.terms.parts() {
            sql = sql.push(" AND instr(search_text, ").value(part).push(") > 0");
        }
        sql = sql.push(") AS hit FROM users u WHERE tenant_id = ").value(self.search.tenant_id);
        if self.is_first {
            sql = self.is_first_name(sql.push(" AND deleted_at IS NULL AND "));
        }
        if let Some(after) = &self.after {
            let last = if self.is_first { &after.username_key } else { &after.id };
            sql = sql.push(" AND ").push(order).push(" > ").value(last);
        }
        sql = sql.push(" ORDER BY ").push(order).push(" LIMIT ").value(step);
        sql.push(")) WHERE hit OR number = ").value(step).push(" ORDER BY number")
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
        if self.is_first {
            if let Some(after) = &self.after {
                sql = self.is_first_name(sql.push(" AND (NOT "));
                sql = sql.push(" OR (u.username_key, u.id) > (").value(&after.username_key);
                sql = sql.push(", ").value(&after.id).push("))");
            }
        } else {
            sql = self.is_first_name(sql.push(" AND NOT "));
            if let Some(after) = &self.after {
                sql = sql.push(" AND u.id > ").value(&after.id);
            }
        }
        sql = self.is_first_name(sql.push(" ORDER BY ")).push(" DESC, CASE WHEN ");
        sql = self.is_first_name(sql).push(" THEN u.username_key END, u.id LIMIT ");
        sql.value(self.wanted())
    }

    /// Appends whether a user name begins as the first term.
    fn is_first_name(&self, sql: Sql) -> Sql {
        let sql = sql.push("(u.username_key >= ").value(&self.names.0);
        match &self.names.1 {
            Some(to) => sql.push(" AND u.username_key < ").value(to).push(")"),
            None => sql.push(")"),
        }
    }
}
