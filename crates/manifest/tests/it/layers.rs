//! Guardrails, boundaries and policies of resources in files.

use crate::world::World;

const HEAD: &str = "version: 1\ntenant: { code: acme }\n";

const LAYERS: &str = "\
policies:
- name: Secrets stay
  guardrail: true
  document:
    Version: '2012-10-17'
    Statement:
    - { Effect: Deny, Action: '*', Resource: 'document:secret/*' }
- name: Everything else
  guardrail: true
  document: { Version: '2012-10-17', Statement: [{ Effect: Allow, Action: '*', Resource: '*' }] }
- name: Plans only
  document: { Version: '2012-10-17', Statement: [{ Effect: Allow, Action: '*', Resource: 'document:plan*' }] }
- name: All
  document: { Version: '2012-10-17', Statement: [{ Effect: Allow, Action: '*', Resource: '*' }] }
roles: [{ code: wide, policies: [All] }]
users:
- { username: dora, roles: [wide] }
- { username: eric, roles: [wide], boundary: Plans only }
clients:
- { client_id: robot, type: service, scopes: [signet], roles: [wide], boundary: Plans only, secret: { env: SECRET } }
resources:
- name: document:plan
  policy:
    Version: '2012-10-17'
    Statement: { Effect: Deny, Action: 'document:erase', Resource: '*', Principal: '*' }
";

/// acme with all of it.
async fn layered() -> Vec<World> {
    let worlds = World::on_both().await;
    for world in &worlds {
        world.apply(&world.host(), &format!("{HEAD}{LAYERS}")).await;
    }
    worlds
}

#[tokio::test]
async fn a_file_says_what_binds_everybody_what_limits_whom_and_what_resources_say() {
    for world in layered().await {
        let allowed = async |name, action, resource| world.allowed("acme", name, action, resource).await;

        assert!(allowed("dora", "document:read", "document:other").await);
        assert!(!allowed("dora", "document:read", "document:secret/a").await, "the guardrail");
        assert!(allowed("eric", "document:read", "document:plan").await);
        assert!(!allowed("eric", "document:read", "document:other").await, "the boundary");
        assert!(!allowed("dora", "document:erase", "document:plan").await, "the resource");
        let again = world.apply(&world.host(), &format!("{HEAD}{LAYERS}")).await;
        assert_eq!(again.diff, "nothing to change\n");

        let exported = world.service.export(&world.host(), "acme").await.unwrap();
        assert_eq!(world.apply(&world.host(), &exported).await.diff, "nothing to change\n", "{exported}");
        assert!(exported.contains("boundary: Plans only"), "{exported}");

        let off = format!(
            "{HEAD}policies:\n- {{ name: Secrets stay, guardrail: false }}\n- {{ name: Everything else, guardrail: false }}\n\
             users: [{{ username: eric, boundary: null }}]\nresources: [{{ name: 'document:plan', policy: null }}]\n"
        );
        let answer = world.apply(&world.host(), &off).await;
        assert!(answer.diff.contains("boundary: Plans only -> nothing"), "{}", answer.diff);
        assert!(allowed("dora", "document:read", "document:secret/a").await);
        assert!(allowed("eric", "document:read", "document:other").await);
        assert!(allowed("dora", "document:erase", "document:plan").await);
    }
}

#[tokio::test]
async fn h29_no_file_widens_what_binds_or_limits() {
    for world in layered().await {
        let staff = format!("{HEAD}users: [{{ username: adam, roles: [ADMIN] }}]\n");
        world.apply(&world.host(), &staff).await;
        let adam = world.user("acme", "adam").await;

        for text in [
            "policies: [{ name: Secrets stay, guardrail: false }]",
            "policies: [{ name: All, guardrail: true }]",
            "users: [{ username: eric, boundary: null }]",
            "users: [{ username: eric, boundary: All }]",
            "users: [{ username: adam, boundary: All }]",
            "clients: [{ client_id: robot, boundary: null }]",
            "resources: [{ name: 'document:plan', policy: null }]",
        ] {
            let refused = world.try_apply(&adam, &format!("{HEAD}{text}\n")).await.unwrap_err();
            assert!(["denied", "escalation"].contains(&refused.code()), "{text}: {refused:?}");
        }
        let eric = format!("{HEAD}users: [{{ username: eric, boundary: Nobody knows }}]\n");
        let refused = world.try_apply(&world.host(), &eric).await.unwrap_err();
        assert!(refused.errors()[0].detail.contains("unknown policy"), "{refused:?}");
        assert!(!world.allowed("acme", "eric", "document:read", "document:other").await);
    }
}
