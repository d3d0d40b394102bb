//! Filters and pages against a brute-force oracle, with random data, on both databases.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::disallowed_methods, reason = "tests")]

use std::cell::Cell;
use std::cmp::Ordering;

use base::query::{Comparison, Direction, Filter, Position, Scalar, SortKey};
use base::{Random as _, SeededRandom, Timestamp};
use store::testing::TestDb;
use store::{Backend, FromRow, ListColumn, Quiet, Row, Rx, ScalarKind, Scan, Scanned, Sql, StoreError, list};

const COLUMNS: &[ListColumn] = &[
    ListColumn::of("name", "name_key", ScalarKind::Text),
    ListColumn::nullable("label", "label", ScalarKind::Text),
    ListColumn::nullable("size", "size", ScalarKind::Int),
    ListColumn::of("flag", "flag", ScalarKind::Bool),
    ListColumn::nullable("seen.at", "seen_at", ScalarKind::Time),
];

const SQLITE: &str = "CREATE TABLE listed (id TEXT NOT NULL PRIMARY KEY, name_key TEXT NOT NULL, label TEXT, \
                      size INTEGER, flag INTEGER NOT NULL, seen_at INTEGER) STRICT; \
                      CREATE INDEX idx_listed_name ON listed (name_key, id); \
                      CREATE INDEX idx_listed_seen ON listed (seen_at, id);";
const POSTGRES: &str = "CREATE TABLE listed (id varchar(64) COLLATE \"C\" PRIMARY KEY, \
                        name_key text COLLATE \"C\" NOT NULL, label text COLLATE \"C\", size bigint, \
                        flag boolean NOT NULL, seen_at timestamptz); \
                        CREATE INDEX idx_listed_name ON listed (name_key, id); \
                        CREATE INDEX idx_listed_seen ON listed (seen_at NULLS FIRST, id);";
const SELECT: &str = "SELECT id, name_key, label, size, flag, seen_at";
const FROM: &str = " FROM listed WHERE id <> ";

#[derive(Debug, Clone, PartialEq)]
struct Item {
    id: String,
    name: String,
    label: Option<String>,
    size: Option<i64>,
    flag: bool,
    seen_at: Option<Timestamp>,
}

impl Item {
    fn value(&self, attribute: &str) -> Option<Scalar> {
        match attribute {
            "name" => Some(Scalar::Text(self.name.clone())),
            "label" => self.label.clone().map(Scalar::Text),
            "size" => self.size.map(Scalar::Int),
            "flag" => Some(Scalar::Bool(self.flag)),
            "seen.at" => self.seen_at.map(Scalar::Time),
            _ => Some(Scalar::Text(self.id.clone())),
        }
    }
}

impl FromRow for Item {
    fn from_row(row: &Row) -> store::Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            name: row.get("name_key")?,
            label: row.find("label")?,
            size: row.find("size")?,
            flag: row.get("flag")?,
            seen_at: row.find("seen_at")?,
        })
    }
}

/// Random values of which many are alike.
struct Dice(SeededRandom, Cell<u32>);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(SeededRandom::new(seed), Cell::new(0))
    }

    fn below(&self, limit: usize) -> usize {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        usize::try_from(u64::from_le_bytes(bytes) % u64::try_from(limit).unwrap()).unwrap()
    }

    fn text(&self, shortest: usize) -> String {
        const PIECES: [&str; 12] =
            ["a", "b", "A", "é", "%", "_", "\\", "'", "张", "三", "\u{10FFFF}", "\u{D7FF}"];
        (0..shortest + self.below(4)).map(|_| PIECES[self.below(PIECES.len())]).collect()
    }

    fn time(&self) -> Timestamp {
        Timestamp::from_micros(1_763_712_000_000_000 + i64::try_from(self.below(4)).unwrap())
    }

    fn maybe<T>(&self, value: T) -> Option<T> {
        (self.below(4) > 0).then_some(value)
    }

    fn item(&self) -> Item {
        self.1.set(self.1.get() + 1);
        Item {
            id: format!("{}{}", ["x", "X", "é"][self.below(3)], self.1.get()),
            name: self.text(0),
            label: self.maybe(self.text(0)),
            size: self.maybe(i64::try_from(self.below(5)).unwrap() - 2),
            flag: self.below(2) == 0,
            seen_at: self.maybe(self.time()),
        }
    }

    fn filter(&self, depth: usize) -> Filter {
        use Comparison::{Contains, EndsWith, Equal, Greater, GreaterOrEqual, Less, LessOrEqual, StartsWith};
        let parts = || (0..2 + self.below(2)).map(|_| self.filter(depth - 1)).collect();
        if depth > 0 {
            match self.below(5) {
                0 => return Filter::All(parts()),
                1 => return Filter::Any(parts()),
                2 => return Filter::Not(Box::new(self.filter(depth - 1))),
                _ => {}
            }
        }
        let ordered = [Equal, Greater, GreaterOrEqual, Less, LessOrEqual][self.below(5)];
        let part = [Contains, StartsWith, EndsWith][self.below(3)];
        let text = ["name", "label"][self.below(2)];
        match self.below(8) {
            0 => Filter::Present(COLUMNS[self.below(COLUMNS.len())].attribute),
            1 => Filter::Is("size", ordered, Scalar::Int(i64::try_from(self.below(5)).unwrap() - 2)),
            2 => Filter::Is("flag", Equal, Scalar::Bool(self.below(2) == 0)),
            3 => Filter::Is("seen.at", ordered, Scalar::Time(self.time())),
            4 => Filter::Is(text, ordered, Scalar::Text(self.text(0))),
            _ => Filter::Is(text, part, Scalar::Text(self.text(1).chars().take(2).collect())),
        }
    }

    fn order(&self) -> Vec<SortKey> {
        let mut order: Vec<SortKey> = Vec::new();
        for _ in 0..self.below(4) {
            let attribute = COLUMNS[self.below(COLUMNS.len())].attribute;
            let direction = [Direction::Ascending, Direction::Descending][self.below(2)];
            if order.iter().all(|key| key.attribute != attribute) {
                order.push(SortKey { attribute, direction });
            }
        }
        order
    }
}

