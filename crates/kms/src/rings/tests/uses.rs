//! What callers do with rings: outcomes, evidence, and that nothing opens elsewhere.

use std::collections::BTreeMap;

use authz::{Cx, Purpose};
use base::Kind;
use serde_json::{Value, json};
use store::{FromRow, Row, Sql, StoreError};

use super::world::World;
use crate::operations::{Context, ITEMS_MAX, Item, Normalization, Outcome, Refused, Sealed};
use crate::rings::{KeyVersion, NewRing};
use crate::{Algorithm, Error, Kms, Result};

fn context(pairs: &[(&str, &str)]) -> Context {
    let pairs: BTreeMap<String, String> =
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Context::new("/context", pairs).unwrap()
}

fn phone_of(row: &str) -> Context {
    context(&[("table", "users"), ("column", "phone"), ("row", row)])
}

async fn encrypt(kms: &Kms, cx: &Cx, ring: &str, text: &str, context: Context) -> Result<Sealed> {
    let outcomes = kms.encrypt(cx, ring, &[Item { value: text.as_bytes(), context }]).await?;
    Ok(outcomes.into_iter().next().unwrap().unwrap())
}

async fn decrypt(
    kms: &Kms,
    cx: &Cx,
    ring: &str,
    ciphertext: &[u8],
    context: Context,
) -> Result<Outcome<String>> {
    let outcomes = kms.decrypt(cx, ring, &[Item { value: ciphertext, context }]).await?;
    let outcome = outcomes.into_iter().next().unwrap();
    Ok(outcome.map(|opened| String::from_utf8(opened.expose().to_vec()).unwrap()))
}

fn code(outcome: Outcome<String>) -> &'static str {
    outcome.unwrap_err().code
}

/// What is recorded of a use.
#[derive(Debug, PartialEq)]
struct Evidence {
    outcome: String,
    details: Value,
}

impl FromRow for Evidence {
    fn from_row(row: &Row) -> std::result::Result<Self, StoreError> {
        Ok(Self { outcome: row.get("result")?, details: row.get("details")? })
    }
}

/// The events of an action, oldest first.
async fn events(world: &World, action: &'static str) -> Vec<Evidence> {
    world.core.flush_audit().await;
    let cx = world.platform();
    let mut rx = cx.read(&cx.purpose(Purpose::Bootstrap)).await.unwrap();
    let sql = Sql::new("SELECT result, details FROM audit_logs WHERE action = $1 ORDER BY created_at, id");
    rx.all(sql.bind(action)).await.unwrap()
}

/// One event with these counts.
fn once(outcome: &str, items: usize, refused: usize) -> [Evidence; 1] {
    [Evidence { outcome: outcome.to_owned(), details: json!({ "items": items, "refused": refused }) }]
}

#[tokio::test]
async fn each_algorithm_encrypts_for_its_place_and_opens_nowhere_else() {
    for world in World::both().await {
        for algorithm in Algorithm::ALL {
            let (kms, cx) = (&world.kms, world.cx());
            let name = format!("ring-{}", algorithm.code());
            let new = NewRing { algorithm: Some(algorithm), ..NewRing::named(&name) };
            kms.create_ring(&cx, new).await.unwrap();

            let sealed = encrypt(kms, &cx, &name, "+8613800138000", phone_of("7")).await.unwrap();
            let opened = decrypt(kms, &cx, &name, &sealed.ciphertext, phone_of("7")).await.unwrap();

            assert_eq!(opened.unwrap(), "+8613800138000", "{algorithm}");
            assert_eq!(sealed.version, KeyVersion::FIRST);
            assert_eq!(sealed.ciphertext[4], algorithm.code());
            for place in [phone_of("8"), context(&[]), context(&[("table", "users"), ("row", "7")])] {
                let refused = decrypt(kms, &cx, &name, &sealed.ciphertext, place).await.unwrap();
                assert_eq!(code(refused), "kms_invalid_ciphertext", "{algorithm}");
            }
            for position in [0, 3, 4, 5, 8, 9, 12, 20, sealed.ciphertext.len() - 1] {
                let mut changed = sealed.ciphertext.clone();
                changed[position] ^= 1;
                let refused = decrypt(kms, &cx, &name, &changed, phone_of("7")).await.unwrap();
                let expected = if position == 5 { "kms_key_not_found" } else { "kms_invalid_ciphertext" };
                assert_eq!(code(refused), expected, "{algorithm} byte {position}");
            }
        }
    }
}

