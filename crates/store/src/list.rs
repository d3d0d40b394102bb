//! Lists: a filter and an order over declared columns into a statement, and pages that begin where the last
//! one ended.
//!
//! Every value is bound. The order and the answers are the same on both databases, whatever the data:
//! text columns are compared byte by byte (on PostgreSQL they have `COLLATE "C"`), NULL is before every
//! value, and a comparison with NULL is false, not unknown.

use base::query::{Comparison, Direction, Filter, Position, Scalar, SortKey};

use crate::{FromRow, Result, Row, Rx, Sql, StoreError, Value};

/// How many rows an estimate counts one by one.
pub const ESTIMATE_EXACT_MAX: i64 = 10_000;

/// A column that a list is filtered or sorted by.
#[derive(Debug, Clone, Copy)]
pub struct ListColumn {
    /// What callers name.
    pub attribute: &'static str,
    /// The column. On PostgreSQL a text column has `COLLATE "C"`.
    pub column: &'static str,
    /// Its type.
    pub kind: ScalarKind,
    /// Whether it may be NULL.
    pub nullable: bool,
}

impl ListColumn {
    /// A column that is never NULL.
    pub const fn of(attribute: &'static str, column: &'static str, kind: ScalarKind) -> Self {
        Self { attribute, column, kind, nullable: false }
    }

    /// A column that may be NULL.
    pub const fn nullable(attribute: &'static str, column: &'static str, kind: ScalarKind) -> Self {
        Self { attribute, column, kind, nullable: true }
    }
}

/// The type of a column that a list is filtered or sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScalarKind {
    /// Text.
    Text,
    /// An integer.
    Int,
    /// A truth value.
    Bool,
    /// An instant.
    Time,
}

/// Which rows of a list to read next.
#[derive(Debug, Clone, Copy)]
pub struct Scan<'a> {
    /// What the order may name.
    pub columns: &'static [ListColumn],
    /// The order. The id follows by itself, in the direction of the last key, so that it is total.
    pub order: &'a [SortKey],
    /// The unique text column that never is NULL.
    pub id: &'static str,
    /// Only what follows this position of the same order.
    pub after: Option<&'a Position>,
    /// At most so many.
    pub limit: u32,
}

/// Some rows of a list.
#[derive(Debug, Clone)]
pub struct Scanned<T> {
    /// The rows in their order.
    pub items: Vec<T>,
    /// The position of the last of them; none if there is nothing behind it.
    pub next: Option<Position>,
}

/// One column of an order.
#[derive(Clone, Copy)]
struct Key {
    column: ListColumn,
    direction: Direction,
}

impl Sql {
    /// Appends ` AND (…)` with the condition of a filter.
    ///
    /// Fails with [`StoreError::Shape`] for an attribute that has no column: the list declares one that its
    /// store does not know.
    pub fn filtered(self, columns: &'static [ListColumn], filter: &Filter) -> Result<Self> {
        Ok(condition(self.push(" AND ("), columns, filter)?.push(")"))
    }

    /// Appends ` AND (…)` so that rows remain whose text contains the part, byte by byte and in any column.
    fn contains(self, column: &'static str, part: &str) -> Self {
        // `position`, `strpos` and `instr` are not on both databases, and LIKE ignores case on one of them.
        self.push("replace(").push(column).push(", ").value(part).push(", '') <> ").push(column)
    }
}

/// Reads the next rows of a list. `select` ends within its WHERE clause, and selects the columns of the order
/// and the id under their own names.
pub async fn page<T: FromRow>(rx: &mut Rx, select: &Sql, scan: &Scan<'_>) -> Result<Scanned<T>> {
    let keys = keys(scan)?;
    let wanted = usize::try_from(scan.limit).unwrap_or(usize::MAX);
    let mut rows: Vec<Row> = Vec::new();
    for segment in segments(select, &keys, scan.after)? {
        // One more than asked for says whether anything follows.
        let left = wanted.saturating_add(1).saturating_sub(rows.len());
        if left == 0 {
            break;
        }
        let limit = i64::try_from(left).unwrap_or(i64::MAX);
        let sql = ordered(segment, &keys).push(" LIMIT ").value(limit).planned_anew();
        rows.extend(rx.rows(sql).await?);
    }
    let more = rows.len() > wanted;
    rows.truncate(wanted);
    let next = rows.last().filter(|_| more).map(|last| position(last, &keys)).transpose()?;
    Ok(Scanned { items: rows.iter().map(T::from_row).collect::<Result<_>>()?, next })
}

