//! `signet user …` as a person uses it, and lists of people over HTTP.

use serde_json::Value;

use crate::harness::{BOTH, Server};

#[test]
fn people_are_managed_from_the_command_line() {
    for database in BOTH {
        let server = Server::fresh(database);
        server.set_admin_password();
        let token = server.admin_token();
        let full = |arguments: &[&str]| {
            let mut all: Vec<String> = vec!["user".to_owned()];
            all.extend(arguments.iter().map(|argument| (*argument).to_owned()));
            all.extend(["--url", &server.url, "--token", &token].map(str::to_owned));
            all
        };
        let run = |arguments: &[&str]| {
            let all = full(arguments);
            let output = server.place.run(&all.iter().map(String::as_str).collect::<Vec<_>>());
            let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
            (output.status.code().unwrap(), text)
        };
        let json = |arguments: &[&str]| -> Value {
            let (code, text) = run(&[arguments, &["--output", "json"]].concat());
            assert_eq!(code, 0, "{text}");
            serde_json::from_str(&text).unwrap()
        };

        let made = json(&[
            "create",
            "zhangwei",
            "--display-name",
            "张伟",
            "--email",
            "z@example.com",
            "--attributes",
            "{\"team\": \"red\"}",
        ]);
        assert_eq!((&made["username"], &made["attributes"]["team"]), (&"zhangwei".into(), &"red".into()));
        let (code, table) = run(&["list", "--q", "伟"]);
        assert!(code == 0 && table.contains("zhangwei") && table.starts_with("USERNAME"), "{table}");
        let page = json(&[
            "list",
            "--filter",
            "email ew \"@example.com\" and status eq \"active\"",
            "--sort",
            "-username",
        ]);
        assert_eq!(page["items"][0]["id"], made["id"]);
        let changed = json(&["update", "ZHANGWEI", "--position", "Engineer", "--clear", "email"]);
        assert_eq!((&changed["position"], &changed["email"]), (&"Engineer".into(), &Value::Null));
        for (verb, status) in
            [("lock", "locked"), ("unlock", "active"), ("disable", "inactive"), ("enable", "active")]
        {
            assert_eq!(json(&[verb, "zhangwei"])["status"], status);
        }
        let (code, yaml) = run(&["show", "zhangwei", "--output", "yaml"]);
        assert!(code == 0 && yaml.contains("position: Engineer"), "{yaml}");

        let (code, says) = run(&["delete", "zhangwei"]);
        assert!(code == 2 && says.contains("--yes"), "{says}");
        assert_eq!(run(&["delete", "zhangwei", "--yes"]).0, 0);
        assert_eq!(run(&["show", "zhangwei"]).0, 4);
        assert_eq!(json(&["restore", "zhangwei"])["status"], "inactive");
        let (code, says) = run(&["unlock", "zhangwei"]);
        assert!(code == 1 && says.contains("illegal_status_change"), "{says}");
        assert_eq!(run(&["update", "zhangwei", "--attributes", "[1]"]).0, 2);
        assert_eq!(run(&["list", "--filter", "password pr"]).0, 1);
        let (code, says) = run(&["lock", "admin"]);
        assert!(code == 1 && says.contains("own_account"), "{says}");
        let foreign = server.place.run(&["user", "list", "--url", &server.url, "--token", "made-up"]);
        assert_eq!(foreign.status.code(), Some(3));
    }
}
