use axum::extract::FromRequestParts;
use web::{Ask, CursorKey, List, ListQuery, Page};

use crate::request;

const QUERY: [&str; 4] = ["GET /users", "tenant-a", "alice", "status=active"];

#[test]
fn a_cursor_opens_for_the_query_it_was_sealed_for() {
    let key = CursorKey::new([7; 32]);

    for position in [&["2026-01-01T00:00:00.000000Z", "id-1"][..], &["张", ""], &[]] {
        let cursor = key.encode(&QUERY, position);
        assert_eq!(key.decode(&QUERY, &cursor).unwrap(), position, "{cursor}");
    }
}

#[test]
fn h27_a_cursor_opens_for_no_other_tenant_person_or_filter() {
    let key = CursorKey::new([7; 32]);
    let cursor = key.encode(&QUERY, &["id-1"]);

    for other in [
        &["GET /roles", "tenant-a", "alice", "status=active"][..],
        &["GET /users", "tenant-b", "alice", "status=active"],
        &["GET /users", "tenant-a", "bob", "status=active"],
        &["GET /users", "tenant-a", "alice", "status=disabled"],
        &["GET /users", "tenant-a", "alice"],
        // The same letters, cut at another place.
        &["GET /userst", "enant-a", "alice", "status=active"],
        &[],
    ] {
        assert_eq!(key.decode(other, &cursor).unwrap_err().code(), "invalid_cursor", "{other:?}");
    }
    assert!(CursorKey::new([8; 32]).decode(&QUERY, &cursor).is_err());
}

#[test]
fn a_cursor_that_was_changed_or_made_up_is_refused() {
    let key = CursorKey::new([7; 32]);
    let cursor = key.encode(&QUERY, &["id-1"]);

    for index in 0..cursor.len() {
        let mut forged = cursor.clone().into_bytes();
        forged[index] = if forged[index] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(forged).unwrap();
        assert!(key.decode(&QUERY, &forged).is_err(), "{forged}");
        assert!(key.decode(&QUERY, &cursor[..index]).is_err(), "{index}");
    }
    for forged in ["", "x", "é", "AAAA", "aWQtMQ", &"A".repeat(5000), &format!("{cursor}=")] {
        assert!(key.decode(&QUERY, forged).is_err(), "{forged}");
    }
}

#[test]
fn a_cursor_does_not_show_the_row_it_stands_on() {
    use base64::Engine;
    let cursor = CursorKey::new([7; 32]).encode(&QUERY, &["secret-project"]);

    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(cursor).unwrap();

    assert!(!bytes.windows(6).any(|window| window == b"secret"));
}

/// A list without filters of its own.
const LIST: List = List { name: "things", attributes: &[], order: &[] };

async fn page(query: &str) -> Result<Ask, &'static str> {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Search {
        #[serde(rename = "q")]
        _q: Option<String>,
    }
    let (mut parts, _) = request("GET", &format!("/users?{query}"), &[], "").into_parts();
    let query: Result<ListQuery<Search>, _> = ListQuery::from_request_parts(&mut parts, &()).await;
    LIST.read(&query.map_err(|failure| failure.0.code())?).map_err(|problem| problem.code())
}

#[tokio::test]
async fn limits_outside_1_to_200_are_errors_and_are_not_clamped() {
    for (query, limit) in [("", 50), ("limit=", 50), ("limit=1", 1), ("limit=200", 200)] {
        assert_eq!(page(query).await.unwrap().limit, limit, "{query}");
    }
    for query in ["limit=0", "limit=201", "limit=-1", "limit=ten", "limit=1.0", "limit=99999999999"] {
        assert_eq!(page(query).await.unwrap_err(), "invalid_limit", "{query}");
    }
    for query in ["limit=1&limit=2", "page=2", "q=%zz", "q=%ff"] {
        assert_eq!(page(query).await.unwrap_err(), "invalid_query", "{query}");
    }
}

#[tokio::test]
async fn a_list_reads_its_own_filters_beside_the_page() {
    #[derive(serde::Deserialize, Debug, PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum Status {
        Active,
    }
    #[derive(serde::Deserialize, Debug, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Filter {
        q: Option<String>,
        status: Option<Status>,
        level: Option<u8>,
        #[serde(default)]
        deleted: bool,
    }
    async fn read(query: &str) -> Result<ListQuery<Filter>, String> {
        let (mut parts, _) = request("GET", &format!("/users?{query}"), &[], "").into_parts();
        let read = ListQuery::from_request_parts(&mut parts, &()).await;
        read.map_err(|failure| format!("{}: {}", failure.0.code(), failure.0.detail()))
    }

    let paged = read("limit=3&status=active&q=%E5%BC%A0+w&level=2&deleted=true").await.unwrap();

    let q = Some("张 w".to_owned());
    assert_eq!(paged.own, Filter { q, status: Some(Status::Active), level: Some(2), deleted: true });
    assert_eq!(LIST.read(&paged).unwrap().limit, 3);
    for (query, expected) in [
        ("level=300", "invalid_query: `level`: found `300`, expected a whole number from 0 to 255"),
        ("deleted=1", "invalid_query: `deleted`: found `1`, expected `true` or `false`"),
        ("status=gone", "invalid_query: `status`: unknown variant `gone`, expected `active`"),
        (
            "leve=1",
            "invalid_query: `leve`: unknown field `leve`, expected one of `q`, `status`, `level`, `deleted`",
        ),
    ] {
        assert_eq!(read(query).await.unwrap_err(), expected);
    }
}

#[test]
fn the_last_page_says_so_with_null() {
    let page = Page { items: vec![1, 2], next: None }.map(|n| n * 2);

    assert_eq!(serde_json::to_string(&page).unwrap(), r#"{"items":[2,4],"next":null}"#);
}