/// Counts the rows of ` FROM … WHERE …`.
pub async fn count(rx: &mut Rx, from: &Sql) -> Result<i64> {
    rx.one(Sql::new("SELECT count(*) AS n").append(from.clone())).await
}

/// Counts the rows of ` FROM … WHERE …` exactly up to [`ESTIMATE_EXACT_MAX`]; beyond, as PostgreSQL's planner
/// estimates, or exactly on SQLite, which has no estimate and fewer rows.
pub async fn estimate(rx: &mut Rx, from: &Sql) -> Result<i64> {
    let few = Sql::new("SELECT count(*) AS n FROM (SELECT 1 AS one")
        .append(from.clone())
        .push(" LIMIT ")
        .value(ESTIMATE_EXACT_MAX + 1)
        .push(") AS counted");
    let counted: i64 = rx.one(few).await?;
    if counted <= ESTIMATE_EXACT_MAX {
        return Ok(counted);
    }
    match crate::planner::estimate(rx, from).await? {
        Some(rows) => Ok(rows.max(counted)),
        None => count(rx, from).await,
    }
}

fn known(columns: &'static [ListColumn], attribute: &str) -> Result<ListColumn> {
    columns.iter().find(|known| known.attribute == attribute).copied().ok_or_else(|| StoreError::Shape {
        column: attribute.to_owned(),
        found: "an attribute without a column".to_owned(),
    })
}

// ------------------------------------------------------------------ filters

/// Appends the condition. Recursion ends: the parser of filters bounds their depth.
fn condition(sql: Sql, columns: &'static [ListColumn], filter: &Filter) -> Result<Sql> {
    match filter {
        Filter::All(parts) => joined(sql, columns, parts, " AND "),
        Filter::Any(parts) => joined(sql, columns, parts, " OR "),
        Filter::Not(part) => Ok(condition(sql.push("NOT ("), columns, part)?.push(")")),
        Filter::Present(attribute) => {
            let known = known(columns, attribute)?;
            Ok(sql.push(known.column).push(" IS NOT NULL"))
        }
        Filter::Is(attribute, test, value) => {
            let known = known(columns, attribute)?;
            // INVARIANT: NULL AND FALSE is FALSE, so that a comparison with NULL is false and its negation true.
            let sql = if known.nullable {
                sql.push("(").push(known.column).push(" IS NOT NULL AND ")
            } else {
                sql.push("(")
            };
            Ok(compared(sql, known.column, *test, value).push(")"))
        }
    }
}

fn joined(
    mut sql: Sql,
    columns: &'static [ListColumn],
    parts: &[Filter],
    between: &'static str,
) -> Result<Sql> {
    for (position, part) in parts.iter().enumerate() {
        sql = condition(sql.push(if position == 0 { "(" } else { between }), columns, part)?;
    }
    Ok(sql.push(")"))
}

fn compared(sql: Sql, column: &'static str, test: Comparison, value: &Scalar) -> Sql {
    let plain = |sql: Sql, operator| sql.push(column).push(operator).value(bound(value));
    match (test, value) {
        (Comparison::Contains, Scalar::Text(part)) => sql.contains(column, part),
        (Comparison::StartsWith, Scalar::Text(start)) => begins(sql, column, start),
        (Comparison::EndsWith, Scalar::Text(end)) => {
            // A negative start means something else on each database: the length is compared first.
            let length = i64::try_from(end.chars().count()).unwrap_or(i64::MAX);
            sql.push("CASE WHEN length(")
                .push(column)
                .push(") >= ")
                .value(length)
                .push(" THEN substr(")
                .push(column)
                .push(", length(")
                .push(column)
                .push(") + 1 - CAST(")
                .value(length)
                .push(" AS integer)) = ")
                .value(end)
                .push(" ELSE FALSE END")
        }
        (Comparison::Greater, _) => plain(sql, " > "),
        (Comparison::GreaterOrEqual, _) => plain(sql, " >= "),
        (Comparison::Less, _) => plain(sql, " < "),
        (Comparison::LessOrEqual, _) => plain(sql, " <= "),
        (Comparison::Equal | Comparison::Contains | Comparison::StartsWith | Comparison::EndsWith, _) => {
            plain(sql, " = ")
        }
    }
}