#[tokio::test]
async fn a_ciphertext_of_another_tenant_or_ring_is_answered_in_the_words_of_a_broken_one() {
    for world in World::both().await {
        let (kms, cx, rival) = (&world.kms, world.cx(), super::world::cx_of(&world.core, &world.rival));
        for (place, ring) in [(&cx, "one"), (&cx, "two"), (&rival, "one")] {
            kms.create_ring(place, NewRing::named(ring)).await.unwrap();
        }
        let own = encrypt(kms, &cx, "one", "secret", Context::default()).await.unwrap().ciphertext;
        let mut words = Vec::new();

        for (place, ring, ciphertext) in [
            (&cx, "two", own.as_slice()),
            (&rival, "one", &own),
            (&cx, "one", &own[..own.len() - 1]),
            (&cx, "one", b"nothing of ours"),
        ] {
            let refused = decrypt(kms, place, ring, ciphertext, Context::default()).await.unwrap();
            words.push(refused.unwrap_err());
        }

        assert_eq!(words[0].code, "kms_invalid_ciphertext");
        assert_eq!(words[0].kind, Kind::Invalid);
        assert!(words.iter().all(|word| *word == words[0]), "{words:?}");
    }
}

#[tokio::test]
async fn old_versions_open_until_they_are_revoked_and_encrypting_again_moves_to_the_active_one() {
    for world in World::both().await {
        let (kms, cx) = (&world.kms, world.cx());
        world.ring("contacts").await;
        let old = encrypt(kms, &cx, "contacts", "secret", phone_of("7")).await.unwrap();
        kms.rotate(&cx, "contacts", None).await.unwrap();

        let item = |ciphertext: &[u8]| Item { value: ciphertext.to_vec(), context: phone_of("7") };
        let again = kms.reencrypt(&cx, "contacts", &[item(&old.ciphertext), item(b"broken")]).await.unwrap();

        let [fresh, broken] = again.try_into().unwrap();
        let fresh: Sealed = fresh.unwrap();
        assert_eq!((old.version.number(), fresh.version.number()), (1, 2));
        assert_eq!(broken.unwrap_err().code, "kms_invalid_ciphertext");
        for sealed in [&old, &fresh] {
            let opened = decrypt(kms, &cx, "contacts", &sealed.ciphertext, phone_of("7")).await.unwrap();
            assert_eq!(opened.unwrap(), "secret");
        }

        kms.revoke(&cx, "contacts", KeyVersion::parse("1").unwrap(), "it was seen").await.unwrap();

        let refused = decrypt(kms, &cx, "contacts", &old.ciphertext, phone_of("7")).await.unwrap();
        assert_eq!(code(refused), "kms_key_revoked");
        let opened = decrypt(kms, &cx, "contacts", &fresh.ciphertext, phone_of("7")).await.unwrap();
        assert_eq!(opened.unwrap(), "secret");
    }
}

