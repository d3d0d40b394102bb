//! The statements that are timed, as Signet sends them, with keys drawn at random for each call.

use super::people::{Sizes, TENANTS, User, WORD, mix, tenant_id, token_value};

/// Rows of a page, and one more by which Signet knows whether there is another.
const PAGE: &str = "51";
/// The page of the list far from its beginning.
pub(super) const FAR_PAGE: u64 = 10_000;
/// Rows of a page of the list.
pub(super) const PAGE_ROWS: u64 = 50;

const ACCOUNT: &str = "SELECT id, username, username_key, password, status, password_set, must_change_password, \
    password_changed_at, created_at FROM users WHERE deleted_at IS NULL AND tenant_id = $1 AND username_key = $2";
const EMAIL: &str = "SELECT id, username, status FROM users \
    WHERE deleted_at IS NULL AND tenant_id = $1 AND email_key = $2";
const TOKEN: &str = "SELECT t.id, t.token_type, t.status, t.issued_at, t.expires_at, t.rotated_at, \
    t.successor_id, t.scopes, t.audience, t.user_id, t.client_id, t.grant_id, g.client_id AS grant_client_id, \
    g.session_id, g.scopes AS grant_scopes, g.auth_time, g.acr, g.amr, g.status AS grant_status, \
    g.expires_at AS grant_expires_at, u.username, u.status AS user_status, u.must_change_password, \
    c.status AS client_status FROM tokens t \
    LEFT JOIN oauth_grants g ON g.id = t.grant_id AND g.tenant_id = t.tenant_id \
    LEFT JOIN users u ON u.id = t.user_id AND u.tenant_id = t.tenant_id \
    LEFT JOIN oauth2_clients c ON c.id = t.client_id AND c.tenant_id = t.tenant_id \
    WHERE t.tenant_id = $1 AND t.token_value = $2 AND t.token_type = $3";
const TOKENS: &str = "SELECT id, token_type, client_id, status, issued_at, expires_at FROM tokens \
    WHERE tenant_id = $1 AND user_id = $2 ORDER BY issued_at DESC LIMIT ";
const EVENTS: &str = "SELECT id, tenant_id, created_at, action, actor_type, actor_id, user_id, username, resource, \
    result, ip_address, user_agent, request_id, session_id, duration_ms, count, summary, details, event_version, \
    event_bytes, leaf_hash FROM audit_logs WHERE tenant_id = $1";
const USERS: &str = "SELECT id, tenant_id, username, email, email_verified, phone, phone_verified, display_name, \
    first_name, last_name, avatar_url, locale, timezone, attributes, status, must_change_password, password_set, \
    last_login_at, created_at, updated_at, deleted_at, version FROM users \
    WHERE tenant_id = $1 AND deleted_at IS NULL";
const NEWEST: &str = " ORDER BY created_at DESC, id DESC LIMIT ";

/// How people are looked for in the database at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Search {
    /// `search_users`, which passes row-level security by itself.
    Function,
    /// FTS5 of SQLite.
    Fts,
}

/// One timed statement.
pub(super) struct Question {
    pub(super) name: &'static str,
    pub(super) sql: String,
    /// The aim for p99, in milliseconds.
    pub(super) aim_ms: f64,
    /// Whether each call must find a row.
    pub(super) finds: bool,
    /// Whether PostgreSQL plans it for the keys of each call, as Signet has it plan lists.
    pub(super) anew: bool,
    /// Whether it is a search that walks along the names first (SQLite; PostgreSQL's function does so itself).
    pub(super) walks: bool,
    /// The keys of a call: the tenant first.
    pub(super) keys: Box<dyn Fn(u64) -> Vec<String>>,
}

