//! Clearing away goes batch by batch and stops at what is still needed.

use authz::{Place, Purpose, Swept};
use base::Timestamp;
use store::Sql;

use crate::world::{NOON, World};

async fn job(world: &World, id: &str, done_at: Option<Timestamp>, attempts: i64) {
    let cx = world.core.system(Place::Platform);
    let permit = cx.purpose(Purpose::Bootstrap);
    let mut tx = cx.write(&permit).await.unwrap();
    let sql = Sql::new(
        "INSERT INTO outbox (id, kind, created_at, not_before, attempts, done_at) \
         VALUES ($1, 'mail.send', $2, $2, $3, $4)",
    );
    tx.execute(sql.bind(id).bind(NOON).bind(attempts).bind(done_at)).await.unwrap();
    tx.commit_housekeeping().await.unwrap();
}

async fn left(world: &World) -> Vec<String> {
    let cx = world.core.system(Place::Platform);
    let permit = cx.purpose(Purpose::Bootstrap);
    let mut rx = cx.read(&permit).await.unwrap();
    rx.all(Sql::new("SELECT id FROM outbox ORDER BY id")).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_go_a_week_after_they_were_done_and_a_month_after_they_were_given_up() {
    for world in World::both().await {
        job(&world, "dead", None, store::outbox::ATTEMPTS_MAX).await;
        job(&world, "done", Some(NOON), 1).await;
        job(&world, "waiting", None, store::outbox::ATTEMPTS_MAX - 1).await;

        world.clock.advance_seconds(6 * 86_400);
        world.core.sweep_own().await.unwrap();
        assert_eq!(left(&world).await, ["dead", "done", "waiting"]);
        world.clock.advance_seconds(2 * 86_400);
        world.core.sweep_own().await.unwrap();
        assert_eq!(left(&world).await, ["dead", "waiting"]);
        world.clock.advance_seconds(30 * 86_400);
        let swept = world.core.sweep_own().await.unwrap();

        assert_eq!(left(&world).await, ["waiting"]);
        assert!(swept.contains(&Swept { kind: "outbox_dead", rows: 1 }), "{swept:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changed_goes_after_a_quarter_of_an_hour_and_whoever_follows_reads_all() {
    for world in World::both().await {
        let alice = world.user(&world.acme, "alice", Some("SUPER_ADMIN")).await;
        let resource = format!("arn:signet:iam::{}:user/x", world.acme.id);
        assert!(world.decides(&alice, "user:read", &resource).await);
        // The database's own clock says when, and this one is ahead of it.
        let swept = world.core.sweep_own().await.unwrap();
        let rows = swept.iter().find(|swept| swept.kind == "policy_changes").unwrap().rows;
        let (cx, permit) = world.boot(&world.acme);
        let mut tx = cx.write(&permit).await.unwrap();
        authz::principals::set_active_in(&mut tx, &permit, &alice.cast(), false).await.unwrap();
        tx.commit_housekeeping().await.unwrap();

        world.core.sweep_own().await.unwrap();

        assert!(rows > 0);
        assert!(!world.decides(&alice, "user:read", &resource).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_rows_than_one_batch_holds_all_go() {
    for world in World::both().await {
        let cx = world.core.system(Place::Platform);
        let permit = cx.purpose(Purpose::Bootstrap);
        let rows = 2 * authz::BATCH_ROWS + 1;
        let mut tx = cx.write(&permit).await.unwrap();
        for number in 0..rows {
            let sql = Sql::new(
                "INSERT INTO idempotency_keys (tenant_id, principal_id, route, key, request_digest, status, \
                   expires_at) VALUES ('platform', 'p', 'POST /x', $1, 'd', 200, $2)",
            );
            tx.execute(sql.bind(number.to_string()).bind(NOON)).await.unwrap();
        }
        tx.commit_housekeeping().await.unwrap();

        let swept = world.core.sweep_own().await.unwrap();

        let rows = u64::try_from(rows).unwrap();
        assert!(swept.contains(&Swept { kind: "idempotency_keys", rows }), "{swept:?}");
    }
}
