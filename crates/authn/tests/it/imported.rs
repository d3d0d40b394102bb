//! Passwords that come with the hash of another system: they sign in once by it, and by ours from then on.

use authn::passwords::Scheme;
use authn::{Error, ImportedHash, import_password_in};
use authz::Purpose;
use base::Secret;
use base::id::UserId;
use store::Sql;

use crate::world::{HOME, OTHER, PASSWORD, World, secret};

/// Hashes of `password` and others; their sources stand with the parser's tests.
const OLD: &str = "password";
const PBKDF2: &str = "$pbkdf2-sha256$1212$4vjV83LKPjQzk31VI4E0Vw$hsYF68OiOUPdDZ1Fg.fJPeq1h/gXXY7acBp9/6c.tmQ";
const DJANGO: &str = "pbkdf2_sha256$10000$seasalt$CWWFdHOWwPnki7HvkcqN9iA2T3KLW1cf2uZ5kvArtVY=";
const BCRYPT: &str = "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";

async fn import(world: &World, user: &UserId, scheme: Scheme, text: &str) {
    let hash = ImportedHash::parse(scheme, Secret::new(text.to_owned())).unwrap();
    let cx = world.system();
    let permit = cx.purpose(Purpose::Bootstrap);
    let mut tx = cx.write(&permit).await.unwrap();
    import_password_in(&cx, &mut tx, &permit, user, &hash).await.unwrap();
    assert_eq!(tx.events_recorded(), 1);
    tx.commit().await.unwrap();
}

async fn left(world: &World) -> i64 {
    world.one(Sql::new("SELECT count(*) AS n FROM imported_passwords")).await
}

async fn stored(world: &World, user: &UserId) -> String {
    world.one(Sql::new("SELECT password FROM users WHERE id = $1").bind(user)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_sign_in_replaces_the_imported_hash_by_ours_and_says_so() {
    for world in World::both().await {
        for (scheme, text, password) in [
            (Scheme::Pbkdf2Sha256, PBKDF2, OLD),
            (Scheme::Pbkdf2Sha256, DJANGO, "lètmein"),
            (Scheme::Bcrypt, BCRYPT, "U*U"),
        ] {
            import(&world, &world.maria, scheme, text).await;
            let before = stored(&world, &world.maria).await;
            assert!(before.starts_with("$2a$"), "{before}");
            assert!(matches!(world.try_from(HOME, "maria", PASSWORD).await, Err(Error::BadCredentials)));
            assert_eq!(left(&world).await, 1);

            world.sign_in("maria", password).await;

            assert_eq!(left(&world).await, 0);
            let ours = stored(&world, &world.maria).await;
            assert!(ours.starts_with("$2a$10$") && ours != before, "{ours}");
            world.sign_in("maria", password).await;
            assert_eq!(stored(&world, &world.maria).await, ours);
        }
        let said = Sql::new(
            "SELECT count(*) AS n FROM audit_logs WHERE action = 'session.started' \
             AND CAST(details AS text) LIKE '%pbkdf2-sha256%'",
        );
        assert_eq!(world.one::<i64>(said).await, 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_way_to_a_new_password_ends_the_imported_one() {
    for world in World::both().await {
        import(&world, &world.maria, Scheme::Pbkdf2Sha256, PBKDF2).await;

        world.service.set_password_by_host(&host(&world), "maria", secret(OTHER), false).await.unwrap();

        assert_eq!(left(&world).await, 0);
        assert!(matches!(world.try_from(HOME, "maria", OLD).await, Err(Error::BadCredentials)));
        world.sign_in("maria", OTHER).await;
    }
}

fn host(world: &World) -> authz::Cx {
    world.cx(authz::Actor::Host { uid: 1 }, HOME)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_attempt_costs_one_bcrypt_and_a_neighbours_hash_signs_nobody_in() {
    for world in World::both().await {
        let zoe = world.add("zoe", OTHER).await;
        import(&world, &zoe, Scheme::Pbkdf2Sha256, PBKDF2).await;

        for (name, password) in [("zoe", "wrong"), ("maria", OLD), ("nosuch", OLD), ("maria", "wrong")] {
            let before = world.service.verifications();
            assert!(
                matches!(world.try_from(HOME, name, password).await, Err(Error::BadCredentials)),
                "{name}"
            );
            assert_eq!(world.service.verifications() - before, 1, "{name}");
        }
        let before = world.service.verifications();
        world.sign_in("zoe", OLD).await;
        assert_eq!(world.service.verifications() - before, 1);
        world.sign_in("maria", PASSWORD).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn importing_ends_sessions_and_a_person_of_another_tenant_is_not_found() {
    for world in World::both().await {
        let begun = world.sign_in("maria", PASSWORD).await;
        import(&world, &world.maria, Scheme::Bcrypt, BCRYPT).await;
        assert!(!world.is_alive(&begun).await);

        let hash = ImportedHash::parse(Scheme::Bcrypt, Secret::new(BCRYPT.to_owned())).unwrap();
        let cx = world.core.system(authz::Place::Tenant(world.other.clone()));
        let permit = cx.purpose(Purpose::Bootstrap);
        let mut tx = cx.write(&permit).await.unwrap();
        let foreign = import_password_in(&cx, &mut tx, &permit, &world.maria, &hash).await;
        assert!(matches!(foreign, Err(Error::NotFound("user"))));
    }
}