/// The oracle: whether an item fits, by the words of `base::query`.
fn fits(item: &Item, filter: &Filter) -> bool {
    match filter {
        Filter::All(parts) => parts.iter().all(|part| fits(item, part)),
        Filter::Any(parts) => parts.iter().any(|part| fits(item, part)),
        Filter::Not(part) => !fits(item, part),
        Filter::Present(attribute) => item.value(attribute).is_some(),
        Filter::Is(attribute, comparison, value) => match (item.value(attribute), value) {
            (Some(Scalar::Text(found)), Scalar::Text(part)) => match comparison {
                Comparison::Contains => found.contains(part.as_str()),
                Comparison::StartsWith => found.starts_with(part.as_str()),
                Comparison::EndsWith => found.ends_with(part.as_str()),
                comparison => holds(found.cmp(part), *comparison),
            },
            (Some(found), value) => holds(found.cmp(value), *comparison),
            (None, _) => false,
        },
    }
}

fn holds(found: Ordering, comparison: Comparison) -> bool {
    match comparison {
        Comparison::Equal => found == Ordering::Equal,
        Comparison::Greater => found == Ordering::Greater,
        Comparison::GreaterOrEqual => found != Ordering::Less,
        Comparison::Less => found == Ordering::Less,
        Comparison::LessOrEqual => found != Ordering::Greater,
        Comparison::Contains | Comparison::StartsWith | Comparison::EndsWith => false,
    }
}

/// The oracle: the order, in which nothing is before something.
fn sorted(mut items: Vec<Item>, order: &[SortKey]) -> Vec<Item> {
    let last = order.last().map_or(Direction::Ascending, |key| key.direction);
    let keys: Vec<_> = order.iter().copied().chain([SortKey { attribute: "id", direction: last }]).collect();
    items.sort_by(|a, b| {
        let compared = keys.iter().map(|key| {
            let found = a.value(key.attribute).cmp(&b.value(key.attribute));
            if key.direction == Direction::Ascending { found } else { found.reverse() }
        });
        compared.fold(Ordering::Equal, Ordering::then)
    });
    items
}

async fn with_items(db: &TestDb, items: &[Item]) {
    let script = if db.backend() == Backend::Sqlite { SQLITE } else { POSTGRES };
    store::testing::run_script(&db.store, script).await;
    let mut tx = db.store.begin_write(store::Scope::Platform, None).await.unwrap();
    for item in items {
        let insert = Sql::new(
            "INSERT INTO listed (id, name_key, label, size, flag, seen_at) VALUES ($1, $2, $3, $4, $5, $6)",
        );
        let insert = insert.bind(&item.id).bind(&item.name).bind(item.label.as_deref()).bind(item.size);
        tx.execute(insert.bind(item.flag).bind(item.seen_at)).await.unwrap();
    }
    tx.commit_quietly(Quiet::Housekeeping).await.unwrap();
}

fn from(filter: &Filter) -> Sql {
    Sql::new(FROM).value("nobody").filtered(COLUMNS, filter).unwrap()
}

/// All pages one after the other.
async fn walk(rx: &mut Rx, from: &Sql, order: &[SortKey], limit: u32) -> Vec<Item> {
    let select = Sql::new(SELECT).append(from.clone());
    let mut all = Vec::new();
    let mut after: Option<Position> = None;
    loop {
        let scan = Scan { columns: COLUMNS, order, id: "id", after: after.as_ref(), limit };
        let Scanned { items, next } = list::page::<Item>(rx, &select, &scan).await.unwrap();
        assert!(items.len() <= usize::try_from(limit).unwrap());
        assert!(next.is_none() || !items.is_empty(), "a next page behind nothing");
        all.extend(items);
        match next {
            Some(position) => after = Some(position),
            None => return all,
        }
    }
}