/// Appends that a text begins so, as a range that an index serves.
fn begins(sql: Sql, column: &'static str, start: &str) -> Sql {
    let sql = sql.push(column).push(" >= ").value(start);
    match after_all_that_begin(start) {
        Some(end) => sql.push(" AND ").push(column).push(" < ").value(end),
        None => sql,
    }
}

/// The least text that is after every text that begins with this one; none if there is no such text.
pub(crate) fn after_all_that_begin(start: &str) -> Option<String> {
    let mut end = start.to_owned();
    while let Some(last) = end.pop() {
        // Byte order of UTF-8 is the order of code points, of which the surrogates are none.
        let next = if last == '\u{D7FF}' { Some('\u{E000}') } else { char::from_u32(u32::from(last) + 1) };
        if let Some(next) = next {
            end.push(next);
            return Some(end);
        }
    }
    None
}

fn bound(value: &Scalar) -> Value {
    match value {
        Scalar::Text(text) => Value::Text(Some(text.clone())),
        Scalar::Int(number) => Value::Int(Some(*number)),
        Scalar::Bool(truth) => Value::Bool(Some(*truth)),
        Scalar::Time(at) => Value::Time(Some(*at)),
    }
}

// -------------------------------------------------------------------- order

fn keys(scan: &Scan<'_>) -> Result<Vec<Key>> {
    let mut keys = Vec::with_capacity(scan.order.len() + 1);
    for key in scan.order {
        keys.push(Key { column: known(scan.columns, key.attribute)?, direction: key.direction });
    }
    let direction = keys.last().map_or(Direction::Ascending, |key| key.direction);
    keys.push(Key { column: ListColumn::of("id", scan.id, ScalarKind::Text), direction });
    Ok(keys)
}

fn ordered(mut sql: Sql, keys: &[Key]) -> Sql {
    for (position, key) in keys.iter().enumerate() {
        sql = sql.push(if position == 0 { " ORDER BY " } else { ", " }).push(key.column.column);
        // Only where there can be a NULL: PostgreSQL's planner would not use an index otherwise.
        sql = sql.push(match (key.direction, key.column.nullable) {
            (Direction::Ascending, false) => "",
            (Direction::Ascending, true) => " NULLS FIRST",
            (Direction::Descending, false) => " DESC",
            (Direction::Descending, true) => " DESC NULLS LAST",
        });
    }
    sql
}

fn position(row: &Row, keys: &[Key]) -> Result<Position> {
    keys.iter()
        .map(|key| {
            let column = key.column.column;
            Ok(match key.column.kind {
                ScalarKind::Text => row.find(column)?.map(Scalar::Text),
                ScalarKind::Int => row.find(column)?.map(Scalar::Int),
                ScalarKind::Bool => row.find(column)?.map(Scalar::Bool),
                ScalarKind::Time => row.find(column)?.map(Scalar::Time),
            })
        })
        .collect()
}

/// The statements that together give what follows a position, one after the other.
///
/// A leading column that may be NULL makes two of them, its values and its NULLs, so that each is one
/// stretch of an index, however far down the list it is.
fn segments(select: &Sql, keys: &[Key], after: Option<&Position>) -> Result<Vec<Sql>> {
    let Some(position) = after else { return Ok(vec![select.clone()]) };
    let (Some((first, rest)), Some((value, rest_values))) = (keys.split_first(), position.split_first())
    else {
        return Err(misplaced());
    };
    if position.len() != keys.len() {
        return Err(misplaced());
    }
    let column = first.column.column;
    let ascending = first.direction == Direction::Ascending;
    let Some(value) = value else {
        // Among the NULLs: the rest of them, then, upwards, every value.
        let nulls = select.clone().push(" AND ").push(column).push(" IS NULL AND (");
        let nulls = behind(nulls, rest, rest_values)?.push(")");
        let values = select.clone().push(" AND ").push(column).push(" IS NOT NULL");
        return Ok(if ascending { vec![nulls, values] } else { vec![nulls] });
    };
    let sql = select.clone().push(" AND ");
    let plain = rest.iter().all(|key| !key.column.nullable && key.direction == first.direction);
    let values = if plain {
        row_value(sql, keys, position, ascending)
    } else {
        // The first part says nothing new, but is one that an index serves.
        let bound_first = sql.push(column).push(if ascending { " >= " } else { " <= " }).value(bound(value));
        behind(bound_first.push(" AND ("), keys, position)?.push(")")
    };
    let nulls = select.clone().push(" AND ").push(column).push(" IS NULL");
    Ok(if first.column.nullable && !ascending { vec![values, nulls] } else { vec![values] })
}

