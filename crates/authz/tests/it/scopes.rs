//! Tokens that are for part of the API: what they let their holders do, and what not.

use authz::access::{Question, Semantic, Subject, evaluate};
use authz::cx::RequestContext;
use authz::{Action, Actor, Api, Cx, Error, Place, Target};
use base::id::UserId;
use policy::Denial;

use crate::world::{NOON, World};

/// A person with a token that has these scopes.
fn with_scopes(world: &World, user: &UserId, place: Place, scopes: &[&str]) -> Cx {
    let scopes: Vec<String> = scopes.iter().map(|scope| (*scope).to_owned()).collect();
    let actor = Actor::User {
        id: user.clone(),
        tenant: world.acme.id.clone(),
        username: "person".to_owned(),
        session: None,
        client: None,
        api: Api::of_scopes(&world.acme.id, &scopes),
        must_change_password: false,
    };
    Cx::new(world.core.clone(), place, actor, RequestContext::none(NOON))
}

#[tokio::test]
async fn a_token_for_part_of_the_api_does_no_more_than_that_and_no_more_than_its_holder() {
    for world in World::both().await {
        let admin = world.user(&world.acme, "admin", Some("ADMIN")).await;
        let nobody = world.user(&world.acme, "nobody", None).await;
        let acme = || Place::Tenant(world.acme.clone());
        let may = async |cx: &Cx, action: Action, noun: &'static str| match cx
            .authorize(action, &Target::all(noun))
            .await
        {
            Ok(_) => "yes",
            Err(Error::InsufficientScope) => "scope",
            Err(Error::Denied { .. }) => "denied",
            Err(other) => panic!("{other:?}"),
        };
        let reads = with_scopes(&world, &admin, acme(), &["openid", "signet:user:read"]);
        let all = with_scopes(&world, &admin, acme(), &["signet", "signet:user:read"]);
        let none = with_scopes(&world, &admin, acme(), &["openid", "user:read"]);
        let of_nobody = with_scopes(&world, &nobody, acme(), &["signet:user:read"]);

        assert_eq!(may(&reads, Action::UserRead, "user").await, "yes");
        assert_eq!(may(&reads, Action::UserUpdate, "user").await, "scope");
        assert_eq!(may(&reads, Action::RoleRead, "role").await, "scope");
        assert_eq!(may(&all, Action::UserUpdate, "user").await, "yes");
        assert_eq!(may(&none, Action::UserRead, "user").await, "scope");
        assert_eq!(may(&of_nobody, Action::UserRead, "user").await, "denied");
        let platform = with_scopes(&world, &admin, Place::Platform, &["signet:tenant:read"]);
        assert_eq!(may(&platform, Action::PlatformTenantProvision, "tenant").await, "scope");
        assert!(!world.events("access.denied").await.is_empty());
    }
}

#[tokio::test]
async fn a_question_about_oneself_is_answered_for_the_token_that_asks() {
    for world in World::both().await {
        let admin = world.user(&world.acme, "admin", Some("ADMIN")).await;
        let question = |action: &str| Question {
            subject: Subject { kind: "user".to_owned(), id: admin.to_string() },
            action: action.to_owned(),
            resource: format!("arn:signet:iam::{}:user/x", world.acme.id),
            context_keys: Vec::new(),
            context: Vec::new(),
            end_user_address: None,
            end_user_secure_transport: None,
        };
        let questions = [question("user:read"), question("user:update")];
        let place = || Place::Tenant(world.acme.clone());
        let ask = async |scopes: &[&str]| {
            let cx = with_scopes(&world, &admin, place(), scopes);
            let answers = evaluate(&cx, &questions, Semantic::ExecuteAll).await.unwrap();
            answers.iter().map(|answer| answer.denial.map(|denial| denial.as_str())).collect::<Vec<_>>()
        };

        assert_eq!(ask(&["signet"]).await, [None, None]);
        assert_eq!(ask(&["signet:user:read"]).await, [None, Some(Denial::Scope.as_str())]);
    }
}
