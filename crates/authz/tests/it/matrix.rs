//! Coverage test 1: the default roles by actions and resources, against a file that people can read.

use authz::action::Plane;
use authz::{Action, Target};

use crate::world::World;

const ROLES: [Option<&str>; 4] = [Some("SUPER_ADMIN"), Some("ADMIN"), Some("USER"), None];

#[tokio::test]
async fn the_default_roles_permit_exactly_what_the_file_says() {
    for world in World::both().await {
        let mut people = Vec::new();
        for role in ROLES {
            let name = role.unwrap_or("nobody").to_lowercase();
            people.push(world.user(&world.acme, &name, role).await);
        }
        let mut lines = vec![format!(
            "{:<28}{:<30}{:<13}{:<7}{:<6}no role",
            "action", "resource", "Super Admin", "Admin", "User"
        )];

        for action in Action::ALL {
            for (words, resource) in resources(*action, &world) {
                let mut line = format!("{:<28}{words:<30}", action.name());
                for (person, width) in people.iter().zip([13, 7, 6, 0]) {
                    let decision = world.decides(person, action.name(), &resource).await;
                    line.push_str(&format!("{:<width$}", if decision { "yes" } else { "-" }));
                }
                lines.push(line.trim_end().to_owned());
            }
        }

        let printed = lines.join("\n");
        assert_eq!(printed, include_str!("../roles.txt").trim_end(), "\n{printed}\n");
    }
}

/// The resources of a row: one of the action's kind here, the same in another tenant and, where it differs,
/// on the platform.
fn resources(action: Action, world: &World) -> Vec<(String, String)> {
    let own = Some(world.acme.id.as_str());
    let rival = Some(world.rival.id.as_str());
    let one = |kind: &'static str, tenant: Option<&str>| match kind {
        "tenant" => Target::Member("tenant", tenant.unwrap_or("t").to_owned()).name(tenant).to_string(),
        "*" => Target::all("policy").name(tenant).to_string(),
        kind => Target::Member(kind, "one".to_owned()).name(tenant).to_string(),
    };
    let kind = action.kind();
    if action.plane() == Plane::Platform {
        return vec![
            (format!("{kind} of the platform"), one(kind, None)),
            (format!("{kind} of this tenant"), one(kind, own)),
        ];
    }
    if action.name().ends_with("_self") || action == Action::UserChangePassword {
        return vec![
            ("oneself".to_owned(), Target::own_user().name(own).to_string()),
            ("another user".to_owned(), one("user", own)),
        ];
    }
    let word = if kind == "*" { "policy" } else { kind };
    vec![
        (format!("{word} of this tenant"), one(kind, own)),
        (format!("{word} of another tenant"), one(kind, rival)),
    ]
}
