//! What was acknowledged survives (hostile 36), and two nodes start as one (hostile 38).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;

use crate::harness::{BOTH, Database, Place, Server, free_port, ureq_agent};

#[test]
fn h36_kill_9_in_a_burst_of_writes_loses_nothing_acknowledged() {
    for database in BOTH {
        let mut server = Server::with_acme(database);
        let token = server.admin_token();
        let acknowledged = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let (url, token) = (server.url.clone(), token.clone());
                let (acknowledged, stop) = (acknowledged.clone(), stop.clone());
                std::thread::spawn(move || {
                    for number in 0.. {
                        if stop.load(Ordering::SeqCst) {
                            return;
                        }
                        let username = format!("burst-{writer}-{number}");
                        let answer = ureq_agent()
                            .post(format!("{url}/t/default/api/v1/users"))
                            .header("authorization", format!("Bearer {token}"))
                            .header("content-type", "application/json")
                            .send(json!({ "username": username }).to_string());
                        match answer {
                            Ok(answer) if answer.status() == 201 => {
                                acknowledged.lock().unwrap().push(username)
                            }
                            Ok(answer) => panic!("{}", answer.status()),
                            Err(_) => return,
                        }
                    }
                })
            })
            .collect();
        while acknowledged.lock().unwrap().len() < 60 {
            std::thread::sleep(Duration::from_millis(5));
        }
        server.kill_and_restart();
        stop.store(true, Ordering::SeqCst);
        for writer in writers {
            writer.join().unwrap();
        }

        let bearer = format!("Bearer {token}");
        let acknowledged = acknowledged.lock().unwrap().clone();
        for username in &acknowledged {
            let path = format!("/t/default/api/v1/users/by-username/{username}");
            server.get(&path, &[("authorization", &bearer)]).expect(200);
        }
        // Each user that exists has its event: state and evidence landed together or not at all.
        let mut events = 0;
        let mut cursor = String::new();
        loop {
            let path = format!("/t/default/api/v1/audit/events?action=user.created&limit=200{cursor}");
            let page = server.get(&path, &[("authorization", &bearer)]).expect(200).json();
            events += page["items"].as_array().unwrap().len();
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert!(
            events >= acknowledged.len(),
            "{events} events for {} users on {database:?}",
            acknowledged.len()
        );
    }
}

#[test]
fn h36_a_full_disk_refuses_writes_and_loses_nothing() {
    let mut server = Server::with_acme(Database::Sqlite);
    let token = server.admin_token();
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str())];
    let data = std::fs::read_dir(server.place.directory.join("data")).unwrap();
    let largest = data.map(|file| file.unwrap().metadata().unwrap().len()).max().unwrap();
    server.kill_and_restart_on_a_full_disk(largest + 256 * 1024);

    let mut acknowledged = Vec::new();
    let refusal = loop {
        let username = format!("full-{}", acknowledged.len());
        let answer =
            server.post_json("/t/default/api/v1/users", Some(&token), &json!({ "username": username }));
        match answer.status {
            201 => acknowledged.push(username),
            _ => break answer,
        }
        assert!(acknowledged.len() < 20_000, "the limit is never met");
    };
    assert!(matches!(refusal.status, 500 | 503), "{}: {}", refusal.status, refusal.text);
    assert!(refusal.json()["code"].is_string());
    // What is there can still be read.
    server.get("/healthz", &[]).expect(200);
    server.get("/t/default/api/v1/users/by-username/full-0", &headers).expect(200);

    server.kill_and_restart();
    for username in &acknowledged {
        server.get(&format!("/t/default/api/v1/users/by-username/{username}"), &headers).expect(200);
    }
    let refused = format!("/t/default/api/v1/users/by-username/full-{}", acknowledged.len());
    server.get(&refused, &headers).expect(404);
    server.post_json("/t/default/api/v1/users", Some(&token), &json!({ "username": "after" })).expect(201);
}

#[test]
fn h38_two_nodes_started_at_once_on_an_empty_postgresql_share_one_installation() {
    let one = Place::fresh(Database::Postgres);
    let mut env = one.env.clone();
    let port = free_port();
    env.insert("SIGNET_LISTEN".to_owned(), format!("127.0.0.1:{port}"));
    env.insert("SIGNET_METRICS_LISTEN".to_owned(), "off".to_owned());
    env.insert("SIGNET_PUBLIC_URL".to_owned(), format!("http://localhost:{}", one.port));
    let directory = one.directory.join("two");
    std::fs::create_dir_all(&directory).unwrap();
    let mut first = one.env.clone();
    first.insert("SIGNET_PUBLIC_URL".to_owned(), format!("http://localhost:{}", one.port));
    let one = Place { directory: one.directory.clone(), env: first, port: one.port };
    let two = Place { directory, env, port };

    let starting = std::thread::spawn(move || two.start());
    let one = one.start();
    let two = starting.join().unwrap();

    one.place.ok(&["migrate", "verify"]);
    one.set_admin_password();
    // A token from one node is good on the other, and a change on one is seen by the other.
    let token = one.admin_token();
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str())];
    one.get("/t/default/api/v1/users", &headers).expect(200);
    two.get("/t/default/api/v1/users", &headers).expect(200);
    let tenants = two.get("/api/v1/tenants", &headers).expect(200).json();
    assert_eq!(tenants["items"].as_array().unwrap().len(), 1);
    one.post_form("/t/default/oauth/revoke", &[], &[("token", &token), ("client_id", "signet-cli")])
        .expect(200);
    std::thread::sleep(Duration::from_secs(1));
    two.get("/t/default/api/v1/users", &headers).expect(401);
}

#[test]
fn h38_a_migration_that_is_killed_midway_is_finished_by_the_next_start() {
    for database in BOTH {
        for delay in [3_u64, 10, 25, 50, 90, 150, 300, 700] {
            let place = Place::fresh(database);
            let mut child = place.command(&["migrate", "up"]).spawn().unwrap();
            std::thread::sleep(Duration::from_millis(delay));
            drop(child.kill());
            child.wait().unwrap();

            place.ok(&["migrate", "up"]);
            place.ok(&["migrate", "verify"]);
            drop(std::fs::remove_dir_all(&place.directory));
        }
    }
}

#[test]
fn another_schema_version_is_refused_by_commands_on_the_host() {
    for database in BOTH {
        let server = Server::fresh(database);
        let place = Place {
            directory: server.place.directory.clone(),
            env: server.place.env.clone(),
            port: server.place.port,
        };
        place.ok(&["migrate", "down", "1", "--yes"]);

        let output = place.run(&["export", "default", "--host"]);

        assert_eq!(output.status.code(), Some(1));
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(message.contains("signet migrate up"), "{message}");
    }
}
