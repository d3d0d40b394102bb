//! Signing in: constant work, same words, throttling, the default administrator, rehashing.

use authn::{Attempt, Error};
use authz::Actor;
use directory::NewUser;
use store::Sql;

use crate::world::{HOME, OTHER, PASSWORD, World, hash, join_all, secret};

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_with_any_case_of_their_name_and_it_is_recorded() {
    for world in World::both().await {
        let begun = world.sign_in(" MARIA ", PASSWORD).await;

        assert_eq!(begun.session.user_id, world.maria);
        assert_eq!(begun.session.amr, ["pwd"]);
        assert_eq!(begun.token.expose().len(), 43);
        assert!(world.is_alive(&begun).await);
        assert_eq!(world.events("session.started").await, 1);
        let count = Sql::new("SELECT login_count FROM users WHERE id = $1").bind(&world.maria);
        assert_eq!(world.one::<i64>(count).await, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h19_whoever_cannot_sign_in_costs_one_bcrypt_and_gets_one_answer() {
    for world in World::both().await {
        for (name, status) in [("locked", "LOCKED"), ("disabled", "INACTIVE"), ("gone", "DELETED")] {
            let id = world.add(name, PASSWORD).await;
            let sql = Sql::new("UPDATE users SET status = $1 WHERE id = $2");
            world.execute(sql.bind(status).bind(&id)).await;
        }
        let nobody =
            NewUser::without_password(&world.system(), base::text::parse_username("nobody").unwrap());
        world.add_with(nobody).await;
        let famous = hash("$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy");
        world.add_with(NewUser::new(base::text::parse_username("famous").unwrap(), famous)).await;
        let long = "x".repeat(100);
        let attempts = [
            ("nosuch", PASSWORD),
            ("maria", "wrong"),
            ("locked", PASSWORD),
            ("disabled", PASSWORD),
            ("gone", PASSWORD),
            ("nobody", PASSWORD),
            ("famous", PASSWORD),
            ("no such name \u{0}", PASSWORD),
            ("maria", ""),
            ("maria", long.as_str()),
            ("admin", "Admin@123"),
        ];

        let mut answers = Vec::new();
        for (position, (username, password)) in attempts.iter().enumerate() {
            let before = world.service.verifications();
            let address = format!("198.51.100.{position}");
            let error = world.try_from(&address, username, password).await.unwrap_err();
            assert_eq!(world.service.verifications() - before, 1, "{username} {password}");
            let problem = base::Problem::from(error);
            answers.push((problem.code(), problem.detail().to_owned()));
        }

        assert_eq!(answers[0].0, "bad_credentials");
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        assert_eq!(world.events("session.refused").await, 11);
        assert_eq!(world.events("session.started").await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h20_the_sixth_failure_is_refused_without_a_look_and_the_block_grows() {
    for world in World::both().await {
        for _ in 0..5 {
            let error = world.try_from(HOME, "maria", "wrong").await.unwrap_err();
            assert!(matches!(error, Error::BadCredentials), "{error:?}");
        }
        let before = world.service.verifications();

        let blocked = world.try_from(HOME, "maria", PASSWORD).await.unwrap_err();
        assert!(matches!(blocked, Error::TooManyAttempts { retry_after_seconds: 60 }), "{blocked:?}");
        assert_eq!(world.service.verifications(), before, "a blocked attempt is not looked at");
        assert_eq!(world.events("session.throttled").await, 1);

        let mut block = 60;
        for seconds in [120, 240, 480, 960, 1800, 1800] {
            world.clock.advance_seconds(block);
            let wrong = world.try_from(HOME, "maria", "wrong").await.unwrap_err();
            assert!(matches!(wrong, Error::BadCredentials), "{wrong:?}");
            let blocked = world.try_from(HOME, "maria", PASSWORD).await.unwrap_err();
            let Error::TooManyAttempts { retry_after_seconds } = blocked else { unreachable!("{blocked:?}") };
            assert_eq!(i64::from(retry_after_seconds), seconds);
            block = seconds;
        }

        world.clock.advance_seconds(1800 + 15 * 60);
        for _ in 0..4 {
            assert!(matches!(world.try_from(HOME, "maria", "wrong").await, Err(Error::BadCredentials)));
        }
        world.sign_in("maria", PASSWORD).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h20_an_attacker_elsewhere_does_not_lock_the_owner_out() {
    for world in World::both().await {
        for _ in 0..7 {
            assert!(world.try_from("203.0.113.9", "maria", "guess").await.is_err());
        }

        world.sign_in("maria", PASSWORD).await;
        let attacker = world.try_from("203.0.113.9", "maria", PASSWORD).await.unwrap_err();
        assert!(matches!(attacker, Error::TooManyAttempts { .. }));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h20_a_success_forgives_the_failures_before_it() {
    for world in World::both().await {
        for _ in 0..3 {
            for _ in 0..4 {
                assert!(world.try_from(HOME, "maria", "wrong").await.is_err());
            }
            world.sign_in("maria", PASSWORD).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h20_attempts_at_once_are_counted_like_attempts_in_a_row() {
    for world in World::both().await {
        let attempts = (0..20).map(|_| world.try_from(HOME, "maria", "wrong")).collect();

        let results = join_all(attempts).await;

        assert_eq!(results.iter().filter(|result| matches!(result, Err(Error::BadCredentials))).count(), 5);
        assert_eq!(world.service.verifications(), 5);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h20_one_source_gets_a_hundred_failures_over_all_names() {
    let world = World::at("http://localhost:8080").await;
    assert!(world.try_from(HOME, "someone", "wrong").await.is_err());
    world.execute(Sql::new("UPDATE throttles SET failures = 98")).await;

    // The 99th is a success and given back; two failures more are the 99th and the hundredth.
    world.sign_in("maria", PASSWORD).await;
    assert!(matches!(world.try_from(HOME, "a1", "x").await, Err(Error::BadCredentials)));
    assert!(matches!(world.try_from(HOME, "a2", "x").await, Err(Error::BadCredentials)));
    assert!(matches!(world.try_from(HOME, "a3", "x").await, Err(Error::TooManyAttempts { .. })));
    assert!(matches!(world.try_from("192.0.2.77", "a3", "x").await, Err(Error::BadCredentials)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_default_password_signs_in_from_this_machine_only_and_must_be_changed() {
    for world in World::both().await {
        assert!(world.service.default_admin_stands().await.unwrap());
        let attempt = |local| Attempt {
            username: "admin".to_owned(),
            password: secret("Admin@123"),
            remember: false,
            local,
            replaces: None,
        };
        let cx = world.cx(Actor::Anonymous, "127.0.0.1");

        let remote = world.service.sign_in(&cx, attempt(false)).await.unwrap_err();
        assert!(matches!(remote, Error::BadCredentials));
        let begun = world.service.sign_in(&cx, attempt(true)).await.unwrap();
        assert!(begun.session.must_change_password);

        let cx = world.within(&begun).await;
        let refused = authn::sessions::list_own_sessions(&cx).await.unwrap_err();
        assert!(matches!(refused, Error::Authz(authz::Error::PasswordChangeRequired)), "{refused:?}");
        world.service.change_own_password(&cx, secret("Admin@123"), secret(OTHER)).await.unwrap();
        assert!(!world.service.default_admin_stands().await.unwrap());
        assert!(!world.sign_in("admin", OTHER).await.session.must_change_password);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_password_must_be_changed_after_the_days_that_the_tenant_gives_it() {
    for world in World::both().await {
        world.clock.advance_seconds(89 * 86_400);
        assert!(!world.sign_in("maria", PASSWORD).await.session.must_change_password);
        world.clock.advance_seconds(86_400);

        let begun = world.sign_in("maria", PASSWORD).await;

        assert!(begun.session.must_change_password);
        assert!(
            world
                .service
                .session_actor(&world.tenant, &world.headers(&begun))
                .await
                .unwrap()
                .is_some_and(|found| matches!(found.actor, Actor::User { must_change_password: true, .. }))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hash_of_another_cost_or_prefix_is_replaced_at_the_next_sign_in() {
    for world in World::both().await {
        let stored = Sql::new("SELECT password FROM users WHERE id = $1").bind(&world.maria);
        let ours: String = world.one(stored.clone()).await;
        let foreign = ours.replace("$2a$", "$2b$");
        // The service itself may not write such a hash on PostgreSQL: an import does, as the owner.
        let script = format!("UPDATE users SET password = '{foreign}' WHERE id = '{}'", world.maria);
        store::testing::run_script(world.core.store(), &script).await;

        world.sign_in("maria", PASSWORD).await;

        let now: String = world.one(stored).await;
        assert!(now.starts_with("$2a$10$"), "{now}");
        assert_ne!(now, ours);
        world.sign_in("maria", PASSWORD).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_passwords_waits_in_a_short_queue_and_the_rest_is_told_to_come_back() {
    let world = World::at("http://localhost:8080").await;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let (guess, hash) = (secret("guess"), world.service.unusable_hash().unwrap());
    let flood =
        (0..cores * 32 + 7).map(|_| world.service.verify_client_secret(&guess, Some(&hash))).collect();

    let results = join_all(flood).await;

    let busy: Vec<Error> = results.into_iter().filter_map(Result::err).collect();
    assert!((1..=7).contains(&busy.len()), "{} were told so", busy.len());
    for error in busy {
        let problem = base::Problem::from(error);
        assert_eq!((problem.kind(), problem.retry_after_seconds()), (base::Kind::Unavailable, Some(2)));
    }
    assert!(!world.service.verify_client_secret(&guess, None).await.unwrap(), "the queue is free again");
}