/// All of them. `far` is the key after which the far page begins, with the number of that page.
pub(super) fn questions(sizes: Sizes, search: Search, far: &(String, String)) -> Vec<Question> {
    let drawn = move |call: u64| mix(90, call) % sizes.users.max(1);
    let of = move |call: u64| sizes.user(drawn(call));
    let ask = |name, sql: String, aim_ms, keys| Question {
        name,
        sql,
        aim_ms,
        finds: true,
        anew: false,
        walks: false,
        keys,
    };
    let list = |name, sql, aim_ms, keys| Question { anew: true, ..ask(name, sql, aim_ms, keys) };
    let mut all = vec![
        ask(
            "sign-in look-up",
            ACCOUNT.to_owned(),
            1.0,
            Box::new(move |call| {
                let user = of(call);
                vec![user.tenant, user.username]
            }) as Box<dyn Fn(u64) -> Vec<String>>,
        ),
        ask(
            "e-mail look-up",
            EMAIL.to_owned(),
            1.0,
            Box::new(move |call| {
                let user = of(call);
                vec![user.tenant, user.email]
            }),
        ),
        ask(
            "token validation",
            TOKEN.to_owned(),
            1.0,
            Box::new(move |call| {
                let token = mix(91, call) % sizes.tokens.max(1);
                let (_, user) = sizes.grant(Sizes::grant_of(token));
                let kind = if token.is_multiple_of(2) { "access_token" } else { "refresh_token" };
                vec![tenant_id(sizes.tenant_of(user)), token_value(token), kind.to_owned()]
            }),
        ),
        list(
            "token list of a person with 10,000, first page",
            format!("{TOKENS}{PAGE}"),
            100.0,
            Box::new(move |_| vec![tenant_id(0), sizes.user_id(0)]),
        ),
        list(
            "token list of a person with 10,000, all",
            format!("{TOKENS}10000"),
            100.0,
            Box::new(move |_| vec![tenant_id(0), sizes.user_id(0)]),
        ),
        list(
            "audit of a tenant, first page",
            format!("{EVENTS}{NEWEST}{PAGE}"),
            10.0,
            Box::new(|call| vec![tenant_id(mix(92, call) % TENANTS)]),
        ),
        list(
            "history of the person with most events, first page",
            format!("{EVENTS} AND user_id = $2{NEWEST}{PAGE}"),
            10.0,
            Box::new(move |_| vec![tenant_id(0), sizes.user_id(0)]),
        ),
        Question {
            finds: false,
            ..list(
                "history of any person, first page",
                format!("{EVENTS} AND user_id = $2{NEWEST}{PAGE}"),
                10.0,
                Box::new(move |call| {
                    let user = of(call);
                    vec![user.tenant, user.id]
                }),
            )
        },
        list(
            "list of people, page 1",
            format!("{USERS} ORDER BY username_key, id LIMIT {PAGE}"),
            10.0,
            Box::new(|_| vec![tenant_id(0)]),
        ),
    ];
    let (key, id) = far.clone();
    all.push(list(
        "list of people, far page",
        format!("{USERS} AND (username_key, id) > ($2, $3) ORDER BY username_key, id LIMIT {PAGE}"),
        10.0,
        Box::new(move |_| vec![tenant_id(0), key.clone(), id.clone()]),
    ));
    all.extend(searches(sizes, search));
    all
}

