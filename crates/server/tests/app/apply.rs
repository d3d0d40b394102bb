//! `signet apply` and `signet export` as a person uses them.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use crate::harness::{ADMIN_PASSWORD, BOTH, Browser, Database, Server, acme_file, acme_secrets};

#[test]
fn apply_makes_what_the_file_declares_and_says_so_when_there_is_nothing_to_change() {
    for database in BOTH {
        let server = Server::fresh(database);
        server.set_admin_password();
        let file = acme_file();

        let plan = server.place.ok(&["apply", "--host", "--dry-run", &file]);
        assert!(plan.contains("+ ") && plan.contains("alice"), "{plan}");
        let again = server.place.ok(&["apply", "--host", "--dry-run", &file]);
        assert_eq!(plan, again, "a dry run changed something");

        let token = server.admin_token();
        let first = server.place.ok(&["apply", &file, "--url", &server.url, "--token", &token]);
        assert!(first.contains("+ ") && first.contains("alice"), "{first}");
        let second = server.place.ok(&["apply", &file, "--url", &server.url, "--token", &token]);
        assert!(second.contains("nothing to change"), "{second}");
        let second = server.place.ok(&["apply", "--host", &file]);
        assert!(second.contains("nothing to change"), "{second}");

        let exported = server.place.ok(&["export", "acme", "--url", &server.url, "--token", &token]);
        assert_eq!(exported, server.place.ok(&["export", "acme", "--host"]));
        let path = server.place.directory.join("export.yaml");
        std::fs::write(&path, &exported).unwrap();
        let noop = server.place.ok(&["apply", "--host", &path.display().to_string()]);
        assert!(noop.contains("nothing to change"), "{noop}");

        for (_, secret) in acme_secrets() {
            for (what, text) in [
                ("plan", &plan),
                ("answer", &first),
                ("export", &exported),
                ("stdout", &server.stdout()),
                ("stderr", &server.stderr()),
            ] {
                assert!(!text.contains(secret), "the {what} shows a secret");
                assert!(!text.contains("$2a$"), "the {what} shows a hash");
            }
        }
    }
}

#[test]
fn a_wrong_file_is_refused_with_its_line_and_changes_nothing() {
    let server = Server::fresh(Database::Sqlite);
    let text = std::fs::read_to_string(acme_file()).unwrap();
    let path = server.place.directory.join("bad.yaml");
    let shown = path.display().to_string();
    for (from, to, expected) in [("\nroles:", "\nrolls:", "rolls"), ("version: 1", "version: 2", "version")] {
        assert!(text.contains(from), "{from} is not in acme.yaml");
        std::fs::write(&path, text.replacen(from, to, 1)).unwrap();

        let output = server.place.run(&["apply", "--host", &shown]);

        assert_eq!(output.status.code(), Some(1));
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(message.contains(expected), "{message}");
        let line = text.replacen(from, to, 1).lines().position(|l| l.contains(expected)).unwrap() + 1;
        assert!(message.contains(&line.to_string()), "line {line} is not named: {message}");
    }
    assert_eq!(server.place.run(&["export", "acme", "--host"]).status.code(), Some(4));
}

#[test]
fn a_person_signs_in_on_the_command_line_and_applies_a_file() {
    let server = Server::fresh(Database::Sqlite);
    server.set_admin_password();
    let mut child = server
        .place
        .command(&["login", "--url", &server.url])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let address = lines.find(|line| line.contains("/oauth/authorize?")).expect("an address to open");
    let path = address.trim().strip_prefix(&server.url).unwrap().to_owned();

    let mut browser = Browser::new(&server);
    browser.sign_in("default", "admin", ADMIN_PASSWORD).expect(303);
    let consent = browser.get(&path).expect(200);
    let back = browser.submit(&consent, &[("decision", "allow")]).expect(303);
    let callback = back.header("location").unwrap().to_owned();
    // Another program on this machine that guesses the port has no state and is not believed.
    let forged = format!("{}?code=stolen&state=guess", callback.split('?').next().unwrap());
    server.get(&forged, &[]).expect(400);
    server.get(&callback, &[]).expect(200);

    let ended = child.wait().unwrap();
    assert!(ended.success(), "{:?}", lines.collect::<Vec<_>>());
    let kept = server.place.directory.join("config/signet/credentials.json");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&kept).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    assert!(server.place.ok(&["token", "--url", &server.url]).trim().split('.').count() == 3);
    let answer = server.place.ok(&["apply", &acme_file(), "--url", &server.url]);
    assert!(answer.contains("alice"), "{answer}");
}
