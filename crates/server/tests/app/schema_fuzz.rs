//! Bodies and queries that the document of the API almost allows (hostile 30): each operation is asked with values made
//! from its own schema, one of them spoilt. Whatever comes in, the answer is no 5xx, says what is wrong, and the server
//! goes on. The values follow from a fixed seed, so that each run asks the same.

use serde_json::{Map, Value, json};

use crate::harness::{BOTH, Server};

/// Spoilt bodies of each operation.
const BODIES: usize = 14;
/// Spoilt queries of each operation.
const QUERIES: usize = 6;
/// How deep a value follows the schema.
const DEPTH_MAX: usize = 6;
/// What ends the caller's own session or needs minutes of hashing is not asked.
const LEFT_OUT: [&str; 3] = ["/sessions", "/logout", "/users/me"];

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// Values that programs stumble over.
fn odd(numbers: &mut Numbers) -> Value {
    let texts = [
        "",
        " ",
        "\u{0}",
        "a\u{0}b",
        "'; DROP TABLE users; --",
        "\" OR 1=1 --",
        "${jndi:ldap://x}",
        "{{7*7}}",
        "%s%n%x",
        "*)(uid=*",
        "../../etc/passwd",
        "\u{202e}abc",
        "\u{fffd}\u{1f4a9}\u{10ffff}",
        "e\u{301}\u{301}\u{301}",
        "9999-12-31T23:59:60Z",
        "-0001-01-01T00:00:00Z",
        "1e400",
        "NaN",
        "arn:signet:iam::other:user/1",
        "00000000-0000-0000-0000-000000000000",
    ];
    match numbers.below(12) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(-1),
        3 => json!(i64::MAX),
        4 => json!(u64::MAX),
        5 => json!(1.5e300),
        6 => json!([]),
        7 => json!([[[[[[{}]]]]]]),
        8 => json!({ "a": { "b": { "c": null } } }),
        9 => json!("x".repeat(70_000)),
        _ => json!(numbers.pick(&texts)),
    }
}

/// A value that fits the schema as far as this reads schemas.
fn fitting(document: &Value, schema: &Value, depth: usize, numbers: &mut Numbers) -> Value {
    if let Some(name) = schema["$ref"].as_str() {
        let target = document.pointer(name.trim_start_matches('#')).unwrap_or(&Value::Null);
        return fitting(document, target, depth + 1, numbers);
    }
    if depth > DEPTH_MAX {
        return Value::Null;
    }
    for several in ["oneOf", "anyOf", "allOf"] {
        if let Some(choices) = schema[several].as_array() {
            let choice = numbers.below(choices.len());
            return fitting(document, &choices[choice], depth + 1, numbers);
        }
    }
    if let Some(values) = schema["enum"].as_array() {
        return numbers.pick(values).clone();
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().find_map(|kind| kind.as_str().filter(|kind| *kind != "null")),
        kind => kind.as_str(),
    };
    match kind {
        Some("object") => {
            let members = schema["properties"].as_object().cloned().unwrap_or_default();
            let members = members
                .iter()
                .map(|(name, schema)| (name.clone(), fitting(document, schema, depth + 1, numbers)));
            Value::Object(members.collect())
        }
        Some("array") => json!([fitting(document, &schema["items"], depth + 1, numbers)]),
        Some("integer" | "number") => json!(numbers.below(50)),
        Some("boolean") => json!(numbers.below(2) == 0),
        Some("string") => match schema["format"].as_str() {
            Some("date-time") => json!("2030-01-01T00:00:00Z"),
            Some("uri") => json!("https://app.example/cb"),
            _ => json!(format!("fuzz-{}", numbers.below(100_000))),
        },
        _ => json!({}),
    }
}

/// Spoils one value somewhere in the body, or adds or takes away a member.
fn spoil(value: &mut Value, numbers: &mut Numbers) {
    let deeper = numbers.below(4) > 0;
    match value {
        Value::Object(members) if !members.is_empty() && deeper => {
            let names: Vec<String> = members.keys().cloned().collect();
            let name = numbers.pick(&names).clone();
            match numbers.below(8) {
                0 => drop(members.remove(&name)),
                1 => drop(members.insert(format!("{name}\u{0}x"), odd(numbers))),
                _ => spoil(members.get_mut(&name).unwrap(), numbers),
            }
        }
        Value::Array(items) if !items.is_empty() && deeper => match numbers.below(4) {
            0 => *items = vec![items[0].clone(); 3_000],
            _ => spoil(&mut items[0], numbers),
        },
        value => *value = odd(numbers),
    }
}

