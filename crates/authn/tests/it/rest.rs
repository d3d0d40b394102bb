//! The API about passwords and sessions.

use axum::http::{Method, StatusCode};
use serde_json::json;

use crate::world::{OTHER, PASSWORD, World};

const API: &str = "/t/default/api/v1/users";

#[tokio::test(flavor = "multi_thread")]
async fn a_person_lists_and_ends_their_sessions() {
    for world in World::both().await {
        let elsewhere = world.sign_in("maria", PASSWORD).await;
        let mut browser = world.browser();
        assert_eq!(
            browser.sign_in("/t/default/sign-in", "maria", PASSWORD).await.status,
            StatusCode::SEE_OTHER
        );

        let listed = browser.get(&format!("{API}/me/sessions")).await;
        assert_eq!(listed.status, StatusCode::OK);
        let items = listed.json()["items"].as_array().unwrap().clone();
        assert_eq!(items.len(), 2);
        assert_eq!(items.iter().filter(|item| item["current"] == json!(true)).count(), 1);
        assert!(!listed.body.contains("token"));

        let path = format!("{API}/me/sessions/{}", elsewhere.session.id);
        assert_eq!(browser.delete(&path).await.status, StatusCode::NO_CONTENT);
        assert_eq!(browser.delete(&path).await.status, StatusCode::NOT_FOUND);
        assert!(!world.is_alive(&elsewhere).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_lists_ends_and_resets_and_a_user_may_not() {
    for world in World::both().await {
        let boss = world.add("boss", PASSWORD).await;
        world.give_role(&boss, "ADMIN").await;
        let victim = world.sign_in("maria", PASSWORD).await;
        let of_maria = format!("{API}/{}", world.maria);
        let mut user = world.browser();
        user.sign_in("/t/default/sign-in", "maria", PASSWORD).await;
        let mut admin = world.browser();
        admin.sign_in("/t/default/sign-in", "boss", PASSWORD).await;

        let foreign = format!("{API}/{boss}/sessions");
        assert_eq!(user.get(&foreign).await.status, StatusCode::FORBIDDEN);
        assert_eq!(user.delete(&foreign).await.status, StatusCode::FORBIDDEN);
        let reset = user.json(Method::POST, &format!("{API}/{boss}/reset-password"), &json!({})).await;
        assert_eq!(reset.status, StatusCode::FORBIDDEN);

        let listed = admin.get(&format!("{of_maria}/sessions")).await;
        assert_eq!(listed.json()["items"].as_array().unwrap().len(), 2);
        assert_eq!(admin.delete(&format!("{of_maria}/sessions")).await.status, StatusCode::NO_CONTENT);
        assert!(!world.is_alive(&victim).await);
        let unknown = admin.get(&format!("{API}/nosuch/sessions")).await;
        assert_eq!(unknown.status, StatusCode::NOT_FOUND);

        let answer = admin.json(Method::POST, &format!("{of_maria}/reset-password"), &json!({})).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        let url = answer.json()["recovery_url"].as_str().unwrap().to_owned();
        assert!(url.starts_with("http://localhost:8080/t/default/recover?token="), "{url}");
        let weak = json!({ "temporary_password": "weak" });
        let weak = admin.json(Method::POST, &format!("{of_maria}/reset-password"), &weak).await;
        assert_eq!(weak.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(weak.json()["errors"][0]["pointer"], "/temporary_password");
        let unknown = json!({ "temporary_password": OTHER, "must_change_password": false });
        let unknown = admin.json(Method::POST, &format!("{of_maria}/reset-password"), &unknown).await;
        assert_eq!(unknown.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_changes_their_password_and_the_session_goes_on_under_a_new_cookie() {
    for world in World::both().await {
        let mut browser = world.browser();
        browser.sign_in("/t/default/sign-in", "maria", PASSWORD).await;
        let before = browser.cookies.clone();
        let path = format!("{API}/me/password");

        let wrong = json!({ "current_password": "guess", "new_password": OTHER });
        let wrong = browser.json(Method::POST, &path, &wrong).await;
        assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(wrong.json()["code"], "wrong_current_password");
        let weak = json!({ "current_password": PASSWORD, "new_password": "short" });
        let weak = browser.json(Method::POST, &path, &weak).await;
        assert_eq!(weak.json()["errors"][0]["code"], "password_too_short");
        assert_eq!(weak.json()["errors"][0]["pointer"], "/new_password");

        let right = json!({ "current_password": PASSWORD, "new_password": OTHER });
        let right = browser.json(Method::POST, &path, &right).await;
        assert_eq!(right.status, StatusCode::NO_CONTENT, "{}", right.body);
        assert_ne!(browser.cookies, before);
        assert_eq!(browser.get(&format!("{API}/me/sessions")).await.status, StatusCode::OK);
        let mut thief = world.browser();
        thief.cookies = before;
        assert_eq!(thief.get(&format!("{API}/me/sessions")).await.status, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_anything() {
    let world = World::at("http://localhost:8080").await;
    let mut browser = world.browser();

    for (method, path) in [
        (Method::GET, format!("{API}/me/sessions")),
        (Method::DELETE, format!("{API}/me/sessions/x")),
        (Method::GET, format!("{API}/{}/sessions", world.maria)),
        (Method::DELETE, format!("{API}/{}/sessions", world.maria)),
        (Method::DELETE, format!("{API}/{}/sessions/x", world.maria)),
    ] {
        let answer = browser.json(method.clone(), &path, &json!({})).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path} {}", answer.body);
    }
    let change = json!({ "current_password": PASSWORD, "new_password": OTHER });
    let answer = browser.json(Method::POST, &format!("{API}/me/password"), &change).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    let path = format!("{API}/{}/reset-password", world.maria);
    assert_eq!(browser.json(Method::POST, &path, &json!({})).await.status, StatusCode::UNAUTHORIZED);
}
