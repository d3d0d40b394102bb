//! `signet maintenance run` on the host, beside a running server.

use crate::harness::{BOTH, Database, Server};

#[test]
fn one_pass_on_the_host_clears_away_and_a_second_finds_nothing() {
    for database in BOTH {
        let server = Server::fresh(database);

        let first = server.place.ok(&["maintenance", "run"]);
        let second = server.place.ok(&["maintenance", "run"]);

        if database == Database::Sqlite {
            assert_eq!(first, "nothing to clear away\n");
        }
        assert_eq!(second, "nothing to clear away\n");
    }
}
