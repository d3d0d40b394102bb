//! A key is claimed with the first change of its request, by one request, in one scope.

use std::sync::Arc;

use authz::idempotency::{self, Answer, Asked, IN_PROGRESS_SECONDS, KEPT_SECONDS, Key, Known, Once};
use authz::{Cx, Error, Event, Purpose, TenantRef};
use base::id::UserId;

use crate::world::{World, cx_of};

fn asked(cx: &Cx, key: &str, digest: &str) -> Asked {
    let key = Key::parse(key.as_bytes()).unwrap();
    Asked::new(cx, "/t/acme/api/v1/things".to_owned(), key, digest.to_owned()).unwrap()
}

fn answer() -> Answer {
    let headers = serde_json::json!({ "content-type": "application/json" });
    Answer { status: 201, headers, body: Some("{\"id\":\"1\"}".to_owned()), secret_omitted: false }
}

struct Asking {
    cx: Cx,
    once: Arc<Once>,
    asked: Asked,
}

impl Asking {
    fn new(core: &authz::Core, tenant: &Arc<TenantRef>, user: &UserId, key: &str) -> Self {
        let cx = cx_of(core, tenant, user, "maria");
        let asked = asked(&cx, key, "d");
        let once = Once::new(asked.clone());
        Self { cx: cx.with_once(once.clone()), once, asked }
    }

    /// What a verb does: a transaction that changes something.
    async fn change(&self) -> authz::Result<()> {
        let permit = self.cx.purpose(Purpose::SignOut);
        let mut tx = self.cx.write(&permit).await?;
        tx.record(&permit, Event::done("thing.made", "thing"));
        tx.commit().await
    }

    async fn known(&self) -> Known {
        idempotency::look_up(&self.cx, &self.asked).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_requests_at_once_on_two_nodes_one_changes_something() {
    for world in World::both().await {
        let user = world.user(&world.acme, "maria", None).await;
        let other_node = world.second_node().await;
        let first = Asking::new(&world.core, &world.acme, &user, "k");
        let second = Asking::new(&other_node, &world.acme, &user, "k");

        let outcomes = tokio::join!(first.change(), second.change());

        let (winner, loser) = match outcomes {
            (Ok(()), Err(Error::InProgress)) => (&first, &second),
            (Err(Error::InProgress), Ok(())) => (&second, &first),
            other => panic!("{other:?}"),
        };
        assert!(loser.once.is_lost() && !winner.once.is_lost());
        assert!(matches!(loser.known().await, Known::Pending { .. }));
        idempotency::keep(&winner.cx, &winner.once, &answer()).await.unwrap();
        let Known::Answered(kept) = loser.known().await else { panic!("no answer") };
        assert_eq!(kept, answer());
        assert_eq!(world.events("thing.made").await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_is_rolled_back_leaves_no_claim_and_a_later_one_of_the_request_claims() {
    for world in World::both().await {
        let user = world.user(&world.acme, "maria", None).await;
        let asking = Asking::new(&world.core, &world.acme, &user, "k");
        let tx = asking.cx.write(&asking.cx.purpose(Purpose::SignOut)).await.unwrap();
        drop(tx);
        assert!(matches!(asking.known().await, Known::Nothing));

        asking.change().await.unwrap();
        asking.change().await.unwrap();

        let Known::Pending { since } = asking.known().await else { panic!("not claimed") };
        assert_eq!(since, world.core.now());
        assert_eq!(world.events("thing.made").await.len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_along_with_any_request_claims_nothing() {
    for world in World::both().await {
        let user = world.user(&world.acme, "maria", None).await;
        let asking = Asking::new(&world.core, &world.acme, &user, "k");

        let tx = asking.cx.write(&asking.cx.purpose(Purpose::SignIn)).await.unwrap();
        tx.commit_housekeeping().await.unwrap();

        assert!(matches!(asking.known().await, Known::Nothing));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_body_is_told_and_another_person_or_tenant_knows_nothing_of_the_key() {
    for world in World::both().await {
        let user = world.user(&world.acme, "maria", None).await;
        let colleague = world.user(&world.acme, "zoe", None).await;
        let rival = world.user(&world.rival, "maria", None).await;
        let asking = Asking::new(&world.core, &world.acme, &user, "k");
        asking.change().await.unwrap();
        idempotency::keep(&asking.cx, &asking.once, &answer()).await.unwrap();

        let other_body = asked(&asking.cx, "k", "another");
        let found = idempotency::look_up(&asking.cx, &other_body).await.unwrap();
        assert!(matches!(found, Known::Another));
        for (tenant, user) in [(&world.acme, &colleague), (&world.rival, &rival)] {
            let theirs = Asking::new(&world.core, tenant, user, "k");
            assert!(matches!(theirs.known().await, Known::Nothing));
            theirs.change().await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_free_again_after_a_day_swept_or_not() {
    for world in World::both().await {
        let user = world.user(&world.acme, "maria", None).await;
        let asking = Asking::new(&world.core, &world.acme, &user, "k");
        asking.change().await.unwrap();
        world.clock.advance_seconds(KEPT_SECONDS);

        assert!(matches!(asking.known().await, Known::Nothing));
        let again = Asking::new(&world.core, &world.acme, &user, "k");
        again.change().await.unwrap();

        let Known::Pending { since } = again.known().await else { panic!("not claimed") };
        assert_eq!(since, world.core.now());
        const { assert!(IN_PROGRESS_SECONDS < KEPT_SECONDS) };
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_changed_nothing_is_kept_too() {
    for world in World::both().await {
        let user = world.user(&world.acme, "maria", None).await;
        let asking = Asking::new(&world.core, &world.acme, &user, "k");
        idempotency::keep(&asking.cx, &asking.once, &answer()).await.unwrap();
        let late = Answer { status: 409, ..answer() };
        idempotency::keep(&asking.cx, &asking.once, &late).await.unwrap();

        let Known::Answered(kept) = asking.known().await else { panic!("no answer") };
        assert_eq!(kept, answer());
    }
}