#[tokio::test]
async fn a_thousand_items_are_one_call_and_the_bad_ones_are_told_apart() {
    for world in World::both().await {
        let (kms, cx) = (&world.kms, world.cx());
        world.ring("contacts").await;
        let items: Vec<Item<String>> = (0..ITEMS_MAX)
            .map(|number| Item { value: number.to_string(), context: phone_of(&number.to_string()) })
            .collect();

        let sealed = kms.encrypt(&cx, "contacts", &items).await.unwrap();
        let mut to_open: Vec<Item<Vec<u8>>> = sealed
            .into_iter()
            .enumerate()
            .map(|(number, sealed)| Item {
                value: sealed.unwrap().ciphertext,
                context: phone_of(&number.to_string()),
            })
            .collect();
        to_open[10].value.pop();
        to_open[700].context = phone_of("7");
        let opened = kms.decrypt(&cx, "contacts", &to_open).await.unwrap();

        for (number, outcome) in opened.into_iter().enumerate() {
            match outcome {
                Ok(plaintext) => assert_eq!(plaintext.expose(), number.to_string().as_bytes()),
                Err(Refused { code, .. }) => {
                    assert!([10, 700].contains(&number), "{number}");
                    assert_eq!(code, "kms_invalid_ciphertext");
                }
            }
        }
        let encrypted = events(&world, "kms.encrypted").await;
        let decrypted = events(&world, "kms.decrypted").await;
        assert_eq!(encrypted, once("SUCCESS", 1000, 0));
        assert_eq!(decrypted, once("SUCCESS", 1000, 2));

        let more: Vec<Item<&str>> =
            (0..=ITEMS_MAX).map(|_| Item { value: "", context: Context::default() }).collect();
        assert!(matches!(kms.encrypt(&cx, "contacts", &more).await, Err(Error::Invalid { .. })));
    }
}

#[tokio::test]
async fn a_refused_value_is_recorded_as_a_failure() {
    for world in World::both().await {
        world.ring("contacts").await;

        decrypt(&world.kms, &world.cx(), "contacts", b"broken", Context::default())
            .await
            .unwrap()
            .unwrap_err();

        let decrypted = events(&world, "kms.decrypted").await;
        assert_eq!(decrypted, once("FAILURE", 1, 1));
    }
}

#[tokio::test]
async fn a_wrapped_data_key_opens_to_the_key_that_was_shown() {
    for world in World::both().await {
        let (kms, cx) = (&world.kms, world.cx());
        world.ring("files").await;
        let place = context(&[("bucket", "a")]);

        for bytes in [16, 24, 32, 64] {
            let made = kms.generate_data_key(&cx, "files", bytes, &place).await.unwrap();
            let item = Item { value: &made.wrapped.ciphertext, context: place.clone() };
            let opened = kms.decrypt(&cx, "files", &[item]).await.unwrap().pop().unwrap().unwrap();

            assert_eq!(made.plaintext.expose().len(), bytes);
            assert_eq!(opened.expose(), made.plaintext.expose().as_slice());
        }
        let wrapped = kms.generate_wrapped_data_key(&cx, "files", 32, &place).await.unwrap();
        let item = Item { value: &wrapped.ciphertext, context: place.clone() };
        let opened = kms.decrypt(&cx, "files", &[item]).await.unwrap().pop().unwrap().unwrap();
        assert_eq!(opened.expose().len(), 32);
        for bytes in [0, 1, 33, 65, 1 << 40] {
            let refused = kms.generate_data_key(&cx, "files", bytes, &place).await;
            assert!(matches!(refused, Err(Error::Invalid { .. })), "{bytes}");
        }
    }
}

#[tokio::test]
async fn an_authentication_code_holds_for_its_message_and_version() {
    for world in World::both().await {
        let (kms, cx) = (&world.kms, world.cx());
        world.ring("events").await;

        let first = kms.compute_mac(&cx, "events", b"message").await.unwrap();
        kms.rotate(&cx, "events", None).await.unwrap();
        let second = kms.compute_mac(&cx, "events", b"message").await.unwrap();

        assert_eq!((first.version.number(), second.version.number()), (1, 2));
        assert_ne!(first.code, second.code);
        assert!(kms.verify_mac(&cx, "events", b"message", &first).await.unwrap());
        assert!(!kms.verify_mac(&cx, "events", b"massage", &first).await.unwrap());
        let crossed = crate::operations::Mac { version: second.version, ..first.clone() };
        assert!(!kms.verify_mac(&cx, "events", b"message", &crossed).await.unwrap());
        let short = crate::operations::Mac { code: first.code[..16].to_vec(), version: first.version };
        assert!(!kms.verify_mac(&cx, "events", b"message", &short).await.unwrap());
        assert_eq!(events(&world, "kms.mac_verified").await.len(), 4);
    }
}