/// An id of the noun that a path names, of a thing that exists.
fn existing(server: &Server, bearer: &str, path: &str) -> Option<String> {
    let (collection, _) = path.split_once("/{")?;
    let answer = server.get(&format!("{collection}?limit=5"), &[("authorization", bearer)]);
    let page: Value = serde_json::from_str(&answer.text).ok()?;
    // The last one: the first are the caller's own role and account.
    page["items"].as_array()?.last()?["id"].as_str().map(str::to_owned)
}

fn encoded(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let short: String = text.chars().take(2_000).collect();
    url::form_urlencoded::byte_serialize(short.as_bytes()).collect()
}

/// One operation of the document.
struct Operation<'a> {
    method: String,
    path: &'a str,
    body: Option<&'a Value>,
    query: Vec<&'a str>,
}

fn operations(document: &Value) -> Vec<Operation<'_>> {
    let paths = document["paths"].as_object().unwrap();
    let all = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().iter();
        let methods = methods
            .filter(|(method, _)| ["get", "post", "put", "patch", "delete"].contains(&method.as_str()));
        methods.map(move |(method, operation)| {
            let content = operation["requestBody"]["content"].as_object().map(Map::values);
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            Operation {
                method: method.to_uppercase(),
                path,
                body: content.into_iter().flatten().map(|media| &media["schema"]).next(),
                query: parameters.filter(|p| p["in"] == "query").filter_map(|p| p["name"].as_str()).collect(),
            }
        })
    });
    all.filter(|operation| !LEFT_OUT.iter().any(|part| operation.path.contains(part))).collect()
}

#[test]
fn h30_values_that_the_schema_almost_allows_never_make_a_5xx() {
    for database in BOTH {
        let server = Server::with_acme(database);
        let document: Value = serde_json::from_str(&server.place.ok(&["openapi"])).unwrap();
        let bearer = format!("Bearer {}", server.user_token("acme", "alice", crate::harness::ALICE_PASSWORD));
        let mut numbers = Numbers(30);
        let (mut asked, mut refused, mut nobody) = (0, 0, 0);
        for operation in operations(&document) {
            let path = operation.path.replace("{tenant}", "acme");
            let id = existing(&server, &bearer, &path).unwrap_or_else(|| "some-id".to_owned());
            let kind =
                if operation.method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
            let headers = [("authorization", bearer.as_str()), ("content-type", kind), ("if-match", "*")];
            for turn in 0..BODIES + QUERIES {
                let mut path = filled(&path, &id, turn, &mut numbers);
                let mut body = None;
                if turn < BODIES {
                    let Some(schema) = operation.body else { continue };
                    let mut value = fitting(&document, schema, 0, &mut numbers);
                    spoil(&mut value, &mut numbers);
                    body = Some(value.to_string());
                } else {
                    let name =
                        operation.query.get(turn % operation.query.len().max(1)).copied().unwrap_or("x");
                    path = format!("{path}?{name}={}", encoded(&odd(&mut numbers)));
                }
                let answer = server.send(&operation.method, &path, &headers, body.as_deref());

                let shown: String = body.unwrap_or_default().chars().take(600).collect();
                let called = format!("{} {path} {shown} on {database:?}", operation.method);
                assert!(answer.status < 500, "{called}: {} {}", answer.status, answer.text);
                if (400..500).contains(&answer.status) && path.contains("/api/") {
                    let problem = answer.json();
                    assert!(problem["code"].is_string(), "{called}: {problem}");
                    refused += 1;
                    nobody += usize::from(answer.status == 401);
                }
                asked += 1;
            }
        }

        assert!(asked > 500 && refused > asked / 4, "{refused} of {asked} on {database:?}");
        assert!(nobody < asked / 10, "the caller lost its session: {nobody} of {asked} on {database:?}");
        server.get("/readyz", &[]).expect(200);
        assert!(!server.stderr().contains("panicked"), "{}", server.stderr());
    }
}

/// The path with an existing id, in some turns with an odd one.
fn filled(path: &str, id: &str, turn: usize, numbers: &mut Numbers) -> String {
    let parts = path.split('/').map(|part| match part.starts_with('{') {
        false => part.to_owned(),
        true if turn % 5 == 4 => match encoded(&odd(numbers)) {
            text if text.is_empty() => "%20".to_owned(),
            text => text,
        },
        true => id.to_owned(),
    });
    parts.collect::<Vec<_>>().join("/")
}
