//! Platform roles: kept in code, outside every tenant, granted to principals by name.

use std::sync::Arc;

use policy::{Document, Input, Policy, RoleInput, Snapshot};
use serde_json::json;

use crate::action::Plane;
use crate::{Action, Error, Result};

/// Who runs the platform: everything, in every tenant, through the platform's own routes only.
pub const PLATFORM_ADMIN: &str = "platform_admin";
/// Who checks the platform: reads platforms, tenants and the platform's audit log, changes nothing.
pub const PLATFORM_AUDITOR: &str = "platform_auditor";

/// Every platform role.
pub const ROLES: &[&str] = &[PLATFORM_ADMIN, PLATFORM_AUDITOR];

/// Compiles the platform's own policies.
pub(crate) fn snapshot() -> Result<Snapshot> {
    let read = [
        Action::PlatformRead,
        Action::PlatformTenantRead,
        Action::PlatformPermissionRead,
        Action::PlatformGuardrailRead,
        Action::PlatformKeyRead,
        Action::PlatformAuditRead,
        Action::PlatformSystemMonitor,
    ];
    let auditor: Vec<&str> =
        read.iter().filter(|action| action.plane() == Plane::Platform).map(|action| action.name()).collect();
    let mut input = Input::default();
    add_role(&mut input, PLATFORM_ADMIN, &["*"])?;
    add_role(&mut input, PLATFORM_AUDITOR, &auditor)?;
    Snapshot::compile(0, input).map_err(|e| Error::Bug(base::bug!("platform roles: {e}")))
}

fn add_role(input: &mut Input, name: &str, actions: &[&str]) -> Result<()> {
    let document = json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Action": actions, "Resource": "*" }],
    });
    let document =
        Document::from_value(&document).map_err(|e| Error::Bug(base::bug!("platform role {name}: {e:?}")))?;
    let policy = Policy::new(&format!("{name}-policy"), name).with_document(Arc::new(document));
    input.roles.push(RoleInput {
        id: name.to_owned(),
        name: name.to_owned(),
        parent: None,
        policies: vec![policy.id().to_string()],
        permissions: Vec::new(),
    });
    input.policies.push(policy);
    Ok(())
}
