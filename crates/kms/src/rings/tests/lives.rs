//! Keys in use: rotated, restarted, revoked, counted, over.

use base::{Random, SeededRandom};

use super::world::{DAY, World, cx_of, open, seal};
use crate::rings::{KeyVersion, NewRing, USES_MIN};
use crate::{Algorithm, Error};

fn v(number: u32) -> KeyVersion {
    KeyVersion::new(number).unwrap()
}

#[tokio::test]
async fn what_was_sealed_under_any_living_key_opens_after_any_sequence_of_steps_and_restarts() {
    for world in World::both().await {
        let random = SeededRandom::new(42);
        let draw = |below: u32| {
            let mut bytes = [0u8; 4];
            random.fill(&mut bytes);
            u32::from_le_bytes(bytes) % below
        };
        let cx = world.cx();
        for algorithm in Algorithm::ALL {
            let name = algorithm.name().to_lowercase();
            let new = NewRing { algorithm: Some(algorithm), ..NewRing::named(&name) };
            world.kms.create_ring(&cx, new).await.unwrap();
            let mut kms = world.kms.clone();
            let mut sealed = Vec::new();
            let mut revoked = Vec::new();
            for step in 0..14 {
                sealed.push((format!("{step}"), world.seal(&kms, &name, &format!("{step}")).await.unwrap()));
                let newest = kms.load_ring(&cx, &name).await.unwrap().last_version;
                let any = v(1 + draw(newest));
                match draw(5) {
                    0 | 1 => drop(kms.rotate(&cx, &name, None).await.unwrap()),
                    // Not every key can be rolled back to or expired.
                    2 => drop(kms.rollback(&cx, &name, any).await),
                    3 => drop(kms.expire(&cx, &name, any).await),
                    _ if step % 3 == 2 && kms.revoke(&cx, &name, any, "a test").await.is_ok() => {
                        revoked.push(any.number());
                    }
                    _ => {}
                }
                if draw(3) == 0 {
                    kms = world.restarted().await;
                }
                for (text, value) in &sealed {
                    let opened = world.open(&kms, &name, value).await;
                    match revoked.contains(&value.0) {
                        true => assert!(matches!(opened, Err(Error::Revoked { .. })), "{opened:?}"),
                        false => assert_eq!(opened.unwrap(), *text),
                    }
                }
                assert_eq!(world.active_keys(&name).await, 1);
            }
        }
    }
}

#[tokio::test]
async fn a_key_revoked_on_one_node_is_refused_on_another_once_it_has_looked() {
    for world in World::both().await {
        world.ring("mail").await;
        let sealed = world.seal(&world.kms, "mail", "x").await.unwrap();
        let (core, other) = world.second_node().await;
        let there = cx_of(&core, &world.acme);
        assert_eq!(open(&other, &there, Some(&world.acme.id), "mail", &sealed).await.unwrap(), "x");
        seal(&other, &there, Some(&world.acme.id), "mail", "y").await.unwrap();

        world.kms.revoke(&world.cx(), "mail", v(1), "lost").await.unwrap();
        core.refresh_versions().await.unwrap();

        let refused = open(&other, &there, Some(&world.acme.id), "mail", &sealed).await;
        assert!(matches!(refused, Err(Error::Revoked { .. })), "{:?}: {refused:?}", world.db.backend());
        let next = seal(&other, &there, Some(&world.acme.id), "mail", "z").await.unwrap();
        assert_eq!(next.0, 2, "the key that took its place");
        assert!(matches!(world.open(&world.kms, "mail", &sealed).await, Err(Error::Revoked { .. })));
        core.store().close().await;
    }
}

#[tokio::test]
async fn a_value_below_the_minimum_is_read_again_once_the_minimum_is_lowered() {
    for world in World::both().await {
        world.ring("mail").await;
        let sealed = world.seal(&world.kms, "mail", "x").await.unwrap();
        world.kms.rotate(&world.cx(), "mail", None).await.unwrap();
        let to = |number| crate::RingChange {
            min_decryption_version: Some(v(number)),
            ..crate::RingChange::default()
        };
        let any = super::world::if_match(None).await;

        world.kms.update_ring(&world.cx(), "mail", &any, to(2)).await.unwrap();
        let refused = world.open(&world.kms, "mail", &sealed).await;
        assert!(matches!(refused, Err(Error::BelowMinimum { .. })), "{refused:?}");

        world.kms.update_ring(&world.cx(), "mail", &any, to(1)).await.unwrap();
        assert_eq!(world.open(&world.kms, "mail", &sealed).await.unwrap(), "x");
    }
}

#[tokio::test]
async fn no_key_encrypts_more_than_it_may_however_many_nodes_use_it() {
    for world in World::both().await {
        let new = NewRing { uses_max: Some(USES_MIN + 500), ..NewRing::named("mail") };
        world.kms.create_ring(&world.cx(), new).await.unwrap();
        let (core, other) = world.second_node().await;
        let nodes = [(world.kms.clone(), world.cx()), (other, cx_of(&core, &world.acme))];
        let mut under = std::collections::BTreeMap::new();

        for round in 0..40 {
            for (kms, cx) in &nodes {
                let key = kms.sealing_key(cx, Some(&world.acme.id), "mail", 100).await.unwrap();
                *under.entry(key.version).or_insert(0) += 100;
            }
            if round % 10 == 9 {
                core.refresh_versions().await.unwrap();
                world.core.refresh_versions().await.unwrap();
            }
        }

        assert_eq!(under.values().sum::<i64>(), 8_000);
        assert!(under.values().all(|uses| *uses <= USES_MIN + 500), "{under:?}");
        assert!(under.len() >= 6, "{under:?}");
        assert_eq!(world.active_keys("mail").await, 1);
        let too_many = world.kms.sealing_key(&world.cx(), Some(&world.acme.id), "mail", 1_501).await;
        assert!(matches!(too_many.err(), Some(Error::LimitReached(_))));
        core.store().close().await;
    }
}

