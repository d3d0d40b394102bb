//! Searching people gives the same answers on both databases: those of `Terms::matches`, in the order of
//! `Terms::is_first`.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, clippy::indexing_slicing, reason = "tests")]

use base::text::name_key;
use store::search::{Terms, UserHit, UserSearch, user_text, users};
use store::testing::TestDb;
use store::{Quiet, Scope, Sql};

/// bcrypt of a discarded text.
const HASH: &str = "$2a$10$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234";
const GIVEN: [&str; 8] = ["wei", "Xiaoming", "ána", "Zoë", "三丰", "小明", "娜娜", "O'Neil"];
const FAMILY: [&str; 8] = ["Zhang", "Li", "王", "张", "欧阳", "Smith", "de la Cruz", "100%_\\\""];
const QUERIES: [&str; 26] = [
    "zhang",
    "ZHANG wei",
    "hang",
    "li",
    "l",
    "王",
    "三丰",
    "丰",
    "阳娜",
    "欧阳娜娜",
    "娜娜",
    "小明",
    "明",
    "user-0012",
    "1380000",
    "+8613",
    "example.com",
    "@example",
    "cruz",
    "cr",
    "zo\u{eb}",
    "%_\\",
    "0%_",
    "\"",
    "o'neil",
    "ei",
];

struct Person {
    tenant: &'static str,
    id: String,
    username: String,
    status: &'static str,
    text: String,
}

fn people() -> Vec<Person> {
    (0..300_usize)
        .map(|n| {
            let given = GIVEN[n % 8];
            let family = FAMILY[(n / 8) % 8];
            let username = format!("User-{n:04}");
            let email = format!("{}.{n}@Example.com", ["wei.zhang", "li", "smith"][n % 3]);
            let phone = format!("+861380000{n:04}");
            let display = if n % 2 == 0 { format!("{family}{given}") } else { format!("{given} {family}") };
            let fields = [Some(username.as_str()), Some(&email), Some(&phone), Some(&display)];
            Person {
                tenant: if n % 5 == 0 { "t-b" } else { "t-a" },
                id: format!("u-{:04}", (n * 7919) % 10_000),
                text: user_text(fields),
                username,
                status: ["ACTIVE", "ACTIVE", "LOCKED", "DELETED"][n % 4],
            }
        })
        .collect()
}

