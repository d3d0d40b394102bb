//! The queue in front of the audit log.

use store::testing::TestDb;

#[tokio::test]
async fn an_event_that_the_database_refuses_does_not_hold_up_the_others() {
    for db in TestDb::both().await {
        // The same seed gives the same event id: the second event is refused as a duplicate.
        let core = |seed| {
            let random = std::sync::Arc::new(base::SeededRandom::new(seed));
            let clock =
                std::sync::Arc::new(base::FixedClock::at(base::Timestamp::from_seconds(1_800_000_000)));
            authz::Core::new(db.store.clone(), clock, random).unwrap()
        };
        let record = async |core: &authz::Core, action: &'static str| {
            let cx = core.system(authz::Place::Platform);
            cx.record(authz::Event::done(action, "arn:signet:platform::platform:probe/1")).await;
        };
        let first = core(1);
        record(&first, "probe.first").await;
        first.flush_audit().await;

        let second = core(1);
        record(&second, "probe.refused").await;
        record(&second, "probe.kept").await;
        second.flush_audit().await;

        #[expect(clippy::disallowed_methods, reason = "tests")]
        let mut rx = db.store.begin_read(store::Scope::Platform).await.unwrap();
        let sql =
            store::Sql::new("SELECT action FROM audit_logs WHERE action LIKE 'probe.%' ORDER BY action");
        let kept: Vec<String> = rx.all(sql).await.unwrap();
        assert_eq!(kept, ["probe.first", "probe.kept"], "{:?}", db.backend());
    }
}
