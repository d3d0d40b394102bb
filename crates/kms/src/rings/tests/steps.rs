//! The state machine and the verbs that walk it.

use super::world::{DAY, World, if_match};
use crate::rings::{KeyVersion, NewRing, RingChange, Status, WAITING_SECONDS_DEFAULT};
use crate::{Algorithm, Error, Kms, Result};

fn v(number: u32) -> KeyVersion {
    KeyVersion::new(number).unwrap()
}

async fn statuses(world: &World, ring: &str) -> Vec<(u32, Status)> {
    let keys = world.kms.list_keys(&world.cx(), ring, None, 200).await.unwrap();
    keys.iter().rev().map(|key| (key.version.number(), key.status)).collect()
}

#[tokio::test]
async fn a_ring_begins_with_one_active_key_and_its_name_is_taken() {
    for world in World::both().await {
        let ring = world.ring("mail").await;

        assert_eq!((ring.last_version, ring.version), (1, 1));
        assert_eq!(ring.active.as_ref().unwrap().version, v(1));
        assert_eq!(ring.active.unwrap().expires_at, Some(world.core.now().plus_seconds(90 * DAY)));
        let again = world.kms.create_ring(&world.cx(), NewRing::named("mail")).await;
        assert!(matches!(again, Err(Error::Taken(name)) if name == "mail"), "{:?}", world.db.backend());
        let elsewhere = super::world::cx_of(&world.core, &world.rival);
        world.kms.create_ring(&elsewhere, NewRing::named("mail")).await.unwrap();
        world.kms.create_ring(&world.platform(), NewRing::named("mail")).await.unwrap();
        let again = world.kms.create_ring(&world.platform(), NewRing::named("mail")).await;
        assert!(matches!(again, Err(Error::Taken(_))), "the platform's names are unique too");
        assert_eq!(world.events("kms_ring.created").await, 3);
        assert_eq!(world.kms.list_rings(&world.cx()).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn to_initialise_makes_the_first_ring_once() {
    for world in World::both().await {
        let before = world.seal(&world.kms, "default", "x").await;
        assert!(matches!(before, Err(Error::NotInitialised)));
        assert!(!world.kms.keys_state(&world.cx()).await.unwrap().initialised);

        world.kms.initialise(&world.cx()).await.unwrap();

        world.seal(&world.kms, "default", "x").await.unwrap();
        assert!(matches!(world.kms.initialise(&world.cx()).await, Err(Error::AlreadyInitialised)));
        let missing = world.seal(&world.kms, "other", "x").await;
        assert!(matches!(missing, Err(Error::NoRing(_))));
        let state = world.kms.keys_state(&world.cx()).await.unwrap();
        assert!(state.initialised && state.tenant_key_opens);
        assert_eq!((state.key_store, state.keys.len(), state.keys[0].keys), ("directory", 1, 1));
    }
}

#[tokio::test]
async fn bad_values_are_refused_with_their_place_and_change_nothing() {
    for world in World::both().await {
        world.ring("mail").await;
        let new = |change: fn(&mut NewRing)| {
            let mut new = NewRing::named("other");
            change(&mut new);
            new
        };
        let cases = [
            (new(|n| n.name = "Mail".to_owned()), "/name"),
            (new(|n| n.name = String::new()), "/name"),
            (new(|n| n.name = "x".repeat(65)), "/name"),
            (new(|n| n.name = "a/b".to_owned()), "/name"),
            (new(|n| n.purpose = Some("x".repeat(256))), "/purpose"),
            (new(|n| n.rotation_interval_seconds = Some(Some(3599))), "/rotation_interval_seconds"),
            (new(|n| n.rotation_interval_seconds = Some(Some(i64::MAX))), "/rotation_interval_seconds"),
            (new(|n| n.grace_seconds = Some(-1)), "/grace_seconds"),
            (new(|n| n.uses_max = Some(999)), "/uses_max"),
            (new(|n| n.uses_max = Some((1 << 32) + 1)), "/uses_max"),
        ];
        for (new, place) in cases {
            let refused = world.kms.create_ring(&world.cx(), new).await;
            assert!(
                matches!(&refused, Err(Error::Invalid { pointer, .. }) if pointer == place),
                "{refused:?}"
            );
        }
        let above = RingChange { min_decryption_version: Some(v(2)), ..RingChange::default() };
        let refused = world.kms.update_ring(&world.cx(), "mail", &if_match(None).await, above).await;
        assert!(
            matches!(refused, Err(Error::Invalid { pointer, .. }) if pointer == "/min_decryption_version")
        );
        assert_eq!(world.kms.list_rings(&world.cx()).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_change_needs_the_version_that_was_read_and_moves_the_present_keys_time() {
    for world in World::both().await {
        let ring = world.ring("mail").await;
        let change = RingChange {
            rotation_interval_seconds: Some(Some(DAY)),
            algorithm: Some(Algorithm::ChaCha20Poly1305),
            ..RingChange::default()
        };

        let changed = world
            .kms
            .update_ring(&world.cx(), "mail", &if_match(Some(ring.version)).await, change.clone())
            .await
            .unwrap();

        let until = changed.active.unwrap().expires_at;
        assert_eq!(until, Some(world.core.now().plus_seconds(DAY)));
        let stale =
            world.kms.update_ring(&world.cx(), "mail", &if_match(Some(ring.version)).await, change).await;
        assert!(matches!(stale, Err(Error::Precondition(_))));
        let rotated = world.kms.rotate(&world.cx(), "mail", None).await.unwrap();
        assert_eq!(rotated.active.unwrap().version, v(2));
        let key = world.kms.load_key(&world.cx(), "mail", v(2)).await.unwrap().0;
        assert_eq!(key.algorithm, Algorithm::ChaCha20Poly1305);
        let of = |number| async move { world.kms.load_key(&world.cx(), "mail", v(number)).await.unwrap().0 };
        assert_eq!(of(1).await.algorithm, Algorithm::Aes256Gcm);
    }
}

/// A ring whose key 1 has this status; key 2 or later is active unless key 1 is.
async fn ring_with(world: &World, name: &str, status: Status) {
    let (kms, cx) = (&world.kms, world.cx());
    world.ring(name).await;
    match status {
        Status::Active => {}
        Status::Inactive => drop(kms.rotate(&cx, name, None).await.unwrap()),
        Status::Expired => drop(kms.expire(&cx, name, v(1)).await.unwrap()),
        Status::Revoked => drop(kms.revoke(&cx, name, v(1), "a test").await.unwrap()),
    }
    assert_eq!(statuses(world, name).await[0], (1, status));
}

async fn take(kms: &Kms, world: &World, ring: &str, verb: &str) -> Result<()> {
    let cx = world.cx();
    match verb {
        "rollback" => kms.rollback(&cx, ring, v(1)).await.map(drop),
        "expire" => kms.expire(&cx, ring, v(1)).await.map(drop),
        "revoke" => kms.revoke(&cx, ring, v(1), "a test").await.map(drop),
        _ => kms.schedule_destruction(&cx, ring, v(1), None).await.map(drop),
    }
}

#[tokio::test]
async fn every_allowed_step_passes_and_every_other_is_refused_and_changes_nothing() {
    let verbs = [
        ("rollback", vec![(Status::Inactive, Status::Active)]),
        ("expire", vec![(Status::Inactive, Status::Expired), (Status::Active, Status::Expired)]),
        (
            "revoke",
            vec![
                (Status::Inactive, Status::Revoked),
                (Status::Active, Status::Revoked),
                (Status::Expired, Status::Revoked),
            ],
        ),
        ("schedule", vec![(Status::Revoked, Status::Revoked)]),
    ];
    for world in World::both().await {
        for (verb, allowed) in &verbs {
            for from in Status::ALL {
                let ring = format!("{verb}-{}", from.word());
                ring_with(&world, &ring, from).await;
                let before = statuses(&world, &ring).await;

                let taken = take(&world.kms, &world, &ring, verb).await;

                let case = format!("{verb} from {from:?} on {:?}: {taken:?}", world.db.backend());
                let after = statuses(&world, &ring).await;
                match allowed.iter().find(|(known, _)| *known == from) {
                    Some((_, to)) => {
                        taken.unwrap();
                        assert_eq!(after[0], (1, *to), "{case}");
                    }
                    None => {
                        assert!(
                            matches!(taken, Err(Error::IllegalStep { from: at, .. }) if at == from),
                            "{case}"
                        );
                        assert_eq!(after, before, "{case}");
                    }
                }
                assert_eq!(world.active_keys(&ring).await, 1, "{case}");
            }
        }
    }
}

#[tokio::test]
async fn a_rollback_goes_to_an_earlier_key_above_the_minimum_that_still_has_uses() {
    for world in World::both().await {
        let (kms, cx) = (&world.kms, world.cx());
        world.ring("mail").await;
        for _ in 0..3 {
            kms.rotate(&cx, "mail", None).await.unwrap();
        }
        let sealed = world.seal(kms, "mail", "under 4").await.unwrap();

        let back = kms.rollback(&cx, "mail", v(2)).await.unwrap();

        assert_eq!((back.active.unwrap().version, back.last_version), (v(2), 4));
        assert_eq!(world.seal(kms, "mail", "x").await.unwrap().0, 2);
        assert_eq!(world.open(kms, "mail", &sealed).await.unwrap(), "under 4");
        let forward = kms.rollback(&cx, "mail", v(3)).await;
        assert!(matches!(forward, Err(Error::NotEarlier { .. })), "{forward:?}");
        let change = RingChange { min_decryption_version: Some(v(2)), ..RingChange::default() };
        kms.update_ring(&cx, "mail", &if_match(None).await, change).await.unwrap();
        assert!(matches!(kms.rollback(&cx, "mail", v(1)).await, Err(Error::BelowMinimum { .. })));
        let unknown = kms.rollback(&cx, "mail", v(9)).await;
        assert!(matches!(unknown, Err(Error::NoVersion { .. })));
        assert_eq!(kms.rotate(&cx, "mail", None).await.unwrap().active.unwrap().version, v(5));
        assert_eq!(world.events("kms_ring.rolled_back").await, 1);
    }
}

#[tokio::test]
async fn fifty_rotations_at_once_leave_one_active_key() {
    for world in World::both().await {
        world.ring("mail").await;
        let mut running = tokio::task::JoinSet::new();
        for _ in 0..50 {
            let (kms, cx) = (world.kms.clone(), world.cx());
            running.spawn(async move { kms.rotate(&cx, "mail", None).await });
        }
        let mut done = 0;
        while let Some(rotated) = running.join_next().await {
            // A database that is busy says so; what counts is what is left.
            done += u32::from(rotated.unwrap().is_ok());
        }

        assert_eq!(world.active_keys("mail").await, 1, "{:?}", world.db.backend());
        let ring = world.kms.load_ring(&world.cx(), "mail").await.unwrap();
        assert!(done > 0);
        assert_eq!(ring.last_version, done + 1, "each that succeeded made one key");
        assert_eq!(ring.active.unwrap().version.number(), done + 1);
        assert_eq!(world.events("kms_ring.rotated").await, i64::from(done));
        world.seal(&world.kms, "mail", "x").await.unwrap();
    }
}

#[tokio::test]
async fn of_many_who_rotate_what_they_read_one_is_served() {
    for world in World::both().await {
        let ring = world.ring("mail").await;
        let seen = if_match(Some(ring.version)).await;
        let mut running = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let (kms, cx, seen) = (world.kms.clone(), world.cx(), seen.clone());
            running.spawn(async move { kms.rotate(&cx, "mail", Some(&seen)).await });
        }
        let served = running.join_all().await.into_iter().filter(Result::is_ok).count();

        assert_eq!(served, 1, "{:?}", world.db.backend());
        assert_eq!(statuses(&world, "mail").await, [(1, Status::Inactive), (2, Status::Active)]);
    }
}

#[tokio::test]
async fn a_revoked_key_goes_after_its_waiting_period_unless_somebody_holds_values_under_it() {
    for world in World::both().await {
        let (kms, cx) = (&world.kms, world.cx());
        ring_with(&world, "mail", Status::Revoked).await;
        kms.declare_references(&cx, "mail", v(1), "crm:contacts", 12).await.unwrap();
        let held = kms.schedule_destruction(&cx, "mail", v(1), None).await;
        assert!(matches!(&held, Err(Error::InUse(text)) if text.contains("`crm:contacts` 12")), "{held:?}");
        for waiting in [DAY - 1, 31 * DAY, -1] {
            let refused = kms.schedule_destruction(&cx, "mail", v(1), Some(waiting)).await;
            assert!(matches!(refused, Err(Error::Invalid { .. })), "{waiting}");
        }
        kms.declare_references(&cx, "mail", v(1), "crm:contacts", 0).await.unwrap();

        kms.schedule_destruction(&cx, "mail", v(1), None).await.unwrap();
        kms.cancel_destruction(&cx, "mail", v(1)).await.unwrap();
        assert!(matches!(kms.cancel_destruction(&cx, "mail", v(1)).await, Err(Error::NotScheduled(_))));
        let scheduled = kms.schedule_destruction(&cx, "mail", v(1), None).await.unwrap();
        assert_eq!(scheduled.destroy_at, Some(world.core.now().plus_seconds(WAITING_SECONDS_DEFAULT)));
        world.clock.advance_seconds(WAITING_SECONDS_DEFAULT - 1);
        assert!(kms.perform_maintenance(&cx).await.unwrap().destroyed.is_empty(), "not yet");
        kms.declare_references(&cx, "mail", v(1), "late", 1).await.unwrap();
        world.clock.advance_seconds(1);
        assert!(kms.perform_maintenance(&cx).await.unwrap().destroyed.is_empty(), "somebody came late");
        kms.declare_references(&cx, "mail", v(1), "late", 0).await.unwrap();
        let elsewhere = super::world::cx_of(&world.core, &world.rival);
        assert!(kms.perform_maintenance(&elsewhere).await.unwrap().destroyed.is_empty(), "not theirs");

        let done = kms.perform_maintenance(&cx).await.unwrap();

        assert_eq!((done.destroyed.len(), done.failed.len()), (1, 0), "{done:?}");
        assert_eq!(statuses(&world, "mail").await, [(2, Status::Active)]);
        let next = kms.rotate(&cx, "mail", None).await.unwrap();
        assert_eq!(next.active.unwrap().version, v(3), "a number never comes twice");
        for (event, count) in [
            ("kms_key.revoked", 1),
            ("kms_key.destruction_scheduled", 2),
            ("kms_key.destruction_cancelled", 1),
            ("kms_key.references_declared", 4),
            ("kms_key.destroyed", 1),
        ] {
            assert_eq!(world.events(event).await, count, "{event}");
        }
    }
}

#[tokio::test]
async fn a_ring_that_is_about_to_go_does_nothing_until_that_is_cancelled_and_then_goes() {
    for world in World::both().await {
        let (kms, cx) = (&world.kms, world.cx());
        world.ring("mail").await;
        let sealed = world.seal(kms, "mail", "x").await.unwrap();
        kms.declare_references(&cx, "mail", v(1), "crm", 1).await.unwrap();
        assert!(matches!(kms.schedule_deletion(&cx, "mail", None).await, Err(Error::InUse(_))));
        kms.declare_references(&cx, "mail", v(1), "crm", 0).await.unwrap();

        kms.schedule_deletion(&cx, "mail", None).await.unwrap();

        let refused = |error: Option<Error>| matches!(error, Some(Error::RingScheduled { .. }));
        assert!(refused(world.seal(kms, "mail", "y").await.err()));
        assert!(refused(world.open(kms, "mail", &sealed).await.err()));
        assert!(refused(kms.rotate(&cx, "mail", None).await.err()));
        kms.cancel_deletion(&cx, "mail").await.unwrap();
        assert_eq!(world.open(kms, "mail", &sealed).await.unwrap(), "x");
        kms.schedule_deletion(&cx, "mail", Some(DAY)).await.unwrap();
        world.clock.advance_seconds(DAY);
        let done = kms.perform_maintenance(&cx).await.unwrap();
        assert_eq!((done.deleted.len(), done.failed.len()), (1, 0), "{done:?}");
        assert!(matches!(kms.load_ring(&cx, "mail").await, Err(Error::NoRing(_))));
        assert!(matches!(world.open(kms, "mail", &sealed).await, Err(Error::NoRing(_))));
        let left: i64 = world.one(store::Sql::new("SELECT COUNT(*) FROM kms_data_keys")).await;
        assert_eq!(left, 0);
        assert_eq!(world.events("kms_ring.deleted").await, 1);
    }
}

#[tokio::test]
async fn nothing_of_one_tenant_is_there_for_another() {
    for world in World::both().await {
        world.ring("mail").await;
        let sealed = world.seal(&world.kms, "mail", "x").await.unwrap();
        let rival = super::world::cx_of(&world.core, &world.rival);
        let kms = &world.kms;

        let attempts = [
            kms.load_ring(&rival, "mail").await.err(),
            kms.rotate(&rival, "mail", None).await.err(),
            kms.rollback(&rival, "mail", v(1)).await.err(),
            kms.expire(&rival, "mail", v(1)).await.err(),
            kms.revoke(&rival, "mail", v(1), "x").await.err(),
            kms.schedule_destruction(&rival, "mail", v(1), None).await.err(),
            kms.cancel_destruction(&rival, "mail", v(1)).await.err(),
            kms.schedule_deletion(&rival, "mail", None).await.err(),
            kms.cancel_deletion(&rival, "mail").await.err(),
            kms.declare_references(&rival, "mail", v(1), "x", 1).await.err(),
            kms.list_keys(&rival, "mail", None, 10).await.err(),
            kms.load_key(&rival, "mail", v(1)).await.err(),
            kms.load_ring(&world.platform(), "mail").await.err(),
            super::world::open(kms, &rival, Some(&world.rival.id), "mail", &sealed).await.err(),
        ];
        for (number, error) in attempts.into_iter().enumerate() {
            assert!(matches!(error, Some(Error::NoRing(_))), "attempt {number}: {error:?}");
        }
        assert!(kms.list_rings(&rival).await.unwrap().is_empty());
    }
}