async fn fill(db: &TestDb, people: &[Person]) {
    let mut tx = db.store.begin_write(Scope::Platform, None).await.unwrap();
    for (id, code) in [("t-a", "a"), ("t-b", "b")] {
        let sql = Sql::new("INSERT INTO tenants (id, name, code) VALUES ($1, $2, $2)").bind(id).bind(code);
        tx.execute(sql).await.unwrap();
    }
    for person in people {
        let sql = Sql::new(
            "INSERT INTO users (id, tenant_id, username, username_key, password, search_text, status, deleted_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(&person.id)
        .bind(person.tenant)
        .bind(&person.username)
        .bind(name_key(&person.username))
        .bind(HASH)
        .bind(&person.text)
        .bind(person.status)
        .bind((person.status == "DELETED").then_some(base::Timestamp::from_seconds(1)));
        tx.execute(sql).await.unwrap();
    }
    tx.commit_quietly(Quiet::Housekeeping).await.unwrap();
}

/// What a search must give, without any index.
fn expected(people: &[Person], tenant: &str, terms: &Terms, status: Option<&str>) -> Vec<UserHit> {
    let mut hits: Vec<UserHit> = people
        .iter()
        .filter(|p| p.tenant == tenant && terms.matches(&p.text))
        .filter(|p| status.map_or(p.status != "DELETED", |status| p.status == status))
        .map(|p| UserHit { username_key: name_key(&p.username), id: p.id.clone() })
        .collect();
    hits.sort_by_key(|hit| {
        let first = Some(hit.username_key.clone()).filter(|name| terms.is_first(name));
        (first.is_none(), first, hit.id.clone())
    });
    hits
}

#[tokio::test]
async fn a_search_gives_the_same_people_in_the_same_order_on_both_databases() {
    let people = people();
    for db in TestDb::both().await {
        fill(&db, &people).await;
        let mut rx = db.store.begin_read(Scope::Tenant("t-a")).await.unwrap();
        for query in QUERIES {
            let Ok(terms) = Terms::parse(query) else { continue };
            for status in [None, Some("LOCKED"), Some("DELETED")] {
                let wanted = expected(&people, "t-a", &terms, status);
                let search = UserSearch { tenant_id: "t-a", terms: &terms, status, after: None, limit: 201 };

                let found = users(&mut rx, &search).await.unwrap();

                assert_eq!(found, wanted, "{:?} {query} {status:?}", db.backend());
            }
        }
    }
}

#[tokio::test]
async fn pages_of_a_search_make_up_the_whole_of_it() {
    let people = people();
    for db in TestDb::both().await {
        fill(&db, &people).await;
        let mut rx = db.store.begin_read(Scope::Tenant("t-a")).await.unwrap();
        let terms = Terms::parse("example").unwrap();
        let wanted = expected(&people, "t-a", &terms, None);

        let mut found: Vec<UserHit> = Vec::new();
        loop {
            let after = found.last().map(|hit| (hit.username_key.as_str(), hit.id.as_str()));
            let search = UserSearch { tenant_id: "t-a", terms: &terms, status: None, after, limit: 7 };
            let page = users(&mut rx, &search).await.unwrap();
            if page.is_empty() {
                break;
            }
            found.extend(page);
        }

        assert_eq!(found, wanted, "{:?}", db.backend());
    }
}

/// Enough people for a walk along the names to give up: of words that all, few and only some at the end have.
fn crowd() -> Vec<Person> {
    (0..2_500_usize)
        .map(|n| {
            let username = format!("{}.{n:04}", ["anna", "kim", "zoe"][n % 3]);
            let email = format!("m{n}@example.com");
            let display = match n {
                _ if n % 400 == 7 => "Quirin Rare",
                _ if n % 50 == 3 => "Zo Annabel",
                2_450.. => "At The Tail",
                _ if n % 2 == 0 => "Common",
                _ => "Else",
            };
            Person {
                tenant: "t-a",
                id: format!("u-{:04}", (n * 7919) % 10_000),
                text: user_text([Some(username.as_str()), Some(&email), Some(display)]),
                username,
                status: ["ACTIVE", "ACTIVE", "ACTIVE", "LOCKED", "DELETED"][n % 5],
            }
        })
        .collect()
}

#[tokio::test]
async fn however_frequent_words_are_their_pages_make_up_the_whole_of_what_they_find() {
    let people = crowd();
    for db in TestDb::both().await {
        fill(&db, &people).await;
        let mut rx = db.store.begin_read(Scope::Tenant("t-a")).await.unwrap();
        for query in [
            "common",
            "com",
            "rare",
            "quirin",
            "tail",
            "zoe",
            "zo",
            "an",
            "a",
            "z",
            "kim rare",
            "an else",
            "example tail",
            "zoe.24",
            "m2",
            "x",
            "m17@",
        ] {
            let terms = Terms::parse(query).unwrap();
            for (status, limit) in [(None, 50), (None, 201), (Some("LOCKED"), 50), (Some("DELETED"), 100)] {
                let wanted = expected(&people, "t-a", &terms, status);

                let mut found: Vec<UserHit> = Vec::new();
                loop {
                    let after = found.last().map(|hit| (hit.username_key.as_str(), hit.id.as_str()));
                    let search = UserSearch { tenant_id: "t-a", terms: &terms, status, after, limit };
                    let page = users(&mut rx, &search).await.unwrap();
                    let is_last = i64::try_from(page.len()).unwrap() < limit;
                    found.extend(page);
                    if is_last {
                        break;
                    }
                }

                assert_eq!(found, wanted, "{:?} {query} {status:?} {limit}", db.backend());
            }
        }
    }
}

/// Runs a statement by itself, on the platform.
async fn run(db: &TestDb, statement: &'static str) {
    let mut tx = db.store.begin_write(Scope::Platform, None).await.unwrap();
    tx.execute(Sql::new(statement)).await.unwrap();
    tx.commit_quietly(Quiet::Housekeeping).await.unwrap();
}

async fn count(db: &TestDb, query: &str) -> usize {
    let terms = Terms::parse(query).unwrap();
    let search = UserSearch { tenant_id: "t-a", terms: &terms, status: None, after: None, limit: 10 };
    let mut rx = db.store.begin_read(Scope::Tenant("t-a")).await.unwrap();
    users(&mut rx, &search).await.unwrap().len()
}

#[tokio::test]
async fn a_person_is_found_by_what_they_are_called_now_and_not_after_they_are_gone() {
    for db in TestDb::both().await {
        run(&db, "INSERT INTO tenants (id, name, code) VALUES ('t-a', 'a', 'a')").await;
        // As typed by hand: without a search text.
        run(
            &db,
            "INSERT INTO users (id, tenant_id, username, password, display_name) VALUES ('u-1', 't-a', 'Mallory', \
             '$2a$10$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234', 'Before')",
        )
        .await;
        assert_eq!((count(&db, "mallory").await, count(&db, "efore").await), (1, 1), "{:?}", db.backend());

        run(&db, "UPDATE users SET display_name = 'After' WHERE id = 'u-1'").await;
        assert_eq!((count(&db, "before").await, count(&db, "after").await), (0, 1), "{:?}", db.backend());

        run(&db, "DELETE FROM tenants WHERE id = 't-a'").await;
        assert_eq!(count(&db, "mallory").await, 0, "{:?}", db.backend());
    }
}