#[tokio::test]
async fn a_filtered_list_in_pages_is_what_filtering_and_sorting_everything_gives() {
    let dice = Dice::new(1);
    let items: Vec<Item> = (0..60).map(|_| dice.item()).collect();
    let dbs = TestDb::both().await;
    for db in &dbs {
        with_items(db, &items).await;
    }

    for round in 0..200 {
        let (filter, order) = (dice.filter(3), dice.order());
        let limit = u32::try_from(1 + dice.below(20)).unwrap();
        let expected = sorted(items.iter().filter(|item| fits(item, &filter)).cloned().collect(), &order);
        for db in &dbs {
            let mut rx = db.store.begin_read(store::Scope::Platform).await.unwrap();
            let from = from(&filter);

            let found = walk(&mut rx, &from, &order, limit).await;

            let case = format!("round {round} on {:?}: {filter:?} by {order:?}, {limit}", db.backend());
            assert_eq!(found, expected, "{case}");
            let count = i64::try_from(expected.len()).unwrap();
            assert_eq!(list::count(&mut rx, &from).await.unwrap(), count, "{case}");
            assert_eq!(list::estimate(&mut rx, &from).await.unwrap(), count, "{case}");
        }
    }
}

#[tokio::test]
async fn every_order_of_up_to_three_columns_pages_without_loss_or_repetition() {
    let dice = Dice::new(2);
    let items: Vec<Item> = (0..25).map(|_| dice.item()).collect();
    let everything = Filter::Not(Box::new(Filter::All(vec![
        Filter::Present("name"),
        Filter::Not(Box::new(Filter::Present("name"))),
    ])));
    for db in TestDb::both().await {
        with_items(&db, &items).await;
        let mut rx = db.store.begin_read(store::Scope::Platform).await.unwrap();
        let from = from(&everything);
        for round in 0..120 {
            let order = dice.order();

            let found = walk(&mut rx, &from, &order, 3).await;

            assert_eq!(
                found,
                sorted(items.clone(), &order),
                "round {round} on {:?}: {order:?}",
                db.backend()
            );
        }
    }
}

#[tokio::test]
async fn a_list_is_planned_for_its_own_values_and_leaves_no_plan_for_those_of_others() {
    let db = TestDb::postgres().await;
    with_items(&db, &[]).await;
    let mut rx = db.store.begin_read(store::Scope::Platform).await.unwrap();
    let order = [SortKey { attribute: "name", direction: Direction::Ascending }];

    for label in ["a", "b", "c", "d", "e", "f", "g"] {
        let from = Sql::new(FROM).value("none").push(" AND label = ").value(label);
        assert!(walk(&mut rx, &from, &order, 5).await.is_empty());
    }

    let kept = "SELECT count(*) AS n FROM pg_prepared_statements WHERE statement LIKE 'SELECT id, name_key%'";
    assert_eq!(rx.one::<i64>(Sql::new(kept)).await.unwrap(), 0);
}

#[tokio::test]
async fn an_estimate_of_many_rows_is_at_least_what_was_counted() {
    for db in TestDb::both().await {
        let script = if db.backend() == Backend::Sqlite { SQLITE } else { POSTGRES };
        store::testing::run_script(&db.store, script).await;
        let many = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12000) \
                    INSERT INTO listed (id, name_key, flag) SELECT 'x' || i, 'n', FALSE FROM n";
        store::testing::run_script(&db.store, many).await;
        store::testing::run_script(&db.store, "ANALYZE listed").await;
        let mut rx = db.store.begin_read(store::Scope::Platform).await.unwrap();
        let from = from(&Filter::Is("name", Comparison::StartsWith, Scalar::Text("n".to_owned())));

        let estimate = list::estimate(&mut rx, &from).await.unwrap();

        assert_eq!(list::count(&mut rx, &from).await.unwrap(), 12_000);
        assert!((10_001..=13_000).contains(&estimate), "{estimate} on {:?}", db.backend());
    }
}

#[tokio::test]
async fn an_attribute_without_a_column_and_a_position_of_another_order_are_failures_and_no_statement() {
    let strange = Filter::Present("password");
    assert!(matches!(Sql::new(FROM).filtered(COLUMNS, &strange), Err(StoreError::Shape { .. })));

    for db in TestDb::both().await {
        with_items(&db, &[]).await;
        let mut rx = db.store.begin_read(store::Scope::Platform).await.unwrap();
        let select = Sql::new(SELECT).push(FROM).value("nobody");
        let after = Vec::new();
        let scan = Scan { columns: COLUMNS, order: &[], id: "id", after: Some(&after), limit: 1 };

        let found = list::page::<Item>(&mut rx, &select, &scan).await;

        assert!(matches!(found, Err(StoreError::Shape { .. })));
    }
}