#[tokio::test]
async fn uses_are_counted_before_they_are_used_and_a_block_is_not_wasted_by_a_change() {
    for world in World::both().await {
        world.ring("mail").await;
        let reserved =
            async |number| world.kms.load_key(&world.cx(), "mail", v(number)).await.unwrap().0.uses_reserved;

        world.seal(&world.kms, "mail", "x").await.unwrap();
        let first = reserved(1).await;
        assert!(first >= 1);
        let change = crate::RingChange { grace_seconds: Some(1), ..crate::RingChange::default() };
        world
            .kms
            .update_ring(&world.cx(), "mail", &super::world::if_match(None).await, change)
            .await
            .unwrap();
        world.seal(&world.kms, "mail", "y").await.unwrap();

        assert_eq!(reserved(1).await, first, "what was taken serves on");
        let killed = world.restarted().await;
        world.seal(&killed, "mail", "z").await.unwrap();
        assert!(reserved(1).await > first, "what a killed node had left counts as used");
    }
}

#[tokio::test]
async fn a_key_whose_time_is_over_is_replaced_by_maintenance_and_without_it_serves_its_grace() {
    for world in World::both().await {
        let new = NewRing {
            rotation_interval_seconds: Some(Some(DAY)),
            grace_seconds: Some(3600),
            ..NewRing::named("mail")
        };
        world.kms.create_ring(&world.cx(), new.clone()).await.unwrap();
        assert_eq!(world.seal(&world.kms, "mail", "x").await.unwrap().0, 1);

        world.clock.advance_seconds(DAY + 3599);
        for _ in 0..3 {
            assert_eq!(world.seal(&world.kms, "mail", "x").await.unwrap().0, 1, "in its grace");
        }
        assert_eq!(world.events("kms_key.overdue").await, 1, "said once");
        world.clock.advance_seconds(1);
        assert_eq!(world.seal(&world.kms, "mail", "x").await.unwrap().0, 2, "replaced on demand");

        world.clock.advance_seconds(DAY);
        let swept = world.kms.maintain(&world.core).await.unwrap();
        assert_eq!(authz::Swept::total(&swept), 1, "{swept:?}");
        assert_eq!(world.seal(&world.kms, "mail", "x").await.unwrap().0, 3);
        assert_eq!(authz::Swept::total(&world.kms.maintain(&world.core).await.unwrap()), 0);
        assert_eq!(world.events("kms_ring.rotated").await, 2);
        let never = NewRing { rotation_interval_seconds: Some(None), ..NewRing::named("forever") };
        let ring = world.kms.create_ring(&world.cx(), never).await.unwrap();
        assert_eq!(ring.active.unwrap().expires_at, None);
    }
}

#[tokio::test]
async fn of_many_who_need_a_key_that_is_over_all_get_the_one_that_takes_its_place() {
    for world in World::both().await {
        world.ring("mail").await;
        world.clock.advance_seconds(91 * DAY);
        let mut running = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let (kms, cx, acme) = (world.kms.clone(), world.cx(), world.acme.id.clone());
            running.spawn(async move {
                kms.sealing_key(&cx, Some(&acme), "mail", 1).await.map(|key| key.version)
            });
        }
        for version in running.join_all().await {
            assert_eq!(version.unwrap(), 2, "{:?}", world.db.backend());
        }
        assert_eq!(world.events("kms_ring.rotated").await, 1);
    }
}

#[tokio::test]
async fn a_closed_kms_opens_nothing_more_and_what_is_kept_is_bounded() {
    for world in World::both().await {
        world.ring("mail").await;
        let sealed = world.seal(&world.kms, "mail", "x").await.unwrap();

        world.kms.close();

        assert!(matches!(world.seal(&world.kms, "mail", "y").await, Err(Error::ShutDown)));
        assert!(matches!(world.open(&world.kms, "mail", &sealed).await, Err(Error::ShutDown)));
        assert!(matches!(world.kms.rotate(&world.cx(), "mail", None).await, Err(Error::ShutDown)));
        assert_eq!(world.open(&world.restarted().await, "mail", &sealed).await.unwrap(), "x");
    }
}

#[tokio::test]
async fn the_platform_has_rings_of_its_own() {
    for world in World::both().await {
        world.kms.create_ring(&world.platform(), NewRing::named("mail")).await.unwrap();
        let sealed = seal(&world.kms, &world.platform(), None, "mail", "x").await.unwrap();

        assert_eq!(open(&world.kms, &world.cx(), None, "mail", &sealed).await.unwrap(), "x", "for slices");
        let theirs = world.open(&world.kms, "mail", &sealed).await;
        assert!(matches!(theirs, Err(Error::NoRing(_))), "{theirs:?}");
        world.kms.revoke(&world.platform(), "mail", v(1), "a test").await.unwrap();
        let refused = open(&world.kms, &world.platform(), None, "mail", &sealed).await;
        assert!(matches!(refused, Err(Error::Revoked { .. })));
    }
}
