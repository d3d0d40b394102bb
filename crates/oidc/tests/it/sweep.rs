//! What is over goes, what still counts stays.

use authz::Swept;
use store::Sql;

use crate::world::World;

const DAY: i64 = 86_400;

async fn rows(world: &World) -> [i64; 3] {
    [
        world.one(Sql::new("SELECT count(*) AS n FROM authorization_codes")).await,
        world.one(Sql::new("SELECT count(*) AS n FROM tokens")).await,
        world.one(Sql::new("SELECT count(*) AS n FROM oauth_grants")).await,
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_and_tokens_go_a_day_after_their_end_and_grants_when_nothing_is_left_of_them() {
    for world in World::both().await {
        let tokens = world.tokens("openid offline_access").await;
        let refresh = tokens["refresh_token"].as_str().unwrap();
        assert_eq!(Swept::total(&world.service.sweep().await.unwrap()), 0);
        let [codes, before, grants] = rows(&world).await;
        assert_eq!((codes, grants), (1, 1));

        world.clock.advance_seconds(2 * DAY);
        let swept = world.service.sweep().await.unwrap();
        assert!(swept.iter().any(|s| s.kind == "authorization_codes" && s.rows == 1), "{swept:?}");
        let [codes, after, grants] = rows(&world).await;
        assert_eq!((codes, grants), (0, 1));
        assert!(after < before && after > 0, "{before} then {after}");
        let answer = world.refresh(refresh).await;
        assert_eq!(answer.status, 200, "{}", answer.body);

        world.execute(Sql::new("UPDATE tokens SET status = 'REVOKED' WHERE rotated_at IS NOT NULL")).await;
        world.clock.advance_seconds(120 * DAY);
        world.service.sweep().await.unwrap();
        assert_eq!(rows(&world).await, [0, 0, 0]);
    }
}
