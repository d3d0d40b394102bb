//! Several nodes over one database, and a node whose database is away.

use std::io::copy;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{ALICE_PASSWORD, Answer, Database, Place, Server, acme_file};

/// Until when a node must have seen what another one did.
const FOLLOWED_WITHIN: Duration = Duration::from_secs(1);

fn may_bob_read() -> Value {
    json!({
        "subject": { "type": "user", "id": "bob" },
        "action": { "name": "document:Read" },
        "resource": { "type": "document", "id": "docs/plan-2026" },
    })
}

fn ask(server: &Server, token: &str) -> Answer {
    server.post_json("/t/acme/access/v1/evaluation", Some(token), &may_bob_read())
}

/// Asks again and again until the answer is as wished; every answer before must be as `meanwhile` says.
#[track_caller]
fn until(
    within: Duration,
    answer: impl Fn() -> Answer,
    is_it: impl Fn(&Answer) -> bool,
    meanwhile: u16,
) -> Answer {
    let begun = Instant::now();
    loop {
        let found = answer();
        if is_it(&found) {
            return found;
        }
        assert_eq!(found.status, meanwhile, "{}", found.text);
        assert!(begun.elapsed() < within, "{}: {}", found.status, found.text);
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn what_one_node_takes_away_the_other_denies_within_a_second() {
    let first = Server::with_acme(Database::Postgres);
    let mut place = Place::fresh(Database::Postgres).with_acme_secrets();
    for name in ["SIGNET_DATABASE_URL", "SIGNET_ROOT_KEY"] {
        place.env.insert(name.to_owned(), first.place.env[name].clone());
    }
    place.env.insert("SIGNET_PUBLIC_URL".to_owned(), first.url.clone());
    let second = place.start();
    let point = first.reporting_token();
    let admin = format!("Bearer {}", first.user_token("acme", "alice", ALICE_PASSWORD));
    let api = |method: &str, path: &str| {
        let headers = [("authorization", admin.as_str()), ("if-match", "*")];
        first.send(method, &format!("/t/acme/api/v1{path}"), &headers, None)
    };
    let groups = api("GET", "/groups").expect(200).json();
    let staff = groups["items"].as_array().unwrap().iter().find(|group| group["name"] == "Staff").unwrap();
    let staff = staff["id"].as_str().unwrap();
    let bob = api("GET", "/users/by-username/bob").expect(200).json()["id"].as_str().unwrap().to_owned();
    let member = format!("/groups/{staff}/members/{bob}");

    for _ in 0..3 {
        assert_eq!(ask(&second, &point).expect(200).json()["decision"], true);
        api("DELETE", &member).expect(204);
        let denied = |answer: &Answer| answer.json()["decision"] == false;
        until(FOLLOWED_WITHIN, || ask(&second, &point), denied, 200);
        assert_eq!(ask(&first, &point).expect(200).json()["decision"], false);

        api("PUT", &member).expect(204);
        let allowed = |answer: &Answer| answer.json()["decision"] == true;
        until(FOLLOWED_WITHIN, || ask(&second, &point), allowed, 200);
    }
}

/// A way to PostgreSQL that can be cut.
struct Way {
    port: u16,
    is_open: Arc<AtomicBool>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
}

impl Way {
    fn to(address: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let is_open = Arc::new(AtomicBool::new(true));
        let streams = Arc::new(Mutex::new(Vec::new()));
        let way = Self { port, is_open: is_open.clone(), streams: streams.clone() };
        std::thread::spawn(move || {
            for near in listener.incoming() {
                let Ok(near) = near else { return };
                if !is_open.load(Ordering::SeqCst) {
                    continue;
                }
                let far = TcpStream::connect(&address).unwrap();
                let mut kept = streams.lock().unwrap();
                for (from, to) in [(&near, &far), (&far, &near)] {
                    kept.push(from.try_clone().unwrap());
                    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    std::thread::spawn(move || {
                        drop(copy(&mut from, &mut to));
                        drop(to.shutdown(Shutdown::Both));
                    });
                }
            }
        });
        way
    }

    fn cut(&self) {
        self.is_open.store(false, Ordering::SeqCst);
        for stream in self.streams.lock().unwrap().drain(..) {
            drop(stream.shutdown(Shutdown::Both));
        }
    }

    fn mend(&self) {
        self.is_open.store(true, Ordering::SeqCst);
    }
}

#[test]
fn decisions_go_on_for_the_configured_time_while_the_database_is_away_and_say_so() {
    let mut place = Place::fresh(Database::Postgres).with_acme_secrets();
    let mut url = url::Url::parse(&place.env["SIGNET_DATABASE_URL"]).unwrap();
    let way = Way::to(format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5432)));
    url.set_host(Some("127.0.0.1")).unwrap();
    url.set_port(Some(way.port)).unwrap();
    place.env.insert("SIGNET_DATABASE_URL".to_owned(), url.to_string());
    place.env.insert("SIGNET_ACCESS_STALE_SECONDS".to_owned(), "8".to_owned());
    let metrics = format!("http://{}/metrics", place.env["SIGNET_METRICS_LISTEN"]);
    let server = place.start();
    server.set_admin_password();
    server.place.ok(&["apply", "--host", &acme_file()]);
    let (token, unseen) = (server.reporting_token(), server.reporting_token());
    let fresh = ask(&server, &token).expect(200).json();
    assert_eq!((&fresh["decision"], &fresh["context"]["stale_since"]), (&json!(true), &Value::Null));

    way.cut();

    let says_so = |answer: &Answer| answer.json()["context"]["stale_since"].is_string();
    let stale = until(Duration::from_secs(20), || ask(&server, &token), says_so, 200).json();
    assert_eq!(stale["decision"], true, "{stale}");
    let refused = ask(&server, &unseen).expect(503);
    assert_eq!(refused.json()["code"], "database_unavailable", "a token that the node has not seen");
    let counted = server.get(&metrics, &[]).expect(200).text;
    assert!(counted.contains("decisions_stale_total"), "{counted}");
    assert!(counted.contains("decisions_confirmed_age_seconds"), "{counted}");
    let over = until(Duration::from_secs(40), || ask(&server, &token), |answer| answer.status == 503, 200);
    assert_eq!(over.json()["code"], "database_unavailable");
    assert!(over.header("retry-after").is_some());

    way.mend();

    let back = until(Duration::from_secs(60), || ask(&server, &token), |answer| answer.status == 200, 503);
    assert_eq!(back.json()["context"]["stale_since"], Value::Null, "{}", back.text);
    server.reporting_token();
}