/// Appends `(a, b, id) > ($1, $2, $3)`, which holds for no row that has a NULL there.
fn row_value(mut sql: Sql, keys: &[Key], position: &Position, ascending: bool) -> Sql {
    for (at, key) in keys.iter().enumerate() {
        sql = sql.push(if at == 0 { "(" } else { ", " }).push(key.column.column);
    }
    sql = sql.push(if ascending { ") > (" } else { ") < (" });
    for (at, value) in position.iter().enumerate() {
        sql = sql.push(if at == 0 { "" } else { ", " });
        sql = sql.value(value.as_ref().map_or(Value::Text(None), bound));
    }
    sql.push(")")
}

/// Appends that a row is behind the position: behind it in the first column, or equal there and behind it in
/// the others.
fn behind(sql: Sql, keys: &[Key], position: &[Option<Scalar>]) -> Result<Sql> {
    let (Some((key, keys)), Some((value, position))) = (keys.split_first(), position.split_first()) else {
        return Ok(sql.push("FALSE"));
    };
    let column = key.column.column;
    let sql = match (value, key.direction) {
        (Some(value), Direction::Ascending) => sql.push(column).push(" > ").value(bound(value)),
        (Some(value), Direction::Descending) => {
            let sql = sql.push("(").push(column).push(" < ").value(bound(value));
            if key.column.nullable { sql.push(" OR ").push(column).push(" IS NULL)") } else { sql.push(")") }
        }
        (None, Direction::Ascending) => sql.push(column).push(" IS NOT NULL"),
        (None, Direction::Descending) => sql.push("FALSE"),
    };
    let sql = sql.push(" OR (").push(column);
    let sql = match value {
        Some(value) => sql.push(" = ").value(bound(value)),
        None => sql.push(" IS NULL"),
    };
    Ok(behind(sql.push(" AND ("), keys, position)?.push("))"))
}

fn misplaced() -> StoreError {
    StoreError::Shape {
        column: "position".to_owned(),
        found: "another number of values than the order has".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_range_of_beginnings_is_the_next_text_that_begins_otherwise() {
        for (start, end) in [
            ("a", Some("b")),
            ("a\u{10FFFF}", Some("b")),
            ("\u{10FFFF}\u{10FFFF}", None),
            ("\u{D7FF}", Some("\u{E000}")),
            ("张", Some("弡")),
            ("", None),
        ] {
            assert_eq!(after_all_that_begin(start).as_deref(), end, "{start:?}");
        }
    }

    #[test]
    fn a_comparison_is_text_of_ours_with_values_bound_apart() {
        const COLUMNS: &[ListColumn] = &[
            ListColumn::of("name", "name_key", ScalarKind::Text),
            ListColumn::nullable("seen", "seen_at", ScalarKind::Time),
        ];
        let filter = Filter::All(vec![
            Filter::Is("name", Comparison::Contains, Scalar::Text("'; DROP TABLE users; --".to_owned())),
            Filter::Not(Box::new(Filter::Present("seen"))),
        ]);

        let sql = Sql::new("SELECT 1 WHERE TRUE").filtered(COLUMNS, &filter).unwrap();

        assert_eq!(
            sql.text,
            "SELECT 1 WHERE TRUE AND (((replace(name_key, $1, '') <> name_key) AND NOT (seen_at IS NOT NULL)))"
        );
        assert_eq!(sql.values.len(), 1);
    }
}
