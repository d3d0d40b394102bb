//! New passwords: rules, history, resets, links, and what ends with the old one.

use authn::passwords::Weakness;
use authn::{Error, check_new_password};
use authz::Actor;
use store::Sql;

use crate::world::{HOME, OTHER, PASSWORD, World, join_all, secret};

fn weaknesses(error: Error) -> Vec<Weakness> {
    match error {
        Error::Weak(found) => found,
        other => unreachable!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changing_the_password_ends_other_sessions_and_their_grants_and_renews_the_own() {
    for world in World::both().await {
        let elsewhere = world.sign_in("maria", PASSWORD).await;
        let here = world.sign_in("maria", PASSWORD).await;
        world.grant("g-elsewhere", &world.maria, Some(&elsewhere.session.id)).await;
        world.grant("g-here", &world.maria, Some(&here.session.id)).await;
        world.grant("g-none", &world.maria, None).await;
        let cx = world.within(&here).await;

        let changed = world.service.change_own_password(&cx, secret(PASSWORD), secret(OTHER)).await.unwrap();

        let cookie = changed.cookie.unwrap();
        let pair = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
        let mut headers = axum::http::HeaderMap::new();
        headers.insert(axum::http::header::COOKIE, pair.parse().unwrap());
        let renewed = world.service.session_actor(&world.tenant, &headers).await.unwrap().unwrap();
        assert_eq!(renewed.session.id, here.session.id);
        assert!(!world.is_alive(&here).await, "the old token is worth nothing");
        assert!(!world.is_alive(&elsewhere).await);
        assert_eq!(world.grant_status("g-elsewhere").await.0, "REVOKED");
        assert_eq!(world.grant_status("g-none").await.1, "REVOKED");
        assert_eq!(world.grant_status("g-here").await, ("ACTIVE".to_owned(), "ACTIVE".to_owned()));
        assert_eq!(world.events("password.changed").await, 1);
        assert!(world.try_from(HOME, "maria", PASSWORD).await.is_err());
        world.sign_in("maria", OTHER).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h20_the_current_password_is_asked_for_and_guessing_it_is_slowed_down() {
    for world in World::both().await {
        let begun = world.sign_in("maria", PASSWORD).await;
        let cx = world.within(&begun).await;

        for _ in 0..5 {
            let wrong =
                world.service.change_own_password(&cx, secret("guess"), secret(OTHER)).await.unwrap_err();
            assert!(matches!(wrong, Error::WrongCurrentPassword), "{wrong:?}");
        }
        let blocked =
            world.service.change_own_password(&cx, secret(PASSWORD), secret(OTHER)).await.unwrap_err();
        assert!(matches!(blocked, Error::TooManyAttempts { .. }), "{blocked:?}");
        assert_eq!(world.events("password.refused").await, 5);
        assert_eq!(world.events("password.changed").await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_five_passwords_are_refused_and_the_sixth_is_accepted() {
    for world in World::both().await {
        let begun = world.sign_in("maria", PASSWORD).await;
        let mut cx = world.within(&begun).await;
        let names: Vec<String> = (1..=5).map(|n| format!("Fresh-Passphrase-{n}")).collect();
        let mut current = PASSWORD.to_owned();
        for name in &names {
            world.clock.advance_seconds(1);
            let changed =
                world.service.change_own_password(&cx, secret(&current), secret(name)).await.unwrap();
            assert!(changed.cookie.is_some());
            current = name.clone();
        }
        cx = world.cx(cx.actor().clone(), HOME);

        for name in &names {
            let error =
                world.service.change_own_password(&cx, secret(&current), secret(name)).await.unwrap_err();
            assert_eq!(weaknesses(error), [Weakness::Reused { count: 5 }], "{name}");
        }
        world.service.change_own_password(&cx, secret(&current), secret(PASSWORD)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h25_bad_passwords_are_refused_with_a_reason_for_each_rule() {
    let world = World::at("http://localhost:8080").await;
    let long = format!("Aa1-{}", "x".repeat(69));
    let wide = format!("Aa1-{}", "é".repeat(35));
    let huge = "Aa1-".repeat(300_000);
    for (password, expected) in [
        ("Ab1-", vec![Weakness::TooShort { min: 8 }]),
        ("admin@123", vec![Weakness::NoUpper, Weakness::Known]),
        ("Admin@123", vec![Weakness::Known]),
        ("Maria#2026!", vec![Weakness::IsUserName]),
        (long.as_str(), vec![Weakness::TooLong]),
        (wide.as_str(), vec![Weakness::TooLong]),
        (huge.as_str(), vec![Weakness::TooLong]),
        ("Aa1-bcde\0fgh", vec![Weakness::Nul]),
        ("", vec![Weakness::Empty]),
    ] {
        let expected: Vec<&str> = expected.iter().map(|weakness| weakness.code()).collect();
        let problem = check_new_password(&world.tenant, "maria", &secret(password)).unwrap_err();
        let found: Vec<&str> = problem.errors().iter().map(|error| error.code.as_str()).collect();
        assert_eq!(found, expected, "{} bytes", password.len());
    }
    check_new_password(&world.tenant, "maria", &secret(&format!("Aa1-{}", "x".repeat(68)))).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn h25_a_password_is_the_same_composed_and_decomposed() {
    for world in World::both().await {
        world.add("rené", "Ünter-Wegs-1").await;

        world.sign_in("rene\u{301}", "U\u{308}nter-Wegs-1").await;
        assert!(world.try_from(HOME, "rené", "Unter-Wegs-1").await.is_err());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_gives_a_temporary_password_that_must_be_changed() {
    for world in World::both().await {
        let boss = world.add("boss", PASSWORD).await;
        world.give_role(&boss, "ADMIN").await;
        let victim = world.sign_in("maria", PASSWORD).await;
        let cx = world.within(&world.sign_in("boss", PASSWORD).await).await;

        world.service.reset_password(&cx, &world.maria, secret(OTHER)).await.unwrap();

        assert!(!world.is_alive(&victim).await);
        assert!(world.sign_in("maria", OTHER).await.session.must_change_password);
        let weak = world.service.reset_password(&cx, &world.maria, secret("Admin@123")).await.unwrap_err();
        assert_eq!(weaknesses(weak), [Weakness::Known]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_resets_the_password_of_someone_above_them() {
    for world in World::both().await {
        let boss = world.add("boss", PASSWORD).await;
        world.give_role(&boss, "ADMIN").await;
        let boss = world.within(&world.sign_in("boss", PASSWORD).await).await;
        let maria = world.within(&world.sign_in("maria", PASSWORD).await).await;

        let above = world.service.reset_password(&boss, &world.admin, secret(OTHER)).await.unwrap_err();
        assert!(matches!(above, Error::Outranked), "{above:?}");
        let above = world.service.reset_link(&boss, &world.admin).await.unwrap_err();
        assert!(matches!(above, Error::Outranked), "{above:?}");
        let denied = world.service.reset_link(&maria, &world.admin).await.unwrap_err();
        assert!(matches!(denied, Error::Authz(authz::Error::Denied { .. })), "{denied:?}");
        assert!(world.service.default_admin_stands().await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_works_once_even_in_a_race_and_only_the_newest_and_only_for_an_hour() {
    for world in World::both().await {
        let system = world.system();
        let token = |link: &authn::OneTimeLink| link.url.expose().split_once("token=").unwrap().1.to_owned();
        let old = world.service.one_time_link(&system, &world.maria, 3600).await.unwrap();
        let link = world.service.one_time_link(&system, &world.maria, 3600).await.unwrap();
        assert!(link.url.expose().starts_with("http://localhost:8080/t/default/recover?token="));
        let stored: String =
            world.one(Sql::new("SELECT max(token) AS token FROM password_reset_tokens")).await;
        assert_eq!(stored.len(), 64);
        let cx = |address: &str| world.cx(Actor::Anonymous, address);

        let replaced = world.service.recover(&cx("192.0.2.50"), &token(&old), secret(OTHER)).await;
        assert!(matches!(replaced, Err(Error::BadLink)));
        let elsewhere = world.cx_at(&world.other, Actor::Anonymous, "192.0.2.51");
        let foreign = world.service.recover(&elsewhere, &token(&link), secret(OTHER)).await;
        assert!(matches!(foreign, Err(Error::BadLink)));

        let token = token(&link);
        let contexts: Vec<_> = (0..8).map(|n| cx(&format!("198.51.100.{n}"))).collect();
        let passwords: Vec<_> = (0..8).map(|n| format!("Winner-Number-{n}")).collect();
        let race = contexts.iter().zip(&passwords);
        let race = race.map(|(cx, password)| world.service.recover(cx, &token, secret(password))).collect();
        let won: Vec<usize> =
            join_all(race).await.iter().enumerate().filter(|(_, r)| r.is_ok()).map(|(n, _)| n).collect();
        assert_eq!(won.len(), 1, "{won:?}");
        assert_eq!(world.events("password.changed").await, 1);
        world.sign_in("maria", &passwords[won[0]]).await;

        let late = world.service.one_time_link(&system, &world.maria, 3600).await.unwrap();
        world.clock.advance_seconds(3600);
        let late = late.url.expose().split_once("token=").unwrap().1.to_owned();
        let over = world.service.recover(&cx("192.0.2.60"), &late, secret(OTHER)).await;
        assert!(matches!(over, Err(Error::BadLink)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bootstrap_password_applies_only_while_the_default_stands() {
    for world in World::both().await {
        let weak = world.service.bootstrap_password(secret("Admin@123")).await.unwrap_err();
        assert_eq!(weaknesses(weak), [Weakness::Known]);
        assert!(world.service.bootstrap_password(secret(OTHER)).await.unwrap());
        assert!(!world.service.bootstrap_password(secret(PASSWORD)).await.unwrap());

        assert!(!world.service.default_admin_stands().await.unwrap());
        assert!(world.sign_in("admin", OTHER).await.session.must_change_password);
        assert_eq!(world.events("password.changed").await, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_sets_a_password_by_name() {
    for world in World::both().await {
        let cx = world.cx(Actor::Host { uid: 1000 }, "127.0.0.1");

        let id = world.service.set_password_by_host(&cx, "MARIA", secret(OTHER), false).await.unwrap();

        assert_eq!(id, world.maria);
        assert!(!world.sign_in("maria", OTHER).await.session.must_change_password);
        let nobody = world.service.set_password_by_host(&cx, "nosuch", secret(OTHER), true).await;
        assert!(matches!(nobody, Err(Error::NotFound("user"))));
        let anonymous = world.cx(Actor::Anonymous, HOME);
        assert!(
            world.service.set_password_by_host(&anonymous, "maria", secret(PASSWORD), false).await.is_err()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_keeps_what_the_rules_look_at_and_shrinks_with_them() {
    for world in World::both().await {
        for number in 1..=7 {
            let old = if number == 1 { PASSWORD.to_owned() } else { format!("{OTHER}-{}", number - 1) };
            let cx = world.within(&world.sign_in("maria", &old).await).await;
            world.clock.advance_seconds(1);
            let new = format!("{OTHER}-{number}");
            world.service.change_own_password(&cx, secret(&old), secret(&new)).await.unwrap();
        }
        let kept = "SELECT count(*) AS n FROM password_history WHERE user_id = $1";
        assert_eq!(world.one::<i64>(Sql::new(kept).bind(&world.maria)).await, 5);
        assert_eq!(authz::Swept::total(&world.service.sweep_history().await.unwrap()), 0);

        let fewer = serde_json::json!({ "password_policy": { "history_count": 2 } });
        let sql = Sql::new("UPDATE tenants SET config = $1 WHERE id = $2");
        let cx = world.system();
        let permit = cx.purpose(authz::Purpose::Bootstrap);
        let mut tx = cx.write(&permit).await.unwrap();
        tx.execute(sql.bind(&fewer).bind(&world.tenant.id)).await.unwrap();
        tx.decisions_change(&permit, authz::Change::All);
        tx.commit_housekeeping().await.unwrap();
        let swept = world.service.sweep_history().await.unwrap();

        assert_eq!(authz::Swept::total(&swept), 3);
        let newest = Sql::new("SELECT max(changed_at) AS at FROM password_history WHERE user_id = $1");
        assert_eq!(world.one::<base::Timestamp>(newest.bind(&world.maria)).await, world.core.now());
    }
}