/// Searches in the first tenant, the largest, for what people type.
fn searches(sizes: Sizes, search: Search) -> Vec<Question> {
    let person = move |call: u64| {
        let start = mix(93, call) % sizes.users.max(1);
        let found = (0..).map(|n| (start + n) % sizes.users.max(1)).find(|user| sizes.tenant_of(*user) == 0);
        sizes.user(found.unwrap_or(0))
    };
    let ask = |name, word: Box<dyn Fn(u64) -> String>| {
        let keys = move |call: u64| {
            let words = word(call).to_lowercase();
            // A term of two characters is looked for at the beginning of a word.
            let part = |word: &str| -> String {
                WORD.chars().skip(word.chars().count().saturating_sub(1)).chain(word.chars()).collect()
            };
            let parts: Vec<String> = words.split(' ').map(part).collect();
            let first = words.split(' ').next().unwrap_or_default().to_owned();
            let patterns: Vec<String> = parts.iter().map(|part| format!("%{part}%")).collect();
            let behind = behind_all(&first);
            match search {
                Search::Function => {
                    vec![tenant_id(0), serde_json::Value::from(patterns).to_string(), first, behind]
                }
                Search::Fts => {
                    let quoted: Vec<String> = parts.iter().map(|part| format!("\"{part}\"")).collect();
                    let second = parts.get(1).cloned().unwrap_or_default();
                    let first_part = parts.first().cloned().unwrap_or_default();
                    vec![tenant_id(0), quoted.join(" AND "), first, behind, first_part, second]
                }
            }
        };
        let aim_ms = 20.0;
        Question {
            name,
            sql: search_sql(search),
            aim_ms,
            finds: true,
            anew: false,
            walks: search == Search::Fts,
            keys: Box::new(keys),
        }
    };
    // Somebody of the first tenant whose name is written so.
    let written = move |call: u64, is_wanted: fn(&User) -> bool| {
        let mut next = call;
        loop {
            let user = person(next);
            if is_wanted(&user) {
                return user;
            }
            next = next.wrapping_add(0x1_0000);
        }
    };
    let is_western = |user: &User| user.display_name.contains(' ');
    vec![
        ask("search, a whole user name", Box::new(move |call| person(call).username)),
        ask(
            "search, a part of an address",
            Box::new(move |call| {
                let email = person(call).email;
                let start = email.find(|c: char| c.is_ascii_digit()).unwrap_or(0).saturating_sub(3);
                email.get(start..(start + 7).min(email.len())).unwrap_or("mail").to_owned()
            }),
        ),
        ask(
            "search, a family name",
            Box::new(move |call| {
                let user = person(call);
                let spelt = user.username.split_once('.').map_or("wang", |(_, family)| family);
                let name: String = spelt.chars().filter(|c| c.is_alphabetic()).collect();
                if name.chars().count() < 3 { "zhang".to_owned() } else { name }
            }),
        ),
        ask(
            "search, a Chinese name",
            Box::new(move |call| {
                let is_short =
                    |user: &User| !user.display_name.contains(' ') && user.display_name.chars().count() <= 3;
                written(call, is_short).display_name
            }),
        ),
        ask("search, given and family name", Box::new(move |call| written(call, is_western).display_name)),
        ask(
            "search, two letters of a user name",
            Box::new(move |call| person(call).username.chars().take(2).collect()),
        ),
        ask(
            "search, two letters of a family name",
            Box::new(move |call| written(call, is_western).last_name.chars().take(2).collect()),
        ),
        ask("search, one letter", Box::new(move |call| person(call).username.chars().take(1).collect())),
    ]
}

/// The least text behind all that begin so.
fn behind_all(start: &str) -> String {
    let mut text = start.to_owned();
    let last = text.pop().and_then(|last| char::from_u32(u32::from(last) + 1)).unwrap_or('\u{10ffff}');
    text.push(last);
    text
}

fn search_sql(search: Search) -> String {
    match search {
        Search::Function => {
            // The tenant is the connection's; it is given so that every statement has it first.
            "SELECT username_key, id FROM search_users($2::jsonb, NULL, $3, $4, NULL, NULL, 51) WHERE $1 <> ''"
                .to_owned()
        }
        // What is left to the index of trigrams; the walk before it is in lite.rs.
        Search::Fts => "SELECT u.username_key, u.id FROM user_search_index f CROSS JOIN user_search s ON s.number = f.rowid \
             CROSS JOIN users u ON u.id = s.user_id WHERE f.search_text MATCH $2 AND u.tenant_id = $1 \
             AND u.deleted_at IS NULL ORDER BY (u.username_key >= $3 AND u.username_key < $4) DESC, \
             CASE WHEN u.username_key >= $3 AND u.username_key < $4 THEN u.username_key END, u.id LIMIT 51"
            .to_owned(),
    }
}
