//! Lists: what an address may ask for, and the cursor that is bound to all of it.

use axum::extract::FromRequestParts;
use base::query::{Direction, Scalar, SortKey};
use base::{Problem, Timestamp};
use http::StatusCode;
use serde_json::json;
use web::list::{Attribute, Count, Values};
use web::{Ask, CursorKey, List, ListQuery, Listing};

use crate::{json, request};

const LIST: List = List {
    name: "things",
    attributes: &[
        Attribute::both("name", Values::Folded),
        Attribute::filtered("size", Values::Int),
        Attribute { name: "seen_at", values: Values::Time, filtered: false, sorted: true },
    ],
    order: &[SortKey { attribute: "name", direction: Direction::Ascending }],
};

#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Own {
    q: Option<String>,
}

#[derive(serde::Serialize, utoipa::ToSchema)]
struct Thing {
    id: String,
    name: Option<String>,
    parts: Vec<i64>,
}

async fn ask(query: &str) -> Result<Ask, Problem> {
    let (mut parts, _) = request("GET", &format!("/things?{query}"), &[], "").into_parts();
    let query = ListQuery::<Own>::from_request_parts(&mut parts, &()).await.map_err(|failure| failure.0)?;
    assert!(query.own.q.as_deref().is_none_or(|q| q == "al"));
    LIST.read(&query)
}

#[tokio::test]
async fn a_list_is_read_with_its_defaults_and_its_own_filters() {
    let plain = ask("").await.unwrap();
    let full =
        ask("limit=7&sort=-seen_at,name&filter=size+gt+5&count=estimate&q=al&fields=id").await.unwrap();

    assert_eq!((plain.limit, plain.order.as_slice(), plain.filter.is_none()), (50, LIST.order, true));
    let seen = SortKey { attribute: "seen_at", direction: Direction::Descending };
    assert_eq!(full.order, [seen, LIST.order[0]]);
    assert_eq!((full.limit, full.count), (7, Some(Count::Estimate)));
    assert!(full.filter.unwrap().names("size"));
}

#[tokio::test]
async fn what_a_list_does_not_offer_is_refused_with_what_it_does() {
    for (query, code, says) in [
        ("limit=0", "invalid_limit", "from 1 to 200"),
        ("limit=1000000", "invalid_limit", "`1000000`"),
        ("sort=size", "invalid_sort", "found `size`; `sort` has 1 to 4 of `name`, `seen_at`"),
        ("sort=name,-name", "invalid_sort", "one twice"),
        ("sort=name,,seen_at", "invalid_sort", "found ``"),
        ("sort=password%00", "invalid_sort", "found `password`"),
        ("filter=seen_at+pr", "invalid_filter", "found `seen_at`"),
        ("filter=size+eq+%22a%22", "invalid_filter", "expected a whole number"),
        ("count=yes", "invalid_count", "expected `exact` or `estimate`"),
        ("status=active", "invalid_query", "status"),
        ("sort=name&sort=name", "invalid_query", "`sort` is given more than once"),
    ] {
        let problem = ask(query).await.unwrap_err();

        assert_eq!(problem.code(), code, "{query}");
        assert!(problem.detail().contains(says), "{query}: {}", problem.detail());
    }
}

#[tokio::test]
async fn a_narrowed_answer_has_the_members_asked_for_and_no_others() {
    let listing = |count| Listing {
        items: vec![Thing { id: "1".to_owned(), name: None, parts: vec![1] }],
        next: Some("c".to_owned()),
        count,
    };

    let whole = ask("").await.unwrap().answer(listing(None)).unwrap();
    let narrow = ask("fields=name,%20id").await.unwrap().answer(listing(Some(3))).unwrap();
    let refused = ask("fields=id,secret").await.unwrap();

    assert_eq!(json(whole).await, json!({"items": [{"id": "1", "name": null, "parts": [1]}], "next": "c"}));
    assert_eq!(narrow.status(), StatusCode::OK);
    assert_eq!(json(narrow).await, json!({"items": [{"id": "1", "name": null}], "next": "c", "count": 3}));
    let problem = refused.check_fields::<Thing>().unwrap_err();
    assert_eq!(problem.code(), "invalid_fields");
    assert_eq!(
        problem.detail(),
        "found `secret`; `fields` has some of `id`, `name`, `parts`, separated by commas"
    );
}

#[tokio::test]
async fn h27_a_cursor_is_good_for_the_same_question_of_the_same_caller_only() {
    let key = CursorKey::new([7; 32]);
    let asked = ask("filter=size+pr&sort=-seen_at&q=al&limit=10").await.unwrap();
    let position = vec![Some(Scalar::Time(Timestamp::from_micros(5))), Some(Scalar::Text("id".to_owned()))];
    let unknown = vec![None, Some(Scalar::Text(String::new()))];

    for place in [position.clone(), unknown] {
        let cursor = asked.seal(&key, &["tenant", "caller"], &place);
        let again = format!("q=al&cursor={cursor}&sort=-seen_at&limit=20&fields=id&count=exact");
        let again = ask(&format!("{again}&filter=size+pr")).await.unwrap();
        assert_eq!(again.after(&key, &["tenant", "caller"]).unwrap(), Some(place));
    }

    let cursor = asked.seal(&key, &["tenant", "caller"], &position);
    for (query, scope) in [
        ("filter=size+pr&sort=-seen_at&q=al", ["tenant", "other"]),
        ("filter=size+pr&sort=-seen_at&q=al", ["other", "caller"]),
        ("filter=size+pr&sort=seen_at&q=al", ["tenant", "caller"]),
        ("filter=size+pr&sort=-seen_at", ["tenant", "caller"]),
        ("filter=size+eq+1&sort=-seen_at&q=al", ["tenant", "caller"]),
        ("sort=-seen_at&q=al", ["tenant", "caller"]),
    ] {
        let other = ask(&format!("{query}&cursor={cursor}")).await.unwrap();
        assert_eq!(other.after(&key, &scope).unwrap_err().code(), "invalid_cursor", "{query} {scope:?}");
    }
    let forged = ask("cursor=AAAA").await.unwrap();
    assert_eq!(forged.after(&key, &["tenant", "caller"]).unwrap_err().code(), "invalid_cursor");
}
