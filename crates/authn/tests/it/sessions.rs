//! Sessions: bound to a tenant, limited, ended, and nothing of them in clear in the database.

use authn::{Attempt, Error, sessions};
use authz::{Actor, Swept};
use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};
use store::Sql;

use crate::world::{HOME, PASSWORD, World, secret};

#[tokio::test(flavor = "multi_thread")]
async fn h16_a_session_of_one_tenant_means_nothing_at_another() {
    for world in World::both().await {
        let begun = world.sign_in("maria", PASSWORD).await;
        let stolen = format!("{}={}", world.service.session_cookie_name(&world.other), begun.token.expose());
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, HeaderValue::from_str(&stolen).unwrap());

        assert!(world.service.session_actor(&world.other, &headers).await.unwrap().is_none());
        assert!(world.service.session_actor(&world.other, &world.headers(&begun)).await.unwrap().is_none());
        assert!(world.is_alive(&begun).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h16_forged_planted_and_repeated_cookies_are_nobody() {
    for world in World::both().await {
        let begun = world.sign_in("maria", PASSWORD).await;
        let name = world.service.session_cookie_name(&world.tenant);
        let digest: String = world
            .one(Sql::new("SELECT session_token FROM user_sessions WHERE id = $1").bind(&begun.session.id))
            .await;
        let token = begun.token.expose();

        for cookie in [
            format!("{name}="),
            format!("{name}=x"),
            format!("{name}={digest}"),
            format!("{name}={}", begun.session.id),
            format!("{name}={token}x"),
            format!("{name}={token}; {name}={token}"),
            format!("__Host-{name}={token}"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(COOKIE, HeaderValue::from_str(&cookie).unwrap());
            let found = world.service.session_actor(&world.tenant, &headers).await.unwrap();
            assert!(found.is_none(), "{cookie}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h16_signing_in_again_gives_a_fresh_token_and_keeps_the_session_of_the_same_person() {
    for world in World::both().await {
        let first = world.sign_in("maria", PASSWORD).await;
        world.clock.advance_seconds(100);
        let again = |username: &str| Attempt {
            username: username.to_owned(),
            password: secret(PASSWORD),
            remember: false,
            local: false,
            replaces: Some(first.session.clone()),
        };

        let cx = world.cx(Actor::Anonymous, HOME);
        let second = world.service.sign_in(&cx, again("maria")).await.unwrap();

        assert_eq!(second.session.id, first.session.id);
        assert_eq!(second.session.auth_time, world.core.now());
        assert!(!world.is_alive(&first).await);
        assert!(world.is_alive(&second).await);

        world.add("zoe", PASSWORD).await;
        let third = world.service.sign_in(&cx, again("zoe")).await.unwrap();
        assert_ne!(third.session.id, first.session.id);
        assert!(!world.is_alive(&second).await, "another person's sign-in ends the session of the browser");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_after_idle_minutes_and_in_any_case_after_twelve_hours() {
    for world in World::both().await {
        let idle = world.sign_in("maria", PASSWORD).await;
        let busy = world.sign_in("maria", PASSWORD).await;
        world.clock.advance_seconds(29 * 60);
        assert!(world.is_alive(&busy).await);
        world.clock.advance_seconds(60);
        assert!(!world.is_alive(&idle).await);

        for _ in 0..(12 * 60 / 20 - 2) {
            world.clock.advance_seconds(20 * 60);
            assert!(world.is_alive(&busy).await, "{}", world.core.now());
        }
        world.clock.advance_seconds(10 * 60);
        assert!(!world.is_alive(&busy).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remembered_session_lasts_thirty_days_idle_or_not() {
    for world in World::both().await {
        let attempt = Attempt {
            username: "maria".to_owned(),
            password: secret(PASSWORD),
            remember: true,
            local: false,
            replaces: None,
        };
        let begun = world.service.sign_in(&world.cx(Actor::Anonymous, HOME), attempt).await.unwrap();
        assert_eq!(begun.max_age_seconds, Some(30 * 86_400));

        world.clock.advance_seconds(30 * 86_400 - 1);
        assert!(world.is_alive(&begun).await);
        world.clock.advance_seconds(1);
        assert!(!world.is_alive(&begun).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn activity_is_noted_at_most_once_a_minute() {
    for world in World::both().await {
        let begun = world.sign_in("maria", PASSWORD).await;
        let seen =
            Sql::new("SELECT last_activity_at FROM user_sessions WHERE id = $1").bind(&begun.session.id);
        let start: base::Timestamp = world.one(seen.clone()).await;
        world.clock.advance_seconds(59);
        assert!(world.is_alive(&begun).await);
        assert_eq!(world.one::<base::Timestamp>(seen.clone()).await, start);
        world.clock.advance_seconds(1);
        assert!(world.is_alive(&begun).await);
        assert_eq!(world.one::<base::Timestamp>(seen).await, start.plus_seconds(60));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sixth_session_ends_the_oldest_with_its_grants() {
    for world in World::both().await {
        let mut all = Vec::new();
        for _ in 0..5 {
            all.push(world.sign_in("maria", PASSWORD).await);
            world.clock.advance_seconds(1);
        }
        world.grant("g-old", &world.maria, Some(&all[0].session.id)).await;
        world.grant("g-new", &world.maria, Some(&all[1].session.id)).await;

        all.push(world.sign_in("maria", PASSWORD).await);

        let alive = [0, 1, 2, 3, 4, 5].map(|i: usize| &all[i]);
        for (position, begun) in alive.into_iter().enumerate() {
            assert_eq!(world.is_alive(begun).await, position > 0, "session {position}");
        }
        assert_eq!(world.grant_status("g-old").await, ("REVOKED".to_owned(), "REVOKED".to_owned()));
        assert_eq!(world.grant_status("g-new").await, ("ACTIVE".to_owned(), "ACTIVE".to_owned()));
        assert_eq!(world.events("session.ended").await, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_ends_the_session_and_its_grants_and_tells_the_other_nodes() {
    for world in World::both().await {
        let begun = world.sign_in("maria", PASSWORD).await;
        world.grant("g", &world.maria, Some(&begun.session.id)).await;
        let version = world.core.version(&world.tenant.id);
        let cx = world.within(&begun).await;

        authn::sign_out(&cx).await.unwrap();
        authn::sign_out(&cx).await.unwrap();

        assert!(!world.is_alive(&begun).await);
        assert_eq!(world.grant_status("g").await, ("REVOKED".to_owned(), "REVOKED".to_owned()));
        assert_eq!(world.events("session.ended").await, 1);
        assert!(world.core.version(&world.tenant.id) > version);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_is_locked_or_deleted_has_no_session_any_more() {
    for world in World::both().await {
        let begun = world.sign_in("maria", PASSWORD).await;
        for status in ["LOCKED", "INACTIVE", "DELETED"] {
            let sql = Sql::new("UPDATE users SET status = $1 WHERE id = $2");
            world.execute(sql.bind(status).bind(&world.maria)).await;
            assert!(!world.is_alive(&begun).await, "{status}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_ends_or_lists_another_persons_sessions_as_their_own() {
    for world in World::both().await {
        let zoe = world.add("zoe", PASSWORD).await;
        let hers = world.sign_in("zoe", PASSWORD).await;
        let mine = world.sign_in("maria", PASSWORD).await;
        let cx = world.within(&mine).await;

        let listed = sessions::list_own_sessions(&cx).await.unwrap();
        assert_eq!(listed.len(), 1);
        assert!(listed[0].current && listed[0].id == mine.session.id);
        let foreign = sessions::end_own_session(&cx, &hers.session.id).await.unwrap_err();
        assert!(matches!(foreign, Error::NotFound("session")));
        let denied = sessions::list_sessions(&cx, &zoe).await.unwrap_err();
        assert!(matches!(denied, Error::Authz(authz::Error::Denied { .. })));
        let denied = sessions::end_all_sessions(&cx, &zoe).await.unwrap_err();
        assert!(matches!(denied, Error::Authz(authz::Error::Denied { .. })));
        assert!(world.is_alive(&hers).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_stands_in_the_database_and_cookies_follow_the_public_address() {
    for world in World::both().await {
        let begun = world.sign_in("maria", PASSWORD).await;
        let stored: String = world
            .one(Sql::new("SELECT session_token FROM user_sessions WHERE id = $1").bind(&begun.session.id))
            .await;

        assert_eq!(stored.len(), 64);
        assert!(!stored.contains(begun.token.expose()));
        let cookie = world.service.session_cookie(&world.tenant, &begun.token, None).unwrap();
        assert!(cookie.to_str().unwrap().starts_with(&format!("s-{}=", world.tenant.id)));
    }
    let world = World::at("https://id.example.com").await;
    let begun = world.sign_in("maria", PASSWORD).await;
    let cookie = world.service.session_cookie(&world.tenant, &begun.token, None).unwrap();
    let text = cookie.to_str().unwrap();
    assert!(text.starts_with(&format!("__Host-s-{}=", world.tenant.id)), "{text}");
    assert!(text.ends_with("; Path=/; HttpOnly; SameSite=Lax; Secure"), "{text}");
    let mut plain = HeaderMap::new();
    let value = format!("s-{}={}", world.tenant.id, begun.token.expose());
    plain.insert(COOKIE, HeaderValue::from_str(&value).unwrap());
    assert!(world.service.session_actor(&world.tenant, &plain).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_is_cleared_away_and_what_is_not_stays() {
    for world in World::both().await {
        let old = world.sign_in("maria", PASSWORD).await;
        world.service.one_time_link(&world.system(), &world.maria, 60).await.unwrap();
        assert!(world.try_from(HOME, "nosuch", "x").await.is_err());
        assert_eq!(Swept::total(&world.service.sweep().await.unwrap()), 0);
        world.clock.advance_seconds(8 * 86_400);
        let fresh = world.sign_in("maria", PASSWORD).await;

        assert!(Swept::total(&world.service.sweep().await.unwrap()) >= 3);
        assert_eq!(Swept::total(&world.service.sweep().await.unwrap()), 0);

        let status = Sql::new("SELECT status FROM user_sessions WHERE id = $1").bind(&old.session.id);
        assert_eq!(world.one::<String>(status).await, "EXPIRED");
        assert!(world.is_alive(&fresh).await);
        let links = Sql::new("SELECT count(*) AS n FROM password_reset_tokens");
        assert_eq!(world.one::<i64>(links).await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_is_not_active_knows_no_session_and_signs_nobody_in() {
    for world in World::both().await {
        let begun = world.sign_in("maria", PASSWORD).await;
        let asleep = std::sync::Arc::new(authz::TenantRef { active: false, ..(*world.tenant).clone() });

        let found = world.service.session_actor(&asleep, &world.headers(&begun)).await.unwrap();
        assert!(found.is_none());
        let attempt = Attempt {
            username: "maria".to_owned(),
            password: secret(PASSWORD),
            remember: false,
            local: false,
            replaces: None,
        };
        let refused = world.service.sign_in(&world.cx_at(&asleep, Actor::Anonymous, HOME), attempt).await;
        // Whether a tenant is switched off is no secret; who belongs to it is.
        assert!(matches!(refused, Err(Error::Authz(authz::Error::TenantDisabled))), "{refused:?}");
    }
}