#[tokio::test]
async fn hashes_find_equal_values_of_one_tenant_ring_and_field_and_no_rotation_changes_them() {
    for world in World::both().await {
        let (kms, cx, rival) = (&world.kms, world.cx(), super::world::cx_of(&world.core, &world.rival));
        for (place, ring) in [(&cx, "people"), (&cx, "other"), (&rival, "people")] {
            kms.create_ring(place, NewRing::named(ring)).await.unwrap();
        }
        let hash = async |cx: &Cx, ring: &str, field: &str, value: &str| {
            kms.hash_value(cx, ring, field, Normalization::Phone, value).await.unwrap()
        };

        let first = hash(&cx, "people", "users.phone", "+86 138-0013-8000").await;
        kms.rotate(&cx, "people", None).await.unwrap();
        let restarted = world.restarted().await;
        let again = restarted
            .hash_value(&cx, "people", "users.phone", Normalization::Phone, "0086 13800138000")
            .await
            .unwrap();

        assert_eq!(first, again);
        assert_eq!(first.len(), 64);
        let others = [
            hash(&rival, "people", "users.phone", "+8613800138000").await,
            hash(&cx, "other", "users.phone", "+8613800138000").await,
            hash(&cx, "people", "users.mobile", "+8613800138000").await,
            hash(&cx, "people", "users.phone", "+8613800138001").await,
        ];
        assert!(!others.contains(&first));
        for (field, value) in [("", "+8613800138000"), ("a b", "+8613800138000"), ("a", "138")] {
            let refused = kms.hash_value(&cx, "people", field, Normalization::Phone, value).await;
            assert!(matches!(refused, Err(Error::Invalid { .. })), "{field} {value}");
        }
    }
}

#[tokio::test]
async fn nothing_is_done_with_a_ring_that_is_not_there() {
    for world in World::both().await {
        let (kms, cx) = (&world.kms, world.cx());
        world.ring("contacts").await;

        for ring in ["contact", "CONTACTS", "", "a/b", &"x".repeat(65)] {
            let refused = encrypt(kms, &cx, ring, "secret", Context::default()).await;
            assert!(matches!(refused, Err(Error::NoRing(_))), "{ring}");
            let refused = kms.hash_value(&cx, ring, "f", Normalization::Exact, "v").await;
            assert!(matches!(refused, Err(Error::NoRing(_))), "{ring}");
        }
        assert!(matches!(kms.generate_random(&cx, 0).await, Err(Error::Invalid { .. })));
        assert!(matches!(kms.generate_random(&cx, 1025).await, Err(Error::Invalid { .. })));
        let (one, other) = (kms.generate_random(&cx, 32).await, kms.generate_random(&cx, 32).await);
        assert_ne!(one.unwrap().expose(), other.unwrap().expose());
    }
}

#[test]
fn a_context_has_limits() {
    let many = (0..17).map(|at| (at.to_string(), String::new())).collect();
    let long_name = BTreeMap::from([("x".repeat(65), String::new())]);
    let long_value = BTreeMap::from([("x".to_owned(), "x".repeat(513))]);

    for values in [many, long_name, long_value] {
        let refused = Context::new("/items/3/context", values).unwrap_err();
        assert!(matches!(refused, Error::Invalid { pointer, .. } if pointer == "/items/3/context"));
    }
}
